//! From tokens to lines. A line break that the author made inside a statement stays; a line that is too wide is broken where
//! the grammar allows it, at the outermost bracket and the loosest operator. A block on one line stays on one line if it fits.

use super::WIDTH;
use super::marks::Sign;
use super::tokens::{Comment, Tok};

/// How far the inside of a block is indented, and the continuation of a statement.
const STEP: usize = 2;
/// A bracket whose content begins beyond this column does not set the indentation of what follows in it.
const FAR: usize = 72;

/// One token of a line.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// The token.
    pub(super) tok: usize,
    /// Whether `;` separates it from the one before.
    pub(super) semi: bool,
    /// Spaces before it; what aligns it with other lines is added later.
    pub(super) spaces: usize,
}

/// One line of output.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// Spaces at its beginning.
    pub(super) indent: usize,
    /// Its tokens; none for a comment with a line of its own.
    pub(super) cells: Vec<Cell>,
    /// The comment at its end.
    pub(super) comment: Option<Comment>,
    /// Whether a blank line stands before it.
    pub(super) blank_before: bool,
    /// Whether another line is set below its `=`, so that nothing in it may move.
    pub(super) fixed: bool,
}

impl Line {
    /// Its width in characters, without the comment.
    pub(super) fn width(&self, toks: &[Tok<'_>]) -> usize {
        self.indent + self.cells.iter().map(|c| c.width(toks)).sum::<usize>()
    }
}

impl Cell {
    /// Its width with what stands before it.
    pub(super) fn width(&self, toks: &[Tok<'_>]) -> usize {
        usize::from(self.semi) + self.spaces + toks.get(self.tok).map_or(0, |t| t.text.chars().count())
    }
}

/// A bracket that is open.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Where what follows in it begins, if that is on the bracket's line.
    content: Option<usize>,
    /// How far the bracket's line is indented.
    indent: usize,
}

/// The `=` of a statement's first line.
#[derive(Debug, Clone, Copy)]
struct Equals {
    /// Its column in the source.
    source: usize,
    /// Its column now.
    column: usize,
    /// Its line.
    line: usize,
}

/// Lays out tokens; `after` are the comments behind the last.
pub(super) fn lines(toks: &[Tok<'_>], after: &[Comment]) -> Vec<Line> {
    let mut printer = Printer {
        toks,
        lines: Vec::new(),
        line: Line::default(),
        base: 0,
        open: Vec::new(),
        equals: None,
        fresh: true,
    };
    printer.all();
    printer.finish();
    printer.comments(after, false);
    printer.lines
}

/// Whether a token began a line below the `=`.
fn below(tok: &Tok<'_>, equals: &Equals) -> bool {
    tok.first && tok.column == equals.source
}

struct Printer<'a, 't> {
    toks: &'a [Tok<'t>],
    lines: Vec<Line>,
    line: Line,
    /// How far the statement is indented.
    base: usize,
    /// The brackets that are open at the beginning of the current line.
    open: Vec<Open>,
    /// Where continuations may stand that the author set below the `=`.
    equals: Option<Equals>,
    /// Whether nothing stands in the block (or file) yet, so that no blank line is wanted.
    fresh: bool,
}

impl Printer<'_, '_> {
    fn all(&mut self) {
        let mut k = 0;
        while let Some(tok) = self.toks.get(k) {
            let joined = self.joins(k);
            let begins = tok.start.is_some() || tok.text == "}";
            if begins {
                self.finish();
                self.open.clear();
                self.equals = None;
            }
            // Between a head and its brace comments would have no place: they go behind the brace.
            if tok.text != "{" || tok.comments.is_empty() {
                self.comments(&tok.comments, !begins);
            }
            if begins {
                if tok.text == "}" {
                    self.base = self.base.saturating_sub(STEP);
                }
                self.line.indent = self.base;
                self.line.blank_before = tok.blank_before && !self.fresh && tok.text != "}";
                self.fresh = false;
                if let Some(end) = self.fits_one_line(k) {
                    self.one_line(k, end);
                    k = end + 1;
                    continue;
                }
            } else if tok.first && !joined && !self.line.cells.is_empty() {
                self.finish();
            } else if self.line.cells.is_empty() {
                self.line.indent = self.continuation(k);
            }
            let spaces = usize::from(
                tok.space && !self.line.cells.is_empty() || self.line.cells.len() == 1 && self.begins_with_factor(),
            );
            self.line.cells.push(Cell { tok: k, semi: false, spaces });
            if tok.first && !joined && self.line.cells.len() == 1 && !begins {
                self.line.indent = self.continuation(k);
            }
            if tok.text == "{" {
                self.finish();
                self.base += STEP;
                self.fresh = true;
                self.comments(&tok.comments, false);
            } else if !begins || tok.text != "}" {
                self.keep_within_width();
            }
            k += 1;
        }
    }

