//! Exact integration of linear systems with constant coefficients (Rotter & Diesmann 1999): the propagator and the offset come
//! from one numerical matrix exponential, so equal time constants are no special case.

use super::expm::{noise_factor, propagator};
use super::sym::{Graph, Sym};
use super::{Derived, Extra, Method, NoiseUse, NotApplicable, OdeSystem, linear_system, noise, parameters_only};

/// The registry's entry.
pub const METHOD: Method = Method {
    name: "exact",
    order: None,
    about: "matrix exponential of a linear system with constant coefficients",
    noise: NoiseUse::Additive,
    step,
};

fn step(graph: &mut Graph, system: &OdeSystem, frozen: &[bool], extra: &mut Extra) -> Result<Vec<Sym>, NotApplicable> {
    let (mut matrix, mut offset) = linear_system(graph, system)?;
    let n = system.vars.len();
    let zero = graph.real(0.0);
    for k in 0..n {
        if frozen[k] {
            matrix[k] = vec![zero; n];
            offset[k] = zero;
        }
    }
    let constant: Option<Vec<Vec<f64>>> =
        matrix.iter().map(|row| row.iter().map(|a| graph.as_const(*a)).collect()).collect();
    let entries: Vec<Vec<(Sym, Sym)>> = if let Some(a) = &constant {
        let (p, q) = propagator(a, system.dt);
        (0..n).map(|i| (0..n).map(|j| (graph.real(p[i][j]), graph.real(q[i][j]))).collect()).collect()
    } else {
        // Coefficients differ between elements: each entry that the pattern of zeros admits becomes an array.
        let reach = reachable(graph, &matrix);
        let mut slot = |graph: &mut Graph, i: usize, j: usize, offset: bool| {
            if !reach[i][j] {
                return graph.real(0.0);
            }
            let d = Derived { matrix: matrix.clone(), dt: system.dt, entry: (i, j), offset, noise: None };
            slot_of(graph, extra, d)
        };
        (0..n).map(|i| (0..n).map(|j| (slot(graph, i, j, false), slot(graph, i, j, true))).collect()).collect()
    };
    let mut new = Vec::new();
    for i in 0..n {
        let own = graph.own(system.vars[i]);
        if frozen[i] {
            new.push(own);
            continue;
        }
        let mut constant_part = graph.real(0.0);
        let mut sum = graph.mul(entries[i][i].0, own);
        for j in 0..n {
            if j != i {
                let x = graph.own(system.vars[j]);
                let term = graph.mul(entries[i][j].0, x);
                sum = graph.add(sum, term);
            }
            let term = graph.mul(entries[i][j].1, offset[j]);
            constant_part = graph.add(constant_part, term);
        }
        new.push(graph.add(sum, constant_part));
    }
    for source in 0..system.noise.len() {
        let kicks = kicks(graph, system, frozen, &matrix, source, extra)?;
        for (x, kick) in new.iter_mut().zip(kicks) {
            *x = graph.add(*x, kick);
        }
    }
    Ok(new)
}

/// The slot of a value computed beforehand.
fn slot_of(graph: &mut Graph, extra: &mut Extra, d: Derived) -> Sym {
    let k = extra.derived.iter().position(|e| *e == d).unwrap_or_else(|| {
        extra.derived.push(d);
        extra.derived.len() - 1
    });
    graph.slot(k as u32)
}

/// What one noise source adds to each state in a step: L z with L L^T the covariance of the integral of e^(A s) g dW. The strengths g
/// may be anything that is constant in the step where the source acts on one state; where it acts on several, the covariance is
/// computed beforehand from them.
fn kicks(
    graph: &mut Graph,
    system: &OdeSystem,
    frozen: &[bool],
    matrix: &[Vec<Sym>],
    source: usize,
    extra: &mut Extra,
) -> Result<Vec<Sym>, NotApplicable> {
    let n = system.vars.len();
    let zero = graph.real(0.0);
    let strengths: Vec<Sym> = (0..n).map(|k| if frozen[k] { zero } else { system.noise[source][k] }).collect();
    let hit: Vec<usize> = (0..n).filter(|k| strengths[*k] != zero).collect();
    let mut out = vec![zero; n];
    let [first, others @ ..] = hit.as_slice() else { return Ok(out) };
    let (scale, column) = if others.is_empty() {
        let one = graph.real(1.0);
        (Some(strengths[*first]), (0..n).map(|k| if k == *first { one } else { zero }).collect::<Vec<Sym>>())
    } else {
        (None, strengths.clone())
    };
    if let Some(s) = scale
        && !super::constant_in_step(graph, system, s)
    {
        return Err(NotApplicable {
            var: system.vars[*first],
            why: "has noise whose strength changes in time".to_owned(),
        });
    }
    if let Some(k) = hit.iter().find(|k| !parameters_only(graph, system, column[**k])) {
        return Err(NotApplicable {
            var: system.vars[*k],
            why: "shares its noise with another state, and its strength is not made of parameters".to_owned(),
        });
    }
    let reach = reachable(graph, matrix);
    let moved: Vec<usize> = (0..n).filter(|i| hit.iter().any(|k| reach[*i][*k])).collect();
    let numbers: Option<(Vec<Vec<f64>>, Vec<f64>)> = matrix
        .iter()
        .map(|row| row.iter().map(|a| graph.as_const(*a)).collect())
        .collect::<Option<Vec<Vec<f64>>>>()
        .zip(column.iter().map(|c| graph.as_const(*c)).collect());
    let factor = numbers.map(|(a, c)| noise_factor(&a, &c, system.dt));
    for i in &moved {
        for (number, j) in moved.iter().enumerate().take_while(|(_, j)| *j <= i) {
            let entry = match &factor {
                Some(l) => graph.real(l[*i][*j]),
                None => {
                    let d = Derived {
                        matrix: matrix.to_vec(),
                        dt: system.dt,
                        entry: (*i, *j),
                        offset: false,
                        noise: Some(column.clone()),
                    };
                    slot_of(graph, extra, d)
                }
            };
            if entry == zero {
                continue;
            }
            let entry = match scale {
                Some(s) => graph.mul(entry, s),
                None => entry,
            };
            let z = noise::normal(graph, extra, source as u32, number as u32);
            let term = graph.mul(entry, z);
            out[*i] = graph.add(out[*i], term);
        }
    }
    Ok(out)
}

/// Which entries of the exponential can differ from zero: the reflexive transitive closure of the matrix's pattern.
fn reachable(graph: &Graph, matrix: &[Vec<Sym>]) -> Vec<Vec<bool>> {
    let n = matrix.len();
    let mut reach: Vec<Vec<bool>> =
        (0..n).map(|i| (0..n).map(|j| i == j || graph.as_const(matrix[i][j]) != Some(0.0)).collect()).collect();
    for k in 0..n {
        for i in 0..n {
            for j in 0..n {
                reach[i][j] |= reach[i][k] && reach[k][j];
            }
        }
    }
    reach
}
