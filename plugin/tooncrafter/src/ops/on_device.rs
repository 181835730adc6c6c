//! The operations on devices other than the CPU: our own kernels on CUDA if the build has them,
//! otherwise candle's operations.  Activations take the precision of the weights in the first layer
//! that they pass through.

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;

#[cfg(feature = "cuda")]
use crate::cuda::{layers, plan::Taps};
use crate::layer_args::{Activation, Addend, Window};
use crate::reference;

/// Weights of a product, on the device.
#[derive(Debug)]
pub(super) struct DeviceWeights {
    /// `[outputs, taps * inputs]` for our own kernels, otherwise as published.
    weight: Tensor,
    /// In f32 for our own kernels, otherwise in the precision of the weights.
    bias: Option<Tensor>,
}

/// Whether this build has kernels that run on `device`.
fn has_kernels(device: &Device) -> bool {
    cfg!(feature = "cuda") && device.is_cuda()
}

impl DeviceWeights {
    /// From `weight` as published: `[channels, width, taps..]`.
    pub(super) fn new(
        weight: &Tensor,
        bias: Option<Tensor>,
        (channels, width, taps): (usize, usize, usize),
        vb: &VarBuilder,
    ) -> Result<Self> {
        let published = weight.to_dtype(vb.dtype())?;
        if !has_kernels(vb.device()) {
            let bias = bias.map(|bias| bias.to_dtype(vb.dtype())).transpose()?;
            return Ok(Self { weight: published, bias });
        }
        #[cfg(feature = "cuda")]
        if weight.rank() == 4 && taps > 1 && layers::uses_cudnn(vb.dtype()) {
            return Ok(Self { weight: published, bias });
        }
        let weight = published.reshape((channels, width, taps))?.transpose(1, 2)?;
        Ok(Self { weight: weight.contiguous()?.reshape((channels, taps * width))?, bias })
    }

    /// A linear layer whose result has the shape `dims`.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, reason = "only kernels ask"))]
    pub(super) fn linear(
        &self,
        x: &Tensor,
        dims: &[usize],
        gated: bool,
        activation: Activation,
        plus: Addend,
    ) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if has_kernels(x.device()) {
            let layer = (&self.weight, self.bias.as_ref());
            return layers::linear(x, dims, layer, gated, activation, plus);
        }
        let x = x.to_dtype(self.weight.dtype())?;
        let y = reference::linear(&x, &self.weight, self.bias.as_ref())?;
        let y = if gated { reference::gate(&y)? } else { y };
        finish(y, activation, plus)
    }

    /// A convolution in space whose result has the shape `dims`.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, reason = "only kernels ask"))]
    pub(super) fn conv2d(
        &self,
        x: &Tensor,
        dims: &[usize],
        window: Window,
        activation: Activation,
        plus: Addend,
    ) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if has_kernels(x.device()) {
            let layer = (&self.weight, self.bias.as_ref());
            #[cfg(feature = "cudnn")]
            if self.weight.rank() == 4 {
                return layers::convolution_by_cudnn(x, dims, layer, window, activation, plus);
            }
            let (_, h, w, _) = x.dims4()?;
            let taps = Taps::Space {
                size: (h, w),
                out: window.output(h, w),
                kernel: window.kernel,
                stride: window.stride,
                before: window.before,
                enlarge: window.enlarge,
            };
            return layers::convolution(x, dims, layer, taps, activation, plus);
        }
        let x = x.to_dtype(self.weight.dtype())?;
        finish(reference::conv2d(&x, &self.weight, self.bias.as_ref(), window)?, activation, plus)
    }

    /// A convolution over three frames of `x: [b, t, .., inputs]` to the shape `dims`.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, reason = "only kernels ask"))]
    pub(super) fn temporal_conv(&self, x: &Tensor, dims: &[usize], plus: Addend) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if has_kernels(x.device()) {
            let layer = (&self.weight, self.bias.as_ref());
            let pixels = dims[2..dims.len() - 1].iter().product();
            let taps = Taps::Time { t: dims[1], pixels };
            return layers::convolution(x, dims, layer, taps, Activation::None, plus);
        }
        let x = x.to_dtype(self.weight.dtype())?;
        let y = reference::temporal_conv(&x, &self.weight, self.bias.as_ref())?;
        finish(y, Activation::None, plus)
    }
}

/// Like [`reference::finish`], but accepts addends of another precision.
fn finish(y: Tensor, activation: Activation, plus: Addend) -> Result<Tensor> {
    let same = |x: &Tensor| x.to_dtype(y.dtype());
    match plus {
        Addend::Nothing => reference::finish(y, activation, plus),
        Addend::Residual(other) => {
            let other = same(other)?;
            reference::finish(y, activation, Addend::Residual(&other))
        }
        Addend::PerFrame(other) => {
            let other = same(other)?;
            reference::finish(y, activation, Addend::PerFrame(&other))
        }
    }
}

/// Group norm, followed by SiLU if wanted.
pub(super) fn group_norm(
    x: &Tensor,
    groups: usize,
    eps: f64,
    (weight, bias): (&Tensor, &Tensor),
    silu: bool,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if has_kernels(x.device()) {
        return layers::group_norm(x, groups, eps, (weight, bias), silu);
    }
    reference::group_norm(x, groups, eps, weight, bias, silu)
}

/// Layer norm over the last axis.
pub(super) fn layer_norm(x: &Tensor, eps: f32, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if has_kernels(x.device()) {
        return layers::layer_norm(x, eps, weight, bias);
    }
    reference::layer_norm(x, f64::from(eps), weight, bias)
}

/// See [`attention`](super::attention()).
pub(super) fn attention(
    [q, k, v]: [&Tensor; 3],
    heads: usize,
    scale: f64,
    causal: bool,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if has_kernels(q.device())
        && let Some(y) = layers::attention([q, k, v], heads, scale, causal)?
    {
        return Ok(y);
    }
    let (k, v) = (k.to_dtype(q.dtype())?, v.to_dtype(q.dtype())?);
    reference::attention(q, &k, &v, heads, scale, causal)
}

/// See [`attention_over_time`](super::attention_over_time).
pub(super) fn attention_over_time(
    [q, k, v]: [&Tensor; 3],
    heads: usize,
    scale: f64,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if has_kernels(q.device())
        && let Some(y) = layers::attention_over_time([q, k, v], heads, scale)?
    {
        return Ok(y);
    }
    reference::attention_over_time(q, k, v, heads, scale)
}
