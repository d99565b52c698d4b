//! Rows made in parallel, straight into their final arrays: pairs are counted, then placed, and each row is sorted. The result does not
//! depend on threads: of equal pairs nobody can tell which came first.

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use super::{Adjacency, ConnectError};
use crate::pages;

/// Synapses that a worker sorts at a time, at least.
const BLOCK: usize = 1 << 16;

/// Receives pairs (pre, post).
pub(super) type Sink<'a> = dyn Fn(u32, u32) + 'a;

/// Rows from pairs in any order. `each` hands the pairs of one part over; it is asked twice for every part and must give the same pairs.
///
/// # Errors
/// More pairs than can be numbered; a pre index that is not below `pre_size`.
pub(super) fn scatter(
    pre_size: u32,
    parts: usize,
    each: impl Fn(usize, &Sink<'_>) + Sync,
) -> Result<Adjacency, ConnectError> {
    let next: Vec<AtomicU32> = (0..=pre_size).map(|_| AtomicU32::new(0)).collect();
    // What lies outside is counted in the last cell.
    let cell = |pre: u32| next.get(pre as usize).or_else(|| next.last());
    (0..parts).into_par_iter().for_each(|part| {
        each(part, &|pre, _| {
            if let Some(n) = cell(pre) {
                n.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    let mut row_start = Vec::with_capacity(pre_size as usize + 1);
    let mut sum = 0_u64;
    for n in &next {
        row_start.push(sum as u32);
        let count = n.load(Ordering::Relaxed);
        n.store(sum as u32, Ordering::Relaxed);
        sum += u64::from(count);
    }
    let inside = row_start.last().map_or(0, |n| u64::from(*n));
    if sum > u64::from(u32::MAX) {
        return Err(ConnectError::TooLarge(sum as f64));
    }
    if inside != sum {
        return Err(ConnectError::Internal("a synapse from a neuron that does not exist"));
    }
    let mut post: Vec<AtomicU32> = pages::with_capacity(sum as usize);
    post.extend((0..sum).map(|_| AtomicU32::new(0)));
    (0..parts).into_par_iter().for_each(|part| {
        each(part, &|pre, target| {
            let place = cell(pre).map(|n| n.fetch_add(1, Ordering::Relaxed));
            if let Some(slot) = place.and_then(|k| post.get(k as usize)) {
                slot.store(target, Ordering::Relaxed);
            }
        });
    });
    let mut post: Vec<u32> = post.into_iter().map(AtomicU32::into_inner).collect();
    sort_rows(&row_start, &mut post);
    Ok(Adjacency { row_start, post, origin: None })
}

/// Sorts every row.
fn sort_rows(row_start: &[u32], post: &mut [u32]) {
    let mut blocks = Vec::new();
    let mut rest = post;
    for rows in blocks_of_rows(row_start, BLOCK) {
        let starts = &row_start[rows.start..=rows.end];
        let (block, after) = rest.split_at_mut((starts[starts.len() - 1] - starts[0]) as usize);
        blocks.push((starts, block));
        rest = after;
    }
    blocks.into_par_iter().for_each(|(starts, mut block)| {
        for ends in starts.windows(2) {
            let (row, after) = std::mem::take(&mut block).split_at_mut((ends[1] - ends[0]) as usize);
            row.sort_unstable();
            block = after;
        }
    });
}

/// Successive ranges of rows that hold at least `least` synapses each (but for the last), and all rows.
#[must_use]
pub fn blocks_of_rows(row_start: &[u32], least: usize) -> Vec<std::ops::Range<usize>> {
    let mut out = Vec::new();
    let rows = row_start.len().saturating_sub(1);
    let mut from = 0;
    for to in 1..=rows {
        if (row_start[to] - row_start[from]) as usize >= least || to == rows {
            out.push(from..to);
            from = to;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_sorted_pairs() {
        let pairs: Vec<(u32, u32)> = (0..200_000_u32).map(|k| (k.wrapping_mul(2_654_435_761) % 97, k % 101)).collect();
        let found = scatter(100, 7, |part, sink| {
            for (pre, post) in pairs.iter().skip(part).step_by(7) {
                sink(*pre, *post);
            }
        })
        .unwrap();
        let mut sorted = pairs;
        sorted.sort_unstable();
        assert_eq!(found.post, sorted.iter().map(|p| p.1).collect::<Vec<_>>());
        assert_eq!(found.pre().collect::<Vec<_>>(), sorted.iter().map(|p| p.0).collect::<Vec<_>>());
        assert!(scatter(3, 1, |_, sink| sink(3, 0)).is_err());
        assert!(scatter(3, 0, |_, _| {}).unwrap().is_empty());
    }

    #[test]
    fn blocks_cover_all_rows_once() {
        assert_eq!(blocks_of_rows(&[0, 3, 3, 9, 10, 10], 4), [0..3, 3..5]);
        assert_eq!(blocks_of_rows(&[0, 0, 0], 4), std::slice::from_ref(&(0..2)));
        assert!(blocks_of_rows(&[0], 4).is_empty());
    }
}
