//! What `on pre` and `on post` draw: each event at each synapse draws for itself, by an address that depends on nothing else.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use std::collections::BTreeSet;

use net::{bits_agree, both, build, build_with, pop, proj, read, run, spikes};
use snnc::driver::{BackendKind, Settings};
use snnc::hir::{PopId, ProjId, VarId};
use snnc::rng::{Stream, keyed};
use snnc::runtime::Network;
use snnc::script::machine::{Entity, Machine, RunKey, SliceMut, VarKey};

/// What draw `number` of so many of a block is at a synapse, in step `step` of a run, for the event of its neuron that comes `event`-th.
fn uniform(seed: u64, run: u64, step: u64, synapse: u64, event: u64, [number, of]: [u64; 2], double: bool) -> f64 {
    let key = keyed::key(Stream::new(seed, "XE/events").sub(run).bits64(0, step), double);
    let low = synapse % 4096 + step % 4096 * 4096;
    keyed::event_uniform([key, (synapse / 4096) as f64, low as f64, (event * of + number) as f64])
}

fn advance(n: &mut Network, steps: u64, round: u64) {
    n.begin_run(steps, RunKey(round)).unwrap();
    n.advance(steps).unwrap();
}

/// Stochastic release, against direct computation: of matrices, of rows, with one delay and with delays of each synapse's own.
#[test]
fn every_event_draws_at_every_synapse() {
    let (pre, post) = (30_usize, 200_usize);
    for (precision, rule, delay) in [
        ("f64", "all_to_all", "0 ms"),
        ("f32", "all_to_all", "0.3 ms"),
        ("f64", "random(p = 1)", "0.3 ms"),
        ("f32", "all_to_all", "uniform(0 ms, 0.5 ms)"),
    ] {
        let text = format!(
            "simulation {{ dt = 0.1 ms; seed = 9; precision = {precision} }}
             neuron Sum {{ state n = 0
               dn/dt = 0 * n / 1 ms }}
             synapse Release {{ param p = 0.3
               state last = 0
               on pre {{ deliver bernoulli(p); last = uniform(1, 2) }} }}
             population A[{pre}]: poisson(rate = 400 Hz)
             population B[{post}]: Sum()
             connect XE: A -> B.n via {rule} with Release(delay = {delay})
             experiment e {{ print(XE.delay); run 10 ms }}"
        );
        let double = precision == "f64";
        let (mut jit, mut interp) = both(&text);
        let own = jit.plan().projections[0].delay == snnc::sched::Delay::PerSynapse;
        let delays: Vec<u64> = (0..pre * post)
            .map(|k| {
                if own {
                    (read(&mut jit, proj(0, 2), k) * 10.0).round() as u64
                } else {
                    u64::from(delay == "0.3 ms") * 3
                }
            })
            .collect();
        let (mut sums, mut last) = (vec![0.0; post], vec![0.0; pre * post]);
        // What arrives, with the step in which it was sent.
        let mut due: Vec<Vec<(usize, u64)>> = vec![Vec::new(); 500];
        let (mut step, mut all, mut several) = (0_u64, 0.0, 0);
        for round in 0..4_u64 {
            let steps = 40 + round;
            advance(&mut jit, steps, round);
            advance(&mut interp, steps, round);
            bits_agree(&jit, &interp);
            for i in 0..pre {
                for s in spikes(&jit, 0, i as u64) {
                    (i * post..(i + 1) * post).for_each(|k| due[(s + delays[k]) as usize].push((k, s)));
                }
            }
            [&mut jit, &mut interp].into_iter().for_each(Machine::clear_spikes);
            for s in step + 1..=step + steps {
                let arriving = std::mem::take(&mut due[s as usize]);
                for (k, sent) in &arriving {
                    let (k, i) = (*k, *k / post);
                    // Spikes of this neuron that were sent before and reach any synapse in this step.
                    let earlier: BTreeSet<u64> =
                        arriving.iter().filter(|(l, at)| l / post == i && at < sent).map(|(_, at)| *at).collect();
                    let event = earlier.len() as u64;
                    several += earlier.len();
                    let at = |number| uniform(9, round, s - 1 - step, k as u64, event, [number, 2], double);
                    let released = f64::from(u8::from(if double { at(0) < 0.3 } else { (at(0) as f32) < 0.3 }));
                    sums[k % post] += released;
                    all += 1.0;
                    last[k] = 1.0 + at(1);
                }
            }
            step += steps;
            for (j, sum) in sums.iter().enumerate() {
                assert_eq!(read(&mut jit, pop(1, 0), j), *sum, "{precision}, {rule}, {delay}, round {round}");
            }
            for (k, x) in last.iter().enumerate() {
                assert!((read(&mut jit, proj(0, 1), k) - x).abs() < 1e-6, "{rule}, {delay}, synapse {k}");
            }
        }
        assert_eq!(several > 0, delay.contains("uniform"), "{several}");
        let released: f64 = sums.iter().sum();
        assert!((released - 0.3 * all).abs() < 4.0 * (0.21 * all).sqrt(), "{released} of {all}");
    }
}

