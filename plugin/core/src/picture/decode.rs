//! From the bytes of a picture file to a frame.

use std::error::Error as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use rayon::prelude::*;
use tiff::tags::Tag;

use super::exr;
use super::odd_tiff::OddTiff;
use super::stored::Stored;
use crate::frame::{MAX_SIDE, finite};
use crate::{Encoding, Error, Frame};

/// Most pixels that a picture file may have: 2 GiB as a frame.
pub const MAX_PICTURE_PIXELS: usize = 128 * 1024 * 1024;

/// Memory that a decoder may allocate beyond the picture itself, in bytes.
const DECODER_BYTES: u64 = 256 << 20;

/// Reads the file at `path` as a frame in the given encoding.
pub(super) fn read(path: &Path, encoding: Encoding) -> Result<Frame, Error> {
    let refuse = |reason: String| Error::Picture { path: path.to_path_buf(), reason };
    let bytes = fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let format = format_of(&bytes).map_err(refuse)?;
    if format == ImageFormat::Jpeg && !jpeg_ends(&bytes) {
        // The decoder would silently paint the missing part grey.
        return Err(refuse("the file is truncated".into()));
    }
    // Decoders are not our code. A file that makes one panic is treated as damaged.
    let image = catch_unwind(AssertUnwindSafe(|| decode(&bytes, format)))
        .unwrap_or_else(|_| Err("the file is damaged".into()))
        .map_err(refuse)?;
    let is_float = matches!(image, DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_));
    let stored = if is_float { Encoding::Linear } else { Encoding::Srgb };
    let frame = frame_of(image, is_premultiplied(&bytes, format))?;
    Ok(frame.converted(stored, encoding))
}

/// Reads the head of the file at `path`.
pub(super) fn stored(path: &Path) -> Result<Stored, Error> {
    let refuse = |reason: String| Error::Picture { path: path.to_path_buf(), reason };
    let failed = |error: io::Error| refuse(error.to_string());
    let mut file = BufReader::new(fs::File::open(path).map_err(failed)?);
    let format = format_of(file.fill_buf().map_err(failed)?).map_err(refuse)?;
    if format == ImageFormat::OpenExr {
        let head = exr::Header::read(file).map_err(refuse)?;
        let has_alpha = head.channels.alpha.is_some();
        return Ok(Stored {
            format,
            colour: if has_alpha { ColorType::Rgba32F } else { ColorType::Rgb32F },
            half: head.half,
            grey: head.channels.colour.len() == 1,
            orientation: Orientation::NoTransforms,
        });
    }
    if format == ImageFormat::Tiff
        && let Some(kind) = OddTiff::of(&mut file)
    {
        return Ok(kind.stored());
    }
    file.rewind().map_err(failed)?;
    let mut decoder = ImageReader::with_format(file, format)
        .into_decoder()
        .map_err(|error| refuse(reason(&error)))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok(Stored { format, colour: decoder.color_type(), half: false, grey: false, orientation })
}

fn format_of(bytes: &[u8]) -> Result<ImageFormat, String> {
    use ImageFormat::{Jpeg, OpenExr, Png, Tiff, WebP};
    // TIFF files with 64-bit offsets, for more than 4 GB, are not recognised by the library.
    if bytes.starts_with(b"II\x2b\0") || bytes.starts_with(b"MM\0\x2b") {
        return Ok(Tiff);
    }
    match image::guess_format(bytes) {
        Ok(format @ (Png | Jpeg | Tiff | OpenExr | WebP)) => Ok(format),
        Ok(format) => Err(format!("{format:?} files are not supported")),
        Err(_) => Err("it is not a picture of a known format".into()),
    }
}

fn check_size(width: usize, height: usize) -> Result<(), String> {
    if width == 0 || height == 0 {
        return Err("the picture is empty".into());
    }
    if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PICTURE_PIXELS {
        return Err(format!(
            "{width} x {height} pixels are more than the {} million that are allowed",
            MAX_PICTURE_PIXELS / 1_000_000
        ));
    }
    Ok(())
}

fn decode(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, String> {
    if format == ImageFormat::OpenExr {
        let head = exr::Header::read(bytes)?;
        check_size(head.size.0, head.size.1)?;
        return head.picture(bytes);
    }
    if format == ImageFormat::Tiff
        && let Some(kind) = OddTiff::of(Cursor::new(bytes))
    {
        check_size(kind.size.0 as usize, kind.size.1 as usize)?;
        return kind.picture(bytes);
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Only the headers are read before the size is checked. After that, the limit follows from the
    // size.
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(|error| reason(&error))?;
    let (width, height) = decoder.dimensions();
    check_size(width as usize, height as usize)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(2 * decoder.total_bytes() + DECODER_BYTES);
    decoder.set_limits(limits).map_err(|error| reason(&error))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| reason(&error))?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// The pixels as stored, multiplied by their alpha.
fn frame_of(image: DynamicImage, premultiplied: bool) -> Result<Frame, Error> {
    let image = image.into_rgba32f();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (stored, _) = image.as_raw().as_chunks::<4>();
    let pixels = stored
        .par_iter()
        .map(|pixel| {
            let [red, green, blue, alpha] = pixel.map(finite);
            let cover = if premultiplied { 1.0 } else { alpha };
            [red * cover, green * cover, blue * cover, alpha]
        })
        .collect();
    Frame::from_pixels(width, height, pixels)
}

/// Whether the stored colours are premultiplied. Those of EXR always are; a TIFF file says so in its tag 338 (TIFF
/// 6.0, section 18: 1 is associated alpha); those of other formats never are.
fn is_premultiplied(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::OpenExr => true,
        ImageFormat::Tiff => tiff::decoder::Decoder::new(Cursor::new(bytes))
            .and_then(|mut file| file.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples))
            .is_ok_and(|extra| extra.is_some_and(|extra| extra.first() == Some(&1))),
        _ => false,
    }
}

/// Whether the compressed picture is followed by its end marker.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END: [u8; 2] = [0xff, 0xd9];
    // Walks from segment to segment, so that the end of an embedded preview is not taken for the
    // end of the picture.
    let mut at = 2;
    while let Some([0xff, marker, high, low]) = bytes.get(at..).and_then(|rest| rest.first_chunk())
    {
        at += match marker {
            &START_OF_SCAN => return bytes[at..].windows(2).any(|pair| pair == END),
            // A fill byte before the marker.
            0xff => 1,
            _ => 2 + usize::from(u16::from_be_bytes([*high, *low])),
        };
    }
    false
}

/// A decoder's error in words for the artist.
fn reason(error: &ImageError) -> String {
    match error {
        _ if is_cut_short(error) => "the file is truncated".into(),
        ImageError::Limits(_) => "decoding it takes too much memory".into(),
        ImageError::Unsupported(what) => format!("its kind is not supported ({what})"),
        ImageError::IoError(error) => error.to_string(),
        other => format!("the file is damaged ({})", other.to_string().trim()),
    }
}

/// Whether one of the error's causes is the end of the file.
fn is_cut_short(error: &ImageError) -> bool {
    let ends = |error: &io::Error| error.kind() == ErrorKind::UnexpectedEof;
    if let ImageError::IoError(error) = error {
        return ends(error);
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(ends) {
            return true;
        }
        cause = error.source();
    }
    false
}
