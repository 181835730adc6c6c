//! Finds the one motion that maps a group to its counterpart in the other key.

use rayon::prelude::*;

use super::appearance::{Appearance, Explained, Group, Leaving};
use super::transform::{Affine, Point, UNIT, product, sides, turn};

/// Cost of a move by the picture's diagonal, relative to agreement.
const FAR: f32 = 0.2;
/// Cost of half a turn.
const TURNED: f32 = 0.10;
/// Cost of doubling or halving a side.
const STRETCHED: f32 = 0.12;
/// Cost per sample that a part comes off its parent, and the largest such distance.
const TORN: f32 = 0.03;
/// How much less than the best a repeat may agree.
const REPEATS: f32 = 0.1;
pub(super) const SLACK: f32 = 3.0;
/// Most seeds that are all compared with all points of a group. If there are more, a few points
/// select the likeliest. Groups of many similar regions, such as tiles, have hundreds of thousands.
const SEEDS: usize = 8192;
const LIKELIEST: usize = 1024;
const FEW_POINTS: usize = 32;
/// No side may be stretched or squashed by more than this factor.
const MOST: f32 = 3.2;

/// Searches for the motion of a group in the other key.
pub(super) struct Search<'a> {
    pub(super) other: &'a Appearance,
    pub(super) explained: &'a Explained,
    /// The expected motion, which is that of the group's surroundings.
    pub(super) expected: Affine,
    /// Where the group touches its parent; empty if it has none.
    pub(super) joint: Vec<Point>,
    /// The picture's diagonal, in samples.
    pub(super) diagonal: f32,
    /// How points that leave the picture count.
    pub(super) leaving: Leaving,
}

/// A motion, its agreement, and its score after deductions for implausibility.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registration {
    pub(super) motion: Affine,
    pub(super) score: f32,
}

