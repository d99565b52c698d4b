//! Both delays of synapses, changed by protocols while spikes, deliveries and post spikes are on their way: against direct computation, in
//! both executions; and drawn anew.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{attempt, bits_agree, both, build, build_with, pop, proj, read, run, spikes};
use snnc::driver::{BackendKind, Settings};
use snnc::hir::{PopId, ProjId};
use snnc::rng::{Stream, splitmix64};
use snnc::runtime::Network;
use snnc::script::machine::{Machine, ResetTarget, RunKey, SliceMut, VarKey};

/// Gives every synapse a value of a variable of the first projection.
fn set(n: &mut Network, key: VarKey, of: impl Fn(usize) -> f64) {
    let mut values = n.values_mut(key).unwrap();
    let all = values.rows * values.cols;
    match &mut values.data {
        SliceMut::F32(v) => (0..all).for_each(|k| v[k] = of(k) as f32),
        SliceMut::F64(v) => (0..all).for_each(|k| v[k] = of(k)),
    }
    n.written(key);
}

/// The variables `delay` and `dendritic_delay` of a projection: the last ones.
fn delays(n: &Network, p: u32) -> [VarKey; 2] {
    let vars = n.plan().projections[p as usize].place.len() as u32;
    [proj(p, vars - 2), proj(p, vars - 1)]
}

fn advance(n: &mut Network, steps: u64, round: u64) {
    n.begin_run(steps, RunKey(round)).unwrap();
    n.advance(steps).unwrap();
}

/// What is on its way through axons, through dendrites to somata, and back from post spikes to synapses, by step.
struct Ways {
    pre: Vec<Vec<usize>>,
    soma: Vec<Vec<usize>>,
    post: Vec<Vec<usize>>,
}

