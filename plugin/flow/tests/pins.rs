//! Pins: what they bind follows them, and nothing else moves.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::ball::*;
use common::noise::noise;
use inbetween_core::{Control, Drawn, Engine, Frame, Pin, WayPoint};
use inbetween_flow::FlowEngine;

/// A place in pixels as a share of the picture.
fn share([x, y]: [f32; 2]) -> [f64; 2] {
    [f64::from(x + 0.5) / W as f64, f64::from(y + 0.5) / H as f64]
}

fn pin(first: [f32; 2], last: [f32; 2]) -> Pin {
    Pin { first: share(first), last: share(last), way: None }
}

fn draw(engine: &FlowEngine, keys: [&Frame; 2], pins: &[Pin], t: f32) -> Drawn {
    let mut job = common::job(keys[0], keys[1], f64::from(t), &[]);
    job.request.pins = pins.to_vec();
    engine.draw(&job, &Control::default()).unwrap()
}

/// Where a pose puts a place of the ball, given relative to the ball's centre.
fn on(pose: Pose, [u, v]: [f32; 2]) -> [f32; 2] {
    let (s, c) = pose.turn.sin_cos();
    [pose.middle[0] + c * u - s * v, pose.middle[1] + s * u + c * v]
}

fn on_way(a: [f32; 2], b: [f32; 2], t: f32) -> [f32; 2] {
    [0, 1].map(|c| a[c] + t * (b[c] - a[c]))
}

/// Centre of the ink around a place: that of the ball's mark, if the mark is there.
fn mark_at(frame: &Frame, near: [f32; 2]) -> [f32; 2] {
    let ink = of_colour(frame, INK);
    let (mut count, mut sum) = (0.0, [0.0; 2]);
    for (i, _) in ink.iter().enumerate().filter(|(_, ink)| **ink) {
        let at = [(i % W) as f32, (i / W) as f32];
        if (at[0] - near[0]).hypot(at[1] - near[1]) < 16.0 {
            count += 1.0;
            (0..2).for_each(|c| sum[c] += at[c]);
        }
    }
    assert!(count > 250.0, "{count} pixels of a mark at {near:?}");
    sum.map(|s| s / count)
}

#[track_caller]
fn close(got: [f32; 2], wanted: [f32; 2], most: f32, what: &str) {
    let off = (got[0] - wanted[0]).hypot(got[1] - wanted[1]);
    println!("{what}: {off:.2} px off");
    assert!(off < most, "{what}: at {got:?}, not {wanted:?}: {off} px off");
}

/// Pixels farther from all of `places` than the ball reaches.
fn elsewhere(places: &[[f32; 2]]) -> impl Iterator<Item = usize> {
    (0..W * H).filter(|i| {
        let at = [(i % W) as f32, (i / W) as f32];
        places.iter().all(|p| (at[0] - p[0]).hypot(at[1] - p[1]) > BALL + 3.0)
    })
}

#[test]
fn one_pin_takes_the_ball_along_its_way_and_moves_nothing_else() {
    let engine = FlowEngine::new().unwrap();
    let (from, to) = (pose(160.0, 200.0, 0.0, [1.0; 2]), pose(740.0, 330.0, 0.0, [1.0; 2]));
    let (first, last) = (ball(from), ball(to));
    let ends = [on(from, MARK), on(to, MARK)];
    for n in 1..8 {
        let t = n as f32 / 8.0;
        let drawn = draw(&engine, [&first, &last], &[pin(ends[0], ends[1])], t);
        assert!(drawn.remarks.loose_pins.is_empty());
        let wanted = on_way(ends[0], ends[1], t);
        close(mark_at(&drawn.frame, wanted), wanted, 1.0, &format!("{n} of 8"));
        let (area, _, pieces) = figure(&drawn.frame);
        let whole = std::f32::consts::PI * BALL * BALL;
        assert!(pieces == 1 && (area / whole - 1.0).abs() < 0.04, "{n}: {pieces} pieces, {area}");
        let places = [from.middle, to.middle, on_way(from.middle, to.middle, t)];
        let pixels = drawn.frame.pixels();
        // Except for the last bit, from blending two papers.
        let same = |i: usize| (0..4).all(|c| (pixels[i][c] - first.pixels()[i][c]).abs() < 1e-5);
        assert!(elsewhere(&places).all(same), "{n}: the ground moves");
    }
}

#[test]
fn a_pin_wins_over_what_was_found() {
    let engine = FlowEngine::new().unwrap();
    let (from, to) = (pose(160.0, 200.0, 0.0, [1.0; 2]), pose(740.0, 330.0, 0.0, [1.0; 2]));
    let (first, last) = (ball(from), ball(to));
    // Pinned to a place where the last key shows bare paper.
    let other = pose(420.0, 120.0, 0.0, [1.0; 2]);
    for n in 1..8 {
        let t = n as f32 / 8.0;
        let ends = [on(from, MARK), on(other, MARK)];
        let drawn = draw(&engine, [&first, &last], &[pin(ends[0], ends[1])], t);
        let wanted = on_way(ends[0], ends[1], t);
        close(mark_at(&drawn.frame, wanted), wanted, 1.0, &format!("{n} of 8"));
        let (_, middle, pieces) = figure(&drawn.frame);
        assert_eq!(pieces, 1, "{n}: more than one ball");
        close(middle, on_way(from.middle, other.middle, t), 2.0, "the ball");
    }
}

/// Two balls on paper.
fn two(a: Pose, b: Pose) -> Frame {
    common::painted(W, H, |x, y| colour(a, x, y).or_else(|| colour(b, x, y)).unwrap_or(PAPER))
}

