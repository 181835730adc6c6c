//! Pins: the part that a pin binds becomes a separate piece, which follows its pins whatever else
//! was found.
//!
//! A pin binds the part under it: the regions that were found to move as one, and what is drawn on
//! them. Anything that touches the part moves along rigidly if its own motion would tear it off. If
//! that motion keeps it in place, it was found correctly and stays.

use super::appearance::{Explained, Leaving};
use super::explain::Scene;
use super::pinned_way::{GuidePin, fit};
use super::register::{Registration, Search, by_moments};
use super::transform::{Affine, Point, UNIT, one_way, turn};
use crate::segments::neighbours;

/// Share of the picture from which a region of the ground at the picture's border is not a thing in
/// front of it.
const GROUND: f32 = 0.2;
/// How far beside the bound part a pin may be, in samples.
const BESIDE: isize = 4;
/// Share of its outline that a region has in common with what it is drawn on.
const DRAWN_ON: f32 = 0.35;
/// Share of a part that must land on its counterpart; otherwise the other key does not show it
/// there.
const LANDS: f32 = 0.3;
/// How much better than a shift a turn or stretch must agree, and the least agreement.
const BETTER: f32 = 0.02;
const AGREES: f32 = 0.5;

/// A part bound by pins.
pub(super) struct Bound {
    /// Its piece.
    pub(super) piece: usize,
    pub(super) guide_pins: Vec<GuidePin>,
    /// The key that shows it where the pins put it, if only one does.
    pub(super) only: Option<usize>,
    /// The motion found for it, if it was found in both keys.
    was: Option<Affine>,
}

/// The effect of a span's pins.
#[derive(Default)]
pub(super) struct Pinned {
    pub(super) bound: Vec<Bound>,
    /// Pieces that lost their counterpart in the other key to a bound part. They rest, and are
    /// visible with their key.
    pub(super) bereft: Vec<usize>,
    /// Pins on nothing but ground, as indices from 0.
    pub(super) loose: Vec<usize>,
}

/// Regions bound by pins, in each key.
struct Part {
    guide_pins: Vec<GuidePin>,
    some: [Vec<usize>; 2],
}

