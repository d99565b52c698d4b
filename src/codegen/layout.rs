//! The buffers of a network: one layout for all of its plans, whatever is frozen.

use super::decay::Table;
use crate::hir::{Model, PopId, Precision, Restructuring, Role, VarId};
use crate::lir::{BufId, Buffer, PAD, Scalar};
use crate::sched::response::Recursion;
use crate::sched::{Place, Plan, ProjPlan, Spiking, Storage, Wiring, late};

/// The buffers of a population with `n` neurons.
#[derive(Debug, Clone)]
pub struct PopBufs {
    /// By variable: `n` values (padded); `None` for constants.
    pub vars: Vec<Option<BufId>>,
    /// By variable: the 64-bit masters of slow states and the number of steps done when each was last advanced (`i32`).
    pub slow: Vec<Option<(BufId, BufId)>>,
    /// By slot: values computed beforehand.
    pub derived: Vec<BufId>,
    /// Steps of refractoriness left; an integer as wide as the floats.
    pub refractory: Option<BufId>,
    /// For crossings: 1 where `a < b` at the last step's end; an integer as wide as the floats.
    pub below: Option<BufId>,
    /// The neurons that spiked in this step, ascending, and how many (of populations without a rate).
    pub spikes: BufId,
    /// How many.
    pub spike_count: BufId,
    /// How many spikes there were in this run.
    pub counts: Counts,
    /// The spikes of the last steps, for delays.
    pub history: Option<History>,
    /// By variable: what synapses add to an input in this step.
    pub fed: Vec<Option<BufId>>,
    /// 1 while spikes are logged.
    pub logging: BufId,
    /// The number of logged spikes, their steps (counted from the network's start, end of step n is n + 1) and their neurons.
    pub log: [BufId; 3],
    /// For populations that rest: 1 for each block of [`PAD`] neurons that rests, and a mark per neuron that moved in the last step
    /// that looked (an integer as wide as the floats).
    pub rest: Option<[BufId; 2]>,
    /// By variable: the shared value of states that are kept so (one number); `vars` then holds the deviations.
    pub shared: Vec<Option<BufId>>,
    /// For populations with calm blocks: 1 for each block of [`PAD`] neurons that is busy, and a mark per neuron that keeps it so (an
    /// integer as wide as the floats).
    pub busy: Option<[BufId; 2]>,
    /// A mark for each neuron that is not still (an integer as wide as the floats).
    pub unready: Option<BufId>,
    /// Events drawn beforehand: the run step of the first slot, the start of each slot, the neurons.
    pub events: Option<[BufId; 3]>,
    /// Events other than spikes, in order of the file.
    pub signals: Vec<SignalBufs>,
    /// The neurons whose refractory period ended in this step, ascending, and how many.
    pub released: Option<[BufId; 2]>,
    /// By `every` block: the number of steps done before local step 0, modulo the period.
    pub phases: Vec<BufId>,
    /// By variable that follows something: 1, or 0 after a protocol has assigned it.
    pub live: Vec<Option<BufId>>,
    /// Random numbers drawn beforehand: the run step of the first row; the numbers, by row, number of the draw, and neuron (rows are
    /// [`padded`] neurons).
    pub draws: Option<[BufId; 2]>,
    /// The tables of `timed`.
    pub tables: Vec<BufId>,
    /// The spikes of the last step and how many, for projections that learn late.
    pub before: Option<[BufId; 2]>,
    /// The ranges of neurons that advance at the same time, in order; empty if all advance in one pass. See [`super::shards`].
    pub shards: Vec<super::shards::Shard>,
}

/// The buffers of an event other than spikes.
#[derive(Debug, Clone)]
pub struct SignalBufs {
    /// The neurons for which it happened in this step, ascending.
    pub list: BufId,
    /// How many.
    pub count: BufId,
    /// For crossings: 1 where `a < b` at the last step's end; an integer as wide as the floats.
    pub below: Option<BufId>,
    /// The events of the last steps, for delays.
    pub history: Option<History>,
    /// 1 while it is logged.
    pub logging: BufId,
    /// As those of spikes.
    pub log: [BufId; 3],
}

