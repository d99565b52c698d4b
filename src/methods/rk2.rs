//! The midpoint method: the slope in the middle of the step, reached by half a step of Euler. Second order.

use std::collections::HashMap;

use super::sym::{Graph, Sym};
use super::{Extra, Method, NoiseUse, NotApplicable, OdeSystem};

/// The registry's entry.
pub const METHOD: Method =
    Method { name: "rk2", order: Some(2), about: "explicit midpoint", noise: NoiseUse::None, step };

fn step(graph: &mut Graph, system: &OdeSystem, frozen: &[bool], _extra: &mut Extra) -> Result<Vec<Sym>, NotApplicable> {
    let x: Vec<Sym> = system.vars.iter().map(|v| graph.own(*v)).collect();
    let mut map = HashMap::new();
    for k in (0..x.len()).filter(|k| !frozen[*k]) {
        let d = graph.scale(system.rhs[k], system.dt / 2.0);
        let middle = graph.add(x[k], d);
        map.insert(x[k], middle);
    }
    let (t, h) = (graph.time(), graph.real(system.dt / 2.0));
    let later = graph.add(t, h);
    map.insert(t, later);
    Ok((0..x.len())
        .map(|k| {
            if frozen[k] {
                return x[k];
            }
            let slope = graph.substitute(system.rhs[k], &map);
            let d = graph.scale(slope, system.dt);
            graph.add(x[k], d)
        })
        .collect())
}
