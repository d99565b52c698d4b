//! Symbolic expressions of equations: a graph of shared nodes over the variables of one model. Methods rewrite equations
//! here (linear coefficients, derivatives, substitution); the code generator turns the result into the loop IR.
//!
//! Constructors simplify: constants fold in `f64`, `0*x` is 0, `x + 0` is `x`. That fixes the meaning of a program before it
//! is executed, so both executions see the same.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use crate::builtins::{Builtin, Dist};
use crate::hir::{PopId, Side, VarId};

/// A node of a [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sym(pub u32);

/// What a node computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A real number.
    Real,
    /// An integer.
    Int,
    /// A truth value.
    Bool,
}

/// Binary operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named after its sign")]
pub enum Bin {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}

impl Bin {
    fn is_logic(self) -> bool {
        !matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Mod | Self::Pow)
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    /// A number, by bits.
    Const(u64, Kind),
    /// A variable of the model or of a neuron at the synapse's ends.
    Var(Side, VarId, Kind),
    /// A value computed beforehand: see `Update::derived`, or a placeholder of a method.
    Slot(u32),
    /// The time of the step's start (in handlers: of the event) in ms.
    Time,
    /// `i` or `j`.
    Index(Side),
    /// White noise of unit amplitude, by its number in the model. In equations only: methods turn it into draws.
    Noise(u32),
    /// A random number of this step, by its number in the plan.
    Draw(u32),
    /// A variable of another population, at the same index (or its only element).
    Other(PopId, VarId),
    /// Entry `floor(t/step)` of a constant table (by its number in the graph), the last one after its end; the step in ms, by bits.
    Timed(u32, u64),
    /// `-a`
    Neg(Sym),
    /// `not a`
    Not(Sym),
    /// An operation.
    Bin(Bin, Sym, Sym),
    /// `if c then a else b`
    Select(Sym, Sym, Sym),
    /// An int as a real.
    ToReal(Sym),
    /// A whole real as an int.
    ToInt(Sym),
    /// A built-in function.
    Call(Builtin, Vec<Sym>),
    /// A number drawn with a key of its own: key and ends (normal), key, shape or mean, and ends (gamma, Poisson count).
    Drawn(Dist, Vec<Sym>),
    /// A constant table (by its number in the graph) at an int index.
    Table(u32, Sym),
}

/// Shared nodes.
#[derive(Debug, Clone)]
pub struct Graph {
    nodes: Vec<Node>,
    index: HashMap<Node, Sym, FxBuildHasher>,
    /// Constant tables.
    pub tables: Vec<Arc<[f64]>>,
}

impl Default for Graph {
    fn default() -> Self {
        // The equations of one model, and what a method makes of them: most graphs never grow.
        const USUAL: usize = 100;
        let index = HashMap::with_capacity_and_hasher(USUAL, FxBuildHasher);
        Self { nodes: Vec::with_capacity(USUAL), index, tables: Vec::new() }
    }
}

impl Node {
    /// Whether its value comes from outside of the expression: a variable, the time, a neuron's number, a random number.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        matches!(
            self,
            Self::Var(..)
                | Self::Slot(_)
                | Self::Time
                | Self::Index(_)
                | Self::Noise(_)
                | Self::Draw(_)
                | Self::Other(..)
                | Self::Timed(..)
        )
    }
}

impl Graph {
    /// A graph that takes no memory yet.
    #[must_use]
    pub fn small() -> Self {
        Self { nodes: Vec::new(), index: HashMap::default(), tables: Vec::new() }
    }

