//! How picture files are written: read from one file and used for others.

use std::io::Cursor;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageEncoder, ImageFormat, ImageReader};
use inbetween_core::picture::stored;
use inbetween_core::{Encoding, Frame};

use super::exr::Exr;
use super::form::{Depth, Form, in_encoding};
use super::jpeg::Jpeg;
use super::png;
use super::tiff::Tiff;
use super::webp::WebP;
use crate::failure::{Failure, Kind, Result};

/// Everything about a picture file except its pixels.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) format: ImageFormat,
    pub(crate) form: Form,
    /// How the stored rows must be turned to be upright.
    orientation: Orientation,
    metadata: Metadata,
}

/// What a file contains besides its pixels.
#[derive(Clone, Debug)]
enum Metadata {
    /// The kept chunks.
    Png(Vec<u8>),
    Jpeg(Jpeg),
    Tiff(Tiff),
    WebP(WebP),
    Exr(Box<Exr>),
    Nothing,
}

impl Style {
    /// The style of the picture at `path`.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let about = stored(path)?;
        let file = std::fs::read(path)
            .map_err(|err| Failure::new(Kind::File, format!("{}: {err}", path.display())))?;
        let metadata = match about.format {
            ImageFormat::Png => Metadata::Png(png::metadata(&file)),
            ImageFormat::Jpeg => Metadata::Jpeg(Jpeg::of(&file)),
            ImageFormat::Tiff => Metadata::Tiff(Tiff::of(&file)),
            ImageFormat::WebP => Metadata::WebP(WebP::of(&file)),
            ImageFormat::OpenExr => {
                Exr::of(&file).map_or(Metadata::Nothing, |exr| Metadata::Exr(exr.into()))
            }
            _ => Metadata::Nothing,
        };
        Ok(Self {
            format: about.format,
            form: about.into(),
            orientation: about.orientation,
            metadata,
        })
    }

    /// The style of a plain file with this form.
    pub(crate) fn plain(format: ImageFormat, form: Form) -> Self {
        let form = form.in_format(format);
        Self { format, form, orientation: Orientation::NoTransforms, metadata: Metadata::Nothing }
    }

    /// The same style for pixels of another form. A colour profile for grey does not apply to
    /// colours.
    #[must_use]
    pub(crate) fn with_form(self, form: Form) -> Self {
        let form = form.in_format(self.format);
        let metadata = match self.metadata {
            metadata if form.colour == self.form.colour => metadata,
            Metadata::Png(chunks) => Metadata::Png(png::without_profile(&chunks)),
            Metadata::Jpeg(jpeg) => Metadata::Jpeg(jpeg.without_profile()),
            Metadata::Tiff(tiff) => Metadata::Tiff(tiff.without_profile()),
            metadata => metadata,
        };
        Self { form, metadata, ..self }
    }

    /// The closest style for files of another kind. `path` is the file that this style was read
    /// from. Its colour profile is kept if the values keep their meaning.
    pub(crate) fn in_format(self, format: ImageFormat, path: &Path) -> Self {
        if format == self.format {
            return self;
        }
        let form = self.form.in_format(format);
        let keeps = form.encoding() == self.form.encoding() && form.colour == self.form.colour;
        let profile = if keeps { profile_of(path) } else { None };
        let metadata = match format {
            ImageFormat::Jpeg => Metadata::Jpeg(Jpeg::with_profile(profile.as_deref())),
            ImageFormat::Tiff => Metadata::Tiff(Tiff::with_profile(profile.as_deref())),
            ImageFormat::WebP => Metadata::WebP(WebP::with_profile(profile)),
            ImageFormat::Png => profile
                .and_then(|profile| png_with_profile(form, &profile))
                .map_or(Metadata::Nothing, |file| Metadata::Png(png::metadata(&file))),
            _ => Metadata::Nothing,
        };
        Self { format, form, orientation: Orientation::NoTransforms, metadata }
    }

    /// The usual extension of such files.
    pub(crate) fn ending(&self) -> &'static str {
        match self.format {
            ImageFormat::Jpeg => "jpg",
            ImageFormat::Tiff => "tif",
            ImageFormat::OpenExr => "exr",
            ImageFormat::WebP => "webp",
            _ => "png",
        }
    }

    /// Whether a file of that style stores pixels in the same way, so that it can be used beside
    /// files of this style.
    pub(crate) fn is_alike(&self, path: &Path) -> Result<bool> {
        let other = stored(path)?;
        // Readers accept EXR files of any depth and channels beside each other, and grey JPEG files
        // beside colour ones. Encoding them again would lose layers or quality.
        let form = match self.format {
            ImageFormat::OpenExr | ImageFormat::Jpeg => true,
            _ => Form::from(other) == self.form,
        };
        Ok(other.format == self.format && form && other.orientation == self.orientation)
    }

    /// The key's channels that drawn frames do not have, in words.
    pub(crate) fn left_out(&self) -> Option<String> {
        let Metadata::Exr(exr) = &self.metadata else { return None };
        (!exr.left_out.is_empty()).then(|| exr.left_out.join(", "))
    }

    /// The contents of a file with this frame, whose values are in `encoding`.
    ///
    /// # Errors
    /// A sentence, when no such file can be made from the frame.
    pub(crate) fn encode(
        &self,
        frame: &Frame,
        encoding: Encoding,
    ) -> std::result::Result<Vec<u8>, String> {
        if self.format == ImageFormat::OpenExr {
            let frame = in_encoding(frame, encoding, Encoding::Linear);
            return match &self.metadata {
                Metadata::Exr(exr) => exr.encode(&frame, self.form),
                _ => Exr::default().encode(&frame, self.form),
            };
        }
        let premultiplied = matches!(&self.metadata, Metadata::Tiff(tiff) if tiff.premultiplied);
        let mut image = self
            .form
            .image(frame, encoding, premultiplied)
            .ok_or("the picture cannot be stored")?;
        image.apply_orientation(inverse(self.orientation));
        match (&self.metadata, self.format) {
            (Metadata::Jpeg(jpeg), _) => jpeg_of(jpeg, &image),
            (_, ImageFormat::Jpeg) => jpeg_of(&Jpeg::default(), &image),
            (Metadata::Tiff(tiff), _) => tiff.encode(&image, self.form.depth == Depth::Half),
            (_, ImageFormat::Tiff) => Tiff::with_profile(None).encode(&image, false),
            (Metadata::WebP(webp), _) => webp.encode(&image),
            (Metadata::Png(chunks), _) => Ok(png::with(png_of(&image, None)?, chunks)),
            (_, ImageFormat::Png) => png_of(&image, None),
            (_, other) => {
                let mut file = Cursor::new(Vec::new());
                image.write_to(&mut file, other).map_err(|err| err.to_string())?;
                Ok(file.into_inner())
            }
        }
    }
}

