//! `Map`: a stack of float planes, with basic image operations.
//!
//! Axes: `c` channels, `h` rows (top first), `w` columns; planes lie one after the other.

use inbetween_core::Bilinear;
use rayon::prelude::*;

/// `c` planes of `h` rows of `w` samples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Map {
    pub(crate) c: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) v: Vec<f32>,
}

/// The same rows from every plane of a map, for one task.
pub(crate) struct Band<'a> {
    /// First row of the band.
    pub(crate) y0: usize,
    /// One slice of whole rows for each channel.
    pub(crate) planes: Vec<&'a mut [f32]>,
}

impl Map {
    pub(crate) fn new(c: usize, h: usize, w: usize) -> Self {
        Self { c, h, w, v: vec![0.0; c * h * w] }
    }

    pub(crate) fn area(&self) -> usize {
        self.h * self.w
    }

    pub(crate) fn byte_len(&self) -> usize {
        self.v.len() * size_of::<f32>()
    }

    pub(crate) fn plane(&self, c: usize) -> &[f32] {
        &self.v[c * self.area()..(c + 1) * self.area()]
    }

    pub(crate) fn plane_mut(&mut self, c: usize) -> &mut [f32] {
        let area = self.area();
        &mut self.v[c * area..(c + 1) * area]
    }

    pub(crate) fn row(&self, c: usize, y: usize) -> &[f32] {
        &self.v[(c * self.h + y) * self.w..][..self.w]
    }

    /// The places (right, down) to which sample `i` of a motion to the first key and to the last key
    /// leads: `[4.., h, w]`.
    pub(crate) fn keys(&self, i: usize) -> [[f32; 2]; 2] {
        let at = [(i % self.w) as f32, (i / self.w) as f32];
        [0, 1].map(|k| [0, 1].map(|c| at[c] + self.v[(2 * k + c) * self.area() + i]))
    }

    /// Channels `from..to` as a separate map.
    pub(crate) fn channels(&self, from: usize, to: usize) -> Self {
        let area = self.area();
        Self { c: to - from, h: self.h, w: self.w, v: self.v[from * area..to * area].to_vec() }
    }

    /// The channels of all `parts`, which must have the same size.
    pub(crate) fn stack(parts: &[&Self]) -> Self {
        let (h, w) = (parts[0].h, parts[0].w);
        let mut v = Vec::with_capacity(parts.iter().map(|p| p.v.len()).sum());
        parts.iter().for_each(|p| v.extend_from_slice(&p.v));
        Self { c: parts.iter().map(|p| p.c).sum(), h, w, v }
    }

