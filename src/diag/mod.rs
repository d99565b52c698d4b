//! Diagnostics: the only error currency of the front end. A diagnostic carries facts and spans; `render` alone knows how
//! it looks on a terminal.

pub mod codes;
pub mod fixes;
pub mod render;
pub mod words;

pub use codes::{Code, Severity};

use crate::source::Span;

/// A place in the source with a remark.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// The remark; may be empty for a bare underline.
    pub text: String,
}

/// An edit that would mend the fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// What is replaced (empty for an insertion).
    pub span: Span,
    /// The new text.
    pub replacement: String,
}

/// One message to the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// The code, such as `E0201`.
    pub code: Code,
    /// Error, warning or note.
    pub severity: Severity,
    /// What is wrong in one line: lower case, no full stop, no pass names.
    pub message: String,
    /// The place that is wrong. `None` only for faults without a source, such as an unreadable file.
    pub primary: Option<Label>,
    /// Other places that explain it.
    pub secondary: Vec<Label>,
    /// Facts that explain why (rendered as `note: …`).
    pub notes: Vec<String>,
    /// Edits that work (rendered as `help: …`).
    pub helps: Vec<String>,
    /// Machine-applicable edits.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    /// A diagnostic at a place, with the severity of its code.
    #[must_use]
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        let mut d = Self::without_span(code, message);
        d.primary = Some(Label { span, text: String::new() });
        d
    }

    /// A diagnostic about something that stands in no source file.
    #[must_use]
    pub fn without_span(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            notes: Vec::new(),
            helps: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// Sets the remark at the primary place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.text = text.into();
        }
        self
    }

    /// Adds another place with a remark.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds an edit that works, in words.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// Adds a machine-applicable edit.
    #[must_use]
    pub fn fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fixes.push(Fix { span, replacement: replacement.into() });
        self
    }
}

/// Collects diagnostics; passes never stop at the first.
#[derive(Debug, Clone, Default)]
pub struct Sink {
    /// What was reported, in order.
    pub items: Vec<Diagnostic>,
    /// Places where the front end left something out of the model because it is faulty.
    pub holes: Vec<Span>,
}

impl Sink {
    /// Reports one diagnostic.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.items.push(diagnostic);
    }

    /// Whether the same missing declaration has been reported at another place of the file. A name that is near to one that is known is
    /// misspelt, each time anew; of one that nothing resembles the declaration is missing, once.
    #[must_use]
    pub fn is_missed_before(&self, d: &Diagnostic) -> bool {
        let file = |d: &Diagnostic| d.primary.as_ref().map(|l| l.span.file);
        let same = |o: &Diagnostic| {
            o.code == d.code && o.message == d.message && o.notes == d.notes && o.helps.is_empty() && file(o) == file(d)
        };
        d.code == Code::E0101 && d.helps.is_empty() && self.items.iter().any(same)
    }

    /// Notes that what stands here is not in the model: its fault has been reported, or must be.
    pub fn hole(&mut self, span: Span) {
        self.holes.push(span);
    }

    /// Something left out without any error would change what the program means: that is a bug, and said so.
    pub fn close(&mut self) {
        if !self.has_errors()
            && let Some(span) = self.holes.first()
        {
            self.push(
                Diagnostic::new(
                    Code::E0900,
                    *span,
                    "a bug in snnc: this was left out of the model, and no error says why",
                )
                .help("please report it with this file"),
            );
        }
    }

    /// Keeps one of several reports of one code at one place, of those from number `start` on: the rounds of a loop.
    pub fn once(&mut self, start: usize) {
        let later = self.items.split_off(start.min(self.items.len()));
        for d in later {
            let at = d.primary.as_ref().map(|l| l.span);
            let same = |o: &Diagnostic| o.code == d.code && at.is_some() && o.primary.as_ref().map(|l| l.span) == at;
            if !self.items.iter().skip(start).any(same) {
                self.items.push(d);
            }
        }
    }

    /// Whether an error was reported.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|d| d.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    #[test]
    fn what_is_left_out_needs_an_error() {
        let span = Span { file: FileId(0), start: 3, end: 5 };
        let mut silent = Sink::default();
        silent.close();
        assert!(silent.items.is_empty());
        silent.hole(span);
        silent.push(Diagnostic::new(Code::W0709, span, "a warning is no reason"));
        silent.close();
        assert_eq!(silent.items.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::W0709, Code::E0900]);
        assert_eq!(silent.items[1].primary.as_ref().map(|l| l.span), Some(span));

        let mut told = Sink::default();
        told.hole(span);
        told.push(Diagnostic::new(Code::E0101, span, "unknown name `a`"));
        told.close();
        assert_eq!(told.items.len(), 1);
    }
}
