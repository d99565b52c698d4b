//! Items that were parsed before, by their text: after an edit only what was edited is matched against the grammar again.
//!
//! The tree of an item without a fault is a function of its bytes alone (`recover.rs` matches each alone, its comments included), but
//! for its place. So an item whose bytes are known is taken out of the old tree, and [`Move`] puts its spans where it stands now: nothing
//! is copied. Faulty items are never taken over: their messages depend on what is around them.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::ast::*;
use crate::source::{FileId, Span};

/// What one file held when it was parsed last: its text, and its tree once [`Known::keep`] gave it back.
#[derive(Debug, Default)]
pub struct Known {
    text: Arc<str>,
    items: Vec<Item>,
    /// Which items have no fault.
    sound: Vec<bool>,
}

impl Known {
    /// Gives the tree of the last parse back, with its text, when nobody needs it any more.
    pub fn keep(&mut self, text: Arc<str>, tree: File) {
        if tree.items.len() == self.sound.len() {
            self.text = text;
            self.items = tree.items;
        }
    }

    /// Notes which items of a new tree have no fault.
    pub(super) fn next(sound: Vec<bool>) -> Self {
        Self { sound, ..Self::default() }
    }

    /// The text, the items, and which of them have no fault.
    pub(super) fn parts(self) -> (Arc<str>, Vec<Item>, Vec<bool>) {
        (self.text, self.items, self.sound)
    }
}

/// The sound items of an old tree by their text.
pub(super) struct Old<'t> {
    /// The first item of a text.
    first: HashMap<&'t str, usize, FxBuildHasher>,
    /// For each item the next one of the same text, where it began, and what it is until it is taken.
    items: Vec<(Option<usize>, u32, Option<ItemKind>)>,
}

impl<'t> Old<'t> {
    pub(super) fn new(text: &'t str, items: Vec<Item>, sound: &[bool]) -> Self {
        let mut first = HashMap::with_capacity_and_hasher(items.len(), FxBuildHasher);
        let mut out: Vec<_> = Vec::with_capacity(items.len());
        for item in items {
            out.push((item.span, item.kind));
        }
        // From the last on, so that the first of several is taken first.
        let mut next = vec![None; out.len()];
        for (k, (span, _)) in out.iter().enumerate().rev() {
            if let (Some(true), Some(own)) = (sound.get(k), text.get(span.range())) {
                next[k] = first.insert(own, k);
            }
        }
        let items = next.into_iter().zip(out).map(|(next, (span, kind))| (next, span.start, Some(kind))).collect();
        Self { first, items }
    }

    /// The item of a text, as it is at a place of a file.
    pub(super) fn take(&mut self, file: FileId, text: &str, start: usize) -> Option<ItemKind> {
        let at = self.first.get_mut(text)?;
        let (next, from, kind) = self.items.get_mut(*at)?;
        let mut kind = kind.take()?;
        if let Some(next) = *next {
            *at = next;
        }
        Move { file, from: *from, to: start as u32 }.item_kind(&mut kind);
        Some(kind)
    }
}

/// Puts all spans of a tree somewhere else. Every field is named, so that none is forgotten.
struct Move {
    file: FileId,
    from: u32,
    to: u32,
}

impl Move {
    fn span(&self, span: &mut Span) {
        let moved = |byte: u32| byte.wrapping_sub(self.from).wrapping_add(self.to);
        *span = Span { file: self.file, start: moved(span.start), end: moved(span.end) };
    }

    fn name<T>(&self, name: &mut crate::source::Spanned<T>) {
        self.span(&mut name.span);
    }

