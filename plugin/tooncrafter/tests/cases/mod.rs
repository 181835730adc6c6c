//! The kinds of test case: how each is recognised, built and run.

mod end_to_end;
mod towers;
mod unet;
mod vae;

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use inbetween_core::settings::DeviceChoice;
use serde::de::DeserializeOwned;

use crate::Entry;
use crate::compare::Judge;
use crate::tensors;

/// Any error that stops a case; only its message is shown.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A kind of case.
struct Kind {
    name: &'static str,
    /// Whether an entry is of this kind; the first kind that returns true gets it.
    is: fn(&Entry) -> bool,
    run: fn(&Case, &mut Judge) -> Outcome<()>,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "sampling",
        // Tables, token ids and preprocessing are tested by `goldens_sampling`, which selects its
        // cases by these names.
        is: |e| {
            ["schedule", "tokenizer", "clip_preprocess"].iter().any(|kind| e.file.starts_with(kind))
        },
        run: |_, judge| {
            judge.elsewhere("goldens_sampling");
            Ok(())
        },
    },
    Kind {
        name: "end_to_end",
        is: |e| e.config.get("ddim_steps").is_some(),
        run: end_to_end::end_to_end,
    },
    Kind {
        name: "timestep_embedding",
        is: |e| e.config.get("dims").is_some(),
        run: unet::timestep_embedding,
    },
    Kind {
        name: "sketch_encoder",
        is: |e| e.has_weight("input_hint_block."),
        run: unet::sketch_encoder,
    },
    Kind { name: "unet", is: |e| e.has_weight("time_embed.0."), run: unet::unet },
    Kind { name: "resblock", is: |e| e.has_weight("emb_layers."), run: unet::resblock },
    Kind { name: "down_up", is: |e| e.has_io("out.down"), run: unet::down_up },
    Kind {
        name: "spatial_transformer",
        is: |e| e.has_weight("transformer_blocks.") && e.has_io("in.context"),
        run: unet::spatial_transformer,
    },
    Kind {
        name: "temporal_transformer",
        is: |e| e.has_weight("transformer_blocks."),
        run: unet::temporal_transformer,
    },
    Kind { name: "vae_encoder", is: |e| e.has_io("out.moments"), run: vae::encoder },
    Kind { name: "vae_decoder", is: |e| e.has_io("in.z_frames"), run: vae::decoder },
    Kind {
        name: "clip_text",
        is: |e| e.has_io("in.tokens") && e.has_weight("token_embedding."),
        run: towers::clip_text,
    },
    Kind { name: "clip_vision", is: |e| e.has_weight("visual.conv1."), run: towers::clip_vision },
    Kind {
        name: "resampler",
        is: |e| e.has_weight("image_proj_model.latents"),
        run: towers::resampler,
    },
];

/// An entry with its tensors.
pub struct Case<'a> {
    pub entry: &'a Entry,
    tensors: HashMap<String, Tensor>,
    pub dtype: DType,
    device: Device,
}

impl Case<'_> {
    /// The configuration, as the type that the block uses.
    pub fn config<T: DeserializeOwned>(&self) -> Outcome<T> {
        Ok(serde_json::from_value(self.entry.config.clone())?)
    }

    /// A number in the configuration.
    pub fn number(&self, name: &str) -> Outcome<usize> {
        let value = self.entry.config.get(name).and_then(serde_json::Value::as_u64);
        value.map(|v| v as usize).ok_or_else(|| format!("the configuration lacks {name}").into())
    }

    /// A switch in the configuration; `false` if absent.
    pub fn flag(&self, name: &str) -> bool {
        self.entry.config.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false)
    }

    /// A recorded tensor.
    pub fn get(&self, name: &str) -> Outcome<&Tensor> {
        self.tensors.get(name).ok_or_else(|| format!("the file lacks {name}").into())
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The tensors `name.0`, `name.1` and so on, as many as there are.
    pub fn list(&self, name: &str) -> Vec<&Tensor> {
        (0..).map_while(|i| self.tensors.get(&format!("{name}.{i}"))).collect()
    }

    /// Recorded numbers.
    pub fn numbers(&self, name: &str) -> Outcome<Vec<f32>> {
        Ok(self.get(name)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }

    /// The weights whose names end in `.key` or are `key`, with the prefix up to `key`.
    pub fn weights(&self, key: &str) -> Outcome<VarBuilder<'static>> {
        let prefix = self
            .entry
            .weights
            .iter()
            .filter(|name| name.ends_with(key))
            .map(|name| &name[..name.len() - key.len()])
            .min_by_key(|prefix| prefix.len())
            .ok_or_else(|| format!("no weight ends in {key}"))?;
        let vb = VarBuilder::from_tensors(self.tensors.clone(), self.dtype, &self.device);
        let prefix = prefix.trim_end_matches('.');
        Ok(if prefix.is_empty() { vb } else { vb.set_prefix(prefix) })
    }
}

/// The device named by `GOLDENS_DEVICE`: `cpu`, or `cuda` or `metal` in a build with that feature.
fn device() -> Result<Device, String> {
    let wanted = match std::env::var("GOLDENS_DEVICE").as_deref() {
        Err(_) | Ok("cpu") => return Ok(Device::Cpu),
        Ok("cuda") => DeviceChoice::Cuda,
        Ok("metal") => DeviceChoice::Metal,
        Ok(other) => return Err(format!("GOLDENS_DEVICE is cpu, cuda or metal, not {other}")),
    };
    // One device for all cases, because its kernels are compiled when it is created.
    static GPU: OnceLock<Result<Device, String>> = OnceLock::new();
    GPU.get_or_init(|| Ok(inbetween_tooncrafter::device::choose(wanted)?.0)).clone()
}

/// Runs a case. Returns the kind's name, and the verdict in one line.
pub fn check(folder: &Path, entry: &mut Entry) -> (&'static str, Result<String, String>) {
    let path = folder.join(&entry.file);
    let device = match device() {
        Ok(device) => device,
        Err(reason) => return ("?", Err(reason)),
    };
    let tensors = match path.extension() {
        Some(extension) if extension == "safetensors" => match tensors::load(&path, &device) {
            Ok(tensors) => tensors,
            Err(error) => return ("?", Err(error.to_string())),
        },
        _ => HashMap::new(),
    };
    let recorded = |name: &&String| ["in.", "out.", "tap."].iter().any(|p| name.starts_with(p));
    entry.weights = tensors.keys().filter(|name| !recorded(name)).cloned().collect();
    let Some(kind) = KINDS.iter().find(|kind| (kind.is)(entry)) else {
        return ("?", Err("no kind of case fits this entry".into()));
    };
    let half = std::env::var("GOLDENS_DTYPE").is_ok_and(|dtype| dtype == "bf16");
    let dtype = if half { DType::BF16 } else { DType::F32 };
    let mut judge = Judge::new(if half { entry.bf16_tolerance() } else { entry.tolerance() });
    let outcome = (kind.run)(&Case { entry, tensors, dtype, device }, &mut judge);
    (kind.name, outcome.map_err(|error| error.to_string()).and_then(|()| judge.verdict()))
}
