//! Plan → loop IR: one function `run(step, steps, run_step)` that advances the whole network by `steps` time steps, specialised to
//! the network and to what is frozen; and two that pass over steps in which nothing happens, where that is possible.

mod arrivals;
mod chance;
mod clocked;
pub mod decay;
mod entries;
mod expr;
mod late;
pub mod layout;
mod leap;
mod population;
mod projection;
mod response;
pub mod shards;
mod stimulate;
mod synapse;

pub use layout::Layout;

use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, BufId, FuncId, Program, Scalar, Val, access, expand, lanes, simplify, verify};
use crate::sched::Plan;

/// The function `run`: local step of the first step, number of steps, step within the current `run`.
pub const RUN: FuncId = FuncId(0);

/// What all parts of the code generator share while one step is emitted.
struct Step<'a> {
    plan: &'a Plan,
    layout: &'a Layout,
    /// Floats of states and weights.
    float: Scalar,
    /// Integers as wide as the floats.
    int: Scalar,
    /// The local number of this step.
    step: Val,
    /// The number of steps done when this step ends.
    done: Val,
    /// This step's number in the current run, from 0.
    run_step: Val,
    /// The time of the step's start and end in ms, as floats of the model.
    times: (Val, Val),
    /// What the step before left to be done.
    late: late::Late,
}

/// A part of a step: what is done, and to which population or projection of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What.
    pub action: Action,
    /// The number of the population or projection.
    pub index: usize,
    /// Of a divided population: which range of its neurons.
    pub shard: Option<usize>,
}

/// What a part of a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Slow states of a population advance.
    Slow,
    /// Variables of a population that follow something.
    Follow,
    /// `every` blocks of a population.
    Every,
    /// Variables of a projection's synapses that follow something.
    FollowSynapses,
    /// `every` blocks of synapses.
    EverySynapse,
    /// What a projection injects.
    Inject,
    /// States of synapses that advance at every step.
    Advance,
    /// The equations of a population.
    Integrate,
    /// The lists of the ranges of a divided population are joined.
    Join,
    /// Events of synapses are found.
    Detect,
    /// What events of synapses do.
    ReactSynapses,
    /// Spikes and events of a population, and what they do to it.
    React,
    /// What was fed to a population is forgotten.
    Forget,
    /// `on pre` of a projection.
    OnPre,
    /// `on post` of a projection.
    OnPost,
    /// Changes of the shared weights of a projection are added up.
    Merge,
}

impl Action {
    /// Whether it is an action of a projection.
    #[must_use]
    pub fn of_projection(self) -> bool {
        matches!(
            self,
            Self::FollowSynapses
                | Self::EverySynapse
                | Self::Inject
                | Self::Advance
                | Self::Detect
                | Self::ReactSynapses
                | Self::OnPre
                | Self::OnPost
                | Self::Merge
        )
    }

    /// For people and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow states",
            Self::Follow => "followed values",
            Self::Every => "every",
            Self::FollowSynapses => "followed synaptic values",
            Self::EverySynapse => "every of synapses",
            Self::Detect => "synaptic events",
            Self::ReactSynapses => "reactions of synapses",
            Self::Inject => "inject",
            Self::Advance => "synaptic states",
            Self::Integrate => "update",
            Self::Join => "lists",
            Self::React => "spikes",
            Self::Forget => "inputs",
            Self::OnPre => "on pre",
            Self::OnPost => "on post",
            Self::Merge => "shared weights",
        }
    }
}

/// The parts of a step in their order, of populations that are not divided.
#[must_use]
pub fn order(plan: &Plan) -> Vec<Part> {
    use Action::{
        Advance, Detect, Every, EverySynapse, Follow, FollowSynapses, Forget, Inject, Integrate, Merge, OnPost, OnPre,
        React, ReactSynapses, Slow,
    };
    let mut out = Vec::new();
    let actions = [
        Slow,
        Follow,
        FollowSynapses,
        Every,
        EverySynapse,
        Inject,
        Advance,
        Integrate,
        Detect,
        React,
        ReactSynapses,
        Forget,
        OnPre,
        OnPost,
        Merge,
    ];
    for action in actions {
        let n = if action.of_projection() { plan.projections.len() } else { plan.populations.len() };
        out.extend((0..n).map(|index| Part { action, index, shard: None }));
    }
    out
}

