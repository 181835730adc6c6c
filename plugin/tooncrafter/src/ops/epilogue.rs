//! What happens to the sums of a product before they are stored.

use std::mem::MaybeUninit;

use super::isa::multiversion;
use super::math;
use super::pack::{Columns, PANEL};
use super::share::Shared;
use crate::layer_args::Activation;

/// What happens to a finished sum before it is stored.
#[derive(Clone, Copy, Default)]
pub(crate) struct Epilogue<'a> {
    /// One value per output channel (for gated columns, per channel of the weight).
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) activation: Activation,
    /// Added after the activation; has the layout of the result.
    pub(crate) residual: Option<&'a [f32]>,
    /// `(values, rows)`: value row `m / rows` is added to result row `m`. Not combined with a
    /// residual.
    pub(crate) per_frame: Option<(&'a [f32], usize)>,
}

/// Finishes the sums of one panel. Writes each row of sums to the panel's columns in the row of the
/// result that `rows` gives; drops sums for which `rows` gives no row, and those beyond the end of
/// `rows`. The result has rows of `outputs` values, and the sums come in the order of `columns`. No two tasks may store the
/// same row and panel.
pub(super) fn store(
    sums: &mut [f32],
    rows: &[Option<usize>],
    panel: usize,
    (columns, outputs): (Columns, usize),
    end: &Epilogue,
    out: &Shared<MaybeUninit<f32>>,
) {
    let gated = columns == Columns::Gated;
    let each = if gated { PANEL / 2 } else { PANEL };
    let start = panel * each;
    let len = each.min(outputs - start);
    // The bias in the order of the panel's columns.
    let mut bias = [0.0f32; PANEL];
    if let Some(values) = end.bias {
        bias[..len].copy_from_slice(&values[start..][..len]);
        if gated {
            bias[16..16 + len].copy_from_slice(&values[outputs + start..][..len]);
        }
    }
    let sums = &mut sums[..rows.len() * PANEL];
    // What is not linear takes the bias first; afterwards there is none left to add.
    if gated {
        gate(sums, &std::mem::take(&mut bias));
    }
    match end.activation {
        Activation::None => {}
        Activation::Silu => silu(sums, &std::mem::take(&mut bias)),
        Activation::Gelu => gelu(sums, &std::mem::take(&mut bias)),
    }
    write(sums, rows, &bias[..len], start, outputs, end, out);
}

multiversion! {
    /// Adds the bias and what `end` adds to each row of sums, and writes it from column `start` on, where rows of the
    /// result are `pitch` values apart.
    fn write(
        sums: &[f32],
        rows: &[Option<usize>],
        bias: &[f32],
        start: usize,
        pitch: usize,
        end: &Epilogue,
        out: &Shared<MaybeUninit<f32>>,
    ) {
        let len = bias.len();
        for (sums, row) in sums.chunks_exact(PANEL).zip(rows) {
            let Some(m) = *row else { continue };
            let at = m * pitch + start;
            // SAFETY: rows of different blocks do not overlap, nor do columns of different panels, and
            // only one task stores each (row block, panel) pair.
            let target = unsafe { out.slice(at, len) };
            let residual = end.residual.map(|r| &r[at..][..len]);
            let frame = end.per_frame.map(|(f, rows)| &f[m / rows * pitch + start..][..len]);
            let sums = target.iter_mut().zip(sums).zip(bias);
            match residual.or(frame) {
                Some(add) => {
                    for (((target, sum), bias), add) in sums.zip(add) {
                        target.write(sum + bias + add);
                    }
                }
                None => {
                    for ((target, sum), bias) in sums {
                        target.write(sum + bias);
                    }
                }
            }
        }
    }
}

multiversion! {
    /// Adds the bias to each row, and takes SiLU of the sums.
    fn silu(sums: &mut [f32], bias: &[f32; PANEL]) {
        for row in sums.chunks_exact_mut(PANEL) {
            for (sum, bias) in row.iter_mut().zip(bias) {
                *sum = math::silu(*sum + bias);
            }
        }
    }
}

multiversion! {
    /// Adds the bias to each row, and takes GELU of the sums.
    fn gelu(sums: &mut [f32], bias: &[f32; PANEL]) {
        for row in sums.chunks_exact_mut(PANEL) {
            for (sum, bias) in row.iter_mut().zip(bias) {
                *sum = math::gelu(*sum + bias);
            }
        }
    }
}

multiversion! {
    /// Adds the bias to each row of 32, and multiplies the first 16 values by the GELU of the last 16.
    fn gate(sums: &mut [f32], bias: &[f32; PANEL]) {
        // The gates are gathered first: the long loop over them vectorises, a loop over 16 would
        // not.
        const ROWS: usize = 32;
        let mut gates = [0.0f32; 16 * ROWS];
        for rows in sums.chunks_mut(ROWS * PANEL) {
            for (gates, row) in gates.chunks_exact_mut(16).zip(rows.chunks_exact(PANEL)) {
                for ((gate, value), bias) in gates.iter_mut().zip(&row[16..]).zip(&bias[16..]) {
                    *gate = value + bias;
                }
            }
            for gate in gates.iter_mut() {
                *gate = math::gelu(*gate);
            }
            for (gates, row) in gates.chunks_exact(16).zip(rows.chunks_exact_mut(PANEL)) {
                for ((value, gate), bias) in row.iter_mut().zip(gates).zip(bias) {
                    *value = (*value + bias) * gate;
                }
            }
        }
    }
}
