//! Progress suite, versions 1 and 2.

use std::ffi::{c_char, c_void};

use crate::{host::call, host::effect::Effect, host::registry, host::sys::*};

pub(super) static SUITE_1: OfxProgressSuiteV1 = OfxProgressSuiteV1 {
    progressStart: Some(start),
    progressUpdate: Some(update),
    progressEnd: Some(end),
};

pub(super) static SUITE_2: OfxProgressSuiteV2 = OfxProgressSuiteV2 {
    progressStart: Some(start_2),
    progressUpdate: Some(update),
    progressEnd: Some(end),
};

unsafe extern "C" fn start(handle: *mut c_void, _label: *const c_char) -> OfxStatus {
    set("progressStart", handle, Some(0.0))
}

unsafe extern "C" fn start_2(
    handle: *mut c_void,
    _message: *const c_char,
    _id: *const c_char,
) -> OfxStatus {
    set("progressStart", handle, Some(0.0))
}

unsafe extern "C" fn update(handle: *mut c_void, progress: f64) -> OfxStatus {
    let status = set("progressUpdate", handle, Some(progress.clamp(0.0, 1.0)));
    // A host's progress bar has a stop button; ours is pressed when renders are to be aborted.
    match registry::behind::<Effect, _>(handle) {
        Some(effect) if effect.poll_abort() != 0 => kOfxStatReplyNo,
        _ => status,
    }
}

unsafe extern "C" fn end(handle: *mut c_void) -> OfxStatus {
    set("progressEnd", handle, None)
}

fn set(function: &str, handle: *mut c_void, progress: Option<f64>) -> OfxStatus {
    call::suite(function, || {
        call::needs_whole_instance(function);
        match registry::behind::<Effect, _>(handle) {
            Some(effect) => {
                effect.set_progress(progress);
                kOfxStatOK
            }
            None => call::bad_handle(function, handle),
        }
    })
}
