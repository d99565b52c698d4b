//! The report: one JSON object. Equal runs give equal reports but for times and memory.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value as Json, json};

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
    pub(super) opt: u8,
    pub(super) compile_ms: f64,
    pub(super) build_ms: f64,
}

#[derive(Serialize)]
struct Report {
    snnc: &'static str,
    model: String,
    seed: u64,
    threads: usize,
    backend: &'static str,
    opt: u8,
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

/// Writes a report under a temporary name, then renames it.
///
/// # Errors
/// The file cannot be written (E0801).
pub(super) fn write(
    path: &Path,
    facts: &Facts<'_>,
    outcome: &Outcome,
    profile: Option<&super::profile::Profile>,
) -> Result<(), Diagnostic> {
    let report = Report {
        snnc: env!("CARGO_PKG_VERSION"),
        model: facts.model.display().to_string(),
        seed: facts.seed,
        threads: facts.threads,
        backend: facts.backend,
        opt: facts.opt,
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
    };
    crate::data::write_atomically(path, |file| {
        serde_json::to_writer_pretty(&mut *file, &report).map_err(std::io::Error::from)?;
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
