//! The commands and their arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use inbetween_core::retime::Rate;
use inbetween_tooncrafter::weights::Element;

use crate::render::Render;

/// Draws the frames between two key drawings, and cares for the weights this needs.
#[derive(Debug, Parser)]
#[command(
    name = "inbetween",
    version,
    after_help = "Exit codes: 0 done, 2 wrong usage, 3 a file cannot be read or written, 4 a weight \
                  file is damaged or refused, 5 weights do not fit the model, 6 network, 7 licence not \
                  accepted, 8 drawing failed."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Draw the frames between two keys at their own size, with either engine.
    Render(Box<Render>),
    /// Look at the cache of drawings, check it and make room.
    #[command(subcommand)]
    Cache(Cache),
    /// Say what is right and wrong on this machine, and what to do.
    Doctor(Doctor),
    /// Print the completions of a shell.
    Completions(Completions),
    /// Run ToonCrafter alone: its 16 frames, at its own size, for comparing with the published program.
    #[command(hide = true)]
    Generate(Box<Generate>),
    /// Retime a clip to another frame rate: what is held for twos and threes becomes smooth motion.
    Retime(Retime),
    /// Draw for the plug-ins of this user; they start it themselves.
    Serve(Serve),
    /// Look at weight files, check, convert and fetch them.
    #[command(subcommand)]
    Models(Models),
}

/// Arguments of `generate`. Of an option given twice the last counts, so that scripts can add to
/// a fixed command.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct Generate {
    /// The first key picture.
    pub first: PathBuf,
    /// The last key picture.
    pub last: PathBuf,
    /// The weights: model.ckpt or a .safetensors file.
    #[arg(long)]
    pub checkpoint: PathBuf,
    /// A file with weights that the checkpoint lacks: CLIP towers, sketch encoder. May be repeated.
    #[arg(long)]
    pub extra: Vec<PathBuf>,
    /// Folder for the frames.
    #[arg(long, default_value = "out")]
    pub out: PathBuf,
    /// Only say how much memory this would take; for a GPU also where there is none.
    #[arg(long)]
    pub plan: bool,
    /// What happens, in English; may be left out.
    #[arg(long, default_value = "")]
    pub prompt: String,
    /// Another seed gives another in-between.
    #[arg(long, default_value_t = 123)]
    pub seed: u64,
    /// Steps; 50 for ddim and 20 for unipc unless given.
    #[arg(long)]
    pub steps: Option<usize>,
    /// How the steps are taken: ddim as published, unipc in fewer steps.
    #[arg(long, value_enum, default_value = "ddim")]
    pub solver: SolverName,
    /// Fresh noise per step, 0 to 1 (ddim).
    #[arg(long, value_parser = share, default_value = "1")]
    pub eta: f64,
    /// Strength of keys and prompt together.
    #[arg(long, value_parser = strength, default_value = "7.5")]
    pub guidance: f64,
    /// Strength of the keys on their own, at the price of a third network call per step.
    #[arg(long, value_parser = strength)]
    pub image_guidance: Option<f64>,
    /// How much contrast is brought back after guidance, 0 to 1.
    #[arg(long, value_parser = share, default_value = "0.7")]
    pub rescale: f64,
    /// Amount of motion, 1 to 60: small for large motion. The model was trained on 5 to 30.
    #[arg(long, alias = "fs", default_value_t = 10.0)]
    pub motion: f32,
    /// Frames with both keys: an even number from 4 to 16. The model knows 16 best.
    #[arg(long, default_value_t = 16)]
    pub frames: usize,
    /// Size that the model works in; multiples of 64. It was trained on 512x320.
    #[arg(long, value_parser = size, default_value = "512x320")]
    pub size: (usize, usize),
    /// A sketch and the frame it is for, as 8=sketch.png; needs the sketch encoder. May be repeated.
    #[arg(long, value_parser = frame_and_file)]
    pub sketch: Vec<(usize, PathBuf)>,
    /// How closely sketches are followed, 0 to 1.
    #[arg(long, alias = "sketch-scale", value_parser = share, default_value = "0.6")]
    pub sketch_strength: f64,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "auto")]
    pub device: DeviceName,
    /// Precision; f32 on the CPU and bf16 on a GPU unless given.
    #[arg(long, alias = "dtype", value_enum)]
    pub precision: Option<ComputePrecision>,
    /// Write a contact sheet of all frames too.
    #[arg(long)]
    pub sheet: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The checkpoint is the small model of `models random --tiny`.
    #[arg(long, hide = true)]
    pub tiny: bool,
}

fn size(text: &str) -> std::result::Result<(usize, usize), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides.ok_or_else(|| "a size is written as 512x320".into())
}

