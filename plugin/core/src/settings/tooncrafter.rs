//! The artist's choices for the ToonCrafter engine.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::list::{
    DEVICE, GUIDANCE, MEMORY_LIMIT, MOTION, PRECISION, PROMPT, RESCALE, SEED, SOLVER, STEPS,
};
use crate::{ContentHash, Error};

/// How the noise is removed, step by step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SolverChoice {
    /// As published.
    Ddim,
    /// UniPC: fewer steps.
    UniPc,
}

impl SolverChoice {
    /// Number of steps that a drawing needs to converge.
    pub const fn steps(self) -> u32 {
        match self {
            Self::Ddim => 50,
            Self::UniPc => 20,
        }
    }
}

/// Precision of the networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PrecisionChoice {
    /// bf16 on GPUs and on processors that multiply bf16, f32 on others.
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits with the range of f32: half the memory.
    Bf16,
}

/// Where the networks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// A GPU if there is one that can be used, else the CPU.
    Auto,
    /// The CPU: works everywhere, slowly.
    Cpu,
    /// An NVIDIA GPU, or an error that says why it cannot be used.
    Cuda,
    /// Apple's GPU, or an error that says why it cannot be used.
    Metal,
}

/// A weight file, and the content it had when it was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightRef {
    /// Its path.
    pub path: PathBuf,
    /// Its [fingerprint](crate::fingerprint::of_file): the file is never used with any other
    /// content.
    pub fingerprint: ContentHash,
}

/// Everything that decides ToonCrafter's work beyond the keys, sketches and position.
///
/// Defaults and ranges come from the [list](super::list). The defaults are the published ones
/// except for the solver, which gives the same picture in less time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToonCrafterSettings {
    /// The checkpoint.
    pub checkpoint: WeightRef,
    /// The sketch encoder, needed only if there are sketches.
    pub sketch_checkpoint: Option<WeightRef>,
    /// What happens in the shot, in English; may be empty.
    pub prompt: String,
    /// Seed of the noise; another seed gives another in-between.
    pub seed: u64,
    /// Number of steps of the solver.
    pub steps: u32,
    /// The solver that takes the steps.
    pub solver: SolverChoice,
    /// Strength of guidance by keys and prompt together; 1 turns it off and halves the time.
    pub guidance: f64,
    /// How much contrast is restored after guidance.
    pub rescale: f64,
    /// The frame-rate condition `fs`: small for large motion.
    pub motion: f64,
    /// Precision of the networks.
    pub precision: PrecisionChoice,
    /// Where to compute. Not part of the cache key, because it affects the time and not the
    /// picture.
    pub device: DeviceChoice,
    /// Most memory that the engine may use on its device, in MiB; `None` for all that is free. Not
    /// part of the cache key.
    pub memory_limit_mb: Option<u32>,
}

impl ToonCrafterSettings {
    /// The defaults for this checkpoint.
    pub fn new(checkpoint: WeightRef) -> Self {
        Self {
            checkpoint,
            sketch_checkpoint: None,
            prompt: String::new(),
            seed: u64::from(SEED.kind.default.unsigned_abs()),
            steps: STEPS.kind.default.unsigned_abs(),
            solver: SOLVER.kind.default,
            guidance: GUIDANCE.kind.default,
            rescale: RESCALE.kind.default,
            motion: MOTION.kind.default,
            precision: PRECISION.kind.default,
            device: DEVICE.kind.default,
            memory_limit_mb: None,
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Range`] or [`Error::Setting`] with the setting's name and the allowed values.
    pub fn check(&self) -> Result<(), Error> {
        PROMPT.check(&self.prompt)?;
        SEED.check(self.seed)?;
        STEPS.check(u64::from(self.steps))?;
        GUIDANCE.check(self.guidance)?;
        RESCALE.check(self.rescale)?;
        MOTION.check(self.motion)?;
        match self.memory_limit_mb {
            None => Ok(()),
            Some(0) => Err(Error::Setting {
                name: MEMORY_LIMIT.name(),
                value: "0".into(),
                allowed: "it must be at least 1, or not set",
            }),
            Some(limit) => MEMORY_LIMIT.check(u64::from(limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ToonCrafterSettings {
        let checkpoint =
            WeightRef { path: "model.ckpt".into(), fingerprint: ContentHash::of(b"weights") };
        ToonCrafterSettings::new(checkpoint)
    }

    #[test]
    fn the_defaults_are_in_range() {
        settings().check().unwrap();
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        type Change = fn(&mut ToonCrafterSettings);
        let cases: [(&str, Change); 9] = [
            ("Seed", |s| s.seed = 1 << 31),
            ("Steps", |s| s.steps = 0),
            ("Steps", |s| s.steps = 1001),
            ("Guidance", |s| s.guidance = 0.5),
            ("Guidance", |s| s.guidance = f64::NAN),
            ("Guidance rescale", |s| s.rescale = 1.5),
            ("Motion", |s| s.motion = 0.0),
            ("Prompt", |s| s.prompt = "a".repeat(5000)),
            ("Memory limit (MB)", |s| s.memory_limit_mb = Some(0)),
        ];
        for (wanted, change) in cases {
            let mut settings = settings();
            change(&mut settings);
            let Err(Error::Setting { name, .. } | Error::Range { name, .. }) = settings.check()
            else {
                panic!("{wanted} was accepted");
            };
            assert_eq!(name, wanted);
        }
    }

    #[test]
    fn settings_survive_their_written_form() {
        let settings = settings();
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<ToonCrafterSettings>(&text).unwrap(), settings);
    }
}
