//! Hostile and absurd input: every text gives a diagnostic, without a panic and before memory is taken. No test looks at a clock, which says
//! as much of the machine as of the program: one that does not come to an end is named by the harness.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;

use snnc::diag::Code;
use snnc::driver::{BackendKind, Session, Settings};

const CELL: &str = "neuron Cell { state v = 0 mV; dv/dt = -v / 20 ms; spike when v > 1 mV; on spike { v = 0 mV } }\n";

/// The codes that checking a text gives.
fn codes(text: &str) -> Vec<Code> {
    let mut session = Session::from_text(Path::new("hostile.snn"), text, &Settings::default());
    session.plan_only();
    session.sink.items.iter().map(|d| d.code).collect()
}

fn opened(bytes: &[u8]) -> Vec<Code> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile.snn");
    fs::write(&path, bytes).unwrap();
    Session::open(&path, &Settings::default()).sink.items.iter().map(|d| d.code).collect()
}

#[test]
fn deep_nesting_is_refused() {
    let n = 1_000_000;
    assert_eq!(codes(&format!("const a = {}1{}", "(".repeat(n), ")".repeat(n))), [Code::E0006]);
    assert_eq!(codes(&format!("const a = {}1", "-".repeat(n))), [Code::E0006]);
}

#[test]
fn large_files_are_refused_unread() {
    assert_eq!(codes(&"# a comment\n".repeat(400_000)), [Code::E0006]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse.snn");
    fs::File::create(&path).unwrap().set_len(100_000_000).unwrap();
    let session = Session::open(&path, &Settings::default());
    assert_eq!(session.sink.items.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::E0006]);
    assert!(session.failed());
}

#[test]
fn what_is_no_text_is_refused() {
    assert_eq!(opened(b"const a = 1\0\n"), [Code::E0005]);
    assert_eq!(opened(b"const a = \xff\xfe\n"), [Code::E0005]);
    assert_eq!(opened(b"P\0K\x03\x04\0\0\0"), [Code::E0005]);
}

#[test]
fn absurd_sizes_and_times_are_refused() {
    assert_eq!(codes(&format!("{CELL}population E[1000000000000]: Cell()")), [Code::E0902]);
    let found = codes(&format!("{CELL}param n = 1e300\npopulation E[n]: Cell()"));
    assert!(matches!(found.as_slice(), [Code::E0205 | Code::E0902]), "{found:?}");
    assert_eq!(codes(&format!("{CELL}population E[2]: Cell()\nexperiment e {{ run 1e300 s }}")), [Code::E0903]);
}

#[test]
fn many_populations_are_checked() {
    let mut text = CELL.to_owned();
    for k in 0..20_000 {
        text += &format!("population P{k}[2]: Cell()\n");
    }
    text += "population Last[2]: Sell()\n";
    assert_eq!(codes(&text), [Code::E0101]);
}

#[test]
fn too_many_synapses_are_refused_before_allocation() {
    let text = format!(
        "{CELL}population A[100000]: Cell()\npopulation B[100000]: Cell()\n\
         connect A -> B.v via random(p = 1) with static(w = 1 mV)\nexperiment e {{ run 1 ms }}\n"
    );
    let session = Session::from_text(Path::new("large.snn"), &text, &Settings::default());
    let model = session.model.clone().unwrap();
    let errors = session.build(&model, BackendKind::Interp).map(|_| ()).unwrap_err();
    assert!(errors.iter().any(|d| d.code == Code::E0902), "{errors:?}");
}

#[test]
fn a_network_that_does_not_fit_as_a_whole_is_refused_where_it_needs_most() {
    // Each population fits by itself.
    let limit = snnc::driver::memory_limit();
    let size = (limit * 0.4 / 32.0).min(f64::from(1 << 30)) as u64;
    let populations = (limit * 1.5 / (size as f64 * 32.0)).ceil() as usize;
    let mut text = format!("{CELL}population Small[10]: Cell()\n");
    for k in 0..populations {
        text += &format!("population P{k}[{}]: Cell()\n", size - u64::from(k != 1));
    }
    text += "experiment e { run 1 ms }\n";
    let session = Session::from_text(Path::new("large.snn"), &text, &Settings::default());
    let model = session.model.clone().unwrap();
    let errors = session.build(&model, BackendKind::Interp).map(|_| ()).unwrap_err();
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!(error.code, Code::E0902);
    let label = error.primary.as_ref().unwrap();
    assert_eq!(session.sources.text(label.span), "P1");
    assert!(label.text.starts_with(&format!("the {size} neurons of `P1`: about ")), "{}", label.text);
    assert_eq!(error.secondary.len(), 2, "{error:?}");
}

/// Whatever is missing or misspelt in a model, nothing is dropped without a reason (which would be E0900) and nothing panics.
#[test]
fn nothing_is_left_out_without_a_reason() {
    let mut paths: Vec<_> = ["models", "tests/ui"]
        .iter()
        .flat_map(|dir| fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()))
        .filter(|p| p.extension().is_some_and(|e| e == "snn"))
        .collect();
    paths.sort();
    let mut tried = 0;
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let without = (0..lines.len()).map(|k| [&lines[..k], &lines[k + 1..]].concat().join("\n"));
        // Every seventh word becomes another one.
        let words: Vec<(usize, &str)> = text
            .match_indices(|c: char| c.is_ascii_alphabetic())
            .filter(|(at, _)| *at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric())
            .step_by(7)
            .collect();
        let misspelt = words.iter().map(|(at, _)| format!("{}q{}", &text[..*at], &text[*at..]));
        for changed in without.chain(misspelt) {
            let mut session = Session::from_text(&path, &changed, &Settings::default());
            session.plan_only();
            let bug = session.sink.items.iter().find(|d| d.code == Code::E0900);
            assert!(bug.is_none(), "{}: {bug:?}\n{changed}", path.display());
            tried += 1;
        }
    }
    assert!(tried > 1000, "{tried}");
}
