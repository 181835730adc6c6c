//! Chooses the encoder of the installed ffmpeg for the pictures, and its arguments.

use std::path::Path;

use inbetween_core::ContentHash;

use super::super::pictures::{Depth, Form};
use super::pixel_format::{PixelFormat, PixelFormats};
use super::{Video, ending_of, ffmpeg};
use crate::failure::{Failure, Kind, Result};

/// The user's choices for the encoder.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct EncoderOptions {
    /// Its name in ffmpeg.
    pub(in super::super) codec: Option<String>,
    /// Its quality, in its own numbers.
    pub(in super::super) crf: Option<f64>,
    /// How much time it spends on a smaller file, in its own words.
    pub(in super::super) preset: Option<String>,
}

/// The arguments of each encoder: almost no visible loss, other settings as usual.
const ENCODERS: [(&str, &[&str]); 16] = [
    ("libx264", &["-crf", "14", "-preset", "medium"]),
    ("libx265", &["-crf", "16", "-preset", "medium"]),
    ("libsvtav1", &["-crf", "18", "-preset", "6"]),
    ("libaom-av1", &["-crf", "16", "-b:v", "0", "-cpu-used", "6", "-row-mt", "1"]),
    ("libvpx-vp9", &["-crf", "18", "-b:v", "0", "-row-mt", "1"]),
    ("libvpx", &["-crf", "6", "-b:v", "50M", "-auto-alt-ref", "0"]),
    ("prores_ks", &["-vendor", "apl0"]),
    ("dnxhd", &[]),
    ("ffv1", &["-level", "3", "-g", "1", "-slicecrc", "1"]),
    ("libopenh264", &["-b:v", "20M"]),
    ("h264_videotoolbox", &["-q:v", "75"]),
    ("mpeg4", &["-q:v", "2"]),
    ("mpeg2video", &["-q:v", "2"]),
    ("mjpeg", &["-q:v", "2"]),
    ("qtrle", &[]),
    ("utvideo", &[]),
];

/// Encoders of formats that few players can show in RGB.
const PLAYED: [&str; 3] = ["libx265", "libaom-av1", "libvpx-vp9"];

/// Encoders in order of preference for files without transparency.
const OPAQUE: [&str; 4] = ["libx264", "libopenh264", "h264_videotoolbox", "mpeg4"];
const WEB: [&str; 1] = ["libvpx-vp9"];
const CLEAR: [&str; 2] = ["prores_ks", "qtrle"];

/// Codecs that a video keeps: the codec, its encoders, and the file endings that can hold it.
const SAME: [(&str, &[&str], &[&str]); 9] = [
    ("hevc", &["libx265"], &["mp4", "m4v", "mov", "mkv"]),
    ("av1", &["libsvtav1", "libaom-av1"], &["mp4", "mkv", "webm"]),
    ("vp9", &["libvpx-vp9"], &["mp4", "mkv", "webm"]),
    ("prores", &["prores_ks"], &["mov", "mkv"]),
    ("dnxhd", &["dnxhd"], &["mov", "mkv"]),
    ("ffv1", &["ffv1"], &["mkv", "avi"]),
    ("qtrle", &["qtrle"], &["mov"]),
    ("png", &["png"], &["mov", "mkv"]),
    ("utvideo", &["utvideo"], &["mkv", "avi"]),
];

/// An encoder with all its arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Encoder {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    /// Messages for the user.
    pub(super) notes: Vec<String>,
}

