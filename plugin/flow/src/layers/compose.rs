//! Composes the in-between: every piece in its place, from back to front.

use inbetween_core::Bilinear;
use rayon::prelude::*;

use super::beneath::NOWHERE;
use super::stack::StackedPiece;
use super::transform::{Affine, Point};
use super::{Layers, Way};
use crate::map::Map;

/// Log odds of a pixel that comes from a single key.
const ALONE: f32 = 12.0;
/// Difference of the moved keys (0..=1) up to which they are blended.
const ALIKE: f32 = 0.12;
/// Cracks between pieces of up to twice this width are closed, in samples.
const CRACK: isize = 3;
/// The same where sketches take a figure apart.
const WIDE_CRACK: isize = 6;

/// What the keys show at one place of the ground.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GroundShown {
    Both,
    /// Only this key.
    One(usize),
    /// The nearer key shows it, next to a piece that moves with it.
    Rim,
    Hidden,
}

/// Where one pixel comes from: displacement to the first key and to the last key, and log odds of
/// the first.
pub(super) type Source = [f32; 5];

impl Layers {
    /// Motion and mask of the in-between at `t`, `[5, h, w]`, and the piece of each sample.
    pub(crate) fn at(&self, guides: &[Map; 2], t: f32) -> (Map, Vec<u16>) {
        let (h, w) = (self.h, self.w);
        let ways: Vec<Option<Way>> = (0..self.pieces.len()).map(|p| self.way(p, t)).collect();
        let mut picture: Vec<(u16, Source)> = vec![(0, [0.0; 5]); h * w];
        let ground = ways[0].unwrap_or_else(Way::still);
        picture.par_chunks_mut(w).enumerate().for_each(|(y, row)| {
            for (x, to) in row.iter_mut().enumerate() {
                to.1 = self.ground([x as f32, y as f32], &ground, guides, t);
            }
        });
        for &p in self.order.iter().rev().filter(|&&p| p != 0) {
            let Some(way) = &ways[p] else { continue };
            let Some(bounds) = self.bounds(p, way) else { continue };
            let [x0, x1, y0, y1] = bounds;
            picture[y0 * w..(y1 + 1) * w].par_chunks_mut(w).enumerate().for_each(|(row, line)| {
                for (x, to) in line.iter_mut().enumerate().take(x1 + 1).skip(x0) {
                    let place = [x as f32, (y0 + row) as f32];
                    if let Some(source) = self.piece(p, place, way, guides, t) {
                        *to = (p as u16, source);
                    }
                }
            });
        }
        for (i, n) in self.cracks(&picture, |p| p != 0) {
            picture[i] = picture[n];
        }
        let mut motion = Map::new(5, h, w);
        for (i, (_, source)) in picture.iter().enumerate() {
            for (c, v) in source.iter().enumerate() {
                motion.v[c * h * w + i] = *v;
            }
        }
        (motion, picture.into_iter().map(|p| p.0).collect())
    }

    /// The mapping of piece `p` at `t`; `None` if it cannot be inverted.
    pub(super) fn way(&self, p: usize, t: f32) -> Option<Way> {
        let own = self.placed(p, t, 0);
        let first = own.inverse()?;
        Some(Way { first, whole: self.pieces[p].motion })
    }

    /// From the first key to `t`, around the piece's joint, which moves with its parent.
    pub(super) fn placed(&self, p: usize, t: f32, depth: usize) -> Affine {
        let piece = &self.pieces[p];
        if let Some(way) = &piece.pinned {
            return way.at(t);
        }
        let bend = piece.bend(t);
        let mut own = piece.motion.bent_part(t, &bend);
        if let Some(parent) = piece.parent.filter(|_| depth < 8) {
            let from = piece.motion.from;
            let carried = self.placed(parent, t, depth + 1).at(from);
            let end = self.pieces[parent].motion.at(from);
            own.to = [0, 1].map(|k| carried[k] + t * (piece.motion.to[k] - end[k]) + bend.shift[k]);
        }
        own
    }

