//! Warnings about sound programs that probably do not do what was meant: steps too long for the method, times between steps,
//! a reset that leaves the neuron above its threshold, variables without a use. They say something only where the values are
//! constants of the population: a value drawn per neuron or assigned by a protocol gives no warning.

use std::collections::{BTreeMap, BTreeSet};

use super::lower::{Context, Lowering};
use super::quiet::Findings;
use super::{lost, rate, reset, silent, singular, stability, unread};
use crate::diag::{Code, Diagnostic, Sink, words};
use crate::hir::{
    self, Expr, ExprKind, LetDecl, Model, NeuronModel, PopId, ProjId, Role, Side, Stmt, StmtKind, Type, VarDecl, VarId,
};
use crate::methods::sym::{Graph, Node, Sym};
use crate::script::machine::{Entity, VarKey};
use crate::source::{FileId, Span};

/// Reports what is suspicious in a checked model.
pub fn warn(model: &Model, sink: &mut Sink) {
    warn_again(model, &mut Findings::none(model), sink);
}

/// Reports what is suspicious in a checked model of which something has been found; parts that give no warning are noted.
pub fn warn_again(model: &Model, found: &mut Findings, sink: &mut Sink) {
    let mut euler = BTreeMap::new();
    let known = |p: usize| (!found.populations[p].calm).then(|| Known::of_population(model, p));
    let all: Vec<Option<Known<'_>>> = (0..model.populations.len()).map(known).collect();
    for (p, (population, known)) in model.populations.iter().zip(&all).enumerate() {
        let Some(known) = known else { continue };
        let neuron = &model.neurons[population.model.index()];
        let calm = unless_calm(sink, &|sink| {
            refractory(model, population, neuron, known, sink);
            reset::check(population, neuron, known, sink);
            lost::check(model, population, neuron, known, sink);
            rate::of_population(model, p, known, sink);
            singular::of_neuron(neuron, known, sink);
            periods(model, population, neuron, known, sink);
        });
        let mut steps = Vec::new();
        if neuron.method.as_ref().is_some_and(|m| m.name == "euler") {
            steps = unstable(model, p, neuron, known);
        }
        found.populations[p].calm = calm && steps.is_empty();
        for found in steps {
            let worst = euler.entry((population.model, found.kind, found.ode)).or_insert(found);
            if found.limit < worst.limit {
                *worst = found;
            }
        }
    }
    for ((neuron, ..), found) in euler {
        report_euler(model, &model.neurons[neuron.index()], found, sink);
    }
    for (p, (population, known)) in model.populations.iter().zip(&all).enumerate() {
        let Some(known) = known else { continue };
        let neuron = &model.neurons[population.model.index()];
        let Some(d) = stability::check(model, p, neuron, known) else { continue };
        found.populations[p].calm = false;
        let at = |d: &Diagnostic| d.primary.as_ref().map(|l| l.span);
        if !sink.items.iter().any(|o| o.code == Code::W0701 && at(o) == at(&d)) {
            sink.push(d);
        }
    }
    silent::check(model, found, sink);
    time_constants(model, sink);
    top_level_time_constants(model, sink);
    for (k, projection) in model.projections.iter().enumerate() {
        if found.projections[k].calm {
            continue;
        }
        let known = Known::of_projection(model, k);
        found.projections[k].calm = unless_calm(sink, &|sink| {
            times(model, projection, &known, sink);
            euler_in_synapse(model, projection, &known, sink);
            let vars = |view: &hir::View| model.neuron_of(view.pop).map_or(&[][..], |n| n.vars.as_slice());
            let ends = [vars(&projection.pre), vars(&projection.post)];
            singular::of_synapse(&projection.synapse, ends, &known, sink);
        });
    }
    rate::assigned(model, sink);
    shared_noise(model, sink);
    unused(model, sink);
    unread::check(model, sink);
}

/// Carries out the checks of one part, and tells whether they have nothing to say. What has been said of another part is not said
/// again, but this part is not calm then.
fn unless_calm(sink: &mut Sink, check: &dyn Fn(&mut Sink)) -> bool {
    let mut own = Sink::default();
    check(&mut own);
    let calm = own.items.is_empty();
    if !calm {
        check(sink);
    }
    calm
}

