//! The list of what was drawn, in the form that `host-tests eval` reads.

use kurbo::Point;
use serde::Serialize;

use crate::samples::Sample;
use crate::sheet::Sheet;

/// One in-between to be made, and the drawing that it should come out as.
#[derive(Serialize)]
pub(crate) struct Item {
    id: String,
    i0: String,
    i1: String,
    gt: String,
    /// The file name under which a prediction is looked for.
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

#[derive(Serialize)]
pub(crate) struct Manifest {
    pub(crate) split: &'static str,
    pub(crate) items: Vec<Item>,
}

/// In-betweens per sample, evenly spaced.
pub(crate) const INBETWEENS: u32 = 7;

/// Position of in-between `n`, counted from 1.
pub(crate) fn position(n: u32) -> f64 {
    f64::from(n) / f64::from(INBETWEENS + 1)
}

/// All in-betweens of a sample, given the sheets of its keys.
pub(crate) fn items(sample: &Sample, a: &Sheet, b: &Sheet) -> Vec<Item> {
    let name = sample.name;
    let (w, h) = a.size();
    let (max, mean) = motion(a.marks(), b.marks());
    let part = max / f64::from(w).hypot(f64::from(h));
    (1..=INBETWEENS)
        .map(|n| Item {
            id: format!("{name}_{n}"),
            i0: format!("{name}/key_a.png"),
            i1: format!("{name}/key_b.png"),
            gt: format!("{name}/inbetween_{n}.png"),
            pred: format!("{name}_{n}.png"),
            t: position(n),
            w,
            h,
            motion_max_px: tenths(max),
            motion_mean_px: tenths(mean),
            motion_bin: match part {
                p if p < 0.045 => "small",
                p if p < 0.09 => "medium",
                _ => "large",
            },
            kind: sample.kind,
            source: "drawn for this project",
            licence: "Apache-2.0",
            note: sample.about,
        })
        .collect()
}

/// Largest and mean way of the control points between two drawings, in pixels. Points that rest do
/// not count for the mean.
fn motion(a: &[Point], b: &[Point]) -> (f64, f64) {
    let ways: Vec<f64> =
        a.iter().zip(b).map(|(a, b)| (*b - *a).hypot()).filter(|d| *d > 0.5).collect();
    let mean = ways.iter().sum::<f64>() / (ways.len().max(1) as f64);
    (ways.into_iter().fold(0.0, f64::max), mean)
}

fn tenths(v: f64) -> f64 {
    (v * 10.0).round() / 10.0
}
