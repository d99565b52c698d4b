//! Rules that fix a number of synapses: by target, by source, or in all.
//!
//! Without `multapses` no pair repeats: Floyd's algorithm (Bentley & Floyd 1987, CACM 30(9)) draws k of n in k draws.
//! Draws come from the stream's element of the neuron whose degree is fixed, under a tag of the rule's own.

use std::collections::HashSet;

use rayon::prelude::*;

use super::adjacency::from_pairs;
use super::scatter::scatter;
use super::{Adjacency, Arguments, Candidates, ConnectError, Param, ParamKind, Pattern, Value};
use crate::pages;
use crate::rng::{Stream, UniformSeq};

const DEGREE_PARAMS: &[Param] = &[
    Param { name: "k", kind: ParamKind::Count, default: None },
    Param { name: "multapses", kind: ParamKind::Bool, default: Some(Value::Bool(false)) },
];

/// `k` synapses onto every target.
pub(super) struct FixedIndegree;
/// `k` synapses from every source.
pub(super) struct FixedOutdegree;
/// `n` synapses in all; pairs may repeat unless `multapses = false`.
pub(super) struct FixedTotal;

impl Pattern for FixedIndegree {
    fn name(&self) -> &'static str {
        "fixed_indegree"
    }

    fn about(&self) -> &'static str {
        "Every target receives `k` synapses from sources chosen at random, without repetition unless `multapses = true`."
    }

    fn params(&self) -> &'static [Param] {
        DEGREE_PARAMS
    }

    fn expected_synapses(&self, a: &Arguments<'_>, _: usize, post: usize) -> Result<f64, ConnectError> {
        Ok(a.count(self, "k")? as f64 * post as f64)
    }

    fn choose(&self, a: &Arguments<'_>, c: &Candidates<'_>, stream: Stream) -> Result<Adjacency, ConnectError> {
        let admits = |post, pre| c.admits(pre, post);
        let admits = c.filter.is_some().then_some(&admits as _);
        let sources = fixed_degree(self, a, c.post, c.pre, stream.sub(1), "onto", admits)?;
        let k = a.count(self, "k")? as usize;
        if k == 0 {
            return from_pairs(c.pre_size, Vec::new());
        }
        scatter(c.pre_size, c.post.len().div_ceil(CHUNK), |part, sink| {
            let owners = c.post.iter().zip(sources.chunks(k)).skip(part * CHUNK).take(CHUNK);
            for (&post, sources) in owners {
                sources.iter().for_each(|pre| sink(*pre, post));
            }
        })
    }
}

impl Pattern for FixedOutdegree {
    fn name(&self) -> &'static str {
        "fixed_outdegree"
    }

    fn about(&self) -> &'static str {
        "Every source makes `k` synapses onto targets chosen at random, without repetition unless `multapses = true`."
    }

    fn params(&self) -> &'static [Param] {
        DEGREE_PARAMS
    }

    fn expected_synapses(&self, a: &Arguments<'_>, pre: usize, _: usize) -> Result<f64, ConnectError> {
        Ok(a.count(self, "k")? as f64 * pre as f64)
    }

    fn choose(&self, a: &Arguments<'_>, c: &Candidates<'_>, stream: Stream) -> Result<Adjacency, ConnectError> {
        let admits = |pre, post| c.admits(pre, post);
        let admits = c.filter.is_some().then_some(&admits as _);
        let mut post = fixed_degree(self, a, c.pre, c.post, stream.sub(2), "from", admits)?;
        let k = a.count(self, "k")? as usize;
        post.par_chunks_mut(k.max(1)).for_each(<[u32]>::sort_unstable);
        let mut row_start = vec![0; c.pre_size as usize + 1];
        for &pre in c.pre {
            row_start[pre as usize + 1] = k as u32;
        }
        let mut sum = 0;
        for start in &mut row_start {
            sum += *start;
            *start = sum;
        }
        Ok(Adjacency { row_start, post, origin: None })
    }
}

/// Owners that a worker takes at a time.
const CHUNK: usize = 256;

