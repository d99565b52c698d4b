//! Large populations in ranges of neurons ("shards") that advance at the same time on several threads.
//!
//! The equations of a neuron read and write what is the neuron's own, so that the pass over a population may be divided anywhere. Only the lists
//! of those that spike are common: every range has lists of its own, which are joined in the order of the ranges before anybody reads them. So
//! they are the same, in the same order, as after one pass, whatever the number of ranges.
//!
//! That ranges do not touch each other's neurons is not taken from here: [`crate::lir::access`] finds it in the code.

use super::Layout;
use super::layout::PopBufs;
use crate::hir::Model;
use crate::lir::{BufId, Buffer, PAD, Scalar};
use crate::sched::Plan;

/// The fewest neurons of a range.
pub const LEAST: u64 = 4096;
/// Ranges for each thread: more than one, since threads meet other work before and behind.
const EACH: u64 = 2;

/// A range of the neurons of a population, and the lists of what happens to them.
#[derive(Debug, Clone)]
pub struct Shard {
    /// The first neuron; a multiple of [`PAD`].
    pub from: u64,
    /// One past the last; a multiple of [`PAD`] but for the last range.
    pub to: u64,
    /// What happens; for the first range, the population's own lists.
    pub lists: Lists,
}

/// Lists of the neurons to which something happens in a step, ascending, each with how many there are.
#[derive(Debug, Clone)]
pub struct Lists {
    /// They spike.
    pub spikes: [BufId; 2],
    /// Other events, in order of the file.
    pub signals: Vec<[BufId; 2]>,
    /// Their refractory period ends.
    pub released: Option<[BufId; 2]>,
}

impl Lists {
    /// Those of a whole population.
    #[must_use]
    pub fn of(bufs: &PopBufs) -> Self {
        Self {
            spikes: [bufs.spikes, bufs.spike_count],
            signals: bufs.signals.iter().map(|e| [e.list, e.count]).collect(),
            released: bufs.released,
        }
    }

    /// All of them, always in the same order.
    pub fn all(&self) -> impl Iterator<Item = [BufId; 2]> {
        std::iter::once(self.spikes).chain(self.signals.iter().copied()).chain(self.released)
    }
}

/// Divides the large populations of a plan without frozen variables for so many threads. Those that share a value between their neurons stay whole:
/// it advances once a step.
pub fn divide(layout: &mut Layout, model: &Model, plan: &Plan, threads: usize) {
    let buffers = &mut layout.buffers;
    let mut new = |name: String, len: u64| {
        buffers.push(Buffer { name, scalar: Scalar::I32, len });
        BufId(buffers.len() as u32 - 1)
    };
    for (bufs, p) in layout.pops.iter_mut().zip(&plan.populations) {
        let count = (threads as u64 * EACH).min(p.size / LEAST);
        if count < 2 || bufs.events.is_some() || bufs.shared.iter().any(Option::is_some) {
            continue;
        }
        let blocks = p.size.div_ceil(PAD);
        let bound = |k: u64| (blocks * k / count * PAD).min(p.size);
        let own = Lists::of(bufs);
        let population = &model.populations[p.pop.index()].name;
        bufs.shards = (0..count)
            .map(|k| {
                let (from, to) = (bound(k), bound(k + 1));
                let name = |what: &str| format!("{population}@range{k}.{what}");
                let mut list = |what: &str| [new(name(what), to - from), new(name(&format!("{what}.n")), 1)];
                let lists = if k == 0 {
                    own.clone()
                } else {
                    Lists {
                        spikes: list("spikes"),
                        signals: (0..own.signals.len()).map(|e| list(&format!("event{e}"))).collect(),
                        released: own.released.map(|_| list("released")),
                    }
                };
                Shard { from, to, lists }
            })
            .collect();
    }
}
