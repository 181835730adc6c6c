//! Where to compute, in what precision, and why.

use candle_core::{DType, Device};
use inbetween_tooncrafter::device::gpu;
use inbetween_tooncrafter::memory::MemoryKind;

use crate::cli::{ComputePrecision, DeviceName};
use crate::failure::{Failure, Kind, Result};

/// The device, and a sentence that says why it is this one.
pub(super) fn choose(wanted: DeviceName) -> Result<(Device, String)> {
    match wanted {
        DeviceName::Cpu => Ok((Device::Cpu, "on the CPU as asked".into())),
        DeviceName::Cuda => match gpu() {
            Ok(device) => Ok((device, "on the GPU as asked".into())),
            Err(why) => Err(Failure::new(
                Kind::Engine,
                format!("The GPU cannot be used: {why}. Until then choose --device cpu."),
            )),
        },
        DeviceName::Auto => Ok(match gpu() {
            Ok(device) => (device, "on the GPU".into()),
            Err(why) => (Device::Cpu, format!("on the CPU: {why}")),
        }),
    }
}

/// bf16 where it is fast and halves the memory; f32 on the CPU unless asked otherwise.
pub(super) fn precision(wanted: Option<ComputePrecision>, place: MemoryKind) -> DType {
    match (wanted, place) {
        (Some(ComputePrecision::F32), _) | (None, MemoryKind::Cpu) => DType::F32,
        (Some(ComputePrecision::Bf16), _) | (None, MemoryKind::Gpu) => DType::BF16,
    }
}
