//! Turns rows of channels into columns.

#[cfg(target_arch = "x86_64")]
use super::pack::LANES;

/// `target[i * pitch + j] = rows[j][i]` for rows of equal length, best [`LANES`](super::pack::LANES) of them: so many are
/// turned in squares.
pub(super) fn transpose(rows: &[&[f32]], target: &mut [f32], pitch: usize) {
    let done = transpose_squares(rows, target, pitch);
    for (j, row) in rows.iter().enumerate() {
        for (i, &x) in row.iter().enumerate().skip(done) {
            target[i * pitch + j] = x;
        }
    }
}

/// As many channels as this processor turns in squares; returns their number.
#[cfg(target_arch = "x86_64")]
fn transpose_squares(rows: &[&[f32]], target: &mut [f32], pitch: usize) -> usize {
    use super::isa::{Isa, isa};
    let Ok(rows) = <&[&[f32]; LANES]>::try_from(rows) else { return 0 };
    if isa() != Isa::Avx512 {
        return 0;
    }
    let squares = rows[0].len() / LANES;
    for start in (0..squares).map(|square| square * LANES) {
        // SAFETY: `isa` has found the instructions.
        unsafe { avx512(rows, start, &mut target[start * pitch..], pitch) };
    }
    squares * LANES
}

#[cfg(not(target_arch = "x86_64"))]
fn transpose_squares(_: &[&[f32]], _: &mut [f32], _: usize) -> usize {
    0
}

/// Sixteen channels from `start` on. Of the eight bits that say where a value lies, four for its row and four for its channel,
/// interleaving row `i` with row `i + 8` moves each one up and the highest to the end; four times exchange row and channel.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(rows: &[&[f32]; LANES], start: usize, target: &mut [f32], pitch: usize) {
    use std::arch::x86_64::*;
    let low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    let high = _mm512_add_epi32(low, _mm512_set1_epi32(LANES as i32 / 2));
    let mut block = [_mm512_setzero_ps(); LANES];
    for (block, row) in block.iter_mut().zip(rows) {
        // SAFETY: the slice is 16 values long.
        *block = unsafe { _mm512_loadu_ps(row[start..][..LANES].as_ptr()) };
    }
    for _ in 0..4 {
        let before = block;
        for i in 0..LANES / 2 {
            block[2 * i] = _mm512_permutex2var_ps(before[i], low, before[i + LANES / 2]);
            block[2 * i + 1] = _mm512_permutex2var_ps(before[i], high, before[i + LANES / 2]);
        }
    }
    for (i, block) in block.iter().enumerate() {
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(target[i * pitch..][..LANES].as_mut_ptr(), *block) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        for (count, width) in [(16, 16), (16, 37), (5, 32), (16, 3)] {
            let values: Vec<f32> = (0..count * width).map(|i| i as f32).collect();
            let rows: Vec<&[f32]> = values.chunks_exact(width).collect();
            let pitch = 18;
            let mut target = vec![-1.0; width * pitch];
            transpose(&rows, &mut target, pitch);
            for (at, found) in target.into_iter().enumerate() {
                let (i, j) = (at / pitch, at % pitch);
                let wanted = if j < count { values[j * width + i] } else { -1.0 };
                assert_eq!(found, wanted, "{count} rows of {width}, channel {i}, row {j}");
            }
        }
    }
}