/// A ring of `depth` slots of `n` neuron numbers each.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// The slot of the current step.
    pub position: BufId,
    /// Spikes in each slot.
    pub counts: BufId,
    /// The neurons, slot by slot.
    pub neurons: BufId,
    /// Number of slots: the longest delay and one.
    pub depth: u32,
}

/// How many synapses a projection has, and the runs of those with delays of their own.
#[derive(Debug, Clone, Default)]
pub struct ProjSize {
    /// Synapses of sparse wiring; 0 for dense.
    pub synapses: u64,
    /// Entries of a kernel whose weights its synapses change.
    pub entries: Option<u64>,
    /// Axonal delays that differ between synapses.
    pub axonal: Option<RunSize>,
    /// The longest axonal delay of what is injected, where they differ between synapses.
    pub longest_axonal: Option<u32>,
    /// The longest dendritic delay, where they differ between synapses.
    pub longest_dendritic: Option<u32>,
    /// The runs of dendritic delays, where `on post` needs them.
    pub dendritic: Option<RunSize>,
}

/// Synapses of one neuron and one delay are a run.
#[derive(Debug, Clone, Copy)]
pub struct RunSize {
    /// How many, those of length 0 at the end of each neuron's included.
    pub runs: u64,
    /// Their form.
    pub width: RunWidth,
    /// The longest delay in steps; `u32::MAX` where that is not known.
    pub longest: u32,
    /// Whether a list has the synapses in the order of the runs.
    pub ordered: bool,
}

/// How a run is stored: the number of steps after the neuron's run before, and the number of synapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunWidth {
    /// In 8 bits each, two runs to a word.
    Half,
    /// In 16 bits each, a word.
    Word,
    /// In a word each.
    Pair,
}

/// Synapses in the order of their delays, by the neuron whose spikes reach them (pre, or post for `on post`), and the spikes that have not
/// reached all of them.
#[derive(Debug, Clone, Copy)]
pub struct Segments {
    /// The first run of each neuron, and one more.
    pub start: BufId,
    /// The first entry of each neuron.
    pub first: BufId,
    /// The runs; each neuron's end with one of length 0.
    pub runs: BufId,
    /// Their form.
    pub width: RunWidth,
    /// The synapse of each entry, where that is not its number.
    pub synapses: Option<BufId>,
    /// The neuron at the other end of each entry, where it is not the post neuron of the synapse.
    pub other: Option<BufId>,
    /// The spikes on their way, by neuron and then by age.
    pub live: Live,
    /// The longest delay in steps; `u32::MAX` where that is not known.
    pub longest: u32,
}

/// Spikes on their way to synapses with delays of their own. The lists have two halves, of which each step reads one and writes the other.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    /// How many there are, the first place of the half that holds them, and the places of a half.
    pub state: BufId,
    /// The neuron of each.
    pub neuron: BufId,
    /// The run that it reaches next.
    pub run: BufId,
    /// The first entry of that run.
    pub entry: BufId,
    /// The step in which it does.
    pub due: BufId,
}

impl Live {
    /// The lists.
    #[must_use]
    pub fn lists(&self) -> [BufId; 4] {
        [self.neuron, self.run, self.entry, self.due]
    }
}

/// Places of a half of the lists of spikes on their way, at first: room for what `neurons` may emit in `longest` steps, but no more than
/// large networks need for a few steps (the lists grow).
#[must_use]
pub fn live_places(neurons: u64, longest: u32) -> u64 {
    const MANY: u64 = 1 << 18;
    (neurons * (u64::from(longest) + 2)).min(MANY.max(2 * neurons))
}

/// How many slots a ring has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// So many, for ever.
    Fixed(u32),
    /// The first of two numbers there: delays that protocols change may become longer. The second is the first step whose values a ring of
    /// past values has.
    Stored(BufId),
}

/// What has been delivered and is on its way to the soma.
#[derive(Debug, Clone)]
pub struct Dendrite {
    /// The slot of the current step.
    pub position: BufId,
    /// By slot: whether something is in it.
    pub pending: BufId,
    /// By target: the sums, slot by slot, one per post neuron.
    pub sums: Vec<(VarId, BufId)>,
    /// Slots: the longest delay and one.
    pub depth: Depth,
    /// The delay of each synapse, where they differ.
    pub delay: Option<BufId>,
}

