//! A dissolve that follows every rule, in which our host must find no fault.

use std::ffi::{c_char, c_int, c_void};

use dissolve::ofx::{OfxPlugin, OfxPropertySetHandle, OfxStatus, plugin};

unsafe extern "C" fn main_entry(
    action: *const c_char,
    handle: *const c_void,
    arguments: OfxPropertySetHandle,
    results: OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: arguments come from the host as the standard states them.
    unsafe { dissolve::main_entry(None, action, handle, arguments, results) }
}

static PLUGIN: OfxPlugin = plugin(c"org.example.good", Some(main_entry));

/// Number of plug-ins, as required by OpenFX.
#[unsafe(no_mangle)]
pub extern "C" fn OfxGetNumberOfPlugins() -> c_int {
    1
}

/// The plug-in, as required by OpenFX.
#[unsafe(no_mangle)]
pub extern "C" fn OfxGetPlugin(index: c_int) -> *const OfxPlugin {
    if index == 0 { &raw const PLUGIN } else { std::ptr::null() }
}
