//! One limit for everything that a process keeps in memory to save time: drawings, key pictures, signatures of
//! frames, and Flow's analyses of pairs of keys.
//!
//! Each kind has its own [`Shelf`]. When room is needed, the value unused for longest goes first,
//! whatever its kind: a host that plays a clip keeps signatures, one that renders keeps key
//! pictures.

use std::any::Any;
use std::ffi::OsString;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use lru::LruCache;
use parking_lot::Mutex;

use crate::process_memo::ProcessMemo;

/// Environment variable for the memory budget of a process, in MiB; 0 keeps nothing.
pub const MEMORY_VARIABLE: &str = "INBETWEEN_MEMORY_MB";

/// The default memory budget of a process, in MiB: room for 16 frames of 1080p, or three of 4K. A
/// larger one would take a host that works in 4K above 1.5 GB. Drawings that were dropped come back
/// from the disk cache.
pub const DEFAULT_MEMORY_MB: u64 = 512;

/// The memory budget of a process in bytes, from the environment that `variable` reads.
pub(crate) fn memory_limit(variable: impl Fn(&'static str) -> Option<OsString>) -> usize {
    let megabytes = megabytes(MEMORY_VARIABLE, &variable, DEFAULT_MEMORY_MB);
    usize::try_from(megabytes.saturating_mul(1 << 20)).unwrap_or(usize::MAX)
}

/// The number of MiB that a variable asks for. A value that makes no sense is logged and ignored.
pub(crate) fn megabytes(
    name: &'static str,
    variable: &impl Fn(&'static str) -> Option<OsString>,
    default: u64,
) -> u64 {
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return default };
    match value.to_str().and_then(|text| text.trim().parse().ok()) {
        Some(number) => number,
        None => {
            log::warn!("{name} is {value:?}, not a whole number of MiB; using {default}");
            default
        }
    }
}

/// The limit on what several shelves hold together.
pub struct Budget {
    limit: usize,
    /// Counts uses, to find the value unused for longest.
    clock: AtomicU64,
    /// Locked while a value is put on a shelf, so that the limit holds at every moment.
    shelves: Mutex<Vec<Weak<dyn Holds>>>,
}

impl Budget {
    /// Room for `limit` bytes; 0 keeps nothing.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, clock: AtomicU64::new(0), shelves: Mutex::default() })
    }

    /// The budget of this process. Its size is read from the environment on first use.
    pub fn of_process() -> &'static Arc<Self> {
        static OF_PROCESS: ProcessMemo<Arc<Budget>> = ProcessMemo::new(
            || Budget::new(memory_limit(std::env::var_os)),
            |budget| budget.clear(),
        );
        OF_PROCESS.get()
    }

    /// Drops everything on all shelves.
    pub fn clear(&self) {
        let shelves: Vec<_> = self.shelves.lock().iter().filter_map(Weak::upgrade).collect();
        shelves.iter().for_each(|shelf| shelf.clear());
    }

    /// Bytes held now on all shelves, never more than the limit.
    pub fn bytes(&self) -> usize {
        held(&self.shelves.lock())
    }

    /// Drops what was unused for longest until `bytes`, or half of the limit if that is less, can be
    /// held besides what stays: for memory that is needed for a while.
    pub fn make_room(&self, bytes: usize) {
        let shelves = self.shelves.lock();
        let given_up = self.give_up(&shelves, self.limit - bytes.min(self.limit / 2));
        drop(shelves);
        drop(given_up);
    }

    /// Removes what was unused for longest until at most `most` bytes are held. The caller drops it
    /// outside all locks.
    fn give_up(&self, shelves: &[Weak<dyn Holds>], most: usize) -> Vec<Arc<dyn Any + Send + Sync>> {
        let mut given_up = Vec::new();
        while held(shelves) > most {
            let all = shelves.iter().filter_map(Weak::upgrade);
            let used = all.filter_map(|shelf| Some((shelf.oldest()?, shelf)));
            let Some((_, shelf)) = used.min_by_key(|(used, _)| *used) else { break };
            given_up.extend(shelf.give_up_oldest());
        }
        given_up
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("limit", &self.limit).finish_non_exhaustive()
    }
}

