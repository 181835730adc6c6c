//! Memory for results.

use std::mem::MaybeUninit;

use candle_core::Device;

/// A result that is being written, all of it.
pub(super) type Unwritten = [MaybeUninit<f32>];

/// Returns freed memory to the system if the allocator or `device` would keep it, so that the weights
/// of a part that was dropped make room for the next one.
pub fn release_memory(device: &Device) {
    // candle keeps buffers of Metal for later, until all work is done. An error comes again with the next operation.
    if device.is_metal()
        && let Err(error) = device.synchronize()
    {
        log::warn!("Apple's GPU does not give memory back: {error}");
    }
    crate::kept_memory::release();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointer, and leaves all allocated memory untouched.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// A vector of `len` values, which `write` writes. They are not cleared first, which would take as long as writing
/// them.
///
/// # Safety
/// `write` writes every value.
pub(super) unsafe fn written(len: usize, write: impl FnOnce(&mut Unwritten)) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    let room = &mut values.spare_capacity_mut()[..len];
    if cfg!(test) {
        // Whatever is left out spoils a result that is compared.
        room.fill(MaybeUninit::new(f32::NAN));
    }
    write(room);
    // SAFETY: there is room for `len` values, and the caller guarantees that all are written.
    unsafe { values.set_len(len) };
    values
}
