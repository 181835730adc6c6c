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
mod compose;
mod find;
mod fuse;
mod guess;
mod lines;
mod moving;
mod near;
mod path;
mod spread;

use std::sync::Arc;

use rayon::prelude::*;

use inbetween_core::{Control, Error, Job};

use self::bend::{Known as Dents, carried};
use self::compose::Both;
use self::find::{Lines, find, find_close, misses, needs, still, thinned, trembles, trust};
use self::fuse::{Place, Way, fuse};
use self::guess::guesses;
use self::lines::{Point, away, of_picture, of_sketch};
use self::moving::Going;
use self::near::Near;
use self::path::shares;
use self::spread::Known;
use crate::analysis::Seen;
use crate::map::{Corner, Map, warp};
use crate::mask::disagreement;
use crate::net::{CELL, Matched};
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
/// The same in a key, where outlines hold motions up.
const LINE: f32 = 2.0;
/// How much the unguided motion counts where it is sure, and where the keys show the same at rest.
const LOYAL: f32 = 0.001;
const RESTING: f32 = 0.02;
/// How much a figure's motion as a whole counts in each of its samples.
const RIGID: f32 = 0.02;
/// Distance over which the key is chosen that meets the sketch, in guide samples.
const AROUND: f32 = 50.0;
/// What it counts which key meets more of the whole sketch, in guide samples.
const WHOLE: f32 = 0.6;
/// How far lines are looked for around where they are expected, as a part of the longer side: where
/// nothing better is known, and around a guess.
const NEAR: f32 = 0.16;
const CLOSE: f32 = 0.08;
/// What it costs less to follow the unguided motion where the sketch's lines fit it.
const FAVOUR: f32 = 6.0;
/// How much more what a sketch tells counts where several parts of a key come to lie upon each other.
const FRONT: f32 = 20.0;

/// Part of the span beside each key where no sketch is felt; the network's time ends there too.
pub(crate) const EDGE: f32 = 1e-4;

/// What the sketches of a job do to its pair of keys.
pub(crate) struct Guidance {
    /// Positions of the sketches, ascending.
    at: Vec<f32>,
    bends: Vec<Bend>,
    /// The flows between the keys, as the sketches correct them.
    matched: Matched,
}

/// What one sketch does at its own position.
#[derive(Clone)]
struct Bend {
    /// For each key where its cells are in the sketch and in the other key, in cells, and how far the
    /// sketch says so (0..=1): `[5, h / 8, w / 8]`.
    keys: [Map; 2],
    /// The same finely, to be laid over what the decoder draws: `[5, h / 2, w / 2]`, in guide samples.
    fine: Option<Arc<[Map; 2]>>,
    /// By how much more the first key's lines meet the sketch, in guide samples: `[1, h / 4, w / 4]`.
    prefer: Option<Arc<Map>>,
    /// Where the in-between takes each place from, in guide samples: `[2, h / 4, w / 4]`.
    rest: Map,
}

