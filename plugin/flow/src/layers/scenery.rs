//! Returns things of the ground to it that were taken for parts of a figure which passes in front
//! of them.
//!
//! A tree that is partly covered by a car looks like a part of the car, and a tree that appears
//! behind it looks like another moving part. What figures hide is no evidence against the ground,
//! so a region is returned to it if everything visible of the region agrees.

use super::explain::Scene;
use super::side::{LIKE_COLOUR, colours};
use super::transform::Affine;

/// Agreement from which the ground explains a region, where hidden points count as agreeing.
const EXPLAINED: f32 = 0.72;
/// Share of a region that must be visible there to recognise it.
const SEEN: f32 = 0.45;
/// The share if everything visible agrees.
const GLIMPSE: f32 = 0.2;
/// Share of its border along which it must touch the ground, because what is inside a figure
/// belongs to it.
const OPEN: f32 = 0.3;
/// Agreement from which a region counts as found, and the share of a figure that must be ...
const FIRM: f32 = 0.6;
/// ... see [`FIRM`].
const MOST: f32 = 0.6;
/// Share of a region that its figure maps onto the ground's own pixels, from which it is not a part
/// of the figure.
const FOREIGN: f32 = 0.5;

/// Largest difference of the logarithms of the sizes of things that are alike.
const SIZE: f32 = 1.6;

