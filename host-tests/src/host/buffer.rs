//! Image memory with guard bytes around everything that a plug-in must not touch.

use std::{
    alloc::{Layout as Allocation, alloc, dealloc},
    ptr::NonNull,
};

use half::f16;
use rayon::prelude::*;

#[cfg(unix)]
use crate::host::chaos;
use crate::{
    host::pixels::{Components, Depth, Rows},
    host::sys::*,
    pictures::picture::Picture,
};

/// Layout of an image in memory.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Pixels that have memory; x2 and y2 are exclusive.
    pub bounds: OfxRectI,
    /// Sample type.
    pub depth: Depth,
    /// Samples per pixel.
    pub components: Components,
    /// Order of the rows.
    pub rows: Rows,
    /// Bytes between the end of a row and the next one.
    pub padding: usize,
}

impl Layout {
    /// Pixels per row.
    pub fn width(&self) -> usize {
        usize::try_from(self.bounds.x2 - self.bounds.x1).unwrap_or(0)
    }

    /// Rows.
    pub fn height(&self) -> usize {
        usize::try_from(self.bounds.y2 - self.bounds.y1).unwrap_or(0)
    }

    fn pixel_bytes(&self) -> usize {
        self.depth.bytes() * self.components.count()
    }

    fn line(&self) -> usize {
        self.width() * self.pixel_bytes()
    }

    fn stride(&self) -> usize {
        // Rows start at whole samples, whatever the padding.
        (self.line() + self.padding).next_multiple_of(self.depth.bytes())
    }
}

/// Bytes before the first and after the last row.
const GUARD: usize = 4096;
/// Byte that fills guards, padding and unwritten pixels. As a float it is about -6329.
pub const UNWRITTEN: u8 = 0xC5;

/// Image memory. The plug-in writes through the address it was given, so nothing here holds a Rust
/// reference to the pixels for longer than one call.
pub struct Buffer {
    layout: Layout,
    memory: NonNull<u8>,
    /// Number of bytes from there on.
    size: usize,
    /// Guard bytes before the first and after the last row, in which changes are detected.
    guard: usize,
    store: Store,
}

/// The allocation that the memory of a [`Buffer`] is part of.
enum Store {
    Heap(Allocation),
    /// Pages between two inaccessible ones.
    #[cfg(unix)]
    Pages {
        first: NonNull<u8>,
        bytes: usize,
    },
}

