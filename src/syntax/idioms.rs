//! `E0003`: idioms of other languages (Python, C, MATLAB, NMODL, Brian2, Modelica), each with the form this language has
//! for it. An idiom is recognised only where the grammar already stopped, so none can reject a valid program.

use std::ops::Range;

use super::errors::{COLON_BLOCK, Fault, Place};
use super::lex::Kind;
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// The diagnostics for the comments of other languages, which were blanked before parsing; at most [`super::MAX_FAULTS`].
pub(super) fn foreign_comments(id: FileId, text: &str, comments: &[Range<usize>]) -> Vec<Diagnostic> {
    let one = |range: &Range<usize>| {
        let span = Span::new(id, range.start, range.end);
        let written = text.get(range.clone()).unwrap_or("");
        let fault = |what: &str| Diagnostic::new(Code::E0003, span, format!("`{what}` does not begin a comment"));
        match written.strip_prefix("//") {
            Some(rest) => {
                let two = Span::new(id, range.start, range.start + 2);
                let mut out = fault("//").help("write `#`").fix(two, "#");
                if rest.trim().is_empty() || rest.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
                    out = out.note("division of integers is `floor(a / b)`");
                }
                out
            }
            None => {
                let inside = written.strip_prefix("/*").unwrap_or(written);
                let inside = inside.strip_suffix("*/").unwrap_or(inside);
                let lines: Vec<String> = inside.lines().map(|l| format!("# {}", l.trim())).collect();
                let after = text.get(range.end..).unwrap_or("").lines().next().unwrap_or("");
                let out = fault("/*").help("write `#` before every line of the comment");
                // A comment reaches to the end of its line, so one that code follows cannot simply be replaced.
                if after.trim().is_empty() { out.fix(span, lines.join("\n")) } else { out }
            }
        }
    };
    comments.iter().take(super::MAX_FAULTS).map(one).collect()
}

/// The diagnostics for Python's `//`, which was read as `/`; at most [`super::MAX_FAULTS`].
pub(super) fn floor_divisions(id: FileId, places: &[usize]) -> Vec<Diagnostic> {
    let one = |at: &usize| {
        idiom(Span::new(id, *at, at + 2), "`//` is not an operator here")
            .label("the next whole number below a quotient has a name")
            .help("write `floor(a / b)`")
    };
    places.iter().take(super::MAX_FAULTS).map(one).collect()
}

/// The idiom at a place where the grammar stopped.
pub(super) fn find(fault: &Fault<'_>, place: Place, expected: &[String]) -> Option<Diagnostic> {
    python_head(fault)
        .or_else(|| statement(fault, place))
        .or_else(|| operator(fault, place, expected))
        .or_else(|| unit_of_a_binding(fault, place))
        .or_else(|| subscript(fault))
        .or_else(|| derivative(fault, place))
        .or_else(|| formatted(fault))
        .or_else(|| character(fault))
}

fn idiom(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::E0003, span, message)
}

/// A sign replaced by another one.
fn replaced(span: Span, wrong: &str, right: &str, meaning: &str) -> Diagnostic {
    idiom(span, format!("{meaning} is written `{right}`, not `{wrong}`"))
        .help(format!("write `{right}`"))
        .fix(span, right)
}

