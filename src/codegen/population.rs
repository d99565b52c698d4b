//! One population in one step: slow states, integration and detection, reactions.

use super::expr::Emit;
use super::layout::Counts;
use super::shards::Lists;
use super::stimulate::{self, Outer};
use super::{Step, arriving};
use crate::hir::{Side, VarId};
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, BufId, CmpOp, PAD, Scalar, UnOp, Val};
use crate::methods::sym::{Kind, Node, Sym};
use crate::sched::population::Slow;
use crate::sched::{PopPlan, Spiking};

/// Every 1024 steps of a run, from its first, slow states are advanced in closed form.
pub(super) fn advance_slow(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    if plan.slow.iter().all(|w| w.frozen) {
        return;
    }
    let mask = b.int(1023);
    let zero = b.int(0);
    let phase = b.bin(BinOp::And, s.run_step, mask);
    let due = b.cmp(CmpOp::Eq, phase, zero);
    b.if_then(due, |b| {
        for w in plan.slow.iter().filter(|w| !w.frozen) {
            let (Some((master, last)), Some(work)) = (bufs.slow[w.var.index()], bufs.vars[w.var.index()]) else {
                continue;
            };
            let n = b.int(plan.size as i32);
            let none = b.int(-1);
            let one = b.float(Scalar::F64, 1.0);
            // Neurons that were last advanced at the same step share the exponential.
            b.fold_loop(zero, n, &[none, one], |b, i, carried| {
                let since = b.load(last, i);
                let gap = b.sub(s.step, since);
                let same = b.cmp(CmpOp::Eq, gap, carried[0]);
                let factor = b.if_else(same, |_| vec![carried[1]], |b| vec![decay(b, s, w, gap)])[0];
                let x = b.load(master, i);
                let x = relax(b, w, x, factor);
                b.store(master, i, x);
                b.store(last, i, s.step);
                let x = b.cast(x, s.float);
                if bufs.rest.is_some() {
                    // A threshold that moves may be crossed by a neuron that rests.
                    let before = b.load(work, i);
                    let differs = b.cmp(CmpOp::Ne, x, before);
                    b.if_then(differs, |b| wake(b, s, p, i));
                }
                b.store(work, i, x);
                vec![gap, factor]
            });
        }
    });
}

/// `e^(a*dt*gap)` in 64 bits.
pub(super) fn decay(b: &mut FuncBuilder, s: &Step<'_>, w: &Slow, gap: Val) -> Val {
    let rate = b.float(Scalar::F64, w.a * s.plan.dt);
    let gap = b.cast(gap, Scalar::F64);
    let z = b.mul(rate, gap);
    b.un(UnOp::Exp, z)
}

/// The state after its deviation from the rest value has shrunk by `factor`.
pub(super) fn relax(b: &mut FuncBuilder, w: &Slow, x: Val, factor: Val) -> Val {
    if w.b == 0.0 {
        return b.mul(x, factor);
    }
    let rest = b.float(Scalar::F64, -w.b / w.a);
    let d = b.sub(x, rest);
    b.fma(d, factor, rest)
}

/// Integrates all neurons, or those of one range, and lists those that spike.
pub(super) fn integrate(b: &mut FuncBuilder, s: &Step<'_>, p: usize, shard: Option<usize>) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let zero = b.int(0);
    let detects = matches!(plan.spiking, Some(Spiking::Level(_) | Spiking::Crosses(..) | Spiking::Hazard(_)))
        || !plan.events.is_empty();
    let shard = shard.and_then(|k| bufs.shards.get(k));
    let lists = shard.map_or_else(|| Lists::of(bufs), |shard| shard.lists.clone());
    for [_, count] in lists.signals.iter().chain(&lists.released) {
        b.store(*count, zero, zero);
    }
    if bufs.events.is_none() {
        b.store(lists.spikes[1], zero, zero);
    }
    if plan.update.is_none() && !detects && bufs.refractory.is_none() {
        return;
    }
    let range = shard.map_or((0, plan.size), |shard| (shard.from, shard.to));
    let around = Around { outer: stimulate::outer(b, s, p), shared: advance_shared(b, s, p), lists };
    if let (Some(rest), true) = (bufs.rest, plan.rests) {
        resting(b, s, p, rest, &around, range);
    } else if let (Some(busy), true) = (bufs.busy, plan.calms) {
        calming(b, s, p, busy, &around, range);
    } else if shard.is_some() {
        let [from, to] = [range.0, range.1].map(|k| b.int(k as i32));
        b.vector_loop(from, to, |b, i| one(b, s, p, i, &around, Mode::General { mark: None }));
    } else {
        s.late.in_blocks(b, p, plan.size, |b, from, len| {
            b.vector_loop(zero, len, |b, k| {
                let i = from.map_or(k, |from| b.add(from, k));
                one(b, s, p, i, &around, Mode::General { mark: None });
            });
        });
    }
}

