//! Interact suite, version 1. A batch host has no screen, so there are no interacts.

use std::ffi::c_int;

use crate::{host::call, host::sys::*};

pub(super) static SUITE: OfxInteractSuiteV1 = OfxInteractSuiteV1 {
    interactSwapBuffers: Some(swap_buffers),
    interactRedraw: Some(redraw),
    interactGetPropertySet: Some(get_property_set),
};

unsafe extern "C" fn swap_buffers(handle: OfxInteractHandle) -> OfxStatus {
    call::suite("interactSwapBuffers", || call::bad_handle("interactSwapBuffers", handle))
}

unsafe extern "C" fn redraw(handle: OfxInteractHandle) -> OfxStatus {
    call::suite("interactRedraw", || call::bad_handle("interactRedraw", handle))
}

unsafe extern "C" fn get_property_set(
    handle: OfxInteractHandle,
    _out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    call::suite("interactGetPropertySet", || call::bad_handle("interactGetPropertySet", handle))
}

const _: () = assert!(
    size_of::<OfxInteractSuiteV1>()
        == 3 * size_of::<c_int>() * (size_of::<usize>() / size_of::<c_int>())
);
