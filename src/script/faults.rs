//! Values that leave their range while a network runs (E0904), looked for once at the end of each `run`: a step pays nothing. What is
//! found is explained by carrying the run out again from a copy of its start, in ever smaller pieces, up to the first
//! bad step. Copies are made while they cost next to nothing beside the steps; how often that is depends on nothing but what was run. Also what a whole experiment did that nobody can have meant: no spike at all, rates that no neuron has (W0714, W0715).

use crate::diag::{Code, Diagnostic};
use crate::hir::{self, Model, PopId, SpikeCond};
use crate::script::machine::{Entity, Machine, Slice, VarKey};
use crate::script::names::vars;
use crate::script::outcome::show;
use crate::script::tensor::Value;
use crate::source::Span;

/// Bytes that are copied for each step at most, on average: about a hundredth of the time of a step of a small network.
const COPIED: u64 = 32;
/// Bytes that are copied beforehand: values mostly explode in the first runs.
const ALLOWANCE: u64 = 1 << 22;
/// Runs that may go by between two copies after that. What is copied more rarely would hardly ever be of use.
const EVERY: u64 = 16;
/// Elements of synapses that are looked at for each step at most.
const LOOKED: u64 = 16;
/// Values before the bad one that are shown.
const BEFORE: usize = 3;

/// What may still be copied.
pub(crate) struct Budget {
    bytes: u64,
    /// The copy of a run that is over: the next one takes its memory.
    spare: Option<Box<dyn Machine>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: ALLOWANCE, spare: None }
    }
}

impl Budget {
    /// For one sample of several that run at the same time.
    pub(crate) fn of_sample() -> Self {
        Self { bytes: 0, spare: None }
    }

    /// Whether so many bytes may be copied for a run of `steps`.
    fn pays(&mut self, bytes: u64, steps: u64) -> bool {
        let earned = steps.saturating_mul(COPIED);
        // A large network in short runs has its allowance and no more.
        let earned = if bytes / EVERY > earned { 0 } else { earned };
        // What long runs of a network have earned is not kept to copy a large one for a short run.
        let left = self.bytes.saturating_add(earned).min(earned.max(ALLOWANCE));
        let pays = bytes <= left;
        self.bytes = if pays { left - bytes } else { left };
        pays
    }

    /// A run went well.
    pub(crate) fn done(&mut self, watch: Watch) {
        if watch.copy.is_some() {
            self.spare = watch.copy;
        }
    }
}

/// The start of a `run`.
pub(crate) struct Watch {
    copy: Option<Box<dyn Machine>>,
    start: u64,
    steps: u64,
}

/// A run of `steps` begins ([`Machine::begin_run`] was called).
pub(crate) fn watch(machine: &dyn Machine, steps: u64, budget: &mut Budget) -> Watch {
    let copy = budget.pays(machine.bytes(), steps).then(|| match budget.spare.take() {
        Some(mut copy) => {
            copy.adopt(machine);
            copy
        }
        None => machine.fork(),
    });
    Watch { copy, start: machine.steps(), steps }
}

impl Watch {
    /// The fault at the end of the run, if a value became infinite or undefined in it.
    pub(crate) fn fault(&self, machine: &dyn Machine, model: &Model, run: Span) -> Option<Diagnostic> {
        let synapses = self.steps.saturating_mul(LOOKED);
        let found = machine.non_finite(synapses);
        if found.is_empty() {
            return None;
        }
        // A value may be infinite from the start and be meant so, such as the time of a last spike.
        let known: Vec<VarKey> = match &self.copy {
            Some(copy) => copy.non_finite(synapses).into_iter().map(|(k, _)| k).collect(),
            None => found.iter().map(|(k, _)| *k).filter(|k| begins_infinite(model, *k)).collect(),
        };
        let bad = |m: &dyn Machine| m.non_finite(synapses).into_iter().find(|(k, _)| !known.contains(k));
        let (key, element) = bad(machine)?;
        let replayed = self.copy.as_ref().and_then(|copy| first(copy.as_ref(), self.steps, &bad));
        Some(explain(model, machine, self, (key, element), replayed, run))
    }
}

