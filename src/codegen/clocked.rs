//! What happens to synapses at every step: injections, which read the states of t_n, and clocked states.

use super::arrivals::slots;
use super::expr::Emit;
use super::layout::Depth;
use super::projection::{At, leaf, post_pop};
use super::{Step, synapse};
use crate::hir::{Side, VarId};
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, CmpOp, UnOp, Val};
use crate::methods::sym::{Kind, Node, Sym};
use crate::sched::Wiring;

/// Adds what the synapses of projection `p` inject to their target inputs.
pub(super) fn inject(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.projections[p];
    let injects = &plan.clocked.injects;
    if injects.is_empty() {
        return;
    }
    let pops = &s.layout.pops[post_pop(s, p)];
    let Some(fed) = plan.injected.and_then(|v| pops.fed[v.index()]) else { return };
    let bufs = &s.layout.projs[p];
    let past = [0, 1].map(|end| remember(b, s, p, end));
    let zero = b.int(0);
    if plan.clocked.alike {
        let rows = b.int(s.layout.projs[p].pre as i32);
        let nothing = b.float(s.float, 0.0);
        let sum = b.fold_loop(zero, rows, &[nothing], |b, i, sum| {
            let at = At { pre: Some(i), start: true, past, ..At::default() };
            let mut emit = Emit::new(&plan.graph, s.float);
            let mut load = |b: &mut FuncBuilder, n: &Node| leaf(b, s, p, n, at);
            let mut sum = sum[0];
            for e in injects {
                let e = emit.value(b, *e, &mut load);
                sum = b.add(sum, e);
            }
            vec![sum]
        })[0];
        let n = b.int(s.layout.projs[p].post as i32);
        b.vector_loop(zero, n, |b, j| {
            let x = b.load(fed, j);
            let x = b.add(x, sum);
            b.store(fed, j, x);
        });
        return;
    }
    // What comes from different times for each synapse is not the same for all synapses of a neuron.
    let single = [0, 1].map(|end: usize| bufs.past[end].as_ref().and_then(|past| past.delay));
    let outside: &[Sym] = if single[0].is_some() { &[] } else { injects };
    synapses(b, s, p, At { start: true, past, ..At::default() }, outside, false, &|b, at, outer| {
        let (Some(j), Some(synapse)) = (at.post, at.synapse) else { return };
        let mut at = at;
        for (end, delay) in single.into_iter().enumerate() {
            if let Some(delay) = delay {
                let steps = b.load(delay, synapse);
                at.past[end] = slot(b, s, p, end, steps);
            }
        }
        let mut emit = outer.inner();
        let mut load = |b: &mut FuncBuilder, n: &Node| leaf(b, s, p, n, at);
        for e in injects {
            let e = emit.value(b, *e, &mut load);
            let x = b.load(fed, j);
            let sum = b.add(x, e);
            b.store(fed, j, sum);
        }
    });
}

/// Keeps the present values of what is read with a delay at one end (0: pre, 1: post); gives the start of the slot that is read, if it is the
/// same for all synapses.
fn remember(b: &mut FuncBuilder, s: &Step<'_>, p: usize, end: usize) -> Option<Val> {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let past = bufs.past[end].as_ref()?;
    let (pop, size) = if end == 0 { (bufs.pre_pop, bufs.pre) } else { (bufs.post_pop, bufs.post) };
    let (zero, one) = (b.int(0), b.int(1));
    let position = b.load(past.position, zero);
    let position = b.add(position, one);
    let depth = slots(b, past.depth);
    let position = b.bin(BinOp::Mod, position, depth);
    b.store(past.position, zero, position);
    let stride = b.int(past.stride as i32);
    let base = b.mul(position, stride);
    let n = b.int(size as i32);
    for (v, buf) in &past.vars {
        let node = Node::Var(Side::Own, *v, Kind::Real);
        b.vector_loop(zero, n, |b, i| {
            let x = super::population::leaf(b, s, pop, &node, i, s.times.0);
            let x = b.cast(x, s.float);
            let place = b.add(base, i);
            b.store(*buf, place, x);
        });
    }
    if past.delay.is_some() {
        return None;
    }
    let delay = if end == 0 { plan.delay } else { plan.dendritic };
    let steps = b.int(delay.uniform() as i32);
    slot(b, s, p, end, steps)
}

