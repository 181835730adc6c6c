//! Analyses of recent pairs of keys, so that further positions of a pair come cheap.
//!
//! Bounded in bytes, least recently used first out. What is found here equals what would be
//! computed afresh, so a hit never changes a picture.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use inbetween_core::{ContentHash, Control, Encoding, Error, Quality};

/// What an analysis depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PairKey {
    pub(crate) first: ContentHash,
    pub(crate) last: ContentHash,
    pub(crate) size: (usize, usize),
    pub(crate) encoding: Encoding,
    pub(crate) quality: Quality,
}

struct Entry<T> {
    key: PairKey,
    value: Arc<T>,
    bytes: usize,
}

struct State<T> {
    /// Least recently used first.
    entries: Vec<Entry<T>>,
    running: Vec<PairKey>,
}

/// A small cache of `T` by pair of keys.
pub(crate) struct Memo<T> {
    limit: usize,
    state: Mutex<State<T>>,
    done: Condvar,
}

impl<T> Memo<T> {
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
        key: PairKey,
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
        state.running.push(key);
        drop(state);
        let running = Running { memo: self, key };
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
struct Running<'a, T> {
    memo: &'a Memo<T>,
    key: PairKey,
}

impl<T> Drop for Running<'_, T> {
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

    fn get(memo: &Memo<u8>, n: u8, bytes: usize) -> bool {
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
        let memo: Memo<u8> = Memo::new(10);
        let failed = memo.get(key(1), &Control::default(), || Err(Error::Cancelled));
        assert!(failed.is_err());
        assert!(get(&memo, 1, 4));
    }

    #[test]
    fn who_waits_can_be_cancelled() {
        let memo: Memo<u8> = Memo::new(10);
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
