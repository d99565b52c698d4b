//! Operators in protocols: kinds, dimensions and axes of both sides, and constants folded.

use crate::diag::{Code, Diagnostic};
use crate::script::ir::{Axis, AxisName, BinaryOp, Expr, ExprKind, Kind, NumTy, Ty, UnaryOp};
use crate::script::lower::{Lower, poisoned};
use crate::script::shape::{self, Fit};
use crate::script::{quantity, text};
use crate::sema::foreign;
use crate::source::Span;
use crate::syntax::ast;
use crate::units::{Dim, Ratio};

/// An operand with what was written, for messages and for literals that fit any unit.
#[derive(Clone)]
pub(crate) struct Operand<'e> {
    pub(crate) value: Expr,
    pub(crate) ast: &'e ast::Expr,
}

impl Lower<'_, '_> {
    /// Literals and operators; everything else goes back to `expr`.
    pub(crate) fn operators(&mut self, e: &ast::Expr) -> Expr {
        let span = e.span;
        let scalar = |kind, ty| Expr { kind, ty: Ty::scalar(ty), span };
        match &e.kind {
            ast::ExprKind::Number { value, is_int, unit: None } => {
                scalar(ExprKind::Const(*value), if *is_int { Kind::Int } else { Kind::Real(Dim::NONE) })
            }
            ast::ExprKind::Number { value, unit: Some(unit), .. } => match quantity::of_literal(unit) {
                Ok(unit) => scalar(ExprKind::Const(unit.scale(*value)), Kind::Real(unit.dim)),
                Err(_) if self.is_variable(&unit.name) => self.fault(foreign::variable_as_unit(*value, unit), span),
                Err(d) => self.fault(*d, span),
            },
            ast::ExprKind::Str(s) => Expr { kind: ExprKind::Str(s.as_str().into()), ty: Ty::Str, span },
            ast::ExprKind::Bool(b) => scalar(ExprKind::Bool(*b), Kind::Bool),
            ast::ExprKind::List(items) => self.list(items, span),
            ast::ExprKind::Unary { op, operand, .. } => self.unary(*op, operand, span),
            ast::ExprKind::Binary { op: ast::BinaryOp::In, left, right, .. } => self.membership(left, right, span),
            ast::ExprKind::Binary { op, op_span, left, right } => {
                let l = Operand { value: self.expr(left), ast: left };
                let r = Operand { value: self.expr(right), ast: right };
                self.binary(*op, *op_span, l, r, span)
            }
            ast::ExprKind::Range { .. } => self.fault(
                Diagnostic::new(Code::E0502, span, "a range is not a value")
                    .label("ranges stand in `for`, in indices, and after `in`"),
                span,
            ),
            ast::ExprKind::If { cond, then, els } => self.conditional(cond, then, els, span),
            ast::ExprKind::Error => poisoned(span),
            ast::ExprKind::Name(_)
            | ast::ExprKind::Call { .. }
            | ast::ExprKind::Index { .. }
            | ast::ExprKind::Member { .. }
            | ast::ExprKind::Paren(_) => self.expr(e),
        }
    }

    fn list(&mut self, items: &[ast::Expr], span: Span) -> Expr {
        let values: Vec<Expr> = items.iter().map(|i| self.expr(i)).collect();
        let Some((first, rest)) = items.split_first() else {
            return self.fault(
                Diagnostic::new(Code::E0502, span, "an empty list has no type").label("write at least one value"),
                span,
            );
        };
        if values.iter().any(|v| v.ty == Ty::Poisoned) {
            return poisoned(span);
        }
        let mut kind = None;
        let mut values = values.into_iter();
        let mut out: Vec<Expr> = values.next().into_iter().collect();
        for (item, value) in rest.iter().zip(values) {
            let Some(head) = out.first().cloned() else { break };
            let l = Operand { value: head, ast: first };
            let Some((_, _, k)) = self.unify("a list", item.span, l, Operand { value: value.clone(), ast: item })
            else {
                return poisoned(span);
            };
            kind = Some(k);
            out.push(value);
        }
        let Some(kind) = kind.or_else(|| out.first().and_then(|v| v.ty.num()).map(|n| n.kind)) else {
            return self.fault(Diagnostic::new(Code::E0205, span, "a list holds numbers").label("no numbers"), span);
        };
        let out: Vec<Expr> = out.into_iter().map(|v| convert(v, kind)).collect();
        let constants: Option<Vec<f64>> = out.iter().map(const_value).collect();
        let first = Axis { name: AxisName::Unnamed, len: Some(out.len() as u64) };
        let Some((out, inner)) = self.align(out, span) else { return poisoned(span) };
        let expr = match constants {
            Some(c) if kind != Kind::Bool && inner.is_empty() => ExprKind::Table(c.into()),
            _ => ExprKind::List(out),
        };
        Expr { kind: expr, ty: Ty::Num(NumTy { kind, axes: [vec![first], inner].concat() }), span }
    }

