//! Conversion between display-referred and scene-linear values: the sRGB transfer curve of IEC
//! 61966-2-1.
//!
//! The curve is extended beyond 0..=1 so that nothing is clipped: above 1 the power law goes on,
//! below 0 it is mirrored at the origin. Primaries are never changed.

use std::f32::consts::{LN_2, LOG2_E};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Frame;

/// How the numbers in a frame relate to what the eye sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Encoding {
    /// Display-referred, sRGB transfer curve: 0.5 looks middle grey.
    #[default]
    Srgb,
    /// Scene-linear light, sRGB primaries: 0.18 looks middle grey, highlights exceed 1.
    Linear,
}

/// Alpha below which a pixel's colour is light without coverage (a glow) rather than a colour times
/// alpha.
const LEAST_ALPHA: f32 = 1e-4;

/// Number of pixels that one task converts.
const TASK_PIXELS: usize = 16 * 1024;

/// Number of pixels that stay in the nearest cache between two passes.
const BLOCK_PIXELS: usize = 256;

/// Scene-linear light of a display-referred value. Finite for every finite value.
#[inline]
pub fn srgb_to_linear(value: f32) -> f32 {
    let size = value.abs();
    let toe = size * (1.0 / 12.92);
    let power = pow((size + 0.055) / 1.055, 2.4);
    if size <= 0.040_45 { toe.copysign(value) } else { power.copysign(value) }
}

/// The display-referred value of scene-linear light; the inverse of [`srgb_to_linear`].
#[inline]
pub fn linear_to_srgb(light: f32) -> f32 {
    let size = light.abs();
    let toe = size * 12.92;
    // 1.055 root - 0.055, in the form that leaves 1 exact.
    let root = pow(size, 1.0 / 2.4);
    let power = root + 0.055 * (root - 1.0);
    if size <= 0.003_130_8 { toe.copysign(light) } else { power.copysign(light) }
}

/// Converts premultiplied pixels in place, on all cores; alpha stays.
///
/// The curve applies to unpremultiplied colour, so each colour is divided by its alpha first and
/// multiplied by it afterwards.
pub fn convert(pixels: &mut [[f32; 4]], from: Encoding, to: Encoding) {
    match (from, to) {
        (Encoding::Srgb, Encoding::Linear) => apply(pixels, srgb_to_linear),
        (Encoding::Linear, Encoding::Srgb) => apply(pixels, linear_to_srgb),
        (Encoding::Srgb, Encoding::Srgb) | (Encoding::Linear, Encoding::Linear) => {}
    }
}

fn apply(pixels: &mut [[f32; 4]], curve: impl Fn(f32) -> f32 + Sync) {
    pixels.par_chunks_mut(TASK_PIXELS).for_each(|pixels| {
        for pixels in pixels.chunks_mut(BLOCK_PIXELS) {
            // Three simple passes, which the compiler vectorises.
            let mut alphas = [1.0; BLOCK_PIXELS];
            for (pixel, alpha) in pixels.iter_mut().zip(&mut alphas) {
                *alpha = pixel[3];
                let cover = cover(*alpha);
                *pixel = pixel.map(|value| value / cover);
            }
            for value in pixels.as_flattened_mut() {
                *value = curve(*value);
            }
            for (pixel, alpha) in pixels.iter_mut().zip(&alphas) {
                let cover = cover(*alpha);
                *pixel = pixel.map(|value| (value * cover).clamp(f32::MIN, f32::MAX));
                pixel[3] = *alpha;
            }
        }
    });
}

fn cover(alpha: f32) -> f32 {
    if alpha < LEAST_ALPHA { 1.0 } else { alpha }
}

/// `base` to the power of `exponent` for a normal `base` above 0, to a relative error of about
/// 1e-7 times the binary logarithm of the result; at most 2^127.99.
///
/// Plain arithmetic, so it gives the same result on every machine, and it is many times faster than
/// the system's function once the compiler vectorises it.
#[inline]
fn pow(base: f32, exponent: f32) -> f32 {
    // base = 2^whole * part with part from √½ to √2.
    let bits = base.to_bits().cast_signed();
    let whole = (bits - SQRT_HALF_BITS) >> 23;
    let part = f32::from_bits((bits - (whole << 23)).cast_unsigned());
    // ln(part) = 2 artanh((part - 1) / (part + 1)), whose series ends soon in this range.
    let t = (part - 1.0) / (part + 1.0);
    let square = t * t;
    let log2_series = 1.0
        + square * (1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0 + square * (1.0 / 9.0))));
    let log2 = whole as f32 + 2.0 * LOG2_E * t * log2_series;

    let power = (log2 * exponent).clamp(-126.0, 127.99);
    // Adding 1.5 * 2^23 leaves no room for a fraction: the nearest whole number remains.
    let shifted = power + ROUNDER;
    let whole = shifted - ROUNDER;
    let x = (power - whole) * LN_2;
    let exp_series = 1.0 + x * (1.0 / 6.0) * (1.0 + x * (1.0 / 7.0));
    let exp_series = 1.0 + x * (1.0 / 4.0) * (1.0 + x * (1.0 / 5.0) * exp_series);
    let exp_series = 1.0 + x * (1.0 + x * 0.5 * (1.0 + x * (1.0 / 3.0) * exp_series));
    // The low bits of `shifted` are that number: together with the bias, the exponent of 2^whole.
    let scale = (shifted.to_bits().wrapping_sub(ROUNDER.to_bits()).wrapping_add(127)) << 23;
    exp_series * f32::from_bits(scale)
}

/// The bits of √½.
const SQRT_HALF_BITS: i32 = 0x3f35_04f3;
const ROUNDER: f32 = 12_582_912.0;

