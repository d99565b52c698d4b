//! Agreement with Brian2: with its connectivity and initial values read from files, the spikes are the same, step for step.
//! The fixtures and the scripts that made them are described in `tests/fixtures/README.md`.

use std::path::Path;

use snnc::data::{NpyData, read_npz};
use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::PopId;
use snnc::runtime::Network;
use snnc::script::machine::{Machine, RunKey};

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/brian2").join(name)
}

/// Builds the network of a fixture; diagnostics fail the test.
fn network(name: &str) -> Network {
    let session = Session::open(&fixture(name), &Settings::default());
    let errors: Vec<String> =
        session.sink.items.iter().map(|d| snnc::diag::render::render_human(d, &session.sources, false)).collect();
    let model = session.model.clone().unwrap_or_else(|| panic!("{}", errors.join("\n")));
    match session.build(&model, BackendKind::Jit) {
        Ok((network, _)) => network,
        Err(errors) => panic!("{errors:?}"),
    }
}

fn ints(data: &NpyData) -> Vec<u64> {
    data.to_f64().into_iter().map(|x| x as u64).collect()
}

/// The spikes of Brian2 as (step, neuron), its step n being our n + 1.
fn expected(name: &str) -> Vec<(u64, u32)> {
    let arrays = read_npz(&fixture(name)).expect("a readable fixture");
    let steps = ints(&arrays["step"].data);
    let neurons = ints(&arrays["i"].data);
    let mut all: Vec<(u64, u32)> = steps.into_iter().zip(neurons).map(|(s, i)| (s + 1, i as u32)).collect();
    all.sort_unstable();
    all
}

fn simulated(network: &mut Network, steps: u64) -> Vec<(u64, u32)> {
    network.record_spikes(PopId(0), true);
    network.begin_run(steps, RunKey(0)).expect("a run");
    network.advance(steps).expect("a run");
    let log = network.spikes(PopId(0));
    log.step.iter().copied().zip(log.neuron.iter().copied()).collect()
}

#[test]
fn cuba_spikes_where_brian2_does() {
    let got = simulated(&mut network("cuba_edges.snn"), 500);
    let want = expected("cuba_spikes.npz");
    assert!(want.len() > 1000);
    assert_eq!(got, want);
}

#[test]
fn coba_spikes_where_brian2_does() {
    let got = simulated(&mut network("coba_edges.snn"), 500);
    let want = expected("coba_spikes.npz");
    assert!(want.len() > 1000);
    assert_eq!(got, want);
}