/// Joins the lists of the ranges of a divided population; the first range has written the population's own.
pub(super) fn join(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let bufs = &s.layout.pops[p];
    let zero = b.int(0);
    for shard in bufs.shards.iter().skip(1) {
        for ([to, total], [from, count]) in Lists::of(bufs).all().zip(shard.lists.all()) {
            let before = b.load(total, zero);
            let n = b.load(count, zero);
            b.for_loop(zero, n, |b, k| {
                let i = b.load(from, k);
                let at = b.add(before, k);
                b.store(to, at, i);
            });
            let all = b.add(before, n);
            b.store(total, zero, all);
        }
    }
}

/// What is the same for all neurons of a step.
struct Around {
    /// Values that are computed once a step.
    outer: Outer,
    shared: Vec<Shared>,
    /// Where neurons are listed.
    lists: Lists,
}

/// A shared state in this step: its value at the start and at the end.
struct Shared {
    var: VarId,
    old: Val,
    new: Val,
}

/// Advances the shared values of a population.
fn advance_shared(b: &mut FuncBuilder, s: &Step<'_>, p: usize) -> Vec<Shared> {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let zero = b.int(0);
    let mut out = Vec::new();
    for var in &plan.shared {
        let Some(buf) = bufs.shared[var.index()] else { continue };
        let old = b.load(buf, zero);
        let k = plan.integrated.iter().position(|v| v == var);
        let new = match (&plan.update, k) {
            (Some(update), Some(k)) => decayed(b, s, plan, *var, old, update.new[k], 0.0),
            // Frozen.
            _ => old,
        };
        b.store(buf, zero, new);
        out.push(Shared { var: *var, old, new });
    }
    out
}

/// The new value of one part of a shared state; zero below `faint`.
fn decayed(b: &mut FuncBuilder, s: &Step<'_>, plan: &PopPlan, var: VarId, old: Val, new: Sym, faint: f64) -> Val {
    let mut emit = Emit::new(&plan.graph, s.float);
    if let Some(sym) = own(plan, var) {
        emit.set(sym, old);
    }
    // The plan has made sure that it depends on nothing else.
    let x = emit.value(b, new, &mut |b, _| b.float(s.float, f64::NAN));
    faded(b, s, x, faint)
}

/// `x`, or zero if it is smaller than `faint` (at least: if it is subnormal).
pub(super) fn faded(b: &mut FuncBuilder, s: &Step<'_>, x: Val, faint: f64) -> Val {
    if faint == 0.0 {
        return b.un(UnOp::Flush, x);
    }
    let gone = is_faint(b, s, x, faint);
    let zero = b.float(s.float, 0.0);
    b.select(gone, zero, x)
}

/// Whether [`faded`] would make `x` zero.
pub(super) fn is_faint(b: &mut FuncBuilder, s: &Step<'_>, x: Val, faint: f64) -> Val {
    let normal = if s.float == Scalar::F32 { f64::from(f32::MIN_POSITIVE) } else { f64::MIN_POSITIVE };
    let size = b.un(UnOp::Abs, x);
    let least = b.float(s.float, faint.max(normal));
    b.cmp(CmpOp::Lt, size, least)
}

/// Blocks in which nothing moves are left out; every 32 steps those are found.
fn resting(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    p: usize,
    [rest, moved]: [BufId; 2],
    around: &Around,
    (first, end): (u64, u64),
) {
    let zero = b.int(0);
    let n = b.int(end as i32);
    let first = b.int((first / PAD) as i32);
    let blocks = b.int(end.div_ceil(PAD) as i32);
    let mask = b.int(31);
    let phase = b.bin(BinOp::And, s.run_step, mask);
    let looks = b.cmp(CmpOp::Eq, phase, mask);
    b.for_loop(first, blocks, |b, block| {
        let resting = b.load(rest, block);
        let awake = b.cmp(CmpOp::Eq, resting, zero);
        b.if_then(awake, |b| {
            let width = b.int(PAD as i32);
            let from = b.mul(block, width);
            let end = b.add(from, width);
            let to = b.bin(BinOp::Min, end, n);
            b.if_else(
                looks,
                |b| {
                    let mark = Some((moved, Keeps::Moving));
                    b.vector_loop(from, to, |b, i| one(b, s, p, i, around, Mode::General { mark }));
                    let still = unmarked(b, from, to, moved);
                    let one = b.int(1);
                    let flag = b.select(still, one, zero);
                    b.store(rest, block, flag);
                    Vec::new()
                },
                |b| {
                    b.vector_loop(from, to, |b, i| one(b, s, p, i, around, Mode::General { mark: None }));
                    Vec::new()
                },
            );
        });
    });
}

