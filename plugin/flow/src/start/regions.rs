//! The drawing as closed regions of colour, and the motion of each as a whole.

use crate::map::Map;
use crate::segments::{closed, components, grow};

/// A region of one colour.
struct Region {
    x: f32,
    y: f32,
    area: f32,
    colour: [f32; 3],
    /// Standard deviations of its pixels' coordinates.
    spread: [f32; 2],
    at_border: bool,
}

/// All regions of a key.
pub(super) struct Regions {
    /// For each pixel the region it belongs to or is nearest to, from 1; 0 when there is none.
    label: Vec<u32>,
    list: Vec<Region>,
    h: usize,
    w: usize,
}

/// Flow of matched regions, and where it is valid.
pub(super) struct RegionFlow {
    pub(super) flow: Map,
    pub(super) known: Vec<bool>,
}

impl Regions {
    /// Finds the regions of a key from its Lab colours.
    pub(super) fn of(lab: &Map) -> Self {
        let (h, w) = (lab.h, lab.w);
        let (mut label, mut count) = components(&closed(lab), h, w);
        let sizes = count.clone();
        let least = (1.5e-4 * (h * w) as f32).max(12.0);
        let mut next = 0;
        for (label, size) in count.iter_mut().zip(&sizes) {
            *label = if *size as f32 >= least {
                next += 1;
                next
            } else {
                0
            };
        }
        label.iter_mut().for_each(|l| *l = if *l > 0 { count[*l as usize - 1] } else { 0 });
        let list = measure(&label, next as usize, lab);
        grow(&mut label, h, w);
        Self { label, list, h, w }
    }

    /// The region at pixel `i`.
    fn at(&self, i: usize) -> Option<usize> {
        (self.label[i] as usize).checked_sub(1)
    }
}

fn measure(label: &[u32], count: usize, lab: &Map) -> Vec<Region> {
    let (h, w, area) = (lab.h, lab.w, lab.area());
    // Area, x, y, xx, yy, three colours.
    let mut sums = vec![[0.0f64; 8]; count];
    let mut border = vec![false; count];
    for (i, &l) in label.iter().enumerate() {
        let Some(k) = (l as usize).checked_sub(1) else { continue };
        let (x, y) = (i % w, i / w);
        border[k] |= x < 2 || y < 2 || x + 3 > w || y + 3 > h;
        let (x, y) = (x as f64, y as f64);
        let [l, a, b] = [0, 1, 2].map(|c| f64::from(lab.v[c * area + i]));
        for (sum, v) in sums[k].iter_mut().zip([1.0, x, y, x * x, y * y, l, a, b]) {
            *sum += v;
        }
    }
    sums.iter()
        .zip(border)
        .map(|(s, at_border)| {
            let m = s.map(|v| v / s[0]);
            let deviation = |square: f64, mean: f64| (square - mean * mean).max(0.1).sqrt() as f32;
            Region {
                x: m[1] as f32,
                y: m[2] as f32,
                area: s[0] as f32,
                colour: [m[5] as f32, m[6] as f32, m[7] as f32],
                spread: [deviation(m[3], m[1]), deviation(m[4], m[2])],
                at_border,
            }
        })
        .collect()
}

/// The motion of regions that match each other in both keys; `prior` is a first flow from the first
/// key to the last.
pub(super) fn match_regions(keys: [&Regions; 2], prior: &Map) -> Option<[RegionFlow; 2]> {
    let [a, b] = keys.map(|k| &k.list);
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let (h, w) = (prior.h, prior.w);
    let diagonal = libm::hypotf(h as f32, w as f32);
    let cost = |p: &Region, q: &Region| {
        let at = (p.y as usize).min(h - 1) * w + (p.x as usize).min(w - 1);
        let (u, v) = (0.5 * prior.plane(0)[at], 0.5 * prior.plane(1)[at]);
        let away = libm::hypotf(p.x + u - q.x, p.y + v - q.y) / diagonal;
        let colour: f32 =
            p.colour.iter().zip(&q.colour).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
        colour / 7.0
            + 1.5 * libm::logf(p.area / q.area).abs()
            + libm::logf(p.spread[0] / q.spread[0]).abs()
            + libm::logf(p.spread[1] / q.spread[1]).abs()
            + 7.0 * away
    };
    let costs: Vec<Vec<f32>> = a.iter().map(|p| b.iter().map(|q| cost(p, q)).collect()).collect();
    let least = |n: usize, m: usize, at: &dyn Fn(usize, usize) -> f32| -> Vec<usize> {
        (0..n)
            .map(|i| (0..m).fold(0, |best, j| if at(i, j) < at(i, best) { j } else { best }))
            .collect()
    };
    let to_b = least(a.len(), b.len(), &|i, j| costs[i][j]);
    let to_a = least(b.len(), a.len(), &|j, i| costs[i][j]);
    let pairs: Vec<(usize, usize)> = (0..a.len())
        .map(|i| (i, to_b[i]))
        .filter(|&(i, j)| to_a[j] == i && costs[i][j] < 3.0 && !a[i].at_border && !b[j].at_border)
        .collect();
    let back: Vec<(usize, usize)> = pairs.iter().map(|&(i, j)| (j, i)).collect();
    Some([keys[0].moved(keys[1], &pairs), keys[1].moved(keys[0], &back)])
}

impl Regions {
    /// Moves each matched region onto its partner in position and size.
    fn moved(&self, other: &Self, pairs: &[(usize, usize)]) -> RegionFlow {
        let mut partner = vec![None; self.list.len()];
        pairs.iter().for_each(|&(i, j)| partner[i] = Some(j));
        let mut flow = Map::new(2, self.h, self.w);
        let mut known = vec![false; self.h * self.w];
        let area = flow.area();
        for (i, known) in known.iter_mut().enumerate() {
            let Some((k, j)) = self.at(i).and_then(|k| partner[k].map(|j| (k, j))) else {
                continue;
            };
            let (p, q) = (&self.list[k], &other.list[j]);
            let (x, y) = ((i % self.w) as f32, (i / self.w) as f32);
            let grow = [0, 1].map(|c| (q.spread[c] / p.spread[c]).clamp(0.7, 1.4));
            flow.v[i] = q.x + (x - p.x) * grow[0] - x;
            flow.v[area + i] = q.y + (y - p.y) * grow[1] - y;
            *known = true;
        }
        RegionFlow { flow, known }
    }
}
