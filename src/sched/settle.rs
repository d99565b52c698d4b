//! Where neurons that nothing drives come to rest when their equations are not linear (Izhikevich's, Hodgkin and Huxley's): the equations are
//! followed in numbers from the initial state. Something is said only if the way ends at a stable fixed point and the spike condition holds
//! nowhere on it.

use super::lower::Lowering;
use super::stability::{Point, decays};
use super::warn::Known;
use crate::hir::{Expr, NeuronModel, Population, Role, Side, VarId};
use crate::methods::sym::{Node, Sym};
use crate::methods::tape::Tape;

/// So many steps are followed: those that need more are not judged.
const STEPS: usize = 2000;
/// Models with more equations are not followed.
const MOST_EQUATIONS: usize = 24;

/// The initial and the resting value of `var`, if the population rests without a spike.
pub(super) fn rest(
    population: &Population,
    neuron: &NeuronModel,
    known: &Known<'_>,
    cond: &Expr,
    var: VarId,
    dt: f64,
) -> Option<(f64, f64)> {
    let n = neuron.odes.len();
    if n == 0 || n > MOST_EQUATIONS {
        return None;
    }
    let initial = initial(population, neuron, known);
    let given = |v: VarId| initial.get(v.index()).copied().flatten();
    let start: Vec<f64> = neuron.odes.iter().map(|o| given(o.var)).collect::<Option<_>>()?;
    known.lower(|mut low| {
        let rhs: Vec<Sym> = neuron.odes.iter().map(|o| low.expr(&o.rhs)).collect::<Option<_>>()?;
        let test = low.expr(cond)?;
        let Lowering { graph, .. } = low;
        let vars: Vec<VarId> = neuron.odes.iter().map(|o| o.var).collect();
        let others: Vec<Option<f64>> = neuron
            .vars
            .iter()
            .zip(0..)
            .map(|(decl, v)| {
                // An input that nothing is given to is zero.
                let zero = decl.role == Role::Input && population.given(&neuron.vars, VarId(v)).is_none();
                if zero { Some(0.0) } else { given(VarId(v)) }
            })
            .collect();
        let is_known = |v: VarId| vars.contains(&v) || others.get(v.index()).is_some_and(Option::is_some);
        if rhs.iter().chain([&test]).any(|s| graph.any(*s, &|node| unknown(node, &is_known))) {
            return None;
        }
        let others = others.into_iter().map(|x| x.unwrap_or(f64::NAN));
        let at = Point { given: others.collect(), vars: &vars };
        let (flow, test) = (Tape::new(graph, &rhs), Tape::new(graph, &[test]));
        let quiet = |x: &[f64]| at.values(&test, x).first() == Some(&0.0);
        let mut x = start.clone();
        for _ in 0..STEPS {
            let before = x.clone();
            x = runge_kutta(&at, &flow, &x, dt);
            if !quiet(&x) || x.iter().any(|v| !v.is_finite()) {
                return None;
            }
            if x.iter().zip(&before).all(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(1e-3)) {
                break;
            }
        }
        let end = at.rest(&flow, &x)?;
        let near = x.iter().zip(&end).all(|(a, b)| (a - b).abs() <= 0.05 * b.abs().max(0.1));
        let k = vars.iter().position(|v| *v == var)?;
        // A threshold that is only just not reached is not judged.
        let mut above = end.clone();
        above[k] += 1e-3 * end[k].abs().max(1.0);
        (near && quiet(&start) && quiet(&end) && quiet(&above) && decays(&at.jacobian(&flow, &end)?, dt))
            .then(|| (start[k], end[k]))
    })
}

/// The initial values that are known: those of states may depend on each other.
fn initial(population: &Population, neuron: &NeuronModel, known: &Known<'_>) -> Vec<Option<f64>> {
    let mut out: Vec<Option<f64>> = vec![None; neuron.vars.len()];
    loop {
        let before = out.iter().flatten().count();
        for v in (0..neuron.vars.len()).filter(|v| out[*v].is_none()).collect::<Vec<_>>() {
            let Some(e) = population.given(&neuron.vars, VarId(v as u32)) else { continue };
            let value = known.lower(|mut low| {
                let s = low.expr(e)?;
                let is_known = |w: VarId| out.get(w.index()).is_some_and(Option::is_some);
                if low.graph.any(s, &|node| unknown(node, &is_known)) {
                    return None;
                }
                Some(low.graph.eval(s, &|node| match node {
                    Node::Var(Side::Own, w, _) => out[w.index()].unwrap_or(f64::NAN),
                    _ => f64::NAN,
                }))
            });
            out[v] = value.filter(|x| x.is_finite());
        }
        if out.iter().flatten().count() == before {
            return out;
        }
    }
}

/// Whether the value of a leaf is not known: evaluated as no number, it would be hidden by a comparison.
pub(super) fn unknown(node: &Node, is_known: &dyn Fn(VarId) -> bool) -> bool {
    match node {
        Node::Var(Side::Own, v, _) => !is_known(*v),
        _ => node.is_leaf() || matches!(node, Node::Drawn(..)),
    }
}

fn runge_kutta(at: &Point<'_>, flow: &Tape<'_>, x: &[f64], dt: f64) -> Vec<f64> {
    let moved = |k: &[f64], by: f64| x.iter().zip(k).map(|(x, k)| x + by * k).collect::<Vec<f64>>();
    let k1 = at.values(flow, x);
    let k2 = at.values(flow, &moved(&k1, 0.5 * dt));
    let k3 = at.values(flow, &moved(&k2, 0.5 * dt));
    let k4 = at.values(flow, &moved(&k3, dt));
    let slope: Vec<f64> = (0..x.len()).map(|j| (k1[j] + 2.0 * (k2[j] + k3[j]) + k4[j]) / 6.0).collect();
    moved(&slope, dt)
}
