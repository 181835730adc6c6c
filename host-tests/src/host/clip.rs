//! Clips, the images fetched from them, and image memory of the effect suite.

use std::{
    ffi::{CStr, c_int},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use parking_lot::{Mutex, RwLock};

use crate::{
    host::call,
    host::effect::Effect,
    host::journal::Rule,
    host::pixels::{Buffer, Components, Depth, Layout, Premult},
    host::props::{PropertySet, Values},
    host::registry::{Handle, Object},
    host::sys::*,
    host::{Behaviour, MissingImage},
    pictures::picture::Picture,
};

/// Pictures over time for one clip.
pub trait Footage: Send + Sync {
    /// The picture at a time, `None` where there is none.
    fn picture(&self, time: f64) -> Result<Option<Arc<Picture>>>;
    /// First and last frame.
    fn range(&self) -> (f64, f64);
    /// Pixels per row, and rows, at full size.
    fn size(&self) -> (usize, usize);
}

/// Format that host and plug-in agreed on for a clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    /// Sample type.
    pub depth: Depth,
    /// Samples per pixel.
    pub components: Components,
    /// Meaning of alpha.
    pub premult: Premult,
}

/// An input image held by the plug-in, or the output of a render.
pub(crate) struct Image {
    /// Kept for as long as the plug-in holds the image.
    pub(crate) _props: Arc<PropertySet>,
    pub(crate) buffer: Option<Arc<Buffer>>,
    /// Fingerprint of an input when it was handed out.
    pub(crate) fingerprint: Option<u64>,
    pub(crate) what: String,
    /// Action that fetched it, `None` outside of any.
    pub(crate) action: Option<u64>,
}

/// What images of some hosts lack.
const SPARED: &[&CStr] =
    &[kOfxImageEffectPropRenderScale, kOfxImagePropField, kOfxImagePropUniqueIdentifier];

/// The picture, kept so that its address is its own; the scale; and the image made of it.
type Stored = (Arc<Picture>, u64, Arc<Buffer>);

/// A clip of a descriptor or of an instance.
pub struct Clip {
    handle: Handle,
    /// Its name.
    pub name: String,
    /// Its properties.
    pub props: Arc<PropertySet>,
    effect: RwLock<Weak<Effect>>,
    footage: RwLock<Option<Arc<dyn Footage>>>,
    format: RwLock<Option<Format>>,
    /// Images of the latest pictures in the agreed format, as hosts keep them.
    images: Mutex<Vec<Stored>>,
    /// Canonical region outside of which images have no memory.
    crop: RwLock<Option<OfxRectD>>,
    /// Times fetched since last asked.
    fetched: Mutex<Vec<f64>>,
}

/// Pictures of this size that a clip keeps, as hosts do that are asked for a frame's neighbours again and again: a
/// few of any size, more of small ones.
pub(crate) fn kept((width, height): (usize, usize)) -> usize {
    const BYTES: usize = 192 << 20;
    (BYTES / (width * height * 16).max(1)).clamp(3, 24)
}

impl Clip {
    pub(crate) fn new(name: &str, props: Arc<PropertySet>) -> Arc<Self> {
        let clip = Arc::new(Self {
            handle: Handle::reserve(),
            name: name.to_owned(),
            props,
            effect: RwLock::new(Weak::new()),
            footage: RwLock::new(None),
            format: RwLock::new(None),
            images: Mutex::new(Vec::new()),
            crop: RwLock::new(None),
            fetched: Mutex::new(Vec::new()),
        });
        clip.handle.publish(Object::Clip(Arc::downgrade(&clip)));
        clip
    }

    pub(crate) fn adopt(&self, effect: &Arc<Effect>) {
        *self.effect.write() = Arc::downgrade(effect);
    }

    pub(crate) fn raw(&self) -> OfxImageClipHandle {
        self.handle.raw()
    }

    /// True for the clip that renders write.
    pub fn is_output(&self) -> bool {
        self.name.as_bytes() == kOfxImageEffectOutputClipName.to_bytes()
    }

    /// True if the plug-in can do without it.
    pub fn is_optional(&self) -> bool {
        self.props.int(kOfxImageClipPropOptional) == Some(1)
    }

    /// Pictures to be given out, or none.
    pub fn footage(&self) -> Option<Arc<dyn Footage>> {
        self.footage.read().clone()
    }

    /// Connects the clip, or disconnects it.
    pub fn connect(&self, footage: Option<Arc<dyn Footage>>) {
        *self.footage.write() = footage;
        self.images.lock().clear();
    }

    /// Format that was agreed on.
    pub fn format(&self) -> Option<Format> {
        *self.format.read()
    }

