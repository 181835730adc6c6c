//! Products of rows, which may lie anywhere, with packed weights: linear layers and convolutions
//! alike.
//!
//! A convolution is a product whose row for output position `m` and tap `t` is the channel vector
//! of the input position under that tap. A function returns that row, so nothing is unfolded in
//! memory. The work is cut into blocks of rows; each block keeps its rows in the L2 cache while the
//! panels of weights stream through.

use std::cell::RefCell;
use std::mem::MaybeUninit;

use half::bf16;
use rayon::prelude::*;

use super::amx;
use super::bf16_products::{Bf16Products, bf16_products};
#[cfg(test)]
use super::bf16_unit::emulated::EmulatedTiles;
use super::bf16_unit::{COLUMN_STEP, Unit, prefetch, spread_row, widen_step};
use super::buffer::Unwritten;
use super::dot_products::DotProducts;
use super::epilogue::{Epilogue, store};
use super::kernel::{self, MAX_ROWS, rows_per_call};
use super::pack::{Data, PANEL, Packed, STEP};
use super::share::Shared;

/// Largest number of input channels (over all taps) that one pass keeps in the cache, and the rows
/// of a block.
const TILES_DEPTH: usize = 1536;
const TILES_ROWS: usize = 256;
const DOT_DEPTH: usize = 1536;
const DOT_ROWS: usize = 168;
const F32_DEPTH: usize = 1024;
const F32_ROWS: usize = 168;
/// f32 values of a cache line.
const LINE: usize = 16;

/// A range of input channels of one tap.
#[derive(Clone, Copy)]
struct Piece {
    tap: usize,
    start: usize,
    len: usize,
    /// Where its weights begin in a panel, counted in values.
    offset: usize,
}

/// `out[m] = epilogue(sum over taps t of row(m)(t) * weights[t])` for all `m < count`.
///
/// `row(m)` locates a row, which may take divisions; the function that it returns gives the row for
/// each tap, of exactly `packed.width` values. `out` holds `count` rows of `packed.outputs()`.
pub(crate) fn igemm<'a, R, T>(
    row: R,
    count: usize,
    packed: &Packed,
    end: &Epilogue,
    out: &mut Unwritten,
) where
    R: Fn(usize) -> T + Sync,
    T: Fn(usize) -> &'a [f32],
{
    igemm_on(row, count, packed, end, out, bf16_products());
}

/// Like [`igemm`], with bf16 weights multiplied as `rounded` says.
pub(crate) fn igemm_on<'a, R, T>(
    row: R,
    count: usize,
    packed: &Packed,
    end: &Epilogue,
    out: &mut Unwritten,
    rounded: Bf16Products,
) where
    R: Fn(usize) -> T + Sync,
    T: Fn(usize) -> &'a [f32],
{
    assert_eq!(out.len(), count * packed.outputs(), "the result has the product's size");
    if count == 0 {
        return;
    }
    let (unit, most_rows, depth, pad) = match &packed.data {
        Data::F32(_) => (rows_per_call(), F32_ROWS, F32_DEPTH, 1),
        Data::Bf16(_) => match rounded {
            Bf16Products::Tiles => (amx::Tiles::ROWS, TILES_ROWS, TILES_DEPTH, STEP),
            Bf16Products::DotProducts => (DotProducts::ROWS, DOT_ROWS, DOT_DEPTH, STEP),
            #[cfg(test)]
            Bf16Products::Emulated => (EmulatedTiles::ROWS, TILES_ROWS, TILES_DEPTH, STEP),
            Bf16Products::Widened => (rows_per_call(), F32_ROWS, F32_DEPTH, STEP),
        },
    };
    let passes = passes(packed, depth, pad);
    // There are at least four tasks for each thread, so that no thread is idle for long at the end. If there are few
    // rows, they are split by panels rather than further, since each block of rows reads all weights of its panels.
    let wanted = 4 * rayon::current_num_threads();
    let panels = packed.panels();
    let most_splits = panels.div_ceil(4);
    let row_blocks = count.div_ceil(most_rows).max(wanted.div_ceil(most_splits));
    let rows = count.div_ceil(row_blocks).next_multiple_of(unit);
    let row_blocks = count.div_ceil(rows);
    let splits = wanted.div_ceil(row_blocks).clamp(1, most_splits);
    let panels_each = panels.div_ceil(splits);
    let shared = Shared::new(out);
    (0..row_blocks * splits).into_par_iter().for_each(|task| {
        let first = (task / splits) * rows;
        let panels = task % splits * panels_each..panels.min((task % splits + 1) * panels_each);
        if panels.is_empty() {
            return;
        }
        let count = rows.min(count - first);
        let padded = count.next_multiple_of(unit);
        let mut rows: Vec<&[f32]> = vec![&[]; packed.taps * padded];
        for i in 0..padded {
            let row = row(first + i.min(count - 1));
            for tap in 0..packed.taps {
                rows[tap * padded + i] = row(tap);
            }
        }
        let (passes, out) = (passes.as_slice(), &shared);
        let task = Task { rows, first, count, padded, unit, panels, packed, passes, end, out };
        match (&packed.data, rounded) {
            (Data::F32(data), _) => task.run_f32(data),
            (Data::Bf16(data), Bf16Products::Tiles) => {
                task.run_rounded(amx::Tiles::configure(), data);
            }
            (Data::Bf16(data), Bf16Products::DotProducts) => {
                task.run_rounded(DotProducts::find(), data);
            }
            #[cfg(test)]
            (Data::Bf16(data), Bf16Products::Emulated) => {
                task.run_rounded(Some(EmulatedTiles), data);
            }
            (Data::Bf16(data), Bf16Products::Widened) => task.run_widened(data),
        }
    });
}

