//! What the program `host-tests` can be told to do, one module for each command.

pub mod bench;
pub mod compare;
pub mod describe;
pub mod eval;
pub mod hostile;
pub mod render;
pub mod soak;
pub mod validate;
