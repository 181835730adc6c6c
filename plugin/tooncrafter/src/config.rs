//! All sizes of the networks; fields are named as in the published configuration.
//!
//! `Default` is the released 512-pixel interpolation model.

use serde::{Deserialize, Serialize};

/// Levels of residual blocks, some with transformers, as in both the denoising UNet and the sketch
/// encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LevelsConfig {
    /// Width of the first level.
    pub model_channels: usize,
    /// Down-sampling factors of the levels with attention.
    pub attention_resolutions: Vec<usize>,
    /// Residual blocks per level on the way down; a UNet has one more per level on the way up.
    pub num_res_blocks: usize,
    /// Width of each level as a multiple of `model_channels`.
    pub channel_mult: Vec<usize>,
    /// Channels of one attention head.
    pub num_head_channels: usize,
    /// Transformer blocks in each transformer.
    pub transformer_depth: usize,
    /// Width of the context tokens.
    pub context_dim: usize,
    /// Projections around transformers are linear layers rather than convolutions with kernel 1.
    #[serde(alias = "use_linear_in_transformer")]
    pub use_linear: bool,
}

impl Default for LevelsConfig {
    fn default() -> Self {
        Self {
            model_channels: 320,
            attention_resolutions: vec![4, 2, 1],
            num_res_blocks: 2,
            channel_mult: vec![1, 2, 4, 4],
            num_head_channels: 64,
            transformer_depth: 1,
            context_dim: 1024,
            use_linear: true,
        }
    }
}

impl LevelsConfig {
    /// Width of the time embedding.
    pub fn embed_dim(&self) -> usize {
        4 * self.model_channels
    }

    /// Whether `level`, counted from the widest, has transformers.
    pub fn has_attention(&self, level: usize) -> bool {
        self.attention_resolutions.contains(&(1 << level))
    }
}

/// The denoising UNet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnetConfig {
    /// Input latent channels: noisy latent and conditioning latent.
    pub in_channels: usize,
    /// Output latent channels.
    pub out_channels: usize,
    /// Levels and transformers.
    #[serde(flatten)]
    pub levels: LevelsConfig,
    /// Residual blocks end in temporal convolutions.
    pub temporal_conv: bool,
    /// Transformers over time follow those over space.
    pub temporal_attention: bool,
    /// A transformer over time follows the first convolution.
    pub addition_attention: bool,
    /// Image tokens have their own keys and values.
    pub image_cross_attention: bool,
    /// Frame rate assumed when none is given.
    pub default_fs: u32,
    /// The network is conditioned on a frame rate.
    pub fs_condition: bool,
    /// Number of text tokens at the start of the context.
    pub text_context_len: usize,
}

impl Default for UnetConfig {
    fn default() -> Self {
        Self {
            in_channels: 8,
            out_channels: 4,
            levels: LevelsConfig::default(),
            temporal_conv: true,
            temporal_attention: true,
            addition_attention: true,
            image_cross_attention: true,
            default_fs: 24,
            fs_condition: true,
            text_context_len: 77,
        }
    }
}

/// The autoencoder between pixels and latents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VaeConfig {
    /// Latent channels.
    pub z_channels: usize,
    /// Channels of an input picture.
    pub in_channels: usize,
    /// Channels of an output picture.
    pub out_ch: usize,
    /// Width of the first level.
    pub ch: usize,
    /// Width of each level as a multiple of `ch`.
    pub ch_mult: Vec<usize>,
    /// Residual blocks per encoder level; the decoder has one more per level.
    pub num_res_blocks: usize,
    /// Latent channels after `quant_conv`.
    pub embed_dim: usize,
    /// Decoder levels that attend to the references; the others add them.
    pub attn_level: Vec<usize>,
    /// Heads of the attention to the references.
    pub fusion_heads: usize,
    /// Channels of each of those heads.
    pub fusion_dim_head: usize,
    /// Factor by which latents are multiplied before diffusion.
    pub scale_factor: f64,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            z_channels: 4,
            in_channels: 3,
            out_ch: 3,
            ch: 128,
            ch_mult: vec![1, 2, 4, 4],
            num_res_blocks: 2,
            embed_dim: 4,
            attn_level: vec![2, 3],
            fusion_heads: 8,
            fusion_dim_head: 64,
            scale_factor: 0.18215,
        }
    }
}

/// The text and image towers of OpenCLIP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipConfig {
    /// Width of the image tower.
    pub vwidth: usize,
    /// Blocks of the image tower.
    pub vlayers: usize,
    /// Channels of one head of the image tower.
    pub vheadw: usize,
    /// Side of an image patch in pixels.
    pub patch: usize,
    /// Width of the text tower.
    pub twidth: usize,
    /// Heads of the text tower.
    pub theads: usize,
    /// Blocks of the text tower, of which the last is not run.
    pub tlayers: usize,
    /// Tokens of the vocabulary.
    pub vocab: usize,
    /// Tokens of a prompt.
    pub context_length: usize,
    /// Side of the image tower's input, in pixels.
    pub image_size: usize,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self {
            vwidth: 1280,
            vlayers: 32,
            vheadw: 80,
            patch: 14,
            twidth: 1024,
            theads: 16,
            tlayers: 24,
            vocab: 49408,
            context_length: 77,
            image_size: 224,
        }
    }
}

/// The projector, which turns image tokens into context tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResamplerConfig {
    /// Inner width.
    pub dim: usize,
    /// Layers.
    pub depth: usize,
    /// Channels of one head.
    pub dim_head: usize,
    /// Heads.
    pub heads: usize,
    /// Context tokens for each frame.
    pub num_queries: usize,
    /// Width of the image tokens.
    pub embedding_dim: usize,
    /// Width of the context tokens.
    pub output_dim: usize,
    /// Width of the feed-forward layers as a multiple of `dim`.
    pub ff_mult: usize,
    /// Frames.
    pub video_length: usize,
}

impl Default for ResamplerConfig {
    fn default() -> Self {
        Self {
            dim: 1024,
            depth: 4,
            dim_head: 64,
            heads: 12,
            num_queries: 16,
            embedding_dim: 1280,
            output_dim: 1024,
            ff_mult: 4,
            video_length: 16,
        }
    }
}

/// The sketch encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SketchConfig {
    /// Latent channels.
    pub in_channels: usize,
    /// Channels of a sketch.
    pub hint_channels: usize,
    /// Levels and transformers.
    #[serde(flatten)]
    pub levels: LevelsConfig,
}

impl Default for SketchConfig {
    fn default() -> Self {
        Self { in_channels: 4, hint_channels: 1, levels: LevelsConfig::default() }
    }
}
