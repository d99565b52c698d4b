//! The plan of one population: storage, the chosen method's update, the slow states, detection and reaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::lower::{Context, DrawKind, Effects, Lowering};
use super::{Storage, Uses, steps};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind, Model, NeuronModel, PopId, Role, Side, SpikeCond, VarDecl, VarId};
use crate::methods::sym::{Bin, Graph, Node, Sym};
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
    /// Its other events, in order of the file.
    pub events: Vec<EventPlan>,
    /// What happens when a refractory period ends; `None` without the block.
    pub release: Option<Effects>,
    /// Periodic code, in order of the file.
    pub every: Vec<EveryPlan>,
    /// Parameters and inputs that follow the time, states or other populations: their values at a step's start, in order of
    /// dependency.
    pub live: Vec<(VarId, Sym)>,
    /// The random numbers of a step, by the number of their `Draw`.
    pub draws: Vec<Draw>,
    /// The tables of `timed`, the same for all plans of a network.
    pub tables: Vec<Arc<[f64]>>,
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
    /// States kept as one shared value and a deviation for each neuron: see `sharing`.
    pub shared: Vec<VarId>,
    /// By variable: below this size a deviation from a shared value counts as zero; see `faint`. 0: it never does.
    pub faint: Vec<f64>,
    /// How its states go on while nothing happens, if the network may pass over such steps; see `leap`.
    pub leap: Option<super::leap::Leap>,
    /// Blocks in which no neuron is refractory or deviates from a shared value are advanced by simpler code. Exact.
    pub calms: bool,
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

/// An event of a neuron.
#[derive(Debug, Clone)]
pub struct EventPlan {
    /// When it happens: a level or a crossing.
    pub cond: Spiking,
    /// What it does.
    pub on: Effects,
    /// The longest delay of the projections that it drives, in steps.
    pub max_delay: u32,
}

/// Periodic code.
#[derive(Debug, Clone)]
pub struct EveryPlan {
    /// The period in steps.
    pub period: u32,
    /// What it does.
    pub effects: Effects,
}

/// Random numbers, one per neuron and step: numbers `step*of + number` of a stream, with the step counted from the run's start.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// The stream's path without the population's name.
    pub stream: String,
    /// Derives a stream of its own from that, if not 0.
    pub sub: u32,
    /// Which of the stream's numbers of a step.
    pub number: u32,
    /// How many numbers a step takes from the stream.
    pub of: u32,
    /// What is drawn.
    pub kind: DrawKind,
    /// Drawn only at multiples of this many steps since the network's start.
    pub period: u32,
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
    /// Spikes given as lists.
    Listed,
    /// A rate that changes: the condition that this step's random number lies below the probability of a spike.
    Hazard(Sym),
}

