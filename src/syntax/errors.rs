//! The words of the `E00xx` messages: what was found, what was expected, in words of the language. The table from grammar
//! rules to words is here; a rule's name never reaches a message.

use std::ops::Range;

use pest::error::{ErrorVariant, InputLocation};

use super::lex::{Kind, Lexed};
use super::parser::{MAX_DEPTH, Rule};
use super::split::{BracketFault, MAX_NESTING, MAX_OPERATORS};
use super::{foreign, idioms};
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// Where a piece stands: decides what may begin it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The top level of a file.
    File,
    /// The body of a `neuron`.
    Neuron,
    /// The body of a `synapse`.
    Synapse,
    /// The body of a protocol or an event block.
    Block,
    /// The body of `simulation`.
    Simulation,
}

impl Place {
    fn what_begins(self) -> &'static str {
        match self {
            Self::File => "a declaration",
            Self::Neuron => "a line of a neuron",
            Self::Synapse => "a line of a synapse",
            Self::Block => "a statement",
            Self::Simulation => "a setting",
        }
    }

    fn allowed(self) -> &'static [&'static str] {
        match self {
            Self::File => FILE_WORDS,
            Self::Neuron | Self::Synapse => MODEL_WORDS,
            Self::Block => STMT_WORDS,
            Self::Simulation => &["dt", "seed", "precision", "threads"],
        }
    }
}

pub(super) const FILE_WORDS: &[&str] = &[
    "neuron",
    "synapse",
    "population",
    "connect",
    "experiment",
    "procedure",
    "test",
    "param",
    "const",
    "let",
    "fn",
    "data",
    "record",
    "readout",
    "kernel",
    "import",
    "simulation",
    "for",
    "allow",
];
const MODEL_WORDS: &[&str] = &[
    "param",
    "state",
    "input",
    "weight",
    "learned",
    "let",
    "spike",
    "event",
    "on",
    "every",
    "refractory",
    "method",
    "inject",
    "allow",
];
const STMT_WORDS: &[&str] = &[
    "run", "let", "if", "for", "while", "repeat", "expect", "return", "break", "record", "minimize", "deliver",
    "inject", "allow",
];

/// Words that cannot be names.
pub(super) const RESERVED: &[&str] = &[
    "and",
    "or",
    "not",
    "if",
    "then",
    "else",
    "true",
    "false",
    "in",
    "on",
    "over",
    "for",
    "while",
    "repeat",
    "until",
    "run",
    "return",
    "let",
    "via",
    "where",
    "with",
    "by",
    "every",
    "to",
    "when",
    "crosses",
    "hold",
    "surrogate",
    "batch",
    "epochs",
    "param",
    "const",
    "state",
    "weight",
    "learned",
    "input",
    "event",
    "neuron",
    "synapse",
    "population",
    "connect",
    "experiment",
    "procedure",
    "deliver",
    "inject",
    "minimize",
    "expect",
    "record",
    "import",
    "fn",
    "refractory",
];

/// Whether a word is reserved, so that it can never be a name.
#[must_use]
pub fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// Where the pieces stand that a word begins; `None` for a word that begins none. Several places give the outermost.
pub(super) fn begins(word: &str) -> Option<Place> {
    [Place::File, Place::Neuron, Place::Block].into_iter().find(|p| p.allowed().contains(&word))
}

/// The diagnostic for a piece that does not match the grammar.
pub(super) fn explain(
    id: FileId,
    lexed: &Lexed<'_>,
    piece: &Range<usize>,
    place: Place,
    error: &pest::error::Error<Rule>,
) -> Diagnostic {
    let bytes = lexed.bytes(piece);
    let at = bytes.start
        + match error.location {
            InputLocation::Pos(p) => p,
            InputLocation::Span((p, _)) => p,
        };
    let fault = Fault::new(id, lexed, piece.clone(), at);
    let positives = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.as_slice(),
        // pest's own limits (its guard of the stack): deeper than what the splitter lets through.
        ErrorVariant::CustomError { .. } => return too_deep(fault.span),
    };
    let expected = expected(positives);
    if let Some(line) = foreign::line(&fault, place) {
        return line;
    }
    if let Some(idiom) = idioms::find(&fault, place, &expected) {
        return idiom;
    }
    if let Some(wrong) = fault.wrong_character().or_else(|| fault.glue()).or_else(|| fault.reserved_name(&expected)) {
        return wrong;
    }
    let second = fault.token == piece.start + 1 && fault.kind(-1) == Some(Kind::Word);
    // `Run 1 ms`: a misspelt word before its value.
    let misspelt = matches!(fault.kind(0), Some(Kind::Number | Kind::Str))
        && !place.allowed().contains(&fault.word(-1))
        && nearest(fault.word(-1), place.allowed()).is_some();
    let two_words = second && (fault.kind(0) == Some(Kind::Word) || misspelt);
    if (fault.token == piece.start || (two_words && !is_reserved(fault.word(0))))
        && let Some(wrong) = fault.beginning(two_words).wrong_beginning(place)
    {
        return wrong;
    }
    fault.unexpected(&expected, place)
}

