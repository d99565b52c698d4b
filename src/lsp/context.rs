//! What the text just before the cursor asks for. Completions are wanted while the text is broken, so this reads the text and not the
//! tree.

use super::text::Text;
use crate::syntax;

/// What may stand at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    /// A comment, a string, the name of something new: nothing is offered.
    Nothing,
    /// After `base.`
    Member(&'a str),
    /// After a number, or after `:` in a model.
    Unit { types: bool },
    /// After `via`
    Rule,
    /// After `method`
    Method,
    /// After `population P[n]:`
    Neuron,
    /// After `with`
    Synapse,
    /// After `through`
    Kernel,
    /// After `readout r:`
    Readout,
    /// At the beginning of an argument of `callee(`
    Argument(&'a str),
    /// In `simulation { … }`
    Setting,
    /// After `on`
    Event { synapse: bool },
    /// After `hold`
    Held,
    /// After `allow`
    Warning,
    /// Any value or statement.
    Anything,
}

/// The kind of declaration around the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    Top,
    Model {
        synapse: bool,
    },
    Protocol,
    /// A declaration without a block, such as a population.
    Declaration,
}

/// How far back an opening bracket is looked for.
const FAR: usize = 4096;

/// What is asked for at a byte.
pub(super) fn wanted(text: &Text, byte: usize, around: Around) -> Wanted<'_> {
    if !text.is_code(byte) {
        return Wanted::Nothing;
    }
    let all = text.as_str();
    let start = text.word(byte).map_or(byte, |(range, _)| range.start);
    let before = all.get(..start).unwrap_or("");
    if all.get(start..byte).is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit())) {
        return Wanted::Nothing;
    }
    if let Some(base) = before.strip_suffix('.').filter(|b| !b.ends_with('.')) {
        let name = last_word(without_index(base));
        return if name.starts_with(|c: char| c.is_ascii_digit()) { Wanted::Nothing } else { Wanted::Member(name) };
    }
    let line = before.rsplit(['\n', ';']).next().unwrap_or("");
    let here = line.trim_end();
    let last = last_word(here);
    if here.ends_with(':') {
        let first = line.split_whitespace().next().unwrap_or("");
        return match (first, around) {
            ("population", _) => Wanted::Neuron,
            ("readout", _) => Wanted::Readout,
            ("connect", _) => Wanted::Anything,
            _ => Wanted::Unit { types: true },
        };
    }
    if last.starts_with(|c: char| c.is_ascii_digit()) && here.len() < line.len() {
        return Wanted::Unit { types: false };
    }
    if let Some(codes) = line.trim_start().trim_start_matches("{ ").strip_prefix("allow ")
        && codes.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ',' | ' '))
        && (codes.trim().is_empty() || here.ends_with(','))
    {
        return Wanted::Warning;
    }
    match last {
        "via" => return Wanted::Rule,
        "method" => return Wanted::Method,
        "with" => return if here.ends_with("spike with") { Wanted::Anything } else { Wanted::Synapse },
        "through" => return Wanted::Kernel,
        "on" if let Around::Model { synapse } = around => return Wanted::Event { synapse },
        "hold" if matches!(around, Around::Model { .. }) => return Wanted::Held,
        // What follows is a new name.
        "neuron" | "synapse" | "population" | "experiment" | "procedure" | "kernel" | "readout" | "data" | "fn"
        | "const" | "param" | "state" | "weight" | "learned" | "input" | "let" | "event" | "for" => {
            return Wanted::Nothing;
        }
        _ => {}
    }
    let full = before.trim_end();
    let block = before.rfind('{').and_then(|k| before.get(..k)).map(str::trim_end);
    if around == Around::Declaration
        && full.ends_with(['{', ';', '\n'])
        && block.is_some_and(|b| last_word(b) == "simulation")
    {
        return Wanted::Setting;
    }
    if full.ends_with(['(', ','])
        && let Some(callee) = callee(full)
    {
        return Wanted::Argument(callee);
    }
    Wanted::Anything
}

