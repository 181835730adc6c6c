//! Decides which process computes a span when several processes, on one machine or on several,
//! share a cache directory.
//!
//! A claim is a file named by the span and a generation. A process makes a claim by creating the
//! file, since only one process can create a given name, and it changes the file every few seconds.
//! Others wait until the span is ready, until the claim is released, or until the file has not
//! changed for so long that its owner must be gone. One of them then creates the file of the next
//! generation. Again only one can, so a claim passes on exactly once.
//!
//! The clocks of different machines are never compared: each process measures waiting times by its
//! own clock. On one machine, nobody needs to wait for a killed process: the file is locked, and
//! the system releases the lock.
//!
//! A process that resumes after a long suspension may compute a span twice. That only costs time,
//! because stored spans are named by their content.

mod file;

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{ContentHash, Control, Error};
use file::{Attempt, Folder, Lease};

/// The result of trying to claim a span.
#[derive(Debug)]
pub enum Claim {
    /// The span is ours to compute. Others wait until the guard is dropped, so drop it after the
    /// span is stored.
    Mine(Guard),
    /// The span is ready: somebody else has computed it.
    Ready,
}

/// The intervals of a claim; tests shorten them.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Time between two signs of life from an owner.
    beat: Duration,
    /// After this long without a sign of life, an owner is taken to be gone.
    stale: Duration,
    /// Time between two checks by a waiting process.
    poll: Duration,
}

const PACE: Pace = Pace {
    beat: Duration::from_secs(2),
    stale: Duration::from_secs(20),
    poll: Duration::from_millis(50),
};

/// Claims the span of `key` in the cache directory `dir`, or waits for whoever has claimed it.
/// `ready` says whether the span is stored. It is called before every wait, and once more before
/// the claim is ours.
///
/// A directory that cannot be written to holds no claims, so every process computes the span
/// itself.
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
                // The last owner may have finished between the first check and our claim.
                return Ok(if ready() { Claim::Ready } else { Claim::Mine(guard) });
            }
            Ok(Attempt::Lost) => std::thread::sleep(pace.poll),
            Err(error) => return Ok(Claim::Mine(Guard::without_file(&error))),
        }
    }
}

/// Somebody else's claim, and how long it has looked the same.
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

/// Holds a claim and keeps it alive. Dropping the guard releases the claim.
#[derive(Debug)]
pub struct Guard {
    beating: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Guard {
    fn start(mut owned: file::Owned, pace: Pace) -> Self {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("span claim".into()).spawn(move || {
            // The claim is released when this thread ends.
            while stopped.recv_timeout(pace.beat) == Err(RecvTimeoutError::Timeout) {
                owned.beat();
            }
        });
        match thread {
            Ok(thread) => Self { beating: Some((stop, thread)) },
            // The thread did not start, and dropping its closure released the claim.
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
            // The thread has nothing to report except that the file is gone.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
