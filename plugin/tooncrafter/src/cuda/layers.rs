//! The operations of [`ops`](crate::ops) on a CUDA device: matrix products use cuBLAS, everything
//! else uses our own kernels. Activations have the precision of the weights; norms, softmax, bias
//! and activation functions are computed in f32.

use candle_core::{DType, Result, Tensor};

use super::plan::{self, Attended, Heads, OverTime, Samples, Taps, WIDEST_HEAD};
use super::run::{Run, element};
#[cfg(feature = "cudnn")]
use crate::layer_args::Window;
use crate::layer_args::{Activation, Addend};
use crate::row_pitch::rows_apart;

/// Bytes of gathered rows per product of a convolution.
const GATHERED: usize = 256 << 20;

/// Group norm over everything but the first axis; `weight` and `bias` in f32.
pub(crate) fn group_norm(
    x: &Tensor,
    groups: usize,
    eps: f64,
    (weight, bias): (&Tensor, &Tensor),
    silu: bool,
) -> Result<Tensor> {
    let x = x.contiguous()?;
    let (n, c) = (x.dim(0)?, x.dim(candle_core::D::Minus1)?);
    let size = Samples { n, rows: x.elem_count() / (n * c).max(1), c };
    let element = element(&x)?;
    let run = Run {
        others: &[Some(weight), Some(bias)],
        shape: x.shape().clone(),
        scratch: &size.group_norm_scratch(),
        plan: &|at| {
            let at = plan::GroupNorm {
                x: at.inputs[0],
                weight: at.inputs[1],
                bias: at.inputs[2],
                y: at.out,
                sums: at.scratch[0],
                coefficients: at.scratch[1],
            };
            plan::group_norm(element, &at, size, groups, eps, silu)
        },
    };
    run.on(&x)
}

/// Layer norm over the last axis; `weight` and `bias` in f32.
pub(crate) fn layer_norm(x: &Tensor, eps: f32, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    let c = x.dim(candle_core::D::Minus1)?;
    let (element, rows) = (element(&x)?, x.elem_count() / c.max(1));
    let run = Run {
        others: &[Some(weight), Some(bias)],
        shape: x.shape().clone(),
        scratch: &[],
        plan: &|at| {
            let [x, weight, bias] = [at.inputs[0], at.inputs[1], at.inputs[2]];
            plan::layer_norm(element, [x, weight, bias, at.out], rows, c, eps)
        },
    };
    run.on(&x)
}

/// `x W^T` over the last axis, without bias; the result is `[rows, outputs]`.
fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let x = x.to_dtype(weight.dtype())?;
    x.reshape(((), weight.dim(1)?))?.matmul(&weight.t()?)
}

/// Adds the bias, applies the activation and adds `plus` to `y: [.., c]`, whose shape becomes
/// `dims`; `bias` in f32.
fn finish(
    y: &Tensor,
    dims: &[usize],
    bias: Option<&Tensor>,
    activation: Activation,
    plus: Addend,
) -> Result<Tensor> {
    let c = dims.last().copied().unwrap_or(1);
    let rows = y.elem_count() / c.max(1);
    // Residuals may come from before the network, in f32.
    let same = |x: &Tensor| x.to_dtype(y.dtype())?.contiguous();
    let (plus, share) = match plus {
        Addend::Nothing => (None, 1),
        Addend::Residual(other) => (Some(same(other)?), 1),
        Addend::PerFrame(other) => (Some(same(other)?), rows / other.dim(0)?.max(1)),
    };
    let activation = match activation {
        Activation::None => 0,
        Activation::Silu => 1,
        Activation::Gelu => 2,
    };
    let element = element(y)?;
    let run = Run {
        others: &[bias, plus.as_ref()],
        shape: dims.into(),
        scratch: &[],
        plan: &|at| {
            let [x, bias, plus] = [at.inputs[0], at.inputs[1], at.inputs[2]];
            plan::finish(element, [x, bias, plus, at.out], (rows, c), share, activation)
        },
    };
    run.on(&y.contiguous()?)
}

/// A linear layer, where `dims` is the shape of the result. `weight: [outputs, inputs]` (twice as
/// many outputs when `gated`), `bias` in f32.
pub(crate) fn linear(
    x: &Tensor,
    dims: &[usize],
    (weight, bias): (&Tensor, Option<&Tensor>),
    gated: bool,
    activation: Activation,
    plus: Addend,
) -> Result<Tensor> {
    let y = product(x, weight)?;
    if !gated {
        return finish(&y, dims, bias, activation, plus);
    }
    let (element, rows, c) = (element(&y)?, y.dim(0)?, y.dim(1)? / 2);
    let run = Run {
        others: &[bias],
        shape: dims.into(),
        scratch: &[],
        plan: &|at| plan::gate(element, [at.inputs[0], at.inputs[1], at.out], rows, c),
    };
    let y = run.on(&y)?;
    if activation == Activation::None && matches!(plus, Addend::Nothing) {
        return Ok(y);
    }
    finish(&y, dims, None, activation, plus)
}

