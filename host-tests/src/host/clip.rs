//! Clips: their footage, their format, and the images made from them.

use std::{
    ffi::{CStr, c_int},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};

use crate::{
    host::Host,
    host::buffer::{Buffer, Layout},
    host::pixels::{Components, Depth, Premult},
    host::props::{PropertySet, Values},
    host::registry::Handle,
    host::sys::*,
    pictures::footage::{Footage, kept},
    pictures::picture::Picture,
};

/// The format that host and plug-in agreed on for a clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    /// Sample type.
    pub depth: Depth,
    /// Samples per pixel.
    pub components: Components,
    /// Meaning of alpha.
    pub premult: Premult,
}

/// A picture, the bits of the scale, and the image made from them. The picture is kept because it
/// is recognised by its address, which must not be reused.
type Stored = (Arc<Picture>, u64, Arc<Buffer>);

/// A clip of a descriptor or of an instance.
pub struct Clip {
    handle: Handle,
    /// Its name.
    pub name: String,
    /// Its properties.
    pub props: Arc<PropertySet>,
    host: Arc<Host>,
    /// Handle of the descriptor or instance it belongs to; 0 for none yet.
    effect: AtomicUsize,
    footage: RwLock<Option<Arc<dyn Footage>>>,
    format: RwLock<Option<Format>>,
    /// Images of the latest pictures in the agreed format, kept as hosts keep them.
    images: Mutex<Vec<Stored>>,
    /// Canonical region outside which images have no memory.
    crop: RwLock<Option<OfxRectD>>,
    /// Times fetched since the last query.
    fetched: Mutex<Vec<f64>>,
}

impl Clip {
    pub(crate) fn new(host: &Arc<Host>, name: &str, props: Arc<PropertySet>) -> Arc<Self> {
        let clip = Arc::new(Self {
            handle: Handle::reserve(),
            name: name.to_owned(),
            props,
            host: Arc::clone(host),
            effect: AtomicUsize::new(0),
            footage: RwLock::new(None),
            format: RwLock::new(None),
            images: Mutex::new(Vec::new()),
            crop: RwLock::new(None),
            fetched: Mutex::new(Vec::new()),
        });
        clip.handle.publish(&clip);
        clip
    }

    /// Assigns the clip to the effect with that handle.
    pub(crate) fn adopt(&self, effect: usize) {
        self.effect.store(effect, Ordering::SeqCst);
    }

    /// Handle of the effect it belongs to.
    pub(crate) fn effect(&self) -> Option<usize> {
        Some(self.effect.load(Ordering::SeqCst)).filter(|effect| *effect != 0)
    }

    pub(crate) fn raw(&self) -> OfxImageClipHandle {
        self.handle.raw()
    }

    /// Whether renders write to this clip.
    pub fn is_output(&self) -> bool {
        self.name.as_bytes() == kOfxImageEffectOutputClipName.to_bytes()
    }

    /// Whether the plug-in can do without it.
    pub fn is_optional(&self) -> bool {
        self.props.int(kOfxImageClipPropOptional) == Some(1)
    }

    /// The footage it shows, if any.
    pub fn footage(&self) -> Option<Arc<dyn Footage>> {
        self.footage.read().clone()
    }

    /// Connects the clip, or disconnects it.
    pub fn connect(&self, footage: Option<Arc<dyn Footage>>) {
        *self.footage.write() = footage;
        self.images.lock().clear();
    }

    /// The agreed format.
    pub fn format(&self) -> Option<Format> {
        *self.format.read()
    }

    /// Sets the agreed format and writes it to the clip's properties.
    pub fn agree(&self, format: Format) {
        if self.format.write().replace(format) != Some(format) {
            self.images.lock().clear();
        }
        let put = |name, value: &CStr| self.props.put(name, Values::Text(vec![value.to_owned()]));
        put(kOfxImageEffectPropPixelDepth, format.depth.name());
        put(kOfxImageEffectPropComponents, format.components.name());
        put(kOfxImageEffectPropPreMultiplication, format.premult.name());
    }

    pub(crate) fn note_fetch(&self, time: f64) {
        self.fetched.lock().push(time);
    }

    /// Times fetched since the last call, in order.
    pub fn take_fetched(&self) -> Vec<f64> {
        std::mem::take(&mut *self.fetched.lock())
    }

    /// Region of definition in canonical coordinates.
    pub fn region(&self) -> Option<OfxRectD> {
        Some(self.host.behaviour().canonical(self.footage()?.size()))
    }

    /// Whether the plug-in is told where the clip has pixels.
    pub(crate) fn tells_region(&self) -> bool {
        self.host.behaviour().knows_regions
    }

    /// From now on images contain only this region, or everything again.
    pub(crate) fn crop(&self, region: Option<OfxRectD>) {
        *self.crop.write() = region;
    }

    /// The picture in the agreed format and at a render scale.
    pub(crate) fn image(
        &self,
        scale: f64,
        picture: &Arc<Picture>,
    ) -> Result<Arc<Buffer>, OfxStatus> {
        let behaviour = self.host.behaviour();
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
            let crop = behaviour.pixels(crop, scale);
            bounds = OfxRectI {
                x1: bounds.x1.max(crop.x1),
                y1: bounds.y1.max(crop.y1),
                x2: bounds.x2.min(crop.x2),
                y2: bounds.y2.min(crop.y2),
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
}

pub(crate) fn length(value: usize) -> c_int {
    c_int::try_from(value).unwrap_or(c_int::MAX)
}
