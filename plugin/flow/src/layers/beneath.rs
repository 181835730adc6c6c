//! Continues pieces beneath what covers them in the keys.
//!
//! If a leg moves away from the other one, a strip of the rear leg appears that neither key shows.
//! The ground is not behind it there, so the strip is filled with the nearest colour of the leg.

use super::Layers;
use super::regions::Regions;
use crate::segments::neighbours;

/// Means that there is no such pixel.
pub(super) const NOWHERE: u32 = u32::MAX;
/// How far a piece is continued, in samples.
const REACH: usize = 12;

/// For each pixel the nearest one of a piece behind it that is no line; [`NOWHERE`] if there is
/// none. `piece` and `clean` are those of the key, `rank` is the position of each piece from the
/// front, and the first `grounds` pieces move with the ground.
pub(super) fn beneath(
    regions: &Regions,
    piece: &[u16],
    clean: &[bool],
    rank: &[usize],
    grounds: usize,
) -> Vec<u32> {
    let (h, w) = (regions.h, regions.w);
    let mut out = vec![NOWHERE; h * w];
    let solid = |i: usize| piece[i] as usize >= grounds && clean[i] && regions.core[i] != 0;
    let mut front: Vec<(usize, usize)> = (0..h * w).filter(|&i| solid(i)).map(|i| (i, i)).collect();
    for _ in 0..REACH {
        let mut next = Vec::new();
        for (i, from) in front {
            for n in neighbours(i, h, w).into_iter().flatten() {
                let same = piece[n] == piece[from] && !solid(n);
                let covers = rank[piece[n] as usize] < rank[piece[from] as usize];
                if out[n] == NOWHERE && (same || covers) {
                    out[n] = from as u32;
                    next.push((n, from));
                }
            }
        }
        front = next;
    }
    out
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
