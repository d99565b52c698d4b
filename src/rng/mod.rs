//! The definition of every random draw.
//!
//! Draws are *addressed*, not consumed: a value is a pure function of (seed, path of the stream, element, number of the
//! draw), so it does not depend on threads, batch layout, recording or the order of declarations, and never on the
//! machine. The generator is Philox 4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as
//! 1, 2, 3", SC'11); the key comes from the seed and the stream's path, the counter from the element and the draw.
//! Everything that turns bits into numbers is plain IEEE arithmetic written out in [`math`] and [`dist`]; the host's
//! mathematical library takes no part.
//!
//! Invariants:
//! - one uniform is one draw; draws `2k` and `2k + 1` of an element share the block `k`;
//! - a uniform is an odd multiple of 2^-53: inside (0, 1), never 0, 1/2 or 1, and `1 - u` is one too;
//! - changing anything here changes every published result: the known-answer tests pin it.

pub mod dist;
pub mod events;
mod gap_batch;
pub mod gaps;
pub mod keyed;
pub mod math;

use std::convert::Infallible;

use rand_philox::{Philox, philox4x32_10};

use crate::simd::{Eights, WithEights, with_eights};

pub use gaps::{EventList, GapSource, draw_gaps};

/// A stream of random numbers: one purpose (`E/v@init`, `XE/delay`, `X/spike`, …) under one seed. Copying it copies an
/// address, not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream {
    key: u64,
}

