//! ToonCrafter, the published generative cartoon interpolation model, on candle.

pub mod config;
pub mod noise;
pub mod preprocess;
pub mod sampler;
pub mod schedule;
pub mod solver;
pub mod tokenizer;
pub mod weights;
