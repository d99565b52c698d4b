//! Responses that carry themselves on. Exponentials, differences of two and alpha functions obey a recursion of one or two steps,
//!
//! K(k+1) = (r1 + r2) K(k) - r1 r2 K(k-1),
//!
//! so that the sum over all past deliveries follows from its last value: two numbers per post neuron instead of one pass over the
//! kernel for every delivery. Where the kernel ends, each delivery of one horizon ago is taken back with what the recursion would
//! go on to make of it. Results differ from the plain sum by rounding.
//!
//! The recursion is found from the tabulated values and kept only if it gives all of them back, so that no form of writing matters.

use crate::hir::Precision;

/// How a kernel goes on. With `a[n]` delivered in step n, and H steps of horizon, the input of step n + 1 is y[n+1], where
///
/// ```text
/// u = rest[n] + first a[n] - last a[n-H],
/// rest[n+1] = inner u + second a[n] - after a[n-H],
/// y[n+1] = factor y[n] + u
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recursion {
    /// The larger factor, r1, in 0..1.
    pub factor: f64,
    /// The smaller one, r2; 0 for an exponential.
    pub inner: f64,
    /// K(1)
    pub first: f64,
    /// K(2) - (r1 + r2) K(1)
    pub second: f64,
    /// What would be K(H+1)
    pub last: f64,
    /// -r1 r2 K(H)
    pub after: f64,
}

/// Shorter kernels are summed as they are.
const SHORTEST: usize = 8;

/// The recursion must give the table back to this part of its largest value, and leave no more behind its end.
const TOLERANCE: f64 = 1e-12;

/// Rounding of one step may grow to this part of the sum.
const DRIFT: f64 = 1e-5;

/// The recursion of a kernel, if it has one that rounding does not spoil.
#[must_use]
pub fn recursion(kernel: &[f64], precision: Precision) -> Option<Recursion> {
    let ([k0, k1, ..], [.., before, end]) = (kernel, kernel) else { return None };
    if kernel.len() < SHORTEST || kernel.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let made = |factor: f64, inner: f64| {
        let (sum, product) = (factor + inner, factor * inner);
        Recursion {
            factor,
            inner,
            first: *k0,
            second: if inner == 0.0 { 0.0 } else { k1 - sum * k0 },
            last: sum * end - product * before,
            after: -product * end,
        }
    };
    let simple = (*k0 != 0.0).then(|| made(k1 / k0, 0.0)).filter(|r| r.holds(kernel));
    // Neighbouring values differ by little: values further apart give the factors with fewer lost digits, if both are still in them.
    let strides = [4, 16, 64].map(|part| kernel.len() / part).into_iter().filter(|m| *m > 1).chain([1]);
    let mut double = strides.filter_map(|m| factors(kernel, m)).map(|[r1, r2]| made(r1, r2));
    let found = simple.or_else(|| double.find(|r| r.holds(kernel)))?;
    let rounding = match precision {
        Precision::F32 => f64::from(f32::EPSILON),
        Precision::F64 => f64::EPSILON,
    };
    (rounding / (1.0 - found.factor) < DRIFT).then_some(found)
}

/// The factors of a recursion of two steps that four values, `stride` steps apart, obey.
fn factors(kernel: &[f64], stride: usize) -> Option<[f64; 2]> {
    let at = |k: usize| kernel.get(k * stride).copied();
    let [k0, k1, k2, k3] = [at(0)?, at(1)?, at(2)?, at(3)?];
    let det = k1 * k1 - k0 * k2;
    let sum = (k1 * k2 - k0 * k3) / det;
    let product = (k2 * k2 - k1 * k3) / det;
    let square = sum * sum - 4.0 * product;
    // Two equal factors: their difference is nothing but rounding.
    let half = if square.abs() < 1e-12 * sum * sum { 0.0 } else { square.sqrt() / 2.0 };
    let larger = sum / 2.0 + half;
    let smaller = if half == 0.0 { larger } else { product / larger };
    let real = smaller > 0.0 && larger.is_finite();
    real.then(|| [larger, smaller].map(|r| if stride == 1 { r } else { libm::pow(r, 1.0 / stride as f64) }))
}

impl Recursion {
    /// Whether one delivery gives the kernel, and nothing behind it.
    fn holds(&self, kernel: &[f64]) -> bool {
        if !(0.0..1.0).contains(&self.factor) || !(0.0..=self.factor).contains(&self.inner) {
            return false;
        }
        let allowed = TOLERANCE * kernel.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let (mut rest, mut y) = (0.0, 0.0);
        for step in 0..kernel.len() + 3 {
            let now = f64::from(step == 0);
            let late = f64::from(step == kernel.len());
            let u = rest + self.first * now - self.last * late;
            rest = self.inner * u + self.second * now - self.after * late;
            y = self.factor * y + u;
            let wanted = kernel.get(step).copied().unwrap_or(0.0);
            // Written so that a NaN fails.
            let near = (y - wanted).abs() <= allowed;
            if !near {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(steps: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
        (1..=steps).map(|k| f(k as f64 * 0.2)).collect()
    }

    #[test]
    fn exponentials_their_differences_and_alphas_carry_themselves_on() {
        let exponential = recursion(&table(100, |s| (-s / 20.0).exp()), Precision::F64).unwrap();
        assert_eq!((exponential.inner, exponential.second, exponential.after), (0.0, 0.0, 0.0));
        assert!((exponential.factor - (-0.01_f64).exp()).abs() < 1e-15);
        for kernel in [
            table(500, |s| s / 50.0 * (1.0 - s / 50.0).exp()),
            table(500, |s| (s - 0.2) / 50.0 * (1.0 - (s - 0.2) / 50.0).exp()),
            table(400, |s| (-s / 20.0).exp() - (-s / 5.0).exp()),
            table(400, |s| (-s / 20.0).exp() - (-s / 18.0).exp()),
            table(400, |s| (-s / 20.0).exp() + (-s / 8.0).exp()),
            table(400, |s| -3e-4 * ((-s / 20.0).exp() - (-s / 0.5).exp())),
        ] {
            let r = recursion(&kernel, Precision::F64).unwrap();
            assert!(r.inner > 0.0);
        }
    }

    #[test]
    fn others_do_not() {
        for kernel in [
            table(100, |s| (s / 3.0).sin()),
            table(100, |s| (s / 3.0).sin().powi(2)),
            table(100, |s| (s / 5.0).exp()),
            table(100, |_| 1.0),
            table(100, |s| if s < 3.0 { 1.0 } else { (-s).exp() }),
            table(100, |s| (-s * s).exp()),
            table(5, |s| (-s).exp()),
            vec![0.0; 50],
            vec![f64::NAN; 50],
        ] {
            assert_eq!(recursion(&kernel, Precision::F64), None, "{kernel:?}");
        }
    }

    #[test]
    fn slow_ones_are_left_to_64_bits() {
        let slow = table(500, |s| (-s / 2000.0).exp());
        assert!(recursion(&slow, Precision::F64).is_some());
        assert_eq!(recursion(&slow, Precision::F32), None);
    }
}
