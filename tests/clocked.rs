//! Synapses that act at every step: continuous coupling, clocked states, deliveries to inputs; against closed forms and direct
//! computations, both executions bit for bit.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{bits_agree, both, build, pop, proj, read, run, spikes};
use snnc::driver::BackendKind;
use snnc::hir::PopId;
use snnc::script::machine::{Machine, ResetTarget};

/// A gap junction between two passive cells: what is injected is that of the states at the step's start, so that the difference of the
/// potentials shrinks in each step by e - 2*g*R*(1 - e) with e = exp(-dt/tau).
#[test]
fn a_gap_junction_couples_the_states_of_the_steps_start() {
    let text = "
        simulation { dt = 0.1 ms }
        neuron Cell {
          param v0 = -60 mV
          input I: pA
          state v = v0
          10 ms * dv/dt = -65 mV - v + 100 MOhm * I }
        synapse Gap { param g = 2 nS
          inject g * (pre.v - post.v) }
        population P[2]: Cell(v0 = if i == 0 then -50 mV else -70 mV)
        connect P -> P.I via all_to_all where i != j with Gap()
        experiment e { run 10 ms }";
    let (mut jit, mut interp) = both(text);
    for n in [&mut jit, &mut interp] {
        run(n, 150);
    }
    bits_agree(&jit, &interp);
    let e = (-0.1_f64 / 10.0).exp();
    let (mut d, mut s) = (20.0_f64, -120.0_f64);
    for _ in 0..150 {
        d *= e - 2.0 * 0.002 * 100.0 * (1.0 - e);
        s = s * e - 130.0 * (1.0 - e);
    }
    let (a, b) = (read(&mut jit, pop(0, 2), 0), read(&mut jit, pop(0, 2), 1));
    assert!((a - b - d).abs() < 1e-11 && (a + b - s).abs() < 1e-11, "{} against {d}, {} against {s}", a - b, a + b);
}

/// Dense and sparse projections sum what they inject in the order of the pre neurons.
#[test]
fn injections_add_in_order_and_to_what_protocols_gave() {
    for rule in ["all_to_all", "random(p = 1)"] {
        let text = format!(
            "simulation {{ dt = 0.1 ms }}
             neuron Source {{ state r = 1/(3 + i)
               dr/dt = 0 * r / 1 ms }}
             neuron Sum {{ input I = 0.25
               state total = 0
               dtotal/dt = I / 0.1 ms }}
             synapse Add {{ param w = 1
               inject w * pre.r }}
             population A[40]: Source()
             population B[3]: Sum()
             connect A -> B.I via {rule} with Add(w = 1 + j)
             experiment e {{ run 10 ms }}"
        );
        let (mut jit, mut interp) = both(&text);
        for n in [&mut jit, &mut interp] {
            run(n, 1);
        }
        bits_agree(&jit, &interp);
        for j in 0..3 {
            let mut sum = 0.0_f64;
            for i in 0..40 {
                sum += (1.0 + f64::from(j)) * (1.0 / f64::from(3 + i));
            }
            let got = read(&mut jit, pop(1, 1), j as usize);
            assert!((got - (0.25 + sum)).abs() < 1e-13 * sum, "{rule}: {got} against {}", sum + 0.25);
        }
    }
}

const PAIRS: &str = "
    simulation { dt = 0.1 ms }
    neuron Clock { param at = 1 ms, period = 7 ms
      state x = 0
      dx/dt = 1/ms
      spike when x > at/1 ms - 0.05
      on spike { x -= period/1 ms } }
    synapse STDP {
      param tau = 20 ms
      weight w = 1
      state x = 0, y = 0
      dx/dt = -x / tau
      dy/dt = (0.3 - y) / 30 ms
      on pre { w -= 0.01*y; x += 1 }
      on post { w += 0.02*x; y += 1 } }
    population A[12]: Clock(at = 1 ms + 0.4 ms * i, period = 7 ms)
    population B[5]: Clock(at = 3.3 ms, period = 11 ms)
    connect XE: A -> B via RULE with STDP(tau = TAU)
    experiment e { run 100 ms }";

