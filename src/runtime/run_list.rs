//! Runs as the code reads them. The lists of large networks are made by several threads and are never copied as a whole: each part writes into room
//! that is measured for the most that it can need, of which the system gives memory only where something was written.

use crate::codegen::layout::RunWidth;

/// Runs as numbers, in the narrowest form that holds all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunList {
    /// Gap in the lower, length in the upper 8 bits.
    Half(Halves),
    /// 16 bits each.
    Word(Vec<u32>),
    /// 32 bits each.
    Pair(Vec<[u32; 2]>),
}

/// Numbers of 16 bits, two to a word, the first one below.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Halves {
    words: Vec<i32>,
    len: usize,
}

impl Halves {
    fn push(&mut self, half: u32) {
        match self.words.last_mut() {
            Some(word) if !self.len.is_multiple_of(2) => *word |= (half << 16) as i32,
            _ => self.words.push(half as i32),
        }
        self.len += 1;
    }

    fn get(&self, k: usize) -> Option<u32> {
        let word = *self.words.get(k / 2).filter(|_| k < self.len)? as u32;
        Some(if k.is_multiple_of(2) { word & 0xffff } else { word >> 16 })
    }

    fn append(&mut self, other: &Self) {
        if self.len.is_multiple_of(2) {
            self.words.extend_from_slice(&other.words);
            self.len += other.len;
        } else {
            (0..other.len).filter_map(|k| other.get(k)).for_each(|half| self.push(half));
        }
    }
}

impl Default for RunList {
    fn default() -> Self {
        Self::Half(Halves::default())
    }
}

impl RunList {
    /// Adds a run.
    pub fn push(&mut self, gap: u32, len: u32) {
        self.widen(width(gap.max(len)));
        match self {
            Self::Half(v) => v.push(gap | len << 8),
            Self::Word(v) => v.push(gap | len << 16),
            Self::Pair(v) => v.push([gap, len]),
        }
    }

    /// Gap and length of a run.
    fn get(&self, k: usize) -> Option<(u32, u32)> {
        match self {
            Self::Half(v) => v.get(k).map(|r| (r & 0xff, r >> 8)),
            Self::Word(v) => v.get(k).map(|r| (r & 0xffff, r >> 16)),
            Self::Pair(v) => v.get(k).map(|r| (r[0], r[1])),
        }
    }

    /// Gap and length of every run.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        (0..self.len()).filter_map(|k| self.get(k))
    }

    /// How many runs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Half(v) => v.len,
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
    pub(super) fn widen(&mut self, to: RunWidth) {
        if self.width() >= to {
            return;
        }
        *self = match to {
            RunWidth::Half => return,
            RunWidth::Word => Self::Word(self.pairs().map(|(gap, len)| gap | len << 16).collect()),
            RunWidth::Pair => Self::Pair(self.pairs().map(|(gap, len)| [gap, len]).collect()),
        };
    }

    /// The runs of several lists, one after the other.
    pub(super) fn join(lists: Vec<Self>) -> Self {
        let to = lists.iter().map(Self::width).max().unwrap_or(RunWidth::Half);
        let runs = lists.iter().map(Self::len).sum();
        let mut out = match to {
            RunWidth::Half => Self::default(),
            RunWidth::Word => Self::Word(Vec::with_capacity(runs)),
            RunWidth::Pair => Self::Pair(Vec::with_capacity(runs)),
        };
        for mut list in lists {
            list.widen(to);
            match (&mut out, list) {
                (Self::Half(all), Self::Half(more)) => all.append(&more),
                (Self::Word(all), Self::Word(more)) => all.extend(more),
                (Self::Pair(all), Self::Pair(more)) => all.extend(more),
                // All have one form now.
                _ => {}
            }
        }
        out
    }

    /// Moves runs of the narrowest form there, if they fit; gives their number.
    pub(super) fn pack(&mut self, room: &mut [i32]) -> Option<usize> {
        let Self::Half(halves) = self else { return None };
        room.get_mut(..halves.words.len())?.copy_from_slice(&halves.words);
        let len = halves.len;
        *self = Self::default();
        Some(len)
    }

    /// As the code reads them.
    #[must_use]
    pub fn words(self) -> Vec<i32> {
        match self {
            Self::Half(v) => v.words,
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

/// Where parts put their runs.
pub(super) struct Room {
    /// One behind the other, the words of each part.
    pub(super) words: Vec<i32>,
    /// How many words each part has.
    pub(super) parts: Vec<usize>,
}

impl Room {
    /// One list of all parts: of each its list, and the number of runs in its room.
    pub(super) fn close_up(mut self, lists: Vec<(RunList, Option<usize>)>) -> RunList {
        let mut next = 0;
        let mut starts = Vec::with_capacity(self.parts.len());
        for words in &self.parts {
            starts.push(next);
            next += words;
        }
        if lists.iter().any(|(_, packed)| packed.is_none()) {
            // Some part has long gaps or runs, and so all take a wider form.
            let of = |((list, packed), start): ((RunList, Option<usize>), &usize)| match packed {
                Some(len) => RunList::Half(Halves { words: self.words[*start..start + len.div_ceil(2)].to_vec(), len }),
                None => list,
            };
            return RunList::join(lists.into_iter().zip(&starts).map(of).collect());
        }
        let mut end = 0;
        for ((_, packed), start) in lists.iter().zip(starts) {
            let len = packed.unwrap_or(0);
            // What is written lies before what is read next, or where it was just read.
            for k in 0..len.div_ceil(2) {
                let word = self.words[start + k] as u32;
                let halves = [word & 0xffff, word >> 16];
                for half in halves.into_iter().take(len - 2 * k) {
                    let to = &mut self.words[end / 2];
                    *to = if end.is_multiple_of(2) { half as i32 } else { *to | (half << 16) as i32 };
                    end += 1;
                }
            }
        }
        self.words.truncate(end.div_ceil(2));
        self.words.shrink_to_fit();
        RunList::Half(Halves { words: self.words, len: end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_gaps_and_long_runs_make_the_list_wider() {
        let mut list = RunList::default();
        list.push(255, 255);
        list.push(0, 1);
        assert_eq!(list.clone().words(), [0x0100_ffff]);
        let mut wide = list.clone();
        wide.push(3, 256);
        assert_eq!(wide.pairs().collect::<Vec<_>>(), [(255, 255), (0, 1), (3, 256)]);
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
