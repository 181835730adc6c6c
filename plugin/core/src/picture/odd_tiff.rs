//! TIFF files that the usual reader does not support: half floats and palettes.

use std::io::{Cursor, Read, Seek};

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageBuffer, ImageFormat};
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;

use super::stored::Stored;

/// Values of the tags for the meaning of pixels and the format of samples.
const PALETTE: u16 = 3;
const FLOAT: u16 = 3;

/// The contents of such a file.
pub(super) struct OddTiff {
    pub(super) size: (u32, u32),
    kind: Kind,
}

enum Kind {
    Half { alpha: bool },
    Palette { bits: u32, colours: Vec<u16> },
}

impl OddTiff {
    /// The file's head; `None` for files that the usual reader supports.
    pub(super) fn of(file: impl Read + Seek) -> Option<Self> {
        let mut file = Decoder::new(file).ok()?;
        let mut numbers = |tag: Tag| file.find_tag_unsigned_vec::<u16>(tag).ok().flatten();
        let meaning = numbers(Tag::PhotometricInterpretation)?;
        let bits = numbers(Tag::BitsPerSample)?;
        let kind = if meaning == [PALETTE] && matches!(bits[..], [1 | 2 | 4 | 8]) {
            let (bits, colours) = (u32::from(bits[0]), numbers(Tag::ColorMap)?);
            (colours.len() == 3 << bits).then_some(Kind::Palette { bits, colours })?
        } else {
            let float = numbers(Tag::SampleFormat)?.iter().all(|format| *format == FLOAT);
            match file.colortype().ok()? {
                tiff::ColorType::RGB(16) if float => Kind::Half { alpha: false },
                tiff::ColorType::RGBA(16) if float => Kind::Half { alpha: true },
                _ => return None,
            }
        };
        Some(Self { size: file.dimensions().ok()?, kind })
    }

    pub(super) fn stored(&self) -> Stored {
        let (colour, half) = match &self.kind {
            Kind::Half { alpha: true } => (ColorType::Rgba32F, true),
            Kind::Half { alpha: false } => (ColorType::Rgb32F, true),
            Kind::Palette { colours, .. } if is_of_bytes(colours) => (ColorType::Rgb8, false),
            Kind::Palette { .. } => (ColorType::Rgb16, false),
        };
        let orientation = Orientation::NoTransforms;
        Stored { format: ImageFormat::Tiff, colour, half, grey: false, orientation }
    }

    pub(super) fn picture(&self, bytes: &[u8]) -> Result<DynamicImage, String> {
        let damaged = || "the file is damaged".to_owned();
        let (width, height) = self.size;
        let read = |bytes: &[u8]| {
            let picture = Decoder::new(Cursor::new(bytes)).and_then(|mut file| file.read_image());
            picture.map_err(|error| format!("the file is damaged ({error})"))
        };
        match &self.kind {
            Kind::Half { alpha } => {
                let DecodingResult::F16(halves) = read(bytes)? else { return Err(damaged()) };
                let samples = halves.into_iter().map(f32::from).collect();
                let image = if *alpha {
                    ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgba32F)
                } else {
                    ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb32F)
                };
                image.ok_or_else(damaged)
            }
            Kind::Palette { bits, colours } => {
                // The indices of colours are read as if they were greys.
                let greys = with_meaning_grey(bytes).ok_or_else(damaged)?;
                let DecodingResult::U8(packed) = read(&greys)? else { return Err(damaged()) };
                let row = (width as usize * *bits as usize).div_ceil(8);
                let numbers = packed.chunks_exact(row).flat_map(|row| {
                    (0..width as usize).map(move |x| {
                        let at = x * *bits as usize;
                        let below = 8 - (at % 8) - *bits as usize;
                        usize::from(row[at / 8] >> below) & ((1 << bits) - 1)
                    })
                });
                let plane = 1_usize << bits;
                let pixels =
                    numbers.flat_map(|n| [n, n + plane, n + 2 * plane].map(|at| colours[at]));
                let image = if is_of_bytes(colours) {
                    let samples = pixels.map(|value| (value & 255) as u8).collect();
                    ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb8)
                } else {
                    let samples = pixels.collect();
                    ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb16)
                };
                image.ok_or_else(damaged)
            }
        }
    }
}

/// Whether the colours have 8 bits. The format wants each byte repeated to make 16 bits, but some
/// programs write plain numbers up to 255.
fn is_of_bytes(colours: &[u16]) -> bool {
    colours.iter().all(|value| value % 257 == 0) || colours.iter().all(|value| *value < 256)
}

/// The file, changed so that its first picture claims to be grey.
fn with_meaning_grey(bytes: &[u8]) -> Option<Vec<u8>> {
    const MEANING: u64 = 262;
    const BLACK_IS_ZERO: u8 = 1;
    let little = bytes.starts_with(b"II");
    let number = |at: usize, length: usize| -> Option<u64> {
        let part = bytes.get(at..at.checked_add(length)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if little { part.iter().rev().fold(0, add) } else { part.iter().fold(0, add) })
    };
    let big = number(2, 2)? == 43;
    // Sizes in bytes of offsets, of the number of entries, and of an entry.
    let (offset, count, entry) = if big { (8, 8, 20) } else { (4, 2, 12) };
    let first = usize::try_from(number(if big { 8 } else { 4 }, offset)?).ok()?;
    for n in 0..usize::try_from(number(first, count)?).ok()?.min(1 << 12) {
        let at = first.checked_add(count + n * entry)?;
        if number(at, 2)? == MEANING {
            let value = at + entry - offset;
            let mut changed = bytes.to_vec();
            changed.get_mut(value..value + 2)?.copy_from_slice(&if little {
                [BLACK_IS_ZERO, 0]
            } else {
                [0, BLACK_IS_ZERO]
            });
            return Some(changed);
        }
    }
    None
}
