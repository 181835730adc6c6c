//! Softmax attention that never stores a whole score matrix.
//!
//! Keys and values of a head are packed once. Blocks of queries then walk over tiles of keys and
//! keep a running maximum and sum for each query (online softmax). This needs memory for the packed
//! keys and values and for one tile per thread, however many queries there are.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};
use half::bf16;
use rayon::prelude::*;

use super::bf16_products::{Bf16Products, bf16_products};
use super::bf16_unit::{COLUMN_STEP, Unit, round_bf16, spread_row};
use super::buffer::{self, Unwritten};
use super::dot_products::DotProducts;
use super::kernel::{self, MAX_ROWS, rows_per_call};
use super::pack::{LANES, PANEL, Precision, STEP, tile_offset};
use super::rows::Rows;
use super::share::Shared;
use super::softmax::{RunningSoftmax, weigh_row};
use super::transpose::transpose;
use super::{amx, on_device};
use crate::row_pitch::rows_apart;

/// Number of keys in one tile of scores.
const TILE: usize = 256;
/// Number of queries in one task; each kernel rounds it up. It is small so that a tile's scores
/// stay in the L1 cache. If keys and values do not fit into the L2 cache, more queries share each
/// read.
const QUERIES: usize = 32;
const MANY_QUERIES: usize = 128;
/// A head whose keys hold at least this number of values has many keys.
const MANY_KEYS: usize = 200_000;
/// All heads together have few keys if these hold at most this number of values.
const FEW_KEYS: usize = 65_536;

/// `softmax(scale * q k^T) v` for each head.
///
/// `q: [b, n, heads * d]`, `k, v: [b', m, heads * d]` → `[b, n, heads * d]`, where `b'` divides
/// `b`, and each of the `b'` serves `b / b'` consecutive batches. Rows need not be contiguous (a
/// narrowed last axis). With `causal`, query `i` sees the keys `0..=i`. In bf16 the products are
/// rounded, but the softmax is not.
///
/// # Errors
/// When the shapes or the number of heads do not fit together, when a causal query has no key to
/// see, or when the device fails.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    precision: Precision,
    causal: bool,
) -> Result<Tensor> {
    attention_on(q, k, v, heads, rounded_where_asked(precision), causal)
}

/// How this processor computes the products of `precision`; `None` = in f32.
pub(super) fn rounded_where_asked(precision: Precision) -> Option<Bf16Products> {
    (precision == Precision::Bf16).then(bf16_products)
}

/// Like [`attention`], with the products computed as `rounded` says.
pub(super) fn attention_on(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    rounded: Option<Bf16Products>,
    causal: bool,
) -> Result<Tensor> {
    let (batch, n, inner) = q.dims3()?;
    let (kv_batch, m, _) = k.dims3()?;
    let fits = k.dims() == v.dims() && k.dim(2)? == inner && heads > 0 && inner % heads == 0;
    if !fits || kv_batch == 0 || batch % kv_batch != 0 || m == 0 || (causal && m < n) {
        bail!("attention with {heads} heads of {:?}, {:?}, {:?}", q.shape(), k.shape(), v.shape())
    }
    let d = inner / heads;
    let scale = 1.0 / (d as f64).sqrt();
    if !matches!(q.device(), Device::Cpu) {
        return on_device::attention([q, k, v], heads, scale, causal);
    }
    let dims = Dims { heads, d, n, m, repeat: batch / kv_batch, groups: kv_batch * heads };
    let op = AttentionOp { dims, scale: scale as f32, rounded, causal };
    rows_apart(q)?.apply_op3_no_bwd(&rows_apart(k)?, &rows_apart(v)?, &op)
}

#[derive(Clone, Copy)]
struct Dims {
    heads: usize,
    d: usize,
    n: usize,
    m: usize,
    repeat: usize,
    groups: usize,
}

struct AttentionOp {
    dims: Dims,
    scale: f32,
    /// How the products are computed if they are rounded.
    rounded: Option<Bf16Products>,
    causal: bool,
}

