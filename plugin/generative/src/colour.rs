//! Corrects the model's drift: what it generates differs from the keys in contrast and brightness.
//! Each channel is corrected by a straight line, fitted where the true colours are known.

use inbetween_core::Frame;
use rayon::prelude::*;

/// Contrast is never changed by more than this factor; a larger difference means that the frames
/// show something else.
const MOST_GAIN: f32 = 1.5;

/// Differences well above this (of 1) are caused by movement rather than drift, and hardly count.
const DRIFT: f32 = 0.08;

/// Number of passes, in which pixels that do not fit lose their weight.
const PASSES: usize = 4;

/// For each channel, `gain` times the value plus `offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Curve {
    gain: [f32; 3],
    offset: [f32; 3],
}

impl Curve {
    /// Makes no change.
    pub(super) const IDENTITY: Self = Self { gain: [1.0; 3], offset: [0.0; 3] };

    /// The line for each channel that brings `from` closest to `to`, which has the same number of
    /// pixels. `trust`, 0..=1, says where both show the same. Without enough trust the result is
    /// the identity.
    pub(super) fn fit(
        from: &[[f32; 4]],
        to: &[[f32; 4]],
        trust: impl Fn(usize) -> f32 + Sync,
    ) -> Self {
        let mut curve = Self::IDENTITY;
        for c in 0..3 {
            let (mut gain, mut offset) = (1.0_f64, 0.0_f64);
            for pass in 0..PASSES {
                // At first every pixel counts; later passes give less and less weight to those far
                // from the line.
                let tolerance = f64::from(DRIFT) * [4.0, 2.0, 1.0, 1.0][pass];
                let weigh = |i: usize| {
                    let (x, y) = (f64::from(from[i][c]), f64::from(to[i][c]));
                    let away = (gain * x + offset - y) / tolerance;
                    let weight = f64::from(trust(i)) / (1.0 + away * away).powi(2);
                    [weight, weight * x, weight * y, weight * x * x, weight * y * y]
                };
                // Summed in chunks of fixed size, so that the result does not depend on the number
                // of threads.
                let portions: Vec<[f64; 5]> = (0..from.len().div_ceil(PORTION))
                    .into_par_iter()
                    .map(|portion| {
                        let end = ((portion + 1) * PORTION).min(from.len());
                        (portion * PORTION..end).map(weigh).fold([0.0; 5], add)
                    })
                    .collect();
                let [n, x, y, xx, yy] = portions.into_iter().fold([0.0; 5], add);
                if n < 0.02 * from.len() as f64 || n < 1.0 {
                    (gain, offset) = (1.0, 0.0);
                    break;
                }
                // The gain is the ratio of contrasts, because a regression would take movement for
                // lost contrast. A small weight on the identity decides for flat pictures.
                let (mean_x, mean_y) = (x / n, y / n);
                let contrast = |square: f64, mean: f64| (square / n - mean * mean).max(0.0) + 2e-4;
                let most = f64::from(MOST_GAIN);
                gain = (contrast(yy, mean_y) / contrast(xx, mean_x)).sqrt().clamp(1.0 / most, most);
                offset = mean_y - gain * mean_x;
            }
            curve.gain[c] = gain as f32;
            curve.offset[c] = offset as f32;
        }
        curve
    }

    /// The curve interpolated from `self` towards `other` by `t`.
    pub(super) fn towards(self, other: Self, t: f32) -> Self {
        let mix = |a: [f32; 3], b: [f32; 3]| [0, 1, 2].map(|c| a[c] + (b[c] - a[c]) * t);
        Self { gain: mix(self.gain, other.gain), offset: mix(self.offset, other.offset) }
    }

    /// Applies the curve to a frame and keeps it within 0..=1.
    pub(super) fn apply(self, frame: &mut Frame) {
        frame.pixels_mut().par_iter_mut().for_each(|pixel| {
            let [r, g, b, _] = pixel;
            for (c, value) in [r, g, b].into_iter().enumerate() {
                *value = (self.gain[c] * *value + self.offset[c]).clamp(0.0, 1.0);
            }
        });
    }
}

const PORTION: usize = 1 << 14;

fn add(a: [f64; 5], b: [f64; 5]) -> [f64; 5] {
    [0, 1, 2, 3, 4].map(|i| a[i] + b[i])
}

/// Frame `at` of a generated span, without the model's drift. The ends of the span show the keys,
/// which reveals how the model changed the colours there; in between, the change is taken to be
/// even. `keys` have the size of the frames. At the ends the result is the key itself.
pub(super) fn matched(span: &[Frame], at: usize, keys: [&Frame; 2]) -> Frame {
    let last = span.len() - 1;
    if at == 0 {
        return keys[0].clone();
    }
    if at >= last {
        return keys[1].clone();
    }
    let curve = |frame: &Frame, key: &Frame| Curve::fit(frame.pixels(), key.pixels(), |_| 1.0);
    let (begin, end) = (curve(&span[0], keys[0]), curve(&span[last], keys[1]));
    let mut frame = span[at].clone();
    begin.towards(end, at as f32 / last as f32).apply(&mut frame);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(shift: usize) -> Frame {
        let value = |i: usize| {
            let (x, y) = ((i % 64 + shift) as f32, (i / 64) as f32);
            let disc = (x - 32.0).hypot(y - 20.0) < 14.0;
            [if disc { 0.8 } else { 0.3 }, 0.2 + y / 100.0, 0.5 + 0.3 * (x / 9.0).sin(), 1.0]
        };
        Frame::from_pixels(64, 40, (0..64 * 40).map(value).collect()).unwrap()
    }

    fn drifted(frame: &Frame, gain: f32, offset: f32) -> Frame {
        let mut frame = frame.clone();
        Curve { gain: [gain; 3], offset: [offset, 0.0, -offset] }.apply(&mut frame);
        frame
    }

    fn error(a: &Frame, b: &Frame) -> f32 {
        let pairs = a.pixels().as_flattened().iter().zip(b.pixels().as_flattened());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn drift_that_grows_along_the_span_is_undone() {
        let truth: Vec<Frame> = (0..16).map(picture).collect();
        let span: Vec<Frame> = (0..16)
            .map(|i| drifted(&truth[i], 1.0 - 0.01 * i as f32, 0.02 + 0.002 * i as f32))
            .collect();
        for i in 0..16 {
            let matched = matched(&span, i, [&truth[0], &truth[15]]);
            assert!(error(&span[i], &truth[i]) > 0.015, "{i}");
            assert!(error(&matched, &truth[i]) < 0.012, "{i}: {}", error(&matched, &truth[i]));
        }
    }

    #[test]
    fn movement_is_not_taken_for_drift() {
        let (from, to) = (picture(0), picture(9));
        let curve = Curve::fit(from.pixels(), to.pixels(), |_| 1.0);
        let mut same = from.clone();
        curve.apply(&mut same);
        assert!(error(&same, &from) < 0.1, "{curve:?}");
    }

    #[test]
    fn without_anything_in_common_nothing_changes() {
        let (from, to) = (picture(0), drifted(&picture(0), 0.7, 0.1));
        assert_eq!(Curve::fit(from.pixels(), to.pixels(), |_| 0.0), Curve::IDENTITY);
        let flat = vec![[0.5, 0.5, 0.5, 1.0]; 100];
        let other = vec![[0.55, 0.5, 0.45, 1.0]; 100];
        let curve = Curve::fit(&flat, &other, |_| 1.0);
        assert!((curve.gain[0] - 1.0).abs() < 1e-6 && (curve.offset[0] - 0.05).abs() < 1e-4);
    }
}
