//! The arguments of `render`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use inbetween_core::sketch::Lines;
use inbetween_core::timing::{Chart, Exposure, Timing};

use super::usage;
use crate::cli::{ComputePrecision, DeviceName, SolverName, frame_and_file, share};
use crate::failure::Result;

/// Arguments of `render`. Of an option given twice the last counts.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct Render {
    /// The first key: PNG, JPEG, TIFF or EXR.
    pub first: PathBuf,
    /// The last key, of the same size.
    pub last: PathBuf,
    /// Folder for the frames.
    #[arg(long)]
    pub out: PathBuf,
    /// What draws. Auto is ToonCrafter where --checkpoint names one, else Flow.
    #[arg(long, value_enum, default_value = "auto")]
    pub engine: EngineName,
    /// The frame that the first key stands on.
    #[arg(long, default_value_t = 1)]
    pub start: u32,
    /// Frames between the keys.
    #[arg(long, default_value_t = 7)]
    pub in_betweens: u32,
    /// Only these frames, as 3-5 or 4; without it all, keys included.
    #[arg(long)]
    pub frames: Option<String>,
    /// How the in-betweens are spread.
    #[arg(long, value_enum, default_value = "linear", conflicts_with = "positions")]
    pub chart: ChartName,
    /// A chart of your own: positions from 0 to 1, as "0.1 35% 2/3".
    #[arg(long)]
    pub positions: Option<String>,
    /// For how many frames each drawing is held.
    #[arg(long, value_enum, default_value = "ones")]
    pub exposure: ExposureName,
    /// A sketch and the frame it is for, as 5=sketch.png. May be repeated.
    #[arg(long, value_parser = frame_and_file)]
    pub sketch: Vec<(usize, PathBuf)>,
    /// How lines stand out in sketches.
    #[arg(long, value_enum, default_value = "auto")]
    pub lines: LinesName,
    /// How closely sketches are followed, 0 to 1.
    #[arg(long, value_parser = share, default_value = "0.6")]
    pub sketch_strength: f64,
    /// ToonCrafter's weights; without it the ones that `models download` fetched.
    #[arg(long)]
    pub checkpoint: Option<PathBuf>,
    /// ToonCrafter's sketch encoder.
    #[arg(long)]
    pub sketch_checkpoint: Option<PathBuf>,
    /// What happens, in English; for ToonCrafter.
    #[arg(long, default_value = "")]
    pub prompt: String,
    /// Another seed gives another in-between; for ToonCrafter.
    #[arg(long, default_value_t = 123)]
    pub seed: u64,
    /// Steps of the solver; for ToonCrafter.
    #[arg(long, default_value_t = inbetween_core::settings::DEFAULT_STEPS)]
    pub steps: u32,
    /// How the steps are taken.
    #[arg(long, value_enum, default_value = "unipc")]
    pub solver: SolverName,
    /// Strength of keys and prompt together, 1 to 30.
    #[arg(long, default_value_t = 7.5)]
    pub guidance: f64,
    /// How much contrast is brought back after guidance, 0 to 1.
    #[arg(long, value_parser = share, default_value = "0.7")]
    pub rescale: f64,
    /// Amount of motion, 1 to 60: small for large motion.
    #[arg(long, default_value_t = 10.0)]
    pub motion: f64,
    /// Where ToonCrafter computes.
    #[arg(long, value_enum, default_value = "auto")]
    pub device: DeviceName,
    /// Precision; f32 on the CPU and bf16 on a GPU unless given.
    #[arg(long, value_enum)]
    pub precision: Option<ComputePrecision>,
    /// Most memory that ToonCrafter may take, in MiB.
    #[arg(long)]
    pub memory_limit: Option<u32>,
    /// Folder of the cache, shared by all that name the same; the user's own unless given.
    #[arg(long)]
    pub cache: Option<PathBuf>,
    /// Let the worker process draw ToonCrafter's frames, which keeps the model loaded for the next
    /// command and is shared with the plug-in.
    #[arg(long)]
    pub worker: bool,
    /// Form of the written frames: 8 or 16 bits as displays show them, or linear half floats.
    #[arg(long, value_enum, default_value = "png")]
    pub format: FileFormat,
    /// Write a contact sheet, sheet.png, too.
    #[arg(long)]
    pub sheet: bool,
    /// Write an animation, preview.gif, too, at so many frames per second.
    #[arg(long, num_args = 0..=1, default_missing_value = "12", value_name = "FPS")]
    pub preview: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

