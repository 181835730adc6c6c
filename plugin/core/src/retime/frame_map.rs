//! Retiming of a whole clip.

use std::collections::BTreeMap;

use super::conversion::DrawingSpan;
use super::{NeighbourFrame, OutputFrame, Rate, RateConversion, Strength};
use crate::exposure::{Drawing, Kind, Sheet};

/// What is shown on each frame of a clip at its new rate.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameMap {
    spans: Vec<DrawingSpan>,
    source: Rate,
    target: Rate,
    conversion: RateConversion,
    frames: u64,
    /// For scenes that end while the camera moves: the last frame, and the camera's movement per
    /// source frame.
    pans: BTreeMap<i64, [f32; 2]>,
}

impl FrameMap {
    /// Retimes the clip with these drawings from the `source` rate to the `target` rate.
    pub fn new(sheet: &Sheet, source: Rate, target: Rate, strength: Strength) -> Self {
        let frames = target.length_of(source, sheet.frames() as u64);
        let next = sheet.drawings().iter().skip(1).map(Some).chain([None]);
        let spans =
            sheet.drawings().iter().zip(next).map(|(drawing, next)| span(drawing, next)).collect();
        let ends = sheet.cuts().chain([sheet.frames()]);
        let pans = ends.filter_map(|end| Some((end as i64 - 1, sheet.pan_before(end)?))).collect();
        Self {
            spans,
            source,
            target,
            conversion: RateConversion::new(source, target, strength),
            frames,
            pans,
        }
    }

    /// Number of frames at the new rate.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// What is shown on frame `number` of the output, counted from 0; `None` beyond its end.
    pub fn output_frame(&self, number: u64) -> Option<OutputFrame> {
        if number >= self.frames {
            return None;
        }
        let time = self.target.time_at(self.source, number);
        let after = self.spans.partition_point(|span| span.first <= time.frame());
        let span = self.spans[..after].last()?;
        Some(self.conversion.output_frame(*span, time))
    }

    /// The source frame at the moment of frame `number` of the output, whatever is drawn for it.
    pub fn source_frame(&self, number: u64) -> i64 {
        self.target.time_at(self.source, number).frame()
    }

    /// The drawings beside the in-betweens of the keys `first` and `last`, where
    /// [`FrameMap::output_frame`] returned these keys and the same movement has such drawings: not
    /// across a cut, nor out of a rest or into one.
    pub fn neighbours(&self, first: i64, last: i64) -> [Option<NeighbourFrame>; 2] {
        let after = self.spans.partition_point(|span| span.first <= first);
        let Some(at) = after.checked_sub(1) else { return [None, None] };
        let beside =
            [at.checked_sub(1).map(|before| self.spans[before]), self.spans.get(after).copied()];
        self.conversion.neighbours(self.spans[at], beside, (first, last))
    }

    /// How far the camera has moved on, in pixels to the right and down, since the source frame
    /// that [`FrameMap::output_frame`] holds on frame `number` of the output. Before a cut and at
    /// the end of the clip there is no next drawing, but a pan goes on. `None` where the camera
    /// does not move.
    pub fn extrapolated_pan(&self, number: u64) -> Option<[f32; 2]> {
        let OutputFrame::Source { frame } = self.output_frame(number)? else { return None };
        let way = self.pans.get(&frame)?;
        let part = self.target.time_at(self.source, number).position(frame, frame + 1);
        (part > crate::timing::POSITION_TOLERANCE).then(|| way.map(|way| way * part as f32))
    }

    /// What is shown on each frame of the output, in order.
    pub fn output_frames(&self) -> impl Iterator<Item = OutputFrame> + '_ {
        (0..self.frames).filter_map(|number| self.output_frame(number))
    }
}

fn span(drawing: &Drawing, next: Option<&Drawing>) -> DrawingSpan {
    DrawingSpan {
        first: drawing.first as i64,
        end: drawing.end() as i64,
        continues: next.is_some_and(|next| !next.cut),
        panned: matches!(drawing.kind, Kind::Panned { .. }),
    }
}
