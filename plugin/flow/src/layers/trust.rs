//! Where the layers draw, and where the motion that was found place by place does.
//!
//! That motion follows what bends and boils, but loses what moves far. A piece that it loses is drawn as
//! a piece; where it goes the piece's way it is left alone.

use super::Layers;
use super::transform::Affine;
use crate::map::Map;

/// A ground is drawn as a piece where fewer of its lines than this are found on its way ...
const KEPT: f32 = 0.7;
/// ... and it moves by more than this share of the diagonal.
const PAN: f32 = 0.1;
/// How far a line may be off the piece's motion: so many samples, and a share of the way.
const OFF: (f32, f32) = (3.0, 0.06);
/// Share of its lines below which a piece is lost without the layers.
const LOST: f32 = 0.4;
/// Share of its lines that a piece must explain in either key to be drawn as one.
const EXPLAINS: f32 = 0.55;
/// Share of all figures' lines that their pieces must explain.
const COMPLETE: f32 = 0.55;
/// A figure is drawn as a piece where it moves against the ground by more than this share of its size.
const FAR: f32 = 0.7;
/// Largest difference of a channel, 0..=1, at which the keys show the same.
const ALIKE: f32 = 0.15;
/// Pieces that move less than this against what the other key shows are left alone, in samples.
const SLIGHT: f32 = 20.0;
/// Pieces smaller than this share of the picture are left alone.
const SMALL: f32 = 4e-3;

