//! Dense inverse search: fast optical flow between two grey pictures.
//!
//! After Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, with the
//! spatial propagation and mean normalisation of OpenCV's medium preset. Each direction is one
//! sequential task, so the result does not depend on the number of threads.

use crate::map::Map;
use crate::refine::refine;
use crate::simd::widest;

/// Side of a matched patch.
const PATCH: usize = 8;
/// Distance between neighbouring patches.
const STRIDE: usize = 4;
/// Descent steps in each of the two propagation passes.
const STEPS: usize = 12;
/// Share of the Gauss-Newton step that is taken; with the full step, patches on outlines overshoot.
const DAMPING: f32 = 0.125;
/// Patches may leave the picture by this much.
const BORDER: usize = 16;

/// Flow from `from` to `to`, in samples of these pictures: `[2, h, w]`.
///
/// `from`, `to`: `[1, h, w]`, grey 0..=255, at least 8 x 8. The search begins on the pyramid level
/// where motion looks small. With `init` it begins from that flow, at most `halvings` levels up.
pub(crate) fn dis(from: &Map, to: &Map, init: Option<(&Map, usize)>) -> Map {
    let (h, w) = (from.h, from.w);
    let levels = coarsest(h, w).min(init.map_or(usize::MAX, |(_, halvings)| halvings));
    let mut pyramid = vec![(from.clone(), to.clone())];
    for level in 0..levels {
        let (a, b) = &pyramid[level];
        let (h, w) = (a.h.div_ceil(2), a.w.div_ceil(2));
        pyramid.push((a.shrink(h, w), b.shrink(h, w)));
    }
    let top = &pyramid[levels].0;
    let mut flow = match init {
        Some((init, _)) => rescale(init, top.h, top.w),
        None => Map::new(2, top.h, top.w),
    };
    for level in (0..=levels).rev() {
        let (a, b) = &pyramid[level];
        if (flow.h, flow.w) != (a.h, a.w) {
            flow = rescale(&flow, a.h, a.w);
        }
        flow = Search::new(a, b).run(&flow);
        refine(a, b, &mut flow);
    }
    flow
}

/// Index of the coarsest pyramid level on which patches are still useful.
fn coarsest(h: usize, w: usize) -> usize {
    let long = (libm::log2f(h.max(w) as f32 / (2 * PATCH) as f32) - 0.5).max(0.0) as usize;
    let short = libm::log2f(h.min(w) as f32 / PATCH as f32).max(0.0) as usize;
    long.min(short)
}

/// A flow field resized together with its vectors.
pub(crate) fn rescale(flow: &Map, h: usize, w: usize) -> Map {
    let mut out = if h < flow.h { flow.shrink(h, w) } else { flow.resize(h, w) };
    let scale = [w as f32 / flow.w as f32, h as f32 / flow.h as f32];
    for (c, scale) in scale.into_iter().enumerate() {
        out.plane_mut(c).iter_mut().for_each(|v| *v *= scale);
    }
    out
}

/// One patch of the first picture, ready for the search.
struct Patch {
    value: [[f32; PATCH]; PATCH],
    gx: [[f32; PATCH]; PATCH],
    gy: [[f32; PATCH]; PATCH],
    /// Sums of the gradients.
    sum: [f32; 2],
    /// Inverse of the mean-normalised structure matrix: xx, xy, yy.
    inverse: [f32; 3],
}

/// Cost of a displacement, and the descent direction there.
struct Probe {
    cost: f32,
    slope: [f32; 2],
}

struct Search<'a> {
    from: &'a Map,
    to: &'a Map,
    gx: Vec<f32>,
    gy: Vec<f32>,
    /// `to` with `BORDER` samples repeated on each side.
    wide: Vec<f32>,
    wide_w: usize,
    rows: usize,
    columns: usize,
}

impl<'a> Search<'a> {
    fn new(from: &'a Map, to: &'a Map) -> Self {
        let (h, w) = (from.h, from.w);
        let (mut gx, mut gy) = (vec![0.0; h * w], vec![0.0; h * w]);
        for y in 0..h {
            let [up, here, down] =
                [y.saturating_sub(1), y, (y + 1).min(h - 1)].map(|y| from.row(0, y));
            for x in 0..w {
                let (l, r) = (x.saturating_sub(1), (x + 1).min(w - 1));
                gx[y * w + x] =
                    (up[r] - up[l] + 2.0 * (here[r] - here[l]) + down[r] - down[l]) / 8.0;
                gy[y * w + x] = (down[l] - up[l] + 2.0 * (down[x] - up[x]) + down[r] - up[r]) / 8.0;
            }
        }
        let wide_w = w + 2 * BORDER;
        let mut wide = Vec::with_capacity(wide_w * (h + 2 * BORDER));
        for y in 0..h + 2 * BORDER {
            let row = to.row(0, y.saturating_sub(BORDER).min(h - 1));
            wide.extend((0..wide_w).map(|x| row[x.saturating_sub(BORDER).min(w - 1)]));
        }
        let count = |n: usize| 1 + (n - PATCH) / STRIDE;
        Self { from, to, gx, gy, wide, wide_w, rows: count(h), columns: count(w) }
    }

