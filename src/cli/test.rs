//! `snnc test`

use std::sync::atomic::AtomicBool;

use super::TestArgs;
use super::common::{Sets, open, out, threads};
use super::messages::Messages;
use crate::diag::{Code, Diagnostic, Severity};
use crate::script::eval::{Env, run_tests};
use crate::script::machine::Machine;
use crate::script::outcome::Silent;

/// Runs the tests of every file with every seed; 1 if one fails.
pub(super) fn run(args: &TestArgs, messages: &Messages) -> u8 {
    let (mut passed, mut failed) = (0_u64, 0_u64);
    let mut broken = false;
    for path in &args.models {
        let first = {
            let Some(session) = open(path, &args.common, messages) else {
                broken = true;
                continue;
            };
            let Some(model) = &session.model else { continue };
            if model.script.tests.is_empty() && !args.allow_none {
                let d = Diagnostic::without_span(Code::E0505, format!("`{}` has no tests", path.display()));
                messages
                    .show(&[d.help("add `test \"…\" { run 1 s; expect … }`, or pass --allow-none")], &session.sources);
                broken = true;
                continue;
            }
            model.settings.seed
        };
        for seed in (0..args.seeds.max(1)).map(|k| first.wrapping_add(k)) {
            let mut common = args.common.clone();
            common.seed = Some(seed);
            let Ok(settings) = common.settings() else { continue };
            let mut session = crate::driver::Session::open(path, &settings);
            session.plan_only();
            let Some(model) = session.model.clone() else {
                broken = true;
                continue;
            };
            let sets = Sets::new(&model, session.model_dir(), args.common.data.clone());
            let cancel = AtomicBool::new(false);
            let env = Env {
                data: &sets,
                model_dir: session.model_dir(),
                out_dir: None,
                unnamed: false,
                threads: threads(model.settings.threads),
                seed,
                only: Vec::new(),
                cancel: &cancel,
            };
            let mut errors: Vec<Diagnostic> = Vec::new();
            let mut fresh = || -> Result<Box<dyn Machine>, Diagnostic> {
                match session.build(&model, args.common.backend.kind()) {
                    Ok((n, _)) => Ok(Box::new(n)),
                    Err(mut e) if !e.is_empty() => {
                        let last = e.remove(0);
                        errors.extend(e);
                        Err(last)
                    }
                    Err(_) => {
                        Err(Diagnostic::without_span(Code::E0900, "a bug in snnc: building failed without a reason"))
                    }
                }
            };
            let mut outcome = run_tests(&model.script, &model, &mut fresh, &env, &mut Silent, &mut Silent);
            messages.show(&errors, &session.sources);
            session.leave_out_allowed(&mut outcome.diagnostics);
            messages.show(&outcome.diagnostics, &session.sources);
            let ended = outcome.phases.len();
            for p in &outcome.phases {
                let bad: Vec<_> = outcome.expects.iter().filter(|e| e.phase == p.name && !e.held).collect();
                let ok = bad.is_empty() && p.finished;
                let seeds = if args.seeds > 1 { format!(" (seed {seed})") } else { String::new() };
                out(&format!("test {} … {}{seeds}\n", p.name, if ok { "ok" } else { "FAILED" }));
                for e in bad {
                    out(&format!("  failed: {} ({})\n", e.text, e.value));
                }
                if ok {
                    passed += 1;
                } else {
                    failed += 1;
                }
            }
            if outcome.diagnostics.iter().any(|d| d.severity == Severity::Error) {
                broken = true;
            }
            // Tests that could not start have failed.
            failed += (model.script.tests.len().saturating_sub(ended)) as u64;
        }
    }
    out(&format!("{passed} passed, {failed} failed\n"));
    u8::from(failed > 0 || broken)
}
