//! The artist's choices that decide how a picture looks, validated.
//!
//! The time of a frame between the keys is a matter of timing, not of these settings. Everything an
//! artist can set is described in [`list`], with labels, ranges and defaults.

pub mod list;
mod setting;
#[cfg(test)]
mod tests;
mod tooncrafter;

use serde::{Deserialize, Serialize};

pub use setting::{
    AnyChoice, AnyKind, AnySetting, Choice, ChoiceOption, Decides, File, Integer, Kind, Number,
    Point, Setting, Switch, Text,
};
pub use tooncrafter::{
    DeviceChoice, PrecisionChoice, SolverChoice, ToonCrafterSettings, WeightRef,
};

use crate::Error;
use crate::colour::Encoding;

/// Which engine draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EngineKind {
    /// Embedded: classical motion estimation and a small network on the CPU.
    Flow,
    /// The generative cartoon interpolation model, in a worker process.
    ToonCrafter,
}

impl EngineKind {
    /// The engine's name as the artist sees it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flow => "Flow",
            Self::ToonCrafter => "ToonCrafter",
        }
    }
}

/// How much time the engine may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Quality {
    /// For scrubbing: motion is searched in smaller pictures.
    Draft,
    /// The default.
    Standard,
    /// Motion is searched in larger pictures too, and taken from them where they show clearly more.
    High,
}

/// Which picture of the in-between is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Output {
    /// The drawing itself.
    InBetween,
    /// How far the engine trusts each pixel: grey, from 0 (invented) to 1 (both keys agree); alpha
    /// 1.
    Confidence,
    /// Motion of each pixel over the whole span from first to last key:
    /// red = pixels to the right, green = pixels **down**, blue 0, alpha 1.
    Motion,
}

/// Everything that decides how an in-between looks, except for the pictures and the position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Which engine draws.
    pub engine: EngineKind,
    /// How the frames are encoded.
    pub encoding: Encoding,
    /// How much time the engine may take.
    pub quality: Quality,
    /// Which picture is wanted.
    pub output: Output,
    /// How closely sketches are followed, from 0 (not at all) to 1. Has no effect without sketches.
    pub sketch_strength: f64,
    /// ToonCrafter's own settings; present if [`Settings::engine`] is ToonCrafter.
    pub tooncrafter: Option<Box<ToonCrafterSettings>>,
}

impl Settings {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Range`] or [`Error::Setting`] with the setting's name and the allowed values.
    pub fn check(&self) -> Result<(), Error> {
        list::SKETCH_STRENGTH.check(self.sketch_strength)?;
        match (&self.tooncrafter, self.engine) {
            (Some(settings), EngineKind::ToonCrafter) => settings.check(),
            (None, EngineKind::ToonCrafter) => Err(Error::Setting {
                name: list::CHECKPOINT.name(),
                value: "empty".into(),
                allowed: "ToonCrafter needs its checkpoint file",
            }),
            (_, EngineKind::Flow) => Ok(()),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: EngineKind::Flow,
            encoding: Encoding::default(),
            quality: list::QUALITY.kind.default,
            output: list::OUTPUT.kind.default,
            sketch_strength: list::SKETCH_STRENGTH.kind.default,
            tooncrafter: None,
        }
    }
}
