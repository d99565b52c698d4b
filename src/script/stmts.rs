//! Statements of protocols.

use crate::diag::{Code, Diagnostic, words};
use crate::hir::Role;
use crate::script::ir::{
    AssignOp, Expr, ExprKind, IndexItem, Kind, LocalId, NumTy, Place, Select, Stmt, StmtKind, Ty, is_delay,
};
use crate::script::lower::{BodyKind, Lower, poisoned};
use crate::script::machine::{Entity, VarKey};
use crate::script::names::{Thing, entity_name};
use crate::script::operators::{const_value, convert, fits_any, is_literal, to_real};
use crate::script::{quantity, shape, text};
use crate::source::Span;
use crate::syntax::ast;

/// More steps than a real counts exactly.
const TOO_MANY_STEPS: f64 = 9_007_199_254_740_992.0;

impl Lower<'_, '_> {
    /// The statements of a block, in a scope of their own.
    pub(crate) fn block(&mut self, block: &ast::Block) -> Vec<Stmt> {
        self.scopes.push(Vec::new());
        let out = self.statements(block);
        self.scopes.pop();
        out
    }

    /// The statements of a block, in the scope around it.
    pub(crate) fn statements(&mut self, block: &ast::Block) -> Vec<Stmt> {
        let stmts = block.stmts.iter().filter(|s| !matches!(s.kind, ast::StmtKind::Allow(_)));
        stmts.filter_map(|s| self.statement(s)).collect()
    }

    /// A block below a condition or loop: a batch body's collective statements may not stand there.
    pub(crate) fn nested(&mut self, block: &ast::Block) -> Vec<Stmt> {
        self.deeper(true);
        let out = self.maybe(|l| l.block(block));
        self.deeper(false);
        out
    }

    pub(crate) fn deeper(&mut self, down: bool) {
        if let Some(batch) = &mut self.batch {
            batch.depth = if down { batch.depth + 1 } else { batch.depth.saturating_sub(1) };
        }
    }

    fn statement(&mut self, s: &ast::Stmt) -> Option<Stmt> {
        let out = self.lowered(s);
        if out.is_none() {
            self.cx.hole(s.span);
        }
        out
    }

    fn lowered(&mut self, s: &ast::Stmt) -> Option<Stmt> {
        let span = s.span;
        let kind = match &s.kind {
            // Nothing is done: it is about what is reported.
            ast::StmtKind::Allow(_) => return None,
            ast::StmtKind::Let(l) => self.let_(l)?,
            ast::StmtKind::Assign(a) => self.assign(a)?,
            ast::StmtKind::If { cond, then, els } => {
                let cond = self.condition(cond, "`if`");
                let then = self.nested(then);
                let els = match els {
                    None => Vec::new(),
                    Some(ast::Else::Block(b)) => self.nested(b),
                    Some(ast::Else::If(s)) => {
                        self.deeper(true);
                        let s = self.maybe(|l| l.statement(s));
                        self.deeper(false);
                        s.into_iter().collect()
                    }
                };
                StmtKind::If { cond, then, els }
            }
            ast::StmtKind::For { var, range, batch, epochs, body } => {
                self.for_(var, range, batch.as_ref(), epochs.as_ref(), body, span)?
            }
            ast::StmtKind::While { cond, body } => {
                let cond = self.condition(cond, "`while`");
                let body = self.loop_body(body);
                StmtKind::While { cond, body }
            }
            ast::StmtKind::Repeat { body, until } => {
                self.deeper(true);
                self.loop_depth += 1;
                self.scopes.push(Vec::new());
                let body = self.statements(body);
                self.loop_depth -= 1;
                let until = self.condition(until, "`until`");
                self.scopes.pop();
                self.deeper(false);
                StmtKind::Repeat { body, until }
            }
            ast::StmtKind::Run(e) => {
                let time = self.time(e, "the length of a `run`");
                self.check_run(&time);
                StmtKind::Run { time }
            }
            ast::StmtKind::Minimize { loss, over, .. } => {
                self.minimize(loss, over, span);
                return None;
            }
            ast::StmtKind::Expect(e) => {
                let cond = self.condition(e, "`expect`");
                StmtKind::Expect { cond, text: text::expr(e) }
            }
            ast::StmtKind::Return(e) => self.return_(e.as_ref(), span)?,
            ast::StmtKind::Break => {
                if self.loop_depth == 0 {
                    self.err(
                        Diagnostic::new(Code::E0502, span, "`break` stands outside of a loop")
                            .label("nothing to leave"),
                    );
                    return None;
                }
                if let Some(batch) = self.batch.clone().filter(|b| b.loop_depth == self.loop_depth) {
                    self.not_in_batch(span, "`break` out of a batch", &batch);
                }
                StmtKind::Break
            }
            ast::StmtKind::Record(r) => {
                self.forbid(span, "`record`");
                StmtKind::Record(self.record(r, span))
            }
            ast::StmtKind::Deliver { .. } => {
                self.err(
                    Diagnostic::new(Code::E0303, span, "`deliver` stands in a protocol")
                        .label("only `on pre` of a synapse delivers")
                        .help("assign the state instead, as in `E.v += 20 mV`"),
                );
                return None;
            }
            ast::StmtKind::Inject(_) => {
                self.err(
                    Diagnostic::new(Code::E0303, span, "`inject` stands in a protocol")
                        .label("only models inject")
                        .help("assign the input instead, as in `E.I = 200 pA`"),
                );
                return None;
            }
            ast::StmtKind::Call { name, args } => self.action(name, args, span)?,
        };
        Some(Stmt { kind, span })
    }

