//! Attention over the frames of each pixel: many small problems, one per pixel and head.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::buffer::{self, Unwritten};
use super::isa::multiversion;
use super::pack::LANES;
use super::rows::Rows;
use super::share::Shared;
use super::transpose::transpose;
use super::{kernel, math, on_device};
use crate::row_pitch::rows_apart;

/// Number of channels, over all heads, of the pixels in one task.
const BLOCK: usize = 2048;

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
        // Near the processor, frames and the channels of a head are padded with zeros to whole steps.
        let (frames, width) = (t.next_multiple_of(LANES), d.next_multiple_of(LANES));
        let pitch = together * self.heads * width;
        let write = |out: &mut Unwritten| {
            let shared = Shared::new(out);
            (0..b * blocks).into_par_iter().for_each_init(
                || (Room::new(frames, width), vec![0.0f32; 3 * frames * pitch]),
                |(room, near), index| {
                    let first = index % blocks * together;
                    let count = together.min(p - first);
                    let row = |frame: usize| (index / blocks * t + frame) * p + first;
                    // Queries, keys and values of a pixel follow each other if one layer has made them; read
                    // in this order they are one stream.
                    for (frame, i) in (0..t).flat_map(|frame| (0..count).map(move |i| (frame, i))) {
                        let at = frame * pitch + i * self.heads * width;
                        for (near, far) in near.chunks_exact_mut(frames * pitch).zip([q, k, v]) {
                            let near = &mut near[at..][..self.heads * width];
                            copy_heads(far.get(row(frame) + i, 0, inner), d, near, width);
                        }
                    }
                    let (queries, others) = near.split_at_mut(frames * pitch);
                    let (keys, values) = others.split_at(frames * pitch);
                    for head in (0..count * self.heads * width).step_by(width) {
                        let (keys, values) = (&keys[head..], &values[head..]);
                        for start in (0..t).step_by(LANES) {
                            let queries = &mut queries[start * pitch + head..];
                            room.attend(queries, keys, values, pitch, t, self.scale);
                        }
                    }
                    for (frame, results) in queries.chunks_exact(pitch).enumerate().take(t) {
                        // SAFETY: each pixel belongs to one task, and each frame occurs once.
                        let target = unsafe { shared.slice(row(frame) * inner, count * inner) };
                        if d == width {
                            target.write_copy_of_slice(&results[..count * inner]);
                            continue;
                        }
                        let heads = results.chunks_exact(width);
                        for (target, head) in target.chunks_exact_mut(d).zip(heads) {
                            target.write_copy_of_slice(&head[..d]);
                        }
                    }
                },
            );
        };
        // SAFETY: the blocks cover all pixels, and each is written in all frames.
        let out = unsafe { buffer::written(b * t * p * inner, write) };
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }
}

/// Copies the `d` channels of each head to where heads are `width` channels apart.
fn copy_heads(from: &[f32], d: usize, to: &mut [f32], width: usize) {
    if d == width {
        return to.copy_from_slice(from);
    }
    for (to, from) in to.chunks_exact_mut(width).zip(from.chunks_exact(d)) {
        to[..d].copy_from_slice(from);
    }
}

/// What is between the steps for one pixel and head and sixteen queries, one in each lane.
struct Room {
    /// `[channel][LANES]`
    queries: Vec<f32>,
    /// `[frame][LANES]`
    weights: Vec<f32>,
    /// `[LANES][frame]`
    turned: Vec<f32>,
}

impl Room {
    fn new(frames: usize, width: usize) -> Self {
        let (queries, weights) = (vec![0.0; width * LANES], vec![0.0; frames * LANES]);
        Self { queries, turned: weights.clone(), weights }
    }

    /// Attention of sixteen queries to `t` frames; all rows are `pitch` apart. The results overwrite the queries.
    fn attend(
        &mut self,
        queries: &mut [f32],
        keys: &[f32],
        values: &[f32],
        pitch: usize,
        t: usize,
        scale: f32,
    ) {
        let (width, frames) = (self.queries.len() / LANES, self.weights.len() / LANES);
        transpose(&each_of(queries, pitch, width), &mut self.queries, LANES);
        for (group, scores) in self.weights.chunks_exact_mut(LANES * LANES).enumerate() {
            let keys = each_of(&keys[group * LANES * pitch..], pitch, width);
            let queries = (self.queries.as_slice(), LANES);
            kernel::multiply_square(&keys, width, queries, (scores, LANES));
        }
        weigh(&mut self.weights[..t * LANES], scale);
        for (group, weights) in self.weights.chunks_exact(LANES * LANES).enumerate() {
            let turned = &mut self.turned[group * LANES..];
            transpose(&each_of(weights, LANES, LANES), turned, frames);
        }
        let weights = each_of(&self.turned, frames, t);
        for channel in (0..width).step_by(LANES) {
            let results = (&mut queries[channel..], pitch);
            kernel::multiply_square(&weights, t, (&values[channel..], pitch), results);
        }
    }
}

/// Sixteen rows of `width` values, `pitch` apart.
fn each_of(values: &[f32], pitch: usize, width: usize) -> [&[f32]; LANES] {
    std::array::from_fn(|i| &values[i * pitch..][..width])
}

multiversion! {
    /// Turns scores times `scale` into the weights of a softmax. `scores: [frame][LANES]`: since each query has a lane of its
    /// own, nothing is summed across lanes.
    fn weigh(scores: &mut [f32], scale: f32) {
        let scores = scores.as_chunks_mut::<LANES>().0;
        let mut most = [f32::NEG_INFINITY; LANES];
        for step in scores.iter() {
            for lane in 0..LANES {
                most[lane] = if step[lane] > most[lane] { step[lane] } else { most[lane] };
            }
        }
        let mut totals = [0.0f32; LANES];
        for step in scores.iter_mut() {
            for lane in 0..LANES {
                step[lane] = math::exp((step[lane] - most[lane]) * scale);
                totals[lane] += step[lane];
            }
        }
        let inverse = totals.map(|total| 1.0 / total);
        for step in scores.iter_mut() {
            let weights: [f32; LANES] = std::array::from_fn(|lane| step[lane] * inverse[lane]);
            *step = weights;
        }
    }
}
