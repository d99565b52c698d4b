//! The plan of one projection: wiring, where each synaptic state lives, which updates can be skipped where a trace is zero, and
//! what the handlers do.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::chance::{self, Chance};
use super::clocked::{self, Clocked, Stepped};
use super::entries::{self, Entry};
use super::lower::{Context, Effects, Lowering};
use super::population::constant_init;
use super::response::{self, Recursion};
use super::synapse::{self, Own};
use super::{Storage, Uses, steps};
use crate::builtins::Builtin;
use crate::diag::{Code, Diagnostic};
use crate::hir::{
    DelayKind, Model, ProjId, Projection, Restructuring, Role, Rule, Select, Side, Stmt, StmtKind, VarId,
};
use crate::methods::sym::{Bin, Graph, Node, Sym};
use crate::script::machine::{Entity, VarKey};

/// How long events take, in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// The same for all synapses.
    Uniform(u32),
    /// Each synapse has its own, drawn when the network is built.
    PerSynapse,
}

impl Delay {
    /// Whether some event may arrive later than it is sent.
    #[must_use]
    pub fn waits(self) -> bool {
        self != Self::Uniform(0)
    }

    /// The delay of all synapses; 0 where each has its own.
    #[must_use]
    pub fn uniform(self) -> u32 {
        match self {
            Self::Uniform(n) => n,
            Self::PerSynapse => 0,
        }
    }
}

/// How pairs are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wiring {
    /// Every pair of the whole populations: a matrix, one row per pre neuron.
    Dense,
    /// Rows of synapses per pre neuron (compressed sparse rows).
    Sparse,
    /// No synapse is stored: every event brings the same to all.
    Uniform(Uniform),
}

/// See [`Wiring::Uniform`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uniform {
    /// The shared state of the post population that gets it.
    pub target: VarId,
    /// All but the neuron with the pre neuron's index.
    pub but_own: bool,
}

/// Where a synaptic variable lives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// One number for all.
    Constant(f64),
    /// One value per synapse.
    Synapse,
    /// One value per pre neuron.
    Pre,
    /// One value per post neuron.
    Post,
}

/// An event-driven state: dx/dt = a*x + b between events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lazy {
    /// Its rate in 1/ms.
    pub a: Sym,
    /// Its drive.
    pub b: Sym,
    /// Whether it decays to exactly zero: b = 0.
    pub to_zero: bool,
}

/// What a handler does to synapses.
#[derive(Debug, Clone, Default)]
pub struct Handler {
    /// Amounts delivered.
    pub delivers: Vec<(VarId, Sym)>,
    /// New values of per-synapse variables, each with the trace (of the other side) where whose value is zero nothing changes.
    pub synapse: Vec<(VarId, Sym, Option<VarId>)>,
    /// New values of the variables that live with the neuron whose event this is.
    pub own_side: Vec<(VarId, Sym)>,
}

impl Handler {
    /// Whether all that an event delivers is a row of one matrix, added to one variable: that variable and the matrix.
    #[must_use]
    pub fn whole_row(&self, plan: &ProjPlan) -> Option<(VarId, VarId)> {
        let [(target, amount)] = self.delivers.as_slice() else { return None };
        let Node::Var(Side::Own, matrix, _) = *plan.graph.node(*amount) else { return None };
        let still = plan.lazy[matrix.index()].is_none();
        // What else the event does must not see the target, which has then got all rows of the step.
        let seen = |s: &Sym| plan.graph.any(*s, &|n| matches!(n, Node::Var(Side::Post, v, _) if v == target));
        let sees = self.synapse.iter().any(|(_, s, _)| seen(s)) || self.own_side.iter().any(|(_, s)| seen(s));
        (plan.wiring == Wiring::Dense && plan.place[matrix.index()] == Place::Synapse && still && !sees)
            .then_some((*target, matrix))
    }
}

