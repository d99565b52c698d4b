//! The quick fix that accepts a warning on purpose: it writes `allow W0701 ""` where the warning is, and leaves the reason to the author.

use super::document::{FILE, Seen};
use crate::diag::{Diagnostic, Severity};
use crate::syntax::ast::{Item, ItemKind};

/// Where an `allow` of a warning can be inserted, and the text; `None` for what cannot be accepted in this file.
pub(super) fn insertion(seen: Seen<'_>, d: &Diagnostic) -> Option<(usize, String)> {
    let at = d.primary.as_ref().map(|l| l.span).filter(|s| s.file == FILE)?;
    if d.severity != Severity::Warning || d.code.name() == "W0802" {
        return None;
    }
    let items = &seen.session.tree.as_ref()?.items;
    let item = items.iter().find(|i| i.span.start <= at.start && at.end <= i.span.end)?;
    let allow = format!("allow {} \"\"", d.code);
    let Some(open) = body(item, seen.text.as_str()) else {
        return Some((item.span.range().end, format!("\n{allow}")));
    };
    let rest = seen.text.as_str().get(open..item.span.range().end)?;
    let first = rest.trim_start_matches([' ', '\t', '\r']);
    let text = match first.strip_prefix('\n') {
        Some(lines) => {
            let line = lines.lines().find(|l| !l.trim().is_empty()).unwrap_or("");
            let indent = line.get(..line.len() - line.trim_start().len()).filter(|i| !i.is_empty()).unwrap_or("  ");
            format!("\n{indent}{allow}")
        }
        None if first.starts_with('}') => format!(" {allow} "),
        None => format!(" {allow};"),
    };
    Some((open, text))
}

/// The byte behind the brace that opens the body of an item in which an `allow` can stand.
fn body(item: &Item, text: &str) -> Option<usize> {
    let head = match &item.kind {
        ItemKind::Neuron(m) | ItemKind::Synapse(m) => m.name.span.range().end,
        ItemKind::Experiment { body, .. } | ItemKind::Test { body, .. } | ItemKind::Procedure { body, .. } => {
            body.span.range().start
        }
        _ => return None,
    };
    let mut at = head;
    // A comment may stand before the brace.
    for line in text.get(head..)?.split_inclusive('\n') {
        let code = line.split('#').next().unwrap_or("");
        if let Some(k) = code.find('{') {
            return Some(at + k + 1);
        }
        at += line.len();
    }
    None
}
