//! Integration methods: equations → the update of one time step. A method is a rewrite of symbolic expressions, not a branch
//! at run time; the registry [`METHODS`] is the one place that lists them.

pub mod backward_euler;
pub mod euler;
pub mod exact;
pub mod exp_euler;
pub mod exp_midpoint;
pub mod expm;
pub mod noise;
pub mod rk2;
pub mod rk4;
pub mod sym;
pub mod tape;

use sym::{Graph, Node, Sym};

use crate::hir::{Side, VarId};

/// The equations of one model that are advanced every step.
#[derive(Debug, Clone)]
pub struct OdeSystem {
    /// The states, in order of their equations.
    pub vars: Vec<VarId>,
    /// Their derivatives in internal units per ms, without noise.
    pub rhs: Vec<Sym>,
    /// White noise: by source and state, the strength with which it acts.
    pub noise: Vec<Vec<Sym>>,
    /// Which states are held while refractory.
    pub held: Vec<bool>,
    /// The model's parameters: constant for each element, so that matrices made of them can be computed beforehand.
    pub params: Vec<VarId>,
    /// The time step in ms.
    pub dt: f64,
    /// Sub-steps per time step.
    pub substeps: u32,
}

impl OdeSystem {
    /// Whether some state is held.
    #[must_use]
    pub fn any_held(&self) -> bool {
        self.held.iter().any(|h| *h)
    }

    /// The first state that white noise acts on.
    #[must_use]
    pub fn noisy(&self, graph: &Graph) -> Option<usize> {
        (0..self.vars.len()).find(|k| self.noise.iter().any(|g| graph.as_const(g[*k]) != Some(0.0)))
    }
}

/// A normal random number that noise takes in each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoiseDraw {
    /// The noise source, by its number in the model.
    pub source: u32,
    /// Which of the source's numbers of this step.
    pub number: u32,
    /// How many numbers the source takes in a step.
    pub of: u32,
}

/// What the update of a step takes besides the old values.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// Values computed beforehand, by the number of their `Slot`.
    pub derived: Vec<Derived>,
    /// Random numbers of the step, by the number of their `Draw`.
    pub draws: Vec<NoiseDraw>,
}

/// What a method does with white noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseUse {
    /// It cannot integrate noise.
    None,
    /// Noise whose strength does not depend on the states.
    Additive,
    /// Any noise.
    Any,
}

/// Entries of the propagator and offset matrices of a linear system whose coefficients differ between elements: computed once per
/// element (and again when a protocol assigns a parameter), stored as arrays.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The matrix A of x' = A x + b, row by row; each entry a function of parameters.
    pub matrix: Vec<Vec<Sym>>,
    /// The time step in ms.
    pub dt: f64,
    /// Row and column.
    pub entry: (usize, usize),
    /// Whether the entry is of the offset matrix Q (else of the propagator P).
    pub offset: bool,
    /// The entry is of the factor of the covariance that noise entering as this vector has after a step.
    pub noise: Option<Vec<Sym>>,
}

/// The update of one time step.
#[derive(Debug, Clone)]
pub struct Update {
    /// The new value of each state, from the old values.
    pub new: Vec<Sym>,
    /// The new values while refractory, where some states are held (their entries are the old values). `None`: nothing is held.
    pub held: Option<Vec<Sym>>,
    /// Values computed beforehand, by the number of their `Slot`.
    pub derived: Vec<Derived>,
    /// Normal random numbers of the step, by the number of their `Draw`.
    pub draws: Vec<NoiseDraw>,
    /// Which states decay to zero by themselves: their stores flush subnormals.
    pub decaying: Vec<bool>,
    /// The method's name.
    pub method: &'static str,
    /// Why it was chosen, in words.
    pub why: String,
}

/// Why a method cannot solve a system: in words, with the state it fails on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotApplicable {
    /// The state.
    pub var: VarId,
    /// What is wrong with its equation, such as "is not linear in `v`".
    pub why: String,
}

