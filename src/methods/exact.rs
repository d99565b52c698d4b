//! Exact integration of linear systems with constant coefficients (Rotter & Diesmann 1999): the propagator and the offset come
//! from one numerical matrix exponential, so equal time constants are no special case.

use super::expm::propagator;
use super::sym::{Graph, Sym};
use super::{Derived, Method, NotApplicable, OdeSystem, linear_system};

/// The registry's entry.
pub const METHOD: Method = Method {
    name: "exact",
    order: None,
    about: "matrix exponential of a linear system with constant coefficients",
    step,
};

fn step(
    graph: &mut Graph,
    system: &OdeSystem,
    frozen: &[bool],
    derived: &mut Vec<Derived>,
) -> Result<Vec<Sym>, NotApplicable> {
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
            let d = Derived { matrix: matrix.clone(), dt: system.dt, entry: (i, j), offset };
            let k = derived.iter().position(|e| *e == d).unwrap_or_else(|| {
                derived.push(d);
                derived.len() - 1
            });
            graph.slot(k as u32)
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
    Ok(new)
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
