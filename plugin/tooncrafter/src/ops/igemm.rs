//! Products of rows that lie anywhere with packed weights: linear layers and convolutions alike.
//!
//! A convolution is a product whose row for output position `m` and tap `t` is the channel vector
//! of the input position under that tap. A function tells where that row is, so nothing is
//! unfolded in memory. Work is cut into blocks of rows; each block keeps its rows in the second
//! cache while the panels of weights pass by.

use half::bf16;
use rayon::prelude::*;

use super::isa::multiversion;
use super::kernel::{self, MAX_ROWS};
use super::math;
use super::pack::{Columns, Data, PANEL, Packed, STEP, tile_offset};
use super::share::Shared;
use super::{amx, kernel::rows_per_call};
use crate::layer_args::Activation;

/// What happens to a finished sum before it is stored.
#[derive(Clone, Copy, Default)]
pub(crate) struct Epilogue<'a> {
    /// One value per output channel (for gated columns: per weight channel).
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) activation: Activation,
    /// Added after the activation; laid out like the result.
    pub(crate) residual: Option<&'a [f32]>,
    /// `(values, rows)`: value row `m / rows` is added to result row `m`; not with a residual.
    pub(crate) per_frame: Option<(&'a [f32], usize)>,
}

/// Most input channels (of all taps) that one pass keeps in the cache, and the rows of a block.
const BF16_DEPTH: usize = 1536;
const BF16_ROWS: usize = 256;
const F32_DEPTH: usize = 2048;
const F32_ROWS: usize = 168;

/// A stretch of input channels of one tap.
#[derive(Clone, Copy)]
struct Piece {
    tap: usize,
    start: usize,
    len: usize,
    /// Where its weights begin in a panel, in values.
    offset: usize,
}

/// `out[m] = epilogue(sum over taps t of row(m, t) * weights[t])` for all `m < count`.
///
/// `row` gives exactly `packed.width` values. `out` holds `count` rows of `packed.outputs()`.
pub(crate) fn igemm<'a, R>(row: R, count: usize, packed: &Packed, end: &Epilogue, out: &mut [f32])
where
    R: Fn(usize, usize) -> &'a [f32] + Sync,
{
    igemm_on(row, count, packed, end, out, amx::available());
}

/// As [`igemm`]; bf16 weights run on the tile unit only with `tiles`.
pub(crate) fn igemm_on<'a, R>(
    row: R,
    count: usize,
    packed: &Packed,
    end: &Epilogue,
    out: &mut [f32],
    tiles: bool,
) where
    R: Fn(usize, usize) -> &'a [f32] + Sync,
{
    assert_eq!(out.len(), count * packed.outputs(), "the result has the product's size");
    if count == 0 {
        return;
    }
    let (unit, most_rows, depth, pad) = match &packed.data {
        Data::F32(_) => (rows_per_call(), F32_ROWS, F32_DEPTH, 1),
        Data::Bf16(_) => (amx::BLOCK, BF16_ROWS, BF16_DEPTH, STEP),
    };
    let passes = passes(packed, depth, pad);
    // At least four blocks for each thread, so that the last ones do not leave a thread idle; few
    // rows are also split by panels.
    let wanted = 4 * rayon::current_num_threads();
    let rows = count.div_ceil(wanted).next_multiple_of(unit).min(most_rows.next_multiple_of(unit));
    let row_blocks = count.div_ceil(rows);
    let panels = packed.panels();
    let splits = wanted.div_ceil(row_blocks).clamp(1, panels.div_ceil(4));
    let panels_each = panels.div_ceil(splits);
    let shared = Shared::new(out);
    (0..row_blocks * splits).into_par_iter().for_each(|task| {
        let first = (task / splits) * rows;
        let panels = task % splits * panels_each..panels.min((task % splits + 1) * panels_each);
        if panels.is_empty() {
            return;
        }
        let block = Block { first, count: rows.min(count - first), unit, panels };
        match &packed.data {
            Data::F32(data) => run_f32(&row, &block, packed, data, &passes, end, &shared),
            Data::Bf16(data) => match tiles.then(amx::Tiles::configure).flatten() {
                Some(tiles) => run_tiles(&row, &block, packed, data, &passes, end, &shared, &tiles),
                None => run_widened(&row, &block, packed, data, &passes, end, &shared),
            },
        }
    });
}

struct Block {
    first: usize,
    count: usize,
    unit: usize,
    panels: std::ops::Range<usize>,
}

impl Block {
    fn padded(&self) -> usize {
        self.count.next_multiple_of(self.unit)
    }

    /// `count` rows from the `start`-th on, at the channels of `piece`. Beyond the end the last row is repeated;
    /// `store` drops those sums.
    fn rows<'a>(
        &self,
        row: &impl Fn(usize, usize) -> &'a [f32],
        piece: &Piece,
        start: usize,
        count: usize,
    ) -> [&'a [f32]; MAX_ROWS] {
        let mut rows: [&[f32]; MAX_ROWS] = [&[]; MAX_ROWS];
        for (i, slot) in rows.iter_mut().enumerate().take(count) {
            let m = self.first + (start + i).min(self.count - 1);
            *slot = &row(m, piece.tap)[piece.start..];
        }
        rows
    }
}

