//! From text to the syntax tree: [`parse`] always returns a tree, with the faults beside it.
//!
//! A text is cut into items ([`split_items`]), each item is matched alone, and a faulty one is taken apart further, down to
//! single statements, so that one run reports every independent fault once. Text of any content and size gives a tree or
//! diagnostics in bounded time and memory; nothing here panics on input.

mod allows;
#[expect(missing_docs, reason = "fields of variants: the form written above each variant names them")]
pub mod ast;
mod decode;
mod errors;
pub mod fmt;
mod foreign;
mod idioms;
mod known;
mod lex;
mod parser;
mod recover;
mod split;
pub(crate) mod visit;

pub use allows::{Allowed, allowed, without};
pub use decode::{MAX_SOURCE, decode};
pub use errors::is_reserved;
pub use known::Known;
pub use split::ItemRange;

use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// How many faults of one file are reported.
const MAX_FAULTS: usize = 1000;

/// Parses a file. The tree is always there; what is faulty is an error node in it, reported exactly once. Texts over
/// [`MAX_SOURCE`] bytes give an empty tree and `E0006`.
#[must_use]
pub fn parse(id: FileId, text: &str) -> (ast::File, Vec<Diagnostic>) {
    let (file, faults, _) = parsed(id, text, None);
    (file, faults)
}

/// Parses a file again: the same answer as [`parse`], but only items that are not `known` from the time before are matched against the
/// grammar. `known` then waits for this tree: see [`Known::keep`].
#[must_use]
pub fn parse_again(id: FileId, text: &str, known: &mut Known) -> (ast::File, Vec<Diagnostic>) {
    let (before, items, sound) = std::mem::take(known).parts();
    let mut old = known::Old::new(&before, items, &sound);
    let (file, faults, sound) = parsed(id, text, Some(&mut old));
    *known = Known::next(sound);
    (file, faults)
}

/// The tree, its faults, and which items have none.
fn parsed(id: FileId, text: &str, old: Option<&mut known::Old<'_>>) -> (ast::File, Vec<Diagnostic>, Vec<bool>) {
    if text.len() > MAX_SOURCE {
        let fault = Diagnostic::new(Code::E0006, Span::new(id, 0, 0), decode::too_large(text.len()));
        return (ast::File { id, items: Vec::new() }, vec![fault], Vec::new());
    }
    let lexed = lex::lex(text);
    let brackets = split::match_brackets(&lexed);
    let recover::Recovered { items, sound, mut faults, mut hidden } = recover::file(id, &lexed, &brackets, old);
    faults.extend(idioms::foreign_comments(id, text, &lexed.foreign_comments));
    faults.extend(idioms::floor_divisions(id, &lexed.floor_divisions));
    hidden += lexed.foreign_comments.len().saturating_sub(MAX_FAULTS);
    hidden += lexed.floor_divisions.len().saturating_sub(MAX_FAULTS);
    faults.sort_by_key(|d| d.primary.as_ref().map_or(0, |l| l.span.start));
    errors::once_by_name(text, &mut faults);
    hidden += faults.len().saturating_sub(MAX_FAULTS);
    faults.truncate(MAX_FAULTS);
    if let Some(last) = faults.last_mut().filter(|_| hidden > 0) {
        last.notes.push(format!("{hidden} more faults are not shown"));
    }
    (ast::File { id, items }, faults, sound)
}

/// The items of a text, in order, faulty ones included. Parsing `text[item.range]` alone gives the same item.
#[must_use]
pub fn split_items(text: &str) -> Vec<ItemRange> {
    let lexed = lex::lex(text);
    let brackets = split::match_brackets(&lexed);
    split::pieces(&lexed, &brackets, 0..lexed.tokens.len())
        .into_iter()
        .map(|piece| {
            let range = lexed.bytes(&piece);
            ItemRange { doc_start: split::doc_start(text, range.start), range }
        })
        .collect()
}
