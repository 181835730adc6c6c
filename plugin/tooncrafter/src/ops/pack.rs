//! Weights in the order in which the kernels read them.
//!
//! Output channels are cut into panels of [`PANEL`] columns. Within a panel, all taps and input
//! channels follow each other, so that a kernel reads one contiguous stream. Short panels are
//! padded with zeros.

use half::bf16;
use rayon::prelude::*;

/// Columns in a panel.
pub(crate) const PANEL: usize = 32;
/// Number of f32 values that the kernels take at once.
pub(crate) const LANES: usize = 16;
/// Number of input channels in one step of the bf16 kernel; each tap is padded to a multiple of it.
pub(crate) const STEP: usize = 32;

/// The precision of the products. Sums, norms and softmax are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit weights and activations.
    F32,
    /// Weights rounded to bf16, activations rounded as they enter a product, f32 sums.
    Bf16,
}

/// How the columns of a panel map to output channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Column `j` is channel `j`.
    Plain,
    /// The weight holds two halves (value, gate). A panel holds 16 values and their 16 gates, so
    /// that a kernel can multiply one by the other before storing anything.
    Gated,
}

/// Packed weights of one product.
#[derive(Debug)]
pub(crate) struct Packed {
    /// Output channels of the weight (both halves when gated).
    pub(crate) channels: usize,
    /// Taps: 9 for a 3x3 convolution, 3 for one in time, 1 for a plain product.
    pub(crate) taps: usize,
    /// Input channels per tap.
    pub(crate) width: usize,
    pub(crate) columns: Columns,
    pub(crate) data: Data,
}

#[derive(Debug)]
pub(crate) enum Data {
    /// `[panel][tap][input channel][32]`
    F32(Vec<f32>),
    /// `[panel][tap][step][half of 16 columns][pair of input channels, 16][column, 16][2]`: each 1
    /// KiB block is one AMX tile, and each 64 bytes of it are the operand of one dot product of
    /// pairs.
    Bf16(Vec<bf16>),
}

impl Packed {
    /// Packs `weight: [channels, width, taps]`.
    pub(crate) fn new(
        weight: &[f32],
        (channels, width, taps): (usize, usize, usize),
        columns: Columns,
        precision: Precision,
    ) -> Self {
        assert_eq!(weight.len(), channels * width * taps, "the caller states the weight's shape");
        let panels = channels.div_ceil(PANEL);
        let source = |panel: usize, column: usize| -> Option<usize> {
            let channel = match columns {
                Columns::Plain => panel * PANEL + column,
                Columns::Gated => (column / 16) * (channels / 2) + panel * 16 + column % 16,
            };
            (channel < channels).then_some(channel)
        };
        let data = match precision {
            Precision::F32 => {
                let mut data = vec![0.0; panels * taps * width * PANEL];
                data.par_chunks_exact_mut(taps * width * PANEL).enumerate().for_each(
                    |(panel, block)| {
                        for column in 0..PANEL {
                            let Some(channel) = source(panel, column) else { continue };
                            let row = &weight[channel * width * taps..][..width * taps];
                            for tap in 0..taps {
                                for i in 0..width {
                                    block[(tap * width + i) * PANEL + column] = row[i * taps + tap];
                                }
                            }
                        }
                    },
                );
                Data::F32(data)
            }
            Precision::Bf16 => {
                let padded = width.next_multiple_of(STEP);
                let mut data = vec![bf16::ZERO; panels * taps * padded * PANEL];
                data.par_chunks_exact_mut(taps * padded * PANEL).enumerate().for_each(
                    |(panel, block)| {
                        for column in 0..PANEL {
                            let Some(channel) = source(panel, column) else { continue };
                            let row = &weight[channel * width * taps..][..width * taps];
                            for tap in 0..taps {
                                for i in 0..width {
                                    block[tap * padded * PANEL + tile_offset(i, column)] =
                                        bf16::from_f32(row[i * taps + tap]);
                                }
                            }
                        }
                    },
                );
                Data::Bf16(data)
            }
        };
        Self { channels, taps, width, columns, data }
    }

    /// Panels of 32 columns.
    pub(crate) fn panels(&self) -> usize {
        self.channels.div_ceil(PANEL)
    }

    /// Number of resulting channels: half of the weight's when gated.
    pub(crate) fn outputs(&self) -> usize {
        match self.columns {
            Columns::Plain => self.channels,
            Columns::Gated => self.channels / 2,
        }
    }

    /// Memory used, in bytes.
    #[cfg(test)]
    pub(crate) fn byte_len(&self) -> usize {
        match &self.data {
            Data::F32(data) => size_of_val(data.as_slice()),
            Data::Bf16(data) => size_of_val(data.as_slice()),
        }
    }
}

/// The offset of input channel `i` and `column` among the tiles of one tap of one panel.
pub(crate) fn tile_offset(i: usize, column: usize) -> usize {
    let (step, in_step) = (i / STEP, i % STEP);
    let (side, in_side) = (column / 16, column % 16);
    ((step * 2 + side) * 16 + in_step / 2) * 32 + in_side * 2 + in_step % 2
}
