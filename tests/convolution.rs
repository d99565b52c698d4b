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
        ("conv(kernel = 3)", "[3, 4]", "Own()", "E0901"),
    ] {
        let Err(words) = attempt(&text(rule, target, synapse), BackendKind::Jit) else { panic!("{rule}") };
        assert!(words.contains(expected), "{rule}: {words}");
        assert_eq!(words.matches("error[").count(), 1, "{rule}: {words}");
    }
}