/// One source, once event-driven and once clocked (time constants that may differ between synapses are advanced at every step).
#[test]
fn event_driven_and_clocked_states_agree() {
    for rule in ["all_to_all", "random(p = 0.7)"] {
        let lazy = PAIRS.replace("RULE", rule).replace("TAU", "20 ms");
        let clocked = PAIRS.replace("RULE", rule).replace("TAU", "20 ms + 1e-300 ms * i");
        let mut a = build(&lazy, BackendKind::Jit);
        let (mut b, mut interp) = both(&clocked);
        assert!(a.plan().projections[0].clocked.update.is_none());
        assert!(b.plan().projections[0].clocked.update.is_some());
        for n in [&mut a, &mut b, &mut interp] {
            run(n, 777);
        }
        bits_agree(&b, &interp);
        let synapses = a.synapse_counts()[0] as usize;
        assert!(synapses > 30);
        for var in 1..4 {
            for k in 0..synapses {
                let (x, y) = (read(&mut a, proj(0, var), k), read(&mut b, proj(0, var), k));
                assert!((x - y).abs() < 1e-12, "{rule}: variable {var} of synapse {k}: {x} and {y}");
            }
        }
    }
}

/// Time constants that differ between synapses: each trace decays with its own.
#[test]
fn traces_with_time_constants_of_their_own() {
    let text = PAIRS.replace("RULE", "all_to_all").replace("TAU", "5 ms + 1 ms * i + 3 ms * j");
    let mut n = build(&text, BackendKind::Jit);
    run(&mut n, 500);
    for i in 0..12_u64 {
        for j in 0..5_u64 {
            let tau = 5.0 + i as f64 + 3.0 * j as f64;
            let x: f64 = spikes(&n, 0, i).iter().map(|t| (-(500.0 - *t as f64) * 0.1 / tau).exp()).sum();
            let got = read(&mut n, proj(0, 2), (i * 5 + j) as usize);
            assert!((got - x).abs() < 1e-12, "{got} against {x}");
        }
    }
}

/// Oja's rule on two inputs that are a circle's coordinates, one of twice the size: the weights become the unit vector of the larger.
#[test]
fn ojas_rule_finds_the_first_component() {
    let text = "
        simulation { dt = 0.5 ms }
        neuron Wave { param size = 1
          state r = size, q = 0
          dr/dt = -2*pi * 5 Hz * q
          dq/dt = 2*pi * 5 Hz * r }
        neuron Unit { param tau = 1 ms
          input I
          state r = 0
          tau * dr/dt = -r + I }
        synapse Oja {
          param eta = 2e-3/ms
          weight w in [-2, 2]
          dw/dt = eta * (pre.r*post.r - post.r^2*w)
          inject w*pre.r }
        population A[2]: Wave(size = 1 + i)
        population B[1]: Unit()
        connect W: A -> B.I via all_to_all with Oja(w = 0.5)
        experiment e { run 10 ms }";
    let (mut jit, mut interp) = both(text);
    for n in [&mut jit, &mut interp] {
        run(n, 20_000);
    }
    bits_agree(&jit, &interp);
    let (a, b) = (read(&mut jit, proj(0, 1), 0), read(&mut jit, proj(0, 1), 1));
    // Both inputs are in phase: the direction of variation is (1, 2)/sqrt(5).
    assert!((a.hypot(b) - 1.0).abs() < 0.01, "norm {}", a.hypot(b));
    assert!((b / a - 2.0).abs() < 0.1, "{a}, {b}");
}