fn emit(b: &mut FuncBuilder, s: &Step<'_>, part: Part) {
    let p = part.index;
    match part.action {
        Action::Slow => population::advance_slow(b, s, p),
        Action::Follow => stimulate::follow(b, s, p),
        Action::Every => stimulate::every(b, s, p),
        Action::FollowSynapses => synapse::follow(b, s, p),
        Action::EverySynapse => synapse::every(b, s, p),
        Action::Detect => synapse::detect(b, s, p),
        Action::ReactSynapses => synapse::react(b, s, p),
        Action::Inject => clocked::inject(b, s, p),
        Action::Advance => clocked::advance(b, s, p),
        Action::Integrate => population::integrate(b, s, p, part.shard),
        Action::Join => population::join(b, s, p),
        Action::React => population::react(b, s, p),
        Action::Forget => clocked::forget(b, s, p),
        Action::OnPre => projection::on_pre(b, s, p),
        Action::OnPost => projection::on_post(b, s, p),
        Action::Merge => entries::merge(b, s, p),
    }
}

/// What the parts of the step of local number `step` share.
fn step<'a>(b: &mut FuncBuilder, plan: &'a Plan, layout: &'a Layout, step: Val, run_step: Val) -> Step<'a> {
    let float = layout.float;
    let int = if float == Scalar::F32 { Scalar::I32 } else { Scalar::I64 };
    let one = b.int(1);
    let done = b.add(step, one);
    let times = (time(b, plan, layout, step), time(b, plan, layout, done));
    Step { plan, layout, float, int, step, done, run_step, times, late: late::Late::default() }
}

/// Emits the element-level program of a plan.
#[must_use]
pub fn element_program(plan: &Plan, layout: &Layout) -> Program {
    let scalars: Vec<Scalar> = layout.buffers.iter().map(|b| b.scalar).collect();
    let mut b = FuncBuilder::new("run", 3, scalars);
    let (first, count, run_first) = (b.param(0), b.param(1), b.param(2));
    let zero = b.int(0);
    if plan.projections.iter().any(|p| p.late) {
        late::steps(&mut b, plan, layout, (first, count, run_first));
    } else {
        b.for_loop(zero, count, |b, k| {
            let now = b.add(first, k);
            let run_step = b.add(run_first, k);
            let s = step(b, plan, layout, now, run_step);
            for part in order(plan) {
                emit(b, &s, part);
            }
        });
    }
    let mut functions = vec![b.finish()];
    functions.extend(leap::functions(plan, layout));
    functions.extend(decay::function(layout));
    Program { buffers: layout.buffers.clone(), functions }
}

/// Emits each part of a step as a function of its own, with the parameters of `run`; it does one step. Parts that do nothing are left out, and
/// divided populations have a part for each range.
///
/// # Errors
/// A rule of the loop IR is broken: a bug.
pub fn parts(plan: &Plan, layout: &Layout) -> Result<(Program, Vec<Part>), String> {
    let scalars: Vec<Scalar> = layout.buffers.iter().map(|b| b.scalar).collect();
    let mut functions = Vec::new();
    let mut parts = Vec::new();
    // A divided population has a part for each range, and one that joins their lists.
    let ranges = |part: &Part| {
        let n = layout.pops.get(part.index).map_or(0, |p| p.shards.len());
        if part.action != Action::Integrate || n == 0 {
            return vec![*part];
        }
        let mut out: Vec<Part> = (0..n).map(|k| Part { shard: Some(k), ..*part }).collect();
        out.push(Part { action: Action::Join, ..*part });
        out
    };
    for part in order(plan).iter().flat_map(ranges) {
        let range = part.shard.map(|k| format!("_{k}")).unwrap_or_default();
        let name = format!("{}{}{range}", part.action.name().replace(' ', "_"), part.index);
        let mut b = FuncBuilder::new(name, 3, scalars.clone());
        let (now, run_step) = (b.param(0), b.param(2));
        let s = step(&mut b, plan, layout, now, run_step);
        emit(&mut b, &s, part);
        let mut one = Program { buffers: Vec::new(), functions: vec![b.finish()] };
        simplify::simplify(&mut one);
        for function in one.functions {
            if !access::Access::of(&function).writes.is_empty() {
                functions.push(function);
                parts.push(part);
            }
        }
    }
    functions.extend(leap::functions(plan, layout));
    functions.extend(decay::function(layout));
    let program = Program { buffers: layout.buffers.clone(), functions };
    Ok((lowered(program)?, parts))
}

