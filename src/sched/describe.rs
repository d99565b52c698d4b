//! The plan in words: what the compiler decided and why.

use std::fmt::Write;

use super::reasons;
use super::{Delay, Place, Plan, Spiking, Storage, Wiring};
use crate::hir::{Model, Role, VarId};

/// A page for people: methods, storage, wiring, placement, order of a step. `synapses` and `bytes` are those of the built network.
#[must_use]
pub fn describe(model: &Model, plan: &Plan, synapses: &[u64], bytes: f64) -> String {
    let mut out = String::new();
    let precision = if plan.precision == crate::hir::Precision::F32 { "f32" } else { "f64" };
    let _ = writeln!(out, "time step {} ms, {precision}, {:.1} MiB of state", plan.dt, bytes / f64::from(1 << 20));
    let left_out: Vec<&str> = plan.opt.left_out().map(|k| k.name).collect();
    if plan.opt.level < 2 || !left_out.is_empty() {
        let without = if left_out.is_empty() { String::new() } else { format!(" without {}", left_out.join(", ")) };
        let _ = writeln!(out, "restructured at level {}{without}", plan.opt.level);
    }
    for p in &plan.populations {
        let population = &model.populations[p.pop.index()];
        let neuron = &model.neurons[population.model.index()];
        let _ = writeln!(out, "\npopulation {}: {} × {}", population.shown(), population.size(), neuron.name);
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
                "  {}: one shared value, and a deviation for neurons that did not get all of it: everything reaches all alike{}; sums with it are grouped so that what is the same for all is computed once a step",
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
        out += &reasons::population(model, p, plan.precision);
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
            Wiring::Sparse => "synapses in rows by pre neuron".to_owned(),
        };
        let _ = writeln!(out, "\nprojection {}: {}, {wiring}", projection.name, synapse.name);
        let count = synapses.get(p.proj.index()).copied().unwrap_or(0);
        out += &reasons::projection(model, p, count, plan.precision);
        for (kind, (what, delay)) in [("axonal", p.delay), ("dendritic", p.dendritic)].into_iter().enumerate() {
            let _ = match delay {
                Delay::Uniform(0) => Ok(()),
                Delay::Uniform(n) => writeln!(out, "  {what} delay: {n} steps"),
                Delay::PerSynapse if p.changing_delays[kind] => {
                    writeln!(
                        out,
                        "  {what} delay: each synapse its own, since a protocol changes it; spikes on their way keep theirs"
                    )
                }
                Delay::PerSynapse if p.by_delay => {
                    writeln!(out, "  {what} delay: each synapse its own; rows are stored in the order of their delays")
                }
                Delay::PerSynapse => {
                    writeln!(out, "  {what} delay: each synapse its own; those of equal delay are visited together")
                }
            };
        }
        if !p.chances.is_empty() {
            let n = p.chances.len();
            let _ =
                writeln!(out, "  each event draws {n} random number{} at every synapse", if n == 1 { "" } else { "s" });
        }
        if let Some(kernel) = &p.kernel {
            let how = if p.recursion.is_some() { ", carried on from step to step" } else { "" };
            let _ = writeln!(out, "  a kernel of {} steps spreads what is delivered{how}", kernel.len());
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
            for (end, vars) in ["pre", "post"].into_iter().zip(&p.past) {
                if !vars.is_empty() {
                    let pop = if end == "pre" { projection.pre.pop } else { projection.post.pop };
                    let neuron = &model.neurons[model.populations[pop.index()].model.index()];
                    let list: Vec<String> =
                        vars.iter().map(|v| format!("{end}.{}", neuron.vars[v.index()].name)).collect();
                    let _ = writeln!(out, "    {} of a delay earlier: their past is kept", list.join(", "));
                }
            }
            if p.clocked.alike {
                let _ = writeln!(out, "    the same into all neurons: summed over the pre neurons once a step");
            }
        }
        for entry in &p.entries {
            let name = &synapse.vars[entry.var.index()].name;
            let when = if p.entries_always { "every step" } else { "steps in which some changed" };
            let _ =
                writeln!(out, "  {name}: the changes of all synapses of an entry of the kernel are added after {when}");
        }
        let own = &p.own;
        for (e, event) in own.events.iter().zip(&synapse.events) {
            let what = if matches!(e.cond, Spiking::Crosses(..)) { "an upward crossing" } else { "a level condition" };
            let _ = writeln!(out, "  event {} by {what}, tested for every synapse at every step", event.name);
        }
        for e in &own.every {
            let _ = writeln!(out, "  periodic code every {} steps, before integration", e.period);
        }
        if !own.draws.is_empty() {
            let _ = writeln!(out, "  random numbers per synapse and step: {}", own.draws.len());
        }
        for (v, _) in &own.live {
            let alike = if p.place[v.index()] == Place::Pre { ", the same for all synapses" } else { "" };
            let _ = writeln!(out, "  {}: computed anew at every step's start{alike}", synapse.vars[v.index()].name);
        }
        for (k, var) in synapse.vars.iter().enumerate() {
            if own.live.iter().any(|(v, _)| v.index() == k) {
                continue;
            }
            let place = match p.place[k] {
                Place::Constant(_) if var.role == Role::Param => continue,
                Place::Constant(x) => format!("the constant {x}"),
                Place::Synapse => match reasons::per_synapse(model, p, VarId(k as u32)) {
                    Some(why) => format!("one value per synapse ({why})"),
                    None => "one value per synapse".to_owned(),
                },
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
            let table = if p.decays[k].is_some() { "; what is left of it stands in a table" } else { "" };
            let dead = if p.dead.contains(&VarId(k as u32)) { "; not needed while its readers are frozen" } else { "" };
            let frozen = if p.frozen.contains(&VarId(k as u32)) { "; frozen" } else { "" };
            let _ = writeln!(out, "  {}: {place}{lazy}{listed}{table}{dead}{frozen}", var.name);
        }
    }
    let _ = writeln!(out, "\nstep: {}", step(model, plan));
    let _ = writeln!(
        out,
        "threads: each step needs the last, so that one run shares only the parts of a step, if it is large; independent samples of a loop and lanes of a batch run side by side"
    );
    out
}

