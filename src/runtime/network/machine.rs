//! What protocols do to a network.

use std::any::Any;
use std::time::Instant;

use super::{CHUNK, Network, WRAP, failed, leap};
use crate::backend::Buf;
use crate::codegen::layout::Counts;
use crate::diag::{Code, Diagnostic};
use crate::hir::{PopId, ProjId, VarId};
use crate::sched::{Place, Storage, Wiring};
use crate::script::machine::{
    Entity, Machine, ResetTarget, RunKey, Slice, SliceMut, SpikeLog, Values, ValuesMut, VarKey, Workspace,
};
use crate::script::tensor::Data;
use crate::simd::widest;

impl Machine for Network {
    fn fork(&self) -> Box<dyn Machine> {
        Box::new(Self {
            shared: self.shared.clone(),
            compiled: self.compiled.clone(),
            buffers: self.buffers.clone(),
            initial: self.initial.clone(),
            frozen: self.frozen.clone(),
            base: self.base,
            step: self.step,
            run_step: self.run_step,
            sources: self.sources.clone(),
            events: self.events.clone(),
            given: self.given.clone(),
            logs: vec![SpikeLog::default(); self.logs.len()],
            logging: self.logging.clone(),
            event_logs: self.event_logs.keys().map(|k| (*k, SpikeLog::default())).collect(),
            scratch: Vec::new(),
            stale_slots: self.stale_slots.clone(),
            run: self.run,
            drawn: self.drawn.clone(),
            lane: true,
            settled: self.settled.clone(),
            silent: self.silent,
            passed: self.passed,
        })
    }

