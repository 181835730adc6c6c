//! The arguments of `render`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use image::ImageFormat;
use inbetween_core::settings::list::{
    CHART, CUSTOM_CHART, ENGINE, EXPOSURE, FIRST_KEY, LAST_KEY, QUALITY, SKETCH_LINES,
    SKETCH_STRENGTH,
};
use inbetween_core::sketch::Lines;
use inbetween_core::timing::{Chart, Exposure, Timing};
use inbetween_core::{EngineKind, Quality};

use super::usage;
use crate::cli::frame_and_file;
use crate::failure::Result;
use crate::options::{Chosen, ToonCrafterOptions, choice, help, name_of_default, number};
use crate::pictures::Depth;
use crate::presets;

/// Arguments of `render`. Of an option given twice the last counts.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct Render {
    /// The first key: PNG, JPEG, TIFF, EXR or WebP.
    pub first: PathBuf,
    /// The last key, of the same size.
    pub last: PathBuf,
    /// Folder for the frames.
    #[arg(long)]
    pub out: PathBuf,
    #[arg(long, help = help(&ENGINE), value_parser = choice(&ENGINE), default_value = name_of_default(&ENGINE))]
    pub(crate) engine: Chosen<EngineKind>,
    /// Set chart, exposure, engine and quality for a task that comes up often; those that are given count more.
    #[arg(long, value_parser = PossibleValuesParser::new(presets::names("render")))]
    pub preset: Option<String>,
    /// The frame that the first key stands on.
    #[arg(long, default_value_t = FIRST_KEY.kind.default as u32)]
    pub start: u32,
    /// Frames between the keys.
    #[arg(long, default_value_t = (LAST_KEY.kind.default - FIRST_KEY.kind.default) as u32 - 1)]
    pub in_betweens: u32,
    /// Only these frames, as 3-5 or 4; without it all, keys included.
    #[arg(long)]
    pub frames: Option<String>,
    #[arg(
        long, help = help(&CHART), value_parser = choice(&CHART), default_value = name_of_default(&CHART),
        conflicts_with = "positions"
    )]
    pub(crate) chart: Chosen<Chart>,
    /// A custom chart: positions from 0 to 1, as "0.1 35% 2/3".
    #[arg(long)]
    pub positions: Option<String>,
    #[arg(long, help = help(&EXPOSURE), value_parser = choice(&EXPOSURE), default_value = name_of_default(&EXPOSURE))]
    pub(crate) exposure: Exposure,
    /// A sketch and the frame it is for, as 5=sketch.png. May be repeated.
    #[arg(long, value_parser = frame_and_file)]
    pub sketch: Vec<(usize, PathBuf)>,
    #[arg(
        long, help = help(&SKETCH_LINES), value_parser = choice(&SKETCH_LINES),
        default_value = name_of_default(&SKETCH_LINES)
    )]
    pub(crate) lines: Lines,
    #[arg(
        long, help = help(&SKETCH_STRENGTH), value_parser = number(&SKETCH_STRENGTH),
        default_value_t = SKETCH_STRENGTH.kind.default
    )]
    pub(crate) sketch_strength: f64,
    #[arg(long, help = help(&QUALITY), value_parser = choice(&QUALITY), default_value = name_of_default(&QUALITY))]
    pub(crate) quality: Quality,
    /// ToonCrafter's weights; without it the ones that `models download` fetched.
    #[arg(long)]
    pub checkpoint: Option<PathBuf>,
    /// ToonCrafter's sketch encoder.
    #[arg(long)]
    pub sketch_checkpoint: Option<PathBuf>,
    /// What ToonCrafter is told.
    #[command(flatten)]
    pub model: ToonCrafterOptions,
    /// Folder of the cache, shared by all that name the same; the user's own unless given.
    #[arg(long)]
    pub cache: Option<PathBuf>,
    /// Let the worker process draw ToonCrafter's frames, which keeps the model loaded for the next
    /// command and is shared with the plug-in.
    #[arg(long)]
    pub worker: bool,
    /// Kind of the written frames. Without it they are as the first key: kind of file, depth, colour profile,
    /// compression, attributes.
    #[arg(long, value_enum, default_value = "keys")]
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
            None => match &self.chart {
                Some(chart) => chart.clone(),
                None => Chart::from_str(&CUSTOM_CHART.kind.default.to_string_lossy())?,
            },
        };
        let (first, last) = (f64::from(self.start), f64::from(self.last_frame()?));
        Ok(Timing::new(first, last, chart, self.exposure)?)
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

/// Kind of written frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// As the keys are.
    Keys,
    /// PNG with 8 bits.
    Png,
    /// PNG with 16 bits.
    Png16,
    /// TIFF with 8 bits.
    Tiff,
    /// TIFF with 16 bits.
    Tiff16,
    /// JPEG, without transparency.
    Jpeg,
    /// WebP with 8 bits, lossless.
    Webp,
    /// OpenEXR with half floats: linear, premultiplied, values above 1 kept.
    Exr,
    /// The same with floats of 32 bits.
    Exr32,
}

impl FileFormat {
    /// The kind of file and the depth of its samples; nothing where the keys decide.
    pub(super) fn kind(self) -> Option<(ImageFormat, Depth)> {
        Some(match self {
            Self::Keys => return None,
            Self::Png => (ImageFormat::Png, Depth::Eight),
            Self::Png16 => (ImageFormat::Png, Depth::Sixteen),
            Self::Tiff => (ImageFormat::Tiff, Depth::Eight),
            Self::Tiff16 => (ImageFormat::Tiff, Depth::Sixteen),
            Self::Jpeg => (ImageFormat::Jpeg, Depth::Eight),
            Self::Webp => (ImageFormat::WebP, Depth::Eight),
            Self::Exr => (ImageFormat::OpenExr, Depth::Half),
            Self::Exr32 => (ImageFormat::OpenExr, Depth::Float),
        })
    }
}
