//! Sentences of the language reference, one small program each, where no other test holds them: what the program expects of itself
//! holds in both executions.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/protocol.rs"]
mod protocol;

use protocol::Samples;
use std::path::Path;

use snnc::driver::{BackendKind, Session, Settings};
use snnc::script::outcome::Outcome;

const SAMPLES: Samples = Samples { number: 6, classes: 2 };

fn outcome(text: &str, kind: BackendKind, threads: usize) -> Outcome {
    let session = protocol::session(Path::new("model.snn"), text, &Settings::default());
    protocol::run(&session, kind, threads, &SAMPLES)
}

/// Every `expect` of a program holds, in both executions. `n` is their number, so that none is passed over.
#[track_caller]
fn holds(n: usize, text: &str) {
    for kind in [BackendKind::Interp, BackendKind::Jit] {
        let outcome = outcome(text, kind, 1);
        assert!(outcome.succeeded(), "{kind:?}: {:?} {:?}", outcome.expects, outcome.diagnostics);
        assert_eq!(outcome.expects.len(), n);
    }
}

/// The codes that a check gives.
fn codes(text: &str) -> Vec<String> {
    let mut session = Session::from_text(Path::new("model.snn"), text, &Settings::default());
    session.plan_only();
    session.sink.items.iter().map(|d| d.code.to_string()).collect()
}

#[test]
fn bounds_saturate_every_write_and_reset_keeps_what_is_learned() {
    holds(
        6,
        "simulation { dt = 1 ms; seed = 2 }
        neuron M { param p = 0.3 in [0, 0.5]
          state v = 0 mV
          learned th = 1 mV in [0 mV, 3 mV]
          dv/dt = -v/10 ms
          spike when v > 5 mV
          on spike { v = 0 mV; th += 1 mV } }
        synapse S { weight w in [0 mV, 12 mV]
          on pre { deliver w }
          on post { w += 1 mV } }
        population X: regular(period = 2 ms)
        population P: M()
        connect XP: X -> P.v via all_to_all with S(w = 10 mV)
        experiment e {
          run 40 ms
          expect P.th == 3 mV and max(XP.w) == 12 mV
          reset(P, XP, X)
          expect P.th == 3 mV and max(XP.w) == 12 mV and P.v == 0 mV
          XP.w = 100 mV
          expect max(XP.w) == 12 mV
          P.th = -5 mV
          expect P.th == 0 mV
          P.p = 7
          expect P.p == 0.5
          redraw(P.th)
          expect P.th == 1 mV
        }",
    );
}

#[test]
fn drawn_parameters_are_drawn_again_inside_their_bounds_and_constants_outside_are_errors() {
    holds(
        2,
        "simulation { seed = 1 }
        neuron M { param p = normal(0, 1) in [0, 0.5]
          state v = p
          dv/dt = -v/1 ms }
        population P[1000]: M()
        experiment e {
          expect min(P.p) > 0 and max(P.p) < 0.5
          expect max(P.v) < 0.5
        }",
    );
    let program = |model: &str, given: &str, w: &str| {
        format!(
            "neuron M {{ param p = {model} in [0, 0.5]
               state v = p in [0, 1]
               dv/dt = -v/1 ms
               spike when v > 0.4 }}
             synapse S {{ weight w in [0, 1]
               on pre {{ deliver w }} }}
             population P[3]: M({given})
             connect P -> P.v via all_to_all with S(w = {w})
             experiment e {{ run 1 ms }}"
        )
    };
    assert_eq!(codes(&program("0.1", "", "1")), [""; 0]);
    assert_eq!(codes(&program("0.6", "", "1")), ["E0205"]);
    assert_eq!(codes(&program("0.1", "p = 0.6", "1")), ["E0205"]);
    assert_eq!(codes(&program("0.1", "v = 2", "1")), ["E0205"]);
    assert_eq!(codes(&program("0.1", "", "1.5")), ["E0205"]);
    assert_eq!(codes(&program("0.1", "", "-0.1*i")), [""; 0], "what is computed for each synapse saturates");
}

