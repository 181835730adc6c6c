//! An allocator that keeps large blocks for the next allocation of the same size or less.
//!
//! The results of a layer take tens of megabytes. A system's allocator gives such blocks back at once, and the
//! system hands them out anew for the next layer, page by page and filled with zeros: an eighth of the time of a
//! forward pass of the UNet. In a virtual machine whose host takes unused memory back, it can be a third.
//!
//! Programs that run the model declare it:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: inbetween_tooncrafter::kept_memory::Allocator =
//!     inbetween_tooncrafter::kept_memory::Allocator;
//! ```
//!
//! Blocks are kept only while somebody asks for it with [`keep`], and only as long as the program does not hold
//! more than 128 MiB above what it used at most since then.

use std::alloc::{GlobalAlloc, Layout, System};

use parking_lot::Mutex;

/// Blocks of at least this size in bytes are kept.
const LARGE: usize = 4 << 20;
/// How far kept blocks may raise the program's peak, in bytes. Layers need blocks of many sizes, so that without
/// this a block of one size is often given back for one of another.
const ABOVE_PEAK: usize = 128 << 20;
/// Sizes are rounded up to pages.
const PAGE: usize = 4096;
/// Most blocks that are kept.
const BLOCKS: usize = 64;

/// The system's allocator with blocks kept in between; see the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Allocator;

