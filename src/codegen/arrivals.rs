//! Events on their way where the synapses of one projection differ in their delays, and deliveries on their way along dendrites.
//!
//! The synapses of a neuron stand in the order of their delays. A spike that has not reached all of them is in a list, with the run of
//! synapses that it reaches next and the step in which it does. The list is in the order in which deliveries are due: by neuron, then by
//! age. In each step one pass over it takes the new spikes in, visits the runs that are reached, and writes what is left.

use super::layout::{Dendrite, Depth, RunWidth, Segments};
use super::projection::{deliver, post_pop};
use super::{Step, arriving, response};
use crate::hir::VarId;
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, BufId, CmpOp, Val};
use crate::sched::Delay;

/// The entries that an event reaches: where their synapses and the neurons at their other ends are listed (if not by number, and as the
/// post neurons of the synapses), and a range.
pub(super) type Run = (Option<BufId>, Option<BufId>, Val, Val);

/// Runs `body` for every neuron and run of its synapses that a spike of population `pop` (or its other event of a number) reaches in
/// this step. If they are `counted`, it learns how many others of that neuron have reached synapses in this step before.
pub(super) fn each(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    (pop, event): (usize, Option<u32>),
    g: Segments,
    counted: bool,
    body: &dyn Fn(&mut FuncBuilder, Val, Run, Option<Val>),
) {
    let zero = b.int(0);
    let one = b.int(1);
    let two = b.int(2);
    let live = g.live;
    let waiting = b.load(live.state, zero);
    let from = b.load(live.state, one);
    let places = b.load(live.state, two);
    let to = b.sub(places, from);
    let (list, lo, hi) = arriving(b, s, (pop, event), 0, None);
    let fresh = b.sub(hi, lo);
    let all = b.add(waiting, fresh);
    let some = b.cmp(CmpOp::Gt, all, zero);
    b.if_then(some, |b| {
        let nobody = b.int(-1);
        let inits = [zero, zero, nobody, zero];
        let left = b.fold_loop(zero, all, &inits[..if counted { 4 } else { 2 }], |b, k, carried| {
            let (old, out) = (carried[0], carried[1]);
            let counts = carried.get(2..4).map(|c| (c[0], c[1]));
            // The next of the waiting and of the new ones; the older first, where both are of one neuron.
            let new = b.sub(k, old);
            let has_old = b.cmp(CmpOp::Lt, old, waiting);
            let has_new = b.cmp(CmpOp::Lt, new, fresh);
            let at = b.add(from, old);
            let at = b.select(has_old, at, zero);
            let there = b.add(lo, new);
            let there = b.select(has_new, there, lo);
            let waits = b.load(live.neuron, at);
            let emits = b.load(list, there);
            let before = b.cmp(CmpOp::Le, waits, emits);
            let last = b.cmp(CmpOp::Ge, new, fresh);
            let before = b.bin(BinOp::Or, before, last);
            let take_old = b.bin(BinOp::And, has_old, before);
            let next = b.if_else(
                take_old,
                |b| {
                    let run = b.load(live.run, at);
                    let entry = b.load(live.entry, at);
                    let due = b.load(live.due, at);
                    let old = b.add(old, one);
                    vec![old, waits, run, entry, due]
                },
                |b| {
                    let run = b.load(g.start, emits);
                    let entry = b.load(g.first, emits);
                    let due = due(b, g, run, s.step);
                    vec![old, emits, run, entry, due]
                },
            );
            let (old, i, run, entry, when) = (next[0], next[1], next[2], next[3], next[4]);
            let reached = b.cmp(CmpOp::Eq, when, s.step);
            let next = b.if_else(
                reached,
                |b| {
                    let (_, len) = stored(b, g, run);
                    let end = b.add(entry, len);
                    let number = counts.map(|counts| following(b, counts, i));
                    body(b, i, (g.synapses, g.other, entry, end), number);
                    let run = b.add(run, one);
                    let due = due(b, g, run, s.step);
                    let told = number.map(|n| [i, n]);
                    [run, end, due].into_iter().chain(told.into_iter().flatten()).collect()
                },
                |_| {
                    let kept = counts.map(|(last, n)| [last, n]);
                    [run, entry, when].into_iter().chain(kept.into_iter().flatten()).collect()
                },
            );
            let (run, entry, when) = (next[0], next[1], next[2]);
            let counts = next[3..].to_vec();
            let stays = b.cmp(CmpOp::Gt, when, s.step);
            let out = b.if_else(
                stays,
                |b| {
                    let at = b.add(to, out);
                    b.store(live.neuron, at, i);
                    b.store(live.run, at, run);
                    b.store(live.entry, at, entry);
                    b.store(live.due, at, when);
                    vec![b.add(out, one)]
                },
                |_| vec![out],
            );
            [old, out[0]].into_iter().chain(counts).collect()
        });
        b.store(live.state, zero, left[1]);
        b.store(live.state, one, to);
    });
}

