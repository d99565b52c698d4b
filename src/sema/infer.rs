//! Types, dimensions and values of expressions: syntax → typed expressions. One [`Typer`] checks the expressions of one place (a
//! model, the arguments of a population, a top-level constant); what names mean there is told by its [`Names`].
//!
//! A faulty expression is reported once and gives `None`: consequences stay silent.

mod special;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use super::mismatch::Said;
use super::{foreign, mismatch};
use crate::builtins::{Builtin, DimRule, Dist};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{self, BinaryOp, ExprKind, LetId, LocalId, PopId, Side, Type, UnaryOp, VarId};
use crate::sema::scope::{Scope, Symbol};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::nearest::nearest;
use crate::units::{self, Dim, Ratio};

/// A typed expression with what matters for unit checks.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    /// The expression.
    pub(crate) expr: hir::Expr,
    /// `0` or `inf`: fits any dimension.
    pub(crate) any: bool,
    /// A number written without a unit.
    pub(crate) bare_literal: bool,
    /// Where the dimension comes from: a declaration and what it says.
    pub(crate) origin: Option<(Span, Said<'static>)>,
}

impl Typed {
    pub(crate) fn dim(&self) -> Dim {
        self.expr.ty.dim()
    }
}

/// What a name stands for in a model.
#[derive(Debug, Clone)]
pub(crate) enum Meaning {
    /// A variable: side, id, type; `None`: its declaration is faulty.
    Var(Side, VarId, Option<Type>, Span),
    /// A `let`.
    Let(LetId, Option<Type>, Span),
    /// A `let` of a handler.
    Local(LocalId, Type, Span),
    /// Declared, but faulty.
    Faulty,
}

/// What names mean where an expression stands.
pub(crate) trait Names {
    /// The meaning of a plain name; may report circles.
    fn lookup(&mut self, name: &str, span: Span, typer: &mut Typer<'_>) -> Option<Meaning>;

    /// The meaning of `pre.x` or `post.x`; `Err` with the names there are.
    fn side(&self, _side: Side, _name: &str) -> Option<Result<Meaning, Vec<String>>> {
        None
    }

    /// All plain names, for suggestions.
    fn all(&self) -> Vec<String>;

    /// Whether `i` is known, and `j`.
    fn indices(&self) -> (bool, bool) {
        (true, false)
    }

    /// Whether `t` may be used; otherwise why not.
    fn time(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// Whose number of neurons is known.
    fn count(&self) -> Count {
        Count::Nothing
    }

    /// Whether draws and files may be used.
    fn draws(&self) -> bool {
        false
    }

    /// The number of a noise source; otherwise why noise has no meaning here.
    fn noise(&mut self, _name: &str) -> Result<u32, &'static str> {
        Err("white noise stands in the equations of neurons only")
    }

    /// A variable of another population; `None` where none can be followed.
    fn other(&self, _pop: PopId, _name: &str) -> Option<Result<(VarId, Type, Span), Vec<String>>> {
        None
    }

    /// Number of neurons of another population that is followed, if it does not fit the one here, with that one's.
    fn unfit(&self, _pop: PopId) -> Option<(u64, u64)> {
        None
    }
}

/// Whose number of neurons an expression may name, and the number where it is known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// Nobody's.
    Nothing,
    /// `N`: the population's.
    One(Option<u64>),
    /// `pre.N` and `post.N`.
    Two(Option<(u64, u64)>),
}

/// No names but the top level's.
pub(crate) struct NoNames;

impl Names for NoNames {
    fn lookup(&mut self, _: &str, _: Span, _: &mut Typer<'_>) -> Option<Meaning> {
        None
    }

    fn all(&self) -> Vec<String> {
        Vec::new()
    }

    fn indices(&self) -> (bool, bool) {
        (false, false)
    }

    fn time(&self) -> Result<(), &'static str> {
        Err("`t` has no value here: this is computed before the simulation starts")
    }
}

/// A top-level constant.
#[derive(Debug, Clone)]
pub(crate) struct GlobalValue {
    pub(crate) ty: Type,
    pub(crate) value: f64,
    pub(crate) any: bool,
    pub(crate) span: Span,
}

/// Top-level names as expressions need them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Globals {
    pub(crate) values: Vec<Option<GlobalValue>>,
    /// Constant lists: values in internal units and their type.
    pub(crate) tables: Vec<(Arc<[f64]>, Type)>,
    /// For each list of lists, the number of values in a row; 0 for plain lists.
    pub(crate) widths: Vec<usize>,
    pub(crate) dt: f64,
    /// The prelude's file.
    pub(crate) prelude: crate::source::FileId,
    /// Reads arrays of files.
    pub(crate) arrays: super::ArrayReader,
}

