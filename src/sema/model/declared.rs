//! Variables and `let`s of a model: declared in any order, each typed when first needed, so that circles are found.

use std::sync::Arc;

use super::{ModelCx, Progress, Slot, written_unit};
use crate::diag::{Code, Diagnostic};
use crate::hir::{ExprKind, LetDecl, LetId, Role, ShownUnit, Type};
use crate::sema::infer::{Names, Typer, strip};
use crate::sema::mismatch::Said;
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;
use crate::{hir, units};

impl ModelCx<'_> {
    /// Types every declaration.
    pub(crate) fn declarations(&mut self, typer: &mut Typer<'_>) {
        self.derivatives_of_nothing(typer);
        for k in 0..self.vars.len() {
            let span = self.vars[k].name.span;
            self.resolve_var(k, span, typer);
        }
        for k in 0..self.lets.len() {
            let span = self.lets[k].decl.name.span;
            self.resolve_let(k, span, typer);
        }
    }

    /// Reports equations of states that are not declared; other uses of their names stay silent.
    pub(super) fn derivatives_of_nothing(&mut self, typer: &mut Typer<'_>) {
        let (model, known) = (self.model, self.all());
        for item in &model.items {
            let ast::ModelItemKind::Ode { var, .. } = &item.kind else { continue };
            if self.names.contains_key(var.node.as_str()) {
                continue;
            }
            let d = Diagnostic::new(
                Code::E0301,
                var.span,
                format!("there is no state `{}` to take the derivative of", var.node),
            );
            typer.error(match crate::units::nearest::nearest(&var.node, known.iter().map(String::as_str)) {
                Some(n) => d.help(format!("did you mean `d{n}/dt`?")),
                None => d.help(format!("declare it with its initial value: `state {} = …`", var.node)),
            });
            self.names.insert(&var.node, Slot::Faulty);
        }
    }

    pub(super) fn circle(&mut self, name: &str, span: Span, typer: &mut Typer<'_>) {
        let from = self.busy.iter().position(|n| *n == name).unwrap_or(0);
        let mut path: Vec<&str> = self.busy[from..].to_vec();
        path.push(name);
        let shown = path.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" → ");
        typer.error(
            Diagnostic::new(Code::E0106, span, format!("these definitions depend on each other in a circle: {shown}"))
                .help("one of them needs a value of its own"),
        );
    }

    pub(super) fn resolve_var(&mut self, k: usize, span: Span, typer: &mut Typer<'_>) {
        match self.vars[k].state {
            Progress::Done => return,
            Progress::Busy => {
                let name = &self.vars[k].name.node;
                return self.circle(name, span, typer);
            }
            Progress::Todo => {}
        }
        self.vars[k].state = Progress::Busy;
        self.busy.push(&self.vars[k].name.node);
        let saved = (self.draws, self.initial, typer.sites, std::mem::take(&mut self.locals));
        let noise = std::mem::replace(&mut self.noise_ok, false);
        // A neuron's parameters and inputs may follow the time, and so may a synapse's inputs.
        let role = self.vars[k].role;
        let follows = role == Role::Input || !self.synapse && role == Role::Param;
        (self.draws, self.initial) = (true, !follows);
        typer.new_value();
        self.type_var(k, typer);
        (self.draws, self.initial, typer.sites, self.locals) = saved;
        self.noise_ok = noise;
        self.busy.pop();
        self.vars[k].state = Progress::Done;
        let var = &self.vars[k];
        let valued = var.binding.value.is_none() || var.init.is_some();
        let bounded = var.binding.bounds.is_none() || var.bounds.is_some();
        if var.ty.is_none() || !valued || !bounded {
            self.hole(self.vars[k].name.span, typer);
        }
    }

    pub(super) fn type_var(&mut self, k: usize, typer: &mut Typer<'_>) {
        let binding = self.vars[k].binding;
        let name = &binding.name.node;
        let role = self.vars[k].role;
        let declared = match &binding.ty {
            Some(t) => match typer.declared(t) {
                Some(d) => Some((d, t.span)),
                None => return,
            },
            None => None,
        };
        let value = match &binding.value {
            Some(v) => match typer.expr(v, self) {
                Some(t) => Some(t),
                None => {
                    // The unit may still be known, so that uses of the variable are checked.
                    if let Some(((ty, shown), _)) = declared {
                        self.vars[k].ty = Some(ty);
                        self.vars[k].unit = unusual(&shown, ty);
                        self.vars[k].shown = shown;
                    }
                    return;
                }
            },
            None => None,
        };
        let what = match role {
            Role::State | Role::Weight | Role::Learned => "the initial value",
            Role::Param | Role::Input => "the value",
        };
        let (ty, shown) = match (&declared, &value) {
            (Some(((ty, shown), _)), _) => (*ty, shown.clone()),
            (None, Some(v)) => {
                let ty = match v.expr.ty {
                    Type::Int => Type::Real(Dim::NONE),
                    other => other,
                };
                (ty, written_unit(binding.value.as_ref(), ty.dim()))
            }
            (None, None) => match self.given.get(name) {
                Some(ty) => (*ty, units::show(ty.dim())),
                None if role == Role::Input => (Type::Real(Dim::NONE), units::show(Dim::NONE)),
                None if matches!(role, Role::State | Role::Learned) => {
                    typer.error(needs_initial(binding));
                    return;
                }
                // Arguments give it a unit, or `instantiate` says that one is missing.
                None if self.synapse => return,
                None => {
                    typer.error(
                        Diagnostic::new(Code::E0206, binding.span, format!("`{name}` needs a value or a unit")).help(
                            format!("write `{name}: mV` (with its unit; `: 1` for a bare number), or give it a value"),
                        ),
                    );
                    return;
                }
            },
        };
        if ty == Type::Bool && !self.keeps_truth(k, typer) {
            return;
        }
        self.vars[k].ty = Some(ty);
        self.vars[k].unit = unusual(&shown, ty);
        self.vars[k].shown = shown;
        if let Some(v) = value {
            let because = declared.map(|(_, span)| (span, Said::Declared(name, ty)));
            self.vars[k].init = typer.expect(v, ty, format_args!("{what} of `{name}`"), because);
        } else if matches!(role, Role::State | Role::Learned) {
            typer.error(needs_initial(binding));
        }
        if let Some(bounds) = &binding.bounds {
            self.vars[k].bounds = self.type_bounds(bounds, ty, name, typer);
            if let (Some((lo, hi)), Some(init)) = (&self.vars[k].bounds, &self.vars[k].init)
                && let (ExprKind::Const(lo), ExprKind::Const(hi), ExprKind::Const(x)) = (&lo.kind, &hi.kind, &init.kind)
                && (x < lo || x > hi)
            {
                let d =
                    Diagnostic::new(Code::E0205, init.span, format!("{what} of `{name}` lies outside of its bounds"))
                        .also(bounds.span, "the bounds")
                        .help("change the value or widen the bounds");
                typer.error(d);
            }
        }
    }

    /// Whether a variable may be a truth value: not what synapses add to, and not what learns, since changes of it are added.
    pub(super) fn keeps_truth(&self, k: usize, typer: &mut Typer<'_>) -> bool {
        let (binding, role) = (self.vars[k].binding, self.vars[k].role);
        let name = &binding.name.node;
        let (what, why) = match role {
            Role::State | Role::Param => {
                let Some(bounds) = &binding.bounds else { return true };
                typer.error(
                    Diagnostic::new(Code::E0205, bounds.span, format!("`{name}` is a truth value and has no bounds"))
                        .label("only numbers have bounds")
                        .help("leave out the bounds"),
                );
                return false;
            }
            Role::Input => ("an input", "amounts are added to it"),
            Role::Weight => ("a weight", "learning adds to it"),
            Role::Learned => ("a learned variable", "changes of it are added"),
        };
        typer.error(
            Diagnostic::new(Code::E0205, binding.span, format!("`{name}` is {what} and cannot be a truth value"))
                .label(why)
                .help("make it a `state`, or use 0 and 1 and compare: `flag > 0`"),
        );
        false
    }

    pub(super) fn type_bounds(
        &mut self,
        bounds: &ast::Expr,
        ty: Type,
        name: &str,
        typer: &mut Typer<'_>,
    ) -> Option<(hir::Expr, hir::Expr)> {
        let ast::ExprKind::List(ends) = &strip(bounds).kind else { return None };
        let [lo, hi] = ends.as_slice() else {
            typer.error(
                Diagnostic::new(Code::E0205, bounds.span, format!("the bounds of `{name}` must be two values"))
                    .help("write `in [lowest, highest]`"),
            );
            return None;
        };
        let what = format_args!("a bound of `{name}`");
        let lo = typer.expr(lo, self).and_then(|t| typer.expect(t, ty, what, None));
        let hi = typer.expr(hi, self).and_then(|t| typer.expect(t, ty, what, None));
        let (lo, hi) = (lo?, hi?);
        if let (ExprKind::Const(a), ExprKind::Const(b)) = (&lo.kind, &hi.kind)
            && a > b
        {
            typer.error(
                Diagnostic::new(Code::E0205, bounds.span, format!("the bounds of `{name}` are in the wrong order"))
                    .help("the lower one comes first"),
            );
            return None;
        }
        Some((lo, hi))
    }

    pub(super) fn resolve_let(&mut self, k: usize, span: Span, typer: &mut Typer<'_>) {
        match self.lets[k].state {
            Progress::Done => return,
            Progress::Busy => {
                let name = &self.lets[k].decl.name.node;
                return self.circle(name, span, typer);
            }
            Progress::Todo => {}
        }
        self.lets[k].state = Progress::Busy;
        let decl = self.lets[k].decl;
        self.busy.push(&decl.name.node);
        let saved = (self.draws, self.initial, std::mem::take(&mut self.locals));
        (self.draws, self.initial) = (false, false);
        let noise = std::mem::replace(&mut self.noise_ok, true);
        if let Some(filter) = &decl.filter {
            typer.error(Diagnostic::new(
                Code::E0302,
                filter.span,
                "`where` selects neurons of a population; a model's `let` has none",
            ));
        }
        let typed = typer.expr(&decl.value, self);
        let expr = match (typed, &decl.ty) {
            (Some(t), Some(ty)) => typer.declared(ty).and_then(|(want, _)| {
                let what = format_args!("the value of `{}`", decl.name.node);
                typer.expect(t, want, what, Some((ty.span, Said::Words("declared here".into()))))
            }),
            (Some(t), None) => Some(t.expr),
            (None, _) => None,
        };
        (self.draws, self.initial, self.locals) = saved;
        self.noise_ok = noise;
        self.busy.pop();
        if let Some(e) = expr {
            let id = LetId(self.done_lets.len() as u32);
            self.lets[k].ty = Some(e.ty);
            self.lets[k].id = Some(id);
            self.done_lets.push(LetDecl { name: decl.name.node.clone(), value: e });
        } else {
            self.hole(decl.name.span, typer);
        }
        self.lets[k].state = Progress::Done;
    }
}

/// A state without its first value.
fn needs_initial(binding: &ast::Binding) -> Diagnostic {
    let name = &binding.name.node;
    Diagnostic::new(Code::E0105, binding.span, format!("the state `{name}` needs an initial value"))
        .help(format!("write `{name} = …`; the value also gives the unit"))
}

/// The name of a unit that is not the usual one of its dimension: `nA`, `V`.
fn unusual(shown: &ShownUnit, ty: Type) -> Option<Arc<str>> {
    // Most units are usual, and it costs less to see that by the factor than to look for the name.
    let usual = shown.name.is_empty() || shown.factor == 1.0;
    (!usual && units::show(ty.dim()).name != shown.name).then(|| shown.name.as_str().into())
}
