//! Limbs go their own way: in front of the body, behind it, and behind each other.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::ball::{H, INK, PAPER, W};
use common::draw;
use inbetween_core::Frame;
use inbetween_flow::FlowEngine;

const SHIRT: [f32; 4] = [0.95, 0.6, 0.15, 1.0];
const SKIN: [f32; 4] = [0.98, 0.83, 0.7, 1.0];
const NEAR: [f32; 4] = [0.2, 0.27, 0.55, 1.0];
const FAR: [f32; 4] = [0.13, 0.18, 0.38, 1.0];
const SHOE: [f32; 4] = [0.75, 0.15, 0.15, 1.0];

/// A walker: place of the hip, and turns in degrees of the arm and of the near and far leg.
#[derive(Clone, Copy)]
struct Walker {
    hip: [f32; 2],
    arm: f32,
    near: f32,
    far: f32,
}

impl Walker {
    fn between(self, other: Self, t: f32) -> Self {
        let mix = |a: f32, b: f32| a + t * (b - a);
        Self {
            hip: [0, 1].map(|c| mix(self.hip[c], other.hip[c])),
            arm: mix(self.arm, other.arm),
            near: mix(self.near, other.near),
            far: mix(self.far, other.far),
        }
    }

    /// The colour of the walker at a place; `None` beside it.
    fn colour(self, x: f32, y: f32) -> Option<[f32; 4]> {
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

    fn drawn(self) -> Frame {
        common::painted(W, H, |x, y| {
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
fn off(drawn: &Frame, wanted: &Frame, there: Walker) -> f32 {
    let (mut all, mut wrong) = (0, 0);
    for (i, (p, q)) in drawn.pixels().iter().zip(wanted.pixels()).enumerate() {
        let differs = (0..3).any(|c| (p[c] - q[c]).abs() > 0.2);
        all += usize::from(there.colour((i % W) as f32, (i / W) as f32).is_some());
        wrong += usize::from(differs);
    }
    wrong as f32 / all as f32
}

/// The largest share of a walker that differs from the true drawing over a step.
fn step(engine: &FlowEngine, first: Walker, last: Walker) -> f32 {
    let (a, b) = (first.drawn(), last.drawn());
    let at = |t: f32| {
        let there = first.between(last, t);
        off(&draw(engine, &a, &b, f64::from(t)), &there.drawn(), there)
    };
    [0.25, 0.5, 0.75].map(at).into_iter().fold(0.0, f32::max)
}

#[test]
fn legs_and_an_arm_that_turn_go_with_their_body() {
    let engine = FlowEngine::new().unwrap();
    for forward in [1.0, -1.0] {
        let walker = |x: f32, arm: f32, near: f32, far: f32| Walker {
            hip: [480.0 + x, 290.0],
            arm: forward * arm,
            near: forward * near,
            far: forward * far,
        };
        let wrong =
            step(&engine, walker(-30.0, 20.0, -40.0, 45.0), walker(30.0, 45.0, -15.0, 20.0));
        assert!(wrong < 0.1, "{wrong} of the walker, {forward}");
    }
}

#[test]
fn a_leg_that_the_other_one_hides_swings_behind_it() {
    let engine = FlowEngine::new().unwrap();
    for (near, far) in [([-20.0, 8.0], [30.0, 6.0]), ([25.0, -5.0], [-28.0, -7.0])] {
        let walker = |k: usize| Walker {
            hip: [450.0 + 60.0 * k as f32, 290.0],
            arm: 10.0,
            near: near[k],
            far: far[k],
        };
        let wrong = step(&engine, walker(0), walker(1));
        assert!(wrong < 0.1, "{wrong} of the walker, legs {near:?} and {far:?}");
        let wrong = step(&engine, walker(1), walker(0));
        assert!(wrong < 0.1, "{wrong} of the walker, legs {near:?} and {far:?}, backwards");
    }
}
