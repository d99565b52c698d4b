//! Procedures: lowered once for each list of argument types, so that shapes and units are known in their bodies.

use crate::diag::{Code, Diagnostic};
use crate::script::ir::Select;
use crate::script::ir::{Body, Expr, Home, ProcId, Procedure, Stmt, StmtKind, Ty};
use crate::script::lower::{ArgKey, Bound, Fixed, Instance, Lower};
use crate::script::names::Thing;
use crate::source::Span;
use crate::syntax::ast;

impl Lower<'_, '_> {
    /// The instance of a procedure for these arguments, the values it takes, and the type of what it returns.
    pub(crate) fn call_procedure(
        &mut self,
        name: &str,
        name_span: Span,
        defined: Span,
        params: &[ast::Ident],
        body: &ast::Block,
        args: &[ast::Arg],
        span: Span,
    ) -> Option<(ProcId, Vec<Expr>, Ty)> {
        let names: Vec<&str> = params.iter().map(|p| p.node.as_str()).collect();
        let slots = self.matched(name, name_span, &names, names.len(), args)?;
        let mut keys = Vec::new();
        let mut values = Vec::new();
        let mut ok = true;
        for arg in slots.into_iter().flatten() {
            match self.argument(&arg.value) {
                Some((key, value)) => {
                    keys.push(key);
                    values.extend(value);
                }
                None => ok = false,
            }
        }
        if !ok {
            return None;
        }
        if self.cx.stack.iter().any(|s| s == name) {
            let circle = self.cx.stack.join("` calls `");
            self.err(
                Diagnostic::new(Code::E0502, span, format!("the procedure `{name}` calls itself"))
                    .label("recursion is not supported")
                    .also(defined, "defined here")
                    .note(format!("`{circle}` calls `{name}`"))
                    .help("use a loop: `repeat { … } until …`"),
            );
            return None;
        }
        let id = match self.cx.instances.iter().find(|i| i.name == name && i.args == keys) {
            Some(known) => known.id,
            None => self.instantiate(name, defined, params, body, keys.clone()),
        };
        self.batch_effects(id, name, span);
        self.called.push((id, self.frozen.clone()));
        let freezes = self.cx.instances.iter().find(|i| i.id == id).map(|i| i.frozen.clone()).unwrap_or_default();
        self.frozen.retain(|(key, _)| !freezes.iter().any(|(k, _)| k == key));
        self.frozen.extend(freezes);
        let returns = self.cx.program.procedures.get(id.index()).map_or(Ty::Poisoned, |p| p.returns.clone());
        if returns == Ty::Poisoned {
            return None;
        }
        Some((id, values, returns))
    }

    /// What an argument is, and its value if it has one.
    fn argument(&mut self, e: &ast::Expr) -> Option<(ArgKey, Option<Expr>)> {
        match self.resolve(e) {
            Thing::Neurons(n) if n.at.is_empty() => Some((ArgKey::Fixed(Fixed::Neurons(n.view)), None)),
            Thing::Synapses { proj, select: Select::AllSynapses, .. } => Some((ArgKey::Fixed(Fixed::Proj(proj)), None)),
            Thing::Readout(r) => Some((ArgKey::Fixed(Fixed::Readout(r)), None)),
            Thing::Data(d) => Some((ArgKey::Fixed(Fixed::Data(d)), None)),
            Thing::Poisoned => None,
            Thing::Value(value) => {
                if value.ty == Ty::Poisoned {
                    return None;
                }
                if value.ty == Ty::None {
                    self.err(
                        Diagnostic::new(Code::E0502, e.span, "this procedure returns nothing")
                            .label("no value to pass on"),
                    );
                    return None;
                }
                if let super::ir::ExprKind::Var(place) = &value.kind {
                    self.cx.program.read.insert(place.key);
                }
                Some((ArgKey::Value(value.ty.clone()), Some(value)))
            }
            other => {
                self.err(
                    Diagnostic::new(Code::E0502, e.span, "this cannot be given to a procedure")
                        .label(format!("this is {}", other.describe()))
                        .help("give a value, or a whole population, projection, readout or data set"),
                );
                None
            }
        }
    }

