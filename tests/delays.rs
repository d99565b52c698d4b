//! Delays that differ between synapses and dendritic delays: exact to the step, against direct computations; both executions agree bit
//! for bit.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{bits_agree, both, build, pop, proj, read, run, spikes, states_agree};
use snnc::driver::BackendKind;
use snnc::hir::PopId;
use snnc::script::machine::{Machine, ResetTarget};

/// Senders that spike once, neuron i at step 10 + i, and listeners that integrate what arrives.
const SENDERS: &str = "
simulation { dt = 0.1 ms }
neuron Clock { param at = 1 ms
  state x = 0
  dx/dt = 1/ms
  spike when x > at/1 ms - 0.05
  on spike { x = -1e6 } }
neuron Sink { state g = 0
  dg/dt = 0 * g / 1 ms
  spike when g > 0.5
  on spike { g = 0 } }
";

/// Each synapse's spike arrives after its own delay, in sparse and in all-to-all projections.
#[test]
fn every_synapse_has_its_own_delay() {
    for rule in ["one_to_one", "all_to_all where i == j", "random(p = 1) where i == j"] {
        let text = format!(
            "{SENDERS}
             population A[20]: Clock(at = 1 ms + 0.1 ms * i)
             population B[20]: Sink()
             connect A -> B.g via {rule} with static(w = 1, delay = 0.3 ms * i)
             experiment e {{ run 10 ms }}"
        );
        for kind in [BackendKind::Jit, BackendKind::Interp] {
            let mut n = build(&text, kind);
            run(&mut n, 120);
            for i in 0..20 {
                assert_eq!(spikes(&n, 0, i), [10 + i], "{rule}");
                assert_eq!(spikes(&n, 1, i), [10 + i + 3 * i + 1], "{rule}, synapse {i}");
            }
        }
    }
}

/// One neuron reaches all others, each after a time of its own; the matrix of a dense projection keeps its shape in protocols.
#[test]
fn a_dense_projection_may_have_delays_of_its_own() {
    let text = format!(
        "{SENDERS}
         population A[3]: Clock(at = 1 ms)
         population B[7]: Sink()
         connect XE: A -> B.g via all_to_all with static(w = if i == 1 then 1 else 0, delay = 0.1 ms * j + 0.1 ms * i)
         experiment e {{ run 10 ms; expect XE.w[1, 3] == 1 }}"
    );
    let mut n = build(&text, BackendKind::Jit);
    run(&mut n, 60);
    for j in 0..7 {
        assert_eq!(spikes(&n, 1, j), [10 + j + 1 + 1]);
    }
}

/// What is drawn is rounded to steps, once, from a stream of its own: the same spikes whatever else the network holds.
#[test]
fn drawn_delays_are_rounded_once() {
    let text = format!(
        "{SENDERS}
         population A[200]: Clock(at = 1 ms)
         population B[200]: Sink()
         connect XE: A -> B.g via one_to_one with static(w = 1, delay = uniform(0 ms, 2 ms))
         experiment e {{ run 10 ms }}"
    );
    let more = text.replace("population B", "population C[5]: Sink()\npopulation B").replace(
        "connect XE",
        "connect A[..5] -> C.g via one_to_one with static(w = 1, delay = uniform(0 ms, 9 ms))\nconnect XE",
    );
    let (mut a, mut b) = (build(&text, BackendKind::Jit), build(&more, BackendKind::Jit));
    run(&mut a, 100);
    run(&mut b, 100);
    let arrivals: Vec<u64> = (0..200).map(|k| spikes(&a, 1, k)[0] - 11).collect();
    assert_eq!(arrivals, (0..200).map(|k| spikes(&b, 2, k)[0] - 11).collect::<Vec<_>>());
    // Uniform over 0 .. 20 steps, the ends half as often: mean 10, standard error 5.8/sqrt(200).
    let mean = arrivals.iter().sum::<u64>() as f64 / 200.0;
    assert!((mean - 10.0).abs() < 4.0 * 0.41, "{mean}");
    assert!(
        *arrivals.iter().max().unwrap() <= 20 && arrivals.iter().any(|d| *d > 17) && arrivals.iter().any(|d| *d < 3)
    );
}

/// Events of different neurons that arrive together add in the order of the neurons, whatever their delays: the sum is, bit for bit,
/// that of the plain order.
#[test]
fn arrivals_add_in_the_order_of_pre_neurons() {
    let text = "
        simulation { dt = 0.1 ms }
        neuron Clock { param at = 1 ms
          state x = 0
          dx/dt = 1/ms
          spike when x > at/1 ms - 0.05
          on spike { x = -1e6 } }
        neuron Sink { state g = 0.1
          dg/dt = 0 * g / 1 ms }
        population A[50]: Clock(at = 3 ms - 0.1 ms * (i % 7))
        population B[1]: Sink()
        connect XE: A -> B.g via all_to_all with static(w = 1/(3 + i), delay = 0.1 ms * (i % 7))
        experiment e { run 10 ms }";
    let mut n = build(text, BackendKind::Jit);
    run(&mut n, 40);
    let mut sum = 0.1_f64;
    for i in 0..50 {
        sum += 1.0 / f64::from(3 + i);
    }
    assert_eq!(read(&mut n, pop(1, 0), 0).to_bits(), sum.to_bits());
}

