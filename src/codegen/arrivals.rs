//! Events on their way where the synapses of one projection differ in their delays, and deliveries on their way along dendrites.
//!
//! Spikes stay in the history of the neuron that emitted them. In each step the spikes of d steps ago are looked up for every delay d
//! that occurs, and the group of synapses with that delay is visited. The order of the visits is by ascending neuron; the events of one
//! neuron that arrive together in the order in which they were emitted; the synapses of one event ascending.

use super::layout::{Dendrite, Segments};
use super::projection::{deliver, post_pop};
use super::{Step, emitted};
use crate::hir::VarId;
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, BufId, CmpOp, Val};

/// Lists of synapses and of the neurons at their other ends, with a range of these.
type Group = (BufId, BufId, Val, Val);

/// Runs `body` for every neuron and group of its synapses that a spike of population `pop` (or its other event of a number) reaches in
/// this step.
pub(super) fn each(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    (pop, event): (usize, Option<u32>),
    g: Segments,
    since: Option<BufId>,
    body: &dyn Fn(&mut FuncBuilder, Val, Group),
) {
    let bufs = &s.layout.pops[pop];
    let history = match event {
        None => bufs.history,
        Some(e) => bufs.signals.get(e as usize).and_then(|signal| signal.history),
    };
    let Some(history) = history else { return };
    let zero = b.int(0);
    let one = b.int(1);
    let distinct = b.int(g.distinct as i32);
    // The groups reached, the oldest events first.
    let count = b.fold_loop(zero, distinct, &[zero], |b, k, count| {
        let d = b.load(g.delays, k);
        let (list, lo, hi) = emitted(b, s, pop, history, d, since);
        b.fold_loop(lo, hi, count, |b, e, count| {
            let i = b.load(list, e);
            let (at, hit) = find(b, g, i, d);
            b.if_else(
                hit,
                |b| {
                    b.store(g.found, count[0], at);
                    let n = b.load(g.places, i);
                    let n = b.add(n, one);
                    b.store(g.places, i, n);
                    vec![b.add(count[0], one)]
                },
                |_| vec![count[0]],
            )
        })
    })[0];
    let some = b.cmp(CmpOp::Gt, count, zero);
    b.if_then(some, |b| {
        // By neuron: counted, then put in their places in the order found.
        let neurons = b.int(s.plan.populations[pop].size as i32);
        b.fold_loop(zero, neurons, &[zero], |b, i, before| {
            let n = b.load(g.places, i);
            let any = b.cmp(CmpOp::Gt, n, zero);
            b.if_then(any, |b| b.store(g.places, i, before[0]));
            vec![b.add(before[0], n)]
        });
        b.for_loop(zero, count, |b, e| {
            let at = b.load(g.found, e);
            let i = b.load(g.owner, at);
            let place = b.load(g.places, i);
            b.store(g.sorted, place, at);
            let next = b.add(place, one);
            b.store(g.places, i, next);
        });
        b.for_loop(zero, count, |b, e| {
            let at = b.load(g.sorted, e);
            let i = b.load(g.owner, at);
            b.store(g.places, i, zero);
            let lo = b.load(g.first, at);
            let next = b.add(at, one);
            let hi = b.load(g.first, next);
            body(b, i, (g.synapses, g.other, lo, hi));
        });
    });
}

/// The group of neuron `i` with delay `d`, by halving; and whether there is one.
fn find(b: &mut FuncBuilder, g: Segments, i: Val, d: Val) -> (Val, Val) {
    let zero = b.int(0);
    let one = b.int(1);
    let first = b.load(g.start, i);
    let next = b.add(i, one);
    let end = b.load(g.start, next);
    let halvings = b.int(g.search as i32);
    // Delays fall within a neuron: the first group whose delay is not above `d`.
    let found = b.fold_loop(zero, halvings, &[first, end], |b, _, range| {
        let sum = b.add(range[0], range[1]);
        let middle = b.bin(BinOp::Sar, sum, one);
        let there = b.load(g.delay, middle);
        let open = b.cmp(CmpOp::Lt, range[0], range[1]);
        let above = b.cmp(CmpOp::Gt, there, d);
        let right = b.bin(BinOp::And, open, above);
        let after = b.add(middle, one);
        let lo = b.select(right, after, range[0]);
        let hi = b.select(right, range[1], middle);
        let hi = b.select(open, hi, range[1]);
        vec![lo, hi]
    })[0];
    let inside = b.cmp(CmpOp::Lt, found, end);
    let there = b.load(g.delay, found);
    let equal = b.cmp(CmpOp::Eq, there, d);
    let hit = b.bin(BinOp::And, inside, equal);
    (found, hit)
}

