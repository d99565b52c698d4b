//! What the formatter must know of the tree, by byte: where statements begin and what each sign is. Everything else about the
//! layout follows from the tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::source::Span;
use crate::syntax::ast::*;

/// What a sign is, where its text does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// `-x`, `+x`: no space after it.
    Prefix,
    /// Always within spaces; a line may break before it. The number is its level, loosest first.
    Loose(u8),
    /// `*`, `/`, `%`: spaces as written, both sides alike.
    AsWritten,
    /// No spaces: powers, and `/` and `*` of declared types and derivatives.
    Tight,
}

/// Facts about bytes of a text.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// First bytes of items, model items, statements and settings.
    pub(super) starts: BTreeMap<u32, Start>,
    /// First bytes of signs.
    pub(super) signs: BTreeMap<u32, Sign>,
    /// Ranges `a .. b` whose `..` stands within spaces: where the `..` is searched for.
    pub(super) wide: BTreeSet<u32>,
    /// The documentation of items and model items, in order.
    pub(super) docs: Vec<String>,
    /// Declared types.
    types: Vec<Range<u32>>,
    /// Factors before derivatives, in which the grammar allows no line break.
    coefs: Vec<Range<u32>>,
}

/// What begins at a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// One past its last byte.
    pub(super) end: u32,
    /// What kind of piece it is, as far as line breaks depend on it.
    pub(super) piece: Piece,
}

/// Pieces whose clauses may stand on lines of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// `connect`: `via`, `where`, `with`, `through`.
    Connect,
    /// `record`: `every`, `to`.
    Record,
    /// Any other.
    Other,
}

impl Marks {
    /// Whether a byte lies in a declared type.
    pub(super) fn in_type(&self, byte: u32) -> bool {
        within(&self.types, byte)
    }

    /// Whether a byte lies in the factor before a derivative.
    pub(super) fn in_coef(&self, byte: u32) -> bool {
        within(&self.coefs, byte)
    }
}

/// Whether one of the ranges, which are in order and apart, holds a byte.
fn within(ranges: &[Range<u32>], byte: u32) -> bool {
    let after = ranges.partition_point(|t| t.start <= byte);
    after.checked_sub(1).and_then(|k| ranges.get(k)).is_some_and(|t| byte < t.end)
}

/// Reads a tree without error nodes.
pub(super) fn marks(file: &File) -> Marks {
    let mut marks = Marks::default();
    file.items.iter().for_each(|i| marks.item(i));
    marks.types.sort_by_key(|t| t.start);
    marks.coefs.sort_by_key(|t| t.start);
    marks
}

impl Marks {
    fn start(&mut self, span: Span, piece: Piece) {
        self.starts.insert(span.start, Start { end: span.end, piece });
    }

    fn item(&mut self, item: &Item) {
        let piece = match &item.kind {
            ItemKind::Connect(_) => Piece::Connect,
            ItemKind::Record(_) => Piece::Record,
            _ => Piece::Other,
        };
        self.start(item.span, piece);
        self.docs.push(item.doc.clone());
        match &item.kind {
            ItemKind::Import { .. } | ItemKind::Allow(_) | ItemKind::Error { .. } => {}
            ItemKind::Simulation(settings) => settings.iter().for_each(|a| {
                self.start(a.span, Piece::Other);
                self.assign(a);
            }),
            ItemKind::Const(b) | ItemKind::Param(b) => self.bindings(b),
            ItemKind::Let(l) => self.let_decl(l),
            ItemKind::Fn { params, body, .. } => {
                params.iter().filter_map(|(_, ty)| ty.as_ref()).for_each(|ty| self.ty(ty));
                self.expr(body);
            }
            ItemKind::Data { value, .. } => self.expr(value),
            ItemKind::Neuron(m) | ItemKind::Synapse(m) => m.items.iter().for_each(|i| self.model_item(i)),
            ItemKind::Population { index, model, .. } => {
                index.iter().for_each(|i| self.index(i));
                self.model_ref(model);
            }
            ItemKind::Connect(c) => {
                match &c.source {
                    ConnectSource::Path(p) => self.path(p),
                    ConnectSource::Call(m) => self.model_ref(m),
                }
                self.path(&c.target);
                c.via.iter().chain(&c.with).for_each(|m| self.model_ref(m));
                c.filter.iter().for_each(|e| self.expr(e));
            }
            ItemKind::Kernel { body, over, .. } => [body, over].into_iter().for_each(|e| self.expr(e)),
            ItemKind::Readout { model, .. } => self.model_ref(model),
            ItemKind::Record(r) => self.record(r),
            ItemKind::Procedure { body, .. } | ItemKind::Experiment { body, .. } | ItemKind::Test { body, .. } => {
                self.block(body);
            }
            ItemKind::Unroll { range, items, .. } => {
                self.expr(range);
                items.iter().for_each(|i| self.item(i));
            }
        }
    }

