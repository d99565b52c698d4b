//! After any edits the language server knows what one knows that has seen nothing but the last text: diagnostics, and what it answers about
//! names. What it says on the way is part of what it says in the end.
#![cfg(feature = "lsp")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod editor;

use std::path::{Path, PathBuf};

use editor::{Editor, position_of};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use snnc::driver::{Session, Settings};
use snnc::syntax::split_items;

/// Islands of a model, its population and its connection, with one model that all the others hear and an experiment.
fn islands(n: usize) -> String {
    let mut s = "simulation { dt = 0.1 ms; seed = 1 }\nconst rest = -60 mV\nfn leak(v) = rest - v\n\n\
                 synapse Kick {\n  param w = 1 mV\n  on pre { deliver w }\n}\n"
        .to_owned();
    for k in 0..n {
        s += &format!(
            "\nneuron M{k} {{\n  param tau = 20 ms, E_L = -49 mV\n  state v = rest, g = 0 mV\n  tau * dv/dt = (E_L - v) + g + 0 * leak(v)\n  \
             dg/dt = -g / 5 ms\n  spike when v > -50 mV\n  on spike {{ v = rest }}\n  refractory 5 ms hold v\n}}\n\
             population P{k}[10]: M{k}()\n\
             connect P{k} -> P{}.g via random(p = 0.5) with {}(w = 1 mV, delay = 1 ms)\n",
            (k + 1) % n,
            if k % 2 == 0 { "static" } else { "Kick" },
        );
    }
    s + "\nlet Some = P0[..5]\nexperiment main { run 1 ms; print(\"rate\", rate(P0), rate(Some)) }\n"
}

/// The programs that are edited: by a path at which what they import is found.
fn programs() -> Vec<(PathBuf, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "snn"));
    paths.sort();
    let mut all: Vec<_> = paths.into_iter().map(|p| (p.clone(), std::fs::read_to_string(p).unwrap())).collect();
    // The long one as often as all the others.
    let long = islands(12);
    all.extend(vec![(dir.join("long.snn"), long); all.len()]);
    all
}

/// Words that mend, break or change a text, wherever they stand.
const WORDS: &[&str] = &[
    "mV",
    "ms",
    "-1",
    "0",
    "w",
    "tau",
    "v",
    "rest",
    "P1",
    "M2",
    "Kick",
    "}",
    "{",
    "(",
    ",",
    "neuron",
    "xi",
    "1e9",
    "+",
    "\n",
    "# a comment\n",
    "## Doc.\n",
    "every",
    "2",
];

#[derive(Debug, Clone)]
enum Edit {
    /// A word instead of another one of the text.
    Exchange(Index, Index),
    Insert(Index, &'static str),
    Number(Index, u16),
    /// An item goes away, comes twice, or goes to the end.
    Remove(Index),
    Repeat(Index, Index),
    Move(Index),
    /// A name everywhere, or at one place.
    Rename(Index, bool),
    /// All that follows moves.
    Shift(&'static str),
    /// Back to the text before.
    Undo,
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    let word = || prop::sample::select(WORDS);
    prop_oneof![
        3 => (at(), at()).prop_map(|(a, b)| Edit::Exchange(a, b)),
        2 => (at(), word()).prop_map(|(a, w)| Edit::Insert(a, w)),
        3 => (at(), 0..2000_u16).prop_map(|(a, n)| Edit::Number(a, n)),
        2 => at().prop_map(Edit::Remove),
        1 => (at(), at()).prop_map(|(a, b)| Edit::Repeat(a, b)),
        1 => at().prop_map(Edit::Move),
        3 => (at(), any::<bool>()).prop_map(|(a, all)| Edit::Rename(a, all)),
        2 => word().prop_map(Edit::Shift),
        4 => Just(Edit::Undo),
    ]
}

/// The words of a text that begin as `first` wants.
fn words(text: &str, first: impl Fn(char) -> bool) -> Vec<std::ops::Range<usize>> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(inside).map(|k| at + k) {
        let end = text[start..].find(|c| !inside(c)).map_or(text.len(), |k| start + k);
        if text[start..].starts_with(&first) {
            out.push(start..end);
        }
        at = end;
    }
    out
}

fn applied(edit: &Edit, texts: &mut Vec<String>) -> String {
    let mut text = texts.last().unwrap().clone();
    let names = words(&text, |c| c.is_ascii_alphabetic() || c == '_');
    let items: Vec<_> = split_items(&text).into_iter().map(|i| i.range).collect();
    let pick = |from: &[std::ops::Range<usize>], at: &Index| (!from.is_empty()).then(|| at.get(from).clone());
    match edit {
        Edit::Exchange(a, b) => {
            if let (Some(a), Some(b)) = (pick(&names, a), pick(&names, b)) {
                let new = text[b].to_owned();
                text.replace_range(a, &new);
            }
        }
        Edit::Insert(at, word) => {
            let at = pick(&names, at).map_or(0, |r| r.start);
            text.insert_str(at, &format!("{word} "));
        }
        Edit::Number(at, n) => {
            let numbers = words(&text, |c| c.is_ascii_digit());
            if let Some(at) = pick(&numbers, at) {
                text.replace_range(at, &n.to_string());
            }
        }
        Edit::Remove(at) => {
            if let Some(at) = pick(&items, at) {
                text.replace_range(at, "");
            }
        }
        Edit::Repeat(which, to) => {
            if let (Some(item), Some(to)) = (pick(&items, which), pick(&items, to)) {
                let copy = format!("{}\n", &text[item]);
                text.insert_str(to.start, &copy);
            }
        }
        Edit::Move(which) => {
            if let Some(item) = pick(&items, which) {
                let moved = format!("\n{}\n", &text[item.clone()]);
                text.replace_range(item, "");
                text += &moved;
            }
        }
        Edit::Rename(which, all) => {
            if let Some(one) = pick(&names, which) {
                let old = text[one.clone()].to_owned();
                let places = if *all {
                    names.iter().filter(|n| text[(*n).clone()] == old).cloned().collect()
                } else {
                    vec![one]
                };
                for place in places.into_iter().rev() {
                    text.insert_str(place.end, "_2");
                }
            }
        }
        Edit::Shift(word) => text.insert_str(0, &format!("# {}\n", word.trim())),
        Edit::Undo => {
            if texts.len() > 1 {
                texts.pop();
                return texts.last().unwrap().clone();
            }
        }
    }
    text
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// Codes and places that the command line would show.
fn checked(path: &Path, text: &str) -> Vec<String> {
    let check = || {
        let mut session = Session::from_text(path, text, &Settings::default());
        session.plan_only();
        session.sink.items.iter().map(|d| d.code.name().to_owned()).collect()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 20);
        thread.spawn_scoped(scope, check).unwrap().join().unwrap()
    })
}

