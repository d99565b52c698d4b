//! What has faded below the precision of what made it: a trace, or a neuron's deviation from a shared state, that has decayed below the
//! rounding of one event's contribution (2^-24 of it in `f32`, 2^-53 in `f64`) counts as zero, so that its neuron leaves the list of those
//! that need attention. The error is below half a unit in the last place of a value that the next event makes.
//!
//! Without this they leave it when they become subnormal, after 87 time constants (`f32`) instead of 17.

use super::projection::Handler;
use super::{PopPlan, ProjPlan, Wiring};
use crate::hir::{Model, Precision, Side, VarId};
use crate::methods::sym::{Bin, Node};

/// Notes below which values things count as zero.
pub(super) fn apply(model: &Model, populations: &mut [PopPlan], projections: &mut [ProjPlan]) {
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
