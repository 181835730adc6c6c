//! Connects clips and chooses their formats.

use std::{
    ffi::{CStr, c_int},
    sync::Arc,
};

use anyhow::{Context as _, Result};

use crate::{
    host::clip::{Clip, Format},
    host::effect::Effect,
    host::pixels::{Components, Depth},
    host::plugin::{Incompatible, Plugin},
    host::props::Values,
    host::sys::*,
    pictures::footage::Footage,
};

/// Gives a clip its footage and updates its properties.
pub(super) fn connect(
    clip: &Clip,
    footage: Option<Arc<dyn Footage>>,
    format: Format,
    effect: &Effect,
) {
    // The format of the pictures themselves, whatever format the effect gets.
    let native = |name: &CStr| Values::Text(vec![name.to_owned()]);
    if footage.is_some() {
        clip.props.put(kOfxImageClipPropUnmappedPixelDepth, native(format.depth.name()));
        clip.props.put(kOfxImageClipPropUnmappedComponents, native(format.components.name()));
    }
    let connected =
        footage.is_some() || clip.is_output() || effect.host.behaviour().always_connected;
    clip.props.put(kOfxImageClipPropConnected, Values::Int(vec![c_int::from(connected)]));
    if let Some(footage) = &footage {
        let (first, last) = footage.range();
        clip.props.put(kOfxImageEffectPropFrameRange, Values::Double(vec![first, last]));
        clip.props.put(kOfxImageEffectPropUnmappedFrameRange, Values::Double(vec![first, last]));
    }
    clip.connect(footage);
}

/// Whether the clip lists the components.
pub(super) fn takes(clip: &Clip, components: Components) -> bool {
    clip.props
        .texts(kOfxImageEffectPropSupportedComponents)
        .iter()
        .any(|name| Components::from_name(name) == Some(components))
}

/// The requested format, or the nearest one that plug-in and host both support.
pub(super) fn choose(
    clip: &Clip,
    wanted: Format,
    plugin: &Plugin,
    effect: &Effect,
) -> Result<Format> {
    let descriptor = plugin.descriptor().context("the plug-in was not described")?;
    let host = &effect.host;
    let depths = descriptor.depths();
    let has = |depth: &Depth| depths.contains(depth) && host.gives_depth(*depth);
    let depth = [wanted.depth].into_iter().chain(Depth::ALL).find(has);
    let has =
        |components: &Components| takes(clip, *components) && host.gives_components(*components);
    let components = [wanted.components].into_iter().chain(Components::ALL).find(has);
    match (depth, components) {
        (Some(depth), Some(components)) => Ok(Format { depth, components, ..wanted }),
        (None, _) => {
            let host = host.profile().label;
            Err(Incompatible(format!("{} and {host} have no sample type in common", plugin.id())))?
        }
        (_, None) => {
            let known = clip.props.texts(kOfxImageEffectPropSupportedComponents);
            let host = host.profile().label;
            Err(Incompatible(format!(
                "clip {} takes {known:?}, of which {host} has nothing",
                clip.name
            )))?
        }
    }
}

/// The requested format with the first components that the clip lists, whether or not the host
/// supports them.
pub(super) fn own(clip: &Clip, wanted: Format) -> Format {
    let listed = clip.props.texts(kOfxImageEffectPropSupportedComponents);
    let components = listed.iter().find_map(|name| Components::from_name(name));
    Format { components: components.unwrap_or(wanted.components), ..wanted }
}
