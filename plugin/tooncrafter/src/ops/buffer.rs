//! Allocates large results on large pages if the system offers them.
//!
//! A result of some 50 MB is fresh memory each time. With 4 KiB pages, the system spends more time
//! on providing the pages than a norm spends on computing.

use candle_core::Device;

/// Results of at least this size in bytes use large pages.
const LARGE: usize = 4 << 20;

/// Returns freed memory to the system if the allocator or `device` would keep it, so that the weights
/// of a part that was dropped make room for the next one.
pub fn release_memory(device: &Device) {
    // candle keeps buffers of Metal for later, until all work is done. An error comes again with the next operation.
    if device.is_metal()
        && let Err(error) = device.synchronize()
    {
        log::warn!("Apple's GPU does not give memory back: {error}");
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointer, and leaves all allocated memory untouched.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// A vector of `len` zeros.
pub(crate) fn zeros(len: usize) -> Vec<f32> {
    let mut values = vec![0.0f32; len];
    if size_of_val(values.as_slice()) >= LARGE {
        ask_for_large_pages(&mut values);
    }
    values
}

#[cfg(target_os = "linux")]
fn ask_for_large_pages(values: &mut [f32]) {
    const PAGE: usize = 4096;
    let range = values.as_mut_ptr_range();
    let start = range.start.addr().next_multiple_of(PAGE);
    let len = (range.end.addr() - start) / PAGE * PAGE;
    // SAFETY: these are whole pages inside memory that we own. The advice changes no value; a
    // system that does not know it returns an error, which can be ignored here.
    unsafe {
        libc::madvise(range.start.with_addr(start).cast(), len, libc::MADV_HUGEPAGE);
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: &mut [f32]) {}
