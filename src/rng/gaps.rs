//! Poisson sources with a rate that is constant during a run, drawn as gaps.
//!
//! A source that fires in a step with probability 1 - exp(-r dt), independently from step to step, has gaps between
//! spikes that are geometric: ceil(ln(u) m) steps, at least one, where m is -1/(r dt), rounded. Draw n of the element's stream gives gap n; a
//! gap g counted from the run's start puts the first spike into step g - 1. So a run costs one draw a spike, not one a
//! step, and gives the same spikes however it is cut into chunks.
//!
//! Invariants: an [`EventList`] is ordered by (step, element); a source fires at most once a step; a rate that is zero,
//! negative or NaN never fires, an infinite one fires in every step.

use rayon::prelude::*;

use super::{
    BATCH, Schedule, Stream,
    gap_batch::{Gaps, Run, Wanted},
    math::ln,
};
use crate::simd::{Eights, WithEights, with_eights};

/// Events by step: those of step `k` are `elements[offsets[k]..offsets[k + 1]]`, ascending. Kept from call to call, so
/// that no memory is asked for in steady state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventList {
    /// Length: steps + 1.
    pub offsets: Vec<u32>,
    /// The elements that fire.
    pub elements: Vec<u32>,
    /// Steps of events in the order of drawing.
    drawn: Vec<u32>,
    /// Whose they are: an element, and where its events end among `drawn`.
    runs: Vec<(u32, usize)>,
}

impl EventList {
    /// Number of steps covered.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.offsets.len().saturating_sub(1) as u32
    }

    /// The elements that fire in `step`, ascending; none outside the list.
    #[inline]
    #[must_use]
    pub fn at(&self, step: u32) -> &[u32] {
        let k = step as usize;
        match (self.offsets.get(k), self.offsets.get(k + 1)) {
            (Some(&start), Some(&end)) => self.elements.get(start as usize..end as usize).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// Takes over events that are ordered by (step, element), of steps below `steps`.
    pub fn fill(&mut self, steps: u32, events: impl Iterator<Item = (u32, u32)>) {
        self.begin(steps);
        for (step, element) in events {
            self.push(step, element);
        }
        self.finish();
    }

    /// Events that are ordered by (element, step).
    pub(super) fn of(steps: u32, events: &[(u32, u32)]) -> Self {
        let mut list = Self { elements: vec![0; events.len()], ..Self::default() };
        list.begin(steps);
        for (step, _) in events {
            list.offsets[*step as usize] += 1;
        }
        let mut places = Places::new(&mut list.offsets, &mut list.elements);
        for &(step, element) in events.iter().rev() {
            places.put(step, element);
        }
        list
    }

    /// Takes over the events of lists of `steps` steps, whose elements ascend from list to list; in parallel if `parallel`.
    pub(super) fn join(&mut self, steps: u32, lists: &[Self], parallel: bool) {
        /// Steps that are dealt with together.
        const STEPS: usize = 16;
        self.begin(steps);
        let mut end = 0;
        for (k, place) in self.offsets.iter_mut().enumerate() {
            *place = end;
            end += lists.iter().map(|l| l.at(k as u32).len() as u32).sum::<u32>();
        }
        self.elements.resize(end as usize, 0);
        let mut rest = self.elements.as_mut_slice();
        let mut pieces = Vec::new();
        for first in (0..steps as usize).step_by(STEPS) {
            let last = (first + STEPS).min(steps as usize);
            let (piece, more) = rest.split_at_mut((self.offsets[last] - self.offsets[first]) as usize);
            pieces.push((first..last, piece));
            rest = more;
        }
        let fill = |(steps, piece): (std::ops::Range<usize>, &mut [u32])| {
            let mut at = 0;
            for events in steps.flat_map(|k| lists.iter().map(move |l| l.at(k as u32))) {
                piece[at..at + events.len()].copy_from_slice(events);
                at += events.len();
            }
        };
        if parallel {
            pieces.into_par_iter().for_each(fill);
        } else {
            pieces.into_iter().for_each(fill);
        }
    }

    /// Empties the list for a run of `steps`.
    pub(super) fn begin(&mut self, steps: u32) {
        self.drawn.clear();
        self.runs.clear();
        self.offsets.clear();
        self.offsets.resize(steps as usize + 1, 0);
    }

    #[inline]
    pub(super) fn push(&mut self, step: u32, element: u32) {
        self.drawn.push(step);
        match self.runs.last_mut() {
            Some((last, end)) if *last == element => *end += 1,
            _ => self.runs.push((element, self.drawn.len())),
        }
    }

    /// The events that were drawn are put in order: they come by (element, step) and leave by (step, element).
    pub(super) fn finish(&mut self) {
        self.elements.clear();
        self.elements.resize(self.drawn.len(), 0);
        let offsets = self.offsets.as_mut_slice();
        for &step in &self.drawn {
            offsets[step as usize] += 1;
        }
        let mut places = Places::new(offsets, &mut self.elements);
        let mut end = self.drawn.len();
        for (k, &(element, _)) in self.runs.iter().enumerate().rev() {
            let start = k.checked_sub(1).map_or(0, |k| self.runs[k].1);
            for &step in self.drawn[start..end].iter().rev() {
                places.put(step, element);
            }
            end = start;
        }
    }
}

/// Counting sort of events whose numbers by step are known: where the next one goes.
struct Places<'a> {
    offsets: &'a mut [u32],
    elements: &'a mut [u32],
}

