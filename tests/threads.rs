//! Large networks run the parts of their steps on several threads: the same spikes and the same states, bit for bit, whatever their number.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;

use snnc::driver::{BackendKind, Session, Settings};
use snnc::hir::PopId;
use snnc::runtime::Network;
use snnc::script::machine::Machine;

mod net;

use net::{bits_agree, run};

/// Four populations, recurrent, with one delay, with delays of their own, with a plastic projection in between, and with background input.
const TEXT: &str = "
simulation { dt = 0.1 ms; seed = 4; precision = f32 }
neuron Cell { param drive = normal(18 mV, 6 mV)
  state v = uniform(0 mV, 20 mV), g = 0 mV
  10 ms * dv/dt = drive - v + g
  dg/dt = -g / 3 ms
  spike when v > 20 mV
  on spike { v = 0 mV }
  refractory 2 ms hold v }
synapse Vogels { weight w in [0 mV, 10 mV]
  state x = 0, y = 0
  dx/dt = -x / 20 ms
  dy/dt = -y / 20 ms
  on pre { deliver -w; w += 0.1 mV * (y - 0.2); x += 1 }
  on post { w += 0.1 mV * x; y += 1 } }
population E[9000]: Cell()
population I[5000]: Cell()
population D[4000]: Cell(drive = 21 mV)
population F[4000]: Cell()
connect E -> I.g via fixed_indegree(40) with static(w = 0.5 mV, delay = 1.5 ms)
connect IE: I -> E.g via fixed_indegree(20) with Vogels(w = 1 mV, delay = 0.5 ms)
connect E -> E.g via fixed_total(90000) with static(w = normal(0.5 mV, 0.1 mV), delay = uniform(0 ms, 3 ms))
connect D -> F.g via random(p = 0.01) with static(w = 1 mV, delay = exponential(2 ms))
connect F -> D.g via one_to_one with static(w = 1 mV)
connect poisson_input(n = 100, rate = 20 Hz) -> F.g with static(w = 0.3 mV)
experiment e { run 10 ms }";

/// One population with all that may happen to neurons of different ranges in one step: spikes by level, a crossing, a release from refractoriness,
/// blocks that rest, random numbers, and recurrent synapses that learn.
const ONE: &str = "
simulation { dt = 0.1 ms; seed = 4 }
neuron Cell { param drive = normal(15 mV, 6 mV)
  state v = uniform(0 mV, 20 mV), g = 0 mV, high = 0, free = 0
  10 ms * dv/dt = drive - v + g + 1 mV * sqrt(10 ms) * xi
  dg/dt = -g / 3 ms
  event up when v crosses 12 mV
  on up { high += 1 }
  spike when v > 20 mV
  on spike { v = 0 mV }
  refractory 2 ms hold v
  on release { free += 1 } }
neuron Quiet { state v = 0 mV
  dv/dt = -v / 10 ms
  spike when v > 3 mV
  on spike { v = 0 mV } }
synapse Learning { weight w in [0 mV, 1 mV]
  state x = 0
  dx/dt = -x / 20 ms
  on pre { deliver w; x += 1 }
  on post { w += 0.01 mV * x } }
population E[20011]: Cell()
population Q[20000]: Quiet()
connect E -> E.g via fixed_indegree(10) with Learning(w = 0.5 mV, delay = 1 ms)
connect E[..20000] -> Q.v via one_to_one with static(w = 4 mV)
experiment e { run 10 ms }";

fn network(threads: usize, opt: u8, kind: BackendKind) -> Network {
    of(TEXT, 4, threads, opt, kind)
}

fn of(text: &str, populations: u32, threads: usize, opt: u8, kind: BackendKind) -> Network {
    let settings = Settings { opt: Some(opt), threads: Some(threads), ..Settings::default() };
    let mut session = Session::from_text(Path::new("test.snn"), text, &settings);
    session.plan_only();
    let model = session.model.clone().expect("a sound model");
    let (mut network, _) = session.build(&model, kind).expect("a network");
    for p in 0..populations {
        network.record_spikes(PopId(p), true);
    }
    network
}

