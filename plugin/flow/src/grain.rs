//! Grain: measures how strong it is, and removes it from the pictures used to find motion.
//!
//! Mixing two keys would weaken their grain, which would then pulsate from frame to frame. Where
//! the keys differ by no more than grain, the in-between shows the grain of one of them.

use inbetween_core::Frame;

use crate::display::grey;
use crate::map::Map;
use crate::start::Guided;

/// Standard deviation of a channel (values 0..=1) from which noise counts as grain.
const LEAST: f32 = 0.006;
/// Differences of up to this many standard deviations count as grain.
const SPREAD: f32 = 4.0;
/// In grain, the deviation between neighbours must reach this share of the deviation between
/// distant pixels.
const WHITE: f32 = 0.7;
/// Approximate number of samples examined.
const SAMPLES: usize = 20_000;

/// Standard deviation of the grain of both keys, in the frames' own values; 0 if there is none.
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

/// Removes the grain from both guides `[3, h, w]`, and returns how strong it was; 0 if there was
/// none.
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
                // An edge is much stronger than the grain of one channel.
                let even = Guided::new(plane.clone(), 2, 9.0 * grain * grain).run(&plane);
                guide.plane_mut(c).copy_from_slice(&even.v);
            }
        }
    }
    grain
}

/// Whether two pixels that meet at one place differ by more than grain.
#[inline]
pub(crate) fn differ(a: &[f32; 4], b: &[f32; 4], grain: f32) -> bool {
    (0..4).any(|c| (a[c] - b[c]).abs() > SPREAD * std::f32::consts::SQRT_2 * grain)
}

/// Whether four neighbouring pixels differ by no more than grain.
#[inline]
pub(crate) fn even(low: f32, high: f32, grain: f32) -> bool {
    high - low <= SPREAD * grain
}

/// Standard deviation of the grain in a picture with values 0..=1; 0 below [`LEAST`] and for
/// anything that is not grain.
///
/// Computed from the median difference between pixels and the mean of their four neighbours, in
/// which outlines are too rare to count. In a texture, pixels differ more the farther they are
/// apart; in grain they do not.
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
    // For independent pixels. With independent noise in three channels, luma is quieter than any
    // one of them.
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
        // A texture does not count as grain.
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