/// Checks expressions.
pub(crate) struct Typer<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) globals: &'a Globals,
    pub(crate) sink: &'a mut Sink,
    /// Functions being inlined, against endless recursion.
    inlining: Vec<String>,
    /// Parameters of the function being inlined; its body sees these and the top level only.
    frames: Vec<BTreeMap<String, Typed>>,
    pub(crate) sites: u32,
}

impl<'a> Typer<'a> {
    pub(crate) fn new(scope: &'a Scope, globals: &'a Globals, sink: &'a mut Sink) -> Self {
        Self { scope, globals, sink, inlining: Vec::new(), frames: Vec::new(), sites: 0 }
    }

    /// Types an expression in which one name stands for a value, beside the names of the top level.
    pub(crate) fn with(&mut self, name: &str, value: Typed, body: &ast::Expr) -> Option<Typed> {
        self.frames.push(BTreeMap::from([(name.to_owned(), value)]));
        let result = self.expr(body, &mut NoNames);
        self.frames.pop();
        result
    }

    /// Starts the numbering of draws anew: one initial value.
    pub(crate) fn new_value(&mut self) {
        self.sites = 0;
    }

    pub(crate) fn error(&mut self, d: Diagnostic) {
        if !self.sink.items.contains(&d) {
            self.sink.push(d);
        }
    }

    /// Types an expression.
    pub(crate) fn expr(&mut self, e: &ast::Expr, names: &mut dyn Names) -> Option<Typed> {
        let span = e.span;
        match &e.kind {
            ast::ExprKind::Number { value, is_int, unit } => self.number(*value, *is_int, unit.as_ref(), span),
            ast::ExprKind::Bool(b) => Some(plain(ExprKind::Bool(*b), Type::Bool, span)),
            ast::ExprKind::Paren(inner) => self.expr(inner, names),
            ast::ExprKind::Name(name) => self.name(name, span, names),
            ast::ExprKind::Unary { op, operand, .. } => self.unary(*op, operand, span, names),
            ast::ExprKind::Binary { op: ast::BinaryOp::In, left, right, .. } => self.inside(left, right, span, names),
            ast::ExprKind::Binary { op, left, right, op_span } => {
                let l = self.expr(left, names);
                let r = self.expr(right, names);
                self.binary(*op, *op_span, l?, r?, span)
            }
            ast::ExprKind::If { cond, then, els } => {
                let c = self.expr(cond, names).and_then(|c| self.truth(c));
                let a = self.expr(then, names);
                let b = self.expr(els, names);
                let (a, b, ty) = self.same(a?, b?, span, "the two branches of `if`")?;
                let origin = a.origin.clone();
                let kind = ExprKind::If(Box::new(c?), Box::new(a.expr), Box::new(b.expr));
                Some(Typed { origin, ..plain(kind, ty, span) })
            }
            ast::ExprKind::Call { callee, args } => match &callee.kind {
                ast::ExprKind::Name(name) => self.call(name, callee.span, args, span, names),
                _ => {
                    let inside: Vec<&ast::Expr> = args.iter().map(|a| &a.value).collect();
                    let d = foreign::in_brackets(callee, &inside, span);
                    self.error(
                        d.unwrap_or_else(|| Diagnostic::new(Code::E0502, span, "only named functions can be called")),
                    );
                    None
                }
            },
            ast::ExprKind::Index { base, index } => self.index(base, index, span, names),
            ast::ExprKind::Member { base, member } => self.member(base, member, span, names),
            ast::ExprKind::Str(_) => {
                self.error(Diagnostic::new(Code::E0205, span, "a text cannot be used as a number here"));
                None
            }
            ast::ExprKind::List(_) => {
                self.error(
                    Diagnostic::new(Code::E0205, span, "a list cannot be used as a number here")
                        .help("lists are constants: `const K = [1, 2]` at the top level, then `K[i]`"),
                );
                None
            }
            ast::ExprKind::Range { .. } => {
                self.error(
                    Diagnostic::new(Code::E0205, span, "a range cannot be used as a number here")
                        .help("ranges stand after `in` and in indices: `x in 1 .. 2`, `N[..100]`"),
                );
                None
            }
            ast::ExprKind::Error => None,
        }
    }

    fn number(&mut self, value: f64, is_int: bool, unit: Option<&ast::Unit>, span: Span) -> Option<Typed> {
        let any = value == 0.0;
        match unit {
            None => {
                let ty = if is_int { Type::Int } else { Type::Real(Dim::NONE) };
                Some(Typed { any, bare_literal: true, ..plain(ExprKind::Const(value), ty, span) })
            }
            Some(u) => {
                let def = self.unit(u)?;
                Some(plain(ExprKind::Const(def.scale(value)), Type::Real(def.dim), span))
            }
        }
    }