impl Encoder {
    /// The encoder for pictures of this `form` and size in the file `to`. It keeps as much as possible of the video `like`.
    pub(super) fn choose(
        to: &Path,
        (form, size): (Form, (usize, usize)),
        like: Option<&Video>,
        options: &EncoderOptions,
    ) -> Result<Self> {
        let ending = ending_of(to);
        if form.alpha && !["mov", "webm", "mkv"].contains(&ending.as_str()) {
            return Err(usage(format!(
                ".{ending} files cannot store transparency. Choose .mov, .webm or a folder of pictures for the output."
            )));
        }
        let table = PixelFormats::of_ffmpeg()?;
        let listed = ffmpeg::run(ffmpeg::command().arg("-encoders"))?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let has =
            |name: &str| listed.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
        let wanted = wanted(form, size, like);
        let candidates: Vec<&str> = match &options.codec {
            Some(name) => vec![name.as_str()],
            None => candidates(&ending, form.alpha, like),
        };
        let mut poorer: Option<(usize, Self)> = None;
        for name in candidates.iter().filter(|name| has(name)) {
            let mut capabilities = Capabilities::of(name)?;
            if PLAYED.contains(name) {
                // Few players can show these formats in RGB.
                capabilities.pixel_formats.retain(|pixel_format| !pixel_format.starts_with("gbr"));
            }
            let Some((pixel_format, holds)) = table.best(&capabilities.pixel_formats, wanted)
            else {
                continue;
            };
            let lost = wanted.lost_in(holds);
            let encoder = Self::build(
                name,
                &capabilities,
                (pixel_format.as_str(), holds),
                (to, size, like),
                options,
            )?;
            if lost.is_empty() {
                return Ok(encoder);
            }
            let worse = poorer.as_ref().is_some_and(|(other, _)| *other <= lost.len());
            if !worse {
                let note = format!("{name} cannot keep {}", lost.join(" and "));
                poorer = Some((
                    lost.len(),
                    Self { notes: [vec![note], encoder.notes].concat(), ..encoder },
                ));
            }
        }
        if let Some((_, encoder)) = poorer {
            return Ok(encoder);
        }
        Err(usage(match &options.codec {
            Some(name) => format!(
                "The installed ffmpeg has no encoder {name} of its own. List what it has with ffmpeg -encoders."
            ),
            None => format!(
                "The installed ffmpeg has none of the encoders {} for .{ending} files. Name another with --codec.",
                candidates.join(", ")
            ),
        }))
    }

    fn build(
        name: &str,
        capabilities: &Capabilities,
        (pixel_format, holds): (&str, PixelFormat),
        (to, size, like): (&Path, (usize, usize), Option<&Video>),
        options: &EncoderOptions,
    ) -> Result<Self> {
        let ending = ending_of(to);
        let known = ENCODERS.iter().find(|(known, _)| *known == name);
        let mut arguments: Vec<String> = vec!["-c:v".into(), name.into()];
        arguments
            .extend(known.iter().flat_map(|(_, own)| own.iter().map(|word| (*word).to_owned())));
        arguments.extend(profile(name, holds, like));
        let mut set = |option: &str, value: String| -> Result<()> {
            if !capabilities.options.iter().any(|known| known == option) {
                return Err(usage(format!(
                    "The encoder {name} has no -{option}; see ffmpeg -h encoder={name}."
                )));
            }
            let option = format!("-{option}");
            match arguments.iter().position(|word| *word == option) {
                Some(at) => arguments[at + 1] = value,
                None => arguments.extend([option, value]),
            }
            Ok(())
        };
        if let Some(crf) = options.crf {
            set("crf", crf.to_string())?;
        }
        if let Some(preset) = &options.preset {
            set("preset", preset.clone())?;
        }
        let mut notes = Vec::new();
        let mut own: Vec<String> = Vec::new();
        if name == "libx265" {
            own.push("log-level=error".into());
            if ["mp4", "m4v", "mov"].contains(&ending.as_str()) {
                arguments.extend(["-tag:v", "hvc1"].map(String::from));
            }
        }
        if let Some(video) = like {
            match video.hdr.arguments(name) {
                Some((_, words)) => own.extend(words),
                None if video.hdr.is_present() => {
                    notes.push(format!(
                        "{name} cannot keep what the file says of its HDR display and light levels"
                    ));
                }
                None => {}
            }
            for name in &video.hdr.dynamic {
                notes
                    .push(format!("the {name} data of each picture cannot be kept; HDR10 data is"));
            }
        }
        if !own.is_empty() {
            let option = match name {
                "libx265" => "-x265-params",
                "libx264" => "-x264-params",
                _ => "-svtav1-params",
            };
            arguments.extend([option.to_owned(), own.join(":")]);
        }
        if ending == "avi" && name == "libx264" {
            // AVI files store no times, so pictures must be stored in display order.
            arguments.extend(["-bf", "0"].map(String::from));
        }
        arguments.extend(["-pix_fmt", pixel_format].map(String::from));
        arguments.extend(colour(like, holds.rgb, pixel_format, size));
        Ok(Self { name: name.into(), arguments, notes })
    }

