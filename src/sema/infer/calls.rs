//! Calls: built-in functions, distributions, arrays of files, and the functions of the file, which are written out where they are used.

use std::collections::BTreeMap;

use super::{Names, Typed, Typer, as_dim, plain, real, strip};
use crate::builtins::{Builtin, DimRule, Dist};
use crate::diag::{Code, Diagnostic};
use crate::hir::{ExprKind, Type};
use crate::sema::mismatch::Said;
use crate::sema::scope::Symbol;
use crate::sema::{foreign, mismatch};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::nearest::nearest;
use crate::units::{Dim, Ratio};

impl Typer<'_> {
    pub(super) fn call(
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
                let (why, help) = names.no_draw(name);
                let message = format!("`{name}` draws a random number, {why}");
                self.error(Diagnostic::new(Code::E0304, span, message).help(help));
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
                None => d.note("looked among the functions of the language and the `fn`s of the file"),
            }
        };
        self.error(d);
        None
    }

    /// Types the arguments of a call by position or name; `None` if one is faulty, missing or too many.
    pub(super) fn arguments(
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

    pub(super) fn builtin(
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

    pub(super) fn draw(
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

    pub(super) fn file_array(&mut self, args: &[ast::Arg], span: Span, names: &dyn Names) -> Option<Typed> {
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

    pub(super) fn inline(
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
}
