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

/// A sweep: one report with all runs, each as it would be by itself with `--set`, and a folder for the files of each.
#[test]
fn a_sweep_reports_every_run_and_keeps_their_files_apart() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let text = MODEL.replace(
        "experiment measure {",
        "experiment measure {\n  save(\"v.npz\", P.v)\n  load(\"v.npz\", P.v)\n  record Q.v",
    );
    let snnc = |extra: &[&str]| {
        fs::write(at("cells.snn"), &text).unwrap();
        let args = [&["run", "cells.snn", "--report", "report.json", "--quiet"], extra].concat();
        Command::new(env!("CARGO_BIN_EXE_snnc")).current_dir(dir.path()).args(args).output().unwrap()
    };
    let output = snnc(&["--sweep", "n=10,4+4", "--out", "files"]);
    assert_eq!(output.status.code(), Some(1), "an expectation fails in each run");
    let all = report(dir.path());
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["model", "runs", "snnc"]);
    let runs = all["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    for (run, (value, folder)) in runs.iter().zip([("10", "n=10"), ("4+4", "n=4+4")]) {
        assert_eq!(run["settings"], serde_json::json!({ "n": value }));
        snnc(&["--set", &format!("n={value}"), "--out", "alone"]);
        let alone = report(dir.path());
        assert!(alone.get("settings").is_none() && alone.get("runs").is_none());
        for key in [
            "snnc",
            "model",
            "seed",
            "threads",
            "backend",
            "opt",
            "precision",
            "results",
            "expects",
            "readouts",
            "cancelled",
        ] {
            assert_eq!(run[key], alone[key], "{key}");
        }
        let fields =
            |r: &Value| r.as_object().unwrap().keys().filter(|k| *k != "settings").cloned().collect::<Vec<_>>();
        assert_eq!(fields(run), fields(&alone));
        assert_eq!(
            run["files"],
            serde_json::json!([format!("files/{folder}/v.npz"), format!("files/{folder}/recordings.npz")])
        );
        for file in ["v.npz", "recordings.npz"] {
            let of = |folder: &str| fs::read(at(folder).join(file)).unwrap();
            assert_eq!(of(&format!("files/{folder}")), of("alone"), "{file}");
        }
    }
    assert_ne!(runs[0]["results"], runs[1]["results"]);

    // Without `--out` the folders are here, and recordings that name no file are not written, as in a single run.
    snnc(&["--sweep", "n=10"]);
    assert!(at("n=10/v.npz").is_file() && !at("n=10/recordings.npz").exists() && !at("v.npz").exists());
}

/// A run of a sweep that cannot start is in the report too, and the others run.
#[test]
fn a_run_that_cannot_start_does_not_stop_a_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let wired = "population Q: Cell()\nsynapse S { weight w = 0.1 mV in [0 mV, 1 mV]; on pre { deliver w }; on post { w += 0.01 mV } }\n\
                 connect C: P -> Q.v via all_to_all with S()";
    let text = MODEL
        .replace("population Q: Cell()", wired)
        .replace("experiment measure {", "experiment measure {\n  save(\"w.npz\", C.w)");
    fs::write(dir.path().join("cells.snn"), text).unwrap();
    let snnc = |args: &[&str]| {
        let args = [&["run", "cells.snn", "--quiet"], args].concat();
        Command::new(env!("CARGO_BIN_EXE_snnc")).current_dir(dir.path()).args(args).output().unwrap()
    };
    snnc(&["--set", "n=8"]);
    let output = snnc(&["--sweep", "n=6,8", "--load", "w.npz", "--report", "report.json"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("error[E0803]") && errors.contains("in the run with n = 6"), "{errors}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.lines().any(|l| l.starts_with("6 ") && l.ends_with("not started")), "{table}");
    let r = report(dir.path());
    assert_eq!(
        (r["runs"][0]["phases"].as_array().unwrap().len(), r["runs"][1]["phases"].as_array().unwrap().len()),
        (0, 2)
    );
    assert!(r["runs"][0]["diagnostics"][0].as_str().unwrap().starts_with("E0803"), "{r}");
}
