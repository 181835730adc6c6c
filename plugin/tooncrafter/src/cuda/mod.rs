//! NVIDIA GPUs: our own kernels, and how the program does without NVIDIA's libraries until it needs
//! them.
//!
//! The kernels are in `cuda/kernels` and are compiled to PTX by `build.rs`. `plan` describes their
//! launches, `run` carries them out, and `layers` combines them into operations.

#[cfg(cuda_doors)]
mod doors;
#[cfg(all(test, feature = "emulation"))]
mod emulated;
#[cfg(feature = "cuda")]
pub(crate) mod layers;
#[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "the tests use what they can"))]
pub(crate) mod plan;
#[cfg(cuda_doors)]
mod probe;
#[cfg(feature = "cuda")]
mod run;

#[cfg(cuda_doors)]
pub(crate) use probe::problem;
