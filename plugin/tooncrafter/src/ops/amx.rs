//! bf16 products on the AMX tile unit of recent Intel processors.
//!
//! Eight tile registers hold a 32 x 32 block of sums (four tiles), two tiles of rows and two of
//! columns. One step multiplies 32 input channels. The compiler has no stable intrinsics for these
//! instructions, so they are written as assembly. Rows and columns are packed into whole tiles
//! beforehand, so nothing here depends on sizes.

use half::bf16;

use super::bf16_unit::{Unit, check};
use super::dot_products::DotProducts;
use super::softmax::RunningSoftmax;

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
    /// Configures the tiles of this thread; `None` if there are none.
    pub(crate) fn configure() -> Option<Self> {
        available().then(|| {
            imp::configure();
            Self(std::marker::PhantomData)
        })
    }
}

impl Unit for Tiles {
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
        // SAFETY: `Tiles` exists only if the processor has AMX, and it is configured on this thread
        // (it is not `Send`). The lengths are checked above.
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
        // `request` finds tiles only if the processor also has the dot product instructions.
        match DotProducts::find() {
            Some(unit) => {
                unit.weigh_row_apart::<{ Self::ROWS }>(scores, scale, state, sums, target)
            }
            None => unreachable!("tiles without AVX512-BF16"),
        }
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

    use half::bf16;

    /// Checks that the processor has AMX-BF16, and asks the system for permission to use its state.
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
        // SAFETY: the system call takes two numbers and touches no memory of ours. A kernel that
        // does not know it returns an error.
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
        // SAFETY: the caller guarantees the lengths and that the tiles are configured. Every access
        // stays inside `steps` KiB pairs of rows and columns and the 32 x 32 block behind `c`.
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

    pub(super) fn request() -> bool {
        false
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
