//! The plan: what each step does and how every variable is stored. One plan per set of frozen variables; storage does not depend
//! on that set, so all plans of a network share their buffers.
//!
//! # A step
//!
//! Step n takes the network from t_n to t_{n+1} = t_n + dt:
//! 1. *Stimulate*: slow states are advanced when due; then parameters and inputs that follow the time, states or other populations
//!    take their values at t_n, those of neurons before those of synapses, and `every` blocks that are due run, in the same order; what
//!    synapses inject is summed from the states of t_n, projection by
//!    projection, by ascending pre index, then synapse. Other inputs are constant during a `run`.
//! 2. *Integrate* all equations from t_n to t_{n+1}, all states of a model together, from old values: clocked states of synapses first,
//!    which read the neurons of t_n, then the neurons.
//! 3. *Detect* spikes and other events at t_{n+1} on the new states, events of synapses included.
//! 4. *React*: `on spike` of the neurons that fired, in index order; then their refractory timers are set; then the blocks of other
//!    events in order of the file, then `on release`; when all neurons have reacted, the blocks of the events of synapses.
//! 5. *Deliver*: events that arrive at t_{n+1}. By projection in order of the file all `on pre` (ascending pre index, then
//!    synapse; events of one neuron that arrive together by different delays in the order in which they were sent), then what
//!    reaches the soma from its dendrites; when all projections have done so, all `on post` likewise.
//!
//! # Storage
//!
//! * *constant*: one number for all elements, folded into the code;
//! * *array*: one value per neuron or synapse, always up to date;
//! * *slow*: a state of a neuron that decays by less than 2^-14 a step: a 64-bit master advanced in closed form at each run's start, at
//!   each write and every 1024 steps, with a working copy that is constant between (a per-step decay of 5e-8 would be lost in `f32`);
//! * *event-driven*: a linear state of a synapse, with the step of its last update, brought up to date where it is read; one per
//!   synapse, or one per pre or post neuron where its value is provably the same for all their synapses.

pub mod chance;
pub mod clocked;
mod decay;
pub mod describe;
pub mod entries;
mod faint;
mod fed;
pub mod late;
pub mod leap;
mod lost;
pub mod lower;
pub mod population;
pub mod projection;
mod quiet;
mod rate;
mod reasons;
mod regroup;
mod reset;
pub mod response;
mod settle;
mod sharing;
mod silent;
mod singular;
pub mod size;
mod stability;
pub mod synapse;
mod unread;
mod warn;

use std::collections::{BTreeMap, BTreeSet};

pub use lower::DrawKind;
pub use population::{Draw, PopPlan, Spiking};
pub use projection::{Delay, MAX_DELAY, Place, ProjPlan, Uniform, Wiring};
pub use quiet::{Findings, Quiet};
pub use warn::{warn, warn_again};

use crate::diag::{Diagnostic, Sink};
use crate::hir::{Model, Opt, Precision, Restructuring, Rule};
use crate::methods::sym::{Node, Sym};
use crate::script::machine::{Entity, VarKey};

/// How a variable is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Storage {
    /// One number for all elements (internal units).
    Constant(f64),
    /// One value per element.
    Array,
}

/// The plan of a whole network for one set of frozen variables.
#[derive(Debug, Clone)]
pub struct Plan {
    /// By population.
    pub populations: Vec<PopPlan>,
    /// By projection.
    pub projections: Vec<ProjPlan>,
    /// The time step in ms.
    pub dt: f64,
    /// Of states and weights.
    pub precision: Precision,
    /// How much is restructured.
    pub opt: Opt,
}

impl Plan {
    /// Whether the network may pass over steps in which nothing happens: see [`leap`].
    #[must_use]
    pub fn leaps(&self) -> bool {
        self.populations.iter().all(|p| p.leap.is_some()) && self.populations.iter().any(|p| p.update.is_some())
    }
}

/// What protocols do to variables, as far as storage depends on it.
#[derive(Debug, Clone, Default)]
pub struct Uses {
    /// Variables that some protocol assigns or loads.
    pub assigned: BTreeSet<VarKey>,
    /// Variables that some protocol, readout or recording reads.
    pub read: BTreeSet<VarKey>,
    /// Whether some protocol thaws variables: then nothing is dead under a frozen variable.
    pub thaws: bool,
}

