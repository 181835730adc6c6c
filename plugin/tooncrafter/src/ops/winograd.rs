//! 3 x 3 convolutions in f32 by Winograd's F(2 x 2, 3 x 3): four outputs from 16 products instead of 36.
//!
//! Patches of 4 x 4 inputs and the 3 x 3 weights are transformed by additions. The convolution then
//! becomes 16 products, one for each position in a patch, and their sums are transformed back.
//! Apart from a few roundings the transforms are exact. Everything happens block by block in the
//! cache. The weights stay in memory unchanged and are transformed as they are used, which costs a
//! few percent of the time saved.
//!
//! After an enlargement the middle rows of a patch are equal, so one of its four transformed rows
//! and one of its four transformed columns are zero: nine products remain.

use rayon::prelude::*;

use super::epilogue::{Epilogue, store};
use super::isa::multiversion;
use super::kernel::{self, MAX_ROWS, rows_per_call};
use super::pack::{Columns, Data, PANEL, Packed};
use super::share::Shared;
use crate::layer_args::Window;

/// Number of values that the transforms take at once.
const LANES: usize = 16;
/// Number of positions in a patch.
const PLACES: usize = 16;
/// Number of patches in a block, and the largest number of channels in a pass: the transformed
/// patches and weights share the L2 cache.
const PATCHES: usize = 56;
const DEPTH: usize = 128;

/// Whether [`conv3x3`] can compute this convolution.
pub(super) fn suits(window: Window, packed: &Packed) -> bool {
    let shape = window.kernel == 3 && window.stride == 1 && window.before == 1 && window.after == 1;
    let wide = packed.width >= 2 * LANES && packed.width.is_multiple_of(LANES);
    shape && wide && packed.channels >= PANEL && packed.columns == Columns::Plain
}

/// Where the patches lie.
#[derive(Clone, Copy)]
struct Patches {
    window: Window,
    /// Size of the output.
    out: (usize, usize),
    /// Patches in a column and in a row.
    grid: (usize, usize),
}

impl Patches {
    fn new(window: Window) -> Self {
        let (h, w) = window.size;
        let out = window.output(h, w);
        let grid = (out.0.div_ceil(2), out.1.div_ceil(2));
        Self { window, out, grid }
    }

    /// Frame, row and column of the first output of a patch.
    fn origin(&self, patch: usize) -> (usize, usize, usize) {
        let (rows, columns) = self.grid;
        (patch / (rows * columns), patch / columns % rows * 2, patch % columns * 2)
    }

    /// The rows of the result for the four outputs of a patch; `None` for those outside.
    fn outputs(&self, patch: usize) -> [Option<usize>; 4] {
        let (frame, y, x) = self.origin(patch);
        let (h, w) = self.out;
        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dy, dx)| {
            let (y, x) = (y + dy, x + dx);
            (y < h && x < w).then(|| (frame * h + y) * w + x)
        })
    }

    /// The rows of the input for the 16 inputs of a patch.
    fn inputs(&self, patch: usize) -> [Option<usize>; PLACES] {
        let (frame, y, x) = self.origin(patch);
        std::array::from_fn(|place| {
            let y = (y + place / 4).wrapping_sub(1);
            let x = (x + place % 4).wrapping_sub(1);
            self.window.input_row(frame, y, x)
        })
    }

    /// The positions whose products are not zero.
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let enlarge = self.window.enlarge;
        (0..PLACES).filter(move |place| !enlarge || (place / 4 != 2 && place % 4 != 2))
    }
}

/// `out = epilogue(convolution of x)` for `frames` frames of the window's size. Requires [`suits`].
pub(super) fn conv3x3(
    x: &[f32],
    frames: usize,
    window: Window,
    packed: &Packed,
    end: &Epilogue,
    out: &mut [f32],
) {
    let Data::F32(weights) = &packed.data else { unreachable!("asked for f32 weights only") };
    let patches = Patches::new(window);
    let count = frames * patches.grid.0 * patches.grid.1;
    let unit = rows_per_call();
    let wanted = 4 * rayon::current_num_threads();
    // All patches share the transformed weights, so tasks get few panels rather than few patches.
    let each = PATCHES.min(count).next_multiple_of(unit);
    let blocks = count.div_ceil(each);
    let panels = packed.panels();
    let panels_each = panels.div_ceil(wanted.div_ceil(blocks).clamp(1, panels));
    let splits = panels.div_ceil(panels_each);
    let depth = packed.width.div_ceil(packed.width.div_ceil(DEPTH)).next_multiple_of(LANES);
    let shared = Shared::new(out);
    (0..blocks * splits).into_par_iter().for_each_init(Scratch::default, |scratch, task| {
        let first = task / splits * each;
        let start = task % splits * panels_each;
        let block = Block {
            patches: (first..count.min(first + each)).collect(),
            rows: each,
            panels: start..panels.min(start + panels_each),
        };
        block.run(&patches, x, packed, weights, depth, scratch, |sums, rows, panel| {
            store(sums, rows, panel, packed, end, &shared);
        });
    });
}

