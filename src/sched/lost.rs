//! States that change by so little in a step that `f32` rounds most of it away (W0718). A state whose decay is its own equation alone is held in
//! `f64` (`population.rs`, the slow states); one that others drive, or that is held while refractory, is not.

use super::population::is_slow;
use super::warn::{Known, number};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{Model, NeuronModel, Population, Precision};

/// Below this share of a state's value per step, rounding to 24 bits (half of 2^-23) is more than three per cent of the change.
const SHARE: f64 = 1.0 / (1 << 19) as f64;

/// Looks at the equations of a population.
pub(super) fn check(model: &Model, population: &Population, neuron: &NeuronModel, known: &Known<'_>, sink: &mut Sink) {
    if model.settings.precision != Precision::F32 {
        return;
    }
    let (dt, substeps) = (model.settings.dt, f64::from(neuron.method.as_ref().map_or(1, |m| m.substeps).max(1)));
    for ode in &neuron.odes {
        let held = neuron.refractory.iter().any(|r| r.hold.contains(&ode.var));
        let rate = known.lower(|mut low| {
            let rhs = low.expr(&ode.rhs)?;
            if !held && is_slow(low.graph, ode.var, rhs, dt) {
                return None;
            }
            let x = low.graph.own(ode.var);
            let (a, _) = low.graph.linear(rhs, x)?;
            low.graph.as_const(a)
        });
        let Some(share) = rate.map(|a| -a * dt / substeps).filter(|s| *s > 0.0 && *s < SHARE) else { continue };
        let name = neuron.vars.get(ode.var.index()).map_or("", |v| v.name.as_str());
        let d = Diagnostic::new(
            Code::W0718,
            ode.span,
            format!("`{name}` changes too slowly for `precision = f32` in population `{}`", population.name),
        )
        .label(format!("it decays by {} of its value in a step of {} ms", short(share), number(dt / substeps)))
        .note("`f32` rounds each new value by up to 6e-8 of it, so much of the change is lost")
        .help("write `simulation { precision = f64 }`, or change it by larger steps in `every 100 ms { … }`");
        // One model serves several populations.
        if !sink.items.iter().any(|o| o.code == d.code && o.primary.as_ref().map(|l| l.span) == Some(ode.span)) {
            sink.push(d);
        }
    }
}

/// A small number with two digits.
fn short(x: f64) -> String {
    format!("{x:.1e}")
}
