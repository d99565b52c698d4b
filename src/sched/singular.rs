//! Rate functions such as `x/(exp(x) - 1)`, which are 0/0 at one voltage: there the quotient is not a number, and near it rounding grows
//! (W0706). `exprel` is the same function without the hole.

use super::warn::{Known, number};
use crate::builtins::Builtin;
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{BinaryOp, Expr, ExprKind, NeuronModel, Side, UnaryOp, VarId};

/// Looks at the equations and named parts of a model, with the constants of one population.
pub(super) fn check(neuron: &NeuronModel, known: &Known<'_>, sink: &mut Sink) {
    let all = neuron.lets.iter().map(|l| &l.value).chain(neuron.odes.iter().map(|o| &o.rhs));
    for e in all {
        walk(e, &mut |part| {
            if let ExprKind::Binary(BinaryOp::Div, top, bottom) = &part.kind
                && let Some(x) = exponent(bottom)
                && let Some((var, root)) = common_root(top, x, known)
            {
                let decl = &neuron.vars[var.index()];
                let at = format!("{} {}", number(root / decl.shown.factor), decl.shown.name);
                let d = Diagnostic::new(
                    Code::W0706,
                    part.span,
                    format!("this is 0/0 where `{}` is {}", decl.name, at.trim()),
                )
                .label("numerator and denominator vanish together")
                .note("at that value the result is not a number, and close to it most digits are lost")
                .help("`exprel(x)` is (exp(x) - 1)/x and 1 at 0: write `c / exprel(x)` for `c*x / (exp(x) - 1)`");
                // One model serves several populations.
                let told =
                    |o: &Diagnostic| o.code == Code::W0706 && o.primary.as_ref().is_some_and(|l| l.span == part.span);
                if !sink.items.iter().any(told) {
                    sink.push(d);
                }
            }
        });
    }
}

/// Calls `f` for an expression and all its parts.
fn walk<'a>(e: &'a Expr, f: &mut dyn FnMut(&'a Expr)) {
    f(e);
    match &e.kind {
        ExprKind::Unary(_, a) | ExprKind::ToReal(a) | ExprKind::Table(_, a) => walk(a, f),
        ExprKind::Binary(_, a, b) => {
            walk(a, f);
            walk(b, f);
        }
        ExprKind::If(a, b, c) => {
            walk(a, f);
            walk(b, f);
            walk(c, f);
        }
        ExprKind::Call(_, args) => args.iter().for_each(|a| walk(a, f)),
        _ => {}
    }
}

/// `x` of `exp(x) - 1`, `1 - exp(x)` or `expm1(x)`, with any sign before it.
fn exponent(e: &Expr) -> Option<&Expr> {
    let one = |e: &Expr| matches!(e.kind, ExprKind::Const(x) if x == 1.0);
    match &e.kind {
        ExprKind::Unary(UnaryOp::Neg, a) => exponent(a),
        ExprKind::Call(Builtin::Expm1, args) => args.first(),
        ExprKind::Binary(BinaryOp::Sub, a, b) => match (&a.kind, &b.kind) {
            (ExprKind::Call(Builtin::Exp, args), _) if one(b) => args.first(),
            (_, ExprKind::Call(Builtin::Exp, args)) if one(a) => args.first(),
            _ => None,
        },
        _ => None,
    }
}

/// The variable and its value at which both expressions vanish, if both are straight lines of it.
fn common_root(top: &Expr, x: &Expr, known: &Known<'_>) -> Option<(VarId, f64)> {
    let mut vars: Vec<VarId> = Vec::new();
    walk(x, &mut |e| {
        if let ExprKind::Var(Side::Own, v) = e.kind
            && !vars.contains(&v)
        {
            vars.push(v);
        }
    });
    vars.into_iter().find_map(|v| {
        let line = |e: &Expr| {
            known.lower(|mut low| {
                let s = low.expr(e)?;
                let own = low.graph.own(v);
                let (a, b) = low.graph.linear(s, own)?;
                Some((low.graph.as_const(a)?, low.graph.as_const(b)?))
            })
        };
        let (a, b) = line(x)?;
        let (c, d) = line(top)?;
        // A root at zero has no sign.
        let root = 0.0 - b / a;
        let zero = (c * root + d).abs() <= 1e-9 * (c * root).abs().max(d.abs());
        (a != 0.0 && c != 0.0 && root.is_finite() && zero).then_some((v, root))
    })
}
