//! Image memory of the effect suite.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use crate::{host::registry::Handle, host::sys::*};

/// Memory of the effect suite.
pub(crate) struct ImageMemory {
    handle: Handle,
    /// Handle of the effect for which it was allocated.
    pub(crate) effect: usize,
    bytes: Mutex<Vec<u64>>,
    locks: AtomicUsize,
}

impl ImageMemory {
    pub(crate) fn new(effect: usize, size: usize) -> Arc<Self> {
        let memory = Arc::new(Self {
            handle: Handle::reserve(),
            effect,
            bytes: Mutex::new(vec![0; size.div_ceil(8)]),
            locks: AtomicUsize::new(0),
        });
        memory.handle.publish(&memory);
        memory
    }

    pub(crate) fn raw(&self) -> OfxImageMemoryHandle {
        self.handle.raw()
    }

    pub(crate) fn id(&self) -> usize {
        self.handle.id()
    }

    pub(crate) fn lock(&self) -> usize {
        self.locks.fetch_add(1, Ordering::SeqCst);
        self.bytes.lock().as_mut_ptr() as usize
    }

    /// False if it was not locked.
    pub(crate) fn unlock(&self) -> bool {
        self.locks
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |locks| locks.checked_sub(1))
            .is_ok()
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.locks.load(Ordering::SeqCst) > 0
    }
}
