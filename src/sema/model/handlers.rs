//! The statements of `on`, `event` and `every` blocks: assignments, what is delivered, and what a synapse injects.

use std::collections::BTreeMap;

use super::{ModelCx, Slot};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, AssignOp, LocalId, Role, Type, VarId};
use crate::sema::infer::{Typed, Typer, list, real};
use crate::sema::mismatch::Said;
use crate::sema::scope::Symbol;
use crate::sema::{mismatch, network};
use crate::source::Span;
use crate::syntax::ast;
use crate::units::Dim;

impl ModelCx<'_> {
    /// The statements of a block that may draw random numbers.
    pub(crate) fn drawing_handler(&mut self, block: &ast::Block, pre: bool, typer: &mut Typer<'_>) -> Vec<hir::Stmt> {
        self.drawing = true;
        typer.new_value();
        let out = self.handler(block, pre, typer);
        self.drawing = false;
        out
    }

    /// The statements of a handler. `pre` is true in `on pre`.
    pub(crate) fn handler(&mut self, block: &ast::Block, pre: bool, typer: &mut Typer<'_>) -> Vec<hir::Stmt> {
        self.locals.push(BTreeMap::new());
        let stmts = block.stmts.iter().filter(|s| !matches!(s.kind, ast::StmtKind::Allow(_)));
        let out = stmts.filter_map(|s| self.statement(s, pre, typer)).collect();
        self.locals.pop();
        out
    }

    pub(super) fn statement(&mut self, s: &ast::Stmt, pre: bool, typer: &mut Typer<'_>) -> Option<hir::Stmt> {
        let out = self.checked(s, pre, typer);
        if out.is_none() {
            self.hole(s.span, typer);
        }
        out
    }

    pub(super) fn checked(&mut self, s: &ast::Stmt, pre: bool, typer: &mut Typer<'_>) -> Option<hir::Stmt> {
        use ast::StmtKind as K;
        let kind = match &s.kind {
            K::Assign(a) => self.assign(a, typer)?,
            K::Let(l) => {
                let t = self.equation(&l.value, typer)?;
                let e = match &l.ty {
                    Some(ty) => {
                        let (want, _) = typer.declared(ty)?;
                        let what = format_args!("the value of `{}`", l.name.node);
                        typer.expect(t, want, what, Some((ty.span, Said::Words("declared here".into()))))?
                    }
                    None => t.expr,
                };
                let id = LocalId(self.next_local);
                self.next_local += 1;
                if let Some(scope) = self.locals.last_mut() {
                    scope.insert(l.name.node.clone(), (id, e.ty, l.name.span));
                }
                hir::StmtKind::Local { id, value: e }
            }
            K::If { cond, then, els } => {
                let cond = self.equation(cond, typer).and_then(|c| typer.truth(c));
                let then = self.handler(then, pre, typer);
                let els = match els {
                    None => Vec::new(),
                    Some(ast::Else::Block(b)) => self.handler(b, pre, typer),
                    Some(ast::Else::If(i)) => self.statement(i, pre, typer).into_iter().collect(),
                };
                hir::StmtKind::If { cond: cond?, then, els }
            }
            K::Deliver { value, to } => self.deliver(value, to.as_ref(), s.span, pre, typer)?,
            K::Inject(_) => {
                typer.error(
                    Diagnostic::new(
                        Code::E0303,
                        s.span,
                        "`inject` is continuous: it stands in the synapse itself, not in a handler",
                    )
                    .help(if self.synapse {
                        "use `deliver` for what one event adds"
                    } else {
                        "a neuron changes its own states by assignment"
                    }),
                );
                return None;
            }
            // Of a statement that did not parse no more is known than that.
            K::Expect(e) | K::Run(e) if matches!(e.kind, ast::ExprKind::Error) => return None,
            K::Call { name, .. } if let Some(d) = crate::sema::foreign::function(&name.node, name.span, true) => {
                typer.error(d);
                return None;
            }
            _ => {
                typer.error(
                    Diagnostic::new(Code::E0303, s.span, "this statement belongs into an experiment, not into a model")
                        .help("handlers know assignments, `if`, `let` and, in synapses, `deliver`"),
                );
                return None;
            }
        };
        Some(hir::Stmt { kind, span: s.span })
    }

    pub(super) fn assign(&mut self, a: &ast::Assign, typer: &mut Typer<'_>) -> Option<hir::StmtKind> {
        let name = &a.target.root.node;
        if !self.names.contains_key(name.as_str())
            && let Some(d) = crate::sema::foreign::assignment(name, a.target.span, &*self)
        {
            // What it reads is written as wrongly: one fault.
            typer.error(d);
            return None;
        }
        let value = self.equation(&a.value, typer);
        if !a.target.segments.is_empty() {
            let d = Diagnostic::new(Code::E0302, a.target.span, "a handler only assigns the states of its own model");
            typer.error(if self.synapse && (name == "pre" || name == "post") {
                d.label("this belongs to a neuron")
                    .help("use `deliver` to add to the post neuron, or let the neuron do it in its own `on spike`")
            } else {
                d
            });
            return None;
        }
        let k = match self.names.get(name.as_str()) {
            Some(Slot::Faulty) => return None,
            Some(Slot::Var(k)) if matches!(self.vars[*k].role, Role::State | Role::Weight | Role::Learned) => *k,
            Some(slot) => {
                let (what, at) = match slot {
                    Slot::Var(k) if self.vars[*k].role == Role::Input => ("an input", self.vars[*k].name.span),
                    Slot::Var(k) => ("a parameter", self.vars[*k].name.span),
                    Slot::Let(k) => ("a `let`, a name for an expression,", self.lets[*k].decl.name.span),
                    Slot::Event => ("an event", a.target.span),
                    Slot::Faulty => return None,
                };
                typer.error(
                    Diagnostic::new(Code::E0302, a.target.span, format!("`{name}` is {what} and cannot be assigned"))
                        .also(at, "declared here")
                        .help(format!("declare it as `state {name}` if it changes")),
                );
                return None;
            }
            None => {
                let known: Vec<String> = self.vars.iter().map(|v| v.name.node.clone()).collect();
                let builtin = match name.as_str() {
                    "t" => Some("the time"),
                    "dt" => Some("the time step"),
                    "i" | "j" => Some("the index of a neuron"),
                    "N" => Some("a number of neurons"),
                    "pi" | "inf" => Some("a constant of the language"),
                    n if n == "xi" || n.starts_with("xi_") => Some("white noise"),
                    _ => None,
                };
                if let Some(what) = builtin {
                    let message = format!("`{name}` is {what} and cannot be assigned");
                    let d = Diagnostic::new(Code::E0302, a.target.span, message);
                    typer.error(d.help("declare a state of another name for what changes"));
                    return None;
                }
                if let Some((symbol @ (Symbol::Global(_) | Symbol::Table(_)), at)) = typer.scope.names.get(name) {
                    let what = crate::sema::infer::what_is(symbol);
                    let message = format!("`{name}` is {what} of the file and cannot be assigned");
                    typer.error(
                        Diagnostic::new(Code::E0302, a.target.span, message)
                            .also(*at, "declared here")
                            .help(format!("declare a state in the model if it changes: `state x = {name}`")),
                    );
                    return None;
                }
                let mut d = Diagnostic::new(Code::E0101, a.target.span, format!("unknown state `{name}`"));
                d = match crate::units::nearest::nearest(name, known.iter().map(String::as_str)) {
                    Some(n) => d.help(format!("did you mean `{n}`?")).fix(a.target.span, n),
                    None if self.locals.iter().any(|s| s.contains_key(name)) => {
                        d.note("a `let` of a handler keeps its value")
                    }
                    None => d.note(format!("the model declares {}", list(&known))),
                };
                typer.error(d);
                return None;
            }
        };
        let ty = self.vars[k].ty?;
        let op = match a.op {
            ast::AssignOp::Set => AssignOp::Set,
            ast::AssignOp::Add => AssignOp::Add,
            ast::AssignOp::Sub => AssignOp::Sub,
            ast::AssignOp::Mul => AssignOp::Mul,
            ast::AssignOp::Div => AssignOp::Div,
        };
        let scales = matches!(op, AssignOp::Mul | AssignOp::Div);
        if ty == Type::Int && op == AssignOp::Div {
            typer.error(
                Diagnostic::new(
                    Code::E0205,
                    a.target.span,
                    format!("`{name}` is a whole number, and `/` gives a real one"),
                )
                .also(self.vars[k].name.span, "declared as `int` here")
                .help("declare it without `: int`"),
            );
            return None;
        }
        if ty == Type::Bool && op != AssignOp::Set {
            typer.error(
                Diagnostic::new(
                    Code::E0205,
                    a.target.span,
                    format!("`{name}` is a truth value, which has no arithmetic"),
                )
                .also(self.vars[k].name.span, "declared here")
                .help(format!("assign a condition: `{name} = v > 0 mV`, `{name} = not {name}`")),
            );
            return None;
        }
        let (want, what) = if scales && ty != Type::Int {
            (Type::Real(Dim::NONE), "the factor of")
        } else {
            (ty, "the value assigned to")
        };
        let because = Some((self.vars[k].name.span, Said::In(name.into(), ty, &self.vars[k].shown)));
        let what = format_args!("{what} `{name}`");
        let value = typer.expect(value?, want, what, if scales { None } else { because })?;
        Some(hir::StmtKind::Assign { var: VarId(k as u32), op, value })
    }

    pub(super) fn deliver(
        &mut self,
        value: &ast::Expr,
        to: Option<&ast::Ident>,
        span: Span,
        pre: bool,
        typer: &mut Typer<'_>,
    ) -> Option<hir::StmtKind> {
        let value = self.equation(value, typer);
        if !self.synapse || !pre {
            let d = Diagnostic::new(Code::E0303, span, "`deliver` belongs into `on pre` of a synapse");
            typer.error(if self.synapse && self.reacts_to_post {
                d.help("what a post spike does to its own neuron stands in the neuron's `on spike`")
            } else if self.synapse {
                d.help("keep the amount in a state and deliver it when a spike arrives, or add it at every step by `inject`")
            } else {
                d.help("a neuron changes its own states by assignment")
            });
            return None;
        }
        let ends = self.ends?;
        let target = match to {
            None => ends.target?,
            Some(name) => match ends.post.iter().position(|v| v.name == name.node) {
                Some(k) if matches!(ends.post[k].role, Role::State | Role::Input) => VarId(k as u32),
                _ => {
                    let fits = |v: &&hir::VarDecl| {
                        let given = value.as_ref().is_some_and(|t| t.dim() == v.ty.dim() || t.any);
                        given && matches!(v.role, Role::State | Role::Input) && v.ty != Type::Bool
                    };
                    let mut fitting: Vec<&hir::VarDecl> = ends.post.iter().filter(fits).collect();
                    // What is delivered to an input depends on the time step.
                    if fitting.iter().any(|v| v.role == Role::State) {
                        fitting.retain(|v| v.role == Role::State);
                    }
                    let found = ends.post.iter().find(|v| v.name == name.node);
                    let message = match found {
                        Some(v) => format!(
                            "`{}` is {}: synapses deliver to states and inputs",
                            name.node,
                            network::role_words(v.role)
                        ),
                        None => format!("the post neuron has no state `{}`", name.node),
                    };
                    let d =
                        Diagnostic::new(Code::E0401, name.span, message).note(network::targets(ends.post, &fitting));
                    let known = fitting.iter().map(|v| v.name.as_str());
                    typer.error(match (found, crate::units::nearest::nearest(&name.node, known)) {
                        (Some(v), _) => d.also(v.span, "declared here"),
                        (None, Some(n)) => d.help(format!("did you mean `{n}`?")).fix(name.span, n),
                        (None, None) => d,
                    });
                    return None;
                }
            },
        };
        let spread = ends.through.is_some() && Some(target) == ends.target;
        if ends.post[target.index()].role == Role::Input && !spread {
            self.delivered_to_input(target, to.map_or(span, |n| n.span), typer);
        }
        let value = self.amount(value?, target, "delivers", typer)?;
        Some(hir::StmtKind::Deliver { value, target })
    }

    /// What is delivered to an input acts for one time step, so that its effect depends on the length of the step.
    pub(super) fn delivered_to_input(&self, target: VarId, at: Span, typer: &mut Typer<'_>) {
        let Some(decl) = self.ends.and_then(|e| e.post.get(target.index())) else { return };
        let d = Diagnostic::new(
            Code::W0705,
            at,
            format!("what is delivered to the input `{}` acts for one time step only", decl.name),
        )
        .label("with half the time step, this has half the effect")
        .also(decl.span, "an input has no memory")
        .help("deliver to a state that decays, such as a current or conductance, and use it in the equation");
        // Several `deliver`s of one model into one input are said once.
        let said = |o: &Diagnostic| {
            o.code == d.code && o.primary.as_ref().map(|l| l.span) == d.primary.as_ref().map(|l| l.span)
        };
        if !typer.sink.items.iter().any(said) {
            typer.sink.push(d);
        }
    }

    /// `inject e`: a continuous coupling to the projection's target, which must be an input.
    pub(crate) fn inject(&mut self, value: &ast::Expr, span: Span, typer: &mut Typer<'_>) -> Option<hir::Expr> {
        let value = self.equation(value, typer);
        let ends = self.ends?;
        let target = ends.target?;
        let decl = &ends.post[target.index()];
        if decl.role != Role::Input {
            typer.error(
                Diagnostic::new(
                    Code::E0401,
                    span,
                    format!("`inject` needs an input as its target, but `{}` is a state", decl.name),
                )
                .label("adds an amount at every step")
                .also(decl.span, "declared here")
                .help(format!(
                    "declare `input I` in the post neuron, use it in the equation of `{}`, and connect to it",
                    decl.name
                )),
            );
            return None;
        }
        self.amount(value?, target, "injects", typer)
    }

    /// Checks that an amount has the unit of its target.
    pub(super) fn amount(&self, value: Typed, target: VarId, does: &str, typer: &mut Typer<'_>) -> Option<hir::Expr> {
        let ends = self.ends?;
        let decl = ends.post.get(target.index())?;
        if decl.ty == Type::Bool {
            typer.error(
                Diagnostic::new(
                    Code::E0204,
                    value.expr.span,
                    format!("this {does} an amount, but the target `{}` is a truth value", decl.name),
                )
                .also(decl.span, "declared here")
                .help("deliver to a number, and compare it where it is used"),
            );
            return None;
        }
        if decl.ty == Type::Int && value.expr.ty != Type::Int {
            typer.error(
                Diagnostic::new(
                    Code::E0204,
                    value.expr.span,
                    format!("this {does} a real number, but the target `{}` is a whole one", decl.name),
                )
                .also(decl.span, "declared as `int` here")
                .help("declare the target without `: int`, or deliver a whole number"),
            );
            return None;
        }
        let kernel = ends.through.filter(|_| Some(target) == ends.target && does == "delivers");
        if let Some(k) = kernel
            && value.dim().mul(k) != decl.ty.dim()
            && !value.any
        {
            typer.error(
                Diagnostic::new(
                    Code::E0204,
                    value.expr.span,
                    format!(
                        "this delivers {} through a kernel {}, but the target `{}` is {}",
                        mismatch::dim_words(value.dim()),
                        if k.is_none() { "without unit".to_owned() } else { format!("in {}", mismatch::dim_words(k)) },
                        decl.name,
                        mismatch::dim_words(decl.ty.dim())
                    ),
                )
                .label(mismatch::dim_words(value.dim()))
                .also(decl.span, format!("`{}` is {}", decl.name, mismatch::dim_words(decl.ty.dim())))
                .help(format!("deliver {}", mismatch::dim_words(decl.ty.dim().div(k)))),
            );
            return None;
        }
        if kernel.is_none() && value.dim() != decl.ty.dim() && !value.any {
            let d = Diagnostic::new(
                Code::E0204,
                value.expr.span,
                format!(
                    "this {does} {}, but the target `{}` is {}",
                    mismatch::dim_words(value.dim()),
                    decl.name,
                    mismatch::dim_words(decl.ty.dim())
                ),
            )
            .label(mismatch::dim_words(value.dim()))
            .also(decl.span, format!("`{}` is {}", decl.name, mismatch::dim_words(decl.ty.dim())));
            typer.error(d.help(format!(
                "give the weight the target's unit, or multiply by a parameter: `param scale = {}`",
                mismatch::one_per(decl.ty.dim(), value.dim())
            )));
            return None;
        }
        Some(real(value.expr))
    }
}
