//! Settings that only ToonCrafter uses, and how it does its work.

use crate::settings::setting::{
    Choice, Decides, File, Integer, Number, Setting, Switch, Text, option,
};
use crate::settings::{DeviceChoice, EngineKind, PrecisionChoice, SolverChoice};

/// Marks settings that only ToonCrafter uses.
const TOONCRAFTER: Option<EngineKind> = Some(EngineKind::ToonCrafter);

/// The weights.
pub static CHECKPOINT: Setting<File> = Setting {
    id: c"checkpoint",
    label: c"Checkpoint",
    hint: c"ToonCrafter's weight file, such as model.ckpt (10 GB), fetched with the command: inbetween models \
            download.",
    engine: TOONCRAFTER,
    decides: Decides::Look,
    kind: File,
};

/// The weights of the sketch encoder.
pub static SKETCH_CHECKPOINT: Setting<File> = Setting {
    id: c"sketchCheckpoint",
    label: c"Sketch checkpoint",
    hint: c"The weight file of ToonCrafter's sketch encoder, such as sketch_encoder.ckpt. Needed only if \
            ToonCrafter uses sketches.",
    engine: TOONCRAFTER,
    decides: Decides::Look,
    kind: File,
};

/// What happens in the shot, in words. The longest text has more than the 77 tokens that the model
/// takes.
pub static PROMPT: Setting<Text> = Setting {
    id: c"prompt",
    label: c"Prompt",
    hint:
        c"What happens between the keys, in English, such as: a girl turns her head. May be empty.",
    engine: TOONCRAFTER,
    decides: Decides::Look,
    kind: Text { default: c"", longest: 4096 },
};

/// Selects one of the possible in-betweens.
pub static SEED: Setting<Integer> = Setting {
    id: c"seed",
    label: c"Seed",
    hint: c"Another seed gives another in-between of the same keys.",
    engine: TOONCRAFTER,
    decides: Decides::Look,
    kind: Integer { default: 123, range: (0, i32::MAX), display: (0, 1000) },
};

/// Number of solver steps. The default is what the default solver needs.
pub static STEPS: Setting<Integer> = Setting {
    id: c"steps",
    label: c"Steps",
    hint:
        c"Number of solver steps. More steps take longer; 20 are enough with UniPC, 50 with DDIM.",
    engine: TOONCRAFTER,
    decides: Decides::Look,
    kind: Integer {
        default: SOLVER.kind.default.steps() as i32,
        range: (1, 1000),
        display: (4, 50),
    },
};

/// The solver that takes the steps.
pub static SOLVER: Setting<Choice<SolverChoice>> = Setting {
    id: c"solver",
    label: c"Solver",
    hint:
        c"The method that takes the steps. UniPC needs fewer steps than DDIM, the published method.",
    engine: TOONCRAFTER,
    decides: Decides::Look,
    kind: Choice {
        options: &[
            option(SolverChoice::UniPc, c"UniPC", "unipc", "in fewer steps"),
            option(SolverChoice::Ddim, c"DDIM", "ddim", "as published"),
        ],
        default: SolverChoice::UniPc,
    },
};

/// How closely keys and prompt are followed.
pub static GUIDANCE: Setting<Number> = Setting {
    id: c"guidance",
    label: c"Guidance",
    hint: c"How closely keys and prompt are followed. At 1 there is no guidance, and drawing takes half the time.",
    engine: TOONCRAFTER,
    decides: Decides::Look,
    kind: Number { default: 7.5, range: (1.0, 30.0), display: (1.0, 15.0), step: 0.5, digits: 2 },
};

/// How much of the contrast that guidance adds is removed again.
pub static RESCALE: Setting<Number> = Setting {
    id: c"rescale",
    label: c"Guidance rescale",
    hint: c"How much of the contrast that guidance adds is removed again, from 0 to 1.",
    engine: TOONCRAFTER,
    decides: Decides::Look,
    kind: Number { default: 0.7, range: (0.0, 1.0), display: (0.0, 1.0), step: 0.05, digits: 2 },
};

/// The frame-rate condition `fs`.
pub static MOTION: Setting<Number> = Setting {
    id: c"motion",
    label: c"Motion",
    hint: c"The frame rate that the model assumes: smaller for larger motion between the keys.",
    engine: TOONCRAFTER,
    decides: Decides::Look,
    kind: Number { default: 10.0, range: (1.0, 60.0), display: (5.0, 30.0), step: 1.0, digits: 2 },
};

/// Precision of the networks.
pub static PRECISION: Setting<Choice<PrecisionChoice>> = Setting {
    id: c"precision",
    label: c"Precision",
    hint: c"Automatic computes in 16 bits on graphics cards and on processors that are faster that way, otherwise \
            in 32 bits.",
    engine: TOONCRAFTER,
    decides: Decides::Look,
    kind: Choice {
        options: &[
            option(PrecisionChoice::Auto, c"Automatic", "auto", "decided by the device"),
            option(PrecisionChoice::F32, c"32 bits", "f32", "32 bits"),
            option(
                PrecisionChoice::Bf16,
                c"16 bits (bf16)",
                "bf16",
                "16 bits with the range of f32",
            ),
        ],
        default: PrecisionChoice::Auto,
    },
};

/// Where the networks run.
pub static DEVICE: Setting<Choice<DeviceChoice>> = Setting {
    id: c"device",
    label: c"Device",
    hint: c"Where ToonCrafter computes. Automatic uses a graphics card of NVIDIA or Apple if there is a \
            suitable one.",
    engine: TOONCRAFTER,
    decides: Decides::Work,
    kind: Choice {
        options: &[
            option(DeviceChoice::Auto, c"Automatic", "auto", "a GPU if there is one"),
            option(DeviceChoice::Cpu, c"Processor", "cpu", "the processor"),
            option(DeviceChoice::Cuda, c"NVIDIA", "cuda", "an NVIDIA GPU"),
            option(DeviceChoice::Metal, c"Apple", "metal", "the GPU of a Mac"),
        ],
        default: DeviceChoice::Auto,
    },
};

/// Most memory to use on the device; 0 for all that is free.
pub static MEMORY_LIMIT: Setting<Integer> = Setting {
    id: c"memoryLimit",
    label: c"Memory limit (MB)",
    hint: c"Most memory that ToonCrafter may use on its device. 0 lets it use all that is free.",
    engine: TOONCRAFTER,
    decides: Decides::Work,
    kind: Integer { default: 0, range: (0, 1_048_576), display: (0, 98_304) },
};

/// Whether the viewer shows Flow's drawing while ToonCrafter works.
pub static DRAFT: Setting<Switch> = Setting {
    id: c"draft",
    label: c"Show a draft while drawing",
    hint: c"In the viewer, shows Flow's drawing with the label DRAFT at once while ToonCrafter works; press \
            Status to see the finished one. Final renders always wait. Turn this off in hosts that reuse viewer \
            frames in final renders.",
    engine: TOONCRAFTER,
    decides: Decides::Work,
    kind: Switch { default: false },
};
