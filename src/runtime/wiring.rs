//! The synapses of a network: rules carried out on views and conditions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::eval::{Env, eval};
use crate::connect::{self, Adjacency, Arguments, Candidates, ConnectError, Convolution, EdgeList, PostIndex, Value};
use crate::data::{NpyArray, NpyData, read_npz};
use crate::diag::{Code, Diagnostic, words};
use crate::hir::{Model, Projection, Rule, Select, Side, View};
use crate::rng::Stream;
use crate::sched::{Plan, Wiring};
use crate::source::Span;

/// Where files of a model are looked for.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The folder of the model file.
    pub model_dir: PathBuf,
}

impl Files {
    /// The file of a written path: beside the model first, then in the current folder.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<PathBuf> {
        let beside = self.model_dir.join(path);
        if beside.is_file() {
            return Some(beside);
        }
        Path::new(path).is_file().then(|| PathBuf::from(path))
    }

    /// The arrays of an `.npz` file named in the model at `span`.
    ///
    /// # Errors
    /// The file does not exist or is damaged.
    pub fn read(&self, path: &str, span: Span) -> Result<BTreeMap<String, NpyArray>, Diagnostic> {
        let Some(found) = self.find(path) else {
            return Err(Diagnostic::new(Code::E0801, span, format!("the file `{path}` does not exist"))
                .note(format!("looked in {} and in the current folder", show_dir(&self.model_dir))));
        };
        read_npz(&found).map_err(|mut d| {
            d.primary = Some(crate::diag::Label { span, text: "named here".to_owned() });
            d
        })
    }
}

fn show_dir(dir: &Path) -> String {
    if dir.as_os_str().is_empty() { "the model's folder".to_owned() } else { format!("{}", dir.display()) }
}

/// The synapses of one projection.
#[derive(Debug, Clone)]
pub struct Wires {
    /// By pre neuron.
    pub rows: Adjacency,
    /// By post neuron, where `on post` needs it.
    pub columns: Option<PostIndex>,
    /// Columns of the `edges` file, by name, one value per synapse.
    pub columns_of_file: BTreeMap<String, Vec<f64>>,
}

/// The number of synapses a projection is expected to have, before anything is allocated.
#[must_use]
pub fn expected(model: &Model, projection: &Projection) -> f64 {
    let pre = count(model, &projection.pre) as usize;
    let post = count(model, &projection.post) as usize;
    let (name, arguments) = arguments(&projection.rule);
    let arguments = arguments.with_grids(grid(model, &projection.pre), grid(model, &projection.post));
    connect::lookup(name).and_then(|p| p.expected_synapses(&arguments, pre, post).ok()).unwrap_or(0.0)
}

/// The grid of a view's population.
fn grid(model: &Model, view: &View) -> Vec<u64> {
    model.populations[view.pop.index()].shape.clone()
}

/// Number of neurons of a view.
#[must_use]
pub fn count(model: &Model, view: &View) -> u64 {
    match &view.select {
        Select::All => model.populations[view.pop.index()].size(),
        Select::Range(a, b) => b - a,
        Select::List(list) => list.len() as u64,
    }
}

/// The indices of a view.
#[must_use]
pub fn indices(model: &Model, view: &View) -> Vec<u32> {
    match &view.select {
        Select::All => (0..model.populations[view.pop.index()].size() as u32).collect(),
        Select::Range(a, b) => (*a as u32..*b as u32).collect(),
        Select::List(list) => list.to_vec(),
    }
}

/// The convolution whose entries are shared between the synapses of a projection.
pub(super) fn shared_kernel(model: &Model, projection: &Projection) -> Option<Convolution> {
    match projection.rule {
        Rule::Conv { kernel, stride, channels, shared: true } => {
            Convolution::new(&grid(model, &projection.pre), kernel, stride, channels)
        }
        _ => None,
    }
}

fn arguments(rule: &Rule) -> (&'static str, Arguments<'static>) {
    let a = Arguments::new();
    match rule {
        Rule::AllToAll => ("all_to_all", a),
        Rule::OneToOne => ("one_to_one", a),
        Rule::Random { p, symmetric } => {
            ("random", a.with("p", Value::Real(*p)).with("symmetric", Value::Bool(*symmetric)))
        }
        Rule::Distance { p, lambda } => ("distance", a.with("p", Value::Real(*p)).with("lambda", Value::Real(*lambda))),
        Rule::Pool { size } => ("pool", a.with("size", Value::Int(*size as i64))),
        Rule::Conv { kernel, stride, channels, shared } => (
            "conv",
            a.with("kernel", Value::Int(*kernel as i64))
                .with("stride", Value::Int(*stride as i64))
                .with("channels", Value::Int(*channels as i64))
                .with("shared", Value::Bool(*shared)),
        ),
        Rule::FixedIndegree { k, multapses } => {
            ("fixed_indegree", a.with("k", Value::Int(*k as i64)).with("multapses", Value::Bool(*multapses)))
        }
        Rule::FixedOutdegree { k, multapses } => {
            ("fixed_outdegree", a.with("k", Value::Int(*k as i64)).with("multapses", Value::Bool(*multapses)))
        }
        Rule::FixedTotal { n, multapses } => {
            ("fixed_total", a.with("n", Value::Int(*n as i64)).with("multapses", Value::Bool(*multapses)))
        }
        Rule::Edges { .. } => ("edges", a),
    }
}

