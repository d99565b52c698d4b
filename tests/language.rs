//! Constructs of the language, from the text to what the network does, in both executions: the order of declarations, sizes of
//! populations, initial values drawn anew.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/protocol.rs"]
mod protocol;

use protocol::Samples;
use std::path::Path;

use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::{PopId, ProjId, VarId};
use snnc::runtime::Network;
use snnc::script::machine::{Entity, Machine, RunKey, Slice, VarKey};
use snnc::script::outcome::{Outcome, Progress};
use snnc::script::tensor::Value;

const CELL: &str = "
simulation { dt = 0.1 ms; seed = 4 }
neuron Cell {
  param tau = 10 ms, gain = 1
  state v = 0 mV
  tau * dv/dt = -v
  spike when v > 1 mV
  on spike { v = 0 mV }
}
";

fn session(text: &str) -> Session {
    protocol::session(Path::new("model.snn"), text, &Settings::default())
}

fn network(session: &Session, kind: BackendKind) -> Network {
    session.build(session.model.as_ref().unwrap(), kind).unwrap_or_else(|e| panic!("{e:?}")).0
}

fn codes(text: &str) -> Vec<String> {
    let mut session = Session::from_text(Path::new("model.snn"), text, &Settings::default());
    session.plan_only();
    session.sink.items.iter().map(|d| d.code.to_string()).collect()
}

const SAMPLES: Samples = Samples { number: 6, classes: 2 };

fn run(text: &str, kind: BackendKind, threads: usize) -> Outcome {
    let outcome = protocol::run(&session(text), kind, threads, &SAMPLES);
    assert!(outcome.diagnostics.is_empty(), "{:?}", outcome.diagnostics);
    outcome
}

/// The printed values of a name, one list for each time it was printed.
fn printed(outcome: &Outcome, name: &str) -> Vec<Vec<f64>> {
    let one = |v: &Value| match v {
        Value::Real(x) => vec![*x],
        Value::Int(x) => vec![*x as f64],
        Value::Tensor(t) => (0..t.len())
            .map(|k| match t.data.get(k) {
                Some(Value::Real(x)) => x,
                other => panic!("{other:?}"),
            })
            .collect(),
        other => panic!("{other:?}"),
    };
    outcome.results.iter().filter(|r| r.name == name).map(|r| one(&r.value)).collect()
}

/// Spikes of every population in 200 ms.
fn spikes(text: &str, kind: BackendKind, populations: &[&str]) -> Vec<(Vec<u64>, Vec<u32>)> {
    let session = session(text);
    let model = session.model.clone().unwrap();
    let mut network = network(&session, kind);
    let ids: Vec<PopId> = populations
        .iter()
        .map(|n| PopId(model.populations.iter().position(|p| p.name == *n).unwrap() as u32))
        .collect();
    ids.iter().for_each(|p| network.record_spikes(*p, true));
    network.begin_run(2000, RunKey(1)).unwrap();
    network.advance(2000).unwrap();
    ids.iter().map(|p| (network.spikes(*p).step.clone(), network.spikes(*p).neuron.clone())).collect()
}

#[test]
fn declarations_may_stand_in_any_order() {
    let items = [
        "population P[40]: Cell(tau = slow)",
        "population X[40]: poisson(rate = 80 Hz)",
        "let Lower = Half[..10]",
        "let Half = P[..20]",
        "let Even = Lower where i % 2 == 0",
        "connect X -> Even.v via all_to_all with static(w = strong)",
        "connect XH: X[20..] -> Half.v via random(p = 0.3) with static(w = strong, delay = 1 ms)",
        "const strong = 0.4 mV * factor",
        "const slow = 20 ms",
        "param factor = 1",
    ];
    let text = |order: &[usize]| format!("{CELL}{}\n", order.iter().map(|k| items[*k]).collect::<Vec<_>>().join("\n"));
    let written = text(&[9, 8, 7, 0, 1, 3, 2, 4, 5, 6]);
    let reference = spikes(&written, BackendKind::Jit, &["P", "X"]);
    assert!(reference[0].0.len() > 100, "{} spikes", reference[0].0.len());
    for order in [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [5, 6, 4, 2, 3, 1, 0, 7, 8, 9], [4, 2, 3, 5, 6, 9, 8, 7, 1, 0]] {
        let reordered = text(&order);
        assert!(spikes(&reordered, BackendKind::Jit, &["P", "X"]) == reference, "{reordered}");
        assert!(spikes(&reordered, BackendKind::Interp, &["P", "X"]) == reference, "{reordered}");
    }
}