    fn adopt(&mut self, other: &dyn Machine) {
        if let Some(other) = other.as_any().downcast_ref::<Self>() {
            self.compiled = other.compiled.clone();
            self.buffers.clone_from(&other.buffers);
            self.initial.clone_from(&other.initial);
            self.frozen.clone_from(&other.frozen);
            self.base = other.base;
            self.step = other.step;
            self.run_step = other.run_step;
            self.sources.clone_from(&other.sources);
            self.events.clone_from(&other.events);
            self.given.clone_from(&other.given);
            self.run = other.run;
            self.drawn.clone_from(&other.drawn);
            self.settled.clone_from(&other.settled);
            self.silent = other.silent;
            self.passed = other.passed;
            self.stale_slots.clone_from(&other.stale_slots);
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn dt(&self) -> f64 {
        self.compiled.plan.dt
    }

    fn steps(&self) -> u64 {
        self.base + self.step as u64
    }

    fn set_steps(&mut self, steps: u64) {
        // Step numbers in the buffers are local: only their common base moves.
        self.base = steps.saturating_sub(self.step as u64);
    }

    fn begin_run(&mut self, steps: u64, key: RunKey) -> Result<(), Diagnostic> {
        if self.steps().checked_add(steps).is_none_or(|n| n > 1 << 53) {
            return Err(Diagnostic::without_span(
                Code::E0903,
                "the simulated time is too long: more than 2^53 time steps",
            ));
        }
        self.ways_fit()?;
        self.rebase();
        self.fill_slots();
        (0..self.shared.layout.projs.len()).for_each(|p| self.share_entries(p));
        self.run_step = 0;
        self.silent = None;
        for p in 0..self.shared.layout.pops.len() {
            match self.shared.layout.pops[p].counts {
                Counts::Each { count, .. } => self.fill_ints(count, 0),
                Counts::Total(total) => {
                    if let Buf::I64(v) = self.buf(total) {
                        v.fill(0);
                    }
                }
            }
        }
        self.run = key;
        self.drawn.fill(0);
        self.start_sources(key, steps)
    }

    fn advance(&mut self, steps: u64) -> Result<(), Diagnostic> {
        let mut left = steps;
        while left > 0 {
            self.rebase();
            let before = self.shared.cutting.profile.then(Instant::now);
            let drawn = self.draw(left.min(CHUNK).min(WRAP - self.run_step % WRAP));
            if let Some(before) = before {
                self.times().draws += before.elapsed();
            }
            let chunk = match self.next(drawn)? {
                leap::Next::Run(steps) => self.room(steps),
                leap::Next::Passed(steps) => {
                    self.step += steps as i32;
                    self.run_step += steps;
                    left -= steps;
                    continue;
                }
            };
            let chunk = self.room_for_live(chunk);
            self.set_phases();
            let base = self.base as f64;
            let clock = self.shared.layout.clock;
            self.buf(clock).set_f64(0, base);
            // Run steps matter modulo 1024 and relative to the drawn events.
            let run_step = (self.run_step % WRAP) as i32;
            let result = self.call([self.step, chunk as i32, run_step]);
            result.map_err(|e| failed(&e))?;
            self.step += chunk as i32;
            self.run_step += chunk;
            left -= chunk;
            self.drain();
        }
        Ok(())
    }

    fn counts(&self, pop: PopId) -> &[i32] {
        let n = self.shared.model.populations[pop.index()].size() as usize;
        let Counts::Each { count, .. } = self.shared.layout.pops[pop.index()].counts else { return &[] };
        let all = self.ints(count);
        &all[..n.min(all.len())]
    }

    fn total(&self, pop: PopId) -> u64 {
        match self.shared.layout.pops[pop.index()].counts {
            Counts::Each { .. } => {
                let counts = self.counts(pop);
                widest(
                    #[inline(always)]
                    || counts.iter().map(|n| u64::from(n.unsigned_abs())).sum(),
                )
            }
            Counts::Total(total) => match &self.buffers[total.0 as usize] {
                Buf::I64(v) => v.first().map_or(0, |n| n.unsigned_abs()),
                _ => 0,
            },
        }
    }

    fn first(&self, pop: PopId) -> Vec<Option<u64>> {
        let Counts::Each { first, .. } = self.shared.layout.pops[pop.index()].counts else { return Vec::new() };
        let first = self.ints(first);
        self.counts(pop).iter().zip(first).map(|(n, f)| (*n > 0).then_some(*f as u64)).collect()
    }

    fn values(&mut self, key: VarKey) -> Values<'_> {
        let (rows, cols, stride) = self.shape(key);
        let placed = match key.entity {
            Entity::Pop(_) => None,
            Entity::Proj(p) => Some(self.compiled.plan.projections[p.index()].place[key.var.index()]),
        };
        let constant = match key.entity {
            Entity::Pop(p) => match self.compiled.plan.populations[p.index()].storage[key.var.index()] {
                Storage::Constant(x) => Some(x),
                Storage::Array => None,
            },
            Entity::Proj(_) => match placed {
                Some(Place::Constant(x)) => Some(x),
                _ => None,
            },
        };
        if let Some(x) = constant {
            return Values { data: Slice::Uniform(x), rows, cols, stride };
        }
        let Some(id) = self.var_buffer(key) else {
            return Values { data: Slice::Uniform(f64::NAN), rows, cols, stride };
        };
        // A trace that lives with a neuron is spread over its synapses.
        if let (Some(place @ (Place::Pre | Place::Post)), Entity::Proj(p)) = (placed, key.entity) {
            let at = self.present(key, id);
            let spread: Vec<f64> = match self.ends(p.index()) {
                Some((pre, post)) => {
                    let ends = if place == Place::Pre { pre } else { post };
                    ends.iter().map(|k| at(*k as usize)).collect()
                }
                None => (0..rows * cols).map(|k| at(if place == Place::Pre { k / cols } else { k % cols })).collect(),
            };
            drop(at);
            self.scratch = spread;
            return Values { data: Slice::F64(&self.scratch), rows, cols, stride: cols };
        }
        if let Some((_, all)) = self.shared_value(key) {
            let deviations = &self.buffers[id.0 as usize];
            self.scratch = (0..cols).map(|k| all + deviations.get_f64(k).unwrap_or(f64::NAN)).collect();
            return Values { data: Slice::F64(&self.scratch), rows, cols, stride };
        }
        if self.relaxes(key) {
            // Brought up to date for the reader only: a reading changes nothing.
            let mut present = std::mem::take(&mut self.scratch);
            self.present_all(key, id, &mut present);
            self.scratch = present;
            return Values { data: Slice::F64(&self.scratch), rows, cols, stride };
        }
        if let Entity::Proj(p) = key.entity
            && let Some(places) = self.places(p.index())
        {
            let values = &self.buffers[id.0 as usize];
            self.scratch = places.iter().map(|k| values.get_f64(*k as usize).unwrap_or(f64::NAN)).collect();
            return Values { data: Slice::F64(&self.scratch), rows, cols, stride };
        }
        let data = match &self.buffers[id.0 as usize] {
            Buf::F32(v) => Slice::F32(v),
            Buf::F64(v) => Slice::F64(v),
            Buf::I32(_) | Buf::I64(_) => Slice::Uniform(f64::NAN),
        };
        Values { data, rows, cols, stride }
    }

    fn values_mut(&mut self, key: VarKey) -> Result<ValuesMut<'_>, Diagnostic> {
        self.settle_slow(Some(key));
        self.settle_lazy(key);
        let (rows, cols, stride) = self.shape(key);
        let bounds = self.bounds(key);
        let bug =
            || Diagnostic::without_span(Code::E0900, "a bug in snnc: a protocol writes a variable without storage");
        let id = self.var_buffer(key).ok_or_else(bug)?;
        if let Some((one, all)) = self.shared_value(key) {
            // From now on every neuron has its own.
            for k in 0..self.buffers[id.0 as usize].len() {
                let d = self.buffers[id.0 as usize].get_f64(k).unwrap_or(f64::NAN);
                self.buf(id).set_f64(k, all + d);
            }
            self.buf(one).set_f64(0, 0.0);
        }
        let data = match &mut self.buffers[id.0 as usize] {
            Buf::F32(v) => SliceMut::F32(v),
            Buf::F64(v) => SliceMut::F64(v),
            Buf::I32(_) | Buf::I64(_) => return Err(bug()),
        };
        Ok(ValuesMut { data, rows, cols, stride, bounds })
    }

