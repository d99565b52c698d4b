//! Shared by tests of networks: from text to a network in either execution, and what it holds.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::Path;

use snnc::backend::Buf;
use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::{PopId, ProjId, VarId};
use snnc::runtime::Network;
use snnc::script::machine::{Entity, Machine, RunKey, Slice, VarKey};

/// Excitation all to all with plastic weights, answered one to one by interneurons, which inhibit all but their own partner.
pub(crate) const LATERAL: &str = r#"
simulation { dt = 0.5 ms; seed = 3; precision = f64 }
neuron E {
  state v = -65 mV, g_e = 0, g_i = 0
  100 ms * dv/dt = (-65 mV - v) + g_e*(0 mV - v) + g_i*(-100 mV - v)
  dg_e/dt = -g_e / 1 ms
  dg_i/dt = -g_i / 2 ms
  spike when v > -52 mV
  on spike { v = -65 mV }
  refractory 5 ms hold v
  method backward_euler
}
neuron I {
  state v = -60 mV, g_e = 0
  10 ms * dv/dt = (-60 mV - v) + g_e*(0 mV - v)
  dg_e/dt = -g_e / 1 ms
  spike when v > -40 mV
  on spike { v = -45 mV }
  refractory 2 ms hold v
  method exp_euler
}
synapse Learning {
  weight w in [0, 1]
  state y = 0
  dy/dt = -y / 20 ms
  on pre { deliver w; w -= 0.001*y }
  on post { y = 1 }
}
population X[120]: poisson(rate = 60 Hz)
population A[70]: E()
population B[70]: I()
connect XA: X -> A.g_e via all_to_all with Learning(w = uniform(0, 0.3))
connect A -> B.g_e via one_to_one with static(w = 10.4)
connect B -> A.g_i via all_to_all where i != j with static(w = 17, delay = 1 ms)
experiment main { X.rate = 60 Hz; run 1 s; print("g", mean(A.g_i), sum(A.count), sum(B.count)) }
"#;

/// Recurrent populations with many synapses between the same two neurons, a state of each synapse that events change, and delays of all
/// lengths, some of them none.
pub(crate) const DELAYS: &str = "
simulation { dt = 0.1 ms; seed = 4 }
neuron Cell { state v = uniform(0, 25), g = 0
  10 ms * dv/dt = 26 - v + g
  dg/dt = -g / 3 ms
  spike when v > 20
  on spike { v = 0 }
  refractory 0.5 ms }
synapse Tired { weight w = 1
  state used = 0
  on pre { deliver w / (1 + used); used += 0.25 * (4 - used) } }
population A[40]: Cell()
population B[30]: Cell()
connect AB: A -> B.g via fixed_total(3000) with static(w = normal(0.2, 0.1), delay = uniform(0 ms, 4 ms))
connect BA: B -> A.g via random(p = 0.4) with static(w = uniform(-0.2, 0), delay = exponential(2 ms))
connect AA: A -> A.g via fixed_indegree(60, multapses = true) with Tired(w = uniform(0, 0.2), delay = 60 ms * bernoulli(0.01) + 1 ms)
connect BB: B -> B.g via fixed_outdegree(9) with static(w = 0.1, delay = 0.3 ms)
experiment e { run 10 ms }";

/// Two populations with plasticity of traces on both sides; `delays` are those of the synapses between them and of the recurrent ones.
pub(crate) fn plastic(precision: &str, delays: [&str; 2], protocol: &str) -> String {
    let [between, recurrent] = delays;
    format!(
        "simulation {{ dt = 0.1 ms; seed = 7; precision = {precision} }}
         neuron Cell {{
           state v = 0 mV, g = 0 mV
           10 ms * dv/dt = g - v
           dg/dt = -g / 5 ms
           spike when v > 10 mV
           on spike {{ v = 0 mV }}
           refractory 2 ms hold v }}
         synapse STDP {{
           weight w = 0.9 mV in [0 mV, 1 mV]
           state x = 0, y = 0
           dx/dt = -x / 20 ms
           dy/dt = -y / 20 ms
           on pre {{ deliver w; w -= 0.02 mV*y; x += 1 }}
           on post {{ w += 0.03 mV*x; y += 1 }} }}
         population X[60]: poisson(rate = 60 Hz)
         population E[40]: Cell()
         connect XE: X -> E.g via all_to_all with STDP(w = 2 mV * uniform(0.2, 0.9)/2, {between})
         connect EE: E -> E.g via random(p = 0.2) where i != j with STDP({recurrent})
         experiment e {{ {protocol} }}"
    )
}

/// The network of a program without errors; spikes are recorded.
pub(crate) fn build(text: &str, kind: BackendKind) -> Network {
    build_with(text, &Settings::default(), kind)
}

/// The network of a program, or what is wrong with it.
pub(crate) fn attempt(text: &str, kind: BackendKind) -> Result<Network, String> {
    attempt_with(text, &Settings::default(), kind)
}

/// The network of a program without errors as a command line changes it; spikes are recorded.
pub(crate) fn build_with(text: &str, settings: &Settings, kind: BackendKind) -> Network {
    match attempt_with(text, settings, kind) {
        Ok(network) => network,
        Err(words) => panic!("{words}"),
    }
}

fn attempt_with(text: &str, settings: &Settings, kind: BackendKind) -> Result<Network, String> {
    let mut session = Session::from_text(Path::new("test.snn"), text, settings);
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

/// The same of what networks keep between runs.
pub(crate) fn kept_agree(a: &Network, b: &Network) {
    compare(a, b, &["log.", "@events", "@draws", "@chance", "@changed", "@touched"]);
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
