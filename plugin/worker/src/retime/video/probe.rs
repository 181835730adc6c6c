//! The contents of a video file, according to ffprobe.

use std::path::Path;

use inbetween_core::retime::Rate;
use serde_json::Value;

use super::super::pictures::{Depth, Form};
use super::hdr::HdrMetadata;
use super::pixel_format::{PixelFormat, PixelFormats};
use super::{ffmpeg, timeline};
use crate::failure::{Failure, Kind, Result};

/// The first video stream of a file, and its other streams.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Video {
    /// Size in pixels, after rotation to upright.
    pub(in super::super) width: usize,
    pub(in super::super) height: usize,
    pub(in super::super) rate: Rate,
    pub(in super::super) form: Form,
    /// Number of pictures; 0 if unknown.
    pub(in super::super) pictures: u64,
    /// Number of pictures that could be decoded, known after the analysis.
    pub(in super::super) decoded: Option<u64>,
    /// Number of frames, for progress only.
    pub(in super::super) frames: u64,
    pub(in super::super) interlaced: bool,
    /// What is wrong with the file.
    pub(in super::super) damage: Vec<String>,
    pub(super) codec: String,
    pub(super) profile: String,
    /// The decoder to use instead of ffmpeg's default.
    pub(super) decoder: Option<&'static str>,
    pub(super) pixel_format: PixelFormat,
    pub(super) colour: Colour,
    /// Proportions of an upright pixel, as `1:1`.
    pub(super) pixel_shape: String,
    pub(super) hdr: HdrMetadata,
    /// End of the last picture, in millionths of a second from the beginning of the file.
    pub(super) ends: Option<i64>,
    pub(super) others: Vec<Stream>,
    pub(super) chapters: bool,
    pub(super) timecode: Option<String>,
    pub(super) tags: Vec<(&'static str, String)>,
    pub(super) dispositions: Vec<String>,
}

/// Colour tags of a video; empty if the file lacks them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Colour {
    pub(super) matrix: String,
    pub(super) range: String,
    pub(super) primaries: String,
    pub(super) transfer: String,
    /// Where chroma samples lie between luma samples.
    pub(super) place: String,
}

/// A stream other than the pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stream {
    pub(super) index: u64,
    /// `audio`, `subtitle`, `attachment`, `data`, or `video` for a further one.
    pub(super) kind: String,
    pub(super) codec: String,
    pub(super) tag: String,
    pub(super) name: String,
    pub(super) language: Option<String>,
    pub(super) title: Option<String>,
    /// In ffmpeg's names.
    pub(super) dispositions: Vec<String>,
    pub(super) channels: u32,
    /// Whether the file says where its channels belong.
    pub(super) has_layout: bool,
    /// Whether it is a cover picture.
    pub(super) cover: bool,
    /// When it begins, in seconds from the beginning of the file.
    pub(super) begins: f64,
}

/// The times of the pictures, read from the packets.
#[derive(Clone, Debug, Default, PartialEq)]
struct Packets {
    /// In seconds, rising.
    times: Vec<f64>,
    /// Duration of the last one.
    last: Option<f64>,
    count: u64,
    errors: Vec<String>,
}

