//! Converts flows at the keys to flows at the in-between.

use crate::map::Map;
use crate::net::Matched;

/// Weight below which no flow counts as having reached a cell.
const HOLE: f32 = 1e-4;

/// Flows at position `t`, obtained by pushing both keys' flows there: `[4, h, w]`, to the first key
/// and to the last key.
pub(super) fn flow_at(matched: &Matched, t: f32) -> Map {
    let [f01, f10] = &matched.flow;
    let [c01, c10] = &matched.confidence;
    let mut sum = Map::new(5, f01.h, f01.w);
    push(&mut sum, f01, c01, t, [-t, 1.0 - t], 1.0 - t);
    push(&mut sum, f10, c10, 1.0 - t, [t, -(1.0 - t)], t);
    for _ in 0..4 {
        if sum.plane(4).iter().all(|&w| w >= HOLE) {
            break;
        }
        let near = sum.blur(3);
        let area = sum.area();
        for i in 0..area {
            if sum.v[4 * area + i] < HOLE {
                for c in 0..5 {
                    sum.v[c * area + i] = near.v[c * area + i];
                }
            }
        }
    }
    let weights = sum.plane(4).to_vec();
    let mut flow = sum.channels(0, 4);
    let area = flow.area();
    for c in 0..4 {
        for (v, w) in flow.v[c * area..(c + 1) * area].iter_mut().zip(&weights) {
            *v /= w + 1e-6;
        }
    }
    let known: Vec<f32> = weights.iter().map(|&w| if w < HOLE { 0.0 } else { 1.0 }).collect();
    fill_holes(&mut flow, &known);
    flow
}

/// Adds `flow`, scaled by `share` for each key, at the place to which `reach * flow` carries it.
fn push(sum: &mut Map, flow: &Map, confidence: &Map, reach: f32, share: [f32; 2], trust: f32) {
    let (h, w, area) = (flow.h, flow.w, flow.area());
    for y in 0..h {
        for x in 0..w {
            let i = y * w + x;
            let (u, v) = (flow.v[i], flow.v[area + i]);
            let weight = confidence.v[i] * trust + 1e-3;
            let value = [share[0] * u, share[0] * v, share[1] * u, share[1] * v, 1.0];
            let (px, py) = (x as f32 + reach * u, y as f32 + reach * v);
            let (x0, y0) = (px.floor(), py.floor());
            for (cx, cy) in [(x0, y0), (x0, y0 + 1.0), (x0 + 1.0, y0), (x0 + 1.0, y0 + 1.0)] {
                if cx < 0.0 || cy < 0.0 || cx >= w as f32 || cy >= h as f32 {
                    continue;
                }
                let part = weight * (1.0 - (px - cx).abs()) * (1.0 - (py - cy).abs());
                let to = cy as usize * w + cx as usize;
                for (c, value) in value.iter().enumerate() {
                    sum.v[c * area + to] += part * value;
                }
            }
        }
    }
}

/// Fills samples where `known` is 0 from their surroundings: averages of known samples are passed
/// up a pyramid and down again.
fn fill_holes(map: &mut Map, known: &[f32]) {
    if known.iter().all(|&k| k >= 1.0) {
        return;
    }
    let (h, w, area) = (map.h, map.w, map.area());
    let mut level = Map::new(map.c + 1, h, w);
    for c in 0..map.c {
        for (i, known) in known.iter().enumerate() {
            level.v[c * area + i] = map.v[c * area + i] * known;
        }
    }
    level.plane_mut(map.c).copy_from_slice(known);
    let mut levels = vec![level];
    while levels.last().is_some_and(|l| l.h > 1 || l.w > 1) {
        let last = &levels[levels.len() - 1];
        levels.push(last.shrink(last.h.div_ceil(2), last.w.div_ceil(2)));
    }
    let mut below: Option<Map> = None;
    for level in levels.iter().rev() {
        let (n, last) = (level.area(), level.c - 1);
        let mut out = match &below {
            Some(below) => below.resize(level.h, level.w),
            None => Map::new(last, level.h, level.w),
        };
        for i in 0..n {
            let weight = level.v[last * n + i];
            if weight > 0.0 {
                let keep = if below.is_some() { 1.0 - weight.min(1.0) } else { 0.0 };
                for c in 0..last {
                    let own = level.v[c * n + i] / weight;
                    out.v[c * n + i] = keep * out.v[c * n + i] + (1.0 - keep) * own;
                }
            }
        }
        below = Some(out);
    }
    let filled = below.expect("the pyramid has at least its base");
    for c in 0..map.c {
        for (i, known) in known.iter().enumerate() {
            if *known < 1.0 {
                map.v[c * area + i] = filled.v[c * area + i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(u: f32, v: f32) -> Map {
        let mut flow = Map::new(2, 20, 30);
        flow.plane_mut(0).fill(u);
        flow.plane_mut(1).fill(v);
        flow
    }

    #[test]
    fn one_motion_is_the_same_from_anywhere() {
        let one = || Map { c: 1, h: 20, w: 30, v: vec![1.0; 600] };
        // Farther than the nearest neighbours can fill.
        let matched =
            Matched { flow: [shift(18.0, -4.0), shift(-18.0, 4.0)], confidence: [one(), one()] };
        for t in [0.25f32, 0.5] {
            let flow = flow_at(&matched, t);
            let wanted = [-18.0 * t, 4.0 * t, 18.0 * (1.0 - t), -4.0 * (1.0 - t)];
            for (c, wanted) in wanted.into_iter().enumerate() {
                for v in flow.plane(c) {
                    assert!((v - wanted).abs() < 0.02, "channel {c}: {v}, not {wanted}");
                }
            }
        }
    }

    #[test]
    fn holes_take_over_what_surrounds_them() {
        let mut map = Map { c: 1, h: 9, w: 9, v: vec![5.0; 81] };
        let mut known = vec![1.0; 81];
        for i in [30, 31, 40, 80] {
            map.v[i] = f32::MAX;
            known[i] = 0.0;
        }
        fill_holes(&mut map, &known);
        assert!(map.v.iter().all(|v| (v - 5.0).abs() < 1e-3), "{:?}", map.v);
    }
}
