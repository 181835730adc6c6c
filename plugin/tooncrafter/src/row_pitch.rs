//! The distance between the rows of a tensor in memory.

use candle_core::{Layout, Result, Tensor};

/// The tensor itself if its rows are contiguous and evenly spaced, otherwise a copy.
pub(crate) fn rows_apart(x: &Tensor) -> Result<Tensor> {
    if row_pitch(x.layout()).is_some() { Ok(x.clone()) } else { x.contiguous() }
}

/// The distance between rows, if it is the same for all of them.
pub(crate) fn row_pitch(layout: &Layout) -> Option<usize> {
    let (dims, stride) = (layout.dims(), layout.stride());
    let last = dims.len() - 1;
    let pitch = stride[last - 1];
    let even = (0..last).rev().try_fold(pitch, |want, axis| {
        (stride[axis] == want || dims[axis] == 1).then(|| want * dims[axis])
    });
    (stride[last] == 1 && even.is_some()).then_some(pitch)
}
