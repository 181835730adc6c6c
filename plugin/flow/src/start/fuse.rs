//! Chooses between flows at each pixel, after smoothing their costs along the edges of the drawing.

use super::{UNIT, difference};
use crate::map::{Map, warp};

/// Mean and variance over a window of `radius` samples to each side.
pub(super) fn moments(map: &Map, radius: usize) -> (Map, Map) {
    let mean = map.blur(radius);
    let mut variance = map.clone().map(|v| v * v).blur(radius);
    for (v, m) in variance.v.iter_mut().zip(&mean.v) {
        *v = (*v - m * m).max(0.0);
    }
    (mean, variance)
}

/// A smoothing filter that stops at the edges of its guide picture.
///
/// After He et al., "Guided Image Filtering", ECCV 2010.
pub(crate) struct Guided {
    guide: Map,
    mean: Map,
    /// Variance of the guide plus the edge softness.
    variance: Map,
    radius: usize,
}

impl Guided {
    /// `guide: [1, h, w]`; `softness` is in its squared units.
    pub(crate) fn new(guide: Map, radius: usize, softness: f32) -> Self {
        let (mean, mut variance) = moments(&guide, radius);
        variance.v.iter_mut().for_each(|v| *v += softness);
        Self { guide, mean, variance, radius }
    }

    /// Smooths every channel of `map`.
    pub(crate) fn run(&self, map: &Map) -> Map {
        let area = map.area();
        let mut product = map.clone();
        for plane in product.v.chunks_mut(area) {
            plane.iter_mut().zip(&self.guide.v).for_each(|(p, g)| *p *= g);
        }
        let means = Map::stack(&[map, &product]).blur(self.radius);
        let (mean, cross) = means.v.split_at(map.v.len());
        let mut lines = Map::new(2 * map.c, map.h, map.w);
        let (slopes, offsets) = lines.v.split_at_mut(map.v.len());
        for c in 0..map.c {
            let r = c * area..(c + 1) * area;
            let planes = slopes[r.clone()].iter_mut().zip(&mut offsets[r.clone()]);
            let given = mean[r.clone()].iter().zip(&cross[r]);
            for (i, ((slope, offset), (mean, cross))) in planes.zip(given).enumerate() {
                *slope = (cross - self.mean.v[i] * mean) / self.variance.v[i];
                *offset = mean - *slope * self.mean.v[i];
            }
        }
        let lines = lines.blur(self.radius);
        let mut out = Map::new(map.c, map.h, map.w);
        for c in 0..map.c {
            let (slope, offset) = (lines.plane(c), lines.plane(map.c + c));
            for (i, to) in out.plane_mut(c).iter_mut().enumerate() {
                *to = slope[i] * self.guide.v[i] + offset[i];
            }
        }
        out
    }
}

/// Judges the flows from one key to the other.
pub(super) struct Judge<'a> {
    own: &'a Map,
    other: &'a Map,
    filters: [Guided; 2],
}

impl<'a> Judge<'a> {
    /// `own`, `other`: features of the keys, `[c, h, w]`.
    pub(super) fn new(own: &'a Map, other: &'a Map) -> Self {
        let filters = [2, 5].map(|r| Guided::new(lightness(own), r, 4e-3));
        Self { own, other, filters }
    }

    /// Cost of `flow` at each pixel, where `back` is the flow in the opposite direction: `[1, h,
    /// w]`.
    pub(super) fn cost(&self, flow: &Map, back: &Map) -> Map {
        let (h, w, area) = (flow.h, flow.w, flow.area());
        let mut error = difference(self.own, self.other, flow);
        let returned = warp(back, flow, 0);
        for (i, e) in error.v.iter_mut().enumerate() {
            let (u, v) = (flow.v[i], flow.v[area + i]);
            let twice = UNIT * libm::hypotf(u + returned.v[i], v + returned.v[area + i]);
            let (x, y) = ((i % w) as f32 + u, (i / w) as f32 + v);
            let outside = x < -1.0 || y < -1.0 || x > w as f32 || y > h as f32;
            *e = e.min(30.0) + 1.2 * twice.min(6.0) + if outside { 6.0 } else { 0.0 };
        }
        let means = [0, 1].map(|k| self.filters[k].run(&error));
        for (i, e) in error.v.iter_mut().enumerate() {
            let length = (UNIT * libm::hypotf(flow.v[i], flow.v[area + i])).min(150.0);
            *e = 0.5 * (means[0].v[i] + means[1].v[i]) + 0.1 * *e + 0.012 * length;
        }
        error
    }
}

