//! Expressions with rules of their own: white noise, truncated distributions, tables followed in time.

use std::sync::Arc;

use super::{Names, Said, Typed, Typer, plain, real, strip};
use crate::diag::{Code, Diagnostic};
use crate::hir::{ExprKind, Type};
use crate::sema::scope::Symbol;
use crate::sema::tables;
use crate::source::Span;
use crate::syntax::ast;
use crate::units::{Dim, Ratio};

impl Typer<'_> {
    /// `xi`, `xi_name`: white noise of unit s^-1/2.
    pub(super) fn noise(&mut self, name: &str, span: Span, names: &mut dyn Names) -> Option<Typed> {
        let found = if self.frames.is_empty() {
            names.noise(name)
        } else {
            Err("the body of a function has no noise of its own: give it as an argument")
        };
        match found {
            Ok(k) => {
                let dim = Dim::TIME.pow(Ratio::new(-1, 2)?);
                let origin = Some((span, Said::is(name, Type::Real(dim))));
                Some(Typed { origin, ..plain(ExprKind::Noise(k), Type::Real(dim), span) })
            }
            Err(why) => {
                self.error(
                    Diagnostic::new(Code::E0309, span, format!("white noise `{name}` has no value here"))
                        .label(why)
                        .help("add a term with `xi` to an equation, or draw numbers in `every 1 ms { … }`"),
                );
                None
            }
        }
    }

    /// `truncated(dist, lo, hi)`: drawn again until inside.
    pub(super) fn truncated(&mut self, args: &[ast::Arg], span: Span, names: &mut dyn Names) -> Option<Typed> {
        let values = self.arguments("truncated", &["dist", "lo", "hi"], args, span, names)?;
        let [drawn, lo, hi] = <[Typed; 3]>::try_from(values).ok()?;
        let ExprKind::Draw { dist, args: mut all, site, truncated: false } = drawn.expr.kind.clone() else {
            self.error(Diagnostic::new(Code::E0205, drawn.expr.span, "`truncated` takes a distribution").help(
                "write `truncated(normal(1.5 ms, 0.5 ms), 0.1 ms, 3 ms)`; scale the whole, not the distribution",
            ));
            return None;
        };
        let ty = drawn.expr.ty;
        let want = if ty == Type::Int { Type::Real(Dim::NONE) } else { ty };
        let lo = self.expect(lo, want, "the lower end of `truncated`", None)?;
        let hi = self.expect(hi, want, "the upper end of `truncated`", None)?;
        if let (ExprKind::Const(a), ExprKind::Const(b)) = (&lo.kind, &hi.kind)
            && a > b
        {
            self.error(
                Diagnostic::new(Code::E0205, lo.span.to(hi.span), "the ends of `truncated` are in the wrong order")
                    .help("the lower one comes first"),
            );
            return None;
        }
        all.extend([lo, hi]);
        Some(plain(ExprKind::Draw { dist, args: all, site, truncated: true }, ty, span))
    }

    /// `timed(list, step)`: the list's entries one after the other, each for a time `step`.
    pub(super) fn timed(&mut self, args: &[ast::Arg], span: Span, names: &mut dyn Names) -> Option<Typed> {
        let named = |key: &str, at: usize| {
            let by_name = args.iter().find(|a| a.name.as_ref().is_some_and(|n| n.node == key));
            by_name.or_else(|| args.get(at).filter(|a| a.name.is_none()))
        };
        let (Some(list), Some(step), 2) = (named("list", 0), named("step", 1), args.len()) else {
            self.error(
                Diagnostic::new(Code::E0105, span, "`timed` takes a list and the time for which each entry holds")
                    .help("write `timed([0 pA, 200 pA, 0 pA], 100 ms)`"),
            );
            return None;
        };
        if let Err(why) = names.time() {
            self.error(Diagnostic::new(Code::E0101, span, why).label("`timed` follows the time"));
            return None;
        }
        let step = self.expr(&step.value, names)?;
        let step = self.expect(step, Type::Real(Dim::TIME), "the step of `timed`", None)?;
        let ExprKind::Const(x) = step.kind else {
            self.error(Diagnostic::new(Code::E0205, step.span, "the step of `timed` must be a constant"));
            return None;
        };
        if !(x > 0.0 && x.is_finite()) {
            self.error(Diagnostic::new(Code::E0205, step.span, "the step of `timed` must be a positive time"));
            return None;
        }
        let (table, ty) = match &strip(&list.value).kind {
            ast::ExprKind::List(items) if !items.is_empty() => {
                let mut values = Vec::new();
                let mut ty: Option<Typed> = None;
                for item in items {
                    let t = self.expr(item, names)?;
                    let t = Typed { expr: real(self.numeric(t)?.expr), any: false, bare_literal: false, origin: None };
                    let (t, first) = match ty.take() {
                        None => (t.clone(), t),
                        Some(first) => {
                            let (first, t, _) = self.same(first, t, item.span, "the entries of this list")?;
                            (t, first)
                        }
                    };
                    ty = Some(first);
                    let ExprKind::Const(x) = t.expr.kind else {
                        self.error(
                            Diagnostic::new(Code::E0205, item.span, "the entries of `timed` must be constants")
                                .help("multiply the whole by a parameter: `scale * timed(…)`"),
                        );
                        return None;
                    };
                    values.push(x);
                }
                (Arc::from(values), ty?.expr.ty)
            }
            ast::ExprKind::Name(n) => match self.scope.names.get(n) {
                Some((Symbol::Table(k), _)) => {
                    let (table, ty) = self.globals.tables.get(*k)?.clone();
                    let ty = if ty == Type::Int { Type::Real(Dim::NONE) } else { ty };
                    (table, ty)
                }
                Some((Symbol::Poisoned, _)) => return None,
                _ => {
                    self.error(
                        Diagnostic::new(Code::E0205, list.span, format!("`{n}` is no list of constants"))
                            .help("declare `const K = [1 pA, 2 pA]` at the top level"),
                    );
                    return None;
                }
            },
            _ if tables::reads_array(&list.value) => {
                let found = tables::listing(&list.value, self)?;
                (Arc::from(found.values), found.ty)
            }
            _ => {
                self.error(Diagnostic::new(Code::E0205, list.span, "`timed` needs a list of at least one value"));
                return None;
            }
        };
        if table.is_empty() {
            self.error(Diagnostic::new(Code::E0205, list.span, "`timed` needs a list of at least one value"));
            return None;
        }
        Some(plain(ExprKind::Timed(table, x), ty, span))
    }
}
