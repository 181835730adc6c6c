//! Pictures in memory, and reading and writing their files.
//!
//! # Rules of conversion
//! - Integer files (PNG, TIFF, JPEG with 8 or 16 bits) are read as `value / maximum`, without a curve, so
//!   the plug-in sees display-referred values, as in hosts without colour management.
//!   [`Reading::linear`] applies the sRGB curve instead, as hosts do that work in linear light.
//! - Float files (EXR, float TIFF) are passed on unchanged, including values above 1 and below 0.
//! - Alpha in integer files is unassociated and alpha in float files is premultiplied, as these formats
//!   specify. A clip requires one or the other; if the two differ, colours are multiplied or divided.
//! - Writing mirrors reading, so a plug-in that copies its input produces the same file.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgba};
use rayon::prelude::*;

/// Pixels in 32-bit float, top row first.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue, alpha.
    pub pixels: Vec<[f32; 4]>,
    /// False if the file has no alpha, which is then 1 everywhere.
    pub has_alpha: bool,
}

/// How files are converted to pixels and back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Integer files are decoded from sRGB to linear light.
    pub linear: bool,
    /// The clips are premultiplied.
    pub premultiplied: bool,
}

impl Picture {
    /// Transparent black.
    pub fn new(width: usize, height: usize, has_alpha: bool) -> Self {
        Self { width, height, pixels: vec![[0.0; 4]; width * height], has_alpha }
    }

    /// A picture from a function of `x` (to the right) and `y` (downwards).
    pub fn from_fn(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [f32; 4]) -> Self {
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| pixel(x, y))
            .collect();
        Self { width, height, pixels, has_alpha: true }
    }

    /// Row `y`, counted upwards from the lowest, if it exists.
    pub fn row_from_below(&self, y: i32) -> Option<&[[f32; 4]]> {
        let y = usize::try_from(y).ok()?;
        let top = self.height.checked_sub(y + 1)?;
        self.pixels.get(top * self.width..(top + 1) * self.width)
    }

    /// The picture at `scale`; each new pixel is the mean of those it covers.
    pub fn scaled(&self, scale: f64) -> Self {
        let size = |length: usize| ((length as f64 * scale).ceil() as usize).max(1);
        self.resized(size(self.width), size(self.height))
    }

    /// The picture in another size: the mean of the covered pixels, or the nearest one when
    /// enlarging.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        if (width, height) == (self.width, self.height) || self.pixels.is_empty() {
            return self.clone();
        }
        let mut out = Self::new(width, height, self.has_alpha);
        let span = |at: usize, new: usize, old: usize| {
            let low = (at * old / new).min(old - 1);
            (low, ((at + 1) * old).div_ceil(new).clamp(low + 1, old))
        };
        out.pixels.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            let (top, bottom) = span(y, height, self.height);
            for (x, pixel) in row.iter_mut().enumerate() {
                let (left, right) = span(x, width, self.width);
                let mut sum = [0.0_f64; 4];
                for source in (top..bottom)
                    .flat_map(|y| &self.pixels[y * self.width + left..y * self.width + right])
                {
                    for (sum, value) in sum.iter_mut().zip(source) {
                        *sum += f64::from(*value);
                    }
                }
                let count = ((bottom - top) * (right - left)) as f64;
                *pixel = sum.map(|sum| (sum / count) as f32);
            }
        });
        out
    }

    /// Changes every pixel.
    pub fn map(&mut self, change: impl Fn([f32; 4]) -> [f32; 4] + Sync) {
        self.pixels.par_iter_mut().for_each(|pixel| *pixel = change(*pixel));
    }

    /// Reads a file by the rules above.
    ///
    /// # Errors
    /// When the file cannot be read or is no picture.
    pub fn open(path: &Path, reading: Reading) -> Result<Self> {
        let file = image::ImageReader::open(path)
            .and_then(image::ImageReader::with_guessed_format)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let mut file = file;
        file.no_limits();
        let decoded = file
            .decode()
            .with_context(|| format!("{} is no picture that can be read", path.display()))?;
        let has_alpha = decoded.color().has_alpha();
        let float = matches!(decoded, DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_));
        let (width, height) = (decoded.width() as usize, decoded.height() as usize);
        let pixels: Vec<[f32; 4]> = match &decoded {
            DynamicImage::ImageLuma16(_)
            | DynamicImage::ImageLumaA16(_)
            | DynamicImage::ImageRgb16(_)
            | DynamicImage::ImageRgba16(_) => {
                decoded.to_rgba16().pixels().map(|p| p.0.map(|v| f32::from(v) / 65535.0)).collect()
            }
            DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => {
                decoded.to_rgba32f().pixels().map(|p| p.0).collect()
            }
            _ => decoded.to_rgba8().pixels().map(|p| p.0.map(|v| f32::from(v) / 255.0)).collect(),
        };
        let mut picture = Self { width, height, pixels, has_alpha };
        if reading.linear && !float {
            picture.map(|[r, g, b, a]| [to_linear(r), to_linear(g), to_linear(b), a]);
        }
        match (float, reading.premultiplied) {
            (true, false) => picture.map(unpremultiply),
            (false, true) => picture.map(premultiply),
            _ => {}
        }
        Ok(picture)
    }

    /// Writes a file in the format of its extension, by the rules above. Integer formats use 16
    /// bits if `deep` and the format supports it, otherwise 8.
    ///
    /// # Errors
    /// When the file's extension is none of .png, .exr, .tif and .jpg, when the picture is too
    /// large for the format, or when the file cannot be written.
    pub fn save(&self, path: &Path, reading: Reading, deep: bool) -> Result<()> {
        let format = ImageFormat::from_path(path)
            .with_context(|| format!("{}: use .png, .exr, .tif or .jpg", path.display()))?;
        let float = format == ImageFormat::OpenExr;
        let mut picture = self.clone();
        match (float, reading.premultiplied) {
            (true, false) => picture.map(premultiply),
            (false, true) => picture.map(unpremultiply),
            _ => {}
        }
        if reading.linear && !float {
            picture.map(|[r, g, b, a]| [from_linear(r), from_linear(g), from_linear(b), a]);
        }
        let image = match format {
            ImageFormat::OpenExr if self.has_alpha => {
                DynamicImage::ImageRgba32F(picture.buffer(|v| v)?)
            }
            ImageFormat::OpenExr => {
                DynamicImage::ImageRgba32F(picture.buffer(|v| v)?).into_rgb32f().into()
            }
            ImageFormat::Png | ImageFormat::Tiff if deep => {
                let image =
                    DynamicImage::ImageRgba16(picture.buffer(|v| (v * 65535.0).round() as u16)?);
                if self.has_alpha { image } else { image.into_rgb16().into() }
            }
            ImageFormat::Png | ImageFormat::Tiff | ImageFormat::Jpeg => {
                let image = picture.rgba8()?;
                let flat = !self.has_alpha || format == ImageFormat::Jpeg;
                if flat { DynamicImage::from(image).into_rgb8().into() } else { image.into() }
            }
            _ => bail!("{}: use .png, .exr, .tif or .jpg", path.display()),
        };
        // Written to a temporary file and renamed, so that an existing picture is always complete.
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let mut part = tempfile::Builder::new();
        #[cfg(unix)]
        part.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let part = part
            .prefix(".part")
            .tempfile_in(folder)
            .with_context(|| format!("cannot write into {}", folder.display()))?;
        if format == ImageFormat::Jpeg {
            let mut out = std::io::BufWriter::new(part.as_file());
            image.write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(
                &mut out, 95,
            ))?;
        } else {
            let mut out = std::io::BufWriter::new(part.as_file());
            image
                .write_to(&mut out, format)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        part.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }

    /// The pixels in 8 bits.
    ///
    /// # Errors
    /// When the picture is too large.
    pub fn rgba8(&self) -> Result<image::RgbaImage> {
        self.buffer(|v| (v * 255.0).round() as u8)
    }

    fn buffer<T: image::Primitive>(
        &self,
        sample: impl Fn(f32) -> T,
    ) -> Result<ImageBuffer<Rgba<T>, Vec<T>>>
    where
        Rgba<T>: image::Pixel<Subpixel = T>,
    {
        let samples = self.pixels.iter().flatten().map(|v| sample(*v)).collect();
        ImageBuffer::from_raw(u32::try_from(self.width)?, u32::try_from(self.height)?, samples)
            .context("a picture is too large for its file format")
    }
}

