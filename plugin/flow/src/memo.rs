//! Analyses of recent pairs of keys, so that further positions of a pair come cheap.
//!
//! Bounded in bytes, least recently used first out. What is found here equals what would be
//! computed afresh, so a hit never changes a picture.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use inbetween_core::{ContentHash, Control, Encoding, Error, Quality, SketchRef};

/// What the bend by sketches depends on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SketchKey {
    pub(crate) pair: PairKey,
    pub(crate) sketches: Vec<SketchRef>,
    pub(crate) strength: f32,
}

/// What an analysis depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PairKey {
    pub(crate) first: ContentHash,
    pub(crate) last: ContentHash,
    pub(crate) size: (usize, usize),
    pub(crate) encoding: Encoding,
    pub(crate) quality: Quality,
}

struct Entry<K, T> {
    key: K,
    value: Arc<T>,
    bytes: usize,
}

struct State<K, T> {
    /// Least recently used first.
    entries: Vec<Entry<K, T>>,
    running: Vec<K>,
}

/// A small cache of `T` by what it depends on.
pub(crate) struct Memo<K, T> {
    limit: usize,
    state: Mutex<State<K, T>>,
    done: Condvar,
}

impl<K: Clone + PartialEq, T> Memo<K, T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::new(State { entries: Vec::new(), running: Vec::new() }),
            done: Condvar::new(),
        }
    }

    /// The value for `key`, made by `make` (which also tells its size in bytes) if it is not here.
    ///
    /// Waits while another thread makes the same value.
    pub(crate) fn get(
        &self,
        key: K,
        control: &Control,
        make: impl FnOnce() -> Result<(T, usize), Error>,
    ) -> Result<Arc<T>, Error> {
        let mut state = self.state.lock();
        loop {
            if let Some(i) = state.entries.iter().position(|e| e.key == key) {
                let entry = state.entries.remove(i);
                let value = entry.value.clone();
                state.entries.push(entry);
                return Ok(value);
            }
            // A thread of the pool must not wait: it may be the one that has to finish the work
            // it waits for. It makes the value a second time instead.
            if !state.running.contains(&key) || rayon::current_thread_index().is_some() {
                break;
            }
            self.done.wait_for(&mut state, Duration::from_millis(20));
            control.check()?;
        }
        state.running.push(key.clone());
        drop(state);
        let running = Running { memo: self, key: key.clone() };
        let (value, bytes) = make()?;
        let value = Arc::new(value);
        let mut state = self.state.lock();
        if bytes <= self.limit && !state.entries.iter().any(|e| e.key == key) {
            let mut total = bytes + state.entries.iter().map(|e| e.bytes).sum::<usize>();
            while total > self.limit {
                total -= state.entries.remove(0).bytes;
            }
            state.entries.push(Entry { key, value: value.clone(), bytes });
        }
        drop(state);
        drop(running);
        Ok(value)
    }
}

/// Marks a value as being made, until dropped: also when making it fails or panics.
struct Running<'a, K: PartialEq, T> {
    memo: &'a Memo<K, T>,
    key: K,
}

impl<K: PartialEq, T> Drop for Running<'_, K, T> {
    fn drop(&mut self) {
        let mut state = self.memo.state.lock();
        if let Some(i) = state.running.iter().position(|k| *k == self.key) {
            state.running.swap_remove(i);
        }
        drop(state);
        self.memo.done.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> PairKey {
        PairKey {
            first: ContentHash([n; 32]),
            last: ContentHash([0; 32]),
            size: (1, 1),
            encoding: Encoding::Srgb,
            quality: Quality::Draft,
        }
    }

    fn get(memo: &Memo<PairKey, u8>, n: u8, bytes: usize) -> bool {
        let mut made = false;
        let make = || {
            made = true;
            Ok((n, bytes))
        };
        assert_eq!(*memo.get(key(n), &Control::default(), make).unwrap(), n);
        made
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let memo = Memo::new(10);
        assert!(get(&memo, 1, 4) && get(&memo, 2, 4));
        assert!(!get(&memo, 1, 4), "1 is kept and now the most recent");
        assert!(get(&memo, 3, 4), "3 needs the place of 2");
        assert!(!get(&memo, 1, 4) && get(&memo, 2, 4));
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let memo = Memo::new(10);
        assert!(get(&memo, 1, 4));
        assert!(get(&memo, 2, 11) && get(&memo, 2, 11));
        assert!(!get(&memo, 1, 4));
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let memo: Memo<PairKey, u8> = Memo::new(10);
        let failed = memo.get(key(1), &Control::default(), || Err(Error::Cancelled));
        assert!(failed.is_err());
        assert!(get(&memo, 1, 4));
    }

    #[test]
    fn who_waits_can_be_cancelled() {
        let memo: Memo<PairKey, u8> = Memo::new(10);
        let inside = std::sync::Barrier::new(2);
        let control = Control::default();
        std::thread::scope(|scope| {
            let waiting = std::sync::mpsc::channel::<()>();
            let (memo, inside) = (&memo, &inside);
            scope.spawn(move || {
                memo.get(key(1), &Control::default(), || {
                    inside.wait();
                    // Made only after the waiting one has given up.
                    waiting.1.recv().ok();
                    Ok((1, 1))
                })
                .unwrap();
            });
            inside.wait();
            control.cancel();
            let result = memo.get(key(1), &control, || unreachable!("the other one makes it"));
            assert!(matches!(result, Err(Error::Cancelled)));
            drop(waiting.0);
        });
    }
}