    /// The body of a loop that is not over samples.
    pub(crate) fn loop_body(&mut self, body: &ast::Block) -> Vec<Stmt> {
        self.loop_depth += 1;
        let out = self.nested(body);
        self.loop_depth -= 1;
        out
    }

    fn let_(&mut self, l: &ast::Let) -> Option<StmtKind> {
        if let Some(filter) = &l.filter {
            self.err(
                Diagnostic::new(Code::E0502, filter.span, "parts of a population are chosen at the top of the file")
                    .label("no `where` in a protocol")
                    .help(format!("move `let {} = … where …` out of the block", l.name.node)),
            );
            self.declare(&l.name, Ty::Poisoned, None);
            return None;
        }
        let thing = self.resolve(&l.value);
        let mut value = match thing {
            Thing::Neurons(_) | Thing::Synapses { .. } | Thing::Data(_) | Thing::Samples(_) | Thing::Readout(_) => {
                let d = Diagnostic::new(Code::E0502, l.value.span, "a `let` in a protocol holds a value")
                    .label(format!("this is {}", thing.describe()))
                    .help("name parts of populations at the top of the file, or write them out where they are used");
                self.err(d);
                poisoned(l.value.span)
            }
            Thing::Poisoned => poisoned(l.value.span),
            _ => self.expr_again(thing, &l.value),
        };
        if value.ty == Ty::None {
            value = self.fault(
                Diagnostic::new(Code::E0502, l.value.span, "this procedure returns nothing")
                    .label("no value to keep")
                    .help("give it a `return`, or call it without `let`"),
                l.value.span,
            );
        }
        if matches!(value.ty, Ty::Sample(_)) {
            value = self.fault(
                Diagnostic::new(Code::E0502, l.value.span, "a sample cannot be kept in a variable")
                    .label("keep the fields that are needed, such as `s.label`"),
                l.value.span,
            );
        }
        if let Some(ty) = &l.ty {
            value = self.declared(value, &l.value, ty);
        }
        let shown = value.ty.num().map(|_| self.shown(&value));
        let tainted = self.batch.is_some() && self.per_lane(&value);
        if let ast::ExprKind::Number { is_int: true, .. } = l.value.kind {
            self.int_lets.push((l.name.span, l.value.span, text::expr(&l.value)));
        }
        let local = self.declare(&l.name, value.ty.clone(), shown);
        if tainted {
            self.taint(local);
        }
        if value.ty == Ty::Poisoned {
            return None;
        }
        Some(StmtKind::Let { local, value })
    }

