//! Registers the lines of a figure, or of a part of it, to the lines of a sketch.

use rayon::prelude::*;

use super::register::{Registration, thin};
use super::transform::{Affine, Point, UNIT, product, sides};
use crate::sketch::{ChamferIndex, LinePoint};

/// Samples per entry of the index.
const STEP: usize = 1;
/// Distance from the sketch, in samples, at which a line does not agree with it at all: when motions
/// are looked for, and at each step of making them exact.
const REACH: f32 = 14.0;
const EXACT: [(f32, [f32; 2]); 3] = [(10.0, [6.0, 3.0]), (6.0, [2.0, 1.0]), (3.5, [0.6, 0.3])];
/// Distance within which a line lies on the sketch, in samples. A turn by 15 degrees counts 1.5.
const ON: f32 = 3.0;
/// How far beside a claimed point another is claimed with it, in samples.
const BESIDE: usize = 2;
/// Weight of a line of the sketch that something else lies on already.
const CLAIMED: f32 = 0.25;
/// Weight of a line that leaves the picture, about which the sketch says nothing.
const OUTSIDE: f32 = 0.2;
/// Cost of a movement across the whole picture, of a sample by which a part comes off its joint, of
/// half a turn, and of doubling a side of a figure and of a part of one.
const FAR: f32 = 0.3;
const TORN: f32 = 0.002;
const TURNED: f32 = 0.1;
const SOFT: f32 = 0.12;
const STIFF: f32 = 0.3;
/// Share to which nothing is squashed farther.
const LEAST: f32 = 0.3;
/// Points that represent the lines in a search, and in the steps that make it exact.
const FEW: usize = 64;
const MANY: usize = 240;
/// How far figures are looked for, as a share of the diagonal, and in which steps, in samples.
const AWAY: f32 = 0.36;
const GRID: f32 = 9.0;
/// Motions that are made exact.
const KEPT: usize = 16;

/// The likeliest motion of some lines, and what deviations from it cost: a sample of distance, and
/// doubling a side.
struct Expected {
    motion: Affine,
    far: f32,
    stretched: f32,
}

/// The lines of a sketch, and which of them something already lies on.
pub(super) struct LineFit<'a> {
    sketch: &'a [LinePoint],
    index: ChamferIndex,
    pub(super) claimed: Vec<bool>,
    shape: [usize; 2],
    diagonal: f32,
}

impl<'a> LineFit<'a> {
    /// `shape` is the height and width of the picture, in samples.
    pub(super) fn new(sketch: &'a [LinePoint], shape: [usize; 2]) -> Self {
        Self {
            sketch,
            index: ChamferIndex::new(sketch, shape, STEP),
            claimed: vec![false; sketch.len()],
            shape,
            diagonal: libm::hypotf(shape[0] as f32, shape[1] as f32),
        }
    }

    /// Distance of a line point moved by `motion` from the sketch, and the nearest of its points.
    fn nearest(&self, point: &LinePoint, motion: &Affine) -> (f32, u32) {
        let there = moved(point, motion);
        self.index.at(there.x, there.y, there.angle)
    }

    /// Share of `lines` that `motion` takes onto the sketch, of those that stay in the picture.
    pub(super) fn share(&self, lines: &[LinePoint], motion: &Affine) -> f32 {
        let (mut on, mut all) = (0u32, 0u32);
        for point in lines {
            let (away, _) = self.nearest(point, motion);
            all += u32::from(away.is_finite());
            on += u32::from(away <= ON);
        }
        on as f32 / all.max(1) as f32
    }

    /// Marks the lines of the sketch that `lines` lie on.
    pub(super) fn claim(&mut self, lines: &[LinePoint], motion: &Affine) {
        for point in lines {
            let (away, n) = self.nearest(point, motion);
            if away <= ON {
                self.claimed[n as usize] = true;
            }
        }
        // Points beside a claimed one, which no line was nearest to.
        let [h, w] = self.shape;
        let place = |p: &LinePoint| ((p.x as usize).min(w - 1), (p.y as usize).min(h - 1));
        let mut near = vec![false; h * w];
        for (p, _) in self.sketch.iter().zip(&self.claimed).filter(|(_, claimed)| **claimed) {
            let (x, y) = place(p);
            for y in y.saturating_sub(BESIDE)..(y + BESIDE + 1).min(h) {
                near[y * w + x.saturating_sub(BESIDE)..y * w + (x + BESIDE + 1).min(w)].fill(true);
            }
        }
        for (p, claimed) in self.sketch.iter().zip(&mut self.claimed) {
            let (x, y) = place(p);
            *claimed |= near[y * w + x];
        }
    }

