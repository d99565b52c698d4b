//! Single neurons against published values and an independent program: spike counts and first spike times.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{build, run, spikes};
use snnc::driver::BackendKind;
use snnc::hir::PopId;
use snnc::script::machine::Machine;

/// Times in ms of the spikes of the first neuron.
fn times(text: &str, dt: f64, duration: f64) -> Vec<f64> {
    let mut n = build(text, BackendKind::Jit);
    run(&mut n, (duration / dt).round() as u64);
    spikes(&n, 0, 0).iter().map(|s| *s as f64 * dt).collect()
}

/// A type of Izhikevich's neuron: parameters a, b, c, d, the current and the first potential.
type Kind = [f64; 6];

/// The steps at whose ends the neuron spikes in 1 s, by forward Euler at 0.1 ms: with every operation rounded, or with the fused multiply-adds that
/// the rule of the loop language places.
fn recurrence([a, b, c, d, i, v0]: Kind, fused: bool) -> Vec<u64> {
    let (dt, mut v, mut u) = (0.1, v0, b * v0);
    let mut spikes = Vec::new();
    for n in 0..10_000 {
        (v, u) = if fused {
            let slope = 5f64.mul_add(v, 0.04 * (v * v)) + 140.0 - u + i;
            (slope.mul_add(dt, v), b.mul_add(v, -u).mul_add(dt * a, u))
        } else {
            let slope = 0.04 * v * v + 5.0 * v + 140.0 - u + i;
            (v + dt * slope, u + dt * a * (b * v - u))
        };
        if v >= 30.0 {
            spikes.push(n + 1);
            (v, u) = (c, u + d);
        }
    }
    spikes
}

/// Izhikevich's neurons (2003, figure 2) by forward Euler at 0.1 ms over 1 s: counts and first spikes of an independent program, which rounds every
/// operation; and every spike of the same recurrence with the operations of the generated code. Euler's steps through the upswing magnify
/// rounding: in the fastest train one more spike fits into the second.
#[test]
fn izhikevichs_types_spike_at_their_times() {
    for (name, kind, count, first) in [
        ("RS", [0.02, 0.2, -65.0, 8.0, 10.0, -65.0], 23, &[3.4, 27.1, 72.2, 117.3][..]),
        ("RS, more current", [0.02, 0.2, -65.0, 8.0, 15.0, -65.0], 34, &[2.4, 7.1, 32.4, 62.9]),
        ("IB", [0.02, 0.2, -55.0, 4.0, 10.0, -65.0], 34, &[3.4, 5.9, 10.5, 50.8]),
        ("CH", [0.02, 0.2, -50.0, 2.0, 10.0, -65.0], 87, &[3.4, 5.0, 6.7, 8.6]),
        ("FS", [0.1, 0.2, -65.0, 2.0, 10.0, -65.0], 130, &[3.4, 8.0, 14.3, 21.8]),
        ("LTS", [0.02, 0.25, -65.0, 2.0, 15.0, -65.0], 115, &[2.1, 4.4, 7.0, 9.9]),
        ("TC", [0.02, 0.25, -65.0, 0.05, 1.0, -65.0], 21, &[10.5, 27.1, 62.8, 111.5]),
        ("TC, rebound", [0.02, 0.25, -65.0, 0.05, 1.0, -90.0], 29, &[4.9, 8.4, 12.2, 16.3]),
        ("RZ", [0.1, 0.26, -65.0, 8.0, -0.0488, -65.0], 1, &[32.5]),
    ] {
        let [a, b, c, d, i, v0] = kind;
        let text = format!(
            "simulation {{ dt = 0.1 ms }}\npopulation P: izhikevich(a = {a}/ms, b = {b}/ms, c = {c} mV, d = {d} mV/ms, \
             I = {i} mV/ms, v = {v0} mV)\n"
        );
        let mut n = build(&text, BackendKind::Jit);
        run(&mut n, 10_000);
        let got = spikes(&n, 0, 0);
        assert_eq!(got, recurrence(kind, true), "{name}");
        let published = recurrence(kind, false);
        assert_eq!(published.len(), count, "{name}");
        assert_eq!(got.len(), if name == "FS" { 131 } else { count }, "{name}");
        for ((got, published), want) in got.iter().zip(&published).zip(first) {
            assert_eq!(got, published, "{name}");
            assert!((*got as f64 * 0.1 - want).abs() < 1e-6, "{name}: step {got} and {want} ms");
        }
    }
}

