//! Writes TIFF files like the key's: with the same compression, kind of alpha, colour profile,
//! resolution and orientation.

use std::io::Cursor;

use half::f16;
use image::DynamicImage;
use tiff::TiffResult;
use tiff::decoder::Decoder;
use tiff::decoder::ifd::Value;
use tiff::encoder::colortype::{self, ColorType};
use tiff::encoder::{
    Compression, DeflateLevel, Predictor, Rational, TiffEncoder, TiffKind, TiffValue,
};
use tiff::tags::{PhotometricInterpretation, SampleFormat, Tag};

/// Values of the compression tag.
const LZW: u16 = 5;
const DEFLATE: [u16; 2] = [8, 32_946];
const PACK_BITS: u16 = 32_773;

/// The kinds of alpha: premultiplied, or straight.
const ASSOCIATED: u16 = 1;
const STRAIGHT: u16 = 2;

/// The way in which a TIFF file is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tiff {
    big: bool,
    compression: u16,
    predicted: bool,
    /// Whether the stored colours are premultiplied.
    pub(super) premultiplied: bool,
    profile: Vec<u8>,
    orientation: Option<u16>,
    /// Resolution along x and y, and its unit.
    resolution: Option<([(u32, u32); 2], u16)>,
    words: Vec<(u16, String)>,
}

impl Tiff {
    /// The way in which this file was written.
    pub(super) fn of(file: &[u8]) -> Self {
        let mut found = Self { big: is_big(file), ..Self::default() };
        let Ok(mut from) = Decoder::new(Cursor::new(file)) else { return found };
        let mut number = |tag: Tag| {
            let all = from.find_tag_unsigned_vec::<u16>(tag).ok().flatten();
            all.and_then(|all| all.first().copied())
        };
        found.compression = number(Tag::Compression).unwrap_or(1);
        found.predicted = number(Tag::Predictor) == Some(2);
        found.premultiplied = number(Tag::ExtraSamples) == Some(ASSOCIATED);
        found.orientation = number(Tag::Orientation);
        let unit = number(Tag::ResolutionUnit);
        let mut part = |tag: Tag| match from.find_tag(tag) {
            Ok(Some(Value::Rational(above, below))) => Some((above, below)),
            _ => None,
        };
        if let (Some(x), Some(y)) = (part(Tag::XResolution), part(Tag::YResolution)) {
            found.resolution = Some(([x, y], unit.unwrap_or(2)));
        }
        found.profile = from.get_tag_u8_vec(Tag::IccProfile).unwrap_or_default();
        for tag in [Tag::ImageDescription, Tag::Software, Tag::Artist, Tag::Copyright] {
            if let Ok(text) = from.get_tag_ascii_string(tag) {
                found.words.push((tag.to_u16(), text));
            }
        }
        found
    }

    /// The same without the colour profile, for pixels that it does not apply to.
    pub(super) fn without_profile(&self) -> Self {
        Self { profile: Vec::new(), ..self.clone() }
    }

    /// Plain settings with this colour profile.
    pub(super) fn with_profile(profile: Option<&[u8]>) -> Self {
        Self { profile: profile.unwrap_or_default().to_vec(), compression: LZW, ..Self::default() }
    }

    /// The contents of a file with this image, whose rows stay in order. Floats are stored as half
    /// floats if `half`.
    pub(super) fn encode(&self, image: &DynamicImage, half: bool) -> Result<Vec<u8>, String> {
        let mut file = Cursor::new(Vec::new());
        let written = if self.big {
            TiffEncoder::new_big(&mut file).and_then(|encoder| self.write(encoder, image, half))
        } else {
            TiffEncoder::new(&mut file).and_then(|encoder| self.write(encoder, image, half))
        };
        written.map_err(|err| err.to_string())?;
        Ok(file.into_inner())
    }

