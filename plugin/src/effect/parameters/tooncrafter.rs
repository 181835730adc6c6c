//! The artist's choices for ToonCrafter.

use std::path::{Path, PathBuf};

use inbetween_core::fingerprint;
use inbetween_core::settings::{
    DeviceChoice, PrecisionChoice, SolverChoice, ToonCrafterSettings, WeightRef,
};

use super::reader::ParamReader;
use super::rows::*;
use crate::ofx::{Context, Error, Result};

/// The values of the parameters. No file has been looked for yet.
#[derive(Clone, Debug)]
pub(crate) struct ToonCrafter {
    /// The checkpoint; may be empty.
    pub(crate) checkpoint: PathBuf,
    sketch_checkpoint: PathBuf,
    prompt: String,
    seed: u32,
    steps: u32,
    solver: SolverChoice,
    guidance: f64,
    rescale: f64,
    motion: f64,
    precision: PrecisionChoice,
    device: DeviceChoice,
    memory_limit_mb: u32,
}

impl ToonCrafter {
    /// Reads the parameters.
    ///
    /// # Errors
    /// When the host does not return a value.
    pub(crate) fn read(pick: &ParamReader<'_>, context: Context) -> Result<Self> {
        Ok(Self {
            checkpoint: pick.path(&CHECKPOINT)?,
            sketch_checkpoint: if context == Context::General {
                pick.path(&SKETCH_CHECKPOINT)?
            } else {
                PathBuf::new()
            },
            prompt: pick.text(&PROMPT)?,
            seed: pick.whole(&SEED)?,
            steps: pick.whole(&STEPS)?,
            solver: pick.choice(&SOLVER)?,
            guidance: pick.number(&GUIDANCE)?,
            rescale: pick.number(&RESCALE)?,
            motion: pick.number(&MOTION)?,
            precision: pick.choice(&PRECISION)?,
            device: pick.choice(&DEVICE)?,
            memory_limit_mb: pick.whole(&MEMORY_LIMIT)?,
        })
    }

    /// Whether a checkpoint is chosen and exists.
    pub(crate) fn has_checkpoint(&self) -> bool {
        !self.checkpoint.as_os_str().is_empty() && self.checkpoint.is_file()
    }

    /// The engine's settings, including the sketch encoder if `sketched`.
    ///
    /// # Errors
    /// [`Error::ForArtist`] that names the parameter whose file is missing.
    pub(crate) fn settings(&self, sketched: bool) -> Result<ToonCrafterSettings> {
        if self.checkpoint.as_os_str().is_empty() {
            return Err(Error::ForArtist(
                "Checkpoint is empty. Choose ToonCrafter's weight file (fetched with `inbetween models \
                 download`), or choose Engine: Flow."
                    .into(),
            ));
        }
        let mut settings = ToonCrafterSettings::new(weights(CHECKPOINT.name(), &self.checkpoint)?);
        if sketched && !self.sketch_checkpoint.as_os_str().is_empty() {
            settings.sketch_checkpoint =
                Some(weights(SKETCH_CHECKPOINT.name(), &self.sketch_checkpoint)?);
        }
        settings.prompt.clone_from(&self.prompt);
        settings.seed = u64::from(self.seed);
        settings.steps = self.steps;
        settings.solver = self.solver;
        settings.guidance = self.guidance;
        settings.rescale = self.rescale;
        settings.motion = self.motion;
        settings.precision = self.precision;
        settings.device = self.device;
        settings.memory_limit_mb = Some(self.memory_limit_mb).filter(|&mb| mb > 0);
        Ok(settings)
    }
}

fn weights(label: &str, path: &Path) -> Result<WeightRef> {
    // A host's working directory differs from the worker's.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if !path.is_file() {
        return Err(missing(label, &path));
    }
    Ok(WeightRef { fingerprint: fingerprint::of_file(&path)?, path })
}

/// The message for a parameter whose file does not exist.
fn missing(label: &str, path: &Path) -> Error {
    Error::ForArtist(format!(
        "{label}: there is no file {}. Choose the file again, or copy it to this machine.",
        path.display()
    ))
}

#[cfg(test)]
impl ToonCrafter {
    /// The defaults, without files.
    pub(crate) fn example() -> Self {
        Self {
            checkpoint: PathBuf::new(),
            sketch_checkpoint: PathBuf::new(),
            prompt: String::new(),
            seed: SEED.kind.default.unsigned_abs(),
            steps: STEPS.kind.default.unsigned_abs(),
            solver: SOLVER.kind.default,
            guidance: GUIDANCE.kind.default,
            rescale: RESCALE.kind.default,
            motion: MOTION.kind.default,
            precision: PRECISION.kind.default,
            device: DEVICE.kind.default,
            memory_limit_mb: 0,
        }
    }
}
