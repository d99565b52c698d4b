//! What the benches of simulation run: shipped models, and digits that need no files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use snnc::diag::Diagnostic;
use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::{DataId, Model};
use snnc::runtime::Network;
use snnc::script::eval::{DataAccess, Env, run_experiments};
use snnc::script::ir::Split;
use snnc::script::machine::{Machine, RunKey};
use snnc::script::outcome::Silent;
use snnc::script::tensor::{Data, SampleRef, Tensor};

/// A model that is checked, compiled and built.
pub(crate) struct Built {
    model: Arc<Model>,
    network: Network,
    runs: u64,
}

/// The text of a shipped model.
pub(crate) fn text_of(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
    let text = std::fs::read_to_string(&path).expect("a shipped model");
    (path, text)
}

/// Checks and plans a model.
pub(crate) fn checked(name: &str, set: &[(&str, &str)]) -> Session {
    let (path, text) = text_of(name);
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut session = Session::from_text(&path, &text, &Settings { set, threads: Some(1), ..Settings::default() });
    session.plan_only();
    assert!(!session.failed(), "{name} has errors");
    session
}

impl Built {
    /// A shipped model with other values of its parameters.
    pub(crate) fn new(name: &str, set: &[(&str, &str)]) -> Self {
        let session = checked(name, set);
        let model = session.model.clone().expect("a checked model");
        let network = session.build(&model, BackendKind::Jit).expect("a network").0;
        Self { model, network, runs: 0 }
    }

    /// Simulates so many steps.
    pub(crate) fn steps(&mut self, steps: u64) {
        self.runs += 1;
        self.network.begin_run(steps, RunKey(self.runs)).expect("a run");
        self.network.advance(steps).expect("steps");
    }

    /// Runs an experiment.
    pub(crate) fn experiment(&mut self, name: &str) {
        let out = tempfile::tempdir().expect("a folder");
        let cancel = AtomicBool::new(false);
        let env = Env {
            data: &Digits,
            model_dir: PathBuf::new(),
            out_dir: Some(out.path().to_owned()),
            unnamed: true,
            threads: 1,
            seed: 0,
            only: vec![name.to_owned()],
            cancel: &cancel,
        };
        let model = self.model.clone();
        let outcome = run_experiments(&model.script, &model, &mut self.network, &env, &mut Silent, &mut Silent);
        assert!(outcome.succeeded(), "{:?}", outcome.diagnostics);
    }
}

/// Images like digits: about a fifth of the pixels are bright, in a band that turns from sample to sample.
struct Digits;

impl DataAccess for Digits {
    fn samples(&self, _: DataId, _: Split) -> Result<usize, Diagnostic> {
        Ok(60_000)
    }

    fn image(&self, sample: SampleRef) -> Result<Tensor, Diagnostic> {
        let angle = sample.index as f64 * 0.7;
        let bright = |k: usize| {
            let (x, y) = ((k % 28) as f64 - 13.5, (k / 28) as f64 - 13.5);
            let across = (x * angle.cos() + y * angle.sin()).abs();
            if x.hypot(y) < 11.0 { (1.0 - across / 4.5).max(0.0) } else { 0.0 }
        };
        Ok(Tensor { shape: vec![28, 28], data: Data::F64((0..784).map(bright).collect()) })
    }

    fn label(&self, sample: SampleRef) -> Result<i64, Diagnostic> {
        Ok(sample.index as i64 % 10)
    }
}
