//! Packs the plug-in bundle.
fn main() {}
