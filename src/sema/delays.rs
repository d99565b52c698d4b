//! Delays that protocols read or change are variables of their synapses, beside those of the synapse's model: what a protocol may do
//! to a parameter, it may do to them.

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic};
use crate::hir::{
    DelayKind, Expr, ExprKind, Model, ProjId, Projection, Role, ShownUnit, Stmt, StmtKind, Type, VarDecl, VarId,
};
use crate::source::Span;
use crate::units::Dim;

/// Why protocols cannot have the delays of a projection, if they cannot.
pub(crate) fn refusal(projection: &Projection, kind: DelayKind, name: Span) -> Option<Diagnostic> {
    let synapse = &projection.synapse;
    let nothing = |why: &str| {
        let title = format!("the synapses of `{}` have no `{}`", projection.name, kind.name());
        Diagnostic::new(Code::E0403, name, title).label(why).also(projection.span, "made here")
    };
    match kind {
        DelayKind::Axonal if synapse.on_pre.is_empty() && synapse.injects.is_empty() => {
            Some(nothing("no spike of the pre neurons reaches them: they have no `on pre`"))
        }
        DelayKind::Dendritic
            if synapse.on_post.is_none() && synapse.injects.is_empty() && !delivers(&synapse.on_pre) =>
        {
            Some(nothing("they deliver nothing, and have no `on post`"))
        }
        DelayKind::Axonal | DelayKind::Dendritic => None,
    }
}

fn delivers(stmts: &[Stmt]) -> bool {
    stmts.iter().any(|s| match &s.kind {
        StmtKind::Deliver { .. } => true,
        StmtKind::If { then, els, .. } => delivers(then) || delivers(els),
        StmtKind::Assign { .. } | StmtKind::Local { .. } => false,
    })
}

/// The delays that protocols use, and that have no variable yet.
pub(crate) fn wanted(model: &Model) -> BTreeSet<(ProjId, DelayKind)> {
    let without = |(p, kind): &(ProjId, DelayKind)| {
        model.projections.get(p.index()).is_some_and(|p| p.delay_vars[*kind as usize].is_none())
    };
    model.script.wants_delays.iter().copied().filter(without).collect()
}

/// Gives the synapses of these projections the variables `delay` and `dendritic_delay`.
pub(crate) fn give(model: &mut Model, wanted: &BTreeSet<(ProjId, DelayKind)>) {
    for (p, kind) in wanted {
        let Some(projection) = model.projections.get_mut(p.index()) else { continue };
        let given = match kind {
            DelayKind::Axonal => &mut projection.delay,
            DelayKind::Dendritic => &mut projection.dendritic_delay,
        };
        let span = given.as_ref().map_or(projection.span, |e| e.span);
        let ty = Type::Real(Dim::TIME);
        let none = Expr { kind: ExprKind::Const(0.0), ty, span };
        given.get_or_insert_with(|| none.clone());
        projection.delay_vars[*kind as usize] = Some(VarId(projection.synapse.vars.len() as u32));
        let doc = match kind {
            DelayKind::Axonal => "Axonal delay: from the spike to `on pre`, in whole time steps.",
            DelayKind::Dendritic => {
                "Dendritic delay: from `deliver` to the soma and from the post spike to `on post`, in whole time steps."
            }
        };
        projection.synapse.vars.push(VarDecl {
            name: kind.name().to_owned(),
            role: Role::Param,
            ty,
            // The values in effect are those of the connection, in whole steps: nothing is drawn for them a second time.
            init: Some(none),
            bounds: None,
            shown: ShownUnit { name: "ms".to_owned(), factor: 1.0 },
            doc: doc.to_owned(),
            span,
        });
    }
}