/// A method of the registry.
pub struct Method {
    /// The name used in `method NAME`.
    pub name: &'static str,
    /// The order of convergence measured by the tests; `None` for methods that are exact.
    pub order: Option<u32>,
    /// One line for people.
    pub about: &'static str,
    /// What it does with white noise.
    pub noise: NoiseUse,
    /// The update of one (sub-)step of length `dt`: new values from old ones. The states `frozen` keep their values.
    pub step: fn(&mut Graph, &OdeSystem, &[bool], &mut Extra) -> Result<Vec<Sym>, NotApplicable>,
}

/// All methods.
pub const METHODS: &[Method] = &[
    exact::METHOD,
    exp_euler::METHOD,
    exp_midpoint::METHOD,
    backward_euler::METHOD,
    rk4::METHOD,
    rk2::METHOD,
    euler::METHOD,
    euler::MARUYAMA,
    noise::HEUN,
    noise::MILSTEIN,
];

/// The method of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|m| m.name == name)
}

/// Chooses a method (or takes the named one) and gives the update of one time step.
///
/// # Errors
/// The named method cannot solve the system.
pub fn plan(graph: &mut Graph, system: &OdeSystem, named: Option<&str>) -> Result<Update, NotApplicable> {
    if let Some(name) = named {
        let Some(method) = find(name) else {
            let var = system.vars.first().copied().unwrap_or(VarId(0));
            return Err(NotApplicable { var, why: format!("there is no method `{name}`") });
        };
        return apply(graph, system, method, "named in the model".to_owned());
    }
    let noisy = system.noisy(graph).is_some();
    let why = if noisy {
        "linear with constant coefficients and noise of given strength: its covariance is known"
    } else {
        "linear with constant coefficients"
    };
    if let Ok(update) = apply(graph, system, &exact::METHOD, why.to_owned()) {
        return Ok(update);
    }
    if noisy {
        let why = "noise in equations that have no exact solution".to_owned();
        return apply(graph, system, &euler::MARUYAMA, why);
    }
    let own_linear = (0..system.vars.len()).all(|k| {
        let x = graph.own(system.vars[k]);
        graph.linear(system.rhs[k], x).is_some()
    });
    if own_linear {
        let why = "each equation is linear in its own variable, not all have constant coefficients".to_owned();
        return apply(graph, system, &exp_euler::METHOD, why);
    }
    apply(graph, system, &rk4::METHOD, "an equation is not linear in its own variable".to_owned())
}

/// Whether [`plan`] would take the exact solution of a system without noise: its steps then do what the equations do.
pub fn exactly(graph: &mut Graph, system: &OdeSystem, named: Option<&str>) -> bool {
    named.is_none_or(|n| n == exact::METHOD.name) && linear_system(graph, system).is_ok()
}

fn apply(graph: &mut Graph, system: &OdeSystem, method: &Method, why: String) -> Result<Update, NotApplicable> {
    let strong = noise::multiplicative(graph, system);
    let refused = match method.noise {
        NoiseUse::None => system.noisy(graph).map(|k| (k, "has white noise")),
        NoiseUse::Additive => strong.map(|k| (k, "has noise whose strength depends on a state")),
        NoiseUse::Any => None,
    };
    if let Some((k, why)) = refused {
        return Err(NotApplicable { var: system.vars[k], why: why.to_owned() });
    }
    let mut extra = Extra::default();
    let mut sub = system.clone();
    let n = system.substeps.max(1);
    sub.dt = system.dt / f64::from(n);
    let none = vec![false; system.vars.len()];
    let new = (method.step)(graph, &sub, &none, &mut extra)?;
    let held = if system.any_held() { Some((method.step)(graph, &sub, &system.held, &mut extra)?) } else { None };
    // Every sub-step has random numbers of its own.
    let base = std::mem::take(&mut extra.draws);
    let count = |source: u32| base.iter().filter(|d| d.source == source).map(|d| d.number + 1).max().unwrap_or(0);
    for k in 0..n {
        for d in &base {
            let of = count(d.source);
            extra.draws.push(NoiseDraw { source: d.source, number: k * of + d.number, of: n * of });
        }
    }
    let drawn = base.len() as u32;
    let new = compose(graph, system, &new, sub.dt, drawn);
    let held = held.map(|h| compose(graph, system, &h, sub.dt, drawn));
    let decaying = (0..system.vars.len()).map(|k| decays(graph, system, k)).collect();
    Ok(Update { new, held, derived: extra.derived, draws: extra.draws, decaying, method: method.name, why })
}

