//! Sums in which shared states occur, grouped so that the part without a neuron's own state is computed once a step: what is linear in one
//! state `x` of a neuron, with coefficients that are the same for all neurons, becomes `a*x + b`.
//!
//! Differs from the sum as it was written by rounding.

use super::{PopPlan, Storage};
use crate::hir::{Side, VarId};
use crate::methods::sym::{Graph, Node, Sym};

/// Regroups the update of a population that has shared states.
pub(super) fn apply(plan: &mut PopPlan) {
    if plan.shared.is_empty() {
        return;
    }
    let Some(update) = &mut plan.update else { return };
    let (shared, storage) = (&plan.shared, &plan.storage);
    let own = |n: &Node| matches!(n, Node::Var(Side::Own, v, _) if !shared.contains(v) && is_array(storage, *v));
    let same = |n: &Node| match n {
        Node::Var(Side::Own, v, _) => shared.contains(v) || !is_array(storage, *v),
        Node::Index(_) | Node::Draw(_) | Node::Slot(_) | Node::Other(..) | Node::Noise(_) | Node::Timed(..) => false,
        _ => true,
    };
    let states: Vec<Sym> = plan.integrated.iter().filter(|v| !shared.contains(v)).map(|v| plan.graph.own(*v)).collect();
    let all: Vec<Sym> = shared.iter().map(|v| plan.graph.own(*v)).collect();
    let rules = Rules { states: &states, shared: &all, own: &own, same: &same };
    for new in update.new.iter_mut().chain(update.held.iter_mut().flatten()) {
        *new = rules.regroup(&mut plan.graph, *new);
    }
}

fn is_array(storage: &[Storage], v: VarId) -> bool {
    matches!(storage.get(v.index()), Some(Storage::Array))
}

struct Rules<'a> {
    /// The states that each neuron has for itself, and those that are shared.
    states: &'a [Sym],
    shared: &'a [Sym],
    /// What differs between neurons, and what does not.
    own: &'a dyn Fn(&Node) -> bool,
    same: &'a dyn Fn(&Node) -> bool,
}

impl Rules<'_> {
    fn regroup(&self, graph: &mut Graph, s: Sym) -> Sym {
        if !self.shared.iter().any(|x| graph.depends(s, *x)) || !graph.any(s, self.own) {
            return s;
        }
        let of: Vec<Sym> = self.states.iter().copied().filter(|x| graph.depends(s, *x)).collect();
        if let [x] = of.as_slice()
            && let Some((a, b)) = graph.linear(s, *x)
            && ![a, b].iter().any(|c| graph.any(*c, &|n| !(self.same)(n)))
        {
            let product = graph.mul(a, *x);
            return graph.add(product, b);
        }
        match *graph.node(s) {
            Node::Bin(op, l, r) => {
                let (l, r) = (self.regroup(graph, l), self.regroup(graph, r));
                graph.bin(op, l, r)
            }
            Node::Neg(e) => {
                let e = self.regroup(graph, e);
                graph.neg(e)
            }
            _ => s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::sym::{Bin, Kind};

    #[test]
    fn what_all_share_is_summed_first() {
        let mut g = Graph::default();
        let (x, s) = (g.var(Side::Own, VarId(0), Kind::Real), g.var(Side::Own, VarId(1), Kind::Real));
        let (one, k) = (g.real(1.0), g.real(0.005));
        // 1 + k*((1 + x) + s)
        let inner = g.add(one, x);
        let inner = g.add(inner, s);
        let scaled = g.mul(k, inner);
        let sum = g.add(one, scaled);
        let (own, same) =
            (|n: &Node| matches!(n, Node::Var(_, VarId(0), _)), |n: &Node| !matches!(n, Node::Var(_, VarId(0), _)));
        let rules = Rules { states: &[x], shared: &[s], own: &own, same: &same };
        let new = rules.regroup(&mut g, sum);
        let Node::Bin(Bin::Add, product, rest) = *g.node(new) else { panic!("a sum") };
        assert!(matches!(*g.node(product), Node::Bin(Bin::Mul, a, b) if [a, b].contains(&x)), "a*x");
        assert!(g.depends(rest, s) && !g.depends(rest, x), "the rest is the same for all");
        // Without a shared state nothing moves.
        let plain = g.sub(one, x);
        assert_eq!(rules.regroup(&mut g, plain), plain);
    }
}
