//! Rates too high for the time step. A neuron with a rate spikes at most once a step, with probability 1 - exp(-rate*dt): of the rate*dt
//! spikes that a Poisson process has in a step, the others are lost. Where one element stands for many sources (`poisson_input`) a step takes
//! any number of events, and nothing is lost.

use super::warn::{Known, number};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{self, ExprKind, Model, Role, Side, SpikeCond, VarId};
use crate::script::ir::{AssignOp, ExprKind as Value, StmtKind};
use crate::script::machine::{Entity, VarKey};
use crate::script::walk;
use crate::source::Span;

/// Expected spikes in a step from which the loss is told.
const MOST: f64 = 0.1;

/// The rate of a population, as far as it is known before the simulation starts (W0703).
pub(super) fn of_population(model: &Model, p: usize, known: &Known<'_>, sink: &mut Sink) {
    let population = &model.populations[p];
    if population.pooled {
        return;
    }
    let neuron = &model.neurons[population.model.index()];
    let Some(SpikeCond::Rate(rate)) = neuron.spike.as_ref().map(|s| &s.cond) else { return };
    let Some(x) = known.value(rate) else { return };
    // The sources of a `poisson_input` together have any number of events in a step.
    if population.pooled {
        return;
    }
    // Shown where the number was written: at the argument if the rate is simply that.
    let given = plain(rate).and_then(|v| population.args.iter().find(|(w, _)| *w == v));
    let span = given.map_or(population.span, |(_, e)| e.span);
    sink.items.extend(report(x, model.settings.dt, span, &population.name));
}

/// Rates that protocols assign as numbers.
pub(super) fn assigned(model: &Model, sink: &mut Sink) {
    let rates: Vec<(VarKey, &str)> = model
        .populations
        .iter()
        .zip(0..)
        .filter(|(population, _)| !population.pooled)
        .filter_map(|(population, p)| {
            let neuron = &model.neurons[population.model.index()];
            let Some(SpikeCond::Rate(rate)) = neuron.spike.as_ref().map(|s| &s.cond) else { return None };
            let var = plain(rate).filter(|v| matches!(neuron.vars[v.index()].role, Role::Input | Role::Param))?;
            Some((VarKey { entity: Entity::Pop(hir::PopId(p)), var }, population.name.as_str()))
        })
        .collect();
    if rates.is_empty() {
        return;
    }
    let mut found = Vec::new();
    walk::any_of(&model.script, &mut |s| {
        if let StmtKind::SetVar { place, op: AssignOp::Set, value, .. } = &s.kind
            && let Value::Const(x) = value.kind
            && let Some((_, name)) = rates.iter().find(|(key, _)| *key == place.key)
        {
            found.extend(report(x, model.settings.dt, value.span, name));
        }
        false
    });
    for d in found {
        if !sink.items.contains(&d) {
            sink.push(d);
        }
    }
}

/// The variable that an expression is, if it is nothing else.
fn plain(e: &hir::Expr) -> Option<VarId> {
    if let ExprKind::Var(Side::Own, v) = e.kind { Some(v) } else { None }
}

fn report(rate: f64, dt: f64, span: Span, population: &str) -> Option<Diagnostic> {
    let expected = rate * dt;
    if expected.is_nan() || expected <= MOST {
        return None;
    }
    let lost = 1.0 - (1.0 - libm::exp(-expected)) / expected;
    Some(
        Diagnostic::new(
            Code::W0703,
            span,
            format!(
                "a rate of {} Hz is too high for a time step of {} ms: {:.1} % of the spikes of `{population}` are lost",
                number(rate * 1000.0),
                number(dt),
                lost * 100.0
            ),
        )
        .label(format!("{} spikes a step on average, but a neuron spikes at most once a step", number(expected)))
        .help(format!(
            "use a time step of {} ms or less, or spread the rate over more neurons",
            number(MOST / rate)
        )),
    )
}
