//! Sketches bend the drawings: their lines are where the in-between's lines have to be.
//!
//! A sketch's lines are looked for among the lines of each key, carried to the sketch's position by
//! the unguided motion. What they ask of the keys' lines spreads over the keys, not across breaks
//! of the motion, so that a character is bent without its background. The bent flows then go the
//! usual way through the decoder, which sorts out what hides what. A second, short search makes the
//! in-between at the sketch's position meet the lines exactly.
//!
//! What a key asks is a path over the span: nothing at both keys, each sketch's pose at its position.
//!
//! A sketch is obeyed only as far as that pays in the picture that is drawn in the end: the engine
//! draws each candidate, and the one that misses the lines least wins, or none.

mod bend;
mod find;
mod lines;
mod near;
mod path;

use inbetween_core::{Control, Error, Job};

use self::bend::{Known, ask, carried};
use self::find::{Lines, find, find_close, misses, needs, thinned, trembles};
use self::lines::{Point, away, of_picture, of_sketch};
use self::near::Near;
use self::path::shares;
use crate::analysis::Seen;
use crate::map::{Corner, Map, warp};
use crate::mask::disagreement;
use crate::net::CELL;
use crate::stage::Stage;

/// Guide samples for each step of the grids of displacements.
const STEP: usize = 4;
/// Strength from which lines are followed all the way.
const FULL: f32 = 0.6;
/// What a mean difference of 1 of 255 between the moved keys costs, in guide samples of line distance.
const TORN: f32 = 0.4;
/// Part of the distance that has to be left for a bend to be worth it.
const PAYS: f32 = 0.8;
/// How much a sketch point counts against the smoothness of the bend.
const FIRM: f32 = 1.0;

/// Part of the span beside each key where no sketch is felt; the network's time ends there too.
pub(crate) const EDGE: f32 = 1e-4;

/// What the sketches of a job do to its pair of keys.
pub(crate) struct Guidance {
    /// Positions of the sketches, ascending.
    at: Vec<f32>,
    bends: Vec<Bend>,
}

/// What one sketch does at its own position.
#[derive(Clone)]
struct Bend {
    /// Displacement of each key's cells beyond the unguided motion, in cells: `[2, h / 8, w / 8]`.
    keys: [Map; 2],
    /// Where the in-between takes each place from, in guide samples: `[2, h / 4, w / 4]`.
    rest: Map,
}

impl Bend {
    /// A part of the way.
    fn scaled(&self, share: f32) -> Self {
        let scaled = |map: &Map| map.clone().map(|v| v * share);
        Self { keys: [scaled(&self.keys[0]), scaled(&self.keys[1])], rest: scaled(&self.rest) }
    }
}

/// How far the sketches of `job` are obeyed, 0..=1.
pub(crate) fn strength(job: &Job) -> f32 {
    job.request.settings.sketch_strength as f32
}

/// Whether `job` has a sketch that is felt at its position.
pub(crate) fn felt(job: &Job) -> bool {
    let sketched = job.request.sketches.iter().any(|s| inside(s.position as f32));
    sketched && strength(job) > 0.0 && inside(job.request.position as f32)
}

/// Not so near a key that the key itself is shown.
fn inside(t: f32) -> bool {
    t > EDGE && t < 1.0 - EDGE
}

impl Guidance {
    /// Finds out what the sketches of `job` ask; also how many bytes that takes. `draw` gives the
    /// final motion and mask of a position under some guidance.
    pub(crate) fn of(
        job: &Job,
        seen: &Seen,
        shape: [usize; 2],
        draw: impl Fn(f32, Option<&Self>) -> Map,
        control: &Control,
    ) -> Result<(Self, usize), Error> {
        let strength = strength(job);
        let place = |n: usize| job.request.sketches[n].position as f32;
        // A sketch of a key asks for what is there anyway.
        let mut order: Vec<usize> = (0..job.sketches.len()).filter(|&n| inside(place(n))).collect();
        order.sort_by(|&a, &b| place(a).total_cmp(&place(b)));
        // Of two sketches for one moment the first one holds.
        order.dedup_by(|b, a| (place(*b) - place(*a)).abs() < 1e-6);
        let lines = [0, 1].map(|k| of_picture(&seen.guides[k], shape[0], shape[1]));
        let mut guidance = Self { at: Vec::new(), bends: Vec::new() };
        for n in order {
            let drawn = thinned(&of_sketch(&job.sketches[n], shape[0], shape[1]));
            let at = place(n);
            control.check()?;
            let stage = Stage::begin("sketch");
            let sketch = Sketch { seen, shape, lines: &lines, drawn, at, strength };
            guidance.bends.push(sketch.bend(&draw));
            guidance.at.push(at);
            stage.end();
        }
        let maps = guidance.bends.iter().flat_map(|b| [&b.keys[0], &b.keys[1], &b.rest]);
        let bytes = maps.map(Map::byte_len).sum();
        Ok((guidance, bytes))
    }

