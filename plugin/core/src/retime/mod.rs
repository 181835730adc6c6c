//! Retiming: converts a clip to another frame rate and respects the timing of its drawings.
//!
//! A clip on twos has half as many poses as frames, so blending or moving from frame to frame gives
//! stops and jerks. Here each *drawing* is a key at the time of its first frame, and whatever lies
//! between two such times is drawn between the two drawings.
//!
//! - [`Rate`] is an exact frame rate; [`Strength`] says how far the original rhythm is smoothed
//!   out.
//! - [`FrameMap`] covers a whole clip whose [`Sheet`](crate::exposure::Sheet) is known.
//! - [`FrameByFrame`] answers for single moments of a clip that is fetched frame by frame.
//!
//! Both follow the same rules:
//!
//! - A drawing held for up to [`RateConversion::longest`] frames is a step of a movement: the way
//!   to the next drawing takes up its whole exposure.
//! - A drawing held longer is a rest: it stays, and moves on within its last
//!   [`RateConversion::settle`] frames. The frames of a rest are shown as they are, so that grain
//!   stays alive. Where the camera pans over it, every frame is a key.
//! - Before a cut and at the end of the clip the last drawing is held: nothing is drawn across a
//!   cut.
//!
//! # For callers that get frames one by one
//!
//! [`FrameByFrame`] asks a callback for the signatures of the frames around the moment: about four
//! on twos, and none beyond [`RateConversion::reach`]. The callback fetches a frame and makes its
//! [`Signature`](crate::exposure::Signature). It should remember it, as
//! [`SignatureMemo`](crate::exposure::SignatureMemo) does, because nearby moments ask for the same
//! ones.
//!
//! ```
//! use std::sync::Arc;
//!
//! use inbetween_core::exposure::Signature;
//! use inbetween_core::retime::{Strength, RateConversion, Rate, OutputFrame, FrameByFrame};
//! use inbetween_core::{Encoding, Frame};
//!
//! # let frame_of = |number: i64| -> Option<Frame> {
//! #     let x = [5_usize, 5, 12, 12, 20, 20].get(usize::try_from(number).ok()?)?;
//! #     let mut frame = Frame::transparent(64, 64).ok()?;
//! #     frame.pixels_mut().chunks_mut(64).take(40 - x).for_each(|row| row[*x..x + 20 + x].fill([1.0; 4]));
//! #     Some(frame)
//! # };
//! // Frames 0 to 5 on twos: 24 frames a second, to be shown at 48.
//! let fetch = |number: i64| -> Result<Option<Arc<Signature>>, inbetween_core::Error> {
//!     Ok(frame_of(number).map(|frame| Arc::new(Signature::of(&frame, Encoding::Srgb))))
//! };
//! let (source, target): (Rate, Rate) = ("24".parse()?, "48".parse()?);
//! let conversion = RateConversion::new(source, target, Strength::ON_ONES);
//! // The fifth frame of the output lies half a frame into the second drawing's exposure.
//! let shown = FrameByFrame::new(conversion, fetch).output_frame(target.time_at(source, 5))?;
//! assert_eq!(shown, Some(OutputFrame::InBetween { first: 2, last: 4, position: 0.25 }));
//! # Ok::<(), inbetween_core::Error>(())
//! ```

mod conversion;
mod frame_by_frame;
mod frame_map;
mod rate;
#[cfg(test)]
mod tests;

pub use conversion::{NeighbourFrame, OutputFrame, RateConversion, Strength};
pub use frame_by_frame::FrameByFrame;
pub use frame_map::FrameMap;
pub use rate::{Moment, Rate, common_divisor};