/// Weights of a convolution that its synapses share and change.
#[derive(Debug, Clone)]
pub struct Entries {
    /// How many entries the kernel has.
    pub count: u64,
    /// How many synapses there are.
    pub synapses: u64,
    /// The entry of each synapse.
    pub entry: BufId,
    /// One synapse of each entry.
    pub first: BufId,
    /// The synapses in the order (post, pre).
    pub order: BufId,
    /// 1 if an event has changed a copy in this step.
    pub dirty: BufId,
    /// Each weight with the values of its entries and the sums of their changes.
    pub vars: Vec<(VarId, BufId, BufId)>,
}

/// The values that variables of the neurons at one end of a projection had at the starts of the last steps.
#[derive(Debug, Clone)]
pub struct Past {
    /// The slot of the present step.
    pub position: BufId,
    /// By variable: the values, slot by slot.
    pub vars: Vec<(VarId, BufId)>,
    /// Slots: the longest delay and one.
    pub depth: Depth,
    /// Places of a slot.
    pub stride: u64,
    /// The delay of each synapse, where they differ.
    pub delay: Option<BufId>,
}

/// Deliveries through a kernel: what they will add to the target input.
#[derive(Debug, Clone, Copy)]
pub struct Response {
    /// The input.
    pub target: VarId,
    /// The kernel's values at the steps after a delivery.
    pub table: BufId,
    /// How many.
    pub steps: u32,
    /// The slot of the next step.
    pub position: BufId,
    /// Whether something was delivered in this step, and how much to each post neuron.
    pub pending: BufId,
    /// Those amounts.
    pub amounts: BufId,
    /// What the steps to come add, one slot for each, one value per post neuron; where the response carries itself on, what was delivered in
    /// as many steps before.
    pub sums: BufId,
    /// Of responses that carry themselves on.
    pub going: Option<Going>,
}

/// A response that carries itself on: see [`Recursion`].
#[derive(Debug, Clone, Copy)]
pub struct Going {
    /// How.
    pub recursion: Recursion,
    /// The number of steps until it is over.
    pub left: BufId,
    /// `rest`, by post neuron; none for an exponential.
    pub rest: Option<BufId>,
    /// y, by post neuron.
    pub value: BufId,
}

/// The buffers of a projection.
#[derive(Debug, Clone)]
pub struct ProjBufs {
    /// By variable, sized by its place; `None` for constants.
    pub vars: Vec<Option<BufId>>,
    /// By variable: the number of steps done at the last update of event-driven states (`i32`).
    pub last: Vec<Option<BufId>>,
    /// By variable: the list of neurons with non-zero traces: how many, which, and a mark per neuron.
    pub lists: Vec<Option<[BufId; 3]>>,
    /// Whether an event of each post neuron has changed its synapses; the host clears it: see [`crate::script::machine::Machine::changed_columns`].
    pub changed: Option<BufId>,
    /// The same of pre neurons: see [`crate::script::machine::Machine::changed_rows`].
    pub touched: Option<BufId>,
    /// Sparse wiring: start of each pre neuron's row, post neuron of each synapse.
    pub rows: Option<[BufId; 2]>,
    /// Sparse wiring with `on post`: start of each post neuron's column, its synapses, their pre neurons.
    pub columns: Option<[BufId; 3]>,
    /// Events emitted before this step are void (`reset`).
    pub since: Option<BufId>,
    /// Runs of equal axonal delay, where synapses differ in it.
    pub axonal: Option<Segments>,
    /// Runs of equal dendritic delay of synapses with `on post`, where they differ in it.
    pub dendritic: Option<Segments>,
    /// Deliveries on their way to the soma.
    pub dendrite: Option<Dendrite>,
    /// Deliveries through a kernel.
    pub response: Option<Response>,
    /// Weights of a convolution that its synapses share and change.
    pub entries: Option<Entries>,
    /// What `inject` reads of pre and of post neurons with a delay.
    pub past: [Option<Past>; 2],
    /// By variable: of inputs that follow something 1, or 0 after a protocol has assigned it.
    pub live: Vec<Option<BufId>>,
    /// By `every` block: the number of steps done before local step 0, modulo the period.
    pub phases: Vec<BufId>,
    /// The synapses' own events, in order of the file.
    pub signals: Vec<SynapseSignal>,
    /// Random numbers drawn beforehand: the run step of the first row; the numbers, by row, number of the draw, and place of the synapse
    /// among [`Self::count`].
    pub draws: Option<[BufId; 2]>,
    /// The keys of steps, of which the random numbers of events are made: the run step of the first, and the keys.
    pub chance: Option<[BufId; 2]>,
    /// The tables of `timed`.
    pub tables: Vec<BufId>,
    /// By variable: how a trace decays, if a table says it. Traces of one rate share it.
    pub decays: Vec<Option<Table>>,
    /// Places for one value per synapse.
    pub count: u64,
    /// Distance between rows of a dense matrix.
    pub stride: u64,
    /// Index of the pre population.
    pub pre_pop: usize,
    /// Index of the post population.
    pub post_pop: usize,
    /// Number of pre neurons.
    pub pre: u64,
    /// Number of post neurons.
    pub post: u64,
}

