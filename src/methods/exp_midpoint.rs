//! Strang splitting: each equation is solved exactly with the others' variables fixed, over half a step in the order of writing and over
//! the other half in reverse; the time is that of the step's middle. Where an equation is not linear in its own variable it is linearised
//! as by exponential Euler. Second order, and as stable: it decays where `exp_euler` does.
//!
//! Strang 1968, "On the construction and comparison of difference schemes"; for neurons of the Hodgkin-Huxley type Chen, Raman
//! & Stern 2020, "Structure-preserving numerical integrators for Hodgkin-Huxley-type systems", SIAM J. Sci. Comput. 42:B273.

use std::collections::HashMap;

use super::exp_euler;
use super::sym::{Graph, Sym};
use super::{Extra, Method, NoiseUse, NotApplicable, OdeSystem};

/// The registry's entry.
pub const METHOD: Method = Method {
    name: "exp_midpoint",
    order: Some(2),
    about: "each equation solved exactly over half steps, there and back (Strang splitting)",
    noise: NoiseUse::None,
    step,
};

fn step(graph: &mut Graph, system: &OdeSystem, frozen: &[bool], _extra: &mut Extra) -> Result<Vec<Sym>, NotApplicable> {
    let old: Vec<Sym> = system.vars.iter().map(|v| graph.own(*v)).collect();
    let free: Vec<usize> = (0..old.len()).filter(|k| !frozen[*k]).collect();
    let Some((&last, before)) = free.split_last() else { return Ok(old) };
    let half = OdeSystem { dt: system.dt / 2.0, ..system.clone() };
    let (t, h) = (graph.time(), graph.real(half.dt));
    let middle = graph.add(t, h);
    let mut now = old.clone();
    let flows = before.iter().map(|k| (*k, &half));
    for (k, over) in flows.clone().chain([(last, system)]).chain(flows.rev()) {
        let new = exp_euler::one(graph, over, k, old[k])?;
        let mut map: HashMap<Sym, Sym> = old.iter().copied().zip(now.iter().copied()).collect();
        map.insert(t, middle);
        now[k] = graph.substitute(new, &map);
    }
    Ok(now)
}
