//! Sums up what the lanes of a batch changed of a variable that is lent to them: in the order of the lanes, in double precision, rounded once,
//! then bounded.
//!
//! The changes of all lanes wait until the last lane is done and are then added row by row, on all threads: a row of sums stays in the nearest
//! cache, where sums of a whole matrix do not. An element gets its changes in the same order either way, so that no bit depends on it.

use crate::script::changes::{self, Changes, Float, Part};
use crate::script::tensor::Data;

/// Elements of a block where there are no rows.
const BLOCK: usize = 1024;

/// Elements for which another thread is worth its start.
const WORTH_A_THREAD: usize = 1 << 16;

/// The changes of the lanes so far.
#[derive(Default)]
pub(super) struct Pending {
    /// Those that wait, in the order of the lanes.
    waiting: Vec<Changes>,
    /// Their bytes.
    bytes: usize,
    /// What the lanes started from and the changes that wait no longer; empty if all wait.
    sums: Vec<f64>,
}

impl Pending {
    /// Adds the changes of the next lane.
    pub(super) fn add(&mut self, changes: Changes, start: &Data) {
        self.bytes += changes.bytes();
        self.waiting.push(changes);
        // No more memory than sums of all elements take.
        if self.bytes > start.len() * size_of::<f64>() {
            self.sum_up(start);
        }
    }

    /// Makes sums of what waits.
    fn sum_up(&mut self, start: &Data) {
        if self.sums.is_empty() {
            changes::to_f64(start, &mut self.sums);
        }
        for changes in self.waiting.drain(..) {
            changes.add_to(start, &mut self.sums);
        }
        self.bytes = 0;
    }

    /// The sums of a variable of which every lane has a copy.
    pub(super) fn take_sums(&mut self, start: &Data) -> Vec<f64> {
        self.sum_up(start);
        std::mem::take(&mut self.sums)
    }

    /// Makes of the values that the lanes started from the sums, rounded, then bounded. False if one is no number.
    pub(super) fn store(&mut self, bounds: Option<(f64, f64)>, values: &mut Data, threads: usize) -> bool {
        let sound = match values {
            Data::F32(values) => store(&self.waiting, &self.sums, bounds, values, threads),
            Data::F64(values) => store(&self.waiting, &self.sums, bounds, values, threads),
            Data::I64(_) | Data::Bool(_) => false,
        };
        self.forget();
        sound
    }

    /// Forgets all changes.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.sums.clear();
    }
}

fn store<T: Float>(
    waiting: &[Changes],
    sums: &[f64],
    bounds: Option<(f64, f64)>,
    values: &mut [T],
    threads: usize,
) -> bool {
    let stride = waiting.iter().find_map(|c| match c {
        Changes::Part(part, _) => Some(part.stride.max(1)),
        Changes::Full(_) | Changes::Elements(..) => None,
    });
    let block = stride.unwrap_or(BLOCK);
    let threads = threads.min(values.len() / WORTH_A_THREAD).max(1);
    let blocks_each = values.len().div_ceil(block).div_ceil(threads).max(1);
    let work = values.chunks_mut(blocks_each * block).enumerate().map(|(k, values)| {
        let lo = k * blocks_each * block;
        let sums = sums.get(lo..lo + values.len()).unwrap_or_default();
        move || stretch(waiting, lo, block, sums, bounds, values)
    });
    std::thread::scope(|scope| {
        let mut work = work.rev();
        // The first stretch is this thread's own.
        let others = threads.min(work.len()).saturating_sub(1);
        let others: Vec<_> = work.by_ref().take(others).map(|w| scope.spawn(w)).collect();
        let mine = work.fold(true, |sound, mut w| w() & sound);
        others.into_iter().fold(mine, |sound, t| t.join().unwrap_or(false) & sound)
    })
}

/// Sums up the blocks of one stretch, which begins at element `lo`.
fn stretch<T: Float>(
    waiting: &[Changes],
    lo: usize,
    block: usize,
    sums: &[f64],
    bounds: Option<(f64, f64)>,
    values: &mut [T],
) -> bool {
    let mut lanes: Vec<Rest<'_, T>> = waiting.iter().map(|c| Rest::from(c, lo, block)).collect();
    let mut row: Vec<f64> = Vec::with_capacity(block);
    let mut sound = true;
    for (k, values) in values.chunks_mut(block).enumerate() {
        let first = lo + k * block;
        row.clear();
        if let Some(sums) = sums.get(k * block..k * block + values.len()) {
            row.extend_from_slice(sums);
        }
        for lane in &mut lanes {
            lane.add(first, first / block, values, &mut row);
        }
        if !row.is_empty() {
            sound &= changes::round(&row, bounds, values);
        }
    }
    sound
}

/// The changes of a lane that were not added yet.
struct Rest<'c, T> {
    /// Rows of a part, or places.
    at: &'c [u32],
    /// The columns of a part; `None`: `at` are places.
    columns: Option<&'c [u32]>,
    values: &'c [T],
}