#[test]
fn sizes_of_both_ends_are_known_where_synapses_are_chosen_and_used() {
    let model = "
synapse Scaled { weight w: mV; param share = 1 / pre.N; on pre { deliver w * share * post.N } }
population A[20]: Cell(v = i * 1 mV / N)
population B[10]: Cell()
let Upper = A where i >= N / 2
connect W: A -> B.v via all_to_all where i < pre.N / 4 and j >= post.N - 3 with static(w = 1 mV)
connect K: Upper -> B.v via fixed_indegree(k = pre.N / 3) with static(w = 1 mV)
connect R: A -> B.v via random(p = 1 / post.N) with Scaled(w = 1 mV * pre.N / post.N)
connect D: A -> B.v via one_to_one where i < 10 with static(w = 1 mV, delay = 0.1 ms * pre.N)
";
    // `/` is real division: a count needs a whole number.
    assert_eq!(codes(&format!("{CELL}{model}")), ["E0205", "E0402"]);
    let model = model
        .replace("k = pre.N / 3", "k = pre.N - 15")
        .replace("D: A -> B.v via one_to_one where i < 10", "D: A[..10] -> B.v via one_to_one");
    let session = session(&format!("{CELL}{model}"));
    let network = network(&session, BackendKind::Interp);
    let pairs = |p: u32| -> Vec<(u32, u32)> {
        let (pre, post) = network.synapses(ProjId(p)).unwrap();
        pre.iter().copied().zip(post.iter().copied()).collect()
    };
    let wanted: Vec<(u32, u32)> = (0..5).flat_map(|i| (7..10).map(move |j| (i, j))).collect();
    assert_eq!(pairs(0), wanted);
    assert_eq!(pairs(1).len(), 5 * 10);
    assert!(pairs(1).iter().all(|(i, _)| *i >= 10), "half of A");
    let model = session.model.as_ref().unwrap();
    let delay = model.projections[3].delay.as_ref().unwrap();
    assert!(matches!(delay.kind, snnc::hir::ExprKind::Const(x) if (x - 2.0).abs() < 1e-12), "{delay:?}");
}

