//! Expressions that are evaluated in numbers again and again: their operations in an order in which each comes after its operands, each
//! carried out once, however many others read it. What leaves are is asked when the tape is made, and what depends on no state is
//! computed then; an evaluation allocates nothing.

use std::sync::Arc;

use super::sym::{Bin, Graph, Node, Sym, apply};
use crate::builtins::Builtin;

/// The most arguments that a built-in function takes.
const MOST_ARGUMENTS: usize = 3;

/// What a leaf of an expression is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Leaf {
    /// The same in every evaluation.
    Value(f64),
    /// The state of this number.
    State(usize),
}

/// Some expressions over states, ready to be evaluated.
pub struct Tape {
    /// The values of all nodes. Those of constants stay what they are.
    values: Vec<f64>,
    /// Places of `values` that take a state.
    states: Vec<(u32, usize)>,
    /// What is computed, and the place that takes it.
    code: Vec<(Op, u32)>,
    roots: Vec<u32>,
    out: Vec<f64>,
}

/// An operation on places.
enum Op {
    Neg(u32),
    Not(u32),
    Bin(Bin, u32, u32),
    Select(u32, u32, u32),
    Call(Builtin, [u32; MOST_ARGUMENTS], usize),
    Table(Arc<[f64]>, u32),
}

impl Tape {
    /// Of the expressions `roots`.
    #[must_use]
    pub fn new(graph: &Graph, roots: &[Sym], leaf: &dyn Fn(&Node) -> Leaf) -> Self {
        let count = roots.iter().map(|s| s.0 as usize + 1).max().unwrap_or(0);
        let mut used = vec![false; count];
        roots.iter().for_each(|s| used[s.0 as usize] = true);
        for k in (0..count).rev() {
            if used[k] {
                graph.children(Sym(k as u32), |c| used[c.0 as usize] = true);
            }
        }
        let mut tape =
            Self { values: Vec::new(), states: Vec::new(), code: Vec::new(), roots: Vec::new(), out: Vec::new() };
        // The place of each node of the graph among the values, and which places hold constants.
        let (mut place, mut constant) = (vec![0_u32; count], Vec::new());
        for k in (0..count).filter(|k| used[*k]) {
            let of = |s: &Sym| place[s.0 as usize];
            let op = match graph.node(Sym(k as u32)) {
                // A number is a number.
                Node::ToReal(a) | Node::ToInt(a) => {
                    place[k] = of(a);
                    continue;
                }
                Node::Neg(a) => Ok(Op::Neg(of(a))),
                Node::Not(a) => Ok(Op::Not(of(a))),
                Node::Bin(op, a, b) => Ok(Op::Bin(*op, of(a), of(b))),
                Node::Select(c, a, b) => Ok(Op::Select(of(c), of(a), of(b))),
                Node::Call(f, args) => {
                    let mut at = [0; MOST_ARGUMENTS];
                    at.iter_mut().zip(args).for_each(|(at, a)| *at = of(a));
                    Ok(Op::Call(*f, at, args.len().min(MOST_ARGUMENTS)))
                }
                Node::Table(t, a) => Ok(Op::Table(graph.tables[*t as usize].clone(), of(a))),
                Node::Const(bits, _) => Err(Leaf::Value(f64::from_bits(*bits))),
                // Only periodic code has such, which no host evaluates.
                Node::Drawn(..) => Err(Leaf::Value(f64::NAN)),
                node => Err(leaf(node)),
            };
            let at = tape.values.len() as u32;
            place[k] = at;
            let mut fixed = true;
            let value = match op {
                Ok(op) => {
                    graph.children(Sym(k as u32), |c| fixed &= constant[place[c.0 as usize] as usize]);
                    let value = op.value(&tape.values);
                    if !fixed {
                        tape.code.push((op, at));
                    }
                    value
                }
                Err(Leaf::Value(x)) => x,
                Err(Leaf::State(s)) => {
                    fixed = false;
                    tape.states.push((at, s));
                    f64::NAN
                }
            };
            tape.values.push(value);
            constant.push(fixed);
        }
        tape.roots = roots.iter().map(|s| place[s.0 as usize]).collect();
        tape.out = vec![f64::NAN; roots.len()];
        tape
    }

