//! The queue's bookkeeping, under its lock: which runs wait, which are under way, and which comes
//! next.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::run::Run;
use crate::{ContentHash, EngineKind, Job};

/// Who waits for a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Priority {
    /// An artist at the screen. The newest request goes first, ahead of every final render, because
    /// the artist has usually scrolled past the earlier ones.
    Interactive,
    /// A final render: first come, first served.
    Final,
}

/// The runs at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Busy {
    /// Those that an engine is working on: what it is doing, and the fraction that is done, 0..=1.
    pub running: Vec<(String, f32)>,
    /// Number of runs that wait for their turn.
    pub waiting: usize,
}

/// A run that tickets may join.
struct Entry {
    run: Arc<Run>,
    waiters: usize,
    priority: Priority,
    engine: EngineKind,
    /// Increases with every request.
    order: u64,
    /// The job with its pictures, until a thread takes it.
    job: Option<Job>,
}

/// The threads that serve one engine.
#[derive(Clone, Copy, Default)]
pub(super) struct Lane {
    pub(super) threads: usize,
    pub(super) idle: usize,
}

#[derive(Default)]
pub(super) struct Scheduler {
    open: HashMap<ContentHash, Entry>,
    /// Runs that have a thread, including those that nobody waits for any more.
    running: Vec<Arc<Run>>,
    requests: u64,
    lanes: HashMap<EngineKind, Lane>,
    pub(super) closed: bool,
}

impl Scheduler {
    /// Joins an open run with this key, if there is one. An interactive request moves a waiting run
    /// to the front.
    pub(super) fn join(&mut self, key: &ContentHash, priority: Priority) -> Option<Arc<Run>> {
        let entry = self.open.get_mut(key)?;
        entry.waiters += 1;
        if priority == Priority::Interactive {
            self.requests += 1;
            entry.priority = priority;
            entry.order = self.requests;
        }
        Some(entry.run.clone())
    }

    /// Adds a run with one ticket.
    pub(super) fn add(&mut self, key: ContentHash, job: Job, priority: Priority) -> Arc<Run> {
        let run = Arc::new(Run::new(key));
        self.requests += 1;
        let entry = Entry {
            run: run.clone(),
            waiters: 1,
            priority,
            engine: job.request.settings.engine,
            order: self.requests,
            job: Some(job),
        };
        self.open.insert(key, entry);
        run
    }

    /// The threads of an engine.
    pub(super) fn lane(&mut self, engine: EngineKind) -> &mut Lane {
        self.lanes.entry(engine).or_default()
    }

    /// Whether another thread for `engine` would have work to do and stay within the limit.
    pub(super) fn lacks_threads(&self, engine: EngineKind, limit: NonZeroUsize) -> bool {
        let lane = self.lanes.get(&engine).copied().unwrap_or_default();
        lane.threads < limit.get() && self.waiting(engine).count() > lane.idle
    }

    pub(super) fn busy(&self) -> Busy {
        let of = |run: &Arc<Run>| (run.control.phase().into_owned(), run.control.progress());
        Busy {
            running: self.running.iter().map(of).collect(),
            waiting: self.open.values().filter(|entry| entry.job.is_some()).count(),
        }
    }

    /// The next run of `engine`, with its job.
    pub(super) fn take_next(&mut self, engine: EngineKind) -> Option<(Arc<Run>, Job)> {
        let rank = |entry: &Entry| match entry.priority {
            Priority::Interactive => (1, i128::from(entry.order)),
            Priority::Final => (0, -i128::from(entry.order)),
        };
        let (key, _) = self.waiting(engine).max_by_key(|(_, entry)| rank(entry))?;
        let key = *key;
        let entry = self.open.get_mut(&key)?;
        let job = entry.job.take()?;
        self.running.push(entry.run.clone());
        Some((entry.run.clone(), job))
    }

    /// Marks a run as over, so that nobody can join it any more.
    pub(super) fn retire(&mut self, run: &Arc<Run>) {
        self.running.retain(|other| !Arc::ptr_eq(other, run));
        if self.entry_of(run).is_some() {
            self.open.remove(&run.key);
        }
    }

    /// Gives up one ticket of a run. The last one closes the run, so that the next request opens a
    /// new one. A run that was still waiting is removed, and the result is true; a run that has a
    /// thread is told to stop.
    pub(super) fn leave(&mut self, run: &Arc<Run>) -> bool {
        let Some(entry) = self.entry_of(run) else { return false };
        entry.waiters -= 1;
        if entry.waiters > 0 {
            return false;
        }
        run.control.cancel();
        self.open.remove(&run.key).is_some_and(|entry| entry.job.is_some())
    }

    /// Ends everything and returns the runs that no thread will answer.
    pub(super) fn close(&mut self) -> Vec<Arc<Run>> {
        self.closed = true;
        self.running.iter().for_each(|run| run.control.cancel());
        self.forget_waiting(|_| true)
    }

    /// Called when a thread for `engine` could not be started. Returns the runs that no thread is
    /// left to answer.
    pub(super) fn lose_thread(&mut self, engine: EngineKind) -> Vec<Arc<Run>> {
        let lane = self.lane(engine);
        lane.threads -= 1;
        if lane.threads > 0 {
            return Vec::new();
        }
        self.forget_waiting(|other| other == engine)
    }

    fn forget_waiting(&mut self, of: impl Fn(EngineKind) -> bool) -> Vec<Arc<Run>> {
        let waiting = self.open.extract_if(|_, entry| entry.job.is_some() && of(entry.engine));
        waiting.map(|(_, entry)| entry.run).collect()
    }

    fn waiting(&self, engine: EngineKind) -> impl Iterator<Item = (&ContentHash, &Entry)> {
        self.open.iter().filter(move |(_, entry)| entry.job.is_some() && entry.engine == engine)
    }

    fn entry_of(&mut self, run: &Arc<Run>) -> Option<&mut Entry> {
        self.open.get_mut(&run.key).filter(|entry| Arc::ptr_eq(&entry.run, run))
    }
}
