//! The streams of a file besides its pictures, and what becomes of them in another container.

use inbetween_core::retime::Rate;
use serde_json::Value;

use super::Video;
use super::probe::{Stream, dispositions, has_layout, language};

/// Kinds of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Matroska,
    Web,
    Mp4,
    Mov,
    Avi,
}

/// A stream that is carried over.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CopiedStream {
    pub(super) stream: Stream,
    /// The encoder and its arguments; `copy` for an unchanged stream.
    pub(super) codec: Vec<String>,
    /// What it becomes if the container refuses it unchanged.
    fallback: Option<Vec<String>>,
    /// How many seconds too early ffmpeg puts it, relative to the pictures.
    early: f64,
    /// Another code for its language, if the container does not accept the original one.
    language: Option<&'static str>,
}

/// All streams except the pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StreamCopy {
    pub(super) streams: Vec<CopiedStream>,
    pub(super) chapters: bool,
    /// Whether titles are also stored as the names of tracks, because many readers of such files
    /// look for them only there.
    pub(super) names_tracks: bool,
    pub(super) timecode: Option<String>,
    /// What changes and what is lost, in sentences.
    pub(super) notes: Vec<String>,
}

/// The encoder of Opus, and its lead: samples at 48 kHz.
const OPUS: &str = "libopus";
const OPUS_LEAD: f64 = 312.0 / 48_000.0;

/// Tolerated error of sound in seconds, about the unit of Matroska's clock, and the longest lead-in
/// of an encoder.
const IN_STEP: f64 = 0.002;
const LONGEST_LEAD: f64 = 0.25;

/// Dispositions of a stream that are expressed in other ways.
const TOLD_OTHERWISE: [&str; 2] = ["default", "attached_pic"];

/// Languages that have two codes. QuickTime files number their languages, and ffmpeg knows each
/// number by one of the two.
const TWO_CODES: [[&str; 2]; 21] = [
    ["alb", "sqi"],
    ["arm", "hye"],
    ["baq", "eus"],
    ["bur", "mya"],
    ["chi", "zho"],
    ["cze", "ces"],
    ["dut", "nld"],
    ["fre", "fra"],
    ["geo", "kat"],
    ["ger", "deu"],
    ["gre", "ell"],
    ["ice", "isl"],
    ["mac", "mkd"],
    ["mao", "mri"],
    ["may", "msa"],
    ["per", "fas"],
    ["rum", "ron"],
    ["slo", "slk"],
    ["tib", "bod"],
    ["wel", "cym"],
    // Not a code of the standard, but the one that ffmpeg uses.
    ["swe", "sve"],
];

/// The option for a stream's filters.
const FILTER: &str = "-filter:{}";

/// Subtitle formats that are text.
const TEXT: [&str; 6] = ["subrip", "ass", "ssa", "webvtt", "mov_text", "text"];

impl Container {
    fn of(ending: &str) -> Self {
        match ending {
            "mkv" => Self::Matroska,
            "webm" => Self::Web,
            "mov" => Self::Mov,
            "avi" => Self::Avi,
            _ => Self::Mp4,
        }
    }

