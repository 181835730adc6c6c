//! The small part of the OpenFX API that a dissolve needs, on top of the raw suites.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_uint, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

pub use openfx::sys::{
    generic::{core::*, property::*},
    image_effect_v1::{
        gpu_render::*, image_effect::*, memory::*, message::*, multi_thread::*, param::*,
    },
};

use crate::Flaw;

static HOST: AtomicPtr<OfxHost> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn set_host(host: *mut OfxHost) {
    HOST.store(host, Ordering::SeqCst);
}

/// The plug-in structure that a host asks for.
pub const fn plugin(id: &'static CStr, main_entry: OfxPluginEntryPoint) -> OfxPlugin {
    OfxPlugin {
        pluginApi: kOfxImageEffectPluginApi.as_ptr(),
        apiVersion: 1,
        pluginIdentifier: id.as_ptr(),
        pluginVersionMajor: 1,
        pluginVersionMinor: 0,
        setHost: Some(set_host),
        mainEntry: main_entry,
    }
}

/// The result of `act` as a status; a panic counts as a failure.
///
/// # Safety
/// `action` is NULL or NUL-terminated.
pub(crate) unsafe fn answer(
    action: *const c_char,
    act: impl FnOnce(&CStr) -> Result<OfxStatus, Failure>,
) -> OfxStatus {
    if action.is_null() {
        return kOfxStatErrValue;
    }
    // SAFETY: not NULL, and NUL-terminated as the caller states.
    let action = unsafe { CStr::from_ptr(action) };
    let reply = catch_unwind(AssertUnwindSafe(|| act(action)));
    reply.map_or(kOfxStatFailed, |reply| reply.unwrap_or_else(|status| status))
}

/// Status of a failed call.
pub(crate) type Failure = OfxStatus;

/// OK, or the status as an error.
pub(crate) fn check(status: OfxStatus) -> Result<(), Failure> {
    if status == kOfxStatOK { Ok(()) } else { Err(status) }
}

fn suite<T>(name: &CStr, version: c_int) -> Option<&'static T> {
    // SAFETY: the host keeps its structure for as long as the plug-in is loaded.
    let host = unsafe { HOST.load(Ordering::SeqCst).as_ref() }?;
    // SAFETY: a call as the standard states it.
    let table = unsafe { host.fetchSuite?(host.host, name.as_ptr(), version) };
    // SAFETY: a suite of that name and version has that type, and lives as long as the host.
    unsafe { table.cast::<T>().as_ref() }
}

type SetMessage = unsafe extern "C" fn(
    *mut c_void,
    *const c_char,
    *const c_char,
    *const c_char,
    ...
) -> OfxStatus;

/// The suites that every host has.
#[derive(Clone, Copy)]
pub(crate) struct Suites {
    /// Properties.
    pub(crate) property: &'static OfxPropertySuiteV1,
    /// Effects, clips, images.
    pub(crate) effect: &'static OfxImageEffectSuiteV1,
    /// Parameters.
    pub(crate) param: &'static OfxParameterSuiteV1,
    /// Memory.
    pub(crate) memory: &'static OfxMemorySuiteV1,
}

impl Suites {
    /// Fetches them.
    pub(crate) fn fetch() -> Result<Self, Failure> {
        let missing = kOfxStatErrMissingHostFeature;
        Ok(Self {
            property: suite(kOfxPropertySuite, 1).ok_or(missing)?,
            effect: suite(kOfxImageEffectSuite, 1).ok_or(missing)?,
            param: suite(kOfxParameterSuite, 1).ok_or(missing)?,
            memory: suite(kOfxMemorySuite, 1).ok_or(missing)?,
        })
    }

    /// Properties of the host.
    pub(crate) fn host(&self) -> Properties {
        // SAFETY: suites were fetched, so there is a host.
        let host = unsafe { HOST.load(Ordering::SeqCst).as_ref() };
        Properties { suites: *self, raw: host.map_or(ptr::null_mut(), |host| host.host) }
    }

    /// A property set of the host's.
    pub(crate) fn set(&self, raw: OfxPropertySetHandle) -> Properties {
        Properties { suites: *self, raw }
    }

    /// Properties of an effect.
    pub(crate) fn effect_set(&self, effect: OfxImageEffectHandle) -> Result<Properties, Failure> {
        let mut raw = ptr::null_mut();
        let get = self.effect.getPropertySet.ok_or(kOfxStatErrMissingHostFeature)?;
        // SAFETY: `raw` is a place for the result.
        check(unsafe { get(effect, &raw mut raw) })?;
        Ok(self.set(raw))
    }

