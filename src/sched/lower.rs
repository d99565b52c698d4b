//! From typed model expressions and handler blocks to symbolic ones. A handler is executed symbolically: afterwards every variable
//! it assigns is an expression of the values at the handler's start, and so is every delivered amount. `if`s become
//! selections. Order inside a handler is thereby resolved once, here.

use std::collections::HashMap;

use crate::builtins::{Builtin, Dist};
use crate::hir::{
    AssignOp, BinaryOp, Expr, ExprKind, LetDecl, LetId, LocalId, Side, Stmt, StmtKind, Type, UnaryOp, VarDecl, VarId,
};
use crate::methods::sym::{Bin, Graph, Kind, Sym};

/// What a lowering knows of the model around it.
pub struct Context<'a> {
    /// Value of a variable that is one constant for all elements.
    pub constant: &'a dyn Fn(Side, VarId) -> Option<f64>,
    /// Size of a population.
    pub size: &'a dyn Fn(Side) -> f64,
    /// The model's `let`s.
    pub lets: &'a [LetDecl],
    /// The model's own variables.
    pub vars: &'a [VarDecl],
    /// The time step in ms.
    pub dt: f64,
}

/// What a handler does, in terms of the values at its start.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    /// New values (bounds applied), in order of first assignment.
    pub assigns: Vec<(VarId, Sym)>,
    /// Amounts added to variables of the post population, in order.
    pub delivers: Vec<(VarId, Sym)>,
}

/// A random number that a block takes each time it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SiteDraw {
    /// Which draw of the block, in order of writing.
    pub site: u32,
    /// What is drawn.
    pub kind: DrawKind,
}

/// A random number before it is scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DrawKind {
    /// Between 0 and 1.
    Uniform,
    /// Gaussian of mean 0 and variance 1.
    Normal,
    /// Exponential of mean 1.
    Exponential,
    /// Gamma of scale 1 and this shape, which does not change during a run.
    Gamma(Sym),
    /// What names a stream of its own, for numbers that take more draws than anyone knows beforehand.
    Key,
}

/// Whether a value does not change during a run.
pub type Steady<'a> = &'a dyn Fn(&Graph, Sym) -> bool;

/// Lowers expressions into a graph.
pub struct Lowering<'a, 'g> {
    /// The graph.
    pub graph: &'g mut Graph,
    context: &'a Context<'a>,
    now: HashMap<VarId, Sym>,
    order: Vec<VarId>,
    delivers: Vec<(VarId, Sym)>,
    lets: HashMap<LetId, Sym>,
    locals: HashMap<LocalId, Sym>,
    /// In blocks that may draw.
    draws: Option<Draws<'a>>,
}

/// The draws of a block.
struct Draws<'a> {
    /// The number of the first.
    first: u32,
    /// Those met.
    met: Vec<SiteDraw>,
    steady: Steady<'a>,
    /// Whether they are numbered by their sites, else in the order in which they are met.
    by_site: bool,
}

impl<'a, 'g> Lowering<'a, 'g> {
    /// Starts with all variables at their current values.
    pub fn new(graph: &'g mut Graph, context: &'a Context<'a>) -> Self {
        Self {
            graph,
            context,
            now: HashMap::new(),
            order: Vec::new(),
            delivers: Vec::new(),
            lets: HashMap::new(),
            locals: HashMap::new(),
            draws: None,
        }
    }