#[test]
fn the_order_of_populations_is_irrelevant_to_spikes_without_delay() {
    for first in ["A", "B"] {
        let then = if first == "A" { "B" } else { "A" };
        holds(
            2,
            &format!(
                "simulation {{ dt = 1 ms }}
                neuron M {{ state v = 0
                  spike when v > 0.5
                  on spike {{ v = 0 }} }}
                population A: M()
                population B: M()
                connect A -> B.v via all_to_all with static(w = 1)
                connect B -> A.v via all_to_all with static(w = 1)
                experiment e {{
                  {first}.v = 1
                  run 1 ms
                  expect {first}.count == 1 and {then}.count == 0
                  run 1 ms
                  expect {first}.count == 0 and {then}.count == 1
                }}"
            ),
        );
    }
}

#[test]
fn live_values_come_before_periodic_code_and_neurons_before_synapses() {
    holds(
        3,
        "simulation { dt = 1 ms }
        neuron A { input I
          state a = 0, b = 0
          every 1 ms { b = I; a += 1 } }
        neuron B { input J
          state s = 0
          every 1 ms { s = J } }
        synapse S { state seen = 0
          every 1 ms { seen = pre.a }
          inject seen }
        population P: A(I = 2*t/1 ms)
        population Q: B()
        connect PQ: P -> Q.J via all_to_all with S()
        experiment e {
          run 1 ms
          expect P.b == 0 and PQ.seen[0, 0] == 1
          run 1 ms
          expect P.b == 2 and PQ.seen[0, 0] == 2
          expect Q.s == 0
        }",
    );
}

#[test]
fn spikes_react_before_events_with_the_events_time() {
    holds(
        3,
        "simulation { dt = 1 ms }
        neuron M { state v = 0, late = 0 ms
          event big when v > 2
          on big { late = t; v = 0.4 }
          spike when v > 0.5
          on spike { v = 5 } }
        population A: M()
        experiment e {
          A.v = 1
          run 1 ms
          expect A.count == 1 and A.v == 5 and A.late == 0 ms
          run 1 ms
          expect A.v == 0.4 and A.late == 2 ms
          run 1 ms
          expect A.count == 0
        }",
    );
}

#[test]
fn refractory_periods_are_evaluated_after_the_reset_and_held_states_take_protocol_writes() {
    holds(
        5,
        "simulation { dt = 1 ms }
        neuron M { param T = 2 ms
          state v = 2, k = 0
          dv/dt = 1/ms
          spike when v > 1
          on spike { k += 1; v = 0 }
          refractory T*k hold v }
        population A: M()
        experiment e {
          run 1 ms
          expect A.count == 1 and A.v == 0
          A.v = 2
          run 2 ms
          expect A.count == 0 and A.v == 2
          run 1 ms
          expect A.count == 1 and A.k == 2
          A.v = 7
          run 4 ms
          expect A.count == 0 and A.v == 7
          run 1 ms
          expect A.count == 1
        }",
    );
}

#[test]
fn a_view_is_source_target_recording_and_assignment_with_the_indices_of_the_whole() {
    holds(
        7,
        "simulation { dt = 1 ms; seed = 2 }
        neuron M { param k = i, a = 1
          input I
          state v = 0
          dv/dt = (I - v)/10 ms
          spike when v > 5
          on spike { v = 0 } }
        neuron R { state u = 0 }
        population N[10]: M()
        population Q[4]: R()
        let A = N[2..6]
        let B = N where i % 5 == 0
        record A.spikes, B.v every 1 ms
        connect W: A -> Q.u via one_to_one with static(w = 1.0*i + 10.0*j)
        experiment e {
          expect sum(A.k) == 14 and sum(B.k) == 5 and sum(N.k[8..]) == 17
          expect max(abs(W.w - [2, 13, 24, 35])) == 0
          A.v = 10
          B.I = 100
          B.a = 3
          run 1 ms
          expect sum(A.count) == 4 and A.count[3] == 1
          expect max(abs(Q.u - [2, 13, 24, 35])) == 0
          expect sum(B.count) == 2 and N.count[0] == 1 and N.count[1] == 0
          expect N.a[5] == 3 and N.a[4] == 1
          expect abs(rate(A) - 1000 Hz) < 1e-6 Hz
        }",
    );
}

