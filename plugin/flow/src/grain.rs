//! Grain: how strong it is, and keys without it for finding motion.
//!
//! Mixing two keys would weaken their grain, which then pumps from frame to frame. Where the keys differ by
//! no more than grain, the in-between shows the grain of one of them.

use inbetween_core::Frame;

use crate::display::grey;
use crate::map::Map;
use crate::start::Guided;

/// Standard deviation of a channel, of values 0..=1, from which noise is grain.
const LEAST: f32 = 0.006;
/// Differences up to so many standard deviations are grain.
const SPREAD: f32 = 4.0;
/// Of the deviation of pixels far from each other, what that of neighbours must reach if it is grain.
const WHITE: f32 = 0.7;
/// Samples that are looked at, about.
const SAMPLES: usize = 20_000;

/// Standard deviation of the grain of both keys in a frame's values, or 0 where there is none.
pub(crate) fn of_frames(first: &Frame, last: &Frame) -> f32 {
    let of = |f: &Frame| {
        let (w, p) = (f.width(), f.pixels());
        strength(f.height(), w, |x, y| {
            let [r, g, b, _] = p[y * w + x];
            grey([r, g, b])
        })
    };
    of(first).min(of(last))
}

/// Takes the grain out of both guides `[3, h, w]`; tells how strong it was, 0 where there is none.
pub(crate) fn remove(guides: &mut [Map; 2]) -> f32 {
    let found = [0, 1].map(|k| {
        let g = &guides[k];
        strength(g.h, g.w, |x, y| grey([0, 1, 2].map(|c| g.row(c, y)[x])))
    });
    let grain = found[0].min(found[1]);
    if grain > 0.0 {
        for guide in guides {
            for c in 0..3 {
                let plane = guide.channels(c, c + 1);
                // An edge is a good deal stronger than the grain of one channel.
                let even = Guided::new(plane.clone(), 2, 9.0 * grain * grain).run(&plane);
                guide.plane_mut(c).copy_from_slice(&even.v);
            }
        }
    }
    grain
}

/// Whether two pixels that join at one place differ by more than grain.
#[inline]
pub(crate) fn differ(a: &[f32; 4], b: &[f32; 4], grain: f32) -> bool {
    (0..4).any(|c| (a[c] - b[c]).abs() > SPREAD * std::f32::consts::SQRT_2 * grain)
}

/// Whether four pixels beside each other differ by no more than grain.
#[inline]
pub(crate) fn even(low: f32, high: f32, grain: f32) -> bool {
    high - low <= SPREAD * grain
}

/// Standard deviation of grain in a picture of values 0..=1; 0 below [`LEAST`] and for what is no grain.
///
/// From the median difference of pixels from the mean of their four neighbours: outlines are rare enough
/// not to count. A texture of the drawing differs more from pixel to pixel the farther they are apart;
/// grain does not.
fn strength(h: usize, w: usize, value: impl Fn(usize, usize) -> f32) -> f32 {
    if h < 8 || w < 8 {
        return 0.0;
    }
    let step = ((h * w / SAMPLES) as f32).sqrt().max(1.0) as usize;
    let mut near = Vec::with_capacity(2 * SAMPLES);
    let mut far = Vec::with_capacity(2 * SAMPLES);
    for y in (1..h - 2).step_by(step) {
        for x in (1..w - 2).step_by(step) {
            let v = value(x, y);
            let around = value(x - 1, y) + value(x + 1, y) + value(x, y - 1) + value(x, y + 1);
            near.push((v - 0.25 * around).abs());
            far.push((v - value(x + 2, y + 2)).abs());
        }
    }
    // For independent pixels; three channels of their own make luma quieter than one of them.
    let deviation = |mut off: Vec<f32>, share: f32| {
        let middle = off.len() / 2;
        *off.select_nth_unstable_by(middle, f32::total_cmp).1 / 0.6745 / share.sqrt() / 0.68
    };
    let (near, far) = (deviation(near, 1.25), deviation(far, 2.0));
    if near < LEAST || near < WHITE * far { 0.0 } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;

    include!("../tests/common/noise.rs");

    #[test]
    fn the_strength_of_grain_is_told_and_drawings_have_none() {
        let (h, w) = (120, 160);
        // A texture is no grain.
        let soft =
            |x: usize, y: usize| 0.5 + 0.2 * ((x as f32 / 2.0).sin() * (y as f32 / 1.7).cos());
        assert_eq!(strength(h, w, soft), 0.0);
        for deviation in [0.0, 0.02, 0.06] {
            let make = |seed: usize| {
                let pixel = |i: usize| {
                    let base = if ((i % w) / 20).is_multiple_of(2) { 0.3 } else { 0.7 };
                    let [r, g, b] =
                        [0, 1, 2].map(|c| base + deviation * noise((seed + 3 * i + c) as u64));
                    [r, g, b, 1.0]
                };
                Frame::from_pixels(w, h, (0..h * w).map(pixel).collect()).unwrap()
            };
            let found = of_frames(&make(0), &make(1_000_000));
            assert!((found - deviation).abs() <= 0.12 * deviation, "{found} for {deviation}");
        }
    }
}