/// The longest delays, in steps.
#[derive(Debug, Clone, Default)]
pub(super) struct Delays {
    /// Of spikes.
    pub(super) spikes: u32,
    /// Of other events, by number.
    pub(super) events: Vec<u32>,
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

/// Plans population `p`. `delays` are the longest delays of the projections that its spikes and its other events drive, in steps.
pub(super) fn plan(
    model: &Model,
    p: usize,
    storage: Vec<Storage>,
    frozen: &dyn Fn(VarId) -> bool,
    delays: &Delays,
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

    let live = model.live(PopId(p as u32));
    let hold: Vec<VarId> = neuron.refractory.iter().flat_map(|r| r.hold.iter().copied()).collect();
    let mut slow = Vec::new();
    let mut system = OdeSystem {
        vars: Vec::new(),
        rhs: Vec::new(),
        held: Vec::new(),
        noise: vec![Vec::new(); neuron.noises.len()],
        params: (0..neuron.vars.len() as u32)
            .map(VarId)
            .filter(|v| neuron.vars[v.index()].role == Role::Param && !live[v.index()])
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
            let (drift, strengths) = methods::noise::split(&mut graph, rhs, neuron.noises.len() as u32)
                .ok_or_else(|| bent(&neuron.vars, &neuron.lets, ode))?;
            system.vars.push(ode.var);
            system.rhs.push(drift);
            for (column, g) in system.noise.iter_mut().zip(strengths) {
                column.push(g);
            }
            system.held.push(hold.contains(&ode.var));
        }
    }
    let update = if system.vars.is_empty() {
        None
    } else {
        let named = neuron.method.as_ref().map(|m| m.name.as_str());
        if named.is_none()
            && let Some(k) = methods::noise::multiplicative(&mut graph, &system)
        {
            return Err(two_calculi(&neuron.vars, &neuron.lets, &neuron.odes, system.vars[k]));
        }
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
            let solves = |m: &&str| methods::plan(&mut graph, &system, Some(m)).is_ok();
            let names: Vec<&str> = names.into_iter().filter(solves).collect();
            let list = names.join(", ");
            // Which integral is meant only the method can say.
            d.help(if methods::noise::multiplicative(&mut graph, &system).is_some() {
                format!("use one of {list}")
            } else {
                format!("remove the `method` line to let the compiler choose, or use one of {list}")
            })
        })?)
    };

    let fed = super::fed::fed(model, p);
    let mut draws: Vec<Draw> = update.iter().flat_map(|u| &u.draws).map(|d| noise_draw(&neuron.noises, *d)).collect();
    let spiking = match &neuron.spike {
        None => None,
        Some(_) if population.play.is_some() => Some(Spiking::Listed),
        Some(clause) => {
            let mut low = |e| Lowering::new(&mut graph, &context).expr(e).ok_or_else(|| unexpected(clause.span));
            Some(match &clause.cond {
                SpikeCond::Level(e) => Spiking::Level(low(e)?),
                SpikeCond::Crosses(a, b) => Spiking::Crosses(low(a)?, low(b)?),
                SpikeCond::Rate(e) => {
                    let rate = low(e)?;
                    // What synapses add to an input differs from step to step.
                    let hears = graph.any(rate, &|n| matches!(n, Node::Var(Side::Own, v, _) if fed.contains(v)));
                    if hears || varies(&graph, neuron, &live, rate) {
                        Spiking::Hazard(hazard(&mut graph, rate, dt, &mut draws))
                    } else {
                        Spiking::Rate(rate)
                    }
                }
            })
        }
    };
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
    let mut events = Vec::new();
    for (k, event) in neuron.events.iter().enumerate() {
        let mut low = |e| Lowering::new(&mut graph, &context).expr(e).ok_or_else(|| unexpected(event.span));
        let cond = match &event.cond {
            SpikeCond::Level(e) => Spiking::Level(low(e)?),
            SpikeCond::Crosses(a, b) => Spiking::Crosses(low(a)?, low(b)?),
            SpikeCond::Rate(_) => return Err(unexpected(event.span)),
        };
        let on = Lowering::new(&mut graph, &context).block(&event.on, frozen).ok_or_else(|| unexpected(event.span))?;
        events.push(EventPlan { cond, on, max_delay: delays.events.get(k).copied().unwrap_or(0) });
    }
    let release = if neuron.on_release.is_empty() {
        None
    } else {
        let block = Lowering::new(&mut graph, &context).block(&neuron.on_release, frozen);
        Some(block.ok_or_else(|| unexpected(neuron.span))?)
    };
    let mut every = Vec::new();
    for (k, clause) in neuron.every.iter().enumerate() {
        let period = Lowering::new(&mut graph, &context).expr(&clause.period);
        let period = period.and_then(|s| graph.as_const(s)).map(|x| steps(x, dt)).filter(|n| *n >= 1.0);
        let Some(period) = period.filter(|n| *n <= f64::from(1 << 30)) else {
            return Err(bad_period(clause, dt, "population", "neurons"));
        };
        let steady = |graph: &Graph, s: Sym| !varies(graph, neuron, &live, s);
        let (effects, taken) = Lowering::new(&mut graph, &context)
            .drawing_block(&clause.body, frozen, draws.len() as u32, &steady)
            .ok_or_else(|| unexpected(clause.span))?;
        draws.extend(taken.iter().map(|d| every_draw(k, d, period as u32)));
        every.push(EveryPlan { period: period as u32, effects });
    }
    if population.size().next_multiple_of(16).saturating_mul(draws.len() as u64) > i32::MAX as u64 {
        return Err(Diagnostic::new(
            Code::E0902,
            population.span,
            format!("`{}` takes {} random numbers per neuron and step", population.name, draws.len()),
        )
        .help("make the population smaller, or use fewer sub-steps"));
    }
    for v in (0..neuron.vars.len() as u32).map(VarId).filter(|v| live[v.index()]) {
        let Some(e) = population.given(&neuron.vars, v) else { continue };
        let once = |e: &Expr| matches!(e.kind, ExprKind::Draw { .. } | ExprKind::FileArray { .. });
        if e.any(&neuron.lets, &once) {
            let name = &neuron.vars[v.index()].name;
            return Err(Diagnostic::new(
                Code::E0304,
                e.span,
                format!(
                    "`{name}` is computed anew in every step, so it cannot contain a value that is drawn or read once"
                ),
            )
            .help("put the draw into a parameter of its own, and use that parameter here"));
        }
    }
    let mut live = live_values(&|v| population.given(&neuron.vars, v), &neuron.lets, &live, &mut graph, &context)
        .ok_or_else(|| unexpected(population.span))?;
    live.retain(|(v, _)| !frozen(*v));
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
        events,
        release,
        every,
        live,
        draws,
        tables: tables(&|f| neuron.each_expr(f), &population.args.iter().map(|(_, e)| e).collect::<Vec<_>>()),
        refractory,
        hold,
        max_delay: delays.spikes,
        fed,
        rests: false,
        shared: Vec::new(),
        faint: vec![0.0; neuron.vars.len()],
        leap: None,
        calms: false,
        frozen,
    })
}

