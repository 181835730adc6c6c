//! The commands and their arguments.

mod models;
mod pins;
mod render;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use inbetween_core::Quality;
use inbetween_core::retime::Rate;
use inbetween_core::settings::list::{
    GUIDANCE, MOTION_PATH, MotionPath, QUALITY, RESTORE, RETIME_STRENGTH, Restore, SKETCH_STRENGTH,
};

use crate::options::{ToonCrafterOptions, choice, frame_and_file, help, name_of_default, number};
use crate::presets;
use crate::progress::ProgressForm;

pub use models::{
    Convert, Download, HalfPrecision, Inspect, Models, Precision, Random, RandomLayout, Verify,
};
pub use pins::PixelPin;
pub(crate) use render::frame_range;
pub use render::{FileFormat, Render};

/// Draws the frames between two key drawings, and manages the weights this needs.
#[derive(Debug, Parser)]
#[command(
    name = "inbetween",
    version,
    after_help = "@FILE stands for the lines of FILE, one argument each.\n\nExit codes: 0 done, 2 wrong usage, 3 a file cannot be read or written, 4 a weight \
                  file is damaged or refused, 5 weights do not fit the model, 6 network, 7 licence not \
                  accepted, 8 drawing failed, 9 done as far as a damaged input allows."
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
    /// List and check the cache of drawings, and make room.
    #[command(subcommand)]
    Cache(Cache),
    /// Report what works and what does not on this machine, and what to do about it.
    Doctor(Doctor),
    /// Print the completion script of a shell.
    Completions(Completions),
    /// Write the manual pages, one for each command: man ./inbetween.1 shows the first.
    Man(Man),
    /// Run ToonCrafter alone: its 16 frames, at its own size, for comparison with the published
    /// program.
    #[command(hide = true)]
    Generate(Box<Generate>),
    /// Retime a clip to another frame rate: drawings held for twos and threes become smooth motion.
    Retime(Retime),
    /// Draw for this user's plug-ins, which start this command themselves.
    Serve(Serve),
    /// Inspect, check, convert and fetch weight files.
    #[command(subcommand)]
    Models(Models),
}

/// Arguments of `generate`. If an option is given twice, the last one counts, so that scripts can
/// append to a fixed command.
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
    /// Only print how much memory this would take, for a GPU even if there is none here, and how long it would compute.
    #[arg(long)]
    pub plan: bool,
    /// The model's settings.
    #[command(flatten)]
    pub model: ToonCrafterOptions,
    /// Fresh noise per step, 0 to 1 (ddim).
    #[arg(long, value_parser = share, default_value = "1")]
    pub eta: f64,
    /// Separate strength of the keys, at the price of a third network call per step.
    #[arg(long, value_parser = number(&GUIDANCE))]
    pub image_guidance: Option<f64>,
    /// Number of frames including both keys: even, 4 to 16. The model was trained on 16.
    #[arg(long, default_value_t = 16)]
    pub frames: usize,
    /// Size that the model works in; multiples of 64. It was trained on 512x320.
    #[arg(long, value_parser = size, default_value = "512x320")]
    pub size: (usize, usize),
    /// A sketch and its frame, as 8=sketch.png; needs the sketch encoder. May be repeated.
    #[arg(long, value_parser = frame_and_file)]
    pub sketch: Vec<(usize, PathBuf)>,
    #[arg(
        long, alias = "sketch-scale", help = help(&SKETCH_STRENGTH), value_parser = number(&SKETCH_STRENGTH),
        default_value_t = SKETCH_STRENGTH.kind.default
    )]
    pub(crate) sketch_strength: f64,
    /// Also write a contact sheet of all frames.
    #[arg(long)]
    pub sheet: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The checkpoint is the small model from `models random --tiny`.
    #[arg(long, hide = true)]
    pub tiny: bool,
}

fn size(text: &str) -> std::result::Result<(usize, usize), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides.ok_or_else(|| "a size is written as 512x320".into())
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "it must lie between 0 and 1".into())
}

