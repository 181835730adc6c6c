//! Extends the known displacements of some points to anything near them, as rigidly as possible.
//!
//! After Schaefer, McPhail and Warren, "Image Deformation Using Moving Least Squares", SIGGRAPH
//! 2006: each place gets the turn, scale and shift that best fits the points around it, first over
//! long and then over short distances. Points that do not move with those around them are weighted
//! down.

use rayon::prelude::*;

use crate::map::Map;

/// Distance over which points count, and the misfit at which they become doubtful, in guide
/// samples: for figures, then for limbs.
const LEVELS: [[f32; 2]; 2] = [[48.0, 14.0], [16.0, 5.0]];
/// Rounds of re-weighting.
const ROUNDS: usize = 3;
/// Least weight of distant points, so that every place has a displacement.
const FAR: f32 = 1e-5;
/// Spread of points, in guide samples, below which they do not determine a turn.
const NARROW: f32 = 10.0;
/// Smallest and largest scale.
const GROWTH: [f32; 2] = [0.88, 1.14];

/// A point with a known displacement.
#[derive(Clone, Copy, Debug)]
pub(super) struct ControlPoint {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) by: [f32; 2],
    /// How sure the displacement is, 0..=1.
    pub(super) weight: f32,
}

/// The displacement at (`x`, `y`), with points weighted within `reach`.
fn way(points: &[ControlPoint], x: f32, y: f32, reach: f32) -> [f32; 2] {
    let scale = -0.5 / (reach * reach);
    let (mut total, mut mean, mut gone) = (1e-9f32, [0.0f32; 2], [0.0f32; 2]);
    let mut weights = Vec::with_capacity(points.len());
    for p in points {
        let (dx, dy) = (p.x - x, p.y - y);
        let fall = scale * (dx * dx + dy * dy);
        // Farther away the exponential is negligible, and only `FAR` remains of the weight.
        let near = if fall > -11.0 { libm::expf(fall) } else { 0.0 };
        let weight = p.weight * (near + FAR);
        weights.push(weight);
        total += weight;
        mean = [mean[0] + weight * dx, mean[1] + weight * dy];
        gone = [gone[0] + weight * p.by[0], gone[1] + weight * p.by[1]];
    }
    let (mean, gone) = (mean.map(|v| v / total), gone.map(|v| v / total));
    // The similarity minus 1, as a complex number.
    let (mut real, mut imaginary, mut square) = (0.0f32, 0.0f32, NARROW * NARROW * total);
    for (p, weight) in points.iter().zip(weights) {
        let (dx, dy) = (p.x - x - mean[0], p.y - y - mean[1]);
        let (u, v) = (p.by[0] - gone[0], p.by[1] - gone[1]);
        real += weight * (dx * u + dy * v);
        imaginary += weight * (dx * v - dy * u);
        square += weight * (dx * dx + dy * dy);
    }
    let (a, b) = (real / square, imaginary / square);
    // Figures hardly change their size.
    let scale = libm::hypotf(1.0 + a, b).max(1e-3);
    let held = scale.clamp(GROWTH[0], GROWTH[1]) / scale;
    let (a, b) = (held * (1.0 + a) - 1.0, held * b);
    [gone[0] - a * mean[0] + b * mean[1], gone[1] - b * mean[0] - a * mean[1]]
}

