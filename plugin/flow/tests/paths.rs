//! The drawings beside a span shape the paths between its keys: arcs, changes of speed, and no harm
//! where they do not match.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::sync::Arc;

use common::ball::*;
use common::{of_image, painted};
use inbetween_core::{Control, Drawn, Engine, Frame, Job, Settings};
use inbetween_flow::FlowEngine;

/// A drawing beside a span and its position.
type Beside<'a> = Option<(f64, &'a Frame)>;

fn draw(engine: &FlowEngine, keys: [&Frame; 2], beside: [Beside<'_>; 2], t: f64) -> Drawn {
    let [first, last] = keys.map(|key| Arc::new(key.clone()));
    let beside =
        beside.map(|beside| beside.map(|(at, frame)| (at, Arc::new(frame.clone()).into())));
    let job = Job::between(first, last, t, Settings::default()).beside(beside);
    engine.draw(&job, &Control::default()).unwrap()
}

/// All in-betweens of evenly spaced drawings, three in each span: the time of each (in spans from
/// the first) and its picture.
fn between_all(drawings: &[Frame]) -> Vec<(f32, Frame)> {
    let engine = FlowEngine::new().unwrap();
    let mut out = Vec::new();
    for span in 0..drawings.len() - 1 {
        let before = span.checked_sub(1).map(|before| (-1.0, &drawings[before]));
        let after = drawings.get(span + 2).map(|after| (2.0, after));
        for t in [0.25f32, 0.5, 0.75] {
            let keys = [&drawings[span], &drawings[span + 1]];
            let drawn = draw(&engine, keys, [before, after], f64::from(t));
            out.push((span as f32 + t, drawn.frame));
        }
    }
    out
}

#[test]
fn a_ball_goes_on_the_parabola_that_five_drawings_tell() {
    let at = |t: f32| [140.0 + 170.0 * t, 440.0 - 310.0 * t + 77.5 * t * t];
    let drawings: Vec<Frame> =
        (0..5u8).map(|n| at(f32::from(n))).map(|[x, y]| ball(pose(x, y, 0.0, [1.0; 2]))).collect();
    let whole = std::f32::consts::PI * BALL * BALL;
    for (t, frame) in between_all(&drawings) {
        let (area, middle, pieces) = figure(&frame);
        let wanted = at(t);
        let off = (middle[0] - wanted[0]).hypot(middle[1] - wanted[1]);
        println!("{t}: {off:.2} px off, area {:.3}", area / whole);
        assert!(off < 2.0, "{t}: at {middle:?}, not {wanted:?}");
        assert!((area / whole - 1.0).abs() < 0.03 && pieces == 1, "{t}: {area} in {pieces}");
    }
}

const PIVOT: [f32; 2] = [480.0, 60.0];
const LENGTH: f32 = 330.0;

/// A pendulum on paper, turned from its rest position.
fn pendulum(degrees: f32) -> Frame {
    let (s, c) = degrees.to_radians().sin_cos();
    painted(W, H, |x, y| {
        let (x, y) = (x - PIVOT[0], y - PIVOT[1]);
        let (along, across) = (s * x + c * y, c * x - s * y);
        let bob = (along - LENGTH).hypot(across);
        if bob < 48.0 {
            if bob > 43.0 { INK } else { RED }
        } else if (-6.0..LENGTH).contains(&along) && across.abs() < 7.0 {
            if across.abs() > 3.5 { INK } else { YELLOW }
        } else {
            PAPER
        }
    })
}

#[test]
fn a_pendulum_swings_and_slows_down_as_five_drawings_tell() {
    let angle = |t: f32| 38.0 * (std::f32::consts::PI * t / 4.0).cos();
    let drawings: Vec<Frame> = (0..5u8).map(|n| pendulum(angle(f32::from(n)))).collect();
    for (t, frame) in between_all(&drawings) {
        let bob = of_colour(&frame, RED);
        let (mut count, mut sum) = (0.0f32, [0.0f32; 2]);
        for (i, _) in bob.iter().enumerate().filter(|(_, red)| **red) {
            count += 1.0;
            sum[0] += (i % W) as f32 - PIVOT[0];
            sum[1] += (i / W) as f32 - PIVOT[1];
        }
        let [x, y] = sum.map(|s| s / count);
        let (got, length) = (x.atan2(y).to_degrees(), x.hypot(y));
        println!("{t}: {got:.2} degrees, wanted {:.2}; length {length:.1}", angle(t));
        assert!((got - angle(t)).abs() < 2.0, "{t}: {got} degrees, not {}", angle(t));
        assert!((length - LENGTH).abs() < 6.0, "{t}: length {length}");
    }
}

#[test]
fn nothing_goes_beyond_a_pose_that_is_held() {
    // Fast, then slow, then held; and the reverse.
    let places = [120.0, 420.0, 620.0, 660.0, 660.0];
    for mirrored in [false, true] {
        let at = |n: usize| if mirrored { 960.0 - places[4 - n] } else { places[n] };
        let drawings: Vec<Frame> =
            (0..5).map(|n| ball(pose(at(n), 270.0, 0.0, [1.0; 2]))).collect();
        let mut before = at(0);
        for (t, frame) in between_all(&drawings) {
            let (_, [x, _], _) = figure(&frame);
            let span = t as usize;
            println!("{t}: {x:.2}");
            assert!(x > at(span) - 0.7 && x < at(span + 1) + 0.7, "{t}: {x} is beyond its keys");
            assert!(x > before - 0.7, "{t}: {x} goes back from {before}");
            before = x;
        }
    }
}

#[test]
fn the_speed_does_not_jump_at_a_key() {
    let at = |t: f32| 140.0 + 40.0 * t * t;
    let drawings: Vec<Frame> =
        (0..5u8).map(|n| ball(pose(at(f32::from(n)), 270.0, 0.0, [1.0; 2]))).collect();
    let engine = FlowEngine::new().unwrap();
    for key in 1..4 {
        let near = |span: usize, t: f64| {
            let before = span.checked_sub(1).map(|before| (-1.0, &drawings[before]));
            let after = drawings.get(span + 2).map(|after| (2.0, after));
            let keys = [&drawings[span], &drawings[span + 1]];
            figure(&draw(&engine, keys, [before, after], t).frame).1[0]
        };
        let (key_at, late, soon) = (at(key as f32), near(key - 1, 0.9), near(key, 0.1));
        let (comes, goes) = (key_at - late, soon - key_at);
        println!("key {key}: comes by {comes:.2}, goes by {goes:.2}");
        assert!(goes / comes < 1.25 && comes / goes < 1.25, "key {key}: {comes} and {goes}");
    }
}

#[test]
fn drawings_that_do_not_match_change_nothing() {
    let engine = FlowEngine::new().unwrap();
    let place = |x: f32| ball(pose(x, 270.0, 0.0, [1.0; 2]));
    let (first, last) = (place(300.0), place(420.0));
    let two = draw(&engine, [&first, &last], [None, None], 0.4).frame;
    let flash = painted(W, H, |_, _| [1.0, 1.0, 1.0, 1.0]);
    let elsewhere = painted(W, H, |x, y| {
        let tile = ((x / 37.0) as i32 * 7 + (y / 23.0) as i32 * 13) % 5;
        [0.2 * tile as f32, 0.3, 0.8 - 0.15 * tile as f32, 1.0]
    });
    for (what, beside) in [("a rest", None), ("a flash", Some(&flash)), ("a cut", Some(&elsewhere))]
    {
        let beside = [(-1.0, beside.unwrap_or(&first)), (2.0, beside.unwrap_or(&last))].map(Some);
        let four = draw(&engine, [&first, &last], beside, 0.4).frame;
        assert!(four.pixels() == two.pixels(), "{what} beside the span changes it");
    }
}

#[test]
fn even_motion_stays_as_it_is() {
    let engine = FlowEngine::new().unwrap();
    let drawings = [180.0, 300.0, 420.0, 540.0].map(|x| ball(pose(x, 270.0, 0.0, [1.0; 2])));
    let keys = [&drawings[1], &drawings[2]];
    let two = draw(&engine, keys, [None, None], 0.4).frame;
    let beside = [Some((-1.0, &drawings[0])), Some((2.0, &drawings[3]))];
    assert!(draw(&engine, keys, beside, 0.4).frame.pixels() == two.pixels());
}

const BLUE: [f32; 4] = [0.15, 0.3, 0.85, 1.0];

/// A ball that dives in front of posts and a blue mark on the ground. Both keys hide the mark, so it is visible only
/// between them.
fn dive(x: f32, y: f32, panned: f32) -> Frame {
    painted(W, H, |px, py| {
        let ground = px - panned;
        let mark = (ground - 460.0).abs() < 5.0 && (py - 274.0).abs() < 4.0;
        let post = (ground / 160.0).fract().abs() < 0.06 && py > 380.0;
        let hill = py > 430.0 + 40.0 * (ground / 70.0).sin() + 18.0 * (ground / 23.0).cos();
        let bare = match (mark, post, hill) {
            (true, ..) => BLUE,
            (_, true, _) => INK,
            (.., true) => YELLOW,
            _ => PAPER,
        };
        colour(pose(x, y, 0.0, [1.0; 2]), px, py).unwrap_or(bare)
    })
}

#[test]
fn ground_that_both_keys_hide_is_fetched_from_the_drawing_beside() {
    let engine = FlowEngine::new().unwrap();
    for pan in [0.0f32, 24.0] {
        let at = |t: f32, x: f32, y: f32| dive(x + pan * t, y, pan * t);
        let (first, last) = (at(0.0, 400.0, 300.0), at(1.0, 520.0, 300.0));
        let (before, after) = (at(-0.5, 280.0, 100.0), at(1.5, 640.0, 100.0));
        // The mark as the in-between at this moment should show it.
        let blue = |frame: &Frame| {
            let shown = of_colour(frame, BLUE);
            let right = (270..278).flat_map(|y| (455..465).map(move |x| (x, y)));
            let right = right.filter(|&(x, y)| shown[y * W + x + (0.5 * pan) as usize]).count();
            (right, shown.iter().filter(|blue| **blue).count())
        };
        let whole = 10 * 8;
        for key in [&first, &last] {
            assert_eq!(blue(key).1, 0, "a key shows the mark");
        }
        for beside in [
            [Some((-0.5, &before)), Some((1.5, &after))],
            [Some((-0.5, &before)), None],
            [None, Some((1.5, &after))],
        ] {
            let (right, all) = blue(&draw(&engine, [&first, &last], beside, 0.5).frame);
            assert!(
                right > whole * 7 / 10 && all < whole * 12 / 10,
                "{pan}: {right}, {all} in all"
            );
        }
        let (_, all) = blue(&draw(&engine, [&first, &last], [None, None], 0.5).frame);
        assert_eq!(all, 0, "nothing tells of the mark without them");
    }
}

/// Mean absolute difference of all channels.
fn apart(a: &Frame, b: &Frame) -> f32 {
    let pairs = a.pixels().iter().flatten().zip(b.pixels().iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / (4 * a.pixels().len()) as f32
}

#[test]
fn figures_gain_by_drawings_beside_where_they_speed_up_and_lose_nothing_where_they_go_on() {
    let engine = FlowEngine::new().unwrap();
    // Seven drawings of each, as a film on twos shows them; the frog slows down at the top of its jump.
    for (name, span, most) in [("walk", 5, 1.02), ("stride", 2, 1.05), ("jump", 3, 0.7)] {
        let moment = |n: f64| {
            let picture = draw_samples::moment(name, n / 6.0).unwrap();
            of_image(&picture, Some(picture.width() / 2))
        };
        let drawing = |n: i32| (0..=6).contains(&n).then(|| moment(f64::from(n)));
        let [before, first, last, after] = [-1, 0, 1, 2].map(|n| drawing(span + n));
        let (first, last) = (first.unwrap(), last.unwrap());
        let beside = [before.as_ref().map(|b| (-1.0, b)), after.as_ref().map(|a| (2.0, a))];
        let truth = moment(f64::from(span) + 0.5);
        let error = |beside| apart(&draw(&engine, [&first, &last], beside, 0.5).frame, &truth);
        let (smooth, straight) = (error(beside), error([None, None]));
        println!("{name}: {smooth:.5}, {straight:.5} without");
        assert!(smooth < most * straight, "{name}: {smooth}, without {straight}");
    }
}
