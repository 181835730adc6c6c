//! Retiming for single moments of a clip that is fetched frame by frame.

use std::sync::Arc;

use super::conversion::DrawingSpan;
use super::{Moment, NeighbourFrame, OutputFrame, RateConversion};
use crate::exposure::{Boundary, DrawingExtent, LocalAnalyser, Signature};

/// Examines the frames around given moments of a clip, and no others.
///
/// `signature_of` gives the signature of a source frame, or `None` where the clip has no such
/// frame. It is called at most once per frame, and only for frames within [`RateConversion::reach`]
/// of the moment ([`RateConversion::reach_beside`] for neighbours).
///
/// Moments are independent: the answers do not depend on the order of the questions. The
/// [`FrameMap`](super::FrameMap) of a whole clip knows more (the clip's usual noise and weave) and
/// may tell drawings apart that look the same here.
pub struct FrameByFrame<F> {
    conversion: RateConversion,
    around: LocalAnalyser<F>,
}

impl<F, E> FrameByFrame<F>
where
    F: FnMut(i64) -> Result<Option<Arc<Signature>>, E>,
{
    /// Does not examine any frame yet.
    pub fn new(conversion: RateConversion, signature_of: F) -> Self {
        Self { conversion, around: LocalAnalyser::new(signature_of) }
    }

    /// What is shown at `time` (in source frames); `None` where the clip has no frame.
    ///
    /// # Errors
    /// Whatever the callback returns.
    pub fn output_frame(&mut self, time: Moment) -> Result<Option<OutputFrame>, E> {
        let reach = self.conversion.reach();
        let Some(span) = self.span(time.frame(), reach)? else { return Ok(None) };
        Ok(Some(self.conversion.output_frame(span, time)))
    }

    /// The drawings beside the in-betweens of the keys `first` and `last`, where
    /// [`FrameByFrame::output_frame`] returned these keys. The rules are those of
    /// [`FrameMap::neighbours`](super::FrameMap::neighbours).
    ///
    /// # Errors
    /// Whatever the callback returns.
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

    /// The exposure that `frame` belongs to, as far as the `reach` frames around it show.
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