/// Delays and periods of a projection between steps.
fn times(model: &Model, projection: &hir::Projection, known: &Known<'_>, sink: &mut Sink) {
    let delays = projection.delay.iter().chain(&projection.dendritic_delay).map(|e| ("delay", e));
    for (what, time) in delays.chain(projection.synapse.every.iter().map(|e| ("period", &e.period))) {
        if let Some(x) = known.value(time) {
            if x < 0.0 && what == "delay" {
                let d = words::negative_delay(time.span, "`delay`", Some(number(x)));
                if !sink.items.contains(&d) {
                    sink.push(d);
                }
                continue;
            }
            let at = sink.items.len();
            off_grid(what, x, time.span, model.settings.dt, sink);
            // A loop makes many connections of one text: each rounded value is said once.
            if sink.items.get(at).is_some_and(|new| sink.items[..at].contains(new)) {
                sink.items.truncate(at);
            }
        }
    }
}

/// Time constants without a unit of time.
fn time_constants(model: &Model, sink: &mut Sink) {
    let Some(file) = model.populations.first().map(|p| p.span.file) else { return };
    let mut said = BTreeSet::new();
    let neurons = model.neurons.iter().map(|n| &n.vars);
    for var in neurons.chain(model.projections.iter().map(|c| &c.synapse.vars)).flatten() {
        let tau = var.name == "tau" || var.name.starts_with("tau_");
        let bare = matches!(var.ty, Type::Real(d) if d.is_none()) || var.ty == Type::Int;
        if var.role == Role::Param && var.span.file == file && tau && bare && said.insert(place(var)) {
            sink.push(
                Diagnostic::new(Code::W0801, var.span, format!("the time constant `{}` has no unit", var.name))
                    .label("a number, whatever it is divided by")
                    .help(format!("write `param {} = 20 ms`, and leave the unit out where it is used", var.name)),
            );
        }
    }
}

/// Time constants of the file that are numbers.
fn top_level_time_constants(model: &Model, sink: &mut Sink) {
    for g in model.globals.iter().filter(|g| g.span.file == FileId(0)) {
        let tau = g.name == "tau" || g.name.starts_with("tau_");
        let bare = matches!(g.ty, Type::Real(d) if d.is_none()) || g.ty == Type::Int;
        if tau && bare {
            let word = if g.is_param { "param" } else { "const" };
            sink.push(
                Diagnostic::new(Code::W0801, g.span, format!("the time constant `{}` has no unit", g.name))
                    .label("a number, whatever it is multiplied by")
                    .help(format!("write `{word} {} = 20 ms`, and leave the unit out where it is used", g.name)),
            );
        }
    }
}

/// One realisation of white noise in two equations.
fn shared_noise(model: &Model, sink: &mut Sink) {
    let neurons = model.neurons.iter().map(|n| (&n.name, &n.noises, &n.odes, &n.lets));
    let synapses = model.projections.iter().map(|p| &p.synapse).map(|n| (&n.name, &n.noises, &n.odes, &n.lets));
    for (model, noises, odes, lets) in neurons.chain(synapses) {
        for (k, name) in noises.iter().enumerate() {
            let hears = |o: &&hir::Ode| o.rhs.any(lets, &|e| matches!(e.kind, ExprKind::Noise(n) if n as usize == k));
            let used: Vec<&hir::Ode> = odes.iter().filter(hears).collect();
            if let [first, second, ..] = used.as_slice() {
                let place = |o: &hir::Ode| o.rhs.noise_span(lets, Some(k as u32)).unwrap_or(o.span);
                let d = Diagnostic::new(
                    Code::W0710,
                    place(second),
                    format!("`{name}` stands in two equations of `{model}`: both get the same noise"),
                )
                .also(place(first), "the first one")
                .help(format!("write `{name}_1` and `{name}_2` for noise that is independent"));
                // A synapse that several connections use is said once.
                if !sink.items.contains(&d) {
                    sink.push(d);
                }
            }
        }
    }
}

/// The variables of one population or projection that are one constant for all elements.
pub(super) struct Known<'a> {
    values: Vec<Option<f64>>,
    fed: BTreeSet<VarId>,
    vars: &'a [VarDecl],
    lets: &'a [LetDecl],
    size: f64,
    dt: f64,
}

