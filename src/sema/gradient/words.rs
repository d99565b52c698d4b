//! The words for variables that no gradient reaches.

use crate::diag::{Code, Diagnostic};
use crate::hir::Model;
use crate::script::ir::Learning;
use crate::script::learning::is_trainable;
use crate::script::machine::VarKey;
use crate::script::{decl, var_name};
use crate::source::Span;

use super::graph::{Gap, Reach, Way, Why};

/// `E0601` for variables that lie behind the same gap.
pub(super) fn unreached(
    model: &Model,
    l: &Learning,
    way: &Way,
    targets: &[(VarKey, Span)],
    reach: &Reach,
) -> Diagnostic {
    let names: Vec<String> = targets.iter().map(|(key, _)| format!("`{}`", var_name(model, *key))).collect();
    let names = names.join(", ");
    let span = targets.first().map_or(l.span, |(_, span)| *span);
    let Way::Over(gap) = way else {
        let d = Diagnostic::new(Code::E0601, span, format!("the loss does not depend on {names}"))
            .label("nothing that the loss is made of leads here")
            .also(l.loss_span, "the loss");
        let open: Vec<String> =
            reach.open().filter(|k| trainable(model, *k)).map(|k| format!("`{}`", var_name(model, k))).collect();
        return match open.len() {
            0 => d.note("it depends on no weight and no parameter"),
            1..=6 => d.help(format!("it has a gradient for {}", open.join(", "))),
            n => d.help(format!("it has a gradient for {} and {} others", open[..5].join(", "), n - 5)),
        };
    };
    let here = targets.iter().any(|(key, _)| gap.why == Why::Frozen(*key));
    let d = Diagnostic::new(Code::E0601, span, format!("no gradient reaches {names}"));
    let d = d.label(if here {
        "frozen, so it cannot be learned"
    } else {
        "the loss depends on it only through what has no derivative"
    });
    let d = d.also(gap.span, link(model, gap));
    match help(gap.why) {
        Some(help) => d.help(help),
        None => d,
    }
}

fn trainable(model: &Model, key: VarKey) -> bool {
    decl(model, key).is_some_and(|v| is_trainable(v.role))
}

/// The broken link in words.
fn link(model: &Model, gap: &Gap) -> String {
    let name = |pop: crate::hir::PopId| model.populations.get(pop.index()).map_or("", |p| p.shown());
    match gap.why {
        Why::Draw => "drawn at random: no gradient passes through a draw".to_owned(),
        Why::RandomSpikes(pop) => {
            format!("`{}` draws its spikes at random: no gradient passes through them", name(pop))
        }
        Why::Whole => "a whole number, which has no derivative".to_owned(),
        Why::Truth => "true or false, which has no derivative".to_owned(),
        Why::Choice => "this only chooses, and a choice has no derivative".to_owned(),
        Why::Flat(f) => format!("`{f}` is constant between its jumps: its derivative is 0"),
        Why::Count(pop) => {
            format!("the number of spikes of `{}` is a whole number, which has no derivative", name(pop))
        }
        Why::First(pop) => format!("the step in which `{}` first spikes has no derivative", name(pop)),
        Why::Steps(what) => format!("{what} is a whole number of steps, which has no derivative"),
        Why::Metric(metric) => format!("`{metric}` measures the times of spikes, which have no derivative"),
        Why::Place(f) => format!("`{f}` is a place in a list, which has no derivative"),
        Why::Frozen(key) => format!("`{}` is frozen here", var_name(model, key)),
    }
}

/// What to do about it.
fn help(why: Why) -> Option<&'static str> {
    match why {
        Why::Frozen(_) => Some("`thaw` it before, or leave it out"),
        Why::Count(_) => Some("use `rate`, or a potential such as `mean(O.v over time)`, in the loss"),
        Why::RandomSpikes(_) => Some("learn the weights of its connections instead: they multiply its spikes"),
        Why::Place(_) => Some("give the values themselves to `cross_entropy`"),
        _ => None,
    }
}
