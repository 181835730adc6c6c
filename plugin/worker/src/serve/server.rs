//! Keeps track of connections and decides when to end.
//!
//! Every client that asks for a drawing is served. When too many clients hold a connection without
//! asking for anything, the oldest of them is disconnected, so silent clients cannot keep a host
//! waiting.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use inbetween_core::remote::endpoint::log_dir;
use inbetween_core::remote::protocol::Status;
use interprocess::local_socket::Stream;
use parking_lot::{Condvar, Mutex};

use super::instance::Instance;
use super::services::Services;
use super::{Engines, failed};
use crate::failure::Result;

/// Most clients that may wait for a drawing at a time. Further ones are refused with a message.
pub(super) const MOST_DRAWINGS: usize = 128;

/// Most clients at a time that have not asked for anything.
const MOST_IDLE: usize = 64;

/// Pause after a failed accept, for example because of too many open files.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Serves one connection from its beginning to its end.
pub(super) type Serve = fn(&Client, Stream);

/// The worker's state, shared by all its threads.
pub(super) struct Server {
    pub(super) services: Services,
    idle: Duration,
    since: Instant,
    state: Mutex<Connections>,
    /// Notified when the worker should end.
    changed: Condvar,
}

struct Connections {
    /// All connections, oldest first.
    connections: BTreeMap<u64, Connection>,
    /// The number of the next one.
    next: u64,
    last_use: Instant,
    ending: Option<&'static str>,
}

#[derive(Default)]
struct Connection {
    drawing: bool,
    /// Set when the connection should make room.
    disconnect: Arc<AtomicBool>,
}

impl Connections {
    fn drawing(&self) -> usize {
        self.connections.values().filter(|connection| connection.drawing).count()
    }
}

impl Server {
    pub(super) fn new(engines: Engines, idle: Duration) -> Result<Self> {
        let services = Services::new(engines).map_err(|error| failed(&error))?;
        let now = Instant::now();
        let connections = BTreeMap::new();
        let state = Connections { connections, next: 0, last_use: now, ending: None };
        Ok(Self { services, idle, since: now, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Serves connections with `serve` until the worker has to end; returns the reason.
    pub(super) fn run(self: Arc<Self>, instance: Instance, serve: Serve) -> &'static str {
        let instance = Arc::new(instance);
        let (server, accepting) = (self.clone(), instance.clone());
        // This thread ends with the process, because not every system can interrupt its accept
        // call.
        std::thread::spawn(move || server.accept(&accepting, serve));
        let mut state = self.state.lock();
        loop {
            if let Some(why) = state.ending {
                instance.hide();
                return why;
            }
            let until = state.last_use + self.idle;
            let alone = state.connections.is_empty();
            if alone && Instant::now() >= until {
                state.ending = Some("nobody has asked for anything for a while");
                continue;
            }
            let until = if alone { until } else { Instant::now() + self.idle };
            self.changed
                .wait_until(&mut state, until.max(Instant::now() + Duration::from_millis(10)));
        }
    }

    fn accept(self: &Arc<Self>, instance: &Instance, serve: Serve) {
        loop {
            match instance.listener.accept() {
                Ok(stream) => self.start_client(stream, serve),
                Err(error) => {
                    log::warn!("a connection was lost: {error}");
                    std::thread::sleep(PAUSE_AFTER_FAILURE);
                }
            }
        }
    }

    fn start_client(self: &Arc<Self>, stream: Stream, serve: Serve) {
        let client = {
            let mut state = self.state.lock();
            let idle = state.connections.values().filter(|connection| !connection.drawing);
            // Clients that were told to leave are about to go and do not count.
            let staying = |connection: &&Connection| !connection.disconnect.load(Ordering::Relaxed);
            let idle: Vec<_> = idle.filter(staying).collect();
            if idle.len() >= MOST_IDLE {
                idle[0].disconnect.store(true, Ordering::Relaxed);
            }
            let (number, connection) = (state.next, Connection::default());
            let disconnect = connection.disconnect.clone();
            state.next += 1;
            state.connections.insert(number, connection);
            Client { server: self.clone(), number, disconnect }
        };
        let thread = std::thread::Builder::new().name("client".into()).spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| serve(&client, stream))).is_err() {
                log::error!("a connection broke down");
            }
        });
        if let Err(error) = thread {
            log::error!("no thread for a client: {error}");
        }
    }

    /// Ends the worker.
    pub(super) fn end(&self, why: &'static str) {
        self.state.lock().ending.get_or_insert(why);
        self.changed.notify_all();
    }

    /// Whether nobody is waiting for a drawing.
    pub(super) fn is_unused(&self) -> bool {
        self.state.lock().drawing() == 0
    }

    pub(super) fn status(&self) -> Status {
        let (running, waiting, about) = self.services.busy();
        Status {
            pid: std::process::id(),
            product: env!("CARGO_PKG_VERSION").into(),
            engine: self.services.version().into(),
            seconds: self.since.elapsed().as_secs(),
            clients: self.state.lock().drawing(),
            running,
            waiting,
            about,
            log: log_dir(),
        }
    }
}

/// One connection, counted until it is dropped.
pub(super) struct Client {
    pub(super) server: Arc<Server>,
    number: u64,
    disconnect: Arc<AtomicBool>,
}

impl Client {
    /// Whether it should make room for others.
    pub(super) fn must_disconnect(&self) -> bool {
        self.disconnect.load(Ordering::Relaxed)
    }

    /// Counts the client as waiting for a drawing until the guard is dropped; `None` when there are
    /// too many.
    pub(super) fn drawing(&self) -> Option<DrawingGuard<'_>> {
        let mut state = self.server.state.lock();
        if state.drawing() >= MOST_DRAWINGS {
            return None;
        }
        state.connections.get_mut(&self.number)?.drawing = true;
        Some(DrawingGuard(self))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.server.state.lock().connections.remove(&self.number);
        self.server.changed.notify_all();
    }
}

/// A client that is waiting for a drawing.
pub(super) struct DrawingGuard<'a>(&'a Client);

impl Drop for DrawingGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.0.server.state.lock();
        if let Some(connection) = state.connections.get_mut(&self.0.number) {
            connection.drawing = false;
        }
        // Only drawings keep the worker alive. Asking for its status must not hold its memory for
        // ever.
        state.last_use = Instant::now();
    }
}
