//! Timing of the engine's stages, for the log (`inbetween_flow::time`, level trace).

use std::time::Instant;

pub(crate) struct Stage {
    name: &'static str,
    begin: Option<Instant>,
}

impl Stage {
    pub(crate) fn begin(name: &'static str) -> Self {
        let wanted = log::log_enabled!(target: "inbetween_flow::time", log::Level::Trace);
        Self { name, begin: wanted.then(Instant::now) }
    }

    pub(crate) fn end(self) {
        if let Some(begin) = self.begin {
            let ms = begin.elapsed().as_secs_f64() * 1e3;
            log::trace!(target: "inbetween_flow::time", "{}: {ms:.2} ms", self.name);
        }
    }
}