/// The buffers of an event of synapses.
#[derive(Debug, Clone, Copy)]
pub struct SynapseSignal {
    /// 1 where it happened in this step.
    pub happened: BufId,
    /// For crossings: 1 where `a < b` at the last step's end.
    pub below: Option<BufId>,
}

/// Spikes of a population in a run.
#[derive(Debug, Clone, Copy)]
pub enum Counts {
    /// Of each neuron: a protocol asks for them, or there are no protocols and whoever drives the network may.
    Each {
        /// How many (`i32`).
        count: BufId,
        /// The first step of the run at whose end it spiked, from 1; valid where `count` is not 0.
        first: BufId,
    },
    /// Of all together (`i64`).
    Total(BufId),
}

/// Whether the spikes of each neuron are counted.
fn counted(model: &Model, pop: PopId) -> bool {
    let script = &model.script;
    let free = script.experiments.is_empty() && script.tests.is_empty() && script.procedures.is_empty();
    free || script.counted.contains(&pop)
}

/// All buffers of a network.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The declarations.
    pub buffers: Vec<Buffer>,
    /// By population.
    pub pops: Vec<PopBufs>,
    /// By projection.
    pub projs: Vec<ProjBufs>,
    /// One `f64`: steps done before local step 0.
    pub clock: BufId,
    /// One `i32`: how many neurons are not still; see `leap`.
    pub unready: Option<BufId>,
    /// The floats of states and weights.
    pub float: Scalar,
}

/// `n` rounded up to a multiple of [`PAD`], at least one.
#[must_use]
pub fn padded(n: u64) -> u64 {
    n.max(1).div_ceil(PAD) * PAD
}

