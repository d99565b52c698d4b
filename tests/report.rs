//! The report and the summary of a run say what they promise: names, kinds and units of every field.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const MODEL: &str = "\
simulation { dt = 0.1 ms; seed = 3; precision = f64; threads = 2 }
param n = 20
neuron Cell {
  state v = 0 mV
  dv/dt = (20 mV - v) / 10 ms
  spike when v > 15 mV
  on spike { v = 0 mV }
}
population P[n]: Cell(v = uniform(0 mV, 15 mV))
population Q: Cell()
readout vote: max_rate(classes = 2)
experiment settle { run 20 ms }
experiment measure {
  run 100 ms
  print(\"rate\", rate(P), \"v\", Q.v)
  print(\"counts\", sum(P.count))
  observe(vote, P.count, 1)
  fit(vote)
  run 50 ms
  score(vote, P.count, 1)
  score(vote, P.count, 0)
  print(\"accuracy\", accuracy(vote))
  expect rate(P) > 10 Hz
  expect rate(P) < 1 Hz
}
";

fn run(dir: &Path, extra: &[&str]) -> Output {
    fs::write(dir.join("cells.snn"), MODEL).unwrap();
    Command::new(env!("CARGO_BIN_EXE_snnc"))
        .current_dir(dir)
        .args(["run", "cells.snn", "--report", "report.json"])
        .args(extra)
        .output()
        .unwrap()
}

fn report(dir: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.join("report.json")).unwrap()).unwrap()
}

#[test]
fn the_report_has_every_field_with_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "one expectation fails");
    let r = report(dir.path());
    assert_eq!(r["snnc"], env!("CARGO_PKG_VERSION"));
    assert_eq!(r["model"], "cells.snn");
    assert_eq!((&r["seed"], &r["threads"]), (&Value::from(3), &Value::from(2)));
    assert_eq!((&r["backend"], &r["precision"]), (&Value::from("jit"), &Value::from("f64")));
    assert!(r["opt"].is_u64(), "{}", r["opt"]);
    for key in ["compile_ms", "build_ms", "peak_rss_mb"] {
        assert!(r[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert_eq!(r["cancelled"], false);

    let phases = r["phases"].as_array().unwrap();
    assert_eq!(phases.iter().map(|p| p["name"].as_str().unwrap()).collect::<Vec<_>>(), ["settle", "measure"]);
    assert_eq!(phases.iter().map(|p| p["steps"].as_u64().unwrap()).collect::<Vec<_>>(), [200, 1500]);
    for p in phases {
        assert_eq!(p["samples"], 0);
        assert!(p["wall_s"].as_f64().unwrap() > 0.0 && p["cpu_s"].as_f64().unwrap() >= 0.0, "{p}");
        assert_eq!(p["finished"], true);
        assert!(p["spikes"]["P"].is_u64() && p["spikes"]["Q"].is_u64(), "{p}");
    }

    let results = r["results"].as_array().unwrap();
    let named =
        |name: &str| results.iter().find(|x| x["name"] == name).unwrap_or_else(|| panic!("{name}: {results:?}"));
    assert_eq!(named("rate")["unit"], "Hz");
    assert!(named("rate")["value"].as_f64().unwrap() > 10.0);
    assert_eq!(named("v")["unit"], "mV");
    assert_eq!(named("counts")["unit"], "");
    assert!(named("counts")["value"].is_u64());
    assert_eq!(named("accuracy")["value"], 0.5);
    assert!(results.iter().all(|x| x["phase"] == "measure"));

    let expects = r["expects"].as_array().unwrap();
    assert_eq!(expects.len(), 2);
    assert_eq!(expects[0]["text"], "rate(P) > 10 Hz");
    assert_eq!((&expects[0]["held"], &expects[1]["held"]), (&Value::from(true), &Value::from(false)));
    let value = expects[1]["value"].as_str().unwrap();
    assert!(value.ends_with(" Hz < 1 Hz"), "{value}");

    let readout = &r["readouts"][0];
    assert_eq!((&readout["name"], &readout["phase"]), (&Value::from("vote"), &Value::from("measure")));
    assert_eq!((&readout["accuracy"], &readout["scored"]), (&Value::from(0.5), &Value::from(2)));
    // Rows: the true class; columns: what was said, the last for nothing.
    assert_eq!(readout["confusion"], serde_json::json!([[0, 1, 0], [0, 1, 0]]));
}

#[test]
fn the_report_follows_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    run(
        dir.path(),
        &["--seed", "8", "--threads", "1", "--backend", "interp", "--precision", "f32", "--only", "settle"],
    );
    let r = report(dir.path());
    assert_eq!((&r["seed"], &r["threads"]), (&Value::from(8), &Value::from(1)));
    assert_eq!((&r["backend"], &r["precision"]), (&Value::from("interp"), &Value::from("f32")));
    assert_eq!(r["phases"].as_array().unwrap().len(), 1);
    assert_eq!(r["expects"].as_array().unwrap().len(), 0);
}

#[test]
fn the_summary_shows_times_accuracy_confusion_and_failures() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "settle ",
        "of 20 ms simulated",
        "measure ",
        "spikes: P ",
        "vote in measure: accuracy 50.00 % of 2 samples",
        "true \\ said",
        "expectations: 1 held, 1 failed",
        "failed: rate(P) < 1 Hz (",
        "seed 3, 2 threads, jit, f64; compiled in ",
    ] {
        assert!(text.contains(part), "{part}\nis missing in\n{text}");
    }
    // No terminal: no bar, only what failed.
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.starts_with("error[E0506]: `rate(P) < 1 Hz` does not hold\n"), "{errors}");
    assert!(!errors.contains("steps") && !errors.contains('\r'), "{errors}");
}

/// A profile names every part of the steps that does something, and changes no result.
#[test]
fn a_profile_is_reported_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &[]);
    let plain = report(dir.path());
    assert!(plain.get("profile").is_none());
    let output = run(dir.path(), &["--profile"]);
    let r = report(dir.path());
    assert_eq!(plain["results"], r["results"]);
    let p = &r["profile"];
    for time in ["source_ms", "compile_ms", "build_ms"] {
        assert!(p[time].as_f64().unwrap() > 0.0, "{time}");
    }
    assert_eq!(
        p["phases"].as_array().unwrap().iter().map(|x| x["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["settle", "measure"]
    );
    let parts = p["parts"].as_array().unwrap();
    let part = |what: &str, of: &str| parts.iter().find(|x| x["what"] == what && x["of"] == of).unwrap();
    // 170 ms in steps of 0.1 ms, each of which reads and writes v of 20 neurons in f64, and more.
    assert_eq!(part("update", "P")["steps"], 1700);
    assert!(part("update", "P")["bytes_per_step"].as_u64().unwrap() >= 2 * 20 * 8);
    assert!(part("spikes", "Q")["bytes_per_step"].is_null());
    assert!(parts.iter().all(|x| x["ms"].as_f64().unwrap() >= 0.0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("update P") && text.contains("run measure"), "{text}");
}
