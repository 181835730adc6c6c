//! A run of an engine and the tickets of those who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Shared;
use super::lock::{Bell, Lock};
use crate::{ContentHash, Control, Drawn, Error};

/// The result of a run, shared by everyone who waited for it.
pub type Outcome = Result<Arc<Drawn>, Arc<Error>>;

/// A requested drawing, from its submission to its outcome.
pub(super) struct Run {
    pub(super) key: ContentHash,
    pub(super) control: Control,
    outcome: Lock<Option<Outcome>>,
    /// Rung when there is an outcome or a ticket is given back.
    news: Bell,
}

impl Run {
    pub(super) fn new(key: ContentHash) -> Self {
        Self { key, control: Control::default(), outcome: Lock::new(None), news: Bell::default() }
    }

    /// A run that is over before it begins.
    pub(super) fn finished(outcome: Outcome) -> Self {
        let run = Self::new(ContentHash([0; 32]));
        run.finish(outcome);
        run
    }

    /// Reports the outcome to all who wait. The first outcome stays.
    pub(super) fn finish(&self, outcome: Outcome) {
        self.outcome.lock().get_or_insert(outcome);
        self.news.ring();
    }
}

/// A claim on a drawing. An engine stops when the last ticket of its run is given up.
#[must_use = "a dropped ticket cancels the drawing that nobody else waits for"]
pub struct Ticket {
    run: Arc<Run>,
    shared: Arc<Shared>,
    given_up: AtomicBool,
}

impl Ticket {
    pub(super) fn new(run: Arc<Run>, shared: Arc<Shared>) -> Self {
        Self { run, shared, given_up: AtomicBool::new(false) }
    }

    /// Waits for the drawing, but no longer than `at_most`; `None` if it is not there by then.
    /// Later calls return the same outcome again.
    ///
    /// # Errors
    /// [`Error::Cancelled`] after [`Ticket::cancel`] or when the queue was dropped; otherwise the
    /// reason why the engine could not draw.
    pub fn wait_for(&self, at_most: Duration) -> Option<Outcome> {
        let until = Instant::now().checked_add(at_most);
        let mut outcome = self.run.outcome.lock();
        loop {
            if self.given_up.load(Ordering::Acquire) {
                return Some(Err(Arc::new(Error::Cancelled)));
            }
            if outcome.is_some() {
                return outcome.clone();
            }
            match until {
                None => outcome = self.run.news.wait(outcome),
                Some(until) => {
                    let (woken, late) = self.run.news.wait_until(outcome, until);
                    outcome = woken;
                    if late {
                        return outcome.clone();
                    }
                }
            }
        }
    }

    /// Waits as long as it takes.
    ///
    /// # Errors
    /// As [`Ticket::wait_for`].
    pub fn wait(&self) -> Outcome {
        loop {
            if let Some(outcome) = self.wait_for(Duration::MAX) {
                return outcome;
            }
        }
    }

    /// The fraction of the work that is done, 0..=1.
    pub fn progress(&self) -> f32 {
        let over = matches!(*self.run.outcome.lock(), Some(Ok(_)));
        if over { 1.0 } else { self.run.control.progress() }
    }

    /// What the engine is doing, as a phrase; empty if it does not say.
    pub fn phase(&self) -> String {
        self.run.control.phase().into_owned()
    }

    /// Gives the ticket back because the drawing is no longer wanted here. Whoever waits on this
    /// ticket gets [`Error::Cancelled`]; others who wait for the same drawing still get it.
    pub fn cancel(&self) {
        {
            // Taken so that no thread can miss the wake-up between checking and falling asleep.
            let _outcome = self.run.outcome.lock();
            if self.given_up.swap(true, Ordering::AcqRel) {
                return;
            }
        }
        self.run.news.ring();
        self.shared.leave(&self.run);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancel();
    }
}