    /// The symbol of an expression; `None` if it draws random numbers or reads files, which only initial values may.
    pub fn expr(&mut self, e: &Expr) -> Option<Sym> {
        let kind = match e.ty {
            Type::Real(_) => Kind::Real,
            Type::Int => Kind::Int,
            Type::Bool => Kind::Bool,
        };
        Some(match &e.kind {
            ExprKind::Const(x) => self.graph.constant(*x, kind),
            ExprKind::Bool(b) => self.graph.constant(f64::from(*b), Kind::Bool),
            ExprKind::Var(side, var) => {
                if let Some(s) = (*side == Side::Own).then(|| self.now.get(var)).flatten() {
                    return Some(*s);
                }
                match (self.context.constant)(*side, *var) {
                    Some(x) => self.graph.constant(x, kind),
                    None => self.read(*side, *var, kind),
                }
            }
            ExprKind::Let(id) => {
                if let Some(s) = self.lets.get(id) {
                    return Some(*s);
                }
                let context = self.context;
                let s = self.expr(&context.lets[id.index()].value)?;
                self.lets.insert(*id, s);
                s
            }
            ExprKind::Local(id) => *self.locals.get(id)?,
            ExprKind::Time => self.graph.time(),
            ExprKind::Dt => self.graph.real(self.context.dt),
            ExprKind::Index(side) => self.graph.element(*side),
            ExprKind::Size(side) => self.graph.constant((self.context.size)(*side), Kind::Int),
            ExprKind::Unary(UnaryOp::Neg, a) => {
                let a = self.expr(a)?;
                self.graph.neg(a)
            }
            ExprKind::Unary(UnaryOp::Not, a) => {
                let a = self.expr(a)?;
                self.graph.not(a)
            }
            ExprKind::Binary(op, a, b) => {
                let a = self.expr(a)?;
                let b = self.expr(b)?;
                self.graph.bin(bin(*op), a, b)
            }
            ExprKind::ToReal(a) => {
                let a = self.expr(a)?;
                self.graph.to_real(a)
            }
            ExprKind::If(c, a, b) => {
                let c = self.expr(c)?;
                let a = self.expr(a)?;
                let b = self.expr(b)?;
                self.graph.select(c, a, b)
            }
            ExprKind::Call(f, args) => {
                let args: Option<Vec<Sym>> = args.iter().map(|a| self.expr(a)).collect();
                self.graph.call(*f, &args?)
            }
            ExprKind::Table(table, index) => {
                let index = self.expr(index)?;
                self.graph.table(table, index)
            }
            ExprKind::Noise(k) => self.graph.noise(*k),
            ExprKind::Other(pop, var) => {
                let x = self.graph.other(*pop, *var);
                if kind == Kind::Bool { self.truth(x) } else { x }
            }
            ExprKind::Timed(table, step) => self.graph.timed(table, *step),
            ExprKind::Draw { dist, args, site, truncated } => {
                let args: Option<Vec<Sym>> = args.iter().map(|a| self.expr(a)).collect();
                if *truncated { self.truncated(*dist, &args?, *site)? } else { self.drawn(*dist, &args?, *site)? }
            }
            ExprKind::FileArray { .. } | ExprKind::EdgeColumn(_) => return None,
        })
    }

    /// A random number of this kind, drawn each time the block runs.
    fn number(&mut self, kind: DrawKind, site: u32) -> Option<Sym> {
        let draws = self.draws.as_mut()?;
        let draw = SiteDraw { site, kind };
        let place = draws.met.iter().position(|d| *d == draw).unwrap_or_else(|| {
            draws.met.push(draw);
            draws.met.len() - 1
        });
        let number = if draws.by_site { site } else { place as u32 };
        Some(self.graph.draw(draws.first + number))
    }