fn range(text: &str) -> std::result::Result<(u64, u64), String> {
    let ends = text.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let range = ends.filter(|(first, last)| (1..=*last).contains(first));
    range.ok_or_else(|| "frames are written as 101-200, the first is 1".into())
}

fn shard(text: &str) -> std::result::Result<(u64, u64), String> {
    let parts = text.split_once('/').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let shard = parts.filter(|(number, all)| (1..=*all).contains(number));
    shard.ok_or_else(|| "a share is written as 3/16, the first is 1/16".into())
}

/// Arguments of `retime`.
#[derive(Debug, Args)]
pub struct Retime {
    /// A folder of numbered pictures, a pattern such as name.%04d.png, an animated GIF or PNG, or a
    /// video file (which needs ffmpeg).
    pub input: PathBuf,
    /// A folder, a pattern or a video file. An interrupted run continues where it stopped.
    #[arg(required_unless_present = "x_sheet")]
    pub output: Option<PathBuf>,
    /// The new frame rate: 60, 59.94 or 60000/1001. With --preset finish-the-twos, the input's own.
    #[arg(long, required_unless_present_any = ["x_sheet", "preset"])]
    pub to: Option<Rate>,
    /// Set the options below for a common task; options that are given take precedence.
    #[arg(long, value_parser = PossibleValuesParser::new(presets::names("retime")))]
    pub preset: Option<String>,
    /// The frame rate of the input. A video file knows its own; pictures count as 24.
    #[arg(long)]
    pub from: Option<Rate>,
    #[arg(long, help = help(&RESTORE), value_parser = choice(&RESTORE), default_value = name_of_default(&RESTORE))]
    pub(crate) restore: Restore,
    /// The film's rate before the transfer, 24 or 23.976, in case it is not detected correctly.
    #[arg(long, value_name = "RATE")]
    pub from_cadence: Option<Rate>,
    #[arg(
        long, help = help(&RETIME_STRENGTH), value_parser = number(&RETIME_STRENGTH),
        default_value_t = RETIME_STRENGTH.kind.default
    )]
    pub(crate) strength: f64,
    /// Hold the last frame before a cut and at the end even if the camera moves; otherwise a steady
    /// pan goes on.
    #[arg(long)]
    pub hold_camera: bool,
    /// Let subtitles, logos and counters that are burnt into the picture move with it; else they stay as they are.
    #[arg(long)]
    pub move_overlays: bool,
    #[arg(long, help = help(&MOTION_PATH), value_parser = choice(&MOTION_PATH), default_value = name_of_default(&MOTION_PATH))]
    pub(crate) path: MotionPath,
    #[arg(long, help = help(&QUALITY), value_parser = choice(&QUALITY), default_value = name_of_default(&QUALITY))]
    pub(crate) quality: Quality,
    /// ffmpeg's encoder for a video file. By default HEVC, AV1, VP9, ProRes, DNxHD and FFV1 stay as
    /// they are; everything else becomes H.264, in .webm VP9, and with transparency ProRes 4444.
    #[arg(long)]
    pub codec: Option<String>,
    /// The encoder's quality in its own numbers; a smaller number gives better quality and a larger
    /// file.
    #[arg(long)]
    pub crf: Option<f64>,
    /// How long the encoder may take for a smaller file, in its own words, such as medium or slow.
    #[arg(long)]
    pub encoder_preset: Option<String>,
    /// Draw only these frames of the output, as 101-200, counted from 1; --join puts all of them
    /// together.
    #[arg(long, value_name = "A-B", value_parser = range, conflicts_with_all = ["shard", "join", "overwrite"])]
    pub frames: Option<(u64, u64)>,
    /// Draw only this share of the output, as 3/16 for the third of sixteen machines; --join puts
    /// all of them together.
    #[arg(long, value_name = "N/ALL", value_parser = shard, conflicts_with_all = ["join", "overwrite"])]
    pub shard: Option<(u64, u64)>,
    /// Draw nothing; put together what --frames or --shard have drawn.
    #[arg(long)]
    pub join: bool,
    /// Replace existing output.
    #[arg(long)]
    pub overwrite: bool,
    /// Only print the clip's exposure sheet: its drawings, how many frames each is held, and the
    /// cuts.
    #[arg(long)]
    pub x_sheet: bool,
    /// How to show progress: a bar in a terminal and lines in a log, lines such as "progress 42 %",
    /// or the messages of Open Job Description.
    #[arg(long, value_enum, default_value = "bar")]
    pub progress: ProgressForm,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `serve`.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// End after this long without a request, which frees the memory.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub idle_seconds: u64,
    /// End the running worker.
    #[arg(long)]
    pub stop: bool,
    /// Start it in the background, and return once it is listening.
    #[arg(long)]
    pub background: bool,
}

