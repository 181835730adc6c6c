//! ToonCrafter, the published generative cartoon interpolation model, on candle.
//!
//! One struct per block of the published network, fields named like the checkpoint's keys,
//! `new(config, vb)` to read the weights and `forward` for the arithmetic in order.
//!
//! "Published as" links to the code that a block mirrors, at one commit of its repository.
//!
//! # Axes
//! Documentation states shapes with these letters:
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
//! Inside the networks everything is channels-last (`[n, h, w, c]`), the order in which products,
//! norms and attention all read contiguous memory; the published channels-first order is met at
//! the networks' borders only.
//!
//! # Precision
//! The [`VarBuilder`](candle_nn::VarBuilder)'s type says what products are computed in: `F32`, or
//! `BF16` for weights and factors in bf16. On the CPU activations, norms, softmax and sums are f32
//! in both; on other devices activations take the precision of the weights. Inputs of a network may be f32; its
//! results always are.

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
pub mod tokenizer;
pub mod unet;
pub mod unet_blocks;
pub mod vae_decoder;
pub mod vae_encoder;
pub mod weights;

use candle_core::{Result, Tensor};

/// Called between the blocks of a network with the block's name and result.
///
/// An error ends the run with that error: a caller that was asked to stop returns one here, a
/// caller that looks for the place where two implementations part compares here.
pub type Watch<'a> = &'a mut dyn FnMut(&str, &Tensor) -> Result<()>;

/// Watches nothing.
///
/// # Errors
/// Never.
pub fn unwatched(_: &str, _: &Tensor) -> Result<()> {
    Ok(())
}

/// `[n, c, h, w]` → `[n, h, w, c]`
///
/// # Errors
/// When `x` has not four axes, or when the device fails.
pub fn channels_last(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}

/// `[n, h, w, c]` → `[n, c, h, w]`
///
/// # Errors
/// When `x` has not four axes, or when the device fails.
pub fn channels_first(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 3, 1, 2))?.contiguous()
}