/// A place where the grammar stopped, with what is around it.
pub(super) struct Fault<'l> {
    pub(super) id: FileId,
    pub(super) lexed: &'l Lexed<'l>,
    /// The tokens of the piece.
    pub(super) piece: Range<usize>,
    /// The first token that does not fit; `piece.end` for the end.
    pub(super) token: usize,
    /// Where to point.
    pub(super) span: Span,
    /// A line break stands where something else was expected.
    line_break: bool,
}

impl<'l> Fault<'l> {
    fn new(id: FileId, lexed: &'l Lexed<'l>, piece: Range<usize>, at: usize) -> Self {
        let token = lexed.token_at(at).clamp(piece.start, piece.end);
        let before =
            token.checked_sub(1).filter(|t| *t >= piece.start || piece.is_empty()).and_then(|t| lexed.tokens.get(t));
        let start = lexed.tokens.get(token).map_or(usize::MAX, |t| t.start as usize);
        let line_break = token < piece.end && at < start && lexed.text.get(at..start).is_some_and(|t| t.contains('\n'));
        let span = match (lexed.tokens.get(token), before) {
            // Behind the piece, too, the token on the same line is what was found: a `}` or `;`.
            (Some(t), _) if (token < piece.end && !line_break) || (token == piece.end && !t.first) => {
                Span::new(id, t.start as usize, t.end as usize)
            }
            // Nothing can be underlined at the end of a line but what stands before it.
            (_, Some(b)) => Span::new(id, b.end as usize, b.end as usize),
            _ => Span::new(id, at, at),
        };
        Self { id, lexed, piece, token, span, line_break }
    }