/// The commands for the cache.
#[derive(Debug, Subcommand)]
pub enum Cache {
    /// List the contents, the entries unused for longest first.
    List(CacheFolder),
    /// Print its size.
    Size(CacheFolder),
    /// Delete the entries unused for longest until it is small enough.
    Prune(Prune),
    /// Read everything and delete damaged entries.
    Verify(CacheFolder),
}

/// Which cache.
#[derive(Debug, Args)]
pub struct CacheFolder {
    /// Its folder; by default the user's own.
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
    /// Size to keep, in MiB; 0 deletes everything.
    #[arg(long)]
    pub to: u64,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The checkpoint to examine; by default the one that `models download` fetched.
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

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Folder for the pages; by default the first page is printed.
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use inbetween_core::settings::AnyKind;
    use inbetween_core::settings::list::ALL;

    use super::*;
    use crate::presets::option_of;

    #[test]
    fn options_have_the_defaults_and_choices_of_the_list_in_every_command() {
        let cli = Cli::command();
        let mut found = 0;
        for setting in ALL.iter() {
            let name = option_of(setting.id().to_str().unwrap());
            for command in ["render", "retime", "generate"] {
                let command = cli.find_subcommand(command).unwrap();
                let at = command.get_arguments().find(|arg| arg.get_long() == Some(name.as_str()));
                // A preset and a rate are given or not: a command knows others than the panel does.
                let Some(option) = at.filter(|_| name != "preset" && name != "to") else {
                    continue;
                };
                let defaults: Vec<_> = option
                    .get_default_values()
                    .iter()
                    .map(|value| value.to_str().unwrap())
                    .collect();
                let wanted = match setting.kind() {
                    AnyKind::Number(of) => vec![of.default.to_string()],
                    // By the solver.
                    AnyKind::Integer(_) if name == "steps" => Vec::new(),
                    AnyKind::Integer(of) => vec![of.default.to_string()],
                    AnyKind::Choice(of) => {
                        let names: Vec<_> = option.get_possible_values();
                        let names: Vec<_> = names.iter().map(|value| value.get_name()).collect();
                        assert_eq!(names, of.names(), "--{name}");
                        vec![of.names()[of.default_index()].to_owned()]
                    }
                    // The numbers in the names of the files.
                    AnyKind::Text(_) if name == "key-frames" => Vec::new(),
                    AnyKind::Text(of) => vec![of.default.to_str().unwrap().to_owned()],
                    // A switch of the plug-in may be a flag, and a file has no default.
                    AnyKind::Switch(_) | AnyKind::File | AnyKind::Point(_) => continue,
                };
                assert_eq!(defaults, wanted, "--{name} of {}", command.get_name());
                found += 1;
            }
        }
        assert_eq!(found, 33, "options that follow from the list");
    }

    #[test]
    fn what_lies_beyond_a_range_is_refused_alike_everywhere() {
        for command in ["render", "generate"] {
            for (option, value) in [("--guidance", "40"), ("--guidance", "0.5"), ("--steps", "0")] {
                let line = [
                    "inbetween",
                    command,
                    "a",
                    "b",
                    "--out",
                    "o",
                    "--checkpoint",
                    "c",
                    option,
                    value,
                ];
                let said = Cli::try_parse_from(line).unwrap_err().to_string();
                assert!(
                    said.contains("it must lie between 1 and"),
                    "{command} {option} {value}: {said}"
                );
            }
        }
    }

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
