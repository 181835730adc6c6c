//! Memory suite, version 1: blocks with guards, which are counted until they are returned.

use std::{
    collections::HashMap,
    ffi::c_void,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::give;
use crate::{
    host::call,
    host::journal::{Journal, Rule},
    host::sys::*,
};

pub(super) static SUITE: OfxMemorySuiteV1 =
    OfxMemorySuiteV1 { memoryAlloc: Some(alloc), memoryFree: Some(free) };

/// Number of guard words before and after the usable part.
const GUARD: usize = 8;
const PATTERN: u128 = 0xC5C5_C5C5_C5C5_C5C5_C5C5_C5C5_C5C5_C5C5;

struct Block {
    words: Box<[u128]>,
    journal: Weak<Journal>,
}

static BLOCKS: Mutex<Option<HashMap<usize, Block>>> = Mutex::new(None);

unsafe extern "C" fn alloc(_handle: *mut c_void, bytes: usize, out: *mut *mut c_void) -> OfxStatus {
    call::anywhere("memoryAlloc", || {
        /// A larger size is a mistake.
        const LIMIT: usize = 1 << 36;
        if bytes > LIMIT {
            return kOfxStatErrMemory;
        }
        let mut words = vec![PATTERN; bytes.div_ceil(16) + 2 * GUARD].into_boxed_slice();
        // Derived from the whole slice, so that the plug-in's writes count as writes to the block.
        let address = words[GUARD..].as_mut_ptr() as usize;
        let journal = call::scope().map_or_else(Weak::new, |scope| Arc::downgrade(&scope.journal));
        BLOCKS.lock().get_or_insert_default().insert(address, Block { words, journal });
        // SAFETY: `out` comes from the plug-in as the suite states.
        unsafe { give("memoryAlloc", out, address as *mut c_void) }
    })
}

unsafe extern "C" fn free(address: *mut c_void) -> OfxStatus {
    call::anywhere("memoryFree", || {
        if address.is_null() {
            return kOfxStatOK;
        }
        let block = BLOCKS.lock().as_mut().and_then(|blocks| blocks.remove(&(address as usize)));
        let Some(block) = block else {
            call::violate(
                Rule::Memory,
                "memoryFree was called with an address that memoryAlloc never gave",
            );
            return kOfxStatErrBadHandle;
        };
        let guards = block.words[..GUARD].iter().chain(&block.words[block.words.len() - GUARD..]);
        if guards.into_iter().any(|word| *word != PATTERN) {
            call::violate(
                Rule::Memory,
                "memory of the memory suite was written to outside of its block",
            );
        }
        kOfxStatOK
    })
}

/// Number of blocks that a host's plug-in has not returned.
pub(crate) fn blocks_left(journal: &Arc<Journal>) -> usize {
    let blocks = BLOCKS.lock();
    let mine = |block: &&Block| std::ptr::eq(block.journal.as_ptr(), Arc::as_ptr(journal));
    blocks.as_ref().map_or(0, |blocks| blocks.values().filter(mine).count())
}
