//! Finds what repeats in the ground. A tile that a figure covers looks like any tile that it
//! uncovers, and must not be matched with it.

use super::explain::Scene;
use super::regions::Region;
use super::side::{ALIKE, SAME_COLOUR, colours};

/// Least number of alike regions for a repeat, because a figure has a few things that look alike.
const REPEATED: usize = 8;
/// Agreement from which a point counts as seen in its place.
const SEEN: f32 = 0.6;
/// Share of points that must be seen for a part of a repeat and for a whole one, and share that
/// must be seen or hidden for a whole one behind a figure.
const PART: f32 = 0.85;
const WHOLE: f32 = 0.65;
const BEHIND: f32 = 0.75;

/// How similar a region is to others that move with the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    None,
    /// It has their colour, so it may be the visible rest of one behind a figure.
    Part,
    /// It has their size as well.
    Whole,
}

impl Scene<'_> {
    /// For each region of `key`, how far it repeats what moves with the ground: tiles, windows,
    /// posts of a fence.
    pub(super) fn repeats_of_ground(&self, key: usize) -> Vec<Repeat> {
        let list = &self.keys[key].regions.list;
        let ground: Vec<&Region> = list
            .iter()
            .zip(&self.of[key])
            .filter(|(region, of)| !region.at_border && of.is_some_and(|p| p < self.grounds))
            .map(|(region, _)| region)
            .collect();
        let coloured = |a: &Region, b: &Region| colours(a.colour, b.colour) < SAME_COLOUR;
        let sized = |a: &Region, b: &Region| (1.0 / ALIKE..ALIKE).contains(&(a.area / b.area));
        let alike = |a: &Region, b: &Region| coloured(a, b) && sized(a, b);
        let repeated = |a: &&Region| ground.iter().filter(|b| alike(a, b)).count() >= REPEATED;
        let tiles: Vec<&Region> = ground.iter().copied().filter(repeated).collect();
        let repeat = |region: &Region| {
            let like = |tile: &&&Region| coloured(region, tile) && region.area < ALIKE * tile.area;
            let like: Vec<_> = tiles.iter().filter(like).collect();
            match like.iter().any(|tile| sized(region, tile)) {
                true => Repeat::Whole,
                false if like.is_empty() => Repeat::None,
                false => Repeat::Part,
            }
        };
        list.iter().map(repeat).collect()
    }

    /// Assigns to the ground those of its repeats that the other key shows in their place, unless
    /// hidden by a figure.
    pub(super) fn repeats_in_place(&mut self, key: usize, repeats: &[Repeat]) {
        let in_place = |&k: &usize| self.of[key][k].is_none() && self.in_place(key, k, repeats[k]);
        let found: Vec<usize> = (0..repeats.len()).filter(in_place).collect();
        for k in found {
            self.join(key, self.ground_of(key, &[k]), &[k]);
        }
    }

    /// Puts groups that consist only of repeats after all others.
    pub(super) fn repeats_last(groups: &mut [Vec<usize>], repeats: &[Repeat]) {
        groups.sort_by_key(|some| some.iter().all(|&k| repeats[k] == Repeat::Whole));
    }

    fn in_place(&self, key: usize, k: usize, repeat: Repeat) -> bool {
        let Some(motion) = self.motion(self.ground_of(key, &[k]), key) else { return false };
        let regions = &self.keys[key].regions;
        let (mut seen, mut hidden, mut all) = (0.0f32, 0.0f32, 1e-6f32);
        for (point, like) in self.keys[key].groups[k].likes(&motion, &self.keys[1 - key].appearance)
        {
            // A line shared with a figure belongs to the figure.
            let i = regions.pixel(point.at);
            let beside = [regions.label[i], regions.across[i]].map(|l| (l as usize).checked_sub(1));
            let ground = |m: usize| self.of[key][m].is_some_and(|p| p < self.grounds);
            if beside.into_iter().flatten().any(|m| m != k && !ground(m)) {
                continue;
            }
            all += point.weight;
            if self.covered(key, &motion, point.at).is_some_and(|p| p >= self.grounds) {
                hidden += point.weight;
            } else if like > SEEN {
                seen += point.weight;
            }
        }
        match repeat {
            Repeat::None => false,
            Repeat::Part => seen > PART * all,
            Repeat::Whole => seen > WHOLE * all || hidden > 0.0 && seen + hidden > BEHIND * all,
        }
    }
}
