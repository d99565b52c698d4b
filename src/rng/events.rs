//! Many Poisson sources that drive one element: in a step of dt a Poisson number of events arrives, of mean r dt.
//!
//! Events are the points of a Poisson process in continuous time, whose gaps are exponential: -ln(u)/(r dt) steps, draw n of the element's
//! stream giving gap n; a point at time x counted in steps from the run's start belongs to step floor(x). So the numbers in different
//! steps are independent and Poisson distributed, a run costs one draw an event, and gives the same events however it is cut.
//!
//! Invariants: an [`EventList`] is ordered by (step, element) and holds an element once for each of its events; a rate that is zero, negative,
//! NaN or infinite gives none.

use super::Stream;
use super::gaps::EventList;
use super::math::ln;

/// The sources of one run, drawn chunk by chunk.
#[derive(Debug, Clone)]
pub struct CountSource {
    stream: Stream,
    rates_per_step: Vec<f64>,
    /// Per element: the step of the next event, its place inside the step, and the number of the next draw.
    state: Vec<(u64, f64, u64)>,
    now: u64,
}

impl CountSource {
    /// The start of a run; `rates_per_step` is r dt (dimensionless) per element.
    #[must_use]
    pub fn new(stream: Stream, rates_per_step: &[f64]) -> Self {
        let state = rates_per_step
            .iter()
            .enumerate()
            .map(|(element, &rate)| {
                if rate > 0.0 && rate.is_finite() {
                    let (step, rest) = after(0, 0.0, stream.uniform(element as u64, 0), rate);
                    (step, rest, 1)
                } else {
                    (u64::MAX, 0.0, 0)
                }
            })
            .collect();
        Self { stream, rates_per_step: rates_per_step.to_vec(), state, now: 0 }
    }

    /// Draws the next `steps` steps; steps in `out` count from this chunk's start.
    pub fn advance(&mut self, steps: u32, out: &mut EventList) {
        out.begin(steps);
        let start = self.now;
        let end = start.saturating_add(u64::from(steps));
        for (element, (state, &rate)) in self.state.iter_mut().zip(&self.rates_per_step).enumerate() {
            if state.0 >= end {
                continue;
            }
            let mut seq = self.stream.uniforms_from(element as u64, state.2);
            while state.0 < end {
                out.push((state.0 - start) as u32, element as u32);
                (state.0, state.1) = after(state.0, state.1, seq.uniform(), rate);
            }
            state.2 = seq.position();
        }
        self.now = end;
        out.finish();
    }

    /// About how many events an element has in a step, at most.
    #[must_use]
    pub fn most(&self) -> f64 {
        self.rates_per_step.iter().copied().filter(|r| r.is_finite()).fold(0.0, f64::max)
    }
}

/// The next event after one at `rest` inside of `step`.
fn after(step: u64, rest: f64, u: f64, rate: f64) -> (u64, f64) {
    let at = rest + ln(u) / -rate;
    if at < 9e15 {
        let whole = at.floor();
        (step.saturating_add(whole as u64), at - whole)
    } else {
        (u64::MAX, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers per step are Poisson: frequencies against the probabilities, and successive steps independent.
    #[test]
    fn numbers_per_step_are_poisson_and_independent() {
        let (elements, steps, rate) = (300_usize, 1000_u32, 1.7_f64);
        let mut source = CountSource::new(Stream::new(5, "X/spike"), &vec![rate; elements]);
        let mut list = EventList::default();
        source.advance(steps, &mut list);
        let counts: Vec<Vec<usize>> = (0..steps)
            .map(|k| {
                let mut c = vec![0; elements];
                list.at(k).iter().for_each(|e| c[*e as usize] += 1);
                c
            })
            .collect();
        let trials = elements as f64 * f64::from(steps);
        let mut p = (-rate).exp();
        for k in 0..8_usize {
            let found = counts.iter().flatten().filter(|n| **n == k).count() as f64;
            assert!((found - trials * p).abs() < 4.5 * (trials * p * (1.0 - p)).sqrt(), "{k} events: {found}");
            p *= rate / (k + 1) as f64;
        }
        let products: f64 = counts
            .windows(2)
            .map(|w| w[0].iter().zip(&w[1]).map(|(a, b)| (*a as f64 - rate) * (*b as f64 - rate)).sum::<f64>())
            .sum();
        assert!(products.abs() < 4.5 * rate * trials.sqrt(), "{products}");
    }

    #[test]
    fn pieces_give_the_same_events_and_extreme_rates_none() {
        let rates = [0.5, 3.0, 0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 0.01];
        let stream = Stream::new(2, "X/spike");
        let (mut whole, mut part) = (EventList::default(), EventList::default());
        CountSource::new(stream, &rates).advance(600, &mut whole);
        let mut source = CountSource::new(stream, &rates);
        let mut step = 0;
        for n in [1, 0, 99, 500] {
            source.advance(n, &mut part);
            for k in 0..n {
                assert_eq!(part.at(k), whole.at(step));
                step += 1;
            }
        }
        assert!(whole.elements.iter().all(|e| [0, 1, 7].contains(e)) && whole.elements.len() > 1800);
    }
}
