//! One walk over the syntax tree for all that change it in place: a hook for each kind of node, which does what is below it. Whoever needs something
//! else at some node overrides its hook; every field is named here, so that none is forgotten.

use super::ast::*;
use crate::source::{Span, Spanned};

/// Hooks for the nodes of a tree. Each default visits all that is below.
pub(crate) trait VisitMut {
    /// Any span: of a node, of a name, of an operator.
    fn span(&mut self, _: &mut Span) {}

    /// Any name or string with a place of its own, declared or mentioned, but for names in expressions.
    fn name(&mut self, name: &mut Spanned<String>) {
        self.span(&mut name.span);
    }

    fn item_kind(&mut self, kind: &mut ItemKind) {
        match kind {
            ItemKind::Import { path, alias } => {
                self.name(path);
                alias.iter_mut().for_each(|a| self.name(a));
            }
            ItemKind::Simulation(list) => list.iter_mut().for_each(|a| self.assign(a)),
            ItemKind::Const(list) | ItemKind::Param(list) => list.iter_mut().for_each(|b| self.binding(b)),
            ItemKind::Let(l) => self.let_(l),
            ItemKind::Fn { name, params, body } => {
                self.name(name);
                for (param, ty) in params {
                    self.name(param);
                    ty.iter_mut().for_each(|t| self.type_expr(t));
                }
                self.expr(body);
            }
            ItemKind::Data { name, value } => {
                self.name(name);
                self.expr(value);
            }
            ItemKind::Neuron(Model { name, items }) | ItemKind::Synapse(Model { name, items }) => {
                self.name(name);
                for ModelItem { doc: _, kind, span } in items {
                    self.model_item_kind(kind);
                    self.span(span);
                }
            }
            ItemKind::Population { name, index, model } => {
                self.name(name);
                index.iter_mut().for_each(|i| self.index(i));
                self.model_ref(model);
            }
            ItemKind::Connect(Connect { name, source, target, via, filter, with, through }) => {
                name.iter_mut().chain(through).for_each(|n| self.name(n));
                match source {
                    ConnectSource::Path(p) => self.path(p),
                    ConnectSource::Call(m) => self.model_ref(m),
                }
                self.path(target);
                via.iter_mut().chain(with).for_each(|m| self.model_ref(m));
                filter.iter_mut().for_each(|e| self.expr(e));
            }
            ItemKind::Kernel { name, arg, body, over } => {
                self.name(name);
                self.name(arg);
                self.expr(body);
                self.expr(over);
            }
            ItemKind::Readout { name, model } => {
                self.name(name);
                self.model_ref(model);
            }
            ItemKind::Record(r) => self.record(r),
            ItemKind::Procedure { name, params, body } => {
                self.name(name);
                params.iter_mut().for_each(|p| self.name(p));
                self.block(body);
            }
            ItemKind::Experiment { name, body } => {
                self.name(name);
                self.block(body);
            }
            ItemKind::Test { name, body } => {
                self.name(name);
                self.block(body);
            }
            ItemKind::Unroll { var, range, items } => {
                self.name(var);
                self.expr(range);
                for Item { doc: _, kind, span } in items {
                    self.item_kind(kind);
                    self.span(span);
                }
            }
            ItemKind::Allow(a) => self.allow(a),
            ItemKind::Error { defines } => defines.iter_mut().for_each(|d| self.name(d)),
        }
    }

    fn model_item_kind(&mut self, kind: &mut ModelItemKind) {
        use ModelItemKind as K;
        match kind {
            K::Param(list) | K::State(list) | K::Weight(list) | K::Learned(list) | K::Input(list) => {
                list.iter_mut().for_each(|b| self.binding(b));
            }
            K::Let(l) => self.let_(l),
            K::Ode { coef, var, rhs } => {
                coef.iter_mut().for_each(|e| self.expr(e));
                self.name(var);
                self.expr(rhs);
            }
            K::Spike { cond, surrogate } => {
                match cond {
                    SpikeCond::When(c) => self.condition(c),
                    SpikeCond::Rate(e) => self.expr(e),
                }
                surrogate.iter_mut().for_each(|m| self.model_ref(m));
            }
            K::Event { name, cond } => {
                self.name(name);
                self.condition(cond);
            }
            K::On { event, body } => {
                self.name(event);
                self.block(body);
            }
            K::Every { period, body } => {
                self.expr(period);
                self.block(body);
            }
            K::Refractory { duration, hold } => {
                self.expr(duration);
                hold.iter_mut().for_each(|h| self.name(h));
            }
            K::Method(m) => self.model_ref(m),
            K::Inject(e) => self.expr(e),
            K::Allow(a) => self.allow(a),
            K::Error { defines, words: _ } => defines.iter_mut().for_each(|d| self.name(d)),
        }
    }

    fn allow(&mut self, Allow { codes, reason }: &mut Allow) {
        codes.iter_mut().chain([reason]).for_each(|c| self.span(&mut c.span));
    }

    fn condition(&mut self, Condition { expr, crosses }: &mut Condition) {
        self.expr(expr);
        crosses.iter_mut().for_each(|e| self.expr(e));
    }

    fn binding(&mut self, Binding { name, ty, value, bounds, span }: &mut Binding) {
        self.name(name);
        ty.iter_mut().for_each(|t| self.type_expr(t));
        value.iter_mut().chain(bounds).for_each(|e| self.expr(e));
        self.span(span);
    }