    /// How the keys' cells are displaced at `t`.
    pub(crate) fn keys(&self, t: f32) -> [Map; 2] {
        let shares = shares(&self.at, t);
        [0, 1].map(|k| {
            let size = &self.bends[0].keys[k];
            let mut out = Map::new(2, size.h, size.w);
            for (bend, share) in self.bends.iter().zip(&shares) {
                out.v.iter_mut().zip(&bend.keys[k].v).for_each(|(o, v)| *o += share * v);
            }
            out
        })
    }

    /// Moves what the decoder drew for `t` onto the lines.
    pub(crate) fn finish(&self, motion: &mut Map, t: f32) {
        let shares = shares(&self.at, t);
        let (h, w, area) = (motion.h, motion.w, motion.area());
        let mut by = Map::new(2, h, w);
        for ((bend, share), at) in self.bends.iter().zip(&shares).zip(&self.at) {
            if share.abs() < 1e-4 {
                continue;
            }
            let rest = &bend.rest;
            for i in 0..area {
                let [u, v] = [0, 1].map(|c| motion.v[(2 + c) * area + i] - motion.v[c * area + i]);
                let (x, y) = ((i % w) as f32 + (at - t) * u, (i / w) as f32 + (at - t) * v);
                let there = grid(x, y, rest);
                by.v[i] += share * there.of(rest.plane(0));
                by.v[area + i] += share * there.of(rest.plane(1));
            }
        }
        *motion = taken(motion, &by);
    }
}

/// The place of guide sample (`x`, `y`) on a grid of displacements.
fn grid(x: f32, y: f32, map: &Map) -> Corner {
    let cell = |v: f32| (v + 0.5) / STEP as f32 - 0.5;
    Corner::at(cell(x), cell(y), map.h, map.w)
}

/// Motion and mask `[5, h, w]` whose places are taken from `by` (`[2, h, w]`) away.
fn taken(motion: &Map, by: &Map) -> Map {
    let mut out = warp(motion, by, 0);
    let area = motion.area();
    for c in 0..4 {
        let (to, by) = (&mut out.v[c * area..(c + 1) * area], by.plane(c % 2));
        to.iter_mut().zip(by).for_each(|(t, b)| *t += b);
    }
    out
}

/// One sketch to be understood.
struct Sketch<'a> {
    seen: &'a Seen,
    shape: [usize; 2],
    lines: &'a [Vec<Point>; 2],
    drawn: Vec<Point>,
    at: f32,
    strength: f32,
}

/// What is wrong with an in-between.
struct Faults {
    /// Mean distance of the sketch's points from its lines, in guide samples.
    away: f32,
    /// The same, as far as no trembling hand explains it.
    missed: f32,
    /// Mean difference of the moved keys that it is made of, 0..=64 of 255.
    torn: f32,
}

