//! `conv`: entries of a kernel are shared between the places of the target, unless they are asked not to be.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{attempt, bits_agree, both, build, pop, proj, read, run};
use snnc::driver::BackendKind;
use snnc::hir::ProjId;
use snnc::script::machine::Machine;

fn text(rule: &str, target: &str, synapse: &str) -> String {
    format!(
        "simulation {{ dt = 1 ms; seed = 5 }}
         neuron Sum {{ state v = 0
           dv/dt = 0*v/ms
           spike when v > 1e9 }}
         synapse Own {{ weight w = uniform(0, 1)
           on pre {{ deliver w; w += 1 }} }}
         population X[2, 5, 6]: spike_source(times = [1 ms, 2 ms, 3 ms], ids = [8, 21, 44])
         population E{target}: Sum()
         connect C: X -> E.v via {rule} with {synapse}
         experiment e {{ run 10 ms }}"
    )
}

/// The kernel slides: equal offsets have equal weights, different ones differ, and what reaches a target is the sum over its square.
#[test]
fn a_kernel_slides_over_the_source() {
    let (mut jit, mut interp) =
        both(&text("conv(kernel = 3, stride = 1, channels = 4)", "[4, 3, 4]", "static(w = uniform(0, 1))"));
    for n in [&mut jit, &mut interp] {
        run(n, 5);
    }
    bits_agree(&jit, &interp);
    let (pre, post) = {
        let (a, b) = jit.synapses(ProjId(0)).unwrap();
        (a.to_vec(), b.to_vec())
    };
    assert_eq!(pre.len(), 4 * 3 * 4 * 2 * 9);
    let mut kernel = std::collections::BTreeMap::new();
    let mut sums = vec![0.0; 48];
    for (k, (i, j)) in pre.iter().zip(&post).enumerate() {
        let w = read(&mut jit, proj(0, 0), k);
        let (i, j) = (*i as usize, *j as usize);
        let offset = (j / 12, i / 30, i / 6 % 5 - j / 4 % 3, i % 6 - j % 4);
        assert_eq!(*kernel.entry(offset).or_insert(w), w);
        if [8, 21, 44].contains(&i) {
            sums[j] += w;
        }
    }
    let distinct: std::collections::BTreeSet<u64> = kernel.values().map(|w: &f64| w.to_bits()).collect();
    assert_eq!((kernel.len(), distinct.len()), (72, 72));
    for (j, sum) in sums.iter().enumerate() {
        assert!((read(&mut jit, pop(1, 0), j) - sum).abs() < 1e-12);
    }
    // Each for itself, in a target without channels.
    let mut own = build(&text("conv(kernel = 2, stride = 2, shared = false)", "[2, 3]", "Own()"), BackendKind::Jit);
    let n = own.synapse_counts()[0] as usize;
    assert_eq!(n, 2 * 3 * 2 * 4);
    let all: std::collections::BTreeSet<u64> = (0..n).map(|k| read(&mut own, proj(0, 0), k).to_bits()).collect();
    assert_eq!(all.len(), n);
}

#[test]
fn convolutions_that_do_not_fit_are_explained() {
    for (rule, target, synapse, expected) in [
        ("conv(kernel = 3, channels = 4)", "[4, 3, 5]", "static(w = 1)", "E0402"),
        ("conv(kernel = 7)", "[3, 4]", "static(w = 1)", "E0402"),
        ("conv(stride = 2)", "[3, 4]", "static(w = 1)", "E0105"),
        ("conv(kernel = 0)", "[3, 4]", "static(w = 1)", "E0205"),
        ("conv(kernel = 3, shared = 1)", "[3, 4]", "static(w = 1)", "E0205"),
    ] {
        let Err(words) = attempt(&text(rule, target, synapse), BackendKind::Jit) else { panic!("{rule}") };
        assert!(words.contains(expected), "{rule}: {words}");
        assert_eq!(words.matches("error[").count(), 1, "{rule}: {words}");
    }
}

