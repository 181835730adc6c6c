//! Takes figures to where sketches show them.
//!
//! A figure as a whole is registered to the lines of a sketch first. Of its parts, those whose lines
//! then lie on the sketch stay as they are; what hangs on them is turned around its joint until it
//! lies there as well, and so on outwards. What the sketch does not show moves with what it hangs
//! on. Nothing is bent, so that whatever the sketch says a figure remains a whole drawing.

use super::Layers;
use super::explain::Scene;
use super::line_fit::LineFit;
use super::sketched_poses::Found;
use super::sketched_units::Unit;
use super::transform::{Affine, Point};
use crate::segments::groups;
use crate::sketch::{LinePoint, SketchedPose};

/// How much more of a sketch the parts of a figure must explain by themselves than its pieces.
const MORE: f32 = 1.1;
/// Positions closer than this are the same.
const AFTER: f32 = 1e-3;

/// What is asked of a drawing by sketches.
pub(crate) struct Sketches<'a> {
    /// The drawing without them.
    pub(crate) found: &'a Layers,
    pub(crate) poses: Vec<SketchedPose>,
    /// The lines of both keys.
    pub(crate) lines: [Vec<LinePoint>; 2],
    /// Share of the way to the sketches to take, 0..=1.
    pub(crate) share: f32,
}

/// What sketches move.
#[derive(Default)]
pub(super) struct Moved {
    pieces: Vec<Sketched>,
    /// For pieces of held figures, the position from which the last key's drawing is shown.
    until: Vec<(usize, f32)>,
}

/// A piece that sketches move.
pub(super) struct Sketched {
    pub(super) piece: usize,
    /// If the piece is made of a figure that is held.
    pub(super) held: Option<HeldPart>,
    /// Maps from the first key to sketches, with their positions.
    pub(super) poses: Vec<(f32, Affine)>,
}

/// A part of a figure that is shown as in the nearer key.
pub(super) struct HeldPart {
    pub(super) key: usize,
    /// Its joint, or its middle, in the first key.
    pub(super) joint: Point,
    /// The piece that it hangs on.
    pub(super) parent: Option<usize>,
}

impl Scene<'_> {
    /// Makes pieces of what sketches move.
    pub(super) fn sketched(&mut self, asked: &Sketches, shape: (usize, usize)) -> Moved {
        let Sketches { found, poses, lines, .. } = asked;
        let mut fits: Vec<LineFit> =
            poses.iter().map(|pose| LineFit::new(&pose.lines, shape.into())).collect();
        // What lies on lines of the ground is not part of a figure.
        for (pose, fit) in poses.iter().zip(&mut fits) {
            for (key, lines) in lines.iter().enumerate() {
                let ground = |k: usize| self.of[key][k].is_none_or(|p| found.rests[p]);
                let own = lines.iter().filter(|p| self.sides_of(key, p).all(ground)).copied();
                if let Some(way) = found.seen_at(0, key, pose.at) {
                    fit.claim(&own.collect::<Vec<_>>(), &way);
                }
            }
        }
        // The sketch nearest to the middle.
        let middle = |n: &usize| (poses[*n].at - 0.5).abs();
        let main = (0..poses.len()).min_by(|m, n| middle(m).total_cmp(&middle(n)));
        let mut out = Moved::default();
        for figure in found.moving_figures() {
            let free: Vec<Vec<bool>> = fits.iter().map(|fit| fit.claimed.clone()).collect();
            let held = figure.iter().any(|&p| found.pieces[p].held);
            let turns = !found.in_row(&figure);
            let mut shown = |units: &[Unit]| {
                fits.iter_mut().zip(&free).for_each(|(fit, free)| fit.claimed.clone_from(free));
                self.shown(units, found, poses, turns, &mut fits)
            };
            let pieces = if held { Vec::new() } else { self.whole_pieces(&figure, lines) };
            let whole = shown(&pieces);
            let explains = |shown: &[(f32, Found)]| {
                let main = shown.iter().find(|(at, _)| main.is_some_and(|n| poses[n].at == *at));
                main.map_or(0, |(_, found)| found.explains)
            };
            if whole.is_empty() || whole.iter().any(|(_, found)| !found.complete) {
                // Each key is compared with the whole sketch by itself.
                let units = [0, 1].map(|key| self.regions_of(&figure, key, lines));
                let parts = units.each_ref().map(|units| shown(units));
                let lies = parts.each_ref().map(|parts| explains(parts));
                let more = lies[0].max(lies[1]) as f32 > MORE * explains(&whole) as f32;
                if let Some(main) = main.filter(|_| more) {
                    let made = self.pieces.len();
                    for (units, shown) in units.iter().zip(&parts) {
                        self.take_apart(units, shown, found, &mut out.pieces);
                    }
                    // At the sketch itself the key is shown that lies on more of it.
                    let until = poses[main].at + if lies[0] > lies[1] { AFTER } else { 0.0 };
                    let parts = made..self.pieces.len();
                    out.until.extend(figure.into_iter().chain(parts).map(|p| (p, until)));
                    continue;
                }
            }
            // What lies on the sketch already is drawn as without it.
            if whole.iter().all(|(_, found)| found.stays) {
                continue;
            }
            out.pieces.extend(pieces.iter().enumerate().map(|(n, unit)| {
                let way = unit.since_first(found);
                let poses = whole.iter().map(|(at, f)| (*at, f.poses[n].after(&way))).collect();
                Sketched { piece: unit.piece, held: None, poses }
            }));
        }
        out
    }

    /// Where sketches show the units of a figure, with the positions of those that do.
    fn shown(
        &self,
        units: &[Unit],
        found: &Layers,
        poses: &[SketchedPose],
        turns: bool,
        fits: &mut [LineFit],
    ) -> Vec<(f32, Found)> {
        let shown = poses.iter().zip(fits).filter_map(|(pose, fit)| {
            let expected: Option<Vec<Affine>> =
                units.iter().map(|unit| found.seen_at(unit.piece, unit.key, pose.at)).collect();
            Some((pose.at, self.registered(units, &expected?, turns, fit)?))
        });
        shown.collect()
    }
}

