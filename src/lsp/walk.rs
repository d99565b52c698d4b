//! The uses of names in a tree.

use super::names::{Def, Kind, Names};
use crate::source::Span;
use crate::syntax::ast::{
    self, Arg, Block, ConnectSource, Else, Expr, ExprKind, Item, ItemKind, ModelItemKind, Path, Segment, Stmt, StmtKind,
};

/// Enters all uses in some items of a file.
pub(super) fn uses(items: &[Item], names: &mut Names) {
    let mut walk = Walk { names, model: None, locals: Vec::new() };
    items.iter().for_each(|i| walk.item(i));
}

struct Walk<'a> {
    names: &'a mut Names,
    /// The model whose body is walked.
    model: Option<usize>,
    /// Names of the blocks around, the innermost last.
    locals: Vec<usize>,
}

impl Walk<'_> {
    fn resolve(&self, name: &str) -> Option<usize> {
        let local = self.locals.iter().rev().copied().find(|k| self.names.defs.get(*k).is_some_and(|d| d.name == name));
        let own = || self.names.member(self.model?, name);
        local.or_else(own).or_else(|| self.names.global(name))
    }

    fn enter(&mut self, span: Span, def: Option<usize>) {
        if let Some(k) = def {
            self.names.uses.push((span, k));
        }
    }

    fn name(&mut self, name: &ast::Ident) {
        let def = self.resolve(&name.node);
        self.enter(name.span, def);
    }

    fn global(&mut self, name: &ast::Ident) {
        let def = self.names.global(&name.node);
        self.enter(name.span, def);
    }

    /// Declares a local name for the rest of `reach`.
    fn local(&mut self, name: &ast::Ident, whole: Span, reach: Span) {
        let reach = Span { start: name.span.start, ..reach };
        let k = self.names.add(Def { whole, reach: Some(reach), ..Def::new(name, Kind::Local) });
        self.locals.push(k);
    }

    fn item(&mut self, item: &Item) {
        let depth = self.locals.len();
        match &item.kind {
            ItemKind::Simulation(list) => list.iter().for_each(|a| self.expr(&a.value)),
            ItemKind::Const(list) | ItemKind::Param(list) => list.iter().for_each(|b| self.binding(b)),
            ItemKind::Let(l) => self.let_value(l),
            ItemKind::Fn { params, body, .. } => {
                params.iter().for_each(|(p, _)| self.local(p, p.span, item.span));
                self.expr(body);
            }
            ItemKind::Data { value, .. } => self.expr(value),
            ItemKind::Neuron(m) | ItemKind::Synapse(m) => self.model(m),
            ItemKind::Population { index, model, .. } => {
                index.iter().flat_map(|i| &i.items).for_each(|e| self.expr(e));
                self.model_ref(model, true);
            }
            ItemKind::Connect(c) => self.connect(c),
            ItemKind::Kernel { arg, body, over, .. } => {
                self.local(arg, arg.span, item.span);
                self.expr(body);
                self.expr(over);
            }
            ItemKind::Readout { model, .. } => self.model_ref(model, false),
            ItemKind::Record(r) => self.record(r),
            ItemKind::Procedure { params, body, .. } => {
                params.iter().for_each(|p| self.local(p, p.span, item.span));
                self.block(body);
            }
            ItemKind::Experiment { body, .. } | ItemKind::Test { body, .. } => self.block(body),
            ItemKind::Unroll { var, range, items } => {
                self.expr(range);
                self.local(var, var.span, item.span);
                items.iter().for_each(|i| self.item(i));
            }
            ItemKind::Import { .. } | ItemKind::Allow(_) | ItemKind::Error { .. } => {}
        }
        self.locals.truncate(depth);
    }

    fn binding(&mut self, b: &ast::Binding) {
        b.value.iter().chain(&b.bounds).for_each(|e| self.expr(e));
    }

    fn let_value(&mut self, l: &ast::Let) {
        self.expr(&l.value);
        l.filter.iter().for_each(|e| self.expr(e));
    }

    fn model(&mut self, m: &ast::Model) {
        // Of two models of one name, each has its own variables.
        self.model = self.names.model_at(m.name.span);
        for item in &m.items {
            match &item.kind {
                ModelItemKind::Param(list)
                | ModelItemKind::State(list)
                | ModelItemKind::Weight(list)
                | ModelItemKind::Learned(list)
                | ModelItemKind::Input(list) => list.iter().for_each(|b| self.binding(b)),
                ModelItemKind::Let(l) => self.let_value(l),
                ModelItemKind::Ode { coef, var, rhs } => {
                    coef.iter().for_each(|e| self.expr(e));
                    self.name(var);
                    self.expr(rhs);
                }
                ModelItemKind::Spike { cond, surrogate } => {
                    match cond {
                        ast::SpikeCond::When(c) => self.condition(c),
                        ast::SpikeCond::Rate(e) => self.expr(e),
                    }
                    surrogate.iter().for_each(|s| self.model_ref(s, false));
                }
                ModelItemKind::Event { cond, .. } => self.condition(cond),
                ModelItemKind::On { event, body } => {
                    let own = self.model.and_then(|m| self.names.member(m, &event.node));
                    self.enter(event.span, own);
                    self.block(body);
                }
                ModelItemKind::Every { period, body } => {
                    self.expr(period);
                    self.block(body);
                }
                ModelItemKind::Refractory { duration, hold } => {
                    self.expr(duration);
                    hold.iter().for_each(|h| self.name(h));
                }
                ModelItemKind::Method(m) => self.model_ref(m, false),
                ModelItemKind::Inject(e) => self.expr(e),
                ModelItemKind::Allow(_) | ModelItemKind::Error { .. } => {}
            }
        }
        self.model = None;
    }

    fn condition(&mut self, c: &ast::Condition) {
        self.expr(&c.expr);
        c.crosses.iter().for_each(|e| self.expr(e));
    }

    fn connect(&mut self, c: &ast::Connect) {
        match &c.source {
            ConnectSource::Path(p) => self.path(p),
            ConnectSource::Call(m) => self.model_ref(m, false),
        }
        self.path(&c.target);
        c.via.iter().for_each(|m| self.model_ref(m, false));
        c.filter.iter().for_each(|e| self.expr(e));
        c.with.iter().for_each(|m| self.model_ref(m, true));
        c.through.iter().for_each(|k| self.global(k));
    }

    /// `name(args)`; where a model is meant, its arguments are named after its variables.
    fn model_ref(&mut self, m: &ast::ModelRef, is_model: bool) {
        let model = if is_model { self.names.global(&m.name.node) } else { None };
        self.enter(m.name.span, model);
        self.args(m.args.as_deref().unwrap_or_default(), model);
    }

    fn args(&mut self, args: &[Arg], model: Option<usize>) {
        for a in args {
            if let Some(name) = &a.name {
                let def = model.and_then(|m| self.names.member(m, &name.node));
                self.enter(name.span, def);
            }
            self.expr(&a.value);
        }
    }

    fn record(&mut self, r: &ast::Record) {
        r.targets.iter().chain(&r.every).for_each(|e| self.expr(e));
    }

    fn path(&mut self, p: &Path) {
        self.name(&p.root);
        let mut base = self.base(&p.root.node);
        for s in &p.segments {
            match s {
                Segment::Member(name) => {
                    let def = base.and_then(|m| self.names.member(m, &name.node));
                    self.enter(name.span, def);
                    base = None;
                }
                Segment::Index(index) => index.items.iter().for_each(|e| self.expr(e)),
            }
        }
    }

    /// The model whose variables stand behind `name.`.
    fn base(&self, name: &str) -> Option<usize> {
        if let Some(k) = self.resolve(name) {
            return self.names.model_of(k);
        }
        let model = self.model?;
        match name {
            "pre" => self.names.end(model, true),
            "post" => self.names.end(model, false),
            _ => None,
        }
    }

    fn base_of(&self, e: &Expr) -> Option<usize> {
        match &e.kind {
            ExprKind::Name(n) => self.base(n),
            ExprKind::Index { base, .. } | ExprKind::Paren(base) => self.base_of(base),
            _ => None,
        }
    }

    fn block(&mut self, b: &Block) {
        let depth = self.locals.len();
        b.stmts.iter().for_each(|s| self.stmt(s, b.span));
        self.locals.truncate(depth);
    }

    fn stmt(&mut self, s: &Stmt, around: Span) {
        match &s.kind {
            StmtKind::If { cond, then, els } => {
                self.expr(cond);
                self.block(then);
                match els {
                    Some(Else::If(s)) => self.stmt(s, around),
                    Some(Else::Block(b)) => self.block(b),
                    None => {}
                }
            }
            StmtKind::For { var, range, batch, epochs, body } => {
                std::iter::once(range).chain(batch).chain(epochs).for_each(|e| self.expr(e));
                let depth = self.locals.len();
                self.local(var, var.span, s.span);
                self.block(body);
                self.locals.truncate(depth);
            }
            StmtKind::While { cond, body } => {
                self.expr(cond);
                self.block(body);
            }
            StmtKind::Repeat { body, until } => {
                // The condition sees the names of the body.
                let depth = self.locals.len();
                body.stmts.iter().for_each(|t| self.stmt(t, s.span));
                self.expr(until);
                self.locals.truncate(depth);
            }
            StmtKind::Run(e) | StmtKind::Expect(e) | StmtKind::Inject(e) => self.expr(e),
            StmtKind::Minimize { loss, over, by } => {
                self.expr(loss);
                over.iter().for_each(|p| self.path(p));
                self.model_ref(by, false);
            }
            StmtKind::Return(e) => e.iter().for_each(|e| self.expr(e)),
            StmtKind::Break | StmtKind::Allow(_) => {}
            StmtKind::Record(r) => self.record(r),
            StmtKind::Deliver { value, to } => {
                self.expr(value);
                if let Some(to) = to {
                    let target = self.model.and_then(|m| self.names.end(m, false));
                    let def = target.and_then(|m| self.names.member(m, &to.node));
                    self.enter(to.span, def);
                }
            }
            StmtKind::Let(l) => {
                self.let_value(l);
                self.local(&l.name, s.span, around);
            }
            StmtKind::Assign(a) => {
                self.path(&a.target);
                self.expr(&a.value);
            }
            StmtKind::Call { name, args } => {
                self.name(name);
                self.args(args, None);
            }
        }
    }

    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Number { .. } | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::Error => {}
            ExprKind::Name(n) => {
                let def = self.resolve(n);
                self.enter(e.span, def);
            }
            ExprKind::List(list) => list.iter().for_each(|e| self.expr(e)),
            ExprKind::Unary { operand, .. } => self.expr(operand),
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Binary { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Range { start, end } => start.iter().chain(end).for_each(|e| self.expr(e)),
            ExprKind::If { cond, then, els } => [cond, then, els].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Call { callee, args } => {
                self.expr(callee);
                self.args(args, None);
            }
            ExprKind::Index { base, index } => {
                self.expr(base);
                index.items.iter().for_each(|e| self.expr(e));
            }
            ExprKind::Member { base, member } => {
                self.expr(base);
                let def = self.base_of(base).and_then(|m| self.names.member(m, &member.node));
                self.enter(member.span, def);
            }
        }
    }
}
