//! Sketches bend the drawings: their lines are where the in-between's lines have to be.
//!
//! A sketch's lines are looked for among the lines of each key, carried to the sketch's position by
//! the unguided motion. What they ask of the keys' lines spreads over the keys, not across breaks
//! of the motion, so that a character is bent without its background. The bent flows then go the
//! usual way through the decoder, which sorts out what hides what. A second, short search makes the
//! in-between at the sketch's position meet the lines exactly.
//!
//! What a key asks is a path over the span: nothing at both keys, each sketch's pose at its position.

mod bend;
mod find;
mod lines;
mod near;
mod path;

use inbetween_core::{Control, Error, Job};

use self::bend::{Known, ask, carried};
use self::find::{Lines, find, find_close, misses, needs, thinned};
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

/// What the sketches of a job do to its pair of keys.
pub(crate) struct Guidance {
    /// Positions of the sketches, ascending.
    at: Vec<f32>,
    bends: Vec<Bend>,
}

/// What one sketch does at its own position.
struct Bend {
    /// Displacement of each key's cells beyond the unguided motion, in cells: `[2, h / 8, w / 8]`.
    keys: [Map; 2],
    /// Where the in-between takes each place from, in guide samples: `[2, h / 4, w / 4]`.
    rest: Map,
}

/// How far the sketches of `job` are obeyed, 0..=1.
pub(crate) fn strength(job: &Job) -> f32 {
    job.request.settings.sketch_strength as f32
}

impl Guidance {
    /// Finds out what the sketches of `job` ask; also how many bytes that takes. `decode` draws the
    /// motion and mask of a position with the keys bent so.
    pub(crate) fn of(
        job: &Job,
        seen: &Seen,
        shape: [usize; 2],
        decode: impl Fn(f32, Option<&[Map; 2]>) -> Map,
        control: &Control,
    ) -> Result<(Self, usize), Error> {
        let strength = strength(job);
        let mut order: Vec<usize> = (0..job.sketches.len()).collect();
        let place = |n: usize| job.request.sketches[n].position;
        order.sort_by(|&a, &b| place(a).total_cmp(&place(b)));
        // Of two sketches for one moment the first one holds.
        order.dedup_by(|b, a| (place(*b) - place(*a)).abs() < 1e-6);
        let lines = [0, 1].map(|k| of_picture(&seen.guides[k], shape[0], shape[1]));
        let mut guidance = Self { at: Vec::new(), bends: Vec::new() };
        for n in order {
            let drawn = thinned(&of_sketch(&job.sketches[n], shape[0], shape[1]));
            let at = (place(n) as f32).clamp(1e-4, 1.0 - 1e-4);
            control.check()?;
            let stage = Stage::begin("sketch");
            let sketch = Sketch { seen, shape, lines: &lines, drawn, at, strength };
            guidance.bends.push(sketch.bend(&decode));
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

/// Displacements of a grid at every place of `like`: `[2, h, w]`.
fn enlarged(rest: &Map, like: &Map) -> Map {
    let mut out = Map::new(2, like.h, like.w);
    let area = out.area();
    for i in 0..area {
        let at = grid((i % like.w) as f32, (i / like.w) as f32, rest);
        out.v[i] = at.of(rest.plane(0));
        out.v[area + i] = at.of(rest.plane(1));
    }
    out
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

impl Sketch<'_> {
    fn bend(&self, decode: impl Fn(f32, Option<&[Map; 2]>) -> Map) -> Bend {
        let (full, _) = self.shares();
        let none = [0, 1].map(|k| {
            let like = &self.seen.matched.flow[k];
            Map::new(2, like.h, like.w)
        });
        let plain = decode(self.at, None);
        let shown = self.shown(&plain);
        let needs = self.needs(&shown);
        let keys = [self.key(0, &needs), self.key(1, &needs)];
        let moved = decode(self.at, Some(&keys));
        // From the least to the most that can be done: more only where it pays, because bending
        // what was found wrongly tears drawings.
        let still = Map::new(2, plain.h / STEP, plain.w / STEP);
        let (missed, torn) = self.faults(&plain, &shown);
        let mut best = (PAYS * missed, Bend { keys: none.clone(), rest: still });
        for (keys, motion) in [(none, plain), (keys, moved)] {
            let rest = self.rest(&motion);
            let finished = taken(&motion, &enlarged(&rest, &motion));
            let (missed, more) = self.faults(&finished, &self.shown(&finished));
            let cost = missed + TORN * (more - torn).max(0.0);
            if cost < best.0 {
                best = (cost, Bend { keys, rest });
            }
        }
        let Bend { mut keys, rest } = best.1;
        // Found with all strength, applied with what was chosen.
        keys.iter_mut().for_each(|k| k.v.iter_mut().for_each(|v| *v *= full));
        Bend { keys, rest: rest.map(|v| v * full) }
    }

    /// How far the sketch's points miss the lines of `shown`, each judged with those around it.
    fn needs(&self, shown: &Map) -> Vec<f32> {
        needs(&self.drawn, &away(shown, self.shape[0], self.shape[1]), self.longest())
    }

    /// What is wrong with an in-between: the sketch's distance from its lines, and how far the keys
    /// that it is made of disagree.
    fn faults(&self, motion: &Map, shown: &Map) -> (f32, f32) {
        let away = away(shown, self.shape[0], self.shape[1]);
        let missed = misses(&self.drawn, &away).sum::<f32>() / self.drawn.len().max(1) as f32;
        let differ = disagreement(motion, &self.seen.guides);
        let differ = differ.v.iter().map(|d| d.min(64.0)).sum::<f32>() / differ.area() as f32;
        (missed, differ)
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