/// The plan of one projection.
#[derive(Debug, Clone)]
pub struct ProjPlan {
    /// Which.
    pub proj: ProjId,
    /// How pairs are stored.
    pub wiring: Wiring,
    /// The graph of all symbols below.
    pub graph: Graph,
    /// By variable.
    pub place: Vec<Place>,
    /// By variable: event-driven states.
    pub lazy: Vec<Option<Lazy>>,
    /// By variable: traces for which a list of the neurons with non-zero values is kept.
    pub listed: Vec<bool>,
    /// By variable: below this size a listed trace counts as zero; see `faint`. 0: it never does.
    pub faint: Vec<f64>,
    /// By variable: the entries of the table by which a listed trace decays, if it has one; see `decay`.
    pub decays: Vec<Option<u32>>,
    /// `on pre`.
    pub on_pre: Handler,
    /// `on post`; `None` when it does nothing.
    pub on_post: Option<Handler>,
    /// Whether some variant of the plan has an `on post` (an index by post neuron is built then).
    pub needs_columns: bool,
    /// Axonal delay: from the spike to `on pre`.
    pub delay: Delay,
    /// Dendritic delay: from `deliver` to the soma and from the post spike to `on post`.
    pub dendritic: Delay,
    /// Whether synapses are stored in the order of their axonal delays instead of that of their numbers.
    pub by_delay: bool,
    /// Whether protocols change the axonal, the dendritic delays.
    pub changing_delays: [bool; 2],
    /// The response to one delivered amount, at the steps after it.
    pub kernel: Option<std::sync::Arc<[f64]>>,
    /// How the response goes on by itself.
    pub recursion: Option<Recursion>,
    /// The variables of the post neurons that some variant of the plan delivers to.
    pub targets: Vec<VarId>,
    /// The states that are advanced at every step, and what is injected.
    pub clocked: Clocked,
    /// What synapses do by themselves: live inputs, periodic code, events.
    pub own: Own,
    /// The input that `inject` adds to.
    pub injected: Option<VarId>,
    /// The variables of pre and of post neurons of which `inject` reads the values of a delay earlier.
    pub past: [Vec<VarId>; 2],
    /// The event of the pre neurons that drives it; `None`: their spikes.
    pub event: Option<u32>,
    /// The random numbers that an event takes at each synapse, when nothing is frozen.
    pub chances: Vec<Chance>,
    /// Weights that synapses share and change.
    pub entries: Vec<Entry>,
    /// Whether they change them without an event of a neuron.
    pub entries_always: bool,
    /// States that nothing reads while the frozen variables are frozen.
    pub dead: Vec<VarId>,
    /// Frozen variables.
    pub frozen: Vec<VarId>,
    /// Rows are added when the post neurons are advanced in the next step, and what else its handlers do is done after that; see `late`.
    pub late: bool,
}

