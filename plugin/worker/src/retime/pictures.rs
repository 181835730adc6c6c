//! Frames as picture files of the depth and channels of the source.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader};
use inbetween_core::{ContentHash, Encoding, Frame};

use super::whole;
use crate::failure::{Failure, Kind, Result};

/// JPEG quality of in-betweens: they stand beside pictures that were compressed once already.
const JPEG_QUALITY: u8 = 97;

/// What a sample is stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    Eight,
    Sixteen,
    Float,
}

/// What a picture file stores for each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) depth: Depth,
    pub(super) colour: bool,
    pub(super) alpha: bool,
}

impl Form {
    /// The form of the picture at `path`.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let failed = |err: &dyn std::fmt::Display| {
            Failure::new(
                Kind::File,
                format!("The picture {} could not be read: {err}.", path.display()),
            )
        };
        let reader = ImageReader::open(path).map_err(|err| failed(&err))?;
        let reader = reader.with_guessed_format().map_err(|err| failed(&err))?;
        let colour = reader.into_decoder().map_err(|err| failed(&err))?.color_type();
        let depth = match colour.bytes_per_pixel() / colour.channel_count() {
            1 => Depth::Eight,
            2 => Depth::Sixteen,
            _ => Depth::Float,
        };
        Ok(Self { depth, colour: colour.has_color(), alpha: colour.has_alpha() })
    }

    /// The form of a clip: it holds all that any of its pictures does.
    pub(super) fn of_all(files: impl Iterator<Item = PathBuf>) -> Result<Self> {
        let mut all: Option<Self> = None;
        for file in files {
            let own = Self::of(&file)?;
            all = Some(all.map_or(own, |all| all.with(own)));
        }
        all.ok_or_else(|| Failure::new(Kind::File, "The clip holds no frames."))
    }

    /// The form that holds all that either does.
    fn with(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            colour: self.colour || other.colour,
            alpha: self.alpha || other.alpha,
        }
    }

    /// How frames of this form are encoded.
    pub(super) fn encoding(self) -> Encoding {
        if self.depth == Depth::Float { Encoding::Linear } else { Encoding::Srgb }
    }

    /// As near to this form as a file of this kind can store.
    pub(super) fn in_format(self, format: ImageFormat) -> Self {
        match format {
            ImageFormat::Jpeg => Self { depth: Depth::Eight, alpha: false, ..self },
            ImageFormat::OpenExr => Self { depth: Depth::Float, colour: true, ..self },
            ImageFormat::Png if self.depth == Depth::Float => {
                Self { depth: Depth::Sixteen, ..self }
            }
            // A float TIFF is written in colour.
            _ if self.depth == Depth::Float => Self { colour: true, ..self },
            _ => self,
        }
    }

    /// The frame, whose values are in this `encoding`, in this form. Alpha of integers is straight, that of floats
    /// premultiplied.
    fn image(self, frame: &Frame, encoding: Encoding) -> Option<DynamicImage> {
        let (width, height) = (frame.width() as u32, frame.height() as u32);
        let converted;
        let frame = if encoding == self.encoding() {
            frame
        } else {
            converted = frame.clone().converted(encoding, self.encoding());
            &converted
        };
        let rgba: Vec<f32> = match self.depth {
            Depth::Float => frame.pixels().as_flattened().to_vec(),
            Depth::Eight | Depth::Sixteen => {
                frame.pixels().iter().flat_map(|pixel| straight(*pixel)).collect()
            }
        };
        let pick = |pixel: &[f32]| -> Vec<f32> {
            match (self.colour, self.alpha) {
                (true, true) => pixel.to_vec(),
                (true, false) => pixel[..3].to_vec(),
                // A grey source has three equal channels.
                (false, true) => vec![pixel[1], pixel[3]],
                (false, false) => vec![pixel[1]],
            }
        };
        let samples: Vec<f32> = if self.colour && self.alpha {
            rgba
        } else {
            rgba.chunks_exact(4).flat_map(pick).collect()
        };
        let most = if self.depth == Depth::Eight { 255.0 } else { 65_535.0 };
        let whole = |value: &f32| (value.clamp(0.0, 1.0) * most).round();
        Some(match self.depth {
            Depth::Float if self.alpha => {
                ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgba32F)?
            }
            Depth::Float => {
                ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb32F)?
            }
            Depth::Eight => {
                let bytes: Vec<u8> = samples.iter().map(|value| whole(value) as u8).collect();
                match (self.colour, self.alpha) {
                    (true, true) => {
                        ImageBuffer::from_raw(width, height, bytes).map(DynamicImage::ImageRgba8)?
                    }
                    (true, false) => {
                        ImageBuffer::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8)?
                    }
                    (false, true) => ImageBuffer::from_raw(width, height, bytes)
                        .map(DynamicImage::ImageLumaA8)?,
                    (false, false) => {
                        ImageBuffer::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8)?
                    }
                }
            }
            Depth::Sixteen => {
                let words: Vec<u16> = samples.iter().map(|value| whole(value) as u16).collect();
                match (self.colour, self.alpha) {
                    (true, true) => ImageBuffer::from_raw(width, height, words)
                        .map(DynamicImage::ImageRgba16)?,
                    (true, false) => {
                        ImageBuffer::from_raw(width, height, words).map(DynamicImage::ImageRgb16)?
                    }
                    (false, true) => ImageBuffer::from_raw(width, height, words)
                        .map(DynamicImage::ImageLumaA16)?,
                    (false, false) => ImageBuffer::from_raw(width, height, words)
                        .map(DynamicImage::ImageLuma16)?,
                }
            }
        })
    }
}

