//! Composes the picture at the host's size: the keys' own pixels, moved, where the generated frame
//! agrees with them, and the enlarged generated frame where it shows something new.

use inbetween_core::{Bilinear, Control, Encoding, Engine, Error, Frame, Quality, colour};
use rayon::prelude::*;

use super::carry::WarpedKey;
use super::colour::Curve;
use super::fit::{self, Background};
use super::sample::{cubic, range, smooth};

/// Agreement below which a pixel is generated, and above which it comes from the keys.
const AGREED: [f32; 2] = [0.35, 0.6];

/// How strongly a pixel is drawn from one key rather than from a blend of both.
const PICK: f32 = 6.0;

/// How much of the detail that blurring removes is added to enlarged frames.
const SHARPEN: f32 = 1.0;

/// Difference (of 1) from the background that is still attributed to noise of the model.
const GROUND_NOISE: f32 = 0.03;

/// The keys at their own size and at the size of generated frames.
pub(super) struct Keys<'a> {
    /// As the host delivered them.
    pub(super) full: [&'a Frame; 2],
    /// The encoding of these frames.
    pub(super) encoding: Encoding,
    /// The background under the keys; `None` if both are opaque.
    pub(super) ground: Option<Background>,
    /// Opaque, display-referred, small.
    pub(super) small: [Frame; 2],
}

impl<'a> Keys<'a> {
    /// Prepares two keys for generated frames of `size`.
    pub(super) fn new(
        full: [&'a Frame; 2],
        encoding: Encoding,
        size: (usize, usize),
    ) -> Result<Self, Error> {
        let opaque = full.iter().all(|key| key.pixels().iter().all(|pixel| pixel[3] >= 0.999));
        let ground = (!opaque).then(|| Background::of(full, encoding));
        let value = ground.map_or(1.0, |ground| ground.value);
        let small = |key| fit::shown(key, encoding, value, size);
        Ok(Self { full, encoding, ground, small: [small(full[0])?, small(full[1])?] })
    }
}

/// An analysed moment of the span, with everything needed to paint the result.
pub(super) struct Composition {
    width: usize,
    height: usize,
    /// Display-referred, with a smoothed copy for sharpening.
    target: Frame,
    soft: Vec<[f32; 4]>,
    /// For each pixel: the displacement to the first key and to the last key (right, down, in small
    /// pixels), the log odds of the first key, the agreement (0..=1), and the alpha of the
    /// generated pixel (0..=1).
    pixels: Vec<[f32; 7]>,
    /// Mean agreement.
    pub(super) confidence: f32,
}

impl Composition {
    /// Finds `target`, the frame at `position`, in both keys.
    pub(super) fn new(
        engine: &dyn Engine,
        mut target: Frame,
        keys: &Keys,
        position: f64,
        quality: Quality,
        control: &Control,
    ) -> Result<Self, Error> {
        let seen = [0, 1].map(|k| WarpedKey::of(engine, &target, &keys.small[k], quality, control));
        let [first, last] = seen;
        let seen = [first?, last?];
        let t = position as f32;

        // Where frame and keys agree, the keys show how much drift is left in the frame's colours.
        let before = [0, 1].map(|k| seen[k].agreement(&target));
        let share = |i: usize| odds(before[0][i], before[1][i], t);
        let truth: Vec<[f32; 4]> = (0..target.pixels().len())
            .map(|i| {
                let (a, b, part) = (seen[0].moved[i], seen[1].moved[i], sigmoid(share(i)));
                std::array::from_fn(|c| b[c] + (a[c] - b[c]) * part)
            })
            .collect();
        let trust = |i: usize| before[0][i].max(before[1][i]).powi(2);
        Curve::fit(target.pixels(), &truth, trust).apply(&mut target);

        let agreement = [0, 1].map(|k| seen[k].agreement(&target));
        let (width, height) = (target.width(), target.height());
        let alpha = keys.alpha(&target, &seen, &agreement, t)?;
        let pixels: Vec<[f32; 7]> = (0..width * height)
            .map(|i| {
                let ([u0, v0], [u1, v1]) = (seen[0].motion[i], seen[1].motion[i]);
                let (a, b) = (agreement[0][i], agreement[1][i]);
                [
                    u0,
                    v0,
                    u1,
                    v1,
                    odds(a, b, t),
                    a.max(b),
                    alpha.as_ref().map_or(1.0, |alpha| alpha[i]),
                ]
            })
            .collect();
        let sum: f64 = pixels.iter().map(|pixel| f64::from(pixel[5])).sum();
        let confidence = (sum / pixels.len() as f64).clamp(0.0, 1.0) as f32;
        let soft = smooth(target.pixels(), width);
        Ok(Self { width, height, target, soft, pixels, confidence })
    }

