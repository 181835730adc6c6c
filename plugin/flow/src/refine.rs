//! Variational refinement of a flow field.
//!
//! Brightness and gradient constancy with a robust penalty and a robust smoothness term, solved
//! by red-black successive over-relaxation, after Brox et al., "High Accuracy Optical Flow
//! Estimation Based on a Theory for Warping", ECCV 2004, normalised as in Zimmer et al., 2011.

use crate::map::{Map, warp};

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

/// Derivatives of the warped pair, one value for each sample.
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

/// The linear system for the flow's increment.
struct System {
    a11: Vec<f32>,
    a12: Vec<f32>,
    a22: Vec<f32>,
    b1: Vec<f32>,
    b2: Vec<f32>,
    /// Smoothness between a sample and its right and lower neighbour.
    right: Vec<f32>,
    down: Vec<f32>,
}

/// Moves `flow` (`[2, h, w]`) from `from` to `to` (grey 0..=255, `[1, h, w]`) to a lower energy.
pub(crate) fn refine(from: &Map, to: &Map, flow: &mut Map) {
    let (h, w) = (from.h, from.w);
    let d = derivatives(from, &warp(to, flow, 0), h, w);
    let mut step = Map::new(2, h, w);
    let mut s = System {
        a11: vec![0.0; h * w],
        a12: vec![0.0; h * w],
        a22: vec![0.0; h * w],
        b1: vec![0.0; h * w],
        b2: vec![0.0; h * w],
        right: vec![0.0; h * w],
        down: vec![0.0; h * w],
    };
    for _ in 0..ROUNDS {
        s.fidelity(&d, &step);
        s.smoothness(flow, &step);
        for sweep in 0..SWEEPS * 2 {
            s.relax(flow, &mut step, sweep % 2);
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
    fn fidelity(&mut self, d: &Derivatives, step: &Map) {
        let (du, dv) = (step.plane(0), step.plane(1));
        for i in 0..du.len() {
            let (x, y, z) = (d.x[i], d.y[i], d.z[i]);
            let norm = 1.0 / (x * x + y * y + ZETA2);
            let error = z + x * du[i] + y * dv[i];
            let weight = DELTA / (error * error * norm + EPSILON2).sqrt() * norm;
            let (mut a11, mut a12, mut a22) =
                (weight * x * x + ZETA2, weight * x * y, weight * y * y + ZETA2);
            let (mut b1, mut b2) = (-weight * z * x, -weight * z * y);
            let (xx, xy, yy, xz, yz) = (d.xx[i], d.xy[i], d.yy[i], d.xz[i], d.yz[i]);
            let nx = 1.0 / (xx * xx + xy * xy + ZETA2);
            let ny = 1.0 / (yy * yy + xy * xy + ZETA2);
            let ex = xz + xx * du[i] + xy * dv[i];
            let ey = yz + xy * du[i] + yy * dv[i];
            let weight = GAMMA / (ex * ex * nx + ey * ey * ny + EPSILON2).sqrt();
            a11 += weight * (xx * xx * nx + xy * xy * ny);
            a12 += weight * (xx * xy * nx + xy * yy * ny);
            a22 += weight * (xy * xy * nx + yy * yy * ny);
            b1 -= weight * (xx * xz * nx + xy * yz * ny);
            b2 -= weight * (xy * xz * nx + yy * yz * ny);
            self.a11[i] = a11;
            self.a12[i] = a12;
            self.a22[i] = a22;
            self.b1[i] = b1;
            self.b2[i] = b2;
        }
    }

    fn smoothness(&mut self, flow: &Map, step: &Map) {
        let (h, w) = (flow.h, flow.w);
        let now: Vec<f32> = flow.v.iter().zip(&step.v).map(|(f, s)| f + s).collect();
        let (u, v) = now.split_at(h * w);
        for y in 0..h {
            let below = if y + 1 < h { w } else { 0 };
            for x in 0..w {
                let i = y * w + x;
                let beside = usize::from(x + 1 < w);
                let (ux, vx) = (u[i + beside] - u[i], v[i + beside] - v[i]);
                let (uy, vy) = (u[i + below] - u[i], v[i + below] - v[i]);
                let weight = ALPHA / (ux * ux + vx * vx + uy * uy + vy * vy + EPSILON2).sqrt();
                self.right[i] = if beside == 1 { weight } else { 0.0 };
                self.down[i] = if below > 0 { weight } else { 0.0 };
            }
        }
    }

    /// One sweep over the samples of one colour of the chequerboard.
    fn relax(&self, flow: &Map, step: &mut Map, colour: usize) {
        let (h, w) = (flow.h, flow.w);
        let (u, v) = (flow.plane(0), flow.plane(1));
        let (du, dv) = step.v.split_at_mut(h * w);
        for y in 0..h {
            let start = (y + colour) % 2;
            for x in (start..w).step_by(2) {
                let i = y * w + x;
                let (mut su, mut sv, mut total) = (0.0, 0.0, 0.0);
                let mut add = |weight: f32, n: usize| {
                    su += weight * (u[n] + du[n] - u[i]);
                    sv += weight * (v[n] + dv[n] - v[i]);
                    total += weight;
                };
                if x + 1 < w {
                    add(self.right[i], i + 1);
                }
                if x > 0 {
                    add(self.right[i - 1], i - 1);
                }
                if y + 1 < h {
                    add(self.down[i], i + w);
                }
                if y > 0 {
                    add(self.down[i - w], i - w);
                }
                du[i] += OMEGA
                    * ((su + self.b1[i] - dv[i] * self.a12[i]) / (self.a11[i] + total) - du[i]);
                dv[i] += OMEGA
                    * ((sv + self.b2[i] - du[i] * self.a12[i]) / (self.a22[i] + total) - dv[i]);
            }
        }
    }
}