fn operator(f: &Fault<'_>, place: Place, expected: &[String]) -> Option<Diagnostic> {
    let wants = |what: &str| expected.iter().any(|e| e == what);
    let pair = |a: &str, b: &str| f.word(0) == a && f.word(1) == b && f.touches_next(0);
    match f.word(0) {
        "**" => Some(replaced(f.span, "**", "^", "a power")),
        "&&" => Some(word_operator(f.span, f, "&&", "and")),
        "||" => Some(word_operator(f.span, f, "||", "or")),
        "&" => Some(word_operator(f.span, f, "&", "and")),
        "|" => Some(word_operator(f.span, f, "|", "or")),
        ":=" => Some(replaced(f.span, ":=", "=", "an assignment")),
        "!" => Some(idiom(f.span, "negation is written `not`, not `!`").help("write `not`").fix(f.span, "not ")),
        ":" if f.inside_index() => Some(replaced(f.span, ":", "..", "a range of indices")),
        "=" if f.word(-1) == "==" || f.word(-1) == "!=" => {
            let span = f.span_at(-1).to(f.span);
            let two = f.word(-1).to_owned();
            Some(replaced(span, &format!("{two}="), &two, "a comparison"))
        }
        "=" if pair("=", ">") && f.head().word(0) == "connect" => {
            Some(replaced(f.span.to(f.span_at(1)), "=>", "->", "the way from a source to its target"))
        }
        "->" if place == Place::Block && wants("an assignment such as `=` or `+=`") => {
            Some(replaced(f.span, "->", "=", "an assignment"))
        }
        ":" if place == Place::Simulation && f.token == f.piece.start + 1 => {
            let before = Span { start: f.span_at(-1).end, ..f.span };
            Some(idiom(f.span, "a setting is given with `=`, not `:`").help("write `=`").fix(before, " ="))
        }
        "not" if f.word(1) == "in" => {
            Some(idiom(f.span.to(f.span_at(1)), "there is no `not in`").help("write `not (i in 0 .. 9)`"))
        }
        "elseif" | "elsif" | "elif" => Some(replaced(f.span, f.word(0), "else if", "a second condition")),
        "for" if f.inside_index() => {
            Some(idiom(f.span, "a list is not built by a `for` inside of it").label("Python's form").help(
                "a value of each neuron is an expression of its index, `tau = 10 ms + 1 ms*i`, or a distribution",
            ))
        }
        "if" if wants("an operator") && f.contains("else") && !f.contains("then") => Some(
            idiom(f.span, "a choice begins with its condition: `if c then a else b`")
                .label("Python's form")
                .help("write `(if c then a else b)`"),
        ),
        "if" if wants("a value") && matches!(f.word(-1), "+" | "-" | "*" | "/" | "^") => Some(
            Diagnostic::new(Code::E0001, f.span, "a choice that is part of a formula stands in parentheses")
                .help("write `(if c then a else b)`"),
        ),
        "=" if pair("=", ">") => Some(replaced(f.span.to(f.span_at(1)), "=>", ">=", "greater or equal")),
        "=" if pair("=", "<") => Some(replaced(f.span.to(f.span_at(1)), "=<", "<=", "less or equal")),
        "==" if wants("`=`") || wants("an assignment such as `=` or `+=`") => {
            Some(idiom(f.span, "`==` compares; a value is set with `=`").help("write `=`").fix(f.span, "="))
        }
        "=" if place != Place::Simulation && in_condition(f) => {
            Some(idiom(f.span, "`=` sets a value; a comparison is written `==`").help("write `==`").fix(f.span, "=="))
        }
        "+" | "-" if pair("+", "+") || pair("-", "-") || (f.word(-1) == f.word(0) && f.kind(1).is_none()) => step(f),
        _ if f.kind(0).is_none() && f.word(-1) == f.word(-2) && matches!(f.word(-1), "+" | "-") => step(f),
        ">" if f.word(-1) == "<" => Some(replaced(f.span_at(-1).to(f.span), "<>", "!=", "inequality")),
        "<" if pair("<", "-") && place != Place::File => {
            Some(replaced(f.span.to(f.span_at(1)), "<-", "=", "an assignment"))
        }
        "%" | "]" | ")" | "," | "}" | "" if f.word(-1) == "%" => Some(
            idiom(f.span_at(-1), "`%` is the remainder of a division; there is no percent sign")
                .help("write 5 % as `0.05`"),
        ),
        ":" if matches!(place, Place::Neuron | Place::Synapse)
            && !f.word(1).is_empty()
            && f.piece.start + 2 < f.token =>
        {
            Some(
                idiom(f.span, "an equation does not declare a unit")
                    .help("the unit comes from the state: `state v = 0 mV`"),
            )
        }
        _ => None,
    }
}

