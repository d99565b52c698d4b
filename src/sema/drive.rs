//! `connect poisson_input(n = 1000, rate = 8 Hz) -> E.v`: sources that are written where they are used.

use std::collections::BTreeMap;

use super::infer::Typer;
use super::network::{Head, Models, population};
use super::views::{self, len};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Model, Population, SOURCE};
use crate::sema::scope::Symbol;
use crate::syntax::ast;

/// Whether some connection has a call as its source.
pub(super) fn has_drive(items: &[ast::Item]) -> bool {
    items.iter().any(|i| match &i.kind {
        ast::ItemKind::Connect(c) => matches!(c.source, ast::ConnectSource::Call(_)),
        ast::ItemKind::Unroll { items, .. } => has_drive(items),
        _ => false,
    })
}

/// The source that `poisson_input(n, rate)` stands for: one element for each target.
pub(super) fn drive(
    c: &ast::Connect,
    m: &ast::ModelRef,
    (neurons, heads): (&Models<'_>, &[Option<Head>]),
    names: &BTreeMap<String, u32>,
    model: &Model,
    typer: &mut Typer<'_>,
) -> Option<Population> {
    if m.name.node != "poisson_input" {
        let d = Diagnostic::new(Code::E0401, m.name.span, format!("`{}` cannot be a source", m.name.node));
        let d = match typer.scope.names.get(&m.name.node) {
            Some((Symbol::Poisoned, _)) => return None,
            Some((Symbol::Neuron, _)) => {
                d.help(format!("declare a population `population X[100]: {}(…)` and connect that", m.name.node))
            }
            _ => d.help("a source is a population, a view, or `poisson_input(n = 1000, rate = 8 Hz)`"),
        };
        typer.error(d);
        return None;
    }
    if let Some(at) = c.via.as_ref().map(|v| v.span).or(c.filter.as_ref().map(|f| f.span)) {
        typer.error(
            Diagnostic::new(Code::E0105, at, "`poisson_input` gives every target a train of its own")
                .label("there is nothing to choose")
                .help("leave this out; a part of the population is driven by naming it: `E[..100].v`"),
        );
        return None;
    }
    let (view, _) = views::path(&c.target, model, typer)?;
    let mut p = population(&m.name, None, m, (neurons, heads), model, typer)?;
    let base = base_name(c, None);
    let count = names.get(&base).copied().unwrap_or(0) + 1;
    let repeat = if count > 1 { format!("#{count}") } else { String::new() };
    p.name = format!("{base}{repeat}{SOURCE}");
    p.shape = vec![len(model, &view)];
    p.indexed = true;
    p.pooled = true;
    Some(p)
}

/// The name of a connection, but for the number of a repeat.
pub(super) fn base_name(c: &ast::Connect, event: Option<&ast::Ident>) -> String {
    if let Some(n) = &c.name {
        return n.node.clone();
    }
    let source = match &c.source {
        ast::ConnectSource::Path(p) => &p.root.node,
        ast::ConnectSource::Call(m) => &m.name.node,
    };
    let member = c.target.segments.iter().find_map(|s| match s {
        ast::Segment::Member(m) => Some(format!(".{}", m.node)),
        ast::Segment::Index(_) => None,
    });
    let event = event.map_or_else(String::new, |m| format!(".{}", m.node));
    format!("{source}{event}->{}{}", c.target.root.node, member.unwrap_or_default())
}
