//! The actions that a host requests, and the drawings that some of them start.

pub(crate) mod answers;
pub(crate) mod background;
pub(crate) mod buttons;
pub(crate) mod describe;
mod draft;
pub(crate) mod engines;
mod find_drawings;
pub(crate) mod render;
