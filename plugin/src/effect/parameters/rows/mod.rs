//! Every parameter, declared once. Describing and the tests walk the tables.
//!
//! Ids and the order of options are for ever: saved projects hold them. Labels and hints are free.

mod drawing;
mod ids;
mod retime;
mod span;
#[cfg(test)]
mod tests;
mod tooncrafter;
mod work;

use std::ffi::CStr;

pub(crate) use ids::*;

use crate::ofx::Context;

/// What a parameter is made of.
pub(crate) enum Shape {
    /// A heading; the parameters that name it stand below.
    Group,
    /// A number with the range it may have and the range that its slider shows.
    Number { default: f64, range: (f64, f64), display: (f64, f64), step: f64, digits: i32 },
    /// A whole number, as above.
    Whole { default: i32, range: (i32, i32), display: (i32, i32) },
    /// On or off.
    Switch { default: bool },
    /// One of a list; the default is an index.
    Choice { options: &'static [&'static CStr], default: i32 },
    /// A line of text.
    Text { default: &'static CStr },
    /// A line of text that the effect writes; it is not saved.
    Report,
    /// A file that is there already.
    File,
    /// Something to press.
    Button,
    /// A count that only the effect raises, to have the host ask for pictures again.
    Counter,
}

/// One parameter.
pub(crate) struct Param {
    /// The permanent id.
    pub(crate) id: &'static CStr,
    /// What the artist reads.
    pub(crate) label: &'static CStr,
    /// What it does, as a sentence.
    pub(crate) hint: &'static CStr,
    /// What it is made of.
    pub(crate) shape: Shape,
    /// The heading above it.
    pub(crate) group: Option<&'static CStr>,
    /// Whether it may be keyframed. Most may not: a span has one set of keys and one look.
    pub(crate) animates: bool,
    /// The contexts in which it means something.
    pub(crate) contexts: &'static [Context],
}

/// Farthest frame that a key can be put on; the range of sliders around it is narrower.
const FARTHEST: f64 = 1_000_000.0;

/// Contexts in which the effect finds its keys by time.
const TIMED: &[Context] = &[Context::Filter, Context::General];
const EVERYWHERE: &[Context] = &Context::ALL;

/// Contexts with a clip for sketches.
const SKETCHED: &[Context] = &[Context::General];

const fn group(id: &'static CStr, label: &'static CStr, contexts: &'static [Context]) -> Param {
    Param {
        id,
        label,
        hint: c"Parameters that belong together.",
        shape: Shape::Group,
        group: None,
        animates: false,
        contexts,
    }
}

const fn choice(
    id: &'static CStr,
    label: &'static CStr,
    hint: &'static CStr,
    options: &'static [&'static CStr],
    default: i32,
) -> Param {
    let shape = Shape::Choice { options, default };
    Param { id, label, hint, shape, group: None, animates: false, contexts: EVERYWHERE }
}

const fn number(default: f64, range: (f64, f64), display: (f64, f64), step: f64) -> Shape {
    Shape::Number { default, range, display, step, digits: 2 }
}

/// The parameters in the order in which they are shown.
pub(crate) fn all() -> impl Iterator<Item = &'static Param> {
    [retime::PARAMS, span::PARAMS, drawing::PARAMS, tooncrafter::PARAMS, work::PARAMS]
        .into_iter()
        .flatten()
}