    /// First and last column and row that piece `p` may cover.
    fn bounds(&self, p: usize, way: &Way) -> Option<[usize; 4]> {
        self.around(self.corners_of(p, way)?)
    }

    /// Where the corners of the areas that the keys show of piece `p` are now.
    pub(super) fn corners_of(&self, p: usize, way: &Way) -> Option<Vec<Point>> {
        let forward = way.first.inverse()?;
        let back = way.whole.inverse()?;
        let now =
            |key: usize, corner: Point| forward.at(if key == 0 { corner } else { back.at(corner) });
        let of = |key: usize| {
            let area = self.pieces[p].bounds[key].into_iter();
            area.flat_map(corners).map(move |corner| now(key, corner))
        };
        Some(of(0).chain(of(1)).collect())
    }

    /// First and last column and row of the picture around some places; `None` if they are outside.
    pub(super) fn around(&self, places: Vec<Point>) -> Option<[usize; 4]> {
        let out = places.iter().fold([f32::MAX, f32::MIN, f32::MAX, f32::MIN], |out, &[x, y]| {
            [out[0].min(x), out[1].max(x), out[2].min(y), out[3].max(y)]
        });
        let side = |v: f32, n: usize| v.clamp(0.0, (n - 1) as f32) as usize;
        let seen =
            out[1] >= 0.0 && out[3] >= 0.0 && out[0] < self.w as f32 && out[2] < self.h as f32;
        seen.then(|| {
            [
                side(out[0] - 1.0, self.w),
                side(out[1] + 1.0, self.w),
                side(out[2] - 1.0, self.h),
                side(out[3] + 1.0, self.h),
            ]
        })
    }

    /// The guide pixel nearest to `q`, if it is in the picture.
    pub(super) fn pixel(&self, q: Point) -> Option<usize> {
        let (x, y) = ((q[0] + 0.5).floor(), (q[1] + 0.5).floor());
        let inside = x >= 0.0 && y >= 0.0 && x < self.width as f32 && y < self.height as f32;
        inside.then(|| y as usize * self.w + x as usize)
    }

    /// Where the ground at `p` comes from.
    pub(super) fn ground(&self, p: Point, way: &Way, guides: &[Map; 2], t: f32) -> Source {
        let q = way.keys(p);
        let near = usize::from(t >= 0.5);
        match self.ground_shown(q, near) {
            GroundShown::Both | GroundShown::Rim => return self.either(p, q, guides, t, near),
            GroundShown::One(k) => return alone(p, q, k),
            GroundShown::Hidden => {}
        }
        let behind = |k: usize| -> Option<(f32, Point)> {
            let inside = [
                q[k][0].clamp(0.0, (self.width - 1) as f32),
                q[k][1].clamp(0.0, (self.height - 1) as f32),
            ];
            let i = self.pixel(inside)?;
            let at = self.owners[k].ground[i];
            (at != NOWHERE).then(|| {
                let at = [(at as usize % self.w) as f32, (at as usize / self.w) as f32];
                (libm::hypotf(at[0] - q[k][0], at[1] - q[k][1]), at)
            })
        };
        match [behind(near), behind(1 - near)] {
            [Some(a), Some(b)] if b.0 < a.0 => fetched(p, q, 1 - near, b.1),
            [Some(a), _] => fetched(p, q, near, a.1),
            [None, Some(b)] => fetched(p, q, 1 - near, b.1),
            [None, None] => alone(p, q, near),
        }
    }

