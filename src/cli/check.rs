//! `snnc check`

use std::io::IsTerminal;

use super::common::{color, out, show, tally};
use super::{CheckArgs, Format};
use crate::diag::{Code, Diagnostic, Severity, render};
use crate::driver::Session;
use crate::source::SourceMap;

/// Checks every file; 1 if one has an error.
pub(super) fn run(args: &CheckArgs) -> u8 {
    let settings = match args.common.settings() {
        Ok(s) => s,
        Err(text) => {
            show(&[Diagnostic::without_span(Code::E0905, text)], &SourceMap::default());
            return 1;
        }
    };
    for name in args.deny.iter().filter(|n| *n != "warnings").chain(&args.allow) {
        if !Code::ALL.iter().any(|c| c.name() == name) {
            let d = super::common::unknown("diagnostic", name, Code::ALL.iter().map(|c| c.name()));
            show(&[d], &SourceMap::default());
            return 1;
        }
    }
    let (mut errors, mut warnings) = (0, 0);
    for path in &args.models {
        let mut session = Session::open(path, &settings);
        session.plan_only();
        let mut items = session.sink.items;
        items.retain(|d| d.severity == Severity::Error || !args.allow.iter().any(|a| a == d.code.name()));
        for d in &mut items {
            let denied =
                args.deny.iter().any(|n| n == d.code.name() || n == "warnings" && d.severity == Severity::Warning);
            if denied {
                d.severity = Severity::Error;
            }
        }
        for d in &items {
            match args.message_format {
                Format::Human => {
                    out(&render::render_human(d, &session.sources, color(std::io::stdout().is_terminal())));
                    out("\n");
                }
                Format::Short => out(&format!("{}\n", render::render_short(d, &session.sources).trim_end())),
                Format::Json => out(&format!("{}\n", render::render_json(d, &session.sources).trim_end())),
            }
        }
        errors += items.iter().filter(|d| d.severity == Severity::Error).count();
        warnings += items.iter().filter(|d| d.severity == Severity::Warning).count();
        if args.message_format == Format::Human {
            out(&format!("{}\n", tally(&items, path)));
        }
    }
    if args.message_format == Format::Json {
        out(&format!("{{\"errors\": {errors}, \"warnings\": {warnings}}}\n"));
    }
    u8::from(errors > 0)
}