impl<'a> Places<'a> {
    /// Numbers of events become the places where each step's end.
    fn new(offsets: &'a mut [u32], elements: &'a mut [u32]) -> Self {
        let mut end = 0;
        for count in &mut *offsets {
            end += *count;
            *count = end;
        }
        Self { offsets, elements }
    }

    /// To be called from the last event to the first: a step's end moves down to its start, and its events keep their order.
    #[inline(always)]
    fn put(&mut self, step: u32, element: u32) {
        let place = &mut self.offsets[step as usize];
        *place -= 1;
        self.elements[*place as usize] = element;
    }
}

/// The largest chunk of steps to ask for at once, so that `elements` sources fill at most about 2^26 events.
#[must_use]
pub fn chunk_steps(elements: usize) -> u32 {
    ((1 << 26) / elements.max(1)).clamp(1, 4096) as u32
}

/// Steps of a run that is drawn at once, at most: the sum of a batch of gaps, none longer than the run, fits 32 bits.
const MOST_STEPS: u32 = 1 << 27;

/// Draws all spikes of a run of `steps` steps. `rates_per_step` is r dt (dimensionless) per element; the stream is that
/// of the run. The product of elements and steps must stay below 2^32 - 1: cut longer runs by [`GapSource`], which gives
/// the same spikes.
pub fn draw_gaps(stream: Stream, rates_per_step: &[f64], steps: u32, out: &mut EventList) {
    debug_assert!((rates_per_step.len() as u64).saturating_mul(u64::from(steps)) < u64::from(u32::MAX));
    if steps > MOST_STEPS {
        return GapSource::new(stream, rates_per_step).advance(steps, out);
    }
    out.begin(steps);
    with_eights(Draw { run: Run { stream, steps }, rates: rates_per_step, out });
    out.finish();
}

/// Batches of gaps that are drawn ahead, in pairs.
const AHEAD: usize = 64;

/// The drawing of a run. The gaps of several elements are drawn before any is used: where an element's spikes end is hard to foresee, and
/// the arithmetic of others goes on meanwhile.
struct Draw<'a> {
    run: Run,
    rates: &'a [f64],
    out: &'a mut EventList,
}

impl WithEights for Draw<'_> {
    type Output = ();

    #[inline(always)]
    fn run<E: Eights>(mut self, e: E) {
        let keys = self.run.stream.schedule(e);
        let steps = f64::from(self.run.steps);
        let mut ahead = [Wanted::default(); AHEAD];
        let mut gaps = [[0; BATCH]; AHEAD];
        let mut batches = 0;
        let rates = self.rates;
        for (element, &rate) in (0..).zip(rates) {
            // NaN is no rate either.
            if rate > 0.0 && steps > 0.0 {
                let likely = likely(rate * steps);
                if batches + likely > AHEAD {
                    self.use_up(e, &keys, &ahead[..batches], &mut gaps);
                    batches = 0;
                }
                let minus_mean = -1.0 / rate;
                for (number, wanted) in (0..).zip(&mut ahead[batches..batches + likely]) {
                    *wanted = Wanted { element, number, minus_mean };
                }
                batches += likely;
            }
        }
        self.use_up(e, &keys, &ahead[..batches], &mut gaps);
    }
}

/// The number of batches that mostly suffice for `mean` spikes: up to one standard deviation more.
#[inline(always)]
fn likely(mean: f64) -> usize {
    let batches = (mean + mean.sqrt()) / BATCH as f64;
    if batches < 7.0 { batches as usize + 1 } else { 8 }
}

