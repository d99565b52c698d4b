//! The matrix exponential, numerically.

/// A square matrix, row by row.
pub type Matrix = Vec<Vec<f64>>;

fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    let n = a.len();
    let mut c = vec![vec![0.0; n]; n];
    for i in 0..n {
        for k in 0..n {
            if a[i][k] != 0.0 {
                for j in 0..n {
                    c[i][j] += a[i][k] * b[k][j];
                }
            }
        }
    }
    c
}

/// `e^m` by scaling, a Taylor series of 18 terms and squaring (Moler & Van Loan 2003, methods 1 and 3). Zeros of a
/// triangular matrix stay exactly zero. The relative error is near 1e-15 for the small norms of one time step.
#[must_use]
pub fn expm(m: &Matrix) -> Matrix {
    let n = m.len();
    let norm = m.iter().map(|row| row.iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max);
    let mut squarings = 0;
    let mut scale = 1.0;
    while norm * scale > 0.25 && squarings < 1000 {
        scale *= 0.5;
        squarings += 1;
    }
    // Most matrices are tiny: with their size known to the compiler the sums cost a fraction. Rows and columns of zeros change none.
    match n {
        0..=2 => return small::<2>(m, scale, squarings),
        3..=4 => return small::<4>(m, scale, squarings),
        5..=8 => return small::<8>(m, scale, squarings),
        _ => {}
    }
    let scaled: Vec<f64> = m.iter().flatten().map(|x| x * scale).collect();
    // Horner from the innermost term: I + M(I + M/2(I + M/3(…)))
    let mut sum: Vec<f64> = (0..n * n).map(|at| if at % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let mut next = vec![0.0; n * n];
    for k in (1..=18).rev() {
        product(n, &scaled, &sum, &mut next);
        next.iter_mut().for_each(|x| *x /= f64::from(k));
        next.iter_mut().step_by(n + 1).for_each(|x| *x += 1.0);
        std::mem::swap(&mut sum, &mut next);
    }
    for _ in 0..squarings {
        product(n, &sum, &sum, &mut next);
        std::mem::swap(&mut sum, &mut next);
    }
    sum.chunks(n.max(1)).map(<[f64]>::to_vec).collect()
}

/// [`expm`] of a matrix of at most `N` rows, by the same operations in the same order.
fn small<const N: usize>(m: &Matrix, scale: f64, squarings: u32) -> Matrix {
    let n = m.len();
    let product = |a: &[[f64; N]; N], b: &[[f64; N]; N]| {
        let mut c = [[0.0; N]; N];
        for (out, row) in c.iter_mut().zip(a) {
            for (x, other) in row.iter().zip(b) {
                if *x != 0.0 {
                    out.iter_mut().zip(other).for_each(|(o, y)| *o += x * y);
                }
            }
        }
        c
    };
    let mut scaled = [[0.0; N]; N];
    for (to, from) in scaled.iter_mut().zip(m) {
        to.iter_mut().zip(from).for_each(|(to, x)| *to = x * scale);
    }
    let mut sum: [[f64; N]; N] = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    for k in (1..=18).rev() {
        sum = product(&scaled, &sum);
        sum.iter_mut().flatten().for_each(|x| *x /= f64::from(k));
        sum.iter_mut().enumerate().for_each(|(i, row)| row[i] += 1.0);
    }
    for _ in 0..squarings {
        sum = product(&sum, &sum);
    }
    sum.iter().take(n).map(|row| row[..n].to_vec()).collect()
}

/// `c = a b` for matrices of `n` rows, row after row.
fn product(n: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    if n == 0 {
        return;
    }
    c.fill(0.0);
    for (row, out) in a.chunks(n).zip(c.chunks_mut(n)) {
        for (x, other) in row.iter().zip(b.chunks(n)) {
            if *x != 0.0 {
                out.iter_mut().zip(other).for_each(|(o, y)| *o += x * y);
            }
        }
    }
}

/// Propagator and offset matrices of x' = A x + b over `dt`: x(t + dt) = P x(t) + Q b, with P = e^(A dt) and
/// Q = ∫₀^dt e^(A s) ds, from one exponential of the augmented matrix [[A, I], [0, 0]] (Van Loan 1978), so that singular A
/// and equal time constants need no special case.
#[must_use]
pub fn propagator(a: &Matrix, dt: f64) -> (Matrix, Matrix) {
    let n = a.len();
    let mut m = vec![vec![0.0; 2 * n]; 2 * n];
    for i in 0..n {
        for j in 0..n {
            m[i][j] = a[i][j] * dt;
        }
        m[i][n + i] = dt;
    }
    let e = expm(&m);
    let p = (0..n).map(|i| e[i][..n].to_vec()).collect();
    let q = (0..n).map(|i| e[i][n..].to_vec()).collect();
    (p, q)
}

/// The lower triangular factor L of the covariance L L^T of ∫₀^dt e^(A s) b dW(s): a Taylor series of the covariance over a fraction of
/// the step, doubled by C(2h) = C(h) + P(h) C(h) P(h)^T, then Cholesky. Only sums of like signs matter, so that a step much longer than
/// the time constants loses nothing; a singular covariance gives columns of zeros.
#[must_use]
pub fn noise_factor(a: &Matrix, b: &[f64], dt: f64) -> Matrix {
    let n = a.len();
    let norm = a.iter().map(|row| row.iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max);
    let mut doublings = 0;
    let mut h = dt;
    while norm * h > 0.125 && doublings < 1000 {
        h *= 0.5;
        doublings += 1;
    }
    // C(h) = sum over k of h^(k+1)/(k+1)! M_k with M_0 = b b^T and M_(k+1) = A M_k + M_k A^T.
    let mut term: Matrix = b.iter().map(|x| b.iter().map(|y| x * y * h).collect()).collect();
    let mut c = term.clone();
    for k in 2..=20 {
        let left = multiply(a, &term);
        term = (0..n).map(|i| (0..n).map(|j| (left[i][j] + left[j][i]) * h / f64::from(k)).collect()).collect();
        for i in 0..n {
            for j in 0..n {
                c[i][j] += term[i][j];
            }
        }
    }
    let scaled: Matrix = a.iter().map(|row| row.iter().map(|x| x * h).collect()).collect();
    let mut p = expm(&scaled);
    for _ in 0..doublings {
        let pc = multiply(&p, &c);
        for i in 0..n {
            for j in 0..n {
                c[i][j] += (0..n).map(|k| pc[i][k] * p[j][k]).sum::<f64>();
            }
        }
        p = multiply(&p, &p);
    }
    cholesky(&c)
}

/// L with L L^T = c for a covariance; pivots that are nothing but rounding give columns of zeros.
fn cholesky(c: &Matrix) -> Matrix {
    let n = c.len();
    let mut l = vec![vec![0.0; n]; n];
    for j in 0..n {
        let pivot = c[j][j] - l[j].iter().take(j).map(|x| x * x).sum::<f64>();
        if pivot <= 1e-13 * c[j][j] || pivot.is_nan() {
            continue;
        }
        l[j][j] = pivot.sqrt();
        for i in j + 1..n {
            let sum: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            l[i][j] = (c[i][j] - sum) / l[j][j];
        }
    }
    l
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decay_and_offset_have_their_closed_forms() {
        let (p, q) = propagator(&vec![vec![-0.05]], 0.1);
        assert!((p[0][0] - (-0.005_f64).exp()).abs() < 1e-16);
        assert!((q[0][0] + (-0.005_f64).exp_m1() / 0.05).abs() < 1e-16);
    }

    #[test]
    fn small_matrices_have_the_bits_of_large_ones() {
        let entry =
            |i: usize, j: usize| if (i + 2 * j).is_multiple_of(3) { 0.0 } else { 0.37 * (i as f64 - 1.3 * j as f64) };
        for n in 1..=8 {
            let m: Matrix = (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect();
            // Among zeros, so that it is computed by the way for large ones.
            let mut large = vec![vec![0.0; 9]; 9];
            for (row, from) in large.iter_mut().zip(&m) {
                row[..n].copy_from_slice(from);
            }
            let (a, b) = (expm(&m), expm(&large));
            assert!(a.iter().zip(&b).all(|(a, b)| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())), "{n}");
        }
    }

    #[test]
    fn noise_has_the_variance_of_ornstein_and_uhlenbeck() {
        for (rate, dt) in [(0.05, 0.1), (0.5, 10.0), (20.0, 100.0), (0.0, 0.3)] {
            let l = noise_factor(&vec![vec![-rate]], &[2.0], dt);
            let want = if rate == 0.0 { 4.0 * dt } else { -4.0 * (-2.0 * rate * dt).exp_m1() / (2.0 * rate) };
            assert!((l[0][0] * l[0][0] - want).abs() < 1e-14 * want, "{rate} {dt}");
        }
    }

    #[test]
    fn noise_through_an_integrator_is_coupled() {
        // x' = w, w' = 3 xi: covariance 9 [[h^3/3, h^2/2], [h^2/2, h]]
        let (h, l) = (0.7_f64, noise_factor(&vec![vec![0.0, 1.0], vec![0.0, 0.0]], &[0.0, 3.0], 0.7));
        let c = |i: usize, j: usize| (0..2).map(|k| l[i][k] * l[j][k]).sum::<f64>();
        assert!((c(0, 0) - 3.0 * h.powi(3)).abs() < 1e-14);
        assert!((c(0, 1) - 4.5 * h.powi(2)).abs() < 1e-14);
        assert!((c(1, 1) - 9.0 * h).abs() < 1e-14);
    }

    #[test]
    fn equal_time_constants_give_the_alpha_function() {
        // v' = -v/10 + g/10, g' = -g/10: v(t) = t/10 e^(-t/10) for g(0) = 1
        let (p, _) = propagator(&vec![vec![-0.1, 0.1], vec![0.0, -0.1]], 7.0);
        assert!((p[0][1] - 0.7 * (-0.7_f64).exp()).abs() < 1e-15);
        assert_eq!(p[1][0], 0.0);
    }

    #[test]
    fn a_stiff_rotation_stays_orthogonal() {
        let (p, _) = propagator(&vec![vec![0.0, 40.0], vec![-40.0, 0.0]], 1.0);
        assert!((p[0][0] - 40.0_f64.cos()).abs() < 1e-12);
        assert!((p[0][1] - 40.0_f64.sin()).abs() < 1e-12);
    }
}