impl Search<'_> {
    /// Agreement minus the implausibility of the motion.
    pub(super) fn score(&self, group: &Group, motion: &Affine, level: usize) -> f32 {
        match self.implausibility(group, motion) {
            Some(odd) => self.agreement(group, motion, level) - odd,
            None => -1.0,
        }
    }

    fn agreement(&self, group: &Group, motion: &Affine, level: usize) -> f32 {
        group.agreement(motion, self.other, self.explained, level, self.leaving)
    }

    /// `None` if drawings never make such a motion.
    fn implausibility(&self, group: &Group, motion: &Affine) -> Option<f32> {
        let back = self.expected.inverse()?;
        let apart = Affine { m: product(motion.m, back.m), ..*motion };
        let (angle, stretch) = apart.polar();
        let [small, large] = sides(stretch);
        if small < 1.0 / MOST || large > MOST {
            return None;
        }
        let stretched = libm::logf(large).abs() + libm::logf(small).abs();
        let (p, q) = (motion.at(group.middle), self.expected.at(group.middle));
        let far = libm::hypotf(p[0] - q[0], p[1] - q[1]) / self.diagonal;
        let torn = self.torn(motion);
        Some(
            TORN * (torn - SLACK).max(0.0)
                + FAR * far
                + TURNED * angle.abs() / std::f32::consts::PI
                + STRETCHED * stretched / std::f32::consts::LN_2 * 0.5,
        )
    }

    /// How far the group comes off its parent at the place where it holds best, in samples.
    pub(super) fn torn(&self, motion: &Affine) -> f32 {
        let off = |&p: &Point| {
            let (a, b) = (motion.at(p), self.expected.at(p));
            libm::hypotf(a[0] - b[0], a[1] - b[1])
        };
        self.joint.iter().map(off).reduce(f32::min).unwrap_or(0.0)
    }

    /// The best of `seeds` after improvement; the first of equal ones.
    pub(super) fn best(&self, group: &Group, seeds: &[Affine]) -> Option<Registration> {
        let likely = (seeds.len() > SEEDS).then(|| self.likely(group, seeds));
        let seeds = likely.as_deref().unwrap_or(seeds);
        let mut kept: Vec<Registration> = Vec::new();
        // Very small pictures are more tolerant and larger ones more precise, so both contribute
        // candidates.
        for (level, most) in [(3, 6), (2, 12)] {
            let mut ranked: Vec<Registration> = seeds
                .iter()
                .map(|&motion| Registration { motion, score: self.score(group, &motion, level) })
                .filter(|f| f.score > 0.0)
                .collect();
            ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
            for found in ranked {
                let near = |k: &Registration| {
                    k.motion.away(&found.motion, group.middle, group.reach)
                        < 0.25 * group.reach + 3.0
                };
                if !kept.iter().any(near) {
                    kept.push(found);
                }
                if kept.len() == most {
                    break;
                }
            }
        }
        let mut kept: Vec<Registration> = kept
            .par_iter()
            .map(|found| {
                let found = self.climb(group, found.motion, 3, &[12.0, 6.0], false);
                let found = self.climb(group, found.motion, 2, &[6.0, 3.0], false);
                self.climb(group, found.motion, 1, &[3.0, 1.5], false)
            })
            .collect();
        kept.sort_by(|a, b| b.score.total_cmp(&a.score));
        kept.truncate(3);
        kept.iter()
            .map(|f| self.climb(group, f.motion, 0, &[2.0, 1.0, 0.5], false))
            .reduce(|a, b| if b.score > a.score { b } else { a })
    }

    /// The seeds that best fit a few points of the group, in order.
    fn likely(&self, group: &Group, seeds: &[Affine]) -> Vec<Affine> {
        let mut few = group.clone();
        few.points = thin(few.points, FEW_POINTS);
        let mut ranked: Vec<(f32, usize)> = seeds
            .par_iter()
            .enumerate()
            .map(|(n, motion)| (self.score(&few, motion, 3), n))
            .filter(|(score, _)| *score > 0.0)
            .collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.truncate(LIKELIEST);
        ranked.sort_unstable_by_key(|(_, n)| *n);
        ranked.into_iter().map(|(_, n)| seeds[n]).collect()
    }

    /// Motions a short distance from `motion` that fit about as well; if something repeats itself,
    /// these are its repeats.
    pub(super) fn repeats(&self, group: &Group, motion: Affine) -> Vec<Affine> {
        const REACH: i32 = 12;
        const STEP: f32 = 2.0;
        let side = (2 * REACH + 1) as usize;
        let shifted = |n: usize| {
            let d = [(n % side) as i32 - REACH, (n / side) as i32 - REACH];
            motion.changed(d.map(|d| d as f32 * STEP), 0.0, UNIT)
        };
        let fits: Vec<f32> =
            (0..side * side).map(|n| self.agreement(group, &shifted(n), 1)).collect();
        let most = fits.iter().copied().fold(0.0, f32::max);
        let mut peaks: Vec<usize> = (0..side * side)
            .filter(|&n| {
                let (x, y) = (n % side, n / side);
                let rows = y.saturating_sub(1)..(y + 2).min(side);
                let around = rows.flat_map(|y| {
                    (x.saturating_sub(1)..(x + 2).min(side)).map(move |x| y * side + x)
                });
                fits[n] > most - REPEATS && around.into_iter().all(|m| fits[m] <= fits[n])
            })
            .collect();
        peaks.sort_by(|&m, &n| fits[n].total_cmp(&fits[m]));
        peaks.truncate(6);
        peaks.into_iter().map(shifted).collect()
    }

    /// Improves `motion` in steps that move the group's rim by a given number of samples.
    pub(super) fn climb(
        &self,
        group: &Group,
        motion: Affine,
        level: usize,
        steps: &[f32],
        rigid: bool,
    ) -> Registration {
        let mut best = Registration { motion, score: self.score(group, &motion, level) };
        best.motion = best.motion.around(group.middle);
        for &step in steps {
            let e = (step / group.reach).min(0.3);
            for _ in 0..12 {
                let mut better = best;
                let mut consider = |motion: Affine| {
                    let score = self.score(group, &motion, level);
                    if score > better.score + 1e-5 {
                        better = Registration { motion, score };
                    }
                };
                for sign in [1.0, -1.0] {
                    consider(best.motion.changed([sign * step, 0.0], 0.0, UNIT));
                    consider(best.motion.changed([0.0, sign * step], 0.0, UNIT));
                    consider(best.motion.changed([0.0; 2], sign * e, UNIT));
                    if !rigid {
                        let s = sign * e;
                        let [even, across, slant] = [
                            [[1.0 + s, 0.0], [0.0, 1.0 + s]],
                            [[1.0 + s, 0.0], [0.0, 1.0 / (1.0 + s)]],
                            [[1.0, s], [s, 1.0]],
                        ];
                        for stretch in [even, across, slant] {
                            consider(best.motion.changed([0.0; 2], 0.0, stretch));
                        }
                    }
                }
                if better.score <= best.score {
                    break;
                }
                best = better;
            }
        }
        best
    }
}