/// After a delay has become shorter two spikes of one neuron reach a synapse in one step: they act in the order in which they were sent, and
/// each draws for itself.
#[test]
fn events_of_one_neuron_in_one_step_draw_for_themselves() {
    for precision in ["f32", "f64"] {
        let text = format!(
            "simulation {{ dt = 0.1 ms; seed = 9; precision = {precision} }}
             neuron Sum {{ state n = 0
               dn/dt = 0 * n / 1 ms }}
             synapse Two {{
               state first = 0, second = 0
               on pre {{ first = second; second = uniform(0, 1); deliver uniform(0, 1) }} }}
             population A[3]: spike_source(times = [1 ms, 1 ms, 2 ms, 2 ms, 2.5 ms], ids = [0, 2, 0, 2, 2])
             population B[2]: Sum()
             connect XE: A -> B.n via all_to_all with Two(delay = 2 ms)
             experiment e {{ XE.delay = 1 ms; run 10 ms }}"
        );
        let (mut jit, mut interp) = both(&text);
        for n in [&mut jit, &mut interp] {
            advance(n, 15, 4);
            let key = proj(0, 2);
            let mut values = n.values_mut(key).unwrap();
            // Those of 1 ms and 2 ms arrive together, at neuron 1 that of 2.5 ms too.
            let of = |k: usize| if k % 2 == 1 { 0.5 } else { 1.0 };
            match &mut values.data {
                SliceMut::F32(v) => (0..6).for_each(|k| v[k] = of(k) as f32),
                SliceMut::F64(v) => (0..6).for_each(|k| v[k] = of(k)),
            }
            n.written(key);
            advance(n, 25, 5);
        }
        bits_agree(&jit, &interp);
        // In steps of the second run: what was sent in step 10 (from 1) arrives in step 30, what in 20 in step 30 or 25, what in 25 in step 35 or 30.
        let of = |step: u64, k: u64, event, number| uniform(9, 5, step - 16, k, event, [number, 2], precision == "f64");
        for (i, j, arrivals) in [
            (0, 0, vec![(30, 0), (30, 1)]),
            (0, 1, vec![(25, 0), (30, 0)]),
            (2, 0, vec![(30, 0), (30, 1), (35, 0)]),
            // Which event it is counts all of the neuron that reach any synapse in the step.
            (2, 1, vec![(25, 0), (30, 0), (30, 2)]),
        ] {
            let k = i * 2 + j;
            let drawn: Vec<f64> = arrivals.iter().map(|(s, e)| of(*s, k, *e, 0)).collect();
            let [.., first, second] = drawn.as_slice() else { panic!("two at least") };
            let found = [0, 1].map(|var| read(&mut jit, proj(0, var), k as usize));
            assert!(
                (found[0] - first).abs() < 1e-6 && (found[1] - second).abs() < 1e-6,
                "{i}, {j}: {found:?}, {drawn:?}"
            );
            assert!(found[0] != found[1]);
        }
    }
}

const LEARNING: &str = "
simulation { dt = 0.1 ms; seed = 7; precision = f64 }
neuron Cell {
  state v = 0 mV
  10 ms * dv/dt = 13 mV - v
  spike when v > 10 mV
  on spike { v = 0 mV }
  refractory 2 ms hold v }
synapse Noisy {
  weight w = 0.2 mV in [0 mV, 1 mV]
  state x = 0
  dx/dt = -x / 20 ms
  on pre { let r = truncated(normal(0.5, 0.2), 0, 1); w += 0.01 mV * normal(0, 1) * r; x += r; if bernoulli(0.5) == 1 { deliver w } }
  on post { w += 0.02 mV * x * exponential(1) } }
population X[60]: poisson(rate = 60 Hz)
population E[40]: Cell()
connect XE: X -> E.v via all_to_all with Noisy()
connect EE: E -> E.v via random(p = 0.2) where i != j with Noisy(delay = uniform(0 ms, 2 ms), dendritic_delay = uniform(0 ms, 1 ms))
experiment e { freeze(XE.w); run 1 ms; thaw(XE.w); run 1 ms }";

