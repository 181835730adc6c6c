//! Where this binary lies.

use std::path::PathBuf;

/// The folder of this plug-in's own binary, where the system tells.
#[cfg(unix)]
pub(crate) fn own_folder() -> Option<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::os::unix::ffi::OsStrExt;

    let mut about = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let here: fn() -> Option<PathBuf> = own_folder;
    // SAFETY: dladdr looks an address up, here that of this function, and fills in the struct it is given.
    let found = unsafe { libc::dladdr(here as *const libc::c_void, &mut about) };
    if found == 0 || about.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr succeeded, so this is the NUL-terminated path of a loaded file, kept while it is loaded.
    let path = unsafe { CStr::from_ptr(about.dli_fname) };
    let path = PathBuf::from(OsStr::from_bytes(path.to_bytes()));
    Some(std::path::absolute(path).ok()?.parent()?.to_owned())
}

/// The folder of this plug-in's own binary: here only the host knows.
#[cfg(not(unix))]
pub(crate) fn own_folder() -> Option<PathBuf> {
    None
}