impl<'a> Known<'a> {
    pub(super) fn of_population(model: &'a Model, p: usize) -> Self {
        let population = &model.populations[p];
        let neuron = &model.neurons[population.model.index()];
        let known = Self {
            values: vec![None; neuron.vars.len()],
            // What synapses add to an argument is not known.
            fed: targets(model, p),
            vars: &neuron.vars,
            lets: &neuron.lets,
            size: population.size() as f64,
            dt: model.settings.dt,
        };
        known.resolved(&population.args, Entity::Pop(PopId(p as u32)), model)
    }

    pub(super) fn of_projection(model: &'a Model, k: usize) -> Self {
        let projection = &model.projections[k];
        let known = Self {
            values: vec![None; projection.synapse.vars.len()],
            fed: BTreeSet::new(),
            vars: &projection.synapse.vars,
            lets: &projection.synapse.lets,
            // A size in a delay is rare: unknown, so that nothing is said.
            size: f64::NAN,
            dt: model.settings.dt,
        };
        known.resolved(&projection.args, Entity::Proj(ProjId(k as u32)), model)
    }

    /// A default may refer to any other parameter: repeated until nothing new becomes known.
    fn resolved(mut self, args: &[(VarId, Expr)], entity: Entity, model: &Model) -> Self {
        loop {
            let mut changed = false;
            for (k, var) in self.vars.iter().enumerate() {
                let id = VarId(k as u32);
                if self.values[k].is_some()
                    || !matches!(var.role, Role::Param | Role::Input)
                    || self.fed.contains(&id)
                    || model.script.assigned.contains(&VarKey { entity, var: id })
                {
                    continue;
                }
                let given = args.iter().find(|(v, _)| *v == id).map(|(_, e)| e).or(var.init.as_ref());
                let value = match given {
                    Some(e) => self.value(e),
                    // An input that nothing feeds is zero.
                    None => (var.role == Role::Input).then_some(0.0),
                };
                if let Some(x) = value {
                    self.values[k] = Some(x);
                    changed = true;
                }
            }
            if !changed {
                return self;
            }
        }
    }

    pub(super) fn value(&self, e: &Expr) -> Option<f64> {
        if let ExprKind::Const(x) = e.kind {
            return Some(x).filter(|x| x.is_finite());
        }
        self.lower(|mut low| low.expr(e).and_then(|s| low.graph.as_const(s))).filter(|x| x.is_finite())
    }

    /// Runs `f` on a fresh graph in which the constants are known.
    pub(super) fn lower<T>(&self, f: impl FnOnce(Lowering<'_, '_>) -> T) -> T {
        let constant = |side: Side, v: VarId| if side == Side::Own { self.values[v.index()] } else { None };
        let size = |_: Side| self.size;
        let context = Context { constant: &constant, size: &size, lets: self.lets, vars: self.vars, dt: self.dt };
        let mut graph = Graph::default();
        f(Lowering::new(&mut graph, &context))
    }
}

fn off_grid(what: &str, x: f64, span: Span, dt: f64, sink: &mut Sink) {
    let steps = (x / dt).round();
    if (x / dt - steps).abs() <= 1e-6 * steps.abs().max(1.0) {
        return;
    }
    sink.push(
        Diagnostic::new(
            Code::W0702,
            span,
            format!("a {what} of {} ms is not a multiple of the time step of {} ms", number(x), number(dt)),
        )
        .label(format!("{} ms is used instead", number(steps * dt)))
        .help(format!("write {} ms, or choose a time step that divides {} ms", number(steps * dt), number(x))),
    );
}

/// E0307: a parameter makes the period negative, by its default or by what the population gives it.
fn negative_refractory(population: &hir::Population, neuron: &NeuronModel, duration: &Expr) -> Diagnostic {
    match written(population, &neuron.vars, duration) {
        Some(at) => words::negative_refractory(at).also(duration.span, "this is the length of the period"),
        None => words::negative_refractory(duration.span)
            .also(population.span, "it is with the parameters of this population"),
    }
}

