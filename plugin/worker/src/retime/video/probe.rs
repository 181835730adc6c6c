//! What a video file holds, as ffprobe tells it.

use std::path::Path;
use std::process::Command;

use inbetween_core::retime::Rate;
use serde_json::Value;

use super::super::pictures::{Depth, Form};
use super::output_of;
use crate::failure::{Failure, Kind, Result};

/// Rates beyond this are time stamps, not rates of pictures.
const FASTEST: f64 = 240.0;

/// The first video stream of a file.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Video {
    /// Size as it is seen, upright.
    pub(in super::super) width: usize,
    pub(in super::super) height: usize,
    pub(in super::super) rate: Rate,
    pub(in super::super) form: Form,
    /// Number of frames, as the file says or as its length suggests; for progress only.
    pub(in super::super) frames: u64,
    pub(in super::super) interlaced: bool,
    pub(in super::super) has_sound: bool,
    pub(super) pixel_format: String,
    pub(super) colour: Colour,
    /// Proportions of a pixel, as `1:1`.
    pub(super) pixel_shape: String,
    /// Seconds by which the pictures begin after the file.
    pub(super) delay: f64,
}

/// How the colours of a video are meant; tags that the file lacks are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Colour {
    pub(super) matrix: String,
    pub(super) range: String,
    pub(super) primaries: String,
    pub(super) transfer: String,
}

impl Video {
    pub(in super::super) fn probe(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(refuse(path, "there is no such file"));
        }
        let mut command = Command::new("ffprobe");
        command.args(["-v", "error", "-show_streams", "-show_format", "-of", "json"]).arg(path);
        let text = output_of("ffprobe", &mut command)?;
        let told: Value = serde_json::from_slice(&text).map_err(|err| {
            Failure::new(Kind::File, format!("ffprobe's answer makes no sense: {err}"))
        })?;
        Self::read(&told).ok_or_else(|| refuse(path, "it holds no pictures that ffmpeg can decode"))
    }

    fn read(told: &Value) -> Option<Self> {
        let streams = told["streams"].as_array()?;
        let kind = |stream: &&Value, kind: &str| stream["codec_type"] == kind;
        let is_cover = |stream: &&Value| stream["disposition"]["attached_pic"] == 1;
        let stream = streams.iter().find(|s| kind(s, "video") && !is_cover(s))?;
        let text = |name: &str| stream[name].as_str().unwrap_or_default().to_owned();
        let tag = |name: &str| match text(name).as_str() {
            "unknown" | "reserved" => String::new(),
            known => known.to_owned(),
        };
        let side = |name: &str| usize::try_from(stream[name].as_u64()?).ok();
        let (width, height) = (side("width")?, side("height")?);
        let (width, height) = if is_turned(stream) { (height, width) } else { (width, height) };
        let pixel_format = text("pix_fmt");
        let rate = rate_of(&text("r_frame_rate"), &text("avg_frame_rate"))?;
        let seconds = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
        let length = seconds(&stream["duration"]).or_else(|| seconds(&told["format"]["duration"]));
        let counted = text("nb_frames").parse().ok();
        let starts = |value: &Value| seconds(&value["start_time"]).unwrap_or(0.0);
        Some(Self {
            width,
            height,
            rate,
            form: form_of(&pixel_format, &text("bits_per_raw_sample")),
            frames: counted.unwrap_or((length.unwrap_or(0.0) * rate.per_second()).round() as u64),
            interlaced: matches!(text("field_order").as_str(), "tt" | "bb" | "tb" | "bt"),
            has_sound: streams.iter().any(|stream| kind(&stream, "audio")),
            pixel_format,
            colour: Colour {
                matrix: tag("color_space"),
                range: tag("color_range"),
                primaries: tag("color_primaries"),
                transfer: tag("color_transfer"),
            },
            pixel_shape: match text("sample_aspect_ratio").as_str() {
                "" | "0:1" | "N/A" => "1:1".into(),
                shape => shape.into(),
            },
            delay: (starts(stream) - starts(&told["format"])).max(0.0),
        })
    }

    /// Bytes of one decoded frame.
    pub(super) fn frame_bytes(&self) -> usize {
        let channels = if self.form.alpha { 4 } else { 3 };
        let bytes = if self.form.depth == Depth::Eight { 1 } else { 2 };
        self.width * self.height * channels * bytes
    }

    /// To frames of even distance (a frame that a file leaves out is a held one) and to samples.
    pub(super) fn decoding_filter(&self) -> String {
        let samples = match (self.form.depth, self.form.alpha) {
            (Depth::Eight, false) => "rgb24",
            (Depth::Eight, true) => "rgba",
            (_, false) => "rgb48le",
            (_, true) => "rgba64le",
        };
        let conversion = if self.is_rgb() {
            String::new()
        } else {
            format!(":in_color_matrix={}:in_range={}", self.matrix(), self.range())
        };
        format!(
            "fps={},scale=flags=accurate_rnd+full_chroma_int+bicubic{conversion},format={samples}",
            self.rate
        )
    }

    /// Whether the file stores red, green and blue themselves.
    pub(super) fn is_rgb(&self) -> bool {
        let format = &self.pixel_format;
        ["rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8"]
            .iter()
            .any(|name| format.starts_with(name))
    }

    /// The conversion's matrix in the words of ffmpeg's scaler; a file without a tag is taken as players do.
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
        let full = self.colour.range == "pc" || self.pixel_format.starts_with("yuvj");
        if full { "pc" } else { "tv" }
    }
}

