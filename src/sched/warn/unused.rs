//! Variables and events of models that nothing mentions, and weights that nothing delivers (W0709).

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{self, Expr, ExprKind, LetDecl, Model, PopId, ProjId, Role, Side, Stmt, StmtKind, VarDecl, VarId};
use crate::script::decl;
use crate::script::machine::{Entity, VarKey};
use crate::source::FileId;

/// A declaration, by its place: one model may be instantiated several times.
pub(in crate::sched) type Place = (FileId, u32);

pub(in crate::sched) fn place(var: &VarDecl) -> Place {
    (var.span.file, var.span.start)
}

/// Collects what expressions mention.
struct Mentions<'a> {
    own: &'a [VarDecl],
    pre: &'a [VarDecl],
    post: &'a [VarDecl],
    used: &'a mut BTreeSet<Place>,
    others: Vec<(PopId, VarId)>,
}

impl Mentions<'_> {
    fn var(&mut self, side: Side, id: VarId) {
        let vars = match side {
            Side::Own => self.own,
            Side::Pre => self.pre,
            Side::Post => self.post,
        };
        self.used.extend(vars.get(id.index()).map(place));
    }

    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Var(side, id) => self.var(*side, *id),
            ExprKind::Other(pop, id) => self.others.push((*pop, *id)),
            ExprKind::Unary(_, a) | ExprKind::ToReal(a) | ExprKind::Table(_, a) => self.expr(a),
            ExprKind::Binary(_, a, b) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::If(c, a, b) => {
                self.expr(c);
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Call(_, args) | ExprKind::Draw { args, .. } => args.iter().for_each(|a| self.expr(a)),
            ExprKind::Const(_)
            | ExprKind::Bool(_)
            | ExprKind::Let(_)
            | ExprKind::Local(_)
            | ExprKind::Time
            | ExprKind::Noise(_)
            | ExprKind::Timed(..)
            | ExprKind::Dt
            | ExprKind::Index(_)
            | ExprKind::Size(_)
            | ExprKind::FileArray { .. }
            | ExprKind::EdgeColumn(_) => {}
        }
    }

    fn block(&mut self, block: &[Stmt]) {
        for stmt in block {
            match &stmt.kind {
                StmtKind::Assign { var, value, .. } => self.change(*var, value),
                StmtKind::Local { value, .. } => self.expr(value),
                StmtKind::If { cond, then, els } => {
                    self.expr(cond);
                    self.block(then);
                    self.block(els);
                }
                StmtKind::Deliver { value, target } => {
                    self.var(Side::Post, *target);
                    self.expr(value);
                }
            }
        }
    }

    fn model(&mut self, lets: &[LetDecl], odes: &[hir::Ode]) {
        for var in self.own {
            let bounds = var.bounds.iter().flat_map(|(lo, hi)| [lo, hi]);
            var.init.iter().chain(bounds).for_each(|e| self.expr(e));
        }
        lets.iter().for_each(|l| self.expr(&l.value));
        for ode in odes {
            self.change(ode.var, &ode.rhs);
        }
    }

    /// What changes a variable. A weight is not used by its own changes: something must deliver it, or look at it.
    fn change(&mut self, var: VarId, value: &Expr) {
        let weight = self.own.get(var.index()).filter(|v| v.role == Role::Weight).map(place);
        let before = weight.is_some_and(|w| self.used.contains(&w));
        self.var(Side::Own, var);
        self.expr(value);
        if let Some(w) = weight.filter(|_| !before) {
            self.used.remove(&w);
        }
    }
}

/// Inputs of synapses that nothing gives a value, such as a reward that no connection binds: what they scale stays zero.
pub(super) fn unbound(model: &Model, sink: &mut Sink) {
    let mut said = BTreeSet::new();
    for (k, projection) in model.projections.iter().enumerate() {
        for (v, var) in projection.synapse.vars.iter().enumerate() {
            let id = VarId(v as u32);
            let key = VarKey { entity: Entity::Proj(ProjId(k as u32)), var: id };
            let given = var.init.is_some()
                || projection.args.iter().any(|(a, _)| *a == id)
                || model.script.assigned.contains(&key);
            if var.role != Role::Input || given || var.span.file != FileId(0) || !said.insert(place(var)) {
                continue;
            }
            let (name, synapse) = (&var.name, &projection.synapse.name);
            sink.push(
                Diagnostic::new(Code::W0709, var.span, format!("nothing sets the input `{name}` of `{synapse}`"))
                    .label("it is zero at all times")
                    .also(projection.span, "this connection leaves it out")
                    .help(format!("give it a value, such as `{synapse}({name} = P.x)` for a population `P` of one neuron, or assign it in the protocol")),
            );
        }
    }
}

