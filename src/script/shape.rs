//! How arrays fit each other: by the names of their axes, unnamed ones by equal trailing shape, and a flat array of equal length fits
//! a grid. Pure functions; the lowering turns their answers into `Broadcast` and `Reshape` nodes.

use crate::hir::{Model, ProjId, Select, View};
use crate::script::ir::{Axis, AxisName, AxisSource};

/// How a value comes to the axes of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It has them (under other names, perhaps), or it is a scalar.
    Same,
    /// Axis by axis.
    Map(Vec<AxisSource>),
    /// The same elements in the same order.
    Reshape,
}

/// How an array with the axes `value` fills the axes `target`; `None` if it does not fit.
pub(crate) fn fit(model: &Model, value: &[Axis], target: &[Axis]) -> Option<Fit> {
    if value.is_empty() || value == target {
        return Some(Fit::Same);
    }
    if let Some(map) = by_name(model, value, target) {
        return map;
    }
    if same_lengths(value, target) {
        return Some(Fit::Same);
    }
    trailing(value, target).or_else(|| flat(value, target))
}

/// The axes of an elementwise operation on two arrays; `None` if they do not fit.
pub(crate) fn join(model: &Model, a: &[Axis], b: &[Axis]) -> Option<Vec<Axis>> {
    if a.is_empty() {
        return Some(b.to_vec());
    }
    if b.is_empty() {
        return Some(a.to_vec());
    }
    let named = |axes: &[Axis]| axes.iter().filter(|x| x.name != AxisName::Unnamed).count();
    let (first, second) = if named(b) > named(a) { (b, a) } else { (a, b) };
    if fit(model, second, first).is_some() {
        return Some(filled(first, second));
    }
    if fit(model, first, second).is_some() {
        return Some(filled(second, first));
    }
    outer(a, b)
}

/// The first axes, with the lengths that only the others have.
fn filled(axes: &[Axis], others: &[Axis]) -> Vec<Axis> {
    if axes.len() != others.len() {
        return axes.to_vec();
    }
    let synapses = |a: &Axis| matches!(a.name, AxisName::Synapses(_));
    axes.iter().zip(others).map(|(a, o)| if synapses(a) { *a } else { Axis { len: a.len.or(o.len), ..*a } }).collect()
}

/// Whether two axes may have one length: where one is known only while running, it is compared then.
fn may_match(a: &Axis, b: &Axis) -> bool {
    a.len == b.len || a.len.is_none() || b.len.is_none()
}

/// The axes of the neurons of a view. A view that keeps its population's number of axes keeps their names.
pub(crate) fn neuron_axes(model: &Model, view: &View) -> Vec<Axis> {
    let keeps = model.populations.get(view.pop.index()).is_some_and(|p| p.shape.len() == view.shape.len());
    let name = |k: usize| {
        if keeps { AxisName::Neurons { pop: view.pop, axis: k as u32 } } else { AxisName::Unnamed }
    };
    view.shape.iter().enumerate().map(|(k, &n)| Axis { name: name(k), len: Some(n) }).collect()
}

/// The number of neurons in a view.
pub(crate) fn view_len(model: &Model, view: &View) -> u64 {
    match &view.select {
        Select::All => model.populations.get(view.pop.index()).map_or(0, crate::hir::Population::size),
        Select::Range(a, b) => b.saturating_sub(*a),
        Select::List(list) => list.len() as u64,
    }
}

/// In words: `28 × 28`, `400`, `one per synapse`, `a single number`.
pub(crate) fn describe(axes: &[Axis]) -> String {
    if axes.is_empty() {
        return "a single number".to_owned();
    }
    axes.iter()
        .map(|a| match (a.len, a.name) {
            (Some(n), _) => n.to_string(),
            (None, AxisName::Synapses(_)) => "one per synapse".to_owned(),
            (None, _) => "a part chosen while running".to_owned(),
        })
        .collect::<Vec<_>>()
        .join(" × ")
}

/// The axes with their names: `pre 784 × post 400`.
pub(crate) fn describe_named(model: &Model, axes: &[Axis]) -> String {
    if axes.is_empty() {
        return "a single number".to_owned();
    }
    let one = |a: &Axis| match (a.name, a.len) {
        (AxisName::Synapses(_), _) => "one per synapse".to_owned(),
        (_, None) => "a part chosen while running".to_owned(),
        (AxisName::Unnamed, Some(n)) => n.to_string(),
        (AxisName::Pre(_), Some(n)) => format!("pre {n}"),
        (AxisName::Post(_), Some(n)) => format!("post {n}"),
        (AxisName::Neurons { pop, .. }, Some(n)) => {
            let name = model.populations.get(pop.index()).map_or("", |p| &p.name);
            format!("{name} {n}")
        }
    };
    axes.iter().map(one).collect::<Vec<_>>().join(" × ")
}

fn same_lengths(a: &[Axis], b: &[Axis]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| may_match(x, y) && !opposite_ends(x.name, y.name))
}

/// Whether one is the pre and the other the post axis of one projection, or one the synapses and the other something else with a name: these
/// never stand for each other.
fn opposite_ends(a: AxisName, b: AxisName) -> bool {
    match (a, b) {
        (AxisName::Pre(p), AxisName::Post(q)) | (AxisName::Post(p), AxisName::Pre(q)) => p == q,
        (AxisName::Synapses(p), AxisName::Synapses(q)) => p != q,
        (AxisName::Synapses(_), other) | (other, AxisName::Synapses(_)) => other != AxisName::Unnamed,
        _ => false,
    }
}

