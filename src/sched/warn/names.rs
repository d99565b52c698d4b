//! What is declared and misleads: time constants without a unit of time (W0801), one noise in two equations (W0710).

use std::collections::BTreeSet;

use super::unused::place;
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{self, ExprKind, Model, Role, Type};
use crate::source::FileId;

/// Time constants without a unit of time.
pub(super) fn time_constants(model: &Model, sink: &mut Sink) {
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
pub(super) fn top_level_time_constants(model: &Model, sink: &mut Sink) {
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
pub(super) fn shared_noise(model: &Model, sink: &mut Sink) {
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