// SAFETY: the memory is plain bytes owned by the buffer, and the API orders accesses (a plug-in
// holds an image only inside an action, and the host reads after the action has returned).
unsafe impl Send for Buffer {}
// SAFETY: as above; shared use is reading, or writing of disjoint windows by the plug-in.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Memory filled with [`UNWRITTEN`], or `None` if there is not enough.
    pub fn new(layout: Layout) -> Option<Self> {
        #[cfg(unix)]
        if chaos::has_guard_pages() {
            return Self::between_pages(layout);
        }
        let size = layout.stride().checked_mul(layout.height())?.checked_add(2 * GUARD)?;
        let allocation = Allocation::from_size_align(size, 64).ok()?;
        // SAFETY: the size is not zero, the guards are part of it.
        let memory = NonNull::new(unsafe { alloc(allocation) })?;
        // SAFETY: `memory` has `size` bytes.
        unsafe { memory.as_ptr().write_bytes(UNWRITTEN, size) };
        Some(Self { layout, memory, size, guard: GUARD, store: Store::Heap(allocation) })
    }

    /// The same memory between two inaccessible pages. It begins right after the first or ends
    /// right before the second.
    #[cfg(unix)]
    fn between_pages(layout: Layout) -> Option<Self> {
        use std::sync::atomic::{AtomicBool, Ordering};
        static AT_THE_END: AtomicBool = AtomicBool::new(false);
        // SAFETY: asks the system for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        let size = layout.stride().checked_mul(layout.height())?;
        let room = size.max(1).checked_next_multiple_of(page)?;
        let bytes = room.checked_add(2 * page)?;
        let (access, kind) = (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: new memory, at an address of the system's choice.
        let first = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0) };
        if first == libc::MAP_FAILED {
            return None;
        }
        let first = NonNull::new(first.cast::<u8>())?;
        let at_the_end = AT_THE_END.fetch_xor(true, Ordering::Relaxed);
        // SAFETY: all of it is within the memory just allocated, which nobody else uses; `page` and
        // `room` are whole pages.
        let memory = unsafe {
            let inside = first.add(page);
            if libc::mprotect(inside.as_ptr().cast(), room, libc::PROT_READ | libc::PROT_WRITE) != 0
            {
                libc::munmap(first.as_ptr().cast(), bytes);
                return None;
            }
            inside.as_ptr().write_bytes(UNWRITTEN, room);
            if at_the_end { inside.add(room - size) } else { inside }
        };
        Some(Self { layout, memory, size, guard: 0, store: Store::Pages { first, bytes } })
    }

    /// From now on nobody can write to the memory, if it consists of pages.
    pub(crate) fn protect(&self) {
        #[cfg(unix)]
        if let Store::Pages { first, bytes } = &self.store {
            // SAFETY: as in `between_pages`; the pages at both ends stay closed.
            unsafe {
                let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
                libc::mprotect(first.add(page).as_ptr().cast(), bytes - 2 * page, libc::PROT_READ);
            }
        }
    }

    /// Shape of the image.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The value of `OfxImagePropRowBytes`.
    pub fn row_bytes(&self) -> i32 {
        let stride = i32::try_from(self.layout.stride()).unwrap_or(i32::MAX);
        match self.layout.rows {
            Rows::Upward => stride,
            Rows::Downward => -stride,
        }
    }

    /// The value of `OfxImagePropData`: the address of the pixel at x1, y1.
    pub fn data(&self) -> usize {
        self.memory.as_ptr() as usize + self.row_start(0)
    }

    /// Offset of row `y`, counted upwards from y1.
    fn row_start(&self, y: usize) -> usize {
        let row = match self.layout.rows {
            Rows::Upward => y,
            Rows::Downward => {
                self.layout.height().saturating_sub(1)
                    - y.min(self.layout.height().saturating_sub(1))
            }
        };
        self.guard + row * self.layout.stride()
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the memory is of that size and was initialised by `new`.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.size) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; `&mut self` means that no plug-in holds the image.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr(), self.size) }
    }

    /// Samples of one row as bytes, `y` counted upwards from y1.
    pub fn row(&self, y: usize) -> &[u8] {
        let start = self.row_start(y);
        &self.bytes()[start..start + self.layout.line()]
    }

    /// A number that changes when any byte changes, including guards and padding.
    pub fn fingerprint(&self) -> u64 {
        let words = self.bytes().par_chunks(1 << 16).map(|chunk| {
            chunk.chunks(8).fold(0x9E37_79B9_7F4A_7C15_u64, |hash, bytes| {
                let mut word = [0; 8];
                word[..bytes.len()].copy_from_slice(bytes);
                (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
            })
        });
        words.collect::<Vec<_>>().into_iter().fold(0, |hash, word| hash.rotate_left(7) ^ word)
    }

    /// Fills the pixels from a picture whose lower left corner is at `origin`, with transparent
    /// black outside it.
    pub fn fill(&mut self, picture: &Picture, origin: (i32, i32)) {
        let layout = self.layout;
        let line = layout.line();
        if line == 0 {
            return;
        }
        let (stride, guard) = (layout.stride(), self.guard);
        let bytes = self.bytes_mut();
        let last = bytes.len() - guard;
        bytes[guard..last].par_chunks_mut(stride).enumerate().for_each(|(at, memory)| {
            let y = match layout.rows {
                Rows::Upward => at,
                Rows::Downward => layout.height() - 1 - at,
            };
            let y = layout.bounds.y1 + i32::try_from(y).unwrap_or(i32::MAX);
            let row = picture.row_from_below(y - origin.1);
            for (x, out) in memory[..line].chunks_exact_mut(layout.pixel_bytes()).enumerate() {
                let x = layout.bounds.x1 + i32::try_from(x).unwrap_or(i32::MAX);
                let pixel = usize::try_from(x - origin.0)
                    .ok()
                    .and_then(|x| row.and_then(|row| row.get(x)))
                    .copied();
                write_pixel(out, layout, pixel.unwrap_or([0.0; 4]), picture.has_alpha);
            }
        });
    }

    /// The pixels of `window` as a picture.
    pub fn picture(&self, window: OfxRectI) -> Picture {
        let size = |low: i32, high: i32| usize::try_from(high - low).unwrap_or(0);
        let (width, height) = (size(window.x1, window.x2), size(window.y1, window.y2));
        let mut picture = Picture::new(width, height, self.layout.components != Components::Rgb);
        let layout = self.layout;
        if width == 0 || height == 0 {
            return picture;
        }
        picture.pixels.par_chunks_mut(width).enumerate().for_each(|(top, out)| {
            let y = window.y2 - 1 - i32::try_from(top).unwrap_or(0);
            let row = self.row(usize::try_from(y - layout.bounds.y1).unwrap_or(0));
            for (x, out) in out.iter_mut().enumerate() {
                let at = (usize::try_from(window.x1 - layout.bounds.x1).unwrap_or(0) + x)
                    * layout.pixel_bytes();
                *out = read_pixel(&row[at..at + layout.pixel_bytes()], layout);
            }
        });
        picture
    }

    /// The raw bytes of `window`, lowest row first, without padding.
    pub fn window_bytes(&self, window: OfxRectI) -> Vec<u8> {
        let mut out = Vec::new();
        for y in window.y1..window.y2 {
            out.extend_from_slice(self.window_row(window, y));
        }
        out
    }

    fn window_row(&self, window: OfxRectI, y: i32) -> &[u8] {
        let row = self.row(usize::try_from(y - self.layout.bounds.y1).unwrap_or(0));
        let at = |x: i32| {
            usize::try_from(x - self.layout.bounds.x1).unwrap_or(0) * self.layout.pixel_bytes()
        };
        &row[at(window.x1)..at(window.x2)]
    }

    /// Whether a pixel of `window` still has its initial bytes.
    pub fn has_unwritten(&self, window: OfxRectI) -> bool {
        (window.y1..window.y2).any(|y| {
            let row = self.window_row(window, y);
            row.chunks_exact(self.layout.pixel_bytes())
                .any(|pixel| pixel.iter().all(|b| *b == UNWRITTEN))
        })
    }

    /// Which memory outside `window` was changed, in words.
    pub fn damage(&self, window: OfxRectI) -> Option<String> {
        let layout = self.layout;
        let changed = |bytes: &[u8]| bytes.iter().any(|b| *b != UNWRITTEN);
        let bytes = self.bytes();
        if changed(&bytes[..self.guard]) {
            return Some("memory before the image".into());
        }
        if changed(&bytes[bytes.len() - self.guard..]) {
            return Some("memory after the image".into());
        }
        for y in 0..layout.height() {
            let start = self.row_start(y);
            let py = layout.bounds.y1 + i32::try_from(y).unwrap_or(0);
            if changed(&bytes[start + layout.line()..start + layout.stride()]) {
                return Some(format!("the padding after row {py}"));
            }
            if py < window.y1 || py >= window.y2 {
                if changed(self.row(y)) {
                    return Some(format!(
                        "row {py}, the window has rows {}..{}",
                        window.y1, window.y2
                    ));
                }
                continue;
            }
            let inside = self.window_row(window, py);
            let left = inside.as_ptr() as usize - self.row(y).as_ptr() as usize;
            let row = self.row(y);
            if changed(&row[..left]) || changed(&row[left + inside.len()..]) {
                return Some(format!("row {py} outside of columns {}..{}", window.x1, window.x2));
            }
        }
        None
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        match &self.store {
            // SAFETY: allocated in `new` with this layout, and freed once.
            Store::Heap(allocation) => unsafe { dealloc(self.memory.as_ptr(), *allocation) },
            #[cfg(unix)]
            // SAFETY: mapped in `between_pages`, and unmapped once.
            Store::Pages { first, bytes } => unsafe {
                libc::munmap(first.as_ptr().cast(), *bytes);
            },
        }
    }
}

