//! Explains the keys by pieces: the ground first, then figures, then their parts.
//!
//! Each round takes connected regions that are not explained yet, finds the one motion that best
//! maps them to similar ones in the other key, and keeps the regions that follow it. The remainder
//! is smaller and is processed again. Nothing in either key is explained twice.

use rayon::prelude::*;

use super::appearance::{Appearance, Explained, Group, Leaving, STAYS};
use super::register::{Registration, SLACK, Search, by_moments, thin};
use super::rows::{self, Row};
use super::side::{Side, colours};
use super::transform::{Affine, Point, UNIT};
use crate::segments::{groups, neighbours};

/// Agreement from which a region follows a motion.
pub(super) const FOLLOWS: f32 = 0.72;
/// The same for the ground and for regions at the picture's border, which figures partly cover.
const GROUND_FOLLOWS: f32 = 0.6;
/// Share of a region's lines that it must have in common with the ground at the border if they
/// alone ...
const BESIDE: f32 = 0.1;
/// ... decide that it moves with it: this share of them must agree.
const BESIDE_FOLLOWS: f32 = 0.7;
/// Agreement that such a region also needs outside the lines it shares with figures.
const OPEN_FOLLOWS: f32 = 0.5;
/// Agreement from which a region counts as seen elsewhere.
const ELSEWHERE: f32 = 0.8;
/// How much better a region must agree with a motion of its own to leave its piece.
const BETTER: f32 = 0.08;
/// Share of a free-standing figure, and of a part of a figure, that must follow a motion.
const FIGURE: f32 = 0.2;
const PART: f32 = 0.8;
/// How far the motion of something that touches a figure without belonging to it may deviate from
/// the ground's, as a share of the diagonal.
const WITH_GROUND: f32 = 0.04;
/// Bonus for a ground that does not move.
const REST: f32 = 0.05;
/// Number of points needed to determine the ground's motion; with fewer it rests.
const EVIDENCE: usize = 60;
/// Number of things away from the border, and their spread (of the diagonal), that indicate a
/// camera move ...
const MANY: usize = 6;
/// ... see [`MANY`] ...
const WIDE: f32 = 0.2;
/// ... if all of them agree this well.
const ALL: f32 = 0.7;
/// Difference in agreement within which motions of the ground count as equally good.
const REPEATS: f32 = 0.06;
/// The same as a share of the best, where things in a row make several motions agree too well.
const IN_ROW: f32 = 0.8;
/// Difference in colour (Lab) from which two regions are not the same.
const OTHER_COLOUR: f32 = 26.0;
/// Most rounds; a drawing has fewer things.
const ROUNDS: usize = 120;
/// Largest number of regions in a group that are each matched by themselves.
const TELLING: usize = 32;

/// Regions that move as one.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// From the first key to the last.
    pub(super) motion: Affine,
    /// Its regions in each key; one list may be empty.
    pub(super) members: [Vec<usize>; 2],
    /// Area of one of the like things of a row, in samples; `None` if the piece is one thing.
    pub(super) unit: Option<f32>,
}

/// Both keys, and what is explained of them so far.
pub(super) struct Scene<'a> {
    pub(super) keys: [&'a Side; 2],
    explained: [Explained; 2],
    /// The piece of each region.
    pub(super) of: [Vec<Option<usize>>; 2],
    pub(super) pieces: Vec<Piece>,
    /// Number of pieces, from the first, that move with the ground and have no children.
    pub(super) grounds: usize,
    pub(super) diagonal: f32,
}

/// Explains both keys; piece 0 is the ground.
pub(super) fn explain<'a>(keys: [&'a Side; 2]) -> Scene<'a> {
    let (h, w) = (keys[0].regions.h, keys[0].regions.w);
    let mut scene = Scene {
        keys,
        explained: [Explained::none(h, w), Explained::none(h, w)],
        of: keys.map(|k| vec![None; k.groups.len()]),
        pieces: Vec::new(),
        grounds: 0,
        diagonal: libm::hypotf(h as f32, w as f32),
    };
    let rows = [0, 1].map(|key| rows::rows_of(keys[key]));
    scene.ground(&rows);
    scene.rows(rows);
    scene.figures();
    scene.scenery();
    scene.leftovers();
    scene.scenery();
    scene
}

