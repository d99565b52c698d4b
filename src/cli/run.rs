//! `snnc run`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::RunArgs;
use super::common::{Sets, out, settings, threads, unknown};
use super::messages::Messages;
use super::profile::Profile;
use super::progress::{Bars, Lines};
use super::report::{self, Facts, Report};
use super::summary::summary;
use super::sweep::{self, Setting};
use crate::data::npz_schema;
use crate::diag::{Code, Diagnostic, Severity};
use crate::driver::{Session, precision_name};
use crate::hir::Model;
use crate::runtime::Network;
use crate::runtime::build::BuildTimes;
use crate::script::eval::{DataAccess, Env, run_experiments};
use crate::script::machine::Machine;
use crate::script::outcome::Outcome;
use crate::script::recording::load_file;
use crate::script::walk::data_read;
use crate::source::SourceMap;

/// Runs the experiments, those of a sweep once for each setting; 0 if all went well, 1 if not, 130 if stopped.
pub(super) fn run(args: &RunArgs, messages: &Messages) -> u8 {
    // The command line is consistent here.
    let Ok(settings) = sweep::settings(&args.sweep, &args.common.set) else { return 2 };
    let Some(sessions) = open(args, &settings, messages) else { return 1 };
    let Some(mut sets) = ready(args, &sessions, messages) else { return 1 };
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = cancel.clone();
    // A second Ctrl-C ends the process at once.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    let swept = !args.sweep.is_empty();
    let folders = sweep::folders(&settings);
    let all = settings.len();
    let mut reports = Vec::new();
    let mut runs: Vec<(Setting, Outcome)> = Vec::new();
    for (k, ((session, setting), folder)) in sessions.into_iter().zip(settings).zip(folders).enumerate() {
        if cancel.load(Ordering::SeqCst) {
            break;
        }
        let Some(model) = session.model.clone() else { return 1 };
        if !sets.are_of(&model) {
            sets = of(args, &session, &model);
        }
        let mut out_dir = args.out.clone();
        if swept {
            out(&format!("{}{}  (run {} of {all})\n", if k > 0 { "\n" } else { "" }, sweep::shown(&setting), k + 1));
            out_dir = Some(args.out.clone().unwrap_or_default().join(folder));
        }
        let one = One { args, messages, session: &session, model: &model, setting: &setting, sets: &sets, out_dir };
        let (outcome, report) = one.run(&cancel);
        reports.extend(report.filter(|_| args.report.is_some()).map(|r| report::Run::new(&setting, r)));
        runs.push((setting, outcome));
    }
    if swept {
        out(&sweep::table(&runs));
    }
    let written = match (&args.report, reports.as_slice()) {
        (None, _) => Ok(()),
        (Some(path), reports) if swept => report::write_sweep(path, &args.model, reports),
        (Some(path), [run]) => report::write(path, run.report()),
        // It could not be built, and has no report.
        (Some(_), _) => Ok(()),
    };
    if let Err(d) = &written {
        messages.show(std::slice::from_ref(d), &SourceMap::default());
    }
    if written.is_err() {
        return 1;
    }
    if cancel.load(Ordering::SeqCst) { 130 } else { u8::from(!runs.iter().all(|(_, outcome)| outcome.succeeded())) }
}

/// Checks the model with every setting and shows what is wrong; `None` if one of them cannot be built.
fn open(args: &RunArgs, all: &[Setting], messages: &Messages) -> Option<Vec<Session>> {
    let common = settings(&args.common, messages)?;
    // A file that cannot be read is told of when it is loaded.
    let loaded = args.load.as_deref().and_then(|file| npz_schema(file).ok()).unwrap_or_default();
    let loads: Vec<String> = loaded.into_iter().map(|(name, ..)| name).collect();
    let mut sessions: Vec<Session> = Vec::new();
    for setting in all {
        let mut settings = common.clone();
        settings.set.extend(setting.iter().cloned());
        let mut session = Session::open(&args.model, &settings);
        session.plan_only();
        session.profile = args.profile;
        session.loads.clone_from(&loads);
        sessions.push(session);
    }
    let said: Vec<&[Diagnostic]> = sessions.iter().map(|s| s.sink.items.as_slice()).collect();
    let told = sweep::merged(all, &said);
    for (k, d) in &told {
        if let Some(session) = sessions.get(*k) {
            messages.show(std::slice::from_ref(d), &session.sources);
        }
    }
    if sessions.iter().any(Session::failed) {
        messages.sum(&told.into_iter().map(|(_, d)| d).collect::<Vec<_>>(), &args.model);
        return None;
    }
    Some(sessions)
}

