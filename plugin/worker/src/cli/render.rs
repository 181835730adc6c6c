//! The arguments of `render`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args, ValueEnum};
use image::ImageFormat;
use inbetween_core::settings::list::{
    CHART, CUSTOM_CHART, ENGINE, EXPOSURE, FIRST_KEY, LAST_KEY, MOTION_PATH, MotionPath, OUTPUT,
    QUALITY, SKETCH_LINES, SKETCH_STRENGTH,
};
use inbetween_core::sketch::Lines;
use inbetween_core::timing::{Chart, Exposure, Timing};
use inbetween_core::{EngineKind, Output, Quality};

use super::pins::PixelPin;
use crate::failure::{Failure, Kind, Result};
use crate::options::{
    Chosen, ToonCrafterOptions, choice, frame_and_file, help, help_of_each_span, name_of_default,
    number,
};
use crate::pictures::Depth;
use crate::presets;
use crate::progress::ProgressForm;

/// Frames between two keys: the default, and the most.
const IN_BETWEENS: u32 = (LAST_KEY.kind.default - FIRST_KEY.kind.default) as u32 - 1;
const MOST_IN_BETWEENS: u32 = 100_000;

/// Arguments of `render`. If an option is given twice, the last one counts.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct Render {
    /// The first key: PNG, JPEG, TIFF, EXR or WebP.
    #[arg(required_unless_present = "keys", default_value = "-", hide_default_value = true)]
    pub first: PathBuf,
    /// The last key, of the same size.
    #[arg(required_unless_present = "keys", default_value = "-", hide_default_value = true)]
    pub last: PathBuf,
    /// Further keys, in order. All frames from the first key to the last are drawn as one movement.
    #[arg(value_name = "KEY", conflicts_with = "keys")]
    pub further: Vec<PathBuf>,
    /// The frames of the keys, as 1,7,12,20: one number for each. By default the keys are evenly
    /// spaced.
    #[arg(long, value_name = "FRAMES", value_delimiter = ',', conflicts_with_all = ["keys", "start", "in_betweens"])]
    pub at: Vec<u32>,
    /// A sequence of keys in place of two, as keys/key_%04d.png, key.####.exr or a folder. The
    /// frames between each key and the next are drawn. The number in a key's name is its frame;
    /// with --in-betweens, keys are evenly spaced instead.
    #[arg(long, conflicts_with_all = ["first", "last"])]
    pub keys: Option<PathBuf>,
    /// The numbers of the keys to use, as 1,9,17-20; by default all that exist.
    #[arg(long, requires = "keys", allow_hyphen_values = true)]
    pub key_frames: Option<String>,
    /// With several keys, draw only this span: 1 is the one from the first key to the second.
    #[arg(long)]
    pub span: Option<usize>,
    /// Sketches for a sequence, named by the number of their frame, as sketches/sketch.%04d.png or
    /// a folder.
    #[arg(long, requires = "keys")]
    pub sketches: Option<PathBuf>,
    /// Folder for the frames.
    #[arg(long)]
    pub out: PathBuf,
    #[arg(long, help = help(&ENGINE), value_parser = choice(&ENGINE), default_value = name_of_default(&ENGINE))]
    pub(crate) engine: Chosen<EngineKind>,
    /// Set chart, exposure, engine and quality for a common task; options that are given take
    /// precedence.
    #[arg(long, value_parser = PossibleValuesParser::new(presets::names("render")))]
    pub preset: Option<String>,
    /// The frame of the first key.
    #[arg(long, default_value_t = FIRST_KEY.kind.default as u32)]
    pub start: u32,
    /// Number of frames between two keys; 7 by default, unless the keys are numbered.
    #[arg(long)]
    pub in_betweens: Option<u32>,
    /// Draw only these frames, as 3-5 or 4; by default all, including the keys.
    #[arg(long)]
    pub frames: Option<String>,
    #[arg(
        long, help = help_of_each_span(&CHART), value_parser = choice(&CHART), default_value = name_of_default(&CHART),
        action = ArgAction::Set, value_delimiter = ',', conflicts_with = "positions"
    )]
    pub(crate) chart: Vec<Chosen<Chart>>,
    /// A custom chart: positions from 0 to 1, as "0.1 35% 2/3". One for all spans, or one for each with | between them.
    #[arg(long)]
    pub positions: Option<String>,
    #[arg(
        long, help = help_of_each_span(&EXPOSURE), value_parser = choice(&EXPOSURE),
        default_value = name_of_default(&EXPOSURE), action = ArgAction::Set, value_delimiter = ','
    )]
    pub(crate) exposure: Vec<Exposure>,
    /// A sketch and its frame, as 5=sketch.png. May be repeated.
    #[arg(long, value_parser = frame_and_file)]
    pub sketch: Vec<(usize, PathBuf)>,
    /// A pin: the place of a point of a figure in the first key and in the last, in pixels to the
    /// right and down from the top left corner of the keys, as 100,80:240,60. It binds the figure
    /// or part under it and moves nothing else. One pin shifts, two turn and scale, three stretch
    /// and slant. With @0.5:170,20 appended, the path bends through that place at that position,
    /// where 0 is the first key and 1 the last. May be repeated, up to 12 times. Engine: Flow.
    #[arg(long, value_name = "X,Y:X,Y[@T:X,Y]", allow_hyphen_values = true)]
    pub pin: Vec<PixelPin>,
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
    #[arg(long, help = help(&MOTION_PATH), value_parser = choice(&MOTION_PATH), default_value = name_of_default(&MOTION_PATH))]
    pub(crate) path: MotionPath,
    #[arg(long, help = help(&QUALITY), value_parser = choice(&QUALITY), default_value = name_of_default(&QUALITY))]
    pub(crate) quality: Quality,
    #[arg(long, help = help(&OUTPUT), value_parser = choice(&OUTPUT), default_value = name_of_default(&OUTPUT))]
    pub(crate) output: Output,
    /// ToonCrafter's weights; by default the ones that `models download` fetched.
    #[arg(long)]
    pub checkpoint: Option<PathBuf>,
    /// ToonCrafter's sketch encoder.
    #[arg(long)]
    pub sketch_checkpoint: Option<PathBuf>,
    /// ToonCrafter's settings.
    #[command(flatten)]
    pub model: ToonCrafterOptions,
    /// Folder of the cache, which all commands that name it share; by default the user's own.
    #[arg(long)]
    pub cache: Option<PathBuf>,
    /// Let the worker process draw ToonCrafter's frames. It keeps the model loaded for the next
    /// command and is shared with the plug-in.
    #[arg(long)]
    pub worker: bool,
    /// Format of the written frames. By default they are like the first key: format, depth, colour
    /// profile, compression, attributes.
    #[arg(long, value_enum, default_value = "keys")]
    pub format: FileFormat,
    /// Also write a contact sheet, sheet.png.
    #[arg(long)]
    pub sheet: bool,
    /// Outline on the sheet what cannot be trusted in a drawing.
    #[arg(long, requires = "sheet")]
    pub mark_unsure: bool,
    /// Also write an animation, preview.gif, with this many frames per second.
    #[arg(long, num_args = 0..=1, default_missing_value = "12", value_name = "FPS")]
    pub preview: Option<u32>,
    /// How to show progress: a bar in a terminal, lines such as "progress 42 %", or the messages of
    /// Open Job Description.
    #[arg(long, value_enum, default_value = "bar")]
    pub progress: ProgressForm,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// For a span of a sequence: every key of the sequence with its frame.
    #[arg(skip)]
    pub(crate) sequence: Vec<(u32, PathBuf)>,
    /// The key before the span and the one after it, each with its position, where 0 is the first
    /// key and 1 the last.
    #[arg(skip)]
    pub(crate) neighbours: [Option<(f64, PathBuf)>; 2],
    /// For a span in a sequence: its own chart and exposure.
    #[arg(skip)]
    pub(crate) timed: Option<(Chart, Exposure)>,
}

