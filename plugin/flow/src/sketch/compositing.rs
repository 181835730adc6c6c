//! Lays what a sketch corrects over the engine's own drawing.
//!
//! Each key's samples are moved to where they are at a position: figures that the sketch moves are
//! in front, everything else stays behind. This result is used where a figure arrives and where one
//! has left; everywhere else the engine's own drawing remains.

use inbetween_core::Bilinear;
use rayon::prelude::*;

use crate::map::{Map, warp};

/// Logarithm of the weight of a corrected sample relative to one behind it.
const FRONT: f32 = 7.0;
/// Coverage below which nothing of a key arrived.
const BARE: f32 = 0.2;
/// Log odds of a key that is the only one to show a place.
const ALONE: f32 = 8.0;
/// Difference between neighbouring samples of a figure at half guide size, in guide samples, at
/// which the figure is torn.
const TORN: f32 = 3.5;
/// Smallest piece of a figure, as a share of the picture.
const LEAST: f32 = 4e-4;
/// Distance around a figure in a key within which the engine's own drawing is not used, in samples
/// of half guide size.
const STAGE: usize = 6;
/// Motion up to which ground counts as resting, in guide samples.
const GROUND: f32 = 1.5;
/// Difference of the keys, 0..=1, from which one is shown rather than a mix.
const DIFFER: f32 = 0.04;

/// How well lines must fit for the engine's own drawing to stay, 0..=1.
const FITS: f32 = 0.3;

/// What sketches prefer at a place.
#[derive(Default)]
pub(super) struct Preference {
    /// How strongly the first key is preferred.
    pub(super) prefer: f32,
    /// How surely nothing has to change, 0..=1.
    pub(super) fits: f32,
}

/// Both keys, moved to a position.
pub(super) struct WarpedKeys {
    /// Where the samples of each key are at the position: `[3, h / 2, w / 2]`, the displacement in
    /// guide samples, and whether a sketch corrects it (0 or 1).
    pushed: [Map; 2],
    /// The inverse, seen from the position: displacement to the key (2), correction, coverage: `[4,
    /// h, w]`.
    seen: [Map; 2],
}

/// Inverts the displacements of a key, for guides of `h` x `w`.
fn seen(key: &Map, h: usize, w: usize) -> Map {
    let (front, area, torn) = (key.plane(2), h * w, torn(key));
    let mut sum = vec![0.0f32; 5 * area];
    for y in 0..h {
        for x in 0..w {
            let near = (y / 2).min(key.h - 1) * key.w + (x / 2).min(key.w - 1);
            let m = front[near];
            if m > 0.5 && torn[near] {
                continue;
            }
            let at = Bilinear::at(0.5 * x as f32 - 0.25, 0.5 * y as f32 - 0.25, key.h, key.w);
            // Figure and ground must not be mixed.
            let [u, v] = if (at.of(front) - m).abs() < 1e-3 {
                [0, 1].map(|c| at.of(key.plane(c)))
            } else {
                [0, 1].map(|c| key.plane(c)[near])
            };
            let (px, py) = (x as f32 + u, y as f32 + v);
            if !(px > -1.0 && py > -1.0 && px < w as f32 && py < h as f32) {
                continue;
            }
            let front = libm::expf(FRONT * m);
            let (x0, y0) = (px.floor(), py.floor());
            for (cx, cy) in [(x0, y0), (x0 + 1.0, y0), (x0, y0 + 1.0), (x0 + 1.0, y0 + 1.0)] {
                if cx < 0.0 || cy < 0.0 || cx >= w as f32 || cy >= h as f32 {
                    continue;
                }
                let part = (1.0 - (px - cx).abs()) * (1.0 - (py - cy).abs());
                let to = &mut sum[5 * (cy as usize * w + cx as usize)..][..5];
                let weight = part * front;
                for (to, v) in
                    to.iter_mut().zip([weight, -weight * u, -weight * v, weight * m, part])
                {
                    *to += v;
                }
            }
        }
    }
    let mut out = Map::new(4, h, w);
    for (i, s) in sum.chunks(5).enumerate() {
        if s[4] > BARE {
            for c in 0..3 {
                out.v[c * area + i] = s[c + 1] / s[0];
            }
            out.v[3 * area + i] = s[4];
        }
    }
    close(&mut out);
    sweep(&mut out);
    out
}

/// Removes pieces of figures that are too small to be real.
fn sweep(seen: &mut Map) {
    let (w, area) = (seen.w, seen.area());
    let least = (LEAST * area as f32) as usize;
    let mut open: Vec<bool> =
        (0..area).map(|i| seen.v[3 * area + i] > 0.0 && seen.v[2 * area + i] > 0.5).collect();
    for start in 0..area {
        if !open[start] {
            continue;
        }
        open[start] = false;
        let mut piece = vec![start];
        let mut next = 0;
        while next < piece.len() {
            let i = piece[next];
            next += 1;
            let sides = [
                (i % w > 0).then(|| i - 1),
                (i % w + 1 < w).then_some(i + 1),
                (i >= w).then(|| i - w),
                (i + w < area).then_some(i + w),
            ];
            for n in sides.into_iter().flatten() {
                if open[n] {
                    open[n] = false;
                    piece.push(n);
                }
            }
        }
        if piece.len() < least {
            piece.into_iter().for_each(|i| seen.v[3 * area + i] = 0.0);
        }
    }
}

