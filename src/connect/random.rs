//! `random(p)`: every candidate pair with probability p, independently.
//!
//! Each pre neuron skips along its targets by geometric gaps drawn from its own stream (element = pre index): the cost is
//! one draw a synapse, and rows do not depend on each other. Skipping over all targets and then rejecting those that
//! the filter refuses gives the same distribution as filtering first.

use rayon::prelude::*;

use super::adjacency::{Rows, from_pairs};
use super::{Adjacency, Arguments, Candidates, ConnectError, Param, ParamKind, Pattern, Value};
use crate::rng::Stream;
use crate::rng::math::{ln, ln_1p};

/// Every pair with probability `p`; with `symmetric`, both directions of a pair or none (gap junctions), never a neuron
/// with itself.
pub(super) struct Random;

impl Pattern for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn about(&self) -> &'static str {
        "Every candidate pair has a synapse with probability `p`, independently of the others; with `symmetric = true` in both directions or in none."
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param { name: "p", kind: ParamKind::Probability, default: None },
                Param { name: "symmetric", kind: ParamKind::Bool, default: Some(Value::Bool(false)) },
            ]
        }
    }

    fn expected_synapses(&self, a: &Arguments<'_>, pre: usize, post: usize) -> Result<f64, ConnectError> {
        Ok(a.probability(self, "p")? * pre as f64 * post as f64)
    }

    fn choose(&self, a: &Arguments<'_>, c: &Candidates<'_>, stream: Stream) -> Result<Adjacency, ConnectError> {
        let p = a.probability(self, "p")?;
        let expected = self.expected_synapses(a, c.pre.len(), c.post.len())?;
        if a.bool(self, "symmetric")? {
            return symmetric(p, c, stream);
        }
        /// Rows that a worker makes at a time.
        const CHUNK: usize = 256;
        let chunk = |pres: &[u32]| -> Result<(Vec<u32>, Vec<u32>), ConnectError> {
            let share = expected / c.pre.len().max(1) as f64 * pres.len() as f64;
            let mut post = Vec::with_capacity((share + 4.0 * share.sqrt()).clamp(0.0, 67_108_864.0) as usize);
            let mut ends = Vec::with_capacity(pres.len());
            for &pre in pres {
                for target in skip(p, pre, c.post, stream) {
                    if c.admits(pre, target)? {
                        post.push(target);
                    }
                }
                ends.push(post.len() as u32);
            }
            Ok((post, ends))
        };
        // Every row has draws of its own. The first fault in the order of the rows is reported, whichever worker finds one first.
        let parts: Vec<Result<_, ConnectError>> = c.pre.par_chunks(CHUNK).map(chunk).collect();
        let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
        let total: usize = parts.iter().map(|(post, _)| post.len()).sum();
        let mut rows = Rows::new(c.pre_size, 0.0);
        rows.reserve(total);
        for (pres, (post, ends)) in c.pre.chunks(CHUNK).zip(parts) {
            let mut from = 0;
            for (&pre, end) in pres.iter().zip(ends) {
                rows.begin(pre);
                rows.extend(post.get(from..end as usize).unwrap_or(&[]))?;
                from = end as usize;
            }
        }
        Ok(rows.finish())
    }
}

/// The targets that pre neuron `pre` hits, in order.
fn skip(p: f64, pre: u32, targets: &[u32], stream: Stream) -> impl Iterator<Item = u32> {
    // ln(1 - p): -inf for p = 1 (every quotient 0, no skip), 0 for p = 0 (infinite skips).
    let rate = ln_1p(-p);
    let mut draws = stream.uniforms(u64::from(pre));
    let mut at = 0usize;
    std::iter::from_fn(move || {
        let gap = if rate == 0.0 { f64::INFINITY } else { ln(draws.uniform()) / rate };
        if gap >= targets.len().saturating_sub(at) as f64 {
            at = targets.len();
            return None;
        }
        at += gap as usize;
        let hit = targets.get(at).copied();
        at += 1;
        hit
    })
}

fn symmetric(p: f64, c: &Candidates<'_>, stream: Stream) -> Result<Adjacency, ConnectError> {
    if c.pre_size != c.post_size || c.pre != c.post {
        return Err(ConnectError::Argument(
            "random(symmetric = true) needs the same neurons as source and target".to_owned(),
        ));
    }
    let mut pairs = Vec::new();
    for (place, &low) in c.pre.iter().enumerate() {
        for high in skip(p, low, &c.post[place + 1..], stream) {
            if c.admits(low, high)? && c.admits(high, low)? {
                pairs.push((low, high));
                pairs.push((high, low));
            }
        }
    }
    from_pairs(c.pre_size, pairs)
}
