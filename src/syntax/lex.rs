//! A small lexer beside the grammar. It knows just enough (words, numbers, strings, brackets, operators, comments) to cut a
//! file into items before pest runs, to find faults of brackets and of nesting, and to name the token a message points at.
//! It never fails: what it does not know becomes [`Kind::Unknown`].

use std::borrow::Cow;
use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or keyword.
    Word,
    /// A number without its unit.
    Number,
    /// A closed string.
    Str,
    /// A string that its line does not close.
    OpenStr,
    /// `(`, `[` or `{`.
    Open,
    /// `)`, `]` or `}`.
    Close,
    /// `;`.
    Semi,
    /// `,`.
    Comma,
    /// An operator or other sign, foreign ones such as `&&` included.
    Op,
    /// A character that the language does not use.
    Unknown,
}

/// One token: bytes `start..end`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    /// First byte.
    pub(crate) start: u32,
    /// One past the last byte.
    pub(crate) end: u32,
    /// What it is.
    pub(crate) kind: Kind,
    /// Whether it is the first token of its line.
    pub(crate) first: bool,
    /// How far its line is indented, in bytes.
    pub(crate) indent: u16,
}

impl Token {
    /// The bytes, for slicing.
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A file cut into tokens.
#[derive(Debug)]
pub(crate) struct Lexed<'t> {
    /// The text, with the comments of other languages blanked out (offsets stay).
    pub(crate) text: Cow<'t, str>,
    /// The tokens, in order.
    pub(crate) tokens: Vec<Token>,
    /// The comments of other languages: `// …` and `/* … */`.
    pub(crate) foreign_comments: Vec<Range<usize>>,
    /// The first bytes of `//` between two numbers inside brackets: Python's division. It is read as `/`.
    pub(crate) floor_divisions: Vec<usize>,
}

impl Lexed<'_> {
    /// The text of a token; empty for an index past the end.
    pub(crate) fn word(&self, token: usize) -> &str {
        self.tokens.get(token).and_then(|t| self.text.get(t.range())).unwrap_or("")
    }

    /// The kind of a token; [`Kind::Unknown`] past the end.
    pub(crate) fn kind(&self, token: usize) -> Kind {
        self.tokens.get(token).map_or(Kind::Unknown, |t| t.kind)
    }

    /// The bytes from the first to the last of the tokens.
    pub(crate) fn bytes(&self, tokens: &Range<usize>) -> Range<usize> {
        let start = self.tokens.get(tokens.start).map_or(self.text.len(), |t| t.start as usize);
        let last = tokens.end.checked_sub(1).and_then(|l| self.tokens.get(l));
        start..last.map_or(start, |t| t.end as usize).max(start)
    }

    /// The first token that ends after a byte: the one a fault at that byte is about.
    pub(crate) fn token_at(&self, byte: usize) -> usize {
        self.tokens.partition_point(|t| t.end as usize <= byte)
    }
}

/// Signs of several characters, longest first. The last line is foreign and only named in messages.
const SIGNS: &[&str] = &[
    "..", "->", "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", //
    "**", "&&", "||", ":=",
];

/// Cuts a text into tokens.
pub(crate) fn lex(text: &str) -> Lexed<'_> {
    let bytes = text.as_bytes();
    let (mut tokens, mut foreign_comments) = (Vec::<Token>::new(), Vec::new());
    let mut floor_divisions = Vec::new();
    let (mut first, mut indent, mut line) = (true, 0, 0);
    // No `*/` follows any more; searching for it again and again would be quadratic.
    let mut unclosed = false;
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let rest = bytes.get(at..).unwrap_or_default();
        let kind = match byte {
            b' ' | b'\t' => {
                at += 1;
                continue;
            }
            b'\n' | b'\r' => {
                at += 1;
                (first, line) = (true, at);
                continue;
            }
            b'#' => {
                at += line_length(rest);
                continue;
            }
            b'/' if rest.starts_with(b"//") && divides(bytes, &tokens, line, rest) => {
                floor_divisions.push(start);
                at += 2;
                Kind::Op
            }
            b'/' if rest.starts_with(b"//") => {
                at += line_length(rest);
                foreign_comments.push(start..at);
                continue;
            }
            b'/' if rest.starts_with(b"/*") => {
                // An unclosed one ends with its line, so that the rest of the file is still read.
                let end = if unclosed { None } else { find(rest.get(2..).unwrap_or_default(), b"*/") };
                unclosed = end.is_none();
                at += end.map_or_else(|| line_length(rest), |p| p + 4);
                foreign_comments.push(start..at);
                continue;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                at += rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                Kind::Word
            }
            b'0'..=b'9' => {
                at += number_length(rest);
                Kind::Number
            }
            b'"' | b'\'' if multiline(rest).is_some() => {
                at += multiline(rest).unwrap_or(1);
                Kind::Unknown
            }
            b'"' => {
                let inside = rest.get(1..).unwrap_or_default();
                let length = inside.iter().take_while(|b| !matches!(b, b'"' | b'\n' | b'\r')).count();
                let closed = inside.get(length) == Some(&b'"');
                at += 1 + length + usize::from(closed);
                if closed { Kind::Str } else { Kind::OpenStr }
            }
            b'(' | b'[' | b'{' => {
                at += 1;
                Kind::Open
            }
            b')' | b']' | b'}' => {
                at += 1;
                Kind::Close
            }
            b';' => {
                at += 1;
                Kind::Semi
            }
            b',' => {
                at += 1;
                Kind::Comma
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'=' | b'<' | b'>' | b'!' | b'.' | b':' | b'&' | b'|' => {
                at += SIGNS.iter().find(|s| rest.starts_with(s.as_bytes())).map_or(1, |s| s.len());
                Kind::Op
            }
            _ => {
                at += text.get(at..).and_then(|t| t.chars().next()).map_or(1, char::len_utf8);
                Kind::Unknown
            }
        };
        if first {
            indent = u16::try_from(start - line).unwrap_or(u16::MAX);
        }
        tokens.push(Token { start: start as u32, end: at as u32, kind, first, indent });
        first = false;
    }
    let mut blanks: Vec<Range<usize>> = floor_divisions.iter().map(|at| at + 1..at + 2).collect();
    blanks.extend(foreign_comments.iter().cloned());
    blanks.sort_by_key(|r| r.start);
    Lexed { text: blank(text, &blanks), tokens, foreign_comments, floor_divisions }
}