/// Pair STDP with a delay for each synapse: the weight is that of the pairs at the synapse, where pre spikes arrive late.
#[test]
fn plasticity_sees_pre_spikes_when_they_arrive() {
    let text = "
        simulation { dt = 0.1 ms }
        neuron Clock { param at = 1 ms, period = 10 ms
          state x = 0
          dx/dt = 1/ms
          spike when x > at/1 ms - 0.05
          on spike { x -= period/1 ms } }
        synapse STDP {
          weight w = 1
          state x = 0, y = 0
          dx/dt = -x / 20 ms
          dy/dt = -y / 30 ms
          on pre { w -= 0.01*y; x += 1 }
          on post { w += 0.02*x; y += 1 } }
        population A[12]: Clock(at = 1 ms + 0.4 ms * i, period = 7 ms)
        population B[5]: Clock(at = 3.3 ms, period = 11 ms)
        connect XE: A -> B via all_to_all with STDP(delay = DELAY, dendritic_delay = BACK)
        experiment e { run 100 ms }";
    for (delay, back) in [
        ("0.7 ms * (i % 4) + 0.2 ms * j", "0 ms"),
        ("0.2 ms", "0.9 ms"),
        ("0.3 ms * j", "0.5 ms * (i % 3) + 0.1 ms * j"),
        ("0 ms", "0.3 ms * i"),
    ] {
        let text = text.replace("DELAY", delay).replace("BACK", back);
        let (mut jit, mut interp) = both(&text);
        for n in [&mut jit, &mut interp] {
            run(n, 900);
        }
        bits_agree(&jit, &interp);
        let steps = |e: &str, i: u64, j: u64| -> u64 {
            let (i4, i3) = (i % 4, i % 3);
            match e {
                "0.7 ms * (i % 4) + 0.2 ms * j" => 7 * i4 + 2 * j,
                "0.2 ms" => 2,
                "0.9 ms" => 9,
                "0.3 ms * j" => 3 * j,
                "0.5 ms * (i % 3) + 0.1 ms * j" => 5 * i3 + j,
                "0.3 ms * i" => 3 * i,
                _ => 0,
            }
        };
        for i in 0..12 {
            for j in 0..5 {
                let pre: Vec<u64> = spikes(&jit, 0, i).iter().map(|t| t + steps(delay, i, j)).collect();
                let post: Vec<u64> = spikes(&jit, 1, j).iter().map(|t| t + steps(back, i, j)).collect();
                assert!(pre.len() > 10 && post.len() > 6);
                // Directly over all events at the synapse; at equal times the pre event comes first.
                let (mut w, mut x, mut y, mut last) = (1.0_f64, 0.0_f64, 0.0_f64, 0_u64);
                for t in 0..=900 {
                    let (a, b) = (pre.contains(&t), post.contains(&t));
                    if a || b {
                        let gap = (t - last) as f64 * 0.1;
                        x *= (-gap / 20.0).exp();
                        y *= (-gap / 30.0).exp();
                        last = t;
                    }
                    if a {
                        w -= 0.01 * y;
                        x += 1.0;
                    }
                    if b {
                        w += 0.02 * x;
                        y += 1.0;
                    }
                }
                let got = read(&mut jit, proj(0, 0), (i * 5 + j) as usize);
                assert!((got - w).abs() < 1e-12, "{delay}, {back}: synapse {i}->{j} has {got}, directly {w}");
            }
        }
    }
}

/// A dendritic delay lets the soma feel a spike later by exactly that; with an axonal delay both add.
#[test]
fn dendritic_delays_are_exact_to_the_step() {
    for (delay, back, steps) in [
        ("0 ms", "1.5 ms", [15, 15, 15]),
        ("0.4 ms", "0.3 ms", [7, 7, 7]),
        ("0 ms", "0.2 ms * i", [0, 2, 4]),
        ("0.5 ms * i", "0.1 ms", [1, 6, 11]),
        ("0.3 ms", "0.1 ms + 0.2 ms * i", [4, 6, 8]),
    ] {
        let text = format!(
            "{SENDERS}
             population A[3]: Clock(at = 1 ms)
             population B[3]: Sink()
             connect A -> B.g via one_to_one with static(w = 1, delay = {delay}, dendritic_delay = {back})
             experiment e {{ run 10 ms }}"
        );
        for kind in [BackendKind::Jit, BackendKind::Interp] {
            let mut n = build(&text, kind);
            run(&mut n, 60);
            for i in 0..3 {
                assert_eq!(spikes(&n, 1, i), [10 + steps[i as usize] + 1], "{delay}, {back}, synapse {i}");
            }
        }
    }
}