/// The 64-bit FNV-1a hash of `bytes` (Fowler, Noll & Vo; offset basis 14695981039346656037, prime 1099511628211).
#[must_use]
pub fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// One step of SplitMix64 (Steele, Lea & Flood 2014) from state `z`: a bijection that spreads every bit.
#[must_use]
pub fn splitmix64(z: u64) -> u64 {
    rand_philox::splitmix64(z.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

impl Stream {
    /// The stream `path` under `seed`. Paths are hashed with FNV-1a and spread, so that one seed's streams differ.
    #[must_use]
    pub fn new(seed: u64, path: &str) -> Self {
        Self { key: splitmix64(splitmix64(seed) ^ fnv1a64(path.as_bytes())) }
    }

    /// The stream of a key that [`Stream::key`] gave out.
    #[must_use]
    pub fn from_key(key: u64) -> Self {
        Self { key }
    }

    /// The 64-bit Philox key.
    #[must_use]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// A stream derived from this one, such as one for a sample, an epoch or a run. Distinct tags give distinct
    /// streams, and `s.sub(a).sub(b)` is not `s.sub(b).sub(a)`.
    #[must_use]
    pub fn sub(&self, tag: u64) -> Self {
        // The odd constant keeps `sub(tag)` away from the derivation by path.
        Self { key: splitmix64(self.key.rotate_left(29) ^ splitmix64(tag ^ 0xd6e8_feb8_6659_fd93)) }
    }

    /// The 128 bits of one block: counter words are (block low, block high, element low, element high).
    #[inline]
    #[must_use]
    pub fn bits(&self, element: u64, block: u64) -> [u32; 4] {
        philox4x32_10(
            [block as u32, (block >> 32) as u32, element as u32, (element >> 32) as u32],
            [self.key as u32, (self.key >> 32) as u32],
        )
    }

    /// The 64 bits of one draw: draws `2k` and `2k + 1` are the halves of block `k`.
    #[inline]
    #[must_use]
    pub fn bits64(&self, element: u64, draw: u64) -> u64 {
        let [a, b, c, d] = self.bits(element, draw >> 1);
        if draw & 1 == 0 { join(a, b) } else { join(c, d) }
    }

    /// A uniform number in the open interval (0, 1): an odd multiple of 2^-53.
    #[inline]
    #[must_use]
    pub fn uniform(&self, element: u64, draw: u64) -> f64 {
        unit_open(self.bits64(element, draw))
    }

    /// Draw 0 of `out.len()` elements from `first` on: the values of [`Stream::uniform`].
    pub fn uniform_each(&self, first: u64, out: &mut [f64]) {
        with_eights(FirstDraws { stream: *self, first, out });
    }

    /// The keys of all rounds, in every lane: made once for many blocks.
    #[inline(always)]
    pub(crate) fn schedule<E: Eights>(&self, e: E) -> Schedule<E> {
        // Steps of Philox 4x32 (Salmon et al. 2011).
        const STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
        let mut key = [self.key as u32, (self.key >> 32) as u32];
        let mut keys = [[e.eight([0; 8]); 2]; 10];
        for [first, second] in &mut keys {
            *first = e.eight([u64::from(key[0]); 8]);
            *second = e.eight([u64::from(key[1]); 8]);
            key = [key[0].wrapping_add(STEPS[0]), key[1].wrapping_add(STEPS[1])];
        }
        Schedule { keys }
    }

    /// The uniforms of `element` one after the other, from draw 0: one block for two of them.
    #[inline]
    #[must_use]
    pub fn uniforms(&self, element: u64) -> UniformSeq {
        self.uniforms_from(element, 0)
    }

    /// The uniforms of `element` from draw `draw` on; each equals [`Stream::uniform`] of its number.
    #[inline]
    #[must_use]
    pub fn uniforms_from(&self, element: u64, draw: u64) -> UniformSeq {
        let mut seq = UniformSeq { stream: *self, element, draw, second: 0 };
        if draw & 1 == 1 {
            seq.second = self.bits64(element, draw);
        }
        seq
    }

    /// A generator over the blocks of `element` for use with the crate `rand` (its words are those of
    /// [`Stream::bits`] from block 0).
    #[must_use]
    pub fn sequence(&self, element: u64) -> Sequence {
        Sequence { philox: Philox::new([self.key as u32, (self.key >> 32) as u32], u128::from(element) << 64) }
    }

    /// A uniformly drawn order of `0..n` (Fisher–Yates from the end; draw `k` of element 0 decides the `k`-th swap).
    #[must_use]
    pub fn permutation(&self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        let mut seq = self.uniforms(0);
        for last in (1..order.len()).rev() {
            let other = seq.below(last as u64 + 1) as usize;
            order.swap(last, other);
        }
        order
    }
}

/// Draws that [`uniform_batch`] makes at once (8 and 32 were slower for Poisson sources).
pub const BATCH: usize = 16;

/// The keys of the rounds of a stream's blocks; see [`Stream::schedule`].
#[derive(Clone, Copy)]
pub(crate) struct Schedule<E: Eights> {
    keys: [[E::Eight; 2]; 10],
}

/// The halves of one block for each of several elements, side by side.
#[inline(always)]
fn blocks_of<E: Eights>(
    e: E,
    schedule: &Schedule<E>,
    blocks: [u64; BATCH / 2],
    elements: [u64; BATCH / 2],
) -> [[u64; BATCH / 2]; 2] {
    let [c] = words_of_each(e, schedule, [(blocks, elements)]);
    let [mut even, mut odd] = [[0; BATCH / 2]; 2];
    for k in 0..BATCH / 2 {
        even[k] = c[0][k] & LOW | c[1][k] << 32;
        odd[k] = c[2][k] & LOW | c[3][k] << 32;
    }
    [even, odd]
}

/// The lower half of a lane.
const LOW: u64 = 0xffff_ffff;

/// The four words of blocks of elements, side by side, for some sets of `(blocks, elements)` at once, of which each round is done for all. Words of
/// 32 bits are in the lower halves of lanes; upper halves may hold anything.
#[inline(always)]
fn words_of_each<E: Eights, const N: usize>(
    e: E,
    schedule: &Schedule<E>,
    of: [([u64; BATCH / 2], [u64; BATCH / 2]); N],
) -> [[[u64; BATCH / 2]; 4]; N] {
    // Multipliers of Philox 4x32 (Salmon et al. 2011).
    const TIMES: [u64; 2] = [0xd251_1f53, 0xcd9e_8d57];
    let times = [e.eight([TIMES[0]; 8]), e.eight([TIMES[1]; 8])];
    let mut states = [[times[0]; 4]; N];
    for (c, (blocks, elements)) in states.iter_mut().zip(of) {
        let (block, element) = (e.eight(blocks), e.eight(elements));
        *c = [block, e.upper(block), element, e.upper(element)];
    }
    for [k0, k1] in &schedule.keys {
        for c in &mut states {
            let (p, r) = (e.product(c[0], times[0]), e.product(c[2], times[1]));
            *c = [e.xor(e.upper(r), e.xor(c[1], *k0)), r, e.xor(e.upper(p), e.xor(c[3], *k1)), p];
        }
    }
    let mut words = [[[0; BATCH / 2]; 4]; N];
    for (words, c) in words.iter_mut().zip(states) {
        *words = [e.lanes(c[0]), e.lanes(c[1]), e.lanes(c[2]), e.lanes(c[3])];
    }
    words
}

/// See [`Stream::uniform_each`].
struct FirstDraws<'a> {
    stream: Stream,
    first: u64,
    out: &'a mut [f64],
}

impl WithEights for FirstDraws<'_> {
    type Output = ();

    #[inline(always)]
    fn run<E: Eights>(self, e: E) {
        let schedule = self.stream.schedule(e);
        for (element, out) in (self.first..).step_by(BATCH / 2).zip(self.out.chunks_mut(BATCH / 2)) {
            let elements: [u64; BATCH / 2] = std::array::from_fn(|k| element.wrapping_add(k as u64));
            let [low, _] = blocks_of(e, &schedule, [0; BATCH / 2], elements);
            for (x, bits) in out.iter_mut().zip(low) {
                *x = unit_open(bits);
            }
        }
    }
}

