//! The ways in which a processor can multiply bf16.

use std::sync::OnceLock;

use super::{amx, dot_products};

/// How bf16 products run on a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bf16Products {
    /// On the tile unit (AMX-BF16).
    Tiles,
    /// With dot products of pairs (AVX512-BF16).
    DotProducts,
    /// As f32: the weights take half the memory and are widened in the cache; activations are not
    /// rounded.
    Widened,
    /// Like the tile unit, but in plain Rust.
    #[cfg(test)]
    Emulated,
}

impl Bf16Products {
    /// Whether bf16 is faster than f32 in this way. Widened weights only save memory.
    pub fn faster_than_f32(self) -> bool {
        self != Self::Widened
    }
}

/// The fastest way that this processor and this system offer.
pub fn bf16_products() -> Bf16Products {
    static FOUND: OnceLock<Bf16Products> = OnceLock::new();
    *FOUND.get_or_init(|| {
        if amx::available() {
            Bf16Products::Tiles
        } else if dot_products::DotProducts::find().is_some() {
            Bf16Products::DotProducts
        } else {
            Bf16Products::Widened
        }
    })
}
