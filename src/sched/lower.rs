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
    /// Gamma of scale 1 and this shape.
    Gamma(Sym),
}

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
    /// In blocks that may draw: the number of the first draw, and those met.
    draws: Option<(u32, Vec<SiteDraw>)>,
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
                    None => self.graph.var(*side, *var, kind),
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
            ExprKind::Other(pop, var) => self.graph.other(*pop, *var),
            ExprKind::Timed(table, step) => self.graph.timed(table, *step),
            ExprKind::Draw { truncated: true, .. } => return None,
            ExprKind::Draw { dist, args, site, truncated: false } => {
                let args: Option<Vec<Sym>> = args.iter().map(|a| self.expr(a)).collect();
                self.drawn(*dist, &args?, *site)?
            }
            ExprKind::FileArray { .. } | ExprKind::EdgeColumn(_) => return None,
        })
    }

    /// A number drawn each time the block runs, from standard ones.
    fn drawn(&mut self, dist: Dist, args: &[Sym], site: u32) -> Option<Sym> {
        let arg = |k: usize| args.get(k).copied();
        let kind = match dist {
            Dist::Uniform | Dist::Randint | Dist::Bernoulli => DrawKind::Uniform,
            Dist::Normal | Dist::Lognormal => DrawKind::Normal,
            Dist::Exponential => DrawKind::Exponential,
            Dist::Gamma => DrawKind::Gamma(arg(0)?),
            // Its number of underlying draws is not fixed: refused in `every` by the front end.
            Dist::PoissonCount => return None,
        };
        let (first, draws) = self.draws.as_mut()?;
        let draw = SiteDraw { site, kind };
        let place = draws.iter().position(|d| *d == draw).unwrap_or_else(|| {
            draws.push(draw);
            draws.len() - 1
        });
        let number = *first + place as u32;
        let g = &mut *self.graph;
        let z = g.draw(number);
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
    ) -> Option<(Effects, Vec<SiteDraw>)> {
        self.draws = Some((first, Vec::new()));
        self.statements(stmts, frozen)?;
        let draws = self.draws.take().map(|(_, d)| d).unwrap_or_default();
        let assigns = self.order.iter().filter_map(|v| self.now.get(v).map(|s| (*v, *s))).collect();
        Some((Effects { assigns, delivers: self.delivers }, draws))
    }

    /// Executes a handler. Assignments to variables of `frozen` are ignored.
    pub fn block(mut self, stmts: &[Stmt], frozen: &dyn Fn(VarId) -> bool) -> Option<Effects> {
        self.statements(stmts, frozen)?;
        let assigns = self.order.iter().filter_map(|v| self.now.get(v).map(|s| (*v, *s))).collect();
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
        let kind = if self.context.vars[var.index()].ty == Type::Int { Kind::Int } else { Kind::Real };
        self.graph.var(Side::Own, var, kind)
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