impl Render {
    /// Number of frames between two keys.
    pub(crate) fn in_betweens(&self) -> Result<u32> {
        let in_betweens = self.in_betweens.unwrap_or(IN_BETWEENS);
        if in_betweens > MOST_IN_BETWEENS {
            return Err(usage("At most 100000 in-betweens can be drawn at once."));
        }
        Ok(in_betweens)
    }

    pub(crate) fn last_frame(&self) -> Result<u32> {
        let last = self.start.checked_add(self.in_betweens()?).and_then(|last| last.checked_add(1));
        last.ok_or_else(|| usage("There are more frames than can be numbered."))
    }

    /// Chart and exposure of span `at` of `spans`, counted from 0.
    pub(crate) fn timing_of(&self, at: usize, spans: usize) -> Result<(Chart, Exposure)> {
        let exposure = *of_span("exposure", &self.exposure, at, spans)?;
        let chart = match &self.positions {
            Some(text) => {
                let charts: Vec<&str> = text.split('|').collect();
                Chart::from_str(of_span("positions", &charts, at, spans)?)?
            }
            None => match of_span("chart", &self.chart, at, spans)? {
                Some(chart) => chart.clone(),
                None => Chart::from_str(&CUSTOM_CHART.kind.default.to_string_lossy())?,
            },
        };
        Ok((chart, exposure))
    }

    /// The timing, if these arguments have only one span.
    pub(crate) fn timing(&self) -> Result<Timing> {
        let (chart, exposure) = match &self.timed {
            Some(timed) => timed.clone(),
            None => self.timing_of(0, 1)?,
        };
        let (first, last) = (f64::from(self.start), f64::from(self.last_frame()?));
        Ok(Timing::new(first, last, chart, exposure)?)
    }

    pub(crate) fn frames_wanted(&self) -> Result<Vec<u32>> {
        let (first, last) = (self.start, self.last_frame()?);
        let Some(text) = &self.frames else { return Ok((first..=last).collect()) };
        match frame_range(text) {
            Some((from, to)) if first <= from && from <= to && to <= last => {
                Ok((from..=to).collect())
            }
            _ => Err(usage(format!(
                "Frames are written as 3-5 or 4, and lie between the keys on frames {first} and {last}."
            ))),
        }
    }
}

/// The entry of `all` for span `at`, counted from 0.
fn of_span<'a, T>(option: &str, all: &'a [T], at: usize, spans: usize) -> Result<&'a T> {
    match all {
        [one] => Ok(one),
        all if all.len() == spans => Ok(&all[at]),
        all => Err(usage(format!(
            "--{option} is one for all spans or one for each: there are {spans} spans, and {} are given.",
            all.len()
        ))),
    }
}

/// Reads 3-5 or 4.
pub(crate) fn frame_range(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    from.trim().parse::<u32>().ok().zip(to.trim().parse::<u32>().ok())
}

/// Format of written frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// Like the keys.
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
    /// The same with 32-bit floats.
    Exr32,
}

impl FileFormat {
    /// The file format and the depth of its samples; `None` where the keys decide.
    pub(crate) fn kind(self) -> Option<(ImageFormat, Depth)> {
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

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Kind::Usage, message)
}