/// Blocks without a refractory or deviating neuron take simpler code; every 32 steps those are found.
fn calming(
    b: &mut FuncBuilder,
    s: &Step<'_>,
    p: usize,
    [busy, marks]: [BufId; 2],
    around: &Around,
    (first, end): (u64, u64),
) {
    let zero = b.int(0);
    let mark = Some((marks, Keeps::Deviating));
    let first = b.int((first / PAD) as i32);
    let whole = end / PAD;
    let blocks = b.int(whole as i32);
    let width = b.int(PAD as i32);
    b.for_loop(first, blocks, |b, block| {
        let from = b.mul(block, width);
        s.late.add(b, p, from, PAD);
        let flag = b.load(busy, block);
        let calm = b.cmp(CmpOp::Eq, flag, zero);
        let each = |b: &mut FuncBuilder, mode: Mode| {
            b.vector_loop(zero, width, |b, k| {
                let i = b.add(from, k);
                one(b, s, p, i, around, mode);
            });
            Vec::new()
        };
        b.if_else(calm, |b| each(b, Mode::Calm), |b| each(b, Mode::General { mark }));
    });
    let n = b.int(end as i32);
    if !end.is_multiple_of(PAD) {
        // The last block is not full.
        let from = b.int((whole * PAD) as i32);
        s.late.add(b, p, from, end % PAD);
        b.vector_loop(from, n, |b, i| one(b, s, p, i, around, Mode::General { mark: None }));
    }
    let mask = b.int(31);
    let phase = b.bin(BinOp::And, s.run_step, mask);
    let looks = b.cmp(CmpOp::Eq, phase, mask);
    b.if_then(looks, |b| {
        b.for_loop(first, blocks, |b, block| {
            let flag = b.load(busy, block);
            let is_busy = b.cmp(CmpOp::Ne, flag, zero);
            b.if_then(is_busy, |b| {
                let from = b.mul(block, width);
                let to = b.add(from, width);
                let over = unmarked(b, from, to, marks);
                b.if_then(over, |b| b.store(busy, block, zero));
            });
        });
    });
}

/// Whether no neuron of a range is marked.
fn unmarked(b: &mut FuncBuilder, from: Val, to: Val, marks: BufId) -> Val {
    let zero = b.int(0);
    let sum = b.fold_loop(from, to, &[zero], |b, i, sum| {
        let m = b.load(marks, i);
        let m = b.cast(m, Scalar::I32);
        vec![b.add(sum[0], m)]
    });
    b.cmp(CmpOp::Eq, sum[0], zero)
}

/// Something reaches neuron `j`: its block is awake.
pub(super) fn wake(b: &mut FuncBuilder, s: &Step<'_>, p: usize, j: Val) {
    if let Some([rest, _]) = s.layout.pops[p].rest {
        let zero = b.int(0);
        flag_block(b, rest, j, zero);
    }
}

/// Neuron `j` becomes refractory or deviates: its block is busy.
pub(super) fn stir(b: &mut FuncBuilder, s: &Step<'_>, p: usize, j: Val) {
    if let Some([busy, _]) = s.layout.pops[p].busy {
        let one = b.int(1);
        flag_block(b, busy, j, one);
    }
}

fn flag_block(b: &mut FuncBuilder, flags: BufId, j: Val, value: Val) {
    let width = b.int(PAD.trailing_zeros() as i32);
    let block = b.bin(BinOp::Sar, j, width);
    b.store(flags, block, value);
}

/// What marks a neuron.
#[derive(Clone, Copy, PartialEq)]
enum Keeps {
    /// Anything about it changed in this step.
    Moving,
    /// It is refractory, or deviates from a shared value.
    Deviating,
}

/// Which code a neuron takes.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// Right for every neuron; may mark those that keep their block from resting or becoming calm.
    General { mark: Option<(BufId, Keeps)> },
    /// For a neuron that is known to be neither refractory nor deviating.
    Calm,
}