fn word_operator(span: Span, f: &Fault<'_>, wrong: &str, right: &str) -> Diagnostic {
    let (before, after) = (f.span_at(-1).end == span.start, f.span_at(1).start == span.end);
    let text = format!("{}{right}{}", if before { " " } else { "" }, if after { " " } else { "" });
    idiom(span, format!("`{wrong}` is written `{right}`")).help(format!("write `{right}`")).fix(span, text)
}

/// `i++`.
fn step(f: &Fault<'_>) -> Option<Diagnostic> {
    let second = f.word(-1) == f.word(-2) || f.word(-1) == f.word(0);
    let first = match () {
        () if f.kind(0).is_none() && second => -2,
        () if second => -1,
        () => 0,
    };
    let sign = f.word(first).to_owned();
    let name = f.word(first - 1);
    let span = f.span_at(first).to(f.span_at(first + 1));
    let name = if name.is_empty() { "i" } else { name };
    Some(
        idiom(span, format!("there is no `{sign}{sign}`"))
            .help(format!("write `{name} {sign}= 1`"))
            .fix(span, format!(" {sign}= 1")),
    )
}

/// Whether the place is in the condition of an `if`, `while`, `expect`, `until` or `when`.
fn in_condition(f: &Fault<'_>) -> bool {
    // Back over what brackets enclose.
    let mut depth = 0_usize;
    (f.piece.start..f.token)
        .rev()
        .take(40)
        .take_while(|t| match f.lexed.word(*t) {
            "{" | "}" => false,
            "," if depth == 0 => false,
            ")" | "]" => {
                depth += 1;
                true
            }
            "(" | "[" => {
                let enclosed = depth > 0;
                depth = depth.saturating_sub(1);
                enclosed
            }
            _ => true,
        })
        .any(|t| matches!(f.lexed.word(t), "if" | "while" | "expect" | "until" | "when" | "where"))
}

/// `state V_m mV = -70 mV` of NESTML.
fn unit_of_a_binding(f: &Fault<'_>, place: Place) -> Option<Diagnostic> {
    let declares = matches!(f.head().word(0), "state" | "param" | "input" | "weight" | "learned" | "const");
    let words = f.kind(0) == Some(Kind::Word) && f.kind(-1) == Some(Kind::Word);
    let named = matches!(f.word(-2), "," | "state" | "param" | "input" | "weight" | "learned" | "const");
    if !(declares && words && named && matches!(place, Place::Neuron | Place::Synapse | Place::File)) {
        return None;
    }
    let (name, unit) = (f.word(-1), f.word(0));
    let (fault, end) =
        (idiom(f.span, format!("`{unit}` stands between the name `{name}` and its value")), f.span_at(-1).end);
    Some(match f.word(1) {
        "=" => fault
            .label("NESTML's form")
            .help("leave it out: the value gives the unit")
            .fix(Span { start: end, ..f.span }, ""),
        "" | "," => fault.help(format!("write `{name}: {unit}`")).fix(Span { start: end, end, ..f.span }, ":"),
        _ => return None,
    })
}

/// `v_{th}` of LaTeX.
fn subscript(f: &Fault<'_>) -> Option<Diagnostic> {
    let name = f.word(-1).strip_suffix('_').filter(|_| f.word(0) == "{" && f.word(2) == "}" && f.touches_next(-1))?;
    let (full, span) = (format!("{name}_{}", f.word(1)), f.span_at(-1).to(f.span_at(2)));
    Some(idiom(span, format!("a name has no braces: `{full}`")).help(format!("write `{full}`")).fix(span, full))
}