impl Scene<'_> {
    /// Returns to the ground what it explains as well as the figure does.
    pub(super) fn scenery(&mut self) {
        // The current state is used, because a region that is returned to the ground says nothing
        // about the next region.
        let firm: Vec<bool> =
            (0..self.pieces.len()).map(|p| p >= self.grounds && self.firm(p)).collect();
        for key in [0, 1, 0, 1] {
            for k in 0..self.keys[key].groups.len() {
                if let Some(piece) = self.of[key][k].filter(|&p| p >= self.grounds)
                    && let Some(ground) = self.scenery_of(key, k, piece, firm[piece])
                {
                    self.pieces[piece].members[key].retain(|&m| m != k);
                    self.join(key, ground, &[k]);
                }
            }
        }
    }

    /// Whether most of a figure is found where its motion carries it. If so, regions that are not
    /// found do not belong to it.
    fn firm(&self, piece: usize) -> bool {
        let (mut follows, mut whole) = (0.0, 0.0);
        for key in 0..2 {
            let side = self.keys[key];
            let Some(motion) = self.motion(piece, key) else { return false };
            for &k in &self.pieces[piece].members[key] {
                let like = side.groups[k].follows(&motion, &self.keys[1 - key].appearance, None);
                whole += side.area(k);
                follows += if like > FIRM { side.area(k) } else { 0.0 };
            }
        }
        follows > MOST * whole
    }

    /// The ground that explains region `k` of `key`, which belongs to figure `piece`.
    fn scenery_of(&self, key: usize, k: usize, piece: usize, firm: bool) -> Option<usize> {
        let side = self.keys[key];
        let ground = self.ground_of(key, &[k]);
        let beside = &side.regions.list[k].beside;
        let all: u32 = beside.iter().map(|b| b.1).sum();
        let is_ground = |n: usize| self.of[key][n].is_some_and(|p| p < self.grounds);
        let open: u32 = beside.iter().filter(|b| is_ground(b.0)).map(|b| b.1).sum();
        if (open as f32) < OPEN * all as f32 {
            return None;
        }
        let motion = self.motion(ground, key)?;
        let appearance = &self.keys[1 - key].appearance;
        // For everything comparable, and for its own outline: agreed, seen, whole.
        let (mut all, mut outline) = ([0.0, 0.0, 1e-6], [0.0, 0.0, 1e-6]);
        let at_border = side.regions.list[k].at_border;
        let mut shared = 0.0;
        for (point, like) in side.groups[k].likes(&motion, appearance) {
            let i = side.regions.pixel(point.at);
            let line = side.regions.core[i] as usize != k + 1;
            if line && !at_border && self.of_figure(key, k, i) {
                shared += point.weight;
                continue;
            }
            let hidden = self.covered(key, &motion, point.at).is_some_and(|p| p >= self.grounds);
            let (agreed, seen) = if hidden { (1.0, 0.0) } else { (like, like) };
            let point = [agreed, seen, 1.0].map(|v| point.weight * v);
            let add = |sums: &mut [f32; 3]| sums.iter_mut().zip(point).for_each(|(s, v)| *s += v);
            add(&mut all);
            if line {
                add(&mut outline);
            }
        }
        let [agreed, seen, whole] = all;
        let contradicted = outline[0] < EXPLAINED * outline[2];
        let enclosed = outline[2] < OPEN * (outline[2] + shared);
        if agreed < EXPLAINED * whole || !at_border && (contradicted || enclosed) {
            return None;
        }
        let foreign = || {
            let own = self.motion(piece, key);
            let points = &side.groups[k].points;
            let on_ground = points.iter().filter(|point| {
                let there = own.and_then(|own| self.covered(key, &own, point.at));
                there.is_some_and(|p| p < self.grounds)
            });
            on_ground.count() as f32 > FOREIGN * points.len() as f32
        };
        let known = seen > SEEN * whole || seen > GLIMPSE * whole && whole - agreed < 0.5 * seen;
        (known || firm && foreign() && self.like_ground(key, k)).then_some(ground)
    }

    /// Whether the ground of `key` shows other things like region `k`. A limb whose place the figure
    /// covers in the other key is hidden there as well, but nothing of the ground looks like it.
    fn like_ground(&self, key: usize, k: usize) -> bool {
        let side = self.keys[key];
        let own = &side.regions.list[k];
        side.regions.list.iter().enumerate().any(|(m, other)| {
            let of_ground = m != k && self.of[key][m].is_some_and(|p| p < self.grounds);
            let size = libm::logf(other.area / own.area).abs();
            of_ground && size < SIZE && colours(own.colour, other.colour) < LIKE_COLOUR
        })
    }

    /// Whether the line of region `k` at pixel `i` also belongs to a figure.
    fn of_figure(&self, key: usize, k: usize, i: usize) -> bool {
        let regions = &self.keys[key].regions;
        let beside = [regions.label[i], regions.across[i]].map(|l| (l as usize).checked_sub(1));
        let figure = |m: usize| self.of[key][m].is_some_and(|p| p >= self.grounds);
        beside.into_iter().flatten().any(|m| m != k && figure(m))
    }

    /// The piece onto which `motion` maps a place of `key` in the other key.
    pub(super) fn covered(&self, key: usize, motion: &Affine, at: [f32; 2]) -> Option<usize> {
        self.of[1 - key][self.region_there(key, motion, at)?]
    }

    /// The regions of the other key onto which `motion` maps every `step`th pixel of region `k` of
    /// `key`; `None` for pixels that leave the picture.
    pub(super) fn regions_there(
        &self,
        key: usize,
        k: usize,
        motion: &Affine,
        step: usize,
    ) -> impl Iterator<Item = Option<usize>> {
        let (places, w) = (&self.keys[key].places[k], self.keys[key].regions.w);
        places.iter().step_by(step).map(move |&i| {
            let at = [(i as usize % w) as f32, (i as usize / w) as f32];
            self.region_there(key, motion, at)
        })
    }

    /// The region of the other key onto which `motion` maps a place of `key`.
    fn region_there(&self, key: usize, motion: &Affine, at: [f32; 2]) -> Option<usize> {
        let other = &self.keys[1 - key].regions;
        let q = motion.at(at).map(|v| (v + 0.5).floor());
        let inside = q[0] >= 0.0 && q[1] >= 0.0 && q[0] < other.w as f32 && q[1] < other.h as f32;
        inside.then(|| other.at(q[1] as usize * other.w + q[0] as usize)).flatten()
    }
}