impl<'c, T: Float> Rest<'c, T> {
    /// Those from element `lo` on.
    fn from(changes: &'c Changes, lo: usize, block: usize) -> Self {
        let (at, columns, all) = match changes {
            Changes::Part(Part { rows, columns, .. }, values) => (rows, Some(columns.as_slice()), values),
            Changes::Elements(at, values) => (at, None, values),
            Changes::Full(_) => return Self { at: &[], columns: None, values: &[] },
        };
        let before = at.partition_point(|k| (*k as usize) < if columns.is_some() { lo / block } else { lo });
        let values = T::slice(all).get(before * columns.map_or(1, <[u32]>::len)..).unwrap_or_default();
        Self { at: &at[before..], columns, values }
    }

    /// Adds those of the block that begins at element `first` to its sums, which are the old values if there are none yet.
    fn add(&mut self, first: usize, number: usize, old: &[T], sums: &mut Vec<f64>) {
        let begin = |sums: &mut Vec<f64>| {
            if sums.is_empty() {
                sums.extend(old.iter().map(|x| x.f64()));
            }
        };
        if let Some(columns) = self.columns {
            if self.at.first().is_some_and(|row| *row as usize == number) {
                begin(sums);
                let (values, rest) = self.values.split_at(columns.len().min(self.values.len()));
                for (c, x) in columns.iter().zip(values) {
                    if let (Some(sum), Some(x0)) = (sums.get_mut(*c as usize), old.get(*c as usize)) {
                        *sum += x.f64() - x0.f64();
                    }
                }
                (self.at, self.values) = (&self.at[1..], rest);
            }
            return;
        }
        while let (Some((at, ats)), Some((x, values))) = (self.at.split_first(), self.values.split_first()) {
            let k = (*at as usize).wrapping_sub(first);
            let Some(x0) = old.get(k) else { break };
            begin(sums);
            if let Some(sum) = sums.get_mut(k) {
                *sum += x.f64() - x0.f64();
            }
            (self.at, self.values) = (ats, values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// What lanes did, some to rows and columns, some to single elements: the same bits as sums of all elements, on any number of threads,
    /// and if some lanes were summed up before the others.
    #[test]
    fn sums_by_blocks_are_sums_by_elements() {
        let (rows, stride) = (1_021_u32, 208_u32);
        let n = (rows * stride) as usize;
        let stream = Stream::new(7, "merge");
        let draw = |k: u64| stream.uniform(k, 0);
        let old: Vec<f32> = (0..n as u64).map(|k| draw(k) as f32).collect();
        let start = Data::F32(old.clone());
        let lane = |k: u32| {
            let values = |count: usize| {
                Data::F32((0..count as u64).map(|i| draw(i + 1_000_000 * u64::from(k + 1)) as f32).collect())
            };
            if k % 3 == 2 {
                let at: Vec<u32> = (0..rows * stride).filter(|i| i % (11 + k) == k % 5).collect();
                let values = values(at.len());
                Changes::Elements(at, values)
            } else {
                let rows: Vec<u32> = (0..rows).filter(|r| r % (2 + k) == 1).collect();
                let columns: Vec<u32> = (0..stride).filter(|c| c % (3 + k) == 0).collect();
                let values = values(rows.len() * columns.len());
                Changes::Part(Part { rows, columns, stride: stride as usize }, values)
            }
        };
        let mut plain = Vec::new();
        changes::to_f64(&start, &mut plain);
        (0..7).for_each(|k| lane(k).add_to(&start, &mut plain));
        let mut expected = old.clone();
        assert!(changes::round(&plain, Some((0.1, 0.9)), &mut expected));
        assert!(expected.iter().zip(&old).filter(|(a, b)| a != b).count() > n / 4, "many elements change");
        assert!(expected.iter().zip(&old).filter(|(a, b)| a == b).count() > n / 20, "some do not");
        for threads in 1..=3 {
            for early in [0, 3] {
                let mut pending = Pending::default();
                for k in 0..7 {
                    pending.add(lane(k), &start);
                    if k + 1 == early {
                        pending.sum_up(&start);
                    }
                }
                assert_eq!(pending.sums.is_empty(), early == 0, "few changes wait");
                let mut values = start.clone();
                assert!(pending.store(Some((0.1, 0.9)), &mut values, threads));
                assert!(values == Data::F32(expected.clone()), "{threads} threads, {early} lanes summed up early");
                assert!(pending.waiting.is_empty() && pending.sums.is_empty() && pending.bytes == 0);
            }
        }
    }

    #[test]
    fn what_is_no_number_is_told_and_many_changes_do_not_wait() {
        let start = Data::F64(vec![1.0; 4]);
        let mut pending = Pending::default();
        pending.add(Changes::Elements(vec![1], Data::F64(vec![f64::NAN])), &start);
        assert!(!pending.store(None, &mut start.clone(), 1));
        for _ in 0..3 {
            pending.add(Changes::Elements(vec![0, 1, 2, 3], Data::F64(vec![2.0; 4])), &start);
        }
        assert_eq!(pending.sums, [4.0; 4], "in the memory of the sums");
        let mut values = start.clone();
        assert!(pending.store(Some((0.0, 3.0)), &mut values, 1));
        assert_eq!(values, Data::F64(vec![3.0; 4]));
    }
}