/// Plans projection `p`.
pub(super) fn plan(
    model: &Model,
    uses: &Uses,
    frozen: &BTreeSet<VarKey>,
    pops: &[Vec<Storage>],
    p: usize,
) -> Result<ProjPlan, Diagnostic> {
    let projection = &model.projections[p];
    let synapse = &projection.synapse;
    let dt = model.settings.dt;
    let key = |v: VarId| VarKey { entity: Entity::Proj(ProjId(p as u32)), var: v };
    // Delays that a protocol changes may differ, whatever they are at first.
    let changing_delays = projection.delay_vars.map(|v| v.is_some_and(|v| uses.assigned.contains(&key(v))));
    let known = |kind: DelayKind| {
        let known = delay_steps(model, projection.delays()[kind as usize])?;
        // The ring of a population's last spikes has one place for each neuron in a step; trains of many sources may have more events.
        let pooled = model.populations[projection.pre.pop.index()].pooled;
        let crowded = kind == DelayKind::Axonal && pooled && known.waits();
        Ok::<_, Diagnostic>(if changing_delays[kind as usize] || crowded { Delay::PerSynapse } else { known })
    };
    let (delay, dendritic) = (known(DelayKind::Axonal)?, known(DelayKind::Dendritic)?);
    let wiring = match (delay, dendritic) {
        (Delay::Uniform(_), Delay::Uniform(_)) => wiring(projection),
        // Synapses with delays of their own are visited in groups of equal delay.
        _ => Wiring::Sparse,
    };
    let mut constants = constants(model, uses, projection, p);
    for (v, delay) in projection.delay_vars.into_iter().zip([delay, dendritic]) {
        if let Some(v) = v {
            // The value in effect, in whole steps.
            constants[v.index()] = match delay {
                Delay::Uniform(n) => Some(f64::from(n) * dt),
                Delay::PerSynapse => None,
            };
        }
    }
    let constant = |side: Side, v: VarId| match side {
        Side::Own => constants[v.index()],
        Side::Pre => stored(pops, projection.pre.pop.index(), v),
        Side::Post => stored(pops, projection.post.pop.index(), v),
    };
    let size = |side: Side| match side {
        Side::Pre | Side::Own => model.populations[projection.pre.pop.index()].size() as f64,
        Side::Post => model.populations[projection.post.pop.index()].size() as f64,
    };
    let context = Context { constant: &constant, size: &size, lets: &synapse.lets, vars: &synapse.vars, dt };
    let unexpected = || {
        Diagnostic::new(
            Code::E0900,
            synapse.span,
            "a bug in snnc: a synapse's handler holds something that only initial values may",
        )
        .help("please report it with this file")
    };
    let mut graph = Graph::default();

    let (lazy, stepped, injects) = clocked::classify(&mut graph, &context, projection)?;
    let follows = model.live_inputs(ProjId(p as u32));
    let live = synapse::live(&mut graph, &context, projection, &follows)?;

    // Storage follows from what the handlers do when nothing is frozen.
    let never = |_: VarId| false;
    let mut full = |stmts, first| Lowering::new(&mut graph, &context).event_block(stmts, &never, first);
    let (full_pre, pre_draws) = full(&synapse.on_pre, chance::PRE).ok_or_else(unexpected)?;
    let post_stmts = synapse.on_post.as_deref().unwrap_or(&[]);
    let (full_post, post_draws) = full(post_stmts, chance::POST).ok_or_else(unexpected)?;
    let chances = chance::list(&pre_draws, &post_draws);
    // A trace that is the same for all synapses of a neuron needs events that reach them together.
    let together = [matches!(delay, Delay::Uniform(_)), matches!(dendritic, Delay::Uniform(_))];
    let traces = Traces { lazy: &lazy, stepped: &stepped, pre: &full_pre, post: &full_post, together };
    let mut place = places(model, uses, projection, p, &constants, &mut graph, &traces);
    for (v, value) in &live {
        // What all synapses follow alike is computed once for each pre neuron, unless a protocol gives synapses values of their own.
        if synapse::common(&graph, *value) && !uses.assigned.contains(&key(*v)) {
            place[v.index()] = Place::Pre;
        }
    }
    let mut targets: Vec<VarId> = full_pre.delivers.iter().map(|(v, _)| *v).collect();
    targets.sort_unstable();
    targets.dedup();

    let (entries, entries_always) = entries::find(&mut graph, &context, projection).ok_or_else(unexpected)?;
    let is_frozen = |v: VarId| frozen.contains(&key(v));
    let mut dead = Vec::new();
    let (pre, post) = loop {
        let ignore = |v: VarId| is_frozen(v) || dead.contains(&v);
        let mut left = |stmts, first| Lowering::new(&mut graph, &context).event_block(stmts, &ignore, first);
        let (pre, _) = left(&synapse.on_pre, chance::PRE).ok_or_else(unexpected)?;
        let (post, _) = left(post_stmts, chance::POST).ok_or_else(unexpected)?;
        // A state that nothing reads but its own updates is dead while its readers are frozen; after a `thaw` it would be read again.
        let found = if uses.thaws || !synapse.vars.iter().enumerate().any(|(k, _)| is_frozen(VarId(k as u32))) {
            None
        } else {
            let (own, conditions) = synapse::reads(&mut graph, &context, projection, &ignore).ok_or_else(unexpected)?;
            let values: Vec<Sym> =
                injects.iter().chain(&conditions).chain(live.iter().map(|(_, s)| s)).copied().collect();
            let effects: Vec<&Effects> = [&pre, &post].into_iter().chain(&own).collect();
            (0..synapse.vars.len() as u32).map(VarId).find(|v| {
                !dead.contains(v)
                    && synapse.vars[v.index()].role == Role::State
                    && !uses.read.contains(&key(*v))
                    && !is_read(&mut graph, &effects, *v)
                    && !clocked::is_read(&mut graph, &stepped, &values, *v, &ignore)
            })
        };
        match found {
            Some(v) => dead.push(v),
            None => break (pre, post),
        }
    };

    let ignore = |v: VarId| is_frozen(v) || dead.contains(&v);
    let mut clocked = clocked::plan(&mut graph, &context, synapse, stepped, injects, &ignore)?;
    // Another order of the sum: rounding differs.
    clocked.alike = model.settings.opt.has(Restructuring::CommonInject)
        && wiring == Wiring::Dense
        && clocked::alike(&graph, &clocked.injects, &place);
    let past = [(Side::Pre, delay), (Side::Post, dendritic)]
        .map(|(side, delay)| if delay.waits() { clocked::read_of(&graph, &clocked.injects, side) } else { Vec::new() });
    let own = synapse::plan(&mut graph, &context, model, p, live, &clocked, &ignore)?;
    let all_dense = wiring == Wiring::Dense;
    let on_pre = handler(&mut graph, synapse, &place, &lazy, &pre, Place::Pre, Place::Post, all_dense);
    let on_post = handler(&mut graph, synapse, &place, &lazy, &post, Place::Post, Place::Pre, all_dense);
    // Lists are part of the buffers' layout: decided on the unfrozen handlers.
    let mut listed = vec![false; synapse.vars.len()];
    for h in [
        handler(&mut graph, synapse, &place, &lazy, &full_pre, Place::Pre, Place::Post, all_dense),
        handler(&mut graph, synapse, &place, &lazy, &full_post, Place::Post, Place::Pre, all_dense),
    ] {
        for (_, _, skip) in &h.synapse {
            if let Some(z) = skip {
                listed[z.index()] = true;
            }
        }
    }
    let does_something = !on_post.synapse.is_empty() || !on_post.own_side.is_empty() || !on_post.delivers.is_empty();
    // Who writes synapses by number, or reaches them from their other end, needs them in the order of their numbers.
    let by_number = synapse.on_post.is_some()
        || !chances.is_empty()
        || !entries.is_empty()
        || !synapse.injects.is_empty()
        || synapse.vars.iter().enumerate().any(|(k, _)| uses.assigned.contains(&key(VarId(k as u32))))
        || crate::script::walk::redraws(&model.script);
    let by_delay = model.settings.opt.has(Restructuring::DelayOrder)
        && delay == Delay::PerSynapse
        && matches!(dendritic, Delay::Uniform(_))
        && synapse.odes.is_empty()
        && !by_number;
    // A response that reaches the soma later is a kernel that begins later.
    let kernel = projection.kernel.as_ref().map(|k| match dendritic.uniform() {
        0 => k.clone(),
        late => std::iter::repeat_n(0.0, late as usize).chain(k.iter().copied()).collect(),
    });
    let recursion = kernel
        .as_ref()
        .filter(|_| model.settings.opt.has(Restructuring::KernelRecursion))
        .and_then(|k| response::recursion(k, model.settings.precision));
    Ok(ProjPlan {
        kernel,
        proj: ProjId(p as u32),
        by_delay,
        changing_delays,
        wiring,
        graph,
        place,
        lazy,
        faint: vec![0.0; listed.len()],
        decays: vec![None; listed.len()],
        listed,
        on_pre,
        on_post: does_something.then_some(on_post),
        needs_columns: synapse.on_post.is_some() && wiring == Wiring::Sparse && matches!(dendritic, Delay::Uniform(_)),
        delay,
        event: projection.event,
        dendritic,
        targets,
        recursion,
        injected: projection.target.filter(|_| !clocked.injects.is_empty()),
        clocked,
        past,
        chances,
        entries,
        entries_always,
        own,
        dead,
        frozen: (0..synapse.vars.len() as u32).map(VarId).filter(|v| is_frozen(*v)).collect(),
        late: false,
    })
}