fn write_pixel(out: &mut [u8], layout: Layout, rgba: [f32; 4], has_alpha: bool) {
    let samples: &[f32] = match layout.components {
        Components::Rgba => &rgba,
        Components::Rgb => &rgba[..3],
        Components::Alpha if has_alpha => &rgba[3..],
        Components::Alpha => &[0.2126 * rgba[0] + 0.7152 * rgba[1] + 0.0722 * rgba[2]],
    };
    for (out, value) in out.chunks_exact_mut(layout.depth.bytes()).zip(samples) {
        match layout.depth {
            // `as` saturates and turns NaN into zero, which is what an integer picture should
            // contain.
            Depth::Byte => out[0] = (value * 255.0).round() as u8,
            Depth::Short => out.copy_from_slice(&((value * 65535.0).round() as u16).to_ne_bytes()),
            Depth::Half => out.copy_from_slice(&f16::from_f32(*value).to_ne_bytes()),
            Depth::Float => out.copy_from_slice(&value.to_ne_bytes()),
        }
    }
}

fn read_pixel(bytes: &[u8], layout: Layout) -> [f32; 4] {
    let sample = |index: usize| {
        let b = &bytes[index * layout.depth.bytes()..];
        match layout.depth {
            Depth::Byte => f32::from(b[0]) / 255.0,
            Depth::Short => f32::from(u16::from_ne_bytes([b[0], b[1]])) / 65535.0,
            Depth::Half => f16::from_ne_bytes([b[0], b[1]]).to_f32(),
            Depth::Float => f32::from_ne_bytes([b[0], b[1], b[2], b[3]]),
        }
    };
    match layout.components {
        Components::Rgba => [sample(0), sample(1), sample(2), sample(3)],
        Components::Rgb => [sample(0), sample(1), sample(2), 1.0],
        Components::Alpha => [sample(0), sample(0), sample(0), sample(0)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(rows: Rows) -> Layout {
        let bounds = OfxRectI { x1: 0, y1: 0, x2: 5, y2: 3 };
        Layout { bounds, depth: Depth::Short, components: Components::Rgba, rows, padding: 7 }
    }

    #[test]
    fn both_row_orders_hold_the_same_picture() {
        let mut picture = Picture::new(5, 3, true);
        for (at, pixel) in picture.pixels.iter_mut().enumerate() {
            *pixel = [at as f32 / 15.0, 0.25, 1.0, 0.5];
        }
        for rows in [Rows::Upward, Rows::Downward] {
            let mut buffer = Buffer::new(layout(rows)).unwrap();
            buffer.fill(&picture, (0, 0));
            let back = buffer.picture(buffer.layout().bounds);
            for (a, b) in picture.pixels.iter().zip(&back.pixels) {
                assert!(
                    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= Depth::Short.rounding()),
                    "{a:?} {b:?}"
                );
            }
            assert_eq!(buffer.damage(buffer.layout().bounds), None);
        }
    }

    #[test]
    fn writes_outside_of_the_window_are_found() {
        let window = OfxRectI { x1: 1, y1: 1, x2: 4, y2: 2 };
        for (x, y, found) in
            [(1, 1, false), (3, 1, false), (0, 1, true), (4, 1, true), (2, 0, true), (5, 1, true)]
        {
            let buffer = Buffer::new(layout(Rows::Downward)).unwrap();
            let at = buffer.data() as isize + y * buffer.row_bytes() as isize + x * 8;
            // SAFETY: the address is inside the buffer's own memory.
            unsafe { (at as *mut u8).write(0) };
            assert_eq!(buffer.damage(window).is_some(), found, "{x} {y}");
        }
    }
}