impl CustomOp3 for AttentionOp {
    fn name(&self) -> &'static str {
        "attention"
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
        let write = |out: &mut Unwritten| self.run([q, k, v], out);
        // SAFETY: every channel of a row belongs to one head, and every head's queries are run.
        let out = unsafe { buffer::written(q_layout.shape().elem_count(), write) };
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }
}

impl AttentionOp {
    fn run(&self, qkv: [Rows; 3], out: &mut Unwritten) {
        match self.rounded {
            Some(Bf16Products::Tiles) => self.run_rounded(amx::Tiles::configure, qkv, out),
            Some(Bf16Products::DotProducts) => self.run_rounded(DotProducts::find, qkv, out),
            #[cfg(test)]
            Some(Bf16Products::Emulated) => {
                self.run_rounded(|| Some(super::bf16_unit::emulated::EmulatedTiles), qkv, out);
            }
            None | Some(Bf16Products::Widened) => self.run_f32(qkv, out),
        }
    }

    fn run_f32(&self, [q, k, v]: [Rows; 3], out: &mut Unwritten) {
        let Dims { d, m, groups, .. } = self.dims;
        let (key_panels, value_panels) = (m.div_ceil(PANEL), d.div_ceil(PANEL));
        let key_len = key_panels * d * PANEL;
        let value_len = value_panels * m * PANEL;
        let mut keys = vec![0.0f32; groups * key_len];
        let mut values = vec![0.0f32; groups * value_len];
        keys.par_chunks_mut(key_len).zip(values.par_chunks_mut(value_len)).enumerate().for_each(
            |(group, (keys, values))| {
                let mut rows = Vec::with_capacity(LANES);
                for first in (0..m).step_by(LANES) {
                    rows.clear();
                    rows.extend((first..m.min(first + LANES)).map(|j| {
                        let (row, from) = self.kv_row(group, j);
                        k.get(row, from, d)
                    }));
                    let keys = &mut keys[first / PANEL * d * PANEL + first % PANEL..];
                    transpose(&rows, keys, PANEL);
                }
                for j in 0..m {
                    let (row, from) = self.kv_row(group, j);
                    for (panel, x) in v.get(row, from, d).chunks(PANEL).enumerate() {
                        values[(panel * m + j) * PANEL..][..x.len()].copy_from_slice(x);
                    }
                }
            },
        );
        let unit = rows_per_call();
        self.for_queries(unit, out, |group, first, block| {
            let Block { count, scores, sums, .. } = block;
            let padded = count.next_multiple_of(unit);
            let mut queries: Vec<&[f32]> = Vec::with_capacity(padded);
            for i in 0..padded {
                let (row, from) = self.q_row(group, first + i.min(*count - 1));
                queries.push(q.get(row, from, d));
            }
            let (keys, values) = (&keys[group * key_len..], &values[group * value_len..]);
            let (width, pitch) = (value_panels * PANEL, self.scores_apart());
            for start in (0..m).step_by(TILE) {
                let len = TILE.min(m - start);
                for rows in (0..padded).step_by(unit) {
                    let mut taken: [&[f32]; MAX_ROWS] = [&[]; MAX_ROWS];
                    taken[..unit].copy_from_slice(&queries[rows..rows + unit]);
                    for panel in 0..len.div_ceil(PANEL) {
                        let keys = &keys[(start / PANEL + panel) * d * PANEL..];
                        let target = &mut scores[rows * pitch + panel * PANEL..];
                        kernel::multiply(&taken, d, keys, target, pitch, true);
                    }
                }
                self.weigh(first, start, len, width, &mut block.state, scores, sums);
                for rows in (0..padded).step_by(unit) {
                    let mut taken: [&[f32]; MAX_ROWS] = [&[]; MAX_ROWS];
                    for (i, slot) in taken.iter_mut().enumerate().take(unit) {
                        *slot = &scores[(rows + i) * pitch..][..len];
                    }
                    for panel in 0..value_panels {
                        let values = &values[(panel * m + start) * PANEL..];
                        let target = &mut sums[rows * width + panel * PANEL..];
                        kernel::multiply(&taken, len, values, target, width, start == 0);
                    }
                }
            }
        });
    }