impl Layers {
    /// Pieces that move against the ground, in groups of those that hang on each other.
    fn moving_figures(&self) -> Vec<Vec<usize>> {
        let hang = |p: usize, q: usize| {
            let [a, b] = [&self.pieces[p], &self.pieces[q]];
            a.held && b.held || a.parent == Some(q) || b.parent == Some(p)
        };
        let touches =
            |p: usize| self.pieces[p].touches.iter().copied().filter(move |&q| hang(p, q));
        let mut out = groups(self.pieces.len(), |p| !self.rests[p], touches);
        let size = |figure: &[usize]| figure.iter().map(|&p| self.pieces[p].size).sum::<f32>();
        out.sort_by(|a, b| size(b).total_cmp(&size(a)));
        out
    }

    /// From key `key` to where piece `p` is at `t`.
    fn seen_at(&self, p: usize, key: usize, t: f32) -> Option<Affine> {
        let placed = self.placed(p, t, 0);
        if key == 0 { Some(placed) } else { Some(placed.after(&self.pieces[p].motion.inverse()?)) }
    }

    /// Moves pieces as sketches show them, and everything else as in `asked.found`.
    pub(super) fn take(&mut self, moved: Moved, asked: &Sketches) {
        let Moved { pieces: sketched, until } = moved;
        let n = asked.found.pieces.len();
        self.needed = vec![false; self.pieces.len()];
        self.needed[..n].copy_from_slice(&asked.found.needed);
        self.firm = asked.found.firm;
        for (to, from) in self.pieces.iter_mut().zip(&asked.found.pieces).filter(|(_, f)| f.held) {
            (to.motion, to.parent, to.held, to.vanishes) = (from.motion, None, true, false);
        }
        let mut own = vec![false; self.pieces.len()];
        for one in &sketched {
            if let Some(HeldPart { key, joint, parent }) = one.held {
                let piece = &mut self.pieces[one.piece];
                (piece.motion, piece.parent) = (piece.motion.around(joint), parent);
                (piece.only, piece.held) = (Some(key), true);
                own[one.piece] = true;
            }
            self.needed[one.piece] = true;
        }
        self.spread(sketched.iter().map(|one| one.piece).collect());
        for (piece, until) in until {
            self.pieces[piece].until = until;
        }
        let held = |p: usize| own[p] || self.pieces[p].held;
        self.regain(&(0..self.pieces.len()).map(held).collect::<Vec<_>>());
        for one in &sketched {
            let bends = one.poses.iter().map(|(at, pose)| {
                let piece = &self.pieces[one.piece];
                let mut bend = piece.motion.bend_to(pose, *at);
                let of = |parent: usize| {
                    let parent = sketched.iter().find(|s| s.piece == parent)?;
                    parent.poses.iter().find(|p| p.0 == *at).map(|p| p.1)
                };
                if let Some(parent) = piece.parent {
                    // The joint goes along with the parent.
                    let (from, to) = (piece.motion.from, pose.at(piece.motion.from));
                    let carried =
                        of(parent).unwrap_or_else(|| self.placed(parent, *at, 0)).at(from);
                    let end = self.pieces[parent].motion.at(from);
                    bend.shift =
                        [0, 1].map(|c| to[c] - carried[c] - at * (piece.motion.to[c] - end[c]));
                }
                (*at, bend.times(asked.share))
            });
            self.pieces[one.piece].sketched = bends.collect();
        }
    }
}
