//! A sketch as unpremultiplied colours and alpha, with its paper and its grain.

use rayon::prelude::*;

use super::Side;
use crate::colour::convert;
use crate::{Encoding, Frame};

/// Alpha below which a pixel's colour is ignored.
const VISIBLE: f32 = 1.0 / 512.0;

/// Side of the tiles in which the paper is measured, in pixels: wide enough for strokes to cover
/// less than half.
const TILE: usize = 96;

/// How far a tile's paper may differ from the sheet's. Uneven light differs less than this, a
/// filled shape more.
const FALL_OFF: f32 = 0.15;

/// Number of bins of the histograms.
const BINS: usize = 256;

/// Unpremultiplied, display-referred colours, 0..=1; alpha 0..=1.
pub(super) struct Sheet {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 4]>,
}

impl Sheet {
    pub(super) fn of(sketch: &Frame, encoding: Encoding) -> Self {
        let mut pixels = sketch.pixels().to_vec();
        convert(&mut pixels, encoding, Encoding::Srgb);
        pixels.par_iter_mut().with_min_len(16 * 1024).for_each(|pixel| {
            let alpha = pixel[3].clamp(0.0, 1.0);
            let cover = alpha.max(VISIBLE);
            *pixel = pixel.map(|value| (value / cover).clamp(0.0, 1.0));
            pixel[3] = alpha;
        });
        Self { width: sketch.width(), height: sketch.height(), pixels }
    }

    pub(super) fn alphas(&self) -> impl Iterator<Item = f32> {
        self.pixels.iter().map(|pixel| pixel[3])
    }

    /// Whether the opaque parts are thin. If so, they are strokes rather than a sheet of paper that
    /// fills part of the canvas.
    pub(super) fn has_strokes_on_transparency(&self) -> bool {
        let opaque = |x: usize, y: usize| self.pixels[y * self.width + x][3] > 0.5;
        let reach = (self.width.min(self.height) / 24).max(3);
        let (mut covered, mut inner, mut clear) = (0_usize, 0_usize, 0_usize);
        for y in 0..self.height {
            for x in 0..self.width {
                if !opaque(x, y) {
                    clear += usize::from(self.pixels[y * self.width + x][3] < 0.5);
                    continue;
                }
                covered += 1;
                // The sheet is taken to continue beyond the canvas.
                let right = (x + reach).min(self.width - 1);
                let below = (y + reach).min(self.height - 1);
                inner += usize::from(
                    opaque(x.saturating_sub(reach), y)
                        && opaque(right, y)
                        && opaque(x, y.saturating_sub(reach))
                        && opaque(x, below),
                );
            }
        }
        clear > 0 && 2 * inner < covered.max(1)
    }

    /// The sheet laid over `backing`, or over its own paper. `None` when no pixel is visible.
    pub(super) fn on(&self, backing: Option<[f32; 3]>) -> Option<Flat> {
        let visible = self.pixels.iter().filter(|pixel| pixel[3] > 0.5);
        let own = || Some(commonest(visible.map(|&[r, g, b, _]| [r, g, b]))?.0);
        if self.alphas().all(|alpha| alpha < VISIBLE) {
            return None;
        }
        let backing = backing.or_else(own)?;
        let pixels = self.pixels.par_iter().with_min_len(16 * 1024).map(|&[r, g, b, a]| {
            let over = |colour: f32, behind: f32| behind + (colour - behind) * a;
            [over(r, backing[0]), over(g, backing[1]), over(b, backing[2])]
        });
        Some(Flat { width: self.width, height: self.height, pixels: pixels.collect() })
    }
}

/// An opaque picture, display-referred.
pub(super) struct Flat {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 3]>,
}

/// The paper's colour at the centre of each tile.
pub(super) struct Paper {
    columns: usize,
    rows: usize,
    tiles: Vec<[f32; 3]>,
}

impl Flat {
    /// The paper under a drawing that is on `side` of it, if the side is known.
    pub(super) fn paper(&self, side: Option<Side>) -> Paper {
        let whole = self.of_sheet(side);
        let (columns, rows) = (self.width.div_ceil(TILE), self.height.div_ceil(TILE));
        let tiles = (0..rows * columns).into_par_iter().map(|tile| {
            let (left, top) = (tile % columns * TILE, tile / columns * TILE);
            let (right, bottom) = ((left + TILE).min(self.width), (top + TILE).min(self.height));
            let within = (top..bottom).flat_map(|y| {
                self.pixels[y * self.width + left..y * self.width + right].iter().copied()
            });
            match commonest(within) {
                // A tile without a clear majority is full of lines and does not show its paper.
                Some((colour, share)) if share > 0.5 => {
                    let near = colour.iter().zip(whole).all(|(c, w)| (c - w).abs() <= FALL_OFF);
                    if near { colour } else { whole }
                }
                _ => whole,
            }
        });
        Paper { columns, rows, tiles: tiles.collect() }
    }

