//! What a sketch corrects, laid over what the engine draws by itself.
//!
//! Each key's samples are pushed to where they are at a position: figures that the sketch moves in
//! front, what stays behind. Where a figure lands, and where one has left, this decides; everything
//! else remains the engine's.

use rayon::prelude::*;

use crate::map::{Corner, Map};

/// Logarithm of how much more a corrected sample counts than one behind it.
const FRONT: f32 = 7.0;
/// Coverage below which nothing of a key landed.
const BARE: f32 = 0.2;
/// Log odds of a key that alone shows a place.
const ALONE: f32 = 8.0;

/// Where samples of a key are at a position: `[3, h, w]` at half guide size, displacement there in guide
/// samples and how far it is corrected (0..=1).
pub(super) struct Pushed<'a> {
    pub(super) key: &'a Map,
}

impl Pushed<'_> {
    /// Seen from the position, for guides of `h` x `w`: way back (2), correction, coverage: `[4, h, w]`.
    fn seen(&self, h: usize, w: usize) -> Map {
        let (key, area) = (self.key, h * w);
        let mut sum = vec![0.0f32; 5 * area];
        for y in 0..h {
            for x in 0..w {
                let at = Corner::at(0.5 * x as f32 - 0.25, 0.5 * y as f32 - 0.25, key.h, key.w);
                let [u, v, m] = [0, 1, 2].map(|c| at.of(key.plane(c)));
                let (px, py) = (x as f32 + u, y as f32 + v);
                if !(px > -1.0 && py > -1.0 && px < w as f32 && py < h as f32) {
                    continue;
                }
                let front = (FRONT * m).exp();
                let (x0, y0) = (px.floor(), py.floor());
                for (cx, cy) in [(x0, y0), (x0 + 1.0, y0), (x0, y0 + 1.0), (x0 + 1.0, y0 + 1.0)] {
                    if cx < 0.0 || cy < 0.0 || cx >= w as f32 || cy >= h as f32 {
                        continue;
                    }
                    let part = (1.0 - (px - cx).abs()) * (1.0 - (py - cy).abs());
                    let i = 5 * (cy as usize * w + cx as usize);
                    let weight = part * front;
                    sum[i] += weight;
                    // The way back from the sample itself, not from where it was pushed to.
                    sum[i + 1] += weight * (x as f32 - px);
                    sum[i + 2] += weight * (y as f32 - py);
                    sum[i + 3] += weight * m;
                    sum[i + 4] += part;
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
        out
    }
}

/// Lays what is `pushed` from both keys over `motion` (`[5, h, w]`) at `t`.
pub(super) fn lay(motion: &mut Map, pushed: [Pushed; 2], t: f32) {
    let (h, w, area) = (motion.h, motion.w, motion.area());
    let keys = [pushed[0].key, pushed[1].key];
    let seen: Vec<Map> = pushed.par_iter().map(|p| p.seen(h, w)).collect();
    let even = ((1.0 - t) / t).ln().clamp(-3.0, 3.0);
    let odds_now = motion.plane(4).to_vec();
    let own: Vec<Option<[f32; 5]>> = (0..area)
        .into_par_iter()
        .map(|i| {
            let bare = [0, 1].map(|k| seen[k].v[3 * area + i] <= 0.0);
            let front = [0, 1].map(|k| seen[k].v[2 * area + i]);
            let (x, y) = ((i % w) as f32, (i / w) as f32);
            // Whether the engine shows a figure here that has gone elsewhere.
            let stale = [0, 1].map(|k| {
                let shown = if k == 0 { odds_now[i] > -3.0 } else { odds_now[i] < 3.0 };
                let [u, v] = [0, 1].map(|c| motion.v[(2 * k + c) * area + i]);
                let at = Corner::at(0.5 * (x + u) - 0.25, 0.5 * (y + v) - 0.25, keys[k].h, keys[k].w);
                shown && at.of(keys[k].plane(2)) > 0.5
            });
            let lands = (0..2).any(|k| !bare[k] && front[k] > 0.5);
            if !lands && !stale[0] && !stale[1] || bare[0] && bare[1] {
                return None;
            }
            let mut out = [0.0; 5];
            for k in 0..2 {
                for c in 0..2 {
                    let from = if bare[k] { motion.v[(2 * k + c) * area + i] } else { seen[k].v[c * area + i] };
                    out[2 * k + c] = from;
                }
            }
            out[4] = if bare[1] || !bare[0] && front[0] > front[1] + 0.5 {
                ALONE
            } else if bare[0] || front[1] > front[0] + 0.5 {
                -ALONE
            } else {
                even
            };
            Some(out)
        })
        .collect();
    for (i, own) in own.into_iter().enumerate() {
        if let Some(own) = own {
            for (c, v) in own.into_iter().enumerate() {
                motion.v[c * area + i] = v;
            }
        }
    }
}
