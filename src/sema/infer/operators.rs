//! Operators: what they take and give, and the units of their operands; and values of a required type.

use std::fmt::Display;

use super::{Names, Typed, Typer, as_dim, plain, real, strip};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, BinaryOp, ExprKind, Type, UnaryOp};
use crate::sema::mismatch;
use crate::sema::mismatch::Said;
use crate::source::Span;
use crate::syntax::ast;
use crate::units::{Dim, Ratio};

impl Typer<'_> {
    pub(super) fn unary(
        &mut self,
        op: ast::UnaryOp,
        operand: &ast::Expr,
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Typed> {
        let a = self.expr(operand, names)?;
        match op {
            ast::UnaryOp::Not => {
                let a = self.truth(a)?;
                Some(plain(ExprKind::Unary(UnaryOp::Not, Box::new(a)), Type::Bool, span))
            }
            ast::UnaryOp::Plus | ast::UnaryOp::Neg => {
                if a.expr.ty == Type::Bool {
                    self.error(Diagnostic::new(Code::E0205, span, "a truth value has no sign"));
                    return None;
                }
                if op == ast::UnaryOp::Plus {
                    return Some(a);
                }
                let ty = a.expr.ty;
                let kind = match a.expr.kind {
                    ExprKind::Const(x) => ExprKind::Const(-x),
                    _ => ExprKind::Unary(UnaryOp::Neg, Box::new(a.expr)),
                };
                Some(Typed { expr: hir::Expr { kind, ty, span }, ..a })
            }
        }
    }

    /// `x in a .. b`: with both ends.
    pub(super) fn inside(
        &mut self,
        x: &ast::Expr,
        range: &ast::Expr,
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Typed> {
        let x = self.expr(x, names);
        let ast::ExprKind::Range { start, end } = &strip(range).kind else {
            self.error(
                Diagnostic::new(Code::E0205, range.span, "`in` needs a range here")
                    .help("write `x in 1 .. 2`, or compare with `==`"),
            );
            return None;
        };
        let mut tests = Vec::new();
        let x = x?;
        for (bound, op) in [(start, BinaryOp::Ge), (end, BinaryOp::Le)] {
            let Some(bound) = bound else { continue };
            let b = self.expr(bound, names)?;
            let (l, r, _) = self.same(x.clone(), b, span, "the sides of `in`")?;
            tests.push(plain(ExprKind::Binary(op, Box::new(l.expr), Box::new(r.expr)), Type::Bool, span).expr);
        }
        let mut all = tests.pop().unwrap_or(hir::Expr { kind: ExprKind::Bool(true), ty: Type::Bool, span });
        if let Some(first) = tests.pop() {
            let kind = ExprKind::Binary(BinaryOp::And, Box::new(first), Box::new(all));
            all = hir::Expr { kind, ty: Type::Bool, span };
        }
        Some(plain(all.kind, Type::Bool, span))
    }

    /// A typed binary operation.
    pub(crate) fn binary(&mut self, op: ast::BinaryOp, op_span: Span, l: Typed, r: Typed, span: Span) -> Option<Typed> {
        use ast::BinaryOp as A;
        let make = |op: BinaryOp, l: hir::Expr, r: hir::Expr, ty: Type| {
            plain(ExprKind::Binary(op, Box::new(l), Box::new(r)), ty, span)
        };
        match op {
            A::And | A::Or => {
                let l = self.truth(l)?;
                let r = self.truth(r)?;
                Some(make(if op == A::And { BinaryOp::And } else { BinaryOp::Or }, l, r, Type::Bool))
            }
            A::Add | A::Sub | A::Mod => {
                let what = match op {
                    A::Add => "the operands of `+`",
                    A::Sub => "the operands of `-`",
                    _ => "the operands of `%`",
                };
                let any = l.any && r.any;
                let (l, r, ty) = self.same(l, r, op_span, what)?;
                if ty == Type::Bool {
                    self.error(Diagnostic::new(Code::E0205, span, "truth values cannot be added"));
                    return None;
                }
                let op = match op {
                    A::Add => BinaryOp::Add,
                    A::Sub => BinaryOp::Sub,
                    _ => BinaryOp::Mod,
                };
                let origin = l.origin.clone().or_else(|| r.origin.clone());
                Some(Typed { any, origin, ..make(op, l.expr, r.expr, ty) })
            }
            A::Mul | A::Div => {
                let (l, r) = (self.numeric(l)?, self.numeric(r)?);
                if op == A::Mul && l.expr.ty == Type::Int && r.expr.ty == Type::Int {
                    return Some(make(BinaryOp::Mul, l.expr, r.expr, Type::Int));
                }
                let dim = if op == A::Mul { l.dim().mul(r.dim()) } else { l.dim().div(r.dim()) };
                let any = l.any || (op == A::Mul && r.any);
                let bare_literal = l.bare_literal && r.bare_literal;
                let hop = if op == A::Mul { BinaryOp::Mul } else { BinaryOp::Div };
                // `4/ms`, `0.04/ms/mV`: constants fold at once, so that their value is one rounding.
                let t = match (&l.expr.kind, &r.expr.kind) {
                    (ExprKind::Const(x), ExprKind::Const(y)) => {
                        let v = if op == A::Mul { x * y } else { x / y };
                        plain(ExprKind::Const(v), Type::Real(dim), span)
                    }
                    _ => make(hop, real(l.expr), real(r.expr), Type::Real(dim)),
                };
                Some(Typed { any: any && matches!(t.expr.kind, ExprKind::Const(x) if x == 0.0), bare_literal, ..t })
            }
            A::Pow => self.power(l, r, span),
            A::Eq | A::Ne | A::Lt | A::Le | A::Gt | A::Ge => {
                let (l, r, ty) = self.same(l, r, op_span, "the sides of this comparison")?;
                let hop = match op {
                    A::Eq => BinaryOp::Eq,
                    A::Ne => BinaryOp::Ne,
                    A::Lt => BinaryOp::Lt,
                    A::Le => BinaryOp::Le,
                    A::Gt => BinaryOp::Gt,
                    _ => BinaryOp::Ge,
                };
                if ty == Type::Bool {
                    self.error(
                        Diagnostic::new(Code::E0205, span, "truth values are not compared")
                            .help("combine them with `and`, `or` and `not`"),
                    );
                    return None;
                }
                Some(make(hop, l.expr, r.expr, Type::Bool))
            }
            A::In => None,
        }
    }

    pub(super) fn power(&mut self, l: Typed, r: Typed, span: Span) -> Option<Typed> {
        let (l, r) = (self.numeric(l)?, self.numeric(r)?);
        if !r.dim().is_none() {
            self.error(
                Diagnostic::new(Code::E0203, r.expr.span, "an exponent must be a bare number")
                    .label(mismatch::dim_words(r.dim())),
            );
            return None;
        }
        let exponent = match r.expr.kind {
            ExprKind::Const(x) => Some(x),
            _ => None,
        };
        let dim = if l.dim().is_none() {
            Dim::NONE
        } else {
            let Some(e) = exponent.and_then(Ratio::from_f64) else {
                self.error(
                    Diagnostic::new(
                        Code::E0207,
                        r.expr.span,
                        "a quantity with a unit can only be raised to a constant power",
                    )
                    .also(l.expr.span, format!("this is {}", mismatch::dim_words(l.dim())))
                    .help("divide the base by a unit or a reference value first"),
                );
                return None;
            };
            l.dim().pow(e)
        };
        if let (ExprKind::Const(x), Some(y)) = (&l.expr.kind, exponent) {
            return Some(plain(ExprKind::Const(libm::pow(*x, y)), Type::Real(dim), span));
        }
        let kind = ExprKind::Binary(BinaryOp::Pow, Box::new(real(l.expr)), Box::new(real(r.expr)));
        Some(plain(kind, Type::Real(dim), span))
    }

    /// A number, or E0205.
    pub(super) fn numeric(&mut self, t: Typed) -> Option<Typed> {
        if t.expr.ty == Type::Bool {
            self.error(
                Diagnostic::new(Code::E0205, t.expr.span, "a truth value cannot be used as a number")
                    .help("write `if condition then 1 else 0`"),
            );
            return None;
        }
        Some(t)
    }

    /// A truth value, or E0205.
    pub(crate) fn truth(&mut self, t: Typed) -> Option<hir::Expr> {
        if t.expr.ty == Type::Bool {
            return Some(t.expr);
        }
        self.error(
            Diagnostic::new(Code::E0205, t.expr.span, "a condition is needed here, but this is a number")
                .label(mismatch::type_words(t.expr.ty))
                .help("compare it with something, such as `> 0`"),
        );
        None
    }

    /// Brings two operands to one type, or reports the mismatch (E0201, E0206).
    pub(crate) fn same(&mut self, l: Typed, r: Typed, at: Span, what: &str) -> Option<(Typed, Typed, Type)> {
        match (l.expr.ty, r.expr.ty) {
            (Type::Bool, Type::Bool) => return Some((l, r, Type::Bool)),
            (Type::Int, Type::Int) => return Some((l, r, Type::Int)),
            (Type::Bool, _) | (_, Type::Bool) => {
                let d = Diagnostic::new(Code::E0205, at, format!("{what} are a truth value and a number"))
                    .also(l.expr.span, mismatch::type_words(l.expr.ty))
                    .also(r.expr.span, mismatch::type_words(r.expr.ty));
                let chain = what.contains("comparison") && l.expr.ty == Type::Bool;
                self.error(if chain { d.help("join two comparisons by `and`: `a < x and x < b`") } else { d });
                return None;
            }
            _ => {}
        }
        let (ld, rd) = (l.dim(), r.dim());
        if ld == rd || l.any || r.any {
            let dim = if ld == rd || r.any { ld } else { rd };
            let l = Typed { expr: as_dim(real(l.expr), dim), ..l };
            let r = Typed { expr: as_dim(real(r.expr), dim), ..r };
            return Some((l, r, Type::Real(dim)));
        }
        self.error_or_declaration(mismatch::operands(&l, &r, at, what), mismatch::operands_blame(&l, &r, at));
        None
    }

    /// A value of a required type, or E0205/E0206. `what` names the place: "the initial value of `v`".
    pub(crate) fn expect(
        &mut self,
        t: Typed,
        ty: Type,
        what: impl Display,
        because: Option<(Span, Said<'_>)>,
    ) -> Option<hir::Expr> {
        match (t.expr.ty, ty) {
            (Type::Int, Type::Int) | (Type::Bool, Type::Bool) => return Some(t.expr),
            (Type::Int | Type::Real(_), Type::Real(dim)) if t.any || t.dim() == dim => {
                return Some(as_dim(real(t.expr), dim));
            }
            _ => {}
        }
        let blames = mismatch::place_blame(&t, ty, because.as_ref());
        self.error_or_declaration(mismatch::place(&t, ty, &what, because), blames);
        None
    }
}
