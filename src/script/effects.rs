//! What the dynamics of a network read and change, for a set of frozen variables. Protocol analyses build on it: which states matter
//! to what is observed, and which a `run` changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::hir::{
    self, DelayKind, Expr, ExprKind, LocalId, Model, PopId, ProjId, Role, Side, SpikeCond, Stmt, StmtKind, VarId,
};
use crate::script::machine::{Entity, VarKey};
use crate::source::Span;

/// Facts of a network.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Variables that a `run` may change.
    pub changed: BTreeSet<VarKey>,
    /// For each changed variable, the variables that its changes read.
    pub sources: BTreeMap<VarKey, BTreeSet<VarKey>>,
    /// Variables that decide when neurons spike.
    pub deciding: BTreeSet<VarKey>,
    /// Populations with hidden state: refractory timers, or the last value of a crossing.
    pub hidden: BTreeSet<PopId>,
    /// Projections whose events take time, with the variables that their arrival changes.
    pub queues: BTreeMap<ProjId, BTreeSet<VarKey>>,
    /// Where the dynamics read `t`, if they do.
    pub reads_time: Option<Span>,
    /// Blocks of `every`, with their periods in ms where these are numbers: when one is due depends on the time since the network's start.
    pub periodic: Vec<(Option<f64>, Span)>,
}

impl Facts {
    /// The facts of a model with these variables frozen.
    #[must_use]
    pub fn new(model: &Model, frozen: &BTreeSet<VarKey>) -> Self {
        let mut facts = Self::default();
        for (p, pop) in model.populations.iter().enumerate() {
            facts.population(model, PopId(p as u32), pop, frozen);
        }
        for (p, proj) in model.projections.iter().enumerate() {
            facts.projection(model, ProjId(p as u32), proj, frozen);
        }
        facts
    }

    /// The variables whose values can reach a spike or one of `observed`.
    #[must_use]
    pub fn live(&self, observed: &BTreeSet<VarKey>) -> BTreeSet<VarKey> {
        let mut live: BTreeSet<VarKey> = self.deciding.union(observed).copied().collect();
        let mut todo: Vec<VarKey> = live.iter().copied().collect();
        while let Some(key) = todo.pop() {
            for &source in self.sources.get(&key).into_iter().flatten() {
                if live.insert(source) {
                    todo.push(source);
                }
            }
        }
        live
    }

    fn population(&mut self, model: &Model, id: PopId, pop: &hir::Population, frozen: &BTreeSet<VarKey>) {
        let Some(neuron) = model.neuron_of(id) else { return };
        let own = Entity::Pop(id);
        let mut walk = Reads { own, pre: id, post: id, lets: &neuron.lets, time: None, locals: BTreeMap::new() };
        for ode in &neuron.odes {
            let reads = walk.reads(&ode.rhs);
            self.change(VarKey { entity: own, var: ode.var }, reads, frozen);
        }
        if let Some(spike) = &neuron.spike {
            match &spike.cond {
                SpikeCond::Level(e) | SpikeCond::Rate(e) => self.deciding.extend(walk.reads(e)),
                SpikeCond::Crosses(a, b) => {
                    self.deciding.extend(walk.reads(a));
                    self.deciding.extend(walk.reads(b));
                    self.hidden.insert(id);
                }
            }
        }
        for event in &neuron.events {
            match &event.cond {
                SpikeCond::Level(e) | SpikeCond::Rate(e) => self.deciding.extend(walk.reads(e)),
                SpikeCond::Crosses(a, b) => {
                    self.deciding.extend(walk.reads(a));
                    self.deciding.extend(walk.reads(b));
                    self.hidden.insert(id);
                }
            }
        }
        let blocks = [&neuron.on_spike, &neuron.on_release].into_iter();
        let blocks = blocks.chain(neuron.events.iter().map(|e| &e.on)).chain(neuron.every.iter().map(|e| &e.body));
        for block in blocks {
            for (var, reads) in walk.handler(block, None) {
                self.change(var, reads, frozen);
            }
        }
        self.reads_time = self.reads_time.or(pop.play.as_ref().map(|p| p.span));
        self.periodic.extend(neuron.every.iter().map(period));
        for (v, _) in model.live(id).iter().enumerate().filter(|(_, live)| **live) {
            let var = VarId(v as u32);
            let reads = pop.given(&neuron.vars, var).map(|e| walk.reads(e)).unwrap_or_default();
            self.change(VarKey { entity: own, var }, reads, frozen);
        }
        if let Some(r) = &neuron.refractory {
            self.deciding.extend(walk.reads(&r.duration));
            self.hidden.insert(id);
        }
        // A live expression bound to an input.
        let bound = pop.args.iter().filter(|(v, _)| is_input(&neuron.vars, *v)).map(|(v, e)| (*v, e));
        let default = (0..).map(VarId).zip(&neuron.vars).filter_map(|(v, d)| Some((v, d.init.as_ref()?)));
        let default = default.filter(|(v, _)| is_input(&neuron.vars, *v));
        for (_, e) in bound.chain(default) {
            walk.reads(e);
        }
        self.reads_time = self.reads_time.or(walk.time);
    }

