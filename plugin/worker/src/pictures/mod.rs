//! Reading and writing picture files: what is drawn is stored in the way of its keys.
//!
//! A [`Style`] is read from a key's file: format, depth, channels, and all that stands beside the pixels (colour
//! profile, orientation, compression, attributes). A frame written in that style is the same kind of file.

mod exr;
mod form;
mod jpeg;
mod png;
mod style;
mod tiff;
mod webp;

pub(crate) use form::{Depth, Form};
pub(crate) use style::Style;
