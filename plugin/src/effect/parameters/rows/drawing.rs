//! What draws, in which colours, and which picture of it is wanted; sketches that guide it.

use inbetween_core::settings::DEFAULT_SKETCH_STRENGTH;

use super::*;

/// A parameter about sketches.
const fn sketch(
    id: &'static CStr,
    label: &'static CStr,
    hint: &'static CStr,
    shape: Shape,
) -> Param {
    let group = Some(GROUP_SKETCH);
    Param { id, label, hint, shape, group, animates: false, contexts: SKETCHED }
}

/// In the order in which they are shown.
pub(super) const PARAMS: &[Param] = &[
    group(GROUP_DRAWING, c"Drawing", EVERYWHERE),
    Param {
        group: Some(GROUP_DRAWING),
        ..choice(
            ENGINE,
            c"Engine",
            c"What draws the in-betweens. Flow moves the two keys' own lines and colours; it needs no \
              graphics card and no download. ToonCrafter invents motion with a generative model; it \
              needs its checkpoint and prefers a graphics card. Auto is ToonCrafter where a Checkpoint \
              is chosen and that file exists on this machine, else Flow; choose ToonCrafter for a \
              render farm, so that a machine without the file reports it.",
            // In the order in which they came: saved projects hold the index.
            &[c"Flow", c"Auto", c"ToonCrafter"],
            1,
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
    group(GROUP_SKETCH, c"Sketch", SKETCHED),
    sketch(
        USE_SKETCH,
        c"Use sketch",
        c"Lets the line drawings in the clip Sketch guide the in-betweens. Each is followed at the \
          frame it stands on; frames that are blank or missing are drawn without.",
        Shape::Switch { default: false },
    ),
    sketch(
        SKETCH_LINES,
        c"Sketch lines",
        c"How lines stand out from their paper. Automatic finds ink, pencil, chalk, and strokes on \
          transparency by itself.",
        Shape::Choice {
            options: &[c"Automatic", c"Dark on light", c"Light on dark", c"Alpha"],
            default: 0,
        },
    ),
    sketch(
        SKETCH_STRENGTH,
        c"Sketch strength",
        c"How closely the lines are followed, from 0 (not at all) to 1.",
        number(DEFAULT_SKETCH_STRENGTH, (0.0, 1.0), (0.0, 1.0), 0.05),
    ),
];
