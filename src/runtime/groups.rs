//! Synapses with delays of their own, grouped by the neuron whose spikes reach them and by delay.

use super::wiring::Wires;
use crate::codegen::layout::SegmentSize;

/// The groups of one side of a projection, as the code reads them.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    /// The different delays in steps, from long to short.
    pub delays: Vec<u32>,
    /// The first group of each neuron, and one more.
    pub start: Vec<u32>,
    /// The delay of each group; of one neuron from long to short.
    pub delay: Vec<u32>,
    /// The first entry of each group, and one more.
    pub first: Vec<u32>,
    /// The neuron of each group.
    pub owner: Vec<u32>,
    /// The synapses, group by group, ascending.
    pub synapses: Vec<u32>,
    /// The neuron at the other end of each.
    pub other: Vec<u32>,
}

impl Groups {
    /// Groups the synapses by pre neuron (`by_post`: by post neuron) of a population of `neurons`.
    #[must_use]
    pub fn new(wires: &Wires, steps: &[u32], neurons: u64, by_post: bool) -> Self {
        let (own, far) = if by_post { (&wires.rows.post, &wires.pre) } else { (&wires.pre, &wires.rows.post) };
        let mut order: Vec<(u32, std::cmp::Reverse<u32>, u32, u32)> = (0..)
            .zip(own)
            .zip(far)
            .zip(steps)
            .map(|(((synapse, own), far), d)| (*own, std::cmp::Reverse(*d), synapse, *far))
            .collect();
        order.sort_unstable();
        let mut out = Self { start: vec![0; neurons as usize + 1], ..Self::default() };
        let mut last = None;
        for (own, delay, synapse, far) in order {
            if last != Some((own, delay)) {
                last = Some((own, delay));
                out.first.push(out.synapses.len() as u32);
                out.owner.push(own);
                out.delay.push(delay.0);
                if let Some(n) = out.start.get_mut(own as usize + 1) {
                    *n += 1;
                }
            }
            out.synapses.push(synapse);
            out.other.push(far);
        }
        out.first.push(out.synapses.len() as u32);
        let mut sum = 0;
        for n in &mut out.start {
            sum += *n;
            *n = sum;
        }
        out.delays.clone_from(&out.delay);
        out.delays.sort_unstable_by(|a, b| b.cmp(a));
        out.delays.dedup();
        out
    }

    /// What the layout of buffers needs to know.
    #[must_use]
    pub fn size(&self) -> SegmentSize {
        SegmentSize {
            segments: self.delay.len() as u64,
            distinct: self.delays.len() as u32,
            longest: self.delays.first().copied().unwrap_or(0),
            most: self.start.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Adjacency;
    use std::collections::BTreeMap;

    #[test]
    fn synapses_of_one_neuron_and_delay_stand_together() {
        // Neuron 0 has three synapses, neuron 1 none, neuron 2 two.
        let rows = Adjacency { row_start: vec![0, 3, 3, 5], post: vec![0, 1, 2, 0, 1], origin: None };
        let wires = Wires { pre: rows.pre(), rows, columns: None, columns_of_file: BTreeMap::new() };
        let g = Groups::new(&wires, &[7, 2, 7, 0, 2], 3, false);
        assert_eq!(g.delays, [7, 2, 0]);
        assert_eq!(g.start, [0, 2, 2, 4]);
        assert_eq!(g.delay, [7, 2, 2, 0]);
        assert_eq!(g.owner, [0, 0, 2, 2]);
        assert_eq!(g.first, [0, 2, 3, 4, 5]);
        assert_eq!(g.synapses, [0, 2, 1, 4, 3]);
        assert_eq!(g.other, [0, 2, 1, 1, 0]);
        assert_eq!(g.size().longest, 7);
        assert_eq!(g.size().most, 2);
        let g = Groups::new(&wires, &[7, 2, 7, 0, 2], 3, true);
        assert_eq!(g.owner, [0, 0, 1, 2]);
        assert_eq!(g.synapses, [0, 3, 1, 4, 2]);
        assert_eq!(g.other, [0, 2, 0, 2, 0]);
    }
}
