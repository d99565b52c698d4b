//! One population in one step: slow states, integration and detection, reactions.

use super::expr::Emit;
use super::{Step, arriving};
use crate::hir::{Side, VarId};
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, BufId, CmpOp, PAD, Scalar, UnOp, Val};
use crate::methods::sym::{Node, Sym};
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
fn decay(b: &mut FuncBuilder, s: &Step<'_>, w: &Slow, gap: Val) -> Val {
    let rate = b.float(Scalar::F64, w.a * s.plan.dt);
    let gap = b.cast(gap, Scalar::F64);
    let z = b.mul(rate, gap);
    b.un(UnOp::Exp, z)
}

/// The state after its deviation from the rest value has shrunk by `factor`.
fn relax(b: &mut FuncBuilder, w: &Slow, x: Val, factor: Val) -> Val {
    if w.b == 0.0 {
        return b.mul(x, factor);
    }
    let rest = b.float(Scalar::F64, -w.b / w.a);
    let d = b.sub(x, rest);
    b.fma(d, factor, rest)
}

/// Integrates all neurons and lists those that spike.
pub(super) fn integrate(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let zero = b.int(0);
    let detects = matches!(plan.spiking, Some(Spiking::Level(_) | Spiking::Crosses(..)));
    if bufs.events.is_none() {
        b.store(bufs.spike_count, zero, zero);
    }
    if plan.update.is_none() && !detects && bufs.refractory.is_none() {
        return;
    }
    let n = b.int(plan.size as i32);
    let Some([rest, moved]) = bufs.rest.filter(|_| plan.rests) else {
        b.vector_loop(zero, n, |b, i| one(b, s, p, i, None));
        return;
    };
    // Every 32 steps, blocks in which nothing moved are put to rest.
    let blocks = b.int(plan.size.div_ceil(PAD) as i32);
    let mask = b.int(31);
    let phase = b.bin(BinOp::And, s.run_step, mask);
    let looks = b.cmp(CmpOp::Eq, phase, mask);
    b.for_loop(zero, blocks, |b, block| {
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
                    b.vector_loop(from, to, |b, i| one(b, s, p, i, Some(moved)));
                    let sum = b.fold_loop(from, to, &[zero], |b, i, sum| {
                        let m = b.load(moved, i);
                        let m = b.cast(m, Scalar::I32);
                        vec![b.add(sum[0], m)]
                    });
                    let still = b.cmp(CmpOp::Eq, sum[0], zero);
                    let one = b.int(1);
                    let mark = b.select(still, one, zero);
                    b.store(rest, block, mark);
                    Vec::new()
                },
                |b| {
                    b.vector_loop(from, to, |b, i| one(b, s, p, i, None));
                    Vec::new()
                },
            );
        });
    });
}

/// Something reaches neuron `j`: its block is awake.
pub(super) fn wake(b: &mut FuncBuilder, s: &Step<'_>, p: usize, j: Val) {
    if let Some([rest, _]) = s.layout.pops[p].rest {
        let width = b.int(PAD.trailing_zeros() as i32);
        let block = b.bin(BinOp::Sar, j, width);
        let zero = b.int(0);
        b.store(rest, block, zero);
    }
}

