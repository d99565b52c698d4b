//! How diagnostics leave the program: drawn for people, one line each for editors, or as JSON for programs. Every command takes
//! `--message-format`; with `short` and `json` nothing else is written to the stream on which its diagnostics are.

use std::cell::Cell;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;

use clap::{Args, ValueEnum};

use super::common::{color, err, out, tally};
use crate::diag::{Code, Diagnostic, Severity, render};
use crate::source::SourceMap;

#[derive(Debug, Args, Clone, Copy)]
pub(super) struct MessageArgs {
    /// How diagnostics are written
    #[arg(long, value_enum, default_value = "human", value_name = "FORMAT")]
    message_format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With the lines concerned
    Human,
    /// One line each: place, severity, code and message
    Short,
    /// One JSON object a line, and their numbers in the last line
    Json,
}

/// The format, other than that for people, that a command line which could not be read asks for, and where its command writes.
pub(super) fn asked_for(args: impl Iterator<Item = OsString>) -> Option<(MessageArgs, Stream)> {
    let words: Vec<String> = args.skip(1).map(|a| a.to_string_lossy().into_owned()).take_while(|a| a != "--").collect();
    let format = words.iter().enumerate().rev().find_map(|(k, word)| {
        let value = match word.strip_prefix("--message-format")? {
            "" => words.get(k + 1)?,
            rest => rest.strip_prefix('=')?,
        };
        Format::from_str(value, false).ok()
    });
    let stream = if words.first().is_some_and(|w| w == "check") { Stream::Out } else { Stream::Err };
    format.filter(|f| *f != Format::Human).map(|message_format| (MessageArgs { message_format }, stream))
}

/// A command line that could not be read, from what is written of it for people: the first paragraph is what is wrong, the last one says where to
/// look further.
pub(super) fn usage(text: &str) -> Diagnostic {
    let paragraph = |p: &str| p.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let mut paragraphs = text.trim().split("\n\n").map(paragraph);
    let first = paragraphs.next().unwrap_or_default();
    let d = Diagnostic::without_span(Code::E0905, first.strip_prefix("error: ").unwrap_or(&first));
    let advice = |d: Diagnostic, p: String| match p.strip_prefix("tip: ") {
        Some(tip) => d.help(tip),
        None => d.note(p),
    };
    paragraphs.filter(|p| !p.starts_with("For more information")).fold(d, advice)
}

/// Where a command writes its diagnostics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Diagnostics are what the command is for.
    Out,
    /// The command has another output.
    Err,
}

/// The diagnostics of one command.
pub(super) struct Messages {
    format: Format,
    stream: Stream,
    errors: Cell<usize>,
    warnings: Cell<usize>,
}

impl Messages {
    /// Runs a command, which gives the exit status; then says how many diagnostics there were, if a program reads them.
    pub(super) fn of(args: MessageArgs, stream: Stream, command: impl FnOnce(&Self) -> u8) -> u8 {
        let messages = Self { format: args.message_format, stream, errors: Cell::new(0), warnings: Cell::new(0) };
        let status = command(&messages);
        if messages.format == Format::Json {
            let (errors, warnings) = (messages.errors.get(), messages.warnings.get());
            messages.write(&format!("{{\"errors\": {errors}, \"warnings\": {warnings}}}\n"));
        }
        status
    }

    /// Shows diagnostics.
    pub(super) fn show(&self, diagnostics: &[Diagnostic], sources: &SourceMap) {
        let terminal = match self.stream {
            Stream::Out => std::io::stdout().is_terminal(),
            Stream::Err => std::io::stderr().is_terminal(),
        };
        for d in diagnostics {
            let counter = match d.severity {
                Severity::Error => Some(&self.errors),
                Severity::Warning => Some(&self.warnings),
                Severity::Note => None,
            };
            if let Some(counter) = counter {
                counter.set(counter.get() + 1);
            }
            match self.format {
                Format::Human => self.write(&format!("{}\n", render::render_human(d, sources, color(terminal)))),
                Format::Short => self.write(&format!("{}\n", render::render_short(d, sources).trim_end())),
                Format::Json => self.write(&format!("{}\n", render::render_json(d, sources).trim_end())),
            }
        }
    }

    /// Shows what is wrong with the command itself. People read that on stderr, whatever else the command writes.
    pub(super) fn show_fault(&self, fault: &Diagnostic) {
        if self.format == Format::Human {
            err(&format!(
                "{}\n",
                render::render_human(fault, &SourceMap::default(), color(std::io::stderr().is_terminal()))
            ));
            return;
        }
        self.show(std::slice::from_ref(fault), &SourceMap::default());
    }

    /// Says how many faults a file has, to people.
    pub(super) fn sum(&self, items: &[Diagnostic], path: &Path) {
        self.remark(&tally(items, path));
    }

    /// A line for people beside the diagnostics.
    pub(super) fn remark(&self, line: &str) {
        if self.for_people() {
            self.write(&format!("{line}\n"));
        }
    }

    /// Whether something else than diagnostics may be written where they are.
    pub(super) fn for_people(&self) -> bool {
        self.format == Format::Human
    }

    fn write(&self, text: &str) {
        match self.stream {
            Stream::Out => out(text),
            Stream::Err => err(text),
        }
    }
}

#[cfg(test)]
impl Messages {
    /// Messages for people on stderr.
    pub(super) fn for_tests() -> Self {
        Self { format: Format::Human, stream: Stream::Err, errors: Cell::new(0), warnings: Cell::new(0) }
    }
}
