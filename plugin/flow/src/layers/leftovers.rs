//! Assigns regions that were found in only one key, or that changed too much.

use super::appearance::{Explained, Group, Leaving};
use super::explain::Scene;
use super::register::{Registration, by_moments};
use super::side::{LIKE_COLOUR, colours};

/// Agreement at a quarter of the size from which something is a changed part of the figure it
/// touches.
const CHANGED: f32 = 0.4;
/// Score of a motion from which two free-standing things that look alike are the same one with a
/// changed shape ...
const LIKE: f32 = 0.2;
/// ... and the score needed if the motion turns it by more than [`TURNED`] (radians).
const SURE: f32 = 0.5;
/// See [`SURE`].
const TURNED: f32 = 0.5;
/// How much better such a motion must be than one without the turn.
const UPRIGHT: f32 = 0.15;
/// Share of its border along which something that the other key hides may touch figures.
const TOUCHES: f32 = 0.04;
/// Share of a region that may look different in the other key if it counts as hidden there.
const HIDDEN: f32 = 0.3;
/// About as many pixels of a region are compared.
const ASKED: usize = 200;
/// Share of a region that must be seen on such a part of a figure for it to be the same part ...
const SEEN: f32 = 0.2;
/// ... and the share of everything that is seen there, without what other parts may hide.
const COUNTERPART: f32 = 0.6;

/// Connected regions that are not explained.
struct Unexplained {
    some: Vec<usize>,
    group: Group,
    /// It touches no figure.
    free: bool,
    size: f32,
    /// Colour of its largest region.
    colour: [f32; 3],
}