impl Video {
    pub(in super::super) fn probe(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(refuse(path, "there is no such file"));
        }
        let mut command = ffmpeg::probe_command();
        command
            .args(["-show_streams", "-show_format", "-show_chapters"])
            .arg(ffmpeg::address(path));
        let streams = ffmpeg::run(&mut command)?;
        let mut told: Value = serde_json::from_slice(&streams.stdout).map_err(|err| {
            Failure::new(Kind::File, format!("ffprobe's answer makes no sense: {err}"))
        })?;
        let unreadable = || refuse(path, "it holds no pictures that ffmpeg can decode");
        if main_stream(&told).is_none() {
            return Err(unreadable());
        }
        told["frames"] = first_frames(path);
        let packets = packets_of(path)?;
        Self::read(&told, &packets, &PixelFormats::of_ffmpeg()?).ok_or_else(unreadable)
    }

    fn read(told: &Value, packets: &Packets, table: &PixelFormats) -> Option<Self> {
        let stream = main_stream(told)?;
        let text = |name: &str| stream[name].as_str().unwrap_or_default().to_owned();
        let tag = |name: &str| match text(name).as_str() {
            "unknown" | "reserved" | "unspecified" => String::new(),
            known => known.to_owned(),
        };
        let side = |name: &str| usize::try_from(stream[name].as_u64()?).ok();
        let (width, height) = (side("width")?, side("height")?);
        let turned = is_turned(stream);
        let (width, height) = if turned { (height, width) } else { (width, height) };
        let (mut format, mut decoder) = (text("pix_fmt"), None);
        if tag_of(stream, "alpha_mode").is_some_and(|mode| mode == "1") {
            // ffmpeg's own decoders of VP8 and VP9 ignore the alpha.
            decoder = match text("codec_name").as_str() {
                "vp8" => Some("libvpx"),
                "vp9" => Some("libvpx-vp9"),
                _ => None,
            };
            if decoder.is_some() {
                format = format.replacen("yuv4", "yuva4", 1);
            }
        }
        let pixel_format = table.get(&format)?;
        let rate =
            timeline::rate_of(&text("r_frame_rate"), &text("avg_frame_rate"), &packets.times)?;
        let begins = seconds(&told["format"]["start_time"]).unwrap_or(0.0);
        let interval = 1.0 / rate.per_second();
        let ends = packets.times.last().map(|last| last + packets.last.unwrap_or(interval));
        let declared = declared_end(told, stream);
        let length =
            declared.or(ends).map_or(0.0, |ends| ends - packets.times.first().unwrap_or(&begins));
        let mut damage = packets.errors.clone();
        damage.extend(cut_off(declared, ends, interval));
        let streams = told["streams"].as_array()?;
        Some(Self {
            width,
            height,
            rate,
            form: Form {
                depth: if pixel_format.bits > 8 { Depth::Sixteen } else { Depth::Eight },
                colour: true,
                alpha: pixel_format.alpha,
            },
            pictures: packets.count,
            decoded: None,
            frames: (length * rate.per_second()).round().max(packets.count as f64) as u64,
            interlaced: matches!(text("field_order").as_str(), "tt" | "bb" | "tb" | "bt"),
            damage,
            codec: text("codec_name"),
            profile: text("profile"),
            decoder,
            pixel_format,
            colour: Colour {
                matrix: tag("color_space"),
                range: if format.starts_with("yuvj") { "pc".into() } else { tag("color_range") },
                primaries: tag("color_primaries"),
                transfer: tag("color_transfer"),
                place: tag("chroma_location"),
            },
            pixel_shape: pixel_shape(&text("sample_aspect_ratio"), turned),
            hdr: HdrMetadata::read(told, stream),
            ends: ends.map(|ends| ((ends - begins) * 1e6).round() as i64),
            others: streams
                .iter()
                .filter(|other| other["index"] != stream["index"])
                .map(|other| Stream::read(other, begins))
                .collect(),
            chapters: told["chapters"].as_array().is_some_and(|chapters| !chapters.is_empty()),
            timecode: timecode(told, stream),
            tags: ["language", "title"]
                .into_iter()
                .filter_map(|name| Some((name, tag_of(stream, name)?.to_owned())))
                .filter(|(_, value)| value != "und")
                .collect(),
            dispositions: dispositions(stream),
        })
    }

    /// Bytes of one decoded frame.
    pub(super) fn frame_bytes(&self) -> usize {
        let channels = if self.form.alpha { 4 } else { 3 };
        let bytes = if self.form.depth == Depth::Eight { 1 } else { 2 };
        self.width * self.height * channels * bytes
    }

    /// The filter that converts to upright red, green and blue.
    pub(super) fn decoding_filter(&self) -> String {
        let pixel_format = match (self.form.depth, self.form.alpha) {
            (Depth::Eight, false) => "rgb24",
            (Depth::Eight, true) => "rgba",
            (_, false) => "rgb48le",
            (_, true) => "rgba64le",
        };
        let conversion = if self.pixel_format.rgb {
            String::new()
        } else {
            format!(":in_color_matrix={}:in_range={}", self.matrix(), self.range())
        };
        format!(
            "scale=flags=accurate_rnd+full_chroma_int+bicubic{conversion},format={pixel_format}"
        )
    }

    /// The colour matrix by the name that ffmpeg's scaler uses. Without a tag, the same is assumed as in players.
    pub(super) fn matrix(&self) -> &'static str {
        match self.colour.matrix.as_str() {
            "bt709" => "bt709",
            "smpte240m" => "smpte240m",
            "fcc" => "fcc",
            "bt2020nc" | "bt2020c" => "bt2020",
            "bt470bg" | "smpte170m" => "bt601",
            _ if self.height >= 720 => "bt709",
            _ => "bt601",
        }
    }

    /// `tv` or `pc`.
    pub(super) fn range(&self) -> &'static str {
        if self.colour.range == "pc" { "pc" } else { "tv" }
    }
}