impl Layers {
    /// Finds the pieces that `motion: [5, h, w]` (at half the way) loses.
    pub(crate) fn compare(&mut self, guides: &[Map; 2], motion: &Map) {
        let (h, w, area) = (self.h, self.w, self.h * self.w);
        let n = self.pieces.len();
        let mut found = [vec![0.0f32; n], vec![0.0f32; n]];
        let mut all = [vec![0.0f32; n], vec![0.0f32; n]];
        let mut drawn = [vec![0.0f32; n], vec![0.0f32; n]];
        let mut explained = [vec![0.0f32; n], vec![0.0f32; n]];
        let mut size = vec![0.0f32; n];
        for key in 0..2 {
            let mut reached = vec![false; area];
            let mut shown = vec![false; area];
            for i in 0..area {
                let (x, y) = ((i % w) as f32, (i / w) as f32);
                let q: [[f32; 2]; 2] = [0, 1].map(|k| {
                    [x + motion.v[2 * k * area + i], y + motion.v[(2 * k + 1) * area + i]]
                });
                let (cx, cy) = (q[key][0].round(), q[key][1].round());
                if cx < 0.0 || cy < 0.0 || cx >= w as f32 || cy >= h as f32 {
                    continue;
                }
                let j = cy as usize * w + cx as usize;
                let piece = &self.pieces[self.owners[key].piece[j] as usize];
                let to = piece.motion.at(q[0]);
                let way = (to[0] - q[0][0]).hypot(to[1] - q[0][1]);
                let goes = (to[0] - q[1][0]).hypot(to[1] - q[1][1]) <= OFF.0 + OFF.1 * way;
                let alike = apart(guides, q) < ALIKE;
                for y in (j / w).saturating_sub(1)..(j / w + 2).min(h) {
                    for x in (j % w).saturating_sub(1)..(j % w + 2).min(w) {
                        reached[y * w + x] |= goes;
                        shown[y * w + x] |= alike;
                    }
                }
            }
            let owners = &self.owners[key];
            for (i, &reached) in reached.iter().enumerate() {
                let p = owners.piece[i] as usize;
                size[p] += 0.5;
                if owners.line[i] {
                    all[key][p] += 1.0;
                    found[key][p] += f32::from(u8::from(reached));
                    drawn[key][p] += f32::from(u8::from(shown[i]));
                    let at = [(i % w) as f32, (i / w) as f32];
                    let there = if key == 0 {
                        Some(self.pieces[p].motion)
                    } else {
                        self.pieces[p].motion.inverse()
                    };
                    let like = there.is_some_and(|m| {
                        let to = m.at(at);
                        [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]].iter().any(
                            |d| {
                                let to = [to[0] + d[0], to[1] + d[1]];
                                apart(guides, if key == 0 { [at, to] } else { [to, at] }) < ALIKE
                            },
                        )
                    });
                    explained[key][p] += f32::from(u8::from(like));
                }
            }
        }
        let ground = self.pieces[0].motion;
        let share = |of: &[Vec<f32>; 2], p: usize| {
            [0, 1].map(|k| if all[k][p] > 0.0 { of[k][p] / all[k][p] } else { 0.0 })
        };
        // Where hardly a line is left, pieces lose nothing.
        let lost = |p: usize| share(&drawn, p).iter().sum::<f32>() < 2.0 * LOST;
        self.needed = (0..n)
            .map(|p| {
                let piece = &self.pieces[p];
                let reach = size[p].sqrt();
                let against = if self.rests[p] { Affine::shift([0.0; 2]) } else { ground };
                let moved = piece.motion.away(&against, piece.motion.from, 0.5 * reach);
                let (kept, explains) = (share(&found, p), share(&explained, p));
                let credible = piece.only.is_none()
                    && size[p] > SMALL * area as f32
                    && (explains[0].min(explains[1]) > EXPLAINS || lost(p));
                let far = if self.rests[p] {
                    moved > PAN * (h as f32).hypot(w as f32) && kept[0].min(kept[1]) < KEPT
                } else {
                    moved > (FAR * reach).max(SLIGHT)
                };
                credible && far
            })
            .collect();
        if (0..n).any(|p| self.needed[p] && self.rests[p]) {
            self.needed.fill(true);
        }
        // Figures that are explained in part only are no figures.
        let (mut sum, mut whole) = (0.0, 1e-6);
        for p in (0..n).filter(|&p| !self.rests[p] && self.pieces[p].only.is_none()) {
            let explains = share(&explained, p);
            sum += size[p] * explains[0].min(explains[1]);
            whole += size[p];
        }
        let gone: f32 = (0..n).filter(|&p| self.needed[p] && lost(p)).map(|p| size[p]).sum();
        if sum < COMPLETE * whole && gone < 0.5 * whole {
            self.needed.fill(false);
        }
        // What touches a piece that is drawn as one is drawn with it.
        let mut open: Vec<usize> = (0..n).filter(|&p| self.needed[p] && !self.rests[p]).collect();
        while let Some(p) = open.pop() {
            for &q in &self.pieces[p].touches {
                if !self.needed[q] && !self.rests[q] {
                    self.needed[q] = true;
                    open.push(q);
                }
            }
        }
    }

    /// Whether any piece is drawn as one.
    pub(crate) fn wanted(&self) -> bool {
        self.needed.iter().any(|n| *n)
    }

    /// Lays the pieces that are needed over `motion: [5, h, w]` of position `t`; tells which piece each sample
    /// shows.
    pub(crate) fn lay_over(&self, motion: &mut Map, guides: &[Map; 2], t: f32) -> Vec<u16> {
        let (own, label) = self.at(guides, t);
        let (w, area) = (self.w, self.h * self.w);
        let stale = |i: usize| {
            let odds = motion.v[4 * area + i];
            (0..2).any(|k| {
                let shown = if k == 0 { odds > -3.0 } else { odds < 3.0 };
                let q = [0, 1].map(|c| {
                    let at = if c == 0 { i % w } else { i / w };
                    at as f32 + motion.v[(2 * k + c) * area + i]
                });
                let (x, y) = (q[0].round(), q[1].round());
                let inside = x >= 0.0 && y >= 0.0 && x < w as f32 && y < self.h as f32;
                shown && inside && {
                    let j = y as usize * w + x as usize;
                    let owners = &self.owners[k];
                    self.needed[owners.piece[j] as usize] || self.needed[owners.front[j] as usize]
                }
            })
        };
        // A ground at rest is known wherever a key shows it, unless the keys show it differently.
        let known = |i: usize| {
            let piece = label[i] as usize;
            if !self.rests[piece] || !self.still {
                return false;
            }
            let q = [0, 1].map(|k| {
                [
                    (i % w) as f32 + own.v[2 * k * area + i],
                    (i / w) as f32 + own.v[(2 * k + 1) * area + i],
                ]
            });
            let ground = |k: usize| {
                let (x, y) = (q[k][0].round().max(0.0) as usize, q[k][1].round().max(0.0) as usize);
                let j = y.min(self.h - 1) * w + x.min(w - 1);
                self.rests[self.owners[k].front[j] as usize]
            };
            !(ground(0) && ground(1)) || apart(guides, q) < ALIKE
        };
        let take: Vec<bool> =
            (0..area).map(|i| self.needed[label[i] as usize] || stale(i) || known(i)).collect();
        let mut out = vec![u16::MAX; area];
        for i in (0..area).filter(|&i| take[i]) {
            out[i] = label[i];
            for c in 0..5 {
                motion.v[c * area + i] = own.v[c * area + i];
            }
        }
        out
    }
}

/// Largest difference of a channel between the two keys' places: infinite outside.
fn apart(guides: &[Map; 2], q: [[f32; 2]; 2]) -> f32 {
    let (h, w) = (guides[0].h, guides[0].w);
    if q.iter()
        .any(|q| q[0] < -0.5 || q[1] < -0.5 || q[0] > w as f32 - 0.5 || q[1] > h as f32 - 0.5)
    {
        return f32::INFINITY;
    }
    let [a, b] = q.map(|q| crate::map::Corner::at(q[0], q[1], h, w));
    (0..3).map(|c| (a.of(guides[0].plane(c)) - b.of(guides[1].plane(c))).abs()).fold(0.0, f32::max)
}
