//! Where arrays start. The system's allocator starts them 16 bytes after a multiple of 64, so that three of four vectors of 512 bits (and every other one
//! of 256) lie in two cache lines; and large ones anywhere, so that only a part of them can be in large pages. This allocator asks the system for a
//! little more, and starts arrays at multiples of 64 bytes, large ones at multiples of a large page. What they hold is not touched by that, nor is
//! memory that the system has set to zero without having it at hand.

#![allow(unsafe_code, reason = "an allocator hands out raw memory; each block says why it is sound")]

use std::alloc::{GlobalAlloc, Layout, System};

/// Smaller blocks are the system's own.
const SMALL: usize = 512;

/// From here on blocks start at large pages. Memory that is only asked for, not used, costs nothing.
const LARGE: usize = 1 << 20;

/// The alignment that the system is asked for, at least: there is room for a number before each block.
const LEAST: usize = 16;

/// The allocator of the command `snnc`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Aligned;

/// Where a block of this layout is to start: `None` where the system is left to decide.
fn start(layout: Layout) -> Option<usize> {
    if layout.size() < SMALL || layout.align() > LEAST {
        return None;
    }
    Some(if layout.size() < LARGE { 64 } else { 2 << 20 })
}

/// The block to ask the system for, from which one of this layout that starts at a multiple of `start` can be cut, with a number before it.
fn whole(layout: Layout, start: usize) -> Option<Layout> {
    Layout::from_size_align(layout.size().checked_add(start)?, LEAST).ok()
}

/// The distance from the start of the system's block to that of ours: at least [`LEAST`], since that divides both.
fn distance(block: *mut u8, start: usize) -> usize {
    start - block.addr() % start
}

/// Cuts our block out of the system's.
///
/// # Safety
/// `block` is null, or a block of [`whole`] with this `start`.
unsafe fn cut(block: *mut u8, start: usize) -> *mut u8 {
    if block.is_null() {
        return block;
    }
    let distance = distance(block, start);
    // SAFETY: the distance is at most `start`, by which the block is larger than ours, and at least that of one aligned number.
    unsafe {
        let ours = block.add(distance);
        ours.sub(LEAST).cast::<usize>().write(distance);
        ours
    }
}

/// The distance that was noted before one of our blocks.
///
/// # Safety
/// `ours` comes from [`cut`].
unsafe fn noted(ours: *mut u8) -> usize {
    // SAFETY: that is where `cut` wrote it.
    unsafe { ours.sub(LEAST).cast::<usize>().read() }
}

// SAFETY: blocks are the system's, or parts of such that are as large as asked for and aligned to more than asked for; each is given back as what
// the system gave, which the layout and the number before the block tell.
unsafe impl GlobalAlloc for Aligned {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size, and so has the larger one.
        unsafe {
            match start(layout) {
                None => System.alloc(layout),
                Some(start) => whole(layout, start).map_or(std::ptr::null_mut(), |w| cut(System.alloc(w), start)),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`; the number is written before our block, which stays zero.
        unsafe {
            match start(layout) {
                None => System.alloc_zeroed(layout),
                Some(start) => {
                    whole(layout, start).map_or(std::ptr::null_mut(), |w| cut(System.alloc_zeroed(w), start))
                }
            }
        }
    }

    unsafe fn dealloc(&self, ours: *mut u8, layout: Layout) {
        // SAFETY: the caller gives the layout with which the block was asked for, so that `start` says the same as it did then.
        unsafe {
            match start(layout).and_then(|start| whole(layout, start)) {
                None => System.dealloc(ours, layout),
                Some(whole) => System.dealloc(ours.sub(noted(ours)), whole),
            }
        }
    }

    unsafe fn realloc(&self, ours: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller sees to it that the new size is sound with this alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (start(layout), start(new)) {
            // SAFETY: a block of the system's own stays one.
            (None, None) => unsafe { System.realloc(ours, layout, size) },
            // The system may move pages rather than what they hold.
            (Some(from), Some(to)) if from == to => {
                let (Some(old), Some(wanted)) = (whole(layout, from), whole(new, to)) else {
                    return std::ptr::null_mut();
                };
                // SAFETY: the block is given back as it came. Both distances are at most `to`, by which the new block is larger than what is moved in it.
                unsafe {
                    let before = noted(ours);
                    let block = System.realloc(ours.sub(before), old, wanted.size());
                    if block.is_null() {
                        return block;
                    }
                    let after = distance(block, to);
                    if after != before {
                        std::ptr::copy(block.add(before), block.add(after), layout.size().min(size));
                    }
                    cut(block, to)
                }
            }
            _ => {
                // SAFETY: two blocks of their own, of which the smaller size is copied.
                unsafe {
                    let other = self.alloc(new);
                    if !other.is_null() {
                        std::ptr::copy_nonoverlapping(ours, other, layout.size().min(size));
                        self.dealloc(ours, layout);
                    }
                    other
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes at which something changes, and some between.
    const SIZES: [usize; 12] =
        [1, 100, SMALL - 1, SMALL, 6400, 70_000, LEAST + LARGE - 17, LARGE - 1, LARGE, 3 << 20, (5 << 20) + 8, 9 << 20];

    /// Every so many bytes are looked at.
    const STRIDE: usize = 61;

    /// Fills a block with what tells each byte's place.
    fn fill(block: *mut u8, size: usize) {
        for k in (0..size).step_by(STRIDE) {
            // SAFETY: the block has `size` bytes.
            unsafe { block.add(k).write((k % 251) as u8) };
        }
    }

    fn holds(block: *mut u8, size: usize) -> bool {
        // SAFETY: the block has `size` bytes, all of them written.
        (0..size).step_by(STRIDE).all(|k| unsafe { block.add(k).read() } == (k % 251) as u8)
    }

    #[test]
    fn blocks_start_where_they_should_and_keep_what_they_hold() {
        for from in SIZES {
            for to in SIZES {
                for align in [1, 8, 16, 64, 4096] {
                    let layout = Layout::from_size_align(from, align).unwrap();
                    let new = Layout::from_size_align(to, align).unwrap();
                    // SAFETY: the layouts have sizes; each block is used within its size and given back with its layout.
                    unsafe {
                        let block = Aligned.alloc(layout);
                        assert!(!block.is_null() && block.addr().is_multiple_of(start(layout).unwrap_or(align)));
                        fill(block, from);
                        let block = Aligned.realloc(block, layout, to);
                        assert!(
                            !block.is_null() && block.addr().is_multiple_of(start(new).unwrap_or(align)),
                            "{from} to {to}"
                        );
                        assert!(holds(block, from.min(to)), "{from} to {to}");
                        fill(block, to);
                        Aligned.dealloc(block, new);
                    }
                }
            }
        }
    }

    #[test]
    fn zeros_are_zero() {
        for size in SIZES {
            let layout = Layout::from_size_align(size, 8).unwrap();
            for _ in 0..3 {
                // SAFETY: as above.
                unsafe {
                    let block = Aligned.alloc_zeroed(layout);
                    assert!((0..size).step_by(STRIDE).all(|k| block.add(k).read() == 0), "{size}");
                    fill(block, size);
                    Aligned.dealloc(block, layout);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let most = isize::MAX as usize - 64;
        let layout = Layout::from_size_align(most, 8).unwrap();
        // SAFETY: nothing is used.
        unsafe { assert!(Aligned.alloc(layout).is_null()) };
    }
}
