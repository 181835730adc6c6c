//! Limbs go their own way: in front of the body, behind it, and behind each other.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::draw;
use common::walker::{Walker, off};
use inbetween_flow::FlowEngine;

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
