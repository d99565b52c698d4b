//! What is drawn for one part of a network does not depend on what else is in the file: draws are addressed by names, not consumed.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{build, run, spikes};
use snnc::driver::BackendKind;
use snnc::hir::{PopId, ProjId, VarId};
use snnc::script::machine::{Entity, Machine, Slice, VarKey};

const BASE: &str = "
    simulation { dt = 0.5 ms; seed = 11 }
    neuron Noisy { param tau = normal(10 ms, 1 ms)
      state v = uniform(0 mV, 5 mV), kick = 0 mV
      tau * dv/dt = -v + 8 mV + 4 mV*sqrt(2*tau)*xi + kick
      every 5 ms { kick = normal(0 mV, 3 mV) }
      spike when v > 15 mV
      on spike { v = 0 mV }
      refractory 2 ms }
    synapse Noise { weight w = uniform(0, 1)
      state x = 0
      10 ms * dx/dt = -x + sqrt(20 ms)*xi
      every 3 ms { w = clip(w + normal(0, 0.01), 0, 1) }
      on pre { deliver w*1 mV } }
    population X[30]: poisson(rate = 40 Hz)
    population E[40]: Noisy()
    connect XE: X -> E.v via random(p = 0.3) with Noise(delay = uniform(0 ms, 4 ms))
    connect EE: E -> E.v via fixed_indegree(5) where i != j with static(w = 0.5 mV, delay = 1 ms)
    connect poisson_input(n = 100, rate = 5 Hz) -> E.v with static(w = 0.1 mV)
    EXTRA
    experiment e { run 10 ms }";

/// All variables of some populations and projections, by their numbers, as bits; and the spikes of the populations.
fn seen(extra: &str, before: bool, pops: &[u32], projs: &[u32]) -> (Vec<Vec<u64>>, Vec<Vec<u64>>) {
    let text = if before {
        BASE.replace("EXTRA", "").replace("population X[30]", &format!("{extra}\n    population X[30]"))
    } else {
        BASE.replace("EXTRA", extra)
    };
    let mut n = build(&text, BackendKind::Jit);
    run(&mut n, 120);
    let keys =
        pops.iter().map(|p| (Entity::Pop(PopId(*p)), 2_u32)).chain(projs.iter().map(|p| (Entity::Proj(ProjId(*p)), 1)));
    let mut values = Vec::new();
    for (entity, vars) in keys {
        for var in 0..vars {
            let key = VarKey { entity, var: VarId(var) };
            values.push(match n.values(key).data {
                Slice::F64(v) => v.iter().map(|x| x.to_bits()).collect(),
                Slice::F32(v) => v.iter().map(|x| u64::from(x.to_bits())).collect(),
                Slice::Uniform(x) => vec![x.to_bits()],
            });
        }
    }
    let fired = pops.iter().map(|p| (0..40).flat_map(|k| spikes(&n, *p, k)).collect()).collect();
    (values, fired)
}

/// E is population 1; XE and EE are the first two projections. A population, a connection or a recording more, behind or before them,
/// changes none of their draws. What is added must not act on them.
#[test]
fn additions_leave_all_other_draws_unchanged() {
    let alone = seen("", false, &[1], &[0, 1]);
    assert!(alone.1[0].len() > 40, "{}", alone.1[0].len());
    for extra in [
        "population Z[50]: Noisy()",
        "population Z[50]: Noisy()\n    connect E -> Z.v via random(p = 0.5) with Noise(delay = uniform(0 ms, 9 ms))",
        "population Z[7]: poisson(rate = 20 Hz)\n    population Y[3]: Noisy()\n    connect Z -> Y.v via fixed_total(9) with Noise()",
        "record E.v, E.spikes, XE.w every 1 ms",
    ] {
        assert_eq!(seen(extra, false, &[1], &[0, 1]), alone, "behind: {extra}");
    }
    // Before them the numbers move, and nothing else.
    assert_eq!(seen("population Z[50]: Noisy()", true, &[2], &[0, 1]), alone);
    let connected =
        "population Z[50]: Noisy()\n    connect E -> Z.v via random(p = 0.5) with Noise(delay = uniform(0 ms, 9 ms))";
    assert_eq!(seen(connected, true, &[2], &[1, 2]), alone);
    // The test sees a change of the seed.
    let other = BASE.replace("seed = 11", "seed = 12").replace("EXTRA", "");
    let mut n = build(&other, BackendKind::Jit);
    run(&mut n, 120);
    assert_ne!((0..40).flat_map(|k| spikes(&n, 1, k)).collect::<Vec<_>>(), alone.1[0]);
}
