//! `for a in 0..8 { population L[n[a]]: … }`: loops around declarations that have names are written out before anything is checked. What the
//! round of a = 3 declares is called `L[3]`, in two loops `L[3,0]`; elsewhere the first index of such a name chooses the round.

use std::collections::{BTreeMap, BTreeSet};

use super::consts::whole;
use super::infer::{Globals, Typer};
use super::qualify::own_names;
use super::scope::Scope;
use super::unroll::{MOST, bad_variable, ends};
use crate::diag::{Code, Diagnostic, Sink};
use crate::source::Span;
use crate::syntax::ast::{self, Arg, Block, Else, Expr, ExprKind, Ident, Item, ItemKind, Segment, Stmt, StmtKind};
use crate::syntax::visit::{self, VisitMut};

/// Whether a loop of the file declares anything but connections without names.
pub(super) fn needed(items: &[Item]) -> bool {
    items.iter().any(|i| match &i.kind {
        ItemKind::Unroll { items, .. } => items.iter().any(|i| match &i.kind {
            ItemKind::Connect(c) => c.name.is_some(),
            ItemKind::Allow(_) | ItemKind::Error { .. } => false,
            ItemKind::Unroll { .. } => needed(std::slice::from_ref(i)),
            _ => true,
        }),
        _ => false,
    })
}

/// What loops declare under one name.
struct Declared {
    /// How many loops are around it.
    loops: usize,
    at: Span,
    names: BTreeSet<String>,
    first: String,
    last: String,
}

/// The file without loops; `None` after a fault, which is reported.
pub(super) fn write_out(
    file: &ast::File,
    prelude: &ast::File,
    scope: &Scope,
    globals: &Globals,
    sink: &mut Sink,
) -> Option<ast::File> {
    let models = file.items.iter().chain(&prelude.items).filter_map(|i| match &i.kind {
        ItemKind::Neuron(m) | ItemKind::Synapse(m) => Some((m.name.node.clone(), own_names(m))),
        _ => None,
    });
    let models: BTreeMap<String, BTreeSet<String>> = models.collect();
    let declared = BTreeMap::new();
    let mut walk = Walk {
        models: &models,
        declared: &declared,
        scope,
        globals,
        values: Vec::new(),
        locals: Vec::new(),
        fine: true,
        looked_for: None,
        rounds_left: MOST,
        sink,
    };
    let (mut items, mut found) = (Vec::new(), BTreeMap::new());
    walk.unroll(&file.items, &mut items, &mut found);
    let mut fine = walk.fine;
    if fine {
        let mut walk = Walk { declared: &found, values: Vec::new(), locals: Vec::new(), ..walk };
        items.iter_mut().for_each(|i| walk.item(i));
        fine = walk.fine;
    }
    fine.then(|| ast::File { items, ..file.clone() })
}

/// Puts values in the place of loop variables and full names in that of chosen rounds.
struct Walk<'a, 's> {
    models: &'a BTreeMap<String, BTreeSet<String>>,
    declared: &'a BTreeMap<String, Declared>,
    scope: &'a Scope,
    globals: &'a Globals,
    /// The loop variables around, with their values.
    values: Vec<(Ident, i64)>,
    /// Names that mean something else here.
    locals: Vec<String>,
    fine: bool,
    /// A variable that may choose rounds, and whether it does.
    looked_for: Option<(String, bool)>,
    /// How many rounds of loops of protocols may still be written out.
    rounds_left: usize,
    sink: &'s mut Sink,
}

impl Walk<'_, '_> {
    fn error(&mut self, d: Diagnostic) {
        self.fine = false;
        self.sink.push(d);
    }