    /// A number between two ends, drawn each time the block runs: by the inverse distribution function where there is one, else again
    /// and again with a key of its own.
    fn truncated(&mut self, dist: Dist, args: &[Sym], site: u32) -> Option<Sym> {
        let (args, ends) = args.split_at(args.len().checked_sub(2)?);
        let arg = |k: usize| args.get(k).copied();
        let (lo, hi) = (*ends.first()?, *ends.last()?);
        let kind = match dist {
            Dist::Uniform | Dist::Randint | Dist::Bernoulli | Dist::Exponential => DrawKind::Uniform,
            Dist::Normal | Dist::Lognormal | Dist::Gamma | Dist::PoissonCount => DrawKind::Key,
        };
        let z = self.number(kind, site)?;
        let g = &mut *self.graph;
        let nan = g.real(f64::NAN);
        // What lies inside, as ends of the standard distribution.
        let scaled = |g: &mut Graph, shift: Option<Sym>, scale: Sym| {
            let [a, b] = [lo, hi].map(|end| {
                let end = shift.map_or(end, |s| g.sub(end, s));
                g.div(end, scale)
            });
            (g.call(Builtin::Min, &[a, b]), g.call(Builtin::Max, &[a, b]))
        };
        Some(match dist {
            Dist::Uniform => {
                let (a, b) = (arg(0)?, arg(1)?);
                let (low, high) = (g.call(Builtin::Min, &[a, b]), g.call(Builtin::Max, &[a, b]));
                let (low, high) = (g.call(Builtin::Max, &[low, lo]), g.call(Builtin::Min, &[high, hi]));
                let width = g.sub(high, low);
                let part = g.mul(width, z);
                let x = g.add(part, low);
                let x = g.call(Builtin::Clip, &[x, lo, hi]);
                let empty = g.bin(Bin::Lt, high, low);
                g.select(empty, nan, x)
            }
            Dist::Randint => {
                let (a, b) = (arg(0)?, arg(1)?);
                let (a, b) = (g.to_real(a), g.to_real(b));
                let one = g.real(1.0);
                let (first, last) = (g.call(Builtin::Ceil, &[lo]), g.call(Builtin::Floor, &[hi]));
                let end = g.sub(b, one);
                let (first, last) = (g.call(Builtin::Max, &[a, first]), g.call(Builtin::Min, &[end, last]));
                let count = g.sub(last, first);
                let count = g.add(count, one);
                let part = g.mul(count, z);
                let part = g.call(Builtin::Floor, &[part]);
                let x = g.add(part, first);
                let x = g.call(Builtin::Clip, &[x, first, last]);
                g.to_int(x)
            }
            Dist::Bernoulli => {
                let (one, zero) = (g.real(1.0), g.real(0.0));
                let inside = |g: &mut Graph, x: Sym| {
                    let (above, below) = (g.bin(Bin::Ge, x, lo), g.bin(Bin::Le, x, hi));
                    g.bin(Bin::And, above, below)
                };
                let (has_one, has_zero) = (inside(g, one), inside(g, zero));
                let hit = g.bin(Bin::Lt, z, arg(0)?);
                let drawn = g.select(hit, one, zero);
                let otherwise = g.select(has_zero, zero, nan);
                let with_one = g.select(has_zero, drawn, one);
                g.select(has_one, with_one, otherwise)
            }
            Dist::Exponential => {
                let (a, b) = scaled(g, None, arg(0)?);
                let zero = g.real(0.0);
                let a = g.call(Builtin::Max, &[a, zero]);
                // 1 - e^(a - x) of the 1 - e^(a - b) that lies inside.
                let width = g.sub(a, b);
                let all = g.call(Builtin::Expm1, &[width]);
                let part = g.mul(all, z);
                let part = g.call(Builtin::Log1p, &[part]);
                let x = g.sub(a, part);
                let x = g.mul(arg(0)?, x);
                let x = g.call(Builtin::Clip, &[x, lo, hi]);
                let empty = g.bin(Bin::Lt, b, a);
                g.select(empty, nan, x)
            }
            Dist::Normal => {
                let (a, b) = scaled(g, Some(arg(0)?), arg(1)?);
                let x = g.drawn(dist, vec![z, a, b]);
                let x = g.mul(arg(1)?, x);
                let x = g.add(x, arg(0)?);
                g.call(Builtin::Clip, &[x, lo, hi])
            }
            Dist::Lognormal => {
                let zero = g.real(0.0);
                let [a, b] = [lo, hi].map(|end| {
                    let end = g.call(Builtin::Max, &[end, zero]);
                    let end = g.call(Builtin::Log, &[end]);
                    let end = g.sub(end, args[0]);
                    g.div(end, args[1])
                });
                let (a, b) = (g.call(Builtin::Min, &[a, b]), g.call(Builtin::Max, &[a, b]));
                let x = g.drawn(Dist::Normal, vec![z, a, b]);
                let x = g.mul(arg(1)?, x);
                let x = g.add(x, arg(0)?);
                let x = g.call(Builtin::Exp, &[x]);
                g.call(Builtin::Clip, &[x, lo, hi])
            }
            Dist::Gamma => {
                let (a, b) = scaled(g, None, arg(1)?);
                let x = g.drawn(dist, vec![z, arg(0)?, a, b]);
                let x = g.mul(arg(1)?, x);
                g.call(Builtin::Clip, &[x, lo, hi])
            }
            Dist::PoissonCount => {
                let x = g.drawn(dist, vec![z, arg(0)?, lo, hi]);
                g.to_int(x)
            }
        })
    }

