//! A network in time: buffers, the compiled step, sources and logs.
//!
//! Steps are counted locally in `i32` from `base`; the local count is moved back long before it could overflow.

mod delays;
mod leap;
mod machine;
mod record;
mod relax;
mod room;
mod sources;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};

use super::cut::{Cut, Cutting, Times};
use super::synapses::{Ties, places};
use super::wiring::Files;
use crate::backend::{Backend, BackendError, Buf, Buffers, Kernels};
use crate::codegen::layout::Depth;
use crate::codegen::{Action, Layout, RUN};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Model, ProjId, Side, VarId};
use crate::lir::{BufId, FuncId};
use crate::methods::Derived;
use crate::methods::expm::{Matrix, noise_factor, propagator};
use crate::methods::sym::Node;
use crate::rng::events::CountSource;
use crate::rng::gaps::{EventList, GapSource, chunk_steps};
use crate::sched::{self, Place, Plan, Storage, Uses, Wiring};
use crate::script::machine::{Entity, Machine, RunKey, SpikeLog, VarKey};

/// One compiled step: for one set of frozen variables.
pub struct Compiled {
    /// The plan it was made from.
    pub plan: Plan,
    /// The code.
    pub kernels: Box<dyn Kernels>,
    /// The parts of a step, if it is cut.
    pub cut: Option<Cut>,
    /// The functions `unready` and `leap`, if the plan passes over steps.
    pub leap: Option<[FuncId; 2]>,
    /// The function that fills the tables by which traces decay, if there are any.
    pub decays: Option<FuncId>,
}

/// The ends of the synapses of a sparse projection.
pub struct SynapseEnds {
    /// How many synapses there are.
    pub count: u64,
    /// Pre and post index of each, made from the rows when a protocol asks for them: most networks never do.
    pub list: OnceLock<(Vec<u32>, Vec<u32>)>,
    /// Where synapses are stored by delay.
    pub ties: Option<Ties>,
    /// The place of each synapse in storage, if that is not its number; made when a protocol asks.
    pub places: OnceLock<Vec<u32>>,
}

/// What all copies of a network share.
pub struct Shared {
    /// The model.
    pub model: Arc<Model>,
    /// What protocols do.
    pub uses: Uses,
    /// The buffers.
    pub layout: Layout,
    /// Bytes that they take.
    pub bytes: u64,
    /// What executes.
    pub backend: Arc<dyn Backend + Send + Sync>,
    /// How steps are cut.
    pub cutting: Cutting,
    /// The most bytes that buffers may take.
    pub memory_limit: f64,
    /// Threads that the parts of a step run on.
    pub pool: Option<rayon::ThreadPool>,
    /// Times taken of parts, where they are wanted.
    pub times: Mutex<Times>,
    /// Where files of the model are looked for.
    pub files: Files,
    /// Columns of the `edges` files, by projection; empty if no protocol redraws.
    pub columns: Vec<BTreeMap<String, Vec<f64>>>,
    /// Bounds of variables: populations first, then projections.
    pub bounds: Vec<Vec<Option<(f64, f64)>>>,
    /// The synapses of sparse projections.
    pub wires: Vec<Option<SynapseEnds>>,
    /// By population: the spikes of lists, each with the number of its step (from 1) and its neuron, in this order.
    pub played: Vec<Arc<[(u64, u32)]>>,
    /// Compiled steps, by the frozen variables in order.
    pub variants: Mutex<BTreeMap<Vec<VarKey>, Arc<Compiled>>>,
}

/// Steps of a chunk: recordings of spikes are emptied between chunks.
const CHUNK: u64 = 4096;
/// Logged spikes a buffer holds at least.
const LOG: usize = 1 << 16;
/// Steps that logs hold at least, whatever fires.
const LOG_STEPS: usize = 64;
/// Run steps reach the code modulo this multiple of 1024.
const WRAP: u64 = 1 << 30;
/// Local steps from which the count is moved back.
const REBASE: i32 = 1 << 30;

