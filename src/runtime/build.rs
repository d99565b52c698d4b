//! From a checked model to a network that runs: plan, connectivity, initial values, buffers, machine code.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::cut::{self, Cut, Cutting};
use super::init::{Initial, initial};
use super::network::{Compiled, Network, Shared, SynapseEnds};
use super::synapses::Made;
use super::wiring::{Files, Wires, expected, wire};
use crate::backend::{Backend, Buf, Buffers};
use crate::codegen::layout::{Depth, ProjSize, RunSize};
use crate::codegen::{self, Layout, layout};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Model, Role, VarId};
use crate::lir::{BufId, FuncId, Scalar};
use crate::sched::{self, Delay, Place, Plan, ProjPlan, Uses, Wiring};
use crate::script::machine::{Entity, VarKey};
use crate::script::walk;
use crate::source::Span;

/// Where and how to build.
pub struct Options {
    /// What executes.
    pub backend: Arc<dyn Backend + Send + Sync>,
    /// Where files are looked for.
    pub files: Files,
    /// The most bytes a network may take.
    pub memory_limit: f64,
    /// How steps are cut.
    pub cutting: Cutting,
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
    let shares = check_size(&model, &plan, options.memory_limit)?;
    let mut wires = wire(&model, &plan, &options.files)?;
    let mut initial = initial(&model, &plan, &mut wires, &options.files)?;
    let mut played = Vec::new();
    for population in &model.populations {
        played.push(super::play::spikes(&model, population, &options.files).map_err(|d| vec![d])?);
    }
    let sizes: Vec<ProjSize> = wires
        .iter()
        .zip(&initial.projs)
        .enumerate()
        .map(|(p, (w, made))| ProjSize {
            entries: super::entries::count(&model, &plan, p),
            synapses: w.as_ref().map_or(0, |w| w.rows.len() as u64),
            axonal: made.axonal.as_ref().map(|runs| RunSize {
                // Nobody knows how long delays will be that a protocol changes.
                longest: if plan.projections[p].changing_delays[0] { u32::MAX } else { runs.longest },
                ..runs.size()
            }),
            longest_axonal: made.axonal_steps.as_ref().map(|steps| steps.iter().copied().max().unwrap_or(0)),
            longest_dendritic: made.dendritic.as_ref().map(|(_, steps)| steps.iter().copied().max().unwrap_or(0)),
            dendritic: made.dendritic.as_ref().and_then(|(runs, _)| runs.as_ref()).map(|runs| RunSize {
                longest: if plan.projections[p].changing_delays[1] { u32::MAX } else { runs.longest },
                ..runs.size()
            }),
        })
        .collect();
    let mut layout = layout::layout(&model, &plan, &sizes);
    if cut::at_once(&plan, options.cutting) {
        codegen::shards::divide(&mut layout, &model, &plan, options.cutting.threads);
    }
    if layout.bytes() > options.memory_limit {
        return Err(vec![too_large(layout.bytes(), options.memory_limit, &shares)]);
    }
    if let Some(b) = layout.buffers.iter().find(|b| b.len > i32::MAX as u64) {
        return Err(vec![too_long(&model, &b.name, b.len)]);
    }
    let counts: Vec<Option<u64>> = wires.iter().map(|w| w.as_ref().map(|w| w.rows.len() as u64)).collect();
    let redraws = walk::redraws(&model.script);
    let mut columns = Vec::new();
    for wires in wires.iter_mut().flatten() {
        if !redraws {
            wires.columns_of_file.clear();
        }
    }
    for w in &wires {
        columns.push(w.as_ref().map(|w| w.columns_of_file.clone()).unwrap_or_default());
    }
    let mut bounds: Vec<_> = initial.pop_bounds.clone();
    bounds.extend(initial.projs.iter().map(|made| made.bounds.clone()));
    let ties: Vec<_> = initial.projs.iter_mut().map(|made| made.ties.take()).collect();
    let shared: Vec<_> =
        wires.iter().enumerate().map(|(p, w)| super::entries::index(&model, &plan, p, w.as_ref())).collect();
    let mut buffers = fill(&plan, &layout, wires, initial);
    for (p, index) in shared.into_iter().enumerate() {
        super::entries::fill(&layout, p, index, &mut buffers);
    }
    let built = start.elapsed();

