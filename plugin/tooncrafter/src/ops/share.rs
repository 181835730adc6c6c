//! A result that several tasks fill, each its own part.

use std::marker::PhantomData;

/// A mutable slice to which tasks may write at the same time, as long as their parts do not
/// overlap.
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: `Shared` only hands out parts through `slice`, whose caller guarantees that no two parts
// alive at the same time overlap. The values themselves may be sent between threads.
unsafe impl<T: Send> Sync for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), owner: PhantomData }
    }

    /// The `len` values from `from` on.
    ///
    /// # Safety
    /// No other part that overlaps this one may be alive.
    #[allow(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub(crate) unsafe fn slice(&self, from: usize, len: usize) -> &mut [T] {
        assert!(from <= self.len && len <= self.len - from, "a part lies inside the whole");
        // SAFETY: this is inside the slice that `new` borrowed for 'a, and the caller guarantees
        // that nothing overlaps it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }
}
