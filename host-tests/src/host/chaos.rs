//! Mishaps: on threads that ask for it, suite functions fail at random and return wild values, as
//! no good host would.
//!
//! All of it follows from a seed. What a plug-in cannot check (where pixels are) stays true, so any
//! crash is the plug-in's fault.

use std::{
    cell::RefCell,
    ffi::{CStr, c_int},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::host::sys::*;

/// Random numbers (SplitMix64). The same seed gives the same numbers on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    /// Random numbers from a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64-bit number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 for a limit of 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }

    /// A number in 0..1.
    pub(crate) fn part(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of these values.
    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Numbers that a plug-in may not expect.
pub(crate) const DOUBLES: [f64; 10] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e300,
    -1e300,
    1e-310,
    2_147_483_648.0,
    -1.0,
    0.0,
    0.5,
];
/// Whole numbers that a plug-in may not expect.
pub(crate) const INTS: [c_int; 7] = [c_int::MIN, c_int::MAX, -1, 0, 1, 3, 1 << 20];

const STATUSES: [OfxStatus; 9] = [
    // "OK", but without an answer.
    kOfxStatOK,
    kOfxStatFailed,
    kOfxStatErrUnknown,
    kOfxStatErrUnsupported,
    kOfxStatErrMemory,
    kOfxStatErrBadHandle,
    kOfxStatErrBadIndex,
    kOfxStatReplyDefault,
    -17,
];

/// On average, a suite function fails or a value is wild once in this many calls.
const ONE_IN: usize = 40;

/// Properties that say where pixels are and which of them are requested. They stay true, because a
/// plug-in has to believe them.
const BELIEVED: [&CStr; 4] = [
    kOfxImagePropBounds,
    kOfxImagePropRowBytes,
    kOfxImagePropData,
    kOfxImageEffectPropRenderWindow,
];

thread_local! {
    static MISHAPS: RefCell<Option<Dice>> = const { RefCell::new(None) };
}

static GUARD_PAGES: AtomicBool = AtomicBool::new(false);

/// Enables mishaps on this thread.
pub(crate) fn begin(seed: u64) {
    MISHAPS.set(Some(Dice::new(seed)));
}

/// From now on, all new image memory is placed between inaccessible pages.
pub(crate) fn guard_pages() {
    GUARD_PAGES.store(true, Ordering::SeqCst);
}

#[cfg(unix)]
pub(crate) fn has_guard_pages() -> bool {
    GUARD_PAGES.load(Ordering::Relaxed)
}

fn strikes<T>(make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    MISHAPS.with_borrow_mut(|dice| {
        let dice = dice.as_mut()?;
        (dice.below(ONE_IN) == 0).then(|| make(dice))
    })
}

/// Now and then, a status that a suite function returns instead of doing its work. Reading a
/// property never returns OK without a value, because a plug-in could not notice that if the value
/// is about pixels.
pub(crate) fn status(function: &str) -> Option<OfxStatus> {
    let status = strikes(|dice| dice.one(&STATUSES))?;
    let lies = status == kOfxStatOK && function.starts_with("propGet");
    Some(if lies { kOfxStatFailed } else { status })
}

/// Now and then, a wild integer in place of the true one.
pub(crate) fn int(property: &CStr) -> Option<c_int> {
    if BELIEVED.contains(&property) { None } else { strikes(|dice| dice.one(&INTS)) }
}

/// Now and then, a wild real number in place of the true one.
pub(crate) fn double() -> Option<f64> {
    strikes(|dice| dice.one(&DOUBLES))
}

/// Now and then, a wild text in place of the true one.
pub(crate) fn text() -> Option<Option<&'static CStr>> {
    strikes(|dice| dice.one(&[None, Some(c""), Some(c"\xFF\xFE"), Some(c"OfxNothingOfTheKind")]))
}
