//! Steps of explicit Euler that are long for a time constant, or that conductances can make too long (W0701).

use super::{Known, number, targets};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{self, Model, NeuronModel, Role, Side};
use crate::methods::sym::{Node, Sym};

/// A kind of trouble with explicit Euler steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// Conductances can make the step too long.
    Conductances,
    /// A time constant is too short.
    TimeConstant,
}

/// One equation in trouble, in the population where it is worst.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) kind: Trouble,
    pub(super) ode: usize,
    pop: usize,
    /// Conductances: their sum in units of the leak beyond which a step overshoots; else the time constant in ms.
    pub(super) limit: f64,
}

/// The equations of a population that explicit Euler steps may solve badly. For dx/dt = a*x + b a step multiplies the distance to
/// the fixed point by 1 + a*dt: it overshoots without end where a*dt < -2.
pub(super) fn unstable(model: &Model, p: usize, neuron: &NeuronModel, known: &Known<'_>) -> Vec<Found> {
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
pub(super) fn in_synapse(model: &Model, projection: &hir::Projection, known: &Known<'_>, sink: &mut Sink) {
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

pub(super) fn report(model: &Model, neuron: &NeuronModel, found: Found, sink: &mut Sink) {
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
