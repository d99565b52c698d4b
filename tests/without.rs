//! Each restructuring can be left out alone (`--without`): then the code is another, and the answer is the same.

use std::path::Path;

use snnc::codegen;
use snnc::driver::{BackendKind, Session, Settings, jit_of};
use snnc::hir::{Model, Opt, PopId, RESTRUCTURINGS, Restructuring};
use snnc::runtime::Network;
use snnc::script::machine::{Machine, ResetTarget, SliceMut};

mod net;

use net::{DELAYS, LATERAL};

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
connect E -> E.nmda via all_to_all with Gate()
experiment main { run 10 ms }";

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
connect A -> A.I via random(p = 0.3) with static(w = uniform(-0.2, 0)) through Alpha
experiment main { run 10 ms }";

/// Populations enough for a step in parts.
fn many() -> String {
    let mut text = DELAYS.split("population").next().unwrap_or_default().to_owned();
    for k in 0..13 {
        text += &format!(
            "population P{k}[20]: Cell()\nconnect P{k} -> P{}.g via random(p = 0.2) with static(w = 0.3)\n",
            (k + 1) % 13
        );
    }
    text + "experiment main { run 10 ms }"
}

/// A network that has this restructuring.
fn text(what: Restructuring) -> String {
    let text = match what {
        Restructuring::StepParts => &many(),
        Restructuring::CommonInject => GATES,
        Restructuring::DelayOrder => DELAYS,
        Restructuring::KernelRecursion => RESPONSE,
        // Tables would be too long for `f64`.
        Restructuring::DecayTables => &LATERAL.replace("precision = f64", "precision = f32"),
        _ => LATERAL,
    };
    text.to_owned()
}

fn network(text: &str, opt: u8, without: &[Restructuring], kind: BackendKind) -> Network {
    net::build_with(text, &Settings { opt: Some(opt), without: without.to_vec(), ..Settings::default() }, kind)
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

/// Calm blocks hold neither refractory nor deviating neurons. Whatever a protocol does, the network without them is the same, bit for bit.
#[test]
fn calm_blocks_stay_right_whatever_protocols_do() {
    let [mut all, mut less] =
        [&[][..], &[Restructuring::CalmBlocks]].map(|without| network(LATERAL, 2, without, BackendKind::Jit));
    assert!(all.plan().populations[1].calms && !less.plan().populations[1].calms);
    assert!(!all.plan().populations[1].shared.is_empty(), "g_i is shared");
    let [v, g_i] = ["v", "g_i"].map(|name| net::variable(LATERAL, "A", name));
    let write = |n: &mut Network, key, from: usize, x: f64| {
        let SliceMut::F64(values) = n.values_mut(key).expect("a state").data else { panic!("f64") };
        values[from..from + 5].fill(x);
        n.written(key);
    };
    let a = PopId(1);
    let acts: [&dyn Fn(&mut Network); 9] = [
        &|_| (),
        &|n| write(n, v, 40, -53.0),
        &|n| write(n, g_i, 20, 0.9),
        &|n| n.reset(&[ResetTarget::Pop(a)]),
        &|n| n.reset(&[ResetTarget::Var(g_i)]),
        &|n| n.reset(&[ResetTarget::Var(v)]),
        &|n| n.reset_part(a, None, &[3, 4, 66]).expect("a part"),
        &|n| n.reset_part(a, Some(g_i.var), &[1, 35]).expect("a part"),
        &|n| n.freeze(&[net::proj(0, 0)]).expect("weights"),
    ];
    for (k, act) in acts.iter().enumerate() {
        for n in [&mut all, &mut less] {
            act(n);
        }
        // A step, and then until after calm blocks were looked for.
        for steps in [1, 70] {
            for n in [&mut all, &mut less] {
                net::run(n, steps);
            }
            for key in [v, g_i] {
                for j in 0..70 {
                    let (x, y) = (net::read(&mut all, key, j), net::read(&mut less, key, j));
                    assert!(x.to_bits() == y.to_bits(), "act {k}, {steps} steps, {key:?} of {j}: {x} and {y}");
                }
            }
        }
    }
    assert_eq!(all.spikes(a), less.spikes(a));
    assert!(all.spikes(a).step.len() > 20, "the network is awake");
}
