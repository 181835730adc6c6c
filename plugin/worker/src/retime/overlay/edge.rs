//! How much of the pixels beside what stayed an overlay covers: letters have soft edges, and between them the ground is
//! seen and moves on.

use std::collections::VecDeque;

use super::mask::LEVELS;
use super::state::NOISE;

/// Code values by which an overlay and the ground beside it must differ on average for a mix of both to be told.
const LEAST_CONTRAST: f32 = 16.0;

/// Pictures from which a pixel that stays beside a ground that moves is covered.
const LEAST_PICTURES: usize = 3;

/// A part of some pictures, row by row.
pub(super) struct Pictures {
    pub(super) wide: usize,
    /// What an overlay's own pixels look like.
    pub(super) own: Vec<u8>,
    pub(super) greys: Vec<Vec<u8>>,
}

impl Pictures {
    /// The covered parts of each pixel, 0..=[`LEVELS`]: all of `own`, none outside of `reach`, and between them as much as the
    /// pictures tell.
    pub(super) fn covered_parts(&self, own: &[bool], reach: &[bool]) -> Vec<u8> {
        let whole = |own: &bool| if *own { LEVELS } else { 0 };
        let mut parts: Vec<u8> = own.iter().map(whole).collect();
        let nearest_own = nearest(own, self.wide);
        let mut bare: Vec<bool> =
            reach.iter().zip(own).map(|(reach, own)| !reach && !own).collect();
        // Once more with the ground that was found between letters, which is nearer.
        for _ in 0..2 {
            let nearest_bare = nearest(&bare, self.wide);
            for at in (0..own.len()).filter(|at| reach[*at] && !own[*at]) {
                parts[at] = self.covered_part(at, nearest_own[at], nearest_bare[at], own);
                bare[at] = parts[at] == 0;
            }
        }
        parts
    }

    /// The covered part of a pixel between one of the overlay's own and one of bare ground.
    fn covered_part(
        &self,
        at: usize,
        own: Option<usize>,
        bare: Option<usize>,
        own_pixels: &[bool],
    ) -> u8 {
        let (Some(own), Some(bare)) = (own, bare) else { return LEVELS };
        if self.stays(at, bare, own_pixels) {
            return LEVELS;
        }
        let colour = f32::from(self.own[own]);
        let (mut mixed, mut all) = (0.0, 0.0);
        for grey in &self.greys {
            let (seen, ground) = (f32::from(grey[at]), f32::from(grey[bare]));
            mixed += (seen - ground) * (colour - ground);
            all += (colour - ground).powi(2);
        }
        if all < LEAST_CONTRAST.powi(2) * self.greys.len() as f32 || self.greys.is_empty() {
            // Half of what is next to it, as a line's edge lies anywhere in a pixel.
            let beside = (at % self.wide).abs_diff(own % self.wide) <= 1
                && (at / self.wide).abs_diff(own / self.wide) <= 1;
            return if beside { LEVELS / 2 } else { 0 };
        }
        let parts = f32::from(LEVELS) * (mixed / all).clamp(0.0, 1.0);
        // Where few pictures tell, much of a difference is that of one place of the ground from another. The casts keep
        // within 0 and LEVELS.
        if self.greys.len() < LEAST_PICTURES { parts as u8 } else { parts.round() as u8 }
    }

    /// Whether a pixel stays while the bare ground beside it moves, or looks like an overlay's own and not like the ground.
    fn stays(&self, at: usize, bare: usize, own: &[bool]) -> bool {
        if !self.keeps_its_grey(at) {
            return false;
        }
        let (seen, ground) = (self.ends(at), self.ends(bare));
        let is_like_own = |near: usize| own[near] && self.own[near].abs_diff(seen.1) <= 2 * NOISE;
        let is_unlike_ground = seen.0 > ground.1.saturating_add(2 * NOISE)
            || ground.0 > seen.1.saturating_add(2 * NOISE);
        ground.1 - ground.0 > 2 * NOISE || is_unlike_ground && self.around(at).any(is_like_own)
    }

    /// Whether nothing but noise is seen to change at a pixel.
    fn keeps_its_grey(&self, at: usize) -> bool {
        let (darkest, brightest) = self.ends(at);
        self.greys.len() >= LEAST_PICTURES && brightest - darkest <= 2 * NOISE
    }

    /// The darkest and the brightest grey that a pixel has had.
    fn ends(&self, at: usize) -> (u8, u8) {
        let values = self.greys.iter().map(|grey| grey[at]);
        (values.clone().min().unwrap_or(0), values.max().unwrap_or(0))
    }

    /// The pixels that are at most two pixels from one.
    fn around(&self, at: usize) -> impl Iterator<Item = usize> {
        const NEAR: usize = 2;
        let (x, y, wide) = (at % self.wide, at / self.wide, self.wide);
        let high = self.own.len() / wide;
        let columns = x.saturating_sub(NEAR)..(x + NEAR + 1).min(wide);
        let rows = y.saturating_sub(NEAR)..(y + NEAR + 1).min(high);
        rows.flat_map(move |y| columns.clone().map(move |x| y * wide + x))
    }
}

/// The nearest of these pixels for each one, in rows of `wide`; `None` where there are none.
fn nearest(these: &[bool], wide: usize) -> Vec<Option<usize>> {
    let mut found: Vec<Option<usize>> =
        these.iter().enumerate().map(|(at, is)| is.then_some(at)).collect();
    let mut open: VecDeque<usize> = (0..these.len()).filter(|at| these[*at]).collect();
    while let Some(at) = open.pop_front() {
        let x = at % wide;
        let beside = [
            (x > 0).then(|| at - 1),
            (x + 1 < wide).then_some(at + 1),
            at.checked_sub(wide),
            Some(at + wide).filter(|below| *below < these.len()),
        ];
        for beside in beside.into_iter().flatten() {
            if found[beside].is_none() {
                found[beside] = found[at];
                open.push_back(beside);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dark overlay on the left whose edge covers half a pixel, over a bright ground that moves; reach goes two pixels
    /// beyond the edge.
    #[test]
    fn an_edge_is_told_by_what_is_seen_of_the_ground() {
        let ground = [200_u8, 120, 180, 90];
        let row = |ground: u8| vec![20, 20, 20 + (ground - 20) / 2, ground, ground, ground];
        let pictures =
            Pictures { wide: 6, own: row(ground[0]), greys: ground.into_iter().map(row).collect() };
        let own = [true, false, false, false, false, false];
        let reach = [true, true, true, true, true, false];
        assert_eq!(pictures.covered_parts(&own, &reach), [LEVELS, LEVELS, LEVELS / 2, 0, 0, 0]);
    }

    #[test]
    fn where_nothing_is_told_half_of_the_next_pixel_is_covered() {
        let pictures = Pictures { wide: 4, own: vec![50; 4], greys: vec![vec![50; 4]] };
        let (own, reach) = ([true, false, false, false], [true, true, true, false]);
        let parts = pictures.covered_parts(&own, &reach);
        assert_eq!(parts, [LEVELS, LEVELS / 2, 0, 0]);
    }
}
