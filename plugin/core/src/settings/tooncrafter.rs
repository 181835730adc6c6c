//! What the artist chose for the ToonCrafter engine.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{ContentHash, Error};

/// Steps of the solver when the artist names none.
pub const DEFAULT_STEPS: u32 = 20;

/// How the noise is taken away, step by step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SolverChoice {
    /// As published; 50 steps.
    Ddim,
    /// UniPC: in 20 steps where DDIM takes 50.
    #[default]
    UniPc,
}

/// Precision of the networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PrecisionChoice {
    /// bf16 on a GPU, f32 on the CPU.
    #[default]
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits with the range of f32: half the memory.
    Bf16,
}

/// Where the networks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// A GPU where there is one that can be used, else the CPU.
    #[default]
    Auto,
    /// The CPU: works everywhere, slowly.
    Cpu,
    /// An NVIDIA GPU, or an error that says why not.
    Cuda,
}

/// A weight file, and what it held when it was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightRef {
    /// Where it lies.
    pub path: PathBuf,
    /// Its [fingerprint](crate::fingerprint::of_file): the file is never used with other content.
    pub fingerprint: ContentHash,
}

/// Everything that ToonCrafter is told beyond the keys, sketches and position.
///
/// Defaults are the published ones, but for the solver, which gives the same picture in less time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToonCrafterSettings {
    /// The checkpoint.
    pub checkpoint: WeightRef,
    /// The sketch encoder, needed only where sketches guide.
    pub sketch_checkpoint: Option<WeightRef>,
    /// What happens, in English; may be empty. At most [`Self::MAX_PROMPT`] bytes.
    pub prompt: String,
    /// Another seed gives another in-between.
    pub seed: u64,
    /// Steps of the solver, 1..=1000.
    pub steps: u32,
    /// How the steps are taken.
    pub solver: SolverChoice,
    /// Strength of keys and prompt together, 1..=30; 1 is no guidance and half the time.
    pub guidance: f64,
    /// How much contrast is brought back after guidance, 0..=1.
    pub rescale: f64,
    /// The frame-rate condition `fs`, 1..=60: small for large motion.
    pub motion: f64,
    /// Precision of the networks.
    pub precision: PrecisionChoice,
    /// Where to compute. Not part of a drawing's name: it decides time, not the picture.
    pub device: DeviceChoice,
    /// Most memory that the engine may take on its device, in MiB; `None` for all that is free.
    /// Not part of a drawing's name.
    pub memory_limit_mb: Option<u32>,
}

impl ToonCrafterSettings {
    /// Longest prompt, in bytes: more than the model's 77 tokens can hold.
    pub const MAX_PROMPT: usize = 4096;

    /// The defaults for this checkpoint.
    pub fn new(checkpoint: WeightRef) -> Self {
        Self {
            checkpoint,
            sketch_checkpoint: None,
            prompt: String::new(),
            seed: 123,
            steps: DEFAULT_STEPS,
            solver: SolverChoice::default(),
            guidance: 7.5,
            rescale: 0.7,
            motion: 10.0,
            precision: PrecisionChoice::default(),
            device: DeviceChoice::default(),
            memory_limit_mb: None,
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the setting's name and what is allowed.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |name, value: String, allowed| Err(Error::Setting { name, value, allowed });
        if self.prompt.len() > Self::MAX_PROMPT {
            let length = format!("{} bytes long", self.prompt.len());
            return wrong("Prompt", length, "it is at most 4096 bytes long");
        }
        if !(1..=1000).contains(&self.steps) {
            return wrong("Steps", self.steps.to_string(), "they lie between 1 and 1000");
        }
        if !(1.0..=30.0).contains(&self.guidance) {
            return wrong("Guidance", self.guidance.to_string(), "it lies between 1 and 30");
        }
        if !(0.0..=1.0).contains(&self.rescale) {
            return wrong("Rescale", self.rescale.to_string(), "it lies between 0 and 1");
        }
        if !(1.0..=60.0).contains(&self.motion) {
            return wrong("Motion", self.motion.to_string(), "it lies between 1 and 60");
        }
        if self.memory_limit_mb == Some(0) {
            return wrong("Memory limit", "0".into(), "it is at least 1 MiB, or not set");
        }
        Ok(())
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
        let cases: [(&str, Change); 8] = [
            ("Steps", |s| s.steps = 0),
            ("Steps", |s| s.steps = 1001),
            ("Guidance", |s| s.guidance = 0.5),
            ("Guidance", |s| s.guidance = f64::NAN),
            ("Rescale", |s| s.rescale = 1.5),
            ("Motion", |s| s.motion = 0.0),
            ("Prompt", |s| s.prompt = "a".repeat(5000)),
            ("Memory limit", |s| s.memory_limit_mb = Some(0)),
        ];
        for (wanted, change) in cases {
            let mut settings = settings();
            change(&mut settings);
            let Err(Error::Setting { name, .. }) = settings.check() else {
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
