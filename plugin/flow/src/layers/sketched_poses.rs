//! Finds a figure and its parts in a sketch.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::explain::Scene;
use super::line_fit::{LineFit, moved};
use super::sketched_units::{Unit, lines_of};
use super::transform::{Affine, Point, product, turn};
use crate::segments::groups;
use crate::sketch::LinePoint;

/// Share of its lines that must lie on the sketch for a figure to be the one that is sketched, and
/// for a part to be where it is.
const SKETCHED: f32 = 0.3;
const MET: f32 = 0.6;
/// The share of a figure's lines in parts that lie on the sketch which suffices as well.
const WHOLE: f32 = 0.12;
/// The share for a part that lies nowhere better.
const HERE: f32 = 0.3;
/// What a figure that is turned by a quarter or more loses against one that stands.
const LEANING: f32 = 0.5;
/// Number of large parts that are looked for by themselves.
const TELLING: usize = 4;
/// Share of the lines of a turned part that must lie on the sketch, and by how much more its lines
/// must agree with it than without the turn.
const LIES: f32 = 0.55;
const BETTER: f32 = 0.18;
/// The same for a whole figure.
const SAME: f32 = 0.05;
/// Share of its lines with which a figure lies on the sketch completely.
const COMPLETE: f32 = 0.5;
/// Largest turn of a part around its joint, in radians.
const TURN: f32 = 2.1;
/// A part with fewer line points moves with what it touches most.
const FEW: usize = 10;
/// Turns with which a part of a figure, and a figure, is looked for, in steps of 15 degrees.
const LEANS: i32 = 2;
const TURNS: i32 = 11;
/// Shapes that a figure may have on its way: its own, squashed, and drawn out.
const SHAPES: [[[f32; 2]; 2]; 3] =
    [[[1.0, 0.0], [0.0, 1.0]], [[1.25, 0.0], [0.0, 0.8]], [[0.8, 0.0], [0.0, 1.25]]];

/// Where a sketch shows the units of a figure.
pub(super) struct Found {
    /// From the unit's key to where it would be without the sketch.
    expected: Vec<Affine>,
    /// From the unit's key to the sketch.
    pub(super) poses: Vec<Affine>,
    /// The part that each unit belongs to; part 0 is the figure itself.
    pub(super) part: Vec<usize>,
    /// The part that each part hangs on, and where, in the key of its units.
    pub(super) joints: Vec<Option<(usize, Point)>>,
    /// Number of points of the sketch that something lies on.
    pub(super) explains: usize,
    /// Whether all units lie on it, and whether none is moved to it.
    pub(super) complete: bool,
    pub(super) stays: bool,
}

