//! Walking over expressions.

use crate::script::ir::{Expr, ExprKind, IndexItem, Neurons, Select};

/// Whether the test holds for the expression or any part of it.
pub(crate) fn any(e: &Expr, test: &mut dyn FnMut(&Expr) -> bool) -> bool {
    if test(e) {
        return true;
    }
    let mut found = false;
    children(e, &mut |c| found = found || any(c, test));
    found
}

/// Calls `f` on each direct part, in the order of evaluation.
pub fn children(e: &Expr, f: &mut dyn FnMut(&Expr)) {
    match &e.kind {
        ExprKind::Const(_)
        | ExprKind::Bool(_)
        | ExprKind::Str(_)
        | ExprKind::Table(_)
        | ExprKind::Local(_)
        | ExprKind::Time
        | ExprKind::Field { .. }
        | ExprKind::Accuracy(_)
        | ExprKind::Zeros
        | ExprKind::Error => {}
        ExprKind::Var(place) => select(&place.select, f),
        ExprKind::Count(n) | ExprKind::First(n) => neurons(n, f),
        ExprKind::Unary(_, a) | ExprKind::ToReal(a) | ExprKind::ToInt(a) | ExprKind::Reshape(a) => f(a),
        ExprKind::Broadcast { value, .. } | ExprKind::Reduce { value, .. } => f(value),
        ExprKind::Binary(_, a, b) | ExprKind::OneOf { value: a, list: b } => {
            f(a);
            f(b);
        }
        ExprKind::Between { value, lo, hi, .. } => {
            f(value);
            lo.iter().chain(hi).for_each(|e| f(e));
        }
        ExprKind::If(a, b, c) | ExprKind::Select(a, b, c) => {
            f(a);
            f(b);
            f(c);
        }
        ExprKind::Builtin(_, args)
        | ExprKind::Draw { args, .. }
        | ExprKind::List(args)
        | ExprKind::Call { args, .. } => args.iter().for_each(f),
        ExprKind::Metric { of, from, to, .. } => {
            neurons(of, f);
            from.iter().chain(to).for_each(|e| f(e));
        }
        ExprKind::Index { base, items } => {
            f(base);
            for item in items {
                if let IndexItem::At(e) = item {
                    f(e);
                }
            }
        }
    }
}

/// Calls `f` on the indices in a selection.
pub fn select(s: &Select, f: &mut dyn FnMut(&Expr)) {
    match s {
        Select::Neurons(n) => neurons(n, f),
        Select::AllSynapses => {}
        Select::Synapse(a) | Select::Row(a) | Select::Column(a) => f(a),
        Select::Pair(a, b) => {
            f(a);
            f(b);
        }
    }
}

fn neurons(n: &Neurons, f: &mut dyn FnMut(&Expr)) {
    n.at.iter().for_each(f);
}
