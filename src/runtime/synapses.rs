//! The values and delays of the synapses of one projection, computed row by row, in parallel, and written straight into the arrays that the
//! network keeps: while a large network is built there is no second copy of anything that grows with the synapses.

use std::ops::Range;

use rayon::prelude::*;

use super::runs::{Part, Runs, key};
use super::values::{BadDelays, Bounds, CHUNK, Ends, Maker, Set, Values};
use crate::backend::Buf;
use crate::codegen::layout::{RunWidth, padded};
use crate::connect::{Adjacency, ConnectError, blocks_of_rows};
use crate::diag::{Code, Diagnostic};
use crate::hir::{DelayKind, Expr, VarId};
use crate::lir::Scalar;
use crate::pages;

/// What has been computed of a projection.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// By variable: one value per synapse (sparse: padded, repeating the last; dense: pre × post, row by row), or a single one where the
    /// variable lives with a neuron.
    pub values: Vec<Option<Buf>>,
    /// By variable.
    pub bounds: Bounds,
    /// Axonal delays, where they differ.
    pub axonal: Option<Runs>,
    /// Axonal delays where they differ, one per synapse, where what is injected needs them.
    pub axonal_steps: Option<Vec<u32>>,
    /// Dendritic delays where they differ: as `on post` needs them, and one per synapse.
    pub dendritic: Option<(Option<Runs>, Vec<u32>)>,
    /// For synapses that are stored by delay: see [`Ties`].
    pub ties: Option<Ties>,
}

/// Where synapses are stored by delay, those of a row no longer stand in the order of their numbers, which is by post neuron. Sorting by
/// post neuron gives that order back, but for several synapses of one pair: the place in storage and the number of such, where the two
/// orders differ.
pub type Ties = Vec<(u32, u32)>;

/// How to make the synapses of one projection.
pub(super) struct Job<'a> {
    pub(super) set: &'a Set<'a>,
    /// Ends of the elements, or of dense projections.
    pub(super) ends: &'a Ends<'a>,
    /// The floats that are kept.
    pub(super) float: Scalar,
    /// Axonal and dendritic delays where synapses differ in them.
    pub(super) delays: [Option<&'a Expr>; 2],
    /// Whether spikes of pre neurons reach the synapses.
    pub(super) hears: bool,
    /// Whether the synapses inject what reaches them by axonal delays.
    pub(super) injects: bool,
    /// Whether synapses are stored by axonal delay.
    pub(super) by_delay: bool,
    /// The variables that hold the axonal and the dendritic delays, if some do.
    pub(super) delay_vars: [Option<VarId>; 2],
    /// Whether protocols change them.
    pub(super) changing_delays: [bool; 2],
    /// Whether `on post` needs the dendritic delays by post neuron.
    pub(super) needs_columns: bool,
    /// Neurons of the post population.
    pub(super) post_size: u32,
}

