//! One affine motion for the whole picture: a camera move, or a drawing that moves as a whole.

use crate::map::Map;

/// Distance between probes of a flow field, in samples.
const STEP: usize = 5;
/// Distance within which a probe supports a motion, in samples.
const NEAR: f64 = 0.75;
/// Number of triples of probes that are tried.
const TRIALS: usize = 300;

/// `[x', y'] = m [x, y, 1]`
type Matrix = [[f64; 3]; 2];

/// The affine motion that most of `flow` (`[2, h, w]`) follows, and its inverse, as flow fields;
/// `None` when there is too little to see or the motion cannot be inverted.
pub(super) fn affine(flow: &Map) -> Option<[Map; 2]> {
    let (h, w) = (flow.h, flow.w);
    let mut probes = Vec::new();
    for y in (4..h).step_by(STEP) {
        for x in (4..w).step_by(STEP) {
            let (u, v) = (flow.row(0, y)[x], flow.row(1, y)[x]);
            let (x, y) = (x as f64, y as f64);
            probes.push(([x, y], [x + f64::from(u), y + f64::from(v)]));
        }
    }
    let matrix = consensus(&probes)?;
    let reverse = invert(&matrix)?;
    Some([field(&matrix, h, w), field(&reverse, h, w)])
}

fn consensus(probes: &[([f64; 2], [f64; 2])]) -> Option<Matrix> {
    if probes.len() < 6 {
        return None;
    }
    let support = |m: &Matrix| -> Vec<usize> {
        (0..probes.len()).filter(|&i| off(m, &probes[i]) < NEAR).collect()
    };
    // The same choices for every picture and machine.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut pick = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % probes.len()
    };
    let mut best: Vec<usize> = Vec::new();
    for _ in 0..TRIALS {
        let three = [pick(), pick(), pick()];
        if let Some(m) = fit(probes, &three) {
            let supporters = support(&m);
            if supporters.len() > best.len() {
                best = supporters;
            }
        }
    }
    for _ in 0..3 {
        let m = fit(probes, &best)?;
        best = support(&m);
    }
    fit(probes, &best)
}

fn off(m: &Matrix, (from, to): &([f64; 2], [f64; 2])) -> f64 {
    let moved = m.map(|r| r[0] * from[0] + r[1] * from[1] + r[2]);
    libm::hypot(moved[0] - to[0], moved[1] - to[1])
}

/// Least squares over the chosen probes; `None` when they are on one line.
fn fit(probes: &[([f64; 2], [f64; 2])], chosen: &[usize]) -> Option<Matrix> {
    if chosen.len() < 3 {
        return None;
    }
    let n = chosen.len() as f64;
    let mut mean = [0.0; 4];
    for &i in chosen {
        let ([x, y], [u, v]) = probes[i];
        for (m, value) in mean.iter_mut().zip([x, y, u, v]) {
            *m += value / n;
        }
    }
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    let mut cross = [[0.0; 2]; 2];
    for &i in chosen {
        let ([x, y], to) = probes[i];
        let (x, y) = (x - mean[0], y - mean[1]);
        xx += x * x;
        xy += x * y;
        yy += y * y;
        for c in 0..2 {
            let t = to[c] - mean[2 + c];
            cross[c][0] += x * t;
            cross[c][1] += y * t;
        }
    }
    let det = xx * yy - xy * xy;
    if det.abs() < 1.0 {
        return None;
    }
    Some([0, 1].map(|c| {
        let a = (yy * cross[c][0] - xy * cross[c][1]) / det;
        let b = (xx * cross[c][1] - xy * cross[c][0]) / det;
        [a, b, mean[2 + c] - a * mean[0] - b * mean[1]]
    }))
}

fn invert(m: &Matrix) -> Option<Matrix> {
    let [[a, b, tx], [c, d, ty]] = *m;
    let det = a * d - b * c;
    if det.abs() < 1e-3 {
        return None;
    }
    let (a, b, c, d) = (d / det, -b / det, -c / det, a / det);
    Some([[a, b, -(a * tx + b * ty)], [c, d, -(c * tx + d * ty)]])
}

fn field(m: &Matrix, h: usize, w: usize) -> Map {
    let mut out = Map::new(2, h, w);
    for c in 0..2 {
        for (i, to) in out.plane_mut(c).iter_mut().enumerate() {
            let place = [(i % w) as f64, (i / w) as f64];
            *to = (m[c][0] * place[0] + m[c][1] * place[1] + m[c][2] - place[c]) as f32;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_motion_is_found_beneath_others() {
        let (h, w) = (60, 80);
        let truth = [[1.02, 0.05, -3.0], [-0.04, 0.98, 2.0]];
        let mut flow = field(&truth, h, w);
        // A third of the picture moves differently.
        for y in 0..20 {
            for x in 0..w {
                flow.v[y * w + x] = 25.0;
            }
        }
        let [found, back] = affine(&flow).unwrap();
        let wanted = field(&truth, h, w);
        assert!(found.v.iter().zip(&wanted.v).all(|(a, b)| (a - b).abs() < 0.05));
        let i = 40 * w + 40;
        let there =
            inbetween_core::Bilinear::at(40.0 + found.v[i], 40.0 + found.v[h * w + i], h, w);
        assert!((there.of(back.plane(0)) + found.v[i]).abs() < 0.1);
        assert!(affine(&Map::new(2, 8, 8)).is_none());
    }
}
