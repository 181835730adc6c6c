//! Timeline suite, version 1.

use std::ffi::c_void;

use super::give;
use crate::{host::call, host::effect::Effect, host::registry, host::sys::*};

pub(super) static SUITE: OfxTimeLineSuiteV1 = OfxTimeLineSuiteV1 {
    getTime: Some(get_time),
    gotoTime: Some(goto_time),
    getTimeBounds: Some(get_bounds),
};

unsafe extern "C" fn get_time(handle: *mut c_void, out: *mut f64) -> OfxStatus {
    call::suite("getTime", || {
        call::needs_whole_instance("getTime");
        match registry::behind::<Effect, _>(handle) {
            // SAFETY: `out` comes from the plug-in as the suite states.
            Some(effect) => unsafe { give("getTime", out, *effect.now.read()) },
            None => call::bad_handle("getTime", handle),
        }
    })
}

unsafe extern "C" fn goto_time(handle: *mut c_void, time: f64) -> OfxStatus {
    call::suite("gotoTime", || {
        call::needs_whole_instance("gotoTime");
        match registry::behind::<Effect, _>(handle) {
            Some(effect) => {
                *effect.now.write() = time;
                kOfxStatOK
            }
            None => call::bad_handle("gotoTime", handle),
        }
    })
}

unsafe extern "C" fn get_bounds(handle: *mut c_void, first: *mut f64, last: *mut f64) -> OfxStatus {
    call::suite("getTimeBounds", || {
        call::needs_whole_instance("getTimeBounds");
        let Some(effect) = registry::behind::<Effect, _>(handle) else {
            return call::bad_handle("getTimeBounds", handle);
        };
        let Some(project) = effect.project() else { return kOfxStatFailed };
        // SAFETY: `first` comes from the plug-in as the suite states.
        let status = unsafe { give("getTimeBounds", first, project.range.0) };
        if status != kOfxStatOK {
            return status;
        }
        // SAFETY: the same for `last`.
        unsafe { give("getTimeBounds", last, project.range.1) }
    })
}
