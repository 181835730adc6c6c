//! The ground in a drawing beside the span.

use super::Layers;
use super::follow::{GROUND, PairView};
use super::transform::Affine;

/// The ground as one drawing beside the span shows it.
pub(crate) struct GroundBeside {
    /// From the key next to it to that drawing.
    pub(super) way: Affine,
    /// Its pixels that show nothing but ground, `h w`.
    pub(super) bare: Vec<bool>,
}

impl GroundBeside {
    pub(crate) fn byte_len(&self) -> usize {
        self.bare.len()
    }
}

impl Layers {
    /// What `pair`, of key `key` and the drawing beside it, shows of the ground; none where the ground is not found
    /// there. `places`: pixels of the ground in the key.
    pub(super) fn ground_beside(
        key: usize,
        places: &[usize],
        pair: &PairView<'_>,
        onward: Option<&Affine>,
    ) -> Option<GroundBeside> {
        // Under another light its colours are not those of the keys.
        if pair.relit {
            return None;
        }
        let way = Self::follow(1 - key, places, pair, onward, &GROUND)?;
        let owners = &pair.layers.owners[key];
        let bare = (0..owners.piece.len()).map(|i| owners.piece[i] == 0 && owners.clean[i]);
        Some(GroundBeside { way, bare: bare.collect() })
    }
}
