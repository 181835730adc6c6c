//! Whether what was in a place has moved away from it: then it was no overlay.

use super::Luma;
use super::mask::Shape;

/// How far a thing may move in one frame, in pixels.
const REACH: isize = 24;

/// Pixels that are looked at.
const SAMPLES: usize = 400;

/// How well a thing that has moved is found again, in code values, and against what is in its old place.
const LEAST_MATCH: f32 = 12.0;
const LEAST_GAIN: f32 = 0.35;

/// Whether the pixels of `shape`, as they are on `here`, are seen elsewhere on `there`, and not in their old place.
pub(super) fn has_moved(shape: &Shape, here: &Luma, there: &Luma) -> bool {
    if (here.width, here.height) != (there.width, there.height) {
        return false;
    }
    let all: Vec<(usize, usize)> =
        shape.pixels().filter(|(x, y)| *x < here.width && *y < here.height).collect();
    let step = all.len().div_ceil(SAMPLES).max(1);
    // A prime step, so that samples do not stand in columns.
    let samples: Vec<(usize, usize)> = all.into_iter().step_by(step | 1).collect();
    let off = |dx: isize, dy: isize| {
        let (mut sum, mut count) = (0_u32, 0_u32);
        for (x, y) in &samples {
            let to = x.checked_add_signed(dx).zip(y.checked_add_signed(dy));
            if let Some((to_x, to_y)) = to.filter(|(x, y)| *x < there.width && *y < there.height) {
                sum += u32::from(here.row(*y)[*x].abs_diff(there.row(to_y)[to_x]));
                count += 1;
            }
        }
        (2 * count as usize > samples.len()).then(|| sum as f32 / count as f32)
    };
    let Some(still) = off(0, 0) else { return false };
    let ways = (-REACH..=REACH).flat_map(|dy| (-REACH..=REACH).map(move |dx| (dx, dy)));
    let best = ways.filter(|way| *way != (0, 0)).filter_map(|(dx, dy)| off(dx, dy));
    let best = best.fold(f32::INFINITY, f32::min);
    best < LEAST_MATCH && best < LEAST_GAIN * still
}