    /// A number drawn each time the block runs, from standard ones.
    fn drawn(&mut self, dist: Dist, args: &[Sym], site: u32) -> Option<Sym> {
        let arg = |k: usize| args.get(k).copied();
        let kind = match dist {
            Dist::Uniform | Dist::Randint | Dist::Bernoulli => DrawKind::Uniform,
            Dist::Normal | Dist::Lognormal => DrawKind::Normal,
            Dist::Exponential => DrawKind::Exponential,
            Dist::Gamma if (self.draws.as_ref()?.steady)(self.graph, arg(0)?) => DrawKind::Gamma(arg(0)?),
            Dist::Gamma | Dist::PoissonCount => DrawKind::Key,
        };
        let z = self.number(kind, site)?;
        let g = &mut *self.graph;
        if kind == DrawKind::Key {
            let (lo, hi) = (g.real(f64::NEG_INFINITY), g.real(f64::INFINITY));
            let x = g.drawn(dist, vec![z, arg(0)?, lo, hi]);
            return Some(if dist == Dist::Gamma { g.mul(arg(1)?, x) } else { g.to_int(x) });
        }
        Some(match dist {
            Dist::Uniform | Dist::Randint => {
                let (lo, hi) = (arg(0)?, arg(1)?);
                let width = g.sub(hi, lo);
                let part = g.mul(width, z);
                let x = g.add(part, lo);
                if dist == Dist::Uniform {
                    return Some(x);
                }
                let x = g.call(Builtin::Floor, &[x]);
                // In f32 the product may round up to the end, which is excluded.
                let one = g.real(1.0);
                let last = g.sub(hi, one);
                let x = g.call(Builtin::Min, &[x, last]);
                g.to_int(x)
            }
            Dist::Normal | Dist::Lognormal => {
                let spread = g.mul(arg(1)?, z);
                let x = g.add(spread, arg(0)?);
                if dist == Dist::Normal { x } else { g.call(Builtin::Exp, &[x]) }
            }
            Dist::Exponential => g.mul(arg(0)?, z),
            Dist::Gamma => g.mul(arg(1)?, z),
            Dist::PoissonCount => return None,
            Dist::Bernoulli => {
                let hit = g.bin(Bin::Lt, z, arg(0)?);
                let (one, zero) = (g.real(1.0), g.real(0.0));
                g.select(hit, one, zero)
            }
        })
    }

    /// Executes a block that may draw random numbers; its draws are numbered from `first`.
    pub fn drawing_block(
        mut self,
        stmts: &[Stmt],
        frozen: &dyn Fn(VarId) -> bool,
        first: u32,
        steady: Steady<'a>,
    ) -> Option<(Effects, Vec<SiteDraw>)> {
        self.draws = Some(Draws { first, met: Vec::new(), steady, by_site: false });
        self.drawn_block(stmts, frozen)
    }

    /// Executes the handler of an event, whose draws are numbered by their sites from `first` on, whatever of it is frozen.
    pub fn event_block(
        mut self,
        stmts: &[Stmt],
        frozen: &dyn Fn(VarId) -> bool,
        first: u32,
    ) -> Option<(Effects, Vec<SiteDraw>)> {
        self.draws = Some(Draws { first, met: Vec::new(), steady: &|_, _| false, by_site: true });
        self.drawn_block(stmts, frozen)
    }

    fn drawn_block(mut self, stmts: &[Stmt], frozen: &dyn Fn(VarId) -> bool) -> Option<(Effects, Vec<SiteDraw>)> {
        self.statements(stmts, frozen)?;
        let draws = self.draws.take().map(|d| d.met).unwrap_or_default();
        let assigns = self.assigned();
        Some((Effects { assigns, delivers: self.delivers }, draws))
    }

    /// Executes a handler. Assignments to variables of `frozen` are ignored.
    pub fn block(mut self, stmts: &[Stmt], frozen: &dyn Fn(VarId) -> bool) -> Option<Effects> {
        self.statements(stmts, frozen)?;
        let assigns = self.assigned();
        Some(Effects { assigns, delivers: self.delivers })
    }

    fn statements(&mut self, stmts: &[Stmt], frozen: &dyn Fn(VarId) -> bool) -> Option<()> {
        for stmt in stmts {
            match &stmt.kind {
                StmtKind::Assign { var, op, value } => {
                    if frozen(*var) {
                        continue;
                    }
                    let value = self.expr(value)?;
                    let old = self.current(*var);
                    let new = match op {
                        AssignOp::Set => value,
                        AssignOp::Add => self.graph.add(old, value),
                        AssignOp::Sub => self.graph.sub(old, value),
                        AssignOp::Mul => self.graph.mul(old, value),
                        AssignOp::Div => self.graph.div(old, value),
                    };
                    let new = self.bounded(*var, new)?;
                    self.assign(*var, new);
                }
                StmtKind::Local { id, value } => {
                    let value = self.expr(value)?;
                    self.locals.insert(*id, value);
                }
                StmtKind::If { cond, then, els } => self.choice(cond, then, els, frozen)?,
                StmtKind::Deliver { value, target } => {
                    let value = self.expr(value)?;
                    self.delivers.push((*target, value));
                }
            }
        }
        Some(())
    }

