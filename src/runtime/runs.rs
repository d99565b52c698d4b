//! Synapses with delays of their own, by the neuron whose spikes reach them and by delay: the synapses of one neuron stand in order of
//! their delays, and a list of runs says how many have the same and how much longer that is than the one before.
//!
//! Runs take two bytes where they fit, so that the index costs about a byte a synapse instead of a delay for each.

use rayon::prelude::*;

use crate::codegen::layout::{RunSize, RunWidth};
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

/// Runs as numbers, in the narrowest form that holds all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunList {
    /// Gap in the lower, length in the upper 8 bits.
    Half(Vec<u16>),
    /// 16 bits each.
    Word(Vec<u32>),
    /// 32 bits each.
    Pair(Vec<[u32; 2]>),
}

impl Default for RunList {
    fn default() -> Self {
        Self::Half(Vec::new())
    }
}

impl RunList {
    /// Adds a run.
    pub fn push(&mut self, gap: u32, len: u32) {
        self.widen(width(gap.max(len)));
        match self {
            Self::Half(v) => v.push((gap | len << 8) as u16),
            Self::Word(v) => v.push(gap | len << 16),
            Self::Pair(v) => v.push([gap, len]),
        }
    }

    /// Gap and length of a run.
    fn get(&self, k: usize) -> Option<(u32, u32)> {
        match self {
            Self::Half(v) => v.get(k).map(|r| (u32::from(*r) & 0xff, u32::from(*r) >> 8)),
            Self::Word(v) => v.get(k).map(|r| (r & 0xffff, r >> 16)),
            Self::Pair(v) => v.get(k).map(|r| (r[0], r[1])),
        }
    }

    /// How many runs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Half(v) => v.len(),
            Self::Word(v) => v.len(),
            Self::Pair(v) => v.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The form.
    #[must_use]
    pub fn width(&self) -> RunWidth {
        match self {
            Self::Half(_) => RunWidth::Half,
            Self::Word(_) => RunWidth::Word,
            Self::Pair(_) => RunWidth::Pair,
        }
    }

    /// Changes to a form that is at least as wide.
    fn widen(&mut self, to: RunWidth) {
        if self.width() >= to {
            return;
        }
        let runs = (0..self.len()).filter_map(|k| self.get(k));
        *self = match to {
            RunWidth::Half => return,
            RunWidth::Word => Self::Word(runs.map(|(gap, len)| gap | len << 16).collect()),
            RunWidth::Pair => Self::Pair(runs.map(|(gap, len)| [gap, len]).collect()),
        };
    }

    /// The runs of several lists, one after the other.
    fn join(lists: Vec<Self>) -> Self {
        let to = lists.iter().map(Self::width).max().unwrap_or(RunWidth::Half);
        let runs = lists.iter().map(Self::len).sum();
        let mut out = match to {
            RunWidth::Half => Self::Half(Vec::with_capacity(runs)),
            RunWidth::Word => Self::Word(Vec::with_capacity(runs)),
            RunWidth::Pair => Self::Pair(Vec::with_capacity(runs)),
        };
        for mut list in lists {
            list.widen(to);
            match (&mut out, list) {
                (Self::Half(all), Self::Half(more)) => all.extend(more),
                (Self::Word(all), Self::Word(more)) => all.extend(more),
                (Self::Pair(all), Self::Pair(more)) => all.extend(more),
                // All have one form now.
                _ => {}
            }
        }
        out
    }

    /// As the code reads them: two halves to a word, the first one below.
    #[must_use]
    pub fn words(self) -> Vec<i32> {
        match self {
            Self::Half(v) => v
                .chunks(2)
                .map(|c| u32::from(c[0]) | c.get(1).map_or(0, |second| u32::from(*second) << 16))
                .map(|word| word as i32)
                .collect(),
            Self::Word(v) => v.into_iter().map(|word| word as i32).collect(),
            Self::Pair(v) => v.iter().flatten().map(|word| *word as i32).collect(),
        }
    }
}

/// The narrowest form for gaps and lengths up to `x`.
fn width(x: u32) -> RunWidth {
    match x {
        0..=0xff => RunWidth::Half,
        0x100..=0xffff => RunWidth::Word,
        _ => RunWidth::Pair,
    }
}

/// The runs of some neurons, to be joined to those of others.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// How many runs each neuron has.
    counts: Vec<u32>,
    list: RunList,
    longest: u32,
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
}

/// What entries are sorted by: delay, then number.
pub(super) fn key(delay: u32, entry: u32) -> u64 {
    u64::from(delay) << 32 | u64::from(entry)
}

impl Runs {
    /// The parts, one after the other.
    pub(super) fn join(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut out = Self { start: vec![0], ..Self::default() };
        let mut sum = 0;
        let mut lists = Vec::new();
        for part in parts {
            for count in part.counts {
                sum += count;
                out.start.push(sum);
            }
            lists.push(part.list);
            out.longest = out.longest.max(part.longest);
        }
        out.list = RunList::join(lists);
        out
    }

    /// For synapses that stay in the order of their numbers: their runs by pre neuron; `steps` are their delays.
    #[must_use]
    pub fn by_pre(rows: &Adjacency, steps: &[u32]) -> Self {
        let mut synapses: Vec<u32> = (0..rows.len() as u32).collect();
        let mut out = Self::sorted(&rows.row_start, &mut synapses, steps);
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

    fn rows() -> Adjacency {
        // Neuron 0 has three synapses, neuron 1 none, neuron 2 two.
        Adjacency { row_start: vec![0, 3, 3, 5], post: vec![0, 1, 2, 0, 1], origin: None }
    }

    fn pairs(list: &RunList) -> Vec<(u32, u32)> {
        (0..list.len()).filter_map(|k| list.get(k)).collect()
    }

    #[test]
    fn synapses_of_one_neuron_and_delay_stand_together() {
        let r = Runs::by_pre(&rows(), &[7, 2, 7, 0, 2]);
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

    #[test]
    fn long_gaps_and_long_runs_make_the_list_wider() {
        let mut list = RunList::default();
        list.push(255, 255);
        list.push(0, 1);
        assert_eq!(list.clone().words(), [0x0100_ffff]);
        let mut wide = list.clone();
        wide.push(3, 256);
        assert_eq!(pairs(&wide), [(255, 255), (0, 1), (3, 256)]);
        assert_eq!(wide.clone().words(), [0x00ff_00ff, 0x0001_0000, 0x0100_0003]);
        let before = wide.clone();
        wide.push(1_000_000, 1);
        let all = RunList::join(vec![list.clone(), before, wide, list]);
        assert_eq!(all.width(), RunWidth::Pair);
        assert_eq!(all.len(), 2 + 3 + 4 + 2);
        assert_eq!(all.get(8), Some((1_000_000, 1)));
        assert_eq!(all.get(10), Some((0, 1)));
        assert_eq!(all.words().len(), 22);
    }
}
