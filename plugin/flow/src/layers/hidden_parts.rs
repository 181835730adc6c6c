//! Limbs that one key hides behind the rest of their figure.
//!
//! A leg that swings behind the other one, or an arm behind the body, has no counterpart. If it
//! moved with what it touches, it would stand out where the other key shows the ground. So it is
//! turned around its joint until it disappears behind the figure, or lands on what is still visible
//! of it.

use super::explain::Scene;
use super::side::{LIKE_COLOUR, colours};
use super::transform::{Affine, turn};

/// Share of a limb that the other key contradicts, from which it does not move with what it touches.
const CONTRADICTED: f32 = 0.25;
/// Largest such share if it is hidden.
const HIDDEN: f32 = 0.16;
/// Largest turn, and the step in which turns are tried, in radians.
const MOST: f32 = 1.3;
const STEP: f32 = 0.05;
/// Deduction for a turn of one radian.
const TURNED: f32 = 0.1;
/// Largest distance that a joint moves in x and y, in samples, because it is hidden itself; the step
/// in which distances are tried, and the deduction for each sample.
const OFF: f32 = 12.0;
const APART: f32 = 4.0;
const SHIFTED: f32 = 0.005;
/// Share of a region that must lie under the limb to be the visible part of it.
const VISIBLE: f32 = 0.5;
/// Lowest score of a motion that is believed.
const LEAST: f32 = -0.16;
/// Share of a limb that lands on something like it, from which that is the limb itself.
const FOUND: f32 = 0.5;
/// Largest difference of the logarithms of the sizes of a thing in both keys.
const SIZE: f32 = 0.8;
/// Most parts of a figure on which a limb may hang.
const PARTS: usize = 6;
/// Most pixels that are compared.
const ASKED: usize = 300;