    /// Agrees on a format and writes it into the clip's properties.
    pub fn agree(&self, format: Format) {
        if self.format.write().replace(format) != Some(format) {
            self.images.lock().clear();
        }
        let put = |name, value: &CStr| self.props.put(name, Values::Text(vec![value.to_owned()]));
        put(kOfxImageEffectPropPixelDepth, format.depth.name());
        put(kOfxImageEffectPropComponents, format.components.name());
        put(kOfxImageEffectPropPreMultiplication, format.premult.name());
    }

    /// Times fetched since the last call, in order.
    pub fn take_fetched(&self) -> Vec<f64> {
        std::mem::take(&mut *self.fetched.lock())
    }

    /// Region of definition in canonical coordinates.
    pub fn region(&self) -> Option<OfxRectD> {
        let (width, height) = self.footage()?.size();
        let (x, y) = self.effect.read().upgrade()?.host.behaviour().origin;
        let (x1, y1) = (f64::from(x), f64::from(y));
        Some(OfxRectD { x1, y1, x2: x1 + width as f64, y2: y1 + height as f64 })
    }

    /// Whether the plug-in is told where the clip has pixels.
    pub(crate) fn tells_region(&self) -> bool {
        self.effect.read().upgrade().is_some_and(|effect| effect.host.behaviour().knows_regions)
    }

    /// Gives images a part of their pixels only, or all again.
    pub(crate) fn crop(&self, region: Option<OfxRectD>) {
        *self.crop.write() = region;
    }

    /// Makes the image of a time, so that a fetch of it is quick.
    pub fn warm(&self, time: f64) {
        let effect = self.effect.read().upgrade();
        if let (Some(effect), Some(footage)) = (effect, self.footage())
            && let Ok(Some(picture)) = footage.picture(time)
            && let Err(status) = self.image(&effect, &effect.host.behaviour(), &picture)
        {
            log::warn!("the image of clip {} was not made: status {status}", self.name);
        }
    }

    /// Gives an image to the plug-in: its property set's handle, or a status.
    pub(crate) fn fetch(&self, time: OfxTime) -> Result<OfxPropertySetHandle, OfxStatus> {
        let effect = self.effect.read().upgrade().ok_or(kOfxStatErrBadHandle)?;
        let behaviour = effect.host.behaviour();
        if self.is_output() {
            let target =
                call::scope().and_then(|scope| scope.target).or_else(|| effect.only_target());
            let Some(buffer) = target else {
                log::debug!("the output was fetched outside of a render");
                return Err(kOfxStatFailed);
            };
            return Ok(self.hand_out(&effect, &behaviour, Some(buffer), time, false));
        }
        self.fetched.lock().push(time);
        let time = match call::scope().and_then(|scope| scope.time) {
            Some(now) if behaviour.ignores_time => now,
            _ => time,
        };
        let picture = match self.footage() {
            Some(footage) => footage.picture(time).map_err(|error| {
                log::error!("clip {}: {error:#}", self.name);
                kOfxStatFailed
            })?,
            None => None,
        };
        let Some(picture) = picture else {
            return match behaviour.missing_image {
                MissingImage::Unconnected => Err(kOfxStatFailed),
                MissingImage::Null => Ok(std::ptr::null_mut()),
                MissingImage::NoData => Ok(self.hand_out(&effect, &behaviour, None, time, true)),
                MissingImage::Black => {
                    let size = effect.project_size();
                    let black = Arc::new(Picture::new(size.0, size.1, true));
                    let buffer = self.image(&effect, &behaviour, &black)?;
                    Ok(self.hand_out(&effect, &behaviour, Some(buffer), time, true))
                }
            };
        };
        let buffer = self.image(&effect, &behaviour, &picture)?;
        Ok(self.hand_out(&effect, &behaviour, Some(buffer), time, true))
    }