/// NEST's STDP is `dendritic_delay = d`: a pre spike at t and a post spike at t count as post before pre by d at the synapse, so that
/// a pair with post - pre = dt depresses for dt > -d ... and the window is shifted by d; an axonal delay shifts it the other way.
#[test]
fn dendritic_delay_shifts_the_window_of_plasticity() {
    let window = |lag: i64, args: &str| {
        let text = format!(
            "simulation {{ dt = 0.1 ms }}
             neuron Clock {{ param at = 1 ms
               state x = 0
               dx/dt = 1/ms
               spike when x > at/1 ms - 0.05
               on spike {{ x = -1e6 }} }}
             synapse STDP {{
               weight w = 1
               state x = 0, y = 0
               dx/dt = -x / 20 ms
               dy/dt = -y / 20 ms
               on pre {{ w -= y; x += 1 }}
               on post {{ w += x; y += 1 }} }}
             population A[1]: Clock(at = 10 ms)
             population B[1]: Clock(at = {} ms)
             connect XE: A -> B via all_to_all with STDP({args})
             experiment e {{ run 10 ms }}",
            10.0 + lag as f64 * 0.1
        );
        let mut n = build(&text, BackendKind::Jit);
        run(&mut n, 400);
        read(&mut n, proj(0, 0), 0) - 1.0
    };
    for lag in [-30, -11, -10, -9, -1, 0, 1, 9, 10, 11, 30] {
        // Post minus pre at the synapse, in steps.
        for (args, at_synapse) in [
            ("dendritic_delay = 1 ms", lag + 10),
            ("delay = 1 ms", lag - 10),
            ("delay = 1 ms + 0 ms * i * uniform(0, 1), dendritic_delay = 1 ms", lag),
        ] {
            let expected = if at_synapse >= 0 {
                (-at_synapse as f64 * 0.1 / 20.0).exp()
            } else {
                -(at_synapse as f64 * 0.1 / 20.0).exp()
            };
            let got = window(lag, args);
            assert!((got - expected).abs() < 1e-12, "lag {lag}, {args}: {got} against {expected}");
        }
    }
}

/// `reset` of the target empties what is on its way: in axons, along dendrites, and back from the soma.
#[test]
fn reset_empties_the_queues() {
    for args in ["delay = 1 ms + 0.1 ms * i", "dendritic_delay = 1 ms", "dendritic_delay = 1 ms + 0.1 ms * i"] {
        let text = format!(
            "{SENDERS}
             population A[4]: Clock(at = 1 ms)
             population B[4]: Sink()
             connect A -> B.g via one_to_one with static(w = 1, {args})
             experiment e {{ run 10 ms }}"
        );
        let mut n = build(&text, BackendKind::Jit);
        run(&mut n, 15);
        n.reset(&[ResetTarget::Pop(PopId(1))]);
        run(&mut n, 60);
        for i in 0..4 {
            assert_eq!(spikes(&n, 0, i), [10]);
            assert!(spikes(&n, 1, i).is_empty(), "{args}");
        }
    }
}

/// A recurrent network of all kinds of delays with plasticity: both executions agree bit for bit, in both precisions, in pieces too.
#[test]
fn both_executions_agree() {
    for precision in ["f32", "f64"] {
        let text = format!(
            "simulation {{ dt = 0.1 ms; seed = 7; precision = {precision} }}
             neuron Cell {{
               state v = 0 mV, g = 0 mV
               10 ms * dv/dt = g - v
               dg/dt = -g / 5 ms
               spike when v > 10 mV
               on spike {{ v = 0 mV }}
               refractory 2 ms hold v }}
             synapse STDP {{
               weight w = 0.4 mV in [0 mV, 1 mV]
               state x = 0, y = 0
               dx/dt = -x / 20 ms
               dy/dt = -y / 20 ms
               on pre {{ deliver w; w -= 0.02 mV*y; x += 1 }}
               on post {{ w += 0.03 mV*x; y += 1 }} }}
             population X[60]: poisson(rate = 40 Hz)
             population E[40]: Cell()
             connect XE: X -> E.g via random(p = 0.4) with STDP(w = 2 mV * uniform(0.2, 0.9)/2, delay = uniform(0 ms, 3 ms), dendritic_delay = 1 ms)
             connect EE: E -> E.g via random(p = 0.2) where i != j with STDP(delay = 0.5 ms, dendritic_delay = exponential(1 ms))
             connect EV: E -> E.v via fixed_indegree(3) with static(w = -0.5 mV, dendritic_delay = uniform(0.1 ms, 0.6 ms))
             connect XV: X -> E.v via all_to_all with static(w = 0.3 mV, dendritic_delay = 0.4 ms)
             experiment e {{ run 10 ms }}"
        );
        let (mut jit, mut interp) = both(&text);
        let mut pieces = build(&text, BackendKind::Jit);
        for n in [&mut jit, &mut interp] {
            run(n, 1500);
        }
        pieces.begin_run(1500, snnc::script::machine::RunKey(0)).unwrap();
        for steps in [1, 7, 492, 1000] {
            pieces.advance(steps).unwrap();
        }
        assert!(spikes(&jit, 1, 3).len() > 2, "{:?}", spikes(&jit, 1, 3));
        bits_agree(&jit, &interp);
        states_agree(&jit, &pieces);
        assert!((0..40).all(|j| spikes(&jit, 1, j) == spikes(&pieces, 1, j)));
    }
}