    /// Hash of the encoder and all its arguments.
    pub(super) fn digest(&self) -> ContentHash {
        ContentHash::of(self.arguments.join("\0").as_bytes())
    }
}

/// What ffmpeg's help says about an encoder.
struct Capabilities {
    pixel_formats: Vec<String>,
    options: Vec<String>,
}

impl Capabilities {
    fn of(encoder: &str) -> Result<Self> {
        let told = ffmpeg::run(ffmpeg::command().args(["-h", &format!("encoder={encoder}")]))?;
        Ok(Self::read(&String::from_utf8_lossy(&told.stdout)))
    }

    fn read(text: &str) -> Self {
        let formats =
            text.lines().find_map(|line| line.trim().strip_prefix("Supported pixel formats:"));
        let options = text.lines().filter_map(|line| line.trim_start().strip_prefix('-'));
        Self {
            pixel_formats: formats
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            options: options
                .filter_map(|line| line.split_whitespace().next())
                .map(str::to_owned)
                .collect(),
        }
    }
}

fn candidates(ending: &str, alpha: bool, like: Option<&Video>) -> Vec<&'static str> {
    let same = like.and_then(|video| {
        SAME.iter().find(|(codec, _, endings)| *codec == video.codec && endings.contains(&ending))
    });
    let same: &[&str] = same.map_or(&[], |(_, encoders, _)| encoders);
    let usual: &[&str] = match ending {
        "webm" => &WEB,
        _ if alpha => &CLEAR,
        _ => &OPAQUE,
    };
    same.iter().chain(usual).copied().collect()
}

/// The pixel format to keep: as many bits and as much colour resolution as the source has.
fn wanted(form: Form, size: (usize, usize), like: Option<&Video>) -> PixelFormat {
    // Chroma cannot be halved if a side is odd.
    let odd = size.0 % 2 == 1 || size.1 % 2 == 1;
    match like {
        Some(video) => {
            let pixel_format = video.pixel_format;
            let chroma = match (odd || pixel_format.rgb, pixel_format.grey) {
                (true, _) => (0, 0),
                (_, true) => (1, 1),
                _ => pixel_format.chroma,
            };
            PixelFormat::of(pixel_format.bits, chroma, form.alpha, pixel_format.rgb)
        }
        None => {
            // Players expect halved chroma, and at most ten bits.
            let bits = if form.depth == Depth::Eight { 8 } else { 10 };
            let chroma = if odd || form.alpha { (0, 0) } else { (1, 1) };
            PixelFormat::of(bits, chroma, form.alpha, false)
        }
    }
}

/// The profile of the codecs that have them for quality.
fn profile(encoder: &str, holds: PixelFormat, like: Option<&Video>) -> Vec<String> {
    let source = like.map_or("", |video| video.profile.as_str());
    let profile = match encoder {
        "prores_ks" if holds.chroma == (0, 0) && source == "XQ" => "5",
        "prores_ks" if holds.chroma == (0, 0) => "4",
        "prores_ks" => match source {
            "Proxy" => "0",
            "LT" => "1",
            "Standard" => "2",
            _ => "3",
        },
        "dnxhd" if holds.chroma == (0, 0) => "dnxhr_444",
        "dnxhd" if holds.bits > 8 => "dnxhr_hqx",
        "dnxhd" => "dnxhr_hq",
        _ => return Vec::new(),
    };
    vec!["-profile:v".into(), profile.into()]
}

