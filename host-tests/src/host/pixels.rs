//! Pixel formats of the API: depths, components, kinds of alpha, orders of rows.

use std::ffi::CStr;

use serde::{Deserialize, Serialize};

use crate::host::sys::*;

/// Type of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// 8 bits, 0..=255 for 0..=1.
    Byte,
    /// 16 bits, 0..=65535 for 0..=1.
    Short,
    /// IEEE half.
    Half,
    /// IEEE single.
    Float,
}

impl Depth {
    /// From the most precise to the least.
    pub const ALL: [Self; 4] = [Self::Float, Self::Half, Self::Short, Self::Byte];

    /// Name in the API.
    pub fn name(self) -> &'static CStr {
        match self {
            Self::Byte => kOfxBitDepthByte,
            Self::Short => kOfxBitDepthShort,
            Self::Half => kOfxBitDepthHalf,
            Self::Float => kOfxBitDepthFloat,
        }
    }

    /// The depth of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|depth| depth.name().to_bytes() == name.as_bytes())
    }

    /// Bytes per sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Short | Self::Half => 2,
            Self::Float => 4,
        }
    }

    /// True for the floating-point depths.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Half | Self::Float)
    }

    /// Largest error of a value in 0..=1 after rounding to this depth.
    pub fn rounding(self) -> f32 {
        match self {
            Self::Byte => 0.5 / 255.0,
            Self::Short => 0.5 / 65535.0,
            Self::Half => 1.0 / 2048.0,
            Self::Float => 1e-6,
        }
    }
}

/// Samples of one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Components {
    /// Red, green, blue, alpha.
    Rgba,
    /// Red, green, blue.
    Rgb,
    /// Alpha alone.
    Alpha,
}

impl Components {
    /// From the most complete to the least.
    pub const ALL: [Self; 3] = [Self::Rgba, Self::Rgb, Self::Alpha];

    /// Name in the API.
    pub fn name(self) -> &'static CStr {
        match self {
            Self::Rgba => kOfxImageComponentRGBA,
            Self::Rgb => kOfxImageComponentRGB,
            Self::Alpha => kOfxImageComponentAlpha,
        }
    }

    /// The components of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|components| components.name().to_bytes() == name.as_bytes())
    }

    /// Samples per pixel.
    pub fn count(self) -> usize {
        match self {
            Self::Rgba => 4,
            Self::Rgb => 3,
            Self::Alpha => 1,
        }
    }
}

/// The relation of alpha and the colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Premult {
    /// No transparency.
    Opaque,
    /// Colours are multiplied by alpha.
    Pre,
    /// Colours are independent of alpha.
    Un,
}

impl Premult {
    /// Name in the API.
    pub fn name(self) -> &'static CStr {
        match self {
            Self::Opaque => kOfxImageOpaque,
            Self::Pre => kOfxImagePreMultiplied,
            Self::Un => kOfxImageUnPreMultiplied,
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Opaque, Self::Pre, Self::Un]
            .into_iter()
            .find(|state| state.name().to_bytes() == name.as_bytes())
    }
}

/// Order of the rows in memory. The data pointer always refers to row y1, the lowest of the
/// picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Positive row bytes.
    Upward,
    /// Negative row bytes: the data pointer is at the last row in memory.
    Downward,
}