    /// The value of a thing that was resolved already.
    fn expr_again(&mut self, thing: Thing, e: &ast::Expr) -> Expr {
        match thing {
            Thing::Value(value) => {
                if let ExprKind::Var(place) = &value.kind {
                    self.cx.program.read.insert(place.key);
                }
                value
            }
            other => self.fault(
                Diagnostic::new(
                    Code::E0502,
                    e.span,
                    format!("a value is needed here, and this is {}", other.describe()),
                )
                .label(other.describe()),
                e.span,
            ),
        }
    }

    fn return_(&mut self, e: Option<&ast::Expr>, span: Span) -> Option<StmtKind> {
        let value = e.map(|e| self.expr(e));
        if self.kind != BodyKind::Procedure {
            self.err(
                Diagnostic::new(Code::E0502, span, "`return` stands outside of a procedure")
                    .label("experiments and tests give no value"),
            );
            return None;
        }
        if let Some(batch) = self.batch.clone() {
            self.not_in_batch(span, "`return` out of a batch", &batch);
        }
        let ty = value.as_ref().map_or(Ty::None, |v| v.ty.clone());
        if ty == Ty::Poisoned {
            self.returns = Some((Ty::Poisoned, span));
            return None;
        }
        match &self.returns {
            None => self.returns = Some((ty, span)),
            Some((Ty::Poisoned, _)) => {}
            Some((before, _)) if *before == ty => {}
            Some((before, before_span)) => {
                let (mine, other, other_span) = (self.describe(&ty), self.describe(before), *before_span);
                self.err(
                    Diagnostic::new(Code::E0502, span, "this procedure returns values of different types")
                        .label(format!("here {mine}"))
                        .also(other_span, format!("here {other}")),
                );
                self.returns = Some((Ty::Poisoned, span));
                return None;
            }
        }
        Some(StmtKind::Return(value))
    }

    fn check_run(&mut self, time: &Expr) {
        let Some(ms) = const_value(time) else { return };
        let dt = self.cx.model.settings.dt;
        let steps = ms / dt;
        if ms < 0.0 || ms.is_nan() {
            self.err(
                Diagnostic::new(Code::E0205, time.span, "a `run` cannot go back in time")
                    .label("this is a negative time"),
            );
        } else if steps > TOO_MANY_STEPS {
            self.err(
                Diagnostic::new(Code::E0903, time.span, format!("this is {steps:.0e} time steps"))
                    .label("more than can be simulated or even counted")
                    .note(format!("the time step is {dt} ms")),
            );
        } else {
            self.check_multiple(ms, time.span, "this `run`");
        }
    }

    /// Warns of a constant time that is no multiple of the time step.
    pub(crate) fn check_multiple(&mut self, ms: f64, span: Span, what: &str) {
        let dt = self.cx.model.settings.dt;
        let steps = ms / dt;
        if !steps.is_finite() || (steps - steps.round()).abs() <= 1e-6 * steps.abs().max(1.0) {
            return;
        }
        let rounded = quantity::number(steps.round() * dt);
        self.err(
            Diagnostic::new(Code::W0702, span, format!("{what} is not a multiple of the time step"))
                .label(format!("rounded to {rounded} ms"))
                .note(format!("the time step is {} ms", quantity::number(dt))),
        );
    }

    fn assign(&mut self, a: &ast::Assign) -> Option<StmtKind> {
        if self.undeclared(a) {
            self.expr(&a.value);
            return None;
        }
        let target_ast = text::path_expr(&a.target);
        let target = self.resolve(&target_ast);
        if !matches!(target, Thing::Value(_) | Thing::Poisoned) {
            // That the other side is no value either is no other fault.
            self.resolve(&a.value);
            self.not_assignable(&target, a);
            return None;
        }
        let value = self.expr(&a.value);
        let op = match a.op {
            ast::AssignOp::Set => AssignOp::Set,
            ast::AssignOp::Add => AssignOp::Add,
            ast::AssignOp::Sub => AssignOp::Sub,
            ast::AssignOp::Mul => AssignOp::Mul,
            ast::AssignOp::Div => AssignOp::Div,
        };
        match target {
            Thing::Poisoned => None,
            Thing::Value(Expr { kind: ExprKind::Local(local), .. }) => {
                let local_ty = self.local(local)?.ty.clone();
                self.set_local(local, Vec::new(), &local_ty, a, op, value)
            }
            Thing::Value(Expr { kind: ExprKind::Index { base, items }, ty, .. })
                if matches!(base.kind, ExprKind::Local(_)) =>
            {
                let ExprKind::Local(local) = base.kind else { return None };
                self.set_local(local, items, &ty, a, op, value)
            }
            Thing::Value(Expr { kind: ExprKind::Var(place), ty, .. }) => self.set_var(place, &ty, a, op, value),
            other => {
                self.not_assignable(&other, a);
                None
            }
        }
    }