impl Draw<'_> {
    /// Draws the gaps of what is wanted and turns them into spikes.
    #[inline(always)]
    fn use_up<E: Eights>(&mut self, e: E, keys: &Schedule<E>, ahead: &[Wanted], gaps: &mut [Gaps; AHEAD]) {
        for (gaps, wanted) in gaps.as_chunks_mut::<2>().0.iter_mut().zip(ahead.chunks(2)) {
            *gaps = self.run.gaps(e, keys, &[wanted[0], wanted[wanted.len() - 1]]);
        }
        // Whole batches are written, and what lies behind the run's end is written over.
        let steps = self.run.steps;
        let mut n = self.out.drawn.len();
        let room = |drawn: &mut Vec<u32>, n: usize| drawn.resize(n + (AHEAD + 1) * BATCH, 0);
        room(&mut self.out.drawn, n);
        let mut batch = 0;
        while batch < ahead.len() {
            let first = ahead[batch];
            let start = n;
            let mut past = 0;
            let mut next = first;
            while batch < ahead.len() && ahead[batch].element == first.element {
                if past < steps {
                    n += spikes(e, &gaps[batch], steps, &mut past, &mut self.out.drawn[n..n + BATCH]);
                }
                batch += 1;
                next.number += 1;
            }
            while past < steps {
                // Rare: more spikes than are likely.
                if self.out.drawn.len() < n + (AHEAD + 1) * BATCH {
                    room(&mut self.out.drawn, n);
                }
                let [gaps, _] = self.run.gaps(e, keys, &[next; 2]);
                n += spikes(e, &gaps, steps, &mut past, &mut self.out.drawn[n..n + BATCH]);
                next.number += 1;
            }
            if n > start {
                self.out.runs.push((first.element, n));
            }
        }
        self.out.drawn.truncate(n);
    }
}

/// The spikes of one batch: how many fall into a run of `steps` steps, of which the gaps before took `past`. The steps of all are written, and
/// `past` is the sum now; it lies beyond the run's end when that was reached.
#[inline(always)]
fn spikes<E: Eights>(e: E, gaps: &Gaps, steps: u32, past: &mut u32, out: &mut [u32]) -> usize {
    let mut ends = *gaps;
    let n = e.running_sums(&mut ends, *past, steps);
    for (step, end) in out.iter_mut().zip(&ends) {
        // A gap of g steps puts its spike into the step g - 1 behind the last one; one behind the run's end is as good as any other.
        *step = end - 1;
    }
    *past = ends[BATCH - 1];
    n
}

/// `gap` rounded up, for 0 <= gap < 2^63.
#[inline]
fn ceil(gap: f64) -> u64 {
    let whole = gap as i64;
    (whole + i64::from((whole as f64) < gap)) as u64
}

/// The sources of one run, drawn chunk by chunk.
#[derive(Debug, Clone)]
pub struct GapSource {
    stream: Stream,
    rates_per_step: Vec<f64>,
    /// Per element, the state between chunks.
    state: Vec<GapState>,
    /// Steps already given out.
    now: u64,
}

/// Where one element's draws stand between two chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapState {
    /// The step, counted from the run's start, of the next spike; `u64::MAX` for never.
    pub next: u64,
    /// Number of the next draw.
    pub draw: u64,
}

impl GapSource {
    /// The start of a run; see [`draw_gaps`].
    #[must_use]
    pub fn new(stream: Stream, rates_per_step: &[f64]) -> Self {
        let state = rates_per_step
            .iter()
            .enumerate()
            .map(|(element, &rate)| {
                // A gap g counted from the start means step g - 1, hence the "last spike" in step -1.
                let next = if rate > 0.0 { steps_until(stream.uniform(element as u64, 0), rate) } else { u64::MAX };
                GapState { next: if next == u64::MAX { next } else { next - 1 }, draw: 1 }
            })
            .collect();
        Self { stream, rates_per_step: rates_per_step.to_vec(), state, now: 0 }
    }

    /// Steps given out so far.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Draws the next `steps` steps; steps in `out` count from this chunk's start. [`chunk_steps`] says how many to ask
    /// for.
    pub fn advance(&mut self, steps: u32, out: &mut EventList) {
        debug_assert!((self.state.len() as u64).saturating_mul(u64::from(steps)) <= u64::from(u32::MAX));
        out.begin(steps);
        let start = self.now;
        let end = start.saturating_add(u64::from(steps));
        for (element, (state, &rate)) in self.state.iter_mut().zip(&self.rates_per_step).enumerate() {
            if state.next >= end {
                continue;
            }
            let mut seq = self.stream.uniforms_from(element as u64, state.draw);
            while state.next < end {
                out.push((state.next - start) as u32, element as u32);
                state.next = state.next.saturating_add(steps_until(seq.uniform(), rate));
            }
            state.draw = seq.position();
        }
        self.now = end;
        out.finish();
    }
}

