//! Distributions as functions of uniforms: how many draws each takes is part of its definition.
//!
//! | distribution | draws | method |
//! |---|---|---|
//! | normal, lognormal | 1 | inverse distribution function |
//! | exponential | 1 | -ln u |
//! | bernoulli, randint | 1 | comparison, scaled upper bits |
//! | gamma | varies | Marsaglia & Tsang 2000 |
//! | Poisson count | 1 below mean 10, varies above | inversion; transformed rejection (Hörmann 1993) |

use super::math::{exp, ln};
use super::{Stream, UniformSeq};
use crate::simd::widest;

/// Random access: draw number `draw` of `element`, for the distributions that take one uniform.
impl Stream {
    /// A standard normal number.
    #[must_use]
    pub fn normal(&self, element: u64, draw: u64) -> f64 {
        normal_quantile(self.uniform(element, draw))
    }

    /// Draw 0 of `out.len()` elements from `first` on: the values of [`Stream::normal`].
    pub fn normal_each(&self, first: u64, out: &mut [f64]) {
        self.uniform_each(first, out);
        let mut tails = [0.0; 64];
        for part in out.chunks_mut(64) {
            let tails = &mut tails[..part.len()];
            tails.copy_from_slice(part);
            // All of them by the formula for the middle, as vector code; then those that lie outside by their own.
            widest(
                #[inline(always)]
                || {
                    for p in part.iter_mut() {
                        let q = *p - 0.5;
                        *p = q * ratio(0.180_625 - q * q, &CENTRE);
                    }
                },
            );
            for (z, p) in part.iter_mut().zip(tails) {
                if (*p - 0.5).abs() > 0.425 {
                    *z = normal_quantile(*p);
                }
            }
        }
    }

    /// exp(mu + sigma z) for a standard normal z: `mu` and `sigma` describe the logarithm.
    #[must_use]
    pub fn lognormal(&self, element: u64, draw: u64, mu: f64, sigma: f64) -> f64 {
        exp(mu + sigma * self.normal(element, draw))
    }

    /// An exponential number of mean 1.
    #[must_use]
    pub fn exponential(&self, element: u64, draw: u64) -> f64 {
        -ln(self.uniform(element, draw))
    }

    /// True with probability `p` (always for p >= 1, never for p <= 0 and NaN).
    #[must_use]
    pub fn bernoulli(&self, element: u64, draw: u64, p: f64) -> bool {
        self.uniform(element, draw) < p
    }

    /// An integer in `lo..hi` (`hi` excluded); `lo` if the range is empty.
    #[must_use]
    pub fn randint(&self, element: u64, draw: u64, lo: i64, hi: i64) -> i64 {
        self.uniforms_from(element, draw).randint(lo, hi)
    }

    /// A gamma number of the given shape and scale 1, from draws 0, 1, … of `element`.
    #[must_use]
    pub fn gamma(&self, element: u64, shape: f64) -> f64 {
        self.uniforms(element).gamma(shape)
    }

    /// A Poisson count of the given mean, from draws 0, 1, … of `element`.
    #[must_use]
    pub fn poisson(&self, element: u64, mean: f64) -> u64 {
        self.uniforms(element).poisson(mean)
    }
}

/// One after the other.
impl UniformSeq {
    /// A standard normal number.
    pub fn normal(&mut self) -> f64 {
        normal_quantile(self.uniform())
    }

    /// exp(mu + sigma z) for a standard normal z.
    pub fn lognormal(&mut self, mu: f64, sigma: f64) -> f64 {
        exp(mu + sigma * self.normal())
    }

    /// An exponential number of mean 1.
    pub fn exponential(&mut self) -> f64 {
        -ln(self.uniform())
    }