/// Where a value was written that a variable has in a population: at the argument, or at the default.
fn written(population: &hir::Population, vars: &[VarDecl], e: &Expr) -> Option<Span> {
    let ExprKind::Var(Side::Own, v) = e.kind else { return None };
    let given = population.args.iter().find(|(a, _)| *a == v).map(|(_, e)| e.span);
    given.or_else(|| vars.get(v.index())?.init.as_ref().map(|e| e.span))
}

fn refractory(model: &Model, population: &hir::Population, neuron: &NeuronModel, known: &Known<'_>, sink: &mut Sink) {
    let Some(clause) = &neuron.refractory else { return };
    let Some(x) = known.value(&clause.duration) else { return };
    if x < 0.0 {
        let d = negative_refractory(population, neuron, &clause.duration);
        if !sink.items.contains(&d) {
            sink.push(d);
        }
        return;
    }
    let at = sink.items.len();
    let place = written(population, &neuron.vars, &clause.duration);
    off_grid("refractory period", x, place.unwrap_or(clause.duration.span), model.settings.dt, sink);
    // The same clause serves several populations: each rounded value is said once.
    if let Some(new) = sink.items.get(at).cloned() {
        let new =
            if place.is_some() { new.also(clause.duration.span, "this is the length of the period") } else { new };
        sink.items.truncate(at);
        if !sink.items.contains(&new) {
            sink.push(new);
        }
    }
}

/// Periods of `every` between steps, each said once.
fn periods(model: &Model, population: &hir::Population, neuron: &NeuronModel, known: &Known<'_>, sink: &mut Sink) {
    for every in &neuron.every {
        let Some(x) = known.value(&every.period) else { continue };
        let at = sink.items.len();
        let place = written(population, &neuron.vars, &every.period);
        off_grid("period", x, place.unwrap_or(every.period.span), model.settings.dt, sink);
        if let Some(new) = sink.items.get(at).cloned() {
            let new = if place.is_some() { new.also(every.period.span, "this is the period") } else { new };
            sink.items.truncate(at);
            if !sink.items.contains(&new) {
                sink.push(new);
            }
        }
    }
}

/// A kind of trouble with explicit Euler steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// Conductances can make the step too long.
    Conductances,
    /// A time constant is too short.
    TimeConstant,
}

/// One equation in trouble, in the population where it is worst.
#[derive(Debug, Clone, Copy)]
struct Found {
    kind: Trouble,
    ode: usize,
    pop: usize,
    /// Conductances: their sum in units of the leak beyond which a step overshoots; else the time constant in ms.
    limit: f64,
}

/// The equations of a population that explicit Euler steps may solve badly. For dx/dt = a*x + b a step multiplies the distance to
/// the fixed point by 1 + a*dt: it overshoots without end where a*dt < -2.
fn unstable(model: &Model, p: usize, neuron: &NeuronModel, known: &Known<'_>) -> Vec<Found> {
    let substeps = f64::from(neuron.method.as_ref().map_or(1, |m| m.substeps).max(1));
    let step = model.settings.dt / substeps;
    let targets = targets(model, p);
    let mut out: Vec<Found> = Vec::new();
    for (k, ode) in neuron.odes.iter().enumerate() {
        let found = known.lower(|mut low| {
            let rhs = low.expr(&ode.rhs)?;
            let x = low.graph.own(ode.var);
            let (a, _) = low.graph.linear(rhs, x)?;
            if let Some(rate) = low.graph.as_const(a) {
                return (rate < 0.0 && -rate * step > 0.5).then(|| Found {
                    kind: Trouble::TimeConstant,
                    ode: k,
                    pop: p,
                    limit: -1.0 / rate,
                });
            }
            let held: Vec<Sym> = targets.iter().map(|v| low.graph.own(*v)).collect();
            if !held.iter().any(|g| low.graph.depends(a, *g)) {
                return None;
            }
            // Without conductances the leak alone remains; anything else that varies leaves it unknown.
            let leak = -low.graph.eval(a, &|node| match node {
                Node::Var(Side::Own, v, _) if neuron.vars[v.index()].role == Role::State => 0.0,
                _ => f64::NAN,
            });
            let limit = if leak > 0.0 { (2.0 / (step * leak) - 1.0).max(0.0) } else { f64::INFINITY };
            Some(Found { kind: Trouble::Conductances, ode: k, pop: p, limit })
        });
        out.extend(found);
    }
    out
}

