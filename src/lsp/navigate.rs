//! From a name to its declaration and its uses, and the tokens that colour names by what they stand for.

use std::path::Path;

use gen_lsp_types as lsp;

use super::PreludeFile;
use super::document::{FILE, Seen, uri_of};
use super::names::{Kind, PRELUDE_FILE};
use super::text::Text;
use crate::sema;
use crate::source::Span;
use crate::syntax::ast::ItemKind;

/// Where the name at a byte is declared: in this file, in one that it imports, or in the file that holds the prelude's text. At the path of an
/// `import`, the beginning of that file.
pub(super) fn definition(
    seen: Seen<'_>,
    uri: &lsp::Uri,
    byte: usize,
    prelude: &PreludeFile<'_>,
) -> Option<lsp::Location> {
    let Some((_, k)) = seen.names.at(byte) else { return import(seen, byte) };
    let span = seen.names.defs.get(k)?.span;
    if span.file == FILE {
        return Some(lsp::Location { uri: uri.clone(), range: seen.text.range(span.range()) });
    }
    if span.file == PRELUDE_FILE {
        let uri = uri_of(&prelude()?)?;
        return Some(lsp::Location { uri: lsp::Uri(uri), range: Text::new(sema::PRELUDE).range(span.range()) });
    }
    let file = seen.imported(span)?;
    let uri = uri_of(Path::new(&file.name))?;
    Some(lsp::Location { uri: lsp::Uri(uri), range: Text::new(&file.text).range(span.range()) })
}

/// The file whose path stands at a byte, if it could be read.
fn import(seen: Seen<'_>, byte: usize) -> Option<lsp::Location> {
    let items = &seen.session.tree.as_ref()?.items;
    let written = items.iter().find_map(|item| match &item.kind {
        ItemKind::Import { path, .. } if path.span.range().start <= byte && byte <= path.span.range().end => Some(path),
        _ => None,
    })?;
    let name = seen.session.model_dir().join(&written.node).display().to_string();
    seen.session.sources.files().iter().find(|f| f.name == name)?;
    Some(lsp::Location { uri: lsp::Uri(uri_of(Path::new(&name))?), range: Text::new("").range(0..0) })
}

/// Every use of the name at a byte, in order; with its declaration if that is asked for.
pub(super) fn references(seen: Seen<'_>, byte: usize, declaration: bool) -> Vec<lsp::Range> {
    let Some((_, k)) = seen.names.at(byte) else { return Vec::new() };
    let mut spans: Vec<Span> = seen.names.uses.iter().filter(|(_, d)| *d == k).map(|(s, _)| *s).collect();
    spans.extend(seen.names.defs.get(k).filter(|_| declaration).map(|d| d.span));
    spans.retain(|s| s.file == FILE);
    spans.sort();
    spans.dedup();
    spans.into_iter().map(|s| seen.text.range(s.range())).collect()
}

/// The kinds of tokens, in the order of their numbers.
pub(super) const TOKENS: &[&str] = &["class", "variable", "parameter", "property", "function", "event", "enumMember"];

fn token(kind: Kind) -> u32 {
    match kind {
        Kind::Neuron | Kind::Synapse => 0,
        Kind::View
        | Kind::Data
        | Kind::Population
        | Kind::Projection
        | Kind::Readout
        | Kind::ModelLet
        | Kind::Local => 1,
        Kind::ModelParam | Kind::Input => 2,
        Kind::State | Kind::Weight | Kind::Learned => 3,
        Kind::Function | Kind::Kernel | Kind::Procedure | Kind::Experiment => 4,
        Kind::Event => 5,
        Kind::Const | Kind::Param => 6,
    }
}

/// Every name with its kind.
pub(super) fn tokens(seen: Seen<'_>) -> Vec<lsp::SemanticToken> {
    let kind = |k: usize| seen.names.defs.get(k).map(|d| token(d.kind));
    let uses = seen.names.uses.iter().filter_map(|(s, k)| Some((*s, kind(*k)?)));
    let own = seen.names.defs.iter().map(|d| (d.span, token(d.kind)));
    let mut found: Vec<(Span, u32)> = uses.chain(own).filter(|(s, _)| s.file == FILE && s.start < s.end).collect();
    found.sort();
    let (mut out, mut last, mut end) = (Vec::new(), lsp::Position { line: 0, character: 0 }, 0);
    for (span, token_type) in found {
        // A name is coloured once, and never over the end of a line.
        let range = seen.text.range(span.range());
        if span.start < end || range.start.line != range.end.line {
            continue;
        }
        end = span.end;
        let delta_line = range.start.line - last.line;
        let from = if delta_line == 0 { last.character } else { 0 };
        out.push(lsp::SemanticToken {
            delta_line,
            delta_start: range.start.character - from,
            length: range.end.character - range.start.character,
            token_type,
            token_modifiers_bitset: 0,
        });
        last = range.start;
    }
    out
}
