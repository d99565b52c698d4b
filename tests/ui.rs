//! Broken models against the diagnostics they give. Each file of `tests/ui` begins with `# check-fail` or `# check-warn` and
//! names in `#~ CODE` comments every diagnostic it must give, on the line where it must stand: no more, no fewer. The rendered
//! text beside it (`NAME.stderr`) is what a reader sees; `UPDATE_UI=1 cargo test --test ui` rewrites it.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use snnc::diag::Diagnostic;
use snnc::diag::render::render_human;
use snnc::driver::{Session, Settings};

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

/// (line, code) of every marker.
fn marked(text: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for (k, line) in text.lines().enumerate() {
        if let Some((_, codes)) = line.split_once("#~") {
            out.extend(codes.split_whitespace().map(|c| (k + 1, c.to_owned())));
        }
    }
    out.sort();
    out
}

fn line_of(d: &Diagnostic, text: &str) -> usize {
    let start = d.primary.as_ref().unwrap().span.range().start;
    text.get(..start).map_or(0, |t| t.matches('\n').count() + 1)
}

#[test]
fn every_broken_model_gives_the_diagnostics_it_names() {
    let update = std::env::var_os("UPDATE_UI").is_some();
    let mut wrong = String::new();
    let mut codes = BTreeSet::new();
    let paths = models("tests/ui");
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(path).unwrap();
        let session = check(name, &text);
        let mut found: Vec<(usize, String)> =
            session.sink.items.iter().map(|d| (line_of(d, &text), d.code.to_string())).collect();
        found.sort();
        let rendered: String =
            session.sink.items.iter().map(|d| render_human(d, &session.sources, false) + "\n").collect();
        let expected = marked(&text);
        codes.extend(expected.iter().map(|(_, c)| c.clone()));
        if found != expected {
            wrong += &format!("== {name}: marked {expected:?}, found {found:?}\n{rendered}\n");
        }
        let fails = text.starts_with("# check-fail\n");
        assert!(fails || text.starts_with("# check-warn\n"), "{name} names no kind");
        if session.failed() != fails || expected.is_empty() {
            wrong += &format!("== {name}: must {}\n", if fails { "fail" } else { "pass with warnings" });
        }
        let snapshot = path.with_extension("stderr");
        if update {
            fs::write(&snapshot, &rendered).unwrap();
        } else if fs::read_to_string(&snapshot).unwrap_or_default() != rendered {
            wrong += &format!("== {name}: the text changed\n{rendered}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(paths.len() >= 32 && codes.len() >= 32, "{} files, {codes:?}", paths.len());
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
