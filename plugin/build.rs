//! Link options of the plug-in binary.

fn main() {
    // Threads of the render pool outlive an unload, and a host may well close the binary while they
    // sleep; on Linux the binary therefore stays mapped. Elsewhere the loader does so by itself.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
