//! The text tower of OpenCLIP: `cond_stage_model.model.`

use candle_core::{DType, Device, Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::config::ClipConfig;
use crate::ops::{
    Activation, Addend, Columns, LayerNorm, Linear, Precision, attention, load, precision,
};
use crate::{Watch, unwatched};

/// The residual attention block of both towers.
///
/// Published as [`ResidualAttentionBlock`](https://github.com/mlfoundations/open_clip/blob/1f0b5bb6db6b60896e122c7fa20e1c12ce03af1d/src/open_clip/transformer.py#L189).
#[derive(Clone, Debug)]
pub(crate) struct ResidualAttentionBlock {
    ln_1: LayerNorm,
    in_proj: Linear,
    out_proj: Linear,
    ln_2: LayerNorm,
    c_fc: Linear,
    c_proj: Linear,
    heads: usize,
    causal: bool,
    precision: Precision,
}

impl ResidualAttentionBlock {
    pub(crate) fn new(width: usize, heads: usize, causal: bool, vb: &VarBuilder) -> Result<Self> {
        // q, k and v are a single weight in the file.
        let attn = vb.pp("attn");
        let weight = load(&attn, (3 * width, width), "in_proj_weight")?;
        let bias = load(&attn, 3 * width, "in_proj_bias")?;
        let mlp = vb.pp("mlp");
        Ok(Self {
            ln_1: LayerNorm::new(width, &vb.pp("ln_1"))?,
            in_proj: Linear::from_tensors(&weight, Some(bias), Columns::Plain, vb)?,
            out_proj: Linear::new(width, width, true, &attn.pp("out_proj"))?,
            ln_2: LayerNorm::new(width, &vb.pp("ln_2"))?,
            c_fc: Linear::new(width, 4 * width, true, &mlp.pp("c_fc"))?,
            c_proj: Linear::new(4 * width, width, true, &mlp.pp("c_proj"))?,
            heads,
            causal,
            precision: precision(vb),
        })
    }

    /// `x: [b, l, c]` → `[b, l, c]`
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let width = x.dim(2)?;
        let qkv = self.in_proj.forward(&self.ln_1.forward(x)?)?;
        let part = |i: usize| qkv.narrow(2, i * width, width);
        let y =
            attention(&part(0)?, &part(1)?, &part(2)?, self.heads, self.precision, self.causal)?;
        let x = self.out_proj.forward_with(&y, Activation::None, Addend::Residual(x))?;
        let h = self.ln_2.forward(&x)?;
        let h = self.c_fc.forward_with(&h, Activation::Gelu, Addend::Nothing)?;
        self.c_proj.forward_with(&h, Activation::None, Addend::Residual(&x))
    }
}

/// The text tower up to its penultimate block.
///
/// Published as [`FrozenOpenCLIPEmbedder`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/encoders/condition.py#L174),
/// [`TextTransformer`](https://github.com/mlfoundations/open_clip/blob/1f0b5bb6db6b60896e122c7fa20e1c12ce03af1d/src/open_clip/transformer.py#L506).
#[derive(Clone, Debug)]
pub struct ClipText {
    token_embedding: Tensor,
    positional_embedding: Tensor,
    resblocks: Vec<ResidualAttentionBlock>,
    ln_final: LayerNorm,
}

impl ClipText {
    /// Reads the weights under `vb`, except for those of the last block.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or its shape does not match the configuration.
    pub fn new(config: &ClipConfig, vb: &VarBuilder) -> Result<Self> {
        let (width, length) = (config.twidth, config.context_length);
        let resblocks = (0..config.tlayers.saturating_sub(1))
            .map(|i| {
                let vb = vb.pp("transformer.resblocks").pp(i);
                ResidualAttentionBlock::new(width, config.theads, true, &vb)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            token_embedding: load(vb, (config.vocab, width), "token_embedding.weight")?,
            positional_embedding: load(vb, (length, width), "positional_embedding")?,
            resblocks,
            ln_final: LayerNorm::new(width, &vb.pp("ln_final"))?,
        })
    }

    /// The device that holds the weights.
    pub fn device(&self) -> &Device {
        self.positional_embedding.device()
    }

    /// As [`ClipText::forward_watched`], unwatched.
    ///
    /// # Errors
    /// As [`ClipText::forward_watched`].
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        self.forward_watched(tokens, &mut unwatched)
    }

    /// `tokens: [b, l]`, ids of the tokenizer → `[b, l, c]`
    ///
    /// # Errors
    /// When the prompts do not have the model's number of tokens, when a token is not in its
    /// vocabulary, when `watch` returns an error, or when the device fails.
    pub fn forward_watched(&self, tokens: &Tensor, watch: Watch) -> Result<Tensor> {
        let (b, l) = tokens.dims2()?;
        if l != self.positional_embedding.dim(0)? {
            bail!("a prompt has {} tokens; found {l}", self.positional_embedding.dim(0)?)
        }
        let x = self.token_embedding.index_select(&tokens.flatten_all()?, 0)?;
        let mut x = x.reshape((b, l, ()))?.broadcast_add(&self.positional_embedding)?;
        for (i, block) in self.resblocks.iter().enumerate() {
            x = block.forward(&x)?;
            watch(&format!("resblocks.{i}"), &x)?;
        }
        self.ln_final.forward(&x)?.to_dtype(DType::F32)
    }
}