    fn item_kind(&self, kind: &mut ItemKind) {
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
            ItemKind::Error { defines } => defines.iter_mut().for_each(|d| self.name(d)),
        }
    }

    fn model_item_kind(&self, kind: &mut ModelItemKind) {
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
            K::Error { defines } => defines.iter_mut().for_each(|d| self.name(d)),
        }
    }

    fn condition(&self, Condition { expr, crosses }: &mut Condition) {
        self.expr(expr);
        crosses.iter_mut().for_each(|e| self.expr(e));
    }

    fn binding(&self, Binding { name, ty, value, bounds, span }: &mut Binding) {
        self.name(name);
        ty.iter_mut().for_each(|t| self.type_expr(t));
        value.iter_mut().chain(bounds).for_each(|e| self.expr(e));
        self.span(span);
    }

    fn let_(&self, Let { name, ty, value, filter }: &mut Let) {
        self.name(name);
        ty.iter_mut().for_each(|t| self.type_expr(t));
        self.expr(value);
        filter.iter_mut().for_each(|e| self.expr(e));
    }

    fn type_expr(&self, TypeExpr { kind, span }: &mut TypeExpr) {
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

    fn unit(&self, Unit { name: _, exponent: _, span }: &mut Unit) {
        self.span(span);
    }

    fn model_ref(&self, ModelRef { name, args, span }: &mut ModelRef) {
        self.name(name);
        args.iter_mut().flatten().for_each(|a| self.arg(a));
        self.span(span);
    }

    fn record(&self, Record { targets, every, to }: &mut Record) {
        targets.iter_mut().chain(every).for_each(|e| self.expr(e));
        to.iter_mut().for_each(|t| self.name(t));
    }

    fn block(&self, Block { stmts, span }: &mut Block) {
        stmts.iter_mut().for_each(|s| self.stmt(s));
        self.span(span);
    }

    fn stmt(&self, Stmt { kind, span }: &mut Stmt) {
        match kind {
            StmtKind::If { cond, then, els } => {
                self.expr(cond);
                self.block(then);
                match els {
                    Some(Else::If(s)) => self.stmt(s),
                    Some(Else::Block(b)) => self.block(b),
                    None => {}
                }
            }
            StmtKind::For { var, range, batch, epochs, body } => {
                self.name(var);
                self.expr(range);
                batch.iter_mut().chain(epochs).for_each(|e| self.expr(e));
                self.block(body);
            }
            StmtKind::While { cond, body } => {
                self.expr(cond);
                self.block(body);
            }
            StmtKind::Repeat { body, until } => {
                self.block(body);
                self.expr(until);
            }
            StmtKind::Run(e) | StmtKind::Expect(e) | StmtKind::Inject(e) => self.expr(e),
            StmtKind::Minimize { loss, over, by } => {
                self.expr(loss);
                over.iter_mut().for_each(|p| self.path(p));
                self.model_ref(by);
            }
            StmtKind::Return(e) => e.iter_mut().for_each(|e| self.expr(e)),
            StmtKind::Break => {}
            StmtKind::Record(r) => self.record(r),
            StmtKind::Deliver { value, to } => {
                self.expr(value);
                to.iter_mut().for_each(|t| self.name(t));
            }
            StmtKind::Let(l) => self.let_(l),
            StmtKind::Assign(a) => self.assign(a),
            StmtKind::Call { name, args } => {
                self.name(name);
                args.iter_mut().for_each(|a| self.arg(a));
            }
        }
        self.span(span);
    }

    fn assign(&self, Assign { target, op: _, value, span }: &mut Assign) {
        self.path(target);
        self.expr(value);
        self.span(span);
    }

    fn path(&self, Path { root, segments, span }: &mut Path) {
        self.name(root);
        for segment in segments {
            match segment {
                Segment::Member(name) => self.name(name),
                Segment::Index(index) => self.index(index),
            }
        }
        self.span(span);
    }

    fn index(&self, Index { items, span }: &mut Index) {
        items.iter_mut().for_each(|e| self.expr(e));
        self.span(span);
    }

    fn arg(&self, Arg { name, value, over, span }: &mut Arg) {
        name.iter_mut().chain(over).for_each(|n| self.name(n));
        self.expr(value);
        self.span(span);
    }

    fn expr(&self, Expr { kind, span }: &mut Expr) {
        match kind {
            ExprKind::Number { value: _, is_int: _, unit } => unit.iter_mut().for_each(|u| self.unit(u)),
            ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Error => {}
            ExprKind::List(items) => items.iter_mut().for_each(|e| self.expr(e)),
            ExprKind::Unary { op: _, op_span, operand } => {
                self.span(op_span);
                self.expr(operand);
            }
            ExprKind::Binary { op: _, op_span, left, right } => {
                self.span(op_span);
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Range { start, end } => start.iter_mut().chain(end).for_each(|e| self.expr(e)),
            ExprKind::If { cond, then, els } => [cond, then, els].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Call { callee, args } => {
                self.expr(callee);
                args.iter_mut().for_each(|a| self.arg(a));
            }
            ExprKind::Index { base, index } => {
                self.expr(base);
                self.index(index);
            }
            ExprKind::Member { base, member } => {
                self.expr(base);
                self.name(member);
            }
            ExprKind::Paren(inner) => self.expr(inner),
        }
        self.span(span);
    }
}