impl Scene<'_> {
    /// Where a sketch shows the units of a figure; `None` if it does not show the figure. `expected`
    /// takes each unit where it would be without the sketch.
    pub(super) fn registered(
        &self,
        units: &[Unit],
        expected: &[Affine],
        turns: bool,
        fit: &mut LineFit,
    ) -> Option<Found> {
        let figure = Figure::of(units, expected)?;
        let (whole, stays) = figure.found(turns, fit)?;
        let mut poses = figure.placed(&whole);
        let core: Vec<usize> = (0..units.len()).filter(|&n| figure.lies(&poses, n, fit)).collect();
        if core.len() > 1 && !stays {
            poses = figure.placed(&fit.exact(&figure.lines(&core), &whole));
        }
        let (all, (there, on)) = (figure.count(), figure.value(&poses, fit));
        log::debug!(
            "{} parts: {:.2} on the sketch, {:.2} there",
            units.len(),
            on / all,
            there / all
        );
        if on < SKETCHED * all && there < WHOLE * all {
            return None;
        }
        let mut settled: Vec<bool> =
            (0..units.len()).map(|n| figure.lies(&poses, n, fit)).collect();
        settled[figure.largest] |= core.is_empty();
        for n in (0..units.len()).filter(|&n| settled[n]) {
            fit.claim(&units[n].lines, &poses[n]);
        }
        let part = vec![0; units.len()];
        let mut found = Found {
            expected: expected.to_vec(),
            poses,
            part,
            joints: vec![None],
            explains: 0,
            complete: false,
            stays: false,
        };
        while self.turn_one(units, &mut found, &mut settled, fit)
            || found.settle_one(units, &mut settled, fit)
        {}
        // What is left moves with what it touches most.
        let next = |settled: &[bool]| {
            let on = |n: usize| units[n].most_beside(settled).map(|on| (n, on));
            (0..units.len()).filter(|&n| !settled[n]).find_map(on)
        };
        while let Some((n, on)) = next(&settled) {
            found.poses[n] = found.carried(on, n)?;
            found.part[n] = found.part[on];
            settled[n] = true;
        }
        found.explains = fit.claimed.iter().filter(|claimed| **claimed).count();
        let lies = |n: usize| {
            units[n].lines.len() < FEW || fit.share(&units[n].lines, &found.poses[n]) >= HERE
        };
        found.complete = on >= COMPLETE * all && (0..units.len()).all(lies);
        found.stays = stays && found.joints.len() == 1;
        Some(found)
    }

    /// Turns units that do not lie on the sketch around their joint with one that does, those that
    /// gain most; false if that brings none there.
    fn turn_one(
        &self,
        units: &[Unit],
        found: &mut Found,
        settled: &mut [bool],
        fit: &mut LineFit,
    ) -> bool {
        let open = |n: usize| {
            !settled[n] && units[n].lines.len() >= FEW && !units[n].is_drawn_on_another()
        };
        let beside = |n: usize| units[n].beside.iter().map(|b| b.0);
        let mut tried = Vec::new();
        for cluster in groups(units.len(), open, beside) {
            if cluster.len() > 1 {
                let hangs = |n: &&usize| beside(**n).any(|m| settled[m]);
                tried.extend(cluster.iter().filter(hangs).map(|&n| vec![n]));
            }
            tried.push(cluster);
        }
        let mut best: Option<(f32, Vec<usize>, Affine, usize, Point)> = None;
        for some in tried {
            let Some((on, joint)) = self.hinge(units, &some, settled) else { continue };
            let Some(carried) = found.carried(on, some[0]) else { continue };
            let lines = lines_of(units, &some);
            let Some(turned) = fit.turned(&lines, &carried, joint, TURN) else { continue };
            let better = fit.agreement(&lines, &turned.motion) - fit.agreement(&lines, &carried);
            let lies = fit.share(&lines, &turned.motion);
            log::debug!("part {some:?} on {on}: {lies:.2} on the sketch, {better:.2} better");
            let gain = better * lines.len() as f32;
            if lies >= LIES && better > BETTER && best.as_ref().is_none_or(|b| gain > b.0) {
                best = Some((gain, some, turned.motion, on, joint));
            }
        }
        let Some((_, some, motion, on, joint)) = best else { return false };
        let part = found.joints.len();
        found.joints.push(Some((found.part[on], joint)));
        for &n in &some {
            (found.poses[n], found.part[n]) = (motion, part);
        }
        let lies = |n: &usize| fit.share(&units[*n].lines, &motion) >= MET;
        let there: Vec<usize> = some.iter().copied().filter(lies).collect();
        for n in if there.is_empty() { some } else { there } {
            settled[n] = true;
            fit.claim(&units[n].lines, &motion);
        }
        true
    }

    /// The settled unit on which some units hang, and where they touch, in their key.
    fn hinge(&self, units: &[Unit], some: &[usize], settled: &[bool]) -> Option<(usize, Point)> {
        let mut touch = BTreeMap::new();
        for &n in some {
            for &(other, border) in units[n].beside.iter().filter(|b| settled[b.0]) {
                *touch.entry(other).or_insert(0) += border;
            }
        }
        let (on, _) = touch.into_iter().max_by_key(|&(on, border)| (border, Reverse(on)))?;
        let key = units[some[0]].key;
        let group: Vec<usize> = some.iter().flat_map(|&n| units[n].members[key].clone()).collect();
        let line = self.contact(key, &group, |k| units[on].members[key].contains(&k));
        let part = 1.0 / line.len() as f32;
        let mean = |c: usize| line.iter().map(|p| part * p[c]).sum();
        (!line.is_empty()).then(|| (on, [mean(0), mean(1)]))
    }
}

/// A figure as its largest unit sees it.
struct Figure<'a> {
    units: &'a [Unit],
    /// From each unit's key to where it would be without the sketch.
    expected: &'a [Affine],
    largest: usize,
    /// That of the largest unit, and back.
    base: Affine,
    back: Affine,
}

impl<'a> Figure<'a> {
    /// `None` if there are no units, or the largest one is folded.
    fn of(units: &'a [Unit], expected: &'a [Affine]) -> Option<Self> {
        let largest = (0..units.len()).max_by_key(|&n| units[n].lines.len())?;
        let base = expected[largest];
        Some(Self { units, expected, largest, base, back: base.inverse()? })
    }

    /// Number of line points.
    fn count(&self) -> f32 {
        self.units.iter().map(|unit| unit.lines.len() as f32).sum()
    }

    /// The lines of some units, in the key of the largest one.
    fn lines(&self, some: &[usize]) -> Vec<LinePoint> {
        let brought = |&n: &usize| {
            let way = self.back.after(&self.expected[n]);
            self.units[n].lines.iter().map(move |p| moved(p, &way))
        };
        some.iter().flat_map(brought).collect()
    }

