//! Every setting, described once. The plug-in's parameters, the options of the command line, the
//! tables in the guide, the ranges that engines check and the names of drawings in the cache all
//! follow from these rows.
//!
//! Ids and the order of options never change, because saved projects store them. Labels and hints
//! may change. A new setting is a row here, a line in [`ALL`], and its uses: a line in the
//! plug-in's panel, a field of the command line's arguments, and, if it decides how a drawing
//! looks, a field of [`Settings`](super::Settings), which the cache key then requires.

mod drawing;
mod pins;
mod preset;
mod retime;
mod span;
mod tooncrafter;

pub use drawing::*;
pub use pins::*;
pub use preset::*;
pub use retime::*;
pub use span::*;
pub use tooncrafter::*;

use std::sync::LazyLock;

use super::setting::AnySetting;

/// Every setting, in the order in which they are shown.
pub static ALL: LazyLock<Vec<&'static dyn AnySetting>> = LazyLock::new(|| {
    let pins = PINS.iter().flat_map(PinSettings::all);
    BEFORE_PINS.iter().copied().chain(pins).chain(AFTER_PINS.iter().copied()).collect()
});

static BEFORE_PINS: &[&dyn AnySetting] = &[
    &PRESET,
    &KEYS_FROM,
    &FIRST_FILE,
    &LAST_FILE,
    &FIRST_KEY,
    &LAST_KEY,
    &KEY_FRAMES,
    &TRANSITION,
    &CHART,
    &CUSTOM_CHART,
    &EXPOSURE,
    &MOTION_PATH,
    &ENGINE,
    &QUALITY,
    &COLOUR,
    &OUTPUT,
    &USE_SKETCH,
    &SKETCH_LINES,
    &SKETCH_STRENGTH,
    &USE_PINS,
    &PIN_COUNT,
];

static AFTER_PINS: &[&dyn AnySetting] = &[
    &CHECKPOINT,
    &SKETCH_CHECKPOINT,
    &PROMPT,
    &SEED,
    &STEPS,
    &SOLVER,
    &GUIDANCE,
    &RESCALE,
    &MOTION,
    &PRECISION,
    &DEVICE,
    &MEMORY_LIMIT,
    &DRAFT,
    &MODE,
    &FROM_RATE,
    &TO_RATE,
    &CUSTOM_RATE,
    &RETIME_STRENGTH,
    &TIMELINE,
    &CLIP_START,
];
