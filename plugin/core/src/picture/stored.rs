//! What the head of a picture file tells.

use image::metadata::Orientation;
use image::{ColorType, ImageFormat};

/// What a picture file stores, as its head tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stored {
    /// The kind of file.
    pub format: ImageFormat,
    /// Channels and depth.
    pub colour: ColorType,
    /// Whether its floats are half floats.
    pub half: bool,
    /// Whether the file has one channel only, which is read as all three colours.
    pub grey: bool,
    /// How the stored picture is turned to lie upright.
    pub orientation: Orientation,
}
