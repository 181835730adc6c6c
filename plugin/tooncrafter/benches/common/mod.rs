//! Shared parts of the benchmarks: clocks, the device, random input.

#![allow(dead_code, reason = "each benchmark uses some of it")]

use std::sync::OnceLock;

use candle_core::{Device, Result, Tensor};
use inbetween_tooncrafter::kept_memory::Allocator;

/// As in the program `inbetween`.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Processor seconds used by this process so far, over all threads.
#[cfg(unix)]
pub(crate) fn processor_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to our own timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Seconds since the first call, because this system has no clock for processor time.
#[cfg(not(unix))]
pub(crate) fn processor_seconds() -> f64 {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

/// How many of them the system took, most of them to provide fresh memory; 0 where there is no way to know.
pub(crate) fn system_seconds() -> f64 {
    #[cfg(unix)]
    {
        // SAFETY: all zeros are a valid value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to our own value.
        unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
        usage.ru_stime.tv_sec as f64 + usage.ru_stime.tv_usec as f64 * 1e-6
    }
    #[cfg(not(unix))]
    0.0
}

static DEVICE: OnceLock<Device> = OnceLock::new();

/// The device that everything runs on: the CPU, unless [`choose_device`] chose another.
pub(crate) fn device() -> &'static Device {
    DEVICE.get_or_init(|| Device::Cpu)
}

/// Makes `name` (`cpu` or `cuda`) the device of this process.
pub(crate) fn choose_device(name: &str) -> Result<()> {
    let chosen = match name {
        "cpu" => Device::Cpu,
        "cuda" => inbetween_tooncrafter::device::gpu().map_err(candle_core::Error::msg)?,
        other => candle_core::bail!("--device is cpu or cuda, not {other}"),
    };
    if DEVICE.set(chosen).is_err() {
        candle_core::bail!("the device is chosen once, before anything runs")
    }
    Ok(())
}

/// Waits until the device has finished all its work.
pub(crate) fn settle() -> Result<()> {
    device().synchronize()
}

/// Normally distributed values on the device.
pub(crate) fn random(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu)?.to_device(device())
}
