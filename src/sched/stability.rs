//! Steps that run away where the equations settle (W0701), for any method: the Jacobian of the update of one step, at the initial state
//! and at rest, is compared with what the linearised equations do in the same time.
//!
//! Near a state x the step multiplies a small disturbance by A = ∂x_{n+1}/∂x_n, the equations by E = exp(J dt) with J = ∂f/∂x. If powers of
//! A grow without end where those of E do not, the method makes the growth. Everything is evaluated in numbers; a value that
//! is not known before the simulation starts ends the check without a word.

use super::lower::Lowering;
use super::warn::{Known, number};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Model, NeuronModel, Population, Role, Side, VarId};
use crate::methods::expm::{Matrix, expm};
use crate::methods::sym::{Graph, Node, Sym};
use crate::methods::tape::{Leaf, Tape};
use crate::methods::{self, OdeSystem};

/// Models with more equations are not checked: the cost grows with the third power.
const MOST_EQUATIONS: usize = 24;

/// What is wrong with the step of one population.
pub(super) fn check(model: &Model, p: usize, neuron: &NeuronModel, known: &Known<'_>) -> Option<Diagnostic> {
    let n = neuron.odes.len();
    let noisy = !neuron.noises.is_empty();
    if n == 0 || n > MOST_EQUATIONS || noisy {
        return None;
    }
    let (dt, population) = (model.settings.dt, &model.populations[p]);
    let start: Option<Vec<f64>> =
        neuron.odes.iter().map(|o| typical(population.given(&neuron.vars, o.var)?, known)).collect();
    let start = start?;
    let found = unstable(population, neuron, known, dt, &start)?;
    let mut shorter = dt;
    let fits = (0..8).any(|_| {
        shorter *= 0.5;
        unstable(population, neuron, known, shorter, &start).is_none()
    });
    let ode = &neuron.odes[found.state];
    let name = &neuron.vars[ode.var.index()].name;
    let span = neuron.method.as_ref().map_or(ode.span, |m| m.span);
    let place = if found.at_rest { "at rest" } else { "at the initial state" };
    let title = format!("the `{}` step of `{name}` runs away {place}", found.method);
    let mut d = Diagnostic::new(Code::W0701, span, title).label(format!(
        "in population `{}`, each step of {} ms makes a disturbance {} times larger; the equations let it decay",
        population.name,
        number(dt),
        number(round(found.factor))
    ));
    if neuron.method.is_some() {
        d = d.also(ode.span, "this equation changes too fast for the step");
    }
    let mut ways = Vec::new();
    if fits {
        ways.push(format!("use a time step of {} ms or less", number(shorter)));
    }
    if !["exp_euler", "exp_midpoint", "backward_euler"].contains(&found.method) && found.linear {
        ways.push("write `method exp_euler` or `method backward_euler`".to_owned());
    }
    Some(if ways.is_empty() { d } else { d.help(ways.join(", or ")) })
}

fn round(x: f64) -> f64 {
    if x > 100.0 { x.round() } else { (x * 100.0).round() / 100.0 }
}

/// A step that makes disturbances grow.
struct Unstable {
    method: &'static str,
    /// By how much, per step.
    factor: f64,
    /// The equation whose step is furthest from what it should be.
    state: usize,
    at_rest: bool,
    /// Each equation is linear in its own variable.
    linear: bool,
}

