//! One moment of a clip that is fetched frame by frame.

use std::sync::Arc;

use super::conversion::DrawingSpan;
use super::{Moment, NeighbourFrame, OutputFrame, RateConversion};
use crate::exposure::{Boundary, DrawingExtent, LocalAnalyser, Signature};

/// Looks at the frames around moments of a clip, and at no others.
///
/// `signature_of` gives the signature of a frame of the source, or `None` where the clip has no such frame; it is
/// asked at most once for each frame, for none farther from the moment than [`RateConversion::reach`], or
/// [`RateConversion::reach_beside`] where neighbours are asked for.
///
/// Moments are independent of each other: asked in any order they give the same answers. A whole
/// clip's [`FrameMap`](super::FrameMap) knows more (the clip's usual noise and weave) and may tell drawings apart that
/// look the same here.
pub struct FrameByFrame<F> {
    conversion: RateConversion,
    around: LocalAnalyser<F>,
}

impl<F, E> FrameByFrame<F>
where
    F: FnMut(i64) -> Result<Option<Arc<Signature>>, E>,
{
    /// Nothing is looked at yet.
    pub fn new(conversion: RateConversion, signature_of: F) -> Self {
        Self { conversion, around: LocalAnalyser::new(signature_of) }
    }

    /// What is seen at `time` (in frames of the source); `None` where the clip has no frame at this time.
    ///
    /// # Errors
    /// Whatever the callback answers.
    pub fn output_frame(&mut self, time: Moment) -> Result<Option<OutputFrame>, E> {
        let reach = self.conversion.reach();
        let Some(span) = self.span(time.frame(), reach)? else { return Ok(None) };
        Ok(Some(self.conversion.output_frame(span, time)))
    }

    /// The drawings beside the in-betweens of the keys `first` and `last`, as [`FrameByFrame::output_frame`] names
    /// them; the rules are those of [`FrameMap::neighbours`](super::FrameMap::neighbours).
    ///
    /// # Errors
    /// Whatever the callback answers.
    pub fn neighbours(&mut self, first: i64, last: i64) -> Result<[Option<NeighbourFrame>; 2], E> {
        let longest = self.conversion.longest();
        let Some(span) = self.span(first, self.conversion.reach())? else {
            return Ok([None, None]);
        };
        let before = if first == span.first && last == span.end {
            self.span(first - 1, longest)?.filter(|before| before.end == first)
        } else {
            None
        };
        let after =
            if last == span.end && span.continues { self.span(last, longest)? } else { None };
        Ok(self.conversion.neighbours(span, [before, after], (first, last)))
    }

    /// The exposure that `frame` is a part of, as far as `reach` frames around it tell.
    fn span(&mut self, frame: i64, reach: i64) -> Result<Option<DrawingSpan>, E> {
        let reach = usize::try_from(reach).unwrap_or(0);
        let found = self.around.drawing_at(frame, reach)?;
        Ok(found.map(|found| span_of(&found, frame)))
    }
}

fn span_of(found: &DrawingExtent, frame: i64) -> DrawingSpan {
    if found.drifts {
        // Slow movement on ones: each frame is a key.
        let continues = frame + 1 < found.end || found.after == Boundary::Drawing;
        return DrawingSpan { first: frame, end: frame + 1, continues, panned: false };
    }
    let continues = matches!(found.after, Boundary::Drawing | Boundary::Unknown);
    DrawingSpan { first: found.first, end: found.end, continues, panned: found.panned }
}