impl Scene<'_> {
    pub(super) fn search(&self, key: usize, expected: Affine) -> Search<'_> {
        let other = 1 - key;
        Search {
            other: &self.keys[other].appearance,
            explained: &self.explained[other],
            expected,
            joint: Vec::new(),
            diagonal: self.diagonal,
            leaving: Leaving::Disagrees,
        }
    }

    /// The motion of piece `p` as seen from `key`.
    pub(super) fn motion(&self, p: usize, key: usize) -> Option<Affine> {
        self.pieces[p].motion.seen_from(key)
    }

    /// Adds a piece with these regions and marks what it explains.
    pub(super) fn add(&mut self, motion: Affine, members: [Vec<usize>; 2]) {
        let name = self.pieces.len();
        for (key, members) in members.iter().enumerate() {
            for &k in members {
                self.of[key][k] = Some(name);
                for &i in &self.keys[key].places[k] {
                    self.explained[key].v[i as usize] = true;
                }
            }
        }
        self.pieces.push(Piece { motion, members, unit: None });
    }

    /// Adds regions of `key` to a piece without checking the other key.
    pub(super) fn join(&mut self, key: usize, piece: usize, some: &[usize]) {
        for &k in some {
            self.of[key][k] = Some(piece);
            self.pieces[piece].members[key].push(k);
        }
    }

    /// The motion of the whole picture; none if there is too little evidence.
    fn moves(&self, rows: &[Row]) -> Affine {
        let [a, b] = self.keys;
        let still = Affine::shift([0.0; 2]);
        // What stands in a row fits in many places, so it decides only where there is little else.
        let in_row = rows::members(rows);
        let (row, other): (Vec<usize>, Vec<usize>) =
            (0..a.groups.len()).partition(|k| in_row.contains(k));
        let weight = |some: &[usize]| some.iter().map(|&k| a.groups[k].weight()).sum::<f32>();
        let mut some = other;
        if weight(&row) > weight(&some) {
            some.extend(row);
            some.sort_unstable();
        }
        let every = a.together(&some);
        let mut whole = every.clone();
        whole.points = a.ground_evidence();
        // Without lines of a ground, many things that all move the same way also indicate a camera
        // move.
        let plain = whole.points.len() < EVIDENCE;
        if plain {
            let inner = a.regions.list.iter().filter(|r| !r.at_border).count();
            if inner < MANY || every.reach < WIDE * self.diagonal {
                return still;
            }
            whole = every.clone();
        }
        let search = Search { leaving: Leaving::IsLeftOut, ..self.search(0, still) };
        let (h, w) = (a.regions.h, a.regions.w);
        // A horizon says nothing about a pan along it. What was found from everything visible is
        // improved with everything visible.
        let mut many = every.clone();
        many.points = thin(many.points, 2000);
        let by =
            |group| shifts(group, &b.appearance, h, w).into_iter().map(move |seed| (group, seed));
        let seeds: Vec<(&Group, Affine)> = by(&whole).chain(by(&many)).collect();
        let mut found: Vec<Registration> = seeds
            .par_iter()
            .flat_map_iter(|&(group, seed)| {
                let rough = search.climb(group, seed, 2, &[8.0, 4.0], false).motion;
                let mut few = group.clone();
                few.points = thin(few.points, 300);
                let fine = |motion| {
                    let motion = search.climb(group, motion, 1, &[2.0, 1.0], false).motion;
                    Registration { motion, score: search.score(&whole, &motion, 1) }
                };
                search.repeats(&few, rough).into_iter().map(fine).collect::<Vec<Registration>>()
            })
            .collect();
        let rest = search.score(&whole, &still, 1);
        found.insert(0, Registration { motion: still, score: rest + REST });
        let most = found.iter().map(|f| f.score).fold(f32::MIN, f32::max);
        let least = if rows.is_empty() { most - REPEATS } else { IN_ROW * most };
        found.retain(|f| f.score > least);
        // If the ground repeats itself, everything else in the picture decides how far it moved.
        let best = found
            .into_iter()
            .map(|f| Registration { score: f.score + search.score(&many, &f.motion, 1), ..f })
            .reduce(|a, b| if b.score > a.score + 1e-4 { b } else { a });
        let straight = |f: &Registration| {
            let bent = f.motion.m.iter().flatten().zip(UNIT.iter().flatten());
            bent.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 0.02
        };
        let best = best.filter(|f| !plain || straight(f) && f.score > 2.0 * ALL);
        match best.map(|f| f.motion).filter(|best| *best != still) {
            Some(best) => {
                let fine = search.climb(&whole, best, 0, &[1.0, 0.5], false);
                // Whole samples are preferred if they fit as well.
                let off = [0, 1].map(|c| fine.motion.to[c] - fine.motion.from[c]);
                let whole_steps = fine.motion.changed(off.map(|d| d.round() - d), 0.0, UNIT);
                let fits = search.score(&whole, &whole_steps, 0) > fine.score - 0.01;
                if fits { whole_steps } else { fine.motion }
            }
            None => still,
        }
    }

    /// Whether the other key shows region `k` of `key` turned or in another place, like the spoke
    /// of a wheel whose rim looks the same however far it turned.
    fn seen_elsewhere(&self, key: usize, k: usize) -> bool {
        let (side, other) = (self.keys[key], self.keys[1 - key]);
        let (region, group) = (&side.regions.list[k], &side.groups[k]);
        other.regions.list.iter().any(|s| {
            colours(region.colour, s.colour) < OTHER_COLOUR
                && (0.5..2.0).contains(&(s.area / region.area))
                && by_moments((region.middle, region.moments), (s.middle, s.moments))
                    .into_iter()
                    .any(|to| group.follows(&to, &other.appearance, None) > ELSEWHERE)
        })
    }

    /// Finds the ground and everything that moves with it.
    fn ground(&mut self, rows: &[Vec<Row>; 2]) {
        let motion = self.moves(&rows[0]);
        let members = [0, 1].map(|key| {
            let side = self.keys[key];
            let Some(motion) = motion.seen_from(key) else { return Vec::new() };
            let search = self.search(key, motion);
            (0..side.groups.len())
                .into_par_iter()
                .filter(|&k| {
                    let group = &side.groups[k];
                    if side.regions.list[k].frame || group.within(&motion, search.other) < STAYS {
                        return true;
                    }
                    let at_border = side.regions.list[k].at_border;
                    // What a figure in front of a ground hides is no evidence against the ground.
                    let follows = |group: &Group| {
                        group.follows(&motion, search.other, Some(search.explained))
                    };
                    if at_border {
                        return follows(&side.of_ground(k)) >= GROUND_FOLLOWS;
                    }
                    if follows(group) < FOLLOWS {
                        let open = side.of_ground(k);
                        let all = follows(&open);
                        let beside = side.lines_of(open, k);
                        return beside.weight() > BESIDE * group.weight()
                            && follows(&beside) > BESIDE_FOLLOWS
                            && all > OPEN_FOLLOWS
                            && !self.seen_elsewhere(key, k);
                    }
                    let own = search.climb(group, motion, 0, &[4.0, 2.0, 1.0, 0.5], true);
                    let away = own.motion.away(&motion, group.middle, group.reach);
                    let then = group.agreement(
                        &motion,
                        search.other,
                        search.explained,
                        0,
                        Leaving::Disagrees,
                    );
                    own.score < then + BETTER || away < 0.8
                })
                .collect()
        });
        // Only what reaches the border is the ground itself; the rest moves with it, but is in
        // front of it.
        let keys = self.keys;
        let some = |at_border: bool| {
            [0, 1].map(|key| {
                let list = &keys[key].regions.list;
                let of = members[key].iter().copied();
                of.filter(|&k| list[k].at_border == at_border).collect::<Vec<usize>>()
            })
        };
        self.add(motion, some(true));
        let rest = some(false);
        if !rest[0].is_empty() || !rest[1].is_empty() {
            self.add(motion, rest);
        }
        self.grounds = self.pieces.len();
    }

    /// Groups of touching regions of `key` that are not explained, largest first.
    pub(super) fn clusters(&self, key: usize, skip: &[bool]) -> Vec<Vec<usize>> {
        let side = self.keys[key];
        let open = |k: usize| self.of[key][k].is_none() && !skip[k];
        let beside = |k: usize| {
            let beside = side.regions.list[k].beside.iter();
            beside.filter(|(_, border)| *border >= 3).map(|(n, _)| *n)
        };
        let mut out = groups(side.groups.len(), open, beside);
        out.iter_mut().for_each(|group| group.sort_unstable());
        out.sort_by(|a, b| side.size(b).total_cmp(&side.size(a)));
        out
    }

    /// The figure that a group of regions of `key` touches most, if it touches any substantially;
    /// otherwise the ground.
    pub(super) fn beside(&self, key: usize, group: &[usize]) -> usize {
        let side = self.keys[key];
        let mut touch = vec![0u32; self.pieces.len()];
        let mut all = 0;
        for &k in group {
            for &(n, border) in &side.regions.list[k].beside {
                if let Some(p) = self.of[key][n] {
                    touch[p] += border;
                    all += border;
                }
            }
        }
        let most = |from: usize, to: usize| (from..to).rev().max_by_key(|&p| touch[p]);
        most(self.grounds, touch.len())
            .filter(|&p| touch[p] >= 5 && touch[p] * 25 >= all)
            .or_else(|| most(0, self.grounds))
            .unwrap_or(0)
    }

    /// The ground that a group touches most.
    pub(super) fn ground_of(&self, key: usize, group: &[usize]) -> usize {
        let side = self.keys[key];
        let border = |p: usize| -> u32 {
            let beside = group.iter().flat_map(|&k| &side.regions.list[k].beside);
            beside.filter(|(n, _)| self.of[key][*n] == Some(p)).map(|b| b.1).sum()
        };
        (0..self.grounds).rev().max_by_key(|&p| border(p)).unwrap_or(0)
    }

    /// Where a group of regions of `key` touches piece `p`: some places along their common line.
    fn joint(&self, key: usize, group: &[usize], p: usize) -> Vec<Point> {
        let regions = &self.keys[key].regions;
        let (h, w) = (regions.h, regions.w);
        let mut out = Vec::new();
        for &k in group {
            for &i in &self.keys[key].places[k] {
                let touches = neighbours(i as usize, h, w)
                    .into_iter()
                    .flatten()
                    .any(|n| regions.at(n).is_some_and(|m| self.of[key][m] == Some(p)));
                if touches {
                    out.push([(i as usize % w) as f32, (i as usize / w) as f32]);
                }
            }
        }
        thin(out, 24)
    }

    /// Finds free-standing figures, then their parts. A part moves by itself only if it is found
    /// with certainty; otherwise it stays with its figure, which is drawn whole.
    fn figures(&mut self) {
        let mut skip = vec![false; self.keys[0].groups.len()];
        let repeats = [0, 1].map(|key| self.repeats_of_ground(key));
        for _ in 0..ROUNDS {
            // A tile that a figure covers looks like any tile that it uncovers, so figures come
            // first and the ground behind them later.
            for (key, repeats) in repeats.iter().enumerate() {
                self.repeats_in_place(key, repeats);
            }
            let mut clusters = self.clusters(0, &skip);
            Self::repeats_last(&mut clusters, &repeats[0]);
            let Some(cluster) = clusters.into_iter().next() else { break };
            let base = self.beside(0, &cluster);
            if self.figure(&cluster, base) {
                continue;
            }
            if base >= self.grounds && self.figure(&cluster, self.ground_of(0, &cluster)) {
                continue;
            }
            if base < self.grounds && cluster.len() > 1 {
                // Things that merely touch do not move as one, so the largest is tried alone.
                let mut one = cluster[0];
                for &k in &cluster {
                    if self.keys[0].area(k) > self.keys[0].area(one) {
                        one = k;
                    }
                }
                if !self.figure(&[one], base) {
                    skip[one] = true;
                }
                continue;
            }
            cluster.iter().for_each(|&k| skip[k] = true);
        }
    }

    /// The largest ones among some regions of `key`, in order.
    fn largest(&self, key: usize, some: &[usize]) -> Vec<usize> {
        let area = |k: &usize| self.keys[key].area(*k);
        let mut ranked = some.to_vec();
        ranked.sort_by(|a, b| area(b).total_cmp(&area(a)));
        ranked.truncate(TELLING);
        some.iter().copied().filter(|k| ranked.contains(k)).collect()
    }

    /// Finds the motion of a group of the first key and makes it a piece; false if none fits.
    /// `base` is the piece whose motion is expected.
    fn figure(&mut self, cluster: &[usize], base: usize) -> bool {
        let [a, b] = self.keys;
        // What touches a figure is a part of it or of the ground; it does not move in a third way.
        let touches = self.beside(0, cluster) >= self.grounds;
        let expected = self.pieces[base].motion;
        let group = a.together(cluster);
        if group.within(&expected, &b.appearance) < STAYS {
            self.join(0, base, cluster);
            return true;
        }
        let open: Vec<usize> = (0..b.groups.len()).filter(|&s| self.of[1][s].is_none()).collect();
        let mut seeds: Vec<Affine> = self.pieces.iter().map(|p| p.motion).collect();
        // If there are very many, the large ones suffice.
        let likeliest = self.largest(1, &open);
        for r in self.largest(0, cluster) {
            let r = &a.regions.list[r];
            for &s in &likeliest {
                let s = &b.regions.list[s];
                let ratio = s.area / r.area;
                if colours(r.colour, s.colour) > OTHER_COLOUR || !(0.25..4.0).contains(&ratio) {
                    continue;
                }
                seeds.extend(by_moments((r.middle, r.moments), (s.middle, s.moments)));
            }
        }
        // Whole against whole, and also with any one region left out that may merely touch.
        let firsts = a.without_one(cluster);
        for other in self.clusters(1, &vec![false; b.groups.len()]).iter().take(6) {
            for last in b.without_one(other) {
                for first in &firsts {
                    seeds.extend(by_moments(
                        (first.middle, first.moments),
                        (last.middle, last.moments),
                    ));
                }
            }
        }
        let mut search = self.search(0, expected);
        if base >= self.grounds {
            search.joint = self.joint(0, cluster, base);
        }
        let mut thinned = group.clone();
        thinned.points = thin(thinned.points, 500);
        let Some(found) = search.best(&thinned, &seeds) else { return false };
        let Some(back) = found.motion.inverse() else { return false };
        if search.torn(&found.motion) > 2.0 * SLACK {
            return false;
        }
        let moved = [found.motion.at(group.middle), expected.at(group.middle)];
        let off = libm::hypotf(moved[0][0] - moved[1][0], moved[0][1] - moved[1][1]);
        if touches && base < self.grounds && off > WITH_GROUND * self.diagonal {
            return false;
        }
        let follows = |key: usize, k: usize, motion: &Affine| {
            let side = self.keys[key];
            let other = 1 - key;
            let group = &side.groups[k];
            let (appearance, explained) = (&self.keys[other].appearance, &self.explained[other]);
            group.within(motion, appearance) > 0.3
                && group.follows(motion, appearance, Some(explained)) >= FOLLOWS
        };
        let first: Vec<usize> =
            cluster.iter().copied().filter(|&k| follows(0, k, &found.motion)).collect();
        let last: Vec<usize> = open.iter().copied().filter(|&k| follows(1, k, &back)).collect();
        let (found_a, found_b) = (a.size(&first), b.size(&last));
        let share = found_a / a.size(cluster);
        let ratio = found_b / found_a.max(1.0);
        if share < if touches { PART } else { FIGURE } {
            return false;
        }
        if touches && !(0.6..1.7).contains(&ratio) || !(0.35..3.0).contains(&ratio) {
            return false;
        }
        self.add(found.motion, [first, last]);
        true
    }
}

/// The shifts of the whole picture that explain the most, at an eighth of the size.
fn shifts(whole: &Group, other: &Appearance, h: usize, w: usize) -> Vec<Affine> {
    let none = Explained::none(h, w);
    let step = 8i32;
    let (rows, columns) = (h as i32 * 2 / 5 / step, w as i32 * 9 / 20 / step);
    let mut few = whole.clone();
    few.points = thin(few.points, 500);
    let places: Vec<[i32; 2]> =
        (-rows..=rows).flat_map(|y| (-columns..=columns).map(move |x| [x, y])).collect();
    let mut scored: Vec<(f32, Affine)> = places
        .par_iter()
        .map(|[x, y]| {
            let shift = Affine::shift([(x * step) as f32, (y * step) as f32]);
            (few.agreement(&shift, other, &none, 3, Leaving::IsLeftOut), shift)
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<Affine> = Vec::new();
    for (_, shift) in scored {
        if kept
            .iter()
            .all(|k| libm::hypotf(k.to[0] - shift.to[0], k.to[1] - shift.to[1]) > 1.5 * step as f32)
        {
            kept.push(shift);
        }
        if kept.len() == 5 {
            break;
        }
    }
    kept
}
