//! The actions that a host requests, and the drawings that some of them start.

pub(crate) mod answers;
pub(crate) mod background;
pub(crate) mod buttons;
pub(crate) mod describe;
pub(crate) mod engines;
mod find_drawings;
mod label;
pub(crate) mod render;
