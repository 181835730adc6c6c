//! How far a picture has moved as a whole: gate weave, camera shake and pans.

use super::signature::{COARSE, Grid, Signature};

/// Farthest shift that is searched, as a share of each side.
const FARTHEST: f32 = 1.0 / 7.0;

/// Larger differences are cut off here, so that parts that move by themselves do not pull the rest
/// along.
const OUTLIER: f32 = 0.08;

/// A shift is used only if its difference is below this share of the difference without one.
const GAIN: f32 = 0.97;

/// The shift of `b` against `a` in samples of the fine grid: what is at `p` in `a` is at `p +
/// shift` in `b`. Zero where the picture has no structure to align.
pub(super) fn shift(a: &Signature, b: &Signature) -> [f32; 2] {
    let (wide, high) = (a.coarse.width as f32, a.coarse.height as f32);
    let reach = [(wide * FARTHEST) as isize, (high * FARTHEST) as isize];
    let rough = best_of(&a.coarse, &b.coarse, [0, 0], reach, 1);
    let start = rough.map(|part| part * COARSE as isize);
    let near = best_of(&a.fine, &b.fine, start, [3, 3], 2);
    let still = mismatch(&a.fine, &b.fine, [0, 0], 2);
    let moved = mismatch(&a.fine, &b.fine, near, 2);
    let start = if moved < GAIN * still { near } else { [0, 0] };
    refine(&a.fine, &b.fine, start.map(|part| part as f32))
}

/// Mean difference of two pictures once this shift, rounded to whole samples, is undone. Large
/// differences are cut off.
pub(super) fn mismatch_at(a: &Signature, b: &Signature, shift: [f32; 2]) -> f32 {
    mismatch(&a.fine, &b.fine, shift.map(|part| part.round() as isize), 2)
}

/// The best whole shift within `reach` of `around`.
fn best_of(a: &Grid, b: &Grid, around: [isize; 2], reach: [isize; 2], step: usize) -> [isize; 2] {
    let mut best = (mismatch(a, b, around, step), around);
    for dy in -reach[1]..=reach[1] {
        for dx in -reach[0]..=reach[0] {
            let shift = [around[0] + dx, around[1] + dy];
            let cost = mismatch(a, b, shift, step);
            if cost < best.0 {
                best = (cost, shift);
            }
        }
    }
    best.1
}

/// Mean difference where the pictures overlap, over every `step`-th sample of every `step`-th row.
fn mismatch(a: &Grid, b: &Grid, [dx, dy]: [isize; 2], step: usize) -> f32 {
    let overlap = |side: usize, by: isize| {
        let reach = by.unsigned_abs().min(side);
        if by < 0 { reach..side } else { 0..side - reach }
    };
    let (columns, rows) = (overlap(a.width, dx), overlap(a.height, dy));
    if columns.is_empty() || rows.is_empty() {
        return f32::INFINITY;
    }
    let (mut sum, mut count) = (0.0, 0_usize);
    for y in rows.step_by(step) {
        let of_a = &a.planes[0][y * a.width..][columns.clone()];
        let start = y.wrapping_add_signed(dy) * b.width + columns.start.wrapping_add_signed(dx);
        let of_b = &b.planes[0][start..start + columns.len()];
        for (a, b) in of_a.iter().zip(of_b).step_by(step) {
            sum += (a - b).abs().min(OUTLIER);
        }
        count += columns.len().div_ceil(step);
    }
    sum / count as f32
}

/// Number of samples at the edges that have no counterpart after the shift.
pub(super) fn margins(shift: [f32; 2]) -> [usize; 2] {
    shift.map(|part| (0.5 * part.abs()).ceil() as usize + 1)
}

/// Refines the shift to a fraction of a sample, by least squares of the differences. Each picture
/// is moved half the way, so that both are equally blurred, and outliers are weighted down step by
/// step.
fn refine(a: &Grid, b: &Grid, mut shift: [f32; 2]) -> [f32; 2] {
    let start = shift;
    let mut scale = OUTLIER;
    let mut certain = [false; 2];
    for _ in 0..8 {
        let Some(step) = step(a, b, shift, scale) else { return start };
        shift = [shift[0] + step.way[0], shift[1] + step.way[1]];
        if (shift[0] - start[0]).abs().max((shift[1] - start[1]).abs()) > 2.0 {
            return start;
        }
        certain = step.certain;
        scale = (0.6 * scale).max(0.01);
    }
    // Where the only structure is noise, the shift stays as it was.
    [0, 1].map(|axis| if certain[axis] { shift[axis] } else { start[axis] })
}

/// A step of the refinement.
struct Step {
    way: [f32; 2],
    /// Whether the picture's own slopes along each axis stand out from those of the noise.
    certain: [bool; 2],
}

/// How much steeper than noise slopes must be, squared.
const STEEPER: f64 = 3.0;

/// One step of the refinement; `None` where the picture has no structure in some direction.
fn step(a: &Grid, b: &Grid, shift: [f32; 2], scale: f32) -> Option<Step> {
    let [margin_x, margin_y] = margins(shift);
    if a.width < 2 * margin_x + 4 || a.height < 2 * margin_y + 4 {
        return None;
    }
    let half = shift.map(|part| 0.5 * part);
    let (columns, rows) = (margin_x..a.width - margin_x, margin_y..a.height - margin_y);
    let wide = columns.len();
    let moved = |grid: &Grid, by: [f32; 2]| -> Vec<f32> {
        let at = |x: usize, y: usize| grid.between(0, x as f32 + by[0], y as f32 + by[1]);
        rows.clone()
            .flat_map(|y| columns.clone().map(move |x| (x, y)))
            .map(|(x, y)| at(x, y))
            .collect()
    };
    let (from, to) = (moved(a, half.map(|part| -part)), moved(b, half));
    let (mut xx, mut xy, mut yy, mut x_right, mut y_right) = (0.0_f64, 0.0, 0.0, 0.0, 0.0);
    let mut of_noise = [0.0_f64; 2];
    for y in 1..rows.len() - 1 {
        for x in 1..wide - 1 {
            let at = y * wide + x;
            let slope = |of: &[f32], step: usize| 0.25 * (of[at + step] - of[at - step]);
            let both = |step: usize| (slope(&from, step), slope(&to, step));
            let (along_x, along_y) = (both(1), both(wide));
            let (slope_x, slope_y) = (along_x.0 + along_x.1, along_y.0 + along_y.1);
            let rest = from[at] - to[at];
            let weight = {
                let ratio = rest / scale;
                let fit = 1.0 / (1.0 + ratio * ratio);
                fit * fit
            };
            // What the two pictures do not share is noise. It is as strong in their mean as in
            // their difference.
            for (noise, (of_a, of_b)) in of_noise.iter_mut().zip([along_x, along_y]) {
                *noise += f64::from(weight * (of_a - of_b) * (of_a - of_b));
            }
            xx += f64::from(weight * slope_x * slope_x);
            xy += f64::from(weight * slope_x * slope_y);
            yy += f64::from(weight * slope_y * slope_y);
            x_right += f64::from(weight * slope_x * rest);
            y_right += f64::from(weight * slope_y * rest);
        }
    }
    let (det, trace) = (xx * yy - xy * xy, xx + yy);
    if trace < 1e-6 || det < 1e-4 * trace * trace {
        return None;
    }
    let solved = [(yy * x_right - xy * y_right) / det, (xx * y_right - xy * x_right) / det];
    let certain = [xx > STEEPER * of_noise[0], yy > STEEPER * of_noise[1]];
    Some(Step { way: solved.map(|part| part as f32), certain })
}
