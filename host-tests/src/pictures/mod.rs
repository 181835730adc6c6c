//! Pictures in memory and in files, and the footage that clips show. Nothing here knows of plug-ins.

pub mod footage;
pub mod picture;