impl Render {
    pub(super) fn last_frame(&self) -> Result<u32> {
        let last = self.start.checked_add(self.in_betweens).and_then(|last| last.checked_add(1));
        last.filter(|_| self.in_betweens <= 100_000)
            .ok_or_else(|| usage("At most 100000 in-betweens can be drawn at once."))
    }

    pub(super) fn timing(&self) -> Result<Timing> {
        let chart = match &self.positions {
            Some(text) => Chart::from_str(text)?,
            None => self.chart.into(),
        };
        let (first, last) = (f64::from(self.start), f64::from(self.last_frame()?));
        Ok(Timing::new(first, last, chart, self.exposure.into())?)
    }

    pub(super) fn frames_wanted(&self) -> Result<Vec<u32>> {
        let (first, last) = (self.start, self.last_frame()?);
        let Some(text) = &self.frames else { return Ok((first..=last).collect()) };
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let range = from.trim().parse::<u32>().ok().zip(to.trim().parse::<u32>().ok());
        match range {
            Some((from, to)) if first <= from && from <= to && to <= last => {
                Ok((from..=to).collect())
            }
            _ => Err(usage(format!(
                "Frames are written as 3-5 or 4, and lie between the keys on frames {first} and {last}."
            ))),
        }
    }
}

/// Which engine draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// ToonCrafter where a checkpoint is named, else Flow.
    Auto,
    /// On any machine, in a moment.
    Flow,
    /// The generative model.
    Tooncrafter,
}

/// The names of timing charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChartName {
    /// Evenly.
    Linear,
    /// Closer before the last key.
    EaseIn,
    /// Closer after the first key.
    EaseOut,
    /// Closer at both keys.
    EaseInOut,
    /// The middle drawing on a third.
    FavourFirst,
    /// The middle drawing on two thirds.
    FavourLast,
}

impl From<ChartName> for Chart {
    fn from(name: ChartName) -> Self {
        match name {
            ChartName::Linear => Self::Linear,
            ChartName::EaseIn => Self::EaseIn,
            ChartName::EaseOut => Self::EaseOut,
            ChartName::EaseInOut => Self::EaseInOut,
            ChartName::FavourFirst => Self::FavourFirst,
            ChartName::FavourLast => Self::FavourLast,
        }
    }
}

/// The names of exposures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExposureName {
    /// A drawing for each frame.
    Ones,
    /// A drawing for two frames.
    Twos,
    /// A drawing for three frames.
    Threes,
}

impl From<ExposureName> for Exposure {
    fn from(name: ExposureName) -> Self {
        match name {
            ExposureName::Ones => Self::Ones,
            ExposureName::Twos => Self::Twos,
            ExposureName::Threes => Self::Threes,
        }
    }
}

/// How lines stand out in sketches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinesName {
    /// Found out.
    Auto,
    /// Ink on paper.
    DarkOnLight,
    /// Chalk on black.
    LightOnDark,
    /// Strokes on transparency.
    Alpha,
}

impl From<LinesName> for Lines {
    fn from(name: LinesName) -> Self {
        match name {
            LinesName::Auto => Self::Auto,
            LinesName::DarkOnLight => Self::DarkOnLight,
            LinesName::LightOnDark => Self::LightOnDark,
            LinesName::Alpha => Self::Alpha,
        }
    }
}

/// Form of written frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// PNG with 8 bits.
    Png,
    /// PNG with 16 bits.
    Png16,
    /// OpenEXR, linear, premultiplied, values above 1 kept.
    Exr,
}