fn unstable(
    population: &Population,
    neuron: &NeuronModel,
    known: &Known<'_>,
    dt: f64,
    start: &[f64],
) -> Option<Unstable> {
    known.lower(|mut low| {
        let rhs: Vec<Sym> = neuron.odes.iter().map(|o| low.expr(&o.rhs)).collect::<Option<_>>()?;
        let Lowering { graph, .. } = low;
        let system = OdeSystem {
            vars: neuron.odes.iter().map(|o| o.var).collect(),
            rhs,
            noise: Vec::new(),
            held: vec![false; start.len()],
            params: (0..neuron.vars.len() as u32)
                .map(VarId)
                .filter(|v| neuron.vars[v.index()].role == Role::Param)
                .collect(),
            dt,
            substeps: neuron.method.as_ref().map_or(1, |m| m.substeps),
        };
        let named = neuron.method.as_ref().map(|m| m.name.as_str());
        if methods::exactly(graph, &system, named) {
            return None;
        }
        let update = methods::plan(graph, &system, named).ok()?;
        let linear = system.vars.iter().zip(&system.rhs).all(|(v, f)| {
            let x = graph.own(*v);
            graph.linear(*f, x).is_some()
        });
        let given = neuron.vars.iter().zip(0..).map(|(var, v)| {
            let given = population.given(&neuron.vars, VarId(v)).and_then(|e| typical(e, known));
            given.unwrap_or(if var.role == Role::Input { 0.0 } else { f64::NAN })
        });
        let at = Point { given: given.collect(), vars: &system.vars };
        let (mut new, mut rhs) = (at.tape(graph, &update.new), at.tape(graph, &system.rhs));
        let mut judge = |rhs: &mut Tape, x: &[f64], at_rest: bool| {
            let step = jacobian(&mut new, x)?;
            let mut flow = jacobian(rhs, x)?;
            flow.iter_mut().flatten().for_each(|v| *v *= dt);
            let flow = expm(&flow);
            let (grows, bounded) = (growth(&step), growth(&flow));
            if grows <= 1.0 + 1e-3 || bounded > 1.0 + 1e-6 {
                return None;
            }
            let worst = |k: &usize| (step[*k][*k] - flow[*k][*k]).abs();
            let state = (0..x.len()).max_by(|a, b| worst(a).total_cmp(&worst(b)))?;
            Some(Unstable { method: update.method, factor: grows, state, at_rest, linear })
        };
        judge(&mut rhs, start, false).or_else(|| {
            let rest = rest(&mut rhs, start)?;
            judge(&mut rhs, &rest, true)
        })
    })
}

/// The spectral radius: the growth per step of the powers of a matrix, from its 4096th.
fn growth(m: &Matrix) -> f64 {
    let (mut power, mut log) = (m.clone(), 0.0);
    for k in 0..12 {
        let norm = power.iter().flatten().fold(0.0, |a: f64, x| a.max(x.abs()));
        if norm == 0.0 || !norm.is_finite() {
            return norm;
        }
        // The scale of a power doubles with the squaring; it is kept aside so that nothing overflows.
        log += norm.ln() / f64::from(1 << k);
        power.iter_mut().flatten().for_each(|x| *x /= norm);
        let n = power.len();
        power = (0..n).map(|i| (0..n).map(|j| (0..n).map(|l| power[i][l] * power[l][j]).sum()).collect()).collect();
    }
    let norm = power.iter().flatten().fold(0.0, |a: f64, x| a.max(x.abs()));
    (log + norm.ln() / 4096.0).exp()
}

/// Whether small disturbances of equations with this Jacobian decay.
pub(super) fn decays(jacobian: &Matrix, dt: f64) -> bool {
    let mut flow = jacobian.clone();
    flow.iter_mut().flatten().for_each(|v| *v *= dt);
    growth(&expm(&flow)) < 1.0
}

/// What the variables of a model are when its equations are followed in numbers.
pub(super) struct Point<'a> {
    /// What the variables have that no equation moves.
    pub(super) given: Vec<f64>,
    /// The variables that equations move.
    pub(super) vars: &'a [VarId],
}

impl Point<'_> {
    /// Expressions over the states, ready to be evaluated.
    pub(super) fn tape(&self, graph: &Graph, roots: &[Sym]) -> Tape {
        Tape::new(graph, roots, &|node| match node {
            Node::Var(Side::Own, v, _) => match self.vars.iter().position(|w| w == v) {
                Some(k) => Leaf::State(k),
                None => Leaf::Value(self.given[v.index()]),
            },
            Node::Time | Node::Index(_) => Leaf::Value(0.0),
            _ => Leaf::Value(f64::NAN),
        })
    }
}

