//! The tokens of a text with all that stands between them: comments, line breaks, blank lines. Signs are moved to the place
//! where the layout wants them: an operator begins the line that it continues, a comma ends one.

use std::ops::Range;

use super::marks::{Marks, Piece, Sign, Start};
use crate::syntax::errors::is_reserved;
use crate::syntax::lex::{Kind, Lexed};

/// A comment, from its `#` to the end of its line.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    /// The text without blanks at its end.
    pub(super) text: String,
    /// Whether it has a line of its own.
    pub(super) own: bool,
    /// Whether blank lines stand before it.
    pub(super) blank_before: bool,
    /// Where it stands in its line, in characters.
    pub(super) column: usize,
}

/// A token and what precedes it.
#[derive(Debug, Clone)]
pub(super) struct Tok<'t> {
    /// What is written.
    pub(super) text: &'t str,
    /// What it is.
    pub(super) kind: Kind,
    /// The comments between the token before and this one.
    pub(super) comments: Vec<Comment>,
    /// Whether it is the first of its line.
    pub(super) first: bool,
    /// Whether blank lines stand between it and what precedes it.
    pub(super) blank_before: bool,
    /// Blanks before it on its line.
    pub(super) gap: usize,
    /// Where it stands in its line, in characters.
    pub(super) column: usize,
    /// Its line.
    pub(super) line: usize,
    /// What begins here.
    pub(super) start: Option<Start>,
    /// What sign it is; `None` for what is no sign of an expression.
    pub(super) sign: Option<Sign>,
    /// `..` and signs whose spaces are as written: whether spaces stand around it.
    pub(super) wide: bool,
    /// Whether a space separates it from the token before, when both are on one line.
    pub(super) space: bool,
    /// Whether a line may break before it, and how readily: 0 is best.
    pub(super) may_break: Option<u8>,
    /// First byte.
    pub(super) at: u32,
}

/// The tokens of a text without `;`, and the comments after the last.
pub(super) fn tokens<'t>(lexed: &Lexed<'_>, text: &'t str, marks: &Marks) -> (Vec<Tok<'t>>, Vec<Comment>) {
    let mut lines = Lines { text, line: 0, line_start: 0, at: 0 };
    let mut out: Vec<Tok<'t>> = Vec::with_capacity(lexed.tokens.len());
    let (mut comments, mut end) = (Vec::new(), 0);
    for token in &lexed.tokens {
        let between = gap(text, end..token.start as usize, end == 0, &mut lines);
        comments.extend(between.comments);
        end = token.end as usize;
        if token.kind == Kind::Semi {
            continue;
        }
        let start = marks.starts.get(&token.start).copied();
        out.push(Tok {
            text: text.get(token.range()).unwrap_or(""),
            kind: token.kind,
            comments: std::mem::take(&mut comments),
            first: between.broken || end == 0,
            blank_before: between.blank,
            gap: between.blanks,
            column: lines.column(token.start as usize),
            line: lines.line,
            start,
            sign: sign(lexed, token.range(), marks),
            wide: false,
            space: true,
            may_break: None,
            at: token.start,
        });
    }
    comments.extend(gap(text, end..text.len(), end == 0, &mut lines).comments);
    for k in 0..out.len() {
        out[k].wide = wide(&out, k, marks);
    }
    move_signs(&mut out);
    let mut state = Breaks { piece: Piece::Other, depth: 0 };
    for k in 0..out.len() {
        out[k].space = k > 0 && spaced(&out, k);
        out[k].may_break = state.before(&out, k, marks);
    }
    (out, comments)
}

/// Walks through a text to tell lines and columns.
struct Lines<'t> {
    text: &'t str,
    line: usize,
    line_start: usize,
    at: usize,
}

impl Lines<'_> {
    fn column(&mut self, byte: usize) -> usize {
        let passed = self.text.get(self.at..byte).unwrap_or("");
        for (k, _) in passed.match_indices('\n') {
            self.line += 1;
            self.line_start = self.at + k + 1;
        }
        self.at = byte;
        self.text.get(self.line_start..byte).unwrap_or("").chars().count()
    }
}

/// What stands between two tokens.
struct Gap {
    comments: Vec<Comment>,
    broken: bool,
    blank: bool,
    blanks: usize,
}

fn gap(text: &str, range: Range<usize>, at_start: bool, lines: &mut Lines<'_>) -> Gap {
    let between = text.get(range.clone()).unwrap_or("");
    let mut gap = Gap { comments: Vec::new(), broken: at_start, blank: false, blanks: 0 };
    let (mut own, mut empty) = (at_start, 0);
    let mut from = range.start;
    for line in between.split_inclusive('\n') {
        if let Some(mark) = line.find('#') {
            let column = lines.column(from + mark);
            let text = line.get(mark..).unwrap_or("").trim_end().to_owned();
            gap.comments.push(Comment { text, own, blank_before: empty > 0, column });
            empty = 0;
        } else if line.ends_with('\n') && own {
            empty += 1;
        }
        if line.ends_with('\n') {
            (own, gap.broken) = (true, true);
        } else {
            gap.blanks = line.chars().count();
        }
        from += line.len();
    }
    gap.blank = empty > 0;
    gap
}

