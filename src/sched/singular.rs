//! Quotients such as `x/(exp(x) - 1)` or `sin(x)/x`, which are 0/0 at one value of a variable: there the quotient is not a number, and of some of
//! them few digits are left near it (W0706). Numerator and denominator are a straight line of one variable and a function that vanishes with
//! its argument, or two such functions. A quotient that an `if` keeps from that value is fine.

use super::warn::{Known, number};
use crate::builtins::Builtin;
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{self, BinaryOp, Expr, ExprKind, LetDecl, NeuronModel, Side, Stmt, StmtKind, SynapseModel, UnaryOp};
use crate::hir::{VarDecl, VarId};
use crate::methods::sym::{Graph, Kind, Sym};

/// Looks at everything a population computes, with its constants.
pub(super) fn of_neuron(neuron: &NeuronModel, known: &Known<'_>, sink: &mut Sink) {
    let decl = |side: Side, v: VarId| if side == Side::Own { neuron.vars.get(v.index()) } else { None };
    let mut look = Look { known, lets: &neuron.lets, decl: &decl, sink };
    look.equations(&neuron.lets, &neuron.odes);
    let events = neuron.events.iter().map(|e| &e.on);
    let every = neuron.every.iter().map(|e| &e.body);
    for block in [&neuron.on_spike, &neuron.on_release].into_iter().chain(events).chain(every) {
        look.block(block);
    }
}

/// Looks at everything the synapses of a projection compute.
pub(super) fn of_synapse(synapse: &SynapseModel, [pre, post]: [&[VarDecl]; 2], known: &Known<'_>, sink: &mut Sink) {
    let decl = |side: Side, v: VarId| match side {
        Side::Own => synapse.vars.get(v.index()),
        Side::Pre => pre.get(v.index()),
        Side::Post => post.get(v.index()),
    };
    let mut look = Look { known, lets: &synapse.lets, decl: &decl, sink };
    look.equations(&synapse.lets, &synapse.odes);
    synapse.injects.iter().for_each(|e| look.expr(e));
    let events = synapse.events.iter().map(|e| &e.on);
    let every = synapse.every.iter().map(|e| &e.body);
    for block in [&synapse.on_pre].into_iter().chain(&synapse.on_post).chain(events).chain(every) {
        look.block(block);
    }
}

/// What vanishes at the value that is looked for.
enum Zero<'a> {
    /// The function of this name vanishes with its argument (or, for `log`, where the argument is 1).
    Curve(&'static str, &'a Expr, f64),
    /// Perhaps a straight line.
    Line(&'a Expr),
}

struct Look<'a> {
    known: &'a Known<'a>,
    lets: &'a [LetDecl],
    decl: &'a dyn Fn(Side, VarId) -> Option<&'a VarDecl>,
    sink: &'a mut Sink,
}

