//! Analyses of recent pairs of keys, which make further positions of a pair cheap.
//!
//! They are charged to the [`Budget`] that everything the process keeps in memory shares. A value
//! from here equals a newly computed one, so a hit never changes a picture.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use inbetween_core::budget::{Budget, Shelf};
use inbetween_core::{ContentHash, Control, Encoding, Error, Neighbour, Pin, Quality, SketchRef};

/// Everything that the effect of pins and sketches depends on. Its numbers come from checked
/// requests, so none is NaN.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AskedKey {
    pub(crate) pair: PairKey,
    pub(crate) pins: Vec<Pin>,
    pub(crate) sketches: Vec<SketchRef>,
    /// Of the sketches; 0 without any.
    pub(crate) strength: f32,
}

impl Eq for AskedKey {}

impl Hash for AskedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The pictures and the number of pins suffice for the hash. The numbers are left out because
        // 0 and -0 are equal but differ in their bits.
        self.pair.hash(state);
        self.pins.len().hash(state);
        self.sketches.iter().for_each(|sketch| sketch.picture.hash(state));
    }
}

/// Everything that the paths through the drawings beside a span depend on. Its numbers come from
/// checked requests, so none is NaN.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CourseKey {
    pub(crate) pair: PairKey,
    pub(crate) pins: Vec<Pin>,
    pub(crate) neighbours: [Option<Neighbour>; 2],
}

impl Eq for CourseKey {}

impl Hash for CourseKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pair.hash(state);
        for neighbour in &self.neighbours {
            neighbour.as_ref().map(|neighbour| neighbour.picture).hash(state);
        }
    }
}

/// Everything that an analysis depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PairKey {
    pub(crate) first: ContentHash,
    pub(crate) last: ContentHash,
    pub(crate) size: (usize, usize),
    pub(crate) encoding: Encoding,
    pub(crate) quality: Quality,
    /// Pins connect the keys, so they count as one scene however little they have in common.
    pub(crate) joined: bool,
}

/// A small cache of `T`, keyed by everything it depends on.
pub(crate) struct Memo<K, T> {
    kept: Shelf<K, T>,
    running: Mutex<Vec<K>>,
    done: Condvar,
}

impl<K, T> Memo<K, T>
where
    K: Clone + Hash + Eq + Send + 'static,
    T: Send + Sync + 'static,
{
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self { kept: Shelf::new(budget), running: Mutex::default(), done: Condvar::new() }
    }

    /// The value for `key`. If it is not here, `make` creates it and returns its size in bytes too.
    ///
    /// Waits while another thread is making the same value.
    pub(crate) fn get(
        &self,
        key: K,
        control: &Control,
        make: impl FnOnce() -> Result<(T, usize), Error>,
    ) -> Result<Arc<T>, Error> {
        let mut running = self.running.lock();
        loop {
            if let Some(value) = self.kept.get(&key) {
                return Ok(value);
            }
            // A thread of the pool must not wait, because it may be needed to finish the very work
            // it waits for. It makes the value a second time instead.
            if !running.contains(&key) || rayon::current_thread_index().is_some() {
                break;
            }
            self.done.wait_for(&mut running, Duration::from_millis(20));
            control.check()?;
        }
        running.push(key.clone());
        drop(running);
        let running = Running { memo: self, key: key.clone() };
        let (value, bytes) = make()?;
        let value = Arc::new(value);
        self.kept.put(key, value.clone(), bytes);
        drop(running);
        Ok(value)
    }
}

/// Marks a value as being made until dropped, which also happens when making it fails or panics.
struct Running<'a, K: PartialEq, T> {
    memo: &'a Memo<K, T>,
    key: K,
}

impl<K: PartialEq, T> Drop for Running<'_, K, T> {
    fn drop(&mut self) {
        let mut running = self.memo.running.lock();
        if let Some(i) = running.iter().position(|key| *key == self.key) {
            running.swap_remove(i);
        }
        drop(running);
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
            joined: false,
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
    fn the_least_recently_used_goes_first_of_whatever_kind() {
        let budget = Budget::new(10);
        let memo = Memo::new(&budget);
        assert!(get(&memo, 1, 4) && get(&memo, 2, 4));
        assert!(!get(&memo, 1, 4), "1 is kept and now the most recent");
        assert!(get(&memo, 3, 4), "3 needs the place of 2");
        assert!(!get(&memo, 1, 4) && get(&memo, 2, 4));
        assert_eq!(budget.bytes(), 8);
        // A drawing in the cache needs the room of both.
        let drawings = Shelf::new(&budget);
        drawings.put(1, Arc::new(()), 9);
        assert!(get(&memo, 1, 1) && budget.bytes() == 10);
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let memo = Memo::new(&Budget::new(10));
        assert!(get(&memo, 1, 4));
        assert!(get(&memo, 2, 11) && get(&memo, 2, 11));
        assert!(!get(&memo, 1, 4));
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let memo: Memo<PairKey, u8> = Memo::new(&Budget::new(10));
        let failed = memo.get(key(1), &Control::default(), || Err(Error::Cancelled));
        assert!(failed.is_err());
        assert!(get(&memo, 1, 4));
    }

    #[test]
    fn who_waits_can_be_cancelled() {
        let memo: Memo<PairKey, u8> = Memo::new(&Budget::new(10));
        let inside = std::sync::Barrier::new(2);
        let control = Control::default();
        std::thread::scope(|scope| {
            let waiting = std::sync::mpsc::channel::<()>();
            let (memo, inside) = (&memo, &inside);
            scope.spawn(move || {
                memo.get(key(1), &Control::default(), || {
                    inside.wait();
                    // The value is made only after the waiting thread has given up.
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
