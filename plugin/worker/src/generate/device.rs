//! Chooses the device and the precision, and says why.

use candle_core::{DType, Device};
use inbetween_core::settings::{DeviceChoice, PrecisionChoice};
use inbetween_tooncrafter::device::{fastest_dtype, gpu};
use inbetween_tooncrafter::memory::MemoryKind;

use crate::failure::{Failure, Kind, Result};

/// The device, and a sentence that says why it was chosen.
pub(super) fn choose(wanted: DeviceChoice) -> Result<(Device, String)> {
    match wanted {
        DeviceChoice::Cpu => Ok((Device::Cpu, "on the CPU as asked".into())),
        DeviceChoice::Cuda => match gpu() {
            Ok(device) => Ok((device, "on the GPU as asked".into())),
            Err(why) => Err(Failure::new(
                Kind::Engine,
                format!("The GPU cannot be used: {why}. Until then choose --device cpu."),
            )),
        },
        DeviceChoice::Auto => Ok(match gpu() {
            Ok(device) => (device, "on the GPU".into()),
            Err(why) => (Device::Cpu, format!("on the CPU: {why}")),
        }),
    }
}

/// The type of the weights for this choice on `place`.
pub(super) fn precision(wanted: PrecisionChoice, place: MemoryKind) -> DType {
    match wanted {
        PrecisionChoice::F32 => DType::F32,
        PrecisionChoice::Bf16 => DType::BF16,
        PrecisionChoice::Auto => fastest_dtype(place),
    }
}
