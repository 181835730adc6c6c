//! Estimates the memory that a run needs, part by part, and compares it with what is free, before
//! anything starts.
//!
//! Weights are counted exactly. The working memory of a part is a function of the picture size,
//! with measured factors (`PERFORMANCE.md`).

use std::fmt;

use candle_core::{DType, Device};

use crate::config::{UnetConfig, VaeConfig};

/// Size of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSize {
    /// Number of frames, including the keys.
    pub frames: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

/// A part of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Name of the part.
    pub name: &'static str,
    /// Bytes of its weights once loaded.
    pub weights: u64,
    /// Most bytes that it needs in addition while it runs.
    pub working: u64,
}

impl Stage {
    /// Bytes needed while it runs alone.
    pub fn total(&self) -> u64 {
        self.weights + self.working
    }
}

/// Which parts stay loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residency {
    /// Every part stays for the next run.
    All,
    /// Each part is dropped before the next is loaded.
    OneByOne,
}

/// The memory that all parts of a run need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The parts in the order in which they run.
    pub stages: Vec<Stage>,
    /// Bytes available to us; `None` where the system does not say.
    pub available: Option<u64>,
    /// Which parts stay loaded, given both.
    pub keeping: Residency,
}

impl MemoryPlan {
    /// Compares the needs of `stages` with `available` bytes.
    pub fn new(stages: Vec<Stage>, available: Option<u64>) -> Self {
        let all = total_weights(&stages) + largest(&stages, |stage| stage.working);
        // Half of the memory is left for the host application and others.
        let fits = available.is_some_and(|available| all <= available / 2);
        let keeping = if fits { Residency::All } else { Residency::OneByOne };
        Self { stages, available, keeping }
    }

    /// Most bytes that the run needs at once.
    pub fn peak(&self) -> u64 {
        match self.keeping {
            Residency::All => {
                total_weights(&self.stages) + largest(&self.stages, |stage| stage.working)
            }
            Residency::OneByOne => largest(&self.stages, Stage::total),
        }
    }

    /// Whether the run fits; `true` if the available memory is unknown.
    pub fn fits(&self) -> bool {
        self.available.is_none_or(|available| self.peak() <= available)
    }
}

fn total_weights(stages: &[Stage]) -> u64 {
    stages.iter().map(|stage| stage.weights).sum()
}

fn largest(stages: &[Stage], size: impl Fn(&Stage) -> u64) -> u64 {
    stages.iter().map(size).max().unwrap_or(0)
}

const GIB: f64 = (1u64 << 30) as f64;

impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let gib = |bytes: u64| bytes as f64 / GIB;
        writeln!(f, "{:24} {:>9} {:>9}", "memory in GiB", "weights", "working")?;
        for stage in &self.stages {
            let (weights, working) = (gib(stage.weights), gib(stage.working));
            writeln!(f, "{:24} {weights:9.2} {working:9.2}", stage.name)?;
        }
        let how = match self.keeping {
            Residency::All => "all parts stay loaded",
            Residency::OneByOne => "one part at a time",
        };
        write!(f, "needed at most {:.1} GiB, {how}; ", gib(self.peak()))?;
        match self.available {
            Some(available) => write!(f, "available {:.1} GiB", gib(available)),
            None => write!(f, "available memory unknown"),
        }
    }
}

/// Working memory of the towers and of loading: one weight in f32 while it is packed.
pub const TOWER_WORKING: u64 = 512 << 20;

/// Most bytes of the UNet's activations, which have the type `dtype`.
pub fn unet_working(config: &UnetConfig, size: RunSize, dtype: DType) -> u64 {
    let latent = size.frames * (size.height / 8) * (size.width / 8);
    // Skip connections, a gated hidden layer, and packed keys and values, in units of the first
    // level.
    const LEVELS: usize = 28;
    (latent * config.levels.model_channels * LEVELS * dtype.size_in_bytes()) as u64
}

/// Most bytes of the sketch encoder's results, which are kept while the UNet runs.
pub fn sketch_working(model_channels: usize, size: RunSize, dtype: DType) -> u64 {
    let latent = size.frames * (size.height / 8) * (size.width / 8);
    (latent * model_channels * 10 * dtype.size_in_bytes()) as u64
}

/// Most bytes of the encoder's activations for two keys.
pub fn encoder_working(config: &VaeConfig, size: RunSize, dtype: DType) -> u64 {
    (2 * size.height * size.width * config.ch * 6 * dtype.size_in_bytes()) as u64
}

/// Most bytes of the decoder's activations: three at full size, plus layers that run over a few
/// frames at a time.
pub fn decoder_working(config: &VaeConfig, size: RunSize, dtype: DType) -> u64 {
    let frame = size.height * size.width * config.ch * dtype.size_in_bytes();
    const GROUPS: usize = 768 << 20;
    (3 * size.frames * frame + 6 * frame + GROUPS) as u64
}

