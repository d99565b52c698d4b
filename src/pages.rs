//! Memory of large arrays in large pages, where the system has them. A step reads rows of weights all over a matrix or a list of synapses; in
//! pages of 4 KiB most of these reads would first have to look up where their page is. What arrays hold is not touched by that.

#![cfg_attr(
    target_os = "linux",
    allow(unsafe_code, reason = "tells the system how memory is going to be used; the block says why it is sound")
)]

/// Bytes of a large page on x86-64, and on most others.
pub(crate) const LARGE: usize = 2 << 20;

/// Arrays of fewer bytes stay in small pages: at most half of the memory of an array is lost at its end.
pub(crate) const WORTH_IT: usize = LARGE / 2;

/// `n` zeros (or what is the default of `T`), for an array that is used throughout.
pub(crate) fn zeroed<T: Copy + Default>(n: usize) -> Vec<T> {
    let mut v = with_capacity(n);
    v.resize(n, T::default());
    v
}

/// An empty vector for `n` elements.
pub(crate) fn with_capacity<T>(n: usize) -> Vec<T> {
    let mut v = Vec::with_capacity(n);
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

#[cfg(target_os = "linux")]
fn prefer_large<T>(array: &mut [T]) {
    use rustix::mm::{Advice, madvise};
    let (start, bytes) = (array.as_mut_ptr().addr(), size_of_val(array));
    let Some(end) = end_of_large(start, bytes) else { return };
    let before = start % rustix::param::page_size();
    let from = array.as_mut_ptr().cast::<u8>().wrapping_sub(before);
    // SAFETY: the advice changes how memory is backed and nothing of what it holds, so no range of it can be wrong.
    let _ = unsafe { madvise(from.cast(), end - (start - before), Advice::LinuxHugepage) };
}

/// Where large pages of an array end, if it has any: at most half of the last one is lost.
fn end_of_large(start: usize, bytes: usize) -> Option<usize> {
    let end = start.checked_add(bytes)?.checked_add(WORTH_IT)? / LARGE * LARGE;
    (end > start).then_some(end)
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
    fn at_most_half_a_large_page_is_lost() {
        for (start, bytes) in
            [(0, LARGE), (64, LARGE), (4096, LARGE / 2 + 64), (LARGE, 5 * LARGE + 7), (3 * LARGE, 2 * LARGE - 1)]
        {
            let end = end_of_large(start, bytes).expect("large enough");
            assert!(end.is_multiple_of(LARGE) && end <= start + bytes + LARGE / 2 && end + LARGE / 2 > start + bytes);
        }
        assert_eq!(end_of_large(LARGE, LARGE / 2 - 1), None);
        assert_eq!(end_of_large(64, usize::MAX), None);
    }
}