#[test]
fn pins_tell_two_alike_which_goes_where() {
    let engine = FlowEngine::new().unwrap();
    let at = |x, y| pose(x, y, 0.0, [1.0; 2]);
    let (a, b) = (at(140.0, 130.0), at(320.0, 400.0));
    let (c, d) = (at(460.0, 130.0), at(640.0, 400.0));
    let keys = [two(a, b), two(c, d)];
    for (ways, name) in [([(a, c), (b, d)], "side by side"), ([(a, d), (b, c)], "crossing")] {
        let pins = ways.map(|(from, to)| pin(on(from, MARK), on(to, MARK)));
        for t in [0.25, 0.75] {
            let drawn = draw(&engine, [&keys[0], &keys[1]], &pins, t);
            for (from, to) in ways {
                let wanted = on_way(on(from, MARK), on(to, MARK), t);
                close(mark_at(&drawn.frame, wanted), wanted, 1.0, &format!("{name} at {t}"));
            }
            assert_eq!(figure(&drawn.frame).2, 2, "{name} at {t}");
        }
    }
}

#[test]
fn two_pins_turn() {
    let engine = FlowEngine::new().unwrap();
    // Farther than the half turn up to which a turn could be found by itself.
    let (from, to) = (pose(180.0, 160.0, 0.0, [1.0; 2]), pose(660.0, 330.0, 150.0, [1.0; 2]));
    let (first, last) = (ball(from), ball(to));
    let across = MARK.map(|v| -v);
    let pins = [MARK, across].map(|at| pin(on(from, at), on(to, at)));
    for n in 1..8 {
        let t = n as f32 / 8.0;
        let drawn = draw(&engine, [&first, &last], &pins, t);
        let [x, y] = on_way(from.middle, to.middle, t);
        let wanted = on(pose(x, y, 150.0 * t, [1.0; 2]), MARK);
        close(mark_at(&drawn.frame, wanted), wanted, 1.0, &format!("{n} of 8"));
        assert_eq!(figure(&drawn.frame).2, 1);
    }
}

#[test]
fn a_point_on_the_way_makes_an_arc() {
    let engine = FlowEngine::new().unwrap();
    let (from, to) = (pose(160.0, 400.0, 0.0, [1.0; 2]), pose(760.0, 400.0, 0.0, [1.0; 2]));
    let (first, last) = (ball(from), ball(to));
    let ends = [on(from, MARK), on(to, MARK)];
    let (when, top) = (0.375, [400.0, 120.0]);
    let bent = Pin {
        way: Some(WayPoint { position: f64::from(when), at: share(top) }),
        ..pin(ends[0], ends[1])
    };
    for n in 1..8 {
        let t = n as f32 / 8.0;
        let drawn = draw(&engine, [&first, &last], &[bent], t);
        let straight = on_way(ends[0], ends[1], t);
        let then = on_way(ends[0], ends[1], when);
        let part = t * (1.0 - t) / (when * (1.0 - when));
        let wanted = [0, 1].map(|c| straight[c] + part * (top[c] - then[c]));
        if t == when {
            close(wanted, top, 0.01, "the parabola");
        }
        close(mark_at(&drawn.frame, wanted), wanted, 1.0, &format!("{n} of 8"));
        assert_eq!(figure(&drawn.frame).2, 1, "{n} of 8");
    }
}

#[test]
fn a_pin_joins_keys_that_look_like_two_scenes() {
    let engine = FlowEngine::new().unwrap();
    let (from, to) = (pose(160.0, 200.0, 0.0, [1.0; 2]), pose(700.0, 330.0, 0.0, [1.0; 2]));
    // Each key has a ground of its own, of which the other shows nothing.
    let scene = |pose: Pose, seed: u64, tint: [f32; 3]| {
        common::painted(W, H, |x, y| {
            let block = (y / 60.0).round() as u64 * 17 + (x / 60.0).round() as u64;
            let light = (0.5 + 0.25 * noise(seed + block)).clamp(0.0, 1.0);
            let [r, g, b] = tint.map(|c| c * light);
            colour(pose, x, y).unwrap_or([r, g, b, 1.0])
        })
    };
    let (first, last) = (scene(from, 1, [1.0, 0.3, 0.1]), scene(to, 1000, [0.1, 0.5, 1.0]));
    let keys = [&first, &last];
    let cut = draw(&engine, keys, &[], 0.25);
    assert!(cut.cut && cut.frame == first, "two scenes");
    let ends = [on(from, MARK), on(to, MARK)];
    for t in [0.125, 0.375] {
        let drawn = draw(&engine, keys, &[pin(ends[0], ends[1])], t);
        let wanted = on_way(ends[0], ends[1], t);
        assert!(!drawn.cut);
        close(mark_at(&drawn.frame, wanted), wanted, 1.0, &format!("at {t}"));
    }
}

#[test]
fn a_pin_on_the_ground_moves_nothing_and_says_so() {
    let engine = FlowEngine::new().unwrap();
    let (from, to) = (pose(160.0, 200.0, 0.0, [1.0; 2]), pose(420.0, 330.0, 0.0, [1.0; 2]));
    let keys = [&ball(from), &ball(to)];
    let loose = pin([800.0, 80.0], [850.0, 90.0]);
    let ends = [on(from, MARK), on(to, MARK)];
    let drawn = draw(&engine, keys, &[loose], 0.5);
    assert_eq!(drawn.remarks.loose_pins, [0]);
    assert_eq!(drawn.frame, draw(&engine, keys, &[], 0.5).frame);
    let both = draw(&engine, keys, &[pin(ends[0], ends[1]), loose], 0.5);
    assert_eq!(both.remarks.loose_pins, [1]);
}
