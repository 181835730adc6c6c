//! Video files, through the installed ffmpeg: decoded to raw frames in a pipe, encoded in parts
//! from finished pictures, and muxed with all other streams of the source.

mod combs;
mod decode;
mod encoder;
mod ffmpeg;
mod fields;
mod hdr;
mod pixel_format;
mod probe;
mod stream_copy;
mod timeline;
mod writer;

use std::path::Path;

use inbetween_core::Frame;

pub(super) use combs::CombCounts;
pub(super) use decode::{DecodeSummary, Decoder, RawFrame};
pub(super) use encoder::EncoderOptions;
pub(super) use fields::Fields;
pub(super) use probe::Video;
pub(super) use writer::VideoWriter;

use super::pictures::Depth;
use crate::failure::Result;

/// Endings of video files that are written.
const CONTAINERS: [&str; 6] = ["mp4", "m4v", "mov", "mkv", "webm", "avi"];

/// Whether a path names a video file by its ending.
pub(super) fn is_video(path: &Path) -> bool {
    CONTAINERS.contains(&ending_of(path).as_str())
}

fn ending_of(path: &Path) -> String {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase()
}

impl Video {
    /// The frame of samples from a [`Decoder`].
    pub(super) fn frame(&self, bytes: &[u8]) -> Result<Frame> {
        let form = self.form;
        let samples: Vec<f32> = match form.depth {
            Depth::Eight => bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect(),
            _ => {
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

    /// Whether samples from a [`Decoder`] are opaque.
    pub(super) fn is_opaque(&self, bytes: &[u8]) -> bool {
        !self.form.alpha
            || match self.form.depth {
                Depth::Eight => bytes.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 255),
                _ => bytes.as_chunks::<8>().0.iter().all(|pixel| pixel[6..] == [255, 255]),
            }
    }
}
