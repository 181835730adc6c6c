//! Changes of light: tells fades, flashes and dissolves from movement.

use super::align::{mismatch_at, shift};
use super::signature::{COARSE, Grid, PLANES, Signature};

/// Least change of the mean that is examined, of 1: two code values of 8 bits. Smaller changes from
/// frame to frame do not disturb alignment or the search for cuts.
const LEAST_CHANGE: f32 = 2.0 / 255.0;

/// Most that light may change in one step of a fade. A step to or from black in one frame is a cut.
const MOST_CHANGE: f32 = 0.25;

/// The share of the difference that may remain once the change of light is undone.
const LEAST_IMPROVEMENT: f32 = 0.6;

/// Least change from frame to frame that counts as steady, of 1: a third of a code value over the
/// whole picture.
const LEAST_STEADY: f32 = 0.35 / 255.0;

/// How alike two successive changes must be: what they share, relative to the larger of them.
const LEAST_LIKENESS: f32 = 0.4;

/// A gain for all planes and an offset for each, which bring one picture to the light of the other.
#[derive(Clone, Copy, Debug, PartialEq)]
struct GainOffset {
    gain: f32,
    offsets: [f32; PLANES],
}

impl GainOffset {
    /// What brings `from`, which has the higher contrast, to the light of `to`. It follows from
    /// means and deviations, which do not change when the picture moves.
    fn between(from: [PlaneStatistics; PLANES], to: [PlaneStatistics; PLANES]) -> Self {
        let gain = if from[0].deviation > 1e-6 { to[0].deviation / from[0].deviation } else { 1.0 };
        Self { gain, offsets: [0, 1, 2].map(|plane| to[plane].mean - gain * from[plane].mean) }
    }

    fn applied_to(self, signature: &Signature) -> Signature {
        let grid = |grid: &Grid| Grid {
            planes: std::array::from_fn(|plane| {
                let offset = self.offsets[plane];
                grid.planes[plane].iter().map(|value| self.gain * value + offset).collect()
            }),
            ..*grid
        };
        signature.with_grids(grid(&signature.fine), grid(&signature.coarse))
    }
}

/// Mean and standard deviation of a plane.
#[derive(Clone, Copy, Debug)]
struct PlaneStatistics {
    mean: f32,
    deviation: f32,
}

fn statistics(signature: &Signature) -> [PlaneStatistics; PLANES] {
    std::array::from_fn(|plane| {
        let values = &signature.coarse.planes[plane];
        let share = 1.0 / values.len().max(1) as f32;
        let mean = share * values.iter().sum::<f32>();
        let spread =
            share * values.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>();
        PlaneStatistics { mean, deviation: spread.sqrt() }
    })
}

/// The shift of `b` against `a` as [`shift`] finds it. If a change of light explains most of their
/// difference, also both pictures brought to the same light.
pub(super) fn aligned(a: &Signature, b: &Signature) -> ([f32; 2], Option<(Signature, Signature)>) {
    let plain = shift(a, b);
    let (of_a, of_b) = (statistics(a), statistics(b));
    let change =
        (of_b[0].mean - of_a[0].mean).abs().max((of_b[0].deviation - of_a[0].deviation).abs());
    if !(LEAST_CHANGE..MOST_CHANGE).contains(&change) {
        return (plain, None);
    }
    let lit = if of_a[0].deviation >= of_b[0].deviation {
        (GainOffset::between(of_a, of_b).applied_to(a), b.clone())
    } else {
        (a.clone(), GainOffset::between(of_b, of_a).applied_to(b))
    };
    let moved = shift(&lit.0, &lit.1);
    if mismatch_at(&lit.0, &lit.1, moved) < LEAST_IMPROVEMENT * mismatch_at(a, b, plain) {
        (moved, Some(lit))
    } else {
        (plain, None)
    }
}

/// How each part of the picture changes from `a` to `b` once `shift` is undone, plane after plane.
pub(super) fn change(a: &Signature, b: &Signature, shift: [f32; 2]) -> Vec<f32> {
    let half = shift.map(|part| 0.5 * part / COARSE as f32);
    let (width, height) = (a.coarse.width, a.coarse.height);
    let inside = |at: usize, by: f32, side: usize| (at as f32 + by).clamp(0.0, side as f32 - 1.0);
    let mut all = Vec::with_capacity(PLANES * width * height);
    for plane in 0..PLANES {
        for y in 0..height {
            for x in 0..width {
                let at = |grid: &Grid, sign: f32| {
                    let (x, y) =
                        (inside(x, sign * half[0], width), inside(y, sign * half[1], height));
                    grid.between(plane, x, y)
                };
                all.push(at(&b.coarse, 1.0) - at(&a.coarse, -1.0));
            }
        }
    }
    all
}

/// Root mean square of a change, of 1.
pub(super) fn size(change: &[f32]) -> f32 {
    product(change, change).sqrt()
}

/// Whether a change continues the one before it.
pub(super) fn is_steady(before: &[f32], change: &[f32]) -> bool {
    if before.len() != change.len() || change.is_empty() {
        return false;
    }
    let shared = product(before, change);
    let most = product(before, before).max(product(change, change));
    shared > LEAST_STEADY * LEAST_STEADY && shared > LEAST_LIKENESS * most
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    // All planes of one place count as one value.
    let places = (a.len() / PLANES).max(1) as f32;
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / places
}
