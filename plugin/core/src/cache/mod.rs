//! Finished drawings, looked up by content in memory and then on disk.
//!
//! The cache belongs to the process, not to an instance of the effect. A host that makes a new
//! instance for every frame still finds what earlier instances have drawn. The disk is shared by
//! all processes of the user, and a drawing stays there until it is the one unused for longest.

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
    /// Look-ups that found nothing. Before it draws, a run looks a second time, and that counts
    /// too.
    pub misses: u64,
    /// Bytes of drawings in memory now.
    pub memory_bytes: usize,
    /// What happened on disk.
    pub disk: DiskStats,
}

/// A cache of drawings in memory, backed by one on disk.
#[derive(Debug)]
pub struct Cache {
    memory: Shelf<ContentHash, Drawn>,
    disk: Option<DiskCache>,
    memory_hits: AtomicU64,
    disk_hits: AtomicU64,
    misses: AtomicU64,
}

impl Cache {
    /// An empty cache with its own budget. No file or directory is touched before the first
    /// look-up.
    pub fn new(config: CacheConfig) -> Self {
        let budget = Budget::new(config.memory_bytes);
        Self::within(&budget, config.disk)
    }

    /// An empty cache that shares a budget with others, for example that of the process.
    pub fn within(budget: &Arc<Budget>, disk: Option<DiskConfig>) -> Self {
        Self {
            memory: Shelf::new(budget),
            disk: disk.map(DiskCache::new),
            memory_hits: AtomicU64::new(0),
            disk_hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The drawing of this key with this width and height, from memory or else from disk. One that
    /// comes from disk is then kept in memory.
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

    /// The drawing of this key and size if it is in memory. Never waits for a disk.
    pub fn get_in_memory(&self, key: &ContentHash, size: (usize, usize)) -> Option<Arc<Drawn>> {
        let found = self.memory.get(key);
        let found = found.filter(|drawn| (drawn.frame.width(), drawn.frame.height()) == size);
        if found.is_some() {
            self.memory_hits.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Keeps a drawing in memory if the limit allows it.
    pub fn put_in_memory(&self, key: ContentHash, drawn: &Arc<Drawn>) {
        self.memory.put(key, drawn.clone(), drawn.frame.byte_len() + size_of::<Drawn>());
    }

    /// Stores a drawing on disk if the limit and the directory allow it. Returns whether it is
    /// stored.
    pub fn put_on_disk(&self, key: &ContentHash, drawn: &Drawn) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.put(key, drawn))
    }

    /// The disk under this cache, if there is one.
    pub fn disk(&self) -> Option<&DiskCache> {
        self.disk.as_ref()
    }

    /// Drops the drawings in memory; those on disk stay.
    pub fn clear_memory(&self) {
        self.memory.clear();
    }

    /// Drops the drawings in memory and deletes those on disk. Returns the number of files and
    /// bytes deleted.
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
