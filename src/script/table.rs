//! The functions of protocols by name.

use crate::builtins::{Builtin, Dist};
use crate::script::ir::{Metric, Reduction};

/// Every name that can be called in a protocol, besides functions and procedures of the file.
pub(crate) const FUNCTIONS: &[&str] = &[
    "exp",
    "log",
    "log1p",
    "expm1",
    "exprel",
    "sqrt",
    "abs",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sigmoid",
    "relu",
    "clip",
    "min",
    "max",
    "floor",
    "ceil",
    "round",
    "sign",
    "heaviside",
    "uniform",
    "normal",
    "lognormal",
    "exponential",
    "gamma",
    "randint",
    "bernoulli",
    "sum",
    "mean",
    "std",
    "argmax",
    "argmin",
    "norm",
    "count",
    "rate",
    "cv_isi",
    "spikes",
    "accuracy",
    "zeros",
    "shuffle",
    "observe",
    "score",
    "fit",
    "freeze",
    "thaw",
    "reset",
    "redraw",
    "save",
    "load",
    "print",
    "log",
];

/// Calls that are statements and give no value (`log("f.csv", …)` is told from the logarithm by its first argument).
pub(crate) const ACTIONS: &[&str] =
    &["observe", "score", "fit", "freeze", "thaw", "reset", "redraw", "save", "load", "print"];

/// Functions of the language that protocols cannot use yet.
pub(crate) const LATER: &[&str] =
    &["cross_entropy", "mse", "timed", "array", "truncated", "poisson_count", "kaiming", "xavier", "adam", "sgd"];

/// Whether the name is a function of protocols.
pub(crate) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name) || LATER.contains(&name)
}

/// A reduction by name.
pub(crate) fn reduction(name: &str) -> Option<Reduction> {
    Some(match name {
        "sum" => Reduction::Sum,
        "mean" => Reduction::Mean,
        "std" => Reduction::Std,
        "min" => Reduction::Min,
        "max" => Reduction::Max,
        "argmax" => Reduction::Argmax,
        "argmin" => Reduction::Argmin,
        "norm" => Reduction::Norm,
        "count" => Reduction::Count,
        _ => return None,
    })
}

/// A measure of recorded spikes by name.
pub(crate) fn metric(name: &str) -> Option<Metric> {
    Some(match name {
        "rate" => Metric::Rate,
        "cv_isi" => Metric::CvIsi,
        "spikes" => Metric::Spikes,
        _ => return None,
    })
}

/// How a function treats units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Units {
    /// Bare numbers in, bare numbers out.
    Bare,
    /// All arguments in one unit, which is the result's.
    Keep,
    /// One argument; the result has the root of its unit.
    Root,
    /// Any unit in, bare numbers out.
    Drop,
}

/// An elementwise function by name: which, the names of its arguments, how it treats units.
pub(crate) fn builtin(name: &str) -> Option<(Builtin, &'static [&'static str], Units)> {
    const ONE: &[&str] = &["x"];
    Some(match name {
        "exp" => (Builtin::Exp, ONE, Units::Bare),
        "log" => (Builtin::Log, ONE, Units::Bare),
        "log1p" => (Builtin::Log1p, ONE, Units::Bare),
        "expm1" => (Builtin::Expm1, ONE, Units::Bare),
        "exprel" => (Builtin::Exprel, ONE, Units::Bare),
        "sqrt" => (Builtin::Sqrt, ONE, Units::Root),
        "abs" => (Builtin::Abs, ONE, Units::Keep),
        "sin" => (Builtin::Sin, ONE, Units::Bare),
        "cos" => (Builtin::Cos, ONE, Units::Bare),
        "tan" => (Builtin::Tan, ONE, Units::Bare),
        "tanh" => (Builtin::Tanh, ONE, Units::Bare),
        "sigmoid" => (Builtin::Sigmoid, ONE, Units::Bare),
        "relu" => (Builtin::Relu, ONE, Units::Keep),
        "clip" => (Builtin::Clip, &["x", "lo", "hi"], Units::Keep),
        "min" => (Builtin::Min, &["a", "b"], Units::Keep),
        "max" => (Builtin::Max, &["a", "b"], Units::Keep),
        "floor" => (Builtin::Floor, ONE, Units::Bare),
        "ceil" => (Builtin::Ceil, ONE, Units::Bare),
        "round" => (Builtin::Round, ONE, Units::Bare),
        "sign" => (Builtin::Sign, ONE, Units::Drop),
        "heaviside" => (Builtin::Heaviside, ONE, Units::Drop),
        _ => return None,
    })
}

/// A distribution by name: which, and the names of its parameters.
pub(crate) fn distribution(name: &str) -> Option<(Dist, &'static [&'static str])> {
    Some(match name {
        "uniform" => (Dist::Uniform, &["lo", "hi"]),
        "normal" => (Dist::Normal, &["mean", "sd"]),
        "lognormal" => (Dist::Lognormal, &["mu", "sigma"]),
        "exponential" => (Dist::Exponential, &["mean"]),
        "gamma" => (Dist::Gamma, &["shape", "scale"]),
        "randint" => (Dist::Randint, &["lo", "hi"]),
        "bernoulli" => (Dist::Bernoulli, &["p"]),
        _ => return None,
    })
}
