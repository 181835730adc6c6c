//! From finished pictures to a video file.

use std::path::{Path, PathBuf};
use std::process::Command;

use inbetween_core::retime::Rate;

use super::super::pictures::{Depth, Form};
use super::super::sequence::Pattern;
use super::{CONTAINERS, Video, output_of};
use crate::failure::{Failure, Kind, Result};

/// Encoders in order of preference for files without transparency.
const OPAQUE: [(&str, &[&str]); 4] = [
    ("libx264", &["-crf", "14", "-preset", "medium"]),
    ("libopenh264", &["-b:v", "20M"]),
    ("h264_videotoolbox", &["-q:v", "75"]),
    ("mpeg4", &["-q:v", "2"]),
];
const WEB: [(&str, &[&str]); 1] = [("libvpx-vp9", &["-crf", "18", "-b:v", "0", "-row-mt", "1"])];
const CLEAR: [(&str, &[&str]); 2] = [("prores_ks", &["-profile:v", "4444"]), ("qtrle", &[])];

/// Refuses an output that could not be written in the end, before minutes are spent.
pub(in super::super) fn check_output(path: &Path, form: Form, codec: Option<&str>) -> Result<()> {
    let ending = ending_of(path);
    if form.alpha && !["mov", "webm", "mkv"].contains(&ending.as_str()) {
        return Err(Failure::new(
            Kind::Usage,
            format!(
                ".{ending} files cannot store transparency. Choose .mov, .webm or a folder of pictures for the output."
            ),
        ));
    }
    encoder_for(&ending, form, codec).map(|_| ())
}

fn ending_of(path: &Path) -> String {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase()
}

/// The encoder's name and its arguments.
fn encoder_for(ending: &str, form: Form, codec: Option<&str>) -> Result<(String, Vec<String>)> {
    debug_assert!(CONTAINERS.contains(&ending));
    let listed = output_of("ffmpeg", Command::new("ffmpeg").args(["-v", "error", "-encoders"]))?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let has = |name: &str| listed.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
    let all: Vec<(&str, &[&str])> = OPAQUE.iter().chain(&WEB).chain(&CLEAR).copied().collect();
    let arguments = |name: &str| -> Vec<String> {
        let known = all.iter().find(|(known, _)| *known == name);
        known.map_or(Vec::new(), |(_, arguments)| arguments.iter().map(|a| (*a).into()).collect())
    };
    let refuse = |message: String| Err(Failure::new(Kind::Usage, message));
    if let Some(name) = codec {
        return if has(name) {
            Ok((name.into(), arguments(name)))
        } else {
            refuse(format!(
                "The installed ffmpeg has no encoder {name}. List what it has with ffmpeg -encoders."
            ))
        };
    }
    let choice: &[(&str, &[&str])] = match ending {
        "webm" => &WEB,
        _ if form.alpha => &CLEAR,
        _ => &OPAQUE,
    };
    match choice.iter().find(|(name, _)| has(name)) {
        Some((name, _)) => Ok(((*name).into(), arguments(name))),
        None => refuse(format!(
            "The installed ffmpeg has none of the encoders {} for .{ending} files. Name another with --codec.",
            choice.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
        )),
    }
}

/// The sample format: that of the source as far as the encoder has it, and never a smaller picture.
fn samples_for(
    encoder: &str,
    form: Form,
    like: Option<&Video>,
    size: (usize, usize),
) -> &'static str {
    let deep = form.depth != Depth::Eight;
    if form.alpha {
        return match encoder {
            "prores_ks" => "yuva444p10le",
            "qtrle" => "argb",
            "libvpx-vp9" => "yuva420p",
            _ => "rgba",
        };
    }
    let source = like.map_or("", |video| video.pixel_format.as_str());
    let odd = size.0 % 2 == 1 || size.1 % 2 == 1;
    let full = source.contains("444") || like.is_some_and(Video::is_rgb) || odd;
    match encoder {
        "libx264" | "libx265" | "libvpx-vp9" if full && deep => "yuv444p10le",
        "libx264" | "libx265" | "libvpx-vp9" if full => "yuv444p",
        "libx264" | "libx265" | "libvpx-vp9" if source.contains("422") && deep => "yuv422p10le",
        "libx264" | "libx265" | "libvpx-vp9" if source.contains("422") => "yuv422p",
        "libx264" | "libx265" | "libvpx-vp9" if deep => "yuv420p10le",
        "prores_ks" => "yuv422p10le",
        _ => "yuv420p",
    }
}

