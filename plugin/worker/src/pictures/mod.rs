//! Reads and writes picture files. Drawn frames are stored in the style of their keys.
//!
//! A [`Style`] is read from a key's file: format, depth, channels, and all metadata (colour
//! profile, orientation, compression, attributes). A frame written in that style is a file of the
//! same kind.

pub(crate) mod contact_sheet;
mod exr;
mod form;
mod jpeg;
mod png;
mod style;
mod tiff;
mod webp;

pub(crate) use form::{Depth, Form};
pub(crate) use style::Style;
