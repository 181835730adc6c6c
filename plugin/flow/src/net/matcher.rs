//! The network's own matcher: compares every cell of one key with every cell of the other.
//!
//! Score matrices are computed for a few query rows at a time, so memory grows with the number of
//! cells rather than its square.

use candle_core::{D, Device, Module, Result, Tensor};
use candle_nn::{LayerNorm, Linear, VarBuilder, layer_norm, linear};
use rayon::prelude::*;

use super::conv::{multiply, multiply_transposed};
use super::{Map, Matched};

/// Query rows per score matrix.
const QUERIES: usize = 64;

struct Attn {
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    m: (Linear, Linear),
    n: LayerNorm,
}

impl Attn {
    fn new(d: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self {
            q: linear(d, d, vb.pp("q"))?,
            k: linear(d, d, vb.pp("k"))?,
            v: linear(d, d, vb.pp("v"))?,
            o: linear(d, d, vb.pp("o"))?,
            m: (linear(2 * d, 2 * d, vb.pp("m.0"))?, linear(2 * d, d, vb.pp("m.2"))?),
            n: layer_norm(d, 1e-5, vb.pp("n"))?,
        })
    }

    /// `x, y: [n, d]` → `x` after attending to `y`: `[n, d]`
    fn forward(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let a = attend(&self.q.forward(x)?, &self.k.forward(y)?, &self.v.forward(y)?)?;
        let a = Tensor::cat(&[x, &self.o.forward(&a)?], D::Minus1)?;
        let a = self.m.1.forward(&gelu(&self.m.0.forward(&a)?)?)?;
        x + self.n.forward(&a)?
    }
}

pub(super) struct Matcher {
    sa: Vec<Attn>,
    ca: Vec<Attn>,
    proj: Linear,
    pk: Linear,
    temp: f32,
}

impl Matcher {
    pub(super) fn new(d: usize, attention: usize, vb: &VarBuilder) -> Result<Self> {
        let row = |name: &str| {
            (0..attention).map(|i| Attn::new(d, &vb.pp(name).pp(i))).collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            sa: row("sa")?,
            ca: row("ca")?,
            proj: linear(d, d, vb.pp("proj"))?,
            pk: linear(d, d, vb.pp("pk"))?,
            temp: vb.get((), "temp")?.to_scalar()?,
        })
    }

    /// `a, b: [d, h, w]` → flows both ways in cells, and the mutual match probability.
    pub(super) fn forward(&self, a: &Map, b: &Map) -> Result<Matched> {
        let (h, w, n) = (a.h, a.w, a.area());
        let code = position_code(h, w, a.c)?;
        // `[d, n]` → `[n, d]`
        let cells = |m: &Map| -> Result<Tensor> {
            Tensor::from_slice(&m.v, (m.c, n), &Device::Cpu)?.t()?.contiguous()? + &code
        };
        let (mut x, mut y) = (cells(a)?, cells(b)?);
        for (sa, ca) in self.sa.iter().zip(&self.ca) {
            (x, y) = (sa.forward(&x, &x)?, sa.forward(&y, &y)?);
            (x, y) = (ca.forward(&x, &y)?, ca.forward(&y, &x)?);
        }
        let (p, q) = (unit(&self.proj.forward(&x)?)?, unit(&self.proj.forward(&y)?)?);
        let sharp = libm::expf(self.temp) * 4.0;
        let (p, q) = (rows(&(p * f64::from(sharp))?)?, rows(&q)?);
        let grid: Vec<f32> = (0..n).flat_map(|i| [(i % w) as f32, (i / w) as f32]).collect();
        let forward = self.spread(&x, &flow(&p, &q, &grid, a.c))?;
        let back = self.spread(&y, &flow(&q, &p, &grid, a.c))?;
        let confidence = mutual(&p, &q, a.c);
        let planes = |v: &[f32]| Map {
            c: 2,
            h,
            w,
            v: (0..2).flat_map(|c| v.iter().skip(c).step_by(2).copied()).collect(),
        };
        Ok(Matched {
            flow: [planes(&forward), planes(&back)],
            confidence: confidence.map(|v| Map { c: 1, h, w, v }),
        })
    }

    /// Gives each cell the flow of the cells that resemble it. `x: [n, d]`, `flow: [n, 2]`.
    fn spread(&self, x: &Tensor, flow: &[f32]) -> Result<Vec<f32>> {
        let k = self.pk.forward(x)?;
        let flow = Tensor::from_slice(flow, (flow.len() / 2, 2), &Device::Cpu)?;
        rows(&attend(&k, &k, &flow)?)
    }
}

/// GELU: `x` times the normal distribution function at `x`. candle's own version calls the system's
/// C library.
fn gelu(x: &Tensor) -> Result<Tensor> {
    let bent = |v: f32| 0.5 * v * (1.0 + libm::erff(v * std::f32::consts::FRAC_1_SQRT_2));
    Tensor::from_vec(rows(x)?.into_iter().map(bent).collect(), x.shape(), &Device::Cpu)
}

fn rows(x: &Tensor) -> Result<Vec<f32>> {
    x.flatten_all()?.to_vec1()
}