/// Integrates neuron `i` and lists it if it spikes.
fn one(b: &mut FuncBuilder, s: &Step<'_>, p: usize, i: Val, around: &Around, mode: Mode) {
    let Around { outer, shared, lists } = around;
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let zero = b.int(0);
    let calm = mode == Mode::Calm;
    let mut old = Emit::new(&plan.graph, s.float);
    let mut now = Emit::new(&plan.graph, s.float);
    outer.seed(&mut old, false);
    outer.seed(&mut now, true);
    let mut load = |b: &mut FuncBuilder, node: &Node| outer.leaf(b, s, p, node, i, s.times.0);
    // Shared states: the shared value, and what this neuron's deviates by.
    let mut deviations = Vec::new();
    for x in shared {
        let (mut before, mut after) = (x.old, x.new);
        if let (Some(buf), false) = (bufs.vars[x.var.index()], calm) {
            let d = b.load(buf, i);
            let k = plan.integrated.iter().position(|v| *v == x.var);
            let new = match (&plan.update, k) {
                (Some(update), Some(k)) => decayed(b, s, plan, x.var, d, update.new[k], plan.faint[x.var.index()]),
                _ => d,
            };
            before = b.add(x.old, d);
            after = b.add(x.new, new);
            deviations.push((buf, new));
        }
        if let Some(sym) = own(plan, x.var) {
            old.set(sym, before);
            now.set(sym, after);
        }
    }
    let plain = |v: &VarId| !shared.iter().any(|x| x.var == *v);
    // Load every integrated state once, before anything is stored.
    let mut olds = Vec::new();
    for v in &plan.integrated {
        let x = bufs.vars[v.index()].filter(|_| plain(v)).map(|buf| b.load(buf, i));
        olds.push(x);
        if let (Some(x), Some(sym)) = (x, own(plan, *v)) {
            old.set(sym, x);
        }
    }
    let busy = bufs.refractory.filter(|_| !calm).map(|buf| {
        let left = b.load(buf, i);
        let none = b.cast(zero, s.int);
        (buf, left, b.cmp(CmpOp::Gt, left, none))
    });
    let mut new = olds.clone();
    if let Some(update) = &plan.update {
        for (k, v) in plan.integrated.iter().enumerate() {
            if !plain(v) {
                continue;
            }
            let mut x = old.value(b, update.new[k], &mut load);
            if let (Some(held), Some((_, _, busy))) = (&update.held, busy)
                && held[k] != update.new[k]
            {
                let h = old.value(b, held[k], &mut load);
                x = b.select(busy, h, x);
            }
            if update.decaying[k] {
                x = b.un(UnOp::Flush, x);
            }
            new[k] = Some(x);
        }
        for (v, x) in plan.integrated.iter().zip(&new) {
            if let (Some(buf), Some(x)) = (bufs.vars[v.index()], x) {
                b.store(buf, i, *x);
            }
        }
    }
    for (buf, d) in &deviations {
        b.store(*buf, i, *d);
    }
    if let Some((buf, left, busy)) = busy {
        let one = b.int(1);
        let one = b.cast(one, s.int);
        let less = b.sub(left, one);
        let left = b.select(busy, less, left);
        b.store(buf, i, left);
        if let Some([list, count]) = lists.released {
            let none = b.cast(zero, s.int);
            let ends = b.cmp(CmpOp::Eq, left, none);
            let ends = b.bin(BinOp::And, busy, ends);
            b.append(ends, list, count, i);
        }
    }
    if let Mode::General { mark: Some((mark, keeps)) } = mode {
        // Bit for bit: a NaN always moves.
        let mut kept = busy.map(|(_, _, busy)| busy);
        let mut differ = |b: &mut FuncBuilder, x: Val, y: Val| {
            let same = b.cmp(CmpOp::Eq, x, y);
            let differs = b.un(UnOp::Not, same);
            kept = Some(kept.map_or(differs, |c| b.bin(BinOp::Or, c, differs)));
        };
        if keeps == Keeps::Moving {
            for (x, y) in olds.iter().zip(&new) {
                if let (Some(x), Some(y)) = (x, y) {
                    differ(b, *x, *y);
                }
            }
        } else {
            for (_, d) in &deviations {
                let none = b.float(s.float, 0.0);
                differ(b, *d, none);
            }
        }
        let one = b.int(1);
        let (one, none) = (b.cast(one, s.int), b.cast(zero, s.int));
        let flag = match kept {
            Some(c) => b.select(c, one, none),
            None => one,
        };
        b.store(mark, i, flag);
    }
    // Detection reads the new states.
    for (k, v) in plan.integrated.iter().enumerate() {
        if let (Some(x), Some(sym)) = (new[k], own(plan, *v)) {
            now.set(sym, x);
        }
    }
    let mut load = |b: &mut FuncBuilder, node: &Node| outer.leaf(b, s, p, node, i, s.times.1);
    let mut holds = |b: &mut FuncBuilder, cond: &Spiking, below: Option<BufId>| match cond {
        Spiking::Level(cond) | Spiking::Hazard(cond) => Some(now.value(b, *cond, &mut load)),
        Spiking::Crosses(x, y) => {
            let x = now.value(b, *x, &mut load);
            let y = now.value(b, *y, &mut load);
            let above = b.cmp(CmpOp::Ge, x, y);
            let under = b.cmp(CmpOp::Lt, x, y);
            below.map(|below| {
                let was = b.load(below, i);
                let none = b.cast(zero, s.int);
                let was = b.cmp(CmpOp::Ne, was, none);
                let one = b.int(1);
                let one = b.cast(one, s.int);
                let mark = b.select(under, one, none);
                b.store(below, i, mark);
                b.bin(BinOp::And, above, was)
            })
        }
        Spiking::Rate(_) | Spiking::Listed => None,
    };
    for ((event, signal), [list, count]) in plan.events.iter().zip(&bufs.signals).zip(&lists.signals) {
        if let Some(happens) = holds(b, &event.cond, signal.below) {
            b.append(happens, *list, *count, i);
        }
    }
    let fires = plan.spiking.as_ref().and_then(|cond| holds(b, cond, bufs.below));
    if let Some(mut fires) = fires {
        if let Some((_, _, busy)) = busy {
            let free = b.un(UnOp::Not, busy);
            fires = b.bin(BinOp::And, fires, free);
        }
        b.append(fires, lists.spikes[0], lists.spikes[1], i);
    }
}