/// `v' = …` of NMODL and NESTML, `der(v) = …` of Modelica, `d/dt v`.
fn derivative(f: &Fault<'_>, place: Place) -> Option<Diagnostic> {
    let form = |span: Span, wrong: String, name: &str| {
        idiom(span, format!("a derivative is written `d{name}/dt`, not `{wrong}`"))
            .help(format!("write `d{name}/dt = …`"))
            .fix(span, format!("d{name}/dt"))
    };
    if f.word(0) == "'" && f.kind(-1) == Some(Kind::Word) && matches!(place, Place::Neuron | Place::Synapse) {
        let name = f.word(-1);
        return Some(form(f.span_at(-1).to(f.span), format!("{name}'"), name));
    }
    if f.word(0) == "=" && f.word(-1) == ")" && f.word(-3) == "(" && matches!(f.word(-4), "der" | "diff" | "ddt") {
        let name = f.word(-2);
        return Some(form(f.span_at(-4).to(f.span_at(-1)), format!("{}({name})", f.word(-4)), name));
    }
    let model = matches!(place, Place::Neuron | Place::Synapse);
    // `d(v)/dt`, `d/dt v` and `d/dt(v)`.
    let quotient = |k: isize| f.word(k) == "/" && f.word(k + 1) == "dt";
    if model && f.word(0) == "=" && quotient(-2) && f.word(-3) == ")" && f.word(-5) == "(" && f.word(-6) == "d" {
        let name = f.word(-4);
        return Some(form(f.span_at(-6).to(f.span_at(-1)), format!("d({name})/dt"), name));
    }
    if model && f.word(1) == "=" && quotient(-2) && f.word(-3) == "d" && f.kind(0) == Some(Kind::Word) {
        let name = f.word(0);
        return Some(form(f.span_at(-3).to(f.span), format!("d/dt {name}"), name));
    }
    if model && f.word(0) == "=" && f.word(-1) == ")" && f.word(-3) == "(" && quotient(-5) && f.word(-6) == "d" {
        let name = f.word(-2);
        return Some(form(f.span_at(-6).to(f.span_at(-1)), format!("d/dt({name})"), name));
    }
    // `dvdt = …`
    if model && f.word(0) == "=" && f.token == f.piece.start + 1 {
        let name = f.word(-1).strip_prefix('d').and_then(|n| n.strip_suffix("dt")).filter(|n| !n.is_empty());
        if let Some(name) = name {
            return Some(form(f.span_at(-1), f.word(-1).to_owned(), name));
        }
    }
    // `dv/dt * tau = …`
    if model && f.word(0) == "*" && quotient(-2) && f.token == f.piece.start + 3 {
        let (left, factor) = (f.word(-3), f.word(1));
        let factor = if f.kind(1) == Some(Kind::Word) { factor } else { "tau" };
        return Some(
            Diagnostic::new(Code::E0001, f.span, "the factor of a derivative stands before it")
                .help(format!("write `{factor} * {left}/dt = …`")),
        );
    }
    // `dv / dt`, and anything else that divides by `dt` on the left.
    if f.word(0) == "=" && f.word(-1) == "dt" && f.word(-2) == "/" && !(f.touches_next(-3) && f.touches_next(-2)) {
        let name = f.word(-3).strip_prefix('d').filter(|n| !n.is_empty())?;
        return Some(form(f.span_at(-3).to(f.span_at(-1)), format!("d{name} / dt"), name));
    }
    None
}

/// `f"rate {r}"` of Python.
fn formatted(f: &Fault<'_>) -> Option<Diagnostic> {
    let string = f.kind(0) == Some(Kind::Str) && matches!(f.word(-1), "f" | "F" | "r" | "b") && f.touches_next(-1);
    string.then(|| {
        idiom(f.span_at(-1), "no values stand inside a text")
            .label("Python's form")
            .help("write texts and values side by side: `print(\"rate\", rate(E))`")
    })
}

