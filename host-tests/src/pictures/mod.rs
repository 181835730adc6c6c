//! Pictures in memory and in files, and the footage of clips. Nothing here depends on plug-ins.

pub mod footage;
pub mod picture;