    /// Defines a parameter of an effect that is described.
    pub(crate) fn define(
        &self,
        effect: OfxImageEffectHandle,
        kind: &CStr,
        name: &CStr,
    ) -> Result<Properties, Failure> {
        let mut params = ptr::null_mut();
        let get = self.effect.getParamSet.ok_or(kOfxStatErrMissingHostFeature)?;
        // SAFETY: `params` is a place for the result.
        check(unsafe { get(effect, &raw mut params) })?;
        let mut raw = ptr::null_mut();
        let define = self.param.paramDefine.ok_or(kOfxStatErrMissingHostFeature)?;
        // SAFETY: both texts are NUL-terminated, `raw` is a place for the result.
        check(unsafe { define(params, kind.as_ptr(), name.as_ptr(), &raw mut raw) })?;
        Ok(self.set(raw))
    }

    /// Value of a Double2D at a time.
    pub(crate) fn point(
        &self,
        effect: OfxImageEffectHandle,
        name: &CStr,
        time: f64,
    ) -> Option<(f64, f64)> {
        let (mut params, mut param) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: `params` is a place for the result.
        check(unsafe { self.effect.getParamSet?(effect, &raw mut params) }).ok()?;
        let get = self.param.paramGetHandle?;
        // SAFETY: the name is NUL-terminated, `param` is a place for the result.
        check(unsafe { get(params, name.as_ptr(), &raw mut param, ptr::null_mut()) }).ok()?;
        let (mut x, mut y) = (0.0_f64, 0.0_f64);
        // SAFETY: a Double2D is read into two doubles.
        check(unsafe { self.param.paramGetValueAtTime?(param, time, &raw mut x, &raw mut y) })
            .ok()?;
        Some((x, y))
    }

    /// Does the work in as many host threads as there are processors.
    pub(crate) fn in_threads<T>(
        &self,
        work: &T,
        share: fn(&T, c_uint, c_uint),
    ) -> Result<OfxStatus, Failure> {
        struct Job<'a, T> {
            work: &'a T,
            share: fn(&T, c_uint, c_uint),
        }
        unsafe extern "C" fn enter<T>(thread: c_uint, threads: c_uint, job: *mut c_void) {
            // SAFETY: the address of the job below, which lives until all threads are done.
            let job = unsafe { &*job.cast::<Job<'_, T>>() };
            (job.share)(job.work, thread, threads);
        }
        let missing = kOfxStatErrMissingHostFeature;
        let suite = suite::<OfxMultiThreadSuiteV1>(kOfxMultiThreadSuite, 1).ok_or(missing)?;
        let (count, run) =
            (suite.multiThreadNumCPUs.ok_or(missing)?, suite.multiThread.ok_or(missing)?);
        let mut threads: c_uint = 1;
        // SAFETY: `threads` is a place for the result.
        check(unsafe { count(&raw mut threads) })?;
        let mut job = Job { work, share };
        // SAFETY: the function takes what it is given here, and the call returns when all threads are done.
        check(unsafe { run(Some(enter::<T>), threads.max(1), (&raw mut job).cast()) })?;
        Ok(kOfxStatOK)
    }

    /// Removes a message.
    pub(crate) fn clear_message(&self, effect: OfxImageEffectHandle) {
        let second = suite::<OfxMessageSuiteV2>(kOfxMessageSuite, 2);
        if let Some(clear) = second.and_then(|suite| suite.clearPersistentMessage) {
            // SAFETY: the handle of the action in progress.
            unsafe { clear(effect.cast()) };
        }
    }

