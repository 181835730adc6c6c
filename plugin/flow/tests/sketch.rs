//! Sketches guide the engine: lines move onto the sketch, and nothing else suffers.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, in helpers too")]

mod common;

use std::path::Path;

use common::{coverage, grey, job, line_distance, read, ssim, traced};
use inbetween_core::{Control, Engine, Frame};
use inbetween_flow::FlowEngine;

/// A ball with a ring at (`x`, `y`), on a plain ground with two posts.
fn ball(x: f32, y: f32) -> Frame {
    let (w, h) = (240, 160);
    let mut frame = Frame::transparent(w, h).unwrap();
    for (i, p) in frame.pixels_mut().iter_mut().enumerate() {
        let (px, py) = ((i % w) as f32, (i / w) as f32);
        let post = [16.0f32, 222.0].iter().map(|c| (px - c).abs()).fold(f32::INFINITY, f32::min);
        let away = (px - x).hypot(py - y);
        let mut rgb = [0.85f32, 0.9, 0.95];
        let mut paint = |cover: f32, colour: [f32; 3]| {
            let cover = cover.clamp(0.0, 1.0);
            rgb = [0, 1, 2].map(|c| rgb[c] + cover * (colour[c] - rgb[c]));
        };
        paint(2.0 - post, [0.1; 3]);
        paint(22.5 - away, [0.1; 3]);
        paint(19.5 - away, [0.9, 0.5, 0.2]);
        paint(1.5 - (away - 10.0).abs(), [0.3, 0.1, 0.1]);
        *p = [rgb[0], rgb[1], rgb[2], 1.0];
    }
    frame
}

fn draw(first: &Frame, last: &Frame, t: f64, sketches: &[(f64, &Frame)]) -> Frame {
    let engine = FlowEngine::new().unwrap();
    engine.draw(&job(first, last, t, sketches), &Control::default()).unwrap().frame
}

/// Centre of the orange pixels, which is that of the ball.
fn centre(frame: &Frame) -> (f32, f32) {
    let (mut x, mut y, mut sum) = (0.0, 0.0, 0.0);
    for (i, p) in frame.pixels().iter().enumerate() {
        let k = (p[0] - p[2] - 0.3).max(0.0);
        x += k * (i % frame.width()) as f32;
        y += k * (i / frame.width()) as f32;
        sum += k;
    }
    (x / sum, y / sum)
}

#[test]
fn a_sketch_of_the_true_pose_halves_the_distance() {
    let (first, last) = (ball(70.0, 96.0), ball(160.0, 96.0));
    // The ball hops; without the sketch it would slide.
    let truth = ball(115.0, 74.0);
    let plain = draw(&first, &last, 0.5, &[]);
    let sketch = traced(&truth, 0.0, 0.0);
    let guided = draw(&first, &last, 0.5, &[(0.5, &sketch)]);
    let [before, after] = [&plain, &guided].map(|f| line_distance(&sketch, f));
    assert!(before > 2.0, "the sketch asks for nothing: {before}");
    assert!(after <= 0.5 * before, "{after} px from the sketch, {before} without it");
    let [before, after] = [&plain, &guided].map(|f| ssim(f, &truth));
    assert!(after >= before, "SSIM {after}, {before} without the sketch");
}

#[test]
fn a_rough_sketch_halves_it_too() {
    let (first, last) = (ball(70.0, 96.0), ball(160.0, 96.0));
    let truth = ball(115.0, 74.0);
    let plain = draw(&first, &last, 0.5, &[]);
    let sketch = traced(&truth, 0.2, 0.9);
    let guided = draw(&first, &last, 0.5, &[(0.5, &sketch)]);
    let [before, after] = [&plain, &guided].map(|f| line_distance(&sketch, f));
    assert!(after <= 0.5 * before, "{after} px from the sketch, {before} without it");
    let [before, after] = [&plain, &guided].map(|f| ssim(f, &truth));
    assert!(after >= before, "SSIM {after}, {before} without the sketch");
}

/// A boat with a mast at (`x`, `y`), turned by `turn`, over a ground of two colours.
fn boat(x: f32, y: f32, turn: f32) -> Frame {
    let (w, h) = (320, 200);
    let mut frame = Frame::transparent(w, h).unwrap();
    let (sin, cos) = turn.sin_cos();
    for (i, p) in frame.pixels_mut().iter_mut().enumerate() {
        let (px, py) = ((i % w) as f32, (i / w) as f32);
        let (dx, dy) = (px - x, py - y);
        let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
        let mut rgb = if py < 150.0 { [0.75f32, 0.88, 0.95] } else { [0.3, 0.55, 0.65] };
        let mut paint = |cover: f32, colour: [f32; 3]| {
            let cover = cover.clamp(0.0, 1.0);
            rgb = [0, 1, 2].map(|c| rgb[c] + cover * (colour[c] - rgb[c]));
        };
        // Hull, mast, and a sail on one side of it.
        let hull = (u.abs() - 34.0).max((v - 8.0).abs() - 9.0);
        let mast = (u.abs() - 1.5).max((v + 20.0).abs() - 24.0);
        let sail = (4.0 - u).max(u - 24.0 - 0.7 * v).max(v + 6.0).max(-v - 34.0);
        for (shape, colour) in [(hull, [0.8, 0.3, 0.2]), (sail, [0.95, 0.9, 0.7])] {
            paint(0.5 - (shape - 2.0), [0.1; 3]);
            paint(0.5 - shape, colour);
        }
        paint(0.5 - mast, [0.1; 3]);
        *p = [rgb[0], rgb[1], rgb[2], 1.0];
    }
    frame
}

