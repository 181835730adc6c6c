//! Fits the drawing to one sketch, and decides whether the result is better.

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
use super::{FULL, FigureLayer, Guidance, STEP, SketchWarp, share};
use crate::map::{Map, warp};
use crate::mask::{disagreement, moved};
use crate::pair::KeyPair;

/// Cost of a mean difference of 1/255 between keys that are mixed, in guide samples of line
/// distance.
const TORN: f32 = 0.4;
/// A bend is worthwhile only if the remaining distance is below this share of the original.
const PAYS: f32 = 0.8;
/// Cost of lines that are not in the sketch, for a length of the picture's longer side; torn
/// drawings have many.
const STRAY: f32 = 0.06;
/// Distance from the sketch's lines beyond which a line is a stray one, in guide samples.
const ASKED: f32 = 3.0;
/// Share of the sketch that must be found in the keys; otherwise it shows something else.
const FOUND: f32 = 0.5;
/// The least improvement in distance, as a share of the guide's longer side.
const LEAST: f32 = 2.5e-4;
/// Weight of a sketch point against the smoothness of the bend.
const FIRM: f32 = 1.0;
/// Distance over which the sketch's points vote for a key, in guide samples.
const AROUND: f32 = 50.0;
/// Weight of the key that meets more of the whole sketch, in guide samples.
const WHOLE: f32 = 0.6;

/// A sketch to be fitted.
pub(super) struct Sketch<'a> {
    pub(super) pair: &'a KeyPair,
    pub(super) shape: [usize; 2],
    pub(super) keys: &'a [KeyLines; 2],
    pub(super) drawn: Vec<Point>,
    pub(super) at: f32,
    pub(super) strength: f32,
}

/// The faults of an in-between.
struct Residuals {
    /// Mean distance from the sketch's points to its lines, in guide samples.
    away: f32,
    /// The same, without the distances that a trembling hand explains.
    missed: f32,
    /// Mean difference of the moved keys where they are mixed, 0..=64 of 255.
    torn: f32,
    /// Area of lines that are not in the sketch, in guide samples, as a share of the guide's longer
    /// side.
    stray: f32,
}

impl Sketch<'_> {
    /// Returns the candidate whose in-between, drawn as the engine would draw it, is clearly
    /// nearest to the sketch. Candidates are a fit of the engine's own drawing, figures laid over
    /// it where it does not fit already, figures laid over everything, and no change at all.
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
        // Bending what was found wrongly tears drawings, so the improvement must be clear.
        let worth = (share * (1.0 - PAYS) * before.missed).max(LEAST * self.longest());
        let enough = before.missed - worth;
        let judged = candidates.into_par_iter().map(|over| {
            control.check()?;
            let bend = SketchWarp { over: over.map(Arc::new), ..none.clone() };
            // The fit is computed at full strength and applied with the chosen strength.
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

    /// How much better the first key's lines meet the sketch than the last key's, when `ways` moves
    /// both keys.
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
        // Where nothing else decides, the same key is used everywhere.
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

    /// How far the sketch's points miss the lines of `shown`, each judged together with its
    /// surroundings.
    fn needs(&self, shown: &Map) -> Vec<f32> {
        needs(&self.drawn, &away(shown, self.shape[0], self.shape[1]), self.longest())
    }

    /// The faults of the in-between that `motion` makes and `shown` shows. `asked` is the distance
    /// of its samples from the sketch's lines.
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

    /// Share of the way to the lines to take, and the weight of each line point.
    pub(super) fn shares(&self) -> (f32, f32) {
        let over = ((self.strength - FULL) / (1.0 - FULL)).max(0.0);
        (share(self.strength), FIRM * (1.0 + 4.0 * over))
    }

    /// The picture that `motion`, which includes the mask, shows at guide size.
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

    /// The displacement that still remains at the sketch's position after the keys are bent.
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
