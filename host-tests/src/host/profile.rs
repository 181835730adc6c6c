//! Profiles of hosts to imitate, as data.
//!
//! Each profile says what a host reports about itself and what it does, as far as is known: Natron
//! RB-2.6 and MLT 7.42 from running them; Nuke 10, Resolve 12 to 16 and Fusion 9 from the dumps of
//! their properties in openfx-misc's `README-hosts.txt`.

use std::ffi::CStr;

use crate::{
    host::pixels::{Components, Depth, Rows},
    host::sys::*,
    host::{Behaviour, MissingImage},
};

/// What a host reports about itself.
pub struct Profile {
    /// Name on the command line.
    pub id: &'static str,
    /// The imitated host, in words.
    pub about: &'static str,
    /// `OfxPropName`.
    pub name: &'static str,
    /// `OfxPropLabel`.
    pub label: &'static str,
    /// `OfxPropVersion`.
    pub version: [i32; 3],
    /// `OfxPropAPIVersion`; hosts of API 1.0 have none.
    pub api: Option<[i32; 2]>,
    /// Contexts that it supports, in order of preference.
    pub contexts: &'static [&'static CStr],
    /// Whether its own property set lists the contexts. In other hosts the list exists but is
    /// empty.
    pub tells_contexts: bool,
    /// Sample types it supports.
    pub depths: &'static [Depth],
    /// Components it supports.
    pub components: &'static [Components],
    /// Suites and their versions.
    pub suites: &'static [(&'static CStr, i32)],
    /// Supports images of different sizes.
    pub multi_resolution: bool,
    /// Renders parts of an image.
    pub tiles: bool,
    /// Delivers images of other times.
    pub temporal: bool,
    /// Supports clips of different depths in one effect.
    pub multi_depths: bool,
    /// Lets effects give their output another frame rate.
    pub setable_rate: bool,
    /// Supports parameters of type StrChoice.
    pub str_choice: bool,
    /// Properties of the standard that its own set lacks.
    pub missing_on_host: &'static [&'static CStr],
    /// Properties of the standard that descriptors and instances of effects lack.
    pub missing_on_effects: &'static [&'static CStr],
    /// Properties of the standard that clips lack.
    pub missing_on_clips: &'static [&'static CStr],
    /// Properties of the standard that parameters lack.
    pub missing_on_params: &'static [&'static CStr],
    /// Its behaviour.
    pub behaviour: Behaviour,
}

const BASIC: [(&CStr, i32); 6] = [
    (kOfxImageEffectSuite, 1),
    (kOfxPropertySuite, 1),
    (kOfxParameterSuite, 1),
    (kOfxMemorySuite, 1),
    (kOfxMultiThreadSuite, 1),
    (kOfxMessageSuite, 1),
];