/// The executions agree bit for bit on handlers that draw and learn; optimisation changes no spike; and pieces of a run are the run.
#[test]
fn executions_optimisation_and_pieces_change_nothing() {
    for precision in ["f32", "f64"] {
        let text = LEARNING.replace("f64", precision);
        let (mut jit, mut interp) = both(&text);
        for n in [&mut jit, &mut interp] {
            advance(n, 400, 1);
            advance(n, 300, 2);
        }
        bits_agree(&jit, &interp);
        let mut plain = build_with(&text, &Settings { opt: Some(0), ..Settings::default() }, BackendKind::Jit);
        plain.begin_run(400, RunKey(1)).unwrap();
        [1, 99, 300].into_iter().for_each(|steps| plain.advance(steps).unwrap());
        advance(&mut plain, 300, 2);
        let all = spikes(&jit, 1, 3);
        assert!(all.len() > 3 && (0..40).all(|j| spikes(&jit, 1, j) == spikes(&plain, 1, j)), "{all:?}");
    }
}

/// What is frozen changes no other draw: x has the same history while w stands still.
#[test]
fn freezing_changes_no_draw() {
    let text = LEARNING.replace("deliver w", "deliver 0.2 mV");
    let mut free = build(&text, BackendKind::Jit);
    let mut frozen = build(&text, BackendKind::Jit);
    frozen.freeze(&[VarKey { entity: Entity::Proj(ProjId(0)), var: VarId(0) }]).unwrap();
    for n in [&mut free, &mut frozen] {
        run(n, 300);
    }
    assert!((0..60 * 40).all(|k| read(&mut free, proj(0, 1), k) == read(&mut frozen, proj(0, 1), k)));
    assert!((0..60 * 40).any(|k| read(&mut free, proj(0, 0), k) != 0.2));
    assert!((0..60 * 40).all(|k| read(&mut frozen, proj(0, 0), k) == 0.2));
}

/// Threads change nothing, in a network that is large enough for several.
#[test]
fn threads_change_nothing() {
    let text = LEARNING
        .replace("X[60]", "X[4000]")
        .replace("E[40]", "E[16000]")
        .replace("via all_to_all", "via fixed_indegree(10)")
        .replace("random(p = 0.2) where i != j", "fixed_indegree(5)");
    let one = |threads| {
        let mut n = build_with(&text, &Settings { threads: Some(threads), ..Settings::default() }, BackendKind::Jit);
        run(&mut n, 200);
        n
    };
    let first = one(1);
    assert!(first.spikes(PopId(1)).step.len() > 1000);
    for threads in [2, 3] {
        let more = one(threads);
        assert!(more.cut().is_some_and(snnc::runtime::cut::Cut::parallel));
        bits_agree(&first, &more);
    }
}

/// Every distribution has its mean.
#[test]
fn distributions_have_their_means() {
    for (drawn, mean, sd) in [
        ("uniform(0, 1)", 0.5, 0.289),
        ("normal(2, 0.5)", 2.0, 0.5),
        ("exponential(3)", 3.0, 3.0),
        ("gamma(2.5, 2)", 5.0, 3.163),
        ("lognormal(0, 0.5)", 1.1331, 0.604),
        ("bernoulli(0.2)", 0.2, 0.4),
        ("poisson_count(4)", 4.0, 2.0),
        ("randint(1, 7)", 3.5, 2.0),
        // Mean of a standard normal number in [0.5, 2]: 1.04299.
        ("truncated(normal(0, 1), 0.5, 2)", 1.04299, 0.41),
    ] {
        for precision in ["f32", "f64"] {
            let text = format!(
                "simulation {{ dt = 0.1 ms; seed = 3; precision = {precision} }}
                 neuron Sum {{ state n = 0
                   dn/dt = 0 * n / 1 ms }}
                 synapse S {{ on pre {{ deliver {drawn} }} }}
                 population A[50]: poisson(rate = 500 Hz)
                 population B[100]: Sum()
                 connect XE: A -> B.n via all_to_all with S()
                 experiment e {{ run 10 ms }}"
            );
            let mut n = build(&text, BackendKind::Jit);
            run(&mut n, 400);
            let events = n.spikes(PopId(0)).step.len() as f64 * 100.0;
            assert!(events > 50_000.0);
            let found = (0..100).map(|j| read(&mut n, pop(1, 0), j)).sum::<f64>() / events;
            assert!((found - mean).abs() < 4.0 * sd / events.sqrt() + 1e-5, "{drawn}, {precision}: {found}");
            // No two synapses of an event share their draw.
            assert!(drawn != "uniform(0, 1)" || read(&mut n, pop(1, 0), 3) != read(&mut n, pop(1, 0), 4));
        }
    }
}