/// Bounds hold after an integrated step; a frozen weight does not move.
#[test]
fn bounds_and_freezing_hold_for_weights_with_equations() {
    let text = "
        simulation { dt = 0.1 ms }
        neuron Source { state r = 1
          dr/dt = 0 * r / 1 ms }
        neuron Unit { input I
          state r = 0
          dr/dt = (I - r) / 1 ms }
        synapse Grow { weight w in [0, 1.5]
          dw/dt = pre.r / 10 ms
          inject w }
        population A[1]: Source()
        population B[1]: Unit()
        connect W: A -> B.I via all_to_all with Grow(w = 1)
        experiment e { run 10 ms }";
    let (mut n, mut interp) = both(text);
    run(&mut n, 20);
    assert!((read(&mut n, proj(0, 0), 0) - 1.2).abs() < 1e-12);
    n.freeze(&[proj(0, 0)]).unwrap();
    run(&mut n, 20);
    assert!((read(&mut n, proj(0, 0), 0) - 1.2).abs() < 1e-12);
    n.thaw(&[proj(0, 0)]).unwrap();
    run(&mut n, 100);
    assert_eq!(read(&mut n, proj(0, 0), 0), 1.5);
    run(&mut interp, 20);
    interp.freeze(&[proj(0, 0)]).unwrap();
    run(&mut interp, 20);
    interp.thaw(&[proj(0, 0)]).unwrap();
    run(&mut interp, 100);
    bits_agree(&n, &interp);
}

/// What is delivered to an input acts in the next step and in no other; `reset` of the target takes it back.
#[test]
fn a_delivery_to_an_input_lasts_one_step() {
    let text = "
        simulation { dt = 0.1 ms }
        neuron Clock { state x = 0
          dx/dt = 1/ms
          spike when x > 0.95
          on spike { x = -1e6 } }
        neuron Cell { input I: pA
          state v = 0 mV
          10 ms * dv/dt = -v + 100 MOhm * I }
        population A[1]: Clock()
        population B[1]: Cell()
        connect A -> B.I via all_to_all with static(w = 50 pA)
        experiment e { run 10 ms }";
    let (mut n, mut interp) = both(text);
    let e = (-0.1_f64 / 10.0).exp();
    run(&mut n, 10);
    assert_eq!(read(&mut n, pop(1, 1), 0), 0.0);
    let mut fork = n.fork();
    run(&mut n, 1);
    let v = 5.0 * (1.0 - e);
    assert!((read(&mut n, pop(1, 1), 0) - v).abs() < 1e-12);
    run(&mut n, 5);
    assert!((read(&mut n, pop(1, 1), 0) - v * e.powi(5)).abs() < 1e-12);
    run(&mut interp, 10);
    run(&mut interp, 1);
    run(&mut interp, 5);
    bits_agree(&n, &interp);
    fork.reset(&[ResetTarget::Pop(PopId(1))]);
    fork.begin_run(5, snnc::script::machine::RunKey(0)).unwrap();
    fork.advance(5).unwrap();
    let values = fork.values(pop(1, 1));
    assert!(matches!(values.data, snnc::script::machine::Slice::F64(v) if v[0] == 0.0));
}

/// A saturating NMDA synapse: nonlinear in its own state, fed by events, coupled continuously through the magnesium block.
#[test]
fn nonlinear_synapses_run_alike_in_both_executions() {
    for precision in ["f32", "f64"] {
        let text = format!(
            "simulation {{ dt = 0.1 ms; seed = 3; precision = {precision} }}
             neuron Cell {{ input I: pA
               state v = -65 mV
               10 ms * dv/dt = -65 mV - v + 100 MOhm * I
               spike when v > -50 mV
               on spike {{ v = -65 mV }}
               refractory 2 ms hold v }}
             synapse NMDA {{
               param g = 5 nS
               state x = 0, s = 0
               dx/dt = -x / 2 ms
               ds/dt = -s / 100 ms + 0.5/ms * x * (1 - s)
               let B = 1 / (1 + exp(-62/V * post.v) / 3.57)
               inject g * s * B * (0 mV - post.v)
               on pre {{ x += 1 }} }}
             population X[30]: poisson(rate = 20 Hz)
             population E[20]: Cell()
             connect A: X -> E.I via random(p = 0.5) with NMDA()
             connect B: E -> E.I via all_to_all with NMDA(g = 0.05 nS)
             experiment e {{ run 10 ms }}"
        );
        let (mut jit, mut interp) = both(&text);
        for n in [&mut jit, &mut interp] {
            run(n, 1000);
        }
        assert!((0..20).any(|j| spikes(&jit, 1, j).len() > 1));
        bits_agree(&jit, &interp);
    }
}

