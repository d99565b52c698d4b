//! Draws of which nobody knows beforehand how many uniforms they take: a number drawn beforehand, the *key*, names a stream of its own for
//! each of them, so that they stay addressed whatever their parameters are at that time.

use super::{Stream, UniformSeq, splitmix64};

/// How often a number is drawn until it lies between its ends.
const TRIES: u32 = 1000;

/// A key out of 64 random bits, for floats of 32 bits or (`double`) 64: any normal number, so that nothing on its way changes its bits.
#[must_use]
pub fn key(bits: u64, double: bool) -> f64 {
    if double {
        let x = f64::from_bits(bits);
        if x.is_normal() { x } else { f64::from_bits(bits & !(0x7ff << 52) | 0x3ff << 52) }
    } else {
        let bits = bits as u32;
        let x = f32::from_bits(bits);
        f64::from(if x.is_normal() { x } else { f32::from_bits(bits & !(0xff << 23) | 0x7f << 23) })
    }
}

fn uniforms(key: f64) -> UniformSeq {
    Stream::from_key(splitmix64(key.to_bits())).uniforms(0)
}

/// The stream of one draw of one event at one synapse: by the key of the step, two numbers that name the synapse, and that of the draw.
fn event(name: [f64; 4]) -> Stream {
    // All NaNs are one.
    let bits = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    Stream::from_key(name.into_iter().fold(0, |h, x| splitmix64(h ^ bits(x))))
}

/// What an event draws at a synapse: a number between 0 and 1.
#[must_use]
pub fn event_uniform(name: [f64; 4]) -> f64 {
    event(name).uniform(0, 0)
}

/// A standard normal number.
#[must_use]
pub fn event_normal(name: [f64; 4]) -> f64 {
    event(name).normal(0, 0)
}

/// An exponential number of mean 1.
#[must_use]
pub fn event_exponential(name: [f64; 4]) -> f64 {
    event(name).exponential(0, 0)
}

/// A key, of 32 bits in floats of both widths.
#[must_use]
pub fn event_key(name: [f64; 4]) -> f64 {
    key(event(name).bits64(0, 0), false)
}

/// The first of many draws between the ends. An end that is no number ends nothing.
fn between(lo: f64, hi: f64, mut draw: impl FnMut() -> f64) -> Option<f64> {
    (0..TRIES).map(|_| draw()).find(|x| !(*x < lo || *x > hi))
}

/// A standard normal number between `lo` and `hi`; NaN if a thousand draws all lie outside.
#[must_use]
pub fn normal(key: f64, lo: f64, hi: f64) -> f64 {
    let mut seq = uniforms(key);
    between(lo, hi, || seq.normal()).unwrap_or(f64::NAN)
}

/// A gamma number of this shape and scale 1 between `lo` and `hi`; NaN if a thousand draws all lie outside, or for a shape that is not
/// positive and finite.
#[must_use]
pub fn gamma(key: f64, shape: f64, lo: f64, hi: f64) -> f64 {
    let mut seq = uniforms(key);
    between(lo, hi, || seq.gamma(shape)).unwrap_or(f64::NAN)
}

/// A Poisson count of this mean between `lo` and `hi`; the lower end, rounded up, if a thousand draws all lie outside.
#[must_use]
pub fn poisson(key: f64, mean: f64, lo: f64, hi: f64) -> f64 {
    let mut seq = uniforms(key);
    between(lo, hi, || seq.poisson(mean) as f64).unwrap_or(lo.ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(double: bool) -> impl Iterator<Item = f64> {
        let stream = Stream::new(5, "keys");
        (0..40_000).map(move |k| key(stream.bits64(k, 0), double))
    }

    #[test]
    fn keys_survive_their_floats_and_differ() {
        let mut bits: Vec<u64> = keys(true).map(f64::to_bits).collect();
        bits.sort_unstable();
        bits.dedup();
        assert_eq!(bits.len(), 40_000);
        for x in keys(false) {
            assert!((x as f32).is_normal() && f64::from(x as f32).to_bits() == x.to_bits());
        }
        for bits in [0, u64::MAX, 0x7ff0_0000_0000_0000, 0x8000_0000_0000_0001, 0x7f80_0000] {
            assert!(key(bits, true).is_normal() && (key(bits, false) as f32).is_normal());
        }
    }

    /// Mean of a standard normal number in [a, b]: (phi(a) - phi(b)) / (Phi(b) - Phi(a)); in [0.5, 2] that is
    /// (0.3520653 - 0.0539910) / (0.9772499 - 0.6914625) = 1.04299.
    #[test]
    fn moments_between_ends() {
        for double in [false, true] {
            let n = 40_000.0;
            let xs: Vec<f64> = keys(double).map(|k| normal(k, 0.5, 2.0)).collect();
            assert!(xs.iter().all(|x| (0.5..=2.0).contains(x)));
            let mean = xs.iter().sum::<f64>() / n;
            assert!((mean - 1.04299).abs() < 4.0 * 0.41 / n.sqrt(), "{mean}");
            // Gamma of shape 2.5: mean and variance 2.5.
            let mean = keys(double).map(|k| gamma(k, 2.5, f64::NEG_INFINITY, f64::INFINITY)).sum::<f64>() / n;
            assert!((mean - 2.5).abs() < 4.0 * (2.5 / n).sqrt(), "{mean}");
            for m in [0.3, 4.0, 50.0] {
                let mean = keys(double).map(|k| poisson(k, m, f64::NEG_INFINITY, f64::INFINITY)).sum::<f64>() / n;
                assert!((mean - m).abs() < 4.0 * (m / n).sqrt(), "{mean} against {m}");
            }
            // A count of mean 1 that is not 0: 1/(1 - 1/e) = 1.58198, variance 0.6613.
            let mean = keys(double).map(|k| poisson(k, 1.0, 1.0, 9e9)).sum::<f64>() / n;
            assert!((mean - 1.58198).abs() < 4.0 * (0.6613 / n).sqrt(), "{mean}");
        }
    }

    #[test]
    fn what_cannot_lie_between_the_ends() {
        assert!(normal(1.5, 60.0, 70.0).is_nan());
        assert!(gamma(1.5, -1.0, 0.0, 1.0).is_nan() && gamma(1.5, 2.0, -3.0, -1.0).is_nan());
        assert_eq!(poisson(1.5, 1.0, 1e6, 1e7), 1e6);
        assert!(normal(1.5, f64::NAN, f64::NAN).is_finite());
    }
}
