//! Between a host's coordinates and the pixels of one render.

use inbetween_core::picture::Fit;

use crate::effect::names::OUTPUT_CLIP;
use crate::effect::parameters::pins::HostPoint;
use crate::ofx::{EffectRef, Rect};

/// Conversion from canonical coordinates to pixels in one render.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels {
    /// The render scale in x and y: pixels per unit, below 1 in proxies.
    pub(crate) scale: [f64; 2],
    /// The pixel aspect ratio, width over height.
    pub(crate) aspect: f64,
}

impl Pixels {
    /// The pixels of the output at a render scale.
    pub(crate) fn of_output(effect: &EffectRef<'_>, scale: [f64; 2]) -> Self {
        let aspect = effect.clip(OUTPUT_CLIP).map_or(1.0, |clip| clip.pixel_aspect());
        Self { scale, aspect }
    }

    /// How a picture file is fitted to `output`.
    pub(crate) fn fit(&self, output: Rect) -> Fit {
        let (width, height) = (output.width(), output.height());
        Fit { width, height, scale: self.scale, pixel_aspect: self.aspect }
    }

    /// `place` as shares of the width and height of `canvas`, from its top left corner.
    pub(super) fn share(&self, [x, y]: HostPoint, canvas: Rect) -> [f64; 2] {
        let (x, y) = (x * self.scale[0] / self.aspect, y * self.scale[1]);
        [
            (x - f64::from(canvas.x1)) / canvas.width() as f64,
            (f64::from(canvas.y2) - y) / canvas.height() as f64,
        ]
    }

    /// Converts a place given in shares of `canvas`, from its top left corner, to whole canonical
    /// units.
    pub(crate) fn place(&self, [x, y]: [f32; 2], canvas: Rect) -> [i64; 2] {
        let x = f64::from(canvas.x1) + f64::from(x) * canvas.width() as f64;
        let y = f64::from(canvas.y2) - f64::from(y) * canvas.height() as f64;
        [x * self.aspect / self.scale[0], y / self.scale[1]].map(|v| v.round() as i64)
    }
}
