//! The protocols of the shipped models: each lowers, with exactly the diagnostics that are expected of it.

use snnc::diag::{Diagnostic, Sink};
use snnc::script::ir::StmtKind;
use snnc::source::SourceMap;
use snnc::{diag, hir, sema, syntax};

fn check(name: &str) -> (Option<hir::Model>, Vec<Diagnostic>, SourceMap) {
    let path = format!("{}/models/{name}.snn", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut sources = SourceMap::default();
    let file = sources.add(name, text.as_str());
    let prelude = sema::add_prelude(&mut sources);
    let (tree, faults) = syntax::parse(file, &text);
    let mut sink = Sink { items: faults };
    let model = sema::check(&tree, prelude, &sources, &sema::Options::default(), &mut sink);
    (model, sink.items, sources)
}

fn accepted(name: &str) -> hir::Model {
    let (model, found, sources) = check(name);
    for d in &found {
        assert_ne!(d.severity, diag::Severity::Error, "{}", diag::render::render_human(d, &sources, false));
    }
    model.unwrap_or_else(|| panic!("{name} has no model and no error"))
}

#[test]
fn models_with_protocols_that_run() {
    for name in ["cuba", "coba", "diehl_cook", "hodgkin_huxley", "izhikevich", "reward_stdp"] {
        let model = accepted(name);
        assert!(!model.script.experiments.is_empty(), "{name}");
        assert!(!model.script.tests.is_empty(), "{name}");
    }
}

#[test]
fn diehl_cook_has_one_procedure_and_three_independent_loops() {
    let script = accepted("diehl_cook").script;
    assert_eq!(script.procedures.len(), 1);
    assert_eq!(script.experiments.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["train", "label", "evaluate"]);
    let loops = script.experiments.iter().flat_map(|e| &e.body.stmts);
    assert_eq!(loops.filter(|s| matches!(s.kind, StmtKind::ForSamples(_))).count(), 3);
    assert_eq!(script.frozen.len(), 2);
    assert_eq!(script.assigned.len(), 2, "X.rate and XE.w");
    assert_eq!(script.counted.len(), 1);
}
