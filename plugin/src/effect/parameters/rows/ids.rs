//! The permanent ids: saved projects hold them.

use std::ffi::CStr;

pub(crate) const GROUP_RETIME: &CStr = c"raise";
pub(crate) const GROUP_KEYS: &CStr = c"keys";
pub(crate) const GROUP_TIMING: &CStr = c"timing";
pub(crate) const GROUP_DRAWING: &CStr = c"drawing";
pub(crate) const GROUP_TOONCRAFTER: &CStr = c"toonCrafter";
pub(crate) const GROUP_SKETCH: &CStr = c"sketch";
pub(crate) const GROUP_WORK: &CStr = c"work";
pub(crate) const MODE: &CStr = c"mode";
pub(crate) const FROM_RATE: &CStr = c"fromRate";
pub(crate) const TO_RATE: &CStr = c"toRate";
pub(crate) const CUSTOM_RATE: &CStr = c"customRate";
pub(crate) const RETIME_STRENGTH: &CStr = c"raiseStrength";
pub(crate) const TIMELINE: &CStr = c"timeline";
pub(crate) const CLIP_START: &CStr = c"clipStart";
pub(crate) const KEYS_FROM: &CStr = c"keysFrom";
pub(crate) const FIRST_FILE: &CStr = c"firstKeyFile";
pub(crate) const LAST_FILE: &CStr = c"lastKeyFile";
pub(crate) const FIRST_KEY: &CStr = c"firstKey";
pub(crate) const LAST_KEY: &CStr = c"lastKey";
pub(crate) const PREVIOUS_DRAWING: &CStr = c"previousDrawing";
pub(crate) const SPAN_HERE: &CStr = c"spanHere";
pub(crate) const NEXT_DRAWING: &CStr = c"nextDrawing";
pub(crate) const TRANSITION: &CStr = c"Transition";
pub(crate) const CHART: &CStr = c"timingChart";
pub(crate) const CUSTOM_CHART: &CStr = c"customChart";
pub(crate) const EXPOSURE: &CStr = c"exposure";
pub(crate) const ENGINE: &CStr = c"engine";
pub(crate) const QUALITY: &CStr = c"quality";
pub(crate) const COLOUR: &CStr = c"colour";
pub(crate) const OUTPUT: &CStr = c"output";
pub(crate) const USE_SKETCH: &CStr = c"useSketch";
pub(crate) const SKETCH_LINES: &CStr = c"sketchLines";
pub(crate) const SKETCH_STRENGTH: &CStr = c"sketchStrength";
pub(crate) const CHECKPOINT: &CStr = c"checkpoint";
pub(crate) const SKETCH_CHECKPOINT: &CStr = c"sketchCheckpoint";
pub(crate) const PROMPT: &CStr = c"prompt";
pub(crate) const SEED: &CStr = c"seed";
pub(crate) const STEPS: &CStr = c"steps";
pub(crate) const SOLVER: &CStr = c"solver";
pub(crate) const GUIDANCE: &CStr = c"guidance";
pub(crate) const RESCALE: &CStr = c"rescale";
pub(crate) const MOTION: &CStr = c"motion";
pub(crate) const PRECISION: &CStr = c"precision";
pub(crate) const DEVICE: &CStr = c"device";
pub(crate) const MEMORY_LIMIT: &CStr = c"memoryLimit";
pub(crate) const WORKER: &CStr = c"worker";
pub(crate) const DRAFT: &CStr = c"draft";
pub(crate) const GENERATE: &CStr = c"generate";
pub(crate) const CANCEL: &CStr = c"cancel";
pub(crate) const STATUS: &CStr = c"status";
pub(crate) const STATUS_TEXT: &CStr = c"statusText";
pub(crate) const CLEAR_CACHE: &CStr = c"clearCache";
pub(crate) const REVISION: &CStr = c"revision";

/// What raising the frame rate alone is told.
pub(crate) const OF_RETIMING: &[&CStr] = &[FROM_RATE, TO_RATE, RETIME_STRENGTH, TIMELINE];

/// What decides the rate of the output: hosts ask again for it when one of these changes.
pub(crate) const DECIDE_RATE: &[&CStr] = &[MODE, FROM_RATE, TO_RATE, CUSTOM_RATE, TIMELINE];

/// What ToonCrafter alone is told.
pub(crate) const OF_TOONCRAFTER: &[&CStr] = &[
    CHECKPOINT,
    PROMPT,
    SEED,
    STEPS,
    SOLVER,
    GUIDANCE,
    MOTION,
    PRECISION,
    DEVICE,
    MEMORY_LIMIT,
    WORKER,
    DRAFT,
];

/// The option of the timing chart that uses the custom list.
pub(crate) const CUSTOM_OPTION: i32 = 6;

/// The option of *To* that uses the custom rate.
pub(crate) const CUSTOM_RATE_OPTION: i32 = 12;
