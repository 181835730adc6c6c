//! Decides where the layers draw, and where the dense motion does.
//!
//! The dense motion, which was found place by place, follows what bends and boils but loses what
//! moves far. A piece that it loses is drawn as a piece; if nothing is lost, it is used everywhere.

use super::Layers;
use super::stack::StackedPiece;
use super::transform::{Affine, one_way};
use crate::map::Map;
use crate::segments::groups;
use crate::synth::NO_PIECE;
use inbetween_core::Bilinear;
use rayon::prelude::*;

/// A ground is drawn as a piece if less than this share of its lines follow its motion ...
const KEPT: f32 = 0.7;
/// ... and it moves by more than this share of the diagonal.
const PAN: f32 = 0.08;
/// Share of its lines below which a piece is lost without the layers.
const LOST: f32 = 0.4;
/// Share of its lines that a piece must explain in each key to be drawn as one.
const EXPLAINS: f32 = 0.55;
/// Share of all figures' lines that their pieces must explain.
const COMPLETE: f32 = 0.55;
/// By how much the share of a figure's lines that its pieces explain may fall short of the share of
/// it that the dense motion shows.
const SHORT: f32 = 0.14;
/// A figure is drawn as a piece if it moves against the ground by more than this share of its size.
const FAR: f32 = 0.7;
/// Largest difference of a channel, 0..=1, up to which the keys show the same.
const ALIKE: f32 = 0.15;
/// Pieces that move less than this, in samples, against what the other key shows are left alone.
const SLIGHT: f32 = 20.0;
/// Turn in radians from which a piece may be lost even if it does not move far, because the dense
/// motion follows shifts and bends but fails with spokes.
const TURNED: f32 = 0.35;
/// Share of a piece's lines that must follow its motion if it is not lost ...
const FOLLOWED: f32 = 0.6;
/// ... provided the piece itself explains at least this share.
const SURE: f32 = 0.8;
/// Pieces smaller than this share of the picture are left alone.
const SMALL: f32 = 4e-3;

/// For each piece the shares of its lines, or of its area where stated, with certain properties,
/// 0..=1 in each key.
pub(super) struct Lines {
    /// Lines that follow the piece's motion in the dense motion.
    pub(super) found: Vec<[f32; 2]>,
    /// Lines that the dense motion shows at all, wherever it moves them.
    pub(super) drawn: Vec<[f32; 2]>,
    /// The same for the whole area of the piece.
    pub(super) shown: Vec<[f32; 2]>,
    /// Lines that land on similar ones when the piece carries them.
    pub(super) explained: Vec<[f32; 2]>,
}

impl Layers {
    /// How far each piece moves against its surroundings, in samples.
    fn moved(&self) -> Vec<f32> {
        let ground = self.pieces[0].motion;
        let moved = |(p, piece): (usize, &StackedPiece)| {
            let against = if self.rests[p] { Affine::shift([0.0; 2]) } else { ground };
            piece.motion.away(&against, piece.motion.from, 0.5 * piece.size.sqrt())
        };
        self.pieces.iter().enumerate().map(moved).collect()
    }