/// A convolution in space or time, computed as products of gathered rows; `weight: [outputs, taps *
/// inputs]`, taps before channels.
pub(crate) fn convolution(
    x: &Tensor,
    dims: &[usize],
    (weight, bias): (&Tensor, Option<&Tensor>),
    taps: Taps,
    activation: Activation,
    plus: Addend,
) -> Result<Tensor> {
    let x = x.to_dtype(weight.dtype())?.contiguous()?;
    let (outputs, depth) = weight.dims2()?;
    let row_bytes = depth / taps.count() * x.dtype().size_in_bytes();
    let rows = dims.iter().product::<usize>() / outputs.max(1);
    let each = (GATHERED / (row_bytes * taps.count()).max(1)).clamp(1, rows.max(1));
    let mut parts = Vec::with_capacity(rows.div_ceil(each));
    for first in (0..rows).step_by(each) {
        let count = each.min(rows - first);
        let run = Run {
            others: &[],
            shape: (count, depth).into(),
            scratch: &[],
            plan: &|at| plan::unfold([at.inputs[0], at.out], (first, count), row_bytes, taps),
        };
        parts.push(run.on(&x)?.matmul(&weight.t()?)?);
    }
    let y = match &parts[..] {
        [whole] => whole.clone(),
        parts => Tensor::cat(parts, 0)?,
    };
    drop(parts);
    finish(&y, dims, bias, activation, plus)
}

/// A convolution in space by cuDNN; `weight: [outputs, inputs, k, k]`.
#[cfg(feature = "cudnn")]
pub(crate) fn convolution_by_cudnn(
    x: &Tensor,
    dims: &[usize],
    (weight, bias): (&Tensor, Option<&Tensor>),
    window: Window,
    activation: Activation,
    plus: Addend,
) -> Result<Tensor> {
    let y = crate::reference::conv2d(&x.to_dtype(weight.dtype())?, weight, None, window)?;
    finish(&y, dims, bias, activation, plus)
}

/// Whether convolutions of this precision use cuDNN. For f32 it rounds factors to 10 bits on the
/// tensor cores, which our own products do not.
pub(crate) fn uses_cudnn(dtype: DType) -> bool {
    cfg!(feature = "cudnn") && dtype != DType::F32
}

/// The tensor, copied if its rows are not evenly spaced, and the distance between its rows.
fn rows(x: &Tensor, dtype: DType) -> Result<(Tensor, usize)> {
    let x = rows_apart(&x.to_dtype(dtype)?)?;
    let pitch = x.stride()[x.rank() - 2];
    Ok((x, pitch))
}

/// See [`attention`](crate::ops::attention()); `None` if a head is too wide for the kernels.
pub(crate) fn attention(
    [q, k, v]: [&Tensor; 3],
    heads: usize,
    scale: f64,
    causal: bool,
) -> Result<Option<Tensor>> {
    let (batch, n, inner) = q.dims3()?;
    let (kv_batch, m, _) = k.dims3()?;
    let d = inner / heads;
    if d > WIDEST_HEAD {
        return Ok(None);
    }
    let size =
        Heads { heads, d, n, m, kv_batch, repeat: batch / kv_batch, scale: scale as f32, causal };
    let (q, q_pitch) = rows(q, q.dtype())?;
    let ((k, k_pitch), (v, v_pitch)) = (rows(k, q.dtype())?, rows(v, q.dtype())?);
    let element = element(&q)?;
    let run = Run {
        others: &[Some(&k), Some(&v)],
        shape: q.shape().clone(),
        scratch: &[],
        plan: &|at| {
            let [q, k, v] = [at.inputs[0], at.inputs[1], at.inputs[2]];
            let at = Attended { q: (q, q_pitch), k: (k, k_pitch), v: (v, v_pitch), y: at.out };
            plan::attention(element, &at, &size)
        },
    };
    run.on(&q).map(Some)
}

/// See [`attention_over_time`](crate::ops::attention_over_time); `None` if a head has too many
/// frames for the kernel.
pub(crate) fn attention_over_time(
    [q, k, v]: [&Tensor; 3],
    heads: usize,
    scale: f64,
) -> Result<Option<Tensor>> {
    let (batches, t, pixels, inner) = q.dims4()?;
    let size = OverTime { batches, t, pixels, heads, d: inner / heads, scale: scale as f32 };
    if !size.fits() {
        return Ok(None);
    }
    let (q, q_pitch) = rows(q, q.dtype())?;
    let ((k, k_pitch), (v, v_pitch)) = (rows(k, q.dtype())?, rows(v, q.dtype())?);
    let element = element(&q)?;
    let run = Run {
        others: &[Some(&k), Some(&v)],
        shape: q.shape().clone(),
        scratch: &[],
        plan: &|at| {
            let [q, k, v] = [at.inputs[0], at.inputs[1], at.inputs[2]];
            let at = Attended { q: (q, q_pitch), k: (k, k_pitch), v: (v, v_pitch), y: at.out };
            plan::attention_over_time(element, &at, &size)
        },
    };
    run.on(&q).map(Some)
}