/// Every synapse changes its copy by itself, and at the end of the step the changes of all copies of an entry are added and bounds apply:
/// against the same sums by hand, with events of both ends, in both executions and both precisions.
#[test]
fn changes_of_shared_weights_are_added() {
    for precision in ["f32", "f64"] {
        let text = format!(
            "simulation {{ dt = 1 ms; seed = 5; precision = {precision} }}
             neuron Sum {{ state v = 0
               dv/dt = 0*v/ms
               spike when v > 1.5
               on spike {{ v = 0 }} }}
             synapse Learns {{ weight w = 0.5 in [0, 2]
               state n = 0
               on pre {{ deliver 1; w += 0.25*(1 + n); n += 1 }}
               on post {{ w -= 0.125 }} }}
             population X[4, 4]: spike_source(times = [1 ms, 1 ms, 2 ms, 4 ms], ids = [5, 10, 5, 0])
             population E[2, 3, 3]: Sum()
             connect C: X -> E.v via conv(kernel = 2, channels = 2) with Learns()
             experiment e {{ run 10 ms }}"
        );
        let (mut jit, mut interp) = both(&text);
        // By hand. Synapses of source (y, x) in the order of the kernel's offsets; the two channels of the target are alike.
        let pairs: Vec<(usize, usize, usize)> = (0..16)
            .flat_map(|pre| (0..9).map(move |post| (pre, post)))
            .filter_map(|(pre, post)| {
                let (dy, dx) = ((pre / 4) as i32 - (post / 3) as i32, (pre % 4) as i32 - (post % 3) as i32);
                ((0..2).contains(&dy) && (0..2).contains(&dx)).then_some((pre, post, (dy * 2 + dx) as usize))
            })
            .collect();
        let mut w = [0.5_f64; 4];
        let mut n = vec![0.0; pairs.len()];
        let mut v = [0.0; 9];
        for step in 1..=6 {
            let fires: Vec<usize> = match step {
                1 => vec![5, 10],
                2 => vec![5],
                4 => vec![0],
                _ => vec![],
            };
            let spiked: Vec<usize> = (0..9).filter(|j| v[*j] > 1.5).collect();
            spiked.iter().for_each(|j| v[*j] = 0.0);
            let mut change = [0.0; 4];
            for (k, (pre, post, entry)) in pairs.iter().enumerate() {
                let mut own = w[*entry];
                if fires.contains(pre) {
                    v[*post] += 1.0;
                    own = (own + 0.25 * (1.0 + n[k])).clamp(0.0, 2.0);
                    n[k] += 1.0;
                }
                if spiked.contains(post) {
                    own = (own - 0.125).clamp(0.0, 2.0);
                }
                change[*entry] += own - w[*entry];
            }
            for (x, d) in w.iter_mut().zip(change) {
                *x = (*x + d).clamp(0.0, 2.0);
            }
            for net in [&mut jit, &mut interp] {
                run(net, 1);
            }
            bits_agree(&jit, &interp);
            let (pre, post) = {
                let (a, b) = jit.synapses(ProjId(0)).unwrap();
                (a.to_vec(), b.to_vec())
            };
            for (k, (i, j)) in pre.iter().zip(&post).enumerate() {
                let at = pairs.iter().find(|(a, b, _)| (*a, *b) == (*i as usize, *j as usize % 9)).unwrap().2;
                assert_eq!(read(&mut jit, proj(0, 0), k), w[at], "step {step}, entry {at}");
            }
        }
        assert!(w.iter().any(|x| *x != 0.5 && *x != 2.0), "{w:?}");
    }
}

/// An assignment to one copy is an assignment to its entry; decay by an equation and by `every` is that of all copies.
#[test]
fn shared_weights_that_change_by_themselves() {
    let text = "
        simulation { dt = 1 ms; seed = 5 }
        neuron Sum { state v = 0 }
        neuron Source { state v = 0
          spike when v > 1 }
        synapse Fades { weight w = 1
          dw/dt = -0.001*w/ms
          method euler }
        population X[1, 3]: Source()
        population E[1, 2]: Sum()
        connect C: X -> E.v via conv(kernel = 1, stride = 1) with Fades()
        experiment e { run 1 ms }";
    let text = text.replace("X[1, 3]", "X[1, 2]");
    let (mut jit, mut interp) = both(&text);
    for net in [&mut jit, &mut interp] {
        run(net, 3);
    }
    bits_agree(&jit, &interp);
    // One entry, two copies: each loses a thousandth in a step.
    let expected = 0.998_f64.powi(3);
    for k in 0..2 {
        assert!((read(&mut jit, proj(0, 0), k) - expected).abs() < 1e-12);
    }
    match jit.values_mut(proj(0, 0)).unwrap().data {
        snnc::script::machine::SliceMut::F64(v) => v[0] = 7.0,
        snnc::script::machine::SliceMut::F32(v) => v[0] = 7.0,
    }
    jit.written(proj(0, 0));
    assert_eq!((read(&mut jit, proj(0, 0), 0), read(&mut jit, proj(0, 0), 1)), (7.0, 7.0));
    run(&mut jit, 1);
    assert!((read(&mut jit, proj(0, 0), 1) - 7.0 * 0.998).abs() < 1e-12);
}