/// The period of dv/dt = (1.5 - v)/(10 ms) from 0 to 1 is 10 ln 3 ms.
#[test]
fn a_leaky_neuron_has_its_period() {
    let text = "simulation { dt = 0.001 ms }\npopulation P: lif(tau = 10 ms, v_rest = 0 mV, v_reset = 0 mV, v_th = 1 mV, \
                R = 1 MOhm, I = 1.5 nA, t_ref = 0 ms)\n";
    let got = times(text, 0.001, 115.0);
    assert_eq!(got.len(), 10);
    for (k, t) in got.iter().enumerate() {
        let want = (k + 1) as f64 * 10.0 * 3f64.ln();
        // Each period is rounded up to whole steps.
        assert!((0.0..0.001 * (k + 1) as f64 + 1e-9).contains(&(t - want)), "{t} and {want} ms");
    }
}

/// The oscillator of FitzHugh and Nagumo: a period of 39.48 ms with the current 0.5, silence without.
#[test]
fn fitzhugh_and_nagumos_oscillator_has_its_period() {
    let with = |current: &str| {
        format!(
            "simulation {{ dt = 0.05 ms }}\n\
             neuron F {{\n  input I\n  state v = -1.2, w = -0.62\n  dv/dt = (v - v^3/3 - w + I) / 1 ms\n  \
             dw/dt = (v + 0.7 - 0.8*w) / 12.5 ms\n  spike when v crosses 1\n  method rk4\n}}\n\
             population P: F(I = {current})\n"
        )
    };
    let got = times(&with("0.5"), 0.05, 2000.0);
    let (first, last) = (got[got.len() - 41], got[got.len() - 1]);
    assert!(((last - first) / 40.0 - 39.48).abs() < 0.01, "{}", (last - first) / 40.0);
    assert_eq!(times(&with("0"), 0.05, 1000.0).len(), 0);
}

/// Hodgkin & Huxley's axon over 500 ms by Runge-Kutta at 0.02 ms: two spikes at 6 uA/cm^2, 30 at 7, 35 at 10.
#[test]
fn the_squid_axon_has_its_rates() {
    for (current, count) in [(6.0, 2), (7.0, 30), (10.0, 35)] {
        let text = format!("simulation {{ dt = 0.02 ms }}\npopulation P: hodgkin_huxley(I = {current} uA/cm^2)\n");
        let got = times(&text, 0.02, 500.0);
        assert_eq!(got.len(), count, "{current} uA/cm^2: {got:?}");
    }
}

/// Sizes and numbers of synapses of scaled networks: real numbers whose value is whole are taken, others are named with their value.
#[test]
fn a_size_is_a_number_whose_value_is_whole() {
    let with = |size: &str| {
        format!(
            "simulation {{ dt = 0.1 ms }}\nparam scale = 0.1\npopulation P[{size}]: lif()\n\
             connect P -> P.v via fixed_total(round(74*scale)) with static(w = 1 mV)\n"
        )
    };
    let n = build(&with("round(104*scale)"), BackendKind::Jit);
    assert_eq!(n.counts(PopId(0)).len(), 10);
    assert_eq!(n.synapse_counts(), [7]);
    let words = net::attempt(&with("104*scale"), BackendKind::Jit).err().unwrap();
    assert!(words.contains("E0205") && words.contains("this is 10.4") && words.contains("`round`"), "{words}");
    let words = net::attempt(&with("1 mV"), BackendKind::Jit).err().unwrap();
    assert!(words.contains("E0205") && !words.contains("`round`"), "{words}");
}