/// `def f(x):`, `for x in y:`, `if c:`, `elif`.
fn python_head(f: &Fault<'_>) -> Option<Diagnostic> {
    let head = f.lexed.word(f.piece.start);
    let first = f.lexed.tokens.get(f.piece.start).map(|t| Span::new(f.id, t.start as usize, t.end as usize))?;
    let next_is_name = f.lexed.kind(f.piece.start + 1) == Kind::Word;
    match head {
        "def" | "function" | "func" if next_is_name => Some(
            idiom(first, format!("`{head}` does not begin a declaration"))
                .help("a formula is `fn f(x) = …`; a sequence of statements is `procedure f(x) { … }`"),
        ),
        "class" if next_is_name => Some(
            idiom(first, "there are no classes")
                .help("a model of a neuron is `neuron M { … }`, of a synapse `synapse S { … }`"),
        ),
        "elif" => Some(replaced(first, "elif", "else if", "a second condition")),
        "var" | "auto" | "double" | "float" if next_is_name => Some(
            idiom(first, format!("a variable is declared with `let`, not `{head}`"))
                .help("write `let x = …`")
                .fix(first, "let"),
        ),
        "on" | "every" if f.word(0) == ":" && f.on_one_line() => Some({
            let end = Span { start: f.last_span().end, ..f.last_span() };
            idiom(f.span, COLON_BLOCK)
                .label("Python's form")
                .help(format!("write `{head} {} {{ … }}`", f.lexed.word(f.piece.start + 1)))
                .fix(f.span, " {")
                .fix(end, " }")
        }),
        // `for k in 0..3: { … }` has a sign too many.
        "for" | "while" | "if" | "else" if f.word(0) == ":" && f.lexed.word(f.token + 1) == "{" => {
            Some(idiom(f.span, COLON_BLOCK).label("Python's form").help(format!("write `{head} … {{`")).fix(f.span, ""))
        }
        "for" | "while" | "if" | "else" | "try" if f.word(0) == ":" => Some(
            idiom(f.span, COLON_BLOCK)
                .label("Python's form")
                .help(format!("write `{head} … {{` and close the block with `}}`"))
                .fix(f.span, " {"),
        ),
        "for" if f.word(0) == "(" => Some(idiom(f.span, "there is no `for` of C").help("write `for k in 0..10 { … }`")),
        _ => None,
    }
}

/// `network.run(…)` and `a, b = f()` of Python; an equation that ends in an operator, so that `spike when` continues it.
fn statement(f: &Fault<'_>, place: Place) -> Option<Diagnostic> {
    if f.word(0) == "run" && f.word(-1) == "." && f.word(1) == "(" {
        let span = f.span_at(-2).to(f.span);
        return Some(idiom(span, "time is advanced by the statement `run`").help("write `run 500 ms`"));
    }
    // A list of what stands on lines of its own. Arguments and declarations have their commas.
    let listed = f.word(0) == "," && !matches!(f.head().word(0), "param" | "state" | "weight" | "learned" | "input");
    if listed && place == Place::Simulation {
        return Some(idiom(f.span, "settings are separated by `;`").help("write `;`").fix(f.span, ";"));
    }
    if listed
        && matches!(place, Place::Neuron | Place::Synapse)
        && (f.piece.start..f.token).any(|t| f.lexed.word(t) == "/" && f.lexed.word(t + 1) == "dt")
    {
        let fault = idiom(f.span, "equations are not separated by commas").help("write each on a line of its own");
        return Some(fault.fix(f.span, ";"));
    }
    if place == Place::Block && f.word(0) == "," && f.token == f.piece.start + 1 {
        return Some(
            idiom(f.span, "a statement sets one variable")
                .help("write an assignment for each: `let a = …` and `let b = …`, on lines of their own"),
        );
    }
    if f.word(0) == "then" && place == Place::Block && in_condition(f) {
        return Some(
            Diagnostic::new(Code::E0001, f.span, "the statement `if` has no `then`")
                .help("write `if … { … }`; `then` belongs to values: `let x = if c then 1 else 2`"),
        );
    }
    if f.word(0) == "when" && f.word(2) == "{" && matches!(place, Place::Neuron | Place::Synapse) {
        let event = f.word(1);
        return Some(
            idiom(f.span, format!("what happens at a `{event}` is a block of its own"))
                .help(format!("write `on {event} {{ … }}`"))
                .fix(f.span, "on"),
        );
    }
    if place == Place::Block && f.word(0) == "record" && f.word(-1) == "." {
        return Some(
            idiom(f.span_at(-2).to(f.span), "recording is a statement of its own")
                .help(format!("write `record {0}.spikes, {0}.v every 1 ms`", f.word(-2))),
        );
    }
    if matches!(f.word(0), "when" | "with") && f.word(-1) == "spike" && f.token > f.piece.start + 2 {
        let before = f.word(-2);
        let open = matches!(before, "+" | "-" | "*" | "/" | "^" | "=" | "<" | ">" | "and" | "or" | "not");
        return open.then(|| {
            Diagnostic::new(Code::E0001, f.span_at(-2), format!("a value is missing after `{before}`"))
                .label("so the next line continues this one")
                .also(f.span_at(-1), "this was read as the value")
                .help("complete the line, or remove the sign at its end")
        });
    }
    None
}

