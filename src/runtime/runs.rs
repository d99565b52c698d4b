//! Synapses with delays of their own, by the neuron whose spikes reach them and by delay: the synapses of one neuron stand in order of
//! their delays, and a list of runs says how many have the same and how much longer that is than the one before.
//!
//! Runs take two bytes where they fit, so that the index costs about a byte a synapse instead of a delay for each.

use rayon::prelude::*;

use super::run_list::{Room, RunList};
use crate::codegen::layout::RunSize;
use crate::connect::{Adjacency, ConnectError, blocks_of_rows};

/// The runs of one side of a projection, as the code reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    /// The first run of each neuron, and one more.
    pub start: Vec<u32>,
    /// Delay less that of the neuron's run before, and number of synapses, of each run; a run without synapses ends each neuron's.
    pub list: RunList,
    /// The longest delay.
    pub longest: u32,
    /// Where synapses are stored in another order.
    pub order: Option<Order>,
}

/// The synapses in the order of the runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// The first entry of each neuron and one more, where that is not the start of its row.
    pub first: Option<Vec<u32>>,
    /// Number of each synapse.
    pub synapses: Vec<u32>,
    /// The pre neuron of each, where the runs are those of post neurons.
    pub other: Option<Vec<u32>>,
}

/// The runs of some neurons, to be joined to those of others.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// How many runs each neuron has.
    counts: Vec<u32>,
    list: RunList,
    longest: u32,
    /// The runs are in the room of this part, so many.
    packed: Option<usize>,
}

impl Part {
    /// Sorts the entries of one more neuron, keys made by [`key`], and adds their runs.
    pub(super) fn add(&mut self, keys: &mut [u64]) {
        keys.sort_unstable();
        let (mut before, mut count) = (0, 0);
        for run in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
            let delay = (run[0] >> 32) as u32;
            self.list.push(delay - before, run.len() as u32);
            before = delay;
            count += 1;
        }
        // The end, so that nobody has to look up where the next neuron's begin.
        self.list.push(0, 0);
        self.longest = self.longest.max(before);
        self.counts.push(count + 1);
    }

    /// The most words that the runs of so many synapses of so many neurons take in their narrowest form.
    pub(super) fn room(synapses: usize, neurons: usize) -> usize {
        (synapses + neurons).div_ceil(2)
    }

    /// Puts its runs there, if they have their narrowest form.
    pub(super) fn pack(&mut self, room: &mut [i32]) {
        self.packed = self.list.pack(room);
    }
}

/// What entries are sorted by: delay, then number.
pub(super) fn key(delay: u32, entry: u32) -> u64 {
    u64::from(delay) << 32 | u64::from(entry)
}

impl Runs {
    /// The parts, one after the other.
    pub(super) fn join(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut out = Self { start: vec![0], ..Self::default() };
        let lists = parts.into_iter().map(|part| out.count(part).0).collect();
        out.list = RunList::join(lists);
        out
    }

    /// The same of parts that were offered room, each so many words of it in their order.
    pub(super) fn join_packed(parts: Vec<Part>, room: Vec<i32>, words: &[usize]) -> Self {
        let mut out = Self { start: vec![0], ..Self::default() };
        let lists: Vec<(RunList, Option<usize>)> = parts.into_iter().map(|part| out.count(part)).collect();
        out.list = Room { words: room, parts: words.to_vec() }.close_up(lists);
        out
    }

    /// Takes the number of runs of each neuron over; gives the runs.
    fn count(&mut self, part: Part) -> (RunList, Option<usize>) {
        let mut sum = self.start.last().copied().unwrap_or(0);
        for count in part.counts {
            sum += count;
            self.start.push(sum);
        }
        self.longest = self.longest.max(part.longest);
        (part.list, part.packed)
    }

    /// For synapses that stay in the order of their numbers: their runs by pre neuron; `steps` are their delays.
    #[must_use]
    pub fn by_pre(row_start: &[u32], steps: &[u32]) -> Self {
        let mut synapses: Vec<u32> = (0..steps.len() as u32).collect();
        let mut out = Self::sorted(row_start, &mut synapses, steps);
        out.order = Some(Order { first: None, synapses, other: None });
        out
    }

    /// The same by post neuron, of which there are `neurons`.
    ///
    /// # Errors
    /// A post index that is not below `neurons`: a bug.
    pub fn by_post(rows: &Adjacency, steps: &[u32], neurons: u32) -> Result<Self, ConnectError> {
        let columns = rows.by_post(neurons)?;
        let (first, mut synapses) = (columns.col_start, columns.syn);
        let mut out = Self::sorted(&first, &mut synapses, steps);
        let pre = |s: &u32| rows.row_start.partition_point(|start| start <= s) as u32 - 1;
        let other = synapses.par_iter().map(pre).collect();
        out.order = Some(Order { first: Some(first), synapses, other: Some(other) });
        Ok(out)
    }