/// The six basic suites and `more`.
const fn suites<const N: usize, const ALL: usize>(
    more: [(&'static CStr, i32); N],
) -> [(&'static CStr, i32); ALL] {
    assert!(ALL == N + BASIC.len());
    let mut all = [BASIC[0]; ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = if at < BASIC.len() { BASIC[at] } else { more[at - BASIC.len()] };
        at += 1;
    }
    all
}

static NATRON_SUITES: [(&CStr, i32); 9] =
    suites([(kOfxMessageSuite, 2), (kOfxProgressSuite, 1), (kOfxTimeLineSuite, 1)]);
static RESOLVE_SUITES: [(&CStr, i32); 9] = NATRON_SUITES;
static FUSION_SUITES: [(&CStr, i32); 8] = suites([(kOfxProgressSuite, 1), (kOfxTimeLineSuite, 1)]);
static MLT_SUITES: [(&CStr, i32); 10] = suites([
    (kOfxMessageSuite, 2),
    (kOfxProgressSuite, 1),
    (kOfxProgressSuite, 2),
    (kOfxTimeLineSuite, 1),
]);
static BARE_SUITES: [(&CStr, i32); 6] = BASIC;

/// Does everything that the standard allows and nothing that it forbids.
const CONFORMING: Behaviour = Behaviour {
    missing_image: MissingImage::Unconnected,
    always_connected: false,
    rows: Rows::Upward,
    padding: 0,
    row_bytes: None,
    origin: (0, 0),
    pixel_aspect: 1.0,
    ignores_time: false,
    image_scale: None,
    random_identifiers: false,
    watches_inputs: true,
    null_message_two: false,
    loses_message_arguments: false,
    undefined_clip_is_null: false,
    only_source: false,
    instance_per_frame: false,
    describes_per_instance: false,
    asks_planning: true,
    prefills_output: false,
    crops_inputs: false,
    knows_regions: true,
    spare_images: false,
    unlicensed: None,
    colourspace: None,
};

/// Properties that Nuke and Resolve leave out of their own set.
const SELDOM_ON_HOSTS: &[&CStr] =
    &[kOfxImageEffectHostPropNativeOrigin, kOfxImageEffectPropRenderQualityDraft];

/// Properties that Resolve and Fusion leave out of effects.
const SELDOM_ON_EFFECTS: &[&CStr] = &[
    kOfxPropPluginDescription,
    kOfxImageEffectInstancePropSequentialRender,
    kOfxImageEffectPropCPURenderSupported,
    kOfxImageEffectPropThumbnailRender,
    kOfxImageEffectPropNoSpatialAwareness,
];

/// Properties that hosts have since OpenFX 1.2.
const HOST_SINCE_1_2: &[&CStr] = &[
    kOfxPropVersion,
    kOfxPropVersionLabel,
    kOfxImageEffectInstancePropSequentialRender,
    kOfxParamHostPropSupportsStrChoice,
    kOfxParamHostPropSupportsStrChoiceAnimation,
    kOfxImageEffectPropOpenGLRenderSupported,
    kOfxImageEffectPropRenderQualityDraft,
    kOfxImageEffectHostPropNativeOrigin,
];
/// Properties that effects have since OpenFX 1.2.
const EFFECT_SINCE_1_2: &[&CStr] = &[
    kOfxPropVersion,
    kOfxPropVersionLabel,
    kOfxPropPluginDescription,
    kOfxImageEffectInstancePropSequentialRender,
    kOfxImageEffectPropOpenGLRenderSupported,
    kOfxImageEffectPropCPURenderSupported,
    kOfxImageEffectPropThumbnailRender,
    kOfxImageEffectPropNoSpatialAwareness,
    kOfxImageEffectPluginPropOverlayInteractV2,
];

static ALL_CONTEXTS: [&CStr; 5] = [
    kOfxImageEffectContextGeneral,
    kOfxImageEffectContextFilter,
    kOfxImageEffectContextTransition,
    kOfxImageEffectContextGenerator,
    kOfxImageEffectContextRetimer,
];

/// The profiles.
pub static PROFILES: [Profile; 6] = [
    Profile {
        id: "natron",
        about: "Natron 2: General first, all depths but half, true unconnected clips, messages without arguments",
        name: "fr.inria.Natron",
        label: "Natron",
        version: [2, 6, 0],
        api: Some([1, 4]),
        contexts: &[
            kOfxImageEffectContextGeneral,
            kOfxImageEffectContextFilter,
            kOfxImageEffectContextGenerator,
            kOfxImageEffectContextTransition,
        ],
        tells_contexts: true,
        depths: &[Depth::Float, Depth::Short, Depth::Byte],
        components: &[Components::Rgba, Components::Rgb, Components::Alpha],
        suites: &NATRON_SUITES,
        multi_resolution: true,
        tiles: true,
        temporal: true,
        multi_depths: true,
        setable_rate: true,
        str_choice: true,
        missing_on_host: &[],
        missing_on_effects: &[],
        missing_on_clips: &[],
        missing_on_params: &[],
        behaviour: Behaviour { loses_message_arguments: true, ..CONFORMING },
    },
    Profile {
        id: "nuke",
        about: "Nuke 10: Filter and General, float only, padded rows, no sequential render",
        name: "uk.co.thefoundry.nuke",
        label: "nuke",
        version: [10, 0, 1],
        api: Some([1, 2]),
        contexts: &[kOfxImageEffectContextGeneral, kOfxImageEffectContextFilter],
        tells_contexts: true,
        depths: &[Depth::Float],
        components: &[Components::Rgba, Components::Alpha],
        suites: &NATRON_SUITES,
        multi_resolution: true,
        tiles: true,
        temporal: true,
        multi_depths: false,
        setable_rate: false,
        str_choice: false,
        missing_on_host: SELDOM_ON_HOSTS,
        missing_on_effects: &[
            kOfxImageEffectInstancePropSequentialRender,
            kOfxImageEffectPropOpenGLRenderSupported,
            kOfxImageEffectPropCPURenderSupported,
            kOfxImageEffectPropThumbnailRender,
            kOfxImageEffectPropNoSpatialAwareness,
        ],
        missing_on_clips: &[],
        missing_on_params: &[kOfxParamPropUseHostOverlayHandle, kOfxParamPropHasHostOverlayHandle],
        behaviour: Behaviour { padding: 64, ..CONFORMING },
    },
    Profile {
        id: "resolve",
        about: "DaVinci Resolve: no tiles, all clips connected or black, empty message suite 2",
        name: "DaVinciResolve",
        label: "DaVinci Resolve",
        version: [16, 0, 0],
        api: Some([1, 4]),
        contexts: &[
            kOfxImageEffectContextFilter,
            kOfxImageEffectContextGeneral,
            kOfxImageEffectContextTransition,
            kOfxImageEffectContextGenerator,
        ],
        tells_contexts: true,
        depths: &[Depth::Float, Depth::Short, Depth::Byte],
        components: &[Components::Rgba, Components::Alpha],
        suites: &RESOLVE_SUITES,
        multi_resolution: false,
        tiles: false,
        temporal: true,
        multi_depths: false,
        setable_rate: false,
        str_choice: true,
        missing_on_host: SELDOM_ON_HOSTS,
        missing_on_effects: SELDOM_ON_EFFECTS,
        missing_on_clips: &[kOfxImageClipPropContinuousSamples],
        missing_on_params: &[kOfxParamPropDefaultCoordinateSystem, kOfxParamPropShowTimeMarker],
        behaviour: Behaviour {
            missing_image: MissingImage::Black,
            always_connected: true,
            null_message_two: true,
            ..CONFORMING
        },
    },
    Profile {
        id: "fusion",
        about: "Fusion 9: API version unset, no tiles, images that state another scale",
        name: "com.blackmagicdesign.Fusion",
        label: "Fusion",
        version: [9, 0, 2],
        api: None,
        contexts: &[
            kOfxImageEffectContextGeneral,
            kOfxImageEffectContextRetimer,
            kOfxImageEffectContextTransition,
            kOfxImageEffectContextFilter,
            kOfxImageEffectContextGenerator,
        ],
        tells_contexts: true,
        depths: &[Depth::Byte, Depth::Short, Depth::Float],
        components: &[Components::Rgba],
        suites: &FUSION_SUITES,
        multi_resolution: true,
        tiles: false,
        temporal: true,
        multi_depths: true,
        setable_rate: false,
        str_choice: false,
        missing_on_host: HOST_SINCE_1_2,
        missing_on_effects: SELDOM_ON_EFFECTS,
        missing_on_clips: &[],
        missing_on_params: &[kOfxParamPropChoiceEnum, kOfxParamPropChoiceOrder],
        behaviour: Behaviour { image_scale: Some(3.0), ..CONFORMING },
    },
    Profile {
        id: "mlt",
        about: "MLT 7.42: Filter only, no other times, negative rows, an instance per frame",
        name: "MLT",
        label: "MLT",
        version: [7, 42, 0],
        api: Some([1, 5]),
        contexts: &[kOfxImageEffectContextFilter],
        tells_contexts: false,
        depths: &[Depth::Byte, Depth::Short, Depth::Half, Depth::Float],
        components: &[Components::Rgba, Components::Rgb],
        suites: &MLT_SUITES,
        multi_resolution: false,
        tiles: false,
        temporal: false,
        multi_depths: false,
        setable_rate: false,
        str_choice: false,
        missing_on_host: &[kOfxPropType, kOfxImageEffectHostPropNativeOrigin],
        missing_on_effects: &[
            kOfxImageEffectPropProjectSize,
            kOfxImageEffectPropProjectOffset,
            kOfxImageEffectPropProjectExtent,
            kOfxImageEffectPropFrameRate,
            kOfxImageEffectInstancePropEffectDuration,
        ],
        missing_on_clips: &[
            kOfxImageClipPropConnected,
            kOfxImageEffectPropFrameRange,
            kOfxImageEffectPropFrameRate,
            kOfxImageEffectPropUnmappedFrameRange,
            kOfxImageEffectPropUnmappedFrameRate,
        ],
        missing_on_params: &[],
        behaviour: Behaviour {
            missing_image: MissingImage::NoData,
            rows: Rows::Downward,
            ignores_time: true,
            random_identifiers: true,
            undefined_clip_is_null: true,
            only_source: true,
            instance_per_frame: true,
            describes_per_instance: true,
            asks_planning: false,
            prefills_output: true,
            ..CONFORMING
        },
    },
    Profile {
        id: "bare",
        about: "a host of OpenFX 1.0: six suites of version 1, no property that came later",
        name: "org.example.bare",
        label: "Bare",
        version: [1, 0, 0],
        api: None,
        contexts: &ALL_CONTEXTS,
        tells_contexts: true,
        depths: &[Depth::Byte, Depth::Short, Depth::Float],
        components: &[Components::Rgba, Components::Alpha],
        suites: &BARE_SUITES,
        multi_resolution: true,
        tiles: true,
        temporal: true,
        multi_depths: true,
        setable_rate: false,
        str_choice: false,
        missing_on_host: HOST_SINCE_1_2,
        missing_on_effects: EFFECT_SINCE_1_2,
        missing_on_clips: &[],
        missing_on_params: &[
            kOfxParamPropChoiceEnum,
            kOfxParamPropChoiceOrder,
            kOfxPropIcon,
            kOfxParamPropShowTimeMarker,
            kOfxParamPropDefaultCoordinateSystem,
            kOfxParamPropUseHostOverlayHandle,
            kOfxParamPropHasHostOverlayHandle,
        ],
        behaviour: Behaviour { padding: 12, ..CONFORMING },
    },
];

impl Profile {
    /// The profile of that id.
    pub fn find(id: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_the_basics() {
        for profile in &PROFILES {
            assert_eq!(Profile::find(profile.id).map(|found| found.name), Some(profile.name));
            for suite in BASIC {
                assert!(profile.suites.contains(&suite), "{} lacks {suite:?}", profile.id);
            }
            assert!(
                !profile.contexts.is_empty()
                    && !profile.depths.is_empty()
                    && !profile.components.is_empty()
            );
        }
    }
}