/// How many tokens before and how many bytes behind `//` are looked at; more would take too long where a line has very many of them.
const NEAR: usize = 512;

/// Whether `//` stands behind an operand in a bracket that was opened on its line and that is closed behind it: a comment would hide the closing
/// bracket.
fn divides(bytes: &[u8], tokens: &[Token], line: usize, rest: &[u8]) -> bool {
    let operand = |t: &Token| matches!(t.kind, Kind::Word | Kind::Number | Kind::Close);
    let before = tokens.iter().rev().take(NEAR).take_while(|t| t.start as usize >= line);
    if !tokens.last().is_some_and(operand) {
        return false;
    }
    // From the nearest token on: what is closed there is not open here.
    let mut closed = 0_usize;
    let mut open = false;
    for t in before {
        match t.kind {
            Kind::Close => closed += 1,
            Kind::Open if closed > 0 => closed -= 1,
            Kind::Open => {
                open = matches!(bytes.get(t.start as usize), Some(b'(' | b'['));
                break;
            }
            _ => {}
        }
    }
    let mut depth = 0_usize;
    let mut ends = false;
    for b in rest.iter().skip(2).take(NEAR).take_while(|b| !matches!(b, b'\n' | b'\r')) {
        match b {
            b'(' | b'[' => depth += 1,
            b')' | b']' if depth > 0 => depth -= 1,
            b')' | b']' => {
                ends = true;
                break;
            }
            _ => {}
        }
    }
    open && ends
}

/// The text with some ranges overwritten by spaces; line breaks stay, so that lines do.
fn blank<'t>(text: &'t str, ranges: &[Range<usize>]) -> Cow<'t, str> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for range in ranges {
        out.push_str(text.get(done..range.start).unwrap_or(""));
        let gone = text.get(range.clone()).unwrap_or("");
        out.extend(gone.bytes().map(|b| if matches!(b, b'\n' | b'\r') { char::from(b) } else { ' ' }));
        done = range.end;
    }
    out.push_str(text.get(done..).unwrap_or(""));
    Cow::Owned(out)
}

/// The length of a string of Python over several lines, in three quotes, if one begins here.
fn multiline(rest: &[u8]) -> Option<usize> {
    let quotes = rest.get(..3).filter(|q| matches!(*q, b"\"\"\"" | b"'''"))?;
    Some(find(rest.get(3..)?, quotes)? + 6)
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().take_while(|b| !matches!(b, b'\n' | b'\r')).count()
}

fn find(rest: &[u8], what: &[u8]) -> Option<usize> {
    rest.windows(what.len()).position(|w| w == what)
}

/// `digits ( '.' digits )? ( [eE] [+-]? digits )?`, as the grammar reads it.
fn number_length(rest: &[u8]) -> usize {
    let digits = |from: usize| {
        let mut at = from;
        loop {
            match (rest.get(at), rest.get(at + 1)) {
                (Some(b'0'..=b'9'), _) => at += 1,
                (Some(b'_'), Some(b'0'..=b'9')) if at > from => at += 1,
                _ => return at,
            }
        }
    };
    let mut at = digits(0);
    if rest.get(at) == Some(&b'.') && digits(at + 1) > at + 1 {
        at = digits(at + 1);
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        if digits(at + 1 + sign) > at + 1 + sign {
            at = digits(at + 1 + sign);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let lexed = lex(text);
        (0..lexed.tokens.len()).map(|t| lexed.word(t).to_owned()).collect()
    }

    #[test]
    fn numbers_units_and_ranges_are_separate_tokens() {
        assert_eq!(words("0..50"), ["0", "..", "50"]);
        assert_eq!(words("1e-4/ms 1.5e3 2e 1_000"), ["1e-4", "/", "ms", "1.5e3", "2", "e", "1_000"]);
        assert_eq!(words("5ms^-2"), ["5", "ms", "^", "-", "2"]);
    }

    #[test]
    fn comments_of_other_languages_are_blanked_and_keep_their_length() {
        let text = "a = 1 // é\nb /* x\ny */ = 2";
        let lexed = lex(text);
        assert_eq!(lexed.text.len(), text.len());
        assert_eq!(lexed.text.matches('\n').count(), 2);
        assert_eq!(lexed.foreign_comments.len(), 2);
        assert_eq!(words(text), ["a", "=", "1", "b", "=", "2"]);
    }

    #[test]
    fn a_string_of_python_is_one_token() {
        let lexed = lex("a = '''\nb { = 1\n'''\nc ''' d");
        assert_eq!((lexed.word(2), lexed.kind(2)), ("'''\nb { = 1\n'''", Kind::Unknown));
        // One that nothing closes is three quotes.
        assert_eq!((lexed.word(3), lexed.word(4), lexed.word(7)), ("c", "'", "d"));
    }

    #[test]
    fn a_string_ends_with_its_line() {
        let lexed = lex("a \"x\nb");
        assert_eq!(lexed.kind(1), Kind::OpenStr);
        assert_eq!(lexed.word(2), "b");
    }
}