    /// Whether a token stays on the line of the one before although the source breaks there.
    fn joins(&self, k: usize) -> bool {
        let Some(tok) = self.toks.get(k) else { return false };
        tok.text == "{" || self.after_block(k) && matches!(tok.text, "else" | "until") && tok.comments.is_empty()
    }

    fn after_block(&self, k: usize) -> bool {
        k.checked_sub(1).and_then(|b| self.toks.get(b)).is_some_and(|b| b.text == "}")
    }

    /// Puts the current line among the finished ones.
    fn finish(&mut self) {
        if self.line.cells.is_empty() {
            return;
        }
        let open = self.brackets_after(self.line.cells.len());
        self.push();
        self.open = open;
    }

    /// Takes the current line as it is, and notes its `=` or that it stands below one.
    fn push(&mut self) {
        let first = self.line.cells.first().and_then(|c| self.toks.get(c.tok));
        let Some(first) = first else { return };
        if first.start.is_some() {
            let (mut column, mut depth) = (self.line.indent, 0_usize);
            for cell in &self.line.cells {
                let Some(tok) = self.toks.get(cell.tok) else { continue };
                column += cell.width(self.toks);
                match tok.text {
                    "(" | "[" => depth += 1,
                    ")" | "]" => depth = depth.saturating_sub(1),
                    "=" if depth == 0 && self.equals.is_none() => {
                        self.equals = Some(Equals { source: tok.column, column: column - 1, line: self.lines.len() });
                    }
                    _ => {}
                }
            }
        } else if let Some(equals) = self.equals.filter(|e| self.open.is_empty() && below(first, e))
            && let Some(line) = self.lines.get_mut(equals.line)
        {
            line.fixed = true;
        }
        self.lines.push(std::mem::take(&mut self.line));
    }

    fn comments(&mut self, comments: &[Comment], inside: bool) {
        for comment in comments {
            if inside {
                self.finish();
            }
            // A line takes one comment; so a second one, which a moved sign may bring, gets a line of its own.
            match self.lines.last_mut() {
                Some(last) if !comment.own && last.comment.is_none() => last.comment = Some(comment.clone()),
                _ => {
                    let indent = if inside { self.continuation(usize::MAX) } else { self.base };
                    let blank_before = comment.blank_before && !self.fresh && !inside;
                    self.lines.push(Line {
                        indent,
                        cells: Vec::new(),
                        comment: Some(comment.clone()),
                        blank_before,
                        fixed: false,
                    });
                    self.fresh = false;
                }
            }
        }
    }

    /// How far a line that continues a statement with token `k` is indented.
    fn continuation(&self, k: usize) -> usize {
        // What belongs to the block before, and was kept from its line by a comment.
        if self.toks.get(k).is_some_and(|t| matches!(t.text, "else" | "until")) && self.after_block(k) {
            return self.base;
        }
        let closes = self.toks.get(k).is_some_and(|t| matches!(t.text, ")" | "]"));
        match self.open.last() {
            Some(Open { content: Some(column), .. }) => column - usize::from(closes),
            Some(Open { indent, .. }) => indent + if closes { 0 } else { STEP },
            None => {
                let equals = self.equals.filter(|e| self.toks.get(k).is_some_and(|t| below(t, e)));
                equals.map_or(self.base + STEP, |e| e.column)
            }
        }
    }

