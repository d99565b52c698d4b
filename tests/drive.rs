//! Drive and structure of networks: `poisson_input`, rules of space, several synapses per pair, columns of edge files, loops around
//! connections, kernels.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{attempt, bits_agree, both, build, pop, proj, read, run, spikes, states_agree};
use snnc::driver::BackendKind;
use snnc::hir::PopId;
use snnc::script::machine::{Machine, ResetTarget, RunKey, SliceMut};

/// The sum of what arrives has the mean and the variance of a Poisson process of rate n*rate, several events a step included, and
/// different targets are independent.
#[test]
fn poisson_input_has_the_moments_of_its_process() {
    let text = "
        simulation { dt = 0.1 ms; seed = 4 }
        neuron Sum { state g = 0
          dg/dt = 0 * g / 1 ms }
        population B[400]: Sum()
        connect poisson_input(n = 1000, rate = 20 Hz) -> B.g with static(w = 0.5)
        experiment e { run 10 ms }";
    let (mut jit, mut interp) = both(text);
    for n in [&mut jit, &mut interp] {
        run(n, 1000);
    }
    bits_agree(&jit, &interp);
    // 20 kHz over 100 ms: 2000 events of 0.5.
    let sums: Vec<f64> = (0..400).map(|j| read(&mut jit, pop(0, 0), j)).collect();
    let mean = sums.iter().sum::<f64>() / 400.0;
    let var = sums.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 399.0;
    assert!((mean - 1000.0).abs() < 4.0 * (500.0_f64 / 400.0).sqrt(), "{mean}");
    assert!((var / 500.0 - 1.0).abs() < 4.0 * (2.0_f64 / 399.0).sqrt(), "{var}");
    let pairs: f64 = (0..399).map(|k| (sums[k] - 1000.0) * (sums[k + 1] - 1000.0)).sum::<f64>() / 399.0;
    assert!(pairs.abs() < 4.0 * 500.0 / 399.0_f64.sqrt(), "{pairs}");
    // In pieces it is the same.
    let mut pieces = build(text, BackendKind::Jit);
    pieces.begin_run(1000, RunKey(0)).unwrap();
    for steps in [1, 99, 900] {
        pieces.advance(steps).unwrap();
    }
    states_agree(&jit, &pieces);
}

/// The events of `poisson_input` come a delay later, several a step included; also where a protocol changes the delay while they are on their way.
#[test]
fn poisson_input_may_be_delayed() {
    for (precision, delay, protocol) in [
        ("f64", "0.7 ms", "run 1 ms"),
        ("f32", "uniform(0 ms, 2 ms)", "run 1 ms"),
        ("f32", "0 ms", "D.delay = 1 ms; run 1 ms"),
        ("f64", "uniform(0 ms, 2 ms)", "redraw(D.delay); D.delay = 1 ms; run 1 ms"),
    ] {
        let text = |delay: &str, protocol: &str| {
            format!(
                "simulation {{ dt = 0.1 ms; seed = 4; precision = {precision} }}
                 neuron Sum {{ state g = 0
                   dg/dt = 0 * g / 1 ms }}
                 population B[5]: Sum()
                 connect D: poisson_input(n = 1000, rate = 20 Hz) -> B.g with static(w = 1 + i, delay = {delay})
                 experiment e {{ {protocol}; print(D.delay) }}"
            )
        };
        let mut at_once = build(&text("0 ms", "run 1 ms"), BackendKind::Jit);
        let (mut jit, mut interp) = both(&text(delay, protocol));
        let key = proj(0, jit.plan().projections[0].place.len() as u32 - 1);
        let changes = protocol.contains("D.delay");
        let steps = |n: &mut snnc::runtime::Network| -> Vec<usize> {
            (0..5).map(|j| (read(n, key, j) * 10.0).round() as usize).collect()
        };
        let mut delays = steps(&mut jit);
        let mut arriving = vec![[0.0; 5]; 400];
        let (mut before, mut sums) = ([0.0; 5], [0.0; 5]);
        for n in [&mut at_once, &mut jit, &mut interp] {
            n.begin_run(300, RunKey(3)).unwrap();
        }
        for step in 0..300_usize {
            [&mut at_once, &mut jit, &mut interp].into_iter().for_each(|n| n.advance(1).unwrap());
            for j in 0..5 {
                let all = read(&mut at_once, pop(0, 0), j);
                arriving[step + delays[j]][j] += all - before[j];
                before[j] = all;
                sums[j] += arriving[step][j];
                assert_eq!(read(&mut jit, pop(0, 0), j), sums[j], "{delay}, step {step}");
            }
            if changes && step % 20 == 7 {
                for n in [&mut jit, &mut interp] {
                    n.redraw(&[ResetTarget::Var(key)], RunKey(step as u64)).unwrap();
                    let mut values = n.values_mut(key).unwrap();
                    match &mut values.data {
                        SliceMut::F32(v) => v[1] = (step % 3) as f32,
                        SliceMut::F64(v) => v[1] = (step % 3) as f64,
                    }
                    n.written(key);
                }
                delays = steps(&mut jit);
                assert_eq!(delays[1], step % 3 * 10);
            }
        }
        bits_agree(&jit, &interp);
        assert!(sums.iter().all(|x| *x > 400.0), "{sums:?}");
    }
}

