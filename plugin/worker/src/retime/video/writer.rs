//! Makes a video file from finished pictures, which are encoded in parts and joined.
//!
//! The pictures of a part are deleted only when the part is on the disk and contains all of them,
//! and the parts only when the joined file does and is in its place. So nothing is lost when a disk
//! is full or a machine fails, and a long film needs little more space than the result.

use std::ffi::OsString;
use std::io::{Cursor, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use image::{DynamicImage, ImageFormat};
use inbetween_core::ContentHash;
use inbetween_core::retime::{Rate, common_divisor};
use serde_json::Value;

use super::super::atomic_file;
use super::super::pictures::{Depth, Form};
use super::super::work_folder::{LIST, Part, WorkFolder, part_name};
use super::encoder::{Encoder, EncoderOptions};
use super::stream_copy::StreamCopy;
use super::{Video, ending_of, ffmpeg};
use crate::failure::{Failure, Kind, Result};

/// Least number of frames in a part: what is lost when a machine fails, and what is on the disk as
/// pictures.
const PART: u64 = 240;

/// Most frames in a part, if that makes its length a whole number of milliseconds.
const MOST: u64 = 2000;

/// A video file to be made.
#[derive(Clone, Debug)]
pub(in super::super) struct VideoWriter {
    to: PathBuf,
    rate: Rate,
    encoder: Encoder,
    stream_copy: StreamCopy,
    like: Option<(PathBuf, Video)>,
    digest: ContentHash,
    /// How often the first picture is repeated before its time, in files that cannot begin later
    /// than their sound.
    lead: u64,
}

impl VideoWriter {
    /// Decides everything about the file `to`, and tries all of it with two black pictures and the
    /// beginning of the sound, so that nothing is refused after all frames are drawn. `folder` is
    /// for the trial.
    pub(in super::super) fn prepare(
        to: &Path,
        folder: &Path,
        (from, rate): (Rate, Rate),
        (form, size): (Form, (usize, usize)),
        like: Option<(&Path, &Video)>,
        options: &EncoderOptions,
    ) -> Result<Self> {
        let encoder = Encoder::choose(to, (form, size), like.map(|(_, video)| video), options)?;
        let ending = ending_of(to);
        let stream_copy = like.map_or(StreamCopy::default(), |(_, video)| {
            StreamCopy::plan(video, (from, rate), &ending)
        });
        let like = like.map(|(path, video)| {
            (std::path::absolute(path).unwrap_or_else(|_| path.into()), video.clone())
        });
        let to = std::path::absolute(to).unwrap_or_else(|_| to.into());
        let digest = encoder.digest();
        let mut writer = Self { to, rate, encoder, stream_copy, like, digest, lead: 0 };
        writer.dry_run(folder, form, size)?;
        Ok(writer)
    }

    /// Sets when the first picture is shown, in microseconds after the sound may begin.
    pub(in super::super) fn set_start(&mut self, begins: i64) {
        if ending_of(&self.to) == "avi" {
            self.lead = (begins.max(0) as f64 / 1e6 * self.rate.per_second()).round() as u64;
        }
    }

    /// What the user should know about the file before it is made.
    pub(in super::super) fn notes(&self) -> impl Iterator<Item = &str> {
        self.encoder.notes.iter().chain(&self.stream_copy.notes).map(String::as_str)
    }

    /// The parts of a film with `frames` frames.
    pub(in super::super) fn parts(&self, frames: u64) -> impl Iterator<Item = (u64, Range<u64>)> {
        let length = self.part_length();
        (0..frames.div_ceil(length))
            .map(move |part| (part, part * length..((part + 1) * length).min(frames)))
    }

    /// Number of frames in a part.
    pub(in super::super) fn part_length(&self) -> u64 {
        part_length(self.rate)
    }

    /// Estimated size of the file with `frames` frames, from the size of one picture and of the
    /// source's sound.
    pub(in super::super) fn estimated_bytes(&self, picture: u64, frames: u64) -> u64 {
        let every = ["prores_ks", "dnxhd", "ffv1", "qtrle", "png", "utvideo", "mjpeg"];
        let share = if every.contains(&self.encoder.name.as_str()) { 1.0 } else { 0.05 };
        let source = self.like.as_ref().and_then(|(path, _)| path.metadata().ok());
        (picture as f64 * share * frames as f64) as u64 + source.map_or(0, |source| source.len())
    }

    pub(in super::super) fn has_part(&self, work: &WorkFolder, part: u64) -> bool {
        work.has_part(part, &ending_of(&self.to), self.digest)
    }

    /// Makes a part from its finished frames, and deletes their files.
    pub(in super::super) fn encode_part(
        &self,
        work: &mut WorkFolder,
        part: u64,
        frames: Range<u64>,
    ) -> Result<()> {
        let ending = ending_of(&self.to);
        let place = atomic_file::temporary_in(&work.pattern.folder, &ending)?;
        let lead = if part == 0 { self.lead } else { 0 };
        let order = std::iter::repeat_n(frames.start, lead as usize).chain(frames.clone());
        let pictures = order.map(|at| {
            let file = work.file(at);
            let bytes = std::fs::read(&file)
                .map_err(|err| resumable(format!("{}: {err}", file.display())))?;
            if Some(ContentHash::of(&bytes)) == work.checksum(at) {
                Ok(bytes)
            } else {
                Err(resumable(format!("{} is damaged.", file.display())))
            }
        });
        self.encode(pictures, &place)?;
        check(&place, &[lead + frames.end - frames.start])?;
        let file = work.part_file(part, &ending);
        let sum = atomic_file::checksum(&place)
            .ok_or_else(|| resumable("A part could not be read.".into()))?;
        atomic_file::persist(place, &file)?;
        work.record_part(part, Part { encoding: self.digest, file: sum })?;
        work.delete_frames(frames)
    }

    /// Joins all parts, moves the file into place, and cleans up.
    pub(in super::super) fn join(
        &self,
        mut work: WorkFolder,
        frames: u64,
        begins: i64,
    ) -> Result<()> {
        let ending = ending_of(&self.to);
        let folder = work.pattern.folder.clone();
        let mut list = String::from("ffconcat version 1.0\n");
        for (part, range) in self.parts(frames) {
            // Rounded at both ends, so that errors do not add up over a long film.
            let ahead = if part == 0 { 0 } else { self.lead };
            let length = self.micros(self.lead + range.end) - self.micros(ahead + range.start);
            let name = part_name(part, &ending);
            list += &format!(
                "file {name}\nduration {}.{:06}\n",
                length / 1_000_000,
                length % 1_000_000
            );
        }
        atomic_file::write(&folder.join(LIST), list.as_bytes())?;
        let place = atomic_file::temporary_in(&folder, &ending)?;
        let input = ["-f", "concat", "-i", LIST].map(OsString::from);
        let begins = if self.lead > 0 { 0 } else { begins };
        self.mux(&input, &folder, begins, &place, None)?;
        let mut wanted = vec![self.lead + frames];
        wanted.extend(self.counts()?);
        check(&place, &wanted)?;
        let sum = atomic_file::checksum(&place)
            .ok_or_else(|| resumable("The film could not be read.".into()))?;
        // From here on, a stopped run counts as done except for cleaning up.
        work.record_output(sum)?;
        atomic_file::persist(place, &self.to)?;
        let pattern = work.pattern.clone();
        drop(work);
        WorkFolder::remove(&pattern)
    }

    fn micros(&self, frames: u64) -> u128 {
        let rate = self.rate;
        let above = u128::from(frames) * u128::from(rate.seconds()) * 1_000_000;
        (above + u128::from(rate.frames()) / 2) / u128::from(rate.frames())
    }

    /// Encodes PNG files, one after the other, into the file `to`.
    fn encode(&self, pictures: impl Iterator<Item = Result<Vec<u8>>>, to: &Path) -> Result<()> {
        let rate = self.rate.to_string();
        let mut command = ffmpeg::command();
        command.args([
            "-y",
            "-xerror",
            "-probesize",
            "1G",
            "-f",
            "image2pipe",
            "-framerate",
            &rate,
        ]);
        command.args(["-c:v", "png", "-i", "pipe:0", "-map", "0:v:0"]);
        command.args(&self.encoder.arguments).args(["-r", &rate]).arg(ffmpeg::address(to));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|err| ffmpeg::cannot_start("ffmpeg", &err))?;
        let (fed, said) = feed(&mut child, pictures);
        let status = child.wait().map_err(|err| resumable(err.to_string()))?;
        fed?;
        let errors = ffmpeg::errors_in(&said);
        if status.success() && errors.is_empty() {
            return Ok(());
        }
        Err(resumable(format!("ffmpeg: {}.", ffmpeg::summary(&errors, status))))
    }

    /// Muxes encoded pictures and all other streams of the source into the file `to`.
    fn mux(
        &self,
        pictures: &[OsString],
        folder: &Path,
        begins: i64,
        to: &Path,
        seconds: Option<f64>,
    ) -> Result<()> {
        let to = std::path::absolute(to).unwrap_or_else(|_| to.into());
        let rate = self.rate.to_string();
        let mut command = ffmpeg::command();
        command.current_dir(folder).arg("-y");
        if begins > 0 {
            command
                .args(["-itsoffset", &format!("{}.{:06}", begins / 1_000_000, begins % 1_000_000)]);
        }
        command.args(pictures);
        if let Some((path, _)) = &self.like {
            command.arg("-i").arg(ffmpeg::address(path));
        }
        command.args(["-map", "0:v:0", "-c:0", "copy", "-r", &rate]);
        if let Some((_, video)) = &self.like {
            command.args(self.stream_copy.arguments(1));
            for (name, value) in &video.tags {
                command.args(["-metadata:s:v:0", &format!("{name}={value}")]);
            }
            if !video.dispositions.is_empty() {
                command.args(["-disposition:v:0", &video.dispositions.join("+")]);
            }
        }
        if let Some(seconds) = seconds {
            command.args(["-t", &format!("{seconds:.3}")]);
        }
        if ["mp4", "m4v", "mov"].contains(&ending_of(&to).as_str()) {
            // The container states the colours too, because ProRes players look nowhere else.
            command.args(["-movflags", "+faststart+write_colr"]);
            if self.encoder.name == "libx265" {
                command.args(["-tag:v:0", "hvc1"]);
            }
        }
        let told = ffmpeg::run(command.arg(ffmpeg::address(&to)))
            .map_err(|failure| resumable(format!("{failure}.")))?;
        match told.errors.iter().find(|complaint| is_write_error(complaint)) {
            Some(complaint) => Err(resumable(format!("ffmpeg: {complaint}."))),
            None => Ok(()),
        }
    }

    /// Tries everything on a small scale, and finds other forms for streams that the container does
    /// not accept.
    fn dry_run(&mut self, folder: &Path, form: Form, size: (usize, usize)) -> Result<()> {
        std::fs::create_dir_all(folder)
            .map_err(|err| resumable(format!("{}: {err}", folder.display())))?;
        let ending = ending_of(&self.to);
        let refuse = |failure: Failure| {
            let reason = failure.message.replace(KEPT, "");
            Failure::new(
                Kind::Usage,
                format!(
                    "{} cannot be made as it is asked for: {reason} Choose another ending (.mkv takes most) or encoder (--codec).",
                    self.to.display()
                ),
            )
        };
        let part = atomic_file::temporary_in(folder, &ending)?;
        let black = || Ok(black(form, size));
        self.encode([black(), black()].into_iter(), &part).map_err(refuse)?;
        let begins =
            self.like.iter().flat_map(|(_, video)| video.others.iter().map(|other| other.begins));
        let seconds = 1.0 + begins.fold(0.0, f64::max);
        let place = atomic_file::temporary_in(folder, &ending)?;
        let mut input = vec!["-i".into()];
        input.push(ffmpeg::address(
            &std::path::absolute(&part).unwrap_or_else(|_| part.to_path_buf()),
        ));
        let tried = |writer: &Self| writer.mux(&input, folder, 0, &place, Some(seconds));
        if tried(self).is_ok() {
            return self.look_at_tried(&place, &tried);
        }
        // One of the streams is to blame, so each is tried by itself.
        let mut at = 0;
        while at < self.stream_copy.streams.len() {
            let alone = |writer: &Self| {
                let streams = vec![writer.stream_copy.streams[at].clone()];
                let stream_copy =
                    StreamCopy { streams, timecode: None, ..writer.stream_copy.clone() };
                tried(&Self { stream_copy, ..writer.clone() })
            };
            match alone(self) {
                Ok(()) => at += 1,
                Err(_) if self.stream_copy.use_fallback(at, &ending) => {}
                Err(failure) if self.stream_copy.streams[at].stream.kind == "audio" => {
                    return Err(refuse(failure));
                }
                Err(_) => {
                    let left = self.stream_copy.streams.remove(at).stream;
                    let (kind, index, name) = (left.kind, left.index, left.name);
                    self.stream_copy.notes.push(format!("the {kind} stream {index} ({name}) is left out: ffmpeg cannot put it into .{ending} files"));
                }
            }
        }
        tried(self).map_err(refuse)?;
        self.look_at_tried(&place, &tried)
    }

    /// Examines the trial file: corrects what it can, and names what is lost.
    fn look_at_tried(&mut self, tried: &Path, again: &dyn Fn(&Self) -> Result<()>) -> Result<()> {
        let mut streams = streams_of(tried)?;
        if self.stream_copy.mend(&streams) {
            match again(self) {
                Ok(()) => streams = streams_of(tried)?,
                // With an ffmpeg that cannot do this, everything stays as it was.
                Err(_) => self.stream_copy.leave_as_it_is(),
            }
        }
        self.stream_copy.note_lost(&streams, &ending_of(&self.to));
        Ok(())
    }

    /// Approximate number of packets in the source for each stream that is copied, and 1 for other
    /// streams that have any.
    fn counts(&self) -> Result<Vec<u64>> {
        let Some((path, _)) = &self.like else { return Ok(Vec::new()) };
        let counted = packets(path)?;
        Ok(self
            .stream_copy
            .streams
            .iter()
            .map(|carried| {
                let count = counted.get(carried.stream.index as usize).copied().unwrap_or(0);
                let as_it_is = carried.codec[0] == "copy" && carried.stream.kind == "audio";
                // An edit list may remove a few.
                if as_it_is { count.saturating_sub(4 + count / 50) } else { count.min(1) }
            })
            .collect())
    }
}