    fn unroll(&mut self, items: &[Item], out: &mut Vec<Item>, found: &mut BTreeMap<String, Declared>) {
        for item in items {
            let inside = !self.values.is_empty();
            let name = match &item.kind {
                ItemKind::Unroll { var, range, items } => {
                    self.rounds(var, range, items, out, found);
                    if self.fine {
                        continue;
                    }
                    return;
                }
                _ if !inside => {
                    out.push(item.clone());
                    continue;
                }
                ItemKind::Population { name, .. } | ItemKind::Readout { name, .. } => Some(name),
                ItemKind::Let(l) => Some(&l.name),
                ItemKind::Connect(c) => c.name.as_ref(),
                ItemKind::Record(_) => None,
                ItemKind::Allow(_) | ItemKind::Error { .. } => continue,
                _ => {
                    self.error(
                        Diagnostic::new(
                            Code::E0103,
                            item.span,
                            "this cannot be declared anew in every round of a loop",
                        )
                        .label("loops are for populations, views, connections, readouts and recordings")
                        .help("declare it outside of the loop; values that differ may come from a table: `tau[a]`"),
                    );
                    return;
                }
            };
            if out.len() >= MOST {
                self.error(
                    Diagnostic::new(Code::E0902, item.span, format!("loops make more than {MOST} declarations"))
                        .help("use fewer rounds"),
                );
                return;
            }
            let mut written = item.clone();
            if let Some(name) = name {
                let round: Vec<String> = self.values.iter().map(|(_, k)| k.to_string()).collect();
                let full = format!("{}[{}]", name.node, round.join(","));
                let loops = self.values.len();
                let declared = found.entry(name.node.clone()).or_insert_with(|| Declared {
                    loops,
                    at: name.span,
                    names: BTreeSet::new(),
                    first: full.clone(),
                    last: String::new(),
                });
                declared.last.clone_from(&full);
                let outside = self.scope.names.get(&name.node).map(|(_, at)| *at);
                let twice = declared.at != name.span || !declared.names.insert(full.clone());
                if let Some(first) = outside.or(twice.then_some(declared.at)) {
                    self.error(
                        Diagnostic::new(Code::E0103, name.span, format!("`{}` is declared twice", name.node))
                            .also(first, "first declared here")
                            .help("rename one of them"),
                    );
                    return;
                }
                match &mut written.kind {
                    ItemKind::Population { name, .. } | ItemKind::Readout { name, .. } => name.node = full,
                    ItemKind::Let(l) => l.name.node = full,
                    ItemKind::Connect(c) => c.name.iter_mut().for_each(|n| n.node.clone_from(&full)),
                    _ => {}
                }
            }
            self.item(&mut written);
            out.push(written);
        }
    }

