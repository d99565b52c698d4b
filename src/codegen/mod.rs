//! Plan → loop IR: one function `run(step, steps, run_step)` that advances the whole network by `steps` time steps, specialised to
//! the network and to what is frozen.

mod arrivals;
mod clocked;
mod expr;
pub mod layout;
mod population;
mod projection;
mod response;
mod stimulate;
mod synapse;

pub use layout::Layout;

use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, BufId, FuncId, Program, Scalar, Val, expand, lanes, simplify, verify};
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
}

/// Emits the element-level program of a plan.
#[must_use]
pub fn element_program(plan: &Plan, layout: &Layout) -> Program {
    let scalars: Vec<Scalar> = layout.buffers.iter().map(|b| b.scalar).collect();
    let mut b = FuncBuilder::new("run", 3, scalars);
    let (first, count, run_first) = (b.param(0), b.param(1), b.param(2));
    let zero = b.int(0);
    let float = layout.float;
    let int = if float == Scalar::F32 { Scalar::I32 } else { Scalar::I64 };
    b.for_loop(zero, count, |b, k| {
        let step = b.add(first, k);
        let run_step = b.add(run_first, k);
        let one = b.int(1);
        let done = b.add(step, one);
        let times = (time(b, plan, layout, step), time(b, plan, layout, done));
        let s = Step { plan, layout, float, int, step, done, run_step, times };
        for p in 0..plan.populations.len() {
            population::advance_slow(b, &s, p);
        }
        for p in 0..plan.populations.len() {
            stimulate::follow(b, &s, p);
        }
        for p in 0..plan.projections.len() {
            synapse::follow(b, &s, p);
        }
        for p in 0..plan.populations.len() {
            stimulate::every(b, &s, p);
        }
        for p in 0..plan.projections.len() {
            synapse::every(b, &s, p);
        }
        for p in 0..plan.projections.len() {
            clocked::inject(b, &s, p);
        }
        for p in 0..plan.projections.len() {
            clocked::advance(b, &s, p);
        }
        for p in 0..plan.populations.len() {
            population::integrate(b, &s, p);
        }
        for p in 0..plan.projections.len() {
            synapse::detect(b, &s, p);
        }
        for p in 0..plan.populations.len() {
            population::react(b, &s, p);
        }
        for p in 0..plan.projections.len() {
            synapse::react(b, &s, p);
        }
        for p in 0..plan.populations.len() {
            clocked::forget(b, &s, p);
        }
        for p in 0..plan.projections.len() {
            projection::on_pre(b, &s, p);
        }
        for p in 0..plan.projections.len() {
            projection::on_post(b, &s, p);
        }
    });
    Program { buffers: layout.buffers.clone(), functions: vec![b.finish()] }
}

/// Emits the program that back ends take.
///
/// # Errors
/// A rule of the loop IR is broken: a bug.
pub fn program(plan: &Plan, layout: &Layout) -> Result<Program, String> {
    let mut program = element_program(plan, layout);
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
    let n = b.load(bufs.spike_count, zero);
    (bufs.spikes, zero, n)
}
