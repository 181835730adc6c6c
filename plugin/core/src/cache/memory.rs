//! The drawings of this process that were asked for last, bounded in bytes.

use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use crate::{ContentHash, Drawn};

/// Shared drawings in memory, the least recently asked for given up first.
#[derive(Debug)]
pub struct MemoryCache {
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    drawings: LruCache<ContentHash, Arc<Drawn>>,
    bytes: usize,
}

impl MemoryCache {
    /// A cache that holds at most `limit` bytes; 0 keeps nothing.
    pub fn new(limit: usize) -> Self {
        Self { limit, held: Mutex::new(Held { drawings: LruCache::unbounded(), bytes: 0 }) }
    }

    /// The drawing of this key, now the most recently asked for.
    pub fn get(&self, key: &ContentHash) -> Option<Arc<Drawn>> {
        self.held.lock().drawings.get(key).cloned()
    }

    /// Keeps `drawn`, giving up others first. A drawing larger than the limit is not kept.
    pub fn put(&self, key: ContentHash, drawn: Arc<Drawn>) {
        let size = size_of(&drawn);
        let mut given_up = Vec::new();
        let mut held = self.held.lock();
        if let Some(former) = held.drawings.pop(&key) {
            held.bytes -= size_of(&former);
            given_up.push(former);
        }
        if size <= self.limit {
            while held.bytes > self.limit - size {
                let Some((_, oldest)) = held.drawings.pop_lru() else { break };
                held.bytes -= size_of(&oldest);
                given_up.push(oldest);
            }
            held.bytes += size;
            held.drawings.put(key, drawn);
        }
        drop(held);
        // Returning tens of megabytes to the system takes time; nobody shall wait for it.
        drop(given_up);
    }

    /// Gives up everything.
    pub fn clear(&self) {
        let mut held = self.held.lock();
        held.bytes = 0;
        let drawings = std::mem::replace(&mut held.drawings, LruCache::unbounded());
        drop(held);
        drop(drawings);
    }

    /// Bytes held now, never more than the limit.
    pub fn bytes(&self) -> usize {
        self.held.lock().bytes
    }

    /// Number of drawings held now.
    pub fn len(&self) -> usize {
        self.held.lock().drawings.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn size_of(drawn: &Drawn) -> usize {
    drawn.frame.byte_len() + std::mem::size_of::<Drawn>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Frame;

    const SIDE: usize = 8;

    fn drawn(value: f32) -> Arc<Drawn> {
        let pixels = vec![[value; 4]; SIDE * SIDE];
        let frame = Frame::from_pixels(SIDE, SIDE, pixels).unwrap();
        Arc::new(Drawn { frame, confidence: 1.0, cut: false })
    }

    fn key(of: u8) -> ContentHash {
        ContentHash([of; 32])
    }

    fn room_for(drawings: usize) -> MemoryCache {
        MemoryCache::new(drawings * size_of(&drawn(0.0)))
    }

    #[test]
    fn what_is_put_is_found_and_shared() {
        let cache = room_for(1);
        let one = drawn(1.0);
        cache.put(key(1), one.clone());
        assert!(Arc::ptr_eq(&cache.get(&key(1)).unwrap(), &one));
        assert!(cache.get(&key(2)).is_none());
    }

    #[test]
    fn the_least_recently_asked_for_goes_first() {
        let cache = room_for(3);
        for of in 1..=3 {
            cache.put(key(of), drawn(0.0));
        }
        assert!(cache.get(&key(1)).is_some());
        cache.put(key(4), drawn(0.0));
        assert!(cache.get(&key(2)).is_none());
        assert!([1, 3, 4].iter().all(|of| cache.get(&key(*of)).is_some()));
    }

    #[test]
    fn one_byte_short_holds_one_less() {
        let two = 2 * size_of(&drawn(0.0));
        for (limit, wanted) in [(two, 2), (two - 1, 1), (two / 2 - 1, 0), (0, 0)] {
            let cache = MemoryCache::new(limit);
            for of in 1..=5 {
                cache.put(key(of), drawn(0.0));
                assert!(cache.bytes() <= limit);
            }
            assert_eq!(cache.len(), wanted, "limit {limit}");
            assert_eq!(cache.bytes(), wanted * size_of(&drawn(0.0)));
        }
    }

    #[test]
    fn putting_again_replaces_and_counts_once() {
        let cache = room_for(2);
        cache.put(key(1), drawn(1.0));
        cache.put(key(1), drawn(2.0));
        assert_eq!(cache.len(), 1);
        assert_eq!(cache.bytes(), size_of(&drawn(0.0)));
        assert_eq!(cache.get(&key(1)).unwrap().frame.pixels()[0], [2.0; 4]);
    }

    #[test]
    fn clear_gives_up_everything() {
        let cache = room_for(2);
        cache.put(key(1), drawn(1.0));
        cache.clear();
        assert!(cache.is_empty());
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn the_limit_holds_under_concurrency() {
        let cache = room_for(4);
        let limit = 4 * size_of(&drawn(0.0));
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let cache = &cache;
                scope.spawn(move || {
                    for round in 0..500_u32 {
                        let of = (round.wrapping_mul(31) as u8).wrapping_add(thread) % 16;
                        cache.put(key(of), drawn(f32::from(of)));
                        assert!(cache.bytes() <= limit);
                        if let Some(found) = cache.get(&key(of)) {
                            assert_eq!(found.frame.pixels()[0][0], f32::from(of));
                        }
                    }
                });
            }
        });
        assert_eq!(cache.bytes(), cache.len() * size_of(&drawn(0.0)));
    }
}
