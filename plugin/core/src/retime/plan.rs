//! A whole clip at another rate.

use super::pace::Held;
use super::{Feel, Pace, Rate, Shown};
use crate::exposure::{Drawing, Kind, Sheet};

/// What is seen on each frame of a clip at its new rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    held: Vec<Held>,
    source: Rate,
    target: Rate,
    pace: Pace,
    frames: u64,
}

impl Plan {
    /// The clip with these drawings, from the `source` rate to the `target` rate.
    pub fn new(sheet: &Sheet, source: Rate, target: Rate, feel: Feel) -> Self {
        let frames = target.length_of(source, sheet.frames() as u64);
        let next = sheet.drawings().iter().skip(1).map(Some).chain([None]);
        let held =
            sheet.drawings().iter().zip(next).map(|(drawing, next)| held(drawing, next)).collect();
        Self { held, source, target, pace: Pace::new(source, target, feel), frames }
    }

    /// Number of frames at the new rate.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// What is seen on frame `number` of the output, counted from 0; `None` beyond its end.
    pub fn shown(&self, number: u64) -> Option<Shown> {
        if number >= self.frames {
            return None;
        }
        let time = self.target.time_at(self.source, number);
        let after = self.held.partition_point(|held| held.first <= time.frame());
        let held = self.held[..after].last()?;
        Some(self.pace.shown(*held, time))
    }

    /// What is seen on every frame of the output, in order.
    pub fn all(&self) -> impl Iterator<Item = Shown> + '_ {
        (0..self.frames).filter_map(|number| self.shown(number))
    }
}

fn held(drawing: &Drawing, next: Option<&Drawing>) -> Held {
    Held {
        first: drawing.first as i64,
        end: drawing.end() as i64,
        leads_on: next.is_some_and(|next| !next.cut),
        panned: matches!(drawing.kind, Kind::Panned { .. }),
    }
}
