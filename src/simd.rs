//! Loops of precompiled code with the widest vectors that the machine has, chosen at run time. The width changes no bit: element-wise
//! loops do the same operations, and sums keep their written order.

use std::sync::LazyLock;

use pulp::Arch;

/// What this machine can do, found out once.
static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Runs `kernel` as compiled for this machine. It must be marked `#[inline(always)]`, and so must what it calls.
#[inline]
pub(crate) fn widest<R>(kernel: impl FnOnce() -> R) -> R {
    ARCH.dispatch(kernel)
}

/// Vectors of eight lanes of 64 bits, for what compilers do not find by themselves: products of the lanes' lower halves.
pub(crate) trait Eights: Copy {
    /// A vector.
    type Eight: Copy;
    /// Whether the machine has fused products and sums.
    const FUSED: bool;
    /// A vector of eight numbers.
    fn eight(self, x: [u64; 8]) -> Self::Eight;
    /// Its eight numbers.
    fn lanes(self, v: Self::Eight) -> [u64; 8];
    /// The products of the lower halves.
    fn product(self, a: Self::Eight, b: Self::Eight) -> Self::Eight;
    /// The upper halves as numbers.
    fn upper(self, a: Self::Eight) -> Self::Eight;
    /// Exclusive or.
    fn xor(self, a: Self::Eight, b: Self::Eight) -> Self::Eight;

    /// Turns numbers into their running sums, `start` included, and tells how many of these are at most `most`. None exceeds 32 bits.
    #[inline(always)]
    fn running_sums(self, numbers: &mut [u32; 16], start: u32, most: u32) -> usize {
        let (mut sum, mut n) = (start, 0);
        for number in numbers {
            sum += *number;
            *number = sum;
            n += usize::from(sum <= most);
        }
        n
    }
}

/// Vectors by the operations of the language.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Portable {
    #[inline(always)]
    fn each(a: [u64; 8], b: [u64; 8], f: impl Fn(u64, u64) -> u64) -> [u64; 8] {
        // `array::map` is not always inlined, and then not compiled for wide vectors.
        let mut out = [0; 8];
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = f(a, b);
        }
        out
    }
}

impl Eights for Portable {
    type Eight = [u64; 8];
    const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

    #[inline(always)]
    fn eight(self, x: [u64; 8]) -> [u64; 8] {
        x
    }

    #[inline(always)]
    fn lanes(self, v: [u64; 8]) -> [u64; 8] {
        v
    }

    #[inline(always)]
    fn product(self, a: [u64; 8], b: [u64; 8]) -> [u64; 8] {
        const LOW: u64 = 0xffff_ffff;
        Self::each(
            a,
            b,
            #[inline(always)]
            |a, b| (a & LOW) * (b & LOW),
        )
    }

    #[inline(always)]
    fn upper(self, a: [u64; 8]) -> [u64; 8] {
        Self::each(
            a,
            a,
            #[inline(always)]
            |a, _| a >> 32,
        )
    }

    #[inline(always)]
    fn xor(self, a: [u64; 8], b: [u64; 8]) -> [u64; 8] {
        Self::each(
            a,
            b,
            #[inline(always)]
            |a, b| a ^ b,
        )
    }
}

/// Two vectors of 256 bits.
#[cfg(target_arch = "x86_64")]
impl Eights for pulp::x86::V3 {
    type Eight = [std::arch::x86_64::__m256i; 2];
    const FUSED: bool = true;

    #[inline(always)]
    fn eight(self, x: [u64; 8]) -> Self::Eight {
        pulp::cast(x)
    }

    #[inline(always)]
    fn lanes(self, v: Self::Eight) -> [u64; 8] {
        pulp::cast(v)
    }

    #[inline(always)]
    fn product(self, a: Self::Eight, b: Self::Eight) -> Self::Eight {
        [self.avx2._mm256_mul_epu32(a[0], b[0]), self.avx2._mm256_mul_epu32(a[1], b[1])]
    }

    #[inline(always)]
    fn upper(self, a: Self::Eight) -> Self::Eight {
        [self.avx2._mm256_srli_epi64::<32>(a[0]), self.avx2._mm256_srli_epi64::<32>(a[1])]
    }

    #[inline(always)]
    fn xor(self, a: Self::Eight, b: Self::Eight) -> Self::Eight {
        [self.avx2._mm256_xor_si256(a[0], b[0]), self.avx2._mm256_xor_si256(a[1], b[1])]
    }
}

/// One vector of 512 bits.
#[cfg(target_arch = "x86_64")]
impl Eights for pulp::x86::V4 {
    type Eight = std::arch::x86_64::__m512i;
    const FUSED: bool = true;

    #[inline(always)]
    fn eight(self, x: [u64; 8]) -> Self::Eight {
        pulp::cast(x)
    }

    #[inline(always)]
    fn lanes(self, v: Self::Eight) -> [u64; 8] {
        pulp::cast(v)
    }