    /// From the key of each unit to the sketch, if `whole` takes the largest one there.
    fn placed(&self, whole: &Affine) -> Vec<Affine> {
        self.expected.iter().map(|e| whole.after(&self.back.after(e))).collect()
    }

    /// Whether unit `n` lies on the sketch.
    fn lies(&self, poses: &[Affine], n: usize, fit: &LineFit) -> bool {
        let lines = &self.units[n].lines;
        lines.len() >= FEW && fit.share(lines, &poses[n]) >= MET
    }

    /// Number of line points on the sketch: of units that lie there, and of all.
    fn value(&self, poses: &[Affine], fit: &LineFit) -> (f32, f32) {
        let on = |n: usize| {
            let lines = &self.units[n].lines;
            lines.len() as f32 * fit.share(lines, &poses[n])
        };
        let all = 0..self.units.len();
        let there = all.clone().filter(|&n| self.lies(poses, n, fit)).map(on).sum();
        (there, all.map(on).sum())
    }

    /// The motion of the largest unit with which most of the figure lies on the sketch, and whether
    /// that is the one without the sketch.
    fn found(&self, turns: bool, fit: &LineFit) -> Option<(Affine, bool)> {
        let all: Vec<usize> = (0..self.units.len()).collect();
        // Where limbs go their own way, the large parts find the figure better than all together.
        let mut large = all.clone();
        large.sort_by_key(|&n| Reverse(self.units[n].lines.len()));
        large.truncate(TELLING);
        let sets = std::iter::once(all.clone()).chain(large.into_iter().map(|n| vec![n]));
        let mut best: Option<(f32, Affine)> = None;
        for some in sets {
            let any = some.len() > 1 || some[0] == self.largest;
            let shapes = shapes(&self.base, turns, turns && any);
            let Some(whole) = fit.search(&self.lines(&some), &self.base, &shapes) else {
                continue;
            };
            let (there, on) = self.value(&self.placed(&whole.motion), fit);
            // Figures stand upright rather than on some of their limbs.
            let turned = libm::cosf(whole.motion.polar().0 - self.base.polar().0);
            let upright = 1.0 - LEANING * (1.0 - turned).min(1.0);
            let value = upright * (there + 0.5 * on);
            if best.is_none_or(|best| value > best.0) {
                best = Some((value, whole.motion));
            }
        }
        let (_, whole) = best?;
        // What lies on the sketch already stays where it is.
        let lines = self.lines(&all);
        let stays = fit.agreement(&lines, &whole) < fit.agreement(&lines, &self.base) + SAME;
        Some((if stays { self.base } else { whole }, stays))
    }
}

impl Found {
    /// Settles the unit that lies on the sketch best where the one it touches carries it; false if
    /// none does.
    fn settle_one(&mut self, units: &[Unit], settled: &mut [bool], fit: &mut LineFit) -> bool {
        let open = (0..units.len()).filter(|&n| !settled[n] && units[n].lines.len() >= FEW);
        let best = open
            .filter_map(|n| {
                let pose = self.carried(units[n].most_beside(settled)?, n)?;
                let share = fit.share(&units[n].lines, &pose);
                (share >= HERE).then_some((share, n, pose))
            })
            .reduce(|a, b| if b.0 > a.0 { b } else { a });
        let Some((_, n, pose)) = best else { return false };
        let on = units[n].most_beside(settled).unwrap_or(n);
        (self.poses[n], self.part[n], settled[n]) = (pose, self.part[on], true);
        fit.claim(&units[n].lines, &pose);
        true
    }

    /// The map of unit `n` to the sketch if it moves with unit `on`.
    fn carried(&self, on: usize, n: usize) -> Option<Affine> {
        Some(self.poses[on].after(&self.expected[on].inverse()?.after(&self.expected[n])))
    }
}

/// Turns and stretches with which a figure is looked for: leaning if it `turns`, and turned in `any`
/// way, squashed, and drawn out.
fn shapes(expected: &Affine, turns: bool, any: bool) -> Vec<[[f32; 2]; 2]> {
    const STEP: f32 = std::f32::consts::PI / 12.0;
    let lean = if turns { LEANS } else { 0 };
    let mut out: Vec<_> =
        (-lean..=lean).map(|n| product(turn(n as f32 * STEP), expected.m)).collect();
    if any {
        let (angle, _) = expected.polar();
        let turns = (-TURNS..=TURNS).map(|n| turn(angle + n as f32 * STEP));
        out.extend(turns.flat_map(|turn| SHAPES.map(|shape| product(shape, turn))));
    }
    out
}