impl Stream {
    fn read(told: &Value, begins: f64) -> Self {
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        let mut named: Vec<&str> =
            vec![told["codec_name"].as_str().unwrap_or("of an unknown kind")];
        named.extend(
            ["language", "title", "filename"].into_iter().filter_map(|name| tag_of(told, name)),
        );
        Self {
            index: told["index"].as_u64().unwrap_or_default(),
            kind: text("codec_type"),
            codec: text("codec_name"),
            tag: text("codec_tag_string"),
            name: named.join(", "),
            language: language(told),
            title: tag_of(told, "title").map(str::to_owned),
            dispositions: dispositions(told),
            has_layout: has_layout(told),
            channels: told["channels"].as_u64().unwrap_or(2) as u32,
            cover: told["disposition"]["attached_pic"] == 1,
            begins: seconds(&told["start_time"]).map_or(0.0, |starts| (starts - begins).max(0.0)),
        }
    }
}

/// The first stream of moving pictures.
fn main_stream(told: &Value) -> Option<&Value> {
    told["streams"].as_array()?.iter().find(|stream| {
        stream["codec_type"] == "video" && stream["disposition"]["attached_pic"] != 1
    })
}

/// ffprobe's output about the first pictures.
fn first_frames(path: &Path) -> Value {
    let mut command = ffmpeg::probe_command();
    command.args(["-select_streams", "V:0", "-read_intervals", "%+#8", "-show_frames"]);
    // Nothing if the beginning cannot be decoded.
    let told =
        ffmpeg::run(command.arg(ffmpeg::address(path))).map(|told| told.stdout).unwrap_or_default();
    serde_json::from_slice::<Value>(&told).unwrap_or_default()["frames"].clone()
}