    /// A unit, or E0102.
    pub(crate) fn unit(&mut self, u: &ast::Unit) -> Option<units::UnitDef> {
        if let Some(def) = units::lookup_power(&u.name, u.exponent.as_deref()) {
            return Some(def);
        }
        let mut d = Diagnostic::new(Code::E0102, u.span, format!("unknown unit `{}`", u.name));
        if let Some(help) = units::table::suggestion(&u.name) {
            if let Some(n) = help.strip_prefix("did you mean `").and_then(|h| h.strip_suffix("`?")) {
                let fixed = match &u.exponent {
                    Some(e) => format!("{n}^{e}"),
                    None => n.to_owned(),
                };
                d = d.fix(u.span, fixed);
            }
            d = d.help(help);
        } else {
            d = d
                .note("a word right after a number is always a unit")
                .help("to multiply by a variable, write `*` between them");
        }
        self.error(d);
        None
    }

    /// A declared type.
    pub(crate) fn declared(&mut self, t: &ast::TypeExpr) -> Option<(Type, hir::ShownUnit)> {
        match &t.kind {
            ast::TypeKind::Int => Some((Type::Int, none())),
            ast::TypeKind::Bool => Some((Type::Bool, none())),
            ast::TypeKind::One => Some((Type::Real(Dim::NONE), none())),
            ast::TypeKind::Unit(u) => {
                let def = self.unit(u)?;
                let name = u.exponent.as_ref().map_or_else(|| u.name.clone(), |e| format!("{}^{e}", u.name));
                Some((Type::Real(def.dim), hir::ShownUnit { name, factor: def.factor }))
            }
            ast::TypeKind::Mul(a, b) | ast::TypeKind::Div(a, b) => {
                let (at, au) = self.declared(a)?;
                let (bt, bu) = self.declared(b)?;
                let divide = matches!(t.kind, ast::TypeKind::Div(..));
                let dim = if divide { at.dim().div(bt.dim()) } else { at.dim().mul(bt.dim()) };
                let factor = if divide { au.factor / bu.factor } else { au.factor * bu.factor };
                let top = if au.name.is_empty() { "1" } else { &au.name };
                let bottom = if bu.name.contains(['*', '/']) { format!("({})", bu.name) } else { bu.name.clone() };
                let name = format!("{top}{}{bottom}", if divide { "/" } else { "*" });
                Some((Type::Real(dim), hir::ShownUnit { name, factor }))
            }
        }
    }

