//! Compares every cell of one key with every cell of the other, for motion of any length.
//!
//! Cells are described by their colours and lines, close by and farther around. Each takes its best
//! match, and nearby cells that look alike share what they found.

use rayon::prelude::*;

use super::features::{features, lab};
use crate::map::Map;
use crate::net::conv::multiply_transposed;
use crate::segments::around;

/// Cells along the longer side.
const CELLS: usize = 44;
/// Samples of the description per cell, along each side.
const FINE: usize = 4;
/// Number of taps of a description in each direction.
const REACH: isize = 3;
/// Rows and columns of cells around a cell with which it shares what it found.
const NEAR: usize = 12;
/// Cost of a displacement by the longer side, relative to a difference in appearance.
const LENGTH: f32 = 7.2;

/// Descriptions of all cells of a picture: `[cells, size]`.
struct Cells {
    h: usize,
    w: usize,
    size: usize,
    v: Vec<f32>,
}

impl Cells {
    fn of(picture: &Map, h: usize, w: usize) -> Self {
        let small = picture.shrink(h * FINE, w * FINE);
        let look = features(&lab(&small));
        let taps = [1isize, 3].map(|step| (step, look.gauss(0.7 * step as f32)));
        let side = (2 * REACH + 1) as usize;
        let size = 2 * side * side * look.c;
        let mut v = vec![0.0f32; h * w * size];
        v.par_chunks_mut(size).enumerate().for_each(|(i, to)| {
            let (cy, cx) = ((i / w * FINE) as isize, (i % w * FINE) as isize);
            let mut to = to.iter_mut();
            for (step, soft) in &taps {
                for dy in -REACH..=REACH {
                    for dx in -REACH..=REACH {
                        let weight = libm::expf(-(dx * dx + dy * dy) as f32 / (4.0 * 1.8 * 1.8));
                        let y = (cy + dy * step).clamp(0, soft.h as isize - 1) as usize;
                        let x = (cx + dx * step).clamp(0, soft.w as isize - 1) as usize;
                        for c in 0..soft.c {
                            if let Some(to) = to.next() {
                                *to = weight * soft.row(c, y)[x];
                            }
                        }
                    }
                }
            }
        });
        Self { h, w, size, v }
    }

    fn count(&self) -> usize {
        self.h * self.w
    }

    fn cell(&self, i: usize) -> &[f32] {
        &self.v[i * self.size..(i + 1) * self.size]
    }

    /// Colours and lines at the centre of cell `i`.
    fn centre(&self, i: usize) -> &[f32] {
        let side = (2 * REACH + 1) as usize;
        &self.cell(i)[side * side / 2 * 4..][..4]
    }

    fn place(&self, i: usize) -> [f32; 2] {
        [(i % self.w) as f32, (i / self.w) as f32]
    }

    /// How much the description of cell `i` varies; flat cells match anything.
    fn spread(&self, i: usize) -> f32 {
        let cell = self.cell(i);
        let n = cell.len() as f32;
        let mean = cell.iter().sum::<f32>() / n;
        (cell.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / n).sqrt()
    }
}

/// Flows in both directions at the pictures' size, `[2, h, w]` each.
pub(super) fn coarse(pictures: [&Map; 2]) -> [Map; 2] {
    let (h, w) = (pictures[0].h, pictures[0].w);
    let scale = CELLS as f32 / h.max(w) as f32;
    let side = |n: usize| ((n as f32 * scale).round() as usize).max(6);
    let (ch, cw) = (side(h), side(w));
    let cells = pictures.map(|p| Cells::of(p, ch, cw));
    let cost = costs(&cells[0], &cells[1]);
    let best = nearest(&cost, cells[0].count());
    [0, 1].map(|k| {
        let flow = spread(&cells[k], &best[k], &best[1 - k]);
        let mut out = flow.resize(h, w);
        let scale = [w as f32 / cw as f32, h as f32 / ch as f32];
        for (c, scale) in scale.into_iter().enumerate() {
            out.plane_mut(c).iter_mut().for_each(|v| *v *= scale);
        }
        out
    })
}

