//! Room for what steps leave behind: recorded spikes, and spikes on their way.

use super::{LOG, LOG_STEPS, Network};
use crate::backend::Buf;
use crate::codegen::layout::Segments;
use crate::lir::BufId;
use crate::script::machine::SpikeLog;

impl Network {
    /// Moves logged spikes and other events from the buffers to the logs.
    pub(super) fn drain(&mut self) {
        for p in 0..self.logs.len() {
            let mut log = std::mem::take(&mut self.logs[p]);
            self.empty(self.shared.layout.pops[p].log, &mut log);
            self.logs[p] = log;
        }
        let mut others = std::mem::take(&mut self.event_logs);
        for ((p, e), log) in &mut others {
            self.empty(self.shared.layout.pops[*p].signals[*e].log, log);
        }
        self.event_logs = others;
    }

    /// Moves what one log's buffers hold behind the log.
    fn empty(&mut self, [count, steps, neurons]: [BufId; 3], log: &mut SpikeLog) {
        let n = self.ints(count).first().copied().unwrap_or(0).max(0) as usize;
        if n == 0 {
            return;
        }
        let base = self.base;
        log.step.extend(self.ints(steps).iter().take(n).map(|s| base + *s as u64));
        log.neuron.extend(self.ints(neurons).iter().take(n).map(|k| *k as u32));
        self.set_int(count, 0, 0);
    }

    /// How many steps fit the log buffers whatever happens.
    pub(super) fn room(&mut self, wanted: u64) -> u64 {
        let pops = &self.shared.layout.pops;
        let spikes = (0..self.logs.len()).filter(|p| self.logging[*p]).map(|p| (p, pops[p].log));
        let events = self.event_logs.keys().map(|(p, e)| (*p, pops[*p].signals[*e].log));
        let all: Vec<(usize, [BufId; 3])> = spikes.chain(events).collect();
        let mut steps = wanted;
        for (p, [_, a, b]) in all {
            let n = self.shared.model.populations[p].size().max(1);
            let capacity = LOG.max(n as usize * LOG_STEPS);
            for id in [a, b] {
                if let Buf::I32(v) = self.buf(id)
                    && v.len() < capacity
                {
                    v.resize(capacity, 0);
                }
            }
            steps = steps.min(capacity as u64 / n);
        }
        steps.max(1)
    }

    /// How many steps the lists of spikes on their way have room for, whatever happens; at least one, for which they grow if need be.
    pub(super) fn room_for_live(&mut self, wanted: u64) -> u64 {
        let shared = self.shared.clone();
        let mut steps = wanted;
        for bufs in &shared.layout.projs {
            for (segments, pop) in [(bufs.axonal, bufs.pre_pop), (bufs.dendritic, bufs.post_pop)] {
                let Some(g) = segments else { continue };
                let [waiting, _, places] = self.ints(g.live.state) else { continue };
                let (waiting, places) = (*waiting as u64, *places as u64);
                let n = shared.model.populations[pop].size().max(1);
                // Trains of many sources have any number of events a step; they are all drawn by now.
                let pooled = shared.model.populations[pop].pooled;
                let drawn = if pooled { self.events[pop].elements.len() as u64 } else { 0 };
                let most = drawn.max(n);
                // Every neuron in each of the steps that its longest delay takes: there cannot be more.
                if !pooled && places >= n * (u64::from(g.longest) + 2) {
                    continue;
                }
                if waiting + most > places {
                    self.grow_live(g, (waiting + most) * 2);
                    steps = steps.min(((waiting + most) * 2 - waiting) / most);
                } else {
                    steps = steps.min((places - waiting) / most);
                }
            }
        }
        steps.max(1)
    }

    /// Makes the lists of spikes on their way longer: so many places in each half.
    pub(super) fn grow_live(&mut self, g: Segments, places: u64) {
        let [waiting, from, _] = self.ints(g.live.state) else { return };
        let (waiting, from) = (*waiting as usize, *from as usize);
        for id in g.live.lists() {
            if let Buf::I32(list) = self.buf(id) {
                list.copy_within(from..from + waiting, 0);
                list.resize(2 * places as usize, 0);
            }
        }
        self.set_int(g.live.state, 1, 0);
        self.set_int(g.live.state, 2, places as i32);
    }
}