/// A block of rows and some panels of weights.
struct Task<'a> {
    /// The row for each tap and result row, `[tap][padded]`, computed once for all panels. Beyond
    /// the end, the last row is repeated; `store` drops those sums.
    rows: Vec<&'a [f32]>,
    first: usize,
    count: usize,
    /// Number of rows, rounded up to a multiple of those that the kernel takes at once.
    padded: usize,
    unit: usize,
    panels: std::ops::Range<usize>,
    packed: &'a Packed,
    passes: &'a [Vec<Piece>],
    end: &'a Epilogue<'a>,
    out: &'a Shared<'a, MaybeUninit<f32>>,
}

/// Divides taps and channels into balanced passes of at most about `depth` channels.
fn passes(packed: &Packed, depth: usize, pad: usize) -> Vec<Vec<Piece>> {
    let padded = packed.width.next_multiple_of(pad);
    let total = packed.taps * padded;
    let each = total.div_ceil(total.div_ceil(depth)).next_multiple_of(pad);
    let mut passes: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut room = each;
    for tap in 0..packed.taps {
        let mut start = 0;
        while start < packed.width {
            if room == 0 {
                passes.push(Vec::new());
                room = each;
            }
            let len = (packed.width - start).min(room);
            let piece = Piece { tap, start, len, offset: (tap * padded + start) * PANEL };
            passes.last_mut().expect("starts with one pass").push(piece);
            room -= len.next_multiple_of(pad);
            start += len;
        }
    }
    passes
}