    /// What the keys show of the ground at `q`, a place in each of them. `near` is the key nearer in time.
    pub(super) fn ground_shown(&self, q: [Point; 2], near: usize) -> GroundShown {
        let pixels = q.map(|q| self.pixel(q));
        let ground = [0, 1].map(|k| pixels[k].filter(|&i| self.owners[k].piece[i] == 0));
        // A rim that contains part of a figure is worse than what the other key shows.
        match [0, 1].map(|k| ground[k].is_some_and(|i| self.owners[k].clean[i])) {
            [true, true] => return GroundShown::Both,
            [true, false] => return GroundShown::One(0),
            [false, true] => return GroundShown::One(1),
            [false, false] => {}
        }
        // Where nothing moves against the ground, its rims are correct as they are.
        let rests = |i: usize| self.rests[self.owners[near].front[i] as usize];
        if ground[near].is_some_and(rests) { GroundShown::Rim } else { GroundShown::Hidden }
    }

    /// Where piece `n` at `p` comes from; `None` if it is not visible there.
    pub(super) fn piece(
        &self,
        n: usize,
        p: Point,
        way: &Way,
        guides: &[Map; 2],
        t: f32,
    ) -> Option<Source> {
        let q = way.keys(p);
        let pixels = q.map(|q| self.pixel(q));
        let own = |k: usize| pixels[k].is_some_and(|i| self.owners[k].piece[i] as usize == n);
        let piece = &self.pieces[n];
        if piece.held {
            let near = usize::from(t >= piece.until);
            // Parts that sketches move apart uncover what was behind them.
            let apart = !piece.sketched.is_empty() && piece.only == Some(near);
            return match own(near) {
                true => Some(alone(p, q, near)),
                false if apart => self.covered_part(n, p, q, pixels, near),
                false => None,
            };
        }
        let near = usize::from(t >= 0.5);
        if let Some(k) = piece.only {
            let gone = piece.vanishes && near != k;
            return match own(k) {
                _ if gone => None,
                true => Some(alone(p, q, k)),
                false => self.covered_part(n, p, q, pixels, k),
            };
        }
        let far = 1 - near;
        match [own(near), own(far)] {
            [true, true] => {
                let sure = |k: usize| {
                    pixels[k].is_some_and(|i| self.owners[k].clean[i] && !self.owners[k].shared[i])
                };
                let k = if sure(near) || !sure(far) { near } else { far };
                Some(self.either(p, q, guides, t, k))
            }
            [true, false] => {
                // What looks like its line is one of what lies behind, if the other key shows that instead.
                let shared = pixels[near].is_some_and(|i| self.owners[near].shared[i]);
                let gone = shared
                    && pixels[far].is_some_and(|i| {
                        let owners = &self.owners[far];
                        owners.clean[i] && self.rank[owners.piece[i] as usize] > self.rank[n]
                    });
                (!gone).then(|| alone(p, q, near))
            }
            [false, true] => {
                // It is hidden in the nearer key rather than missing.
                let hidden = pixels[near]
                    .is_none_or(|i| self.rank[self.owners[near].piece[i] as usize] < self.rank[n]);
                hidden.then(|| alone(p, q, far))
            }
            [false, false] => self.covered_part(n, p, q, pixels, near),
        }
    }

    /// Piece `n` at `p`, whose place in both keys is `q`, at `pixels`, where other pieces cover it in
    /// both: its nearest colour, if possible from key `k`.
    fn covered_part(
        &self,
        n: usize,
        p: Point,
        q: [Point; 2],
        pixels: [Option<usize>; 2],
        k: usize,
    ) -> Option<Source> {
        let StackedPiece { only, held, .. } = self.pieces[n];
        let visible = |k: usize| {
            // The other key tells nothing of a figure that is held.
            let tells = !held || only == Some(k);
            tells
                && pixels[k].is_some_and(|i| {
                    let owner = self.owners[k].piece[i] as usize;
                    let own = owner == n && only.is_none_or(|only| only == k);
                    own || self.rank[owner] > self.rank[n]
                })
        };
        if visible(0) || visible(1) {
            return None;
        }
        [k, 1 - k].into_iter().filter(|k| only.is_none_or(|only| only == *k)).find_map(|k| {
            let at = self.continued(n, k, pixels[k]?)?;
            Some(fetched(p, q, k, [(at % self.w) as f32, (at / self.w) as f32]))
        })
    }

