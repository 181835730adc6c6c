//! The denoising UNet: `model.diffusion_model.`

use candle_core::{D, DType, Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::attention::{Context, SpatialTransformer, TemporalTransformer, TransformerConfig};
use crate::config::{LevelsConfig, UnetConfig};
use crate::embedding::Embedding;
use crate::ops::{Conv2d, GroupNorm, Window};
use crate::unet_blocks::{Downsample, ResBlock, Upsample};
use crate::{Watch, unwatched};

/// One layer of a block; blocks list them in key order.
#[derive(Clone, Debug)]
pub(crate) enum Layer {
    Conv(Conv2d),
    Res(Box<ResBlock>),
    Spatial(SpatialTransformer),
    Temporal(TemporalTransformer),
    Down(Downsample),
    Up(Upsample),
}

/// Inputs of layers besides the activations.
pub(crate) struct Conditions<'a> {
    /// `[n, e]`
    pub(crate) emb: &'a Tensor,
    pub(crate) context: &'a Context,
    /// Number of frames in each batch.
    pub(crate) t: usize,
}

/// Runs the layers of a block in order. Takes the input, whose memory the later layers can use.
pub(crate) fn run(layers: &[Layer], x: Tensor, with: &Conditions) -> Result<Tensor> {
    layers.iter().try_fold(x, |x, layer| match layer {
        Layer::Conv(conv) => conv.forward(&x),
        Layer::Res(block) => block.forward(&x, with.emb, with.t),
        Layer::Spatial(transformer) => transformer.forward(&x, with.context),
        Layer::Temporal(transformer) => transformer.forward(&x, with.t),
        Layer::Down(down) => down.forward(&x),
        Layer::Up(up) => up.forward(&x),
    })
}

/// The first half of a UNet, which the sketch encoder has too: a convolution, then residual blocks
/// for each level, some with attention, and a step down to the next level.
pub(crate) struct DownBlocks<'a> {
    /// Input channels.
    pub(crate) channels: usize,
    /// The levels.
    pub(crate) levels: &'a LevelsConfig,
}

impl DownBlocks<'_> {
    /// The blocks under `vb` and the width of each. `res(vb, from, to)` creates a residual block,
    /// and `attention(vb, level, width)` the layers after it.
    pub(crate) fn build(
        &self,
        vb: &VarBuilder,
        res: &dyn Fn(&VarBuilder, usize, usize) -> Result<Layer>,
        attention: impl Fn(&VarBuilder, usize, usize) -> Result<Vec<Layer>>,
    ) -> Result<(Vec<Vec<Layer>>, Vec<usize>)> {
        let (width, mult) = (self.levels.model_channels, &self.levels.channel_mult);
        let mut c = width;
        let first = Conv2d::new(self.channels, c, Window::SAME, &vb.pp("0.0"))?;
        let (mut blocks, mut widths) = (vec![vec![Layer::Conv(first)]], vec![c]);
        let last_level = mult.len().saturating_sub(1);
        for (level, mult) in mult.iter().enumerate() {
            for _ in 0..self.levels.num_res_blocks {
                let vb = vb.pp(blocks.len());
                let mut layers = vec![res(&vb.pp(0), c, mult * width)?];
                c = mult * width;
                layers.extend(attention(&vb, level, c)?);
                blocks.push(layers);
                widths.push(c);
            }
            if level != last_level {
                let down = Downsample::new(c, &vb.pp(blocks.len()).pp(0))?;
                blocks.push(vec![Layer::Down(down)]);
                widths.push(c);
            }
        }
        Ok((blocks, widths))
    }
}

/// The sizes of a transformer on a level with `channels` channels.
pub(crate) fn transformer_of(levels: &LevelsConfig, channels: usize) -> TransformerConfig {
    TransformerConfig {
        channels,
        heads: channels / levels.num_head_channels,
        dim_head: levels.num_head_channels,
        depth: levels.transformer_depth,
        use_linear: levels.use_linear,
    }
}

/// All optional inputs of a call.
#[derive(Clone, Copy, Default)]
pub struct OptionalInputs<'a> {
    /// Frame rate of each batch; the configured default if absent.
    pub fs: Option<&'a [f32]>,
    /// Sketch features, `[n, h, w, c]` each, one per input block and one for the middle, already
    /// scaled; see [`SketchEncoder`](crate::sketch::SketchEncoder).
    pub control: Option<&'a [Tensor]>,
}