/// Holds what a server knows of its text against what one knows that has not seen the edits.
fn compare(edited: &mut Editor, path: &Path, text: &str, places: &[Index]) {
    let found = edited.diagnostics();
    let mut fresh = Editor::new(&uri(path));
    let expected = fresh.open(text);
    assert_eq!(found, expected, "diagnostics of\n{text}");
    let codes: Vec<&str> = found.iter().map(|d| d["code"].as_str().unwrap()).collect();
    assert_eq!(codes, checked(path, text), "codes of\n{text}");
    // On the way nothing was said that is not so.
    for (version, said) in &edited.published {
        if *version == edited.version {
            assert!(said.iter().all(|d| found.contains(d)), "{said:?}\nis no part of\n{found:?}\nof\n{text}");
        }
    }
    let sound = found.iter().all(|d| d["severity"] != 1);
    let mut methods = vec!["definition", "references", "documentHighlight", "prepareRename"];
    if sound {
        // Otherwise values are those of the last sound text, which the fresh server has not seen.
        methods.extend(["hover", "completion"]);
    }
    let names = words(text, |c| c.is_ascii_alphabetic());
    for place in places.iter().filter(|_| !names.is_empty()) {
        let at = position_of(text, place.get(&names).start);
        for method in &methods {
            let method = format!("textDocument/{method}");
            let mut params = json!({ "textDocument": { "uri": uri(path) }, "position": at });
            params["context"] = json!({ "includeDeclaration": true });
            let answer = |e: &mut Editor| e.response(&method, params.clone()).response_result.map_err(|e| e.message);
            assert_eq!(answer(edited), answer(&mut fresh), "{method} at {at} of\n{text}");
        }
    }
    let document = json!({ "textDocument": { "uri": uri(path) } });
    for method in ["documentSymbol", "semanticTokens/full"] {
        let method = format!("textDocument/{method}");
        assert_eq!(edited.ask(&method, document.clone()), fresh.ask(&method, document.clone()), "{method} of\n{text}");
    }
    fresh.leave();
}

/// How many sequences of edits are tried.
const CASES: u32 = if cfg!(debug_assertions) { 24 } else { 200 };

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_edits_end_in_what_a_fresh_check_says(
        which in any::<Index>(),
        edits in prop::collection::vec((edit(), any::<bool>()), 1..7),
        places in prop::collection::vec(any::<Index>(), 3),
    ) {
        let programs = programs();
        let (path, text) = which.get(&programs);
        let mut texts = vec![text.clone()];
        let mut editor = Editor::new(&uri(path));
        editor.open(text);
        let last = edits.len() - 1;
        for (k, (edit, waits)) in edits.iter().enumerate() {
            let text = applied(edit, &mut texts);
            if texts.last() != Some(&text) {
                texts.push(text.clone());
            }
            editor.type_in(&text);
            if *waits || k == last {
                compare(&mut editor, path, &text, &places);
            }
        }
        editor.leave();
    }
}

