//! The plan of one population: storage, the chosen method's update, the slow states, detection and reaction.

use std::collections::BTreeSet;

use super::lower::{Context, Effects, Lowering};
use super::{Storage, Uses, steps};
use crate::diag::{Code, Diagnostic};
use crate::hir::{ExprKind, Model, PopId, Role, Side, SpikeCond, VarId};
use crate::methods::sym::{Graph, Node, Sym};
use crate::methods::{self, OdeSystem, Update};
use crate::script::machine::{Entity, VarKey};

/// The plan of one population.
#[derive(Debug, Clone)]
pub struct PopPlan {
    /// Which.
    pub pop: PopId,
    /// Its size.
    pub size: u64,
    /// The graph of all symbols below.
    pub graph: Graph,
    /// By variable.
    pub storage: Vec<Storage>,
    /// The states that are integrated every step, in the order of `update`.
    pub integrated: Vec<VarId>,
    /// Which of them are held while refractory.
    pub held: Vec<bool>,
    /// The update of one step; `None` without equations.
    pub update: Option<Update>,
    /// The slow states.
    pub slow: Vec<Slow>,
    /// What makes it spike; `None`: nothing.
    pub spiking: Option<Spiking>,
    /// What spikes do.
    pub on_spike: Effects,
    /// The refractory period in steps, as a real; `None` without the clause.
    pub refractory: Option<Sym>,
    /// The states that deliveries do not reach while refractory.
    pub hold: Vec<VarId>,
    /// The longest delay of its spikes that is the same for all synapses of a projection, in steps: axonal of the projections that
    /// leave it, dendritic of those that reach it.
    pub max_delay: u32,
    /// Inputs that synapses feed: their values are what protocols gave, with the sum of what arrives in this step.
    pub fed: Vec<VarId>,
    /// Blocks of neurons whose states no longer change are left out until something reaches them. Exact: an update without time and
    /// inputs that change gives the same values again. Worth it where few neurons are driven at a time: all input comes one to one.
    pub rests: bool,
    /// Frozen variables (for the description).
    pub frozen: Vec<VarId>,
}

/// A state that decays slowly: dx/dt = a*x + b.
#[derive(Debug, Clone)]
pub struct Slow {
    /// The state.
    pub var: VarId,
    /// Its rate in 1/ms.
    pub a: f64,
    /// Its drive.
    pub b: f64,
    /// Frozen: it does not change.
    pub frozen: bool,
}

/// What makes a neuron spike.
#[derive(Debug, Clone)]
pub enum Spiking {
    /// A level condition on the new states.
    Level(Sym),
    /// `a >= b` now and not at the previous step's end.
    Crosses(Sym, Sym),
    /// A rate in 1/ms, constant during a run: events are drawn beforehand.
    Rate(Sym),
}

/// Rates below 2^-14 per step are slow.
const SLOW: f64 = 1.0 / 16384.0;

