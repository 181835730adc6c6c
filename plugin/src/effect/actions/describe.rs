//! Describes the plug-in to a host: its names, abilities, clips and parameters.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxPropertiesByObject.html>

use std::ffi::CStr;
use std::iter;

use inbetween_core::settings::{AnyKind, AnySetting, Integer, Number, Point};
use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::colour::*;
use openfx::sys::image_effect_v1::image_effect::*;
use openfx::sys::image_effect_v1::param::*;

use super::engines;
use crate::effect::names::{KEY_B, OUTPUT_CLIP, SKETCH, SOURCE, SOURCE_FROM, SOURCE_TO, VERSION};
use crate::effect::parameters::choices::usual_keys;
use crate::effect::parameters::rows::{self, DECIDE_RATE, KEYS_FROM, KeysFrom, Param, RowKind};
use crate::ofx::{
    Components, Context, Depth, EffectRef, Error, IfKnown, ParamKind, ParamSet, Props, Reply,
    Result,
};

/// The config whose colourspaces hosts may name.
const COLOURSPACES: &CStr = c"ofx-native-v1.5_aces-v1.3_ocio-v2.3";

const DESCRIPTION: &CStr =
    c"Draws the frames between two key drawings. The keys are two clips, two times in one clip, or \
      two picture files; a timing chart and an exposure say when each in-between is seen. Sketches can \
      guide the drawings. Or it retimes a clip to another frame rate, with its drawings' own times kept.";

/// Answers Describe.
pub(crate) fn describe(effect: &EffectRef<'_>) -> Result<Reply> {
    let props = effect.props()?;
    engines::remember_bundle(props.string(kOfxPluginPropFilePath));
    let quirks = effect.host().quirks();
    let (label, short) = if quirks.plain_label {
        (c"AI Inbetween", c"Inbetween")
    } else {
        (c"AI In-between", c"In-between")
    };
    props.set_strings(kOfxPropLabel, &[label])?;
    props.set_strings(kOfxPropShortLabel, &[short]).if_known();
    props.set_strings(kOfxPropLongLabel, &[label]).if_known();
    props.set_strings(kOfxImageEffectPluginPropGrouping, &[c"Animation"])?;
    props.set_strings(kOfxPropPluginDescription, &[DESCRIPTION]).if_known();
    props.set_ints(kOfxPropVersion, &[VERSION.0 as i32, VERSION.1 as i32]).if_known();
    props.set_text(kOfxPropVersionLabel, env!("CARGO_PKG_VERSION")).if_known();
    props.set_strings(kOfxImageEffectPropSupportedContexts, &Context::ALL.map(Context::name))?;
    props.set_strings(kOfxImageEffectPropSupportedPixelDepths, &Depth::ALL.map(Depth::name))?;
    // Clips may have any colourspace, since its name says how to read the values.
    let style = kOfxImageEffectColourManagementFull;
    props.set_strings(kOfxImageEffectPropColourManagementStyle, &[style]).if_known();
    props
        .set_strings(kOfxImageEffectPropColourManagementAvailableConfigs, &[COLOURSPACES])
        .if_known();
    let safety = if quirks.one_render_per_instance {
        kOfxImageEffectRenderInstanceSafe
    } else {
        kOfxImageEffectRenderFullySafe
    };
    props.set_strings(kOfxImageEffectPluginRenderThreadSafety, &[safety])?;
    for (name, value) in [
        (kOfxImageEffectPluginPropSingleInstance, 0),
        (kOfxImageEffectPluginPropHostFrameThreading, 0),
        (kOfxImageEffectPropSupportsMultiResolution, 1),
        // Motion may carry anything anywhere, so only whole keys are useful.
        (kOfxImageEffectPropSupportsTiles, 0),
        (kOfxImageEffectPropTemporalClipAccess, 1),
        (kOfxImageEffectPluginPropFieldRenderTwiceAlways, 0),
        (kOfxImageEffectPropSupportsMultipleClipDepths, 0),
        (kOfxImageEffectPropSupportsMultipleClipPARs, 0),
    ] {
        props.set_ints(name, &[value]).if_known();
    }
    Ok(Reply::Ok)
}

