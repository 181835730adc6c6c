//! Picture files as they come and as they are written: what is drawn is stored as its keys are.
//!
//! A [`Style`] is read from a key's file: format, depth, channels, and all that stands beside the pixels (colour
//! profile, orientation, compression, attributes). A frame written in that style is the same kind of file.

mod exr;
mod form;
mod jpeg;
mod png;
mod style;
mod tiff;

pub(crate) use form::{Depth, Form};
pub(crate) use style::Style;