/// How the variables of population `p` are stored.
pub(super) fn storage(model: &Model, uses: &Uses, p: usize) -> Vec<Storage> {
    let population = &model.populations[p];
    let neuron = &model.neurons[population.model.index()];
    let mut known: Vec<Option<f64>> = vec![None; neuron.vars.len()];
    let fed = super::fed::fed(model, p);
    // A default may refer to any other parameter: repeat until nothing new becomes known.
    loop {
        let mut changed = false;
        for (k, var) in neuron.vars.iter().enumerate() {
            let id = VarId(k as u32);
            let assigned = uses.assigned.contains(&VarKey { entity: Entity::Pop(PopId(p as u32)), var: id });
            if known[k].is_some() || assigned || fed.contains(&id) || !matches!(var.role, Role::Param | Role::Input) {
                continue;
            }
            let given = population.args.iter().find(|(v, _)| *v == id).map(|(_, e)| e).or(var.init.as_ref());
            let value = match given {
                None => Some(0.0),
                Some(e) => {
                    let constant = |_: Side, v: VarId| known[v.index()];
                    let size = |_: Side| population.size() as f64;
                    let context = Context {
                        constant: &constant,
                        size: &size,
                        lets: &neuron.lets,
                        vars: &neuron.vars,
                        dt: model.settings.dt,
                    };
                    let mut graph = Graph::default();
                    let sym = Lowering::new(&mut graph, &context).expr(e);
                    sym.and_then(|s| graph.as_const(s))
                }
            };
            if value.is_some() {
                known[k] = value;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    known.into_iter().map(|k| k.map_or(Storage::Array, Storage::Constant)).collect()
}

/// Plans population `p`.
pub(super) fn plan(
    model: &Model,
    p: usize,
    storage: Vec<Storage>,
    frozen: &dyn Fn(VarId) -> bool,
    max_delay: u32,
) -> Result<PopPlan, Diagnostic> {
    let population = &model.populations[p];
    let neuron = &model.neurons[population.model.index()];
    let dt = model.settings.dt;
    let mut graph = Graph::default();
    let constant = |_: Side, v: VarId| match storage[v.index()] {
        Storage::Constant(x) => Some(x),
        Storage::Array => None,
    };
    let size = |_: Side| population.size() as f64;
    let context = Context { constant: &constant, size: &size, lets: &neuron.lets, vars: &neuron.vars, dt };
    let unexpected = |span| {
        Diagnostic::new(Code::E0900, span, "a bug in snnc: an equation holds something that only initial values may")
            .help("please report it with this file")
    };

    let hold: Vec<VarId> = neuron.refractory.iter().flat_map(|r| r.hold.iter().copied()).collect();
    let mut slow = Vec::new();
    let mut system = OdeSystem {
        vars: Vec::new(),
        rhs: Vec::new(),
        held: Vec::new(),
        params: (0..neuron.vars.len() as u32)
            .map(VarId)
            .filter(|v| neuron.vars[v.index()].role == Role::Param)
            .collect(),
        dt,
        substeps: neuron.method.as_ref().map_or(1, |m| m.substeps),
    };
    for ode in &neuron.odes {
        let rhs = Lowering::new(&mut graph, &context).expr(&ode.rhs).ok_or_else(|| unexpected(ode.span))?;
        if let Some(s) = slow_state(&mut graph, ode.var, rhs, dt)
            && !hold.contains(&ode.var)
        {
            slow.push(Slow { frozen: frozen(ode.var), ..s });
        } else if !frozen(ode.var) {
            system.vars.push(ode.var);
            system.rhs.push(rhs);
            system.held.push(hold.contains(&ode.var));
        }
    }
    let update = if system.vars.is_empty() {
        None
    } else {
        let named = neuron.method.as_ref().map(|m| m.name.as_str());
        Some(methods::plan(&mut graph, &system, named).map_err(|e| {
            let method = neuron.method.as_ref();
            let name = &neuron.vars[e.var.index()].name;
            let ode = neuron.odes.iter().find(|o| o.var == e.var).map_or(neuron.span, |o| o.span);
            let d = Diagnostic::new(
                Code::E0306,
                method.map_or(ode, |m| m.span),
                format!(
                    "method `{}` cannot solve `{}`: the equation of `{name}` {}",
                    method.map_or("exact", |m| &m.name),
                    neuron.name,
                    e.why
                ),
            )
            .also(ode, format!("this equation {}", e.why));
            let names: Vec<&str> = methods::METHODS.iter().map(|m| m.name).collect();
            d.help(format!(
                "remove the `method` line to let the compiler choose, or use another one of {}",
                names.join(", ")
            ))
        })?)
    };

    let spiking = match &neuron.spike {
        None => None,
        Some(clause) => {
            let mut low = |e| Lowering::new(&mut graph, &context).expr(e).ok_or_else(|| unexpected(clause.span));
            Some(match &clause.cond {
                SpikeCond::Level(e) => Spiking::Level(low(e)?),
                SpikeCond::Crosses(a, b) => Spiking::Crosses(low(a)?, low(b)?),
                SpikeCond::Rate(e) => Spiking::Rate(low(e)?),
            })
        }
    };
    let fed = super::fed::fed(model, p);
    if let (Some(Spiking::Rate(rate)), Some(clause)) = (&spiking, &neuron.spike)
        && let Some(v) = fed.iter().find(|v| graph.any(*rate, &|n| matches!(n, Node::Var(_, u, _) if u == *v)))
    {
        let name = &neuron.vars[v.index()].name;
        return Err(Diagnostic::new(
            Code::E0901,
            clause.span,
            format!("a spike rate that depends on what synapses add to `{name}` is not supported yet"),
        )
        .also(neuron.vars[v.index()].span, "synapses feed this input")
        .help("use a threshold on a state, or drive the rate by parameters and inputs that no synapse feeds"));
    }
    let on_spike =
        Lowering::new(&mut graph, &context).block(&neuron.on_spike, frozen).ok_or_else(|| unexpected(neuron.span))?;
    let refractory = match &neuron.refractory {
        None => None,
        Some(r) => {
            let t = Lowering::new(&mut graph, &context).expr(&r.duration).ok_or_else(|| unexpected(r.span))?;
            // To the nearest step; exact where the period is constant.
            Some(match graph.as_const(t) {
                Some(x) => graph.real(steps(x, dt)),
                None => {
                    let n = graph.scale(t, 1.0 / dt);
                    graph.call(crate::builtins::Builtin::Round, &[n])
                }
            })
        }
    };
    let frozen = (0..neuron.vars.len() as u32).map(VarId).filter(|v| frozen(*v)).collect();
    Ok(PopPlan {
        pop: PopId(p as u32),
        size: population.size(),
        graph,
        storage,
        integrated: system.vars,
        held: system.held,
        update,
        slow,
        spiking,
        on_spike,
        refractory,
        hold,
        max_delay,
        fed,
        rests: false,
        frozen,
    })
}

/// The closed form of a slow state, if it is one.
fn slow_state(graph: &mut Graph, var: VarId, rhs: Sym, dt: f64) -> Option<Slow> {
    let x = graph.own(var);
    let (a, b) = graph.linear(rhs, x)?;
    let (a, b) = (graph.as_const(a)?, graph.as_const(b)?);
    (a < 0.0 && (a * dt).abs() < SLOW).then_some(Slow { var, a, b, frozen: false })
}

/// The variables whose initial value is one constant, with it, given which variables are constant.
pub(super) fn constant_init(
    model: &Model,
    e: Option<&crate::hir::Expr>,
    lets: &[crate::hir::LetDecl],
    vars: &[crate::hir::VarDecl],
    known: &dyn Fn(Side, VarId) -> Option<f64>,
) -> Option<f64> {
    let Some(e) = e else { return Some(0.0) };
    let size = |_: Side| f64::NAN;
    if mentions_size(e) {
        return None;
    }
    let context = Context { constant: known, size: &size, lets, vars, dt: model.settings.dt };
    let mut graph = Graph::default();
    let s = Lowering::new(&mut graph, &context).expr(e)?;
    graph.as_const(s)
}

/// Whether an expression mentions a population's size directly (its `let`s are looked into by nobody: they are rare in initial values).
fn mentions_size(e: &crate::hir::Expr) -> bool {
    match &e.kind {
        ExprKind::Size(_) | ExprKind::Let(_) => true,
        ExprKind::Unary(_, a) | ExprKind::ToReal(a) | ExprKind::Table(_, a) => mentions_size(a),
        ExprKind::Binary(_, a, b) => mentions_size(a) || mentions_size(b),
        ExprKind::If(a, b, c) => mentions_size(a) || mentions_size(b) || mentions_size(c),
        ExprKind::Call(_, args) | ExprKind::Draw { args, .. } => args.iter().any(mentions_size),
        ExprKind::Const(_)
        | ExprKind::Bool(_)
        | ExprKind::Var(..)
        | ExprKind::Local(_)
        | ExprKind::Time
        | ExprKind::Dt
        | ExprKind::Index(_)
        | ExprKind::FileArray { .. }
        | ExprKind::EdgeColumn(_) => false,
    }
}

/// The variables that the reactions of a population write.
#[must_use]
pub fn written(plan: &PopPlan) -> BTreeSet<VarId> {
    plan.on_spike.assigns.iter().map(|(v, _)| *v).collect()
}