/// The lightness channel of features, as a guide.
pub(super) fn lightness(features: &Map) -> Map {
    features.channels(0, 1).map(|v| v / 60.0)
}

/// Median over 5 x 5 samples, edges repeated.
pub(super) fn median(map: &Map) -> Map {
    const LANES: usize = 16;
    let (h, w) = (map.h, map.w);
    let mut out = Map::new(map.c, h, w);
    out.fill_bands(|band| {
        for (c, plane) in band.planes.iter_mut().enumerate() {
            for (i, to) in plane.chunks_mut(w).enumerate() {
                let y = (band.y0 + i) as isize;
                let rows = [-2, -1, 0, 1, 2]
                    .map(|d| map.row(c, (y + d).clamp(0, h as isize - 1) as usize));
                for x0 in (0..w).step_by(LANES) {
                    let mut window = [[0.0f32; LANES]; 25];
                    for (k, lanes) in window.iter_mut().enumerate() {
                        let row = rows[k / 5];
                        for (lane, v) in lanes.iter_mut().enumerate() {
                            let x = (x0 + lane + k % 5) as isize - 2;
                            *v = row[x.clamp(0, w as isize - 1) as usize];
                        }
                    }
                    middle(&mut window);
                    let n = LANES.min(w - x0);
                    to[x0..x0 + n].copy_from_slice(&window[12][..n]);
                }
            }
        }
    });
    out
}

crate::simd::widest! {
/// Sorts just far enough for the middle row to be the median of each lane.
///
/// Neither the least nor the greatest of 14 of the 25 rows can be it. So both are left out, the next
/// row comes in, and the same holds for 13.
fn middle(window: &mut [[f32; 16]; 25]) {
    const LAST: usize = 13;
    for first in 0..12 {
        window[LAST] = window[LAST + first];
        let mut sort = |low: usize, high: usize| {
            let (a, b) = (window[low], window[high]);
            for lane in 0..16 {
                window[low][lane] = if a[lane] < b[lane] { a[lane] } else { b[lane] };
                window[high][lane] = if a[lane] < b[lane] { b[lane] } else { a[lane] };
            }
        };
        // An odd one in the middle may be the least as well as the greatest.
        let (low, high) = ((first + LAST) / 2, (first + LAST).div_ceil(2));
        (first..high).for_each(|k| sort(k, first + LAST - k));
        (first + 1..=low).for_each(|k| sort(first, k));
        (high..LAST).for_each(|k| sort(k, LAST));
    }
}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_the_window() {
        let (h, w) = (11, 19);
        let v: Vec<f32> = (0..h * w).map(|i| ((i * 7919 + 13) % 101) as f32).collect();
        let map = Map { c: 1, h, w, v };
        let found = median(&map);
        for y in 0..h {
            for x in 0..w {
                let mut window: Vec<f32> = (0..25)
                    .map(|k| {
                        let near =
                            |v: usize, d: usize, n: usize| (v + d).saturating_sub(2).min(n - 1);
                        map.row(0, near(y, k / 5, h))[near(x, k % 5, w)]
                    })
                    .collect();
                window.sort_by(f32::total_cmp);
                assert_eq!(found.row(0, y)[x], window[12], "at ({x}, {y})");
            }
        }
    }

    #[test]
    fn a_guided_mean_stops_at_an_edge() {
        let (h, w) = (24, 24);
        let step = |x: usize| if x < 12 { 0.0 } else { 4.0 };
        let guide = Map { c: 1, h, w, v: (0..h * w).map(|i| step(i % w)).collect() };
        let smoothed = Guided::new(guide.clone(), 4, 4e-3).run(&guide);
        let row = smoothed.row(0, 12);
        assert!(row[11].abs() < 0.1 && (row[12] - 4.0).abs() < 0.1, "{row:?}");
    }
}
