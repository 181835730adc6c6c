//! Variational refinement of a flow field.
//!
//! Brightness and gradient constancy with a robust penalty and a robust smoothness term, solved by
//! red-black successive over-relaxation. After Brox et al., "High Accuracy Optical Flow Estimation
//! Based on a Theory for Warping", ECCV 2004, normalised as in Zimmer et al., 2011.

use crate::map::{Map, warp};
use crate::simd::widest;

const ROUNDS: usize = 5;
const SWEEPS: usize = 5;
const OMEGA: f32 = 1.6;
/// Half weights of smoothness, brightness and gradient constancy.
const ALPHA: f32 = 10.0;
const DELTA: f32 = 2.5;
const GAMMA: f32 = 5.0;
/// Keeps the robust penalties differentiable at 0.
const EPSILON2: f32 = 1e-6;
/// Keeps the normalisation finite where the picture is flat.
const ZETA2: f32 = 0.01;

/// Derivatives of the warped pair, one value per sample.
struct Derivatives {
    x: Vec<f32>,
    y: Vec<f32>,
    z: Vec<f32>,
    xx: Vec<f32>,
    xy: Vec<f32>,
    yy: Vec<f32>,
    xz: Vec<f32>,
    yz: Vec<f32>,
}

/// The linear system for the increment of the flow, prepared for the sweeps.
///
/// Planes are `[h, w]`; `right` and `down` are the smoothness between a sample and its right and
/// lower neighbour, 0 at the edge. `right` begins with an extra 0, so that the value before that of
/// a sample is the one to its left, at the left edge as well.
struct System {
    a12: Vec<f32>,
    b: [Vec<f32>; 2],
    /// 1 / (diagonal + smoothness of all neighbours)
    inverse: [Vec<f32>; 2],
    right: Vec<f32>,
    down: Vec<f32>,
}

/// Refines `flow` (`[2, h, w]`) from `from` to `to` (grey 0..=255, `[1, h, w]`) to a lower energy.
pub(crate) fn refine(from: &Map, to: &Map, flow: &mut Map) {
    let (h, w) = (from.h, from.w);
    let d = derivatives(from, &warp(to, flow, 0), h, w);
    let mut step = Map::new(2, h, w);
    let plane = || vec![0.0f32; h * w];
    let mut s = System {
        a12: plane(),
        b: [plane(), plane()],
        inverse: [plane(), plane()],
        right: vec![0.0; h * w + 1],
        down: plane(),
    };
    // Rows with an extra 0 at either end, so that a sweep needs no special case for edges.
    let mut padded = vec![0.0f32; w + 2];
    let masks = [0, 1].map(|odd| (0..w).map(|x| if x % 2 == odd { OMEGA } else { 0.0 }).collect());
    for _ in 0..ROUNDS {
        s.fidelity(&d, &step);
        s.smoothness(flow, &step);
        s.close(flow);
        for sweep in 0..SWEEPS * 2 {
            s.sweep(&mut step, sweep % 2, &masks, &mut padded);
        }
    }
    for (f, s) in flow.v.iter_mut().zip(&step.v) {
        *f += s;
    }
}

fn derivatives(from: &Map, warped: &Map, h: usize, w: usize) -> Derivatives {
    let mean: Vec<f32> = from.v.iter().zip(&warped.v).map(|(a, b)| 0.5 * (a + b)).collect();
    let z: Vec<f32> = from.v.iter().zip(&warped.v).map(|(a, b)| b - a).collect();
    let x = along_x(&mean, w);
    let y = along_y(&mean, h, w);
    Derivatives {
        xx: along_x(&x, w),
        xy: along_y(&x, h, w),
        yy: along_y(&y, h, w),
        xz: along_x(&z, w),
        yz: along_y(&z, h, w),
        x,
        y,
        z,
    }
}

fn along_x(v: &[f32], w: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(v.len());
    for row in v.chunks(w) {
        out.push(0.5 * (row[1.min(w - 1)] - row[0]));
        out.extend(row.windows(3).map(|t| 0.5 * (t[2] - t[0])));
        if w > 1 {
            out.push(0.5 * (row[w - 1] - row[w - 2]));
        }
    }
    out
}

fn along_y(v: &[f32], h: usize, w: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(v.len());
    for y in 0..h {
        let (up, down) = (y.saturating_sub(1) * w, (y + 1).min(h - 1) * w);
        out.extend(v[down..down + w].iter().zip(&v[up..up + w]).map(|(d, u)| 0.5 * (d - u)));
    }
    out
}