/// Bytes needed on a GPU besides weights and activations: the driver's context, the compiled
/// kernels, the workspaces of the matrix library, and the rows that a convolution gathers.
pub const GPU_OVERHEAD: u64 = 1 << 30;

/// The kind of memory that a run uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// The machine's memory; activations are f32 in every precision.
    Cpu,
    /// An NVIDIA GPU's memory; activations have the precision of the weights.
    Cuda,
    /// What Apple's GPU may use of the machine's memory; activations have the precision of the weights.
    Metal,
}

impl MemoryKind {
    /// The kind of memory of `device`.
    pub fn of(device: &Device) -> Self {
        match device {
            Device::Cpu => Self::Cpu,
            Device::Cuda(_) => Self::Cuda,
            Device::Metal(_) => Self::Metal,
        }
    }

    /// Bytes that a part really takes there while it needs `working` bytes for its activations.
    pub fn with_overhead(self, working: u64) -> u64 {
        match self {
            Self::Cpu => working,
            Self::Cuda => working + GPU_OVERHEAD,
            // candle rounds each buffer there up to a power of two.
            Self::Metal => 2 * working + GPU_OVERHEAD,
        }
    }

    /// The type of activations for weights of type `dtype`.
    pub fn activations(self, dtype: DType) -> DType {
        match self {
            Self::Cpu => DType::F32,
            Self::Cuda | Self::Metal => dtype,
        }
    }
}

/// Bytes of memory still available on `device`; `None` if unknown.
pub fn available_on(device: &Device) -> Option<u64> {
    match device {
        Device::Cpu => available(),
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            let context = device.cuda_stream().context().clone();
            context.mem_get_info().ok().map(|(free, _)| free as u64)
        }
        #[cfg(feature = "metal")]
        Device::Metal(device) => {
            let (most, used) =
                (device.recommended_max_working_set_size(), device.current_allocated_size());
            Some(most.saturating_sub(used) as u64)
        }
        _ => None,
    }
}

/// Bytes of memory still available to this process: the system's free memory, or what remains of a
/// container's limit, whichever is less. `None` if neither is known.
pub fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let free = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    });
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let limit = number("/sys/fs/cgroup/memory.max").and_then(|limit| {
        let used = number("/sys/fs/cgroup/memory.current")?;
        Some(limit.saturating_sub(used))
    });
    match (free, limit) {
        (Some(free), Some(limit)) => Some(free.min(limit)),
        (known, None) | (None, known) => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages() -> Vec<Stage> {
        vec![
            Stage { name: "UNet", weights: 50, working: 20 },
            Stage { name: "decoder", weights: 4, working: 40 },
        ]
    }

    #[test]
    fn keeps_everything_only_where_half_stays_free() {
        assert_eq!(MemoryPlan::new(stages(), Some(188)).keeping, Residency::All);
        assert_eq!(MemoryPlan::new(stages(), Some(187)).keeping, Residency::OneByOne);
        assert_eq!(MemoryPlan::new(stages(), None).keeping, Residency::OneByOne);
    }

    #[test]
    fn a_gpu_takes_more_than_its_activations() {
        assert_eq!(MemoryKind::Cpu.with_overhead(5), 5);
        assert_eq!(MemoryKind::Cuda.with_overhead(5), 5 + GPU_OVERHEAD);
        assert_eq!(MemoryKind::Metal.with_overhead(5), 10 + GPU_OVERHEAD);
    }

    #[test]
    fn the_largest_part_alone_decides_what_is_needed() {
        let plan = MemoryPlan::new(stages(), Some(80));
        assert_eq!(plan.peak(), 70);
        assert!(plan.fits());
        assert!(!MemoryPlan::new(stages(), Some(69)).fits());
    }

    #[test]
    fn the_released_model_stays_within_its_bounds() {
        let size = RunSize { frames: 16, height: 320, width: 512 };
        let decode = decoder_working(&VaeConfig::default(), size, DType::F32);
        assert!(decode < 6 << 30, "the decode takes {decode} bytes above its weights");
        let unet = unet_working(&UnetConfig::default(), size, DType::F32);
        assert!(unet + 1_438_854_980 * 4 < 14 << 30);
        // bf16 on a card of 12 GB, one part at a time.
        let unet = unet_working(&UnetConfig::default(), size, DType::BF16) + 1_438_854_980 * 2;
        let decode = decoder_working(&VaeConfig::default(), size, DType::BF16) + 100_000_000 * 2;
        let largest = unet.max(decode) + GPU_OVERHEAD;
        assert!(largest < 12_000_000_000, "{unet} and {decode} bytes");
    }
}