impl Look<'_> {
    fn equations(&mut self, lets: &[LetDecl], odes: &[hir::Ode]) {
        lets.iter().map(|l| &l.value).chain(odes.iter().map(|o| &o.rhs)).for_each(|e| self.expr(e));
    }

    /// The code of an event.
    fn block(&mut self, block: &[Stmt]) {
        self.statements(block, &mut Vec::new(), &mut Vec::new());
    }

    /// Statements that are executed where the conditions have these values. Variables that were assigned before have values of which
    /// nothing is known.
    fn statements<'e>(&mut self, block: &'e [Stmt], under: &mut Vec<(&'e Expr, bool)>, assigned: &mut Vec<VarId>) {
        for s in block {
            match &s.kind {
                StmtKind::Local { value, .. } | StmtKind::Deliver { value, .. } => self.part(value, under, assigned),
                StmtKind::Assign { value, var, .. } => {
                    self.part(value, under, assigned);
                    assigned.push(*var);
                }
                StmtKind::If { cond, then, els } => {
                    self.part(cond, under, assigned);
                    let before = assigned.len();
                    let mut changed = Vec::new();
                    for (side, holds) in [(then, true), (els, false)] {
                        under.push((cond, holds));
                        self.statements(side, under, assigned);
                        under.pop();
                        changed.extend(assigned.drain(before..));
                    }
                    assigned.append(&mut changed);
                }
            }
        }
    }

    fn expr(&mut self, e: &Expr) {
        self.part(e, &mut Vec::new(), &[]);
    }

    /// An expression that is only evaluated where the conditions have these values.
    fn part<'e>(&mut self, e: &'e Expr, under: &mut Vec<(&'e Expr, bool)>, assigned: &[VarId]) {
        match &e.kind {
            ExprKind::If(cond, a, b) => {
                self.part(cond, under, assigned);
                for (side, holds) in [(a, true), (b, false)] {
                    under.push((cond, holds));
                    self.part(side, under, assigned);
                    under.pop();
                }
                return;
            }
            ExprKind::Binary(BinaryOp::Div, top, bottom) => self.quotient(e, top, bottom, under, assigned),
            _ => {}
        }
        e.each_part(&mut |part| self.part(part, under, assigned));
    }

    fn quotient(&mut self, e: &Expr, top: &Expr, bottom: &Expr, under: &[(&Expr, bool)], assigned: &[VarId]) {
        let (above, below) = (self.zero(top), self.zero(bottom));
        let (name, help) = match (&above, &below) {
            (Zero::Line(_), Zero::Line(_)) => return,
            (Zero::Curve(name, ..), _) => (*name, help(name, matches!(below, Zero::Line(_)))),
            (_, Zero::Curve(name, ..)) => (*name, help_below(name)),
        };
        let Some((side, var, root)) = self.common_root(&above, &below, under) else { return };
        if side == Side::Own && assigned.contains(&var) {
            return;
        }
        let Some(decl) = (self.decl)(side, var) else { return };
        let whose = match side {
            Side::Own => "",
            Side::Pre => "pre.",
            Side::Post => "post.",
        };
        let at = format!("{} {}", number(root / decl.shown.factor), decl.shown.name);
        let message = format!("this is 0/0 where `{whose}{}` is {}", decl.name, at.trim());
        let d = Diagnostic::new(Code::W0706, e.span, message).label("numerator and denominator vanish together");
        let d = d.note(if loses_digits(name) {
            "at that value the result is not a number, and close to it most digits are lost"
        } else {
            "at that value the result is not a number"
        });
        // One model serves several populations.
        let told = |o: &Diagnostic| o.code == Code::W0706 && o.primary.as_ref().is_some_and(|l| l.span == e.span);
        if !self.sink.items.iter().any(told) {
            self.sink.push(d.help(help));
        }
    }

    /// What is known of where an expression vanishes; constant factors do not matter.
    fn zero<'e>(&self, e: &'e Expr) -> Zero<'e> {
        let mut inner = e;
        loop {
            match &inner.kind {
                ExprKind::Unary(UnaryOp::Neg, a) => inner = a,
                ExprKind::Binary(BinaryOp::Div, a, _) if curve(a).is_some() => inner = a,
                ExprKind::Binary(BinaryOp::Mul, a, b) if curve(a).is_some() || curve(b).is_some() => {
                    inner = if curve(a).is_some() { a } else { b };
                }
                _ => break,
            }
        }
        match curve(inner) {
            Some((name, x, at)) => Zero::Curve(name, x, at),
            None => Zero::Line(e),
        }
    }

    /// The variable and its value at which both vanish.
    fn common_root(&self, above: &Zero<'_>, below: &Zero<'_>, under: &[(&Expr, bool)]) -> Option<(Side, VarId, f64)> {
        let inside = |z: &Zero<'_>| match z {
            Zero::Curve(_, x, _) => vars(x, self.lets),
            Zero::Line(e) => vars(e, self.lets),
        };
        let here = inside(below);
        let both = inside(above).into_iter().filter(|v| here.contains(v));
        both.into_iter().find_map(|(side, v)| {
            let (a, b) = self.line(below, side, v)?;
            let (c, d) = self.line(above, side, v)?;
            // A root at zero has no sign.
            let root = 0.0 - b / a;
            let zero = (c * root + d).abs() <= 1e-9 * (c * root).abs().max(d.abs());
            let found = a != 0.0 && c != 0.0 && root.is_finite() && zero;
            (found && under.iter().all(|(cond, holds)| self.allows(cond, *holds, side, v, root)))
                .then_some((side, v, root))
        })
    }

    /// `(a, b)` of the line a*v + b with which something vanishes.
    fn line(&self, z: &Zero<'_>, side: Side, v: VarId) -> Option<(f64, f64)> {
        let (e, at) = match z {
            Zero::Curve(_, x, at) => (x, *at),
            Zero::Line(e) => (e, 0.0),
        };
        self.known.lower(|mut low| {
            let s = low.expr(e)?;
            let x = low.graph.var(side, v, Kind::Real);
            let (a, b) = low.graph.linear(s, x)?;
            Some((low.graph.as_const(a)?, low.graph.as_const(b)? - at))
        })
    }

    /// Whether a condition leaves a variable the value `x` where it is as given: it is so there, or does not ask for the variable.
    fn allows(&self, cond: &Expr, given: bool, side: Side, v: VarId, x: f64) -> bool {
        let local = |e: &Expr| matches!(e.kind, ExprKind::Local(_));
        match self.holds(cond, side, v, x) {
            Some(holds) => holds == given,
            None => !cond.any(self.lets, &local) && !vars(cond, self.lets).contains(&(side, v)),
        }
    }

    /// Whether a condition holds at a value of a variable, if that is known.
    fn holds(&self, cond: &Expr, side: Side, v: VarId, x: f64) -> Option<bool> {
        self.known.lower(|mut low| {
            let c = low.expr(cond)?;
            let (from, to) = (low.graph.var(side, v, Kind::Real), low.graph.real(x));
            substituted(low.graph, c, from, to).map(|x| x != 0.0)
        })
    }
}

