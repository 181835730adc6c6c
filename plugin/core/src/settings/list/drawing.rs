//! Engine, quality, colours, output, and the sketches that guide a drawing.

use crate::Encoding;
use crate::settings::setting::{Choice, Decides, Number, Setting, Switch, option};
use crate::settings::{EngineKind, Output, Quality};
use crate::sketch::Lines;

/// The engine; `None` for ToonCrafter if its checkpoint is set and exists, else Flow.
pub static ENGINE: Setting<Choice<Option<EngineKind>>> = Setting {
    id: c"engine",
    label: c"Engine",
    hint: c"What draws the in-betweens. Flow moves the two keys' own lines and colours; it needs no graphics \
            card and no download. ToonCrafter invents motion with a generative model; it needs its checkpoint \
            and prefers a graphics card. Auto uses ToonCrafter if a Checkpoint is chosen and that file exists \
            on this machine, otherwise Flow; choose ToonCrafter for a render farm, so that a machine without the \
            file reports it.",
    engine: None,
    decides: Decides::Look,
    kind: Choice {
        // In the order in which they were added, since saved projects store the index.
        options: &[
            option(Some(EngineKind::Flow), c"Flow", "flow", "on any machine, in a moment"),
            option(None, c"Auto", "auto", "ToonCrafter if there is a checkpoint, else Flow"),
            option(
                Some(EngineKind::ToonCrafter),
                c"ToonCrafter",
                "tooncrafter",
                "the generative model",
            ),
        ],
        default: None,
    },
};

/// The size of the pictures in which motion is searched.
pub static QUALITY: Setting<Choice<Quality>> = Setting {
    id: c"quality",
    label: c"Quality",
    hint: c"Draft searches for motion in a smaller picture. High also searches in a larger one and uses it where that \
            finds clearly more; the first in-between of two keys then takes more than three times as long.",
    engine: None,
    decides: Decides::Look,
    kind: Choice {
        options: &[
            option(Quality::Draft, c"Draft", "draft", "fast"),
            option(Quality::Standard, c"Standard", "standard", "usual"),
            option(Quality::High, c"High", "high", "tries larger pictures too"),
        ],
        default: Quality::Standard,
    },
};

/// How the pixels are encoded; `None` decides by bit depth and host.
pub static COLOUR: Setting<Choice<Option<Encoding>>> = Setting {
    id: c"colour",
    label: c"Colour",
    hint: c"How the clips are encoded. Automatic uses the colourspace that the host reports; if it reports none, 8-bit \
            and 16-bit integer pictures are sRGB and float pictures linear light, except in hosts that deliver \
            display colours.",
    engine: None,
    decides: Decides::Look,
    kind: Choice {
        options: &[
            option(None, c"Automatic", "auto", "decided by depth and host"),
            option(Some(Encoding::Srgb), c"sRGB", "srgb", "display colours"),
            option(Some(Encoding::Linear), c"Linear", "linear", "scene-linear light"),
        ],
        default: None,
    },
};

/// Which picture of the in-between is wanted.
pub static OUTPUT: Setting<Choice<Output>> = Setting {
    id: c"output",
    label: c"Output",
    hint: c"The in-between itself; how sure the engine is of each pixel (white is sure); or the motion in pixels \
            per frame (red to the right, green upwards).",
    engine: None,
    decides: Decides::Look,
    kind: Choice {
        options: &[
            option(Output::InBetween, c"In-between", "in-between", "the drawing itself"),
            option(Output::Confidence, c"Confidence", "confidence", "how sure the engine is of each pixel"),
            option(Output::Motion, c"Motion", "motion", "pixels per frame"),
        ],
        default: Output::InBetween,
    },
};

/// Whether sketches are used.
pub static USE_SKETCH: Setting<Switch> = Setting {
    id: c"useSketch",
    label: c"Use sketch",
    hint: c"Lets the line drawings in the clip Sketch guide the in-betweens. Each sketch is followed at its own \
            frame; frames whose sketch is blank or missing are drawn without one.",
    engine: None,
    decides: Decides::Moment,
    kind: Switch { default: false },
};

/// How lines differ from the paper in sketches.
pub static SKETCH_LINES: Setting<Choice<Lines>> = Setting {
    id: c"sketchLines",
    label: c"Sketch lines",
    hint:
        c"How lines differ from their paper. Automatic recognises ink, pencil, chalk, and strokes on \
            transparency.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(Lines::Auto, c"Automatic", "auto", "detected from the sketch"),
            option(Lines::DarkOnLight, c"Dark on light", "dark-on-light", "ink on paper"),
            option(Lines::LightOnDark, c"Light on dark", "light-on-dark", "chalk on black"),
            option(Lines::Alpha, c"Alpha", "alpha", "strokes on transparency"),
        ],
        default: Lines::Auto,
    },
};

/// How closely sketches are followed.
pub static SKETCH_STRENGTH: Setting<Number> = Setting {
    id: c"sketchStrength",
    label: c"Sketch strength",
    hint: c"How closely the lines are followed, from 0 (not at all) to 1.",
    engine: None,
    decides: Decides::Look,
    kind: Number { default: 0.6, range: (0.0, 1.0), display: (0.0, 1.0), step: 0.05, digits: 2 },
};
