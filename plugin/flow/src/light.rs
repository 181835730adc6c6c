//! Changes of light between two keys that are independent of motion: exposure, tint, opacity.
//!
//! Motion is searched on keys brought to the same light; the change of light is then spread evenly
//! over the span.

use inbetween_core::Encoding;

use crate::display::display;
use crate::map::Map;

/// Difference of the keys' colours (display values, 0..=1) up to which they have the same light.
const SAME: f32 = 0.012;
/// Share of that difference that a change of light may leave unexplained ...
const LEFT: f32 = 0.25;
/// ... and the share that may remain if the drawing stays in place and shows the change at this
/// share of the samples.
const LEFT_IN_PLACE: (f32, f32) = (0.5, 0.5);
/// Difference at which a sample counts as explained in place.
const EXPLAINED: f32 = 0.01;
/// Share of contrast below which a faded channel cannot be restored for matching.
const FAINT: f32 = 0.08;
/// Share below which the key counts as empty.
const EMPTY: f32 = 0.04;
/// Of the samples that a change of light would alter by more than this ...
const CHANGES: f32 = 0.03;
/// ... at most this share may be unaltered. More of them mean that something has left the picture.
const STAY: f32 = 0.1;
/// Approximate number of samples that are compared.
const SAMPLES: usize = 12_000;
/// Number of quantiles of a channel that are fitted.
const QUANTILES: usize = 64;
/// Directions in which colours are compared: weights of red, green, blue and opacity.
const VIEWS: [[f32; 4]; 7] = [
    [1.0, 0.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0],
    [0.4, 0.4, 0.2, 0.0],
    [0.5, -0.5, 0.0, 0.0],
    [0.0, 0.5, -0.5, 0.0],
];

/// Premultiplied red, green and blue, and opacity.
type Pixel = [f32; 4];

/// Converts the key with more contrast to the light of the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Light {
    /// The key with more contrast: 0 for the first, 1 for the last.
    from: usize,
    /// Gain of each channel in the frame's own values, 0..=1.2.
    gain: Pixel,
    offset: Pixel,
}

impl Light {
    /// The change of light between keys `[4, h, w]` of premultiplied colour, if there is one.
    ///
    /// Colours are compared over whole pictures, wherever they are, so that motion alone does not
    /// count as a change.
    pub(crate) fn between(keys: &[Map; 2], encoding: Encoding) -> Option<Self> {
        let step = ((keys[0].area() / SAMPLES) as f32).sqrt().max(1.0) as usize;
        let pixels = [0, 1].map(|k| samples(&keys[k], step));
        let seen = [0, 1]
            .map(|k| pixels[k].iter().map(|p| display_referred(p, encoding)).collect::<Vec<_>>());
        let shown = [0, 1].map(|k| Views::of(&seen[k]));
        let before = shown[0].apart(&shown[1]);
        if before <= SAME {
            return None;
        }
        let mut best: Option<(f32, Self)> = None;
        for from in 0..2 {
            let (own, other) = (&seen[from], &seen[1 - from]);
            for light in candidates(from, [&pixels[from], &pixels[1 - from]]) {
                let made: Vec<Pixel> = pixels[from]
                    .iter()
                    .map(|p| display_referred(&light.whole(p), encoding))
                    .collect();
                // Checked first, because sorting all colours takes longer.
                if much_stays(own, other, &made) {
                    continue;
                }
                let after = Views::of(&made).apart(&shown[1 - from]);
                let fits = after < LEFT * before
                    || after < LEFT_IN_PLACE.0 * before && in_place(&made, other) > LEFT_IN_PLACE.1;
                if fits && best.is_none_or(|b| after < b.0) {
                    best = Some((after, light));
                }
            }
        }
        best.map(|b| b.1)
    }

    /// Brings the keys to the same light, as far as possible.
    pub(crate) fn even(&self, keys: &mut [Map; 2]) {
        let [a, b] = keys;
        let (from, to) = if self.from == 0 { (a, b) } else { (b, a) };
        let area = from.area();
        if self.contrast() < EMPTY {
            *to = from.clone();
        } else if self.gain.iter().any(|g| *g < FAINT) {
            for (c, plane) in from.v.chunks_mut(area).enumerate() {
                plane.iter_mut().for_each(|v| *v = self.gain[c] * *v + self.offset[c]);
            }
        } else {
            for (c, plane) in to.v.chunks_mut(area).enumerate() {
                plane.iter_mut().for_each(|v| *v = (*v - self.offset[c]) / self.gain[c]);
            }
            // Opacity ends at 1.
            to.plane_mut(3).iter_mut().for_each(|a| *a = a.clamp(0.0, 1.0));
        }
    }