    let start = Instant::now();
    let compiled = Arc::new(compile(&plan, &layout, options.backend.as_ref(), options.cutting)?);
    if let Some(fill) = compiled.decays {
        let filled = compiled.kernels.session(&mut buffers).and_then(|mut session| session.call(fill, &[]));
        filled.map_err(|e| vec![super::network::failed(&e)])?;
    }
    let compile_time = planned + start.elapsed();
    let states = states(&model, &plan, &layout, &buffers);
    let parallel = compiled.cut.as_ref().is_some_and(Cut::parallel);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.cutting.threads);
    // Without threads of its own the network runs on the present one.
    let pool = if parallel { pool.build().ok() } else { None };
    let shared = Arc::new(Shared {
        files: options.files.clone(),
        columns,
        model,
        uses,
        bytes: layout.bytes() as u64,
        layout,
        backend: options.backend.clone(),
        cutting: options.cutting,
        memory_limit: options.memory_limit,
        pool,
        times: Mutex::default(),
        bounds,
        played,
        wires: counts
            .into_iter()
            .zip(ties)
            .map(|(n, ties)| n.map(|count| SynapseEnds { count, list: OnceLock::new(), ties, places: OnceLock::new() }))
            .collect(),
        variants: Mutex::new(BTreeMap::from([(Vec::new(), compiled.clone())])),
    });
    let network = Network::new(shared, compiled, buffers, states);
    Ok((network, BuildTimes { compile: compile_time, build: built }))
}

/// Generates and compiles the code of a plan.
pub(super) fn compile(
    plan: &Plan,
    layout: &Layout,
    backend: &dyn Backend,
    cutting: Cutting,
) -> Result<Compiled, BuildError> {
    let bug = |text: String| {
        vec![
            Diagnostic::without_span(Code::E0900, format!("a bug in snnc: {text}"))
                .help("please report it with this file"),
        ]
    };
    let (program, parts) = if cut::wanted(plan, cutting) {
        let (program, parts) = codegen::parts(plan, layout).map_err(bug)?;
        (program, Some(parts))
    } else {
        (codegen::program(plan, layout).map_err(bug)?, None)
    };
    let kernels = backend.compile(&program).map_err(|e| bug(e.to_string()))?;
    let cut = parts.map(|parts| Cut::new(plan, layout, parts, kernels.as_ref(), cutting));
    // They stand behind the functions of the step.
    let first = cut.as_ref().map_or(1, |cut| cut.parts.len()) as u32;
    let leap = plan.leaps().then_some([FuncId(first), FuncId(first + 1)]);
    let next = first + if leap.is_some() { 2 } else { 0 };
    let decays = layout.projs.iter().any(|p| p.decays.iter().any(Option::is_some)).then_some(FuncId(next));
    Ok(Compiled { plan: plan.clone(), kernels, cut, leap, decays })
}

