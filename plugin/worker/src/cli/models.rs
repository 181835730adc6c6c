//! The arguments of `models` and its commands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use inbetween_tooncrafter::weights::Element;

/// The commands for weight files.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// Describe a weight file: its kind, its parts, their size and precision.
    Inspect(Inspect),
    /// Check that weight files have every tensor that the model needs, with the right shape.
    Verify(Verify),
    /// Write a weight file in half precision, at half the size of the published one.
    Convert(Convert),
    /// Fetch the published weights from their public home.
    Download(Download),
    /// Write random weights in the released layout, for timing and tests.
    #[command(hide = true)]
    Random(Random),
}

/// Arguments of `models inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// A .ckpt, .pth, .bin or .safetensors file.
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `models verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The checkpoint; for a pruned one, also the files of the CLIP towers.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The file is the sketch encoder.
    #[arg(long)]
    pub sketch: bool,
    /// The files are the small model from `models random --tiny`.
    #[arg(long, hide = true)]
    pub tiny: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `models convert`.
#[derive(Debug, Args)]
pub struct Convert {
    /// The file to read.
    pub input: PathBuf,
    /// The .safetensors file to write.
    pub output: PathBuf,
    /// Precision of the written weights. bf16 keeps the range of f32 and suits GPUs from 2020 on.
    #[arg(long, alias = "dtype", value_enum)]
    pub precision: HalfPrecision,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `models download`.
#[derive(Debug, Args)]
pub struct Download {
    /// Fetch the sketch encoder too.
    #[arg(long)]
    pub sketch: bool,
    /// Folder for the files; by default the one where AI In-between looks for them.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// I have read the licence of the weights and accept it.
    #[arg(long)]
    pub accept_licence: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Another server with the same layout.
    #[arg(long, hide = true)]
    pub endpoint: Option<String>,
}

/// Arguments of `models random`.
#[derive(Debug, Args)]
pub struct Random {
    /// The .safetensors file to write.
    pub file: PathBuf,
    /// What to write.
    #[arg(long, value_enum, default_value = "full")]
    pub layout: RandomLayout,
    /// Write a model of two million parameters instead of one of the released size.
    #[arg(long)]
    pub tiny: bool,
    /// Precision.
    #[arg(long, alias = "dtype", value_enum, default_value = "f16")]
    pub precision: Precision,
    /// Seed; another number gives other weights.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// The file that random weights imitate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RandomLayout {
    /// The whole main checkpoint.
    Full,
    /// The sketch encoder.
    Sketch,
}

/// Precision of converted weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HalfPrecision {
    /// 16 bits with the range of f32.
    Bf16,
    /// 16 bits with more digits and less range.
    F16,
}

impl From<HalfPrecision> for Element {
    fn from(precision: HalfPrecision) -> Self {
        match precision {
            HalfPrecision::Bf16 => Self::BF16,
            HalfPrecision::F16 => Self::F16,
        }
    }
}

/// Precision of random weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 16 bits with the range of f32.
    Bf16,
    /// 16 bits with more digits and less range.
    F16,
}

impl From<Precision> for Element {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::BF16,
            Precision::F16 => Self::F16,
        }
    }
}
