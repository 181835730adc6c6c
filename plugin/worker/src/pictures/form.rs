//! The samples that a picture file stores for each pixel, and conversion of frames to that form.

use std::borrow::Cow;
use std::path::Path;

use image::{ColorType, DynamicImage, ImageBuffer, ImageFormat};
use inbetween_core::picture::{Stored, stored};
use inbetween_core::{Encoding, Frame};

use crate::failure::Result;

/// The type of a stored sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    Eight,
    Sixteen,
    Half,
    Float,
}

/// The samples that a picture file stores for each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) depth: Depth,
    pub(crate) colour: bool,
    pub(crate) alpha: bool,
}

impl Form {
    /// The form of the picture at `path`. Only its head is read.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        Ok(stored(path)?.into())
    }

    /// The encoding of frames in this form.
    pub(crate) fn encoding(self) -> Encoding {
        if self.depth >= Depth::Half { Encoding::Linear } else { Encoding::Srgb }
    }

    /// A form that can hold everything that either of the two can.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            colour: self.colour || other.colour,
            alpha: self.alpha || other.alpha,
        }
    }

    /// The closest form that a file of this kind can store.
    pub(crate) fn in_format(self, format: ImageFormat) -> Self {
        match format {
            ImageFormat::Jpeg => Self { depth: Depth::Eight, alpha: false, ..self },
            ImageFormat::WebP => Self { depth: Depth::Eight, colour: true, ..self },
            ImageFormat::OpenExr if self.depth < Depth::Half => Self { depth: Depth::Half, ..self },
            ImageFormat::OpenExr => self,
            ImageFormat::Png if self.depth >= Depth::Half => Self { depth: Depth::Sixteen, ..self },
            // TIFF files with floats, or with grey and alpha, are written in colour, because few
            // programs read other kinds.
            ImageFormat::Tiff if self.depth >= Depth::Half || self.alpha => {
                Self { colour: true, ..self }
            }
            _ => self,
        }
    }

    /// The samples of the frame, whose values are in `encoding`, with interleaved channels.
    /// Integers have straight alpha unless it is stored `premultiplied`; floats are always
    /// premultiplied.
    pub(super) fn samples(
        self,
        frame: &Frame,
        encoding: Encoding,
        premultiplied: bool,
    ) -> Vec<f32> {
        let frame = in_encoding(frame, encoding, self.encoding());
        let as_stored = self.depth >= Depth::Half || premultiplied;
        let pixel = |pixel: &[f32; 4]| if as_stored { *pixel } else { straight(*pixel) };
        let pixels = frame.pixels().iter().map(pixel);
        match (self.colour, self.alpha) {
            (true, true) => pixels.flatten().collect(),
            (true, false) => pixels.flat_map(|[red, green, blue, _]| [red, green, blue]).collect(),
            // A grey source has three equal channels.
            (false, true) => pixels.flat_map(|[_, grey, _, alpha]| [grey, alpha]).collect(),
            (false, false) => pixels.map(|[_, grey, _, _]| grey).collect(),
        }
    }

    /// The frame as an image with whole samples, upright.
    pub(super) fn image(
        self,
        frame: &Frame,
        encoding: Encoding,
        premultiplied: bool,
    ) -> Option<DynamicImage> {
        let (width, height) = (frame.width() as u32, frame.height() as u32);
        let samples = self.samples(frame, encoding, premultiplied);
        let most = if self.depth == Depth::Eight { 255.0 } else { 65_535.0 };
        let whole = |value: &f32| (value.clamp(0.0, 1.0) * most).round();
        let bytes = || samples.iter().map(|value| whole(value) as u8).collect::<Vec<u8>>();
        let words = || samples.iter().map(|value| whole(value) as u16).collect::<Vec<u16>>();
        macro_rules! image {
            ($kind:ident, $samples:expr) => {
                ImageBuffer::from_raw(width, height, $samples).map(DynamicImage::$kind)
            };
        }
        match (self.depth, self.colour, self.alpha) {
            (Depth::Eight, true, true) => image!(ImageRgba8, bytes()),
            (Depth::Eight, true, false) => image!(ImageRgb8, bytes()),
            (Depth::Eight, false, true) => image!(ImageLumaA8, bytes()),
            (Depth::Eight, false, false) => image!(ImageLuma8, bytes()),
            (Depth::Sixteen, true, true) => image!(ImageRgba16, words()),
            (Depth::Sixteen, true, false) => image!(ImageRgb16, words()),
            (Depth::Sixteen, false, true) => image!(ImageLumaA16, words()),
            (Depth::Sixteen, false, false) => image!(ImageLuma16, words()),
            (_, _, true) => image!(ImageRgba32F, samples),
            (_, _, false) => image!(ImageRgb32F, samples),
        }
    }
}

impl From<Stored> for Form {
    fn from(stored: Stored) -> Self {
        let colour: ColorType = stored.colour;
        let depth = match colour.bytes_per_pixel() / colour.channel_count() {
            1 => Depth::Eight,
            2 => Depth::Sixteen,
            _ if stored.half => Depth::Half,
            _ => Depth::Float,
        };
        Self { depth, colour: colour.has_color() && !stored.grey, alpha: colour.has_alpha() }
    }
}

/// The frame with its values converted to another encoding. It is not copied if it is already in
/// that encoding.
pub(super) fn in_encoding(frame: &Frame, from: Encoding, to: Encoding) -> Cow<'_, Frame> {
    if from == to { Cow::Borrowed(frame) } else { Cow::Owned(frame.clone().converted(from, to)) }
}

/// Unpremultiplied colour, because the curve applies to the colour as it looks.
fn straight([red, green, blue, alpha]: [f32; 4]) -> [f32; 4] {
    if alpha <= 0.0 { [0.0; 4] } else { [red / alpha, green / alpha, blue / alpha, alpha] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_format_lacks_is_left_out() {
        let all = Form { depth: Depth::Float, colour: false, alpha: true };
        assert_eq!(
            all.in_format(ImageFormat::Jpeg),
            Form { depth: Depth::Eight, colour: false, alpha: false }
        );
        assert_eq!(all.in_format(ImageFormat::Png), Form { depth: Depth::Sixteen, ..all });
        assert_eq!(all.in_format(ImageFormat::OpenExr), all);
        assert_eq!(all.in_format(ImageFormat::Tiff), Form { colour: true, ..all });
        let small = Form { depth: Depth::Eight, colour: true, alpha: false };
        assert_eq!(small.in_format(ImageFormat::OpenExr), Form { depth: Depth::Half, ..small });
    }

    #[test]
    fn a_form_with_another_holds_both() {
        let grey = Form { depth: Depth::Sixteen, colour: false, alpha: false };
        let clear = Form { depth: Depth::Eight, colour: true, alpha: true };
        assert_eq!(grey.with(clear), Form { depth: Depth::Sixteen, colour: true, alpha: true });
    }
}