    /// Shows a message to the user, with message suite 2 if its function exists. The text itself is
    /// the format, because Natron loses arguments.
    pub(crate) fn complain(&self, effect: OfxImageEffectHandle, text: &str, flaw: Option<Flaw>) {
        let trusting = flaw == Some(Flaw::TrustsMessages);
        let text = CString::new(text.replace('%', "%%")).unwrap_or_default();
        let format = if flaw == Some(Flaw::FormatsMessages) { c"%s" } else { text.as_c_str() };
        let format = format.as_ptr();
        let second = suite::<OfxMessageSuiteV2>(kOfxMessageSuite, 2);
        if let Some(second) = second
            && (trusting || second.setPersistentMessage.is_some())
        {
            let (kind, id) = (kOfxMessageError.as_ptr(), c"".as_ptr());
            let function = match second.setPersistentMessage {
                Some(function) => function,
                // SAFETY: none, and that is the flaw: a missing function is called.
                None => unsafe { std::mem::transmute::<usize, SetMessage>(16) },
            };
            // SAFETY: as the suite specifies: one text for at most one %s.
            unsafe { function(effect.cast(), kind, id, format, text.as_ptr()) };
            return;
        }
        if let Some(message) =
            suite::<OfxMessageSuiteV1>(kOfxMessageSuite, 1).and_then(|suite| suite.message)
        {
            // SAFETY: as the suite specifies: one text for at most one %s.
            unsafe {
                message(
                    effect.cast(),
                    kOfxMessageError.as_ptr(),
                    c"".as_ptr(),
                    format,
                    text.as_ptr(),
                )
            };
        }
    }
}

/// A property set.
#[derive(Clone, Copy)]
pub(crate) struct Properties {
    suites: Suites,
    /// Its handle.
    pub(crate) raw: OfxPropertySetHandle,
}

impl Properties {
    /// Sets a text. Hosts may lack the property.
    pub(crate) fn text(&self, name: &CStr, index: c_int, value: &CStr) {
        if let Some(set) = self.suites.property.propSetString {
            // SAFETY: both texts are NUL-terminated.
            unsafe { set(self.raw, name.as_ptr(), index, value.as_ptr()) };
        }
    }

    /// Sets integers.
    pub(crate) fn ints(&self, name: &CStr, values: &[c_int]) {
        for (index, value) in (0..).zip(values) {
            if let Some(set) = self.suites.property.propSetInt {
                // SAFETY: the name is NUL-terminated.
                unsafe { set(self.raw, name.as_ptr(), index, *value) };
            }
        }
    }

    /// Sets numbers.
    pub(crate) fn doubles(&self, name: &CStr, values: &[f64]) {
        for (index, value) in (0..).zip(values) {
            if let Some(set) = self.suites.property.propSetDouble {
                // SAFETY: the name is NUL-terminated.
                unsafe { set(self.raw, name.as_ptr(), index, *value) };
            }
        }
    }

    /// Reads an integer.
    pub(crate) fn int(&self, name: &CStr, index: c_int) -> Option<c_int> {
        let mut value = 0;
        // SAFETY: the name is NUL-terminated, `value` is a place for the result.
        let status = unsafe {
            self.suites.property.propGetInt?(self.raw, name.as_ptr(), index, &raw mut value)
        };
        (status == kOfxStatOK).then_some(value)
    }

    /// Reads a number.
    pub(crate) fn double(&self, name: &CStr, index: c_int) -> Option<f64> {
        let mut value = 0.0;
        // SAFETY: the name is NUL-terminated, `value` is a place for the result.
        let status = unsafe {
            self.suites.property.propGetDouble?(self.raw, name.as_ptr(), index, &raw mut value)
        };
        (status == kOfxStatOK).then_some(value)
    }

    /// Reads an address.
    pub(crate) fn pointer(&self, name: &CStr) -> Option<*mut c_void> {
        let mut value = ptr::null_mut();
        // SAFETY: the name is NUL-terminated, `value` is a place for the result.
        let status = unsafe {
            self.suites.property.propGetPointer?(self.raw, name.as_ptr(), 0, &raw mut value)
        };
        (status == kOfxStatOK && !value.is_null()).then_some(value)
    }

    /// Reads a text.
    pub(crate) fn string(&self, name: &CStr) -> Option<String> {
        let mut value = ptr::null_mut();
        // SAFETY: the name is NUL-terminated, `value` is a place for the result.
        let status = unsafe {
            self.suites.property.propGetString?(self.raw, name.as_ptr(), 0, &raw mut value)
        };
        if status != kOfxStatOK || value.is_null() {
            return None;
        }
        // SAFETY: the host gave NUL-terminated text that lives until the action returns.
        Some(unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned())
    }

    /// Reads four integers.
    pub(crate) fn rectangle(&self, name: &CStr) -> Option<OfxRectI> {
        let at = |index| self.int(name, index);
        Some(OfxRectI { x1: at(0)?, y1: at(1)?, x2: at(2)?, y2: at(3)? })
    }
}