    fn rounds(
        &mut self,
        var: &Ident,
        range: &Expr,
        items: &[Item],
        out: &mut Vec<Item>,
        found: &mut BTreeMap<String, Declared>,
    ) {
        let around = self.values.iter().find(|(v, _)| v.node == var.node).map(|(v, _)| v.span);
        if let Some(d) = bad_variable(var, self.scope, around) {
            return self.error(d);
        }
        let mut range = range.clone();
        self.expr(&mut range);
        let Some((a, b)) = ends(&range, &mut Typer::new(self.scope, self.globals, self.sink)) else {
            self.fine = false;
            return;
        };
        for k in a..b {
            let before = out.len();
            self.values.push((var.clone(), k));
            self.unroll(items, out, found);
            self.values.pop();
            // Rounds that make nothing make nothing however often they run.
            if !self.fine || out.len() == before {
                return;
            }
        }
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|l| l == name)
    }

    /// The full name of what an index chooses.
    fn chosen(&mut self, name: &str, index: &mut ast::Index, span: Span) -> Option<String> {
        if self.is_local(name) {
            return None;
        }
        let Declared { loops, at, names, first, last } = self.declared.get(name)?;
        if let Some((var, found)) = &mut self.looked_for {
            *found |= index.items.iter().any(|e| mentions(e, var));
        }
        index.items.iter_mut().for_each(|e| self.expr(e));
        let mut round = Vec::new();
        for e in &index.items {
            let local = self.locals.iter().any(|l| mentions(e, l));
            let mut quiet = Sink::default();
            let value = whole(e, "an index", &mut Typer::new(self.scope, self.globals, &mut quiet));
            round.extend(value.filter(|_| !local).map(|k| k.to_string()));
        }
        let full = format!("{name}[{}]", round.join(","));
        if round.len() != index.items.len() || round.len() != *loops {
            let what = if *loops == 1 { "one constant index" } else { "a constant index for each loop" };
            let example = first;
            self.error(
                Diagnostic::new(Code::E0402, span, format!("which `{name}` is meant must be known before the program runs"))
                    .label(format!("{what} is needed here"))
                    .also(*at, "declared in a loop, once for each round")
                    .help(format!(
                        "write `{example}`; a second pair of brackets chooses neurons: `{example}[..10]`; a protocol may loop: `for k in 0..8 {{ … {name}[k] … }}`"
                    )),
            );
            return None;
        }
        if !names.contains(&full) {
            self.error(
                Diagnostic::new(Code::E0402, span, format!("there is no `{full}`"))
                    .also(*at, "declared in a loop")
                    .note(format!("the first is `{first}` and the last `{last}`")),
            );
            return None;
        }
        Some(full)
    }

    fn bare(&mut self, name: &str, span: Span) {
        if self.is_local(name) {
            return;
        }
        let Some(Declared { at, first: example, .. }) = self.declared.get(name) else { return };
        let (at, example) = (*at, example.clone());
        self.error(
            Diagnostic::new(Code::E0402, span, format!("there are several `{name}`"))
                .label("which one is meant?")
                .also(at, "declared in a loop, once for each round")
                .help(format!("write `{example}`")),
        );
    }

    fn item(&mut self, item: &mut Item) {
        let depth = self.locals.len();
        match &mut item.kind {
            ItemKind::Let(l) => {
                self.expr(&mut l.value);
                l.filter.iter_mut().for_each(|e| self.expr(e));
            }
            ItemKind::Population { index, model, .. } => {
                index.iter_mut().flat_map(|i| &mut i.items).for_each(|e| self.expr(e));
                self.model_ref(model);
            }
            ItemKind::Connect(c) => {
                match &mut c.source {
                    ast::ConnectSource::Path(p) => self.path(p),
                    ast::ConnectSource::Call(m) => self.args(m.args.as_deref_mut()),
                }
                self.path(&mut c.target);
                c.via.iter_mut().for_each(|m| self.args(m.args.as_deref_mut()));
                c.filter.iter_mut().for_each(|e| self.expr(e));
                c.with.iter_mut().for_each(|m| self.model_ref(m));
            }
            ItemKind::Readout { model, .. } => self.args(model.args.as_deref_mut()),
            ItemKind::Record(r) => self.record(r),
            ItemKind::Procedure { params, body, .. } => {
                self.locals.extend(params.iter().map(|p| p.node.clone()));
                self.block(body);
            }
            ItemKind::Experiment { body, .. } | ItemKind::Test { body, .. } => self.block(body),
            // Nothing in them can name a population.
            _ => {}
        }
        self.locals.truncate(depth);
    }

    fn args(&mut self, args: Option<&mut [Arg]>) {
        args.unwrap_or_default().iter_mut().for_each(|a| self.arg(a));
    }

    /// A loop of a protocol whose variable chooses rounds is written out too.
    fn written_out(&mut self, s: &Stmt, out: &mut Vec<Stmt>) -> bool {
        let StmtKind::For { var, range, batch: None, epochs: None, body } = &s.kind else { return false };
        if self.declared.is_empty() || !self.chooses(&var.node, body) {
            return false;
        }
        let mut range = range.clone();
        self.expr(&mut range);
        let mut quiet = Sink::default();
        let Some((a, b)) = ends(&range, &mut Typer::new(self.scope, self.globals, &mut quiet)) else { return false };
        if let Some(at) = body.stmts.iter().find_map(breaks) {
            self.error(
                Diagnostic::new(Code::E0502, at, "`break` cannot leave a loop that is written out")
                    .also(var.span, "this variable chooses among declarations")
                    .help("use `if` around what follows"),
            );
            return true;
        }
        for k in a..b {
            if self.rounds_left == 0 {
                self.error(
                    Diagnostic::new(Code::E0902, var.span, format!("more than {MOST} rounds of loops are written out"))
                        .label("this variable chooses among declarations, so each round is written out")
                        .help("use fewer rounds"),
                );
            }
            if !self.fine {
                break;
            }
            self.rounds_left -= 1;
            let mut then = body.clone();
            let hidden = std::mem::take(&mut self.locals);
            self.locals = hidden.iter().filter(|l| **l != var.node).cloned().collect();
            self.values.push((var.clone(), k));
            self.block(&mut then);
            self.values.pop();
            self.locals = hidden;
            let cond = Expr { kind: ExprKind::Bool(true), span: range.span };
            out.push(Stmt { kind: StmtKind::If { cond, then, els: None }, span: s.span });
        }
        true
    }

    /// Whether a variable stands in an index that chooses a round.
    fn chooses(&mut self, var: &str, body: &Block) -> bool {
        let mut quiet = Sink::default();
        let mut probe = Walk {
            models: self.models,
            declared: self.declared,
            scope: self.scope,
            globals: self.globals,
            values: Vec::new(),
            locals: self.locals.clone(),
            fine: true,
            looked_for: Some((var.to_owned(), false)),
            rounds_left: 0,
            sink: &mut quiet,
        };
        let mut copy = body.clone();
        for s in &mut copy.stmts {
            probe.stmt(s);
        }
        probe.looked_for.is_some_and(|(_, found)| found)
    }
}

impl VisitMut for Walk<'_, '_> {
    fn model_ref(&mut self, m: &mut ast::ModelRef) {
        let depth = self.locals.len();
        self.locals.extend(self.models.get(&m.name.node).into_iter().flatten().cloned());
        self.args(m.args.as_deref_mut());
        self.locals.truncate(depth);
    }

