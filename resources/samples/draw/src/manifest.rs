//! The list of what was drawn, in the form that `host-tests eval` reads.

use kurbo::Point;
use serde::Serialize;

use crate::samples::Sample;
use crate::sheet::{Medium, Sheet};

/// An in-between to be drawn, and the true drawing.
#[derive(Serialize)]
pub(crate) struct Item {
    id: String,
    i0: String,
    i1: String,
    gt: String,
    /// The file name of the prediction.
    pred: String,
    /// Position between the keys: 0 is `i0`, 1 is `i1`.
    t: f64,
    w: u32,
    h: u32,
    motion_max_px: f64,
    motion_mean_px: f64,
    motion_bin: &'static str,
    kind: &'static str,
    source: &'static str,
    licence: &'static str,
    note: &'static str,
}

/// All items of all samples.
#[derive(Serialize)]
pub(crate) struct Manifest {
    pub(crate) split: &'static str,
    pub(crate) items: Vec<Item>,
}

/// In-betweens per sample, evenly spaced.
pub(crate) const INBETWEENS: u32 = 7;

/// Position of in-between `n`, counted from 1; 0 and the one after the last are the keys.
pub(crate) fn position(n: u32) -> f64 {
    f64::from(n) / f64::from(INBETWEENS + 1)
}

/// The in-betweens of a sample: first and last drawing, and the one between them, in eighths of the
/// way.
///
/// All in-betweens of the two keys, then the middle one of closer pairs, because the distance of
/// two drawings determines how hard the in-between is.
const ASKED: [(u32, u32, u32); 13] = [
    (0, 1, 8),
    (0, 2, 8),
    (0, 3, 8),
    (0, 4, 8),
    (0, 5, 8),
    (0, 6, 8),
    (0, 7, 8),
    (0, 2, 4),
    (4, 6, 8),
    (0, 1, 2),
    (2, 3, 4),
    (4, 5, 6),
    (6, 7, 8),
];

/// All items of a sample.
pub(crate) fn items(sample: &Sample) -> Vec<Item> {
    let drawn: Vec<Sheet> =
        (0..=INBETWEENS + 1).map(|n| (sample.draw)(position(n), Medium::Paint)).collect();
    let name = sample.name;
    let file = |n: u32| match n {
        0 => format!("{name}/key_a.png"),
        n if n == INBETWEENS + 1 => format!("{name}/key_b.png"),
        n => format!("{name}/inbetween_{n}.png"),
    };
    ASKED
        .iter()
        .map(|&(first, middle, last)| {
            let (a, b) = (&drawn[first as usize], &drawn[last as usize]);
            let (w, h) = a.size();
            let (max, mean) = motion(a.marks(), b.marks());
            let id = format!("{name}_{first}_{middle}_{last}");
            Item {
                pred: format!("{id}.png"),
                id,
                i0: file(first),
                i1: file(last),
                gt: file(middle),
                t: f64::from(middle - first) / f64::from(last - first),
                w,
                h,
                motion_max_px: tenths(max),
                motion_mean_px: tenths(mean),
                motion_bin: match max / f64::from(w).hypot(f64::from(h)) {
                    part if part < 0.045 => "small",
                    part if part < 0.09 => "medium",
                    _ => "large",
                },
                kind: sample.kind,
                source: "drawn for this project",
                licence: "Apache-2.0",
                note: sample.about,
            }
        })
        .collect()
}

/// Largest and mean distance that control points move between two drawings, in pixels. Points at
/// rest do not count for the mean.
fn motion(a: &[Point], b: &[Point]) -> (f64, f64) {
    let ways: Vec<f64> =
        a.iter().zip(b).map(|(a, b)| (*b - *a).hypot()).filter(|d| *d > 0.5).collect();
    let mean = ways.iter().sum::<f64>() / (ways.len().max(1) as f64);
    (ways.into_iter().fold(0.0, f64::max), mean)
}

fn tenths(v: f64) -> f64 {
    (v * 10.0).round() / 10.0
}