impl System {
    /// Adds the terms of brightness and gradient constancy. The diagonals stay in `inverse` until
    /// [`Self::close`].
    fn fidelity(&mut self, d: &Derivatives, step: &Map) {
        let w = step.w;
        let (du, dv) = (step.plane(0), step.plane(1));
        let [b1, b2] = &mut self.b;
        let [a11, a22] = &mut self.inverse;
        for y in 0..step.h {
            let r = y * w..(y + 1) * w;
            fidelity_row(
                [&du[r.clone()], &dv[r.clone()]],
                [&d.x[r.clone()], &d.y[r.clone()], &d.z[r.clone()]],
                [
                    &d.xx[r.clone()],
                    &d.xy[r.clone()],
                    &d.yy[r.clone()],
                    &d.xz[r.clone()],
                    &d.yz[r.clone()],
                ],
                [&mut a11[r.clone()], &mut self.a12[r.clone()], &mut a22[r.clone()]],
                [&mut b1[r.clone()], &mut b2[r]],
            );
        }
    }

    fn smoothness(&mut self, flow: &Map, step: &Map) {
        let (h, w) = (flow.h, flow.w);
        let now: Vec<f32> = flow.v.iter().zip(&step.v).map(|(f, s)| f + s).collect();
        let (u, v) = now.split_at(h * w);
        for y in 0..h {
            let below = if y + 1 < h { y + 1 } else { y };
            let (here, below) = (y * w..(y + 1) * w, below * w..(below + 1) * w);
            smoothness_row(
                [&u[here.clone()], &v[here.clone()]],
                [&u[below.clone()], &v[below]],
                &mut self.right[1..][here.clone()],
            );
            let (right, down) = (&mut self.right[1..][here.clone()], &mut self.down[here]);
            if y + 1 < h {
                down.copy_from_slice(right);
            } else {
                down.fill(0.0);
            }
            right[w - 1] = 0.0;
        }
    }

    /// Adds the terms of the smoothness of `flow` itself, and inverts the diagonals.
    fn close(&mut self, flow: &Map) {
        let (h, w) = (flow.h, flow.w);
        for y in 0..h {
            for x in 0..w {
                let i = y * w + x;
                let neighbours = [
                    (self.right[i + 1], i + usize::from(x + 1 < w)),
                    (self.right[i], i - usize::from(x > 0)),
                    (self.down[i], if y + 1 < h { i + w } else { i }),
                    (if y > 0 { self.down[i - w] } else { 0.0 }, if y > 0 { i - w } else { i }),
                ];
                let total: f32 = neighbours.iter().map(|n| n.0).sum();
                for c in 0..2 {
                    let f = flow.plane(c);
                    let pull: f32 = neighbours.iter().map(|&(k, n)| k * (f[n] - f[i])).sum();
                    self.b[c][i] += pull;
                    self.inverse[c][i] = 1.0 / (self.inverse[c][i] + total);
                }
            }
        }
    }

    /// Relaxes the samples of one colour of the chequerboard.
    fn sweep(&self, step: &mut Map, colour: usize, masks: &[Vec<f32>; 2], padded: &mut [f32]) {
        let (h, w) = (step.h, step.w);
        let (du, dv) = step.v.split_at_mut(h * w);
        for y in 0..h {
            let mask = &masks[(y + colour) % 2];
            let here = y * w..(y + 1) * w;
            let above = if y > 0 { (y - 1) * w..y * w } else { here.clone() };
            let below = if y + 1 < h { (y + 1) * w..(y + 2) * w } else { here.clone() };
            let no_above = if y > 0 { 1.0 } else { 0.0 };
            let from_left = &self.right[here.clone()];
            let (right, down) = (&self.right[1..][here.clone()], &self.down[here.clone()]);
            for c in 0..2 {
                let (own, other) = if c == 0 { (&mut *du, &*dv) } else { (&mut *dv, &*du) };
                padded[1..=w].copy_from_slice(&own[here.clone()]);
                let (before, rest) = own.split_at_mut(here.start);
                let (now, after) = rest.split_at_mut(w);
                // At the edges the weight is 0, so any row can stand in.
                let up = if y > 0 { &before[above.clone()] } else { &other[above.clone()] };
                let low = if y + 1 < h { &after[..w] } else { &other[below.clone()] };
                sweep_row(
                    now,
                    &other[here.clone()],
                    padded,
                    [up, low],
                    [from_left, right, down, &self.down[above.clone()]],
                    no_above,
                    [
                        &self.b[c][here.clone()],
                        &self.a12[here.clone()],
                        &self.inverse[c][here.clone()],
                    ],
                    mask,
                );
            }
        }
    }
}