/// Encodes the pictures, numbered from `start`, at `rate` into the file `to`; sound and tags come from the video
/// file `like`, if there is one.
pub(in super::super) fn encode(
    pictures: &Pattern,
    start: u64,
    rate: Rate,
    (form, size): (Form, (usize, usize)),
    like: Option<(&Path, &Video)>,
    codec: Option<&str>,
    to: &Path,
) -> Result<()> {
    let (encoder, settings) = encoder_for(&ending_of(to), form, codec)?;
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
    let beside = absolute(&part_of(to));
    let run = |sound: &[&str]| {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y", "-framerate", &rate.to_string()]);
        command.args(["-start_number", &start.to_string()]);
        if let Some((_, video)) = like.filter(|(_, video)| video.delay > 0.0) {
            command.args(["-itsoffset", &format!("{:.6}", video.delay)]);
        }
        // By name from within their folder, whose own name may hold what looks like a pattern.
        command.current_dir(&pictures.folder).arg("-i").arg(pictures.name());
        if let Some((path, _)) = like {
            command.arg("-i").arg(absolute(path));
        }
        command.args(["-map", "0:v:0"]);
        if like.is_some() {
            command.args(["-map", "1:a?", "-map_metadata", "1", "-map_chapters", "1"]).args(sound);
        }
        let samples = samples_for(&encoder, form, like.map(|(_, video)| video), size);
        command.args(["-c:v", &encoder]).args(&settings).args(["-pix_fmt", samples]);
        colour_arguments(&mut command, like.map(|(_, video)| video), samples, size);
        command.args(["-r", &rate.to_string()]);
        if ["mp4", "m4v", "mov"].contains(&ending_of(to).as_str()) {
            command.args(["-movflags", "+faststart"]);
        }
        output_of("ffmpeg", command.arg(&beside)).map(|_| ())
    };
    let has_sound = like.is_some_and(|(_, video)| video.has_sound);
    let mut done = run(&["-c:a", "copy"]);
    if let (Err(failure), true) = (&done, has_sound) {
        // Some containers do not take the source's kind of sound as it is.
        log::warn!("sound is encoded anew, because copying it failed: {failure}");
        let sound = if ending_of(to) == "webm" { "libopus" } else { "aac" };
        done = run(&["-c:a", sound, "-b:a", "256k"]);
    }
    let renamed = done.and_then(|()| {
        std::fs::rename(&beside, to)
            .map_err(|err| Failure::new(Kind::File, format!("{}: {err}", to.display())))
    });
    if renamed.is_err() {
        // Half a video helps nobody; the pictures are kept.
        let _ = std::fs::remove_file(&beside);
    }
    renamed
}

/// Back to the colours' meaning in the source, or to what players expect of an untagged file.
fn colour_arguments(
    command: &mut Command,
    like: Option<&Video>,
    samples: &str,
    size: (usize, usize),
) {
    if samples.starts_with("rgb") || samples.starts_with("argb") {
        return;
    }
    let (matrix, range, shape) = match like {
        Some(video) => (video.matrix(), video.range(), video.pixel_shape.replace(':', "/")),
        None => (if size.1 >= 720 { "bt709" } else { "bt601" }, "tv", "1/1".into()),
    };
    let filter = format!(
        "scale=flags=accurate_rnd+full_chroma_int+bicubic:out_color_matrix={matrix}:out_range={range},format={samples},setsar={shape}"
    );
    command.args(["-vf", &filter, "-color_range", range]);
    let colour = like.map(|video| &video.colour);
    let mut tag = |name: &str, value: Option<&String>| {
        if let Some(value) = value.filter(|value| !value.is_empty() && *value != "gbr") {
            command.args([name, value]);
        }
    };
    tag("-colorspace", colour.map(|colour| &colour.matrix));
    tag("-color_primaries", colour.map(|colour| &colour.primaries));
    tag("-color_trc", colour.map(|colour| &colour.transfer));
}

/// The name under which a file is written before it is finished; its ending tells ffmpeg the container.
fn part_of(to: &Path) -> PathBuf {
    let name = to.file_stem().and_then(|stem| stem.to_str()).unwrap_or("video");
    to.with_file_name(format!("{name}.part.{}", ending_of(to)))
}
