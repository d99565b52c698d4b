//! Delays that a protocol changes. Spikes that come later go by the new ones; those on their way keep what is left of their way: the
//! runs that they have still to reach stand behind those of the neurons. What has been delivered to dendrites is on its way in a ring of
//! sums, which gets more slots when a delay becomes longer; so does the past that `inject` reads.

use std::collections::BTreeMap;

use super::Network;
use crate::backend::Buf;
use crate::codegen::layout::{Depth, RunWidth, Segments};
use crate::diag::{Code, Diagnostic};
use crate::hir::DelayKind;
use crate::lir::BufId;
use crate::runtime::runs::Runs;

/// A ring whose number of slots may grow.
struct Ring {
    /// Where that number is.
    depth: BufId,
    position: BufId,
    /// The buffers, each with the places of a slot.
    buffers: Vec<(BufId, u64)>,
    /// Whether it holds the past, else what is to come.
    past: bool,
}

impl Network {
    /// The variable that holds the delays of this kind of projection `p` was written: rounds it to whole steps and takes the new delays over.
    /// Values that are no delays have been refused by then.
    pub(super) fn delays_changed(&mut self, p: usize, kind: DelayKind) {
        let Some((values, steps)) = self.delays_written(p, kind) else { return };
        let dt = self.compiled.plan.dt;
        let rounded = self.buf(values);
        steps.iter().enumerate().for_each(|(k, n)| rounded.set_f64(k, f64::from(*n) * dt));

        let shared = self.shared.clone();
        let bufs = &shared.layout.projs[p];
        if let Some(g) = [bufs.axonal, bufs.dendritic][kind as usize] {
            self.sort_anew(p, kind, g, &steps);
        }
        let slots = steps.iter().max().map_or(1, |longest| longest + 1);
        let past = bufs.past[kind as usize].as_ref().and_then(|past| past.delay);
        let dendrite = bufs.dendrite.as_ref().filter(|_| kind == DelayKind::Dendritic).and_then(|d| d.delay);
        for id in [past, dendrite].into_iter().flatten() {
            self.put(id, steps.iter().map(|n| *n as i32).collect());
        }
        for ring in self.rings(p, kind) {
            self.lengthen(&ring, slots);
        }
    }

    /// The buffer of the delays of projection `p`, and these in steps; `None` where they do not differ.
    fn delays_written(&self, p: usize, kind: DelayKind) -> Option<(BufId, Vec<u32>)> {
        let v = self.shared.model.projections[p].delay_vars[kind as usize]?;
        let values = self.shared.layout.projs[p].vars[v.index()]?;
        let synapses = self.shared.wires[p].as_ref()?.count as usize;
        let dt = self.compiled.plan.dt;
        let given = &self.buffers[values.0 as usize];
        let steps = (0..synapses).map(|k| crate::sched::steps(given.get_f64(k).unwrap_or(0.0), dt) as u32);
        Some((values, steps.collect()))
    }

    /// Sorts the synapses by their new delays.
    fn sort_anew(&mut self, p: usize, kind: DelayKind, g: Segments, steps: &[u32]) {
        let first: Vec<u32> = self.ints(g.first).iter().map(|k| *k as u32).collect();
        let mut runs = match kind {
            DelayKind::Axonal => Runs::by_pre(&first, steps),
            // Those of a post neuron stand together in the list, in whatever order.
            DelayKind::Dendritic => {
                let listed = g.synapses.map_or(&[][..], |id| self.ints(id));
                let listed = listed.iter().take(steps.len()).map(|k| *k as u32).collect();
                Runs::resorted(&first, listed, steps)
            }
        };
        runs.list.widen(RunWidth::Pair);
        let start: Vec<i32> = runs.start.iter().map(|k| *k as i32).collect();
        let order = runs.order.map_or_else(Vec::new, |o| o.synapses);
        let mut order: Vec<i32> = order.into_iter().map(|k| k as i32).collect();
        let mut others: Vec<i32> = match (g.other, self.ends(p)) {
            (Some(_), Some((pre, _))) => order.iter().map(|k| pre.get(*k as usize).map_or(0, |i| *i as i32)).collect(),
            _ => Vec::new(),
        };
        let mut words = runs.list.words();
        self.keep_ways(g, &mut words, [&mut order, &mut others]);
        self.put(g.start, start);
        self.put(g.runs, words);
        for (id, mut entries) in [(g.synapses, order), (g.other, others)] {
            if let Some(id) = id {
                // Loops over the last run may look beyond it.
                entries.resize(entries.len() + crate::lir::PAD as usize, 0);
                self.put(id, entries);
            }
        }
    }

