//! Evaluating model expressions on the host: initial values, arguments, conditions. One element at a time, in `f64`.

use crate::builtins::Dist;
use crate::hir::{Expr, ExprKind, LetDecl, PopId, Side, UnaryOp, VarId};
use crate::methods::sym::apply;
use crate::rng::Stream;
use crate::sched::lower::bin;

/// What an expression may refer to.
pub struct Env<'a> {
    /// Values of variables.
    pub var: &'a dyn Fn(Side, VarId) -> f64,
    /// The model's `let`s.
    pub lets: &'a [LetDecl],
    /// `i`: index of the neuron, or of the pre neuron.
    pub i: u64,
    /// `j`: index of the post neuron.
    pub j: u64,
    /// Variables of other populations.
    pub other: &'a dyn Fn(PopId, VarId, u64) -> f64,
    /// Sizes of populations.
    pub size: &'a dyn Fn(Side) -> f64,
    /// The time step in ms.
    pub dt: f64,
    /// Where draws come from.
    pub draws: Option<Draws>,
    /// `array("file", "key")` at this element.
    pub array: &'a dyn Fn(&str, &str) -> f64,
    /// `edge.NAME` at this synapse.
    pub edge: &'a dyn Fn(&str) -> f64,
}

/// The random numbers of one element's initial value.
#[derive(Debug, Clone, Copy)]
pub struct Draws {
    /// The stream of the variable.
    pub stream: Stream,
    /// The element.
    pub element: u64,
    /// How often it has been drawn before (redraws inside bounds).
    pub attempt: u64,
}

/// How often a truncated distribution is drawn before it counts as empty between its ends: it is NaN then.
pub const TRIES: u64 = 1000;

/// The value of an expression; truth values are 0 and 1.
#[must_use]
pub fn eval(e: &Expr, env: &Env<'_>) -> f64 {
    match &e.kind {
        ExprKind::Const(x) => *x,
        ExprKind::Bool(b) => f64::from(*b),
        ExprKind::Var(side, var) => (env.var)(*side, *var),
        ExprKind::Let(id) => env.lets.get(id.index()).map_or(f64::NAN, |l| eval(&l.value, env)),
        // Handlers' locals do not occur in initial values.
        ExprKind::Local(_) => f64::NAN,
        ExprKind::Time => 0.0,
        ExprKind::Other(pop, var) => (env.other)(*pop, *var, env.i),
        ExprKind::Timed(table, _) => table.first().copied().unwrap_or(f64::NAN),
        // Noise stands in right sides only.
        ExprKind::Noise(_) => f64::NAN,
        ExprKind::Dt => env.dt,
        ExprKind::Index(Side::Post) => env.j as f64,
        ExprKind::Index(_) => env.i as f64,
        ExprKind::Size(side) => (env.size)(*side),
        ExprKind::Unary(UnaryOp::Neg, a) => -eval(a, env),
        ExprKind::Unary(UnaryOp::Not, a) => f64::from(eval(a, env) == 0.0),
        ExprKind::ToReal(a) => eval(a, env),
        ExprKind::Binary(op, a, b) => apply(bin(*op), eval(a, env), eval(b, env)),
        ExprKind::If(c, a, b) => {
            if eval(c, env) != 0.0 {
                eval(a, env)
            } else {
                eval(b, env)
            }
        }
        ExprKind::Call(f, args) => {
            let mut values = [0.0; 4];
            for (v, a) in values.iter_mut().zip(args) {
                *v = eval(a, env);
            }
            f.eval(&values[..args.len().min(4)])
        }
        ExprKind::Draw { dist, args, site, truncated } => {
            let mut values = [0.0; 4];
            for (v, a) in values.iter_mut().zip(args) {
                *v = eval(a, env);
            }
            let Some(d) = env.draws else { return f64::NAN };
            if !truncated {
                return draw(*dist, &values, *site, d);
            }
            let (lo, hi) = (values[args.len().clamp(2, 4) - 2], values[args.len().clamp(2, 4) - 1]);
            let tries = (0..TRIES).map(|k| draw(*dist, &values, *site, Draws { attempt: d.attempt * TRIES + k, ..d }));
            tries.into_iter().find(|x| *x >= lo && *x <= hi).unwrap_or(f64::NAN)
        }
        ExprKind::Table(table, index) => {
            let k = eval(index, env);
            if k >= 0.0 { table.get(k as usize).copied().unwrap_or(f64::NAN) } else { f64::NAN }
        }
        ExprKind::FileArray { path, key } => (env.array)(path, key),
        ExprKind::EdgeColumn(name) => (env.edge)(name),
    }
}

/// A draw. Each site of an initial value and each attempt has draws of its own.
#[must_use]
pub fn draw(dist: Dist, args: &[f64; 4], site: u32, d: Draws) -> f64 {
    let stream = if site == 0 { d.stream } else { d.stream.sub(u64::from(site)) };
    let [a, b, ..] = *args;
    match dist {
        Dist::Uniform => (b - a).mul_add(stream.uniform(d.element, d.attempt), a),
        Dist::Normal => b.mul_add(stream.normal(d.element, d.attempt), a),
        Dist::Lognormal => stream.lognormal(d.element, d.attempt, a, b),
        Dist::Exponential => a * stream.exponential(d.element, d.attempt),
        Dist::Gamma => {
            let stream = if d.attempt == 0 { stream } else { stream.sub(d.attempt << 32) };
            b * stream.gamma(d.element, a)
        }
        Dist::Randint => stream.randint(d.element, d.attempt, a as i64, b as i64) as f64,
        Dist::Bernoulli => f64::from(stream.bernoulli(d.element, d.attempt, a)),
        Dist::PoissonCount => {
            let stream = if d.attempt == 0 { stream } else { stream.sub(d.attempt << 32) };
            stream.poisson(d.element, a) as f64
        }
    }
}

/// Whether an expression draws random numbers.
#[must_use]
pub fn draws(e: &Expr) -> bool {
    let mut found = matches!(e.kind, ExprKind::Draw { .. });
    e.each_part(&mut |p| found |= draws(p));
    found
}