    #[inline(always)]
    fn product(self, a: Self::Eight, b: Self::Eight) -> Self::Eight {
        self.avx512f._mm512_mul_epu32(a, b)
    }

    #[inline(always)]
    fn upper(self, a: Self::Eight) -> Self::Eight {
        self.avx512f._mm512_srli_epi64::<32>(a)
    }

    #[inline(always)]
    fn xor(self, a: Self::Eight, b: Self::Eight) -> Self::Eight {
        self.avx512f._mm512_xor_si512(a, b)
    }

    #[inline(always)]
    fn running_sums(self, numbers: &mut [u32; 16], start: u32, most: u32) -> usize {
        let simd = self.avx512f;
        let zero = simd._mm512_setzero_si512();
        let mut sums = pulp::cast(*numbers);
        // Sums of 2, 4, 8 and 16 neighbours: the numbers one, two, four and eight places before are added.
        sums = simd._mm512_add_epi32(sums, simd._mm512_alignr_epi32::<15>(sums, zero));
        sums = simd._mm512_add_epi32(sums, simd._mm512_alignr_epi32::<14>(sums, zero));
        sums = simd._mm512_add_epi32(sums, simd._mm512_alignr_epi32::<12>(sums, zero));
        sums = simd._mm512_add_epi32(sums, simd._mm512_alignr_epi32::<8>(sums, zero));
        sums = simd._mm512_add_epi32(sums, simd._mm512_set1_epi32(start as i32));
        *numbers = pulp::cast(sums);
        simd._mm512_cmple_epu32_mask(sums, simd._mm512_set1_epi32(most as i32)).count_ones() as usize
    }
}

/// Code that is compiled once for each kind of [`Eights`]. What it calls must be marked `#[inline(always)]`.
pub(crate) trait WithEights {
    /// What it gives.
    type Output;
    /// Runs it.
    fn run<E: Eights>(self, e: E) -> Self::Output;
}

/// Like [`widest`].
#[inline]
pub(crate) fn with_eights<K: WithEights>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    match *ARCH {
        Arch::V4(simd) => {
            return simd.vectorize(
                #[inline(always)]
                || kernel.run(simd),
            );
        }
        Arch::V3(simd) => {
            return simd.vectorize(
                #[inline(always)]
                || kernel.run(simd),
            );
        }
        _ => {}
    }
    widest(
        #[inline(always)]
        || kernel.run(Portable),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products, upper halves and exclusive or of some numbers.
    struct All([u64; 8], [u64; 8]);

    /// Running sums.
    struct Sums([u32; 16], u32, u32);

    impl WithEights for Sums {
        type Output = ([u32; 16], usize);

        #[inline(always)]
        fn run<E: Eights>(mut self, e: E) -> Self::Output {
            let n = e.running_sums(&mut self.0, self.1, self.2);
            (self.0, n)
        }
    }

    #[test]
    fn running_sums_are_the_same_in_any_vectors() {
        let numbers: [u32; 16] = std::array::from_fn(|k| (k as u32 * 7919) % 1000 + 1);
        for start in [0, 5, 1 << 31] {
            for most in [0, 6, 3000, (1 << 31) + 2500, u32::MAX] {
                let expected = Sums(numbers, start, most).run(Portable);
                assert_eq!(with_eights(Sums(numbers, start, most)), expected);
                assert_eq!(expected.0[15], start + numbers.iter().sum::<u32>());
                assert_eq!(expected.1, expected.0.iter().filter(|s| **s <= most).count());
            }
        }
    }

    impl WithEights for All {
        type Output = [[u64; 8]; 3];

        #[inline(always)]
        fn run<E: Eights>(self, e: E) -> Self::Output {
            let (a, b) = (e.eight(self.0), e.eight(self.1));
            [e.lanes(e.product(a, b)), e.lanes(e.upper(a)), e.lanes(e.xor(a, b))]
        }
    }

    #[test]
    fn all_widths_that_this_machine_has_give_the_same() {
        let a: [u64; 8] = std::array::from_fn(|k| 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(k as u64 + 1));
        let b: [u64; 8] = std::array::from_fn(|k| 0xbf58_476d_1ce4_e5b9_u64.wrapping_mul(7 * k as u64 + 3));
        let want = All(a, b).run(Portable);
        assert_eq!(want[0][3], (a[3] & 0xffff_ffff) * (b[3] & 0xffff_ffff));
        assert_eq!(want[1][5], a[5] >> 32);
        assert_eq!(want[2][7], a[7] ^ b[7]);
        assert_eq!(with_eights(All(a, b)), want);
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V3::try_new() {
                assert_eq!(simd.vectorize(|| All(a, b).run(simd)), want);
            }
            if let Some(simd) = pulp::x86::V4::try_new() {
                assert_eq!(simd.vectorize(|| All(a, b).run(simd)), want);
            }
        }
    }
}