impl Frame {
    /// The same picture in another encoding.
    #[must_use]
    pub fn converted(mut self, from: Encoding, to: Encoding) -> Self {
        convert(self.pixels_mut(), from, to);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f32, wanted: f32, relative: f32) -> bool {
        (found - wanted).abs() <= relative * wanted.abs().max(1e-6)
    }

    #[test]
    fn published_values() {
        // Middle grey, the ends, and a value on each side of the toe.
        for (srgb, linear) in [
            (0.0, 0.0),
            (0.02, 0.001_547_99),
            (0.04, 0.003_095_975),
            (0.041, 0.003_174_279),
            (0.5, 0.214_041_14),
            (0.735_357, 0.5),
            (1.0, 1.0),
            (2.0, 4.953_846),
        ] {
            assert!(close(srgb_to_linear(srgb), linear, 3e-6), "{srgb}: {}", srgb_to_linear(srgb));
            assert!(close(linear_to_srgb(linear), srgb, 3e-6), "{linear}");
        }
    }

    #[test]
    fn the_power_agrees_with_the_systems() {
        for exponent in [2.4_f32, 1.0 / 2.4] {
            let mut base = 1e-3_f32;
            while base < 1e15 {
                let wanted = f64::from(base).powf(f64::from(exponent));
                let error = (f64::from(pow(base, exponent)) / wanted - 1.0).abs();
                assert!(error < 2e-7 * wanted.log2().abs().max(1.0), "{base} {exponent}: {error}");
                base *= 1.003;
            }
            assert_eq!(pow(1.0, exponent), 1.0);
        }
    }

    #[test]
    fn there_and_back_from_dark_to_highlight() {
        let mut value = 1e-7_f32;
        while value < 1e6 {
            for value in [value, -value] {
                assert!(close(linear_to_srgb(srgb_to_linear(value)), value, 4e-6), "{value}");
                assert!(close(srgb_to_linear(linear_to_srgb(value)), value, 4e-6), "{value}");
            }
            value *= 1.01;
        }
    }

    #[test]
    fn every_8_and_16_bit_value_survives() {
        for most in [255_u32, 65_535] {
            for value in 0..=most {
                let there = srgb_to_linear(value as f32 / most as f32);
                assert_eq!((linear_to_srgb(there) * most as f32).round() as u32, value);
            }
        }
    }

    #[test]
    fn the_curve_rises_without_a_jump() {
        let mut before = f32::NEG_INFINITY;
        for step in -20_000..=20_000 {
            let here = srgb_to_linear(step as f32 / 10_000.0);
            assert!(here > before);
            before = here;
        }
        // The published constants leave a step in the seventh digit.
        assert!(close(linear_to_srgb(0.003_130_8), linear_to_srgb(0.003_130_801), 1e-5));
        assert!(close(srgb_to_linear(0.040_45), srgb_to_linear(0.040_451), 5e-5));
    }

    #[test]
    fn black_and_white_are_exact() {
        for value in [0.0, 1.0] {
            assert_eq!(srgb_to_linear(value), value);
            assert_eq!(linear_to_srgb(value), value);
        }
    }

    #[test]
    fn negative_values_mirror() {
        for value in [0.01, 0.3, 1.0, 7.0] {
            assert_eq!(srgb_to_linear(-value), -srgb_to_linear(value));
            assert_eq!(linear_to_srgb(-value), -linear_to_srgb(value));
        }
        assert!(srgb_to_linear(-0.0).is_sign_negative());
    }

    #[test]
    fn finite_stays_finite() {
        for value in [f32::MAX, f32::MIN, 1e30, 1e-45, f32::MIN_POSITIVE] {
            for alpha in [1.0, 0.5, 1e-3, 1e-30, 0.0, -1.0, 2.0] {
                for (from, to) in
                    [(Encoding::Srgb, Encoding::Linear), (Encoding::Linear, Encoding::Srgb)]
                {
                    let mut pixels = [[value, -value, value / 3.0, alpha]];
                    convert(&mut pixels, from, to);
                    assert!(pixels[0].iter().all(|v| v.is_finite()), "{value} {alpha}");
                }
            }
        }
    }

    #[test]
    fn colour_is_converted_apart_from_its_alpha() {
        let mut pixels = [[0.25, 0.125, -0.25, 0.5], [0.5; 4], [0.5, 0.2, 0.0, 0.0], [0.0; 4]];
        convert(&mut pixels, Encoding::Srgb, Encoding::Linear);
        let half = srgb_to_linear(0.5) / 2.0;
        let quarter = srgb_to_linear(0.25) / 2.0;
        assert_eq!(pixels[0], [half, quarter, -half, 0.5]);
        assert_eq!(pixels[1], [0.5, 0.5, 0.5, 0.5]);
        assert_eq!(pixels[2], [srgb_to_linear(0.5), srgb_to_linear(0.2), 0.0, 0.0]);
        assert_eq!(pixels[3], [0.0; 4]);
    }

    #[test]
    fn frames_come_back_and_the_same_encoding_changes_nothing() {
        let pixels: Vec<[f32; 4]> = (0..100 * 300)
            .map(|at| {
                let alpha = (at % 11) as f32 / 10.0;
                [at as f32 / 9000.0 * alpha, 0.3 * alpha, -0.1 * alpha, alpha]
            })
            .collect();
        let frame = Frame::from_pixels(300, 100, pixels).unwrap();
        assert_eq!(frame.clone().converted(Encoding::Linear, Encoding::Linear), frame);
        let linear = frame.clone().converted(Encoding::Srgb, Encoding::Linear);
        assert_ne!(linear, frame);
        let back = linear.converted(Encoding::Linear, Encoding::Srgb);
        for (found, wanted) in back.pixels().iter().zip(frame.pixels()) {
            assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-5));
        }
    }
}
