//! What only one key shows goes with the rest: limbs that the body covers in the other key, the edges of a pan.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::ball::*;
use common::draw;
use inbetween_core::Frame;
use inbetween_flow::FlowEngine;

/// A body with an arm that ends in a yellow hand; `turn` in degrees, 0 to the right.
fn waving(x: f32, turn: f32) -> Frame {
    let (s, c) = turn.to_radians().sin_cos();
    common::painted(W, H, |px, py| {
        let (dx, dy) = (px - x, py - 270.0);
        let body = dx.hypot(dy);
        let (u, v) = (dx - 85.0, dy + 10.0);
        let (along, aside) = (c * u + s * v, (c * v - s * u).abs());
        let hand = (along - 105.0).hypot(aside);
        let eye = (dx.abs() - 30.0).hypot(dy + 30.0);
        if hand < 22.0 {
            if hand < 18.0 { YELLOW } else { INK }
        } else if (-5.0..95.0).contains(&along) && aside < 18.0 {
            if along > 0.0 && along < 90.0 && aside < 14.0 { RED } else { INK }
        } else if body < 100.0 {
            if body > 95.0 || eye < 8.0 { INK } else { [0.5, 0.8, 0.75, 1.0] }
        } else {
            PAPER
        }
    })
}

#[test]
fn an_arm_whose_place_the_body_covers_in_the_other_key_is_not_drawn_twice() {
    let engine = FlowEngine::new().unwrap();
    for (x, turns) in [(120.0, [20.0, 80.0]), (160.0, [70.0, 10.0]), (140.0, [0.0, 90.0])] {
        let (first, last) = (waving(300.0, turns[0]), waving(300.0 + x, turns[1]));
        for n in [2, 4, 6] {
            let drawn = draw(&engine, &first, &last, f64::from(n) / 8.0);
            let hands = sizes(of_colour(&drawn, YELLOW)).into_iter().filter(|&size| size > 60);
            assert_eq!(hands.count(), 1, "at {n} of 8, by {x}, {turns:?}");
        }
    }
}

/// Hills and trees under a sky, panned by `pan`, and a ball before them.
fn country(pan: f32, ball: Option<[f32; 2]>) -> Frame {
    common::painted(W, H, |px, py| {
        if let Some([x, y]) = ball
            && let Some(colour) = colour(pose(x, y, 0.0, [1.0, 1.0]), px, py)
        {
            return colour;
        }
        let x = px + pan + 2000.0;
        // The hills differ, so that a pan is not a repeat.
        let (n, at) = ((x / 170.0).floor(), x.rem_euclid(170.0) - 85.0);
        let top = 150.0 + 40.0 * (n * 2.4).sin();
        let slope = py - top - 1.6 * at.abs();
        let shade = 0.5 + 0.1 * (n * 5.1).sin();
        let (m, tree) = ((x / 92.0).floor(), x.rem_euclid(92.0) - 46.0);
        let crown = (tree / 0.8).hypot(py - 300.0 - 25.0 * (m * 1.7).sin());
        if crown < 32.0 {
            if crown > 27.0 { INK } else { [0.2, 0.5, 0.25, 1.0] }
        } else if py > 350.0 {
            if py < 355.0 { INK } else { [0.5, 0.7, 0.4, 1.0] }
        } else if slope > 0.0 {
            if slope < 8.0 { INK } else { [shade, shade, shade + 0.1, 1.0] }
        } else {
            [0.65, 0.85, 0.95, 1.0]
        }
    })
}

#[test]
fn what_comes_in_at_the_edges_of_a_pan_is_whole() {
    let engine = FlowEngine::new().unwrap();
    for pan in [48.0, -72.0] {
        let (first, last) =
            (country(0.0, Some([300.0, 420.0])), country(pan, Some([560.0, 400.0])));
        for t in [0.25, 0.5, 0.75] {
            let drawn = draw(&engine, &first, &last, t);
            let wanted = country(t as f32 * pan, None);
            let mut off = [0, 0];
            for (i, (p, q)) in drawn.pixels().iter().zip(wanted.pixels()).enumerate() {
                let x = i % W;
                let strip = [x < 60, x >= W - 60];
                let wrong = (0..3).any(|c| (p[c] - q[c]).abs() > 0.25);
                (0..2).for_each(|k| off[k] += usize::from(strip[k] && wrong));
            }
            assert!(off.iter().all(|&off| off < 350), "{off:?} of 32,400 pixels, {t} of {pan}");
        }
    }
}
