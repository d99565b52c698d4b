//! The functions that compiled code calls: library functions, and stand-ins for instructions that the machine lacks. They
//! are pure and never unwind (an `extern "C"` function that panicked would abort).
//!
//! Invariant: each is the very Rust function that the interpreter calls; nothing comes from the host's C library.

use crate::backend::mathfn::math_f64;
use crate::lir::MathFn;

/// The symbol of a library function, for `f32` or (`double`) `f64`.
pub(super) fn symbol(function: MathFn, double: bool) -> &'static str {
    match (function, double) {
        (MathFn::Sin, false) => "snnc_sin_f32",
        (MathFn::Sin, true) => "snnc_sin_f64",
        (MathFn::Cos, false) => "snnc_cos_f32",
        (MathFn::Cos, true) => "snnc_cos_f64",
        (MathFn::Tan, false) => "snnc_tan_f32",
        (MathFn::Tan, true) => "snnc_tan_f64",
        (MathFn::Asin, false) => "snnc_asin_f32",
        (MathFn::Asin, true) => "snnc_asin_f64",
        (MathFn::Acos, false) => "snnc_acos_f32",
        (MathFn::Acos, true) => "snnc_acos_f64",
        (MathFn::Atan, false) => "snnc_atan_f32",
        (MathFn::Atan, true) => "snnc_atan_f64",
        (MathFn::Atan2, false) => "snnc_atan2_f32",
        (MathFn::Atan2, true) => "snnc_atan2_f64",
        (MathFn::Sinh, false) => "snnc_sinh_f32",
        (MathFn::Sinh, true) => "snnc_sinh_f64",
        (MathFn::Cosh, false) => "snnc_cosh_f32",
        (MathFn::Cosh, true) => "snnc_cosh_f64",
        (MathFn::Pow, false) => "snnc_pow_f32",
        (MathFn::Pow, true) => "snnc_pow_f64",
        (MathFn::Fmod, false) => "snnc_fmod_f32",
        (MathFn::Fmod, true) => "snnc_fmod_f64",
        (MathFn::DrawNormal, false) => "snnc_draw_normal_f32",
        (MathFn::DrawNormal, true) => "snnc_draw_normal_f64",
        (MathFn::DrawGamma, false) => "snnc_draw_gamma_f32",
        (MathFn::DrawGamma, true) => "snnc_draw_gamma_f64",
        (MathFn::DrawPoisson, false) => "snnc_draw_poisson_f32",
        (MathFn::DrawPoisson, true) => "snnc_draw_poisson_f64",
        (MathFn::EventUniform, false) => "snnc_event_uniform_f32",
        (MathFn::EventUniform, true) => "snnc_event_uniform_f64",
        (MathFn::EventNormal, false) => "snnc_event_normal_f32",
        (MathFn::EventNormal, true) => "snnc_event_normal_f64",
        (MathFn::EventExponential, false) => "snnc_event_exponential_f32",
        (MathFn::EventExponential, true) => "snnc_event_exponential_f64",
        (MathFn::EventKey, false) => "snnc_event_key_f32",
        (MathFn::EventKey, true) => "snnc_event_key_f64",
    }
}

/// The symbol of the function that adds rows of `f32` or (`double`) `f64`: see `exec::rows`.
pub(super) fn rows_symbol(double: bool) -> &'static str {
    if double { "snnc_add_rows_f64" } else { "snnc_add_rows_f32" }
}

macro_rules! helpers {
    ($($function:ident($($arg:ident),+): $single:ident, $double:ident;)*) => {
        $(
            extern "C" fn $single($($arg: f32),+) -> f32 {
                helpers!(@call $function $(f64::from($arg)),+) as f32
            }

            extern "C" fn $double($($arg: f64),+) -> f64 {
                helpers!(@call $function $($arg),+)
            }
        )*

        /// The library functions: symbol and address.
        fn library() -> Vec<(&'static str, *const u8)> {
            vec![$(
                (symbol(MathFn::$function, false), $single as *const u8),
                (symbol(MathFn::$function, true), $double as *const u8),
            )*]
        }
    };
    (@call $function:ident $a:expr) => { math_f64(MathFn::$function, [$a, 0.0, 0.0, 0.0]) };
    (@call $function:ident $a:expr, $b:expr) => { math_f64(MathFn::$function, [$a, $b, 0.0, 0.0]) };
    (@call $function:ident $a:expr, $b:expr, $c:expr) => { math_f64(MathFn::$function, [$a, $b, $c, 0.0]) };
    (@call $function:ident $a:expr, $b:expr, $c:expr, $d:expr) => { math_f64(MathFn::$function, [$a, $b, $c, $d]) };
}

helpers! {
    Sin(a): sin_f32, sin_f64;
    Cos(a): cos_f32, cos_f64;
    Tan(a): tan_f32, tan_f64;
    Asin(a): asin_f32, asin_f64;
    Acos(a): acos_f32, acos_f64;
    Atan(a): atan_f32, atan_f64;
    Atan2(a, b): atan2_f32, atan2_f64;
    Sinh(a): sinh_f32, sinh_f64;
    Cosh(a): cosh_f32, cosh_f64;
    Pow(a, b): pow_f32, pow_f64;
    Fmod(a, b): fmod_f32, fmod_f64;
    DrawNormal(a, b, c): draw_normal_f32, draw_normal_f64;
    DrawGamma(a, b, c, d): draw_gamma_f32, draw_gamma_f64;
    DrawPoisson(a, b, c, d): draw_poisson_f32, draw_poisson_f64;
    EventUniform(a, b, c, d): event_uniform_f32, event_uniform_f64;
    EventNormal(a, b, c, d): event_normal_f32, event_normal_f64;
    EventExponential(a, b, c, d): event_exponential_f32, event_exponential_f64;
    EventKey(a, b, c, d): event_key_f32, event_key_f64;
}

macro_rules! instructions {
    ($($symbol:literal: fn $name:ident($($arg:ident),+) -> $ty:ty { $result:expr })*) => {
        $(extern "C" fn $name($($arg: $ty),+) -> $ty { $result })*

        /// Cranelift calls these by the names of its default table.
        fn instructions() -> Vec<(&'static str, *const u8)> {
            vec![$(($symbol, $name as *const u8)),*]
        }
    };
}

instructions! {
    "fmaf": fn fma_f32(a, b, c) -> f32 { a.mul_add(b, c) }
    "fma": fn fma_f64(a, b, c) -> f64 { a.mul_add(b, c) }
    "floorf": fn floor_f32(a) -> f32 { a.floor() }
    "floor": fn floor_f64(a) -> f64 { a.floor() }
    "ceilf": fn ceil_f32(a) -> f32 { a.ceil() }
    "ceil": fn ceil_f64(a) -> f64 { a.ceil() }
    "truncf": fn trunc_f32(a) -> f32 { a.trunc() }
    "trunc": fn trunc_f64(a) -> f64 { a.trunc() }
    "nearbyintf": fn nearest_f32(a) -> f32 { a.round_ties_even() }
    "nearbyint": fn nearest_f64(a) -> f64 { a.round_ties_even() }
}

/// Everything that compiled code may call: symbol and address.
pub(super) fn symbols() -> Vec<(&'static str, *const u8)> {
    let mut all = library();
    all.extend(instructions());
    all.extend(super::exec::rows());
    all
}
