//! The VAE's encoder: `first_stage_model.encoder` and `quant_conv`.
//!
//! Besides the latent it returns its hidden states, because the decoder uses those of the keys.

use candle_core::{DType, Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::config::VaeConfig;
use crate::ops::{
    Activation, Addend, Conv2d, GroupNorm, Linear, Precision, Window, attention, precision,
};
use crate::{Watch, channels_first, channels_last, unwatched};

pub(crate) const EPS: f64 = 1e-6;

/// Residual block without time embedding, frame by frame.
///
/// Published as [`ResnetBlock`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/networks/ae_modules.py#L153).
#[derive(Clone, Debug)]
pub(crate) struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    nin_shortcut: Option<Linear>,
}

impl ResnetBlock {
    pub(crate) fn new(c_in: usize, c_out: usize, vb: &VarBuilder) -> Result<Self> {
        let nin_shortcut = (c_in != c_out)
            .then(|| Linear::pointwise(c_in, c_out, true, 2, &vb.pp("nin_shortcut")))
            .transpose()?;
        Ok(Self {
            norm1: GroupNorm::new(c_in, EPS, true, &vb.pp("norm1"))?,
            conv1: Conv2d::new(c_in, c_out, Window::SAME, &vb.pp("conv1"))?,
            norm2: GroupNorm::new(c_out, EPS, true, &vb.pp("norm2"))?,
            conv2: Conv2d::new(c_out, c_out, Window::SAME, &vb.pp("conv2"))?,
            nin_shortcut,
        })
    }

    /// `x: [n, h, w, c_in]` → `[n, h, w, c_out]`
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        // Each result takes the place of the one before, so that its memory is free for the next.
        let mut h = self.conv1.forward(&self.norm1.forward(x)?)?;
        h = self.norm2.forward(&h)?;
        let Some(shortcut) = &self.nin_shortcut else {
            return self.conv2.forward_with(&h, Activation::None, Addend::Residual(x));
        };
        h = self.conv2.forward(&h)?;
        shortcut.forward_with(x, Activation::None, Addend::Residual(&h))
    }
}

/// Attention over the positions of each frame, with one head as wide as the channels.
///
/// Published as [`AttnBlock`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/networks/ae_modules.py#L28).
#[derive(Clone, Debug)]
pub(crate) struct AttnBlock {
    norm: GroupNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    proj_out: Linear,
    precision: Precision,
}

impl AttnBlock {
    pub(crate) fn new(c: usize, vb: &VarBuilder) -> Result<Self> {
        let layer = |name: &str| Linear::pointwise(c, c, true, 2, &vb.pp(name));
        Ok(Self {
            norm: GroupNorm::new(c, EPS, false, &vb.pp("norm"))?,
            q: layer("q")?,
            k: layer("k")?,
            v: layer("v")?,
            proj_out: layer("proj_out")?,
            precision: precision(vb),
        })
    }

    /// `x: [n, h, w, c]` → `[n, h, w, c]`
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        // Tokens are the positions of a frame: [n, p, c].
        let residual = x.reshape((n, h * w, c))?;
        let x = self.norm.forward(&residual)?;
        let (q, k, v) = (self.q.forward(&x)?, self.k.forward(&x)?, self.v.forward(&x)?);
        let y = attention(&q, &k, &v, 1, self.precision, false)?;
        let y = self.proj_out.forward_with(&y, Activation::None, Addend::Residual(&residual))?;
        y.reshape((n, h, w, c))
    }
}

#[derive(Clone, Debug)]
struct Level {
    block: Vec<ResnetBlock>,
    downsample: Option<Conv2d>,
}

/// The encoder's result.
///
/// Published as [`DiagonalGaussianDistribution`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/distributions.py#L24).
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Mean and log-variance of the latent, `[n, 2 * z, h / 8, w / 8]`, in f32.
    pub moments: Tensor,
    /// Hidden states `[n, h', w', c']`, channels-last: after each level, then after `conv_in`.
    pub hidden: Vec<Tensor>,
}

impl Encoded {
    /// The most likely latent, `[n, z, h / 8, w / 8]`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn mean(&self) -> Result<Tensor> {
        self.moments.narrow(1, 0, self.moments.dim(1)? / 2)
    }

    /// Its standard deviation.
    ///
    /// # Errors
    /// When the device fails.
    pub fn std(&self) -> Result<Tensor> {
        let z = self.moments.dim(1)? / 2;
        (self.moments.narrow(1, z, z)?.clamp(-30.0, 20.0)? * 0.5)?.exp()
    }

    /// `scale * (mean + std * noise)`
    ///
    /// # Errors
    /// When the shape of `noise` differs from that of the mean, or when the device fails.
    pub fn sample(&self, noise: &Tensor, scale: f64) -> Result<Tensor> {
        (self.mean()? + (self.std()? * noise)?)? * scale
    }
}

