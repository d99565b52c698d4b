//! Expressions at many elements at once: operation by operation over arrays, with the functions of [`super::eval`] and therefore its bits.

use super::eval::{Draws, TRIES, draw};
use crate::builtins::Dist;
use crate::hir::{Expr, ExprKind, LetDecl, Side, UnaryOp, VarId};
use crate::methods::sym::apply;
use crate::rng::Stream;
use crate::sched::lower::bin;

/// Elements that are dealt with together: their arrays stay in the first-level cache.
const TILE: usize = 512;

/// Consecutive elements, and what an expression may refer to there.
pub(super) struct Elements<'a> {
    /// The first element.
    pub(super) from: u64,
    /// Where draws come from.
    pub(super) stream: Stream,
    /// The model's `let`s.
    pub(super) lets: &'a [LetDecl],
    /// The time step in ms.
    pub(super) dt: f64,
    /// Any expression at one element.
    pub(super) one: &'a dyn Fn(&Expr, u64) -> f64,
    /// The values of an own variable.
    pub(super) own: &'a dyn Fn(VarId, &mut [f64]),
    /// Sizes of populations.
    pub(super) size: &'a dyn Fn(Side) -> f64,
}

/// The values of `e` at the elements from `x.from` on, as many as `out` has.
pub(super) fn eval(e: &Expr, x: &Elements<'_>, out: &mut [f64]) {
    if let ExprKind::Var(Side::Own, v) = &e.kind {
        (x.own)(*v, out);
        return;
    }
    // Own variables are looked up from the first element of all on.
    if e.any(x.lets, &|e| matches!(e.kind, ExprKind::Var(Side::Own, _))) {
        tile(e, x, x.from, out);
        return;
    }
    for (from, out) in (x.from..).step_by(TILE).zip(out.chunks_mut(TILE)) {
        tile(e, x, from, out);
    }
}

/// The values at the elements from `from` on.
fn tile(e: &Expr, x: &Elements<'_>, from: u64, out: &mut [f64]) {
    match &e.kind {
        ExprKind::Const(c) => out.fill(*c),
        ExprKind::Bool(b) => out.fill(f64::from(*b)),
        ExprKind::Dt => out.fill(x.dt),
        ExprKind::Size(side) => out.fill((x.size)(*side)),
        ExprKind::Var(Side::Own, v) if from == x.from => (x.own)(*v, out),
        ExprKind::Let(id) => match x.lets.get(id.index()) {
            Some(l) => tile(&l.value, x, from, out),
            None => out.fill(f64::NAN),
        },
        ExprKind::ToReal(a) => tile(a, x, from, out),
        ExprKind::Unary(UnaryOp::Neg, a) => {
            tile(a, x, from, out);
            out.iter_mut().for_each(|y| *y = -*y);
        }
        ExprKind::Binary(op, a, b) => {
            tile(a, x, from, out);
            let mut right = vec![0.0; out.len()];
            tile(b, x, from, &mut right);
            let op = bin(*op);
            for (y, b) in out.iter_mut().zip(right) {
                *y = apply(op, *y, b);
            }
        }
        ExprKind::Call(f, args) if args.len() <= 4 => {
            let columns = columns(args, x, from, out.len());
            for (k, y) in out.iter_mut().enumerate() {
                *y = f.eval(&columns.each_ref().map(|c| c.get(k).copied().unwrap_or(0.0))[..args.len()]);
            }
        }
        ExprKind::Draw { dist, args, site, truncated } if args.len() <= 4 => {
            let columns = columns(args, x, from, out.len());
            let at = |k: usize| columns.each_ref().map(|c| c.get(k).copied().unwrap_or(0.0));
            let stream = if *site == 0 { x.stream } else { x.stream.sub(u64::from(*site)) };
            match (dist, truncated) {
                (Dist::Uniform, false) => {
                    stream.uniform_each(from, out);
                    for (k, y) in out.iter_mut().enumerate() {
                        let [a, b, ..] = at(k);
                        *y = (b - a).mul_add(*y, a);
                    }
                }
                (Dist::Normal, _) => {
                    stream.normal_each(from, out);
                    for (k, y) in out.iter_mut().enumerate() {
                        let [a, b, ..] = at(k);
                        *y = b.mul_add(*y, a);
                    }
                }
                _ => {
                    for (k, y) in out.iter_mut().enumerate() {
                        let d = Draws { stream: x.stream, element: from + k as u64, attempt: 0 };
                        *y = draw(*dist, &at(k), *site, d);
                    }
                }
            }
            if *truncated {
                let last = args.len().clamp(2, 4);
                for (k, y) in out.iter_mut().enumerate() {
                    let values = at(k);
                    let inside = |x: f64| x >= values[last - 2] && x <= values[last - 1];
                    if !inside(*y) {
                        let d = |attempt| Draws { stream: x.stream, element: from + k as u64, attempt };
                        let mut tries = (1..TRIES).map(|t| draw(*dist, &values, *site, d(t)));
                        *y = tries.find(|x| inside(*x)).unwrap_or(f64::NAN);
                    }
                }
            }
        }
        _ => {
            for (k, y) in (from..).zip(out) {
                *y = (x.one)(e, k);
            }
        }
    }
}

/// The values of up to four arguments; the missing ones are empty.
fn columns(args: &[Expr], x: &Elements<'_>, from: u64, len: usize) -> [Vec<f64>; 4] {
    let mut out: [Vec<f64>; 4] = Default::default();
    for (column, a) in out.iter_mut().zip(args) {
        column.resize(len, 0.0);
        tile(a, x, from, column);
    }
    out
}