/// A part of a population is driven; the rest is not.
#[test]
fn poisson_input_reaches_the_view_only() {
    let text = "
        simulation { dt = 0.1 ms; seed = 4 }
        neuron Sum { state g = 0
          dg/dt = 0 * g / 1 ms }
        population B[10]: Sum()
        connect poisson_input(n = 10, rate = 100 Hz * (1 + i)) -> B[3..6].g with static(w = 1)
        experiment e { run 10 ms }";
    let mut n = build(text, BackendKind::Jit);
    run(&mut n, 10_000);
    for j in 0..10 {
        let g = read(&mut n, pop(0, 0), j);
        if (3..6).contains(&j) {
            let mean = 1000.0 * (j as f64 - 2.0);
            assert!((g - mean).abs() < 4.5 * mean.sqrt(), "{g} against {mean}");
        } else {
            assert_eq!(g, 0.0);
        }
    }
}

/// Both directions of a pair or none, and never a neuron with itself.
#[test]
fn symmetric_connections_are_symmetric() {
    let text = "
        neuron Cell { input I: pA
          state v = 0 mV
          10 ms * dv/dt = -v + 100 MOhm * I }
        synapse Gap { param g = 1 nS
          inject g * (pre.v - post.v) }
        population P[60]: Cell()
        connect P -> P.I via random(p = 0.2, symmetric = true) with Gap()
        experiment e { run 10 ms }";
    let n = build(text, BackendKind::Jit);
    let (pre, post) = n.synapses(snnc::hir::ProjId(0)).unwrap();
    let pairs: std::collections::BTreeSet<(u32, u32)> = pre.iter().copied().zip(post.iter().copied()).collect();
    assert!(pairs.iter().all(|(i, j)| i != j && pairs.contains(&(*j, *i))));
    // 60*59/2 pairs with probability 0.2, two synapses each.
    assert!((pairs.len() as f64 / 2.0 - 354.0).abs() < 4.0 * (1770.0_f64 * 0.2 * 0.8).sqrt(), "{}", pairs.len());
}

/// Several synapses of one pair are counted, deliver and learn each by itself, each with its own delay.
#[test]
fn several_synapses_of_a_pair_act_each_by_itself() {
    let text = "
        simulation { dt = 0.1 ms; seed = 2 }
        neuron Clock { state x = 0
          dx/dt = 1/ms
          spike when x > 0.95
          on spike { x = -1e6 } }
        neuron Sum { state g = 0
          dg/dt = 0 * g / 1 ms }
        synapse Mark { weight w
          state seen = 0
          on pre { deliver w; seen += 1 } }
        population A[2]: Clock()
        population B[3]: Sum()
        connect XE: A -> B.g via fixed_indegree(5, multapses = true) with Mark(w = uniform(0, 1), delay = uniform(0 ms, 1 ms))
        experiment e { run 10 ms }";
    let (mut jit, mut interp) = both(text);
    for n in [&mut jit, &mut interp] {
        run(n, 40);
    }
    bits_agree(&jit, &interp);
    let (pre, post) = jit.synapses(snnc::hir::ProjId(0)).unwrap();
    let post = post.to_vec();
    assert_eq!((pre.len(), post.len()), (15, 15));
    for j in 0..3 {
        let of: Vec<usize> = (0..15).filter(|k| post[*k] == j).collect();
        assert_eq!(of.len(), 5);
        let sum: f64 = of.iter().map(|k| read(&mut jit, proj(0, 0), *k)).sum();
        assert!((read(&mut jit, pop(1, 0), j as usize) - sum).abs() < 1e-12);
        assert!(of.iter().all(|k| read(&mut jit, proj(0, 1), *k) == 1.0));
    }
}

