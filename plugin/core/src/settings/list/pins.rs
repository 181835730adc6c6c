//! Pins: points of a figure whose path the artist sets. There are twelve, each with the same four
//! settings.

use std::ffi::CStr;

use crate::pins::MOST_PINS;
use crate::settings::EngineKind;
use crate::settings::setting::{AnySetting, Decides, Integer, Number, Point, Setting, Switch};

/// Only Flow uses pins.
const FLOW: Option<EngineKind> = Some(EngineKind::Flow);

/// Whether pins are used.
pub static USE_PINS: Setting<Switch> = Setting {
    id: c"usePins",
    label: c"Use pins",
    hint: c"Shows pins in the viewer. A pin says where a point is in the first key and where in the last. It binds the \
            figure or part under it, moves nothing else, and overrides the motion that was found. Engine: Flow.",
    engine: FLOW,
    decides: Decides::Moment,
    kind: Switch { default: false },
};

/// How many pins are used, counted from the first.
pub static PIN_COUNT: Setting<Integer> = Setting {
    id: c"pinCount",
    label: c"Pins",
    hint: c"How many pins are used. One shifts a figure, two turn and scale it, three stretch and slant it as \
            well. A pin with both ends in the middle of the picture is not placed yet and does nothing.",
    engine: FLOW,
    decides: Decides::Moment,
    kind: Integer { default: 1, range: (1, MOST_PINS as i32), display: (1, MOST_PINS as i32) },
};

/// The settings of one pin.
#[derive(Debug)]
pub struct PinSettings {
    /// Its place in the first key.
    pub first: Setting<Point>,
    /// Its place in the last key.
    pub last: Setting<Point>,
    /// The position at which it passes its way point. At 0 and 1, which are the keys, there is no
    /// way point.
    pub when: Setting<Number>,
    /// Its way point.
    pub way: Setting<Point>,
}

impl PinSettings {
    /// Its settings in the order in which they are shown.
    pub fn all(&self) -> [&dyn AnySetting; 4] {
        [&self.first, &self.last, &self.when, &self.way]
    }
}

const fn point(id: &'static CStr, label: &'static CStr, hint: &'static CStr) -> Setting<Point> {
    let kind = Point { default: [0.5, 0.5] };
    Setting { id, label, hint, engine: FLOW, decides: Decides::Moment, kind }
}

/// Concatenates texts to one C string at compile time.
macro_rules! text {
    ($($part:expr),*) => {
        match CStr::from_bytes_with_nul(concat!($($part,)* "\0").as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("a text has no NUL within"),
        }
    };
}

macro_rules! pins {
    ($($n:literal)*) => {
        [$(PinSettings {
            first: point(
                text!("pin", $n, "From"),
                text!("Pin ", $n, ": first key"),
                text!("The place of pin ", $n, " in the first key: on the figure or part that it binds."),
            ),
            last: point(
                text!("pin", $n, "To"),
                text!("Pin ", $n, ": last key"),
                text!("The place of the same point of the figure in the last key."),
            ),
            when: Setting {
                id: text!("pin", $n, "When"),
                label: text!("Pin ", $n, ": passes at"),
                hint: text!(
                    "The position at which pin ", $n, " passes its point on the way, from 0 (first key) to 1 (last \
                     key), as in a timing chart; at 0 there is no such point and the path is straight."
                ),
                engine: FLOW,
                decides: Decides::Moment,
                kind: Number {
                    default: 0.0, range: (0.0, 1.0), display: (0.0, 1.0), step: 0.05, digits: 3,
                },
            },
            way: point(
                text!("pin", $n, "Way"),
                text!("Pin ", $n, ": on the way"),
                text!("The place that pin ", $n, " passes on its way, which bends the path to an arc."),
            ),
        }),*]
    };
}

/// All pins, in order.
pub static PINS: [PinSettings; MOST_PINS] = pins!(1 2 3 4 5 6 7 8 9 10 11 12);
