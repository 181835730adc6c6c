//! Drawings that go on while nobody waits for them: started by Generate or behind a draft.
//!
//! They belong to the process: some hosts render with copies of an instance that live for one frame. Each
//! remembers the instance that asked, so that Cancel stops what this effect has started; when an instance
//! goes, what it started is finished and found in the cache by the next one.

use std::sync::Arc;
use std::time::Duration;

use inbetween_core::queue::{Outcome, Ticket};
use inbetween_core::{ContentHash, Error};
use parking_lot::Mutex;

/// Most drawings under way at a time; further ones are started when they are asked for again.
const MOST: usize = 128;

/// One drawing under way, or just finished.
struct BackgroundDrawing {
    /// The address of the instance that asked; `None` when it is gone.
    owner: Option<usize>,
    key: ContentHash,
    ticket: Ticket,
    /// A draft of it was shown: the host has a picture to replace.
    drafted: bool,
}

static WORKS: Mutex<Vec<BackgroundDrawing>> = Mutex::new(Vec::new());

/// What an instance's background drawings have come to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// Still under way.
    pub(crate) running: usize,
    /// Mean progress of those under way, 0..=1.
    pub(crate) progress: f32,
    /// What one of those does now, where its engine tells.
    pub(crate) phase: Option<String>,
    /// Finished since the last report.
    pub(crate) finished: usize,
    /// Finished or failed where a draft is still shown.
    pub(crate) to_replace: usize,
    /// What the last failed one said.
    pub(crate) failure: Option<String>,
}

/// How a background drawing stands.
pub(crate) enum BackgroundStatus {
    /// Nobody has started it.
    Unknown,
    /// It goes on.
    Running,
    /// It failed. The next question finds it unknown again.
    Failed(Arc<Error>),
}

/// How the drawing of `key` stands. A finished one is in the cache, so it is not known here any more.
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

/// Lets a drawing go on. When there are more than [`MOST`], the record of the oldest finished one is dropped; if none
/// is finished, the new one is not kept.
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

/// What the drawings of `owner` have come to; those that are finished are reported once.
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
                // Kept, so that the render that replaces the draft says it as well.
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

/// Stops the drawings of `owner` and those whose owner is gone. Returns how many.
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
    // Dropping a ticket gives it back, outside of the lock.
    drop(stopped);
    running
}

/// To be called when an instance goes. What it started is finished all the same, unless nobody can ask for it any
/// more.
pub(crate) fn leave(owner: usize) {
    for work in WORKS.lock().iter_mut().filter(|work| work.owner == Some(owner)) {
        work.owner = None;
    }
}

/// Forgets what a parent process had begun, without touching it.
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
