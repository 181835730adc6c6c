//! The transformers of the UNet, over the positions of a frame and over the frames of a position.

use candle_core::{D, Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::ops::{
    Activation, Addend, GroupNorm, LayerNorm, Linear, Precision, attention, attention_over_time,
    precision,
};

/// What a frame attends to besides itself.
#[derive(Clone, Debug)]
pub struct Context {
    /// Text tokens `[b', l, c]`; each of the `b'` applies to `n / b'` consecutive frames.
    pub text: Tensor,
    /// Image tokens `[b'', l', c]`, in the same way. They have their own keys and values.
    pub image: Option<Tensor>,
}

impl Context {
    /// The whole context as text.
    pub fn whole(context: &Tensor) -> Self {
        Self { text: context.clone(), image: None }
    }

    /// The first `text_len` tokens of `context: [b', l, c]` as text, the others as image.
    ///
    /// # Errors
    /// When `context` does not have three axes.
    pub fn split(context: &Tensor, text_len: usize) -> Result<Self> {
        let len = context.dim(1)?;
        if len <= text_len {
            return Ok(Self::whole(context));
        }
        let text = context.narrow(1, 0, text_len)?.contiguous()?;
        let image = context.narrow(1, text_len, len - text_len)?.contiguous()?;
        Ok(Self { text, image: Some(image) })
    }

    /// Like [`Context::split`], but if there are 16 image tokens for each of `t` frames, frame `i`
    /// gets only the `i`-th 16.
    ///
    /// # Errors
    /// When `context` does not have three axes.
    pub fn per_frame(context: &Tensor, text_len: usize, t: usize) -> Result<Self> {
        const EACH: usize = 16;
        let mut split = Self::split(context, text_len)?;
        if context.dim(1)? == text_len + EACH * t {
            let (b, _, c) = context.dims3()?;
            split.image = split.image.map(|image| image.reshape((b * t, EACH, c))).transpose()?;
        }
        Ok(split)
    }
}

/// Part `index` of `of` equal parts of a fused result, on the last axis.
fn part(x: &Tensor, index: usize, of: usize) -> Result<Tensor> {
    let width = x.dim(D::Minus1)? / of;
    x.narrow(D::Minus1, index * width, width)
}

/// Self-attention over the middle axis.
///
/// Published as [`CrossAttention`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/attention.py#L42), without a context.
#[derive(Clone, Debug)]
struct SelfAttention {
    to_qkv: Linear,
    to_out: Linear,
    heads: usize,
    precision: Precision,
}

impl SelfAttention {
    fn new(inner: usize, heads: usize, vb: &VarBuilder) -> Result<Self> {
        let parts = [("to_q", inner), ("to_k", inner), ("to_v", inner)];
        let to_qkv = Linear::stacked(inner, &parts, vb)?;
        let to_out = Linear::new(inner, inner, true, &vb.pp("to_out.0"))?;
        Ok(Self { to_qkv, to_out, heads, precision: precision(vb) })
    }

    /// Over the tokens of each frame. `x, residual: [n, l, c]` → `[n, l, c]`
    fn over_tokens(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let qkv = self.to_qkv.forward(x)?;
        let (q, k, v) = (part(&qkv, 0, 3)?, part(&qkv, 1, 3)?, part(&qkv, 2, 3)?);
        let y = attention(&q, &k, &v, self.heads, self.precision, false)?;
        self.to_out.forward_with(&y, Activation::None, Addend::Residual(residual))
    }

    /// Over the frames of each position. `x, residual: [b, t, p, c]` → `[b, t, p, c]`
    fn over_time(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let qkv = self.to_qkv.forward(x)?;
        let (q, k, v) = (part(&qkv, 0, 3)?, part(&qkv, 1, 3)?, part(&qkv, 2, 3)?);
        let y = attention_over_time(&q, &k, &v, self.heads)?;
        self.to_out.forward_with(&y, Activation::None, Addend::Residual(residual))
    }
}

/// Attention to the context. Text and image tokens have separate softmaxes, and the results are
/// added.
///
/// Published as [`CrossAttention`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/attention.py#L42).
#[derive(Clone, Debug)]
struct CrossAttention {
    to_q: Linear,
    to_kv: Linear,
    to_kv_ip: Option<Linear>,
    to_out: Linear,
    heads: usize,
    precision: Precision,
}

impl CrossAttention {
    fn new(
        inner: usize,
        heads: usize,
        context: usize,
        image: bool,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let to_q = Linear::new(inner, inner, false, &vb.pp("to_q"))?;
        let to_kv = Linear::stacked(context, &[("to_k", inner), ("to_v", inner)], vb)?;
        let to_kv_ip = image
            .then(|| Linear::stacked(context, &[("to_k_ip", inner), ("to_v_ip", inner)], vb))
            .transpose()?;
        let to_out = Linear::new(inner, inner, true, &vb.pp("to_out.0"))?;
        Ok(Self { to_q, to_kv, to_kv_ip, to_out, heads, precision: precision(vb) })
    }

    fn attend(&self, q: &Tensor, to_kv: &Linear, context: &Tensor) -> Result<Tensor> {
        let kv = to_kv.forward(context)?;
        attention(q, &part(&kv, 0, 2)?, &part(&kv, 1, 2)?, self.heads, self.precision, false)
    }

    /// `x, residual: [n, l, c]` → `[n, l, c]`
    fn forward(&self, x: &Tensor, context: &Context, residual: &Tensor) -> Result<Tensor> {
        let q = self.to_q.forward(x)?;
        let mut y = self.attend(&q, &self.to_kv, &context.text)?;
        match (&self.to_kv_ip, &context.image) {
            (Some(to_kv), Some(image)) => y = (y + self.attend(&q, to_kv, image)?)?,
            (_, None) => {}
            (None, Some(_)) => bail!("this attention has no keys for image tokens"),
        }
        self.to_out.forward_with(&y, Activation::None, Addend::Residual(residual))
    }
}

/// GEGLU and a linear layer.
///
/// Published as [`FeedForward`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/attention.py#L425),
/// [`GEGLU`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/attention.py#L415).
#[derive(Clone, Debug)]
struct FeedForward {
    proj: Linear,
    out: Linear,
}

impl FeedForward {
    fn new(inner: usize, vb: &VarBuilder) -> Result<Self> {
        let proj = Linear::gated(inner, 4 * inner, &vb.pp("net.0.proj"))?;
        let out = Linear::new(4 * inner, inner, true, &vb.pp("net.2"))?;
        Ok(Self { proj, out })
    }

    /// `x, residual: [.., c]` → `[.., c]`
    fn forward(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let hidden = self.proj.forward(x)?;
        self.out.forward_with(&hidden, Activation::None, Addend::Residual(residual))
    }
}

/// A transformer block. Its second attention differs between spatial and temporal transformers.
///
/// Published as [`BasicTransformerBlock`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/attention.py#L212).
#[derive(Clone, Debug)]
struct Block<A> {
    norm1: LayerNorm,
    attn1: SelfAttention,
    norm2: LayerNorm,
    attn2: A,
    norm3: LayerNorm,
    ff: FeedForward,
}

/// Sizes of a transformer.
#[derive(Clone, Copy, Debug)]
pub struct TransformerConfig {
    /// Channels of input and output.
    pub channels: usize,
    /// Attention heads.
    pub heads: usize,
    /// Channels of one head; the inner width is `heads * dim_head`.
    pub dim_head: usize,
    /// Blocks.
    pub depth: usize,
    /// Projections are linear layers rather than convolutions with kernel 1.
    pub use_linear: bool,
}

impl TransformerConfig {
    fn inner(&self) -> usize {
        self.heads * self.dim_head
    }
}

/// The parts common to spatial and temporal transformers.
#[derive(Clone, Debug)]
struct Transformer<A> {
    norm: GroupNorm,
    proj_in: Linear,
    transformer_blocks: Vec<Block<A>>,
    proj_out: Linear,
}

impl<A> Transformer<A> {
    /// `ones` is the number of axes of length 1 at the end of the projections' weights; `attn2`
    /// creates the second attention of a block.
    fn new(
        config: &TransformerConfig,
        ones: usize,
        vb: &VarBuilder,
        attn2: impl Fn(&VarBuilder) -> Result<A>,
    ) -> Result<Self> {
        let (channels, inner) = (config.channels, config.inner());
        let block = |i: usize| {
            let vb = vb.pp(format!("transformer_blocks.{i}"));
            Ok(Block {
                norm1: LayerNorm::new(inner, &vb.pp("norm1"))?,
                attn1: SelfAttention::new(inner, config.heads, &vb.pp("attn1"))?,
                norm2: LayerNorm::new(inner, &vb.pp("norm2"))?,
                attn2: attn2(&vb.pp("attn2"))?,
                norm3: LayerNorm::new(inner, &vb.pp("norm3"))?,
                ff: FeedForward::new(inner, &vb.pp("ff"))?,
            })
        };
        Ok(Self {
            norm: GroupNorm::new(channels, 1e-6, false, &vb.pp("norm"))?,
            proj_in: Linear::pointwise(channels, inner, true, ones, &vb.pp("proj_in"))?,
            transformer_blocks: (0..config.depth).map(block).collect::<Result<_>>()?,
            proj_out: Linear::pointwise(inner, channels, true, ones, &vb.pp("proj_out"))?,
        })
    }

    /// `x: [.., c]` → `[.., c]`; `attend` runs both attentions of a block.
    fn forward(
        &self,
        residual: &Tensor,
        attend: impl Fn(&Block<A>, Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let mut x = self.proj_in.forward(&self.norm.forward(residual)?)?;
        for block in &self.transformer_blocks {
            x = attend(block, x)?;
            x = block.ff.forward(&block.norm3.forward(&x)?, &x)?;
        }
        self.proj_out.forward_with(&x, Activation::None, Addend::Residual(residual))
    }
}

/// Transformer over the positions of each frame, with attention to the context.
///
/// Published as [`SpatialTransformer`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/attention.py#L249).
#[derive(Clone, Debug)]
pub struct SpatialTransformer(Transformer<CrossAttention>);

impl SpatialTransformer {
    /// Tokens of the context are `context_dim` wide. With `image`, image tokens have their own keys
    /// and values.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or its shape does not match the configuration.
    pub fn new(
        config: &TransformerConfig,
        context_dim: usize,
        image: bool,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let ones = if config.use_linear { 0 } else { 2 };
        let cross = |vb: &VarBuilder| {
            CrossAttention::new(config.inner(), config.heads, context_dim, image, vb)
        };
        Transformer::new(config, ones, vb, cross).map(Self)
    }

    /// `x: [n, h, w, c]` → `[n, h, w, c]`
    ///
    /// # Errors
    /// When the shape of `x` or `context` is wrong, or when the device fails.
    pub fn forward(&self, x: &Tensor, context: &Context) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        // Tokens are the positions of a frame: [n, p, c].
        let y = self.0.forward(&x.reshape((n, h * w, c))?, |block, x| {
            let x = block.attn1.over_tokens(&block.norm1.forward(&x)?, &x)?;
            block.attn2.forward(&block.norm2.forward(&x)?, context, &x)
        })?;
        y.reshape((n, h, w, c))
    }
}

/// Transformer over the frames of each position; both attentions in its blocks are over time.
///
/// Published as [`TemporalTransformer`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/attention.py#L313).
#[derive(Clone, Debug)]
pub struct TemporalTransformer(Transformer<SelfAttention>);

impl TemporalTransformer {
    /// Reads the weights under `vb`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or its shape does not match the configuration.
    pub fn new(config: &TransformerConfig, vb: &VarBuilder) -> Result<Self> {
        let ones = if config.use_linear { 0 } else { 1 };
        let second = |vb: &VarBuilder| SelfAttention::new(config.inner(), config.heads, vb);
        Transformer::new(config, ones, vb, second).map(Self)
    }

    /// `x: [n, h, w, c]` with `t` frames in each batch → `[n, h, w, c]`
    ///
    /// # Errors
    /// When the shape of `x` is wrong, when `t` does not divide its frames, or when the device
    /// fails.
    pub fn forward(&self, x: &Tensor, t: usize) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        // Statistics and attention cover all frames of a batch: [b, t, p, c].
        let y = self.0.forward(&x.reshape((n / t, t, h * w, c))?, |block, x| {
            let x = block.attn1.over_time(&block.norm1.forward(&x)?, &x)?;
            block.attn2.over_time(&block.norm2.forward(&x)?, &x)
        })?;
        y.reshape((n, h, w, c))
    }
}
