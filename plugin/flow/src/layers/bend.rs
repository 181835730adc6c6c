//! Moves the pieces of an in-between from straight, even paths to their course.
//!
//! Every piece is moved as a whole, with the pixels that the in-between shows of it. What another
//! piece hides there is drawn from the keys.

use rayon::prelude::*;

use super::compose::{Source, corners};
use super::course::Course;
use super::transform::{Affine, Point};
use super::{Layers, Way};
use crate::map::Map;
use crate::segments::neighbours;
use crate::synth::{NO_PIECE, moved_with};

/// Width of the cracks in a piece that are closed, approximately half of it, in samples.
const CRACK: usize = 8;

/// A piece that is elsewhere than in the straight in-between.
struct Bent {
    piece: usize,
    /// From its place to its place in the straight in-between.
    back: Affine,
    /// From its place to the keys.
    way: Way,
    /// Columns and rows that it may cover: first and last.
    bounds: [usize; 4],
}

/// What a sample shows.
#[derive(Clone, Copy)]
struct Shown {
    source: Source,
    label: u16,
    /// The sample of the straight in-between that it continues, if any.
    straight: Option<u32>,
}

impl Layers {
    /// Bends `motion: [5, h, w]` at position `t`, and the piece of each sample. Returns for each
    /// sample the one of the straight in-between that it shows, if any.
    pub(crate) fn bend(
        &self,
        course: &Course,
        motion: &mut Map,
        label: &mut Vec<u16>,
        guides: &[Map; 2],
        t: f32,
    ) -> Vec<Option<u32>> {
        let (h, w, area) = (self.h, self.w, self.h * self.w);
        let shown = self.without_cracks(self.shown(motion, label));
        if label.is_empty() {
            label.resize(area, NO_PIECE);
        }
        let extents = self.extents(&shown);
        // From front to back.
        let bent: Vec<Bent> =
            self.order.iter().filter_map(|&p| self.bent_piece(course, p, t, extents[p])).collect();
        let straight = (motion.clone(), label.clone());
        let mut picture = vec![(0, Shown { source: [0.0; 5], label: 0, straight: None }); area];
        picture.par_chunks_mut(w).enumerate().for_each(|(y, row)| {
            let here: Vec<&Bent> =
                bent.iter().filter(|b| (b.bounds[2]..=b.bounds[3]).contains(&y)).collect();
            for (x, to) in row.iter_mut().enumerate() {
                let place = [x as f32, y as f32];
                let over = here.iter().filter(|b| (b.bounds[0]..=b.bounds[1]).contains(&x));
                let seen = |b: &Bent| {
                    Some((b.piece as u16, self.seen(b, place, &straight, &shown, guides, t)?))
                };
                *to = over.copied().find_map(seen).unwrap_or_else(|| {
                    // No piece covers it, so it stays as it was.
                    let i = y * w + x;
                    let source = std::array::from_fn(|c| straight.0.v[c * area + i]);
                    (0, Shown { source, label: straight.1[i], straight: Some(i as u32) })
                });
            }
        });
        let mut sources = Vec::with_capacity(h * w);
        // Pieces that went together may part on their courses.
        let sources_of: Vec<(u16, Source)> = picture.iter().map(|(p, s)| (*p, s.source)).collect();
        for (i, n) in self.cracks(&sources_of, |p| !self.rests[p as usize]) {
            picture[i] = picture[n];
        }
        for (i, (_, shown)) in picture.into_iter().enumerate() {
            shown.source.into_iter().enumerate().for_each(|(c, v)| motion.v[c * area + i] = v);
            label[i] = shown.label;
            sources.push(shown.straight);
        }
        sources
    }

    /// The piece that each sample of a straight in-between shows.
    fn shown(&self, motion: &Map, label: &[u16]) -> Vec<u16> {
        let area = self.h * self.w;
        (0..area)
            .map(|i| {
                if let Some(&name) = label.get(i).filter(|&&name| name != NO_PIECE) {
                    return name;
                }
                let k = usize::from(motion.v[4 * area + i] < 0.0);
                let q = motion.keys(i)[k];
                let inside = [
                    q[0].clamp(0.0, (self.width - 1) as f32),
                    q[1].clamp(0.0, (self.height - 1) as f32),
                ];
                // Pixels mixed with a figure's rim move with the figure.
                self.pixel(inside).map_or(0, |j| self.foremost_beside(k, j))
            })
            .collect()
    }

