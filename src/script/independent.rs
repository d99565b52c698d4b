//! Which sample loops are independent: nothing that a sample's body uses comes from the sample before.
//!
//! The proof is a forward data flow over the body, procedures inlined. Everything that the body or its `run`s may change is at first
//! *stale*: it holds what the sample before left. Assigning it whole, or resetting it, makes it fresh; a value made from stale ones is
//! stale. Using a stale value is what carries over: in a condition, in what is printed, observed or expected, in the time of a `run`,
//! and, at a `run`, in any state that can reach a spike or something that the protocol reads. A state that reaches neither (the trace
//! under a frozen weight) may stay stale. Copying a stale value is no use: `let response = E.count` before the first `run` is
//! harmless if `response` is set again before it is read.
//!
//! Everything not shown to be fresh counts as stale, so `Proved` is safe.

use std::collections::{BTreeMap, BTreeSet};

use crate::hir::{self, Model, PopId, ProjId, Role};
use crate::script::effects::Facts;
use crate::script::expr::var_name;
use crate::script::ir::{
    AssignOp, Expr, ExprKind, IndexItem, LocalId, Neurons, Place, ProcId, Program, ReadoutUse, Record, Recorded,
    SampleLoop, Samples, Stmt, StmtKind, is_delay,
};
use crate::script::machine::{Entity, ResetTarget, VarKey};
use crate::script::names::vars;
use crate::script::walk;
use crate::source::Span;

/// Whether the samples of a loop may run in any order.
#[derive(Debug, Clone, PartialEq)]
pub enum Independence {
    /// They may.
    Proved,
    /// What carries over, each once, in the order it is met.
    Carries(Vec<Reason>),
}

/// Something that carries over from sample to sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// In words: "`E.g_e` carries over from sample to sample: it is not reset".
    pub text: String,
    /// Where it is used.
    pub span: Span,
}

/// A sample loop of a program, for `snnc plan`.
#[derive(Debug, Clone, PartialEq)]
pub struct LoopReport {
    /// The experiment or test.
    pub owner: String,
    /// The samples as written.
    pub span: Span,
    /// Whether it has a `batch`.
    pub batch: bool,
    /// What was found.
    pub independence: Independence,
}

/// Decides about one loop, with these variables frozen when it starts.
#[must_use]
pub fn analyse(program: &Program, model: &Model, l: &SampleLoop, frozen: &BTreeSet<VarKey>) -> Independence {
    let facts = Facts::new(model, frozen);
    let mut seen = Seen::default();
    seen.block(program, &l.body);
    let mut walk = Walk {
        program,
        model,
        live: facts.live(&observed(program, model, &facts)),
        facts: &facts,
        changes: &l.changes,
        decoders: &seen.decoders,
        state: State::default(),
        breaks: Vec::new(),
        returns: Vec::new(),
        depth: 0,
        reasons: Vec::new(),
    };
    walk.start(&seen);
    walk.block(&l.body);
    if walk.reasons.is_empty() { Independence::Proved } else { Independence::Carries(walk.reasons) }
}

/// What is looked at after the samples, by any protocol or recording, and what learns: these keep what all samples did to them.
fn observed(program: &Program, model: &Model, facts: &Facts) -> BTreeSet<VarKey> {
    let mut seen = Seen::default();
    let protocols = program.experiments.iter().map(|e| &e.body).chain(program.tests.iter().map(|t| &t.body));
    for body in protocols.chain(program.procedures.iter().map(|p| &p.body)) {
        seen.block(program, &body.stmts);
        walk::any_stmt(&body.stmts, &mut |s| {
            match &s.kind {
                StmtKind::Save { vars, .. } => seen.reads.extend(vars.iter().map(|v| v.key)),
                StmtKind::Record(record) => seen.record(program, record),
                _ => {}
            }
            false
        });
    }
    program.records.iter().for_each(|r| seen.record(program, r));
    seen.reads.extend(facts.changed.iter().filter(|k| is_shared(model, **k)));
    seen.reads
}

/// The weights and learned variables that a body may change: what the lanes of a batch must merge.
#[must_use]
pub fn shared_changes(program: &Program, model: &Model, body: &[Stmt], frozen: &BTreeSet<VarKey>) -> Vec<VarKey> {
    let mut seen = Seen::default();
    seen.block(program, body);
    let mut keys = seen.writes;
    if seen.runs {
        keys.extend(Facts::new(model, frozen).changed);
    }
    keys.into_iter().filter(|k| is_shared(model, *k)).collect()
}