    /// The brackets open behind the first `cells` cells of the current line.
    fn brackets_after(&self, cells: usize) -> Vec<Open> {
        let mut open = self.open.clone();
        let mut column = self.line.indent;
        for (k, cell) in self.line.cells.iter().take(cells).enumerate() {
            column += cell.width(self.toks);
            match self.toks.get(cell.tok).map_or("", |t| t.text) {
                "(" | "[" => {
                    let content = (k + 1 < cells && column <= FAR).then_some(column);
                    open.push(Open { content, indent: self.line.indent });
                }
                ")" | "]" => {
                    open.pop();
                }
                _ => {}
            }
        }
        open
    }

    /// Breaks the current line if it is too wide.
    fn keep_within_width(&mut self) {
        while self.line.width(self.toks) > WIDTH {
            let mut depth = 0_i32;
            let mut best: Option<(i32, u8, usize)> = None;
            for (k, cell) in self.line.cells.iter().enumerate() {
                let Some(tok) = self.toks.get(cell.tok) else { continue };
                if matches!(tok.text, ")" | "]") {
                    depth -= 1;
                }
                if let Some(level) = tok.may_break.filter(|_| k > 0)
                    && best.is_none_or(|(d, l, _)| (depth, level) <= (d, l))
                {
                    best = Some((depth, level, k));
                }
                if matches!(tok.text, "(" | "[") {
                    depth += 1;
                }
            }
            let Some((_, _, at)) = best else { return };
            let open = self.brackets_after(at);
            let rest = self.line.cells.split_off(at);
            self.push();
            self.open = open;
            self.line.indent = rest.first().map_or(0, |c| self.continuation(c.tok));
            self.line.cells = rest;
            if let Some(first) = self.line.cells.first_mut() {
                first.spaces = 0;
            }
            if self.begins_with_factor()
                && let Some(next) = self.line.cells.get_mut(1)
            {
                next.spaces = 1;
            }
        }
    }

    /// Whether the line begins with `*`, `/` or `%`, which count as written within spaces there.
    fn begins_with_factor(&self) -> bool {
        let first = self.line.cells.first().and_then(|c| self.toks.get(c.tok));
        first.is_some_and(|t| t.sign == Some(Sign::AsWritten))
    }

    /// The last token of the statement that begins with token `k`, if it has a block, stands on one line and fits there.
    fn fits_one_line(&self, k: usize) -> Option<usize> {
        let start = self.toks.get(k)?.start?;
        let mut width = self.base;
        let (mut block, mut last) = (false, k);
        for (at, tok) in self.toks.iter().enumerate().skip(k).take_while(|(_, t)| t.at < start.end) {
            if at > k && (!tok.comments.is_empty() || tok.first && tok.text != "{") {
                return None;
            }
            block |= tok.text == "{";
            width += self.cell(at, k).width(self.toks);
            if width > WIDTH {
                return None;
            }
            last = at;
        }
        block.then_some(last)
    }

    /// The cell of token `at` in a line that begins with token `from` and has whole blocks.
    fn cell(&self, at: usize, from: usize) -> Cell {
        let Some(tok) = self.toks.get(at).filter(|_| at > from) else {
            return Cell { tok: at, semi: false, spaces: 0 };
        };
        let after_brace = at.checked_sub(1).and_then(|b| self.toks.get(b)).is_some_and(|b| b.text == "{");
        Cell {
            tok: at,
            semi: tok.start.is_some() && !after_brace,
            spaces: usize::from(tok.space || tok.start.is_some()),
        }
    }

    fn one_line(&mut self, from: usize, to: usize) {
        self.line.cells = (from..=to).map(|at| self.cell(at, from)).collect();
        self.finish();
        self.open.clear();
    }
}
