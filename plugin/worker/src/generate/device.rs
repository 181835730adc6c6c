//! Where to compute, in what precision, and why.

use candle_core::{DType, Device};

use crate::cli::{ComputePrecision, DeviceName};
use crate::failure::{Failure, Kind, Result};

/// The device, and a sentence that says why it is this one.
pub(super) fn choose(wanted: DeviceName) -> Result<(Device, String)> {
    let gpu = || {
        if !candle_core::utils::cuda_is_available() {
            return Err("this build has no CUDA".to_owned());
        }
        Device::new_cuda(0).map_err(|err| format!("no CUDA device can be used: {err}"))
    };
    match wanted {
        DeviceName::Cpu => Ok((Device::Cpu, "on the CPU as asked".into())),
        DeviceName::Cuda => match gpu() {
            Ok(device) => Ok((device, "on the GPU as asked".into())),
            Err(why) => Err(Failure::new(
                Kind::Engine,
                format!("The GPU cannot be used: {why}. Choose --device cpu."),
            )),
        },
        DeviceName::Auto => Ok(match gpu() {
            Ok(device) => (device, "on the GPU".into()),
            Err(why) => (Device::Cpu, format!("on the CPU: {why}")),
        }),
    }
}

/// bf16 where it is fast and halves the memory; f32 on the CPU unless asked otherwise.
pub(super) fn precision(wanted: Option<ComputePrecision>, device: &Device) -> DType {
    match wanted {
        Some(ComputePrecision::F32) => DType::F32,
        Some(ComputePrecision::Bf16) => DType::BF16,
        None if device.is_cpu() => DType::F32,
        None => DType::BF16,
    }
}
