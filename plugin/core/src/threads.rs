//! Threads after a fork.
//!
//! A fork copies only one thread. If the host has drawn before, its child inherits a pool, a queue
//! and locks whose threads no longer exist, and would wait for them for ever. So every action
//! checks whether it still runs in the same process as the last one. If not, everything that has
//! threads is made anew.
//!
//! The pool that rayon keeps for the whole process cannot be made anew. In a child, threads bring
//! their own pools instead: rayon uses the pool to which the calling thread belongs.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

/// The process of the last action; 0 before the first.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// The process for which `start_anew` was last called, whether or not it has returned.
static ANEW: AtomicU32 = AtomicU32::new(0);
/// Whether this process is a forked child that has started anew.
static FORKED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static HAS_POOL: Cell<bool> = const { Cell::new(false) };
}

/// Calls `start_anew` once in each process that was forked from one that has used threads here, and
/// returns when that is done, whichever thread does it. Call this on every foreign thread before
/// anything that uses threads.
///
/// `start_anew` must not wait for one of the parent's threads.
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
    // The pool has no further thread: a host may make a thread for every frame, and none of those
    // may leave threads behind.
    bring_pool(NonZeroUsize::MIN);
}

/// For our own threads that do heavy work: gives the thread a pool over all cores if the process's
/// own is gone.
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
        // The pool is leaked: it must live as long as the thread, and there is no good moment to
        // end it.
        Ok(pool) => std::mem::forget(pool),
        Err(error) => log::debug!("this thread has a pool already: {error}"),
    }
}