    /// The text of the token at an offset from the faulty one, inside the piece; empty outside.
    pub(super) fn word(&self, offset: isize) -> &'l str {
        self.at(offset).map_or("", |t| self.lexed.word(t))
    }

    /// The kind of the token at an offset from the faulty one.
    pub(super) fn kind(&self, offset: isize) -> Option<Kind> {
        self.at(offset).map(|t| self.lexed.kind(t))
    }

    /// Where the token at an offset from the faulty one stands.
    pub(super) fn span_at(&self, offset: isize) -> Span {
        let token = self.at(offset).and_then(|t| self.lexed.tokens.get(t));
        token.map_or(self.span, |t| Span::new(self.id, t.start as usize, t.end as usize))
    }

    fn at(&self, offset: isize) -> Option<usize> {
        self.token.checked_add_signed(offset).filter(|t| self.piece.contains(t))
    }

    /// The same piece, seen from its first token.
    pub(super) fn head(&self) -> Fault<'l> {
        let (token, piece) = (self.piece.start, self.piece.clone());
        Fault { id: self.id, lexed: self.lexed, piece, token, span: self.span, line_break: false }
    }

    /// The last token of the piece.
    pub(super) fn last(&self) -> &'l str {
        self.word(self.to_last())
    }

    /// Where the last token of the piece stands.
    pub(super) fn last_span(&self) -> Span {
        self.span_at(self.to_last())
    }

    fn to_last(&self) -> isize {
        self.piece.end as isize - 1 - self.token as isize
    }

    /// Whether the piece has no line break.
    pub(super) fn on_one_line(&self) -> bool {
        !self.lexed.text.get(self.lexed.bytes(&self.piece)).is_some_and(|t| t.contains('\n'))
    }

    /// Whether the innermost open bracket of the piece is a `[`.
    pub(super) fn inside_index(&self) -> bool {
        let mut depth = 0_i32;
        for t in (self.piece.start..self.token).rev() {
            match (self.lexed.kind(t), self.lexed.word(t)) {
                (Kind::Open, word) if depth == 0 => return word == "[",
                (Kind::Open, _) => depth -= 1,
                (Kind::Close, _) => depth += 1,
                _ => {}
            }
        }
        false
    }

    /// Whether the piece contains a word.
    pub(super) fn contains(&self, word: &str) -> bool {
        self.piece.clone().any(|t| self.lexed.word(t) == word)
    }

    /// Whether the token at an offset touches the one after it.
    pub(super) fn touches_next(&self, offset: isize) -> bool {
        self.span_at(offset).end == self.span_at(offset + 1).start
    }

    /// The words of the token found.
    pub(super) fn found(&self) -> String {
        if self.line_break {
            return "a line break".into();
        }
        if self.token >= self.lexed.tokens.len() {
            return "the end of the file".into();
        }
        if self.token >= self.piece.end && self.lexed.tokens.get(self.token).is_some_and(|t| t.first) {
            return "the end of the line".into();
        }
        let word = self.lexed.word(self.token);
        match self.lexed.kind(self.token) {
            Kind::Str => "a string".into(),
            _ if word.chars().count() > 40 => format!("`{}…`", word.chars().take(40).collect::<String>()),
            _ => format!("`{word}`"),
        }
    }

    /// A character that no token begins with, or a string without its end.
    fn wrong_character(&self) -> Option<Diagnostic> {
        match self.kind(0)? {
            Kind::OpenStr => Some(open_string(self.span)),
            Kind::Unknown => {
                let c = self.word(0).chars().next()?;
                Some(if c.is_control() {
                    Diagnostic::new(
                        Code::E0005,
                        self.span,
                        format!("a control character (U+{:04X}) stands here", c as u32),
                    )
                    .help("delete it")
                    .fix(self.span, "")
                } else {
                    Diagnostic::new(Code::E0001, self.span, format!("`{c}` (U+{:04X}) has no meaning here", c as u32))
                        .label("not a character of the language")
                        .note("names consist of the letters A to Z and a to z, digits and underscores")
                })
            }
            _ => None,
        }
    }

    /// `10m s`, `.5`, `1.`.
    fn glue(&self) -> Option<Diagnostic> {
        let word = self.word(0);
        let number = |offset| self.kind(offset) == Some(Kind::Number);
        if self.kind(0) == Some(Kind::Word) && self.kind(-1) == Some(Kind::Word) && number(-2) && !is_reserved(word) {
            if self.word(1) == "=" {
                let before = self.span_at(-1).end;
                let span = Span { start: before, end: before, ..self.span };
                let message = format!("expected `,` before `{word}`");
                return Some(
                    Diagnostic::new(Code::E0001, span, message).help("separate the two with a comma").fix(span, ","),
                );
            }
            if self.word(-1) == "per" {
                let (number, per) = (self.word(-2), self.span_at(-1));
                return Some(
                    Diagnostic::new(Code::E0003, per, "`per` is written `/`")
                        .help(format!("write `{number}/{word}`"))
                        .fix(per, "/"),
                );
            }
            let clauses: &[&str] = match self.head().word(0) {
                "refractory" => &["hold"],
                "connect" => &["via", "where", "with", "through"],
                "record" => &["every", "to"],
                _ => &[],
            };
            if is_known_unit(self.word(-1))
                && let Some(near) = clauses.iter().find(|c| word.starts_with(*c) || nearest(word, &[**c]).is_some())
            {
                let message = format!("expected `{near}`, found `{word}`");
                return Some(
                    Diagnostic::new(Code::E0001, self.span, message)
                        .help(format!("did you mean `{near}`?"))
                        .fix(self.span, *near),
                );
            }
            let (unit, span) = (self.word(-1), self.span_at(-2).to(self.span));
            let joined = format!("{unit}{word}");
            let message = format!("`{} {unit} {word}` is a quantity and one word too many", self.word(-2));
            let fault = Diagnostic::new(Code::E0004, span, message).label("one number has one unit");
            return Some(if is_known_unit(&joined) {
                fault
                    .help(format!("write the unit as one word: `{} {joined}`", self.word(-2)))
                    .fix(span, format!("{} {joined}", self.word(-2)))
            } else {
                fault.help(format!(
                    "join units with a sign: `{} {unit}*{word}` or `{} {unit}/{word}`",
                    self.word(-2),
                    self.word(-2)
                ))
            });
        }
        if word == "." && number(1) && self.touches_next(0) {
            let span = self.span.to(self.span_at(1));
            let full = format!("0.{}", self.word(1));
            return Some(
                Diagnostic::new(Code::E0004, span, "a number does not begin with a point")
                    .help(format!("write `{full}`"))
                    .fix(span, full),
            );
        }
        if (word == "." && number(-1)) || (self.word(-1) == "." && number(-2)) {
            let dot = if word == "." { self.span } else { self.span_at(-1) };
            return Some(
                Diagnostic::new(Code::E0004, dot, "a number does not end with a point")
                    .help("write a digit after the point, as in `1.0`, or leave the point out"),
            );
        }
        if number(0) && self.word(-1) == "," && number(-2) && self.touches_next(-2) && self.touches_next(-1) {
            let (whole, part, span) = (self.word(-2), word, self.span_at(-2).to(self.span));
            return Some(
                Diagnostic::new(Code::E0004, span, "a decimal fraction is written with a point")
                    .help(format!("write `{whole}.{part}`"))
                    .fix(span, format!("{whole}.{part}")),
            );
        }
        if number(0) && number(-1) {
            let message = format!("two numbers stand side by side: `{}` and `{word}`", self.word(-1));
            return Some(
                Diagnostic::new(Code::E0004, self.span_at(-1).to(self.span), message)
                    .help("write one number without spaces inside, or an operator between the two"),
            );
        }
        None
    }

    /// A reserved word where a name is expected.
    fn reserved_name(&self, expected: &[String]) -> Option<Diagnostic> {
        let word = self.word(0);
        let name_wanted = expected.iter().any(|e| e == "a name") && !expected.iter().any(|e| e == "a value");
        // A word that goes on with a line rather shows that the name is missing.
        let clause = super::split::begins_no_line(word);
        let meant = !clause || matches!(self.word(1), "=" | ":" | "+=" | "-=" | "[" | "(" | ",");
        let named = name_wanted && meant && !self.line_break && is_reserved(word) && self.token > self.piece.start;
        // `for = 3`, `state = 3`: the word begins the piece and is meant as a name.
        let assigned = matches!(word, "=" | "+=" | "-=" | "*=" | "/=") && self.token == self.piece.start + 1;
        // `static(weight = 1 mV)`: an argument can have no such name.
        if self.word(1) == "="
            && is_reserved(word)
            && matches!(self.word(-1), "(" | ",")
            && self.token > self.piece.start + 1
        {
            return Some(
                Diagnostic::new(
                    Code::E0001,
                    self.span,
                    format!("no argument is called `{word}`: it is a word of the language"),
                )
                .help("`snnc explain NAME` shows the arguments of a model; the weight of `static` is `w`"),
            );
        }
        let (word, span) = match () {
            () if named => (word, self.span),
            () if assigned && is_reserved(self.word(-1)) => (self.word(-1), self.span_at(-1)),
            () => return None,
        };
        Some(
            Diagnostic::new(Code::E0001, span, format!("`{word}` {NO_NAME}"))
                .label("choose another name")
                .help(format!("for example `{word}_1` or `{word}s`")),
        )
    }

    /// `weight w in [0, 1] = 0.5`
    fn value_behind_bounds(&self) -> bool {
        let declares = matches!(self.head().word(0), "weight" | "state" | "learned" | "param" | "input");
        declares && self.word(0) == "=" && self.word(-1) == "]"
    }

    /// The same piece with the fault at its first token.
    fn beginning(&self, one_before: bool) -> Fault<'l> {
        let (token, span) = if one_before { (self.piece.start, self.span_at(-1)) } else { (self.token, self.span) };
        Fault { id: self.id, lexed: self.lexed, piece: self.piece.clone(), token, span, line_break: self.line_break }
    }

    /// The first token of a piece cannot begin it.
    fn wrong_beginning(&self, place: Place) -> Option<Diagnostic> {
        let word = self.word(0);
        let kind = self.kind(0)?;
        let allowed = place.allowed();
        if kind != Kind::Word {
            let message = format!("{} cannot begin with {}", place.what_begins(), self.found());
            return Some(Diagnostic::new(Code::E0001, self.span, message).help(self.begin_help(place)));
        }
        if allowed.contains(&word) || (place == Place::Simulation && self.kind(1).is_none()) {
            return None;
        }
        let message = format!("`{word}` does not begin {}", place.what_begins());
        let fault = Diagnostic::new(Code::E0001, self.span, message);
        let elsewhere = match (begins(word), place) {
            (_, Place::Block) if word == "param" => Some("outside of blocks: in a `neuron`, a `synapse`, or by itself"),
            (Some(Place::File), _) => Some("at the top level of the file, outside all braces"),
            (Some(Place::Neuron), _) => Some("inside a `neuron` or `synapse`"),
            (_, Place::Neuron) if word == "deliver" => Some("inside a synapse's `on pre { … }`"),
            (_, Place::Synapse) if word == "deliver" => {
                return Some(
                    fault
                        .label("something is delivered when a spike comes")
                        .help("write `on pre { deliver w }`; what acts at every step is `inject`"),
                );
            }
            (Some(Place::Block), Place::File) => Some("inside an `experiment`, a `procedure` or a `test`"),
            (Some(Place::Block), _) => Some("inside a block such as `on spike { … }` or an `experiment`"),
            _ => None,
        };
        if let Some(elsewhere) = elsewhere {
            return Some(fault.label(format!("`{word}` belongs {elsewhere}")));
        }
        let used = matches!(self.word(1), "." | "(" | "[");
        if let Some(near) = nearest(word, allowed).filter(|_| !used) {
            return Some(fault.help(format!("did you mean `{near}`?")).fix(self.span, near));
        }
        if place == Place::File && (used || matches!(self.word(1), "=" | "+=" | "-=" | "*=" | "/=")) {
            let d = fault.label("statements belong inside an `experiment`, a `procedure` or a `test`");
            return Some(if self.word(1) == "=" {
                d.help(format!(
                    "for a constant write `const {word} = …`; `param {word} = …` can be changed from the command line"
                ))
            } else {
                d.help("write it inside `experiment main { … }`, or leave it out if only another program needs it")
            });
        }
        Some(fault.help(self.begin_help(place)))
    }

    fn begin_help(&self, place: Place) -> String {
        let words: Vec<_> = place.allowed().iter().map(|w| format!("`{w}`")).collect();
        let also = match place {
            Place::Neuron | Place::Synapse => ", or an equation such as `dv/dt = …`",
            Place::Block => ", an assignment, or a call",
            _ => "",
        };
        format!("{} begins with one of {}{also}", place.what_begins(), words.join(", "))
    }

    /// Whether two values stand side by side in a formula.
    fn side_by_side(&self, expected: &[String]) -> bool {
        let value = |offset| matches!(self.kind(offset), Some(Kind::Word | Kind::Number));
        let before = value(-1) && !is_reserved(self.word(-1)) || self.word(-1) == ")";
        before
            && value(0)
            && !is_reserved(self.word(0))
            && expected.iter().any(|e| e == "an operator")
            && (self.piece.start..self.token).any(|t| self.lexed.word(t) == "=")
            && self.word(1) != "="
    }

    /// A unit behind something else than a number.
    fn unit_behind_a_value(&self) -> Option<String> {
        let before = self.word(-1);
        let value = matches!(before, ")" | "]") || (self.kind(-1) == Some(Kind::Word) && !is_reserved(before));
        (value && self.kind(0) == Some(Kind::Word) && is_known_unit(self.word(0)) && self.word(1) != "=").then(|| {
            format!(
                "a unit stands right behind a number; to give one to something else, multiply: `… * 1 {}`",
                self.word(0)
            )
        })
    }

    /// What to write instead of a clause that a statement or declaration does not have.
    fn clause(&self, expected: &[String], place: Place) -> Option<&'static str> {
        let wants = |what: &str| expected.iter().any(|e| e == what);
        let model = matches!(place, Place::Neuron | Place::Synapse);
        match (self.head().word(0), self.word(0)) {
            ("connect", "when" | "if") => Some("which pairs are connected is said by `where i != j`"),
            ("connect", "delay" | "weight" | "," | "w") if self.word(-1) == ")" => {
                Some("what belongs to the synapses stands in their parentheses: `static(w = 1 mV, delay = 1 ms)`")
            }
            ("minimize", _) => Some("its form is `minimize mean(E.v over time) over W.w by adam(lr = 1e-3)`"),
            _ if wants("`until`") => {
                Some("a loop says when it ends: `repeat { … } until x > 1`, or `for k in 0..10 { … }`")
            }
            ("if" | "while", _) if place == Place::Block && wants("`{`") => {
                Some("what is done stands in braces: `if x > 1 { … }`")
            }
            _ if wants("`else`") && self.contains("then") => {
                Some("a value is needed in either case: `if c then a else b`")
            }
            _ if model && self.word(-1) == "dt" && self.word(-2) == "/" && self.word(-3).starts_with('d') => {
                Some("the derivative stands alone on the left: `tau * dv/dt = …`")
            }
            _ => None,
        }
    }

    /// The general case.
    fn unexpected(&self, expected: &[String], place: Place) -> Diagnostic {
        let in_model = matches!(place, Place::Neuron | Place::Synapse);
        if in_model && self.token == self.piece.start + 1 && matches!(self.word(0), "=" | "+=" | "-=" | "*=" | "/=") {
            let name = self.word(-1);
            let message = format!("`{name}` is assigned outside a block");
            return Diagnostic::new(Code::E0001, self.span_at(-1), message).help(format!(
                "an equation is `d{name}/dt = …`, a named formula `let {name} = …`, an initial value `state {name} = …`; \
                 what happens at a spike stands in `on spike {{ … }}`"
            ));
        }
        let after = match self.at(-1) {
            Some(t) if self.lexed.kind(t) == Kind::Str => " after the string".to_owned(),
            Some(t) if self.lexed.word(t).chars().count() <= 24 => format!(" after `{}`", self.lexed.word(t)),
            _ => String::new(),
        };
        // Shown are a few; a value, a name or a sign tells more than "an operator".
        let shown: Vec<&str> = expected.iter().take(5).map(String::as_str).collect();
        let list = match shown.as_slice() {
            [] => String::new(),
            [one] => (*one).to_owned(),
            [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
        };
        let message = if list.is_empty() {
            format!("{} does not fit here", self.found())
        } else {
            format!("expected {list}{after}, found {}", self.found())
        };
        let mut fault = Diagnostic::new(Code::E0001, self.span, message);
        if self.line_break {
            fault = fault.label("the line ends here").help("write it on one line");
        } else if self.kind(0) == Some(Kind::Close) {
            fault = fault.label("closes here");
        } else if self.word(-1) == "}" && matches!(expected, [end] if end == "the end of the line") {
            let before = Span { end: self.span.start, ..self.span };
            fault = fault.help("begin a new line here, or separate the two with `;`").fix(before, "; ");
        } else if self.value_behind_bounds() {
            fault = fault.help("the value comes first: `weight w = 0.5 in [0, 1]`");
        } else if let Some(help) = self.unit_behind_a_value() {
            fault = fault.help(help);
        } else if let Some(help) = self.clause(expected, place) {
            fault = fault.help(help);
        } else if self.side_by_side(expected) {
            fault = fault.help("to multiply, write `*` between the two");
        } else if let Some(form) = form(self.head().word(0), place).filter(|_| self.token <= self.piece.start + 8) {
            fault = fault.help(format!("its form is `{form}`"));
        }
        fault
    }
}

