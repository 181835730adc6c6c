//! The process's one queue of drawings. Whoever asks for a drawing gets a [`Ticket`], equal
//! requests share one run of the engine, and finished drawings are cached for later requests.
//!
//! Engines run on the queue's own threads, which never see a host. A render call polls its ticket
//! and looks after its host (abort, progress) in between. Threads start with the first submission
//! and are joined when the queue is dropped. Each engine has its own threads, so one that waits for
//! another process does not hold up the others.
//!
//! Any thread may wait for a ticket except those of rayon, which the engines need.

mod lock;
mod run;
mod scheduler;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

pub use run::{Outcome, Ticket};
pub use scheduler::{Busy, Priority};

use crate::cache::{self, Cache};
use crate::error::panic_text;
use crate::{ContentHash, Drawn, Engine, EngineKind, Error, Job, Request, threads};
use lock::{Bell, Lock};
use run::Run;
use scheduler::Scheduler;

/// Default number of simultaneous runs per engine: one, because every engine uses all cores by
/// itself.
pub const RUNS_AT_A_TIME: NonZeroUsize = NonZeroUsize::MIN;

/// Draws in-betweens in the background, with one run for everyone who asks for the same one.
pub struct Queue {
    shared: Arc<Shared>,
    threads: Lock<Vec<JoinHandle<()>>>,
    runs_at_a_time: NonZeroUsize,
}

/// State shared by the queue, its threads and the tickets.
struct Shared {
    engines: Vec<Arc<dyn Engine>>,
    cache: Cache,
    /// Whether a drawing is stored on disk before its tickets report it.
    stores_first: bool,
    state: Lock<Scheduler>,
    /// Rung when a run needs a thread, and when the queue closes.
    work: Bell,
}

impl Queue {
    /// A queue with these engines and this cache. No thread is started and no file created yet.
    pub fn new(engines: Vec<Arc<dyn Engine>>, cache: Cache) -> Self {
        Self::with_runs(engines, cache, RUNS_AT_A_TIME)
    }

    /// Like [`Queue::new`], with up to `runs_at_a_time` simultaneous runs of each engine.
    pub fn with_runs(
        engines: Vec<Arc<dyn Engine>>,
        cache: Cache,
        runs_at_a_time: NonZeroUsize,
    ) -> Self {
        Self::made(engines, cache, runs_at_a_time, false)
    }

    /// Like [`Queue::new`], for a process that serves others: a drawing is stored on disk before
    /// its ticket reports it.
    pub fn storing_first(engines: Vec<Arc<dyn Engine>>, cache: Cache) -> Self {
        Self::made(engines, cache, RUNS_AT_A_TIME, true)
    }

    fn made(
        engines: Vec<Arc<dyn Engine>>,
        cache: Cache,
        runs_at_a_time: NonZeroUsize,
        stores_first: bool,
    ) -> Self {
        let state = Lock::new(Scheduler::default());
        let shared = Shared { engines, cache, stores_first, state, work: Bell::default() };
        Self { shared: Arc::new(shared), threads: Lock::default(), runs_at_a_time }
    }

    /// The cache of this queue.
    pub fn cache(&self) -> &Cache {
        &self.shared.cache
    }

    /// The cache key of a request: its content and the version of its engine.
    ///
    /// # Errors
    /// [`Error::Engine`] when this queue does not have the engine.
    pub fn key(&self, request: &Request) -> Result<ContentHash, Error> {
        self.shared.key(request)
    }

    /// The finished drawing of this width and height, from memory or disk. Callers ask for it
    /// first, so that they make frames only on a miss.
    pub fn cached(&self, request: &Request, size: (usize, usize)) -> Option<Arc<Drawn>> {
        self.shared.cache.get(&self.key(request).ok()?, size)
    }

    /// A ticket for a run that is already waiting or under way. Unlike a new run, this needs no
    /// frames.
    pub fn join(&self, request: &Request, priority: Priority) -> Option<Ticket> {
        let key = self.key(request).ok()?;
        let run = self.shared.state.lock().join(&key, priority)?;
        Some(Ticket::new(run, self.shared.clone()))
    }

    /// The runs at this moment.
    pub fn busy(&self) -> Busy {
        self.shared.state.lock().busy()
    }

    /// Requests a drawing. If the job cannot be drawn, the ticket reports why at once.
    pub fn submit(&self, job: Job, priority: Priority) -> Ticket {
        let key = match job.check().and_then(|()| self.key(&job.request)) {
            Ok(key) => key,
            Err(error) => return self.finished(Err(Arc::new(error))),
        };
        if let Some(drawn) = self.shared.cache.get_in_memory(&key, job.size()) {
            return self.finished(Ok(drawn));
        }
        let engine = job.request.settings.engine;
        let mut state = self.shared.state.lock();
        let run = state.join(&key, priority).unwrap_or_else(|| state.add(key, job, priority));
        let needs_thread = state.lacks_threads(engine, self.runs_at_a_time);
        if needs_thread {
            state.lane(engine).threads += 1;
        }
        drop(state);
        // Wakes all of them, because a thread of another engine would not pass the signal on.
        self.shared.work.ring();
        if needs_thread {
            self.start_thread(engine);
        }
        Ticket::new(run, self.shared.clone())
    }

    fn finished(&self, outcome: Outcome) -> Ticket {
        Ticket::new(Arc::new(Run::finished(outcome)), self.shared.clone())
    }

