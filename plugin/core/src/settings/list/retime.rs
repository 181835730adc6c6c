//! What is drawn at all, and how a clip is retimed.

use super::span::FARTHEST;
use crate::settings::setting::{Choice, Decides, Number, Setting, option};

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What lies between two key drawings.
    InBetweens,
    /// A clip at another rate.
    Retime,
}

/// The rate to retime to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ToRate {
    /// Twice the source's.
    Twice,
    /// The project's.
    Project,
    /// This one, in frames for a second.
    Fixed(f64),
    /// The one in [`CUSTOM_RATE`].
    Custom,
}

/// What a transfer did to a film that is undone before it is retimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// What is found.
    Auto,
    /// Nothing.
    Off,
    /// Fields of a telecine, and the frames it repeats.
    Telecine,
    /// Fields that are pictures of their own.
    Deinterlace,
    /// Fields or frames that are a mix of two.
    Blends,
    /// Frames that were repeated for another rate.
    Duplicates,
}

/// What a frame of the timeline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeline {
    /// What the host is known for.
    Automatic,
    /// A frame of the source: the output gets longer.
    OfSource,
    /// A frame of the output: the host repeats those of the source.
    OfOutput,
}

/// What is drawn.
pub static MODE: Setting<Choice<Mode>> = Setting {
    id: c"mode",
    label: c"Draw",
    hint: c"In-betweens of two keys draws what lies between two key drawings. Retime a clip plays the clip \
            Source at a higher rate: it finds the drawings in it, for how long each is held and where the cuts \
            are, and draws between them.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(
                Mode::InBetweens,
                c"In-betweens of two keys",
                "in-betweens",
                "what lies between two keys",
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
    hint: c"The frame rate of Source, such as 12, 24 or 23.976. 0 takes what the host tells of the clip.",
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
    hint: c"The frame rate of the output. Where the timeline runs at the new rate already, it is that of the \
            project, and a number counts only if the host does not tell it.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(ToRate::Twice, c"Twice the source's", "twice", "two frames for each"),
            option(ToRate::Project, c"The project's", "project", "what the project has"),
            option(ToRate::Fixed(23.976), c"23.976 fps", "23.976", "24000/1001"),
            option(ToRate::Fixed(24.0), c"24 fps", "24", "film"),
            option(ToRate::Fixed(25.0), c"25 fps", "25", "PAL"),
            option(ToRate::Fixed(29.97), c"29.97 fps", "29.97", "30000/1001"),
            option(ToRate::Fixed(30.0), c"30 fps", "30", "whole"),
            option(ToRate::Fixed(48.0), c"48 fps", "48", "twice film"),
            option(ToRate::Fixed(50.0), c"50 fps", "50", "twice PAL"),
            option(ToRate::Fixed(59.94), c"59.94 fps", "59.94", "60000/1001"),
            option(ToRate::Fixed(60.0), c"60 fps", "60", "whole"),
            option(ToRate::Fixed(120.0), c"120 fps", "120", "whole"),
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

/// How much of the drawn rhythm goes.
pub static RETIME_STRENGTH: Setting<Number> = Setting {
    id: c"raiseStrength",
    label: c"Strength",
    hint: c"0 keeps the feel of twos: each drawing stays for as long as it was drawn for. 1 is on ones \
            everywhere: a new drawing on every frame. Between them some of the frames get a drawing.",
    engine: None,
    decides: Decides::Moment,
    kind: Number { default: 1.0, range: (0.0, 1.0), display: (0.0, 1.0), step: 0.05, digits: 2 },
};

/// What is undone before a film is retimed. Of the command line only: a host gives finished frames.
pub static RESTORE: Setting<Choice<Restore>> = Setting {
    id: c"restore",
    label: c"Restore",
    hint: c"What a transfer to tape or disc did to a film is undone first: fields put together again, repeated \
            and blended frames left out.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(Restore::Auto, c"Automatic", "auto", "what is found"),
            option(Restore::Off, c"Off", "off", "every frame as it is"),
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

/// What a frame of the timeline is.
pub static TIMELINE: Setting<Choice<Timeline>> = Setting {
    id: c"timeline",
    label: c"Timeline runs at",
    hint: c"The source's rate: each frame of Source stands on one frame of the timeline, and the output gets \
            longer (Natron, Nuke, Fusion). The new rate: the host repeats frames of Source so that it lasts as \
            long as before (Resolve and other editors). Automatic goes by the host.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(Timeline::Automatic, c"Automatic", "auto", "by the host"),
            option(Timeline::OfSource, c"The source's rate", "source", "the output gets longer"),
            option(Timeline::OfOutput, c"The new rate", "output", "the host repeats frames"),
        ],
        default: Timeline::Automatic,
    },
};

/// Where the clip begins, where the host does not tell.
pub static CLIP_START: Setting<Number> = Setting {
    id: c"clipStart",
    label: c"Clip starts at",
    hint: c"The frame on which Source begins. Used only where the host does not tell which frames the clip has.",
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
