//! Inputs that synapses feed: what projections inject or deliver into them is summed anew for every step.

use crate::hir::{Model, PopId, Role, Stmt, StmtKind, VarId};

/// The inputs of population `p` that some projection feeds, in order.
pub(super) fn fed(model: &Model, p: usize) -> Vec<VarId> {
    let neuron = &model.neurons[model.populations[p].model.index()];
    let mut out = Vec::new();
    for projection in model.projections_into(PopId(p as u32)) {
        out.extend(projection.target);
        delivered(&projection.synapse.on_pre, &mut out);
    }
    out.retain(|v| neuron.vars.get(v.index()).is_some_and(|d| d.role == Role::Input));
    out.sort_unstable();
    out.dedup();
    out
}

fn delivered(block: &[Stmt], out: &mut Vec<VarId>) {
    for stmt in block {
        match &stmt.kind {
            StmtKind::Deliver { target, .. } => out.push(*target),
            StmtKind::If { then, els, .. } => {
                delivered(then, out);
                delivered(els, out);
            }
            StmtKind::Assign { .. } | StmtKind::Local { .. } => {}
        }
    }
}
