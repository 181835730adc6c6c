//! Images of clips while a plug-in uses them: fetched, examined, released.

use std::{
    collections::HashMap,
    ffi::CStr,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use parking_lot::Mutex;

use crate::{
    host::buffer::Buffer,
    host::call,
    host::clip::Clip,
    host::effect::Effect,
    host::journal::Rule,
    host::props::PropertySet,
    host::registry,
    host::sys::*,
    host::{Behaviour, MissingImage},
    pictures::picture::Picture,
};

/// An input image held by the plug-in, or the output of a render.
struct Image {
    /// Kept for as long as the plug-in holds the image.
    _props: Arc<PropertySet>,
    buffer: Option<Arc<Buffer>>,
    /// Fingerprint of an input when it was fetched.
    fingerprint: Option<u64>,
    what: String,
    /// Action that fetched it; `None` outside an action.
    action: Option<u64>,
}

/// Properties that images in some hosts lack.
const SPARED: &[&CStr] =
    &[kOfxImageEffectPropRenderScale, kOfxImagePropField, kOfxImagePropUniqueIdentifier];

/// Images that plug-ins hold, by handle.
static HELD: Mutex<Option<HashMap<usize, HeldImage>>> = Mutex::new(None);

type HeldImage = (Weak<Effect>, Image);

/// The descriptor or instance that a clip belongs to.
fn owner(clip: &Clip) -> Option<Arc<Effect>> {
    registry::find(clip.effect()?)
}

/// Makes the image of a time in advance, so that fetching it is quick.
pub(crate) fn warm(clip: &Clip, time: f64) {
    if let (Some(effect), Some(footage)) = (owner(clip), clip.footage())
        && let Ok(Some(picture)) = footage.picture(time)
        && let Err(status) = clip.image(effect.scale(), &picture)
    {
        log::warn!("the image of clip {} was not made: status {status}", clip.name);
    }
}

/// Gives an image to the plug-in: the handle of its property set, or a status.
pub(crate) fn fetch(clip: &Clip, time: OfxTime) -> Result<OfxPropertySetHandle, OfxStatus> {
    let effect = owner(clip).ok_or(kOfxStatErrBadHandle)?;
    let behaviour = effect.host.behaviour();
    if clip.is_output() {
        let target = call::scope().and_then(|scope| scope.target).or_else(|| effect.only_target());
        let Some(buffer) = target else {
            log::debug!("the output was fetched outside of a render");
            return Err(kOfxStatFailed);
        };
        return Ok(hand_out(clip, &effect, &behaviour, Some(buffer), time, false));
    }
    clip.note_fetch(time);
    let time = match call::scope().and_then(|scope| scope.time) {
        Some(now) if behaviour.ignores_time => now,
        _ => time,
    };
    let picture = match clip.footage() {
        Some(footage) => footage.picture(time).map_err(|error| {
            log::error!("clip {}: {error:#}", clip.name);
            kOfxStatFailed
        })?,
        None => None,
    };
    let Some(picture) = picture else {
        return match behaviour.missing_image {
            MissingImage::Unconnected => Err(kOfxStatFailed),
            MissingImage::Null => Ok(std::ptr::null_mut()),
            MissingImage::NoData => Ok(hand_out(clip, &effect, &behaviour, None, time, true)),
            MissingImage::Black => {
                let size = effect.project_size();
                let black = Arc::new(Picture::new(size.0, size.1, true));
                let buffer = clip.image(effect.scale(), &black)?;
                Ok(hand_out(clip, &effect, &behaviour, Some(buffer), time, true))
            }
        };
    };
    let buffer = clip.image(effect.scale(), &picture)?;
    Ok(hand_out(clip, &effect, &behaviour, Some(buffer), time, true))
}

fn hand_out(
    clip: &Clip,
    effect: &Arc<Effect>,
    behaviour: &Behaviour,
    buffer: Option<Arc<Buffer>>,
    time: f64,
    input: bool,
) -> OfxPropertySetHandle {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let what = format!("image of clip {} at time {time}", clip.name);
    let scale = behaviour.image_scale.unwrap_or_else(|| effect.scale());
    let format = clip.format();
    let mut set = PropertySet::of(what.clone(), effect.host.journal())
        .read_only()
        .missing(if behaviour.spare_images { SPARED } else { &[] })
        .text(kOfxPropType, ascii(kOfxTypeImage))
        .doubles(kOfxImageEffectPropRenderScale, &[scale, scale])
        .doubles(kOfxImagePropPixelAspectRatio, &[behaviour.pixel_aspect])
        .text(kOfxImagePropField, ascii(kOfxImageFieldNone))
        .text(kOfxImagePropUniqueIdentifier, &unique(clip, &buffer, time, &SERIAL, behaviour));
    if let Some(format) = format {
        set = set
            .text(kOfxImageEffectPropPixelDepth, ascii(format.depth.name()))
            .text(kOfxImageEffectPropComponents, ascii(format.components.name()))
            .text(kOfxImageEffectPropPreMultiplication, ascii(format.premult.name()));
    }
    if let Some(buffer) = &buffer {
        let b = buffer.layout().bounds;
        set = set
            .pointer(kOfxImagePropData, buffer.data())
            .ints(kOfxImagePropBounds, &[b.x1, b.y1, b.x2, b.y2])
            .ints(kOfxImagePropRegionOfDefinition, &[b.x1, b.y1, b.x2, b.y2])
            .ints(
                kOfxImagePropRowBytes,
                &[behaviour.row_bytes.unwrap_or_else(|| buffer.row_bytes())],
            );
    }
    let props = set.build();
    let handle = props.raw();
    let watch = input && behaviour.watches_inputs;
    let fingerprint = buffer.as_ref().filter(|_| watch).map(|buffer| buffer.fingerprint());
    hold(
        effect,
        handle as usize,
        Image {
            _props: props,
            buffer,
            fingerprint,
            what,
            action: call::scope().map(|scope| scope.id),
        },
    );
    handle
}

/// An identifier of an image. The same picture has the same identifier, as in hosts that cache; if
/// the profile says so, each fetch gets a new one.
fn unique(
    clip: &Clip,
    buffer: &Option<Arc<Buffer>>,
    time: f64,
    serial: &AtomicU64,
    behaviour: &Behaviour,
) -> String {
    if behaviour.random_identifiers {
        return format!("image{}", serial.fetch_add(1, Ordering::Relaxed));
    }
    let data = buffer.as_ref().map_or(0, |buffer| buffer.data());
    format!("{}@{time}#{data:x}", clip.name)
}

fn hold(effect: &Arc<Effect>, handle: usize, image: Image) {
    HELD.lock().get_or_insert_default().insert(handle, (Arc::downgrade(effect), image));
}

/// Takes back the image with that handle.
fn take(handle: usize) -> Option<(Arc<Effect>, Image)> {
    let (effect, image) = HELD.lock().as_mut()?.remove(&handle)?;
    Some((effect.upgrade()?, image))
}

/// Takes an image back from the plug-in.
pub(crate) fn release(handle: OfxPropertySetHandle) -> OfxStatus {
    let image = take(handle as usize);
    let Some((effect, image)) = image else {
        return call::bad_handle("clipReleaseImage", handle);
    };
    check_untouched(&effect, &image);
    kOfxStatOK
}

/// Checks whether an input was written to while the plug-in held it.
fn check_untouched(effect: &Effect, image: &Image) {
    if let (Some(before), Some(buffer)) = (image.fingerprint, &image.buffer)
        && buffer.fingerprint() != before
    {
        effect
            .host
            .journal()
            .violate(Rule::InputWritten, format!("the {} was written to", image.what));
    }
}

/// Takes back the images that an action left behind; each of them is a broken rule.
pub(crate) fn collect(effect: &Effect, action: Option<u64>, name: &str) {
    let mut held = HELD.lock();
    let Some(held) = held.as_mut() else { return };
    held.retain(|_, (holder, image)| {
        let mine =
            std::ptr::eq(holder.as_ptr(), effect) && (action.is_none() || image.action == action);
        if mine {
            let what = format!("the {} was not released when {name} returned", image.what);
            effect.host.journal().violate(Rule::UnreleasedImage, what);
        }
        !mine
    });
}