/// All sample loops of a program, experiments in order on one network.
#[must_use]
pub fn survey(program: &Program, model: &Model) -> Vec<LoopReport> {
    let mut out = Vec::new();
    let mut frozen = BTreeSet::new();
    for e in &program.experiments {
        survey_block(program, model, &e.name, &e.body.stmts, &mut frozen, &mut out);
    }
    for t in &program.tests {
        survey_block(program, model, &t.title, &t.body.stmts, &mut BTreeSet::new(), &mut out);
    }
    out
}

fn survey_block(
    program: &Program,
    model: &Model,
    owner: &str,
    stmts: &[Stmt],
    frozen: &mut BTreeSet<VarKey>,
    out: &mut Vec<LoopReport>,
) {
    for s in stmts {
        match &s.kind {
            StmtKind::Freeze(keys) => frozen.extend(keys),
            StmtKind::Thaw(keys) => keys.iter().for_each(|k| {
                frozen.remove(k);
            }),
            StmtKind::If { then, els, .. } => {
                survey_block(program, model, owner, then, frozen, out);
                survey_block(program, model, owner, els, frozen, out);
            }
            StmtKind::ForRange { body, .. }
            | StmtKind::ForEach { body, .. }
            | StmtKind::While { body, .. }
            | StmtKind::Repeat { body, .. } => survey_block(program, model, owner, body, frozen, out),
            StmtKind::ForSamples(l) => out.push(LoopReport {
                owner: owner.to_owned(),
                span: l.samples.span(),
                batch: l.batch.is_some(),
                independence: analyse(program, model, l, frozen),
            }),
            StmtKind::Call { proc, .. } => {
                if let Some(p) = program.procedures.get(proc.index()) {
                    survey_block(program, model, owner, &p.body.stmts, frozen, out);
                }
            }
            _ => {}
        }
    }
}

/// Whether a variable is shared by the samples of a batch.
pub(crate) fn is_shared(model: &Model, key: VarKey) -> bool {
    matches!(role(model, key), Some(Role::Weight | Role::Learned))
}

fn role(model: &Model, key: VarKey) -> Option<Role> {
    vars(model, key.entity)?.get(key.var.index()).map(|v| v.role)
}

/// What a body mentions anywhere, procedures included.
#[derive(Default)]
struct Seen {
    reads: BTreeSet<VarKey>,
    writes: BTreeSet<VarKey>,
    resets: Vec<ResetTarget>,
    decoders: BTreeSet<hir::ReadoutId>,
    runs: bool,
    procedures: BTreeSet<ProcId>,
}

impl Seen {
    fn block(&mut self, program: &Program, stmts: &[Stmt]) {
        for s in stmts {
            self.stmt(program, s);
        }
    }

    fn stmt(&mut self, program: &Program, s: &Stmt) {
        each_expr(s, &mut |e| self.expr(program, e));
        match &s.kind {
            StmtKind::SetVar { place, .. } => {
                self.writes.insert(place.key);
            }
            StmtKind::Load { vars, .. } => self.writes.extend(vars.iter().map(|v| v.key)),
            StmtKind::Reset(targets) | StmtKind::Redraw(targets) => self.resets.extend(targets),
            StmtKind::ResetParts { whole, parts } => {
                self.resets.extend(whole);
                self.resets.extend(parts.iter().map(|(n, var)| part_of(n.view.pop, *var)));
            }
            StmtKind::Observe(ReadoutUse { readout, .. }) | StmtKind::Score(ReadoutUse { readout, .. }) => {
                self.decoders.insert(*readout);
            }
            StmtKind::Fit(readouts) => self.decoders.extend(readouts),
            StmtKind::Run { .. } => self.runs = true,
            StmtKind::If { then, els, .. } => {
                self.block(program, then);
                self.block(program, els);
            }
            StmtKind::ForRange { body, .. }
            | StmtKind::ForEach { body, .. }
            | StmtKind::While { body, .. }
            | StmtKind::Repeat { body, .. } => self.block(program, body),
            StmtKind::ForSamples(l) => self.block(program, &l.body),
            StmtKind::Call { proc, .. } => self.procedure(program, *proc),
            _ => {}
        }
    }

    fn record(&mut self, program: &Program, record: &Record) {
        for item in &record.items {
            if let Recorded::Value { value, .. } = &item.what {
                self.expr(program, value);
            }
        }
    }

    fn procedure(&mut self, program: &Program, id: ProcId) {
        if self.procedures.insert(id)
            && let Some(p) = program.procedures.get(id.index())
        {
            self.block(program, &p.body.stmts);
        }
    }

