//! Batches of gaps of Poisson sources, by the definition in [`super::gaps`].
//!
//! What counts of a gap is a whole number, which a logarithm in `f32` mostly gives: where the rounded-up gaps of its lower and upper bound are the
//! same, so is that of the exact one. The others (a few in a thousand for sources of mean gaps below 100 steps) are computed exactly. Half the
//! instructions of the exact way, and no division.

use super::{BATCH, Schedule, Stream, math::ln_of_normal, uniform_halves, upper_halves};
use crate::simd::Eights;

/// The steps from spike to spike of a batch of draws, at least 1 and at most one more than the run has.
pub(super) type Gaps = [u32; BATCH];

/// A run of sources.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) stream: Stream,
    /// Steps of the run.
    pub(super) steps: u32,
}

/// Which gaps: [`BATCH`] of them from `BATCH * number` on.
#[derive(Clone, Copy, Default)]
pub(super) struct Wanted {
    pub(super) element: u32,
    pub(super) number: u32,
    /// -1/(r dt), rounded: minus the mean gap.
    pub(super) minus_mean: f64,
}

impl Run {
    /// Two batches at once: one alone is a chain of operations that each wait for the last.
    #[inline(always)]
    pub(super) fn gaps<E: Eights>(&self, e: E, keys: &Schedule<E>, wanted: &[Wanted; 2]) -> [Gaps; 2] {
        /// Longer runs have gaps that `f32` cannot tell apart.
        const MOST_STEPS: u32 = 4096;
        let suits = |w: &Wanted| (-1e30..-1e-3).contains(&w.minus_mean);
        if E::FUSED && self.steps <= MOST_STEPS && suits(&wanted[0]) && suits(&wanted[1]) {
            self.nearly(e, keys, wanted)
        } else {
            [self.exactly(e, keys, &wanted[0]), self.exactly(e, keys, &wanted[1])]
        }
    }

    /// All by the definition.
    #[inline(always)]
    fn exactly<E: Eights>(&self, e: E, keys: &Schedule<E>, wanted: &Wanted) -> Gaps {
        // A uniform is never subnormal, so the logarithm without a branch applies.
        let halves = uniform_halves(e, keys, u64::from(wanted.element), u64::from(wanted.number));
        let mut steps = [[0; BATCH / 2]; 2];
        for (steps, half) in steps.iter_mut().zip(&halves) {
            for (steps, x) in steps.iter_mut().zip(half) {
                *steps = whole(ln_of_normal(*x) * wanted.minus_mean).min(self.steps + 1);
            }
        }
        let [even, odd] = &steps;
        let mut gaps = [0; BATCH];
        for (pair, (even, odd)) in gaps.as_chunks_mut::<2>().0.iter_mut().zip(even.iter().zip(odd)) {
            *pair = [*even, *odd];
        }
        gaps
    }

    /// Those by the definition that bounds leave open.
    #[inline(always)]
    fn nearly<E: Eights>(&self, e: E, keys: &Schedule<E>, wanted: &[Wanted; 2]) -> [Gaps; 2] {
        let words = upper_halves(e, keys, wanted.map(|w| (u64::from(w.element), u64::from(w.number))));
        let most = (self.steps + 1) as f32;
        let (mut gaps, mut above) = ([[0; BATCH]; 2], [[0; BATCH]; 2]);
        let mut open = false;
        for (((gaps, above), words), wanted) in gaps.iter_mut().zip(&mut above).zip(&words).zip(wanted) {
            let minus_mean = wanted.minus_mean as f32;
            for k in 0..BATCH {
                let gap = ln_near(words[k]) * minus_mean;
                let margin = gap.mul_add(MARGIN, -minus_mean * MARGIN);
                // Whole numbers of at most 4097 in `f32` are exact.
                let whole = |gap: f32| {
                    let gap = gap.ceil();
                    let gap = if gap > 1.0 { gap } else { 1.0 };
                    integer(if gap < most { gap } else { most })
                };
                gaps[k] = whole(gap - margin);
                // Words that `ln_near` does not cover have no bound that agrees.
                above[k] = if words[k] < LEAST { 0 } else { whole(gap + margin) };
                open |= gaps[k] != above[k];
            }
        }
        if open {
            for ((wanted, gaps), above) in wanted.iter().zip(&mut gaps).zip(&above) {
                self.close(wanted, gaps, above);
            }
        }
        gaps
    }

    /// Computes the gaps that are not those of `above` by the definition.
    #[cold]
    #[inline(never)]
    fn close(&self, wanted: &Wanted, gaps: &mut Gaps, above: &Gaps) {
        for (k, (gap, above)) in (0..).zip(gaps.iter_mut().zip(above)) {
            if gap != above {
                let u = self.stream.uniform(u64::from(wanted.element), u64::from(wanted.number) * BATCH as u64 + k);
                *gap = whole(ln_of_normal(u) * wanted.minus_mean).min(self.steps + 1);
            }
        }
    }
}

/// A gap in whole steps, at least one (an infinite rate gives the product 0), at most 2^32 - 1.
#[inline(always)]
fn whole(gap: f64) -> u32 {
    const MOST: f64 = u32::MAX as f64;
    // The lower bits of a number in [2^52, 2^53) are those of an integer.
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    let gap = gap.ceil();
    let gap = if gap < MOST { gap } else { MOST };
    let gap = if gap > 1.0 { gap } else { 1.0 };
    (gap + TWO_52).to_bits() as u32
}