/// What an array of too many values holds, in words of the source: its name is that of a population or connection, and what it is for.
fn too_long(model: &Model, array: &str, values: u64) -> Diagnostic {
    let populations = model.populations.iter().map(|p| (p.name.as_str(), p.shown(), p.span, true));
    let owners = populations.chain(model.projections.iter().map(|c| (c.name.as_str(), c.name.as_str(), c.span, false)));
    let part = |name: &str| array.strip_prefix(name).filter(|rest| rest.starts_with(['.', '@'])).map(str::to_owned);
    let owner = owners.filter_map(|o| Some((part(o.0)?, o))).min_by_key(|(rest, _)| rest.len());
    let Some((rest, (_, name, span, is_population))) = owner else {
        return Diagnostic::without_span(Code::E0902, format!("{values} values of one kind are too many"))
            .help("at most 2^31 are possible: make the network smaller");
    };
    let var = rest.strip_prefix('.').map(|v| v.split('@').next().unwrap_or(v));
    let past = ["@pre.", "@post."].iter().find_map(|p| rest.strip_prefix(p));
    let (what, help) = match (var, is_population) {
        (None, _) if past.is_some() => (
            format!("past values of `{}`", past.unwrap_or_default()),
            "make the delay shorter, the time step longer, or the population smaller",
        ),
        (Some(v), true) => (format!("values of `{v}`"), "make the population smaller"),
        (Some(v), false) => (format!("values of `{v}`"), "make fewer synapses"),
        (None, true) => {
            ("values for spikes on their way".to_owned(), "make the population smaller, or the delays shorter")
        }
        (None, false) if ["@soma", "@kernel"].iter().any(|p| rest.starts_with(p)) => (
            "values for what is on its way".to_owned(),
            "make the delay or the kernel shorter, the time step longer, or the population smaller",
        ),
        (None, false) => ("entries for its synapses".to_owned(), "make fewer synapses"),
    };
    Diagnostic::new(Code::E0902, span, format!("`{name}` would keep {values} {what}"))
        .label("at most 2^31 are possible")
        .help(help)
}

