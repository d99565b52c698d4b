//! What happens to one population at a step's start: parameters and inputs that follow something take their values, and periodic code
//! runs; and what all blocks of neurons share, the values they store.

use super::Step;
use super::expr::Emit;
use super::population::{decay, leaf, own, relax};
use crate::hir::VarId;
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, BufId, CmpOp, Scalar, Val};
use crate::methods::sym::{Graph, Kind, Node, Sym};
use crate::sched::lower::Effects;

/// What a step knows of a population before it looks at single neurons.
pub(super) struct Outer {
    /// The index of this step's first random number, if there are any.
    row: Option<Val>,
    /// The entries of `timed` tables at the step's start and at its end.
    timed: Vec<(Sym, Val, Val)>,
}

/// Loads what is the same for all neurons of a population.
pub(super) fn outer(b: &mut FuncBuilder, s: &Step<'_>, p: usize) -> Outer {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let zero = b.int(0);
    let row = bufs.draws.filter(|_| !plan.draws.is_empty()).map(|[base, _]| {
        let base = b.load(base, zero);
        let row = b.sub(s.run_step, base);
        let width = b.int((super::layout::padded(plan.size) * plan.draws.len() as u64) as i32);
        b.mul(row, width)
    });
    let timed = entries(b, s, &plan.graph, &plan.tables, &bufs.tables);
    Outer { row, timed }
}

/// The entries of the `timed` tables that a graph mentions, at the step's start and at its end.
pub(super) fn entries(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    graph: &Graph,
    tables: &[std::sync::Arc<[f64]>],
    bufs: &[crate::lir::BufId],
) -> Vec<(Sym, Val, Val)> {
    let mut timed = Vec::new();
    if !bufs.is_empty() {
        let zero = b.int(0);
        let base = b.load(s.layout.clock, zero);
        for (sym, table, step) in graph.timed_nodes() {
            let Some(k) = tables.iter().position(|t| std::sync::Arc::ptr_eq(t, table)) else { continue };
            let at = |b: &mut FuncBuilder, n: Val| {
                // Half a step keeps rounding away from the edges; a time between steps goes to the nearest.
                let n = b.cast(n, Scalar::F64);
                let n = b.add(base, n);
                let half = b.float(Scalar::F64, 0.5);
                let n = b.add(n, half);
                let ratio = b.float(Scalar::F64, s.plan.dt / step);
                let x = b.mul(n, ratio);
                let last = b.float(Scalar::F64, (table.len() - 1) as f64);
                let x = b.bin(BinOp::Min, x, last);
                let k_at = b.cast(x, Scalar::I32);
                b.load(bufs[k], k_at)
            };
            let (start, end) = (at(b, s.step), at(b, s.done));
            timed.push((sym, start, end));
        }
    }
    timed
}

impl Outer {
    /// Makes the table entries known to an emission of values at the step's start or end.
    pub(super) fn seed(&self, emit: &mut Emit<'_>, end: bool) {
        for (sym, at_start, at_end) in &self.timed {
            emit.set(*sym, if end { *at_end } else { *at_start });
        }
    }

    /// A leaf, random numbers included.
    pub(super) fn leaf(&self, b: &mut FuncBuilder, s: &Step<'_>, p: usize, node: &Node, i: Val, time: Val) -> Val {
        if let (Node::Draw(k), Some([_, numbers]), Some(row)) = (node, s.layout.pops[p].draws, self.row) {
            let shift = b.int((super::layout::padded(s.plan.populations[p].size) * u64::from(*k)) as i32);
            let from = b.add(row, shift);
            let at = b.add(from, i);
            return b.load(numbers, at);
        }
        leaf(b, s, p, node, i, time)
    }
}

/// Parameters and inputs that follow the time, states or other populations take their values at the step's start.
pub(super) fn follow(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    if plan.live.is_empty() {
        return;
    }
    let outer = outer(b, s, p);
    let zero = b.int(0);
    let n = b.int(plan.size as i32);
    for (v, value) in &plan.live {
        let (Some(flag), Some(buf)) = (bufs.live[v.index()], bufs.vars[v.index()]) else { continue };
        let follows = b.load(flag, zero);
        let follows = b.cmp(CmpOp::Ne, follows, zero);
        b.if_then(follows, |b| {
            b.vector_loop(zero, n, |b, i| {
                let mut emit = Emit::new(&plan.graph, s.float);
                outer.seed(&mut emit, false);
                let x = emit.value(b, *value, &mut |b, node| outer.leaf(b, s, p, node, i, s.times.0));
                let x = b.cast(x, s.float);
                b.store(buf, i, x);
            });
        });
    }
}