#[test]
fn sizes_in_a_synapse_are_those_of_whole_populations() {
    // One spike of the source lifts the target by w * (10 / 4) * 1/20.
    let text = format!(
        "{CELL}
neuron Held {{ param tau = 1 s; state v = 0 mV; tau * dv/dt = -v * 0 }}
synapse Scaled {{ weight w: mV; param share = 1 / pre.N; on pre {{ deliver w * share * post.N / 4 }} }}
population A[20]: Cell(v = 2 mV)
population B[10]: Held()
connect A[..1] -> B[..2].v via all_to_all with Scaled(w = 8 mV)
experiment main {{ run 1 ms; print(\"v\", B.v) }}
"
    );
    for kind in [BackendKind::Jit, BackendKind::Interp] {
        let v = &printed(&run(&text, kind, 1), "v")[0];
        let expected = 8.0 / 20.0 * 10.0 / 4.0;
        assert!((v[0] - expected).abs() < 1e-12 && (v[1] - expected).abs() < 1e-12 && v[2] == 0.0, "{v:?}");
    }
}

const REDRAWN: &str = "
synapse Grown { weight w: mV in [0 mV, 1 mV]; state c = uniform(0, 1); dc/dt = -c / 1 s; on pre { deliver w * c } }
population P[30]: Cell(v = uniform(0 mV, 0.9 mV) * gain, tau = normal(10 ms, 1 ms))
population Q[5]: Cell(v = -1 mV)
connect PQ: P -> Q.v via random(p = 0.5) with Grown(w = uniform(0 mV, 0.1 mV))
";

#[test]
fn redraw_gives_new_initial_values_that_reset_keeps() {
    let text = format!(
        "{CELL}{REDRAWN}
experiment main {{
  print(\"built\", P.v, \"tau\", P.tau, \"w\", PQ.w, \"c\", PQ.c)
  run 5 ms
  redraw(P)
  print(\"first\", P.v, \"tau\", P.tau, \"w\", PQ.w)
  run 5 ms
  reset(P)
  print(\"again\", P.v)
  P.gain = 0
  redraw(P.v)
  print(\"scaled\", P.v)
  P.gain = 1
  redraw(P.v, PQ.w)
  print(\"second\", P.v, \"w\", PQ.w)
  reset(P, PQ)
  print(\"kept\", P.v, \"w\", PQ.w, \"c\", PQ.c)
  redraw(PQ)
  print(\"c\", PQ.c, \"w\", PQ.w)
}}
"
    );
    let jit = run(&text, BackendKind::Jit, 1);
    let one = |name: &str| printed(&jit, name).remove(0);
    let (built, first, second) = (one("built"), one("first"), one("second"));
    assert!(first.iter().chain(&second).all(|v| (0.0..0.9).contains(v)), "{first:?}");
    assert!(built.iter().zip(&first).all(|(a, b)| a != b) && first.iter().zip(&second).all(|(a, b)| a != b));
    assert_eq!(one("again"), first, "reset restores what was drawn last");
    assert!(one("scaled").iter().all(|v| *v == 0.0), "made of the present gain");
    assert_eq!(one("kept"), second);
    let tau = printed(&jit, "tau");
    assert_eq!(tau[0], tau[1], "parameters stay");
    let w = printed(&jit, "w");
    assert_eq!(w[0], w[1], "weights stay unless they are named");
    assert!(w[1].iter().zip(&w[2]).all(|(a, b)| a != b) && w[2].iter().all(|x| (0.0..0.1).contains(x)));
    assert_eq!(w[2], w[3], "reset never touches weights");
    assert_eq!(w[3], w[4]);
    let c = printed(&jit, "c");
    assert!(c[0] == c[1] && c[1].iter().zip(&c[2]).all(|(a, b)| a != b));
    // The same in the interpreter, on other threads, and in a second run.
    let values = |o: &Outcome| o.results.iter().map(|r| r.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(&run(&text, BackendKind::Interp, 1)), values(&jit));
    assert_eq!(values(&run(&text, BackendKind::Jit, 3)), values(&jit));
}

/// In a loop over samples a redraw is named by the sample, and what it leaves reaches the next one.
#[test]
fn redraw_in_a_loop_over_samples_keeps_its_order() {
    let text = |first: &str| {
        format!(
            "{CELL}{REDRAWN}
data d = mnist()
experiment main {{
  for s in d.train[..6] {{
    {first}
    run 3 ms
    redraw(P)
    print(\"v\", P.v)
  }}
}}
"
        )
    };
    let plain = text("reset(P, Q, PQ)");
    let one = printed(&run(&plain, BackendKind::Jit, 1), "v");
    assert_eq!(one.len(), 6);
    for k in 1..6 {
        assert!(one[k - 1].iter().zip(&one[k]).all(|(a, b)| a != b), "sample {k}");
    }
    assert_eq!(printed(&run(&plain, BackendKind::Jit, 3), "v"), one);
    // The names of the draws do not depend on what was drawn before.
    let doubled = printed(&run(&text("reset(Q)"), BackendKind::Jit, 3), "v");
    assert_eq!(doubled, one);
    let session = session(&plain);
    let model = session.model.clone().unwrap();
    let report = snnc::script::independent::survey(&model.script, &model);
    let snnc::script::independent::Independence::Carries(reasons) = &report[0].independence else {
        panic!("a redraw is an effect on the samples that follow");
    };
    assert!(reasons.iter().any(|r| r.text.contains("redraw")), "{reasons:?}");
}

#[test]
fn redraw_takes_whole_populations_projections_and_variables() {
    let base = format!("{CELL}{REDRAWN}");
    for (call, code) in
        [("redraw(P.tau)", "E0502"), ("redraw(P[..3])", "E0502"), ("redraw()", "E0105"), ("redraw(3)", "E0502")]
    {
        let found = codes(&format!("{base}experiment main {{ {call} }}"));
        assert_eq!(found, [code], "{call}");
    }
    let batched = "data d = mnist()\nexperiment main { for s in d.train batch 2 { redraw(P); run 1 ms } }";
    assert_eq!(codes(&format!("{base}{batched}")), ["E0503"]);
}

/// A dense projection stores its weights row by row with gaps.
#[test]
fn redraw_reaches_every_weight_of_a_dense_projection() {
    let text = format!(
        "{CELL}
population P[7]: Cell()
population Q[5]: Cell()
connect PQ: P -> Q.v via all_to_all with static(w = uniform(0 mV, 1 mV))
experiment main {{ redraw(PQ.w) }}
"
    );
    let session = session(&text);
    let mut network = network(&session, BackendKind::Jit);
    let key = VarKey { entity: Entity::Proj(ProjId(0)), var: VarId(0) };
    let read = |n: &mut Network| -> Vec<f64> {
        let v = n.values(key);
        let Slice::F64(data) = v.data else { panic!("f64") };
        (0..v.rows).flat_map(|r| (0..v.cols).map(move |c| (r, c))).map(|(r, c)| data[r * v.stride + c]).collect()
    };
    let before = read(&mut network);
    network.redraw(&[snnc::script::machine::ResetTarget::Var(key)], RunKey(9)).unwrap();
    let after = read(&mut network);
    assert_eq!(after.len(), 35);
    assert!(before.iter().zip(&after).all(|(a, b)| a != b) && after.iter().all(|w| (0.0..1.0).contains(w)));
}

/// What a bar is told.
#[derive(Default)]
struct Told(Vec<String>);

impl Progress for Told {
    fn phase_start(&mut self, name: &str) {
        self.0.push(format!("{name} starts"));
    }
    fn phase_end(&mut self, name: &str) {
        self.0.push(format!("{name} ends"));
    }
    fn loop_start(&mut self, _: &str, total: u64) {
        self.0.push(format!("{total} samples"));
    }
    fn samples_done(&mut self, done: u64, accuracy: Option<f64>) {
        // Calls between the ends depend on the clock.
        if done == 6 {
            self.0.push(format!("{done} done, accuracy {accuracy:?}"));
        }
    }
    fn loop_end(&mut self) {
        self.0.push("samples end".to_owned());
    }
    fn steps_done(&mut self, _: u64, _: u64) {}
}

/// Neuron 0 answers odd samples only, so that every one is told right.
#[test]
fn progress_tells_phases_samples_and_the_running_accuracy() {
    let text = format!(
        "{CELL}
data d = mnist()
population P[2]: Cell()
readout vote: max_rate(classes = 2)
procedure show(s) {{
  reset(P)
  if s.label == 1 {{ P[0].v = 2 mV }} else {{ P[1].v = 2 mV }}
  run 1 ms
  return P.count
}}
experiment train {{ for s in d.train[..6] {{ observe(vote, show(s), s.label) }}; fit(vote) }}
experiment evaluate {{ for s in d.test[..6] {{ score(vote, show(s), s.label) }} }}
"
    );
    for threads in [1, 3] {
        let session = session(&text);
        let mut told = Told::default();
        let outcome = protocol::run_telling(&session, BackendKind::Jit, threads, &SAMPLES, &mut told);
        assert!(outcome.diagnostics.is_empty(), "{:?}", outcome.diagnostics);
        assert_eq!(
            told.0,
            [
                "train starts",
                "6 samples",
                "6 done, accuracy None",
                "samples end",
                "train ends",
                "evaluate starts",
                "6 samples",
                "6 done, accuracy Some(1.0)",
                "samples end",
                "evaluate ends",
            ]
        );
        assert_eq!(outcome.phases.iter().map(|p| p.samples).collect::<Vec<_>>(), [6, 6]);
        assert_eq!(outcome.readouts[0].confusion, [[3, 0, 0], [0, 3, 0]]);
    }
}

/// `reset` of a part touches the states and timers of these neurons and no others; indices may be chosen while running.
#[test]
fn parts_of_a_population_are_reset() {
    let text = "
        simulation { dt = 0.1 ms; seed = 2 }
        neuron Cell {
          input I: mV
          state v = uniform(0 mV, 1 mV), u = 7 mV
          learned th = 1 mV
          10 ms * dv/dt = I - v
          spike when v > 15 mV
          on spike { v = 0 mV; th += 1 mV; u = 0 mV }
          refractory 50 ms hold v
        }
        population P[6]: Cell()
        let Odd = P where i % 2 == 1
        experiment e {
          let start = P.v
          P.I = 30 mV
          run 20 ms
          print(\"fired\", 1.0*P.count)
          reset(P[..2], Odd[2].v)
          for k in 3..5 { reset(P[k].u) }
          print(\"u\", P.u / 1 mV)
          print(\"v\", (P.v - start) / 1 mV)
          print(\"I\", P.I / 1 mV)
          print(\"th\", P.th / 1 mV)
          run 20 ms
          print(\"again\", 1.0*P.count)
        }";
    for kind in [BackendKind::Jit, BackendKind::Interp] {
        let o = run(text, kind, 1);
        let value = |name: &str| printed(&o, name);
        assert_eq!(value("fired"), [[1.0; 6]]);
        assert_eq!(value("u"), [[7.0, 7.0, 0.0, 7.0, 7.0, 0.0]]);
        let moved: Vec<bool> = value("v")[0].iter().map(|x| *x != 0.0).collect();
        assert_eq!(moved, [false, false, true, true, true, false]);
        assert_eq!(value("I"), [[0.0, 0.0, 30.0, 30.0, 30.0, 30.0]]);
        assert_eq!(value("th"), [[2.0; 6]]);
        // The two that were reset as a whole are no longer refractory, but no longer driven either; the others still are refractory.
        assert_eq!(value("again"), [[0.0; 6]]);
    }
    for (call, expected) in
        [("redraw(P[..2])", "E0502"), ("reset(P[..2].th)", "E0502"), ("reset(P[4..9])", "E0402"), ("reset(3)", "E0502")]
    {
        let text = text.replace("reset(P[..2], Odd[2].v)", call);
        assert_eq!(codes(&text), [expected], "{call}");
    }
}

/// Events other than spikes are logged and measured as spikes are: against the times at which a ramp crosses its marks, beside the spikes of
/// the same neurons, and in samples that run on several threads.
#[test]
fn events_of_ones_own_are_recorded_and_measured() {
    let text = "
        simulation { dt = 0.1 ms }
        neuron Ramp {
          param step = 1
          state x = 0, n: int = 0
          dx/dt = 1/ms
          spike when x > 49.95
          event mark when x - step*n > step - 0.05
          on mark { n += 1 }
        }
        population P[3]: Ramp(step = 2 + i)
        experiment e {
          run 24 ms
          print(\"n\", 1.0*spikes(P.mark))
          print(\"of one\", 1.0*spikes(P[1..3].mark))
          print(\"late\", 1.0*spikes(P.mark, from = 12 ms))
          print(\"rate\", rate(P.mark))
          print(\"irregular\", cv_isi(P[0].mark))
          print(\"spikes\", 1.0*spikes(P))
        }";
    for kind in [BackendKind::Jit, BackendKind::Interp] {
        let o = run(text, kind, 1);
        // Marks at every multiple of the step: 12, 8 and 6 in 24 ms.
        assert_eq!(printed(&o, "n"), [[12.0, 8.0, 6.0]]);
        assert_eq!(printed(&o, "of one"), [[8.0, 6.0]]);
        assert_eq!(printed(&o, "late"), [[6.0, 4.0, 3.0]]);
        // 26 marks of 3 neurons in 24 ms, in Hz.
        assert!((printed(&o, "rate")[0][0] - 26.0 / 3.0 / 0.024).abs() < 1e-9);
        assert!(printed(&o, "irregular")[0][0].abs() < 1e-12);
        assert_eq!(printed(&o, "spikes"), [[0.0; 3]]);
    }
    // An event that is only recorded is used; one that is not, is not.
    assert_eq!(codes(&text.replace("on mark { n += 1 }", "")), [""; 0]);
    let unread =
        text.replace("on mark { n += 1 }", "").replace("P.mark", "P").replace("3].mark", "3]").replace("0].mark", "0]");
    assert_eq!(codes(&unread), ["W0709"]);
}

/// The factor of an equation may hold powers and units, as published models write it: `C_m/area * dv/dt`.
#[test]
fn factors_of_equations_with_powers_and_units() {
    let text = |equation: &str| {
        format!(
            "simulation {{ dt = 0.1 ms }}
             neuron M {{ param r = 2, c = 0.01 uF/mm^2
               state v = -70 mV
               {equation}
               spike when v > 100 mV }}
             population P: M()
             experiment e {{ run 3 ms; print(\"v\", P.v) }}"
        )
    };
    let right = "(0.3 mS/cm^2) * (-54 mV - v)";
    let outcome = |equation: &str| printed(&run(&text(equation), BackendKind::Jit, 1), "v");
    let expected = outcome(&format!("dv/dt = {right} / (1 uF/cm^2)"));
    for left in
        ["1 uF/cm^2 * dv/dt", "1 uF / cm^2 * dv/dt", "c * dv/dt", "r^-2 * 4 uF/cm^2 * dv/dt", "(1 uF/cm^2) * dv/dt"]
    {
        let found = outcome(&format!("{left} = {right}"));
        assert!((found[0][0] - expected[0][0]).abs() < 1e-12, "{left}: {found:?} against {expected:?}");
    }
    // tau*(c) = 1/0.3 ms.
    let v = -54.0 - 16.0 * (-0.3_f64 * 3.0).exp();
    assert!((expected[0][0] - v).abs() < 1e-9, "{expected:?} against {v}");
    assert_eq!(codes(&text(&format!("1 uF/cm^3 * dv/dt = {right}"))), ["E0202"]);
}

/// Two loops over tables make populations, views and projections; they are the network that is written out by hand, draw for draw but for the
/// names of the streams, and protocols loop over them.
#[test]
fn loops_declare_populations_and_projections() {
    let looped = "
        simulation { dt = 0.1 ms; seed = 4 }
        const n = [3, 5], w = [[1.5, 2.5], [3.5, 4.5]]
        neuron Cell { param id = 0
          state v = 0
          dv/dt = id/1 ms
          spike when v > 20
          on spike { v = 0 } }
        for a in 0..2 {
          population L[n[a]]: Cell(id = a + 1)
          let First = L[a][..2]
          record L[a].spikes
          for b in 0..2 {
            connect W: L[b] -> First[a].v via all_to_all with static(w = w[a, b]*(1 + i), delay = 1 ms)
          }
        }
        experiment e {
          L[1].v = 4
          for k in 0..2 {
            L[k].v[0] += 10*k
            print(\"size\", 1.0*L[k].N)
          }
          run 30 ms
          for a in 0..2 { print(\"rate\", 1.0*L[a].count); for b in 0..2 { print(\"w\", W[a, b].w) } }
          reset(L[0])
          print(\"v\", L[0].v, L[1].v[1..3])
        }";
    let by_hand = "
        simulation { dt = 0.1 ms; seed = 4 }
        neuron Cell { param id = 0
          state v = 0
          dv/dt = id/1 ms
          spike when v > 20
          on spike { v = 0 } }
        population L0[3]: Cell(id = 1)
        population L1[5]: Cell(id = 2)
        connect W00: L0 -> L0[..2].v via all_to_all with static(w = 1.5*(1 + i), delay = 1 ms)
        connect W01: L1 -> L0[..2].v via all_to_all with static(w = 2.5*(1 + i), delay = 1 ms)
        connect W10: L0 -> L1[..2].v via all_to_all with static(w = 3.5*(1 + i), delay = 1 ms)
        connect W11: L1 -> L1[..2].v via all_to_all with static(w = 4.5*(1 + i), delay = 1 ms)
        experiment e {
          L1.v = 4
          print(\"size\", 1.0*L0.N)
          L1.v[0] += 10
          print(\"size\", 1.0*L1.N)
          run 30 ms
          print(\"rate\", 1.0*L0.count); print(\"w\", W00.w); print(\"w\", W01.w)
          print(\"rate\", 1.0*L1.count); print(\"w\", W10.w); print(\"w\", W11.w)
          reset(L0)
          print(\"v\", L0.v, L1.v[1..3])
        }";
    let (a, b) = (run(looped, BackendKind::Jit, 1), run(by_hand, BackendKind::Jit, 1));
    for name in ["size", "rate", "w", "v"] {
        assert_eq!(printed(&a, name), printed(&b, name), "{name}");
    }
    assert!(printed(&a, "rate")[1].iter().any(|n| *n > 2.0));
    // A name that means something else in a block, and an index that is no constant.
    assert_eq!(codes(&looped.replace("reset(L[0])", "let L = [1, 2]\n print(\"x\", L[1])")), ["E0104", "E0104"]);
    assert_eq!(codes(&looped.replace("reset(L[0])", "let q = 0\n reset(L[q])")), ["E0402"]);
    assert_eq!(
        codes(&looped.replace("for b in 0..2 {\n            connect", "for a in 0..2 {\n            connect")),
        ["E0103"]
    );
}