    fn unary(&mut self, op: ast::UnaryOp, operand: &ast::Expr, span: Span) -> Expr {
        let value = self.expr(operand);
        let Ty::Num(num) = &value.ty else { return self.no_number(&value, span) };
        match (op, num.kind) {
            (ast::UnaryOp::Not, Kind::Bool) => {
                let ty = value.ty.clone();
                Expr { kind: ExprKind::Unary(UnaryOp::Not, Box::new(value)), ty, span }
            }
            (ast::UnaryOp::Not, _) => self.fault(
                Diagnostic::new(Code::E0205, span, "`not` needs a truth value")
                    .also(operand.span, self.describe(&value.ty)),
                span,
            ),
            (_, Kind::Bool) => self.fault(
                Diagnostic::new(Code::E0205, span, "a sign needs a number").also(operand.span, "this is a truth value"),
                span,
            ),
            (ast::UnaryOp::Plus, _) => Expr { span, ..value },
            (ast::UnaryOp::Neg, _) => {
                let ty = value.ty.clone();
                let kind = match value.kind {
                    ExprKind::Const(x) => ExprKind::Const(-x),
                    _ => ExprKind::Unary(UnaryOp::Neg, Box::new(value)),
                };
                Expr { kind, ty, span }
            }
        }
    }

    /// `x in a .. b`, `x in list`
    fn membership(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        let value = self.expr(left);
        let mut inner = right;
        while let ast::ExprKind::Paren(e) = &inner.kind {
            inner = e;
        }
        if let ast::ExprKind::Range { start, end } = &inner.kind {
            let ends = [start, end].map(|e| e.as_ref().map(|e| Operand { value: self.expr(e), ast: e }));
            if value.ty == Ty::Poisoned || ends.iter().flatten().any(|e| e.value.ty == Ty::Poisoned) {
                return poisoned(span);
            }
            let mut value = Operand { value, ast: left };
            let mut sides: [Option<Expr>; 2] = [None, None];
            let mut kinds = Vec::new();
            for (side, end) in sides.iter_mut().zip(ends) {
                let Some(end) = end else { continue };
                let what = "a range and the value in it";
                let Some((v, e, kind)) = self.unify(what, end.ast.span, value.clone(), end) else {
                    return poisoned(span);
                };
                value.value = v;
                *side = Some(e);
                kinds.push(kind);
            }
            let kind = value.value.ty.num().map_or(Kind::Int, |n| n.kind);
            // An end that became real later than the other makes both real.
            let [lo, hi] = sides.map(|s| s.map(|e| convert(e, kind)));
            let Some((mut aligned, axes)) =
                self.align([Some(value.value), lo, hi].into_iter().flatten().collect(), span)
            else {
                return poisoned(span);
            };
            let hi = end.is_some().then(|| aligned.pop()).flatten().map(Box::new);
            let lo = start.is_some().then(|| aligned.pop()).flatten().map(Box::new);
            let Some(value) = aligned.pop().map(Box::new) else { return poisoned(span) };
            let ty = Ty::Num(NumTy { kind: Kind::Bool, axes });
            return Expr { kind: ExprKind::Between { value, lo, hi }, ty, span };
        }
        let list = self.expr(right);
        if value.ty == Ty::Poisoned || list.ty == Ty::Poisoned {
            return poisoned(span);
        }
        if list.ty.axes().len() != 1 || !value.ty.axes().is_empty() {
            return self.fault(
                Diagnostic::new(Code::E0205, span, "`in` needs a single value and a range or list")
                    .also(left.span, self.describe(&value.ty))
                    .also(right.span, self.describe(&list.ty)),
                span,
            );
        }
        let unified = self.unify(
            "a list and the value in it",
            span,
            Operand { value, ast: left },
            Operand { value: list, ast: right },
        );
        let Some((value, list, _)) = unified else { return poisoned(span) };
        let kind = ExprKind::OneOf { value: Box::new(value), list: Box::new(list) };
        Expr { kind, ty: Ty::scalar(Kind::Bool), span }
    }

