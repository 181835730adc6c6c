//! Finds the nearest line point for any place, in position and direction at once.
//!
//! After Liu et al., "Fast Directional Chamfer Matching", CVPR 2010: one distance transform per
//! direction, propagated around the circle of directions.

use rayon::prelude::*;

use super::line_points::Point;

/// Directions between 0 and π.
const BINS: usize = 12;
/// Distance, in guide samples, that equals a turn by one bin when a line is chosen among several.
const TURN: f32 = 1.5;

/// For each direction and place, the nearest of some points.
pub(crate) struct ChamferIndex {
    h: usize,
    w: usize,
    /// Guide samples per sample here.
    step: f32,
    /// `[bins, h, w]`: distance in guide samples and the index of the point.
    found: Vec<(f32, u32)>,
}

impl ChamferIndex {
    /// An index of `points` for a picture of `height` x `width` guide samples, with one entry every
    /// `step` samples.
    pub(crate) fn new(points: &[Point], [height, width]: [usize; 2], step: usize) -> Self {
        let (h, w) = (height.div_ceil(step), width.div_ceil(step));
        let area = h * w;
        let mut found = vec![(f32::INFINITY, u32::MAX); BINS * area];
        for (n, p) in points.iter().enumerate() {
            let (x, y) = (p.x / step as f32, p.y / step as f32);
            if x < -0.5 || y < -0.5 || x > w as f32 - 0.5 || y > h as f32 - 0.5 {
                continue;
            }
            let (cx, cy) = (x.round().max(0.0) as usize, y.round().max(0.0) as usize);
            let i = bin(p.angle) * area + cy.min(h - 1) * w + cx.min(w - 1);
            let away = libm::hypotf(x - cx as f32, y - cy as f32) * step as f32;
            if away < found[i].0 {
                found[i] = (away, n as u32);
            }
        }
        let near = Self { h, w, step: step as f32, found };
        near.transformed()
    }

    fn transformed(mut self) -> Self {
        let (h, w, step) = (self.h, self.w, self.step);
        self.found.par_chunks_mut(h * w).for_each(|plane| chamfer(plane, h, w, step));
        // Around the circle of directions both ways, twice, so that the two ends meet.
        let area = h * w;
        for pass in 0..2 {
            for k in 0..2 * BINS {
                let k = if pass == 0 { k } else { 2 * BINS - 1 - k } % BINS;
                let from = if pass == 0 { (k + BINS - 1) % BINS } else { (k + 1) % BINS };
                for i in 0..area {
                    let (d, n) = self.found[from * area + i];
                    if d + TURN < self.found[k * area + i].0 {
                        self.found[k * area + i] = (d + TURN, n);
                    }
                }
            }
        }
        self
    }

    /// Distance (including the cost of turning) and index of the point nearest to a line point with
    /// direction `angle` at (`x`, `y`) in guide samples; infinite outside the picture.
    pub(crate) fn at(&self, x: f32, y: f32, angle: f32) -> (f32, u32) {
        let (x, y) = ((x / self.step).round(), (y / self.step).round());
        if !(x >= 0.0 && y >= 0.0 && x < self.w as f32 && y < self.h as f32) {
            return (f32::INFINITY, u32::MAX);
        }
        let at = y as usize * self.w + x as usize;
        // The two nearest directions, so that the result does not jump at the border between bins.
        let low = (angle / std::f32::consts::PI * BINS as f32 + BINS as f32 - 0.5) as usize;
        let [a, b] = [low, low + 1].map(|k| self.found[k % BINS * self.h * self.w + at]);
        if a.0 <= b.0 { a } else { b }
    }
}

fn bin(angle: f32) -> usize {
    (angle / std::f32::consts::PI * BINS as f32) as usize % BINS
}

/// Distance of every place from the nearest seed, in two sweeps over eight neighbours each.
fn chamfer(plane: &mut [(f32, u32)], h: usize, w: usize, step: f32) {
    let (side, corner) = (step, step * std::f32::consts::SQRT_2);
    for forward in [true, false] {
        for j in 0..h {
            let y = if forward { j } else { h - 1 - j };
            let before = if forward { y.checked_sub(1) } else { Some(y + 1).filter(|&n| n < h) };
            for i in 0..w {
                let x = if forward { i } else { w - 1 - i };
                let beside =
                    if forward { x.checked_sub(1) } else { Some(x + 1).filter(|&n| n < w) };
                let mut best = plane[y * w + x];
                let mut look = |n: usize, cost: f32| {
                    if plane[n].0 + cost < best.0 {
                        best = (plane[n].0 + cost, plane[n].1);
                    }
                };
                if let Some(n) = beside {
                    look(y * w + n, side);
                }
                if let Some(row) = before {
                    look(row * w + x, side);
                    if x > 0 {
                        look(row * w + x - 1, corner);
                    }
                    if x + 1 < w {
                        look(row * w + x + 1, corner);
                    }
                }
                plane[y * w + x] = best;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_same_direction_counts_as_nearer() {
        let across = Point { x: 20.0, y: 20.0, angle: 0.0 };
        let upright = Point { x: 24.0, y: 20.0, angle: 1.57 };
        let near = ChamferIndex::new(&[across, upright], [40, 60], 1);
        assert_eq!(near.at(21.0, 20.0, 0.05).1, 0);
        assert_eq!(near.at(21.0, 20.0, 1.5).1, 1);
        let (away, n) = near.at(20.0, 30.0, 3.1);
        assert_eq!(n, 0, "directions go around");
        assert!((10.0..13.0).contains(&away), "{away}");
        assert_eq!(near.at(-3.0, 5.0, 0.0).1, u32::MAX);
    }
}