/// Normalises each row to unit length: `[n, d]` → `[n, d]`
fn unit(x: &Tensor) -> Result<Tensor> {
    let norm = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?.maximum(1e-12)?;
    x.broadcast_div(&norm)
}

/// Sines and cosines of column and row, scaled by 0.3: `[h w, d]`
fn position_code(h: usize, w: usize, d: usize) -> Result<Tensor> {
    let k = d / 4;
    let step = if k > 1 { -4.6 / (k - 1) as f32 } else { 0.0 };
    let mut code = Vec::with_capacity(h * w * d);
    for i in 0..h * w {
        for place in [(i % w) as f32, (i / w) as f32] {
            let angle = |j: usize| place * libm::expf(step * j as f32);
            code.extend((0..k).map(|j| 0.3 * libm::sinf(angle(j))));
            code.extend((0..k).map(|j| 0.3 * libm::cosf(angle(j))));
        }
    }
    Tensor::from_vec(code, (h * w, d), &Device::Cpu)
}

/// Scaled dot-product attention of one head: `q: [n, d]`, `k: [m, d]`, `v: [m, e]` → `[n, e]`
fn attend(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let ((n, d), (m, e)) = (q.dims2()?, v.dims2()?);
    let q = rows(&(q / (d as f64).sqrt())?)?;
    let (k, v) = (rows(k)?, rows(v)?);
    let mut out = vec![0.0f32; n * e];
    out.par_chunks_mut(QUERIES * e).zip(q.par_chunks(QUERIES * d)).for_each(|(out, q)| {
        let count = q.len() / d;
        let mut scores = vec![0.0; count * m];
        multiply_transposed(q, &k, &mut scores, [count, d, m]);
        scores.chunks_mut(m).for_each(|row| {
            softmax(row);
        });
        multiply(&scores, &v, out, [count, m, e]);
    });
    Tensor::from_vec(out, (n, e), &Device::Cpu)
}

/// Softmax in place; returns the maximum and the sum of exponentials relative to it.
fn softmax(row: &mut [f32]) -> (f32, f32) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|v| *v = libm::expf(*v - max));
    let sum: f32 = row.iter().sum();
    let scale = 1.0 / sum;
    row.iter_mut().for_each(|v| *v *= scale);
    (max, sum)
}

/// Expected displacement of each row of `p` over the rows of `q`: `[n, 2]`
fn flow(p: &[f32], q: &[f32], grid: &[f32], d: usize) -> Vec<f32> {
    let n = q.len() / d;
    let mut out = vec![0.0f32; p.len() / d * 2];
    out.par_chunks_mut(QUERIES * 2).zip(p.par_chunks(QUERIES * d)).enumerate().for_each(
        |(block, (out, p))| {
            let count = p.len() / d;
            let mut scores = vec![0.0; count * n];
            multiply_transposed(p, q, &mut scores, [count, d, n]);
            scores.chunks_mut(n).for_each(|row| {
                softmax(row);
            });
            multiply(&scores, grid, out, [count, n, 2]);
            for (o, g) in out.iter_mut().zip(&grid[block * QUERIES * 2..]) {
                *o -= g;
            }
        },
    );
    out
}

/// For each cell of either key, the highest product of the match probabilities in both directions.
fn mutual(p: &[f32], q: &[f32], d: usize) -> [Vec<f32>; 2] {
    let n = p.len() / d;
    // Logarithm of the softmax denominator for each row of scores(a, b).
    let normaliser = |a: &[f32], b: &[f32]| -> Vec<f32> {
        let mut out = vec![0.0f32; n];
        out.par_chunks_mut(QUERIES).zip(a.par_chunks(QUERIES * d)).for_each(|(out, a)| {
            let mut scores = vec![0.0; out.len() * n];
            multiply_transposed(a, b, &mut scores, [out.len(), d, n]);
            for (o, row) in out.iter_mut().zip(scores.chunks_mut(n)) {
                let (max, sum) = softmax(row);
                *o = max + libm::logf(sum);
            }
        });
        out
    };
    let (of_p, of_q) = (normaliser(p, q), normaliser(q, p));
    let best = |a: &[f32], b: &[f32], of_a: &[f32], of_b: &[f32]| -> Vec<f32> {
        let mut out = vec![0.0f32; n];
        out.par_chunks_mut(QUERIES).zip(a.par_chunks(QUERIES * d)).enumerate().for_each(
            |(block, (out, a))| {
                let mut scores = vec![0.0; out.len() * n];
                multiply_transposed(a, b, &mut scores, [out.len(), d, n]);
                for (i, (o, row)) in out.iter_mut().zip(scores.chunks(n)).enumerate() {
                    let own = of_a[block * QUERIES + i];
                    let top = row.iter().zip(of_b).map(|(s, other)| 2.0 * s - own - other);
                    *o = libm::expf(top.fold(f32::NEG_INFINITY, f32::max));
                }
            },
        );
        out
    };
    [best(p, q, &of_p, &of_q), best(q, p, &of_q, &of_p)]
}
