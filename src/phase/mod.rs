//! The phase plane of a neuron: how two of its states change wherever they are, while everything else stands still. Nullclines are where one of the
//! two does not change, fixed points where neither does.
//!
//! All numbers are in internal units (ms, mV, pA); [`Axis`] has the units in which they are shown. Nothing here prints or writes.

#[cfg(feature = "plot")]
pub mod draw;
pub mod fixed;
pub mod nullcline;
pub mod table;
pub mod window;

use crate::diag::{Code, Diagnostic};
use crate::hir::{Model, NeuronModel, Population, Role, Side, SpikeCond, Type, VarDecl, VarId};
use crate::methods::sym::{Bin, Graph, Node, Sym};
use crate::sched::lower::{Context, Lowering};
use crate::units::nearest::nearest;
use crate::units::{Dim, ShownUnit, show};

/// A state that is drawn along an axis.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// Its dimension.
    pub dim: Dim,
    /// The unit it is shown in.
    pub unit: ShownUnit,
    /// The unit its derivative is shown in.
    pub rate: ShownUnit,
    /// Its initial value.
    pub initial: f64,
    /// Its bounds, if it has any.
    pub bounds: Option<(f64, f64)>,
}

impl Axis {
    /// `v (mV)`
    #[must_use]
    pub fn label(&self) -> String {
        labelled(&self.name, &self.unit)
    }

    /// `dv/dt (mV/ms)`
    #[must_use]
    pub fn rate_label(&self) -> String {
        labelled(&format!("d{}/dt", self.name), &self.rate)
    }

    /// A value with its unit.
    #[must_use]
    pub fn quantity(&self, value: f64) -> String {
        quantity(value, &self.unit)
    }
}

fn labelled(name: &str, unit: &ShownUnit) -> String {
    if unit.name.is_empty() { name.to_owned() } else { format!("{name} ({})", unit.name) }
}

fn quantity(value: f64, unit: &ShownUnit) -> String {
    format!("{} {}", show::number(value / unit.factor), unit.name).trim_end().to_owned()
}

/// The equations of one or two states.
pub struct Plane {
    /// The state drawn across.
    pub x: Axis,
    /// The state drawn up; `None` for a neuron of one equation, of which the derivative is drawn over the state.
    pub y: Option<Axis>,
    /// What stands still, and the values that it has: parameters and inputs, then other states.
    pub given: Vec<(String, String)>,
    /// The other states among them.
    pub held: Vec<(String, String)>,
    /// What is left out of the equations.
    pub notes: Vec<String>,
    /// The value of `x` above which the neuron spikes.
    pub threshold: Option<f64>,
    graph: Graph,
    vars: [VarId; 2],
    rates: [Sym; 2],
}