#[derive(Default)]
struct Scratch {
    /// `[place][row][channel]`
    inputs: Vec<f32>,
    /// `[place][channel][column]`
    weights: Vec<f32>,
    /// `[panel][place][row][column]`
    products: Vec<f32>,
    /// `[output of a patch][column]`
    sums: Vec<f32>,
}

struct Block {
    patches: Vec<usize>,
    /// Number of patches, rounded up to a multiple of those that the kernel takes at once.
    rows: usize,
    panels: std::ops::Range<usize>,
}

impl Block {
    #[allow(clippy::too_many_arguments, reason = "one private call, each argument used as it is")]
    fn run(
        &self,
        patches: &Patches,
        x: &[f32],
        packed: &Packed,
        weights: &[f32],
        depth: usize,
        scratch: &mut Scratch,
        mut finish: impl FnMut(&mut [f32], &[Option<usize>], usize),
    ) {
        let width = packed.width;
        let unit = rows_per_call();
        let outputs: Vec<_> = self.patches.iter().flat_map(|&p| patches.outputs(p)).collect();
        let inputs: Vec<_> = self.patches.iter().map(|&p| patches.inputs(p)).collect();
        let zeros = vec![0.0f32; depth];
        let size = PLACES * self.rows * PANEL;
        let kept = if depth >= width { 1 } else { self.panels.len() };
        scratch.inputs.resize(PLACES * self.rows * depth, 0.0);
        scratch.weights.resize(PLACES * depth * PANEL, 0.0);
        scratch.products.resize(kept * size, 0.0);
        scratch.sums.resize(outputs.len() * PANEL, 0.0);
        for start in (0..width).step_by(depth) {
            let len = depth.min(width - start);
            for (row, inputs) in inputs.iter().enumerate() {
                let found = inputs.map(|input| match input {
                    Some(input) => &x[input * width + start..][..len],
                    None => &zeros[..len],
                });
                transform_inputs(&found, &mut scratch.inputs, row * len, self.rows * len);
            }
            for panel in self.panels.clone() {
                let taps = &weights[panel * 9 * width * PANEL..][..9 * width * PANEL];
                transform_weights(taps, width, start, len, &mut scratch.weights);
                let slot = if kept == 1 { 0 } else { panel - self.panels.start };
                let products = &mut scratch.products[slot * size..][..size];
                for place in patches.places() {
                    let weights = &scratch.weights[place * len * PANEL..][..len * PANEL];
                    for first in (0..self.rows).step_by(unit) {
                        let mut rows: [&[f32]; MAX_ROWS] = [&[]; MAX_ROWS];
                        for (i, row) in rows.iter_mut().enumerate().take(unit) {
                            let at = (place * self.rows + first + i) * len;
                            *row = &scratch.inputs[at..at + len];
                        }
                        let sums = &mut products[(place * self.rows + first) * PANEL..];
                        kernel::multiply(&rows, len, weights, sums, PANEL, start == 0);
                    }
                }
                if start + len == width {
                    let rows = self.rows * PANEL;
                    transform_products(products, rows, patches.window.enlarge, &mut scratch.sums);
                    finish(&mut scratch.sums, &outputs, panel);
                }
            }
        }
    }
}

type Lanes = [f32; LANES];

#[inline(always)]
fn lanes(values: &[f32]) -> Lanes {
    values[..LANES].try_into().expect("16 values")
}

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|i| a[i] + b[i])
}

#[inline(always)]
fn sub(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|i| a[i] - b[i])
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
    /// Transforms one patch. The results are `distance` apart, the first at `from`.
    fn transform_inputs(patch: &[&[f32]; 16], target: &mut [f32], from: usize, distance: usize) {
        for start in (0..patch[0].len()).step_by(LANES) {
            let mut rows = [[[0.0f32; LANES]; 4]; 4];
            for (y, row) in rows.iter_mut().enumerate() {
                *row = side_of_inputs(std::array::from_fn(|x| lanes(&patch[4 * y + x][start..])));
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
    /// Computes four rows of sums from the products of each patch, whose positions are `distance`
    /// apart. After an enlargement, the products of the third row and column were not computed and
    /// count as zero.
    fn transform_products(products: &[f32], distance: usize, enlarge: bool, sums: &mut [f32]) {
        let zero = [0.0f32; LANES];
        for (patch, sums) in sums.chunks_exact_mut(4 * PANEL).enumerate() {
            for half in [0, LANES] {
                let at = |y: usize, x: usize| {
                    if enlarge && (x == 2 || y == 2) {
                        zero
                    } else {
                        lanes(&products[(4 * y + x) * distance + patch * PANEL + half..])
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