impl Task<'_> {
    /// The kernel's rows from number `start` on, at the channels of `piece`.
    fn kernel_rows(&self, piece: &Piece, start: usize) -> [&[f32]; MAX_ROWS] {
        let mut rows: [&[f32]; MAX_ROWS] = [&[]; MAX_ROWS];
        let found = &self.rows[piece.tap * self.padded + start..][..self.unit];
        for (slot, row) in rows.iter_mut().zip(found) {
            *slot = &row[piece.start..];
        }
        rows
    }

    /// Runs `multiply(pass index, panel, sums, fresh)` over passes and panels, and stores each
    /// panel after its last pass.
    fn for_panels(
        &self,
        mut prepare: impl FnMut(usize),
        mut multiply: impl FnMut(usize, usize, &mut [f32], bool),
    ) {
        let passes = self.passes;
        let size = self.padded * PANEL;
        let kept = if passes.len() == 1 { 1 } else { self.panels.len() };
        let mut sums = vec![0.0f32; kept * size];
        for pass in 0..passes.len() {
            prepare(pass);
            for panel in self.panels.clone() {
                let slot = if passes.len() == 1 { 0 } else { panel - self.panels.start };
                let sums = &mut sums[slot * size..][..size];
                multiply(pass, panel, sums, pass == 0);
                if pass + 1 == passes.len() {
                    let rows: Vec<_> = (self.first..self.first + self.count).map(Some).collect();
                    let result = (self.packed.columns, self.packed.outputs());
                    store(sums, &rows, panel, result, self.end, self.out);
                }
            }
        }
    }

    /// The rows of a pass are copied side by side first: in a tensor they often lie a large power of two apart and push each
    /// other out of the first cache, and all pieces of a pass become one run of the kernel.
    fn run_f32(&self, data: &[f32]) {
        let (packed, passes) = (self.packed, self.passes);
        let panel_len = packed.taps * packed.width * PANEL;
        let depth_of = |pass: usize| passes[pass].iter().map(|piece| piece.len).sum::<usize>();
        let deepest = (0..passes.len()).map(depth_of).max().unwrap_or(0);
        // An odd number of cache lines, so that rows spread over the whole cache.
        let distance = (deepest.div_ceil(LINE) | 1) * LINE;
        let near = RefCell::new(vec![0.0f32; self.padded * distance]);
        let prepare = |pass: usize| {
            for (m, near) in near.borrow_mut().chunks_exact_mut(distance).enumerate() {
                let mut at = 0;
                for piece in &passes[pass] {
                    let source =
                        &self.rows[piece.tap * self.padded + m][piece.start..][..piece.len];
                    near[at..at + piece.len].copy_from_slice(source);
                    at += piece.len;
                }
            }
        };
        self.for_panels(prepare, |pass, panel, sums, fresh| {
            let depth = depth_of(pass);
            let weights = &data[panel * panel_len + passes[pass][0].offset..];
            let near = near.borrow();
            for start in (0..self.padded).step_by(self.unit) {
                let mut rows: [&[f32]; MAX_ROWS] = [&[]; MAX_ROWS];
                let found = near[start * distance..].chunks_exact(distance);
                for (slot, row) in rows.iter_mut().zip(found).take(self.unit) {
                    *slot = &row[..depth];
                }
                let sums = &mut sums[start * PANEL..];
                kernel::multiply(&rows, depth, weights, sums, PANEL, fresh);
            }
        });
    }

    /// Rounds the rows to bf16, packs them for the unit, and multiplies them by the packed weights.
    fn run_rounded<U: Unit>(&self, unit: Option<U>, data: &[bf16]) {
        let unit = unit.expect("the caller has asked whether there is one");
        let (packed, passes) = (self.packed, self.passes);
        let panel_len = packed.taps * packed.width.next_multiple_of(STEP) * PANEL;
        let steps_of = |pass: usize| -> usize {
            passes[pass].iter().map(|piece| piece.len.div_ceil(STEP)).sum()
        };
        let most_steps = (0..passes.len()).map(steps_of).max().unwrap_or(0);
        let packed_rows = RefCell::new(vec![bf16::ZERO; self.padded * STEP * most_steps]);
        let prepare = |pass: usize| {
            let steps = steps_of(pass);
            let mut target = packed_rows.borrow_mut();
            for m in 0..self.padded {
                let (group, in_group) = (m / U::ROWS, m % U::ROWS);
                let mut step = 0;
                for piece in &passes[pass] {
                    let source = self.rows[piece.tap * self.padded + m];
                    let source = &source[piece.start..][..piece.len];
                    // Consecutive steps of one row are a whole step of the group apart.
                    let start = (group * steps + step) * U::ROW_STEP + in_group * STEP;
                    spread_row(source, &mut target[start..], U::ROW_STEP);
                    step += piece.len.div_ceil(STEP);
                }
            }
        };
        self.for_panels(prepare, |pass, panel, sums, fresh| {
            let steps = steps_of(pass);
            let start = panel * panel_len + passes[pass][0].offset;
            let (weights, next) = (&data[start..], data.get(start + panel_len..));
            let rows = packed_rows.borrow();
            let groups = self.padded / U::ROWS;
            let share = (steps * COLUMN_STEP).div_ceil(groups);
            for group in 0..groups {
                // Meanwhile the next panel's weights come near, some with each group; with few rows the unit would
                // otherwise wait for them as long as it computes.
                let soon = next.and_then(|next| next.get(group * share..(group + 1) * share));
                prefetch(soon.unwrap_or_default());
                let rows = &rows[group * steps * U::ROW_STEP..];
                let sums = &mut sums[group * U::ROWS * PANEL..];
                unit.multiply(rows, weights, steps, sums, PANEL, fresh);
            }
        });
    }

    /// For bf16 weights on a processor without bf16 products: each panel is widened in the cache
    /// and multiplied in f32.
    fn run_widened(&self, data: &[bf16]) {
        let (packed, passes) = (self.packed, self.passes);
        let panel_len = packed.taps * packed.width.next_multiple_of(STEP) * PANEL;
        let mut wide = Vec::new();
        self.for_panels(
            |_| {},
            |pass, panel, sums, fresh| {
                for (i, piece) in passes[pass].iter().enumerate() {
                    let weights = &data[panel * panel_len + piece.offset..];
                    let weights = &weights[..piece.len.div_ceil(STEP) * COLUMN_STEP];
                    wide.resize(weights.len(), 0.0);
                    let wide_steps = wide.chunks_exact_mut(COLUMN_STEP);
                    for (weights, wide) in weights.chunks_exact(COLUMN_STEP).zip(wide_steps) {
                        widen_step(weights, wide);
                    }
                    for start in (0..self.padded).step_by(self.unit) {
                        let rows = self.kernel_rows(piece, start);
                        let sums = &mut sums[start * PANEL..];
                        kernel::multiply(&rows, piece.len, &wide, sums, PANEL, fresh && i == 0);
                    }
                }
            },
        );
    }
}
