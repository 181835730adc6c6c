//! The run-time part of the doors that `build/doors.rs` generates: NVIDIA's libraries, opened on
//! the first call.

use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

/// The libraries behind doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Library {
    Driver,
    Blas,
    BlasLt,
    Rand,
    Rtc,
    Dnn,
    /// candle's kernels for quantised weights, which are in none of our builds.
    Quantised,
}

impl Library {
    /// File names, in order of preference.
    fn files(self) -> &'static [&'static CStr] {
        match self {
            Self::Driver => &[c"libcuda.so.1"],
            Self::Blas => &[c"libcublas.so.13", c"libcublas.so.12"],
            Self::BlasLt => &[c"libcublasLt.so.13", c"libcublasLt.so.12"],
            Self::Rand => &[c"libcurand.so.10"],
            Self::Rtc => &[c"libnvrtc.so.13", c"libnvrtc.so.12"],
            Self::Dnn => &[c"libcudnn.so.9"],
            Self::Quantised => &[],
        }
    }

    /// The preferred file name, for messages.
    pub(super) fn file(self) -> &'static str {
        self.files().first().and_then(|name| name.to_str().ok()).unwrap_or("")
    }

    /// Whether it can be opened.
    pub(super) fn is_there(self) -> bool {
        self.handle().is_some()
    }

    fn handle(self) -> Option<*mut c_void> {
        /// A handle from `dlopen`, never closed.
        struct Handle(*mut c_void);
        // SAFETY: the loader's handles may be used from any thread.
        unsafe impl Send for Handle {}
        // SAFETY: as above.
        unsafe impl Sync for Handle {}
        static HANDLES: [OnceLock<Option<Handle>>; 7] = [const { OnceLock::new() }; 7];
        let open = || {
            // SAFETY: the name ends in zero. Initialisers of NVIDIA's libraries run here, just as
            // they would at the start of a program linked to them.
            let open = |name: &CStr| unsafe {
                libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL)
            };
            let handle = self.files().iter().map(|name| open(name)).find(|h| !h.is_null());
            handle.map(Handle)
        };
        HANDLES[self as usize].get_or_init(open).as_ref().map(|handle| handle.0)
    }

    /// The function `name`, if the library has it.
    fn find(self, name: &CStr) -> Option<*const c_void> {
        // SAFETY: a handle of the loader and a name that ends in zero.
        let found = unsafe { libc::dlsym(self.handle()?, name.as_ptr()) };
        (!found.is_null()).then_some(found.cast_const())
    }

    /// The status that means "could not be initialised". It must be a member of the library's
    /// enumeration in cudarc, because reading any other number as that enumeration would be
    /// undefined behaviour.
    fn status(self) -> i32 {
        match self {
            Self::Driver => 100,   // CUDA_ERROR_NO_DEVICE
            Self::Blas => 1,       // CUBLAS_STATUS_NOT_INITIALIZED
            Self::BlasLt => 1,     // the same
            Self::Rand => 203,     // CURAND_STATUS_INITIALIZATION_FAILED
            Self::Rtc => 7,        // NVRTC_ERROR_BUILTIN_OPERATION_FAILURE
            Self::Dnn => 1001,     // CUDNN_STATUS_NOT_INITIALIZED
            Self::Quantised => -1, // never returned
        }
    }
}

/// What a door does if its library is missing.
#[derive(Clone, Copy)]
enum Missing {
    /// Returns the library's status.
    Status,
    /// Returns 0: a version, a size.
    Zero,
    /// Returns a text.
    Text,
    /// Ends the process, because there is no way to report an error to the caller.
    Stop,
}

struct Door {
    name: &'static CStr,
    library: Library,
    missing: Missing,
}

#[cfg(cuda_doors)]
include!(concat!(env!("OUT_DIR"), "/doors.rs"));
#[cfg(cuda_doors)]
core::arch::global_asm!(
    include_str!(concat!(env!("OUT_DIR"), "/doors.s")),
    options(att_syntax, raw)
);

/// Keeps the doors in the program. Without it the linker would drop them, because it reads this
/// crate before those that call them.
#[cfg(cuda_doors)]
pub(super) fn keep() {
    unsafe extern "C" {
        fn inbetween_open_door();
    }
    std::hint::black_box(inbetween_open_door as *const ());
}

extern "C" fn zero() -> usize {
    0
}

extern "C" fn text() -> *const c_char {
    c"a CUDA library is missing".as_ptr()
}

extern "C" fn stop() {
    eprintln!("kernels for quantised weights are not part of this program");
    std::process::abort()
}

/// Defines a function that returns one library's status.
macro_rules! status_of {
    ($library:expr) => {{
        extern "C" fn status() -> i32 {
            $library.status()
        }
        status as *const c_void
    }};
}

impl Door {
    fn function(&self) -> *const c_void {
        self.library.find(self.name).unwrap_or_else(|| match self.missing {
            Missing::Zero => zero as *const c_void,
            Missing::Text => text as *const c_void,
            Missing::Stop => stop as *const c_void,
            Missing::Status => match self.library {
                Library::Driver => status_of!(Library::Driver),
                Library::Blas => status_of!(Library::Blas),
                Library::BlasLt => status_of!(Library::BlasLt),
                Library::Rand => status_of!(Library::Rand),
                Library::Rtc => status_of!(Library::Rtc),
                Library::Dnn => status_of!(Library::Dnn),
                Library::Quantised => stop as *const c_void,
            },
        })
    }
}

/// Returns the function behind door `number`. Each door calls this once.
#[cfg(cuda_doors)]
#[unsafe(no_mangle)]
extern "C" fn inbetween_behind_door(number: usize) -> *const c_void {
    DOORS[number].function()
}

/// The driver's function `name`, for queries made before candle does anything.
///
/// # Safety
/// `F` must be the function pointer type that NVIDIA documents for `name`.
pub(super) unsafe fn driver_function<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*const c_void>()) };
    let found = Library::Driver.find(name)?;
    // SAFETY: both are pointers; the caller vouches for the type.
    Some(unsafe { std::mem::transmute_copy(&found) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_has_doors() {
        for library in [Library::Driver, Library::Blas, Library::Rand, Library::Dnn] {
            assert!(DOORS.iter().any(|door| door.library == library), "{library:?}");
        }
        assert!(DOORS.iter().any(|door| door.name == c"cuInit"));
    }

    /// Calls through a door on a machine without a driver: the error comes back as a number.
    #[test]
    fn a_missing_driver_is_an_error() {
        if Library::Driver.is_there() {
            return;
        }
        unsafe extern "C" {
            fn cuInit(flags: u32) -> i32;
        }
        keep();
        for _ in 0..2 {
            // SAFETY: the door answers without a library.
            assert_eq!(unsafe { cuInit(0) }, 100);
        }
    }
}
