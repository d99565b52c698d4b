//! `snnc check`

use std::path::Path;

use super::CheckArgs;
use super::common::{Sets, err, files, rewrite};
use super::messages::Messages;
use crate::diag::{Code, Diagnostic, Severity, fixes};
use crate::driver::{Session, Settings};
use crate::source::FileId;

/// Checks every file; 1 if one has an error.
pub(super) fn run(args: &CheckArgs, messages: &Messages) -> u8 {
    let settings = match args.common.settings() {
        Ok(s) => s,
        Err(text) => {
            messages.show_fault(&Diagnostic::without_span(Code::E0905, text));
            return 1;
        }
    };
    for name in args.deny.iter().filter(|n| *n != "warnings").chain(&args.allow) {
        if !Code::ALL.iter().any(|c| c.name() == name) {
            let d = super::common::unknown("diagnostic", name, Code::ALL.iter().map(|c| c.name()));
            messages.show_fault(&d);
            return 1;
        }
    }
    let mut errors = false;
    let paths = match files(&args.models) {
        Ok(paths) => paths,
        Err(d) => {
            messages.show_fault(&d);
            return 1;
        }
    };
    for path in &paths {
        let mut session = checked(path, &settings, args.common.data.as_deref(), &args.allow);
        if args.fix {
            session = match mend(path, session, &settings, args.common.data.as_deref(), &args.allow) {
                Ok(session) => session,
                Err(d) => {
                    messages.show_fault(&d);
                    return 1;
                }
            };
        }
        let mut items = session.sink.items;
        for d in &mut items {
            let denied =
                args.deny.iter().any(|n| n == d.code.name() || n == "warnings" && d.severity == Severity::Warning);
            if denied {
                d.severity = Severity::Error;
            }
        }
        messages.show(&items, &session.sources);
        messages.sum(&items, path);
        errors |= items.iter().any(|d| d.severity == Severity::Error);
    }
    u8::from(errors)
}

/// How often a file is mended and checked again: a fault of syntax hides others.
const ROUNDS: usize = 10;

/// Everything that is wrong with a file, without the warnings that are allowed.
fn checked(path: &Path, settings: &Settings, data: Option<&Path>, allow: &[String]) -> Session {
    let mut session = Session::open(path, settings);
    session.plan_only();
    if let Some(model) = &session.model {
        let missing = Sets::new(model, session.model_dir(), data.map(Path::to_owned)).missing(model);
        session.sink.items.extend(missing);
    }
    session.sink.items.retain(|d| d.severity == Severity::Error || !allow.iter().any(|a| a == d.code.name()));
    session
}

/// Makes the edits of the diagnostics in the file, until none is left; gives the last check.
fn mend(
    path: &Path,
    mut session: Session,
    settings: &Settings,
    data: Option<&Path>,
    allow: &[String],
) -> Result<Session, Diagnostic> {
    // The model is the first file of a session.
    let file = FileId(0);
    let mut total = 0;
    for _ in 0..ROUNDS {
        let Some(source) = session.sources.get(file) else { break };
        let (text, mended) = fixes::apply(&source.text, file, &session.sink.items);
        if mended == 0 {
            break;
        }
        rewrite(path, &text)?;
        total += mended;
        session = checked(path, settings, data, allow);
    }
    if total > 0 {
        err(&format!("{}: {total} fixed\n", path.display()));
    }
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str) -> (String, Vec<Code>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.snn");
        std::fs::write(&path, text).unwrap();
        let settings = Settings::default();
        let session = mend(&path, checked(&path, &settings, None, &[]), &settings, None, &[]).unwrap();
        let left = session.sink.items.iter().map(|d| d.code).collect();
        (std::fs::read_to_string(&path).unwrap(), left)
    }

    #[test]
    fn certain_faults_are_mended_and_a_second_round_finds_what_syntax_hid() {
        let text = "neuron Cell {
  param tau = 20 msec, E_leak = -65 mV
  state v = -65 mV, r = 0.5
  tau * dv/dt = E_laek - v
  tau * dr/dt = -r**2
  spike when v > -50 && r > 0
  on spike { v = -65 mV }
}
population P[10]: Cell()
";
        let (text, left) = mended(text);
        assert_eq!(left, [], "{text}");
        for part in ["20 ms,", "E_leak - v", "-r^2", "v > -50 mV and r > 0"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_is_not_certain_stays_as_it_is() {
        let text = "neuron Cell {\n  state v = -65 mV\n  dv/dt = -v\n}\npopulation P[10]: Cell()\n";
        assert_eq!(mended(text), (text.to_owned(), vec![Code::E0202]));
    }
}
