//! Embeddings of numbers: the sinusoids of time steps and frame rates, and the small network behind
//! them.

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;

use crate::ops::{Activation, Addend, Linear};

/// Computes `[cos(v f_i) .., sin(v f_i) ..]` with `f_i = 10000^(-i / half)`; an odd `dim` ends in a
/// zero.
///
/// `values`: one per batch → `[b, dim]`. Computed in f32 in the order of the published network,
/// which determines the last digits for large angles.
///
/// Published as [`timestep_embedding`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/utils_diffusion.py#L8).
///
/// # Errors
/// When the device fails.
pub fn sinusoid(values: &[f32], dim: usize, device: &Device) -> Result<Tensor> {
    let half = dim / 2;
    let frequency = |i: usize| f64::from(-(10_000f32.ln()) * i as f32 / half as f32).exp() as f32;
    let mut rows = Vec::with_capacity(values.len() * dim);
    for &value in values {
        rows.extend((0..half).map(|i| (value * frequency(i)).cos()));
        rows.extend((0..half).map(|i| (value * frequency(i)).sin()));
        rows.extend((dim % 2 == 1).then_some(0.0));
    }
    Tensor::from_vec(rows, (values.len(), dim), device)
}

/// The network behind a sinusoid: linear, SiLU, linear.
///
/// Published as [`UNetModel.time_embed`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/networks/openaimodel3d.py#L281).
#[derive(Clone, Debug)]
pub struct Embedding {
    first: Linear,
    second: Linear,
    dim: usize,
}

impl Embedding {
    /// Layers `0` and `2` under `vb`, from `dim` to `embed`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or has the wrong shape.
    pub fn new(dim: usize, embed: usize, vb: &VarBuilder) -> Result<Self> {
        let first = Linear::new(dim, embed, true, &vb.pp("0"))?;
        let second = Linear::new(embed, embed, true, &vb.pp("2"))?;
        Ok(Self { first, second, dim })
    }

    /// `values`: one per batch → `[b, e]`
    ///
    /// # Errors
    /// When the device fails.
    pub fn forward(&self, values: &[f32], device: &Device) -> Result<Tensor> {
        let x = sinusoid(values, self.dim, device)?;
        self.second.forward(&self.first.forward_with(&x, Activation::Silu, Addend::Nothing)?)
    }
}
