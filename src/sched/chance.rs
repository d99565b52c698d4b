//! Random numbers that the events of neurons take at the synapses that they reach: in `on pre` and `on post`. They are addressed, like all
//! others: by the run and the step in which the event acts, the number of the synapse, which of the neuron's events of that step it is (by
//! different delays several may act in one step, in the order in which they were sent), and the place of the draw in the block.

use super::lower::{DrawKind, SiteDraw};
use super::population::Draw;

/// The number of the first draw of `on pre` in the graph: more than a block has of other draws.
pub(super) const PRE: u32 = 1 << 20;
/// That of `on post`.
pub(super) const POST: u32 = 1 << 21;

/// A random number that an event takes at each synapse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chance {
    /// Its number in the graph.
    pub draw: u32,
    /// What is drawn.
    pub kind: DrawKind,
}

/// All of a projection, in order of writing, those of `on pre` first.
pub(super) fn list(pre: &[SiteDraw], post: &[SiteDraw]) -> Vec<Chance> {
    let of = |first: u32, met: &[SiteDraw]| {
        met.iter().map(|d| Chance { draw: first + d.site, kind: d.kind }).collect::<Vec<_>>()
    };
    let mut all = of(PRE, pre);
    all.extend(of(POST, post));
    all.sort_by_key(|c| c.draw);
    all
}

/// The keys of steps, of which those numbers are made: one a step.
#[must_use]
pub fn keys() -> Draw {
    Draw { stream: "events".to_owned(), sub: 0, number: 0, of: 1, kind: DrawKind::Key, period: 1 }
}