    /// The commonest colour of the sheet. If a side is given, only the other half of the brightness
    /// range is searched, so that a drawing that fills most of the sheet is not taken for the
    /// paper.
    fn of_sheet(&self, side: Option<Side>) -> [f32; 3] {
        let pixels = || self.pixels.iter().copied();
        let all = commonest(pixels()).map_or([0.5; 3], |(colour, _)| colour);
        let Some(side) = side else { return all };
        let brightness = |[r, g, b]: [f32; 3]| (r + g + b) / 3.0;
        let (low, high) = pixels()
            .map(brightness)
            .fold((1.0_f32, 0.0_f32), |(low, high), b| (low.min(b), high.max(b)));
        let middle = (low + high) / 2.0;
        let of_paper = |colour: &[f32; 3]| match side {
            Side::Darker => brightness(*colour) >= middle,
            Side::Lighter => brightness(*colour) <= middle,
        };
        if of_paper(&all) {
            return all;
        }
        commonest(pixels().filter(of_paper)).map_or(all, |(colour, _)| colour)
    }

    /// How much each pixel differs from its paper towards `side`, in the channel with the largest
    /// difference.
    pub(super) fn differences(&self, paper: &Paper, side: Side) -> Vec<f32> {
        let width = self.width;
        self.pixels
            .par_chunks_exact(width)
            .enumerate()
            .flat_map_iter(|(y, row)| {
                row.iter().enumerate().map(move |(x, pixel)| {
                    let paper = paper.at(x, y);
                    let of = |c: usize| match side {
                        Side::Darker => paper[c] - pixel[c],
                        Side::Lighter => pixel[c] - paper[c],
                    };
                    of(0).max(of(1)).max(of(2)).max(0.0)
                })
            })
            .collect()
    }

    /// The standard deviation of the paper alone, in the channel with the most grain. It is derived
    /// from the median of the differences, which lines hardly influence because they cover less
    /// than half. The median of a normal distribution's magnitudes is 0.6745 deviations.
    pub(super) fn grain(&self, paper: &Paper) -> f32 {
        let of_channel = |channel: usize| {
            let mut distances: Vec<f32> = (self.pixels.iter().enumerate())
                .map(|(at, pixel)| {
                    let paper = paper.at(at % self.width, at / self.width);
                    (pixel[channel] - paper[channel]).abs()
                })
                .collect();
            let middle = distances.len() / 2;
            *distances.select_nth_unstable_by(middle, f32::total_cmp).1 / 0.6745
        };
        (0..3).into_par_iter().map(of_channel).reduce(|| 0.0, f32::max)
    }
}

impl Paper {
    /// The paper's colour at a pixel, interpolated between the centres of tiles.
    fn at(&self, x: usize, y: usize) -> [f32; 3] {
        let place = |at: usize, count: usize| {
            let place = ((at as f32 + 0.5) / TILE as f32 - 0.5).clamp(0.0, (count - 1) as f32);
            let first = place as usize;
            (first, (first + 1).min(count - 1), place - first as f32)
        };
        let ((x0, x1, fx), (y0, y1, fy)) = (place(x, self.columns), place(y, self.rows));
        let tile = |x: usize, y: usize| self.tiles[y * self.columns + x];
        let mix = |a: [f32; 3], b: [f32; 3], f: f32| {
            std::array::from_fn::<f32, 3, _>(|c| a[c] + (b[c] - a[c]) * f)
        };
        mix(mix(tile(x0, y0), tile(x1, y0), fx), mix(tile(x0, y1), tile(x1, y1), fx), fy)
    }
}

/// The commonest value of each channel, and the smallest share (0..=1), over the channels, of
/// pixels near it. `None` without pixels.
fn commonest(pixels: impl Iterator<Item = [f32; 3]>) -> Option<([f32; 3], f32)> {
    /// Bins on either side that count as the same value, because grain spreads paper over several.
    const NEAR: usize = 10;
    let mut counts = vec![[0_u32; 3]; BINS];
    let mut sums = vec![[0.0_f64; 3]; BINS];
    let mut total = 0_u64;
    for pixel in pixels {
        total += 1;
        for (channel, value) in pixel.into_iter().enumerate() {
            let bin = ((value * BINS as f32) as usize).min(BINS - 1);
            counts[bin][channel] += 1;
            sums[bin][channel] += f64::from(value);
        }
    }
    if total == 0 {
        return None;
    }
    let mut share = 1.0_f32;
    let colour = std::array::from_fn(|channel| {
        let window = |bin: usize| bin.saturating_sub(NEAR)..(bin + NEAR + 1).min(BINS);
        let count = |bin: usize| window(bin).map(|b| u64::from(counts[b][channel])).sum::<u64>();
        // Of equally full windows, the one with the commonest single value is taken.
        let best = (0..BINS).max_by_key(|&bin| (count(bin), counts[bin][channel])).unwrap_or(0);
        share = share.min(count(best) as f32 / total as f32);
        let sum: f64 = window(best).map(|b| sums[b][channel]).sum();
        (sum / count(best).max(1) as f64) as f32
    });
    Some((colour, share))
}
