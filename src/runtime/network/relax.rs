//! States that relax in closed form: their values now, and bringing them up to date.

use super::Network;
use crate::backend::Buf;
use crate::hir::PopId;
use crate::lir::BufId;
use crate::script::machine::{Entity, VarKey};

impl Network {
    /// The closed form of a variable that relaxes between updates: rate and drive, its stored values, and their step marks.
    pub(super) fn relaxation(&self, key: VarKey) -> Option<(f64, f64, BufId, BufId)> {
        match key.entity {
            Entity::Pop(p) => {
                let slow = self.compiled.plan.populations[p.index()].slow.iter().find(|w| w.var == key.var)?;
                let (master, last) = self.shared.layout.pops[p.index()].slow[key.var.index()]?;
                Some((slow.a, slow.b, master, last))
            }
            Entity::Proj(p) => {
                let plan = &self.compiled.plan.projections[p.index()];
                let lazy = plan.lazy[key.var.index()]?;
                let bufs = &self.shared.layout.projs[p.index()];
                let (value, last) = (bufs.vars[key.var.index()]?, bufs.last[key.var.index()]?);
                Some((plan.graph.as_const(lazy.a)?, plan.graph.as_const(lazy.b)?, value, last))
            }
        }
    }

    pub(super) fn relaxes(&self, key: VarKey) -> bool {
        self.relaxation(key).is_some()
    }

    /// Elements of a variable (stored in `id`) at the present step, by number.
    pub(in crate::runtime) fn present(&self, key: VarKey, id: BufId) -> impl Fn(usize) -> f64 + '_ {
        let closed = self.relaxation(key);
        let stored = closed.map_or(id, |(_, _, value, _)| value);
        let closed = closed.filter(|_| !self.frozen.contains(&key));
        let dt = self.compiled.plan.dt;
        // Most elements were brought up to date at the same step, and some in between each at another: two factors are kept.
        let of = move |gap: f64, a: f64| if a == 0.0 || gap == 0.0 { 1.0 } else { libm::exp(a * dt * gap) };
        let latest = std::cell::Cell::new([(0.0, 1.0); 2]);
        let since = closed.map_or(&[][..], |(_, _, _, last)| self.ints(last));
        let stored = &self.buffers[stored.0 as usize];
        move |k: usize| {
            let x = match stored {
                Buf::F64(v) => v.get(k).copied(),
                other => other.get_f64(k),
            };
            let x = x.unwrap_or(f64::NAN);
            let Some((a, b, ..)) = closed else { return x };
            let gap = f64::from(self.step) - f64::from(since.get(k).copied().unwrap_or(self.step));
            if gap == 0.0 {
                return x;
            }
            let [first, second] = latest.get();
            let factor = if first.0 == gap {
                first.1
            } else {
                let wanted = if second.0 == gap { second } else { (gap, of(gap, a)) };
                latest.set([wanted, first]);
                wanted.1
            };
            if a == 0.0 { x + b * dt * gap } else { (x + b / a) * factor - b / a }
        }
    }

    /// Brings one slow state, or all, up to date.
    pub(super) fn settle_slow(&mut self, only: Option<VarKey>) {
        let compiled = self.compiled.clone();
        for (p, plan) in compiled.plan.populations.iter().enumerate() {
            for w in &plan.slow {
                let key = VarKey { entity: Entity::Pop(PopId(p as u32)), var: w.var };
                if only.is_none_or(|k| k == key) {
                    self.settle(key);
                }
            }
        }
    }

    /// Brings an event-driven state up to date.
    pub(super) fn settle_lazy(&mut self, key: VarKey) {
        if matches!(key.entity, Entity::Proj(_)) {
            self.settle(key);
        }
    }

    /// Stores a relaxing variable's present values.
    pub(super) fn settle(&mut self, key: VarKey) {
        let Some((_, _, value, _)) = self.relaxation(key) else { return };
        if self.frozen.contains(&key) {
            return;
        }
        let work = self.var_buffer(key);
        // Out of the network while its elements are computed there.
        let mut present = std::mem::take(&mut self.scratch);
        present.clear();
        present.extend((0..self.buffers[value.0 as usize].len()).map(self.present(key, value)));
        for id in [Some(value), work].into_iter().flatten() {
            self.buf(id).write_all(&present);
        }
        self.scratch = present;
        self.stamp(key);
    }

    /// Marks a variable as up to date at the present step.
    pub(super) fn stamp(&mut self, key: VarKey) {
        let step = self.step;
        let last = match key.entity {
            Entity::Pop(p) => self.shared.layout.pops[p.index()].slow[key.var.index()].map(|(_, last)| last),
            Entity::Proj(p) => self.shared.layout.projs[p.index()].last[key.var.index()],
        };
        if let Some(last) = last
            && let Buf::I32(v) = self.buf(last)
        {
            v.fill(step);
        }
    }
}