/// Writes pictures to a program's input for as long as it accepts them, and returns its messages.
fn feed(
    child: &mut Child,
    pictures: impl Iterator<Item = Result<Vec<u8>>>,
) -> (Result<()>, String) {
    let Some((mut pipe, said)) = child.stdin.take().zip(child.stderr.take()) else {
        return (Err(resumable("ffmpeg has no input.".into())), String::new());
    };
    let listener = std::thread::spawn(move || std::io::read_to_string(said));
    let mut fed = Ok(());
    for picture in pictures {
        match picture.map(|bytes| pipe.write_all(&bytes)) {
            Ok(Ok(())) => {}
            // It has ended, and says why.
            Ok(Err(_)) => break,
            Err(failure) => {
                fed = Err(failure);
                break;
            }
        }
    }
    if fed.is_err() {
        // Its result for the remaining pictures would be useless.
        let _ = child.kill();
    }
    drop(pipe);
    let said = listener.join().ok().and_then(|said| said.ok());
    (fed, said.unwrap_or_default())
}

/// Number of frames in a part: a whole number of milliseconds if possible, because many containers
/// count those.
fn part_length(rate: Rate) -> u64 {
    let (frames, seconds) = (u64::from(rate.frames()), u64::from(rate.seconds()));
    let step = frames / common_divisor(frames, 1000 * seconds);
    if step > MOST { PART } else { step * PART.div_ceil(step) }
}