/// The times of all pictures, read without decoding.
fn packets_of(path: &Path) -> Result<Packets> {
    let mut command = ffmpeg::probe_command();
    command.args(["-select_streams", "V:0", "-of", "compact=p=0"]);
    command
        .args(["-show_entries", "packet=pts_time,duration_time,flags"])
        .arg(ffmpeg::address(path));
    let told = ffmpeg::run(&mut command)?;
    let mut packets = Packets { errors: told.errors, ..Packets::default() };
    for line in String::from_utf8_lossy(&told.stdout).lines() {
        let value = |name: &str| {
            let mut fields = line.split('|').filter_map(|field| field.split_once('='));
            fields.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        // Pictures removed by an edit list are not decoded.
        if line.is_empty() || value("flags").is_some_and(|flags| flags.contains('D')) {
            continue;
        }
        packets.count += 1;
        let number = |name: &str| value(name).and_then(|text| text.parse::<f64>().ok());
        if let Some(time) = number("pts_time") {
            if packets.times.last().is_none_or(|last| time > *last) {
                packets.last = number("duration_time");
            }
            packets.times.push(time);
        }
    }
    if (packets.times.len() as u64) < packets.count {
        // Some containers store an even rate instead of times.
        packets.times.clear();
    }
    packets.times.sort_by(f64::total_cmp);
    Ok(packets)
}

/// End of the pictures according to the file, in seconds.
fn declared_end(told: &Value, stream: &Value) -> Option<f64> {
    let starts = seconds(&stream["start_time"]).unwrap_or(0.0);
    let own = seconds(&stream["duration"]).map(|length| starts + length);
    let tagged = || {
        let mut parts = tag_of(stream, "DURATION")?.rsplit(':').map(str::parse::<f64>);
        let (seconds, minutes, hours) =
            (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
        Some(seconds + 60.0 * minutes + 3600.0 * hours)
    };
    let alone = told["streams"].as_array().is_some_and(|streams| streams.len() == 1);
    let whole = || {
        let file = &told["format"];
        seconds(&file["duration"])
            .map(|length| length + seconds(&file["start_time"]).unwrap_or(0.0))
    };
    own.or_else(tagged).or_else(|| alone.then(whole)?)
}

/// Whether pictures are missing at the end.
fn cut_off(declared: Option<f64>, ends: Option<f64>, interval: f64) -> Option<String> {
    let (declared, ends) = declared.zip(ends)?;
    (declared - ends > (3.0 * interval).max(0.25)).then(|| {
        format!("it should have pictures for {declared:.2} s, but they end after {ends:.2} s")
    })
}

fn seconds(value: &Value) -> Option<f64> {
    value.as_str().and_then(|text| text.parse().ok())
}

fn tag_of<'a>(stream: &'a Value, wanted: &str) -> Option<&'a str> {
    let tags = stream["tags"].as_object()?;
    tags.iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .and_then(|(_, value)| value.as_str())
}

fn timecode(told: &Value, stream: &Value) -> Option<String> {
    let everywhere = std::iter::once(stream)
        .chain(told["streams"].as_array().into_iter().flatten())
        .chain(std::iter::once(&told["format"]));
    everywhere.filter_map(|place| tag_of(place, "timecode")).map(str::to_owned).next()
}

/// Whether the file says where the stream's channels belong.
pub(super) fn has_layout(stream: &Value) -> bool {
    stream["channel_layout"].as_str().is_some_and(|layout| layout != "unknown")
}

/// The code of the stream's language, if known.
pub(super) fn language(stream: &Value) -> Option<String> {
    tag_of(stream, "language").filter(|code| *code != "und").map(str::to_owned)
}

/// The dispositions of the stream, in ffmpeg's names.
pub(super) fn dispositions(stream: &Value) -> Vec<String> {
    let marks = stream["disposition"].as_object().into_iter().flatten();
    marks.filter(|(_, on)| **on == 1).map(|(name, _)| name.clone()).collect()
}

fn pixel_shape(told: &str, turned: bool) -> String {
    match told.split_once(':') {
        Some(("0", _)) | None => "1:1".into(),
        Some((across, down)) if turned => format!("{down}:{across}"),
        Some(_) => told.into(),
    }
}

/// Whether the picture has to be rotated by 90 degrees for display.
fn is_turned(stream: &Value) -> bool {
    let sides = stream["side_data_list"].as_array();
    let rotation = sides.and_then(|sides| sides.iter().find_map(|side| side["rotation"].as_f64()));
    let tagged = || tag_of(stream, "rotate").and_then(|text| text.parse().ok());
    rotation.or_else(tagged).is_some_and(|turn: f64| (turn / 90.0).round() as i64 % 2 != 0)
}

