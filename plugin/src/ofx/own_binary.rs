//! Finds this plug-in's own binary, and keeps it in memory.

use std::path::PathBuf;

/// The folder of this plug-in's own binary, found without the host's help. A process may have
/// loaded several copies of the plug-in.
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
    // SAFETY: dladdr looks up an address, here that of this function, and fills in the given
    // struct.
    let found = unsafe { libc::dladdr(here as *const libc::c_void, &mut about) };
    if found == 0 || about.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr succeeded, so this is the NUL-terminated path of a loaded file, valid while it
    // is loaded.
    let path = unsafe { CStr::from_ptr(about.dli_fname) };
    let path = PathBuf::from(OsStr::from_bytes(path.to_bytes()));
    Some(std::path::absolute(path).ok()?.parent()?.to_owned())
}

/// The same on Windows. The first call also keeps the binary in memory until the process ends.
///
/// Threads of the render pool outlive an unload, and one that woke up in unloaded code would crash
/// the host. The file can still be renamed while it is in use, so a new version can take its place.
#[cfg(windows)]
pub(crate) fn own_folder() -> Option<PathBuf> {
    use std::ffi::OsString;
    use std::os::windows::ffi::OsStringExt;

    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleFileNameW,
        GetModuleHandleExW,
    };

    /// The longest path on Windows, in UTF-16 units.
    const LONGEST: usize = 32_767;

    let here: fn() -> Option<PathBuf> = own_folder;
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
    let mut module = std::ptr::null_mut();
    // SAFETY: the address is that of this function, and the call fills in the handle.
    if unsafe { GetModuleHandleExW(flags, here as *const u16, &mut module) } == 0 {
        return None;
    }
    let mut path = vec![0_u16; LONGEST];
    // SAFETY: the buffer has the given length, and the module stays loaded.
    let length = unsafe { GetModuleFileNameW(module, path.as_mut_ptr(), LONGEST as u32) } as usize;
    let path =
        PathBuf::from(OsString::from_wide(path.get(..length).filter(|path| !path.is_empty())?));
    Some(path.parent()?.to_owned())
}