/// The encoder.
///
/// Published as [`Encoder`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/networks/ae_modules.py#L366).
#[derive(Clone, Debug)]
pub struct VaeEncoder {
    conv_in: Conv2d,
    down: Vec<Level>,
    mid_block_1: ResnetBlock,
    mid_attn_1: AttnBlock,
    mid_block_2: ResnetBlock,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    quant_conv: Linear,
}

impl VaeEncoder {
    /// Reads `encoder` and `quant_conv` under `vb`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or its shape does not match the configuration.
    pub fn new(config: &VaeConfig, vb: &VarBuilder) -> Result<Self> {
        let encoder = vb.pp("encoder");
        let mut c = config.ch;
        let last = config.ch_mult.len().saturating_sub(1);
        let mut down = Vec::new();
        for (i, mult) in config.ch_mult.iter().enumerate() {
            let vb = encoder.pp("down").pp(i);
            let mut block = Vec::new();
            for j in 0..config.num_res_blocks {
                block.push(ResnetBlock::new(c, mult * config.ch, &vb.pp("block").pp(j))?);
                c = mult * config.ch;
            }
            let downsample = (i != last)
                .then(|| Conv2d::new(c, c, Window::HALVE_AFTER, &vb.pp("downsample.conv")))
                .transpose()?;
            down.push(Level { block, downsample });
        }
        let (z, moments) = (2 * config.z_channels, 2 * config.embed_dim);
        let first = Window::SAME;
        Ok(Self {
            conv_in: Conv2d::new(config.in_channels, config.ch, first, &encoder.pp("conv_in"))?,
            down,
            mid_block_1: ResnetBlock::new(c, c, &encoder.pp("mid.block_1"))?,
            mid_attn_1: AttnBlock::new(c, &encoder.pp("mid.attn_1"))?,
            mid_block_2: ResnetBlock::new(c, c, &encoder.pp("mid.block_2"))?,
            norm_out: GroupNorm::new(c, EPS, true, &encoder.pp("norm_out"))?,
            conv_out: Conv2d::new(c, z, Window::SAME, &encoder.pp("conv_out"))?,
            quant_conv: Linear::pointwise(z, moments, true, 2, &vb.pp("quant_conv"))?,
        })
    }

    /// As [`VaeEncoder::forward_watched`], unwatched.
    ///
    /// # Errors
    /// As [`VaeEncoder::forward_watched`].
    pub fn forward(&self, frames: &Tensor) -> Result<Encoded> {
        self.forward_watched(frames, &mut unwatched)
    }

    /// `frames: [n, 3, h, w]` in -1..=1, with sides that are multiples of 8.
    ///
    /// # Errors
    /// When the shape of `frames` is wrong, when `watch` returns an error, or when the device
    /// fails.
    pub fn forward_watched(&self, frames: &Tensor, watch: Watch) -> Result<Encoded> {
        let (_, _, height, width) = frames.dims4()?;
        let unit = 1 << (self.down.len() - 1);
        if height % unit != 0 || width % unit != 0 || height * width == 0 {
            bail!("frames of {height} x {width} do not fit: both must be multiples of {unit}")
        }
        let first = self.conv_in.forward(&channels_last(frames)?)?;
        watch("encoder.conv_in", &first)?;
        let mut h = first.clone();
        let mut hidden = Vec::with_capacity(self.down.len() + 1);
        for (i, level) in self.down.iter().enumerate() {
            for block in &level.block {
                h = block.forward(&h)?;
            }
            watch(&format!("encoder.down.{i}"), &h)?;
            hidden.push(h.clone());
            if let Some(downsample) = &level.downsample {
                h = downsample.forward(&h)?;
            }
        }
        hidden.push(first);
        h = self.mid_attn_1.forward(&self.mid_block_1.forward(&h)?)?;
        watch("encoder.mid.attn_1", &h)?;
        h = self.mid_block_2.forward(&h)?;
        h = self.quant_conv.forward(&self.conv_out.forward(&self.norm_out.forward(&h)?)?)?;
        Ok(Encoded { moments: channels_first(&h)?.to_dtype(DType::F32)?, hidden })
    }
}
