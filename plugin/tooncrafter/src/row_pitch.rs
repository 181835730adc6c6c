//! How far apart the rows of a tensor lie in memory.

use candle_core::{Layout, Result, Tensor};

/// The tensor itself when its rows are contiguous and evenly spaced, otherwise a copy.
pub(crate) fn rows_apart(x: &Tensor) -> Result<Tensor> {
    if row_pitch(x.layout()).is_some() { Ok(x.clone()) } else { x.contiguous() }
}

/// Distance between rows, when there is one for all of them.
pub(crate) fn row_pitch(layout: &Layout) -> Option<usize> {
    let (dims, stride) = (layout.dims(), layout.stride());
    let last = dims.len() - 1;
    let pitch = stride[last - 1];
    let even = (0..last).rev().try_fold(pitch, |want, axis| {
        (stride[axis] == want || dims[axis] == 1).then(|| want * dims[axis])
    });
    (stride[last] == 1 && even.is_some()).then_some(pitch)
}