/// Cost of every match: `[n, n]`.
fn costs(a: &Cells, b: &Cells) -> Vec<f32> {
    let n = a.count();
    let square = |cells: &Cells| -> Vec<f32> {
        (0..n).map(|i| cells.cell(i).iter().map(|v| v * v).sum()).collect()
    };
    let (square_a, square_b) = (square(a), square(b));
    let longest = a.h.max(a.w) as f32;
    // Of a displacement by so many cells across and down, in either direction.
    let length: Vec<f32> = (0..n)
        .map(|i| {
            let [u, v] = a.place(i);
            libm::hypotf(u, v) / longest
        })
        .collect();
    let rows = 64;
    let mut cost = vec![0.0f32; n * n];
    cost.par_chunks_mut(rows * n).enumerate().for_each(|(block, cost)| {
        let count = cost.len() / n;
        let from = &a.v[block * rows * a.size..][..count * a.size];
        multiply_transposed(from, &b.v, cost, [count, a.size, n]);
        for (k, cost) in cost.chunks_mut(n).enumerate() {
            let i = block * rows + k;
            for (y, line) in cost.chunks_mut(a.w).enumerate() {
                let length = &length[y.abs_diff(i / a.w) * a.w..];
                for (x, cost) in line.iter_mut().enumerate() {
                    let look = (square_a[i] + square_b[y * a.w + x] - 2.0 * *cost).max(0.0);
                    let length = length[x.abs_diff(i % a.w)];
                    *cost = (look * 12.0 / a.size as f32).sqrt() + LENGTH * length;
                }
            }
        }
    });
    cost
}

/// The cheapest match of each row and of each column, and its cost; the first of equal ones.
fn nearest(cost: &[f32], n: usize) -> [Vec<(usize, f32)>; 2] {
    let mut best = [vec![(0, f32::INFINITY); n], vec![(0, f32::INFINITY); n]];
    let [rows, columns] = &mut best;
    for (i, (row, line)) in rows.iter_mut().zip(cost.chunks(n)).enumerate() {
        for (j, (column, &cost)) in columns.iter_mut().zip(line).enumerate() {
            if cost < row.1 {
                *row = (j, cost);
            }
            if cost < column.1 {
                *column = (i, cost);
            }
        }
    }
    best
}

/// The flow that each cell takes over from cells that look like it: `[2, h, w]` in cells.
fn spread(cells: &Cells, best: &[(usize, f32)], back: &[(usize, f32)]) -> Map {
    let n = cells.count();
    let found: Vec<([f32; 2], f32)> = (0..n)
        .map(|i| {
            let (j, cost) = best[i];
            let ([x, y], [u, v]) = (cells.place(i), cells.place(j));
            let [bx, by] = cells.place(back[j].0);
            let error = libm::hypotf(bx - x, by - y);
            let trust = libm::expf(-error)
                * (cells.spread(i) / 6.0).clamp(0.05, 1.0)
                * libm::expf(-cost / 14.0);
            ([u - x, v - y], trust)
        })
        .collect();
    let shared: Vec<[f32; 2]> = (0..n)
        .into_par_iter()
        .map(|i| {
            let [x, y] = cells.place(i);
            let own = cells.centre(i);
            let mut near: Vec<([f32; 2], f32)> = Vec::new();
            for j in around(i, NEAR, cells.h, cells.w) {
                let (flow, trust) = found[j];
                let [u, v] = cells.place(j);
                let apart = ((u - x) * (u - x) + (v - y) * (v - y)) / 18.0;
                if apart > 9.0 {
                    continue;
                }
                let colour: f32 =
                    own.iter().zip(cells.centre(j)).map(|(a, b)| (a - b) * (a - b)).sum();
                near.push((flow, libm::expf(-apart - colour / 200.0) * trust));
            }
            let mean = |keep: &dyn Fn([f32; 2]) -> f32, fallback: [f32; 2], tiny: f32| {
                let mut sum = [tiny * fallback[0], tiny * fallback[1], tiny];
                for &(flow, weight) in &near {
                    let weight = weight * keep(flow);
                    sum[0] += weight * flow[0];
                    sum[1] += weight * flow[1];
                    sum[2] += weight;
                }
                [sum[0] / sum[2], sum[1] / sum[2]]
            };
            let mut flow = mean(&|_| 1.0, [0.0; 2], 1e-9);
            // Twice towards the motion that most of these cells share.
            for _ in 0..2 {
                let centre = flow;
                let keep = |f: [f32; 2]| {
                    let (dx, dy) = (f[0] - centre[0], f[1] - centre[1]);
                    libm::expf(-(dx * dx + dy * dy) / 8.0)
                };
                flow = mean(&keep, centre, 1e-6);
            }
            flow
        })
        .collect();
    let mut out = Map::new(2, cells.h, cells.w);
    for c in 0..2 {
        out.plane_mut(c).iter_mut().zip(&shared).for_each(|(to, flow)| *to = flow[c]);
    }
    out
}
