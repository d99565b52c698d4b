//! 256-bit kernels for x86-64: compiles marked loops of lane-level programs, with the loops and choices right around them, for vectors twice as
//! wide as Cranelift knows. Two iterations of a marked loop run at once; what is left over runs in 128 bits. Lane by lane the operations are
//! those of the loop IR, so no bit changes; `tests/differential.rs` compares.
//!
//! What the kernel compiler does not know (it knows what populations are made of) it refuses, and the loop stays with Cranelift:
//! see [`Refused`].
//!
//! * `asm.rs`: encodes instructions.
//! * `region.rs`: what a loop nest holds: its values, what is invariant, which arguments it needs.
//! * `emit.rs`: control flow, integers, addresses.
//! * `vector.rs`: straight-line vector code and its registers.

mod asm;
mod emit;
mod region;
mod vector;

use crate::lir::{For, Function, Op, Program, Val};

/// A compiled loop nest: `extern "C" fn(table: *const *mut u8, args: *const [u8; 8])`.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// The code, followed by its constants; to be aligned to 32 bytes.
    pub(crate) code: Vec<u8>,
    /// The scalar values from outside, each in 8 bytes of its own.
    pub(crate) args: Vec<Val>,
}

/// Why a loop nest has no wide kernel; for people who look at the compiler's output.
pub(crate) type Refused = String;

/// Whether this machine can run wide kernels.
pub(crate) fn supported() -> bool {
    #[cfg(all(target_arch = "x86_64", unix))]
    {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("bmi1")
    }
    #[cfg(not(all(target_arch = "x86_64", unix)))]
    {
        false
    }
}

/// Compiles a loop nest of a verified function. `outside` tells how a value that is defined before the nest came about.
///
/// # Errors
/// If it holds no marked loop, or something that wide kernels do not have.
pub(crate) fn compile<'a>(
    program: &'a Program,
    function: &'a Function,
    nest: &'a For,
    outside: &dyn Fn(Val) -> Option<&'a Op>,
) -> Result<Kernel, Refused> {
    let mut region = region::Region::new(program, function, nest, outside)?;
    emit::emit(&mut region, nest)
}
