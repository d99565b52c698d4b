//! Renaming a declaration with all its uses. A rename that would change what any other name stands for is refused: the new text is
//! read as the old one was, and both must agree on every use.

use std::collections::HashMap;

use gen_lsp_types as lsp;
use lsp_server::ErrorCode;

use super::document::{FILE, Seen};
use super::names::Names;
use super::{Refusal, navigate};
use crate::source::Span;
use crate::{syntax, units};

fn refused(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::RequestFailed, message)
}

/// Names that mean something of their own in models and protocols.
const MEANT: &[&str] = &["t", "dt", "i", "j", "N", "pi", "inf", "pre", "post", "xi", "spike"];

/// The name at a byte, if it can be renamed; `None` where no name stands.
///
/// # Errors
/// It is declared in the prelude or in a file that is imported.
pub(super) fn prepare(seen: Seen<'_>, byte: usize) -> Result<Option<lsp::PrepareRenamePlaceholder>, Refusal> {
    let Some((span, k)) = seen.names.at(byte) else { return Ok(None) };
    let Some(def) = seen.names.defs.get(k) else { return Ok(None) };
    if let Some(file) = seen.imported(def.span) {
        return Err(refused(format!("`{}` is declared in `{}`: rename it there", def.name, file.name)));
    }
    if def.span.file != FILE {
        return Err(refused(format!("`{}` belongs to the prelude and cannot be renamed", def.name)));
    }
    Ok(Some(lsp::PrepareRenamePlaceholder { range: seen.text.range(span.range()), placeholder: def.name.clone() }))
}

/// The edits that rename what stands at a byte.
///
/// # Errors
/// There is nothing to rename, the new name is none, or it has another meaning already where it would stand.
pub(super) fn rename(seen: Seen<'_>, uri: &lsp::Uri, byte: usize, new: &str) -> Result<lsp::WorkspaceEdit, Refusal> {
    let (Some(_), Some((_, k))) = (prepare(seen, byte)?, seen.names.at(byte)) else {
        return Err(refused("no name stands here"));
    };
    legal(new)?;
    let old = seen.names.defs.get(k).map_or("", |d| d.name.as_str());
    let ranges = navigate::references(seen, byte, true);
    if new != old {
        agreed(seen, k, new)?;
    }
    let edits = ranges.into_iter().map(|range| lsp::TextEdit { range, new_text: new.to_owned() }).collect();
    Ok(lsp::WorkspaceEdit {
        changes: Some(HashMap::from([(uri.clone(), edits)])),
        document_changes: None,
        change_annotations: None,
    })
}

fn legal(new: &str) -> Result<(), Refusal> {
    let mut chars = new.chars();
    let begins = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !begins || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(refused(format!(
            "`{new}` is not a name: names are letters, digits and `_`, and begin with no digit"
        )));
    }
    if syntax::is_reserved(new) {
        return Err(refused(format!("`{new}` is a word of the language")));
    }
    if MEANT.contains(&new) || new.starts_with("xi_") {
        return Err(refused(format!("`{new}` has a meaning of its own in models")));
    }
    if new.len() > 1 && units::lookup(new).is_some() {
        return Err(refused(format!("`{new}` is a unit")));
    }
    Ok(())
}

/// Whether the renamed text means the same.
fn agreed(seen: Seen<'_>, k: usize, new: &str) -> Result<(), Refusal> {
    let text = seen.text.as_str();
    let mut places: Vec<Span> = seen.names.uses.iter().filter(|(_, d)| *d == k).map(|(s, _)| *s).collect();
    places.extend(seen.names.defs.get(k).map(|d| d.span));
    places.retain(|s| s.file == FILE);
    places.sort();
    places.dedup();
    let mut renamed = String::with_capacity(text.len());
    let mut done = 0;
    for place in &places {
        renamed += text.get(done..place.range().start).unwrap_or("");
        renamed += new;
        done = place.range().end;
    }
    renamed += text.get(done..).unwrap_or("");
    // Where a place of the old text is in the new one.
    let moved = |at: u32| {
        let before = places.iter().take_while(|p| p.end <= at);
        before.fold(i64::from(at), |at, p| at + new.len() as i64 - i64::from(p.end - p.start))
    };
    let (tree, faults) = syntax::parse(FILE, &renamed);
    let clash = |line: usize| {
        refused(format!("`{new}` has another meaning on line {line}: choose a name that is not used there"))
    };
    let line = |at: u32| text.get(..at as usize).map_or(1, |t| t.matches('\n').count() + 1);
    let (_, before) = syntax::parse(FILE, text);
    if faults.len() > before.len() {
        let at = faults.first().and_then(|d| d.primary.as_ref()).map_or(0, |l| l.span.start);
        return Err(clash(renamed.get(..at as usize).map_or(1, |t| t.matches('\n').count() + 1)));
    }
    let names = Names::of(&tree, &seen.session.imported, &tree.items);
    // Two declarations of one name where there was one of each.
    let twin = seen.names.defs.get(k).and_then(|mine| {
        seen.names.defs.iter().enumerate().find(|(o, d)| {
            let apart = matches!((d.reach, mine.reach), (Some(a), Some(b)) if a.end <= b.start || b.end <= a.start);
            *o != k && d.name == new && d.owner == mine.owner && d.span.file == FILE && !apart
        })
    });
    if let Some((_, d)) = twin {
        return Err(refused(format!("`{new}` is declared already on line {}", line(d.span.start))));
    }
    for (span, d) in seen.names.uses.iter().filter(|(s, _)| s.file == FILE) {
        let start = moved(span.start);
        let same = names.uses.iter().any(|(s, e)| e == d && i64::from(s.start) == start);
        if !same {
            return Err(clash(line(span.start)));
        }
    }
    if names.uses.len() != seen.names.uses.len() {
        let old: Vec<i64> = seen.names.uses.iter().map(|(s, _)| moved(s.start)).collect();
        let extra = names.uses.iter().find(|(s, _)| !old.contains(&i64::from(s.start)));
        let at = extra.map_or(0, |(s, _)| s.start as usize);
        return Err(clash(renamed.get(..at).map_or(1, |t| t.matches('\n').count() + 1)));
    }
    Ok(())
}
