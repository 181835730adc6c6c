//! The dual-reference video decoder: `first_stage_model.decoder`.
//!
//! Frames are decoded together, because the time layers and their norms cover all of them. Layers
//! that treat frames separately run over a few frames at a time and write into one result, which
//! changes no value and keeps at most three full-size activations in memory. `post_quant_conv` is
//! in the checkpoint but is not applied, as in the published model.

use candle_core::{DType, Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::config::VaeConfig;
use crate::ops::{
    Activation, Addend, Conv2d, GroupNorm, Linear, Precision, TemporalConv, Window, attention,
    load, precision, release_memory,
};
use crate::vae_encoder::{AttnBlock, EPS, ResnetBlock};
use crate::{Watch, channels_first, channels_last, unwatched};

/// Bytes that layers which run over groups of frames may use for one group's result.
const GROUP_BYTES: usize = 192 << 20;

/// A residual block on each frame, mixed with one over time.
///
/// Published as [`VideoResBlock`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/autoencoder_dualref.py#L846).
#[derive(Clone, Debug)]
struct VideoResBlock {
    frame: ResnetBlock,
    in_norm: GroupNorm,
    in_conv: TemporalConv,
    out_norm: GroupNorm,
    out_conv: TemporalConv,
    c_out: usize,
}

impl VideoResBlock {
    fn new(c_in: usize, c_out: usize, vb: &VarBuilder) -> Result<Self> {
        // a = sigmoid(mix) weights the time branch s = y + conv(..). The mix a s + (1 - a) y equals
        // y + a conv(..), so `a` is multiplied into the weights of the last convolution.
        let mix = load(vb, 1, "mix_factor")?.to_vec1::<f32>()?[0];
        let a = 1.0 / (1.0 + (-f64::from(mix)).exp());
        let time = vb.pp("time_stack");
        Ok(Self {
            frame: ResnetBlock::new(c_in, c_out, vb)?,
            in_norm: GroupNorm::new(c_out, 1e-5, true, &time.pp("in_layers.0"))?,
            in_conv: TemporalConv::new(c_out, c_out, 1.0, &time.pp("in_layers.2"))?,
            out_norm: GroupNorm::new(c_out, 1e-5, true, &time.pp("out_layers.0"))?,
            out_conv: TemporalConv::new(c_out, c_out, a, &time.pp("out_layers.3"))?,
            c_out,
        })
    }

    /// `x: [t, h, w, c_in]`, enlarged first if there is an `upsample` → `[t, h', w', c_out]`
    fn forward(&self, x: Tensor, upsample: Option<&Conv2d>) -> Result<Tensor> {
        let (t, h, w, c_in) = x.dims4()?;
        let (h, w) = if upsample.is_some() { (2 * h, 2 * w) } else { (h, w) };
        let y = by_frames(&x, (t, h, w, self.c_out), c_in.max(self.c_out), |x| match upsample {
            Some(upsample) => self.frame.forward(&upsample.forward(x)?),
            None => self.frame.forward(x),
        })?;
        drop(x);
        // A single batch, with statistics over all frames: [1, t, p, c].
        let y = y.reshape((1, t, h * w, self.c_out))?;
        // Each result is dropped as soon as the next exists, so at most three are in memory.
        let s = self.in_conv.forward(&self.in_norm.forward(&y)?, Addend::Nothing)?;
        let normed = self.out_norm.forward(&s)?;
        drop(s);
        let s = self.out_conv.forward(&normed, Addend::Residual(&y))?;
        s.reshape((t, h, w, self.c_out))
    }
}

/// Runs `layer` over groups of frames of `x` and collects the results with shape `out`; `widest` is
/// the largest number of channels that it handles at the size of the result.
fn by_frames(
    x: &Tensor,
    out: (usize, usize, usize, usize),
    widest: usize,
    layer: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let (t, h, w, _) = out;
    let group = (GROUP_BYTES / (h * w * widest * 4).max(1)).clamp(1, t.max(1));
    if group >= t {
        return layer(x);
    }
    let result = Tensor::zeros(out, x.dtype(), x.device())?;
    for start in (0..t).step_by(group) {
        let frames = x.narrow(0, start, group.min(t - start))?;
        result.slice_set(&layer(&frames)?, 0, start)?;
    }
    Ok(result)
}

/// How a level uses the references.
#[derive(Clone, Debug)]
enum Refinement {
    Fusion(FusionAttention),
    Combiner(Combiner),
}

impl Refinement {
    /// `x: [t, h, w, c]`, `reference: [2, h, w, c']` → `[t, h, w, c]`
    fn forward(&self, x: Tensor, reference: &Tensor) -> Result<Tensor> {
        match self {
            Self::Fusion(attention) => attention.forward(&x, reference),
            Self::Combiner(combiner) => combiner.forward(x, reference),
        }
    }
}

/// Every frame attends to both references.
///
/// Published as [`MemoryEfficientCrossAttentionWrapperFusion`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/autoencoder_dualref.py#L256).
#[derive(Clone, Debug)]
struct FusionAttention {
    norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
    precision: Precision,
}

impl FusionAttention {
    fn new(config: &VaeConfig, c: usize, vb: &VarBuilder) -> Result<Self> {
        let inner = config.fusion_heads * config.fusion_dim_head;
        Ok(Self {
            norm: GroupNorm::new(c, EPS, false, &vb.pp("norm"))?,
            to_q: Linear::new(c, inner, false, &vb.pp("to_q"))?,
            to_k: Linear::new(c, inner, false, &vb.pp("to_k"))?,
            to_v: Linear::new(c, inner, false, &vb.pp("to_v"))?,
            to_out: Linear::new(inner, c, true, &vb.pp("to_out.0"))?,
            heads: config.fusion_heads,
            precision: precision(vb),
        })
    }

    fn forward(&self, x: &Tensor, reference: &Tensor) -> Result<Tensor> {
        let (t, h, w, c) = x.dims4()?;
        let residual = x.reshape((t, h * w, c))?;
        // The first reference's tokens come first: [1, 2 p, c].
        let tokens = reference.reshape((1, (), c))?;
        let q = self.to_q.forward(&self.norm.forward(&residual)?)?;
        let (k, v) = (self.to_k.forward(&tokens)?, self.to_v.forward(&tokens)?);
        let y = attention(&q, &k, &v, self.heads, self.precision, false)?;
        drop(q);
        let y = self.to_out.forward_with(&y, Activation::None, Addend::Residual(&residual))?;
        y.reshape((t, h, w, c))
    }
}

/// The references are added to the first and the last frame.
///
/// Published as [`Combiner`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/autoencoder_dualref.py#L343).
#[derive(Clone, Debug)]
struct Combiner {
    conv: Linear,
}

impl Combiner {
    /// Adds to frames 0 and `t - 1`; the others are left as they are.
    fn forward(&self, x: Tensor, reference: &Tensor) -> Result<Tensor> {
        let added = self.conv.forward(reference)?;
        let last = x.dim(0)? - 1;
        for (i, frame) in [(0, 0), (1, last)] {
            let sum = (x.narrow(0, frame, 1)? + added.narrow(0, i, 1)?)?;
            x.slice_set(&sum.contiguous()?, 0, frame)?;
        }
        Ok(x)
    }
}

#[derive(Clone, Debug)]
struct Level {
    block: Vec<VideoResBlock>,
    upsample: Option<Conv2d>,
}

/// The decoder.
///
/// Published as [`VideoDecoder`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/autoencoder_dualref.py#L1121),
/// [`Decoder`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/autoencoder_dualref.py#L371).
#[derive(Clone, Debug)]
pub struct VaeDecoder {
    conv_in: Conv2d,
    mid_block_1: VideoResBlock,
    mid_attn_1: AttnBlock,
    mid_block_2: VideoResBlock,
    /// By level; the last level runs first.
    up: Vec<Level>,
    /// One per level, and one for the end.
    attn_refinement: Vec<Refinement>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    time_mix_conv: TemporalConv,
    out_ch: usize,
}

impl VaeDecoder {
    /// Reads `decoder` under `vb`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or its shape does not match the configuration.
    pub fn new(config: &VaeConfig, vb: &VarBuilder) -> Result<Self> {
        let vb = vb.pp("decoder");
        let widths: Vec<usize> = config.ch_mult.iter().map(|mult| mult * config.ch).collect();
        let Some(&top) = widths.last() else { bail!("a decoder needs at least one level") };
        let mut up = Vec::new();
        let mut c = top;
        for (i, &width) in widths.iter().enumerate().rev() {
            let vb = vb.pp("up").pp(i);
            let mut block = Vec::new();
            for j in 0..=config.num_res_blocks {
                block.push(VideoResBlock::new(c, width, &vb.pp("block").pp(j))?);
                c = width;
            }
            let upsample = (i > 0)
                .then(|| Conv2d::new(c, c, Window::DOUBLE, &vb.pp("upsample.conv")))
                .transpose()?;
            up.push(Level { block, upsample });
        }
        up.reverse();
        let refinement = |i: usize, c: usize| -> Result<Refinement> {
            let vb = vb.pp("attn_refinement").pp(i);
            if config.attn_level.contains(&i) {
                return Ok(Refinement::Fusion(FusionAttention::new(config, c, &vb)?));
            }
            let conv = Linear::pointwise(c, c, true, 2, &vb.pp("conv"))?;
            Ok(Refinement::Combiner(Combiner { conv }))
        };
        let ends = widths.iter().copied().chain([widths[0]]);
        let conv_out = vb.pp("conv_out");
        let out = config.out_ch;
        Ok(Self {
            conv_in: Conv2d::new(config.z_channels, top, Window::SAME, &vb.pp("conv_in"))?,
            mid_block_1: VideoResBlock::new(top, top, &vb.pp("mid.block_1"))?,
            mid_attn_1: AttnBlock::new(top, &vb.pp("mid.attn_1"))?,
            mid_block_2: VideoResBlock::new(top, top, &vb.pp("mid.block_2"))?,
            up,
            attn_refinement: ends
                .enumerate()
                .map(|(i, c)| refinement(i, c))
                .collect::<Result<_>>()?,
            norm_out: GroupNorm::new(widths[0], EPS, true, &vb.pp("norm_out"))?,
            conv_out: Conv2d::new(widths[0], out, Window::SAME, &conv_out)?,
            time_mix_conv: TemporalConv::new(out, out, 1.0, &conv_out.pp("time_mix_conv"))?,
            out_ch: out,
        })
    }

    /// Number of calls of a watcher in one run, for progress.
    pub fn stages(&self) -> usize {
        4 + self.up.iter().map(|level| level.block.len() + 1).sum::<usize>() + 2
    }

    /// As [`VaeDecoder::forward_watched`], unwatched.
    ///
    /// # Errors
    /// As [`VaeDecoder::forward_watched`].
    pub fn forward(&self, z: &Tensor, references: Option<&[Tensor]>) -> Result<Tensor> {
        self.forward_watched(z, references, &mut unwatched)
    }

    /// `z: [t, 4, h, w]`, divided by the scale factor; `references`: the encoder's hidden states of
    /// the two keys, `[2, h', w', c']` each → `[t, 3, 8 h, 8 w]`, about -1..=1, not clamped.
    ///
    /// # Errors
    /// When the shape of `z` or of a reference is wrong, when there are not as many references as
    /// levels, when `watch` returns an error, or when the device fails.
    pub fn forward_watched(
        &self,
        z: &Tensor,
        references: Option<&[Tensor]>,
        watch: Watch,
    ) -> Result<Tensor> {
        if let Some(found) = references.filter(|found| found.len() != self.attn_refinement.len()) {
            bail!(
                "{} references were given, {} are needed",
                found.len(),
                self.attn_refinement.len()
            )
        }
        let refine = |x: Tensor, i: usize| match references {
            Some(references) => self.attn_refinement[i].forward(x, &references[i]),
            None => Ok(x),
        };
        let mut x = self.conv_in.forward(&channels_last(z)?.to_dtype(DType::F32)?)?;
        watch("conv_in", &x)?;
        x = self.mid_block_1.forward(x, None)?;
        watch("mid.block_1", &x)?;
        x = self.mid_attn_1.forward(&x)?;
        watch("mid.attn_1", &x)?;
        x = self.mid_block_2.forward(x, None)?;
        watch("mid.block_2", &x)?;
        // The enlargement at the end of a level runs together with the next level's first block,
        // frame by frame, so that its result never exists as a whole.
        let mut upsample = None;
        for (i, level) in self.up.iter().enumerate().rev() {
            for (j, block) in level.block.iter().enumerate() {
                x = block.forward(x, upsample.take())?;
                watch(&format!("up.{i}.block.{j}"), &x)?;
            }
            x = refine(x, i)?;
            watch(&format!("attn_refinement.{i}"), &x)?;
            upsample = level.upsample.as_ref();
            // Results of the next level are four times as large. Memory that the allocator keeps
            // from the smaller ones would come on top of that.
            release_memory(x.device());
        }
        let (t, h, w, c) = x.dims4()?;
        x = by_frames(&x, (t, h, w, c), c, |x| self.norm_out.forward(x))?;
        x = refine(x, self.up.len())?;
        watch(&format!("attn_refinement.{}", self.up.len()), &x)?;
        x = self.conv_out.forward(&x)?;
        watch("conv_out", &x)?;
        // [1, t, p, 3]
        let x = x.reshape((1, t, h * w, self.out_ch))?;
        let y = self.time_mix_conv.forward(&x, Addend::Nothing)?;
        channels_first(&y.reshape((t, h, w, self.out_ch))?)?.to_dtype(DType::F32)
    }
}
