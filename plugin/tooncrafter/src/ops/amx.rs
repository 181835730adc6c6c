//! bf16 products on the AMX tile unit of recent Intel processors.
//!
//! Eight tile registers hold a 32 x 32 block of sums (four tiles), two tiles of rows and two of
//! columns; one step multiplies 32 input channels. The compiler has no stable names for these
//! instructions, so they are written as assembly; rows and columns are packed into whole tiles
//! before, so that nothing here depends on sizes.

use half::bf16;

use super::pack::STEP;
use super::softmax::RunningSoftmax;

/// Rows of one block.
pub(crate) const BLOCK: usize = 32;
/// bf16 values of one step of rows or of columns: two tiles of 1 KiB.
pub(crate) const STEP_LEN: usize = 1024;

/// Whether this processor and this system let us use the tiles.
pub(crate) fn available() -> bool {
    static AVAILABLE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *AVAILABLE.get_or_init(imp::request)
}

/// The tile unit, configured for this thread until dropped.
///
/// The configuration belongs to the thread, so the type stays on it.
pub(crate) struct Tiles(std::marker::PhantomData<*const ()>);

impl Tiles {
    /// Configures the tiles of this thread; `None` where there are none.
    pub(crate) fn configure() -> Option<Self> {
        available().then(|| {
            imp::configure();
            Self(std::marker::PhantomData)
        })
    }

    /// `c[i][j] (+)= sum over k of rows[i][k] * columns[k][j]` for a block of 32 x 32.
    ///
    /// `rows`: `[step][2][16 rows][32 channels]`, `columns`: `[step][2][16 pairs][16 columns][2]`,
    /// `c`: rows `pitch` apart. With `fresh` the old content of `c` is ignored.
    pub(crate) fn multiply(
        &self,
        rows: &[bf16],
        columns: &[bf16],
        steps: usize,
        c: &mut [f32],
        pitch: usize,
        fresh: bool,
    ) {
        assert!(rows.len() >= steps * STEP_LEN && columns.len() >= steps * STEP_LEN && steps > 0);
        assert!(c.len() >= (BLOCK - 1) * pitch + BLOCK && pitch >= BLOCK);
        // SAFETY: `Tiles` exists only where AMX does and is configured on this thread (it is not
        // `Send`); the lengths are checked above.
        unsafe {
            imp::multiply(rows.as_ptr(), columns.as_ptr(), steps, c.as_mut_ptr(), pitch, fresh)
        }
    }
}