/// Plans a network.
///
/// # Errors
/// A method that cannot solve its model, or something that is not supported yet.
pub fn build(model: &Model, uses: &Uses, frozen: &BTreeSet<VarKey>) -> Result<Plan, Vec<Diagnostic>> {
    let (mut populations, mut projections) = parts(model, uses, frozen)?;
    let settings = &model.settings;
    if settings.opt.has(Restructuring::SharedStates) {
        // Storage must not depend on what is frozen: decided on the plan without.
        let sharing = if frozen.is_empty() {
            sharing::Sharing::find(model, uses, &populations, &projections)
        } else {
            let (populations, projections) = parts(model, uses, &BTreeSet::new())?;
            sharing::Sharing::find(model, uses, &populations, &projections)
        };
        sharing::apply(&sharing, &mut populations, &mut projections);
    }
    if settings.opt.has(Restructuring::GroupedSums) {
        populations.iter_mut().for_each(regroup::apply);
    }
    if settings.opt.has(Restructuring::FaintTraces) {
        faint::apply(model, uses, &mut populations, &mut projections);
    }
    if settings.opt.has(Restructuring::Leaps) {
        leap::apply(&mut populations, &projections);
    }
    for plan in &mut populations {
        plan.rests = settings.opt.has(Restructuring::RestingBlocks) && may_rest(model, plan);
        plan.calms = settings.opt.has(Restructuring::CalmBlocks) && may_calm(model, plan);
    }
    let mut plan = Plan { populations, projections, dt: settings.dt, precision: settings.precision, opt: settings.opt };
    if settings.opt.has(Restructuring::LateRows) {
        late::apply(model, &mut plan);
    }
    decay::apply(&mut plan);
    Ok(plan)
}

/// Reports what planning finds wrong or suspicious, with nothing frozen. Parts of which something has been found are not planned, and parts
/// of which there is nothing to say are noted.
pub fn check(model: &Model, uses: &Uses, found: &mut Findings, sink: &mut Sink) {
    let none = BTreeSet::new();
    let unknown: Vec<usize> = (0..model.projections.len()).filter(|p| found.projections[*p].amount.is_none()).collect();
    // Projections see what is constant in the populations at their ends.
    let mut seen: Vec<bool> = found.populations.iter().map(|p| p.amount.is_none()).collect();
    for p in &unknown {
        let projection = &model.projections[*p];
        seen[projection.pre.pop.index()] = true;
        seen[projection.post.pop.index()] = true;
    }
    let storage: Vec<Vec<Storage>> = seen
        .into_iter()
        .enumerate()
        .map(|(p, seen)| if seen { population::storage(model, uses, p) } else { Vec::new() })
        .collect();
    let (mut errors, mut slow) = (Vec::new(), false);
    for p in unknown {
        match projection::plan(model, uses, &none, &storage, p) {
            Ok(plan) if clocked::is_slow(model, &plan) => slow = true,
            Ok(plan) => found.projections[p].amount = Some(size::of_projection(model, &plan)),
            Err(d) => errors.push(d),
        }
    }
    for (p, storage) in storage.into_iter().enumerate() {
        if found.populations[p].amount.is_some() {
            continue;
        }
        // How long its spikes are kept is no matter of faults.
        match population::plan(model, p, storage, &|_| false, &population::Delays::default()) {
            Ok(plan) => found.populations[p].amount = Some(size::of_population(model, &plan)),
            Err(d) => errors.push(d),
        }
    }
    if !errors.is_empty() {
        once(errors, sink);
        return;
    }
    let neurons = found.populations.iter().filter_map(|p| p.amount);
    let synapses = found.projections.iter().filter_map(|p| p.amount);
    if slow || size::is_large(neurons, synapses) {
        match build(model, uses, &none) {
            Ok(plan) => {
                size::warn(model, &plan, sink);
                clocked::warn(model, &plan, sink);
            }
            Err(errors) => once(errors, sink),
        }
    }
}

/// What is wrong with a model is wrong in all of its populations, and told once.
fn once(errors: Vec<Diagnostic>, sink: &mut Sink) {
    for d in errors {
        if !sink.items.contains(&d) {
            sink.push(d);
        }
    }
}