/// Keeps freed blocks as long as it lives; see [`keep`].
pub struct Keeping(&'static Pool);

/// Keeps large blocks that are freed from now on, until the last of these is dropped.
#[must_use = "blocks are kept as long as this lives"]
pub fn keep() -> Keeping {
    KEPT.keep()
}

impl Drop for Keeping {
    fn drop(&mut self) {
        let mut blocks = self.0.0.lock();
        blocks.keepers -= 1;
        if blocks.keepers == 0 {
            blocks.shrink(0);
        }
    }
}

/// Gives all kept blocks back to the system.
pub(crate) fn release() {
    let mut blocks = KEPT.0.lock();
    blocks.shrink(0);
    blocks.most = blocks.used;
}

/// The program's blocks.
static KEPT: Pool = Pool::new();

/// The system's allocator with a list of blocks of its own.
struct Pool(Mutex<Blocks>);

#[derive(Clone, Copy)]
struct Block {
    start: *mut u8,
    layout: Layout,
}

/// The kept blocks, oldest first. Nothing in here allocates.
struct Blocks {
    list: [Option<Block>; BLOCKS],
    count: usize,
    /// Bytes of all kept blocks.
    kept: usize,
    /// Bytes of all large blocks in use, and the most since keeping began.
    used: usize,
    most: usize,
    keepers: usize,
}

// SAFETY: nothing else points to the blocks in the list.
unsafe impl Send for Blocks {}

impl Blocks {
    const NONE: Self =
        Self { list: [None; BLOCKS], count: 0, kept: 0, used: 0, most: 0, keepers: 0 };

    /// The youngest kept block of this layout, or else a part of the smallest that is larger.
    fn take(&mut self, layout: Layout) -> Option<*mut u8> {
        let kept = self.list[..self.count].iter().enumerate();
        let larger = kept
            .filter_map(|(index, block)| Some((index, block.as_ref()?.layout)))
            .filter(|(_, kept)| kept.size() >= layout.size() && kept.align() == layout.align());
        let (index, _) = larger.min_by_key(|&(index, kept)| (kept.size(), BLOCKS - index))?;
        let Block { start, layout: kept } = self.remove(index)?;
        if kept == layout {
            return Some(start);
        }
        // Systems cut the end off in place, and the pages that are left need not be provided anew.
        // SAFETY: the block came from this allocator with this layout, and has left the list.
        let cut = unsafe { System.realloc(start, kept, layout.size()) };
        if cut.is_null() {
            // SAFETY: as above; it is as it was.
            unsafe { System.dealloc(start, kept) };
        }
        (!cut.is_null()).then_some(cut)
    }

    fn remove(&mut self, index: usize) -> Option<Block> {
        let block = self.list[index].take()?;
        self.list[index..self.count].rotate_left(1);
        self.count -= 1;
        self.kept -= block.layout.size();
        Some(block)
    }

    fn push(&mut self, block: Block) {
        if self.count == BLOCKS {
            self.free_oldest();
        }
        self.list[self.count] = Some(block);
        self.count += 1;
        self.kept += block.layout.size();
    }

    fn free_oldest(&mut self) {
        if let Some(Block { start, layout }) = self.remove(0) {
            // SAFETY: the block came from this allocator with this layout, and has left the list.
            unsafe { System.dealloc(start, layout) };
        }
    }

    /// Frees the oldest blocks until at most `bytes` are kept.
    fn shrink(&mut self, bytes: usize) {
        while self.kept > bytes {
            self.free_oldest();
        }
    }
}

/// The layout of the block for a large allocation; `None` for small ones.
fn block_layout(layout: Layout) -> Option<Layout> {
    // Every system's allocator aligns to 16 bytes; beyond that some take a detour.
    let layout = (layout.size() >= LARGE).then(|| layout.align_to(16).ok()).flatten()?;
    Layout::from_size_align(layout.size().checked_next_multiple_of(PAGE)?, layout.align()).ok()
}

impl Pool {
    const fn new() -> Self {
        Self(Mutex::new(Blocks::NONE))
    }

    fn keep(&'static self) -> Keeping {
        let mut blocks = self.0.lock();
        blocks.keepers += 1;
        if blocks.keepers == 1 {
            blocks.most = blocks.used;
        }
        Keeping(self)
    }

    /// A kept block or a new one, and whether it was kept; null if there is no memory.
    fn block(&self, layout: Layout, new: impl Fn(Layout) -> *mut u8) -> (*mut u8, bool) {
        let mut blocks = self.0.lock();
        let found = blocks.take(layout);
        blocks.used += layout.size();
        blocks.most = blocks.most.max(blocks.used);
        if let Some(start) = found {
            return (start, true);
        }
        let room = blocks.most + ABOVE_PEAK - blocks.used;
        blocks.shrink(room);
        let mut start = new(layout);
        if start.is_null() {
            blocks.shrink(0);
            start = new(layout);
        }
        if start.is_null() {
            blocks.used -= layout.size();
        }
        (start, false)
    }
}

// SAFETY: memory comes from the system's allocator and goes back to it with the layout that it was allocated
// with, which depends only on the layout that the caller states; a kept block is handed out once.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match block_layout(layout) {
            // SAFETY: the layout is at least as large as the caller's, which is not empty.
            Some(block) => self.block(block, |block| unsafe { System.alloc(block) }).0,
            // SAFETY: the caller's contract.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(block) = block_layout(layout) else {
            // SAFETY: the caller's contract.
            return unsafe { System.alloc_zeroed(layout) };
        };
        // SAFETY: the layout is at least as large as the caller's, which is not empty.
        let (start, kept) = self.block(block, |block| unsafe { System.alloc_zeroed(block) });
        if kept {
            // SAFETY: the block is ours and at least as large as the caller's layout.
            unsafe { start.write_bytes(0, layout.size()) };
        }
        start
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        let Some(layout) = block_layout(layout) else {
            // SAFETY: the caller's contract; small blocks come from the system's allocator unchanged.
            return unsafe { System.dealloc(start, layout) };
        };
        let mut blocks = self.0.lock();
        blocks.used -= layout.size();
        if blocks.keepers > 0 {
            blocks.push(Block { start, layout });
        } else {
            drop(blocks);
            // SAFETY: the block was allocated with this layout.
            unsafe { System.dealloc(start, layout) };
        }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return std::ptr::null_mut();
        };
        match (block_layout(layout), block_layout(wanted)) {
            // SAFETY: the caller's contract; small blocks come from the system's allocator unchanged.
            (None, None) => unsafe { System.realloc(start, layout, size) },
            (Some(old), Some(new)) => {
                // Growing in place, or by moving pages, is left to the system.
                // SAFETY: the block was allocated with the old layout, and both have the same alignment.
                let moved = unsafe { System.realloc(start, old, new.size()) };
                if !moved.is_null() {
                    let mut blocks = self.0.lock();
                    blocks.used = blocks.used - old.size() + new.size();
                    blocks.most = blocks.most.max(blocks.used);
                }
                moved
            }
            // SAFETY: the caller's contract; the copy stays inside both blocks.
            _ => unsafe {
                let moved = self.alloc(wanted);
                if !moved.is_null() {
                    moved.copy_from_nonoverlapping(start, size.min(layout.size()));
                    self.dealloc(start, layout);
                }
                moved
            },
        }
    }
}

