//! Truth values that models keep: a program with them does what the same program does with the numbers 0 and 1, bit for bit, in both
//! executions and at every level of restructuring.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/protocol.rs"]
mod protocol;

use std::path::Path;

use protocol::{Samples, run, session};
use snnc::diag::Diagnostic;
use snnc::driver::{BackendKind, Session, Settings};

/// What a program prints, as numbers: truth values are 0 and 1.
fn printed(text: &str, kind: BackendKind, opt: u8, precision: &str) -> Vec<(String, Vec<f64>)> {
    let text = format!("simulation {{ dt = 0.1 ms; seed = 3; precision = {precision} }}\n{text}");
    let settings = Settings { opt: Some(opt), ..Settings::default() };
    let session = session(Path::new("model.snn"), &text, &settings);
    let o = run(&session, kind, 1, &Samples { number: 0, classes: 1 });
    assert!(o.diagnostics.is_empty(), "{:?}", o.diagnostics);
    o.results.iter().map(|r| (r.name.clone(), r.value.to_f64s().unwrap())).collect()
}

/// Two states that a cell and its synapses switch between, with the words for a truth value as they are given: of `is(x)` a condition, of
/// `of(c)` what is kept.
fn program(truth: bool) -> String {
    let is = |x: &str| if truth { x.to_owned() } else { format!("({x} > 0.5)") };
    let of = |c: &str| if truth { c.to_owned() } else { format!("(if {c} then 1 else 0)") };
    let (up, odd, strong, last) = (is("up"), is("odd"), is("strong"), is("last"));
    format!(
        "
neuron Cell {{
  param inhibited = {inhibited}, strong = {strong_of}
  state v = 0 mV, up = {up_of}, odd = {odd_of}, last = {last_of}
  10 ms * dv/dt = -v + (if {up} and not {inhibited_is} then 30 mV else 10 mV)
  spike when v > (if {odd} then 9 mV else 8 mV) and ({strong} or v > 12 mV)
  on spike {{
    v = 0 mV
    up = {not_up}
    if {up} {{ last = {last_odd} }} else {{ last = {no} }}
  }}
  event rises when {up}
  on rises {{ odd = {turned} }}
  every 5 ms {{ up = {drawn} }}
  refractory if {up} then 1 ms else 2 ms
}}
neuron Watcher {{
  param seen = {no}
  state n: int = 0
  every 1 ms {{ if {seen} {{ n += 1 }} }}
}}
synapse Gate {{
  state open = {yes}, hits: int = 0
  on pre {{
    if {open} or {pre_up} {{ deliver 1 mV; hits += 1 }}
    open = {shut}
  }}
  on post {{ open = {reopened} }}
}}
population A[6]: Cell()
population W[6]: Watcher(seen = {watched})
connect P: A -> A.v via all_to_all with Gate()
experiment main {{
  print(A.up, A.odd, A.strong)
  run 20 ms
  print(A.up, A.odd, A.last, P.open, P.hits, W.n, A.count, A.v)
  A.up = {no}
  A.up[2..4] = {yes}
  A.inhibited = {fast}
  print(A.up, A.inhibited)
  run 20 ms
  print(A.up, A.v, P.open[0, 1], P.hits)
  reset(A[..3])
  print(A.up)
  reset(A, P)
  print(A.up, P.open)
}}
",
        inhibited = of("false"),
        inhibited_is = is("inhibited"),
        strong_of = of("i > 2"),
        up_of = of("uniform(0, 1) > 0.5"),
        odd_of = of("i % 2 == 1"),
        last_of = of("true"),
        not_up = of(&format!("not {up}")),
        last_odd = of(&odd),
        turned = of(&format!("not {odd} or {last}")),
        drawn = of(&format!("uniform(0, 1) < 0.5 or {strong}")),
        open = is("open"),
        pre_up = is("pre.up"),
        shut = of(&format!("not {}", is("open"))),
        reopened = of(&format!("{} or {}", is("post.odd"), is("pre.odd"))),
        seen = is("seen"),
        watched = of(&format!("{} or A.v > 5 mV", is("A.up"))),
        fast = of("A.v > 5 mV"),
        yes = of("true"),
        no = of("false"),
    )
}

#[test]
fn truth_values_do_what_0_and_1_do() {
    for precision in ["f64", "f32"] {
        let numbers = printed(&program(false), BackendKind::Jit, 2, precision);
        let hits = numbers.iter().filter(|(n, _)| n == "P.hits").map(|(_, v)| v.iter().sum::<f64>());
        assert!(hits.clone().all(|n| n > 0.0), "the gates let nothing through: {numbers:?}");
        let ups: Vec<&Vec<f64>> = numbers.iter().filter(|(n, _)| n == "A.up").map(|(_, v)| v).collect();
        assert!(ups.iter().filter(|v| v.contains(&0.0) && v.contains(&1.0)).count() >= 4, "{ups:?}");
        for (kind, opt) in [(BackendKind::Jit, 2), (BackendKind::Jit, 0), (BackendKind::Interp, 2)] {
            assert_eq!(printed(&program(true), kind, opt, precision), numbers, "{kind:?} {opt} {precision}");
        }
    }
}

fn codes(text: &str) -> Vec<String> {
    let mut session = Session::from_text(Path::new("model.snn"), text, &Settings::default());
    session.plan_only();
    let place = |d: &Diagnostic| d.primary.as_ref().map_or("", |l| session.sources.text(l.span));
    let errors = session.sink.items.iter().filter(|d| d.severity == snnc::diag::Severity::Error);
    errors.map(|d| format!("{} {}", d.code, place(d))).collect()
}

/// What a truth value is not: a number, an amount, something that changes by itself.
#[test]
fn truth_values_are_no_numbers() {
    let neuron = |items: &str| codes(&format!("neuron M {{\n{items}\n}}\npopulation P: M()"));
    assert_eq!(neuron("state up = false, v = 0\non spike { up = true }\nspike when v > 1"), [""; 0]);
    assert_eq!(neuron("state up = false\ndup/dt = 1/ms"), ["E0301 up"]);
    assert_eq!(neuron("state up = false, v = up + 1"), ["E0205 +"]);
    assert_eq!(neuron("state up = false\nevery 1 ms { up += 1 }"), ["E0205 up"]);
    assert_eq!(neuron("state up = false\nevery 1 ms { up = 1 }"), ["E0205 1"]);
    assert_eq!(neuron("state up: bool = 0"), ["E0205 0"]);
    assert_eq!(neuron("state up = false in [false, true]"), ["E0205 [false, true]"]);
    assert_eq!(neuron("input gate = true"), ["E0205 gate = true"]);
    assert_eq!(neuron("learned known = true"), ["E0205 known = true"]);
    let network = |deliver: &str, protocol: &str| {
        codes(&format!(
            "neuron M {{ state up = false, v = 0\nspike when v > 1 }}
             synapse S {{ param w = 1\non pre {{ {deliver} }} }}
             population P[3]: M()
             connect P -> P.v via all_to_all with S()
             experiment main {{ {protocol} }}"
        ))
    };
    assert_eq!(network("deliver w", "P.up = true"), [""; 0]);
    assert_eq!(network("deliver w to up", "run 1 ms"), ["E0204 w"]);
    assert_eq!(network("deliver w", "P.up = 1"), ["E0205 1"]);
    assert_eq!(network("deliver w", "P.up += true"), ["E0205 true"]);
}