    /// What becomes of a stream: its codec, and a fallback.
    fn takes(self, stream: &Stream) -> Result<(Vec<String>, Option<Vec<String>>), &'static str> {
        let copy = || vec!["copy".to_owned()];
        let codec = stream.codec.as_str();
        match stream.kind.as_str() {
            "audio" => {
                let (known, fallback) = self.sound(stream);
                Ok(if known { (copy(), Some(fallback)) } else { (fallback, None) })
            }
            "subtitle" if TEXT.contains(&codec) => match self {
                Self::Matroska if ["mov_text", "text"].contains(&codec) => {
                    Ok((words(&["srt"]), None))
                }
                Self::Matroska => Ok((copy(), None)),
                Self::Web if codec == "webvtt" => Ok((copy(), None)),
                Self::Web => Ok((words(&["webvtt"]), None)),
                Self::Mp4 | Self::Mov if codec == "mov_text" => Ok((copy(), None)),
                Self::Mp4 | Self::Mov => Ok((words(&["mov_text"]), None)),
                Self::Avi => Err("AVI files hold no subtitles"),
            },
            "subtitle" => match (self, codec) {
                (Self::Matroska, "hdmv_pgs_subtitle" | "dvd_subtitle" | "dvb_subtitle") => {
                    Ok((copy(), None))
                }
                (Self::Mp4, "dvd_subtitle") => Ok((copy(), None)),
                _ => Err("this container does not hold subtitles of that kind; .mkv holds most"),
            },
            "attachment" if self == Self::Matroska => Ok((copy(), None)),
            "attachment" => Err("only .mkv files hold attachments"),
            "video" if stream.cover && matches!(self, Self::Matroska | Self::Mp4) => {
                Ok((copy(), None))
            }
            "video" if stream.cover => Err("this container holds no cover"),
            "video" => Err("only the first video stream is retimed"),
            _ => Err("its meaning is unknown, so it cannot be brought to the new frames"),
        }
    }

    /// Whether this kind of sound is accepted unchanged, and what it becomes otherwise.
    fn sound(self, stream: &Stream) -> (bool, Vec<String>) {
        let codec = stream.codec.as_str();
        let pcm = codec.starts_with("pcm_");
        let lossless = pcm || ["flac", "alac", "truehd", "mlp", "tta", "wavpack"].contains(&codec);
        let rate = format!("{}k", 128 * stream.channels.clamp(1, 8));
        match self {
            Self::Matroska => {
                // For raw samples it does not say which channel is which.
                let fits_flac = ["pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"];
                let has_places = stream.channels > 2 && stream.has_layout;
                let unmarked = has_places && fits_flac.contains(&codec);
                let known = !unmarked && !["pcm_bluray", "pcm_dvd"].contains(&codec);
                (known, words(&["flac"]))
            }
            Self::Web => {
                let known = ["opus", "vorbis"].contains(&codec);
                // Opus has only the usual layouts; 5.1 with side speakers counts as the usual 5.1
                // there.
                let layouts = "aformat=channel_layouts=7.1|6.1|5.1|5.0|quad|3.0|stereo|mono";
                (known, words(&[OPUS, "-b:{}", &rate, FILTER, layouts]))
            }
            Self::Mp4 | Self::Mov => {
                let known = ["aac", "mp3", "ac3", "eac3", "alac"].contains(&codec)
                    || (self == Self::Mp4 && ["opus", "flac", "dts"].contains(&codec))
                    || (self == Self::Mov && pcm);
                let fallback =
                    if lossless { words(&["alac"]) } else { words(&["aac", "-b:{}", &rate]) };
                (known, fallback)
            }
            Self::Avi => {
                let known =
                    ["mp3", "ac3", "mp2", "pcm_s16le", "pcm_s24le", "pcm_u8"].contains(&codec);
                (known, words(&["pcm_s16le"]))
            }
        }
    }
}

impl CopiedStream {
    /// When it should begin relative to the pictures, in seconds by its first packet; `None` where
    /// ffmpeg is known to be right. Opus sound has an inaudible lead-in, which some releases
    /// subtract twice in Matroska files.
    fn should_begin(&self) -> Option<f64> {
        match (self.codec[0].as_str(), self.stream.codec.as_str()) {
            ("copy", "opus") => Some(self.stream.begins),
            (OPUS, _) => Some(self.stream.begins - OPUS_LEAD),
            _ => None,
        }
    }

    /// Whether the language of this stream is missing in a trial file.
    fn loses_language(&self, tried: Option<&Value>) -> bool {
        self.stream.language.is_some() && tried.is_some_and(|tried| language(tried).is_none())
    }

    /// The encoder and its arguments, so that the sound is in sync.
    fn in_step(&self) -> Vec<String> {
        let mut codec = self.codec.clone();
        if self.early == 0.0 {
            return codec;
        }
        let early = format!("{:.6}", self.early);
        match codec.iter().position(|word| word == FILTER) {
            Some(at) => codec[at + 1] += &format!(",asetpts=PTS+{early}/TB"),
            None => codec.extend(["-bsf:{}".into(), format!("setts=ts=TS+{early}/TB")]),
        }
        codec
    }
}

impl StreamCopy {
    /// Plans the streams from `video`, whose pictures get another rate `to`, into a file with this
    /// extension.
    pub(super) fn plan(video: &Video, (from, to): (Rate, Rate), ending: &str) -> Self {
        let container = Container::of(ending);
        let mut stream_copy = Self {
            chapters: video.chapters && container != Container::Avi,
            names_tracks: matches!(container, Container::Mp4 | Container::Mov),
            timecode: video.timecode.as_deref().and_then(|told| timecode(told, from, to)),
            ..Self::default()
        };
        for stream in &video.others {
            // The timecode track is made anew from its text, the chapter track from the list of
            // chapters.
            let made_anew = stream.tag == "tmcd"
                || (stream.tag == "text" && stream.kind == "data" && video.chapters);
            if made_anew {
                continue;
            }
            match container.takes(stream) {
                Ok((codec, fallback)) => {
                    stream_copy.streams.push(CopiedStream {
                        stream: stream.clone(),
                        codec,
                        fallback,
                        early: 0.0,
                        language: None,
                    });
                    stream_copy.note_changed(stream_copy.streams.len() - 1, ending);
                }
                Err(reason) => stream_copy.notes.push(format!(
                    "the {} stream {} ({}) is left out: {reason}",
                    stream.kind, stream.index, stream.name
                )),
            }
        }
        if video.chapters && !stream_copy.chapters {
            stream_copy.notes.push("the chapters are left out: AVI files hold none".into());
        }
        if let Some(told) = &video.timecode {
            if stream_copy.timecode.is_none() {
                stream_copy
                    .notes
                    .push(format!("the timecode {told} is left out: it cannot be read"));
            } else if matches!(container, Container::Avi | Container::Web) {
                stream_copy
                    .notes
                    .push(format!("the timecode {told} is left out: .{ending} files hold none"));
                stream_copy.timecode = None;
            }
        }
        stream_copy
    }

