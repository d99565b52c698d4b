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
