//! Handles: the numbers that our host issues instead of addresses.
//!
//! A handle is never reused and never dereferenced, so a stale or invented one is reported as an
//! error instead of crashing the host. The registry holds weak references; whoever owns an object
//! decides how long it lives.

use std::{
    any::Any,
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;

/// The object behind a handle, of any type.
type Object = Weak<dyn Any + Send + Sync>;

static OBJECTS: RwLock<Option<HashMap<usize, Object>>> = RwLock::new(None);
/// Far from small integers and from real addresses, so that both are recognised as foreign.
static NEXT: AtomicUsize = AtomicUsize::new(0x0FF0_0000);

/// A reserved number. When it is dropped, the object behind it is forgotten.
pub(crate) struct Handle(usize);

impl Handle {
    /// Reserves a number that has never been used.
    pub(crate) fn reserve() -> Self {
        Self(NEXT.fetch_add(16, Ordering::Relaxed))
    }

    /// Makes the object available under this handle.
    pub(crate) fn publish<T: Any + Send + Sync>(&self, object: &Arc<T>) {
        let object: Weak<T> = Arc::downgrade(object);
        OBJECTS.write().get_or_insert_default().insert(self.0, object);
    }

    /// The number as the pointer type that the API wants.
    pub(crate) fn raw<T>(&self) -> *mut T {
        self.0 as *mut T
    }

    /// The number itself.
    pub(crate) fn id(&self) -> usize {
        self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(objects) = OBJECTS.write().as_mut() {
            objects.remove(&self.0);
        }
    }
}

/// The object behind a handle, if it is a `T` and still exists.
pub(crate) fn find<T: Any + Send + Sync>(handle: usize) -> Option<Arc<T>> {
    let object = OBJECTS.read().as_ref()?.get(&handle)?.upgrade()?;
    object.downcast().ok()
}

/// The object behind a handle of the API, if it is a `T` and still exists.
pub(crate) fn behind<T: Any + Send + Sync, H>(handle: *const H) -> Option<Arc<T>> {
    find(handle as usize)
}