/// Where a figure is stretched more than a drawing can bear.
fn torn(key: &Map) -> Vec<bool> {
    let (h, w, area) = (key.h, key.w, key.area());
    let mut out = vec![false; area];
    for i in 0..area {
        for j in [(i % w + 1 < w).then_some(i + 1), (i + w < h * w).then_some(i + w)] {
            let Some(j) = j.filter(|&j| key.v[2 * area + i] == key.v[2 * area + j]) else {
                continue;
            };
            let (u, v) = (key.v[i] - key.v[j], key.v[area + i] - key.v[area + j]);
            if libm::hypotf(u, v) > TORN {
                out[i] = true;
                out[j] = true;
            }
        }
    }
    out
}

/// Fills cracks: bare samples with mostly covered neighbours.
fn close(seen: &mut Map) {
    let (h, w, area) = (seen.h, seen.w, seen.area());
    for _ in 0..2 {
        let mut filled = Vec::new();
        for y in 1..h.saturating_sub(1) {
            for x in 1..w.saturating_sub(1) {
                let i = y * w + x;
                if seen.v[3 * area + i] > 0.0 {
                    continue;
                }
                let around =
                    [i - w - 1, i - w, i - w + 1, i - 1, i + 1, i + w - 1, i + w, i + w + 1];
                let known = around.iter().filter(|&&n| seen.v[3 * area + n] > 0.0);
                if known.clone().count() < 5 {
                    continue;
                }
                // Filled from the neighbour in front.
                let from =
                    known.max_by(|&&a, &&b| seen.v[2 * area + a].total_cmp(&seen.v[2 * area + b]));
                filled.extend(from.map(|&n| (i, [0, 1, 2, 3].map(|c| seen.v[c * area + n]))));
            }
        }
        for (i, values) in filled {
            values.into_iter().enumerate().for_each(|(c, v)| seen.v[c * area + i] = v);
        }
    }
}

impl WarpedKeys {
    pub(super) fn of(pushed: [Map; 2], h: usize, w: usize) -> Self {
        let (a, b) = rayon::join(|| seen(&pushed[0], h, w), || seen(&pushed[1], h, w));
        Self { pushed, seen: [a, b] }
    }

    /// The guide of key `k`, as seen from the position.
    pub(super) fn shown(&self, k: usize, guide: &Map) -> Map {
        warp(guide, &self.seen[k], 0)
    }

    /// Lays the moved keys over `motion` (`[5, h, w]`) at `t`. `told` gives the sketches'
    /// preference at a place with a given motion.
    pub(super) fn lay(
        &self,
        motion: &mut Map,
        guides: &[Map; 2],
        told: impl Fn(f32, f32, [f32; 2]) -> Preference + Sync,
        t: f32,
    ) {
        let (w, area) = (motion.w, motion.area());
        let even = libm::logf((1.0 - t) / t).clamp(-3.0, 3.0);
        let [a, b] = [0, 1].map(|k| self.shown(k, &guides[k]));
        let mut differ = Map::new(1, motion.h, w);
        for c in 0..3 {
            for ((to, a), b) in differ.v.iter_mut().zip(a.plane(c)).zip(b.plane(c)) {
                *to = to.max((a - b).abs());
            }
        }
        let differ = differ.blur(1);
        // The engine does not know what is behind a figure in a key.
        let [stage_a, stage_b] = self.pushed.each_ref().map(|p| p.channels(2, 3).blur(STAGE));
        let own: Vec<Option<[f32; 5]>> = (0..area)
            .into_par_iter()
            .map(|i| {
                let bare = self.seen.each_ref().map(|s| s.v[3 * area + i] <= 0.0);
                let front = self.seen.each_ref().map(|s| s.v[2 * area + i]);
                let (x, y) = ((i % w) as f32, (i / w) as f32);
                // Whether the engine shows a figure here that has moved elsewhere.
                let odds = motion.v[4 * area + i];
                let stale = [0, 1].map(|k| {
                    let shown = if k == 0 { odds > -3.0 } else { odds < 3.0 };
                    let [u, v] = [0, 1].map(|c| motion.v[(2 * k + c) * area + i]);
                    let key = &self.pushed[k];
                    let at = Bilinear::at(0.5 * (x + u) - 0.25, 0.5 * (y + v) - 0.25, key.h, key.w);
                    shown && at.of(key.plane(2)) > 0.5
                });
                let at = Bilinear::at(0.5 * x - 0.25, 0.5 * y - 0.25, stage_a.h, stage_a.w);
                let ground = (0..2).any(|k| {
                    let way = &self.seen[k].v;
                    !bare[k] && front[k] < 0.5 && libm::hypotf(way[i], way[area + i]) < GROUND
                });
                let staged = ground && at.of(&stage_a.v) + at.of(&stage_b.v) > 0.02;
                let lands = (0..2).any(|k| !bare[k] && front[k] > 0.5);
                if !(lands || staged || stale[0] || stale[1]) || bare[0] && bare[1] {
                    return None;
                }
                let mut out = [0.0; 5];
                for (c, to) in out[..4].iter_mut().enumerate() {
                    let k = c / 2;
                    let own = self.seen[k].v[c % 2 * area + i];
                    *to = if bare[k] { motion.v[c * area + i] } else { own };
                }
                let told = told(x, y, [0, 1].map(|c| out[2 + c] - out[c]));
                if told.fits > FITS {
                    return None;
                }
                out[4] = if bare[1] {
                    ALONE
                } else if bare[0] {
                    -ALONE
                } else if differ.v[i] > DIFFER {
                    let score = told.prefer + even;
                    if score >= 0.0 { ALONE } else { -ALONE }
                } else {
                    even
                };
                Some(out)
            })
            .collect();
        for (i, own) in own.into_iter().enumerate() {
            for (c, v) in own.into_iter().flatten().enumerate() {
                motion.v[c * area + i] = v;
            }
        }
    }
}
