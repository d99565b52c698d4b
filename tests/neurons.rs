//! Events, periodic code, rates that change, values that follow the time and other populations: each to the step.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;

use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::{PopId, VarId};
use snnc::rng::Stream;
use snnc::runtime::Network;
use snnc::script::machine::{Entity, Machine, ResetTarget, RunKey, Slice, SliceMut, VarKey};

fn network(text: &str) -> Network {
    let mut session = Session::from_text(Path::new("test.snn"), text, &Settings::default());
    session.plan_only();
    let words: Vec<String> =
        session.sink.items.iter().map(|d| snnc::diag::render::render_human(d, &session.sources, false)).collect();
    let model = session.model.clone().unwrap_or_else(|| panic!("{}", words.join("\n")));
    match session.build(&model, BackendKind::Jit) {
        Ok((network, _)) => network,
        Err(errors) => panic!("{errors:?}"),
    }
}

fn run(network: &mut Network, steps: u64, key: u64) {
    network.begin_run(steps, RunKey(key)).unwrap();
    network.advance(steps).unwrap();
}

fn key(pop: u32, var: u32) -> VarKey {
    VarKey { entity: Entity::Pop(PopId(pop)), var: VarId(var) }
}

fn values(network: &mut Network, pop: u32, var: u32) -> Vec<f64> {
    let values = network.values(key(pop, var));
    let n = values.cols;
    match values.data {
        Slice::F32(v) => v[..n].iter().map(|x| f64::from(*x)).collect(),
        Slice::F64(v) => v[..n].to_vec(),
        Slice::Uniform(x) => vec![x; n],
    }
}

#[test]
fn periodic_code_runs_at_multiples_of_its_period() {
    let mut net = network(
        "simulation { dt = 0.1 ms; seed = 9 }
         neuron M { state n: int = 0, z = 0, at = 0 ms, v = 0
           every 1 ms { n += 1; let a = normal(0, 1); z = 2*a + 1; at = t; v += 1 }
           dv/dt = -v/1 ms }
         population P[3]: M()
         experiment e { run 1 ms }",
    );
    for (steps, n) in [(1, 1.0), (9, 1.0), (1, 2.0), (89, 10.0)] {
        run(&mut net, steps, steps);
        assert_eq!(values(&mut net, 0, 0), [n; 3]);
    }
    // The last one was at 9 ms, step 79 of the last run, whose draws are addressed by it.
    assert!(values(&mut net, 0, 2).iter().all(|t| (t - 9.0).abs() < 1e-9));
    let stream = Stream::new(9, "P/every").sub(89);
    let z = values(&mut net, 0, 1);
    for (i, z) in z.iter().enumerate() {
        assert_eq!(*z, 2.0_f64.mul_add(stream.normal(i as u64, 79), 1.0));
    }
    // It runs before the step is integrated: the sum of ten kicks that decayed since.
    let want: f64 = (0..10).map(|k| (-f64::from(10 - k)).exp()).sum();
    let v = values(&mut net, 0, 3)[0];
    assert!((v - want).abs() < 1e-12, "{v} against {want}");
}

/// A ramp that crosses, stays above, and is reset; events while refractory; the end of the refractory period.
#[test]
fn events_happen_at_the_ends_of_steps() {
    let mut net = network(
        "simulation { dt = 0.1 ms }
         neuron M {
           state v = 0, up: int = 0, above: int = 0, released = 0 ms, w = 0
           dv/dt = 1/ms
           dw/dt = 1/ms
           event cross when v crosses 0.45
           on cross { up += 1 }
           event high when v > 0.45
           on high { above += 1; if above % 2 == 0 { w = 0 } else { w += 0 } }
           spike when v > 0.95
           on spike { v = 0 }
           refractory 0.7 ms
           on release { released = t } }
         population P: M()
         neuron Sink { state g = 0, h = 0 }
         population S: Sink()
         connect P.cross -> S.g via all_to_all with static(w = 1, delay = 0.3 ms)
         connect P.high -> S.h via all_to_all with static(w = 1)
         experiment e { run 1 ms }",
    );
    net.record_spikes(PopId(0), true);
    // v is 0.1 k after k steps: it crosses at step 5 and is above in steps 5 to 10; the spike is at step 10.
    run(&mut net, 7, 0);
    assert_eq!((values(&mut net, 0, 1)[0], values(&mut net, 0, 2)[0]), (1.0, 3.0));
    assert_eq!((values(&mut net, 1, 0)[0], values(&mut net, 1, 1)[0]), (0.0, 3.0));
    run(&mut net, 1, 1);
    assert_eq!(values(&mut net, 1, 0)[0], 1.0);
    run(&mut net, 8, 2);
    assert_eq!(net.spikes(PopId(0)).step, [10]);
    // Refractory for 7 steps: crossing again at step 15 counts all the same, the release is at step 17.
    assert_eq!(values(&mut net, 0, 1)[0], 2.0);
    assert_eq!(values(&mut net, 0, 3)[0], 0.0);
    run(&mut net, 1, 3);
    assert!((values(&mut net, 0, 3)[0] - 1.7).abs() < 1e-9);
    run(&mut net, 3, 4);
    assert_eq!(net.spikes(PopId(0)).step, [10, 20]);
}

