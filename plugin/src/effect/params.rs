//! Every parameter, declared once. Describing, reading and the tests walk this table.
//!
//! Ids and the order of options are for ever: saved projects hold them. Labels and hints are free.

use std::ffi::CStr;

use crate::ofx::Context;

/// What a parameter is made of.
pub(crate) enum Shape {
    /// A heading; the parameters that name it stand below.
    Group,
    /// A number with the range it may have and the range that its slider shows.
    Number { default: f64, range: (f64, f64), display: (f64, f64), step: f64, digits: i32 },
    /// One of a list; the default is an index.
    Choice { options: &'static [&'static CStr], default: i32 },
    /// A line of text.
    Text { default: &'static CStr },
    /// A picture file.
    PictureFile,
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

/// Contexts in which the effect finds its keys by time.
const TIMED: &[Context] = &[Context::Filter, Context::General];
const EVERYWHERE: &[Context] = &Context::ALL;

/// Farthest frame that a key can be put on; the range of sliders around it is narrower.
const FARTHEST: f64 = 1_000_000.0;

pub(crate) const GROUP_KEYS: &CStr = c"keys";
pub(crate) const GROUP_TIMING: &CStr = c"timing";
pub(crate) const GROUP_DRAWING: &CStr = c"drawing";
pub(crate) const KEYS_FROM: &CStr = c"keysFrom";
pub(crate) const FIRST_FILE: &CStr = c"firstKeyFile";
pub(crate) const LAST_FILE: &CStr = c"lastKeyFile";
pub(crate) const FIRST_KEY: &CStr = c"firstKey";
pub(crate) const LAST_KEY: &CStr = c"lastKey";
pub(crate) const TRANSITION: &CStr = c"Transition";
pub(crate) const CHART: &CStr = c"timingChart";
pub(crate) const CUSTOM_CHART: &CStr = c"customChart";
pub(crate) const EXPOSURE: &CStr = c"exposure";
pub(crate) const ENGINE: &CStr = c"engine";
pub(crate) const QUALITY: &CStr = c"quality";
pub(crate) const COLOUR: &CStr = c"colour";
pub(crate) const OUTPUT: &CStr = c"output";

/// The option of the timing chart that uses the custom list.
pub(crate) const CUSTOM_OPTION: i32 = 6;

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

const fn key_time(
    id: &'static CStr,
    label: &'static CStr,
    hint: &'static CStr,
    default: f64,
) -> Param {
    let shape = Shape::Number {
        default,
        range: (-FARTHEST, FARTHEST),
        display: (0.0, 250.0),
        step: 1.0,
        digits: 2,
    };
    Param { id, label, hint, shape, group: Some(GROUP_KEYS), animates: false, contexts: TIMED }
}

const fn file(id: &'static CStr, label: &'static CStr, hint: &'static CStr) -> Param {
    let shape = Shape::PictureFile;
    Param { id, label, hint, shape, group: Some(GROUP_KEYS), animates: false, contexts: TIMED }
}

/// The parameters in the order in which they are shown.
pub(crate) const PARAMS: &[Param] = &[
    group(GROUP_KEYS, c"Keys", TIMED),
    Param {
        group: Some(GROUP_KEYS),
        contexts: TIMED,
        ..choice(
            KEYS_FROM,
            c"Keys from",
            c"Where the two key drawings come from: the clips Source and KeyB, two times in Source, \
              or two picture files.",
            &[c"Two clips", c"Times in one clip", c"Image files"],
            0,
        )
    },
    file(
        FIRST_FILE,
        c"First key file",
        c"The first key drawing as a PNG, JPEG, TIFF or EXR file. Used with Keys from: Image files.",
    ),
    file(
        LAST_FILE,
        c"Last key file",
        c"The last key drawing as a PNG, JPEG, TIFF or EXR file. Used with Keys from: Image files.",
    ),
    key_time(
        FIRST_KEY,
        c"First key",
        c"The frame on which the first key stands. Up to it the output is the first key itself.",
        1.0,
    ),
    key_time(
        LAST_KEY,
        c"Last key",
        c"The frame on which the last key stands. From it on the output is the last key itself.",
        9.0,
    ),
    Param {
        id: TRANSITION,
        label: c"Position",
        hint: c"Where between the two keys the drawing lies: 0 is the first key, 1 the last.",
        shape: Shape::Number {
            default: 0.0,
            range: (0.0, 1.0),
            display: (0.0, 1.0),
            step: 0.01,
            digits: 3,
        },
        group: None,
        animates: true,
        contexts: &[Context::Transition],
    },
    group(GROUP_TIMING, c"Timing", EVERYWHERE),
    Param {
        group: Some(GROUP_TIMING),
        ..choice(
            CHART,
            c"Timing chart",
            c"How the in-betweens are spread between the keys.",
            &[
                c"Linear",
                c"Ease in",
                c"Ease out",
                c"Ease in and out",
                c"Favour first key",
                c"Favour last key",
                c"Custom",
            ],
            0,
        )
    },
    Param {
        id: CUSTOM_CHART,
        label: c"Custom chart",
        hint: c"Positions of the in-betweens, from 0 (first key) to 1 (last key), such as \
                0.1 0.35 0.6 0.9 or 10% 1/3 2/3. Used with Timing chart: Custom.",
        shape: Shape::Text { default: c"0.25 0.5 0.75" },
        group: Some(GROUP_TIMING),
        animates: false,
        contexts: EVERYWHERE,
    },
    Param {
        group: Some(GROUP_TIMING),
        contexts: TIMED,
        ..choice(
            EXPOSURE,
            c"Exposure",
            c"For how many frames each in-between is held, counted from the first key.",
            &[c"On ones", c"On twos", c"On threes"],
            0,
        )
    },
    group(GROUP_DRAWING, c"Drawing", EVERYWHERE),
    Param {
        group: Some(GROUP_DRAWING),
        ..choice(
            ENGINE,
            c"Engine",
            c"What draws the in-betweens. Flow moves the two keys' own lines and colours; it needs no \
              graphics card and no download.",
            &[c"Flow"],
            0,
        )
    },
    Param {
        group: Some(GROUP_DRAWING),
        ..choice(
            QUALITY,
            c"Quality",
            c"Draft looks for motion in a smaller picture, High in a larger one, which helps fine \
              lines at 4K and takes longer.",
            &[c"Draft", c"Standard", c"High"],
            1,
        )
    },
    Param {
        group: Some(GROUP_DRAWING),
        ..choice(
            COLOUR,
            c"Colour",
            c"How the clips are encoded. Automatic takes 8-bit and 16-bit integer pictures as sRGB \
              and float pictures as linear light, except in hosts that hand out display colours.",
            &[c"Automatic", c"sRGB", c"Linear"],
            0,
        )
    },
    Param {
        group: Some(GROUP_DRAWING),
        ..choice(
            OUTPUT,
            c"Output",
            c"The in-between itself; how sure the engine is of each pixel (white is sure); or the \
              motion in pixels per frame (red to the right, green upwards).",
            &[c"In-between", c"Confidence", c"Motion"],
            0,
        )
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_fit_every_host() {
        let mut seen = HashSet::new();
        for param in PARAMS {
            let id = param.id.to_str().unwrap();
            assert!(seen.insert(id), "{id} stands twice");
            assert!(id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
        }
    }

    #[test]
    fn every_hint_is_a_sentence() {
        for param in PARAMS {
            let hint = param.hint.to_str().unwrap();
            assert!(hint.ends_with('.') && hint.len() > 20, "{:?}: {hint}", param.id);
            assert!(!hint.contains("  "), "{:?}: {hint}", param.id);
        }
    }

    #[test]
    fn defaults_lie_within_their_ranges() {
        for param in PARAMS {
            match &param.shape {
                Shape::Number { default, range, display, step, .. } => {
                    assert!(range.0 <= display.0 && display.1 <= range.1, "{:?}", param.id);
                    assert!(display.0 < display.1 && *step > 0.0, "{:?}", param.id);
                    assert!((range.0..=range.1).contains(default), "{:?}", param.id);
                }
                Shape::Choice { options, default } => {
                    assert!((0..options.len() as i32).contains(default), "{:?}", param.id);
                }
                Shape::Group | Shape::Text { .. } | Shape::PictureFile => {}
            }
        }
    }

    #[test]
    fn groups_stand_above_their_members() {
        let mut groups = Vec::new();
        for param in PARAMS {
            match (&param.shape, param.group) {
                (Shape::Group, _) => groups.push((param.id, param.contexts)),
                (_, Some(group)) => {
                    let found = groups.iter().find(|(id, _)| *id == group);
                    let (_, contexts) = found.unwrap_or_else(|| panic!("{:?}", param.id));
                    assert!(param.contexts.iter().all(|c| contexts.contains(c)), "{:?}", param.id);
                }
                (_, None) => {}
            }
        }
    }
}