    fn conditional(&mut self, cond: &ast::Expr, then: &ast::Expr, els: &ast::Expr, span: Span) -> Expr {
        let c = self.expr(cond);
        let a = Operand { value: self.expr(then), ast: then };
        let b = Operand { value: self.expr(els), ast: els };
        let c_ok = self.truth(&c, cond.span, "`if`");
        if !c_ok || a.value.ty == Ty::Poisoned || b.value.ty == Ty::Poisoned {
            return poisoned(span);
        }
        if a.value.ty == Ty::Str && b.value.ty == Ty::Str && c.ty.axes().is_empty() {
            return Expr { kind: ExprKind::If(Box::new(c), Box::new(a.value), Box::new(b.value)), ty: Ty::Str, span };
        }
        let Some((a, b, kind)) = self.unify("both sides of `if`", span, a, b) else { return poisoned(span) };
        let by_element = !c.ty.axes().is_empty();
        let parts = if by_element { vec![c.clone(), a, b] } else { vec![a, b] };
        let Some((mut parts, axes)) = self.align(parts, span) else { return poisoned(span) };
        let (Some(b), Some(a)) = (parts.pop(), parts.pop()) else { return poisoned(span) };
        let ty = Ty::Num(NumTy { kind, axes: axes.clone() });
        let kind = if by_element {
            let c = parts.pop().unwrap_or(c);
            ExprKind::Select(Box::new(c), Box::new(a), Box::new(b))
        } else {
            // The chosen side is the value: a scalar beside an array must become one.
            let (a, b) = (spread(a, &axes), spread(b, &axes));
            ExprKind::If(Box::new(c), Box::new(a), Box::new(b))
        };
        Expr { kind, ty, span }
    }

    /// An arithmetic operator, comparison or connective.
    pub(crate) fn binary(&mut self, op: ast::BinaryOp, op_span: Span, l: Operand, r: Operand, span: Span) -> Expr {
        if l.value.ty == Ty::Poisoned || r.value.ty == Ty::Poisoned {
            return poisoned(span);
        }
        for side in [&l, &r] {
            if side.value.ty.num().is_none() {
                return self.no_number(&side.value, span);
            }
        }
        let Some((hir_op, family)) = family(op) else { return poisoned(span) };
        match family {
            Family::Logic => {
                let name = format!("`{}`", text::sign(op));
                let ok = self.truth(&l.value, l.ast.span, &name) & self.truth(&r.value, r.ast.span, &name);
                if ok { self.node(hir_op, l.value, r.value, Kind::Bool, span) } else { poisoned(span) }
            }
            Family::Compare => {
                let what = format!("`{}`", text::sign(op));
                match self.unify(&what, op_span, l, r) {
                    Some((a, b, _)) => self.node(hir_op, a, b, Kind::Bool, span),
                    None => poisoned(span),
                }
            }
            Family::Same => {
                let what = format!("`{}`", text::sign(op));
                if !self.no_truths(&what, [&l, &r], span) {
                    return poisoned(span);
                }
                match self.unify(&what, op_span, l, r) {
                    Some((a, b, kind)) => self.node(hir_op, a, b, kind, span),
                    None => poisoned(span),
                }
            }
            Family::Scale => {
                if !self.no_truths(&format!("`{}`", text::sign(op)), [&l, &r], span) {
                    return poisoned(span);
                }
                let (a, b) = (l.value, r.value);
                let kinds = (kind_of(&a), kind_of(&b));
                let kind = match (op, kinds) {
                    (ast::BinaryOp::Mul, (Kind::Int, Kind::Int)) => Kind::Int,
                    (ast::BinaryOp::Mul, (x, y)) => Kind::Real(x.dim().mul(y.dim())),
                    (_, (x, y)) => Kind::Real(x.dim().div(y.dim())),
                };
                let (a, b) = if kind == Kind::Int { (a, b) } else { (to_real(a), to_real(b)) };
                self.node(hir_op, a, b, kind, span)
            }
            Family::Power => self.power(l, r, span),
        }
    }