/// sRGB to linear light (IEC 61966-2-1).
fn to_linear(v: f32) -> f32 {
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

/// Linear light to sRGB (IEC 61966-2-1).
fn from_linear(v: f32) -> f32 {
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

fn premultiply([r, g, b, a]: [f32; 4]) -> [f32; 4] {
    [r * a, g * a, b * a, a]
}

fn unpremultiply([r, g, b, a]: [f32; 4]) -> [f32; 4] {
    if a == 0.0 || a == 1.0 { [r, g, b, a] } else { [r / a, g / a, b / a, a] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let eight =
            Picture::from_fn(7, 5, |x, y| [x as f32 / 255.0, y as f32 / 255.0, 1.0, 200.0 / 255.0]);
        let path = folder.path().join("eight.png");
        eight.save(&path, Reading::default(), false).unwrap();
        assert_eq!(Picture::open(&path, Reading::default()).unwrap(), eight);

        let deep = Picture::from_fn(7, 5, |x, y| [(257 * x + y) as f32 / 65535.0, 0.0, 1.0, 1.0]);
        for name in ["deep.png", "deep.tif"] {
            let path = folder.path().join(name);
            deep.save(&path, Reading::default(), true).unwrap();
            assert_eq!(Picture::open(&path, Reading::default()).unwrap(), deep, "{name}");
        }

        let bright = Picture::from_fn(7, 5, |x, _| [x as f32 * 3.5 - 2.0, 0.125, 100.0, 0.5]);
        let path = folder.path().join("bright.exr");
        let premultiplied = Reading { premultiplied: true, ..Reading::default() };
        bright.save(&path, premultiplied, false).unwrap();
        assert_eq!(Picture::open(&path, premultiplied).unwrap(), bright);
    }

    #[test]
    fn the_srgb_curve_is_undone_by_its_inverse() {
        for value in [0.0, 0.01, 0.2, 0.5, 1.0] {
            assert!((from_linear(to_linear(value)) - value).abs() < 1e-6);
        }
    }

    #[test]
    fn an_unknown_extension_is_refused() {
        let error = Picture::new(1, 1, false)
            .save(Path::new("a.xyz"), Reading::default(), false)
            .unwrap_err();
        assert!(format!("{error:#}").contains(".png"), "{error:#}");
    }
}
