//! The effect's panel: every parameter with its heading and contexts. What artists set is described
//! in [`inbetween_core::settings::list`]; headings, buttons and reports belong to the plug-in.
//!
//! Ids never change, because saved projects store them.

#[cfg(test)]
mod guide;
mod ids;
#[cfg(test)]
mod kdenlive;
#[cfg(test)]
mod tests;

use std::ffi::CStr;
use std::sync::LazyLock;

pub(crate) use ids::*;
use inbetween_core::settings::AnySetting;
pub(crate) use inbetween_core::settings::list::*;

use crate::ofx::Context;

/// What a parameter is.
pub(crate) enum RowKind {
    /// A heading. The parameters that name it are below it, initially shown or folded away.
    Group { id: &'static CStr, label: &'static CStr, open: bool },
    /// A setting for the artist.
    Setting(&'static dyn AnySetting),
    /// Something to press.
    Button(Named),
    /// A line of text that the effect writes; it is not saved.
    Report(Named),
    /// A text from older versions' projects that no longer has any effect. No host shows it.
    Former(Named),
    /// A counter that only the effect increases, to make the host request pictures again.
    Counter(Named),
}

/// Names of a parameter that belongs to the plug-in.
pub(crate) struct Named {
    id: &'static CStr,
    label: &'static CStr,
    hint: &'static CStr,
}

/// One parameter.
pub(crate) struct Param {
    /// What it is.
    pub(crate) what: RowKind,
    /// The heading above it.
    pub(crate) group: Option<&'static CStr>,
    /// Whether it may be keyframed. Most may not, because a clip has one set of keys and one look.
    pub(crate) animates: bool,
    /// The contexts in which it has a meaning.
    pub(crate) contexts: &'static [Context],
}

impl Param {
    /// The permanent id.
    pub(crate) fn id(&self) -> &'static CStr {
        match self.what {
            RowKind::Group { id, .. } => id,
            RowKind::Setting(setting) => setting.id(),
            RowKind::Button(ref named)
            | RowKind::Report(ref named)
            | RowKind::Former(ref named)
            | RowKind::Counter(ref named) => named.id,
        }
    }

    /// The label that the artist reads.
    pub(crate) fn label(&self) -> &'static CStr {
        match self.what {
            RowKind::Group { label, .. } => label,
            RowKind::Setting(setting) => setting.label(),
            RowKind::Button(ref named)
            | RowKind::Report(ref named)
            | RowKind::Former(ref named)
            | RowKind::Counter(ref named) => named.label,
        }
    }

    /// What it does, as a sentence; headings have none.
    pub(crate) fn hint(&self) -> Option<&'static CStr> {
        match self.what {
            RowKind::Group { .. } => None,
            RowKind::Setting(setting) => Some(setting.hint()),
            RowKind::Button(ref named)
            | RowKind::Report(ref named)
            | RowKind::Former(ref named)
            | RowKind::Counter(ref named) => Some(named.hint),
        }
    }
}

/// Contexts in which the effect finds its keys by time.
const TIMED: &[Context] = &[Context::Filter, Context::General];
const EVERYWHERE: &[Context] = &Context::ALL;

/// Contexts with a clip for sketches.
const SKETCHED: &[Context] = &[Context::General];

const fn group(id: &'static CStr, label: &'static CStr, contexts: &'static [Context]) -> Param {
    let what = RowKind::Group { id, label, open: true };
    Param { what, group: None, animates: false, contexts }
}

/// A heading that is folded at first, because few artists need it for a first in-between.
const fn folded(id: &'static CStr, label: &'static CStr, contexts: &'static [Context]) -> Param {
    let what = RowKind::Group { id, label, open: false };
    Param { what, group: None, animates: false, contexts }
}

const fn setting(
    of: &'static dyn AnySetting,
    group: &'static CStr,
    contexts: &'static [Context],
) -> Param {
    Param { what: RowKind::Setting(of), group: Some(group), animates: false, contexts }
}