    fn instantiate(
        &mut self,
        name: &str,
        defined: Span,
        params: &[ast::Ident],
        body: &ast::Block,
        keys: Vec<ArgKey>,
    ) -> ProcId {
        self.cx.stack.push(name.to_owned());
        let mut inner = Lower::new(&mut *self.cx, super::lower::BodyKind::Procedure, name.to_owned());
        inner.scopes.push(Vec::new());
        let mut locals = Vec::new();
        for (param, key) in params.iter().zip(&keys) {
            match key {
                ArgKey::Value(ty) => {
                    let shown = ty.num().map(|n| super::quantity::preferred(n.kind.dim()));
                    locals.push(inner.declare(param, ty.clone(), shown));
                }
                ArgKey::Fixed(fixed) => inner.bind(param, Bound::Fixed(fixed.clone())),
            }
        }
        let stmts = inner.block(body);
        let mut returns = inner.returns.take().map_or(Ty::None, |(ty, _)| ty);
        let effects = std::mem::take(&mut inner.effects);
        // What stands behind a `return` is not reached for certain.
        let frozen = if may_return_early(&stmts) { Vec::new() } else { std::mem::take(&mut inner.frozen) };
        inner.note_learning(Some(Home::Procedure(ProcId(inner.cx.program.procedures.len() as u32))));
        let body_ir = Body { locals: std::mem::take(&mut inner.locals), stmts };
        self.cx.stack.pop();
        // The statement that did not parse may be the one that returns.
        if !has_lost(&body.stmts) && !matches!(returns, Ty::None | Ty::Poisoned) && !always_returns(&body_ir.stmts) {
            self.err(
                Diagnostic::new(Code::E0502, defined, format!("`{name}` may end without returning a value"))
                    .label("some ways through it return a value, and some do not")
                    .help("end it with a `return`"),
            );
            returns = Ty::Poisoned;
        }
        let id = ProcId(self.cx.program.procedures.len() as u32);
        self.cx.program.procedures.push(Procedure {
            name: name.to_owned(),
            params: locals,
            body: body_ir,
            returns,
            span: defined,
        });
        self.cx.instances.push(Instance { name: name.to_owned(), args: keys, id, effects, frozen });
        id
    }

    /// What the called procedure does counts as done here.
    fn batch_effects(&mut self, id: ProcId, name: &str, span: Span) {
        let Some(effects) = self.cx.instances.iter().find(|i| i.id == id).map(|i| i.effects.clone()) else { return };
        if let Some(batch) = self.batch.clone() {
            if let Some((at, what)) = &effects.shared_write {
                self.err(
                    Diagnostic::new(
                        Code::E0503,
                        span,
                        format!("`{name}` assigns {what}, which the samples of a batch share"),
                    )
                    .label("called for each sample of a batch")
                    .also(*at, "assigned here")
                    .also(batch.span, "the batch")
                    .help("assign it directly in the body of the loop, or before it"),
                );
            }
            if let Some((at, what)) = &effects.forbidden {
                self.err(
                    Diagnostic::new(Code::E0503, span, format!("`{name}` cannot be called for each sample of a batch"))
                        .label(format!("{what} in it cannot be done for each sample"))
                        .also(*at, "here")
                        .also(batch.span, "the batch"),
                );
            }
        }
        if self.effects.shared_write.is_none() {
            self.effects.shared_write = effects.shared_write.map(|(_, what)| (span, what));
        }
        if self.effects.forbidden.is_none() {
            self.effects.forbidden = effects.forbidden.map(|(_, what)| (span, what));
        }
    }
}

/// Whether one of these statements, or one in their blocks, did not parse.
fn has_lost(stmts: &[ast::Stmt]) -> bool {
    use ast::StmtKind as K;
    stmts.iter().any(|s| match &s.kind {
        K::Expect(e) | K::Run(e) => matches!(e.kind, ast::ExprKind::Error),
        K::Return(e) => e.as_ref().is_some_and(|e| matches!(e.kind, ast::ExprKind::Error)),
        K::For { body, .. } | K::While { body, .. } | K::Repeat { body, .. } => has_lost(&body.stmts),
        K::If { then, els, .. } => {
            has_lost(&then.stmts)
                || match els {
                    Some(ast::Else::Block(b)) => has_lost(&b.stmts),
                    Some(ast::Else::If(s)) => has_lost(std::slice::from_ref(s)),
                    None => false,
                }
        }
        _ => false,
    })
}

/// Whether every way through the statements meets a `return`.
fn always_returns(stmts: &[Stmt]) -> bool {
    stmts.iter().any(|s| match &s.kind {
        StmtKind::Return(_) => true,
        StmtKind::If { then, els, .. } => always_returns(then) && always_returns(els),
        StmtKind::Repeat { body, .. } => always_returns(body) && !has_break(body),
        _ => false,
    })
}

/// Whether a `return` stands anywhere but at the end.
fn may_return_early(stmts: &[Stmt]) -> bool {
    let inner = |block: &[Stmt]| super::walk::any_stmt(block, &mut |s| matches!(s.kind, StmtKind::Return(_)));
    stmts.split_last().is_some_and(|(last, before)| {
        inner(before) || !matches!(last.kind, StmtKind::Return(_)) && inner(std::slice::from_ref(last))
    })
}

/// Whether a `break` leaves the loop whose body this is.
fn has_break(stmts: &[Stmt]) -> bool {
    stmts.iter().any(|s| match &s.kind {
        StmtKind::Break => true,
        StmtKind::If { then, els, .. } => has_break(then) || has_break(els),
        _ => false,
    })
}
