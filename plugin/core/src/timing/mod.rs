//! Maps frames to moments of a drawing: keys, timing chart and exposure.
//!
//! Pure arithmetic: a host's time goes in, and a [`SpanPosition`] comes out, which is one of the
//! keys or a position strictly between them for an engine to draw. Engines know nothing of
//! exposure.
//!
//! ```
//! use inbetween_core::timing::{Chart, Exposure, SpanPosition, Timing};
//!
//! let timing = Timing::new(1.0, 9.0, Chart::Linear, Exposure::Twos)?;
//! assert_eq!(timing.at(1.0)?, SpanPosition::First);
//! assert_eq!(timing.at(3.0)?, SpanPosition::Between { position: 0.25 });
//! assert_eq!(timing.at(4.0)?, SpanPosition::Between { position: 0.25 });
//! assert_eq!(timing.at(9.0)?, SpanPosition::Last);
//! # Ok::<(), inbetween_core::Error>(())
//! ```

mod chart;
mod key_frames;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use chart::{Chart, MAX_POSITIONS};
pub use key_frames::{KeyFrames, KeySpan};

use crate::Error;

/// Farthest frame for a key, on either side of frame 0. Up to here whole frames are exact in `f64`,
/// and times can be distinguished to well below [`TIME_TOLERANCE`].
pub const MAX_TIME: f64 = 1e9;

/// Times closer than this (in frames) are the same time: hosts that count in seconds arrive
/// slightly off the frame they mean.
pub const TIME_TOLERANCE: f64 = 1e-4;

/// Distance from a key of the position that is drawn in its place.
const BESIDE_KEY: f64 = 1e-3;

/// Positions closer than this to 0 or 1 count as the key itself: no pixel would differ.
pub const POSITION_TOLERANCE: f64 = 1e-6;

/// How many frames a drawing is held for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Exposure {
    /// A new drawing on every frame; a time between two frames gets a drawing of its own.
    #[default]
    Ones,
    /// A new drawing on every second frame, counted from the first key.
    Twos,
    /// A new drawing on every third frame, counted from the first key.
    Threes,
}

impl Exposure {
    /// Frames per drawing.
    pub fn frames(self) -> u32 {
        match self {
            Self::Ones => 1,
            Self::Twos => 2,
            Self::Threes => 3,
        }
    }
}

/// One of the two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The key at the start of the span.
    First,
    /// The key at its end.
    Last,
}

/// What is shown at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SpanPosition {
    /// Before the span: the first key is held.
    BeforeFirst,
    /// The first key itself.
    First,
    /// A drawing between the keys, `position` strictly between 0 (first key) and 1 (last key).
    Between {
        /// The position between the keys.
        position: f64,
    },
    /// The last key itself.
    Last,
    /// After the span: the last key is held.
    AfterLast,
}

impl SpanPosition {
    /// The key that is shown, bit for bit; `None` where an engine has to draw.
    pub fn key(self) -> Option<Key> {
        match self {
            Self::BeforeFirst | Self::First => Some(Key::First),
            Self::Between { .. } => None,
            Self::Last | Self::AfterLast => Some(Key::Last),
        }
    }

    /// The position within the span, from 0 (first key) to 1 (last key); clamped outside the span.
    pub fn position(self) -> f64 {
        match self {
            Self::BeforeFirst | Self::First => 0.0,
            Self::Between { position } => position,
            Self::Last | Self::AfterLast => 1.0,
        }
    }

    /// The position for an engine to draw. Outputs other than the drawing itself are wanted at keys
    /// too; there they come from a drawing right beside the key.
    pub fn drawn_position(self) -> f64 {
        self.position().clamp(BESIDE_KEY, 1.0 - BESIDE_KEY)
    }

    /// The place of a position within the span: close enough to an end, it is the key.
    ///
    /// # Errors
    /// [`Error::Setting`] when the position is not a number from 0 to 1.
    pub fn of_position(position: f64) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&position) {
            return Err(Error::Setting {
                name: "Position",
                value: position.to_string(),
                allowed: "a position must be a number from 0 (first key) to 1 (last key)",
            });
        }
        Ok(if position <= POSITION_TOLERANCE {
            Self::First
        } else if position >= 1.0 - POSITION_TOLERANCE {
            Self::Last
        } else {
            Self::Between { position }
        })
    }
}

/// A span between two keys and how its drawings are spread over it. Times are in frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    first_key: f64,
    last_key: f64,
    chart: Chart,
    exposure: Exposure,
}

impl Timing {
    /// The span from `first_key` to `last_key`, in frames.
    ///
    /// # Errors
    /// [`Error::Setting`] when a time is not finite or beyond [`MAX_TIME`], when the last key does
    /// not lie after the first, or when the chart's own positions are out of range.
    pub fn new(
        first_key: f64,
        last_key: f64,
        chart: Chart,
        exposure: Exposure,
    ) -> Result<Self, Error> {
        check_key_time("First key", first_key)?;
        check_key_time("Last key", last_key)?;
        if last_key - first_key < TIME_TOLERANCE {
            return Err(Error::Setting {
                name: "Last key",
                value: format!("frame {last_key} while the first key is frame {first_key}"),
                allowed: "the last key must lie after the first key",
            });
        }
        chart.check()?;
        Ok(Self { first_key, last_key, chart, exposure })
    }