    fn run_rounded<U: Unit>(
        &self,
        unit: impl Fn() -> Option<U> + Sync,
        [q, k, v]: [Rows; 3],
        out: &mut Unwritten,
    ) {
        let Dims { d, m, groups, .. } = self.dims;
        let (key_panels, value_panels) = (m.div_ceil(PANEL), d.div_ceil(PANEL));
        let depth = d.div_ceil(STEP);
        let key_len = key_panels * depth * COLUMN_STEP;
        let value_len = value_panels * key_panels * COLUMN_STEP;
        let mut keys = vec![bf16::ZERO; groups * key_len];
        let mut values = vec![bf16::ZERO; groups * value_len];
        keys.par_chunks_mut(key_len).zip(values.par_chunks_mut(value_len)).enumerate().for_each(
            |(group, (keys, values))| {
                for j in 0..m {
                    let (row, from) = self.kv_row(group, j);
                    let keys = &mut keys[j / PANEL * depth * COLUMN_STEP..];
                    for (i, &x) in k.get(row, from, d).iter().enumerate() {
                        keys[tile_offset(i, j % PANEL)] = round_bf16(x);
                    }
                    for (i, &x) in v.get(row, from, d).iter().enumerate() {
                        let panel = i / PANEL * key_panels * COLUMN_STEP;
                        values[panel + tile_offset(j, i % PANEL)] = round_bf16(x);
                    }
                }
            },
        );
        self.for_queries(U::ROWS, out, |group, first, block| {
            let Block { count, scores, sums, .. } = block;
            let unit = unit().expect("the caller has asked whether there is one");
            let blocks = count.div_ceil(U::ROWS);
            let mut queries = vec![bf16::ZERO; blocks * depth * U::ROW_STEP];
            for i in 0..*count {
                let (row, from) = self.q_row(group, first + i);
                let start = i / U::ROWS * depth * U::ROW_STEP + i % U::ROWS * STEP;
                spread_row(q.get(row, from, d), &mut queries[start..], U::ROW_STEP);
            }
            let mut weights = vec![bf16::ZERO; blocks * (TILE / STEP) * U::ROW_STEP];
            let (keys, values) = (&keys[group * key_len..], &values[group * value_len..]);
            let (width, pitch) = (value_panels * PANEL, self.scores_apart());
            for start in (0..m).step_by(TILE) {
                let len = TILE.min(m - start);
                let steps = len.div_ceil(STEP);
                for b in 0..blocks {
                    let queries = &queries[b * depth * U::ROW_STEP..];
                    for panel in 0..steps {
                        let keys = &keys[(start / PANEL + panel) * depth * COLUMN_STEP..];
                        let target = &mut scores[b * U::ROWS * pitch + panel * PANEL..];
                        unit.multiply(queries, keys, depth, target, pitch, true);
                    }
                }
                for (i, state) in block.state.iter_mut().enumerate() {
                    let row = &mut scores[i * pitch..][..steps * STEP];
                    row[self.seen(first + i, start, len)..].fill(f32::NEG_INFINITY);
                    let at = i / U::ROWS * steps * U::ROW_STEP + i % U::ROWS * STEP;
                    let target = &mut weights[at..];
                    unit.weigh_row(row, self.scale, state, &mut sums[i * width..][..width], target);
                }
                for b in 0..blocks {
                    let weights = &weights[b * steps * U::ROW_STEP..];
                    for panel in 0..value_panels {
                        let step = panel * key_panels + start / STEP;
                        let values = &values[step * COLUMN_STEP..];
                        let target = &mut sums[b * U::ROWS * width + panel * PANEL..];
                        unit.multiply(weights, values, steps, target, width, start == 0);
                    }
                }
            }
        });
    }

