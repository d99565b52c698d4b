//! Many Poisson sources that drive one element: in a step of dt a Poisson number of events arrives, of mean r dt.
//!
//! Events are the points of a Poisson process in continuous time, whose gaps are exponential: -ln(u)/(r dt) steps, draw n of the element's
//! stream giving gap n; a point at time x counted in steps from the run's start belongs to step floor(x). So the numbers in different
//! steps are independent and Poisson distributed, a run costs one draw an event, and gives the same events however it is cut.
//!
//! Invariants: an [`EventList`] is ordered by (step, element) and holds an element once for each of its events; a rate that is zero, negative,
//! NaN or infinite gives none.

use std::ops::Range;

use rayon::prelude::*;

use super::gaps::EventList;
use super::math::{ln, ln_of_normal};
use super::{BATCH, Schedule, Stream, uniform_batch};
use crate::simd::{Eights, WithEights, with_eights};

/// The sources of one run, drawn chunk by chunk.
#[derive(Debug, Clone)]
pub struct CountSource {
    stream: Stream,
    rates_per_step: Vec<f64>,
    /// Per element.
    state: Vec<State>,
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

    /// Draws the next `steps` steps; steps in `out` count from this chunk's start. Elements are dealt with in parallel if `parallel`: on
    /// the threads of the present rayon pool.
    pub fn advance(&mut self, steps: u32, out: &mut EventList, parallel: bool) {
        /// Elements whose events are put in order together: so few that these stay in the cache.
        const ELEMENTS: usize = 64;
        let stream = self.stream;
        let start = self.now;
        let end = start.saturating_add(u64::from(steps));
        let block = |drawn: &mut Vec<(u32, u32)>, (k, (state, rates)): (usize, (&mut [State], &[f64]))| {
            drawn.clear();
            with_eights(Part { stream, first: k * ELEMENTS, state, rates, steps: start..end, drawn });
            EventList::of(steps, drawn)
        };
        let blocks: Vec<EventList> = if parallel {
            let parts = self.state.par_chunks_mut(ELEMENTS).zip(self.rates_per_step.par_chunks(ELEMENTS)).enumerate();
            parts.map_init(Vec::new, block).collect()
        } else {
            let parts = self.state.chunks_mut(ELEMENTS).zip(self.rates_per_step.chunks(ELEMENTS)).enumerate();
            let mut drawn = Vec::new();
            parts.map(|part| block(&mut drawn, part)).collect()
        };
        out.join(steps, &blocks, parallel);
        self.now = end;
    }

    /// How many steps to ask for at once, so that about 2^19 events are drawn.
    #[must_use]
    pub fn chunk_steps(&self) -> u32 {
        let all: f64 = self.rates_per_step.iter().copied().filter(|r| r.is_finite() && *r > 0.0).sum();
        (f64::from(1 << 19) / all.max(1.0)).clamp(1.0, 4096.0) as u32
    }
}

/// The step of the next event of an element, its place inside the step, and the number of the next draw.
type State = (u64, f64, u64);

/// Some elements in a range of steps.
struct Part<'a> {
    stream: Stream,
    /// The number of the first element.
    first: usize,
    state: &'a mut [State],
    rates: &'a [f64],
    steps: Range<u64>,
    drawn: &'a mut Vec<(u32, u32)>,
}

impl WithEights for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<E: Eights>(self, e: E) {
        let schedule = self.stream.schedule(e);
        for ((element, state), rate) in (self.first..).zip(self.state).zip(self.rates) {
            draw(e, &schedule, element as u32, *rate, state, self.steps.clone(), self.drawn);
        }
    }
}

/// The events of one element in a range of steps, a batch of draws at a time.
#[inline(always)]
fn draw<E: Eights>(
    e: E,
    schedule: &Schedule<E>,
    element: u32,
    rate: f64,
    state: &mut State,
    steps: Range<u64>,
    out: &mut Vec<(u32, u32)>,
) {
    let (mut step, mut rest, mut draw) = *state;
    while step < steps.end {
        // A uniform is never subnormal, so the logarithm without a branch applies.
        let mut gaps = uniform_batch(e, schedule, u64::from(element), draw / BATCH as u64);
        for gap in &mut gaps {
            *gap = ln_of_normal(*gap) / -rate;
        }
        for gap in &gaps[(draw % BATCH as u64) as usize..] {
            out.push(((step - steps.start) as u32, element));
            (step, rest) = later(step, rest + gap);
            draw += 1;
            if step >= steps.end {
                break;
            }
        }
    }
    *state = (step, rest, draw);
}

/// The next event after one at `rest` inside of `step`.
fn after(step: u64, rest: f64, u: f64, rate: f64) -> (u64, f64) {
    later(step, rest + ln(u) / -rate)
}

/// Step and place of what is `at` steps behind the beginning of `step`.
#[inline(always)]
fn later(step: u64, at: f64) -> (u64, f64) {
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
        source.advance(steps, &mut list, false);
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
        CountSource::new(stream, &rates).advance(600, &mut whole, false);
        let mut source = CountSource::new(stream, &rates);
        let mut step = 0;
        for n in [1, 0, 99, 500] {
            source.advance(n, &mut part, n > 99);
            for k in 0..n {
                assert_eq!(part.at(k), whole.at(step));
                step += 1;
            }
        }
        assert!(whole.elements.iter().all(|e| [0, 1, 7].contains(e)) && whole.elements.len() > 1800);
    }
    /// Several blocks of elements, drawn on one thread and on several: events in order, each element's its own whatever stands beside it.
    #[test]
    fn many_elements_in_parallel_give_the_same_events() {
        let rates: Vec<f64> = (0..200).map(|k| f64::from(k % 5) * 0.4).collect();
        let stream = Stream::new(7, "X/spike");
        let (mut one, mut some) = (EventList::default(), EventList::default());
        let [mut a, mut b] = [false, true].map(|_| CountSource::new(stream, &rates));
        for steps in [40, 1, 300] {
            a.advance(steps, &mut one, false);
            b.advance(steps, &mut some, true);
            assert_eq!(one, some);
            assert!((0..steps).all(|k| one.at(k).is_sorted()) && one.steps() == steps);
        }
        let mut alone = CountSource::new(stream, &[0.0, 0.0, 0.0, 0.0, 1.6]);
        let mut list = EventList::default();
        alone.advance(40, &mut list, false);
        let mut again = CountSource::new(stream, &rates);
        again.advance(40, &mut one, false);
        let of = |l: &EventList, k| l.at(k).iter().filter(|e| **e == 4).count();
        assert!((0..40).all(|k| of(&one, k) == of(&list, k)) && list.elements.len() > 30);
    }
}
