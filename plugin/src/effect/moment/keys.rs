//! The key pictures of a render. They are found in clips or files, named by their content, and
//! turned into frames only when something has to be drawn.

use std::ffi::CStr;
use std::sync::Arc;

use inbetween_core::picture::{self, Fit, Picture};
use inbetween_core::pixel_hash::PixelHasher;
use inbetween_core::timing::Key;
use inbetween_core::{ContentHash, Encoding, Frame};
use rayon::prelude::*;

use super::plan::KeySource;
use crate::effect::names::{SKETCH, SOURCE};
use crate::ofx::{EffectRef, Error, Image, Rect, Result};

/// A key picture, wherever it is stored.
pub(crate) enum KeyPicture<'a> {
    /// In the host's memory, for as long as this value lives.
    Host(Image<'a>),
    /// Read from a file and fitted to the output.
    File(Picture),
}

impl<'a> KeyPicture<'a> {
    /// Finds `key` in `source`. Pictures from files are converted to `encoding` and fitted to the
    /// output as `fit` says.
    ///
    /// # Errors
    /// [`Error::ForArtist`] when nothing is connected, the clip has no picture at that time, or no
    /// file was chosen; otherwise the reason why the picture cannot be used.
    pub(crate) fn find(
        effect: &'a EffectRef<'a>,
        key: Key,
        source: &KeySource,
        encoding: Encoding,
        fit: Fit,
    ) -> Result<Self> {
        let phantoms = effect.host().quirks().phantom_clips;
        match source {
            KeySource::Clip { name, time } => {
                let time = fetch_time(effect, name, *time).ok_or_else(|| unconnected(name))?;
                let clip = effect.clip(name).ok_or_else(|| unconnected(name))?;
                let image = clip.image(time)?.ok_or_else(|| no_picture(name, time))?;
                if phantoms && is_blank(&image) {
                    return Err(unconnected(name));
                }
                Ok(Self::Host(image))
            }
            KeySource::Found { time } => {
                let clip = effect.clip(SOURCE).ok_or_else(|| unconnected(SOURCE))?;
                let image = clip.image(*time)?.ok_or_else(|| no_picture(SOURCE, *time))?;
                Ok(Self::Host(image))
            }
            KeySource::File(path) if path.as_os_str().is_empty() => Err(no_file(key)),
            KeySource::File(path) => Ok(Self::File(picture::load(path, encoding, Some(fit))?)),
        }
    }

    /// The rectangle of pixels that this picture covers. A picture from a file covers the output.
    pub(crate) fn bounds(&self) -> Option<Rect> {
        match self {
            Self::Host(image) => Some(image.whole()),
            Self::File(_) => None,
        }
    }

    /// The name of the picture's content on `canvas`.
    ///
    /// # Errors
    /// When the picture is too large.
    pub(crate) fn id(&self, canvas: Rect) -> Result<ContentHash> {
        match self {
            Self::Host(image) => address(image, canvas),
            Self::File(picture) => Ok(picture.hash),
        }
    }

    /// The picture as a frame that covers `canvas`; transparent where it has no pixels.
    pub(crate) fn frame(&self, canvas: Rect) -> Result<Arc<Frame>> {
        match self {
            Self::Host(image) => decode(image, canvas).map(Arc::new),
            Self::File(picture) => Ok(Arc::clone(&picture.frame)),
        }
    }
}

/// The time at which to ask a clip for the picture of `time`. `None` if nothing is connected, or if
/// a sketch has no frame of its own there, because a held sketch would freeze what it guides.
pub(crate) fn fetch_time(effect: &EffectRef<'_>, name: &CStr, time: f64) -> Option<f64> {
    let clip = effect.clip(name).filter(|clip| !clip.is_surely_unconnected())?;
    if name == SKETCH {
        return clip.has_frame(time).then_some(time);
    }
    Some(clip.nearest_time(time))
}

/// Whether every sample is zero. Some hosts deliver such a picture for an unconnected clip.
pub(crate) fn is_blank(image: &Image<'_>) -> bool {
    let bounds = image.bounds();
    (bounds.y1..bounds.y2).all(|y| image.row(y).iter().all(|&byte| byte == 0))
}

/// Whether all pixels are the same.
pub(crate) fn is_even(image: &Image<'_>) -> bool {
    let bounds = image.bounds();
    let size = image.format().pixel_bytes();
    let mut pixels = (bounds.y1..bounds.y2).flat_map(|y| image.row(y).chunks_exact(size));
    let first = pixels.next();
    pixels.all(|pixel| Some(pixel) == first)
}

/// The name of a host image's content on `canvas`.
pub(crate) fn address(image: &Image<'_>, canvas: Rect) -> Result<ContentHash> {
    let (bounds, format) = (image.bounds(), image.format());
    let left = bounds.x1 - canvas.x1;
    let top = canvas.y2 - bounds.y2;
    let (width, height) = (canvas.width(), canvas.height());
    let tag = format!("{format:?} at {left},{top} of {width}x{height}");
    let bytes = format.pixel_bytes();
    let hasher = PixelHasher::new(bounds.width(), bounds.height(), bytes, &tag)?;
    Ok(hasher.hash_remembered(|row| image.row(bounds.y2 - 1 - row as i32))?)
}

pub(crate) fn decode(image: &Image<'_>, canvas: Rect) -> Result<Frame> {
    let mut frame = Frame::transparent(canvas.width(), canvas.height())?;
    let shared = image.bounds().intersection(canvas);
    let (format, width) = (image.format(), canvas.width());
    let skip = (shared.x1 - image.bounds().x1) as usize * format.pixel_bytes();
    let left = (shared.x1 - canvas.x1) as usize;
    frame.pixels_mut().par_chunks_exact_mut(width).enumerate().with_min_len(16).for_each(
        |(row, pixels)| {
            let y = canvas.y2 - 1 - row as i32;
            if !shared.is_empty() && (shared.y1..shared.y2).contains(&y) {
                let samples = &image.row(y)[skip..skip + shared.width() * format.pixel_bytes()];
                format.decode_row(samples, &mut pixels[left..left + shared.width()]);
            }
        },
    );
    Ok(frame)
}

pub(crate) fn unconnected(name: &CStr) -> Error {
    let name = name.to_string_lossy();
    Error::ForArtist(if *name == *SOURCE.to_string_lossy() {
        format!("Nothing is connected to {name}. Connect the first key drawing to it.")
    } else {
        format!(
            "Nothing is connected to {name}. Connect {name}, or choose Keys from: Times in one clip, \
             or Image files."
        )
    })
}

fn no_picture(name: &CStr, time: f64) -> Error {
    let name = name.to_string_lossy();
    Error::ForArtist(format!(
        "{name} has no picture at frame {time}. Connect a key drawing to {name}, move First key and \
         Last key onto frames that it has, or choose Keys from: Image files."
    ))
}

fn no_file(key: Key) -> Error {
    let which = match key {
        Key::First => "First key file",
        Key::Last => "Last key file",
    };
    Error::ForArtist(format!("{which} is empty. Choose a PNG, JPEG, TIFF or EXR picture."))
}
