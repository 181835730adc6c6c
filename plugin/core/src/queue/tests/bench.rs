//! A queue whose engine waits at a gate, and the test's side of that gate.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;

use super::super::*;
use crate::cache::CacheConfig;
use crate::{Control, Frame, Remarks, Settings};

/// Longer than any machine needs; a test that waits this long has failed.
const LONG: Duration = Duration::from_secs(60);
pub(super) const NOW: Duration = Duration::ZERO;

/// Draws a grey with the position's value once the gate opens.
pub(super) struct GatedEngine {
    started: Mutex<Sender<f64>>,
    gate: Mutex<Receiver<Verdict>>,
    runs: AtomicUsize,
}

pub(super) enum Verdict {
    Draw,
    Fail,
    Panic,
    DrawTooSmall,
    WaitForCancel,
}

impl Engine for GatedEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Flow
    }

    fn version(&self) -> &str {
        "gated"
    }

    fn draw(&self, job: &Job, control: &Control) -> Result<Drawn, Error> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        control.report(0.5);
        self.started.lock().send(job.request.position).unwrap();
        let verdict = self.gate.lock().recv_timeout(LONG).expect("the test opens the gate");
        let side = match verdict {
            Verdict::Draw => job.first.width(),
            Verdict::DrawTooSmall => 1,
            Verdict::Fail => {
                return Err(Error::Engine { engine: "gated", reason: "told to".into() });
            }
            Verdict::Panic => panic!("told to panic"),
            Verdict::WaitForCancel => loop {
                control.check()?;
                std::thread::yield_now();
            },
        };
        let grey = job.request.position as f32;
        let frame = Frame::from_pixels(side, side, vec![[grey; 4]; side * side])?;
        Ok(Drawn { frame, confidence: 1.0, cut: false, remarks: Remarks::default() })
    }
}

/// A queue with a gated engine, and the test's side of the gate.
pub(super) struct Bench {
    pub(super) queue: Queue,
    pub(super) engine: Arc<GatedEngine>,
    pub(super) started: Receiver<f64>,
    pub(super) gate: Sender<Verdict>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_runs(1)
    }

    pub(super) fn with_runs(runs: usize) -> Self {
        Self::over(Cache::new(CacheConfig::in_memory(1 << 20)), runs)
    }

    pub(super) fn over(cache: Cache, runs: usize) -> Self {
        let (started_in, started) = channel();
        let (gate, gate_out) = channel();
        let engine = Arc::new(GatedEngine {
            started: Mutex::new(started_in),
            gate: Mutex::new(gate_out),
            runs: AtomicUsize::new(0),
        });
        let runs = NonZeroUsize::new(runs).unwrap();
        let queue = Queue::with_runs(vec![engine.clone()], cache, runs);
        Self { queue, engine, started, gate }
    }

    pub(super) fn submit(&self, position: f64, priority: Priority) -> Ticket {
        self.queue.submit(job(position), priority)
    }

    pub(super) fn wait_for_start(&self) -> f64 {
        self.started.recv_timeout(LONG).expect("an engine run starts")
    }

    pub(super) fn open_gate(&self, verdict: Verdict) {
        self.gate.send(verdict).unwrap();
    }

    pub(super) fn runs(&self) -> usize {
        self.engine.runs.load(Ordering::SeqCst)
    }

    pub(super) fn threads(&self) -> usize {
        self.queue.threads.lock().len()
    }
}

pub(super) fn job(position: f64) -> Job {
    let key = |value: f32| Arc::new(Frame::from_pixels(2, 2, vec![[value; 4]; 4]).unwrap());
    Job {
        request: Request {
            first: ContentHash::of(b"first"),
            last: ContentHash::of(b"last"),
            sketches: Vec::new(),
            pins: Vec::new(),
            neighbours: [None, None],
            position,
            settings: Settings::default(),
        },
        first: key(0.0),
        last: key(1.0),
        sketches: Vec::new(),
        neighbours: [None, None],
    }
}

pub(super) fn outcome(ticket: &Ticket) -> Outcome {
    ticket.wait_for(LONG).expect("the run ends")
}

pub(super) fn failure(ticket: &Ticket) -> String {
    outcome(ticket).unwrap_err().to_string()
}