/// The values of what follows time, states or other populations, each after those it depends on.
pub(super) fn live_values<'a>(
    given: &dyn Fn(VarId) -> Option<&'a Expr>,
    lets: &[crate::hir::LetDecl],
    live: &[bool],
    graph: &mut Graph,
    context: &Context<'_>,
) -> Option<Vec<(VarId, Sym)>> {
    let mut out = Vec::new();
    let mut todo: Vec<VarId> = (0..live.len() as u32).map(VarId).filter(|v| live[v.index()]).collect();
    while !todo.is_empty() {
        let before = todo.len();
        for v in todo.clone() {
            let Some(e) = given(v) else { continue };
            let waits = e.any(lets, &|e| match &e.kind {
                ExprKind::Var(Side::Own, w) => *w != v && todo.contains(w),
                _ => false,
            });
            if waits {
                continue;
            }
            let mut low = Lowering::new(graph, context);
            let value = low.expr(e)?;
            let value = low.bounded(v, value)?;
            let value = low.stored(value);
            out.push((v, value));
            todo.retain(|w| *w != v);
        }
        if todo.len() == before {
            // The front end refuses circles.
            return None;
        }
    }
    Some(out)
}

/// The tables of `timed` that a model and its arguments mention.
pub(super) fn tables(model: &dyn Fn(&mut dyn FnMut(&Expr)), args: &[&Expr]) -> Vec<Arc<[f64]>> {
    let mut out: Vec<Arc<[f64]>> = Vec::new();
    let mut collect = |e: &Expr| {
        if let ExprKind::Timed(t, _) = &e.kind
            && !out.iter().any(|o| Arc::ptr_eq(o, t))
        {
            out.push(t.clone());
        }
    };
    model(&mut collect);
    for e in args {
        each(e, &mut collect);
    }
    out
}

fn each(e: &Expr, f: &mut dyn FnMut(&Expr)) {
    f(e);
    e.each_part(&mut |p| each(p, f));
}

/// Whether a value changes during a run.
fn varies(graph: &Graph, neuron: &NeuronModel, live: &[bool], s: Sym) -> bool {
    graph.any(s, &|n| match n {
        Node::Time | Node::Timed(..) | Node::Other(..) | Node::Draw(_) => true,
        Node::Var(Side::Own, v, _) => {
            live[v.index()] || matches!(neuron.vars[v.index()].role, Role::State | Role::Learned)
        }
        _ => false,
    })
}

/// The condition that a neuron with a changing rate spikes in this step: its random number lies below 1 - e^(-rate*dt).
fn hazard(graph: &mut Graph, rate: Sym, dt: f64, draws: &mut Vec<Draw>) -> Sym {
    let u = graph.draw(draws.len() as u32);
    draws.push(Draw { stream: "spike".to_owned(), sub: 0, number: 0, of: 1, kind: DrawKind::Uniform, period: 1 });
    let z = graph.scale(rate, -dt);
    let e = graph.call(crate::builtins::Builtin::Expm1, &[z]);
    let p = graph.neg(e);
    graph.bin(Bin::Lt, u, p)
}