/// A spike goes by the axonal delay of the time when it is sent; what it delivers by the dendritic delay of the time when it is delivered; and
/// a post spike by that of its own time.
#[test]
fn everything_on_its_way_keeps_the_delay_that_it_was_sent_with() {
    let (pre, post) = (7_usize, 5_usize);
    for (precision, rule) in [("f64", "all_to_all"), ("f32", "random(p = 1)")] {
        let text = format!(
            "simulation {{ dt = 0.1 ms; seed = 5; precision = {precision} }}
             neuron Sum {{ state n = 0
               dn/dt = 0 * n / 1 ms
               spike with rate 300 Hz }}
             synapse Count {{
               param w = 1
               state heard = 0, seen = 0
               on pre {{ deliver w; heard += 1 }}
               on post {{ seen += 1 }} }}
             population A[{pre}]: poisson(rate = 900 Hz)
             population B[{post}]: Sum()
             connect XE: A -> B.n via {rule} with Count(w = 1 + i, delay = 0.7 ms, dendritic_delay = uniform(0 ms, 0.5 ms))
             experiment e {{ XE.delay = 1 ms; XE.dendritic_delay = 1 ms; run 10 ms }}"
        );
        for kind in [BackendKind::Jit, BackendKind::Interp] {
            let mut n = build(&text, kind);
            let keys = delays(&n, 0);
            let in_steps = |n: &mut Network, key| -> Vec<usize> {
                (0..pre * post).map(|k| (read(n, key, k) * 10.0).round() as usize).collect()
            };
            let mut now = keys.map(|key| in_steps(&mut n, key));
            assert!(now[0].iter().all(|d| *d == 7) && now[1].iter().max() > now[1].iter().min());
            let mut ways =
                Ways { pre: vec![Vec::new(); 5000], soma: vec![Vec::new(); 5000], post: vec![Vec::new(); 5000] };
            let (mut heard, mut seen) = (vec![0.0; pre * post], vec![0.0; pre * post]);
            let mut sums = vec![0.0; post];
            let (mut step, mut counts) = (0_usize, [0; 2]);
            for round in 0..50_u64 {
                let steps = 1 + splitmix64(round) % 40;
                advance(&mut n, steps, round);
                let fired = [(0, pre), (1, post)]
                    .map(|(p, size)| (0..size as u64).map(|i| spikes(&n, p, i)).collect::<Vec<_>>());
                n.clear_spikes();
                for s in step + 1..=step + steps as usize {
                    for i in (0..pre).filter(|i| fired[0][*i].contains(&(s as u64))) {
                        counts[0] += 1;
                        (i * post..(i + 1) * post).for_each(|k| ways.pre[s + now[0][k]].push(k));
                    }
                    for k in std::mem::take(&mut ways.pre[s]) {
                        heard[k] += 1.0;
                        ways.soma[s + now[1][k]].push(k);
                    }
                    std::mem::take(&mut ways.soma[s]).iter().for_each(|k| sums[k % post] += (1 + k / post) as f64);
                    for j in (0..post).filter(|j| fired[1][*j].contains(&(s as u64))) {
                        counts[1] += 1;
                        (0..pre).map(|i| i * post + j).for_each(|k| ways.post[s + now[1][k]].push(k));
                    }
                    std::mem::take(&mut ways.post[s]).iter().for_each(|k| seen[*k] += 1.0);
                }
                step += steps as usize;
                let place = format!("{rule}, {kind:?}, round {round}");
                let values =
                    |n: &mut Network, var| (0..pre * post).map(|k| read(n, proj(0, var), k)).collect::<Vec<_>>();
                assert_eq!(values(&mut n, 1), heard, "{place}: heard");
                assert_eq!(values(&mut n, 2), seen, "{place}: seen");
                let found: Vec<f64> = (0..post).map(|j| read(&mut n, pop(1, 0), j)).collect();
                assert_eq!(found, sums, "{place}: somata");
                // One of the two delays or both, sometimes all alike, sometimes none at all, sometimes longer than any before.
                for (end, key) in keys.into_iter().enumerate() {
                    let salt = round * 7 + end as u64;
                    let longest = [1, 4, 30 + 8 * round, 60][(salt % 4) as usize];
                    let new = |k: usize| splitmix64(salt * 1000 + if round % 5 == 0 { 0 } else { k as u64 }) % longest;
                    match salt % 5 {
                        0 => {}
                        1 => n.redraw(&[ResetTarget::Var(key)], RunKey(round)).unwrap(),
                        _ => set(&mut n, key, |k| new(k) as f64 * 0.1),
                    }
                    let read = in_steps(&mut n, key);
                    if salt % 5 > 1 {
                        assert!(read.iter().enumerate().all(|(k, d)| *d == new(k) as usize));
                    }
                    now[end] = read;
                }
            }
            assert!(counts[0] > 300 && counts[1] > 80, "{counts:?}");
            // What is on its way is lost by `reset`.
            set(&mut n, keys[0], |_| 0.0);
            n.reset(&[ResetTarget::Pop(PopId(1)), ResetTarget::Proj(ProjId(0))]);
            keys.into_iter().for_each(|key| set(&mut n, key, |_| 45.0));
            run(&mut n, 449);
            assert!((0..post).all(|j| read(&mut n, pop(1, 0), j) == 0.0));
            assert!((0..pre * post).all(|k| read(&mut n, proj(0, 1), k) == 0.0 && read(&mut n, proj(0, 2), k) == 0.0));
        }
    }
}

/// The plastic network with delays of both kinds.
fn plastic(precision: &str, protocol: &str) -> String {
    let delays = [
        "delay = 0.4 ms, dendritic_delay = 1.5 ms",
        "delay = uniform(0 ms, 2 ms), dendritic_delay = uniform(0 ms, 1 ms)",
    ];
    net::plastic(precision, delays, protocol)
}

const CHANGED: &str =
    "XE.delay = 1 ms; XE.dendritic_delay = 1.5 ms; EE.delay = 1 ms; redraw(EE.dendritic_delay); run 10 ms";

/// Changes all delays of the plastic network in every round.
fn rounds(n: &mut Network, rounds: u64) {
    for round in 0..rounds {
        advance(n, 83, round);
        for p in [0, 1] {
            for (end, key) in delays(n, p).into_iter().enumerate() {
                let salt = round * 16 + u64::from(p) * 4 + end as u64;
                if (p, end) == (1, 1) {
                    n.redraw(&[ResetTarget::Var(key)], RunKey(round)).unwrap();
                } else {
                    set(n, key, |k| (splitmix64(salt * 7919 + k as u64) % 40) as f64 * 0.1);
                }
            }
        }
    }
}

