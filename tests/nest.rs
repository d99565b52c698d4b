//! Agreement with NEST: the prelude's `lif_curr_exp` and NEST's `iaf_psc_exp` spike in the same steps, whatever drives them. The fixtures and
//! the script that made them are described in `tests/fixtures/README.md`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use net::{build, read, run, spikes, variable};
use snnc::data::{NpyArray, read_npz};
use snnc::driver::BackendKind;
use snnc::hir::PopId;
use snnc::script::machine::{Machine, RunKey};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nest").join(name)
}

fn steps(arrays: &BTreeMap<String, NpyArray>, key: &str) -> Vec<u64> {
    arrays[key].data.to_f64().into_iter().map(|x| x as u64).collect()
}

/// A neuron with the arguments of a parameter set, and the trains of that set with their weights in pA.
fn program(name: &str, arguments: &str, weights: Option<(f64, f64)>) -> String {
    let mut text = format!("simulation {{ dt = 0.1 ms }}\npopulation P: lif_curr_exp({arguments})\n");
    if let Some((w_ex, w_in)) = weights {
        let path = fixture("single.npz").display().to_string();
        for (source, key, target, weight, delay) in [("A", "ex", "I_e", w_ex, 1.5), ("B", "in", "I_i", w_in, 0.8)] {
            writeln!(
                text,
                "population {source}: spike_source(times = array(\"{path}\", \"{name}_{key}\") * 0.1 ms)\n\
                 connect {source} -> P.{target} via all_to_all with static(w = {weight} pA, delay = {delay} ms)"
            )
            .unwrap();
        }
    }
    text
}

/// Runs 500 ms and compares the spikes and, at every millisecond, the potential.
fn agrees(name: &str, arguments: &str, weights: Option<(f64, f64)>) {
    let arrays = read_npz(&fixture("single.npz")).unwrap();
    let text = program(name, arguments, weights);
    let v = variable(&text, "P", "v");
    let mut n = build(&text, BackendKind::Jit);
    n.begin_run(5000, RunKey(0)).unwrap();
    let potentials = arrays[&format!("{name}_v")].data.to_f64();
    assert_eq!(potentials.len(), 499);
    for (k, want) in potentials.iter().enumerate() {
        n.advance(10).unwrap();
        let got = read(&mut n, v, 0);
        assert!((got - want).abs() < 1e-9, "{name} at {} ms: {got} and {want} mV", k + 1);
    }
    n.advance(10).unwrap();
    let want = steps(&arrays, &format!("{name}_spikes"));
    assert!(want.len() > 5, "{name} spikes often enough to mean something");
    assert_eq!(spikes(&n, 0, 0), want, "{name}");
}

#[test]
fn a_constant_current() {
    agrees("constant", "I = 380 pA", None);
}

/// NEST's `dc_generator` from 100 ms to 400 ms with a delay of one step: the current is felt from 100.1 ms on, one step after a
/// current of ours that changes at 100 ms.
#[test]
fn trains_of_both_signs_and_a_step_of_current() {
    agrees(
        "mixed",
        "tau = 20 ms, C = 100 pF, E_L = -65 mV, v_th = -50 mV, v_reset = -60 mV, t_ref = 5 ms, tau_e = 0.5 ms, \
         tau_i = 8 ms, I = 20 pA + (if t > 100.05 ms and t < 400.05 ms then 60 pA else 0 pA)",
        Some((220.0, -30.0)),
    );
}

/// The solution of the equations has a term t*exp(-t/tau) where membrane and synapse have one time constant.
#[test]
fn equal_time_constants() {
    agrees("equal", "tau_e = 10 ms, tau_i = 10 ms, I = 250 pA", Some((40.0, -15.0)));
}

#[test]
fn the_neuron_of_the_cortical_microcircuit() {
    agrees(
        "microcircuit",
        "v = -58 mV, E_L = -65 mV, v_th = -50 mV, v_reset = -65 mV, tau_e = 0.5 ms, tau_i = 0.5 ms",
        Some((700.0, -350.0)),
    );
}

/// 100 neurons, 1963 synapses with a weight and a delay each: every spike of 300 ms.
#[test]
fn a_recurrent_network_spikes_where_nest_does() {
    let file = |name: &str| fixture(name).display().to_string();
    let text = format!(
        "simulation {{ dt = 0.1 ms }}\n\
         population N[100]: lif_curr_exp(tau_e = 2 ms, tau_i = 4 ms, v = array(\"{0}\", \"v\") * 1 mV, \
         I = array(\"{0}\", \"current\") * 1 pA)\n\
         connect N -> N.I_e via edges(\"{1}\") with static(w = edge.w * 1 pA, delay = edge.delay * 0.1 ms)\n\
         connect N -> N.I_i via edges(\"{2}\") with static(w = edge.w * 1 pA, delay = edge.delay * 0.1 ms)\n",
        file("network.npz"),
        file("network_exc.npz"),
        file("network_inh.npz"),
    );
    let arrays = read_npz(&fixture("network.npz")).unwrap();
    let want: Vec<(u64, u64)> = steps(&arrays, "step").into_iter().zip(steps(&arrays, "i")).collect();
    assert_eq!(want.len(), 808);
    for kind in [BackendKind::Jit, BackendKind::Interp] {
        let mut n = build(&text, kind);
        run(&mut n, 3000);
        let log = n.spikes(PopId(0));
        let got: Vec<(u64, u64)> = log.step.iter().copied().zip(log.neuron.iter().map(|i| u64::from(*i))).collect();
        assert_eq!(got, want);
    }
}
