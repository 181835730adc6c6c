//! How long a run will compute, part by part.

use std::fmt;

use crate::memory::RunSize;
use crate::pipeline::Drawing;
use crate::speed::{Speed, Work};

/// How long the parts of a run compute. Loading weights comes on top.
#[derive(Clone, Debug, PartialEq)]
pub struct TimePlan {
    /// Name and seconds of each part, in the order in which they run.
    pub stages: Vec<(&'static str, f64)>,
    /// Passes of the UNet, which share its seconds.
    pub forwards: usize,
}

impl TimePlan {
    /// What `drawing` takes at `size` with the released networks, at `speed`.
    pub fn new(drawing: &Drawing, size: RunSize, speed: &Speed) -> Self {
        let sketch =
            if drawing.is_sketched() { speed.seconds(Work::sketch_encoder(size)) } else { 0.0 };
        let forward = speed.seconds(Work::unet(size)) + sketch;
        let stages = vec![
            ("text tower", speed.seconds(Work::text())),
            ("image tower, projector", speed.seconds(Work::image())),
            ("VAE encoder", speed.seconds(Work::encoder(size))),
            ("UNet", forward * drawing.forwards() as f64),
            ("VAE decoder", speed.seconds(Work::decoder(size)) * drawing.decodes() as f64),
        ];
        Self { stages, forwards: drawing.forwards() }
    }

    /// Seconds of all parts together.
    pub fn total(&self) -> f64 {
        self.stages.iter().map(|(_, seconds)| seconds).sum()
    }
}

/// Seconds in words: the largest two of hours, minutes and seconds.
pub fn in_words(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) if seconds < 9.95 => format!("{seconds:.1} s"),
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

impl fmt::Display for TimePlan {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "time of computing with nothing else at work, foretold from a second of it")?;
        for (name, seconds) in &self.stages {
            writeln!(f, "{name:24} {:>12}", in_words(*seconds))?;
        }
        let total = in_words(self.total());
        write!(
            f,
            "about {total} in all, {} passes of the UNet; loading weights comes on top",
            self.forwards
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_put_in_words() {
        let words = [4.25, 59.0, 61.0, 7265.0].map(in_words);
        assert_eq!(words, ["4.2 s", "59 s", "1 min 1 s", "2 h 1 min"]);
    }
}