    /// Agreement of a line at this distance from that point of the sketch, 0..=1.
    fn weight(&self, (away, n): (f32, u32), reach: f32) -> f32 {
        if !away.is_finite() {
            return OUTSIDE;
        }
        let fits = (1.0 - away / reach).max(0.0);
        if self.claimed[n as usize] { CLAIMED * fits } else { fits }
    }

    /// Agreement of `lines` moved by `motion` minus the implausibility of the motion, where
    /// `expected` is the likeliest one.
    fn score(&self, lines: &[LinePoint], motion: &Affine, expected: &Expected, reach: f32) -> f32 {
        let fits: f32 = lines.iter().map(|p| self.weight(self.nearest(p, motion), reach)).sum();
        fits / lines.len().max(1) as f32 - Self::odd(motion, expected)
    }

    /// What a figure does that may go far.
    fn loose(&self, motion: Affine) -> Expected {
        Expected { motion, far: FAR / self.diagonal, stretched: SOFT }
    }

    /// How implausible a motion is; infinite if drawings never make it.
    fn odd(motion: &Affine, expected: &Expected) -> f32 {
        let Some(back) = expected.motion.inverse() else { return f32::INFINITY };
        let apart = product(motion.m, back.m);
        let (angle, stretch) = Affine { m: apart, ..*motion }.polar();
        let [small, large] = sides(stretch);
        if small < LEAST {
            return f32::INFINITY;
        }
        let stretched = libm::logf(large).abs() + libm::logf(small).abs();
        let (p, q) = (motion.at(motion.from), expected.motion.at(motion.from));
        expected.far * libm::hypotf(p[0] - q[0], p[1] - q[1])
            + TURNED * angle.abs() / std::f32::consts::PI
            + expected.stretched * stretched / std::f32::consts::LN_2
    }

    /// The motion that takes `lines` to the sketch: one near `expected` with one of `shapes`, in any
    /// place that is not far away.
    pub(super) fn search(
        &self,
        lines: &[LinePoint],
        expected: &Affine,
        shapes: &[[[f32; 2]; 2]],
    ) -> Option<Registration> {
        let few = thin(lines.to_vec(), FEW);
        let expected = self.loose(expected.around(middle(lines)));
        let steps = (AWAY * self.diagonal / GRID) as i32;
        let places: Vec<Point> = (-steps..=steps)
            .flat_map(|y| (-steps..=steps).map(move |x| [x as f32 * GRID, y as f32 * GRID]))
            .collect();
        let rated: Vec<Vec<Registration>> = shapes
            .par_iter()
            .map(|&m| {
                let seed = Affine { m, ..expected.motion };
                let moved: Vec<LinePoint> = few.iter().map(|p| moved(p, &seed)).collect();
                let rated = |d: &Point| {
                    let there = |p: &LinePoint| self.index.at(p.x + d[0], p.y + d[1], p.angle);
                    let fits: f32 = moved.iter().map(|p| self.weight(there(p), REACH)).sum();
                    let motion = seed.changed(*d, 0.0, UNIT);
                    let score = fits / few.len().max(1) as f32 - Self::odd(&motion, &expected);
                    Registration { motion, score }
                };
                let mut best: Vec<Registration> = places.iter().map(rated).collect();
                best.sort_by(|a, b| b.score.total_cmp(&a.score));
                best.truncate(KEPT);
                best
            })
            .collect();
        let mut found = rated.concat();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut kept: Vec<Affine> = Vec::new();
        for one in found {
            let near = |k: &Affine| k.away(&one.motion, k.from, reach(lines)) < 2.0 * GRID;
            if kept.len() < KEPT && !kept.iter().any(near) {
                kept.push(one.motion);
            }
        }
        self.best(lines, &kept, &expected)
    }

