//! Compiles the C shim of the variadic suite functions.

fn main() {
    println!("cargo::rerun-if-changed=shim/variadic.c");
    cc::Build::new()
        .file("shim/variadic.c")
        .warnings(true)
        .extra_warnings(true)
        .compile("ofx_host_variadic");
}
