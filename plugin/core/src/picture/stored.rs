//! What the head of a picture file says.

use image::metadata::Orientation;
use image::{ColorType, ImageFormat};

/// What a picture file stores, according to its head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stored {
    /// The kind of file.
    pub format: ImageFormat,
    /// Channels and depth.
    pub colour: ColorType,
    /// Whether its floats are half floats.
    pub half: bool,
    /// Whether the file has only one channel, which is used for all three colours.
    pub grey: bool,
    /// How the stored picture must be turned to be upright.
    pub orientation: Orientation,
}
