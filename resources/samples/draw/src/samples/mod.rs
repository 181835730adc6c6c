//! One file per sample; each draws a whole action, of which the sample's keys span a part.

mod head;
mod jump;
mod line;
mod scene;
mod walk;

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
    /// How much of the action lies between the keys, 0..=1: as far apart as an animator would put
    /// two keys for in-betweening, except in `jump`, which is there to be too far.
    extent: f64,
    /// Draws the moment `t` of the action, 0..=1.
    action: fn(t: f64, medium: Medium) -> Sheet,
}

impl Sample {
    /// The drawing at the position `t`: 0 is key A, 1 is key B.
    pub(crate) fn draw(&self, t: f64, medium: Medium) -> Sheet {
        (self.action)(t * self.extent, medium)
    }
}

pub(crate) const ALL: [Sample; 5] = [
    Sample {
        name: "walk",
        about: "A child in a raincoat steps from the contact towards the passing pose; transparent ground",
        kind: "flat-colour",
        pixels: Pixels::Rgba,
        has_sketch: true,
        extent: 0.42,
        action: walk::draw,
    },
    Sample {
        name: "head",
        about: "A head turns from three quarters to the front",
        kind: "flat-colour",
        pixels: Pixels::Rgb,
        has_sketch: false,
        extent: 0.36,
        action: head::draw,
    },
    Sample {
        name: "jump",
        about: "A frog leaps in a large arc over a pond: too far for an engine without imagination",
        kind: "flat-colour",
        pixels: Pixels::Rgb,
        has_sketch: true,
        extent: 1.0,
        action: jump::draw,
    },
    Sample {
        name: "line",
        about: "Line art: a sitting cat begins to lift a paw after a butterfly",
        kind: "line-art",
        pixels: Pixels::Grey,
        has_sketch: false,
        extent: 0.33,
        action: line::draw,
    },
    Sample {
        name: "scene",
        about: "A child on a skateboard, and a street that pans by in layers",
        kind: "flat-colour",
        pixels: Pixels::Rgb,
        has_sketch: false,
        extent: 0.5,
        action: scene::draw,
    },
];

/// From `a` at the start of the action to `b` at its end.
fn blend(t: f64, a: f64, b: f64) -> f64 {
    a + (b - a) * t
}