    fn model_item(&mut self, item: &ModelItem) {
        self.start(item.span, Piece::Other);
        self.docs.push(item.doc.clone());
        match &item.kind {
            ModelItemKind::Param(b)
            | ModelItemKind::State(b)
            | ModelItemKind::Weight(b)
            | ModelItemKind::Learned(b)
            | ModelItemKind::Input(b) => self.bindings(b),
            ModelItemKind::Let(l) => self.let_decl(l),
            ModelItemKind::Ode { coef, var, rhs } => {
                self.signs.insert(var.span.end, Sign::Tight);
                if let Some(coef) = coef {
                    self.coefs.push(coef.span.start..var.span.start);
                    self.expr(coef);
                }
                self.expr(rhs);
            }
            ModelItemKind::Spike { cond, surrogate } => {
                match cond {
                    SpikeCond::When(c) => self.condition(c),
                    SpikeCond::Rate(e) => self.expr(e),
                }
                surrogate.iter().for_each(|m| self.model_ref(m));
            }
            ModelItemKind::Event { cond, .. } => self.condition(cond),
            ModelItemKind::On { body, .. } => self.block(body),
            ModelItemKind::Every { period, body } => {
                self.expr(period);
                self.block(body);
            }
            ModelItemKind::Refractory { duration, .. } => self.expr(duration),
            ModelItemKind::Method(m) => self.model_ref(m),
            ModelItemKind::Inject(e) => self.expr(e),
            ModelItemKind::Allow(_) | ModelItemKind::Error { .. } => {}
        }
    }

    fn block(&mut self, block: &Block) {
        block.stmts.iter().for_each(|s| self.stmt(s));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        let piece = if matches!(stmt.kind, StmtKind::Record(_)) { Piece::Record } else { Piece::Other };
        self.start(stmt.span, piece);
        self.stmt_inside(stmt);
    }

    /// A statement that begins no line of its own: the `if` of an `else if`.
    fn stmt_inside(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::If { cond, then, els } => {
                self.expr(cond);
                self.block(then);
                match els {
                    Some(Else::If(s)) => self.stmt_inside(s),
                    Some(Else::Block(b)) => self.block(b),
                    None => {}
                }
            }
            StmtKind::For { range, batch, epochs, body, .. } => {
                [Some(range), batch.as_ref(), epochs.as_ref()].into_iter().flatten().for_each(|e| self.expr(e));
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
            StmtKind::Deliver { value, .. } => self.expr(value),
            StmtKind::Minimize { loss, over, by } => {
                self.expr(loss);
                over.iter().for_each(|p| self.path(p));
                self.model_ref(by);
            }
            StmtKind::Return(e) => e.iter().for_each(|e| self.expr(e)),
            StmtKind::Break | StmtKind::Allow(_) => {}
            StmtKind::Record(r) => self.record(r),
            StmtKind::Let(l) => self.let_decl(l),
            StmtKind::Assign(a) => self.assign(a),
            StmtKind::Call { args, .. } => self.args(args),
        }
    }

    fn assign(&mut self, a: &Assign) {
        self.path(&a.target);
        self.expr(&a.value);
    }

    fn record(&mut self, r: &Record) {
        r.targets.iter().chain(&r.every).for_each(|e| self.expr(e));
    }

    fn condition(&mut self, c: &Condition) {
        self.expr(&c.expr);
        c.crosses.iter().for_each(|e| self.expr(e));
    }

    fn bindings(&mut self, bindings: &[Binding]) {
        for b in bindings {
            b.ty.iter().for_each(|t| self.ty(t));
            b.value.iter().chain(&b.bounds).for_each(|e| self.expr(e));
        }
    }

    fn let_decl(&mut self, l: &Let) {
        l.ty.iter().for_each(|t| self.ty(t));
        self.expr(&l.value);
        l.filter.iter().for_each(|e| self.expr(e));
    }

    fn ty(&mut self, ty: &TypeExpr) {
        self.types.push(ty.span.start..ty.span.end);
    }

    fn model_ref(&mut self, m: &ModelRef) {
        m.args.iter().for_each(|a| self.args(a));
    }

    fn args(&mut self, args: &[Arg]) {
        args.iter().for_each(|a| self.expr(&a.value));
    }

    fn index(&mut self, index: &Index) {
        index.items.iter().for_each(|e| self.expr(e));
    }

    fn path(&mut self, path: &Path) {
        for segment in &path.segments {
            if let Segment::Index(i) = segment {
                self.index(i);
            }
        }
    }

    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Number { .. } | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Error => {}
            ExprKind::List(items) => items.iter().for_each(|e| self.expr(e)),
            ExprKind::Unary { op, op_span, operand } => {
                if *op != UnaryOp::Not {
                    self.signs.insert(op_span.start, Sign::Prefix);
                }
                self.expr(operand);
            }
            ExprKind::Binary { op, op_span, left, right } => {
                self.signs.insert(op_span.start, sign(*op));
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Range { start, end } => {
                if let (Some(start), Some(end)) = (start, end)
                    && !(narrow(start) && narrow(end))
                {
                    self.wide.insert(start.span.end);
                }
                [start, end].into_iter().flatten().for_each(|e| self.expr(e));
            }
            ExprKind::If { cond, then, els } => [cond, then, els].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Call { callee, args } => {
                self.expr(callee);
                self.args(args);
            }
            ExprKind::Index { base, index } => {
                self.expr(base);
                self.index(index);
            }
            ExprKind::Member { base, .. } => self.expr(base),
            ExprKind::Paren(inner) => self.expr(inner),
        }
    }
}

fn sign(op: BinaryOp) -> Sign {
    match op {
        BinaryOp::Or => Sign::Loose(1),
        BinaryOp::And => Sign::Loose(2),
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge | BinaryOp::In => {
            Sign::Loose(3)
        }
        BinaryOp::Add | BinaryOp::Sub => Sign::Loose(4),
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => Sign::AsWritten,
        BinaryOp::Pow => Sign::Tight,
    }
}

/// Whether an end of a range is so short that `..` needs no spaces: a whole number or a name.
fn narrow(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Number { is_int, unit, .. } => *is_int && unit.is_none(),
        ExprKind::Name(_) => true,
        ExprKind::Member { base, .. } => narrow(base),
        _ => false,
    }
}