    fn written(&mut self, key: VarKey) {
        self.settled.remove(&key);
        self.stamp(key);
        self.set_live(key, false);
        match key.entity {
            Entity::Pop(p) => {
                self.stale_slots[p.index()] = true;
                self.wake(p.index());
                if self.shared_value(key).is_some() {
                    self.stir(p.index());
                }
                let bufs = &self.shared.layout.pops[p.index()];
                if let (Some((master, _)), Some(work)) = (bufs.slow[key.var.index()], bufs.vars[key.var.index()]) {
                    let mut values = std::mem::take(&mut self.scratch);
                    self.buffers[work.0 as usize].read_all(&mut values);
                    self.buf(master).write_all(&values);
                    self.scratch = values;
                }
            }
            Entity::Proj(p) => {
                self.share_entries(p.index());
                self.relist(p.index(), key.var);
                if let Some(kind) = self.shared.model.projections[p.index()].delay_kind(key.var) {
                    self.delays_changed(p.index(), kind);
                }
            }
        }
    }

    fn changed_columns(&mut self, key: VarKey, rule: u64) -> Option<Vec<u32>> {
        let Entity::Proj(proj) = key.entity else { return None };
        let bufs = &self.shared.layout.projs[proj.index()];
        let (record, post) = (bufs.changed?, bufs.post);
        // Pre events must leave all columns alone but those whose trace is listed; these were listed by an event of their post neuron.
        let h = &self.compiled.plan.projections[proj.index()].on_pre;
        self.recorded(key, proj, rule, Some(h), Place::Post).then(|| self.flagged(record, post))
    }

    fn changed_rows(&mut self, key: VarKey, rule: u64) -> Option<Vec<u32>> {
        let Entity::Proj(proj) = key.entity else { return None };
        let bufs = &self.shared.layout.projs[proj.index()];
        let (record, pre) = (bufs.touched?, bufs.pre);
        let h = self.compiled.plan.projections[proj.index()].on_post.as_ref();
        self.recorded(key, proj, rule, h, Place::Pre).then(|| self.flagged(record, pre))
    }

    fn records_changes(&self, key: VarKey) -> bool {
        // A lane is gone before its record could help.
        let recorded = |p: ProjId| self.shared.layout.projs[p.index()].changed.is_some();
        !self.lane && matches!(key.entity, Entity::Proj(p) if recorded(p))
    }

