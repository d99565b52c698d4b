//! The formatter: one style for every file. It changes blanks, line breaks and `;`, and nothing else; [`format()`] compares the
//! tokens and the pieces of its result with those of its input before it gives it out.
//!
//! - Two spaces for every block; what continues a statement is indented by two more, or stands below the first thing in its
//!   bracket, or below the `=` if the author set it there. Line breaks inside a statement stay where the author put them; lines wider than [`WIDTH`] are broken.
//! - A block on one line stays so if it fits; otherwise every statement has a line of its own.
//! - Spaces around every operator except `^`, `..` between short ends, and `*`, `/`, `%` where the author wrote none.
//! - At most one blank line; none at the beginning or end of a block.
//! - Comments stay where they are. Columns made by hand in neighbouring lines are kept (see `align.rs`).

mod align;
mod layout;
mod marks;
mod tokens;

use super::lex::{self, Kind};
use crate::diag::{Code, Diagnostic};
use crate::source::FileId;

/// How wide a line may be, comments aside.
pub const WIDTH: usize = 120;

/// The text in the style of the language.
///
/// # Errors
/// The faults of syntax, if there are any.
pub fn format(id: FileId, text: &str) -> Result<String, Vec<Diagnostic>> {
    let (tree, faults) = super::parse(id, text);
    if !faults.is_empty() {
        return Err(faults);
    }
    // Positions have to be those of a text with plain line breaks.
    let plain = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let tree = if plain == text { tree } else { super::parse(id, &plain).0 };
    let lexed = lex::lex(&plain);
    let marks = marks::marks(&tree);
    let (toks, after) = tokens::tokens(&lexed, &plain, &marks);
    let mut lines = layout::lines(&toks, &after);
    align::tokens(&mut lines, &toks);
    let columns = align::comments(&lines, &toks);
    let mut out = String::with_capacity(plain.len() + plain.len() / 8);
    let pad = |out: &mut String, n: usize| out.extend(std::iter::repeat_n(' ', n));
    for (line, column) in lines.iter().zip(columns) {
        if line.blank_before {
            out.push('\n');
        }
        let mut width = 0;
        if !line.cells.is_empty() {
            pad(&mut out, line.indent);
            width = line.width(&toks);
        }
        for cell in &line.cells {
            out.push_str(if cell.semi { ";" } else { "" });
            pad(&mut out, cell.spaces);
            out.push_str(toks.get(cell.tok).map_or("", |t| t.text));
        }
        if let Some(comment) = &line.comment {
            pad(&mut out, column.unwrap_or(line.indent).saturating_sub(width));
            out.push_str(&comment.text);
        }
        out.push('\n');
    }
    if meaning(&plain) == meaning(&out) {
        Ok(out)
    } else {
        Err(vec![
            Diagnostic::without_span(Code::E0900, "a bug in snnc: formatting would change what the file says")
                .note("the file was left as it is"),
        ])
    }
}

/// What must stay the same: the tokens with the pieces that they begin, their documentation, and the comments.
fn meaning(text: &str) -> Option<(Vec<(String, bool)>, Vec<String>, Vec<String>)> {
    let (tree, faults) = super::parse(FileId(0), text);
    if !faults.is_empty() {
        return None;
    }
    let marks = marks::marks(&tree);
    let lexed = lex::lex(text);
    let tokens = lexed.tokens.iter().filter(|t| t.kind != Kind::Semi);
    let tokens = tokens.map(|t| {
        let word = text.get(t.range()).unwrap_or("").to_owned();
        (word, marks.starts.contains_key(&t.start))
    });
    // Between tokens there is nothing but blanks and comments.
    let ends = std::iter::once(0).chain(lexed.tokens.iter().map(|t| t.end as usize));
    let starts = lexed.tokens.iter().map(|t| t.start as usize).chain([text.len()]);
    let between = ends.zip(starts).map(|(from, to)| text.get(from..to).unwrap_or(""));
    let comment = |line: &str| line.find('#').and_then(|at| line.get(at..)).map(|c| c.trim_end().to_owned());
    let mut comments: Vec<String> = between.flat_map(|gap| gap.lines().filter_map(comment)).collect();
    // An operator that changes its line changes its place among the comments around it.
    comments.sort();
    Some((tokens.collect(), marks.docs, comments))
}
