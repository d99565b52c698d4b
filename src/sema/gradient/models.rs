//! What the variables of populations and projections depend on: equations, handlers, spike conditions, deliveries, arguments.

use crate::builtins::Builtin;
use crate::hir::{
    BinaryOp, DelayKind, Expr, ExprKind, LetDecl, LetId, Model, PopId, Population, ProjId, Projection, Side, SpikeCond,
    Stmt, StmtKind, Type, UnaryOp, VarDecl, VarId,
};
use crate::script::decl;
use crate::script::machine::{Entity, VarKey};
use crate::source::{FileId, Span};

use super::graph::{Edge, Gap, Graph, Node, Why};

/// Enters all populations and projections.
pub(super) fn enter(model: &Model, prelude: FileId, graph: &mut Graph) {
    for (pop, k) in model.populations.iter().zip(0..) {
        population(model, PopId(k), pop, prelude, graph);
    }
    for (proj, k) in model.projections.iter().zip(0..) {
        projection(model, ProjId(k), proj, prelude, graph);
    }
}

/// One population or projection.
struct Part<'a> {
    model: &'a Model,
    entity: Entity,
    /// The neurons at the ends of a projection.
    ends: Option<(PopId, PopId)>,
    /// Where it is declared, for what is written in the prelude.
    span: Span,
    prelude: FileId,
}

/// How often and whether a statement is executed depends on these.
#[derive(Clone, Default)]
struct Under {
    edges: Vec<Edge>,
}

fn population(model: &Model, id: PopId, pop: &Population, prelude: FileId, graph: &mut Graph) {
    let Some(neuron) = model.neurons.get(pop.model.index()) else { return };
    let part = Part { model, entity: Entity::Pop(id), ends: None, span: pop.span, prelude };
    part.variables(&neuron.vars, |v| pop.given(&neuron.vars, v), graph);
    part.lets(&neuron.lets, graph);
    for ode in &neuron.odes {
        graph.add(part.own(ode.var), part.of(&ode.rhs));
    }
    let spikes = Node::Spikes(id);
    if let Some(spike) = &neuron.spike {
        graph.add(spikes, part.condition(&spike.cond, id));
    }
    if let Some(r) = &neuron.refractory {
        graph.add(spikes, part.over(&r.duration, part.gap(Why::Steps("a refractory period"), r.span)));
    }
    let on = |node| Under { edges: vec![Edge { to: node, gap: None }] };
    part.block(&neuron.on_spike, &on(spikes), graph);
    part.block(&neuron.on_release, &on(spikes), graph);
    for (event, k) in neuron.events.iter().zip(0..) {
        graph.add(Node::Event(id, k), part.condition(&event.cond, id));
        part.block(&event.on, &on(Node::Event(id, k)), graph);
    }
    for every in &neuron.every {
        let edges = part.over(&every.period, part.gap(Why::Steps("a period"), every.span));
        part.block(&every.body, &Under { edges }, graph);
    }
}

fn projection(model: &Model, id: ProjId, proj: &Projection, prelude: FileId, graph: &mut Graph) {
    let synapse = &proj.synapse;
    let ends = Some((proj.pre.pop, proj.post.pop));
    let part = Part { model, entity: Entity::Proj(id), ends, span: proj.span, prelude };
    part.variables(&synapse.vars, |v| proj.given(v), graph);
    part.lets(&synapse.lets, graph);
    for ode in &synapse.odes {
        graph.add(part.own(ode.var), part.of(&ode.rhs));
    }
    let target = proj.target.map(|var| Node::Var(VarKey { entity: Entity::Pop(proj.post.pop), var }));
    if let Some(target) = target {
        for e in &synapse.injects {
            graph.add(target, part.of(e));
        }
        for (kind, delay) in DelayKind::ALL.into_iter().zip(proj.delays()) {
            let Some(delay) = delay else { continue };
            graph.add(target, part.over(delay, part.gap(Why::delay(kind), delay.span)));
        }
    }
    let on = |node| Under { edges: vec![Edge { to: node, gap: None }] };
    let pre = proj.event.map_or(Node::Spikes(proj.pre.pop), |e| Node::Event(proj.pre.pop, e));
    part.block(&synapse.on_pre, &on(pre), graph);
    part.block(synapse.on_post.as_deref().unwrap_or_default(), &on(Node::Spikes(proj.post.pop)), graph);
    for event in &synapse.events {
        let edges = part.condition(&event.cond, proj.post.pop);
        part.block(&event.on, &Under { edges }, graph);
    }
    for every in &synapse.every {
        let edges = part.over(&every.period, part.gap(Why::Steps("a period"), every.span));
        part.block(&every.body, &Under { edges }, graph);
    }
}

impl<'a> Part<'a> {
    fn own(&self, var: VarId) -> Node {
        Node::Var(VarKey { entity: self.entity, var })
    }

    /// A gap where it is written; at the declaration for what stands in the prelude.
    fn gap(&self, why: Why, span: Span) -> Gap {
        Gap { why, span: if span.file == self.prelude { self.span } else { span } }
    }

    fn variables(&self, vars: &'a [VarDecl], given: impl Fn(VarId) -> Option<&'a Expr>, graph: &mut Graph) {
        for (decl, k) in vars.iter().zip(0..) {
            let bounds = decl.bounds.iter().flat_map(|(lo, hi)| [lo, hi]);
            for e in given(VarId(k)).into_iter().chain(bounds) {
                graph.add(self.own(VarId(k)), self.of(e));
            }
        }
    }