    /// Forgets everything, but keeps the memory for what comes next.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.index.clear();
        self.tables.clear();
    }

    /// The node of a symbol.
    #[must_use]
    pub fn node(&self, s: Sym) -> &Node {
        &self.nodes[s.0 as usize]
    }

    fn intern(&mut self, node: Node) -> Sym {
        match self.index.entry(node) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.nodes.push(new.key().clone());
                *new.insert(Sym(self.nodes.len() as u32 - 1))
            }
        }
    }

    /// What a symbol computes.
    #[must_use]
    pub fn kind(&self, s: Sym) -> Kind {
        match self.node(s) {
            Node::Const(_, k) | Node::Var(_, _, k) => *k,
            Node::Slot(_)
            | Node::Time
            | Node::Noise(_)
            | Node::Draw(_)
            | Node::Other(..)
            | Node::Timed(..)
            | Node::ToReal(_)
            | Node::Call(..)
            | Node::Drawn(..)
            | Node::Table(..) => Kind::Real,
            Node::Index(_) | Node::ToInt(_) => Kind::Int,
            Node::Neg(a) => self.kind(*a),
            Node::Not(_) => Kind::Bool,
            Node::Bin(op, a, _) => {
                if op.is_logic() {
                    Kind::Bool
                } else {
                    self.kind(*a)
                }
            }
            Node::Select(_, a, _) => self.kind(*a),
        }
    }

    /// A real constant.
    pub fn real(&mut self, x: f64) -> Sym {
        self.intern(Node::Const(x.to_bits(), Kind::Real))
    }

    /// A constant of a kind.
    pub fn constant(&mut self, x: f64, kind: Kind) -> Sym {
        self.intern(Node::Const(x.to_bits(), kind))
    }

    /// The value of a constant.
    #[must_use]
    pub fn as_const(&self, s: Sym) -> Option<f64> {
        match self.node(s) {
            Node::Const(bits, _) => Some(f64::from_bits(*bits)),
            _ => None,
        }
    }

    fn is(&self, s: Sym, x: f64) -> bool {
        self.as_const(s) == Some(x)
    }

    /// A real variable of the model itself.
    pub fn own(&mut self, var: VarId) -> Sym {
        self.var(Side::Own, var, Kind::Real)
    }

    /// A variable.
    pub fn var(&mut self, side: Side, var: VarId, kind: Kind) -> Sym {
        self.intern(Node::Var(side, var, kind))
    }

    /// A value computed beforehand.
    pub fn slot(&mut self, k: u32) -> Sym {
        self.intern(Node::Slot(k))
    }

    /// The time.
    pub fn time(&mut self) -> Sym {
        self.intern(Node::Time)
    }

    /// White noise, by its number in the model.
    pub fn noise(&mut self, k: u32) -> Sym {
        self.intern(Node::Noise(k))
    }

    /// A random number of this step.
    pub fn draw(&mut self, k: u32) -> Sym {
        self.intern(Node::Draw(k))
    }

    /// A number drawn with a key: see [`Node::Drawn`].
    pub fn drawn(&mut self, dist: Dist, args: Vec<Sym>) -> Sym {
        self.intern(Node::Drawn(dist, args))
    }

    /// A variable of another population.
    pub fn other(&mut self, pop: PopId, var: VarId) -> Sym {
        self.intern(Node::Other(pop, var))
    }

    /// A table followed in time.
    pub fn timed(&mut self, table: &Arc<[f64]>, step: f64) -> Sym {
        let k = self.number_of(table);
        self.intern(Node::Timed(k, step.to_bits()))
    }

    /// An index.
    pub fn element(&mut self, side: Side) -> Sym {
        self.intern(Node::Index(side))
    }

    /// A constant table at an index.
    pub fn table(&mut self, table: &Arc<[f64]>, index: Sym) -> Sym {
        let k = self.number_of(table);
        self.intern(Node::Table(k, index))
    }

    fn number_of(&mut self, table: &Arc<[f64]>) -> u32 {
        let k = self.tables.iter().position(|t| Arc::ptr_eq(t, table)).unwrap_or_else(|| {
            self.tables.push(table.clone());
            self.tables.len() - 1
        });
        k as u32
    }

    /// `-a`
    pub fn neg(&mut self, a: Sym) -> Sym {
        if let Some(x) = self.as_const(a) {
            let kind = self.kind(a);
            return self.constant(-x, kind);
        }
        if let Node::Neg(b) = *self.node(a) {
            return b;
        }
        self.intern(Node::Neg(a))
    }

    /// `not a`
    pub fn not(&mut self, a: Sym) -> Sym {
        if let Some(x) = self.as_const(a) {
            return self.constant(f64::from(x == 0.0), Kind::Bool);
        }
        self.intern(Node::Not(a))
    }

    /// An int as a real.
    pub fn to_real(&mut self, a: Sym) -> Sym {
        if let Some(x) = self.as_const(a) {
            return self.real(x);
        }
        if self.kind(a) == Kind::Real {
            return a;
        }
        self.intern(Node::ToReal(a))
    }

    /// A whole real as an int.
    pub fn to_int(&mut self, a: Sym) -> Sym {
        if let Some(x) = self.as_const(a) {
            return self.constant(x, Kind::Int);
        }
        if self.kind(a) == Kind::Int {
            return a;
        }
        self.intern(Node::ToInt(a))
    }

    /// `if c then a else b`
    pub fn select(&mut self, c: Sym, a: Sym, b: Sym) -> Sym {
        if a == b {
            return a;
        }
        if let Some(x) = self.as_const(c) {
            return if x != 0.0 { a } else { b };
        }
        self.intern(Node::Select(c, a, b))
    }

    /// A built-in function.
    pub fn call(&mut self, f: Builtin, args: &[Sym]) -> Sym {
        let values: Option<Vec<f64>> = args.iter().map(|a| self.as_const(*a)).collect();
        if let Some(values) = values {
            return self.real(f.eval(&values));
        }
        self.intern(Node::Call(f, args.to_vec()))
    }

    /// `a + b`
    pub fn add(&mut self, a: Sym, b: Sym) -> Sym {
        self.bin(Bin::Add, a, b)
    }

    /// `a - b`
    pub fn sub(&mut self, a: Sym, b: Sym) -> Sym {
        self.bin(Bin::Sub, a, b)
    }

    /// `a * b`
    pub fn mul(&mut self, a: Sym, b: Sym) -> Sym {
        self.bin(Bin::Mul, a, b)
    }

    /// `a / b`
    pub fn div(&mut self, a: Sym, b: Sym) -> Sym {
        self.bin(Bin::Div, a, b)
    }

    /// `a * x` with a number.
    pub fn scale(&mut self, a: Sym, x: f64) -> Sym {
        let x = self.real(x);
        self.mul(a, x)
    }

    /// An operation, simplified.
    pub fn bin(&mut self, op: Bin, a: Sym, b: Sym) -> Sym {
        if let (Some(x), Some(y)) = (self.as_const(a), self.as_const(b)) {
            let kind = if op.is_logic() { Kind::Bool } else { self.kind(a) };
            return self.constant(apply(op, x, y), kind);
        }
        match op {
            Bin::Add if self.is(a, 0.0) => return b,
            Bin::Add | Bin::Sub if self.is(b, 0.0) => return a,
            Bin::Add => {
                if let Node::Neg(c) = *self.node(b) {
                    return self.sub(a, c);
                }
            }
            Bin::Sub if self.is(a, 0.0) => return self.neg(b),
            Bin::Sub if a == b => return self.constant(0.0, self.kind(a)),
            Bin::Sub => {
                if let Node::Neg(c) = *self.node(b) {
                    return self.add(a, c);
                }
            }
            Bin::Mul => {
                if self.is(a, 0.0) || self.is(b, 0.0) {
                    return self.constant(0.0, self.kind(a));
                }
                if self.is(a, 1.0) {
                    return b;
                }
                if self.is(b, 1.0) {
                    return a;
                }
                if self.is(a, -1.0) {
                    return self.neg(b);
                }
                if self.is(b, -1.0) {
                    return self.neg(a);
                }
                if let Some(r) = self.mul_constants(a, b).or_else(|| self.mul_constants(b, a)) {
                    return r;
                }
            }
            Bin::Div if self.is(a, 0.0) => return a,
            Bin::Div if self.is(b, 1.0) => return a,
            Bin::Div => {
                // Division by a constant becomes a multiplication: part of the program's meaning, the same in both executions.
                if let Some(y) = self.as_const(b)
                    && y != 0.0
                    && (1.0 / y).is_normal()
                {
                    return self.scale(a, 1.0 / y);
                }
            }
            Bin::Pow => return self.pow(a, b),
            Bin::And => {
                if let Some(x) = self.as_const(a) {
                    return if x != 0.0 { b } else { a };
                }
                if let Some(y) = self.as_const(b) {
                    return if y != 0.0 { a } else { b };
                }
            }
            Bin::Or => {
                if let Some(x) = self.as_const(a) {
                    return if x != 0.0 { a } else { b };
                }
                if let Some(y) = self.as_const(b) {
                    return if y != 0.0 { b } else { a };
                }
            }
            Bin::Mod | Bin::Eq | Bin::Ne | Bin::Lt | Bin::Le | Bin::Gt | Bin::Ge => {}
        }
        self.intern(Node::Bin(op, a, b))
    }

    /// `c * (d * x)` as `(c*d) * x` for constants `c` and `d`.
    fn mul_constants(&mut self, c: Sym, e: Sym) -> Option<Sym> {
        let x = self.as_const(c)?;
        match *self.node(e) {
            Node::Bin(Bin::Mul, l, r) => {
                let (y, rest) = self.as_const(l).map(|y| (y, r)).or_else(|| self.as_const(r).map(|y| (y, l)))?;
                Some(self.scale(rest, x * y))
            }
            Node::Neg(n) => Some(self.scale(n, -x)),
            _ => None,
        }
    }

    fn pow(&mut self, a: Sym, b: Sym) -> Sym {
        if let Some(y) = self.as_const(b) {
            if y == 1.0 {
                return a;
            }
            if y == 0.5 {
                return self.call(Builtin::Sqrt, &[a]);
            }
            if y.fract() == 0.0 && (1.0..=16.0).contains(&y.abs()) {
                let p = self.power(a, y.abs() as u32);
                if y > 0.0 {
                    return p;
                }
                let one = self.real(1.0);
                return self.div(one, p);
            }
        }
        self.intern(Node::Bin(Bin::Pow, a, b))
    }

    fn power(&mut self, a: Sym, n: u32) -> Sym {
        if n == 1 {
            return a;
        }
        let half = self.power(a, n / 2);
        let square = self.mul(half, half);
        if n % 2 == 1 { self.mul(square, a) } else { square }
    }

    /// Calls `f` with what a node is made of. Nodes are made of older ones only.
    pub(super) fn children(&self, s: Sym, mut f: impl FnMut(Sym)) {
        match self.node(s) {
            Node::Const(..)
            | Node::Var(..)
            | Node::Slot(_)
            | Node::Time
            | Node::Index(_)
            | Node::Noise(_)
            | Node::Draw(_)
            | Node::Other(..)
            | Node::Timed(..) => {}
            Node::Neg(a) | Node::Not(a) | Node::ToReal(a) | Node::ToInt(a) | Node::Table(_, a) => f(*a),
            Node::Bin(_, a, b) => {
                f(*a);
                f(*b);
            }
            Node::Select(c, a, b) => {
                f(*c);
                f(*a);
                f(*b);
            }
            Node::Call(_, args) | Node::Drawn(_, args) => args.iter().copied().for_each(f),
        }
    }

    /// Whether any node that `s` reaches satisfies the predicate.
    pub fn any(&self, s: Sym, pred: &dyn Fn(&Node) -> bool) -> bool {
        self.reaches(s, Sym(0), |n| pred(self.node(n)))
    }

    /// Whether `s` reaches `x`.
    #[must_use]
    pub fn depends(&self, s: Sym, x: Sym) -> bool {
        // Equal nodes are one node.
        self.reaches(s, x, |n| n == x)
    }

    /// Whether a node from `from` on that `s` reaches satisfies the predicate. Children are older than their parents, so that going from
    /// `s` downwards meets every node after all that are made of it, and nodes older than `from` need no look.
    fn reaches(&self, s: Sym, from: Sym, pred: impl Fn(Sym) -> bool) -> bool {
        if s < from {
            return false;
        }
        let count = (s.0 - from.0) as usize + 1;
        // Most graphs are small: their marks need no allocation.
        let (mut few, mut many) = ([0_u64; 4], Vec::new());
        let marks: &mut [u64] = if count <= 64 * few.len() {
            &mut few
        } else {
            many.resize(count.div_ceil(64), 0_u64);
            &mut many
        };
        let place = |n: Sym| ((n.0 - from.0) as usize / 64, 1_u64 << ((n.0 - from.0) % 64));
        let (word, bit) = place(s);
        marks[word] |= bit;
        for word in (0..=word).rev() {
            while marks[word] != 0 {
                let bit = 63 - marks[word].leading_zeros();
                marks[word] &= !(1 << bit);
                let n = Sym(from.0 + word as u32 * 64 + bit);
                if pred(n) {
                    return true;
                }
                self.children(n, |c| {
                    if c >= from {
                        let (word, bit) = place(c);
                        marks[word] |= bit;
                    }
                });
            }
        }
        false
    }

    /// `s` with nodes replaced.
    pub fn substitute(&mut self, s: Sym, map: &HashMap<Sym, Sym>) -> Sym {
        let mut memo = map.clone();
        self.rebuild(s, &mut memo)
    }

    fn rebuild(&mut self, s: Sym, memo: &mut HashMap<Sym, Sym>) -> Sym {
        if let Some(r) = memo.get(&s) {
            return *r;
        }
        let r = match self.node(s).clone() {
            Node::Const(..)
            | Node::Var(..)
            | Node::Slot(_)
            | Node::Time
            | Node::Index(_)
            | Node::Noise(_)
            | Node::Draw(_)
            | Node::Other(..)
            | Node::Timed(..) => s,
            Node::Neg(a) => {
                let a = self.rebuild(a, memo);
                self.neg(a)
            }
            Node::Not(a) => {
                let a = self.rebuild(a, memo);
                self.not(a)
            }
            Node::ToReal(a) => {
                let a = self.rebuild(a, memo);
                self.to_real(a)
            }
            Node::ToInt(a) => {
                let a = self.rebuild(a, memo);
                self.to_int(a)
            }
            Node::Table(t, a) => {
                let a = self.rebuild(a, memo);
                self.intern(Node::Table(t, a))
            }
            Node::Drawn(dist, args) => {
                let args = args.into_iter().map(|a| self.rebuild(a, memo)).collect();
                self.intern(Node::Drawn(dist, args))
            }
            Node::Bin(op, a, b) => {
                let a = self.rebuild(a, memo);
                let b = self.rebuild(b, memo);
                self.bin(op, a, b)
            }
            Node::Select(c, a, b) => {
                let c = self.rebuild(c, memo);
                let a = self.rebuild(a, memo);
                let b = self.rebuild(b, memo);
                self.select(c, a, b)
            }
            Node::Call(f, args) => {
                let args: Vec<Sym> = args.iter().map(|a| self.rebuild(*a, memo)).collect();
                self.call(f, &args)
            }
        };
        memo.insert(s, r);
        r
    }

    /// `(a, b)` with `s = a*x + b`, neither of them depending on `x`; `None` if `s` is not linear in `x`.
    pub fn linear(&mut self, s: Sym, x: Sym) -> Option<(Sym, Sym)> {
        if s == x {
            return Some((self.real(1.0), self.real(0.0)));
        }
        if !self.depends(s, x) {
            return Some((self.real(0.0), s));
        }
        match self.node(s).clone() {
            Node::Neg(e) => {
                let (a, b) = self.linear(e, x)?;
                Some((self.neg(a), self.neg(b)))
            }
            Node::Bin(op @ (Bin::Add | Bin::Sub), l, r) => {
                let (la, lb) = self.linear(l, x)?;
                let (ra, rb) = self.linear(r, x)?;
                Some((self.bin(op, la, ra), self.bin(op, lb, rb)))
            }
            Node::Bin(Bin::Mul, l, r) => {
                let (l, r) = if self.depends(l, x) { (l, r) } else { (r, l) };
                if self.depends(r, x) {
                    return None;
                }
                let (a, b) = self.linear(l, x)?;
                Some((self.mul(a, r), self.mul(b, r)))
            }
            Node::Bin(Bin::Div, l, r) if !self.depends(r, x) => {
                let (a, b) = self.linear(l, x)?;
                Some((self.div(a, r), self.div(b, r)))
            }
            Node::Select(c, l, r) if !self.depends(c, x) => {
                let (la, lb) = self.linear(l, x)?;
                let (ra, rb) = self.linear(r, x)?;
                Some((self.select(c, la, ra), self.select(c, lb, rb)))
            }
            _ => None,
        }
    }

    /// The derivative of `s` with respect to `x`; `None` where a function has none (steps, remainders).
    pub fn derivative(&mut self, s: Sym, x: Sym) -> Option<Sym> {
        if s == x {
            return Some(self.real(1.0));
        }
        if !self.depends(s, x) {
            return Some(self.real(0.0));
        }
        match self.node(s).clone() {
            Node::Neg(e) => {
                let d = self.derivative(e, x)?;
                Some(self.neg(d))
            }
            Node::Bin(op @ (Bin::Add | Bin::Sub), l, r) => {
                let dl = self.derivative(l, x)?;
                let dr = self.derivative(r, x)?;
                Some(self.bin(op, dl, dr))
            }
            Node::Bin(Bin::Mul, l, r) => {
                let dl = self.derivative(l, x)?;
                let dr = self.derivative(r, x)?;
                let p = self.mul(dl, r);
                let q = self.mul(l, dr);
                Some(self.add(p, q))
            }
            Node::Bin(Bin::Div, l, r) => {
                // (l/r)' = (l' - (l/r) r') / r
                let dl = self.derivative(l, x)?;
                let dr = self.derivative(r, x)?;
                let p = self.mul(s, dr);
                let n = self.sub(dl, p);
                Some(self.div(n, r))
            }
            Node::Bin(Bin::Pow, l, r) if !self.depends(r, x) => {
                let dl = self.derivative(l, x)?;
                let one = self.real(1.0);
                let e = self.sub(r, one);
                let p = self.bin(Bin::Pow, l, e);
                let p = self.mul(r, p);
                Some(self.mul(p, dl))
            }
            Node::Select(c, l, r) if !self.depends(c, x) => {
                let dl = self.derivative(l, x)?;
                let dr = self.derivative(r, x)?;
                Some(self.select(c, dl, dr))
            }
            Node::Call(f, args) if args.len() == 1 => {
                let u = args[0];
                let du = self.derivative(u, x)?;
                let outer = self.outer_derivative(f, u, s)?;
                Some(self.mul(outer, du))
            }
            Node::Call(Builtin::Atan2, args) if args.len() == 2 => {
                // (b a' - a b') / (a^2 + b^2)
                let (a, b) = (args[0], args[1]);
                let (da, db) = (self.derivative(a, x)?, self.derivative(b, x)?);
                let (p, q) = (self.mul(b, da), self.mul(a, db));
                let n = self.sub(p, q);
                let (aa, bb) = (self.mul(a, a), self.mul(b, b));
                let d = self.add(aa, bb);
                Some(self.div(n, d))
            }
            _ => None,
        }
    }

    /// `f'(u)`, with `fu = f(u)` at hand.
    fn outer_derivative(&mut self, f: Builtin, u: Sym, fu: Sym) -> Option<Sym> {
        let one = self.real(1.0);
        Some(match f {
            Builtin::Exp => fu,
            Builtin::Log => self.div(one, u),
            Builtin::Log1p => {
                let d = self.add(one, u);
                self.div(one, d)
            }
            Builtin::Expm1 => self.add(fu, one),
            Builtin::Exprel => {
                // d/du (e^u - 1)/u = (e^u - exprel(u))/u, 1/2 at 0
                let e = self.call(Builtin::Exp, &[u]);
                let n = self.sub(e, fu);
                let q = self.div(n, u);
                let zero = self.real(0.0);
                let half = self.real(0.5);
                let at_zero = self.bin(Bin::Eq, u, zero);
                self.select(at_zero, half, q)
            }
            Builtin::Sqrt => {
                let half = self.real(0.5);
                self.div(half, fu)
            }
            Builtin::Sin => self.call(Builtin::Cos, &[u]),
            Builtin::Cos => {
                let c = self.call(Builtin::Sin, &[u]);
                self.neg(c)
            }
            Builtin::Tan => {
                let sq = self.mul(fu, fu);
                self.add(one, sq)
            }
            Builtin::Asin | Builtin::Acos => {
                let sq = self.mul(u, u);
                let d = self.sub(one, sq);
                let d = self.call(Builtin::Sqrt, &[d]);
                let q = self.div(one, d);
                if f == Builtin::Asin { q } else { self.neg(q) }
            }
            Builtin::Atan => {
                let sq = self.mul(u, u);
                let d = self.add(one, sq);
                self.div(one, d)
            }
            Builtin::Sinh => self.call(Builtin::Cosh, &[u]),
            Builtin::Cosh => self.call(Builtin::Sinh, &[u]),
            Builtin::Tanh => {
                let sq = self.mul(fu, fu);
                self.sub(one, sq)
            }
            Builtin::Sigmoid => {
                let c = self.sub(one, fu);
                self.mul(fu, c)
            }
            Builtin::Relu => self.call(Builtin::Heaviside, &[u]),
            Builtin::Abs => self.call(Builtin::Sign, &[u]),
            Builtin::Atan2
            | Builtin::Clip
            | Builtin::Min
            | Builtin::Max
            | Builtin::Floor
            | Builtin::Ceil
            | Builtin::Round
            | Builtin::Sign
            | Builtin::Heaviside => return None,
        })
    }

    /// The value of `s` given the values of its leaves. Whoever evaluates often takes a [`super::tape::Tape`].
    pub fn eval(&self, s: Sym, leaf: &dyn Fn(&Node) -> f64) -> f64 {
        self.value(s, leaf, &|a| self.eval(a, leaf))
    }

    /// The value of `s` given those of leaves and of its operands.
    pub(super) fn value(&self, s: Sym, leaf: &dyn Fn(&Node) -> f64, of: &dyn Fn(Sym) -> f64) -> f64 {
        match self.node(s) {
            Node::Const(bits, _) => f64::from_bits(*bits),
            n @ (Node::Var(..)
            | Node::Slot(_)
            | Node::Time
            | Node::Index(_)
            | Node::Noise(_)
            | Node::Draw(_)
            | Node::Other(..)
            | Node::Timed(..)) => leaf(n),
            Node::Neg(a) => -of(*a),
            Node::Not(a) => f64::from(of(*a) == 0.0),
            Node::ToReal(a) | Node::ToInt(a) => of(*a),
            Node::Bin(op, a, b) => apply(*op, of(*a), of(*b)),
            Node::Select(c, a, b) => {
                if of(*c) != 0.0 {
                    of(*a)
                } else {
                    of(*b)
                }
            }
            Node::Call(f, args) => match args.as_slice() {
                [a] => f.eval(&[of(*a)]),
                [a, b] => f.eval(&[of(*a), of(*b)]),
                args => f.eval(&args.iter().map(|a| of(*a)).collect::<Vec<_>>()),
            },
            // Only periodic code has such, which no host evaluates.
            Node::Drawn(..) => f64::NAN,
            Node::Table(t, a) => self.tables[*t as usize].get(of(*a) as usize).copied().unwrap_or(f64::NAN),
        }
    }
}