    fn run(&self, start: &Map) -> Map {
        let w = self.from.w;
        let mut found: Vec<[f32; 2]> = Vec::with_capacity(self.rows * self.columns);
        for r in 0..self.rows {
            for c in 0..self.columns {
                let i = (r * STRIDE + PATCH / 2) * w + c * STRIDE + PATCH / 2;
                found.push([start.plane(0)[i], start.plane(1)[i]]);
            }
        }
        let begin = found.clone();
        let mut patches: Vec<Patch> = Vec::with_capacity(found.len());
        for r in 0..self.rows {
            for c in 0..self.columns {
                patches.push(self.patch(r * STRIDE, c * STRIDE));
            }
        }
        for forward in [true, false] {
            let mut cost: Vec<f32> = vec![f32::INFINITY; found.len()];
            for k in 0..found.len() {
                let i = if forward { k } else { found.len() - 1 - k };
                let (r, c) = (i / self.columns, i % self.columns);
                let at = |flow: [f32; 2]| self.probe(&patches[i], r * STRIDE, c * STRIDE, flow);
                let mut flow = found[i];
                let mut probe = at(flow);
                let neighbours = if forward {
                    [(c > 0).then(|| i - 1), (r > 0).then(|| i - self.columns)]
                } else {
                    [
                        (c + 1 < self.columns).then_some(i + 1),
                        (r + 1 < self.rows).then_some(i + self.columns),
                    ]
                };
                for n in neighbours.into_iter().flatten() {
                    let other = at(found[n]);
                    if other.cost < probe.cost {
                        (flow, probe) = (found[n], other);
                    }
                }
                let (mut best, seed) = (flow, flow);
                let mut best_cost = probe.cost;
                let [xx, xy, yy] = patches[i].inverse;
                for _ in 0..STEPS {
                    let [sx, sy] = probe.slope;
                    flow = [
                        flow[0] - DAMPING * (xx * sx + xy * sy),
                        flow[1] - DAMPING * (xy * sx + yy * sy),
                    ];
                    probe = at(flow);
                    if probe.cost >= best_cost {
                        break;
                    }
                    (best, best_cost) = (flow, probe.cost);
                }
                let away = libm::hypotf(best[0] - seed[0], best[1] - seed[1]);
                let ok = away <= PATCH as f32 && best[0].is_finite() && best[1].is_finite();
                found[i] = if ok { best } else { begin[i] };
                cost[i] = best_cost;
            }
        }
        self.densify(&found)
    }

    fn patch(&self, y: usize, x: usize) -> Patch {
        let w = self.from.w;
        let mut patch = Patch {
            value: [[0.0; PATCH]; PATCH],
            gx: [[0.0; PATCH]; PATCH],
            gy: [[0.0; PATCH]; PATCH],
            sum: [0.0; 2],
            inverse: [0.0; 3],
        };
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for i in 0..PATCH {
            let start = (y + i) * w + x;
            patch.value[i].copy_from_slice(&self.from.v[start..start + PATCH]);
            patch.gx[i].copy_from_slice(&self.gx[start..start + PATCH]);
            patch.gy[i].copy_from_slice(&self.gy[start..start + PATCH]);
            for (gx, gy) in patch.gx[i].iter().zip(&patch.gy[i]) {
                patch.sum[0] += gx;
                patch.sum[1] += gy;
                xx += gx * gx;
                xy += gx * gy;
                yy += gy * gy;
            }
        }
        let n = (PATCH * PATCH) as f32;
        let [sx, sy] = patch.sum;
        (xx, xy, yy) = (xx - sx * sx / n, xy - sx * sy / n, yy - sy * sy / n);
        // A flat patch has no motion of its own: keep its steps finite and tiny.
        let det = xx * yy - xy * xy;
        let det = if det.abs() < 1e-3 { 1e-3 } else { det };
        patch.inverse = [yy / det, -xy / det, xx / det];
        patch
    }

