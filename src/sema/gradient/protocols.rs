//! What the values of protocols depend on, and what they give to variables of models.

use crate::hir::{Model, Type};
use crate::script::ir::{
    Body, Expr, ExprKind, Home, IndexItem, Kind, Learning, Metric, ProcId, Reduction, Select, Stmt, StmtKind, Ty,
};
use crate::script::{decl, walk};

use super::graph::{Edge, Gap, Graph, Node, Why};
use super::models::flat;

/// Enters the bodies of all experiments, tests and procedures.
pub(super) fn enter(model: &Model, graph: &mut Graph) {
    let program = &model.script;
    let experiments = program.experiments.iter().zip(0..).map(|(e, k)| (&e.body, Home::Experiment(k)));
    let tests = program.tests.iter().zip(0..).map(|(t, k)| (&t.body, Home::Test(k)));
    let procedures = program.procedures.iter().zip(0..).map(|(p, k)| (&p.body, Home::Procedure(ProcId(k))));
    for (body, home) in experiments.chain(tests).chain(procedures) {
        let mut of = Of { model, home: Some(home), graph };
        of.block(body, &body.stmts, &[]);
    }
    for l in &program.learning {
        let mut of = Of { model, home: l.home, graph };
        l.loss.iter().for_each(|e| of.calls(e));
    }
}

/// What a loss depends on.
pub(super) fn start(l: &Learning) -> Vec<Edge> {
    let mut out = Vec::new();
    for e in &l.loss {
        leaves(e, l.home, None, &mut out);
    }
    out
}

/// One body.
struct Of<'a> {
    model: &'a Model,
    home: Option<Home>,
    graph: &'a mut Graph,
}

impl Of<'_> {
    /// The statements of a block that is executed as often as `under` says.
    fn block(&mut self, body: &Body, stmts: &[Stmt], under: &[Edge]) {
        for s in stmts {
            self.statement(body, s, under);
            crate::script::independent::each_expr(s, &mut |e| self.calls(e));
        }
    }

    fn statement(&mut self, body: &Body, s: &Stmt, under: &[Edge]) {
        let Some(home) = self.home else { return };
        match &s.kind {
            StmtKind::Let { local, value } => self.set(Node::Value(home, *local), value, None, under),
            StmtKind::SetLocal { local, index, value, .. } => {
                self.set(Node::Value(home, *local), value, None, under);
                for e in index.iter().flat_map(IndexItem::ends) {
                    self.set(Node::Value(home, *local), e, Some(Why::Whole), under);
                }
            }
            StmtKind::SetVar { place, value, .. } => self.set(Node::Var(place.key), value, None, under),
            StmtKind::If { cond, then, els } => {
                let inner = self.chosen(cond, under);
                self.block(body, then, &inner);
                self.block(body, els, &inner);
            }
            StmtKind::While { cond, body: inside } => {
                let inner = self.chosen(cond, under);
                self.block(body, inside, &inner);
            }
            StmtKind::Repeat { body: inside, until } => {
                let inner = self.chosen(until, under);
                self.block(body, inside, &inner);
            }
            StmtKind::ForRange { var, start, end, body: inside } => {
                self.set(Node::Value(home, *var), start, Some(Why::Whole), under);
                self.set(Node::Value(home, *var), end, Some(Why::Whole), under);
                self.block(body, inside, under);
            }
            StmtKind::ForEach { var, values, body: inside } => {
                self.set(Node::Value(home, *var), values, None, under);
                self.block(body, inside, under);
            }
            StmtKind::ForSamples(l) => self.block(body, &l.body, under),
            StmtKind::Return(Some(value)) => {
                if let Home::Procedure(proc) = home {
                    self.set(Node::Returned(proc), value, None, under);
                }
            }
            StmtKind::Call { proc, args } => self.call(*proc, args),
            _ => {}
        }
    }

    fn set(&mut self, node: Node, value: &Expr, why: Option<Why>, under: &[Edge]) {
        let mut edges = under.to_vec();
        leaves(value, self.home, why.map(|why| Gap { why, span: value.span }), &mut edges);
        let gap = match node {
            Node::Var(key) if decl(self.model, key).is_some_and(|d| !matches!(d.ty, Type::Real(_))) => {
                Some(Gap { why: Why::Whole, span: value.span })
            }
            _ => None,
        };
        self.graph.add(node, edges.into_iter().map(|e| Edge { gap: e.gap.or(gap), ..e }).collect());
    }

    /// What statements below a condition depend on.
    fn chosen(&self, cond: &Expr, under: &[Edge]) -> Vec<Edge> {
        let mut inner = under.to_vec();
        leaves(cond, self.home, Some(Gap { why: Why::Choice, span: cond.span }), &mut inner);
        inner
    }

    /// Procedures called in an expression take their arguments.
    fn calls(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Call { proc, args } => self.call(*proc, args),
            ExprKind::With { local, value, .. } => {
                if let Some(home) = self.home {
                    self.set(Node::Value(home, *local), value, None, &[]);
                }
            }
            _ => {}
        }
        walk::children(e, &mut |part| self.calls(part));
    }

    fn call(&mut self, proc: ProcId, args: &[Expr]) {
        let Some(procedure) = self.model.script.procedures.get(proc.index()) else { return };
        for (param, arg) in procedure.params.iter().zip(args) {
            self.set(Node::Value(Home::Procedure(proc), *param), arg, None, &[]);
        }
    }
}