    fn power(&mut self, l: Operand, r: Operand, span: Span) -> Expr {
        if !self.no_truths("`^`", [&l, &r], span) {
            return poisoned(span);
        }
        let (base, exponent) = (kind_of(&l.value), kind_of(&r.value));
        if !exponent.dim().is_none() {
            return self.fault(
                Diagnostic::new(Code::E0203, r.ast.span, "an exponent must be a bare number")
                    .label(format!("this is {}", quantity::describe(exponent.dim()))),
                span,
            );
        }
        let constant = const_value(&r.value);
        if base == Kind::Int && exponent == Kind::Int && constant.is_some_and(|x| x >= 0.0) {
            return self.node(BinaryOp::Pow, l.value, r.value, Kind::Int, span);
        }
        let dim = if base.dim().is_none() {
            Dim::NONE
        } else {
            let Some(ratio) = constant.and_then(Ratio::from_f64) else {
                return self.fault(
                    Diagnostic::new(Code::E0207, span, "a quantity with a unit needs a constant exponent")
                        .label("the unit of this power would change while running")
                        .also(l.ast.span, format!("this is {}", quantity::describe(base.dim())))
                        .help("divide the base by its unit first, as in `(v / 1 mV)^k`"),
                    span,
                );
            };
            base.dim().pow(ratio)
        };
        self.node(BinaryOp::Pow, to_real(l.value), to_real(r.value), Kind::Real(dim), span)
    }

    /// The node of an operator whose operands have their kinds, with the axes joined and constants folded.
    fn node(&mut self, op: BinaryOp, a: Expr, b: Expr, kind: Kind, span: Span) -> Expr {
        if let Some(folded) = fold(op, &a, &b, kind) {
            return Expr { kind: folded, ty: Ty::scalar(kind), span };
        }
        let Some((mut parts, axes)) = self.align(vec![a, b], span) else { return poisoned(span) };
        let (Some(b), Some(a)) = (parts.pop(), parts.pop()) else { return poisoned(span) };
        Expr { kind: ExprKind::Binary(op, Box::new(a), Box::new(b)), ty: Ty::Num(NumTy { kind, axes }), span }
    }

    /// Brings arrays to common axes; scalars stay scalars.
    pub(crate) fn align(&mut self, parts: Vec<Expr>, span: Span) -> Option<(Vec<Expr>, Vec<Axis>)> {
        let mut axes: Vec<Axis> = Vec::new();
        let mut shown: Option<Span> = None;
        for part in &parts {
            let Some(joined) = shape::join(self.cx.model, &axes, part.ty.axes()) else {
                let mine = shape::describe_named(self.cx.model, part.ty.axes());
                let other = shape::describe_named(self.cx.model, &axes);
                let mut d = Diagnostic::new(Code::E0501, span, format!("{other} values do not fit {mine} values"))
                    .label("these are combined element by element")
                    .also(part.span, mine);
                if let Some(s) = shown {
                    d = d.also(s, other);
                }
                self.err(d);
                return None;
            };
            if !part.ty.axes().is_empty() && shown.is_none() {
                shown = Some(part.span);
            }
            axes = joined;
        }
        let out = parts.into_iter().map(|p| self.onto(p, &axes)).collect::<Option<Vec<_>>>()?;
        Some((out, axes))
    }

