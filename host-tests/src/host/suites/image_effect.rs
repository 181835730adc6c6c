//! Image effect suite, version 1.

use std::{
    ffi::{c_char, c_int, c_void},
    sync::Arc,
};

use super::{give, name, status};
use crate::{
    host::call,
    host::clip::Clip,
    host::effect::{Effect, Role},
    host::image_memory::ImageMemory,
    host::images,
    host::journal::Rule,
    host::registry,
    host::sys::*,
};

pub(super) static SUITE: OfxImageEffectSuiteV1 = OfxImageEffectSuiteV1 {
    getPropertySet: Some(get_property_set),
    getParamSet: Some(get_param_set),
    clipDefine: Some(clip_define),
    clipGetHandle: Some(clip_get_handle),
    clipGetPropertySet: Some(clip_get_property_set),
    clipGetImage: Some(clip_get_image),
    clipReleaseImage: Some(clip_release_image),
    clipGetRegionOfDefinition: Some(clip_get_region_of_definition),
    abort: Some(abort),
    imageMemoryAlloc: Some(memory_alloc),
    imageMemoryFree: Some(memory_free),
    imageMemoryLock: Some(memory_lock),
    imageMemoryUnlock: Some(memory_unlock),
};

fn effect(function: &str, handle: OfxImageEffectHandle) -> Result<Arc<Effect>, OfxStatus> {
    registry::behind::<Effect, _>(handle).ok_or_else(|| call::bad_handle(function, handle))
}

unsafe extern "C" fn get_property_set(
    handle: OfxImageEffectHandle,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    call::suite("getPropertySet", || {
        // SAFETY: `out` comes from the plug-in as the suite states.
        status(
            effect("getPropertySet", handle)
                .map(|e| unsafe { give("getPropertySet", out, e.props.raw()) }),
        )
    })
}

unsafe extern "C" fn get_param_set(
    handle: OfxImageEffectHandle,
    out: *mut OfxParamSetHandle,
) -> OfxStatus {
    call::suite("getParamSet", || {
        // SAFETY: `out` comes from the plug-in as the suite states.
        status(
            effect("getParamSet", handle)
                .map(|e| unsafe { give("getParamSet", out, e.params.raw()) }),
        )
    })
}

unsafe extern "C" fn clip_define(
    handle: OfxImageEffectHandle,
    clip: *const c_char,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    call::suite("clipDefine", || {
        status(effect("clipDefine", handle).and_then(|effect| {
            // SAFETY: the plug-in passes NUL-terminated text.
            let name = unsafe { name("clipDefine", clip) }?.to_string_lossy();
            if !matches!(effect.role, Role::ContextDescriptor(_)) {
                call::violate(
                    Rule::Definition,
                    format!("clip {name} was defined outside of DescribeInContext"),
                );
                return Err(kOfxStatErrBadHandle);
            }
            let Some(clip) = effect.define_clip(&name) else {
                call::violate(Rule::Definition, format!("clip {name} was defined twice"));
                return Err(kOfxStatErrExists);
            };
            if !out.is_null() {
                // SAFETY: not NULL; the plug-in passes an address for the result.
                unsafe { out.write(clip.props.raw()) };
            }
            Ok(kOfxStatOK)
        }))
    })
}

unsafe extern "C" fn clip_get_handle(
    handle: OfxImageEffectHandle,
    clip: *const c_char,
    out: *mut OfxImageClipHandle,
    props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    call::suite("clipGetHandle", || {
        status(effect("clipGetHandle", handle).and_then(|effect| {
            // SAFETY: the plug-in passes NUL-terminated text.
            let name = unsafe { name("clipGetHandle", clip) }?.to_string_lossy();
            let found = effect.clip(&name);
            if found.is_none() && !effect.host.behaviour().undefined_clip_is_null {
                return Err(kOfxStatErrBadHandle);
            }
            let (clip, set) = match &found {
                Some(clip) => (clip.raw(), clip.props.raw()),
                None => (std::ptr::null_mut(), std::ptr::null_mut()),
            };
            if !props.is_null() {
                // SAFETY: not NULL; the plug-in passes an address for the result.
                unsafe { props.write(set) };
            }
            // SAFETY: as above.
            Ok(unsafe { give("clipGetHandle", out, clip) })
        }))
    })
}

