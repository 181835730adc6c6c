//! The part that all transforms share: blocks of tiles, times panels of weights.

use rayon::prelude::*;

use super::lanes::LANES;
use crate::ops::buffer::Unwritten;
use crate::ops::epilogue::{Epilogue, store};
use crate::ops::kernel::{self, MAX_ROWS, rows_per_call};
use crate::ops::pack::{Data, PANEL, Packed};
use crate::ops::share::Shared;

/// A convolution cut into tiles of `PLACES` inputs, each of which gives `OUTPUTS` outputs.
pub(super) trait Tiles<const PLACES: usize, const OUTPUTS: usize>: Sync {
    /// Number of taps of the weights.
    const TAPS: usize;
    /// Number of tiles in a block, and the largest number of channels in a pass: the transformed
    /// tiles and weights share the L2 cache.
    const ROWS: usize;
    const DEPTH: usize;

    /// Number of tiles.
    fn count(&self) -> usize;

    /// The rows of the input for the inputs of a tile; `None` for those outside, which are zero.
    fn inputs(&self, tile: usize) -> [Option<usize>; PLACES];

    /// The rows of the result for the outputs of a tile; `None` for those outside.
    fn outputs(&self, tile: usize) -> [Option<usize>; OUTPUTS];

    /// The places whose products are not zero.
    fn places(&self) -> impl Iterator<Item = usize>;

    /// Transforms one tile. The results are `distance` apart, the first at `from`.
    fn transform_inputs(tile: &[&[f32]; PLACES], target: &mut [f32], from: usize, distance: usize);

    /// Transforms the channels `start..start + len` of a panel of all taps of `width` channels
    /// into `[place][channel][column]`.
    fn transform_weights(taps: &[f32], width: usize, start: usize, len: usize, target: &mut [f32]);

    /// Computes the rows of sums of each tile from its products, whose places are `distance` apart.
    fn transform_products(&self, products: &[f32], distance: usize, sums: &mut [f32]);
}

/// `out = epilogue(convolution of x)`, whose weights are f32 in whole steps of channels.
pub(super) fn convolve<const PLACES: usize, const OUTPUTS: usize, T: Tiles<PLACES, OUTPUTS>>(
    tiles: &T,
    x: &[f32],
    packed: &Packed,
    end: &Epilogue,
    out: &mut Unwritten,
) {
    let Data::F32(weights) = &packed.data else { unreachable!("asked for f32 weights only") };
    let count = tiles.count();
    let unit = rows_per_call();
    let wanted = 4 * rayon::current_num_threads();
    // All tiles share the transformed weights, so tasks get few panels rather than few tiles.
    let each = T::ROWS.min(count).next_multiple_of(unit);
    let blocks = count.div_ceil(each);
    let panels = packed.panels();
    let panels_each = panels.div_ceil(wanted.div_ceil(blocks).clamp(1, panels));
    let splits = panels.div_ceil(panels_each);
    let depth = packed.width.div_ceil(packed.width.div_ceil(T::DEPTH)).next_multiple_of(LANES);
    let shared = Shared::new(out);
    (0..blocks * splits).into_par_iter().for_each_init(Scratch::default, |scratch, task| {
        let first = task / splits * each;
        let start = task % splits * panels_each;
        let block = Block {
            tiles,
            first,
            count: each.min(count - first),
            rows: each,
            panels: start..panels.min(start + panels_each),
        };
        block.run(x, packed.width, weights, depth, scratch, |sums, rows, panel| {
            store(sums, rows, panel, (packed.columns, packed.outputs()), end, &shared);
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
    /// `[output of a tile][column]`
    sums: Vec<f32>,
}

struct Block<'a, T> {
    tiles: &'a T,
    /// The first tile, and the number of tiles.
    first: usize,
    count: usize,
    /// Number of tiles, rounded up to a multiple of those that the kernel takes at once.
    rows: usize,
    panels: std::ops::Range<usize>,
}

impl<T> Block<'_, T> {
    fn run<const PLACES: usize, const OUTPUTS: usize>(
        &self,
        x: &[f32],
        width: usize,
        weights: &[f32],
        depth: usize,
        scratch: &mut Scratch,
        mut finish: impl FnMut(&mut [f32], &[Option<usize>], usize),
    ) where
        T: Tiles<PLACES, OUTPUTS>,
    {
        let unit = rows_per_call();
        let tiles = self.first..self.first + self.count;
        let outputs: Vec<_> = tiles.clone().flat_map(|tile| self.tiles.outputs(tile)).collect();
        let inputs: Vec<_> = tiles.map(|tile| self.tiles.inputs(tile)).collect();
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
                T::transform_inputs(&found, &mut scratch.inputs, row * len, self.rows * len);
            }
            for panel in self.panels.clone() {
                let panel_len = T::TAPS * width * PANEL;
                let taps = &weights[panel * panel_len..][..panel_len];
                T::transform_weights(taps, width, start, len, &mut scratch.weights);
                let slot = if kept == 1 { 0 } else { panel - self.panels.start };
                let products = &mut scratch.products[slot * size..][..size];
                for place in self.tiles.places() {
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
                    self.tiles.transform_products(products, rows, &mut scratch.sums);
                    finish(&mut scratch.sums, &outputs, panel);
                }
            }
        }
    }
}
