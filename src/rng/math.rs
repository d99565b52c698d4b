//! Elementary functions for random draws: additions, multiplications, divisions and bit patterns only, in a fixed order.
//! IEEE 754 defines those to the last bit, so a draw is the same on every machine and under every version of a system's
//! library. Nothing here may be replaced by a host function or contracted into fused operations.

/// ln 2, the upper part: the last 21 bits are zero, so its product with an exponent is exact.
const LN2_HI: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
/// ln 2 - [`LN2_HI`].
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;

/// Coefficients of `(2 atanh(s)/s - 2)/s^2` in `s^2`, interpolated at Chebyshev nodes for `|s| <= (sqrt(2)-1)/(sqrt(2)+1)`;
/// the error, times `s^2/2`, is below 2^-64.
const LN: [f64; 8] = [
    0.666_666_666_666_666_6,
    0.400_000_000_000_008_8,
    0.285_714_285_708_036_14,
    0.222_222_223_917_139_17,
    0.181_817_956_401_329_06,
    0.153_862_397_028_146_58,
    0.132_687_731_386_568_86,
    0.130_866_261_478_401_02,
];

/// The natural logarithm, within 1 ulp; `-inf` for 0, NaN for negative numbers and NaN, `inf` for `inf`.
#[inline]
#[must_use]
pub fn ln(x: f64) -> f64 {
    if (f64::MIN_POSITIVE..f64::INFINITY).contains(&x) { ln_normal(x.to_bits(), 0.0) } else { ln_special(x) }
}

/// The logarithm of a positive normal number given by its bits, times 2^`shift`.
///
/// x = 2^k m with m in [sqrt(1/2), sqrt(2)); with f = m - 1 and s = f/(2 + f), ln m = 2 atanh(s) = f - s (f - s^2 P(s^2)).
#[inline(always)]
fn ln_normal(bits: u64, shift: f64) -> f64 {
    // Adding the distance from sqrt(1/2) to 1 carries into the exponent exactly when the mantissa lies above sqrt(2).
    let offset = bits.wrapping_add(0x3ff0_0000_0000_0000 - SQRT_HALF_BITS);
    // The biased exponent as the last bits of a number in [2^52, 2^53): a conversion that vector units can do.
    const TWO_52: u64 = 0x4330_0000_0000_0000;
    let k = f64::from_bits(offset >> 52 | TWO_52) - (f64::from_bits(TWO_52) + 1023.0) + shift;
    let f = f64::from_bits((offset & 0x000f_ffff_ffff_ffff) + SQRT_HALF_BITS) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = z * (LN[0] + w * (LN[2] + w * (LN[4] + w * LN[6])));
    let odd = w * (LN[1] + w * (LN[3] + w * (LN[5] + w * LN[7])));
    let p = even + odd;
    let half = 0.5 * f * f;
    // f - half + s (half + p) is 2 atanh(s); the terms are added from the smallest to the largest.
    ((s * (half + p) + k * LN2_LO) - half + f) + k * LN2_HI
}

/// [`ln`] of a positive normal number, without a branch: the same bits, and loops over it become vector code.
#[inline(always)]
pub(super) fn ln_of_normal(x: f64) -> f64 {
    ln_normal(x.to_bits(), 0.0)
}

#[cold]
fn ln_special(x: f64) -> f64 {
    if x == 0.0 {
        f64::NEG_INFINITY
    } else if x > 0.0 && x < f64::INFINITY {
        // A subnormal: scaled by 2^54 it is normal.
        ln_normal((x * 18_014_398_509_481_984.0).to_bits(), -54.0)
    } else if x == f64::INFINITY {
        x
    } else {
        f64::NAN
    }
}

/// `ln(1 + x)` without loss for small `x`: the rounding error of `1 + x` is undone by the quotient x/((1 + x) - 1).
#[must_use]
pub fn ln_1p(x: f64) -> f64 {
    let y = 1.0 + x;
    if y == 1.0 {
        x
    } else if y > 0.0 && y < f64::INFINITY {
        ln(y) * (x / (y - 1.0))
    } else {
        ln(y)
    }
}

