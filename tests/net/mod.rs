//! Shared by tests of networks: from text to a network in either execution, and what it holds.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::Path;

use snnc::backend::Buf;
use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::{PopId, ProjId, VarId};
use snnc::runtime::Network;
use snnc::script::machine::{Entity, Machine, RunKey, Slice, VarKey};

/// The network of a program without errors; spikes are recorded.
pub(crate) fn build(text: &str, kind: BackendKind) -> Network {
    match attempt(text, kind) {
        Ok(network) => network,
        Err(words) => panic!("{words}"),
    }
}

/// The network of a program, or what is wrong with it.
pub(crate) fn attempt(text: &str, kind: BackendKind) -> Result<Network, String> {
    let mut session = Session::from_text(Path::new("test.snn"), text, &Settings::default());
    session.plan_only();
    let render = |items: &[snnc::diag::Diagnostic]| {
        items
            .iter()
            .map(|d| snnc::diag::render::render_human(d, &session.sources, false))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let Some(model) = session.model.clone() else { return Err(render(&session.sink.items)) };
    match session.build(&model, kind) {
        Ok((mut network, _)) => {
            for p in 0..model.populations.len() as u32 {
                network.record_spikes(PopId(p), true);
            }
            Ok(network)
        }
        Err(errors) => Err(render(&errors)),
    }
}

/// Compiled and interpreted.
pub(crate) fn both(text: &str) -> (Network, Network) {
    (build(text, BackendKind::Jit), build(text, BackendKind::Interp))
}

/// Runs so many steps.
pub(crate) fn run(network: &mut Network, steps: u64) {
    network.begin_run(steps, RunKey(0)).expect("a run");
    network.advance(steps).expect("a run");
}

/// A variable of a population.
pub(crate) fn pop(p: u32, var: u32) -> VarKey {
    VarKey { entity: Entity::Pop(PopId(p)), var: VarId(var) }
}

/// A variable of a projection.
pub(crate) fn proj(p: u32, var: u32) -> VarKey {
    VarKey { entity: Entity::Proj(ProjId(p)), var: VarId(var) }
}

/// A variable of a population by their names.
pub(crate) fn variable(text: &str, population: &str, name: &str) -> VarKey {
    let session = Session::from_text(Path::new("test.snn"), text, &Settings::default());
    let model = session.model.expect("a checked model");
    let p = model.populations.iter().position(|p| p.name == population).expect("the population");
    let vars = &model.neurons[model.populations[p].model.index()].vars;
    let var = vars.iter().position(|v| v.name == name).expect("the variable");
    pop(p as u32, var as u32)
}

/// One element of a variable, in the order of rows without their padding.
pub(crate) fn read(network: &mut Network, key: VarKey, element: usize) -> f64 {
    let values = network.values(key);
    let cols = values.cols.max(1);
    let at = element / cols * values.stride + element % cols;
    match values.data {
        Slice::F32(v) => f64::from(v[at]),
        Slice::F64(v) => v[at],
        Slice::Uniform(x) => x,
    }
}

/// The steps at whose ends a neuron spiked.
pub(crate) fn spikes(network: &Network, p: u32, neuron: u64) -> Vec<u64> {
    let log = network.spikes(PopId(p));
    log.step.iter().zip(&log.neuron).filter(|(_, k)| u64::from(**k) == neuron).map(|(s, _)| *s).collect()
}

/// All buffers are equal, bit for bit, all NaNs being equal.
pub(crate) fn bits_agree(a: &Network, b: &Network) {
    compare(a, b, &[]);
}

/// The same, for runs in different pieces: logs are emptied and events drawn at other times.
pub(crate) fn states_agree(a: &Network, b: &Network) {
    compare(a, b, &["@log", "@events"]);
}

fn compare(a: &Network, b: &Network, but: &[&str]) {
    for (k, (x, y)) in a.buffers().iter().zip(b.buffers()).enumerate() {
        if but.iter().any(|part| a.layout().buffers[k].name.contains(part)) {
            continue;
        }
        let same = match (x, y) {
            (Buf::F32(x), Buf::F32(y)) => {
                x.len() == y.len()
                    && x.iter().zip(y).all(|(p, q)| p.to_bits() == q.to_bits() || p.is_nan() && q.is_nan())
            }
            (Buf::F64(x), Buf::F64(y)) => {
                x.len() == y.len()
                    && x.iter().zip(y).all(|(p, q)| p.to_bits() == q.to_bits() || p.is_nan() && q.is_nan())
            }
            (x, y) => x == y,
        };
        assert!(same, "the executions differ in {}", a.layout().buffers[k].name);
    }
}