/// Timing that may be keyframed: each span uses the value at its first key.
const fn of_each_span(of: &'static dyn AnySetting, contexts: &'static [Context]) -> Param {
    Param { what: RowKind::Setting(of), group: Some(GROUP_TIMING), animates: true, contexts }
}

const fn button(
    id: &'static CStr,
    label: &'static CStr,
    hint: &'static CStr,
    group: &'static CStr,
    contexts: &'static [Context],
) -> Param {
    let what = RowKind::Button(Named { id, label, hint });
    Param { what, group: Some(group), animates: false, contexts }
}

/// Parameters above the places of the pins.
static ABOVE_PINS: &[Param] = &[
    Param { what: RowKind::Setting(&PRESET), group: None, animates: false, contexts: EVERYWHERE },
    group(GROUP_KEYS, c"Keys", TIMED),
    setting(&KEYS_FROM, GROUP_KEYS, TIMED),
    setting(&FIRST_FILE, GROUP_KEYS, TIMED),
    setting(&LAST_FILE, GROUP_KEYS, TIMED),
    setting(&FIRST_KEY, GROUP_KEYS, TIMED),
    setting(&LAST_KEY, GROUP_KEYS, TIMED),
    button(
        PREVIOUS_DRAWING,
        c"Previous drawing",
        c"Moves both keys back by one drawing: to the first key's drawing and the previous one in Source. \
          Used with Keys from: Times in one clip.",
        GROUP_KEYS,
        TIMED,
    ),
    button(
        SPAN_HERE,
        c"Span around this frame",
        c"Finds the drawing that Source shows on this frame, and sets First key to its first frame and Last \
          key to the next drawing. Used with Keys from: Times in one clip.",
        GROUP_KEYS,
        TIMED,
    ),
    button(
        NEXT_DRAWING,
        c"Next drawing",
        c"Moves both keys forward by one drawing: to the last key's drawing and the next one in Source. \
          Used with Keys from: Times in one clip.",
        GROUP_KEYS,
        TIMED,
    ),
    setting(&KEY_FRAMES, GROUP_KEYS, TIMED),
    button(
        FIND_DRAWINGS,
        c"Find drawings",
        c"Examines all of Source and fills Key frames with the frames on which its drawings begin. Frames without a \
          drawing belong to the previous one. Used with Keys from: Every drawing in one clip.",
        GROUP_KEYS,
        TIMED,
    ),
    Param {
        what: RowKind::Setting(&TRANSITION),
        group: None,
        animates: true,
        contexts: &[Context::Transition],
    },
    group(GROUP_TIMING, c"Timing", EVERYWHERE),
    of_each_span(&CHART, EVERYWHERE),
    of_each_span(&CUSTOM_CHART, EVERYWHERE),
    of_each_span(&EXPOSURE, TIMED),
    setting(&MOTION_PATH, GROUP_TIMING, TIMED),
    group(GROUP_DRAWING, c"Drawing", EVERYWHERE),
    setting(&ENGINE, GROUP_DRAWING, EVERYWHERE),
    setting(&QUALITY, GROUP_DRAWING, EVERYWHERE),
    setting(&COLOUR, GROUP_DRAWING, EVERYWHERE),
    setting(&OUTPUT, GROUP_DRAWING, EVERYWHERE),
    folded(GROUP_SKETCH, c"Sketch", SKETCHED),
    setting(&USE_SKETCH, GROUP_SKETCH, SKETCHED),
    setting(&SKETCH_LINES, GROUP_SKETCH, SKETCHED),
    setting(&SKETCH_STRENGTH, GROUP_SKETCH, SKETCHED),
    folded(GROUP_PINS, c"Pins", EVERYWHERE),
    setting(&USE_PINS, GROUP_PINS, EVERYWHERE),
    setting(&PIN_COUNT, GROUP_PINS, EVERYWHERE),
];