/// The slot of what reaches the soma in so many steps.
fn slot_after(b: &mut FuncBuilder, d: &Dendrite, steps: Val) -> Val {
    let zero = b.int(0);
    let position = b.load(d.position, zero);
    let slot = b.add(position, steps);
    let depth = b.int(d.depth as i32);
    b.bin(BinOp::Mod, slot, depth)
}

fn common_slot(b: &mut FuncBuilder, s: &Step<'_>, p: usize, d: &Dendrite) -> Val {
    let steps = b.int(s.plan.projections[p].dendritic.uniform() as i32);
    slot_after(b, d, steps)
}

/// An event delivers something: marks where it will be looked for. Loops over synapses may run several at a time, so that those with
/// one delay for all leave this to the event.
pub(super) fn announce(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let bufs = &s.layout.projs[p];
    let one = b.int(1);
    if let Some(d) = bufs.dendrite.as_ref().filter(|d| d.delay.is_none()) {
        let slot = common_slot(b, s, p, d);
        b.store(d.pending, slot, one);
    }
    if let Some(r) = bufs.response {
        let zero = b.int(0);
        b.store(r.pending, zero, one);
    }
}

/// Adds an amount to what reaches the soma of neuron `j` after the dendritic delay.
pub(super) fn into_dendrite(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    p: usize,
    d: &Dendrite,
    target: VarId,
    j: Val,
    synapse: Option<Val>,
    amount: Val,
) {
    let Some((_, sums)) = d.sums.iter().find(|(v, _)| *v == target) else { return };
    let slot = match (d.delay, synapse) {
        (Some(own), Some(synapse)) => {
            let steps = b.load(own, synapse);
            let slot = slot_after(b, d, steps);
            let one = b.int(1);
            b.store(d.pending, slot, one);
            slot
        }
        _ => common_slot(b, s, p, d),
    };
    let stride = b.int(s.layout.projs[p].stride as i32);
    let base = b.mul(slot, stride);
    let at = b.add(base, j);
    let x = b.load(*sums, at);
    let sum = b.add(x, amount);
    b.store(*sums, at, sum);
}

/// What reaches the soma in this step is added to its targets; then the next step's slot is current.
pub(super) fn reach_soma(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let Some(d) = &s.layout.projs[p].dendrite else { return };
    let zero = b.int(0);
    let one = b.int(1);
    let position = b.load(d.position, zero);
    let pending = b.load(d.pending, position);
    let some = b.cmp(CmpOp::Ne, pending, zero);
    b.if_then(some, |b| {
        b.store(d.pending, position, zero);
        let stride = b.int(s.layout.projs[p].stride as i32);
        let base = b.mul(position, stride);
        let n = b.int(s.plan.populations[post_pop(s, p)].size as i32);
        for (target, sums) in &d.sums {
            b.for_loop(zero, n, |b, j| {
                let at = b.add(base, j);
                let x = b.load(*sums, at);
                let nothing = b.float(s.float, 0.0);
                let differs = b.cmp(CmpOp::Ne, x, nothing);
                b.if_then(differs, |b| {
                    b.store(*sums, at, nothing);
                    deliver(b, s, p, *target, j, x);
                });
            });
        }
    });
    let next = b.add(position, one);
    let depth = b.int(d.depth as i32);
    let next = b.bin(BinOp::Mod, next, depth);
    b.store(d.position, zero, next);
}
