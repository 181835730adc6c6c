//! Rules that turn a moment within a drawing's exposure into an output frame.

use super::{Moment, Rate};
use crate::Error;

/// How far the original rhythm is smoothed out: 0 keeps the drawings as they are exposed ("keep the
/// feel of twos"), 1 gives every frame its own drawing ("on ones everywhere"). In between, each
/// step from drawing to drawing gets that share of the poses that fit into it.
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
            allowed: "it must lie between 0 (keep the drawings' rhythm) and 1 (a new drawing on every frame)",
        })
    }

    /// The strength, 0..=1.
    pub fn value(self) -> f64 {
        self.0
    }
}

/// What is shown on a frame of the output. Frame numbers are those of the source.
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
        /// Position between them: strictly between 0 (`first`) and 1 (`last`).
        position: f64,
    },
}

/// A source frame outside the keys of an in-between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeighbourFrame {
    /// The frame.
    pub frame: i64,
    /// Its position, where 0 is the first key and 1 the last.
    pub position: f64,
}

/// The two rates of a conversion, and its strength.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateConversion {
    /// Output frames per source frame.
    ratio: f64,
    strength: Strength,
    longest: i64,
    settle: i64,
}

/// The exposure of one drawing, reduced to what the rules need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DrawingSpan {
    pub(super) first: i64,
    /// The first frame of the next drawing.
    pub(super) end: i64,
    /// Whether the next drawing belongs to the same scene, so that there is a way to it.
    pub(super) continues: bool,
    pub(super) panned: bool,
}

impl RateConversion {
    /// A conversion from the `source` rate to the `target` rate.
    pub fn new(source: Rate, target: Rate, strength: Strength) -> Self {
        let rate = source.per_second();
        // Cartoons are drawn on ones to fours at 24 frames a second. A drawing that is held longer
        // is at rest.
        let longest = ((rate / 6.0).round() as i64).max(4);
        let settle = ((rate / 12.0).round() as i64).max(1);
        Self { ratio: target.per_second() / rate, strength, longest, settle }
    }

    /// Longest exposure that counts as a step of a movement, in source frames: four at 24 frames a
    /// second, a sixth of a second at higher rates.
    pub fn longest(&self) -> i64 {
        self.longest
    }

    /// How many frames on either side of a moment must be examined to know what is shown at it.
    pub fn reach(&self) -> i64 {
        self.longest + 1
    }

    /// How many frames on either side must be examined to know that and the neighbouring drawings
    /// too.
    pub fn reach_beside(&self) -> i64 {
        2 * self.longest
    }

    /// Number of source frames at the end of a rest during which the drawing moves on to the next:
    /// a twelfth of a second.
    pub fn settle(&self) -> i64 {
        self.settle
    }

    /// What is shown at `time` within a drawing's exposure.
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

    /// The drawings beside the in-betweens of `first` and `last`, if they belong to the same
    /// movement: not across a cut, nor out of a rest or into one. `span` holds `first`; `beside`
    /// are the exposures before and after it.
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
            // In a pan every frame is a key.
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

    /// The frame at which the way from a drawing to the next begins.
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
        // The small addend is for positions that rounding has put just before their pose.
        ((position * poses + 1e-9).floor() / poses).clamp(0.0, 1.0)
    }
}

/// A position close enough to a key becomes the key.
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
