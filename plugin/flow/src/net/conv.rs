//! Convolution on the CPU: the windows of a few rows laid out as a matrix, then one product.
//!
//! The bias, the residual and the activation are applied while a block is still in the cache.

use candle_nn::VarBuilder;
use rayon::prelude::*;

use crate::map::Map;

/// Slope of the activation below 0.
const LEAK: f32 = 0.1;
/// Output samples per block: the window matrix of a block stays in the second-level cache.
const BLOCK: usize = 1024;

/// What follows the convolution.
pub(crate) enum After<'a> {
    /// Nothing.
    Plain,
    /// Leaky rectifier.
    Leaky,
    /// Adds this map, then the leaky rectifier.
    AddLeaky(&'a Map),
}

/// 2-D convolution with zero padding of half the kernel.
pub(crate) struct Conv {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    /// `[outputs, inputs * kernel * kernel]`
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Conv {
    /// Reads `weight: [outputs, inputs, kernel, kernel]` and `bias: [outputs]` under `vb`.
    pub(crate) fn new(
        inputs: usize,
        outputs: usize,
        stride: usize,
        vb: &VarBuilder,
    ) -> candle_core::Result<Self> {
        let kernel = 3;
        let weight = vb.get((outputs, inputs, kernel, kernel), "weight")?;
        let bias = vb.get(outputs, "bias")?;
        Ok(Self {
            inputs,
            outputs,
            kernel,
            stride,
            weight: weight.flatten_all()?.to_vec1()?,
            bias: bias.to_vec1()?,
        })
    }

    /// Multiplications and additions for an input of `h` x `w`.
    pub(crate) fn flops(&self, h: usize, w: usize) -> f64 {
        let samples = h.div_ceil(self.stride) * w.div_ceil(self.stride);
        2.0 * (samples * self.weight.len()) as f64
    }

    /// `parts: [c_i, h, w]`, their channels one after the other → `[outputs, h / s, w / s]`.
    pub(crate) fn run(&self, parts: &[&Map], after: &After) -> Map {
        let planes: Vec<&[f32]> =
            parts.iter().flat_map(|part| (0..part.c).map(|c| part.plane(c))).collect();
        assert_eq!(planes.len(), self.inputs, "the decoder feeds as many channels as it declares");
        let (h, w) = (parts[0].h, parts[0].w);
        let (oh, ow) = (h.div_ceil(self.stride), w.div_ceil(self.stride));
        let mut out = Map::new(self.outputs, oh, ow);
        let rows = (BLOCK / ow).max(1);
        out.bands(rows).into_par_iter().for_each_init(
            || (Vec::new(), Vec::new()),
            |(windows, product), mut band| {
                let n = band.planes[0].len();
                self.windows(&planes, (h, w), band.y0, n / ow, ow, windows);
                product.resize(self.outputs * n, 0.0);
                multiply(
                    &self.weight,
                    windows,
                    product,
                    [self.outputs, self.weight.len() / self.outputs, n],
                );
                for (o, to) in band.planes.iter_mut().enumerate() {
                    let from = &product[o * n..(o + 1) * n];
                    let bias = self.bias[o];
                    match after {
                        After::Plain => {
                            to.iter_mut().zip(from).for_each(|(t, v)| *t = v + bias);
                        }
                        After::Leaky => {
                            to.iter_mut().zip(from).for_each(|(t, v)| *t = leaky(v + bias));
                        }
                        After::AddLeaky(other) => {
                            let other = &other.plane(o)[band.y0 * ow..][..n];
                            for ((t, v), add) in to.iter_mut().zip(from).zip(other) {
                                *t = leaky(add + (v + bias));
                            }
                        }
                    }
                }
            },
        );
        out
    }

    /// The windows of `rows` output rows from `y0`: `[inputs * kernel * kernel, rows * ow]`.
    fn windows(
        &self,
        planes: &[&[f32]],
        (h, w): (usize, usize),
        y0: usize,
        rows: usize,
        ow: usize,
        out: &mut Vec<f32>,
    ) {
        let (k, s, half) = (self.kernel, self.stride, self.kernel as isize / 2);
        out.resize(planes.len() * k * k * rows * ow, 0.0);
        let mut lines = out.chunks_mut(ow);
        for plane in planes {
            for ky in 0..k {
                for kx in 0..k {
                    let dx = kx as isize - half;
                    for (y, to) in (y0..y0 + rows).zip(lines.by_ref()) {
                        let sy = (y * s + ky) as isize - half;
                        if sy < 0 || sy >= h as isize {
                            to.fill(0.0);
                            continue;
                        }
                        let from = &plane[sy as usize * w..][..w];
                        if s == 1 {
                            shifted(from, to, dx);
                        } else {
                            for (x, to) in to.iter_mut().enumerate() {
                                let sx = (x * s) as isize + dx;
                                *to = if sx < 0 {
                                    0.0
                                } else {
                                    from.get(sx as usize).copied().unwrap_or(0.0)
                                };
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `to[x] = from[x + dx]`, 0 outside.
fn shifted(from: &[f32], to: &mut [f32], dx: isize) {
    let w = from.len();
    if dx < 0 {
        let d = (-dx) as usize;
        let d = d.min(w);
        to[..d].fill(0.0);
        to[d..].copy_from_slice(&from[..w - d]);
    } else {
        let d = (dx as usize).min(w);
        to[..w - d].copy_from_slice(&from[d..]);
        to[w - d..].fill(0.0);
    }
}

pub(crate) fn leaky(v: f32) -> f32 {
    if v > 0.0 { v } else { LEAK * v }
}

/// `out = a b`, all row-major: `a: [m, k]`, `b: [k, n]`, `out: [m, n]`; on the calling thread.
pub(crate) fn multiply(a: &[f32], b: &[f32], out: &mut [f32], [m, k, n]: [usize; 3]) {
    product(a, (k, 1), b, (n, 1), out, [m, k, n]);
}

/// `out = a b^T`: `a: [m, k]`, `b: [n, k]`, `out: [m, n]`, all row-major; on the calling thread.
pub(crate) fn multiply_transposed(a: &[f32], b: &[f32], out: &mut [f32], [m, k, n]: [usize; 3]) {
    product(a, (k, 1), b, (1, k), out, [m, k, n]);
}

fn product(
    a: &[f32],
    a_stride: (usize, usize),
    b: &[f32],
    b_stride: (usize, usize),
    out: &mut [f32],
    [m, k, n]: [usize; 3],
) {
    assert!(a.len() >= m * k && b.len() >= k * n && out.len() >= m * n);
    // SAFETY: the three slices hold m*k, k*n and m*n samples, checked just above, and the strides
    // given by the two callers address exactly those; `out` is borrowed mutably, so it overlaps
    // neither `a` nor `b`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            a_stride.1 as isize,
            a_stride.0 as isize,
            b.as_ptr(),
            b_stride.1 as isize,
            b_stride.0 as isize,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