#[test]
fn what_uses_a_changed_declaration_is_checked_again() {
    let path = Path::new("/tmp/islands.snn");
    let mut text = islands(8);
    let mut editor = Editor::new(&uri(path));
    assert_eq!(editor.open(&text), Vec::<Value>::new(), "{text}");
    // Each edit, and whether there are faults after it: most are far from what was edited.
    for (old, new, faulty) in [
        ("neuron M3 {\n  param tau = 20 ms", "neuron M3 {\n  param tau = 21 ms", false),
        (
            "neuron M3 {\n  param tau = 21 ms, E_L = -49 mV\n  state v = rest, g",
            "neuron M3 {\n  param tau = 21 ms, E_L = -49 mV\n  state v = rest, h",
            true,
        ),
        ("state v = rest, h", "state v = rest, g", false),
        ("const rest = -60 mV", "const rest = -60 ms", true),
        ("const rest = -60 ms", "const rest = -61 mV", false),
        ("fn leak(v) = rest - v", "fn leak(v) = rest * v", true),
        ("fn leak(v) = rest * v", "fn leak(v) = v - rest", false),
        ("synapse Kick", "synapse Push", true),
        ("with Kick", "with Push", false),
        ("deliver w }", "deliver w * 1 ms }", true),
        ("deliver w * 1 ms }", "deliver 2 * w }", false),
        ("population P0[10]", "population P0[3]", true),
        ("population P0[3]", "population P0[7]", false),
        ("dt = 0.1 ms", "dt = 0.1", true),
        ("dt = 0.1;", "dt = 0.1 ms;", false),
        ("let Some = P0[..5]", "", true),
        (", rate(Some)", "", false),
        ("neuron M5", "neuron M5b", true),
        ("M5()", "M5b()", false),
    ] {
        assert!(text.contains(old), "{old} is not in\n{text}");
        text = text.replace(old, new);
        let found = editor.change(&text);
        assert_eq!(found.iter().any(|d| d["severity"] == 1), faulty, "{old} -> {new}: {found:#?}");
        compare(&mut editor, path, &text, &[]);
    }
    editor.leave();
}