    fn not_assignable(&mut self, target: &Thing, a: &ast::Assign) {
        let span = a.target.span;
        let d = match target {
            Thing::Value(e) => match &e.kind {
                ExprKind::Count(_) | ExprKind::First(_) => {
                    Diagnostic::new(Code::E0302, span, "spike counts are measured and cannot be assigned")
                        .label("holds what the last `run` gave")
                }
                ExprKind::Time => {
                    Diagnostic::new(Code::E0302, span, "the time cannot be assigned").label("advanced by `run` only")
                }
                ExprKind::Field { .. } => Diagnostic::new(Code::E0302, span, "data cannot be assigned")
                    .label("a field of a sample")
                    .help("copy it first: `let image = s.image`"),
                ExprKind::Index { .. } => Diagnostic::new(Code::E0302, span, "a part of a part cannot be assigned")
                    .label("chosen twice")
                    .help("choose the elements at once, as in `E.v[3..5]` or `P.w[0, 2..4]`"),
                _ if !a.target.segments.is_empty() => {
                    let what = text::expr(&text::path_expr(&a.target));
                    Diagnostic::new(Code::E0302, span, format!("`{what}` cannot be assigned")).label("never changes")
                }
                _ => Diagnostic::new(Code::E0302, span, format!("`{}` is a constant", a.target.root.node))
                    .label("cannot be assigned")
                    .help("keep changing values in a `let` inside the protocol"),
            },
            Thing::Data(_) | Thing::Samples(_) => {
                Diagnostic::new(Code::E0302, span, "a data set cannot be assigned").label("this is a data set")
            }
            Thing::Neurons(n) => {
                let vars: Vec<String> = super::names::vars(self.cx.model, Entity::Pop(n.view.pop))
                    .unwrap_or(&[])
                    .iter()
                    .map(|v| format!("`{}.{}`", text::expr(&text::path_expr(&a.target)), v.name))
                    .collect();
                Diagnostic::new(Code::E0302, span, "a population cannot be assigned, only its variables")
                    .label(format!("this is {}", target.describe()))
                    .help(format!("one of {}", vars.join(", ")))
            }
            other => {
                let what = other.describe().split(',').next().unwrap_or_default().to_owned();
                Diagnostic::new(Code::E0302, span, format!("{what} cannot be assigned"))
                    .label(format!("this is {}", other.describe()))
            }
        };
        self.err(d);
    }

    fn set_local(
        &mut self,
        local: LocalId,
        at: Vec<IndexItem>,
        ty: &Ty,
        a: &ast::Assign,
        op: AssignOp,
        value: Expr,
    ) -> Option<StmtKind> {
        let declared = self.local(local).map(|l| (l.name.clone(), l.span))?;
        if *ty == Ty::Poisoned || value.ty == Ty::Poisoned {
            return None;
        }
        if let Some(batch) = self.batch.clone()
            && local.0 < batch.first_own
        {
            if matches!(op, AssignOp::Add | AssignOp::Sub) {
                // A sum over the samples: any order of the lanes gives the same.
            } else {
                self.err(
                    Diagnostic::new(
                        Code::E0503,
                        a.span,
                        format!("inside a batch `{}` can only be changed by `+=` and `-=`", declared.0),
                    )
                    .label("the samples of a batch run side by side: which value should remain?")
                    .also(declared.1, "declared outside of the batch")
                    .also(batch.span, "the batch"),
                );
                return None;
            }
        }
        for set in &mut self.changed {
            set.insert(local);
        }
        if self.batch.is_some() && self.per_lane(&value) {
            self.taint(local);
        }
        let place = format!("`{}`", declared.0);
        let shown = self.local(local).and_then(|l| l.shown.clone());
        let value = self.assigned(value, ty, a, op, &place, declared.1, shown.as_ref())?;
        Some(StmtKind::SetLocal { local, index: at, op, value })
    }