    /// The same after closing narrow cracks in a piece, where it would be torn.
    fn without_cracks(&self, shown: Vec<u16>) -> Vec<u16> {
        let (h, w) = (self.h, self.w);
        let rank = |p: u16| self.rank[p as usize];
        let closed = |i: usize| {
            let mut front = shown[i];
            for (at, side, step) in [(i % w, w, 1), (i / w, h, w)] {
                let after = (1..=CRACK.min(side - 1 - at)).map(|d| shown[i + d * step]);
                for piece in (1..=CRACK.min(at)).map(|d| shown[i - d * step]) {
                    if rank(piece) < rank(front) && after.clone().any(|other| other == piece) {
                        front = piece;
                    }
                }
            }
            front
        };
        (0..h * w).into_par_iter().map(closed).collect()
    }

    /// The foremost piece at or next to pixel `i` of a key.
    fn foremost_beside(&self, key: usize, i: usize) -> u16 {
        let piece = &self.owners[key].piece;
        let rank = |p: u16| self.rank[p as usize];
        let beside = neighbours(i, self.h, self.w).into_iter().flatten().map(|n| piece[n]);
        beside.fold(piece[i], |a, b| if rank(b) < rank(a) { b } else { a })
    }

    /// The map from the place of piece `p` at `t` to its place in the straight in-between, and the
    /// map to the keys; `None` if the piece has folded.
    pub(super) fn bent_way(&self, course: &Course, p: usize, t: f32) -> Option<(Affine, Way)> {
        let back = self.bent(course, p, t).inverse()?;
        let first = self.straight(course, p, t).inverse()?.after(&back);
        Some((back, Way { first, whole: self.whole(course, p) }))
    }

    /// First and last column and row in which the straight in-between shows each piece.
    fn extents(&self, shown: &[u16]) -> Vec<Option<[f32; 4]>> {
        let mut out = vec![None; self.pieces.len()];
        for (i, &p) in shown.iter().enumerate() {
            let (x, y) = ((i % self.w) as f32, (i / self.w) as f32);
            let [x0, x1, y0, y1] = out[p as usize].unwrap_or([x, x, y, y]);
            out[p as usize] = Some([x0.min(x), x1.max(x), y0.min(y), y1.max(y)]);
        }
        out
    }

    /// Where piece `p` is at `t`; `None` if it has folded. `extent` is where the straight in-between shows it.
    fn bent_piece(
        &self,
        course: &Course,
        p: usize,
        t: f32,
        extent: Option<[f32; 4]>,
    ) -> Option<Bent> {
        let (back, way) = self.bent_way(course, p, t)?;
        let bounds = if self.rests[p] {
            [0, self.w - 1, 0, self.h - 1]
        } else {
            let mut places = self.corners_of(p, &way)?;
            // The dense motion may show it elsewhere than its own.
            let forward = back.inverse()?;
            places.extend(extent.into_iter().flat_map(corners).map(|corner| forward.at(corner)));
            self.around(places)?
        };
        Some(Bent { piece: p, back, way, bounds })
    }

    /// What `bent` shows at `place`, if anything.
    fn seen(
        &self,
        bent: &Bent,
        place: Point,
        (motion, label): &(Map, Vec<u16>),
        shown: &[u16],
        guides: &[Map; 2],
        t: f32,
    ) -> Option<Shown> {
        let area = self.h * self.w;
        let p = bent.piece;
        let at = bent.back.at(place);
        if let Some(i) = self.pixel(at) {
            let there = shown[i] as usize;
            if there == p {
                let off = [at[0] - place[0], at[1] - place[1]];
                let source = std::array::from_fn(|c| {
                    motion.v[c * area + i] + if c < 4 { off[c % 2] } else { 0.0 }
                });
                let moves = bent.back != Affine::shift([0.0; 2]);
                let label = if label[i] == NO_PIECE && moves { moved_with(p) } else { label[i] };
                return Some(Shown { source, label, straight: Some(i as u32) });
            }
            if self.rank[there] > self.rank[p] {
                return None;
            }
        }
        // Hidden there, or outside the picture.
        let source = if p == 0 {
            Some(self.ground(place, &bent.way, guides, t))
        } else {
            self.piece(p, place, &bent.way, guides, t)
        };
        source.map(|source| Shown { source, label: p as u16, straight: None })
    }
}
