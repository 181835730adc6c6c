//! Access to rows of queries, keys and values in place, in their tensor.

use candle_core::{CpuStorage, Layout, Result, bail};

use crate::row_pitch::row_pitch;

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
