//! What has faded below the precision of what made it: a trace, or a neuron's deviation from a shared state, that has decayed below the
//! rounding of one event's contribution (2^-24 of it in `f32`, 2^-53 in `f64`) counts as zero, so that its neuron leaves the list of those
//! that need attention. The error is below half a unit in the last place of a value that the next event makes.
//!
//! Without this they leave it when they become subnormal, after 87 time constants (`f32`) instead of 17.
//!
//! A trace that does nothing but change bounded weights, in proportion, fades earlier: once a change is smaller than half the distance between
//! neighbouring numbers at the weight's bound, which is how exactly the weight is stored there ([`unseen`]).

use super::population::constant_init;
use super::projection::Handler;
use super::{PopPlan, ProjPlan, Uses, Wiring};
use crate::builtins::Builtin;
use crate::hir::{Model, Precision, Side, VarId};
use crate::methods::sym::{Bin, Graph, Kind, Node, Sym};
use crate::script::machine::{Entity, VarKey};

/// The part of an event's contribution to a trace that may be lost at most, where the weights say how much matters: a small learning rate must not
/// switch a rule off.
const MOST: f64 = 1.0 / 1024.0;

/// Notes below which values things count as zero.
pub(super) fn apply(model: &Model, uses: &Uses, populations: &mut [PopPlan], projections: &mut [ProjPlan]) {
    let rounding = match model.settings.precision {
        Precision::F32 => 2f64.powi(-24),
        Precision::F64 => 2f64.powi(-53),
    };
    for plan in projections.iter_mut() {
        for k in 0..plan.listed.len() {
            if plan.listed[k]
                && let Some(jump) = jump(plan, VarId(k as u32))
            {
                plan.faint[k] = jump * rounding;
                if let Some(least) = unseen(model, uses, plan, VarId(k as u32), rounding / 2.0) {
                    plan.faint[k] = least.min(jump * MOST).max(plan.faint[k]);
                }
            }
        }
    }
    for plan in populations.iter_mut() {
        for var in plan.shared.clone() {
            let into = model.ids_into(plan.pop).iter().filter_map(|p| projections.get(p.index()));
            let amounts = into.filter_map(|p| match (p.wiring, p.on_pre.delivers.as_slice()) {
                (Wiring::Uniform(u), [(_, amount)]) if u.target == var => p.graph.as_const(*amount),
                _ => None,
            });
            // The least of all jumps, so that no event's share is lost.
            let least = amounts.map(f64::abs).filter(|x| *x > 0.0).fold(f64::INFINITY, f64::min);
            if least.is_finite() {
                plan.faint[var.index()] = least * rounding;
            }
        }
    }
}

/// What an event adds to a trace, or sets it to, if that is a constant.
fn jump(plan: &ProjPlan, trace: VarId) -> Option<f64> {
    let handlers: [Option<&Handler>; 2] = [Some(&plan.on_pre), plan.on_post.as_ref()];
    let mut found = None;
    for (var, new) in handlers.into_iter().flatten().flat_map(|h| &h.own_side) {
        if *var != trace {
            continue;
        }
        let is_own = |s| matches!(plan.graph.node(s), Node::Var(Side::Own, v, _) if *v == trace);
        let amount = match plan.graph.node(*new) {
            Node::Bin(Bin::Add, a, b) if is_own(*a) => plan.graph.as_const(*b),
            Node::Bin(Bin::Add, a, b) if is_own(*b) => plan.graph.as_const(*a),
            _ => plan.graph.as_const(*new),
        };
        match (amount.map(f64::abs), found) {
            (Some(x), None) if x > 0.0 => found = Some(x),
            // Several events, or a jump that is not constant.
            _ => return None,
        }
    }
    found
}

