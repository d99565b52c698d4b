//! `minimize`: what is learned from what. Learning by gradient is not built, and no program with it is run; but what such a statement names
//! is looked up, and the statement kept, so that `sema::gradient` can say which of them could not learn in any case.

use crate::diag::{Code, Diagnostic};
use crate::hir::{Role, VarDecl};
use crate::script::expr::var_name;
use crate::script::ir::{Expr, ExprKind, Home, Learning, Place, Ty, is_delay};
use crate::script::lower::Lower;
use crate::script::machine::{Entity, VarKey};
use crate::script::names::{Thing, entity_name, vars};
use crate::script::text;
use crate::source::Span;
use crate::syntax::ast;

/// Losses that are functions of two arguments. They are no functions of protocols yet.
const LOSSES: &[&str] = &["cross_entropy", "mse"];

/// Whether a gradient step may change a variable of this role.
#[must_use]
pub(crate) fn is_trainable(role: Role) -> bool {
    matches!(role, Role::Weight | Role::Learned | Role::Param)
}

impl Lower<'_, '_> {
    /// Notes the statement; it is refused once all of the program is known.
    pub(crate) fn minimize(&mut self, loss: &ast::Expr, over: &[ast::Path], span: Span) {
        let mut parts = Vec::new();
        self.loss(loss, &mut parts);
        let mut targets = Vec::new();
        let mut refused = false;
        for path in over {
            match self.trained(path) {
                Ok(key) => targets.extend(key.map(|k| (k, path.span))),
                Err(d) => {
                    self.err(*d);
                    refused = true;
                }
            }
        }
        let frozen = self.frozen.clone();
        self.learning.push(Learning {
            span,
            loss: parts,
            loss_span: loss.span,
            over: targets,
            frozen,
            refused,
            home: None,
        });
    }

    /// The values that a loss is made of by operations that have derivatives.
    fn loss(&mut self, e: &ast::Expr, parts: &mut Vec<Expr>) {
        use ast::BinaryOp as B;
        match &e.kind {
            ast::ExprKind::Paren(inner) => self.loss(inner, parts),
            ast::ExprKind::Unary { op: ast::UnaryOp::Neg | ast::UnaryOp::Plus, operand, .. } => {
                self.loss(operand, parts);
            }
            ast::ExprKind::Binary { op: B::Add | B::Sub | B::Mul | B::Div, left, right, .. } if has_loss(e) => {
                self.loss(left, parts);
                self.loss(right, parts);
            }
            ast::ExprKind::Call { callee, args } if is_loss(callee) => {
                parts.extend(args.iter().map(|a| self.expr(&a.value)));
            }
            _ => parts.push(self.expr(e)),
        }
    }

    /// What a path behind `over` names: `None` if it is faulty, an error if it can never be learned.
    fn trained(&mut self, path: &ast::Path) -> Result<Option<VarKey>, Box<Diagnostic>> {
        let refuse = |what: &str| {
            let name = text::expr(&text::path_expr(path));
            Diagnostic::new(Code::E0602, path.span, format!("`{name}` cannot be learned: it is {what}"))
                .label("neither a weight nor a parameter")
        };
        let thing = self.resolve(&text::path_expr(path));
        let refused = match thing {
            Thing::Poisoned => return Ok(None),
            Thing::Value(Expr { ty: Ty::Poisoned, .. }) => return Ok(None),
            Thing::Value(Expr { kind: ExprKind::Var(Place { key, .. }), .. }) => {
                let Some(decl) = self.decl(key) else { return Ok(None) };
                if is_delay(self.cx.model, key) {
                    refuse("a delay").note("delays are whole numbers of steps, which have no gradient")
                } else if is_trainable(decl.role) {
                    return Ok(Some(key));
                } else if decl.role == Role::Input {
                    self.instead(key.entity, refuse("an input").also(decl.span, "declared here"))
                } else {
                    let d = refuse("a state, which the equations change").also(decl.span, "declared here");
                    self.instead(key.entity, d)
                }
            }
            Thing::Value(Expr { kind: ExprKind::Local(_), .. }) => refuse("a variable of this protocol"),
            Thing::Value(Expr { kind: ExprKind::Const(_) | ExprKind::Bool(_) | ExprKind::Table(_), .. }) => {
                refuse("a constant of the file")
                    .note("its value is fixed when the network is built")
                    .help("name the parameter of the population or connection that it is given to, such as `H.tau`")
            }
            Thing::Value(_) => refuse("a result of the simulation"),
            Thing::Neurons(n) => {
                let d = refuse("a population, not one of its variables");
                self.instead(Entity::Pop(n.view.pop), d)
            }
            Thing::Synapses { proj, .. } => {
                let d = refuse("a connection, not one of its variables");
                self.instead(Entity::Proj(proj), d)
            }
            other => refuse(other.describe()),
        };
        Err(Box::new(refused))
    }

    /// Says what of the same population or connection can be learned.
    fn instead(&self, entity: Entity, d: Diagnostic) -> Diagnostic {
        let declared = vars(self.cx.model, entity).unwrap_or(&[]).iter().zip(0..);
        let key = |k| VarKey { entity, var: crate::hir::VarId(k) };
        let fits = |v: &VarDecl, k| is_trainable(v.role) && !is_delay(self.cx.model, key(k));
        let names: Vec<String> = declared
            .filter(|(v, k)| fits(v, *k))
            .map(|(_, k)| format!("`{}`", var_name(self.cx.model, key(k))))
            .collect();
        if names.is_empty() {
            d.note(format!("`{}` has no weights and no parameters", entity_name(self.cx.model, entity)))
        } else {
            d.help(format!("what can be learned of it: {}", names.join(", ")))
        }
    }

    /// The noted statements and calls of a finished body, which is `home`.
    pub(crate) fn note_learning(&mut self, home: Option<Home>) {
        let called = std::mem::take(&mut self.called);
        self.cx.program.frozen_calls.extend(called.into_iter().map(|(proc, frozen)| (home, proc, frozen)));
        let noted = std::mem::take(&mut self.learning);
        self.cx.program.learning.extend(noted.into_iter().map(|l| Learning { home, ..l }));
    }

    /// Does something to a block that may run never or often: what is frozen in it need not be so afterwards.
    pub(crate) fn maybe<T>(&mut self, block: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.frozen.clone();
        let out = block(self);
        let after = std::mem::replace(&mut self.frozen, before);
        self.frozen.retain(|f| after.contains(f));
        out
    }
}

fn is_loss(callee: &ast::Expr) -> bool {
    matches!(&callee.kind, ast::ExprKind::Name(name) if LOSSES.contains(&name.as_str()))
}

/// Whether a sum or product has the call of a loss in it.
fn has_loss(e: &ast::Expr) -> bool {
    match &e.kind {
        ast::ExprKind::Paren(a) | ast::ExprKind::Unary { operand: a, .. } => has_loss(a),
        ast::ExprKind::Binary { left, right, .. } => has_loss(left) || has_loss(right),
        ast::ExprKind::Call { callee, .. } => is_loss(callee),
        _ => false,
    }
}