/// Emits the program that back ends take.
///
/// # Errors
/// A rule of the loop IR is broken: a bug.
pub fn program(plan: &Plan, layout: &Layout) -> Result<Program, String> {
    lowered(element_program(plan, layout))
}

/// From element to lane level.
fn lowered(mut program: Program) -> Result<Program, String> {
    verify::verify(&program, verify::Level::Element).map_err(|e| e.join("; "))?;
    simplify::simplify(&mut program);
    expand::expand(&mut program);
    lanes::lanes(&mut program)?;
    simplify::simplify(&mut program);
    verify::verify(&program, verify::Level::Lane).map_err(|e| e.join("; "))?;
    Ok(program)
}

/// The time of a local step number in ms.
fn time(b: &mut FuncBuilder, plan: &Plan, layout: &Layout, step: Val) -> Val {
    let zero = b.int(0);
    let base = b.load(layout.clock, zero);
    let n = b.cast(step, Scalar::F64);
    let n = b.add(base, n);
    let dt = b.float(Scalar::F64, plan.dt);
    let t = b.bin(BinOp::Mul, n, dt);
    b.cast(t, layout.float)
}

/// The spikes that a population emitted `d` steps ago, as a range of its history; none of those that `reset` made void.
fn emitted(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    pop: usize,
    h: layout::History,
    d: Val,
    since: Option<BufId>,
) -> (BufId, Val, Val) {
    let zero = b.int(0);
    let position = b.load(h.position, zero);
    let slot = b.sub(position, d);
    let depth = b.int(h.depth as i32);
    let slot = b.bin(BinOp::Mod, slot, depth);
    let n = b.load(h.counts, slot);
    let n = match since {
        None => n,
        Some(since) => {
            let since = b.load(since, zero);
            let emitted = b.sub(s.step, d);
            let valid = b.cmp(crate::lir::CmpOp::Ge, emitted, since);
            b.select(valid, n, zero)
        }
    };
    let size = b.int(s.plan.populations[pop].size as i32);
    let lo = b.bin(BinOp::Mul, slot, size);
    let hi = b.add(lo, n);
    (h.neurons, lo, hi)
}

/// The spikes of a population (or its other events of a number) that arrive after `delay` steps: a list and a range of it.
fn arriving(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    (pop, event): (usize, Option<u32>),
    delay: u32,
    since: Option<BufId>,
) -> (BufId, Val, Val) {
    let bufs = &s.layout.pops[pop];
    let signal = event.and_then(|e| bufs.signals.get(e as usize));
    let zero = b.int(0);
    let history = if event.is_some() { signal.and_then(|e| e.history) } else { bufs.history };
    if let (Some(h), true) = (history, delay > 0) {
        let d = b.int(delay as i32);
        return emitted(b, s, pop, h, d, since);
    }
    if let Some(signal) = signal {
        let n = b.load(signal.count, zero);
        return (signal.list, zero, n);
    }
    if let Some([base, start, neurons]) = bufs.events {
        let base = b.load(base, zero);
        let slot = b.sub(s.run_step, base);
        let lo = b.load(start, slot);
        let one = b.int(1);
        let next = b.add(slot, one);
        let hi = b.load(start, next);
        return (neurons, lo, hi);
    }
    let [spikes, count] = bufs.before.filter(|_| s.late.past).unwrap_or([bufs.spikes, bufs.spike_count]);
    let n = b.load(count, zero);
    (spikes, zero, n)
}
