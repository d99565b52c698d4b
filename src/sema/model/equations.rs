//! The equations of a model: each derivative has its state, and its right side the state's unit per time.

use super::{ModelCx, Slot};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, ExprKind, Ode, Role, Type, VarId};
use crate::sema::infer::{Typer, real};
use crate::sema::mismatch;
use crate::syntax::ast;
use crate::units::Dim;

impl ModelCx<'_> {
    /// Checks the equations; each state has at most one.
    pub(crate) fn odes(&mut self, typer: &mut Typer<'_>) -> Vec<Ode> {
        let mut odes: Vec<Ode> = Vec::new();
        let model = self.model;
        for item in &model.items {
            let ast::ModelItemKind::Ode { coef, var, rhs } = &item.kind else { continue };
            let coef_typed = coef.as_ref().map(|c| self.equation(c, typer));
            self.noise_ok = true;
            let rhs_typed = self.equation(rhs, typer);
            self.noise_ok = false;
            let k = match self.names.get(var.node.as_str()) {
                Some(Slot::Faulty) => {
                    self.hole(item.span, typer);
                    continue;
                }
                Some(Slot::Var(k)) if matches!(self.vars[*k].role, Role::State | Role::Weight | Role::Learned) => *k,
                Some(slot) => {
                    let declared = match slot {
                        Slot::Var(k) => self.vars[*k].name.span,
                        Slot::Let(k) => self.lets[*k].decl.name.span,
                        _ => var.span,
                    };
                    typer.error(
                        Diagnostic::new(
                            Code::E0301,
                            var.span,
                            format!("`{}` is not a state: it has no derivative", var.node),
                        )
                        .help(format!("declare it as `state {}`", var.node))
                        .also(declared, "declared here"),
                    );
                    continue;
                }
                // Reported among the declarations.
                None => {
                    self.hole(item.span, typer);
                    continue;
                }
            };
            if let Some(first) = odes.iter().find(|o| o.var.index() == k) {
                typer.error(
                    Diagnostic::new(Code::E0301, item.span, format!("`{}` has two equations", var.node))
                        .also(first.span, "the first one"),
                );
                continue;
            }
            let whole = match self.vars[k].ty {
                Some(Type::Int) => Some(("a whole number", "declared as `int` here", "leave out `: int`, or change")),
                Some(Type::Bool) => Some(("a truth value", "declared here", "change")),
                _ => None,
            };
            if let Some((what, declared, help)) = whole {
                typer.error(
                    Diagnostic::new(Code::E0301, var.span, format!("`{}` is {what}: it has no derivative", var.node))
                        .also(self.vars[k].name.span, declared)
                        .help(format!("{help} it in `on spike` and `every`")),
                );
                continue;
            }
            let (Some(ty), Some(rhs_typed), false) = (self.vars[k].ty, rhs_typed, matches!(coef_typed, Some(None)))
            else {
                self.hole(item.span, typer);
                continue;
            };
            let left = coef_typed.flatten();
            let rate = ty.dim().div(Dim::TIME);
            let needed = left.as_ref().map_or(rate, |c| c.dim().mul(rate));
            if rhs_typed.dim() != needed && !rhs_typed.any {
                let d = mismatch::derivative(
                    &var.node,
                    ty.dim(),
                    left.as_ref(),
                    &rhs_typed,
                    self.vars[k].name.span,
                    rhs.span,
                );
                let declared = self.vars[k].name.span;
                let blames = mismatch::derivative_blame(&var.node, ty.dim(), declared, needed, &rhs_typed, rhs.span);
                typer.error_or_declaration(d, blames);
                continue;
            }
            let rhs = real(rhs_typed.expr);
            let span = item.span;
            let rhs = match left {
                None => rhs,
                Some(c) => hir::Expr {
                    kind: ExprKind::Binary(hir::BinaryOp::Div, Box::new(rhs), Box::new(real(c.expr))),
                    ty: Type::Real(rate),
                    span,
                },
            };
            odes.push(Ode { var: VarId(k as u32), rhs, span });
        }
        odes
    }
}
