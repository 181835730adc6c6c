//! Converts the pins of a span from a host's coordinates to shares of its pictures.

use inbetween_core::{Pin, WayPoint};

use crate::effect::parameters::pins::{HostPoint, PinChoice};
use crate::ofx::Rect;

/// Conversion from canonical coordinates to pixels in one render.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels {
    /// The render scale in x and y: pixels per unit, below 1 in proxies.
    pub(crate) scale: [f64; 2],
    /// The pixel aspect ratio, width over height.
    pub(crate) aspect: f64,
}

impl Pixels {
    /// `place` as shares of the width and height of `canvas`, from its top left corner.
    fn share(&self, [x, y]: HostPoint, canvas: Rect) -> [f64; 2] {
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

    /// The pin for pictures that cover `canvas`, in pixels.
    pub(crate) fn pin(&self, pin: &PinChoice, canvas: Rect) -> Pin {
        let share = |place| self.share(place, canvas);
        let way = pin.way.map(|(position, at)| WayPoint { position, at: share(at) });
        Pin { first: share(pin.first), last: share(pin.last), way }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_stays_on_its_point_at_every_scale_and_pixel_aspect() {
        let pin = PinChoice {
            number: 1,
            first: [200.0, 75.0],
            last: [400.0, 300.0],
            way: Some((0.25, [100.0, 150.0])),
        };
        for (scale, aspect) in [([1.0, 1.0], 1.0), ([0.5, 0.5], 1.0), ([0.5, 0.25], 2.0)] {
            // 400 x 300 canonical units, with the lower left corner at (100, 50).
            let edge = |v: f64, k: usize| (v * scale[k] / if k == 0 { aspect } else { 1.0 }) as i32;
            let canvas = Rect {
                x1: edge(100.0, 0),
                y1: edge(50.0, 1),
                x2: edge(500.0, 0),
                y2: edge(350.0, 1),
            };
            let found = Pixels { scale, aspect }.pin(&pin, canvas);
            let middle = Pixels { scale, aspect }.place([0.5, 0.25], canvas);
            assert!((middle[0] - 300).abs() <= 4 && (middle[1] - 275).abs() <= 4, "{middle:?}");
            let close = |a: [f64; 2], b: [f64; 2]| (0..2).all(|c| (a[c] - b[c]).abs() < 0.02);
            assert!(close(found.first, [0.25, 11.0 / 12.0]), "{found:?}");
            assert!(close(found.last, [0.75, 1.0 / 6.0]), "{found:?}");
            assert!(close(found.way.unwrap().at, [0.0, 2.0 / 3.0]), "{found:?}");
        }
    }
}