/// The gap in steps for a uniform `u`, or `u64::MAX` when it lies beyond any run.
#[inline]
fn steps_until(u: f64, rate: f64) -> u64 {
    let gap = ln(u) * (-1.0 / rate);
    if gap < 9e18 { ceil(gap).max(1) } else { u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, spelled out: the steps in which an element fires.
    fn by_definition(stream: Stream, element: u64, rate: f64, steps: u32) -> Vec<u32> {
        let mut at = -1.0;
        let mut fired = Vec::new();
        for draw in 0.. {
            let gap = (ln(stream.uniform(element, draw)) * (-1.0 / rate)).ceil().max(1.0);
            at += gap;
            if at >= f64::from(steps) {
                break;
            }
            fired.push(at as u32);
        }
        fired
    }

    fn steps_of(list: &EventList, element: u32) -> Vec<u32> {
        (0..list.steps()).filter(|&k| list.at(k).contains(&element)).collect()
    }

    proptest! {
        #[test]
        fn events_are_those_of_the_definition(
            seed: u64,
            rates in prop::collection::vec(prop_oneof![Just(0.0), 1e-4..0.1f64, 0.1..20f64], 0..30),
            steps in 0u32..600,
        ) {
            let stream = Stream::new(seed, "X/spike");
            let mut list = EventList::default();
            draw_gaps(stream, &rates, steps, &mut list);
            prop_assert_eq!(list.steps(), steps);
            let mut portable = EventList::default();
            portable.begin(steps);
            Draw { run: Run { stream, steps }, rates: &rates, out: &mut portable }.run(crate::simd::Portable);
            portable.finish();
            prop_assert_eq!(&portable, &list, "any vectors give the same");
            for step in 0..steps {
                prop_assert!(list.at(step).is_sorted_by(|a, b| a < b));
            }
            for (element, &rate) in rates.iter().enumerate() {
                let expected = if rate > 0.0 { by_definition(stream, element as u64, rate, steps) } else { vec![] };
                prop_assert_eq!(steps_of(&list, element as u32), expected);
            }
        }

        #[test]
        fn chunks_give_the_same_events_as_one_draw(
            seed: u64,
            rates in prop::collection::vec(prop_oneof![Just(0.0), 1e-5..0.1f64, 0.1..20f64, Just(f64::INFINITY)], 0..20),
            chunks in prop::collection::vec(0u32..300, 0..8),
        ) {
            let stream = Stream::new(seed, "X/spike");
            let (mut whole, mut part) = (EventList::default(), EventList::default());
            draw_gaps(stream, &rates, chunks.iter().sum(), &mut whole);
            let mut source = GapSource::new(stream, &rates);
            let mut step = 0;
            for chunk in chunks {
                source.advance(chunk, &mut part);
                prop_assert_eq!(part.steps(), chunk);
                for k in 0..chunk {
                    prop_assert_eq!(part.at(k), whole.at(step));
                    step += 1;
                }
            }
            prop_assert_eq!(source.now(), u64::from(step));
        }
    }

    #[test]
    fn extreme_rates_fire_always_or_never() {
        let rates = [f64::INFINITY, 1e300, 1e-300, -1.0, f64::NAN, f64::MIN_POSITIVE];
        let stream = Stream::new(1, "X/spike");
        let mut list = EventList::default();
        draw_gaps(stream, &rates, 50, &mut list);
        for step in 0..50 {
            assert_eq!(list.at(step), [0, 1]);
        }
        let mut source = GapSource::new(stream, &rates);
        source.advance(50, &mut list);
        for step in 0..50 {
            assert_eq!(list.at(step), [0, 1]);
        }
        assert!(list.at(50).is_empty());
    }

    /// Spikes per step have probability p = 1 - exp(-r dt), and successive steps are independent.
    #[test]
    fn rate_and_independence_are_those_of_the_hazard() {
        let rate: f64 = 0.3;
        let (elements, steps) = (400, 2000);
        let mut list = EventList::default();
        draw_gaps(Stream::new(3, "X/spike"), &vec![rate; elements], steps, &mut list);
        let trials = elements as f64 * f64::from(steps);
        let p = 1.0 - (-rate).exp();
        let found = list.elements.len() as f64;
        assert!((found - trials * p).abs() < 4.0 * (trials * p * (1.0 - p)).sqrt(), "{found} of {trials}");
        let pairs =
            (1..steps).map(|k| list.at(k).iter().filter(|e| list.at(k - 1).contains(e)).count()).sum::<usize>() as f64;
        assert!((pairs - trials * p * p).abs() < 5.0 * (trials * p * p).sqrt(), "{pairs} pairs");
        // The first step is like every other.
        let first = list.at(0).len() as f64;
        assert!((first - 400.0 * p).abs() < 4.0 * (400.0 * p * (1.0 - p)).sqrt(), "{first} in the first step");
    }

    #[test]
    fn capacity_is_reused() {
        let mut list = EventList::default();
        let rates = vec![0.05; 100];
        draw_gaps(Stream::new(1, "X/spike"), &rates, 500, &mut list);
        let first = list.clone();
        let buffer = list.elements.as_ptr();
        draw_gaps(Stream::new(1, "X/spike"), &rates, 500, &mut list);
        assert_eq!(list, first);
        assert_eq!(list.elements.as_ptr(), buffer);
    }
}