#[test]
fn reductions_name_their_axis_and_arrays_fit_by_name() {
    holds(
        8,
        "simulation { dt = 1 ms }
        neuron M { state v = 1.0*i
          spike when v > 100 }
        population A[2]: M()
        population B[3]: M()
        population G[2, 3]: M()
        connect C: A -> B.v via all_to_all with static(w = (i + 1)*(j + 1))
        experiment e {
          expect max(abs(sum(C.w over pre) - [3, 6, 9])) == 0 and sum(C.w over post)[1] == 12
          expect sum(sum(C.w over pre) over post) == 18
          expect sum(B.v over neurons) == 3 and sum(G.v over neurons) == 15
          G.v = [1, 2, 3, 4, 5, 6]
          expect G.v[1, 0] == 4
          G.v = [10, 20, 30]
          expect G.v[1, 2] == 30 and G.v[0, 0] == 10
          C.w *= 5 / sum(C.w over pre)
          expect max(abs(sum(C.w over pre) - 5)) < 1e-12
          C.w *= 4 / sum(C.w over post)
          expect max(abs(sum(C.w over post) - 4)) < 1e-12
          let m = [[1, 5, 2], [7, 0, 3]]
          expect argmax(m)[0] == 1 and argmax(m)[1] == 0
        }",
    );
}

#[test]
fn names_of_the_model_come_first_and_values_are_copies() {
    holds(
        4,
        "simulation { dt = 1 ms }
        const tau = 5 ms, q = 7
        neuron M { param tau = 2 ms, a = q
          state v = 0 ms
          every 1 ms { v = tau } }
        population P: M(a = tau/1 ms)
        experiment e {
          expect P.a == 2 and tau == 5 ms
          run 1 ms
          let before = P.v
          expect before == 2 ms
          P.v = 7 ms
          expect before == 2 ms and P.v == 7 ms
          repeat { run 1 ms; let done = P.v < 5 ms } until done
          expect P.v == 2 ms
        }",
    );
}

#[test]
fn graded_events_carry_the_change_and_regular_sources_their_phase() {
    holds(
        3,
        "simulation { dt = 1 ms }
        neuron S { param delta = 0.1
          state a = 0, last = 0, out = 0
          da/dt = 1/s
          event change when abs(a - last) > delta
          on change { out = a - last; last = a } }
        neuron R { state x = 0 }
        synapse G { param w = 2
          on pre { deliver w*pre.out } }
        population P: S()
        population Q: R()
        population F: regular(period = 10 ms, phase = 3 ms)
        connect P.change -> Q.x via all_to_all with G()
        experiment e {
          run 1 s
          expect abs(Q.x - 2*P.last) < 1e-12 and P.last > 0.9
          expect abs(rate(P.change) - 9 Hz) < 1.5 Hz
          expect F.first == 3 ms and F.count == 100
        }",
    );
}

#[test]
fn exp_euler_linearises_what_is_not_linear_in_its_own_variable() {
    holds(
        1,
        "simulation { dt = 0.5 ms }
        neuron M { state v = 0.3
          dv/dt = (v - v^3)/ms
          method exp_euler }
        population B: M()
        experiment e {
          let f = 0.3 - 0.3^3
          let J = 1 - 3*0.3^2
          run 0.5 ms
          expect abs(B.v - (0.3 + f*(exp(J*0.5) - 1)/J)) < 1e-13
        }",
    );
}

