//! The UNet's inputs besides the noisy latent: text, pictures, and the keys' own latents.

use candle_core::{Result, Tensor, bail};

use crate::Watch;
use crate::clip_text::ClipText;
use crate::clip_vision::ClipVision;
use crate::preprocess::ClipPreprocess;
use crate::resampler::Resampler;
use crate::tokenizer::{CONTEXT_LENGTH, tokenize};
use crate::vae_encoder::VaeEncoder;

/// Context tokens `[1, l, c]` of the network's branches, with text before image tokens.
#[derive(Clone, Debug)]
pub struct Contexts {
    /// Prompt and first key.
    pub cond: Tensor,
    /// Empty prompt and an empty picture.
    pub uncond: Option<Tensor>,
    /// Empty prompt and first key.
    pub image_only: Option<Tensor>,
}

/// Embeddings of the prompt and of an empty prompt, `[1, 77, c]` each.
///
/// Published as [`image_guided_synthesis`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/scripts/evaluation/inference.py#L180).
///
/// # Errors
/// When the tower fails.
pub fn encode_text(
    tower: &ClipText,
    prompt: &[u32; CONTEXT_LENGTH],
    watch: Watch,
) -> Result<[Tensor; 2]> {
    let device = tower.device();
    let mut encode = |tokens: &[u32]| {
        tower.forward_watched(&Tensor::new(tokens, device)?.unsqueeze(0)?, &mut *watch)
    };
    Ok([encode(prompt)?, encode(&tokenize(""))?])
}

/// Context tokens of `first: [1, 3, h, w]` in -1..=1 and of an empty (mid-grey) picture,
/// `[1, 16 t, c]` each.
///
/// Published as [`image_guided_synthesis`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/scripts/evaluation/inference.py#L180).
///
/// # Errors
/// When a network fails.
pub fn encode_image(
    tower: &ClipVision,
    projector: &Resampler,
    first: &Tensor,
    watch: Watch,
) -> Result<[Tensor; 2]> {
    let preprocess = ClipPreprocess { size: tower.image_size(), ..ClipPreprocess::default() };
    let mut encode = |image: &Tensor| {
        let tokens = tower.forward_watched(&preprocess.forward(image)?, &mut *watch)?;
        projector.forward(&tokens)
    };
    Ok([encode(first)?, encode(&first.zeros_like()?)?])
}

impl Contexts {
    /// Joins text and image tokens for the branches that are needed.
    ///
    /// # Errors
    /// When widths differ.
    pub fn join(
        [prompt, empty]: &[Tensor; 2],
        [image, none]: &[Tensor; 2],
        uncond: bool,
        image_only: bool,
    ) -> Result<Self> {
        let join = |text: &Tensor, image: &Tensor| Tensor::cat(&[text, image], 1);
        Ok(Self {
            cond: join(prompt, image)?,
            uncond: uncond.then(|| join(empty, none)).transpose()?,
            image_only: image_only.then(|| join(empty, image)).transpose()?,
        })
    }
}

/// The two keys in the form that the other networks need.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Scaled latents of both keys, `[2, 4, h, w]`.
    pub latents: Tensor,
    /// Hidden states of both keys, `[2, h', w', c']` each, for the decoder.
    pub references: Vec<Tensor>,
}

/// Encodes the keys `[1, 3, h, w]`. `noise: [2, 4, h / 8, w / 8]` samples the posterior.
///
/// Published as [`get_latent_z_with_hidden_states`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/scripts/evaluation/inference.py#L164).
///
/// # Errors
/// When sizes do not fit or the network fails.
pub fn encode_keys(
    encoder: &VaeEncoder,
    first: &Tensor,
    last: &Tensor,
    noise: &Tensor,
    scale_factor: f64,
    watch: Watch,
) -> Result<Keys> {
    if first.dims() != last.dims() {
        bail!("the keys differ in shape: {:?} and {:?}", first.shape(), last.shape())
    }
    let encoded = encoder.forward_watched(&Tensor::cat(&[first, last], 0)?, watch)?;
    let latents = encoded.sample(noise, scale_factor)?;
    Ok(Keys { latents, references: encoded.hidden })
}

impl Keys {
    /// The conditioning latent of `t` frames, `[1, 4, t, h, w]`: the keys' latents at both ends and
    /// zeros in between.
    ///
    /// # Errors
    /// When there are fewer than two frames.
    pub fn concat(&self, t: usize) -> Result<Tensor> {
        let (_, c, h, w) = self.latents.dims4()?;
        if t < 2 {
            bail!("{t} frames have no room for two keys")
        }
        let between = self.latents.zeros_like()?.narrow(0, 0, 1)?.expand((t - 2, c, h, w))?;
        let ends = [self.latents.narrow(0, 0, 1)?, self.latents.narrow(0, 1, 1)?];
        let frames = Tensor::cat(&[&ends[0], &between.contiguous()?, &ends[1]], 0)?;
        // [t, 4, h, w] -> [1, 4, t, h, w]
        frames.transpose(0, 1)?.unsqueeze(0)?.contiguous()
    }
}