/// Lays out the buffers for a plan without frozen variables, for projections of these sizes.
#[must_use]
pub fn layout(model: &Model, plan: &Plan, sizes: &[ProjSize]) -> Layout {
    let (float, int) = match plan.precision {
        Precision::F32 => (Scalar::F32, Scalar::I32),
        Precision::F64 => (Scalar::F64, Scalar::I64),
    };
    let mut buffers: Vec<Buffer> = Vec::new();
    let mut new = |name: String, scalar: Scalar, len: u64| {
        buffers.push(Buffer { name, scalar, len });
        BufId(buffers.len() as u32 - 1)
    };
    let clock = new("clock".to_owned(), Scalar::F64, 1);
    let mut pops = Vec::new();
    for p in &plan.populations {
        let population = &model.populations[p.pop.index()];
        let neuron = &model.neurons[population.model.index()];
        let name = &population.name;
        let n = padded(p.size);
        let vars = neuron
            .vars
            .iter()
            .zip(&p.storage)
            .map(|(v, s)| matches!(s, Storage::Array).then(|| new(format!("{name}.{}", v.name), float, n)))
            .collect();
        let slow = (0..neuron.vars.len() as u32)
            .map(VarId)
            .map(|v| {
                p.slow.iter().any(|s| s.var == v).then(|| {
                    let var = &neuron.vars[v.index()].name;
                    (
                        new(format!("{name}.{var}@master"), Scalar::F64, n),
                        new(format!("{name}.{var}@last"), Scalar::I32, n),
                    )
                })
            })
            .collect();
        let slots = p.update.as_ref().map_or(0, |u| u.derived.len());
        let derived = (0..slots).map(|k| new(format!("{name}@slot{k}"), float, n)).collect();
        let crosses = matches!(p.spiking, Some(Spiking::Crosses(..)));
        let source = matches!(p.spiking, Some(Spiking::Rate(_) | Spiking::Listed));
        let mut ring = |name: &str, delay: u32| {
            let depth = delay + 1;
            (delay > 0).then(|| History {
                position: new(format!("{name}@ring.position"), Scalar::I32, 1),
                counts: new(format!("{name}@ring.counts"), Scalar::I32, u64::from(depth)),
                neurons: new(format!("{name}@ring.neurons"), Scalar::I32, u64::from(depth) * p.size),
                depth,
            })
        };
        let history = ring(name, p.max_delay);
        let rings: Vec<Option<History>> =
            p.events.iter().enumerate().map(|(k, e)| ring(&format!("{name}@event{k}"), e.max_delay)).collect();
        let signals = p
            .events
            .iter()
            .zip(rings)
            .enumerate()
            .map(|(k, (e, history))| SignalBufs {
                list: new(format!("{name}@event{k}"), Scalar::I32, n),
                count: new(format!("{name}@event{k}.n"), Scalar::I32, 1),
                below: matches!(e.cond, Spiking::Crosses(..)).then(|| new(format!("{name}@event{k}.below"), int, n)),
                history,
                logging: new(format!("{name}@event{k}.log.on"), Scalar::I32, 1),
                log: ["n", "step", "neuron"].map(|part| new(format!("{name}@event{k}.log.{part}"), Scalar::I32, 1)),
            })
            .collect();
        let fed =
            neuron.vars.iter().enumerate().map(|(k, v)| {
                p.fed.contains(&VarId(k as u32)).then(|| new(format!("{name}.{}@fed", v.name), float, n))
            });
        let fed = fed.collect();
        pops.push(PopBufs {
            vars,
            fed,
            slow,
            derived,
            refractory: p.refractory.map(|_| new(format!("{name}@refractory"), int, n)),
            below: crosses.then(|| new(format!("{name}@below"), int, n)),
            spikes: new(format!("{name}@spikes"), Scalar::I32, n),
            spike_count: new(format!("{name}@spikes.n"), Scalar::I32, 1),
            counts: if counted(model, p.pop) {
                Counts::Each {
                    count: new(format!("{name}@count"), Scalar::I32, n),
                    first: new(format!("{name}@first"), Scalar::I32, n),
                }
            } else {
                Counts::Total(new(format!("{name}@total"), Scalar::I64, 1))
            },
            history,
            logging: new(format!("{name}@log.on"), Scalar::I32, 1),
            log: [
                new(format!("{name}@log.n"), Scalar::I32, 1),
                new(format!("{name}@log.step"), Scalar::I32, 1),
                new(format!("{name}@log.neuron"), Scalar::I32, 1),
            ],
            rest: p
                .rests
                .then(|| [new(format!("{name}@rest"), Scalar::I32, n / PAD), new(format!("{name}@moved"), int, n)]),
            shared: (0..neuron.vars.len() as u32)
                .map(VarId)
                .map(|v| {
                    let var = &neuron.vars[v.index()].name;
                    p.shared.contains(&v).then(|| new(format!("{name}.{var}@shared"), float, 1))
                })
                .collect(),
            unready: (plan.opt.has(Restructuring::Leaps) && p.update.is_some())
                .then(|| new(format!("{name}@unready"), int, n)),
            busy: p
                .calms
                .then(|| [new(format!("{name}@busy"), Scalar::I32, n / PAD), new(format!("{name}@mark"), int, n)]),
            events: source.then(|| {
                [
                    new(format!("{name}@events.base"), Scalar::I32, 1),
                    new(format!("{name}@events.start"), Scalar::I32, 2),
                    new(format!("{name}@events.neuron"), Scalar::I32, 1),
                ]
            }),
            signals,
            released: p.release.is_some().then(|| {
                [new(format!("{name}@released"), Scalar::I32, n), new(format!("{name}@released.n"), Scalar::I32, 1)]
            }),
            phases: (0..p.every.len()).map(|k| new(format!("{name}@every{k}.phase"), Scalar::I32, 1)).collect(),
            live: neuron
                .vars
                .iter()
                .enumerate()
                .map(|(k, v)| {
                    let follows = p.live.iter().any(|(w, _)| w.index() == k);
                    follows.then(|| new(format!("{name}.{}@live", v.name), Scalar::I32, 1))
                })
                .collect(),
            draws: (!p.draws.is_empty()).then(|| {
                [
                    new(format!("{name}@draws.base"), Scalar::I32, 1),
                    new(format!("{name}@draws"), float, n * p.draws.len() as u64),
                ]
            }),
            tables: p
                .tables
                .iter()
                .enumerate()
                .map(|(k, t)| new(format!("{name}@table{k}"), float, t.len() as u64))
                .collect(),
            before: late::remembers(model, plan, p.pop.index()).then(|| {
                [new(format!("{name}@before"), Scalar::I32, n), new(format!("{name}@before.n"), Scalar::I32, 1)]
            }),
            shards: Vec::new(),
        });
    }
    let mut projs = Vec::new();
    for p in &plan.projections {
        let projection = &model.projections[p.proj.index()];
        let name = &projection.name;
        let pre = model.populations[projection.pre.pop.index()].size();
        let post = model.populations[projection.post.pop.index()].size();
        let stride = padded(post);
        let count = match p.wiring {
            Wiring::Dense => pre * stride,
            Wiring::Sparse => padded(sizes[p.proj.index()].synapses),
            Wiring::Uniform(_) => 0,
        };
        let len = |place: Place| match place {
            Place::Constant(_) => 0,
            Place::Synapse => count,
            Place::Pre => padded(pre),
            Place::Post => padded(post),
        };
        let vars = projection.synapse.vars.iter().zip(&p.place).map(|(v, place)| {
            (!matches!(place, Place::Constant(_))).then(|| new(format!("{name}.{}", v.name), float, len(*place)))
        });
        let vars = vars.collect();
        let last = projection.synapse.vars.iter().enumerate().map(|(k, v)| {
            (p.lazy[k].is_some() && v.role == Role::State)
                .then(|| new(format!("{name}.{}@last", v.name), Scalar::I32, len(p.place[k])))
        });
        let last = last.collect();
        let lists = projection.synapse.vars.iter().enumerate().map(|(k, v)| {
            p.listed[k].then(|| {
                [
                    new(format!("{name}.{}@list.n", v.name), Scalar::I32, 1),
                    new(format!("{name}.{}@list", v.name), Scalar::I32, len(p.place[k])),
                    new(format!("{name}.{}@listed", v.name), Scalar::I32, len(p.place[k])),
                ]
            })
        });
        let lists: Vec<Option<[BufId; 3]>> = lists.collect();
        let recorded = plan.opt.has(Restructuring::ChangedColumns)
            && p.wiring == Wiring::Dense
            && lists.iter().any(Option::is_some);
        let changed = recorded.then(|| new(format!("{name}@changed"), Scalar::I32, padded(post)));
        let touched = recorded.then(|| new(format!("{name}@touched"), Scalar::I32, padded(pre)));
        let sparse = p.wiring == Wiring::Sparse;
        let size = &sizes[p.proj.index()];
        let rows = sparse.then(|| {
            [new(format!("{name}@row"), Scalar::I32, pre + 1), new(format!("{name}@post"), Scalar::I32, count)]
        });
        let axonal = size.axonal.map(|s| segments(&mut new, &format!("{name}@axonal"), s, pre, count, rows));
        let dendritic = size.dendritic.map(|s| segments(&mut new, &format!("{name}@dendritic"), s, post, count, None));
        let longest = size.longest_dendritic.unwrap_or(p.dendritic.uniform());
        let dendrite = (p.dendritic.waits() && !p.targets.is_empty()).then(|| Dendrite {
            position: new(format!("{name}@soma.position"), Scalar::I32, 1),
            pending: new(format!("{name}@soma.pending"), Scalar::I32, u64::from(longest) + 1),
            sums: p
                .targets
                .iter()
                .map(|v| (*v, new(format!("{name}@soma{}", v.0), float, (u64::from(longest) + 1) * stride)))
                .collect(),
            depth: if p.changing_delays[1] {
                Depth::Stored(new(format!("{name}@soma.depth"), Scalar::I32, 2))
            } else {
                Depth::Fixed(longest + 1)
            },
            delay: size.longest_dendritic.map(|_| new(format!("{name}@soma.delay"), Scalar::I32, count)),
        });
        let response = p.kernel.as_ref().zip(projection.target).map(|(kernel, target)| {
            let steps = kernel.len() as u64;
            Response {
                target,
                table: new(format!("{name}@kernel"), float, steps),
                steps: steps as u32,
                position: new(format!("{name}@kernel.position"), Scalar::I32, 1),
                pending: new(format!("{name}@kernel.pending"), Scalar::I32, 1),
                amounts: new(format!("{name}@kernel.amounts"), float, stride),
                sums: new(format!("{name}@kernel.sums"), float, steps * stride),
                going: p.recursion.map(|recursion| Going {
                    recursion,
                    left: new(format!("{name}@kernel.left"), Scalar::I32, 1),
                    rest: (recursion.inner > 0.0).then(|| new(format!("{name}@kernel.rest"), float, stride)),
                    value: new(format!("{name}@kernel.value"), float, stride),
                }),
            }
        });
        let ends = [("pre", projection.pre.pop, p.delay, size.longest_axonal)].into_iter().chain([(
            "post",
            projection.post.pop,
            p.dendritic,
            size.longest_dendritic,
        )]);
        let mut past =
            ends.zip(&p.past).zip(p.changing_delays).map(|(((end, pop, delay, longest), vars), changing)| {
                if vars.is_empty() {
                    return None;
                }
                let population = &model.populations[pop.index()];
                let neuron = &model.neurons[population.model.index()];
                let depth = u64::from(longest.unwrap_or(delay.uniform())) + 1;
                let stride = padded(population.size());
                Some(Past {
                    position: new(format!("{name}@{end}.position"), Scalar::I32, 1),
                    vars: vars
                        .iter()
                        .map(|v| {
                            let var = &neuron.vars[v.index()].name;
                            (*v, new(format!("{name}@{end}.{var}"), float, depth * stride))
                        })
                        .collect(),
                    depth: if changing {
                        Depth::Stored(new(format!("{name}@{end}.depth"), Scalar::I32, 2))
                    } else {
                        Depth::Fixed(depth as u32)
                    },
                    stride,
                    delay: longest.map(|_| new(format!("{name}@{end}.delay"), Scalar::I32, count)),
                })
            });
        let past = [past.next().flatten(), past.next().flatten()];
        let entries = size.entries.map(|n| Entries {
            count: n,
            synapses: size.synapses,
            entry: new(format!("{name}@entry"), Scalar::I32, count),
            first: new(format!("{name}@entry.first"), Scalar::I32, padded(n)),
            order: new(format!("{name}@entry.order"), Scalar::I32, count),
            dirty: new(format!("{name}@entry.dirty"), Scalar::I32, 1),
            vars: p
                .entries
                .iter()
                .map(|e| {
                    let var = &projection.synapse.vars[e.var.index()].name;
                    let value = new(format!("{name}.{var}@entry"), float, padded(n));
                    (e.var, value, new(format!("{name}.{var}@change"), float, padded(n)))
                })
                .collect(),
        });
        projs.push(ProjBufs {
            entries,
            past,
            vars,
            last,
            lists,
            changed,
            touched,
            rows,
            columns: p.needs_columns.then(|| {
                [
                    new(format!("{name}@column"), Scalar::I32, post + 1),
                    new(format!("{name}@column.synapse"), Scalar::I32, count),
                    new(format!("{name}@column.pre"), Scalar::I32, count),
                ]
            }),
            since: (p.delay.waits() || p.dendritic.waits()).then(|| new(format!("{name}@since"), Scalar::I32, 1)),
            axonal,
            dendritic,
            dendrite,
            response,
            live: (0..projection.synapse.vars.len())
                .map(|k| {
                    let var = &projection.synapse.vars[k].name;
                    let follows = p.own.live.iter().any(|(v, _)| v.index() == k);
                    follows.then(|| new(format!("{name}.{var}@live"), Scalar::I32, 1))
                })
                .collect(),
            phases: (0..p.own.every.len()).map(|k| new(format!("{name}@every{k}.phase"), Scalar::I32, 1)).collect(),
            signals: p
                .own
                .events
                .iter()
                .enumerate()
                .map(|(k, e)| SynapseSignal {
                    happened: new(format!("{name}@event{k}"), Scalar::I32, count),
                    below: matches!(e.cond, Spiking::Crosses(..))
                        .then(|| new(format!("{name}@event{k}.below"), Scalar::I32, count)),
                })
                .collect(),
            draws: (!p.own.draws.is_empty()).then(|| {
                [
                    new(format!("{name}@draws.base"), Scalar::I32, 1),
                    new(format!("{name}@draws"), float, count * p.own.draws.len() as u64),
                ]
            }),
            chance: (!p.chances.is_empty())
                .then(|| [new(format!("{name}@chance.base"), Scalar::I32, 1), new(format!("{name}@chance"), float, 1)]),
            tables: p
                .own
                .tables
                .iter()
                .enumerate()
                .map(|(k, t)| new(format!("{name}@table{k}"), float, t.len() as u64))
                .collect(),
            decays: decays(&mut new, name, float, plan.dt, p),
            count,
            stride,
            pre_pop: projection.pre.pop.index(),
            post_pop: projection.post.pop.index(),
            pre,
            post,
        });
    }
    let unready = plan.opt.has(Restructuring::Leaps).then(|| new("unready".to_owned(), Scalar::I32, 1));
    Layout { buffers, pops, projs, clock, unready, float }
}