/// Draws `BATCH * batch ..` of `element`, not side by side: those of even number, and those of odd number.
#[inline(always)]
pub(crate) fn uniform_halves<E: Eights>(
    e: E,
    schedule: &Schedule<E>,
    element: u64,
    batch: u64,
) -> [[f64; BATCH / 2]; 2] {
    let first = batch * (BATCH as u64 / 2);
    let blocks = std::array::from_fn(|k| first.wrapping_add(k as u64));
    let bits = blocks_of(e, schedule, blocks, [element; BATCH / 2]);
    // `array::map` is not always inlined, and then not compiled for wide vectors.
    let mut halves = [[0.0; BATCH / 2]; 2];
    for (half, bits) in halves.iter_mut().zip(&bits) {
        for (x, bits) in half.iter_mut().zip(bits) {
            *x = unit_open(*bits);
        }
    }
    halves
}

/// The upper 32 bits of draws `BATCH * batch ..` of `element`, in order, for two pairs of `(element, batch)`.
#[inline(always)]
pub(crate) fn upper_halves<E: Eights>(e: E, schedule: &Schedule<E>, of: [(u64, u64); 2]) -> [[u32; BATCH]; 2] {
    let mut blocks = [([0; BATCH / 2], [0; BATCH / 2]); 2];
    for ((blocks, elements), (element, batch)) in blocks.iter_mut().zip(of) {
        let first = batch * (BATCH as u64 / 2);
        for (k, block) in (0..).zip(&mut *blocks) {
            *block = first.wrapping_add(k);
        }
        *elements = [element; BATCH / 2];
    }
    let each = words_of_each(e, schedule, blocks);
    let mut words = [[0; BATCH]; 2];
    for (words, [_, even, _, odd]) in words.iter_mut().zip(&each) {
        for (pair, (even, odd)) in words.as_chunks_mut::<2>().0.iter_mut().zip(even.iter().zip(odd)) {
            *pair = [*even as u32, *odd as u32];
        }
    }
    words
}

