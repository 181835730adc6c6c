//! 3 x 3 convolutions by F(2 x 2, 3 x 3): four outputs from 16 products.
//!
//! After an enlargement the middle rows of a tile are equal, so one of its four transformed rows
//! and one of its four transformed columns are zero: nine products remain.

use super::lanes::{LANES, Lanes, add, lanes, sub};
use super::tiles::{Tiles, convolve};
use crate::layer_args::Window;
use crate::ops::buffer::Unwritten;
use crate::ops::epilogue::Epilogue;
use crate::ops::isa::multiversion;
use crate::ops::pack::{PANEL, Packed};

/// Number of places in a tile.
const PLACES: usize = 16;

/// `out = epilogue(convolution of x)` for `frames` frames of the window's size.
pub(in crate::ops) fn conv3x3(
    x: &[f32],
    frames: usize,
    window: Window,
    packed: &Packed,
    end: &Epilogue,
    out: &mut Unwritten,
) {
    convolve(&Space::new(window, frames), x, packed, end, out);
}

/// Where the tiles lie: squares of 4 x 4 inputs around 2 x 2 outputs.
struct Space {
    window: Window,
    frames: usize,
    /// Size of the output.
    out: (usize, usize),
    /// Tiles in a column and in a row.
    grid: (usize, usize),
}

impl Space {
    fn new(window: Window, frames: usize) -> Self {
        let (h, w) = window.size;
        let out = window.output(h, w);
        let grid = (out.0.div_ceil(2), out.1.div_ceil(2));
        Self { window, frames, out, grid }
    }

    /// Frame, row and column of the first output of a tile.
    fn origin(&self, tile: usize) -> (usize, usize, usize) {
        let (rows, columns) = self.grid;
        (tile / (rows * columns), tile / columns % rows * 2, tile % columns * 2)
    }
}

impl Tiles<PLACES, 4> for Space {
    const TAPS: usize = 9;
    const ROWS: usize = 56;
    const DEPTH: usize = 128;

    fn count(&self) -> usize {
        self.frames * self.grid.0 * self.grid.1
    }

    fn inputs(&self, tile: usize) -> [Option<usize>; PLACES] {
        let (frame, y, x) = self.origin(tile);
        std::array::from_fn(|place| {
            let y = (y + place / 4).wrapping_sub(1);
            let x = (x + place % 4).wrapping_sub(1);
            self.window.input_row(frame, y, x)
        })
    }

    fn outputs(&self, tile: usize) -> [Option<usize>; 4] {
        let (frame, y, x) = self.origin(tile);
        let (h, w) = self.out;
        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dy, dx)| {
            let (y, x) = (y + dy, x + dx);
            (y < h && x < w).then(|| (frame * h + y) * w + x)
        })
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        let enlarge = self.window.enlarge;
        (0..PLACES).filter(move |place| !enlarge || (place / 4 != 2 && place % 4 != 2))
    }

    fn transform_inputs(tile: &[&[f32]; PLACES], target: &mut [f32], from: usize, distance: usize) {
        transform_inputs(tile, target, from, distance);
    }

    fn transform_weights(taps: &[f32], width: usize, start: usize, len: usize, target: &mut [f32]) {
        transform_weights(taps, width, start, len, target);
    }

    fn transform_products(&self, products: &[f32], distance: usize, sums: &mut [f32]) {
        transform_products(products, distance, self.window.enlarge, sums);
    }
}

/// One side of the transform of inputs: rows (1 0 -1 0), (0 1 1 0), (0 -1 1 0), (0 1 0 -1).
#[inline(always)]
fn side_of_inputs([a, b, c, d]: [Lanes; 4]) -> [Lanes; 4] {
    [sub(a, c), add(b, c), sub(c, b), sub(b, d)]
}

/// One side of the transform of weights: rows (1 0 0), (1 1 1) / 2, (1 -1 1) / 2, (0 0 1).
#[inline(always)]
fn side_of_weights([a, b, c]: [Lanes; 3]) -> [Lanes; 4] {
    let outer: Lanes = std::array::from_fn(|i| 0.5 * (a[i] + c[i]));
    let inner: Lanes = std::array::from_fn(|i| 0.5 * b[i]);
    [a, add(outer, inner), sub(outer, inner), c]
}

/// One side of the inverse transform: rows (1 1 1 0), (0 1 -1 -1).
#[inline(always)]
fn side_of_products([a, b, c, d]: [Lanes; 4]) -> [Lanes; 2] {
    [add(a, add(b, c)), sub(sub(b, c), d)]
}

multiversion! {
    /// Transforms one tile. The results are `distance` apart, the first at `from`.
    fn transform_inputs(tile: &[&[f32]; 16], target: &mut [f32], from: usize, distance: usize) {
        for start in (0..tile[0].len()).step_by(LANES) {
            let mut rows = [[[0.0f32; LANES]; 4]; 4];
            for (y, row) in rows.iter_mut().enumerate() {
                *row = side_of_inputs(std::array::from_fn(|x| lanes(&tile[4 * y + x][start..])));
            }
            for x in 0..4 {
                let column = side_of_inputs(rows.each_ref().map(|row| row[x]));
                for (y, values) in column.iter().enumerate() {
                    let at = from + (4 * y + x) * distance + start;
                    target[at..at + LANES].copy_from_slice(values);
                }
            }
        }
    }
}

multiversion! {
    /// Transforms the channels `start..start + len` of a panel of nine taps of `width` channels.
    fn transform_weights(taps: &[f32], width: usize, start: usize, len: usize, target: &mut [f32]) {
        for i in 0..len {
            for half in [0, LANES] {
                let at = |tap: usize| lanes(&taps[(tap * width + start + i) * PANEL + half..]);
                let mut rows = [[[0.0f32; LANES]; 4]; 3];
                for (y, row) in rows.iter_mut().enumerate() {
                    *row = side_of_weights([at(3 * y), at(3 * y + 1), at(3 * y + 2)]);
                }
                for x in 0..4 {
                    let column = side_of_weights(rows.each_ref().map(|row| row[x]));
                    for (y, values) in column.iter().enumerate() {
                        let at = ((4 * y + x) * len + i) * PANEL + half;
                        target[at..at + LANES].copy_from_slice(values);
                    }
                }
            }
        }
    }
}

multiversion! {
    /// Computes four rows of sums from the products of each tile, whose places are `distance`
    /// apart. After an enlargement, the products of the third row and column were not computed and
    /// count as zero.
    fn transform_products(products: &[f32], distance: usize, enlarge: bool, sums: &mut [f32]) {
        let zero = [0.0f32; LANES];
        for (tile, sums) in sums.chunks_exact_mut(4 * PANEL).enumerate() {
            for half in [0, LANES] {
                let at = |y: usize, x: usize| {
                    if enlarge && (x == 2 || y == 2) {
                        zero
                    } else {
                        lanes(&products[(4 * y + x) * distance + tile * PANEL + half..])
                    }
                };
                let mut rows = [[[0.0f32; LANES]; 2]; 4];
                for (y, row) in rows.iter_mut().enumerate() {
                    *row = side_of_products([at(y, 0), at(y, 1), at(y, 2), at(y, 3)]);
                }
                for x in 0..2 {
                    let column = side_of_products(rows.each_ref().map(|row| row[x]));
                    for (y, values) in column.iter().enumerate() {
                        sums[(2 * y + x) * PANEL + half..][..LANES].copy_from_slice(values);
                    }
                }
            }
        }
    }
}
