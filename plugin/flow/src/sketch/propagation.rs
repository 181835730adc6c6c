//! Extends the known displacements of a key's lines to the whole key.
//!
//! Known values spread through areas of one colour and stop at outlines, so that a figure moves
//! with its lines and the ground behind it stays. After Levin et al., "Colorization using
//! Optimization", SIGGRAPH 2004, with motions in place of colours.

use rayon::prelude::*;

use super::relaxation::Ties;
use crate::map::Map;

/// Colour difference (0..=1) that stops the spread, and the share that gets through regardless.
const EDGE: f32 = 0.05;
const LEAK: f32 = 0.003;
/// The share that gets through between colours of the same figure.
const WITHIN: f32 = 0.2;
/// Sweeps at each size, coarsest first, and their over-relaxation factor.
const SWEEPS: [usize; 4] = [120, 60, 50, 50];
const OMEGA: f32 = 1.8;

/// Values known at some places of a key: several fields, each with its own weights.
pub(super) struct KnownValues {
    /// For each field the sums of the weighted values and of the weights: `[2, h, w]`.
    fields: Vec<Map>,
}

impl KnownValues {
    /// No values known yet, for `fields` fields on a picture of `h` x `w`.
    pub(super) fn new(fields: usize, h: usize, w: usize) -> Self {
        Self { fields: vec![Map::new(2, h, w); fields] }
    }

    /// Sets field `c` to `value` at and around (`x`, `y`), where `at` is true.
    pub(super) fn add(
        &mut self,
        c: usize,
        [x, y]: [f32; 2],
        value: f32,
        weight: f32,
        at: impl Fn(usize) -> bool,
    ) {
        let map = &mut self.fields[c];
        let (h, w, area) = (map.h as isize, map.w as isize, map.area());
        let (cx, cy) = (x.round() as isize, y.round() as isize);
        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)] {
            let (px, py) = (cx + dx, cy + dy);
            if px < 0 || py < 0 || px >= w || py >= h {
                continue;
            }
            let i = (py * w + px) as usize;
            if !at(i) {
                continue;
            }
            let weight = if dx == 0 && dy == 0 { weight } else { 0.5 * weight };
            map.v[i] += weight * value;
            map.v[area + i] += weight;
        }
    }

    /// Pulls field `c` towards `value` at sample `i`.
    pub(super) fn lean(&mut self, c: usize, i: usize, value: f32, weight: f32) {
        let map = &mut self.fields[c];
        let area = map.area();
        map.v[i] += weight * value;
        map.v[area + i] += weight;
    }

    /// The fields that follow the known values and change only where the colours of `picture` do:
    /// `[fields, h, w]`, the size of `picture`. With `figure` (`[1, h, w]`, 0 or 1), nothing
    /// spreads between figure and ground.
    pub(super) fn spread(self, picture: &Map, figure: Option<&Map>) -> Map {
        let mut pictures = vec![match figure {
            Some(figure) => Map::stack(&[picture, figure]),
            None => picture.clone(),
        }];
        while pictures.len() < SWEEPS.len() {
            let last = &pictures[pictures.len() - 1];
            if last.h % 2 + last.w % 2 > 0 || last.h.min(last.w) < 8 {
                break;
            }
            pictures.push(last.pool(2));
        }
        let ties: Vec<Ties> = pictures.par_iter().map(ties).collect();
        let out: Vec<Map> = self.fields.into_par_iter().map(|field| solve(field, &ties)).collect();
        Map::stack(&out.iter().collect::<Vec<_>>())
    }
}

/// How strongly samples are tied to their neighbours to the right and below.
fn ties(picture: &Map) -> Ties {
    let (h, w, area) = (picture.h, picture.w, picture.area());
    let tie = |i: usize, j: usize| {
        let apart = |c: usize| (picture.v[c * area + i] - picture.v[c * area + j]).abs();
        let colour = (0..3).map(apart).fold(0.0, f32::max) / EDGE;
        let colour = libm::expf(-colour * colour);
        if picture.c > 3 {
            if apart(3) > 0.5 { 0.0 } else { colour.max(WITHIN) }
        } else {
            colour + LEAK
        }
    };
    Ties::new(h, w, tie)
}

fn solve(field: Map, ties: &[Ties]) -> Map {
    let mut fields = vec![field];
    while fields.len() < ties.len() {
        // Sums rather than means, so that a coarse sample knows as much as the samples it stands
        // for.
        let coarse = fields[fields.len() - 1].pool(2).map(|v| 4.0 * v);
        fields.push(coarse);
    }
    let mut out: Option<Map> = None;
    for (n, (field, ties)) in fields.iter().zip(ties).enumerate().rev() {
        let (h, w, area) = (field.h, field.w, field.area());
        let mut now = match out {
            Some(coarse) => coarse.resize(h, w),
            None => {
                let (sum, weight): (f32, f32) =
                    (field.plane(0).iter().sum(), field.plane(1).iter().sum());
                Map { c: 1, h, w, v: vec![sum / weight.max(1e-6); area] }
            }
        };
        let sweeps = SWEEPS[SWEEPS.len() - 1 - n];
        ties.relax(&mut now.v, [field.plane(0), field.plane(1)], 1e-9, OMEGA, sweeps);
        out = Some(now);
    }
    out.expect("there is at least one size")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_an_outline_fills_its_colour_and_stops_there() {
        let (h, w) = (32, 48);
        let inside = |i: usize| (10..30).contains(&(i % w)) && (8..24).contains(&(i / w));
        let mut picture = Map::new(3, h, w);
        for i in 0..h * w {
            (0..3).for_each(|c| picture.v[c * h * w + i] = if inside(i) { 0.8 } else { 0.3 });
        }
        let mut known = KnownValues::new(1, h, w);
        for x in 10..30 {
            known.add(0, [x as f32, 8.0], 1.0, 2.0, inside);
        }
        (0..h * w).for_each(|i| known.lean(0, i, 0.0, if inside(i) { 1e-6 } else { 0.01 }));
        let out = known.spread(&picture, None);
        assert!(out.v[20 * w + 20] > 0.7, "{}", out.v[20 * w + 20]);
        assert!(out.v[20 * w + 40] < 0.1, "{}", out.v[20 * w + 40]);
    }
}
