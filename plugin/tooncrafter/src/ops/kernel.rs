//! The innermost f32 loop: a few rows times a few columns, with the sums in registers.

use super::isa::{Isa, isa};
use super::pack::{LANES, PANEL};

/// Largest number of rows that any kernel takes at once.
pub(crate) const MAX_ROWS: usize = 16;

/// Number of rows that this processor's kernel takes at once.
pub(crate) fn rows_per_call() -> usize {
    if isa() == Isa::Avx512 { 14 } else { 6 }
}

/// `c[i][0..32] (+)= sum over k of rows[i][k] * b[k][0..32]` for each of [`rows_per_call`] rows.
///
/// `rows` holds at least [`rows_per_call`] rows of at least `depth` values, `b` at least
/// `depth * 32`, `c` rows `pitch` apart. With `fresh` the old content of `c` is ignored.
pub(crate) fn multiply(
    rows: &[&[f32]; MAX_ROWS],
    depth: usize,
    b: &[f32],
    c: &mut [f32],
    pitch: usize,
    fresh: bool,
) {
    let count = rows_per_call();
    assert!(b.len() >= depth * PANEL, "the panel is shorter than the depth");
    assert!(c.len() >= (count - 1) * pitch + PANEL, "the result does not hold every row");
    let pointers = pointers(&rows[..count], depth);
    let (b, c) = (b.as_ptr(), c.as_mut_ptr());
    match isa() {
        // SAFETY: the lengths are checked above, and `isa` has found the instructions.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::<14, 2>(&pointers, depth, b, PANEL, c, pitch, fresh) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::<6, 2>(&pointers, depth, b, PANEL, c, pitch, fresh) },
        // SAFETY: the lengths are checked above. Targets whose base set has a fused multiply-add
        // use it; on others `mul_add` would call a library function.
        _ => unsafe { plain::<6, 2, FUSED>(&pointers, depth, b, PANEL, c, pitch, fresh) },
    }
}

/// `c[i][0..16] = sum over k of rows[i][k] * b[k][0..16]` for 16 rows of at least `depth` values, with rows of `b` and of
/// `c` each a pitch apart: for products too small for [`multiply`].
pub(crate) fn multiply_square(
    rows: &[&[f32]; LANES],
    depth: usize,
    (b, b_pitch): (&[f32], usize),
    (c, c_pitch): (&mut [f32], usize),
) {
    assert!(depth > 0 && b.len() >= (depth - 1) * b_pitch + LANES, "each row has its columns");
    assert!(c.len() >= (LANES - 1) * c_pitch + LANES, "the result does not hold every row");
    #[cfg(target_arch = "x86_64")]
    if isa() == Isa::Avx512 {
        let rows = pointers(rows, depth);
        let (b, c) = (b.as_ptr(), c.as_mut_ptr());
        // SAFETY: the lengths are checked above, and `isa` has found the instructions.
        return unsafe { avx512::<LANES, 1>(&rows, depth, b, b_pitch, c, c_pitch, true) };
    }
    // Other sets have half as many registers, or fewer.
    for (rows, c) in rows.chunks_exact(4).zip(c.chunks_mut(4 * c_pitch)) {
        let rows = pointers(rows, depth);
        let (b, c) = (b.as_ptr(), c.as_mut_ptr());
        // SAFETY: the lengths are checked above, and `isa` has found the instructions.
        unsafe {
            match isa() {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => avx2::<4, 1>(&rows, depth, b, b_pitch, c, c_pitch, true),
                _ => plain::<4, 1, FUSED>(&rows, depth, b, b_pitch, c, c_pitch, true),
            }
        }
    }
}

/// Whether the target's base set has a fused multiply-add.
const FUSED: bool = cfg!(target_arch = "aarch64");