    /// A pixel of key `key` in the light at `t` (0: the first key's, 1: the last's).
    pub(crate) fn at(&self, key: usize, t: f32, pixel: Pixel) -> Pixel {
        let share = if self.from == 0 { t } else { 1.0 - t };
        let mut out = [0, 1, 2, 3].map(|c| {
            let (gain, offset, v) = (self.gain[c], self.offset[c], pixel[c]);
            if key == self.from {
                v + share * ((gain - 1.0) * v + offset)
            } else if gain < FAINT {
                // What the fainter key has lost cannot be restored.
                v
            } else {
                let bright = (v - offset) / gain;
                v + (1.0 - share) * (bright - v)
            }
        });
        out[3] = out[3].clamp(0.0, 1.0);
        for c in 0..3 {
            if pixel[c] >= 0.0 {
                out[c] = out[c].max(0.0);
            }
        }
        out
    }

    /// Log odds in favour of the first key that follow from the difference in contrast, since the
    /// fainter key is coarser.
    pub(crate) fn odds(&self) -> f32 {
        let worth = -4.0 * libm::logf(self.contrast().clamp(1e-3, 1.0));
        if self.from == 0 { worth } else { -worth }
    }

    /// Share of the contrast that remains in the fainter key, 0..=1.
    fn contrast(&self) -> f32 {
        (self.gain[0] + self.gain[1] + self.gain[2]) / 3.0
    }

    fn whole(&self, p: &Pixel) -> Pixel {
        [0, 1, 2, 3].map(|c| self.gain[c] * p[c] + self.offset[c])
    }
}

/// Whether much of what would change from `own` to `made` is unaltered in the other key.
fn much_stays(own: &[Pixel], other: &[Pixel], made: &[Pixel]) -> bool {
    let (mut changed, mut stayed) = (0.0, 0.0);
    for ((own, other), made) in own.iter().zip(other).zip(made) {
        if apart(own, made) > CHANGES {
            changed += 1.0;
            stayed += f32::from(u8::from(apart(own, other) < EXPLAINED));
        }
    }
    stayed > STAY * changed
}

/// Share of the samples that are explained in place.
fn in_place(made: &[Pixel], other: &[Pixel]) -> f32 {
    let like = made.iter().zip(other).filter(|(a, b)| apart(a, b) < EXPLAINED);
    like.count() as f32 / made.len().max(1) as f32
}

/// Largest difference of a channel.
fn apart(a: &Pixel, b: &Pixel) -> f32 {
    (0..4).map(|c| (a[c] - b[c]).abs()).fold(0.0, f32::max)
}

/// Possible changes of light that convert the colours of one key to those of the other.
fn candidates(from: usize, [a, b]: [&[Pixel]; 2]) -> Vec<Light> {
    let sorted = |of: &[Pixel], c: usize| {
        let mut v: Vec<f32> = of.iter().map(|p| p[c]).collect();
        v.sort_by(f32::total_cmp);
        let at = |k: usize| v[(2 * k + 1) * v.len() / (2 * QUANTILES)];
        (0..QUANTILES).map(at).collect::<Vec<f32>>()
    };
    let mut free = Light { from, gain: [1.0; 4], offset: [0.0; 4] };
    let mut scaled = free;
    for c in 0..4 {
        let (p, q) = (sorted(a, c), sorted(b, c));
        let pairs = || p.iter().copied().zip(q.iter().copied());
        (free.gain[c], free.offset[c]) = line(pairs());
        let (xy, xx) = pairs().fold((0.0, 1e-9), |s, (x, y)| (s.0 + x * y, s.1 + x * x));
        scaled.gain[c] = xy / xx;
    }
    let mut out = vec![free, scaled];
    // The same colours in place, starting from the fits above.
    for start in [free, scaled] {
        let mut light = start;
        for _ in 0..12 {
            for c in 0..4 {
                let weighted = a.iter().zip(b).map(|(a, b)| {
                    let off = (light.gain[c] * a[c] + light.offset[c] - b[c]) / 0.02;
                    (a[c], b[c], 1.0 / (1.0 + off * off))
                });
                let (gain, offset) = weighted_line(weighted);
                (light.gain[c], light.offset[c]) = (gain, offset);
            }
        }
        out.push(light);
    }
    out.retain(|l| l.gain.iter().all(|g| (-1e-3..=1.2).contains(g)) && l.contrast() <= 1.0);
    out
}

/// Gain and offset that best fit pairs of values.
fn line(pairs: impl Iterator<Item = (f32, f32)>) -> (f32, f32) {
    weighted_line(pairs.map(|(x, y)| (x, y, 1.0)))
}

fn weighted_line(pairs: impl Iterator<Item = (f32, f32, f32)>) -> (f32, f32) {
    let mut s = [0.0f64; 5];
    for (x, y, weight) in pairs {
        let (x, y, weight) = (f64::from(x), f64::from(y), f64::from(weight));
        for (sum, v) in s.iter_mut().zip([1.0, x, y, x * x, x * y]) {
            *sum += weight * v;
        }
    }
    let n = s[0].max(1e-9);
    let (x, y) = (s[1] / n, s[2] / n);
    let (xx, xy) = (s[3] / n - x * x, s[4] / n - x * y);
    let gain = if xx > 1e-6 { xy / xx } else { 1.0 };
    (gain as f32, (y - gain * x) as f32)
}

