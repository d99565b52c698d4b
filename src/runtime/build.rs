//! From a checked model to a network that runs: plan, connectivity, initial values, buffers, machine code.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::groups::Groups;
use super::init::{Initial, initial};
use super::network::{Compiled, Network, Shared, SynapseEnds};
use super::wiring::{Files, Wires, expected, wire};
use crate::backend::{Backend, Buf, Buffers};
use crate::codegen::layout::ProjSize;
use crate::codegen::{self, Layout, layout};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Model, Role, VarId};
use crate::lir::Scalar;
use crate::sched::{self, Delay, Place, Plan, ProjPlan, Uses, Wiring};
use crate::script::machine::{Entity, VarKey};
use crate::script::walk;

/// Where and how to build.
pub struct Options {
    /// What executes.
    pub backend: Arc<dyn Backend + Send + Sync>,
    /// Where files are looked for.
    pub files: Files,
    /// The most bytes a network may take.
    pub memory_limit: f64,
}

/// Everything that went wrong, or the network with the times taken.
pub type BuildError = Vec<Diagnostic>;

/// How long the parts of building took.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuildTimes {
    /// Planning and code generation.
    pub compile: Duration,
    /// Connectivity and initial values.
    pub build: Duration,
}

/// Builds the network of a model.
///
/// # Errors
/// The plan is impossible, the network is too large, or its files or rules are faulty.
pub fn build(model: Arc<Model>, uses: Uses, options: &Options) -> Result<(Network, BuildTimes), BuildError> {
    let start = Instant::now();
    let plan = sched::build(&model, &uses, &BTreeSet::new())?;
    let planned = start.elapsed();

    let start = Instant::now();
    check_size(&model, &plan, options.memory_limit)?;
    let wires = wire(&model, &plan, &options.files)?;
    let initial = initial(&model, &plan, &wires, &options.files)?;
    let mut played = Vec::new();
    for population in &model.populations {
        played.push(super::play::spikes(&model, population, &options.files).map_err(|d| vec![d])?);
    }
    let groups = group(&model, &wires, &initial);
    let sizes: Vec<ProjSize> = wires
        .iter()
        .zip(&groups)
        .map(|(w, [axonal, dendritic])| ProjSize {
            synapses: w.as_ref().map_or(0, |w| w.rows.len() as u64),
            axonal: axonal.as_ref().map(Groups::size),
            dendritic: dendritic.as_ref().map(Groups::size),
        })
        .collect();
    let layout = layout::layout(&model, &plan, &sizes);
    if layout.bytes() > options.memory_limit {
        return Err(vec![too_large(layout.bytes(), options.memory_limit)]);
    }
    if let Some(b) = layout.buffers.iter().find(|b| b.len > i32::MAX as u64) {
        return Err(vec![
            Diagnostic::without_span(Code::E0902, format!("`{}` would have {} elements", b.name, b.len))
                .help("at most 2^31 are possible: make populations smaller, or delays and kernels shorter"),
        ]);
    }
    let buffers = fill(&plan, &layout, &wires, &groups, &initial);
    let built = start.elapsed();

    let start = Instant::now();
    let compiled = Arc::new(compile(&plan, &layout, options.backend.as_ref())?);
    let compile_time = planned + start.elapsed();
    let states = states(&model, &plan, &layout, &buffers);
    let redraws = walk::redraws(&model.script);
    let columns = wires
        .iter()
        .map(|w| w.as_ref().filter(|_| redraws).map(|w| w.columns_of_file.clone()).unwrap_or_default())
        .collect();
    let shared = Arc::new(Shared {
        files: options.files.clone(),
        columns,
        model,
        uses,
        layout,
        backend: options.backend.clone(),
        bounds: initial.pop_bounds.iter().cloned().chain(initial.proj_bounds.iter().cloned()).collect(),
        played,
        wires: wires
            .iter()
            .map(|w| w.as_ref().map(|w| SynapseEnds { count: w.rows.len() as u64, list: OnceLock::new() }))
            .collect(),
        variants: Mutex::new(BTreeMap::from([(Vec::new(), compiled.clone())])),
    });
    let network = Network::new(shared, compiled, buffers, states);
    Ok((network, BuildTimes { compile: compile_time, build: built }))
}

/// Generates and compiles the code of a plan.
pub(super) fn compile(plan: &Plan, layout: &Layout, backend: &dyn Backend) -> Result<Compiled, BuildError> {
    let bug = |text: String| {
        vec![
            Diagnostic::without_span(Code::E0900, format!("a bug in snnc: {text}"))
                .help("please report it with this file"),
        ]
    };
    let program = codegen::program(plan, layout).map_err(bug)?;
    let kernels = backend.compile(&program).map_err(|e| bug(e.to_string()))?;
    Ok(Compiled { plan: plan.clone(), kernels })
}