    fn path(&mut self, p: &mut ast::Path) {
        let known = self.declared.contains_key(&p.root.node);
        if let (true, Some(Segment::Index(index))) = (known, p.segments.first_mut()) {
            if let Some(full) = self.chosen(&p.root.node, index, p.root.span.to(index.span)) {
                p.root = Ident::new(full, p.root.span.to(index.span));
                p.segments.remove(0);
            }
        } else {
            self.bare(&p.root.node, p.root.span);
        }
        visit::walk_path(self, p);
    }

    fn block(&mut self, b: &mut Block) {
        let depth = self.locals.len();
        let mut out = Vec::new();
        for mut s in std::mem::take(&mut b.stmts) {
            // Who only looks for a variable changes nothing.
            if self.looked_for.is_some() || !self.written_out(&s, &mut out) {
                self.stmt(&mut s);
                out.push(s);
            }
        }
        b.stmts = out;
        self.locals.truncate(depth);
    }

    fn stmt(&mut self, s: &mut Stmt) {
        match &mut s.kind {
            StmtKind::For { var, range, batch, epochs, body } => {
                std::iter::once(range).chain(batch).chain(epochs).for_each(|e| self.expr(e));
                self.locals.push(var.node.clone());
                self.block(body);
                self.locals.pop();
            }
            StmtKind::Let(l) => {
                self.expr(&mut l.value);
                self.locals.push(l.name.node.clone());
            }
            _ => visit::walk_stmt(self, s),
        }
    }

    fn expr(&mut self, e: &mut Expr) {
        let span = e.span;
        match &mut e.kind {
            ExprKind::Name(name) => {
                let value = self.values.iter().rev().find(|(v, _)| v.node == *name).map(|(_, k)| *k);
                match value.filter(|_| !self.is_local(name)) {
                    Some(k) => e.kind = number(k, span),
                    None => {
                        let name = name.clone();
                        self.bare(&name, span);
                    }
                }
            }
            ExprKind::Index { base, index } => {
                if let ExprKind::Name(name) = &base.kind
                    && self.declared.contains_key(name)
                {
                    let name = name.clone();
                    if let Some(full) = self.chosen(&name, index, span) {
                        e.kind = ExprKind::Name(full);
                    }
                    return;
                }
                visit::walk_expr(self, e);
            }
            // The name of a function is no population.
            ExprKind::Call { callee, args } if matches!(callee.kind, ExprKind::Name(_)) => self.args(Some(args)),
            _ => visit::walk_expr(self, e),
        }
    }
}

fn number(k: i64, span: Span) -> ExprKind {
    let value = |x: f64| Expr { kind: ExprKind::Number { value: x, is_int: true, unit: None }, span };
    if k >= 0 {
        return value(k as f64).kind;
    }
    let operand = Box::new(value(-(k as f64)));
    ExprKind::Paren(Box::new(Expr { kind: ExprKind::Unary { op: ast::UnaryOp::Neg, op_span: span, operand }, span }))
}

/// Whether an index is made of a name.
fn mentions(e: &Expr, name: &str) -> bool {
    match &e.kind {
        ExprKind::Name(n) => n == name,
        ExprKind::Unary { operand: a, .. } | ExprKind::Paren(a) | ExprKind::Member { base: a, .. } => mentions(a, name),
        ExprKind::Binary { left, right, .. } => mentions(left, name) || mentions(right, name),
        ExprKind::Index { base, index } => mentions(base, name) || index.items.iter().any(|e| mentions(e, name)),
        ExprKind::Call { args, .. } => args.iter().any(|a| mentions(&a.value, name)),
        ExprKind::If { cond, then, els } => [cond, then, els].into_iter().any(|e| mentions(e, name)),
        ExprKind::Range { start, end } => start.iter().chain(end).any(|e| mentions(e, name)),
        ExprKind::List(items) => items.iter().any(|e| mentions(e, name)),
        ExprKind::Number { .. } | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::Error => false,
    }
}

/// Where a statement leaves the loop around it.
fn breaks(s: &Stmt) -> Option<Span> {
    match &s.kind {
        StmtKind::Break => Some(s.span),
        StmtKind::If { then, els, .. } => then.stmts.iter().find_map(breaks).or_else(|| match els {
            Some(Else::If(s)) => breaks(s),
            Some(Else::Block(b)) => b.stmts.iter().find_map(breaks),
            None => None,
        }),
        _ => None,
    }
}