    fn set_var(&mut self, place: Place, ty: &Ty, a: &ast::Assign, op: AssignOp, value: Expr) -> Option<StmtKind> {
        let decl = self.decl(place.key)?;
        let name = format!("`{}.{}`", entity_name(self.cx.model, place.key.entity), decl.name);
        let shown = decl.shown.clone();
        let decl_span = decl.span;
        let mut collective = false;
        if shared(decl.role) {
            if self.effects.shared_write.is_none() {
                self.effects.shared_write = Some((a.span, name.clone()));
            }
            if let Some(batch) = self.batch.clone() {
                collective = self.collective(&name, &place, &value, a, &batch)?;
            }
        }
        self.cx.program.assigned.insert(place.key);
        if op != AssignOp::Set {
            self.cx.program.read.insert(place.key);
        }
        let value = self.assigned(value, ty, a, op, &name, decl_span, Some(&shown))?;
        if op == AssignOp::Set
            && is_delay(self.cx.model, place.key)
            && matches!(value.kind, ExprKind::Const(x) if x < 0.0)
        {
            self.err(words::negative_delay(a.value.span, &name, None));
            return None;
        }
        Some(StmtKind::SetVar { place, op, value, collective })
    }

    /// A protocol assignment to a variable that the lanes share: once for all of them.
    fn collective(
        &mut self,
        name: &str,
        place: &Place,
        value: &Expr,
        a: &ast::Assign,
        batch: &crate::script::lower::Batch,
    ) -> Option<bool> {
        if batch.depth > 0 {
            self.err(
                Diagnostic::new(Code::E0503, a.span, format!("{name} is shared by the samples of a batch"))
                    .label("assigned under a condition or in an inner loop, which each sample may leave differently")
                    .also(batch.span, "the batch")
                    .help("assign it directly in the body of the loop, or before it"),
            );
            return None;
        }
        let mut lane_index = false;
        crate::script::walk::select(&place.select, &mut |e| lane_index |= self.per_lane(e));
        if lane_index || self.per_lane(value) {
            self.err(
                Diagnostic::new(Code::E0503, a.value.span, format!("{name} is shared by the samples of a batch"))
                    .label("this value differs from sample to sample")
                    .also(batch.span, "the batch")
                    .help("leave out `batch`, or change it in a synapse model's `on pre` and `on post`"),
            );
            return None;
        }
        Some(true)
    }