fn leaves(e: &Expr, home: Option<Home>, gap: Option<Gap>, out: &mut Vec<Edge>) {
    let gap_of = |why| gap.or(Some(Gap { why, span: e.span }));
    let discrete = match &e.ty {
        Ty::Num(n) if n.kind == Kind::Int => gap_of(Why::Whole),
        Ty::Num(n) if n.kind == Kind::Bool => gap_of(Why::Truth),
        _ => gap,
    };
    match &e.kind {
        ExprKind::Error => out.push(Edge { to: Node::Unknown, gap }),
        ExprKind::Var(place) => {
            out.push(Edge { to: Node::Var(place.key), gap: discrete });
            selection(&place.select, home, gap, out);
        }
        ExprKind::Local(local) => out.push(match home {
            Some(home) => Edge { to: Node::Value(home, *local), gap: discrete },
            None => Edge { to: Node::Unknown, gap: None },
        }),
        ExprKind::Count(n) => out.push(Edge { to: Node::Spikes(n.view.pop), gap: gap_of(Why::Count(n.view.pop)) }),
        ExprKind::First(n) => out.push(Edge { to: Node::Spikes(n.view.pop), gap: gap_of(Why::First(n.view.pop)) }),
        ExprKind::Metric { metric, of, event, .. } => {
            let pop = of.view.pop;
            let gap = match metric {
                Metric::Rate => gap,
                Metric::Spikes => gap_of(Why::Count(pop)),
                Metric::CvIsi | Metric::Synchrony => gap_of(Why::Metric(metric.name())),
            };
            out.push(Edge { to: event.map_or(Node::Spikes(pop), |k| Node::Event(pop, k)), gap });
        }
        ExprKind::If(cond, a, b) | ExprKind::Select(cond, a, b) => {
            leaves(cond, home, gap.or(Some(Gap { why: Why::Choice, span: cond.span })), out);
            leaves(a, home, discrete, out);
            leaves(b, home, discrete, out);
        }
        ExprKind::Builtin(f, args) => {
            let inside = flat(*f).map_or(discrete, |name| gap_of(Why::Flat(name)));
            args.iter().for_each(|a| leaves(a, home, inside, out));
        }
        ExprKind::Reduce { op: op @ (Reduction::Argmax | Reduction::Argmin), value, .. } => {
            leaves(value, home, gap_of(Why::Place(op.name())), out);
        }
        ExprKind::Index { base, items } => {
            leaves(base, home, discrete, out);
            items.iter().flat_map(IndexItem::ends).for_each(|e| leaves(e, home, gap_of(Why::Whole), out));
        }
        ExprKind::Draw { args, .. } => args.iter().for_each(|a| leaves(a, home, gap_of(Why::Draw), out)),
        ExprKind::With { body, .. } => leaves(body, home, discrete, out),
        ExprKind::Call { proc, .. } => out.push(Edge { to: Node::Returned(*proc), gap: discrete }),
        _ => walk::children(e, &mut |part| leaves(part, home, discrete, out)),
    }
}

/// Which elements are meant is a choice.
fn selection(s: &Select, home: Option<Home>, gap: Option<Gap>, out: &mut Vec<Edge>) {
    walk::select(s, &mut |e| leaves(e, home, gap.or(Some(Gap { why: Why::Whole, span: e.span })), out));
}