fn stored(pops: &[Vec<Storage>], pop: usize, v: VarId) -> Option<f64> {
    match pops[pop][v.index()] {
        Storage::Constant(x) => Some(x),
        Storage::Array => None,
    }
}

/// A delay in steps, if all synapses have the same.
fn delay_steps(model: &Model, delay: Option<&crate::hir::Expr>) -> Result<Delay, Diagnostic> {
    let Some(e) = delay else { return Ok(Delay::Uniform(0)) };
    let Some(time) = constant_init(model, Some(e), &[], &[], &|_: Side, _: VarId| None) else {
        return Ok(Delay::PerSynapse);
    };
    let n = steps(time, model.settings.dt);
    if !(0.0..=MAX_DELAY).contains(&n) {
        return Err(Diagnostic::new(Code::E0403, e.span, format!("a delay of {n} time steps cannot be kept"))
            .help("delays must lie between 0 and a million time steps"));
    }
    Ok(Delay::Uniform(n as u32))
}

/// The longest delay in steps.
pub const MAX_DELAY: f64 = crate::script::delays::MAX_STEPS;

fn wiring(projection: &Projection) -> Wiring {
    let whole = projection.pre.select == Select::All && projection.post.select == Select::All;
    if projection.rule == Rule::AllToAll && projection.filter.is_none() && whole {
        Wiring::Dense
    } else {
        Wiring::Sparse
    }
}