    /// True with probability `p`.
    pub fn bernoulli(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// An integer in `lo..hi` (`hi` excluded); `lo` if the range is empty.
    pub fn randint(&mut self, lo: i64, hi: i64) -> i64 {
        // The width of any i64 range fits in u64, and the sum wraps back into the range.
        let width = if hi > lo { hi.wrapping_sub(lo) as u64 } else { 0 };
        lo.wrapping_add(self.below(width) as i64)
    }

    /// A gamma number of the given shape and scale 1 (Marsaglia & Tsang 2000, "A simple method for generating gamma
    /// variables", ACM TOMS 26(3)): a normal and a uniform per trial; for a shape below 1, shape + 1 and one more
    /// uniform to the power 1/shape, drawn first. NaN unless the shape is positive and finite.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if !(shape > 0.0 && shape < f64::INFINITY) {
            return f64::NAN;
        }
        if shape < 1.0 {
            let power = ln(self.uniform()) / shape;
            return exp(power) * self.gamma(shape + 1.0);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let z = self.normal();
            let u = self.uniform();
            let root = 1.0 + c * z;
            if root > 0.0 {
                let v = root * root * root;
                if ln(u) < 0.5 * z * z + d * (1.0 - v + ln(v)) {
                    return d * v;
                }
            }
        }
    }

    /// A Poisson count. Below a mean of 10 one uniform is searched through the cumulative probabilities; from 10 on,
    /// transformed rejection with two uniforms a trial (Hörmann 1993, "The transformed rejection method for generating
    /// Poisson random variables", algorithm PTRS). 0 unless the mean is positive; means are cut at 2^53.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean.is_nan() || mean <= 0.0 {
            return 0;
        }
        if mean < 10.0 {
            let u = self.uniform();
            let mut p = exp(-mean);
            let mut sum = p;
            let mut k = 0;
            // Beyond about 60 the terms no longer change the sum, which may end just below 1.
            while u > sum && k < 200 {
                k += 1;
                p *= mean / k as f64;
                sum += p;
            }
            return k;
        }
        let mean = mean.min(9_007_199_254_740_992.0);
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.024_83 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let v_r = 0.9277 - 3.6224 / (b - 2.0);
        let ln_mean = ln(mean);
        loop {
            let u = self.uniform() - 0.5;
            let v = self.uniform();
            let us = 0.5 - u.abs();
            let k = floor((2.0 * a / us + b) * u + mean + 0.43);
            if us >= 0.07 && v <= v_r {
                return k as u64;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            if ln(v) + ln(inverse_alpha) - ln(a / (us * us) + b) <= k * ln_mean - mean - ln_factorial(k) {
                return k as u64;
            }
        }
    }
}

/// Largest integer not above `x`, for |x| < 2^62; larger magnitudes are returned unchanged.
fn floor(x: f64) -> f64 {
    if x.is_nan() || x.abs() >= 4e18 {
        return x;
    }
    let whole = x as i64 as f64;
    if whole > x { whole - 1.0 } else { whole }
}

/// ln k! for an integer k >= 0: products below 20, Stirling's series from there (error below 1e-16 relative).
fn ln_factorial(k: f64) -> f64 {
    if k < 20.0 {
        let mut product = 1.0;
        let mut factor = 2.0;
        while factor <= k {
            product *= factor;
            factor += 1.0;
        }
        return ln(product);
    }
    const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;
    let r = 1.0 / k;
    let r2 = r * r;
    let series = r * (1.0 / 12.0 - r2 * (1.0 / 360.0 - r2 * (1.0 / 1260.0 - r2 * (1.0 / 1680.0))));
    (k + 0.5) * ln(k) - k + HALF_LN_TWO_PI + series
}

/// The standard normal quantile: z with probability `p` below it, to about 1e-16 relative (Wichura 1988, "The percentage
/// points of the normal distribution", algorithm AS 241, PPND16). `p` in (0, 1); infinities at 0 and 1, NaN outside.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(0.180_625 - q * q, &CENTRE);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail.is_nan() || tail <= 0.0 {
        return if tail == 0.0 { q * f64::INFINITY } else { f64::NAN };
    }
    let r = (-ln(tail)).sqrt();
    let z = if r <= 5.0 { ratio(r - 1.6, &MIDDLE) } else { ratio(r - 5.0, &FAR) };
    if q < 0.0 { -z } else { z }
}

/// A numerator and a denominator, constant terms first.
type Rational = [[f64; 8]; 2];

/// Horner's scheme for both, then the quotient.
#[inline(always)]
fn ratio(x: f64, coefficients: &Rational) -> f64 {
    let [a, b] = coefficients.each_ref().map(|c| c.iter().rev().fold(0.0, |sum, c| sum * x + c));
    a / b
}

