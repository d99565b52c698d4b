//! How a diagnostic looks: for people, as one line, and as one JSON object. The only file that names codespan-reporting.
//!
//! Whatever the source or a message contains, no control character reaches the terminal, and no line of a source is shown
//! beyond [`LONGEST_LINE`] bytes.

use std::borrow::Cow;
use std::ops::Range;

use codespan_reporting::diagnostic::{Diagnostic as Frame, Label as FrameLabel, Severity as FrameSeverity};
use codespan_reporting::files::{Error, Files};
use codespan_reporting::term::termcolor::Ansi;
use codespan_reporting::term::{self, Chars, Config, Styles, StylesWriter};
use serde::Serialize;

use super::{Diagnostic, Label, Severity};
use crate::source::{FileId, SourceMap, Span};

/// The longest source line that is shown whole; of a longer one, a part around the fault.
const LONGEST_LINE: usize = 400;

/// The diagnostic with the lines it is about, notes and helps; ends with an empty line.
#[must_use]
pub fn render_human(diagnostic: &Diagnostic, sources: &SourceMap, color: bool) -> String {
    let known = |label: &&Label| sources.get(label.span.file).is_some();
    let primary = diagnostic.primary.as_ref().filter(known);
    let mut secondary: Vec<&Label> = diagnostic.secondary.iter().filter(known).collect();
    let mut notes: Vec<String> = Vec::new();
    let mut excerpt = None;
    if let Some(primary) = primary {
        let shown = |l: &&Label| line_of(sources, l.span).is_some_and(|line| line.len() <= LONGEST_LINE);
        if !(std::iter::once(&primary).chain(&secondary).all(shown)) {
            excerpt = Some(Excerpt::new(sources, primary.span));
            for label in secondary.drain(..) {
                let (line, column) = sources.line_column(label.span.file, label.span.start);
                notes.push(format!("note: line {line}, column {column}: {}", scrub(&label.text)));
            }
        }
    }
    notes.extend(diagnostic.notes.iter().map(|n| format!("note: {}", scrub(n))));
    notes.extend(diagnostic.helps.iter().map(|h| format!("help: {}", scrub(h))));

    let mut labels = Vec::new();
    for (label, is_primary) in primary.map(|l| (l, true)).into_iter().chain(secondary.iter().map(|l| (*l, false))) {
        let range = match &excerpt {
            Some(e) => e.range.clone(),
            None => range_in(sources, label.span),
        };
        let make = if is_primary { FrameLabel::primary } else { FrameLabel::secondary };
        labels.push(make(label.span.file, range).with_message(scrub(&label.text)));
    }
    let severity = match diagnostic.severity {
        Severity::Error => FrameSeverity::Error,
        Severity::Warning => FrameSeverity::Warning,
        Severity::Note => FrameSeverity::Note,
    };
    let frame = Frame::new(severity)
        .with_code(diagnostic.code.name())
        .with_message(scrub(&diagnostic.message))
        .with_labels(labels)
        .with_notes(notes);
    let view = View { sources, excerpt };
    let config = Config { chars: Chars::ascii(), ..Config::default() };
    let drawn = if color {
        let styles = Styles::default();
        let mut out = Ansi::new(Vec::new());
        let drawn = term::emit_to_write_style(&mut StylesWriter::new(&mut out, &styles), &config, &view, &frame);
        drawn.map(|()| String::from_utf8_lossy(&out.into_inner()).into_owned())
    } else {
        term::emit_into_string(&config, &view, &frame)
    };
    // Drawing fails only for a file or a range that does not exist, and both were checked.
    drawn.unwrap_or_else(|_| render_short(diagnostic, sources) + "\n")
}