/// Both executions agree bit for bit, and a change to what the delays are changes nothing.
#[test]
fn both_executions_agree_and_no_change_is_none() {
    for precision in ["f32", "f64"] {
        let changing = plastic(precision, CHANGED);
        let (mut jit, mut interp) = both(&changing);
        rounds(&mut jit, 10);
        rounds(&mut interp, 10);
        assert!(spikes(&jit, 1, 3).len() > 2, "{:?}", spikes(&jit, 1, 3));
        bits_agree(&jit, &interp);

        let mut same = build(&changing, BackendKind::Jit);
        let mut fixed = build(&plastic(precision, "run 10 ms"), BackendKind::Jit);
        for round in 0..5 {
            advance(&mut same, 200, round);
            advance(&mut fixed, 200, round);
            let [axonal, dendritic] = delays(&same, 0);
            set(&mut same, axonal, |_| 0.4);
            set(&mut same, dendritic, |_| 1.5);
        }
        assert!((0..40).all(|j| spikes(&same, 1, j) == spikes(&fixed, 1, j)));
        for k in 0..60 * 40 {
            let (a, b) = (read(&mut same, proj(0, 0), k), read(&mut fixed, proj(0, 0), k));
            assert!((a - b).abs() < if precision == "f32" { 1e-4 } else { 1e-12 }, "{k}: {a}, {b}");
        }
    }
}

/// What is optimised changes no spike.
#[test]
fn optimisation_changes_no_spike() {
    let text = plastic("f64", CHANGED);
    let [mut all, mut plain] =
        [2, 0].map(|opt| build_with(&text, &Settings { opt: Some(opt), ..Settings::default() }, BackendKind::Jit));
    rounds(&mut all, 10);
    rounds(&mut plain, 10);
    assert!((0..40).all(|j| spikes(&all, 1, j) == spikes(&plain, 1, j)));
}

/// A network that is large enough for several threads.
#[test]
fn threads_change_nothing() {
    let text = plastic("f32", CHANGED)
        .replace("X[60]", "X[4000]")
        .replace("E[40]", "E[16000]")
        .replace("via all_to_all", "via fixed_indegree(10)")
        .replace("random(p = 0.2) where i != j", "fixed_indegree(5)")
        .replace("1 mV]", "9 mV]")
        .replace("2 mV * uniform(0.2, 0.9)/2", "9 mV");
    let one = |threads| {
        let mut n = build_with(&text, &Settings { threads: Some(threads), ..Settings::default() }, BackendKind::Jit);
        rounds(&mut n, 3);
        n
    };
    let first = one(1);
    assert!(first.spikes(PopId(1)).step.len() > 1000, "{}", first.spikes(PopId(1)).step.len());
    for threads in [2, 3] {
        let more = one(threads);
        assert!(more.cut().is_some_and(snnc::runtime::cut::Cut::parallel), "{threads} threads");
        assert_eq!(first.spikes(PopId(1)).neuron, more.spikes(PopId(1)).neuron, "{threads} threads");
        bits_agree(&first, &more);
    }
}

/// `redraw` draws delays as the network was built with them, by another key: the draw of synapse k is that of element k.
#[test]
fn delays_drawn_anew_are_those_of_their_stream() {
    for precision in ["f32", "f64"] {
        for (rule, given) in
            [("all_to_all", "uniform(1 ms, 5 ms)"), ("random(p = 0.5)", "w * 1 ms + uniform(1 ms, 5 ms)")]
        {
            let text = format!(
                "simulation {{ dt = 0.1 ms; seed = 11; precision = {precision} }}
                 neuron Sum {{ state n = 0
                   dn/dt = 0 * n / 1 ms }}
                 population A[20]: poisson(rate = 100 Hz)
                 population B[30]: Sum()
                 connect XE: A -> B.n via {rule} with static(w = 3, delay = {given}, dendritic_delay = uniform(0 ms, 2 ms))
                 experiment e {{ redraw(XE.delay, XE.dendritic_delay, XE.w); run 1 ms }}"
            );
            let (mut jit, mut interp) = both(&text);
            let keys = delays(&jit, 0);
            let first: Vec<f64> = (0..100).map(|k| read(&mut jit, keys[0], k)).collect();
            for n in [&mut jit, &mut interp] {
                run(n, 50);
                n.redraw(&keys.map(ResetTarget::Var), RunKey(77)).unwrap();
                run(n, 50);
            }
            bits_agree(&jit, &interp);
            let base = if rule == "all_to_all" { 0.0 } else { 3.0 };
            for (key, name, (lo, hi)) in
                [(keys[0], "XE/delay", (base + 1.0, base + 5.0)), (keys[1], "XE/dendritic_delay", (0.0, 2.0))]
            {
                let stream = Stream::new(11, name).sub(77);
                for k in 0..100 {
                    let time = f64::mul_add(hi - lo, stream.uniform(k, 0), lo);
                    let found = read(&mut jit, key, k as usize);
                    assert!((found - (time * 10.0).round() / 10.0).abs() < 1e-6, "{name} {k}: {found}, {time}");
                }
            }
            assert!((0..100).any(|k| read(&mut jit, keys[0], k) != first[k]));
        }
    }
}

