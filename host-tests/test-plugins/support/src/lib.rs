//! Two plug-ins in the style of the OpenFX C++ Support library: an invert and a box.
//!
//! As with that library, Unload frees the structures of the plug-ins, and nothing works until they
//! are requested, given a host and loaded again.

use std::ffi::{c_char, c_int, c_void};

use dissolve::ofx::{OfxPlugin, OfxPropertySetHandle, OfxStatus, plugin};
use dissolve::supported::{self, Kind};

unsafe extern "C" fn invert(
    action: *const c_char,
    handle: *const c_void,
    arguments: OfxPropertySetHandle,
    results: OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: arguments come from the host as the standard states them.
    unsafe { supported::main_entry(Kind::Invert, action, handle, arguments, results) }
}

unsafe extern "C" fn draw_box(
    action: *const c_char,
    handle: *const c_void,
    arguments: OfxPropertySetHandle,
    results: OfxPropertySetHandle,
) -> OfxStatus {
    // SAFETY: arguments come from the host as the standard states them.
    unsafe { supported::main_entry(Kind::Box, action, handle, arguments, results) }
}

static PLUGINS: [OfxPlugin; 2] = [
    plugin(c"org.example.support.invert", Some(invert)),
    plugin(c"org.example.support.box", Some(draw_box)),
];

/// Number of plug-ins, as required by OpenFX.
#[unsafe(no_mangle)]
pub extern "C" fn OfxGetNumberOfPlugins() -> c_int {
    2
}

/// A plug-in, as required by OpenFX.
#[unsafe(no_mangle)]
pub extern "C" fn OfxGetPlugin(index: c_int) -> *const OfxPlugin {
    match index {
        0 | 1 => {
            supported::hand_out(if index == 0 { Kind::Invert } else { Kind::Box });
            &raw const PLUGINS[index as usize]
        }
        _ => std::ptr::null(),
    }
}
