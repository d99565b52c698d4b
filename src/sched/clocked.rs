//! Which states of a synapse are event-driven and which must be advanced at every step, and what is injected continuously.
//!
//! A state is event-driven when it relaxes by itself between events: its equation is linear in itself with constant coefficients, and
//! nothing needs its value at every step. All other states are *clocked*: they are integrated together at every step, from the values of
//! t_n, by the method that their equations admit. A state that a clocked equation or an `inject` reads is clocked too.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::lower::{Context, Lowering};
use super::projection::Lazy;
use super::{Place, Plan};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{Model, Projection, Role, Rule, Select, Side, SynapseModel, VarId, View};
use crate::methods::sym::{Graph, Node, Sym};
use crate::methods::{self, OdeSystem, Update};
use crate::source::Span;

/// What happens to the synapses of a projection at every step.
#[derive(Debug, Clone, Default)]
pub struct Clocked {
    /// The states advanced, in the order of `update`.
    pub vars: Vec<VarId>,
    /// Their new values, bounds applied; `None` where nothing is advanced.
    pub update: Option<Update>,
    /// Amounts added to the target input, from the values of t_n.
    pub injects: Vec<Sym>,
    /// Whether all post neurons get the same from `injects`: it is summed over the pre neurons once.
    pub alike: bool,
    /// For each clocked state (frozen or not) why it cannot be event-driven, with its equation.
    pub why: Vec<(VarId, String, Span)>,
}

/// A clocked state.
#[derive(Debug, Clone)]
pub(super) struct Stepped {
    pub(super) var: VarId,
    rhs: Sym,
    why: String,
    span: Span,
}

/// Event-driven states by variable, clocked ones, and the injected amounts.
type Sorted = (Vec<Option<Lazy>>, Vec<Stepped>, Vec<Sym>);

/// Sorts the equations of a synapse.
pub(super) fn classify(
    graph: &mut Graph,
    context: &Context<'_>,
    projection: &Projection,
) -> Result<Sorted, Diagnostic> {
    let synapse = &projection.synapse;
    let unexpected = |span| {
        Diagnostic::new(Code::E0900, span, "a bug in snnc: an equation holds something that only initial values may")
            .help("please report it with this file")
    };
    let mut injects = Vec::new();
    for e in &synapse.injects {
        injects.push(Lowering::new(graph, context).expr(e).ok_or_else(|| unexpected(e.span))?);
    }
    let mut lazy: Vec<Option<Lazy>> = vec![None; synapse.vars.len()];
    let mut waiting = Vec::new();
    let mut stepped: Vec<Stepped> = Vec::new();
    for ode in &synapse.odes {
        let rhs = Lowering::new(graph, context).expr(&ode.rhs).ok_or_else(|| unexpected(ode.span))?;
        if methods::noise::split(graph, rhs, synapse.noises.len() as u32).is_none() {
            return Err(super::population::bent(&synapse.vars, &synapse.lets, ode));
        }
        match event_driven(graph, synapse, ode.var, rhs) {
            Ok(l) => {
                lazy[ode.var.index()] = Some(l);
                waiting.push(Stepped { var: ode.var, rhs, why: String::new(), span: ode.span });
            }
            Err(why) => stepped.push(Stepped { var: ode.var, rhs, why, span: ode.span }),
        }
    }
    loop {
        let found = waiting.iter().enumerate().find_map(|(k, s)| {
            let x = graph.own(s.var);
            let name = |v: VarId| synapse.vars[v.index()].name.clone();
            if injects.iter().any(|e| graph.depends(*e, x)) {
                return Some((k, format!("`inject` reads `{}` at every step", name(s.var))));
            }
            let reader = stepped.iter().find(|r| graph.depends(r.rhs, x))?;
            Some((k, format!("the equation of `{}` reads `{}` at every step", name(reader.var), name(s.var))))
        });
        let Some((k, why)) = found else { break };
        let s = waiting.remove(k);
        lazy[s.var.index()] = None;
        stepped.push(Stepped { why, ..s });
    }
    stepped.sort_by_key(|s| synapse.odes.iter().position(|o| o.var == s.var));
    Ok((lazy, stepped, injects))
}

