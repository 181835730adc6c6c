//! Handles: the numbers that our host gives out instead of addresses.
//!
//! A handle is never reused and never dereferenced, so a stale or invented one is an error that is reported, not
//! a crash of the host. The registry holds weak references; whoever owns an object decides how long it lives.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;

use crate::{
    host::clip::{Clip, ImageMemory},
    host::effect::Effect,
    host::param::{Param, ParamSet},
    host::props::PropertySet,
};

/// What a handle stands for.
#[derive(Clone)]
pub(crate) enum Object {
    Properties(Weak<PropertySet>),
    Effect(Weak<Effect>),
    ParamSet(Weak<ParamSet>),
    Param(Weak<Param>),
    Clip(Weak<Clip>),
    Memory(Weak<ImageMemory>),
}

static OBJECTS: RwLock<Option<HashMap<usize, Object>>> = RwLock::new(None);
/// Far from small integers and from real addresses, so that either is recognised as foreign.
static NEXT: AtomicUsize = AtomicUsize::new(0x0FF0_0000);

/// A reserved number; the object behind it is forgotten when this is dropped.
pub(crate) struct Handle(usize);

impl Handle {
    /// Reserves a number that was never used.
    pub(crate) fn reserve() -> Self {
        Self(NEXT.fetch_add(16, Ordering::Relaxed))
    }

    /// Makes the object findable.
    pub(crate) fn publish(&self, object: Object) {
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

fn find(handle: usize) -> Option<Object> {
    OBJECTS.read().as_ref()?.get(&handle).cloned()
}

macro_rules! finder {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $type:ty) => {
        $(#[$doc])*
        pub(crate) fn $name<T>(handle: *const T) -> Option<Arc<$type>> {
            match find(handle as usize)? {
                Object::$variant(weak) => weak.upgrade(),
                _ => None,
            }
        }
    };
}

finder!(/// The property set behind a handle.
    properties, Properties, PropertySet);
finder!(/// The effect, descriptor or instance, behind a handle.
    effect, Effect, Effect);
finder!(/// The parameter set behind a handle.
    param_set, ParamSet, ParamSet);
finder!(/// The parameter behind a handle.
    param, Param, Param);
finder!(/// The clip behind a handle.
    clip, Clip, Clip);
finder!(/// The image memory behind a handle.
    memory, Memory, ImageMemory);