impl Scene<'_> {
    /// Makes a piece of every bound part. `guide_pins` are the pins, in samples.
    pub(super) fn bind(&mut self, guide_pins: &[GuidePin]) -> Pinned {
        let mut out = Pinned::default();
        let mut parts: Vec<Part> = Vec::new();
        for (number, guide_pin) in guide_pins.iter().enumerate() {
            let some = [self.under(0, guide_pin.first), self.under(1, guide_pin.last)];
            if some.iter().all(Vec::is_empty) {
                out.loose.push(number);
                continue;
            }
            let shares = |part: &&mut Part| {
                (0..2).any(|key| some[key].iter().any(|k| part.some[key].contains(k)))
            };
            match parts.iter_mut().find(shares) {
                Some(part) => {
                    part.guide_pins.push(guide_pin.clone());
                    for (all, some) in part.some.iter_mut().zip(some) {
                        all.extend(some);
                        all.sort_unstable();
                        all.dedup();
                    }
                }
                None => parts.push(Part { guide_pins: vec![guide_pin.clone()], some }),
            }
        }
        let before: Vec<[bool; 2]> =
            self.pieces.iter().map(|p| [0, 1].map(|key| !p.members[key].is_empty())).collect();
        let made = self.pieces.len();
        for part in parts {
            let bound = self.make(part);
            out.bound.push(bound);
        }
        for bound in &mut out.bound {
            self.take_along(bound, made);
            let guide_pins = &bound.guide_pins;
            let shown = |key: usize| self.lands(bound.piece, key);
            bound.only = match [0, 1].map(|key| !self.pieces[bound.piece].members[key].is_empty()) {
                [true, false] => Some(0),
                [false, true] => Some(1),
                _ if shown(0).max(shown(1)) >= LANDS => None,
                // It is where the pins are, in the key in which their ends lie on it.
                _ => {
                    let on = |key: usize| {
                        guide_pins
                            .iter()
                            .filter(|n| !self.under(key, n.end(key)).is_empty())
                            .count()
                    };
                    Some(usize::from(on(1) > on(0)))
                }
            };
        }
        let ground = self.pieces[0].motion;
        for (p, before) in before.iter().enumerate().skip(self.grounds) {
            let now = [0, 1].map(|key| !self.pieces[p].members[key].is_empty());
            if *before == [true, true] && now != *before && now != [false, false] {
                self.pieces[p].motion = ground;
                out.bereft.push(p);
            }
        }
        out
    }

    /// Regions of the part under `at` in a key; empty if `at` is on the ground or outside.
    fn under(&self, key: usize, at: Point) -> Vec<usize> {
        let regions = &self.keys[key].regions;
        let (h, w) = (regions.h as isize, regions.w as isize);
        let (x, y) = (at[0].round() as isize, at[1].round() as isize);
        if x < 0 || y < 0 || x >= w || y >= h {
            return Vec::new();
        }
        let mut best: Option<(isize, usize)> = None;
        for dy in -BESIDE..=BESIDE {
            for dx in -BESIDE..=BESIDE {
                let (x, y, far) = (x + dx, y + dy, dx * dx + dy * dy);
                if x < 0 || y < 0 || x >= w || y >= h || best.is_some_and(|b| b.0 <= far) {
                    continue;
                }
                if let Some(k) =
                    regions.at((y * w + x) as usize).filter(|&k| !self.is_ground(key, k))
                {
                    best = Some((far, k));
                }
            }
        }
        best.map_or_else(Vec::new, |(_, k)| self.part_of(key, k))
    }

    /// Whether region `k` is the ground itself rather than a thing that rests in front of it.
    fn is_ground(&self, key: usize, k: usize) -> bool {
        let regions = &self.keys[key].regions;
        let region = &regions.list[k];
        let (h, w) = (regions.h, regions.w);
        if !region.at_border || self.of[key][k].is_none_or(|p| p >= self.grounds) {
            return false;
        }
        let mut sides = [false; 4];
        for &i in &self.keys[key].places[k] {
            let (x, y) = (i as usize % w, i as usize / w);
            for (side, on) in sides.iter_mut().zip([x == 0, x + 1 == w, y == 0, y + 1 == h]) {
                *side |= on;
            }
        }
        region.area > GROUND * (h * w) as f32 || sides.iter().filter(|on| **on).count() > 1
    }

    /// Everything that moves with region `start` of a key, in order.
    fn part_of(&self, key: usize, start: usize) -> Vec<usize> {
        let side = self.keys[key];
        let piece = |k: usize| self.of[key][k].unwrap_or(0);
        let outline = |k: usize| side.regions.list[k].beside.iter().map(|b| b.1).sum::<u32>();
        let figure = piece(start) >= self.grounds;
        let mut seen = vec![false; side.groups.len()];
        let mut part = Vec::new();
        let mut open = vec![start];
        while let Some(k) = open.pop() {
            if std::mem::replace(&mut seen[k], true) {
                continue;
            }
            part.push(k);
            if figure {
                open.extend(&self.pieces[piece(k)].members[key]);
            }
            for &(n, border) in &side.regions.list[k].beside {
                // Ground seen through a figure does not belong to it.
                if seen[n] || figure != (piece(n) >= self.grounds) || self.is_ground(key, n) {
                    continue;
                }
                let drawn_on = border as f32 > DRAWN_ON * outline(k).min(outline(n)) as f32;
                if drawn_on && !self.go_apart(piece(k), piece(n), side.regions.list[n].middle) {
                    open.push(n);
                }
            }
        }
        part.sort_unstable();
        part
    }

    /// Whether two pieces were found in both keys and move differently at `place` in the first key.
    fn go_apart(&self, p: usize, q: usize, place: Point) -> bool {
        let found = |p: usize| self.pieces[p].members.iter().all(|some| !some.is_empty());
        if p == q || !found(p) || !found(q) {
            return false;
        }
        !alike(&self.pieces[p].motion, &self.pieces[q].motion, place)
    }

    /// Makes a piece of a part.
    fn make(&mut self, mut part: Part) -> Bound {
        // If there is only ground under the other end, whatever was found of the part there is
        // used.
        for key in 0..2 {
            if part.some[key].is_empty() {
                let mut pieces: Vec<usize> =
                    part.some[1 - key].iter().filter_map(|&k| self.of[1 - key][k]).collect();
                pieces.retain(|&p| p >= self.grounds);
                pieces.sort_unstable();
                pieces.dedup();
                part.some[key] =
                    pieces.iter().flat_map(|&p| self.pieces[p].members[key].clone()).collect();
            }
        }
        let motion = match &part.guide_pins[..] {
            [guide_pin] => self.pinned_motion(&part.some, guide_pin),
            guide_pins => fit(&guide_pins.iter().map(|n| (n.first, n.last)).collect::<Vec<_>>()),
        };
        let found = |p: &usize| self.pieces[*p].members.iter().all(|some| !some.is_empty());
        let mut pieces = part.some[0].iter().filter_map(|&k| self.of[0][k]);
        let was = pieces.find(|p| *p >= self.grounds && found(p)).map(|p| self.pieces[p].motion);
        let piece = self.pieces.len();
        self.add(motion, [Vec::new(), Vec::new()]);
        for (key, some) in part.some.iter().enumerate() {
            self.reassign(key, some, piece);
        }
        Bound { piece, guide_pins: part.guide_pins, only: None, was }
    }

    /// Moves regions of a key to another piece.
    pub(super) fn reassign(&mut self, key: usize, some: &[usize], piece: usize) {
        for &k in some {
            if let Some(from) = self.of[key][k].filter(|&from| from != piece) {
                self.pieces[from].members[key].retain(|&m| m != k);
            }
        }
        self.join(key, piece, some);
    }

    /// The motion of a part with one pin: the pinned point moves to its place, and turn and stretch
    /// are those that agree best with the last key.
    fn pinned_motion(&self, some: &[Vec<usize>; 2], guide_pin: &GuidePin) -> Affine {
        let still = Affine { m: UNIT, from: guide_pin.first, to: guide_pin.last };
        if some.iter().any(Vec::is_empty) {
            return still;
        }
        let [a, b] = self.keys;
        let group = a.together(&some[0]);
        let other = b.together(&some[1]);
        let none = Explained::none(a.regions.h, a.regions.w);
        let search = Search {
            other: &b.appearance,
            explained: &none,
            expected: still,
            joint: Vec::new(),
            diagonal: self.diagonal,
            leaving: Leaving::Disagrees,
        };
        let found = some[0].iter().filter_map(|&k| self.of[0][k]).map(|p| self.pieces[p].motion);
        let moments = by_moments((group.middle, group.moments), (other.middle, other.moments));
        let turns =
            (0..24).map(|n| Affine { m: turn(n as f32 * std::f32::consts::PI / 12.0), ..still });
        let at = |motion: Affine, level| {
            let motion = Affine { m: motion.m, ..still };
            Registration { motion, score: search.score(&group, &motion, level) }
        };
        let better = |x: &Registration, y: &Registration| y.score.total_cmp(&x.score);
        let mut kept: Vec<Registration> =
            turns.chain(found).chain(moments).map(|motion| at(motion, 2)).collect();
        for (level, most, steps) in
            [(2, 6, [0.2, 0.1]), (1, 3, [0.05, 0.025]), (0, 1, [0.012, 0.006])]
        {
            kept.sort_by(better);
            kept.truncate(most);
            for found in &mut kept {
                *found = at(found.motion, level);
                for step in steps {
                    while let Some(next) = steps_from(&found.motion, step)
                        .map(|motion| at(motion, level))
                        .reduce(|x, y| if y.score > x.score { y } else { x })
                        .filter(|next| next.score > found.score + 1e-4)
                    {
                        *found = next;
                    }
                }
            }
        }
        let shift = at(still, 0);
        let best = kept.into_iter().min_by(better).unwrap_or(shift);
        let agrees =
            group.agreement(&best.motion, &b.appearance, &none, 0, Leaving::Disagrees) > AGREES;
        if agrees && best.score > shift.score + BETTER { best.motion } else { still }
    }

    /// Makes pieces move along with a bound piece if they touch it and would be torn off, among the
    /// pieces before `made`, the first one made by pins. Pieces that had a different motion before
    /// belong to another figure.
    fn take_along(&mut self, Bound { piece: bound, was, .. }: &Bound, made: usize) {
        let bound = *bound;
        loop {
            let mut torn = None;
            'search: for key in 0..2 {
                for q in self.grounds..made {
                    let piece = &self.pieces[q];
                    if piece.members[key].is_empty() {
                        continue;
                    }
                    let Some(joint) = self.border(key, q, bound) else { continue };
                    let Some(place) = (match key {
                        0 => Some(joint),
                        _ => self.pieces[bound].motion.inverse().map(|back| back.at(joint)),
                    }) else {
                        continue;
                    };
                    let found = piece.members.iter().all(|some| !some.is_empty());
                    let held = was.is_none_or(|was| alike(&piece.motion, &was, place));
                    if !found || held && !alike(&piece.motion, &self.pieces[bound].motion, place) {
                        torn = Some((key, q));
                        break 'search;
                    }
                }
            }
            let Some((key, q)) = torn else { return };
            let some = self.pieces[q].members[key].clone();
            self.reassign(key, &some, bound);
        }
    }

    /// The middle of the line between two pieces in a key, if they touch substantially.
    fn border(&self, key: usize, p: usize, q: usize) -> Option<Point> {
        let side = self.keys[key];
        let (h, w) = (side.regions.h, side.regions.w);
        let touch =
            |k: usize| side.regions.list[k].beside.iter().any(|&(n, _)| self.of[key][n] == Some(q));
        let (mut count, mut sum) = (0u32, [0.0f32; 2]);
        for &k in self.pieces[p].members[key].iter().filter(|&&k| touch(k)) {
            for &i in &side.places[k] {
                let i = i as usize;
                let beside = neighbours(i, h, w).into_iter().flatten();
                let q = |n: usize| side.regions.at(n).is_some_and(|m| self.of[key][m] == Some(q));
                if beside.into_iter().any(q) {
                    count += 1;
                    sum[0] += (i % w) as f32;
                    sum[1] += (i / w) as f32;
                }
            }
        }
        (count >= 3).then(|| sum.map(|s| s / count as f32))
    }

    /// Share of a piece's pixels in a key that its motion maps to its own pixels in the other.
    fn lands(&self, p: usize, key: usize) -> f32 {
        let Some(there) = self.motion(p, key) else { return 0.0 };
        let (side, other) = (self.keys[key], &self.keys[1 - key].regions);
        let (h, w) = (other.h, other.w);
        let (mut on, mut all) = (0u32, 0u32);
        for &k in &self.pieces[p].members[key] {
            for &i in side.places[k].iter().step_by(3) {
                let q = there.at([(i as usize % w) as f32, (i as usize / w) as f32]);
                let (x, y) = (q[0].round(), q[1].round());
                all += 1;
                if x >= 0.0 && y >= 0.0 && x < w as f32 && y < h as f32 {
                    let k = other.at(y as usize * w + x as usize);
                    on += u32::from(k.is_some_and(|k| self.of[1 - key][k] == Some(p)));
                }
            }
        }
        on as f32 / all.max(1) as f32
    }
}

/// Whether two motions move `place` in the same way.
fn alike(a: &Affine, b: &Affine, place: Point) -> bool {
    one_way(place, a.at(place), b.at(place))
}

/// Motions with slightly more turn or stretch around the pinned point.
fn steps_from(motion: &Affine, step: f32) -> impl Iterator<Item = Affine> {
    let motion = *motion;
    [step, -step].into_iter().flat_map(move |s| {
        let stretches = [
            [[1.0 + s, 0.0], [0.0, 1.0 + s]],
            [[1.0 + s, 0.0], [0.0, 1.0 / (1.0 + s)]],
            [[1.0, s], [s, 1.0]],
        ];
        let stretched = stretches.map(|stretch| motion.changed([0.0; 2], 0.0, stretch));
        std::iter::once(motion.changed([0.0; 2], s, UNIT)).chain(stretched)
    })
}