/// Explicit Euler steps of a synapse that are long for a time constant of its own; each equation is said once.
fn euler_in_synapse(model: &Model, projection: &hir::Projection, known: &Known<'_>, sink: &mut Sink) {
    let synapse = &projection.synapse;
    let Some(method) = synapse.method.as_ref().filter(|m| m.name == "euler") else { return };
    let step = model.settings.dt / f64::from(method.substeps.max(1));
    for ode in &synapse.odes {
        let rate = known.lower(|mut low| {
            let rhs = low.expr(&ode.rhs)?;
            let x = low.graph.own(ode.var);
            let (a, _) = low.graph.linear(rhs, x)?;
            low.graph.as_const(a)
        });
        let Some(tau) = rate.filter(|r| *r < 0.0 && -r * step > 0.5).map(|r| -1.0 / r) else { continue };
        let d = short_for_euler(&synapse.vars[ode.var.index()].name, method, step, tau).also(ode.span, "this equation");
        if !sink.items.contains(&d) {
            sink.push(d);
        }
    }
}

/// W0701: a step of explicit Euler that is long for a time constant, both in ms.
fn short_for_euler(name: &str, method: &hir::MethodRef, step: f64, tau: f64) -> Diagnostic {
    let what = if step / tau > 2.0 { "runs away" } else { "is inaccurate" };
    Diagnostic::new(Code::W0701, method.span, format!("the explicit Euler step of `{name}` {what}"))
        .label(format!("a step of {} ms with a time constant of {} ms", number(step), number(tau)))
        .help(format!(
            "remove the `method` line to let the compiler choose, or use a time step below {} ms",
            number(tau * 0.5 * f64::from(method.substeps.max(1)))
        ))
}

/// The states and inputs of population `p` that some projection delivers to or injects into.
pub(super) fn targets(model: &Model, p: usize) -> BTreeSet<VarId> {
    let mut out = BTreeSet::new();
    for projection in model.projections_into(PopId(p as u32)) {
        out.extend(projection.target);
        delivered(&projection.synapse.on_pre, &mut out);
    }
    out
}

fn delivered(block: &[Stmt], out: &mut BTreeSet<VarId>) {
    for stmt in block {
        match &stmt.kind {
            StmtKind::Deliver { target, .. } => {
                out.insert(*target);
            }
            StmtKind::If { then, els, .. } => {
                delivered(then, out);
                delivered(els, out);
            }
            StmtKind::Assign { .. } | StmtKind::Local { .. } => {}
        }
    }
}

fn report_euler(model: &Model, neuron: &NeuronModel, found: Found, sink: &mut Sink) {
    let Some(method) = &neuron.method else { return };
    let (Some(ode), Some(population)) = (neuron.odes.get(found.ode), model.populations.get(found.pop)) else { return };
    let name = &neuron.vars[ode.var.index()].name;
    let step = model.settings.dt / f64::from(method.substeps.max(1));
    let d = match found.kind {
        Trouble::Conductances => {
            let when = if found.limit.is_finite() {
                format!(
                    "when the conductances sum to more than {} times the leak, the step overshoots",
                    number(found.limit)
                )
            } else {
                "when the conductances are large, the step overshoots".to_owned()
            };
            Diagnostic::new(Code::W0701, method.span, format!("the explicit Euler step of `{name}` can run away"))
                .label(format!("{when} (in population `{}`)", population.name))
                .also(ode.span, format!("the conductances shorten the time constant of `{name}`"))
                .help("write `method exp_euler` or `method backward_euler`, which are stable for any conductance")
        }
        Trouble::TimeConstant => short_for_euler(name, method, step, found.limit)
            .also(ode.span, format!("this equation, in population `{}`", population.name)),
    };
    sink.push(d);
}

