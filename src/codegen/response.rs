//! Deliveries through a kernel: an amount e delivered in step n adds e*K(k*dt) to the target input in step n + k, k = 1, 2, …

use super::Step;
use super::layout::{Going, Response};
use super::projection::{deliver, post_pop};
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, CmpOp, Val};

/// Adds an amount to what neuron `j` is delivered in this step.
pub(super) fn receive(b: &mut FuncBuilder, r: Response, j: Val, amount: Val) {
    let x = b.load(r.amounts, j);
    let sum = b.add(x, amount);
    b.store(r.amounts, j, sum);
}

/// Spreads what was delivered in this step over the steps to come, and feeds the next step's share to the input.
pub(super) fn act(b: &mut FuncBuilder, s: &Step<'_>, p: usize) {
    let Some(r) = s.layout.projs[p].response else { return };
    if let Some(going) = r.going {
        carry_on(b, s, p, r, going);
        return;
    }
    let zero = b.int(0);
    let one = b.int(1);
    let n = b.int(s.plan.populations[post_pop(s, p)].size as i32);
    let stride = b.int(s.layout.projs[p].stride as i32);
    let steps = b.int(r.steps as i32);
    let nothing = b.float(s.float, 0.0);
    let position = b.load(r.position, zero);
    let pending = b.load(r.pending, zero);
    let some = b.cmp(CmpOp::Ne, pending, zero);
    b.if_then(some, |b| {
        b.store(r.pending, zero, zero);
        b.for_loop(zero, n, |b, j| {
            let amount = b.load(r.amounts, j);
            let any = b.cmp(CmpOp::Ne, amount, nothing);
            b.if_then(any, |b| {
                b.store(r.amounts, j, nothing);
                b.for_loop(zero, steps, |b, k| {
                    let slot = b.add(position, k);
                    let slot = b.bin(BinOp::Mod, slot, steps);
                    let base = b.mul(slot, stride);
                    let at = b.add(base, j);
                    let value = b.load(r.table, k);
                    let x = b.load(r.sums, at);
                    let sum = b.fma(value, amount, x);
                    b.store(r.sums, at, sum);
                });
            });
        });
    });
    let base = b.mul(position, stride);
    b.for_loop(zero, n, |b, j| {
        let at = b.add(base, j);
        let x = b.load(r.sums, at);
        b.store(r.sums, at, nothing);
        deliver(b, s, p, r.target, j, x);
    });
    let next = b.add(position, one);
    let next = b.bin(BinOp::Mod, next, steps);
    b.store(r.position, zero, next);
}

/// The next value of a response that carries itself on. Nothing is done while nothing was delivered for longer than it lasts.
fn carry_on(b: &mut FuncBuilder, s: &Step<'_>, p: usize, r: Response, going: Going) {
    let zero = b.int(0);
    let one = b.int(1);
    let n = b.int(s.plan.populations[post_pop(s, p)].size as i32);
    let nothing = b.float(s.float, 0.0);
    let pending = b.load(r.pending, zero);
    let some = b.cmp(CmpOp::Ne, pending, zero);
    b.if_then(some, |b| {
        b.store(r.pending, zero, zero);
        let whole = b.int(r.steps as i32 + 2);
        b.store(going.left, zero, whole);
    });
    let left = b.load(going.left, zero);
    let on = b.cmp(CmpOp::Gt, left, zero);
    b.if_then(on, |b| {
        let still = b.sub(left, one);
        b.store(going.left, zero, still);
        let c = going.recursion;
        let [factor, inner, first, second, last, after] =
            [c.factor, c.inner, c.first, c.second, -c.last, -c.after].map(|x| b.float(s.float, x));
        let position = b.load(r.position, zero);
        let stride = b.int(s.layout.projs[p].stride as i32);
        let base = b.mul(position, stride);
        b.vector_loop(zero, n, |b, j| {
            let amount = b.load(r.amounts, j);
            b.store(r.amounts, j, nothing);
            let at = b.add(base, j);
            let late = b.load(r.sums, at);
            b.store(r.sums, at, amount);
            let u = match going.rest {
                Some(rest) => {
                    let x = b.load(rest, j);
                    let u = b.fma(first, amount, x);
                    b.fma(last, late, u)
                }
                None => {
                    let x = b.mul(first, amount);
                    b.fma(last, late, x)
                }
            };
            if let Some(rest) = going.rest {
                let x = b.mul(second, amount);
                let x = b.fma(after, late, x);
                let x = b.fma(inner, u, x);
                b.store(rest, j, x);
            }
            let x = b.load(going.value, j);
            let x = b.fma(factor, x, u);
            b.store(going.value, j, x);
            deliver(b, s, p, r.target, j, x);
        });
        let steps = b.int(r.steps as i32);
        let next = b.add(position, one);
        let next = b.bin(BinOp::Mod, next, steps);
        b.store(r.position, zero, next);
        // What is left then is rounding.
        let over = b.cmp(CmpOp::Eq, still, zero);
        b.if_then(over, |b| {
            b.vector_loop(zero, n, |b, j| {
                b.store(going.value, j, nothing);
                if let Some(rest) = going.rest {
                    b.store(rest, j, nothing);
                }
            });
        });
    });
}
