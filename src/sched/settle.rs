//! Where neurons that nothing drives come to rest when their equations are not linear (Izhikevich's, Hodgkin and Huxley's): the equations are
//! followed in numbers from the initial state. Something is said only if the way ends at a stable fixed point and the spike condition holds
//! nowhere on it.

use std::collections::BTreeMap;

use super::lower::Lowering;
use super::stability::{self, Point, decays, jacobian};
use super::warn::Known;
use crate::hir::{Alike, Expr, NeuronId, NeuronModel, Population, Role, Side, VarId};
use crate::methods::sym::{Node, Sym};
use crate::methods::tape::Tape;

/// So many steps are followed: those that need more are not judged.
const STEPS: usize = 2000;
/// The longest step, in multiples of `dt`.
const LONGEST: usize = 64;
/// Models with more equations are not followed.
const MOST_EQUATIONS: usize = 24;

/// The populations of one model of which it has been found out where they rest: what is known of them, and the answer.
type OfModel<'m> = Vec<(&'m Population, Known<'m>, Option<(f64, f64)>)>;

/// What has been found out, so that equal populations are followed once.
#[derive(Default)]
pub(super) struct Followed<'m>(BTreeMap<NeuronId, OfModel<'m>>);

impl<'m> Followed<'m> {
    /// The initial and the resting value of `var`, the state that the spike condition `cond` is about, if the population rests without
    /// a spike.
    pub(super) fn rest(
        &mut self,
        population: &'m Population,
        neuron: &NeuronModel,
        known: Known<'m>,
        cond: &Expr,
        var: VarId,
        dt: f64,
    ) -> Option<(f64, f64)> {
        let all = self.0.entry(population.model).or_default();
        let same = |(other, what, _): &&(&Population, Known<'_>, _)| {
            other.size() == population.size() && other.args.alike(&population.args) && what.same(&known)
        };
        if let Some((.., found)) = all.iter().find(same) {
            return *found;
        }
        let found = rest(population, neuron, &known, cond, var, dt);
        all.push((population, known, found));
        found
    }
}

fn rest(
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
        let mut roots: Vec<Sym> = neuron.odes.iter().map(|o| low.expr(&o.rhs)).collect::<Option<_>>()?;
        roots.push(low.expr(cond)?);
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
        if roots.iter().any(|s| graph.any(*s, &|node| unknown(node, &is_known))) {
            return None;
        }
        let others = others.into_iter().map(|x| x.unwrap_or(f64::NAN));
        let mut cell = Cell::new(Point { given: others.collect(), vars: &vars }.tape(graph, &roots), &start, dt);
        cell.settle(LONGEST)?;
        let near = |x: &[f64], end: &[f64]| x.iter().zip(end).all(|(a, b)| (a - b).abs() <= 0.05 * b.abs().max(0.1));
        let end = stability::rest(&mut cell.tape, &cell.x)?;
        let k = vars.iter().position(|v| *v == var)?;
        // A threshold that is only just not reached is not judged.
        let mut above = end.clone();
        above[k] += 1e-3 * end[k].abs().max(1.0);
        let silent = near(&cell.x, &end) && cell.quiet(&end) && cell.quiet(&above);
        (silent && decays(&jacobian(&mut cell.tape, &end)?, dt)).then(|| (start[k], end[k]))
    })
}

/// A neuron that is followed.
struct Cell {
    /// The slopes of the states, and after them the spike condition.
    tape: Tape,
    dt: f64,
    x: Vec<f64>,
    /// Where a step ends, and its slopes: the first is the one at `x`.
    to: Vec<f64>,
    slopes: [Vec<f64>; 4],
}

impl Cell {
    fn new(tape: Tape, start: &[f64], dt: f64) -> Self {
        let zero = vec![0.0; start.len()];
        Self { tape, dt, x: start.to_vec(), to: zero.clone(), slopes: std::array::from_fn(|_| zero.clone()) }
    }

    /// Whether the spike condition is false at a state.
    fn quiet(&mut self, x: &[f64]) -> bool {
        self.tape.eval(x).last() == Some(&0.0)
    }

    /// Follows the neuron until it hardly moves, or for as long as it is followed; `None` if it spikes on the way. Where nothing
    /// happens the steps are long: a step of several times `dt` counts only if it is as good as many.
    fn settle(&mut self, longest: usize) -> Option<()> {
        let (mut left, mut long) = (STEPS, 1);
        self.look()?;
        while left > 0 {
            long = long.min(left);
            let error = self.step(long);
            if error > 1.0 && long > 1 {
                long /= 2;
                continue;
            }
            left -= long;
            let mut moves = false;
            for (x, to) in self.x.iter_mut().zip(&self.to) {
                moves |= (*x - to).abs() > 1e-9 * long as f64 * to.abs().max(1e-3);
                *x = *to;
            }
            self.look()?;
            if !moves {
                break;
            }
            // The error grows with the third power of the step.
            if error < 0.1 && long < longest {
                long *= 2;
            }
        }
        Some(())
    }