/// Populations and connections about which there is nothing to say, as long as nothing elsewhere changes.
const QUIET: &str = "\
simulation { dt = 0.1 ms; precision = f32 }
const rest = -60 mV
const drive = 20 Hz
neuron Cell {
  param tau = 20 ms, t_ref = 5 ms, E_L = -60 mV
  state v = rest, g = 0 mV
  tau * dv/dt = (E_L - v) + g
  dg/dt = -g / 5 ms
  spike when v > -50 mV
  on spike { v = rest }
  refractory t_ref hold v
}
synapse Slow {
  param w = 1 mV
  state x = 0
  dx/dt = (1 - x) * x / 10 ms
  on pre { deliver w * x }
}
population Noise[10]: poisson(rate = drive)
population E[10]: Cell()
population F[10]: Cell()
population G[1000]: Cell()
population H[900]: Cell()
population A[10]: Cell(t_ref = 5.05 ms)
population B[10]: Cell(t_ref = 5.05 ms)
connect Noise -> E.g via all_to_all with static(w = 1 mV, delay = 1 ms)
connect E -> F.g via all_to_all with static(w = 1 mV, delay = 1 ms)
connect F -> G.g via random(p = 0.1) with static(w = 1 mV, delay = 90 s)
connect G -> H.g via all_to_all with Slow(w = 1 mV)
experiment main { A.t_ref = 2 ms; B.t_ref = 2 ms; run 1 ms; print(\"rate\", rate(E), rate(F), rate(G), rate(H)) }
";

#[test]
fn what_was_quiet_is_looked_at_again_when_something_elsewhere_changes() {
    let path = Path::new("/tmp/quiet.snn");
    let text = QUIET.to_owned();
    let mut editor = Editor::new(&uri(path));
    assert_eq!(editor.open(&text), Vec::<Value>::new(), "{text}");
    // What is edited, and the codes that it gives in parts whose own text is the same. Between two edits the text is what it was.
    for (old, new, codes) in [
        // The time step: periods and delays between steps, and a delay that is too long in steps.
        ("dt = 0.1 ms", "dt = 0.3 ms", &["W0702"; 4][..]),
        ("dt = 0.1 ms", "dt = 0.05 ms", &["E0403"]),
        // A constant that a model uses.
        ("const rest = -60 mV", "const rest = -40 mV", &["W0704"; 6]),
        // The source of a source of a source.
        ("const drive = 20 Hz", "const drive = 0 Hz", &["W0708"; 5]),
        ("const drive = 20 Hz", "const drive = 2 kHz", &["W0703"]),
        // What reaches it.
        (
            "connect E -> F.g via all_to_all with static(w = 1 mV",
            "connect E -> F.g via all_to_all with static(w = -1 mV",
            &["W0708"; 3],
        ),
        ("connect Noise -> E.g via all_to_all with static(w = 1 mV, delay = 1 ms)\n", "\n", &["W0708"; 4]),
        // What protocols assign.
        ("A.t_ref = 2 ms; ", " ", &["W0702"]),
        ("A.t_ref = 2 ms; B.t_ref = 2 ms; ", " ", &["W0702"; 2]),
        // The size of the source.
        ("population G[1000]", "population G[2000]", &["W0707"]),
        ("population G[1000]", "population G[300000]", &["W0711", "W0707"]),
        // A synapse that others use.
        ("state x = 0\n", "state x = 0, y = 1\n", &["W0709"]),
    ] {
        assert!(text.contains(old), "{old} is not in\n{text}");
        let edited = text.replacen(old, new, 1);
        for text in [&edited, &text, &edited, &format!("# Moved.\n{edited}"), &text] {
            editor.change(text);
            compare(&mut editor, path, text, &[]);
            let found = &editor.published.last().unwrap().1;
            let found: Vec<&str> = found.iter().map(|d| d["code"].as_str().unwrap()).collect();
            let expected = if text.ends_with(&edited) { codes } else { &[] };
            assert_eq!(found, expected, "{old} -> {new}");
        }
    }
    editor.leave();
}

#[test]
fn a_file_that_is_imported_is_read_again_when_it_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    let cell = |unit: &str| {
        format!("neuron Cell {{\n  state v = 0 mV\n  dv/dt = (1 {unit} - v) / 10 ms\n  spike when v > 2 mV\n}}\n")
    };
    let lib = dir.path().join("cells.snn");
    std::fs::write(&lib, cell("mV")).unwrap();
    let path = dir.path().join("m.snn");
    let text =
        "import \"cells.snn\"\npopulation E[10]: Cell()\nexperiment main { run 1 ms; print(\"v\", mean(E.v)) }\n";
    let mut editor = Editor::new(&uri(&path));
    assert_eq!(editor.open(text), Vec::<Value>::new());
    let saved = json!({ "textDocument": { "uri": uri(&lib) } });
    for (unit, faulty) in [("ms", true), ("mV", false), ("V", false), ("pA", true)] {
        std::fs::write(&lib, cell(unit)).unwrap();
        editor.published.clear();
        editor.tell("textDocument/didSave", saved.clone());
        let found = editor.diagnostics();
        assert_eq!(found.iter().any(|d| d["severity"] == 1), faulty, "{unit}: {found:?}");
        compare(&mut editor, &path, text, &[]);
    }
    // And when the file that imports it is edited.
    std::fs::write(&lib, cell("mV")).unwrap();
    editor.published.clear();
    let edited = text.replace("E[10]", "E[11]");
    editor.change(&edited);
    compare(&mut editor, &path, &edited, &[]);
    editor.leave();
}

#[test]
fn letters_typed_in_a_row_end_in_the_last_text() {
    let path = Path::new("/tmp/islands.snn");
    let text = islands(30);
    let mut editor = Editor::new(&uri(path));
    editor.open(&text);
    let mut last = String::new();
    for n in 0..40 {
        last = text.replacen("tau = 20 ms", &format!("tau = {n} {}", if n % 3 == 0 { "mV" } else { "ms" }), 1);
        editor.type_in(&last);
    }
    compare(&mut editor, path, &last, &[]);
    let versions: Vec<i64> = editor.published.iter().map(|(v, _)| v.as_i64().unwrap()).collect();
    assert!(versions.is_sorted(), "{versions:?}");
    editor.leave();
}

#[test]
fn an_answer_is_about_the_last_text() {
    let path = Path::new("/tmp/islands.snn");
    let text = islands(30);
    let mut editor = Editor::new(&uri(path));
    editor.open(&text);
    for n in [17, 230, 4] {
        let edited = text.replacen("tau = 20 ms", &format!("tau = {n} ms"), 1);
        editor.type_in(&edited);
        let at = position_of(&edited, edited.find("tau = ").unwrap());
        let page = editor.at("textDocument/hover", at)["contents"]["value"].as_str().unwrap().to_owned();
        assert!(page.contains(&format!("by default {n} ms")), "{page}");
    }
    editor.leave();
}
