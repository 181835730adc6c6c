//! Figures that move too far to be followed go where sketches show them, whole.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::ball::{BALL, H, PAPER, Pose, W, ball, colour};
use common::walker::{Walker, off};
use common::{job, line_distance, painted, traced};
use inbetween_core::{Control, Engine, Frame};
use inbetween_flow::FlowEngine;

fn draw(engine: &FlowEngine, keys: [&Frame; 2], t: f64, sketches: &[(f64, &Frame)]) -> Frame {
    engine.draw(&job(keys[0], keys[1], t, sketches), &Control::default()).unwrap().frame
}

/// Distance of the in-between from the sketch's lines, in pixels, without and with the sketch.
fn away(engine: &FlowEngine, keys: [&Frame; 2], sketch: &Frame) -> ([f32; 2], Frame) {
    let plain = draw(engine, keys, 0.5, &[]);
    let guided = draw(engine, keys, 0.5, &[(0.5, sketch)]);
    ([&plain, &guided].map(|frame| line_distance(sketch, frame)), guided)
}

#[test]
fn limbs_that_both_keys_show_arrive_at_the_sketch() {
    let engine = FlowEngine::new().unwrap();
    let walker = |x: f32, arm: f32, near: f32, far: f32| Walker { hip: [x, 290.0], arm, near, far };
    for forward in [1.0, -1.0] {
        let first = walker(480.0 - 300.0 * forward, 35.0, -40.0, 45.0).drawn();
        let last = walker(480.0 + 300.0 * forward, -30.0, 42.0, -38.0).drawn();
        // The arm is raised, and the figure leaps: nothing between the keys says so.
        let there = Walker { hip: [480.0, 230.0], arm: 110.0 * forward, near: -10.0, far: 20.0 };
        let truth = there.drawn();
        let sketch = traced(&truth, 0.0, 0.0);
        let ([before, after], guided) = away(&engine, [&first, &last], &sketch);
        assert!(before > 5.0, "the sketch asks for nothing: {before}");
        assert!(after < 0.1 * before, "{after} px from the sketch, {before} without it");
        let wrong = off(&guided, &truth, there);
        assert!(wrong < 0.25, "{wrong} of the walker is wrong, {forward}");
        // What is the same in both keys stays, to the bit.
        for x in (0..W).filter(|&x| x.abs_diff(480) > 120 && x.abs_diff(480) < 170) {
            for y in 430..H {
                let i = y * W + x;
                assert!(guided.pixels()[i] == first.pixels()[i], "the ground at {x}, {y} changed");
            }
        }
    }
}

/// Number of pixels that differ, as a share of the ball.
fn wrong(drawn: &Frame, truth: &Frame) -> f32 {
    let differs = |(p, q): (&[f32; 4], &[f32; 4])| (0..3).any(|c| (p[c] - q[c]).abs() > 0.2);
    let pairs = drawn.pixels().iter().zip(truth.pixels());
    pairs.filter(|pair| differs(*pair)).count() as f32 / (std::f32::consts::PI * BALL * BALL)
}

#[test]
fn a_thing_turns_and_stretches_as_sketched() {
    let engine = FlowEngine::new().unwrap();
    let pose = |x: f32, y: f32, turn: f32, squash: [f32; 2]| Pose { middle: [x, y], turn, squash };
    let keys = [pose(120.0, 120.0, 0.0, [1.0, 1.0]), pose(820.0, 440.0, 0.6, [1.3, 0.75])];
    let [first, last] = keys.map(ball);
    for (x, turn, squash) in [(430.0, 1.3, [0.85, 1.2]), (500.0, -1.2, [1.1, 0.9])] {
        let truth = ball(pose(x, 150.0, turn, squash));
        let sketch = traced(&truth, 0.0, 0.0);
        let ([before, after], guided) = away(&engine, [&first, &last], &sketch);
        assert!(before > 8.0 && after < 1.0, "{after} px from the sketch, {before} without it");
        let wrong = wrong(&guided, &truth);
        assert!(wrong < 0.2, "{wrong} of the ball is wrong, turned by {turn}");
    }
}

#[test]
fn the_way_goes_through_all_sketches_and_ends_at_the_keys() {
    let engine = FlowEngine::new().unwrap();
    let round = |x: f32, y: f32, turn: f32| Pose { middle: [x, y], turn, squash: [1.0, 1.0] };
    let [first, last] = [round(120.0, 400.0, 0.0), round(840.0, 400.0, 0.4)].map(ball);
    let poses = [(0.25, round(260.0, 180.0, 0.7)), (0.75, round(700.0, 150.0, -0.2))];
    let truths = poses.map(|(_, pose)| ball(pose));
    let sketches = truths.each_ref().map(|truth| traced(truth, 0.0, 0.0));
    let given: Vec<(f64, &Frame)> =
        poses.iter().zip(&sketches).map(|((at, _), sketch)| (*at, sketch)).collect();
    for (truth, (at, _)) in truths.iter().zip(&given) {
        let wrong = wrong(&draw(&engine, [&first, &last], *at, &given), truth);
        assert!(wrong < 0.2, "{wrong} of the ball is wrong at {at}");
    }
    for (at, key) in [(0.002, &first), (0.998, &last)] {
        let wrong = wrong(&draw(&engine, [&first, &last], at, &given), key);
        assert!(wrong < 0.25, "{wrong} of the ball is wrong beside a key, at {at}");
    }
}

#[test]
fn a_thing_that_moves_a_little_goes_to_its_sketch_beside_one_that_goes_far() {
    let engine = FlowEngine::new().unwrap();
    let pose = |x: f32, y: f32, size: f32| Pose { middle: [x, y], turn: 0.0, squash: [size; 2] };
    let both = |far: Pose, near: Pose| {
        painted(W, H, |x, y| colour(far, x, y).or_else(|| colour(near, x, y)).unwrap_or(PAPER))
    };
    let first = both(pose(120.0, 120.0, 1.0), pose(430.0, 430.0, 0.8));
    let last = both(pose(840.0, 120.0, 1.0), pose(520.0, 430.0, 0.8));
    let truth = both(pose(480.0, 120.0, 1.0), pose(475.0, 370.0, 0.8));
    let sketch = traced(&truth, 0.0, 0.0);
    let plain = wrong(&draw(&engine, [&first, &last], 0.5, &[]), &truth);
    let guided = wrong(&draw(&engine, [&first, &last], 0.5, &[(0.5, &sketch)]), &truth);
    assert!(plain > 0.5 && guided < 0.2, "{guided} of a ball is wrong, {plain} without a sketch");
}
