//! The OpenFX plug-in AI In-between.
