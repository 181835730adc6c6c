//! Explains the keys by pieces: the ground first, then figures, then their parts.
//!
//! Each round takes connected regions that are not explained yet, finds the one motion that best
//! maps them to similar ones in the other key, and keeps the regions that follow it. The remainder
//! is smaller and is processed again. Nothing in either key is explained twice.

use super::appearance::{Explained, Leaving, STAYS};
use super::register::{SLACK, Search, by_moments, thin};
use super::rows;
use super::side::{Side, colours};
use super::transform::{Affine, Point};
use crate::segments::{groups, neighbours};

/// Agreement from which a region follows a motion.
pub(super) const FOLLOWS: f32 = 0.72;
/// Share of a free-standing figure, and of a part of a figure, that must follow a motion.
const FIGURE: f32 = 0.2;
const PART: f32 = 0.8;
/// How far the motion of something that touches a figure without belonging to it may deviate from
/// the ground's, as a share of the diagonal.
const WITH_GROUND: f32 = 0.04;
/// Largest turn of a part against what it hangs on, in radians.
const TURNED: f32 = 1.6;
/// Difference in colour (Lab) from which two regions are not the same.
pub(super) const OTHER_COLOUR: f32 = 26.0;
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
    /// The key that shows it whole, if the other one hides it or a part of it.
    pub(super) shown_by: Option<usize>,
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
    /// Pieces in front of others: the first of each pair in front of the second.
    pub(super) overlaps: Vec<(usize, usize)>,
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
        overlaps: Vec::new(),
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
    pub(super) fn add(&mut self, motion: Affine, members: [Vec<usize>; 2]) -> &mut Piece {
        let name = self.pieces.len();
        for (key, members) in members.iter().enumerate() {
            for &k in members {
                self.of[key][k] = Some(name);
                for &i in &self.keys[key].places[k] {
                    self.explained[key].v[i as usize] = true;
                }
            }
        }
        self.pieces.push(Piece { motion, members, unit: None, shown_by: None });
        &mut self.pieces[name]
    }

    /// Adds regions of `key` to a piece without checking the other key.
    pub(super) fn join(&mut self, key: usize, piece: usize, some: &[usize]) {
        for &k in some {
            self.of[key][k] = Some(piece);
            self.pieces[piece].members[key].push(k);
        }
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

    /// Where a group of regions of `key` touches some pieces: some places along their common line.
    pub(super) fn joint(&self, key: usize, group: &[usize], pieces: &[usize]) -> Vec<Point> {
        self.contact(key, group, |m| self.of[key][m].is_some_and(|p| pieces.contains(&p)))
    }

    /// Where a group of regions of `key` touches others: some places along their common line.
    pub(super) fn contact(
        &self,
        key: usize,
        group: &[usize],
        other: impl Fn(usize) -> bool,
    ) -> Vec<Point> {
        let regions = &self.keys[key].regions;
        let (h, w) = (regions.h, regions.w);
        let mut out = Vec::new();
        for &k in group {
            for &i in &self.keys[key].places[k] {
                let mut beside = neighbours(i as usize, h, w).into_iter().flatten();
                let touches = beside.any(|n| regions.at(n).is_some_and(&other));
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
            // Things that merely touch do not move as one, so the largest is tried alone.
            let mut one = cluster[0];
            for &k in &cluster {
                if self.keys[0].area(k) > self.keys[0].area(one) {
                    one = k;
                }
            }
            if cluster.len() == 1 || !self.figure(&[one], base) {
                skip[one] = true;
            }
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
            search.joint = self.joint(0, cluster, &[base]);
        }
        let mut thinned = group.clone();
        thinned.points = thin(thinned.points, 500);
        let Some(found) = search.best(&thinned, &seeds) else { return false };
        if search.torn(&found.motion) > 2.0 * SLACK {
            return false;
        }
        let moved = [found.motion.at(group.middle), expected.at(group.middle)];
        let off = libm::hypotf(moved[0][0] - moved[1][0], moved[0][1] - moved[1][1]);
        if touches && base < self.grounds && off > WITH_GROUND * self.diagonal {
            return false;
        }
        let turned = found.motion.polar().0 - expected.polar().0;
        let hangs = || !self.connected(0, cluster).is_empty();
        if libm::cosf(turned) < libm::cosf(TURNED) && hangs() {
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
        // What does not follow has had its say in the motion as well.
        let mut core = a.together(&first);
        core.points = thin(core.points, 500);
        let rough = search.climb(&core, found.motion, 1, &[3.0, 1.5], false);
        let found = search.climb(&core, rough.motion, 0, &[2.0, 1.0, 0.5], false);
        let Some(back) = found.motion.inverse() else { return false };
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
