//! Linearly implicit Euler: states that are linear with constant coefficients of their own (conductances, traces) are solved
//! exactly; each other equation x' = a*x + b is solved implicitly with the other variables at their old values:
//! x_new = (x + dt*b)/(1 - dt*a). One division, no exponential, stable for any conductance.

use super::sym::{Graph, Sym};
use super::{Extra, Method, NoiseUse, NotApplicable, OdeSystem, constant_in_step};

/// The registry's entry.
pub const METHOD: Method = Method {
    name: "backward_euler",
    order: Some(1),
    about: "each equation solved implicitly with the others at their old values",
    noise: NoiseUse::None,
    step,
};

fn step(graph: &mut Graph, system: &OdeSystem, frozen: &[bool], _extra: &mut Extra) -> Result<Vec<Sym>, NotApplicable> {
    let mut new = Vec::new();
    for (k, keeps) in frozen.iter().enumerate() {
        let x = graph.own(system.vars[k]);
        if *keeps {
            new.push(x);
            continue;
        }
        let Some((a, b)) = graph.linear(system.rhs[k], x) else {
            return Err(NotApplicable { var: system.vars[k], why: "is not linear in its own variable".to_owned() });
        };
        if let Some(c) = graph.as_const(a)
            && constant_in_step(graph, system, b)
        {
            let grow = libm::exp(c * system.dt);
            let drive = if c == 0.0 { system.dt } else { libm::expm1(c * system.dt) / c };
            let p = graph.scale(x, grow);
            let q = graph.scale(b, drive);
            new.push(graph.add(p, q));
            continue;
        }
        let h = graph.scale(b, system.dt);
        let top = graph.add(x, h);
        let one = graph.real(1.0);
        let g = graph.scale(a, system.dt);
        let bottom = graph.sub(one, g);
        new.push(graph.div(top, bottom));
    }
    Ok(new)
}
