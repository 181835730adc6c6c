//! The overlay of a moment, laid over what was drawn for it.

use inbetween_core::{Encoding, Frame};

use super::Overlays;
use super::mask::LEVELS;

/// The covered pixels of a frame of the film.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct OverlayPixels {
    pixels: Vec<CoveredPixel>,
}

/// A pixel that an overlay covers, or a part of it.
#[derive(Clone, Debug, PartialEq)]
struct CoveredPixel {
    at: usize,
    seen: [f32; 4],
    /// What is behind it, and how much of that is seen.
    ground: [f32; 4],
    bare: f32,
}

impl OverlayPixels {
    /// What covers a frame of the film, which looks so, and without the overlay like `ground`; `None` where nothing does.
    pub(in super::super) fn of(
        overlays: &Overlays,
        frame: usize,
        (picture, ground): (&Frame, &Frame),
        encoding: Encoding,
    ) -> Option<Self> {
        let mask = overlays.mask_at(frame, picture, encoding)?;
        let covered = mask.parts().iter().enumerate().filter(|(_, parts)| **parts > 0);
        let pixel = |(at, parts): (usize, &u8)| CoveredPixel {
            at,
            seen: picture.pixels()[at],
            ground: ground.pixels()[at],
            bare: 1.0 - f32::from(*parts) / f32::from(LEVELS),
        };
        Some(Self { pixels: covered.map(pixel).collect() })
    }

    /// Lays it over a picture: what is wholly covered becomes as it was, and at soft edges the ground is exchanged.
    pub(in super::super) fn lay_over(&self, picture: &mut Frame) {
        let pixels = picture.pixels_mut();
        for CoveredPixel { at, seen, ground, bare } in &self.pixels {
            let drawn = pixels[*at];
            pixels[*at] = *seen;
            if *bare > 0.0 {
                for (channel, to) in pixels[*at].iter_mut().enumerate() {
                    *to = (*to + bare * (drawn[channel] - ground[channel])).max(0.0);
                }
                pixels[*at][3] = pixels[*at][3].min(1.0);
            }
        }
    }
}
