//! The protocols of the shipped models: each lowers, with exactly the diagnostics that are expected of it.

use snnc::diag::{Diagnostic, Severity, Sink};
use snnc::script::ir::StmtKind;
use snnc::source::{FileId, SourceMap, Span};
use snnc::syntax::ast::ItemKind;
use snnc::{diag, hir, script, sema, syntax};

fn check(name: &str) -> (Option<hir::Model>, Vec<Diagnostic>, SourceMap) {
    let path = format!("{}/models/{name}.snn", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut sources = SourceMap::default();
    let file = sources.add(name, text.as_str());
    let prelude = sema::add_prelude(&mut sources);
    let (tree, faults) = syntax::parse(file, &text);
    let mut sink = Sink { items: faults, ..Sink::default() };
    let (model, sound) = sema::check(&tree, prelude, &sources, &sema::Options::default(), &mut sink);
    (sound.then_some(model), sink.items, sources)
}

fn accepted(name: &str) -> hir::Model {
    let (model, found, sources) = check(name);
    for d in &found {
        assert_ne!(d.severity, Severity::Error, "{}", diag::render::render_human(d, &sources, false));
    }
    model.unwrap_or_else(|| panic!("{name} has no model and no error"))
}

#[test]
fn models_with_protocols_that_run() {
    for name in ["cuba", "coba", "diehl_cook", "hodgkin_huxley"] {
        let model = accepted(name);
        assert!(!model.script.experiments.is_empty(), "{name}");
        assert!(!model.script.tests.is_empty(), "{name}");
    }
}

/// What is found inside protocols and recordings, whether or not the rest of the file is supported yet.
#[test]
fn exactly_the_expected_diagnostics_in_protocols() {
    let expected: &[(&str, &[&str])] = &[
        ("cuba", &[]),
        ("coba", &[]),
        ("diehl_cook", &[]),
        ("hodgkin_huxley", &[]),
        ("izhikevich", &[]),
        ("reward_stdp", &[]),
        ("liquid", &[]),
        ("plasticity_rules", &[]),
        ("classifier", &["E0901 minimize"]),
    ];
    for (name, expected) in expected {
        let (_, found, sources) = check(name);
        let text = sources.files()[0].text.clone();
        let (tree, _) = syntax::parse(FileId(0), &text);
        let protocols: Vec<_> = tree
            .items
            .iter()
            .filter(|i| {
                use ItemKind as K;
                matches!(i.kind, K::Experiment { .. } | K::Test { .. } | K::Procedure { .. } | K::Record(_))
            })
            .map(|i| i.span)
            .collect();
        let inside = |s: Span| s.file == FileId(0) && protocols.iter().any(|p| p.start <= s.start && s.end <= p.end);
        let found: Vec<String> = found
            .iter()
            .filter_map(|d| d.primary.as_ref().filter(|l| inside(l.span)).map(|l| (d.code, l.span)))
            .map(|(code, span)| format!("{code} {}", sources.text(span).split(' ').next().unwrap_or("")))
            .collect();
        assert_eq!(&found, expected, "{name}");
    }
}

#[test]
fn diehl_cook_has_one_procedure_and_three_loops() {
    let script = accepted("diehl_cook").script;
    assert_eq!(script.procedures.len(), 1);
    assert_eq!(script.experiments.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["train", "label", "evaluate"]);
    let loops = script.experiments.iter().flat_map(|e| &e.body.stmts);
    assert_eq!(loops.filter(|s| matches!(s.kind, StmtKind::ForSamples(_))).count(), 3);
    assert_eq!(script.frozen.len(), 2);
    assert_eq!(script.assigned.len(), 2, "X.rate and XE.w");
    assert_eq!(script.counted.len(), 1);
}

#[test]
fn the_text_form_shows_types_alignment_and_instances() {
    let text = script::print::print(&accepted("diehl_cook"));
    for line in [
        "procedure show#0(s: sample of digits) -> int[E.0 400] {",
        "  let intensity%1: 1 = 2",
        "      X.rate = ((intensity%1 * s%0.image) * 0.031875)",
        "      run 350",
        "    until ((sum(response%2) >= 5) or (intensity%1 > 32))",
        "    XE.w *= broadcast<*, 0>((78.4 / sum(XE.w over 0)))",
        "  for s%0 in digits.train[0..60000] epochs 1 {",
        "    observe(vote, show#0(s%0), s%0.label)",
        "assigned: X.rate, XE.w",
    ] {
        let words = |l: &str| l.trim().replace("[0..", "[..");
        assert!(text.lines().any(|l| words(l) == words(line)), "{line}\nis missing in\n{text}");
    }
}
