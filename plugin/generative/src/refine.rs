//! Refines the motion between two small frames to where they really match.
//!
//! Flow's motion is meant for moments between its keys. At a key itself it is off by a few samples
//! everywhere, which would carry every line to a wrong place. From there the nearest match is found
//! by least squares over shrinking windows (Lucas and Kanade, 1981), and used only where it is a
//! match.

use inbetween_core::{Bilinear, Frame};

use super::sample::smooth;

/// Sizes of the windows, as passes of smoothing. Large ones come first, so that a shift of the
/// whole is found before details.
const WINDOWS: [usize; 9] = [12, 12, 12, 6, 6, 6, 3, 3, 3];

/// Passes of smoothing for the window in which two motions are compared.
const COMPARED: usize = 3;

/// Squared slope (of 1 per pixel) below which a place says nothing about its motion.
const FLAT: f32 = 1e-4;

/// The longest step, in pixels, because slopes describe only a small neighbourhood.
const STEP: f32 = 1.0;

/// Changes `motion` where that makes the two pictures more alike. It holds, for each pixel of
/// `target`, the displacement to its place in `key` (right, down, in pixels).
pub(super) fn refined(target: &Frame, key: &Frame, motion: Vec<[f32; 2]>) -> Vec<[f32; 2]> {
    let (width, height) = (target.width(), target.height());
    // The pictures are smoothed, so that a step can reach farther than one pixel.
    let from = smooth(target.pixels(), width);
    let to = smooth(key.pixels(), width);
    let at = |x: usize, y: usize| from[y * width + x];
    let slopes: Vec<[[f32; 3]; 2]> = (0..from.len())
        .map(|i| {
            let (x, y) = (i % width, i / width);
            let (left, right) = (at(x.saturating_sub(1), y), at((x + 1).min(width - 1), y));
            let (above, below) = (at(x, y.saturating_sub(1)), at(x, (y + 1).min(height - 1)));
            let half = |a: [f32; 4], b: [f32; 4]| [0, 1, 2].map(|c| 0.5 * (b[c] - a[c]));
            [half(left, right), half(above, below)]
        })
        .collect();
    let difference = |i: usize, [u, v]: [f32; 2]| {
        let place = Bilinear::at((i % width) as f32 + u, (i / width) as f32 + v, height, width);
        let moved = place.of_pixels(&to);
        [0, 1, 2].map(|c| moved[c] - from[i][c])
    };
    let cost = |motion: &[[f32; 2]]| {
        let square = |(i, m): (usize, &[f32; 2])| [dot(difference(i, *m), difference(i, *m))];
        window(motion.iter().enumerate().map(square).collect(), width, COMPARED)
    };
    let mut best = motion;
    let mut best_cost = cost(&best);
    for passes in WINDOWS {
        let equations = best.iter().enumerate().map(|(i, m)| {
            let ([x, y], d) = (slopes[i], difference(i, *m));
            [dot(x, x), dot(x, y), dot(y, y), dot(x, d), dot(y, d)]
        });
        let equations = window(equations.collect(), width, passes);
        let stepped: Vec<[f32; 2]> = (best.iter().zip(&equations))
            .map(|([u, v], [xx, xy, yy, xd, yd])| {
                let (xx, yy) = (xx + FLAT, yy + FLAT);
                let determinant = xx * yy - xy * xy;
                let step = [(xy * yd - yy * xd) / determinant, (xy * xd - xx * yd) / determinant];
                let [du, dv] = step.map(|s| s.clamp(-STEP, STEP));
                [u + du, v + dv]
            })
            .collect();
        let stepped_cost = cost(&stepped);
        for i in 0..best.len() {
            if stepped_cost[i] < best_cost[i] {
                (best[i], best_cost[i]) = (stepped[i], stepped_cost[i]);
            }
        }
    }
    best
}

fn window<const N: usize>(mut plane: Vec<[f32; N]>, width: usize, passes: usize) -> Vec<[f32; N]> {
    for _ in 0..passes {
        plane = smooth(&plane, width);
    }
    plane
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(left: f32, top: f32) -> Frame {
        let pixel = |i: usize| {
            let (x, y) = ((i % 80) as f32 + left, (i / 80) as f32 + top);
            let v = 0.5 + 0.2 * (0.31 * x).sin() * (0.37 * y).cos() + 0.2 * (0.2 * (x + y)).sin();
            [v, 1.0 - v, v * v, 1.0]
        };
        Frame::from_pixels(80, 60, (0..80 * 60).map(pixel).collect()).unwrap()
    }

    #[test]
    fn motion_that_is_off_everywhere_is_put_right() {
        let (target, key) = (waves(0.0, 0.0), waves(5.3, -1.6));
        // The key's pixels are to the left of and below those of the target.
        let truth = [-5.3_f32, 1.6_f32];
        let off = vec![[truth[0] + 1.8, truth[1] + 2.4]; 80 * 60];
        let found = refined(&target, &key, off);
        // The motion was off by three pixels everywhere. Where the waves are shallow, up to a third
        // of that may remain.
        let (mut sum, mut worst) = (0.0_f32, 0.0_f32);
        for y in 10..50 {
            for x in 10..70 {
                let [u, v] = found[y * 80 + x];
                let error = (u - truth[0]).hypot(v - truth[1]);
                (sum, worst) = (sum + error, worst.max(error));
            }
        }
        let mean = sum / (40.0 * 60.0);
        assert!(mean < 0.2 && worst < 1.0, "mean {mean}, worst {worst}");
    }

    #[test]
    fn what_is_flat_or_right_already_stays() {
        let flat = Frame::from_pixels(9, 7, vec![[0.5, 0.5, 0.5, 1.0]; 63]).unwrap();
        let motion = vec![[1.25, -3.0]; 63];
        assert_eq!(refined(&flat, &flat, motion.clone()), motion);
        let same = waves(0.0, 0.0);
        let still = vec![[0.0; 2]; 80 * 60];
        assert_eq!(refined(&same, &same, still.clone()), still);
        let dot = Frame::from_pixels(1, 1, vec![[0.2, 0.5, 0.5, 1.0]]).unwrap();
        assert_eq!(refined(&dot, &dot, vec![[0.0; 2]]), [[0.0; 2]]);
    }
}
