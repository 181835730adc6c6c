//! Weight files: every accepted layout, files written by PyTorch itself, and broken or hostile
//! files.

#![allow(unreachable_pub, reason = "the modules of a test have no other readers")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod broken;
mod convert;
mod layouts;
mod released;
#[path = "../tensors/mod.rs"]
mod tensors;
mod torch_writer;
mod written_by_torch;

use std::path::{Path, PathBuf};

/// A file of the test data.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}
