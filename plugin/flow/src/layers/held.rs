//! Figures that change too much to be followed: drawn whole from the nearer key and moved along
//! their path.
//!
//! Where neither the dense motion nor the pieces map a figure to its counterpart, the result is
//! scraps. Whole drawings of the nearer key are less smooth, but usable.

use super::Layers;
use super::transform::{Affine, Point};
use super::trust::{Lines, carries};
use crate::map::Map;
use crate::segments::groups;

/// A figure is torn if the dense motion shows less than this share of it halfway.
const TORN: f32 = 0.85;
/// The share below which a figure counts as torn that its pieces do not draw, although they explain
/// more than [`MOSTLY`] of its lines.
const RAGGED: f32 = 0.93;
/// See [`RAGGED`].
const MOSTLY: f32 = 0.65;
/// Share of a figure and of its lines from which the dense motion counts as complete.
const INTACT: f32 = 0.95;
/// Share of a figure's lines from which its pieces can draw it.
const EXPLAINED: f32 = 0.8;
/// Least movement of a part of a figure against the ground, in samples, and the movement that more
/// than the share [`GOES`] of the figure makes.
const SLOW: f32 = 10.0;
const FAST: f32 = 20.0;
/// See [`FAST`].
const GOES: f32 = 0.5;
/// Figures smaller than this share of the picture are left alone.
const SMALL: f32 = 0.015;
/// Limits for the turn in radians, the deviation of the stretch from an even one, and the deviation
/// from none, within which the motion of one part is used for a figure of which little is found.
const TURNED: f32 = 0.6;
/// See [`TURNED`].
const UNEVEN: f32 = 0.2;
/// See [`TURNED`].
const STRETCHED: f32 = 0.3;

impl Layers {
    /// Connected pieces that move against the ground, most of them far, and are large enough for a
    /// figure. `moved` says how far each piece moves, in samples.
    pub(super) fn figures(&self, moved: &[f32]) -> Vec<Vec<usize>> {
        let touches = |p: usize| self.pieces[p].touches.iter().copied();
        let goes = |p: usize, least: f32| moved[p] > least || self.pieces[p].only.is_some();
        let slow = |p: usize| !self.rests[p] && goes(p, SLOW);
        let mut out = groups(self.pieces.len(), slow, touches);
        out.retain(|figure| {
            let size = |least: f32| -> f32 {
                let some = figure.iter().filter(|&&p| goes(p, least));
                some.map(|&p| self.pieces[p].size).sum()
            };
            size(SLOW) > SMALL * (self.h * self.w) as f32 && size(FAST) > GOES * size(SLOW)
        });
        out
    }

    /// Holds a figure that would be torn. One that the dense motion shows whole is left to it.
    /// `doubtful` lists pieces that may be lost although they are shown.
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
        let share = |of: &[[f32; 2]]| self.share(figure, of);
        let shown = share(&lines.shown);
        let sure = !self.in_row(figure) || share(&lines.found) > EXPLAINED;
        let whole = shown.min(share(&lines.drawn)) > INTACT;
        if whole && sure && !figure.iter().any(|&p| doubtful[p]) {
            figure.iter().for_each(|&p| self.needed[p] = false);
            return;
        }
        let explained = share(&lines.explained);
        let by_pieces = figure.iter().all(|&p| self.needed[p]);
        let torn = if explained > MOSTLY && !by_pieces { RAGGED } else { TORN };
        if shown > torn || explained > EXPLAINED {
            return;
        }
        let mut own = vec![false; self.pieces.len()];
        figure.iter().for_each(|&p| own[p] = true);
        let motion = self.common(guides, figure, &own);
        self.regain(&own);
        for &p in figure {
            let piece = &mut self.pieces[p];
            (piece.motion, piece.parent) = (motion, None);
            (piece.held, piece.vanishes) = (true, false);
            self.needed[p] = true;
        }
    }

    /// Gives a figure all lines beside it, including those that its parts did not carry to lines of
    /// their own. `own` says which pieces are its parts.
    pub(super) fn regain(&mut self, own: &[bool]) {
        for owners in &mut self.owners {
            for (piece, &line) in owners.piece.iter_mut().zip(&owners.by_outline) {
                if own[line as usize] && !own[*piece as usize] {
                    *piece = line;
                }
            }
        }
    }

    /// The motion that maps most lines of a figure to their counterparts, or at least to lines of
    /// it: that of one of its parts, of its centre, or of the ground.
    fn common(&self, guides: &[Map; 2], figure: &[usize], own: &[bool]) -> Affine {
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
        // What is drawn along a track changes its colours from place to place, and its lines stay.
        let on_line = |key: usize, way: Option<&Affine>, i: usize| {
            let to = way.map(|way| way.at([(i % self.w) as f32, (i / self.w) as f32]));
            let owners = &self.owners[1 - key];
            to.and_then(|to| self.pixel(to))
                .is_some_and(|j| own[owners.piece[j] as usize] && owners.line[j])
        };
        let explained = |motion: &Affine| -> usize {
            let of = |key: usize| {
                let way = motion.seen_from(key);
                let way = way.as_ref();
                let fits = |&&i: &&usize| carries(guides, way, key, i) || on_line(key, way, i);
                lines[key].iter().filter(fits).count()
            };
            of(0) + of(1)
        };
        let straight = Affine::shift([to[0] - from[0], to[1] - from[1]]);
        let mut best = (explained(&straight), straight);
        let ground = std::iter::once(self.pieces[0].motion);
        let parts = figure.iter().map(|&p| self.pieces[p].motion);
        for motion in ground.chain(parts).filter(believed) {
            let count = explained(&motion);
            if count > best.0 {
                best = (count, motion);
            }
        }
        best.1.around(from)
    }
}
