//! One sketch: what it asks, and how far that is done.

use std::sync::Arc;

use rayon::prelude::*;

use inbetween_core::{Control, Error};

use super::agreement::agreed;
use super::chamfer::ChamferIndex;
use super::compositing::WarpedKeys;
use super::correspondence::{Lines, find_close, line_distances, line_tolerance, needs};
use super::dense_displacement::KnownDisplacement;
use super::key_lines::KeyLines;
use super::line_points::{Point, away, away_from, of_picture};
use super::{FigureLayer, Guidance, STEP, SketchWarp};
use crate::map::{Map, warp};
use crate::mask::{disagreement, moved};
use crate::pair::KeyPair;

/// Strength from which lines are followed all the way.
const FULL: f32 = 0.6;
/// What a mean difference of 1 of 255 between keys that are mixed costs, in guide samples of line distance.
const TORN: f32 = 0.4;
/// Part of the distance that has to be left for a bend to be worth it.
const PAYS: f32 = 0.8;
/// What lines cost that the sketch does not have, as long as the picture: torn drawings have many.
const STRAY: f32 = 0.06;
/// Distance from the sketch's lines up to which they ask for a line, in guide samples.
const ASKED: f32 = 3.0;
/// Part of the sketch that has to be found in the keys; else it shows something else.
const FOUND: f32 = 0.5;
/// The least distance that has to be gained, as a part of the guide's longer side.
const LEAST: f32 = 2.5e-4;
/// How much a sketch point counts against the smoothness of the bend.
const FIRM: f32 = 1.0;
/// Distance over which the key is chosen that meets the sketch, in guide samples.
const AROUND: f32 = 50.0;
/// What it counts which key meets more of the whole sketch, in guide samples.
const WHOLE: f32 = 0.6;

/// One sketch to be understood.
pub(super) struct Sketch<'a> {
    pub(super) pair: &'a KeyPair,
    pub(super) shape: [usize; 2],
    pub(super) keys: &'a [KeyLines; 2],
    pub(super) drawn: Vec<Point>,
    pub(super) at: f32,
    pub(super) strength: f32,
}

/// What is wrong with an in-between.
struct Residuals {
    /// Mean distance of the sketch's points from its lines, in guide samples.
    away: f32,
    /// The same, as far as no trembling hand explains it.
    missed: f32,
    /// Mean difference of the moved keys that it is made of, 0..=64 of 255.
    torn: f32,
    /// Area of lines that the sketch does not have, in guide samples, as a part of the guide's
    /// longer side.
    stray: f32,
}

