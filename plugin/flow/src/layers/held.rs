//! Figures that change too much to be followed: drawn whole from the nearer key, carried along their way.
//!
//! Where neither the motion that was found place by place nor the pieces take a figure to its like, what comes of it
//! is scraps. Whole drawings of the nearer key are less smooth, and can be kept.

use super::Layers;
use super::stack::StackedPiece;
use super::transform::{Affine, Point};
use super::trust::{Lines, carries};
use crate::map::Map;
use crate::segments::groups;

/// Share of a figure that the motion found place by place must still show halfway; else it is torn.
const TORN: f32 = 0.85;
/// Share of a figure and of its lines from which that motion loses nothing.
const INTACT: f32 = 0.95;
/// Share of its lines from which the pieces of a figure draw it.
const EXPLAINED: f32 = 0.8;
/// A figure moves against the ground at least this far, in samples.
const MOVES: f32 = 20.0;
/// Figures smaller than this share of the picture are left alone.
const SMALL: f32 = 0.015;
/// Turn in radians, and departures of the stretch from an even one and from none, up to which the motion of one
/// part is believed for a figure of which little is found again.
const TURNED: f32 = 0.6;
/// See [`TURNED`].
const UNEVEN: f32 = 0.2;
/// See [`TURNED`].
const STRETCHED: f32 = 0.3;

impl Layers {
    /// Pieces that move against the ground and hang together, where they are large enough to be a figure.
    /// `moved`: how far each piece moves, in samples.
    pub(super) fn figures(&self, moved: &[f32]) -> Vec<Vec<usize>> {
        let goes = |p: usize| !self.rests[p] && (moved[p] > MOVES || self.pieces[p].only.is_some());
        let touches = |p: usize| self.pieces[p].touches.iter().copied();
        let mut out = groups(self.pieces.len(), goes, touches);
        out.retain(|figure| {
            let size: f32 = figure.iter().map(|&p| self.pieces[p].size).sum();
            size > SMALL * (self.h * self.w) as f32
        });
        out
    }

    /// Holds a figure that would be torn; one that the other motion shows whole is left to it. `doubtful`: pieces
    /// that may be lost though they are shown.
    pub(super) fn hold(
        &mut self,
        figure: &[usize],
        guides: &[Map; 2],
        lines: &Lines,
        doubtful: &[bool],
    ) {
        if figure.iter().any(|&p| self.bound[p]) {
            return;
        }
        let share = |of: &[[f32; 2]]| -> f32 {
            let each = |p: usize, piece: &StackedPiece| match piece.only {
                Some(key) => of[p][key],
                None => of[p][0].min(of[p][1]),
            };
            let (mut sum, mut whole) = (0.0, 1e-6);
            for &p in figure {
                let piece = &self.pieces[p];
                sum += piece.size * each(p, piece);
                whole += piece.size;
            }
            sum / whole
        };
        let shown = share(&lines.shown);
        if shown.min(share(&lines.drawn)) > INTACT && !figure.iter().any(|&p| doubtful[p]) {
            figure.iter().for_each(|&p| self.needed[p] = false);
            return;
        }
        if shown > TORN || share(&lines.explained) > EXPLAINED {
            return;
        }
        let motion = self.common(guides, figure);
        for &p in figure {
            let piece = &mut self.pieces[p];
            (piece.motion, piece.parent) = (motion, None);
            (piece.held, piece.vanishes) = (true, false);
            self.needed[p] = true;
        }
    }

    /// The one motion that takes most lines of a figure to their like: that of one of its parts, or of its middle.
    fn common(&self, guides: &[Map; 2], figure: &[usize]) -> Affine {
        let mut own = vec![false; self.pieces.len()];
        figure.iter().for_each(|&p| own[p] = true);
        let pixels = |key: usize| {
            let piece = &self.owners[key].piece;
            (0..piece.len()).filter(|&i| own[piece[i] as usize])
        };
        let middle = |key: usize| -> Option<Point> {
            let mut sum = [0.0f64; 3];
            for i in pixels(key) {
                let here = [1.0, (i % self.w) as f64, (i / self.w) as f64];
                sum.iter_mut().zip(here).for_each(|(sum, v)| *sum += v);
            }
            (sum[0] > 0.0).then(|| [1, 2].map(|c| (sum[c] / sum[0]) as f32))
        };
        let (Some(from), Some(to)) = (middle(0), middle(1)) else {
            return self.pieces[figure[0]].motion;
        };
        let believed = |motion: &Affine| {
            let (turn, [[x, skew], [_, y]]) = motion.polar();
            let even = (x - y).abs().max(2.0 * skew.abs()) < UNEVEN;
            turn.abs() < TURNED && even && (x - 1.0).abs() < STRETCHED
        };
        let lines = [0, 1].map(|key| -> Vec<usize> {
            pixels(key).filter(|&i| self.owners[key].line[i]).collect()
        });
        let explained = |motion: &Affine| -> usize {
            let of = |key: usize| {
                let way = motion.seen_from(key);
                lines[key].iter().filter(|&&i| carries(guides, way.as_ref(), key, i)).count()
            };
            of(0) + of(1)
        };
        let straight = Affine::shift([to[0] - from[0], to[1] - from[1]]);
        let mut best = (explained(&straight), straight);
        for motion in figure.iter().map(|&p| self.pieces[p].motion).filter(believed) {
            let count = explained(&motion);
            if count > best.0 {
                best = (count, motion);
            }
        }
        best.1.around(from)
    }
}
