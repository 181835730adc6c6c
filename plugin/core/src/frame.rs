//! A picture in memory, in the form in which every engine receives it.

use crate::Error;

/// Longest side that a frame may have, in pixels. A larger size is a host's mistake.
pub const MAX_SIDE: usize = 32_768;

/// Most pixels that a frame may have (16 bytes each): 8 GiB of samples.
pub const MAX_PIXELS: usize = 512 * 1024 * 1024;

/// A picture: 32-bit float RGBA, premultiplied, top row first, no padding.
///
/// Values are in the host's own encoding (see [`Encoding`](crate::Encoding)) and may lie above 1 or
/// below 0. They are finite, because the conversion from a host's pixels replaces NaN and infinity.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 4]>,
}

impl Frame {
    /// A fully transparent frame of `width` x `height` pixels.
    ///
    /// # Errors
    /// [`Error::Size`] when a side is 0 or beyond [`MAX_SIDE`], or the area beyond [`MAX_PIXELS`].
    pub fn transparent(width: usize, height: usize) -> Result<Self, Error> {
        check_size(width, height)?;
        Ok(Self { width, height, pixels: vec![[0.0; 4]; width * height] })
    }

    /// Takes `pixels` (row-major, top row first) as a frame.
    ///
    /// # Errors
    /// [`Error::Size`] when the size is out of range or does not match the number of pixels.
    pub fn from_pixels(width: usize, height: usize, pixels: Vec<[f32; 4]>) -> Result<Self, Error> {
        check_size(width, height)?;
        if pixels.len() != width * height {
            return Err(Error::Size { width, height, reason: "the pixel count does not match" });
        }
        Ok(Self { width, height, pixels })
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All pixels, row-major, top row first.
    pub fn pixels(&self) -> &[[f32; 4]] {
        &self.pixels
    }

    /// All pixels, for writing.
    pub fn pixels_mut(&mut self) -> &mut [[f32; 4]] {
        &mut self.pixels
    }

    /// One row, `y` counted from the top.
    pub fn row(&self, y: usize) -> &[[f32; 4]] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// Memory taken by the pixels, in bytes.
    pub fn byte_len(&self) -> usize {
        self.pixels.len() * size_of::<[f32; 4]>()
    }
}

/// A sample that a frame may hold: NaN becomes 0, and infinity the largest value of a half float,
/// which leaves filters room to add up.
#[inline]
pub fn finite(sample: f32) -> f32 {
    if sample.is_finite() {
        sample
    } else if sample.is_nan() {
        0.0
    } else {
        65_504.0_f32.copysign(sample)
    }
}

/// Rejects sizes that no picture has, before any memory is allocated for them.
///
/// # Errors
/// [`Error::Size`] when a side is 0 or beyond [`MAX_SIDE`], or the area beyond [`MAX_PIXELS`].
pub fn check_size(width: usize, height: usize) -> Result<(), Error> {
    if width == 0 || height == 0 {
        return Err(Error::Size { width, height, reason: "the picture is empty" });
    }
    if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
        return Err(Error::Size { width, height, reason: "the picture is too large" });
    }
    Ok(())
}