    fn lets(&self, lets: &[LetDecl], graph: &mut Graph) {
        for (decl, k) in lets.iter().zip(0..) {
            graph.add(Node::Let(self.entity, LetId(k)), self.of(&decl.value));
        }
    }

    /// What happens in a handler.
    fn block(&self, stmts: &[Stmt], under: &Under, graph: &mut Graph) {
        for s in stmts {
            let (node, value) = match &s.kind {
                StmtKind::Assign { var, value, .. } => (self.own(*var), value),
                StmtKind::Local { id, value } => (Node::Local(self.entity, *id), value),
                StmtKind::Deliver { value, target } => {
                    let Some((_, post)) = self.ends else { continue };
                    (Node::Var(VarKey { entity: Entity::Pop(post), var: *target }), value)
                }
                StmtKind::If { cond, then, els } => {
                    let mut inner = under.clone();
                    inner.edges.extend(self.over(cond, self.gap(Why::Choice, cond.span)));
                    self.block(then, &inner, graph);
                    self.block(els, &inner, graph);
                    continue;
                }
            };
            let mut edges = self.of(value);
            edges.extend(&under.edges);
            graph.add(node, edges);
        }
    }

    /// What a condition depends on: the derivative of a spike is that of the surrogate, by the difference of the sides.
    fn condition(&self, cond: &SpikeCond, pop: PopId) -> Vec<Edge> {
        match cond {
            SpikeCond::Level(e) => {
                let mut out = Vec::new();
                self.sides(e, &mut out);
                out
            }
            SpikeCond::Crosses(a, b) => [self.of(a), self.of(b)].concat(),
            SpikeCond::Rate(e) => self.over(e, self.gap(Why::RandomSpikes(pop), e.span)),
        }
    }

    fn sides(&self, e: &Expr, out: &mut Vec<Edge>) {
        use BinaryOp as B;
        match &e.kind {
            ExprKind::Binary(B::And | B::Or, a, b) => {
                self.sides(a, out);
                self.sides(b, out);
            }
            ExprKind::Unary(UnaryOp::Not, a) => self.sides(a, out),
            ExprKind::Binary(B::Lt | B::Le | B::Gt | B::Ge, a, b) => {
                self.leaves(a, None, out);
                self.leaves(b, None, out);
            }
            // A condition that has a name: it may be a comparison.
            ExprKind::Let(id) => out.push(Edge { to: Node::Let(self.entity, *id), gap: None }),
            _ => self.leaves(e, None, out),
        }
    }

    /// What an expression depends on.
    fn of(&self, e: &Expr) -> Vec<Edge> {
        let mut out = Vec::new();
        self.leaves(e, None, &mut out);
        out
    }

    /// The same, all of it without derivative.
    fn over(&self, e: &Expr, gap: Gap) -> Vec<Edge> {
        let mut out = Vec::new();
        self.leaves(e, Some(gap), &mut out);
        out
    }

    fn leaves(&self, e: &Expr, gap: Option<Gap>, out: &mut Vec<Edge>) {
        let gap_of = |why| gap.or(Some(self.gap(why, e.span)));
        let variable = |key: VarKey, out: &mut Vec<Edge>| {
            let gap = match decl(self.model, key).map(|d| d.ty) {
                Some(Type::Int) => gap_of(Why::Whole),
                Some(Type::Bool) => gap_of(Why::Truth),
                _ => gap,
            };
            out.push(Edge { to: Node::Var(key), gap });
        };
        let here = if e.ty == Type::Bool { gap_of(Why::Truth) } else { gap };
        match &e.kind {
            ExprKind::Var(side, var) => {
                let entity = match (side, self.ends) {
                    (Side::Pre, Some((pre, _))) => Entity::Pop(pre),
                    (Side::Post, Some((_, post))) => Entity::Pop(post),
                    _ => self.entity,
                };
                variable(VarKey { entity, var: *var }, out);
            }
            ExprKind::Other(pop, var) => variable(VarKey { entity: Entity::Pop(*pop), var: *var }, out),
            ExprKind::Let(id) => out.push(Edge { to: Node::Let(self.entity, *id), gap: here }),
            ExprKind::Local(id) => out.push(Edge { to: Node::Local(self.entity, *id), gap: here }),
            ExprKind::If(cond, a, b) => {
                self.leaves(cond, gap.or(Some(self.gap(Why::Choice, cond.span))), out);
                self.leaves(a, here, out);
                self.leaves(b, here, out);
            }
            ExprKind::Table(_, index) => self.leaves(index, gap_of(Why::Whole), out),
            ExprKind::Draw { args, .. } => args.iter().for_each(|a| self.leaves(a, gap_of(Why::Draw), out)),
            ExprKind::Call(f, args) => {
                let inside = flat(*f).map_or(here, |name| gap_of(Why::Flat(name)));
                args.iter().for_each(|a| self.leaves(a, inside, out));
            }
            _ => e.each_part(&mut |part| self.leaves(part, here, out)),
        }
    }
}

/// The name of a function that is constant between its jumps.
pub(super) fn flat(f: Builtin) -> Option<&'static str> {
    Some(match f {
        Builtin::Floor => "floor",
        Builtin::Ceil => "ceil",
        Builtin::Round => "round",
        Builtin::Sign => "sign",
        Builtin::Heaviside => "heaviside",
        _ => return None,
    })
}