    /// Gives a stream that the container refused its fallback form; false if there is none.
    pub(super) fn use_fallback(&mut self, at: usize, ending: &str) -> bool {
        let Some(fallback) = self.streams[at].fallback.take() else { return false };
        self.streams[at].codec = fallback;
        self.note_changed(at, ending);
        true
    }

    fn note_changed(&mut self, at: usize, ending: &str) {
        let CopiedStream { stream, codec, .. } = &self.streams[at];
        if codec[0] != "copy" {
            self.notes.push(format!(
                "the {} stream {} ({}) becomes {}, because .{ending} files do not hold it as it is",
                stream.kind, stream.index, stream.name, codec[0]
            ));
        }
    }

    /// Examines a trial file, and corrects what would be out of sync or lose its language. Returns
    /// whether anything was corrected.
    pub(super) fn mend(&mut self, tried: &[Value]) -> bool {
        let begins = |at: usize| tried.get(at)?["start_time"].as_str()?.parse::<f64>().ok();
        let pictures = begins(0);
        for (at, carried) in self.streams.iter_mut().enumerate() {
            let early = carried.should_begin().zip(begins(at + 1)).zip(pictures);
            let early =
                early.map_or(0.0, |((should, begins), pictures)| should - (begins - pictures));
            // A larger difference has another cause.
            if (IN_STEP..LONGEST_LEAD).contains(&early) {
                carried.early = early;
            }
            if carried.loses_language(tried.get(at + 1)) {
                carried.language = carried.stream.language.as_deref().and_then(other_code);
            }
        }
        self.streams.iter().any(|carried| carried.early != 0.0 || carried.language.is_some())
    }

    /// Leaves everything in the way that ffmpeg handles it by default.
    pub(super) fn leave_as_it_is(&mut self) {
        for carried in &mut self.streams {
            carried.early = 0.0;
            carried.language = None;
        }
    }

    /// Reports what streams lose in a trial file: languages and dispositions.
    pub(super) fn note_lost(&mut self, tried: &[Value], ending: &str) {
        for (carried, tried) in self.streams.iter().zip(tried.iter().skip(1)) {
            let stream = &carried.stream;
            let name = format!("the {} stream {} ({})", stream.kind, stream.index, stream.name);
            if carried.loses_language(Some(tried)) {
                self.notes.push(format!(
                    "{name} is no longer marked with its language: .{ending} files do not hold that"
                ));
            }
            if stream.channels > 2 && stream.has_layout && !has_layout(tried) {
                self.notes.push(format!(
                    "{name} no longer says which channel is which: .{ending} files do not hold that"
                ));
            }
            let kept = dispositions(tried);
            let is_lost =
                |mark: &&String| !kept.contains(mark) && !TOLD_OTHERWISE.contains(&mark.as_str());
            self.notes.extend(stream.dispositions.iter().filter(is_lost).map(|mark| {
                format!("{name} is no longer marked as {mark}: .{ending} files do not hold that")
            }));
        }
    }

