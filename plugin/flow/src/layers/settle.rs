//! What both keys together tell of places that one of them leaves open.

use super::Layers;
use super::trust::apart_from;
use crate::map::Map;

/// Difference of two keys (0..=1) up to which both show the same ground.
const SAME: f32 = 0.04;

impl Layers {
    /// Where both keys show the same ground, nothing is mixed into it, whatever is beside it. And where a line of what
    /// lies behind a piece runs on along the piece's own line, a key cannot tell them apart.
    pub(super) fn settle(&mut self, guides: &[Map; 2]) {
        let found = [0, 1].map(|key| {
            let ways = self.ways(key);
            let place = |i: usize| [(i % self.w) as f32, (i / self.w) as f32];
            let there = |piece: u16, i: usize| ways[piece as usize].map(|way| way.at(place(i)));
            let owners = &self.owners[key];
            let other = &self.owners[1 - key];
            let bare = |i: usize| {
                let shown = |to: [f32; 2]| {
                    self.pixel(to).is_some_and(|j| other.piece[j] == 0)
                        && apart_from(guides, key, place(i), to) < SAME
                };
                owners.piece[i] == 0 && there(0, i).is_some_and(shown)
            };
            let clean = |i: usize| owners.clean[i] || bare(i);
            // What has no outline, such as a shadow, may lie between the piece and the ground whose line this is.
            let runs_on = |i: usize| {
                let own = owners.piece[i];
                let line = |behind: u16| {
                    let at = there(behind, i).and_then(|to| self.pixel(to));
                    at.is_some_and(|j| other.piece[j] == behind && other.line[j])
                };
                owners.line[i] && [owners.behind[i], 0].into_iter().any(|p| p != own && line(p))
            };
            let all = 0..self.h * self.w;
            (all.clone().map(clean).collect(), all.map(runs_on).collect())
        });
        for (owners, found) in self.owners.iter_mut().zip(found) {
            (owners.clean, owners.shared) = found;
        }
    }
}
