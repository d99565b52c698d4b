//! The library functions that both executions call: one Rust function each, so the interpreter and compiled code cannot differ.
//! They come from the crate `libm`, which computes the same bits on every machine, and from the project's own random numbers.

use crate::lir::MathFn;
use crate::rng::keyed;

/// `f` of its arguments; those that it does not take are not looked at. In `f32` the caller widens the arguments and rounds the result once.
pub(crate) fn math_f64(f: MathFn, [a, b, c, d]: [f64; 4]) -> f64 {
    match f {
        MathFn::Sin => libm::sin(a),
        MathFn::Cos => libm::cos(a),
        MathFn::Tan => libm::tan(a),
        MathFn::Asin => libm::asin(a),
        MathFn::Acos => libm::acos(a),
        MathFn::Atan => libm::atan(a),
        MathFn::Atan2 => libm::atan2(a, b),
        MathFn::Sinh => libm::sinh(a),
        MathFn::Cosh => libm::cosh(a),
        MathFn::Pow => libm::pow(a, b),
        MathFn::Fmod => a - b * (a / b).floor(),
        MathFn::DrawNormal => keyed::normal(a, b, c),
        MathFn::DrawGamma => keyed::gamma(a, b, c, d),
        MathFn::DrawPoisson => keyed::poisson(a, b, c, d),
        MathFn::EventUniform => keyed::event_uniform([a, b, c, d]),
        MathFn::EventNormal => keyed::event_normal([a, b, c, d]),
        MathFn::EventExponential => keyed::event_exponential([a, b, c, d]),
        MathFn::EventKey => keyed::event_key([a, b, c, d]),
    }
}