    fn let_(&mut self, Let { name, ty, value, filter }: &mut Let) {
        self.name(name);
        ty.iter_mut().for_each(|t| self.type_expr(t));
        self.expr(value);
        filter.iter_mut().for_each(|e| self.expr(e));
    }

    fn type_expr(&mut self, TypeExpr { kind, span }: &mut TypeExpr) {
        match kind {
            TypeKind::Int | TypeKind::Bool | TypeKind::One => {}
            TypeKind::Unit(u) => self.unit(u),
            TypeKind::Mul(a, b) | TypeKind::Div(a, b) => {
                self.type_expr(a);
                self.type_expr(b);
            }
        }
        self.span(span);
    }

    fn unit(&mut self, Unit { name: _, exponent: _, span }: &mut Unit) {
        self.span(span);
    }

    fn model_ref(&mut self, ModelRef { name, args, span }: &mut ModelRef) {
        self.name(name);
        args.iter_mut().flatten().for_each(|a| self.arg(a));
        self.span(span);
    }

    fn record(&mut self, Record { targets, every, to }: &mut Record) {
        targets.iter_mut().chain(every).for_each(|e| self.expr(e));
        to.iter_mut().for_each(|t| self.name(t));
    }

    fn block(&mut self, Block { stmts, span }: &mut Block) {
        stmts.iter_mut().for_each(|s| self.stmt(s));
        self.span(span);
    }

    fn stmt(&mut self, s: &mut Stmt) {
        walk_stmt(self, s);
    }

    fn assign(&mut self, Assign { target, op: _, value, span }: &mut Assign) {
        self.path(target);
        self.expr(value);
        self.span(span);
    }

    fn path(&mut self, p: &mut Path) {
        walk_path(self, p);
    }

    fn index(&mut self, Index { items, span }: &mut Index) {
        items.iter_mut().for_each(|e| self.expr(e));
        self.span(span);
    }

    fn arg(&mut self, Arg { name, value, over, span }: &mut Arg) {
        name.iter_mut().chain(over).for_each(|n| self.name(n));
        self.expr(value);
        self.span(span);
    }

    fn expr(&mut self, e: &mut Expr) {
        walk_expr(self, e);
    }
}

/// What is below a statement.
pub(crate) fn walk_stmt<V: VisitMut + ?Sized>(v: &mut V, Stmt { kind, span }: &mut Stmt) {
    match kind {
        StmtKind::If { cond, then, els } => {
            v.expr(cond);
            v.block(then);
            match els {
                Some(Else::If(s)) => v.stmt(s),
                Some(Else::Block(b)) => v.block(b),
                None => {}
            }
        }
        StmtKind::For { var, range, batch, epochs, body } => {
            v.name(var);
            v.expr(range);
            batch.iter_mut().chain(epochs).for_each(|e| v.expr(e));
            v.block(body);
        }
        StmtKind::While { cond, body } => {
            v.expr(cond);
            v.block(body);
        }
        StmtKind::Repeat { body, until } => {
            v.block(body);
            v.expr(until);
        }
        StmtKind::Run(e) | StmtKind::Expect(e) | StmtKind::Inject(e) => v.expr(e),
        StmtKind::Minimize { loss, over, by } => {
            v.expr(loss);
            over.iter_mut().for_each(|p| v.path(p));
            v.model_ref(by);
        }
        StmtKind::Return(e) => e.iter_mut().for_each(|e| v.expr(e)),
        StmtKind::Break => {}
        StmtKind::Allow(a) => v.allow(a),
        StmtKind::Record(r) => v.record(r),
        StmtKind::Deliver { value, to } => {
            v.expr(value);
            to.iter_mut().for_each(|t| v.name(t));
        }
        StmtKind::Let(l) => v.let_(l),
        StmtKind::Assign(a) => v.assign(a),
        StmtKind::Call { name, args } => {
            v.name(name);
            args.iter_mut().for_each(|a| v.arg(a));
        }
    }
    v.span(span);
}

/// What is below a path.
pub(crate) fn walk_path<V: VisitMut + ?Sized>(v: &mut V, Path { root, segments, span }: &mut Path) {
    v.name(root);
    for segment in segments {
        match segment {
            Segment::Member(name) => v.name(name),
            Segment::Index(index) => v.index(index),
        }
    }
    v.span(span);
}

/// What is below an expression.
pub(crate) fn walk_expr<V: VisitMut + ?Sized>(v: &mut V, Expr { kind, span }: &mut Expr) {
    match kind {
        ExprKind::Number { value: _, is_int: _, unit } => unit.iter_mut().for_each(|u| v.unit(u)),
        ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Error => {}
        ExprKind::List(items) => items.iter_mut().for_each(|e| v.expr(e)),
        ExprKind::Unary { op: _, op_span, operand } => {
            v.span(op_span);
            v.expr(operand);
        }
        ExprKind::Binary { op: _, op_span, left, right } => {
            v.span(op_span);
            v.expr(left);
            v.expr(right);
        }
        ExprKind::Range { start, end } => start.iter_mut().chain(end).for_each(|e| v.expr(e)),
        ExprKind::If { cond, then, els } => [cond, then, els].into_iter().for_each(|e| v.expr(e)),
        ExprKind::Call { callee, args } => {
            v.expr(callee);
            args.iter_mut().for_each(|a| v.arg(a));
        }
        ExprKind::Index { base, index } => {
            v.expr(base);
            v.index(index);
        }
        ExprKind::Member { base, member } => {
            v.expr(base);
            v.name(member);
        }
        ExprKind::Paren(inner) => v.expr(inner),
    }
    v.span(span);
}
