//! Expressions that are evaluated in numbers again and again: their nodes in an order in which each comes after its operands, each evaluated once,
//! however many others read it.

use super::sym::{Graph, Node, Sym};

/// Some expressions of a graph, ready to be evaluated.
pub struct Tape<'g> {
    graph: &'g Graph,
    /// In ascending order: operands are older than what reads them.
    nodes: Vec<Sym>,
    /// The place of each node of the graph among `nodes`.
    place: Vec<u32>,
    roots: Vec<u32>,
}

impl<'g> Tape<'g> {
    /// Of the expressions `roots`.
    #[must_use]
    pub fn new(graph: &'g Graph, roots: &[Sym]) -> Self {
        let count = roots.iter().map(|s| s.0 as usize + 1).max().unwrap_or(0);
        let mut used = vec![false; count];
        roots.iter().for_each(|s| used[s.0 as usize] = true);
        for k in (0..count).rev() {
            if used[k] {
                graph.children(Sym(k as u32), |c| used[c.0 as usize] = true);
            }
        }
        let nodes: Vec<Sym> = (0..count).filter(|k| used[*k]).map(|k| Sym(k as u32)).collect();
        let mut place = vec![0; count];
        nodes.iter().enumerate().for_each(|(k, s)| place[s.0 as usize] = k as u32);
        let roots = roots.iter().map(|s| place[s.0 as usize]).collect();
        Self { graph, nodes, place, roots }
    }

    /// The values of the expressions given those of the leaves, as [`Graph::eval`] has them.
    pub fn eval(&self, leaf: &dyn Fn(&Node) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = Vec::with_capacity(self.nodes.len());
        for s in &self.nodes {
            let value = self.graph.value(*s, leaf, &|a| values[self.place[a.0 as usize] as usize]);
            values.push(value);
        }
        self.roots.iter().map(|k| values[*k as usize]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::Builtin;
    use crate::hir::{Side, VarId};
    use crate::methods::sym::Bin;

    #[test]
    fn values_are_those_of_the_expressions_one_by_one() {
        let mut g = Graph::default();
        let (x, y) = (g.own(VarId(0)), g.own(VarId(1)));
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
        let leaf = |n: &Node| match n {
            Node::Var(Side::Own, v, _) => 0.25 + f64::from(v.0),
            _ => f64::NAN,
        };
        let few = g.mul(chosen, x);
        let tape = Tape::new(&g, &[few, s, x]);
        let values = tape.eval(&leaf);
        assert_eq!(values[0], g.eval(few, &leaf));
        assert_eq!(values[2], 0.25);
        let mut by_hand = 0.25 + 1.25;
        for k in 0..60 {
            by_hand = by_hand * (0.5 + 1e-3 * f64::from(k)) + Builtin::Tanh.eval(&[by_hand]);
        }
        assert!((values[1] - by_hand).abs() <= 1e-12 * by_hand.abs(), "{} {by_hand}", values[1]);
        assert_eq!(Tape::new(&g, &[]).eval(&leaf), Vec::<f64>::new());
    }
}