    /// Splits into bands of `rows` rows, so that parallel tasks can write all channels of their
    /// rows.
    ///
    /// The split depends on sizes only, never on the number of threads.
    pub(crate) fn bands(&mut self, rows: usize) -> Vec<Band<'_>> {
        let (area, step) = (self.area(), rows.max(1) * self.w);
        let mut bands: Vec<Band> = (0..self.h.div_ceil(rows.max(1)))
            .map(|i| Band { y0: i * rows.max(1), planes: Vec::with_capacity(self.c) })
            .collect();
        for plane in self.v.chunks_mut(area) {
            for (band, part) in bands.iter_mut().zip(plane.chunks_mut(step)) {
                band.planes.push(part);
            }
        }
        bands
    }

    /// Calls `work` on bands of a few rows each, in parallel.
    pub(crate) fn fill_bands(&mut self, work: impl Fn(&mut Band) + Sync + Send) {
        let rows = (4096 / self.w.max(1)).max(1);
        self.bands(rows).into_par_iter().for_each(|mut band| work(&mut band));
    }

    /// Applies `f` to every sample.
    pub(crate) fn map(mut self, f: impl Fn(f32) -> f32 + Sync) -> Self {
        self.v.par_chunks_mut(1 << 14).for_each(|part| part.iter_mut().for_each(|v| *v = f(*v)));
        self
    }

    /// Extends to `h` x `w` at the bottom and on the right by repeating the last row and column.
    pub(crate) fn pad_to(&self, h: usize, w: usize) -> Self {
        let mut out = Self::new(self.c, h, w);
        for c in 0..self.c {
            for y in 0..h {
                let from = self.row(c, y.min(self.h - 1));
                let to = &mut out.v[(c * h + y) * w..][..w];
                to[..self.w].copy_from_slice(from);
                to[self.w..].fill(from[self.w - 1]);
            }
        }
        out
    }

    /// The `h` x `w` samples at the top left.
    pub(crate) fn crop_to(&self, h: usize, w: usize) -> Self {
        let mut out = Self::new(self.c, h, w);
        for c in 0..self.c {
            for y in 0..h {
                out.v[(c * h + y) * w..][..w].copy_from_slice(&self.row(c, y)[..w]);
            }
        }
        out
    }

    /// Mean over cells of `k` x `k`; `h` and `w` must be multiples of `k`.
    pub(crate) fn pool(&self, k: usize) -> Self {
        let mut out = Self::new(self.c, self.h / k, self.w / k);
        let (w, scale) = (out.w, 1.0 / (k * k) as f32);
        out.fill_bands(|band| {
            for (c, plane) in band.planes.iter_mut().enumerate() {
                for (i, to) in plane.chunks_mut(w).enumerate() {
                    for y in 0..k {
                        let from = self.row(c, (band.y0 + i) * k + y);
                        for (to, cell) in to.iter_mut().zip(from.chunks(k)) {
                            *to += cell.iter().sum::<f32>();
                        }
                    }
                    to.iter_mut().for_each(|v| *v *= scale);
                }
            }
        });
        out
    }

    /// Resizes to `h` x `w` by bilinear interpolation. The sample centres of both grids cover the
    /// same area; edges are repeated.
    pub(crate) fn resize(&self, h: usize, w: usize) -> Self {
        if (h, w) == (self.h, self.w) {
            return self.clone();
        }
        let mut out = Self::new(self.c, h, w);
        let columns: Vec<Tap> = (0..w).map(|x| Tap::at(x, w, self.w)).collect();
        out.fill_bands(|band| {
            let mut mixed = vec![0.0; self.w];
            for (c, plane) in band.planes.iter_mut().enumerate() {
                for (i, to) in plane.chunks_mut(w).enumerate() {
                    let tap = Tap::at(band.y0 + i, h, self.h);
                    let (a, b) = (self.row(c, tap.low), self.row(c, tap.high));
                    for ((m, a), b) in mixed.iter_mut().zip(a).zip(b) {
                        *m = a + (b - a) * tap.part;
                    }
                    for (to, tap) in to.iter_mut().zip(&columns) {
                        *to = mixed[tap.low] + (mixed[tap.high] - mixed[tap.low]) * tap.part;
                    }
                }
            }
        });
        out
    }

    /// Resizes by the mean over the area that each target sample covers; for shrinking.
    pub(crate) fn shrink(&self, h: usize, w: usize) -> Self {
        if (h, w) == (self.h, self.w) {
            return self.clone();
        }
        let columns = Cover::axis(self.w, w);
        let rows = Cover::axis(self.h, h);
        let mut out = Self::new(self.c, h, w);
        out.fill_bands(|band| {
            let mut sum = vec![0.0; self.w];
            for (c, plane) in band.planes.iter_mut().enumerate() {
                for (i, to) in plane.chunks_mut(w).enumerate() {
                    sum.fill(0.0);
                    let cover = &rows[band.y0 + i];
                    for (k, weight) in cover.weights.iter().enumerate() {
                        for (s, v) in sum.iter_mut().zip(self.row(c, cover.first + k)) {
                            *s += v * weight;
                        }
                    }
                    for (to, cover) in to.iter_mut().zip(&columns) {
                        *to = cover.of(&sum);
                    }
                }
            }
        });
        out
    }

    /// Mean over a square of `2 * r + 1` samples, edges repeated.
    pub(crate) fn blur(&self, r: usize) -> Self {
        let (h, w) = (self.h, self.w);
        let scale = 1.0 / (2 * r + 1) as f32;
        let mut across = Self::new(self.c, h, w);
        across.v.par_chunks_mut(w).zip(self.v.par_chunks(w)).for_each(|(to, from)| {
            slide(from, to, r, scale);
        });
        let mut out = Self::new(self.c, h, w);
        // Columns are processed in strips with running sums, so that the sums stay in the cache.
        out.v.par_chunks_mut(h * w).zip(across.v.par_chunks(h * w)).for_each(|(to, from)| {
            let row = |y: isize| {
                let y = y.clamp(0, h as isize - 1) as usize;
                &from[y * w..(y + 1) * w]
            };
            let r = r as isize;
            // f64, so that the running sum does not drift.
            let mut sum = vec![0.0f64; w];
            for y in -r..=r {
                sum.iter_mut().zip(row(y)).for_each(|(s, v)| *s += f64::from(*v));
            }
            for (y, to) in to.chunks_mut(w).enumerate() {
                let y = y as isize;
                for ((t, s), (new, old)) in
                    to.iter_mut().zip(&mut sum).zip(row(y + r + 1).iter().zip(row(y - r)))
                {
                    *t = (*s * f64::from(scale)) as f32;
                    *s += f64::from(*new) - f64::from(*old);
                }
            }
        });
        out
    }

    /// Gaussian blur with standard deviation `sigma`, edges mirrored about the edge sample.
    pub(crate) fn gauss(&self, sigma: f32) -> Self {
        let r = (sigma * 4.0).round().max(1.0) as isize;
        let mut kernel: Vec<f32> =
            (-r..=r).map(|i| libm::expf(-(i * i) as f32 / (2.0 * sigma * sigma))).collect();
        let sum: f32 = kernel.iter().sum();
        kernel.iter_mut().for_each(|k| *k /= sum);
        let (h, w) = (self.h, self.w);
        let mut across = Self::new(self.c, h, w);
        across.v.par_chunks_mut(w).zip(self.v.par_chunks(w)).for_each(|(to, from)| {
            let ru = r as usize;
            let padded: Vec<f32> = (-r..w as isize + r).map(|x| from[mirror(x, w)]).collect();
            for (k, weight) in kernel.iter().enumerate() {
                for (t, v) in to.iter_mut().zip(&padded[k..]) {
                    *t += v * weight;
                }
            }
            debug_assert_eq!(padded.len(), w + 2 * ru);
        });
        let mut out = Self::new(self.c, h, w);
        out.fill_bands(|band| {
            for (c, plane) in band.planes.iter_mut().enumerate() {
                for (i, to) in plane.chunks_mut(w).enumerate() {
                    for (k, weight) in kernel.iter().enumerate() {
                        let y = mirror((band.y0 + i) as isize + k as isize - r, h);
                        for (t, v) in to.iter_mut().zip(across.row(c, y)) {
                            *t += v * weight;
                        }
                    }
                }
            }
        });
        out
    }
}