    fn expr(&mut self, program: &Program, e: &Expr) {
        match &e.kind {
            ExprKind::Var(place) => {
                self.reads.insert(place.key);
            }
            ExprKind::Call { proc, .. } => self.procedure(program, *proc),
            _ => {}
        }
        each_part(e, &mut |part| self.expr(program, part));
    }
}

/// Visits the expressions directly in a statement (not those of statements inside it).
pub(crate) fn each_expr(s: &Stmt, visit: &mut dyn FnMut(&Expr)) {
    match &s.kind {
        StmtKind::Let { value, .. } => visit(value),
        StmtKind::SetLocal { index, value, .. } => {
            index.iter().flat_map(IndexItem::ends).for_each(&mut *visit);
            visit(value);
        }
        StmtKind::SetVar { place, value, .. } => {
            visit(value);
            each_index(place, visit);
        }
        StmtKind::If { cond, .. } | StmtKind::While { cond, .. } | StmtKind::Expect { cond, .. } => visit(cond),
        StmtKind::ForRange { start, end, .. } => {
            visit(start);
            visit(end);
        }
        StmtKind::ForEach { values, .. } => visit(values),
        StmtKind::ForSamples(l) => {
            each_bound(&l.samples, visit);
            l.batch.iter().for_each(&mut *visit);
            l.epochs.iter().for_each(visit);
        }
        StmtKind::Repeat { until, .. } => visit(until),
        StmtKind::Run { time } => visit(time),
        StmtKind::Return(value) => value.iter().for_each(visit),
        StmtKind::Save { path, .. } | StmtKind::Load { path, .. } => visit(path),
        StmtKind::Print(items) => items.iter().filter_map(|i| i.value.as_ref()).for_each(visit),
        StmtKind::Log { path, columns } => {
            visit(path);
            columns.iter().filter_map(|i| i.value.as_ref()).for_each(visit);
        }
        StmtKind::Observe(u) | StmtKind::Score(u) => {
            visit(&u.response);
            visit(&u.class);
        }
        StmtKind::Call { args, .. } => args.iter().for_each(visit),
        StmtKind::ResetParts { parts, .. } => {
            parts.iter().flat_map(|(n, _)| &n.at).flat_map(IndexItem::ends).for_each(visit);
        }
        StmtKind::Play { times, ids, .. } => {
            visit(times);
            ids.iter().for_each(visit);
        }
        StmtKind::Break
        | StmtKind::Reset(_)
        | StmtKind::Redraw(_)
        | StmtKind::Freeze(_)
        | StmtKind::Thaw(_)
        | StmtKind::Fit(_)
        | StmtKind::Record(_) => {}
    }
}

/// What a reset of a part changes some elements of.
fn part_of(pop: PopId, var: Option<hir::VarId>) -> ResetTarget {
    var.map_or(ResetTarget::Pop(pop), |var| ResetTarget::Var(VarKey { entity: Entity::Pop(pop), var }))
}

fn each_bound(samples: &Samples, visit: &mut dyn FnMut(&Expr)) {
    match samples {
        Samples::Split { .. } => {}
        Samples::Slice { of, start, end, .. } => {
            each_bound(of, visit);
            start.iter().for_each(&mut *visit);
            end.iter().for_each(visit);
        }
        Samples::Shuffle { of, .. } => each_bound(of, visit),
    }
}

fn each_index(place: &Place, visit: &mut dyn FnMut(&Expr)) {
    walk::select(&place.select, visit);
}

/// Visits the operands of an expression.
fn each_part(e: &Expr, visit: &mut dyn FnMut(&Expr)) {
    walk::children(e, visit);
}

/// Something of the network that may hold what the sample before left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Var(VarKey),
    Hidden(PopId),
    Queue(ProjId),
    Counts(PopId),
}

/// What is stale at a place, and why. What is not listed is fresh.
#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    network: BTreeMap<Item, String>,
    locals: BTreeMap<LocalId, String>,
}

impl State {
    fn join(&mut self, other: &Self) {
        for (k, v) in &other.network {
            self.network.entry(*k).or_insert_with(|| v.clone());
        }
        for (k, v) in &other.locals {
            self.locals.entry(*k).or_insert_with(|| v.clone());
        }
    }
}

/// Joins the states of two ways to one place; `None` is a way that is not taken.
fn meet(a: Option<State>, b: Option<State>) -> Option<State> {
    match (a, b) {
        (Some(mut a), Some(b)) => {
            a.join(&b);
            Some(a)
        }
        (a, b) => a.or(b),
    }
}