/// A network and its state.
pub struct Network {
    pub(super) shared: Arc<Shared>,
    pub(super) compiled: Arc<Compiled>,
    pub(super) buffers: Buffers,
    /// The states that `reset` restores: as built, or as last redrawn.
    pub(super) initial: Arc<BTreeMap<VarKey, Buf>>,
    frozen: BTreeSet<VarKey>,
    base: u64,
    step: i32,
    run_step: u64,
    /// Steps left of chunk of drawn events, by population.
    sources: Vec<Option<Source>>,
    /// By population: the spikes of a source that are drawn.
    events: Vec<EventList>,
    /// By population: the spikes that a protocol gave to a source, by the number of their step.
    given: Vec<Option<Arc<[(u64, u32)]>>>,
    logs: Vec<SpikeLog>,
    logging: Vec<bool>,
    /// Logs of other events, by population and number.
    event_logs: BTreeMap<(usize, usize), SpikeLog>,
    scratch: Vec<f64>,
    /// By population: whether what is computed beforehand from its parameters must be computed anew.
    stale_slots: Vec<bool>,
    /// Names the random draws of the present run.
    run: RunKey,
    /// By population, then by projection, then by projection for its events: the run step up to which random numbers have been drawn.
    drawn: Vec<u64>,
    /// Whether this is one of several copies that run at the same time, each on a thread of its own.
    lane: bool,
    /// Variables whose columns all obeyed a rule of the protocol when it was last applied, and its number; what changed since is in the buffer
    /// `changed` of the projection.
    settled: BTreeMap<VarKey, u64>,
    /// The spikes of the run so far, and the step of the run since when there were no more; `None`: sources have fired since it was last asked.
    silent: Option<(u64, u64)>,
    /// Steps passed over.
    passed: u64,
}

/// A population whose spikes are drawn beforehand.
#[derive(Clone)]
struct Source {
    /// The rest of the run; `None` when all of it is drawn.
    gaps: Option<Train>,
    /// Spikes of a list, in order.
    listed: Option<Arc<[(u64, u32)]>>,
    /// Run step one past the drawn ones.
    drawn: u64,
}

/// What draws the events.
#[derive(Clone)]
enum Train {
    /// At most one a step.
    Gaps(GapSource),
    /// Any number a step.
    Counts(CountSource),
}

impl Train {
    /// Draws on several threads if `parallel`.
    fn advance(&mut self, steps: u32, out: &mut EventList, parallel: bool) {
        match self {
            Self::Gaps(g) => g.advance(steps, out),
            Self::Counts(c) => c.advance(steps, out, parallel),
        }
    }

    /// How many steps to ask for at once, for `n` elements.
    fn chunk(&self, n: usize) -> u64 {
        u64::from(match self {
            Self::Gaps(_) => chunk_steps(n),
            Self::Counts(c) => c.chunk_steps(),
        })
    }
}

/// What a back end refuses is never a user's fault.
pub(super) fn failed(error: &BackendError) -> Diagnostic {
    Diagnostic::without_span(Code::E0900, format!("a bug in snnc: {error}")).help("please report it with this file")
}

impl Network {
    /// A network at time 0.
    pub(super) fn new(
        shared: Arc<Shared>,
        compiled: Arc<Compiled>,
        buffers: Buffers,
        initial: BTreeMap<VarKey, Buf>,
    ) -> Self {
        let n = shared.model.populations.len();
        let all = n + 2 * shared.model.projections.len();
        let mut network = Self {
            shared,
            compiled,
            buffers,
            initial: Arc::new(initial),
            frozen: BTreeSet::new(),
            base: 0,
            step: 0,
            run_step: 0,
            sources: vec![None; n],
            events: vec![EventList::default(); n],
            given: vec![None; n],
            logs: vec![SpikeLog::default(); n],
            logging: vec![false; n],
            event_logs: BTreeMap::new(),
            scratch: Vec::new(),
            stale_slots: vec![true; n],
            run: RunKey(0),
            drawn: vec![0; all],
            lane: false,
            settled: BTreeMap::new(),
            silent: None,
            passed: 0,
        };
        for p in 0..network.shared.layout.projs.len() {
            (0..network.shared.layout.projs[p].lists.len()).for_each(|v| network.relist(p, VarId(v as u32)));
        }
        network
    }