/// Composes the sub-steps of length `dt` by substitution; `drawn` random numbers belong to each.
fn compose(graph: &mut Graph, system: &OdeSystem, one: &[Sym], dt: f64, drawn: u32) -> Vec<Sym> {
    let mut now = one.to_vec();
    for k in 1..system.substeps.max(1) {
        let mut map: std::collections::HashMap<Sym, Sym> =
            system.vars.iter().zip(&now).map(|(v, s)| (graph.own(*v), *s)).collect();
        let (t, h) = (graph.time(), graph.real(dt * f64::from(k)));
        let later = graph.add(t, h);
        map.insert(t, later);
        for d in 0..drawn {
            map.insert(graph.draw(d), graph.draw(k * drawn + d));
        }
        now = one.iter().map(|s| graph.substitute(*s, &map)).collect();
    }
    now
}

/// Whether state `k` decays to zero by an equation of its own: dx/dt = a*x with a constant a < 0.
fn decays(graph: &mut Graph, system: &OdeSystem, k: usize) -> bool {
    if system.noise.iter().any(|g| graph.as_const(g[k]) != Some(0.0)) {
        return false;
    }
    let x = graph.own(system.vars[k]);
    graph
        .linear(system.rhs[k], x)
        .is_some_and(|(a, b)| graph.as_const(b) == Some(0.0) && graph.as_const(a).is_none_or(|a| a < 0.0))
}

/// Whether a symbol is made of parameters and indices only.
fn parameters_only(graph: &Graph, system: &OdeSystem, s: Sym) -> bool {
    !graph.any(s, &|n| match n {
        Node::Time | Node::Noise(_) | Node::Draw(_) | Node::Other(..) | Node::Timed(..) => true,
        Node::Var(Side::Own, v, _) => !system.params.contains(v),
        Node::Var(..) => true,
        _ => false,
    })
}

/// Whether a symbol keeps its value during the step: it uses neither the time nor a state that is integrated.
fn constant_in_step(graph: &Graph, system: &OdeSystem, s: Sym) -> bool {
    !graph.any(s, &|n| match n {
        Node::Time | Node::Noise(_) | Node::Draw(_) => true,
        Node::Var(Side::Own, v, _) => system.vars.contains(v),
        Node::Var(..) => true,
        _ => false,
    })
}

/// The matrix A and vector b of a system that is linear with constant coefficients: x' = A x + b.
fn linear_system(graph: &mut Graph, system: &OdeSystem) -> Result<(Vec<Vec<Sym>>, Vec<Sym>), NotApplicable> {
    let mut matrix = Vec::new();
    let mut offset = Vec::new();
    for (k, rhs) in system.rhs.iter().enumerate() {
        let mut rest = *rhs;
        let mut row = Vec::new();
        for v in &system.vars {
            let x = graph.own(*v);
            let Some((a, b)) = graph.linear(rest, x) else {
                return Err(NotApplicable { var: system.vars[k], why: "is not linear".to_owned() });
            };
            if !parameters_only(graph, system, a) {
                return Err(NotApplicable {
                    var: system.vars[k],
                    why: "has a coefficient that changes in time".to_owned(),
                });
            }
            row.push(a);
            rest = b;
        }
        if !constant_in_step(graph, system, rest) {
            return Err(NotApplicable { var: system.vars[k], why: "is driven by a function of time".to_owned() });
        }
        matrix.push(row);
        offset.push(rest);
    }
    Ok((matrix, offset))
}