/// Two loops over a table make all connections between parts of one population.
#[test]
fn loops_make_connections_from_tables() {
    let text = "
        simulation { dt = 0.1 ms }
        const first = [0, 3, 5, 9]
        const K = [[1, 0.5, 0], [2, 0, 3], [0, 0, 7]]
        neuron Clock { state x = 0, g = 0
          dx/dt = 1/ms
          dg/dt = 0 * g / 1 ms
          spike when x > 0.95
          on spike { x = -1e6 } }
        population N[9]: Clock()
        for a in 0..3 { for b in 0..3 {
          connect N[first[b]..first[b + 1]] -> N[first[a]..first[a + 1]].g via all_to_all with static(w = K[a, b], delay = 0.1 ms * (a + b))
        } }
        connect last: N -> N.g via one_to_one with static(w = 100)
        experiment e { run 10 ms; expect sum(last.w) == 900 }";
    let mut n = build(text, BackendKind::Jit);
    assert_eq!(n.synapse_counts().len(), 10);
    run(&mut n, 20);
    let sizes = [3.0, 2.0, 4.0];
    let k = [[1.0, 0.5, 0.0], [2.0, 0.0, 3.0], [0.0, 0.0, 7.0]];
    for j in 0..9 {
        let a = if j < 3 {
            0
        } else if j < 5 {
            1
        } else {
            2
        };
        let sum: f64 = (0..3).map(|b| k[a][b] * sizes[b]).sum();
        assert_eq!(read(&mut n, pop(0, 1), j), sum + 100.0, "neuron {j}");
    }
}

/// Each delivered amount reaches the input as the kernel says, at dt, 2 dt, … up to the horizon, overlapping ones added: by a pass over the
/// kernel, and by recursions of one and two steps where it has one.
#[test]
fn a_kernel_spreads_each_delivery() {
    type Response = fn(f64) -> f64;
    let kernels: [(&str, Response, bool); 4] = [
        (
            "if s < 0.35 ms then 2 * s / 1 ms else exp(-s / 1 ms)",
            |s| if s < 0.35 { 2.0 * s } else { (-s).exp() },
            false,
        ),
        ("exp(-s / 1 ms)", |s| (-s).exp(), true),
        ("s / 0.8 ms * exp(1 - s / 0.8 ms)", |s| s / 0.8 * (1.0 - s / 0.8).exp(), true),
        (
            "exp(-(s - dt) / 3 ms) - exp(-(s - dt) / 0.5 ms)",
            |s| ((0.1 - s) / 3.0).exp() - ((0.1 - s) / 0.5).exp(),
            true,
        ),
    ];
    for ((kernel, response, recursive), precision) in
        kernels.into_iter().flat_map(|k| ["f32", "f64"].map(|precision| (k, precision)))
    {
        let text = format!(
            "simulation {{ dt = 0.1 ms; precision = {precision} }}
             kernel K(s) = {kernel} over 2 ms
             neuron Clock {{ param at = 1 ms, period = 0.7 ms
               state x = 0
               dx/dt = 1/ms
               spike when x > at/1 ms - 0.05
               on spike {{ x -= period/1 ms }} }}
             neuron Sum {{ input I: pA
               state q: pA*ms = 0
               dq/dt = I }}
             population A[3]: Clock(at = 1 ms + 0.1 ms * i)
             population B[2]: Sum()
             connect A -> B.I via all_to_all with static(w = 1 pA * (1 + i + 10 * j), delay = DELAY) through K
             experiment e {{ run 10 ms }}"
        );
        for (delay, late) in [("0 ms", 0_u64), ("0.4 ms", 4), ("0.2 ms * i", 20)] {
            let text = text.replace("DELAY", delay);
            let (mut jit, mut interp) = both(&text);
            assert_eq!(jit.plan().projections[0].recursion.is_some(), recursive);
            let mut before = [0.0; 2];
            for step in 0..60_u64 {
                for n in [&mut jit, &mut interp] {
                    run_more(n);
                }
                for (j, before) in before.iter_mut().enumerate() {
                    let q = read(&mut jit, pop(1, 1), j);
                    let mut expected = 0.0;
                    for i in 0..3_u64 {
                        let d = if late == 20 { 2 * i } else { late };
                        // Spikes of neuron i end the steps 10 + i - 1, 17 + i - 1, …
                        for k in 0..10 {
                            let arrives = 10 + i + 7 * k + d;
                            if step >= arrives && step - arrives < 20 {
                                let s = (step - arrives + 1) as f64 * 0.1;
                                expected += (1 + i + 10 * j as u64) as f64 * response(s) * 0.1;
                            }
                        }
                    }
                    let tolerance = if precision == "f32" { 2e-3 } else { 1e-11 };
                    assert!(
                        (q - *before - expected).abs() < tolerance,
                        "step {step}: {} against {expected}",
                        q - *before
                    );
                    *before = q;
                }
            }
            bits_agree(&jit, &interp);
            // What the kernel would still add is taken back.
            jit.reset(&[ResetTarget::Pop(PopId(1))]);
            run_more(&mut jit);
            assert_eq!([0, 1].map(|j| read(&mut jit, pop(1, 1), j)), [0.0; 2]);
            assert!(spikes(&jit, 0, 0).len() > 5);
        }
    }
}

