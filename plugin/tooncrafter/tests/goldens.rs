//! Compares every block with recorded inputs and outputs of the published model.
//!
//! `cargo test --release -p inbetween-tooncrafter --test goldens [NAME..]` runs all cases, or those
//! whose file names contain a NAME. `GOLDENS_DIR` selects another folder of the same format: a
//! `MANIFEST.json` and the files it lists. Each case is built from its configuration there; its
//! kind follows from its weights and configuration. `GOLDENS_DTYPE=bf16` computes products in bf16
//! and allows 100 times the tolerance or the case's own `bf16_max_rel`. `GOLDENS_DEVICE=cuda` runs
//! everything on the GPU.

#![allow(unreachable_pub, reason = "the modules of a test have no other readers")]

mod cases;
mod compare;
mod tensors;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value};

/// One file of the manifest.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// Its name in the folder.
    pub file: String,
    /// Configuration of the block.
    #[serde(default)]
    pub config: Value,
    /// Either `{"max_rel": x, ..}` or a word.
    #[serde(default)]
    pub tolerance: Value,
    /// Shapes of inputs and outputs.
    #[serde(default)]
    pub io: Map<String, Value>,
    /// Names of the weights in the file.
    #[serde(skip)]
    pub weights: Vec<String>,
}

impl Entry {
    /// Whether a weight's name contains `part`.
    pub fn has_weight(&self, part: &str) -> bool {
        self.weights.iter().any(|key| key.contains(part))
    }

    /// Whether there is an input or output of that name.
    pub fn has_io(&self, name: &str) -> bool {
        self.io.contains_key(name)
    }

    /// Largest relative error allowed in f32.
    pub fn tolerance(&self) -> f64 {
        self.tolerance.get("max_rel").and_then(Value::as_f64).unwrap_or(0.0)
    }

    /// Largest relative error allowed in bf16: the case's own value, or 100 times that of f32.
    pub fn bf16_tolerance(&self) -> f64 {
        let own = self.tolerance.get("bf16_max_rel").and_then(Value::as_f64);
        own.unwrap_or(100.0 * self.tolerance())
    }
}

#[derive(Deserialize)]
struct Manifest {
    files: Vec<Entry>,
}

fn main() -> ExitCode {
    let folder = std::env::var_os("GOLDENS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens"), PathBuf::from);
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    match run(&folder, &names) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            println!("{failed} cases failed");
            ExitCode::FAILURE
        }
        Err(reason) => {
            println!("{}: {reason}", folder.display());
            ExitCode::FAILURE
        }
    }
}

/// Runs the cases and returns the number of failures.
fn run(folder: &Path, names: &[String]) -> Result<usize, String> {
    let text = std::fs::read_to_string(folder.join("MANIFEST.json")).map_err(|e| e.to_string())?;
    let manifest: Manifest = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let mut failed = 0;
    let mut ran = 0;
    for mut entry in manifest.files {
        if !names.is_empty() && !names.iter().any(|name| entry.file.contains(name)) {
            continue;
        }
        ran += 1;
        let started = std::time::Instant::now();
        let (kind, outcome) = cases::check(folder, &mut entry);
        let seconds = started.elapsed().as_secs_f32();
        match outcome {
            Ok(verdict) => println!("ok     {:40} {kind:20} {verdict}, {seconds:.1} s", entry.file),
            Err(reason) => {
                failed += 1;
                println!("FAILED {:40} {kind:20} {reason}", entry.file);
            }
        }
    }
    if ran == 0 {
        return Err(format!("no case matches {names:?}"));
    }
    println!("{} of {ran} cases passed", ran - failed);
    Ok(failed)
}