impl Scene<'_> {
    /// Regions that were not found move with what they touch, unless the other key contradicts
    /// that.
    pub(super) fn leftovers(&mut self) {
        self.resembling();
        // What one key learns, the other may use.
        for key in [0, 1, 0, 1] {
            self.same_parts(key);
            self.changed_parts(key);
        }
        self.hidden_parts();
        for key in 0..2 {
            self.hidden_grounds(key);
            let skip = vec![false; self.keys[key].groups.len()];
            for cluster in self.clusters(key, &skip) {
                let piece = self.beside(key, &cluster);
                self.join(key, piece, &cluster);
            }
        }
    }

    /// Joins each unexplained region of `key` to the figure with the highest score, among those that
    /// it hangs together with. `score` is of a region and a figure; `None` rules the figure out.
    fn join_best(&mut self, key: usize, score: impl Fn(&Self, usize, usize) -> Option<f32>) {
        for cluster in self.clusters(key, &vec![false; self.keys[key].groups.len()]) {
            let figures = self.connected(key, &cluster);
            for k in cluster {
                let scores = figures.iter().filter_map(|&p| Some((score(self, k, p)?, p)));
                if let Some((_, p)) = scores.reduce(|a, b| if b.0 > a.0 { b } else { a }) {
                    self.join(key, p, &[k]);
                }
            }
        }
    }

    /// Regions that a figure maps onto the same part of itself. What they touch most may be another
    /// part of the figure.
    fn same_parts(&mut self, key: usize) {
        self.join_best(key, |scene, k, p| {
            let (mut like, mut seen) = (0, 0);
            let motion = scene.motion(p, key)?;
            for m in scene.regions_there(key, k, &motion, scene.step(key, k)).flatten() {
                match scene.of[1 - key][m] {
                    Some(q) if q == p && scene.like(key, k, m) => {
                        (like, seen) = (like + 1, seen + 1);
                    }
                    Some(q) if q == p || q < scene.grounds => seen += 1,
                    // What else the figure has may be in front of it.
                    _ => {}
                }
            }
            let all = scene.keys[key].places[k].len().div_ceil(scene.step(key, k));
            let part = like as f32 / all as f32;
            (part > SEEN && like as f32 > COUNTERPART * seen as f32).then_some(part)
        });
    }

    /// Regions that a figure carries to something similar, but not similar enough to follow it.
    fn changed_parts(&mut self, key: usize) {
        let regions = &self.keys[key].regions;
        let none = Explained::none(regions.h, regions.w);
        self.join_best(key, |scene, k, p| {
            let (motion, group) = (scene.motion(p, key)?, &scene.keys[key].groups[k]);
            let other = &scene.keys[1 - key].appearance;
            let like = group.agreement(&motion, other, &none, 2, Leaving::Disagrees);
            (like > CHANGED).then_some(like)
        });
    }

    /// The figures with which regions of `key` hang together, directly or through others: an arm in
    /// front of a body may leave no line between the two parts of the body that it divides.
    pub(super) fn connected(&self, key: usize, some: &[usize]) -> Vec<usize> {
        let regions = &self.keys[key].regions.list;
        let of_ground = |k: usize| self.of[key][k].is_some_and(|p| p < self.grounds);
        let mut seen = vec![false; regions.len()];
        some.iter().for_each(|&k| seen[k] = true);
        let mut open = some.to_vec();
        let mut figures = std::collections::BTreeSet::new();
        while let Some(k) = open.pop() {
            figures.extend(self.of[key][k].filter(|&p| p >= self.grounds));
            for &(n, _) in regions[k].beside.iter().filter(|b| !of_ground(b.0)) {
                if !std::mem::replace(&mut seen[n], true) {
                    open.push(n);
                }
            }
        }
        figures.into_iter().collect()
    }

    /// Parts of the ground that the other key hides. Regions that touch a figure are more likely
    /// parts of it.
    fn hidden_grounds(&mut self, key: usize) {
        let side = self.keys[key];
        for cluster in self.clusters(key, &vec![false; side.groups.len()]) {
            let (mut open, mut covered) = (0, 0);
            for &(n, border) in cluster.iter().flat_map(|&k| &side.regions.list[k].beside) {
                match self.of[key][n] {
                    Some(p) if p < self.grounds => open += border,
                    Some(_) => covered += border,
                    None => {}
                }
            }
            if open < 3 || covered as f32 > TOUCHES * (open + covered) as f32 {
                continue;
            }
            for k in cluster {
                let ground = self.ground_of(key, &[k]);
                if self.contradicted(key, k, ground) < HIDDEN {
                    self.join(key, ground, &[k]);
                }
            }
        }
    }

    /// Free-standing things that remain in both keys and look alike are the same thing with a
    /// changed shape.
    fn resembling(&mut self) {
        let left = |key: usize| -> Vec<Unexplained> {
            let side = self.keys[key];
            let clusters = self.clusters(key, &vec![false; side.groups.len()]);
            let of = |some: Vec<usize>| Unexplained {
                free: self.beside(key, &some) < self.grounds,
                size: side.size(&some),
                colour: side.colour_of_largest(&some),
                group: side.together(&some),
                some,
            };
            clusters.into_iter().map(of).collect()
        };
        let (firsts, lasts) = (left(0), left(1));
        let mut pairs = Vec::new();
        for (i, first) in firsts.iter().enumerate() {
            let ground = self.pieces[self.ground_of(0, &first.some)].motion;
            let expected = ground.at(first.group.middle);
            for (j, last) in lasts.iter().enumerate() {
                let size = libm::logf(first.size / last.size).abs();
                let colour = colours(first.colour, last.colour);
                let to = last.group.middle;
                let far = libm::hypotf(expected[0] - to[0], expected[1] - to[1]);
                // In one of the keys it may touch a figure.
                if (first.free || last.free) && colour < LIKE_COLOUR && size < 1.3 {
                    pairs.push((colour / LIKE_COLOUR + size + 2.0 * far / self.diagonal, i, j));
                }
            }
        }
        pairs.sort_by(|x, y| x.0.total_cmp(&y.0));
        for (_, i, j) in pairs {
            let (first, last) = (&firsts[i], &lasts[j]);
            if self.of[0][first.some[0]].is_some() || self.of[1][last.some[0]].is_some() {
                continue;
            }
            let (p, q) = (&first.group, &last.group);
            let search = self.search(0, self.pieces[self.ground_of(0, &first.some)].motion);
            let better = |x: Registration, y: Registration| if y.score > x.score { y } else { x };
            let turns = |f: &Registration| f.motion.polar().0.abs() > TURNED;
            let all: Vec<Registration> = by_moments((p.middle, p.moments), (q.middle, q.moments))
                .into_iter()
                .map(|motion| Registration { motion, score: search.score(p, &motion, 1) })
                .collect();
            let upright = all.iter().copied().filter(|f| !turns(f)).reduce(better);
            let best = all.iter().copied().reduce(better).map(|best| {
                // Something that looks about the same either way up was not turned over.
                upright.filter(|f| f.score > best.score - UPRIGHT).unwrap_or(best)
            });
            let least = |f: &Registration| if turns(f) { SURE } else { LIKE };
            if let Some(found) = best.filter(|f| f.score > least(f)) {
                self.add(found.motion, [first.some.clone(), last.some.clone()]);
            }
        }
    }

    /// Share of region `k` that looks different in the other key if it moves with piece `p`, where
    /// the other key shows that piece itself or the ground.
    fn contradicted(&self, key: usize, k: usize, p: usize) -> f32 {
        let Some(motion) = self.motion(p, key) else { return 1.0 };
        let (mut seen, mut count) = (0, 0);
        for there in self.regions_there(key, k, &motion, self.step(key, k)) {
            count += 1;
            let piece = there.and_then(|m| self.of[1 - key][m]);
            seen += usize::from(piece.is_some_and(|q| q == p || q < self.grounds));
        }
        seen as f32 / count.max(1) as f32
    }

    /// Step from one compared pixel of region `k` of `key` to the next.
    fn step(&self, key: usize, k: usize) -> usize {
        (self.keys[key].places[k].len() / ASKED).max(1)
    }
}
