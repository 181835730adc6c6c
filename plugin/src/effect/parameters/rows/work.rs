//! The work itself: drawn ahead, stopped, told of, cleared away.

use super::*;

/// A parameter about the work itself.
const fn work(id: &'static CStr, label: &'static CStr, hint: &'static CStr, shape: Shape) -> Param {
    let group = Some(GROUP_WORK);
    Param { id, label, hint, shape, group, animates: false, contexts: EVERYWHERE }
}

/// In the order in which they are shown.
pub(super) const PARAMS: &[Param] = &[
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
