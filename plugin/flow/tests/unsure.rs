//! Remarks on drawings: none where the drawing is right; where it is not, how much of it and where.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::ball::*;
use inbetween_core::{Control, Engine, Frame, Output};
use inbetween_flow::FlowEngine;

fn unsure(engine: &FlowEngine, first: &Frame, last: &Frame, t: f64) -> Option<(f32, [f32; 4])> {
    let job = common::job(first, last, t, &[]);
    let drawn = engine.draw(&job, &Control::default()).unwrap();
    drawn.remarks.unsure.map(|unsure| (unsure.share, unsure.area))
}

#[test]
fn whole_figures_are_nothing_to_speak_of() {
    let engine = FlowEngine::new().unwrap();
    let round = [1.0, 1.0];
    for (x, degrees) in [(200.0, 0.0), (420.0, 60.0), (780.0, 0.0)] {
        let (first, last) =
            (ball(pose(160.0, 200.0, 0.0, round)), ball(pose(x, 300.0, degrees, round)));
        for t in [0.25, 0.5, 0.75] {
            assert_eq!(unsure(&engine, &first, &last, t), None, "to {x} at {t}");
        }
    }
}

/// Drawings on the same paper that have nothing in common in one part of the picture.
fn scrambled(seed: u32) -> Frame {
    common::painted(W, H, |x, y| {
        if !(480.0..900.0).contains(&x) || !(60.0..480.0).contains(&y) {
            return PAPER;
        }
        let cell = (x as u32 / 30).wrapping_mul(7919) ^ (y as u32 / 30).wrapping_mul(104_729);
        let dice = (cell ^ seed).wrapping_mul(0x9e37_79b9) >> 12;
        let part = |shift: u32| 0.1 + 0.8 * (dice >> shift & 15) as f32 / 15.0;
        [part(0), part(4), part(8), 1.0]
    })
}

#[test]
fn what_has_no_like_in_the_other_key_is_told_with_its_place() {
    let engine = FlowEngine::new().unwrap();
    let (first, last) = (scrambled(1), scrambled(0x5_1234));
    let (share, [left, top, right, bottom]) = unsure(&engine, &first, &last, 0.5).unwrap();
    println!("{share} at {left} {top} {right} {bottom}");
    let within = left > 0.35 && right <= 1.0 && top >= 0.0 && bottom <= 1.0;
    assert!(share > 0.1 && share < 0.5 && within, "{share} at {left} {top} {right} {bottom}");
    // The remark is the same whichever output is requested.
    let mut job = common::job(&first, &last, 0.5, &[]);
    job.request.settings.output = Output::Confidence;
    let drawn = engine.draw(&job, &Control::default()).unwrap();
    assert_eq!(drawn.remarks.unsure.map(|unsure| unsure.share), Some(share));
}
