//! Group norm and layer norm, which read the input twice; SiLU is applied as the result is written.

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, bail};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::buffer::{self, Unwritten};
use super::isa::multiversion;
use super::product::load;
use super::{cpu_values, math, on_device};

/// Number of rows that are summed in f32 before the sums are added up in f64.
const ROWS: usize = 256;

/// Norm over groups of channels and all axes except the first.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    groups: usize,
    eps: f64,
    silu: bool,
    weight: Tensor,
    bias: Tensor,
    values: (Vec<f32>, Vec<f32>),
}

impl GroupNorm {
    /// 32 groups, with weight and bias of `channels` under `vb`. With `silu`, SiLU follows the
    /// norm.
    ///
    /// # Errors
    /// When 32 groups do not divide `channels`; when weight or bias is missing or has another length.
    pub fn new(channels: usize, eps: f64, silu: bool, vb: &VarBuilder) -> Result<Self> {
        const GROUPS: usize = 32;
        if channels == 0 || !channels.is_multiple_of(GROUPS) {
            bail!("a group norm of {GROUPS} groups cannot have {channels} channels")
        }
        let (weight, bias) = (load(vb, channels, "weight")?, load(vb, channels, "bias")?);
        let values = (weight.to_vec1()?, bias.to_vec1()?);
        Ok(Self { groups: GROUPS, eps, silu, weight, bias, values })
    }

    /// `x: [n, .., c]` → the same shape; statistics are computed separately for each of the `n`.
    ///
    /// # Errors
    /// When `x` has another number of channels, or when the device fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let dims = x.dims();
        if dims.len() < 2 || dims[dims.len() - 1] != self.values.0.len() {
            bail!("a norm of {} channels was given {dims:?}", self.values.0.len())
        }
        if !matches!(x.device(), Device::Cpu) {
            let layer = (&self.weight, &self.bias);
            return on_device::group_norm(x, self.groups, self.eps, layer, self.silu);
        }
        x.contiguous()?.apply_op1_no_bwd(self)
    }

    /// Where the weights live.
    pub fn device(&self) -> &Device {
        self.weight.device()
    }

    /// The mean and the factor per channel that normalise `x: [rows, c]`.
    fn coefficients(&self, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let c = self.values.0.len();
        // Sums are taken relative to the first row, so that a large mean costs no precision.
        let pivot = &x[..c];
        let (sums, squares) = x
            .par_chunks(ROWS * c)
            .map(|rows| {
                let (mut sum, mut square) = (vec![0.0f32; c], vec![0.0f32; c]);
                accumulate(rows, pivot, &mut sum, &mut square);
                let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect::<Vec<_>>();
                (wide(sum), wide(square))
            })
            .reduce(
                || (vec![0.0; c], vec![0.0; c]),
                |mut a, b| {
                    a.0.iter_mut().zip(b.0).for_each(|(a, b)| *a += b);
                    a.1.iter_mut().zip(b.1).for_each(|(a, b)| *a += b);
                    a
                },
            );
        let each = c / self.groups;
        let rows = (x.len() / c) as f64;
        let (mut means, mut factor) = (vec![0.0; c], vec![0.0; c]);
        for group in 0..self.groups {
            let channels = group * each..(group + 1) * each;
            let count = rows * each as f64;
            let mean =
                channels.clone().map(|i| sums[i] + rows * f64::from(pivot[i])).sum::<f64>() / count;
            let variance = channels
                .clone()
                .map(|i| {
                    // The sum of (x - mean)^2, from sums relative to the pivot.
                    let shift = f64::from(pivot[i]) - mean;
                    squares[i] + 2.0 * shift * sums[i] + rows * shift * shift
                })
                .sum::<f64>()
                / count;
            let inverse = 1.0 / (variance.max(0.0) + self.eps).sqrt();
            for i in channels {
                means[i] = mean as f32;
                factor[i] = (inverse * f64::from(self.values.0[i])) as f32;
            }
        }
        (means, factor)
    }
}

multiversion! {
    fn accumulate(rows: &[f32], pivot: &[f32], sum: &mut [f32], square: &mut [f32]) {
        let c = pivot.len();
        let (sum, square) = (&mut sum[..c], &mut square[..c]);
        for row in rows.chunks_exact(c) {
            for i in 0..c {
                let v = row[i] - pivot[i];
                sum[i] += v;
                square[i] += v * v;
            }
        }
    }
}