/// Reflects `x` into `0..n` without repeating the edge sample.
fn mirror(x: isize, n: usize) -> usize {
    let n = n as isize;
    if n == 1 {
        return 0;
    }
    let period = 2 * (n - 1);
    let x = x.rem_euclid(period);
    (if x < n { x } else { period - x }) as usize
}

/// Running mean of `2 * r + 1` samples, edges repeated.
fn slide(from: &[f32], to: &mut [f32], r: usize, scale: f32) {
    let last = from.len() - 1;
    let at = |x: isize| f64::from(from[x.clamp(0, last as isize) as usize]);
    let r = r as isize;
    let mut sum: f64 = (-r..=r).map(at).sum();
    for (x, to) in to.iter_mut().enumerate() {
        *to = (sum * f64::from(scale)) as f32;
        let x = x as isize;
        sum += at(x + r + 1) - at(x - r);
    }
}

/// The position of a sample of one grid between two samples of another.
#[derive(Clone, Copy)]
pub(crate) struct Tap {
    pub(crate) low: usize,
    pub(crate) high: usize,
    pub(crate) part: f32,
}

impl Tap {
    /// Sample `i` of `n` in a grid of `from` samples over the same length.
    pub(crate) fn at(i: usize, n: usize, from: usize) -> Self {
        let x = ((i as f32 + 0.5) * from as f32 / n as f32 - 0.5).clamp(0.0, (from - 1) as f32);
        let low = x as usize;
        Self { low, high: (low + 1).min(from - 1), part: x - low as f32 }
    }
}

/// The samples that a target sample covers, with their weights.
pub(crate) struct Cover {
    pub(crate) first: usize,
    pub(crate) weights: Vec<f32>,
}