    /// The values of the expressions at a state, as [`Graph::eval`] has them.
    pub fn eval(&mut self, x: &[f64]) -> &[f64] {
        for (place, state) in &self.states {
            self.values[*place as usize] = x[*state];
        }
        for (op, to) in &self.code {
            self.values[*to as usize] = op.value(&self.values);
        }
        self.out.iter_mut().zip(&self.roots).for_each(|(out, root)| *out = self.values[*root as usize]);
        &self.out
    }
}

impl Op {
    fn value(&self, values: &[f64]) -> f64 {
        let of = |place: &u32| values[*place as usize];
        match self {
            Self::Neg(a) => -of(a),
            Self::Not(a) => f64::from(of(a) == 0.0),
            Self::Bin(op, a, b) => apply(*op, of(a), of(b)),
            Self::Select(c, a, b) => of(if of(c) != 0.0 { a } else { b }),
            Self::Call(f, [a, ..], 1) => f.eval(&[of(a)]),
            Self::Call(f, args, count) => f.eval(&args.each_ref().map(of)[..*count]),
            Self::Table(table, a) => table.get(of(a) as usize).copied().unwrap_or(f64::NAN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::TABLE;
    use crate::hir::{Side, VarId};

    #[test]
    fn values_are_those_of_the_expressions_one_by_one() {
        let mut g = Graph::default();
        let (x, y, z) = (g.own(VarId(0)), g.own(VarId(1)), g.own(VarId(2)));
        let mut s = g.add(x, y);
        // Read as a tree this has 2^60 leaves.
        for k in 0..60 {
            let half = g.real(0.5 + 1e-3 * f64::from(k));
            let both = g.mul(s, half);
            let e = g.call(Builtin::Tanh, &[s]);
            s = g.add(both, e);
        }
        let chosen = {
            let c = g.bin(Bin::Lt, x, y);
            let n = g.neg(x);
            g.select(c, n, y)
        };
        let few = g.mul(chosen, x);
        let given = g.add(y, z);
        let clipped = g.call(Builtin::Clip, &[few, z, y]);
        let leaf = |n: &Node| match n {
            Node::Var(Side::Own, VarId(0), _) => Leaf::State(1),
            Node::Var(Side::Own, VarId(1), _) => Leaf::Value(1.25),
            Node::Var(Side::Own, VarId(2), _) => Leaf::State(0),
            _ => Leaf::Value(f64::NAN),
        };
        let mut tape = Tape::new(&g, &[few, s, x, given, clipped, y], &leaf);
        for at in [[-2.0, 0.25], [0.5, 3.0]] {
            let number = |n: &Node| match leaf(n) {
                Leaf::Value(x) => x,
                Leaf::State(k) => at[k],
            };
            let values = tape.eval(&at);
            for (k, e) in [(0, few), (3, given), (4, clipped)] {
                assert_eq!(values[k], g.eval(e, &number));
            }
            assert_eq!((values[2], values[5]), (at[1], 1.25));
            let mut by_hand = at[1] + 1.25;
            for k in 0..60 {
                by_hand = by_hand * (0.5 + 1e-3 * f64::from(k)) + Builtin::Tanh.eval(&[by_hand]);
            }
            assert!((values[1] - by_hand).abs() <= 1e-12 * by_hand.abs(), "{} {by_hand}", values[1]);
        }
        assert_eq!(Tape::new(&g, &[], &leaf).eval(&[]), [0.0; 0]);
    }

    #[test]
    fn no_function_takes_more_arguments_than_a_tape_keeps() {
        assert!(TABLE.iter().all(|row| row.args <= MOST_ARGUMENTS));
    }
}
