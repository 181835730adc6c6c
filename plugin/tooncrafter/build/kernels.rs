//! Compiles each kernel file to PTX, which the driver translates for the GPU in the machine.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The files, without extension.
const FILES: [&str; 4] = ["attention", "attention_bf16", "norm", "product"];

/// The oldest architecture with bf16 arithmetic; newer ones can run its PTX.
const ARCHITECTURE: &str = "compute_80";

/// The advice when there is no compiler.
const HELP: &str = "run: eval \"$(bash plugin/tooncrafter/cuda/setup.sh)\"";

pub(crate) fn compile() -> Result<(), String> {
    for name in ["NVCC", "CUDA_HOME", "PATH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=build");
    // The doors are generated from the sources of dependencies.
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    println!("cargo::rerun-if-changed=cuda/kernels");
    let nvcc = nvcc();
    println!("cargo::rustc-env=INBETWEEN_CUDA_VERSION={}", version(&nvcc)?);
    let out = PathBuf::from(std::env::var("OUT_DIR").map_err(|error| error.to_string())?);
    for file in FILES {
        let source = Path::new("cuda/kernels").join(file).with_extension("cu");
        let done = Command::new(&nvcc)
            .args(["--ptx", "-O3", "-std=c++17", "-arch", ARCHITECTURE, "-o"])
            .arg(out.join(file).with_extension("ptx"))
            .arg(&source)
            .output()
            .map_err(|error| format!("{}: {error}; {HELP}", nvcc.display()))?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr).replace('\n', " | ");
            return Err(format!("{}: {said}", source.display()));
        }
    }
    Ok(())
}

/// The compiler: the one named by `NVCC`, or found in `CUDA_HOME` or on the path.
fn nvcc() -> PathBuf {
    let in_home = || {
        let path = PathBuf::from(std::env::var_os("CUDA_HOME")?).join("bin/nvcc");
        path.exists().then_some(path)
    };
    let named = std::env::var_os("NVCC").map(PathBuf::from).filter(|path| path.exists());
    named.or_else(in_home).unwrap_or_else(|| "nvcc".into())
}

/// The CUDA version that a driver must support to run what `nvcc` produces, in the driver's
/// notation: 13000 for 13.0.
fn version(nvcc: &Path) -> Result<u32, String> {
    let said = Command::new(nvcc).arg("--version").output();
    let said = said.map_err(|error| format!("no CUDA compiler ({error}); {HELP}"))?;
    let said = String::from_utf8_lossy(&said.stdout);
    let number = said.split_once("release ").and_then(|(_, rest)| {
        let (major, minor) = rest.split_once(',')?.0.split_once('.')?;
        Some(major.parse::<u32>().ok()? * 1000 + minor.parse::<u32>().ok()? * 10)
    });
    number.ok_or_else(|| format!("{} does not say its version: {said}", nvcc.display()))
}