/// How many events of neuron `i` came before this one, after the last event's neuron and number.
pub(super) fn following(b: &mut FuncBuilder, (last, number): (Val, Val), i: Val) -> Val {
    let (zero, one) = (b.int(0), b.int(1));
    let same = b.cmp(CmpOp::Eq, last, i);
    let next = b.add(number, one);
    b.select(same, next, zero)
}

/// The step in which run `run` is reached, counted from the one before; -1 if it is the end of its neuron's.
fn due(b: &mut FuncBuilder, g: Segments, run: Val, now: Val) -> Val {
    let zero = b.int(0);
    let (gap, len) = stored(b, g, run);
    let exists = b.cmp(CmpOp::Gt, len, zero);
    let then = b.add(now, gap);
    let never = b.int(-1);
    b.select(exists, then, never)
}

/// Gap and length of a run.
fn stored(b: &mut FuncBuilder, g: Segments, run: Val) -> (Val, Val) {
    let one = b.int(1);
    match g.width {
        RunWidth::Half => {
            let at = b.bin(BinOp::Sar, run, one);
            let word = b.load(g.runs, at);
            let odd = b.bin(BinOp::And, run, one);
            let four = b.int(4);
            let by = b.bin(BinOp::Shl, odd, four);
            let half = b.bin(BinOp::Shr, word, by);
            let mask = b.int(0xff);
            let eight = b.int(8);
            let gap = b.bin(BinOp::And, half, mask);
            let len = b.bin(BinOp::Shr, half, eight);
            let len = b.bin(BinOp::And, len, mask);
            (gap, len)
        }
        RunWidth::Word => {
            let word = b.load(g.runs, run);
            let mask = b.int(0xffff);
            let sixteen = b.int(16);
            (b.bin(BinOp::And, word, mask), b.bin(BinOp::Shr, word, sixteen))
        }
        RunWidth::Pair => {
            let at = b.bin(BinOp::Shl, run, one);
            let next = b.add(at, one);
            (b.load(g.runs, at), b.load(g.runs, next))
        }
    }
}

/// How many slots a ring has.
pub(super) fn slots(b: &mut FuncBuilder, depth: Depth) -> Val {
    match depth {
        Depth::Fixed(n) => b.int(n as i32),
        Depth::Stored(id) => {
            let zero = b.int(0);
            b.load(id, zero)
        }
    }
}

/// The slot of what reaches the soma in so many steps.
fn slot_after(b: &mut FuncBuilder, d: &Dendrite, steps: Val) -> Val {
    let zero = b.int(0);
    let position = b.load(d.position, zero);
    let slot = b.add(position, steps);
    let depth = slots(b, d.depth);
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
    if let Some(r) = bufs.response.filter(|_| !behind(s, p)) {
        let zero = b.int(0);
        b.store(r.pending, zero, one);
    }
}

/// Whether a kernel spreads what reaches the soma, instead of what is delivered: one delay for all synapses is in the kernel itself.
pub(super) fn behind(s: &Step<'_>, p: usize) -> bool {
    s.plan.projections[p].dendritic == Delay::PerSynapse
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
                    match s.layout.projs[p].response.filter(|r| r.target == *target) {
                        Some(r) => {
                            b.store(r.pending, zero, one);
                            response::receive(b, r, j, x);
                        }
                        None => deliver(b, s, p, *target, j, x),
                    }
                });
            });
        }
    });
    let next = b.add(position, one);
    let depth = slots(b, d.depth);
    let next = b.bin(BinOp::Mod, next, depth);
    b.store(d.position, zero, next);
}
