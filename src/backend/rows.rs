//! Precompiled kernels over whole rows of a matrix, with the widest vectors that the machine has (chosen at run time). They do the same
//! additions in the same order as a plain loop would, so the width changes no bit.

use std::ops::Add;

use crate::simd::widest;

/// Adds rows to `to`, in order: `to[j] = ((to[j] + a[j]) + b[j]) + …`. All have the length of `to`.
#[cfg_attr(not(feature = "jit"), expect(dead_code, reason = "only compiled code adds rows by this function"))]
pub(crate) fn add<'a, T: Copy + Add<Output = T> + 'a>(to: &mut [T], mut rows: impl Iterator<Item = &'a [T]>) {
    widest(
        #[inline(always)]
        || {
            // Four rows at a time: the vector is read and written once for them.
            loop {
                match (rows.next(), rows.next(), rows.next(), rows.next()) {
                    (Some(a), Some(b), Some(c), Some(d)) => {
                        for ((((x, a), b), c), d) in to.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                            *x = *x + *a + *b + *c + *d;
                        }
                    }
                    (Some(a), Some(b), Some(c), None) => {
                        for (((x, a), b), c) in to.iter_mut().zip(a).zip(b).zip(c) {
                            *x = *x + *a + *b + *c;
                        }
                        return;
                    }
                    (Some(a), Some(b), None, _) => {
                        for ((x, a), b) in to.iter_mut().zip(a).zip(b) {
                            *x = *x + *a + *b;
                        }
                        return;
                    }
                    (Some(a), None, ..) => {
                        for (x, a) in to.iter_mut().zip(a) {
                            *x = *x + *a;
                        }
                        return;
                    }
                    (None, ..) => return,
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_gives_the_bits_of_a_plain_loop() {
        let matrix: Vec<Vec<f32>> = (0..11).map(|r| (0..37).map(|c| ((r * 37 + c) as f32).sin()).collect()).collect();
        for n in 0..=11 {
            let mut fast: Vec<f32> = (0..37).map(|c| (c as f32).cos()).collect();
            let mut plain = fast.clone();
            add(&mut fast, matrix[..n].iter().map(Vec::as_slice));
            for row in &matrix[..n] {
                for (x, y) in plain.iter_mut().zip(row) {
                    *x += *y;
                }
            }
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&fast), bits(&plain), "{n} rows");
        }
    }
}