/// An operation on numbers; truth values are 0 and 1.
#[must_use]
pub fn apply(op: Bin, x: f64, y: f64) -> f64 {
    match op {
        Bin::Add => x + y,
        Bin::Sub => x - y,
        Bin::Mul => x * y,
        Bin::Div => x / y,
        Bin::Mod => x - y * (x / y).floor(),
        Bin::Pow => libm::pow(x, y),
        Bin::Eq => f64::from(x == y),
        Bin::Ne => f64::from(x != y),
        Bin::Lt => f64::from(x < y),
        Bin::Le => f64::from(x <= y),
        Bin::Gt => f64::from(x > y),
        Bin::Ge => f64::from(x >= y),
        Bin::And => f64::from(x != 0.0 && y != 0.0),
        Bin::Or => f64::from(x != 0.0 || y != 0.0),
    }
}

impl Graph {
    /// All nodes, also those that nothing uses any more.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// The symbol of a node, if the graph has it.
    #[must_use]
    pub fn find(&self, node: &Node) -> Option<Sym> {
        self.index.get(node).copied()
    }

    /// The nodes that follow a table in time, with the table and its step in ms.
    pub fn timed_nodes(&self) -> impl Iterator<Item = (Sym, &Arc<[f64]>, f64)> {
        self.nodes.iter().enumerate().filter_map(|(k, n)| match n {
            Node::Timed(t, step) => Some((Sym(k as u32), &self.tables[*t as usize], f64::from_bits(*step))),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::TABLE;

    /// Derivatives of functions are those of small differences.
    #[test]
    fn functions_have_their_derivatives() {
        let mut derived = 0;
        for row in TABLE.iter().filter(|row| row.args < 3) {
            let mut g = Graph::default();
            let x = g.own(VarId(0));
            let two = g.real(2.0);
            let args = if row.args == 1 { vec![x] } else { vec![x, two] };
            let f = g.call(row.builtin, &args);
            let Some(d) = g.derivative(f, x) else { continue };
            derived += 1;
            for at in [-0.6, 0.3, 0.7, 2.5] {
                let value = |s: Sym, at: f64| g.eval(s, &|_| at);
                let h = 1e-6;
                let (exact, near) = (value(d, at), (value(f, at + h) - value(f, at - h)) / (2.0 * h));
                // Outside of its domain a function has no value.
                assert!(
                    near.is_nan() || (exact - near).abs() < 1e-6 * exact.abs().max(1.0),
                    "{}'({at}): {exact}, not {near}",
                    row.name
                );
            }
        }
        assert!(derived >= 18, "{derived}");
    }
}