/// How well each point moves with those around it, 0..=1, and how much of its surroundings belongs
/// to `points` at all; `others` are points that do not take part.
pub(super) fn neighbour_agreement(points: &[ControlPoint], others: &[ControlPoint]) -> Vec<f32> {
    let [reach, doubtful] = LEVELS[1];
    let mut left = points.to_vec();
    for _ in 0..ROUNDS {
        let agree: Vec<f32> = left
            .par_iter()
            .map(|p| {
                let [u, v] = way(&left, p.x, p.y, 1.5 * reach);
                let off = libm::hypotf(p.by[0] - u, p.by[1] - v) / (2.4 * doubtful);
                1.0 / (1.0 + off * off)
            })
            .collect();
        for ((l, p), a) in left.iter_mut().zip(points).zip(&agree) {
            l.weight = p.weight * a;
        }
    }
    let around = |all: &[ControlPoint], p: &ControlPoint| -> f32 {
        let apart = |q: &ControlPoint| (q.x - p.x).powi(2) + (q.y - p.y).powi(2);
        all.iter().map(|q| q.weight * libm::expf(-0.5 * apart(q) / (1.5 * reach).powi(2))).sum()
    };
    left.par_iter()
        .zip(points)
        .map(|(l, p)| {
            let (own, other) = (around(&left, l), around(others, l));
            let share = own / (own + other + 1e-6);
            let enough =
                ((share - 0.05) / 0.2).clamp(0.0, 1.0) * ((own - 1.0) / 3.0).clamp(0.0, 1.0);
            enough * l.weight / p.weight.max(1e-6)
        })
        .collect()
}

/// The displacements of places every `step` guide samples, `[2, h, w]`, and how well each point
/// moves with them (0..=1).
pub(super) fn ways(points: &[ControlPoint], h: usize, w: usize, step: usize) -> (Map, Vec<f32>) {
    let mut left = points.to_vec();
    let mut out = Map::new(2, h, w);
    let mut agree = vec![1.0f32; points.len()];
    for [reach, doubtful] in LEVELS {
        for _ in 0..ROUNDS {
            agree = left
                .par_iter()
                .map(|p| {
                    let [u, v] = way(&left, p.x, p.y, reach);
                    let off = libm::hypotf(p.by[0] - u, p.by[1] - v) / doubtful;
                    1.0 / (1.0 + off * off)
                })
                .collect();
            for ((l, p), a) in left.iter_mut().zip(points).zip(&agree) {
                l.weight = p.weight * a * a;
            }
        }
        let area = out.area();
        let by: Vec<[f32; 2]> = (0..area)
            .into_par_iter()
            .map(|i| {
                let centre = |n: usize| (n as f32 + 0.5) * step as f32 - 0.5;
                way(&left, centre(i % w), centre(i / w), reach)
            })
            .collect();
        for (i, [u, v]) in by.into_iter().enumerate() {
            out.v[i] += u;
            out.v[area + i] += v;
        }
        let gone: Vec<[f32; 2]> = left.par_iter().map(|p| way(&left, p.x, p.y, reach)).collect();
        for (l, [u, v]) in left.iter_mut().zip(gone) {
            l.by = [l.by[0] - u, l.by[1] - v];
        }
    }
    (out, agree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_found_among_points_that_go_astray() {
        let turned = |x: f32, y: f32| {
            let (s, c) = 0.5f32.sin_cos();
            [c * x - s * y + 40.0 - x, s * x + c * y - 25.0 - y]
        };
        let points: Vec<ControlPoint> = (0..120)
            .map(|i| {
                let a = i as f32 * 0.21;
                let (x, y) = (80.0 + 50.0 * a.cos(), 60.0 + 35.0 * a.sin());
                let by = if i % 7 == 0 { [-30.0, 60.0] } else { turned(x, y) };
                ControlPoint { x, y, by, weight: 1.0 }
            })
            .collect();
        let (ways, agree) = ways(&points, 16, 20, 8);
        let at = |x: usize, y: usize| [0, 1].map(|c| ways.plane(c)[y / 8 * 20 + x / 8]);
        for (x, y) in [(80, 60), (56, 40), (112, 72)] {
            let centre = |n: usize| (n / 8) as f32 * 8.0 + 3.5;
            let (wanted, found) = (turned(centre(x), centre(y)), at(x, y));
            let off = (wanted[0] - found[0]).hypot(wanted[1] - found[1]);
            assert!(off < 2.5, "{found:?} at {x}, {y} instead of {wanted:?}");
        }
        assert!(agree.iter().enumerate().all(|(i, a)| (*a < 0.3) == (i % 7 == 0)), "{agree:?}");
    }
}
