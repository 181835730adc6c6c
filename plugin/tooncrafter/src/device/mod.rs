//! Chooses the device and the precision to compute with, and says why.

mod trial;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use candle_core::{DType, Device};
use inbetween_core::settings::{DeviceChoice, PrecisionChoice};

use crate::memory::MemoryKind;
use crate::ops::bf16_products;

/// The device for this choice, and why it was taken: words such as "on the CPU as asked".
///
/// # Errors
/// Why it cannot be used, and what to do about it, worded as the end of a sentence.
pub fn choose(wanted: DeviceChoice) -> Result<(Device, String), String> {
    let asked = |device: Device| {
        let why = format!("on {} as asked", name(&device));
        (device, why)
    };
    match wanted {
        DeviceChoice::Cpu => Ok(asked(Device::Cpu)),
        DeviceChoice::Cuda => cuda().map(asked),
        DeviceChoice::Metal => metal().map(asked),
        DeviceChoice::Auto => Ok(match gpu() {
            Ok(device) => {
                let why = format!("on {}", name(&device));
                (device, why)
            }
            Err(why) => (Device::Cpu, format!("on the CPU: {why}")),
        }),
    }
}

/// The type of the weights for this choice on `place`.
///
/// # Errors
/// Why `place` cannot compute that way, and what to choose instead, worded as the end of a sentence.
pub fn precision(wanted: PrecisionChoice, place: MemoryKind) -> Result<DType, String> {
    match (wanted, place) {
        (PrecisionChoice::Auto, _) => Ok(fastest_dtype(place)),
        (PrecisionChoice::F32, _) => Ok(DType::F32),
        (PrecisionChoice::Bf16, MemoryKind::Metal) => bf16_on_metal().map(|()| DType::BF16),
        (PrecisionChoice::Bf16, _) => Ok(DType::BF16),
    }
}

/// The type of weights that computes fastest on `place`: bf16 on a GPU and on a processor that multiplies bf16, f32 on
/// others.
pub fn fastest_dtype(place: MemoryKind) -> DType {
    let bf16 = match place {
        MemoryKind::Cuda => true,
        MemoryKind::Metal => bf16_on_metal().is_ok(),
        MemoryKind::Cpu => bf16_products().faster_than_f32(),
    };
    if bf16 { DType::BF16 } else { DType::F32 }
}

/// What the device is called within a sentence.
pub fn name(device: &Device) -> &'static str {
    match device {
        Device::Cpu => "the CPU",
        Device::Cuda(_) => "the NVIDIA GPU",
        Device::Metal(_) => "Apple's GPU",
    }
}

/// The best GPU of those that this program was built for: NVIDIA's before Apple's.
///
/// # Errors
/// Why none can be used and what to do about it, worded as the end of a sentence.
pub fn gpu() -> Result<Device, String> {
    type Open = fn() -> Result<Device, String>;
    let kinds: [(bool, Open); 2] =
        [(cfg!(feature = "cuda"), cuda), (cfg!(feature = "metal"), metal)];
    let mut reasons = Vec::new();
    for (_, open) in kinds.into_iter().filter(|(built, _)| *built) {
        match open() {
            Ok(device) => return Ok(device),
            Err(why) => reasons.push(why),
        }
    }
    if reasons.is_empty() {
        let other = if cfg!(target_os = "macos") { "Metal" } else { "CUDA" };
        reasons.push(not_built("for the CPU only", other));
    }
    Err(reasons.join("; "))
}

fn not_built(how: &str, other: &str) -> String {
    format!("this program was built {how}; get or build the one with {other}")
}

/// The first NVIDIA GPU.
fn cuda() -> Result<Device, String> {
    if cfg!(not(feature = "cuda")) {
        return Err(not_built("without CUDA", "CUDA"));
    }
    #[cfg(cuda_doors)]
    if let Some(problem) = crate::cuda::problem() {
        return Err(problem);
    }
    // All threads share one stream, because a part may be loaded on one thread and run on another.
    Device::new_cuda_with_stream(0).map_err(|error| format!("the GPU does not start: {error}"))
}

/// Apple's GPU, if it computes what the CPU computes.
fn metal() -> Result<Device, String> {
    if cfg!(not(target_os = "macos")) {
        return Err("Metal is there on Macs only".into());
    }
    if cfg!(not(feature = "metal")) {
        return Err(not_built("without Metal", "Metal"));
    }
    // One for the process, because its kernels are compiled when they are first used.
    static METAL: OnceLock<Result<Device, String>> = OnceLock::new();
    let open = || {
        // candle takes the first of the system's list, which is empty on some virtual machines.
        let device = catch_unwind(AssertUnwindSafe(|| Device::new_metal(0)))
            .map_err(|_| "this Mac has no GPU that speaks Metal".to_owned())?
            .map_err(|error| format!("the GPU does not start: {error}"))?;
        trial::run(&device, DType::F32).map_err(|problem| {
            format!("Apple's GPU cannot do what ToonCrafter needs: {problem}; update macOS")
        })?;
        Ok(device)
    };
    METAL.get_or_init(open).clone()
}

/// Whether Apple's GPU computes in bf16, which older systems do not. Assumed where there is none.
fn bf16_on_metal() -> Result<(), String> {
    static BF16: OnceLock<Result<(), String>> = OnceLock::new();
    let tried = || {
        let Ok(device) = metal() else { return Ok(()) };
        trial::run(&device, DType::BF16).map_err(|problem| {
            format!(
                "Apple's GPU does not compute in 16 bits here: {problem}; choose 32 bits, or update macOS"
            )
        })
    };
    BF16.get_or_init(tried).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Depending on the machine, this gives either a device that computes or a helpful reason.
    #[test]
    fn there_is_a_gpu_or_a_reason() {
        for opened in [gpu(), cuda(), metal()] {
            match opened {
                Ok(device) => assert!(device.is_cuda() || device.is_metal()),
                Err(reason) => assert!(reason.len() > 20, "{reason}"),
            }
        }
    }

    #[test]
    fn another_makers_gpu_is_never_taken_in_place_of_the_one_asked_for() {
        if let Ok((device, _)) = choose(DeviceChoice::Cuda) {
            assert!(device.is_cuda());
        }
        if let Ok((device, _)) = choose(DeviceChoice::Metal) {
            assert!(device.is_metal());
        }
        let (device, why) = choose(DeviceChoice::Cpu).unwrap();
        assert!(device.is_cpu() && why == "on the CPU as asked", "{why}");
        let (device, why) = choose(DeviceChoice::Auto).unwrap();
        assert_eq!(device.is_cpu(), gpu().is_err());
        assert!(why.starts_with(&format!("on {}", name(&device))), "{why}");
    }

    #[test]
    fn a_precision_that_was_asked_for_is_taken_and_automatic_is_the_fastest() {
        for place in [MemoryKind::Cpu, MemoryKind::Cuda, MemoryKind::Metal] {
            assert_eq!(precision(PrecisionChoice::F32, place), Ok(DType::F32));
            assert_eq!(precision(PrecisionChoice::Auto, place), Ok(fastest_dtype(place)));
            match precision(PrecisionChoice::Bf16, place) {
                Ok(dtype) => assert_eq!(dtype, DType::BF16),
                Err(why) => assert!(why.contains("choose 32 bits"), "{why}"),
            }
        }
    }
}
