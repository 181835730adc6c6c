//! The names by which hosts and saved projects know the effect: its identifier and version, and the
//! names of its clips.

use std::ffi::CStr;

use openfx::sys::image_effect_v1::image_effect::*;

/// The permanent identifier: saved projects refer to it.
pub(crate) const IDENTIFIER: &CStr = c"org.inbetween.AIInbetween";

/// Major and minor version. To hosts with saved projects, a new major version is a new plug-in. A
/// new minor version makes hosts that cache descriptions read the parameters again.
pub(crate) const VERSION: (u32, u32) = (1, 3);

/// The first key in Filter and General; mandated by the standard.
pub(crate) const SOURCE: &CStr = kOfxImageEffectSimpleSourceClipName;
/// The last key in General.
pub(crate) const KEY_B: &CStr = c"KeyB";
/// Line drawings that guide the in-betweens, each at its own frame.
pub(crate) const SKETCH: &CStr = c"Sketch";
/// The first key in Transition; mandated by the standard.
pub(crate) const SOURCE_FROM: &CStr = kOfxImageEffectTransitionSourceFromClipName;
/// The last key in Transition; mandated by the standard.
pub(crate) const SOURCE_TO: &CStr = kOfxImageEffectTransitionSourceToClipName;
/// The clip that receives the pictures; mandated by the standard.
pub(crate) const OUTPUT_CLIP: &CStr = kOfxImageEffectOutputClipName;