pub(crate) fn share(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "it lies between 0 and 1".into())
}

fn strength(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "it lies between 0 and 100".into())
}

pub(crate) fn frame_and_file(text: &str) -> std::result::Result<(usize, PathBuf), String> {
    let parts = text.split_once('=').and_then(|(n, file)| Some((n.parse().ok()?, file.into())));
    parts.ok_or_else(|| "a sketch is written as 8=sketch.png".into())
}

/// The names of solvers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SolverName {
    /// As published.
    Ddim,
    /// Converged in 20 steps.
    Unipc,
}

/// The names of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceName {
    /// A GPU where there is one.
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

/// Precision of the networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ComputePrecision {
    /// 32 bits.
    F32,
    /// 16 bits with the range of f32.
    Bf16,
}

/// Arguments of `retime`.
#[derive(Debug, Args)]
pub struct Retime {
    /// A folder of numbered pictures, a pattern such as name.%04d.png, or a video file (needs ffmpeg).
    pub input: PathBuf,
    /// A folder, a pattern or a video file. An interrupted run goes on where it stopped.
    #[arg(required_unless_present = "x_sheet")]
    pub output: Option<PathBuf>,
    /// The new frame rate: 60, 59.94 or 60000/1001.
    #[arg(long, required_unless_present = "x_sheet")]
    pub to: Option<Rate>,
    /// The frame rate of the input; a video file knows its own, pictures count as 24.
    #[arg(long)]
    pub from: Option<Rate>,
    /// From 0, the drawings keep their rhythm, to 1, every frame has its own drawing.
    #[arg(long, value_parser = share, default_value = "1")]
    pub strength: f64,
    /// The size at which motion is looked for.
    #[arg(long, value_enum, default_value = "standard")]
    pub quality: QualityName,
    /// The encoder of ffmpeg for a video file; H.264, VP9 or ProRes 4444 unless given.
    #[arg(long)]
    pub codec: Option<String>,
    /// Replace what the output holds.
    #[arg(long)]
    pub overwrite: bool,
    /// Only tell the clip's exposure sheet: its drawings, for how many frames each is held, and the cuts.
    #[arg(long)]
    pub x_sheet: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The names of qualities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QualityName {
    /// Fast.
    Draft,
    /// Usual.
    Standard,
    /// For 4K and fine line art.
    High,
}

/// Arguments of `serve`.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// End after this long without a request, and give the memory back.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub idle_seconds: u64,
    /// End the worker that runs.
    #[arg(long)]
    pub stop: bool,
    /// Start it in the background, and return when it listens.
    #[arg(long)]
    pub background: bool,
}

/// The commands for the cache.
#[derive(Debug, Subcommand)]
pub enum Cache {
    /// List what lies in it, the longest unused first.
    List(CacheFolder),
    /// Say how large it is.
    Size(CacheFolder),
    /// Delete the longest unused until it is small enough.
    Prune(Prune),
    /// Read everything and delete what is damaged.
    Verify(CacheFolder),
}

/// Which cache.
#[derive(Debug, Args)]
pub struct CacheFolder {
    /// Its folder; the user's own unless given.
    #[arg(long = "cache", alias = "dir", value_name = "CACHE")]
    pub dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `cache prune`.
#[derive(Debug, Args)]
pub struct Prune {
    /// Which cache.
    #[command(flatten)]
    pub folder: CacheFolder,
    /// Size that may stay, in MiB; 0 deletes everything.
    #[arg(long)]
    pub to: u64,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The checkpoint to look at; without it the one that `models download` fetched.
    #[arg(long)]
    pub checkpoint: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// The commands for weight files.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// Say what a weight file is: its kind, its parts, their size and precision.
    Inspect(Inspect),
    /// Check that weight files hold every tensor that the model needs, in its shape.
    Verify(Verify),
    /// Write a weight file in half precision, half the size of the published one.
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
    /// The checkpoint, and with a pruned one the files of the CLIP towers.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The file is the sketch encoder.
    #[arg(long)]
    pub sketch: bool,
    /// The files are the small model of `models random --tiny`.
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
    /// Folder for the files; without it the one where AI In-between looks for them.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// I have read the licence of the weights and accept it.
    #[arg(long)]
    pub accept_licence: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Another server of the same layout.
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
    /// A model of two million parameters instead of the released size.
    #[arg(long)]
    pub tiny: bool,
    /// Precision.
    #[arg(long, alias = "dtype", value_enum, default_value = "f16")]
    pub precision: Precision,
    /// Another number gives other weights.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Which file random weights imitate.
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