    /// Copies the runs that spikes have still to reach behind the new ones, and lets the spikes go on there. Spikes that have the same way to go to
    /// its end share it. `lists` are those of synapses and of the neurons at their other ends.
    fn keep_ways(&mut self, g: Segments, words: &mut Vec<i32>, lists: [&mut Vec<i32>; 2]) {
        let [waiting, from, _] = self.ints(g.live.state) else { return };
        let live = *from as usize..(*from + *waiting) as usize;
        let at = |id: BufId| self.ints(id).get(live.clone()).unwrap_or_default();
        let old = self.ints(g.runs);
        let listed = [g.synapses, g.other].map(|id| id.map_or(&[][..], |id| self.ints(id)));
        let length = |run: usize| old.get(2 * run + 1).copied().unwrap_or(0) as usize;
        // By its last run, which is empty: the first run of the way that some spike has still to reach, and the first entry of that.
        let mut ways: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let mut goes = Vec::with_capacity(live.len());
        for (run, entry) in at(g.live.run).iter().zip(at(g.live.entry)) {
            let (run, entry) = (*run as usize, *entry as usize);
            let end = (run..).find(|run| length(*run) == 0).unwrap_or(run);
            let first = ways.entry(end).or_insert((run, entry));
            *first = (*first).min((run, entry));
            goes.push((end, run, entry));
        }
        let [synapses, others] = lists;
        let mut copies = BTreeMap::new();
        for (end, (run, entry)) in &ways {
            copies.insert(*end, (words.len() / 2, synapses.len()));
            let entries: usize = (*run..*end).map(length).sum();
            words.extend_from_slice(old.get(2 * run..2 * end + 2).unwrap_or_default());
            for (list, listed) in [&mut *synapses, &mut *others].into_iter().zip(listed) {
                list.extend_from_slice(listed.get(*entry..entry + entries).unwrap_or_default());
            }
        }
        for (k, (end, run, entry)) in live.zip(goes) {
            let (Some(first), Some(copy)) = (ways.get(&end), copies.get(&end)) else { continue };
            self.set_int(g.live.run, k, (copy.0 + run - first.0) as i32);
            self.set_int(g.live.entry, k, (copy.1 + entry - first.1) as i32);
        }
    }

    /// The rings through which what these delays delay goes, if they may grow.
    fn rings(&self, p: usize, kind: DelayKind) -> Vec<Ring> {
        let bufs = &self.shared.layout.projs[p];
        let past = bufs.past[kind as usize].as_ref().and_then(|past| match past.depth {
            Depth::Stored(depth) => Some(Ring {
                depth,
                position: past.position,
                buffers: past.vars.iter().map(|(_, id)| (*id, past.stride)).collect(),
                past: true,
            }),
            Depth::Fixed(_) => None,
        });
        let dendrite = bufs.dendrite.as_ref().filter(|_| kind == DelayKind::Dendritic);
        let soma = dendrite.and_then(|d| match d.depth {
            Depth::Stored(depth) => Some(Ring {
                depth,
                position: d.position,
                buffers: d.sums.iter().map(|(_, id)| (*id, bufs.stride)).chain([(d.pending, 1)]).collect(),
                past: false,
            }),
            Depth::Fixed(_) => None,
        });
        past.into_iter().chain(soma).collect()
    }

