//! Mishaps: on threads that ask for it, suite functions fail at random and answer wild values, as no good host does.
//!
//! All of it follows from a seed. What a plug-in cannot check (where pixels lie) stays true, so a crash is the
//! plug-in's own.

use std::{
    cell::RefCell,
    ffi::{CStr, c_int},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::host::sys::*;

/// A counter's scrambled values (SplitMix64): random cases come back from their seed on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`, 0 for a limit of 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }

    /// 0..1
    pub(crate) fn part(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of some.
    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Numbers that nobody expects.
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
/// The same for whole numbers.
pub(crate) const INTS: [c_int; 7] = [c_int::MIN, c_int::MAX, -1, 0, 1, 3, 1 << 20];

const STATUSES: [OfxStatus; 9] = [
    // "OK", and nothing is answered.
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

/// A suite function fails, or a value is wild, once in so many calls.
const ONE_IN: usize = 40;

/// Values that tell where pixels lie and which of them are asked for: a plug-in has to believe them.
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

/// Lets mishaps happen on this thread.
pub(crate) fn begin(seed: u64) {
    MISHAPS.set(Some(Dice::new(seed)));
}

/// Has all image memory made from now on lie between pages that nobody may touch.
pub(crate) fn guard_pages() {
    GUARD_PAGES.store(true, Ordering::SeqCst);
}

pub(crate) fn has_guard_pages() -> bool {
    GUARD_PAGES.load(Ordering::Relaxed)
}

fn strikes<T>(make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    MISHAPS.with_borrow_mut(|dice| {
        let dice = dice.as_mut()?;
        (dice.below(ONE_IN) == 0).then(|| make(dice))
    })
}

/// What a suite function answers instead of doing its work, now and then. An "OK" without the value that was asked
/// for is a lie that no plug-in can see through where it is about pixels.
pub(crate) fn status(function: &str) -> Option<OfxStatus> {
    let status = strikes(|dice| dice.one(&STATUSES))?;
    let lies = status == kOfxStatOK && function.starts_with("propGet");
    Some(if lies { kOfxStatFailed } else { status })
}

/// What a number is said to be instead, now and then.
pub(crate) fn int(property: &CStr) -> Option<c_int> {
    if BELIEVED.contains(&property) { None } else { strikes(|dice| dice.one(&INTS)) }
}

/// The same for a number that need not be whole.
pub(crate) fn double() -> Option<f64> {
    strikes(|dice| dice.one(&DOUBLES))
}

/// The same for a text.
pub(crate) fn text() -> Option<Option<&'static CStr>> {
    strikes(|dice| dice.one(&[None, Some(c""), Some(c"\xFF\xFE"), Some(c"OfxNothingOfTheKind")]))
}