    fn write<W: std::io::Write + std::io::Seek, K: TiffKind>(
        &self,
        encoder: TiffEncoder<W, K>,
        image: &DynamicImage,
        half: bool,
    ) -> TiffResult<()> {
        let compression = match self.compression {
            LZW => Compression::Lzw,
            PACK_BITS => Compression::Packbits,
            deflate if DEFLATE.contains(&deflate) => Compression::Deflate(DeflateLevel::default()),
            _ => Compression::Uncompressed,
        };
        let whole = !matches!(image, DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_));
        let predictor =
            if self.predicted && whole { Predictor::Horizontal } else { Predictor::None };
        let to = encoder.with_compression(compression).with_predictor(predictor);
        let halves = |samples: &[f32]| -> Vec<u16> {
            samples.iter().map(|value| f16::from_f32(*value).to_bits()).collect()
        };
        let size = (image.width(), image.height());
        match image {
            DynamicImage::ImageLuma8(image) => {
                self.put::<_, _, colortype::Gray8>(to, size, image, false)
            }
            DynamicImage::ImageLuma16(image) => {
                self.put::<_, _, colortype::Gray16>(to, size, image, false)
            }
            DynamicImage::ImageRgb8(image) => {
                self.put::<_, _, colortype::RGB8>(to, size, image, false)
            }
            DynamicImage::ImageRgb16(image) => {
                self.put::<_, _, colortype::RGB16>(to, size, image, false)
            }
            DynamicImage::ImageRgba8(image) => {
                self.put::<_, _, colortype::RGBA8>(to, size, image, true)
            }
            DynamicImage::ImageRgba16(image) => {
                self.put::<_, _, colortype::RGBA16>(to, size, image, true)
            }
            DynamicImage::ImageRgb32F(image) if half => {
                self.put::<_, _, HalfRgb>(to, size, &halves(image), false)
            }
            DynamicImage::ImageRgba32F(image) if half => {
                self.put::<_, _, HalfRgba>(to, size, &halves(image), true)
            }
            DynamicImage::ImageRgb32F(image) => {
                self.put::<_, _, colortype::RGB32Float>(to, size, image, false)
            }
            DynamicImage::ImageRgba32F(image) => {
                self.put::<_, _, colortype::RGBA32Float>(to, size, image, true)
            }
            other => self.put::<_, _, colortype::RGBA8>(to, size, &other.to_rgba8(), true),
        }
    }

    fn put<W: std::io::Write + std::io::Seek, K: TiffKind, C: ColorType>(
        &self,
        mut to: TiffEncoder<W, K>,
        (width, height): (u32, u32),
        samples: &[C::Inner],
        alpha: bool,
    ) -> TiffResult<()>
    where
        [C::Inner]: TiffValue,
    {
        let mut image = to.new_image::<C>(width, height)?;
        let tags = image.encoder();
        if alpha {
            let kind = if self.premultiplied { ASSOCIATED } else { STRAIGHT };
            tags.write_tag(Tag::ExtraSamples, &[kind][..])?;
        }
        if let Some(orientation) = self.orientation {
            tags.write_tag(Tag::Orientation, orientation)?;
        }
        if let Some(([x, y], unit)) = self.resolution {
            tags.write_tag(Tag::ResolutionUnit, unit)?;
            for (tag, (n, d)) in [(Tag::XResolution, x), (Tag::YResolution, y)] {
                tags.write_tag(tag, Rational { n, d })?;
            }
        }
        if !self.profile.is_empty() {
            tags.write_tag(Tag::IccProfile, &self.profile[..])?;
        }
        for (tag, text) in &self.words {
            tags.write_tag(Tag::from_u16_exhaustive(*tag), text.as_str())?;
        }
        image.write_data(samples)
    }
}

fn is_big(file: &[u8]) -> bool {
    file.starts_with(b"II\x2b\0") || file.starts_with(b"MM\0\x2b")
}

/// Half floats, given by their bits. The encoder itself has no such pixel type.
macro_rules! kind {
    ($name:ident, $channels:literal) => {
        struct $name;

        impl ColorType for $name {
            type Inner = u16;
            const TIFF_VALUE: PhotometricInterpretation = PhotometricInterpretation::RGB;
            const BITS_PER_SAMPLE: &'static [u16] = &[16; $channels];
            const SAMPLE_FORMAT: &'static [SampleFormat] = &[SampleFormat::IEEEFP; $channels];

            fn horizontal_predict(row: &[u16], result: &mut Vec<u16>) {
                // Floats are written without a predictor.
                result.extend_from_slice(row);
            }
        }
    };
}

kind!(HalfRgb, 3);
kind!(HalfRgba, 4);