/// What is said of a word of the language that is meant as a name.
const NO_NAME: &str = "is a word of the language and cannot be a name";

/// What is said where a colon stands for the brace that begins a block.
pub(super) const COLON_BLOCK: &str = "a block stands in braces, not after `:`";

/// A word of the language that is taken as a name is told where it is first: where the name is used it is no other fault.
pub(super) fn once_by_name(text: &str, faults: &mut Vec<Diagnostic>) {
    let mut told: Vec<&str> = Vec::new();
    faults.retain(|d| {
        let word = d.primary.as_ref().and_then(|l| text.get(l.span.start as usize..l.span.end as usize));
        let Some(word) = word.filter(|_| d.code == Code::E0001) else { return true };
        if told.contains(&word) {
            return false;
        }
        if d.message.ends_with(NO_NAME) {
            told.push(word);
        }
        true
    });
}

/// What a declaration or statement looks like that begins with a word.
fn form(word: &str, place: Place) -> Option<&'static str> {
    Some(match (word, place) {
        ("population", Place::File) => "population E[100]: lif()",
        ("connect", Place::File) => "connect A -> B.g_e via random(p = 0.1) with static(w = 1 nS)",
        ("fn", Place::File) => "fn f(x, y) = x*y",
        ("kernel", Place::File) => "kernel K(s) = exp(-s/5 ms) over 50 ms",
        ("readout", Place::File) => "readout r: max_rate(classes = 10)",
        ("data", Place::File) => "data d = mnist()",
        ("import", Place::File) => "import \"cells.snn\" as cells",
        ("experiment", Place::File) => "experiment main { run 1 s }",
        ("procedure", Place::File) => "procedure show(x) { … }",
        ("test", Place::File) => "test \"it rests\" { run 1 s; expect … }",
        ("simulation", Place::File) => "simulation { dt = 0.1 ms; seed = 1 }",
        ("spike", Place::Neuron) => "spike when v > -50 mV",
        ("refractory", Place::Neuron) => "refractory 5 ms hold v",
        ("method", Place::Neuron | Place::Synapse) => "method exp_euler",
        ("event", Place::Neuron | Place::Synapse) => "event e when v > -60 mV",
        ("on", Place::Neuron) => "on spike { v = -65 mV }",
        ("on", Place::Synapse) => "on pre { deliver w }",
        ("every", Place::Neuron | Place::Synapse) => "every 1 ms { … }",
        ("run", Place::Block) => "run 100 ms",
        ("for", Place::Block) => "for k in 0..10 { … }",
        ("repeat", Place::Block) => "repeat { … } until x > 1",
        ("let", Place::Block | Place::Neuron | Place::Synapse) => "let x = …",
        ("record", Place::File | Place::Block) => "record E.spikes, E.v every 1 ms to \"run.npz\"",
        ("allow", _) => "allow W0701 \"why\"",
        _ => return None,
    })
}