/// Computes everything; `rows` are the synapses of a sparse projection, which may be put in the order of their delays.
pub(super) fn make(job: &Job<'_>, mut rows: Option<&mut Adjacency>) -> Result<Made, Diagnostic> {
    let set = job.set;
    let n = set.count;
    let sparse = rows.is_some();
    let expressions: Vec<&Expr> = job.delays.iter().flatten().copied().collect();
    let maker = match &rows {
        None => set.maker(job.ends, &expressions)?,
        Some(rows) => {
            let pre = |k: u64| pre_of(&rows.row_start, k);
            let post = |k: u64| rows.post.get(k as usize).map_or(0, |j| u64::from(*j));
            set.maker(&Ends { pre: &pre, post: &post, ..*job.ends }, &expressions)?
        }
    };
    let mut made = Made { values: vec![None; set.vars.len()], bounds: maker.bounds.clone(), ..Made::default() };
    for (k, constant) in set.constants.iter().enumerate() {
        if constant.is_none() && !(job.ends.single)(crate::hir::VarId(k as u32)) {
            let len = if sparse { padded(n) } else { n };
            made.values[k] = Some(Buf::zeros(job.float, len as usize));
        }
    }
    let kept = [job.delays[0].is_some() && !job.by_delay, job.delays[1].is_some()];
    let mut steps = kept.map(|kept| pages::zeroed::<u32>(if kept { n as usize } else { 0 }));

    let (row_start, post) = match rows.as_deref_mut() {
        None => (&[][..], &mut [][..]),
        Some(rows) => (rows.row_start.as_slice(), rows.post.as_mut_slice()),
    };
    let chunks = chunks(n, sparse.then_some(row_start));
    let runs: Vec<usize> = if job.by_delay {
        chunks.iter().map(|(elements, rows)| Part::room((elements.end - elements.start) as usize, rows.len())).collect()
    } else {
        vec![0; chunks.len()]
    };
    let mut room = pages::zeroed::<i32>(runs.iter().sum());
    let pieces = split(&chunks, &mut made.values, &mut steps, post, (&runs, &mut room));
    let results: Vec<Result<Done, Diagnostic>> =
        pieces.into_par_iter().map(|piece| one(job, &maker, row_start, piece)).collect();

    let mut bad = [BadDelays::default(); 2];
    let mut parts = Vec::with_capacity(results.len());
    let mut ties = Vec::new();
    for result in results {
        let done = result?;
        bad[0].add(done.bad[0]);
        bad[1].add(done.bad[1]);
        ties.extend(done.ties);
        parts.push(done.part);
    }
    for ((bad, e), kind) in bad.into_iter().zip(job.delays).zip(DelayKind::ALL) {
        if let (true, Some(e)) = (bad.count > 0, e) {
            return Err(bad.fault(e, kind.name(), n));
        }
    }
    for (v, x) in maker.singles() {
        let mut one = Buf::zeros(Scalar::F64, 1);
        one.set_f64(0, x);
        made.values[v.index()] = Some(one);
    }
    if sparse {
        for values in made.values.iter_mut().flatten() {
            repeat_last(values, n as usize);
        }
    }
    if job.by_delay {
        made.axonal = Some(Runs::join_packed(parts, room, &runs));
        made.ties = Some(ties);
    }
    made.dendritic = kept[1].then(|| (None, std::mem::take(&mut steps[1])));
    // Synapses that stay in the order of their numbers.
    if let Some(rows) = rows {
        if kept[0] && job.hears {
            let mut runs = Runs::by_pre(&rows.row_start, &steps[0]);
            if job.changing_delays[0] {
                // Any delays that come later fit.
                runs.list.widen(RunWidth::Pair);
            }
            made.axonal = Some(runs);
        }
        if let (true, Some((runs, steps))) = (job.needs_columns, &mut made.dendritic) {
            let bug = |e: ConnectError| Diagnostic::without_span(Code::E0900, e.to_string());
            let made = runs.insert(Runs::by_post(rows, steps, job.post_size).map_err(bug)?);
            if job.changing_delays[1] {
                made.list.widen(RunWidth::Pair);
            }
        }
    }
    made.axonal_steps = (kept[0] && job.injects).then(|| std::mem::take(&mut steps[0]));
    Ok(made)
}

/// The pre neuron of synapse `k`.
pub(super) fn pre_of(row_start: &[u32], k: u64) -> u64 {
    row_start.partition_point(|start| u64::from(*start) <= k).saturating_sub(1) as u64
}

/// Elements of each chunk: whole rows of sparse projections.
fn chunks(n: u64, row_start: Option<&[u32]>) -> Vec<(Range<u64>, Range<usize>)> {
    match row_start {
        None => (0..n).step_by(CHUNK as usize).map(|k| (k..(k + CHUNK).min(n), 0..0)).collect(),
        Some(starts) => blocks_of_rows(starts, CHUNK as usize)
            .into_iter()
            .map(|rows| (u64::from(starts[rows.start])..u64::from(starts[rows.end]), rows))
            .collect(),
    }
}

