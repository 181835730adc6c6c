//! The mode, and how a clip is retimed.

use super::span::FARTHEST;
use crate::settings::setting::{Choice, Decides, Number, Setting, option};

/// What the effect does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Draws between two key drawings.
    InBetweens,
    /// Retimes a clip.
    Retime,
}

/// The rate to retime to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ToRate {
    /// Twice the source's.
    Twice,
    /// The project's.
    Project,
    /// A fixed rate, in frames per second.
    Fixed(f64),
    /// The rate in [`CUSTOM_RATE`].
    Custom,
}

/// Which damage of a film transfer is undone before retiming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// Whatever is found.
    Auto,
    /// Nothing.
    Off,
    /// Telecine: interlaced fields and repeated frames.
    Telecine,
    /// Interlaced video: each field is a picture of its own.
    Deinterlace,
    /// Blends: fields or frames that mix two pictures.
    Blends,
    /// Duplicates: frames that were repeated for another rate.
    Duplicates,
}

/// Whether a frame of the timeline is one of the source or one of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeline {
    /// Decided by what is known about the host.
    Automatic,
    /// A frame of the source: the output gets longer.
    OfSource,
    /// A frame of the output: the host repeats those of the source.
    OfOutput,
}

/// What the effect does.
pub static MODE: Setting<Choice<Mode>> = Setting {
    id: c"mode",
    label: c"Draw",
    hint: c"In-betweens of two keys draws the frames between two key drawings. Retime a clip plays the clip \
            Source at a higher rate: it finds its drawings, how long each is held and where the cuts \
            are, and draws between the drawings.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(
                Mode::InBetweens,
                c"In-betweens of two keys",
                "in-betweens",
                "the frames between two keys",
            ),
            option(Mode::Retime, c"Retime a clip", "retime", "a clip at a higher rate"),
        ],
        default: Mode::InBetweens,
    },
};

/// The rate of the source.
pub static FROM_RATE: Setting<Number> = Setting {
    id: c"fromRate",
    label: c"From (fps)",
    hint: c"The frame rate of Source, such as 12, 24 or 23.976. 0 uses the rate that the host reports.",
    engine: None,
    decides: Decides::Moment,
    kind: Number {
        default: 0.0,
        range: (0.0, 1000.0),
        display: (0.0, 60.0),
        step: 1.0,
        digits: 3,
    },
};

/// The rate of the output.
pub static TO_RATE: Setting<Choice<ToRate>> = Setting {
    id: c"toRate",
    label: c"To",
    hint: c"The frame rate of the output. If the timeline already runs at the new rate, the output has the project's \
            rate, and a number is used only if the host does not report that.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(ToRate::Twice, c"Twice the source's", "twice", "two frames for each of the source"),
            option(ToRate::Project, c"The project's", "project", "the rate of the project"),
            option(ToRate::Fixed(23.976), c"23.976 fps", "23.976", "24000/1001"),
            option(ToRate::Fixed(24.0), c"24 fps", "24", "film"),
            option(ToRate::Fixed(25.0), c"25 fps", "25", "PAL"),
            option(ToRate::Fixed(29.97), c"29.97 fps", "29.97", "30000/1001"),
            option(ToRate::Fixed(30.0), c"30 fps", "30", "30/1"),
            option(ToRate::Fixed(48.0), c"48 fps", "48", "twice film"),
            option(ToRate::Fixed(50.0), c"50 fps", "50", "twice PAL"),
            option(ToRate::Fixed(59.94), c"59.94 fps", "59.94", "60000/1001"),
            option(ToRate::Fixed(60.0), c"60 fps", "60", "60/1"),
            option(ToRate::Fixed(120.0), c"120 fps", "120", "120/1"),
            option(ToRate::Custom, c"Custom", "custom", "any other"),
        ],
        default: ToRate::Twice,
    },
};

/// The rate for [`ToRate::Custom`].
pub static CUSTOM_RATE: Setting<Number> = Setting {
    id: c"customRate",
    label: c"Custom rate (fps)",
    hint: c"Any frame rate, such as 15 or 47.952. Used with To: Custom.",
    engine: None,
    decides: Decides::Moment,
    kind: Number {
        default: 24.0,
        range: (0.001, 1000.0),
        display: (1.0, 120.0),
        step: 1.0,
        digits: 3,
    },
};

/// How far the original rhythm is smoothed out.
pub static RETIME_STRENGTH: Setting<Number> = Setting {
    id: c"raiseStrength",
    label: c"Strength",
    hint: c"0 keeps the feel of twos: each drawing is held for as long as in the source. 1 is on ones \
            everywhere: a new drawing on every frame. In between, some of the frames get a new drawing.",
    engine: None,
    decides: Decides::Moment,
    kind: Number { default: 1.0, range: (0.0, 1.0), display: (0.0, 1.0), step: 0.05, digits: 2 },
};

/// What is undone before a film is retimed. For the command line only: a host delivers finished
/// frames.
pub static RESTORE: Setting<Choice<Restore>> = Setting {
    id: c"restore",
    label: c"Restore",
    hint: c"Damage to a film by a transfer to tape or disc is undone first: fields are put together again, repeated \
            and blended frames are left out.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(Restore::Auto, c"Automatic", "auto", "whatever is found"),
            option(Restore::Off, c"Off", "off", "every frame stays as it is"),
            option(Restore::Telecine, c"Telecine", "telecine", "fields of 3:2 or 2:2 pulldown"),
            option(
                Restore::Deinterlace,
                c"Deinterlace",
                "deinterlace",
                "every field is a picture of its own",
            ),
            option(Restore::Blends, c"Blends", "blends", "mixes of two pictures"),
            option(Restore::Duplicates, c"Duplicates", "duplicates", "frames that were repeated"),
        ],
        default: Restore::Auto,
    },
};

/// What a frame of the timeline stands for.
pub static TIMELINE: Setting<Choice<Timeline>> = Setting {
    id: c"timeline",
    label: c"Timeline runs at",
    hint: c"The source's rate: each frame of Source takes one frame of the timeline, and the output gets \
            longer (Natron, Nuke, Fusion). The new rate: the host repeats frames of Source, so that the clip lasts as \
            long as before (Resolve and other editors). Automatic depends on the host.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(Timeline::Automatic, c"Automatic", "auto", "decided by the host"),
            option(Timeline::OfSource, c"The source's rate", "source", "the output gets longer"),
            option(Timeline::OfOutput, c"The new rate", "output", "the host repeats frames"),
        ],
        default: Timeline::Automatic,
    },
};

/// The first frame of the clip, for hosts that do not say.
pub static CLIP_START: Setting<Number> = Setting {
    id: c"clipStart",
    label: c"Clip starts at",
    hint: c"The frame on which Source begins. Used only if the host does not report which frames the clip has.",
    engine: None,
    decides: Decides::Moment,
    kind: Number {
        default: 1.0,
        range: (-FARTHEST, FARTHEST),
        display: (0.0, 250.0),
        step: 1.0,
        digits: 0,
    },
};
