//! Connecting clips, and the choice of their formats.

use std::{ffi::c_int, sync::Arc};

use anyhow::{Result, bail};

use crate::{
    host::clip::{Clip, Footage, Format},
    host::effect::Effect,
    host::pixels::{Components, Depth},
    host::plugin::Plugin,
    host::props::Values,
    host::sys::*,
};

/// Gives a clip its pictures and says so in its properties.
pub(super) fn connect(clip: &Clip, footage: Option<Arc<dyn Footage>>, effect: &Effect) {
    let connected = footage.is_some() || clip.is_output() || effect.host.conduct().always_connected;
    clip.props.put(kOfxImageClipPropConnected, Values::Int(vec![c_int::from(connected)]));
    if let Some(footage) = &footage {
        let (first, last) = footage.range();
        clip.props.put(kOfxImageEffectPropFrameRange, Values::Double(vec![first, last]));
        clip.props.put(kOfxImageEffectPropUnmappedFrameRange, Values::Double(vec![first, last]));
    }
    clip.connect(footage);
}

/// True if the clip lists the components.
pub(super) fn takes(clip: &Clip, components: Components) -> bool {
    clip.props
        .texts(kOfxImageEffectPropSupportedComponents)
        .iter()
        .any(|name| Components::from_name(name) == Some(components))
}

/// The wanted format, or the nearest that plug-in and host both have.
pub(super) fn choose(
    clip: &Clip,
    wanted: Format,
    plugin: &Plugin,
    effect: &Effect,
) -> Result<Format> {
    let Some(descriptor) = plugin.descriptor() else { bail!("the plug-in was not described") };
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
            bail!("{} and {} have no sample type in common", plugin.id(), host.profile().label)
        }
        (_, None) => {
            let known = clip.props.texts(kOfxImageEffectPropSupportedComponents);
            bail!(
                "clip {} takes {known:?}, of which {} has nothing",
                clip.name,
                host.profile().label
            )
        }
    }
}