/// Parameters below them.
static BELOW_PINS: &[Param] = &[
    folded(GROUP_TOONCRAFTER, c"ToonCrafter", EVERYWHERE),
    setting(&CHECKPOINT, GROUP_TOONCRAFTER, EVERYWHERE),
    setting(&SKETCH_CHECKPOINT, GROUP_TOONCRAFTER, SKETCHED),
    setting(&PROMPT, GROUP_TOONCRAFTER, EVERYWHERE),
    setting(&SEED, GROUP_TOONCRAFTER, EVERYWHERE),
    setting(&STEPS, GROUP_TOONCRAFTER, EVERYWHERE),
    setting(&SOLVER, GROUP_TOONCRAFTER, EVERYWHERE),
    setting(&GUIDANCE, GROUP_TOONCRAFTER, EVERYWHERE),
    setting(&RESCALE, GROUP_TOONCRAFTER, EVERYWHERE),
    setting(&MOTION, GROUP_TOONCRAFTER, EVERYWHERE),
    setting(&PRECISION, GROUP_TOONCRAFTER, EVERYWHERE),
    setting(&DEVICE, GROUP_TOONCRAFTER, EVERYWHERE),
    setting(&MEMORY_LIMIT, GROUP_TOONCRAFTER, EVERYWHERE),
    Param {
        what: RowKind::Former(Named {
            id: WORKER,
            label: c"Worker",
            hint: c"No longer has any effect. ToonCrafter runs in the program inbetween from the plug-in's own bundle, or \
                    in the one named by the variable INBETWEEN_WORKER: a project must not choose what runs on a \
                    machine.",
        }),
        group: Some(GROUP_TOONCRAFTER),
        animates: false,
        contexts: EVERYWHERE,
    },
    folded(GROUP_WORK, c"Work", EVERYWHERE),
    setting(&DRAFT, GROUP_WORK, EVERYWHERE),
    button(
        GENERATE,
        c"Generate",
        c"Starts drawing all in-betweens of this span in the background; for a retimed clip, those between \
          the drawings around this frame.",
        GROUP_WORK,
        EVERYWHERE,
    ),
    button(
        CANCEL,
        c"Cancel",
        c"Stops the drawings that Generate and drafts have started for this effect.",
        GROUP_WORK,
        EVERYWHERE,
    ),
    button(
        STATUS,
        c"Status",
        c"Reports what is being drawn and for which frames the clip holds a drawing, and replaces drafts by \
          finished drawings.",
        GROUP_WORK,
        EVERYWHERE,
    ),
    Param {
        what: RowKind::Report(Named {
            id: STATUS_TEXT,
            label: c"State",
            hint: c"What was being drawn when a button was last pressed. Only the effect writes here.",
        }),
        group: Some(GROUP_WORK),
        animates: false,
        contexts: EVERYWHERE,
    },
    button(
        CLEAR_CACHE,
        c"Clear cache",
        c"Deletes every finished in-between from memory and from the cache folder, so that all are drawn \
          again. Keys and sketches are not touched.",
        GROUP_WORK,
        EVERYWHERE,
    ),
    Param {
        what: RowKind::Counter(Named {
            id: REVISION,
            label: c"Revision",
            hint: c"Counts finished drawings, so that the host asks for pictures again.",
        }),
        group: Some(GROUP_WORK),
        animates: false,
        contexts: EVERYWHERE,
    },
    folded(GROUP_RETIME, c"Retime a clip", TIMED),
    setting(&MODE, GROUP_RETIME, TIMED),
    setting(&FROM_RATE, GROUP_RETIME, TIMED),
    setting(&TO_RATE, GROUP_RETIME, TIMED),
    setting(&CUSTOM_RATE, GROUP_RETIME, TIMED),
    setting(&RETIME_STRENGTH, GROUP_RETIME, TIMED),
    setting(&TIMELINE, GROUP_RETIME, TIMED),
    setting(&CLIP_START, GROUP_RETIME, TIMED),
];

/// The parameters in the order in which they are shown.
pub(crate) fn all() -> impl Iterator<Item = &'static Param> {
    static PLACES: LazyLock<Vec<Param>> = LazyLock::new(|| {
        let settings = PINS.iter().flat_map(PinSettings::all);
        settings.map(|of| setting(of, GROUP_PINS, EVERYWHERE)).collect()
    });
    ABOVE_PINS.iter().chain(PLACES.iter()).chain(BELOW_PINS)
}