    /// Mean-normalised squared difference of the patch at (`y`, `x`) displaced by `flow`.
    fn probe(&self, patch: &Patch, y: usize, x: usize, flow: [f32; 2]) -> Probe {
        let edge = (BORDER - PATCH + 1) as f32;
        let place = |at: usize, by: f32, n: usize| {
            ((at + BORDER) as f32 + by).max(edge).min((n + BORDER - 1) as f32)
        };
        let (py, px) = (place(y, flow[1], self.from.h), place(x, flow[0], self.from.w));
        let (y0, x0) = (py as usize, px as usize);
        let (fy, fx) = (py - y0 as f32, px - x0 as f32);
        let [a, b, c, d] = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        let sums = compare(&self.wide[y0 * self.wide_w + x0..], self.wide_w, patch, [a, b, c, d]);
        let [square, sum, along_x, along_y] = sums;
        let mean = sum / (PATCH * PATCH) as f32;
        Probe {
            cost: square - sum * mean,
            slope: [along_x - mean * patch.sum[0], along_y - mean * patch.sum[1]],
        }
    }

    /// Every sample's flow: the mean of its patches, each weighted by how well it fits there.
    fn densify(&self, found: &[[f32; 2]]) -> Map {
        let (h, w) = (self.from.h, self.from.w);
        let mut sum = vec![[0.0f32; 3]; h * w];
        for (i, flow) in found.iter().enumerate() {
            let (y, x) = (i / self.columns * STRIDE, i % self.columns * STRIDE);
            // The last patches also serve the rows and columns that no patch covers.
            let bottom = if i / self.columns + 1 == self.rows { h } else { y + PATCH };
            let right = if i % self.columns + 1 == self.columns { w } else { x + PATCH };
            for py in y..bottom {
                for px in x..right {
                    let at = inbetween_core::Bilinear::at(
                        px as f32 + flow[0],
                        py as f32 + flow[1],
                        h,
                        w,
                    );
                    let diff = (at.of(&self.to.v) - self.from.v[py * w + px]).abs();
                    let weight = 1.0 / diff.max(1.0);
                    let sum = &mut sum[py * w + px];
                    sum[0] += weight * flow[0];
                    sum[1] += weight * flow[1];
                    sum[2] += weight;
                }
            }
        }
        let mut out = Map::new(2, h, w);
        for c in 0..2 {
            for (to, sum) in out.plane_mut(c).iter_mut().zip(&sum) {
                *to = sum[c] / sum[2];
            }
        }
        out
    }
}

widest! {
/// Sums over the patch: squared difference, difference, and difference times each gradient.
fn compare(from: &[f32], stride: usize, patch: &Patch, weights: [f32; 4]) -> [f32; 4] {
    let [a, b, c, d] = weights;
    let mut sums = [[0.0f32; PATCH]; 4];
    let mut top: &[f32; PATCH + 1] = row_of(from, 0);
    for i in 0..PATCH {
        let low: &[f32; PATCH + 1] = row_of(from, (i + 1) * stride);
        for j in 0..PATCH {
            let v = a * top[j] + b * top[j + 1] + c * low[j] + d * low[j + 1];
            let diff = v - patch.value[i][j];
            sums[0][j] += diff * diff;
            sums[1][j] += diff;
            sums[2][j] += diff * patch.gx[i][j];
            sums[3][j] += diff * patch.gy[i][j];
        }
        top = low;
    }
    sums.map(|s| ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7])))
}
}

/// One row of samples of a patch and the sample after it.
#[inline(always)]
fn row_of(from: &[f32], start: usize) -> &[f32; PATCH + 1] {
    from[start..].first_chunk().expect("the border is wider than a patch may leave the picture")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(h: usize, w: usize, dx: f32, dy: f32) -> Map {
        let at = |i: usize| {
            let (x, y) = ((i % w) as f32 - dx, (i / w) as f32 - dy);
            128.0 + 50.0 * (0.13 * x).sin() * (0.17 * y).cos() + 30.0 * (0.31 * x + 0.23 * y).sin()
        };
        Map { c: 1, h, w, v: (0..h * w).map(at).collect() }
    }

    #[test]
    fn a_shift_is_found_inside_the_picture() {
        let (a, b) = (waves(90, 120, 0.0, 0.0), waves(90, 120, 3.4, -2.2));
        let flow = dis(&a, &b, None);
        for y in 12..78 {
            for x in 12..108 {
                let (u, v) = (flow.row(0, y)[x], flow.row(1, y)[x]);
                assert!((u - 3.4).hypot(v + 2.2) < 0.5, "({u}, {v}) at ({x}, {y})");
            }
        }
    }

    #[test]
    fn the_smallest_picture_has_a_finite_flow() {
        for (h, w) in [(8, 8), (8, 64), (40, 8), (9, 11)] {
            let (a, b) = (waves(h, w, 0.0, 0.0), Map::new(1, h, w));
            assert!(dis(&a, &b, None).v.iter().all(|v| v.is_finite()));
            assert!(dis(&b, &b, None).v.iter().all(|&v| v == 0.0));
        }
    }
}