/// The `k` partners of every neuron of `owners`, in the order of the owners and as drawn. Every owner has draws of its own, so the owners
/// are dealt with in parallel.
fn fixed_degree(
    rule: &dyn Pattern,
    arguments: &Arguments<'_>,
    owners: &[u32],
    partners: &[u32],
    stream: Stream,
    direction: &str,
    admits: Option<&(dyn Fn(u32, u32) -> Result<bool, ConnectError> + Sync)>,
) -> Result<Vec<u32>, ConnectError> {
    let k = arguments.count(rule, "k")?;
    let multapses = arguments.bool(rule, "multapses")?;
    let name = rule.name();
    let total = k as f64 * owners.len() as f64;
    if total > f64::from(u32::MAX) {
        return Err(ConnectError::TooLarge(total));
    }
    if k == 0 {
        return Ok(Vec::new());
    }
    let chunk = |(owners, out): (&[u32], &mut [u32])| -> Result<(), ConnectError> {
        let mut allowed = Vec::new();
        let mut chosen = Chosen::default();
        let mut tried = Vec::new();
        for (&owner, out) in owners.iter().zip(out.chunks_mut(k as usize)) {
            let mut draws = stream.uniforms(u64::from(owner));
            if let Some(admits) = admits
                && drawn_again(&mut draws, partners, k, multapses, &mut tried, &mut |partner| admits(owner, partner))?
            {
                out.copy_from_slice(&tried);
                continue;
            }
            let allowed = match admits {
                None => partners,
                Some(admits) => {
                    allowed.clear();
                    for &partner in partners {
                        if admits(owner, partner)? {
                            allowed.push(partner);
                        }
                    }
                    &allowed
                }
            };
            let found = allowed.len() as u64;
            if found == 0 || (!multapses && k > found) {
                let place = format!("{direction} neuron {owner}");
                return Err(ConnectError::TooFew { rule: name, place, wanted: k, found });
            }
            for (rank, partner) in chosen.draw(&mut draws, k, found, multapses).iter().zip(out) {
                *partner = allowed[*rank as usize];
            }
        }
        Ok(())
    };
    let mut out = pages::zeroed::<u32>(k as usize * owners.len());
    // The first fault in the order of the owners is reported, whichever worker finds one first.
    let parts: Vec<Result<(), ConnectError>> =
        owners.par_chunks(CHUNK).zip(out.par_chunks_mut(CHUNK * k as usize)).map(chunk).collect();
    parts.into_iter().collect::<Result<(), _>>()?;
    Ok(out)
}

/// Draws `k` partners that a filter admits by drawing again whatever it does not admit (or has been drawn), without a look at all partners;
/// `false` if that would take too long. All admitted partners are treated alike, whether it succeeds or not, so that the choice is uniform
/// among the sets of them, as that from a list is.
fn drawn_again(
    draws: &mut UniformSeq,
    partners: &[u32],
    k: u64,
    multapses: bool,
    out: &mut Vec<u32>,
    admits: &mut dyn FnMut(u32) -> Result<bool, ConnectError>,
) -> Result<bool, ConnectError> {
    out.clear();
    let n = partners.len() as u64;
    // A list is as good where a good part of it is wanted.
    if n < 32 || k.saturating_mul(4) > n {
        return Ok(false);
    }
    let mut seen: HashSet<u64> = HashSet::new();
    let mut left = 8 * k + 64;
    while (out.len() as u64) < k {
        if left == 0 {
            return Ok(false);
        }
        left -= 1;
        let rank = draws.below(n);
        let Some(&partner) = partners.get(rank as usize) else { continue };
        if (multapses || !seen.contains(&rank)) && admits(partner)? {
            seen.insert(rank);
            out.push(partner);
        }
    }
    Ok(true)
}

impl Pattern for FixedTotal {
    fn name(&self) -> &'static str {
        "fixed_total"
    }

    fn about(&self) -> &'static str {
        "`n` synapses in all, each between a source and a target chosen at random; a pair may repeat."
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param { name: "n", kind: ParamKind::Count, default: None },
                Param { name: "multapses", kind: ParamKind::Bool, default: Some(Value::Bool(true)) },
            ]
        }
    }

    fn expected_synapses(&self, a: &Arguments<'_>, _: usize, _: usize) -> Result<f64, ConnectError> {
        Ok(a.count(self, "n")? as f64)
    }

    fn choose(&self, a: &Arguments<'_>, c: &Candidates<'_>, stream: Stream) -> Result<Adjacency, ConnectError> {
        let n = a.count(self, "n")?;
        let multapses = a.bool(self, "multapses")?;
        if n > u64::from(u32::MAX) {
            return Err(ConnectError::TooLarge(n as f64));
        }
        if multapses && c.filter.is_none() && n > 0 {
            return pairs_at_random(self, n, c, stream.sub(3));
        }
        // The candidates before each row, so that a candidate's rank finds its row.
        let mut before = Vec::with_capacity(c.pre.len());
        let mut found = 0u64;
        for &pre in c.pre {
            before.push(found);
            found += admitted(c, pre)?.map_or(c.post.len(), |row| row.len()) as u64;
        }
        if n > 0 && (found == 0 || (!multapses && n > found)) {
            return Err(ConnectError::TooFew { rule: self.name(), place: "in all".to_owned(), wanted: n, found });
        }
        let mut chosen = Chosen::default();
        let mut ranks = chosen.draw(&mut stream.sub(3).uniforms(0), n, found, multapses).to_vec();
        ranks.sort_unstable();
        let mut pairs = Vec::with_capacity(ranks.len());
        let mut ranks = ranks.into_iter().peekable();
        for (place, &pre) in c.pre.iter().enumerate() {
            let end = before.get(place + 1).copied().unwrap_or(found);
            if ranks.peek().is_none_or(|&rank| rank >= end) {
                continue;
            }
            let row = admitted(c, pre)?;
            let row = row.as_deref().unwrap_or(c.post);
            while let Some(rank) = ranks.next_if(|&rank| rank < end) {
                let post = row.get((rank - before[place]) as usize);
                pairs.push((pre, *post.ok_or(ConnectError::Internal("a filter gave two answers for one pair"))?));
            }
        }
        from_pairs(c.pre_size, pairs)
    }
}

