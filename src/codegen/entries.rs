//! Shared weights of a convolution: the changes of all copies of an entry are added at the end of a step, in the order (post, pre).

use super::Step;
use super::expr::Emit;
use super::projection::{At, leaf};
use crate::hir::VarId;
use crate::lir::CmpOp;
use crate::lir::build::FuncBuilder;
use crate::methods::sym::Node;

/// Notes that an event changed a shared weight.
pub(super) fn note(b: &mut FuncBuilder, s: &Step<'_>, p: usize, mut written: impl Iterator<Item = VarId>) {
    let Some(shared) = &s.layout.projs[p].entries else { return };
    if written.any(|v| shared.vars.iter().any(|(w, ..)| *w == v)) {
        let (zero, one) = (b.int(0), b.int(1));
        b.store(shared.dirty, zero, one);
    }
}

/// Adds up the changes of this step.
pub(super) fn merge(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.projections[p];
    let Some(shared) = &s.layout.projs[p].entries else { return };
    let zero = b.int(0);
    if plan.entries_always {
        add_up(b, s, p);
        return;
    }
    let dirty = b.load(shared.dirty, zero);
    let dirty = b.cmp(CmpOp::Ne, dirty, zero);
    b.if_then(dirty, |b| {
        let zero = b.int(0);
        b.store(shared.dirty, zero, zero);
        add_up(b, s, p);
    });
}

fn add_up(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.projections[p];
    let bufs = &s.layout.projs[p];
    let Some(shared) = &bufs.entries else { return };
    let zero = b.int(0);
    let entries = b.int(shared.count as i32);
    let synapses = b.int(shared.synapses as i32);
    for (entry, (_, value, sum)) in plan.entries.iter().zip(&shared.vars) {
        let (value, sum) = (*value, *sum);
        let Some(copies) = bufs.vars[entry.var.index()] else { continue };
        b.vector_loop(zero, entries, |b, e| {
            let nothing = b.float(s.float, 0.0);
            b.store(sum, e, nothing);
        });
        b.for_loop(zero, synapses, |b, k| {
            let synapse = b.load(shared.order, k);
            let e = b.load(shared.entry, synapse);
            let (new, old) = (b.load(copies, synapse), b.load(value, e));
            let change = b.sub(new, old);
            let so_far = b.load(sum, e);
            let so_far = b.add(so_far, change);
            b.store(sum, e, so_far);
        });
        b.for_loop(zero, entries, |b, e| {
            let (old, change) = (b.load(value, e), b.load(sum, e));
            let new = b.add(old, change);
            // Bounds are those of one of its synapses.
            let synapse = b.load(shared.first, e);
            let at = At { synapse: Some(synapse), ..At::default() };
            let mut emit = Emit::new(&plan.graph, s.float);
            emit.set(entry.own, new);
            let new = emit.value(b, entry.bounded, &mut |b, n: &Node| leaf(b, s, p, n, at));
            b.store(value, e, new);
        });
        b.for_loop(zero, synapses, |b, synapse| {
            let e = b.load(shared.entry, synapse);
            let x = b.load(value, e);
            b.store(copies, synapse, x);
        });
    }
}
