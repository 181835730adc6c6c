//! One plug-in per flaw, each with its own identifier, for our host to detect.

use std::ffi::{c_char, c_int, c_void};

use dissolve::{
    Flaw,
    ofx::{OfxPlugin, OfxPropertySetHandle, OfxStatus, plugin},
};

macro_rules! plugins {
    ($($flaw:ident => $id:literal,)*) => {
        static PLUGINS: &[OfxPlugin] = &[$({
            unsafe extern "C" fn main_entry(
                action: *const c_char,
                handle: *const c_void,
                arguments: OfxPropertySetHandle,
                results: OfxPropertySetHandle,
            ) -> OfxStatus {
                // SAFETY: arguments come from the host as the standard states them.
                unsafe {
                    dissolve::main_entry(Some(Flaw::$flaw), action, handle, arguments, results)
                }
            }
            plugin($id, Some(main_entry))
        }),*];
    };
}

plugins! {
    UnknownProperty => c"org.example.bad.unknown-property",
    WrongType => c"org.example.bad.wrong-type",
    ReadOnly => c"org.example.bad.read-only",
    LeakImage => c"org.example.bad.leak-image",
    LeakMemory => c"org.example.bad.leak-memory",
    OutsideWindow => c"org.example.bad.outside-window",
    WritesInput => c"org.example.bad.writes-input",
    BackgroundThread => c"org.example.bad.background-thread",
    StaleHandle => c"org.example.bad.stale-handle",
    NoRange => c"org.example.bad.no-range",
    NoDisplayRange => c"org.example.bad.no-display-range",
    DefaultOutside => c"org.example.bad.default-outside",
    Integer2D => c"org.example.bad.integer-2d",
    NoHint => c"org.example.bad.no-hint",
    LoadDefault => c"org.example.bad.load-default",
    LoadOnce => c"org.example.bad.load-once",
    SlowLoad => c"org.example.bad.slow-load",
    AnswersAnything => c"org.example.bad.answers-anything",
    NotVarying => c"org.example.bad.not-varying",
    SetsRate => c"org.example.bad.sets-rate",
    HiddenFrames => c"org.example.bad.hidden-frames",
    FalseIdentity => c"org.example.bad.false-identity",
    Random => c"org.example.bad.random",
    TileDependent => c"org.example.bad.tile-dependent",
    ThreadRace => c"org.example.bad.thread-race",
    Stateful => c"org.example.bad.stateful",
    EvenOnly => c"org.example.bad.even-only",
    FullScaleOnly => c"org.example.bad.full-scale-only",
    ScaleStickler => c"org.example.bad.scale-stickler",
    PassesNan => c"org.example.bad.passes-nan",
    Clamps => c"org.example.bad.clamps",
    RefusesHalf => c"org.example.bad.refuses-half",
    RefusesPremultiplied => c"org.example.bad.refuses-premultiplied",
    BlackFrame => c"org.example.bad.black-frame",
    NeedsOptional => c"org.example.bad.needs-optional",
    TrustsData => c"org.example.bad.trusts-data",
    TrustsMessages => c"org.example.bad.trusts-messages",
    FatalAbort => c"org.example.bad.fatal-abort",
    IgnoresAbort => c"org.example.bad.ignores-abort",
    FormatsMessages => c"org.example.bad.formats-messages",
    ClearsTooLate => c"org.example.bad.clears-too-late",
    SetsInRender => c"org.example.bad.sets-in-render",
    PythonWord => c"org.example.bad.python-word",
    NarrowRegions => c"org.example.bad.narrow-regions",
    NeedsChoice => c"org.example.bad.needs-choice",
    RefusesLoad => c"org.example.bad.refuses-load",
    Obsolete => c"org.example.bad.obsolete",
    DefinesEarly => c"org.example.bad.defines-early",
    RefusesPurge => c"org.example.bad.refuses-purge",
    RefusesPreferences => c"org.example.bad.refuses-preferences",
    AtOriginOnly => c"org.example.bad.at-origin-only",
    RefusesEnds => c"org.example.bad.refuses-ends",
    NeedsIdentifier => c"org.example.bad.needs-identifier",
    Unlicensed => c"org.example.bad.unlicensed",
    RegionNowhere => c"org.example.bad.region-nowhere",
    UpsideDown => c"org.example.bad.upside-down",
    Unwritten => c"org.example.bad.unwritten",
    PositiveRows => c"org.example.bad.positive-rows",
    Crash => c"org.example.bad.crash",
    Hang => c"org.example.bad.hang",
}

/// Number of plug-ins, as required by OpenFX.
#[unsafe(no_mangle)]
pub extern "C" fn OfxGetNumberOfPlugins() -> c_int {
    c_int::try_from(PLUGINS.len()).unwrap_or(0)
}

/// A plug-in, as required by OpenFX.
#[unsafe(no_mangle)]
pub extern "C" fn OfxGetPlugin(index: c_int) -> *const OfxPlugin {
    usize::try_from(index)
        .ok()
        .and_then(|index| PLUGINS.get(index))
        .map_or(std::ptr::null(), std::ptr::from_ref)
}
