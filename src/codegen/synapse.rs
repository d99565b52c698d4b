//! What synapses do by themselves in one step: inputs that follow something take their values, periodic code runs, and events of their
//! own are detected and reacted to.

use super::Step;
use super::clocked::synapses;
use super::expr::Emit;
use super::layout::ProjBufs;
use super::projection::{At, leaf, store};
use super::stimulate::{self, due};
use crate::hir::VarId;
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, CmpOp, Val};
use crate::methods::sym::{Node, Sym};
use crate::sched::{Place, Spiking};

/// What a step knows of a projection before it looks at single synapses.
pub(super) struct Around {
    /// The index of this step's first random number, if there are any.
    pub(super) row: Option<Val>,
    /// The entries of `timed` tables at the step's start and at its end.
    timed: Vec<(Sym, Val, Val)>,
}

/// Loads what is the same for all synapses of a projection.
pub(super) fn around(b: &mut FuncBuilder, s: &Step<'_>, p: usize) -> Around {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let zero = b.int(0);
    let row = bufs.draws.filter(|_| !plan.own.draws.is_empty()).map(|[base, _]| {
        let base = b.load(base, zero);
        let row = b.sub(s.run_step, base);
        let width = b.int((bufs.count * plan.own.draws.len() as u64) as i32);
        b.mul(row, width)
    });
    let timed = stimulate::entries(b, s, &plan.graph, &plan.own.tables, &bufs.tables);
    Around { row, timed }
}

impl Around {
    /// Makes the table entries known to an emission of values at the step's start or end.
    pub(super) fn seed(&self, emit: &mut Emit<'_>, end: bool) {
        for (sym, at_start, at_end) in &self.timed {
            emit.set(*sym, if end { *at_end } else { *at_start });
        }
    }
}

/// Inputs that follow the time, other populations or the neurons at their ends take their values at the step's start.
pub(super) fn follow(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let zero = b.int(0);
    for (v, value) in &plan.own.live {
        let (Some(flag), Some(buf)) = (bufs.live[v.index()], bufs.vars[v.index()]) else { continue };
        let follows = b.load(flag, zero);
        let follows = b.cmp(CmpOp::Ne, follows, zero);
        b.if_then(follows, |b| {
            if plan.place[v.index()] == Place::Pre {
                // The same for all.
                let around = around(b, s, p);
                let mut emit = Emit::new(&plan.graph, s.float);
                around.seed(&mut emit, false);
                let at = At { start: true, ..At::default() };
                let x = emit.value(b, *value, &mut |b, n| leaf(b, s, p, n, at));
                let x = b.cast(x, s.float);
                let n = b.int(bufs.pre as i32);
                b.vector_loop(zero, n, |b, i| b.store(buf, i, x));
                return;
            }
            synapses(b, s, p, At { start: true, ..At::default() }, &[*value], false, &|b, at, outer| {
                let Some(synapse) = at.synapse else { return };
                let x = outer.inner().value(b, *value, &mut |b, n| leaf(b, s, p, n, at));
                let x = b.cast(x, s.float);
                b.store(buf, synapse, x);
            });
        });
    }
}

/// Runs the `every` blocks that are due.
pub(super) fn every(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    for (clause, phase) in plan.own.every.iter().zip(&bufs.phases) {
        let due = due(b, s, *phase, clause.period);
        b.if_then(due, |b| {
            let values: Vec<Sym> = clause.effects.assigns.iter().map(|(_, s)| *s).collect();
            synapses(b, s, p, At { start: true, ..At::default() }, &values, false, &|b, at, outer| {
                assign(b, s, p, &clause.effects.assigns, at, outer);
            });
        });
    }
}

/// Gives variables of a synapse new values, all from the old ones.
fn assign(b: &mut FuncBuilder, s: &Step<'_>, p: usize, assigns: &[(VarId, Sym)], at: At, outer: &Emit<'_>) {
    let Some(synapse) = at.synapse else { return };
    let mut emit = outer.inner();
    let new: Vec<(VarId, Val)> =
        assigns.iter().map(|(v, x)| (*v, emit.value(b, *x, &mut |b, n| leaf(b, s, p, n, at)))).collect();
    for (v, x) in new {
        store(b, s, p, v, synapse, x, at.start);
    }
}

/// Marks the synapses whose events happen, from the states at the step's end.
pub(super) fn detect(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    for (event, signal) in plan.own.events.iter().zip(&bufs.signals) {
        let sides: Vec<Sym> = match &event.cond {
            Spiking::Level(c) => vec![*c],
            Spiking::Crosses(x, y) => vec![*x, *y],
            Spiking::Rate(_) | Spiking::Hazard(_) | Spiking::Listed => continue,
        };
        synapses(b, s, p, At::default(), &sides, true, &|b, at, outer| {
            let Some(synapse) = at.synapse else { return };
            let mut emit = outer.inner();
            let mut load = |b: &mut FuncBuilder, n: &Node| leaf(b, s, p, n, at);
            let sides: Vec<Val> = sides.iter().map(|e| emit.value(b, *e, &mut load)).collect();
            let (zero, one) = (b.int(0), b.int(1));
            let happens = match (sides.as_slice(), signal.below) {
                ([x, y], Some(below)) => {
                    let above = b.cmp(CmpOp::Ge, *x, *y);
                    let under = b.cmp(CmpOp::Lt, *x, *y);
                    let was = b.load(below, synapse);
                    let was = b.cmp(CmpOp::Ne, was, zero);
                    let mark = b.select(under, one, zero);
                    b.store(below, synapse, mark);
                    b.bin(BinOp::And, above, was)
                }
                ([x, ..], _) => *x,
                ([], _) => return,
            };
            let mark = b.select(happens, one, zero);
            b.store(signal.happened, synapse, mark);
        });
    }
}

/// Runs the blocks of the events that happened, by event in order of the file.
pub(super) fn react(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.projections[p];
    let bufs: &ProjBufs = &s.layout.projs[p];
    for (event, signal) in plan.own.events.iter().zip(&bufs.signals) {
        if event.on.assigns.is_empty() {
            continue;
        }
        synapses(b, s, p, At::default(), &[], true, &|b, at, outer| {
            let Some(synapse) = at.synapse else { return };
            let zero = b.int(0);
            let happened = b.load(signal.happened, synapse);
            let happened = b.cmp(CmpOp::Ne, happened, zero);
            b.if_then(happened, |b| assign(b, s, p, &event.on.assigns, at, outer));
        });
    }
}