fn sign(lexed: &Lexed<'_>, range: Range<usize>, marks: &Marks) -> Option<Sign> {
    let at = range.start as u32;
    let text = lexed.text.get(range)?;
    match text {
        "*" | "/" if marks.in_type(at) => Some(Sign::Tight),
        "^" => Some(Sign::Tight),
        // All signs of expressions are in the tree; what remains is the sign of a unit's exponent.
        "+" | "-" => Some(marks.signs.get(&at).copied().unwrap_or(Sign::Prefix)),
        _ => marks.signs.get(&at).copied(),
    }
}

fn wide(toks: &[Tok<'_>], k: usize, marks: &Marks) -> bool {
    let (Some(tok), before) = (toks.get(k), k.checked_sub(1).and_then(|b| toks.get(b))) else { return false };
    match tok.text {
        ".." => before.is_some_and(|b| marks.wide.contains(&(b.at + b.text.len() as u32))),
        _ if tok.sign == Some(Sign::AsWritten) => {
            tok.gap > 0 || tok.first || toks.get(k + 1).is_some_and(|n| n.gap > 0 || n.first)
        }
        _ => false,
    }
}

/// Takes operators from the end of a line to the beginning of the next, and commas the other way.
fn move_signs(toks: &mut [Tok<'_>]) {
    for k in 1..toks.len() {
        let operator = matches!(toks[k].sign, Some(Sign::Loose(_) | Sign::AsWritten));
        if operator && !toks[k].first && toks.get(k + 1).is_some_and(|n| n.first) {
            let after = &mut toks[k + 1];
            after.first = false;
            let comments = std::mem::take(&mut after.comments);
            toks[k].first = true;
            toks[k].comments.extend(comments);
        }
        if toks[k].kind == Kind::Comma && toks[k].first && k + 1 < toks.len() {
            let comments = std::mem::take(&mut toks[k].comments);
            toks[k].first = false;
            toks[k + 1].first = true;
            toks[k + 1].comments.splice(0..0, comments);
        }
    }
}

/// Whether a token ends a value.
fn ends_value(toks: &[Tok<'_>], k: usize) -> bool {
    match toks[k].kind {
        Kind::Number | Kind::Str => true,
        Kind::Close => toks[k].text != "}",
        Kind::Word => !keyword(toks, k),
        _ => false,
    }
}

/// Whether a word is a keyword here.
fn keyword(toks: &[Tok<'_>], k: usize) -> bool {
    let before = |n: usize| k.checked_sub(n).map_or("", |b| toks[b].text);
    match toks[k].text {
        "true" | "false" => false,
        "rate" => before(1) == "with" && before(2) == "spike",
        word => is_reserved(word),
    }
}

/// Whether a space stands between token `k` and the one before it.
fn spaced(toks: &[Tok<'_>], k: usize) -> bool {
    let (before, tok) = (&toks[k - 1], &toks[k]);
    match (before.text, tok.text) {
        (_, "," | ":" | "." | ")" | "]") | ("." | "(" | "[", _) => return false,
        ("," | ":" | "{" | "}", _) | (_, "{" | "}") => return true,
        _ => {}
    }
    if before.sign == Some(Sign::Prefix) {
        return false;
    }
    if tok.text == ".." {
        return !ends_value(toks, k - 1) || tok.wide;
    }
    if before.text == ".." {
        return before.wide || (tok.kind == Kind::Word && keyword(toks, k));
    }
    let around = |t: &Tok<'_>| match t.sign {
        Some(Sign::Tight) => false,
        Some(Sign::AsWritten) => t.wide,
        Some(Sign::Loose(_) | Sign::Prefix) | None => true,
    };
    let binary = |t: &Tok<'_>| t.kind == Kind::Op || matches!(t.sign, Some(Sign::Loose(_)));
    if binary(before) {
        return around(before);
    }
    if binary(tok) && tok.sign != Some(Sign::Prefix) {
        return around(tok);
    }
    if matches!(tok.text, "(" | "[") {
        return !ends_value(toks, k - 1);
    }
    true
}

/// Where the grammar allows a line to break.
struct Breaks {
    piece: Piece,
    depth: u32,
}

impl Breaks {
    fn before(&mut self, toks: &[Tok<'_>], k: usize, marks: &Marks) -> Option<u8> {
        let tok = &toks[k];
        if let Some(start) = tok.start {
            (self.piece, self.depth) = (start.piece, 0);
        }
        let depth = self.depth;
        match tok.text {
            "(" | "[" => self.depth += 1,
            ")" | "]" => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        let before = k.checked_sub(1).map(|b| &toks[b])?;
        if marks.in_type(tok.at) || marks.in_coef(tok.at) || tok.start.is_some() {
            return None;
        }
        match tok.sign {
            Some(Sign::Loose(level)) => return Some(level),
            Some(Sign::AsWritten) => return Some(5),
            _ => {}
        }
        let clause = match tok.text {
            "via" | "with" => self.piece == Piece::Connect && depth == 0,
            "through" => {
                let named = toks.get(k + 1).is_some_and(|n| n.kind == Kind::Word);
                self.piece == Piece::Connect && depth == 0 && ends_value(toks, k - 1) && named
            }
            "every" | "to" => self.piece == Piece::Record && depth == 0,
            "where" | "then" | "else" | "over" | "by" | "hold" | "surrogate" | "crosses" | "batch" | "epochs" => true,
            _ => before.kind == Kind::Comma,
        };
        if clause {
            return Some(0);
        }
        let kernel = k.checked_sub(3).is_some_and(|b| toks[b].text == "kernel");
        (matches!(before.text, "(" | "[") && !kernel && tok.kind != Kind::Close).then_some(7)
    }
}