impl Tiles {
    /// One row of online softmax: turns scaled `scores` into weights relative to the running
    /// maximum, as bf16 with 32 values at every [`STEP_LEN`] of `target`; keeps `state`, and
    /// rescales `sums` when the maximum moves. `scores` is a multiple of 32 long.
    ///
    /// Weights are good to the 8 bits that they are stored with; their sum is taken before that
    /// rounding.
    pub(crate) fn weigh_row(
        &self,
        scores: &[f32],
        scale: f32,
        state: &mut RunningSoftmax,
        sums: &mut [f32],
        target: &mut [bf16],
    ) {
        let steps = scores.len() / STEP;
        assert!(scores.len().is_multiple_of(STEP) && steps > 0);
        assert!(target.len() >= (steps - 1) * STEP_LEN + STEP);
        // SAFETY: `Tiles` exists only where `request` has found the instructions; the lengths are
        // checked above.
        unsafe { imp::weigh_row(scores, scale, state, sums, target) }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        imp::release();
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod imp {
    use std::arch::asm;
    use std::arch::x86_64::*;

    use half::bf16;

    use super::{RunningSoftmax, STEP, STEP_LEN};

    /// `2^x` for 16 values, relative error below 1e-5.
    #[target_feature(enable = "avx512f")]
    fn exp2(x: __m512) -> __m512 {
        // Below this a weight is 0 in every sum; the bound keeps weights from being denormal.
        let x = _mm512_max_ps(x, _mm512_set1_ps(-100.0));
        let n = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
        let f = _mm512_sub_ps(x, n);
        // Taylor in f ln 2, |f| <= 1/2.
        let p = _mm512_set1_ps(1.333_355_8e-3);
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.618_129e-3));
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.550_411e-2));
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.402_265e-1));
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(std::f32::consts::LN_2));
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0));
        _mm512_scalef_ps(p, n)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    pub(super) unsafe fn weigh_row(
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
            // SAFETY: as above; the caller vouches for 32 values at each step of the target.
            unsafe {
                let a = exp2(_mm512_fmadd_ps(_mm512_loadu_ps(chunk), scale, offset));
                let b = exp2(_mm512_fmadd_ps(_mm512_loadu_ps(chunk.add(16)), scale, offset));
                total = _mm512_add_ps(total, _mm512_add_ps(a, b));
                let both: __m512bh = _mm512_cvtne2ps_pbh(b, a);
                let target = target.as_mut_ptr().add(step * STEP_LEN);
                target.cast::<__m512bh>().write_unaligned(both);
            }
        }
        state.sum += _mm512_reduce_add_ps(total);
    }

    /// Asks the processor for AMX-BF16 and the system for the permission to use its state.
    pub(super) fn request() -> bool {
        use std::arch::x86_64::__cpuid_count;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        const XFEATURE_XTILEDATA: u64 = 18;
        const SYS_ARCH_PRCTL: u64 = 158;
        let leaf = __cpuid_count(7, 0);
        let has = leaf.edx & (1 << 22) != 0 && leaf.edx & (1 << 24) != 0;
        let has = has && is_x86_feature_detected!("avx512bf16");
        if !has || super::super::isa::isa() != super::super::isa::Isa::Avx512 {
            return false;
        }
        let result: i64;
        // SAFETY: the system call takes two numbers and touches no memory of ours; kernels that
        // do not know it answer with an error.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") SYS_ARCH_PRCTL => result,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") XFEATURE_XTILEDATA,
                out("rcx") _, out("r11") _,
                options(nostack),
            );
        }
        result == 0
    }

    pub(super) fn configure() {
        #[repr(C, align(64))]
        struct Config {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            row_bytes: [u16; 16],
            rows: [u8; 16],
        }
        let mut config = Config {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        config.row_bytes[..8].fill(64);
        config.rows[..8].fill(16);
        // SAFETY: the structure is the 64-byte tile configuration of the manual (palette 1, eight
        // tiles of 16 rows of 64 bytes) and lives across the instruction.
        unsafe {
            asm!("ldtilecfg [{0}]", in(reg) &raw const config, options(nostack, readonly, preserves_flags),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _);
        }
    }

    pub(super) fn release() {
        // SAFETY: returns the tile state of this thread to its initial value.
        unsafe {
            asm!("tilerelease", options(nostack, nomem, preserves_flags),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _);
        }
    }

    pub(super) unsafe fn multiply(
        rows: *const bf16,
        columns: *const bf16,
        steps: usize,
        c: *mut f32,
        pitch: usize,
        fresh: bool,
    ) {
        // SAFETY: the caller vouches for the lengths and for configured tiles; every access stays
        // inside `steps` KiB pairs of rows and columns and the 32 x 32 block behind `c`.
        unsafe {
            let low = c.add(16 * pitch);
            asm!(
                "test {f:e}, {f:e}",
                "jz 3f",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "jmp 2f",
                "3:",
                "tileloadd tmm0, [{c} + {p}]",
                "tileloadd tmm1, [{c} + {p} + 64]",
                "tileloadd tmm2, [{l} + {p}]",
                "tileloadd tmm3, [{l} + {p} + 64]",
                "2:",
                "tileloadd tmm4, [{a} + {s}]",
                "tileloadd tmm6, [{b} + {s}]",
                "tileloadd tmm7, [{b} + {s} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm5, [{a} + {s} + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a}, 2048",
                "add {b}, 2048",
                "dec {n}",
                "jnz 2b",
                "tilestored [{c} + {p}], tmm0",
                "tilestored [{c} + {p} + 64], tmm1",
                "tilestored [{l} + {p}], tmm2",
                "tilestored [{l} + {p} + 64], tmm3",
                a = inout(reg) rows => _, b = inout(reg) columns => _, n = inout(reg) steps => _,
                f = in(reg) u32::from(fresh), s = in(reg) 64usize, c = in(reg) c, l = in(reg) low, p = in(reg) pitch * 4,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack));
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod imp {
    use half::bf16;

    use super::RunningSoftmax;

    pub(super) fn request() -> bool {
        false
    }
    pub(super) unsafe fn weigh_row(
        _: &[f32],
        _: f32,
        _: &mut RunningSoftmax,
        _: &mut [f32],
        _: &mut [bf16],
    ) {
        unreachable!("no tiles were configured on this target")
    }
    pub(super) fn configure() {}
    pub(super) fn release() {}
    pub(super) unsafe fn multiply(
        _: *const bf16,
        _: *const bf16,
        _: usize,
        _: *mut f32,
        _: usize,
        _: bool,
    ) {
        unreachable!("no tiles were configured on this target")
    }
}