    fn settle_columns(&mut self, key: VarKey, rule: u64, but: &[u32]) {
        let Entity::Proj(proj) = key.entity else { return };
        let Some(changed) = self.shared.layout.projs[proj.index()].changed else { return };
        // One record serves all variables of the projection: the others are settled no longer.
        self.settled.retain(|k, _| k.entity != key.entity);
        self.settled.insert(key, rule);
        self.clear_record(proj.index());
        for column in but {
            self.set_int(changed, *column as usize, 1);
        }
    }

    fn exchange(&mut self, key: VarKey, values: &mut Data) -> bool {
        let Entity::Proj(p) = key.entity else { return false };
        let place = self.compiled.plan.projections[p.index()].place[key.var.index()];
        // The lists of synapses follow from the delays.
        if self.shared.model.projections[p.index()].delay_kind(key.var).is_some() {
            return false;
        }
        let Some(id) = self.var_buffer(key).filter(|_| place == Place::Synapse && !self.relaxes(key)) else {
            return false;
        };
        let fits = |own: usize, other: usize| own == other || own == 0 || other == 0;
        match (&mut self.buffers[id.0 as usize], values) {
            (Buf::F32(own), Data::F32(other)) if fits(own.len(), other.len()) => std::mem::swap(own, other),
            (Buf::F64(own), Data::F64(other)) if fits(own.len(), other.len()) => std::mem::swap(own, other),
            _ => return false,
        }
        self.settled.remove(&key);
        true
    }

    fn exchange_workspace(&mut self, with: &mut Workspace) {
        self.trade(with);
    }

    fn bounds(&self, key: VarKey) -> Option<(f64, f64)> {
        let entity = match key.entity {
            Entity::Pop(p) => p.index(),
            Entity::Proj(p) => self.shared.model.populations.len() + p.index(),
        };
        self.shared.bounds[entity][key.var.index()]
    }

    fn synapses(&self, proj: ProjId) -> Option<(&[u32], &[u32])> {
        self.ends(proj.index()).map(|(pre, post)| (pre.as_slice(), post.as_slice()))
    }

    fn synapse_count(&self, proj: ProjId) -> u64 {
        match &self.shared.wires[proj.index()] {
            Some(ends) => ends.count,
            None => {
                let bufs = &self.shared.layout.projs[proj.index()];
                let all = bufs.pre * bufs.post;
                match self.compiled.plan.projections[proj.index()].wiring {
                    Wiring::Uniform(u) if u.but_own => all - bufs.pre,
                    _ => all,
                }
            }
        }
    }

    fn reset(&mut self, targets: &[ResetTarget]) {
        for target in targets {
            match *target {
                ResetTarget::Var(key) => self.restore(key),
                ResetTarget::Proj(proj) => {
                    for key in self.states_of(Entity::Proj(proj)) {
                        self.restore(key);
                    }
                    self.empty_queue(proj.index());
                    for signal in self.shared.layout.projs[proj.index()].signals.clone() {
                        signal.below.into_iter().for_each(|id| self.fill_ints(id, 0));
                    }
                }
                ResetTarget::Pop(pop) => {
                    self.given[pop.index()] = None;
                    self.wake(pop.index());
                    for key in self.states_of(Entity::Pop(pop)) {
                        self.restore(key);
                    }
                    let bufs = self.shared.layout.pops[pop.index()].clone();
                    for fed in bufs.fed.iter().flatten() {
                        self.clear(*fed);
                    }
                    let below = bufs.signals.iter().map(|e| e.below);
                    for id in [bufs.refractory, bufs.below].into_iter().chain(below).flatten() {
                        match self.buf(id) {
                            Buf::I32(v) => v.fill(0),
                            Buf::I64(v) => v.fill(0),
                            Buf::F32(_) | Buf::F64(_) => {}
                        }
                    }
                    let into: Vec<usize> = (0..self.shared.model.projections.len())
                        .filter(|p| self.shared.model.projections[*p].post.pop == pop)
                        .collect();
                    for p in into {
                        self.empty_queue(p);
                    }
                }
            }
        }
    }