    /// Gives a ring so many slots, if it has less. What it holds stays as far away in time as it was.
    fn lengthen(&mut self, ring: &Ring, slots: u32) {
        let ([depth, kept], [position]) = (self.ints(ring.depth), self.ints(ring.position)) else { return };
        let (depth, kept, position) = (*depth, *kept, *position);
        if slots as i32 <= depth {
            return;
        }
        // The oldest slot of the past, or the next to come, becomes the first.
        let first = if ring.past { (position + 1) % depth } else { position };
        for (id, stride) in &ring.buffers {
            let [from, old, new] = [first as u64, depth as u64, u64::from(slots)].map(|n| (n * stride) as usize);
            match self.buf(*id) {
                Buf::F32(v) => turn(v, from, old, new),
                Buf::F64(v) => turn(v, from, old, new),
                Buf::I32(v) => turn(v, from, old, new),
                Buf::I64(_) => {}
            }
        }
        let step = self.step;
        self.set_int(ring.position, 0, if ring.past { depth - 1 } else { 0 });
        self.set_int(ring.depth, 0, slots as i32);
        self.set_int(ring.depth, 1, kept.max(step.saturating_sub(depth)));
    }

    /// Whether the rings have room for the delays that have been written.
    ///
    /// # Errors
    /// `E0902`: they do not.
    pub(super) fn rings_fit(&self, p: usize, kind: DelayKind) -> Result<(), Diagnostic> {
        let Some((_, steps)) = self.delays_written(p, kind) else { return Ok(()) };
        let slots = steps.iter().max().map_or(1, |longest| u64::from(*longest) + 1);
        let float = self.shared.layout.float.bytes();
        let more = |ring: &Ring| {
            let [depth, _] = self.ints(ring.depth) else { return 0 };
            let more = slots.saturating_sub(*depth as u64);
            ring.buffers.iter().map(|(_, stride)| more * stride).sum()
        };
        let rings = self.rings(p, kind);
        let values: u64 = rings.iter().map(more).sum();
        let longest = rings.iter().flat_map(|r| &r.buffers).map(|(_, stride)| slots * stride).max().unwrap_or(0);
        let bytes = self.shared.layout.bytes() + values as f64 * float as f64;
        if values == 0 || (bytes <= self.shared.memory_limit && longest <= i32::MAX as u64) {
            return Ok(());
        }
        let projection = &self.shared.model.projections[p];
        let (name, steps) = (&projection.name, slots - 1);
        let what = if projection.synapse.injects.is_empty() { "what is on its way" } else { "the past" };
        Err(Diagnostic::without_span(Code::E0902, format!("`{name}` cannot keep {what} for {steps} time steps"))
            .note(format!("that would take {:.1} GiB more", values as f64 * float as f64 / f64::from(1 << 30)))
            .help("make the delays shorter, the time step longer, or the populations smaller"))
    }

    /// Whether all runs and entries have numbers.
    ///
    /// # Errors
    /// `E0902`: there are too many, on ways that spikes keep after many changes.
    pub(super) fn ways_fit(&self) -> Result<(), Diagnostic> {
        for (p, bufs) in self.compiled.plan.projections.iter().zip(&self.shared.layout.projs) {
            let changing = [bufs.axonal, bufs.dendritic].into_iter().zip(p.changing_delays);
            let segments = changing.filter_map(|(g, changes)| g.filter(|_| changes));
            let longest =
                segments.flat_map(|g| [Some(g.runs), g.synapses]).flatten().map(|id| self.ints(id).len()).max();
            if longest.is_some_and(|n| n > i32::MAX as usize) {
                let projection = &self.shared.model.projections[p.proj.index()];
                return Err(Diagnostic::new(
                    Code::E0902,
                    projection.span,
                    format!("`{}` has too many synapses for delays that change", projection.name),
                )
                .help("change its delays less often while spikes are on their way, or make it smaller"));
            }
        }
        Ok(())
    }

    /// New contents of a buffer, which keeps its length where it is longer.
    fn put(&mut self, id: BufId, mut values: Vec<i32>) {
        if let Buf::I32(old) = self.buf(id) {
            values.resize(values.len().max(old.len()), 0);
            *old = values;
        }
    }
}

/// Moves the slots of a ring of `old` values so that the value at `first` becomes the first, and makes it `new` values long.
fn turn<T: Copy + Default>(values: &mut Vec<T>, first: usize, old: usize, new: usize) {
    if let Some(ring) = values.get_mut(..old) {
        ring.rotate_left(first.min(old));
    }
    values.resize(new.max(values.len()), T::default());
    values[old.min(new)..].fill(T::default());
}
