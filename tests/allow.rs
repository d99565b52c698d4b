//! Warnings that a file accepts: over imports, settings and commands, and when an `allow` is said to be of no use. What single files give is in
//! `tests/ui` (`allow_….snn`).
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use snnc::diag::fixes;
use snnc::driver::{Session, Settings};
use snnc::source::FileId;

/// An explicit Euler step as long as the time constant, and a line more.
fn cells(line: &str) -> String {
    format!("neuron Cell {{\n  state v = -65 mV\n  1 ms * dv/dt = -65 mV - v\n  method euler\n  {line}\n}}\n")
}

const NETWORK: &str = "simulation { dt = 1 ms }\npopulation P[3]: Cell()\ntest \"it rests\" { run 1 ms }\n";
const ALLOW: &str = "allow W0701 \"as published\"";

fn codes(path: &Path, settings: &Settings) -> Vec<String> {
    let mut session = Session::open(path, settings);
    session.plan_only();
    session
        .sink
        .items
        .iter()
        .map(|d| format!("{} {}", d.code, session.sources.text(d.primary.as_ref().unwrap().span)))
        .collect()
}

#[test]
fn an_imported_file_keeps_what_it_allows_and_nothing_else_covers_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let check = |library: &str, top: &str| {
        fs::write(at("cells.snn"), library).unwrap();
        fs::write(at("main.snn"), format!("import \"cells.snn\"\n{top}\n{NETWORK}")).unwrap();
        codes(&at("main.snn"), &Settings::default())
    };
    assert_eq!(check(&cells(""), ""), ["W0701 euler"]);
    assert_eq!(check(&cells(ALLOW), ""), Vec::<String>::new());
    assert_eq!(check(&format!("{}\n{ALLOW}\n", cells("")), ""), Vec::<String>::new());
    assert_eq!(check(&cells(""), ALLOW), [format!("W0802 {ALLOW}"), "W0701 euler".to_owned()]);
    // The library may need it elsewhere.
    assert_eq!(check(&cells("allow W0704 \"another network spikes\""), ""), ["W0701 euler"]);
    assert_eq!(codes(&at("cells.snn"), &Settings::default()), Vec::<String>::new(), "no population uses it");
}

#[test]
fn what_is_reported_of_the_prelude_belongs_to_the_model_file() {
    let text =
        "simulation { dt = 2 ms }\npopulation P[3]: adex(I = 500 pA)\nexperiment main { run 100 ms; print(P.count) }\n";
    let session = |text: &str| {
        let mut session = Session::from_text(Path::new("m.snn"), text, &Settings::default());
        session.plan_only();
        session
    };
    let plain = session(text);
    let found: Vec<_> =
        plain.sink.items.iter().filter(|d| d.primary.as_ref().unwrap().span.file != FileId(0)).collect();
    assert!(!found.is_empty(), "{:?}", plain.sink.items);
    let all: std::collections::BTreeSet<&str> = plain.sink.items.iter().map(|d| d.code.name()).collect();
    let allow = all.into_iter().map(|c| format!("allow {c} \"coarse on purpose\"\n")).collect::<String>();
    assert_eq!(session(&(allow + text)).sink.items, []);
}

#[test]
fn settings_of_the_command_line_make_no_allow_useless() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.snn");
    let text = format!("param tau = 1 ms\n{}{NETWORK}", cells(ALLOW).replace("1 ms *", "tau *"));
    fs::write(&path, &text).unwrap();
    assert_eq!(codes(&path, &Settings::default()), Vec::<String>::new());
    let set = Settings { set: vec![("tau".to_owned(), "50 ms".to_owned())], ..Settings::default() };
    assert_eq!(codes(&path, &set), Vec::<String>::new());
    fs::write(&path, text.replace("tau = 1 ms", "tau = 50 ms")).unwrap();
    assert_eq!(codes(&path, &Settings::default()), [format!("W0802 {ALLOW}")]);
}

#[test]
fn what_is_of_no_use_is_removed_unless_that_is_allowed_too() {
    let text = format!("## Once.\nallow W0710 \"no more\"\n{}{NETWORK}", cells(ALLOW));
    let check = |text: &str| {
        let mut session = Session::from_text(Path::new("m.snn"), text, &Settings::default());
        session.plan_only();
        session
    };
    let session = check(&text);
    let (mended, n) = fixes::apply(&text, FileId(0), &session.sink.items);
    assert_eq!((mended.as_str(), n), (&*format!("{}{NETWORK}", cells(ALLOW)), 1));
    assert_eq!(check(&mended).sink.items, []);
    let kept = format!("allow W0802 \"older versions of snnc give it\"\n{text}");
    assert_eq!(check(&kept).sink.items, []);
    let alone = format!("allow W0802 \"nothing is useless here\"\n{}{NETWORK}", cells(ALLOW));
    assert_eq!(check(&alone).sink.items.len(), 1);
    // A faulty file gives no warnings, and so no `allow` is of no use.
    let faulty = check(&format!("{text}\nexperiment e {{ run 1 mV }}\n"));
    assert_eq!(faulty.sink.items.iter().map(|d| d.code.name()).collect::<Vec<_>>(), ["E0205"]);
}

/// Exit status and what is written.
fn snnc(dir: &Path, args: &[&str]) -> (i32, String) {
    let out =
        Command::new(env!("CARGO_BIN_EXE_snnc")).args(args).current_dir(dir).env("NO_COLOR", "1").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap();
    (out.status.code().unwrap(), text)
}

#[test]
fn every_command_honours_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("m.snn"), cells(ALLOW) + NETWORK).unwrap();
    fs::write(dir.path().join("idle.snn"), format!("allow W0710 \"no more\"\n{}{NETWORK}", cells(ALLOW))).unwrap();
    let run = |args: &[&str]| snnc(dir.path(), args);
    assert_eq!(run(&["check", "-D", "warnings", "m.snn"]), (0, "m.snn: no problems\n".to_owned()));
    assert_eq!(run(&["check", "-D", "warnings", "."]).0, 1);
    assert_eq!(run(&["check", "-D", "warnings", "--allow", "W0802", "."]).0, 0);
    assert_eq!(run(&["check", "-D", "W0701", "m.snn"]).0, 0);
    let (status, json) = run(&["check", "--message-format", "json", "."]);
    assert!(
        status == 0 && json.contains("\"W0802\"") && json.ends_with("{\"errors\": 0, \"warnings\": 1}\n"),
        "{json}"
    );
    let (status, text) = run(&["test", "m.snn"]);
    assert!(status == 0 && !text.contains("W0"), "{text}");
    let (status, text) = run(&["check", "--fix", "-D", "warnings", "idle.snn"]);
    assert!(status == 0 && text.contains("1 fixed"), "{text}");
    let silent = "allow W0714 \"a control\"\nneuron Cell {\n  state v = uniform(-65 mV, -60 mV)\n  20 ms * dv/dt = -65 mV - v\n  \
                  spike when v > -50 mV\n}\npopulation P[3]: Cell()\nexperiment main { run 200 ms; print(rate(P)) }\n";
    fs::write(dir.path().join("silent.snn"), silent).unwrap();
    let (status, text) = run(&["run", "silent.snn"]);
    assert!(status == 0 && !text.contains("W0"), "neither at once nor in the end: {text}");
    let loud = silent.split_once('\n').unwrap().1;
    fs::write(dir.path().join("silent.snn"), loud).unwrap();
    assert_eq!(run(&["run", "silent.snn"]).1.matches("W0714").count(), 2, "at once and in the end");
}
