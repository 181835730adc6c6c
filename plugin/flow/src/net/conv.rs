//! Convolution on the CPU by matrix products over a few rows at a time.
//!
//! With stride 1 each of the nine kernel taps is one product on the same padded rows, shifted.
//! Otherwise the windows are laid out as a matrix for a single product. Bias, residual and
//! activation are applied while a block is still in the cache.

use candle_nn::VarBuilder;
use rayon::prelude::*;

use crate::map::Map;

/// Slope of the activation below 0.
const LEAK: f32 = 0.1;
/// Input samples per block, so that a block stays in the second-level cache.
const BLOCK: usize = 192 * 1024;

/// What is applied after the convolution.
pub(crate) enum Activation<'a> {
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
    /// `[kernel * kernel, outputs, inputs]` with stride 1, else
    /// `[outputs, inputs * kernel * kernel]`.
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
        let weight = if stride == 1 { weight.permute((2, 3, 0, 1))?.contiguous()? } else { weight };
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

    /// `parts: [c_i, h, w]`, concatenated by channels → `[outputs, h / s, w / s]`.
    pub(crate) fn run(&self, parts: &[&Map], after: &Activation) -> Map {
        let planes: Vec<&[f32]> =
            parts.iter().flat_map(|part| (0..part.c).map(|c| part.plane(c))).collect();
        assert_eq!(planes.len(), self.inputs, "the decoder feeds as many channels as it declares");
        let (h, w) = (parts[0].h, parts[0].w);
        let (oh, ow) = (h.div_ceil(self.stride), w.div_ceil(self.stride));
        let mut out = Map::new(self.outputs, oh, ow);
        let rows = (BLOCK / (self.inputs * ow)).saturating_sub(2).clamp(1, oh.div_ceil(4));
        out.bands(rows).into_par_iter().for_each_init(
            || (Vec::new(), Vec::new()),
            |(windows, product), mut band| {
                let n = band.planes[0].len();
                let rows = n / ow;
                // Length of one row of the product, and of all rows together.
                let (wide, all) = if self.stride == 1 {
                    self.nine(&planes, (h, w), band.y0, rows, windows, product)
                } else {
                    self.windows(&planes, (h, w), band.y0, rows, ow, windows);
                    product.resize(self.outputs * n, 0.0);
                    let k = self.weight.len() / self.outputs;
                    multiply(&self.weight, windows, product, [self.outputs, k, n]);
                    (ow, n)
                };
                let mut scratch = Vec::new();
                for (o, to) in band.planes.iter_mut().enumerate() {
                    let from = if wide == ow {
                        &product[o * n..(o + 1) * n]
                    } else {
                        scratch.clear();
                        let lines = product[o * all..(o + 1) * all].chunks(wide);
                        lines.for_each(|line| scratch.extend_from_slice(&line[..ow]));
                        &scratch[..]
                    };
                    let bias = self.bias[o];
                    match after {
                        Activation::Plain => {
                            to.iter_mut().zip(from).for_each(|(t, v)| *t = v + bias);
                        }
                        Activation::Leaky => {
                            to.iter_mut().zip(from).for_each(|(t, v)| *t = leaky(v + bias));
                        }
                        Activation::AddLeaky(other) => {
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

    /// Nine products, one for each kernel tap, over rows `y0..y0 + rows` padded with zeros.
    ///
    /// Returns the length of one row in `product` and of all rows of one output. Each row has two
    /// extra samples at its end, so that a shift is just an offset.
    fn nine(
        &self,
        planes: &[&[f32]],
        (h, w): (usize, usize),
        y0: usize,
        rows: usize,
        padded: &mut Vec<f32>,
        product: &mut Vec<f32>,
    ) -> (usize, usize) {
        let (k, half) = (self.kernel, self.kernel / 2);
        let wide = w + 2 * half;
        let plane_len = (rows + 2 * half) * wide;
        padded.clear();
        padded.resize(planes.len() * plane_len, 0.0);
        for (plane, to) in planes.iter().zip(padded.chunks_mut(plane_len)) {
            for (i, to) in to.chunks_mut(wide).enumerate() {
                let y = y0 + i;
                if y >= half && y < h + half {
                    to[half..half + w].copy_from_slice(&plane[(y - half) * w..][..w]);
                }
            }
        }
        let all = rows * wide;
        // The two extra samples of the last row would read past the last plane.
        let n = all - 2 * half;
        product.resize(self.outputs * all, 0.0);
        for (tap, weight) in self.weight.chunks(self.outputs * self.inputs).enumerate() {
            let from = &padded[tap / k * wide + tap % k..];
            let shape = [self.outputs, self.inputs, n];
            let strides = Strides { a: (self.inputs, 1), b: (plane_len, 1), out: all };
            product_into(weight, from, product, shape, strides, tap > 0);
        }
        (wide, all)
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
pub(crate) fn multiply(a: &[f32], b: &[f32], out: &mut [f32], shape: [usize; 3]) {
    let [_, k, n] = shape;
    product_into(a, b, out, shape, Strides { a: (k, 1), b: (n, 1), out: n }, false);
}

/// `out = a b^T`: `a: [m, k]`, `b: [n, k]`, `out: [m, n]`, all row-major; on the calling thread.
pub(crate) fn multiply_transposed(a: &[f32], b: &[f32], out: &mut [f32], shape: [usize; 3]) {
    let [_, k, n] = shape;
    product_into(a, b, out, shape, Strides { a: (k, 1), b: (1, k), out: n }, false);
}

/// Distances between neighbouring rows and columns.
struct Strides {
    a: (usize, usize),
    b: (usize, usize),
    /// For the rows of the product; its columns are contiguous.
    out: usize,
}

/// `out = a b`, or `out += a b` when `add`: `a: [m, k]`, `b: [k, n]`, `out: [m, n]`.
fn product_into(
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
    [m, k, n]: [usize; 3],
    strides: Strides,
    add: bool,
) {
    let last = |rows: usize, columns: usize, stride: (usize, usize)| {
        (rows - 1) * stride.0 + (columns - 1) * stride.1
    };
    assert!(m > 0 && k > 0 && n > 0, "an empty product");
    assert!(last(m, k, strides.a) < a.len(), "the left matrix is too short");
    assert!(last(k, n, strides.b) < b.len(), "the right matrix is too short");
    assert!(
        n <= strides.out && last(m, n, (strides.out, 1)) < out.len(),
        "the product is too short"
    );
    // SAFETY: the largest index that the shape and the strides reach lies inside each slice, as
    // checked just above. Rows of `out` do not overlap, and `out` is borrowed mutably, so it
    // overlaps neither `a` nor `b`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            strides.out as isize,
            add,
            a.as_ptr(),
            strides.a.1 as isize,
            strides.a.0 as isize,
            b.as_ptr(),
            strides.b.1 as isize,
            strides.b.0 as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
