//! The pages of `snnc explain`: every code has one, its examples give what they say, and the index in the documentation is true.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use snnc::diag::{Code, Diagnostic};
use snnc::driver::{Session, Settings};
use snnc::source::FileId;
use snnc::syntax::fmt;

/// Codes that no check of a file finds: they are given while running or by the command line. Their pages say so.
const AT_RUN: &[&str] = &[
    "E0005", "E0505", "E0506", "W0712", "E0801", "E0802", "E0803", "E0900", "E0904", "E0905", "W0714", "W0715", "W0716",
];

const NEVER: &str = "\nNot given yet by this version.\n";
const NOT_CHECKED: &str = "\nNot found by `snnc check`: it is given while running or by the command line.\n";

/// The text below a heading.
fn section<'t>(page: &'t str, heading: &str) -> Option<&'t str> {
    let from = page.find(&format!("\n## {heading}\n"))? + heading.len() + 5;
    let rest = &page[from..];
    Some(rest.split("\n## ").next().unwrap().trim())
}

/// The model in a section, if it is one.
fn model<'t>(page: &'t str, heading: &str) -> Option<&'t str> {
    section(page, heading)?.strip_prefix("```snn\n")?.strip_suffix("```")
}

fn check(text: &str) -> Vec<Diagnostic> {
    let mut session = Session::from_text(Path::new("example.snn"), text, &Settings::default());
    session.plan_only();
    session.sink.items
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("diag/codes.rs") {
            into.push(path);
        }
    }
}

#[test]
fn every_page_has_its_parts() {
    for code in Code::ALL {
        let page = code.page();
        assert!(page.starts_with(&format!("# {code}: {}\n", code.summary())), "{code}: the title");
        let never = page.contains(NEVER);
        for heading in ["What it means", "Why it matters", "Example", "Corrected"] {
            let there = section(page, heading).is_some_and(|s| s.len() > 15);
            let wanted = !never || !matches!(heading, "Example" | "Corrected");
            assert_eq!(there, wanted, "{code}: {heading}");
        }
        assert_eq!(page.contains(NOT_CHECKED), AT_RUN.contains(&code.name()), "{code}: says where it is given");
    }
}

#[test]
fn examples_give_their_code_and_corrected_ones_none() {
    let mut wrong = String::new();
    let mut tried = 0;
    for code in Code::ALL {
        let page = code.page();
        let shown =
            |items: &[Diagnostic]| items.iter().map(|d| format!("  {} {}\n", d.code, d.message)).collect::<String>();
        if let Some(text) = model(page, "Corrected") {
            let items = check(text);
            if !items.is_empty() {
                wrong += &format!("{code}: the corrected example gives\n{}", shown(&items));
            }
            if fmt::format(FileId(0), text).unwrap_or_default() != text {
                wrong += &format!("{code}: the corrected example is not formatted\n");
            }
        }
        let Some(text) = model(page, "Example") else { continue };
        let items = check(text);
        if AT_RUN.contains(&code.name()) {
            if !items.is_empty() {
                wrong += &format!("{code}: checking finds it now\n{}", shown(&items));
            }
            continue;
        }
        tried += 1;
        if items.is_empty() || items.iter().any(|d| d.code != *code) {
            wrong += &format!("{code}: the example gives\n{}", shown(&items));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(tried > 30, "{tried}");
}

#[test]
fn what_is_not_given_yet_is_constructed_nowhere_and_everything_else_is() {
    let mut files = Vec::new();
    sources(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let code_text: String = files.iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    for code in Code::ALL {
        let constructed = code_text.contains(&format!("Code::{code}"));
        assert_ne!(constructed, code.page().contains(NEVER), "{code}: constructed in src: {constructed}");
    }
}

/// The part of `docs/diagnostics.md` that follows from the table.
fn index() -> String {
    let groups = [
        ("E00", "Parsing"),
        ("E01", "Names"),
        ("E02", "Units"),
        ("E03", "Models"),
        ("E04", "Networks"),
        ("E05", "Protocols and data"),
        ("E06", "Training"),
        ("W07", "Numerics and structure (warnings)"),
        ("W08", "Style (warnings)"),
        ("E08", "Files"),
        ("E09", "Running and limits"),
    ];
    let mut out = String::new();
    let mut listed = 0;
    for (group, title) in groups {
        out += &format!("\n### {title}\n\n| code | stands for | |\n|---|---|---|\n");
        for code in Code::ALL.iter().filter(|c| c.name().starts_with(group)) {
            let page = code.page();
            let when = match (page.contains(NEVER), page.contains(NOT_CHECKED)) {
                (true, _) => "not given yet",
                (_, true) => "while running",
                _ => "",
            };
            out += &format!("| [{code}](../src/diag/explain/{code}.md) | {} | {when} |\n", code.summary());
            listed += 1;
        }
    }
    assert_eq!(listed, Code::ALL.len(), "a group is missing");
    out
}

#[test]
fn the_index_in_the_documentation_is_the_table() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics.md");
    let text = fs::read_to_string(&path).unwrap();
    let mark = "<!-- From the table of codes: UPDATE_DOCS=1 cargo test --test explain -->\n";
    let (head, rest) = text.split_once(mark).expect("the mark of the index");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{mark}{}", index())).unwrap();
        return;
    }
    assert_eq!(rest, index(), "run UPDATE_DOCS=1 cargo test --test explain");
}

#[test]
fn json_has_the_fields_that_the_documentation_lists() {
    let text = "neuron Cell {\n  state v = 20 msec\n  dv/dt = -v / 20 ms\n}\npopulation P[10]: Cell()\n";
    let session = Session::from_text(Path::new("m.snn"), text, &Settings::default());
    let d = session.sink.items.first().unwrap();
    let line = snnc::diag::render::render_json(d, &session.sources);
    assert!(!line.contains('\n'), "one object a line");
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    let position = ["file", "line", "column", "end_line", "end_column"];
    let top = [&["code", "severity", "message"][..], &position, &["labels", "notes", "fixes"]].concat();
    let keys = |v: &serde_json::Value| {
        let mut keys: Vec<String> = v.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(keys(&json), sorted(&top));
    assert_eq!(keys(&json["labels"][0]), sorted(&[&position[..], &["text"]].concat()));
    assert_eq!(keys(&json["fixes"][0]), sorted(&[&position[..], &["replacement"]].concat()));
    assert_eq!((json["line"].as_u64(), json["column"].as_u64()), (Some(2), Some(16)), "{line}");
    assert_eq!(json["fixes"][0]["replacement"], "ms");
    let docs = include_str!("../docs/diagnostics.md");
    for field in top.iter().chain(&["text", "replacement", "errors", "warnings"]) {
        assert!(docs.contains(&format!("`{field}`")), "docs/diagnostics.md does not mention `{field}`");
    }
}

#[test]
fn every_word_of_the_language_has_a_page() {
    use snnc::driver::vocabulary::{DELAYS, FUNCTIONS, KEYWORDS, MEMBERS, SETTINGS};
    let tables = [KEYWORDS, MEMBERS, SETTINGS, DELAYS].into_iter().flatten().map(|(name, _)| *name);
    let names: Vec<&str> = tables.chain(FUNCTIONS.iter().map(|(name, ..)| *name)).chain(["t", "i", "inf"]).collect();
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_snnc")).arg("explain").args(&names).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    let titles = text.lines().filter(|l| l.starts_with("# ")).count();
    assert!(titles >= names.len(), "{titles} pages for {} names", names.len());
    assert!(text.contains("# max_rate(classes): a readout\n\nA neuron stands for"), "{text}");
}
