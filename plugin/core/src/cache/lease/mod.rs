//! Who computes a span: one process among all that share a cache directory, on one machine or on
//! several.
//!
//! A claim is a file named by the span and a generation. Creating it is the claim, for only one can
//! create a name; its owner changes it every few seconds. Whoever finds it there waits until the
//! span is ready, until the claim is given back, or until it has not changed for so long that its
//! owner must be gone. Then the next generation is created, which again only one can, so that a
//! claim passes on exactly once.
//!
//! Nothing here compares the clocks of two machines: each waits by its own. On one machine a lock
//! on the file, which the system gives back for a killed process, saves the wait.
//!
//! A process that was stopped for long and goes on may compute a span twice. That costs time only:
//! what is stored is named by its content.

mod file;

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{ContentHash, Control, Error};
use file::{Attempt, Folder, Lease};

/// What a claim came to.
#[derive(Debug)]
pub enum Claim {
    /// The span is ours to compute. Others wait until the guard is dropped, which shall be after
    /// the span was stored.
    Mine(Guard),
    /// It is ready: somebody else has computed it.
    Ready,
}

/// The times of a claim; tests shorten them.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Time between two signs of life of an owner.
    beat: Duration,
    /// After this long without a sign of life an owner is taken for gone.
    stale: Duration,
    /// Time between two looks of a process that waits.
    poll: Duration,
}

const PACE: Pace = Pace {
    beat: Duration::from_secs(2),
    stale: Duration::from_secs(20),
    poll: Duration::from_millis(50),
};

/// Claims the span of `key` in the cache directory `dir`, or waits for whoever has claimed it.
/// `ready` tells whether the span lies there; it is asked before every wait and once more before
/// the claim is ours.
///
/// A directory that cannot be written to keeps no claims. Then every process computes the span itself.
///
/// # Errors
/// [`Error::Cancelled`] soon after `control` was cancelled.
pub fn claim(
    dir: &Path,
    key: &ContentHash,
    control: &Control,
    ready: impl Fn() -> bool,
) -> Result<Claim, Error> {
    claim_at(PACE, dir, key, control, ready)
}

fn claim_at(
    pace: Pace,
    dir: &Path,
    key: &ContentHash,
    control: &Control,
    ready: impl Fn() -> bool,
) -> Result<Claim, Error> {
    let folder = Folder::new(dir, key);
    let mut watched: Option<ObservedLease> = None;
    loop {
        control.check()?;
        if ready() {
            return Ok(Claim::Ready);
        }
        let newest = match folder.newest() {
            Ok(newest) => newest,
            Err(error) => return Ok(Claim::Mine(Guard::without_file(&error))),
        };
        let gone = match newest {
            None => None,
            Some(found) => {
                let watched = ObservedLease::update(&mut watched, found);
                if !watched.is_gone(pace) {
                    std::thread::sleep(pace.poll);
                    continue;
                }
                Some(&watched.lease)
            }
        };
        match folder.take(gone) {
            Ok(Attempt::Mine(owned)) => {
                let guard = Guard::start(owned, pace);
                // Between the first look and the claim its last owner may have finished.
                return Ok(if ready() { Claim::Ready } else { Claim::Mine(guard) });
            }
            Ok(Attempt::Lost) => std::thread::sleep(pace.poll),
            Err(error) => return Ok(Claim::Mine(Guard::without_file(&error))),
        }
    }
}

/// Somebody else's claim, and since when it has looked the same.
struct ObservedLease {
    lease: Lease,
    since: Instant,
}

impl ObservedLease {
    fn update(watched: &mut Option<Self>, found: Lease) -> &Self {
        let now = Instant::now();
        match watched.take() {
            Some(known) if known.lease == found => watched.insert(known),
            _ => watched.insert(Self { lease: found, since: now }),
        }
    }

    fn is_gone(&self, pace: Pace) -> bool {
        self.since.elapsed() > pace.stale || self.lease.owner_is_dead()
    }
}

/// Holds a claim and keeps it alive. Dropping it gives the claim back.
#[derive(Debug)]
pub struct Guard {
    beating: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Guard {
    fn start(mut owned: file::Owned, pace: Pace) -> Self {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("span claim".into()).spawn(move || {
            // The file is given back when this thread ends.
            while stopped.recv_timeout(pace.beat) == Err(RecvTimeoutError::Timeout) {
                owned.beat();
            }
        });
        match thread {
            Ok(thread) => Self { beating: Some((stop, thread)) },
            // The thread was never started, and dropping its closure gave the claim back.
            Err(error) => Self::without_file(&error),
        }
    }

    fn without_file(error: &std::io::Error) -> Self {
        log::debug!("a span is computed without a claim: {error}");
        Self { beating: None }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.beating.take() {
            drop(stop);
            // All that the thread could report is that the file is gone.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