    /// Finds the pieces that the dense motion loses. `flows` are the start flows, at half the
    /// guides' size in both directions. `halfway` computes the dense motion in the middle, `[5, h,
    /// w]`, and is called only if something can be lost.
    pub(crate) fn compare<'a>(
        &mut self,
        guides: &[Map; 2],
        flows: &[Map; 2],
        halfway: impl FnOnce() -> &'a Map,
    ) {
        let n = self.pieces.len();
        let moved = self.moved();
        let far: Vec<bool> = (0..n)
            .map(|p| {
                let least = if self.rests[p] {
                    PAN * libm::hypotf(self.h as f32, self.w as f32)
                } else {
                    (FAR * self.pieces[p].unit.sqrt()).max(SLIGHT)
                };
                moved[p] > least
            })
            .collect();
        self.needed = vec![false; n];
        let least = SMALL * (self.h * self.w) as f32;
        let shown = |p: usize| self.pieces[p].only.is_none() && self.pieces[p].size > least;
        let followed = self.followed(flows);
        let turned = |p: usize| self.pieces[p].motion.polar().0.abs();
        let doubtful: Vec<bool> = (0..n)
            .map(|p| turned(p) > TURNED && shown(p) && !self.rests[p] && followed[p] < FOLLOWED)
            .collect();
        let figures = self.figures(&moved);
        if figures.is_empty() && !far.contains(&true) && !doubtful.contains(&true) {
            return;
        }
        let lines = self.lines(guides, halfway());
        let both = |p: usize| lines.explained[p][0].min(lines.explained[p][1]);
        // A ground that moves is firm if its motion explains more of its lines than the dense one.
        let found = |p: usize| lines.found[p][0].min(lines.found[p][1]);
        self.firm |= both(0) > found(0);
        // Where hardly any line remains, pieces lose nothing.
        let lost = |p: usize| lines.drawn[p].iter().sum::<f32>() < 2.0 * LOST;
        let pieces = &self.pieces;
        let mut needed: Vec<bool> = (0..n)
            .map(|p| {
                let credible = shown(p) && (both(p) > EXPLAINS || lost(p));
                let kept = self.rests[p] && found(p) >= KEPT;
                far[p] && credible && !kept || doubtful[p] && both(p) > SURE && found(p) < FOLLOWED
            })
            .collect();
        if (0..n).any(|p| needed[p] && self.rests[p]) {
            needed.fill(true);
        }
        // Figures that are only partly explained do not count as figures.
        let (mut sum, mut whole) = (0.0, 1e-6);
        for p in (0..n).filter(|&p| !self.rests[p] && pieces[p].only.is_none()) {
            sum += pieces[p].size * both(p);
            whole += pieces[p].size;
        }
        let gone: f32 = (0..n).filter(|&p| needed[p] && lost(p)).map(|p| pieces[p].size).sum();
        if sum >= COMPLETE * whole || gone >= 0.5 * whole {
            let open = (0..n).filter(|&p| needed[p] && !self.rests[p]).collect();
            self.needed = needed;
            self.spread(open);
            self.leave(&lines);
        }
        for figure in figures {
            self.hold(&figure, guides, &lines, &doubtful);
        }
    }

    /// Leaves figures to the dense motion that shows more of them than their pieces explain, unless
    /// the ground behind them is drawn as a piece.
    fn leave(&mut self, lines: &Lines) {
        if (0..self.pieces.len()).any(|p| self.needed[p] && self.rests[p]) {
            return;
        }
        let drawn = |p: usize| self.needed[p];
        let touches = |p: usize| self.pieces[p].touches.iter().copied();
        for figure in groups(self.pieces.len(), drawn, touches) {
            let short = self.share(&figure, &lines.shown) - self.share(&figure, &lines.explained);
            if short > SHORT && !self.in_row(&figure) {
                figure.iter().for_each(|&p| self.needed[p] = false);
            }
        }
    }

    /// Whether a figure has like things in a row. They look the same wherever they go by whole
    /// steps, so that the dense motion shows them says nothing.
    pub(super) fn in_row(&self, figure: &[usize]) -> bool {
        figure.iter().any(|&p| self.pieces[p].unit < self.pieces[p].size)
    }

    /// Share of a figure, in the key where it is less. `of` tells that of each piece.
    pub(super) fn share(&self, figure: &[usize], of: &[[f32; 2]]) -> f32 {
        let (mut sum, mut whole) = (0.0, 1e-6);
        for &p in figure {
            let piece = &self.pieces[p];
            let share = match piece.only {
                Some(key) => of[p][key],
                None => of[p][0].min(of[p][1]),
            };
            sum += piece.size * share;
            whole += piece.size;
        }
        sum / whole
    }

    /// Adds to the pieces that are drawn as pieces those in `open` that touch them.
    pub(super) fn spread(&mut self, mut open: Vec<usize>) {
        while let Some(p) = open.pop() {
            for &q in &self.pieces[p].touches {
                if !self.needed[q] && !self.rests[q] {
                    self.needed[q] = true;
                    open.push(q);
                }
            }
        }
    }

    /// Share of the lines of each piece that follow its motion in the start flows, in the key where
    /// that is less.
    fn followed(&self, flows: &[Map; 2]) -> Vec<f32> {
        let n = self.pieces.len();
        let mut share = vec![1.0f32; n];
        for (key, flow) in flows.iter().enumerate() {
            let ways = self.ways(key);
            let mut counts = vec![[0u32; 2]; n];
            let owners = &self.owners[key];
            for i in (0..owners.line.len()).filter(|&i| owners.line[i]) {
                let p = owners.piece[i] as usize;
                let Some(way) = &ways[p] else { continue };
                let at = [(i % self.w) as f32, (i / self.w) as f32];
                let to = way.at(at);
                let j =
                    (i / self.w / 2).min(flow.h - 1) * flow.w + (i % self.w / 2).min(flow.w - 1);
                let got = [0, 1].map(|c| at[c] + 2.0 * flow.v[c * flow.area() + j]);
                counts[p][0] += 1;
                counts[p][1] += u32::from(one_way(at, to, got));
            }
            for (share, [all, followed]) in share.iter_mut().zip(counts) {
                *share = share.min(followed as f32 / all.max(1) as f32);
            }
        }
        share
    }

    /// Follows every line of every piece, by `motion` and by the pieces.
    fn lines(&self, guides: &[Map; 2], motion: &Map) -> Lines {
        let n = self.pieces.len();
        let none = || vec![[0.0f32; 2]; n];
        let mut out = Lines { found: none(), drawn: none(), shown: none(), explained: none() };
        let (mut all, mut area) = (none(), none());
        let alike: Vec<bool> = (0..motion.area())
            .into_par_iter()
            .map(|i| apart(guides, motion.keys(i)) < ALIKE)
            .collect();
        for (key, owners) in self.owners.iter().enumerate() {
            let [reached, shown] = self.reached(motion, &alike, key);
            let ways = self.ways(key);
            for i in 0..owners.line.len() {
                let p = owners.piece[i] as usize;
                let one = |yes: bool| f32::from(u8::from(yes));
                area[p][key] += 1.0;
                out.shown[p][key] += one(shown[i]);
                if !owners.line[i] {
                    continue;
                }
                all[p][key] += 1.0;
                out.found[p][key] += one(reached[i]);
                out.drawn[p][key] += one(shown[i]);
                out.explained[p][key] += one(carries(guides, ways[p].as_ref(), key, i));
            }
        }
        for (shares, all) in [
            (&mut out.found, &all),
            (&mut out.drawn, &all),
            (&mut out.explained, &all),
            (&mut out.shown, &area),
        ] {
            for (share, all) in shares.iter_mut().flatten().zip(all.iter().flatten()) {
                *share = if *all > 0.0 { *share / all } else { 0.0 };
            }
        }
        out
    }

    /// Which pixels of a key follow the motion of their piece in `motion`, and which it shows at
    /// all. `alike` says where both keys look the same after that motion.
    fn reached(&self, motion: &Map, alike: &[bool], key: usize) -> [Vec<bool>; 2] {
        let (h, w, area) = (self.h, self.w, self.h * self.w);
        let mut out = [vec![false; area], vec![false; area]];
        for (i, alike) in alike.iter().enumerate() {
            let q = motion.keys(i);
            let (cx, cy) = (q[key][0].round(), q[key][1].round());
            if cx < 0.0 || cy < 0.0 || cx >= w as f32 || cy >= h as f32 {
                continue;
            }
            let j = cy as usize * w + cx as usize;
            let piece = &self.pieces[self.owners[key].piece[j] as usize];
            let to = piece.motion.at(q[0]);
            let goes = one_way(q[0], to, q[1]);
            for y in (j / w).saturating_sub(1)..(j / w + 2).min(h) {
                for x in (j % w).saturating_sub(1)..(j % w + 2).min(w) {
                    out[0][y * w + x] |= goes;
                    out[1][y * w + x] |= alike;
                }
            }
        }
        out
    }

    /// The motion of each piece from the point of view of key `key`.
    pub(super) fn ways(&self, key: usize) -> Vec<Option<Affine>> {
        self.pieces.iter().map(|p| p.motion.seen_from(key)).collect()
    }

    /// Whether any piece is drawn as a piece.
    pub(crate) fn wanted(&self) -> bool {
        self.needed.iter().any(|n| *n)
    }

    /// Whether a piece belongs to a figure that changes its pose in one step.
    pub(crate) fn holds(&self, piece: u16) -> bool {
        let piece = self.pieces.get(usize::from(piece));
        piece.is_some_and(|piece| piece.held && piece.sketched.is_empty())
    }

    /// Lays the needed pieces over `motion: [5, h, w]` at position `t`. Returns the piece of each
    /// sample.
    pub(crate) fn composite_over(&self, motion: &mut Map, guides: &[Map; 2], t: f32) -> Vec<u16> {
        let (own, label) = self.at(guides, t);
        let (w, area) = (self.w, self.h * self.w);
        let stale = |i: usize| {
            let odds = motion.v[4 * area + i];
            (0..2).any(|k| {
                let shown = if k == 0 { odds > -3.0 } else { odds < 3.0 };
                let [x, y] = motion.keys(i)[k].map(f32::round);
                let inside = x >= 0.0 && y >= 0.0 && x < w as f32 && y < self.h as f32;
                shown && inside && {
                    let j = y as usize * w + x as usize;
                    let owners = &self.owners[k];
                    self.needed[owners.piece[j] as usize] || self.needed[owners.front[j] as usize]
                }
            })
        };
        // A firm ground is known wherever a key shows it, unless the keys differ there.
        let known = |i: usize| {
            let piece = label[i] as usize;
            if !self.rests[piece] || !self.firm {
                return false;
            }
            let q = own.keys(i);
            let ground = |k: usize| {
                let owners = &self.owners[k];
                // A line around the picture stays where it is.
                let frame = |j: usize| !owners.clean[j] && owners.front[j] == owners.piece[j];
                let shown = |j: usize| self.rests[owners.front[j] as usize] && !frame(j);
                self.pixel(q[k]).is_some_and(shown)
            };
            match [ground(0), ground(1)] {
                // A resting ground is continued from beside.
                [false, false] => self.still,
                [true, true] => apart(guides, q) < ALIKE,
                _ => true,
            }
        };
        let take: Vec<bool> =
            (0..area).map(|i| self.needed[label[i] as usize] || stale(i) || known(i)).collect();
        let mut out = vec![NO_PIECE; area];
        for i in (0..area).filter(|&i| take[i]) {
            out[i] = label[i];
            for c in 0..5 {
                motion.v[c * area + i] = own.v[c * area + i];
            }
        }
        out
    }
}

