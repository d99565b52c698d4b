//! Cuts a text at top level, and bodies of models and blocks, into pieces that are parsed alone. Works on tokens, before the
//! grammar: brackets are matched here, faults of brackets and of nesting are found here, and since a line that begins with
//! something that cannot begin a statement continues the line before, the pieces are those of the grammar.
//!
//! Invariants: every token lies in at most one piece of a level; pieces are in order; a piece is never empty; all work is
//! linear in the number of tokens, and nothing recurses.

use std::ops::Range;

use super::lex::{Kind, Lexed};

/// How many brackets, `if`s and powers may be open within each other. The grammar and later passes recurse that deep.
pub(crate) const MAX_NESTING: usize = 100;

/// How many operators one expression may have between two commas, brackets or line ends. The exact limit on the depth of a
/// tree is the parser's; this one keeps hostile text from ever reaching it.
pub(crate) const MAX_OPERATORS: usize = 1000;

/// An item of a file, for tools that parse items one at a time: `text[range]` is a text of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRange {
    /// The item's bytes, without its documentation.
    pub range: Range<usize>,
    /// Where its `##` lines begin; `range.start` without any.
    pub doc_start: usize,
}

/// A fault of brackets or nesting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BracketFault {
    /// A bracket that nothing closes, and the token (or the end of the file) where that was noticed.
    Unclosed {
        /// The opening bracket.
        open: usize,
        /// The token; the number of tokens for the end of the file.
        noticed: usize,
        /// A pair of brackets inside whose indentation does not agree: the likely place of the missing one.
        suspect: Option<(usize, usize)>,
    },
    /// A closing bracket that closes nothing, and the innermost bracket that is open there.
    Stray {
        /// The closing bracket.
        close: usize,
        /// The bracket that is open there.
        inside: Option<usize>,
    },
    /// Brackets, `if`s or powers within each other beyond [`MAX_NESTING`]: the token that is too deep.
    TooDeep(usize),
    /// More than [`MAX_OPERATORS`] operators in one expression: the one that is too many.
    TooLong(usize),
}

impl BracketFault {
    /// The token it is about.
    pub(crate) fn token(&self) -> usize {
        match *self {
            Self::Unclosed { open, .. } => open,
            Self::Stray { close, .. } => close,
            Self::TooDeep(t) | Self::TooLong(t) => t,
        }
    }
}

/// Where the brackets of a file lead.
#[derive(Debug, Default)]
pub(crate) struct Brackets {
    /// For an opening bracket, the token after its inside: its closing bracket, or for an unclosed one where that was noticed.
    /// Zero for other tokens.
    close: Vec<u32>,
    /// What is wrong, in order of the token concerned.
    pub(crate) faults: Vec<BracketFault>,
}

impl Brackets {
    /// The token at which the inside of the bracket `open` ends.
    pub(crate) fn close(&self, open: usize) -> usize {
        self.close.get(open).map_or(open, |c| *c as usize)
    }

    /// The faults that lie in the tokens.
    pub(crate) fn faults_in(&self, tokens: &Range<usize>) -> &[BracketFault] {
        let from = self.faults.partition_point(|f| f.token() < tokens.start);
        let to = self.faults.partition_point(|f| f.token() < tokens.end);
        self.faults.get(from..to).unwrap_or_default()
    }
}

/// Words that begin an item and nothing else.
fn begins_item(word: &str) -> bool {
    matches!(
        word,
        "neuron" | "synapse" | "population" | "connect" | "experiment" | "procedure" | "import" | "fn" | "const"
    )
}

/// Reserved words that begin an item, a model item or a statement and never stand inside an expression.
fn starts(word: &str) -> bool {
    begins_item(word)
        || begins_model_line(word)
        || matches!(
            word,
            "let"
                | "run"
                | "expect"
                | "return"
                | "deliver"
                | "inject"
                | "record"
                | "minimize"
                | "while"
                | "repeat"
                | "for"
        )
}

/// Reserved words that begin a line of a model and never a statement.
fn begins_model_line(word: &str) -> bool {
    matches!(word, "param" | "state" | "weight" | "learned" | "input" | "event" | "on" | "every" | "refractory")
}

/// Words and signs that cannot begin a statement: a line that begins with one continues the line before.
pub(super) fn begins_no_line(word: &str) -> bool {
    matches!(
        word,
        "via"
            | "where"
            | "with"
            | "and"
            | "or"
            | "then"
            | "else"
            | "over"
            | "by"
            | "until"
            | "surrogate"
            | "hold"
            | "crosses"
            | "to"
            | "in"
            | "when"
            | "batch"
            | "epochs"
            | "->"
            | ":"
            | "{"
    ) || joins(word)
}

