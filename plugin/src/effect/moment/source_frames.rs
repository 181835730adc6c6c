//! Examines frames of Source to distinguish drawings. Frames are fetched from the host one at a
//! time and remembered as signatures by the content of their pixels.

use std::sync::Arc;

use inbetween_core::budget::Budget;
use inbetween_core::exposure::{Signature, SignatureMemo};
use inbetween_core::process_memo::ProcessMemo;
use inbetween_core::{ContentHash, Encoding, Error as CoreError};

use super::keys;
use crate::effect::names::SOURCE;
use crate::ofx::{Clip, Context, EffectRef, Image, Rect, Result};

static SIGNATURES: ProcessMemo<SignatureMemo> =
    ProcessMemo::new(|| SignatureMemo::new(Budget::of_process()), SignatureMemo::forget_all);

/// Source, as examined within one action.
pub(crate) struct SourceFrames<'a> {
    effect: &'a EffectRef<'a>,
    clip: Clip<'a>,
    encoding: Encoding,
    /// All frames are placed on this rectangle before they are compared, because some hosts crop
    /// each frame to its non-empty part.
    canvas: Rect,
    /// Whether any of the pictures is certainly not what a host delivers for an unconnected clip.
    seen: bool,
}

impl<'a> SourceFrames<'a> {
    /// Does not fetch anything yet. If `canvas` is empty, the bounds of the first frame are used.
    ///
    /// # Errors
    /// When nothing is connected to Source.
    pub(crate) fn new(effect: &'a EffectRef<'a>, encoding: Encoding, canvas: Rect) -> Result<Self> {
        let clip = effect.clip(SOURCE).filter(|clip| !clip.is_surely_unconnected());
        let clip = clip.ok_or_else(|| keys::unconnected(SOURCE))?;
        // The single clip of a filter is always connected, so its frames may be empty.
        let phantoms =
            effect.host().quirks().phantom_clips && effect.context()? == Context::General;
        Ok(Self { effect, clip, encoding, canvas, seen: !phantoms })
    }

    /// The signature of the host's frame at `time`; `None` if it has none.
    ///
    /// # Errors
    /// When the host asks to stop, or when its description of the picture makes no sense.
    pub(crate) fn signature(&mut self, time: f64) -> Result<Option<Arc<Signature>>> {
        let Some(image) = self.image(time)? else { return Ok(None) };
        self.signature_of(&image).map(Some)
    }

    /// Like [`SourceFrames::signature`], but also `None` if the frame is filled with one colour,
    /// because then there is no drawing on it.
    ///
    /// # Errors
    /// As [`SourceFrames::signature`].
    pub(crate) fn signature_of_drawing(&mut self, time: f64) -> Result<Option<Arc<Signature>>> {
        let drawn = |image: &Image<'_>| !keys::is_even(image);
        let Some(image) = self.image(time)?.filter(drawn) else { return Ok(None) };
        self.signature_of(&image).map(Some)
    }

    fn image(&mut self, time: f64) -> Result<Option<Image<'a>>> {
        if self.effect.is_aborted() {
            return Err(CoreError::Cancelled.into());
        }
        let image = self.clip.image(time)?;
        if let Some(image) = &image {
            if self.canvas.is_empty() {
                self.canvas = image.whole();
            }
            self.seen = self.seen || !keys::is_blank(image);
        }
        Ok(image)
    }

    fn signature_of(&self, image: &Image<'_>) -> Result<Arc<Signature>> {
        let picture = keys::address(image, self.canvas)?;
        let name = blake3::Hasher::new()
            .update(b"inbetween signature 1\0")
            .update(&picture.0)
            .update(format!("{:?}", self.encoding).as_bytes())
            .finalize();
        let make = || {
            let frame = keys::decode(image, self.canvas)?;
            Ok(Signature::of(&frame, self.encoding))
        };
        SIGNATURES.get().get_or_make(ContentHash::from(name), make)
    }

    /// Fails if all examined frames are what a host delivers for an unconnected clip.
    ///
    /// # Errors
    /// When nothing is connected to Source.
    pub(crate) fn connected(&self) -> Result<()> {
        if self.seen { Ok(()) } else { Err(keys::unconnected(SOURCE)) }
    }
}
