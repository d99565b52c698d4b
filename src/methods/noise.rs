//! White noise in equations: dx = f(x) dt + g(x) dW. The equations are split into drift and strengths here, and the two schemes that
//! take the strengths' derivatives or a second stage are built here (Kloeden & Platen 1992, chapters 10 and 14; Rümelin 1982).

use std::collections::HashMap;

use super::sym::{Graph, Sym};
use super::{Extra, Method, NoiseDraw, NoiseUse, NotApplicable, OdeSystem};

/// Heun's scheme: a step of Euler as a guess, then the mean of the slopes at both ends.
pub const HEUN: Method = Method {
    name: "heun",
    order: Some(2),
    about: "mean of the slopes at both ends of the step; noise in the sense of Stratonovich",
    noise: NoiseUse::Any,
    step: heun,
};

/// Milstein's scheme.
pub const MILSTEIN: Method = Method {
    name: "milstein",
    order: Some(1),
    about: "forward Euler with the derivative of the noise's strength; noise in the sense of Itô",
    noise: NoiseUse::Any,
    step: milstein,
};

/// The drift of a right side and its strengths by noise source; `None` if a source does not enter linearly.
pub fn split(graph: &mut Graph, rhs: Sym, sources: u32) -> Option<(Sym, Vec<Sym>)> {
    let mut drift = rhs;
    let mut strengths = Vec::new();
    for k in 0..sources {
        let xi = graph.noise(k);
        let (g, rest) = graph.linear(drift, xi)?;
        strengths.push(g);
        drift = rest;
    }
    // xi_1 * xi_2 is linear in each of them.
    let noisy = |s: Sym| graph.any(s, &|n| matches!(n, super::sym::Node::Noise(_)));
    if strengths.iter().any(|s| noisy(*s)) { None } else { Some((drift, strengths)) }
}

/// The first state whose noise depends on a state that is integrated.
#[must_use]
pub fn multiplicative(graph: &mut Graph, system: &OdeSystem) -> Option<usize> {
    let states: Vec<Sym> = system.vars.iter().map(|v| graph.own(*v)).collect();
    (0..system.vars.len()).find(|i| system.noise.iter().any(|g| states.iter().any(|x| graph.depends(g[*i], *x))))
}

/// The symbol of the normal number with which source `source` acts.
pub(super) fn normal(graph: &mut Graph, extra: &mut Extra, source: u32, number: u32) -> Sym {
    let place = extra.draws.iter().position(|d| d.source == source && d.number == number);
    let place = place.unwrap_or_else(|| {
        extra.draws.push(NoiseDraw { source, number, of: 0 });
        extra.draws.len() - 1
    });
    graph.draw(place as u32)
}

/// `x + sum over sources of sqrt(dt)*g*z` for state `k`.
pub(super) fn kick(
    graph: &mut Graph,
    system: &OdeSystem,
    strengths: &[Vec<Sym>],
    k: usize,
    x: Sym,
    extra: &mut Extra,
) -> Sym {
    let mut sum = x;
    for (source, g) in strengths.iter().enumerate() {
        if graph.as_const(g[k]) == Some(0.0) {
            continue;
        }
        let z = normal(graph, extra, source as u32, 0);
        let strength = graph.scale(g[k], system.dt.sqrt());
        let term = graph.mul(strength, z);
        sum = graph.add(sum, term);
    }
    sum
}

fn heun(graph: &mut Graph, system: &OdeSystem, frozen: &[bool], extra: &mut Extra) -> Result<Vec<Sym>, NotApplicable> {
    let n = system.vars.len();
    let x: Vec<Sym> = system.vars.iter().map(|v| graph.own(*v)).collect();
    let mut map = HashMap::new();
    for k in 0..n {
        if !frozen[k] {
            let d = graph.scale(system.rhs[k], system.dt);
            let guess = graph.add(x[k], d);
            let guess = kick(graph, system, &system.noise, k, guess, extra);
            map.insert(x[k], guess);
        }
    }
    let (t, h) = (graph.time(), graph.real(system.dt));
    let later = graph.add(t, h);
    map.insert(t, later);
    let mean = |graph: &mut Graph, s: Sym| {
        let end = graph.substitute(s, &map);
        let sum = graph.add(s, end);
        graph.scale(sum, 0.5)
    };
    let mut out = Vec::new();
    for k in 0..n {
        if frozen[k] {
            out.push(x[k]);
            continue;
        }
        let slope = mean(graph, system.rhs[k]);
        let d = graph.scale(slope, system.dt);
        let next = graph.add(x[k], d);
        let mut strengths = system.noise.clone();
        for g in &mut strengths {
            // A constant strength keeps its rounding.
            if graph.as_const(g[k]).is_none() {
                g[k] = mean(graph, g[k]);
            }
        }
        out.push(kick(graph, system, &strengths, k, next, extra));
    }
    Ok(out)
}

fn milstein(
    graph: &mut Graph,
    system: &OdeSystem,
    frozen: &[bool],
    extra: &mut Extra,
) -> Result<Vec<Sym>, NotApplicable> {
    let n = system.vars.len();
    let x: Vec<Sym> = system.vars.iter().map(|v| graph.own(*v)).collect();
    let sources = system.noise.len();
    let mut out = Vec::new();
    for i in 0..n {
        if frozen[i] {
            out.push(x[i]);
            continue;
        }
        let d = graph.scale(system.rhs[i], system.dt);
        let next = graph.add(x[i], d);
        let mut next = kick(graph, system, &system.noise, i, next, extra);
        for a in 0..sources {
            for b in 0..sources {
                // L^a g^b = sum over j of g_j^a dg_i^b/dx_j
                let mut sum = graph.real(0.0);
                for j in (0..n).filter(|j| !frozen[*j]) {
                    if graph.as_const(system.noise[a][j]) == Some(0.0) {
                        continue;
                    }
                    let slope = graph.derivative(system.noise[b][i], x[j]).ok_or_else(|| NotApplicable {
                        var: system.vars[i],
                        why: "has noise whose strength has no derivative".to_owned(),
                    })?;
                    let term = graph.mul(system.noise[a][j], slope);
                    sum = graph.add(sum, term);
                }
                if graph.as_const(sum) == Some(0.0) {
                    continue;
                }
                if a != b {
                    return Err(NotApplicable {
                        var: system.vars[i],
                        why: "mixes two noise sources, which needs their iterated integrals".to_owned(),
                    });
                }
                let z = normal(graph, extra, a as u32, 0);
                let square = graph.mul(z, z);
                let one = graph.real(1.0);
                let excess = graph.sub(square, one);
                let half = graph.scale(sum, system.dt / 2.0);
                let term = graph.mul(half, excess);
                next = graph.add(next, term);
            }
        }
        out.push(next);
    }
    Ok(out)
}
