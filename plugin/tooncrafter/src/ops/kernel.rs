//! The innermost f32 loop: a few rows times one panel, with the sums in registers.

use super::isa::{Isa, isa};
use super::pack::PANEL;

/// Largest number of rows that any kernel takes at once.
pub(crate) const MAX_ROWS: usize = 14;

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
    let mut pointers = [std::ptr::null(); MAX_ROWS];
    for (pointer, row) in pointers.iter_mut().zip(rows).take(count) {
        assert!(row.len() >= depth, "a row is shorter than the depth");
        *pointer = row.as_ptr();
    }
    let (b, c) = (b.as_ptr(), c.as_mut_ptr());
    match isa() {
        // SAFETY: the lengths are checked above, and `isa` has found the instructions.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512(&pointers, depth, b, c, pitch, fresh) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2(&pointers, depth, b, c, pitch, fresh) },
        // SAFETY: the lengths are checked above. Targets whose base set has a fused multiply-add
        // use it; on others `mul_add` would call a library function.
        _ => unsafe {
            plain::<{ cfg!(target_arch = "aarch64") }>(&pointers, depth, b, c, pitch, fresh)
        },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(
    rows: &[*const f32; MAX_ROWS],
    depth: usize,
    b: *const f32,
    c: *mut f32,
    pitch: usize,
    fresh: bool,
) {
    use std::arch::x86_64::*;
    const ROWS: usize = 14;
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    // SAFETY: the caller guarantees `depth` values behind each row, `depth * 32` behind `b` and 14
    // rows of 32 values, `pitch` apart, behind `c`.
    unsafe {
        if !fresh {
            for (i, sum) in sums.iter_mut().enumerate() {
                sum[0] = _mm512_loadu_ps(c.add(i * pitch));
                sum[1] = _mm512_loadu_ps(c.add(i * pitch + 16));
            }
        }
        for k in 0..depth {
            let b0 = _mm512_loadu_ps(b.add(k * PANEL));
            let b1 = _mm512_loadu_ps(b.add(k * PANEL + 16));
            for i in 0..ROWS {
                let a = _mm512_set1_ps(*rows[i].add(k));
                sums[i][0] = _mm512_fmadd_ps(a, b0, sums[i][0]);
                sums[i][1] = _mm512_fmadd_ps(a, b1, sums[i][1]);
            }
        }
        for (i, sum) in sums.iter().enumerate() {
            _mm512_storeu_ps(c.add(i * pitch), sum[0]);
            _mm512_storeu_ps(c.add(i * pitch + 16), sum[1]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(
    rows: &[*const f32; MAX_ROWS],
    depth: usize,
    b: *const f32,
    c: *mut f32,
    pitch: usize,
    fresh: bool,
) {
    // SAFETY: the caller's contract is that of `plain`.
    unsafe { plain::<true>(rows, depth, b, c, pitch, fresh) }
}

/// Six rows in plain loops, 16 columns at a time.
#[inline(always)]
unsafe fn plain<const FUSED: bool>(
    rows: &[*const f32; MAX_ROWS],
    depth: usize,
    b: *const f32,
    c: *mut f32,
    pitch: usize,
    fresh: bool,
) {
    const ROWS: usize = 6;
    for half in 0..2 {
        let mut sums = [[0.0f32; 16]; ROWS];
        // SAFETY: the caller guarantees `depth` values behind each row, `depth * 32` behind `b` and
        // 6 rows of 32 values, `pitch` apart, behind `c`.
        unsafe {
            if !fresh {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = c.add(i * pitch + half * 16).cast::<[f32; 16]>().read_unaligned();
                }
            }
            for k in 0..depth {
                let b = b.add(k * PANEL + half * 16).cast::<[f32; 16]>().read_unaligned();
                for (sum, row) in sums.iter_mut().zip(rows) {
                    let a = *row.add(k);
                    for (s, b) in sum.iter_mut().zip(b) {
                        *s = if FUSED { a.mul_add(b, *s) } else { a * b + *s };
                    }
                }
            }
            for (i, sum) in sums.iter().enumerate() {
                c.add(i * pitch + half * 16).cast::<[f32; 16]>().write_unaligned(*sum);
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
        type Kernel = unsafe fn(&[*const f32; MAX_ROWS], usize, *const f32, *mut f32, usize, bool);
        let mut kernels: Vec<(&str, usize, Kernel)> =
            vec![("plain", 6, plain::<false>), ("fused", 6, plain::<true>)];
        #[cfg(target_arch = "x86_64")]
        {
            if isa() >= Isa::Avx2 {
                kernels.push(("avx2", 6, avx2));
            }
            if isa() == Isa::Avx512 {
                kernels.push(("avx512", 14, avx512));
            }
        }
        for (name, count, kernel) in kernels {
            for fresh in [true, false] {
                let mut c = start.clone();
                // SAFETY: there are 14 rows of 37 values, 37 * 32 weights and 14 result rows 40
                // apart. The list contains only kernels whose instructions `isa` has found.
                unsafe { kernel(&rows, DEPTH, b.as_ptr(), c.as_mut_ptr(), PITCH, fresh) };
                for i in 0..count {
                    for j in 0..PANEL {
                        let before = if fresh { 0.0 } else { start[i * PITCH + j] };
                        let sum: f32 =
                            (0..DEPTH).map(|k| a[i * DEPTH + k] * b[k * PANEL + j]).sum();
                        let (found, wanted) = (c[i * PITCH + j], before + sum);
                        assert!((found - wanted).abs() < 1e-4, "{name}, row {i}, column {j}");
                    }
                    // The values between the rows must not change.
                    assert_eq!(c[i * PITCH + PANEL..][..8], start[i * PITCH + PANEL..][..8]);
                }
            }
        }
    }
}