/// Cuts taps and channels into passes of at most about `depth` channels, balanced.
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

/// Runs `multiply(pass index, panel, sums, fresh)` over passes and panels and stores each panel
/// once its last pass is done.
fn for_panels(
    block: &Block,
    pass_count: usize,
    packed: &Packed,
    end: &Epilogue,
    out: &Shared<f32>,
    mut prepare: impl FnMut(usize),
    mut multiply: impl FnMut(usize, usize, &mut [f32], bool),
) {
    let size = block.padded() * PANEL;
    let kept = if pass_count == 1 { 1 } else { block.panels.len() };
    let mut sums = vec![0.0f32; kept * size];
    for pass in 0..pass_count {
        prepare(pass);
        for panel in block.panels.clone() {
            let slot = if pass_count == 1 { 0 } else { panel - block.panels.start };
            let sums = &mut sums[slot * size..][..size];
            multiply(pass, panel, sums, pass == 0);
            if pass + 1 == pass_count {
                store(sums, block.first, block.count, panel, packed, end, out);
            }
        }
    }
}

fn run_f32<'a, R: Fn(usize, usize) -> &'a [f32]>(
    row: &R,
    block: &Block,
    packed: &Packed,
    data: &[f32],
    passes: &[Vec<Piece>],
    end: &Epilogue,
    out: &Shared<f32>,
) {
    let panel_len = packed.taps * packed.width * PANEL;
    for_panels(
        block,
        passes.len(),
        packed,
        end,
        out,
        |_| {},
        |pass, panel, sums, fresh| {
            let panel = &data[panel * panel_len..][..panel_len];
            for start in (0..block.padded()).step_by(block.unit) {
                let sums = &mut sums[start * PANEL..];
                for (i, piece) in passes[pass].iter().enumerate() {
                    let rows = block.rows(row, piece, start, block.unit);
                    let weights = &panel[piece.offset..];
                    kernel::multiply(&rows, piece.len, weights, sums, PANEL, fresh && i == 0);
                }
            }
        },
    );
}

#[allow(clippy::too_many_arguments, reason = "one private call, each argument used as it is")]
fn run_tiles<'a, R: Fn(usize, usize) -> &'a [f32]>(
    row: &R,
    block: &Block,
    packed: &Packed,
    data: &[bf16],
    passes: &[Vec<Piece>],
    end: &Epilogue,
    out: &Shared<f32>,
    tiles: &amx::Tiles,
) {
    let panel_len = packed.taps * packed.width.next_multiple_of(STEP) * PANEL;
    let steps_of =
        |pass: usize| -> usize { passes[pass].iter().map(|piece| piece.len.div_ceil(STEP)).sum() };
    let most_steps = (0..passes.len()).map(steps_of).max().unwrap_or(0);
    let packed_rows = std::cell::RefCell::new(vec![bf16::ZERO; block.padded() * STEP * most_steps]);
    let prepare = |pass: usize| {
        let steps = steps_of(pass);
        let mut target = packed_rows.borrow_mut();
        for m in 0..block.padded() {
            let at = block.first + m.min(block.count - 1);
            let (group, in_group) = (m / amx::BLOCK, m % amx::BLOCK);
            let mut step = 0;
            for piece in &passes[pass] {
                let source = &row(at, piece.tap)[piece.start..][..piece.len];
                // Consecutive steps of one row lie a whole step of the group apart.
                let start = (group * steps + step) * amx::STEP_LEN + in_group * STEP;
                spread_row(source, &mut target[start..]);
                step += piece.len.div_ceil(STEP);
            }
        }
    };
    for_panels(block, passes.len(), packed, end, out, prepare, |pass, panel, sums, fresh| {
        let steps = steps_of(pass);
        let weights = &data[panel * panel_len + passes[pass][0].offset..];
        let rows = packed_rows.borrow();
        for group in 0..block.padded() / amx::BLOCK {
            let rows = &rows[group * steps * amx::STEP_LEN..];
            tiles.multiply(
                rows,
                weights,
                steps,
                &mut sums[group * amx::BLOCK * PANEL..],
                PANEL,
                fresh,
            );
        }
    });
}

multiversion! {
    /// Writes a row as bf16, 32 values at every [`amx::STEP_LEN`], the last filled with zeros.
    pub(crate) fn spread_row(source: &[f32], target: &mut [bf16]) {
        for (step, values) in source.chunks(STEP).enumerate() {
            let target = &mut target[step * amx::STEP_LEN..][..STEP];
            if let Ok(values) = <&[f32; STEP]>::try_from(values) {
                for i in 0..STEP {
                    target[i] = round_bf16(values[i]);
                }
            } else {
                for (i, target) in target.iter_mut().enumerate() {
                    *target = values.get(i).map_or(bf16::ZERO, |&v| round_bf16(v));
                }
            }
        }
    }
}