/// What is injected goes by the delays of the step in which it is read. A ring that had to become longer has not what it had forgotten by
/// then: the oldest value that it has stands for it.
#[test]
fn inject_reads_as_far_back_as_the_delays_of_the_present_say() {
    let (pre, post) = (4_usize, 3_usize);
    for (precision, rule) in [("f64", "all_to_all"), ("f32", "random(p = 1)")] {
        let text = format!(
            "simulation {{ dt = 0.1 ms; seed = 5; precision = {precision} }}
             neuron Wave {{ state r = 1 + i, u = 0
               dr/dt = -u / 1 ms
               du/dt = r / 1 ms }}
             neuron Sum {{ input I
               state s = 0, q = 1 + i
               ds/dt = I / 1 ms
               dq/dt = -q / 30 ms }}
             synapse Late {{ param w = 1
               inject w * pre.r * post.q }}
             population A[{pre}]: Wave()
             population B[{post}]: Sum()
             connect XE: A -> B.I via {rule} with Late(w = 0.1 * (1 + i), delay = 0.3 ms, dendritic_delay = 0.2 ms)
             experiment e {{ XE.delay = 1 ms; XE.dendritic_delay = 1 ms; run 10 ms }}"
        );
        let (mut jit, mut interp) = both(&text);
        let keys = delays(&jit, 0);
        let mut now = [vec![3_usize; pre * post], vec![2; pre * post]];
        // How many values a ring keeps, the first step whose values it has, and the values of all steps.
        let (mut kept, mut known) = ([4, 3], [0_usize; 2]);
        let mut past: [Vec<Vec<f64>>; 2] = [Vec::new(), Vec::new()];
        let mut sums = vec![0.0; post];
        let mut stale = 0;
        for round in 0..40_u64 {
            for _ in 0..1 + splitmix64(round) % 12 {
                past[0].push((0..pre).map(|i| read(&mut jit, pop(0, 0), i)).collect());
                past[1].push((0..post).map(|j| read(&mut jit, pop(1, 2), j)).collect());
                let step = past[0].len() - 1;
                for k in 0..pre * post {
                    let at = |end: usize, element: usize| {
                        let wanted = step.saturating_sub(now[end][k]);
                        past[end][wanted.max(known[end])][element]
                    };
                    stale += usize::from(step.saturating_sub(now[0][k]) < known[0]);
                    sums[k % post] += 0.1 * (0.1 * (1 + k / post) as f64) * at(0, k / post) * at(1, k % post);
                }
                for n in [&mut jit, &mut interp] {
                    advance(n, 1, 0);
                }
            }
            bits_agree(&jit, &interp);
            for (j, sum) in sums.iter().enumerate() {
                let found = read(&mut jit, pop(1, 1), j);
                let near = if precision == "f64" { 1e-9 } else { 2e-3 };
                assert!((found - sum).abs() < near, "{rule}, round {round}, neuron {j}: {found}, {sum}");
            }
            let step = past[0].len();
            for end in 0..2 {
                let salt = round * 3 + end as u64;
                let longest = [1, 5, 12 + round, 20][(salt % 4) as usize];
                let new = |k: usize| (splitmix64(salt * 1000 + k as u64) % longest) as usize;
                for n in [&mut jit, &mut interp] {
                    set(n, keys[end], |k| new(k) as f64 * 0.1);
                }
                now[end] = (0..pre * post).map(new).collect();
                let slots = now[end].iter().max().unwrap() + 1;
                if slots > kept[end] {
                    known[end] = known[end].max(step.saturating_sub(kept[end]));
                    kept[end] = slots;
                }
            }
            if round == 20 {
                // What was before is forgotten.
                for n in [&mut jit, &mut interp] {
                    n.reset(&[ResetTarget::Proj(ProjId(0))]);
                }
                known = [step; 2];
            }
        }
        assert!(stale > 5, "{stale}");
    }
}