    /// Runs `walk(group, first query, block)` for every block of queries and stores the results.
    fn for_queries(
        &self,
        unit: usize,
        out: &mut Unwritten,
        walk: impl Fn(usize, usize, &mut Block) + Sync,
    ) {
        let Dims { heads, d, n, m, repeat, groups } = self.dims;
        let total = repeat * n;
        let queries = if m * d < MANY_KEYS { QUERIES } else { MANY_QUERIES };
        let each = total.min(queries).next_multiple_of(unit);
        let blocks = total.div_ceil(each);
        let width = d.next_multiple_of(PANEL);
        let shared = Shared::new(out);
        (0..groups * blocks).into_par_iter().for_each(|task| {
            // If the keys and values of all heads stay in the second cache, the heads of the same queries follow each
            // other, so that the rows are read and written whole.
            let (group, index) = if heads * m * d <= FEW_KEYS {
                (task / (blocks * heads) * heads + task % heads, task / heads % blocks)
            } else {
                (task / blocks, task % blocks)
            };
            let first = index * each;
            let count = each.min(total - first);
            let mut block = Block {
                count,
                state: vec![RunningSoftmax { most: f32::NEG_INFINITY, sum: 0.0 }; count],
                scores: vec![0.0; each * self.scores_apart()],
                sums: vec![0.0; each * width],
            };
            walk(group, first, &mut block);
            for (i, state) in block.state.iter().enumerate() {
                let (row, from) = self.q_row(group, first + i);
                // SAFETY: each (row, head) belongs to one (group, query) and so to one task.
                let target = unsafe { shared.slice(row * heads * d + from, d) };
                let inverse = 1.0 / state.sum;
                for (target, sum) in target.iter_mut().zip(&block.sums[i * width..]) {
                    target.write(sum * inverse);
                }
            }
        });
    }

    /// The row of the queries and the first channel for query `index` of `group`.
    fn q_row(&self, group: usize, index: usize) -> (usize, usize) {
        let Dims { heads, d, n, repeat, .. } = self.dims;
        (group / heads * repeat * n + index, group % heads * d)
    }

    fn kv_row(&self, group: usize, index: usize) -> (usize, usize) {
        let Dims { heads, d, m, .. } = self.dims;
        (group / heads * m + index, group % heads * d)
    }

    /// How far the scores of two queries lie apart. With few keys they lie close together: rows a whole tile apart would
    /// push each other out of the first cache.
    fn scores_apart(&self) -> usize {
        TILE.min(self.dims.m.next_multiple_of(PANEL))
    }

    /// How many of the `len` keys from `start` on are visible to query `index`.
    fn seen(&self, index: usize, start: usize, len: usize) -> usize {
        if self.causal { (index % self.dims.n + 1).saturating_sub(start).min(len) } else { len }
    }

    /// Turns a tile of scores into weights relative to the running maximum, and rescales sums that
    /// were computed with an older maximum.
    #[allow(clippy::too_many_arguments, reason = "one private call, each argument used as it is")]
    fn weigh(
        &self,
        first: usize,
        start: usize,
        len: usize,
        width: usize,
        state: &mut [RunningSoftmax],
        scores: &mut [f32],
        sums: &mut [f32],
    ) {
        for (i, state) in state.iter_mut().enumerate() {
            // Tiles are a multiple of 16 long, so there is room for the padding.
            let row = &mut scores[i * self.scores_apart()..][..len.next_multiple_of(16)];
            row[self.seen(first + i, start, len)..].fill(f32::NEG_INFINITY);
            weigh_row(row, self.scale, state, &mut sums[i * width..][..width]);
        }
    }
}

/// Scratch memory for one block of queries.
struct Block {
    count: usize,
    state: Vec<RunningSoftmax>,
    /// `[query][keys of a tile]`
    scores: Vec<f32>,
    /// `[query][d rounded up to panels]`
    sums: Vec<f32>,
}
