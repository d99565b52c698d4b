//! Runs the experiments of a program from a text, on samples without images.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use snnc::diag::Diagnostic;
use snnc::diag::render::render_human;
use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::DataId;
use snnc::script::eval::{DataAccess, Env, run_experiments};
use snnc::script::ir::Split;
use snnc::script::outcome::{Outcome, Progress, Silent};
use snnc::script::tensor::{SampleRef, Tensor};

/// So many samples without images, of the classes 0, 1, 2, … in turn.
pub(crate) struct Samples {
    pub(crate) number: usize,
    pub(crate) classes: i64,
}

impl DataAccess for Samples {
    fn samples(&self, _: DataId, _: Split) -> Result<usize, Diagnostic> {
        Ok(self.number)
    }
    fn image(&self, _: SampleRef) -> Result<Tensor, Diagnostic> {
        panic!("no images here")
    }
    fn label(&self, sample: SampleRef) -> Result<i64, Diagnostic> {
        Ok(sample.index as i64 % self.classes)
    }
}

/// A sound program, with its plan.
pub(crate) fn session(path: &Path, text: &str, settings: &Settings) -> Session {
    let mut session = Session::from_text(path, text, settings);
    session.plan_only();
    let all: String = session.sink.items.iter().map(|d| render_human(d, &session.sources, false)).collect();
    assert!(!session.failed(), "{all}");
    session
}

/// What its experiments give.
pub(crate) fn run(session: &Session, kind: BackendKind, threads: usize, data: &Samples) -> Outcome {
    run_telling(session, kind, threads, data, &mut Silent)
}

/// The same, telling how far it is.
pub(crate) fn run_telling(
    session: &Session,
    kind: BackendKind,
    threads: usize,
    data: &Samples,
    progress: &mut dyn Progress,
) -> Outcome {
    let model = session.model.clone().unwrap();
    let cancel = AtomicBool::new(false);
    let env = Env {
        data,
        model_dir: PathBuf::new(),
        out_dir: None,
        unnamed: false,
        threads,
        seed: model.settings.seed,
        only: Vec::new(),
        cancel: &cancel,
    };
    let mut machine = session.build(&model, kind).unwrap_or_else(|e| panic!("{e:?}")).0;
    run_experiments(&model.script, &model, &mut machine, &env, &mut Silent, progress)
}
