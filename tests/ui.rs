//! Broken models against the diagnostics they give. Each file of `tests/ui` begins with `# check-fail` or `# check-warn` and
//! names in comments every fault seeded in it, on the line where it stands: `#~ CODE` and, between backquotes, the faulty text. A
//! file gives exactly one diagnostic for each fault, and its first location is exactly that text (its beginning, if `…` ends
//! it). No diagnostic is longer than twelve lines. The rendered text beside a file (`NAME.stderr`) is what a reader sees;
//! `UPDATE_UI=1 cargo test --test ui` rewrites it. The files of `tests/ui/run` begin with `# run-fail` or `# run-warn`: their faults are found by
//! `snnc run`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use snnc::diag::render::render_human;
use snnc::diag::{Code, Diagnostic};
use snnc::driver::{Session, Settings};

/// Codes of which no file here can be an example: bytes that are no text (`tests/hostile.rs`), data that are not there (`tests/faults.rs`,
/// `tests/files.rs`), the command line (`tests/cli.rs`, `tests/cmd`), bugs, and what is not given yet.
const ELSEWHERE: &[&str] = &["E0005", "E0505", "W0716", "E0802", "E0900", "E0905"];

fn models(dir: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "snn"));
    paths.sort();
    paths
}

/// Everything that checking reports.
fn check(name: &str, text: &str) -> Session {
    let mut session = Session::from_text(Path::new(name), text, &Settings::default());
    session.plan_only();
    session
}

/// Where a diagnostic stands, its code, and the text it points to.
type Fault = (usize, String, String);

/// The faults that the comments name.
fn marked(text: &str) -> Vec<Fault> {
    let mut out = Vec::new();
    for (k, line) in text.lines().enumerate() {
        let Some((_, mut rest)) = line.split_once("#~ ") else { continue };
        while let Some((code, after)) = rest.trim_start().split_once(" `") {
            let (token, after) = after.split_once('`').unwrap_or_else(|| panic!("line {}: open backquote", k + 1));
            out.push((k + 1, code.to_owned(), token.to_owned()));
            rest = after;
        }
        assert!(rest.trim().is_empty(), "line {}: `{rest}` after the markers", k + 1);
    }
    out
}

/// What a diagnostic says and points to. Only the first line of the place counts: a fault may open a block.
fn found(d: &Diagnostic, text: &str) -> Fault {
    let range = d.primary.as_ref().unwrap().span.range();
    let line = text[..range.start].matches('\n').count() + 1;
    (line, d.code.to_string(), text[range].lines().next().unwrap_or_default().to_owned())
}

/// Removes from `found` what `marked` names; both come out empty if they agree.
fn pair(marked: &mut Vec<Fault>, found: &mut Vec<Fault>) {
    marked.retain(|(line, code, token)| {
        let fits = |text: &str| token.strip_suffix('…').map_or(text == token, |start| text.starts_with(start));
        let at = found.iter().position(|(l, c, text)| l == line && c == code && fits(text));
        at.map(|k| found.remove(k)).is_none()
    });
}

/// What is wrong with the text beside a model, if it is not the text given; with UPDATE_UI set it is written anew.
fn compare(model: &Path, rendered: &str) -> String {
    let snapshot = model.with_extension("stderr");
    if std::env::var_os("UPDATE_UI").is_some() {
        fs::write(&snapshot, rendered).unwrap();
    } else if fs::read_to_string(&snapshot).unwrap_or_default() != rendered {
        return format!("== {}: the text changed\n{rendered}\n", model.display());
    }
    String::new()
}

