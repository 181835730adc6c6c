//! The OpenFX plug-in "AI In-between". This file contains only the symbols that a host looks for.
//!
//! [`ofx`] makes the host's C interface safe, and [`effect`] is the effect itself.

mod effect;
mod hosts;
mod logging;
mod ofx;

use std::ffi::{c_char, c_int, c_uint, c_void};

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::{
    kOfxImageEffectPluginApi, kOfxImageEffectPluginApiVersion,
};

static PLUGIN: OfxPlugin = OfxPlugin {
    pluginApi: kOfxImageEffectPluginApi.as_ptr(),
    apiVersion: kOfxImageEffectPluginApiVersion as c_int,
    pluginIdentifier: effect::IDENTIFIER.as_ptr(),
    pluginVersionMajor: effect::VERSION.0 as c_uint,
    pluginVersionMinor: effect::VERSION.1 as c_uint,
    setHost: Some(set_host),
    mainEntry: Some(main_entry),
};

/// How many plug-ins this binary holds. OpenFX core API.
#[unsafe(no_mangle)]
pub extern "C" fn OfxGetNumberOfPlugins() -> c_int {
    1
}

/// The plug-in at index 0; null beyond. OpenFX core API.
#[unsafe(no_mangle)]
pub extern "C" fn OfxGetPlugin(nth: c_int) -> *const OfxPlugin {
    if nth == 0 { &PLUGIN } else { std::ptr::null() }
}

/// Receives the host before it asks for plug-ins. Optional since OpenFX 1.5; `setHost` follows in
/// any case.
#[unsafe(no_mangle)]
pub extern "C" fn OfxSetHost(_host: *const OfxHost) -> OfxStatus {
    kOfxStatOK
}

unsafe extern "C" fn set_host(host: *mut OfxHost) {
    logging::start();
    // On Windows this keeps the binary in memory, which must be ensured before any thread starts.
    let _ = ofx::own_folder();
    ofx::set_host(host);
}

unsafe extern "C" fn main_entry(
    action: *const c_char,
    handle: *const c_void,
    in_args: OfxPropertySetHandle,
    out_args: OfxPropertySetHandle,
) -> OfxStatus {
    ofx::main_entry(action, handle, in_args, out_args, effect::perform, effect::unload)
}
