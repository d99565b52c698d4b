//! The synapses of a projection as index arrays, by pre neuron and by post neuron.

use super::ConnectError;
use crate::pages;

/// Synapses by pre neuron (compressed rows over the whole pre population): those of `i` are
/// `post[row_start[i]..row_start[i + 1]]`, ascending; pairs may repeat. A synapse's number is its place in `post`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjacency {
    /// Length: size of the pre population + 1.
    pub row_start: Vec<u32>,
    /// Post index of every synapse.
    pub post: Vec<u32>,
    /// For edge lists: the row of the list that every synapse comes from.
    pub origin: Option<Vec<u32>>,
}

/// Synapses by post neuron: those onto `j` are numbers `syn[col_start[j]..col_start[j + 1]]`, ascending, with their pre
/// neurons beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostIndex {
    /// Length: size of the post population + 1.
    pub col_start: Vec<u32>,
    /// Numbers of synapses.
    pub syn: Vec<u32>,
    /// Their pre indices.
    pub pre: Vec<u32>,
}

impl Adjacency {
    /// Number of synapses.
    #[must_use]
    pub fn len(&self) -> usize {
        self.post.len()
    }

    /// Whether there is no synapse.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.post.is_empty()
    }

    /// Post indices of the synapses of pre neuron `pre`.
    #[must_use]
    pub fn row(&self, pre: u32) -> &[u32] {
        let k = pre as usize;
        match (self.row_start.get(k), self.row_start.get(k + 1)) {
            (Some(&start), Some(&end)) => self.post.get(start as usize..end as usize).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// The pre index of every synapse, in order.
    pub fn pre(&self) -> impl Iterator<Item = u32> {
        (0..)
            .zip(self.row_start.windows(2))
            .flat_map(|(index, ends)| std::iter::repeat_n(index, (ends[1] - ends[0]) as usize))
    }

    /// The same synapses by post neuron, for a post population of `post_size`.
    ///
    /// # Errors
    /// [`ConnectError::Internal`] if a post index is not below `post_size`.
    pub fn by_post(&self, post_size: u32) -> Result<PostIndex, ConnectError> {
        let mut col_start = vec![0u32; post_size as usize + 1];
        for &post in &self.post {
            *col_start
                .get_mut(post as usize + 1)
                .ok_or(ConnectError::Internal("a synapse onto a neuron that does not exist"))? += 1;
        }
        let mut sum = 0;
        for start in &mut col_start {
            sum += *start;
            *start = sum;
        }
        let mut next = col_start.clone();
        let (mut syn, mut pre) = (vec![0; self.len()], vec![0; self.len()]);
        for ((number, &post), source) in (0..).zip(&self.post).zip(self.pre()) {
            let place = &mut next[post as usize];
            syn[*place as usize] = number;
            pre[*place as usize] = source;
            *place += 1;
        }
        Ok(PostIndex { col_start, syn, pre })
    }
}

/// Collects rows in ascending order of pre neurons.
pub(super) struct Rows {
    row_start: Vec<u32>,
    post: Vec<u32>,
    pre_size: u32,
}

impl Rows {
    pub(super) fn new(pre_size: u32, expected: f64) -> Self {
        let mut row_start = Vec::with_capacity(pre_size as usize + 1);
        row_start.push(0);
        // A hint only: at most 2^26 places are asked for ahead.
        Self { row_start, post: pages::with_capacity(expected.clamp(0.0, 67_108_864.0) as usize), pre_size }
    }

    /// Starts the row of `pre`; rows in between stay empty.
    pub(super) fn begin(&mut self, pre: u32) {
        let end = self.post.len() as u32;
        self.row_start.resize(pre as usize + 1, end);
    }

    /// Adds a synapse to the current row.
    pub(super) fn push(&mut self, post: u32) -> Result<(), ConnectError> {
        if self.post.len() >= u32::MAX as usize {
            return Err(ConnectError::TooLarge(self.post.len() as f64));
        }
        self.post.push(post);
        Ok(())
    }

    /// Makes room for exactly so many more synapses.
    pub(super) fn reserve(&mut self, synapses: usize) {
        self.post.reserve_exact(synapses);
    }

    /// Adds synapses to the current row.
    pub(super) fn extend(&mut self, post: &[u32]) -> Result<(), ConnectError> {
        if self.post.len() + post.len() >= u32::MAX as usize {
            return Err(ConnectError::TooLarge((self.post.len() + post.len()) as f64));
        }
        self.post.extend_from_slice(post);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Adjacency {
        let end = self.post.len() as u32;
        self.row_start.resize(self.pre_size as usize + 1, end);
        Adjacency { row_start: self.row_start, post: self.post, origin: None }
    }
}

/// Rows from pairs in any order: sorted by (pre, post), equal pairs in the order given.
pub(super) fn from_pairs(pre_size: u32, mut pairs: Vec<(u32, u32)>) -> Result<Adjacency, ConnectError> {
    pairs.sort_unstable();
    let mut rows = Rows::new(pre_size, pairs.len() as f64);
    let mut current = None;
    for (pre, post) in pairs {
        if current != Some(pre) {
            rows.begin(pre);
            current = Some(pre);
        }
        rows.push(post)?;
    }
    Ok(rows.finish())
}