/// Where the rows lie, each of which holds `depth` values.
fn pointers(rows: &[&[f32]], depth: usize) -> [*const f32; MAX_ROWS] {
    let mut pointers = [std::ptr::null(); MAX_ROWS];
    for (pointer, row) in pointers.iter_mut().zip(rows) {
        assert!(row.len() >= depth, "a row is shorter than the depth");
        *pointer = row.as_ptr();
    }
    pointers
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<const ROWS: usize, const VECTORS: usize>(
    rows: &[*const f32; MAX_ROWS],
    depth: usize,
    b: *const f32,
    b_pitch: usize,
    c: *mut f32,
    pitch: usize,
    fresh: bool,
) {
    use std::arch::x86_64::*;
    let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
    // SAFETY: the caller guarantees `depth` values behind each row, `depth` rows of 16 values for each vector, `b_pitch`
    // apart, behind `b`, and `ROWS` of them, `pitch` apart, behind `c`.
    unsafe {
        if !fresh {
            for (i, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_loadu_ps(c.add(i * pitch + v * LANES));
                }
            }
        }
        for k in 0..depth {
            let mut columns = [_mm512_setzero_ps(); VECTORS];
            for (v, columns) in columns.iter_mut().enumerate() {
                *columns = _mm512_loadu_ps(b.add(k * b_pitch + v * LANES));
            }
            for i in 0..ROWS {
                let a = _mm512_set1_ps(*rows[i].add(k));
                for v in 0..VECTORS {
                    sums[i][v] = _mm512_fmadd_ps(a, columns[v], sums[i][v]);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                _mm512_storeu_ps(c.add(i * pitch + v * LANES), *sum);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const ROWS: usize, const VECTORS: usize>(
    rows: &[*const f32; MAX_ROWS],
    depth: usize,
    b: *const f32,
    b_pitch: usize,
    c: *mut f32,
    pitch: usize,
    fresh: bool,
) {
    // SAFETY: the caller's contract is that of `plain`.
    unsafe { plain::<ROWS, VECTORS, true>(rows, depth, b, b_pitch, c, pitch, fresh) }
}

/// A few rows in plain loops, 16 columns at a time.
#[inline(always)]
unsafe fn plain<const ROWS: usize, const VECTORS: usize, const FUSED: bool>(
    rows: &[*const f32; MAX_ROWS],
    depth: usize,
    b: *const f32,
    b_pitch: usize,
    c: *mut f32,
    pitch: usize,
    fresh: bool,
) {
    for vector in 0..VECTORS {
        let mut sums = [[0.0f32; LANES]; ROWS];
        // SAFETY: the caller guarantees `depth` values behind each row, `depth` rows of 16 values for each vector,
        // `b_pitch` apart, behind `b`, and `ROWS` of them, `pitch` apart, behind `c`.
        unsafe {
            if !fresh {
                for (i, sum) in sums.iter_mut().enumerate() {
                    let c = c.add(i * pitch + vector * LANES);
                    *sum = c.cast::<[f32; LANES]>().read_unaligned();
                }
            }
            for k in 0..depth {
                let b = b.add(k * b_pitch + vector * LANES);
                let b = b.cast::<[f32; LANES]>().read_unaligned();
                for (sum, row) in sums.iter_mut().zip(rows) {
                    let a = *row.add(k);
                    for (s, b) in sum.iter_mut().zip(b) {
                        *s = if FUSED { a.mul_add(b, *s) } else { a * b + *s };
                    }
                }
            }
            for (i, sum) in sums.iter().enumerate() {
                let c = c.add(i * pitch + vector * LANES);
                c.cast::<[f32; LANES]>().write_unaligned(*sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares every kernel that this processor supports with a plain sum.
    #[test]
    fn all_kernels_agree() {
        const DEPTH: usize = 37;
        const PITCH: usize = 40;
        let value = |i: usize| ((i * 37 + 11) % 101) as f32 / 50.0 - 1.0;
        let a: Vec<f32> = (0..MAX_ROWS * DEPTH).map(value).collect();
        let b: Vec<f32> = (0..DEPTH * PANEL).map(|i| value(i * 3 + 1)).collect();
        let start: Vec<f32> = (0..MAX_ROWS * PITCH).map(|i| value(i * 7 + 5)).collect();
        let mut rows = [std::ptr::null(); MAX_ROWS];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = a[i * DEPTH..].as_ptr();
        }
        type Kernel =
            unsafe fn(&[*const f32; MAX_ROWS], usize, *const f32, usize, *mut f32, usize, bool);
        // Name, rows, columns.
        let mut kernels: Vec<(&str, usize, usize, Kernel)> = vec![
            ("plain", 6, 32, plain::<6, 2, false>),
            ("fused", 6, 32, plain::<6, 2, true>),
            ("plain", 4, 16, plain::<4, 1, false>),
        ];
        #[cfg(target_arch = "x86_64")]
        {
            if isa() >= Isa::Avx2 {
                kernels.push(("avx2", 6, 32, avx2::<6, 2>));
                kernels.push(("avx2", 4, 16, avx2::<4, 1>));
            }
            if isa() == Isa::Avx512 {
                kernels.push(("avx512", 14, 32, avx512::<14, 2>));
                kernels.push(("avx512", 16, 16, avx512::<16, 1>));
            }
        }
        for (name, count, columns, kernel) in kernels {
            for fresh in [true, false] {
                let mut c = start.clone();
                // SAFETY: there are 16 rows of 37 values, 37 * 32 weights and 16 result rows 40
                // apart. The list contains only kernels whose instructions `isa` has found.
                unsafe { kernel(&rows, DEPTH, b.as_ptr(), PANEL, c.as_mut_ptr(), PITCH, fresh) };
                for i in 0..count {
                    for j in 0..columns {
                        let before = if fresh { 0.0 } else { start[i * PITCH + j] };
                        let sum: f32 =
                            (0..DEPTH).map(|k| a[i * DEPTH + k] * b[k * PANEL + j]).sum();
                        let (found, wanted) = (c[i * PITCH + j], before + sum);
                        assert!((found - wanted).abs() < 1e-4, "{name}, row {i}, column {j}");
                    }
                    // The values between the rows must not change.
                    let between = i * PITCH + columns..(i + 1) * PITCH;
                    assert_eq!(c[between.clone()], start[between]);
                }
            }
        }
    }
}
