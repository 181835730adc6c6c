//! Tries every operation that networks need from a device without kernels of our own, before anything is drawn on it:
//! what a system's version lacks is named then, and not in the middle of a drawing.

use candle_core::{DType, Device, Result, Tensor};

use crate::layer_args::{Activation, Addend, Window};
use crate::reference;

/// Makes the inputs of operations: the same numbers on every device.
struct Inputs<'a> {
    device: &'a Device,
    dtype: DType,
}

impl Inputs<'_> {
    /// Values between -1 and 1.
    fn values(&self, shape: &[usize]) -> Result<Tensor> {
        let len: usize = shape.iter().product();
        let values = (0..len).map(|i| libm::sinf(i as f32 * 0.7 + len as f32)).collect();
        Tensor::from_vec(values, shape, &Device::Cpu)?.to_device(self.device)?.to_dtype(self.dtype)
    }
}

/// An operation: its name within a sentence, and what computes it.
type Operation = (&'static str, fn(&Inputs) -> Result<Tensor>);

const OPERATIONS: &[Operation] = &[
    ("a linear layer", |at| {
        let (x, weight, bias) = (at.values(&[2, 6, 16])?, at.values(&[8, 16])?, at.values(&[8])?);
        reference::linear(&x, &weight, Some(&bias))
    }),
    ("a gated layer", |at| reference::gate(&at.values(&[2, 6, 16])?)),
    ("an activation with a residual", |at| {
        let (x, other) = (at.values(&[3, 4, 8])?, at.values(&[3, 4, 8])?);
        reference::finish(x, Activation::Silu, Addend::Residual(&other))
    }),
    ("an activation with a vector for each frame", |at| {
        let (x, other) = (at.values(&[3, 4, 8])?, at.values(&[3, 8])?);
        reference::finish(x, Activation::Gelu, Addend::PerFrame(&other))
    }),
    ("a convolution", |at| convolution(at, Window::SAME, 3)),
    ("a convolution of single pixels", |at| convolution(at, Window::POINT, 1)),
    ("a convolution that halves", |at| convolution(at, Window::HALVE_AFTER, 3)),
    ("a convolution that enlarges", |at| convolution(at, Window::DOUBLE, 3)),
    ("a convolution over time", |at| {
        let (x, weight) = (at.values(&[2, 4, 6, 8])?, at.values(&[8, 8, 3, 1, 1])?);
        reference::temporal_conv(&x, &weight, Some(&at.values(&[8])?))
    }),
    ("group norm", |at| {
        let (x, weight, bias) = (at.values(&[2, 5, 6, 8])?, at.values(&[8])?, at.values(&[8])?);
        reference::group_norm(&x, 4, 1e-5, &weight, &bias, true)
    }),
    ("layer norm", |at| {
        let (x, weight, bias) = (at.values(&[2, 6, 16])?, at.values(&[16])?, at.values(&[16])?);
        reference::layer_norm(&x, 1e-5, &weight, &bias)
    }),
    ("attention", |at| {
        // One set of keys for two of queries, as for the words of a prompt.
        let (q, kv) = (at.values(&[2, 5, 16])?, at.values(&[1, 7, 16])?);
        reference::attention(&q, &kv, &kv, 2, 0.35, false)
    }),
    ("attention to what was before", |at| {
        let x = at.values(&[1, 7, 16])?;
        reference::attention(&x, &x, &x, 2, 0.35, true)
    }),
    ("attention over time", |at| {
        let x = at.values(&[1, 4, 6, 16])?;
        reference::attention_over_time(&x, &x, &x, 2, 0.35)
    }),
    ("looking words up", |at| {
        let words = Tensor::from_vec(vec![3u32, 0, 2], 3, at.device)?;
        at.values(&[4, 8])?.index_select(&words, 0)
    }),
    ("limits and exponentials", |at| (at.values(&[3, 8])? * 40.0)?.clamp(-30.0, 10.0)?.exp()),
    ("variances", |at| at.values(&[3, 8])?.sqr()?.sum(candle_core::D::Minus1)),
    ("putting frames into a clip", |at| {
        let clip = at.values(&[4, 2, 6])?.contiguous()?;
        clip.slice_set(&at.values(&[1, 2, 6])?.contiguous()?, 0, 2)?;
        Ok(clip)
    }),
];

fn convolution(at: &Inputs, window: Window, side: usize) -> Result<Tensor> {
    let (x, weight) = (at.values(&[2, 6, 4, 8])?, at.values(&[8, 8, side, side])?);
    reference::conv2d(&x, &weight, Some(&at.values(&[8])?), window)
}

/// Computes all of them on `device` in `dtype`, and on the CPU in f32.
///
/// # Errors
/// Which one fails there, or gives another result, as a sentence without its full stop.
pub(super) fn run(device: &Device, dtype: DType) -> std::result::Result<(), String> {
    try_all(OPERATIONS, &Inputs { device, dtype })
}

fn try_all(operations: &[Operation], there: &Inputs) -> std::result::Result<(), String> {
    let here = Inputs { device: &Device::Cpu, dtype: DType::F32 };
    // bf16 has eight bits, and a sum of products rounds more than once.
    let tolerance = if there.dtype == DType::F32 { 1e-3 } else { 0.05 };
    for (name, compute) in operations {
        let values = |at: &Inputs| -> Result<Vec<f32>> {
            compute(at)?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()
        };
        // A backtrace may stand below the first line.
        let failed = |error: candle_core::Error| {
            let error = error.to_string();
            format!("{name} fails ({})", error.lines().next().unwrap_or_default())
        };
        let (got, wanted) = (values(there).map_err(failed)?, values(&here).map_err(failed)?);
        let most = wanted.iter().fold(0f32, |most, value| most.max(value.abs()));
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance * most;
        if got.len() != wanted.len() || !got.iter().zip(&wanted).all(near) {
            return Err(format!("{name} gives another result than on the CPU"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_passes() {
        // candle's CPU has no products in bf16, and passes in the other type of 16 bits.
        for dtype in [DType::F32, DType::F16] {
            assert_eq!(run(&Device::Cpu, dtype), Ok(()), "{dtype:?}");
        }
    }

    #[test]
    fn what_fails_or_differs_is_named() {
        let there = Inputs { device: &Device::Cpu, dtype: DType::BF16 };
        let good: Operation = ("a copy", |at| at.values(&[4]));
        assert_eq!(try_all(&[good], &there), Ok(()));
        let lacking: Operation = ("a thing", |_| candle_core::bail!("no such kernel"));
        let told = try_all(&[good, lacking], &there).unwrap_err();
        assert!(told.contains("a thing fails (no such kernel)"), "{told}");
        let wrong: Operation =
            ("a sum", |at| at.values(&[4])? + if at.dtype == DType::BF16 { 0.5 } else { 0.0 });
        let told = try_all(&[good, wrong], &there).unwrap_err();
        assert_eq!(told, "a sum gives another result than on the CPU");
        // What is no number is not near anything.
        let nowhere: Operation = ("a root", |at| {
            at.values(&[4])? * if at.dtype == DType::BF16 { f64::NAN } else { 1.0 }
        });
        assert!(try_all(&[nowhere], &there).is_err());
    }
}