/// The UNet.
///
/// Published as [`UNetModel`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/networks/openaimodel3d.py#L281).
#[derive(Clone, Debug)]
pub struct Unet {
    config: UnetConfig,
    time_embed: Embedding,
    fps_embedding: Option<Embedding>,
    init_attn: Option<TemporalTransformer>,
    input_blocks: Vec<Vec<Layer>>,
    middle_block: Vec<Layer>,
    output_blocks: Vec<Vec<Layer>>,
    out_norm: GroupNorm,
    out_conv: Conv2d,
}

/// Adds features, whose precision may differ from that of the activations.
fn plus(h: &Tensor, features: &Tensor) -> Result<Tensor> {
    h + features.to_dtype(h.dtype())?
}

/// Number of heads of `init_attn`, whatever its width.
const INIT_HEADS: usize = 8;

impl Unet {
    /// Reads the weights under `vb`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or its shape does not match the configuration.
    pub fn new(config: &UnetConfig, vb: &VarBuilder) -> Result<Self> {
        let levels = &config.levels;
        let (width, embed) = (levels.model_channels, levels.embed_dim());
        let time_embed = Embedding::new(width, embed, &vb.pp("time_embed"))?;
        let fps_embedding = config
            .fs_condition
            .then(|| Embedding::new(width, embed, &vb.pp("fps_embedding")))
            .transpose()?;
        let res = |vb: &VarBuilder, c_in: usize, c_out: usize| -> Result<Layer> {
            let block = ResBlock::new((c_in, c_out), embed, config.temporal_conv, vb)?;
            Ok(Layer::Res(Box::new(block)))
        };
        // Spatial and temporal transformer at the sub-indices `first` and `first + 1`.
        let transformers = |vb: &VarBuilder, first: usize, c: usize| -> Result<Vec<Layer>> {
            let sizes = transformer_of(levels, c);
            let (context, image) = (levels.context_dim, config.image_cross_attention);
            let spatial = SpatialTransformer::new(&sizes, context, image, &vb.pp(first))?;
            let mut layers = vec![Layer::Spatial(spatial)];
            if config.temporal_attention {
                let temporal = TemporalTransformer::new(&sizes, &vb.pp(first + 1))?;
                layers.push(Layer::Temporal(temporal));
            }
            Ok(layers)
        };

        let down = DownBlocks { channels: config.in_channels, levels };
        let (input_blocks, mut skips) =
            down.build(&vb.pp("input_blocks"), &res, |vb, level, c| {
                if levels.has_attention(level) { transformers(vb, 1, c) } else { Ok(Vec::new()) }
            })?;
        let mut c = skips.last().copied().unwrap_or(width);

        let middle = vb.pp("middle_block");
        let mut middle_block = vec![res(&middle.pp(0), c, c)?];
        middle_block.extend(transformers(&middle, 1, c)?);
        middle_block.push(res(&middle.pp(middle_block.len()), c, c)?);

        let blocks = vb.pp("output_blocks");
        let mut output_blocks: Vec<Vec<Layer>> = Vec::new();
        for (level, mult) in levels.channel_mult.iter().enumerate().rev() {
            for i in 0..=levels.num_res_blocks {
                let vb = blocks.pp(output_blocks.len());
                let skip = skips.pop().expect("one skip for each output block");
                let mut layers = vec![res(&vb.pp(0), c + skip, mult * width)?];
                c = mult * width;
                if levels.has_attention(level) {
                    layers.extend(transformers(&vb, 1, c)?);
                }
                if level > 0 && i == levels.num_res_blocks {
                    layers.push(Layer::Up(Upsample::new(c, &vb.pp(layers.len()))?));
                }
                output_blocks.push(layers);
            }
        }

        let init_attn = config
            .addition_attention
            .then(|| {
                let of_level = transformer_of(levels, width);
                let sizes = TransformerConfig { heads: INIT_HEADS, use_linear: false, ..of_level };
                TemporalTransformer::new(&sizes, &vb.pp("init_attn.0"))
            })
            .transpose()?;
        Ok(Self {
            config: config.clone(),
            time_embed,
            fps_embedding,
            init_attn,
            input_blocks,
            middle_block,
            output_blocks,
            out_norm: GroupNorm::new(c, 1e-5, true, &vb.pp("out.0"))?,
            out_conv: Conv2d::new(c, config.out_channels, Window::SAME, &vb.pp("out.2"))?,
        })
    }

    /// Height and width of a latent must be multiples of this.
    pub fn size_unit(&self) -> usize {
        1 << (self.config.levels.channel_mult.len() - 1)
    }