/// [`BATCH`] uniforms at once: draws `BATCH * batch ..` of `element`, in order. Independent blocks overlap in the processor; the values are those of
/// [`Stream::uniform`].
#[inline(always)]
#[must_use]
pub(crate) fn uniform_batch<E: Eights>(e: E, schedule: &Schedule<E>, element: u64, batch: u64) -> [f64; BATCH] {
    let [even, odd] = uniform_halves(e, schedule, element, batch);
    let mut uniforms = [0.0; BATCH];
    for (pair, (a, b)) in uniforms.chunks_exact_mut(2).zip(even.iter().zip(&odd)) {
        pair[0] = *a;
        pair[1] = *b;
    }
    uniforms
}

/// Two words as one number, low word first.
#[inline]
fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// The upper 52 bits as an odd multiple of 2^-53.
#[inline(always)]
#[must_use]
pub fn unit_open(bits: u64) -> f64 {
    // 1.m lies in [1, 2); both the constant and the difference are exact, so no rounding happens.
    f64::from_bits(bits >> 12 | 0x3ff0_0000_0000_0000) - (1.0 - f64::EPSILON / 2.0)
}

/// The draws of one element in order; every distribution of [`dist`] is a method.
#[derive(Debug, Clone)]
pub struct UniformSeq {
    stream: Stream,
    element: u64,
    /// Number of the next draw.
    draw: u64,
    /// The second half of the current block; valid while `draw` is odd.
    second: u64,
}

impl UniformSeq {
    /// The next 64 bits.
    #[inline]
    pub fn next_bits(&mut self) -> u64 {
        let draw = self.draw;
        self.draw = draw.wrapping_add(1);
        if draw & 1 == 1 {
            return self.second;
        }
        let [a, b, c, d] = self.stream.bits(self.element, draw >> 1);
        self.second = join(c, d);
        join(a, b)
    }

    /// The next uniform in (0, 1).
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        unit_open(self.next_bits())
    }

    /// Number of the next draw: [`Stream::uniforms_from`] with it continues here.
    #[inline]
    #[must_use]
    pub fn position(&self) -> u64 {
        self.draw
    }

    /// An integer in `0..n`, from one draw (the upper half of the 128-bit product; the bias is at most n/2^64).
    /// 0 if `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_bits()) * u128::from(n)) >> 64) as u64
    }
}

/// A generator for the crate `rand` over one element's blocks.
#[derive(Debug, Clone)]
pub struct Sequence {
    philox: Philox,
}