/// Whether everything that the runs need is there, in so far as that can be told before anything is compiled or run. Gives the data
/// sets of the first run.
fn ready(args: &RunArgs, sessions: &[Session], messages: &Messages) -> Option<Sets> {
    let mut sets: Option<Sets> = None;
    for session in sessions {
        let Some(model) = &session.model else { continue };
        let show = |d| {
            messages.show(&[d], &session.sources);
            None
        };
        let names = model.script.experiments.iter().map(|e| e.name.as_str());
        if model.script.experiments.is_empty() {
            let d =
                Diagnostic::without_span(Code::E0505, format!("`{}` has no experiment to run", args.model.display()));
            return show(d.help("add `experiment main { run 1 s }`, or use `snnc test` for its tests"));
        }
        for only in &args.only {
            if !names.clone().any(|n| n == only) {
                return show(unknown("experiment", only, names));
            }
        }
        if sets.as_ref().is_some_and(|s| s.are_of(model)) {
            continue;
        }
        let own = of(args, session, model);
        for (data, split) in data_read(&model.script, &args.only) {
            if let Err(d) = own.samples(data, split) {
                return show(d);
            }
        }
        sets.get_or_insert(own);
    }
    if let Some(dir) = &args.out
        && let Err(e) = std::fs::create_dir_all(dir)
    {
        let d = Diagnostic::without_span(Code::E0801, format!("cannot make the folder `{}`: {e}", dir.display()));
        messages.show(&[d], &SourceMap::default());
        return None;
    }
    sets
}

fn of(args: &RunArgs, session: &Session, model: &Model) -> Sets {
    Sets::new(model, session.model_dir(), args.common.data.clone())
}

/// One run of a model with one setting.
struct One<'a> {
    args: &'a RunArgs,
    messages: &'a Messages,
    session: &'a Session,
    model: &'a Arc<Model>,
    setting: &'a Setting,
    sets: &'a Sets,
    out_dir: Option<PathBuf>,
}

impl One<'_> {
    /// Shows diagnostics; those of a sweep say of which run they are.
    fn show(&self, diagnostics: &[Diagnostic]) {
        let named = |d: Diagnostic| match self.setting.as_slice() {
            [] => d,
            _ => d.note(format!("in the run with {}", sweep::shown(self.setting))),
        };
        let shown: Vec<Diagnostic> = diagnostics.iter().cloned().map(named).collect();
        self.messages.show(&shown, &self.session.sources);
    }

    /// Builds the network and runs the experiments. Of what could not start there is a report in a sweep only, where others stand beside it.
    fn run(&self, cancel: &AtomicBool) -> (Outcome, Option<Report>) {
        let Self { args, session, model, .. } = self;
        let mut facts = Facts {
            model: &args.model,
            seed: model.settings.seed,
            threads: threads(model.settings.threads),
            backend: args.common.backend.name(),
            precision: precision_name(model.settings.precision),
            opt: model.settings.opt,
            compile_ms: 0.0,
            build_ms: 0.0,
        };
        let (mut network, times) = match self.network() {
            Ok(built) => built,
            Err(diagnostics) => {
                self.show(&diagnostics);
                let outcome = Outcome { diagnostics, ..Outcome::default() };
                let report = (!self.setting.is_empty()).then(|| report::of(&facts, &outcome, None));
                return (outcome, report);
            }
        };
        facts.compile_ms = (session.front + times.compile).as_secs_f64() * 1000.0;
        facts.build_ms = times.build.as_secs_f64() * 1000.0;
        let env = Env {
            data: self.sets,
            model_dir: session.model_dir(),
            out_dir: self.out_dir.clone(),
            unnamed: args.out.is_some(),
            threads: facts.threads,
            seed: model.settings.seed,
            only: args.only.clone(),
            cancel,
        };
        let mut bars = Bars::new(args.quiet, self.messages);
        let mut lines = Lines::new(&bars, session);
        let mut outcome = run_experiments(&model.script, model, &mut network, &env, &mut lines, &mut bars);
        session.leave_out_allowed(&mut outcome.diagnostics);
        let told = outcome.diagnostics.iter().filter(|d| !args.quiet || d.severity == Severity::Error);
        self.show(&told.cloned().collect::<Vec<_>>());
        let profile = Profile::new(&network, model, session.front, times, &outcome);
        // What failed is among the diagnostics.
        if !args.quiet {
            out(&summary(&facts, &outcome, network.dt()));
            if let Some(profile) = &profile {
                out(&profile.text());
            }
        }
        let report = report::of(&facts, &outcome, profile.as_ref());
        (outcome, Some(report))
    }

    fn network(&self) -> Result<(Network, BuildTimes), Vec<Diagnostic>> {
        let (mut network, times) = self.session.build(self.model, self.args.common.backend.kind())?;
        if let Some(file) = &self.args.load {
            load_file(&mut network, self.model, file).map_err(|d| vec![d])?;
        }
        Ok((network, times))
    }
}
