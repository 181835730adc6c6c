//! Every parameter, declared once. Describing, reading and the tests walk this table.
//!
//! Ids and the order of options are for ever: saved projects hold them. Labels and hints are free.

use std::ffi::CStr;

use inbetween_core::settings::{DEFAULT_SKETCH_STRENGTH, DEFAULT_STEPS};

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

/// Contexts in which the effect finds its keys by time.
const TIMED: &[Context] = &[Context::Filter, Context::General];
const EVERYWHERE: &[Context] = &Context::ALL;

/// Contexts with a clip for sketches.
const SKETCHED: &[Context] = &[Context::General];

/// Farthest frame that a key can be put on; the range of sliders around it is narrower.
const FARTHEST: f64 = 1_000_000.0;

pub(crate) const GROUP_KEYS: &CStr = c"keys";
pub(crate) const GROUP_TIMING: &CStr = c"timing";
pub(crate) const GROUP_DRAWING: &CStr = c"drawing";
pub(crate) const GROUP_TOONCRAFTER: &CStr = c"toonCrafter";
pub(crate) const GROUP_SKETCH: &CStr = c"sketch";
pub(crate) const GROUP_WORK: &CStr = c"work";
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
    let shape = Shape::File;
    Param { id, label, hint, shape, group: Some(GROUP_KEYS), animates: false, contexts: TIMED }
}

/// A parameter of ToonCrafter.
const fn tooncrafter(
    id: &'static CStr,
    label: &'static CStr,
    hint: &'static CStr,
    shape: Shape,
) -> Param {
    let group = Some(GROUP_TOONCRAFTER);
    Param { id, label, hint, shape, group, animates: false, contexts: EVERYWHERE }
}

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

/// A parameter about the work itself.
const fn work(id: &'static CStr, label: &'static CStr, hint: &'static CStr, shape: Shape) -> Param {
    let group = Some(GROUP_WORK);
    Param { id, label, hint, shape, group, animates: false, contexts: EVERYWHERE }
}

