//! The outline of a file.

use gen_lsp_types as lsp;

use super::document::{FILE, Seen};
use crate::source::Span;
use crate::syntax::ast::{Item, ItemKind, Model, ModelItemKind};

/// The declarations of a file, in order, the variables of models below them.
pub(super) fn outline(seen: Seen<'_>) -> Vec<lsp::DocumentSymbol> {
    let items = seen.session.tree.iter().flat_map(|t| &t.items);
    items.flat_map(|i| item(seen, i)).collect()
}

fn item(seen: Seen<'_>, item: &Item) -> Vec<lsp::DocumentSymbol> {
    let one = |name: &str, kind, at: Span, detail: &str| symbol(seen, name, kind, item.span, at, detail);
    let of = |parent: Option<lsp::DocumentSymbol>, children: Vec<lsp::DocumentSymbol>| {
        parent.map(|p| lsp::DocumentSymbol { children: Some(children), ..p })
    };
    let head = Span { end: item.span.start, ..item.span };
    use lsp::SymbolKind as K;
    let found = match &item.kind {
        ItemKind::Const(list) | ItemKind::Param(list) => {
            let word = if matches!(item.kind, ItemKind::Const(_)) { "const" } else { "param" };
            return list
                .iter()
                .filter_map(|b| symbol(seen, &b.name.node, K::Constant, b.span, b.name.span, word))
                .collect();
        }
        ItemKind::Let(l) => one(&l.name.node, K::Variable, l.name.span, "let"),
        ItemKind::Fn { name, .. } => one(&name.node, K::Function, name.span, "fn"),
        ItemKind::Data { name, .. } => one(&name.node, K::Object, name.span, "data"),
        ItemKind::Neuron(m) => of(one(&m.name.node, K::Class, m.name.span, "neuron"), variables(seen, m)),
        ItemKind::Synapse(m) => of(one(&m.name.node, K::Class, m.name.span, "synapse"), variables(seen, m)),
        ItemKind::Population { name, model, .. } => {
            one(&name.node, K::Array, name.span, &format!("population of {}", model.name.node))
        }
        ItemKind::Connect(c) => {
            let ends = match &c.source {
                crate::syntax::ast::ConnectSource::Path(p) => seen.source(p.span),
                crate::syntax::ast::ConnectSource::Call(m) => seen.source(m.span),
            };
            let ends = format!("{ends} -> {}", seen.source(c.target.span));
            match &c.name {
                Some(n) => one(&n.node, K::Interface, n.span, &format!("connect {ends}")),
                None => one(&ends, K::Interface, c.target.span, "connect"),
            }
        }
        ItemKind::Kernel { name, .. } => one(&name.node, K::Function, name.span, "kernel"),
        ItemKind::Readout { name, model } => {
            one(&name.node, K::Object, name.span, &format!("readout by {}", model.name.node))
        }
        ItemKind::Procedure { name, .. } => one(&name.node, K::Function, name.span, "procedure"),
        ItemKind::Experiment { name, .. } => one(&name.node, K::Event, name.span, "experiment"),
        ItemKind::Test { name, .. } => one(&name.node, K::Method, name.span, "test"),
        ItemKind::Simulation(_) => one("simulation", K::Namespace, head, ""),
        ItemKind::Unroll { var, items, .. } => of(
            one(&format!("for {}", var.node), K::Namespace, var.span, "loop"),
            items.iter().flat_map(|i| self::item(seen, i)).collect(),
        ),
        ItemKind::Import { .. } | ItemKind::Record(_) | ItemKind::Allow(_) | ItemKind::Error { .. } => None,
    };
    found.into_iter().collect()
}

fn variables(seen: Seen<'_>, m: &Model) -> Vec<lsp::DocumentSymbol> {
    use lsp::SymbolKind as K;
    let mut out = Vec::new();
    for item in &m.items {
        let (list, kind, word) = match &item.kind {
            ModelItemKind::Param(list) => (list, K::Constant, "param"),
            ModelItemKind::State(list) => (list, K::Field, "state"),
            ModelItemKind::Weight(list) => (list, K::Field, "weight"),
            ModelItemKind::Learned(list) => (list, K::Field, "learned"),
            ModelItemKind::Input(list) => (list, K::Property, "input"),
            ModelItemKind::Let(l) => {
                out.extend(symbol(seen, &l.name.node, K::Variable, item.span, l.name.span, "let"));
                continue;
            }
            ModelItemKind::Event { name, .. } => {
                out.extend(symbol(seen, &name.node, K::Event, item.span, name.span, "event"));
                continue;
            }
            _ => continue,
        };
        out.extend(list.iter().filter_map(|b| symbol(seen, &b.name.node, kind, b.span, b.name.span, word)));
    }
    out
}

#[expect(deprecated, reason = "the structure has a field that nobody may set and that has to be named")]
fn symbol(
    seen: Seen<'_>,
    name: &str,
    kind: lsp::SymbolKind,
    whole: Span,
    at: Span,
    detail: &str,
) -> Option<lsp::DocumentSymbol> {
    // Editors refuse a whole outline for one entry that has no name or does not contain its name.
    let inside = whole.file == FILE && whole.start <= at.start && at.end <= whole.end && !name.is_empty();
    inside.then(|| lsp::DocumentSymbol {
        name: name.to_owned(),
        detail: (!detail.is_empty()).then(|| detail.to_owned()),
        kind,
        tags: None,
        deprecated: None,
        range: seen.text.range(whole.range()),
        selection_range: seen.text.range(at.range()),
        children: None,
    })
}