/// The derivatives of the first expressions, one for each state, by central differences; `None` where a value is unknown or not finite.
pub(super) fn jacobian(f: &mut Tape, x: &[f64]) -> Option<Matrix> {
    let mut out = vec![vec![0.0; x.len()]; x.len()];
    let mut moved = x.to_vec();
    for j in 0..x.len() {
        let h = 1e-6 * x[j].abs().max(1e-2);
        let (up, down) = (x[j] + h, x[j] - h);
        moved[j] = up;
        out.iter_mut().zip(f.eval(&moved)).for_each(|(row, above)| row[j] = *above);
        moved[j] = down;
        out.iter_mut().zip(f.eval(&moved)).for_each(|(row, below)| row[j] = (row[j] - below) / (up - down));
        moved[j] = x[j];
    }
    out.iter().flatten().all(|v| v.is_finite()).then_some(out)
}

/// A fixed point near a state, by Newton's method.
pub(super) fn rest(f: &mut Tape, start: &[f64]) -> Option<Vec<f64>> {
    let mut x = start.to_vec();
    for _ in 0..40 {
        let mut rows: Matrix = jacobian(f, &x)?;
        for (row, y) in rows.iter_mut().zip(f.eval(&x)) {
            row.push(-y);
        }
        let delta = solve(rows)?;
        let moved = delta.iter().zip(&x).map(|(d, v)| d.abs() / v.abs().max(1.0)).fold(0.0, f64::max);
        x.iter_mut().zip(&delta).for_each(|(v, d)| *v += d);
        if !moved.is_finite() {
            return None;
        }
        if moved < 1e-9 {
            return Some(x);
        }
    }
    None
}

/// Solves a linear system given as rows with the right side at their end, with pivoting.
fn solve(mut rows: Matrix) -> Option<Vec<f64>> {
    let n = rows.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| rows[*a][k].abs().total_cmp(&rows[*b][k].abs()))?;
        if rows[pivot][k].abs() < 1e-300 {
            return None;
        }
        rows.swap(k, pivot);
        let taken = rows[k].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != k) {
            let factor = row[k] / taken[k];
            for (x, y) in row.iter_mut().zip(&taken).skip(k) {
                *x -= factor * y;
            }
        }
    }
    Some((0..n).map(|k| rows[k][n] / rows[k][k]).collect())
}

/// A value that stands for those of all elements: the constant, or the middle of a distribution.
pub(super) fn typical(e: &Expr, known: &Known<'_>) -> Option<f64> {
    use crate::builtins::Dist;
    if let ExprKind::Draw { dist, args, .. } = &e.kind {
        let arg = |k: usize| args.get(k).and_then(|a| known.value(a));
        return match dist {
            Dist::Uniform => Some(0.5 * (arg(0)? + arg(1)?)),
            Dist::Normal => arg(0),
            _ => None,
        };
    }
    known.value(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_spectral_radius() {
        assert!((growth(&vec![vec![0.5, 10.0], vec![0.0, 0.25]]) - 0.5).abs() < 2e-3);
        assert!((growth(&vec![vec![-3.0]]) - 3.0).abs() < 1e-9);
        // A rotation, by 1.1.
        let (c, s) = (1.1 * 0.3f64.cos(), 1.1 * 0.3f64.sin());
        assert!((growth(&vec![vec![c, -s], vec![s, c]]) - 1.1).abs() < 1e-3);
        assert_eq!(growth(&vec![vec![0.0, 1.0], vec![0.0, 0.0]]), 0.0);
    }

    #[test]
    fn linear_systems_are_solved() {
        assert_eq!(solve(vec![vec![0.0, 2.0, 4.0], vec![1.0, 1.0, 5.0]]), Some(vec![3.0, 2.0]));
        assert_eq!(solve(vec![vec![1.0, 1.0, 1.0], vec![1.0, 1.0, 2.0]]), None);
    }
}
