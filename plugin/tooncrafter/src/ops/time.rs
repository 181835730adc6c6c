//! Attention over the frames of each pixel: many small problems, one pixel and head at a time.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::isa::multiversion;
use super::rows::Rows;
use super::share::Shared;
use super::{buffer, math, on_device};
use crate::row_pitch::rows_apart;

/// Attention over the frames of each pixel by itself.
///
/// `q, k, v: [b, t, p, heads * d]` → the same shape; rows may lie apart. Computed in f32: the
/// products are too small to gain from less.
///
/// # Errors
/// When the shapes differ or the heads do not divide the width, or when the device fails.
pub fn attention_over_time(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<Tensor> {
    let inner = q.dim(3)?;
    if q.dims() != k.dims() || q.dims() != v.dims() || heads == 0 || inner % heads != 0 {
        bail!("attention over time of {:?}, {:?}, {:?}", q.shape(), k.shape(), v.shape())
    }
    let scale = 1.0 / ((inner / heads) as f64).sqrt();
    if !matches!(q.device(), Device::Cpu) {
        return on_device::attention_over_time([q, k, v], heads, scale);
    }
    let op = TimeOp { heads, scale: scale as f32 };
    rows_apart(q)?.apply_op3_no_bwd(&rows_apart(k)?, &rows_apart(v)?, &op)
}

struct TimeOp {
    heads: usize,
    scale: f32,
}

impl CustomOp3 for TimeOp {
    fn name(&self) -> &'static str {
        "attention-over-time"
    }
    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (Rows::new(q, q_layout)?, Rows::new(k, k_layout)?, Rows::new(v, v_layout)?);
        let (b, t, p, inner) = q_layout.shape().dims4()?;
        let mut out = buffer::zeros(b * t * p * inner);
        let d = inner / self.heads;
        let padded = t.next_multiple_of(16);
        let shared = Shared::new(&mut out);
        (0..b * p).into_par_iter().with_min_len(16).for_each_init(
            || Pixel {
                keys: vec![0.0; d * padded],
                values: vec![0.0; t * d],
                weights: vec![0.0; padded],
            },
            |scratch, index| {
                let (b, pixel) = (index / p, index % p);
                let row = |frame: usize| (b * t + frame) * p + pixel;
                for head in 0..self.heads {
                    let from = head * d;
                    for frame in 0..t {
                        let key = k.get(row(frame), from, d);
                        for (i, &x) in key.iter().enumerate() {
                            scratch.keys[i * padded + frame] = x;
                        }
                        scratch.values[frame * d..][..d].copy_from_slice(v.get(
                            row(frame),
                            from,
                            d,
                        ));
                    }
                    for frame in 0..t {
                        // SAFETY: each pixel belongs to one task, each head and frame comes once.
                        let target = unsafe { shared.slice(row(frame) * inner + from, d) };
                        attend(q.get(row(frame), from, d), t, self.scale, scratch, target);
                    }
                }
            },
        );
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }
}

/// Scratch of one pixel and head.
struct Pixel {
    /// `[d][frames rounded up to 16]`
    keys: Vec<f32>,
    /// `[frame][d]`
    values: Vec<f32>,
    weights: Vec<f32>,
}

multiversion! {
    fn attend(query: &[f32], t: usize, scale: f32, scratch: &mut Pixel, target: &mut [f32]) {
        let padded = scratch.weights.len();
        for start in (0..padded).step_by(16) {
            let mut sums = [0.0f32; 16];
            for (&q, keys) in query.iter().zip(scratch.keys.chunks_exact(padded)) {
                let keys: &[f32; 16] = keys[start..start + 16].try_into().expect("16 keys");
                for i in 0..16 {
                    sums[i] += q * keys[i];
                }
            }
            scratch.weights[start..start + 16].copy_from_slice(&sums);
        }
        let weights = &mut scratch.weights[..t];
        let most = weights.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        for weight in weights.iter_mut() {
            *weight = math::exp((*weight - most) * scale);
        }
        let inverse = 1.0 / weights.iter().sum::<f32>();
        target.fill(0.0);
        for (&weight, values) in weights.iter().zip(scratch.values.chunks_exact(target.len())) {
            let weight = weight * inverse;
            for (target, &value) in target.iter_mut().zip(values) {
                *target += weight * value;
            }
        }
    }
}
