//! Threads in a process that was forked.
//!
//! A fork copies one thread only. If the host has drawn before, its child finds a pool, a queue and locks whose
//! threads no longer exist, and would wait for them for ever. So every action asks whether it still runs in the
//! process that it ran in last, and where it does not, everything with threads is made anew.
//!
//! The pool that rayon keeps for a whole process cannot be made anew. In a child, threads bring pools of their own
//! instead: rayon uses the pool that a thread belongs to.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

/// The process that was seen last; 0 before the first look.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// The process that `start_anew` was last called for, whether or not it has returned.
static ANEW: AtomicU32 = AtomicU32::new(0);
/// Whether this process is a forked child that has started anew.
static FORKED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static HAS_POOL: Cell<bool> = const { Cell::new(false) };
}

/// Calls `start_anew` once in each process that was forked from one that has been here before, and returns when
/// it is done, on whatever thread. To be called before anything that uses threads, on threads that are not ours.
///
/// `start_anew` must not wait for a thread of the parent's.
pub fn notice_fork(start_anew: impl FnOnce()) {
    let now = std::process::id();
    let seen = PROCESS.load(Ordering::Acquire);
    if seen != now {
        if seen == 0 {
            PROCESS.store(now, Ordering::Release);
        } else if ANEW.swap(now, Ordering::AcqRel) == now {
            while PROCESS.load(Ordering::Acquire) != now {
                thread::yield_now();
            }
        } else {
            log::info!("process {now} was forked from {seen}: its threads are started anew");
            FORKED.store(true, Ordering::Release);
            start_anew();
            PROCESS.store(now, Ordering::Release);
        }
    }
    // The pool has no other thread: a host may make a thread for every frame, and none of them may leave threads
    // behind.
    bring_pool(NonZeroUsize::MIN);
}

/// For a thread of ours that does heavy work: gives it a pool over all cores where the process's own is gone.
pub(crate) fn work_here() {
    bring_pool(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
}

fn bring_pool(threads: NonZeroUsize) {
    if !FORKED.load(Ordering::Acquire) || HAS_POOL.replace(true) {
        return;
    }
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(threads.get()).use_current_thread().build();
    match pool {
        // The pool stays for as long as the thread lives; there is no good moment to end it.
        Ok(pool) => std::mem::forget(pool),
        Err(error) => log::debug!("this thread has a pool already: {error}"),
    }
}
