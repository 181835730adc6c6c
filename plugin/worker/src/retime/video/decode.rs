//! The frames of a video, through a pipe from ffmpeg.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use inbetween_core::program;

use super::fields::Fields;
use super::timeline::{FrameSlots, Slot};
use super::{Video, ffmpeg};
use crate::failure::{Failure, Kind, Result};

/// Most errors kept per file.
const MOST_ERRORS: usize = 100;

/// The samples of a frame. Repeated frames share them.
pub(in super::super) type RawFrame = Arc<Vec<u8>>;

/// The frames of a video at an even rate: each picture is repeated until the next one is due.
pub(in super::super) struct Decoder {
    child: Child,
    pipe: ChildStdout,
    times: Receiver<Option<i64>>,
    listener: Option<JoinHandle<Vec<String>>>,
    video: Video,
    fields: Fields,
    path: PathBuf,
    slots: FrameSlots,
    /// Number of the next frame.
    at: i64,
    current: Option<RawFrame>,
    upcoming: Option<(i64, RawFrame)>,
    ended: bool,
    /// Errors that ffmpeg has printed, known at the end.
    errors: Vec<String>,
    pictures: u64,
}

/// What is known of a video after its last frame.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct DecodeSummary {
    /// Time of the first picture, in millionths of a second from the beginning of the file.
    pub(in super::super) start_micros: i64,
    /// Number of pictures, each counted once.
    pub(in super::super) pictures: u64,
    /// What is wrong with the file.
    pub(in super::super) damage: Vec<String>,
}

