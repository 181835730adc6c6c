//! The suites of our host: tables of C functions, one file per suite.
//!
//! Every function finds its object by handle, never by address, and returns a status if anything is
//! wrong.

mod image_effect;
mod interact;
mod memory;
mod message;
mod multi_thread;
mod param;
mod progress;
mod property;
mod time_line;

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::{host::call, host::sys::*};

pub(crate) use memory::blocks_left;

/// The table of a suite; null if this host does not have it in that version.
pub(crate) fn find(name: &CStr, version: c_int, null_message_two: bool) -> *const c_void {
    fn table<T>(table: &'static T) -> *const c_void {
        std::ptr::from_ref(table).cast()
    }
    match (name, version) {
        (name, 1) if name == kOfxPropertySuite => table(&property::SUITE),
        (name, 1) if name == kOfxImageEffectSuite => table(&image_effect::SUITE),
        (name, 1) if name == kOfxParameterSuite => table(&param::SUITE),
        (name, 1) if name == kOfxMemorySuite => table(&memory::SUITE),
        (name, 1) if name == kOfxMultiThreadSuite => table(&multi_thread::SUITE),
        (name, 1) if name == kOfxMessageSuite => table(&message::SUITE_1),
        (name, 2) if name == kOfxMessageSuite && null_message_two => {
            table(&message::SUITE_2_OF_NULLS)
        }
        (name, 2) if name == kOfxMessageSuite => table(&message::SUITE_2),
        (name, 1) if name == kOfxProgressSuite => table(&progress::SUITE_1),
        (name, 2) if name == kOfxProgressSuite => table(&progress::SUITE_2),
        (name, 1) if name == kOfxTimeLineSuite => table(&time_line::SUITE),
        (name, 1) if name == kOfxInteractSuite => table(&interact::SUITE),
        _ => std::ptr::null(),
    }
}

/// A name argument, or the status to return.
///
/// # Safety
/// `name` is NULL or points to NUL-terminated text that outlives `'a`.
unsafe fn name<'a>(function: &str, name: *const c_char) -> Result<&'a CStr, OfxStatus> {
    if name.is_null() {
        return Err(call::null(function, "name"));
    }
    // SAFETY: not NULL, and the caller vouches for the rest.
    Ok(unsafe { CStr::from_ptr(name) })
}

/// Writes through an out argument.
///
/// # Safety
/// `out` is NULL or may be written to.
unsafe fn give<T>(function: &str, out: *mut T, value: T) -> OfxStatus {
    if out.is_null() {
        return call::null(function, "result address");
    }
    // SAFETY: not NULL, and the caller vouches for the rest.
    unsafe { out.write(value) };
    kOfxStatOK
}

/// Merges success and failure of a suite function into one status.
fn status(result: Result<OfxStatus, OfxStatus>) -> OfxStatus {
    result.unwrap_or_else(|status| status)
}
