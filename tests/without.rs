//! Each restructuring can be left out alone (`--without`): then the code is another, and the answer is the same.

use std::path::Path;

use snnc::codegen;
use snnc::driver::{BackendKind, Session, Settings, jit_of};
use snnc::hir::{Model, Opt, PopId, RESTRUCTURINGS, Restructuring};
use snnc::runtime::Network;
use snnc::script::machine::Machine;

mod net;

/// A matrix that learns, inhibition of all but the own partner, neurons that are reached one by one.
const LATERAL: &str = r#"
simulation { dt = 0.5 ms; seed = 3 }
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
"#;

/// Slow gates all to all.
const GATES: &str = "
simulation { dt = 0.1 ms; seed = 2 }
neuron Cell { param drive = normal(24, 4)
  input nmda = 0
  state v = uniform(0, 20), s = 0
  20 ms * dv/dt = drive - v + nmda * (1 + 0.01 * v)
  ds/dt = -s / 100 ms
  spike when v > 20
  on spike { v = 0; s += 0.5 * (1 - s) }
  refractory 2 ms hold v }
synapse Gate { weight w = 0.1
  inject w * pre.s }
population E[90]: Cell()
connect E -> E.nmda via all_to_all with Gate()";

/// Synapses with delays of their own.
const DELAYS: &str = "
simulation { dt = 0.1 ms; seed = 4 }
neuron Cell { state v = uniform(0, 25), g = 0
  10 ms * dv/dt = 26 - v + g
  dg/dt = -g / 3 ms
  spike when v > 20
  on spike { v = 0 }
  refractory 0.5 ms }
population A[40]: Cell()
population B[30]: Cell()
connect AB: A -> B.g via fixed_total(3000) with static(w = normal(0.2, 0.1), delay = uniform(0 ms, 4 ms))
connect BA: B -> A.g via random(p = 0.4) with static(w = uniform(-0.2, 0), delay = exponential(2 ms))";

/// A response that an alpha function describes.
const RESPONSE: &str = "
simulation { dt = 0.1 ms; seed = 4 }
neuron Cell { input I = 0
  state v = uniform(0, 20)
  10 ms * dv/dt = 22 - v + I
  spike when v > 20
  on spike { v = 0 } }
kernel Alpha(s) = s / 5 ms * exp(1 - s / 5 ms) over 40 ms
population A[40]: Cell()
connect A -> A.I via random(p = 0.3) with static(w = uniform(-0.2, 0)) through Alpha";

/// Populations enough for a step in parts.
fn many() -> String {
    let mut text = DELAYS.split("population").next().unwrap_or_default().to_owned();
    for k in 0..13 {
        text += &format!(
            "population P{k}[20]: Cell()\nconnect P{k} -> P{}.g via random(p = 0.2) with static(w = 0.3)\n",
            (k + 1) % 13
        );
    }
    text.replace("connect P12 -> P13.g", "connect P12 -> P0.g")
}

/// A network that has this restructuring.
fn text(what: Restructuring) -> String {
    let text = match what {
        Restructuring::StepParts => &many(),
        Restructuring::CommonInject => GATES,
        Restructuring::DelayOrder => DELAYS,
        Restructuring::KernelRecursion => RESPONSE,
        _ => LATERAL,
    };
    // Populations are declared before they are named.
    format!("{text}\nexperiment main {{ run 10 ms }}\n")
}

fn network(text: &str, opt: u8, without: &[Restructuring], kind: BackendKind) -> Network {
    let settings = Settings { opt: Some(opt), without: without.to_vec(), ..Settings::default() };
    let mut session = Session::from_text(Path::new("test.snn"), text, &settings);
    session.plan_only();
    let model = session.model.clone().unwrap_or_else(|| panic!("a sound model: {:?}\n{text}", session.sink.items));
    let (mut network, _) = session.build(&model, kind).expect("a network");
    for p in 0..network.plan().populations.len() as u32 {
        network.record_spikes(PopId(p), true);
    }
    network
}

fn model(text: &str) -> std::sync::Arc<Model> {
    Session::from_text(Path::new("test.snn"), text, &Settings::default()).model.expect("a sound model")
}

/// What is executed: the program, how it is cut, and for which vectors it is compiled.
fn code(n: &Network) -> String {
    let program = codegen::program(n.plan(), n.layout()).expect("a program");
    format!("{program}\n{}\n{:?}", n.cut().is_some(), jit_of(n.plan().opt))
}

#[test]
fn each_restructuring_can_be_left_out_and_changes_no_answer() {
    for known in RESTRUCTURINGS {
        let (what, name) = (known.which, known.name);
        let text = text(what);
        let mut all = network(&text, 2, &[], BackendKind::Jit);
        let mut less = network(&text, 2, &[what], BackendKind::Jit);
        let mut interpreted = network(&text, 2, &[what], BackendKind::Interp);
        assert!(code(&all) != code(&less), "{name} is not in the network that shows it, or is not left out");
        assert_eq!(less.plan().opt.left_out().next().map(|k| k.name), Some(name));
        for n in [&mut all, &mut less, &mut interpreted] {
            for steps in [1, 400, 37] {
                net::run(n, steps);
            }
        }
        net::bits_agree(&less, &interpreted);
        let model = model(&text);
        let mut spikes = 0;
        for (p, population) in model.populations.iter().enumerate() {
            let log = all.spikes(PopId(p as u32));
            spikes += log.step.len();
            assert_eq!(log, less.spikes(PopId(p as u32)), "{name}: spike trains of {}", population.name);
            for var in 0..model.neurons[population.model.index()].vars.len() as u32 {
                let key = net::pop(p as u32, var);
                for k in 0..population.size() as usize {
                    let (x, y) = (net::read(&mut all, key, k), net::read(&mut less, key, k));
                    let same = match known.level {
                        1 => x.to_bits() == y.to_bits(),
                        _ => (x - y).abs() <= 1e-5 * x.abs().max(1.0),
                    };
                    assert!(same, "{name}: variable {var} of {k} in {}: {x} and {y}", population.name);
                }
            }
        }
        assert!(spikes > 50, "{name}: the network is awake");
    }
}

/// What a level does not have cannot be left out of it.
#[test]
fn names_are_those_of_the_level() {
    let text = text(Restructuring::Leaps);
    let plain = network(&text, 1, &[Restructuring::Leaps], BackendKind::Interp);
    assert_eq!(plain.plan().opt.left_out().count(), 0);
    assert_eq!(code(&plain), code(&network(&text, 1, &[], BackendKind::Interp)));
    assert_eq!(plain.plan().opt, Opt::level(1).without(&[Restructuring::Leaps]));
}
