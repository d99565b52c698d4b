//! Synapses with delays of their own, stored by delay or by number: the same network, seen from inside and from outside.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{DELAYS, bits_agree, pop, proj, read, run, spikes};
use snnc::driver::{BackendKind, Settings};
use snnc::hir::{PopId, ProjId};
use snnc::runtime::Network;
use snnc::script::machine::{Machine, ResetTarget};

fn network(opt: u8, kind: BackendKind) -> Network {
    net::build_with(DELAYS, &Settings { opt: Some(opt), ..Settings::default() }, kind)
}

#[test]
fn the_order_of_storage_changes_nothing() {
    let mut by_number = network(0, BackendKind::Jit);
    let mut by_delay = network(1, BackendKind::Jit);
    let mut interpreted = network(1, BackendKind::Interp);
    assert_eq!(by_number.plan().projections.iter().filter(|p| p.by_delay).count(), 0);
    assert_eq!(by_delay.plan().projections.iter().filter(|p| p.by_delay).count(), 3);
    for part in [1, 400, 37] {
        for n in [&mut by_number, &mut by_delay, &mut interpreted] {
            run(n, part);
        }
        bits_agree(&by_delay, &interpreted);
        for p in 0..2 {
            let (a, b) = (by_number.spikes(PopId(p)), by_delay.spikes(PopId(p)));
            assert_eq!((&a.step, &a.neuron), (&b.step, &b.neuron));
            for k in 0..30 {
                for var in 0..2 {
                    let (x, y) = (read(&mut by_number, pop(p, var), k), read(&mut by_delay, pop(p, var), k));
                    assert_eq!(x.to_bits(), y.to_bits(), "population {p}, variable {var}, neuron {k}");
                }
            }
        }
        for p in 0..4 {
            assert_eq!(by_number.synapses(ProjId(p)), by_delay.synapses(ProjId(p)));
            for k in 0..by_number.synapse_count(ProjId(p)) as usize {
                for var in 0..if p == 2 { 2 } else { 1 } {
                    let (x, y) = (read(&mut by_number, proj(p, var), k), read(&mut by_delay, proj(p, var), k));
                    assert_eq!(x.to_bits(), y.to_bits(), "projection {p}, variable {var}, synapse {k}");
                }
            }
        }
        for n in [&mut by_number, &mut by_delay, &mut interpreted] {
            n.reset(&[ResetTarget::Pop(PopId(1)), ResetTarget::Proj(ProjId(2))]);
        }
    }
    let fired = by_delay.spikes(PopId(0)).step.len();
    assert!(fired > 100, "{fired} spikes");
}

/// A protocol that writes weights finds them in the order of their numbers.
#[test]
fn who_writes_synapses_keeps_them_in_order() {
    let writes = DELAYS.replace("run 10 ms", "AB.w = 0.5; run 10 ms");
    let redraws = DELAYS.replace("run 10 ms", "redraw(BA); run 10 ms");
    for (text, expected) in [(writes, 2), (redraws, 0)] {
        let network = net::build(&text, BackendKind::Jit);
        assert_eq!(network.plan().projections.iter().filter(|p| p.by_delay).count(), expected);
    }
}

/// More spikes are on their way than there was room for at first.
#[test]
fn lists_of_spikes_on_their_way_grow() {
    let text = "
        simulation { dt = 0.1 ms }
        neuron Always { state x = 0
          dx/dt = 1/ms
          spike when x > -1 }
        neuron Sum { state n = 0
          dn/dt = 0 * n / 1 ms }
        population A[3000]: Always()
        population B[3000]: Sum()
        connect A -> B.n via one_to_one with static(w = 1, delay = 0.1 ms * (80 + i % 20))
        experiment e { run 10 ms }";
    let mut n = net::build(text, BackendKind::Jit);
    n.record_spikes(PopId(0), false);
    run(&mut n, 130);
    for i in [0, 19, 20, 2999] {
        // A spike at the end of every step; those of the last steps have not arrived.
        assert_eq!(read(&mut n, pop(1, 0), i), (130 - (80 + i % 20)) as f64);
    }
    assert!(spikes(&n, 1, 0).is_empty());
}
