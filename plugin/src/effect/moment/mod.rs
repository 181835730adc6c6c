//! What one moment of the output needs: the keys, where to find them, and the position between
//! them; and the pictures themselves, found, named and prepared for an engine. No action is
//! answered here.

pub(crate) mod drawings;
pub(crate) mod keys;
pub(crate) mod pins;
pub(crate) mod pixels;
pub(crate) mod plan;
pub(crate) mod prepare;
pub(crate) mod retime;
pub(crate) mod sketches;
pub(crate) mod source_frames;
pub(crate) mod task;