/// Whether periodic code is due in this step.
pub(super) fn due(b: &mut FuncBuilder, s: &Step<'_>, phase: BufId, period: u32) -> Val {
    let zero = b.int(0);
    let phase = b.load(phase, zero);
    let at = b.add(phase, s.step);
    let period = b.int(period as i32);
    let past = b.bin(BinOp::Mod, at, period);
    b.cmp(CmpOp::Eq, past, zero)
}

/// Runs the `every` blocks that are due.
pub(super) fn every(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    if plan.every.is_empty() {
        return;
    }
    let outer = outer(b, s, p);
    let zero = b.int(0);
    let n = b.int(plan.size as i32);
    for (clause, phase) in plan.every.iter().zip(&bufs.phases) {
        let due = due(b, s, *phase, clause.period);
        b.if_then(due, |b| {
            let body = |b: &mut FuncBuilder, i: Val| {
                let new = values(b, s, p, i, &clause.effects, &outer, false);
                store(b, s, p, i, &new, s.step, true);
            };
            // Slow states are advanced in 64 bits, which do not share vectors with 32.
            let slow = plan.slow.iter().any(|w| clause.effects.assigns.iter().any(|(v, _)| *v == w.var));
            if slow { b.for_loop(zero, n, body) } else { b.vector_loop(zero, n, body) }
        });
    }
}

/// The new values that a block gives to variables of neuron `j`, in their working type; slow states in 64 bits.
pub(super) fn values(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    p: usize,
    j: Val,
    effects: &Effects,
    outer: &Outer,
    end: bool,
) -> Vec<(VarId, Val, bool)> {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let (time, at) = if end { (s.times.1, s.done) } else { (s.times.0, s.step) };
    let mut emit = Emit::new(&plan.graph, s.float);
    outer.seed(&mut emit, end);
    let mut load = |b: &mut FuncBuilder, node: &Node| outer.leaf(b, s, p, node, j, time);
    // Slow states are brought up to date in 64 bits first; what reads them sees the working copy of that value.
    let mut wide = Emit::new(&plan.graph, Scalar::F64);
    for w in plan.slow.iter().filter(|w| !w.frozen) {
        if !effects.assigns.iter().any(|(v, _)| *v == w.var) {
            continue;
        }
        if let (Some((master, last)), Some(sym)) = (bufs.slow[w.var.index()], own(plan, w.var)) {
            let since = b.load(last, j);
            let gap = b.sub(at, since);
            let factor = decay(b, s, w, gap);
            let x = b.load(master, j);
            let x = relax(b, w, x, factor);
            wide.set(sym, x);
            let x = b.cast(x, s.float);
            emit.set(sym, x);
        }
    }
    let mut new = Vec::new();
    for (v, value) in &effects.assigns {
        let slow = plan.slow.iter().any(|w| w.var == *v);
        let x = if slow {
            let mut load = |b: &mut FuncBuilder, node: &Node| {
                let x = load(b, node);
                b.cast(x, Scalar::F64)
            };
            wide.value(b, *value, &mut load)
        } else {
            emit.value(b, *value, &mut load)
        };
        new.push((*v, x, slow));
    }
    new
}

/// Stores new values of neuron `j` when `at` steps are done; with `held`, states that are held while it is refractory keep theirs.
pub(super) fn store(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    p: usize,
    j: Val,
    new: &[(VarId, Val, bool)],
    at: Val,
    held: bool,
) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let zero = b.int(0);
    let busy = bufs.refractory.filter(|_| held && new.iter().any(|(v, ..)| plan.hold.contains(v))).map(|timer| {
        let left = b.load(timer, j);
        let none = b.cast(zero, s.int);
        b.cmp(CmpOp::Gt, left, none)
    });
    for (v, x, slow) in new {
        if let (true, Some((master, last))) = (*slow, bufs.slow[v.index()]) {
            b.store(master, j, *x);
            b.store(last, j, at);
        }
        if let Some(buf) = bufs.vars[v.index()] {
            let mut x = b.cast(*x, s.float);
            if let Some(busy) = busy.filter(|_| plan.hold.contains(v)) {
                let old = b.load(buf, j);
                x = b.select(busy, old, x);
            }
            b.store(buf, j, x);
        }
    }
}

/// The symbols that stand for a variable of the model, with their kinds.
pub(super) fn symbols(graph: &crate::methods::sym::Graph, v: VarId) -> impl Iterator<Item = (Sym, Kind)> {
    use crate::hir::Side;
    [Kind::Real, Kind::Int]
        .into_iter()
        .filter_map(move |kind| graph.find(&Node::Var(Side::Own, v, kind)).map(|s| (s, kind)))
}