/// The first bad step of a run.
struct Found {
    key: VarKey,
    element: usize,
    /// The number of the step, from the start of the run, counted from 1.
    step: u64,
    /// Values at the ends of the steps before and of the bad one.
    values: Vec<f64>,
}

/// Carries the run out again: in 64 pieces, then the bad one step by step.
fn first(copy: &dyn Machine, steps: u64, bad: &dyn Fn(&dyn Machine) -> Option<(VarKey, usize)>) -> Option<Found> {
    let piece = steps.div_ceil(64).max(1);
    let (mut at, mut done) = (copy.fork(), 0);
    loop {
        let mut next = at.fork();
        let n = piece.min(steps - done);
        if n == 0 {
            return None;
        }
        next.advance(n).ok()?;
        if bad(next.as_ref()).is_some() {
            break;
        }
        at = next;
        done += n;
    }
    let mut before: Vec<Box<dyn Machine>> = Vec::new();
    loop {
        let mut next = at.fork();
        next.advance(1).ok()?;
        done += 1;
        before.push(at);
        if let Some((key, element)) = bad(next.as_ref()) {
            before.push(next);
            let values = before.iter_mut().map(|m| value(m.as_mut(), key, element)).collect();
            return Some(Found { key, element, step: done, values });
        }
        if before.len() > BEFORE {
            before.remove(0);
        }
        if done > steps {
            return None;
        }
        at = next;
    }
}

fn value(machine: &mut dyn Machine, key: VarKey, element: usize) -> f64 {
    match machine.values(key).data {
        Slice::F32(v) => v.get(element).copied().map_or(f64::NAN, f64::from),
        Slice::F64(v) => v.get(element).copied().unwrap_or(f64::NAN),
        Slice::Uniform(x) => x,
    }
}

fn begins_infinite(model: &Model, key: VarKey) -> bool {
    let vars = vars(model, key.entity).unwrap_or(&[]);
    vars.get(key.var.index())
        .and_then(|v| v.init.as_ref())
        .is_some_and(|e| e.any(&[], &|e| matches!(e.kind, hir::ExprKind::Const(x) if !x.is_finite())))
}

fn explain(
    model: &Model,
    machine: &dyn Machine,
    watch: &Watch,
    seen: (VarKey, usize),
    found: Option<Found>,
    run: Span,
) -> Diagnostic {
    let (key, element) = found.as_ref().map_or(seen, |f| (f.key, f.element));
    let Some(var) = vars(model, key.entity).and_then(|vars| vars.get(key.var.index())) else {
        return Diagnostic::new(Code::E0904, run, "a value left its range in this `run`");
    };
    let (who, odes) = match key.entity {
        Entity::Pop(p) => {
            let population = &model.populations[p.index()];
            let of = if population.size() > 1 { format!("neuron {element} of ") } else { String::new() };
            (format!("{of}`{}`", population.name), model.neuron_of(p).map_or(&[][..], |n| &n.odes))
        }
        Entity::Proj(p) => {
            let projection = &model.projections[p.index()];
            (format!("synapse {element} of `{}`", projection.name), projection.synapse.odes.as_slice())
        }
    };
    let dt = machine.dt();
    let last = found.as_ref().and_then(|f| f.values.last().copied());
    let became = match last {
        Some(x) if x.is_infinite() => "infinite",
        _ => "undefined (not a number)",
    };
    let time = |step: u64| real((watch.start + step) as f64 * dt);
    let when = match &found {
        Some(f) => format!("at t = {} ms", time(f.step)),
        None => format!("between t = {} ms and {} ms", time(0), time(watch.steps)),
    };
    let place = odes.iter().find(|o| o.var == key.var).map_or(var.span, |o| o.span);
    let label = match machine.method(key) {
        Some(method) => format!("solved by `{method}` with a step of {} ms", real(dt)),
        None => "no equation moves it: it was written by a handler".to_owned(),
    };
    let mut d = Diagnostic::new(Code::E0904, place, format!("`{}` of {who} became {became} {when}", var.name))
        .label(label)
        .also(run, "while this `run` was carried out");
    match &found {
        Some(f) => {
            let shown = |x: &f64| real(x / var.shown.factor);
            let values: Vec<String> = f.values.iter().map(shown).collect();
            let unit = if var.shown.name.is_empty() { String::new() } else { format!(" {}", var.shown.name) };
            d = d.note(format!(
                "its values at the last steps{}: {}",
                if unit.is_empty() { unit } else { format!(" in{unit}") },
                values.join(", ")
            ));
        }
        None => {
            d = d.note("the run is short for a network of this size, so no copy of its start was kept to find the step")
        }
    }
    d.help(
        "try a shorter time step, or another method; if the equation itself explodes, bound it, as in `min(v, 30 mV)`",
    )
}

