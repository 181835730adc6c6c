//! Products of bf16 factors with f32 sums: the interface to a processor's instructions, and the
//! order of the rows in memory.
//!
//! Rows and columns are packed in steps of [`STEP`] input channels with zeros at the end, so that a
//! unit never has to handle a remainder. The order of the weights is the same for every unit; only
//! the number of rows differs.

use half::bf16;

use super::isa::multiversion;
use super::pack::{PANEL, STEP};
use super::softmax::RunningSoftmax;

/// Number of values in one step of a panel of columns: `[half of 16 columns][16 pairs][16
/// columns][2]`.
pub(super) const COLUMN_STEP: usize = PANEL * STEP;

/// An instruction set that multiplies bf16.
pub(super) trait Unit {
    /// Number of rows in one block.
    const ROWS: usize;
    /// Number of values in one step of a block of rows.
    const ROW_STEP: usize = Self::ROWS * STEP;

    /// `c[i][j] (+)= sum over k of rows[i][k] * columns[k][j]` for a block of `ROWS` x 32.
    ///
    /// `rows`: `[step][ROWS][32 channels]`, `columns`: steps of [`COLUMN_STEP`], `c`: rows `pitch`
    /// apart. With `fresh`, the old content of `c` is ignored.
    fn multiply(
        &self,
        rows: &[bf16],
        columns: &[bf16],
        steps: usize,
        c: &mut [f32],
        pitch: usize,
        fresh: bool,
    );

    /// One row of online softmax: turns `scores` times `scale` into bf16 weights relative to the
    /// running maximum, and writes 32 of them at every [`Self::ROW_STEP`] of `target`. Updates
    /// `state`, and rescales `sums` when the maximum changes. The length of `scores` is a multiple
    /// of 32, and its content is overwritten.  Weights are accurate to the 8 bits in which they are
    /// stored; their sum is taken before that rounding.
    fn weigh_row(
        &self,
        scores: &mut [f32],
        scale: f32,
        state: &mut RunningSoftmax,
        sums: &mut [f32],
        target: &mut [bf16],
    );
}

/// Panics if [`Unit::multiply`] would access anything outside its slices.
pub(super) fn check<U: Unit>(
    rows: &[bf16],
    columns: &[bf16],
    steps: usize,
    c: &[f32],
    pitch: usize,
) {
    assert!(steps > 0 && rows.len() >= steps * U::ROW_STEP && columns.len() >= steps * COLUMN_STEP);
    assert!(c.len() >= (U::ROWS - 1) * pitch + PANEL && pitch >= PANEL);
}

/// Asks for values that will be needed soon, into the second cache.
pub(super) fn prefetch(values: &[bf16]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(64 / size_of::<bf16>()) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: every x86-64 has the instruction, and it changes no value.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

multiversion! {
    /// Writes a row as bf16, 32 values at every `distance`; the last group is padded with zeros.
    pub(super) fn spread_row(source: &[f32], target: &mut [bf16], distance: usize) {
        for (step, values) in source.chunks(STEP).enumerate() {
            let target = &mut target[step * distance..][..STEP];
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

/// Rounds finite values to nearest even. Uses plain arithmetic, so that it vectorises.
#[inline(always)]
pub(super) fn round_bf16(value: f32) -> bf16 {
    let bits = value.to_bits();
    bf16::from_bits((bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16)
}

multiversion! {
    /// Widens a packed step of columns: both `[pair][column][2]` halves become `[channel][column]`.
    pub(super) fn widen_step(columns: &[bf16], wide: &mut [f32]) {
        let columns: &[bf16; COLUMN_STEP] = columns.try_into().expect("one step of columns");
        for (side, half) in columns.chunks_exact(COLUMN_STEP / 2).enumerate() {
            for (pair, values) in half.chunks_exact(32).enumerate() {
                let values: &[bf16; 32] = values.try_into().expect("16 pairs");
                let target = &mut wide[2 * pair * PANEL..][..2 * PANEL];
                let (even, odd) = target.split_at_mut(PANEL);
                let even: &mut [f32; 16] =
                    (&mut even[side * 16..][..16]).try_into().expect("16 columns");
                let odd: &mut [f32; 16] =
                    (&mut odd[side * 16..][..16]).try_into().expect("16 columns");
                for column in 0..16 {
                    let low = u32::from(values[2 * column].to_bits());
                    let high = u32::from(values[2 * column + 1].to_bits());
                    even[column] = f32::from_bits(low << 16);
                    odd[column] = f32::from_bits(high << 16);
                }
            }
        }
    }
}

/// The tile unit in plain Rust, following the manual's description of its instructions. It lets the
/// tests check the order of rows, columns and sums on processors without AMX.
#[cfg(test)]
pub(super) mod emulated {
    use super::*;

    /// A tile: 16 rows of 64 bytes, as 32 bf16 or 16 f32.
    type Tile<T, const N: usize> = [[T; N]; 16];

    pub(crate) struct EmulatedTiles;

    fn load(values: &[bf16]) -> Tile<bf16, 32> {
        std::array::from_fn(|row| values[row * 32..][..32].try_into().expect("32 values"))
    }

    fn dot(sums: &mut Tile<f32, 16>, a: &Tile<bf16, 32>, b: &Tile<bf16, 32>) {
        for (sums, a) in sums.iter_mut().zip(a) {
            for (pair, b) in b.iter().enumerate() {
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum += a[2 * pair].to_f32() * b[2 * n].to_f32();
                    *sum += a[2 * pair + 1].to_f32() * b[2 * n + 1].to_f32();
                }
            }
        }
    }

    impl Unit for EmulatedTiles {
        const ROWS: usize = 32;

        fn multiply(
            &self,
            rows: &[bf16],
            columns: &[bf16],
            steps: usize,
            c: &mut [f32],
            pitch: usize,
            fresh: bool,
        ) {
            check::<Self>(rows, columns, steps, c, pitch);
            for low in 0..2 {
                for side in 0..2 {
                    let at = |row: usize| (16 * low + row) * pitch + 16 * side;
                    let mut sums: Tile<f32, 16> = std::array::from_fn(|row| {
                        if fresh { [0.0; 16] } else { c[at(row)..][..16].try_into().expect("16") }
                    });
                    for step in 0..steps {
                        let a = load(&rows[step * 1024 + 512 * low..]);
                        let b = load(&columns[step * 1024 + 512 * side..]);
                        dot(&mut sums, &a, &b);
                    }
                    for (row, sums) in sums.iter().enumerate() {
                        c[at(row)..][..16].copy_from_slice(sums);
                    }
                }
            }
        }

        fn weigh_row(
            &self,
            scores: &mut [f32],
            scale: f32,
            state: &mut RunningSoftmax,
            sums: &mut [f32],
            target: &mut [bf16],
        ) {
            crate::ops::softmax::weigh_row(scores, scale, state, sums);
            spread_row(scores, target, Self::ROW_STEP);
        }
    }
}
