//! Attention over the frames of each pixel: many small problems, one per pixel and head.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::buffer::{self, Unwritten};
use super::isa::multiversion;
use super::rows::Rows;
use super::share::Shared;
use super::{math, on_device};
use crate::row_pitch::rows_apart;

/// Number of frames or channels in one step of the loops.
const LANES: usize = 16;
/// Number of channels, over all heads, of the pixels in one task.
const BLOCK: usize = 2048;
/// Number of queries whose sums are in registers at once.
const QUERIES: usize = 8;

/// Attention over the frames of each pixel separately.  `q, k, v: [b, t, p, heads * d]` → the same
/// shape; rows need not be contiguous. Computed in f32: the products are too small to gain from a
/// lower precision.
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
        let d = inner / self.heads;
        // Several pixels are processed at once. The frames of one pixel lie so far and so evenly
        // apart that they evict each other from the caches, so the pixels of each frame are read
        // and written together.
        let together = (BLOCK / inner).clamp(1, p);
        let blocks = p.div_ceil(together);
        let write = |out: &mut Unwritten| {
            let shared = Shared::new(out);
            (0..b * blocks).into_par_iter().for_each_init(
                || (Pixel::new(t, d), vec![0.0f32; 3 * t * together * inner]),
                |(pixel, near), index| {
                    let first = index % blocks * together;
                    let count = together.min(p - first);
                    let row = |frame: usize| (index / blocks * t + frame) * p + first;
                    let size = t * together * inner;
                    for (near, far) in near.chunks_exact_mut(size).zip([q, k, v]) {
                        for (frame, near) in near.chunks_exact_mut(together * inner).enumerate() {
                            for (i, near) in near.chunks_exact_mut(inner).enumerate().take(count) {
                                near.copy_from_slice(far.get(row(frame) + i, 0, inner));
                            }
                        }
                    }
                    let (queries, others) = near.split_at_mut(size);
                    let (keys, values) = others.split_at(size);
                    for from in (0..count * inner).step_by(d) {
                        let at = |frame: usize| frame * together * inner + from;
                        pixel.read(
                            |frame| &queries[at(frame)..][..d],
                            |frame| &keys[at(frame)..][..d],
                            |frame| &values[at(frame)..][..d],
                        );
                        attend(pixel, self.scale);
                        // The results overwrite the queries.
                        for (frame, sums) in
                            pixel.sums.chunks_exact(pixel.width).enumerate().take(t)
                        {
                            queries[frame * together * inner + from..][..d]
                                .copy_from_slice(&sums[..d]);
                        }
                    }
                    for (frame, results) in queries.chunks_exact(together * inner).enumerate() {
                        // SAFETY: each pixel belongs to one task, and each frame occurs once.
                        let target = unsafe { shared.slice(row(frame) * inner, count * inner) };
                        target.write_copy_of_slice(&results[..count * inner]);
                    }
                },
            );
        };
        // SAFETY: the blocks cover all pixels, and each is written in all frames.
        let out = unsafe { buffer::written(b * t * p * inner, write) };
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }
}

/// One pixel and head. Frames and channels are padded with zeros to whole steps.
struct Pixel {
    t: usize,
    /// Number of frames, rounded up.
    frames: usize,
    /// Number of channels, rounded up.
    width: usize,
    /// `[query][width]`
    queries: Vec<f32>,
    /// `[width][frames]`
    keys: Vec<f32>,
    /// `[frame][width]`
    values: Vec<f32>,
    /// `[query][frames]`
    weights: Vec<f32>,
    /// `[query][width]`
    sums: Vec<f32>,
}

impl Pixel {
    fn new(t: usize, d: usize) -> Self {
        let (frames, width) = (t.next_multiple_of(LANES), d.next_multiple_of(LANES));
        Self {
            t,
            frames,
            width,
            queries: vec![0.0; frames * width],
            keys: vec![0.0; width * frames],
            values: vec![0.0; frames * width],
            weights: vec![0.0; frames * frames],
            sums: vec![0.0; frames * width],
        }
    }

    fn read<'a>(
        &mut self,
        query: impl Fn(usize) -> &'a [f32],
        key: impl Fn(usize) -> &'a [f32],
        value: impl Fn(usize) -> &'a [f32],
    ) {
        for frame in 0..self.t {
            let (query, value) = (query(frame), value(frame));
            self.queries[frame * self.width..][..query.len()].copy_from_slice(query);
            self.values[frame * self.width..][..value.len()].copy_from_slice(value);
            for (keys, &x) in self.keys.chunks_exact_mut(self.frames).zip(key(frame)) {
                keys[frame] = x;
            }
        }
    }
}

/// `sums[i] += a[i] * step[i]`
macro_rules! accumulate {
    ($sums:expr, $a:expr, $step:expr) => {
        for lane in 0..LANES {
            $sums[lane] = $a.mul_add($step[lane], $sums[lane]);
        }
    };
}

multiversion! {
    /// Computes `weights` and `sums` of a pixel.
    fn attend(pixel: &mut Pixel, scale: f32) {
        let Pixel { t, frames, width, queries, keys, values, weights, sums } = pixel;
        let (t, frames, width) = (*t, *frames, *width);
        for first in (0..t).step_by(QUERIES) {
            let queries = &queries[first * width..][..QUERIES * width];
            for start in (0..frames).step_by(LANES) {
                let mut scores = [[0.0f32; LANES]; QUERIES];
                for (i, keys) in keys.chunks_exact(frames).enumerate() {
                    let keys: &[f32; LANES] = keys[start..start + LANES].try_into().expect("a step");
                    for (query, scores) in scores.iter_mut().enumerate() {
                        let a = queries[query * width + i];
                        accumulate!(scores, a, keys);
                    }
                }
                for (query, scores) in scores.iter().enumerate() {
                    weights[(first + query) * frames + start..][..LANES].copy_from_slice(scores);
                }
            }
        }
        for row in weights.chunks_exact_mut(frames).take(t) {
            row[t..].fill(f32::NEG_INFINITY);
            let mut most = [f32::NEG_INFINITY; LANES];
            for step in row.chunks_exact(LANES) {
                for lane in 0..LANES {
                    most[lane] = if step[lane] > most[lane] { step[lane] } else { most[lane] };
                }
            }
            let most = most.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
            let mut totals = [0.0f32; LANES];
            for step in row.chunks_exact_mut(LANES) {
                for lane in 0..LANES {
                    step[lane] = math::exp((step[lane] - most) * scale);
                    totals[lane] += step[lane];
                }
            }
            let inverse = 1.0 / totals.iter().sum::<f32>();
            for weight in row.iter_mut() {
                *weight *= inverse;
            }
        }
        for first in (0..t).step_by(QUERIES) {
            let weights = &weights[first * frames..][..QUERIES * frames];
            for start in (0..width).step_by(LANES) {
                let mut mixed = [[0.0f32; LANES]; QUERIES];
                for (frame, values) in values.chunks_exact(width).enumerate().take(t) {
                    let values: &[f32; LANES] =
                        values[start..start + LANES].try_into().expect("a step");
                    for (query, mixed) in mixed.iter_mut().enumerate() {
                        let a = weights[query * frames + frame];
                        accumulate!(mixed, a, values);
                    }
                }
                for (query, mixed) in mixed.iter().enumerate() {
                    sums[(first + query) * width + start..][..LANES].copy_from_slice(mixed);
                }
            }
        }
    }
}