/// `file:line:col: error[E0201]: message`, without a line break at the end.
#[must_use]
pub fn render_short(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let place = diagnostic.primary.as_ref().and_then(|l| position(sources, l.span));
    let place = place.map(|p| format!("{}:{}:{}: ", scrub(&p.file), p.line, p.column)).unwrap_or_default();
    let severity = severity_name(diagnostic.severity);
    format!("{place}{severity}[{}]: {}", diagnostic.code, scrub(&diagnostic.message))
}

/// One JSON object on one line: `code`, `severity`, `message`, the position of the primary label (`file`, `line`, `column`,
/// `end_line`, `end_column`; 1-based, columns in characters; `null` without one), `labels` (the primary first; position
/// fields and `text`), `notes` (notes, then helps) and `fixes` (position fields and `replacement`).
#[must_use]
pub fn render_json(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let labels = diagnostic.primary.iter().chain(&diagnostic.secondary);
    let object = Json {
        code: diagnostic.code.name(),
        severity: severity_name(diagnostic.severity),
        message: &diagnostic.message,
        position: diagnostic.primary.as_ref().and_then(|l| position(sources, l.span)).into(),
        labels: labels
            .filter_map(|l| Some(JsonLabel { position: position(sources, l.span)?, text: &l.text }))
            .collect(),
        notes: diagnostic.notes.iter().chain(&diagnostic.helps).map(String::as_str).collect(),
        fixes: diagnostic
            .fixes
            .iter()
            .filter_map(|f| Some(JsonFix { position: position(sources, f.span)?, replacement: &f.replacement }))
            .collect(),
    };
    // Strings and numbers always serialise.
    serde_json::to_string(&object).unwrap_or_default()
}

#[derive(Serialize)]
struct Json<'d> {
    code: &'d str,
    severity: &'d str,
    message: &'d str,
    #[serde(flatten)]
    position: MaybePosition,
    labels: Vec<JsonLabel<'d>>,
    notes: Vec<&'d str>,
    fixes: Vec<JsonFix<'d>>,
}

#[derive(Serialize)]
struct JsonLabel<'d> {
    #[serde(flatten)]
    position: Position,
    text: &'d str,
}

#[derive(Serialize)]
struct JsonFix<'d> {
    #[serde(flatten)]
    position: Position,
    replacement: &'d str,
}

#[derive(Serialize)]
struct Position {
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize, Default)]
struct MaybePosition {
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
}

impl From<Option<Position>> for MaybePosition {
    fn from(position: Option<Position>) -> Self {
        position.map_or_else(Self::default, |p| Self {
            file: Some(p.file),
            line: Some(p.line),
            column: Some(p.column),
            end_line: Some(p.end_line),
            end_column: Some(p.end_column),
        })
    }
}

