//! States that are computed and that nothing looks at (W0709): an adaptation that no equation subtracts, a conductance that synapses deliver to
//! and no current contains, a counter that nobody reads. Said of programs that run something, where protocols could have looked; and only of
//! models of which some state is read, since a model nobody looks at may be there to be looked at by hand.

use std::collections::BTreeSet;

use super::warn::{Place, place};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{Expr, ExprKind, LetDecl, Model, Ode, PopId, Role, Side, Stmt, StmtKind, VarDecl, VarId};
use crate::script::decl;
use crate::source::FileId;

/// Reports the states that are never read.
pub(super) fn check(model: &Model, sink: &mut Sink) {
    if model.script.experiments.is_empty() && model.script.tests.is_empty() {
        return;
    }
    let (mut read, mut changed) = (BTreeSet::new(), BTreeSet::new());
    let vars_of = |p: PopId| model.neuron_of(p).map_or(&[][..], |n| n.vars.as_slice());
    for n in &model.neurons {
        let mut m = Reads { model, own: &n.vars, pre: &[], post: &[], read: &mut read, changed: &mut changed };
        m.model(&n.lets, &n.odes);
        n.spike.iter().for_each(|s| s.cond.sides().for_each(|e| m.expr(e, None)));
        m.block(&n.on_spike);
        m.block(&n.on_release);
        for e in &n.events {
            e.cond.sides().for_each(|e| m.expr(e, None));
            m.block(&e.on);
        }
        for e in &n.every {
            m.expr(&e.period, None);
            m.block(&e.body);
        }
        n.refractory.iter().for_each(|r| m.expr(&r.duration, None));
    }
    for p in &model.populations {
        let own = model.neurons.get(p.model.index()).map_or(&[][..], |n| n.vars.as_slice());
        let mut m = Reads { model, own, pre: &[], post: &[], read: &mut read, changed: &mut changed };
        p.args.iter().for_each(|(_, e)| m.expr(e, None));
    }
    for p in &model.projections {
        let (s, pre, post) = (&p.synapse, vars_of(p.pre.pop), vars_of(p.post.pop));
        let mut m = Reads { model, own: &s.vars, pre, post, read: &mut read, changed: &mut changed };
        m.model(&s.lets, &s.odes);
        s.injects.iter().for_each(|e| m.expr(e, None));
        m.block(&s.on_pre);
        s.on_post.iter().for_each(|b| m.block(b));
        for e in &s.events {
            e.cond.sides().for_each(|e| m.expr(e, None));
            m.block(&e.on);
        }
        for e in &s.every {
            m.expr(&e.period, None);
            m.block(&e.body);
        }
        let values = p.args.iter().map(|(_, e)| e).chain(&p.delay).chain(&p.dendritic_delay).chain(&p.filter);
        values.for_each(|e| m.expr(e, None));
        changed.extend(p.target.and_then(|v| post.get(v.index())).map(place));
    }
    read.extend(model.script.read.iter().filter_map(|key| decl(model, *key)).map(place));
    let neurons = model.neurons.iter().map(|n| (&n.name, &n.vars));
    for (name, vars) in neurons.chain(model.projections.iter().map(|c| (&c.synapse.name, &c.synapse.vars))) {
        let state = |v: &&VarDecl| v.role == Role::State && v.span.file == FileId(0);
        if !vars.iter().filter(state).any(|v| read.contains(&place(v))) {
            continue;
        }
        for var in vars.iter().filter(state) {
            // Entering it makes a second instance of the model silent.
            if !changed.contains(&place(var)) || !read.insert(place(var)) {
                continue;
            }
            sink.push(
                Diagnostic::new(Code::W0709, var.span, format!("the state `{}` of `{name}` is never read", var.name))
                    .label("it changes, and nothing looks at it")
                    .help("use it in an equation or condition, print or record it, or remove it"),
            );
        }
    }
}

/// Collects what expressions read.
struct Reads<'a> {
    model: &'a Model,
    own: &'a [VarDecl],
    pre: &'a [VarDecl],
    post: &'a [VarDecl],
    read: &'a mut BTreeSet<Place>,
    changed: &'a mut BTreeSet<Place>,
}

impl Reads<'_> {
    /// A value, perhaps one that goes into a variable: what that reads of itself serves nobody else.
    fn expr(&mut self, e: &Expr, into: Option<VarId>) {
        match &e.kind {
            ExprKind::Var(Side::Own, v) if Some(*v) == into => {}
            ExprKind::Var(side, v) => {
                let vars = match side {
                    Side::Own => self.own,
                    Side::Pre => self.pre,
                    Side::Post => self.post,
                };
                self.read.extend(vars.get(v.index()).map(place));
            }
            ExprKind::Other(pop, v) => {
                let vars = self.model.neuron_of(*pop).map_or(&[][..], |n| n.vars.as_slice());
                self.read.extend(vars.get(v.index()).map(place));
            }
            _ => e.each_part(&mut |part| self.expr(part, into)),
        }
    }

    fn model(&mut self, lets: &[LetDecl], odes: &[Ode]) {
        for var in self.own {
            let bounds = var.bounds.iter().flat_map(|(lo, hi)| [lo, hi]);
            var.init.iter().chain(bounds).for_each(|e| self.expr(e, None));
        }
        lets.iter().for_each(|l| self.expr(&l.value, None));
        for ode in odes {
            self.changed.extend(self.own.get(ode.var.index()).map(place));
            self.expr(&ode.rhs, Some(ode.var));
        }
    }

    fn block(&mut self, block: &[Stmt]) {
        for s in block {
            match &s.kind {
                StmtKind::Assign { var, value, .. } => {
                    self.changed.extend(self.own.get(var.index()).map(place));
                    self.expr(value, Some(*var));
                }
                StmtKind::Local { value, .. } => self.expr(value, None),
                StmtKind::Deliver { value, target } => {
                    self.changed.extend(self.post.get(target.index()).map(place));
                    self.expr(value, None);
                }
                StmtKind::If { cond, then, els } => {
                    self.expr(cond, None);
                    self.block(then);
                    self.block(els);
                }
            }
        }
    }
}