/// Variables of the program's own models that nothing mentions. The models of the prelude are exempt.
pub(super) fn check(model: &Model, sink: &mut Sink) {
    // The model's own file is the first; those it imports may hold more than it needs.
    let file = FileId(0);
    let vars_of = |p: PopId| model.neurons[model.populations[p.index()].model.index()].vars.as_slice();
    let mut used = BTreeSet::new();
    for neuron in &model.neurons {
        let mut m = Mentions { own: &neuron.vars, pre: &[], post: &[], used: &mut used, others: Vec::new() };
        m.model(&neuron.lets, &neuron.odes);
        m.block(&neuron.on_spike);
        m.block(&neuron.on_release);
        for e in &neuron.every {
            m.expr(&e.period);
            m.block(&e.body);
        }
        for e in &neuron.events {
            m.block(&e.on);
            match &e.cond {
                hir::SpikeCond::Level(c) | hir::SpikeCond::Rate(c) => m.expr(c),
                hir::SpikeCond::Crosses(a, b) => {
                    m.expr(a);
                    m.expr(b);
                }
            }
        }
        match neuron.spike.as_ref().map(|s| &s.cond) {
            Some(hir::SpikeCond::Level(e) | hir::SpikeCond::Rate(e)) => m.expr(e),
            Some(hir::SpikeCond::Crosses(a, b)) => {
                m.expr(a);
                m.expr(b);
            }
            None => {}
        }
        if let Some(r) = &neuron.refractory {
            m.expr(&r.duration);
            r.hold.iter().for_each(|v| m.var(Side::Own, *v));
        }
    }
    for population in &model.populations {
        let own = &model.neurons[population.model.index()].vars;
        let mut m = Mentions { own, pre: &[], post: &[], used: &mut used, others: Vec::new() };
        population.args.iter().for_each(|(_, e)| m.expr(e));
        for (p, v) in std::mem::take(&mut m.others) {
            used.extend(vars_of(p).get(v.index()).map(place));
        }
    }
    for projection in &model.projections {
        let s = &projection.synapse;
        let (pre, post) = (vars_of(projection.pre.pop), vars_of(projection.post.pop));
        let mut m = Mentions { own: &s.vars, pre, post, used: &mut used, others: Vec::new() };
        m.model(&s.lets, &s.odes);
        m.block(&s.on_pre);
        s.on_post.iter().for_each(|b| m.block(b));
        s.injects.iter().for_each(|e| m.expr(e));
        for e in &s.every {
            m.expr(&e.period);
            m.block(&e.body);
        }
        for e in &s.events {
            m.block(&e.on);
            e.cond.sides().for_each(|c| m.expr(c));
        }
        projection.args.iter().for_each(|(_, e)| m.expr(e));
        projection.delay.iter().chain(&projection.dendritic_delay).chain(&projection.filter).for_each(|e| m.expr(e));
        projection.target.iter().for_each(|v| m.var(Side::Post, *v));
        for (p, v) in std::mem::take(&mut m.others) {
            used.extend(vars_of(p).get(v.index()).map(place));
        }
    }
    let script = &model.script;
    let named = script.assigned.iter().chain(&script.read).chain(&script.frozen).chain(&script.reset);
    used.extend(named.filter_map(|key| decl(model, *key)).map(place));
    for (n, neuron) in model.neurons.iter().enumerate().filter(|(_, n)| n.span.file == file) {
        for (k, event) in neuron.events.iter().enumerate() {
            let sent = model
                .projections
                .iter()
                .any(|c| c.event == Some(k as u32) && model.populations[c.pre.pop.index()].model.index() == n);
            let recorded = model.script.events_recorded.iter().any(|(p, e)| {
                *e as usize == k && model.populations.get(p.index()).is_some_and(|p| p.model.index() == n)
            });
            if event.on.is_empty() && !sent && !recorded {
                let message = format!("the event `{}` of `{}` is never used", event.name, neuron.name);
                sink.push(Diagnostic::new(Code::W0709, event.span, message).label("nothing reacts to it").help(
                    format!(
                        "write `on {0} {{ … }}`, connect from it: `P.{0} -> …`, record it, or remove it",
                        event.name
                    ),
                ));
            }
        }
    }
    let neurons = model.neurons.iter().map(|n| (&n.name, &n.vars));
    let synapses = model.projections.iter().map(|c| (&c.synapse.name, &c.synapse.vars));
    for (name, vars) in neurons.chain(synapses) {
        for var in vars.iter().filter(|v| v.span.file == file) {
            let what = match var.role {
                Role::Param => "parameter",
                Role::State => "state",
                Role::Weight => "weight",
                Role::Learned => "learned variable",
                Role::Input => "input",
            };
            // Entering it makes a second instance of the model silent.
            if !used.insert(place(var)) {
                continue;
            }
            let d =
                Diagnostic::new(Code::W0709, var.span, format!("the {what} `{}` of `{name}` is never used", var.name));
            sink.push(if var.role == Role::Weight {
                d.label("no handler delivers it")
                    .help(format!("write `on pre {{ deliver {} }}`, or remove it", var.name))
            } else {
                d.label("no equation, condition, handler or protocol mentions it").help("remove it, or use it")
            });
        }
    }
}
