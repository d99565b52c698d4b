//! Rules without chance: every pair, and pairs of equal position.

use super::adjacency::Rows;
use super::{Adjacency, Arguments, Candidates, ConnectError, Param, Pattern};
use crate::rng::Stream;

/// Every candidate pair once.
pub(super) struct AllToAll;

impl Pattern for AllToAll {
    fn name(&self) -> &'static str {
        "all_to_all"
    }

    fn about(&self) -> &'static str {
        "Every pair of a source and a target has one synapse."
    }

    fn params(&self) -> &'static [Param] {
        &[]
    }

    fn expected_synapses(&self, _: &Arguments<'_>, pre: usize, post: usize) -> Result<f64, ConnectError> {
        Ok(pre as f64 * post as f64)
    }

    fn choose(&self, a: &Arguments<'_>, c: &Candidates<'_>, _: Stream) -> Result<Adjacency, ConnectError> {
        let mut rows = Rows::new(c.pre_size, self.expected_synapses(a, c.pre.len(), c.post.len())?);
        for &pre in c.pre {
            rows.begin(pre);
            for &post in c.post {
                if c.admits(pre, post)? {
                    rows.push(post)?;
                }
            }
        }
        Ok(rows.finish())
    }
}

/// The k-th element of the source with the k-th of the target.
pub(super) struct OneToOne;

impl Pattern for OneToOne {
    fn name(&self) -> &'static str {
        "one_to_one"
    }

    fn about(&self) -> &'static str {
        "Neurons of equal position in both populations (or views) are connected."
    }

    fn params(&self) -> &'static [Param] {
        &[]
    }

    fn expected_synapses(&self, _: &Arguments<'_>, pre: usize, post: usize) -> Result<f64, ConnectError> {
        Ok(pre.min(post) as f64)
    }

    fn choose(&self, _: &Arguments<'_>, c: &Candidates<'_>, _: Stream) -> Result<Adjacency, ConnectError> {
        if c.pre.len() != c.post.len() {
            return Err(ConnectError::SizesDiffer { pre: c.pre.len(), post: c.post.len() });
        }
        let mut rows = Rows::new(c.pre_size, c.pre.len() as f64);
        for (&pre, &post) in c.pre.iter().zip(c.post) {
            rows.begin(pre);
            if c.admits(pre, post)? {
                rows.push(post)?;
            }
        }
        Ok(rows.finish())
    }
}