/// Whether the picture is to be turned by a quarter before it is shown.
fn is_turned(stream: &Value) -> bool {
    let sides = stream["side_data_list"].as_array();
    let rotation = sides.and_then(|sides| sides.iter().find_map(|side| side["rotation"].as_f64()));
    let tagged = || stream["tags"]["rotate"].as_str().and_then(|text| text.parse().ok());
    rotation.or_else(tagged).is_some_and(|turn: f64| (turn / 90.0).round() as i64 % 2 != 0)
}

/// The rate of the pictures: the one that all time stamps fit, unless that is a clock's.
fn rate_of(real: &str, mean: &str) -> Option<Rate> {
    let usable = |text: &str| -> Option<Rate> {
        let rate: Rate = text.parse().ok()?;
        (rate.per_second() <= FASTEST).then_some(rate)
    };
    usable(real).or_else(|| usable(mean))
}

fn form_of(pixel_format: &str, raw_bits: &str) -> Form {
    let alpha = ["yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya", "pal8"]
        .iter()
        .any(|name| pixel_format.starts_with(name));
    let deep_names = ["9", "10", "12", "14", "16", "48", "64", "f32"];
    let named = pixel_format.trim_end_matches("le").trim_end_matches("be");
    let deep =
        deep_names.iter().any(|bits| named.ends_with(bits)) && !["nv12", "nv16"].contains(&named);
    let deep = deep || raw_bits.parse().is_ok_and(|bits: u32| bits > 8);
    Form { depth: if deep { Depth::Sixteen } else { Depth::Eight }, colour: true, alpha }
}

fn refuse(path: &Path, reason: &str) -> Failure {
    Failure::new(Kind::File, format!("The video {} cannot be used: {reason}.", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(changes: &Value) -> Value {
        let mut stream = json!({
            "codec_type": "video", "width": 1920, "height": 1080, "pix_fmt": "yuv420p",
            "r_frame_rate": "24000/1001", "avg_frame_rate": "24000/1001", "start_time": "0.000000",
            "duration": "10.01", "sample_aspect_ratio": "1:1", "field_order": "progressive",
        });
        for (name, value) in changes.as_object().unwrap() {
            stream[name] = value.clone();
        }
        json!({ "streams": [{ "codec_type": "audio" }, stream], "format": { "start_time": "0.0" } })
    }

    fn video(changes: &Value) -> Video {
        Video::read(&told(changes)).unwrap()
    }

    #[test]
    fn a_usual_file() {
        let video = video(&json!({}));
        assert_eq!((video.width, video.height, video.frames), (1920, 1080, 240));
        assert_eq!(video.rate, Rate::new(24_000, 1001).unwrap());
        assert!(video.has_sound && !video.interlaced && !video.is_rgb());
        assert_eq!(video.form, Form { depth: Depth::Eight, colour: true, alpha: false });
        assert_eq!((video.matrix(), video.range()), ("bt709", "tv"));
        assert_eq!(video.frame_bytes(), 1920 * 1080 * 3);
    }

    #[test]
    fn a_phone_held_upright() {
        let turned = json!({ "side_data_list": [{ "rotation": -90 }] });
        assert_eq!((video(&turned).width, video(&turned).height), (1080, 1920));
    }

    #[test]
    fn depth_and_alpha_follow_the_pixel_format() {
        for (name, depth, alpha) in [
            ("yuv420p10le", Depth::Sixteen, false),
            ("yuva444p12le", Depth::Sixteen, true),
            ("gbrap", Depth::Eight, true),
            ("rgba64be", Depth::Sixteen, true),
            ("nv12", Depth::Eight, false),
            ("yuvj420p", Depth::Eight, false),
        ] {
            let form = video(&json!({ "pix_fmt": name })).form;
            assert_eq!(form, Form { depth, colour: true, alpha }, "{name}");
        }
    }

    #[test]
    fn a_clock_is_no_rate() {
        let clock = video(&json!({ "r_frame_rate": "1000/1", "avg_frame_rate": "25/1" }));
        assert_eq!(clock.rate, Rate::new(25, 1).unwrap());
        assert!(
            Video::read(&told(&json!({ "r_frame_rate": "0/0", "avg_frame_rate": "0/0" })))
                .is_none()
        );
    }
}
