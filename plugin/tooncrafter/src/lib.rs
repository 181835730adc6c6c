//! ToonCrafter, the published generative model for cartoon interpolation, implemented with candle.
//!
//! There is one struct per block of the published network, with fields named after the checkpoint's
//! keys. `new(config, vb)` reads the weights and `forward` computes in the published order.
//!
//! "Published as" links to the code that a block corresponds to, at one commit of its repository.
//!
//! # Axes
//! Shapes in the documentation use these letters:
//!
//! | letter | axis |
//! |---|---|
//! | `b` | batch |
//! | `t` | frames |
//! | `n` | `b * t`, frames varying fastest |
//! | `c` | channels |
//! | `h`, `w` | rows and columns, of pixels or of latents (8 x 8 pixels) |
//! | `p` | `h * w`, positions of a frame, row-major |
//! | `l` | tokens |
//! | `e` | embedding |
//!
//! Inside the networks everything is channels-last (`[n, h, w, c]`), so that products, norms and
//! attention all read contiguous memory. The published channels-first order is used only at the
//! networks' inputs and outputs.
//!
//! # Precision
//! The type of the [`VarBuilder`](candle_nn::VarBuilder) determines how products are computed:
//! `F32`, or `BF16` for weights and factors in bf16. On the CPU, activations, norms, softmax and
//! sums are f32 in both cases; on other devices activations have the precision of the weights. A
//! network's inputs may be f32; its results always are.

pub mod attention;
pub mod clip_text;
pub mod clip_vision;
pub mod conditioning;
pub mod config;
#[cfg(any(feature = "cuda", feature = "emulation"))]
mod cuda;
pub mod decode;
pub mod denoise;
pub mod device;
pub mod embedding;
pub mod kept_memory;
mod layer_args;
pub mod memory;
pub mod noise;
pub mod ops;
pub mod pipeline;
pub mod preprocess;
mod reference;
pub mod resampler;
mod row_pitch;
pub mod sampler;
pub mod schedule;
pub mod sketch;
pub mod solver;
pub mod speed;
pub mod time_plan;
pub mod tokenizer;
pub mod unet;
pub mod unet_blocks;
pub mod vae_decoder;
pub mod vae_encoder;
pub mod weights;

use candle_core::{Result, Tensor};

/// A callback that is called between the blocks of a network with the block's name and result.
///
/// An error ends the run with that error. A caller that was asked to stop returns one here, and a
/// caller that searches for the first difference between two implementations compares results here.
pub type Watch<'a> = &'a mut dyn FnMut(&str, &Tensor) -> Result<()>;

/// A watcher that does nothing.
///
/// # Errors
/// Never.
pub fn unwatched(_: &str, _: &Tensor) -> Result<()> {
    Ok(())
}

/// `[n, c, h, w]` → `[n, h, w, c]`
///
/// # Errors
/// When `x` does not have four axes, or when the device fails.
pub fn channels_last(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}

/// `[n, h, w, c]` → `[n, c, h, w]`
///
/// # Errors
/// When `x` does not have four axes, or when the device fails.
pub fn channels_first(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 3, 1, 2))?.contiguous()
}
