//! Passing over steps in which nothing happens: see `sched/leap.rs`. Two functions beside `run`: one counts the neurons that are not still
//! yet, the other brings all states of a still network forward by any number of steps.
//!
//! A neuron is still if it is not refractory, if its fading states no longer change how its other states go on (beyond rounding), and if it
//! would spike neither now nor at rest.

use super::expr::Emit;
use super::population::{leaf, own};
use super::{Layout, Step, late};
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, CmpOp, Function, Scalar, UnOp, Val};
use crate::sched::leap::Leap;
use crate::sched::{Plan, PopPlan, Spiking};

/// The functions `unready()` and `leap(steps)`; none if the network does not leap.
pub(super) fn functions(plan: &Plan, layout: &Layout) -> Vec<Function> {
    if !plan.leaps() {
        return Vec::new();
    }
    let scalars: Vec<Scalar> = layout.buffers.iter().map(|b| b.scalar).collect();
    let mut unready = FuncBuilder::new("unready", 0, scalars.clone());
    if let Some(total) = layout.unready {
        let zero = unready.int(0);
        unready.store(total, zero, zero);
    }
    each(&mut unready, plan, layout, |b, s, p, leap| count(b, s, p, leap, layout));
    let mut forward = FuncBuilder::new("leap", 1, scalars);
    let steps = forward.param(0);
    each(&mut forward, plan, layout, |b, s, p, leap| advance(b, s, p, leap, steps));
    vec![unready.finish(), forward.finish()]
}

fn each(
    b: &mut FuncBuilder,
    plan: &Plan,
    layout: &Layout,
    mut body: impl FnMut(&mut FuncBuilder, &Step<'_>, usize, &Leap),
) {
    let zero = b.int(0);
    let float = layout.float;
    let int = if float == Scalar::F32 { Scalar::I32 } else { Scalar::I64 };
    // No step is under way: nothing that leaps knows the time.
    let never = b.float(float, f64::NAN);
    let s = Step {
        plan,
        layout,
        float,
        int,
        step: zero,
        done: zero,
        run_step: zero,
        times: (never, never),
        late: late::Late::default(),
    };
    for (p, pop) in plan.populations.iter().enumerate() {
        if let (Some(leap), true) = (&pop.leap, pop.update.is_some()) {
            body(b, &s, p, leap);
        }
    }
}

/// Adds the number of neurons that are not still.
fn count(b: &mut FuncBuilder, s: &Step<'_>, p: usize, leap: &Leap, layout: &Layout) {
    let plan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let (Some(marks), Some(total)) = (bufs.unready, layout.unready) else { return };
    let zero = b.int(0);
    let n = b.int(plan.size as i32);
    // Two units in the last place: the two ways of writing the same step may round differently.
    let rounding = if s.float == Scalar::F32 { 2f64.powi(-22) } else { 2f64.powi(-51) };
    let shared: Vec<Option<Val>> =
        leap.fades.iter().map(|(v, _)| bufs.shared[v.index()].map(|buf| b.load(buf, zero))).collect();
    b.vector_loop(zero, n, |b, i| {
        let mut now = Emit::new(&plan.graph, s.float);
        for ((v, _), shared) in leap.fades.iter().zip(&shared) {
            let (Some(buf), Some(sym)) = (bufs.vars[v.index()], own(plan, *v)) else { continue };
            let x = b.load(buf, i);
            let x = shared.map_or(x, |all| b.add(all, x));
            now.set(sym, x);
        }
        let mut still = None;
        let mut also = |b: &mut FuncBuilder, x: Val| {
            still = Some(still.map_or(x, |s| b.bin(BinOp::And, s, x)));
        };
        let mut load = |b: &mut FuncBuilder, n: &crate::methods::sym::Node| leaf(b, s, p, n, i, s.times.0);
        if let Some(update) = &plan.update {
            for r in &leap.relaxes {
                let full = now.value(b, update.new[r.k], &mut load);
                let alone = now.value(b, r.alone, &mut load);
                let d = b.sub(full, alone);
                let d = b.un(UnOp::Abs, d);
                let size = b.un(UnOp::Abs, alone);
                let unit = b.float(s.float, rounding);
                let least = b.mul(size, unit);
                let same = b.cmp(CmpOp::Le, d, least);
                also(b, same);
            }
        }
        if let Some(Spiking::Level(cond)) = plan.spiking {
            let here = now.value(b, cond, &mut load);
            let mut rest = Emit::new(&plan.graph, s.float);
            for r in &leap.relaxes {
                if let Some(sym) = own(plan, r.var) {
                    let x = b.float(s.float, r.rest);
                    rest.set(sym, x);
                }
            }
            let there = rest.value(b, cond, &mut load);
            let spikes = b.bin(BinOp::Or, here, there);
            let silent = b.un(UnOp::Not, spikes);
            also(b, silent);
        }
        if let Some(buf) = bufs.refractory {
            let left = b.load(buf, i);
            let none = b.cast(zero, s.int);
            let free = b.cmp(CmpOp::Eq, left, none);
            also(b, free);
        }
        let one = b.int(1);
        let (one, none) = (b.cast(one, s.int), b.cast(zero, s.int));
        let mark = still.map_or(none, |still| b.select(still, none, one));
        b.store(marks, i, mark);
    });
    let sum = b.fold_loop(zero, n, &[zero], |b, i, sum| {
        let m = b.load(marks, i);
        let m = b.cast(m, Scalar::I32);
        vec![b.add(sum[0], m)]
    });
    let all = b.load(total, zero);
    let all = b.add(all, sum[0]);
    b.store(total, zero, all);
}

/// Brings the states of a still population forward.
fn advance(b: &mut FuncBuilder, s: &Step<'_>, p: usize, leap: &Leap, steps: Val) {
    let plan: &PopPlan = &s.plan.populations[p];
    let bufs = &s.layout.pops[p];
    let zero = b.int(0);
    let n = b.int(plan.size as i32);
    let count = b.cast(steps, Scalar::F64);
    let power = |b: &mut FuncBuilder, factor: f64| {
        let rate = b.float(Scalar::F64, factor.ln());
        let z = b.mul(rate, count);
        let x = b.un(UnOp::Exp, z);
        b.cast(x, s.float)
    };
    for (v, factor) in &leap.fades {
        let factor = power(b, *factor);
        if let Some(buf) = bufs.shared[v.index()] {
            let x = b.load(buf, zero);
            let x = b.mul(x, factor);
            let x = b.un(UnOp::Flush, x);
            b.store(buf, zero, x);
        }
        if let Some(buf) = bufs.vars[v.index()] {
            b.vector_loop(zero, n, |b, i| {
                let x = b.load(buf, i);
                let x = b.mul(x, factor);
                let x = b.un(UnOp::Flush, x);
                b.store(buf, i, x);
            });
        }
    }
    for r in &leap.relaxes {
        let factor = power(b, r.factor);
        if let Some(buf) = bufs.vars[r.var.index()] {
            b.vector_loop(zero, n, |b, i| {
                let rest = b.float(s.float, r.rest);
                let x = b.load(buf, i);
                let d = b.sub(x, rest);
                let x = b.fma(d, factor, rest);
                b.store(buf, i, x);
            });
        }
    }
}