/// The ways out of a procedure, and whether its value is stale.
#[derive(Default)]
struct Returns {
    state: Option<State>,
    stale: Option<String>,
}

struct Walk<'a> {
    program: &'a Program,
    model: &'a Model,
    facts: &'a Facts,
    live: BTreeSet<VarKey>,
    changes: &'a BTreeSet<LocalId>,
    decoders: &'a BTreeSet<hir::ReadoutId>,
    state: State,
    /// For each enclosing loop inside the body, the states at its `break`s.
    breaks: Vec<Vec<State>>,
    returns: Vec<Returns>,
    depth: u32,
    reasons: Vec<Reason>,
}

impl Walk<'_> {
    /// At a sample's start, everything that may change is stale.
    fn start(&mut self, seen: &Seen) {
        let mut items: BTreeSet<Item> = seen.writes.iter().map(|k| Item::Var(*k)).collect();
        for target in &seen.resets {
            items.extend(self.reset_items(*target));
        }
        if seen.runs {
            items.extend(self.facts.changed.iter().map(|k| Item::Var(*k)));
            items.extend(self.facts.hidden.iter().map(|p| Item::Hidden(*p)));
            items.extend(self.facts.queues.keys().map(|p| Item::Queue(*p)));
            items.extend((0..self.model.populations.len() as u32).map(|p| Item::Counts(PopId(p))));
        }
        self.state.network = items.into_iter().map(|i| (i, self.why(i))).collect();
        self.state.locals = self
            .changes
            .iter()
            .map(|l| (*l, "a variable of the block around the loop is changed by the samples before".to_owned()))
            .collect();
    }

    fn why(&self, item: Item) -> String {
        let pop = |p: PopId| &self.model.populations[p.index()].name;
        match item {
            Item::Var(key) => {
                let name = var_name(self.model, key);
                match role(self.model, key) {
                    Some(Role::Weight | Role::Learned) => {
                        format!("`{name}` carries over from sample to sample: it changes and is not frozen")
                    }
                    Some(Role::Input | Role::Param) => {
                        format!("`{name}` carries over from sample to sample: it is used before it is assigned")
                    }
                    Some(Role::State) | None => format!("`{name}` carries over from sample to sample: it is not reset"),
                }
            }
            Item::Hidden(p) => {
                format!("the refractory periods of `{}` carry over from sample to sample: it is not reset", pop(p))
            }
            Item::Queue(p) => {
                let proj = &self.model.projections[p.index()];
                format!(
                    "spikes on their way through `{}` carry over from sample to sample: neither it nor `{}` is reset",
                    proj.name,
                    pop(proj.post.pop)
                )
            }
            Item::Counts(p) => format!("`{}.count` is read before the sample's first `run`", pop(p)),
        }
    }

    /// A stale value is used.
    fn used(&mut self, stale: Option<String>, span: Span) {
        if let Some(text) = stale
            && !self.reasons.iter().any(|r| r.text == text)
        {
            self.reasons.push(Reason { text, span });
        }
    }

    /// Runs over statements; false if control never reaches their end.
    fn block(&mut self, stmts: &[Stmt]) -> bool {
        stmts.iter().all(|s| self.stmt(s))
    }

    fn stmt(&mut self, s: &Stmt) -> bool {
        match &s.kind {
            StmtKind::Let { local, value } => {
                let stale = self.expr(value);
                self.set_local(*local, stale);
            }
            StmtKind::SetLocal { local, index, op, value } => {
                let mut stale = self.expr(value);
                for e in index.iter().flat_map(IndexItem::ends) {
                    let more = self.expr(e);
                    stale = stale.or(more);
                }
                if self.depth == 0 && self.changes.contains(local) {
                    if !matches!(op, AssignOp::Add | AssignOp::Sub) {
                        let text = "a variable of the block around the loop is changed other than by `+=` and `-=`";
                        self.used(Some(text.to_owned()), s.span);
                    }
                    self.used(stale, s.span);
                } else if *op == AssignOp::Set && index.is_empty() {
                    self.set_local(*local, stale);
                } else {
                    let old = self.state.locals.get(local).cloned();
                    self.set_local(*local, old.or(stale));
                }
            }
            StmtKind::SetVar { place, op, value, .. } => {
                if is_delay(self.model, place.key) {
                    self.stays("a change of delays", s.span);
                }
                let mut stale = self.expr(value);
                stale = self.place_indices(place).or(stale);
                let item = Item::Var(place.key);
                if *op != AssignOp::Set || !place.select.is_whole() {
                    stale = self.state.network.get(&item).cloned().or(stale);
                }
                self.set_item(item, stale);
            }
            StmtKind::If { cond, then, els } => {
                let stale = self.expr(cond);
                self.used(stale, cond.span);
                let before = self.state.clone();
                let a = self.block(then).then(|| self.state.clone());
                self.state = before;
                let b = self.block(els).then(|| self.state.clone());
                return self.take(meet(a, b));
            }
            StmtKind::ForRange { var, start, end, body } => {
                let (a, b) = (self.expr(start), self.expr(end));
                self.used(a, start.span);
                self.used(b, end.span);
                return self.looped(&mut |w: &mut Self| {
                    w.set_local(*var, None);
                    w.block(body)
                });
            }
            StmtKind::ForEach { var, values, body } => {
                let stale = self.expr(values);
                self.used(stale, values.span);
                return self.looped(&mut |w: &mut Self| {
                    w.set_local(*var, None);
                    w.block(body)
                });
            }
            StmtKind::ForSamples(l) => {
                let mut all = Vec::new();
                each_bound(&l.samples, &mut |e| all.push(e.clone()));
                all.extend(l.batch.clone());
                all.extend(l.epochs.clone());
                for e in &all {
                    let stale = self.expr(e);
                    self.used(stale, e.span);
                }
                return self.looped(&mut |w: &mut Self| {
                    w.set_local(l.var, None);
                    w.block(&l.body)
                });
            }
            StmtKind::While { cond, body } => {
                return self.looped(&mut |w: &mut Self| {
                    let stale = w.expr(cond);
                    w.used(stale, cond.span);
                    w.block(body)
                });
            }
            StmtKind::Repeat { body, until } => return self.repeat(body, until),
            StmtKind::Run { time } => {
                let stale = self.expr(time);
                self.used(stale, time.span);
                self.run(s.span);
            }
            StmtKind::Expect { .. }
            | StmtKind::Print(_)
            | StmtKind::Log { .. }
            | StmtKind::Observe(_)
            | StmtKind::Score(_) => {
                let mut all = Vec::new();
                each_expr(s, &mut |e| all.push(e.clone()));
                for e in &all {
                    let stale = self.expr(e);
                    self.used(stale, e.span);
                }
            }
            StmtKind::Return(value) => {
                let stale = value.as_ref().and_then(|e| self.expr(e));
                let state = self.state.clone();
                match self.returns.last_mut() {
                    Some(r) => {
                        r.stale = r.stale.take().or(stale);
                        r.state = meet(r.state.take(), Some(state));
                    }
                    None => self.used(Some("`return` ends the loop at a sample".to_owned()), s.span),
                }
                return false;
            }
            StmtKind::Break => {
                let state = self.state.clone();
                match self.breaks.last_mut() {
                    Some(b) => b.push(state),
                    None => self.used(Some("`break` ends the loop at a sample".to_owned()), s.span),
                }
                return false;
            }
            // What parts leave out carries over.
            StmtKind::Reset(targets) | StmtKind::ResetParts { whole: targets, .. } => {
                for t in targets {
                    for item in self.reset_items(*t) {
                        self.state.network.remove(&item);
                    }
                }
            }
            StmtKind::Redraw(_) => self.stays("redraw", s.span),
            StmtKind::Play { .. } => self.stays("play", s.span),
            StmtKind::Freeze(_) => self.stays("freeze", s.span),
            StmtKind::Thaw(_) => self.stays("thaw", s.span),
            StmtKind::Save { .. } => self.stays("save", s.span),
            StmtKind::Load { .. } => self.stays("load", s.span),
            StmtKind::Fit(_) => self.stays("fit", s.span),
            StmtKind::Record(_) => self.stays("record", s.span),
            StmtKind::Call { proc, args } => {
                self.call(*proc, args, s.span);
            }
        }
        true
    }

    /// A statement in the body whose effect outlives the sample.
    fn stays(&mut self, what: &str, span: Span) {
        self.used(Some(format!("`{what}` in the body has an effect on the samples that follow")), span);
    }

    fn take(&mut self, state: Option<State>) -> bool {
        match state {
            Some(s) => {
                self.state = s;
                true
            }
            None => false,
        }
    }

    /// A body that runs any number of times.
    fn looped(&mut self, once: &mut dyn FnMut(&mut Self) -> bool) -> bool {
        let mut head = self.state.clone();
        let mut out = Some(head.clone());
        // Staleness only grows at the head, by one item at least each time.
        loop {
            self.state = head.clone();
            self.breaks.push(Vec::new());
            let end = once(self).then(|| self.state.clone());
            for s in self.breaks.pop().into_iter().flatten() {
                out = meet(out, Some(s));
            }
            let next = meet(Some(head.clone()), end).unwrap_or_default();
            out = meet(out, Some(next.clone()));
            if next == head {
                break;
            }
            head = next;
        }
        self.take(out)
    }

    /// A body that runs at least once.
    fn repeat(&mut self, body: &[Stmt], until: &Expr) -> bool {
        let mut head = self.state.clone();
        let mut out = None;
        loop {
            self.state = head.clone();
            self.breaks.push(Vec::new());
            let end = self.block(body).then(|| {
                let stale = self.expr(until);
                self.used(stale, until.span);
                self.state.clone()
            });
            for s in self.breaks.pop().into_iter().flatten() {
                out = meet(out, Some(s));
            }
            out = meet(out, end.clone());
            let next = meet(Some(head.clone()), end).unwrap_or_default();
            if next == head {
                break;
            }
            head = next;
        }
        self.take(out)
    }

    fn run(&mut self, span: Span) {
        if let Some(time) = self.facts.reads_time {
            self.used(Some("the network's dynamics depend on `t`".to_owned()), time);
        }
        let facts = self.facts;
        for (period, span) in &facts.periodic {
            if !period.is_some_and(|ms| self.is_aligned(ms)) {
                self.used(Some("a block of `every` is due at other times of the next sample".to_owned()), *span);
            }
        }
        let matters = |w: &Self, item: &Item| match item {
            Item::Var(key) => w.live.contains(key),
            Item::Hidden(_) => true,
            Item::Queue(p) => w.facts.queues.get(p).is_some_and(|vars| vars.iter().any(|v| w.live.contains(v))),
            Item::Counts(_) => false,
        };
        let met: Vec<(Item, String)> =
            self.state.network.iter().filter(|(i, _)| matters(self, i)).map(|(i, t)| (*i, t.clone())).collect();
        for (item, text) in met {
            self.used(Some(text), span);
            // Told once; what follows from it is not told again.
            self.state.network.remove(&item);
        }
        self.state.network.retain(|item, _| !matches!(item, Item::Counts(_)));
    }

    /// Whether every `run` of the program takes a whole number of these periods, so that each sample meets the blocks at the same times.
    fn is_aligned(&self, period: f64) -> bool {
        let steps = |ms: f64| (ms / self.model.settings.dt).round();
        let period = steps(period);
        let mut off = |s: &Stmt| match &s.kind {
            StmtKind::Run { time } => {
                !matches!(&time.kind, ExprKind::Const(ms) if period >= 1.0 && steps(*ms) % period == 0.0)
            }
            _ => false,
        };
        period == 1.0 || !walk::any_of(self.program, &mut off)
    }

    fn reset_items(&self, target: ResetTarget) -> Vec<Item> {
        let of = |entity: Entity, inputs: bool| {
            (0..).map(hir::VarId).zip(vars(self.model, entity).unwrap_or(&[])).filter_map(move |(var, d)| {
                let taken = d.role == Role::State || (inputs && d.role == Role::Input);
                taken.then_some(Item::Var(VarKey { entity, var }))
            })
        };
        match target {
            ResetTarget::Var(key) => vec![Item::Var(key)],
            ResetTarget::Proj(p) => of(Entity::Proj(p), true).chain([Item::Queue(p)]).collect(),
            ResetTarget::Pop(p) => {
                let into = (0..self.model.projections.len() as u32).map(ProjId);
                let into = into.filter(|q| self.model.projections[q.index()].post.pop == p).map(Item::Queue);
                of(Entity::Pop(p), true).chain([Item::Hidden(p)]).chain(into).collect()
            }
        }
    }

    fn set_local(&mut self, local: LocalId, stale: Option<String>) {
        match stale {
            Some(text) => {
                self.state.locals.insert(local, text);
            }
            None => {
                self.state.locals.remove(&local);
            }
        }
    }

    fn set_item(&mut self, item: Item, stale: Option<String>) {
        match stale {
            Some(text) => {
                self.state.network.insert(item, text);
            }
            None => {
                self.state.network.remove(&item);
            }
        }
    }

    fn place_indices(&mut self, place: &Place) -> Option<String> {
        let mut all = Vec::new();
        each_index(place, &mut |e| all.push(e.clone()));
        all.iter().fold(None, |stale, e| {
            let more = self.expr(e);
            stale.or(more)
        })
    }

    /// Whether the value of an expression is stale.
    fn expr(&mut self, e: &Expr) -> Option<String> {
        let own = match &e.kind {
            ExprKind::Local(id) => self.state.locals.get(id).cloned(),
            ExprKind::Field { sample, .. } => self.state.locals.get(sample).cloned(),
            ExprKind::Var(place) => self.state.network.get(&Item::Var(place.key)).cloned(),
            ExprKind::Count(Neurons { view, .. }) | ExprKind::First(Neurons { view, .. }) => {
                self.state.network.get(&Item::Counts(view.pop)).cloned()
            }
            ExprKind::Time | ExprKind::Timed { .. } => Some("the body reads `t`".to_owned()),
            ExprKind::Metric { metric, .. } => {
                Some(format!("`{}` in the body looks back at the samples before", metric.name()))
            }
            ExprKind::Accuracy(r) if self.decoders.contains(r) => {
                let name = &self.model.readouts[r.index()].name;
                Some(format!("`accuracy({name})` in the body depends on the samples before"))
            }
            ExprKind::Call { proc, args } => return self.call(*proc, args, e.span),
            ExprKind::With { local, value, body } => {
                let stale = self.expr(value);
                self.set_local(*local, stale);
                return self.expr(body);
            }
            _ => None,
        };
        let mut parts = Vec::new();
        each_part(e, &mut |p| parts.push(p.clone()));
        parts.iter().fold(own, |stale, p| {
            let more = self.expr(p);
            stale.or(more)
        })
    }

    /// A procedure, inlined; whether its value is stale.
    fn call(&mut self, id: ProcId, args: &[Expr], span: Span) -> Option<String> {
        let program = self.program;
        let p = program.procedures.get(id.index())?;
        let args: Vec<Option<String>> = args.iter().map(|a| self.expr(a)).collect();
        if self.depth > 100 {
            self.used(Some("procedures are nested too deeply to be followed".to_owned()), span);
            return None;
        }
        let own = p.params.iter().zip(args).filter_map(|(l, a)| Some((*l, a?))).collect();
        let saved = std::mem::replace(&mut self.state.locals, own);
        let breaks = std::mem::take(&mut self.breaks);
        self.depth += 1;
        self.returns.push(Returns::default());
        let end = self.block(&p.body.stmts).then(|| self.state.clone());
        let returns = self.returns.pop().unwrap_or_default();
        self.depth -= 1;
        self.breaks = breaks;
        if let Some(s) = meet(end, returns.state) {
            self.state = s;
        }
        self.state.locals = saved;
        returns.stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::fake::*;
    use crate::script::ir::{Kind, Over, Reduction, Ty};

    fn frozen() -> BTreeSet<VarKey> {
        [w(), theta()].into()
    }

    fn reset(targets: Vec<ResetTarget>) -> Stmt {
        st(StmtKind::Reset(targets))
    }

    fn reasons(body: Vec<Stmt>, changes: &[u32], frozen: &BTreeSet<VarKey>) -> Vec<String> {
        let p = program(vec![]);
        match analyse(&p, &model(), the_loop(&samples(5, None, 1, changes, body)), frozen) {
            Independence::Proved => vec![],
            Independence::Carries(r) => r.into_iter().map(|r| r.text).collect(),
        }
    }

    /// The loops of the published protocol: training carries over; labelling, with everything learned frozen and `E` reset, does not.
    #[test]
    fn labelling_is_independent_and_training_is_not() {
        assert_eq!(reasons(vec![reset(vec![ResetTarget::Pop(E)]), readout(false)], &[], &frozen()), [""; 0]);
        let train = reasons(vec![normalise(), show_only(0)], &[], &BTreeSet::new());
        assert!(train.contains(&"`XE.w` carries over from sample to sample: it changes and is not frozen".to_owned()));
        assert!(train.contains(&"`XE.x` carries over from sample to sample: it is not reset".to_owned()));
    }

    /// Without the reset, what is told is `E`'s states; the trace under the frozen weight is not.
    #[test]
    fn what_is_not_reset_is_named_and_dead_traces_are_not() {
        assert_eq!(
            reasons(vec![readout(false)], &[], &frozen()),
            [
                "`E.g` carries over from sample to sample: it is not reset",
                "`E.v` carries over from sample to sample: it is not reset",
                "the refractory periods of `E` carry over from sample to sample: it is not reset",
            ]
        );
        // A protocol that reads the trace makes it matter.
        let total = reduce(Reduction::Sum, var(trace()), Over::All, real(&[]));
        let expect = StmtKind::Expect {
            cond: bin(hir::BinaryOp::Gt, total, num(0.0), flag()),
            text: "sum(XE.x) > 0".to_owned(),
        };
        assert_eq!(
            reasons(vec![reset(vec![ResetTarget::Pop(E)]), run(1.0), st(expect)], &[], &frozen()),
            [
                "`X.rate` carries over from sample to sample: it is used before it is assigned",
                "`XE.x` carries over from sample to sample: it is not reset",
            ][1..]
        );
    }

    #[test]
    fn inputs_are_assigned_before_the_first_run_or_never() {
        let lit = assign(rate(), AssignOp::Set, num(0.1));
        let fresh = || reset(vec![ResetTarget::Pop(E)]);
        assert_eq!(reasons(vec![fresh(), run(1.0)], &[], &frozen()), [""; 0]);
        assert_eq!(
            reasons(vec![fresh(), run(1.0), lit.clone()], &[], &frozen()),
            ["`X.rate` carries over from sample to sample: it is used before it is assigned"]
        );
        // In one branch only.
        let cond = bin(hir::BinaryOp::Gt, num(1.0), num(0.0), flag());
        let maybe = st(StmtKind::If { cond, then: vec![lit.clone()], els: vec![] });
        assert_eq!(reasons(vec![fresh(), maybe, run(1.0)], &[], &frozen()).len(), 1);
        assert_eq!(reasons(vec![fresh(), lit, run(1.0)], &[], &frozen()), [""; 0]);
    }

    #[test]
    fn locals_may_be_summed_but_not_handed_on() {
        let fresh = || reset(vec![ResetTarget::Pop(E)]);
        let change = |op, value| st(StmtKind::SetLocal { local: LocalId(1), index: vec![], op, value });
        assert_eq!(reasons(vec![fresh(), readout(true), change(AssignOp::Add, int(1))], &[1], &frozen()), [""; 0]);
        assert_eq!(reasons(vec![fresh(), readout(true), change(AssignOp::Set, int(1))], &[1], &frozen()).len(), 1);
        let doubled = change(AssignOp::Add, local(1, Ty::scalar(Kind::Int)));
        assert_eq!(reasons(vec![fresh(), doubled], &[1], &frozen()).len(), 1);
    }

    #[test]
    fn counts_before_the_first_run_are_of_the_sample_before() {
        let early = st(StmtKind::Let { local: LocalId(2), value: count_e() });
        let printed = st(StmtKind::Print(vec![crate::script::ir::PrintItem {
            label: None,
            text: "c".to_owned(),
            value: Some(local(2, Ty::None)),
            unit: hir::ShownUnit { name: String::new(), factor: 1.0 },
        }]));
        let fresh = || reset(vec![ResetTarget::Pop(E)]);
        assert_eq!(reasons(vec![fresh(), early.clone(), run(1.0)], &[], &frozen()), [""; 0]);
        assert_eq!(
            reasons(vec![fresh(), early.clone(), run(1.0), printed.clone()], &[], &frozen()),
            ["`E.count` is read before the sample's first `run`"]
        );
        assert_eq!(reasons(vec![fresh(), run(1.0), early, printed], &[], &frozen()), [""; 0]);
    }

    #[test]
    fn time_and_lasting_statements_carry() {
        let t = st(StmtKind::Let { local: LocalId(2), value: crate::script::fake::ex(ExprKind::Time, real(&[])) });
        let used = st(StmtKind::Run { time: local(2, real(&[])) });
        let fresh = || reset(vec![ResetTarget::Pop(E)]);
        assert_eq!(reasons(vec![fresh(), t.clone()], &[], &frozen()), [""; 0]);
        assert_eq!(reasons(vec![fresh(), t, used], &[], &frozen()), ["the body reads `t`"]);
        let freeze = st(StmtKind::Freeze(vec![w()]));
        assert_eq!(reasons(vec![fresh(), freeze], &[], &frozen()).len(), 1);
        assert_eq!(reasons(vec![fresh(), st(StmtKind::Break)], &[], &frozen()), ["`break` ends the loop at a sample"]);
    }

    #[test]
    fn a_survey_follows_freezing_through_the_experiments() {
        let body = || vec![reset(vec![ResetTarget::Pop(E)]), readout(false)];
        let p = program(vec![
            experiment("train", vec![samples(5, None, 1, &[], vec![show_only(0)])]),
            experiment("label", vec![st(StmtKind::Freeze(vec![w(), theta()])), samples(5, None, 1, &[], body())]),
            experiment("evaluate", vec![samples(5, None, 1, &[], body())]),
        ]);
        let found: Vec<bool> = survey(&p, &model()).iter().map(|r| r.independence == Independence::Proved).collect();
        assert_eq!(found, [false, true, true]);
    }
}
