//! The classical Runge–Kutta method of fourth order; all states of a model together.

use super::sym::{Graph, Sym};
use super::{Extra, Method, NoiseUse, NotApplicable, OdeSystem};

/// The registry's entry.
pub const METHOD: Method =
    Method { name: "rk4", order: Some(4), about: "classical Runge–Kutta", noise: NoiseUse::None, step };

fn step(graph: &mut Graph, system: &OdeSystem, frozen: &[bool], _extra: &mut Extra) -> Result<Vec<Sym>, NotApplicable> {
    let n = system.vars.len();
    let x: Vec<Sym> = system.vars.iter().map(|v| graph.own(*v)).collect();
    let dt = system.dt;
    // The slopes of all states at t + shift, with the states moved by `h` along `slope`.
    let stage = |graph: &mut Graph, slope: Option<(&[Sym], f64)>, shift: f64| -> Vec<Sym> {
        let mut map = std::collections::HashMap::new();
        if let Some((k, h)) = slope {
            for i in 0..n {
                let d = graph.scale(k[i], h);
                let moved = graph.add(x[i], d);
                map.insert(x[i], moved);
            }
        }
        if shift != 0.0 {
            let t = graph.time();
            let s = graph.real(shift);
            let later = graph.add(t, s);
            map.insert(t, later);
        }
        (0..n).map(|i| if frozen[i] { graph.real(0.0) } else { graph.substitute(system.rhs[i], &map) }).collect()
    };
    let k1 = stage(graph, None, 0.0);
    let k2 = stage(graph, Some((&k1, dt / 2.0)), dt / 2.0);
    let k3 = stage(graph, Some((&k2, dt / 2.0)), dt / 2.0);
    let k4 = stage(graph, Some((&k3, dt)), dt);
    Ok((0..n)
        .map(|i| {
            if frozen[i] {
                return x[i];
            }
            let a = graph.scale(k1[i], dt / 6.0);
            let b = graph.scale(k2[i], dt / 3.0);
            let c = graph.scale(k3[i], dt / 3.0);
            let d = graph.scale(k4[i], dt / 6.0);
            let s = graph.add(x[i], a);
            let s = graph.add(s, b);
            let s = graph.add(s, c);
            graph.add(s, d)
        })
        .collect())
}