/// A number with six digits at most.
pub(super) fn number(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    let digits = (5 - x.abs().log10().floor() as i32).clamp(0, 15);
    let text = format!("{x:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A declaration, by its place: one model may be instantiated several times.
pub(super) type Place = (FileId, u32);

pub(super) fn place(var: &VarDecl) -> Place {
    (var.span.file, var.span.start)
}

/// Collects what expressions mention.
struct Mentions<'a> {
    own: &'a [VarDecl],
    pre: &'a [VarDecl],
    post: &'a [VarDecl],
    used: &'a mut BTreeSet<Place>,
    others: Vec<(PopId, VarId)>,
}

impl Mentions<'_> {
    fn var(&mut self, side: Side, id: VarId) {
        let vars = match side {
            Side::Own => self.own,
            Side::Pre => self.pre,
            Side::Post => self.post,
        };
        self.used.extend(vars.get(id.index()).map(place));
    }

    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Var(side, id) => self.var(*side, *id),
            ExprKind::Other(pop, id) => self.others.push((*pop, *id)),
            ExprKind::Unary(_, a) | ExprKind::ToReal(a) | ExprKind::Table(_, a) => self.expr(a),
            ExprKind::Binary(_, a, b) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::If(c, a, b) => {
                self.expr(c);
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Call(_, args) | ExprKind::Draw { args, .. } => args.iter().for_each(|a| self.expr(a)),
            ExprKind::Const(_)
            | ExprKind::Bool(_)
            | ExprKind::Let(_)
            | ExprKind::Local(_)
            | ExprKind::Time
            | ExprKind::Noise(_)
            | ExprKind::Timed(..)
            | ExprKind::Dt
            | ExprKind::Index(_)
            | ExprKind::Size(_)
            | ExprKind::FileArray { .. }
            | ExprKind::EdgeColumn(_) => {}
        }
    }

    fn block(&mut self, block: &[Stmt]) {
        for stmt in block {
            match &stmt.kind {
                StmtKind::Assign { var, value, .. } => self.change(*var, value),
                StmtKind::Local { value, .. } => self.expr(value),
                StmtKind::If { cond, then, els } => {
                    self.expr(cond);
                    self.block(then);
                    self.block(els);
                }
                StmtKind::Deliver { value, target } => {
                    self.var(Side::Post, *target);
                    self.expr(value);
                }
            }
        }
    }

    fn model(&mut self, lets: &[LetDecl], odes: &[hir::Ode]) {
        for var in self.own {
            let bounds = var.bounds.iter().flat_map(|(lo, hi)| [lo, hi]);
            var.init.iter().chain(bounds).for_each(|e| self.expr(e));
        }
        lets.iter().for_each(|l| self.expr(&l.value));
        for ode in odes {
            self.change(ode.var, &ode.rhs);
        }
    }

    /// What changes a variable. A weight is not used by its own changes: something must deliver it, or look at it.
    fn change(&mut self, var: VarId, value: &Expr) {
        let weight = self.own.get(var.index()).filter(|v| v.role == Role::Weight).map(place);
        let before = weight.is_some_and(|w| self.used.contains(&w));
        self.var(Side::Own, var);
        self.expr(value);
        if let Some(w) = weight.filter(|_| !before) {
            self.used.remove(&w);
        }
    }
}