/// Integrates neuron `i` and lists it if it spikes; marks in `moved` whether anything about it changed.
fn one(b: &mut FuncBuilder, s: &Step<'_>, p: usize, i: Val, moved: Option<BufId>) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let zero = b.int(0);
    {
        let mut old = Emit::new(&plan.graph, s.float);
        let mut load = |b: &mut FuncBuilder, node: &Node| leaf(b, s, p, node, i, s.times.0);
        // Load every integrated state once, before anything is stored.
        let mut olds = Vec::new();
        for v in &plan.integrated {
            let buf = bufs.vars[v.index()];
            let x = buf.map(|buf| b.load(buf, i));
            olds.push(x);
            if let (Some(x), Some(sym)) = (x, own(plan, *v)) {
                old.set(sym, x);
            }
        }
        let busy = bufs.refractory.map(|buf| {
            let left = b.load(buf, i);
            let none = b.cast(zero, s.int);
            (buf, left, b.cmp(CmpOp::Gt, left, none))
        });
        let mut new = olds.clone();
        if let Some(update) = &plan.update {
            for k in 0..plan.integrated.len() {
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
        if let Some((buf, left, busy)) = busy {
            let one = b.int(1);
            let one = b.cast(one, s.int);
            let less = b.sub(left, one);
            let left = b.select(busy, less, left);
            b.store(buf, i, left);
        }
        if let Some(mark) = moved {
            // Bit for bit: a NaN always moves.
            let mut changed = busy.map(|(_, _, busy)| busy);
            for (x, y) in olds.iter().zip(&new) {
                if let (Some(x), Some(y)) = (x, y) {
                    let same = b.cmp(CmpOp::Eq, *x, *y);
                    let differs = b.un(UnOp::Not, same);
                    changed = Some(changed.map_or(differs, |c| b.bin(BinOp::Or, c, differs)));
                }
            }
            let one = b.int(1);
            let (one, none) = (b.cast(one, s.int), b.cast(zero, s.int));
            let flag = match changed {
                Some(c) => b.select(c, one, none),
                None => one,
            };
            b.store(mark, i, flag);
        }
        // Detection reads the new states.
        let mut now = Emit::new(&plan.graph, s.float);
        for (k, v) in plan.integrated.iter().enumerate() {
            if let (Some(x), Some(sym)) = (new[k], own(plan, *v)) {
                now.set(sym, x);
            }
        }
        let mut load = |b: &mut FuncBuilder, node: &Node| leaf(b, s, p, node, i, s.times.1);
        let fires = match &plan.spiking {
            Some(Spiking::Level(cond)) => Some(now.value(b, *cond, &mut load)),
            Some(Spiking::Crosses(x, y)) => {
                let x = now.value(b, *x, &mut load);
                let y = now.value(b, *y, &mut load);
                let above = b.cmp(CmpOp::Ge, x, y);
                let under = b.cmp(CmpOp::Lt, x, y);
                bufs.below.map(|below| {
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
            Some(Spiking::Rate(_)) | None => None,
        };
        if let Some(mut fires) = fires {
            if let Some((_, _, busy)) = busy {
                let free = b.un(UnOp::Not, busy);
                fires = b.bin(BinOp::And, fires, free);
            }
            b.append(fires, bufs.spikes, bufs.spike_count, i);
        }
    }
}

/// The symbol of a state in the plan's graph, if an expression mentions it.
fn own(plan: &PopPlan, v: VarId) -> Option<Sym> {
    plan.graph.find(&Node::Var(Side::Own, v, crate::methods::sym::Kind::Real))
}

/// The value of a variable, slot or index of neuron `i`.
pub(super) fn leaf(b: &mut FuncBuilder, s: &Step<'_>, p: usize, node: &Node, i: Val, time: Val) -> Val {
    let bufs = &s.layout.pops[p];
    match node {
        Node::Var(_, v, _) => match bufs.vars[v.index()] {
            Some(buf) => {
                let x = b.load(buf, i);
                match bufs.fed[v.index()] {
                    None => x,
                    Some(fed) => {
                        let more = b.load(fed, i);
                        b.add(x, more)
                    }
                }
            }
            None => match s.plan.populations[p].storage[v.index()] {
                crate::sched::Storage::Constant(x) => b.float(s.float, x),
                crate::sched::Storage::Array => b.float(s.float, f64::NAN),
            },
        },
        Node::Slot(k) => b.load(bufs.derived[*k as usize], i),
        Node::Index(_) => i,
        _ => time,
    }
}

/// Counts and logs the spikes of this step, runs `on spike`, starts refractoriness, and keeps the list for delays.
pub(super) fn react(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    if plan.spiking.is_none() {
        return;
    }
    let (list, lo, hi) = arriving(b, s, p, 0, None);
    let zero = b.int(0);
    let one = b.int(1);
    b.for_loop(lo, hi, |b, k| {
        let j = b.load(list, k);
        let n = b.load(bufs.count, j);
        let more = b.add(n, one);
        b.store(bufs.count, j, more);
        let is_first = b.cmp(CmpOp::Eq, n, zero);
        b.if_then(is_first, |b| {
            let at = b.add(s.run_step, one);
            b.store(bufs.first, j, at);
        });
        on_spike(b, s, p, j);
        wake(b, s, p, j);
    });
    let on = b.load(bufs.logging, zero);
    let on = b.cmp(CmpOp::Ne, on, zero);
    b.if_then(on, |b| {
        let [count, steps, neurons] = bufs.log;
        let at = b.load(count, zero);
        let end = b.fold_loop(lo, hi, &[at], |b, k, at| {
            let j = b.load(list, k);
            b.store(steps, at[0], s.done);
            b.store(neurons, at[0], j);
            vec![b.add(at[0], one)]
        });
        b.store(count, zero, end[0]);
    });
    if let Some(h) = bufs.history {
        let position = b.load(h.position, zero);
        let next = b.add(position, one);
        let depth = b.int(h.depth as i32);
        let slot = b.bin(BinOp::Mod, next, depth);
        b.store(h.position, zero, slot);
        let n = b.sub(hi, lo);
        b.store(h.counts, slot, n);
        let size = b.int(plan.size as i32);
        let base = b.mul(slot, size);
        let base = b.sub(base, lo);
        b.for_loop(lo, hi, |b, k| {
            let j = b.load(list, k);
            let to = b.add(base, k);
            b.store(h.neurons, to, j);
        });
    }
}

/// `on spike` of neuron `j`, then its refractory timer.
fn on_spike(b: &mut FuncBuilder, s: &Step<'_>, p: usize, j: Val) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let mut emit = Emit::new(&plan.graph, s.float);
    let mut load = |b: &mut FuncBuilder, node: &Node| leaf(b, s, p, node, j, s.times.1);
    // Slow states are brought up to date in 64 bits first; what reads them sees the working copy of that value.
    let mut wide = Emit::new(&plan.graph, Scalar::F64);
    for w in plan.slow.iter().filter(|w| !w.frozen) {
        if !plan.on_spike.assigns.iter().any(|(v, _)| *v == w.var) {
            continue;
        }
        if let (Some((master, last)), Some(sym)) = (bufs.slow[w.var.index()], own(plan, w.var)) {
            let since = b.load(last, j);
            let gap = b.sub(s.done, since);
            let factor = decay(b, s, w, gap);
            let x = b.load(master, j);
            let x = relax(b, w, x, factor);
            wide.set(sym, x);
            let x = b.cast(x, s.float);
            emit.set(sym, x);
        }
    }
    let mut new = Vec::new();
    for (v, value) in &plan.on_spike.assigns {
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
    for (v, x, slow) in &new {
        if let (true, Some((master, last))) = (*slow, bufs.slow[v.index()]) {
            b.store(master, j, *x);
            b.store(last, j, s.done);
        }
        if let Some(buf) = bufs.vars[v.index()] {
            let x = b.cast(*x, s.float);
            b.store(buf, j, x);
        }
    }
    if let (Some(period), Some(buf)) = (plan.refractory, bufs.refractory) {
        // Evaluated after `on spike`: from the new values.
        let mut after = Emit::new(&plan.graph, s.float);
        for (v, x, _) in &new {
            if let Some(sym) = own(plan, *v) {
                let x = b.cast(*x, s.float);
                after.set(sym, x);
            }
        }
        let k = after.value(b, period, &mut load);
        let k = b.cast(k, s.int);
        b.store(buf, j, k);
    }
}
