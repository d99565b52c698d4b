//! Units that the compiler found out, shown beside states and `let`s that do not say them.

use gen_lsp_types as lsp;

use super::document::Seen;
use super::hover;
use crate::hir::{Model, Type};
use crate::syntax::ast::{self, Expr, ExprKind, ItemKind, ModelItemKind};
use crate::units;

/// The hints between two bytes.
pub(super) fn hints(seen: Seen<'_>, from: usize, to: usize) -> Vec<lsp::InlayHint> {
    let mut out = Vec::new();
    let Some(model) = seen.model else { return out };
    for item in seen.session.tree.iter().flat_map(|t| &t.items) {
        let (ItemKind::Neuron(m) | ItemKind::Synapse(m)) = &item.kind else { continue };
        for item in &m.items {
            let (ModelItemKind::State(list) | ModelItemKind::Learned(list) | ModelItemKind::Weight(list)) = &item.kind
            else {
                continue;
            };
            for b in list {
                let at = b.name.span.range().end;
                let told = b.ty.is_some() || b.value.as_ref().is_some_and(says_unit);
                if told || at < from || to < at {
                    continue;
                }
                out.extend(found(model, m, &b.name.node).map(|unit| lsp::InlayHint {
                    position: seen.text.position(at),
                    label: format!(": {unit}").into(),
                    kind: Some(lsp::InlayHintKind::Type),
                    text_edits: None,
                    tooltip: None,
                    padding_left: None,
                    padding_right: None,
                    data: None,
                }));
            }
        }
    }
    out
}

/// Whether a value shows its unit at sight: `-60 mV`.
fn says_unit(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Number { unit, .. } => unit.is_some(),
        ExprKind::Unary { operand, .. } => says_unit(operand),
        ExprKind::Paren(inner) => says_unit(inner),
        _ => false,
    }
}

/// The unit of a variable; numbers without unit need no hint.
fn found(model: &Model, m: &ast::Model, name: &str) -> Option<String> {
    let v = hover::variable(model, &m.name.node, name)?;
    let Type::Real(dim) = v.ty else { return None };
    if dim.is_none() {
        return None;
    }
    Some(if v.shown.name.is_empty() { units::describe(dim) } else { v.shown.name.clone() })
}
