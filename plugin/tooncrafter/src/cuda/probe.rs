//! Says why a GPU cannot be used and what to do about it. Called before candle starts.

use std::ffi::{CStr, c_char, c_int};

use super::doors::{self, Library};

/// CUDA version of the compiled kernels, in the driver's notation: 13000 for 13.0.
const NEEDED: i32 = parse(env!("INBETWEEN_CUDA_VERSION"));

/// The lowest compute capability that can run the kernels: the first with bf16.
const CAPABILITY: (i32, i32) = (8, 0);

const fn parse(text: &str) -> i32 {
    let (bytes, mut value, mut i) = (text.as_bytes(), 0, 0);
    while i < bytes.len() {
        value = value * 10 + (bytes[i] - b'0') as i32;
        i += 1;
    }
    value
}

/// The first Linux driver that supports a version of CUDA.
fn driver_for(version: i32) -> &'static str {
    match version / 1000 {
        ..=11 => "450",
        12 => "525",
        13 => "580",
        _ => "the newest",
    }
}

fn words(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// The reason why the first GPU cannot be used; `None` if it can.
pub(crate) fn problem() -> Option<String> {
    doors::keep();
    let driver = driver_for(NEEDED);
    if !Library::Driver.is_there() {
        return Some(format!(
            "there is no NVIDIA driver ({} was not found); for an NVIDIA card install its driver, \
             version {driver} or newer",
            Library::Driver.file()
        ));
    }
    type Ask = unsafe extern "C" fn(*mut c_int) -> c_int;
    type Init = unsafe extern "C" fn(u32) -> c_int;
    type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
    // SAFETY: the types are those in NVIDIA's documentation of the driver.
    let (version, init, count, attribute) = unsafe {
        (
            doors::driver_function::<Ask>(c"cuDriverGetVersion"),
            doors::driver_function::<Init>(c"cuInit"),
            doors::driver_function::<Ask>(c"cuDeviceGetCount"),
            doors::driver_function::<Attribute>(c"cuDeviceGetAttribute"),
        )
    };
    let (Some(version), Some(init), Some(count), Some(attribute)) =
        (version, init, count, attribute)
    else {
        return Some(format!("the NVIDIA driver is damaged; install version {driver} or newer"));
    };
    let ask = |function: Ask| {
        let mut answer = 0;
        // SAFETY: the driver writes one number.
        let status = unsafe { function(&raw mut answer) };
        (status == 0).then_some(answer)
    };
    let spoken = ask(version).unwrap_or(0);
    if spoken < NEEDED {
        return Some(format!(
            "the NVIDIA driver is too old: it speaks CUDA {}, needed is {}; install driver {driver} \
             or newer",
            words(spoken),
            words(NEEDED)
        ));
    }
    // SAFETY: 0 is the only valid argument of the function.
    let status = unsafe { init(0) };
    if status != 0 {
        return Some(format!(
            "the NVIDIA driver does not start: {}; restart the machine, or install driver {driver} \
             or newer again",
            error_text(status)
        ));
    }
    if ask(count).unwrap_or(0) < 1 {
        return Some("the NVIDIA driver finds no card".into());
    }
    // Attribute numbers of the major and minor compute capability.
    let [major, minor] = [75, 76].map(|what| {
        let mut answer = 0;
        // SAFETY: the driver writes one number, about device 0.
        let status = unsafe { attribute(&raw mut answer, what, 0) };
        if status == 0 { answer } else { 0 }
    });
    if (major, minor) < CAPABILITY {
        return Some(format!(
            "the card is too old: its compute capability is {major}.{minor}, needed is {}.{} (RTX 30 \
             series, A100 or newer)",
            CAPABILITY.0, CAPABILITY.1
        ));
    }
    missing_library()
}

/// The missing library, apart from the driver.
fn missing_library() -> Option<String> {
    let mut needed = vec![(Library::Blas, "cuBLAS", "libcublas-13-0", "nvidia-cublas")];
    needed.push((Library::Rand, "cuRAND", "libcurand-13-0", "nvidia-curand"));
    if cfg!(feature = "cudnn") {
        needed.push((Library::Dnn, "cuDNN 9", "cudnn9-cuda-13", "nvidia-cudnn-cu13"));
    }
    let (library, name, package, wheel) =
        needed.into_iter().find(|(library, ..)| !library.is_there())?;
    Some(format!(
        "{name} is missing ({} was not found); install NVIDIA's package {package}, or the Python \
         wheel {wheel} and add its lib folder to LD_LIBRARY_PATH",
        library.file()
    ))
}

/// The driver's own text for an error.
fn error_text(status: c_int) -> String {
    type Text = unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int;
    // SAFETY: the type is the one in NVIDIA's documentation.
    let function = unsafe { doors::driver_function::<Text>(c"cuGetErrorString") };
    let mut text = std::ptr::null();
    // SAFETY: the driver writes one pointer, to a text that it owns.
    let known = function.is_some_and(|f| unsafe { f(status, &raw mut text) } == 0);
    if !known || text.is_null() {
        return format!("error {status}");
    }
    // SAFETY: the text belongs to the driver and ends in zero.
    let text = unsafe { CStr::from_ptr(text) };
    format!("error {status}, {}", text.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_written() {
        assert_eq!(parse("12080"), 12080);
        assert_eq!(words(12080), "12.8");
        const { assert!(NEEDED >= 12000) };
    }

    #[test]
    fn a_problem_says_what_to_do() {
        if let Some(problem) = problem() {
            assert!(problem.contains("install") || problem.contains("needed"), "{problem}");
        }
    }
}
