//! States that relax in closed form: their values now, and bringing them up to date.

use std::cell::Cell;

use super::Network;
use crate::backend::Buf;
use crate::hir::PopId;
use crate::lir::BufId;
use crate::script::machine::{Entity, VarKey};

/// How the elements of a variable relax.
struct Course {
    /// Rate and drive: x' = a x + b.
    a: f64,
    b: f64,
    dt: f64,
    /// When each was brought up to date.
    last: BufId,
    /// The factors of two gaps: beside those of the last step there are some in between, each with another.
    latest: Cell<[(f64, f64); 2]>,
}

impl Course {
    /// Brings values of step `since` to step `now`.
    fn after<'v>(&self, now: i32, since: i32, values: &'v mut [f64]) -> &'v mut [f64] {
        let gap = f64::from(now) - f64::from(since);
        if gap == 0.0 {
            return values;
        }
        let (a, b, dt) = (self.a, self.b, self.dt);
        if a == 0.0 {
            values.iter_mut().for_each(|x| *x += b * dt * gap);
        } else {
            let factor = self.factor(gap);
            values.iter_mut().for_each(|x| *x = (*x + b / a) * factor - b / a);
        }
        values
    }

    fn factor(&self, gap: f64) -> f64 {
        let [first, second] = self.latest.get();
        if first.0 == gap {
            return first.1;
        }
        let wanted = if second.0 == gap { second } else { (gap, libm::exp(self.a * self.dt * gap)) };
        self.latest.set([wanted, first]);
        wanted.1
    }
}

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

    /// How a variable relaxes, unless it is frozen.
    fn course(&self, key: VarKey) -> Option<Course> {
        let (a, b, _, last) = self.relaxation(key).filter(|_| !self.frozen.contains(&key))?;
        Some(Course { a, b, dt: self.compiled.plan.dt, last, latest: Cell::new([(0.0, 1.0); 2]) })
    }

    /// Elements of a variable (stored in `id`) at the present step, by number.
    pub(in crate::runtime) fn present(&self, key: VarKey, id: BufId) -> impl Fn(usize) -> f64 + '_ {
        let stored = self.relaxation(key).map_or(id, |(_, _, value, _)| value);
        let stored = &self.buffers[stored.0 as usize];
        let course = self.course(key);
        let since = course.as_ref().map_or(&[][..], |c| self.ints(c.last));
        move |k: usize| {
            let x = match stored {
                Buf::F64(v) => v.get(k).copied(),
                other => other.get_f64(k),
            };
            let x = x.unwrap_or(f64::NAN);
            let Some(course) = &course else { return x };
            course.after(self.step, since.get(k).copied().unwrap_or(self.step), &mut [x])[0]
        }
    }

    /// Replaces the contents of `out` by all elements of a variable at the present step.
    pub(super) fn present_all(&self, key: VarKey, id: BufId, out: &mut Vec<f64>) {
        /// Elements that are looked at together: most were brought up to date at the same step.
        const GROUP: usize = 16;
        let stored = self.relaxation(key).map_or(id, |(_, _, value, _)| value);
        self.buffers[stored.0 as usize].read_all(out);
        let Some(course) = self.course(key) else { return };
        for (values, since) in out.chunks_mut(GROUP).zip(self.ints(course.last).chunks(GROUP)) {
            let first = since[0];
            if since.iter().fold(true, |same, s| same & (*s == first)) {
                course.after(self.step, first, values);
            } else {
                for (x, since) in values.chunks_mut(1).zip(since) {
                    course.after(self.step, *since, x);
                }
            }
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
        self.present_all(key, value, &mut present);
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
