//! Symbolic expressions → values of the loop IR. Fused multiply-adds are placed here by one rule: a sum or difference with a
//! product as a direct operand (the right one first) becomes one `fma`.

use std::collections::HashMap;

use crate::builtins::{Builtin, Dist};
use crate::hir::Side;
use crate::lir::build::FuncBuilder;
use crate::lir::{BinOp, CmpOp, MathFn, Scalar, UnOp, Val};
use crate::methods::sym::{Bin, Graph, Kind, Node, Sym};

/// Gives the value of a leaf (variable, slot, time, index).
pub(crate) type Leaf<'a> = &'a mut dyn FnMut(&mut FuncBuilder, &Node) -> Val;

/// Emits expressions of one graph in one block. Values are shared; a memo must not outlive its block.
pub(crate) struct Emit<'g> {
    graph: &'g Graph,
    float: Scalar,
    memo: HashMap<Sym, Val>,
}

impl<'g> Emit<'g> {
    /// Nothing emitted yet.
    pub(crate) fn new(graph: &'g Graph, float: Scalar) -> Self {
        Self { graph, float, memo: HashMap::new() }
    }

    /// A copy for an inner block: what is known outside is known inside.
    pub(crate) fn inner(&self) -> Self {
        Self { graph: self.graph, float: self.float, memo: self.memo.clone() }
    }

    /// Sets the value of a symbol.
    pub(crate) fn set(&mut self, s: Sym, v: Val) {
        self.memo.insert(s, v);
    }

    /// Emits the largest parts of `s` whose leaves all satisfy `uniform`, so that an inner block finds them done.
    pub(crate) fn hoist(&mut self, b: &mut FuncBuilder, s: Sym, uniform: &dyn Fn(&Node) -> bool, leaf: Leaf<'_>) {
        if self.memo.contains_key(&s) || self.graph.as_const(s).is_some() {
            return;
        }
        if !self.graph.any(s, &|n| n.is_leaf() && !uniform(n)) {
            self.value(b, s, leaf);
            return;
        }
        match self.graph.node(s).clone() {
            Node::Const(..)
            | Node::Var(..)
            | Node::Slot(_)
            | Node::Time
            | Node::Index(_)
            | Node::Noise(_)
            | Node::Draw(_)
            | Node::Other(..)
            | Node::Timed(..) => {}
            Node::Neg(a) | Node::Not(a) | Node::ToReal(a) | Node::ToInt(a) | Node::Table(_, a) => {
                self.hoist(b, a, uniform, leaf)
            }
            Node::Bin(_, l, r) => {
                self.hoist(b, l, uniform, leaf);
                self.hoist(b, r, uniform, leaf);
            }
            Node::Select(c, l, r) => {
                self.hoist(b, c, uniform, leaf);
                self.hoist(b, l, uniform, leaf);
                self.hoist(b, r, uniform, leaf);
            }
            Node::Call(_, args) | Node::Drawn(_, args) => {
                for a in args {
                    self.hoist(b, a, uniform, leaf);
                }
            }
        }
    }