/// Where the numbers of a draw in the `k`-th `every` block come from.
pub(super) fn every_draw(k: usize, d: &super::lower::SiteDraw, period: u32) -> Draw {
    let stream = if k == 0 { "every".to_owned() } else { format!("every#{}", k + 1) };
    Draw { stream, sub: d.site, number: 0, of: 1, kind: d.kind, period }
}

/// Where the normal numbers of a noise source come from.
pub(super) fn noise_draw(noises: &[String], d: methods::NoiseDraw) -> Draw {
    let stream = noises.get(d.source as usize).cloned().unwrap_or_default();
    Draw { stream, sub: 0, number: d.number, of: d.of, kind: DrawKind::Normal, period: 1 }
}

/// The period of `every` is no constant of the population or projection.
pub(super) fn bad_period(clause: &crate::hir::Every, dt: f64, whole: &str, parts: &str) -> Diagnostic {
    Diagnostic::new(
        Code::E0205,
        clause.period.span,
        format!("the period of `every` must be one constant time for the {whole}"),
    )
    .label(format!("here it differs between {parts}, may change, or is shorter than half a time step of {dt} ms"))
    .help(format!("write a time such as `every 1 ms {{ … }}`, or a parameter that has the same value for all {parts}"))
}

pub(super) fn bent(vars: &[VarDecl], lets: &[crate::hir::LetDecl], ode: &crate::hir::Ode) -> Diagnostic {
    let name = &vars[ode.var.index()].name;
    let at = ode.rhs.noise_span(lets, None).unwrap_or(ode.span);
    Diagnostic::new(Code::E0309, at, format!("white noise must enter the equation of `{name}` linearly"))
        .label("here it stands inside a function, a power, a quotient or a product with itself")
        .note("white noise has no value at a time, only sums over time: functions of it mean nothing")
        .help("write a sum of terms, each a strength times `xi`: `… + sigma*sqrt(2/tau)*xi`")
}

/// E0305: which calculus is meant makes a difference to the drift.
pub(super) fn two_calculi(
    vars: &[VarDecl],
    lets: &[crate::hir::LetDecl],
    odes: &[crate::hir::Ode],
    var: VarId,
) -> Diagnostic {
    let name = &vars[var.index()].name;
    let ode = odes.iter().find(|o| o.var == var);
    let ode = ode.map_or(vars[var.index()].span, |o| o.rhs.noise_span(lets, None).unwrap_or(o.span));
    Diagnostic::new(Code::E0305, ode, format!("the noise on `{name}` depends on a state: which integral is meant?"))
        .label("the strength of this noise is not the same for all values of the states")
        .note("in the sense of Itô the strength is taken at the start of each instant, in that of Stratonovich in its middle (the limit of noise with a short correlation time); for dx = g(x) dW the means differ by g*g'/2 per unit of time")
        .help("write `method milstein` (Itô) or `method heun` (Stratonovich)")
}

/// The closed form of a slow state, if it is one.
fn slow_state(graph: &mut Graph, var: VarId, rhs: Sym, dt: f64) -> Option<Slow> {
    let x = graph.own(var);
    let (a, b) = graph.linear(rhs, x)?;
    let (a, b) = (graph.as_const(a)?, graph.as_const(b)?);
    (a < 0.0 && (a * dt).abs() < SLOW).then_some(Slow { var, a, b, frozen: false })
}

/// Whether a state that nothing holds is slow.
pub(super) fn is_slow(graph: &mut Graph, var: VarId, rhs: Sym, dt: f64) -> bool {
    slow_state(graph, var, rhs, dt).is_some()
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
        | ExprKind::Noise(_)
        | ExprKind::Other(..)
        | ExprKind::Timed(..)
        | ExprKind::Dt
        | ExprKind::Index(_)
        | ExprKind::FileArray { .. }
        | ExprKind::EdgeColumn(_) => false,
    }
}

/// The variables that the reactions of a population write.
#[must_use]
pub fn written(plan: &PopPlan) -> BTreeSet<VarId> {
    let blocks =
        plan.events.iter().map(|e| &e.on).chain(plan.release.iter()).chain(plan.every.iter().map(|e| &e.effects));
    std::iter::once(&plan.on_spike).chain(blocks).flat_map(|e| &e.assigns).map(|(v, _)| *v).collect()
}