fn substituted(graph: &mut Graph, s: Sym, from: Sym, to: Sym) -> Option<f64> {
    let map = std::iter::once((from, to)).collect();
    let s = graph.substitute(s, &map);
    graph.as_const(s)
}

/// The variables in an expression and in the `let`s it names.
fn vars(e: &Expr, lets: &[LetDecl]) -> Vec<(Side, VarId)> {
    fn collect(e: &Expr, lets: &[LetDecl], seen: &mut Vec<hir::LetId>, out: &mut Vec<(Side, VarId)>) {
        match &e.kind {
            ExprKind::Var(side, v) if !out.contains(&(*side, *v)) => out.push((*side, *v)),
            ExprKind::Let(id) if !seen.contains(id) => {
                seen.push(*id);
                if let Some(l) = lets.get(id.index()) {
                    collect(&l.value, lets, seen, out);
                }
            }
            _ => e.each_part(&mut |part| collect(part, lets, seen, out)),
        }
    }
    let mut out = Vec::new();
    collect(e, lets, &mut Vec::new(), &mut out);
    out
}

/// A function that vanishes where its argument has a value: its name, the argument, the value.
fn curve(e: &Expr) -> Option<(&'static str, &Expr, f64)> {
    let one = |e: &Expr| matches!(e.kind, ExprKind::Const(x) if x == 1.0);
    match &e.kind {
        ExprKind::Unary(UnaryOp::Neg, a) => curve(a),
        ExprKind::Call(f, args) => {
            let (name, at) = match f {
                Builtin::Expm1 => ("expm1", 0.0),
                Builtin::Log1p => ("log1p", 0.0),
                Builtin::Log => ("log", 1.0),
                Builtin::Sin => ("sin", 0.0),
                Builtin::Tan => ("tan", 0.0),
                Builtin::Sinh => ("sinh", 0.0),
                Builtin::Tanh => ("tanh", 0.0),
                Builtin::Asin => ("asin", 0.0),
                Builtin::Atan => ("atan", 0.0),
                _ => return None,
            };
            Some((name, args.first()?, at))
        }
        ExprKind::Binary(BinaryOp::Sub, a, b) => match (&a.kind, &b.kind) {
            (ExprKind::Call(Builtin::Exp, args), _) if one(b) => Some(("exp", args.first()?, 0.0)),
            (_, ExprKind::Call(Builtin::Exp, args)) if one(a) => Some(("exp", args.first()?, 0.0)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the digits that count cancel near the value.
fn loses_digits(name: &str) -> bool {
    matches!(name, "exp" | "log")
}

/// What to write for a quotient with a function above.
fn help(name: &str, line: bool) -> String {
    match name {
        "exp" | "expm1" if line => "`exprel(x)` is (exp(x) - 1)/x and 1 at 0".to_owned(),
        "exp" | "expm1" => help_below(name),
        "log" | "log1p" => {
            "write `if x == 0 then 1 else log1p(x)/x`: `log1p(x)` is log(1 + x) with all its digits".to_owned()
        }
        _ => format!("give the limit there yourself: `if x == 0 then 1 else {name}(x)/x`"),
    }
}

/// What to write for a quotient with a function below.
fn help_below(name: &str) -> String {
    match name {
        "exp" | "expm1" => {
            "`exprel(x)` is (exp(x) - 1)/x and 1 at 0: write `c / exprel(x)` for `c*x / (exp(x) - 1)`".to_owned()
        }
        "log" | "log1p" => {
            "write `if x == 0 then 1 else x/log1p(x)`: `log1p(x)` is log(1 + x) with all its digits".to_owned()
        }
        _ => format!("give the limit there yourself: `if x == 0 then 1 else x/{name}(x)`"),
    }
}
