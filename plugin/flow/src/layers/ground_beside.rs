//! The ground in a drawing beside the span.

use super::Layers;
use super::transform::Affine;

/// The ground as one drawing beside the span shows it.
pub(crate) struct GroundBeside {
    /// The motion from the adjacent key to that drawing.
    pub(super) way: Affine,
    /// Its pixels that show only ground, `h w`.
    pub(super) bare: Vec<bool>,
}

impl GroundBeside {
    pub(crate) fn byte_len(&self) -> usize {
        self.bare.len()
    }
}

impl Layers {
    /// The pixels of key `key` that show only ground, `h w`.
    pub(super) fn bare_ground(&self, key: usize) -> Vec<bool> {
        let owners = &self.owners[key];
        owners.piece.iter().zip(&owners.clean).map(|(&piece, &clean)| piece == 0 && clean).collect()
    }
}
