//! Forward Euler: x += dt*f(x), all states from old values. First order, conditionally stable. With white noise it is the scheme of
//! Euler and Maruyama, x += dt*f(x) + sqrt(dt)*g(x)*z: Itô, strong order 1/2, 1 where the noise is additive.

use super::sym::{Graph, Sym};
use super::{Extra, Method, NoiseUse, NotApplicable, OdeSystem, noise};

/// The registry's entry.
pub const METHOD: Method =
    Method { name: "euler", order: Some(1), about: "forward Euler, x + dt*f(x)", noise: NoiseUse::Any, step };

fn step(graph: &mut Graph, system: &OdeSystem, frozen: &[bool], extra: &mut Extra) -> Result<Vec<Sym>, NotApplicable> {
    Ok((0..system.vars.len())
        .map(|k| {
            let x = graph.own(system.vars[k]);
            if frozen[k] {
                return x;
            }
            let d = graph.scale(system.rhs[k], system.dt);
            let x = graph.add(x, d);
            noise::kick(graph, system, &system.noise, k, x, extra)
        })
        .collect())
}

/// The same scheme under the name it has for stochastic equations.
pub const MARUYAMA: Method = Method {
    name: "euler_maruyama",
    order: Some(1),
    about: "forward Euler with white noise (Itô), x + dt*f(x) + sqrt(dt)*g(x)*z",
    noise: NoiseUse::Any,
    step,
};
