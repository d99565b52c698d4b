//! Delays that a protocol changes. Spikes that come later go by the new ones; those on their way keep what is left of their way: the
//! runs that they have still to reach stand behind those of the neurons.

use std::collections::BTreeMap;

use super::Network;
use crate::backend::Buf;
use crate::codegen::layout::{RunWidth, Segments};
use crate::diag::{Code, Diagnostic};
use crate::lir::BufId;
use crate::runtime::runs::Runs;
use crate::script::machine::VarKey;

impl Network {
    /// The variable that holds the axonal delays of projection `p` was written: rounds it to whole steps and sorts the synapses anew. Values
    /// that are no delays have been refused by then.
    pub(super) fn delays_changed(&mut self, p: usize, key: VarKey) {
        let bufs = &self.shared.layout.projs[p];
        let (Some(g), Some([start, _]), Some(values)) = (bufs.axonal, bufs.rows, bufs.vars[key.var.index()]) else {
            return;
        };
        let Some(synapses) = self.shared.wires[p].as_ref().map(|w| w.count as usize) else { return };
        let dt = self.compiled.plan.dt;
        let given = &self.buffers[values.0 as usize];
        let given = (0..synapses).map(|k| given.get_f64(k).unwrap_or(0.0));
        let steps: Vec<u32> = given.map(|time| crate::sched::steps(time, dt) as u32).collect();
        let rounded = self.buf(values);
        steps.iter().enumerate().for_each(|(k, n)| rounded.set_f64(k, f64::from(*n) * dt));

        let rows: Vec<u32> = self.ints(start).iter().map(|k| *k as u32).collect();
        let mut runs = Runs::by_pre(&rows, &steps);
        runs.list.widen(RunWidth::Pair);
        let start: Vec<i32> = runs.start.iter().map(|k| *k as i32).collect();
        let order = runs.order.map_or_else(Vec::new, |o| o.synapses);
        let mut order: Vec<i32> = order.into_iter().map(|k| k as i32).collect();
        let mut words = runs.list.words();
        self.keep_ways(g, &mut words, &mut order);
        self.put(g.start, start);
        self.put(g.runs, words);
        if let Some(id) = g.synapses {
            // Loops over the last run may look beyond it.
            order.resize(order.len() + crate::lir::PAD as usize, 0);
            self.put(id, order);
        }
    }

    /// Copies the runs that spikes have still to reach behind the new ones, and lets the spikes go on there. Spikes that have the same way to go to
    /// its end share it.
    fn keep_ways(&mut self, g: Segments, words: &mut Vec<i32>, order: &mut Vec<i32>) {
        let [waiting, from, _] = self.ints(g.live.state) else { return };
        let live = *from as usize..(*from + *waiting) as usize;
        let at = |id: BufId| self.ints(id).get(live.clone()).unwrap_or_default();
        let (old, listed) = (self.ints(g.runs), g.synapses.map_or(&[][..], |id| self.ints(id)));
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
        let mut copies = BTreeMap::new();
        for (end, (run, entry)) in &ways {
            copies.insert(*end, (words.len() / 2, order.len()));
            let entries: usize = (*run..*end).map(length).sum();
            words.extend_from_slice(old.get(2 * run..2 * end + 2).unwrap_or_default());
            order.extend_from_slice(listed.get(*entry..entry + entries).unwrap_or_default());
        }
        for (k, (end, run, entry)) in live.zip(goes) {
            let (Some(first), Some(copy)) = (ways.get(&end), copies.get(&end)) else { continue };
            self.set_int(g.live.run, k, (copy.0 + run - first.0) as i32);
            self.set_int(g.live.entry, k, (copy.1 + entry - first.1) as i32);
        }
    }

    /// Whether all runs and entries have numbers.
    ///
    /// # Errors
    /// `E0902`: there are too many, on ways that spikes keep after many changes.
    pub(super) fn ways_fit(&self) -> Result<(), Diagnostic> {
        for (p, bufs) in self.compiled.plan.projections.iter().zip(&self.shared.layout.projs) {
            let (Some(g), true) = (bufs.axonal, p.changing_delay) else { continue };
            let longest = [Some(g.runs), g.synapses].into_iter().flatten().map(|id| self.ints(id).len()).max();
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
