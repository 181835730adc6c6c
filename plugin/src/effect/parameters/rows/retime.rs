//! What is drawn at all, and how a clip is retimed.

use super::*;

/// A parameter of *Retime a clip*.
const fn retime(
    id: &'static CStr,
    label: &'static CStr,
    hint: &'static CStr,
    shape: Shape,
) -> Param {
    Param { id, label, hint, shape, group: Some(GROUP_RETIME), animates: false, contexts: TIMED }
}

/// In the order in which they are shown.
pub(super) const PARAMS: &[Param] = &[
    Param {
        contexts: TIMED,
        ..choice(
            MODE,
            c"Draw",
            c"In-betweens of two keys draws what lies between two key drawings. Retime a clip plays \
              the clip Source at a higher rate: it finds the drawings in it, for how long each is held and \
              where the cuts are, and draws between them.",
            &[c"In-betweens of two keys", c"Retime a clip"],
            0,
        )
    },
    group(GROUP_RETIME, c"Retime a clip", TIMED),
    retime(
        FROM_RATE,
        c"From (fps)",
        c"The frame rate of Source, such as 12, 24 or 23.976. 0 takes what the host tells of the clip.",
        Shape::Number {
            default: 0.0,
            range: (0.0, 1000.0),
            display: (0.0, 60.0),
            step: 1.0,
            digits: 3,
        },
    ),
    retime(
        TO_RATE,
        c"To",
        c"The frame rate of the output. Where the timeline runs at the new rate already, it is that of \
          the project, and a number counts only if the host does not tell it.",
        Shape::Choice {
            // In the order in which they came: saved projects hold the index.
            options: &[
                c"Twice the source's",
                c"The project's",
                c"23.976 fps",
                c"24 fps",
                c"25 fps",
                c"29.97 fps",
                c"30 fps",
                c"48 fps",
                c"50 fps",
                c"59.94 fps",
                c"60 fps",
                c"120 fps",
                c"Custom",
            ],
            default: 0,
        },
    ),
    retime(
        CUSTOM_RATE,
        c"Custom rate (fps)",
        c"Any frame rate, such as 15 or 47.952. Used with To: Custom.",
        Shape::Number {
            default: 24.0,
            range: (0.001, 1000.0),
            display: (1.0, 120.0),
            step: 1.0,
            digits: 3,
        },
    ),
    retime(
        RETIME_STRENGTH,
        c"Strength",
        c"0 keeps the feel of twos: each drawing stays for as long as it was drawn for. 1 is on ones \
          everywhere: a new drawing on every frame. Between them some of the frames get a drawing.",
        number(1.0, (0.0, 1.0), (0.0, 1.0), 0.05),
    ),
    retime(
        TIMELINE,
        c"Timeline runs at",
        c"The source's rate: each frame of Source stands on one frame of the timeline, and the output gets \
          longer (Natron, Nuke, Fusion). The new rate: the host repeats frames of Source so that it lasts \
          as long as before (Resolve and other editors). Automatic goes by the host.",
        Shape::Choice {
            options: &[c"Automatic", c"The source's rate", c"The new rate"],
            default: 0,
        },
    ),
    retime(
        CLIP_START,
        c"Clip starts at",
        c"The frame on which Source begins. Used only where the host does not tell which frames the clip has.",
        Shape::Number {
            default: 1.0,
            range: (-FARTHEST, FARTHEST),
            display: (0.0, 250.0),
            step: 1.0,
            digits: 0,
        },
    ),
];
