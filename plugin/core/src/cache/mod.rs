//! Finished drawings, found again by content: memory over disk.
//!
//! The cache belongs to the process, not to an instance of the effect: hosts that make a new
//! instance for every frame find what the one before has drawn. What lies on disk is shared by all
//! processes of the user and lasts until it is the longest unused.

pub mod config;
mod disk;
mod entry;
mod key;
pub mod lease;
mod packing;
mod remarks;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use config::{CacheConfig, DiskConfig};
pub use disk::maintenance::CacheFile;
pub use disk::{DiskCache, DiskStats};
pub use entry::EntryKind;
pub use key::{key, span_key};

use crate::budget::{Budget, Shelf};
use crate::{ContentHash, Drawn, Error};

/// What a cache has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Drawings found in memory.
    pub memory_hits: u64,
    /// Drawings found on disk.
    pub disk_hits: u64,
    /// Look-ups that found nothing. A run looks once more before it draws, which counts too.
    pub misses: u64,
    /// Bytes of drawings in memory now.
    pub memory_bytes: usize,
    /// What happened on disk.
    pub disk: DiskStats,
}

/// Drawings in memory over drawings on disk.
#[derive(Debug)]
pub struct Cache {
    memory: Shelf<ContentHash, Drawn>,
    disk: Option<DiskCache>,
    memory_hits: AtomicU64,
    disk_hits: AtomicU64,
    misses: AtomicU64,
}

impl Cache {
    /// An empty cache with a budget of its own. No file or directory is touched before the first look.
    pub fn new(config: CacheConfig) -> Self {
        let budget = Budget::new(config.memory_bytes);
        Self::within(&budget, config.disk)
    }

    /// An empty cache that shares its budget with others: that of the process, for one.
    pub fn within(budget: &Arc<Budget>, disk: Option<DiskConfig>) -> Self {
        Self {
            memory: Shelf::new(budget),
            disk: disk.map(DiskCache::new),
            memory_hits: AtomicU64::new(0),
            disk_hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The drawing of this key with this width and height, from memory or else from disk. One from disk is then kept
    /// in memory.
    pub fn get(&self, key: &ContentHash, size: (usize, usize)) -> Option<Arc<Drawn>> {
        if let Some(drawn) = self.get_in_memory(key, size) {
            return Some(drawn);
        }
        let Some(drawn) = self.disk.as_ref().and_then(|disk| disk.get(key, size)) else {
            self.misses.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.disk_hits.fetch_add(1, Ordering::Relaxed);
        let drawn = Arc::new(drawn);
        self.put_in_memory(*key, &drawn);
        Some(drawn)
    }

    /// The drawing of this key and size if memory holds it; never waits for a disk.
    pub fn get_in_memory(&self, key: &ContentHash, size: (usize, usize)) -> Option<Arc<Drawn>> {
        let found = self.memory.get(key);
        let found = found.filter(|drawn| (drawn.frame.width(), drawn.frame.height()) == size);
        if found.is_some() {
            self.memory_hits.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Keeps a drawing in memory, as far as its limit allows.
    pub fn put_in_memory(&self, key: ContentHash, drawn: &Arc<Drawn>) {
        self.memory.put(key, drawn.clone(), drawn.frame.byte_len() + size_of::<Drawn>());
    }

    /// Keeps a drawing on disk, as far as its limit and the directory allow. Returns whether it is stored now.
    pub fn put_on_disk(&self, key: &ContentHash, drawn: &Drawn) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.put(key, drawn))
    }

    /// The disk under this cache, if there is one.
    pub fn disk(&self) -> Option<&DiskCache> {
        self.disk.as_ref()
    }

    /// Gives up what memory holds; the disk keeps its drawings.
    pub fn clear_memory(&self) {
        self.memory.clear();
    }

    /// Gives up what memory holds and deletes what is on disk. Returns how many files and bytes that were.
    ///
    /// # Errors
    /// As [`DiskCache::clear`].
    pub fn clear(&self) -> Result<(usize, u64), Error> {
        self.memory.clear();
        self.disk.as_ref().map_or(Ok((0, 0)), DiskCache::clear)
    }

    /// What this cache has done so far.
    pub fn stats(&self) -> Stats {
        Stats {
            memory_hits: self.memory_hits.load(Ordering::Relaxed),
            disk_hits: self.disk_hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            memory_bytes: self.memory.bytes(),
            disk: self.disk.as_ref().map(DiskCache::stats).unwrap_or_default(),
        }
    }
}
