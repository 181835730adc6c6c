//! The commands of the program `host-tests`, one module each.

pub mod bench;
pub mod compare;
pub mod describe;
pub mod eval;
pub mod hostile;
pub mod render;
pub mod soak;
pub mod validate;