impl Decoder {
    pub(in super::super) fn open(path: &Path, video: &Video, fields: Fields) -> Result<Self> {
        let mut command = program::command("ffmpeg");
        // ffmpeg prints the times of the pictures at this level only.
        command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info"]);
        if let Some(decoder) = video.decoder {
            command.args(["-c:v", decoder]);
        }
        command.arg("-i").arg(ffmpeg::address(path)).args(["-map", "0:V:0"]);
        // Every picture exactly once: ffmpeg itself must neither repeat nor drop any.
        let every = "settb=AVTB,showinfo=checksum=0,settb=1/25,setpts=N";
        let filters = fields.filters();
        command.args(["-vf", &format!("{filters}{every},{}", video.decoding_filter())]);
        command.args(["-r", "25", "-f", "rawvideo", "pipe:1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|err| ffmpeg::cannot_start("ffmpeg", &err))?;
        let no_pipe = || Failure::new(Kind::File, "ffmpeg has no output");
        let (pipe, said) = child.stdout.take().zip(child.stderr.take()).ok_or_else(no_pipe)?;
        let (tell, times) = channel();
        Ok(Self {
            child,
            pipe,
            times,
            listener: Some(std::thread::spawn(move || listen(said, &tell))),
            slots: FrameSlots::new(fields.rate(video.rate)),
            video: video.clone(),
            fields,
            path: path.into(),
            at: 0,
            current: None,
            upcoming: None,
            ended: false,
            errors: Vec::new(),
            pictures: 0,
        })
    }

    /// The samples of the next frame; `None` after the last.
    pub(in super::super) fn next(&mut self) -> Result<Option<RawFrame>> {
        while !self.ended && self.upcoming.is_none() {
            self.read_one()?;
        }
        if self.upcoming.as_ref().is_some_and(|(slot, _)| *slot <= self.at) {
            self.current = self.upcoming.take().map(|(_, raw)| raw);
        } else if self.upcoming.is_none() && self.at >= self.slots.length(self.video.ends) {
            return Ok(None);
        }
        self.at += 1;
        Ok(self.current.clone())
    }

    /// What is known at the end.
    pub(in super::super) fn summary(&self) -> DecodeSummary {
        let mut damage = self.video.damage.clone();
        let of_each = if matches!(self.fields, Fields::Bobbed { .. }) { 2 } else { 1 };
        let missing = self.video.pictures.saturating_sub(self.pictures / of_each);
        if !self.errors.is_empty() {
            if missing > 0 {
                let all = self.video.pictures;
                damage.push(format!("{missing} of its {all} pictures could not be decoded"));
            }
            let number = self.errors.len();
            damage.push(format!("ffmpeg complained {number} times, first: {}", self.errors[0]));
        }
        DecodeSummary {
            start_micros: self.slots.begins.unwrap_or(0),
            pictures: self.pictures,
            damage,
        }
    }

    /// Takes the next picture from the pipe.
    fn read_one(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        let wanted = self.video.frame_bytes();
        let shown = self.path.display();
        let failed = |err: std::io::Error| Failure::new(Kind::File, format!("{shown}: {err}"));
        bytes.try_reserve_exact(wanted).map_err(|_| {
            Failure::new(Kind::Engine, format!("there is no memory for a frame of {wanted} bytes"))
        })?;
        (&mut self.pipe).take(wanted as u64).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() == wanted {
            self.pictures += 1;
            // ffmpeg prints the time before it outputs the picture.
            let time = self.times.recv().unwrap_or(None);
            match self.slots.next(time) {
                Slot::At(slot) => self.upcoming = Some((slot, Arc::new(bytes))),
                Slot::None => {}
                Slot::Jump => {
                    return Err(Failure::new(
                        Kind::File,
                        format!(
                            "The times in {shown} jump by more than an hour. Repair them first: ffmpeg -i {shown} -c copy -fflags +genpts fixed.mkv"
                        ),
                    ));
                }
            }
            return Ok(());
        }
        self.ended = true;
        let status = self.child.wait().map_err(failed)?;
        if let Some(listener) = self.listener.take() {
            self.errors = listener.join().unwrap_or_default();
        }
        // ffmpeg exits with a failure after too many bad pictures, but what it could decode is there.
        if !bytes.is_empty() || self.pictures == 0 || status.code().is_none() {
            return Err(Failure::new(
                Kind::File,
                format!(
                    "{shown} could not be decoded: {}. Play it with ffplay, or repair it with ffmpeg -i {shown} -c copy fixed.mkv.",
                    ffmpeg::summary(&self.errors, status)
                ),
            ));
        }
        if self.video.decoded.is_some_and(|decoded| decoded != self.pictures) {
            return Err(Failure::new(
                Kind::File,
                format!(
                    "{shown} has changed, or ffmpeg has failed: it gave other pictures before. Run the same command again."
                ),
            ));
        }
        if !status.success() && self.errors.is_empty() {
            self.errors.push(ffmpeg::summary(&[], status));
        }
        Ok(())
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Nobody needs the rest from a decoder that is dropped early.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Forwards the times of pictures, and collects errors.
fn listen(said: ChildStderr, tell: &Sender<Option<i64>>) -> Vec<String> {
    let mut errors = Vec::new();
    let mut said = BufReader::new(said);
    let mut line = Vec::new();
    while said.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        if let Some(time) = time_in(&text) {
            // Fails only if the decoder was dropped.
            let _ = tell.send(time);
        } else if let Some((level, text)) = ffmpeg::parse_line(&text)
            && ffmpeg::is_error(level)
            && errors.len() < MOST_ERRORS
        {
            errors.push(text.to_owned());
        }
        line.clear();
    }
    errors
}

/// The time of a picture from a line of ffmpeg's filter `showinfo`; `None` for other lines, `Some(None)` for a picture
/// without a time.
fn time_in(line: &str) -> Option<Option<i64>> {
    let rest = line.strip_prefix("[Parsed_showinfo")?;
    let (_, rest) = rest.split_once(" n:")?;
    let (_, rest) = rest.split_once(" pts:")?;
    Some(rest.split_whitespace().next().and_then(|time| time.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_what_ffmpeg_says() {
        let line = "[Parsed_showinfo_1 @ 0x55f4] [info] n:   0 pts:  21000 pts_time:0.021   pos:     1645 fmt:yuv420p";
        assert_eq!(time_in(line), Some(Some(21_000)));
        let none = "[Parsed_showinfo_1 @ 0x55f4] [info] n:   3 pts: NOPTS pts_time:NOPTS   pos:";
        assert_eq!(time_in(none), Some(None));
        assert_eq!(
            time_in("[Parsed_showinfo_1 @ 0x55f4] [info] config in time_base: 1/1000000"),
            None
        );
        assert_eq!(time_in("[info]     title : n: 3 pts: 4"), None);
    }
}