impl Sketch<'_> {
    /// The candidate whose picture, drawn as the engine draws it, comes clearly nearest to the
    /// sketch: a fit of what is drawn anyway, figures laid over that where it does not fit already,
    /// figures laid over everything, or nothing at all.
    pub(super) fn bend(
        &self,
        draw: impl Fn(f32) -> Map,
        settle: impl Fn(&mut Map, f32) + Sync,
        control: &Control,
    ) -> Result<SketchWarp, Error> {
        let (share, _) = self.shares();
        let raw = draw(self.at);
        let still = Map::new(2, raw.h / STEP, raw.w / STEP);
        let none = SketchWarp { over: None, rest: still };
        if self.drawn.is_empty() {
            return Ok(none);
        }
        let alone = |bend: &SketchWarp| Guidance { at: vec![self.at], bends: vec![bend.clone()] };
        let finished = |bend: Option<&SketchWarp>| {
            let mut motion = raw.clone();
            if let Some(bend) = bend {
                alone(bend).finish(&mut motion, &self.pair.guides, self.at);
            }
            settle(&mut motion, self.at);
            motion
        };
        let plain = finished(None);
        let shown = self.shown(&plain);
        let asked = away_from(&self.drawn, self.shape[0], self.shape[1]);
        let before = self.faults(&plain, &shown, &asked);
        control.check()?;
        let needs = self.needs(&shown);
        let met = self.meet(&needs);
        let found: f32 = met.iter().map(|m| m.trust[0].max(m.trust[1])).sum();
        log::debug!("{:.0} % of the sketch are found", 100.0 * found / met.len() as f32);
        if found < FOUND * met.len() as f32 {
            return Ok(none);
        }
        let ways = self.ways(&met, share);
        control.check()?;
        let prefer = self.prefer(&ways, raw.h, raw.w);
        let fits = agreed(&self.drawn, &needs, prefer.h, prefer.w);
        let all = FigureLayer { ways, prefer, fits: None };
        let part = FigureLayer { fits: Some(fits), ..all.clone() };
        let candidates = [Some(part), Some(all), None];
        // Bending what was found wrongly tears drawings, so it has to pay.
        let worth = (share * (1.0 - PAYS) * before.missed).max(LEAST * self.longest());
        let enough = before.missed - worth;
        let judged = candidates.into_par_iter().map(|over| {
            control.check()?;
            let bend = SketchWarp { over: over.map(Arc::new), ..none.clone() };
            // Fits are looked for with all strength, and applied with what was chosen.
            let rest = self.rest(&finished(Some(&bend))).map(|v| v * share);
            let bend = SketchWarp { rest, ..bend };
            let motion = finished(Some(&bend));
            let after = self.faults(&motion, &self.shown(&motion), &asked);
            let cost = after.missed + TORN * (after.torn - before.torn).max(0.0);
            let pays = cost < enough && after.away < before.away;
            Ok(pays.then_some((cost + STRAY * after.stray, bend)))
        });
        let judged: Vec<_> = judged.collect::<Result<_, Error>>()?;
        let best = judged.into_iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0));
        Ok(best.map_or(none, |best| best.1))
    }

    /// By how much more the first key's lines meet the sketch, where `ways` take both keys.
    fn prefer(&self, ways: &[Map; 2], h: usize, w: usize) -> Map {
        let pushed = ways.each_ref().map(|w| Map::stack(&[&w.channels(0, 2), &w.channels(4, 5)]));
        let both = WarpedKeys::of(pushed, h, w);
        let missed = [0, 1].map(|k| {
            let shown = both.shown(k, &self.pair.guides[k]);
            let away = away(&shown, self.shape[0], self.shape[1]);
            line_distances(&self.drawn, &away).map(|m| m.min(6.0)).collect::<Vec<f32>>()
        });
        let (h, w) = (h / STEP, w / STEP);
        let mean = |k: usize| missed[k].iter().sum::<f32>() / missed[k].len().max(1) as f32;
        // Where nothing else decides, it is the same key everywhere.
        let whole = (8.0 * (mean(1) - mean(0))).clamp(-WHOLE, WHOLE);
        let mut out = Map::new(1, h, w);
        out.v.par_iter_mut().enumerate().for_each(|(i, to)| {
            let centre = |n: usize| (n as f32 + 0.5) * STEP as f32 - 0.5;
            let (x, y) = (centre(i % w), centre(i / w));
            let (mut sum, mut total) = (0.0f32, 0.3f32);
            for (n, p) in self.drawn.iter().enumerate() {
                let apart = (p.x - x).powi(2) + (p.y - y).powi(2);
                if apart < 9.0 * AROUND * AROUND {
                    let weight = libm::expf(-0.5 * apart / (AROUND * AROUND));
                    sum += weight * (missed[1][n] - missed[0][n]);
                    total += weight;
                }
            }
            *to = sum / total + whole;
        });
        out
    }

    /// How far the sketch's points miss the lines of `shown`, each judged with those around it.
    fn needs(&self, shown: &Map) -> Vec<f32> {
        needs(&self.drawn, &away(shown, self.shape[0], self.shape[1]), self.longest())
    }

    /// What is wrong with the in-between that `motion` makes and `shown` shows; `asked`: how far its
    /// samples lie from the sketch's lines.
    fn faults(&self, motion: &Map, shown: &Map, asked: &Map) -> Residuals {
        let away = away(shown, self.shape[0], self.shape[1]);
        let rough = line_tolerance(self.longest());
        let points = self.drawn.len().max(1) as f32;
        let (mut all, mut missed) = (0.0, 0.0);
        for miss in line_distances(&self.drawn, &away) {
            all += miss;
            missed += (miss - rough).max(0.0);
        }
        let differ = disagreement(&moved(motion, &self.pair.guides));
        let mixed = |odds: f32| {
            let share = 1.0 / (1.0 + libm::expf(-odds.clamp(-20.0, 20.0)));
            4.0 * share * (1.0 - share)
        };
        let torn: f32 =
            differ.v.iter().zip(motion.plane(4)).map(|(d, odds)| d.min(64.0) * mixed(*odds)).sum();
        let torn = torn / differ.area() as f32;
        let stray = away.v.iter().zip(&asked.v).filter(|(a, b)| **a == 0.0 && **b > ASKED).count();
        let stray = stray as f32 / self.longest();
        Residuals { away: all / points, missed: missed / points, torn, stray }
    }

    /// Share of the way to the lines, and firmness of each line point.
    pub(super) fn shares(&self) -> (f32, f32) {
        let over = ((self.strength - FULL) / (1.0 - FULL)).max(0.0);
        ((self.strength / FULL).clamp(0.0, 1.0), FIRM * (1.0 + 4.0 * over))
    }

    /// What `motion` and mask show, at guide size.
    fn shown(&self, motion: &Map) -> Map {
        let area = motion.area();
        let [a, mut drawn] = [0, 1].map(|k| warp(&self.pair.guides[k], motion, 2 * k));
        for c in 0..3 {
            let planes = drawn.v[c * area..(c + 1) * area].iter_mut().zip(a.plane(c));
            for ((to, a), odds) in planes.zip(motion.plane(4)) {
                *to += (a - *to) / (1.0 + libm::expf(-odds.clamp(-20.0, 20.0)));
            }
        }
        drawn
    }

    pub(super) fn longest(&self) -> f32 {
        self.shape[0].max(self.shape[1]) as f32
    }

    /// What is left to do at the sketch's position, where the keys are already bent.
    fn rest(&self, motion: &Map) -> Map {
        let shown = self.shown(motion);
        let points = of_picture(&shown, self.shape[0], self.shape[1]);
        let near = ChamferIndex::new(&points, self.shape, 1);
        let lines = Lines { points: &points, near: &near };
        let found = find_close(&self.drawn, &self.needs(&shown), &lines);
        let mut known = KnownDisplacement::new(motion.h / STEP, motion.w / STEP, STEP);
        let (_, firm) = self.shares();
        for f in &found {
            known.add(f.point.x, f.point.y, f.to, firm * f.trust);
        }
        let mut layers = motion.channels(2, 4);
        layers.v.iter_mut().zip(&motion.v).for_each(|(to, from)| *to -= from);
        known.spread(&layers.pool(STEP))
    }
}