/// What one worker writes at a time.
struct Piece<'p> {
    elements: Range<u64>,
    rows: Range<usize>,
    post: &'p mut [u32],
    values: Vec<Option<Slots<'p>>>,
    steps: [&'p mut [u32]; 2],
    /// Where its runs go.
    runs: &'p mut [i32],
}

enum Slots<'p> {
    F32(&'p mut [f32]),
    F64(&'p mut [f64]),
}

impl Slots<'_> {
    /// Writes the values in the given order.
    fn write(&mut self, values: &[f64], order: Option<&[u32]>) {
        let at = |k: usize| values[order.map_or(k, |o| o[k] as usize)];
        match self {
            Self::F32(slots) => slots.iter_mut().enumerate().for_each(|(k, x)| *x = at(k) as f32),
            Self::F64(slots) => slots.iter_mut().enumerate().for_each(|(k, x)| *x = at(k)),
        }
    }
}

fn split<'p>(
    chunks: &[(Range<u64>, Range<usize>)],
    values: &'p mut [Option<Buf>],
    steps: &'p mut [Vec<u32>; 2],
    post: &'p mut [u32],
    (runs, room): (&[usize], &'p mut [i32]),
) -> Vec<Piece<'p>> {
    let mut values: Vec<Option<Slots<'p>>> = values
        .iter_mut()
        .map(|buf| match buf {
            Some(Buf::F32(v)) => Some(Slots::F32(v)),
            Some(Buf::F64(v)) => Some(Slots::F64(v)),
            _ => None,
        })
        .collect();
    let mut steps = steps.each_mut().map(Vec::as_mut_slice);
    let mut post = post;
    let mut room = room;
    let mut out = Vec::with_capacity(chunks.len());
    for ((elements, rows), words) in chunks.iter().zip(runs) {
        let n = (elements.end - elements.start) as usize;
        out.push(Piece {
            elements: elements.clone(),
            rows: rows.clone(),
            post: take(&mut post, n),
            values: values
                .iter_mut()
                .map(|slots| match slots {
                    Some(Slots::F32(v)) => Some(Slots::F32(take(v, n))),
                    Some(Slots::F64(v)) => Some(Slots::F64(take(v, n))),
                    None => None,
                })
                .collect(),
            steps: steps.each_mut().map(|s| take(s, n)),
            runs: take(&mut room, *words),
        });
    }
    out
}

/// The first `n` elements, or none if there are not so many.
fn take<'p, T>(all: &mut &'p mut [T], n: usize) -> &'p mut [T] {
    let n = if all.len() < n { 0 } else { n };
    let (first, rest) = std::mem::take(all).split_at_mut(n);
    *all = rest;
    first
}

#[derive(Default)]
struct Done {
    bad: [BadDelays; 2],
    part: Part,
    ties: Ties,
}

/// Computes one chunk.
fn one(job: &Job<'_>, maker: &Maker<'_, '_>, row_start: &[u32], piece: Piece<'_>) -> Result<Done, Diagnostic> {
    let Piece { elements, rows, post, mut values, steps, runs } = piece;
    let mut done = Done::default();
    let starts = if row_start.is_empty() { &[][..] } else { &row_start[rows.start..=rows.end] };
    let first = elements.start;
    let mut delays = [Vec::new(), Vec::new()];
    let found: Values = {
        let pre = |k: u64| rows.start as u64 + pre_of(starts, k);
        let post = |k: u64| post.get((k - first) as usize).map_or(0, |j| u64::from(*j));
        let own = Ends { pre: &pre, post: &post, ..*job.ends };
        let ends = if starts.is_empty() { *job.ends } else { own };
        let mut found = maker.chunk(&ends, elements.clone())?;
        for (k, (e, kind)) in job.delays.iter().zip(DelayKind::ALL).enumerate() {
            if let Some(e) = e {
                (delays[k], done.bad[k]) = maker.delays(&ends, e, kind, &found, elements.clone())?;
            }
        }
        let dt = job.set.model.settings.dt;
        for (v, delays) in job.delay_vars.into_iter().zip(&delays) {
            if let Some(Some(values)) = v.and_then(|v| found.get_mut(v.index())) {
                *values = delays.iter().map(|steps| f64::from(*steps) * dt).collect();
            }
        }
        found
    };
    let mut order = None;
    if job.by_delay {
        let places = by_delay(starts, &delays[0], post, &mut done);
        done.part.pack(runs);
        let old = post.to_vec();
        post.iter_mut().zip(&places).for_each(|(j, k)| *j = old[*k as usize]);
        order = Some(places);
    }
    for (slots, found) in values.iter_mut().zip(&found) {
        if let (Some(slots), Some(found)) = (slots, found) {
            slots.write(found, order.as_deref());
        }
    }
    for (kept, steps) in steps.into_iter().zip(&delays) {
        if !kept.is_empty() {
            kept.copy_from_slice(steps);
        }
    }
    Ok(done)
}

