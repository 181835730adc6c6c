//! The projector, which turns image tokens into a few context tokens for each frame:
//! `image_proj_model.`

use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;

use crate::config::ResamplerConfig;
use crate::ops::{Activation, Addend, LayerNorm, Linear, Precision, attention, load, precision};

/// Learned latents that attend to the image tokens and to themselves.
///
/// Published as [`PerceiverAttention`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/encoders/resampler.py#L48).
#[derive(Clone, Debug)]
struct PerceiverAttention {
    norm1: LayerNorm,
    norm2: LayerNorm,
    to_q: Linear,
    to_kv: Linear,
    to_out: Linear,
    heads: usize,
    precision: Precision,
}

impl PerceiverAttention {
    fn new(config: &ResamplerConfig, vb: &VarBuilder) -> Result<Self> {
        let (dim, inner) = (config.dim, config.heads * config.dim_head);
        Ok(Self {
            norm1: LayerNorm::new(dim, &vb.pp("norm1"))?,
            norm2: LayerNorm::new(dim, &vb.pp("norm2"))?,
            to_q: Linear::new(dim, inner, false, &vb.pp("to_q"))?,
            to_kv: Linear::new(dim, 2 * inner, false, &vb.pp("to_kv"))?,
            to_out: Linear::new(inner, dim, false, &vb.pp("to_out"))?,
            heads: config.heads,
            precision: precision(vb),
        })
    }

    /// `x: [b, l, c]`, `latents: [b, l', c]` → `[b, l', c]`, including the residual.
    fn forward(&self, x: &Tensor, latents: &Tensor) -> Result<Tensor> {
        let (x, normed) = (self.norm1.forward(x)?, self.norm2.forward(latents)?);
        let q = self.to_q.forward(&normed)?;
        // Image tokens first, then the latents.
        let kv = self.to_kv.forward(&Tensor::cat(&[&x, &normed], 1)?)?;
        let inner = kv.dim(2)? / 2;
        let (k, v) = (kv.narrow(2, 0, inner)?, kv.narrow(2, inner, inner)?);
        let y = attention(&q, &k, &v, self.heads, self.precision, false)?;
        self.to_out.forward_with(&y, Activation::None, Addend::Residual(latents))
    }
}

/// Published as [`FeedForward`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/encoders/resampler.py#L27).
#[derive(Clone, Debug)]
struct FeedForward {
    norm: LayerNorm,
    first: Linear,
    second: Linear,
}

/// The projector.
///
/// Published as [`Resampler`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/encoders/resampler.py#L96).
#[derive(Clone, Debug)]
pub struct Resampler {
    latents: Tensor,
    proj_in: Linear,
    layers: Vec<(PerceiverAttention, FeedForward)>,
    proj_out: Linear,
    norm_out: LayerNorm,
}

impl Resampler {
    /// Reads the weights under `vb`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or its shape does not match the configuration.
    pub fn new(config: &ResamplerConfig, vb: &VarBuilder) -> Result<Self> {
        let (dim, wide) = (config.dim, config.dim * config.ff_mult);
        let layers = (0..config.depth)
            .map(|i| {
                let vb = vb.pp("layers").pp(i);
                let ff = FeedForward {
                    norm: LayerNorm::new(dim, &vb.pp("1.0"))?,
                    first: Linear::new(dim, wide, false, &vb.pp("1.1"))?,
                    second: Linear::new(wide, dim, false, &vb.pp("1.3"))?,
                };
                Ok((PerceiverAttention::new(config, &vb.pp(0))?, ff))
            })
            .collect::<Result<_>>()?;
        let queries = config.num_queries * config.video_length;
        Ok(Self {
            latents: load(vb, (1, queries, dim), "latents")?,
            proj_in: Linear::new(config.embedding_dim, dim, true, &vb.pp("proj_in"))?,
            layers,
            proj_out: Linear::new(dim, config.output_dim, true, &vb.pp("proj_out"))?,
            norm_out: LayerNorm::new(config.output_dim, &vb.pp("norm_out"))?,
        })
    }

    /// `tokens: [b, l, c]` of the image tower → `[b, 16 t, c']`, starting with those of frame 0.
    ///
    /// # Errors
    /// When the shape of `tokens` is wrong, or when the device fails.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let (_, queries, dim) = self.latents.dims3()?;
        let x = self.proj_in.forward(tokens)?;
        let latents = self.latents.to_dtype(x.dtype())?;
        let mut latents = latents.expand((tokens.dim(0)?, queries, dim))?.contiguous()?;
        for (attn, ff) in &self.layers {
            latents = attn.forward(&x, &latents)?;
            let h = ff.norm.forward(&latents)?;
            let h = ff.first.forward_with(&h, Activation::Gelu, Addend::Nothing)?;
            latents = ff.second.forward_with(&h, Activation::None, Addend::Residual(&latents))?;
        }
        self.norm_out.forward(&self.proj_out.forward(&latents)?)?.to_dtype(DType::F32)
    }
}
