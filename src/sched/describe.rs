//! The plan in words: what the compiler decided and why.

use std::fmt::Write;

use super::{Delay, Place, Plan, Spiking, Storage, Wiring};
use crate::hir::{Model, Role, VarId};

/// A page for people: methods, storage, wiring, placement, order of a step. `synapses` and `bytes` are those of the built network.
#[must_use]
pub fn describe(model: &Model, plan: &Plan, synapses: &[u64], bytes: f64) -> String {
    let mut out = String::new();
    let precision = if plan.precision == crate::hir::Precision::F32 { "f32" } else { "f64" };
    let _ = writeln!(out, "time step {} ms, {precision}, {:.1} MiB of state", plan.dt, bytes / f64::from(1 << 20));
    for p in &plan.populations {
        let population = &model.populations[p.pop.index()];
        let neuron = &model.neurons[population.model.index()];
        let _ = writeln!(out, "\npopulation {}: {} × {}", population.name, population.size(), neuron.name);
        let name = |v: &VarId| neuron.vars[v.index()].name.clone();
        if let Some(update) = &p.update {
            let list: Vec<String> = p.integrated.iter().map(name).collect();
            let _ = writeln!(out, "  method {} for {}: {}", update.method, list.join(", "), update.why);
            if !update.derived.is_empty() {
                let _ = writeln!(
                    out,
                    "    its coefficients differ between neurons: {} arrays computed beforehand",
                    update.derived.len()
                );
            }
        }
        for w in &p.slow {
            let per_step = -w.a * plan.dt;
            let _ = writeln!(
                out,
                "  slow state {}: loses {per_step:.1e} of its value a step; kept in 64 bits and advanced in closed form at each run, write and 1024 steps{}",
                name(&w.var),
                if w.frozen { " (frozen)" } else { "" }
            );
        }
        match &p.spiking {
            Some(Spiking::Rate(_)) if population.pooled => {
                let _ = writeln!(
                    out,
                    "  stands for many sources each: events are drawn in continuous time, any number in a step"
                );
            }
            Some(Spiking::Rate(_)) => {
                let _ =
                    writeln!(out, "  spikes are drawn as gaps at the start of every run: the rate is constant in it");
            }
            Some(Spiking::Listed) => {
                let _ = writeln!(out, "  spikes are those of a list");
            }
            Some(Spiking::Hazard(_)) => {
                let _ = writeln!(out, "  spikes are drawn in every step: the rate changes during a run");
            }
            Some(Spiking::Level(_)) => {
                let _ = writeln!(out, "  spikes by a level condition at each step's end");
            }
            Some(Spiking::Crosses(..)) => {
                let _ = writeln!(out, "  spikes by an upward crossing");
            }
            None => {
                let _ = writeln!(out, "  never spikes");
            }
        }
        for (k, e) in p.events.iter().enumerate() {
            let what = if matches!(e.cond, Spiking::Crosses(..)) { "an upward crossing" } else { "a level condition" };
            let _ = writeln!(out, "  event {} by {what}", neuron.events[k].name);
        }
        for e in &p.every {
            let _ = writeln!(out, "  periodic code every {} steps, before integration", e.period);
        }
        if !p.live.is_empty() {
            let list: Vec<String> = p.live.iter().map(|(v, _)| name(v)).collect();
            let _ = writeln!(out, "  computed anew at every step's start: {}", list.join(", "));
        }
        if !p.draws.is_empty() {
            let _ = writeln!(out, "  random numbers per neuron and step: {}", p.draws.len());
        }
        if p.rests {
            let _ = writeln!(
                out,
                "  blocks of 16 neurons whose states no longer change rest until input arrives: it all comes one to one"
            );
        }
        for v in &p.shared {
            let _ = writeln!(
                out,
                "  {}: one shared value, and a deviation for neurons that did not get all of it: everything reaches all alike{}",
                name(v),
                faint(p.faint[v.index()])
            );
        }
        if let (Some(leap), true) = (&p.leap, p.update.is_some()) {
            let names = |vars: Vec<VarId>| vars.iter().map(name).collect::<Vec<_>>().join(", ");
            let fades = names(leap.fades.iter().map(|(v, _)| *v).collect());
            let relaxes = names(leap.relaxes.iter().map(|r| r.var).collect());
            let _ = writeln!(
                out,
                "  steps in which nothing arrives and nobody spikes are passed over in closed form: {}",
                match (fades.is_empty(), relaxes.is_empty()) {
                    (false, false) => format!("{fades} fade, {relaxes} returns to its rest"),
                    (true, _) => format!("{relaxes} returns to its rest"),
                    (_, true) => format!("{fades} fade"),
                }
            );
        }
        if p.calms {
            let _ = writeln!(
                out,
                "  blocks of 16 neurons without a refractory or deviating one are advanced by simpler code"
            );
        }
        if p.refractory.is_some() {
            let held: Vec<String> = p.hold.iter().map(name).collect();
            let what = if held.is_empty() { "nothing is held".to_owned() } else { format!("{} held", held.join(", ")) };
            let _ = writeln!(out, "  refractory: no spikes, {what}");
        }
        let constant: Vec<String> = (0..neuron.vars.len() as u32)
            .map(VarId)
            .filter(|v| matches!(p.storage[v.index()], Storage::Constant(_)))
            .map(|v| name(&v))
            .collect();
        if !constant.is_empty() {
            let _ = writeln!(out, "  folded into the code: {}", constant.join(", "));
        }
        let arrays: Vec<String> = (0..neuron.vars.len() as u32)
            .map(VarId)
            .filter(|v| matches!(p.storage[v.index()], Storage::Array))
            .map(|v| name(&v))
            .collect();
        if !arrays.is_empty() {
            let _ = writeln!(out, "  one value per neuron: {}", arrays.join(", "));
        }
    }
    for p in &plan.projections {
        let projection = &model.projections[p.proj.index()];
        let synapse = &projection.synapse;
        let wiring = match p.wiring {
            Wiring::Dense => {
                let pre = model.populations[projection.pre.pop.index()].size();
                let post = model.populations[projection.post.pop.index()].size();
                format!("a matrix of {pre} × {post}")
            }
            Wiring::Uniform(u) => {
                let who = if u.but_own { "all but the neuron of its own index" } else { "all" };
                format!("every event brings the same to {who}: nothing is stored for single synapses")
            }
            Wiring::Sparse => {
                format!("{} synapses in rows by pre neuron", synapses.get(p.proj.index()).copied().unwrap_or(0))
            }
        };
        let _ = writeln!(out, "\nprojection {}: {}, {wiring}", projection.name, synapse.name);
        for (what, delay) in [("axonal", p.delay), ("dendritic", p.dendritic)] {
            let _ = match delay {
                Delay::Uniform(0) => Ok(()),
                Delay::Uniform(n) => writeln!(out, "  {what} delay: {n} steps"),
                Delay::PerSynapse if p.by_delay => {
                    writeln!(out, "  {what} delay: each synapse its own; rows are stored in the order of their delays")
                }
                Delay::PerSynapse => {
                    writeln!(out, "  {what} delay: each synapse its own; those of equal delay are visited together")
                }
            };
        }
        if let Some(kernel) = &p.kernel {
            let _ = writeln!(out, "  a kernel of {} steps spreads what is delivered", kernel.len());
        }
        if let Some(update) = &p.clocked.update {
            let list: Vec<&str> = p.clocked.vars.iter().map(|v| synapse.vars[v.index()].name.as_str()).collect();
            let _ = writeln!(out, "  advanced at every step by {}: {}", update.method, list.join(", "));
        }
        for (_, why, _) in &p.clocked.why {
            let _ = writeln!(out, "    {why}");
        }
        if !p.clocked.injects.is_empty() {
            let _ = writeln!(out, "  injects at every step, from the states at its start");
            if p.clocked.alike {
                let _ = writeln!(out, "    the same into all neurons: summed over the pre neurons once a step");
            }
        }
        for (k, var) in synapse.vars.iter().enumerate() {
            let place = match p.place[k] {
                Place::Constant(_) if var.role == Role::Param => continue,
                Place::Constant(x) => format!("the constant {x}"),
                Place::Synapse => "one value per synapse".to_owned(),
                Place::Pre => {
                    "one value per pre neuron: only `on pre` writes it, the same for all its synapses".to_owned()
                }
                Place::Post => {
                    "one value per post neuron: only `on post` writes it, the same for all its synapses".to_owned()
                }
            };
            let lazy = if p.lazy[k].is_some() { ", event-driven: advanced where it is read" } else { "" };
            let faint = faint(p.faint[k]);
            let listed =
                if p.listed[k] { format!("; neurons where it is zero are not visited{faint}") } else { String::new() };
            let dead = if p.dead.contains(&VarId(k as u32)) { "; not needed while its readers are frozen" } else { "" };
            let frozen = if p.frozen.contains(&VarId(k as u32)) { "; frozen" } else { "" };
            let _ = writeln!(out, "  {}: {place}{lazy}{listed}{dead}{frozen}", var.name);
        }
    }
    let _ = writeln!(
        out,
        "\nstep: slow states → inject and clocked synapses → integrate and detect ({}) → react → on pre ({}) → on post",
        plan.populations.iter().map(|p| model.populations[p.pop.index()].name.as_str()).collect::<Vec<_>>().join(", "),
        plan.projections.iter().map(|p| model.projections[p.proj.index()].name.as_str()).collect::<Vec<_>>().join(", "),
    );
    out
}

/// What counts as zero, if that is more than the subnormal.
fn faint(least: f64) -> String {
    if least > 0.0 { format!(" (below {least:.1e} it counts as zero)") } else { String::new() }
}
