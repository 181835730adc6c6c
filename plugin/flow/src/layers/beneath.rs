//! Continues pieces beneath what covers them in the keys.
//!
//! If a leg moves away from the other one, a strip of the rear leg appears that neither key shows.
//! The ground is not behind it there, so the strip is filled with the nearest colour of the leg.

use rayon::prelude::*;

use super::Layers;
use super::regions::Regions;
use crate::segments::neighbours;

/// Means that there is no such pixel.
pub(super) const NOWHERE: u32 = u32::MAX;
/// How far a piece is continued, in samples: as a rule, and where sketches take figures apart.
pub(super) const REACH: usize = 12;
pub(super) const FAR: usize = 40;

/// For each pixel the nearest one of a piece behind it that is no line; [`NOWHERE`] if there is
/// none. `piece` and `clean` are those of the key, `rank` is the position of each piece from the
/// front, the first `grounds` pieces move with the ground, and pieces are continued by `reach` samples.
pub(super) fn beneath(
    regions: &Regions,
    piece: &[u16],
    clean: &[bool],
    rank: &[usize],
    grounds: usize,
    reach: usize,
) -> Vec<u32> {
    let (h, w) = (regions.h, regions.w);
    let mut out = vec![NOWHERE; h * w];
    let solid = |i: usize| piece[i] as usize >= grounds && clean[i] && regions.core[i] != 0;
    let mut front: Vec<(usize, usize)> = (0..h * w).filter(|&i| solid(i)).map(|i| (i, i)).collect();
    // The way beneath a piece goes across its own rim, which is that of the piece in front as well.
    let mut crossed = vec![false; h * w];
    for _ in 0..reach {
        let mut next = Vec::new();
        for (i, from) in front {
            for n in neighbours(i, h, w).into_iter().flatten() {
                let same = piece[n] == piece[from] && !solid(n) && !crossed[n];
                let covers = rank[piece[n] as usize] < rank[piece[from] as usize];
                if same {
                    crossed[n] = true;
                    next.push((n, from));
                } else if covers && out[n] == NOWHERE {
                    out[n] = from as u32;
                    next.push((n, from));
                }
            }
        }
        front = next;
    }
    if reach > REACH {
        inside(&mut out, piece, h, w);
    }
    out
}

/// Forgets what is continued beyond the outline of its piece: where the piece is not on both sides,
/// above and below or left and right.
fn inside(out: &mut [u32], piece: &[u16], h: usize, w: usize) {
    let beyond: Vec<bool> = (0..h * w)
        .into_par_iter()
        .map(|i| {
            let Some(own) = (out[i] != NOWHERE).then(|| piece[out[i] as usize]) else {
                return false;
            };
            let (x, y) = (i % w, i / w);
            let across = |mut places: std::ops::Range<usize>, step: usize, start: usize| {
                places.any(|n| piece[start + n * step] == own)
            };
            let [left, above] = [x.saturating_sub(FAR), y.saturating_sub(FAR)];
            let row = |places| across(places, 1, y * w);
            let column = |places| across(places, w, x);
            let between = row(left..x) && row(x + 1..(x + FAR).min(w))
                || column(above..y) && column(y + 1..(y + FAR).min(h));
            !between
        })
        .collect();
    for (to, _) in out.iter_mut().zip(beyond).filter(|(_, beyond)| *beyond) {
        *to = NOWHERE;
    }
}

impl Layers {
    /// The pixel of key `k` that continues piece `n` beneath pixel `i`, where another piece covers
    /// the piece.
    pub(super) fn continued(&self, n: usize, k: usize, i: usize) -> Option<usize> {
        let owners = &self.owners[k];
        let from = Some(owners.beneath[i]).filter(|&from| from != NOWHERE)? as usize;
        (owners.piece[from] as usize == n).then_some(from)
    }
}