/// What follows the time or another population is taken at the step's start, whatever the order of populations; an assignment ends it
/// until `reset`.
#[test]
fn values_follow_the_time_and_others() {
    let mut net = network(
        "simulation { dt = 0.1 ms }
         neuron Follower { input I, gain = 2
           state v = 0
           dv/dt = gain*I/1 ms
           method euler }
         neuron Leader { param p = 10*t/1 ms + 1
           state v = 0
           dv/dt = p/1 ms
           method euler }
         population A[3]: Follower(I = B.v + i)
         population B[3]: Leader()
         population C[3]: Follower(I = D.v)
         population D: Leader(p = 1)
         experiment e { run 1 ms }"
            .replace("input I, gain = 2", "input I\n param gain = 2")
            .as_str(),
    );
    run(&mut net, 20, 0);
    let (mut a, mut b, mut c, mut d) = ([0.0_f64; 3], 0.0_f64, 0.0_f64, 0.0_f64);
    for k in 0..20 {
        let p = 10.0 * f64::from(k) * 0.1 + 1.0;
        for (i, a) in a.iter_mut().enumerate() {
            *a += 0.1 * 2.0 * (b + i as f64);
        }
        c += 0.1 * 2.0 * d;
        b += 0.1 * p;
        d += 0.1;
    }
    for (pop, want) in [(0, a), (1, [b; 3]), (2, [c; 3])] {
        let var = if pop == 1 { 1 } else { 2 };
        let got = values(&mut net, pop, var);
        assert!(got.iter().zip(&want).all(|(x, y)| (x - y).abs() < 1e-9), "{pop}: {got:?} against {want:?}");
    }
    // Assigned: constant.
    let SliceMut::F64(input) = net.values_mut(key(0, 0)).unwrap().data else { panic!() };
    input[..3].fill(5.0);
    net.written(key(0, 0));
    let before = values(&mut net, 0, 2);
    run(&mut net, 10, 1);
    let after = values(&mut net, 0, 2);
    assert!(before.iter().zip(&after).all(|(x, y)| (y - x - 10.0).abs() < 1e-9), "{before:?} {after:?}");
    net.reset(&[ResetTarget::Pop(PopId(0))]);
    run(&mut net, 1, 2);
    let b_now = values(&mut net, 1, 1)[0];
    run(&mut net, 1, 3);
    let i = values(&mut net, 0, 0);
    assert!((i[2] - b_now - 2.0).abs() < 1e-9, "{i:?} against {b_now}");
}

/// `timed` changes at the nearest steps, in `f32` and late in a simulation too.
#[test]
fn tables_are_followed_to_the_step() {
    for precision in ["f64", "f32"] {
        let mut net = network(&format!(
            "simulation {{ dt = 0.1 ms; precision = {precision} }}
             neuron M {{ input I = timed([1, 2, 3, 4, 5, 6, 7], 0.7 ms), J = timed(K, 1e5 ms)
               state v = 0, w = 0
               dv/dt = I/1 ms
               dw/dt = timed(K, 0.3 ms)/1 ms }}
             const K = [1, 0, 2]
             population P: M()
             experiment e {{ run 1 ms }}"
        ));
        for k in 0..60_u64 {
            run(&mut net, 1, k);
            assert_eq!(values(&mut net, 0, 0)[0], (k / 7).min(6) as f64 + 1.0, "step {k}");
        }
        // 0.3 ms of slope 1, 0.3 ms of 0, then 2.
        let w = values(&mut net, 0, 3)[0];
        assert!((w - 0.3 - 2.0 * 5.4).abs() < 1e-4, "{w}");
        net.set_steps(999_999);
        run(&mut net, 1, 60);
        assert_eq!(values(&mut net, 0, 1)[0], 1.0);
        run(&mut net, 1, 61);
        assert_eq!(values(&mut net, 0, 1)[0], 0.0);
    }
}

