//! `snnc fmt`

use std::io::Read;
use std::path::Path;

use super::FmtArgs;
use super::common::{files, out, rewrite};
use super::messages::Messages;
use crate::diag::{Code, Diagnostic};
use crate::driver;
use crate::source::SourceMap;
use crate::syntax::{self, fmt};

/// Formats every file; 1 if one has faults, or (with `--check`) would change.
pub(super) fn run(args: &FmtArgs, messages: &Messages) -> u8 {
    let mut broken = false;
    let (streams, named): (Vec<_>, Vec<_>) = args.models.iter().cloned().partition(|p| p.as_os_str() == "-");
    if !streams.is_empty() {
        broken |= !stream(args.check, messages);
    }
    let paths = match files(&named) {
        Ok(paths) => paths,
        Err(d) => {
            messages.show_fault(&d);
            return 1;
        }
    };
    for path in &paths {
        broken |= !file(path, args.check, messages);
    }
    u8::from(broken)
}

/// The formatted text, with faults shown.
fn formatted(name: &str, text: &str, messages: &Messages) -> Option<String> {
    let mut sources = SourceMap::default();
    let id = sources.add(name, text);
    match fmt::format(id, text) {
        Ok(new) => Some(new),
        Err(faults) => {
            messages.show(&faults, &sources);
            messages.remark(&format!("{name}: not formatted"));
            None
        }
    }
}

/// Formats standard input to standard output; false after a fault or if it would change under `--check`.
fn stream(check: bool, messages: &Messages) -> bool {
    let mut bytes = Vec::new();
    let limit = syntax::MAX_SOURCE as u64 + 1;
    let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
    let text = match read {
        Ok(_) => syntax::decode(&bytes, "<stdin>"),
        Err(e) => Err(Diagnostic::without_span(Code::E0801, format!("cannot read the standard input: {e}"))),
    };
    let text = match text {
        Ok(text) => text,
        Err(d) => {
            messages.show_fault(&d);
            return false;
        }
    };
    let Some(new) = formatted("<stdin>", &text, messages) else { return false };
    if check {
        let same = new.as_bytes() == bytes;
        if !same {
            out("<stdin>\n");
        }
        return same;
    }
    out(&new);
    true
}

/// Formats one file in place; false after a fault or if it would change under `--check`.
fn file(path: &Path, check: bool, messages: &Messages) -> bool {
    let text = match driver::read(path) {
        Ok(text) => text,
        Err(d) => {
            messages.show_fault(&d);
            return false;
        }
    };
    let Some(new) = formatted(&path.display().to_string(), &text, messages) else { return false };
    // What was decoded lacks a byte order mark, which formatting removes too.
    let same = new == text && std::fs::metadata(path).is_ok_and(|m| m.len() == new.len() as u64);
    if same {
        return true;
    }
    if check {
        out(&format!("{}\n", path.display()));
        return false;
    }
    match rewrite(path, &new) {
        Ok(()) => true,
        Err(d) => {
            messages.show_fault(&d);
            false
        }
    }
}
