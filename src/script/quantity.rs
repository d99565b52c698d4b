//! Units in protocols: what a literal, a declared type and a shown value mean in the table of units.

use crate::diag::{Code, Diagnostic};
use crate::hir::ShownUnit;
use crate::script::ir::{BinaryOp, Expr, ExprKind, Kind, Reduction, Ty};
use crate::script::lower::Lower;
use crate::syntax::ast;
use crate::units::{self, Dim, UnitDef};

/// The unit constant of a name, such as `ms` in `1/ms`: dimension and value in internal units.
pub(crate) fn unit(name: &str) -> Option<(Dim, f64)> {
    units::lookup(name).map(|u| (u.dim, u.factor))
}

/// Whether a name is that of a unit with two or more letters, which nothing else may have.
pub(crate) fn is_long_unit(name: &str) -> bool {
    name.chars().count() > 1 && units::lookup(name).is_some()
}

/// The unit of a literal, with its exponent.
pub(crate) fn of_literal(unit: &ast::Unit) -> Result<UnitDef, Box<Diagnostic>> {
    units::lookup_power(&unit.name, unit.exponent.as_deref()).ok_or_else(|| {
        let mut d =
            Diagnostic::new(Code::E0102, unit.span, format!("there is no unit `{}`", unit.name)).label("unknown unit");
        if units::lookup(&unit.name).is_some() {
            d = Diagnostic::new(Code::E0102, unit.span, "this power of a unit is not supported")
                .label("the exponent is no small fraction");
        } else if let Some(help) = units::table::suggestion(&unit.name) {
            if let Some(meant) = help.strip_prefix("did you mean `").and_then(|h| h.strip_suffix("`?")) {
                let power = unit.exponent.as_ref().map_or_else(String::new, |e| format!("^{e}"));
                d = d.fix(unit.span, format!("{meant}{power}"));
            }
            d = d.help(help);
        }
        Box::new(d)
    })
}

/// The kind of a declared type.
pub(crate) fn kind(ty: &ast::TypeExpr) -> Result<Kind, Box<Diagnostic>> {
    fn dim(ty: &ast::TypeExpr) -> Result<Dim, Box<Diagnostic>> {
        Ok(match &ty.kind {
            ast::TypeKind::One => Dim::NONE,
            ast::TypeKind::Unit(u) => of_literal(u)?.dim,
            ast::TypeKind::Mul(a, b) => dim(a)?.mul(dim(b)?),
            ast::TypeKind::Div(a, b) => dim(a)?.div(dim(b)?),
            ast::TypeKind::Int | ast::TypeKind::Bool => {
                return Err(Box::new(
                    Diagnostic::new(Code::E0102, ty.span, "`int` and `bool` have no unit").label("stands alone"),
                ));
            }
        })
    }
    match ty.kind {
        ast::TypeKind::Int => Ok(Kind::Int),
        ast::TypeKind::Bool => Ok(Kind::Bool),
        _ => dim(ty).map(Kind::Real),
    }
}

/// A dimension by its usual unit.
pub(crate) fn describe(dim: Dim) -> String {
    units::describe(dim)
}

/// A number for messages.
pub(crate) fn number(value: f64) -> String {
    units::number(value)
}

/// The usual unit of a dimension.
pub(crate) fn preferred(dim: Dim) -> ShownUnit {
    units::show(dim)
}

/// The unit of bare numbers.
pub(crate) fn bare() -> ShownUnit {
    units::show(Dim::NONE)
}

/// A unit's name; words for bare numbers.
pub(crate) fn text(unit: &ShownUnit) -> String {
    if unit.name.is_empty() { "a bare number".to_owned() } else { unit.name.clone() }
}

impl Lower<'_, '_> {
    /// The unit in which a value is shown: that of the declaration it comes from, else the usual one of its dimension.
    pub(crate) fn shown(&self, e: &Expr) -> ShownUnit {
        let Ty::Num(num) = &e.ty else { return bare() };
        let dim = num.kind.dim();
        if dim.is_none() {
            return bare();
        }
        self.declared_unit(e).unwrap_or_else(|| preferred(dim))
    }

    fn declared_unit(&self, e: &Expr) -> Option<ShownUnit> {
        let same = |part: &Expr| {
            let keeps = part.ty.num().map(|n| n.kind.dim()) == e.ty.num().map(|n| n.kind.dim());
            if keeps { self.declared_unit(part) } else { None }
        };
        match &e.kind {
            ExprKind::Var(place) => self.decl(place.key).map(|d| d.shown.clone()),
            ExprKind::Local(l) => self.local(*l)?.shown.clone(),
            ExprKind::Unary(_, a)
            | ExprKind::ToReal(a)
            | ExprKind::Reshape(a)
            | ExprKind::Broadcast { value: a, .. }
            | ExprKind::Index { base: a, .. } => same(a),
            ExprKind::Reduce { op, value, .. } if !matches!(op, Reduction::Argmax | Reduction::Argmin) => same(value),
            ExprKind::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mod | BinaryOp::Mul | BinaryOp::Div, a, b) => {
                same(a).or_else(|| same(b))
            }
            ExprKind::If(_, a, b) | ExprKind::Select(_, a, b) => same(a).or_else(|| same(b)),
            ExprKind::Builtin(_, args) => args.first().and_then(same),
            _ => None,
        }
    }
}