/// A rate that changes: the probability of a step is 1 - e^(-r dt) with the rate at its end, one draw of stream `P/spike` a step.
#[test]
fn changing_rates_have_their_probabilities() {
    let n = 2000;
    let mut net = network(&format!(
        "simulation {{ dt = 0.5 ms; seed = 6 }}
         neuron M {{ param top = 100 Hz
           spike with rate top*(1 + sin(2*pi*t/40 ms)) }}
         population P[{n}]: M()
         neuron Decay {{ state r = 300 Hz
           dr/dt = -r/30 ms
           spike with rate r
           refractory 5 ms }}
         population Q[{n}]: Decay()
         experiment e {{ run 1 ms; print(Q.count) }}"
    ));
    net.record_spikes(PopId(0), true);
    run(&mut net, 400, 77);
    let log = net.spikes(PopId(0)).clone();
    let stream = Stream::new(6, "P/spike").sub(77);
    let mut counts = vec![0_u32; 401];
    for s in &log.step {
        counts[*s as usize] += 1;
    }
    let (mut expected, mut variance) = (0.0, 0.0);
    for k in 0..400_u64 {
        let t = (k + 1) as f64 * 0.5;
        let p = -(-0.1 * (1.0 + (2.0 * std::f64::consts::PI * t / 40.0).sin()) * 0.5).exp_m1();
        expected += p * f64::from(n);
        variance += p * (1.0 - p) * f64::from(n);
        // Draw by draw, away from rounding at the edge.
        let sure = (0..n as u64).filter(|i| stream.uniform(*i, k) < p - 1e-9).count() as u32;
        let possible = (0..n as u64).filter(|i| stream.uniform(*i, k) < p + 1e-9).count() as u32;
        let got = counts[k as usize + 1];
        assert!(got >= sure && got <= possible, "step {k}: {got}, not {sure}..={possible}");
    }
    let total = log.step.len() as f64;
    assert!((total - expected).abs() < 4.0 * f64::sqrt(variance), "{total} against {expected}");
    // Refractoriness holds for changing rates too: ten steps, so at most 19 spikes in 200 ms and at least 5.5 ms between two.
    assert!(net.counts(PopId(1)).iter().all(|c| *c <= 37));
    assert!(net.counts(PopId(1)).iter().sum::<i32>() > n);
}

#[test]
fn lists_of_spikes_are_played() {
    let text = "simulation { dt = 0.1 ms }
         population A[3]: spike_source(times = [1 ms, 2.5 ms, 900 ms])
         population B[4]: spike_source(times = [3 ms, 1 ms, 1 ms, 1.02 ms], ids = [3, 0, 2, 0])
         experiment e { run 1 ms }";
    let mut whole = network(text);
    let mut parts = network(text);
    for n in [&mut whole, &mut parts] {
        n.record_spikes(PopId(0), true);
        n.record_spikes(PopId(1), true);
    }
    run(&mut whole, 10_000, 0);
    for k in 0..100 {
        run(&mut parts, 100, k);
    }
    for n in [&whole, &parts] {
        assert_eq!(n.spikes(PopId(0)).step, [10, 10, 10, 25, 25, 25, 9000, 9000, 9000]);
        assert_eq!(n.spikes(PopId(0)).neuron, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
        assert_eq!(n.spikes(PopId(1)).step, [10, 10, 30]);
        assert_eq!(n.spikes(PopId(1)).neuron, [0, 2, 3]);
    }
}

/// A normal distribution between two ends has the moments of the truncated one.
#[test]
fn truncated_draws_stay_inside() {
    let n = 20_000;
    let mut net = network(&format!(
        "simulation {{ dt = 0.1 ms; seed = 12 }}
         neuron M {{ param a = truncated(normal(1 mV, 1 mV), 0 mV, 3 mV)
           state v = truncated(exponential(1), 0.5, 1) }}
         population P[{n}]: M()
         experiment e {{ run 1 ms }}"
    ));
    let a = values(&mut net, 0, 0);
    assert!(a.iter().all(|x| (0.0..=3.0).contains(x)));
    // Mean of a normal between -1 and 2 standard deviations: 1 + (phi(1) - phi(2))/(Phi(2) - Phi(-1)).
    let phi = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let mass = 0.977_249_868_051_821 - 0.158_655_253_931_457;
    let want = 1.0 + (phi(1.0) - phi(2.0)) / mass;
    let mean = a.iter().sum::<f64>() / f64::from(n);
    assert!((mean - want).abs() < 4.0 * 0.75 / f64::from(n).sqrt(), "{mean} against {want}");
    assert!(values(&mut net, 0, 1).iter().all(|x| (0.5..=1.0).contains(x)));
}

/// Where no protocol asks for the spikes of single neurons, their total is the same as the sum where one does.
#[test]
fn totals_are_sums_of_counts() {
    let of = |ask: &str| {
        let mut net = network(&format!(
            "simulation {{ dt = 0.5 ms; seed = 3 }}
             neuron LIF {{ state v = 0 mV
               dv/dt = -v / 10 ms
               spike when v > 5 mV
               on spike {{ v = 0 mV }} }}
             population X[20]: poisson(rate = 100 Hz)
             population E[10]: LIF()
             connect X -> E.v via all_to_all with static(w = 1 mV)
             experiment e {{ run 1 ms{ask} }}"
        ));
        run(&mut net, 200, 5);
        let first: Vec<u64> = [0, 1].map(|p| net.total(PopId(p))).to_vec();
        let sums: Vec<u64> = [0, 1].map(|p| net.counts(PopId(p)).iter().map(|n| *n as u64).sum()).to_vec();
        // A run begins with none.
        net.begin_run(10, RunKey(6)).unwrap();
        assert_eq!([0, 1].map(|p| net.total(PopId(p))), [0, 0]);
        (first, sums)
    };
    let (counted, sums) = of("; print(X.count, E.count)");
    assert!(counted.iter().all(|n| *n > 100), "{counted:?}");
    assert_eq!(counted, sums);
    assert_eq!(of("").0, counted);
}