/// Round to nearest even, for finite values; plain arithmetic, so that it vectorises.
#[inline(always)]
pub(crate) fn round_bf16(value: f32) -> bf16 {
    let bits = value.to_bits();
    bf16::from_bits((bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16)
}

/// bf16 weights where there are no tiles: each panel is widened, the product is f32.
fn run_widened<'a, R: Fn(usize, usize) -> &'a [f32]>(
    row: &R,
    block: &Block,
    packed: &Packed,
    data: &[bf16],
    passes: &[Vec<Piece>],
    end: &Epilogue,
    out: &Shared<f32>,
) {
    let unit = rows_per_call();
    let panel_len = packed.taps * packed.width.next_multiple_of(STEP) * PANEL;
    // The blocks were cut for tiles; the float kernel takes fewer rows at once.
    let padded = block.padded().next_multiple_of(unit);
    let mut wide = Vec::new();
    let mut local = vec![0.0f32; padded * PANEL];
    for_panels(
        block,
        passes.len(),
        packed,
        end,
        out,
        |_| {},
        |pass, panel, sums, fresh| {
            local[..sums.len()].copy_from_slice(sums);
            for (i, piece) in passes[pass].iter().enumerate() {
                wide.clear();
                let weights = &data[panel * panel_len + piece.offset..];
                for k in 0..piece.len {
                    wide.extend((0..PANEL).map(|column| weights[tile_offset(k, column)].to_f32()));
                }
                for start in (0..padded).step_by(unit) {
                    let rows = block.rows(row, piece, start, unit);
                    let sums = &mut local[start * PANEL..];
                    kernel::multiply(&rows, piece.len, &wide, sums, PANEL, fresh && i == 0);
                }
            }
            sums.copy_from_slice(&local[..sums.len()]);
        },
    );
}

/// Ends the sums of one panel and writes them to their columns of the result.
fn store(
    sums: &mut [f32],
    first: usize,
    count: usize,
    panel: usize,
    packed: &Packed,
    end: &Epilogue,
    out: &Shared<f32>,
) {
    let outputs = packed.outputs();
    let gated = packed.columns == Columns::Gated;
    let each = if gated { PANEL / 2 } else { PANEL };
    let start = panel * each;
    let len = each.min(outputs - start);
    // Bias in the order of the panel's columns.
    let mut bias = [0.0f32; PANEL];
    if let Some(values) = end.bias {
        bias[..len].copy_from_slice(&values[start..][..len]);
        if gated {
            bias[16..16 + len].copy_from_slice(&values[outputs + start..][..len]);
        }
    }
    let sums = &mut sums[..count * PANEL];
    add_bias(sums, &bias);
    if gated {
        gate(sums);
    }
    match end.activation {
        Activation::None => {}
        Activation::Silu => silu(sums),
        Activation::Gelu => gelu(sums),
    }
    for (i, sums) in sums.chunks_exact(PANEL).enumerate() {
        let m = first + i;
        let sums = &sums[..len];
        // SAFETY: rows of different blocks and columns of different panels do not meet, and each
        // (row block, panel) pair is stored by one task only.
        let target = unsafe { out.slice(m * outputs + start, len) };
        let residual = end.residual.map(|r| &r[m * outputs + start..][..len]);
        let frame = end.per_frame.map(|(f, rows)| &f[m / rows * outputs + start..][..len]);
        match residual.or(frame) {
            Some(add) => {
                for ((target, sum), add) in target.iter_mut().zip(sums).zip(add) {
                    *target = sum + add;
                }
            }
            None => target.copy_from_slice(sums),
        }
    }
}

multiversion! {
    fn add_bias(sums: &mut [f32], bias: &[f32; PANEL]) {
        for row in sums.chunks_exact_mut(PANEL) {
            for (sum, bias) in row.iter_mut().zip(bias) {
                *sum += bias;
            }
        }
    }
}

multiversion! {
    fn silu(values: &mut [f32]) {
        for value in values {
            *value = math::silu(*value);
        }
    }
}

multiversion! {
    fn gelu(values: &mut [f32]) {
        for value in values {
            *value = math::gelu(*value);
        }
    }
}

multiversion! {
    /// In each row of 32, multiplies the first 16 by the GELU of the last 16.
    fn gate(sums: &mut [f32]) {
        // Gates are gathered first: the long loop over them vectorises, one over 16 would not.
        const ROWS: usize = 32;
        let mut gates = [0.0f32; 16 * ROWS];
        for rows in sums.chunks_mut(ROWS * PANEL) {
            for (gates, row) in gates.chunks_exact_mut(16).zip(rows.chunks_exact(PANEL)) {
                gates.copy_from_slice(&row[16..]);
            }
            for gate in gates.iter_mut() {
                *gate = math::gelu(*gate);
            }
            for (gates, row) in gates.chunks_exact(16).zip(rows.chunks_exact_mut(PANEL)) {
                for (value, gate) in row.iter_mut().zip(gates) {
                    *value *= gate;
                }
            }
        }
    }
}