fn jpeg_of(jpeg: &Jpeg, image: &DynamicImage) -> std::result::Result<Vec<u8>, String> {
    jpeg.encode(image.as_bytes(), (image.width(), image.height()), image.color().has_color())
}

fn png_of(image: &DynamicImage, profile: Option<&[u8]>) -> std::result::Result<Vec<u8>, String> {
    let mut file = Vec::new();
    // There are many frames, often read only once, so speed is more important than the last percent
    // of size.
    let mut encoder =
        PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive);
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile.to_vec()).map_err(|err| err.to_string())?;
    }
    image.write_with_encoder(encoder).map_err(|err| err.to_string())?;
    Ok(file)
}

/// A small file with the profile, from which its chunk is taken.
fn png_with_profile(form: Form, profile: &[u8]) -> Option<Vec<u8>> {
    let pixel = Frame::transparent(1, 1).ok()?;
    png_of(&form.image(&pixel, form.encoding(), false)?, Some(profile)).ok()
}

/// The colour profile of a file, if it applies to the file's own kind of pixels.
fn profile_of(path: &Path) -> Option<Vec<u8>> {
    use image::ImageDecoder;
    let reader = ImageReader::open(path).ok()?.with_guessed_format().ok()?;
    let mut decoder = reader.into_decoder().ok()?;
    let profile = decoder.icc_profile().ok().flatten()?;
    let meant_for = profile.get(16..20)?;
    let kind: &[u8] = if decoder.color_type().has_color() { b"RGB " } else { b"GRAY" };
    (meant_for == kind).then_some(profile)
}

/// The transformation from an upright picture to its stored orientation.
fn inverse(orientation: Orientation) -> Orientation {
    match orientation {
        Orientation::Rotate90 => Orientation::Rotate270,
        Orientation::Rotate270 => Orientation::Rotate90,
        // The others are their own inverse: reflections, or a rotation by 180 degrees.
        other => other,
    }
}