    fn choice(&mut self, cond: &Expr, then: &[Stmt], els: &[Stmt], frozen: &dyn Fn(VarId) -> bool) -> Option<()> {
        let cond = self.expr(cond)?;
        let before = (self.now.clone(), self.locals.clone());
        let first = self.delivers.len();
        self.statements(then, frozen)?;
        let after_then = std::mem::replace(&mut self.now, before.0.clone());
        self.locals.clone_from(&before.1);
        self.lets.clear();
        let middle = self.delivers.len();
        self.statements(els, frozen)?;
        self.locals = before.1;
        let zero = self.graph.real(0.0);
        for k in first..self.delivers.len() {
            let value = self.delivers[k].1;
            self.delivers[k].1 =
                if k < middle { self.graph.select(cond, value, zero) } else { self.graph.select(cond, zero, value) };
        }
        for var in self.order.clone() {
            let old = before.0.get(&var).copied().unwrap_or_else(|| self.variable(var));
            let a = after_then.get(&var).copied().unwrap_or(old);
            let b = self.now.get(&var).copied().unwrap_or(old);
            let merged = self.graph.select(cond, a, b);
            self.now.insert(var, merged);
        }
        self.lets.clear();
        Some(())
    }

    fn variable(&mut self, var: VarId) -> Sym {
        let kind = match self.context.vars[var.index()].ty {
            Type::Int => Kind::Int,
            Type::Bool => Kind::Bool,
            Type::Real(_) => Kind::Real,
        };
        self.read(Side::Own, var, kind)
    }

    /// A variable's value. Truth values are stored as 0 and 1.
    fn read(&mut self, side: Side, var: VarId, kind: Kind) -> Sym {
        if kind != Kind::Bool {
            return self.graph.var(side, var, kind);
        }
        let x = self.graph.var(side, var, Kind::Real);
        self.truth(x)
    }

    fn truth(&mut self, stored: Sym) -> Sym {
        let zero = self.graph.real(0.0);
        self.graph.bin(Bin::Ne, stored, zero)
    }

    /// A value as it is stored.
    pub fn stored(&mut self, value: Sym) -> Sym {
        if self.graph.kind(value) != Kind::Bool {
            return value;
        }
        let (one, zero) = (self.graph.real(1.0), self.graph.real(0.0));
        self.graph.select(value, one, zero)
    }

    /// What was assigned, as it is stored, in order of first assignment.
    fn assigned(&mut self) -> Vec<(VarId, Sym)> {
        let new: Vec<(VarId, Sym)> = self.order.iter().filter_map(|v| self.now.get(v).map(|s| (*v, *s))).collect();
        new.into_iter().map(|(v, s)| (v, self.stored(s))).collect()
    }

    fn current(&mut self, var: VarId) -> Sym {
        match self.now.get(&var) {
            Some(s) => *s,
            None => self.variable(var),
        }
    }

    fn assign(&mut self, var: VarId, value: Sym) {
        if !self.order.contains(&var) {
            self.order.push(var);
        }
        self.now.insert(var, value);
        // `let`s are substituted where they are used: their values may have changed.
        self.lets.clear();
    }

    /// A value kept inside the variable's bounds.
    pub fn bounded(&mut self, var: VarId, value: Sym) -> Option<Sym> {
        let context = self.context;
        let Some((lo, hi)) = &context.vars[var.index()].bounds else { return Some(value) };
        let lo = self.expr(lo)?;
        let hi = self.expr(hi)?;
        Some(self.graph.call(Builtin::Clip, &[value, lo, hi]))
    }
}

/// The symbolic operation of a written one.
#[must_use]
pub fn bin(op: BinaryOp) -> Bin {
    match op {
        BinaryOp::Add => Bin::Add,
        BinaryOp::Sub => Bin::Sub,
        BinaryOp::Mul => Bin::Mul,
        BinaryOp::Div => Bin::Div,
        BinaryOp::Mod => Bin::Mod,
        BinaryOp::Pow => Bin::Pow,
        BinaryOp::Eq => Bin::Eq,
        BinaryOp::Ne => Bin::Ne,
        BinaryOp::Lt => Bin::Lt,
        BinaryOp::Le => Bin::Le,
        BinaryOp::Gt => Bin::Gt,
        BinaryOp::Ge => Bin::Ge,
        BinaryOp::And => Bin::And,
        BinaryOp::Or => Bin::Or,
    }
}
