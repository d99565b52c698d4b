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

/// Vectors of four lanes of 64 bits, for what compilers do not find by themselves: products of the lanes' lower halves.
pub(crate) trait Quads: Copy {
    /// A vector.
    type Quad: Copy;
    /// A vector of four numbers.
    fn quad(self, x: [u64; 4]) -> Self::Quad;
    /// Its four numbers.
    fn lanes(self, q: Self::Quad) -> [u64; 4];
    /// The products of the lower halves.
    fn product(self, a: Self::Quad, b: Self::Quad) -> Self::Quad;
    /// The upper halves as numbers.
    fn upper(self, a: Self::Quad) -> Self::Quad;
    /// Exclusive or.
    fn xor(self, a: Self::Quad, b: Self::Quad) -> Self::Quad;
}

/// Quads by the operations of the language.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Quads for Portable {
    type Quad = [u64; 4];

    #[inline(always)]
    fn quad(self, x: [u64; 4]) -> [u64; 4] {
        x
    }

    #[inline(always)]
    fn lanes(self, q: [u64; 4]) -> [u64; 4] {
        q
    }

    #[inline(always)]
    fn product(self, a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        const LOW: u64 = 0xffff_ffff;
        [
            (a[0] & LOW) * (b[0] & LOW),
            (a[1] & LOW) * (b[1] & LOW),
            (a[2] & LOW) * (b[2] & LOW),
            (a[3] & LOW) * (b[3] & LOW),
        ]
    }

    #[inline(always)]
    fn upper(self, a: [u64; 4]) -> [u64; 4] {
        [a[0] >> 32, a[1] >> 32, a[2] >> 32, a[3] >> 32]
    }

    #[inline(always)]
    fn xor(self, a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        [a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]]
    }
}

#[cfg(target_arch = "x86_64")]
impl Quads for pulp::x86::V3 {
    type Quad = std::arch::x86_64::__m256i;

    #[inline(always)]
    fn quad(self, x: [u64; 4]) -> Self::Quad {
        pulp::cast(x)
    }

    #[inline(always)]
    fn lanes(self, q: Self::Quad) -> [u64; 4] {
        pulp::cast(q)
    }

    #[inline(always)]
    fn product(self, a: Self::Quad, b: Self::Quad) -> Self::Quad {
        self.avx2._mm256_mul_epu32(a, b)
    }

    #[inline(always)]
    fn upper(self, a: Self::Quad) -> Self::Quad {
        self.avx2._mm256_srli_epi64::<32>(a)
    }

    #[inline(always)]
    fn xor(self, a: Self::Quad, b: Self::Quad) -> Self::Quad {
        self.avx2._mm256_xor_si256(a, b)
    }
}

/// Code that is compiled once for each kind of [`Quads`]. What it calls must be marked `#[inline(always)]`.
pub(crate) trait WithQuads {
    /// What it gives.
    type Output;
    /// Runs it.
    fn run<Q: Quads>(self, q: Q) -> Self::Output;
}

/// Like [`widest`].
#[inline]
pub(crate) fn with_quads<K: WithQuads>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(
            #[inline(always)]
            || kernel.run(simd),
        );
    }
    widest(
        #[inline(always)]
        || kernel.run(Portable),
    )
}
