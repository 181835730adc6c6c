//! Chooses the device to compute on.

use candle_core::{DType, Device};

use crate::memory::MemoryKind;
use crate::ops::bf16_products;

/// The type of weights that computes fastest on `place`: bf16 on a GPU and on a processor that multiplies bf16, f32 on
/// others.
pub fn fastest_dtype(place: MemoryKind) -> DType {
    match place {
        MemoryKind::Gpu => DType::BF16,
        MemoryKind::Cpu if bf16_products().faster_than_f32() => DType::BF16,
        MemoryKind::Cpu => DType::F32,
    }
}

/// The first GPU of the kind that this program was built for, Apple's or NVIDIA's.
///
/// # Errors
/// Why it cannot be used and what to do about it, worded as the end of a sentence.
pub fn gpu() -> Result<Device, String> {
    if cfg!(feature = "metal") {
        return Device::new_metal(0).map_err(|error| format!("the GPU does not start: {error}"));
    }
    if cfg!(not(feature = "cuda")) {
        let other = if cfg!(target_os = "macos") { "Metal" } else { "CUDA" };
        return Err(format!(
            "this program was built for the CPU only; get or build the one with {other}"
        ));
    }
    #[cfg(cuda_doors)]
    if let Some(problem) = crate::cuda::problem() {
        return Err(problem);
    }
    // All threads share one stream, because a part may be loaded on one thread and run on another.
    Device::new_cuda_with_stream(0).map_err(|error| format!("the GPU does not start: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Depending on the machine, this gives either a device that computes or a helpful reason.
    #[test]
    fn there_is_a_gpu_or_a_reason() {
        match gpu() {
            Ok(device) => assert!(device.is_cuda() || device.is_metal()),
            Err(reason) => assert!(reason.len() > 20, "{reason}"),
        }
    }
}
