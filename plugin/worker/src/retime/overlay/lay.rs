//! The overlay of a moment, laid over what was drawn for it.

use inbetween_core::{Encoding, Frame};

use super::Overlays;

/// The covered pixels of a frame of the film.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct OverlayPixels {
    pixels: Vec<(usize, [f32; 4])>,
}

impl OverlayPixels {
    /// What covers a frame of the film, which looks so; `None` where nothing does.
    pub(in super::super) fn of(
        overlays: &Overlays,
        frame: usize,
        picture: &Frame,
        encoding: Encoding,
    ) -> Option<Self> {
        let mask = overlays.mask_at(frame, picture, encoding)?;
        let covered = mask.covered().iter().enumerate().filter(|(_, is)| **is);
        Some(Self { pixels: covered.map(|(at, _)| (at, picture.pixels()[at])).collect() })
    }

    /// Gives a picture these pixels.
    pub(in super::super) fn lay_over(&self, picture: &mut Frame) {
        let pixels = picture.pixels_mut();
        for (at, pixel) in &self.pixels {
            pixels[*at] = *pixel;
        }
    }
}