/// The variables that are one number for all synapses, for ever.
fn constants(model: &Model, uses: &Uses, projection: &Projection, p: usize) -> Vec<Option<f64>> {
    let synapse = &projection.synapse;
    let mut changing = BTreeSet::new();
    assigned(&synapse.on_pre, &mut changing);
    assigned(synapse.on_post.as_deref().unwrap_or(&[]), &mut changing);
    changing.extend(synapse.odes.iter().map(|o| o.var));
    by_itself(synapse, &mut changing);
    let mut known: Vec<Option<f64>> = vec![None; synapse.vars.len()];
    loop {
        let before = known.iter().flatten().count();
        for (k, var) in synapse.vars.iter().enumerate() {
            let id = VarId(k as u32);
            let key = VarKey { entity: Entity::Proj(ProjId(p as u32)), var: id };
            if known[k].is_some() || changing.contains(&id) || uses.assigned.contains(&key) {
                continue;
            }
            let given = projection.args.iter().find(|(v, _)| *v == id).map(|(_, e)| e).or(var.init.as_ref());
            let lookup = |side: Side, v: VarId| if side == Side::Own { known[v.index()] } else { None };
            let value = constant_init(model, given, &synapse.lets, &synapse.vars, &lookup);
            let bounds = var.bounds.as_ref().and_then(|(lo, hi)| {
                let lo = constant_init(model, Some(lo), &synapse.lets, &synapse.vars, &lookup)?;
                let hi = constant_init(model, Some(hi), &synapse.lets, &synapse.vars, &lookup)?;
                Some((lo, hi))
            });
            known[k] = match (value, bounds) {
                (Some(x), Some((lo, hi))) => Some(x.max(lo).min(hi)),
                (x, _) => x,
            };
        }
        if known.iter().flatten().count() == before {
            return known;
        }
    }
}

/// The variables that periodic code and events of the synapse itself assign.
fn by_itself(synapse: &crate::hir::SynapseModel, out: &mut BTreeSet<VarId>) {
    synapse.every.iter().for_each(|e| assigned(&e.body, out));
    synapse.events.iter().for_each(|e| assigned(&e.on, out));
}

/// The variables that statements assign.
fn assigned(stmts: &[Stmt], out: &mut BTreeSet<VarId>) {
    for s in stmts {
        match &s.kind {
            StmtKind::Assign { var, .. } => {
                out.insert(*var);
            }
            StmtKind::If { then, els, .. } => {
                assigned(then, out);
                assigned(els, out);
            }
            StmtKind::Local { .. } | StmtKind::Deliver { .. } => {}
        }
    }
}

/// What decides where the states of a synapse live.
struct Traces<'a> {
    lazy: &'a [Option<Lazy>],
    stepped: &'a [Stepped],
    pre: &'a Effects,
    post: &'a Effects,
    /// Whether the events of a pre, of a post neuron reach all its synapses together.
    together: [bool; 2],
}

