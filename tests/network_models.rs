//! Models of networks against published numbers, at reduced scale; both executions agree bit for bit.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{bits_agree, both, build, pop, read, run};
use snnc::driver::BackendKind;
use snnc::hir::PopId;
use snnc::runtime::Network;
use snnc::script::machine::{Machine, SliceMut};

fn model(name: &str, changes: &[(&str, &str)]) -> String {
    let path = format!("{}/models/{name}.snn", env!("CARGO_MANIFEST_DIR"));
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no `{from}`");
        text = text.replace(from, to);
    }
    text
}

/// Spikes of the neurons `range` of a population in the last run.
fn counted(n: &Network, range: std::ops::Range<usize>) -> f64 {
    n.counts(PopId(0))[range].iter().map(|c| f64::from(*c)).sum()
}

/// Brunel (2000), table 1: synchronous irregular states with fast (g = 6, eta = 4: 60.7 Hz simulated, 55.8 Hz in theory) and slow
/// oscillations (g = 4.5, eta = 0.9: 5.5 and 6.5 Hz). Here a tenth of the neurons, each with all of its inputs.
#[test]
fn brunels_regimes_have_their_rates() {
    for (g, eta, low, high) in [("6.0", "4.0", 52.0, 66.0), ("4.5", "0.9", 3.5, 7.5)] {
        let text = model(
            "brunel2000",
            &[
                ("n_exc = 2000, n_inh = 500", "n_exc = 1100, n_inh = 275"),
                ("g = 5.0, eta = 2.0", &format!("g = {g}, eta = {eta}")),
            ],
        );
        let mut n = build(&text, BackendKind::Jit);
        run(&mut n, 1000);
        run(&mut n, 3000);
        let rate = counted(&n, 0..1100) / 1100.0 / 0.3;
        assert!((low..high).contains(&rate), "g = {g}, eta = {eta}: {rate} Hz");
    }
}

/// With 100 spikes the volley reaches the last group, with 20 it dies out on the way (Diesmann, Gewaltig & Aertsen 1999, fig. 2).
#[test]
fn a_weak_volley_dies_out() {
    let pulse = |volley: &str| {
        let text = model("synfire_chain", &[("volley = 100", &format!("volley = {volley}"))]);
        let mut n = build(&text, BackendKind::Jit);
        run(&mut n, 950);
        run(&mut n, 250);
        counted(&n, 900..1000)
    };
    let (strong, weak) = (pulse("100"), pulse("20"));
    assert!(strong > 90.0 && weak < 45.0, "{strong} and {weak}");
}

#[test]
fn both_executions_agree_on_reduced_models() {
    for (text, steps) in [
        (
            model(
                "brunel2000",
                &[
                    (
                        "n_exc = 2000, n_inh = 500, c_exc = 1000, c_inh = 250",
                        "n_exc = 80, n_inh = 20, c_exc = 50, c_inh = 12",
                    ),
                    ("J = 0.1 mV", "J = 2 mV"),
                ],
            ),
            600,
        ),
        (model("vogels2011", &[("n_exc = 800, n_inh = 200", "n_exc = 170, n_inh = 45")]), 600),
        (
            model(
                "basal_ganglia",
                &[
                    ("[2000]", "[50]"),
                    (", 2000)", ", 50)"),
                    ("[400]", "[12]"),
                    (", 400)", ", 12)"),
                    ("[300]", "[10]"),
                    (", 300)", ", 10)"),
                    ("[200]", "[8]"),
                    (", 200)", ", 8)"),
                ],
            ),
            700,
        ),
        (model("synfire_chain", &[("size = 100", "size = 20"), ("volley = 100", "volley = 20")]), 800),
        (model("wang_buzsaki", &[("N[100]", "N[30]"), ("inputs = 60", "inputs = 20")]), 500),
        (model("wang2002", &[("[240]", "[24]"), ("[1120]", "[30]"), ("[400]", "[12]")]), 600),
        (model("liquid", &[("rate = 0 Hz", "rate = 30 Hz")]), 150),
    ] {
        let (mut jit, mut interp) = both(&text);
        for n in [&mut jit, &mut interp] {
            run(n, steps);
        }
        let population = jit.plan().populations.len().min(2) as u32 - 1;
        let spikes: u64 = (0..=population).map(|p| jit.total(PopId(p))).sum();
        assert!(spikes > 20, "{spikes}");
        bits_agree(&jit, &interp);
    }
}

/// Weights that follow a neuromodulator: once with its level at zero, then raised.
#[test]
fn both_executions_agree_on_reward_modulated_plasticity() {
    let text = model(
        "reward_stdp",
        &[
            ("800", "48"),
            ("N[1000]", "N[60]"),
            ("fixed_outdegree(100)", "fixed_outdegree(12)"),
            ("N[0..50]", "N[0..5]"),
            ("N[50..100]", "N[5..10]"),
        ],
    );
    let (mut jit, mut interp) = both(&text);
    let level = pop(1, 1);
    for n in [&mut jit, &mut interp] {
        run(n, 150);
        if let SliceMut::F64(v) = n.values_mut(level).unwrap().data {
            v.fill(0.5);
        }
        n.written(level);
        run(n, 600);
        assert!((read(n, level, 0) - 0.5 * (-600.0_f64 / 200.0).exp()).abs() < 1e-12);
    }
    assert!(jit.total(PopId(0)) > 20);
    bits_agree(&jit, &interp);
}

/// Segments, permanences and winners by latency, with both sequences begun.
#[test]
fn both_executions_agree_on_sequence_memory() {
    let text = model("sequence_memory", &[("columns = 4, cells = 8", "columns = 2, cells = 3")]);
    let (mut jit, mut interp) = both(&text);
    for n in [&mut jit, &mut interp] {
        for symbol in [0, 1, 2, 5, 1, 2] {
            if let SliceMut::F64(v) = n.values_mut(pop(0, 0)).unwrap().data {
                v[symbol] = 1.0;
            }
            n.written(pop(0, 0));
            run(n, 400);
            assert!(n.total(PopId(1)) >= 2, "symbol {symbol}");
        }
    }
    bits_agree(&jit, &interp);
}
