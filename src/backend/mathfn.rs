//! The library functions that both executions call: one Rust function each, so the interpreter and compiled code cannot differ.
//! They come from the crate `libm`, which computes the same bits on every machine.

use crate::lir::MathFn;

/// `f(a)`, or `f(a, b)` where the function takes two arguments. In `f32` the caller widens the arguments and rounds the result once.
pub(crate) fn math_f64(f: MathFn, a: f64, b: f64) -> f64 {
    match f {
        MathFn::Sin => libm::sin(a),
        MathFn::Cos => libm::cos(a),
        MathFn::Tan => libm::tan(a),
        MathFn::Tanh => libm::tanh(a),
        MathFn::Pow => libm::pow(a, b),
        MathFn::Fmod => a - b * (a / b).floor(),
    }
}
