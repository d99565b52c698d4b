//! `edges("file")`: synapses listed one by one.

use super::adjacency::Rows;
use super::{Adjacency, Arguments, Candidates, ConnectError, Param, ParamKind, Pattern, Side};
use crate::rng::Stream;

/// Index pairs in the whole populations, one entry an edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeList {
    /// Pre indices.
    pub pre: Vec<i64>,
    /// Post indices, as many.
    pub post: Vec<i64>,
}

/// The edges of a list that pass the filter; duplicates stay.
pub(super) struct Edges;

impl Edges {
    fn list<'a>(&self, a: &Arguments<'a>) -> Result<&'a EdgeList, ConnectError> {
        a.edges.ok_or_else(|| ConnectError::Argument("edges needs a file of edges".to_owned()))
    }
}

impl Pattern for Edges {
    fn name(&self) -> &'static str {
        "edges"
    }

    fn about(&self) -> &'static str {
        "The synapses are listed in a `.npz` file with the integer arrays `pre` and `post`; its other columns are `edge.NAME` in the arguments of the synapse."
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param { name: "file", kind: ParamKind::EdgeFile, default: None }] }
    }

    fn expected_synapses(&self, a: &Arguments<'_>, _: usize, _: usize) -> Result<f64, ConnectError> {
        Ok(self.list(a)?.pre.len() as f64)
    }

    fn choose(&self, a: &Arguments<'_>, c: &Candidates<'_>, _: Stream) -> Result<Adjacency, ConnectError> {
        let list = self.list(a)?;
        if list.pre.len() != list.post.len() {
            return Err(ConnectError::Ragged { pre: list.pre.len(), post: list.post.len() });
        }
        if list.pre.len() > u32::MAX as usize {
            return Err(ConnectError::TooLarge(list.pre.len() as f64));
        }
        let mut kept = Vec::with_capacity(list.pre.len());
        for (edge, (&pre, &post)) in list.pre.iter().zip(&list.post).enumerate() {
            let pre = index(Side::Pre, pre, c.pre_size, c.pre, edge)?;
            let post = index(Side::Post, post, c.post_size, c.post, edge)?;
            if c.admits(pre, post)? {
                kept.push((pre, post, edge as u32));
            }
        }
        // The row of the list is part of the key: equal pairs stay in its order.
        kept.sort_unstable();
        let mut rows = Rows::new(c.pre_size, kept.len() as f64);
        let mut current = None;
        for &(pre, post, _) in &kept {
            if current != Some(pre) {
                rows.begin(pre);
                current = Some(pre);
            }
            rows.push(post)?;
        }
        let mut adjacency = rows.finish();
        adjacency.origin = Some(kept.into_iter().map(|(_, _, edge)| edge).collect());
        Ok(adjacency)
    }
}

fn index(side: Side, index: i64, size: u32, view: &[u32], edge: usize) -> Result<u32, ConnectError> {
    let found = u32::try_from(index).ok().filter(|&i| i < size);
    let found = found.ok_or(ConnectError::OutOfRange { side, index, size })?;
    if view.binary_search(&found).is_err() {
        return Err(ConnectError::OutsideView { side, index: found, edge });
    }
    Ok(found)
}
