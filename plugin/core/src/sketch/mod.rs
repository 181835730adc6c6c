//! Turns line drawings of any kind into what engines use: the coverage of lines, from 0 (no line)
//! to 1.
//!
//! Sketches arrive as scans on grey and grainy paper, in coloured pencil, as white chalk on black,
//! or as strokes on transparency. A stroke differs from its paper in at least one colour channel,
//! and that difference is what counts: in the blue channel, a yellow pencil on white paper is as
//! good a line as ink.
//!
//! 1. Premultiplied light becomes unpremultiplied display colour ([`sheet`]), which is what the eye compares.
//! 2. The paper is the commonest colour. It is measured in tiles, because light falls off across the sheet.
//! 3. Grain is how far most pixels are from their paper; a line is well beyond that.
//! 4. Coverage grows linearly from the grain to the contrast of the lines, so antialiased edges stay soft.

mod sheet;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{Encoding, Frame};
use sheet::Sheet;

/// Least difference from the paper for a line, of 1. Smaller ones are rounding, compression or fine
/// grain.
const LEAST_CONTRAST: f32 = 0.06;

/// By how many deviations of the grain a line must stand out. In plain grain, one pixel in a
/// million does.
const GRAIN_DEVIATIONS: f32 = 5.0;

/// Fewest pixels that make a line; dust and single hot pixels have fewer.
const LEAST_PIXELS: usize = 6;

/// How lines differ from their paper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lines {
    /// Detected from the picture: strokes on transparency by their alpha, others by being darker or
    /// lighter than most of the sheet.
    #[default]
    Auto,
    /// Ink or pencil on paper; transparency counts as paper.
    DarkOnLight,
    /// Chalk on black; transparency counts as black.
    LightOnDark,
    /// Alpha alone, whatever the colour.
    Alpha,
}

/// The coverage of the lines in `sketch`, whose pixels are in `encoding`. Each pixel becomes `[s,
/// s, s, s]` with `s` in 0..=1; the size stays. `None` when there is no line: the sketch is blank,
/// transparent or uniform.
pub fn normalise(sketch: &Frame, encoding: Encoding, lines: Lines) -> Option<Frame> {
    let sheet = Sheet::of(sketch, encoding);
    let contrast = match lines {
        Lines::Alpha => of_alpha(&sheet),
        Lines::DarkOnLight => of_colour(&sheet, Some(Side::Darker)),
        Lines::LightOnDark => of_colour(&sheet, Some(Side::Lighter)),
        Lines::Auto if sheet.has_strokes_on_transparency() => of_alpha(&sheet),
        // A single filled shape on transparency has no lines inside, so its outline is used.
        Lines::Auto => of_colour(&sheet, None).or_else(|| of_alpha(&sheet)),
    }?;
    let pixels = contrast.iter().map(|&s| [s; 4]).collect();
    Frame::from_pixels(sketch.width(), sketch.height(), pixels).ok()
}

/// On which side of the paper's brightness lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Darker,
    Lighter,
}

/// Coverage from alpha. Uniform alpha, opaque or not, has no lines.
fn of_alpha(sheet: &Sheet) -> Option<Vec<f32>> {
    let least = sheet.alphas().fold(1.0, f32::min);
    let differences: Vec<f32> = sheet.alphas().map(|alpha| alpha - least).collect();
    coverage(&differences, 0.0)
}

/// Coverage from the difference to the paper. Lines are on the given side of it, or else on the
/// side with more of the drawing.
fn of_colour(sheet: &Sheet, side: Option<Side>) -> Option<Vec<f32>> {
    let backing = match side {
        Some(Side::Darker) => Some([1.0; 3]),
        Some(Side::Lighter) => Some([0.0; 3]),
        None => None,
    };
    let flat = sheet.on(backing)?;
    let paper = flat.paper(side);
    let grain = flat.grain(&paper);
    let of_side = |side| flat.differences(&paper, side);
    let differences = match side {
        Some(side) => of_side(side),
        None => {
            let floor = threshold(grain);
            let weight = |differences: &[f32]| -> f64 {
                differences.iter().map(|d| f64::from((d - floor).max(0.0))).sum()
            };
            let (darker, lighter) = (of_side(Side::Darker), of_side(Side::Lighter));
            if weight(&lighter) > weight(&darker) { lighter } else { darker }
        }
    };
    coverage(&differences, grain)
}

fn threshold(grain: f32) -> f32 {
    (GRAIN_DEVIATIONS * grain).max(LEAST_CONTRAST)
}

/// Differences as coverage; `None` when nothing stands out from `grain`.
fn coverage(differences: &[f32], grain: f32) -> Option<Vec<f32>> {
    let line = threshold(grain);
    let mut strong: Vec<f32> = differences.iter().copied().filter(|&d| d > line).collect();
    if strong.len() < LEAST_PIXELS {
        return None;
    }
    // The contrast of the firmer strokes counts as full coverage; the very darkest pixels are only
    // corners.
    let at = strong.len() * 7 / 10;
    let (_, full, _) = strong.select_nth_unstable_by(at, f32::total_cmp);
    let full = full.max(line);
    let start = (2.0 * grain).max(0.25 * LEAST_CONTRAST).min(0.5 * full);
    Some(differences.iter().map(|d| ((d - start) / (full - start)).clamp(0.0, 1.0)).collect())
}
