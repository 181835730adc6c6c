//! One moment of a clip that is fetched frame by frame.

use std::sync::Arc;

use super::conversion::DrawingSpan;
use super::{Moment, OutputFrame, RateConversion};
use crate::exposure::{Boundary, LocalAnalyser, Signature};

/// What is seen at `time` (in frames of the source), looking at the frames around it only.
///
/// `signature_of` gives the signature of a frame of the source, or `None` where the clip has no such
/// frame; it is asked at most once for each frame, for none farther than [`RateConversion::longest`] + 1 frames
/// from the moment. The answer is `None` where the clip has no frame at this time.
///
/// Moments are independent of each other: asked in any order they give the same answers. A whole
/// clip's [`FrameMap`](super::FrameMap) knows more (the clip's usual noise and weave) and may tell drawings apart that look the
/// same here.
///
/// # Errors
/// Whatever the callback answers.
pub fn output_frame_at<E>(
    time: Moment,
    conversion: &RateConversion,
    signature_of: impl FnMut(i64) -> Result<Option<Arc<Signature>>, E>,
) -> Result<Option<OutputFrame>, E> {
    let mut around = LocalAnalyser::new(signature_of);
    let frame = time.frame();
    let reach = usize::try_from(conversion.longest()).unwrap_or(0) + 1;
    let Some(found) = around.drawing_at(frame, reach)? else { return Ok(None) };
    let span = if found.drifts {
        // Slow movement on ones: each frame is a key.
        let continues = frame + 1 < found.end || found.after == Boundary::Drawing;
        DrawingSpan { first: frame, end: frame + 1, continues, panned: false }
    } else {
        let continues = matches!(found.after, Boundary::Drawing | Boundary::Unknown);
        DrawingSpan { first: found.first, end: found.end, continues, panned: found.panned }
    };
    Ok(Some(conversion.output_frame(span, time)))
}
