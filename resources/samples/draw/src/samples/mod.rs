//! One file per sample; each draws its moment `t` (0 is key A, 1 is key B).

mod head;
mod jump;
mod line;
mod scene;
mod walk;

use crate::curve::Curve;
use crate::render::Pixels;
use crate::sheet::{Medium, Sheet};

/// A pair of keys with everything between them.
pub(crate) struct Sample {
    /// Folder name, and the name in the manifest.
    pub(crate) name: &'static str,
    /// What is seen, in one sentence.
    pub(crate) about: &'static str,
    /// `flat-colour` or `line-art`.
    pub(crate) kind: &'static str,
    pub(crate) pixels: Pixels,
    pub(crate) has_sketch: bool,
    pub(crate) draw: fn(t: f64, medium: Medium) -> Sheet,
}

pub(crate) const ALL: [Sample; 6] = [
    Sample {
        name: "walk",
        about: "A child in a raincoat walks from the contact to the down pose; transparent ground",
        kind: "flat-colour",
        pixels: Pixels::Rgba,
        has_sketch: true,
        draw: walk::step,
    },
    Sample {
        name: "stride",
        about: "The same walk from the contact to the passing pose: limbs cross; transparent ground",
        kind: "flat-colour",
        pixels: Pixels::Rgba,
        has_sketch: true,
        draw: walk::stride,
    },
    Sample {
        name: "head",
        about: "A head turns from three quarters left to three quarters right",
        kind: "flat-colour",
        pixels: Pixels::Rgb,
        has_sketch: false,
        draw: head::draw,
    },
    Sample {
        name: "jump",
        about: "A frog leaps in a large arc over a pond",
        kind: "flat-colour",
        pixels: Pixels::Rgb,
        has_sketch: true,
        draw: jump::draw,
    },
    Sample {
        name: "line",
        about: "Line art: a sitting cat reaches after a butterfly",
        kind: "line-art",
        pixels: Pixels::Grey,
        has_sketch: false,
        draw: line::draw,
    },
    Sample {
        name: "scene",
        about: "A child on a skateboard, and a street that pans by in layers",
        kind: "flat-colour",
        pixels: Pixels::Rgb,
        has_sketch: false,
        draw: scene::draw,
    },
];

/// From `a` at key A to `b` at key B.
fn blend(t: f64, a: f64, b: f64) -> f64 {
    a + (b - a) * t
}

/// A flat-bottomed cloud of about 190 by 56 units around its place.
fn cloud() -> Curve {
    Curve::closed([
        (-92.0, 20.0),
        (-70.0, -6.0),
        (-34.0, -14.0),
        (-6.0, -36.0),
        (36.0, -26.0),
        (52.0, -6.0),
        (88.0, 0.0),
        (98.0, 20.0),
        (98.0, 20.0),
        (-92.0, 20.0),
    ])
}
