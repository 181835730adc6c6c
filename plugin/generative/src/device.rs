//! What to do where the chosen device cannot be used, or its memory is short.

use candle_core::{DType, Device};
use inbetween_core::Error;
use inbetween_core::settings::ToonCrafterSettings;
use inbetween_tooncrafter::device;
use inbetween_tooncrafter::memory::MemoryKind;

/// The device and the type of the weights that these settings choose.
pub(super) fn choose(settings: &ToonCrafterSettings) -> Result<(Device, DType), Error> {
    let (device, why) = device::choose(settings.device).map_err(|why| {
        super::engine_error(&format!(
            "the GPU cannot be used: {why}. Until then choose Device: Processor"
        ))
    })?;
    let dtype = device::precision(settings.precision, MemoryKind::of(&device))
        .map_err(|why| super::engine_error(&why))?;
    log::info!("drawing {why}");
    Ok((device, dtype))
}

/// The device's name, as the start of a sentence.
pub(super) fn name(device: &Device) -> &'static str {
    if device.is_cpu() { "This machine" } else { "The GPU" }
}

/// Which setting lowers the need for memory, as a sentence.
pub(super) fn memory_advice(
    settings: &ToonCrafterSettings,
    (device, dtype): (&Device, DType),
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
    if dtype == DType::F32 {
        return "Choose Precision: bf16, which halves the weights, or close other programs.".into();
    }
    if device.is_cpu() {
        return "Close other programs, or draw with Engine: Flow.".into();
    }
    "Close other programs that use the GPU, or choose Device: Processor.".into()
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
