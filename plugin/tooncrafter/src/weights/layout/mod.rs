//! The tensors of the released files by name and shape, derived from the configuration.
//!
//! Needed tensors are those that a network reads. The others are part of the released files, but
//! nothing uses them (the last text block, projections of CLIP, schedule buffers and so on).

mod blocks;
mod clip;
mod list;
mod unet;
mod vae;

use crate::config::{
    ClipConfig, LevelsConfig, ResamplerConfig, SketchConfig, UnetConfig, VaeConfig,
};
use list::List;

/// A part of the model that is loaded separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The denoising network.
    Unet,
    /// The autoencoder between pixels and latents.
    Vae,
    /// The text tower.
    Text,
    /// The image tower.
    Vision,
    /// The projector from image tokens to context tokens.
    Projector,
    /// The sketch encoder, which has its own file.
    Sketch,
}

impl Part {
    /// All parts of the main checkpoint.
    pub const MAIN: [Self; 5] = [Self::Unet, Self::Vae, Self::Text, Self::Vision, Self::Projector];

    /// The prefix of every name of this part in the released file, including the dot, or empty.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Unet => "model.diffusion_model.",
            Self::Vae => "first_stage_model.",
            Self::Text => "cond_stage_model.model.",
            Self::Vision => "embedder.model.visual.",
            Self::Projector => "image_proj_model.",
            Self::Sketch => "",
        }
    }

    /// A short name to show to people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unet => "UNet",
            Self::Vae => "VAE",
            Self::Text => "text tower",
            Self::Vision => "image tower",
            Self::Projector => "image-context projector",
            Self::Sketch => "sketch encoder",
        }
    }
}

/// One tensor of a released file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name in the released file.
    pub name: String,
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
    /// The part it belongs to; `None` for the schedule buffers and leftovers.
    pub part: Option<Part>,
    /// Whether a network reads it.
    pub needed: bool,
}

/// The configurations that determine a main checkpoint's layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelConfig {
    /// The denoising network.
    pub unet: UnetConfig,
    /// The autoencoder.
    pub vae: VaeConfig,
    /// Both towers.
    pub clip: ClipConfig,
    /// The projector.
    pub resampler: ResamplerConfig,
}

impl ModelConfig {
    /// A model with the same topology that is small enough for tests: about 2 million parameters.
    /// It works on latents of at least 2 x 2.
    pub fn tiny() -> Self {
        Self {
            unet: UnetConfig { levels: tiny_levels(), ..UnetConfig::default() },
            vae: VaeConfig {
                ch: 32,
                ch_mult: vec![1, 1, 1, 1],
                num_res_blocks: 1,
                ..VaeConfig::default()
            },
            clip: ClipConfig {
                vwidth: 48,
                vlayers: 2,
                vheadw: 16,
                patch: 28,
                twidth: 32,
                theads: 2,
                tlayers: 3,
                ..ClipConfig::default()
            },
            resampler: ResamplerConfig {
                dim: 48,
                depth: 2,
                dim_head: 16,
                heads: 2,
                embedding_dim: 48,
                output_dim: 32,
                ..ResamplerConfig::default()
            },
        }
    }
}

/// The sketch encoder that belongs to [`ModelConfig::tiny`].
pub fn tiny_sketch() -> SketchConfig {
    SketchConfig { levels: tiny_levels(), ..SketchConfig::default() }
}

fn tiny_levels() -> LevelsConfig {
    LevelsConfig {
        model_channels: 32,
        attention_resolutions: vec![2, 1],
        num_res_blocks: 1,
        channel_mult: vec![1, 1],
        num_head_channels: 16,
        context_dim: 32,
        ..LevelsConfig::default()
    }
}

/// Everything in a main checkpoint.
pub fn model(config: &ModelConfig) -> Vec<TensorSpec> {
    let mut list = List::default();
    list.part(Part::Unet, |list| unet::unet(list, &config.unet));
    list.part(Part::Vae, |list| vae::vae(list, &config.vae));
    list.part(Part::Text, |list| clip::text_tower(list, &config.clip));
    list.part(Part::Vision, |list| clip::vision_tower(list, &config.clip));
    list.part(Part::Projector, |list| clip::projector(list, &config.resampler));
    clip::leftovers(&mut list, &config.clip);
    list.wanted
}

/// Everything in a sketch encoder's file.
pub fn sketch(config: &SketchConfig) -> Vec<TensorSpec> {
    let mut list = List::default();
    list.part(Part::Sketch, |list| unet::sketch_encoder(list, config));
    list.wanted
}
