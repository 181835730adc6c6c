//! Rows of queries, keys and values, where they lie in their tensor.

use candle_core::{CpuStorage, Layout, Result, Tensor, bail};

/// The tensor itself when its rows are contiguous and evenly spaced, otherwise a copy.
pub(crate) fn rows_apart(x: &Tensor) -> Result<Tensor> {
    if row_pitch(x.layout()).is_some() { Ok(x.clone()) } else { x.contiguous() }
}

/// Distance between rows, when there is one for all of them.
fn row_pitch(layout: &Layout) -> Option<usize> {
    let (dims, stride) = (layout.dims(), layout.stride());
    let last = dims.len() - 1;
    let pitch = stride[last - 1];
    let even = (0..last).rev().try_fold(pitch, |want, axis| {
        (stride[axis] == want || dims[axis] == 1).then(|| want * dims[axis])
    });
    (stride[last] == 1 && even.is_some()).then_some(pitch)
}

/// Rows of a channels-last input.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    values: &'a [f32],
    pitch: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (CpuStorage::F32(values), Some(pitch)) = (storage, row_pitch(layout)) else {
            bail!("attention on the CPU takes f32 rows")
        };
        Ok(Self { values: &values[layout.start_offset()..], pitch })
    }

    pub(super) fn get(&self, row: usize, from: usize, len: usize) -> &'a [f32] {
        &self.values[row * self.pitch + from..][..len]
    }
}
