//! The same seed gives the same bytes: a short training on MNIST, through the program itself, on one, two and three threads and twice.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What a run leaves: the report without its times, what was printed, and the weights file.
struct Left {
    report: Value,
    stdout: String,
    weights: Vec<u8>,
}

fn run(threads: usize) -> Left {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report.json");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sizes = ["n_train=20", "n_label=30", "n_test=30", "n_exc=64"];
    let output = Command::new(env!("CARGO_BIN_EXE_snnc"))
        .current_dir(root)
        .args(["run", "models/diehl_cook.snn", "--seed", "5"])
        .args(sizes.iter().flat_map(|s| ["--set", s]))
        .args(["--threads", &threads.to_string()])
        .arg("--out")
        .arg(dir.path())
        .arg("--report")
        .arg(&report)
        .output()
        .unwrap();
    // A network trained on 20 images may well miss the model's own expectations.
    let status = output.status.code();
    assert!(matches!(status, Some(0 | 1)), "{status:?}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    let weights: Vec<_> = walk(dir.path()).into_iter().filter(|p| p.extension().is_some_and(|e| e == "npz")).collect();
    assert_eq!(weights.len(), 1, "{weights:?}");
    let object = report.as_object_mut().unwrap();
    assert_eq!(object["threads"], Value::from(threads));
    for key in ["threads", "compile_ms", "build_ms", "peak_rss_mb", "files"] {
        assert!(object.remove(key).is_some(), "{key}");
    }
    for phase in object["phases"].as_array_mut().unwrap() {
        let phase = phase.as_object_mut().unwrap();
        assert!(phase["wall_s"].as_f64().unwrap() > 0.0);
        phase.remove("wall_s");
        phase.remove("cpu_s");
    }
    // Lines of results, not the summary with its times.
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stdout = stdout.split("\n\n").next().unwrap_or_default().to_owned();
    Left { report, stdout, weights: std::fs::read(&weights[0]).unwrap() }
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(walk(&path)) } else { out.push(path) }
    }
    out
}

#[test]
fn a_training_leaves_the_same_bytes_on_any_number_of_threads() {
    let first = run(1);
    let phases = first.report["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 3, "train, label, evaluate");
    assert!(phases.iter().all(|p| p["finished"] == true && p["spikes"]["E"].as_u64().unwrap() > 0), "{phases:?}");
    assert!(first.weights.len() > 784 * 64, "{} bytes", first.weights.len());
    for threads in [1, 2, 3] {
        let again = run(threads);
        assert_eq!(first.report, again.report, "{threads} threads");
        assert_eq!(first.stdout, again.stdout, "{threads} threads");
        assert!(first.weights == again.weights, "the weights differ on {threads} threads");
    }
}