/// The colour as it looks, freed of its alpha.
fn straight([red, green, blue, alpha]: [f32; 4]) -> [f32; 4] {
    if alpha <= 0.0 { [0.0; 4] } else { [red / alpha, green / alpha, blue / alpha, alpha] }
}

/// Writes the frame, whose values are in `encoding`, to `path`; whole or not at all. Returns the file's checksum.
pub(super) fn save(
    frame: &Frame,
    encoding: Encoding,
    form: Form,
    format: ImageFormat,
    path: &Path,
) -> Result<ContentHash> {
    whole::write(path, &file_of(frame, encoding, form, format)?)
}

/// The bytes of the file that holds the frame.
pub(super) fn file_of(
    frame: &Frame,
    encoding: Encoding,
    form: Form,
    format: ImageFormat,
) -> Result<Vec<u8>> {
    let refused = || Failure::new(Kind::File, format!("A frame cannot be stored as {format:?}."));
    let image = form.in_format(format).image(frame, encoding).ok_or_else(refused)?;
    let mut file = Cursor::new(Vec::new());
    let written = match format {
        ImageFormat::Png => {
            // Frames are many and often read once: speed counts more than the last percent.
            image.write_with_encoder(PngEncoder::new_with_quality(
                &mut file,
                CompressionType::Fast,
                FilterType::Adaptive,
            ))
        }
        ImageFormat::Jpeg => {
            image.write_with_encoder(JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY))
        }
        other => image.write_to(&mut file, other),
    };
    written.map_err(|_| refused())?;
    Ok(file.into_inner())
}

#[cfg(test)]
mod tests {
    use inbetween_core::picture;

    use super::*;

    /// Every form comes back as it was written.
    #[test]
    fn depth_channels_and_values_survive() {
        let folder = tempfile::TempDir::new().unwrap();
        let pixel = |n: usize| {
            let alpha = [0.0, 0.25, 0.5, 1.0][n % 4];
            [0.1 * (n % 10) as f32, 0.5, 0.04 * (n % 23) as f32, 1.0].map(|value| value * alpha)
        };
        for (ending, format, depth, alpha) in [
            ("png", ImageFormat::Png, Depth::Eight, true),
            ("png", ImageFormat::Png, Depth::Sixteen, true),
            ("png", ImageFormat::Png, Depth::Sixteen, false),
            ("tif", ImageFormat::Tiff, Depth::Eight, true),
            ("tif", ImageFormat::Tiff, Depth::Sixteen, false),
            ("exr", ImageFormat::OpenExr, Depth::Float, true),
            ("exr", ImageFormat::OpenExr, Depth::Float, false),
        ] {
            let form = Form { depth, colour: true, alpha };
            let mut pixels: Vec<[f32; 4]> = (0..24 * 16).map(pixel).collect();
            if !alpha {
                pixels.iter_mut().for_each(|pixel| pixel[3] = 1.0);
            }
            let frame = Frame::from_pixels(24, 16, pixels).unwrap();
            let path = folder.path().join(format!("{depth:?}{alpha}.{ending}"));
            save(&frame, form.encoding(), form, format, &path).unwrap();
            assert_eq!(Form::of(&path).unwrap(), form, "{}", path.display());
            let back = picture::load(&path, form.encoding(), None).unwrap();
            let step = if depth == Depth::Eight { 0.6 / 255.0 } else { 1e-4 };
            for (found, wanted) in back.frame.pixels().iter().zip(frame.pixels()) {
                assert!(
                    found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < step),
                    "{}",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn what_a_format_lacks_is_left_out() {
        let all = Form { depth: Depth::Float, colour: false, alpha: true };
        assert_eq!(
            all.in_format(ImageFormat::Jpeg),
            Form { depth: Depth::Eight, colour: false, alpha: false }
        );
        assert_eq!(all.in_format(ImageFormat::Png), Form { depth: Depth::Sixteen, ..all });
        assert_eq!(all.in_format(ImageFormat::OpenExr), Form { colour: true, ..all });
    }
}
