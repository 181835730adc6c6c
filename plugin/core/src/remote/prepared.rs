//! A drawing that the worker makes while nobody waits for it.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::RemoteEngine;
use crate::{Control, Drawn, Engine, Error, Job};

/// A drawing that was requested ahead of time. Dropping it cancels the drawing.
#[derive(Debug)]
#[must_use = "dropping it cancels the drawing"]
pub struct Prepared {
    control: Arc<Control>,
    thread: Option<JoinHandle<Result<Drawn, Error>>>,
}

impl Prepared {
    pub(super) fn start(engine: Arc<RemoteEngine>, job: Job) -> Self {
        let control = Arc::new(Control::default());
        let watched = control.clone();
        let thread = std::thread::Builder::new().name("in-between ahead".into());
        let thread = thread.spawn(move || engine.draw(&job, &watched));
        let thread = thread.inspect_err(|error| log::error!("no thread to draw ahead: {error}"));
        Self { control, thread: thread.ok() }
    }

    /// Its progress and phase: see [`Control::progress`] and [`Control::phase`].
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Whether it has ended, successfully or not.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the drawing.
    ///
    /// # Errors
    /// As [`Engine::draw`].
    pub fn wait(mut self) -> Result<Drawn, Error> {
        let outcome = self.thread.take().map(JoinHandle::join);
        outcome.and_then(Result::ok).unwrap_or_else(|| {
            Err(Error::Engine {
                engine: "ToonCrafter",
                reason: "the thread that waited for the worker has ended".into(),
            })
        })
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.control.cancel();
        if let Some(thread) = self.thread.take() {
            // The thread ends soon. It must not outlive the plug-in's code in memory.
            let _ = thread.join();
        }
    }
}