/// Operators between two values, those of other languages too.
fn joins(word: &str) -> bool {
    matches!(
        word,
        "+" | "-"
            | "*"
            | "/"
            | "%"
            | "^"
            | "="
            | "=="
            | "!="
            | "<="
            | ">="
            | "<"
            | ">"
            | "+="
            | "-="
            | "*="
            | "/="
            | "**"
            | "&&"
            | "||"
            | ":="
    )
}

/// Words and signs that cannot end one: the line after continues unless it begins with a word that [`starts`] something.
fn awaits_more(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "or"
            | "not"
            | "then"
            | "else"
            | "over"
            | "in"
            | "when"
            | "by"
            | "where"
            | "via"
            | "with"
            | "rate"
            | "->"
            | ","
            | ":"
    ) || joins(word)
}

/// Whether the token `at`, the first of its line, continues the piece that began with token `head`.
fn continues(lexed: &Lexed<'_>, head: usize, at: usize) -> bool {
    let (word, before) = (lexed.word(at), lexed.word(at.saturating_sub(1)));
    // `from brian2 import *` of Python ends in a sign that joins nothing.
    if before == "*" && lexed.word(head) == "from" {
        return false;
    }
    if lexed.kind(at) == Kind::Comma || begins_no_line(word) {
        return true;
    }
    match word {
        "through" => return lexed.word(head) == "connect" && lexed.kind(at + 1) == Kind::Word,
        "every" => return lexed.word(head) == "record",
        _ => {}
    }
    // `rate` is awaited only in `spike with rate`.
    let awaits = if before == "rate" { lexed.word(at.wrapping_sub(2)) == "with" } else { awaits_more(before) };
    awaits && !starts(word) && !(before != "," && assigns(lexed, at))
}

/// Whether the line of token `at` sets something: after an unfinished line it is one of its own.
fn assigns(lexed: &Lexed<'_>, at: usize) -> bool {
    /// How many tokens of a line are looked at.
    const LOOK: usize = 40;
    let mut depth = 0_usize;
    for token in at..at + LOOK {
        if token > at && lexed.tokens.get(token).is_none_or(|t| t.first) {
            return false;
        }
        match lexed.kind(token) {
            Kind::Open => depth += 1,
            Kind::Close if depth == 0 => return false,
            Kind::Close => depth -= 1,
            Kind::Semi => return false,
            Kind::Op if depth == 0 && matches!(lexed.word(token), "=" | "+=" | "-=" | "*=" | "/=") => return true,
            _ => {}
        }
    }
    false
}

/// One open bracket while matching; the bottom one is the file itself.
struct Level {
    open: usize,
    /// `(`, `[`, `{`, or empty for the file.
    sign: &'static str,
    /// Holds items (the file, and the body of a top-level `for`).
    unroll: bool,
    /// The body of a `neuron` or `synapse`.
    model: bool,
    /// The first token of the piece that is being read inside.
    head: usize,
    /// `if`s and powers of the expression that is being read, and its operators.
    nested: usize,
    operators: usize,
    /// Of braces and the file: how many `(` and `[` are open inside, up to the next brace.
    rounds: usize,
    squares: usize,
}

impl Level {
    fn new(open: usize, sign: &'static str, unroll: bool, head: usize) -> Self {
        Self { open, sign, unroll, model: false, head, nested: 0, operators: 0, rounds: 0, squares: 0 }
    }

    fn braces(&self) -> bool {
        matches!(self.sign, "{" | "")
    }
}

/// Matches all brackets of a file and finds what is nested too deeply.
pub(crate) fn match_brackets(lexed: &Lexed<'_>) -> Brackets {
    let mut matcher = Matcher {
        lexed,
        stack: vec![Level::new(usize::MAX, "", true, 0)],
        braces: vec![0],
        unrolls: 1,
        nesting: 0,
        askew: Vec::new(),
        refused: false,
        misplaced_until: 0,
        out: Brackets { close: vec![0; lexed.tokens.len()], faults: Vec::new() },
    };
    for at in 0..lexed.tokens.len() {
        matcher.token(at);
    }
    matcher.unwind(1, lexed.tokens.len());
    let mut out = matcher.out;
    out.faults.sort_by_key(BracketFault::token);
    out
}

