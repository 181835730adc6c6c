//! Properties of parameters before a plug-in sets them.

use std::{ffi::c_int, sync::Arc};

use super::kind::{ParamType, Slot};
use crate::{
    host::journal::Journal,
    host::props::{Builder, PropertySet},
    host::sys::*,
};

/// Properties of a new parameter with the initial values from the standard.
pub(super) fn describe(kind: ParamType, name: &str, journal: &Arc<Journal>) -> Builder {
    let mut set = PropertySet::of(format!("parameter {name}"), journal)
        .text(kOfxPropType, ascii(kOfxTypeParameter))
        .text(kOfxPropName, name)
        .text(kOfxPropLabel, name)
        .text(kOfxPropShortLabel, name)
        .text(kOfxPropLongLabel, name)
        .text(kOfxParamPropType, ascii(kind.name()))
        .ints(kOfxParamPropSecret, &[0])
        .text(kOfxParamPropHint, "")
        .text(kOfxParamPropScriptName, name)
        .text(kOfxParamPropParent, "")
        .ints(kOfxParamPropEnabled, &[1])
        .pointer(kOfxParamPropDataPtr, 0)
        .list(kOfxPropIcon, &["", ""])
        .pointer(kOfxParamPropInteractV1, 0)
        .doubles(kOfxParamPropInteractSizeAspect, &[1.0])
        .doubles(kOfxParamPropInteractMinimumSize, &[10.0, 10.0])
        .ints(kOfxParamPropInteractPreferedSize, &[10, 10])
        .ints(kOfxParamPropHasHostOverlayHandle, &[0])
        .ints(kOfxParamPropUseHostOverlayHandle, &[0]);
    if kind.has_value() {
        let animates =
            c_int::from(!matches!(kind, ParamType::String | ParamType::Custom | ParamType::Bytes));
        set = set
            .ints(kOfxParamPropAnimates, &[animates])
            .ints(kOfxParamPropIsAnimating, &[0])
            .ints(kOfxParamPropIsAutoKeying, &[0])
            .ints(kOfxParamPropPersistant, &[1])
            .ints(kOfxParamPropEvaluateOnChange, &[1])
            .ints(kOfxParamPropPluginMayWrite, &[0])
            .text(kOfxParamPropCacheInvalidation, ascii(kOfxParamInvalidateValueChange))
            .ints(kOfxParamPropCanUndo, &[1]);
    }
    set = match (kind.slot(), kind.count()) {
        (Slot::None, _) => set,
        (Slot::Int, count) => set.ints(kOfxParamPropDefault, &vec![0; count]),
        (Slot::Double, count) => set.doubles(kOfxParamPropDefault, &vec![0.0; count]),
        (Slot::Pointer, _) => set.text(kOfxParamPropDefault, ""),
    };
    let count = kind.count();
    if kind.is_number() || matches!(kind, ParamType::Rgb | ParamType::Rgba) {
        set = if kind.slot() == Slot::Int {
            let (low, high) = (vec![c_int::MIN; count], vec![c_int::MAX; count]);
            set.ints(kOfxParamPropMin, &low)
                .ints(kOfxParamPropMax, &high)
                .ints(kOfxParamPropDisplayMin, &low)
                .ints(kOfxParamPropDisplayMax, &high)
        } else {
            let (low, high) = (vec![f64::MIN; count], vec![f64::MAX; count]);
            set.doubles(kOfxParamPropMin, &low)
                .doubles(kOfxParamPropMax, &high)
                .doubles(kOfxParamPropDisplayMin, &low)
                .doubles(kOfxParamPropDisplayMax, &high)
                .doubles(kOfxParamPropIncrement, &[1.0])
                .ints(kOfxParamPropDigits, &[2])
                .text(kOfxParamPropDoubleType, ascii(kOfxParamDoubleTypePlain))
                .text(kOfxParamPropDefaultCoordinateSystem, ascii(kOfxParamCoordinatesCanonical))
                .ints(kOfxParamPropShowTimeMarker, &[0])
        };
        set = set.list(kOfxParamPropDimensionLabel, &["x", "y", "z"]);
    }
    match kind {
        ParamType::Choice | ParamType::StrChoice => set
            .list::<&str>(kOfxParamPropChoiceOption, &[])
            .list::<&str>(kOfxParamPropChoiceEnum, &[])
            .open_list(kOfxParamPropChoiceOrder),
        ParamType::String => set
            .text(kOfxParamPropStringMode, ascii(kOfxParamStringIsSingleLine))
            .ints(kOfxParamPropStringFilePathExists, &[1]),
        ParamType::Custom => set.pointer(kOfxParamPropCustomInterpCallbackV1, 0),
        ParamType::Group => set.ints(kOfxParamPropGroupOpen, &[1]),
        ParamType::Page => set.list::<&str>(kOfxParamPropPageChild, &[]),
        _ => set,
    }
}
