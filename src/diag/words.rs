//! Faults that are found at several stages, as soon as enough is known: each is worded here once, so that a reader meets the same words
//! whether a program is checked, its network is built, or it runs.

use super::{Code, Diagnostic};
use crate::source::Span;

/// E0404: a rule that chooses none of its candidate pairs. `filter` is the condition of the connection with what is known of it.
#[must_use]
pub fn no_synapse(rule: Span, [pre, post]: [u64; 2], filter: Option<(Span, &str)>) -> Diagnostic {
    let message = format!("this connection has no synapse: {pre} × {post} candidate pairs, none chosen");
    let d = Diagnostic::new(Code::E0404, rule, message);
    match filter {
        Some((span, text)) => d.also(span, text).help("check the condition and the rule"),
        None => d.help("raise the probability, or remove the `connect`"),
    }
}

/// E0404 in words: a degree or total that is larger than the number of candidates. `place` is "onto neuron 3", "from neuron 3" or "in all".
#[must_use]
pub fn too_few(rule: &str, wanted: u64, place: &str, found: u64) -> String {
    format!("{rule} asks for {wanted} synapses {place}, but only {found} candidates remain there")
}

/// What to do about [`too_few`].
#[must_use]
pub fn too_few_help(filtered: bool) -> &'static str {
    if filtered {
        "ask for fewer, drop the `where`, or allow `multapses = true`"
    } else {
        "ask for fewer, or allow `multapses = true`"
    }
}

/// E0403: a delay below zero. `what` names it as it was written; `value` is it in ms, where it is not in the text.
#[must_use]
pub fn negative_delay(at: Span, what: &str, value: Option<String>) -> Diagnostic {
    let this = value.map_or_else(String::new, |x| format!(", and this is {x} ms"));
    Diagnostic::new(Code::E0403, at, format!("{what} cannot be negative{this}"))
        .help("a spike cannot arrive before it is sent")
}

/// E0307: a refractory period below zero.
#[must_use]
pub fn negative_refractory(at: Span) -> Diagnostic {
    Diagnostic::new(Code::E0307, at, "a refractory period cannot be negative")
}