/// At most `most` of the points, evenly selected.
pub(super) fn thin<T: Clone>(points: Vec<T>, most: usize) -> Vec<T> {
    let step = points.len() as f32 / most as f32;
    if step <= 1.0 {
        return points;
    }
    (0..most).map(|n| points[(n as f32 * step) as usize].clone()).collect()
}

/// Motions that map centre and moments of one thing to those of another, in all orientations.
pub(super) fn by_moments(
    (middle, moments): ([f32; 2], [f32; 3]),
    (to, target): ([f32; 2], [f32; 3]),
) -> Vec<Affine> {
    let from = root(moments, true);
    let into = root(target, false);
    let place = |m| Affine { m, from: middle, to };
    let mut out = Vec::with_capacity(26);
    for k in 0..12 {
        let angle = k as f32 * std::f32::consts::TAU / 12.0;
        out.push(place(turn(angle)));
        out.push(place(product(into, product(turn(angle), from))));
    }
    // Long axis onto long axis, both ways round.
    let axis = |m: [f32; 3]| 0.5 * libm::atan2f(2.0 * m[1], m[0] - m[2]);
    let angle = axis(target) - axis(moments);
    for half in [0.0, std::f32::consts::PI] {
        out.push(place(turn(angle + half)));
    }
    out
}

/// Square root of a symmetric matrix of second moments, or its inverse.
fn root(m: [f32; 3], inverse: bool) -> [[f32; 2]; 2] {
    let [xx, xy, yy] = m;
    let det = (xx * yy - xy * xy).max(1e-2).sqrt();
    let trace = (xx + yy + 2.0 * det).max(1e-2).sqrt();
    let r = [[(xx + det) / trace, xy / trace], [xy / trace, (yy + det) / trace]];
    if !inverse {
        return r;
    }
    let d = (r[0][0] * r[1][1] - r[0][1] * r[1][0]).max(1e-4);
    [[r[1][1] / d, -r[0][1] / d], [-r[1][0] / d, r[0][0] / d]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_carried_onto_moments() {
        let (from, to) = ([40.0, 5.0, 20.0], [90.0, -20.0, 30.0]);
        let map = by_moments(([1.0, 2.0], from), ([7.0, 9.0], to))[1];
        let m = map.m;
        let s = [[from[0], from[1]], [from[1], from[2]]];
        let t = [[m[0][0], m[1][0]], [m[0][1], m[1][1]]];
        let moved = product(product(m, s), t);
        for (got, wanted) in [(moved[0][0], to[0]), (moved[0][1], to[1]), (moved[1][1], to[2])] {
            assert!((got - wanted).abs() < 0.1, "{moved:?}");
        }
        assert_eq!(map.at([1.0, 2.0]), [7.0, 9.0]);
    }
}
