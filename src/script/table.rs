//! The functions of protocols by name.

use crate::builtins::{DISTS, TABLE};
use crate::script::ir::{Metric, Reduction};

/// Names that can be called in a protocol besides functions of one element, distributions, and those of the file.
const OWN: &[&str] = &[
    "sum",
    "mean",
    "std",
    "argmax",
    "argmin",
    "norm",
    "count",
    "rate",
    "cv_isi",
    "synchrony",
    "spikes",
    "accuracy",
    "zeros",
    "shuffle",
    "truncated",
    "timed",
    "array",
    "play",
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
];

/// Every name that can be called in a protocol, besides functions and procedures of the file.
pub(crate) fn functions<'a>() -> impl Iterator<Item = &'a str> {
    OWN.iter().copied().chain(TABLE.iter().map(|r| r.name)).chain(DISTS.iter().map(|r| r.name))
}

/// Calls that are statements and give no value (`log("f.csv", …)` is told from the logarithm by its first argument).
pub(crate) const ACTIONS: &[&str] =
    &["observe", "score", "fit", "freeze", "thaw", "reset", "redraw", "play", "save", "load", "print"];

/// Functions of the language that protocols cannot use yet.
pub(crate) const LATER: &[&str] = &["cross_entropy", "mse", "kaiming", "xavier", "adam", "sgd"];

/// Whether the name is a function of protocols.
pub(crate) fn is_function(name: &str) -> bool {
    functions().any(|f| f == name) || LATER.contains(&name)
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
        "synchrony" => Metric::Synchrony,
        "spikes" => Metric::Spikes,
        _ => return None,
    })
}