fn run_more(n: &mut snnc::runtime::Network) {
    run(n, 1);
}

/// Columns of an edge file give weights and delays, synapse by synapse.
#[test]
fn edge_files_give_weights_and_delays() {
    use snnc::data::{NpyArray, NpyData, write_npz};
    let path = std::env::temp_dir().join(format!("snnc_edges_{}.npz", std::process::id()));
    let ints = |v: &[i64]| NpyArray { shape: vec![v.len() as u64], data: NpyData::I64(v.to_vec()) };
    let reals = |v: &[f64]| NpyArray { shape: vec![v.len() as u64], data: NpyData::F64(v.to_vec()) };
    let arrays = [
        ("pre".to_owned(), ints(&[2, 0, 1, 0])),
        ("post".to_owned(), ints(&[0, 1, 2, 1])),
        ("w".to_owned(), reals(&[2.0, 0.25, 1.0, 0.5])),
        ("d".to_owned(), reals(&[0.3, 0.0, 0.7, 1.0])),
    ];
    write_npz(&path, &arrays).unwrap();
    let text = format!(
        "simulation {{ dt = 0.1 ms }}
         neuron Clock {{ state x = 0
           dx/dt = 1/ms
           spike when x > 0.95
           on spike {{ x = -1e6 }} }}
         neuron Sum {{ state g = 0
           dg/dt = 0 * g / 1 ms }}
         population A[3]: Clock()
         population B[3]: Sum()
         connect A -> B.g via edges(\"{}\") with static(w = edge.w * 2, delay = edge.d * 1 ms)
         experiment e {{ run 10 ms }}",
        path.display()
    );
    let built = attempt(&text, BackendKind::Jit);
    std::fs::remove_file(&path).unwrap();
    let mut n = built.unwrap();
    for (until, expected) in
        [(10, [0.0, 0.5, 0.0]), (13, [4.0, 0.5, 0.0]), (17, [4.0, 0.5, 2.0]), (20, [4.0, 1.5, 2.0])]
    {
        let now = n.steps();
        run(&mut n, until - now);
        assert_eq!([0, 1, 2].map(|j| read(&mut n, pop(1, 0), j)), expected, "after {until} steps");
    }
}

/// A drive beyond what a computer can deliver is refused with its place, not attempted.
#[test]
fn drives_without_end_are_refused() {
    for rate in ["1e12 Hz", "inf * 1 Hz"] {
        let text = format!(
            "neuron Sum {{ state g = 0
               dg/dt = -g / 1 ms }}
             population B[10]: Sum()
             connect poisson_input(n = 1000, rate = {rate}) -> B.g with static(w = 1)
             experiment e {{ run 10 ms }}"
        );
        let mut n = build(&text, BackendKind::Jit);
        let fault = n.begin_run(10, RunKey(0)).unwrap_err();
        assert_eq!(fault.code.to_string(), "E0902", "{rate}");
        assert!(fault.primary.is_some());
    }
}

