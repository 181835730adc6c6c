//! Every property name of OpenFX 1.5.1, with the value types and the dimension in its definition.
//!
//! A name that is neither in this table nor has a vendor's prefix is a misspelling, to which hosts
//! respond with an error, or silently with nothing. Types and dimensions are those in the
//! `@propdef` blocks of the headers.

use std::{collections::HashMap, ffi::CStr, sync::LazyLock};

use crate::host::sys::*;

/// Types that a property may have, as a set of bits, since `OfxParamPropDefault` depends on its
/// parameter.
pub type Types = u8;
/// C `int`.
pub const INT: Types = 1;
/// C `double`.
pub const DOUBLE: Types = 2;
/// NUL-terminated UTF-8.
pub const TEXT: Types = 4;
/// An address that the host does not dereference.
pub const POINTER: Types = 8;
/// Not specified by the headers.
pub const ANY: Types = 15;

/// Definition of one property: name, types, and dimension (0: any number of values).
pub struct Known {
    /// Name as passed over the API.
    pub name: &'static CStr,
    /// Types that may be read or set.
    pub types: Types,
    /// Number of values; 0 where it may vary.
    pub dimension: usize,
}

/// Beginnings of names that end in a clip's name (`OfxImageClipPropComponents_Source`), used in
/// arguments of actions.
const PER_CLIP: &[(&str, Types)] = &[
    ("OfxImageClipPropComponents_", TEXT),
    ("OfxImageClipPropDepth_", TEXT),
    ("OfxImageClipPropPreferredColourspaces_", TEXT),
    ("OfxImageClipPropPAR_", DOUBLE),
    ("OfxImageClipPropRoI_", DOUBLE),
    ("OfxImageClipPropFrameRange_", DOUBLE),
];

/// Prefixes of vendors' extensions, which a plug-in may probe for.
const VENDORS: &[&str] = &[
    "Natron",
    "uk.co.thefoundry.",
    "com.vegascreativesoftware.",
    "com.sonycreativesoftware.",
    "com.blackmagicdesign.",
    "OfxPropVegas",
    "OfxImageEffectPropVegas",
    "OfxImageEffectPropPremult",
    "mlt_",
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Known>> = LazyLock::new(|| {
    KNOWN
        .iter()
        .map(|known| (known.name.to_str().expect("property names are ASCII"), known))
        .collect()
});

/// The types of `name` by the standard; [`ANY`] for vendors' extensions, `None` for an undefined
/// name.
pub fn types_of(name: &str) -> Option<Types> {
    if let Some(known) = BY_NAME.get(name) {
        return Some(known.types);
    }
    if let Some((_, types)) = PER_CLIP.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return Some(*types);
    }
    VENDORS.iter().any(|prefix| name.starts_with(prefix)).then_some(ANY)
}

const fn row(name: &'static CStr, types: Types, dimension: usize) -> Known {
    Known { name, types, dimension }
}

