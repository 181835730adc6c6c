//! Convolutions over three frames by F(4, 3): four outputs from six products, with the points 0, 1, -1, 2, -2 and
//! infinity.

use super::lanes::{LANES, Lanes, add, lanes, sub, times, times_plus};
use super::tiles::{Tiles, convolve};
use crate::ops::buffer::Unwritten;
use crate::ops::epilogue::Epilogue;
use crate::ops::isa::multiversion;
use crate::ops::pack::{PANEL, Packed};

/// Number of places in a tile, and of outputs.
const PLACES: usize = 6;
const OUTPUTS: usize = 4;

/// Number of products for `t` frames of a pixel.
pub(super) fn products(t: usize) -> usize {
    t.div_ceil(OUTPUTS) * PLACES
}

/// `out = epilogue(convolution of x)`, where `x` holds batches of `t` frames of `pixels` rows each, with zeros
/// before the first and after the last frame.
pub(in crate::ops) fn conv_over_time(
    x: &[f32],
    (t, pixels): (usize, usize),
    packed: &Packed,
    end: &Epilogue,
    out: &mut Unwritten,
) {
    let batches = x.len() / (t * pixels * packed.width);
    convolve(&Time { batches, t, pixels }, x, packed, end, out);
}

/// Where the tiles lie: six frames of one pixel around four outputs.
struct Time {
    batches: usize,
    t: usize,
    pixels: usize,
}

impl Time {
    /// The row of the first frame of the batch and pixel of a tile, and the frame of its first output. Tiles of
    /// neighbouring pixels follow each other, since they lie side by side in memory.
    fn origin(&self, tile: usize) -> (usize, usize) {
        let steps = self.t.div_ceil(OUTPUTS);
        let (step, pixel) = (tile / self.pixels, tile % self.pixels);
        (step / steps * self.t * self.pixels + pixel, step % steps * OUTPUTS)
    }
}

impl Tiles<PLACES, OUTPUTS> for Time {
    const TAPS: usize = 3;
    const ROWS: usize = 84;
    const DEPTH: usize = 256;

    fn count(&self) -> usize {
        self.batches * self.t.div_ceil(OUTPUTS) * self.pixels
    }

    fn inputs(&self, tile: usize) -> [Option<usize>; PLACES] {
        let (row, frame) = self.origin(tile);
        std::array::from_fn(|place| {
            let frame = (frame + place).wrapping_sub(1);
            (frame < self.t).then(|| row + frame * self.pixels)
        })
    }

    fn outputs(&self, tile: usize) -> [Option<usize>; OUTPUTS] {
        let (row, frame) = self.origin(tile);
        std::array::from_fn(|i| (frame + i < self.t).then(|| row + (frame + i) * self.pixels))
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        0..PLACES
    }

    fn transform_inputs(tile: &[&[f32]; PLACES], target: &mut [f32], from: usize, distance: usize) {
        transform_inputs(tile, target, from, distance);
    }

    fn transform_weights(taps: &[f32], width: usize, start: usize, len: usize, target: &mut [f32]) {
        transform_weights(taps, width, start, len, target);
    }

    fn transform_products(&self, products: &[f32], distance: usize, sums: &mut [f32]) {
        transform_products(products, distance, sums);
    }
}

/// Rows (4 0 -5 0 1 0), (0 -4 -4 1 1 0), (0 4 -4 -1 1 0), (0 -2 -1 2 1 0), (0 2 -1 -2 1 0), (0 4 0 -5 0 1).
#[inline(always)]
fn of_inputs([a, b, c, d, e, f]: [Lanes; PLACES]) -> [Lanes; PLACES] {
    let even = times_plus(-4.0, c, e);
    let odd = times_plus(-4.0, b, d);
    let (inner, outer) = (sub(e, c), times(2.0, sub(d, b)));
    [
        times_plus(4.0, a, times_plus(-5.0, c, e)),
        add(even, odd),
        sub(even, odd),
        add(inner, outer),
        sub(inner, outer),
        times_plus(4.0, b, times_plus(-5.0, d, f)),
    ]
}

/// Rows (1 0 0) / 4, (-1 -1 -1) / 6, (-1 1 -1) / 6, (1 2 4) / 24, (1 -2 4) / 24, (0 0 1).
#[inline(always)]
fn of_weights([a, b, c]: [Lanes; 3]) -> [Lanes; PLACES] {
    let outer = times(-1.0 / 6.0, add(a, c));
    let far = times(1.0 / 24.0, times_plus(4.0, c, a));
    [
        times(0.25, a),
        times_plus(-1.0 / 6.0, b, outer),
        times_plus(1.0 / 6.0, b, outer),
        times_plus(1.0 / 12.0, b, far),
        times_plus(-1.0 / 12.0, b, far),
        c,
    ]
}

/// Rows (1 1 1 1 1 0), (0 1 -1 2 -2 0), (0 1 1 4 4 0), (0 1 -1 8 -8 1).
#[inline(always)]
fn of_products([a, b, c, d, e, f]: [Lanes; PLACES]) -> [Lanes; OUTPUTS] {
    let (near, far) = (add(b, c), add(d, e));
    let (near_odd, far_odd) = (sub(b, c), sub(d, e));
    [
        add(a, add(near, far)),
        times_plus(2.0, far_odd, near_odd),
        times_plus(4.0, far, near),
        add(times_plus(8.0, far_odd, near_odd), f),
    ]
}

multiversion! {
    fn transform_inputs(tile: &[&[f32]; 6], target: &mut [f32], from: usize, distance: usize) {
        for start in (0..tile[0].len()).step_by(LANES) {
            let found = of_inputs(std::array::from_fn(|i| lanes(&tile[i][start..])));
            for (place, values) in found.iter().enumerate() {
                target[from + place * distance + start..][..LANES].copy_from_slice(values);
            }
        }
    }
}

multiversion! {
    fn transform_weights(taps: &[f32], width: usize, start: usize, len: usize, target: &mut [f32]) {
        for i in 0..len {
            for half in [0, LANES] {
                let at = |tap: usize| lanes(&taps[(tap * width + start + i) * PANEL + half..]);
                for (place, values) in of_weights([at(0), at(1), at(2)]).iter().enumerate() {
                    target[(place * len + i) * PANEL + half..][..LANES].copy_from_slice(values);
                }
            }
        }
    }
}

multiversion! {
    fn transform_products(products: &[f32], distance: usize, sums: &mut [f32]) {
        for (tile, sums) in sums.chunks_exact_mut(OUTPUTS * PANEL).enumerate() {
            for half in [0, LANES] {
                let at = |place: usize| lanes(&products[place * distance + tile * PANEL + half..]);
                let found = of_products(std::array::from_fn(at));
                for (row, values) in found.iter().enumerate() {
                    sums[row * PANEL + half..][..LANES].copy_from_slice(values);
                }
            }
        }
    }
}