fn held(shelves: &[Weak<dyn Holds>]) -> usize {
    shelves.iter().filter_map(Weak::upgrade).map(|shelf| shelf.bytes()).sum()
}

/// A shelf, whatever type of value it holds.
trait Holds: Send + Sync {
    fn bytes(&self) -> usize;
    /// When the value unused for longest was last used.
    fn oldest(&self) -> Option<u64>;
    /// Removes the value unused for longest and returns it. The caller drops it outside all locks,
    /// because returning tens of megabytes to the system takes time.
    fn give_up_oldest(&self) -> Option<Arc<dyn Any + Send + Sync>>;
    fn clear(&self);
}

struct Kept<K, V> {
    entries: Mutex<(LruCache<K, Entry<V>>, usize)>,
}

struct Entry<V> {
    value: Arc<V>,
    bytes: usize,
    used: u64,
}

impl<K, V> Holds for Kept<K, V>
where
    K: Hash + Eq + Send,
    V: Send + Sync + 'static,
{
    fn bytes(&self) -> usize {
        self.entries.lock().1
    }

    fn oldest(&self) -> Option<u64> {
        self.entries.lock().0.peek_lru().map(|(_, entry)| entry.used)
    }

    fn give_up_oldest(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        let mut entries = self.entries.lock();
        let (_, entry) = entries.0.pop_lru()?;
        entries.1 -= entry.bytes;
        Some(entry.value)
    }

    fn clear(&self) {
        let all = std::mem::replace(&mut *self.entries.lock(), (LruCache::unbounded(), 0));
        drop(all);
    }
}

/// Values of one kind by their keys, within a budget.
pub struct Shelf<K, V> {
    budget: Arc<Budget>,
    kept: Arc<Kept<K, V>>,
}