fn spikes_agree(a: &Network, b: &Network) {
    for p in 0..4 {
        let (x, y) = (a.spikes(PopId(p)), b.spikes(PopId(p)));
        assert_eq!((&x.step, &x.neuron), (&y.step, &y.neuron), "population {p}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let mut one = network(1, 2, BackendKind::Jit);
    assert!(one.cut().is_none());
    run(&mut one, 150);
    run(&mut one, 101);
    assert!((0..4).all(|p| one.spikes(PopId(p)).step.len() > 500));
    for threads in [2, 3, 5] {
        let mut some = network(threads, 2, BackendKind::Jit);
        let cut = some.cut().unwrap();
        assert!(cut.parallel());
        // E and I hang together through their plastic synapses, whose traces both of them read; D and F do not.
        assert!(cut.groups().iter().all(|n| *n >= 3), "{:?}", cut.groups());
        assert_eq!((0..4).map(|p| cut.ranges(p)).collect::<Vec<_>>(), [2, 1, 1, 1]);
        run(&mut some, 150);
        run(&mut some, 101);
        bits_agree(&one, &some);
        spikes_agree(&one, &some);
    }
    // Nothing restructured: another layout, the same spikes.
    let mut plain = network(4, 0, BackendKind::Jit);
    assert!(plain.cut().is_none());
    run(&mut plain, 150);
    run(&mut plain, 101);
    spikes_agree(&one, &plain);
}

/// The neurons of one large population advance in ranges, on several threads, as they do in one pass.
#[test]
fn one_population_runs_on_several_threads() {
    let mut one = of(ONE, 2, 1, 2, BackendKind::Jit);
    run(&mut one, 150);
    run(&mut one, 77);
    assert!((0..2).all(|p| one.spikes(PopId(p)).step.len() > 500));
    for threads in [2, 3] {
        let mut some = of(ONE, 2, threads, 2, BackendKind::Jit);
        let cut = some.cut().unwrap();
        assert!(cut.parallel());
        assert_eq!([cut.ranges(0), cut.ranges(1)], [4, 4]);
        assert!(some.plan().populations[0].calms && some.plan().populations[1].rests);
        // Every range is a group of its own.
        assert_eq!(cut.groups()[0], 8);
        run(&mut some, 150);
        run(&mut some, 77);
        bits_agree(&one, &some);
        for p in 0..2 {
            let (x, y) = (one.spikes(PopId(p)), some.spikes(PopId(p)));
            assert_eq!((&x.step, &x.neuron), (&y.step, &y.neuron), "population {p}");
        }
    }
    let mut interpreted = of(ONE, 2, 2, 2, BackendKind::Interp);
    let mut short = of(ONE, 2, 2, 2, BackendKind::Jit);
    for n in [&mut interpreted, &mut short] {
        run(n, 12);
    }
    bits_agree(&interpreted, &short);
}

/// Both executions of the parts agree.
#[test]
fn the_interpreter_agrees_on_parts() {
    let (mut jit, mut interp) = (network(2, 2, BackendKind::Jit), network(2, 2, BackendKind::Interp));
    for n in [&mut jit, &mut interp] {
        assert!(n.cut().unwrap().parallel());
        run(n, 12);
    }
    bits_agree(&jit, &interp);
    spikes_agree(&jit, &interp);
}

/// Taking times changes nothing, and every part that does something is timed.
#[test]
fn profiles_change_nothing() {
    let text =
        TEXT.replace("[9000]", "[900]").replace("[5000]", "[500]").replace("[4000]", "[400]").replace("90000", "900");
    let mut session = Session::from_text(Path::new("test.snn"), &text, &Settings::default());
    session.plan_only();
    let model = session.model.clone().expect("a sound model");
    let (mut plain, _) = session.build(&model, BackendKind::Jit).expect("a network");
    session.profile = true;
    let (mut timed, _) = session.build(&model, BackendKind::Jit).expect("a network");
    for n in [&mut plain, &mut timed] {
        run(n, 300);
    }
    bits_agree(&plain, &timed);
    assert!(plain.profile().is_none());
    let times = timed.profile().unwrap();
    assert_eq!(times.parts.len(), timed.cut().unwrap().parts.len());
    assert!(times.parts.values().all(|(_, steps)| *steps == 300));
    assert!(times.parts.values().map(|(time, _)| time.as_nanos()).sum::<u128>() > 0);
}