    fn reset_part(&mut self, pop: PopId, var: Option<VarId>, neurons: &[usize]) -> Result<(), Diagnostic> {
        let bufs = self.shared.layout.pops[pop.index()].clone();
        let keys = match var {
            Some(var) => vec![VarKey { entity: Entity::Pop(pop), var }],
            None => self.states_of(Entity::Pop(pop)),
        };
        let all = self.initial.clone();
        for key in keys {
            let follows = bufs.live[key.var.index()].is_some();
            let (Some(initial), false) = (all.get(&key), follows || self.var_buffer(key).is_none()) else { continue };
            let mut values = self.values_mut(key)?;
            for k in neurons {
                let x = initial.get_f64(*k).unwrap_or(f64::NAN);
                match &mut values.data {
                    SliceMut::F32(v) => v.get_mut(*k).into_iter().for_each(|slot| *slot = x as f32),
                    SliceMut::F64(v) => v.get_mut(*k).into_iter().for_each(|slot| *slot = x),
                }
            }
            self.written(key);
        }
        if var.is_none() {
            let below = bufs.signals.iter().map(|e| e.below);
            for id in [bufs.refractory, bufs.below].into_iter().chain(below).chain(bufs.fed).flatten() {
                neurons.iter().for_each(|k| self.buf(id).set_f64(*k, 0.0));
            }
            self.wake(pop.index());
        }
        Ok(())
    }

    fn delays_fit(&self, key: VarKey) -> Result<(), Diagnostic> {
        let Entity::Proj(p) = key.entity else { return Ok(()) };
        match self.shared.model.projections[p.index()].delay_kind(key.var) {
            Some(kind) => self.rings_fit(p.index(), kind),
            None => Ok(()),
        }
    }

    fn play(&mut self, pop: PopId, spikes: &[(u64, u32)]) -> Result<(), Diagnostic> {
        let now = self.steps();
        let Some(given) = self.given.get_mut(pop.index()) else {
            return Err(Diagnostic::without_span(Code::E0900, "a bug in snnc: a population that is not there plays"));
        };
        *given = Some(spikes.iter().map(|(step, k)| (now + step, *k)).collect());
        Ok(())
    }

    fn redraw(&mut self, targets: &[ResetTarget], key: RunKey) -> Result<(), Diagnostic> {
        self.settled.clear();
        self.draw_anew(targets, key)
    }

    fn freeze(&mut self, vars: &[VarKey]) -> Result<(), Diagnostic> {
        for key in vars {
            self.settle_slow(Some(*key));
            self.settle_lazy(*key);
        }
        self.frozen.extend(vars);
        self.switch()
    }

    fn thaw(&mut self, vars: &[VarKey]) -> Result<(), Diagnostic> {
        for key in vars {
            if self.frozen.remove(key) {
                // It has not changed since: what passed does not count.
                self.stamp(*key);
            }
        }
        self.switch()
    }

    fn frozen(&self) -> Vec<VarKey> {
        self.frozen.iter().copied().collect()
    }

    fn record_spikes(&mut self, pop: PopId, on: bool) {
        // Trains of many sources have no neuron that could be recorded.
        let on = on && !self.shared.model.populations[pop.index()].pooled;
        self.logging[pop.index()] = on;
        let id = self.shared.layout.pops[pop.index()].logging;
        self.set_int(id, 0, i32::from(on));
    }

    fn spikes(&self, pop: PopId) -> &SpikeLog {
        &self.logs[pop.index()]
    }

    fn record_event(&mut self, pop: PopId, event: u32) {
        let key = (pop.index(), event as usize);
        let Some(signal) = self.shared.layout.pops[key.0].signals.get(key.1) else { return };
        let id = signal.logging;
        self.event_logs.entry(key).or_default();
        self.set_int(id, 0, 1);
    }

    fn events(&self, pop: PopId, event: u32) -> SpikeLog {
        self.event_logs.get(&(pop.index(), event as usize)).cloned().unwrap_or_default()
    }

    fn clear_spikes(&mut self) {
        for log in self.logs.iter_mut().chain(self.event_logs.values_mut()) {
            log.step.clear();
            log.neuron.clear();
        }
    }

    fn non_finite(&self, synapses: u64) -> Vec<(VarKey, usize)> {
        crate::runtime::health::non_finite(self, synapses)
    }

    fn bytes(&self) -> u64 {
        self.shared.bytes
    }

    fn method(&self, key: VarKey) -> Option<&'static str> {
        crate::runtime::health::method(&self.compiled.plan, key)
    }
}