/// The tables by which traces of a projection decay.
fn decays(
    new: &mut dyn FnMut(String, Scalar, u64) -> BufId,
    name: &str,
    float: Scalar,
    dt: f64,
    p: &ProjPlan,
) -> Vec<Option<Table>> {
    let mut made: Vec<Table> = Vec::new();
    let mut table = |v: usize, len: u32| {
        let rate = p.graph.as_const(p.lazy[v]?.a)? * dt;
        let known = made.iter().find(|t| t.rate.to_bits() == rate.to_bits()).copied();
        Some(known.unwrap_or_else(|| {
            let left = new(format!("{name}@decay{}", made.len()), float, u64::from(len));
            made.push(Table { left, len, rate });
            made[made.len() - 1]
        }))
    };
    p.decays.iter().enumerate().map(|(v, len)| table(v, (*len)?)).collect()
}

/// The buffers of runs of `neurons`; `rows` are those of the projection, where the runs are those of pre neurons.
fn segments(
    new: &mut dyn FnMut(String, Scalar, u64) -> BufId,
    name: &str,
    size: RunSize,
    neurons: u64,
    synapses: u64,
    rows: Option<[BufId; 2]>,
) -> Segments {
    let mut int = |part: &str, len: u64| new(format!("{name}.{part}"), Scalar::I32, len);
    let words = match size.width {
        RunWidth::Half => size.runs.div_ceil(2),
        RunWidth::Word => size.runs,
        RunWidth::Pair => 2 * size.runs,
    };
    let places = 2 * live_places(neurons, size.longest);
    Segments {
        start: int("start", neurons + 1),
        first: rows.map_or_else(|| int("first", neurons + 1), |[row, _]| row),
        runs: int("runs", words),
        width: size.width,
        synapses: size.ordered.then(|| int("synapse", synapses)),
        other: rows.is_none().then(|| int("other", synapses)),
        live: Live {
            state: int("live", 3),
            neuron: int("live.neuron", places),
            run: int("live.run", places),
            entry: int("live.entry", places),
            due: int("live.due", places),
        },
        longest: size.longest,
    }
}

impl Layout {
    /// Bytes of all buffers as declared.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        self.buffers.iter().map(|b| b.len as f64 * b.scalar.bytes() as f64).sum()
    }
}
