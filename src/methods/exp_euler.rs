//! Exponential Euler: each equation is solved exactly with all coefficients taken at the step's start. For x' = a*x + b:
//! x + (a*x + b)*dt*exprel(a*dt). Where an equation is not linear in its own variable it is linearised there:
//! v += f(v)*dt*exprel(J*dt) with J = df/dv. First order in general, unconditionally stable for decays.

use super::sym::{Graph, Sym};
use super::{Extra, Method, NoiseUse, NotApplicable, OdeSystem};
use crate::builtins::Builtin;

/// The registry's entry.
pub const METHOD: Method = Method {
    name: "exp_euler",
    order: Some(1),
    about: "each equation solved exactly with coefficients from the step's start",
    noise: NoiseUse::None,
    step,
};

fn step(graph: &mut Graph, system: &OdeSystem, frozen: &[bool], _extra: &mut Extra) -> Result<Vec<Sym>, NotApplicable> {
    (0..system.vars.len())
        .map(|k| {
            let x = graph.own(system.vars[k]);
            if frozen[k] { Ok(x) } else { one(graph, system, k, x) }
        })
        .collect()
}

/// The new value of state `k`.
pub(super) fn one(graph: &mut Graph, system: &OdeSystem, k: usize, x: Sym) -> Result<Sym, NotApplicable> {
    let rhs = system.rhs[k];
    let linear = graph.linear(rhs, x);
    let slope = match linear {
        Some((a, b)) => {
            if let Some(c) = graph.as_const(a) {
                // x e^(a dt) + b (e^(a dt) - 1)/a, both factors known now
                let grow = libm::exp(c * system.dt);
                let drive = if c == 0.0 { system.dt } else { libm::expm1(c * system.dt) / c };
                let p = graph.scale(x, grow);
                let q = graph.scale(b, drive);
                return Ok(graph.add(p, q));
            }
            a
        }
        None => graph.derivative(rhs, x).ok_or_else(|| NotApplicable {
            var: system.vars[k],
            why: "is not linear in its own variable and has no derivative there".to_owned(),
        })?,
    };
    let z = graph.scale(slope, system.dt);
    let e = graph.call(Builtin::Exprel, &[z]);
    let d = graph.scale(e, system.dt);
    let change = graph.mul(rhs, d);
    Ok(graph.add(x, change))
}
