//! The ground in a drawing beside the span.

use super::Layers;
use super::follow::{GROUND, PairView};
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
    /// The ground as `pair` shows it, which consists of key `key` and the drawing beside it; `None`
    /// if the ground is not found there. `places` are the pixels of the ground in the key.
    pub(super) fn ground_beside(
        key: usize,
        places: &[usize],
        pair: &PairView<'_>,
        onward: Option<&Affine>,
    ) -> Option<GroundBeside> {
        // In different light its colours do not match the keys.
        if pair.relit {
            return None;
        }
        let way = Self::follow(1 - key, places, pair, onward, &GROUND)?;
        let owners = &pair.layers.owners[key];
        let bare = (0..owners.piece.len()).map(|i| owners.piece[i] == 0 && owners.clean[i]);
        Some(GroundBeside { way, bare: bare.collect() })
    }
}