/// What stands between single quotes on this line, if it is an expression and no name, and the closing quote.
fn quoted(f: &Fault<'_>) -> Option<(String, Span)> {
    let end = (1..40).find(|k| f.word(*k) == "'" || f.kind(*k).is_none()).filter(|k| f.word(*k) == "'")?;
    let end = f.span_at(end);
    let text = f.lexed.text.get(f.span.range().end..end.range().start)?;
    let code = text.contains(|c: char| "()*/+<>=".contains(c)) && !text.contains('\n');
    code.then(|| (text.trim().to_owned(), end))
}

/// Characters that look like others, and quotes.
fn character(f: &Fault<'_>) -> Option<Diagnostic> {
    if f.word(0).starts_with("'''") || f.word(0).starts_with("\"\"\"") {
        let quotes = Span { end: f.span.start + 3, ..f.span };
        let help = "write equations by themselves in `neuron M { … }`, and `#` before every line of a comment";
        return Some(idiom(quotes, "there are no strings over several lines").label("Python's form").help(help));
    }
    let right = match f.word(0) {
        "'" if let Some((inside, end)) = quoted(f) => {
            return Some(
                idiom(f.span.to(end), "an expression is not a string")
                    .label("in this language there is no code in strings")
                    .help("leave the quotes out")
                    .fix(f.span.to(end), inside),
            );
        }
        "'" | "\u{2018}" | "\u{2019}" | "\u{201c}" | "\u{201d}" => {
            return Some(
                idiom(f.span, format!("strings stand in double quotes `\"`, not `{}`", f.word(0)))
                    .help("write `\"…\"`"),
            );
        }
        "?" => return Some(idiom(f.span, "there is no `c ? a : b`").help("write `if c then a else b`")),
        "\\" => {
            return Some(
                idiom(f.span, "lines are not continued with a backslash")
                    .help("begin the next line with the operator: it then continues this one")
                    .fix(f.span, ""),
            );
        }
        "@" if f.word(1) == "network_operation" => {
            return Some(
                idiom(f.span.to(f.span_at(1)), "there is no `@network_operation`")
                    .help("what neurons or synapses do periodically is `every 10 ms { … }` in their model; a protocol does it between two `run`s"),
            );
        }
        "@" => return Some(idiom(f.span, "there is no `@`").help("sums of products are written `sum(a * b)`")),
        "\u{a0}" | "\u{202f}" | "\u{2009}" | "\u{3000}" | "\u{200b}" => " ",
        "\u{b5}" | "\u{3bc}" => "u",
        "\u{3a9}" | "\u{2126}" => "Ohm",
        "\u{2212}" | "\u{2013}" | "\u{2014}" => "-",
        "\u{d7}" | "\u{b7}" | "\u{22c5}" => "*",
        "\u{f7}" => "/",
        "\u{b2}" => "^2",
        "\u{b3}" => "^3",
        "\u{2264}" => "<=",
        "\u{2265}" => ">=",
        "\u{2260}" => "!=",
        "\u{2192}" => "->",
        "\u{2190}" => "=",
        "\u{2026}" => "..",
        _ => return None,
    };
    let c = f.word(0).chars().next()?;
    let (what, help) = if right == " " {
        (format!("a special space (U+{:04X}) stands here", c as u32), "write a plain space".to_owned())
    } else {
        (format!("`{c}` (U+{:04X}) is written `{right}`", c as u32), format!("write `{right}`"))
    };
    Some(idiom(f.span, what).help(help).fix(f.span, right))
}
