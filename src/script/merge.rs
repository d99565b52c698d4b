//! Sums up what the lanes of a batch changed of a variable that is lent to them: in the order of the lanes, in double precision, rounded once,
//! then bounded.
//!
//! The changes of all lanes wait until the last lane is done and are then added some rows at a time, on all threads: sums of some rows stay in the
//! caches of a core, where sums of a whole matrix do not. An element gets its changes in the same order either way, so that no bit depends on it.

use crate::script::changes::{self, Changes, Float, Part, Room};
use crate::script::tensor::Data;
use crate::simd::widest;

/// Elements of a row where there are no rows.
const ROW: usize = 1024;

/// Sums that are made at once: they should stay in a core's second-level cache beside the changes. Of fewer, each lane would be asked for its changes
/// more often.
const AT_ONCE: usize = 1 << 15;

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
    /// Memory of changes that are over.
    spare: Vec<Room>,
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

    /// Memory for changes.
    pub(super) fn room(&mut self) -> Room {
        self.spare.pop().unwrap_or_default()
    }

    /// Makes sums of what waits.
    fn sum_up(&mut self, start: &Data) {
        if self.sums.is_empty() {
            changes::to_f64(start, &mut self.sums);
        }
        for changes in self.waiting.drain(..) {
            changes.add_to(start, &mut self.sums);
            self.spare.push(changes.into_room());
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
        self.spare.extend(self.waiting.drain(..).map(Changes::into_room));
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
    let row = stride.unwrap_or(ROW);
    let threads = threads.min(values.len() / WORTH_A_THREAD).max(1);
    let rows_each = values.len().div_ceil(row).div_ceil(threads).max(1);
    let work = values.chunks_mut(rows_each * row).enumerate().map(|(k, values)| {
        let lo = k * rows_each * row;
        let sums = sums.get(lo..lo + values.len()).unwrap_or_default();
        move || stretch(waiting, lo, row, sums, bounds, values)
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

/// Sums up one stretch, which begins at element `lo`, where a row begins.
fn stretch<T: Float>(
    waiting: &[Changes],
    lo: usize,
    row: usize,
    so_far: &[f64],
    bounds: Option<(f64, f64)>,
    values: &mut [T],
) -> bool {
    let mut lanes: Vec<Rest<'_, T>> = waiting.iter().map(|c| Rest::from(c, lo, row)).collect();
    let at_once = (AT_ONCE / row).max(1) * row;
    let mut sums = Sums { row, all: vec![0.0; at_once.min(values.len())], begun: Vec::new() };
    let mut sound = true;
    for (k, values) in values.chunks_mut(at_once).enumerate() {
        sums.begun.clear();
        sums.begun.resize(values.len().div_ceil(row), false);
        for (n, so_far) in so_far.get(k * at_once..).unwrap_or_default().chunks(row).take(sums.begun.len()).enumerate()
        {
            sums.begin(n, so_far);
        }
        let first = lo + k * at_once;
        for lane in &mut lanes {
            lane.add(first, values, &mut sums);
        }
        for (n, values) in values.chunks_mut(row).enumerate().filter(|(n, _)| sums.begun[*n]) {
            sound &= changes::round(&sums.all[n * row..n * row + values.len()], bounds, values);
        }
    }
    sound
}

/// Sums of some rows; of those only that something changes.
struct Sums {
    row: usize,
    all: Vec<f64>,
    /// By row.
    begun: Vec<bool>,
}

impl Sums {
    /// Row `n` begins with these.
    fn begin<T: Float>(&mut self, n: usize, with: &[T]) {
        self.begun[n] = true;
        let sums = &mut self.all[n * self.row..];
        widest(
            #[inline(always)]
            || sums.iter_mut().zip(with).for_each(|(sum, x)| *sum = x.f64()),
        );
    }

    /// The sums of row `n` and what was there before.
    fn row<'o, T: Float>(&mut self, n: usize, old: &'o [T]) -> Option<(&mut [f64], &'o [T])> {
        let old = old.get(n * self.row..)?;
        let old = &old[..old.len().min(self.row)];
        if !*self.begun.get(n)? {
            self.begin(n, old);
        }
        Some((self.all.get_mut(n * self.row..n * self.row + old.len())?, old))
    }
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
    fn from(changes: &'c Changes, lo: usize, row: usize) -> Self {
        let (at, columns, all) = match changes {
            Changes::Part(Part { rows, columns, .. }, values) => (rows, Some(columns.as_slice()), values),
            Changes::Elements(at, values) => (at, None, values),
            Changes::Full(_) => return Self { at: &[], columns: None, values: &[] },
        };
        let before = at.partition_point(|k| (*k as usize) < if columns.is_some() { lo / row } else { lo });
        let values = T::slice(all).get(before * columns.map_or(1, <[u32]>::len)..).unwrap_or_default();
        Self { at: &at[before..], columns, values }
    }

    /// Adds those of the rows `old`, which begin at element `first`, to their sums.
    fn add(&mut self, first: usize, old: &[T], sums: &mut Sums) {
        let (row, end) = (sums.row, first + old.len());
        if let Some(columns) = self.columns {
            let (first_row, end_row) = (first / row, end.div_ceil(row) as u32);
            while let Some((r, at)) = self.at.split_first()
                && *r < end_row
            {
                let (values, rest) = self.values.split_at(columns.len().min(self.values.len()));
                (self.at, self.values) = (at, rest);
                let Some((sums, old)) = sums.row(*r as usize - first_row, old) else { continue };
                for (c, x) in columns.iter().zip(values) {
                    if let (Some(sum), Some(x0)) = (sums.get_mut(*c as usize), old.get(*c as usize)) {
                        *sum += x.f64() - x0.f64();
                    }
                }
            }
            return;
        }
        while let Some(n) = self.at.first().map(|k| *k as usize).filter(|k| *k < end).map(|k| (k - first) / row) {
            let start = first + n * row;
            let count = self.at.partition_point(|k| (*k as usize) < start + row);
            let (at, values) = (&self.at[..count], self.values.split_at(count.min(self.values.len())));
            (self.at, self.values) = (&self.at[count..], values.1);
            let Some((sums, old)) = sums.row(n, old) else { continue };
            for (k, x) in at.iter().zip(values.0) {
                let k = *k as usize - start;
                if let (Some(sum), Some(x0)) = (sums.get_mut(k), old.get(k)) {
                    *sum += x.f64() - x0.f64();
                }
            }
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