/// The symbol of a state in the plan's graph, if an expression mentions it.
pub(super) fn own(plan: &PopPlan, v: VarId) -> Option<Sym> {
    plan.graph.find(&Node::Var(Side::Own, v, crate::methods::sym::Kind::Real))
}

/// The value of a variable, slot or index of neuron `i`.
pub(super) fn leaf(b: &mut FuncBuilder, s: &Step<'_>, p: usize, node: &Node, i: Val, time: Val) -> Val {
    match node {
        Node::Var(_, v, _) => variable(b, s, p, *v, i),
        Node::Slot(k) => b.load(s.layout.pops[p].derived[*k as usize], i),
        Node::Index(_) => i,
        Node::Other(pop, v) => {
            let single = s.plan.populations[pop.index()].size == 1;
            let at = if single { b.int(0) } else { i };
            variable(b, s, pop.index(), *v, at)
        }
        _ => time,
    }
}

/// The value of a variable of neuron `i`, however it is stored.
fn variable(b: &mut FuncBuilder, s: &Step<'_>, p: usize, v: VarId, i: Val) -> Val {
    let bufs = &s.layout.pops[p];
    let Some(buf) = bufs.vars[v.index()] else {
        return match s.plan.populations[p].storage[v.index()] {
            crate::sched::Storage::Constant(x) => b.float(s.float, x),
            crate::sched::Storage::Array => b.float(s.float, f64::NAN),
        };
    };
    let x = b.load(buf, i);
    if let Some(fed) = bufs.fed[v.index()] {
        let more = b.load(fed, i);
        return b.add(x, more);
    }
    match bufs.shared[v.index()] {
        None => x,
        Some(shared) => {
            let zero = b.int(0);
            let all = b.load(shared, zero);
            b.add(all, x)
        }
    }
}

/// Reacts to what was detected: spikes, then other events in order of the file, then the ends of refractory periods.
pub(super) fn react(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let outer = &stimulate::outer(b, s, p);
    spikes(b, s, p, outer);
    for (k, (event, signal)) in plan.events.iter().zip(&bufs.signals).enumerate() {
        let (list, lo, hi) = arriving(b, s, (p, Some(k as u32)), 0, None);
        b.for_loop(lo, hi, |b, at| {
            let j = b.load(list, at);
            let new = stimulate::values(b, s, p, j, &event.on, outer, true);
            stimulate::store(b, s, p, j, &new, s.done, true);
        });
        log(b, s, (signal.logging, signal.log), list, lo, hi);
        if let Some(h) = signal.history {
            remember(b, h, plan.size, list, lo, hi);
        }
    }
    if let (Some([list, count]), Some(release)) = (bufs.released, &plan.release) {
        let zero = b.int(0);
        let n = b.load(count, zero);
        b.for_loop(zero, n, |b, at| {
            let j = b.load(list, at);
            let new = stimulate::values(b, s, p, j, release, outer, true);
            stimulate::store(b, s, p, j, &new, s.done, false);
        });
    }
}