#[test]
fn a_figure_that_leaps_and_turns_is_drawn_where_it_is_sketched() {
    let (first, last) = (boat(60.0, 120.0, -0.5), boat(258.0, 128.0, 0.5));
    let truth = boat(165.0, 62.0, 0.1);
    let sketch = traced(&truth, 0.0, 0.0);
    let plain = draw(&first, &last, 0.5, &[]);
    let guided = draw(&first, &last, 0.5, &[(0.5, &sketch)]);
    let [before, after] = [&plain, &guided].map(|f| line_distance(&sketch, f));
    assert!(before > 4.0, "the sketch asks for nothing: {before}");
    assert!(after <= 0.5 * before, "{after} px from the sketch, {before} without it");
    let [before, after] = [&plain, &guided].map(|f| ssim(f, &truth));
    assert!(after > before, "SSIM {after}, {before} without the sketch");
    // The hull is red where it is sketched, and nothing of it is left behind.
    let red = |frame: &Frame, x: usize, y: usize| {
        let p = frame.pixels()[y * frame.width() + x];
        p[0] - p[2] > 0.3
    };
    assert!(red(&guided, 163, 70));
    assert!(!red(&guided, 60, 124) && !red(&guided, 256, 134), "the figure is doubled");
}

#[test]
fn several_sketches_make_a_path_that_ends_at_the_keys() {
    let (first, last) = (ball(70.0, 96.0), ball(160.0, 96.0));
    let poses = [(0.25, ball(92.0, 80.0)), (0.75, ball(138.0, 110.0))];
    let sketches = [0, 1].map(|k| traced(&poses[k].1, 0.0, 0.0));
    let given: Vec<(f64, &Frame)> =
        poses.iter().zip(&sketches).map(|((at, _), s)| (*at, s)).collect();
    for (at, pose) in &poses {
        let (x, y) = centre(&draw(&first, &last, *at, &given));
        let (wx, wy) = centre(pose);
        assert!((x - wx).hypot(y - wy) < 4.0, "at {at} ({x}, {y}), sketched ({wx}, {wy})");
    }
    for at in [1e-4, 1.0 - 1e-4] {
        let (near, plain) = (draw(&first, &last, at, &given), draw(&first, &last, at, &[]));
        assert!(near == plain, "beside a key, at {at}, the sketches change the picture");
    }
}

#[test]
fn strength_nought_and_absent_sketches_are_the_same() {
    let (first, last) = (ball(70.0, 96.0), ball(160.0, 96.0));
    let sketch = traced(&ball(115.0, 74.0), 0.0, 0.0);
    let engine = FlowEngine::new().unwrap();
    let mut asked = job(&first, &last, 0.5, &[(0.5, &sketch)]);
    asked.request.settings.sketch_strength = 0.0;
    let none = engine.draw(&asked, &Control::default()).unwrap().frame;
    assert!(none == draw(&first, &last, 0.5, &[]));
    asked.request.settings.sketch_strength = 0.3;
    let half = centre(&engine.draw(&asked, &Control::default()).unwrap().frame).1;
    assert!((78.0..93.0).contains(&half), "half the strength goes half the way, not to {half}");
}

#[test]
fn a_sketch_that_fits_changes_little() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../resources/samples/line");
    let [first, last, truth] = ["key_a", "key_b", "inbetween_4"]
        .map(|name| read(&folder.join(format!("{name}.png")), Some(240)));
    let sketch = coverage(&truth);
    let (plain, guided) =
        (draw(&first, &last, 0.5, &[]), draw(&first, &last, 0.5, &[(0.5, &sketch)]));
    let [before, after] = [&plain, &guided].map(|f| ssim(f, &truth));
    assert!(after > before - 0.003, "SSIM {after}, {before} without the sketch");
}

#[test]
fn scribble_and_noise_are_borne() {
    let (first, last) = (ball(70.0, 96.0), ball(160.0, 96.0));
    let mut noise = Frame::transparent(240, 160).unwrap();
    let mut state = 7u32;
    for p in noise.pixels_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *p = [(state >> 8) as f32 / (1 << 24) as f32; 4];
    }
    let full = Frame::from_pixels(240, 160, vec![[1.0; 4]; 240 * 160]).unwrap();
    let empty = Frame::transparent(240, 160).unwrap();
    for sketch in [&noise, &full, &empty] {
        let drawn = draw(&first, &last, 0.4, &[(0.5, sketch)]);
        assert!(drawn.pixels().iter().flatten().all(|v| v.is_finite()));
        // The posts stand where both keys have them.
        assert!(grey(&drawn)[80 * 240 + 16] < 0.4);
    }
}