/// The name before the innermost open parenthesis.
fn callee(before: &str) -> Option<&str> {
    let mut depth = 0;
    for (k, c) in before.char_indices().rev().take(FAR) {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' if depth == 0 => return Some(last_word(before.get(..k)?)).filter(|w| !w.is_empty()),
            '[' | '{' if depth == 0 => return None,
            '(' | '[' | '{' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether a byte stands inside a round or square bracket.
pub(super) fn in_brackets(text: &str, byte: usize) -> bool {
    let mut depth = 0;
    for c in text.get(..byte).unwrap_or("").chars().rev().take(FAR) {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' if depth == 0 => return true,
            '{' if depth == 0 => return false,
            '(' | '[' | '{' => depth -= 1,
            _ => {}
        }
    }
    false
}

/// `E` of `E[..10]`.
fn without_index(text: &str) -> &str {
    if !text.ends_with(']') {
        return text;
    }
    let mut depth = 0;
    for (k, c) in text.char_indices().rev().take(FAR) {
        match c {
            ']' => depth += 1,
            '[' if depth == 1 => return text.get(..k).unwrap_or(""),
            '[' => depth -= 1,
            _ => {}
        }
    }
    ""
}

fn last_word(text: &str) -> &str {
    let start = text.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
    text.get(start..).unwrap_or("")
}

/// The declaration around a byte: its kind and where it begins.
pub(super) fn around(text: &Text, byte: usize) -> (Around, usize) {
    let all = text.as_str();
    if all.len() > syntax::MAX_SOURCE {
        return (Around::Top, 0);
    }
    let items = syntax::split_items(all);
    let Some(item) = items.iter().rev().find(|i| i.range.start < byte) else { return (Around::Top, 0) };
    let own = all.get(item.range.clone()).unwrap_or("");
    let braces = |c: char| own.matches(c).count();
    let gap = all.get(item.range.end..byte).unwrap_or("");
    let closed = own.ends_with('}') && braces('{') <= braces('}');
    let inside = byte < item.range.end || braces('{') > braces('}') || !closed && !gap.contains(['\n', ';']);
    if !inside {
        return (Around::Top, 0);
    }
    let first = own.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
    // The keyword itself is still being written.
    if byte <= item.range.start + first.len() {
        return (Around::Top, 0);
    }
    let kind = match first {
        "neuron" | "synapse" => Around::Model { synapse: first == "synapse" },
        "experiment" | "test" | "procedure" => Around::Protocol,
        _ => Around::Declaration,
    };
    (kind, item.range.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> (Text, usize) {
        (Text::new(&text.replace('@', "")), text.find('@').expect("a cursor"))
    }

    #[test]
    fn the_text_before_the_cursor_says_what_is_wanted() {
        for (text, want) in [
            ("param tau = 20 @", Wanted::Unit { types: false }),
            ("param tau = 20 m@", Wanted::Unit { types: false }),
            ("param tau = 20@", Wanted::Nothing),
            ("param x = tau2 @", Wanted::Anything),
            ("state v: @", Wanted::Unit { types: true }),
            ("population P[10]: l@", Wanted::Neuron),
            ("connect A -> B.@", Wanted::Member("B")),
            ("connect A -> B[1, x[2]].v@", Wanted::Member("B")),
            ("connect A[..@", Wanted::Anything),
            ("connect A -> B.x via ran@", Wanted::Rule),
            ("connect A -> B.x via one_to_one with @", Wanted::Synapse),
            ("population P[10]: M(tau = 3 ms, @", Wanted::Argument("M")),
            ("population P[10]: M(\n  @", Wanted::Argument("M")),
            ("population P[10]: M(tau = f(1, 2), v@", Wanted::Argument("M")),
            ("population P[10]: M(tau = @", Wanted::Anything),
            ("  method ex@", Wanted::Method),
            ("  state v@", Wanted::Nothing),
            ("  allow @", Wanted::Warning),
            ("allow W0701, W@", Wanted::Warning),
            ("allow W0701 @", Wanted::Anything),
            ("# 20 @", Wanted::Nothing),
            ("print(\"a @", Wanted::Nothing),
            ("@", Wanted::Anything),
        ] {
            let (text, byte) = at(text);
            assert_eq!(wanted(&text, byte, Around::Top), want, "{}", text.as_str());
        }
    }

    #[test]
    fn the_declaration_around_the_cursor_is_found_in_broken_text_too() {
        for (text, want) in [
            ("neuron A {\n  @\n}\n", Around::Model { synapse: false }),
            ("synapse A {\n  param x = 1\n  @", Around::Model { synapse: true }),
            ("neuron A { }\n@", Around::Top),
            ("neur@", Around::Top),
            ("experiment e {\n run @\n}", Around::Protocol),
            ("population P[3]: @", Around::Declaration),
            ("population P[3]: M()\n@", Around::Top),
            ("@", Around::Top),
        ] {
            let (text, byte) = at(text);
            assert_eq!(around(&text, byte).0, want, "{}", text.as_str());
        }
    }
}
