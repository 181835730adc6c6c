//! One moment of a clip that is fetched frame by frame.

use std::sync::Arc;

use super::pace::Held;
use super::{Moment, Pace, Shown};
use crate::exposure::{Border, Neighbourhood, Signature};

/// What is seen at `time` (in frames of the source), looking at the frames around it only.
///
/// `signature_of` gives the signature of a frame of the source, or `None` where the clip has no such
/// frame; it is asked at most once for each frame, for none farther than [`Pace::longest`] + 1 frames
/// from the moment. The answer is `None` where the clip has no frame at this time.
///
/// Moments are independent of each other: asked in any order they give the same answers. A whole
/// clip's [`Plan`](super::Plan) knows more (the clip's usual noise and weave) and may tell drawings apart that look the
/// same here.
///
/// # Errors
/// Whatever the callback answers.
pub fn shown_at<E>(
    time: Moment,
    pace: &Pace,
    signature_of: impl FnMut(i64) -> Result<Option<Arc<Signature>>, E>,
) -> Result<Option<Shown>, E> {
    let mut around = Neighbourhood::new(signature_of);
    let frame = time.frame();
    let reach = usize::try_from(pace.longest()).unwrap_or(0) + 1;
    let Some(found) = around.drawing_at(frame, reach)? else { return Ok(None) };
    let held = if found.drifts {
        // Slow movement on ones: each frame is a key.
        let leads_on = frame + 1 < found.end || found.after == Border::Drawing;
        Held { first: frame, end: frame + 1, leads_on, panned: false }
    } else {
        let leads_on = matches!(found.after, Border::Drawing | Border::Unknown);
        Held { first: found.first, end: found.end, leads_on, panned: found.panned }
    };
    Ok(Some(pace.shown(held, time)))
}
