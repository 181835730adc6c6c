//! Finds the parts of a generated frame in the keys, and measures how well they agree. Where they
//! agree, the keys' own pixels at full size are used instead of enlarged ones.

use std::sync::Arc;

use inbetween_core::{
    Bilinear, Control, Drawn, Encoding, Engine, EngineKind, Error, Frame, Job, Output,
};
use inbetween_core::{Quality, Settings};
use rayon::prelude::*;

use super::refine::refined;
use super::sample::{cubic, smooth};

/// Difference (of 1) at which the agreement of a generated pixel with its place in the key falls to
/// 1/e.
const TOLERANCE: f32 = 0.085;

/// Flow draws between two pictures. For a position this close to the first picture, it gives the
/// motion of that picture itself.
const AT_FIRST: f64 = 1e-4;

/// Least length in pixels of the longer side of frames passed to Flow: that of the guides in its
/// draft quality.
const LEAST_SIDE: usize = 384;

/// Frames are enlarged by at most this factor. Enlarging more would only blur them and give Flow no
/// further information.
const MOST_TIMES: usize = 4;

/// Draws between two small, opaque, display-referred frames with Flow.
pub(super) fn flow(
    engine: &dyn Engine,
    pair: [&Frame; 2],
    position: f64,
    (output, quality): (Output, Quality),
    control: &Control,
) -> Result<Drawn, Error> {
    let settings = Settings {
        engine: EngineKind::Flow,
        encoding: Encoding::Srgb,
        quality,
        output,
        ..Settings::default()
    };
    let [first, last] = pair.map(|frame| Arc::new(frame.clone()));
    // Flow's progress must not be reported as that of the whole.
    let own = Control::default();
    if control.is_cancelled() {
        return Err(Error::Cancelled);
    }
    engine.draw(&Job::between(first, last, position, settings), &own)
}

/// A frame enlarged by a whole factor, for Flow. Flow finds motion at half the size of its input
/// and in cells of several pixels, which is too coarse to locate places within a pixel of a small
/// frame.
fn enlarged(frame: &Frame, times: usize) -> Result<Frame, Error> {
    if times == 1 {
        return Ok(frame.clone());
    }
    let (width, height) = (frame.width() * times, frame.height() * times);
    let small = |at: usize| (at as f32 + 0.5) / times as f32 - 0.5;
    let pixel = |i: usize| cubic(frame, small(i % width), small(i / width));
    Frame::from_pixels(width, height, (0..width * height).into_par_iter().map(pixel).collect())
}

/// The motion of an [`enlarged`] frame, converted back to pixels of the small one.
fn shrunk(motion: &Frame, times: usize) -> Vec<[f32; 2]> {
    let (width, height) = (motion.width() / times, motion.height() / times);
    let area = (times * times) as f32;
    let mean = |i: usize| {
        let (left, top) = (i % width * times, i / width * times);
        let rows = (top..top + times).flat_map(|y| &motion.row(y)[left..left + times]);
        let [u, v] = rows.fold([0.0, 0.0], |sum, p| [sum[0] + p[0], sum[1] + p[1]]);
        [u / area / times as f32, v / area / times as f32]
    };
    (0..width * height).map(mean).collect()
}

/// A key as seen from a generated frame, at the generated frame's size.
#[derive(Clone, Debug)]
pub(super) struct WarpedKey {
    /// For each pixel the displacement to its place in the key, in pixels: right, down.
    pub(super) motion: Vec<[f32; 2]>,
    /// The key warped to the generated frame, display-referred.
    pub(super) moved: Vec<[f32; 4]>,
    /// Whether the pixel's place is inside the key.
    inside: Vec<bool>,
}

impl WarpedKey {
    /// Finds `target` in `key`, which has the same size.
    pub(super) fn of(
        engine: &dyn Engine,
        target: &Frame,
        key: &Frame,
        quality: Quality,
        control: &Control,
    ) -> Result<Self, Error> {
        let wanted = (Output::Motion, quality);
        let (width, height) = (target.width(), target.height());
        let times = LEAST_SIDE.div_ceil(width.max(height)).clamp(1, MOST_TIMES);
        let pair = [&enlarged(target, times)?, &enlarged(key, times)?];
        let drawn = flow(engine, pair, AT_FIRST, wanted, control)?;
        let motion = refined(target, key, shrunk(&drawn.frame, times));
        let place =
            |i: usize| ((i % width) as f32 + motion[i][0], (i / width) as f32 + motion[i][1]);
        // Up to half a pixel beyond the edge still shows the edge.
        let within = |v: f32, length: usize| v > -0.5 && v < length as f32 - 0.5;
        let inside = (0..motion.len()).map(|i| {
            let (x, y) = place(i);
            // The keys show different scenes, so nothing is found.
            !drawn.cut && within(x, width) && within(y, height)
        });
        let moved = (0..motion.len()).map(|i| {
            let (x, y) = place(i);
            Bilinear::at(x, y, height, width).of_pixels(key.pixels())
        });
        Ok(Self { inside: inside.collect(), moved: moved.collect(), motion })
    }

    /// How well each pixel of `target` agrees with its place in the key, 0..=1. Both are smoothed
    /// first, so that the softness of the model's pictures does not count as disagreement.
    pub(super) fn agreement(&self, target: &Frame) -> Vec<f32> {
        let width = target.width();
        let differences: Vec<[f32; 3]> = (target.pixels().iter().zip(&self.moved))
            .map(|(a, b)| [a[0] - b[0], a[1] - b[1], a[2] - b[2]])
            .collect();
        let agreement: Vec<[f32; 1]> = smooth(&differences, width)
            .into_par_iter()
            .zip(&self.inside)
            .map(|(difference, inside)| {
                let away = difference.into_iter().map(f32::abs).fold(0.0, f32::max) / TOLERANCE;
                [if *inside { libm::expf(-away * away) } else { 0.0 }]
            })
            .collect();
        smooth(&agreement, width).into_iter().map(|[v]| v).collect()
    }

    /// Samples a plane of the key at the places of the generated frame's pixels.
    pub(super) fn of_plane(&self, plane: &[f32], width: usize) -> Vec<f32> {
        let plane: Vec<[f32; 1]> = plane.iter().map(|&v| [v]).collect();
        let height = plane.len() / width;
        (0..plane.len())
            .map(|i| {
                let [u, v] = self.motion[i];
                let place =
                    Bilinear::at((i % width) as f32 + u, (i / width) as f32 + v, height, width);
                place.of_pixels(&plane)[0]
            })
            .collect()
    }
}
