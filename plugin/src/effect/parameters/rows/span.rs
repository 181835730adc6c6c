//! Which keys, when, and how the in-betweens are spread between them.

use super::*;

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

/// Finds keys among the drawings of a clip.
const fn find(id: &'static CStr, label: &'static CStr, hint: &'static CStr) -> Param {
    let shape = Shape::Button;
    Param { id, label, hint, shape, group: Some(GROUP_KEYS), animates: false, contexts: TIMED }
}

/// In the order in which they are shown.
pub(super) const PARAMS: &[Param] = &[
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
    find(
        PREVIOUS_DRAWING,
        c"Previous drawing",
        c"Moves both keys back by one drawing: to the first key's drawing and the one before it in Source. \
          Used with Keys from: Times in one clip.",
    ),
    find(
        SPAN_HERE,
        c"Span around this frame",
        c"Finds the drawing that Source shows on this frame and puts First key on its beginning, and Last \
          key on the next drawing. Used with Keys from: Times in one clip.",
    ),
    find(
        NEXT_DRAWING,
        c"Next drawing",
        c"Moves both keys on by one drawing: to the last key's drawing and the one after it in Source. \
          Used with Keys from: Times in one clip.",
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
];
