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

/// How much the neurons fire together (Golomb & Rinzel 1993, with counts in bins of so many steps in the place of voltages): the square root of
/// the variance over time of the mean count, over the mean of the variances of single neurons. 1 where all do the same, about 1/sqrt(n) where
/// they are independent; NaN without two whole bins, or without any change of a count. What is left at the window's end is not counted.
#[must_use]
pub fn synchrony(log: &SpikeLog, view: &View, n: usize, window: Window, bin: u64) -> f64 {
    let bin = bin.max(1);
    let bins = window.to.saturating_sub(window.from) / bin;
    // By neuron: its present bin and the count in it, the sum of its counts and that of their squares.
    let mut trains = vec![(0_u64, 0_u128, 0_u128, 0_u128); n];
    let (mut current, mut together, mut all, mut squares) = (0_u64, 0_u128, 0_u128, 0_u128);
    for (step, neuron) in inside(log, window) {
        let at = (step - window.from - 1) / bin;
        let Some(train) = position(view, neuron).and_then(|k| trains.get_mut(k)).filter(|_| at < bins) else {
            continue;
        };
        if at != current {
            squares += together * together;
            (current, together) = (at, 0);
        }
        if at != train.0 {
            train.3 += train.1 * train.1;
            (train.0, train.1) = (at, 0);
        }
        train.1 += 1;
        train.2 += 1;
        together += 1;
        all += 1;
    }
    squares += together * together;
    let b = u128::from(bins);
    // Exact in integers, both multiplied by the squared number of bins.
    let of_mean = b * squares - all * all;
    let of_single: u128 = trains.iter().map(|(_, last, sum, s)| b * (s + last * last) - sum * sum).sum();
    if bins < 2 || of_single == 0 {
        return f64::NAN;
    }
    (of_mean as f64 / (n as f64 * of_single as f64)).sqrt()
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

    /// Against the definition, computed from the whole table of counts; and its two ends.
    #[test]
    fn synchrony_is_the_variance_of_the_mean_over_that_of_single_neurons() {
        let window = Window { from: 7, to: 7 + 203 };
        let random = |k: u64| crate::rng::splitmix64(k);
        let mut spikes = Vec::new();
        for step in 1..300_u64 {
            for neuron in 0..6_u64 {
                if random(step * 64 + neuron) % 5 == 0 || random(step / 9) % 3 == 0 && random(step * 64 + 9) % 2 == 0 {
                    spikes.push((step, neuron as u32));
                }
            }
        }
        let l = log(&spikes);
        let v = view(Select::Range(1, 5));
        let mut counts = [[0.0_f64; 4]; 20];
        for (step, neuron) in &spikes {
            if (8..208).contains(step) && (1..5).contains(neuron) {
                counts[(*step as usize - 8) / 10][*neuron as usize - 1] += 1.0;
            }
        }
        let variance = |x: &dyn Fn(usize) -> f64| {
            let mean = (0..20).map(x).sum::<f64>() / 20.0;
            (0..20).map(|b| (x(b) - mean).powi(2)).sum::<f64>() / 20.0
        };
        let single = (0..4).map(|k| variance(&|b| counts[b][k])).sum::<f64>() / 4.0;
        let mean = variance(&|b| counts[b].iter().sum::<f64>() / 4.0);
        let found = synchrony(&l, &v, 4, window, 10);
        assert!((found - (mean / single).sqrt()).abs() < 1e-12, "{found}");
        let alike: Vec<(u64, u32)> = [3, 4, 17, 40, 41, 42].iter().flat_map(|s| (0..3).map(|k| (*s, k))).collect();
        assert_eq!(synchrony(&log(&alike), &view(Select::All), 3, Window { from: 0, to: 60 }, 10), 1.0);
        assert!(synchrony(&log(&[]), &view(Select::All), 3, ALL, 10).is_nan());
        assert!(synchrony(&l, &v, 4, Window { from: 0, to: 19 }, 10).is_nan());
    }

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
