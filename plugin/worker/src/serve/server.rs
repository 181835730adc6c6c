//! Who is connected, and when to end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inbetween_core::remote::place::log_dir;
use inbetween_core::remote::protocol::Status;
use interprocess::local_socket::Stream;
use interprocess::local_socket::traits::Listener as _;
use parking_lot::{Condvar, Mutex};

use super::desks::Desks;
use super::instance::Instance;
use super::{Engines, failed, session};
use crate::failure::Result;

/// Conversations at a time; more are turned away.
const MOST_CLIENTS: usize = 128;

/// After a failure to accept, such as too many open files.
const REST: Duration = Duration::from_millis(100);

/// The worker, as all its threads see it.
pub(super) struct Server {
    pub(super) desks: Desks,
    idle: Duration,
    since: Instant,
    state: Mutex<State>,
    /// Rung when the worker shall end.
    news: Condvar,
}

struct State {
    /// All connections.
    connected: usize,
    /// Those that ask for a drawing.
    drawing: usize,
    last_use: Instant,
    ending: Option<&'static str>,
}

impl Server {
    pub(super) fn new(engines: Engines, idle: Duration) -> Result<Self> {
        let desks = Desks::new(engines).map_err(|error| failed(&error))?;
        let now = Instant::now();
        let state = State { connected: 0, drawing: 0, last_use: now, ending: None };
        Ok(Self { desks, idle, since: now, state: Mutex::new(state), news: Condvar::new() })
    }

    /// Serves until it is to end; gives the reason.
    pub(super) fn run(self: Arc<Self>, instance: Instance) -> &'static str {
        let instance = Arc::new(instance);
        let (server, accepting) = (self.clone(), instance.clone());
        // Ends with the process: nothing wakes an accept on every system.
        std::thread::spawn(move || server.accept(&accepting));
        let mut state = self.state.lock();
        loop {
            if let Some(why) = state.ending {
                instance.hide();
                return why;
            }
            let until = state.last_use + self.idle;
            if state.connected == 0 && Instant::now() >= until {
                state.ending = Some("nobody has asked for anything for a while");
                continue;
            }
            let until = if state.connected == 0 { until } else { Instant::now() + self.idle };
            self.news.wait_until(&mut state, until.max(Instant::now() + Duration::from_millis(10)));
        }
    }

    fn accept(self: &Arc<Self>, instance: &Instance) {
        loop {
            match instance.listener.accept() {
                Ok(stream) => self.welcome(stream),
                Err(error) => {
                    log::warn!("a connection was lost: {error}");
                    std::thread::sleep(REST);
                }
            }
        }
    }

    fn welcome(self: &Arc<Self>, stream: Stream) {
        {
            let mut state = self.state.lock();
            if state.connected >= MOST_CLIENTS {
                log::warn!("{MOST_CLIENTS} clients at once; one more was turned away");
                return;
            }
            state.connected += 1;
            state.last_use = Instant::now();
        }
        let guard = Connected(self.clone());
        let thread = std::thread::Builder::new().name("client".into()).spawn(move || {
            let server = guard.0.clone();
            if catch_unwind(AssertUnwindSafe(|| session::serve(&server, stream))).is_err() {
                log::error!("a conversation broke down");
            }
            drop(guard);
        });
        if let Err(error) = thread {
            log::error!("no thread for a client: {error}");
        }
    }

    /// Counts one who asks for a drawing, until the guard is dropped.
    pub(super) fn drawing(self: &Arc<Self>) -> Drawing {
        self.state.lock().drawing += 1;
        Drawing(self.clone())
    }

    /// Ends the worker.
    pub(super) fn end(&self, why: &'static str) {
        self.state.lock().ending.get_or_insert(why);
        self.news.notify_all();
    }

    /// Ends the worker if nobody waits for a drawing; whether it ends.
    pub(super) fn end_if_unused(&self, why: &'static str) -> bool {
        let unused = self.state.lock().drawing == 0;
        if unused {
            self.end(why);
        }
        unused
    }

    pub(super) fn status(&self) -> Status {
        let (running, waiting, about) = self.desks.busy();
        Status {
            pid: std::process::id(),
            product: env!("CARGO_PKG_VERSION").into(),
            engine: self.desks.version().into(),
            seconds: self.since.elapsed().as_secs(),
            clients: self.state.lock().drawing,
            running,
            waiting,
            about,
            log: log_dir(),
        }
    }
}

struct Connected(Arc<Server>);

impl Drop for Connected {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.connected -= 1;
        state.last_use = Instant::now();
        drop(state);
        self.0.news.notify_all();
    }
}

/// One who asks for a drawing.
pub(super) struct Drawing(Arc<Server>);

impl Drop for Drawing {
    fn drop(&mut self) {
        self.0.state.lock().drawing -= 1;
    }
}
