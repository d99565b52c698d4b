//! Forward Euler: x += dt*f(x), all states from old values. First order, conditionally stable.

use super::sym::{Graph, Sym};
use super::{Derived, Method, NotApplicable, OdeSystem};

/// The registry's entry.
pub const METHOD: Method = Method { name: "euler", order: Some(1), about: "forward Euler, x + dt*f(x)", step };

fn step(
    graph: &mut Graph,
    system: &OdeSystem,
    frozen: &[bool],
    _derived: &mut Vec<Derived>,
) -> Result<Vec<Sym>, NotApplicable> {
    Ok((0..system.vars.len())
        .map(|k| {
            let x = graph.own(system.vars[k]);
            if frozen[k] {
                return x;
            }
            let d = graph.scale(system.rhs[k], system.dt);
            graph.add(x, d)
        })
        .collect())
}