    /// Checks an assigned value against the type of its target, and converts it.
    fn assigned(
        &mut self,
        value: Expr,
        target: &Ty,
        a: &ast::Assign,
        op: AssignOp,
        name: &str,
        declared: Span,
        shown: Option<&crate::hir::ShownUnit>,
    ) -> Option<Expr> {
        if value.ty == Ty::Poisoned {
            return None;
        }
        let (Ty::Num(to), Ty::Num(from)) = (target, &value.ty) else {
            if *target == value.ty && op == AssignOp::Set && value.ty == Ty::Str {
                return Some(value);
            }
            let (want, found) = (self.describe(target), self.describe(&value.ty));
            self.err(
                Diagnostic::new(Code::E0205, a.value.span, format!("{name} holds {want}"))
                    .label(format!("this is {found}"))
                    .also(declared, "declared here"),
            );
            return None;
        };
        let (to, from) = (to.clone(), from.clone());
        let scale = matches!(op, AssignOp::Mul | AssignOp::Div);
        let unit = shown.map_or_else(|| quantity::describe(to.kind.dim()), quantity::text);
        let value = match (to.kind, from.kind) {
            (Kind::Bool, Kind::Bool) if op == AssignOp::Set => value,
            (Kind::Bool, _) | (_, Kind::Bool) => {
                let found = self.describe(&value.ty);
                let want = self.describe(target);
                self.err(
                    Diagnostic::new(Code::E0205, a.value.span, format!("{name} holds {want}"))
                        .label(format!("this is {found}"))
                        .also(declared, "declared here"),
                );
                return None;
            }
            (Kind::Int, Kind::Int) if op != AssignOp::Div => value,
            (Kind::Int, other) if other.dim().is_none() => {
                let d = Diagnostic::new(Code::E0205, a.value.span, format!("{name} holds whole numbers"))
                    .label(if op == AssignOp::Div { "a quotient is a real number" } else { "this is a real number" })
                    .also(declared, "a whole number, since it was written without a point")
                    .help("write the first value with a point: `0.0` instead of `0`");
                self.err(self.point_fix(d, declared));
                return None;
            }
            (to_kind, from_kind) if scale => {
                if !from_kind.dim().is_none() {
                    let found = quantity::text(&self.shown(&value));
                    self.err(
                        Diagnostic::new(Code::E0205, a.value.span, format!("{name} would change its unit"))
                            .label(format!("this is {found}; a bare number is needed"))
                            .also(declared, format!("{name} is {unit}")),
                    );
                    return None;
                }
                if to_kind == Kind::Int { value } else { to_real(value) }
            }
            (to_kind, from_kind) if to_kind.dim() == from_kind.dim() => convert(value, to_kind),
            (to_kind, _) if fits_any(&a.value) => convert(value, to_kind),
            (_, from_kind) => {
                let d = if from_kind.dim().is_none() && is_literal(&a.value) {
                    self.bare_number(&a.value, &unit, Some(declared))
                } else {
                    let found = if from_kind.dim().is_none() {
                        "a bare number".to_owned()
                    } else {
                        quantity::text(&self.shown(&value))
                    };
                    let want = if to.kind.dim().is_none() { "a bare number".to_owned() } else { unit };
                    let d =
                        Diagnostic::new(Code::E0205, a.value.span, format!("{name} is {want}, and this is {found}"))
                            .label(format!("this is {found}"))
                            .also(declared, format!("{name} is {want}"));
                    if from_kind.dim().is_none() { d.help(format!("multiply by a unit: `… * 1 {want}`")) } else { d }
                };
                self.err(d);
                return None;
            }
        };
        self.fitted(value, &to, a, name, declared)
    }

    fn fitted(&mut self, value: Expr, to: &NumTy, a: &ast::Assign, name: &str, declared: Span) -> Option<Expr> {
        let from = value.ty.axes().to_vec();
        if let Some(value) = self.onto(value, &to.axes) {
            return Some(self.for_each_element(value, &to.axes));
        }
        let wanted_short = shape::describe(&to.axes);
        // Where the lengths agree, the names of the axes do not.
        let mine = Some(shape::describe(&from)).filter(|m| *m != wanted_short);
        let mine = mine.unwrap_or_else(|| shape::describe_named(self.cx.model, &from));
        self.err(
            Diagnostic::new(
                Code::E0501,
                a.value.span,
                format!("{mine} values do not fit {name}, which has {wanted_short}"),
            )
            .label(format!("this is {mine}"))
            .also(a.target.span, format!("this has {wanted_short}"))
            .also(declared, "declared here"),
        );
        None
    }

    /// Offers to write the whole number of a declaration with a point, if it is one.
    fn point_fix(&self, d: Diagnostic, declared: Span) -> Diagnostic {
        match self.int_lets.iter().find(|(at, ..)| *at == declared) {
            Some((_, literal, written)) => d.fix(*literal, format!("{written}.0")),
            None => d,
        }
    }