impl Scene<'_> {
    /// Explains the limbs of each key that the other one hides, the largest first: of a limb that
    /// both keys show in part, the larger part tells more.
    pub(super) fn hidden_parts(&mut self) {
        let keys = [0, 1].into_iter();
        let limbs = keys.flat_map(|key| {
            let limbs = self.clusters(key, &vec![false; self.keys[key].groups.len()]);
            limbs.into_iter().map(move |limb| (key, limb))
        });
        let mut limbs: Vec<(usize, Vec<usize>)> = limbs.collect();
        limbs.sort_by(|a, b| {
            let size = |(key, limb): &(usize, Vec<usize>)| self.keys[*key].size(limb);
            size(b).total_cmp(&size(a))
        });
        for (key, mut limb) in limbs {
            limb.retain(|&k| self.of[key][k].is_none());
            let base = self.beside(key, &limb);
            let carried = self.motion(base, key).filter(|_| base >= self.grounds);
            let Some(carried) = carried.filter(|_| !limb.is_empty()) else { continue };
            if self.landing(key, &limb, &carried).against < CONTRADICTED {
                continue;
            }
            let Some((motion, found)) = self.behind(key, &limb) else { continue };
            let Some(back) = motion.inverse() else { continue };
            let visible = self.visible(key, &limb, &back);
            if found < FOUND && self.changed(key, &limb, &visible) {
                continue;
            }
            let (motion, members) = match key {
                0 => (motion, [limb, visible]),
                _ => (back, [visible, limb]),
            };
            self.add(motion, members).shown_by = Some(key);
        }
    }

    /// The motion that hides a limb of `key`, the one that deviates least from that of a part of
    /// the figure, and the share of the limb that lands on something like it.
    fn behind(&self, key: usize, limb: &[usize]) -> Option<(Affine, f32)> {
        let mut all = self.connected(key, limb);
        let joint = self.joint(key, limb, &all);
        // The large parts of a figure suffice.
        let size = |p: usize| self.keys[key].size(&self.pieces[p].members[key]);
        all.sort_by(|&p, &q| size(q).total_cmp(&size(p)));
        all.truncate(PARTS);
        let part = 1.0 / joint.len().max(1) as f32;
        let middle = [0, 1].map(|c| joint.iter().map(|at| part * at[c]).sum());
        let steps = |most: f32, step: f32| {
            let n = (most / step) as i32;
            (-n..=n).map(move |n| n as f32 * step)
        };
        let shifts: Vec<[f32; 2]> =
            steps(OFF, APART).flat_map(|y| steps(OFF, APART).map(move |x| [x, y])).collect();
        let mut best: Option<(f32, Affine, f32)> = None;
        for base in all.iter().filter_map(|&p| self.motion(p, key)) {
            // What is foreshortened is another part.
            let (turned, to) = (base.polar().0, base.at(middle));
            for angle in steps(MOST, STEP) {
                for &[x, y] in &shifts {
                    let odd = TURNED * angle.abs() + SHIFTED * libm::hypotf(x, y);
                    if best.is_some_and(|best| 1.0 - odd <= best.0) {
                        continue;
                    }
                    let to = [to[0] + x, to[1] + y];
                    let motion = Affine { m: turn(turned + angle), from: middle, to };
                    let landing = self.landing(key, limb, &motion);
                    let score = landing.found - landing.against - odd;
                    if landing.against < HIDDEN && score > best.map_or(LEAST, |best| best.0) {
                        best = Some((score, motion, landing.found));
                    }
                }
            }
        }
        best.map(|(_, motion, found)| (motion, found))
    }

    /// Unexplained regions of the other key that a limb of `key` covers. `back` leads there from
    /// the other key.
    fn visible(&self, key: usize, limb: &[usize], back: &Affine) -> Vec<usize> {
        let other = self.keys[1 - key];
        let covered = |m: &usize| {
            let places = &other.places[*m];
            let step = places.len().div_ceil(ASKED).max(1);
            let there = self.regions_there(1 - key, *m, back, step).flatten();
            let under = there.filter(|k| limb.contains(k) && self.like(key, *k, *m));
            under.count() as f32 > VISIBLE * places.len().div_ceil(step) as f32
        };
        (0..other.groups.len()).filter(|&m| self.of[1 - key][m].is_none()).filter(covered).collect()
    }

    /// Whether the other key shows something like a limb of `key` elsewhere than where the limb
    /// covers it: then the limb changed rather than disappeared.
    fn changed(&self, key: usize, limb: &[usize], visible: &[usize]) -> bool {
        let (side, other) = (self.keys[key], self.keys[1 - key]);
        limb.iter().any(|&k| {
            (0..other.groups.len()).any(|m| {
                let open = self.of[1 - key][m].is_none() && !visible.contains(&m);
                let size = libm::logf(other.area(m) / side.area(k)).abs();
                open && size < SIZE && self.like(key, k, m)
            })
        })
    }

    /// What the other key shows where `motion` takes a limb of `key`.
    fn landing(&self, key: usize, limb: &[usize], motion: &Affine) -> Landing {
        let side = self.keys[key];
        let whole: usize = limb.iter().map(|&k| side.places[k].len()).sum();
        let step = whole.div_ceil(ASKED).max(1);
        let (mut found, mut against, mut all) = (0, 0, 0);
        for &k in limb {
            for there in self.regions_there(key, k, motion, step) {
                all += 1;
                let Some(m) = there else { continue };
                match self.of[1 - key][m] {
                    None => found += usize::from(self.like(key, k, m)),
                    Some(p) => against += usize::from(p == 0),
                }
            }
        }
        let share = |n: usize| n as f32 / all.max(1) as f32;
        Landing { found: share(found), against: share(against) }
    }

    /// Whether region `k` of `key` and region `m` of the other key have about the same colour.
    pub(super) fn like(&self, key: usize, k: usize, m: usize) -> bool {
        let colour = |key: usize, k: usize| self.keys[key].regions.list[k].colour;
        colours(colour(key, k), colour(1 - key, m)) < LIKE_COLOUR
    }
}

/// What the other key shows where a limb would be, as shares of the limb.
struct Landing {
    /// Unexplained things that look like it.
    found: f32,
    /// The ground.
    against: f32,
}
