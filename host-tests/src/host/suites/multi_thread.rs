//! Multi-thread suite, version 1.

use std::{
    cell::Cell,
    collections::HashMap,
    ffi::{c_int, c_uint, c_void},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
};

use parking_lot::{Condvar, Mutex};

use super::{give, status};
use crate::{host::call, host::sys::*};

pub(super) static SUITE: OfxMultiThreadSuiteV1 = OfxMultiThreadSuiteV1 {
    multiThread: Some(multi_thread),
    multiThreadNumCPUs: Some(num_cpus),
    multiThreadIndex: Some(index),
    multiThreadIsSpawnedThread: Some(is_spawned),
    mutexCreate: Some(mutex_create),
    mutexDestroy: Some(mutex_destroy),
    mutexLock: Some(mutex_lock),
    mutexUnLock: Some(mutex_unlock),
    mutexTryLock: Some(mutex_try_lock),
};

thread_local! {
    /// Index of this thread among those that `multiThread` started.
    static INDEX: Cell<Option<c_uint>> = const { Cell::new(None) };
}

fn cpus() -> c_uint {
    thread::available_parallelism().map_or(1, |n| c_uint::try_from(n.get()).unwrap_or(1))
}

/// An address that threads may share, since only the plug-in dereferences it.
#[derive(Clone, Copy)]
struct Shared(*mut c_void);
// SAFETY: by the suite's contract, the function may be called with this argument from several
// threads.
unsafe impl Send for Shared {}

unsafe extern "C" fn multi_thread(
    func: OfxThreadFunctionV1,
    threads: c_uint,
    argument: *mut c_void,
) -> OfxStatus {
    call::suite("multiThread", || {
        let Some(func) = func else {
            return call::null("multiThread", "function");
        };
        if INDEX.get().is_some() {
            return kOfxStatErrExists;
        }
        let scope = call::scope();
        let argument = Shared(argument);
        let count = if threads == 0 { cpus() } else { threads.min(256) };
        thread::scope(|spawner| {
            for index in 0..count {
                let scope = scope.clone();
                spawner.spawn(move || {
                    let argument = argument;
                    INDEX.set(Some(index));
                    // SAFETY: the plug-in's function, with the argument it asked for.
                    let run = || unsafe { func(index, count, argument.0) };
                    match scope {
                        Some(scope) => call::inside(scope, run),
                        None => run(),
                    }
                });
            }
        });
        kOfxStatOK
    })
}

unsafe extern "C" fn num_cpus(out: *mut c_uint) -> OfxStatus {
    // SAFETY: `out` comes from the plug-in as the suite states.
    call::anywhere("multiThreadNumCPUs", || unsafe { give("multiThreadNumCPUs", out, cpus()) })
}

unsafe extern "C" fn index(out: *mut c_uint) -> OfxStatus {
    // SAFETY: `out` comes from the plug-in as the suite states.
    call::anywhere("multiThreadIndex", || unsafe {
        give("multiThreadIndex", out, INDEX.get().unwrap_or(0))
    })
}

unsafe extern "C" fn is_spawned() -> c_int {
    c_int::from(INDEX.get().is_some())
}

/// A mutex that its owner may lock again.
#[derive(Default)]
struct Recursive {
    state: Mutex<(Option<ThreadId>, usize)>,
    freed: Condvar,
}

impl Recursive {
    fn lock(&self, wait: bool) -> bool {
        let me = thread::current().id();
        let mut state = self.state.lock();
        while state.0.is_some_and(|owner| owner != me) {
            if !wait {
                return false;
            }
            self.freed.wait(&mut state);
        }
        *state = (Some(me), state.1 + 1);
        true
    }

    fn unlock(&self) -> bool {
        let mut state = self.state.lock();
        if state.0 != Some(thread::current().id()) {
            return false;
        }
        state.1 -= 1;
        if state.1 == 0 {
            state.0 = None;
            self.freed.notify_one();
        }
        true
    }
}

static MUTEXES: Mutex<Option<HashMap<usize, Arc<Recursive>>>> = Mutex::new(None);
static NEXT: AtomicUsize = AtomicUsize::new(0x0DD0_0000);

fn find(function: &str, handle: OfxMutexHandle) -> Result<Arc<Recursive>, OfxStatus> {
    let found =
        MUTEXES.lock().as_ref().and_then(|mutexes| mutexes.get(&(handle as usize)).cloned());
    found.ok_or_else(|| call::bad_handle(function, handle))
}

unsafe extern "C" fn mutex_create(out: *mut OfxMutexHandle, locks: c_int) -> OfxStatus {
    call::anywhere("mutexCreate", || {
        let id = NEXT.fetch_add(16, Ordering::Relaxed);
        let mutex = Arc::new(Recursive::default());
        for _ in 0..locks {
            mutex.lock(true);
        }
        MUTEXES.lock().get_or_insert_default().insert(id, mutex);
        // SAFETY: `out` comes from the plug-in as the suite states.
        unsafe { give("mutexCreate", out, id as OfxMutexHandle) }
    })
}

unsafe extern "C" fn mutex_destroy(handle: OfxMutexHandle) -> OfxStatus {
    call::anywhere("mutexDestroy", || {
        let removed =
            MUTEXES.lock().as_mut().and_then(|mutexes| mutexes.remove(&(handle as usize)));
        if removed.is_some() { kOfxStatOK } else { call::bad_handle("mutexDestroy", handle) }
    })
}

unsafe extern "C" fn mutex_lock(handle: OfxMutexHandle) -> OfxStatus {
    call::anywhere("mutexLock", || {
        status(find("mutexLock", handle).map(|mutex| {
            mutex.lock(true);
            kOfxStatOK
        }))
    })
}

unsafe extern "C" fn mutex_unlock(handle: OfxMutexHandle) -> OfxStatus {
    call::anywhere("mutexUnLock", || {
        let unlocked = find("mutexUnLock", handle).map(|mutex| mutex.unlock());
        status(unlocked.map(|mine| if mine { kOfxStatOK } else { kOfxStatFailed }))
    })
}

unsafe extern "C" fn mutex_try_lock(handle: OfxMutexHandle) -> OfxStatus {
    call::anywhere("mutexTryLock", || {
        let locked = find("mutexTryLock", handle).map(|mutex| mutex.lock(false));
        status(locked.map(|locked| if locked { kOfxStatOK } else { kOfxStatFailed }))
    })
}