/// What is suspicious in the counts of an experiment: spikes of each population in `steps` steps.
pub(crate) fn counts(model: &Model, spikes: &[u64], steps: u64, name: &str, span: Span) -> Vec<Diagnostic> {
    let seconds = steps as f64 * model.settings.dt * 1e-3;
    let mut out = Vec::new();
    if seconds < 0.1 {
        return out;
    }
    // Sources do what they are told; neurons with a threshold are what an experiment is about.
    let cells: Vec<usize> = (0..model.populations.len())
        .filter(|p| {
            let spike = model.neuron_of(PopId(*p as u32)).and_then(|n| n.spike.as_ref());
            spike.is_some_and(|s| !matches!(s.cond, SpikeCond::Rate(_))) && model.populations[*p].play.is_none()
        })
        .collect();
    let watched = |p: &&usize| {
        let id = PopId(**p as u32);
        model.script.spikes_recorded.contains(&id) || model.script.counted.contains(&id)
    };
    if !cells.is_empty() && cells.iter().all(|p| spikes.get(*p) == Some(&0)) && cells.iter().any(|p| watched(&p)) {
        let list: Vec<String> = cells.iter().take(4).map(|p| format!("`{}`", model.populations[*p].name)).collect();
        out.push(
            Diagnostic::new(Code::W0714, span, format!("no neuron spiked in `{name}`"))
                .label(format!("{} s were simulated, and {} stayed silent", real(seconds), list.join(", ")))
                .help("look at a membrane with `record P.v every 1 ms`; stronger or more synapses, a higher rate or a current wake it"),
        );
    }
    for p in cells {
        let population = &model.populations[p];
        let rate = spikes.get(p).map_or(0.0, |n| *n as f64 / (population.size() as f64 * seconds));
        if rate > 500.0 {
            out.push(
                Diagnostic::new(
                    Code::W0715,
                    population.span,
                    format!("the neurons of `{}` fire at {rate:.0} Hz on average in `{name}`", population.name),
                )
                .label("more than any neuron does for long")
                .help("excitation runs away: lower the weights, strengthen inhibition, or add `refractory 2 ms`"),
            );
        }
    }
    out
}

/// A number as `print` shows it.
fn real(x: f64) -> String {
    show(&Value::Real(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However a protocol cuts its time into runs, at most the allowance and so many bytes a step are copied.
    #[test]
    fn copies_are_paid_by_steps() {
        for (bytes, steps) in [(400_000, 700), (1000, 1), (5_000_000, 100), (3000, 10_000), (20_000, 100)] {
            let (mut budget, mut copied) = (Budget::default(), 0);
            for run in 1..=2000 {
                copied += if budget.pays(bytes, steps) { bytes } else { 0 };
                assert!(copied <= ALLOWANCE + COPIED * steps * run);
            }
            let paid = COPIED * steps * 2000;
            let rare = bytes > EVERY * COPIED * steps;
            let due = if rare { ALLOWANCE.min(paid) } else { paid };
            assert!(bytes > ALLOWANCE || copied + bytes > due.min(bytes * 2000), "{copied}");
            assert!(!rare || copied <= ALLOWANCE, "{copied}");
        }
        assert!(!Budget::of_sample().pays(33, 1) && Budget::of_sample().pays(32, 1));
    }
}