    /// A value under the given axes; scalars stay scalars. `None` if it does not fit (not reported).
    pub(crate) fn onto(&self, mut value: Expr, axes: &[Axis]) -> Option<Expr> {
        if value.ty.axes().is_empty() {
            return Some(value);
        }
        let Ty::Num(num) = &mut value.ty else { return Some(value) };
        let ty = Ty::Num(NumTy { kind: num.kind, axes: axes.to_vec() });
        let span = value.span;
        match shape::fit(self.cx.model, &num.axes, axes)? {
            Fit::Same => {
                // A length of its own stays: it says how many elements there are.
                let renamed =
                    num.axes.iter().zip(axes).map(|(own, to)| Axis { name: to.name, len: own.len.or(to.len) });
                num.axes = renamed.collect();
                Some(value)
            }
            Fit::Map(from) => Some(Expr { kind: ExprKind::Broadcast { value: Box::new(value), from }, ty, span }),
            Fit::Reshape => Some(Expr { kind: ExprKind::Reshape(Box::new(value)), ty, span }),
        }
    }

    /// Brings two operands to one kind and checks that their dimensions agree.
    pub(crate) fn unify(&mut self, what: &str, at: Span, l: Operand, r: Operand) -> Option<(Expr, Expr, Kind)> {
        if l.value.ty == Ty::Poisoned || r.value.ty == Ty::Poisoned {
            return None;
        }
        for side in [&l, &r] {
            if side.value.ty.num().is_none() {
                self.no_number(&side.value, side.ast.span);
                return None;
            }
        }
        let (a, b) = (kind_of(&l.value), kind_of(&r.value));
        let kind = match (a, b) {
            (Kind::Bool, Kind::Bool) => Kind::Bool,
            (Kind::Bool, _) | (_, Kind::Bool) => {
                let d = Diagnostic::new(Code::E0205, at, format!("{what}: a truth value stands beside a number"))
                    .also(l.ast.span, self.describe(&l.value.ty))
                    .also(r.ast.span, self.describe(&r.value.ty));
                self.err(d);
                return None;
            }
            (Kind::Int, Kind::Int) => Kind::Int,
            _ if a.dim() == b.dim() => Kind::Real(a.dim()),
            _ if fits_any(l.ast) => Kind::Real(b.dim()),
            _ if fits_any(r.ast) => Kind::Real(a.dim()),
            _ => {
                let d = self.mismatch(what, at, &l, &r);
                self.err(d);
                return None;
            }
        };
        Some((convert(l.value, kind), convert(r.value, kind), kind))
    }

    fn mismatch(&self, what: &str, at: Span, l: &Operand, r: &Operand) -> Diagnostic {
        let (a, b) = (kind_of(&l.value).dim(), kind_of(&r.value).dim());
        let unit = |o: &Operand| quantity::text(&self.shown(&o.value));
        let bare = if a.is_none() { Some((l, r)) } else { Some((r, l)).filter(|_| b.is_none()) };
        if let Some((bare, other)) = bare
            && is_literal(bare.ast)
        {
            return self.bare_number(bare.ast, &unit(other), Some(other.ast.span));
        }
        let label = |o: &Operand, d: Dim| {
            if d.is_none() { "a bare number".to_owned() } else { format!("this is {}", unit(o)) }
        };
        let name = |o: &Operand, d: Dim| if d.is_none() { "a bare number".to_owned() } else { unit(o) };
        let mut d = Diagnostic::new(
            Code::E0201,
            at,
            format!("{what} needs one unit on both sides, and these are {} and {}", name(l, a), name(r, b)),
        )
        .also(l.ast.span, label(l, a))
        .also(r.ast.span, label(r, b));
        if let Some(help) = crate::units::explain::missing_factor(b, a) {
            d = d.help(format!("for the right side to be {}: {help}", name(l, a)));
        }
        d
    }

    /// A literal without a unit where one is needed.
    pub(crate) fn bare_number(&self, literal: &ast::Expr, unit: &str, other: Option<Span>) -> Diagnostic {
        let written = text::expr(literal);
        let mut d = Diagnostic::new(Code::E0206, literal.span, format!("{written} needs a unit here"))
            .label("a bare number")
            .help(format!("write `{written} {unit}`, if {unit} is meant"));
        if let Some(span) = other {
            d = d.also(span, format!("this is {unit}"));
        }
        if !unit.contains(['/', '*', ' ']) && matches!(literal.kind, ast::ExprKind::Number { .. }) {
            d = d.fix(literal.span, format!("{written} {unit}"));
        }
        d
    }