/// A fetched image, released when dropped.
pub(crate) struct Image {
    suites: Suites,
    /// Its properties.
    pub(crate) props: Properties,
    /// Address of the pixel at x1, y1.
    pub(crate) data: *mut u8,
    /// Pixels that have memory.
    pub(crate) bounds: OfxRectI,
    /// Bytes from one row to the one above.
    pub(crate) row_bytes: isize,
    /// Sample type.
    pub(crate) depth: String,
    /// Samples per pixel.
    pub(crate) samples: usize,
    /// Not to be released.
    pub(crate) leak: bool,
}

impl Image {
    /// Fetches the image of a clip; `None` if there is none, in whatever way a host says so.
    pub(crate) fn fetch(
        suites: Suites,
        effect: OfxImageEffectHandle,
        name: &CStr,
        time: f64,
        trusting: bool,
    ) -> Option<Self> {
        let mut clip = ptr::null_mut();
        // SAFETY: the name is NUL-terminated, `clip` is a place for the result.
        let status = unsafe {
            suites.effect.clipGetHandle?(effect, name.as_ptr(), &raw mut clip, ptr::null_mut())
        };
        if status != kOfxStatOK || clip.is_null() {
            return None;
        }
        let mut raw = ptr::null_mut();
        // SAFETY: `raw` is a place for the result.
        let status = unsafe { suites.effect.clipGetImage?(clip, time, ptr::null(), &raw mut raw) };
        if status != kOfxStatOK || raw.is_null() {
            return None;
        }
        let props = suites.set(raw);
        // From here on the image is released, whatever it lacks.
        let mut image = Self {
            suites,
            props,
            data: ptr::null_mut(),
            bounds: OfxRectI { x1: 0, y1: 0, x2: 0, y2: 0 },
            row_bytes: 0,
            depth: String::new(),
            samples: 0,
            leak: false,
        };
        let data = props.pointer(kOfxImagePropData);
        image.data = match data {
            Some(data) => data.cast(),
            // A plug-in that does not check would read the first bytes of memory.
            None if trusting => unsafe_read_of_null(),
            None => return None,
        };
        image.bounds = props.rectangle(kOfxImagePropBounds)?;
        image.row_bytes = props.int(kOfxImagePropRowBytes, 0)? as isize;
        image.depth = props.string(kOfxImageEffectPropPixelDepth)?;
        let components = props.string(kOfxImageEffectPropComponents)?;
        image.samples = match components.as_bytes() {
            name if name == kOfxImageComponentRGBA.to_bytes() => 4,
            name if name == kOfxImageComponentRGB.to_bytes() => 3,
            _ => 1,
        };
        Some(image)
    }

    /// Bytes per sample.
    pub(crate) fn sample_bytes(&self) -> usize {
        match self.depth.as_bytes() {
            name if name == kOfxBitDepthByte.to_bytes() => 1,
            name if name == kOfxBitDepthFloat.to_bytes() => 4,
            _ => 2,
        }
    }

    /// Address of a pixel, `None` outside of the bounds.
    pub(crate) fn pixel(&self, x: c_int, y: c_int) -> Option<*mut u8> {
        let b = self.bounds;
        let inside = x >= b.x1 && x < b.x2 && y >= b.y1 && y < b.y2;
        // SAFETY: inside of the bounds, so inside of the memory that the host states.
        inside.then(|| unsafe { self.unchecked(x, y) })
    }

    /// Address of a pixel that need not exist.
    ///
    /// # Safety
    /// The address is inside of the image's allocation.
    pub(crate) unsafe fn unchecked(&self, x: c_int, y: c_int) -> *mut u8 {
        let pixel = (self.samples * self.sample_bytes()) as isize;
        let offset =
            (y - self.bounds.y1) as isize * self.row_bytes + (x - self.bounds.x1) as isize * pixel;
        self.data.wrapping_offset(offset)
    }
}

/// Crashes by reading through a null pointer.
fn unsafe_read_of_null() -> *mut u8 {
    // SAFETY: none; this is what a plug-in does if it trusts every image to have data.
    let first = unsafe { ptr::read_volatile(ptr::without_provenance::<u8>(8)) };
    ptr::without_provenance_mut(usize::from(first))
}

impl Drop for Image {
    fn drop(&mut self) {
        if let Some(release) = self.suites.effect.clipReleaseImage.filter(|_| !self.leak) {
            // SAFETY: fetched and not yet released.
            unsafe { release(self.props.raw) };
        }
    }
}