    /// The same of neurons whose synapses are those of a list, in whatever order, each neuron's from its entry of `first` on.
    #[must_use]
    pub fn resorted(first: &[u32], mut synapses: Vec<u32>, steps: &[u32]) -> Self {
        let mut out = Self::sorted(first, &mut synapses, steps);
        out.order = Some(Order { first: None, synapses, other: None });
        out
    }

    /// Sorts the synapses of every neuron by delay.
    fn sorted(first: &[u32], synapses: &mut [u32], steps: &[u32]) -> Self {
        /// Synapses that a worker sorts at a time, at least.
        const BLOCK: usize = 1 << 14;
        let mut blocks = Vec::new();
        let mut rest = synapses;
        for neurons in blocks_of_rows(first, BLOCK) {
            let starts = &first[neurons.start..=neurons.end];
            let (block, after) = rest.split_at_mut((starts[starts.len() - 1] - starts[0]) as usize);
            blocks.push((starts, block));
            rest = after;
        }
        let sort = |(starts, block): (&[u32], &mut [u32])| {
            let mut part = Part::default();
            let mut keys = Vec::new();
            for ends in starts.windows(2) {
                let entries = &mut block[(ends[0] - starts[0]) as usize..(ends[1] - starts[0]) as usize];
                keys.clear();
                keys.extend(entries.iter().map(|s| key(steps[*s as usize], *s)));
                part.add(&mut keys);
                for (entry, key) in entries.iter_mut().zip(&keys) {
                    *entry = *key as u32;
                }
            }
            part
        };
        Self::join(blocks.into_par_iter().map(sort).collect::<Vec<_>>())
    }

    /// What the layout of buffers needs to know.
    #[must_use]
    pub fn size(&self) -> RunSize {
        RunSize {
            runs: self.list.len() as u64,
            width: self.list.width(),
            longest: self.longest,
            ordered: self.order.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of odd and even numbers of runs, in room that was measured for the most, one of them too wide for it.
    #[test]
    fn room_changes_nothing() {
        for longest in [90, 300] {
            let (mut plain, mut packed, mut words) = (Vec::new(), Vec::new(), Vec::new());
            let mut room = Vec::new();
            for k in 0..7_u32 {
                let (neurons, each) = (1 + k % 3, 3 + 5 * k);
                let mut part = Part::default();
                for n in 0..neurons {
                    let delay = |s| crate::rng::splitmix64(u64::from(s * 31 + n * 7 + k)) as u32 % longest;
                    part.add(&mut (0..each).map(|s| key(delay(s), s)).collect::<Vec<_>>());
                }
                let mut own = vec![0; Part::room((neurons * each) as usize, neurons as usize)];
                plain.push(part.clone());
                part.pack(&mut own);
                packed.push(part);
                words.push(own.len());
                room.extend(own);
            }
            let (plain, packed) = (Runs::join(plain), Runs::join_packed(packed, room, &words));
            assert_eq!(plain, packed);
            assert_eq!(plain.list.words(), packed.list.words());
        }
    }

    fn rows() -> Adjacency {
        // Neuron 0 has three synapses, neuron 1 none, neuron 2 two.
        Adjacency { row_start: vec![0, 3, 3, 5], post: vec![0, 1, 2, 0, 1], origin: None }
    }

    fn pairs(list: &RunList) -> Vec<(u32, u32)> {
        list.pairs().collect()
    }

    #[test]
    fn synapses_of_one_neuron_and_delay_stand_together() {
        let r = Runs::by_pre(&rows().row_start, &[7, 2, 7, 0, 2]);
        assert_eq!(r.start, [0, 3, 4, 7]);
        assert_eq!(pairs(&r.list), [(2, 1), (5, 2), (0, 0), (0, 0), (0, 1), (2, 1), (0, 0)]);
        assert_eq!(r.longest, 7);
        assert_eq!(r.order.unwrap().synapses, [1, 0, 2, 3, 4]);
        let r = Runs::by_post(&rows(), &[7, 2, 7, 0, 2], 3).unwrap();
        assert_eq!(r.start, [0, 3, 5, 7]);
        assert_eq!(pairs(&r.list), [(0, 1), (7, 1), (0, 0), (2, 2), (0, 0), (7, 1), (0, 0)]);
        let order = r.order.unwrap();
        assert_eq!(order.first.unwrap(), [0, 2, 4, 5]);
        assert_eq!(order.synapses, [3, 0, 1, 4, 2]);
        assert_eq!(order.other.unwrap(), [2, 0, 0, 2, 0]);
    }
}