    /// Whether a condition is a truth value; arrays of them pass.
    pub(crate) fn truth(&mut self, e: &Expr, span: Span, what: &str) -> bool {
        match &e.ty {
            Ty::Num(n) if n.kind == Kind::Bool => true,
            Ty::Poisoned => false,
            ty => {
                let found = self.describe(ty);
                self.err(
                    Diagnostic::new(Code::E0205, span, format!("{what} needs a truth value"))
                        .label(format!("this is {found}"))
                        .help("compare it with something, as in `x > 0`"),
                );
                false
            }
        }
    }

    /// A single truth value.
    pub(crate) fn condition(&mut self, e: &ast::Expr, what: &str) -> Expr {
        let value = self.expr(e);
        if !self.truth(&value, e.span, what) {
            return poisoned(e.span);
        }
        if !value.ty.axes().is_empty() {
            let shape = shape::describe(value.ty.axes());
            return self.fault(
                Diagnostic::new(
                    Code::E0205,
                    e.span,
                    format!("{what} needs a single truth value, and these are {shape}"),
                )
                .label("one truth value for each element")
                .help("reduce them: `min(…)` of the values, or `count(…) > 0`"),
                e.span,
            );
        }
        value
    }

    fn no_truths(&mut self, what: &str, sides: [&Operand; 2], span: Span) -> bool {
        for side in sides {
            if kind_of(&side.value) == Kind::Bool {
                self.err(
                    Diagnostic::new(Code::E0205, span, format!("{what} needs numbers"))
                        .also(side.ast.span, "this is a truth value")
                        .help("`count(…)` gives how many are true"),
                );
                return false;
            }
        }
        true
    }

    fn no_number(&mut self, value: &Expr, span: Span) -> Expr {
        if value.ty == Ty::Poisoned {
            return poisoned(span);
        }
        let what = self.describe(&value.ty);
        let d = Diagnostic::new(Code::E0205, value.span, format!("a number is needed here, and this is {what}"))
            .label(format!("this is {what}"));
        let text = value.ty == Ty::Str;
        self.fault(
            if text { d.help("texts and values are printed side by side: `print(\"rate\", r)`") } else { d },
            span,
        )
    }

    /// A type in words.
    pub(crate) fn describe(&self, ty: &Ty) -> String {
        match ty {
            Ty::Str => "a text".to_owned(),
            Ty::Sample(_) => "a sample of a data set".to_owned(),
            Ty::None => "no value".to_owned(),
            Ty::Poisoned => "a faulty value".to_owned(),
            Ty::Num(n) => {
                let kind = match n.kind {
                    Kind::Int => "whole number".to_owned(),
                    Kind::Bool => "truth value".to_owned(),
                    Kind::Real(d) if d.is_none() => "real number".to_owned(),
                    Kind::Real(d) => format!("quantity in {}", quantity::describe(d)),
                };
                if n.axes.is_empty() {
                    format!("a {kind}")
                } else {
                    format!("an array ({}) with a {kind} in each place", shape::describe(&n.axes))
                }
            }
        }
    }
}

enum Family {
    Logic,
    Compare,
    Same,
    Scale,
    Power,
}

fn family(op: ast::BinaryOp) -> Option<(BinaryOp, Family)> {
    Some(match op {
        ast::BinaryOp::Add => (BinaryOp::Add, Family::Same),
        ast::BinaryOp::Sub => (BinaryOp::Sub, Family::Same),
        ast::BinaryOp::Mod => (BinaryOp::Mod, Family::Same),
        ast::BinaryOp::Mul => (BinaryOp::Mul, Family::Scale),
        ast::BinaryOp::Div => (BinaryOp::Div, Family::Scale),
        ast::BinaryOp::Pow => (BinaryOp::Pow, Family::Power),
        ast::BinaryOp::Eq => (BinaryOp::Eq, Family::Compare),
        ast::BinaryOp::Ne => (BinaryOp::Ne, Family::Compare),
        ast::BinaryOp::Lt => (BinaryOp::Lt, Family::Compare),
        ast::BinaryOp::Le => (BinaryOp::Le, Family::Compare),
        ast::BinaryOp::Gt => (BinaryOp::Gt, Family::Compare),
        ast::BinaryOp::Ge => (BinaryOp::Ge, Family::Compare),
        ast::BinaryOp::And => (BinaryOp::And, Family::Logic),
        ast::BinaryOp::Or => (BinaryOp::Or, Family::Logic),
        ast::BinaryOp::In => return None,
    })
}