    /// A value against a declared type (`: mV`).
    pub(crate) fn declared(&mut self, value: Expr, written: &ast::Expr, ty: &ast::TypeExpr) -> Expr {
        let want = match quantity::kind(ty) {
            Ok(kind) => kind,
            Err(d) => return self.fault(*d, written.span),
        };
        if value.ty == Ty::Poisoned {
            return value;
        }
        let found = self.describe(&value.ty);
        let fault = |d: Diagnostic| d.label(format!("this is {found}")).also(ty.span, "the declared type");
        let Ty::Num(num) = &value.ty else {
            let d = fault(Diagnostic::new(Code::E0205, written.span, "the value is not of the declared type"));
            return self.fault(d, written.span);
        };
        match (want, num.kind) {
            (w, k) if w == k => value,
            (Kind::Real(w), Kind::Int | Kind::Real(_)) if num.kind.dim() == w || fits_any(written) => {
                convert(value, Kind::Real(w))
            }
            (Kind::Real(w), k) if k.dim().is_none() && k != Kind::Bool && is_literal(written) => {
                let d = self.bare_number(written, &quantity::describe(w), Some(ty.span));
                self.fault(d, written.span)
            }
            _ => {
                let d = fault(Diagnostic::new(Code::E0205, written.span, "the value is not of the declared type"));
                self.fault(d, written.span)
            }
        }
    }

    /// A whole, assignable or freezable model variable by its path.
    pub(crate) fn whole_variable(&mut self, e: &ast::Expr, what: &str) -> Option<VarKey> {
        match self.resolve(e) {
            Thing::Poisoned => None,
            Thing::Value(Expr { kind: ExprKind::Var(place), .. }) => {
                let whole = match &place.select {
                    Select::AllSynapses => true,
                    Select::Neurons(n) => n.at.is_empty() && n.view.select == crate::hir::Select::All,
                    _ => false,
                };
                if whole {
                    return Some(place.key);
                }
                self.err(
                    Diagnostic::new(Code::E0502, e.span, format!("{what} takes whole variables"))
                        .label("this is a part of one")
                        .help(format!(
                            "name the variable of the whole population or projection: `{}.{}`",
                            entity_name(self.cx.model, place.key.entity),
                            self.decl(place.key).map_or("", |d| &d.name)
                        )),
                );
                None
            }
            other => {
                self.err(
                    Diagnostic::new(
                        Code::E0502,
                        e.span,
                        format!("{what} takes variables of populations or projections"),
                    )
                    .label(format!("this is {}", other.describe()))
                    .help("write them as `E.theta` or `XE.w`"),
                );
                None
            }
        }
    }

    /// Whether a value may differ from lane to lane of a batch.
    pub(crate) fn per_lane(&self, e: &Expr) -> bool {
        let Some(batch) = &self.batch else { return false };
        crate::script::walk::any(e, &mut |e| match &e.kind {
            ExprKind::Field { .. }
            | ExprKind::Count(_)
            | ExprKind::First(_)
            | ExprKind::Draw { .. }
            | ExprKind::Metric { .. }
            | ExprKind::Time
            | ExprKind::Timed { .. }
            | ExprKind::Accuracy(_)
            | ExprKind::Call { .. } => true,
            ExprKind::Local(l) => batch.tainted.contains(l) || matches!(e.ty, Ty::Sample(_)),
            ExprKind::Var(place) => self.decl(place.key).is_none_or(|d| !shared(d.role)),
            _ => false,
        })
    }

    pub(crate) fn taint(&mut self, local: LocalId) {
        if let Some(batch) = &mut self.batch {
            batch.tainted.insert(local);
        }
    }

    /// Notes a statement that no batch runs, and reports it inside of one.
    pub(crate) fn forbid(&mut self, span: Span, what: &str) {
        if self.effects.forbidden.is_none() {
            self.effects.forbidden = Some((span, what.to_owned()));
        }
        if let Some(batch) = self.batch.clone() {
            self.not_in_batch(span, what, &batch);
        }
    }

    pub(crate) fn not_in_batch(&mut self, span: Span, what: &str, batch: &crate::script::lower::Batch) {
        let d = Diagnostic::new(Code::E0503, span, format!("{what} cannot be done for each sample of a batch"))
            .label("the samples of a batch run side by side")
            .also(batch.span, "the batch")
            .help("do it before or after the loop, or leave out `batch`");
        self.err(d);
    }
}

/// Whether the lanes of a batch share a variable: all but states and inputs.
pub(crate) fn shared(role: Role) -> bool {
    !matches!(role, Role::State | Role::Input)
}
