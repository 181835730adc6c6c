//! The permanent ids of the plug-in's own parameters, which saved projects store.

use std::ffi::CStr;

use inbetween_core::settings::list::{
    CUSTOM_RATE, FROM_RATE, MODE, RETIME_STRENGTH, TIMELINE, TO_RATE,
};

// Not `raise`, which is a keyword of Python: with that id, Natron would not give any parameter of
// the node a name in its scripts.
pub(crate) const GROUP_RETIME: &CStr = c"raiseRate";
pub(crate) const GROUP_KEYS: &CStr = c"keys";
pub(crate) const GROUP_TIMING: &CStr = c"timing";
pub(crate) const GROUP_DRAWING: &CStr = c"drawing";
pub(crate) const GROUP_TOONCRAFTER: &CStr = c"toonCrafter";
pub(crate) const GROUP_SKETCH: &CStr = c"sketch";
pub(crate) const GROUP_PINS: &CStr = c"pins";
pub(crate) const GROUP_WORK: &CStr = c"work";
pub(crate) const PREVIOUS_DRAWING: &CStr = c"previousDrawing";
pub(crate) const SPAN_HERE: &CStr = c"spanHere";
pub(crate) const NEXT_DRAWING: &CStr = c"nextDrawing";
pub(crate) const FIND_DRAWINGS: &CStr = c"findDrawings";
pub(crate) const GENERATE: &CStr = c"generate";
pub(crate) const CANCEL: &CStr = c"cancel";
pub(crate) const STATUS: &CStr = c"status";
pub(crate) const STATUS_TEXT: &CStr = c"statusText";
pub(crate) const CLEAR_CACHE: &CStr = c"clearCache";
/// Has no effect, but older projects contain it.
pub(crate) const WORKER: &CStr = c"worker";
pub(crate) const REVISION: &CStr = c"revision";

/// Parameters that only retiming uses.
pub(crate) static OF_RETIMING: &[&CStr] =
    &[FROM_RATE.id, TO_RATE.id, RETIME_STRENGTH.id, TIMELINE.id];

/// Parameters that determine the rate of the output. When one of them changes, hosts ask for it
/// again.
pub(crate) static DECIDE_RATE: &[&CStr] =
    &[MODE.id, FROM_RATE.id, TO_RATE.id, CUSTOM_RATE.id, TIMELINE.id];