    /// Where the neuron goes from here; `None` if it spikes.
    fn look(&mut self) -> Option<()> {
        let [slopes @ .., spikes] = self.tape.eval(&self.x) else { return None };
        self.slopes[0].copy_from_slice(slopes);
        (*spikes == 0.0 && self.x.iter().all(|x| x.is_finite())).then_some(())
    }

    /// What comes of a step of `long` times `dt` by the method of Runge and Kutta is put into `to`; its error is returned, as a part of
    /// the one that is allowed. A spike within the step, or a value that is not finite, is an error without limit.
    fn step(&mut self, long: usize) -> f64 {
        let Self { tape, x, to, slopes: [k1, k2, k3, k4], .. } = self;
        let dt = self.dt * long as f64;
        let mut quiet = true;
        let mut slope = |k: &[f64], by: f64, out: &mut [f64]| {
            to.iter_mut().zip(&*x).zip(k).for_each(|((to, x), k)| *to = x + by * k);
            let values = tape.eval(to);
            out.iter_mut().zip(values).for_each(|(out, value)| *out = *value);
            quiet &= values.last() == Some(&0.0);
        };
        slope(k1, 0.5 * dt, k2);
        slope(k2, 0.5 * dt, k3);
        slope(k3, dt, k4);
        let mut error: f64 = if quiet { 0.0 } else { f64::INFINITY };
        for (j, (to, x)) in to.iter_mut().zip(&*x).enumerate() {
            *to = x + dt * ((k1[j] + 2.0 * (k2[j] + k3[j]) + k4[j]) / 6.0);
            // Two estimates of the slope in the middle: the result is better than either.
            let part = dt * (k2[j] - k3[j]).abs() / (1e-5 * to.abs().max(1e-3));
            error = if part.is_finite() { error.max(part) } else { f64::INFINITY };
        }
        error
    }
}

/// The initial values that are known: those of states may depend on each other.
fn initial(population: &Population, neuron: &NeuronModel, known: &Known<'_>) -> Vec<Option<f64>> {
    let mut out: Vec<Option<f64>> = vec![None; neuron.vars.len()];
    loop {
        let before = out.iter().flatten().count();
        for v in (0..neuron.vars.len()).filter(|v| out[*v].is_none()).collect::<Vec<_>>() {
            let Some(e) = population.given(&neuron.vars, VarId(v as u32)) else { continue };
            let value = known.value(e).or_else(|| {
                known.lower(|mut low| {
                    let s = low.expr(e)?;
                    let is_known = |w: VarId| out.get(w.index()).is_some_and(Option::is_some);
                    if low.graph.any(s, &|node| unknown(node, &is_known)) {
                        return None;
                    }
                    Some(low.graph.eval(s, &|node| match node {
                        Node::Var(Side::Own, w, _) => out[w.index()].unwrap_or(f64::NAN),
                        _ => f64::NAN,
                    }))
                })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::Builtin;
    use crate::methods::sym::{Bin, Graph};
    use crate::methods::tape::Leaf;

    /// An exponential neuron that adapts, its reset left out, with a current in units of its leak.
    fn adaptive(current: f64, a: f64) -> Tape {
        let mut g = Graph::default();
        let (v, w) = (g.own(VarId(0)), g.own(VarId(1)));
        let mut with = |op, x, k: f64| {
            let k = g.real(k);
            g.bin(op, x, k)
        };
        let (above, rest) = (with(Bin::Add, v, 50.0), with(Bin::Add, v, 70.0));
        let (part, away) = (with(Bin::Div, above, 2.0), with(Bin::Mul, rest, a));
        let spikes = with(Bin::Gt, v, -30.0);
        let grown = g.call(Builtin::Exp, &[part]);
        let up = g.scale(grown, 2.0);
        let drive = g.real(current);
        let dv = [rest, w].iter().fold(g.add(drive, up), |sum, x| g.sub(sum, *x));
        let dw = g.sub(away, w);
        let (dv, dw) = (g.scale(dv, 1.0 / 20.0), g.scale(dw, 1.0 / 150.0));
        Tape::new(&g, &[dv, dw, spikes], &|node| match node {
            Node::Var(Side::Own, v, _) => Leaf::State(v.index()),
            _ => Leaf::Value(f64::NAN),
        })
    }

    #[test]
    fn long_steps_tell_what_short_ones_tell() {
        let (mut quiet, mut loud) = (0, 0);
        for k in 0..60 {
            for a in [-0.2, 0.2, 2.0] {
                let follow = |longest| {
                    let mut cell = Cell::new(adaptive(0.5 * f64::from(k), a), &[-70.0, 0.0], 0.1);
                    (cell.settle(longest), cell.x)
                };
                let (short, long) = (follow(1), follow(LONGEST));
                assert_eq!(short.0, long.0, "{k} {a}");
                if short.0.is_some() {
                    assert!(short.1.iter().zip(&long.1).all(|(x, y)| (x - y).abs() < 1e-2), "{short:?} {long:?}");
                    quiet += 1;
                } else {
                    loud += 1;
                }
            }
        }
        assert!(quiet > 60 && loud > 40, "{quiet} {loud}");
    }
}
