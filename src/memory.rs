//! Where arrays lie: the allocator of the program. An array that kernels may walk through starts at a multiple of the widest vector's 64 bytes, so
//! that no vector of it lies in two cache lines; one that may have large pages (see [`crate::pages`]) starts in one and has a mapping of its own,
//! since memory that was in small pages before would stay in them. Only the start is chosen: what an array that grows does is left to the
//! system's allocator, and so is clearing large arrays, which then take no memory where they are not touched.
//!
//! The binary and the benches use it; a program that uses the library chooses its own. With other C libraries than GNU's it is the system's
//! allocator and nothing else.

#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    allow(unsafe_code, reason = "an allocator; each block says why it is sound")
)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use gnu::Arrays;

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub use std::alloc::System as Arrays;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod gnu {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::ffi::c_int;
    use std::ptr::null_mut;
    use std::sync::Once;

    use crate::pages::{LARGE, WORTH_IT};

    /// Bytes of the widest vector, and of a cache line.
    const LINE: usize = 64;

    /// Blocks of fewer bytes are not arrays that kernels walk through.
    const ARRAY: usize = 1 << 10;

    /// Zeros of so many bytes are not written: the system has them.
    const CLEAR: usize = 128 << 10;

    /// Free memory that is kept for what comes next, where the allocator would otherwise give it back and ask for it again with every sample.
    const KEPT: usize = 16 << 20;

    /// The allocator: see the module.
    #[derive(Debug)]
    pub struct Arrays;

    /// The multiple at which a block is to start.
    fn start(layout: Layout) -> usize {
        let wanted = match layout.size() {
            ..ARRAY => 0,
            ARRAY..WORTH_IT => LINE,
            WORTH_IT.. => LARGE,
        };
        layout.align().max(wanted)
    }

    /// A block of C's allocator at such a multiple, a power of two of at least a pointer's size.
    fn at(multiple: usize, size: usize) -> *mut u8 {
        static FIRST: Once = Once::new();
        if multiple >= LARGE {
            FIRST.call_once(|| {
                // SAFETY: sets numbers of the allocator, which may be done at any time.
                unsafe {
                    libc::mallopt(libc::M_MMAP_THRESHOLD, WORTH_IT as c_int);
                    libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT as c_int);
                }
            });
        }
        let mut block = null_mut();
        // SAFETY: `block` is a place for a pointer.
        match unsafe { libc::posix_memalign(&raw mut block, multiple, size) } {
            0 => block.cast(),
            _ => null_mut(),
        }
    }

    // SAFETY: every block comes from C's allocator, from which the system's allocator of the standard library has small ones too, and C's `free` and
    // `realloc` take any block of it, at whatever multiple it starts.
    unsafe impl GlobalAlloc for Arrays {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            match start(layout) {
                multiple if multiple > layout.align() => at(multiple, layout.size()),
                // SAFETY: the caller's layout.
                _ => unsafe { System.alloc(layout) },
            }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            match start(layout) {
                multiple if multiple > layout.align() && layout.size() < CLEAR => {
                    let block = at(multiple, layout.size());
                    if !block.is_null() {
                        // SAFETY: the block has so many bytes.
                        unsafe { block.write_bytes(0, layout.size()) };
                    }
                    block
                }
                // SAFETY: the caller's layout.
                _ => unsafe { System.alloc_zeroed(layout) },
            }
        }

        unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
            // SAFETY: a block of C's allocator, which the caller does not use again.
            unsafe { libc::free(block.cast()) }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: the block came from here with this layout; the caller promises that the new size and the alignment make one.
            unsafe { System.realloc(block, layout, size) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout};

    #[test]
    fn blocks_of_any_size_and_alignment_hold_what_they_are_given() {
        let arrays = super::Arrays;
        for (size, align) in
            [(1, 1), (1000, 8), (1024, 4), (4096, 4096), (200_000, 4), (1 << 20, 8), (5_000_000, 4), (3 << 20, 4 << 20)]
        {
            let layout = Layout::from_size_align(size, align).expect("a layout");
            let grown = Layout::from_size_align(3 * size, align).expect("a layout");
            // SAFETY: the layouts are not empty, and each block is used within its size and given back once with the layout that it has.
            #[expect(unsafe_code, reason = "calls an allocator")]
            unsafe {
                let zeros = arrays.alloc_zeroed(layout);
                assert!(!zeros.is_null() && zeros.addr().is_multiple_of(align));
                assert!((0..size).all(|k| *zeros.add(k) == 0));
                let block = arrays.alloc(layout);
                assert!(!block.is_null() && block.addr().is_multiple_of(align));
                #[cfg(all(target_os = "linux", target_env = "gnu"))]
                assert!(size < 1024 || block.addr().is_multiple_of(64));
                (0..size).for_each(|k| *block.add(k) = k as u8);
                let block = arrays.realloc(block, layout, 3 * size);
                assert!(!block.is_null() && block.addr().is_multiple_of(align));
                assert!((0..size).all(|k| *block.add(k) == k as u8));
                arrays.dealloc(block, grown);
                arrays.dealloc(zeros, layout);
            }
        }
    }
}