/// A loop over samples and its results, printed.
fn counted(model: &str, reset: &str, body: &str, threads: usize) -> Vec<(String, String)> {
    let text = format!(
        "simulation {{ dt = 0.5 ms; seed = 1 }}
        data d = mnist()
        {model}
        population O[3]: M()
        experiment e {{
          run 1 ms
          for s in d.train {{
            reset({reset})
            O.I = 2.0 + s.label
            {body}
          }}
          print(\"n\", O.n)
        }}"
    );
    let outcome = outcome(&text, BackendKind::Jit, threads);
    assert!(outcome.diagnostics.is_empty(), "{:?}", outcome.diagnostics);
    outcome.results.iter().map(|r| (r.name.clone(), format!("{:?}", r.value))).collect()
}

/// What no sample looks at, but the protocol does afterwards, is what all samples together made of it.
#[test]
fn what_samples_add_up_is_kept_although_no_sample_reads_it() {
    for (kind, reset) in [("learned", "O"), ("state", "O.v")] {
        let model = format!(
            "neuron M {{ input I
               state v = 0
               {kind} n = 0
               dv/dt = (I - v)/5 ms
               spike when v > 1
               on spike {{ v = 0; n += 1 }} }}"
        );
        let read = counted(&model, reset, "run 20 ms\nprint(\"seen\", O.n)", 1);
        let read = read.last().unwrap().clone();
        for threads in [1, 3] {
            assert_eq!(
                counted(&model, reset, "run 20 ms", threads).last().unwrap(),
                &read,
                "{kind}, {threads} threads"
            );
        }
    }
}

fn is_independent(text: &str) -> Vec<bool> {
    use snnc::script::independent::{Independence, survey};
    let session = protocol::session(Path::new("model.snn"), text, &Settings::default());
    let model = session.model.as_ref().unwrap();
    survey(&model.script, model).iter().map(|l| l.independence == Independence::Proved).collect()
}

/// Periodic code hinders samples from running side by side only where they would meet it at other times.
#[test]
fn periodic_code_in_step_with_the_samples_leaves_them_independent() {
    let text = |period: &str, before: &str, body: &str| {
        format!(
            "simulation {{ dt = 0.5 ms; seed = 1 }}
            data d = mnist()
            neuron M {{ input I
              state v = 0
              every {period} {{ v += I*uniform(0, 1) }} }}
            population O[3]: M()
            experiment e {{
              run {before}
              for s in d.train {{
                reset(O)
                O.I = 2.0 + s.label
                {body}
                print(\"v\", O.v)
              }}
              print(\"after\", O.v)
            }}"
        )
    };
    assert_eq!(is_independent(&text("1 ms", "2 ms", "run 3 ms")), [true]);
    assert_eq!(is_independent(&text("0.5 ms", "0.5 ms", "run 1.5 ms")), [true]);
    assert_eq!(is_independent(&text("1 ms", "0.5 ms", "run 3 ms")), [false]);
    assert_eq!(is_independent(&text("2 ms", "2 ms", "run 3 ms")), [false]);
    assert_eq!(is_independent(&text("1 ms", "2 ms", "run 1 ms * (1 + s.label)")), [false]);

    // The same bits side by side and one after the other (which reading `t` makes them).
    let seen = |body: &str, threads: usize| {
        let outcome = outcome(&text("1 ms", "2 ms", body), BackendKind::Jit, threads);
        assert!(outcome.succeeded());
        let values = outcome.results.iter().filter(|r| r.name != "t");
        values.map(|r| (r.name.clone(), format!("{:?}", r.value))).collect::<Vec<_>>()
    };
    let in_turn = seen("run 3 ms\nprint(\"t\", t)", 1);
    assert_eq!(in_turn.len(), 7);
    for threads in [1, 2, 3] {
        assert_eq!(seen("run 3 ms", threads), in_turn);
    }
}