fn samples(key: &Map, step: usize) -> Vec<Pixel> {
    let rows = (step / 2..key.h).step_by(step);
    let places = rows.flat_map(|y| (step / 2..key.w).step_by(step).map(move |x| y * key.w + x));
    places.map(|i| [0, 1, 2, 3].map(|c| key.v[c * key.area() + i])).collect()
}

/// As shown on a display.
fn display_referred(p: &Pixel, encoding: Encoding) -> Pixel {
    [
        display(p[0], encoding),
        display(p[1], encoding),
        display(p[2], encoding),
        p[3].clamp(0.0, 1.0),
    ]
}

/// Colours of a picture, sorted in each of [`VIEWS`].
struct Views([Vec<f32>; VIEWS.len()]);

impl Views {
    fn of(pixels: &[Pixel]) -> Self {
        Self(VIEWS.map(|view| {
            let dot = |p: &Pixel| (0..4).map(|c| view[c] * p[c]).sum::<f32>();
            let mut v: Vec<f32> = pixels.iter().map(dot).collect();
            v.sort_by(f32::total_cmp);
            v
        }))
    }

    /// Mean difference of the sorted values, in the view where it is largest.
    fn apart(&self, other: &Self) -> f32 {
        let one = |(a, b): (&Vec<f32>, &Vec<f32>)| {
            a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len().max(1) as f32
        };
        self.0.iter().zip(&other.0).map(one).fold(0.0, f32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with a figure at `x`, every channel with its own gain.
    fn page(x: usize, gain: Pixel) -> Map {
        let (h, w) = (90, 160);
        let mut out = Map::new(4, h, w);
        for i in 0..h * w {
            let (px, py) = (i % w, i / w);
            let mut p = [0.9, 0.85, 0.8, 1.0];
            if py > 70 {
                p = [0.4, 0.6, 0.3, 1.0];
            }
            if (x..x + 24).contains(&px) && (20..70).contains(&py) {
                p = [0.7, 0.2 + 0.004 * py as f32, 0.2, 1.0];
            }
            (0..4).for_each(|c| out.v[c * h * w + i] = gain[c] * p[c]);
        }
        out
    }

    #[test]
    fn a_darker_or_tinted_key_is_known_whether_or_not_something_moves() {
        for gain in [[0.7, 0.7, 0.7, 1.0], [0.6, 0.85, 1.0, 1.0], [0.1; 4], [0.3; 4]] {
            for x in [30, 90] {
                let (a, b) = (page(30, [1.0; 4]), page(x, gain));
                for keys in [[a.clone(), b.clone()], [b, a]] {
                    let light = Light::between(&keys, Encoding::Srgb).expect("a change of light");
                    let p = [0.7, 0.4, 0.2, 1.0];
                    let (got, wanted) = (light.whole(&p), [0, 1, 2, 3].map(|c| gain[c] * p[c]));
                    let near = got.iter().zip(wanted).all(|(g, w)| (g - w).abs() < 0.02);
                    assert!(near, "{light:?} for {gain:?}");
                    let mut even = keys.clone();
                    light.even(&mut even);
                    // The remaining difference is what has moved.
                    let differ =
                        even[0].v.iter().zip(&even[1].v).filter(|(a, b)| (*a - *b).abs() > 0.03);
                    let moved = if x == 30 { 0 } else { 2 * 24 * 50 * 4 };
                    assert!(differ.count() <= moved, "{gain:?} at {x}");
                }
            }
        }
    }

    #[test]
    fn motion_and_new_things_are_no_change_of_light() {
        let mut other = page(100, [1.0; 4]);
        assert_eq!(Light::between(&[page(10, [1.0; 4]), other.clone()], Encoding::Srgb), None);
        // A large dark object enters.
        for i in 0..other.area() {
            if i % other.w < 60 {
                (0..3).for_each(|c| other.v[c * 90 * 160 + i] = 0.1);
            }
        }
        assert_eq!(Light::between(&[page(100, [1.0; 4]), other], Encoding::Srgb), None);
    }

    #[test]
    fn the_light_goes_evenly_from_key_to_key() {
        for (keys, from) in [([1.0, 0.6], 0), ([0.6, 1.0], 1)] {
            let pages = keys.map(|g| page(40, [g, g, g, 1.0]));
            let light = Light::between(&pages, Encoding::Srgb).unwrap();
            assert_eq!(light.from, from);
            for t in [0.0, 0.25, 0.5, 1.0] {
                let wanted = 0.9 * (keys[0] + t * (keys[1] - keys[0]));
                for (key, g) in keys.into_iter().enumerate() {
                    let p = [0.9 * g, 0.85 * g, 0.8 * g, 1.0];
                    let got = light.at(key, t, p);
                    assert!((got[0] - wanted).abs() < 0.01, "{got:?} at {t} from {key}");
                }
            }
        }
    }
}
