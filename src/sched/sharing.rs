//! States that one value serves: where everything that reaches a state of a population reaches all of its neurons alike (all to all, or
//! all but the neuron's own partner), and the state decays by an equation of its own, all neurons have the same value but for what they
//! did not get themselves. Such a state is kept as one shared value for the population and a deviation for each neuron, which is zero
//! nearly everywhere; a delivery adds to the shared value, and takes its amount from the one neuron that does not get it.
//!
//! The sum of the two parts differs from the plain value by rounding only. Deviations decay by the same equation.

use super::projection::Uniform;
use super::{PopPlan, ProjPlan, Uses, Wiring};
use crate::hir::{BinaryOp, Expr, ExprKind, Model, Role, Rule, Select, Side, VarId};
use crate::methods::sym::Node;
use crate::script::machine::{Entity, VarKey};

/// What is shared.
#[derive(Debug, Clone, Default)]
pub(super) struct Sharing {
    /// By population: the shared states.
    pub(super) states: Vec<Vec<VarId>>,
    /// By projection: how it delivers, if it is uniform.
    pub(super) uniform: Vec<Option<Uniform>>,
}

impl Sharing {
    /// Decides from the plans made with nothing frozen.
    pub(super) fn find(model: &Model, uses: &Uses, pops: &[PopPlan], projs: &[ProjPlan]) -> Self {
        let mut uniform: Vec<Option<Uniform>> = projs.iter().map(|p| uniform(model, uses, p)).collect();
        let mut states = vec![Vec::new(); pops.len()];
        for (q, plan) in pops.iter().enumerate() {
            for (k, var) in plan.integrated.iter().enumerate() {
                // Plans stand in the order of their projections.
                let into = model.ids_into(plan.pop).iter().map(|p| p.index());
                let into: Vec<usize> = into.filter(|p| delivers_to(&projs[*p], *var)).collect();
                let alike = !into.is_empty() && into.iter().all(|p| uniform[*p].is_some_and(|u| u.target == *var));
                if alike && decays_alone(model, uses, plan, k) {
                    states[q].push(*var);
                }
            }
        }
        for (p, u) in uniform.iter_mut().enumerate() {
            let q = model.projections[projs[p].proj.index()].post.pop.index();
            if u.is_some_and(|u| !states[q].contains(&u.target)) {
                *u = None;
            }
        }
        Self { states, uniform }
    }
}

fn delivers_to(plan: &ProjPlan, var: VarId) -> bool {
    let post = plan.on_post.iter().flat_map(|h| &h.delivers);
    plan.on_pre.delivers.iter().chain(post).any(|(v, _)| *v == var)
}

/// How a projection delivers, if each event brings the same to all neurons of the post population, or to all but the one of its own index.
fn uniform(model: &Model, uses: &Uses, plan: &ProjPlan) -> Option<Uniform> {
    let projection = &model.projections[plan.proj.index()];
    let whole = projection.pre.select == Select::All && projection.post.select == Select::All;
    if projection.rule != Rule::AllToAll || !whole || plan.on_post.is_some() {
        return None;
    }
    let sizes = [projection.pre.pop, projection.post.pop].map(|p| model.populations[p.index()].size());
    let but_own = match &projection.filter {
        None => false,
        // One neuron alone would have no synapse at all, which is reported where synapses are made.
        Some(e) if unlike_indices(e) && sizes[0] == sizes[1] && sizes[0] > 1 => true,
        Some(_) => return None,
    };
    let h = &plan.on_pre;
    let [(target, amount)] = h.delivers.as_slice() else { return None };
    // Nothing is kept for single synapses, and nobody asks for them.
    let silent = h.synapse.is_empty() && h.own_side.is_empty() && plan.injected.is_none() && plan.kernel.is_none();
    // Amounts that wait in the dendrite are kept for each neuron, and so are groups of synapses of one delay.
    let at_once = !plan.dendritic.waits() && plan.delay != super::Delay::PerSynapse;
    let seen = |v: usize| {
        let key = VarKey { entity: Entity::Proj(plan.proj), var: VarId(v as u32) };
        uses.read.contains(&key) || uses.assigned.contains(&key)
    };
    let alike = plan.graph.as_const(*amount).is_some();
    let kept = plan.place.iter().any(|p| !matches!(p, super::Place::Constant(_)));
    let listens = projection.synapse.vars.is_empty() || !(0..projection.synapse.vars.len()).any(seen);
    (silent && at_once && alike && !kept && listens).then_some(Uniform { target: *target, but_own })
}

/// `i != j`, either way round.
fn unlike_indices(e: &Expr) -> bool {
    let ExprKind::Binary(BinaryOp::Ne, a, b) = &e.kind else { return false };
    let side = |e: &Expr| match &e.kind {
        ExprKind::Index(Side::Post) => Some(true),
        ExprKind::Index(_) => Some(false),
        ExprKind::ToReal(inner) => match &inner.kind {
            ExprKind::Index(Side::Post) => Some(true),
            ExprKind::Index(_) => Some(false),
            _ => None,
        },
        _ => None,
    };
    matches!((side(a), side(b)), (Some(x), Some(y)) if x != y)
}

/// Whether the `k`-th integrated state starts at zero, shrinks by a constant factor of its own, and changes in no other way than by deliveries.
fn decays_alone(model: &Model, uses: &Uses, plan: &PopPlan, k: usize) -> bool {
    let var = plan.integrated[k];
    let population = &model.populations[plan.pop.index()];
    let neuron = &model.neurons[population.model.index()];
    let Some(update) = &plan.update else { return false };
    let decl = &neuron.vars[var.index()];
    let key = VarKey { entity: Entity::Pop(plan.pop), var };
    let given = population.args.iter().find(|(v, _)| *v == var).map(|(_, e)| e).or(decl.init.as_ref());
    let from_zero = given.is_none_or(|e| matches!(e.kind, ExprKind::Const(x) if x == 0.0));
    let alone = |s| {
        !plan.graph.any(s, &|n| match n {
            Node::Var(Side::Own, v, _) => *v != var,
            Node::Var(..)
            | Node::Slot(_)
            | Node::Time
            | Node::Timed(..)
            | Node::Index(_)
            | Node::Noise(_)
            | Node::Draw(_)
            | Node::Other(..) => true,
            _ => false,
        })
    };
    let handlers = [&plan.on_spike]
        .into_iter()
        .chain(&plan.release)
        .chain(plan.events.iter().map(|e| &e.on))
        .chain(plan.every.iter().map(|e| &e.effects));
    let handled = handlers.flat_map(|h| &h.assigns).any(|(v, _)| *v == var);
    decl.role == Role::State
        && decl.bounds.is_none()
        && update.decaying[k]
        && !plan.held[k]
        && from_zero
        && alone(update.new[k])
        && !handled
        && !uses.assigned.contains(&key)
}

/// The wiring of a projection after the decision.
pub(super) fn apply(sharing: &Sharing, pops: &mut [PopPlan], projs: &mut [ProjPlan]) {
    for (p, plan) in projs.iter_mut().enumerate() {
        if let Some(u) = sharing.uniform.get(p).copied().flatten() {
            plan.wiring = Wiring::Uniform(u);
        }
    }
    for (plan, states) in pops.iter_mut().zip(&sharing.states) {
        plan.shared.clone_from(states);
    }
}
