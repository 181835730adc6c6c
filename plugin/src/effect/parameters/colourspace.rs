//! The encoding that follows from the name of a clip's colourspace.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxColour.html>

use std::ffi::CStr;

use inbetween_core::Encoding;

use crate::effect::names::OUTPUT_CLIP;
use crate::ofx::EffectRef;

/// The encoding of the first key's clip, if the host reports its colourspace. Keys from files need
/// no clip: they are converted to the encoding that the host reports for the output.
pub(super) fn told_encoding(effect: &EffectRef<'_>, first_key: &CStr) -> Option<Encoding> {
    [first_key, OUTPUT_CLIP]
        .into_iter()
        .find_map(|name| encoding_of(&effect.clip(name)?.colourspace()?))
}

/// The encoding of a colourspace; `None` for values that are not colours, and for an empty name.
///
/// Names are those of OpenFX's own config and of OCIO configs. Anything that is not linear is drawn
/// in its own values, in the way it looks: display encodings such as sRGB and Rec.709, and
/// logarithmic ones such as ACEScct.
fn encoding_of(colourspace: &str) -> Option<Encoding> {
    let name = colourspace.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if name.is_empty() || name == "none" || has(&["raw", "data"]) {
        None
    } else if has(&["linear", "lin_", "lin ", "acescg", "aces2065", "xyz"]) {
        Some(Encoding::Linear)
    } else {
        Some(Encoding::Srgb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colourspaces_are_light_or_what_it_looks_like() {
        for linear in [
            "ACEScg",
            "ACES2065-1",
            "lin_rec709_srgb",
            "lin_davinci_widegamut",
            "Linear Rec.709 (sRGB)",
            "ofx_scene_linear",
            "CIE-XYZ-D65",
        ] {
            assert_eq!(encoding_of(linear), Some(Encoding::Linear), "{linear}");
        }
        for looks in [
            "srgb_tx",
            "sRGB - Display",
            "rec1886_rec709_display",
            "camera_rec709",
            "ACEScct",
            "davinci_intermediate_widegamut",
            "ofx_scene_log",
            "ofx_display_sdr",
        ] {
            assert_eq!(encoding_of(looks), Some(Encoding::Srgb), "{looks}");
        }
        for none in ["ofx_raw", "Raw", "none", ""] {
            assert_eq!(encoding_of(none), None, "{none}");
        }
    }
}
