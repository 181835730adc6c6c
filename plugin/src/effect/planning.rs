//! Which keys a moment needs and where between them it lies. Pure: every answer to the host about
//! time, frames and identity, and the render itself, follow from the same plan.

use std::ffi::CStr;
use std::path::PathBuf;

use inbetween_core::Output;
use inbetween_core::timing::{Key, Place};

use super::choices::{Choices, KeysFrom};
use super::describe::{KEY_B, SOURCE, SOURCE_FROM, SOURCE_TO};
use crate::ofx::{Context, Error, Result};

/// Where a key is found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeySource {
    /// A clip at a time, in frames.
    Clip {
        /// The clip's name.
        name: &'static CStr,
        /// The time.
        time: f64,
    },
    /// A picture file.
    File(PathBuf),
}

/// What one moment needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// The first key.
    pub(crate) first: KeySource,
    /// The last key.
    pub(crate) last: KeySource,
    /// What is seen.
    pub(crate) place: Place,
    /// How far the position moves within one frame, around this moment.
    pub(crate) pace: f64,
}

/// Motion at a key is that of a drawing right beside it: this far away.
const BESIDE: f64 = 1e-3;

impl Plan {
    /// The plan for `time`.
    ///
    /// # Errors
    /// When the choices do not fit the context or each other; the text says what to change.
    pub(crate) fn new(choices: &Choices, time: f64) -> Result<Self> {
        if choices.context == Context::Transition {
            let place = place_in_transition(choices)?;
            let clip = |name| KeySource::Clip { name, time };
            return Ok(Self { first: clip(SOURCE_FROM), last: clip(SOURCE_TO), place, pace: 1.0 });
        }
        let [first_time, last_time] = choices.key_times;
        let clip = |name, time| KeySource::Clip { name, time };
        let (first, last) = match choices.keys_from {
            KeysFrom::TwoClips if choices.context == Context::Filter => {
                return Err(Error::ForArtist(
                    "This host gives the effect one clip only. Choose Keys from: Times in one clip, \
                     or Image files."
                        .into(),
                ));
            }
            KeysFrom::TwoClips => (clip(SOURCE, first_time), clip(KEY_B, last_time)),
            KeysFrom::OneClip => (clip(SOURCE, first_time), clip(SOURCE, last_time)),
            KeysFrom::Files => {
                let [first, last] = &choices.files;
                (KeySource::File(first.clone()), KeySource::File(last.clone()))
            }
        };
        let timing = choices.timing()?;
        let position = |time| Ok::<_, Error>(position_of(timing.at(time)?));
        let pace = (position(time + 1.0)? - position(time - 1.0)?) / 2.0;
        Ok(Self { first, last, place: timing.at(time)?, pace })
    }

    /// The key that is shown as it is; `None` where an engine has to draw.
    pub(crate) fn shown_key(&self, output: Output) -> Option<(Key, &KeySource)> {
        if output != Output::InBetween {
            return None;
        }
        let key = self.place.key()?;
        Some((key, self.source(key)))
    }

    /// Where `key` is found.
    pub(crate) fn source(&self, key: Key) -> &KeySource {
        match key {
            Key::First => &self.first,
            Key::Last => &self.last,
        }
    }

    /// The keys that have to be fetched.
    pub(crate) fn needed(&self, output: Output) -> Vec<&KeySource> {
        match self.shown_key(output) {
            Some((_, source)) => vec![source],
            None => vec![&self.first, &self.last],
        }
    }

    /// The position to draw for outputs that are drawn at the keys as well.
    pub(crate) fn drawn_position(&self) -> f64 {
        position_of(self.place).clamp(BESIDE, 1.0 - BESIDE)
    }
}

fn position_of(place: Place) -> f64 {
    match place {
        Place::BeforeFirst | Place::First => 0.0,
        Place::Between { position } => position,
        Place::Last | Place::AfterLast => 1.0,
    }
}

fn place_in_transition(choices: &Choices) -> Result<Place> {
    let wanted = choices.transition;
    if !wanted.is_finite() {
        return Err(Error::BadArgument { what: "transition", found: wanted.to_string() });
    }
    // Hosts overshoot a little at the ends of a transition.
    let position = choices.chart.position(wanted.clamp(0.0, 1.0));
    Ok(Place::of_position(position)?)
}