/// A unit that contains digits, such as `ms2`.
pub(super) fn glued_unit(name: &str, span: Span) -> Option<Diagnostic> {
    let digit = name.find(|c: char| c.is_ascii_digit())?;
    let (letters, digits) = name.split_at_checked(digit)?;
    let fault = Diagnostic::new(Code::E0004, span, format!("`{name}` is not a unit: units contain no digits"));
    Some(if digits.bytes().all(|b| b.is_ascii_digit()) && !letters.is_empty() && letters != "e" {
        let power = format!("{letters}^{digits}");
        fault.label("a power is written with `^`").help(format!("write `{power}`")).fix(span, power)
    } else {
        fault
            .label("read as the unit of the number before it")
            .help("write an operator between the number and the name")
    })
}

/// A fault of brackets or nesting.
pub(super) fn bracket(id: FileId, lexed: &Lexed<'_>, fault: &BracketFault) -> Diagnostic {
    let span = |token: usize| {
        lexed.tokens.get(token).map_or(Span::new(id, lexed.text.len(), lexed.text.len()), |t| {
            Span::new(id, t.start as usize, t.end as usize)
        })
    };
    match *fault {
        BracketFault::Unclosed { open, noticed, suspect } => {
            let word = lexed.word(open);
            let closing = match word {
                "(" => ")",
                "[" => "]",
                _ => "}",
            };
            // A string without its end swallowed the bracket.
            let string = (open + 1..noticed).take(200).find(|t| lexed.kind(*t) == Kind::OpenStr);
            if let Some(string) = string.filter(|_| word != "{") {
                return open_string(span(string));
            }
            let mut out = Diagnostic::new(Code::E0002, span(open), format!("this `{word}` is never closed"))
                .label(format!("no `{closing}` for this one"))
                .also(
                    span(noticed),
                    if noticed >= lexed.tokens.len() {
                        "noticed here, at the end of the file".to_owned()
                    } else {
                        format!("noticed here, at `{}`", lexed.word(noticed))
                    },
                );
            if let Some((inner, close)) = suspect {
                out = out
                    .also(span(inner), "this brace …")
                    .also(span(close), "… is closed by this one, which is indented differently")
                    .help(format!("is a `{closing}` missing before the last brace shown?"));
            } else {
                out = out.help(format!("add the missing `{closing}`"));
            }
            out
        }
        BracketFault::Stray { close, inside } => {
            let word = lexed.word(close);
            let out = Diagnostic::new(Code::E0002, span(close), format!("this `{word}` closes nothing"))
                .label("no bracket is open for it");
            let out = match inside {
                Some(open) => out.also(span(open), "this one is open here"),
                None => out,
            };
            out.help("delete it, or add the opening bracket")
        }
        BracketFault::TooDeep(at) => too_deep(span(at)),
        BracketFault::TooLong(at) => {
            let message = format!("an expression has more than {MAX_OPERATORS} operators");
            Diagnostic::new(Code::E0006, span(at), message)
                .label("this one is too many")
                .help("name parts of it with `let`, or keep the values in a list or an .npz file and sum them")
        }
    }
}