    /// The value of a symbol: a float, an `i32`, or a truth value.
    pub(crate) fn value(&mut self, b: &mut FuncBuilder, s: Sym, leaf: Leaf<'_>) -> Val {
        if let Some(v) = self.memo.get(&s) {
            return *v;
        }
        let v = match self.graph.node(s).clone() {
            Node::Const(bits, kind) => {
                let x = f64::from_bits(bits);
                match kind {
                    Kind::Real => b.float(self.float, x),
                    Kind::Int => b.int(x as i32),
                    Kind::Bool => b.boolean(x != 0.0),
                }
            }
            ref n @ Node::Var(_, _, kind) => {
                let v = leaf(b, n);
                if kind == Kind::Int { b.cast(v, Scalar::I32) } else { v }
            }
            ref n @ (Node::Slot(_)
            | Node::Time
            | Node::Index(_)
            | Node::Noise(_)
            | Node::Draw(_)
            | Node::Other(..)
            | Node::Timed(..)) => leaf(b, n),
            Node::Neg(a) => {
                let a = self.value(b, a, leaf);
                b.un(UnOp::Neg, a)
            }
            Node::Not(a) => {
                let a = self.value(b, a, leaf);
                b.un(UnOp::Not, a)
            }
            Node::ToReal(a) => {
                let a = self.value(b, a, leaf);
                b.cast(a, self.float)
            }
            Node::ToInt(a) => {
                let a = self.value(b, a, leaf);
                b.cast(a, Scalar::I32)
            }
            Node::Select(c, x, y) => {
                let c = self.value(b, c, leaf);
                let x = self.value(b, x, leaf);
                let y = self.value(b, y, leaf);
                b.select(c, x, y)
            }
            Node::Bin(op, x, y) => self.binary(b, op, x, y, leaf),
            Node::Call(f, args) => {
                let args: Vec<Val> = args.iter().map(|a| self.value(b, *a, leaf)).collect();
                self.call(b, f, &args)
            }
            Node::Drawn(dist, args) => {
                let args: Vec<Val> = args.iter().map(|a| self.value(b, *a, leaf)).collect();
                b.call(drawn(dist), &args)
            }
            Node::Table(t, index) => {
                // Tables are short: a chain of selections.
                let index = self.value(b, index, leaf);
                let table = self.graph.tables[t as usize].clone();
                let mut v = b.float(self.float, f64::NAN);
                for (k, x) in table.iter().enumerate() {
                    let k = b.int(k as i32);
                    let here = b.cmp(CmpOp::Eq, index, k);
                    let x = b.float(self.float, *x);
                    v = b.select(here, x, v);
                }
                v
            }
        };
        self.memo.insert(s, v);
        v
    }

    /// The factors of a product of reals that is not yet computed.
    fn product(&self, s: Sym) -> Option<(Sym, Sym)> {
        match *self.graph.node(s) {
            Node::Bin(Bin::Mul, x, y) if self.graph.kind(s) == Kind::Real => Some((x, y)),
            _ => None,
        }
    }

    fn binary(&mut self, b: &mut FuncBuilder, op: Bin, x: Sym, y: Sym, leaf: Leaf<'_>) -> Val {
        let real = self.graph.kind(x) == Kind::Real;
        if real && matches!(op, Bin::Add | Bin::Sub) {
            if let Some((p, q)) = self.product(y) {
                let (p, q) = (self.value(b, p, leaf), self.value(b, q, leaf));
                let p = if op == Bin::Sub { b.un(UnOp::Neg, p) } else { p };
                let x = self.value(b, x, leaf);
                return b.fma(p, q, x);
            }
            if let Some((p, q)) = self.product(x) {
                let (p, q) = (self.value(b, p, leaf), self.value(b, q, leaf));
                let y = self.value(b, y, leaf);
                let y = if op == Bin::Sub { b.un(UnOp::Neg, y) } else { y };
                return b.fma(p, q, y);
            }
        }
        let x = self.value(b, x, leaf);
        let y = self.value(b, y, leaf);
        match op {
            Bin::Add => b.add(x, y),
            Bin::Sub => b.sub(x, y),
            Bin::Mul => b.mul(x, y),
            Bin::Div => b.bin(BinOp::Div, x, y),
            Bin::Mod if real => b.call(MathFn::Fmod, &[x, y]),
            Bin::Mod => b.bin(BinOp::Mod, x, y),
            Bin::Pow => b.call(MathFn::Pow, &[x, y]),
            Bin::Eq => b.cmp(CmpOp::Eq, x, y),
            Bin::Ne => b.cmp(CmpOp::Ne, x, y),
            Bin::Lt => b.cmp(CmpOp::Lt, x, y),
            Bin::Le => b.cmp(CmpOp::Le, x, y),
            Bin::Gt => b.cmp(CmpOp::Gt, x, y),
            Bin::Ge => b.cmp(CmpOp::Ge, x, y),
            Bin::And => b.bin(BinOp::And, x, y),
            Bin::Or => b.bin(BinOp::Or, x, y),
        }
    }