    fn start_thread(&self, engine: EngineKind) {
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("in-between".into());
        match thread.spawn(move || shared.work(engine)) {
            Ok(handle) => self.threads.lock().push(handle),
            Err(error) => self.shared.thread_failed(engine, &error),
        }
    }
}

impl Drop for Queue {
    /// Cancels all runs and waits for the threads to end.
    fn drop(&mut self) {
        let abandoned = self.shared.state.lock().close();
        self.shared.work.ring();
        for run in abandoned {
            run.finish(Err(Arc::new(Error::Cancelled)));
        }
        for thread in self.threads.get_mut().drain(..) {
            // A thread catches every panic of its engine, so there is nothing left to report.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn engine(&self, kind: EngineKind) -> Result<&Arc<dyn Engine>, Error> {
        self.engines.iter().find(|engine| engine.kind() == kind).ok_or_else(|| Error::Engine {
            engine: kind.name(),
            reason: "this build does not contain it".into(),
        })
    }

    fn key(&self, request: &Request) -> Result<ContentHash, Error> {
        let engine = self.engine(request.settings.engine)?;
        Ok(cache::key(request, engine.version()))
    }

    /// The main loop of a thread: it takes run after run of one engine until the queue closes.
    fn work(&self, engine: EngineKind) {
        threads::work_here();
        loop {
            let mut state = self.state.lock();
            let (run, job) = loop {
                if state.closed {
                    return;
                }
                if let Some(next) = state.take_next(engine) {
                    break next;
                }
                state.lane(engine).idle += 1;
                state = self.work.wait(state);
                state.lane(engine).idle -= 1;
            };
            drop(state);
            let outcome = catch(|| self.draw(&run, &job)).unwrap_or_else(|panic| {
                let engine = job.request.settings.engine.name();
                log::error!("the engine {engine} panicked: {panic}");
                Err(Error::Engine { engine, reason: format!("it stopped unexpectedly ({panic})") })
            });
            if self.stores_first {
                self.store(&run, &outcome);
            }
            self.state.lock().retire(&run);
            if let Ok(found) = &outcome {
                run.finish(Ok(found.drawn.clone()));
                // Stored after the ticket has its result, so that only the next run waits for the
                // disk.
                if !self.stores_first {
                    self.store(&run, &outcome);
                }
            }
            if let Err(error) = outcome {
                run.finish(Err(Arc::new(error)));
            }
        }
    }

    fn store(&self, run: &Run, outcome: &Result<Found, Error>) {
        if let Ok(Found { drawn, new: true }) = outcome
            && let Err(panic) = catch(|| self.cache.put_on_disk(&run.key, drawn))
        {
            log::error!("storing a drawing panicked: {panic}");
        }
    }

    fn draw(&self, run: &Run, job: &Job) -> Result<Found, Error> {
        // Another process, or a run that just ended, may have drawn it since the submission.
        if let Some(drawn) = self.cache.get(&run.key, job.size()) {
            return Ok(Found { drawn, new: false });
        }
        let engine = self.engine(job.request.settings.engine)?;
        let start = Instant::now();
        let drawn = engine.draw(job, &run.control)?;
        let size = (drawn.frame.width(), drawn.frame.height());
        if size != job.size() {
            return Err(Error::Engine {
                engine: engine.kind().name(),
                reason: format!("it drew {size:?} pixels for keys of {:?}", job.size()),
            });
        }
        log::debug!("drew {} in {:?}", run.key, start.elapsed());
        let drawn = Arc::new(drawn);
        self.cache.put_in_memory(run.key, &drawn);
        Ok(Found { drawn, new: true })
    }

    /// Called when a ticket is given back. The run ends with its last ticket.
    fn leave(&self, run: &Arc<Run>) {
        let never_started = self.state.lock().leave(run);
        if never_started {
            run.finish(Err(Arc::new(Error::Cancelled)));
        }
    }

    /// Without a thread nobody would ever answer, so the waiting runs fail instead.
    fn thread_failed(&self, engine: EngineKind, error: &std::io::Error) {
        let abandoned = self.state.lock().lose_thread(engine);
        log::error!("no thread for drawing: {error}");
        for run in abandoned {
            run.finish(Err(Arc::new(Error::Engine {
                engine: "in-between",
                reason: format!("the system gave no thread ({error})"),
            })));
        }
    }
}

/// A drawing, and whether an engine made it just now.
struct Found {
    drawn: Arc<Drawn>,
    new: bool,
}

/// Runs `work` and turns a panic into an error with its text.
fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause| panic_text(cause.as_ref()).to_owned())
}

static OF_PROCESS: Lock<Option<Arc<Queue>>> = Lock::new(None);

/// The queue of this process, created by the first caller. It outlives every instance of the
/// effect; [`shut_down`] ends it.
pub fn of_process(make: impl FnOnce() -> Queue) -> Arc<Queue> {
    OF_PROCESS.lock().get_or_insert_with(|| Arc::new(make())).clone()
}

/// Ends the queue of this process. Call it before the plug-in's code is unloaded. It returns when
/// the queue's threads have ended, unless someone still holds the queue.
pub fn shut_down() {
    let queue = OF_PROCESS.lock().take();
    drop(queue);
}

/// For a forked child: abandons the parent's queue. Its threads do not exist in the child, so
/// nothing in it may be waited for or ended.
pub fn abandon() {
    std::mem::forget(OF_PROCESS.lock().take());
}