/// The synapses of a chunk in the order of their delays within each row; notes the runs, and the ties among those with one target.
fn by_delay(starts: &[u32], delays: &[u32], post: &[u32], done: &mut Done) -> Vec<u32> {
    let mut order = Vec::with_capacity(delays.len());
    let mut keys = Vec::new();
    let mut place = Vec::new();
    let base = starts.first().copied().unwrap_or(0);
    for ends in starts.windows(2) {
        let (lo, hi) = (ends[0] - base, ends[1] - base);
        keys.clear();
        keys.extend((lo..hi).map(|k| key(delays[k as usize], k)));
        done.part.add(&mut keys);
        place.clear();
        place.resize((hi - lo) as usize, 0);
        for (at, key) in (lo..).zip(&keys) {
            let k = *key as u32;
            order.push(k);
            place[(k - lo) as usize] = at;
        }
        let row = &post[lo as usize..hi as usize];
        let mut k = 0;
        for same in row.chunk_by(|a, b| a == b) {
            let places = &place[k..k + same.len()];
            if !places.is_sorted() {
                done.ties.extend(places.iter().zip(k as u32 + ends[0]..).map(|(at, number)| (at + base, number)));
            }
            k += same.len();
        }
    }
    order
}

/// Numbers of synapses that are stored by delay: the place in storage of each number.
#[must_use]
pub fn places(row_start: &[i32], post: &[i32], ties: &Ties) -> Vec<u32> {
    let mut number: Vec<u64> = (0..post.len() as u64).collect();
    for (at, k) in ties {
        if let Some(n) = number.get_mut(*at as usize) {
            *n = u64::from(*k);
        }
    }
    let mut out: Vec<u32> = (0..post.len() as u32).collect();
    for ends in row_start.windows(2) {
        if let Some(row) = out.get_mut(ends[0] as usize..ends[1] as usize) {
            row.sort_unstable_by_key(|at| (post[*at as usize], number[*at as usize]));
        }
    }
    out
}

/// The padding repeats the last value, so that it computes what a synapse could.
fn repeat_last(values: &mut Buf, n: usize) {
    let Some(last) = n.checked_sub(1).and_then(|k| values.get_f64(k)) else { return };
    for k in n..values.len() {
        values.set_f64(k, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the delays, the numbers of synapses come back, also of those that share both ends.
    #[test]
    fn numbers_of_synapses_stored_by_delay_come_back() {
        let starts = [0_u32, 5, 5, 12];
        let post = [1, 1, 1, 4, 9, 0, 2, 2, 2, 2, 3, 3];
        for seed in 0..200_u64 {
            let delays: Vec<u32> =
                (0..12).map(|k| (crate::rng::splitmix64(seed * 12 + k) % (1 + seed % 5)) as u32).collect();
            let mut done = Done::default();
            let order = by_delay(&starts, &delays, &post, &mut done);
            let stored: Vec<i32> = order.iter().map(|k| post[*k as usize] as i32).collect();
            let starts: Vec<i32> = starts.iter().map(|s| *s as i32).collect();
            for (number, at) in places(&starts, &stored, &done.ties).into_iter().enumerate() {
                assert_eq!(order[at as usize] as usize, number, "seed {seed}");
            }
        }
    }
}
