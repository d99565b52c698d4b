//! Which matrices are added to their targets late: what their rows bring in a step is added just before the post neurons are advanced in the next
//! one, in the same pass over them, instead of in a pass of its own. Exact: the additions and their order stay.
//!
//! What else the events do (learning) then waits too, until the rows have been read, so the weights that are delivered are those of the
//! events' step. That is allowed where nobody else sees in between what is late: the target may be read by the equations of its own
//! population only, the handlers may touch nothing but what is the projection's own, and the events must still be known in the next step: the
//! pre neurons are sources, whose spikes are drawn beforehand.

use super::{Delay, Plan, PopPlan, ProjPlan, Spiking, Wiring};
use crate::hir::{Model, Projection, Restructuring, Side, VarId};
use crate::methods::sym::{Graph, Node, Sym};

/// Marks the projections of a plan.
pub(super) fn apply(model: &Model, plan: &mut Plan) {
    let late: Vec<bool> = (0..plan.projections.len()).map(|p| may(model, plan, p).is_some()).collect();
    for (p, late) in plan.projections.iter_mut().zip(late) {
        p.late = late;
    }
}

fn may(model: &Model, plan: &Plan, p: usize) -> Option<()> {
    let own = plan.projections.get(p)?;
    let ends = |q: &ProjPlan| model.projections.get(q.proj.index()).map(|x| (x.pre.pop, x.post.pop));
    let (pre, post) = ends(own)?;
    let (target, _) = own.on_pre.whole_row(own)?;
    let source = plan.populations.get(pre.index())?;
    let neurons = plan.populations.get(post.index())?;
    let drawn = matches!(source.spiking, Some(Spiking::Rate(_) | Spiking::Listed));
    let plain = own.delay == Delay::Uniform(0)
        && own.dendritic == Delay::Uniform(0)
        && own.clocked.vars.is_empty()
        && own.injected.is_none()
        && own.kernel.is_none()
        && own.chances.is_empty()
        && own.event.is_none()
        && own.on_post.as_ref().is_none_or(|h| h.delivers.is_empty())
        && !own.own.acts();
    let advanced = neurons.update.is_some() && !neurons.rests && neurons.integrated.contains(&target);
    if !(drawn && plain && advanced) || pre == post || neurons.hold.contains(&target) || neurons.fed.contains(&target) {
        return None;
    }
    // The handlers know nothing but their own.
    let own_only = |s: &Sym| !own.graph.any(*s, &|n| foreign(n));
    let handlers = std::iter::once(&own.on_pre).chain(&own.on_post);
    let mut told = handlers.flat_map(|h| {
        h.synapse
            .iter()
            .map(|(_, s, _)| s)
            .chain(h.own_side.iter().map(|(_, s)| s))
            .chain(h.delivers.iter().map(|(_, s)| s))
    });
    if !told.all(own_only) {
        return None;
    }
    // Nobody else brings something to the target, or looks at it.
    for (_, other) in plan.projections.iter().enumerate().filter(|(q, _)| *q != p) {
        let (other_pre, other_post) = ends(other)?;
        let sees = |n: &Node| match n {
            Node::Var(Side::Pre, v, _) => other_pre == post && *v == target,
            Node::Var(Side::Post, v, _) => other_post == post && *v == target,
            Node::Other(pop, v) => *pop == post && *v == target,
            _ => false,
        };
        let brings = other_post == post && (other.targets.contains(&target) || other.injected == Some(target));
        if brings || anywhere(&other.graph, &sees) {
            return None;
        }
    }
    for other in &plan.populations {
        let sees = |n: &Node| matches!(n, Node::Other(pop, v) if *pop == post && *v == target);
        if anywhere(&other.graph, &sees) {
            return None;
        }
    }
    quiet(neurons, target).then_some(())
}

/// Whether only the equations of a population (and what its spikes do, which comes after them) deal with a variable.
fn quiet(neurons: &PopPlan, target: VarId) -> bool {
    neurons.every.is_empty()
        && neurons.live.is_empty()
        && neurons.events.is_empty()
        && neurons.release.is_none()
        && neurons.slow.iter().all(|s| s.var != target)
        && !neurons.shared.contains(&target)
}

/// Whether a handler that uses this knows more than its own projection.
fn foreign(n: &Node) -> bool {
    matches!(
        n,
        Node::Var(Side::Pre | Side::Post, ..) | Node::Other(..) | Node::Draw(_) | Node::Timed(..) | Node::Slot(_)
    )
}

fn anywhere(graph: &Graph, pred: &dyn Fn(&Node) -> bool) -> bool {
    graph.nodes().any(pred)
}

/// Whether the plan may need the spikes of a population's last step: it is the target of a matrix that learns when it spikes. Does not depend on
/// what is frozen.
#[must_use]
pub fn remembers(model: &Model, plan: &Plan, population: usize) -> bool {
    plan.opt.has(Restructuring::LateRows)
        && plan.projections.iter().any(|p| {
            let learns = |x: &Projection| x.post.pop.index() == population && x.synapse.on_post.is_some();
            p.wiring == Wiring::Dense && model.projections.get(p.proj.index()).is_some_and(learns)
        })
}
