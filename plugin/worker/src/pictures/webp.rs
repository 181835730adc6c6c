//! Writes WebP files with the key's metadata: its colour profile, and its Exif data, which may
//! rotate the picture.

use std::io::Cursor;

use image::codecs::webp::{WebPDecoder, WebPEncoder};
use image::{DynamicImage, ImageDecoder, ImageEncoder};

/// The metadata of a WebP file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct WebP {
    profile: Option<Vec<u8>>,
    exif: Option<Vec<u8>>,
}

impl WebP {
    /// The metadata of this file.
    pub(super) fn of(file: &[u8]) -> Self {
        let Ok(mut from) = WebPDecoder::new(Cursor::new(file)) else { return Self::default() };
        Self {
            profile: from.icc_profile().ok().flatten(),
            exif: from.exif_metadata().ok().flatten(),
        }
    }

    /// Only this colour profile.
    pub(super) fn with_profile(profile: Option<Vec<u8>>) -> Self {
        Self { profile, exif: None }
    }

    /// The contents of a file with this image, whose rows stay in order.
    pub(super) fn encode(&self, image: &DynamicImage) -> Result<Vec<u8>, String> {
        let mut file = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut file);
        if let Some(profile) = &self.profile {
            encoder.set_icc_profile(profile.clone()).map_err(|err| err.to_string())?;
        }
        if let Some(exif) = &self.exif {
            encoder.set_exif_metadata(exif.clone()).map_err(|err| err.to_string())?;
        }
        image.write_with_encoder(encoder).map_err(|err| err.to_string())?;
        Ok(file)
    }
}
