//! The denoising loop: from noise to a latent in the sampler's steps.

use candle_core::{Result, Tensor};

use crate::Watch;
use crate::conditioning::Contexts;
use crate::noise::{NoiseSource, Stream};
use crate::sampler::{Branches, Guidance, Sampler, Step, StepOutput};
use crate::sketch::SketchEncoder;
use crate::unet::{OptionalInputs, Unet};

/// A source of noise: a seed, or a recording.
pub trait Draws {
    /// Noise of `shape` for `stream`, on the networks' device.
    ///
    /// # Errors
    /// When there is no noise of that shape, for example in a recording.
    fn draw(&self, stream: Stream, shape: &[usize]) -> Result<Tensor>;
}

impl Draws for (NoiseSource, &candle_core::Device) {
    fn draw(&self, stream: Stream, shape: &[usize]) -> Result<Tensor> {
        self.0.tensor(stream, shape, self.1)
    }
}

/// Sketches as input of the network.
#[derive(Clone, Copy)]
pub struct Sketches<'a> {
    /// The encoder.
    pub encoder: &'a SketchEncoder,
    /// The encoded sketches, see [`SketchEncoder::hint`].
    pub hint: &'a Tensor,
    /// Strength, 0..=1.
    pub scale: f64,
}

/// Everything that stays the same in all steps.
///
/// Published as [`ddim_sampling`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/samplers/ddim.py#L135).
#[derive(Clone, Copy)]
pub struct Denoising<'a> {
    /// The network.
    pub unet: &'a Unet,
    /// Its contexts.
    pub contexts: &'a Contexts,
    /// The keys' latents at both ends, `[1, 4, t, h, w]`.
    pub concat: &'a Tensor,
    /// Frame-rate condition; small = large motion.
    pub fs: f32,
    /// Guidance between the branches.
    pub guidance: Guidance,
    /// Sketches, if there are any.
    pub sketches: Option<Sketches<'a>>,
}

/// The results of one step, for tests that compare them.
pub struct StepTrace<'a> {
    /// The step.
    pub step: Step,
    /// Velocity of the conditional branch.
    pub v_cond: &'a Tensor,
    /// Velocity of the unconditional branch.
    pub v_uncond: Option<&'a Tensor>,
    /// The latent after the step, and the predicted clean latent.
    pub advanced: &'a StepOutput,
}

impl Denoising<'_> {
    /// Runs all steps of `sampler` from noise to a clean latent `[1, 4, t, h, w]`.
    ///
    /// `watch` is called between the blocks of the network, `taken` after each step.
    ///
    /// # Errors
    /// When a network fails or a watcher returns an error.
    pub fn run(
        &self,
        sampler: &mut Sampler,
        noise: &dyn Draws,
        watch: Watch,
        taken: &mut dyn FnMut(StepTrace) -> Result<()>,
    ) -> Result<Tensor> {
        let shape = self.concat.dims().to_vec();
        let mut x = noise.draw(Stream::Start, &shape)?;
        for step in sampler.steps().to_vec() {
            let v_cond = self.velocity(&x, step, &self.contexts.cond, watch)?;
            let mut ask = |context: &Option<Tensor>| match context {
                Some(context) => self.velocity(&x, step, context, &mut *watch).map(Some),
                None => Ok(None),
            };
            let v_uncond = ask(&self.contexts.uncond)?;
            let v_image = ask(&self.contexts.image_only)?;
            let v = self.guidance.combine(Branches {
                cond: &v_cond,
                uncond: v_uncond.as_ref(),
                image_only: v_image.as_ref(),
            })?;
            let fresh = step
                .needs_noise
                .then(|| noise.draw(Stream::Step(step.number as u32), &shape))
                .transpose()?;
            let advanced = sampler.advance(step, &x, &v, fresh.as_ref())?;
            taken(StepTrace {
                step,
                v_cond: &v_cond,
                v_uncond: v_uncond.as_ref(),
                advanced: &advanced,
            })?;
            x = advanced.x;
        }
        Ok(x)
    }

    /// The network's prediction for one branch, `[1, 4, t, h, w]`.
    fn velocity(&self, x: &Tensor, step: Step, context: &Tensor, watch: Watch) -> Result<Tensor> {
        let timestep = step.timestep as f32;
        let control = match &self.sketches {
            Some(sketches) => {
                // [1, 4, t, h, w] -> [t, 4, h, w]
                let frames = x.squeeze(0)?.transpose(0, 1)?.contiguous()?;
                let features = sketches.encoder.forward_watched(
                    &frames,
                    sketches.hint,
                    timestep,
                    context,
                    watch,
                )?;
                let scaled = features.iter().map(|feature| feature * sketches.scale);
                Some(scaled.collect::<Result<Vec<_>>>()?)
            }
            None => None,
        };
        let input = Tensor::cat(&[x, self.concat], 1)?;
        let fs = [self.fs];
        let extras = OptionalInputs { fs: Some(&fs), control: control.as_deref() };
        self.unet.forward_watched(&input, &[timestep], context, extras, watch)
    }
}