/// Arguments that convert back to the colours of the source, or to what players expect of an untagged file.
fn colour(
    like: Option<&Video>,
    rgb: bool,
    pixel_format: &str,
    size: (usize, usize),
) -> Vec<String> {
    let shape = like.map_or("1/1".into(), |video| video.pixel_shape.replace(':', "/"));
    let mut arguments: Vec<String> = Vec::new();
    let mut tag = |name: &str, value: &str| {
        if !value.is_empty() && value != "gbr" {
            arguments.extend([name, value].map(String::from));
        }
    };
    let conversion = if rgb {
        String::new()
    } else {
        let (matrix, range) = match like {
            Some(video) => (video.matrix(), video.range()),
            None => (if size.1 >= 720 { "bt709" } else { "bt601" }, "tv"),
        };
        tag("-color_range", range);
        format!(":out_color_matrix={matrix}:out_range={range}")
    };
    // Some encoders use the tags of the command line, others (ProRes) those of each picture.
    let mut said = String::new();
    if let Some(video) = like {
        let colour = &video.colour;
        if !rgb {
            tag("-colorspace", &colour.matrix);
            tag("-chroma_sample_location", &colour.place);
        }
        tag("-color_primaries", &colour.primaries);
        tag("-color_trc", &colour.transfer);
        let matrix = if rgb { "" } else { &colour.matrix };
        said = said_by_pictures(matrix, &colour.primaries, &colour.transfer);
    }
    let filter = format!(
        "scale=flags=accurate_rnd+full_chroma_int+bicubic{conversion},format={pixel_format},setsar={shape}{said}"
    );
    arguments.extend(["-vf".to_owned(), filter]);
    arguments
}

/// The filter that tags each picture with its colours. Tags that it does not know are left out.
fn said_by_pictures(matrix: &str, primaries: &str, transfer: &str) -> String {
    let transfer = match transfer {
        "gamma22" => "bt470m",
        "gamma28" => "bt470bg",
        other => other,
    };
    let known = |words: &[&'static str], word: &str| words.iter().copied().find(|w| *w == word);
    let words = [
        ("colorspace", known(&MATRICES, matrix)),
        ("color_primaries", known(&PRIMARIES, primaries)),
        ("color_trc", known(&TRANSFERS, transfer)),
    ];
    let said: Vec<String> =
        words.iter().filter_map(|(name, word)| Some(format!("{name}={}", (*word)?))).collect();
    if said.is_empty() { String::new() } else { format!(",setparams={}", said.join(":")) }
}

/// Values that ffmpeg's filter `setparams` knows.
const MATRICES: [&str; 11] = [
    "bt709",
    "fcc",
    "bt470bg",
    "smpte170m",
    "smpte240m",
    "ycgco",
    "bt2020nc",
    "bt2020c",
    "smpte2085",
    "chroma-derived-nc",
    "ictcp",
];
const PRIMARIES: [&str; 11] = [
    "bt709",
    "bt470m",
    "bt470bg",
    "smpte170m",
    "smpte240m",
    "film",
    "bt2020",
    "smpte428",
    "smpte431",
    "smpte432",
    "ebu3213",
];
const TRANSFERS: [&str; 16] = [
    "bt709",
    "bt470m",
    "bt470bg",
    "smpte170m",
    "smpte240m",
    "linear",
    "log100",
    "log316",
    "iec61966-2-4",
    "bt1361e",
    "iec61966-2-1",
    "bt2020-10",
    "bt2020-12",
    "smpte2084",
    "smpte428",
    "arib-std-b67",
];

fn usage(message: String) -> Failure {
    Failure::new(Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_say_how_their_colours_are_meant() {
        assert_eq!(
            said_by_pictures("bt2020nc", "bt2020", "smpte2084"),
            ",setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
        );
        assert_eq!(said_by_pictures("", "", "gamma22"), ",setparams=color_trc=bt470m");
        assert_eq!(said_by_pictures("", "nonsense", ""), "");
    }

    #[test]
    fn an_encoder_says_what_it_can() {
        let capabilities = Capabilities::read(
            "Encoder libx265 [libx265 H.265 / HEVC]:\n    Supported pixel formats: yuv420p yuv420p10le\n\
             libx265 AVOptions:\n  -crf               <float>      E..V....... set the x265 crf\n  -preset  <string>\n     fast  1\n",
        );
        assert_eq!(capabilities.pixel_formats, ["yuv420p", "yuv420p10le"]);
        assert_eq!(capabilities.options, ["crf", "preset"]);
    }
}
