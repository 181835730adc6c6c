//! A walker: a head, a body, an arm and two legs, in front of a ground with a line.

use inbetween_core::Frame;

use super::ball::{H, INK, PAPER, W};

const SHIRT: [f32; 4] = [0.95, 0.6, 0.15, 1.0];
const SKIN: [f32; 4] = [0.98, 0.83, 0.7, 1.0];
const NEAR: [f32; 4] = [0.2, 0.27, 0.55, 1.0];
const FAR: [f32; 4] = [0.13, 0.18, 0.38, 1.0];
const SHOE: [f32; 4] = [0.75, 0.15, 0.15, 1.0];

/// A walker: place of the hip, and turns in degrees of the arm and of the near and far leg.
#[derive(Clone, Copy)]
pub(crate) struct Walker {
    pub(crate) hip: [f32; 2],
    pub(crate) arm: f32,
    pub(crate) near: f32,
    pub(crate) far: f32,
}

impl Walker {
    pub(crate) fn between(self, other: Self, t: f32) -> Self {
        let mix = |a: f32, b: f32| a + t * (b - a);
        Self {
            hip: [0, 1].map(|c| mix(self.hip[c], other.hip[c])),
            arm: mix(self.arm, other.arm),
            near: mix(self.near, other.near),
            far: mix(self.far, other.far),
        }
    }

    /// The colour of the walker at a place; `None` beside it.
    pub(crate) fn colour(self, x: f32, y: f32) -> Option<[f32; 4]> {
        let (x, y) = (x - self.hip[0], y - self.hip[1]);
        let limb = |from: [f32; 2], turn: f32, length: f32, colour: [f32; 4], end: [f32; 4]| {
            let (s, c) = turn.to_radians().sin_cos();
            let (u, v) = (x - from[0], y - from[1]);
            let (along, aside) = (s * u + c * v, c * u - s * v);
            let tip = (aside / 1.7).hypot(along - length - 8.0) - 14.0;
            let off = aside.hypot(along - along.clamp(0.0, length)) - 16.0;
            let inked = |off: f32, colour: [f32; 4]| if off > -4.0 { INK } else { colour };
            if tip < 0.0 { Some(inked(tip, end)) } else { (off < 0.0).then(|| inked(off, colour)) }
        };
        let head = x.hypot(y + 185.0);
        let body = (x.abs() - 36.0).max((y + 70.0).abs() - 72.0);
        limb([0.0, -115.0], self.arm, 85.0, SKIN, SKIN)
            .or_else(|| limb([0.0, 0.0], self.near, 110.0, NEAR, SHOE))
            .or_else(|| {
                let eye = (x - 18.0).hypot(y + 190.0) < 6.0;
                (head < 48.0).then_some(if head > 44.0 || eye { INK } else { SKIN })
            })
            .or_else(|| (body < 0.0).then_some(if body > -4.0 { INK } else { SHIRT }))
            .or_else(|| limb([0.0, 0.0], self.far, 110.0, FAR, SHOE))
    }

    pub(crate) fn drawn(self) -> Frame {
        super::painted(W, H, |x, y| {
            let ground = if y < 444.0 {
                PAPER
            } else if y < 448.0 {
                INK
            } else {
                [0.7, 0.62, 0.5, 1.0]
            };
            self.colour(x, y).unwrap_or(ground)
        })
    }
}

/// Number of pixels with another colour than wanted, as a share of the walker's that is `there`.
pub(crate) fn off(drawn: &Frame, wanted: &Frame, there: Walker) -> f32 {
    let (mut all, mut wrong) = (0, 0);
    for (i, (p, q)) in drawn.pixels().iter().zip(wanted.pixels()).enumerate() {
        let differs = (0..3).any(|c| (p[c] - q[c]).abs() > 0.2);
        all += usize::from(there.colour((i % W) as f32, (i / W) as f32).is_some());
        wrong += usize::from(differs);
    }
    wrong as f32 / all as f32
}