/// Refuses networks that cannot fit, before anything is allocated.
fn check_size(model: &Model, plan: &Plan, limit: f64) -> Result<(), BuildError> {
    let mut errors = Vec::new();
    let mut total = 0.0;
    let float = if plan.precision == crate::hir::Precision::F32 { 4.0 } else { 8.0 };
    for p in &model.populations {
        let vars = model.neurons[p.model.index()].vars.len() as f64;
        let bytes = p.size() as f64 * (vars * float + 24.0);
        total += bytes;
        if p.size() > 1 << 31 || bytes > limit {
            errors.push(
                Diagnostic::new(
                    Code::E0902,
                    p.span,
                    format!("population `{}` has {} neurons, which need about {}", p.name, p.size(), show(bytes)),
                )
                .help(format!("the limit here is {}; make the population smaller", show(limit))),
            );
        }
    }
    for p in &plan.projections {
        let projection = &model.projections[p.proj.index()];
        let n = expected(model, projection);
        let per_synapse = p.place.iter().filter(|p| **p == Place::Synapse).count() as f64;
        let index = if p.wiring == Wiring::Sparse { 8.0 + if p.needs_columns { 8.0 } else { 0.0 } } else { 0.0 }
            + [p.delay, p.dendritic].iter().filter(|d| **d == Delay::PerSynapse).count() as f64 * 24.0;
        let bytes = n * (per_synapse * float + index);
        let stored = !matches!(p.wiring, Wiring::Uniform(_));
        total += bytes;
        if stored && (n > f64::from(i32::MAX) || bytes > limit) {
            errors.push(
                Diagnostic::new(
                    Code::E0902,
                    projection.span,
                    format!("this connection has about {n:.3e} synapses, which need about {}", show(bytes)),
                )
                .help(format!(
                    "at most 2^31 synapses and {} are possible here; lower the probability or the sizes",
                    show(limit)
                )),
            );
        }
    }
    if errors.is_empty() && total > limit {
        errors.push(too_large(total, limit));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn too_large(bytes: f64, limit: f64) -> Diagnostic {
    Diagnostic::without_span(
        Code::E0902,
        format!("the network needs about {}, more than the {} here", show(bytes), show(limit)),
    )
    .help("make populations smaller, connections sparser, or use `precision = f32`")
}

fn show(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut x = bytes;
    let mut k = 0;
    while x >= 1024.0 && k + 1 < UNITS.len() {
        x /= 1024.0;
        k += 1;
    }
    format!("{x:.1} {}", UNITS[k])
}

/// By projection: the synapses in groups of equal delay, axonal and dendritic, where delays differ.
fn group(model: &Model, wires: &[Option<Wires>], initial: &Initial) -> Vec<[Option<Groups>; 2]> {
    model
        .projections
        .iter()
        .zip(wires)
        .zip(&initial.delays)
        .map(|((projection, wires), [axonal, dendritic])| {
            let size = |pop: crate::hir::PopId| model.populations[pop.index()].size();
            let of = |steps: &Option<Vec<u32>>, neurons: u64, by_post: bool| match (wires, steps) {
                (Some(w), Some(steps)) => Some(Groups::new(w, steps, neurons, by_post)),
                _ => None,
            };
            [of(axonal, size(projection.pre.pop), false), of(dendritic, size(projection.post.pop), true)]
        })
        .collect()
}

/// Allocates the buffers and writes connectivity and initial values into them.
fn fill(
    plan: &Plan,
    layout: &Layout,
    wires: &[Option<Wires>],
    groups: &[[Option<Groups>; 2]],
    initial: &Initial,
) -> Buffers {
    let mut buffers: Buffers = layout.buffers.iter().map(|b| Buf::zeros(b.scalar, b.len as usize)).collect();
    for (p, bufs) in layout.pops.iter().enumerate() {
        for (v, buf) in bufs.vars.iter().enumerate() {
            let (Some(buf), Some(values)) = (buf, &initial.pops[p][v]) else { continue };
            write(&mut buffers[buf.0 as usize], values);
            if let Some((master, _)) = bufs.slow[v] {
                write(&mut buffers[master.0 as usize], values);
            }
        }
        if let Some([_, start, _]) = bufs.events {
            buffers[start.0 as usize] = Buf::I32(vec![0; 2]);
        }
        for flag in bufs.live.iter().flatten() {
            buffers[flag.0 as usize] = Buf::I32(vec![1]);
        }
        for (table, id) in plan.populations[p].tables.iter().zip(&bufs.tables) {
            write(&mut buffers[id.0 as usize], table);
        }
    }
    for (p, bufs) in layout.projs.iter().enumerate() {
        for (v, buf) in bufs.vars.iter().enumerate() {
            let (Some(buf), Some(values)) = (buf, &initial.projs[p][v]) else { continue };
            write_synapses(&mut buffers[buf.0 as usize], &plan.projections[p], v, bufs, values);
        }
        for flag in bufs.live.iter().flatten() {
            buffers[flag.0 as usize] = Buf::I32(vec![1]);
        }
        for (table, id) in plan.projections[p].own.tables.iter().zip(&bufs.tables) {
            write(&mut buffers[id.0 as usize], table);
        }
        if let (Some(r), Some(kernel)) = (bufs.response, &plan.projections[p].kernel) {
            write(&mut buffers[r.table.0 as usize], kernel);
        }
        for (groups, segments) in groups[p].iter().zip([bufs.axonal, bufs.dendritic]) {
            let (Some(g), Some(s)) = (groups, segments) else { continue };
            for (id, values) in [
                (s.delays, &g.delays),
                (s.start, &g.start),
                (s.delay, &g.delay),
                (s.first, &g.first),
                (s.owner, &g.owner),
                (s.synapses, &g.synapses),
                (s.other, &g.other),
            ] {
                put(&mut buffers[id.0 as usize], values);
            }
        }
        if let (Some(own), Some(id)) = (&initial.delays[p][1], bufs.dendrite.as_ref().and_then(|d| d.delay)) {
            put(&mut buffers[id.0 as usize], own);
        }
        if let (Some(w), Some([row, post])) = (&wires[p], bufs.rows) {
            put(&mut buffers[row.0 as usize], &w.rows.row_start);
            put(&mut buffers[post.0 as usize], &w.rows.post);
            if let (Some(c), Some([start, synapse, pre])) = (&w.columns, bufs.columns) {
                put(&mut buffers[start.0 as usize], &c.col_start);
                put(&mut buffers[synapse.0 as usize], &c.syn);
                put(&mut buffers[pre.0 as usize], &c.pre);
            }
        }
    }
    buffers
}

/// Writes the values of variable `v` of a projection as [`Initial::projs`] gives them.
pub(super) fn write_synapses(target: &mut Buf, plan: &ProjPlan, v: usize, bufs: &layout::ProjBufs, values: &[f64]) {
    match plan.place[v] {
        Place::Pre | Place::Post => {
            let x = values.first().copied().unwrap_or(0.0);
            (0..target.len()).for_each(|k| target.set_f64(k, x));
        }
        Place::Synapse if plan.wiring == Wiring::Dense => {
            for (r, row) in values.chunks(bufs.post.max(1) as usize).enumerate() {
                for (c, x) in row.iter().enumerate() {
                    target.set_f64(r * bufs.stride as usize + c, *x);
                }
            }
        }
        Place::Synapse | Place::Constant(_) => write(target, values),
    }
}

/// Writes values; the padding repeats the last one, so that it computes what a neuron could.
pub(super) fn write(buf: &mut Buf, values: &[f64]) {
    let last = values.last().copied().unwrap_or(0.0);
    for k in 0..buf.len() {
        buf.set_f64(k, values.get(k).copied().unwrap_or(last));
    }
}

fn put(buf: &mut Buf, values: &[u32]) {
    if let Buf::I32(v) = buf {
        for (x, y) in v.iter_mut().zip(values) {
            *x = *y as i32;
        }
    }
}

/// Copies of the states as built, for `reset`: by entity and variable.
fn states(model: &Model, plan: &Plan, layout: &Layout, buffers: &Buffers) -> BTreeMap<VarKey, Buf> {
    let mut out = BTreeMap::new();
    for (p, population) in model.populations.iter().enumerate() {
        let neuron = &model.neurons[population.model.index()];
        for (v, buf) in layout.pops[p].vars.iter().enumerate() {
            if let (Some(buf), Role::State | Role::Input) = (buf, neuron.vars[v].role) {
                let key = VarKey { entity: Entity::Pop(plan.populations[p].pop), var: VarId(v as u32) };
                out.insert(key, buffers[buf.0 as usize].clone());
            }
        }
    }
    for (p, projection) in model.projections.iter().enumerate() {
        for (v, buf) in layout.projs[p].vars.iter().enumerate() {
            if let (Some(buf), Role::State | Role::Input) = (buf, projection.synapse.vars[v].role) {
                let key = VarKey { entity: Entity::Proj(plan.projections[p].proj), var: VarId(v as u32) };
                out.insert(key, buffers[buf.0 as usize].clone());
            }
        }
    }
    out
}

/// The kind of floats, for callers that fill buffers.
#[must_use]
pub fn float(plan: &Plan) -> Scalar {
    match plan.precision {
        crate::hir::Precision::F32 => Scalar::F32,
        crate::hir::Precision::F64 => Scalar::F64,
    }
}
