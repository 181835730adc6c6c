//! Fits a picture into a frame of another size: undistorted, centred, with transparent margins.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32x4;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::{Error, Frame};

/// A frame that pictures are fitted into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Its pixels per row.
    pub width: usize,
    /// Its rows.
    pub height: usize,
    /// Its pixels per pixel of the full size, in x and y: above 0, below 1 in proxies.
    pub scale: [f64; 2],
    /// Width of a pixel of the full size over its height, as shown on the screen: above 0.
    pub pixel_aspect: f64,
}

impl Fit {
    /// A frame with square pixels, at full size.
    pub fn square(width: usize, height: usize) -> Self {
        Self { width, height, scale: [1.0; 2], pixel_aspect: 1.0 }
    }

    /// Width and height, in pixels of this frame, of a picture of that size.
    pub(super) fn inner(&self, (width, height): (usize, usize)) -> (usize, usize) {
        let (width, height) = (width as f64 * self.scale[0], height as f64 * self.scale[1]);
        let off = [width - self.width as f64, height - self.height as f64];
        if off.iter().all(|off| off.abs() < 1.0) {
            return (self.width, self.height);
        }
        let width = width / self.pixel_aspect;
        let factor = (self.width as f64 / width).min(self.height as f64 / height);
        let side = |length: f64, most: usize| ((length * factor).round() as usize).clamp(1, most);
        (side(width, self.width), side(height, self.height))
    }
}

impl Frame {
    /// The whole picture, as large as fits into the frame `fit` and centred, with transparent
    /// margins where the proportions differ.
    ///
    /// A picture has square pixels, unless it is as large as the frame at full size: then their
    /// pixels are the same, and it fills the frame at every scale.
    ///
    /// Resampled with a Catmull-Rom filter, which is widened for shrinking. Values above 1 and
    /// below 0 are kept; alpha stays within 0..=1. A picture that already has this size is returned
    /// unchanged.
    ///
    /// # Errors
    /// [`Error::Size`] when no frame can have this size.
    pub fn fitted(&self, fit: Fit) -> Result<Self, Error> {
        let Fit { width, height, .. } = fit;
        let mut fitted = Self::transparent(width, height)?;
        let (inner_width, inner_height) = fit.inner((self.width(), self.height()));
        let scaled = self.resampled(inner_width, inner_height)?;
        let (left, top) = ((width - inner_width) / 2, (height - inner_height) / 2);
        for y in 0..inner_height {
            let start = (top + y) * width + left;
            fitted.pixels_mut()[start..start + inner_width].copy_from_slice(scaled.row(y));
        }
        Ok(fitted)
    }

    fn resampled(&self, width: usize, height: usize) -> Result<Self, Error> {
        if (self.width(), self.height()) == (width, height) {
            return Ok(self.clone());
        }
        let refuse = |_| Error::Size { width, height, reason: "the picture cannot be resampled" };
        let mut scaled = Self::transparent(width, height)?;
        let from = TypedImageRef::<F32x4>::from_buffer(
            self.width() as u32,
            self.height() as u32,
            bytemuck::cast_slice(self.pixels()),
        )
        .map_err(refuse)?;
        let mut to = TypedImage::<F32x4>::from_buffer(
            width as u32,
            height as u32,
            bytemuck::cast_slice_mut(scaled.pixels_mut()),
        )
        .map_err(refuse)?;
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
            // The pixels are premultiplied already.
            .use_alpha(false);
        Resizer::new().resize_typed(&from, &mut to, &options).map_err(|error| {
            log::error!("resampling to {width} x {height}: {error}");
            Error::Size { width, height, reason: "the picture cannot be resampled" }
        })?;
        for pixel in scaled.pixels_mut() {
            // The filter overshoots beside an edge. A pixel with negative alpha becomes
            // transparent; otherwise a seam would show where the picture is laid over another.
            if pixel[3] < 0.0 {
                *pixel = [0.0; 4];
            }
            pixel[3] = pixel[3].min(1.0);
        }
        Ok(scaled)
    }
}
