//! Signatures: small, smoothed, display-referred copies of frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::colour::linear_to_srgb;
use crate::{Encoding, Frame};

/// Longest side of a signature, in samples. It is small enough to average out grain and to analyse
/// clips of any length quickly, and large enough that a blink is several samples wide.
const LONG_SIDE: usize = 400;

/// Side of a block of samples that gives one sample of the coarse copy.
pub(super) const COARSE: usize = 4;

/// Luma and two colour differences.
pub(super) const PLANES: usize = 3;

/// What is shown under transparent parts, so that a drawing without a background has an outline: a
/// middle grey with a tint that is rare in drawings.
const GROUND: [f32; PLANES] = [0.5, 0.2, -0.1];

/// A grid of samples in planes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) planes: [Vec<f32>; PLANES],
}

/// A small copy of a frame, by which it is compared with others: about a megabyte, whatever the
/// size of the frame.
///
/// Each sample is the mean of a square of pixels, laid over a neutral ground and lightly smoothed,
/// so that shifts by a fraction of a pixel can be measured and undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    pub(super) fine: Grid,
    pub(super) coarse: Grid,
    /// Pixels of the frame per sample, along each side.
    pub(super) factor: usize,
    /// Width and height of the frame.
    size: (usize, usize),
    /// Whether every other line was interpolated from a field.
    is_field: bool,
    /// Whether each sample shows something that is no part of the picture; empty where none does.
    hidden: Arc<[bool]>,
    serial: Serial,
}

/// Identifies a signature within the process without comparing samples; copies share it.
#[derive(Clone, Copy, Debug)]
struct Serial(u64);

/// Equality of signatures ignores the serial number.
impl PartialEq for Serial {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Serial {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Signature {
    /// The signature of a frame whose values are in `encoding`.
    pub fn of(frame: &Frame, encoding: Encoding) -> Self {
        Self::with_factor(1, frame, encoding, false)
    }

    /// The signature of a frame that was made from one field. Its lines are averaged in pairs,
    /// because the interpolated ones alternate from field to field.
    pub fn of_field(frame: &Frame, encoding: Encoding) -> Self {
        Self::with_factor(2, frame, encoding, true)
    }

    fn with_factor(least: usize, frame: &Frame, encoding: Encoding, is_field: bool) -> Self {
        let size = (frame.width(), frame.height());
        let factor = size.0.max(size.1).div_ceil(LONG_SIDE).max(least);
        let (width, height) = ((size.0 / factor).max(1), (size.1 / factor).max(1));
        let rows: Vec<Vec<[f32; PLANES]>> = (0..height)
            .into_par_iter()
            .map(|y| row_of(frame, encoding, factor, y, width))
            .collect();
        let mut planes: [Vec<f32>; PLANES] = Default::default();
        for (at, plane) in planes.iter_mut().enumerate() {
            plane.extend(rows.iter().flatten().map(|sample| sample[at]));
        }
        let fine = Grid { width, height, planes }.smoothed();
        let coarse = fine.pooled(COARSE);
        let hidden = Arc::default();
        Self { fine, coarse, factor, size, is_field, hidden, serial: Serial::new() }
    }

    /// The same signature where some pixels of the frame (row by row, as many as it has) show nothing of the picture, but
    /// what was laid over it: no difference counts there.
    ///
    /// # Panics
    /// When `covered` has another length than the frame has pixels.
    #[must_use]
    pub fn hiding(mut self, covered: &[bool]) -> Self {
        let (wide, high) = self.size;
        assert_eq!(covered.len(), wide * high, "one flag for each pixel");
        let Grid { width, height, .. } = self.fine;
        let mut hidden = vec![false; width * height];
        for (y, row) in covered.chunks(wide).enumerate() {
            for (x, _) in row.iter().enumerate().filter(|(_, covered)| **covered) {
                let (x, y) = (x / self.factor, y / self.factor);
                // Samples are smoothed, so those beside it show something of it, too.
                for y in y.saturating_sub(1)..(y + 2).min(height) {
                    for x in x.saturating_sub(1)..(x + 2).min(width) {
                        hidden[y * width + x] = true;
                    }
                }
            }
        }
        self.hidden = hidden.into();
        self
    }

    /// Whether the samples around this place show nothing of the picture; the caller stays inside.
    #[inline]
    pub(super) fn is_hidden(&self, x: f32, y: f32) -> bool {
        if self.hidden.is_empty() {
            return false;
        }
        let (left, top) = (x as usize, y as usize);
        let Grid { width, height, .. } = self.fine;
        let (right, below) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
        let at = |x: usize, y: usize| self.hidden[y * width + x];
        at(left, top) || at(right, top) || at(left, below) || at(right, below)
    }

