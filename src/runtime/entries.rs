//! Shared weights of a convolution on the host: which synapse stands for which entry of the kernel, and the values of entries after a protocol
//! has written some of their copies.

use super::Network;
use super::wiring::{Wires, shared_kernel};
use crate::backend::{Buf, Buffers};
use crate::codegen::Layout;
use crate::hir::Model;
use crate::sched::Plan;

/// The number of entries of each projection whose synapses share weights that they change.
pub(super) fn count(model: &Model, plan: &Plan, p: usize) -> Option<u64> {
    (!plan.projections[p].entries.is_empty())
        .then(|| shared_kernel(model, &model.projections[p]))
        .flatten()
        .map(|c| c.entries())
}

/// The entry of each synapse, the first synapse of each entry, and the synapses in the order (post, pre).
pub(super) struct Index {
    entry: Vec<i32>,
    first: Vec<i32>,
    order: Vec<i32>,
}

/// The index of a projection's shared weights; `None` without.
pub(super) fn index(model: &Model, plan: &Plan, p: usize, wires: Option<&Wires>) -> Option<Index> {
    let n = count(model, plan, p)? as usize;
    let convolution = shared_kernel(model, &model.projections[p])?;
    let rows = &wires?.rows;
    let mut index = Index { entry: Vec::new(), first: vec![0; n], order: Vec::new() };
    let mut seen = vec![false; n];
    for (pre, ends) in rows.row_start.windows(2).enumerate() {
        for synapse in ends[0]..ends[1] {
            let post = rows.post.get(synapse as usize).copied().unwrap_or(0);
            let e = convolution.entry(pre as u64, u64::from(post)).unwrap_or(0) as usize;
            index.entry.push(e as i32);
            if let Some(seen) = seen.get_mut(e).filter(|seen| !**seen) {
                *seen = true;
                index.first[e] = synapse as i32;
            }
        }
    }
    index.order = (0..index.entry.len() as i32).collect();
    // Stable: synapses of one target stay in the order of their sources.
    index.order.sort_by_key(|k| rows.post.get(*k as usize).copied());
    Some(index)
}

/// Writes the index of projection `p` into its buffers.
pub(super) fn fill(layout: &Layout, p: usize, index: Option<Index>, buffers: &mut Buffers) {
    let (Some(index), Some(bufs)) = (index, &layout.projs[p].entries) else { return };
    for (id, values) in [(bufs.entry, index.entry), (bufs.first, index.first), (bufs.order, index.order)] {
        if let Buf::I32(buf) = &mut buffers[id.0 as usize] {
            buf.iter_mut().zip(values).for_each(|(x, y)| *x = y);
        }
    }
}

impl Network {
    /// Copies that differ from their entry were written by a protocol: the last of them gives the entry its value, which all copies take.
    pub(super) fn share_entries(&mut self, p: usize) {
        let Some(bufs) = self.shared.layout.projs[p].entries.clone() else { return };
        let Buf::I32(entry) = &self.buffers[bufs.entry.0 as usize] else { return };
        let entry: Vec<usize> = entry.iter().take(bufs.synapses as usize).map(|e| *e as usize).collect();
        for (var, value, _) in bufs.vars {
            let Some(copies) = self.shared.layout.projs[p].vars[var.index()] else { continue };
            let at =
                |buffers: &Buffers, id: crate::lir::BufId, k: usize| buffers[id.0 as usize].get_f64(k).unwrap_or(0.0);
            let before: Vec<f64> = (0..bufs.count as usize).map(|e| at(&self.buffers, value, e)).collect();
            let mut now = before.clone();
            for (k, e) in entry.iter().enumerate() {
                let x = at(&self.buffers, copies, k);
                if x.to_bits() != before[*e].to_bits() {
                    now[*e] = x;
                }
            }
            for (e, x) in now.iter().enumerate() {
                self.buffers[value.0 as usize].set_f64(e, *x);
            }
            for (k, e) in entry.iter().enumerate() {
                self.buffers[copies.0 as usize].set_f64(k, now[*e]);
            }
        }
    }
}