impl Bend {
    /// The unguided motion at `at`.
    fn none(matched: &Matched, at: f32, rest: Map) -> Self {
        let keys = [0, 1].map(|k| {
            let flow = &matched.flow[k];
            let part = if k == 0 { at } else { 1.0 - at };
            let there = flow.clone().map(|v| part * v);
            Map::stack(&[&there, flow, &Map::new(1, flow.h, flow.w)])
        });
        Self { keys, fine: None, prefer: None, rest }
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
    /// motion and mask of a position under some guidance before [`Self::finish`], `settle` makes of that
    /// what is shown.
    pub(crate) fn of(
        job: &Job,
        seen: &Seen,
        shape: [usize; 2],
        draw: impl Fn(f32, Option<&Self>) -> Map,
        settle: impl Fn(&mut Map, f32),
        control: &Control,
    ) -> Result<(Self, usize), Error> {
        let strength = strength(job);
        let place = |n: usize| job.request.sketches[n].position as f32;
        // A sketch of a key asks for what is there anyway.
        let mut order: Vec<usize> = (0..job.sketches.len()).filter(|&n| inside(place(n))).collect();
        order.sort_by(|&a, &b| place(a).total_cmp(&place(b)));
        // Of two sketches for one moment the first one holds.
        order.dedup_by(|b, a| (place(*b) - place(*a)).abs() < 1e-6);
        let keys = [0, 1].map(|k| Key::of(&seen.guides[k], shape));
        let (mut at, mut bends) = (Vec::new(), Vec::new());
        for n in order {
            let drawn = thinned(&of_sketch(&job.sketches[n], shape[0], shape[1]));
            control.check()?;
            let stage = Stage::begin("sketch");
            at.push(place(n));
            let sketch = Sketch { seen, shape, keys: &keys, drawn, at: place(n), strength };
            bends.push(sketch.bend(&draw, &settle, control)?);
            stage.end();
        }
        let guidance = Self::joined(at, bends, &seen.matched);
        let maps = guidance.bends.iter().flat_map(|b| [&b.keys[0], &b.keys[1], &b.rest]);
        let matched = guidance.matched.flow.iter().chain(&guidance.matched.confidence);
        let bytes = maps.chain(matched).map(Map::byte_len).sum();
        Ok((guidance, bytes))
    }

    /// The flows that all sketches together tell, in place of `matched`.
    fn joined(at: Vec<f32>, bends: Vec<Bend>, matched: &Matched) -> Self {
        let mut matched = matched.clone();
        for k in 0..2 {
            let (flow, sure) = (&mut matched.flow[k], &mut matched.confidence[k]);
            let area = flow.area();
            for i in 0..area {
                let (mut sum, mut total, mut most) = ([0.0; 2], 0.0f32, 0.0f32);
                for bend in &bends {
                    let key = &bend.keys[k].v;
                    let weight = key[4 * area + i];
                    sum = [0, 1].map(|c| sum[c] + weight * key[(2 + c) * area + i]);
                    total += weight;
                    most = most.max(weight);
                }
                if most > 0.0 {
                    for (c, sum) in sum.into_iter().enumerate() {
                        let to = &mut flow.v[c * area + i];
                        *to += most * (sum / total - *to);
                    }
                    // What the sketch tells lies in front of what it leaves where it was.
                    sure.v[i] = sure.v[i].max(most) * (1.0 + FRONT * most);
                }
            }
        }
        Self { at, bends, matched }
    }

    /// The flows between the keys.
    pub(crate) fn matched(&self) -> &Matched {
        &self.matched
    }

    /// How the keys' cells are displaced at `t` beyond the flows between the keys, in cells.
    pub(crate) fn keys(&self, t: f32) -> [Map; 2] {
        let shares = shares(&self.at, t);
        [0, 1].map(|k| {
            let flow = &self.matched.flow[k];
            let mut out = Map::new(2, flow.h, flow.w);
            for ((bend, share), at) in self.bends.iter().zip(&shares).zip(&self.at) {
                let part = if k == 0 { *at } else { 1.0 - at };
                for ((o, there), flow) in out.v.iter_mut().zip(&bend.keys[k].v).zip(&flow.v) {
                    *o += share * (there - part * flow);
                }
            }
            out
        })
    }

    /// Moves what the decoder drew for `t` onto the lines.
    pub(crate) fn finish(&self, motion: &mut Map, guides: &[Map; 2], t: f32) {
        let shares = shares(&self.at, t);
        if self.bends.iter().any(|b| b.fine.is_some()) {
            let pushed = [0, 1].map(|k| self.pushed(k, t, &shares));
            let seen = Both::of(pushed, motion.h, motion.w);
            let prefer = |x: f32, y: f32, [u, v]: [f32; 2]| {
                let mut sum = 0.0;
                for ((bend, share), at) in self.bends.iter().zip(&shares).zip(&self.at) {
                    if let Some(prefer) = &bend.prefer {
                        let there = grid(x + (at - t) * u, y + (at - t) * v, prefer);
                        sum += share * there.of(&prefer.v);
                    }
                }
                sum
            };
            seen.lay(motion, guides, prefer, t);
        }
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

impl Guidance {
    /// Where the samples of key `k` are at `t`, and how far sketches say so.
    fn pushed(&self, k: usize, t: f32, shares: &[f32]) -> Map {
        let part = |at: f32| if k == 0 { at } else { 1.0 - at };
        let fine: Vec<(&Map, f32, f32)> = (self.bends.iter().zip(shares).zip(&self.at))
            .filter_map(|((b, share), at)| b.fine.as_ref().map(|f| (&f[k], *share, part(*at))))
            .collect();
        let size = fine[0].0;
        let (area, now) = (size.area(), part(t));
        let mut out = Map::new(3, size.h, size.w);
        for i in 0..area {
            // Where the sketches send the sample by the end of the span.
            let (mut total, mut most, mut end) = (1e-6f32, 0.0f32, [0.0f32; 2]);
            for (map, ..) in &fine {
                let sure = map.v[4 * area + i] + 1e-6;
                end = [0, 1].map(|c| end[c] + sure * map.v[(2 + c) * area + i]);
                total += sure;
                most = most.max(map.v[4 * area + i]);
            }
            for c in 0..2 {
                let end = end[c] / total;
                let bent: f32 = (fine.iter())
                    .map(|(map, share, part)| share * (map.v[c * area + i] - part * end))
                    .sum();
                out.v[c * area + i] = now * end + bent;
            }
            out.v[2 * area + i] = most;
        }
        out
    }
}

/// The lines of a key.
struct Key {
    points: Vec<Point>,
    /// Looks them up finely, and coarsely for far searches.
    near: [Near; 2],
    /// How far each sample lies from them.
    away: Map,
}

impl Key {
    fn of(guide: &Map, shape: [usize; 2]) -> Self {
        let points = of_picture(guide, shape[0], shape[1]);
        let near = [2, 4].map(|step| Near::new(&points, shape, step));
        Self { near, away: away(guide, shape[0], shape[1]), points }
    }

    fn lines(&self) -> Lines<'_> {
        Lines { points: &self.points, near: &self.near[0] }
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
    keys: &'a [Key; 2],
    drawn: Vec<Point>,
    at: f32,
    strength: f32,
}

/// A point of the sketch in both keys: way there, and trust.
struct Met {
    point: Point,
    to: [[f32; 2]; 2],
    trust: [f32; 2],
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
    fn bend(
        &self,
        draw: impl Fn(f32, Option<&Guidance>) -> Map,
        settle: impl Fn(&mut Map, f32),
        control: &Control,
    ) -> Result<Bend, Error> {
        let (share, _) = self.shares();
        let time = std::time::Instant::now();
        let raw = draw(self.at, None);
        let none = {
            let rest = Map::new(2, raw.h / STEP, raw.w / STEP);
            Bend::none(&self.seen.matched, self.at, rest)
        };
        let alone =
            |bend: &Bend| Guidance::joined(vec![self.at], vec![bend.clone()], &self.seen.matched);
        let finished = |raw: &Map, guidance: Option<&Guidance>| {
            let mut motion = raw.clone();
            if let Some(guidance) = guidance {
                guidance.finish(&mut motion, &self.seen.guides, self.at);
            }
            settle(&mut motion, self.at);
            motion
        };
        let plain = finished(&raw, None);
        let shown = self.shown(&plain);
        let needs = self.needs(&shown);
        let before = self.faults(&plain, &shown);
        log::debug!("sketch at {}: away {:.2} missed {:.2} torn {:.2}", self.at, before.away, before.missed, before.torn);
        // Bending what was found wrongly tears drawings, so it has to pay.
        let mut best = ((1.0 - share * (1.0 - PAYS)) * before.missed, none.clone());
        control.check()?;
        log::debug!("  time {:?}", time.elapsed());
        let met = self.meet(&needs);
        log::debug!("  met {:?}", time.elapsed());
        let fine = self.ways(&met, share);
        log::debug!("  ways {:?}", time.elapsed());
        let cells = fine.each_ref().map(|fine| {
            let mut cells = fine.pool(CELL / 2);
            let n = cells.area();
            cells.v[..4 * n].iter_mut().for_each(|v| *v /= CELL as f32);
            cells
        });
        let fine = Arc::new(fine);
        let bent = Bend { keys: cells, ..none.clone() };
        let prefer = Some(Arc::new(self.prefer(&fine, raw.h, raw.w)));
        let over = Bend { fine: Some(fine.clone()), prefer: prefer.clone(), ..none.clone() };
        let both = Bend { fine: Some(fine), prefer, ..bent.clone() };
        let drawn = draw(self.at, Some(&alone(&bent)));
        for (name, raw, bend) in [("none", &raw, &none), ("bent", &drawn, &bent), ("over", &raw, &over), ("both", &drawn, &both)] {
            control.check()?;
            // Fits are looked for with all strength, and applied with what was chosen.
            let rest = self.rest(&finished(raw, Some(&alone(bend)))).map(|v| v * share);
            for bend in [Bend { rest, ..bend.clone() }] {
                let motion = finished(raw, Some(&alone(&bend)));
                let after = self.faults(&motion, &self.shown(&motion));
                let cost = after.missed + TORN * (after.torn - before.torn).max(0.0);
                log::debug!("  {name} away {:.2} missed {:.2} torn {:.2}", after.away, after.missed, after.torn);
                let forced = std::env::var("SKFORCE").is_ok_and(|f| f == name);
                if cost < best.0 && after.away < before.away || forced {
                    best = (cost, bend);
                }
            }
        }
        log::debug!("  time {:?}", time.elapsed());
        Ok(best.1)
    }

    /// Where the sketch's points are in both keys.
    fn meet(&self, needs: &[f32]) -> Vec<Met> {
        let longest = self.longest();
        let places = [0, 1].map(|k| {
            let key = &self.keys[k];
            let lines = key.lines();
            let mut ways = vec![self.by_motion(k, needs)];
            let own = self::needs(&self.drawn, &key.away, longest);
            ways.push(still(&self.drawn));
            ways.push(find(&self.drawn, &own, &still(&self.drawn), &lines, NEAR * longest));
            let free: Vec<Point> =
                self.drawn.iter().zip(&own).filter(|(_, n)| **n > 0.5).map(|(p, _)| *p).collect();
            let near = [&key.near[1], &key.near[0]];
            for pose in guesses(&free, near, &key.points, self.shape) {
                let to = self.drawn.iter().map(|p| pose.shift(p.x, p.y)).collect();
                let way = Way { to, turn: pose.turn() };
                let loose = vec![1.0; self.drawn.len()];
                ways.push(find(&self.drawn, &loose, &way, &lines, CLOSE * longest));
            }
            Place { guide: &self.seen.guides[k], points: &key.points, near: &key.near[0], ways }
        });
        let [own_a, own_b] =
            [0, 1].map(|k| self::needs(&self.drawn, &self.keys[k].away, longest));
        let favour: Vec<[f32; 2]> = (needs.iter().zip(own_a.iter().zip(&own_b)))
            .map(|(need, (a, b))| [1.0 - need, 1.0 - a.max(*b)].map(|v| FAVOUR * v))
            .collect();
        let chosen = fuse(&self.drawn, &places, &favour);
        let mut use_of = [[0usize; 8]; 2];
        chosen.iter().for_each(|c| (0..2).for_each(|k| use_of[k][c[k].min(7)] += 1));
        log::debug!("  ways {use_of:?} of {}", chosen.len());
        let [first, last] = [0, 1].map(|k| {
            let ways = &places[k].ways;
            let lines = self.keys[k].lines();
            let to: Vec<[f32; 2]> =
                chosen.iter().enumerate().map(|(i, c)| ways[c[k]].to[i]).collect();
            let trusts = |i: usize| {
                trust(&self.drawn[i], to[i], ways[chosen[i][k]].turn, &lines)
            };
            let trusts: Vec<f32> = (0..to.len()).map(trusts).collect();
            (to, trusts)
        });
        if let Ok(path) = std::env::var("SKDEBUG") {
            let mut text = String::new();
            for i in 0..chosen.len() {
                let p = self.drawn[i];
                text += &format!("{} {} {} {} {} {} {} {} {} {}\n", p.x, p.y, first.0[i][0], first.0[i][1], first.1[i], last.0[i][0], last.0[i][1], last.1[i], chosen[i][0], chosen[i][1]);
            }
            std::fs::write(format!("{path}_{}.txt", (self.at * 100.0) as i32), text).ok();
        }
        (0..chosen.len())
            .map(|i| Met {
                point: self.drawn[i],
                to: [first.0[i], last.0[i]],
                trust: [first.1[i], last.1[i]],
            })
            .collect()
    }

    /// The way into key `k` on which the unguided motion brings the key's lines to the sketch.
    fn by_motion(&self, k: usize, needs: &[f32]) -> Way {
        let part = if k == 0 { self.at } else { 1.0 - self.at };
        let key = &self.keys[k];
        let moved = carried(&key.points, &self.seen.flows[k], part);
        let near = Near::new(&moved, self.shape, 2);
        let lines = Lines { points: &moved, near: &near };
        let mut way = find(&self.drawn, needs, &still(&self.drawn), &lines, CLOSE * self.longest());
        for (p, to) in self.drawn.iter().zip(&mut way.to) {
            let (x, y) = (p.x + to[0], p.y + to[1]);
            let (_, n) = near.at(x, y, p.angle);
            if let Some((line, there)) = key.points.get(n as usize).zip(moved.get(n as usize)) {
                *to = [line.x + x - there.x - p.x, line.y + y - there.y - p.y];
            }
        }
        way
    }

    /// How each key as a whole goes to the sketch and to the other key, as its lines do, and what of
    /// that the sketch corrects: `[5, h / 2, w / 2]`, in guide samples.
    fn ways(&self, met: &[Met], share: f32) -> [Map; 2] {
        let (first, last) = rayon::join(|| self.way(0, met, share), || self.way(1, met, share));
        [first, last]
    }

    fn way(&self, k: usize, met: &[Met], share: f32) -> Map {
        let part = if k == 0 { self.at } else { 1.0 - self.at };
        let (small, flow) = (&self.seen.small[k], &self.seen.flows[k]);
        let (h, w, area) = (small.h, small.w, small.area());
        let (_, firm) = self.shares();
        // The sketch's points in this key: to the sketch, and to the other key.
        let mut here = Vec::with_capacity(met.len());
        for m in met {
            let ([dx, dy], [ex, ey]) = (m.to[k], m.to[1 - k]);
            let (x, y) = (m.point.x + dx, m.point.y + dy);
            let at = Corner::at(0.5 * x - 0.25, 0.5 * y - 0.25, h, w);
            let [u, v] = [0, 1].map(|c| 2.0 * part * at.of(flow.plane(c)));
            let off = (-dx - u).hypot(-dy - v);
            let corrected = ((off - 1.0) / 2.0).clamp(0.0, 1.0);
            here.push((x, y, [-dx, -dy], [ex - dx, ey - dy], corrected, m.trust[k], m.trust[1 - k]));
        }
        // What goes another way than the lines beside it in the sketch was taken for something else.
        let (mut moved, mut resting) = (Vec::new(), Vec::new());
        for (m, here) in met.iter().zip(&here) {
            let going =
                Going { x: m.point.x, y: m.point.y, by: m.to[k], weight: m.trust[k].max(1e-3) };
            if here.4 > 0.5 { moved.push(going) } else { resting.push(going) }
        }
        let mut consent = moving::consent(&moved, &resting).into_iter();
        for here in here.iter_mut().filter(|h| h.4 > 0.5) {
            here.5 *= consent.next().unwrap_or(0.0);
        }
        let sure = self.seen.matched.confidence[k].resize(h, w);
        let rests = self.resting(h, w);
        let loyal: Vec<f32> = (0..area)
            .map(|i| {
                let still = 1.0 - (flow.v[i].hypot(flow.v[area + i]) / 0.75).min(1.0);
                LOYAL * sure.v[i] + RESTING * rests.v[i] * still + 1e-6
            })
            .collect();
        let half = |v: f32| 0.5 * v - 0.25;
        // What belongs to the lines that the sketch moves.
        let mut known = Known::new(1, h, w);
        for (x, y, _, _, corrected, trust, _) in &here {
            known.add(0, [half(*x), half(*y)], *corrected, firm * LINE * trust, |_| true);
        }
        (0..area).for_each(|i| known.lean(0, i, 0.0, loyal[i]));
        let figure = known.spread(small, None).blur(1).map(|v| if v > 0.5 { 1.0 } else { 0.0 });
        // How that goes as a whole.
        let rigid = |other: bool| {
            let going: Vec<Going> = (here.iter())
                .map(|&(x, y, there, end, corrected, trust, both)| Going {
                    x,
                    y,
                    by: if other { end } else { there },
                    weight: corrected * trust * if other { both } else { 1.0 },
                })
                .collect();
            moving::ways(&going, small.h / (CELL / 2), small.w / (CELL / 2), CELL)
        };
        let ((there, agree), (end, agree_end)) = rayon::join(|| rigid(false), || rigid(true));
        let rigid = [there.resize(h, w), end.resize(h, w)];
        let mut known = Known::new(4, h, w);
        for (n, (x, y, there, end, corrected, trust, both)) in here.iter().enumerate() {
            let doubt = |agree: f32| 1.0 + corrected * (agree * agree - 1.0);
            let weight = firm * LINE * trust * doubt(agree[n]);
            let weight_end = firm * LINE * trust * both * doubt(agree_end[n]);
            for c in 0..2 {
                let own = |i: usize| (figure.v[i] > 0.5) == (*corrected > 0.5);
                known.add(c, [half(*x), half(*y)], there[c], weight, own);
                known.add(2 + c, [half(*x), half(*y)], end[c], weight_end, own);
            }
        }
        for i in 0..area {
            let m = figure.v[i];
            for c in 0..2 {
                let j = c * area + i;
                let unguided = 2.0 * flow.v[j];
                known.lean(c, i, part * unguided, (1.0 - m) * loyal[i]);
                known.lean(c, i, rigid[0].v[j], m * RIGID);
                known.lean(2 + c, i, unguided, (1.0 - m) * loyal[i]);
                known.lean(2 + c, i, rigid[1].v[j], m * RIGID);
            }
        }
        let mut out = Map::stack(&[&known.spread(small, Some(&figure)), &figure]);
        // A part of the way from the unguided motion.
        for c in 0..4 {
            let part = if c < 2 { part } else { 1.0 };
            for i in 0..area {
                let unguided = 2.0 * part * flow.v[c % 2 * area + i];
                let to = &mut out.v[c * area + i];
                *to = unguided + share * (*to - unguided);
            }
        }
        if let Ok(path) = std::env::var("SKDEBUG") {
            let mut bytes = Vec::new();
            let mut o = out.clone();
            o.v[..4 * area].iter_mut().for_each(|v| *v *= 0.5);
            for map in [&o, small] {
                bytes.extend([map.c as f32, map.h as f32, map.w as f32].iter().flat_map(|v| v.to_le_bytes()));
                bytes.extend(map.v.iter().flat_map(|v| v.to_le_bytes()));
            }
            std::fs::write(format!("{path}_{}_{k}.raw", (self.at * 100.0) as i32), bytes).ok();
        }
        out
    }

    /// By how much more the first key's lines meet the sketch, where `fine` takes both keys.
    fn prefer(&self, fine: &Arc<[Map; 2]>, h: usize, w: usize) -> Map {
        let pushed = fine.each_ref().map(|fine| {
            let mut there = fine.channels(2, 5);
            there.v[..2 * fine.area()].copy_from_slice(&fine.v[..2 * fine.area()]);
            there
        });
        let both = Both::of(pushed, h, w);
        let missed = [0, 1].map(|k| {
            let shown = both.shown(k, &self.seen.guides[k]);
            let away = away(&shown, self.shape[0], self.shape[1]);
            misses(&self.drawn, &away).map(|m| m.min(6.0)).collect::<Vec<f32>>()
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
                    let weight = (-0.5 * apart / (AROUND * AROUND)).exp();
                    sum += weight * (missed[1][n] - missed[0][n]);
                    total += weight;
                }
            }
            *to = sum / total + whole;
        });
        out
    }

    /// Where both keys show the same at the same place, 0..=1, at half guide size.
    fn resting(&self, h: usize, w: usize) -> Map {
        let [a, b] = &self.seen.small;
        let mut differ = Map::new(1, h, w);
        for c in 0..3 {
            for ((to, a), b) in differ.v.iter_mut().zip(a.plane(c)).zip(b.plane(c)) {
                *to = to.max((a - b).abs());
            }
        }
        differ.blur(1).map(|v| (1.0 - v / 0.02).max(0.0))
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
        let mixed = |odds: f32| {
            let share = 1.0 / (1.0 + (-odds.clamp(-20.0, 20.0)).exp());
            4.0 * share * (1.0 - share)
        };
        let torn: f32 =
            differ.v.iter().zip(motion.plane(4)).map(|(d, odds)| d.min(64.0) * mixed(*odds)).sum();
        let torn = torn / differ.area() as f32;
        Faults { away: all / points, missed: missed / points, torn }
    }

    /// Share of the way to the lines, and firmness of each line point.
    fn shares(&self) -> (f32, f32) {
        let over = ((self.strength - FULL) / (1.0 - FULL)).max(0.0);
        ((self.strength / FULL).clamp(0.0, 1.0), FIRM * (1.0 + 4.0 * over))
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
        let mut known = Dents::new(motion.h / STEP, motion.w / STEP, STEP);
        let (_, firm) = self.shares();
        for f in &found {
            known.add(f.point.x, f.point.y, f.to, firm * f.trust);
        }
        let mut layers = motion.channels(2, 4);
        layers.v.iter_mut().zip(&motion.v).for_each(|(to, from)| *to -= from);
        known.spread(&layers.pool(STEP))
    }
}
