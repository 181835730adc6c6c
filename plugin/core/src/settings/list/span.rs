//! Which keys are used, at which times, and how the in-betweens are spread between them.

use crate::EngineKind;
use crate::settings::setting::{Choice, Decides, File, Number, Setting, Text, option};
use crate::timing::{Chart, Exposure};

/// Where the keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysFrom {
    /// The clips Source and KeyB.
    TwoClips,
    /// Two times in Source.
    OneClip,
    /// Two picture files.
    Files,
    /// The frames of Source that [`KEY_FRAMES`] names.
    EveryDrawing,
}

/// How the movement between keys is shaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MotionPath {
    /// In arcs and with changes of speed that follow from the drawings before and after the keys.
    Smooth,
    /// Straight and even.
    Straight,
}

/// Farthest frame for a key; the sliders show a smaller range.
pub(super) const FARTHEST: f64 = 1_000_000.0;

/// Where the keys come from. The default is another one in hosts without a second clip.
pub static KEYS_FROM: Setting<Choice<KeysFrom>> = Setting {
    id: c"keysFrom",
    label: c"Keys from",
    hint: c"Where the key drawings come from: the clips Source and KeyB, two times in Source, two picture files, or all \
            drawings of Source, as one movement.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(KeysFrom::TwoClips, c"Two clips", "clips", "Source and KeyB"),
            option(KeysFrom::OneClip, c"Times in one clip", "clip", "two frames of Source"),
            option(KeysFrom::Files, c"Image files", "files", "two picture files"),
            option(
                KeysFrom::EveryDrawing,
                c"Every drawing in one clip",
                "every",
                "all drawings of Source",
            ),
        ],
        default: KeysFrom::TwoClips,
    },
};

/// How the movement between keys is shaped if more drawings than the two keys are known.
pub static MOTION_PATH: Setting<Choice<MotionPath>> = Setting {
    id: c"path",
    label: c"Path",
    hint: c"How things move from key to key if the drawing before the first key or the one after the last is known. \
            Smooth: in arcs and with changes of speed, without a jerk at the keys. Straight: evenly along the shortest path, \
            as with two keys alone.",
    engine: Some(EngineKind::Flow),
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(MotionPath::Smooth, c"Smooth", "smooth", "through the drawings beside the keys"),
            option(MotionPath::Straight, c"Straight", "straight", "from key to key only"),
        ],
        default: MotionPath::Smooth,
    },
};

/// The first key as a file.
pub static FIRST_FILE: Setting<File> = Setting {
    id: c"firstKeyFile",
    label: c"First key file",
    hint:
        c"The first key drawing as a PNG, JPEG, TIFF or EXR file. Used with Keys from: Image files.",
    engine: None,
    decides: Decides::Moment,
    kind: File,
};

/// The last key as a file.
pub static LAST_FILE: Setting<File> = Setting {
    id: c"lastKeyFile",
    label: c"Last key file",
    hint:
        c"The last key drawing as a PNG, JPEG, TIFF or EXR file. Used with Keys from: Image files.",
    engine: None,
    decides: Decides::Moment,
    kind: File,
};

const fn key_time(default: f64) -> Number {
    Number { default, range: (-FARTHEST, FARTHEST), display: (0.0, 250.0), step: 1.0, digits: 2 }
}

/// The time of the first key.
pub static FIRST_KEY: Setting<Number> = Setting {
    id: c"firstKey",
    label: c"First key",
    hint: c"The frame of the first key. Up to this frame the output is the first key itself.",
    engine: None,
    decides: Decides::Moment,
    kind: key_time(1.0),
};

/// The time of the last key. By default seven in-betweens lie between the keys.
pub static LAST_KEY: Setting<Number> = Setting {
    id: c"lastKey",
    label: c"Last key",
    hint: c"The frame of the last key. From this frame on the output is the last key itself.",
    engine: None,
    decides: Decides::Moment,
    kind: key_time(9.0),
};

/// The progress of a transition between the keys. The id is prescribed by the standard.
pub static TRANSITION: Setting<Number> = Setting {
    id: c"Transition",
    label: c"Position",
    hint: c"The position of the drawing between the two keys: 0 is the first key, 1 the last.",
    engine: None,
    decides: Decides::Moment,
    kind: Number { default: 0.0, range: (0.0, 1.0), display: (0.0, 1.0), step: 0.01, digits: 3 },
};

/// The keys among the frames of a clip, in the syntax of [`KeyFrames`](crate::timing::KeyFrames).
pub static KEY_FRAMES: Setting<Text> = Setting {
    id: c"keyFrames",
    label: c"Key frames",
    hint: c"The frames of the keys in Source, such as 1 7 12; a | begins a new scene, and nothing is drawn across it. \
            Find drawings fills in this list, and you may change it. Used with Keys from: Every drawing in one \
            clip.",
    engine: None,
    decides: Decides::Moment,
    kind: Text { default: c"", longest: usize::MAX },
};

/// How the in-betweens are spaced; `None` for [`CUSTOM_CHART`].
pub static CHART: Setting<Choice<Option<Chart>>> = Setting {
    id: c"timingChart",
    label: c"Timing chart",
    hint: c"How the in-betweens are spaced between the keys. If it is keyframed, each span uses the value at its \
            first key.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(Some(Chart::Linear), c"Linear", "linear", "evenly"),
            option(Some(Chart::EaseIn), c"Ease in", "ease-in", "closer before the last key"),
            option(Some(Chart::EaseOut), c"Ease out", "ease-out", "closer after the first key"),
            option(
                Some(Chart::EaseInOut),
                c"Ease in and out",
                "ease-in-out",
                "closer at both keys",
            ),
            option(
                Some(Chart::FavourFirst),
                c"Favour first key",
                "favour-first",
                "the middle drawing on a third",
            ),
            option(
                Some(Chart::FavourLast),
                c"Favour last key",
                "favour-last",
                "the middle drawing on two thirds",
            ),
            option(None, c"Custom", "custom", "positions of your own"),
        ],
        default: Some(Chart::Linear),
    },
};

/// The artist's own chart. Its positions are checked where it is used.
pub static CUSTOM_CHART: Setting<Text> = Setting {
    id: c"customChart",
    label: c"Custom chart",
    hint: c"Positions of the in-betweens, from 0 (first key) to 1 (last key), such as 0.1 0.35 0.6 0.9 or 10% \
            1/3 2/3. Used with Timing chart: Custom.",
    engine: None,
    decides: Decides::Moment,
    kind: Text { default: c"0.25 0.5 0.75", longest: usize::MAX },
};

/// How many frames each in-between is held for.
pub static EXPOSURE: Setting<Choice<Exposure>> = Setting {
    id: c"exposure",
    label: c"Exposure",
    hint: c"How many frames each in-between is held for, counted from the first key. If it is keyframed, each span uses the \
            value at its first key.",
    engine: None,
    decides: Decides::Moment,
    kind: Choice {
        options: &[
            option(Exposure::Ones, c"On ones", "ones", "a new drawing on every frame"),
            option(Exposure::Twos, c"On twos", "twos", "a new drawing on every second frame"),
            option(Exposure::Threes, c"On threes", "threes", "a new drawing on every third frame"),
        ],
        default: Exposure::Ones,
    },
};