fn position(sources: &SourceMap, span: Span) -> Option<Position> {
    let file = sources.get(span.file)?.name.clone();
    let (line, column) = sources.line_column(span.file, span.start);
    let (end_line, end_column) = sources.line_column(span.file, span.end);
    Some(Position { file, line, column, end_line, end_column })
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A span as a range of existing characters.
fn range_in(sources: &SourceMap, span: Span) -> Range<usize> {
    let text = sources.get(span.file).map_or("", |f| &f.text);
    let boundary = |at: u32| {
        let mut at = (at as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = boundary(span.start);
    start..boundary(span.end).max(start)
}

/// The line in which a span begins.
fn line_of(sources: &SourceMap, span: Span) -> Option<&str> {
    let (line, _) = sources.line_column(span.file, span.start);
    sources.get(span.file)?.text.get(sources.line_range(span.file, line)?)
}

/// Whether a character may disturb a terminal: control characters, and those that reorder the text around them.
fn disturbs(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text without characters that disturb a terminal; line breaks stay.
fn scrub(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| c != '\n' && disturbs(c)) {
        Cow::Owned(text.chars().map(|c| if c != '\n' && disturbs(c) { '\u{fffd}' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Source text without characters that disturb a terminal, each replaced by one of the same length in bytes, so that spans
/// stay true.
fn scrub_source(text: &str) -> Cow<'_, str> {
    let bad = |c: char| !matches!(c, '\n' | '\r' | '\t') && disturbs(c);
    if !text.chars().any(bad) {
        return Cow::Borrowed(text);
    }
    let replace = |c: char| match c.len_utf8() {
        _ if !bad(c) => c,
        1 => '?',
        2 => '\u{bf}',
        _ => '\u{fffd}',
    };
    Cow::Owned(text.chars().map(replace).collect())
}

/// A part of a long line around a fault, shown in place of the file.
struct Excerpt {
    text: String,
    /// Where the fault is in the text.
    range: Range<usize>,
    line: usize,
    column: usize,
}

impl Excerpt {
    /// How many characters are shown before and after the fault's beginning.
    const AROUND: usize = 60;

    fn new(sources: &SourceMap, span: Span) -> Self {
        let (line, column) = sources.line_column(span.file, span.start);
        let whole = line_of(sources, span).unwrap_or("").trim_end();
        let line_start = sources.line_range(span.file, line).map_or(0, |r| r.start);
        let at = (span.start as usize).saturating_sub(line_start).min(whole.len());
        let before: Vec<char> = whole.get(..at).unwrap_or("").chars().rev().take(Self::AROUND).collect();
        let after: String = whole.get(at..).unwrap_or("").chars().take(Self::AROUND).collect();
        let mut text = String::from("…");
        text.extend(before.into_iter().rev());
        let start = text.len();
        text.push_str(&after);
        let end = (start + (span.end - span.start.min(span.end)) as usize).min(text.len());
        let end = (start..=end).rev().find(|e| text.is_char_boundary(*e)).unwrap_or(start);
        text.push('…');
        Self { text: scrub_source(&text).into_owned(), range: start..end, line, column }
    }
}

/// The sources as codespan wants them.
struct View<'s> {
    sources: &'s SourceMap,
    excerpt: Option<Excerpt>,
}

impl<'a> Files<'a> for View<'_> {
    type FileId = FileId;
    type Name = Cow<'a, str>;
    type Source = Cow<'a, str>;

    fn name(&'a self, id: FileId) -> Result<Cow<'a, str>, Error> {
        self.sources.get(id).map(|f| scrub(&f.name)).ok_or(Error::FileMissing)
    }

    fn source(&'a self, id: FileId) -> Result<Cow<'a, str>, Error> {
        if let Some(excerpt) = &self.excerpt {
            return Ok(Cow::Borrowed(&excerpt.text));
        }
        let file = self.sources.get(id).ok_or(Error::FileMissing)?;
        Ok(if file.is_plain() { Cow::Borrowed(&file.text) } else { scrub_source(&file.text) })
    }

    fn line_index(&'a self, id: FileId, byte: usize) -> Result<usize, Error> {
        if self.excerpt.is_some() {
            return Ok(0);
        }
        let byte = u32::try_from(byte).unwrap_or(u32::MAX);
        Ok(self.sources.line_column(id, byte).0 - 1)
    }

    fn line_number(&'a self, _: FileId, line: usize) -> Result<usize, Error> {
        Ok(self.excerpt.as_ref().map_or(line + 1, |e| e.line))
    }

    fn column_number(&'a self, id: FileId, _: usize, byte: usize) -> Result<usize, Error> {
        if let Some(excerpt) = &self.excerpt {
            return Ok(excerpt.column);
        }
        let byte = u32::try_from(byte).unwrap_or(u32::MAX);
        Ok(self.sources.line_column(id, byte).1)
    }

    fn line_range(&'a self, id: FileId, line: usize) -> Result<Range<usize>, Error> {
        if let Some(excerpt) = &self.excerpt {
            return Ok(0..excerpt.text.len());
        }
        let missing = Error::LineTooLarge { given: line, max: 0 };
        self.sources.line_range(id, line + 1).ok_or(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Code;

    fn sample(text: &str, range: Range<usize>) -> (Diagnostic, SourceMap) {
        let mut sources = SourceMap::default();
        let id = sources.add("model.snn", text);
        let span = Span::new(id, range.start, range.end);
        (Diagnostic::new(Code::E0202, span, "dv/dt must be mV/ms, but this is mV").label("mV"), sources)
    }

    #[test]
    fn a_diagnostic_shows_its_lines_notes_and_helps() {
        let text = "neuron A {\n  state v = 0 mV\n  dv/dt = E - v\n}\n";
        let (d, sources) = sample(text, 38..43);
        let d = d.also(Span::new(FileId(0), 19, 20), "v is mV").note("why").help("divide by a time constant");
        let shown = render_human(&d, &sources, false);
        let expected = "\
error[E0202]: dv/dt must be mV/ms, but this is mV
  --> model.snn:3:11
  |
2 |   state v = 0 mV
  |         - v is mV
3 |   dv/dt = E - v
  |           ^^^^^ mV
  |
  = note: why
  = help: divide by a time constant

";
        assert_eq!(shown, expected);
        assert!(render_human(&d, &sources, true).contains("\u{1b}["));
        assert_eq!(render_short(&d, &sources), "model.snn:3:11: error[E0202]: dv/dt must be mV/ms, but this is mV");
    }

    #[test]
    fn json_has_positions_in_characters_from_one() {
        let (d, sources) = sample("a = 1\né = x", 9..10);
        let d = d.fix(Span::new(FileId(0), 9, 10), "=\"");
        let json: serde_json::Value = serde_json::from_str(&render_json(&d, &sources)).unwrap();
        assert_eq!(json["code"], "E0202");
        assert_eq!((&json["line"], &json["column"]), (&2.into(), &3.into()));
        assert_eq!((&json["end_line"], &json["end_column"]), (&2.into(), &4.into()));
        assert_eq!(json["labels"][0]["text"], "mV");
        assert_eq!(json["fixes"][0]["replacement"], "=\"");
        let bare = Diagnostic::without_span(Code::E0801, "gone");
        let json: serde_json::Value = serde_json::from_str(&render_json(&bare, &sources)).unwrap();
        assert!(json["file"].is_null() && json["labels"].as_array().unwrap().is_empty());
    }

    #[test]
    fn nothing_reaches_the_terminal_that_could_control_it() {
        let (mut d, sources) = sample("x = \u{1b}[31m\u{9b}\u{202e}y", 4..5);
        d.message = "bad \u{1b}]0;title\u{7}".into();
        d.notes.push("\u{8}".into());
        for shown in [render_human(&d, &sources, false), render_short(&d, &sources), render_json(&d, &sources)] {
            assert!(!shown.chars().any(|c| c != '\n' && c.is_control()), "{shown:?}");
        }
        assert!(!render_human(&d, &sources, false).contains('\u{202e}'));
    }

    #[test]
    fn of_a_very_long_line_only_a_part_is_shown() {
        let text = format!("{}é + ?{}", "x".repeat(100_000), "y".repeat(100_000));
        let at = text.find('?').unwrap();
        let (d, sources) = sample(&text, at..at + 1);
        let shown = render_human(&d, &sources, false);
        assert!(shown.len() < 1000, "{}", shown.len());
        assert!(shown.contains("model.snn:1:100005") && shown.contains("é + ?yyy"), "{shown}");
    }

    #[test]
    fn spans_outside_the_text_are_no_danger() {
        let (d, sources) = sample("é", 1..500);
        assert!(render_human(&d, &sources, false).contains("E0202"));
        let (mut d, sources) = sample("", 0..0);
        if let Some(p) = &mut d.primary {
            p.span.file = FileId(7);
        }
        assert!(render_human(&d, &sources, false).contains("E0202"));
        assert!(render_json(&d, &sources).contains("E0202"));
    }
}