    fn projection(&mut self, model: &Model, id: ProjId, proj: &hir::Projection, frozen: &BTreeSet<VarKey>) {
        let own = Entity::Proj(id);
        let synapse = &proj.synapse;
        let (pre, post) = (proj.pre.pop, proj.post.pop);
        let mut walk = Reads { own, pre, post, lets: &synapse.lets, time: None, locals: BTreeMap::new() };
        for ode in &synapse.odes {
            let reads = walk.reads(&ode.rhs);
            self.change(VarKey { entity: own, var: ode.var }, reads, frozen);
        }
        let mut written = walk.handler(&synapse.on_pre, Some(post));
        // When an event acts decides what it acts on.
        let delays = proj.delay_vars.map(|var| var.map(|var| VarKey { entity: own, var }));
        written.iter_mut().for_each(|(_, reads)| reads.extend(delays.iter().flatten()));
        if let Some(on_post) = &synapse.on_post {
            let mut after = walk.handler(on_post, Some(post));
            after.iter_mut().for_each(|(_, reads)| reads.extend(delays[DelayKind::Dendritic as usize]));
            written.extend(after);
        }
        // What is injected acts within its step, but the input it changes decides what the post neurons do.
        for e in &synapse.injects {
            let mut reads = walk.reads(e);
            reads.extend(delays.iter().flatten().copied());
            if let Some(target) = proj.target {
                self.change(VarKey { entity: Entity::Pop(post), var: target }, reads, frozen);
            }
        }
        if proj.delay.is_some() || proj.dendritic_delay.is_some() || proj.kernel.is_some() {
            let injected = proj.target.filter(|_| !synapse.injects.is_empty());
            let injected = injected.map(|var| VarKey { entity: Entity::Pop(post), var });
            let arrives = written.iter().map(|(v, _)| *v).chain(injected).filter(|v| !frozen.contains(v)).collect();
            self.queues.insert(id, arrives);
        }
        for (var, reads) in written {
            self.change(var, reads, frozen);
        }
        for (v, _) in model.live_inputs(id).iter().enumerate().filter(|(_, live)| **live) {
            let var = VarId(v as u32);
            let reads = proj.given(var).map(|e| walk.reads(e)).unwrap_or_default();
            self.change(VarKey { entity: own, var }, reads, frozen);
        }
        for every in &synapse.every {
            for (var, reads) in walk.handler(&every.body, None) {
                self.change(var, reads, frozen);
            }
            self.periodic.push(period(every));
        }
        for event in &synapse.events {
            let under: BTreeSet<VarKey> = event.cond.sides().flat_map(|e| walk.reads(e)).collect();
            let mut written = Vec::new();
            walk.block(&event.on, None, &under, &mut written);
            for (var, reads) in written {
                self.change(var, reads, frozen);
            }
            // A crossing remembers the step before, from sample to sample.
            if matches!(event.cond, SpikeCond::Crosses(..)) {
                self.reads_time = self.reads_time.or(Some(event.span));
            }
        }
        self.reads_time = self.reads_time.or(walk.time);
    }

    fn change(&mut self, var: VarKey, reads: BTreeSet<VarKey>, frozen: &BTreeSet<VarKey>) {
        if !frozen.contains(&var) {
            self.changed.insert(var);
            self.sources.entry(var).or_default().extend(reads);
        }
    }
}

