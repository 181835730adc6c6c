//! Decodes a latent to frames in two passes; the second pass gives the two middle frames.

use candle_core::{Result, Tensor};

use crate::Watch;
use crate::vae_decoder::VaeDecoder;

/// The frames of both decodes and the merged result, `[t, 3, h, w]` each, not clamped.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// All frames at once.
    pub whole: Tensor,
    /// The frames without the second and the penultimate; absent if there are too few frames.
    pub shortened: Option<Tensor>,
}

/// Number of frames that the second pass leaves out: the second and the penultimate.
const LEFT_OUT: usize = 2;

/// Whether `t` frames get a second pass: an even number from 4 on has two middle frames to take
/// over.
pub fn has_second_decode(t: usize) -> bool {
    t >= 2 + LEFT_OUT && t.is_multiple_of(2)
}

/// Decodes `latent: [1, 4, t, h, w]` with the keys' hidden states.
///
/// Published as [`image_guided_synthesis`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/scripts/evaluation/inference.py#L180).
///
/// # Errors
/// When the decoder fails or the watcher returns an error.
pub fn decode(
    decoder: &VaeDecoder,
    latent: &Tensor,
    references: &[Tensor],
    scale_factor: f64,
    watch: Watch,
) -> Result<Decoded> {
    // [1, 4, t, h, w] -> [t, 4, h, w]
    let z = (latent.squeeze(0)?.transpose(0, 1)?.contiguous()? / scale_factor)?;
    let t = z.dim(0)?;
    let whole = decoder.forward_watched(&z, Some(references), watch)?;
    let shortened = if has_second_decode(t) {
        let mut kept = vec![z.narrow(0, 0, 1)?];
        if t > 4 {
            kept.push(z.narrow(0, 2, t - 4)?);
        }
        kept.push(z.narrow(0, t - 1, 1)?);
        Some(decoder.forward_watched(&Tensor::cat(&kept, 0)?, Some(references), watch)?)
    } else {
        None
    };
    Ok(Decoded { whole, shortened })
}

impl Decoded {
    /// All frames, with the middle two from the second pass, `[t, 3, h, w]`, not clamped.
    ///
    /// # Errors
    /// When shapes differ.
    pub fn merge(&self) -> Result<Tensor> {
        let Some(shortened) = &self.shortened else { return Ok(self.whole.clone()) };
        let t = self.whole.dim(0)?;
        let middle = t / 2 - 1;
        // The shortened video lacks one frame before them, so their index is one less.
        Tensor::cat(
            &[
                &self.whole.narrow(0, 0, middle)?,
                &shortened.narrow(0, middle - 1, 2)?,
                &self.whole.narrow(0, middle + 2, t - middle - 2)?,
            ],
            0,
        )
    }
}