fn open_string(span: Span) -> Diagnostic {
    Diagnostic::new(Code::E0001, span, "this string is not closed on its line")
        .label("begins here")
        .help("end it with `\"`")
}

fn too_deep(span: Span) -> Diagnostic {
    let message = format!("more than {MAX_NESTING} brackets, `if`s or powers stand within each other");
    Diagnostic::new(Code::E0006, span, message)
        .label("this one is too deep")
        .help("name inner parts with `let`, or move inner blocks into a `procedure`")
}

/// An expression that is deeper than [`MAX_DEPTH`].
pub(super) fn too_deep_expression(span: Span) -> Diagnostic {
    let message = format!("this expression is more than {MAX_DEPTH} operators deep");
    Diagnostic::new(Code::E0006, span, message).help("name parts of it with `let`, or group its terms with parentheses")
}

/// A piece that matched the grammar and gave no tree.
pub(super) fn bug(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::E0900,
        span,
        "a bug in snnc: this text matches the grammar but gave no syntax tree, please report it",
    )
}

/// What was expected, in words: values and names first, then signs and keywords, then the end of the line and operators.
fn expected(rules: &[Rule]) -> Vec<String> {
    let mut words: Vec<(u8, String)> = Vec::new();
    let value = rules.iter().any(|r| word(*r).is_some_and(|(_, w)| w == "a value"));
    for rule in rules {
        let Some((rank, text)) = word(*rule) else { continue };
        // A name is a value too.
        if value && text == "a name" {
            continue;
        }
        if !words.iter().any(|(_, w)| w == text) {
            words.push((rank, text.to_owned()));
        }
    }
    words.sort();
    // A bracket may open after nearly anything; it is worth saying only where little else fits.
    if words.len() > 2 {
        words.retain(|(_, w)| w != "`(`");
    }
    words.into_iter().map(|(_, w)| w).collect()
}