/// Refuses networks that cannot fit, before anything is allocated; what each declaration needs.
fn check_size(model: &Model, plan: &Plan, limit: f64) -> Result<Vec<Share>, BuildError> {
    let mut errors = Vec::new();
    let mut shares: Vec<Share> = Vec::new();
    let float = if plan.precision == crate::hir::Precision::F32 { 4.0 } else { 8.0 };
    for p in &model.populations {
        let vars = model.neurons[p.model.index()].vars.len() as f64;
        let bytes = p.size() as f64 * (vars * float + 24.0);
        shares.push(Share { bytes, span: p.span, what: format!("the {} neurons of `{}`", p.size(), p.shown()) });
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
            + match p.delay {
                Delay::PerSynapse if p.by_delay => 2.0,
                Delay::PerSynapse => 8.0,
                Delay::Uniform(_) => 0.0,
            }
            + if p.dendritic == Delay::PerSynapse { 16.0 } else { 0.0 };
        let bytes = n * (per_synapse * float + index);
        let stored = !matches!(p.wiring, Wiring::Uniform(_));
        shares.push(Share { bytes, span: projection.span, what: format!("about {n:.3e} synapses") });
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
    let total = shares.iter().map(|s| s.bytes).sum();
    if errors.is_empty() && total > limit {
        errors.push(too_large(total, limit, &shares));
    }
    if errors.is_empty() { Ok(shares) } else { Err(errors) }
}

/// What one declaration needs of the memory, in bytes.
struct Share {
    bytes: f64,
    span: Span,
    what: String,
}

/// The network as a whole does not fit: said at what needs most.
fn too_large(bytes: f64, limit: f64, shares: &[Share]) -> Diagnostic {
    let title = format!("the network needs about {}, more than the {} here", show(bytes), show(limit));
    let mut largest: Vec<&Share> = shares.iter().collect();
    largest.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
    let words = |s: &Share| format!("{}: about {}", s.what, show(s.bytes));
    let d = match largest.split_first() {
        None => Diagnostic::without_span(Code::E0902, title),
        Some((first, others)) => {
            let d = Diagnostic::new(Code::E0902, first.span, title).label(words(first));
            // What needs a tenth of the largest part changes little.
            let others = others.iter().take(2).filter(|s| s.bytes > 0.1 * first.bytes);
            others.fold(d, |d, s| d.also(s.span, words(s)))
        }
    };
    d.help("make populations smaller, connections sparser, or use `precision = f32`")
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

/// Allocates the buffers and writes connectivity and initial values into them. What is as long as there are synapses is moved.
fn fill(plan: &Plan, layout: &Layout, wires: Vec<Option<Wires>>, initial: Initial) -> Buffers {
    let mut filled: Vec<Option<Buf>> = vec![None; layout.buffers.len()];
    for (p, (made, wires)) in initial.projs.into_iter().zip(wires).enumerate() {
        place(plan, layout, p, made, wires, &mut filled);
    }
    let mut buffers: Buffers = filled
        .into_iter()
        .zip(&layout.buffers)
        .map(|(filled, b)| filled.unwrap_or_else(|| Buf::zeros(b.scalar, b.len as usize)))
        .collect();
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
        for flag in bufs.live.iter().flatten() {
            buffers[flag.0 as usize] = Buf::I32(vec![1]);
        }
        for (table, id) in plan.projections[p].own.tables.iter().zip(&bufs.tables) {
            write(&mut buffers[id.0 as usize], table);
        }
        if let (Some(r), Some(kernel)) = (bufs.response, &plan.projections[p].kernel) {
            write(&mut buffers[r.table.0 as usize], kernel);
        }
    }
    buffers
}

/// The buffers of projection `p` that its synapses fill.
fn place(plan: &Plan, layout: &Layout, p: usize, made: Made, wires: Option<Wires>, filled: &mut [Option<Buf>]) {
    let bufs = &layout.projs[p];
    let length = |id: BufId| layout.buffers[id.0 as usize].len as usize;
    for (v, (buf, values)) in bufs.vars.iter().zip(made.values).enumerate() {
        let (Some(buf), Some(values)) = (buf, values) else { continue };
        let plan = &plan.projections[p];
        let sparse = plan.place[v] == Place::Synapse && plan.wiring != Wiring::Dense;
        filled[buf.0 as usize] = Some(if sparse && values.len() == length(*buf) {
            values
        } else {
            let mut target = Buf::zeros(layout.float, length(*buf));
            write_synapses(&mut target, plan, v, bufs, &values);
            target
        });
    }
    let ring = |depth, longest: Option<&u32>| match depth {
        Depth::Stored(id) => Some((id, vec![longest.copied().unwrap_or(0) + 1, 0])),
        Depth::Fixed(_) => None,
    };
    let dendritic_steps = made.dendritic.as_ref().map(|(_, steps)| steps.as_slice());
    let longest =
        [made.axonal_steps.as_deref(), dendritic_steps].map(|steps| steps.and_then(|steps| steps.iter().max()));
    let pasts = bufs.past.iter().zip(longest).filter_map(|(past, longest)| ring(past.as_ref()?.depth, longest));
    let soma = bufs.dendrite.as_ref().and_then(|d| ring(d.depth, longest[1]));
    for (id, values) in pasts.chain(soma) {
        filled[id.0 as usize] = Some(ints(values, length(id)));
    }
    let mut put = |id: BufId, values: Vec<u32>| filled[id.0 as usize] = Some(ints(values, length(id)));
    let (dendritic, steps) = made.dendritic.map_or((None, None), |(runs, steps)| (runs, Some(steps)));
    let mut words = Vec::new();
    for (runs, segments) in [(made.axonal, bufs.axonal), (dendritic, bufs.dendritic)] {
        let (Some(r), Some(s)) = (runs, segments) else { continue };
        put(s.start, r.start);
        words.push((s.runs, r.list.words()));
        if let Some(order) = r.order {
            for (id, values) in
                [(Some(s.first), order.first), (s.synapses, Some(order.synapses)), (s.other, order.other)]
            {
                if let (Some(id), Some(values)) = (id, values) {
                    put(id, values);
                }
            }
        }
        put(s.live.state, vec![0, 0, (length(s.live.neuron) / 2) as u32]);
    }
    let [before, after] = [0, 1].map(|end: usize| bufs.past[end].as_ref().and_then(|past| past.delay));
    if let (Some(steps), Some(id)) = (made.axonal_steps, before) {
        put(id, steps);
    }
    if let (Some(steps), Some(id)) = (&steps, after) {
        put(id, steps.clone());
    }
    if let (Some(steps), Some(id)) = (steps, bufs.dendrite.as_ref().and_then(|d| d.delay)) {
        put(id, steps);
    }
    if let (Some(w), Some([row, post])) = (wires, bufs.rows) {
        put(row, w.rows.row_start);
        put(post, w.rows.post);
        if let (Some(c), Some([start, synapse, pre])) = (w.columns, bufs.columns) {
            put(start, c.col_start);
            put(synapse, c.syn);
            put(pre, c.pre);
        }
    }
    for (id, mut list) in words {
        list.resize(length(id).max(list.len()), 0);
        filled[id.0 as usize] = Some(Buf::I32(list));
    }
}

/// Numbers as the code reads them, in the same memory.
fn ints(values: Vec<u32>, len: usize) -> Buf {
    let mut out: Vec<i32> = values.into_iter().map(|x| x as i32).collect();
    out.resize(len.max(out.len()), 0);
    Buf::I32(out)
}

/// Writes the values of variable `v` of a projection, one for each synapse or a single one where it lives with a neuron.
pub(super) fn write_synapses(target: &mut Buf, plan: &ProjPlan, v: usize, bufs: &layout::ProjBufs, values: &Buf) {
    let at = |k: usize| values.get_f64(k).unwrap_or(0.0);
    match plan.place[v] {
        Place::Pre | Place::Post => {
            (0..target.len()).for_each(|k| target.set_f64(k, at(0)));
        }
        Place::Synapse if plan.wiring == Wiring::Dense => {
            let (columns, stride) = (bufs.post.max(1) as usize, bufs.stride as usize);
            for k in 0..values.len() {
                target.set_f64(k / columns * stride + k % columns, at(k));
            }
        }
        Place::Synapse | Place::Constant(_) => {
            let last = values.len().saturating_sub(1);
            (0..target.len()).for_each(|k| target.set_f64(k, at(k.min(last))));
        }
    }
}

/// Writes values; the padding repeats the last one, so that it computes what a neuron could.
pub(super) fn write(buf: &mut Buf, values: &[f64]) {
    let last = values.last().copied().unwrap_or(0.0);
    for k in 0..buf.len() {
        buf.set_f64(k, values.get(k).copied().unwrap_or(last));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Session, Settings};

    #[test]
    fn arrays_that_are_too_long_are_told_in_words_of_the_source() {
        let text = "neuron R {
  input I
  state r = 0
  10 ms * dr/dt = I - r
}
synapse Gap { inject pre.r }
population P[3]: R()
population P2[3]: R()
connect P -> P.I via all_to_all with Gap(delay = 1 ms)
connect P -> P.I via all_to_all with Gap(delay = 2 ms)
connect poisson_input(n = 2, rate = 5 Hz) -> P.r with static(w = 1)
";
        let session = Session::from_text(std::path::Path::new("m.snn"), text, &Settings::default());
        let model = session.model.unwrap();
        let told = |array: &str| {
            let d = too_long(&model, array, 3_000_000_000);
            let at =
                d.primary.as_ref().map_or("", |l| &text[l.span.range()]).lines().next().unwrap_or_default().to_owned();
            assert!(!d.message.contains('@'), "{}", d.message);
            (d.message, at)
        };
        let (message, at) = told("P->P.I@pre.r");
        assert_eq!(message, "`P->P.I` would keep 3000000000 past values of `r`");
        assert!(at.starts_with("connect P -> P.I") && at.contains("1 ms"), "{at}");
        assert!(told("P->P.I#2@pre.r").1.contains("2 ms"));
        assert_eq!(told("P.r"), ("`P` would keep 3000000000 values of `r`".to_owned(), "P".to_owned()));
        assert_eq!(told("P2@ring.neurons").0, "`P2` would keep 3000000000 values for spikes on their way");
        assert!(told("P->P.I@post").0.ends_with("entries for its synapses"));
        assert!(told("poisson_input->P.r@source@mark").0.starts_with("`poisson_input->P.r` would"));
    }
}