/// 1/n! for n = 13, 12, … 2.
const EXP: [f64; 12] = [
    1.605_904_383_682_161_3e-10,
    2.087_675_698_786_81e-9,
    2.505_210_838_544_172e-8,
    2.755_731_922_398_589e-7,
    2.755_731_922_398_589_3e-6,
    2.480_158_730_158_73e-5,
    1.984_126_984_126_984e-4,
    1.388_888_888_888_889e-3,
    8.333_333_333_333_333e-3,
    4.166_666_666_666_666_4e-2,
    1.666_666_666_666_666_6e-1,
    0.5,
];

/// The exponential function, within 1 ulp for normal results; 0 below about -745.13, `inf` above about 709.78.
#[must_use]
pub fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > 709.782_712_893_384 {
        return f64::INFINITY;
    }
    if x < -745.133_219_101_941_2 {
        return 0.0;
    }
    // Adding and subtracting 1.5 * 2^52 rounds to the nearest integer.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let k = (x * std::f64::consts::LOG2_E + ROUND) - ROUND;
    let hi = x - k * LN2_HI;
    let lo = k * LN2_LO;
    let r = hi - lo;
    // The part of r lost by its rounding.
    let tail = (hi - r) - lo;
    let p = EXP.iter().fold(0.0, |p, c| p * r + c);
    let y = 1.0 + (r + (r * r * p + tail));
    // Two factors, since 2^k alone may be subnormal or too large.
    let k = k as i64;
    let half = k / 2;
    y * power_of_two(half) * power_of_two(k - half)
}

/// 2^k for -1022 <= k <= 1023.
#[inline]
fn power_of_two(k: i64) -> f64 {
    f64::from_bits(((k + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Distance in units of the last place of `b`.
    fn ulps(a: f64, b: f64) -> u64 {
        if a == b { 0 } else { a.to_bits().abs_diff(b.to_bits()) }
    }

    #[test]
    fn special_values() {
        assert_eq!(ln(1.0).to_bits(), 0);
        assert_eq!(ln(0.0), f64::NEG_INFINITY);
        assert_eq!(ln(-0.0), f64::NEG_INFINITY);
        assert!(ln(-1.0).is_nan() && ln(f64::NAN).is_nan());
        assert_eq!(ln(f64::INFINITY), f64::INFINITY);
        assert_eq!(ln(2.0), std::f64::consts::LN_2);
        assert_eq!(exp(0.0), 1.0);
        assert!(ulps(exp(1.0), std::f64::consts::E) <= 1);
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(1000.0), f64::INFINITY);
        assert_eq!(exp(709.782_712_893_384), 1.797_693_134_862_273_2e308);
        assert_eq!(exp(-745.133_219_101_941_1), 5e-324);
        assert!(exp(f64::NAN).is_nan());
        assert_eq!(ln_1p(0.0), 0.0);
        assert_eq!(ln_1p(-1.0), f64::NEG_INFINITY);
        assert_eq!(ln_1p(1e-300), 1e-300);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn ln_is_within_an_ulp_of_libm(bits in 1u64..0x7ff0_0000_0000_0000) {
            let x = f64::from_bits(bits);
            prop_assert!(ulps(ln(x), libm::log(x)) <= 1, "{x:e}: {} {}", ln(x), libm::log(x));
        }

        #[test]
        fn ln_is_within_an_ulp_of_libm_on_the_unit_interval(x in 0.0f64..1.0) {
            prop_assert!(ulps(ln(x), libm::log(x)) <= 1, "{x:e}: {} {}", ln(x), libm::log(x));
        }

        #[test]
        fn ln_is_within_an_ulp_of_libm_near_one(x in 0.9f64..1.1) {
            prop_assert!(ulps(ln(x), libm::log(x)) <= 1, "{x:e}: {} {}", ln(x), libm::log(x));
        }

        #[test]
        fn exp_is_close_to_libm(x in -708.0f64..709.0) {
            prop_assert!(ulps(exp(x), libm::exp(x)) <= 1, "{x:e}: {} {}", exp(x), libm::exp(x));
        }

        #[test]
        fn ln_1p_is_close_to_libm(x in -0.5f64..2.0, scale in 0i32..300) {
            let x = x * power_of_two(-i64::from(scale));
            prop_assert!(ulps(ln_1p(x), libm::log1p(x)) <= 3, "{x:e}: {} {}", ln_1p(x), libm::log1p(x));
        }
    }
}
