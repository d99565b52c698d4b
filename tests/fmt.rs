//! The formatter: what it changes, what it keeps, and that it says the same twice.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use proptest::prelude::*;
use snnc::source::FileId;
use snnc::syntax::{fmt, parse};

/// A tree as text without positions.
fn tree(text: &str) -> String {
    let (file, faults) = parse(FileId(0), text);
    assert!(faults.is_empty(), "{text}\n{faults:#?}");
    let shown = format!("{file:?}");
    let mut out = String::new();
    let mut rest = shown.as_str();
    while let Some(at) = rest.find("Span { file") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[rest.find('}').unwrap() + 1..];
    }
    out + rest
}

fn format(text: &str) -> String {
    fmt::format(FileId(0), text).unwrap_or_else(|d| panic!("{text}\n{d:#?}"))
}

/// Formats, and holds the result to what every result must be.
fn check(name: &str, text: &str) -> String {
    let once = format(text);
    assert_eq!(tree(text), tree(&once), "{name}: another tree\n{once}");
    assert_eq!(once, format(&once), "{name}: not the same twice");
    assert!(once.lines().all(|l| l.trim_end() == l), "{name}: blanks at the end of a line\n{once}");
    assert!(!once.contains("\n\n\n") && !once.starts_with('\n') && !once.ends_with("\n\n"), "{name}:\n{once}");
    once
}

/// Every program of the repository that parses.
fn programs() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for dir in ["models", "tests/fixtures", "tests/fixtures/brian2", "tests/fixtures/closed_form", "tests/ui"] {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "snn") {
                let text = fs::read_to_string(&path).unwrap();
                if parse(FileId(0), &text).1.is_empty() {
                    out.push((path.display().to_string(), text));
                }
            }
        }
    }
    out.push(("prelude".to_owned(), fs::read_to_string("src/sema/prelude.snn").unwrap()));
    out.sort();
    assert!(out.len() > 50, "{}", out.len());
    out
}

#[test]
fn every_program_keeps_its_meaning_and_its_form() {
    for (name, text) in programs() {
        let once = check(&name, &text);
        if let Some(dir) = std::env::var_os("SHOW_FMT") {
            let file = std::path::Path::new(&dir).join(name.replace('/', "_"));
            fs::write(file, once).unwrap();
        }
    }
}

#[test]
fn every_shipped_model_is_laid_out() {
    for (name, text) in programs().into_iter().filter(|(name, _)| name.starts_with("models/")) {
        assert_eq!(format(&text), text, "run `snnc fmt {name}`");
    }
}

#[test]
fn layout_follows_the_structure() {
    let text = "\n\nneuron   M\n{\nparam a=1 mV ;param b : mV/ms= - 2 mV / ms\n\n\n\n  state v=0 mV\n tau*dv/dt=-v+\n a\non spike{v=0 mV;b=1}\n\n}\nexperiment e {if a>1 and(b<2){run 1 ms}\nelse{run 2 ms}}\n";
    assert_eq!(
        check("layout", text),
        "neuron M {
  param a = 1 mV
  param b: mV/ms = -2 mV / ms

  state v = 0 mV
  tau * dv/dt = -v
    + a
  on spike { v = 0 mV; b = 1 }
}
experiment e {
  if a > 1 and (b < 2) {
    run 1 ms
  } else {
    run 2 ms
  }
}
"
    );
}

#[test]
fn products_and_short_ranges_keep_the_spaces_that_group_them() {
    let text = "let a = 2*pi * 4 Hz*t+2 *pi / x^2\nlet b = N[ 0 .. 50 ]\nlet c = r in 1 Hz..2 Hz\nlet d = f ( -x,k=not y, [1 ,2] )\nlet e = x[..n][3..]";
    assert_eq!(
        check("spaces", text),
        "let a = 2*pi * 4 Hz*t + 2 * pi / x^2
let b = N[0..50]
let c = r in 1 Hz .. 2 Hz
let d = f(-x, k = not y, [1, 2])
let e = x[..n][3..]
"
    );
}

#[test]
fn comments_stay_where_they_are() {
    let text = "# head\n\n## Doc of M.\nneuron M # why\n{   \n  # own\n  param a = 1     # one\n  param bc = 2    # two\n                  # and more\n  param d = f(1, # first\n    2) # second\n  let x = a + # sum\n   b\n  # last\n}\n# end";
    assert_eq!(
        check("comments", text),
        "# head

## Doc of M.
neuron M {  # why
  # own
  param a = 1   # one
  param bc = 2  # two
                # and more
  param d = f(1,  # first
              2)  # second
  let x = a  # sum
    + b
  # last
}
# end
"
    );
}

#[test]
fn a_comment_behind_a_brace_has_no_column_with_those_inside() {
    let text = "procedure show(s) {\n  repeat {              # again\n    run 1 ms\n    x = 1               # one\n    response = E.count  # two\n  } until true\n}\n";
    assert_eq!(
        format(text),
        "procedure show(s) {\n  repeat {  # again\n    run 1 ms\n    x = 1               # one\n    response = E.count  # two\n  } until true\n}\n"
    );
}

