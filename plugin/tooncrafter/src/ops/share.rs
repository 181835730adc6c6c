//! One result that several tasks fill, each its own part.

use std::marker::PhantomData;

/// A mutable slice that tasks may write to side by side where they never meet.
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: `Shared` only hands out parts through `slice`, whose caller vouches that no two parts
// that are alive at the same time overlap; the values themselves may be sent.
unsafe impl<T: Send> Sync for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), owner: PhantomData }
    }

    /// The part of `len` values from `from`.
    ///
    /// # Safety
    /// No other part that overlaps this one may be alive.
    #[allow(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub(crate) unsafe fn slice(&self, from: usize, len: usize) -> &mut [T] {
        assert!(from <= self.len && len <= self.len - from, "a part lies inside the whole");
        // SAFETY: inside the slice that `new` borrowed for 'a; not overlapped by promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }
}
