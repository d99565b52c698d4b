//! Initial values: parameters by dependency, then states; of populations in order of the file, then of projections.

use super::synapses::{Job, Made, make};
use super::values::{Bounds, Ends, Set, Values};
use super::wiring::{Files, Wires};
use crate::diag::Diagnostic;
use crate::hir::{Model, PopId, Side, VarId};
use crate::sched::{Delay, Place, Plan, Storage};

/// The initial values of a whole network.
#[derive(Debug, Clone, Default)]
pub struct Initial {
    /// By population: one value per neuron.
    pub pops: Vec<Values>,
    /// By projection.
    pub projs: Vec<Made>,
    /// Bounds of the populations' variables.
    pub pop_bounds: Vec<Bounds>,
}

/// Computes all initial values.
///
/// # Errors
/// An array of the wrong length, a missing file, a draw that never falls inside its bounds.
pub fn initial(
    model: &Model,
    plan: &Plan,
    wires: &mut [Option<Wires>],
    files: &Files,
) -> Result<Initial, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut out = Initial::default();
    for (p, population) in model.populations.iter().enumerate() {
        let neuron = &model.neurons[population.model.index()];
        let constants: Vec<Option<f64>> = plan.populations[p]
            .storage
            .iter()
            .map(|s| match s {
                Storage::Constant(x) => Some(*x),
                Storage::Array => None,
            })
            .collect();
        let n = population.size();
        let set = Set {
            model,
            name: &population.name,
            vars: &neuron.vars,
            lets: &neuron.lets,
            args: &population.args,
            constants: &constants,
            count: n,
            files,
            anew: None,
        };
        let size = |_: Side| n as f64;
        // Other populations' values at the start; of later ones they are not known yet, and the first step sets what follows them.
        let other = |pop: PopId, var: VarId, k: u64| match plan.populations[pop.index()].storage[var.index()] {
            Storage::Constant(x) => x,
            Storage::Array => {
                let values = out.pops.get(pop.index()).and_then(|p| p[var.index()].as_ref());
                values.and_then(|v| v.get(k as usize).or_else(|| v.first())).copied().unwrap_or(0.0)
            }
        };
        let ends = Ends::of_neurons(&other, &size);
        let result = set.all(&ends);
        match result {
            Ok((values, bounds)) => {
                out.pops.push(values);
                out.pop_bounds.push(bounds);
            }
            Err(d) => {
                errors.push(d);
                out.pops.push(vec![None; neuron.vars.len()]);
                out.pop_bounds.push(vec![None; neuron.vars.len()]);
            }
        }
    }
    for (p, projection) in model.projections.iter().enumerate() {
        let place = &plan.projections[p].place;
        let constants: Vec<Option<f64>> = place
            .iter()
            .map(|s| match s {
                Place::Constant(x) => Some(*x),
                Place::Synapse | Place::Pre | Place::Post => None,
            })
            .collect();
        let (pre_pop, post_pop) = (projection.pre.pop.index(), projection.post.pop.index());
        let (pre, post) = (model.populations[pre_pop].size(), model.populations[post_pop].size());
        let (rows, table) = match &mut wires[p] {
            Some(w) => (Some(&mut w.rows), Some(&w.columns_of_file)),
            None => (None, None),
        };
        let set = Set {
            model,
            name: &projection.name,
            vars: &projection.synapse.vars,
            lets: &projection.synapse.lets,
            args: &projection.args,
            constants: &constants,
            count: rows.as_ref().map_or(pre * post, |rows| rows.len() as u64),
            files,
            anew: None,
        };
        let size = |side: Side| if side == Side::Post { post as f64 } else { pre as f64 };
        let neuron_value = |side: Side, var: VarId, index: u64| {
            let pop = if side == Side::Post { post_pop } else { pre_pop };
            match &plan.populations[pop].storage[var.index()] {
                Storage::Constant(x) => *x,
                Storage::Array => {
                    out.pops[pop][var.index()].as_ref().and_then(|v| v.get(index as usize)).copied().unwrap_or(f64::NAN)
                }
            }
        };
        // What an input follows has one neuron.
        let other = |pop: PopId, var: VarId, _: u64| match plan.populations[pop.index()].storage[var.index()] {
            Storage::Constant(x) => x,
            Storage::Array => {
                out.pops[pop.index()][var.index()].as_ref().and_then(|v| v.first()).copied().unwrap_or(0.0)
            }
        };
        let kernel = super::wiring::shared_kernel(model, projection);
        let entry = |i: u64, j: u64| kernel.as_ref().and_then(|c| c.entry(i, j));
        let shared = kernel.as_ref().map(|c| (&entry as &(dyn Fn(u64, u64) -> Option<u64> + Sync), c.entries()));
        let ends = Ends {
            shared,
            pre: &|k| k / post.max(1),
            post: &|k| k % post.max(1),
            side: &neuron_value,
            other: &other,
            size: &size,
            column: &|name, k| table.and_then(|t| t.get(name)).and_then(|c| c.get(k as usize)).copied(),
            single: &|v| matches!(place[v.index()], Place::Pre | Place::Post),
        };
        let proj = &plan.projections[p];
        let own = |delay: Delay, e| if delay == Delay::PerSynapse { e } else { None };
        let job = Job {
            set: &set,
            ends: &ends,
            float: super::build::float(plan),
            delays: [
                own(proj.delay, projection.delay.as_ref()),
                own(proj.dendritic, projection.dendritic_delay.as_ref()),
            ],
            hears: !projection.synapse.on_pre.is_empty(),
            injects: !proj.past[0].is_empty(),
            by_delay: proj.by_delay,
            delay_vars: projection.delay_vars,
            changing_delays: proj.changing_delays,
            needs_columns: projection.synapse.on_post.is_some(),
            post_size: post as u32,
        };
        match make(&job, rows) {
            Ok(made) => out.projs.push(made),
            Err(d) => {
                errors.push(d);
                out.projs.push(Made::default());
            }
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}
