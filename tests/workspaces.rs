//! Lanes of a batch take turns with one workspace: whatever another network did with it in between, a network goes on as with its own.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{DELAYS, LATERAL, build, build_with, kept_agree, plastic};
use snnc::driver::{BackendKind, Settings};
use snnc::hir::PopId;
use snnc::runtime::Network;
use snnc::script::machine::{Machine, RunKey};

/// What is drawn or listed for neurons, synapses and their events, with an event that is recorded.
const CHANCE: &str = "
simulation { dt = 0.1 ms; seed = 4; precision = f32 }
neuron Cell { param drive = normal(15 mV, 6 mV)
  state v = uniform(0 mV, 20 mV), g = 0 mV
  10 ms * dv/dt = drive - v + g + 2 mV * sqrt(10 ms) * xi
  dg/dt = -g / 3 ms
  event up when v crosses 12 mV
  spike when v > 20 mV
  on spike { v = 0 mV }
  refractory 2 ms hold v }
synapse Release { weight w in [0 mV, 3 mV]
  param p = 0.3
  on pre { deliver w * bernoulli(p); w -= 0.01 mV * uniform(0, 1) } }
population X[50]: poisson(rate = 80 Hz)
population S[20]: spike_source(times = [5 ms, 5.1 ms, 7 ms], ids = [3, 4, 3])
population C[64]: Cell()
connect XC: X -> C.g via all_to_all with Release(w = 1 mV, delay = 0.3 ms)
connect SC: S -> C.g via random(p = 0.4) with Release(w = 2 mV, delay = uniform(0 ms, 2 ms))
connect poisson_input(n = 100, rate = 20 Hz) -> C.g with static(w = 0.3 mV)
experiment e { run 10 ms }";

fn run(machine: &mut dyn Machine, steps: u64, key: u64) {
    machine.begin_run(steps, RunKey(key)).unwrap();
    machine.advance(steps).unwrap();
}

fn own(machine: &dyn Machine) -> &Network {
    machine.as_any().downcast_ref().unwrap()
}

/// Two runs with the own workspace, and with one that another network used before and in between, for longer than is drawn at once.
fn takes_turns(network: &Network, pops: u32) {
    let (mut alone, mut lane, mut other) = (network.fork(), network.fork(), network.fork());
    let mut workspace = None;
    lane.exchange_workspace(&mut workspace);
    other.exchange_workspace(&mut None);
    for (k, steps) in [(1, 300), (2, 450)] {
        other.exchange_workspace(&mut workspace);
        run(other.as_mut(), 4500, 10 + k);
        other.exchange_workspace(&mut workspace);
        run(alone.as_mut(), steps, k);
        lane.exchange_workspace(&mut workspace);
        run(lane.as_mut(), steps, k);
        kept_agree(own(alone.as_ref()), own(lane.as_ref()));
        lane.exchange_workspace(&mut workspace);
    }
    let mut spikes = 0;
    for p in (0..pops).map(PopId) {
        assert_eq!(alone.spikes(p), lane.spikes(p));
        assert_eq!(alone.events(p, 0), lane.events(p, 0));
        spikes += alone.spikes(p).step.len();
    }
    assert!(spikes > 100, "the network is awake: {spikes}");
}

#[test]
fn a_network_goes_on_whoever_used_its_workspace() {
    let level = |opt| Settings { opt: Some(opt), ..Settings::default() };
    for opt in [0, 2] {
        takes_turns(&build_with(LATERAL, &level(opt), BackendKind::Jit), 3);
    }
    takes_turns(&build(DELAYS, BackendKind::Jit), 2);
    takes_turns(
        &build(&plastic("f32", ["delay = 1 ms", "delay = uniform(0 ms, 2 ms)"], "run 10 ms"), BackendKind::Jit),
        2,
    );
    let mut chance = build(CHANCE, BackendKind::Jit);
    chance.record_event(PopId(2), 0);
    let given: Vec<(u64, u32)> = (1..1000).map(|k| (k / 2 + 1, (k * 7 % 20) as u32)).collect();
    chance.play(PopId(1), &given).unwrap();
    takes_turns(&chance, 3);
}

/// Nothing runs without one.
#[test]
fn a_network_without_a_workspace_does_not_run() {
    let mut lane = build(LATERAL, BackendKind::Jit).fork();
    lane.exchange_workspace(&mut None);
    let result = lane.begin_run(100, RunKey(1)).and_then(|()| lane.advance(100));
    assert!(result.is_err());
}