/// `n` pairs of all, each drawn by itself: draw k of element 0 is the rank of the k-th, so that they are drawn in parallel.
fn pairs_at_random(rule: &dyn Pattern, n: u64, c: &Candidates<'_>, stream: Stream) -> Result<Adjacency, ConnectError> {
    /// Draws that a worker takes at a time.
    const DRAWS: u64 = 1 << 14;
    let (rows, columns) = (c.pre.len() as u64, c.post.len() as u64);
    let found = rows * columns;
    if found == 0 {
        return Err(ConnectError::TooFew { rule: rule.name(), place: "in all".to_owned(), wanted: n, found });
    }
    scatter(c.pre_size, n.div_ceil(DRAWS) as usize, |part, sink| {
        let first = part as u64 * DRAWS;
        let mut draws = stream.uniforms_from(0, first);
        for _ in first..(first + DRAWS).min(n) {
            let rank = draws.below(found);
            if let (Some(pre), Some(post)) =
                (c.pre.get((rank / columns) as usize), c.post.get((rank % columns) as usize))
            {
                sink(*pre, *post);
            }
        }
    })
}

/// The targets that the filter admits for `pre`; `None` when there is no filter.
fn admitted(c: &Candidates<'_>, pre: u32) -> Result<Option<Vec<u32>>, ConnectError> {
    if c.filter.is_none() {
        return Ok(None);
    }
    let mut row = Vec::new();
    for &post in c.post {
        if c.admits(pre, post)? {
            row.push(post);
        }
    }
    Ok(Some(row))
}

/// Draws ranks; keeps its memory between neurons.
#[derive(Default)]
struct Chosen {
    ranks: Vec<u64>,
    seen: Seen,
}

impl Chosen {
    /// `k` numbers below `n`, in the order drawn; all different unless `repeat`. Needs `k <= n` then, and `n > 0`.
    fn draw(&mut self, draws: &mut UniformSeq, k: u64, n: u64, repeat: bool) -> &[u64] {
        self.ranks.clear();
        if repeat {
            self.ranks.extend((0..k).map(|_| draws.below(n)));
        } else {
            self.seen.clear(k);
            for last in n - k..n {
                let rank = draws.below(last + 1);
                let rank = if self.seen.insert(rank) { rank } else { last };
                self.seen.insert(rank);
                self.ranks.push(rank);
            }
        }
        &self.ranks
    }
}

/// A set of numbers that is only asked for membership: open addressing in a table that stays at most half full.
#[derive(Default)]
struct Seen {
    /// A number and one, or 0 for an empty place. As long as a power of two.
    table: Vec<u64>,
    /// 64 less the logarithm of the length.
    shift: u32,
}

impl Seen {
    /// Empties it and makes room for `k` numbers.
    fn clear(&mut self, k: u64) {
        let places = (2 * k as usize).next_power_of_two().max(2);
        self.table.clear();
        self.table.resize(places, 0);
        self.shift = 64 - places.trailing_zeros();
    }

    /// Adds a number; whether it is new.
    fn insert(&mut self, x: u64) -> bool {
        let mask = self.table.len() - 1;
        // Fibonacci hashing: the upper bits of the product with 2^64 over the golden ratio.
        let mut place = (x.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize;
        loop {
            match self.table[place & mask] {
                0 => {
                    self.table[place & mask] = x + 1;
                    return true;
                }
                y if y == x + 1 => return false,
                _ => place += 1,
            }
        }
    }
}
