//! What ToonCrafter alone is told.

use inbetween_core::settings::DEFAULT_STEPS;

use super::*;

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

/// In the order in which they are shown.
pub(super) const PARAMS: &[Param] = &[
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
];
