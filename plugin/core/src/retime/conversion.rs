//! The rules by which a moment within a drawing's exposure becomes a frame.

use super::{Moment, Rate};
use crate::Error;

/// How much of the drawn rhythm stays: 0 keeps the drawings as they are exposed ("keep the feel of
/// twos"), 1 gives every frame its own drawing ("on ones everywhere"). Between them each step from
/// drawing to drawing is taken in that share of the poses that there is room for.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Strength(f64);

impl Strength {
    /// On ones everywhere.
    pub const ON_ONES: Self = Self(1.0);

    /// The drawings as they are exposed.
    pub const AS_EXPOSED: Self = Self(0.0);

    /// A strength from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Setting`] for any other number.
    pub fn new(strength: f64) -> Result<Self, Error> {
        if (0.0..=1.0).contains(&strength) {
            return Ok(Self(strength));
        }
        Err(Error::Setting {
            name: "Strength",
            value: strength.to_string(),
            allowed: "it lies between 0 (keep the drawings' rhythm) and 1 (a new drawing on every frame)",
        })
    }

    /// The strength, 0..=1.
    pub fn value(self) -> f64 {
        self.0
    }
}

/// What is seen on a frame of the output. Frames are those of the source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OutputFrame {
    /// A frame of the source as it is.
    Source {
        /// The frame.
        frame: i64,
    },
    /// A drawing between two frames of the source.
    InBetween {
        /// The key before.
        first: i64,
        /// The key after.
        last: i64,
        /// Where between them: strictly between 0 (`first`) and 1 (`last`).
        position: f64,
    },
}

/// A frame of the source beside the keys of an in-between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeighbourFrame {
    /// The frame.
    pub frame: i64,
    /// When it is: 0 is the first key, 1 the last.
    pub position: f64,
}

/// From which rate to which, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateConversion {
    /// Frames of the output for one of the source.
    ratio: f64,
    strength: Strength,
    longest: i64,
    settle: i64,
}

/// The exposure of one drawing, as far as the rules need it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DrawingSpan {
    pub(super) first: i64,
    /// The first frame of the next drawing.
    pub(super) end: i64,
    /// Whether the next drawing is of the same scene, so that there is a way to it.
    pub(super) continues: bool,
    pub(super) panned: bool,
}

impl RateConversion {
    /// From the `source` rate to the `target` rate.
    pub fn new(source: Rate, target: Rate, strength: Strength) -> Self {
        let rate = source.per_second();
        // Cartoons are drawn on ones to fours of 24 frames; a drawing that stays longer rests.
        let longest = ((rate / 6.0).round() as i64).max(4);
        let settle = ((rate / 12.0).round() as i64).max(1);
        Self { ratio: target.per_second() / rate, strength, longest, settle }
    }

    /// Longest exposure that is a step of a movement, in frames of the source: four at 24 frames a
    /// second, a sixth of a second at higher rates.
    pub fn longest(&self) -> i64 {
        self.longest
    }

    /// How many frames around a moment tell what is seen at it.
    pub fn reach(&self) -> i64 {
        self.longest + 1
    }

    /// How many frames around a moment tell what is seen at it and which drawings are beside that.
    pub fn reach_beside(&self) -> i64 {
        2 * self.longest
    }

    /// Frames of the source in which a rest moves on to the next drawing: a twelfth of a second.
    pub fn settle(&self) -> i64 {
        self.settle
    }

    /// What is seen at `time` within a drawing's exposure.
    pub(super) fn output_frame(&self, span: DrawingSpan, time: Moment) -> OutputFrame {
        let frame = time.frame();
        let still = OutputFrame::Source { frame };
        let motion_start = self.motion_start(span);
        if frame < motion_start {
            return if span.panned {
                between(frame, frame + 1, time.position(frame, frame + 1))
            } else {
                still
            };
        }
        if !span.continues {
            let pans_on = span.panned && frame + 1 < span.end;
            return if pans_on {
                between(frame, frame + 1, time.position(frame, frame + 1))
            } else {
                still
            };
        }
        let position =
            self.quantised(time.position(motion_start, span.end), span.end - motion_start);
        if position > 0.0 { between(motion_start, span.end, position) } else { still }
    }

    /// The drawings beside the in-betweens of `first` and `last`, where the same movement has them: not across a cut,
    /// nor from a rest or into one. `span` holds `first`, `beside` are the exposures before and after it.
    pub(super) fn neighbours(
        &self,
        span: DrawingSpan,
        beside: [Option<DrawingSpan>; 2],
        (first, last): (i64, i64),
    ) -> [Option<NeighbourFrame>; 2] {
        let at = |frame: i64| {
            let position = (frame - first) as f64 / (last - first) as f64;
            NeighbourFrame { frame, position }
        };
        if last < span.end {
            // Within a pan every frame is a key.
            return [
                (first > span.first).then(|| at(first - 1)),
                (last + 1 < span.end).then(|| at(last + 1)),
            ];
        }
        let before = beside[0]
            .filter(|before| first == span.first && before.continues)
            .map(|before| at(self.motion_start(before)));
        let steps = |after: &DrawingSpan| after.end - after.first <= self.longest;
        let after = beside[1].filter(|after| after.continues && steps(after));
        [before, after.map(|after| at(after.end))]
    }

    /// The frame on which the way from a drawing to the next begins.
    fn motion_start(&self, span: DrawingSpan) -> i64 {
        if span.end - span.first <= self.longest { span.first } else { span.end - self.settle }
    }

    /// The position that is shown for a moment at `position` on a way of `frames` source frames.
    fn quantised(&self, position: f64, frames: i64) -> f64 {
        if self.strength == Strength::AS_EXPOSED {
            return 0.0;
        }
        let room = frames as f64 * self.ratio;
        let poses = (1.0 + self.strength.value() * (room - 1.0)).round();
        if self.strength == Strength::ON_ONES || poses >= room {
            return position;
        }
        // The smallest part is for positions that rounding has put a hair before their pose.
        ((position * poses + 1e-9).floor() / poses).clamp(0.0, 1.0)
    }
}

/// Near enough to a key, it is the key.
fn between(first: i64, last: i64, position: f64) -> OutputFrame {
    use crate::timing::POSITION_TOLERANCE;
    if position <= POSITION_TOLERANCE {
        OutputFrame::Source { frame: first }
    } else if position >= 1.0 - POSITION_TOLERANCE {
        OutputFrame::Source { frame: last }
    } else {
        OutputFrame::InBetween { first, last, position }
    }
}
