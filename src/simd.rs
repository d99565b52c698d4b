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
