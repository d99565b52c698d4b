//! What the plan did not do, and why; what things cost. Said by `snnc plan` beside what was done (`describe.rs`).

use std::fmt::Write;

use super::warn::{Known, number};
use super::{Delay, Place, PopPlan, ProjPlan, Spiking, Storage, Wiring};
use crate::hir::{Model, Precision, Role, Rule, Select, VarId};
use crate::methods::sym::Node;

/// Bytes in words.
fn bytes(n: f64) -> String {
    match n {
        n if n >= f64::from(1 << 30) => format!("{:.1} GiB", n / f64::from(1 << 30)),
        n if n >= f64::from(1 << 20) => format!("{:.1} MiB", n / f64::from(1 << 20)),
        n if n >= 1024.0 => format!("{:.1} KiB", n / 1024.0),
        n => format!("{n} bytes"),
    }
}

fn width(precision: Precision) -> f64 {
    if precision == Precision::F32 { 4.0 } else { 8.0 }
}

/// Bytes of the variables of a population, and why its neurons are advanced as they are.
pub(super) fn population(model: &Model, p: &PopPlan, precision: Precision) -> String {
    let mut out = String::new();
    let arrays = p.storage.iter().filter(|s| matches!(s, Storage::Array)).count();
    let slow = p.slow.len() as f64 * 8.0 * p.size as f64;
    let _ = writeln!(out, "  memory: {} of variables", bytes(arrays as f64 * p.size as f64 * width(precision) + slow));
    if p.update.is_some() && !p.rests && p.size > 1 {
        let _ = writeln!(out, "  every neuron is advanced in every step: {}", awake(model, p));
    }
    out
}

/// What keeps blocks of neurons from resting.
fn awake(model: &Model, p: &PopPlan) -> String {
    let incoming: Vec<&crate::hir::Projection> = model.projections.iter().filter(|j| j.post.pop == p.pop).collect();
    let timed = |s| p.graph.any(s, &|n| matches!(n, Node::Time | Node::Timed(..)));
    let drawn = |s| p.graph.any(s, &|n| matches!(n, Node::Draw(_) | Node::Noise(_)));
    let new = || p.update.iter().flat_map(|u| u.new.iter().copied());
    if !p.live.is_empty() {
        "a parameter or input follows something that changes".to_owned()
    } else if new().any(drawn) {
        "its equations contain noise".to_owned()
    } else if new().any(timed) {
        "its equations contain the time".to_owned()
    } else if !p.every.is_empty() || !p.events.is_empty() || p.release.is_some() {
        "it has periodic code or events".to_owned()
    } else if incoming.is_empty() {
        "nothing is connected to it that could wake it from rest".to_owned()
    } else if let Some(j) = incoming.iter().find(|j| j.rule != Rule::OneToOne) {
        format!("`{}` may reach any of them", j.name)
    } else if !p.fed.is_empty() {
        "synapses inject into it at every step".to_owned()
    } else if matches!(p.spiking, Some(Spiking::Crosses(..))) {
        "a crossing has to be looked for in every step".to_owned()
    } else {
        "its condition changes with the time".to_owned()
    }
}

