//! Memory of large arrays in large pages, where the system has them. A step reads rows of weights all over a matrix or a list of synapses; in
//! pages of 4 KiB most of these reads would first have to look up where their page is. What arrays hold is not touched by that.

#![cfg_attr(
    target_os = "linux",
    allow(unsafe_code, reason = "tells the system how memory is going to be used; the block says why it is sound")
)]

/// Bytes of a large page on x86-64, and on most others.
const PAGE: usize = 2 << 20;

/// Arrays of fewer bytes stay in small pages: at most half of the memory of an array is lost at its end.
const WORTH_IT: usize = PAGE / 2;

/// What the allocator keeps of a block for itself, at most. A mapping of whole large pages is aligned to them, others need not be.
const HEADER: usize = 32;

/// `n` zeros (or what is the default of `T`), whose memory is not touched before it is used.
pub(crate) fn zeroed<T: Copy + Default>(n: usize) -> Vec<T> {
    let mut v = vec![T::default(); room::<T>(n)];
    prefer_large(&mut v);
    v.truncate(n);
    v
}

/// An empty vector for `n` elements.
pub(crate) fn with_capacity<T>(n: usize) -> Vec<T> {
    let mut v = Vec::with_capacity(room::<T>(n));
    prefer_large(v.spare_capacity_mut());
    v
}

/// A copy.
pub(crate) fn copy_of<T: Copy>(from: &[T]) -> Vec<T> {
    let mut v = with_capacity(from.len());
    v.extend_from_slice(from);
    v
}

/// Makes `to` a copy, in the memory that it has if that is enough.
pub(crate) fn copy_into<T: Copy>(from: &[T], to: &mut Vec<T>) {
    empty(to, from.len());
    to.extend_from_slice(from);
}

/// Empties a vector and makes room for `n` elements.
pub(crate) fn empty<T>(v: &mut Vec<T>, n: usize) {
    v.clear();
    if v.capacity() < n {
        *v = with_capacity(n);
    }
}

/// The elements to ask for, so that they fill large pages.
fn room<T>(n: usize) -> usize {
    let size = size_of::<T>().max(1);
    match n.checked_mul(size) {
        Some(bytes) if (WORTH_IT..usize::MAX / 2).contains(&bytes) => {
            ((bytes + HEADER).next_multiple_of(PAGE) - HEADER) / size
        }
        _ => n,
    }
}

#[cfg(target_os = "linux")]
fn prefer_large<T>(array: &mut [T]) {
    use rustix::mm::{Advice, madvise};
    let bytes = size_of_val(array);
    if bytes < WORTH_IT {
        return;
    }
    let start = array.as_mut_ptr().addr();
    let before = start % rustix::param::page_size();
    let from = array.as_mut_ptr().cast::<u8>().wrapping_sub(before);
    // SAFETY: the advice changes how memory is backed and nothing of what it holds, so no range of it can be wrong. The pages given are mapped,
    // since each of them holds a part of the array.
    let _ = unsafe { madvise(from.cast(), before + bytes, Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn prefer_large<T>(_: &mut [T]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_hold_what_they_are_asked_for() {
        for n in [0, 1, 1000, 1 << 18, (1 << 18) + 1, 3_000_001] {
            let v = zeroed::<f32>(n);
            assert_eq!(v.len(), n);
            assert!(v.iter().all(|x| *x == 0.0));
            let w = with_capacity::<u64>(n);
            assert!(w.is_empty() && w.capacity() >= n);
            let ramp: Vec<u32> = (0..n as u32).collect();
            let mut again = copy_of(&ramp);
            assert_eq!(again, ramp);
            copy_into(&ramp[n / 2..], &mut again);
            assert_eq!(again, ramp[n / 2..]);
        }
    }

    #[test]
    fn large_arrays_fill_large_pages_and_small_ones_lose_nothing() {
        assert_eq!(room::<f32>(1000), 1000);
        for n in [WORTH_IT, PAGE, 5 * PAGE + 7] {
            let room = room::<u8>(n);
            assert!(room >= n && room < n + PAGE + HEADER && (room + HEADER).is_multiple_of(PAGE), "{n}: {room}");
        }
        assert_eq!(room::<u32>(usize::MAX / 3), usize::MAX / 3);
    }
}
