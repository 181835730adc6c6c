//! Reference versions of the operations in [`ops`](crate::ops), built from candle's own: slow on
//! the CPU, but correct on every device.
//!
//! Devices without our kernels use these, and tests compare the fast versions with them.

use candle_core::{D, DType, Result, Tensor};

use crate::layer_args::{Activation, Addend, Window};

/// `x W^T + b` over the last axis of `x`.
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    let inputs = dims.pop().unwrap_or(1);
    let y = x.reshape(((), inputs))?.matmul(&weight.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    dims.push(y.dim(D::Minus1)?);
    y.reshape(dims)
}

/// The first half of the last axis times GELU of the second half.
pub(crate) fn gate(x: &Tensor) -> Result<Tensor> {
    let halves = x.chunk(2, D::Minus1)?;
    &halves[0] * halves[1].gelu_erf()?
}

/// Activation, then addition.
pub(crate) fn finish(y: Tensor, activation: Activation, plus: Addend) -> Result<Tensor> {
    let y = match activation {
        Activation::None => y,
        Activation::Silu => y.silu()?,
        Activation::Gelu => y.gelu_erf()?,
    };
    match plus {
        Addend::Nothing => Ok(y),
        Addend::Residual(other) => y + other,
        Addend::PerFrame(vectors) => {
            let mut dims = y.dims().to_vec();
            let rank = dims.len();
            dims[1..rank - 1].fill(1);
            y.broadcast_add(&vectors.reshape(dims)?)
        }
    }
}

/// Most bytes that candle gathers for one convolution, as long as that is one frame's or more.
const GATHERED: usize = 256 << 20;