    /// Number of calls of a watcher in one run, for progress.
    pub fn stages(&self) -> usize {
        let extra =
            usize::from(self.init_attn.is_some()) + usize::from(self.fps_embedding.is_some());
        self.input_blocks.len() + self.output_blocks.len() + 2 + extra
    }

    /// As [`Unet::forward_watched`], unwatched.
    ///
    /// # Errors
    /// As [`Unet::forward_watched`].
    pub fn forward(
        &self,
        x: &Tensor,
        timesteps: &[f32],
        context: &Tensor,
        extras: OptionalInputs,
    ) -> Result<Tensor> {
        self.forward_watched(x, timesteps, context, extras, &mut unwatched)
    }

    /// `x: [b, c_in, t, h, w]`, `timesteps`: one per batch, `context: [b, l, c]` → `[b, c_out, t,
    /// h, w]`
    ///
    /// # Errors
    /// When the shapes do not match each other or the model, when `watch` returns an error, or when
    /// the device fails.
    pub fn forward_watched(
        &self,
        x: &Tensor,
        timesteps: &[f32],
        context: &Tensor,
        extras: OptionalInputs,
        watch: Watch,
    ) -> Result<Tensor> {
        let (b, c, t, height, width) = x.dims5()?;
        let unit = self.size_unit();
        if c != self.config.in_channels || timesteps.len() != b || context.dim(0)? != b {
            bail!(
                "the UNet takes {} channels and one time step and context for each batch; found {:?}, {} and {:?}",
                self.config.in_channels,
                x.shape(),
                timesteps.len(),
                context.shape()
            )
        }
        if height % unit != 0 || width % unit != 0 || height * width == 0 {
            bail!("latents of {height} x {width} do not fit: both must be multiples of {unit}")
        }
        let emb = self.embed(timesteps, extras.fs, t, watch)?;
        let context = &if self.config.image_cross_attention {
            Context::per_frame(context, self.config.text_context_len, t)?
        } else {
            Context::whole(context)
        };
        let with = Conditions { emb: &emb, context, t };

        // [b, c, t, h, w] -> [n, h, w, c]
        let mut h = x.permute((0, 2, 3, 4, 1))?.reshape((b * t, height, width, c))?.contiguous()?;
        let mut skips = Vec::with_capacity(self.input_blocks.len());
        for (i, block) in self.input_blocks.iter().enumerate() {
            h = run(block, h, &with)?;
            watch(&format!("input_blocks.{i}"), &h)?;
            if let (0, Some(attn)) = (i, &self.init_attn) {
                h = attn.forward(&h, t)?;
                watch("init_attn", &h)?;
            }
            skips.push(h.clone());
        }
        h = run(&self.middle_block, h, &with)?;
        watch("middle_block", &h)?;
        let mut control = extras.control.unwrap_or_default().iter().rev();
        if let Some(feature) = control.next() {
            h = plus(&h, feature)?;
        }
        for (i, block) in self.output_blocks.iter().enumerate() {
            let mut skip = skips.pop().expect("one skip for each output block");
            if let Some(feature) = control.next() {
                skip = plus(&skip, feature)?;
            }
            h = Tensor::cat(&[&h, &skip], D::Minus1)?;
            drop(skip);
            h = run(block, h, &with)?;
            watch(&format!("output_blocks.{i}"), &h)?;
        }
        let y = self.out_conv.forward(&self.out_norm.forward(&h)?)?;
        // [n, h, w, c] -> [b, c, t, h, w]
        let y = y.reshape((b, t, height, width, ()))?.permute((0, 4, 1, 2, 3))?.contiguous()?;
        y.to_dtype(DType::F32)
    }

    /// Embeds time and frame rate as `[n, e]`, the same for all frames of a batch.
    fn embed(&self, steps: &[f32], fs: Option<&[f32]>, t: usize, watch: Watch) -> Result<Tensor> {
        let device = self.out_norm.device();
        let mut emb = self.time_embed.forward(steps, device)?;
        watch("time_embed", &emb)?;
        if let Some(embedding) = &self.fps_embedding {
            let default = vec![self.config.default_fs as f32; steps.len()];
            let fs = fs.unwrap_or(&default);
            if fs.len() != steps.len() {
                bail!("{} frame rates were given for a batch of {}", fs.len(), steps.len())
            }
            let fps = embedding.forward(fs, device)?;
            watch("fps_embedding", &fps)?;
            emb = (emb + fps)?;
        }
        let (b, e) = emb.dims2()?;
        emb.unsqueeze(1)?.expand((b, t, e))?.reshape((b * t, e))
    }
}