impl Sketch<'_> {
    /// The candidate whose picture, drawn as the engine draws it, comes clearly nearest to the
    /// sketch: the keys bent, a fit on top of either, or nothing at all.
    fn bend(&self, draw: impl Fn(f32, Option<&Guidance>) -> Map) -> Bend {
        let (share, _) = self.shares();
        let drawn = |bend: &Bend| {
            let alone = Guidance { at: vec![self.at], bends: vec![bend.clone()] };
            draw(self.at, Some(&alone))
        };
        let plain = draw(self.at, None);
        let shown = self.shown(&plain);
        let needs = self.needs(&shown);
        let like = &self.seen.matched.flow;
        let none = Bend {
            keys: [0, 1].map(|k| Map::new(2, like[k].h, like[k].w)),
            rest: Map::new(2, plain.h / STEP, plain.w / STEP),
        };
        let bent = Bend { keys: [self.key(0, &needs), self.key(1, &needs)], ..none.clone() };
        // Fits are looked for with all strength, and applied with what was chosen.
        let fit = |bend: &Bend, motion: &Map| Bend { rest: self.rest(motion), ..bend.clone() };
        let candidates = [fit(&none, &plain), fit(&bent, &drawn(&bent)), bent];
        let before = self.faults(&plain, &shown);
        // Bending what was found wrongly tears drawings, so it has to pay.
        let mut best = ((1.0 - share * (1.0 - PAYS)) * before.missed, none);
        for bend in candidates {
            let bend = bend.scaled(share);
            let motion = drawn(&bend);
            let after = self.faults(&motion, &self.shown(&motion));
            let cost = after.missed + TORN * (after.torn - before.torn).max(0.0);
            if cost < best.0 && after.away < before.away {
                best = (cost, bend);
            }
        }
        best.1
    }

    /// How far the sketch's points miss the lines of `shown`, each judged with those around it.
    fn needs(&self, shown: &Map) -> Vec<f32> {
        needs(&self.drawn, &away(shown, self.shape[0], self.shape[1]), self.longest())
    }

    /// What is wrong with the in-between that `motion` makes and `shown` shows.
    fn faults(&self, motion: &Map, shown: &Map) -> Faults {
        let away = away(shown, self.shape[0], self.shape[1]);
        let rough = trembles(self.longest());
        let points = self.drawn.len().max(1) as f32;
        let (mut all, mut missed) = (0.0, 0.0);
        for miss in misses(&self.drawn, &away) {
            all += miss;
            missed += (miss - rough).max(0.0);
        }
        let differ = disagreement(motion, &self.seen.guides);
        let torn = differ.v.iter().map(|d| d.min(64.0)).sum::<f32>() / differ.area() as f32;
        Faults { away: all / points, missed: missed / points, torn }
    }

    /// Share of the way to the lines, and firmness of each line point.
    fn shares(&self) -> (f32, f32) {
        let over = ((self.strength - FULL) / (1.0 - FULL)).max(0.0);
        ((self.strength / FULL).clamp(0.0, 1.0), FIRM * (1.0 + 4.0 * over))
    }

    /// How the cells of key `k` have to move beyond the unguided motion.
    fn key(&self, k: usize, needs: &[f32]) -> Map {
        let part = if k == 0 { self.at } else { 1.0 - self.at };
        let flow = &self.seen.flows[k];
        let (h, w) = (self.seen.guides[k].h, self.seen.guides[k].w);
        let moved = carried(&self.lines[k], flow, part);
        let near = Near::new(&moved, self.shape, 2);
        let lines = Lines { points: &moved, near: &near };
        let found = find(&self.drawn, needs, &lines, self.longest());
        let mut known = Known::new(h / STEP, w / STEP, STEP);
        let (_, firm) = self.shares();
        ask(&mut known, &found, &self.lines[k], &moved, self.shape, firm);
        let layers = flow.pool(STEP / 2).map(|v| 2.0 * v);
        known.spread(&layers).pool(CELL / STEP).map(|v| v / CELL as f32)
    }

    /// What `motion` and mask show, at guide size.
    fn shown(&self, motion: &Map) -> Map {
        let area = motion.area();
        let [a, mut drawn] = [0, 1].map(|k| warp(&self.seen.guides[k], motion, 2 * k));
        for c in 0..3 {
            let planes = drawn.v[c * area..(c + 1) * area].iter_mut().zip(a.plane(c));
            for ((to, a), odds) in planes.zip(motion.plane(4)) {
                *to += (a - *to) / (1.0 + (-odds.clamp(-20.0, 20.0)).exp());
            }
        }
        drawn
    }

    fn longest(&self) -> f32 {
        self.shape[0].max(self.shape[1]) as f32
    }

    /// What is left to do at the sketch's position, where the keys are already bent.
    fn rest(&self, motion: &Map) -> Map {
        let shown = self.shown(motion);
        let points = of_picture(&shown, self.shape[0], self.shape[1]);
        let near = Near::new(&points, self.shape, 1);
        let lines = Lines { points: &points, near: &near };
        let found = find_close(&self.drawn, &self.needs(&shown), &lines);
        let mut known = Known::new(motion.h / STEP, motion.w / STEP, STEP);
        let (_, firm) = self.shares();
        for f in &found {
            known.add(f.point.x, f.point.y, f.to, firm * f.trust);
        }
        let mut layers = motion.channels(2, 4);
        layers.v.iter_mut().zip(&motion.v).for_each(|(to, from)| *to -= from);
        known.spread(&layers.pool(STEP))
    }
}