/// Convolution of `x: [n, h, w, c]` with `weight: [o, c, k, k]`.
///
/// candle gathers the inputs of every output before it multiplies: for 3 x 3 nine times the input, which Metal counts
/// in 32 bits. Frames are therefore convolved a few at a time.
pub(crate) fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: Window,
) -> Result<Tensor> {
    let together = frames_together(x, window)?;
    let starts = (0..x.dim(0)?).step_by(together);
    let parts = starts.map(|start| {
        let frames = x.narrow(0, start, together.min(x.dim(0)? - start))?;
        frames_conv2d(&frames, weight, bias, window)
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    if let [whole] = parts.as_slice() { Ok(whole.clone()) } else { Tensor::cat(&parts, 0) }
}

/// How many frames of `x` are convolved at a time.
fn frames_together(x: &Tensor, window: Window) -> Result<usize> {
    let (n, h, w, c) = x.dims4()?;
    let (out_h, out_w) = window.output(h, w);
    let taps = window.kernel * window.kernel;
    let gathered = out_h * out_w * c * taps * x.dtype().size_in_bytes();
    Ok((GATHERED / gathered.max(1)).clamp(1, n.max(1)))
}

fn frames_conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: Window,
) -> Result<Tensor> {
    let (_, h, w, _) = x.dims4()?;
    let mut x = x.permute((0, 3, 1, 2))?.contiguous()?;
    if window.enlarge {
        x = x.upsample_nearest2d(2 * h, 2 * w)?;
    }
    let x = x.pad_with_zeros(2, window.before, window.after)?.pad_with_zeros(
        3,
        window.before,
        window.after,
    )?;
    let y = x.conv2d(weight, 0, window.stride, 1, 1)?.permute((0, 2, 3, 1))?.contiguous()?;
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

/// Convolution over three frames of `x: [b, t, .., c]` with `weight: [o, c, 3, 1, 1]`.
pub(crate) fn temporal_conv(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let t = x.dim(1)?;
    let padded = x.pad_with_zeros(1, 1, 1)?;
    let mut sum: Option<Tensor> = None;
    for tap in 0..3 {
        let weight = weight.narrow(2, tap, 1)?.flatten_from(2)?.squeeze(2)?.contiguous()?;
        let part = linear(&padded.narrow(1, tap, t)?.contiguous()?, &weight, None)?;
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
    }
    match (sum, bias) {
        (Some(sum), Some(bias)) => sum.broadcast_add(bias),
        (Some(sum), None) => Ok(sum),
        (None, _) => unreachable!("three taps were added"),
    }
}

/// Group norm over everything but the first axis of `x: [n, .., c]`, statistics in f32.
pub(crate) fn group_norm(
    x: &Tensor,
    groups: usize,
    eps: f64,
    weight: &Tensor,
    bias: &Tensor,
    silu: bool,
) -> Result<Tensor> {
    let (dims, dtype) = (x.dims().to_vec(), x.dtype());
    let (n, c) = (dims[0], dims[dims.len() - 1]);
    let g = x.to_dtype(DType::F32)?.reshape((n, (), groups, c / groups))?;
    let mean = g.mean_keepdim((1, 3))?;
    let centred = g.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim((1, 3))?;
    let y = centred.broadcast_div(&(variance + eps)?.sqrt()?)?.reshape(dims)?;
    let y = y
        .broadcast_mul(&weight.to_dtype(DType::F32)?)?
        .broadcast_add(&bias.to_dtype(DType::F32)?)?;
    let y = if silu { y.silu()? } else { y };
    y.to_dtype(dtype)
}

/// Layer norm over the last axis, statistics in f32.
pub(crate) fn layer_norm(x: &Tensor, eps: f64, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = x.to_dtype(DType::F32)?;
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let y = centred
        .broadcast_div(&(variance + eps)?.sqrt()?)?
        .broadcast_mul(&weight.to_dtype(DType::F32)?)?
        .broadcast_add(&bias.to_dtype(DType::F32)?)?;
    y.to_dtype(dtype)
}

/// Queries per slice; only the score matrix of one slice is ever stored.
const SLICE: usize = 1024;

/// See [`attention`](crate::ops::attention()).
pub(crate) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    scale: f64,
    causal: bool,
) -> Result<Tensor> {
    let (batch, n, inner) = q.dims3()?;
    let (kv_batch, m, _) = k.dims3()?;
    let (d, repeat) = (inner / heads, batch / kv_batch);
    let split = |x: &Tensor, rows: usize| {
        x.reshape((kv_batch, rows, heads, d))?.transpose(1, 2)?.contiguous()
    };
    let (q, k, v) = (split(q, repeat * n)?, split(k, m)?, split(v, m)?);
    let keys = k.transpose(2, 3)?.contiguous()?;
    let mut slices = Vec::new();
    for start in (0..repeat * n).step_by(SLICE) {
        let rows = SLICE.min(repeat * n - start);
        let scores = (q.narrow(2, start, rows)?.contiguous()?.matmul(&keys)? * scale)?;
        let scores = scores.to_dtype(DType::F32)?;
        let scores = if causal {
            let mask: Vec<f32> = (start..start + rows)
                .flat_map(|r| (0..m).map(move |c| if c <= r % n { 0.0 } else { f32::NEG_INFINITY }))
                .collect();
            scores.broadcast_add(&Tensor::from_vec(mask, (rows, m), scores.device())?)?
        } else {
            scores
        };
        let weights = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(v.dtype())?;
        slices.push(weights.matmul(&v)?);
    }
    Tensor::cat(&slices, 2)?.transpose(1, 2)?.reshape((batch, n, inner))
}

/// See [`attention_over_time`](crate::ops::attention_over_time).
pub(crate) fn attention_over_time(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    scale: f64,
) -> Result<Tensor> {
    let (b, t, p, inner) = q.dims4()?;
    let by_pixel = |x: &Tensor| x.transpose(1, 2)?.reshape((b * p, t, inner));
    let y = attention(&by_pixel(q)?, &by_pixel(k)?, &by_pixel(v)?, heads, scale, false)?;
    y.reshape((b, p, t, inner))?.transpose(1, 2)?.contiguous()
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn frames_convolved_a_few_at_a_time_are_those_convolved_at_once() {
        let values = |shape: &[usize]| {
            let len = shape.iter().product::<usize>();
            let values = (0..len).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        // Three frames of 126 MB gathered: two at a time.
        let (x, weight) = (values(&[3, 240, 304, 48]), values(&[4, 48, 3, 3]));
        assert_eq!(frames_together(&x, Window::SAME).unwrap(), 2);
        let parts = conv2d(&x, &weight, None, Window::SAME).unwrap();
        let whole = frames_conv2d(&x, &weight, None, Window::SAME).unwrap();
        let flat = |y: Tensor| y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(flat(parts) == flat(whole), "the parts differ from the whole");
        // A frame that is larger than the limit is convolved by itself.
        let large = values(&[2, 240, 304, 128]);
        assert_eq!(frames_together(&large, Window::SAME).unwrap(), 1);
    }
}