fn refuse(path: &Path, reason: &str) -> Failure {
    Failure::new(Kind::File, format!("The video {} cannot be used: {reason}.", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::pixel_format::tests::table;
    use super::*;

    fn told(changes: &Value) -> Value {
        let mut stream = json!({
            "index": 1, "codec_type": "video", "width": 1920, "height": 1080, "pix_fmt": "yuv420p",
            "r_frame_rate": "24000/1001", "avg_frame_rate": "24000/1001", "start_time": "0.000000",
            "duration": "10.01", "sample_aspect_ratio": "1:1", "field_order": "progressive",
        });
        for (name, value) in changes.as_object().unwrap() {
            stream[name] = value.clone();
        }
        let sound =
            json!({ "index": 0, "codec_type": "audio", "codec_name": "aac", "start_time": "0.5" });
        json!({ "streams": [sound, stream], "format": { "start_time": "0.0" } })
    }

    fn video(changes: &Value) -> Video {
        Video::read(&told(changes), &Packets::default(), &table()).unwrap()
    }

    #[test]
    fn a_usual_file() {
        let video = video(&json!({}));
        assert_eq!((video.width, video.height, video.frames), (1920, 1080, 240));
        assert_eq!(video.rate, Rate::new(24_000, 1001).unwrap());
        assert!(!video.interlaced && !video.pixel_format.rgb && video.damage.is_empty());
        assert_eq!((video.others.len(), video.others[0].begins), (1, 0.5));
        assert_eq!(video.form, Form { depth: Depth::Eight, colour: true, alpha: false });
        assert_eq!((video.matrix(), video.range()), ("bt709", "tv"));
        assert_eq!(video.frame_bytes(), 1920 * 1080 * 3);
    }

    #[test]
    fn a_phone_held_upright() {
        let turned = video(
            &json!({ "side_data_list": [{ "rotation": -90 }], "sample_aspect_ratio": "4:3" }),
        );
        assert_eq!((turned.width, turned.height, turned.pixel_shape.as_str()), (1080, 1920, "3:4"));
    }

    #[test]
    fn depth_and_alpha_follow_the_samples() {
        for (name, depth, alpha) in [
            ("yuv420p10le", Depth::Sixteen, false),
            ("yuva444p12le", Depth::Sixteen, true),
            ("gbrap", Depth::Eight, true),
            ("rgba64be", Depth::Sixteen, true),
            ("nv12", Depth::Eight, false),
            ("yuvj420p", Depth::Eight, false),
            ("pal8", Depth::Eight, true),
        ] {
            let form = video(&json!({ "pix_fmt": name })).form;
            assert_eq!(form, Form { depth, colour: true, alpha }, "{name}");
        }
        assert_eq!(video(&json!({ "pix_fmt": "yuvj420p" })).range(), "pc");
    }

    #[test]
    fn the_alpha_of_webm_needs_another_decoder() {
        let clear = video(&json!({ "codec_name": "vp9", "tags": { "ALPHA_MODE": "1" } }));
        assert_eq!((clear.decoder, clear.form.alpha), (Some("libvpx-vp9"), true));
    }

    #[test]
    fn a_file_that_ends_too_early_is_noticed() {
        let packets = Packets { times: vec![0.0, 1.0, 2.0, 3.0], count: 4, ..Packets::default() };
        let short = Video::read(
            &told(&json!({ "r_frame_rate": "1/1", "avg_frame_rate": "1/1" })),
            &packets,
            &table(),
        );
        assert!(short.unwrap().damage[0].contains("end after 4.00 s"));
        let sound = json!({ "r_frame_rate": "1/1", "avg_frame_rate": "1/1", "duration": "4.0" });
        let sound = Video::read(&told(&sound), &packets, &table());
        assert!(sound.unwrap().damage.is_empty());
    }
}
