//! The parser against the shipped models, the shapes of trees, faults and hostile text.

use std::fs;

use snnc::source::FileId;
use snnc::syntax::{ast, parse};

fn programs() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for dir in ["models", "tests/fixtures"] {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "snn") {
                out.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    out.sort();
    assert!(out.len() >= 10, "the models are there");
    out
}

#[test]
fn every_program_parses_without_a_diagnostic() {
    for (name, text) in programs() {
        let (file, faults) = parse(FileId(0), &text);
        assert!(faults.is_empty(), "{name}: {faults:#?}");
        assert!(!file.items.is_empty(), "{name}");
        assert!(!file.items.iter().any(|i| matches!(i.kind, ast::ItemKind::Error { .. })), "{name}");
    }
}
