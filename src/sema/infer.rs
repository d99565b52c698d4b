//! Types, dimensions and values of expressions: syntax → typed expressions. One [`Typer`] checks the expressions of one place (a
//! model, the arguments of a population, a top-level constant); what names mean there is told by its [`Names`].
//!
//! A faulty expression is reported once and gives `None`: consequences stay silent.

mod calls;
mod names;
mod operators;
mod places;
mod special;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::foreign;
use super::mismatch::{self, Said};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{self, ExprKind, LetId, LocalId, PopId, Side, Type, VarId};
use crate::sema::scope::{Scope, Symbol};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::{self, Dim};

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
    Var(Side, VarId, Option<Type>, Span, Option<Arc<str>>),
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

    /// Why numbers cannot be drawn here, and what to write instead of the call of a distribution.
    fn no_draw(&self, _distribution: &str) -> (&'static str, String) {
        ("and this is one number for the whole program", "draw where each element has a value of its own: in arguments of populations and connections, in parameters and initial values".to_owned())
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
    /// Declarations that reported faults may be due to.
    blamed: Vec<mismatch::Blame>,
}

impl<'a> Typer<'a> {
    pub(crate) fn new(scope: &'a Scope, globals: &'a Globals, sink: &'a mut Sink) -> Self {
        Self { scope, globals, sink, inlining: Vec::new(), frames: Vec::new(), sites: 0, blamed: Vec::new() }
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
        let items = &self.sink.items;
        if !items.contains(&d) && !self.sink.is_missed_before(&d) && !mismatch::follows(&d, items) {
            self.sink.push(d);
        }
    }

    /// Reports a fault that would be none if one of some declarations had another unit. What blames the same declaration in the same way
    /// as a fault before is shown with that one.
    pub(crate) fn error_or_declaration(&mut self, d: Diagnostic, blames: Vec<mismatch::Blame>) {
        let Some(at) = d.primary.as_ref().map(|l| l.span) else { return self.error(d) };
        for new in &blames {
            let Some(old) = self.blamed.iter().find(|b| b.same(new) && b.at != at) else { continue };
            let first = |o: &&mut Diagnostic| o.primary.as_ref().is_some_and(|l| l.span == old.at);
            if let Some(first) = self.sink.items.iter_mut().find(first) {
                old.join(first, at);
                return;
            }
        }
        let before = self.sink.items.len();
        self.error(d);
        if self.sink.items.len() > before {
            self.blamed.extend(blames);
        }
    }

    /// Types an expression.
    pub(crate) fn expr(&mut self, e: &ast::Expr, names: &mut dyn Names) -> Option<Typed> {
        let span = e.span;
        match &e.kind {
            ast::ExprKind::Number { value, is_int, unit } => self.number(*value, *is_int, unit.as_ref(), span, names),
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

    fn number(
        &mut self,
        value: f64,
        is_int: bool,
        unit: Option<&ast::Unit>,
        span: Span,
        names: &dyn Names,
    ) -> Option<Typed> {
        let any = value == 0.0;
        match unit {
            None => {
                let ty = if is_int { Type::Int } else { Type::Real(Dim::NONE) };
                Some(Typed { any, bare_literal: true, ..plain(ExprKind::Const(value), ty, span) })
            }
            Some(u) => {
                let def = match units::lookup_power(&u.name, u.exponent.as_deref()) {
                    Some(def) => def,
                    None if self.is_variable(&u.name, names) => {
                        self.error(foreign::variable_as_unit(value, u));
                        return None;
                    }
                    None => self.unit(u)?,
                };
                Some(plain(ExprKind::Const(def.scale(value)), Type::Real(def.dim), span))
            }
        }
    }

    /// Whether a name stands for a value here.
    fn is_variable(&self, name: &str, names: &dyn Names) -> bool {
        let local = match self.frames.last() {
            Some(frame) => frame.contains_key(name),
            None => names.all().iter().any(|n| n == name),
        };
        local || matches!(self.scope.names.get(name), Some((Symbol::Global(_) | Symbol::Table(_), _)))
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
            d = d.note("a word right after a number, or after the `:` of a declaration, is a unit");
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