/// The words of a rule and their rank in a list; `None` for what goes without saying.
fn word(rule: Rule) -> Option<(u8, &'static str)> {
    use Rule::*;
    Some(match rule {
        expr | expr_nobound | range_expr | sum_expr | open_range | negation | negation_nobound | negated | cond
        | cond_nobound | quantity | number | string_text | bool_true | bool_false | list | paren | name | neg | pos
        | not_op | arg | coef => (0, "a value"),
        ident | path | model_ref | binding | fparam | source_call | arg_name | arg_to | connect_name | assign
        | call => (1, "a name"),
        string | import => (1, "a string"),
        code => (1, "the code of a warning"),
        type_expr | type_one | type_int | type_bool | unit | unit_name => (1, "a unit"),
        eq => (2, "`=`"),
        assign_op => (2, "an assignment such as `=` or `+=`"),
        arrow => (2, "`->`"),
        colon => (2, "`:`"),
        block | lbrace => (2, "`{`"),
        rbrace => (3, "`}`"),
        lparen => (2, "`(`"),
        rparen => (2, "`)`"),
        rbracket => (2, "`]`"),
        comma => (3, "`,`"),
        deriv => (2, "a derivative such as `dv/dt`"),
        bounds => (4, "`in`"),
        kw_in | in_op => (4, "`in`"),
        kw_as => (4, "`as`"),
        kw_batch | for_batch => (5, "`batch`"),
        kw_epochs | for_epochs => (5, "`epochs`"),
        kw_by => (4, "`by`"),
        kw_crosses => (5, "`crosses`"),
        kw_else | else_part => (4, "`else`"),
        kw_every | record_every => (5, "`every`"),
        kw_hold | hold => (5, "`hold`"),
        kw_over | arg_over => (5, "`over`"),
        kw_rate => (2, "`rate`"),
        kw_surrogate | surrogate => (5, "`surrogate`"),
        kw_then => (2, "`then`"),
        kw_through | through => (6, "`through`"),
        kw_to | record_to => (5, "`to`"),
        kw_until | until => (2, "`until`"),
        kw_via | via => (5, "`via`"),
        kw_when => (2, "`when`"),
        kw_where | filter => (6, "`where`"),
        kw_with | with => (5, "`with`"),
        sep | EOI => (7, "the end of the line"),
        sum_op | star | slash | caret | cmp_op | and_op | or_op | dots | range_tail | power_tail | coef_tail
        | sum_tail | cmp_tail | cmp_nobound_tail | and_tail | and_nobound_tail | or_tail | or_nobound_tail => {
            (8, "an operator")
        }
        _ => return None,
    })
}

