//! Which synapses of a matrix events may have changed since somebody asked: a mark for each post neuron (a column) and each pre neuron (a row),
//! set by the compiled code.

use super::Network;
use crate::backend::Buf;
use crate::hir::{ProjId, VarId};
use crate::lir::BufId;
use crate::sched::Place;
use crate::sched::projection::Handler;
use crate::script::machine::{Entity, VarKey};
use crate::simd::widest;

/// Marks that are looked at together.
const GROUP: usize = 16;

impl Network {
    /// Whether the marks of one side tell all that changed of a variable, since it was settled with `rule`: the handler of the other side must
    /// leave alone whatever has no trace on `place` that is listed, for an event of that side has listed it.
    pub(super) fn recorded(&self, key: VarKey, p: ProjId, rule: u64, other: Option<&Handler>, place: Place) -> bool {
        let plan = &self.compiled.plan.projections[p.index()];
        let by_list = |z: &Option<VarId>| z.is_some_and(|z| plan.place[z.index()] == place);
        let known = other.is_none_or(|h| h.synapse.iter().all(|(v, _, z)| *v != key.var || by_list(z)));
        // What synapses do by themselves is in no record.
        let moves = plan.clocked.vars.contains(&key.var) || plan.own.acts() || self.relaxes(key);
        known && !moves && self.settled.get(&key) == Some(&rule)
    }

    /// The neurons of a side that are marked.
    pub(super) fn flagged(&self, record: BufId, n: u64) -> Vec<u32> {
        let flags = self.ints(record);
        let flags = flags.get(..n as usize).unwrap_or(flags);
        let marked = widest(
            #[inline(always)]
            || flags.iter().filter(|flag| **flag != 0).count(),
        );
        // One place more than needed: every number of a group is put down, and stays if the next one comes behind it.
        let mut out = vec![0; marked + 1];
        let mut n = 0;
        // Few are marked: groups without any are passed over at once.
        for (from, group) in (0..).step_by(GROUP).zip(flags.chunks(GROUP)) {
            if group.iter().fold(0, |any, flag| any | flag) != 0 {
                for (k, flag) in (from..).zip(group) {
                    out[n] = k;
                    n += usize::from(*flag != 0);
                }
            }
        }
        out.truncate(n);
        out
    }

    /// Takes all marks of a projection away but those of neurons that are on a list.
    pub(super) fn clear_record(&mut self, p: usize) {
        let bufs = &self.shared.layout.projs[p];
        for record in [bufs.changed, bufs.touched].into_iter().flatten() {
            if let Buf::I32(flags) = self.buf(record) {
                flags.fill(0);
            }
        }
        self.flag_listed(p);
    }

    /// Neurons on a list may change their synapses at the next event of the other side; those whose traces have faded by now leave it there before
    /// they do.
    pub(super) fn flag_listed(&mut self, p: usize) {
        // Rounding may make a trace a little larger when compiled code brings it up to date.
        const NEARLY: f64 = 0.99;
        let entity = Entity::Proj(ProjId(p as u32));
        for v in 0..self.shared.layout.projs[p].lists.len() {
            let bufs = &self.shared.layout.projs[p];
            let (Some([count, list, _]), Some(values)) = (bufs.lists[v], bufs.vars[v]) else { continue };
            let plan = &self.compiled.plan.projections[p];
            let record = match plan.place[v] {
                Place::Post => bufs.changed,
                Place::Pre => bufs.touched,
                Place::Constant(_) | Place::Synapse => continue,
            };
            let Some(record) = record else { continue };
            let least = NEARLY * plan.faint[v];
            let n = self.ints(count).first().map_or(0, |n| *n as usize);
            let stays = |x: f64| x.abs() >= least || x.is_nan();
            let key = VarKey { entity, var: VarId(v as u32) };
            // Out of the network while the traces are read there.
            let Buf::I32(marks) = self.buf(record) else { continue };
            let mut marks = std::mem::take(marks);
            let listed = self.ints(list).iter().take(n).copied();
            let mut mark = |k: i32, x: f64| {
                if let Some(mark) = marks.get_mut(k as usize) {
                    *mark |= i32::from(stays(x));
                }
            };
            if let Some(left) = self.left_by_table(key, values) {
                listed.for_each(|k| mark(k, left(k as usize)));
            } else {
                let present = self.present(key, values);
                listed.for_each(|k| mark(k, present(k as usize)));
            }
            *self.buf(record) = Buf::I32(marks);
        }
    }

    /// What is left of a trace by now, where a table says how it decays: by number, to the rounding of compiled code.
    fn left_by_table(&self, key: VarKey, values: BufId) -> Option<impl Fn(usize) -> f64 + '_> {
        let Entity::Proj(p) = key.entity else { return None };
        self.compiled.plan.projections[p.index()].decays.get(key.var.index()).copied().flatten()?;
        let bufs = &self.shared.layout.projs[p.index()];
        let (table, last) = (bufs.decays[key.var.index()]?, bufs.last[key.var.index()]?);
        let (Buf::F32(values), Buf::F32(left)) =
            (&self.buffers[values.0 as usize], &self.buffers[table.left.0 as usize])
        else {
            return None;
        };
        if self.frozen.contains(&key) {
            return None;
        }
        let (last, end) = (self.ints(last), table.len as usize - 1);
        Some(move |k: usize| {
            let gap = usize::try_from(self.step.saturating_sub(last[k])).unwrap_or(0);
            f64::from(values[k] * left[gap.min(end)])
        })
    }
}