/// Variables of the program's own models that nothing mentions. The models of the prelude are exempt.
fn unused(model: &Model, sink: &mut Sink) {
    // The model's own file is the first; those it imports may hold more than it needs.
    let file = FileId(0);
    let vars_of = |p: PopId| model.neurons[model.populations[p.index()].model.index()].vars.as_slice();
    let mut used = BTreeSet::new();
    for neuron in &model.neurons {
        let mut m = Mentions { own: &neuron.vars, pre: &[], post: &[], used: &mut used, others: Vec::new() };
        m.model(&neuron.lets, &neuron.odes);
        m.block(&neuron.on_spike);
        m.block(&neuron.on_release);
        for e in &neuron.every {
            m.expr(&e.period);
            m.block(&e.body);
        }
        for e in &neuron.events {
            m.block(&e.on);
            match &e.cond {
                hir::SpikeCond::Level(c) | hir::SpikeCond::Rate(c) => m.expr(c),
                hir::SpikeCond::Crosses(a, b) => {
                    m.expr(a);
                    m.expr(b);
                }
            }
        }
        match neuron.spike.as_ref().map(|s| &s.cond) {
            Some(hir::SpikeCond::Level(e) | hir::SpikeCond::Rate(e)) => m.expr(e),
            Some(hir::SpikeCond::Crosses(a, b)) => {
                m.expr(a);
                m.expr(b);
            }
            None => {}
        }
        if let Some(r) = &neuron.refractory {
            m.expr(&r.duration);
            r.hold.iter().for_each(|v| m.var(Side::Own, *v));
        }
    }
    for population in &model.populations {
        let own = &model.neurons[population.model.index()].vars;
        let mut m = Mentions { own, pre: &[], post: &[], used: &mut used, others: Vec::new() };
        population.args.iter().for_each(|(_, e)| m.expr(e));
        for (p, v) in std::mem::take(&mut m.others) {
            used.extend(vars_of(p).get(v.index()).map(place));
        }
    }
    for projection in &model.projections {
        let s = &projection.synapse;
        let (pre, post) = (vars_of(projection.pre.pop), vars_of(projection.post.pop));
        let mut m = Mentions { own: &s.vars, pre, post, used: &mut used, others: Vec::new() };
        m.model(&s.lets, &s.odes);
        m.block(&s.on_pre);
        s.on_post.iter().for_each(|b| m.block(b));
        s.injects.iter().for_each(|e| m.expr(e));
        for e in &s.every {
            m.expr(&e.period);
            m.block(&e.body);
        }
        for e in &s.events {
            m.block(&e.on);
            e.cond.sides().for_each(|c| m.expr(c));
        }
        projection.args.iter().for_each(|(_, e)| m.expr(e));
        projection.delay.iter().chain(&projection.dendritic_delay).chain(&projection.filter).for_each(|e| m.expr(e));
        projection.target.iter().for_each(|v| m.var(Side::Post, *v));
        for (p, v) in std::mem::take(&mut m.others) {
            used.extend(vars_of(p).get(v.index()).map(place));
        }
    }
    let script = &model.script;
    for key in script.assigned.iter().chain(&script.read).chain(&script.frozen).chain(&script.reset) {
        let vars = match key.entity {
            Entity::Pop(p) => vars_of(p),
            Entity::Proj(p) => model.projections[p.index()].synapse.vars.as_slice(),
        };
        used.extend(vars.get(key.var.index()).map(place));
    }
    for (n, neuron) in model.neurons.iter().enumerate().filter(|(_, n)| n.span.file == file) {
        for (k, event) in neuron.events.iter().enumerate() {
            let sent = model
                .projections
                .iter()
                .any(|c| c.event == Some(k as u32) && model.populations[c.pre.pop.index()].model.index() == n);
            let recorded = model.script.events_recorded.iter().any(|(p, e)| {
                *e as usize == k && model.populations.get(p.index()).is_some_and(|p| p.model.index() == n)
            });
            if event.on.is_empty() && !sent && !recorded {
                let message = format!("the event `{}` of `{}` is never used", event.name, neuron.name);
                sink.push(Diagnostic::new(Code::W0709, event.span, message).label("nothing reacts to it").help(
                    format!(
                        "write `on {0} {{ … }}`, connect from it: `P.{0} -> …`, record it, or remove it",
                        event.name
                    ),
                ));
            }
        }
    }
    let neurons = model.neurons.iter().map(|n| (&n.name, &n.vars));
    let synapses = model.projections.iter().map(|c| (&c.synapse.name, &c.synapse.vars));
    for (name, vars) in neurons.chain(synapses) {
        for var in vars.iter().filter(|v| v.span.file == file) {
            let what = match var.role {
                Role::Param => "parameter",
                Role::State => "state",
                Role::Weight => "weight",
                Role::Learned => "learned variable",
                Role::Input => "input",
            };
            // Entering it makes a second instance of the model silent.
            if !used.insert(place(var)) {
                continue;
            }
            let d =
                Diagnostic::new(Code::W0709, var.span, format!("the {what} `{}` of `{name}` is never used", var.name));
            sink.push(if var.role == Role::Weight {
                d.label("no handler delivers it")
                    .help(format!("write `on pre {{ deliver {} }}`, or remove it", var.name))
            } else {
                d.label("no equation, condition, handler or protocol mentions it").help("remove it, or use it")
            });
        }
    }
}