/// The closed form of a synaptic state between events, or why it has none.
fn event_driven(graph: &mut Graph, synapse: &SynapseModel, var: VarId, rhs: Sym) -> Result<Lazy, String> {
    let x = graph.own(var);
    let decl = &synapse.vars[var.index()];
    let name = &decl.name;
    if decl.role != Role::State {
        return Err(format!("the weight `{name}` has an equation of its own"));
    }
    let steady = |graph: &Graph, s: Sym| {
        !graph.any(s, &|n| match n {
            Node::Var(Side::Own, v, _) => synapse.vars[v.index()].role != Role::Param,
            Node::Var(..) | Node::Time | Node::Timed(..) | Node::Other(..) => true,
            _ => false,
        })
    };
    if graph.any(rhs, &|n| matches!(n, Node::Noise(_))) {
        return Err(format!("the equation of `{name}` has white noise"));
    }
    match graph.linear(rhs, x) {
        None => Err(format!("the equation of `{name}` is not linear in `{name}`")),
        Some((a, b)) if graph.as_const(a).is_some() && graph.as_const(b).is_some() => {
            let to_zero = graph.as_const(b) == Some(0.0);
            Ok(Lazy { a, b, to_zero })
        }
        Some((a, b)) if steady(graph, a) && steady(graph, b) => {
            Err(format!("the time constant of `{name}` differs between synapses, or a protocol assigns it"))
        }
        Some(_) => Err(format!("the equation of `{name}` depends on something that changes between events")),
    }
}

/// Synapses beyond which advancing them at every step is worth a warning.
const MANY: f64 = 1e6;

/// Warns of large projections whose synapses are all advanced at every step.
pub fn warn(model: &Model, plan: &Plan, sink: &mut Sink) {
    for p in plan.projections.iter().filter(|p| is_slow(model, p)) {
        let projection = &model.projections[p.proj.index()];
        let n = estimate(model, projection);
        let Some((var, why, span)) = p.clocked.why.first() else { continue };
        let name = &projection.synapse.vars[var.index()].name;
        sink.push(
            Diagnostic::new(
                Code::W0707,
                projection.span,
                format!("`{name}` of about {n:.1e} synapses is advanced at every step"),
            )
            .label("this will dominate the time of a run")
            .also(*span, why.clone())
            .help("if it may change at spikes only, write the change in `on pre` or `on post`"),
        );
    }
}

/// Whether a projection is told because its many synapses are all advanced at every step.
pub(super) fn is_slow(model: &Model, plan: &super::ProjPlan) -> bool {
    !plan.clocked.why.is_empty() && estimate(model, &model.projections[plan.proj.index()]) > MANY
}

/// About how many synapses a projection will have.
fn estimate(model: &Model, projection: &Projection) -> f64 {
    let count = |view: &View| match &view.select {
        Select::All => model.populations[view.pop.index()].size() as f64,
        Select::Range(a, b) => (b - a) as f64,
        Select::List(list) => list.len() as f64,
    };
    let (pre, post) = (count(&projection.pre), count(&projection.post));
    match &projection.rule {
        Rule::AllToAll => pre * post,
        Rule::OneToOne => pre,
        Rule::Random { p, .. } => p * pre * post,
        // A bound: what the grid allows is known when the rule is carried out.
        Rule::Distance { p, lambda } => p * pre * post.min((lambda * 1.8).powi(3).max(1.0)),
        Rule::Pool { .. } => pre,
        Rule::Conv { kernel, .. } => {
            let channels = match model.populations[projection.pre.pop.index()].shape.as_slice() {
                [c, _, _] => *c as f64,
                _ => 1.0,
            };
            (*kernel as f64).powi(2) * channels * post
        }
        Rule::FixedIndegree { k, .. } => *k as f64 * post,
        Rule::FixedOutdegree { k, .. } => *k as f64 * pre,
        Rule::FixedTotal { n, .. } => *n as f64,
        // Known when the file is read.
        Rule::Edges { .. } => 0.0,
    }
}

/// Whether amounts that every pre neuron injects into every post neuron are the same for all of these.
pub(super) fn alike(graph: &Graph, injects: &[Sym], place: &[Place]) -> bool {
    let of_post = |n: &Node| match n {
        Node::Var(Side::Post, ..) | Node::Index(Side::Post) => true,
        Node::Var(Side::Own, v, _) => matches!(place[v.index()], Place::Synapse | Place::Post),
        _ => false,
    };
    !injects.is_empty() && !injects.iter().any(|e| graph.any(*e, &of_post))
}