    fn name(&mut self, name: &str, span: Span, names: &mut dyn Names) -> Option<Typed> {
        if let Some(frame) = self.frames.last() {
            if let Some(v) = frame.get(name) {
                return Some(v.clone());
            }
        } else if let Some(meaning) = names.lookup(name, span, self) {
            return self.meaning(name, meaning, span);
        }
        let (i, j) = names.indices();
        match name {
            "pi" => return Some(plain(ExprKind::Const(std::f64::consts::PI), Type::Real(Dim::NONE), span)),
            "inf" => {
                let t = plain(ExprKind::Const(f64::INFINITY), Type::Real(Dim::NONE), span);
                return Some(Typed { any: true, ..t });
            }
            "dt" => return Some(plain(ExprKind::Const(self.globals.dt), Type::Real(Dim::TIME), span)),
            "t" if self.frames.is_empty() => {
                if let Err(why) = names.time() {
                    self.error(Diagnostic::new(Code::E0101, span, why));
                    return None;
                }
                return Some(plain(ExprKind::Time, Type::Real(Dim::TIME), span));
            }
            "i" if i && self.frames.is_empty() => {
                let side = if j { Side::Pre } else { Side::Own };
                return Some(plain(ExprKind::Index(side), Type::Int, span));
            }
            "j" if j && self.frames.is_empty() => return Some(plain(ExprKind::Index(Side::Post), Type::Int, span)),
            "N" if self.frames.is_empty() => {
                let taken = self.scope.names.get("N").map(|(s, _)| s);
                let value = matches!(taken, Some(Symbol::Global(_) | Symbol::Table(_) | Symbol::Poisoned));
                match names.count() {
                    // Where neurons are chosen, the name of a population is that population.
                    Count::One(Some(n)) if taken.is_none() => {
                        return Some(plain(ExprKind::Const(n as f64), Type::Int, span));
                    }
                    Count::One(Some(n)) if !value => {
                        let d = self.named_n(span);
                        self.error(d.help(format!("for the number of neurons write {n}, or a `param` that gives it")));
                        return None;
                    }
                    Count::One(None) if !value => return Some(plain(ExprKind::Size(Side::Own), Type::Int, span)),
                    Count::Two(sizes) if !value => {
                        let d = self.ambiguous_size(sizes, span);
                        self.error(d);
                        return None;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        match self.scope.names.get(name) {
            Some((Symbol::Global(k), _)) => {
                let g = self.globals.values.get(*k).cloned().flatten()?;
                let kind = if g.ty == Type::Bool { ExprKind::Bool(g.value != 0.0) } else { ExprKind::Const(g.value) };
                let origin = Some((g.span, Said::is(name, g.ty)));
                return Some(Typed { any: g.any, origin, ..plain(kind, g.ty, span) });
            }
            Some((Symbol::Poisoned, _)) => return None,
            Some((symbol, declared)) => {
                if let Some(def) = units::lookup(name) {
                    return Some(plain(ExprKind::Const(def.factor), Type::Real(def.dim), span));
                }
                let what = what_is(symbol);
                let d = Diagnostic::new(Code::E0205, span, format!("`{name}` is {what}, not a number"))
                    .also(*declared, "declared here");
                self.error(d);
                return None;
            }
            None => {}
        }
        if let Some(def) = units::lookup(name) {
            return Some(plain(ExprKind::Const(def.factor), Type::Real(def.dim), span));
        }
        if name == "xi" || name.starts_with("xi_") {
            return self.noise(name, span, names);
        }
        let d = self.unknown(name, span, names);
        self.error(d);
        None
    }

    /// `N` where two populations meet.
    fn ambiguous_size(&self, sizes: Option<(u64, u64)>, span: Span) -> Diagnostic {
        let d = match self.scope.names.get("N") {
            Some(_) => self.named_n(span),
            None => Diagnostic::new(Code::E0101, span, "`N` is ambiguous here: two populations meet").label(
                sizes.map_or_else(String::new, |(pre, post)| {
                    format!("{pre} neurons before the synapse, {post} behind it")
                }),
            ),
        };
        d.help("write `pre.N` or `post.N` for the number of neurons in the source or the target population")
    }

    /// `N` where the program declares something of this name that has no value.
    fn named_n(&self, span: Span) -> Diagnostic {
        let Some((symbol, declared)) = self.scope.names.get("N") else {
            return Diagnostic::new(Code::E0101, span, "unknown name `N`");
        };
        Diagnostic::new(Code::E0205, span, format!("`N` is {}, not a number", what_is(symbol)))
            .also(*declared, "declared here")
    }

    fn unknown(&mut self, name: &str, span: Span, names: &dyn Names) -> Diagnostic {
        if let Some(d) = foreign::name(name, span, names) {
            return d;
        }
        let local = if self.frames.is_empty() {
            names.all()
        } else {
            self.frames.last().map(|f| f.keys().cloned().collect()).unwrap_or_default()
        };
        let d = Diagnostic::new(Code::E0101, span, format!("unknown name `{name}`"));
        let top = self.scope.names.iter().filter(|(_, (s, _))| matches!(s, Symbol::Global(_) | Symbol::Table(_)));
        let candidates = local.iter().map(String::as_str).chain(top.map(|(n, _)| n.as_str()));
        match nearest(name, candidates) {
            Some(n) => d.help(format!("did you mean `{n}`?")).fix(span, n),
            None if local.is_empty() => d.note("looked among the top-level constants and parameters"),
            None => d.note(format!("looked among {} and the top-level constants", list(&local))),
        }
    }

    fn meaning(&mut self, name: &str, meaning: Meaning, span: Span) -> Option<Typed> {
        match meaning {
            Meaning::Var(side, id, ty, declared) => {
                let ty = ty?;
                let t = plain(ExprKind::Var(side, id), ty, span);
                Some(Typed { origin: Some((declared, Said::is(name, ty))), ..t })
            }
            Meaning::Let(id, ty, declared) => {
                let ty = ty?;
                let t = plain(ExprKind::Let(id), ty, span);
                Some(Typed { origin: Some((declared, Said::is(name, ty))), ..t })
            }
            Meaning::Local(id, ty, declared) => {
                let t = plain(ExprKind::Local(id), ty, span);
                Some(Typed { origin: Some((declared, Said::is(name, ty))), ..t })
            }
            Meaning::Faulty => None,
        }
    }

    fn unary(&mut self, op: ast::UnaryOp, operand: &ast::Expr, span: Span, names: &mut dyn Names) -> Option<Typed> {
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
    fn inside(&mut self, x: &ast::Expr, range: &ast::Expr, span: Span, names: &mut dyn Names) -> Option<Typed> {
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

    fn power(&mut self, l: Typed, r: Typed, span: Span) -> Option<Typed> {
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
    fn numeric(&mut self, t: Typed) -> Option<Typed> {
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
        self.error(mismatch::operands(&l, &r, at, what));
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
        self.error(mismatch::place(&t, ty, &what, because));
        None
    }

    fn call(
        &mut self,
        name: &str,
        name_span: Span,
        args: &[ast::Arg],
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Typed> {
        if let Some((Symbol::Fn { params, body }, declared)) = self.scope.names.get(name) {
            return self.inline(name, params, body, *declared, args, span, names);
        }
        if let Some(row) = Builtin::named(name) {
            return self.builtin(row, args, span, names);
        }
        if let Some(row) = Dist::named(name) {
            if !names.draws() {
                self.error(
                    Diagnostic::new(
                        Code::E0304,
                        span,
                        format!("`{name}` draws a random number, which an equation cannot do at every step"),
                    )
                    .help("use a parameter or an initial value drawn once per element: `param r = uniform(0, 1)`"),
                );
                return None;
            }
            return self.draw(row, args, span, names);
        }
        if name == "array" {
            return self.file_array(args, span, names);
        }
        if name == "truncated" {
            return self.truncated(args, span, names);
        }
        if name == "timed" {
            return self.timed(args, span, names);
        }
        if matches!(self.scope.names.get(name), Some((Symbol::Poisoned, _))) {
            return None;
        }
        if let Some(d) = foreign::function(name, name_span, names.draws()) {
            self.error(d);
            return None;
        }
        let d = Diagnostic::new(Code::E0101, name_span, format!("unknown function `{name}`"));
        let known = crate::builtins::TABLE.iter().map(|r| r.name).chain(crate::builtins::DISTS.iter().map(|r| r.name));
        let fns = self.scope.names.iter().filter(|(_, (s, _))| matches!(s, Symbol::Fn { .. })).map(|(n, _)| n.as_str());
        let d = if matches!(
            name,
            "sum"
                | "mean"
                | "std"
                | "argmax"
                | "argmin"
                | "norm"
                | "count"
                | "rate"
                | "cv_isi"
                | "synchrony"
                | "spikes"
                | "accuracy"
        ) {
            Diagnostic::new(
                Code::E0502,
                name_span,
                format!("`{name}` works on whole populations, in experiments, procedures and tests only"),
            )
        } else if matches!(name, "kaiming" | "xavier") {
            Diagnostic::new(Code::E0901, name_span, format!("`{name}` is not supported yet"))
        } else {
            match nearest(name, known.chain(fns)) {
                Some(n) => d.help(format!("did you mean `{n}`?")).fix(name_span, n),
                None => d,
            }
        };
        self.error(d);
        None
    }

    /// Types the arguments of a call by position or name; `None` if one is faulty, missing or too many.
    fn arguments(
        &mut self,
        name: &str,
        params: &[&str],
        args: &[ast::Arg],
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Vec<Typed>> {
        let mut slots: Vec<Option<Typed>> = vec![None; params.len()];
        let mut ok = true;
        let signature = format!("{name}({})", params.join(", "));
        for (k, arg) in args.iter().enumerate() {
            let value = self.expr(&arg.value, names);
            let slot = match &arg.name {
                None => k,
                Some(n) => match params.iter().position(|p| *p == n.node) {
                    Some(p) => p,
                    None => {
                        self.error(
                            Diagnostic::new(Code::E0105, n.span, format!("`{name}` has no argument `{}`", n.node))
                                .help(format!("it is `{signature}`")),
                        );
                        ok = false;
                        continue;
                    }
                },
            };
            if slot >= params.len() {
                self.error(
                    Diagnostic::new(Code::E0105, arg.span, format!("`{name}` takes {} arguments", params.len()))
                        .help(format!("it is `{signature}`")),
                );
                ok = false;
                break;
            }
            ok &= value.is_some();
            slots[slot] = value;
        }
        if !ok {
            return None;
        }
        if let Some(missing) = slots.iter().position(Option::is_none) {
            self.error(
                Diagnostic::new(
                    Code::E0105,
                    span,
                    format!("the argument `{}` of `{name}` is missing", params[missing]),
                )
                .help(format!("it is `{signature}`")),
            );
            return None;
        }
        slots.into_iter().collect()
    }

    fn builtin(
        &mut self,
        row: &'static crate::builtins::Row,
        args: &[ast::Arg],
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Typed> {
        const PARAMS: [&[&str]; 4] = [&[], &["x"], &["x", "y"], &["x", "lo", "hi"]];
        let mut values = self.arguments(row.name, PARAMS[row.args.min(3)], args, span, names)?;
        let mut dim = Dim::NONE;
        match row.rule {
            DimRule::Bare => {
                for v in &values {
                    if !v.dim().is_none() && !v.any {
                        self.error(mismatch::bare_argument(row.name, v));
                        return None;
                    }
                }
            }
            DimRule::Same => {
                for k in 1..values.len() {
                    let (a, b, _) = self.same(
                        values[0].clone(),
                        values[k].clone(),
                        span,
                        &format!("the arguments of `{}`", row.name),
                    )?;
                    values[0] = a;
                    values[k] = b;
                }
                dim = values.first().map_or(Dim::NONE, Typed::dim);
                // An int stays one under these.
                for v in &mut values {
                    *v = Typed { expr: as_dim(real(v.expr.clone()), dim), ..v.clone() };
                }
            }
            DimRule::ToBare => {}
            DimRule::Root => {
                dim = values[0].dim().pow(Ratio::new(1, 2).unwrap_or(Ratio::ZERO));
            }
        }
        let mut exprs = Vec::new();
        for v in values {
            exprs.push(real(self.numeric(v)?.expr));
        }
        let constants: Option<Vec<f64>> = exprs
            .iter()
            .map(|e| match e.kind {
                ExprKind::Const(x) => Some(x),
                _ => None,
            })
            .collect();
        let kind = match constants {
            Some(c) => ExprKind::Const(row.builtin.eval(&c)),
            None => ExprKind::Call(row.builtin, exprs),
        };
        Some(plain(kind, Type::Real(dim), span))
    }

    fn draw(
        &mut self,
        row: &'static crate::builtins::DistRow,
        args: &[ast::Arg],
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Typed> {
        let site = self.sites;
        self.sites += 1;
        let mut values = self.arguments(row.name, row.params, args, span, names)?;
        let bare = |k: usize| {
            matches!((row.dist, k), (Dist::Lognormal | Dist::Bernoulli | Dist::PoissonCount, _) | (Dist::Gamma, 0))
        };
        for (k, v) in values.iter().enumerate() {
            if bare(k) && !v.dim().is_none() && !v.any {
                self.error(mismatch::bare_argument(row.name, v));
                return None;
            }
        }
        let mut dim = Dim::NONE;
        match row.dist {
            Dist::Uniform | Dist::Normal | Dist::Randint => {
                let what = format!("the arguments of `{}`", row.name);
                let (a, b, ty) = self.same(values[0].clone(), values[1].clone(), span, &what)?;
                dim = ty.dim();
                values = vec![a, b];
            }
            Dist::Exponential => dim = values[0].dim(),
            Dist::Gamma => dim = values[1].dim(),
            Dist::Lognormal | Dist::Bernoulli | Dist::PoissonCount => {}
        }
        let ty = if matches!(row.dist, Dist::Randint | Dist::PoissonCount) { Type::Int } else { Type::Real(dim) };
        let args = values.into_iter().map(|v| real(v.expr)).collect();
        Some(plain(ExprKind::Draw { dist: row.dist, args, site, truncated: false }, ty, span))
    }

    fn file_array(&mut self, args: &[ast::Arg], span: Span, names: &dyn Names) -> Option<Typed> {
        let text = |k: usize| match args.get(k).map(|a| &strip(&a.value).kind) {
            Some(ast::ExprKind::Str(s)) => Some(s.clone()),
            _ => None,
        };
        let (Some(path), Some(key), 2) = (text(0), text(1), args.len()) else {
            self.error(
                Diagnostic::new(Code::E0105, span, "`array` takes the name of a file and of an array in it")
                    .help("write `array(\"start.npz\", \"v\") * 1 mV`"),
            );
            return None;
        };
        if !names.draws() {
            self.error(
                Diagnostic::new(Code::E0205, span, "an array from a file has no single value here")
                    .help("use it as an initial value, an argument of a population or synapse, in `timed`, or as a list: `const K = array(…)`"),
            );
            return None;
        }
        Some(plain(ExprKind::FileArray { path, key }, Type::Real(Dim::NONE), span))
    }

    fn inline(
        &mut self,
        name: &str,
        params: &[(ast::Ident, Option<ast::TypeExpr>)],
        body: &ast::Expr,
        declared: Span,
        args: &[ast::Arg],
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Typed> {
        if self.inlining.iter().any(|n| n == name) {
            self.error(
                Diagnostic::new(Code::E0106, span, format!("the function `{name}` calls itself"))
                    .also(declared, "declared here")
                    .help("functions are formulas: they cannot be recursive"),
            );
            return None;
        }
        let words: Vec<&str> = params.iter().map(|(n, _)| n.node.as_str()).collect();
        let values = self.arguments(name, &words, args, span, names)?;
        let mut frame = BTreeMap::new();
        for ((param, ty), value) in params.iter().zip(values) {
            let value = match ty {
                None => value,
                Some(ty) => {
                    let (t, _) = self.declared(ty)?;
                    let what = format_args!("the argument `{}` of `{name}`", param.node);
                    let because = Some((ty.span, Said::Words("declared here".into())));
                    let expr = self.expect(value.clone(), t, what, because)?;
                    Typed { expr, any: false, ..value }
                }
            };
            frame.insert(param.node.clone(), value);
        }
        self.inlining.push(name.to_owned());
        self.frames.push(frame);
        let result = self.expr(body, names);
        self.frames.pop();
        self.inlining.pop();
        result.map(|t| Typed { origin: Some((declared, Said::Words(format!("from `{name}`").into()))), ..t })
    }

    /// `K[i]` of a constant list.
    fn index(&mut self, base: &ast::Expr, index: &ast::Index, span: Span, names: &mut dyn Names) -> Option<Typed> {
        if let ast::ExprKind::Name(name) = &base.kind
            && let Some((Symbol::Table(k), _)) = self.scope.names.get(name)
        {
            let (table, ty) = self.globals.tables.get(*k)?.clone();
            let width = self.globals.widths.get(*k).copied().unwrap_or(0);
            if index.items.len() != if width > 0 { 2 } else { 1 } {
                let d = Diagnostic::new(Code::E0402, index.span, format!("`{name}` has another number of indices"));
                self.error(d.help(if width > 0 {
                    format!("it is a table: write `{name}[row, column]`")
                } else {
                    format!("it is a list: write `{name}[k]`")
                }));
                return None;
            }
            if width > 0 {
                return self.cell(name, &table, width, ty, index, span, names);
            }
            let at = self.expr(&index.items[0], names)?;
            if at.expr.ty != Type::Int {
                self.error(Diagnostic::new(Code::E0205, at.expr.span, "an index must be a whole number"));
                return None;
            }
            if let ExprKind::Const(x) = at.expr.kind {
                return match table.get(x as usize) {
                    Some(v) if x >= 0.0 => Some(plain(ExprKind::Const(*v), ty, span)),
                    _ => {
                        let d = Diagnostic::new(
                            Code::E0402,
                            index.span,
                            format!("index {x} is out of range: `{name}` has {} values", table.len()),
                        );
                        self.error(d);
                        None
                    }
                };
            }
            return Some(plain(ExprKind::Table(table, Box::new(at.expr)), ty, span));
        }
        if matches!(&base.kind, ast::ExprKind::Name(n) if matches!(self.scope.names.get(n), Some((Symbol::Poisoned, _))))
        {
            return None;
        }
        let inside: Vec<&ast::Expr> = index.items.iter().collect();
        if let Some(d) = foreign::in_brackets(base, &inside, span).filter(|d| d.code == Code::E0003) {
            self.error(d);
            return None;
        }
        self.error(
            Diagnostic::new(Code::E0205, span, "only constant lists can be indexed here")
                .help("declare `const K = [1, 2, 3]` at the top level"),
        );
        None
    }

    /// `K[row, column]` of a constant table.
    fn cell(
        &mut self,
        name: &str,
        table: &[f64],
        width: usize,
        ty: Type,
        index: &ast::Index,
        span: Span,
        names: &mut dyn Names,
    ) -> Option<Typed> {
        let mut at = Vec::new();
        for (item, most) in index.items.iter().zip([table.len() / width.max(1), width]) {
            let e = self.expr(item, names)?.expr;
            match if e.ty == Type::Int { super::consts::fixed(&e) } else { None } {
                Some(x) if x >= 0.0 && (x as usize) < most => at.push(x as usize),
                Some(x) => {
                    self.error(
                        Diagnostic::new(Code::E0402, item.span, format!("index {x} is out of range in `{name}`"))
                            .help(format!("this index of the table runs from 0 to {}", most.saturating_sub(1))),
                    );
                    return None;
                }
                None => {
                    self.error(
                        Diagnostic::new(Code::E0205, item.span, "an index of a table must be a known whole number")
                            .help("use numbers, `const`s and the variable of a `for` around connections"),
                    );
                    return None;
                }
            }
        }
        let [row, column] = at.as_slice() else { return None };
        table.get(row * width + column).map(|x| plain(ExprKind::Const(*x), ty, span))
    }

    /// `pre.x`, `post.x`, `pre.N`, `edge.x`.
    fn member(&mut self, base: &ast::Expr, member: &ast::Ident, span: Span, names: &mut dyn Names) -> Option<Typed> {
        if let ast::ExprKind::Name(n) = &base.kind {
            let side = match n.as_str() {
                "pre" => Some(Side::Pre),
                "post" => Some(Side::Post),
                _ => None,
            };
            if let (Some(side), Count::Two(sizes), "N") = (side, names.count(), member.node.as_str()) {
                let kind = match (sizes, side) {
                    (None, _) => ExprKind::Size(side),
                    (Some((_, post)), Side::Post) => ExprKind::Const(post as f64),
                    (Some((pre, _)), _) => ExprKind::Const(pre as f64),
                };
                return Some(plain(kind, Type::Int, span));
            }
            if let (Some(side), true) = (side, names.indices().1) {
                return match names.side(side, &member.node) {
                    Some(Ok(m)) => self.meaning(&format!("{n}.{}", member.node), m, span),
                    Some(Err(known)) => {
                        let mut d = Diagnostic::new(
                            Code::E0104,
                            member.span,
                            format!("the {n}synaptic neuron has no variable `{}`", member.node),
                        );
                        d = match nearest(&member.node, known.iter().map(String::as_str)) {
                            Some(m) => d.help(format!("did you mean `{n}.{m}`?")).fix(member.span, m),
                            None => d.note(format!("it has {}", list(&known))),
                        };
                        self.error(d);
                        None
                    }
                    // The model is checked by itself, without its ends.
                    None => None,
                };
            }
            if n == "edge" && names.indices().1 && names.draws() {
                return Some(plain(ExprKind::EdgeColumn(member.node.clone()), Type::Real(Dim::NONE), span));
            }
            if let Some((symbol, _)) = self.scope.names.get(n) {
                if matches!(symbol, Symbol::Poisoned) {
                    return None;
                }
                if let Symbol::Pop(p) = symbol
                    && let Some(found) = names.other(*p, &member.node)
                {
                    let (var, ty, declared) = match found {
                        Ok(v) => v,
                        Err(known) => {
                            let d = Diagnostic::new(
                                Code::E0104,
                                member.span,
                                format!("`{n}` has no variable `{}`", member.node),
                            );
                            self.error(match nearest(&member.node, known.iter().map(String::as_str)) {
                                Some(m) => d.help(format!("did you mean `{n}.{m}`?")).fix(member.span, m),
                                None => d.note(format!("it has {}", list(&known))),
                            });
                            return None;
                        }
                    };
                    if let Some((theirs, 0)) = names.unfit(*p) {
                        self.error(
                            Diagnostic::new(
                                Code::E0405,
                                span,
                                format!("`{n}` has {theirs} neurons, but the synapses follow one value"),
                            )
                            .help("follow a population of one neuron; `pre.x` and `post.x` are the neurons at a synapse's ends"),
                        );
                        return None;
                    }
                    if let Some((theirs, own)) = names.unfit(*p) {
                        self.error(
                            Diagnostic::new(
                                Code::E0405,
                                span,
                                format!("`{n}` has {theirs} neurons, but this population has {own}"),
                            )
                            .help("follow a population of the same size or of one neuron; `connect` links others"),
                        );
                        return None;
                    }
                    let ty = if ty == Type::Int { Type::Real(Dim::NONE) } else { ty };
                    let said = Said::Is(format!("{n}.{}", member.node).into(), ty);
                    let t = plain(ExprKind::Other(*p, var), ty, span);
                    return Some(Typed { origin: Some((declared, said)), ..t });
                }
                if matches!(symbol, Symbol::Pop(_) | Symbol::View(_) | Symbol::Proj(_)) {
                    self.error(
                        Diagnostic::new(Code::E0104, span, format!("`{n}.{}` cannot be read here", member.node))
                            .label("models see their own names, constants and functions")
                            .help(format!(
                                "declare an `input` in the model and bind it where the model is used: `M(x = {n}.{})`; or assign it in an experiment",
                                member.node
                            )),
                    );
                    return None;
                }
            }
        }
        self.error(Diagnostic::new(Code::E0104, span, "there is nothing with members of this kind here"));
        None
    }
}

pub(crate) fn plain(kind: ExprKind, ty: Type, span: Span) -> Typed {
    Typed { expr: hir::Expr { kind, ty, span }, any: false, bare_literal: false, origin: None }
}

fn none() -> hir::ShownUnit {
    hir::ShownUnit { name: String::new(), factor: 1.0 }
}

/// An int becomes a real.
pub(crate) fn real(e: hir::Expr) -> hir::Expr {
    if e.ty != Type::Int {
        return e;
    }
    let span = e.span;
    let ty = Type::Real(Dim::NONE);
    match e.kind {
        ExprKind::Const(x) => hir::Expr { kind: ExprKind::Const(x), ty, span },
        _ => hir::Expr { kind: ExprKind::ToReal(Box::new(e)), ty, span },
    }
}

fn as_dim(mut e: hir::Expr, dim: Dim) -> hir::Expr {
    e.ty = Type::Real(dim);
    e
}

/// Without its parentheses.
pub(crate) fn strip(e: &ast::Expr) -> &ast::Expr {
    match &e.kind {
        ast::ExprKind::Paren(inner) => strip(inner),
        _ => e,
    }
}

/// Names in a row: "`a`, `b` and `c`".
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => format!("`{one}`"),
        [all @ .., last] => {
            format!("{} and `{last}`", all.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A number of a type.
pub(crate) fn number(x: f64, ty: Type, span: Span) -> Typed {
    plain(ExprKind::Const(x), ty, span)
}

/// What a symbol is, with an article.
pub(crate) fn what_is(symbol: &Symbol) -> &'static str {
    match symbol {
        Symbol::Global(_) => "a constant",
        Symbol::Table(_) => "a list of constants",
        Symbol::Data(_) => "a data set",
        Symbol::Neuron => "a neuron model",
        Symbol::Synapse => "a synapse model",
        Symbol::Pop(_) => "a population",
        Symbol::View(_) => "a part of a population",
        Symbol::Proj(_) => "a projection",
        Symbol::Readout(_) => "a readout",
        Symbol::Fn { .. } => "a function",
        Symbol::Procedure { .. } => "a procedure",
        Symbol::Experiment => "an experiment",
        Symbol::Kernel => "a kernel",
        Symbol::Poisoned => "faulty",
    }
}
