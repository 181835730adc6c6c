//! Chooses the device for an artist's choice, and says what to do if its memory is short.

use candle_core::{DType, Device};
use inbetween_core::Error;
use inbetween_core::settings::{DeviceChoice, PrecisionChoice, ToonCrafterSettings};
use inbetween_tooncrafter::device::{fastest_dtype, gpu};
use inbetween_tooncrafter::memory::MemoryKind;

pub(super) fn choose(choice: DeviceChoice) -> Result<Device, Error> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda => gpu().map_err(|why| {
            super::engine_error(&format!(
                "the GPU cannot be used: {why}. Until then choose Device: CPU"
            ))
        }),
        DeviceChoice::Auto => Ok(gpu().unwrap_or_else(|why| {
            log::info!("drawing on the CPU: {why}");
            Device::Cpu
        })),
    }
}

/// The type of the weights for this choice on `device`.
pub(super) fn precision(choice: PrecisionChoice, device: &Device) -> DType {
    match choice {
        PrecisionChoice::F32 => DType::F32,
        PrecisionChoice::Bf16 => DType::BF16,
        PrecisionChoice::Auto => fastest_dtype(MemoryKind::of(device)),
    }
}

/// The device's name, as the start of a sentence.
pub(super) fn name(device: &Device) -> &'static str {
    if device.is_cpu() { "This machine" } else { "The GPU" }
}

/// Which setting lowers the need for memory, as a sentence.
pub(super) fn memory_advice(
    settings: &ToonCrafterSettings,
    device: &Device,
    needed: u64,
    available: Option<u64>,
) -> String {
    let limit = settings.memory_limit_mb.map(|mb| u64::from(mb) << 20);
    if limit.is_some_and(|limit| available == Some(limit) && limit < needed) {
        return format!(
            "Raise Memory limit to {} MiB or more, or set it to 0 for all that is free.",
            needed.div_ceil(1 << 20)
        );
    }
    if precision(settings.precision, device) == DType::F32 {
        return "Choose Precision: bf16, which halves the weights, or close other programs.".into();
    }
    if device.is_cpu() {
        return "Close other programs, or draw with Engine: Flow.".into();
    }
    "Close other programs that use the GPU, or choose Device: CPU.".into()
}

/// Whether a device failed for lack of memory. Drivers report that only in the text of the error.
pub(super) fn says_out_of_memory(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    ["out of memory", "out_of_memory", "outofmemory", "cannot allocate", "alloc_failed"]
        .iter()
        .any(|words| reason.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_understood() {
        for reason in [
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "CUBLAS_STATUS_ALLOC_FAILED",
        ] {
            assert!(says_out_of_memory(reason));
        }
        assert!(!says_out_of_memory("shape mismatch"));
    }
}