impl Plane {
    /// The plane of the neurons of a population, in the states named, or in the first two with equations.
    ///
    /// # Errors
    /// A state that is none, a value that is not one number, a model without equations.
    pub fn new(
        model: &Model,
        population: &Population,
        x: Option<&str>,
        y: Option<&str>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let neuron = model.neurons.get(population.model.index()).ok_or_else(Vec::new)?;
        let first = axes(neuron, x, y).map_err(|d| vec![d])?;
        let mut values = Values { model, neuron, population, known: vec![None; neuron.vars.len()] };
        let mut faults = Vec::new();
        for k in 0..neuron.vars.len() {
            if let Err(d) = values.of(VarId(k as u32), 0)
                && !faults.contains(&d)
            {
                faults.push(d);
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let known: Vec<f64> = values.known.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        let vars = [first[0], first.get(1).copied().unwrap_or(first[0])];
        let mut graph = Graph::default();
        let constant = |_: Side, v: VarId| (!vars.contains(&v)).then(|| known.get(v.index()).copied()).flatten();
        let context = Context {
            constant: &constant,
            size: &|_| population.size() as f64,
            lets: &neuron.lets,
            vars: &neuron.vars,
            dt: model.settings.dt,
        };
        let mut low = Lowering::new(&mut graph, &context);
        let mut equation = |v: VarId| neuron.odes.iter().find(|o| o.var == v).and_then(|o| low.expr(&o.rhs));
        let (Some(f), Some(g)) = (equation(vars[0]), equation(vars[1])) else {
            return Err(vec![Diagnostic::new(
                Code::E0900,
                neuron.span,
                "a bug in snnc: an equation cannot be evaluated by itself",
            )]);
        };
        let threshold = match neuron.spike.as_ref().map(|s| &s.cond) {
            Some(SpikeCond::Level(e)) => low.expr(e).and_then(|s| level(&graph, s, vars[0])),
            Some(SpikeCond::Crosses(a, b)) => {
                let (a, b) = (low.expr(a), low.expr(b));
                a.zip(b).and_then(|(a, b)| limit(&graph, a, b, vars[0]))
            }
            _ => None,
        };
        let notes = notes(&graph, [f, g], neuron);
        let axis = |v: VarId| axis(&neuron.vars[v.index()], known[v.index()], &values);
        let (mut given, mut held) = (Vec::new(), Vec::new());
        for (k, var) in neuron.vars.iter().enumerate() {
            let entry = || (var.name.clone(), quantity(known[k], &var.shown));
            match var.role {
                _ if vars.contains(&VarId(k as u32)) => {}
                Role::State | Role::Learned => held.push(entry()),
                _ => given.push(entry()),
            }
        }
        let y = first.get(1).map(|v| axis(*v));
        Ok(Self { x: axis(vars[0]), y, given, held, notes, threshold, graph, vars, rates: [f, g] })
    }

    /// The two derivatives, per ms; of a neuron of one equation the same twice.
    #[must_use]
    pub fn rates(&self, x: f64, y: f64) -> [f64; 2] {
        let leaf = |n: &Node| match n {
            Node::Var(Side::Own, v, _) if *v == self.vars[0] => x,
            Node::Var(Side::Own, v, _) if *v == self.vars[1] => y,
            Node::Timed(table, _) => {
                self.graph.tables.get(*table as usize).and_then(|t| t.first()).copied().unwrap_or(f64::NAN)
            }
            // Noise is left out, t and i are 0.
            Node::Time | Node::Index(_) | Node::Noise(_) => 0.0,
            _ => f64::NAN,
        };
        self.rates.map(|s| self.graph.eval(s, &leaf))
    }
}

/// The states to draw: two, or the only one there is.
fn axes(neuron: &NeuronModel, x: Option<&str>, y: Option<&str>) -> Result<Vec<VarId>, Diagnostic> {
    let name = |v: VarId| neuron.vars.get(v.index()).map_or("", |d| d.name.as_str());
    let states: Vec<&str> = neuron.odes.iter().map(|o| name(o.var)).collect();
    if states.is_empty() {
        return Err(Diagnostic::without_span(Code::E0905, format!("`{}` has no equations to draw", neuron.name))
            .note("a phase plane shows how states change by `dv/dt = …`"));
    }
    let named = |option: &str, wanted: &str| {
        if let Some(o) = neuron.odes.iter().find(|o| name(o.var) == wanted) {
            return Ok(o.var);
        }
        let d = match neuron.vars.iter().find(|v| v.name == wanted) {
            Some(v) => {
                let what = match v.role {
                    Role::Param => "a parameter",
                    Role::Input => "an input",
                    _ => "a state without an equation",
                };
                Diagnostic::new(Code::E0905, v.span, format!("`{option} {wanted}` names {what}"))
                    .label("it does not change by itself")
            }
            None => Diagnostic::without_span(
                Code::E0101,
                format!("`{}` has no state `{wanted}` for `{option}`", neuron.name),
            ),
        };
        Err(match nearest(wanted, states.iter().copied()) {
            Some(n) => d.help(format!("did you mean `{n}`?")),
            None => d.note(format!(
                "it has equations for {}",
                states.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ")
            )),
        })
    };
    let mut found = Vec::new();
    let x = x.map(|n| named("--x", n)).transpose()?;
    let y = y.map(|n| named("--y", n)).transpose()?;
    if x.is_some() && x == y {
        return Err(Diagnostic::without_span(Code::E0905, "`--x` and `--y` name the same state")
            .help("name two states, or leave one to the compiler"));
    }
    let mut others = neuron.odes.iter().map(|o| o.var).filter(|v| Some(*v) != x && Some(*v) != y);
    found.extend(x.or_else(|| others.next()));
    found.extend(y.or_else(|| others.next()));
    Ok(found)
}

/// What the drawing does not show, in words.
fn notes(graph: &Graph, rates: [Sym; 2], neuron: &NeuronModel) -> Vec<String> {
    let any = |pred: &dyn Fn(&Node) -> bool| rates.iter().any(|s| graph.any(*s, pred));
    let mut notes = Vec::new();
    if any(&|n| matches!(n, Node::Noise(_))) {
        notes.push(format!("{} is left out: what is drawn is the drift", neuron.noises.join(", ")));
    }
    if any(&|n| matches!(n, Node::Time | Node::Timed(..))) {
        notes.push("the equations depend on t: it is 0 here".to_owned());
    }
    if any(&|n| matches!(n, Node::Index(_))) {
        notes.push("the equations depend on i: it is 0 here".to_owned());
    }
    notes
}

/// The value that `x > value` (or `>=`) compares with.
fn level(graph: &Graph, s: Sym, x: VarId) -> Option<f64> {
    match graph.node(s) {
        Node::Bin(Bin::Gt | Bin::Ge, a, b) => limit(graph, *a, *b, x),
        _ => None,
    }
}

fn limit(graph: &Graph, a: Sym, b: Sym, x: VarId) -> Option<f64> {
    matches!(graph.node(a), Node::Var(Side::Own, v, _) if *v == x).then(|| graph.as_const(b)).flatten()
}

fn axis(var: &VarDecl, initial: f64, values: &Values<'_>) -> Axis {
    let rate_dim = var.ty.dim().mul(Dim::frequency());
    // The unit of the declaration per millisecond, if the derivative's usual unit is that of another scale.
    let usual = show::show(rate_dim);
    let rate = if usual.factor == var.shown.factor || var.shown.name.is_empty() {
        usual
    } else {
        ShownUnit { name: format!("{}/ms", bracketed(&var.shown.name)), factor: var.shown.factor }
    };
    let bounds = var.bounds.as_ref().and_then(|(lo, hi)| Some((values.number(lo)?, values.number(hi)?)));
    Axis { name: var.name.clone(), dim: var.ty.dim(), unit: var.shown.clone(), rate, initial, bounds }
}

fn bracketed(unit: &str) -> String {
    if unit.contains('/') { format!("({unit})") } else { unit.to_owned() }
}

/// The values of a neuron's variables at the start.
struct Values<'a> {
    model: &'a Model,
    neuron: &'a NeuronModel,
    population: &'a Population,
    known: Vec<Option<f64>>,
}

impl Values<'_> {
    /// The value of a variable. `depth` ends what the front end should have found to be a circle.
    fn of(&mut self, v: VarId, depth: usize) -> Result<f64, Diagnostic> {
        let bug = || Diagnostic::new(Code::E0900, self.neuron.span, "a bug in snnc: a value depends on itself");
        if let Some(x) = self.known.get(v.index()).copied().flatten() {
            return Ok(x);
        }
        let (neuron, population) = (self.neuron, self.population);
        let var = neuron.vars.get(v.index()).filter(|_| depth <= neuron.vars.len()).ok_or_else(bug)?;
        let x = match population.given(&neuron.vars, v) {
            None => 0.0,
            Some(e) => {
                let mut needed = Vec::new();
                variables(e, neuron, &mut needed);
                for w in needed {
                    self.of(w, depth + 1)?;
                }
                self.number(e).ok_or_else(|| {
                    let name = &var.name;
                    Diagnostic::new(Code::E0905, e.span, format!("`{name}` of `{}` has no single value", neuron.name))
                        .label("drawn for each neuron, or read from a file")
                        .help(format!("give it one: `--set {name}=…`"))
                })?
            }
        };
        let x = match &var.bounds {
            Some((lo, hi)) => x.max(self.number(lo).unwrap_or(x)).min(self.number(hi).unwrap_or(x)),
            None => x,
        };
        if let Some(place) = self.known.get_mut(v.index()) {
            *place = Some(x);
        }
        Ok(x)
    }

