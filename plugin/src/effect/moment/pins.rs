//! Converts the pins of a span from a host's coordinates to shares of its pictures.

use inbetween_core::{Pin, WayPoint};

use super::pixels::Pixels;
use crate::effect::parameters::pins::PinChoice;
use crate::ofx::Rect;

impl Pixels {
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
