//! Walking over expressions.

use crate::hir::DataId;
use crate::script::ir::{Expr, ExprKind, IndexItem, Neurons, Program, Select, Split, Stmt, StmtKind};

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
        ExprKind::Builtin(_, args) | ExprKind::List(args) | ExprKind::Zeros(args) | ExprKind::Call { args, .. } => {
            args.iter().for_each(f)
        }
        ExprKind::Draw { args, within, .. } => {
            args.iter().for_each(&mut *f);
            if let Some(ends) = within {
                f(&ends.0);
                f(&ends.1);
            }
        }
        ExprKind::Timed { list: a, step: b } | ExprKind::With { value: a, body: b, .. } => {
            f(a);
            f(b);
        }
        ExprKind::Metric { of, from, to, bin, .. } => {
            neurons(of, f);
            from.iter().chain(to).chain(bin).for_each(|e| f(e));
        }
        ExprKind::Index { base, items } => {
            f(base);
            items.iter().flat_map(IndexItem::ends).for_each(f);
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
        Select::Block(items) => items.iter().flat_map(IndexItem::ends).for_each(f),
        Select::Part(a, b) => a.iter().chain(b).for_each(|e| f(e)),
    }
}

fn neurons(n: &Neurons, f: &mut dyn FnMut(&Expr)) {
    n.at.iter().flat_map(IndexItem::ends).for_each(f);
}

/// Whether a test holds for some statement of a block or of the blocks in it.
pub fn any_stmt(stmts: &[Stmt], test: &mut dyn FnMut(&Stmt) -> bool) -> bool {
    stmts.iter().any(|s| {
        test(s)
            || match &s.kind {
                StmtKind::If { then, els, .. } => any_stmt(then, test) || any_stmt(els, test),
                StmtKind::ForRange { body, .. }
                | StmtKind::ForEach { body, .. }
                | StmtKind::While { body, .. }
                | StmtKind::Repeat { body, .. } => any_stmt(body, test),
                StmtKind::ForSamples(l) => any_stmt(&l.body, test),
                _ => false,
            }
    })
}

/// Whether some protocol thaws a variable.
#[must_use]
pub fn thaws(program: &Program) -> bool {
    any_of(program, &mut |s| matches!(s.kind, StmtKind::Thaw(_)))
}

/// Whether some protocol draws initial values anew.
#[must_use]
pub fn redraws(program: &Program) -> bool {
    any_of(program, &mut |s| matches!(s.kind, StmtKind::Redraw(_)))
}

/// The data that the loops of some experiments and of procedures run over, each split once.
#[must_use]
pub fn data_read(program: &Program, only: &[String]) -> Vec<(DataId, Split)> {
    let mut out = Vec::new();
    let wanted = program.experiments.iter().filter(|e| only.is_empty() || only.contains(&e.name)).map(|e| &e.body);
    for body in wanted.chain(program.procedures.iter().map(|p| &p.body)) {
        any_stmt(&body.stmts, &mut |s| {
            if let StmtKind::ForSamples(l) = &s.kind
                && !out.contains(&l.samples.source())
            {
                out.push(l.samples.source());
            }
            false
        });
    }
    out
}

/// Whether a test holds for some statement of a program.
pub fn any_of(program: &Program, test: &mut dyn FnMut(&Stmt) -> bool) -> bool {
    let bodies = program
        .experiments
        .iter()
        .map(|e| &e.body)
        .chain(program.tests.iter().map(|t| &t.body))
        .chain(program.procedures.iter().map(|p| &p.body));
    bodies.into_iter().any(|b| any_stmt(&b.stmts, test))
}