/// A kernel spreads what reaches the soma, whether it carries itself on or is summed: each amount by the dendritic delay of its synapse at its time.
#[test]
fn a_kernel_begins_when_the_soma_is_reached() {
    let (pre, post) = (4_usize, 3_usize);
    let kernels: [(&str, fn(f64) -> f64); 2] =
        [("exp(-s / 2 ms) over 4 ms", |s| (-s / 2.0).exp()), ("sin(s / 1 ms)^2 over 4 ms", |s| s.sin().powi(2))];
    for ((kernel, response), precision) in kernels.into_iter().flat_map(|k| ["f32", "f64"].map(|p| (k, p))) {
        for changes in [false, true] {
            let protocol = if changes { "XE.dendritic_delay = 1 ms;" } else { "print(XE.dendritic_delay);" };
            let text = format!(
                "simulation {{ dt = 0.1 ms; seed = 5; precision = {precision} }}
                 kernel K(s) = {kernel}
                 neuron Sum {{ input I
                   state s = 0
                   ds/dt = I / 1 ms }}
                 population A[{pre}]: poisson(rate = 900 Hz)
                 population B[{post}]: Sum()
                 connect XE: A -> B.I via all_to_all with static(w = 1 + i, dendritic_delay = uniform(0 ms, 3 ms)) through K
                 experiment e {{ {protocol} run 10 ms }}"
            );
            let (mut jit, mut interp) = both(&text);
            let key = proj(0, jit.plan().projections[0].place.len() as u32 - 1);
            let read_all = |n: &mut Network| -> Vec<usize> {
                (0..pre * post).map(|k| (read(n, key, k) * 10.0).round() as usize).collect()
            };
            let mut now = read_all(&mut jit);
            let mut expected = vec![vec![0.0; post]; 4000];
            let (mut sums, mut seen) = (vec![0.0; post], 0);
            let mut step = 0_usize;
            for round in 0..20_u64 {
                let steps = 1 + splitmix64(round) % 30;
                advance(&mut jit, steps, round);
                advance(&mut interp, steps, round);
                bits_agree(&jit, &interp);
                for i in 0..pre {
                    for s in spikes(&jit, 0, i as u64) {
                        seen += 1;
                        for (k, delay) in now.iter().enumerate().filter(|(k, _)| k / post == i) {
                            for after in 1..=40_usize {
                                let share = (1 + i) as f64 * response(after as f64 * 0.1) * 0.1;
                                expected[s as usize + delay + after][k % post] += share;
                            }
                        }
                    }
                }
                [&mut jit, &mut interp].into_iter().for_each(Machine::clear_spikes);
                for arrives in &expected[step + 1..=step + steps as usize] {
                    sums.iter_mut().zip(arrives).for_each(|(sum, x)| *sum += x);
                }
                step += steps as usize;
                for (j, sum) in sums.iter().enumerate() {
                    let near = if precision == "f64" { 1e-9 } else { 1e-4 } * (1.0 + sum);
                    let found = read(&mut jit, pop(1, 1), j);
                    assert!((found - sum).abs() < near, "{kernel}, {precision}, round {round}: {found}, {sum}");
                }
                if changes {
                    let longest = [1, 60, 20][(round % 3) as usize] + round;
                    let new = |k: usize| splitmix64(round * 100 + k as u64) % longest;
                    [&mut jit, &mut interp].into_iter().for_each(|n| set(n, key, |k| new(k) as f64 * 0.1));
                    now = read_all(&mut jit);
                }
            }
            assert!(seen > 30, "{seen}");
        }
    }
}

/// A delay that takes too much memory is refused where it is assigned, before anything is made longer.
#[test]
fn what_cannot_be_kept_is_refused() {
    let text = "neuron Sum { state n = 0
           dn/dt = 0 * n / 1 ms }
         population A[2]: poisson(rate = 100 Hz)
         population B[3000]: Sum()
         connect XE: A -> B.n via all_to_all with static(w = 1)
         experiment e { XE.dendritic_delay = 100 s; run 1 ms }";
    let mut n = attempt(text, BackendKind::Jit).unwrap();
    let key = proj(0, n.plan().projections[0].place.len() as u32 - 1);
    let mut values = n.values_mut(key).unwrap();
    match &mut values.data {
        SliceMut::F64(v) => v.fill(100_000.0),
        SliceMut::F32(v) => v.fill(100_000.0),
    }
    let told = n.delays_fit(key).unwrap_err();
    assert!(told.message.contains("cannot keep what is on its way for 1000000 time steps"), "{}", told.message);
}
