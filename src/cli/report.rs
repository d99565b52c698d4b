//! The report: one JSON object, for a sweep one with all its runs. Equal runs give equal reports but for times and memory.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::sweep::Setting;
use crate::diag::Diagnostic;
use crate::script::outcome::Outcome;
use crate::script::tensor::Value;

/// What a report says beside the outcome.
pub(super) struct Facts<'a> {
    pub(super) model: &'a Path,
    pub(super) seed: u64,
    pub(super) threads: usize,
    pub(super) backend: &'static str,
    pub(super) precision: &'static str,
    pub(super) opt: crate::hir::Opt,
    pub(super) compile_ms: f64,
    pub(super) build_ms: f64,
}

/// What one run gave.
#[derive(Serialize)]
pub(super) struct Report {
    snnc: &'static str,
    model: String,
    seed: u64,
    threads: usize,
    backend: &'static str,
    opt: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without: Vec<&'static str>,
    precision: &'static str,
    compile_ms: f64,
    build_ms: f64,
    phases: Vec<Json>,
    results: Vec<Json>,
    expects: Vec<Json>,
    readouts: Vec<Json>,
    files: Vec<String>,
    diagnostics: Vec<String>,
    cancelled: bool,
    peak_rss_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Json>,
}

/// The report of a sweep.
#[derive(Serialize)]
struct Sweep<'a> {
    snnc: &'static str,
    model: String,
    runs: &'a [Run],
}

/// One run of a sweep: a report with the values that were set for it, as they were given.
#[derive(Serialize)]
pub(super) struct Run {
    settings: serde_json::Map<String, Json>,
    #[serde(flatten)]
    report: Report,
}

impl Run {
    /// A run with what was set for it.
    pub(super) fn new(setting: &Setting, report: Report) -> Self {
        Self { settings: setting.iter().map(|(name, value)| (name.clone(), json!(value))).collect(), report }
    }

    /// The report by itself.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }
}

/// The report of a run.
pub(super) fn of(facts: &Facts<'_>, outcome: &Outcome, profile: Option<&super::profile::Profile>) -> Report {
    Report {
        snnc: env!("CARGO_PKG_VERSION"),
        model: facts.model.display().to_string(),
        seed: facts.seed,
        threads: facts.threads,
        backend: facts.backend,
        opt: facts.opt.level,
        without: facts.opt.left_out().map(|k| k.name).collect(),
        precision: facts.precision,
        compile_ms: round(facts.compile_ms),
        build_ms: round(facts.build_ms),
        phases: outcome
            .phases
            .iter()
            .map(|p| {
                json!({
                    "name": p.name,
                    "steps": p.steps,
                    "samples": p.samples,
                    "wall_s": p.wall_s,
                    "cpu_s": p.cpu_s,
                    "spikes": p.spikes.iter().cloned().collect::<super::common::Counts>(),
                    "finished": p.finished,
                })
            })
            .collect(),
        results: outcome
            .results
            .iter()
            .map(|r| json!({ "phase": r.phase, "name": r.name, "value": value(&r.value), "unit": r.unit }))
            .collect(),
        expects: outcome
            .expects
            .iter()
            .map(|e| json!({ "phase": e.phase, "text": e.text, "value": e.value, "held": e.held }))
            .collect(),
        readouts: outcome
            .readouts
            .iter()
            .map(|r| {
                json!({
                    "phase": r.phase,
                    "name": r.name,
                    "accuracy": r.accuracy,
                    "scored": r.scored,
                    "confusion": r.confusion,
                })
            })
            .collect(),
        files: outcome.files.iter().map(|f| f.display().to_string()).collect(),
        diagnostics: outcome.diagnostics.iter().map(|d| format!("{}: {}", d.code, d.message)).collect(),
        cancelled: outcome.cancelled,
        peak_rss_mb: super::common::peak_rss_mb(),
        profile: profile.map(super::profile::Profile::json),
    }
}

/// Writes the report of a single run.
///
/// # Errors
/// The file cannot be written (E0801).
pub(super) fn write(path: &Path, report: &Report) -> Result<(), Diagnostic> {
    write_json(path, report)
}

/// Writes the report of a sweep.
///
/// # Errors
/// The file cannot be written (E0801).
pub(super) fn write_sweep(path: &Path, model: &Path, runs: &[Run]) -> Result<(), Diagnostic> {
    write_json(path, &Sweep { snnc: env!("CARGO_PKG_VERSION"), model: model.display().to_string(), runs })
}

/// Writes under a temporary name, then renames.
fn write_json(path: &Path, document: &impl Serialize) -> Result<(), Diagnostic> {
    crate::data::write_atomically(path, |file| {
        serde_json::to_writer_pretty(&mut *file, document).map_err(std::io::Error::from)?;
        std::io::Write::write_all(file, b"\n")
    })
}

fn round(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

/// A value as JSON; what JSON lacks (infinities, NaN) is text.
fn value(v: &Value) -> Json {
    match v {
        Value::Real(x) => serde_json::Number::from_f64(*x).map_or_else(|| json!(x.to_string()), Json::Number),
        Value::Int(x) => json!(x),
        Value::Bool(x) => json!(x),
        Value::Str(s) => json!(s.to_string()),
        Value::Tensor(t) => {
            let parts: Vec<Json> = (0..t.len()).map(|k| t.data.get(k).map_or(Json::Null, |x| value(&x))).collect();
            json!({ "shape": t.shape, "values": parts })
        }
        Value::Sample(_) | Value::None => Json::Null,
    }
}