    /// The value of an expression of known variables; `None` if it is drawn or read from a file.
    fn number(&self, e: &crate::hir::Expr) -> Option<f64> {
        let mut graph = Graph::default();
        let context = Context {
            constant: &|_, v| self.known.get(v.index()).copied().flatten(),
            size: &|_| self.population.size() as f64,
            lets: &self.neuron.lets,
            vars: &self.neuron.vars,
            dt: self.model.settings.dt,
        };
        let s = Lowering::new(&mut graph, &context).expr(e)?;
        let x = graph.eval(s, &|n| match n {
            Node::Time | Node::Index(_) => 0.0,
            Node::Timed(table, _) => {
                graph.tables.get(*table as usize).and_then(|t| t.first()).copied().unwrap_or(f64::NAN)
            }
            _ => f64::NAN,
        });
        (!x.is_nan() || matches!(e.ty, Type::Bool)).then_some(x)
    }
}

/// The variables of the model that an expression reads.
fn variables(e: &crate::hir::Expr, neuron: &NeuronModel, into: &mut Vec<VarId>) {
    match &e.kind {
        crate::hir::ExprKind::Var(Side::Own, v) => into.push(*v),
        crate::hir::ExprKind::Let(id) => {
            if let Some(l) = neuron.lets.get(id.index()) {
                variables(&l.value, neuron, into);
            }
        }
        _ => e.each_part(&mut |p| variables(p, neuron, into)),
    }
}
