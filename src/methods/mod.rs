//! Integration methods: equations → the update of one time step. A method is a rewrite of symbolic expressions, not a branch
//! at run time; the registry [`METHODS`] is the one place that lists them.

pub mod backward_euler;
pub mod euler;
pub mod exact;
pub mod exp_euler;
pub mod expm;
pub mod rk4;
pub mod sym;

use sym::{Graph, Node, Sym};

use crate::hir::{Side, VarId};

/// The equations of one model that are advanced every step.
#[derive(Debug, Clone)]
pub struct OdeSystem {
    /// The states, in order of their equations.
    pub vars: Vec<VarId>,
    /// Their derivatives in internal units per ms.
    pub rhs: Vec<Sym>,
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
    /// The update of one (sub-)step of length `dt`: new values from old ones. The states `frozen` keep their values.
    pub step: fn(&mut Graph, &OdeSystem, &[bool], &mut Vec<Derived>) -> Result<Vec<Sym>, NotApplicable>,
}

/// All methods.
pub const METHODS: &[Method] = &[exact::METHOD, exp_euler::METHOD, backward_euler::METHOD, rk4::METHOD, euler::METHOD];

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
    let exact = match apply(graph, system, &exact::METHOD, "linear with constant coefficients".to_owned()) {
        Ok(update) => return Ok(update),
        Err(e) => e,
    };
    let _ = exact;
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

fn apply(graph: &mut Graph, system: &OdeSystem, method: &Method, why: String) -> Result<Update, NotApplicable> {
    let mut derived = Vec::new();
    let none = vec![false; system.vars.len()];
    let new = substeps(graph, system, method, &none, &mut derived)?;
    let held =
        if system.any_held() { Some(substeps(graph, system, method, &system.held, &mut derived)?) } else { None };
    let decaying = (0..system.vars.len()).map(|k| decays(graph, system, k)).collect();
    Ok(Update { new, held, derived, decaying, method: method.name, why })
}

/// Composes the sub-steps by substitution.
fn substeps(
    graph: &mut Graph,
    system: &OdeSystem,
    method: &Method,
    frozen: &[bool],
    derived: &mut Vec<Derived>,
) -> Result<Vec<Sym>, NotApplicable> {
    let n = system.substeps.max(1);
    let mut sub = system.clone();
    sub.dt = system.dt / f64::from(n);
    let one = (method.step)(graph, &sub, frozen, derived)?;
    let mut now = one.clone();
    for _ in 1..n {
        let map = system.vars.iter().zip(&now).map(|(v, s)| (graph.own(*v), *s)).collect();
        now = one.iter().map(|s| graph.substitute(*s, &map)).collect();
    }
    Ok(now)
}

/// Whether state `k` decays to zero by an equation of its own: dx/dt = a*x with a constant a < 0.
fn decays(graph: &mut Graph, system: &OdeSystem, k: usize) -> bool {
    let x = graph.own(system.vars[k]);
    graph
        .linear(system.rhs[k], x)
        .is_some_and(|(a, b)| graph.as_const(b) == Some(0.0) && graph.as_const(a).is_none_or(|a| a < 0.0))
}

/// Whether a symbol is made of parameters and indices only.
fn parameters_only(graph: &Graph, system: &OdeSystem, s: Sym) -> bool {
    !graph.any(s, &|n| match n {
        Node::Time => true,
        Node::Var(Side::Own, v, _) => !system.params.contains(v),
        Node::Var(..) => true,
        _ => false,
    })
}

/// Whether a symbol keeps its value during the step: it uses neither the time nor a state that is integrated.
fn constant_in_step(graph: &Graph, system: &OdeSystem, s: Sym) -> bool {
    !graph.any(s, &|n| match n {
        Node::Time => true,
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
