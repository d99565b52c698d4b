//! `snnc run`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::RunArgs;
use super::common::{Sets, open, out, threads, unknown};
use super::messages::Messages;
use super::profile::Profile;
use super::progress::{Bars, Lines};
use super::report::{self, Facts};
use super::summary::summary;
use crate::diag::{Code, Diagnostic, Severity};
use crate::driver::precision_name;
use crate::script::eval::{DataAccess, Env, run_experiments};
use crate::script::machine::Machine;
use crate::script::recording::load_file;
use crate::script::walk::data_read;

/// Runs the experiments; 0 if all went well, 1 if not, 130 if stopped.
pub(super) fn run(args: &RunArgs, messages: &Messages) -> u8 {
    let Some(mut session) = open(&args.model, &args.common, messages) else { return 1 };
    session.profile = args.profile;
    let Some(model) = &session.model else { return 1 };
    let names = model.script.experiments.iter().map(|e| e.name.as_str());
    if model.script.experiments.is_empty() {
        let d = Diagnostic::without_span(Code::E0505, format!("`{}` has no experiment to run", args.model.display()));
        messages
            .show(&[d.help("add `experiment main { run 1 s }`, or use `snnc test` for its tests")], &session.sources);
        return 1;
    }
    for only in &args.only {
        if !names.clone().any(|n| n == only) {
            messages.show(&[unknown("experiment", only, names)], &session.sources);
            return 1;
        }
    }
    if let Some(dir) = &args.out
        && let Err(e) = std::fs::create_dir_all(dir)
    {
        let d = Diagnostic::without_span(Code::E0801, format!("cannot make the folder `{}`: {e}", dir.display()));
        messages.show(&[d], &session.sources);
        return 1;
    }
    // What is missing or damaged is told before anything is compiled or run.
    let sets = Sets::new(model, session.model_dir(), args.common.data.clone());
    for (data, split) in data_read(&model.script, &args.only) {
        if let Err(d) = sets.samples(data, split) {
            messages.show(&[d], &session.sources);
            return 1;
        }
    }
    let (mut network, times) = match session.build(model, args.common.backend.kind()) {
        Ok(n) => n,
        Err(errors) => {
            messages.show(&errors, &session.sources);
            return 1;
        }
    };
    if let Some(file) = &args.load
        && let Err(d) = load_file(&mut network, model, file)
    {
        messages.show(&[d], &session.sources);
        return 1;
    }
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = cancel.clone();
    // A second Ctrl-C ends the process at once.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    let env = Env {
        data: &sets,
        model_dir: session.model_dir(),
        out_dir: args.out.clone(),
        threads: threads(model.settings.threads),
        seed: model.settings.seed,
        only: args.only.clone(),
        cancel: &cancel,
    };
    let mut bars = Bars::new(args.quiet, messages);
    let mut lines = Lines::new(&bars);
    let outcome = run_experiments(&model.script, model, &mut network, &env, &mut lines, &mut bars);
    let shown: Vec<Diagnostic> =
        outcome.diagnostics.iter().filter(|d| !args.quiet || d.severity == Severity::Error).cloned().collect();
    messages.show(&shown, &session.sources);
    let facts = Facts {
        model: &args.model,
        seed: model.settings.seed,
        threads: env.threads,
        backend: args.common.backend.name(),
        precision: precision_name(model.settings.precision),
        opt: model.settings.opt,
        compile_ms: (session.front + times.compile).as_secs_f64() * 1000.0,
        build_ms: times.build.as_secs_f64() * 1000.0,
    };
    let profile = Profile::new(&network, model, session.front, times, &outcome);
    // What failed is among the diagnostics.
    if !args.quiet {
        out(&summary(&facts, &outcome, network.dt()));
        if let Some(profile) = &profile {
            out(&profile.text());
        }
    }
    if let Some(path) = &args.report
        && let Err(d) = report::write(path, &facts, &outcome, profile.as_ref())
    {
        messages.show(&[d], &session.sources);
        return 1;
    }
    if outcome.cancelled { 130 } else { u8::from(!outcome.succeeded()) }
}
