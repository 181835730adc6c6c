//! Video files, through the ffmpeg that is installed: decoded to raw frames in a pipe, encoded from
//! finished pictures, sound carried over.

mod encode;
mod probe;

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use inbetween_core::Frame;

pub(super) use encode::{check_output, encode};
pub(super) use probe::Video;

use super::pictures::Depth;
use crate::failure::{Failure, Kind, Result};

/// Endings of video files that are written.
const CONTAINERS: [&str; 6] = ["mp4", "m4v", "mov", "mkv", "webm", "avi"];

/// Whether a path names a video file by its ending.
pub(super) fn is_video(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    CONTAINERS.contains(&ending.to_lowercase().as_str())
}

/// What a program of the ffmpeg family prints; its own complaint where it fails.
fn output_of(program: &str, command: &mut Command) -> Result<Vec<u8>> {
    let done = command.stdin(Stdio::null()).output().map_err(|err| cannot_start(program, &err))?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    let complaint = String::from_utf8_lossy(&done.stderr);
    Err(Failure::new(Kind::File, format!("{program}: {}", last_lines(&complaint))))
}

fn cannot_start(program: &str, err: &std::io::Error) -> Failure {
    let message = if err.kind() == ErrorKind::NotFound {
        format!(
            "Video files need ffmpeg, and {program} was not found. Install it (Debian, Ubuntu: apt install ffmpeg; \
             macOS: brew install ffmpeg; Windows: winget install ffmpeg) so that a terminal knows the command \
             {program}, or give a folder of pictures instead."
        )
    } else {
        format!("{program} could not be started: {err}.")
    };
    Failure::new(Kind::File, message)
}

/// The end of a longer complaint.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return "it failed and said nothing".into();
    }
    lines[lines.len().saturating_sub(4)..].join("; ")
}

/// The frames of a video, in order.
pub(super) struct Decoder {
    child: Child,
    pipe: ChildStdout,
    video: Video,
    path: PathBuf,
    ended: bool,
}

impl Decoder {
    pub(super) fn open(path: &Path, video: &Video) -> Result<Self> {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-i"]).arg(path);
        command.args(["-map", "0:V:0", "-an", "-sn", "-vf", &video.decoding_filter()]);
        command.args(["-f", "rawvideo", "-"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|err| cannot_start("ffmpeg", &err))?;
        let pipe =
            child.stdout.take().ok_or_else(|| Failure::new(Kind::File, "ffmpeg has no output"))?;
        Ok(Self { child, pipe, video: video.clone(), path: path.into(), ended: false })
    }

    /// The samples of the next frame, as they come; nothing after the last.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.ended {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let wanted = self.video.frame_bytes();
        let failed = |err: std::io::Error| {
            Failure::new(Kind::File, format!("{}: {err}", self.path.display()))
        };
        (&mut self.pipe).take(wanted as u64).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() == wanted {
            return Ok(Some(bytes));
        }
        self.ended = true;
        let status = self.child.wait().map_err(failed)?;
        if !status.success() || !bytes.is_empty() {
            let shown = self.path.display();
            return Err(Failure::new(
                Kind::File,
                format!(
                    "{shown} could not be decoded to its end. Play it with ffplay, or repair it with ffmpeg -i {shown} -c copy fixed.mkv."
                ),
            ));
        }
        Ok(None)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Most decoders are dropped at their end; of the others nobody wants the rest.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Video {
    /// The frame of samples that a [`Decoder`] gave.
    pub(super) fn frame(&self, bytes: &[u8]) -> Result<Frame> {
        let form = self.form;
        let samples: Vec<f32> = match form.depth {
            Depth::Eight => bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect(),
            Depth::Sixteen | Depth::Float => {
                let words = bytes.as_chunks::<2>().0;
                words.iter().map(|word| f32::from(u16::from_le_bytes(*word)) / 65_535.0).collect()
            }
        };
        let pixels = if form.alpha {
            let (pixels, _) = samples.as_chunks::<4>();
            pixels.iter().map(|[r, g, b, a]| [r * a, g * a, b * a, *a]).collect()
        } else {
            let (pixels, _) = samples.as_chunks::<3>();
            pixels.iter().map(|[r, g, b]| [*r, *g, *b, 1.0]).collect()
        };
        Ok(Frame::from_pixels(self.width, self.height, pixels)?)
    }
}
