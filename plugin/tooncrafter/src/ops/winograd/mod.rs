//! Convolutions in f32 by Winograd's algorithm, which takes fewer products: 16 instead of 36 for four outputs
//! in space, 6 instead of 12 for four outputs over time.
//!
//! Tiles of inputs and the weights are transformed by additions. The convolution then becomes one product for
//! each place in a tile, and their sums are transformed back. Apart from a few roundings the transforms are exact.
//! Everything happens block by block in the cache. The weights stay in memory unchanged and are transformed as
//! they are used, which costs a few percent of the time saved.

mod lanes;
mod space;
mod tiles;
mod time;

pub(super) use space::conv3x3;
pub(super) use time::conv_over_time;

use super::pack::{Columns, Data, PANEL, Packed};
use crate::layer_args::Window;
use lanes::LANES;

/// Whether [`conv3x3`] can compute this convolution.
pub(super) fn suits_space(window: Window, packed: &Packed) -> bool {
    let shape = window.kernel == 3 && window.stride == 1 && window.before == 1 && window.after == 1;
    shape && packed.taps == 9 && is_wide(packed)
}

/// Whether [`conv_over_time`] can compute this convolution over `t` frames, with fewer products than without it.
pub(super) fn suits_time(t: usize, packed: &Packed) -> bool {
    time::products(t) < 3 * t && is_wide(packed)
}

/// Whether the transforms have whole steps to work on, and enough outputs to be worth it.
fn is_wide(packed: &Packed) -> bool {
    let steps = packed.width >= 2 * LANES && packed.width.is_multiple_of(LANES);
    let plain = matches!(packed.data, Data::F32(_)) && packed.columns == Columns::Plain;
    steps && plain && packed.channels >= PANEL
}
