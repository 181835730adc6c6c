//! The domain of AI In-between, free of any host and of any network library.
//!
//! A host's pixels become [`Frame`]s, a render becomes a [`Request`], and an [`Engine`] turns the
//! matching [`Job`] into the frame between two keys. Nothing here knows OpenFX; nothing here
//! knows tensors.

pub mod cache;
pub mod colour;
pub mod engine;
pub mod error;
pub mod frame;
pub mod hash;
pub mod picture;
pub mod pixel_hash;
pub mod queue;
pub mod settings;
pub mod timing;

pub use engine::{Control, Drawn, Engine, Job, Request, SketchRef};
pub use error::Error;
pub use frame::Frame;
pub use hash::ContentHash;
pub use pixel_hash::PixelHasher;
pub use settings::{Encoding, EngineKind, Output, Quality, Settings};