fn period(every: &hir::Every) -> (Option<f64>, Span) {
    let ms = if let ExprKind::Const(ms) = every.period.kind { Some(ms) } else { None };
    (ms, every.span)
}

fn is_input(vars: &[hir::VarDecl], v: VarId) -> bool {
    vars.get(v.index()).is_some_and(|d| d.role == Role::Input)
}

/// Collects what expressions of one model read.
struct Reads<'a> {
    own: Entity,
    pre: PopId,
    post: PopId,
    lets: &'a [hir::LetDecl],
    time: Option<Span>,
    locals: BTreeMap<LocalId, BTreeSet<VarKey>>,
}

impl Reads<'_> {
    fn reads(&mut self, e: &Expr) -> BTreeSet<VarKey> {
        let mut out = BTreeSet::new();
        self.expr(e, &mut out);
        out
    }

    fn expr(&mut self, e: &Expr, out: &mut BTreeSet<VarKey>) {
        match &e.kind {
            ExprKind::Const(_)
            | ExprKind::Bool(_)
            | ExprKind::Dt
            | ExprKind::Noise(_)
            | ExprKind::Index(_)
            | ExprKind::Size(_)
            | ExprKind::FileArray { .. }
            | ExprKind::EdgeColumn(_) => {}
            ExprKind::Other(pop, var) => {
                out.insert(VarKey { entity: Entity::Pop(*pop), var: *var });
            }
            ExprKind::Time | ExprKind::Timed(..) => self.time = self.time.or(Some(e.span)),
            ExprKind::Var(side, var) => {
                let entity = match side {
                    Side::Own => self.own,
                    Side::Pre => Entity::Pop(self.pre),
                    Side::Post => Entity::Pop(self.post),
                };
                out.insert(VarKey { entity, var: *var });
            }
            ExprKind::Let(id) => {
                // `let`s use only earlier ones, so this ends.
                let lets = self.lets;
                if let Some(l) = lets.get(id.index()) {
                    self.expr(&l.value, out);
                }
            }
            ExprKind::Local(id) => out.extend(self.locals.get(id).into_iter().flatten()),
            ExprKind::Unary(_, a) | ExprKind::ToReal(a) | ExprKind::Table(_, a) => self.expr(a, out),
            ExprKind::Binary(_, a, b) => {
                self.expr(a, out);
                self.expr(b, out);
            }
            ExprKind::If(a, b, c) => {
                self.expr(a, out);
                self.expr(b, out);
                self.expr(c, out);
            }
            ExprKind::Call(_, args) | ExprKind::Draw { args, .. } => args.iter().for_each(|a| self.expr(a, out)),
        }
    }

    /// What a handler changes, and what each change reads. Deliveries go to the post population.
    fn handler(&mut self, stmts: &[Stmt], post: Option<PopId>) -> Vec<(VarKey, BTreeSet<VarKey>)> {
        let mut out = Vec::new();
        self.block(stmts, post, &BTreeSet::new(), &mut out);
        out
    }

    fn block(
        &mut self,
        stmts: &[Stmt],
        post: Option<PopId>,
        under: &BTreeSet<VarKey>,
        out: &mut Vec<(VarKey, BTreeSet<VarKey>)>,
    ) {
        for s in stmts {
            match &s.kind {
                StmtKind::Assign { var, op, value } => {
                    let key = VarKey { entity: self.own, var: *var };
                    let mut reads = self.reads(value);
                    reads.extend(under);
                    // Where it does not happen for every element, the old value stays too.
                    if *op != hir::AssignOp::Set || !under.is_empty() {
                        reads.insert(key);
                    }
                    out.push((key, reads));
                }
                StmtKind::Local { id, value } => {
                    let mut reads = self.reads(value);
                    reads.extend(under);
                    self.locals.insert(*id, reads);
                }
                StmtKind::If { cond, then, els } => {
                    let mut under = under.clone();
                    under.extend(self.reads(cond));
                    self.block(then, post, &under, out);
                    self.block(els, post, &under, out);
                }
                StmtKind::Deliver { value, target } => {
                    if let Some(post) = post {
                        let key = VarKey { entity: Entity::Pop(post), var: *target };
                        let mut reads = self.reads(value);
                        reads.extend(under);
                        out.push((key, reads));
                    }
                }
            }
        }
    }
}