/// Below which value a trace changes no weight by more than `half` of its bound. `None` where it does anything else, where a protocol reads or
/// writes it, or where the factors beside it have no bounds.
fn unseen(model: &Model, uses: &Uses, plan: &ProjPlan, trace: VarId, half: f64) -> Option<f64> {
    let key = VarKey { entity: Entity::Proj(plan.proj), var: trace };
    // Small changes of a weight that many synapses share add up.
    let alone =
        !plan.own.acts() && plan.entries.is_empty() && plan.clocked.vars.is_empty() && plan.clocked.injects.is_empty();
    if !alone || uses.read.contains(&key) || uses.assigned.contains(&key) {
        return None;
    }
    // Taking an expression apart makes nodes.
    let mut graph = plan.graph.clone();
    let z = graph.find(&Node::Var(Side::Own, trace, Kind::Real))?;
    let mut least = f64::INFINITY;
    for h in [Some(&plan.on_pre), plan.on_post.as_ref()].into_iter().flatten() {
        let elsewhere = h.own_side.iter().any(|(v, s)| *v != trace && graph.depends(*s, z))
            || h.delivers.iter().any(|(_, s)| graph.depends(*s, z));
        if elsewhere {
            return None;
        }
        for (weight, new, _) in &h.synapse {
            if !graph.depends(*new, z) {
                continue;
            }
            let (free, bound) = clipped(&graph, *new)?;
            let (slope, rest) = graph.linear(free, z)?;
            let old = graph.own(*weight);
            if rest != old {
                return None;
            }
            least = least.min(half * bound / most(model, uses, plan, &graph, slope)?);
        }
    }
    least.is_finite().then_some(least)
}

/// What is kept inside constant bounds, and how large the result may be.
fn clipped(graph: &Graph, s: Sym) -> Option<(Sym, f64)> {
    let Node::Call(Builtin::Clip, args) = graph.node(s) else { return None };
    let [free, lo, hi] = args.as_slice() else { return None };
    let bound = graph.as_const(*lo)?.abs().max(graph.as_const(*hi)?.abs());
    bound.is_finite().then_some((*free, bound))
}

/// How large the value of an expression of constants, traces and weights may be.
fn most(model: &Model, uses: &Uses, plan: &ProjPlan, graph: &Graph, s: Sym) -> Option<f64> {
    let of = |s: &Sym| most(model, uses, plan, graph, *s);
    match graph.node(s) {
        Node::Const(..) => graph.as_const(s).map(f64::abs),
        Node::Neg(a) => of(a),
        Node::Bin(Bin::Add | Bin::Sub, a, b) => Some(of(a)? + of(b)?),
        Node::Bin(Bin::Mul, a, b) => Some(of(a)? * of(b)?),
        Node::Bin(Bin::Div, a, b) => Some(of(a)? / graph.as_const(*b)?.abs()),
        Node::Var(Side::Own, v, Kind::Real) => ceiling(model, uses, plan, *v),
        _ => None,
    }
}

/// How large a trace may be that events set to constants and that decays between them, or a weight that is kept inside constant bounds.
fn ceiling(model: &Model, uses: &Uses, plan: &ProjPlan, v: VarId) -> Option<f64> {
    let projection = &model.projections[plan.proj.index()];
    let handlers = || [Some(&plan.on_pre), plan.on_post.as_ref()].into_iter().flatten();
    let mut changes = handlers().flat_map(|h| &h.synapse).filter(|(w, ..)| *w == v).peekable();
    if changes.peek().is_some() {
        // Initial values and those that protocols assign are kept inside the bounds, too.
        return changes.try_fold(0.0, |most: f64, (_, new, _)| Some(most.max(clipped(&plan.graph, *new)?.1)));
    }
    let fades = plan.lazy[v.index()].is_some_and(|l| l.to_zero && plan.graph.as_const(l.a).is_some_and(|a| a < 0.0));
    if !fades || uses.assigned.contains(&VarKey { entity: Entity::Proj(plan.proj), var: v }) {
        return None;
    }
    let var = &projection.synapse.vars[v.index()];
    let given = projection.args.iter().find(|(u, _)| *u == v).map(|(_, e)| e).or(var.init.as_ref());
    let first = constant_init(model, given, &projection.synapse.lets, &projection.synapse.vars, &|_, _| None)?;
    handlers()
        .flat_map(|h| &h.own_side)
        .filter(|(u, _)| *u == v)
        .try_fold(first.abs(), |most, (_, new)| Some(most.max(plan.graph.as_const(*new)?.abs())))
}