impl<K, V> Shelf<K, V>
where
    K: Hash + Eq + Send + 'static,
    V: Send + Sync + 'static,
{
    /// An empty shelf that draws on `budget`.
    pub fn new(budget: &Arc<Budget>) -> Self {
        let kept = Arc::new(Kept { entries: Mutex::new((LruCache::unbounded(), 0)) });
        let shelf: Weak<dyn Holds> = Arc::<Kept<K, V>>::downgrade(&kept);
        let mut shelves = budget.shelves.lock();
        shelves.retain(|shelf| shelf.strong_count() > 0);
        shelves.push(shelf);
        drop(shelves);
        Self { budget: budget.clone(), kept }
    }

    /// The value of this key, which then counts as the one used last.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut entries = self.kept.entries.lock();
        let entry = entries.0.get_mut(key)?;
        entry.used = self.budget.now();
        Some(entry.value.clone())
    }

    /// Keeps a value of `bytes` bytes, after dropping old values from any shelf to make room. A
    /// value larger than the whole budget is not kept.
    pub fn put(&self, key: K, value: Arc<V>, bytes: usize) {
        let mut given_up: Vec<Arc<dyn Any + Send + Sync>> = Vec::new();
        let limit = self.budget.limit;
        let shelves = self.budget.shelves.lock();
        {
            let mut entries = self.kept.entries.lock();
            if let Some(former) = entries.0.pop(&key) {
                entries.1 -= former.bytes;
                given_up.push(former.value);
            }
        }
        if bytes <= limit {
            given_up.extend(self.budget.give_up(&shelves, limit - bytes));
            let entry = Entry { value, bytes, used: self.budget.now() };
            let mut entries = self.kept.entries.lock();
            entries.1 += bytes;
            entries.0.put(key, entry);
        }
        drop(shelves);
        drop(given_up);
    }

    /// Drops everything on this shelf.
    pub fn clear(&self) {
        self.kept.clear();
    }

    /// Bytes now on this shelf.
    pub fn bytes(&self) -> usize {
        self.kept.bytes()
    }

    /// Number of values now on this shelf.
    pub fn len(&self) -> usize {
        self.kept.entries.lock().0.len()
    }

    /// Whether this shelf is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, V> std::fmt::Debug for Shelf<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("budget", &self.budget).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 100;

    fn put(shelf: &Shelf<u8, String>, key: u8) {
        shelf.put(key, Arc::new(key.to_string()), SIZE);
    }

    #[test]
    fn what_is_put_is_found_and_shared() {
        let shelf = Shelf::new(&Budget::new(SIZE));
        let value = Arc::new("one".to_owned());
        shelf.put(1, value.clone(), SIZE);
        assert!(Arc::ptr_eq(&shelf.get(&1).unwrap(), &value));
        assert!(shelf.get(&2).is_none());
        shelf.clear();
        assert!(shelf.is_empty() && shelf.bytes() == 0);
    }

    #[test]
    fn room_is_made_for_up_to_half_of_the_limit() {
        let budget = Budget::new(4 * SIZE);
        let shelf = Shelf::new(&budget);
        (0..4).for_each(|key| put(&shelf, key));
        assert!(shelf.get(&0).is_some());
        budget.make_room(SIZE);
        assert!(shelf.get(&0).is_some() && shelf.get(&1).is_none() && shelf.len() == 3);
        budget.make_room(9 * SIZE);
        assert_eq!(shelf.len(), 2);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_whatever_its_kind() {
        let budget = Budget::new(3 * SIZE);
        let (drawings, keys) = (Shelf::new(&budget), Shelf::new(&budget));
        put(&drawings, 1);
        put(&keys, 1);
        put(&drawings, 2);
        assert!(drawings.get(&1).is_some());
        // The key is now the value unused for longest, followed by drawing 2.
        put(&drawings, 3);
        assert!(keys.is_empty() && drawings.len() == 3);
        put(&keys, 2);
        assert!(drawings.get(&2).is_none() && drawings.get(&1).is_some());
        assert_eq!(budget.bytes(), 3 * SIZE);
        budget.clear();
        assert!(budget.bytes() == 0 && drawings.is_empty() && keys.is_empty());
        put(&keys, 2);
        put(&drawings, 1);
        drop(drawings);
        assert_eq!(budget.bytes(), SIZE, "a shelf that is gone holds nothing");
    }

    #[test]
    fn one_byte_short_holds_one_less() {
        for (limit, wanted) in [(2 * SIZE, 2), (2 * SIZE - 1, 1), (SIZE - 1, 0), (0, 0)] {
            let shelf = Shelf::new(&Budget::new(limit));
            for key in 1..=5 {
                put(&shelf, key);
                assert!(shelf.bytes() <= limit);
            }
            assert_eq!(shelf.len(), wanted, "limit {limit}");
            assert_eq!(shelf.bytes(), wanted * SIZE);
        }
    }

    #[test]
    fn putting_again_replaces_and_counts_once() {
        let shelf = Shelf::new(&Budget::new(2 * SIZE));
        put(&shelf, 1);
        shelf.put(1, Arc::new("other".to_owned()), SIZE / 2);
        assert_eq!((shelf.len(), shelf.bytes()), (1, SIZE / 2));
        assert_eq!(*shelf.get(&1).unwrap(), "other");
    }

    #[test]
    fn the_limit_holds_at_every_moment() {
        let budget = Budget::new(4 * SIZE);
        let shelves = [Shelf::new(&budget), Shelf::new(&budget)];
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let (budget, shelves) = (&budget, &shelves);
                scope.spawn(move || {
                    for round in 0..500_u32 {
                        let key = (round.wrapping_mul(31) as u8).wrapping_add(thread) % 16;
                        let shelf = &shelves[usize::from(key % 2)];
                        put(shelf, key);
                        assert!(budget.bytes() <= 4 * SIZE);
                        if let Some(found) = shelf.get(&key) {
                            assert_eq!(*found, key.to_string());
                        }
                    }
                });
            }
        });
        assert_eq!(budget.bytes(), (shelves[0].len() + shelves[1].len()) * SIZE);
    }
}