impl Cover {
    /// Weights of `from` samples in each of `to` samples over the same length.
    pub(crate) fn axis(from: usize, to: usize) -> Vec<Self> {
        let step = from as f64 / to as f64;
        (0..to)
            .map(|i| {
                let (start, end) = (i as f64 * step, (i + 1) as f64 * step);
                let first = (start as usize).min(from - 1);
                let last = (end.ceil() as usize).clamp(first + 1, from);
                let mut weights: Vec<f32> = (first..last)
                    .map(|k| {
                        ((end.min((k + 1) as f64) - start.max(k as f64)) / step).max(0.0) as f32
                    })
                    .collect();
                let sum: f32 = weights.iter().sum();
                weights.iter_mut().for_each(|w| *w /= sum);
                Self { first, weights }
            })
            .collect()
    }

    pub(crate) fn of(&self, row: &[f32]) -> f32 {
        self.weights.iter().zip(&row[self.first..]).map(|(w, v)| w * v).sum()
    }
}

/// Samples `from` at each pixel plus `flow` (2 channels: right, down; in samples), bilinear, edges
/// repeated.
///
/// `from: [c, h, w]`, `flow: [2.., h, w]` → `[c, h, w]`; `first` is the flow's first channel.
pub(crate) fn warp(from: &Map, flow: &Map, first: usize) -> Map {
    let (h, w) = (flow.h, flow.w);
    let mut out = Map::new(from.c, h, w);
    out.fill_bands(|band| {
        let rows = band.planes[0].len() / w;
        let mut taps = Vec::with_capacity(w);
        for i in 0..rows {
            let y = band.y0 + i;
            taps.clear();
            let (dx, dy) = (flow.row(first, y), flow.row(first + 1, y));
            taps.extend(
                dx.iter().zip(dy).enumerate().map(|(x, (dx, dy))| {
                    Bilinear::at(x as f32 + dx, y as f32 + dy, from.h, from.w)
                }),
            );
            for (c, plane) in band.planes.iter_mut().enumerate() {
                let source = from.plane(c);
                for (to, tap) in plane[i * w..(i + 1) * w].iter_mut().zip(&taps) {
                    *to = tap.of(source);
                }
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(h: usize, w: usize) -> Map {
        Map { c: 1, h, w, v: (0..h * w).map(|i| (i % w) as f32 + 10.0 * (i / w) as f32).collect() }
    }

    #[test]
    fn resampling_keeps_constants_and_means() {
        let flat = Map { c: 2, h: 7, w: 11, v: vec![3.5; 154] };
        for (h, w) in [(3, 4), (7, 11), (1, 1), (6, 5)] {
            assert!(flat.shrink(h, w).v.iter().all(|v| (v - 3.5).abs() < 1e-5));
            assert!(flat.resize(h, w).v.iter().all(|v| (v - 3.5).abs() < 1e-5));
        }
        let mean = |m: &Map| m.v.iter().sum::<f32>() / m.v.len() as f32;
        let ramp = ramp(8, 12);
        assert!((mean(&ramp) - mean(&ramp.shrink(3, 5))).abs() < 1e-3);
        assert_eq!(ramp.pool(2), ramp.shrink(4, 6));
    }

    #[test]
    fn blurs_keep_constants_and_smooth_a_spike() {
        let flat = Map { c: 1, h: 5, w: 4, v: vec![2.0; 20] };
        for blurred in [flat.blur(1), flat.blur(9), flat.gauss(0.8), flat.gauss(5.0)] {
            assert!(blurred.v.iter().all(|v| (v - 2.0).abs() < 1e-5));
        }
        let mut spike = Map::new(1, 9, 9);
        spike.v[40] = 9.0;
        let blurred = spike.blur(1);
        assert!((blurred.row(0, 4)[4] - 1.0).abs() < 1e-6 && blurred.row(0, 4)[6] == 0.0);
    }

    #[test]
    fn warping_by_whole_samples_moves_them() {
        let ramp = ramp(6, 6);
        let mut flow = Map::new(2, 6, 6);
        flow.plane_mut(0).fill(2.0);
        flow.plane_mut(1).fill(-1.0);
        let moved = warp(&ramp, &flow, 0);
        assert_eq!(moved.row(0, 3)[1], ramp.row(0, 2)[3]);
        assert_eq!(moved.row(0, 0)[5], ramp.row(0, 0)[5], "edges repeat");
        flow.v.fill(f32::NAN);
        assert!(warp(&ramp, &flow, 0).v.iter().all(|v| v.is_finite()));
    }
}