    /// Turns `lines` around `joint`, where `carried` takes them, by up to `most` radians, and takes
    /// them to the sketch from there.
    pub(super) fn turned(
        &self,
        lines: &[LinePoint],
        carried: &Affine,
        joint: Point,
        most: f32,
    ) -> Option<Registration> {
        let few = thin(lines.to_vec(), FEW);
        let carried = Expected { motion: carried.around(joint), far: TORN, stretched: STIFF };
        let count = (most / 0.1) as i32;
        let mut found: Vec<Registration> = (-count..=count)
            .map(|n| carried.motion.changed([0.0; 2], 0.1 * n as f32, UNIT))
            .map(|motion| Registration {
                motion,
                score: self.score(&few, &motion, &carried, EXACT[0].0),
            })
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let seeds: Vec<Affine> = found.iter().take(5).map(|one| one.motion).collect();
        self.best(lines, &seeds, &carried)
    }

    /// How well `lines` lie on the sketch where `motion` takes them, 0..=1.
    pub(super) fn agreement(&self, lines: &[LinePoint], motion: &Affine) -> f32 {
        self.score(lines, motion, &self.loose(*motion), EXACT[EXACT.len() - 1].0)
    }

    /// The best of `seeds` after they are made exact; the first of equal ones.
    fn best(
        &self,
        lines: &[LinePoint],
        seeds: &[Affine],
        expected: &Expected,
    ) -> Option<Registration> {
        let exact = |motion: &Affine| self.climb(lines, motion, expected);
        let exact: Vec<Registration> = seeds.par_iter().map(exact).collect();
        exact.into_iter().reduce(|a, b| if b.score > a.score { b } else { a })
    }

    /// The motion near `motion` with which `lines` lie on the sketch as well as they can.
    pub(super) fn exact(&self, lines: &[LinePoint], motion: &Affine) -> Affine {
        let expected = self.loose(motion.around(middle(lines)));
        self.climb(lines, &expected.motion, &expected).motion
    }

    /// Improves `motion` until the lines lie on the sketch as well as they can.
    fn climb(&self, lines: &[LinePoint], motion: &Affine, expected: &Expected) -> Registration {
        let many = thin(lines.to_vec(), MANY);
        let rim = reach(lines);
        let mut best = Registration { motion: *motion, score: 0.0 };
        for (reach, steps) in EXACT {
            let score = |motion: &Affine| self.score(&many, motion, expected, reach);
            let rated = |motion: Affine| Registration { motion, score: score(&motion) };
            best.score = score(&best.motion);
            for step in steps {
                let e = (step / rim).min(0.3);
                for _ in 0..12 {
                    let moves = [1.0, -1.0].into_iter().flat_map(|sign| {
                        let s = sign * e;
                        [
                            best.motion.changed([sign * step, 0.0], 0.0, UNIT),
                            best.motion.changed([0.0, sign * step], 0.0, UNIT),
                            best.motion.changed([0.0; 2], s, UNIT),
                            best.motion.changed([0.0; 2], 0.0, [[1.0 + s, 0.0], [0.0, 1.0 + s]]),
                            best.motion.changed(
                                [0.0; 2],
                                0.0,
                                [[1.0 + s, 0.0], [0.0, 1.0 / (1.0 + s)]],
                            ),
                            best.motion.changed([0.0; 2], 0.0, [[1.0, s], [s, 1.0]]),
                        ]
                    });
                    let next =
                        moves.map(rated).reduce(|a, b| if b.score > a.score { b } else { a });
                    match next.filter(|next| next.score > best.score + 1e-5) {
                        Some(next) => best = next,
                        None => break,
                    }
                }
            }
        }
        best
    }
}

/// A line point where `motion` takes it.
pub(super) fn moved(point: &LinePoint, motion: &Affine) -> LinePoint {
    let [x, y] = motion.at([point.x, point.y]);
    let (s, c) = (libm::sinf(point.angle), libm::cosf(point.angle));
    let [along, down] = [0, 1].map(|k| motion.m[k][0] * c + motion.m[k][1] * s);
    LinePoint { x, y, angle: libm::atan2f(down, along).rem_euclid(std::f32::consts::PI) }
}

/// The middle of some line points.
pub(super) fn middle(lines: &[LinePoint]) -> Point {
    let part = 1.0 / lines.len().max(1) as f32;
    [lines.iter().map(|p| part * p.x).sum(), lines.iter().map(|p| part * p.y).sum()]
}

/// How far from their middle some line points are, at least 4 samples.
fn reach(lines: &[LinePoint]) -> f32 {
    let [x, y] = middle(lines);
    lines.iter().map(|p| libm::hypotf(p.x - x, p.y - y)).fold(4.0, f32::max)
}