/// What is injected through an axon of k steps is what the pre neuron was k steps ago, and what it was at the start before that: exact to
/// the step, with one delay for all synapses, with delays of their own, in matrices and rows, in both executions.
#[test]
fn delayed_injections_read_the_past_of_pre_neurons() {
    for (rule, delay, own) in [
        ("all_to_all", "0.7 ms", false),
        ("random(p = 1)", "0.7 ms", false),
        ("all_to_all", "0.1 ms * (i + 2*j)", true),
        ("random(p = 1)", "0.1 ms * (i + 2*j)", true),
    ] {
        for precision in ["f32", "f64"] {
            // Neuron i counts the steps from i on; the sums are small whole numbers, exact in both.
            let text = format!(
                "simulation {{ dt = 0.1 ms; precision = {precision} }}
                 neuron Counter {{ state r = i
                   every 0.1 ms {{ r += 1 }} }}
                 synapse Late {{ inject pre.r }}
                 neuron Keep {{ input I
                   state total = 0
                   dtotal/dt = I / 0.1 ms
                   method euler }}
                 population A[5]: Counter()
                 population B[3]: Keep()
                 connect A -> B.I via {rule} with Late(delay = {delay})
                 experiment e {{ run 10 ms }}"
            );
            let (mut jit, mut interp) = both(&text);
            let mut totals = [0.0; 3];
            for n in 0..40_i64 {
                for net in [&mut jit, &mut interp] {
                    run(net, 1);
                }
                for (j, total) in (0_i64..).zip(&mut totals) {
                    for i in 0..5 {
                        let d = if own { i + 2 * j } else { 7 };
                        // `every` runs before what is injected is read: at step m the counter is i + m + 1.
                        *total += (i + (n - d).max(0) + 1) as f64;
                    }
                }
                for (j, total) in totals.iter().enumerate() {
                    assert_eq!(
                        read(&mut jit, pop(1, 1), j),
                        *total,
                        "{rule}, {delay}, {precision}, step {n}, neuron {j}"
                    );
                }
            }
            bits_agree(&jit, &interp);
        }
    }
}

/// A dendritic delay takes the post neuron's own past: x' = -x(t - d) by the Euler method is x[n + 1] = x[n] - dt*x[n - k], with x at its
/// initial value before the start and after a `reset`; fully compiled and in pieces.
#[test]
fn a_delay_differential_equation_of_the_post_neuron() {
    let text = "
        simulation { dt = 0.1 ms }
        neuron Clock { state x = 0 }
        neuron Late { input I: 1/ms
          state x = 1
          dx/dt = I
          method euler }
        synapse Back { inject -post.x/ms }
        population A: Clock()
        population B[2]: Late()
        connect A -> B.I via all_to_all with Back(dendritic_delay = 1.5 ms)
        experiment e { run 10 ms }";
    let (mut jit, mut interp) = both(text);
    let expected = |steps: usize| {
        let mut x = vec![1.0_f64];
        for n in 0..steps {
            let old = if n >= 15 { x[n - 15] } else { x[0] };
            x.push(x[n] - 0.1 * old);
        }
        x[steps]
    };
    for net in [&mut jit, &mut interp] {
        run(net, 100);
        assert!((read(net, pop(1, 1), 0) - expected(100)).abs() < 1e-12);
        net.reset(&[ResetTarget::Pop(PopId(1))]);
        run(net, 10);
        run(net, 40);
        assert!((read(net, pop(1, 1), 1) - expected(50)).abs() < 1e-12, "{}", read(net, pop(1, 1), 1));
    }
    bits_agree(&jit, &interp);
}