/// Where every variable lives.
fn places(
    model: &Model,
    uses: &Uses,
    projection: &Projection,
    p: usize,
    constants: &[Option<f64>],
    graph: &mut Graph,
    traces: &Traces<'_>,
) -> Vec<Place> {
    let Traces { lazy, stepped, pre, post, together } = *traces;
    let synapse = &projection.synapse;
    let mut place: Vec<Place> = constants.iter().map(|c| c.map_or(Place::Synapse, Place::Constant)).collect();
    let lookup = |side: Side, v: VarId| if side == Side::Own { constants[v.index()] } else { None };
    let mut single = BTreeSet::new();
    by_itself(synapse, &mut single);
    let sides = [(Place::Pre, pre, post, Side::Pre), (Place::Post, post, pre, Side::Post)];
    for ((here, mine, other, near), together) in sides.into_iter().zip(together) {
        if !together {
            continue;
        }
        let mut candidates: BTreeMap<VarId, Sym> = BTreeMap::new();
        for (k, var) in synapse.vars.iter().enumerate() {
            let id = VarId(k as u32);
            let key = VarKey { entity: Entity::Proj(ProjId(p as u32)), var: id };
            let given = projection.args.iter().find(|(v, _)| *v == id).map(|(_, e)| e).or(var.init.as_ref());
            let uniform = constant_init(model, given, &synapse.lets, &synapse.vars, &lookup).is_some();
            let constant_rate = lazy[k].is_none_or(|l| graph.as_const(l.a).is_some() && graph.as_const(l.b).is_some());
            let Some((_, new)) = mine.assigns.iter().find(|(v, _)| *v == id) else { continue };
            if place[k] == Place::Synapse
                && var.role == Role::State
                && uniform
                && constant_rate
                && !stepped.iter().any(|s| s.var == id)
                && !single.contains(&id)
                && !uses.assigned.contains(&key)
                && !other.assigns.iter().any(|(v, _)| *v == id)
            {
                candidates.insert(id, *new);
            }
        }
        // A candidate may depend on what is the same for all synapses of the neuron: other candidates, and the neuron itself.
        loop {
            let bad = candidates.iter().find_map(|(v, new)| {
                let uneven = graph.any(*new, &|n| match n {
                    Node::Var(Side::Own, u, _) => !candidates.contains_key(u),
                    // Every synapse draws by itself.
                    Node::Draw(_) => true,
                    Node::Var(side, ..) | Node::Index(side) => {
                        // `i` of a synapse is the pre neuron's index.
                        *side != near && !(near == Side::Pre && *side == Side::Own)
                    }
                    _ => false,
                });
                uneven.then_some(*v)
            });
            match bad {
                Some(v) => {
                    candidates.remove(&v);
                }
                None => break,
            }
        }
        for v in candidates.keys() {
            place[v.index()] = here;
        }
    }
    place
}

/// Whether anything but the variable's own update reads it.
fn is_read(graph: &mut Graph, effects: &[&Effects], v: VarId) -> bool {
    let x = graph.own(v);
    effects.iter().any(|e| {
        e.delivers.iter().any(|(_, s)| graph.depends(*s, x))
            || e.assigns.iter().any(|(w, s)| *w != v && graph.depends(*s, x))
    })
}

/// Sorts a handler's effects by where they happen, and finds for each synaptic update the trace of the other side whose zero makes it void.
fn handler(
    graph: &mut Graph,
    synapse: &crate::hir::SynapseModel,
    place: &[Place],
    lazy: &[Option<Lazy>],
    effects: &Effects,
    own: Place,
    other: Place,
    dense: bool,
) -> Handler {
    let mut h = Handler { delivers: effects.delivers.clone(), ..Handler::default() };
    for (v, new) in &effects.assigns {
        if place[v.index()] == own {
            h.own_side.push((*v, *new));
            continue;
        }
        let skip = if dense {
            (0..place.len() as u32)
                .map(VarId)
                .filter(|z| place[z.index()] == other && lazy[z.index()].is_some_and(|l| l.to_zero))
                .find(|z| is_void(graph, synapse, *v, *new, *z))
        } else {
            None
        };
        h.synapse.push((*v, *new, skip));
    }
    // A skipped update runs after the others of the row: it must not read what they write.
    let written: Vec<VarId> = h.synapse.iter().filter(|(_, _, s)| s.is_none()).map(|(v, ..)| *v).collect();
    let groups: BTreeSet<VarId> = h.synapse.iter().filter_map(|(.., s)| *s).collect();
    let reads_written = h.synapse.iter().any(|(_, new, skip)| {
        skip.is_some() && graph.any(*new, &|n| matches!(n, Node::Var(Side::Own, u, _) if written.contains(u)))
    });
    if reads_written || groups.len() > 1 {
        for entry in &mut h.synapse {
            entry.2 = None;
        }
    }
    h
}

/// Whether `new` is the variable's old value wherever `z` is zero (bounds hold already for the old value).
fn is_void(graph: &mut Graph, synapse: &crate::hir::SynapseModel, v: VarId, new: Sym, z: VarId) -> bool {
    let _ = synapse;
    let trace = graph.own(z);
    let zero = graph.real(0.0);
    let old = graph.own(v);
    let at_zero = graph.substitute(new, &HashMap::from([(trace, zero)]));
    if at_zero == old {
        return true;
    }
    match graph.node(at_zero).clone() {
        Node::Call(Builtin::Clip, args) => args.first() == Some(&old),
        Node::Bin(Bin::Add | Bin::Sub, ..) => false,
        _ => false,
    }
}