impl rand::TryRng for Sequence {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.philox.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.philox.next_u64())
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.philox.try_fill_bytes(dst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, seq::SliceRandom};

    /// Known-answer vectors of Random123's `kat_vectors` for philox4x32, 10 rounds.
    #[test]
    fn generator_gives_the_published_vectors() {
        let block = |counter: [u32; 4], key: [u32; 2]| {
            Stream::from_key(join(key[0], key[1])).bits(join(counter[2], counter[3]), join(counter[0], counter[1]))
        };
        assert_eq!(block([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(block([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            block([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    /// FNV's published test vectors, and SplitMix64's first outputs from state 0.
    #[test]
    fn hashes_give_the_published_values() {
        assert_eq!(fnv1a64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a64(b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(splitmix64(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(splitmix64(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    /// These values are the contract with every result published so far; they may never change.
    #[test]
    fn streams_are_frozen() {
        let s = Stream::new(1, "X/spike");
        let bits = [
            s.key(),
            s.sub(7).key(),
            s.bits64(3, 5),
            s.uniform(0, 0).to_bits(),
            s.normal(1, 0).to_bits(),
            s.exponential(2, 1).to_bits(),
            s.lognormal(3, 2, 0.5, 0.25).to_bits(),
            s.gamma(4, 0.7).to_bits(),
            s.poisson(5, 100.0),
            s.randint(6, 0, -100, 100) as u64,
        ];
        assert_eq!(bits, FROZEN, "{bits:#x?}");
        assert_eq!(s.permutation(8), [3, 5, 7, 2, 6, 0, 4, 1]);
    }
    const FROZEN: [u64; 10] = [
        0xec66_65c2_decf_4e5e,
        0xeb9f_58f2_63bf_6d4c,
        0x8221_f1db_3cce_623c,
        0x3fc9_7b7a_88b0_d81c,
        0xbfdc_5abe_d861_5452,
        0x3ffd_19ed_cc2b_4910,
        0x3ffc_2801_9fe6_4424,
        0x3fd3_9293_978a_2a5c,
        0x7d,
        0xffff_ffff_ffff_ffad,
    ];

    #[test]
    fn the_uniform_stays_inside_the_open_interval() {
        let half_ulp = f64::EPSILON / 2.0;
        assert_eq!(unit_open(0), half_ulp);
        assert_eq!(unit_open(u64::MAX), 1.0 - half_ulp);
        assert_eq!(unit_open(1 << 63), 0.5 + half_ulp);
    }

    #[test]
    fn streams_of_nearby_seeds_paths_and_tags_differ() {
        let mut keys = std::collections::BTreeSet::new();
        for seed in 0..50 {
            for path in ["", "E/v@init", "E/v@inis", "XE/delay", "X/spike", "train/uniform#2"] {
                let s = Stream::new(seed, path);
                assert!(keys.insert(s.key()));
                for tag in 0..20 {
                    assert!(keys.insert(s.sub(tag).key()));
                    assert!(keys.insert(s.sub(tag).sub(tag + 1).key()));
                    assert!(keys.insert(s.sub(tag + 1).sub(tag).key()));
                }
            }
        }
    }

    #[test]
    fn a_sequence_reads_the_blocks_in_order() {
        let s = Stream::new(5, "shuffle");
        let mut seq = s.sequence(9);
        for block in 0..4 {
            for word in s.bits(9, block) {
                assert_eq!(seq.next_u32(), word);
            }
        }
        let mut seq = s.sequence(9);
        assert_eq!(seq.next_u64(), s.bits64(9, 0));
        let mut bytes = [0; 8];
        seq.fill_bytes(&mut bytes);
        assert_eq!(u64::from_le_bytes(bytes), s.bits64(9, 1));
        let mut items: Vec<u32> = (0..100).collect();
        items.shuffle(&mut s.sequence(0));
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn permutations_are_permutations_and_every_order_occurs() {
        let mut seen = std::collections::BTreeMap::new();
        for seed in 0..2400 {
            let p = Stream::new(seed, "d").permutation(4);
            let mut sorted = p.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
            *seen.entry(p).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 24);
        // 100 expected in each of 24 cells; the 99.99 % point of chi-squared with 23 degrees of freedom is 57.
        let chi2: f64 = seen.values().map(|&n| f64::from(n - 100) * f64::from(n - 100) / 100.0).sum();
        assert!(chi2 < 57.0, "{chi2}");
        assert!(Stream::new(0, "d").permutation(0).is_empty());
        assert_eq!(Stream::new(0, "d").permutation(1), [0]);
    }

    proptest! {
        #[test]
        fn sequential_and_random_access_agree(seed: u64, element: u64, start in 0u64..1000, n in 1usize..20) {
            let s = Stream::new(seed, "E/v@init");
            let mut seq = s.uniforms_from(element, start);
            for draw in start..start + n as u64 {
                prop_assert_eq!(seq.position(), draw);
                prop_assert_eq!(seq.uniform(), s.uniform(element, draw));
            }
            let portable = crate::simd::Portable;
            let batch = uniform_batch(portable, &s.schedule(portable), element, start);
            for (k, u) in batch.into_iter().enumerate() {
                prop_assert_eq!(u, s.uniform(element, start * BATCH as u64 + k as u64));
            }
        }

        #[test]
        fn below_is_in_range(seed: u64, n in 1u64..) {
            let mut seq = Stream::new(seed, "p").uniforms(0);
            for _ in 0..10 {
                prop_assert!(seq.below(n) < n);
            }
        }
    }
}
