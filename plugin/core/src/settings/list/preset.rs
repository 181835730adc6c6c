//! Presets: one choice that sets several others once. The values are listed here for both the panel
//! and the command line.

use super::{CHART, ENGINE, EXPOSURE, MODE, Mode, QUALITY, RETIME_STRENGTH, TO_RATE, ToRate};
use crate::settings::setting::{AnySetting, Choice, Decides, Setting, option};
use crate::settings::{EngineKind, Quality};
use crate::timing::{Chart, Exposure};

/// A task that comes up often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Even steps on ones.
    SmoothPan,
    /// Eased at both keys, on twos.
    SnappyOnTwos,
    /// Fine lines.
    LineArt,
    /// Keys that show different subjects.
    Morph,
    /// A film with few frames per second, retimed to 60.
    OldFootage,
    /// Animation on twos, put on ones at its own rate.
    FinishTwos,
}

/// The preset to set; `None` sets nothing.
pub static PRESET: Setting<Choice<Option<Preset>>> = Setting {
    id: c"preset",
    label: c"Preset",
    hint: c"Sets Timing chart, Exposure, Engine, Quality, Draw, To and Strength for a common task. They \
            are set once, when the preset is chosen, and can be changed afterwards.",
    engine: None,
    decides: Decides::Work,
    kind: Choice {
        options: &[
            option(None, c"None", "none", "sets nothing"),
            option(Some(Preset::SmoothPan), c"Smooth pan", "smooth-pan", "even steps on ones"),
            option(
                Some(Preset::SnappyOnTwos),
                c"Snappy on twos",
                "snappy-on-twos",
                "eased at both keys, held for two frames",
            ),
            option(Some(Preset::LineArt), c"Line art", "line-art", "fine lines"),
            option(
                Some(Preset::Morph),
                c"Morph between scenes",
                "morph",
                "keys that show different subjects",
            ),
            option(
                Some(Preset::OldFootage),
                c"Old footage to 60 fps",
                "old-footage",
                "a clip with few frames per second, at 60",
            ),
            option(
                Some(Preset::FinishTwos),
                c"Finish the twos",
                "finish-the-twos",
                "puts a clip on twos on ones, at its own rate",
            ),
        ],
        default: None,
    },
};

/// The values of a preset. Settings that it does not name get their defaults, so that nothing
/// remains of another preset.
struct Values {
    mode: Mode,
    chart: Option<Chart>,
    exposure: Exposure,
    engine: Option<EngineKind>,
    quality: Quality,
    to_rate: ToRate,
    strength: f64,
}

/// The value that a setting gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SetTo {
    /// An option of a choice: its index, and its name on the command line.
    Option(usize, &'static str),
    /// A number.
    Number(f64),
}

impl Preset {
    fn values(self) -> Values {
        let usual = Values {
            mode: MODE.kind.default,
            chart: CHART.kind.default.clone(),
            exposure: EXPOSURE.kind.default,
            engine: ENGINE.kind.default,
            quality: QUALITY.kind.default,
            to_rate: TO_RATE.kind.default,
            strength: RETIME_STRENGTH.kind.default,
        };
        match self {
            Self::SmoothPan => Values { engine: Some(EngineKind::Flow), ..usual },
            Self::SnappyOnTwos => {
                Values { chart: Some(Chart::EaseInOut), exposure: Exposure::Twos, ..usual }
            }
            Self::LineArt => {
                Values { engine: Some(EngineKind::Flow), quality: Quality::High, ..usual }
            }
            Self::Morph => Values { chart: Some(Chart::EaseInOut), ..usual },
            Self::OldFootage => {
                Values { mode: Mode::Retime, to_rate: ToRate::Fixed(60.0), ..usual }
            }
            Self::FinishTwos => Values { mode: Mode::Retime, to_rate: ToRate::Project, ..usual },
        }
    }

    /// Whether it draws between two keys or retimes a clip.
    pub fn mode(self) -> Mode {
        self.values().mode
    }

    /// Each setting of the preset, and its value.
    pub fn sets(self) -> [(&'static dyn AnySetting, SetTo); 7] {
        let Values { mode, chart, exposure, engine, quality, to_rate, strength } = self.values();
        [
            (&MODE, set(&MODE, &mode)),
            (&CHART, set(&CHART, &chart)),
            (&EXPOSURE, set(&EXPOSURE, &exposure)),
            (&ENGINE, set(&ENGINE, &engine)),
            (&QUALITY, set(&QUALITY, &quality)),
            (&TO_RATE, set(&TO_RATE, &to_rate)),
            (&RETIME_STRENGTH, SetTo::Number(strength)),
        ]
    }
}

fn set<T: PartialEq + 'static>(of: &Setting<Choice<T>>, value: &T) -> SetTo {
    let index = of.kind.index_of(value);
    SetTo::Option(index, of.kind.options[index].name)
}
