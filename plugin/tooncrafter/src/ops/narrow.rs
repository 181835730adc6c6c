//! Convolutions with few input or output channels, for which panels of 32 columns or steps of one
//! tap would be mostly padding.

use rayon::prelude::*;

use super::buffer::{self, Unwritten};
use super::epilogue::{Epilogue, store};
use super::isa::multiversion;
use super::pack::{LANES, OUTPUTS, PANEL, Packed};
use super::share::Shared;

/// Number of result rows whose sums are in registers at once.
const ROWS: usize = 4;
/// Number of result rows in a task.
const BLOCK: usize = 256;

/// `out[m] = epilogue(sum over taps t of row(m)(t) * weights[t])` for at most [`OUTPUTS`] outputs.
/// Each is a dot product along the channels, whose number is a multiple of [`LANES`].
///
/// `weights`: `[OUTPUTS][tap][channel]`.
pub(super) fn few_outputs<'a, T: Fn(usize) -> &'a [f32]>(
    row: impl Fn(usize) -> T + Sync,
    count: usize,
    packed: &Packed,
    weights: &[f32],
    end: &Epilogue,
    out: &mut Unwritten,
) {
    let shared = Shared::new(out);
    (0..count.div_ceil(BLOCK)).into_par_iter().for_each(|block| {
        let first = block * BLOCK;
        let rows: Vec<_> = (first..count.min(first + BLOCK)).map(Some).collect();
        let mut sums = vec![0.0f32; rows.len().next_multiple_of(ROWS) * PANEL];
        let mut taps = Vec::with_capacity(packed.taps);
        for (group, sums) in sums.chunks_exact_mut(ROWS * PANEL).enumerate() {
            let rows: [T; ROWS] =
                std::array::from_fn(|i| row((first + group * ROWS + i).min(count - 1)));
            taps.clear();
            taps.extend((0..packed.taps).map(|tap| rows.each_ref().map(|row| row(tap))));
            dots(&taps, weights, packed.channels, sums);
        }
        store(&mut sums, &rows, 0, packed, end, &shared);
    });
}

multiversion! {
    /// Multiplies four rows of all taps by the weights of `outputs` outputs, and writes the sums into
    /// four rows of a panel.
    fn dots(taps: &[[&[f32]; ROWS]], weights: &[f32], outputs: usize, sums: &mut [f32]) {
        if outputs < OUTPUTS {
            dots_of::<{ OUTPUTS - 1 }>(taps, weights, sums);
        } else {
            dots_of::<OUTPUTS>(taps, weights, sums);
        }
    }
}

/// `sums[i] += x[i] * weights[i]`
#[inline(always)]
fn accumulate(sums: &mut [f32; LANES], x: &[f32; LANES], weights: &[f32; LANES]) {
    for i in 0..LANES {
        sums[i] = x[i].mul_add(weights[i], sums[i]);
    }
}

/// The first `N` outputs. The loop over the channels checks no bounds, so that all sums stay in registers.
#[inline(always)]
fn dots_of<const N: usize>(taps: &[[&[f32]; ROWS]], weights: &[f32], sums: &mut [f32]) {
    let mut lanes = [[[0.0f32; LANES]; N]; ROWS];
    let each = weights.len() / OUTPUTS;
    let width = each / taps.len();
    for (tap, rows) in taps.iter().enumerate() {
        let [a, b, c, d] = rows.map(|row| row.as_chunks::<LANES>().0);
        let of = |o: usize| weights[o * each + tap * width..][..width].as_chunks::<LANES>().0;
        let rows = a.iter().zip(b).zip(c).zip(d);
        let weights = of(0).iter().zip(of(1)).zip(of(2)).zip(of(3));
        for ((((a, b), c), d), (((p, q), r), s)) in rows.zip(weights) {
            let weights = [p, q, r, s];
            for (x, lanes) in [a, b, c, d].iter().zip(&mut lanes) {
                for (weights, lanes) in weights.iter().zip(lanes) {
                    accumulate(lanes, x, weights);
                }
            }
        }
    }
    for (sums, lanes) in sums.chunks_exact_mut(PANEL).zip(&lanes) {
        for (sum, lanes) in sums.iter_mut().zip(lanes) {
            *sum = lanes.iter().sum();
        }
    }
}

/// The rows of all taps for each result row, one after the other: `[count][taps * width]`.
pub(super) fn gather<'a, T: Fn(usize) -> &'a [f32]>(
    row: impl Fn(usize) -> T + Sync,
    count: usize,
    taps: usize,
    width: usize,
) -> Vec<f32> {
    let write = |gathered: &mut Unwritten| {
        gathered.par_chunks_exact_mut(taps * width).with_min_len(BLOCK).enumerate().for_each(
            |(m, target)| {
                let row = row(m);
                for (tap, target) in target.chunks_exact_mut(width).enumerate() {
                    target.write_copy_of_slice(row(tap));
                }
            },
        );
    };
    // SAFETY: each row is written tap by tap.
    unsafe { buffer::written(count * taps * width, write) }
}
