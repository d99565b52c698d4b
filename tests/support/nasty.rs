//! Values at which operations go wrong.

use snnc::backend::Buf;
use snnc::lir::{Const, Scalar};

/// Nasty floats: zeros, units, subnormals, extremes, infinities, NaN, halves for rounding, and the neighbourhoods of the
/// limits of `i32` and `i64`.
pub(crate) fn floats32() -> Vec<f32> {
    let mut all = vec![
        0.0,
        1.0,
        0.5,
        1.5,
        2.5,
        3.5,
        0.1,
        0.75,
        1.0e-3,
        std::f32::consts::PI,
        88.5,
        103.0,
        1.0e10,
        1.0e-10,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        f32::from_bits(0x007f_ffff),
        f32::MAX,
        f32::INFINITY,
        f32::EPSILON,
        8_388_607.5,
        8_388_609.0,
        16_777_216.0,
        0.499_999_97,
        2_147_483_500.0,
        2_147_483_600.0,
        2_147_483_800.0,
        9.223_371e18,
        9.223_372e18,
        9.223_373e18,
    ];
    all.extend(all.clone().iter().map(|x: &f32| -x));
    all.push(f32::NAN);
    all.push(-f32::NAN);
    all
}

/// As [`floats32`].
pub(crate) fn floats64() -> Vec<f64> {
    let mut all = vec![
        0.0,
        1.0,
        0.5,
        1.5,
        2.5,
        3.5,
        0.1,
        1.0e-3,
        std::f64::consts::PI,
        709.5,
        745.0,
        1.0e100,
        1.0e-100,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        f64::from_bits(0x000f_ffff_ffff_ffff),
        f64::MAX,
        f64::INFINITY,
        f64::EPSILON,
        4_503_599_627_370_495.5,
        9_007_199_254_740_993.0,
        0.499_999_999_999_999_94,
        2_147_483_646.5,
        2_147_483_647.0,
        2_147_483_647.5,
        2_147_483_648.0,
        2_147_483_649.0,
        9_223_372_036_854_774_784.0,
        9_223_372_036_854_775_808.0,
        9_223_372_036_854_777_856.0,
        f64::from(f32::MAX) * 1.000_000_1,
        f64::from(f32::MIN_POSITIVE) * 0.3,
        f64::from(f32::from_bits(1)) * 0.5,
    ];
    all.extend(all.clone().iter().map(|x: &f64| -x));
    all.push(f64::NAN);
    all.push(-f64::NAN);
    all
}

/// Nasty integers, small and large shift amounts among them.
pub(crate) fn ints32() -> Vec<i32> {
    let mut all = vec![0, 1, 2, 3, 5, 7, 8, 31, 32, 33, 63, 64, 255, 1000, 65_535, 65_536, 0x5555_5555, 0x00ff_00ff];
    all.extend([i32::MAX, i32::MAX - 1, i32::MIN + 1, 16_777_216, 16_777_217, 2_147_483_583]);
    all.extend(all.clone().iter().map(|x: &i32| x.wrapping_neg()));
    all.push(i32::MIN);
    all.push(i32::MIN);
    all
}

/// As [`ints32`].
pub(crate) fn ints64() -> Vec<i64> {
    let mut all: Vec<i64> = ints32().into_iter().map(i64::from).collect();
    all.extend([i64::MAX, i64::MAX - 1, i64::MIN, i64::MIN + 1, 1 << 32, (1 << 32) - 1, 1 << 53, (1 << 53) + 1]);
    all.extend([0x5555_5555_5555_5555, 9_223_372_036_854_775_295, 0x7fff_ff40_0000_0001, -(1 << 53) - 1]);
    all
}

/// The nasty values of a kind.
pub(crate) fn all(scalar: Scalar) -> Buf {
    match scalar {
        Scalar::F32 => Buf::F32(floats32()),
        Scalar::F64 => Buf::F64(floats64()),
        Scalar::I32 => Buf::I32(ints32()),
        Scalar::I64 => Buf::I64(ints64()),
        Scalar::Bool => Buf::I32(vec![0, 1]),
    }
}

/// A dozen of them, as constants.
pub(crate) fn few(scalar: Scalar) -> Vec<Const> {
    match scalar {
        Scalar::F32 => {
            let list =
                [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 2.5, -3.7, f32::MAX, f32::from_bits(1), f32::INFINITY, f32::NAN];
            list.map(Const::F32).to_vec()
        }
        Scalar::F64 => {
            let list =
                [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 2.5, -3.7, f64::MAX, f64::from_bits(1), f64::INFINITY, f64::NAN];
            list.map(Const::F64).to_vec()
        }
        Scalar::I32 => [0, 1, -1, 2, 3, -3, 8, 31, 33, -8, i32::MAX, i32::MIN].map(Const::I32).to_vec(),
        Scalar::I64 => [0, 1, -1, 2, 3, -3, 8, 63, 65, -8, i64::MAX, i64::MIN].map(Const::I64).to_vec(),
        Scalar::Bool => [false, true].map(Const::Bool).to_vec(),
    }
}

/// All tuples of `count` values of a list, one buffer for each place; the length is a multiple of 4.
pub(crate) fn tuples(values: &Buf, count: usize) -> Vec<Buf> {
    let n = values.len();
    let total = n.pow(u32::try_from(count).unwrap()).next_multiple_of(4);
    (0..count).map(|place| choose(values, (0..total).map(|i| i / n.pow(u32::try_from(place).unwrap()) % n))).collect()
}

fn choose(values: &Buf, picks: impl Iterator<Item = usize>) -> Buf {
    match values {
        Buf::F32(v) => Buf::F32(picks.map(|i| v[i]).collect()),
        Buf::F64(v) => Buf::F64(picks.map(|i| v[i]).collect()),
        Buf::I32(v) => Buf::I32(picks.map(|i| v[i]).collect()),
        Buf::I64(v) => Buf::I64(picks.map(|i| v[i]).collect()),
    }
}