// SAFETY: as that of the pool.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { KEPT.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { KEPT.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { KEPT.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { KEPT.realloc(start, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 2 * LARGE;

    /// Other tests of this program use the program's blocks meanwhile.
    static OWN: Pool = Pool::new();

    fn alloc(size: usize) -> (*mut u8, Layout) {
        let layout = Layout::from_size_align(size, 4).expect("a small power of two");
        // SAFETY: the layout is not empty.
        let start = unsafe { OWN.alloc(layout) };
        assert!(!start.is_null());
        // SAFETY: the block is ours.
        unsafe { start.write_bytes(7, size) };
        (start, layout)
    }

    fn free((start, layout): (*mut u8, Layout)) {
        // SAFETY: both come from `alloc`, and each is freed once.
        unsafe { OWN.dealloc(start, layout) }
    }

    /// One test, since all of this is about one list.
    #[test]
    fn blocks_are_kept_up_to_a_limit_and_while_wanted() {
        free(alloc(SIZE));
        assert_eq!(OWN.0.lock().count, 0, "nobody asked for it");

        let keeping = OWN.keep();
        let first = alloc(SIZE);
        free(first);
        assert_eq!(OWN.0.lock().kept, SIZE);
        let again = alloc(SIZE - 5);
        assert_eq!(again.0, first.0, "sizes are rounded to pages");
        free(again);

        free(alloc(2 * SIZE));
        let both = (alloc(SIZE), alloc(SIZE));
        assert_eq!(OWN.0.lock().kept, 0, "the second is a part of the larger one");
        free(both.1);
        free(both.0);
        assert_eq!(OWN.0.lock().kept, 2 * SIZE, "what was cut off is not kept");

        // SAFETY: the layout is not empty.
        let zeroed = unsafe { OWN.alloc_zeroed(first.1) };
        assert_eq!(zeroed, first.0);
        // SAFETY: the block is ours and filled.
        let values = unsafe { std::slice::from_raw_parts(zeroed, SIZE) };
        assert!(values.iter().all(|&value| value == 0), "a kept block is cleared where asked");
        free((zeroed, first.1));

        let (one, two) = (alloc(SIZE), alloc(SIZE));
        free(one);
        free(two);
        assert_eq!(OWN.0.lock().kept, 2 * SIZE);
        let others = (1..9).map(|i| alloc(ABOVE_PEAK / 4 + i * LARGE)).map(free).count();
        let blocks = OWN.0.lock();
        assert_eq!((others, blocks.used), (8, 0));
        assert!(blocks.kept <= blocks.most + ABOVE_PEAK, "the oldest are given back");
        assert!(blocks.kept > ABOVE_PEAK, "the others are not");
        drop(blocks);

        // SAFETY: the block is ours and holds what is read.
        unsafe {
            let (start, layout) = alloc(LARGE / 2);
            let grown = OWN.realloc(start, layout, SIZE);
            assert_eq!(grown.add(LARGE / 2 - 1).read(), 7, "growing keeps the values");
            let layout = Layout::from_size_align(SIZE, 4).expect("a small power of two");
            let grown = OWN.realloc(grown, layout, 2 * SIZE);
            assert_eq!(grown.add(LARGE / 2 - 1).read(), 7);
            free((grown, Layout::from_size_align(2 * SIZE, 4).expect("a small power of two")));
        }

        drop(keeping);
        let blocks = OWN.0.lock();
        assert_eq!((blocks.count, blocks.kept, blocks.used), (0, 0, 0));
    }
}
