//! bf16 products with AVX512-BF16, for processors that have it but no tile unit.
//!
//! One instruction adds two products of pairs to each of 16 sums. As in the f32 kernel, sums for 14
//! rows and 32 columns stay in registers, and all 14 rows share two registers of columns.

use half::bf16;

use super::bf16_unit::{Unit, check};
use super::pack::STEP;
use super::softmax::RunningSoftmax;

/// Proof that this processor has the instructions.
#[derive(Clone, Copy)]
pub(super) struct DotProducts(());

impl DotProducts {
    /// `None` if this processor does not have them.
    pub(super) fn find() -> Option<Self> {
        imp::available().then_some(Self(()))
    }

    /// [`Unit::weigh_row`] for blocks of `ROWS` rows.
    pub(super) fn weigh_row_apart<const ROWS: usize>(
        self,
        scores: &[f32],
        scale: f32,
        state: &mut RunningSoftmax,
        sums: &mut [f32],
        target: &mut [bf16],
    ) {
        let steps = scores.len() / STEP;
        assert!(scores.len().is_multiple_of(STEP) && steps > 0);
        assert!(target.len() >= (steps - 1) * ROWS * STEP + STEP);
        // SAFETY: `find` has found the instructions; the lengths are checked above.
        unsafe { imp::weigh_row::<ROWS>(scores, scale, state, sums, target) }
    }
}

impl Unit for DotProducts {
    const ROWS: usize = 14;

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
        // SAFETY: `find` has found the instructions; the lengths are checked above.
        unsafe {
            imp::multiply(rows.as_ptr(), columns.as_ptr(), steps, c.as_mut_ptr(), pitch, fresh)
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
        self.weigh_row_apart::<{ Self::ROWS }>(scores, scale, state, sums, target);
    }
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::x86_64::*;

    use half::bf16;

    use super::{DotProducts, RunningSoftmax, STEP, Unit};
    use crate::ops::bf16_unit::COLUMN_STEP;
    use crate::ops::isa::{Isa, isa};

    pub(super) fn available() -> bool {
        isa() == Isa::Avx512 && is_x86_feature_detected!("avx512bf16")
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) unsafe fn multiply(
        rows: *const bf16,
        columns: *const bf16,
        steps: usize,
        c: *mut f32,
        pitch: usize,
        fresh: bool,
    ) {
        const ROWS: usize = DotProducts::ROWS;
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        // SAFETY: the caller guarantees `steps` steps behind `rows` and `columns`, and 14 rows of
        // 32 values, `pitch` apart, behind `c`.
        unsafe {
            if !fresh {
                for (i, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm512_loadu_ps(c.add(i * pitch));
                    sum[1] = _mm512_loadu_ps(c.add(i * pitch + 16));
                }
            }
            for step in 0..steps {
                let rows = rows.add(step * DotProducts::ROW_STEP).cast::<i32>();
                let columns = columns.add(step * COLUMN_STEP);
                for pair in 0..STEP / 2 {
                    let load = |from: usize| {
                        columns.add(from + pair * 32).cast::<__m512bh>().read_unaligned()
                    };
                    let (b0, b1) = (load(0), load(COLUMN_STEP / 2));
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let a = rows.add(i * (STEP / 2) + pair).read_unaligned();
                        let a: __m512bh = std::mem::transmute(_mm512_set1_epi32(a));
                        sum[0] = _mm512_dpbf16_ps(sum[0], a, b0);
                        sum[1] = _mm512_dpbf16_ps(sum[1], a, b1);
                    }
                }
            }
            for (i, sum) in sums.iter().enumerate() {
                _mm512_storeu_ps(c.add(i * pitch), sum[0]);
                _mm512_storeu_ps(c.add(i * pitch + 16), sum[1]);
            }
        }
    }

    /// `2^x` for 16 values, relative error below 1e-5.
    #[target_feature(enable = "avx512f")]
    fn exp2(x: __m512) -> __m512 {
        // Smaller weights are 0 in every sum. The bound keeps weights from becoming denormal.
        let x = _mm512_max_ps(x, _mm512_set1_ps(-100.0));
        let n = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
        let f = _mm512_sub_ps(x, n);
        // Taylor series in f ln 2, |f| <= 1/2.
        let p = _mm512_set1_ps(1.333_355_8e-3);
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.618_129e-3));
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.550_411e-2));
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.402_265e-1));
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(std::f32::consts::LN_2));
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0));
        _mm512_scalef_ps(p, n)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    pub(super) unsafe fn weigh_row<const ROWS: usize>(
        scores: &[f32],
        scale: f32,
        state: &mut RunningSoftmax,
        sums: &mut [f32],
        target: &mut [bf16],
    ) {
        let chunks = || scores.chunks_exact(STEP).map(<[f32]>::as_ptr);
        let mut most = _mm512_set1_ps(f32::NEG_INFINITY);
        for chunk in chunks() {
            // SAFETY: every chunk is 32 values long.
            let (a, b) = unsafe { (_mm512_loadu_ps(chunk), _mm512_loadu_ps(chunk.add(16))) };
            most = _mm512_max_ps(most, _mm512_max_ps(a, b));
        }
        let most = _mm512_reduce_max_ps(most) * scale;
        if most > state.most {
            let factor = (state.most - most).exp();
            state.sum *= factor;
            sums.iter_mut().for_each(|s| *s *= factor);
            state.most = most;
        }
        let scale = _mm512_set1_ps(scale * std::f32::consts::LOG2_E);
        let offset = _mm512_set1_ps(-state.most * std::f32::consts::LOG2_E);
        let mut total = _mm512_setzero_ps();
        for (step, chunk) in chunks().enumerate() {
            // SAFETY: as above; the caller guarantees 32 values at each step of the target.
            unsafe {
                let a = exp2(_mm512_fmadd_ps(_mm512_loadu_ps(chunk), scale, offset));
                let b = exp2(_mm512_fmadd_ps(_mm512_loadu_ps(chunk.add(16)), scale, offset));
                total = _mm512_add_ps(total, _mm512_add_ps(a, b));
                let both: __m512bh = _mm512_cvtne2ps_pbh(b, a);
                let target = target.as_mut_ptr().add(step * ROWS * STEP);
                target.cast::<__m512bh>().write_unaligned(both);
            }
        }
        state.sum += _mm512_reduce_add_ps(total);
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod imp {
    use half::bf16;

    use super::RunningSoftmax;

    pub(super) fn available() -> bool {
        false
    }
    pub(super) unsafe fn multiply(
        _: *const bf16,
        _: *const bf16,
        _: usize,
        _: *mut f32,
        _: usize,
        _: bool,
    ) {
        unreachable!("this target has no such instructions")
    }
    pub(super) unsafe fn weigh_row<const ROWS: usize>(
        _: &[f32],
        _: f32,
        _: &mut RunningSoftmax,
        _: &mut [f32],
        _: &mut [bf16],
    ) {
        unreachable!("this target has no such instructions")
    }
}
