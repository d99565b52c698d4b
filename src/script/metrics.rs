//! Measures of spike trains: counts, rates and the irregularity of intervals.
//!
//! A window holds the spikes at steps `from < step <= to`: step n is the end of the n-th step, so a run of k steps from the start
//! gives exactly the spikes numbered 1 to k.

use crate::hir::{Select, View};
use crate::script::machine::SpikeLog;

/// Some steps of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The step at which it starts.
    pub from: u64,
    /// The step at which it ends.
    pub to: u64,
}

/// The place of a neuron of the population in a view; `None` if it is not of the view.
#[must_use]
pub fn position(view: &View, neuron: u32) -> Option<usize> {
    match &view.select {
        Select::All => Some(neuron as usize),
        Select::Range(a, b) => (*a..*b).contains(&u64::from(neuron)).then(|| (u64::from(neuron) - a) as usize),
        Select::List(list) => list.binary_search(&neuron).ok(),
    }
}

/// Number of neurons of a view of a population of `size` neurons.
#[must_use]
pub fn neurons(view: &View, size: u64) -> usize {
    match &view.select {
        Select::All => size as usize,
        Select::Range(a, b) => b.saturating_sub(*a) as usize,
        Select::List(list) => list.len(),
    }
}

/// The part of a log inside a window. Logs are in order of time.
fn inside<'a>(log: &'a SpikeLog, window: Window) -> impl Iterator<Item = (u64, u32)> + 'a {
    let first = log.step.partition_point(|&s| s <= window.from);
    let last = log.step.partition_point(|&s| s <= window.to).max(first);
    log.step[first..last].iter().copied().zip(log.neuron[first..last].iter().copied())
}

/// Number of spikes of each of `n` neurons of a view.
#[must_use]
pub fn spikes(log: &SpikeLog, view: &View, n: usize, window: Window) -> Vec<i64> {
    let mut out = vec![0; n];
    for (_, neuron) in inside(log, window) {
        if let Some(count) = position(view, neuron).and_then(|k| out.get_mut(k)) {
            *count += 1;
        }
    }
    out
}

/// Spikes per neuron and ms; NaN for an empty window or view.
#[must_use]
pub fn rate(log: &SpikeLog, view: &View, n: usize, window: Window, dt: f64) -> f64 {
    let total: i64 = spikes(log, view, n, window).into_iter().sum();
    let steps = window.to.saturating_sub(window.from);
    if steps == 0 || n == 0 {
        return f64::NAN;
    }
    total as f64 / n as f64 / (steps as f64 * dt)
}

/// The coefficient of variation of the intervals between a neuron's spikes (standard deviation of the population over mean),
/// averaged over the neurons with at least two intervals; NaN if there is none. Intervals are counted in steps: the unit cancels.
#[must_use]
pub fn cv_isi(log: &SpikeLog, view: &View, n: usize, window: Window) -> f64 {
    #[derive(Clone, Copy, Default)]
    struct Train {
        last: Option<u64>,
        count: u64,
        sum: u128,
        squares: u128,
    }
    let mut trains = vec![Train::default(); n];
    for (step, neuron) in inside(log, window) {
        let Some(train) = position(view, neuron).and_then(|k| trains.get_mut(k)) else { continue };
        if let Some(last) = train.last {
            let interval = u128::from(step - last);
            train.count += 1;
            train.sum += interval;
            train.squares += interval * interval;
        }
        train.last = Some(step);
    }
    let (mut total, mut of) = (0.0, 0_u64);
    for train in trains.iter().filter(|t| t.count >= 2) {
        // n*sum(x^2) - sum(x)^2 is exact in integers: no cancellation.
        let spread = u128::from(train.count) * train.squares - train.sum * train.sum;
        total += (spread as f64).sqrt() / train.sum as f64;
        of += 1;
    }
    if of == 0 { f64::NAN } else { total / of as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hir::PopId;

    fn log(spikes: &[(u64, u32)]) -> SpikeLog {
        SpikeLog { step: spikes.iter().map(|s| s.0).collect(), neuron: spikes.iter().map(|s| s.1).collect() }
    }

    fn view(select: Select) -> View {
        View { pop: PopId(0), select, shape: vec![] }
    }

    const ALL: Window = Window { from: 0, to: 100 };

    #[test]
    fn rates_count_the_spikes_of_the_view_in_the_window() {
        let l = log(&[(1, 0), (10, 2), (20, 2), (50, 1), (100, 2)]);
        assert_eq!(spikes(&l, &view(Select::All), 3, ALL), [1, 1, 3]);
        assert_eq!(spikes(&l, &view(Select::Range(1, 3)), 2, Window { from: 10, to: 50 }), [1, 1]);
        assert_eq!(spikes(&l, &view(Select::List([0, 2].into())), 2, ALL), [1, 3]);
        // Four spikes of two neurons in 100 steps of 0.5 ms: 0.04 per ms.
        assert!((rate(&l, &view(Select::List([0, 2].into())), 2, ALL, 0.5) - 0.04).abs() < 1e-15);
        assert!(rate(&l, &view(Select::All), 3, Window { from: 5, to: 5 }, 0.5).is_nan());
    }

    /// Intervals 10 and 30: mean 20, deviation 10, so 0.5; a neuron with one interval does not count.
    #[test]
    fn irregularity_is_averaged_over_neurons_with_two_intervals() {
        let l = log(&[(10, 0), (11, 1), (20, 0), (30, 1), (50, 0)]);
        assert_eq!(cv_isi(&l, &view(Select::All), 2, ALL), 0.5);
        assert!(cv_isi(&l, &view(Select::Range(1, 2)), 1, ALL).is_nan());
    }
}
