//! The sketch encoder: computes what drawings add to the UNet, frame by frame.
//!
//! Its weights were published without code. The layers follow from the names and shapes of the
//! tensors, and their use from the paper (arXiv 2405.17933).

use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::attention::{Context, SpatialTransformer};
use crate::config::SketchConfig;
use crate::embedding::Embedding;
use crate::ops::{Activation, Addend, Conv2d, Linear, Window};
use crate::unet::{Conditions, DownBlocks, Layer, run, transformer_of};
use crate::unet_blocks::ResBlock;
use crate::{Watch, channels_last, unwatched};

/// Channels of each convolution of `input_hint_block` after the first, and whether it halves the
/// size.
const HINT: [(usize, bool); 7] =
    [(16, false), (32, true), (32, false), (96, true), (96, false), (256, true), (0, false)];

/// The sketch encoder.
#[derive(Clone, Debug)]
pub struct SketchEncoder {
    config: SketchConfig,
    time_embed: Embedding,
    input_hint_block: Vec<Conv2d>,
    input_blocks: Vec<Vec<Layer>>,
    zero_convs: Vec<Linear>,
    middle_block: Vec<Layer>,
    middle_block_out: Linear,
}

impl SketchEncoder {
    /// Reads the weights under `vb`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or its shape does not match the configuration.
    pub fn new(config: &SketchConfig, vb: &VarBuilder) -> Result<Self> {
        let levels = &config.levels;
        let (width, embed) = (levels.model_channels, levels.embed_dim());
        let res = |vb: &VarBuilder, c_in: usize, c_out: usize| -> Result<Layer> {
            Ok(Layer::Res(Box::new(ResBlock::new((c_in, c_out), embed, false, vb)?)))
        };
        let spatial = |vb: &VarBuilder, c: usize| -> Result<Layer> {
            let sizes = transformer_of(levels, c);
            Ok(Layer::Spatial(SpatialTransformer::new(&sizes, levels.context_dim, false, vb)?))
        };
        let zero =
            |i: usize, c: usize| Linear::pointwise(c, c, true, 2, &vb.pp("zero_convs").pp(i).pp(0));

        let mut c = config.hint_channels;
        let mut input_hint_block = Vec::new();
        for (i, (channels, halve)) in [(16, false)].into_iter().chain(HINT).enumerate() {
            let window = if halve { Window::HALVE } else { Window::SAME };
            let channels = if channels == 0 { width } else { channels };
            let vb = vb.pp("input_hint_block").pp(2 * i);
            input_hint_block.push(Conv2d::new(c, channels, window, &vb)?);
            c = channels;
        }

        let down = DownBlocks { channels: config.in_channels, levels };
        let (input_blocks, widths) = down.build(&vb.pp("input_blocks"), &res, |vb, level, c| {
            levels.has_attention(level).then(|| spatial(&vb.pp(1), c)).into_iter().collect()
        })?;
        let zero_convs =
            widths.iter().enumerate().map(|(i, &c)| zero(i, c)).collect::<Result<_>>()?;
        let c = widths.last().copied().unwrap_or(width);
        let middle = vb.pp("middle_block");
        Ok(Self {
            config: config.clone(),
            time_embed: Embedding::new(width, embed, &vb.pp("time_embed"))?,
            input_hint_block,
            input_blocks,
            zero_convs,
            middle_block: vec![
                res(&middle.pp(0), c, c)?,
                spatial(&middle.pp(1), c)?,
                res(&middle.pp(2), c, c)?,
            ],
            middle_block_out: Linear::pointwise(c, c, true, 2, &vb.pp("middle_block_out.0"))?,
        })
    }

    /// The part that depends only on the sketches: `hint: [n, 1, 8 h, 8 w]`, white lines (1) on
    /// black (0) → `[n, h, w, c]`
    ///
    /// # Errors
    /// When the shape of `hint` is wrong, or when the device fails.
    pub fn hint(&self, hint: &Tensor) -> Result<Tensor> {
        let mut x = channels_last(hint)?;
        let last = self.input_hint_block.len() - 1;
        for (i, conv) in self.input_hint_block.iter().enumerate() {
            let activation = if i == last { Activation::None } else { Activation::Silu };
            x = conv.forward_with(&x, activation, Addend::Nothing)?;
        }
        Ok(x)
    }

    /// Number of calls of a watcher in one run, for progress.
    pub fn stages(&self) -> usize {
        self.input_blocks.len() + 1
    }

    /// As [`SketchEncoder::forward_watched`], unwatched.
    ///
    /// # Errors
    /// As [`SketchEncoder::forward_watched`].
    pub fn forward(
        &self,
        x: &Tensor,
        hint: &Tensor,
        timestep: f32,
        context: &Tensor,
    ) -> Result<Vec<Tensor>> {
        self.forward_watched(x, hint, timestep, context, &mut unwatched)
    }

    /// `x: [n, 4, h, w]` noisy latents, `hint: [n, h, w, c]` from [`SketchEncoder::hint`],
    /// `context: [1, l, c]` for all frames → one `[n, h', w', c']` for each input block and one for
    /// the middle. Scale these and pass them to the UNet as
    /// [`OptionalInputs::control`](crate::unet::OptionalInputs).
    ///
    /// # Errors
    /// When the shape of `x`, `hint` or `context` is wrong, when `watch` returns an error, or when
    /// the device fails.
    pub fn forward_watched(
        &self,
        x: &Tensor,
        hint: &Tensor,
        timestep: f32,
        context: &Tensor,
        watch: Watch,
    ) -> Result<Vec<Tensor>> {
        let (n, c, h, w) = x.dims4()?;
        let width = self.config.levels.model_channels;
        if c != self.config.in_channels || hint.dims4()? != (n, h, w, width) {
            bail!(
                "the sketch encoder was given latents {:?} and hints {:?}",
                x.shape(),
                hint.shape()
            )
        }
        let emb = self.time_embed.forward(&[timestep], x.device())?;
        let emb = emb.expand((n, emb.dim(1)?))?.contiguous()?;
        // Without layers over time, frames are independent.
        let with = Conditions { emb: &emb, context: &Context::whole(context), t: 1 };
        let mut h = channels_last(x)?;
        let mut control = Vec::with_capacity(self.input_blocks.len() + 1);
        for (i, (block, zero)) in self.input_blocks.iter().zip(&self.zero_convs).enumerate() {
            h = run(block, h, &with)?;
            if i == 0 {
                h = (&h + hint.to_dtype(h.dtype())?)?;
            }
            watch(&format!("input_blocks.{i}"), &h)?;
            control.push(zero.forward(&h)?);
        }
        h = run(&self.middle_block, h, &with)?;
        watch("middle_block", &h)?;
        control.push(self.middle_block_out.forward(&h)?);
        Ok(control)
    }
}