/// Answers DescribeInContext.
pub(crate) fn describe_in_context(effect: &EffectRef<'_>, context: Context) -> Result<Reply> {
    match context {
        Context::Filter => clip(effect, SOURCE, c"Source", true, false)?,
        Context::General => {
            // Optional, because keys from files need no clip. As long as a required clip is
            // unconnected, Natron asks an effect for nothing and shows neither a picture nor a
            // reason.
            clip(effect, SOURCE, c"First key", true, true)?;
            clip(effect, KEY_B, c"KeyB", true, true)?;
            clip(effect, SKETCH, c"Sketch", true, true)?;
        }
        Context::Transition => {
            clip(effect, SOURCE_FROM, c"From", true, false)?;
            clip(effect, SOURCE_TO, c"To", true, false)?;
        }
    }
    clip(effect, OUTPUT_CLIP, c"Output", false, false)?;
    let params = effect.params()?;
    if context != Context::Transition {
        let props = effect.props()?;
        props.set_strings(kOfxImageEffectPropClipPreferencesSlaveParam, DECIDE_RATE).if_known();
    }
    let quirks = effect.host().quirks();
    let usual = usual_keys(context, effect.host().temporal_access());
    for param in rows::all().filter(|param| param.contexts.contains(&context)) {
        for id in iter::once(param.id()).chain(quirks.file_in_projects(param.id())) {
            match define(&params, param, id, usual) {
                // Some hosts lack a type of parameter. Its default is used there, and the render
                // says so.
                Err(Error::Refused { call, status }) if call.starts_with("paramDefine") => {
                    log::warn!("the host answered {status} to {call}: its default is used");
                }
                defined => defined?,
            }
        }
    }
    Ok(Reply::Ok)
}

fn clip(
    effect: &EffectRef<'_>,
    name: &CStr,
    label: &CStr,
    temporal: bool,
    optional: bool,
) -> Result<()> {
    let props = effect.define_clip(name)?;
    props.set_strings(kOfxPropLabel, &[label]).if_known();
    let components = Components::ALL.map(Components::name);
    props.set_strings(kOfxImageEffectPropSupportedComponents, &components)?;
    for (name, value) in [
        (kOfxImageEffectPropTemporalClipAccess, temporal),
        (kOfxImageClipPropOptional, optional),
        (kOfxImageClipPropIsMask, false),
        (kOfxImageEffectPropSupportsTiles, false),
    ] {
        props.set_ints(name, &[i32::from(value)]).if_known();
    }
    Ok(())
}

fn define(params: &ParamSet<'_>, param: &Param, id: &CStr, keys_from: KeysFrom) -> Result<()> {
    let kind = match param.what {
        RowKind::Group { .. } => ParamKind::Group,
        RowKind::Setting(setting) => match setting.kind() {
            AnyKind::Number(_) => ParamKind::Double,
            AnyKind::Point(_) => ParamKind::Double2D,
            AnyKind::Integer(_) => ParamKind::Integer,
            AnyKind::Switch(_) => ParamKind::Boolean,
            AnyKind::Choice(_) => ParamKind::Choice,
            AnyKind::Text(_) | AnyKind::File => ParamKind::String,
        },
        RowKind::Button(_) => ParamKind::PushButton,
        RowKind::Report(_) | RowKind::Former(_) => ParamKind::String,
        RowKind::Counter(_) => ParamKind::Integer,
    };
    let props = params.define(kind, id)?;
    props.set_strings(kOfxPropLabel, &[param.label()])?;
    props.set_strings(kOfxParamPropScriptName, &[id]).if_known();
    if let Some(hint) = param.hint() {
        props.set_strings(kOfxParamPropHint, &[hint]).if_known();
    }
    if !matches!(kind, ParamKind::Group | ParamKind::PushButton) {
        props.set_ints(kOfxParamPropAnimates, &[i32::from(param.animates)]).if_known();
    }
    if let Some(group) = param.group {
        props.set_strings(kOfxParamPropParent, &[group]).if_known();
    }
    match param.what {
        RowKind::Setting(setting) => define_values(&props, setting, keys_from),
        RowKind::Group { open, .. } => {
            props.set_ints(kOfxParamPropGroupOpen, &[i32::from(open)]).if_known();
            Ok(())
        }
        RowKind::Button(_) => Ok(()),
        RowKind::Report(_) => define_report(&props),
        RowKind::Former(_) => define_former(&props),
        RowKind::Counter(_) => define_counter(&props),
    }
}