const CENTRE: Rational = [
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_545e3,
    ],
];
const MIDDLE: Rational = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];
const FAR: Rational = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_elements_at_once_get_the_same_draws() {
        let s = Stream::new(7, "E/v@init");
        for (first, len) in [(0, 1), (5, 63), (u64::from(u32::MAX) - 100, 1000)] {
            let mut out = vec![0.0; len];
            s.uniform_each(first, &mut out);
            assert!((first..).zip(&out).all(|(k, x)| s.uniform(k, 0).to_bits() == x.to_bits()));
            s.normal_each(first, &mut out);
            assert!((first..).zip(&out).all(|(k, x)| s.normal(k, 0).to_bits() == x.to_bits()));
        }
    }

    /// Mean and variance of `n` draws, compared with expectations at four standard errors of the mean; the variance's
    /// error is taken from the fourth moment of the sample.
    fn check_moments(mean: f64, variance: f64, mut draw: impl FnMut(u64) -> f64) {
        let n = 40_000;
        let xs: Vec<f64> = (0..n).map(&mut draw).collect();
        let count = n as f64;
        let m = xs.iter().sum::<f64>() / count;
        let v = xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let fourth = xs.iter().map(|x| (x - mean).powi(4)).sum::<f64>() / count;
        assert!((m - mean).abs() < 4.0 * (variance / count).sqrt(), "mean {m}, expected {mean}");
        assert!((v - variance).abs() < 4.0 * ((fourth - v * v) / count).sqrt(), "variance {v}, expected {variance}");
    }

    /// Distribution function of the standard normal through the complementary error function.
    fn normal_cdf(z: f64) -> f64 {
        0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
    }

    #[test]
    fn quantile_inverts_the_distribution_function() {
        let mut worst: f64 = 0.0;
        for k in 1..2000 {
            for p in [f64::from(k) / 2000.0, (0.5f64).powf(f64::from(k) / 40.0)] {
                let z = normal_quantile(p);
                let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
                // One Newton step from z would move it by this much.
                let error = ((normal_cdf(z) - p) / density).abs() / z.abs().max(1.0);
                worst = worst.max(error);
            }
        }
        assert!(worst < 2e-15, "{worst:e}");
    }

    /// Values that accompany AS 241, and tabulated percentage points.
    #[test]
    fn quantile_gives_the_published_values() {
        for (p, z) in [
            (0.25, -0.674_489_750_196_081_7),
            (0.001, -3.090_232_306_167_813_5),
            (1e-20, -9.262_340_089_798_408),
            (0.975, 1.959_963_984_540_054),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-15 * z.abs() * 2.0, "{p}: {}", normal_quantile(p));
        }
        assert_eq!(normal_quantile(0.5), 0.0);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(normal_quantile(1.5).is_nan() && normal_quantile(f64::NAN).is_nan());
    }

    #[test]
    fn quantile_is_odd_about_one_half() {
        for k in 0..500 {
            let u = Stream::new(1, "n").uniform(k, 0);
            assert_eq!(normal_quantile(u), -normal_quantile(1.0 - u));
        }
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let s = Stream::new(20, "moments");
        check_moments(0.5, 1.0 / 12.0, |e| s.uniform(e, 0));
        check_moments(0.0, 1.0, |e| s.normal(e, 1));
        check_moments(1.0, 1.0, |e| s.exponential(e, 2));
        check_moments(0.3, 0.21, |e| f64::from(u8::from(s.bernoulli(e, 3, 0.3))));
        check_moments(4.5, 99.0 / 12.0, |e| s.randint(e, 4, 0, 10) as f64);
        let sigma: f64 = 0.4;
        let mean = (0.2 + 0.5 * sigma * sigma).exp();
        check_moments(mean, ((sigma * sigma).exp() - 1.0) * mean * mean, |e| s.lognormal(e, 5, 0.2, sigma));
        for (tag, shape) in [(1, 0.3), (2, 1.0), (3, 2.5), (4, 100.0)] {
            let s = s.sub(tag);
            check_moments(shape, shape, |e| s.gamma(e, shape));
        }
        for (tag, mean) in [(11, 0.05), (12, 3.0), (13, 9.99), (14, 10.0), (15, 60.0), (16, 1e6)] {
            let s = s.sub(tag);
            check_moments(mean, mean, |e| s.poisson(e, mean) as f64);
        }
    }

    /// Each count's frequency against its probability on both sides of the change of method, by chi-squared.
    #[test]
    fn poisson_frequencies_fit() {
        for mean in [4.0, 12.0f64] {
            let n = 100_000u32;
            let mut counts = [0.0; 40];
            for e in 0..n {
                counts[Stream::new(8, "c").poisson(u64::from(e), mean).min(39) as usize] += 1.0;
            }
            let (mut chi2, mut cells) = (0.0, 0.0);
            for (k, &found) in counts.iter().enumerate() {
                let expected = f64::from(n) * (k as f64 * mean.ln() - mean - ln_factorial(k as f64)).exp();
                if expected > 20.0 {
                    chi2 += (found - expected) * (found - expected) / expected;
                    cells += 1.0;
                }
            }
            // Four standard deviations above the mean of chi-squared.
            assert!(chi2 < cells + 4.0 * (2.0f64 * cells).sqrt(), "mean {mean}: {chi2} over {cells} cells");
        }
    }

    #[test]
    fn impossible_parameters_have_stated_results() {
        let s = Stream::new(1, "x");
        assert!(s.gamma(0, 0.0).is_nan() && s.gamma(0, f64::NAN).is_nan() && s.gamma(0, f64::INFINITY).is_nan());
        assert_eq!(s.poisson(0, -1.0), 0);
        assert_eq!(s.poisson(0, f64::NAN), 0);
        assert!(s.poisson(0, f64::INFINITY) > 1 << 50);
        assert_eq!(s.randint(0, 0, 5, 5), 5);
        for e in 0..1000 {
            assert!(s.bernoulli(e, 0, 1.0) && !s.bernoulli(e, 0, 0.0));
            assert!((-3..=2).contains(&s.randint(e, 0, -3, 3)));
            let _ = s.randint(e, 0, i64::MIN, i64::MAX);
        }
    }

    #[test]
    fn ln_factorial_meets_at_the_change_of_method() {
        for k in [0u32, 1, 2, 19, 20, 21, 50, 170] {
            let exact = libm::lgamma(f64::from(k) + 1.0);
            assert!((ln_factorial(f64::from(k)) - exact).abs() <= 1e-14 * exact.max(1.0), "{k}");
        }
    }
}