    /// Whether any sample shows something that is no part of the picture.
    pub(super) fn hides(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// A signature of the same frame with other samples.
    pub(super) fn with_grids(&self, fine: Grid, coarse: Grid) -> Self {
        let hidden = self.hidden.clone();
        Self { fine, coarse, hidden, serial: Serial::new(), ..*self }
    }

    /// Width and height of the frame, in pixels.
    pub fn frame_size(&self) -> (usize, usize) {
        self.size
    }

    /// Whether it was made from a field, which makes edges play more.
    pub(super) fn is_field(&self) -> bool {
        self.is_field
    }

    /// A number that only this signature and its copies have in this process.
    pub(super) fn serial(&self) -> u64 {
        self.serial.0
    }

    /// Memory in use, in bytes.
    pub fn byte_len(&self) -> usize {
        size_of::<Self>()
            + (self.fine.planes[0].len() + self.coarse.planes[0].len()) * PLANES * size_of::<f32>()
            + self.hidden.len()
    }
}

/// One row of samples: means over squares of pixels, laid over the ground, display-referred.
fn row_of(
    frame: &Frame,
    encoding: Encoding,
    factor: usize,
    y: usize,
    width: usize,
) -> Vec<[f32; PLANES]> {
    let mut sums = vec![[0.0_f32; 4]; width];
    let rows = (y * factor)..((y + 1) * factor).min(frame.height());
    let high = rows.len();
    let mut wide = factor;
    for row in rows {
        for (sum, pixels) in sums.iter_mut().zip(frame.row(row).chunks(factor)) {
            wide = wide.min(pixels.len());
            for pixel in pixels {
                for (to, from) in sum.iter_mut().zip(pixel) {
                    *to += from;
                }
            }
        }
    }
    let share = 1.0 / (high * wide).max(1) as f32;
    sums.into_iter()
        .map(|sum| {
            let [red, green, blue, alpha] = sum.map(|value| value * share);
            let seen = [red, green, blue].map(|value| match encoding {
                Encoding::Srgb => value,
                Encoding::Linear => linear_to_srgb(value),
            });
            // Drawings do not differ in highlights or in values below black.
            let [red, green, blue] = seen.map(|value| value.clamp(-0.1, 1.5));
            let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
            let clear = 1.0 - alpha.clamp(0.0, 1.0);
            [
                luma + clear * GROUND[0],
                0.5 * (blue - luma) + clear * GROUND[1],
                0.5 * (red - luma) + clear * GROUND[2],
            ]
        })
        .collect()
}

impl Grid {
    /// Binomial smoothing over 3 x 3 samples, edges repeated.
    fn smoothed(mut self) -> Self {
        let (width, height) = (self.width, self.height);
        for plane in &mut self.planes {
            let across: Vec<f32> = plane
                .chunks(width)
                .flat_map(|row| {
                    (0..width).map(|x| {
                        let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
                        0.25 * (row[left] + row[right]) + 0.5 * row[x]
                    })
                })
                .collect();
            for (y, row) in plane.chunks_mut(width).enumerate() {
                let (above, below) = (y.saturating_sub(1), (y + 1).min(height - 1));
                for (x, to) in row.iter_mut().enumerate() {
                    let at = |y: usize| across[y * width + x];
                    *to = 0.25 * (at(above) + at(below)) + 0.5 * at(y);
                }
            }
        }
        self
    }

    /// Means over squares of `by` samples. Incomplete squares at the far edges are left out.
    fn pooled(&self, by: usize) -> Self {
        let (width, height) = ((self.width / by).max(1), (self.height / by).max(1));
        let planes = std::array::from_fn(|plane| {
            let from = &self.planes[plane];
            let mean = |x: usize, y: usize| {
                let rows = (y * by)..((y + 1) * by).min(self.height);
                let (left, right) = (x * by, ((x + 1) * by).min(self.width));
                let count = rows.len() * (right - left);
                let sum: f32 =
                    rows.map(|y| from[y * self.width..][left..right].iter().sum::<f32>()).sum();
                sum / count as f32
            };
            (0..height)
                .flat_map(|y| (0..width).map(move |x| (x, y)))
                .map(|(x, y)| mean(x, y))
                .collect()
        });
        Self { width, height, planes }
    }

    /// The sample at `x`, `y` of a plane, interpolated as needed; the caller must stay inside.
    #[inline]
    pub(super) fn between(&self, plane: usize, x: f32, y: f32) -> f32 {
        let (left, top) = (x as usize, y as usize);
        let (part_x, part_y) = (x - left as f32, y - top as f32);
        let plane = &self.planes[plane];
        let (right, below) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let row = |y: usize| {
            let (a, b) = (plane[y * self.width + left], plane[y * self.width + right]);
            a + (b - a) * part_x
        };
        let (a, b) = (row(top), row(below));
        a + (b - a) * part_y
    }
}