/// `None`: names do not decide. `Some(None)`: names agree and lengths do not.
#[expect(clippy::option_option, reason = "undecided and refused are different answers")]
fn by_name(model: &Model, value: &[Axis], target: &[Axis]) -> Option<Option<Fit>> {
    let mut from = vec![AxisSource::Repeat; target.len()];
    for (k, axis) in value.iter().enumerate() {
        let found = named_source(model, axis, target, k)?;
        let (place, source) = found;
        let slot = from.get_mut(place)?;
        if *slot != AxisSource::Repeat {
            return None;
        }
        if matches!(source, AxisSource::Axis(_)) && target.get(place).is_none_or(|t| !may_match(t, axis)) {
            return Some(None);
        }
        *slot = source;
    }
    // How far to repeat a value along an axis must be known.
    let endless = |(s, t): (&AxisSource, &Axis)| {
        *s == AxisSource::Repeat && t.len.is_none() && !matches!(t.name, AxisName::Synapses(_))
    };
    if from.iter().zip(target).any(endless) {
        return Some(None);
    }
    let identity = value.len() == target.len() && from.iter().enumerate().all(|(k, s)| *s == AxisSource::Axis(k));
    Some(Some(if identity { Fit::Same } else { Fit::Map(from) }))
}

/// The axis of `target` that `axis` (number `k` of the value) stands for by its name.
fn named_source(model: &Model, axis: &Axis, target: &[Axis], k: usize) -> Option<(usize, AxisSource)> {
    if axis.name == AxisName::Unnamed {
        return None;
    }
    if let Some(place) = target.iter().position(|t| t.name == axis.name) {
        return Some((place, AxisSource::Axis(k)));
    }
    let of_synapses = |p: ProjId| target.iter().position(|t| t.name == AxisName::Synapses(p));
    match axis.name {
        AxisName::Pre(p) => of_synapses(p).map(|place| (place, AxisSource::ByPre(k))),
        AxisName::Post(p) => of_synapses(p).map(|place| (place, AxisSource::ByPost(k))),
        AxisName::Neurons { pop, .. } => {
            let ends: Vec<(usize, AxisSource)> = target
                .iter()
                .enumerate()
                .flat_map(|(place, t)| {
                    let end = |p: ProjId, pre: bool| {
                        model.projections.get(p.index()).is_some_and(|proj| {
                            let view = if pre { &proj.pre } else { &proj.post };
                            view.pop == pop && Some(view_len(model, view)) == axis.len
                        })
                    };
                    let mut hits = Vec::new();
                    match t.name {
                        AxisName::Pre(p) if end(p, true) => hits.push((place, AxisSource::Axis(k))),
                        AxisName::Post(p) if end(p, false) => hits.push((place, AxisSource::Axis(k))),
                        AxisName::Synapses(p) => {
                            if end(p, true) {
                                hits.push((place, AxisSource::ByPre(k)));
                            }
                            if end(p, false) {
                                hits.push((place, AxisSource::ByPost(k)));
                            }
                        }
                        _ => {}
                    }
                    hits
                })
                .collect();
            match ends.as_slice() {
                [one] => Some(*one),
                _ => None,
            }
        }
        AxisName::Unnamed | AxisName::Synapses(_) => None,
    }
}

/// Unnamed axes match the last axes of the target by length.
fn trailing(value: &[Axis], target: &[Axis]) -> Option<Fit> {
    let skip = target.len().checked_sub(value.len()).filter(|&n| n > 0)?;
    let unnamed = value.iter().all(|a| a.name == AxisName::Unnamed);
    let endless = target.iter().take(skip).any(|a| a.len.is_none());
    if !unnamed || endless || !same_lengths(value, target.get(skip..)?) {
        return None;
    }
    Some(Fit::Map(
        (0..target.len()).map(|k| k.checked_sub(skip).map_or(AxisSource::Repeat, AxisSource::Axis)).collect(),
    ))
}

/// A flat array fits a grid of as many elements, and the other way round. (pre, post) is no grid.
fn flat(value: &[Axis], target: &[Axis]) -> Option<Fit> {
    let ends =
        |axes: &[Axis]| axes.len() > 1 && axes.iter().any(|a| matches!(a.name, AxisName::Pre(_) | AxisName::Post(_)));
    if value.len() == target.len() || (value.len() != 1 && target.len() != 1) || ends(value) || ends(target) {
        return None;
    }
    let size = |axes: &[Axis]| axes.iter().map(|a| a.len).product::<Option<u64>>();
    (size(value).is_some() && size(value) == size(target)).then_some(Fit::Reshape)
}

/// `pre` against `post` of one dense projection: every pair.
fn outer(a: &[Axis], b: &[Axis]) -> Option<Vec<Axis>> {
    match (a, b) {
        ([x], [y]) => match (x.name, y.name) {
            (AxisName::Pre(p), AxisName::Post(q)) if p == q => Some(vec![*x, *y]),
            (AxisName::Post(p), AxisName::Pre(q)) if p == q => Some(vec![*y, *x]),
            _ => None,
        },
        _ => None,
    }
}
