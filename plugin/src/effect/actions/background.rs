//! Drawings that are made while nobody waits for them, started by Generate or behind a draft.
//!
//! They belong to the process, because some hosts render with copies of an instance that live for
//! one frame. Each remembers the instance that asked for it, so that Cancel stops what this effect
//! has started. When an instance is destroyed, its drawings are still finished, and the next
//! instance finds them in the cache.

use std::sync::Arc;
use std::time::Duration;

use inbetween_core::queue::{Outcome, Ticket};
use inbetween_core::{ContentHash, Error};
use parking_lot::Mutex;

/// Most drawings under way at a time. Further ones start when they are requested again.
const MOST: usize = 128;

/// A drawing that is under way or was just finished.
struct BackgroundDrawing {
    /// The address of the instance that asked; `None` when it is gone.
    owner: Option<usize>,
    key: ContentHash,
    ticket: Ticket,
    /// A draft of it was shown, so the host has a picture to replace.
    drafted: bool,
}

static WORKS: Mutex<Vec<BackgroundDrawing>> = Mutex::new(Vec::new());

/// The state of an instance's background drawings.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// Number of drawings still under way.
    pub(crate) running: usize,
    /// Their mean progress, 0..=1.
    pub(crate) progress: f32,
    /// What one of them is doing, if its engine says.
    pub(crate) phase: Option<String>,
    /// Number finished since the last report.
    pub(crate) finished: usize,
    /// Number finished or failed whose draft is still shown.
    pub(crate) to_replace: usize,
    /// Message of the last failure.
    pub(crate) failure: Option<String>,
}

/// The state of a background drawing.
pub(crate) enum BackgroundStatus {
    /// Nobody has started it.
    Unknown,
    /// It is under way.
    Running,
    /// It failed. This is reported once; after that it is unknown again.
    Failed(Arc<Error>),
}

/// The state of the drawing of `key`. A finished one is in the cache and therefore no longer known
/// here.
pub(crate) fn status_of(key: &ContentHash) -> BackgroundStatus {
    let mut works = WORKS.lock();
    let Some(at) = works.iter().position(|work| work.key == *key) else {
        return BackgroundStatus::Unknown;
    };
    match outcome(&works[at].ticket) {
        None => {
            works[at].drafted = true;
            BackgroundStatus::Running
        }
        Some(Ok(_)) => {
            works.remove(at);
            BackgroundStatus::Unknown
        }
        Some(Err(error)) => {
            works.remove(at);
            BackgroundStatus::Failed(error)
        }
    }
}

/// Keeps a drawing under way. When there are more than [`MOST`], the record of the oldest finished
/// one is dropped; if none is finished, the new one is not kept.
pub(crate) fn keep(owner: usize, key: ContentHash, ticket: Ticket, drafted: bool) {
    let mut works = WORKS.lock();
    if let Some(work) = works.iter_mut().find(|work| work.key == key) {
        work.owner = Some(owner);
        work.drafted |= drafted;
        if outcome(&work.ticket).is_some() {
            work.ticket = ticket;
        }
        return;
    }
    if works.len() >= MOST
        && let Some(over) = works.iter().position(|work| outcome(&work.ticket).is_some())
    {
        works.remove(over);
    }
    if works.len() < MOST {
        works.push(BackgroundDrawing { owner: Some(owner), key, ticket, drafted });
    }
}

/// The state of the drawings of `owner`; finished ones are reported once.
pub(crate) fn report(owner: usize) -> Report {
    let mut report = Report::default();
    WORKS.lock().retain_mut(|work| {
        if work.owner.is_some_and(|other| other != owner) {
            return true;
        }
        match outcome(&work.ticket) {
            None => {
                report.running += 1;
                report.progress += work.ticket.progress();
                report.phase =
                    report.phase.take().or(Some(work.ticket.phase()).filter(|p| !p.is_empty()));
                true
            }
            Some(Ok(_)) => {
                report.finished += 1;
                report.to_replace += usize::from(work.drafted);
                false
            }
            Some(Err(error)) => {
                report.failure = Some(error.user_message());
                // Kept, so that the render that replaces the draft reports the failure too.
                report.to_replace += usize::from(std::mem::take(&mut work.drafted));
                true
            }
        }
    });
    if report.running > 0 {
        report.progress /= report.running as f32;
    }
    report
}

/// Stops the drawings of `owner` and those whose owner is gone. Returns their number.
pub(crate) fn cancel(owner: usize) -> usize {
    let mut stopped = Vec::new();
    {
        let mut works = WORKS.lock();
        let mut at = 0;
        while at < works.len() {
            if works[at].owner.is_none_or(|other| other == owner) {
                stopped.push(works.swap_remove(at));
            } else {
                at += 1;
            }
        }
    }
    let running = stopped.iter().filter(|work| outcome(&work.ticket).is_none()).count();
    // Dropping a ticket gives it back, which happens outside the lock.
    drop(stopped);
    running
}

/// Called when an instance is destroyed. Its drawings are still finished, unless nobody can ask for
/// them any more.
pub(crate) fn leave(owner: usize) {
    for work in WORKS.lock().iter_mut().filter(|work| work.owner == Some(owner)) {
        work.owner = None;
    }
}

/// In a forked child, drops the parent's records without touching its drawings.
pub(super) fn abandon() {
    std::mem::forget(std::mem::take(&mut *WORKS.lock()));
}

/// Stops everything.
pub(crate) fn forget_all() {
    let works = std::mem::take(&mut *WORKS.lock());
    drop(works);
}

fn outcome(ticket: &Ticket) -> Option<Outcome> {
    ticket.wait_for(Duration::ZERO)
}