const fn number(default: f64, range: (f64, f64), display: (f64, f64), step: f64) -> Shape {
    Shape::Number { default, range, display, step, digits: 2 }
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
    group(GROUP_TOONCRAFTER, c"ToonCrafter", EVERYWHERE),
    tooncrafter(
        CHECKPOINT,
        c"Checkpoint",
        c"ToonCrafter's weight file, such as model.ckpt (10 GB), fetched with the command: inbetween \
          models download.",
        Shape::File,
    ),
    Param {
        contexts: SKETCHED,
        ..tooncrafter(
            SKETCH_CHECKPOINT,
            c"Sketch checkpoint",
            c"The weight file of ToonCrafter's sketch encoder, such as sketch_encoder.ckpt. Needed only \
              where sketches guide ToonCrafter.",
            Shape::File,
        )
    },
    tooncrafter(
        PROMPT,
        c"Prompt",
        c"What happens between the keys, in English, such as: a girl turns her head. May be empty.",
        Shape::Text { default: c"" },
    ),
    tooncrafter(
        SEED,
        c"Seed",
        c"Another seed gives another in-between of the same keys.",
        Shape::Whole { default: 123, range: (0, i32::MAX), display: (0, 1000) },
    ),
    tooncrafter(
        STEPS,
        c"Steps",
        c"How many steps the drawing takes to emerge. More take longer; 20 do with UniPC, 50 with DDIM.",
        Shape::Whole { default: DEFAULT_STEPS as i32, range: (1, 1000), display: (4, 50) },
    ),
    tooncrafter(
        SOLVER,
        c"Solver",
        c"How the steps are taken. UniPC needs 20 where DDIM, the published one, needs 50.",
        Shape::Choice { options: &[c"UniPC", c"DDIM"], default: 0 },
    ),
    tooncrafter(
        GUIDANCE,
        c"Guidance",
        c"How closely keys and prompt are followed. At 1 there is no guidance, in half the time.",
        number(7.5, (1.0, 30.0), (1.0, 15.0), 0.5),
    ),
    tooncrafter(
        RESCALE,
        c"Guidance rescale",
        c"How much of the contrast that guidance exaggerates is taken back, from 0 to 1.",
        number(0.7, (0.0, 1.0), (0.0, 1.0), 0.05),
    ),
    tooncrafter(
        MOTION,
        c"Motion",
        c"The frame rate that the model imagines: smaller for larger motion between the keys.",
        number(10.0, (1.0, 60.0), (5.0, 30.0), 1.0),
    ),
    tooncrafter(
        PRECISION,
        c"Precision",
        c"Automatic computes in 16 bits on a graphics card and in 32 bits on the processor.",
        Shape::Choice { options: &[c"Automatic", c"32 bits", c"16 bits (bf16)"], default: 0 },
    ),
    tooncrafter(
        DEVICE,
        c"Device",
        c"Where ToonCrafter computes. Automatic takes an NVIDIA graphics card where one can be used.",
        Shape::Choice { options: &[c"Automatic", c"Processor", c"NVIDIA"], default: 0 },
    ),
    tooncrafter(
        MEMORY_LIMIT,
        c"Memory limit (MB)",
        c"Most memory that ToonCrafter may take on its device. 0 lets it take what is free.",
        Shape::Whole { default: 0, range: (0, 1_048_576), display: (0, 98_304) },
    ),
    tooncrafter(
        WORKER,
        c"Worker",
        c"The program inbetween, which runs ToonCrafter. Empty takes the one in the plug-in's own \
          bundle, or the one that the variable INBETWEEN_WORKER names.",
        Shape::File,
    ),
    group(GROUP_WORK, c"Work", EVERYWHERE),
    work(
        DRAFT,
        c"Show a draft while drawing",
        c"In the viewer, shows Flow's drawing with the label DRAFT at once while ToonCrafter works; press \
          Status to see the finished one. Final renders always wait. Hosts that reuse viewer frames in \
          final renders should have it off.",
        Shape::Switch { default: false },
    ),
    work(
        GENERATE,
        c"Generate",
        c"Starts drawing all in-betweens of this span now, in the background.",
        Shape::Button,
    ),
    work(
        CANCEL,
        c"Cancel",
        c"Stops the drawings that Generate and drafts have started for this effect.",
        Shape::Button,
    ),
    work(
        STATUS,
        c"Status",
        c"Tells what is being drawn, and shows drawings that are finished in place of their drafts.",
        Shape::Button,
    ),
    work(
        STATUS_TEXT,
        c"State",
        c"What was being drawn when a button was last pressed; only the effect writes here.",
        Shape::Report,
    ),
    work(
        CLEAR_CACHE,
        c"Clear cache",
        c"Deletes every finished in-between from memory and from the cache folder, so that all are drawn \
          anew. Keys and sketches are not touched.",
        Shape::Button,
    ),
    work(
        REVISION,
        c"Revision",
        c"Counts finished drawings, so that the host asks for pictures again.",
        Shape::Counter,
    ),
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
                Shape::Whole { default, range, display } => {
                    assert!(range.0 <= display.0 && display.1 <= range.1, "{:?}", param.id);
                    assert!(display.0 < display.1, "{:?}", param.id);
                    assert!((range.0..=range.1).contains(default), "{:?}", param.id);
                }
                Shape::Choice { options, default } => {
                    assert!((0..options.len() as i32).contains(default), "{:?}", param.id);
                }
                Shape::Group
                | Shape::Text { .. }
                | Shape::File
                | Shape::Switch { .. }
                | Shape::Report
                | Shape::Button
                | Shape::Counter => {}
            }
        }
    }

    #[test]
    fn options_that_projects_have_saved_stay_where_they_are() {
        let options = |wanted: &CStr| {
            let param = PARAMS.iter().find(|param| param.id == wanted).unwrap();
            let Shape::Choice { options, .. } = &param.shape else { panic!("{wanted:?}") };
            options.iter().map(|option| option.to_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(options(ENGINE), ["Flow", "Auto", "ToonCrafter"]);
        assert_eq!(options(SKETCH_LINES), ["Automatic", "Dark on light", "Light on dark", "Alpha"]);
        assert_eq!(options(SOLVER), ["UniPC", "DDIM"]);
        assert_eq!(options(DEVICE), ["Automatic", "Processor", "NVIDIA"]);
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
