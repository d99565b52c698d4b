//! Delays that protocols read or change are variables of their synapses, beside those of the synapse's model: what a protocol may do
//! to a parameter, it may do to them.

use std::collections::BTreeSet;

use crate::hir::{Expr, ExprKind, Model, ProjId, Projection, Role, ShownUnit, Type, VarDecl, VarId};
use crate::script::machine::{Entity, VarKey};
use crate::units::Dim;

/// Why protocols cannot have the delays of a projection, if they cannot.
pub(crate) fn refusal(model: &Model, projection: &Projection) -> Option<&'static str> {
    let pooled = model.populations.get(projection.pre.pop.index()).is_some_and(|p| p.pooled);
    if !projection.synapse.injects.is_empty() {
        Some("what `inject` reads of the past is kept for the delays that the network was built with")
    } else if projection.synapse.on_pre.is_empty() {
        Some("no spike of the pre neurons reaches these synapses")
    } else if pooled {
        Some("events of sources that stand for many trains take no delay")
    } else {
        None
    }
}

/// The projections whose delays protocols use, and that have no variable for them yet.
pub(crate) fn wanted(model: &Model) -> BTreeSet<ProjId> {
    let of = |key: &VarKey| match key.entity {
        Entity::Proj(p) => Some(p),
        Entity::Pop(_) => None,
    };
    let without = |p: &ProjId| model.projections.get(p.index()).is_some_and(|p| p.delay_var.is_none());
    model.script.delays.iter().filter_map(of).filter(without).collect()
}

/// Gives the synapses of these projections the variable `delay`.
pub(crate) fn give(model: &mut Model, projections: &BTreeSet<ProjId>) {
    for p in projections {
        let Some(projection) = model.projections.get_mut(p.index()) else { continue };
        let span = projection.delay.as_ref().map_or(projection.span, |e| e.span);
        let ty = Type::Real(Dim::TIME);
        let none = Expr { kind: ExprKind::Const(0.0), ty, span };
        projection.delay.get_or_insert_with(|| none.clone());
        projection.delay_var = Some(VarId(projection.synapse.vars.len() as u32));
        projection.synapse.vars.push(VarDecl {
            name: "delay".to_owned(),
            role: Role::Param,
            ty,
            // The values in effect are those of the connection, in whole steps: nothing is drawn for them a second time.
            init: Some(none),
            bounds: None,
            shown: ShownUnit { name: "ms".to_owned(), factor: 1.0 },
            doc: "Axonal delay: from the spike to `on pre`, in whole time steps.".to_owned(),
            span,
        });
    }
}
