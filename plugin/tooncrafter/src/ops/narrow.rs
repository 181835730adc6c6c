//! Convolutions with few input or output channels, for which steps of one tap or panels of 32 columns would be mostly
//! padding. With few inputs, the taps of a result are gathered into one row before the product. With few outputs, the product
//! gives the parts that each input has in the results under all taps, and they are summed afterwards.

use rayon::prelude::*;

use super::buffer::{self, Unwritten};
use super::epilogue::{Epilogue, store};
use super::pack::{Columns, PANEL};
use super::share::Shared;

/// Number of result rows in a task.
const BLOCK: usize = 256;

/// `out[m] = epilogue(sum over taps t of parts[place(m)(t)][t])` for rows of at most [`PANEL`] outputs.
///
/// `place(m)` gives the input row under each tap, if there is one. `parts: [input row][tap][output]`.
pub(super) fn sum_taps<T: Fn(usize) -> Option<usize>>(
    place: impl Fn(usize) -> T + Sync,
    parts: &[f32],
    (taps, outputs): (usize, usize),
    end: &Epilogue,
    out: &mut Unwritten,
) {
    let count = out.len() / outputs;
    let shared = Shared::new(out);
    (0..count.div_ceil(BLOCK)).into_par_iter().for_each(|block| {
        let first = block * BLOCK;
        let rows: Vec<_> = (first..count.min(first + BLOCK)).map(Some).collect();
        let mut sums = vec![0.0f32; rows.len() * PANEL];
        for (m, sums) in (first..).zip(sums.chunks_exact_mut(PANEL)) {
            let place = place(m);
            for (tap, input) in (0..taps).filter_map(|tap| Some((tap, place(tap)?))) {
                let parts = &parts[(input * taps + tap) * outputs..][..outputs];
                for (sum, part) in sums.iter_mut().zip(parts) {
                    *sum += part;
                }
            }
        }
        store(&mut sums, &rows, 0, (Columns::Plain, outputs), end, &shared);
    });
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