/// Plans one population alone: how its equations are advanced depends on no other.
///
/// # Errors
/// A method that cannot solve its model, or something that is not supported yet.
pub fn population_alone(model: &Model, uses: &Uses, p: usize) -> Result<PopPlan, Diagnostic> {
    let storage = population::storage(model, uses, p);
    population::plan(model, p, storage, &|_| false, &population::Delays::default())
}

/// The plans of all populations and projections, before anything is restructured.
fn parts(
    model: &Model,
    uses: &Uses,
    frozen: &BTreeSet<VarKey>,
) -> Result<(Vec<PopPlan>, Vec<ProjPlan>), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let storage: Vec<Vec<Storage>> =
        (0..model.populations.len()).map(|p| population::storage(model, uses, p)).collect();
    // The longest delay of the projections that leave a population, or of its spikes on their way back into dendrites, in steps.
    let mut delays = vec![population::Delays::default(); model.populations.len()];
    let mut projections = Vec::new();
    for p in 0..model.projections.len() {
        match projection::plan(model, uses, frozen, &storage, p) {
            Ok(plan) => {
                let synapse = &model.projections[p].synapse;
                let from = &mut delays[model.projections[p].pre.pop.index()];
                match plan.event.map(|e| e as usize) {
                    // What is injected only needs no events.
                    _ if synapse.on_pre.is_empty() => {}
                    None => from.spikes = from.spikes.max(plan.delay.uniform()),
                    Some(e) => {
                        from.events.resize(from.events.len().max(e + 1), 0);
                        from.events[e] = from.events[e].max(plan.delay.uniform());
                    }
                }
                let post = &mut delays[model.projections[p].post.pop.index()];
                if synapse.on_post.is_some() {
                    post.spikes = post.spikes.max(plan.dendritic.uniform());
                }
                projections.push(plan);
            }
            Err(d) => errors.push(d),
        }
    }
    let mut populations = Vec::new();
    for (p, storage) in storage.into_iter().enumerate() {
        let frozen: BTreeMap<_, _> = frozen
            .iter()
            .filter(|k| matches!(k.entity, Entity::Pop(q) if q.index() == p))
            .map(|k| (k.var, ()))
            .collect();
        match population::plan(model, p, storage, &|v| frozen.contains_key(&v), &delays[p]) {
            Ok(plan) => populations.push(plan),
            Err(d) => errors.push(d),
        }
    }
    if errors.is_empty() { Ok((populations, projections)) } else { Err(errors) }
}

/// Whether blocks of a population may be advanced by simpler code: see [`PopPlan::calms`]. The layout of buffers follows from it, so it must
/// not depend on what is frozen.
fn may_calm(model: &Model, plan: &PopPlan) -> bool {
    /// Fewer neurons are not worth the second version of the code.
    const LEAST: u64 = 64;
    let neuron = &model.neurons[model.populations[plan.pop.index()].model.index()];
    let by_level = matches!(plan.spiking, Some(Spiking::Level(_)) | None);
    let something = plan.refractory.is_some() || !plan.shared.is_empty();
    !neuron.odes.is_empty() && by_level && something && !plan.rests && plan.size >= LEAST
}

/// Whether neurons of a population may be left out while nothing reaches them: see [`PopPlan::rests`].
fn may_rest(model: &Model, plan: &PopPlan) -> bool {
    let mut incoming = model.projections_into(plan.pop).peekable();
    let driven_singly = incoming.peek().is_some() && incoming.all(|j| j.rule == Rule::OneToOne);
    let timeless =
        |s: Sym| !plan.graph.any(s, &|n| matches!(n, Node::Time | Node::Timed(..) | Node::Draw(_) | Node::Other(..)));
    if !plan.live.is_empty() || !plan.every.is_empty() || !plan.events.is_empty() || plan.release.is_some() {
        return false;
    }
    let steady = match &plan.update {
        None => false,
        Some(u) => u.new.iter().chain(u.held.iter().flatten()).all(|s| timeless(*s)),
    };
    let condition = match &plan.spiking {
        Some(Spiking::Level(s)) => timeless(*s),
        None => true,
        Some(Spiking::Crosses(..) | Spiking::Rate(_) | Spiking::Hazard(_) | Spiking::Listed) => false,
    };
    driven_singly && steady && condition && plan.fed.is_empty()
}

/// A time in steps, to the nearest.
#[must_use]
pub fn steps(time: f64, dt: f64) -> f64 {
    (time / dt).round()
}