#[test]
fn every_broken_model_gives_the_diagnostics_it_names() {
    let mut wrong = String::new();
    let mut codes = BTreeMap::new();
    let mut faults = 0;
    let paths = models("tests/ui");
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(path).unwrap();
        let session = check(name, &text);
        let texts: Vec<String> = session.sink.items.iter().map(|d| render_human(d, &session.sources, false)).collect();
        let rendered: String = texts.iter().map(|t| format!("{t}\n")).collect();
        let mut named = marked(&text);
        let mut given: Vec<Fault> = session.sink.items.iter().map(|d| found(d, &text)).collect();
        faults += named.len();
        for (_, code, _) in &named {
            *codes.entry(code.clone()).or_insert(0) += 1;
        }
        let none = named.is_empty();
        pair(&mut named, &mut given);
        if !named.is_empty() || !given.is_empty() {
            wrong += &format!("== {name}: not given {named:?}, not marked {given:?}\n{rendered}\n");
        }
        // Names that the compiler makes have an `@`, which no name of a program has.
        let internal = |d: &&Diagnostic| {
            let labels = d.primary.iter().chain(&d.secondary).map(|l| &l.text);
            labels
                .chain([&d.message])
                .chain(&d.notes)
                .chain(&d.helps)
                .any(|t| t.split('@').rev().skip(1).any(|before| before.ends_with(char::is_alphanumeric)))
        };
        for d in session.sink.items.iter().filter(internal) {
            wrong += &format!("== {name}: an internal name in {d:?}\n");
        }
        for long in texts.iter().filter(|t| t.trim().lines().count() > 12) {
            wrong += &format!("== {name}: longer than twelve lines\n{long}\n");
        }
        let fails = text.starts_with("# check-fail\n");
        assert!(fails || text.starts_with("# check-warn\n"), "{name} names no kind");
        if session.failed() != fails || none {
            wrong += &format!("== {name}: must {}\n", if fails { "fail" } else { "pass with warnings" });
        }
        wrong += &compare(path, &rendered);
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(faults >= 390 && paths.len() >= 300, "{faults} faults in {} files", paths.len());
    for path in models("tests/ui/run") {
        for (_, code, _) in marked(&fs::read_to_string(path).unwrap()) {
            *codes.entry(code).or_insert(0) += 1;
        }
    }
    let rare: Vec<&str> = Code::ALL
        .iter()
        .map(|c| c.name())
        .filter(|c| !ELSEWHERE.contains(c))
        .filter(|c| codes.get(*c).copied().unwrap_or(0) < if *c == "E0006" { 2 } else { 3 })
        .collect();
    assert!(rare.is_empty(), "seeded too rarely: {rare:?}");
}

/// Exit status and standard error of `snnc run` in a folder of its own, without what is said while it runs.
fn run(name: &str, text: &str, format: &str) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), text).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_snnc"))
        .current_dir(dir.path())
        .args(["run", name, "--message-format", format])
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let err = String::from_utf8(out.stderr).unwrap();
    // `W0714: no neuron spiked` is said at once, and drawn at the end.
    let live = |l: &&str| l.len() > 6 && l[1..5].bytes().all(|b| b.is_ascii_digit()) && &l[5..6] == ":";
    (out.status.success(), err.lines().filter(|l| !live(l)).map(|l| format!("{l}\n")).collect())
}

#[test]
fn every_model_that_breaks_while_running_gives_the_diagnostics_it_names() {
    let mut wrong = String::new();
    for path in models("tests/ui/run") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let (succeeded, json) = run(name, &text, "json");
        let lines: Vec<&str> = text.lines().collect();
        let number = |d: &serde_json::Value, key: &str| d[key].as_u64().unwrap() as usize;
        let mut given: Vec<Fault> = json
            .lines()
            .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
            .filter(|d| d.get("code").is_some())
            .map(|d| {
                let line = number(&d, "line");
                let end = if number(&d, "end_line") == line { number(&d, "end_column") - 1 } else { usize::MAX };
                let start = number(&d, "column") - 1;
                let token = lines[line - 1].chars().take(end).skip(start).collect();
                (line, d["code"].as_str().unwrap().to_owned(), token)
            })
            .collect();
        let mut named = marked(&text);
        let none = named.is_empty();
        pair(&mut named, &mut given);
        let (_, rendered) = run(name, &text, "human");
        if !named.is_empty() || !given.is_empty() || none {
            wrong += &format!("== {name}: not given {named:?}, not marked {given:?}\n{rendered}\n");
        }
        let fails = text.starts_with("# run-fail\n");
        assert!(fails || text.starts_with("# run-warn\n"), "{name} names no kind");
        if succeeded == fails {
            wrong += &format!("== {name}: must {}\n", if fails { "fail" } else { "pass with warnings" });
        }
        wrong += &compare(&path, &rendered);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_shipped_models_give_no_warning() {
    for name in ["cuba", "coba", "diehl_cook", "hodgkin_huxley", "brunel2000", "synfire_chain", "vogels2011", "liquid"]
    {
        let text = fs::read_to_string(format!("models/{name}.snn")).unwrap();
        let session = check(name, &text);
        let found: Vec<String> = session.sink.items.iter().map(|d| render_human(d, &session.sources, false)).collect();
        assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
    }
}

#[test]
fn explicit_euler_steps_on_diehl_and_cook_s_neuron_are_warned_of() {
    let text = fs::read_to_string("models/diehl_cook.snn").unwrap();
    let changed = text.replace("method backward_euler", "method euler");
    assert_ne!(text, changed);
    let session = check("diehl_cook", &changed);
    let codes: Vec<String> = session.sink.items.iter().map(|d| d.code.to_string()).collect();
    assert!(codes.contains(&"W0701".to_owned()), "{codes:?}");
    assert!(!session.failed());
}
