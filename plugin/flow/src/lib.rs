//! The embedded in-between engine.
//!
//! [`FlowEngine`] takes small display-referred copies of the two keys (guides), finds the motion
//! between them by classical methods, lets a small network correct it and choose the key for each
//! pixel, and then moves the full-size keys themselves. The network never produces a colour, so
//! lines stay as crisp as they were drawn.
//!
//! No thread is started and little memory is taken before the first draw.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod analysis;
mod cells;
mod confidence;
mod cut;
mod dis;
mod display;
mod engine;
mod grain;
mod guide;
mod layers;
mod light;
mod lines;
mod map;
mod mask;
mod memo;
mod near_keys;
mod net;
mod pair;
mod refine;
mod segments;
mod simd;
mod sketch;
mod spread;
mod stage;
mod start;
mod synth;

pub use engine::FlowEngine;
pub use net::config::{Config, Start};