/// Makes the synapses of all sparse projections (`None` for dense ones).
///
/// # Errors
/// A rule that cannot be carried out or selects nothing.
pub fn wire(model: &Model, plan: &Plan, files: &Files) -> Result<Vec<Option<Wires>>, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut all = Vec::new();
    for p in &plan.projections {
        if p.wiring != Wiring::Sparse {
            all.push(None);
            continue;
        }
        match one(model, &model.projections[p.proj.index()], p.needs_columns, files) {
            Ok(wires) => all.push(Some(wires)),
            Err(d) => errors.push(d),
        }
    }
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

fn one(model: &Model, projection: &Projection, columns: bool, files: &Files) -> Result<Wires, Diagnostic> {
    let (name, arguments) = arguments(&projection.rule);
    let mut arguments = arguments.with_grids(grid(model, &projection.pre), grid(model, &projection.post));
    let mut table = BTreeMap::new();
    let list;
    if let Rule::Edges { path } = &projection.rule {
        table = files.read(path, projection.rule_span)?;
        let mut ends = |key: &str| -> Result<Vec<i64>, Diagnostic> {
            let array = table.remove(key).ok_or_else(|| {
                Diagnostic::new(Code::E0802, projection.rule_span, format!("`{path}` has no array `{key}`"))
                    .help("an edges file holds the integer arrays `pre` and `post`, one entry per synapse")
            })?;
            integers(&array).ok_or_else(|| {
                Diagnostic::new(
                    Code::E0802,
                    projection.rule_span,
                    format!("`{key}` of `{path}` must hold whole numbers"),
                )
            })
        };
        list = EdgeList { pre: ends("pre")?, post: ends("post")? };
        arguments = arguments.with_edges(&list);
    }
    let pattern = connect::lookup(name).ok_or_else(|| {
        Diagnostic::new(Code::E0900, projection.rule_span, format!("a bug in snnc: there is no rule `{name}`"))
            .help("please report it")
    })?;
    let size = |side: Side| match side {
        Side::Post => model.populations[projection.post.pop.index()].size() as f64,
        Side::Pre | Side::Own => model.populations[projection.pre.pop.index()].size() as f64,
    };
    let filter = projection.filter.as_ref().map(|e| {
        move |i: u32, j: u32| -> Result<bool, Diagnostic> {
            let env = Env {
                var: &|_, _| f64::NAN,
                other: &|_, _, _| f64::NAN,
                lets: &[],
                i: u64::from(i),
                j: u64::from(j),
                size: &size,
                dt: model.settings.dt,
                draws: None,
                array: &|_, _| f64::NAN,
                edge: &|_| f64::NAN,
            };
            Ok(eval(e, &env) != 0.0)
        }
    });
    let pre = indices(model, &projection.pre);
    let post = indices(model, &projection.post);
    let candidates = Candidates {
        pre_size: size(Side::Pre) as u32,
        post_size: size(Side::Post) as u32,
        pre: &pre,
        post: &post,
        filter: filter.as_ref().map(|f| f as &connect::Filter<'_>),
    };
    let stream = Stream::new(model.settings.seed, &format!("{}/connect", projection.name));
    let fault = |e: ConnectError| {
        let d = Diagnostic::new(e.code(), projection.rule_span, e.to_string());
        match e {
            ConnectError::SizesDiffer { pre, post } => d
                .also(projection.pre_span, format!("{pre} neurons"))
                .also(projection.post_span, format!("{post} neurons"))
                .help("take parts of equal size, such as `E[..100]`, or another rule"),
            ConnectError::TooFew { .. } => d.help(words::too_few_help(projection.filter.is_some())),
            _ => d,
        }
    };
    let rows = connect::build(pattern, &arguments, &candidates, stream).map_err(fault)?;
    if rows.is_empty() {
        let filter = projection.filter.as_ref().map(|f| (f.span, "no pair passes, or none was drawn"));
        return Err(words::no_synapse(projection.rule_span, [pre.len() as u64, post.len() as u64], filter));
    }
    let n = rows.len();
    let mut columns_of_file = BTreeMap::new();
    for (key, array) in table {
        let values = reals(&array);
        let ordered: Option<Vec<f64>> = match &rows.origin {
            Some(origin) => origin.iter().map(|k| values.get(*k as usize).copied()).collect(),
            None => (values.len() == n).then_some(values),
        };
        if let Some(ordered) = ordered {
            columns_of_file.insert(key, ordered);
        }
    }
    let columns = if columns { Some(rows.by_post(candidates.post_size).map_err(fault)?) } else { None };
    Ok(Wires { rows, columns, columns_of_file })
}

/// An array as whole numbers, if it holds such.
fn integers(array: &NpyArray) -> Option<Vec<i64>> {
    match &array.data {
        NpyData::F64(_) | NpyData::F32(_) | NpyData::Bool(_) => None,
        other => other.to_i64(),
    }
}

/// An array as reals.
#[must_use]
pub fn reals(array: &NpyArray) -> Vec<f64> {
    array.data.to_f64()
}