/// Checks that a video file has the given number of packets in each stream, exactly so in the
/// first.
fn check(file: &Path, wanted: &[u64]) -> Result<()> {
    let found = packets(file)?;
    let all_there = found.first() == wanted.first()
        && wanted
            .iter()
            .enumerate()
            .all(|(at, wanted)| found.get(at).copied().unwrap_or(0) >= *wanted);
    if all_there {
        return Ok(());
    }
    Err(resumable(format!(
        "ffmpeg has written a file that is not whole: of {wanted:?} packets of pictures and other streams it holds {found:?}. Is there room on the disk?"
    )))
}

/// Number of packets in each stream of a file.
fn packets(file: &Path) -> Result<Vec<u64>> {
    let mut command: Command = ffmpeg::probe_command();
    command.args(["-count_packets", "-show_entries", "stream=index,nb_read_packets"]);
    let told = ffmpeg::run(command.arg(ffmpeg::address(file)))
        .map_err(|failure| resumable(format!("{failure}.")))?;
    let told: Value = serde_json::from_slice(&told.stdout).unwrap_or_default();
    let streams = told["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count =
        |stream: &Value| stream["nb_read_packets"].as_str().and_then(|text| text.parse().ok());
    Ok(streams.iter().map(|stream| count(stream).unwrap_or(0)).collect())
}

/// ffprobe's output about the streams of a file.
fn streams_of(file: &Path) -> Result<Vec<Value>> {
    let mut command = ffmpeg::probe_command();
    let told = ffmpeg::run(command.arg("-show_streams").arg(ffmpeg::address(file)))?;
    let mut told: Value = serde_json::from_slice(&told.stdout).unwrap_or_default();
    Ok(told["streams"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

/// Whether an error means that something is missing in the file. Others concern the source, and are
/// copied unchanged.
fn is_write_error(complaint: &str) -> bool {
    let words = [
        "no space left",
        "error writing",
        "error muxing",
        "write_frame",
        "input/output error",
        "file too large",
        "disk quota",
    ];
    let complaint = complaint.to_lowercase();
    words.iter().any(|word| complaint.contains(word))
}

/// Added to failures after which everything finished stays in place.
const KEPT: &str = " What is finished is kept; the same command goes on from there.";

fn resumable(message: String) -> Failure {
    Failure::new(Kind::File, message + KEPT)
}

/// A black picture as a PNG file.
fn black(form: Form, (width, height): (usize, usize)) -> Vec<u8> {
    let (width, height) = (width as u32, height as u32);
    let picture = match (form.depth, form.alpha) {
        (Depth::Eight, false) => DynamicImage::new_rgb8(width, height),
        (Depth::Eight, true) => DynamicImage::new_rgba8(width, height),
        (_, false) => DynamicImage::new_rgb16(width, height),
        (_, true) => DynamicImage::new_rgba16(width, height),
    };
    let mut bytes = Cursor::new(Vec::new());
    // Writing to memory cannot fail.
    let _ = picture.write_to(&mut bytes, ImageFormat::Png);
    bytes.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_on_whole_thousandths() {
        let length = |rate: &str| part_length(rate.parse().unwrap());
        assert_eq!(
            (length("24"), length("60"), length("59.94"), length("23.976")),
            (240, 240, 240, 240)
        );
        assert_eq!(length("48000/1001"), 240);
        assert_eq!(length("59.123"), PART, "none is near");
        for rate in ["24", "25", "59.94", "119.88", "12.5"] {
            let rate: Rate = rate.parse().unwrap();
            let thousandths = part_length(rate) * u64::from(rate.seconds()) * 1000;
            assert_eq!(thousandths % u64::from(rate.frames()), 0, "{rate}");
        }
    }
}