/// The phases of a step that this network has, in their order.
fn step(model: &Model, plan: &Plan) -> String {
    let names = |list: Vec<&str>| if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) };
    let populations = |keep: &dyn Fn(&super::PopPlan) -> bool| -> Vec<&str> {
        plan.populations.iter().filter(|p| keep(p)).map(|p| model.populations[p.pop.index()].name.as_str()).collect()
    };
    let projections = |keep: &dyn Fn(&super::ProjPlan) -> bool| -> Vec<&str> {
        plan.projections.iter().filter(|p| keep(p)).map(|p| model.projections[p.proj.index()].name.as_str()).collect()
    };
    let of = |p: &super::ProjPlan| &model.projections[p.proj.index()].synapse;
    let mut phases = Vec::new();
    let mut phase = |what: &str, list: Vec<&str>| {
        if !list.is_empty() {
            phases.push(format!("{what}{}", names(list)));
        }
    };
    phase("advance slow states when due", populations(&|p| !p.slow.is_empty()));
    phase("live values", populations(&|p| !p.live.is_empty()));
    phase("periodic code", populations(&|p| !p.every.is_empty()));
    phase("inject", projections(&|p| !p.clocked.injects.is_empty()));
    phase("advance clocked synapses", projections(&|p| p.clocked.update.is_some()));
    phase("integrate", populations(&|p| p.update.is_some()));
    phase("detect spikes and react", populations(&|p| p.spiking.is_some()));
    phase("on pre", projections(&|p| !of(p).on_pre.is_empty()));
    phase("on post", projections(&|p| of(p).on_post.is_some()));
    if phases.is_empty() { "nothing changes".to_owned() } else { phases.join(" → ") }
}

/// What counts as zero, if that is more than the subnormal.
fn faint(least: f64) -> String {
    if least > 0.0 { format!(" (below {least:.1e} it counts as zero)") } else { String::new() }
}
