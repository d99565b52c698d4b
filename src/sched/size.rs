//! How large a network will be, before anything is allocated: neurons, synapses and bytes of each part.

use super::{Place, Plan, PopPlan, ProjPlan, Storage, Wiring};
use crate::diag::{Code, Diagnostic, Sink};
use crate::hir::{Model, Precision, Rule, Select, View};
use crate::source::Span;

/// Bytes of a network that are worth a warning.
const MANY_BYTES: f64 = 4.0 * 1024.0 * 1024.0 * 1024.0;
/// Synapses of a network that are worth a warning.
const MANY_SYNAPSES: f64 = 2e8;

/// One population or projection.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Whether `count` counts synapses, else neurons.
    pub synapses: bool,
    /// Neurons, or the expected number of synapses.
    pub count: f64,
    /// Bytes of its variables and indices.
    pub bytes: f64,
    /// Where it is declared.
    pub span: Span,
}

/// How much there is of one part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Amount {
    /// Neurons or synapses.
    pub(super) count: f64,
    /// Bytes of its variables and indices.
    pub(super) bytes: f64,
}

/// All parts of a network, populations first. The number of synapses is what the rule gives before `where` takes some away; of `edges`
/// nothing is known, and zero is given.
#[must_use]
pub fn parts(model: &Model, plan: &Plan) -> Vec<Part> {
    let mut out = Vec::new();
    for (population, p) in model.populations.iter().zip(&plan.populations) {
        let Amount { count, bytes } = of_population(model, p);
        out.push(Part { name: population.shown().to_owned(), synapses: false, count, bytes, span: population.span });
    }
    for p in &plan.projections {
        let projection = &model.projections[p.proj.index()];
        let Amount { count, bytes } = of_projection(model, p);
        out.push(Part { name: projection.name.clone(), synapses: true, count, bytes, span: projection.span });
    }
    out
}

/// Bytes of a number.
fn float(model: &Model) -> f64 {
    if model.settings.precision == Precision::F32 { 4.0 } else { 8.0 }
}

/// A population's neurons.
pub(super) fn of_population(model: &Model, plan: &PopPlan) -> Amount {
    let arrays = plan.storage.iter().filter(|s| matches!(s, Storage::Array)).count() as f64;
    let count = model.populations[plan.pop.index()].size() as f64;
    // Beside the variables: counts, first spikes, spike lists and timers.
    Amount { count, bytes: count * (arrays * float(model) + 24.0) }
}

/// A projection's synapses. Before anything is restructured it is what they take at most: what is uniform then has no index any more.
pub(super) fn of_projection(model: &Model, plan: &ProjPlan) -> Amount {
    let projection = &model.projections[plan.proj.index()];
    let (pre, post) = (size(model, &projection.pre), size(model, &projection.post));
    let count = match &projection.rule {
        Rule::AllToAll => pre * post,
        Rule::OneToOne => pre.min(post),
        Rule::Random { p, .. } => p * pre * post,
        // At most.
        Rule::Distance { p, .. } => p * pre * post,
        Rule::Pool { .. } => pre,
        Rule::Conv { kernel, .. } => (*kernel as f64).powi(2) * channels(model, projection) * post,
        Rule::FixedIndegree { k, .. } => *k as f64 * post,
        Rule::FixedOutdegree { k, .. } => *k as f64 * pre,
        Rule::FixedTotal { n, .. } => *n as f64,
        Rule::Edges { .. } => 0.0,
    };
    let own = plan.place.iter().filter(|p| **p == Place::Synapse).count() as f64 * float(model);
    let index = match (plan.wiring != Wiring::Sparse, plan.needs_columns) {
        (true, _) => 0.0,
        (false, false) => 8.0,
        (false, true) => 16.0,
    };
    Amount { count, bytes: count * (own + index) }
}

/// Whether a network of these neurons and these synapses is so large that it is told.
pub(super) fn is_large(neurons: impl Iterator<Item = Amount>, synapses: impl Iterator<Item = Amount>) -> bool {
    let (mut bytes, mut count) = (0.0, 0.0);
    neurons.for_each(|n| bytes += n.bytes);
    synapses.for_each(|s| {
        bytes += s.bytes;
        count += s.count;
    });
    bytes > MANY_BYTES || count > MANY_SYNAPSES
}

fn size(model: &Model, view: &View) -> f64 {
    match &view.select {
        Select::All => model.populations[view.pop.index()].size() as f64,
        Select::Range(a, b) => (b - a) as f64,
        Select::List(list) => list.len() as f64,
    }
}

/// Tells that a network is very large, with a table of its parts (W0711).
pub fn warn(model: &Model, plan: &Plan, sink: &mut Sink) {
    let mut parts = parts(model, plan);
    let bytes: f64 = parts.iter().map(|p| p.bytes).sum();
    let synapses: f64 = parts.iter().filter(|p| p.synapses).map(|p| p.count).sum();
    if bytes <= MANY_BYTES && synapses <= MANY_SYNAPSES {
        return;
    }
    // Largest first; equal ones in order of the file.
    parts.sort_by(|a, b| (b.bytes, b.count).partial_cmp(&(a.bytes, a.count)).unwrap_or(std::cmp::Ordering::Equal));
    let Some(first) = parts.first() else { return };
    let mut d = Diagnostic::new(
        Code::W0711,
        first.span,
        format!("this network is very large: about {} synapses, {} of memory", amount(synapses), show_bytes(bytes)),
    )
    .label("most of it is here");
    let width = parts.iter().take(ROWS).map(|p| p.name.chars().count()).max().unwrap_or(0);
    for p in parts.iter().take(ROWS) {
        let what = if p.synapses { "synapses" } else { "neurons" };
        let count = format!("{} {what}", amount(p.count));
        d = d.note(format!("{:<width$}  {count:>18}  {:>10}", p.name, show_bytes(p.bytes)));
    }
    if parts.len() > ROWS {
        let rest: f64 = parts.iter().skip(ROWS).map(|p| p.bytes).sum();
        d = d.note(format!("and {} more parts of {} together", parts.len() - ROWS, show_bytes(rest)));
    }
    sink.push(d.help("lower sizes or probabilities; `simulation { precision = f32 }` halves the memory of variables"));
}

/// Rows of the table.
const ROWS: usize = 8;

/// A count, rounded where it is long.
fn amount(x: f64) -> String {
    for (limit, name) in [(1e9, "billion"), (1e6, "million")] {
        if x >= limit {
            return format!("{:.1} {name}", x / limit);
        }
    }
    format!("{x:.0}")
}

fn show_bytes(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut x = bytes;
    let mut k = 0;
    while x >= 1024.0 && k + 1 < UNITS.len() {
        x /= 1024.0;
        k += 1;
    }
    if k == 0 { format!("{x:.0} {}", UNITS[k]) } else { format!("{x:.1} {}", UNITS[k]) }
}

/// Channels of a projection's source.
fn channels(model: &Model, projection: &crate::hir::Projection) -> f64 {
    match model.populations[projection.pre.pop.index()].shape.as_slice() {
        [c, _, _] => *c as f64,
        _ => 1.0,
    }
}