/// Synapses, bytes and events of a projection, and what keeps it from a simpler form.
pub(super) fn projection(model: &Model, p: &ProjPlan, synapses: u64, precision: Precision) -> String {
    let mut out = String::new();
    let source = &model.projections[p.proj.index()];
    let pre = &model.populations[source.pre.pop.index()];
    let senders = senders(&source.pre.select, pre.size()).max(1) as f64;
    let stored = p.place.iter().filter(|p| matches!(p, Place::Synapse)).count() as f64;
    let stamps =
        p.lazy.iter().zip(&p.place).filter(|(l, at)| l.is_some() && matches!(at, Place::Synapse)).count() as f64;
    let target = if matches!(p.wiring, Wiring::Sparse) { 4.0 } else { 0.0 };
    let each = stored * width(precision) + stamps * 4.0 + target;
    let memory = if matches!(p.wiring, Wiring::Uniform(_)) { 0.0 } else { each * synapses as f64 };
    let _ = writeln!(out, "  {synapses} synapses, {} ({each} bytes each)", bytes(memory));
    if !source.synapse.on_pre.is_empty() || p.injected.is_some() {
        let per_spike = synapses as f64 / senders;
        let known = Known::of_population(model, source.pre.pop.index());
        let rate = match model.neurons[pre.model.index()].spike.as_ref().map(|s| &s.cond) {
            Some(crate::hir::SpikeCond::Rate(e)) if source.event.is_none() => known.value(e).map(|r| r * 1000.0),
            _ => None,
        };
        let _ = match rate {
            Some(hz) => writeln!(
                out,
                "  events: {} synapses a spike; at {} Hz of `{}` {} synaptic events a second",
                number(per_spike),
                number(hz),
                pre.name,
                rounded(hz * synapses as f64)
            ),
            None => writeln!(
                out,
                "  events: {} synapses a spike; for each Hz of `{}` {} synaptic events a second",
                number(per_spike),
                pre.name,
                rounded(synapses as f64)
            ),
        };
    }
    if p.late {
        let post = &model.populations[source.post.pop.index()].name;
        let learns =
            if p.on_pre.synapse.is_empty() && p.on_post.is_none() { "" } else { "; learning waits until then" };
        let _ = writeln!(
            out,
            "  rows are added in the pass that advances `{post}` in the next step, where steps run on one thread{learns}"
        );
    }
    if !matches!(p.wiring, Wiring::Uniform(_)) {
        let _ = writeln!(out, "  visited synapse by synapse: {}", uneven(model, p));
    }
    out
}

fn rounded(x: f64) -> String {
    if x < 1000.0 { number(x.round()) } else { format!("{x:.1e}") }
}

fn senders(select: &Select, size: u64) -> u64 {
    match select {
        Select::All => size,
        Select::Range(a, b) => b.saturating_sub(*a),
        Select::List(l) => l.len() as u64,
    }
}

/// Why events of a projection do not bring the same to all neurons.
fn uneven(model: &Model, p: &ProjPlan) -> String {
    let source = &model.projections[p.proj.index()];
    let synapse = &source.synapse;
    let kept = p.place.iter().position(|at| !matches!(at, Place::Constant(_)));
    if source.rule != Rule::AllToAll {
        "the rule does not connect all with all".to_owned()
    } else if p.on_post.is_some() {
        "it has an `on post` block".to_owned()
    } else if source.pre.select != Select::All || source.post.select != Select::All {
        "it connects parts of populations".to_owned()
    } else if p.delay == Delay::PerSynapse || p.dendritic != Delay::Uniform(0) {
        "delays differ, or pass along dendrites".to_owned()
    } else if let Some(v) = kept.and_then(|k| synapse.vars.get(k)) {
        format!("each synapse has its own `{}`", v.name)
    } else if source.filter.is_some() {
        "its condition leaves some pairs out".to_owned()
    } else if p.injected.is_some() || p.kernel.is_some() || p.on_pre.delivers.len() != 1 {
        "it does not deliver one amount to one state".to_owned()
    } else {
        "the target does not decay to zero by an equation of its own, or an experiment reads the synapses".to_owned()
    }
}

/// Why a state of a synapse is not kept with a neuron.
pub(super) fn per_synapse(model: &Model, p: &ProjPlan, var: VarId) -> Option<String> {
    let source = &model.projections[p.proj.index()];
    let decl = source.synapse.vars.get(var.index())?;
    if decl.role != Role::State {
        return None;
    }
    let by_pre = p.on_pre.synapse.iter().any(|(v, ..)| *v == var);
    let by_post = p.on_post.iter().flat_map(|h| &h.synapse).any(|(v, ..)| *v == var);
    let why = if p.clocked.vars.contains(&var) {
        "it is advanced at every step"
    } else if by_pre && by_post {
        "`on pre` and `on post` both write it"
    } else if !by_pre && !by_post {
        "no handler writes it"
    } else if (by_pre && p.delay == Delay::PerSynapse) || (by_post && p.dendritic == Delay::PerSynapse) {
        "each synapse has its own delay"
    } else {
        "its initial value or what is written differs between the synapses of a neuron, or an experiment assigns it"
    };
    Some(why.to_owned())
}
