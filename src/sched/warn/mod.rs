//! Warnings about sound programs that probably do not do what was meant: steps too long for the method, times between steps,
//! a reset that leaves the neuron above its threshold, variables without a use. They say something only where the values are
//! constants of the population: a value drawn per neuron or assigned by a protocol gives no warning.

mod euler;
mod grid;
mod growth;
mod known;
mod names;
mod unused;

use std::collections::BTreeMap;

use super::quiet::Findings;
use super::{lost, rate, reset, silent, singular, stability, unread};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{self, Model};

pub(super) use known::{Known, number, targets};
pub(super) use unused::{Place, place};

/// Reports what is suspicious in a checked model.
pub fn warn(model: &Model, sink: &mut Sink) {
    warn_again(model, &mut Findings::none(model), sink);
}

/// Reports what is suspicious in a checked model of which something has been found; parts that give no warning are noted.
pub fn warn_again(model: &Model, found: &mut Findings, sink: &mut Sink) {
    let mut worst_steps = BTreeMap::new();
    let known = |p: usize| (!found.populations[p].calm).then(|| Known::of_population(model, p));
    let all: Vec<Option<Known<'_>>> = (0..model.populations.len()).map(known).collect();
    for (p, (population, known)) in model.populations.iter().zip(&all).enumerate() {
        let Some(known) = known else { continue };
        let neuron = &model.neurons[population.model.index()];
        let calm = unless_calm(sink, &|sink| {
            grid::refractory(model, population, neuron, known, sink);
            reset::check(population, neuron, known, sink);
            lost::check(model, population, neuron, known, sink);
            rate::of_population(model, p, known, sink);
            singular::of_neuron(neuron, known, sink);
            grid::periods(model, population, neuron, known, sink);
            growth::check(&neuron.vars, &neuron.odes, known, sink);
        });
        let mut steps = Vec::new();
        if neuron.method.as_ref().is_some_and(|m| m.name == "euler") {
            steps = euler::unstable(model, p, neuron, known);
        }
        found.populations[p].calm = calm && steps.is_empty();
        for found in steps {
            let worst = worst_steps.entry((population.model, found.kind, found.ode)).or_insert(found);
            if found.limit < worst.limit {
                *worst = found;
            }
        }
    }
    for ((neuron, ..), found) in worst_steps {
        euler::report(model, &model.neurons[neuron.index()], found, sink);
    }
    for (p, (population, known)) in model.populations.iter().zip(&all).enumerate() {
        let Some(known) = known else { continue };
        let neuron = &model.neurons[population.model.index()];
        let Some(d) = stability::check(model, p, neuron, known) else { continue };
        found.populations[p].calm = false;
        let at = |d: &Diagnostic| d.primary.as_ref().map(|l| l.span);
        if !sink.items.iter().any(|o| o.code == Code::W0701 && at(o) == at(&d)) {
            sink.push(d);
        }
    }
    silent::check(model, found, sink);
    names::time_constants(model, sink);
    names::top_level_time_constants(model, sink);
    for (k, projection) in model.projections.iter().enumerate() {
        if found.projections[k].calm {
            continue;
        }
        let known = Known::of_projection(model, k);
        found.projections[k].calm = unless_calm(sink, &|sink| {
            grid::of_projection(model, projection, &known, sink);
            euler::in_synapse(model, projection, &known, sink);
            growth::check(&projection.synapse.vars, &projection.synapse.odes, &known, sink);
            let vars = |view: &hir::View| model.neuron_of(view.pop).map_or(&[][..], |n| n.vars.as_slice());
            let ends = [vars(&projection.pre), vars(&projection.post)];
            singular::of_synapse(&projection.synapse, ends, &known, sink);
        });
    }
    rate::assigned(model, sink);
    names::shared_noise(model, sink);
    unused::check(model, sink);
    unused::unbound(model, sink);
    unread::check(model, sink);
}

/// Carries out the checks of one part, and tells whether they have nothing to say. What has been said of another part is not said
/// again, but this part is not calm then.
fn unless_calm(sink: &mut Sink, check: &dyn Fn(&mut Sink)) -> bool {
    let mut own = Sink::default();
    check(&mut own);
    let calm = own.items.is_empty();
    if !calm {
        check(sink);
    }
    calm
}
