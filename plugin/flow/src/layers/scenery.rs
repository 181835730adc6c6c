//! Things of the ground that a figure passes before, taken from the figure again.
//!
//! A tree that a car covers in part looks like a part of the car, and a tree that comes out behind it like another one
//! that moves. What figures hide says nothing against the ground: a region goes back to it if all that can be
//! seen of it agrees.

use super::explain::Work;
use super::transform::Affine;

/// Agreement, what is hidden counted as agreeing, from which the ground explains a region.
const EXPLAINED: f32 = 0.72;
/// Share of it that must be seen there to know it again.
const SEEN: f32 = 0.45;
/// Share of its border along which it must touch the ground: what is within a figure belongs to it.
const OPEN: f32 = 0.3;
/// Share of a region that its figure carries onto the ground's own, where it is no part of the figure.
const FOREIGN: f32 = 0.5;

impl Work<'_> {
    /// Gives back to the ground what it explains as well as the figure does.
    pub(super) fn scenery(&mut self) {
        for key in [0, 1, 0, 1] {
            for k in 0..self.keys[key].groups.len() {
                if let Some(piece) = self.of[key][k].filter(|&p| p >= self.grounds)
                    && let Some(ground) = self.scenery_of(key, k, piece)
                {
                    self.pieces[piece].members[key].retain(|&m| m != k);
                    self.join(key, ground, &[k]);
                }
            }
        }
    }

    /// The ground that explains region `k` of `key`, of figure `piece`.
    fn scenery_of(&self, key: usize, k: usize, piece: usize) -> Option<usize> {
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
        let looks = &self.keys[1 - key].looks;
        let (mut agreed, mut seen, mut whole) = (0.0, 0.0, 1e-6);
        for (point, like) in side.groups[k].likes(&motion, looks) {
            let hidden = self.covered(key, &motion, point.at).is_some_and(|p| p >= self.grounds);
            whole += point.weight;
            agreed += point.weight * if hidden { 1.0 } else { like };
            seen += point.weight * if hidden { 0.0 } else { like };
        }
        if agreed < EXPLAINED * whole {
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
        (seen > SEEN * whole || foreign()).then_some(ground)
    }

    /// The piece that `motion` carries a place of `key` onto in the other key.
    fn covered(&self, key: usize, motion: &Affine, at: [f32; 2]) -> Option<usize> {
        let other = &self.keys[1 - key].regions;
        let q = motion.at(at).map(|v| (v + 0.5).floor());
        let inside = q[0] >= 0.0 && q[1] >= 0.0 && q[0] < other.w as f32 && q[1] < other.h as f32;
        let region = inside.then(|| other.at(q[1] as usize * other.w + q[0] as usize)).flatten()?;
        self.of[1 - key][region]
    }
}
