//! Weights that the synapses of a convolution share and change: every synapse has a copy of the entry of the kernel that it stands for; at
//! the end of a step in which some changed, the changes of all copies are added.

use super::lower::{Context, Lowering};
use crate::hir::{Projection, Role, Rule, Stmt, StmtKind, VarId};
use crate::methods::sym::{Graph, Sym};

/// A weight that synapses share and change.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Which.
    pub var: VarId,
    /// The weight itself, …
    pub own: Sym,
    /// … and kept inside its bounds.
    pub bounded: Sym,
}

/// The shared weights of a projection that its synapses change, and whether they do without an event of a neuron. It does not depend on what is
/// frozen.
pub(super) fn find(graph: &mut Graph, context: &Context<'_>, projection: &Projection) -> Option<(Vec<Entry>, bool)> {
    let synapse = &projection.synapse;
    let Rule::Conv { shared: true, .. } = projection.rule else { return Some((Vec::new(), false)) };
    let mut by_itself: Vec<VarId> = synapse.odes.iter().map(|o| o.var).collect();
    let own = synapse.events.iter().map(|e| &e.on).chain(synapse.every.iter().map(|e| &e.body));
    own.for_each(|b| assigned(b, &mut by_itself));
    let mut by_events = Vec::new();
    let blocks = [Some(&synapse.on_pre), synapse.on_post.as_ref()].into_iter().flatten();
    blocks.for_each(|b| assigned(b, &mut by_events));
    let mut found = Vec::new();
    let mut always = false;
    for (k, decl) in synapse.vars.iter().enumerate() {
        let var = VarId(k as u32);
        let itself = by_itself.contains(&var);
        if decl.role == Role::Weight && (itself || by_events.contains(&var)) {
            always |= itself;
            let own = graph.own(var);
            let bounded = Lowering::new(graph, context).bounded(var, own)?;
            found.push(Entry { var, own, bounded });
        }
    }
    Some((found, always))
}

fn assigned(block: &[Stmt], out: &mut Vec<VarId>) {
    for s in block {
        match &s.kind {
            StmtKind::Assign { var, .. } => out.push(*var),
            StmtKind::If { then, els, .. } => {
                assigned(then, out);
                assigned(els, out);
            }
            StmtKind::Local { .. } | StmtKind::Deliver { .. } => {}
        }
    }
}