multiversion! {
    fn scale_rows(
        x: &[f32],
        mean: &[f32],
        factor: &[f32],
        bias: &[f32],
        silu: bool,
        out: &mut Unwritten,
    ) {
        let c = factor.len();
        let (mean, bias) = (&mean[..c], &bias[..c]);
        for (row, out) in x.chunks_exact(c).zip(out.chunks_exact_mut(c)) {
            if silu {
                for i in 0..c {
                    out[i].write(math::silu((row[i] - mean[i]) * factor[i] + bias[i]));
                }
            } else {
                for i in 0..c {
                    out[i].write((row[i] - mean[i]) * factor[i] + bias[i]);
                }
            }
        }
    }
}

impl CustomOp1 for GroupNorm {
    fn name(&self) -> &'static str {
        "group-norm"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = cpu_values(x, layout)?;
        let dims = layout.dims();
        let sample = dims[1..].iter().product::<usize>();
        let c = self.values.0.len();
        let write = |out: &mut Unwritten| {
            x.par_chunks(sample.max(1)).zip(out.par_chunks_mut(sample.max(1))).for_each(
                |(x, out)| {
                    let (mean, factor) = self.coefficients(x);
                    x.par_chunks(ROWS * c).zip(out.par_chunks_mut(ROWS * c)).for_each(
                        |(x, out)| {
                            scale_rows(x, &mean, &factor, &self.values.1, self.silu, out);
                        },
                    );
                },
            );
        };
        // SAFETY: the chunks cover the result, and `scale_rows` writes whole rows of `c`.
        let out = unsafe { buffer::written(x.len(), write) };
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// Norm over the last axis, eps 1e-5.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    values: (Vec<f32>, Vec<f32>),
}

impl LayerNorm {
    const EPS: f32 = 1e-5;

    /// Weight and bias of `width` under `vb`.
    ///
    /// # Errors
    /// When weight or bias is missing or has another length.
    pub fn new(width: usize, vb: &VarBuilder) -> Result<Self> {
        let (weight, bias) = (load(vb, width, "weight")?, load(vb, width, "bias")?);
        let values = (weight.to_vec1()?, bias.to_vec1()?);
        Ok(Self { weight, bias, values })
    }

    /// `x: [.., width]` → the same shape.
    ///
    /// # Errors
    /// When the rows of `x` have another width, or when the device fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.dims().last() != Some(&self.values.0.len()) {
            bail!("a norm of width {} was given {:?}", self.values.0.len(), x.shape())
        }
        if !matches!(x.device(), Device::Cpu) {
            return on_device::layer_norm(x, Self::EPS, &self.weight, &self.bias);
        }
        x.contiguous()?.apply_op1_no_bwd(self)
    }
}

impl CustomOp1 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = cpu_values(x, layout)?;
        let c = self.values.0.len();
        let write = |out: &mut Unwritten| {
            x.par_chunks(ROWS * c).zip(out.par_chunks_mut(ROWS * c)).for_each(|(x, out)| {
                normalise_rows(x, &self.values.0, &self.values.1, Self::EPS, out);
            });
        };
        // SAFETY: the chunks cover the result, and `normalise_rows` writes whole rows of `c`.
        let out = unsafe { buffer::written(x.len(), write) };
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

multiversion! {
    fn normalise_rows(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut Unwritten) {
        let c = weight.len();
        let bias = &bias[..c];
        for (row, out) in x.chunks_exact(c).zip(out.chunks_exact_mut(c)) {
            let mean = lanes(row, |v| v) / c as f32;
            let variance = lanes(row, |v| (v - mean) * (v - mean)) / c as f32;
            let inverse = 1.0 / (variance + eps).sqrt();
            for i in 0..c {
                out[i].write((row[i] - mean) * inverse * weight[i] + bias[i]);
            }
        }
    }
}

/// Sum of `f` over a row in 16 partial sums: the order is fixed, and the loop vectorises.
#[inline(always)]
fn lanes(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0f32; 16];
    let chunks = row.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().map(|&v| f(v)).sum();
    for chunk in chunks {
        for i in 0..16 {
            sums[i] += f(chunk[i]);
        }
    }
    sums.iter().sum::<f32>() + rest
}
