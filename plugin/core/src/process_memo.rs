//! A register of everything that this process remembers but can find out again. A host that wants
//! its memory back gets all of it, including memos added in later versions.

use std::sync::OnceLock;

use parking_lot::Mutex;

/// A memo of the whole process, to be kept in a `static`. It is made on first use, and from then on
/// [`forget_all`] empties it.
pub struct ProcessMemo<T> {
    made: OnceLock<T>,
    make: fn() -> T,
    forget: fn(&T),
}

static ALL: Mutex<Vec<&'static dyn Forget>> = Mutex::new(Vec::new());

trait Forget: Sync {
    fn forget(&self);
}

impl<T> ProcessMemo<T> {
    /// A memo that is created by `make` and emptied by `forget`.
    pub const fn new(make: fn() -> T, forget: fn(&T)) -> Self {
        Self { made: OnceLock::new(), make, forget }
    }
}

impl<T: Send + Sync> ProcessMemo<T> {
    /// The remembered value.
    pub fn get(&'static self) -> &'static T {
        self.made.get_or_init(|| {
            ALL.lock().push(self);
            (self.make)()
        })
    }
}

impl<T: Send + Sync> Forget for ProcessMemo<T> {
    fn forget(&self) {
        if let Some(made) = self.made.get() {
            (self.forget)(made);
        }
    }
}

/// Empties every memo of this process.
pub fn forget_all() {
    // Done outside the lock, since emptying one memo may create another.
    let all = ALL.lock().clone();
    all.into_iter().for_each(Forget::forget);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_emptied_and_what_was_not_is_never_made() {
        static USED: ProcessMemo<Mutex<Vec<i32>>> =
            ProcessMemo::new(|| Mutex::new(vec![1]), |kept| kept.lock().clear());
        static UNUSED: ProcessMemo<()> = ProcessMemo::new(|| panic!("nobody asked"), |()| ());
        USED.get().lock().push(2);
        assert_eq!(*USED.get().lock(), [1, 2], "made once");
        forget_all();
        assert!(USED.get().lock().is_empty());
        USED.get().lock().push(3);
        forget_all();
        assert!(USED.get().lock().is_empty(), "every time, not only the first");
        assert!(UNUSED.made.get().is_none());
    }
}
