//! The output: pictures or a video file.

use std::path::{Path, PathBuf};

use image::ImageFormat;

use super::sequence::{Pattern, names_one_file};
use super::source::Source;
use super::video;
use crate::failure::{Failure, Kind, Result};

/// The output.
pub(super) enum Target {
    Pictures(Pattern, ImageFormat),
    Video(PathBuf),
}

impl Target {
    pub(super) fn of(output: &Path, source: &Source) -> Result<Self> {
        if video::is_video(output) && !output.is_dir() {
            return Ok(Self::Video(output.into()));
        }
        let pattern = Pattern::parse(output);
        if pattern.is_none() && names_one_file(output) && !output.is_dir() {
            return Err(Failure::new(
                Kind::Usage,
                format!(
                    "{} names one file. Give a folder, a pattern such as name.%04d.png, or a video file (.mp4, .mov, .mkv, .webm, .avi).",
                    output.display()
                ),
            ));
        }
        let pattern = pattern.unwrap_or_else(|| match source {
            Source::Pictures { sequence, .. } => sequence.pattern.within(output),
            Source::Video { .. } => Pattern::usual(output, "png"),
        });
        let format = ImageFormat::from_extension(pattern.extension())
            .filter(|format| {
                use ImageFormat::{Jpeg, OpenExr, Png, Tiff, WebP};
                matches!(format, Png | Jpeg | Tiff | OpenExr | WebP)
            })
            .ok_or_else(|| {
                Failure::new(
                    Kind::Usage,
                    format!(
                        "Pictures are written as PNG, JPEG, TIFF, EXR or WebP, not as .{}.",
                        pattern.extension()
                    ),
                )
            })?;
        Ok(Self::Pictures(pattern, format))
    }

    /// Where single frames are written, the number of the first one, and their format.
    pub(super) fn frames(&self, source: &Source) -> (Pattern, i64, ImageFormat) {
        match self {
            Self::Pictures(pattern, format) => {
                let start = match source {
                    Source::Pictures { sequence, .. } => sequence.first,
                    Source::Video { .. } => 1,
                };
                (pattern.clone(), start, *format)
            }
            Self::Video(path) => {
                let mut folder = path.as_os_str().to_owned();
                folder.push(".frames");
                (Pattern::usual(Path::new(&folder), "png"), 1, ImageFormat::Png)
            }
        }
    }
}