    fn call(&self, b: &mut FuncBuilder, f: Builtin, args: &[Val]) -> Val {
        let x = args[0];
        let num = |b: &mut FuncBuilder, x: f64| b.float(self.float, x);
        match f {
            Builtin::Exp => b.un(UnOp::Exp, x),
            Builtin::Log => b.un(UnOp::Log, x),
            Builtin::Log1p => b.un(UnOp::Log1p, x),
            Builtin::Expm1 => b.un(UnOp::Expm1, x),
            Builtin::Exprel => b.un(UnOp::Exprel, x),
            Builtin::Sqrt => b.un(UnOp::Sqrt, x),
            Builtin::Abs => b.un(UnOp::Abs, x),
            Builtin::Sin => b.call(MathFn::Sin, &[x]),
            Builtin::Cos => b.call(MathFn::Cos, &[x]),
            Builtin::Tan => b.call(MathFn::Tan, &[x]),
            Builtin::Asin => b.call(MathFn::Asin, &[x]),
            Builtin::Acos => b.call(MathFn::Acos, &[x]),
            Builtin::Atan => b.call(MathFn::Atan, &[x]),
            Builtin::Atan2 => b.call(MathFn::Atan2, &[x, args[1]]),
            Builtin::Sinh => b.call(MathFn::Sinh, &[x]),
            Builtin::Cosh => b.call(MathFn::Cosh, &[x]),
            // (e^2x - 1)/(e^2x + 1): vector code, where a call would be made for each neuron. It is 1 long before 2x gets to 80.
            Builtin::Tanh => {
                let (lo, hi, two) = (num(b, -80.0), num(b, 80.0), num(b, 2.0));
                let y = b.mul(two, x);
                let y = b.bin(BinOp::Max, y, lo);
                let y = b.bin(BinOp::Min, y, hi);
                let e = b.un(UnOp::Expm1, y);
                let d = b.add(e, two);
                b.bin(BinOp::Div, e, d)
            }
            Builtin::Sigmoid => {
                let n = b.un(UnOp::Neg, x);
                let e = b.un(UnOp::Exp, n);
                let one = num(b, 1.0);
                let d = b.add(one, e);
                b.bin(BinOp::Div, one, d)
            }
            Builtin::Relu => {
                let zero = num(b, 0.0);
                b.bin(BinOp::Max, x, zero)
            }
            Builtin::Clip => {
                let m = b.bin(BinOp::Max, x, args[1]);
                b.bin(BinOp::Min, m, args[2])
            }
            Builtin::Min => b.bin(BinOp::Min, x, args[1]),
            Builtin::Max => b.bin(BinOp::Max, x, args[1]),
            Builtin::Floor => b.un(UnOp::Floor, x),
            Builtin::Ceil => b.un(UnOp::Ceil, x),
            Builtin::Round => b.un(UnOp::Nearest, x),
            Builtin::Sign => {
                let (zero, one, minus) = (num(b, 0.0), num(b, 1.0), num(b, -1.0));
                let pos = b.cmp(CmpOp::Gt, x, zero);
                let neg = b.cmp(CmpOp::Lt, x, zero);
                let rest = b.select(neg, minus, x);
                b.select(pos, one, rest)
            }
            Builtin::Heaviside => {
                let (zero, one) = (num(b, 0.0), num(b, 1.0));
                let pos = b.cmp(CmpOp::Ge, x, zero);
                b.select(pos, one, zero)
            }
        }
    }
}

/// The library function of a number drawn with a key.
fn drawn(dist: Dist) -> MathFn {
    match dist {
        Dist::Gamma => MathFn::DrawGamma,
        Dist::PoissonCount => MathFn::DrawPoisson,
        // The others come from numbers drawn beforehand.
        _ => MathFn::DrawNormal,
    }
}

/// Whether a leaf belongs to the given side of a synapse (`i` is the pre neuron's index) or to neither.
pub(crate) fn on_side(n: &Node, side: Side, placed: &dyn Fn(crate::hir::VarId) -> bool) -> bool {
    match n {
        Node::Time => true,
        Node::Var(Side::Own, v, _) => placed(*v),
        Node::Index(Side::Own) => side == Side::Pre,
        Node::Var(s, ..) | Node::Index(s) => *s == side,
        _ => false,
    }
}
