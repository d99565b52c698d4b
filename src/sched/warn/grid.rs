//! Times that fall between two steps (W0702), and those that cannot be negative: delays, refractory periods, periods of `every`.

use super::{Known, number};
use crate::diag::{Code, Diagnostic, Sink, words};
use crate::hir::{self, Expr, ExprKind, Model, NeuronModel, Side, VarDecl};
use crate::source::Span;

/// Delays and periods of a projection between steps.
pub(super) fn of_projection(model: &Model, projection: &hir::Projection, known: &Known<'_>, sink: &mut Sink) {
    let delays = projection.delay.iter().chain(&projection.dendritic_delay).map(|e| ("delay", e));
    for (what, time) in delays.chain(projection.synapse.every.iter().map(|e| ("period", &e.period))) {
        if let Some(x) = known.value(time) {
            if x < 0.0 && what == "delay" {
                let d = words::negative_delay(time.span, "`delay`", Some(number(x)));
                if !sink.items.contains(&d) {
                    sink.push(d);
                }
                continue;
            }
            let at = sink.items.len();
            off_grid(what, x, time.span, model.settings.dt, sink);
            // A loop makes many connections of one text: each rounded value is said once.
            if sink.items.get(at).is_some_and(|new| sink.items[..at].contains(new)) {
                sink.items.truncate(at);
            }
        }
    }
}

fn off_grid(what: &str, x: f64, span: Span, dt: f64, sink: &mut Sink) {
    let steps = (x / dt).round();
    if (x / dt - steps).abs() <= 1e-6 * steps.abs().max(1.0) {
        return;
    }
    // A period shorter than half a step is an error of its own.
    if what == "period" && steps < 1.0 {
        return;
    }
    sink.push(
        Diagnostic::new(
            Code::W0702,
            span,
            format!("a {what} of {} ms is not a multiple of the time step of {} ms", number(x), number(dt)),
        )
        .label(format!("{} ms is used instead", number(steps * dt)))
        .help(format!("write {} ms, or choose a time step that divides {} ms", number(steps * dt), number(x))),
    );
}

/// E0307: a parameter makes the period negative, by its default or by what the population gives it.
fn negative_refractory(population: &hir::Population, neuron: &NeuronModel, duration: &Expr) -> Diagnostic {
    match written(population, &neuron.vars, duration) {
        Some(at) => words::negative_refractory(at).also(duration.span, "this is the length of the period"),
        None => words::negative_refractory(duration.span)
            .also(population.span, "it is with the parameters of this population"),
    }
}

/// Where a value was written that a variable has in a population: at the argument, or at the default.
fn written(population: &hir::Population, vars: &[VarDecl], e: &Expr) -> Option<Span> {
    let ExprKind::Var(Side::Own, v) = e.kind else { return None };
    let given = population.args.iter().find(|(a, _)| *a == v).map(|(_, e)| e.span);
    given.or_else(|| vars.get(v.index())?.init.as_ref().map(|e| e.span))
}

pub(super) fn refractory(
    model: &Model,
    population: &hir::Population,
    neuron: &NeuronModel,
    known: &Known<'_>,
    sink: &mut Sink,
) {
    let Some(clause) = &neuron.refractory else { return };
    let Some(x) = known.value(&clause.duration) else { return };
    if x < 0.0 {
        let d = negative_refractory(population, neuron, &clause.duration);
        if !sink.items.contains(&d) {
            sink.push(d);
        }
        return;
    }
    let at = sink.items.len();
    let place = written(population, &neuron.vars, &clause.duration);
    off_grid("refractory period", x, place.unwrap_or(clause.duration.span), model.settings.dt, sink);
    // The same clause serves several populations: each rounded value is said once.
    if let Some(new) = sink.items.get(at).cloned() {
        let new =
            if place.is_some() { new.also(clause.duration.span, "this is the length of the period") } else { new };
        sink.items.truncate(at);
        if !sink.items.contains(&new) {
            sink.push(new);
        }
    }
}

/// Periods of `every` between steps, each said once.
pub(super) fn periods(
    model: &Model,
    population: &hir::Population,
    neuron: &NeuronModel,
    known: &Known<'_>,
    sink: &mut Sink,
) {
    for every in &neuron.every {
        let Some(x) = known.value(&every.period) else { continue };
        let at = sink.items.len();
        let place = written(population, &neuron.vars, &every.period);
        off_grid("period", x, place.unwrap_or(every.period.span), model.settings.dt, sink);
        if let Some(new) = sink.items.get(at).cloned() {
            let new = if place.is_some() { new.also(every.period.span, "this is the period") } else { new };
            sink.items.truncate(at);
            if !sink.items.contains(&new) {
                sink.push(new);
            }
        }
    }
}