#[test]
fn columns_made_by_hand_survive_and_others_do_not() {
    let text = "synapse S {\n  weight   w\n  dx/dt   = -x   / 20 ms\n  dy1/dt  = -y1  / 20 ms\n  on pre   { deliver w }\n  on post  { w += 1 }\n}\nconst K = [[0.1,   2.5,  3],\n           [10.1, 22.5, 13]]\n";
    assert_eq!(
        check("columns", text),
        "synapse S {
  weight w
  dx/dt  = -x  / 20 ms
  dy1/dt = -y1 / 20 ms
  on pre  { deliver w }
  on post { w += 1 }
}
const K = [[0.1,   2.5,  3],
           [10.1, 22.5, 13]]
"
    );
}

#[test]
fn terms_below_the_equals_sign_stay_there_and_others_are_indented() {
    let text = "neuron M {\n  C *dv/dt = -a\n           + b\n           - f(c,\n  d)\n  dg/dt    = a +\n      b\n  dh/dt    = a\n}\n";
    assert_eq!(
        check("equals", text),
        "neuron M {
  C * dv/dt = -a
            + b
            - f(c,
                d)
  dg/dt = a
    + b
  dh/dt = a
}
"
    );
}

#[test]
fn long_lines_break_at_the_outermost_bracket_and_the_loosest_operator() {
    let long = "v_a_rather_long_name";
    let text = format!(
        "population E[400]: LIF({long} = 1 mV, {long} = 2 mV, {long} = 3 mV, {long} = 4 mV, x = 1)\nconnect XE: X -> E.g_e via random(p = 0.1, {long} = 1) where {long} != {long} and i < 3 with S(w = {long})\nneuron M {{ state v = 0 mV; {long} * dv/dt = {long}*{long} + {long}*({long} - {long}) - {long}*{long} }}\n"
    );
    let once = check("long", &text);
    assert_eq!(
        once,
        "population E[400]: LIF(v_a_rather_long_name = 1 mV, v_a_rather_long_name = 2 mV, v_a_rather_long_name = 3 mV,
                       v_a_rather_long_name = 4 mV, x = 1)
connect XE: X -> E.g_e via random(p = 0.1, v_a_rather_long_name = 1)
  where v_a_rather_long_name != v_a_rather_long_name and i < 3 with S(w = v_a_rather_long_name)
neuron M {
  state v = 0 mV
  v_a_rather_long_name * dv/dt = v_a_rather_long_name*v_a_rather_long_name
    + v_a_rather_long_name*(v_a_rather_long_name - v_a_rather_long_name) - v_a_rather_long_name*v_a_rather_long_name
}
"
    );
    assert!(once.lines().all(|l| l.chars().count() <= fmt::WIDTH));
}

#[test]
fn faulty_files_are_refused_and_foreign_line_ends_become_plain() {
    assert!(fmt::format(FileId(0), "neuron {").is_err());
    assert_eq!(format("\u{feff}param a = 1\r\n\r\nparam b = 2\r"), "param a = 1\n\nparam b = 2\n");
    assert_eq!(format(""), "");
    assert_eq!(format("\n# only\n"), "# only\n");
}

/// Long lists take no quadratic time.
#[test]
fn a_long_list_is_laid_out_quickly() {
    let numbers: Vec<String> = (0..20_000).map(|k| k.to_string()).collect();
    let start = std::time::Instant::now();
    let once = format(&format!("const a = [{}]\n", numbers.join(",")));
    assert!(once.lines().count() > 900 && once.lines().all(|l| l.len() <= fmt::WIDTH));
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

/// Blanks, breaks and comments strewn into a program where they may stand.
fn strewn(text: &str, choices: &[u8]) -> String {
    let mut out = String::new();
    let mut next = choices.iter().cycle();
    for (k, line) in text.lines().enumerate() {
        let code = line.split('#').next().unwrap_or("");
        if line.contains('"') || code.trim().is_empty() {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        for word in code.split_inclusive(' ') {
            let choice = next.next().copied().unwrap_or(0);
            out.push_str(word);
            let open = word.trim_end().ends_with(['+', ',', '(', '[', '*', '<', '>', '/']) && word.ends_with(' ');
            match choice {
                0..=40 if word.ends_with(' ') => out.push_str("   "),
                41..=80 if open => out.push('\n'),
                81..=110 if open => out.push_str(&format!("# c{k}\n  ")),
                111..=130 if open => out.push_str(&format!("\n\n   ## own {k}\n")),
                131..=150 if word.trim_end().ends_with('{') => out.push_str("\n\n # in\n\n"),
                _ => {}
            }
        }
        match next.next() {
            Some(0..=30) => out.push_str(&format!("   # t{k}")),
            Some(31..=60) => out.push_str("\n\n\n"),
            _ => {}
        }
        out.push('\n');
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn strewn_programs_keep_their_meaning(which in any::<prop::sample::Index>(), choices in prop::collection::vec(any::<u8>(), 50..400)) {
        static PROGRAMS: std::sync::LazyLock<Vec<(String, String)>> = std::sync::LazyLock::new(programs);
        let (name, text) = which.get(&PROGRAMS);
        let text = strewn(text, &choices);
        if parse(FileId(0), &text).1.is_empty() {
            check(name, &text);
        }
    }
}
