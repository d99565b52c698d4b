//! What names mean where they stand, and what is said of names that mean nothing there.

use std::borrow::Cow;

use super::{Count, Meaning, Names, Typed, Typer, list, plain, what_is};
use crate::diag::{Code, Diagnostic};
use crate::hir::{ExprKind, Side, Type};
use crate::sema::foreign;
use crate::sema::mismatch::Said;
use crate::sema::scope::Symbol;
use crate::source::Span;
use crate::units::nearest::nearest;
use crate::units::{self, Dim};

impl Typer<'_> {
    pub(super) fn name(&mut self, name: &str, span: Span, names: &mut dyn Names) -> Option<Typed> {
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
    pub(super) fn ambiguous_size(&self, sizes: Option<(u64, u64)>, span: Span) -> Diagnostic {
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
    pub(super) fn named_n(&self, span: Span) -> Diagnostic {
        let Some((symbol, declared)) = self.scope.names.get("N") else {
            return Diagnostic::new(Code::E0101, span, "unknown name `N`");
        };
        Diagnostic::new(Code::E0205, span, format!("`N` is {}, not a number", what_is(symbol)))
            .also(*declared, "declared here")
    }

    pub(super) fn unknown(&mut self, name: &str, span: Span, names: &dyn Names) -> Diagnostic {
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

    pub(super) fn meaning(&mut self, name: &str, meaning: Meaning, span: Span) -> Option<Typed> {
        match meaning {
            Meaning::Var(side, id, ty, declared, unit) => {
                let ty = ty?;
                let t = plain(ExprKind::Var(side, id), ty, span);
                Some(Typed { origin: Some((declared, Said::Is(Cow::Owned(name.to_owned()), ty, unit))), ..t })
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
}
