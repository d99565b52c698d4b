//! Resets that do not end a spike (W0704): the threshold condition holds again after `on spike`, by the constants of the population, or because
//! nothing in `on spike` bears on it.

use std::collections::{BTreeMap, BTreeSet};

use super::lower::Lowering;
use super::warn::Known;
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{self, Expr, ExprKind, LetId, NeuronModel, Role, Side, SpikeCond, Stmt, StmtKind, VarId};

/// Looks at the reset of a population.
pub(super) fn check(population: &hir::Population, neuron: &NeuronModel, known: &Known<'_>, sink: &mut Sink) {
    let Some(clause) = &neuron.spike else { return };
    let SpikeCond::Level(cond) = &clause.cond else { return };
    if neuron.on_spike.is_empty() {
        return;
    }
    let place =
        neuron.on_spike.iter().find(|s| matches!(s.kind, StmtKind::Assign { .. })).map_or(clause.span, |s| s.span);
    if known.lower(|low| after_reset(low, cond, &neuron.on_spike)) {
        sink.push(
            Diagnostic::new(
                Code::W0704,
                place,
                format!("after the reset, neurons of `{}` are still above their threshold", population.name),
            )
            .label("then the neuron fires in every step, or as often as its refractory period allows")
            .also(clause.span, "this condition holds again at once")
            .also(population.span, "with the values of this population")
            .help("reset below the threshold, or raise the threshold"),
        );
        return;
    }
    let Some((var, later)) = untouched(neuron, cond) else { return };
    let name = neuron.vars.get(var.index()).map_or("", |v| v.name.as_str());
    let d = Diagnostic::new(Code::W0704, place, format!("a spike of `{}` does not reset `{name}`", neuron.name))
        .label(if later {
            format!("this changes `{name}` only through its equation, while spikes go on")
        } else {
            "this changes nothing that the condition depends on".to_owned()
        })
        .also(clause.span, "while this holds, there is a spike in every step")
        .help(format!("reset it, as in `on spike {{ {name} = … }}`, or say `refractory 2 ms`, or `{name} crosses …`"));
    // One model serves several populations.
    if !sink.items.contains(&d) {
        sink.push(d);
    }
}

/// Whether `cond` is constantly true once `block` has run.
fn after_reset(mut low: Lowering<'_, '_>, cond: &Expr, block: &[Stmt]) -> bool {
    let mut values: BTreeMap<VarId, f64> = BTreeMap::new();
    for stmt in block {
        let StmtKind::Assign { var, op, value } = &stmt.kind else { return false };
        let constant = low.expr(value).and_then(|s| low.graph.as_const(s));
        match (op, constant) {
            (hir::AssignOp::Set, Some(x)) => drop(values.insert(*var, x)),
            // What becomes of it is not known: the condition may be about something else.
            _ => drop(values.remove(var)),
        }
    }
    let Some(c) = low.expr(cond) else { return false };
    let mut map = std::collections::HashMap::new();
    for (var, x) in values {
        let (from, to) = (low.graph.own(var), low.graph.real(x));
        map.insert(from, to);
    }
    let after = low.graph.substitute(c, &map);
    low.graph.as_const(after) == Some(1.0)
}

/// The state that the condition is about, if nothing that `on spike` changes stands in the condition, and nothing else ends a spike: no refractory
/// period, no other handler, nothing that changes with time by itself. With it, whether what it changes bears on the condition through equations.
fn untouched(neuron: &NeuronModel, cond: &Expr) -> Option<(VarId, bool)> {
    if neuron.refractory.is_some() || !neuron.every.is_empty() || !neuron.events.is_empty() {
        return None;
    }
    let mut bearing = Bearing { neuron, vars: BTreeSet::new(), lets: BTreeSet::new(), timed: false };
    bearing.expr(cond);
    let about = bearing.vars.iter().copied().find(|v| role(neuron, *v) == Some(Role::State))?;
    let direct = bearing.vars.clone();
    let mut before = 0;
    while bearing.vars.len() > before {
        before = bearing.vars.len();
        for ode in &neuron.odes {
            if bearing.vars.contains(&ode.var) {
                bearing.expr(&ode.rhs);
            }
        }
    }
    // Its equation keeps the state where it is or moves it; without one only synapses do.
    let moves = neuron.odes.iter().any(|o| o.var == about);
    let mut changed = BTreeSet::new();
    assigned(&neuron.on_spike, &mut changed);
    let untouched = moves && !bearing.timed && !changed.is_empty() && changed.is_disjoint(&direct);
    untouched.then(|| (about, !changed.is_disjoint(&bearing.vars)))
}

fn role(neuron: &NeuronModel, v: VarId) -> Option<Role> {
    neuron.vars.get(v.index()).map(|d| d.role)
}

/// What bears on a condition.
struct Bearing<'a> {
    neuron: &'a NeuronModel,
    vars: BTreeSet<VarId>,
    lets: BTreeSet<LetId>,
    /// Whether it changes with time by itself.
    timed: bool,
}

impl Bearing<'_> {
    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Var(Side::Own, v) => drop(self.vars.insert(*v)),
            ExprKind::Let(id) if self.lets.insert(*id) => {
                if let Some(l) = self.neuron.lets.get(id.index()) {
                    self.expr(&l.value);
                }
            }
            ExprKind::Time | ExprKind::Timed(..) | ExprKind::Noise(_) | ExprKind::Other(..) => self.timed = true,
            _ => e.each_part(&mut |part| self.expr(part)),
        }
    }
}

fn assigned(block: &[Stmt], out: &mut BTreeSet<VarId>) {
    for s in block {
        match &s.kind {
            StmtKind::Assign { var, .. } => drop(out.insert(*var)),
            StmtKind::If { then, els, .. } => {
                assigned(then, out);
                assigned(els, out);
            }
            StmtKind::Local { .. } | StmtKind::Deliver { .. } => {}
        }
    }
}