/// Counts and logs the spikes of this step, runs `on spike`, starts refractoriness, and keeps the list for delays.
fn spikes(b: &mut FuncBuilder, s: &Step<'_>, p: usize, outer: &Outer) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    if plan.spiking.is_none() {
        return;
    }
    let (list, lo, hi) = arriving(b, s, (p, None), 0, None);
    let zero = b.int(0);
    let one = b.int(1);
    if let Counts::Total(total) = bufs.counts {
        let n = b.sub(hi, lo);
        let n = b.cast(n, Scalar::I64);
        let before = b.load(total, zero);
        let all = b.add(before, n);
        b.store(total, zero, all);
    }
    b.for_loop(lo, hi, |b, k| {
        let j = b.load(list, k);
        if let Counts::Each { count, first } = bufs.counts {
            let n = b.load(count, j);
            let more = b.add(n, one);
            b.store(count, j, more);
            let is_first = b.cmp(CmpOp::Eq, n, zero);
            b.if_then(is_first, |b| {
                let at = b.add(s.run_step, one);
                b.store(first, j, at);
            });
        }
        on_spike(b, s, p, j, outer);
        wake(b, s, p, j);
        stir(b, s, p, j);
    });
    log(b, s, (bufs.logging, bufs.log), list, lo, hi);
    if let Some(h) = bufs.history {
        remember(b, h, plan.size, list, lo, hi);
    }
}

/// Logs the events of this step, if that is asked for.
fn log(b: &mut FuncBuilder, s: &Step<'_>, (logging, log): (BufId, [BufId; 3]), list: BufId, lo: Val, hi: Val) {
    let (zero, one) = (b.int(0), b.int(1));
    let on = b.load(logging, zero);
    let on = b.cmp(CmpOp::Ne, on, zero);
    b.if_then(on, |b| {
        let [count, steps, neurons] = log;
        let at = b.load(count, zero);
        let end = b.fold_loop(lo, hi, &[at], |b, k, at| {
            let j = b.load(list, k);
            b.store(steps, at[0], s.done);
            b.store(neurons, at[0], j);
            vec![b.add(at[0], one)]
        });
        b.store(count, zero, end[0]);
    });
}

/// Keeps the events of this step for delays.
fn remember(b: &mut FuncBuilder, h: super::layout::History, size: u64, list: BufId, lo: Val, hi: Val) {
    let (zero, one) = (b.int(0), b.int(1));
    let position = b.load(h.position, zero);
    let next = b.add(position, one);
    let depth = b.int(h.depth as i32);
    let slot = b.bin(BinOp::Mod, next, depth);
    b.store(h.position, zero, slot);
    let n = b.sub(hi, lo);
    b.store(h.counts, slot, n);
    let size = b.int(size as i32);
    let base = b.mul(slot, size);
    let base = b.sub(base, lo);
    b.for_loop(lo, hi, |b, k| {
        let j = b.load(list, k);
        let to = b.add(base, k);
        b.store(h.neurons, to, j);
    });
}

/// `on spike` of neuron `j`, then its refractory timer.
fn on_spike(b: &mut FuncBuilder, s: &Step<'_>, p: usize, j: Val, outer: &Outer) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let new = stimulate::values(b, s, p, j, &plan.on_spike, outer, true);
    stimulate::store(b, s, p, j, &new, s.done, false);
    if let (Some(period), Some(buf)) = (plan.refractory, bufs.refractory) {
        // Evaluated after `on spike`: from the new values.
        let mut after = Emit::new(&plan.graph, s.float);
        outer.seed(&mut after, true);
        for (v, x, _) in &new {
            for (sym, kind) in stimulate::symbols(&plan.graph, *v) {
                let to = if kind == Kind::Int { Scalar::I32 } else { s.float };
                let x = b.cast(*x, to);
                after.set(sym, x);
            }
        }
        let k = after.value(b, period, &mut |b, node| outer.leaf(b, s, p, node, j, s.times.1));
        let k = b.cast(k, s.int);
        b.store(buf, j, k);
    }
}