    /// The picture in the agreed format and at the effect's render scale.
    fn image(
        &self,
        effect: &Effect,
        behaviour: &Behaviour,
        picture: &Arc<Picture>,
    ) -> Result<Arc<Buffer>, OfxStatus> {
        let scale = effect.scale();
        let crop = *self.crop.read();
        let known = |(stored, at, _): &&Stored| {
            crop.is_none() && Arc::ptr_eq(stored, picture) && *at == scale.to_bits()
        };
        if let Some((.., buffer)) = self.images.lock().iter().find(known) {
            return Ok(Arc::clone(buffer));
        }
        let format = self.format().ok_or(kOfxStatFailed)?;
        let scaled = (scale != 1.0).then(|| picture.scaled(scale));
        let pixels = scaled.as_ref().unwrap_or(picture);
        let pixel = |v: c_int| (f64::from(v) * scale).floor() as c_int;
        let (x1, y1) = (pixel(behaviour.origin.0), pixel(behaviour.origin.1));
        let mut bounds =
            OfxRectI { x1, y1, x2: x1 + length(pixels.width), y2: y1 + length(pixels.height) };
        if let Some(crop) = crop {
            // `as` takes what is beyond all numbers to the last one.
            let (low, high) =
                (|v: f64| (v * scale).floor() as c_int, |v: f64| (v * scale).ceil() as c_int);
            bounds = OfxRectI {
                x1: bounds.x1.max(low(crop.x1)),
                y1: bounds.y1.max(low(crop.y1)),
                x2: bounds.x2.min(high(crop.x2)),
                y2: bounds.y2.min(high(crop.y2)),
            };
            if bounds.x1 >= bounds.x2 || bounds.y1 >= bounds.y2 {
                return Err(kOfxStatFailed);
            }
        }
        let (depth, components) = (format.depth, format.components);
        let layout =
            Layout { bounds, depth, components, rows: behaviour.rows, padding: behaviour.padding };
        let mut buffer = Buffer::new(layout).ok_or(kOfxStatErrMemory)?;
        buffer.fill(pixels, (x1, y1));
        buffer.protect();
        let buffer = Arc::new(buffer);
        if crop.is_some() {
            return Ok(buffer);
        }
        let mut images = self.images.lock();
        if images.len() >= kept((pixels.width, pixels.height)) {
            images.remove(0);
        }
        images.push((Arc::clone(picture), scale.to_bits(), Arc::clone(&buffer)));
        Ok(buffer)
    }

    fn hand_out(
        &self,
        effect: &Arc<Effect>,
        behaviour: &Behaviour,
        buffer: Option<Arc<Buffer>>,
        time: f64,
        input: bool,
    ) -> OfxPropertySetHandle {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let what = format!("image of clip {} at time {time}", self.name);
        let scale = behaviour.image_scale.unwrap_or_else(|| effect.scale());
        let format = self.format();
        let mut set = PropertySet::of(what.clone(), effect.host.journal())
            .read_only()
            .missing(if behaviour.spare_images { SPARED } else { &[] })
            .text(kOfxPropType, ascii(kOfxTypeImage))
            .doubles(kOfxImageEffectPropRenderScale, &[scale, scale])
            .doubles(kOfxImagePropPixelAspectRatio, &[1.0])
            .text(kOfxImagePropField, ascii(kOfxImageFieldNone))
            .text(kOfxImagePropUniqueIdentifier, &unique(self, &buffer, time, &SERIAL, behaviour));
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
        effect.hold(
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
}

/// The same for the same picture, as hosts do that cache; a new one each time where the profile says so.
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

/// Takes an image back from the plug-in.
pub(crate) fn release(handle: OfxPropertySetHandle) -> OfxStatus {
    let image = Effect::take_image(handle as usize);
    let Some((effect, image)) = image else {
        return call::bad_handle("clipReleaseImage", handle);
    };
    check_untouched(&effect, &image);
    kOfxStatOK
}

/// Looks whether an input was written to while the plug-in held it.
pub(crate) fn check_untouched(effect: &Effect, image: &Image) {
    if let (Some(before), Some(buffer)) = (image.fingerprint, &image.buffer)
        && buffer.fingerprint() != before
    {
        effect
            .host
            .journal()
            .violate(Rule::InputWritten, format!("the {} was written to", image.what));
    }
}

/// Memory of the effect suite.
pub struct ImageMemory {
    handle: Handle,
    pub(crate) effect: Weak<Effect>,
    bytes: Mutex<Vec<u64>>,
    locks: AtomicUsize,
}

impl ImageMemory {
    pub(crate) fn new(effect: &Arc<Effect>, size: usize) -> Arc<Self> {
        let memory = Arc::new(Self {
            handle: Handle::reserve(),
            effect: Arc::downgrade(effect),
            bytes: Mutex::new(vec![0; size.div_ceil(8)]),
            locks: AtomicUsize::new(0),
        });
        memory.handle.publish(Object::Memory(Arc::downgrade(&memory)));
        memory
    }

    pub(crate) fn raw(&self) -> OfxImageMemoryHandle {
        self.handle.raw()
    }

    pub(crate) fn id(&self) -> usize {
        self.handle.id()
    }

    pub(crate) fn lock(&self) -> usize {
        self.locks.fetch_add(1, Ordering::SeqCst);
        self.bytes.lock().as_mut_ptr() as usize
    }

    /// False if it was not locked.
    pub(crate) fn unlock(&self) -> bool {
        self.locks
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |locks| locks.checked_sub(1))
            .is_ok()
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.locks.load(Ordering::SeqCst) > 0
    }
}

pub(crate) fn length(value: usize) -> c_int {
    c_int::try_from(value).unwrap_or(c_int::MAX)
}

pub(crate) fn ascii(name: &'static CStr) -> &'static str {
    name.to_str().expect("names of the API are ASCII")
}