/// The variables of the neurons at one end that some of these amounts read, ascending.
pub(super) fn read_of(graph: &Graph, injects: &[Sym], of: Side) -> Vec<VarId> {
    let found = RefCell::new(BTreeSet::new());
    for e in injects {
        graph.any(*e, &|n| {
            if let Node::Var(side, v, _) = n
                && *side == of
            {
                found.borrow_mut().insert(*v);
            }
            false
        });
    }
    found.into_inner().into_iter().collect()
}

/// Whether an equation of another state, or an `inject`, reads `v`.
pub(super) fn is_read(
    graph: &mut Graph,
    stepped: &[Stepped],
    injects: &[Sym],
    v: VarId,
    ignore: &dyn Fn(VarId) -> bool,
) -> bool {
    let x = graph.own(v);
    injects.iter().any(|e| graph.depends(*e, x))
        || stepped.iter().any(|s| s.var != v && !ignore(s.var) && graph.depends(s.rhs, x))
}

/// The update of the clocked states that are neither frozen nor dead.
pub(super) fn plan(
    graph: &mut Graph,
    context: &Context<'_>,
    synapse: &SynapseModel,
    stepped: Vec<Stepped>,
    injects: Vec<Sym>,
    ignore: &dyn Fn(VarId) -> bool,
) -> Result<Clocked, Diagnostic> {
    let moving: Vec<&Stepped> = stepped.iter().filter(|s| !ignore(s.var)).collect();
    let mut noise: Vec<Vec<Sym>> = vec![Vec::new(); synapse.noises.len()];
    let mut rhs = Vec::new();
    for s in &moving {
        // That noise enters linearly has been made sure of.
        let (drift, strengths) = methods::noise::split(graph, s.rhs, noise.len() as u32).unwrap_or((s.rhs, Vec::new()));
        rhs.push(drift);
        for (column, g) in noise.iter_mut().zip(strengths) {
            column.push(g);
        }
    }
    let system = OdeSystem {
        vars: moving.iter().map(|s| s.var).collect(),
        rhs,
        noise,
        held: vec![false; moving.len()],
        // Matrices are made for whole projections only: coefficients that differ between synapses are no constants here.
        params: Vec::new(),
        dt: context.dt,
        substeps: synapse.method.as_ref().map_or(1, |m| m.substeps),
    };
    let mut update = None;
    if !system.vars.is_empty() {
        let named = synapse.method.as_ref().map(|m| m.name.as_str());
        if named.is_none()
            && let Some(k) = methods::noise::multiplicative(graph, &system)
        {
            return Err(super::population::two_calculi(&synapse.vars, &synapse.lets, &synapse.odes, system.vars[k]));
        }
        let mut planned = methods::plan(graph, &system, named);
        // Matrices that differ between synapses would be kept for each of them: solved one equation at a time instead.
        if planned.as_ref().is_ok_and(|u| !u.derived.is_empty()) {
            planned = if named == Some("exact") {
                Err(methods::NotApplicable {
                    var: system.vars[0],
                    why: "has coefficients that differ between synapses".to_owned(),
                })
            } else {
                let instead = if system.noisy(graph).is_some() { "euler_maruyama" } else { "exp_euler" };
                methods::plan(graph, &system, Some(instead))
            };
        }
        let mut u = planned.map_err(|e| {
            let ode = stepped.iter().find(|s| s.var == e.var).map_or(synapse.span, |s| s.span);
            let method = synapse.method.as_ref();
            Diagnostic::new(
                Code::E0306,
                method.map_or(ode, |m| m.span),
                format!(
                    "method `{}` cannot solve `{}`: the equation of `{}` {}",
                    method.map_or("exact", |m| &m.name),
                    synapse.name,
                    synapse.vars[e.var.index()].name,
                    e.why
                ),
            )
            .also(ode, format!("this equation {}", e.why))
            .help("remove the `method` line to let the compiler choose")
        })?;
        for (new, v) in u.new.iter_mut().zip(&system.vars) {
            let bounded = Lowering::new(graph, context).bounded(*v, *new);
            *new = bounded.ok_or_else(|| {
                Diagnostic::new(Code::E0900, synapse.span, "a bug in snnc: a bound is no expression of the model")
                    .help("please report it with this file")
            })?;
        }
        update = Some(u);
    }
    Ok(Clocked {
        vars: system.vars,
        update,
        injects,
        alike: false,
        why: stepped.into_iter().map(|s| (s.var, s.why, s.span)).collect(),
    })
}