/// Delays that are drawn and turn out impossible are an error at the argument; so are buffers beyond counting.
#[test]
fn impossible_delays_are_refused() {
    for (args, code, words) in [
        ("delay = normal(1 ms, 5 ms)", "E0403", "are negative"),
        ("dendritic_delay = 1 ms * (5 - i)", "E0403", "the lowest is -4 ms"),
        ("delay = 1 ms / (i - 3)", "E0403", "values of `delay`"),
        ("delay = uniform(1 s, 1e9 s)", "E0403", "cannot be kept"),
    ] {
        let text = format!(
            "neuron Cell {{ state g = 0
               dg/dt = -g / 1 ms
               spike when g > 1
               on spike {{ g = 0 }} }}
             population B[10]: Cell()
             connect B -> B.g via one_to_one with static(w = 1, {args})
             experiment e {{ run 10 ms }}"
        );
        let fault = attempt(&text, BackendKind::Jit).err().unwrap();
        assert!(fault.contains(code) && fault.contains(words), "{args}: {fault}");
    }
}

/// A response through a kernel that reaches the soma late is the same as one whose spike is late, for an exponential, which carries itself on, and
/// for a kernel that is summed.
#[test]
fn a_kernel_behind_a_dendrite_begins_later() {
    for kernel in ["exp(-s / 2 ms) over 20 ms", "sin(s / 1 ms)^2 over 3 ms"] {
        let text = |delay: &str| {
            format!(
                "simulation {{ dt = 0.1 ms; seed = 4 }}
                 kernel K(s) = {kernel}
                 neuron Cell {{ input I
                   state v = 0
                   10 ms * dv/dt = I - v }}
                 population X[5]: poisson(rate = 100 Hz)
                 population E[3]: Cell()
                 connect X -> E.I via all_to_all with static(w = 1 + i, {delay}) through K
                 experiment e {{ run 10 ms }}"
            )
        };
        let (mut a, mut b) = both(&text("dendritic_delay = 1.3 ms"));
        let mut late = build(&text("delay = 1.3 ms"), BackendKind::Jit);
        for n in [&mut a, &mut b, &mut late] {
            run(n, 400);
        }
        bits_agree(&a, &b);
        let (x, y) = (read(&mut a, pop(1, 1), 1), read(&mut late, pop(1, 1), 1));
        assert!(x.abs() > 1e-3 && (x - y).abs() < 1e-9 * x.abs(), "{kernel}: {x} against {y}");
    }
}

/// A rate that depends on what synapses add to an input is drawn anew at every step: the mean count is the sum of 1 - exp(-r dt).
#[test]
fn a_rate_may_depend_on_an_input_that_synapses_feed() {
    let text = "
        simulation { dt = 0.1 ms; seed = 6 }
        neuron Source { state r = 0
          every 50 ms { r = 200 - r } }
        neuron Poisson { input drive: Hz
          spike with rate drive }
        synapse Drive { inject pre.r*1 Hz }
        population A: Source()
        population B[2000]: Poisson()
        connect A -> B.drive via all_to_all with Drive()
        experiment e { run 100 ms }";
    let (mut jit, mut interp) = both(text);
    for n in [&mut jit, &mut interp] {
        run(n, 100);
    }
    bits_agree(&jit, &interp);
    run(&mut jit, 400);
    // 200 Hz in the first 50 ms, nothing in the next 50.
    let count = |n: &snnc::runtime::Network| n.total(PopId(1)) as f64 / 2000.0;
    let expected = 400.0 * (1.0 - (-0.02_f64).exp());
    assert!((count(&jit) - expected).abs() < 5.0 * (expected / 2000.0).sqrt(), "{} against {expected}", count(&jit));
    run(&mut jit, 500);
    assert_eq!(count(&jit), 0.0);
}