fn define_values(props: &Props<'_>, setting: &dyn AnySetting, keys_from: KeysFrom) -> Result<()> {
    match setting.kind() {
        AnyKind::Number(Number { default, range, display, step, digits }) => {
            props.set_doubles(kOfxParamPropDefault, &[*default])?;
            // Resolve falls back to -1..1 unless all four are set.
            props.set_doubles(kOfxParamPropMin, &[range.0])?;
            props.set_doubles(kOfxParamPropMax, &[range.1])?;
            props.set_doubles(kOfxParamPropDisplayMin, &[display.0])?;
            props.set_doubles(kOfxParamPropDisplayMax, &[display.1])?;
            props.set_doubles(kOfxParamPropIncrement, &[*step]).if_known();
            props.set_ints(kOfxParamPropDigits, &[i32::from(*digits)]).if_known();
            Ok(())
        }
        AnyKind::Integer(Integer { default, range, display }) => {
            props.set_ints(kOfxParamPropDefault, &[*default])?;
            // Resolve falls back to 0..0 unless all four are set.
            props.set_ints(kOfxParamPropMin, &[range.0])?;
            props.set_ints(kOfxParamPropMax, &[range.1])?;
            props.set_ints(kOfxParamPropDisplayMin, &[display.0])?;
            props.set_ints(kOfxParamPropDisplayMax, &[display.1])
        }
        AnyKind::Point(of) => define_point(props, of),
        AnyKind::Switch(of) => props.set_ints(kOfxParamPropDefault, &[i32::from(of.default)]),
        AnyKind::Choice(of) => {
            props.set_strings(kOfxParamPropChoiceOption, &of.labels())?;
            let default = if setting.id() == KEYS_FROM.id {
                KEYS_FROM.kind.index_of(&keys_from)
            } else {
                of.default_index()
            };
            props.set_ints(kOfxParamPropDefault, &[default as i32])
        }
        AnyKind::Text(of) => {
            props.set_strings(kOfxParamPropStringMode, &[kOfxParamStringIsSingleLine]).if_known();
            props.set_strings(kOfxParamPropDefault, &[of.default])
        }
        AnyKind::File => {
            props.set_strings(kOfxParamPropStringMode, &[kOfxParamStringIsFilePath]).if_known();
            props.set_ints(kOfxParamPropStringFilePathExists, &[1]).if_known();
            props.set_strings(kOfxParamPropDefault, &[c""])
        }
    }
}

/// A place in the picture, with the host's own handle in the viewer.
fn define_point(props: &Props<'_>, of: &Point) -> Result<()> {
    props.set_strings(kOfxParamPropDoubleType, &[kOfxParamDoubleTypeXYAbsolute]).if_known();
    let normalised = props
        .set_strings(kOfxParamPropDefaultCoordinateSystem, &[kOfxParamCoordinatesNormalised])
        .is_ok();
    // Hosts without this property would read the default as pixels. For them the pin is moved into
    // the picture when it comes into use.
    let default = if normalised { of.default } else { [0.0; 2] };
    props.set_doubles(kOfxParamPropDefault, &default)?;
    // Resolve keeps values within -1..1 unless all four are set.
    const FARTHEST: f64 = 1e6;
    for (name, value) in [
        (kOfxParamPropMin, -FARTHEST),
        (kOfxParamPropMax, FARTHEST),
        (kOfxParamPropDisplayMin, -10_000.0),
        (kOfxParamPropDisplayMax, 10_000.0),
    ] {
        props.set_doubles(name, &[value; 2])?;
    }
    props.set_doubles(kOfxParamPropIncrement, &[1.0]).if_known();
    props.set_ints(kOfxParamPropDigits, &[1]).if_known();
    props.set_ints(kOfxParamPropUseHostOverlayHandle, &[1]).if_known();
    Ok(())
}

/// A text that only the effect sets.
fn define_report(props: &Props<'_>) -> Result<()> {
    props.set_strings(kOfxParamPropStringMode, &[kOfxParamStringIsSingleLine]).if_known();
    for name in [kOfxParamPropPersistant, kOfxParamPropEvaluateOnChange, kOfxParamPropCanUndo] {
        props.set_ints(name, &[0]).if_known();
    }
    props.set_ints(kOfxParamPropEnabled, &[0]).if_known();
    props.set_strings(kOfxParamPropDefault, &[c""])
}

/// A text that no longer has any effect.
fn define_former(props: &Props<'_>) -> Result<()> {
    props.set_strings(kOfxParamPropStringMode, &[kOfxParamStringIsSingleLine]).if_known();
    for (name, value) in
        [(kOfxParamPropSecret, 1), (kOfxParamPropEvaluateOnChange, 0), (kOfxParamPropCanUndo, 0)]
    {
        props.set_ints(name, &[value]).if_known();
    }
    props.set_strings(kOfxParamPropDefault, &[c""])
}

/// A counter that only the effect increases.
fn define_counter(props: &Props<'_>) -> Result<()> {
    for (name, value) in [
        (kOfxParamPropMin, 0),
        (kOfxParamPropMax, i32::MAX),
        (kOfxParamPropDisplayMin, 0),
        (kOfxParamPropDisplayMax, 100),
    ] {
        props.set_ints(name, &[value])?;
    }
    props.set_ints(kOfxParamPropSecret, &[1]).if_known();
    props.set_ints(kOfxParamPropCanUndo, &[0]).if_known();
    props.set_strings(kOfxParamPropCacheInvalidation, &[kOfxParamInvalidateAll]).if_known();
    props.set_ints(kOfxParamPropDefault, &[0])
}