/// A whole number below 2^23 as an integer, in any vectors: the lower bits of a number in [2^23, 2^24).
#[inline(always)]
fn integer(x: f32) -> u32 {
    const TWO_23: f32 = 8_388_608.0;
    (x + TWO_23).to_bits() & 0x007f_ffff
}

/// Words below this one stand for uniforms that differ by more than one in a million: [`ln_near`] does not hold for them.
const LEAST: u32 = 1 << 20;

/// The distance of [`ln_near`] times a mean gap from the exact product is less than this times the sum of the mean gap and the product: for the
/// logarithm alone it is at most 0.33 of it, over all words from [`LEAST`] on, and three roundings of `f32` add 0.4 at most.
const MARGIN: f32 = 1.0 / 2_097_152.0;

/// The logarithm of uniforms whose upper 32 bits are `word`: of `word` times 2^-32, where that is no less than [`LEAST`] times 2^-32.
///
/// x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), and ln(1 + f) = f - f^2/2 + f^3 P(f), with the polynomial of the Cephes library (`logf`).
#[inline(always)]
fn ln_near(word: u32) -> f32 {
    const P: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let offset = (word as f32).to_bits().wrapping_add(0x3f80_0000 - SQRT_HALF);
    // Less the bias of exponents and the 32 bits of the word.
    let k = (offset >> 23) as i32 as f32 - (127.0 + 32.0);
    let f = f32::from_bits((offset & 0x007f_ffff) + SQRT_HALF) - 1.0;
    let mut p = P[0];
    for c in &P[1..] {
        p = p.mul_add(f, *c);
    }
    let f = (f * f).mul_add(p.mul_add(f, -0.5), f);
    k.mul_add(std::f32::consts::LN_2, f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{WithEights, with_eights};
    use proptest::prelude::*;
    use rayon::prelude::*;

    /// The distance of [`ln_near`] from the logarithms of all uniforms of `word`, in units of 1 + their absolute value.
    fn distance(word: u32) -> f64 {
        let near = f64::from(ln_near(word));
        let far = |x: f64| {
            let exact = (x / 4_294_967_296.0).ln();
            (near - exact).abs() / (1.0 - exact)
        };
        far(f64::from(word)).max(far(f64::from(word) + 1.0))
    }

    #[test]
    fn the_logarithm_is_within_the_margin() {
        let margin = f64::from(MARGIN);
        let edges = (20..32).flat_map(|k| (-300..300).map(move |d| ((1_i64 << k) + d) as u32));
        let roots = (20..32).flat_map(|k| {
            let root = (f64::from(1_u32 << k) * std::f64::consts::SQRT_2) as i64;
            (-300..300).map(move |d| u32::try_from(root + d).unwrap_or(u32::MAX))
        });
        let all = (LEAST..=u32::MAX).step_by(4099);
        let ends = u32::MAX - 1000..=u32::MAX;
        for word in edges.chain(roots).chain(all).chain(ends).filter(|w| *w >= LEAST) {
            assert!(distance(word) < 0.35 * margin, "{word}: {} of the margin", distance(word) / margin);
        }
    }

    /// All words, where that takes a minute or two.
    #[test]
    #[cfg_attr(debug_assertions, ignore = "4.3 billion words: only with optimisation, as in `cargo test --release`")]
    fn the_logarithm_of_every_word_is_within_the_margin() {
        // Each logarithm is the end of one word's uniforms and the start of the next one's.
        let piece = |n: u64| {
            let exact = |word: u64| (word as f64 / 4_294_967_296.0).ln();
            let (mut below, mut worst) = (exact(n << 20), 0.0_f64);
            for word in n << 20..(n + 1) << 20 {
                let near = f64::from(ln_near(word as u32));
                let above = exact(word + 1);
                worst = worst.max((near - below).abs() / (1.0 - below)).max((near - above).abs() / (1.0 - above));
                below = above;
            }
            worst
        };
        let worst = (1..4096_u64).into_par_iter().map(piece).reduce(|| 0.0, f64::max);
        assert!(worst < 0.35 * f64::from(MARGIN), "{} of the margin", worst / f64::from(MARGIN));
    }

    /// The gaps of two batches both ways.
    struct Both(Run, [Wanted; 2]);

    impl WithEights for Both {
        type Output = [[Gaps; 2]; 2];

        #[inline(always)]
        fn run<E: Eights>(self, e: E) -> [[Gaps; 2]; 2] {
            let Self(run, wanted) = self;
            let keys = run.stream.schedule(e);
            [run.nearly(e, &keys, &wanted), [run.exactly(e, &keys, &wanted[0]), run.exactly(e, &keys, &wanted[1])]]
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn near_gaps_are_the_exact_ones(seed: u64, element: u32, number in 0u32..1000, scales: [u32; 2], steps in 1u32..=4096) {
            let run = Run { stream: Stream::new(seed, "X/spike"), steps };
            // Mean gaps from 0.001 to 10^7 steps.
            let wanted = scales.map(|scale| Wanted { element, number, minus_mean: -(10f64.powf(f64::from(scale) / 4.3e8 - 3.0)) });
            for k in 0..8 {
                let [near, exact] = with_eights(Both(run, wanted.map(|w| Wanted { number: w.number + k, ..w })));
                prop_assert_eq!(near, exact);
            }
        }
    }
}