/// The word of a list that differs in at most two letters.
pub(super) fn nearest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    let limit = if word.len() < 4 { 1 } else { 2 };
    words.iter().map(|w| (distance(word, w), *w)).filter(|(d, _)| *d <= limit).min().map(|(_, w)| w)
}

/// Letters to insert, delete, replace or swap with a neighbour; large for words of very different length.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(32).collect(), b.chars().take(32).collect());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let get = |r: usize, c: usize| rows.get(r).and_then(|row| row.get(c)).copied().unwrap_or(usize::MAX / 2);
            let left = row.last().copied().unwrap_or(usize::MAX / 2);
            let mut best = (get(i, j) + usize::from(ca != cb)).min(get(i, j + 1) + 1).min(left + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca) {
                best = best.min(get(i - 1, j - 1) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|r| r.last()).copied().unwrap_or(usize::MAX)
}

/// Units that people split by accident; only for the wording of a help.
fn is_known_unit(word: &str) -> bool {
    let prefixes = ["", "f", "p", "n", "u", "m", "k", "M", "G"];
    let bases = ["s", "Hz", "V", "A", "S", "F", "Ohm", "m", "mol", "M"];
    prefixes.iter().any(|p| word.strip_prefix(p).is_some_and(|rest| bases.contains(&rest)))
}