    /// For places that both keys show: blended if they are alike, otherwise from key `k`.
    fn either(&self, p: Point, q: [Point; 2], guides: &[Map; 2], t: f32, k: usize) -> Source {
        let mut out = alone(p, q, k);
        let [a, b] = [0, 1].map(|k| Bilinear::at(q[k][0], q[k][1], self.h, self.w));
        let apart = (0..3)
            .map(|c| (a.of(guides[0].plane(c)) - b.of(guides[1].plane(c))).abs())
            .fold(0.0, f32::max);
        if apart < ALIKE {
            out[4] = libm::logf((1.0 - t) / t);
        }
        out
    }

    /// The samples in narrow cracks between the pieces of a figure, each with the one beside it that continues there.
    /// `picture`: piece and source of each sample; `of_figure` says which pieces belong to figures.
    pub(super) fn cracks(
        &self,
        picture: &[(u16, Source)],
        of_figure: impl Fn(u16) -> bool,
    ) -> Vec<(usize, usize)> {
        let (h, w) = (self.h, self.w);
        let sketched = self.pieces.iter().any(|piece| !piece.sketched.is_empty());
        let crack = if sketched { WIDE_CRACK } else { CRACK };
        let figure: Vec<bool> = picture.iter().map(|p| of_figure(p.0)).collect();
        let spread = |from: &[bool], grow: bool| -> Vec<bool> {
            let line = |from: &[bool], across: bool| -> Vec<bool> {
                (0..h * w)
                    .map(|i| {
                        let (y, x) = ((i / w) as isize, (i % w) as isize);
                        (-crack..=crack).any(|d| {
                            let (ny, nx) = if across { (y, x + d) } else { (y + d, x) };
                            ny >= 0
                                && nx >= 0
                                && ny < h as isize
                                && nx < w as isize
                                && from[ny as usize * w + nx as usize] == grow
                        }) == grow
                    })
                    .collect()
            };
            line(&line(from, true), false)
        };
        let closed = spread(&spread(&figure, true), false);
        let continued = |i: usize| {
            let (y, x) = ((i / w) as isize, (i % w) as isize);
            let mut best: Option<(isize, usize)> = None;
            for dy in -crack..=crack {
                for dx in -crack..=crack {
                    let (ny, nx) = (y + dy, x + dx);
                    if ny < 0 || nx < 0 || ny >= h as isize || nx >= w as isize {
                        continue;
                    }
                    let n = ny as usize * w + nx as usize;
                    let far = dx * dx + dy * dy;
                    if figure[n] && best.is_none_or(|b| far < b.0) {
                        best = Some((far, n));
                    }
                }
            }
            let (_, n) = best?;
            let source = picture[n].1;
            // Only pixels that were not ground in the key that is shown.
            let k = usize::from(source[4] < 0.0);
            let q = [x as f32 + source[2 * k], y as f32 + source[2 * k + 1]];
            self.pixel(q).filter(|&j| of_figure(self.owners[k].piece[j])).map(|_| (i, n))
        };
        (0..h * w).filter(|&i| closed[i] && !figure[i]).filter_map(continued).collect()
    }
}

/// The corners of an area between these columns and rows.
pub(super) fn corners([x0, x1, y0, y1]: [f32; 4]) -> [Point; 4] {
    [[x0, y0], [x1, y0], [x0, y1], [x1, y1]]
}

/// From key `k` alone.
fn alone(p: Point, q: [Point; 2], k: usize) -> Source {
    let odds = if k == 0 { ALONE } else { -ALONE };
    [q[0][0] - p[0], q[0][1] - p[1], q[1][0] - p[0], q[1][1] - p[1], odds]
}

/// From another place of key `k`.
fn fetched(p: Point, mut q: [Point; 2], k: usize, at: Point) -> Source {
    q[k] = at;
    alone(p, q, k)
}