    /// Time of the first key, in frames.
    pub fn first_key(&self) -> f64 {
        self.first_key
    }

    /// Time of the last key, in frames; after the first.
    pub fn last_key(&self) -> f64 {
        self.last_key
    }

    /// Spacing of the drawings.
    pub fn chart(&self) -> &Chart {
        &self.chart
    }

    /// Number of frames per drawing.
    pub fn exposure(&self) -> Exposure {
        self.exposure
    }

    /// What is shown at `time`, in frames.
    ///
    /// On twos and threes a drawing is held from its own frame until the next drawing's, including
    /// times between frames. The last key is always on its own frame and cuts the hold before it
    /// short.
    ///
    /// # Errors
    /// [`Error::Setting`] when `time` is not a number.
    pub fn at(&self, time: f64) -> Result<SpanPosition, Error> {
        if time.is_nan() {
            return Err(Error::Setting {
                name: "Time",
                value: "not a number".into(),
                allowed: "a time must be a number of frames",
            });
        }
        let elapsed = time - self.first_key;
        if elapsed < -TIME_TOLERANCE {
            return Ok(SpanPosition::BeforeFirst);
        }
        let left = self.last_key - time;
        if left < -TIME_TOLERANCE {
            return Ok(SpanPosition::AfterLast);
        }
        if left <= TIME_TOLERANCE {
            return Ok(SpanPosition::Last);
        }
        SpanPosition::of_position(self.position(self.held(elapsed)))
    }

    /// How far the position moves within one frame around `time`. At a key, this is the movement
    /// from or to the neighbouring frame; outside the span it is 0.
    ///
    /// # Errors
    /// [`Error::Setting`] when `time` is not a number.
    pub fn position_per_frame(&self, time: f64) -> Result<f64, Error> {
        if matches!(self.at(time)?, SpanPosition::BeforeFirst | SpanPosition::AfterLast) {
            return Ok(0.0);
        }
        let from = (time - 1.0).max(self.first_key);
        let to = (time + 1.0).min(self.last_key);
        Ok((self.at(to)?.position() - self.at(from)?.position()) / (to - from))
    }

    /// Number of whole frames strictly between the keys, counted from the first key.
    pub fn frames_between(&self) -> u32 {
        count(self.span() - TIME_TOLERANCE)
    }

    /// Number of different drawings strictly between the keys; on ones, the number of frames.
    pub fn drawings_between(&self) -> u32 {
        count((self.span() - TIME_TOLERANCE) / self.step())
    }

    /// Every frame from the first key to the last with what is shown on it, including the keys.
    pub fn frames(&self) -> impl Iterator<Item = (f64, SpanPosition)> + '_ {
        let between = (0..=self.frames_between()).map(|frame| {
            let elapsed = f64::from(frame);
            let place = SpanPosition::of_position(self.position(self.held(elapsed)))
                .expect("a chart answers with positions from 0 to 1");
            (self.first_key + elapsed, place)
        });
        between.chain(std::iter::once((self.last_key, SpanPosition::Last)))
    }

    fn span(&self) -> f64 {
        self.last_key - self.first_key
    }

    fn step(&self) -> f64 {
        f64::from(self.exposure.frames())
    }

    /// The moment whose drawing is shown `elapsed` frames after the first key.
    fn held(&self, elapsed: f64) -> f64 {
        let whole = elapsed.round();
        let elapsed = if (elapsed - whole).abs() <= TIME_TOLERANCE { whole } else { elapsed };
        match self.exposure {
            Exposure::Ones => elapsed,
            Exposure::Twos | Exposure::Threes => (elapsed / self.step()).floor() * self.step(),
        }
    }

    /// The position between the keys of the drawing at a moment, 0..=1.
    fn position(&self, held: f64) -> f64 {
        if let Chart::Custom(list) = &self.chart
            && list.len() == self.drawings_between() as usize
        {
            // One entry for each drawing, even where the last hold is shorter than the others.
            return chart::along(list, held / self.step(), self.span() / self.step());
        }
        self.chart.position(held / self.span())
    }
}

/// Number of whole steps above 0 and at most `length`; lengths are bounded by [`MAX_TIME`].
fn count(length: f64) -> u32 {
    length.max(0.0).floor() as u32
}

fn check_key_time(name: &'static str, time: f64) -> Result<(), Error> {
    if time.is_finite() && time.abs() <= MAX_TIME {
        return Ok(());
    }
    Err(Error::Setting {
        name,
        value: format!("frame {time}"),
        allowed: "a key must lie within a thousand million frames of frame 0",
    })
}