    /// Makes a frame of the keys' size. `pixel` receives the position of each pixel, in small and
    /// in full pixels, and the values known there.
    fn paint(
        &self,
        (width, height): (usize, usize),
        pixel: impl Fn(PixelPosition, [f32; 7]) -> [f32; 4] + Sync,
    ) -> Result<Frame, Error> {
        let scale = [self.width as f32 / width as f32, self.height as f32 / height as f32];
        let mut pixels = vec![[0.0_f32; 4]; width * height];
        pixels.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            for (x, to) in row.iter_mut().enumerate() {
                let small = [(x as f32 + 0.5) * scale[0] - 0.5, (y as f32 + 0.5) * scale[1] - 0.5];
                let neighbours = Bilinear::at(small[0], small[1], self.height, self.width);
                let place = PixelPosition { full: [x as f32, y as f32], small, neighbours, scale };
                *to = pixel(place, neighbours.of_pixels(&self.pixels));
            }
        });
        Frame::from_pixels(width, height, pixels)
    }

    /// The in-between in the size and encoding of the keys.
    pub(super) fn draw(&self, keys: &Keys) -> Result<Frame, Error> {
        let [first, last] = keys.full;
        let ground = keys.ground.map_or(1.0, |ground| ground.value);
        let ground = fit::host_value(ground, keys.encoding);
        self.paint((first.width(), first.height()), |place, known| {
            let [u0, v0, u1, v1, odds, agreement, alpha] = known;
            let kept = between(agreement, AGREED);
            let generated = || self.generated(place, alpha, ground, keys.encoding);
            let carried = || {
                let part = sigmoid(odds);
                let of = |key: &Frame, u: f32, v: f32| {
                    let [x, y] = place.full;
                    cubic(key, x + u / place.scale[0], y + v / place.scale[1])
                };
                if part > 0.999 {
                    return of(first, u0, v0);
                }
                if part < 0.001 {
                    return of(last, u1, v1);
                }
                mix(of(last, u1, v1), of(first, u0, v0), part)
            };
            if kept >= 1.0 {
                carried()
            } else if kept <= 0.0 {
                generated()
            } else {
                mix(generated(), carried(), kept)
            }
        })
    }

    /// How much of the result comes from the keys: grey, from 0 (generated) to 1 (carried over).
    pub(super) fn trust(&self, size: (usize, usize)) -> Result<Frame, Error> {
        self.paint(size, |_, known| {
            let v = known[5].clamp(0.0, 1.0);
            [v, v, v, 1.0]
        })
    }

    /// Motion over the whole span, in the keys' pixels: right, down, 0, 1.
    pub(super) fn motion(&self, size: (usize, usize)) -> Result<Frame, Error> {
        self.paint(size, |place, [u0, v0, u1, v1, ..]| {
            [(u1 - u0) / place.scale[0], (v1 - v0) / place.scale[1], 0.0, 1.0]
        })
    }

    /// The generated frame, enlarged, in the host's encoding and without its background.
    ///
    /// Edges are sharpened, but no sample leaves the range of its neighbours, so there are no
    /// halos.
    fn generated(
        &self,
        place: PixelPosition,
        alpha: f32,
        ground: f32,
        encoding: Encoding,
    ) -> [f32; 4] {
        let sharp = cubic(&self.target, place.small[0], place.small[1]);
        let soft = place.neighbours.of_pixels(&self.soft);
        let (low, high) = range(&place.neighbours, self.target.pixels());
        let alpha = alpha.clamp(0.0, 1.0);
        let colour = |c: usize| {
            let value = (sharp[c] + SHARPEN * (sharp[c] - soft[c])).clamp(low[c], high[c]);
            let light = match encoding {
                Encoding::Srgb => value,
                Encoding::Linear => colour::srgb_to_linear(value),
            };
            (light - ground * (1.0 - alpha)).max(0.0)
        };
        [colour(0), colour(1), colour(2), alpha]
    }
}

/// The position of a pixel in both sizes.
#[derive(Clone, Copy)]
struct PixelPosition {
    /// In pixels of the keys.
    full: [f32; 2],
    /// In pixels of generated frames.
    small: [f32; 2],
    neighbours: Bilinear,
    /// Small pixels per full pixel.
    scale: [f32; 2],
}

impl Keys<'_> {
    /// Alpha of a generated frame; `None` if everything is opaque.
    ///
    /// Whatever differs from the background belongs to the drawing. Where the drawing's colours
    /// hardly differ from any background, or where the frame agrees with the keys, alpha is moved
    /// from the keys instead.
    fn alpha(
        &self,
        target: &Frame,
        seen: &[WarpedKey; 2],
        agreement: &[Vec<f32>; 2],
        t: f32,
    ) -> Result<Option<Vec<f32>>, Error> {
        let Some(ground) = self.ground else { return Ok(None) };
        let (width, height) = (target.width(), target.height());
        let of_key = |k: usize| -> Result<Vec<f32>, Error> {
            let alpha = fit::channel(self.full[k], 3, (width, height))?;
            Ok(seen[k].of_plane(&alpha, width))
        };
        let moved = [of_key(0)?, of_key(1)?];
        let apart = (0.8 * ground.apart - GROUND_NOISE).max(0.0);
        let alpha = target.pixels().iter().enumerate().map(|(i, colour)| {
            let (a, b) = (agreement[0][i], agreement[1][i]);
            let moved = moved[1][i] + (moved[0][i] - moved[1][i]) * sigmoid(odds(a, b, t));
            if apart < 0.08 {
                return moved;
            }
            let drawn =
                ((fit::distance(colour, ground.value) - GROUND_NOISE) / apart).clamp(0.0, 1.0);
            drawn + (moved - drawn) * a.max(b)
        });
        Ok(Some(alpha.collect()))
    }
}

/// Log odds that a pixel comes from the first key, from its agreement with both keys and from the
/// time.
fn odds(first: f32, last: f32, t: f32) -> f32 {
    let (a, b) = (first * (1.0 - t) + 1e-4, last * t + 1e-4);
    (PICK * libm::logf(a / b)).clamp(-20.0, 20.0)
}

fn sigmoid(odds: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-odds))
}

/// 0 below the range, 1 above it, smooth within.
fn between(value: f32, [low, high]: [f32; 2]) -> f32 {
    let x = ((value - low) / (high - low)).clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// Interpolates from `a` to `b`; exactly `a` if both are equal.
fn mix(a: [f32; 4], b: [f32; 4], part: f32) -> [f32; 4] {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * part)
}