unsafe extern "C" fn clip_get_property_set(
    clip: OfxImageClipHandle,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    call::suite("clipGetPropertySet", || {
        let Some(found) = registry::behind::<Clip, _>(clip) else {
            return call::bad_handle("clipGetPropertySet", clip);
        };
        // SAFETY: `out` comes from the plug-in as the suite states.
        unsafe { give("clipGetPropertySet", out, found.props.raw()) }
    })
}

unsafe extern "C" fn clip_get_image(
    clip: OfxImageClipHandle,
    time: OfxTime,
    _region: *const OfxRectD,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    call::suite("clipGetImage", || {
        call::needs_whole_instance("clipGetImage");
        let Some(found) = registry::behind::<Clip, _>(clip) else {
            return call::bad_handle("clipGetImage", clip);
        };
        if out.is_null() {
            return call::null("clipGetImage", "result address");
        }
        // SAFETY: `out` is not NULL.
        status(images::fetch(&found, time).map(|image| unsafe { give("clipGetImage", out, image) }))
    })
}

unsafe extern "C" fn clip_release_image(image: OfxPropertySetHandle) -> OfxStatus {
    call::suite("clipReleaseImage", || images::release(image))
}

unsafe extern "C" fn clip_get_region_of_definition(
    clip: OfxImageClipHandle,
    _time: OfxTime,
    bounds: *mut OfxRectD,
) -> OfxStatus {
    call::suite("clipGetRegionOfDefinition", || {
        let Some(found) = registry::behind::<Clip, _>(clip) else {
            return call::bad_handle("clipGetRegionOfDefinition", clip);
        };
        match found.region().filter(|_| found.tells_region()) {
            // SAFETY: `bounds` comes from the plug-in as the suite states.
            Some(region) => unsafe { give("clipGetRegionOfDefinition", bounds, region) },
            None => kOfxStatFailed,
        }
    })
}

unsafe extern "C" fn abort(handle: OfxImageEffectHandle) -> c_int {
    let mut answer = 0;
    call::suite("abort", || {
        call::needs_whole_instance("abort");
        status(effect("abort", handle).map(|effect| {
            answer = effect.poll_abort();
            kOfxStatOK
        }))
    });
    answer
}

unsafe extern "C" fn memory_alloc(
    handle: OfxImageEffectHandle,
    bytes: usize,
    out: *mut OfxImageMemoryHandle,
) -> OfxStatus {
    /// No effect needs more in one block; a larger size is a mistake.
    const LIMIT: usize = 1 << 36;
    call::suite("imageMemoryAlloc", || {
        status(effect("imageMemoryAlloc", handle).and_then(|effect| {
            if bytes > LIMIT {
                return Err(kOfxStatErrMemory);
            }
            let memory = ImageMemory::new(effect.id(), bytes);
            let raw = memory.raw();
            effect.keep_memory(memory);
            // SAFETY: `out` comes from the plug-in as the suite states.
            Ok(unsafe { give("imageMemoryAlloc", out, raw) })
        }))
    })
}

fn memory(function: &str, handle: OfxImageMemoryHandle) -> Result<Arc<ImageMemory>, OfxStatus> {
    registry::behind::<ImageMemory, _>(handle).ok_or_else(|| call::bad_handle(function, handle))
}

unsafe extern "C" fn memory_free(handle: OfxImageMemoryHandle) -> OfxStatus {
    call::suite("imageMemoryFree", || {
        status(memory("imageMemoryFree", handle).map(|memory| {
            if memory.is_locked() {
                call::violate(Rule::Memory, "image memory was freed while locked");
            }
            if let Some(effect) = registry::find::<Effect>(memory.effect) {
                effect.free_memory(memory.id());
            }
            kOfxStatOK
        }))
    })
}

unsafe extern "C" fn memory_lock(handle: OfxImageMemoryHandle, out: *mut *mut c_void) -> OfxStatus {
    call::suite("imageMemoryLock", || {
        // SAFETY: `out` comes from the plug-in as the suite states.
        status(
            memory("imageMemoryLock", handle).map(|memory| unsafe {
                give("imageMemoryLock", out, memory.lock() as *mut c_void)
            }),
        )
    })
}

unsafe extern "C" fn memory_unlock(handle: OfxImageMemoryHandle) -> OfxStatus {
    call::suite("imageMemoryUnlock", || {
        status(memory("imageMemoryUnlock", handle).map(|memory| {
            if !memory.unlock() {
                call::violate(Rule::Memory, "image memory was unlocked that was not locked");
            }
            kOfxStatOK
        }))
    })
}