struct Matcher<'l> {
    lexed: &'l Lexed<'l>,
    stack: Vec<Level>,
    /// The places in `stack` of the levels that are braces or the file. Scanning the stack for them would be quadratic.
    braces: Vec<usize>,
    /// How many levels at the bottom hold items.
    unrolls: usize,
    /// Brackets, `if`s and powers open here.
    nesting: usize,
    /// Pairs whose closing brace begins a line at another indentation than the line of the opening one.
    askew: Vec<(usize, usize)>,
    /// The item is already refused for its size.
    refused: bool,
    /// Up to here declarations stand inside braces that are closed.
    misplaced_until: usize,
    out: Brackets,
}

impl Matcher<'_> {
    fn token(&mut self, at: usize) {
        let lexed = self.lexed;
        let (kind, word) = (lexed.kind(at), lexed.word(at));
        let first = lexed.tokens.get(at).is_some_and(|t| t.first);
        let brace = self.braces.last().copied().unwrap_or(0);
        if first {
            if begins_item(word) || (word == "test" && lexed.kind(at + 1) == Kind::Str) {
                // It can only begin an item: brackets that hold no items were never closed, unless all else says that they were.
                if !self.misplaced(self.unrolls, at) {
                    self.unwind(self.unrolls, at);
                }
            } else if begins_model_line(word) && self.stack.get(self.unrolls).is_some_and(|l| l.model) {
                // A line of a model, so the block it stands in was never closed; likewise.
                if !self.misplaced(self.unrolls + 1, at) {
                    self.unwind(self.unrolls + 1, at);
                }
            } else if starts(word) {
                // A statement cannot stand inside round or square brackets: likewise.
                self.unwind(brace + 1, at);
            }
        }
        let at_top = self.stack.len() == 1;
        if let Some(level) = self.stack.last_mut() {
            let line_ends = first && level.braces() && !continues(lexed, level.head, at);
            if kind == Kind::Semi || kind == Kind::Comma || line_ends {
                self.nesting -= level.nested;
                (level.nested, level.operators) = (0, 0);
                if kind != Kind::Comma {
                    level.head = at + usize::from(kind == Kind::Semi);
                    self.refused &= !at_top;
                }
            }
        }
        match kind {
            Kind::Open => self.open(at),
            Kind::Close => self.close(at, first),
            Kind::Op => self.operator(usize::from(word == "^")),
            Kind::Word if word == "if" => self.operator(1),
            Kind::Word if matches!(word, "not" | "and" | "or" | "in") => self.operator(0),
            _ => {}
        }
        let operators = self.stack.last().map_or(0, |l| l.operators);
        if !self.refused && (self.nesting > MAX_NESTING || operators > MAX_OPERATORS) {
            self.refused = true;
            let deep = self.nesting > MAX_NESTING;
            self.out.faults.push(if deep { BracketFault::TooDeep(at) } else { BracketFault::TooLong(at) });
        }
    }

    /// Whether a declaration only stands in the wrong place: inside braces (those above the first `keep`) that are closed further on, by
    /// their indentation too.
    fn misplaced(&mut self, keep: usize, at: usize) -> bool {
        if at < self.misplaced_until {
            return true;
        }
        let open = self.stack.get(keep..).unwrap_or_default();
        let Some(outermost) = open.first().map(|l| self.indent(l.open)) else { return false };
        if open.iter().any(|l| l.sign != "{") {
            return false;
        }
        if self.indent(at) <= outermost {
            let until = self.closed_below(keep, at);
            self.misplaced_until = until.unwrap_or(self.misplaced_until);
            return until.is_some();
        }
        let mut depth = open.len();
        for token in at..self.lexed.tokens.len() {
            let closes = self.lexed.kind(token) == Kind::Close && self.lexed.word(token) == "}";
            if closes {
                depth -= 1;
                if depth == 0 {
                    self.misplaced_until = token;
                    return true;
                }
            } else if self.lexed.word(token) == "{" {
                depth += 1;
            } else if self.lexed.tokens.get(token).is_some_and(|t| t.first) && self.indent(token) <= outermost {
                return false;
            }
        }
        false
    }

    /// Where the braces above the first `keep` are closed, if a declaration inside that is not indented still leaves no doubt of it: each by a
    /// brace below its own line, before anything else begins that holds lines of its own.
    fn closed_below(&self, keep: usize, at: usize) -> Option<usize> {
        /// How many tokens are looked at: what is asked once for each declaration must not cost more in long files.
        const LOOK: usize = 400;
        let open = self.stack.get(keep..).unwrap_or_default();
        let mut left = open.iter().rev().map(|l| self.indent(l.open));
        let (mut inside, mut more) = (0_usize, open.len());
        for token in at..self.lexed.tokens.len().min(at + LOOK) {
            let first = self.lexed.tokens.get(token).is_some_and(|t| t.first);
            let word = self.lexed.word(token);
            let holds = matches!(word, "neuron" | "synapse" | "experiment" | "procedure" | "test" | "simulation");
            if first && holds && token > at && inside == 0 {
                return None;
            }
            match word {
                "{" => inside += 1,
                "}" if inside > 0 => inside -= 1,
                "}" if !first || left.next() != Some(self.indent(token)) => return None,
                "}" => {
                    more -= 1;
                    if more == 0 {
                        return Some(token);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn operator(&mut self, nested: usize) {
        if let Some(level) = self.stack.last_mut() {
            level.operators += 1;
            level.nested += nested;
            self.nesting += nested;
        }
    }

    fn open(&mut self, at: usize) {
        let sign = match self.lexed.word(at) {
            "(" => "(",
            "[" => "[",
            _ => "{",
        };
        let (mut unroll, mut model) = (false, false);
        if sign == "{" {
            self.braces.push(self.stack.len());
            if let Some(level) = self.stack.last_mut() {
                level.operators = 0;
                let head = self.lexed.word(level.head);
                unroll = level.unroll && head == "for";
                model = level.unroll && matches!(head, "neuron" | "synapse");
            }
        } else {
            self.count(sign, true);
        }
        self.unrolls += usize::from(unroll);
        self.nesting += 1;
        self.stack.push(Level { model, ..Level::new(at, sign, unroll, at + 1) });
    }

    fn close(&mut self, at: usize, first: bool) {
        let brace = self.braces.last().copied().unwrap_or(0);
        let (rounds, squares) = self.stack.get(brace).map_or((0, 0), |l| (l.rounds, l.squares));
        // A round or square bracket never closes one outside the braces it stands in.
        let (sign, any) = match self.lexed.word(at) {
            ")" => ("(", rounds > 0),
            "]" => ("[", squares > 0),
            _ => ("{", brace > 0),
        };
        if !any {
            let inside = self.stack.last().map(|l| l.open).filter(|o| *o < self.lexed.tokens.len());
            self.out.faults.push(BracketFault::Stray { close: at, inside });
            if self.meant_for_top(at) {
                self.pop(at);
            }
            if let (1, Some(level)) = (self.stack.len(), self.stack.last_mut()) {
                level.head = at + 1;
            }
            return;
        }
        let mut partner = self.stack.len();
        while partner > 0 && self.stack.get(partner - 1).is_some_and(|l| l.sign != sign) {
            partner -= 1;
        }
        self.unwind(partner, at);
        if let Some(open) = self.pop(at)
            && first
            && sign == "{"
            && self.indent(open) != self.indent(at)
        {
            self.askew.push((open, at));
        }
    }

    /// Whether a stray bracket was meant to close the innermost one, which is of another kind: nothing after it on its line does.
    fn meant_for_top(&self, at: usize) -> bool {
        let Some(top) = self.stack.last().filter(|l| matches!(l.sign, "(" | "[")) else { return false };
        let right = if top.sign == "(" { ")" } else { "]" };
        let rest =
            (at + 1..self.lexed.tokens.len()).take_while(|t| self.lexed.tokens.get(*t).is_some_and(|t| !t.first));
        let mut depth = 0_i32;
        for t in rest.take(200) {
            match self.lexed.word(t) {
                word if word == top.sign => depth += 1,
                word if word == right && depth == 0 => return false,
                word if word == right => depth -= 1,
                _ => {}
            }
        }
        self.lexed.word(at) != "}"
    }

    /// Counts an open round or square bracket in the braces it stands in.
    fn count(&mut self, sign: &str, opened: bool) {
        let brace = self.braces.last().copied().unwrap_or(0);
        if let Some(level) = self.stack.get_mut(brace) {
            let counter = if sign == "(" { &mut level.rounds } else { &mut level.squares };
            *counter = if opened { *counter + 1 } else { counter.saturating_sub(1) };
        }
    }

    /// Takes the top level off, closed at the token `at`.
    fn pop(&mut self, at: usize) -> Option<usize> {
        let level = self.stack.pop()?;
        if level.sign == "{" {
            self.braces.pop();
        } else {
            self.count(level.sign, false);
        }
        self.unrolls -= usize::from(level.unroll);
        self.nesting -= level.nested + 1;
        if let Some(close) = self.out.close.get_mut(level.open) {
            *close = at as u32;
        }
        Some(level.open)
    }

    /// Closes all levels above the first `keep` at the token `at`, where they were noticed to be unclosed. They are one fault:
    /// the innermost bracket is named, since nothing after it closes anything.
    fn unwind(&mut self, keep: usize, at: usize) {
        let mut named = None;
        while self.stack.len() > keep.max(1) {
            let open = self.pop(at);
            named = named.or(open);
        }
        let Some(open) = named else { return };
        let suspect = if self.lexed.word(open) == "{" {
            self.askew.iter().rev().take_while(|(o, _)| *o > open).last().copied()
        } else {
            None
        };
        self.out.faults.push(BracketFault::Unclosed { open, noticed: at, suspect });
    }

    fn indent(&self, token: usize) -> u16 {
        self.lexed.tokens.get(token).map_or(0, |t| t.indent)
    }
}

/// Cuts tokens (a file, or the inside of braces) into pieces at line breaks and `;`.
pub(crate) fn pieces(lexed: &Lexed<'_>, brackets: &Brackets, tokens: Range<usize>) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut head = tokens.start;
    let mut at = tokens.start;
    let end_piece = |out: &mut Vec<Range<usize>>, head: usize, at: usize| {
        if head < at {
            out.push(head..at);
        }
    };
    while at < tokens.end {
        let kind = lexed.kind(at);
        let first = lexed.tokens.get(at).is_some_and(|t| t.first);
        let stray = kind == Kind::Close && lexed.word(at) == "}";
        if first && at > head && !continues(lexed, head, at) && !python_body(lexed, head, at) {
            end_piece(&mut out, head, at);
            head = at;
        }
        if kind == Kind::Semi || stray {
            end_piece(&mut out, head, at);
            head = at + 1;
        }
        at = if kind == Kind::Open { brackets.close(at).max(at + 1) } else { at + 1 };
        // Step over the closing bracket; where the bracket is unclosed, the token there begins something new.
        if kind == Kind::Open && at < tokens.end {
            if lexed.kind(at) == Kind::Close {
                at += 1;
            } else if at > head {
                end_piece(&mut out, head, at);
                head = at;
            }
        }
    }
    end_piece(&mut out, head, tokens.end);
    out
}

/// Whether the line of token `at` is the indented body under a Python head such as `def f(x):`, which is reported once.
fn python_body(lexed: &Lexed<'_>, head: usize, at: usize) -> bool {
    /// How many tokens a head may have; longer lines are not searched again for every line below.
    const LONGEST_HEAD: usize = 200;
    let is_head =
        matches!(lexed.word(head), "def" | "class" | "for" | "while" | "if" | "elif" | "else" | "try" | "with");
    let indent = |token: usize| lexed.tokens.get(token).map_or(0, |t| t.indent);
    is_head
        && indent(at) > indent(head)
        && (head..at)
            .take(LONGEST_HEAD)
            .find(|t| lexed.tokens.get(t + 1).is_none_or(|n| n.first))
            .is_some_and(|last| lexed.word(last) == ":")
}

/// Where the documentation lines directly above a byte begin: `##` lines, but not `###`, each alone on its line.
pub(crate) fn doc_start(text: &str, item: usize) -> usize {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\u{feff}');
    let before = text.get(..item).unwrap_or("").trim_end_matches(blank);
    if !(before.is_empty() || before.ends_with(['\n', '\r'])) {
        return item;
    }
    let (mut start, mut line) = (item, before.len());
    while line > 0 {
        let above = text.get(..line - 1).and_then(|t| t.rfind('\n')).map_or(0, |p| p + 1);
        let content = text.get(above..line).unwrap_or("").trim_start_matches(blank);
        if !content.starts_with("##") || content.starts_with("###") {
            break;
        }
        (start, line) = (above, above);
    }
    start
}

/// The documentation of the item at a byte: its `##` lines without the marks, joined by line breaks.
pub(crate) fn doc_text(text: &str, item: usize) -> String {
    let lines = text.get(doc_start(text, item)..item).unwrap_or("").lines();
    let mut out = Vec::new();
    for line in lines {
        if let Some(content) = line.trim_start_matches('\u{feff}').trim().strip_prefix("##") {
            out.push(content.strip_prefix(' ').unwrap_or(content));
        }
    }
    out.join("\n")
}
