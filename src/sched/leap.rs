//! Which networks may pass over steps in which nothing arrives and nobody spikes: there all states relax by themselves, and many steps are
//! one step in closed form. Decided here is the form of each state; whether a stretch is still is found out while it runs
//! (`codegen/leap.rs`).
//!
//! A state *fades* if each step multiplies it by a constant below one; it *relaxes* if, once all that fade are gone, each step brings it nearer to
//! a constant by a constant factor. A condition for spikes must compare what is linear in one relaxing state: a state that goes
//! straight to its rest cannot cross a threshold on the way if neither end lies beyond it.
//!
//! The states after a leap differ from those after single steps by rounding.

use std::collections::HashMap;

use super::{PopPlan, ProjPlan, Spiking};
use crate::hir::VarId;
use crate::methods::sym::{Bin, Graph, Node, Sym};

/// How the states of a population go on by themselves.
#[derive(Debug, Clone, Default)]
pub struct Leap {
    /// States that fade, each with its factor a step.
    pub fades: Vec<(VarId, f64)>,
    /// States that relax.
    pub relaxes: Vec<Relax>,
}

/// A state that relaxes.
#[derive(Debug, Clone, Copy)]
pub struct Relax {
    /// Which.
    pub var: VarId,
    /// Its place among the integrated states.
    pub k: usize,
    /// Its new value once all fading states are zero.
    pub alone: Sym,
    /// The factor by which a step shrinks its distance from rest.
    pub factor: f64,
    /// Its rest.
    pub rest: f64,
}

/// Decides for a whole network; a population's entry is `None` where the network has something that acts by itself.
pub(super) fn apply(populations: &mut [PopPlan], projections: &[ProjPlan]) {
    let passive = |p: &ProjPlan| {
        p.clocked.vars.is_empty()
            && p.injected.is_none()
            && p.kernel.is_none()
            && p.event.is_none()
            && p.delay != super::Delay::PerSynapse
            && !p.dendritic.waits()
            && !p.own.acts()
    };
    if !projections.iter().all(passive) {
        return;
    }
    let leaps: Vec<Option<Leap>> = populations.iter_mut().map(of).collect();
    if leaps.iter().all(Option::is_some) {
        for (plan, leap) in populations.iter_mut().zip(leaps) {
            plan.leap = leap;
        }
    }
}

/// Why a network cannot leap is not told: it is the usual case.
fn of(plan: &mut PopPlan) -> Option<Leap> {
    let quiet = plan.events.is_empty()
        && plan.every.is_empty()
        && plan.live.is_empty()
        && plan.draws.is_empty()
        && plan.tables.is_empty()
        && plan.fed.is_empty();
    if !quiet {
        return None;
    }
    let Some(update) = plan.update.clone() else {
        // Sources, whose spikes are known beforehand; or cells without states.
        let known = matches!(plan.spiking, Some(Spiking::Rate(_) | Spiking::Listed) | None);
        return (known && plan.integrated.is_empty()).then(Leap::default);
    };
    if !update.derived.is_empty() || update.new.iter().any(|s| plan.graph.any(*s, &|n| matches!(n, Node::Time))) {
        return None;
    }
    let graph = &mut plan.graph;
    let mut leap = Leap::default();
    let zero = graph.real(0.0);
    let mut gone = HashMap::new();
    for (k, var) in plan.integrated.iter().enumerate() {
        let own = graph.own(*var);
        if !update.decaying[k] {
            continue;
        }
        let (a, b) = constants(graph, update.new[k], own)?;
        if b != 0.0 || !(a > 0.0 && a < 1.0) {
            return None;
        }
        leap.fades.push((*var, a));
        gone.insert(own, zero);
    }
    for (k, var) in plan.integrated.iter().enumerate() {
        if update.decaying[k] {
            continue;
        }
        let own = graph.own(*var);
        let alone = graph.substitute(update.new[k], &gone);
        let (factor, b) = constants(graph, alone, own)?;
        if !(factor > 0.0 && factor < 1.0) {
            return None;
        }
        leap.relaxes.push(Relax { var: *var, k, alone, factor, rest: b / (1.0 - factor) });
    }
    match plan.spiking {
        None => {}
        Some(Spiking::Level(cond)) => {
            let Node::Bin(Bin::Lt | Bin::Le | Bin::Gt | Bin::Ge, a, b) = *graph.node(cond) else { return None };
            for (var, _) in &leap.fades {
                let own = graph.own(*var);
                if graph.depends(cond, own) {
                    return None;
                }
            }
            let mut moving = 0;
            for r in &leap.relaxes {
                let own = graph.own(r.var);
                if graph.depends(cond, own) {
                    moving += 1;
                    for side in [a, b] {
                        graph.linear(side, own)?;
                    }
                }
            }
            if moving > 1 {
                return None;
            }
        }
        _ => return None,
    }
    Some(leap)
}

/// `s = a*x + b` with constants.
fn constants(graph: &mut Graph, s: Sym, x: Sym) -> Option<(f64, f64)> {
    let (a, b) = graph.linear(s, x)?;
    Some((graph.as_const(a)?, graph.as_const(b)?))
}
