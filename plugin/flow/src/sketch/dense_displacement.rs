//! Extends the known displacements of lines to a displacement of every place.

use super::line_points::Point;
use super::relaxation::Ties;
use crate::map::Map;
use inbetween_core::Bilinear;

/// Distance over which displacements fade to rest, in grid steps.
const FADE: f32 = 14.0;
/// Number of sweeps of the relaxation, and its over-relaxation factor.
const SWEEPS: usize = 160;
const OMEGA: f32 = 1.85;

/// Displacements known at some places of a grid.
pub(super) struct KnownDisplacement {
    /// `[3, h, w]`: sums of weighted displacements (guide samples), and sum of weights.
    sums: Map,
    /// Guide samples per grid step.
    step: f32,
}

impl KnownDisplacement {
    pub(super) fn new(h: usize, w: usize, step: usize) -> Self {
        Self { sums: Map::new(3, h, w), step: step as f32 }
    }

    /// Records that the displacement at (`x`, `y`), in guide samples, is `by`.
    pub(super) fn add(&mut self, x: f32, y: f32, by: [f32; 2], weight: f32) {
        let (h, w, area) = (self.sums.h, self.sums.w, self.sums.area());
        let cell = |v: f32, n: usize| ((v / self.step).max(0.0) as usize).min(n - 1);
        let i = cell(y, h) * w + cell(x, w);
        self.sums.v[i] += weight * by[0];
        self.sums.v[area + i] += weight * by[1];
        self.sums.v[2 * area + i] += weight;
    }

    /// The smoothest displacements that follow the known ones, fade to rest far from them, and may
    /// change abruptly where `layers` (`[2, h, w]`, a motion in guide samples) does.
    pub(super) fn spread(&self, layers: &Map) -> Map {
        let (h, w, area) = (self.sums.h, self.sums.w, self.sums.area());
        let tie = |i: usize, j: usize| {
            let (u, v) = (layers.v[i] - layers.v[j], layers.v[area + i] - layers.v[area + j]);
            let length = libm::hypotf(layers.v[i], layers.v[area + i])
                .max(libm::hypotf(layers.v[j], layers.v[area + j]));
            let apart = libm::hypotf(u, v) / (0.6 * self.step + 0.04 * length);
            libm::expf(-apart * apart) + 0.004
        };
        let ties = Ties::new(h, w, tie);
        let mut out = Map::new(2, h, w);
        for c in 0..2 {
            let known = [self.sums.plane(c), self.sums.plane(2)];
            ties.relax(out.plane_mut(c), known, 1.0 / (FADE * FADE), OMEGA, SWEEPS);
        }
        out
    }
}

/// Line points carried by `flow` (in samples of half guide size, over the whole span) for `part` of
/// the span.
pub(super) fn carried(points: &[Point], flow: &Map, part: f32) -> Vec<Point> {
    let at = |x: f32, y: f32| {
        let corner = Bilinear::at(0.5 * x - 0.25, 0.5 * y - 0.25, flow.h, flow.w);
        let by = |c: usize| 2.0 * part * corner.of(flow.plane(c));
        [x + by(0), y + by(1)]
    };
    points
        .iter()
        .map(|p| {
            let (dx, dy) = (3.0 * libm::cosf(p.angle), 3.0 * libm::sinf(p.angle));
            let ([x, y], [ax, ay], [bx, by]) =
                (at(p.x, p.y), at(p.x - dx, p.y - dy), at(p.x + dx, p.y + dy));
            let turned = libm::atan2f(by - ay, bx - ax).rem_euclid(std::f32::consts::PI);
            // A tear in the motion must not count as a turn.
            let torn = libm::hypotf(bx - ax, by - ay) > 12.0;
            Point { x, y, angle: if torn { p.angle } else { turned } }
        })
        .collect()
}