/// The kind of a number; `Int` for what is none (already refused).
pub(crate) fn kind_of(e: &Expr) -> Kind {
    e.ty.num().map_or(Kind::Int, |n| n.kind)
}

/// The value of a constant scalar.
pub(crate) fn const_value(e: &Expr) -> Option<f64> {
    match e.kind {
        ExprKind::Const(x) if e.ty.axes().is_empty() => Some(x),
        _ => None,
    }
}

/// An int as a real; other values as they are.
pub(crate) fn to_real(e: Expr) -> Expr {
    if kind_of(&e) == Kind::Int { convert(e, Kind::Real(Dim::NONE)) } else { e }
}

/// A value under another kind: an int becomes real, `0` and `inf` take the dimension.
pub(crate) fn convert(mut e: Expr, kind: Kind) -> Expr {
    let Ty::Num(num) = &mut e.ty else { return e };
    if num.kind == kind {
        return e;
    }
    let was_int = num.kind == Kind::Int;
    let wanted = NumTy { kind, axes: num.axes.clone() };
    if matches!(e.kind, ExprKind::Const(_) | ExprKind::Table(_)) || !was_int {
        num.kind = kind;
        return e;
    }
    let span = e.span;
    Expr { kind: ExprKind::ToReal(Box::new(e)), ty: Ty::Num(wanted), span }
}

/// A scalar repeated along axes.
fn spread(e: Expr, axes: &[Axis]) -> Expr {
    if axes.is_empty() || !e.ty.axes().is_empty() {
        return e;
    }
    let ty = Ty::Num(NumTy { kind: kind_of(&e), axes: axes.to_vec() });
    let span = e.span;
    let from = vec![crate::script::ir::AxisSource::Repeat; axes.len()];
    Expr { kind: ExprKind::Broadcast { value: Box::new(e), from }, ty, span }
}

/// Whether it is written as `0` or `inf`, which fit any unit.
pub(crate) fn fits_any(e: &ast::Expr) -> bool {
    match &e.kind {
        ast::ExprKind::Number { value, unit: None, .. } => *value == 0.0,
        ast::ExprKind::Name(n) => n == "inf",
        ast::ExprKind::Paren(inner) => fits_any(inner),
        ast::ExprKind::Unary { op: ast::UnaryOp::Neg | ast::UnaryOp::Plus, operand, .. } => fits_any(operand),
        _ => false,
    }
}

/// Whether it is a number without a unit, perhaps with a sign.
pub(crate) fn is_literal(e: &ast::Expr) -> bool {
    match &e.kind {
        ast::ExprKind::Number { unit: None, .. } => true,
        ast::ExprKind::Unary { op: ast::UnaryOp::Neg | ast::UnaryOp::Plus, operand, .. } => is_literal(operand),
        _ => false,
    }
}

/// Constants under an operator. Ints that leave the exact range of a real are left to the run.
fn fold(op: BinaryOp, a: &Expr, b: &Expr, kind: Kind) -> Option<ExprKind> {
    let (x, y) = (const_value(a)?, const_value(b)?);
    let truth = |c: bool| Some(ExprKind::Bool(c));
    let value = match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div => x / y,
        BinaryOp::Eq => return truth(x == y),
        BinaryOp::Ne => return truth(x != y),
        BinaryOp::Lt => return truth(x < y),
        BinaryOp::Le => return truth(x <= y),
        BinaryOp::Gt => return truth(x > y),
        BinaryOp::Ge => return truth(x >= y),
        BinaryOp::Mod | BinaryOp::Pow | BinaryOp::And | BinaryOp::Or => return None,
    };
    (kind != Kind::Int || value.abs() < 9_007_199_254_740_992.0).then_some(ExprKind::Const(value))
}