    /// The plan in force.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.compiled.plan
    }

    /// The buffers' declarations.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    /// The number of synapses of each projection.
    #[must_use]
    pub fn synapse_counts(&self) -> Vec<u64> {
        (0..self.shared.model.projections.len() as u32).map(|p| self.synapse_count(ProjId(p))).collect()
    }

    /// The raw buffers, for comparisons.
    #[must_use]
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    fn buf(&mut self, id: BufId) -> &mut Buf {
        &mut self.buffers[id.0 as usize]
    }

    fn set_int(&mut self, id: BufId, index: usize, x: i32) {
        if let Buf::I32(v) = self.buf(id)
            && let Some(slot) = v.get_mut(index)
        {
            *slot = x;
        }
    }

    fn ints(&self, id: BufId) -> &[i32] {
        match &self.buffers[id.0 as usize] {
            Buf::I32(v) => v,
            _ => &[],
        }
    }

    /// Local steps become small again: everything that holds a step number is brought up to date first.
    fn rebase(&mut self) {
        if self.step < REBASE {
            return;
        }
        self.settle_slow(None);
        let keys: Vec<VarKey> = self.initial.keys().copied().collect();
        for key in keys {
            self.settle_lazy(key);
        }
        let by = self.step;
        let shared = self.shared.clone();
        for id in shared.layout.pops.iter().flat_map(|p| p.slow.iter().flatten().map(|(_, last)| *last)) {
            self.fill_ints(id, 0);
        }
        for p in &shared.layout.projs {
            for id in p.last.iter().flatten() {
                self.fill_ints(*id, 0);
            }
            if let Some(since) = p.since {
                let x = self.ints(since)[0].saturating_sub(by);
                self.fill_ints(since, x);
            }
            for past in p.past.iter().flatten() {
                if let Depth::Stored(id) = past.depth {
                    let x = self.ints(id)[1].saturating_sub(by);
                    self.set_int(id, 1, x);
                }
            }
            for segments in [p.axonal, p.dendritic].into_iter().flatten() {
                if let Buf::I32(due) = self.buf(segments.live.due) {
                    due.iter_mut().for_each(|step| *step = step.wrapping_sub(by));
                }
            }
        }
        self.base += by as u64;
        self.step = 0;
    }

    /// Pre and post index of each synapse of a sparse projection.
    pub(super) fn ends(&self, p: usize) -> Option<&(Vec<u32>, Vec<u32>)> {
        let wires = self.shared.wires[p].as_ref()?;
        let [start, post] = self.shared.layout.projs[p].rows?;
        Some(wires.list.get_or_init(|| {
            let n = wires.count as usize;
            let mut pre = Vec::with_capacity(n);
            for (i, ends) in (0..).zip(self.ints(start).windows(2)) {
                pre.resize(ends[1] as usize, i);
            }
            let post = self.ints(post);
            let at = |k: usize| post.get(k).map_or(0, |j| *j as u32);
            let post = match self.places(p) {
                Some(places) => places.iter().map(|k| at(*k as usize)).collect(),
                None => (0..n).map(at).collect(),
            };
            (pre, post)
        }))
    }

    /// The place of each synapse in storage, if that is not its number.
    fn places(&self, p: usize) -> Option<&[u32]> {
        let wires = self.shared.wires[p].as_ref()?;
        let (ties, [start, post]) = (wires.ties.as_ref()?, self.shared.layout.projs[p].rows?);
        let post = self.ints(post).get(..wires.count as usize)?;
        Some(wires.places.get_or_init(|| places(self.ints(start), post, ties)))
    }

    /// Something about a population changed from outside: none of its neurons rests.
    fn wake(&mut self, pop: usize) {
        if let Some([rest, _]) = self.shared.layout.pops[pop].rest {
            self.fill_ints(rest, 0);
        }
    }

    /// Any neuron of a population may be refractory or deviate from a shared value now: its blocks are looked through before they are calm again.
    fn stir(&mut self, pop: usize) {
        if let Some([busy, _]) = self.shared.layout.pops[pop].busy {
            self.fill_ints(busy, 1);
        }
    }

    /// The shared value of a state that is kept as one and a deviation for each neuron: its buffer and its value.
    fn shared_value(&self, key: VarKey) -> Option<(BufId, f64)> {
        let Entity::Pop(p) = key.entity else { return None };
        let id = self.shared.layout.pops[p.index()].shared[key.var.index()]?;
        Some((id, self.buffers[id.0 as usize].get_f64(0).unwrap_or(f64::NAN)))
    }

    /// All elements of a buffer of floats become zero.
    fn clear(&mut self, id: BufId) {
        match self.buf(id) {
            Buf::F32(v) => v.fill(0.0),
            Buf::F64(v) => v.fill(0.0),
            Buf::I32(_) | Buf::I64(_) => {}
        }
    }

    fn fill_ints(&mut self, id: BufId, x: i32) {
        if let Buf::I32(v) = self.buf(id) {
            v.fill(x);
        }
    }

    /// Values computed beforehand from parameters that differ between neurons.
    fn fill_slots(&mut self) {
        let compiled = self.compiled.clone();
        for (p, plan) in compiled.plan.populations.iter().enumerate() {
            let stale = self.stale_slots.get_mut(p).is_some_and(std::mem::take);
            let Some(update) = plan.update.as_ref().filter(|_| stale) else { continue };
            let slots = self.shared.layout.pops[p].derived.clone();
            for k in 0..plan.size as usize {
                // The entries of one matrix follow each other: its exponential is computed once.
                let mut last: Option<(&Derived, Matrix, Matrix)> = None;
                for (d, slot) in update.derived.iter().zip(&slots) {
                    let value = |n: &Node| self.leaf(p, plan, n, k);
                    let matrix = || {
                        d.matrix.iter().map(|row| row.iter().map(|s| plan.graph.eval(*s, &value)).collect()).collect()
                    };
                    let entry = |m: &Matrix| m[d.entry.0][d.entry.1];
                    let x = if let Some(column) = &d.noise {
                        let b: Vec<f64> = column.iter().map(|s| plan.graph.eval(*s, &value)).collect();
                        entry(&noise_factor(&matrix(), &b, d.dt))
                    } else {
                        let known = last.take().filter(|(of, ..)| of.matrix == d.matrix && of.dt == d.dt);
                        let (_, prop, offset) = last.insert(known.unwrap_or_else(|| {
                            let (prop, offset) = propagator(&matrix(), d.dt);
                            (d, prop, offset)
                        }));
                        entry(if d.offset { offset } else { prop })
                    };
                    self.buf(*slot).set_f64(k, x);
                }
            }
        }
    }

    /// The value of a variable or index of neuron `k`.
    fn leaf(&self, p: usize, plan: &sched::PopPlan, n: &Node, k: usize) -> f64 {
        match n {
            Node::Var(Side::Own, v, _) => match plan.storage[v.index()] {
                Storage::Constant(x) => x,
                Storage::Array => self.shared.layout.pops[p].vars[v.index()]
                    .and_then(|b| self.buffers[b.0 as usize].get_f64(k))
                    .unwrap_or(f64::NAN),
            },
            Node::Index(_) => k as f64,
            _ => f64::NAN,
        }
    }

    /// A parameter or input of synapse `k` of a projection, stored at place `k`.
    fn synapse_leaf(&self, p: usize, plan: &sched::ProjPlan, n: &Node, k: usize) -> f64 {
        match n {
            Node::Var(Side::Own, v, _) => match plan.place[v.index()] {
                Place::Constant(x) => x,
                Place::Synapse => self.shared.layout.projs[p].vars[v.index()]
                    .and_then(|b| self.buffers[b.0 as usize].get_f64(k))
                    .unwrap_or(f64::NAN),
                Place::Pre | Place::Post => f64::NAN,
            },
            _ => f64::NAN,
        }
    }

    /// Tells the code where periods stand.
    fn set_phases(&mut self) {
        let compiled = self.compiled.clone();
        for (p, plan) in compiled.plan.populations.iter().enumerate() {
            for (k, every) in plan.every.iter().enumerate() {
                let id = self.shared.layout.pops[p].phases[k];
                let phase = self.base % u64::from(every.period);
                self.set_int(id, 0, phase as i32);
            }
        }
        for (p, plan) in compiled.plan.projections.iter().enumerate() {
            for (k, every) in plan.own.every.iter().enumerate() {
                let id = self.shared.layout.projs[p].phases[k];
                let phase = self.base % u64::from(every.period);
                self.set_int(id, 0, phase as i32);
            }
        }
    }

    /// Whether a variable follows something from now on (if it is one that does).
    fn set_live(&mut self, key: VarKey, follows: bool) {
        let flags = match key.entity {
            Entity::Pop(p) => &self.shared.layout.pops[p.index()].live,
            Entity::Proj(p) => &self.shared.layout.projs[p.index()].live,
        };
        if let Some(flag) = flags.get(key.var.index()).copied().flatten() {
            self.set_int(flag, 0, i32::from(follows));
        }
    }

    /// Puts drawn events, which start at the present run step, where the code reads them.
    fn publish(&mut self, p: usize) {
        let Some([base, start, neurons]) = self.shared.layout.pops[p].events else { return };
        let events = &self.events[p];
        if let Buf::I32(v) = &mut self.buffers[base.0 as usize] {
            v[0] = (self.run_step % WRAP) as i32;
        }
        copy(&mut self.buffers[start.0 as usize], &events.offsets);
        copy(&mut self.buffers[neurons.0 as usize], &events.elements);
        // Where spikes on their way are merged with new ones, the next new one is looked at before it is known whether there is one.
        if let Buf::I32(v) = &mut self.buffers[neurons.0 as usize]
            && v.len() <= events.elements.len()
        {
            v.push(0);
        }
    }

    /// The times taken so far.
    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.shared.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The times that parts of steps took, if they were wanted when the network was built.
    #[must_use]
    pub fn profile(&self) -> Option<Times> {
        self.shared.cutting.profile.then(|| self.times().clone())
    }

    /// The bytes that a part of a step moves, where that does not depend on spikes: what its pass over a population reads and writes.
    #[must_use]
    pub fn bytes_of(&self, action: Action, index: usize) -> Option<u64> {
        if !matches!(action, Action::Integrate | Action::Forget) {
            return None;
        }
        let cut = self.cut()?;
        let f = cut.parts.iter().position(|p| p.action == action && p.index == index)?;
        let access = self.compiled.kernels.touched().of(FuncId(f as u32))?;
        let n = self.shared.model.populations.get(index)?.size();
        let of = |id: &BufId| self.shared.layout.buffers.get(id.0 as usize).filter(|b| b.len >= n);
        Some(access.reads.keys().chain(access.writes.keys()).filter_map(of).map(|b| n * b.scalar.bytes()).sum())
    }

    /// The parts of a step, if it is cut.
    #[must_use]
    pub fn cut(&self) -> Option<&Cut> {
        self.compiled.cut.as_ref()
    }

    /// Runs the code: from a local step, so many steps, from a step of the run.
    fn call(&mut self, args: [i32; 3]) -> Result<(), BackendError> {
        let compiled = self.compiled.clone();
        let kernels = compiled.kernels.as_ref();
        let Some(cut) = &compiled.cut else {
            return kernels.session(&mut self.buffers).and_then(|mut s| s.call(RUN, &args));
        };
        if self.shared.cutting.profile {
            let mut times = Times::default();
            let result = cut.timed(kernels, &mut self.buffers, args, &mut times);
            let mut all = self.times();
            for (part, (time, steps)) in times.parts {
                let sum = all.parts.entry(part).or_default();
                *sum = (sum.0 + time, sum.1 + steps);
            }
            return result;
        }
        let shared = self.shared.clone();
        let buffers = &mut self.buffers;
        match shared.pool.as_ref().filter(|_| !self.lane) {
            Some(pool) => pool.install(|| cut.run(kernels, buffers, args, true)),
            None => cut.run(kernels, buffers, args, false),
        }
    }

    /// Rebuilds the list of neurons whose trace `var` of projection `p` is not zero, if there is one, after something else wrote it.
    fn relist(&mut self, p: usize, var: VarId) {
        let bufs = &self.shared.layout.projs[p];
        let (Some([count, list, mark]), Some(buf)) = (bufs.lists[var.index()], bufs.vars[var.index()]) else { return };
        let place = self.compiled.plan.projections[p].place[var.index()];
        let n = if place == Place::Pre { bufs.pre } else { bufs.post } as usize;
        let active: Vec<i32> =
            (0..n).filter(|k| self.buffers[buf.0 as usize].get_f64(*k) != Some(0.0)).map(|k| k as i32).collect();
        if let Buf::I32(m) = self.buf(mark) {
            m.fill(0);
            for k in &active {
                m[*k as usize] = 1;
            }
        }
        if let Buf::I32(l) = self.buf(list) {
            l[..active.len()].copy_from_slice(&active);
        }
        self.set_int(count, 0, active.len() as i32);
        self.flag_listed(p);
    }

    pub(super) fn var_buffer(&self, key: VarKey) -> Option<BufId> {
        match key.entity {
            Entity::Pop(p) => self.shared.layout.pops[p.index()].vars.get(key.var.index()).copied().flatten(),
            Entity::Proj(p) => self.shared.layout.projs[p.index()].vars.get(key.var.index()).copied().flatten(),
        }
    }

    /// Rows, columns and row distance of a variable.
    fn shape(&self, key: VarKey) -> (usize, usize, usize) {
        match key.entity {
            Entity::Pop(p) => {
                let n = self.shared.model.populations[p.index()].size() as usize;
                (1, n, n)
            }
            Entity::Proj(p) => {
                let bufs = &self.shared.layout.projs[p.index()];
                if self.compiled.plan.projections[p.index()].wiring != Wiring::Sparse {
                    return (bufs.pre as usize, bufs.post as usize, bufs.stride as usize);
                }
                let n = self.synapse_count(p) as usize;
                let projection = &self.shared.model.projections[p.index()];
                if crate::script::ir::is_dense(projection) {
                    // All pairs of two views: row by row without gaps.
                    let columns = super::wiring::count(&self.shared.model, &projection.post) as usize;
                    return (n / columns.max(1), columns, columns);
                }
                (1, n, n)
            }
        }
    }

    fn restore(&mut self, key: VarKey) {
        let Some(buf) = self.var_buffer(key) else { return };
        self.settled.remove(&key);
        let all = self.initial.clone();
        let Some(initial) = all.get(&key) else { return };
        match (&mut self.buffers[buf.0 as usize], initial) {
            (Buf::F32(to), Buf::F32(from)) => to.copy_from_slice(from),
            (Buf::F64(to), Buf::F64(from)) => to.copy_from_slice(from),
            _ => {}
        }
        if let Entity::Pop(p) = key.entity
            && let Some((master, _)) = self.shared.layout.pops[p.index()].slow[key.var.index()]
        {
            for k in 0..initial.len() {
                self.buf(master).set_f64(k, initial.get_f64(k).unwrap_or(0.0));
            }
        }
        if let (Some((id, _)), Entity::Pop(p)) = (self.shared_value(key), key.entity) {
            self.buf(id).set_f64(0, 0.0);
            if (0..initial.len()).any(|k| initial.get_f64(k) != Some(0.0)) {
                self.stir(p.index());
            }
        }
        self.stamp(key);
        self.set_live(key, true);
        match key.entity {
            Entity::Proj(p) => self.relist(p.index(), key.var),
            Entity::Pop(p) => {
                self.stale_slots[p.index()] = true;
                self.wake(p.index());
            }
        }
    }

    pub(super) fn states_of(&self, entity: Entity) -> Vec<VarKey> {
        self.initial.keys().filter(|k| k.entity == entity).copied().collect()
    }

    /// Events on their way into a projection are dropped.
    fn empty_queue(&mut self, p: usize) {
        if let Some(since) = self.shared.layout.projs[p].since {
            let step = self.step;
            self.set_int(since, 0, step);
        }
        let bufs = &self.shared.layout.projs[p];
        for segments in [bufs.axonal, bufs.dendritic].into_iter().flatten() {
            self.set_int(segments.live.state, 0, 0);
        }
        if let Some(r) = self.shared.layout.projs[p].response {
            self.fill_ints(r.pending, 0);
            self.clear(r.amounts);
            self.clear(r.sums);
            if let Some(g) = r.going {
                self.fill_ints(g.left, 0);
                self.clear(g.value);
                g.rest.into_iter().for_each(|id| self.clear(id));
            }
        }
        if let Some(d) = self.shared.layout.projs[p].dendrite.clone() {
            self.fill_ints(d.pending, 0);
            for (_, sums) in d.sums {
                self.clear(sums);
            }
        }
    }

    /// Switches to the compiled step of the frozen variables.
    fn switch(&mut self) -> Result<(), Diagnostic> {
        let key: Vec<VarKey> = self.frozen.iter().copied().collect();
        let mut variants = self.shared.variants.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(c) = variants.get(&key) {
            self.compiled = c.clone();
        } else {
            let first = |mut d: Vec<Diagnostic>| {
                if d.is_empty() {
                    Diagnostic::without_span(Code::E0900, "a bug in snnc: planning failed")
                } else {
                    d.remove(0)
                }
            };
            let plan = sched::build(&self.shared.model, &self.shared.uses, &self.frozen).map_err(first)?;
            let compiled =
                super::build::compile(&plan, &self.shared.layout, self.shared.backend.as_ref(), self.shared.cutting)
                    .map_err(first)?;
            let compiled = Arc::new(compiled);
            variants.insert(key, compiled.clone());
            self.compiled = compiled;
        }
        drop(variants);
        self.stale_slots.fill(true);
        for pop in 0..self.shared.layout.pops.len() {
            self.wake(pop);
            self.stir(pop);
        }
        Ok(())
    }
}

/// Copies numbers into an integer buffer, which grows as needed.
fn copy(buf: &mut Buf, values: &[u32]) {
    if let Buf::I32(v) = buf {
        if v.len() < values.len() {
            v.resize(values.len().next_power_of_two(), 0);
        }
        for (x, y) in v.iter_mut().zip(values) {
            *x = *y as i32;
        }
    }
}
