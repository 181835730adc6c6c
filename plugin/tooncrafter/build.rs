//! With the feature `cuda`, compiles the kernels in `cuda/kernels` and generates the doors to
//! NVIDIA's libraries. With `emulation`, compiles the kernels for the processor. Otherwise does
//! nothing.

#[cfg(feature = "cuda")]
#[path = "build/doors.rs"]
mod doors;
#[cfg(feature = "cuda")]
#[path = "build/kernels.rs"]
mod kernels;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cuda_doors)");
    #[cfg(feature = "cuda")]
    if let Err(reason) = kernels::compile().and_then(|()| doors::make()) {
        println!("cargo::error={reason}");
    }
    #[cfg(feature = "emulation")]
    emulate();
}

#[cfg(feature = "emulation")]
fn emulate() {
    println!("cargo::rerun-if-changed=cuda");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .include("cuda/emulation")
        .flag("-Wno-unknown-pragmas")
        .warnings(false)
        // Registers are read as pairs of halves, as on the GPU.
        .flag("-fno-strict-aliasing")
        .opt_level(2)
        .file("cuda/emulation/emulation.cpp")
        .compile("inbetween_emulation");
}