/// Whether `way` maps pixel `i` of a key to a similar one in the other, within a sample.
pub(super) fn carries(guides: &[Map; 2], way: Option<&Affine>, key: usize, i: usize) -> bool {
    let Some(there) = way else { return false };
    let at = [(i % guides[0].w) as f32, (i / guides[0].w) as f32];
    let to = there.at(at);
    [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]].iter().any(|d| {
        let to = [to[0] + d[0], to[1] + d[1]];
        apart_from(guides, key, at, to) < ALIKE
    })
}

/// Largest difference of a channel between a place in key `key` and one in the other key; infinite outside the picture.
pub(super) fn apart_from(guides: &[Map; 2], key: usize, at: [f32; 2], to: [f32; 2]) -> f32 {
    apart(guides, if key == 0 { [at, to] } else { [to, at] })
}

/// Largest difference of a channel between the two keys' places; infinite outside the picture.
pub(super) fn apart(guides: &[Map; 2], q: [[f32; 2]; 2]) -> f32 {
    let (h, w) = (guides[0].h, guides[0].w);
    if q.iter()
        .any(|q| q[0] < -0.5 || q[1] < -0.5 || q[0] > w as f32 - 0.5 || q[1] > h as f32 - 0.5)
    {
        return f32::INFINITY;
    }
    let [a, b] = q.map(|q| Bilinear::at(q[0], q[1], h, w));
    (0..3).map(|c| (a.of(guides[0].plane(c)) - b.of(guides[1].plane(c))).abs()).fold(0.0, f32::max)
}