/// The table, in the order of the headers.
#[rustfmt::skip]
pub const KNOWN: &[Known] = &[
    // colour
    row(kOfxImageEffectPropColourManagementStyle, TEXT, 1),
    row(kOfxImageEffectPropColourManagementAvailableConfigs, TEXT, 0),
    row(kOfxImageEffectPropColourManagementConfig, TEXT, 1),
    row(kOfxImageEffectPropOCIOConfig, TEXT, 1),
    row(kOfxImageClipPropColourspace, TEXT, 1),
    row(kOfxImageClipPropPreferredColourspaces, TEXT, 0),
    row(kOfxImageEffectPropDisplayColourspace, TEXT, 1),
    row(kOfxImageEffectPropOCIODisplay, TEXT, 1),
    row(kOfxImageEffectPropOCIOView, TEXT, 1),
    // core
    row(kOfxPropAPIVersion, INT, 0),
    row(kOfxPropTime, DOUBLE, 1),
    row(kOfxPropIsInteractive, INT, 1),
    row(kOfxPluginPropFilePath, TEXT, 1),
    row(kOfxPropInstanceData, POINTER, 1),
    row(kOfxPropType, TEXT, 1),
    row(kOfxPropName, TEXT, 1),
    row(kOfxPropVersion, INT, 0),
    row(kOfxPropVersionLabel, TEXT, 1),
    row(kOfxPropPluginDescription, TEXT, 1),
    row(kOfxPropLabel, TEXT, 1),
    row(kOfxPropIcon, TEXT, 2),
    row(kOfxPropShortLabel, TEXT, 1),
    row(kOfxPropLongLabel, TEXT, 1),
    row(kOfxPropChangeReason, TEXT, 1),
    row(kOfxPropEffectInstance, POINTER, 1),
    row(kOfxPropHostOSHandle, POINTER, 1),
    // draw_suite
    row(kOfxInteractPropDrawContext, POINTER, 1),
    // gpu_render
    row(kOfxImageEffectPropOpenGLRenderSupported, TEXT, 1),
    row(kOfxOpenGLPropPixelDepth, TEXT, 0),
    row(kOfxImageEffectPropOpenGLEnabled, INT, 1),
    row(kOfxImageEffectPropOpenGLTextureIndex, INT, 1),
    row(kOfxImageEffectPropOpenGLTextureTarget, INT, 1),
    row(kOfxImageEffectPropCPURenderSupported, TEXT, 1),
    row(kOfxImageEffectPropCudaRenderSupported, TEXT, 1),
    row(kOfxImageEffectPropCudaEnabled, INT, 1),
    row(kOfxImageEffectPropCudaStreamSupported, TEXT, 1),
    row(kOfxImageEffectPropCudaStream, POINTER, 1),
    row(kOfxImageEffectPropMetalRenderSupported, TEXT, 1),
    row(kOfxImageEffectPropMetalEnabled, INT, 1),
    row(kOfxImageEffectPropMetalCommandQueue, POINTER, 1),
    row(kOfxImageEffectPropOpenCLRenderSupported, TEXT, 1),
    row(kOfxImageEffectPropOpenCLSupported, TEXT, 1),
    row(kOfxImageEffectPropOpenCLEnabled, INT, 1),
    row(kOfxImageEffectPropOpenCLCommandQueue, POINTER, 1),
    row(kOfxImageEffectPropOpenCLImage, POINTER, 1),
    // image_effect
    row(kOfxImageEffectPropSupportedContexts, TEXT, 0),
    row(kOfxImageEffectPropPluginHandle, POINTER, 1),
    row(kOfxImageEffectHostPropIsBackground, INT, 1),
    row(kOfxImageEffectPluginPropSingleInstance, INT, 1),
    row(kOfxImageEffectPluginRenderThreadSafety, TEXT, 1),
    row(kOfxImageEffectPluginPropHostFrameThreading, INT, 1),
    row(kOfxImageEffectPropSupportsMultipleClipDepths, INT, 1),
    row(kOfxImageEffectPropSupportsMultipleClipPARs, INT, 1),
    row(kOfxImageEffectPropClipPreferencesSlaveParam, TEXT, 0),
    row(kOfxImageEffectPropSetableFrameRate, INT, 1),
    row(kOfxImageEffectPropSetableFielding, INT, 1),
    row(kOfxImageEffectInstancePropSequentialRender, INT, 1),
    row(kOfxImageEffectPropSequentialRenderStatus, INT, 1),
    row(kOfxImageEffectHostPropNativeOrigin, TEXT, 1),
    row(kOfxImageEffectPropInteractiveRenderStatus, INT, 1),
    row(kOfxImageEffectPluginPropGrouping, TEXT, 1),
    row(kOfxImageEffectPluginPropObsolete, INT, 1),
    row(kOfxImageEffectPropBehaviourWhenUnlicensed, TEXT, 1),
    row(kOfxImageEffectPropSupportsOverlays, INT, 1),
    row(kOfxImageEffectPluginPropOverlayInteractV1, POINTER, 1),
    row(kOfxImageEffectPluginPropOverlayInteractV2, POINTER, 1),
    row(kOfxImageEffectPropSupportsMultiResolution, INT, 1),
    row(kOfxImageEffectPropSupportsTiles, INT, 1),
    row(kOfxImageEffectPropTemporalClipAccess, INT, 1),
    row(kOfxImageEffectPropContext, TEXT, 1),
    row(kOfxImageEffectPropPixelDepth, TEXT, 1),
    row(kOfxImageEffectPropComponents, TEXT, 1),
    row(kOfxImagePropUniqueIdentifier, TEXT, 1),
    row(kOfxImageClipPropContinuousSamples, INT, 1),
    row(kOfxImageClipPropUnmappedPixelDepth, TEXT, 1),
    row(kOfxImageClipPropUnmappedComponents, TEXT, 1),
    row(kOfxImageEffectPropPreMultiplication, TEXT, 1),
    row(kOfxImageEffectPropSupportedPixelDepths, TEXT, 0),
    row(kOfxImageEffectPropSupportedComponents, TEXT, 0),
    row(kOfxImageClipPropOptional, INT, 1),
    row(kOfxImageClipPropIsMask, INT, 1),
    row(kOfxImagePropPixelAspectRatio, DOUBLE, 1),
    row(kOfxImageEffectPropFrameRate, DOUBLE, 1),
    row(kOfxImageEffectPropUnmappedFrameRate, DOUBLE, 1),
    row(kOfxImageEffectPropFrameStep, DOUBLE, 1),
    row(kOfxImageEffectPropFrameRange, DOUBLE, 2),
    row(kOfxImageEffectPropUnmappedFrameRange, DOUBLE, 2),
    row(kOfxImageClipPropConnected, INT, 1),
    row(kOfxImageEffectFrameVarying, INT, 1),
    row(kOfxImageEffectPropRenderScale, DOUBLE, 2),
    row(kOfxImageEffectPropRenderQualityDraft, INT, 1),
    row(kOfxImageEffectPropNoSpatialAwareness, TEXT, 1),
    row(kOfxImageEffectPropThumbnailRender, TEXT, 1),
    row(kOfxImageEffectPropProjectExtent, DOUBLE, 2),
    row(kOfxImageEffectPropProjectSize, DOUBLE, 2),
    row(kOfxImageEffectPropProjectOffset, DOUBLE, 2),
    row(kOfxImageEffectPropProjectPixelAspectRatio, DOUBLE, 1),
    row(kOfxImageEffectInstancePropEffectDuration, DOUBLE, 1),
    row(kOfxImageClipPropFieldOrder, TEXT, 1),
    row(kOfxImagePropData, POINTER, 1),
    row(kOfxImagePropBounds, INT, 4),
    row(kOfxImagePropRegionOfDefinition, INT, 4),
    row(kOfxImagePropRowBytes, INT, 1),
    row(kOfxImagePropField, TEXT, 1),
    row(kOfxImageEffectPluginPropFieldRenderTwiceAlways, INT, 1),
    row(kOfxImageClipPropFieldExtraction, TEXT, 1),
    row(kOfxImageEffectPropFieldToRender, TEXT, 1),
    row(kOfxImageEffectPropRegionOfDefinition, DOUBLE, 4),
    row(kOfxImageEffectPropRegionOfInterest, DOUBLE, 4),
    row(kOfxImageEffectPropRenderWindow, INT, 4),
    // interact
    row(kOfxInteractPropSlaveToParam, TEXT, 0),
    row(kOfxInteractPropPixelScale, DOUBLE, 2),
    row(kOfxInteractPropBackgroundColour, DOUBLE, 3),
    row(kOfxInteractPropSuggestedColour, DOUBLE, 3),
    row(kOfxInteractPropPenPosition, DOUBLE, 2),
    row(kOfxInteractPropPenViewportPosition, INT, 2),
    row(kOfxInteractPropPenPressure, DOUBLE, 1),
    row(kOfxInteractPropBitDepth, INT, 1),
    row(kOfxInteractPropHasAlpha, INT, 1),
    // key_syms
    row(kOfxPropKeySym, INT, 1),
    row(kOfxPropKeyString, TEXT, 1),
    // old
    row(kOfxImageEffectPropInAnalysis, INT, 1),
    row(kOfxInteractPropViewportSize, INT, 2),
    // param
    row(kOfxParamHostPropSupportsCustomAnimation, INT, 1),
    row(kOfxParamHostPropSupportsStringAnimation, INT, 1),
    row(kOfxParamHostPropSupportsBooleanAnimation, INT, 1),
    row(kOfxParamHostPropSupportsChoiceAnimation, INT, 1),
    row(kOfxParamHostPropSupportsCustomInteract, INT, 1),
    row(kOfxParamHostPropMaxParameters, INT, 1),
    row(kOfxParamHostPropMaxPages, INT, 1),
    row(kOfxParamHostPropPageRowColumnCount, INT, 2),
    row(kOfxParamPropInteractV1, POINTER, 1),
    row(kOfxParamPropInteractSize, DOUBLE, 2),
    row(kOfxParamPropInteractSizeAspect, DOUBLE, 1),
    row(kOfxParamPropInteractMinimumSize, DOUBLE, 2),
    row(kOfxParamPropInteractPreferedSize, INT, 2),
    row(kOfxParamPropType, TEXT, 1),
    row(kOfxParamPropAnimates, INT, 1),
    row(kOfxParamPropCanUndo, INT, 1),
    row(kOfxPropParamSetNeedsSyncing, INT, 1),
    row(kOfxParamPropIsAnimating, INT, 1),
    row(kOfxParamPropPluginMayWrite, INT, 1),
    row(kOfxParamPropPersistant, INT, 1),
    row(kOfxParamPropEvaluateOnChange, INT, 1),
    row(kOfxParamPropSecret, INT, 1),
    row(kOfxParamPropScriptName, TEXT, 1),
    row(kOfxParamPropCacheInvalidation, TEXT, 1),
    row(kOfxParamPropHint, TEXT, 1),
    row(kOfxParamPropDefault, INT | DOUBLE | TEXT | POINTER, 0),
    row(kOfxParamPropDoubleType, TEXT, 1),
    row(kOfxParamPropDefaultCoordinateSystem, TEXT, 1),
    row(kOfxParamPropHasHostOverlayHandle, INT, 1),
    row(kOfxParamPropUseHostOverlayHandle, INT, 1),
    row(kOfxParamInterpType, TEXT, 1),
    row(kOfxParamPropShowTimeMarker, INT, 1),
    row(kOfxPluginPropParamPageOrder, TEXT, 0),
    row(kOfxParamPropPageChild, TEXT, 0),
    row(kOfxParamPropParent, TEXT, 1),
    row(kOfxParamPropGroupOpen, INT, 1),
    row(kOfxParamPropEnabled, INT, 1),
    row(kOfxParamPropDataPtr, POINTER, 1),
    row(kOfxParamPropChoiceOption, TEXT, 0),
    row(kOfxParamPropChoiceOrder, INT, 0),
    row(kOfxParamPropChoiceEnum, TEXT, 0),
    row(kOfxParamHostPropSupportsStrChoiceAnimation, INT, 1),
    row(kOfxParamHostPropSupportsStrChoice, INT, 1),
    row(kOfxParamPropMin, INT | DOUBLE, 0),
    row(kOfxParamPropMax, INT | DOUBLE, 0),
    row(kOfxParamPropDisplayMin, INT | DOUBLE, 0),
    row(kOfxParamPropDisplayMax, INT | DOUBLE, 0),
    row(kOfxParamPropIncrement, DOUBLE, 1),
    row(kOfxParamPropDigits, INT, 1),
    row(kOfxParamPropDimensionLabel, TEXT, 1),
    row(kOfxParamPropIsAutoKeying, INT, 1),
    row(kOfxParamPropCustomInterpCallbackV1, POINTER, 1),
    row(kOfxParamPropStringMode, TEXT, 1),
    row(kOfxParamPropStringFilePathExists, INT, 1),
    row(kOfxParamPropCustomValue, TEXT, 2),
    row(kOfxParamPropInterpolationTime, DOUBLE, 2),
    row(kOfxParamPropInterpolationAmount, DOUBLE, 1),
    // parametric_param
    row(kOfxParamPropParametricDimension, INT, 1),
    row(kOfxParamPropParametricUIColour, DOUBLE, 0),
    row(kOfxParamPropParametricInteractBackground, POINTER, 1),
    row(kOfxParamHostPropSupportsParametricAnimation, INT, 1),
    row(kOfxParamPropParametricRange, DOUBLE, 2),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_misspellings_unknown() {
        assert_eq!(BY_NAME.len(), KNOWN.len());
        assert_eq!(types_of("OfxPropLabel"), Some(TEXT));
        assert_eq!(types_of("OfxImageClipPropDepth_KeyB"), Some(TEXT));
        assert_eq!(types_of("NatronOfxHostIsNatron"), Some(ANY));
        assert_eq!(types_of("OfxPropLable"), None);
    }
}