/// The start of the slot of `steps` ago. Before the network began, or was reset, the values are those of that time; before what is kept, where
/// a delay has become longer than it was, those of the first step that is.
fn slot(b: &mut FuncBuilder, s: &Step<'_>, p: usize, end: usize, steps: Val) -> Option<Val> {
    let bufs = &s.layout.projs[p];
    let past = bufs.past[end].as_ref()?;
    let zero = b.int(0);
    let mut since = b.load(bufs.since?, zero);
    if let Depth::Stored(id) = past.depth {
        // What was before a ring became longer is not known.
        let one = b.int(1);
        let kept = b.load(id, one);
        since = b.bin(BinOp::Max, since, kept);
    }
    let wanted = b.sub(s.step, steps);
    let known = b.cmp(CmpOp::Ge, wanted, since);
    let first = b.sub(s.step, since);
    let steps = b.select(known, steps, first);
    let position = b.load(past.position, zero);
    let slot = b.sub(position, steps);
    let depth = slots(b, past.depth);
    let slot = b.bin(BinOp::Mod, slot, depth);
    let stride = b.int(past.stride as i32);
    Some(b.mul(slot, stride))
}

/// The value of a variable of the neuron at one end, from the slot of its past that is meant.
pub(super) fn earlier(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    p: usize,
    v: VarId,
    (end, element): (usize, Option<Val>),
    at: At,
) -> Val {
    let bufs = &s.layout.projs[p];
    let buf = bufs.past[end].as_ref().and_then(|past| past.vars.iter().find(|(u, _)| *u == v));
    match (buf, at.past[end], element) {
        (Some((_, buf)), Some(slot), Some(element)) => {
            let place = b.add(slot, element);
            b.load(*buf, place)
        }
        _ => b.float(s.float, f64::NAN),
    }
}

/// Advances the clocked states of projection `p` from t_n to t_{n+1}.
pub(super) fn advance(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let Some(update) = &plan.clocked.update else { return };
    synapses(b, s, p, At { start: true, ..At::default() }, &update.new, false, &|b, at, outer| {
        let Some(synapse) = at.synapse else { return };
        let mut emit = outer.inner();
        let mut load = |b: &mut FuncBuilder, n: &Node| leaf(b, s, p, n, at);
        let new: Vec<Val> = update.new.iter().map(|e| emit.value(b, *e, &mut load)).collect();
        for (k, v) in plan.clocked.vars.iter().enumerate() {
            let Some(buf) = bufs.vars[v.index()] else { continue };
            let x = if update.decaying[k] { b.un(UnOp::Flush, new[k]) } else { new[k] };
            b.store(buf, synapse, x);
        }
    });
}

/// What was fed into the inputs of population `p` has acted: the next step starts from nothing.
pub(super) fn forget(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    for fed in s.layout.pops[p].fed.iter().flatten() {
        let zero = b.int(0);
        let n = b.int(s.plan.populations[p].size as i32);
        b.vector_loop(zero, n, |b, j| {
            let nothing = b.float(s.float, 0.0);
            b.store(*fed, j, nothing);
        });
    }
}

/// Runs `body` for every synapse, by ascending pre index, then synapse, at the step's start or end as `at` says. What of `values` depends
/// on the pre neuron alone is computed once for it. `single` keeps synapses out of vectors.
pub(super) fn synapses(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    p: usize,
    at: At,
    values: &[Sym],
    single: bool,
    body: &dyn Fn(&mut FuncBuilder, At, &Emit<'_>),
) {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let zero = b.int(0);
    let rows = b.int(bufs.pre as i32);
    let around = synapse::around(b, s, p);
    let at = At { row: around.row, ..at };
    // In 64 bits the step numbers of event-driven states (32 bits) do not fit the lanes.
    let single = single || s.float == crate::lir::Scalar::F64 && bufs.last.iter().any(Option::is_some);
    b.for_loop(zero, rows, |b, i| {
        let at = At { pre: Some(i), ..at };
        let mut outer = Emit::new(&plan.graph, s.float);
        around.seed(&mut outer, !at.start);
        let mut load = |b: &mut FuncBuilder, n: &Node| leaf(b, s, p, n, at);
        let uniform = |n: &Node| super::expr::on_side(n, Side::Pre, &|_: VarId| false);
        for e in values {
            outer.hoist(b, *e, &uniform, &mut load);
        }
        match (plan.wiring, bufs.rows) {
            (Wiring::Dense, _) => {
                let stride = b.int(bufs.stride as i32);
                let base = b.mul(i, stride);
                let n = b.int(bufs.post as i32);
                let each = |b: &mut FuncBuilder, j: Val| {
                    let synapse = b.add(base, j);
                    body(b, At { post: Some(j), synapse: Some(synapse), ..at }, &outer);
                };
                if single { b.for_loop(zero, n, each) } else { b.vector_loop(zero, n, each) }
            }
            (Wiring::Sparse, Some([start, post])) => {
                let one = b.int(1);
                let lo = b.load(start, i);
                let next = b.add(i, one);
                let hi = b.load(start, next);
                b.for_loop(lo, hi, |b, synapse| {
                    let j = b.load(post, synapse);
                    body(b, At { post: Some(j), synapse: Some(synapse), ..at }, &outer);
                });
            }
            // Uniform projections have nothing that is advanced.
            (Wiring::Sparse, None) | (Wiring::Uniform(_), _) => {}
        }
    });
}