    /// The arguments for the streams, which come from ffmpeg's input `input` and follow the stream
    /// of pictures.
    pub(super) fn arguments(&self, input: usize) -> Vec<String> {
        let mut arguments = Vec::new();
        for (at, carried) in self.streams.iter().enumerate() {
            let output = at + 1;
            arguments.extend(["-map".into(), format!("{input}:{}", carried.stream.index)]);
            arguments.push(format!("-c:{output}"));
            let word = |word: &String| word.replace("{}", &output.to_string());
            arguments.extend(carried.in_step().iter().map(word));
            if let Some(language) = carried.language {
                arguments.push(format!("-metadata:s:{output}"));
                arguments.push(format!("language={language}"));
            }
            if let (true, Some(title)) = (self.names_tracks, &carried.stream.title) {
                arguments.push(format!("-metadata:s:{output}"));
                arguments.push(format!("handler_name={title}"));
            }
        }
        arguments.extend(["-map_metadata".into(), input.to_string()]);
        let chapters = if self.chapters { input.to_string() } else { "-1".into() };
        arguments.extend(["-map_chapters".into(), chapters]);
        if let Some(timecode) = &self.timecode {
            arguments.extend(["-metadata:s:v:0".into(), format!("timecode={timecode}")]);
        }
        arguments
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn other_code(language: &str) -> Option<&'static str> {
    TWO_CODES.iter().find_map(|[one, two]| match language {
        code if code == *one => Some(*two),
        code if code == *two => Some(*one),
        _ => None,
    })
}

/// The same moment as a timecode at another rate.
fn timecode(told: &str, from: Rate, to: Rate) -> Option<String> {
    let drops = told.contains([';', '.']);
    let mut numbers = told.split([':', ';', '.']).map(|number| number.trim().parse::<u64>().ok());
    let mut number = || numbers.next().flatten();
    let (hours, minutes, seconds, frames) = (number()?, number()?, number()?, number()?);
    let nominal = |rate: Rate| rate.per_second().round() as u64;
    let may_drop = to.seconds() == 1001 && to.frames().is_multiple_of(30_000);
    if drops && may_drop {
        let frames = frames * nominal(to) / nominal(from).max(1);
        // At twice the rate, twice as many numbers are left out at the beginning of a minute.
        let left_out = 2 * nominal(to) / 30;
        let frames = if seconds == 0 && minutes % 10 != 0 { frames.max(left_out) } else { frames };
        return Some(format!("{hours:02}:{minutes:02}:{seconds:02};{frames:02}"));
    }
    if drops {
        // With numbers left out, a timecode shows the time of the clock.
        let nominal_from = nominal(from);
        let passed = hours * 60 + minutes;
        let counted = ((passed * 60 + seconds) * nominal_from + frames)
            .saturating_sub(2 * nominal_from / 30 * (passed - passed / 10));
        let time = counted as f64 / from.per_second();
        let whole = time.floor() as u64;
        let frames = ((time - time.floor()) * to.per_second()).floor() as u64;
        let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
        return Some(format!("{hours:02}:{minutes:02}:{seconds:02}:{frames:02}"));
    }
    let frames = frames * nominal(to) / nominal(from).max(1);
    Some(format!("{hours:02}:{minutes:02}:{seconds:02}:{frames:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(kind: &str, codec: &str) -> Stream {
        Stream {
            kind: kind.into(),
            codec: codec.into(),
            channels: 6,
            has_layout: true,
            ..Stream::default()
        }
    }

    #[test]
    fn every_container_keeps_what_it_can() {
        let becomes = |container: Container, kind: &str, codec: &str| {
            container
                .takes(&stream(kind, codec))
                .map(|(codec, _)| codec[0].clone())
                .unwrap_or_default()
        };
        for (container, kind, codec, wanted) in [
            (Container::Matroska, "audio", "dts", "copy"),
            (Container::Matroska, "audio", "pcm_s24le", "flac"),
            (Container::Matroska, "audio", "pcm_f32le", "copy"),
            (Container::Matroska, "subtitle", "mov_text", "srt"),
            (Container::Matroska, "subtitle", "hdmv_pgs_subtitle", "copy"),
            (Container::Matroska, "attachment", "ttf", "copy"),
            (Container::Web, "audio", "ac3", "libopus"),
            (Container::Web, "subtitle", "ass", "webvtt"),
            (Container::Mp4, "audio", "pcm_s24le", "alac"),
            (Container::Mp4, "audio", "vorbis", "aac"),
            (Container::Mp4, "subtitle", "subrip", "mov_text"),
            (Container::Mov, "audio", "pcm_s24le", "copy"),
            (Container::Mov, "attachment", "ttf", ""),
            (Container::Mov, "subtitle", "hdmv_pgs_subtitle", ""),
            (Container::Avi, "subtitle", "subrip", ""),
        ] {
            assert_eq!(becomes(container, kind, codec), wanted, "{container:?} {kind} {codec}");
        }
    }

    #[test]
    fn timecodes_name_the_same_moment() {
        let at = |told: &str, from: &str, to: &str| {
            timecode(told, from.parse().unwrap(), to.parse().unwrap()).unwrap()
        };
        assert_eq!(at("01:00:00:00", "24", "48"), "01:00:00:00");
        assert_eq!(at("01:00:00:12", "24", "60"), "01:00:00:30");
        assert_eq!(at("00:01:00;02", "29.97", "59.94"), "00:01:00;04");
        assert_eq!(at("01:00:00;00", "29.97", "60"), "00:59:59:59");
        assert!(timecode("noon", "24".parse().unwrap(), "48".parse().unwrap()).is_none());
    }
}