widest! {
fn fidelity_row(
    step: [&[f32]; 2],
    first: [&[f32]; 3],
    second: [&[f32]; 5],
    a: [&mut [f32]; 3],
    b: [&mut [f32]; 2],
) {
    let [du, dv] = step;
    let n = du.len();
    let ([x, y, z], [xx, xy, yy, xz, yz]) = (first.map(|r| &r[..n]), second.map(|r| &r[..n]));
    let dv = &dv[..n];
    let ([a11, a12, a22], [b1, b2]) = (a.map(|r| &mut r[..n]), b.map(|r| &mut r[..n]));
    for i in 0..n {
        let norm = 1.0 / (x[i] * x[i] + y[i] * y[i] + ZETA2);
        let error = z[i] + x[i] * du[i] + y[i] * dv[i];
        let bright = DELTA / (error * error * norm + EPSILON2).sqrt() * norm;
        let nx = 1.0 / (xx[i] * xx[i] + xy[i] * xy[i] + ZETA2);
        let ny = 1.0 / (yy[i] * yy[i] + xy[i] * xy[i] + ZETA2);
        let ex = xz[i] + xx[i] * du[i] + xy[i] * dv[i];
        let ey = yz[i] + xy[i] * du[i] + yy[i] * dv[i];
        let slope = GAMMA / (ex * ex * nx + ey * ey * ny + EPSILON2).sqrt();
        a11[i] = bright * x[i] * x[i] + ZETA2 + slope * (xx[i] * xx[i] * nx + xy[i] * xy[i] * ny);
        a12[i] = bright * x[i] * y[i] + slope * (xx[i] * xy[i] * nx + xy[i] * yy[i] * ny);
        a22[i] = bright * y[i] * y[i] + ZETA2 + slope * (xy[i] * xy[i] * nx + yy[i] * yy[i] * ny);
        b1[i] = -bright * z[i] * x[i] - slope * (xx[i] * xz[i] * nx + xy[i] * yz[i] * ny);
        b2[i] = -bright * z[i] * y[i] - slope * (xy[i] * xz[i] * nx + yy[i] * yz[i] * ny);
    }
}
}

widest! {
/// Robust smoothness weight of each sample from its differences to the right and below.
fn smoothness_row(here: [&[f32]; 2], below: [&[f32]; 2], weight: &mut [f32]) {
    let n = weight.len();
    let ([u, v], [ub, vb]) = (here.map(|r| &r[..n]), below.map(|r| &r[..n]));
    let at = |ux: f32, vx: f32, uy: f32, vy: f32| {
        ALPHA / (ux * ux + vx * vx + uy * uy + vy * vy + EPSILON2).sqrt()
    };
    for i in 0..n - 1 {
        weight[i] = at(u[i + 1] - u[i], v[i + 1] - v[i], ub[i] - u[i], vb[i] - v[i]);
    }
    let i = n - 1;
    weight[i] = at(0.0, 0.0, ub[i] - u[i], vb[i] - v[i]);
}
}

widest! {
/// `own += mask (solution - own)`; `padded` holds the previous `own`, with 0 at either end.
fn sweep_row(
    own: &mut [f32],
    other: &[f32],
    padded: &[f32],
    rows: [&[f32]; 2],
    smooth: [&[f32]; 4],
    above_counts: f32,
    system: [&[f32]; 3],
    mask: &[f32],
) {
    let n = own.len();
    let [from_left, right, down, down_above] = smooth.map(|r| &r[..n]);
    let ([up, low], [b, a12, inverse]) = (rows.map(|r| &r[..n]), system.map(|r| &r[..n]));
    let (other, mask) = (&other[..n], &mask[..n]);
    let (left, next) = (&padded[..n], &padded[2..n + 2]);
    for i in 0..n {
        let sum = right[i] * next[i]
            + from_left[i] * left[i]
            + down[i] * low[i]
            + above_counts * down_above[i] * up[i];
        let solution = (sum + b[i] - other[i] * a12[i]) * inverse[i];
        own[i] += mask[i] * (solution - own[i]);
    }
}
}
