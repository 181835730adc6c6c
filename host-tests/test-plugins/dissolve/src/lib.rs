//! A dissolve between two keys as an OpenFX image effect.
//!
//! Without a [`Flaw`] it follows every rule that our host watches; with one it breaks that rule
//! and, if possible, no other. General dissolves from `Source` to `KeyB` between the times *first*
//! and *last*, Filter between the pictures of `Source` at those times, and Transition from
//! `SourceFrom` to `SourceTo` at the position `Transition`.

mod flaw;
pub mod ofx;
mod render;
pub mod supported;

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

pub use flaw::Flaw;
use ofx::*;

/// An effect and its flaw.
#[derive(Clone, Copy)]
pub(crate) struct Effect {
    pub(crate) flaw: Option<Flaw>,
    pub(crate) suites: Suites,
    pub(crate) handle: OfxImageEffectHandle,
}

/// Latest frame that a key may have.
const LATEST: f64 = 100_000.0;

type Reply = Result<OfxStatus, Failure>;

/// The entry point of a plug-in with that flaw, or with none.
///
/// # Safety
/// Arguments are as OpenFX states them for `mainEntry`.
pub unsafe fn main_entry(
    flaw: Option<Flaw>,
    action: *const c_char,
    handle: *const c_void,
    arguments: OfxPropertySetHandle,
    results: OfxPropertySetHandle,
) -> OfxStatus {
    let act = |action: &CStr| {
        let effect = Effect { flaw, suites: Suites::fetch()?, handle: handle.cast_mut().cast() };
        effect.act(action, arguments, results)
    };
    // SAFETY: the action is one as the standard states it.
    unsafe { answer(action, act) }
}

impl Effect {
    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn act(
        &self,
        action: &CStr,
        arguments: OfxPropertySetHandle,
        results: OfxPropertySetHandle,
    ) -> Reply {
        let (arguments, results) = (self.suites.set(arguments), self.suites.set(results));
        match action {
            a if a == kOfxActionLoad => self.load(),
            a if a == kOfxActionUnload => Ok(kOfxStatOK),
            a if a == kOfxActionDescribe => self.describe(),
            a if a == kOfxImageEffectActionDescribeInContext => self.describe_in_context(arguments),
            a if a == kOfxActionCreateInstance => Ok(kOfxStatOK),
            a if a == kOfxActionDestroyInstance => {
                if self.has(Flaw::ClearsTooLate) {
                    self.suites.clear_message(self.handle);
                }
                Ok(kOfxStatOK)
            }
            a if a == kOfxImageEffectActionGetClipPreferences
                && self.has(Flaw::RefusesPreferences) =>
            {
                Ok(kOfxStatFailed)
            }
            a if a == kOfxImageEffectActionGetClipPreferences => {
                if !self.has(Flaw::NotVarying) {
                    results.ints(kOfxImageEffectFrameVarying, &[1]);
                }
                if self.has(Flaw::SetsRate) {
                    results.doubles(kOfxImageEffectPropFrameRate, &[48.0]);
                }
                Ok(kOfxStatOK)
            }
            a if a == kOfxActionInstanceChanged && self.has(Flaw::RefusesLoad) => {
                let reason = arguments.string(kOfxPropChangeReason).unwrap_or_default();
                let loaded = reason.as_bytes() == kOfxChangePluginEdited.to_bytes();
                Ok(if loaded { kOfxStatFailed } else { kOfxStatReplyDefault })
            }
            a if a == kOfxActionPurgeCaches && self.has(Flaw::RefusesPurge) => Ok(kOfxStatFailed),
            a if a == kOfxActionInstanceChanged && self.has(Flaw::RefusesEnds) => {
                let time = arguments.double(kOfxPropTime, 0).unwrap_or(1.0);
                let far = self.value(c"last", time).is_some_and(|last| last >= LATEST);
                Ok(if far { kOfxStatFailed } else { kOfxStatReplyDefault })
            }
            a if a == kOfxImageEffectActionGetRegionOfDefinition
                && self.has(Flaw::RegionNowhere) =>
            {
                let nowhere = [f64::NAN, 0.0, f64::NAN, 0.0];
                results.doubles(kOfxImageEffectPropRegionOfDefinition, &nowhere);
                Ok(kOfxStatOK)
            }
            a if a == kOfxImageEffectActionGetRegionsOfInterest
                && self.has(Flaw::NarrowRegions) =>
            {
                results.doubles(c"OfxImageClipPropRoI_Source", &[0.0, 0.0, 1.0, 1.0]);
                Ok(kOfxStatOK)
            }
            a if a == kOfxImageEffectActionGetFramesNeeded => {
                self.frames_needed(arguments, results)
            }
            a if a == kOfxImageEffectActionIsIdentity => self.identity(arguments, results),
            a if a == kOfxImageEffectActionRender && self.has(Flaw::Unlicensed) => {
                Ok(kOfxStatUnlicensed)
            }
            a if a == kOfxImageEffectActionRender => self.render(arguments),
            _ if self.has(Flaw::AnswersAnything) => Ok(kOfxStatOK),
            _ => Ok(kOfxStatReplyDefault),
        }
    }

    fn load(&self) -> Reply {
        static LOADS: AtomicUsize = AtomicUsize::new(0);
        let loads = if self.has(Flaw::LoadOnce) { LOADS.fetch_add(1, Ordering::SeqCst) } else { 0 };
        match self.flaw {
            Some(Flaw::SlowLoad) => std::thread::sleep(Duration::from_millis(600)),
            Some(Flaw::LoadDefault) => return Ok(kOfxStatReplyDefault),
            Some(Flaw::LoadOnce) if loads > 0 => return Err(kOfxStatFailed),
            Some(Flaw::LeakMemory) => {
                let mut block = ptr::null_mut();
                let alloc = self.suites.memory.memoryAlloc.ok_or(kOfxStatErrMissingHostFeature)?;
                // SAFETY: `block` is a place for the result.
                check(unsafe { alloc(ptr::null_mut(), 1024, &raw mut block) })?;
            }
            _ => {}
        }
        Ok(kOfxStatOK)
    }

    fn describe(&self) -> Reply {
        let set = self.suites.effect_set(self.handle)?;
        set.text(kOfxPropLabel, 0, c"Dissolve");
        set.text(kOfxImageEffectPluginPropGrouping, 0, c"Test");
        let contexts = [
            kOfxImageEffectContextFilter,
            kOfxImageEffectContextGeneral,
            kOfxImageEffectContextTransition,
        ];
        for (index, context) in (0..).zip(contexts) {
            set.text(kOfxImageEffectPropSupportedContexts, index, context);
        }
        let depths = [kOfxBitDepthFloat, kOfxBitDepthShort, kOfxBitDepthByte, kOfxBitDepthHalf];
        for (index, depth) in (0..).zip(depths) {
            set.text(kOfxImageEffectPropSupportedPixelDepths, index, depth);
        }
        set.text(kOfxImageEffectPluginRenderThreadSafety, 0, kOfxImageEffectRenderFullySafe);
        set.ints(kOfxImageEffectPluginPropHostFrameThreading, &[0]);
        set.ints(kOfxImageEffectPropTemporalClipAccess, &[1]);
        set.ints(kOfxImageEffectPropSupportsTiles, &[1]);
        set.ints(kOfxImageEffectPropSupportsMultiResolution, &[1]);
        if self.has(Flaw::Obsolete) {
            set.ints(kOfxImageEffectPluginPropObsolete, &[1]);
        }
        if self.has(Flaw::UnknownProperty) {
            set.text(c"OfxPropLable", 0, c"Dissolve");
        }
        if self.has(Flaw::DefinesEarly)
            && let Some(define) = self.suites.effect.clipDefine
        {
            let mut raw = ptr::null_mut();
            // SAFETY: the name is NUL-terminated, `raw` is a place for the result. Calling it at
            // this time is the flaw.
            unsafe { define(self.handle, c"Early".as_ptr(), &raw mut raw) };
        }
        Ok(kOfxStatOK)
    }

    fn describe_in_context(&self, arguments: Properties) -> Reply {
        let context = arguments.string(kOfxImageEffectPropContext).ok_or(kOfxStatFailed)?;
        let transition = context.as_bytes() == kOfxImageEffectContextTransition.to_bytes();
        let general = context.as_bytes() == kOfxImageEffectContextGeneral.to_bytes();
        let clips: &[(&CStr, bool)] = if transition {
            &[
                (kOfxImageEffectTransitionSourceFromClipName, false),
                (kOfxImageEffectTransitionSourceToClipName, false),
            ]
        } else if general {
            &[(kOfxImageEffectSimpleSourceClipName, false), (c"KeyB", false), (c"Sketch", true)]
        } else {
            &[(kOfxImageEffectSimpleSourceClipName, false)]
        };
        let define = self.suites.effect.clipDefine.ok_or(kOfxStatErrMissingHostFeature)?;
        for (name, optional) in
            clips.iter().copied().chain([(kOfxImageEffectOutputClipName, false)])
        {
            let mut raw = ptr::null_mut();
            // SAFETY: the name is NUL-terminated, `raw` is a place for the result.
            check(unsafe { define(self.handle, name.as_ptr(), &raw mut raw) })?;
            let set = self.suites.set(raw);
            let components =
                [kOfxImageComponentRGBA, kOfxImageComponentRGB, kOfxImageComponentAlpha];
            for (index, components) in (0..).zip(components) {
                set.text(kOfxImageEffectPropSupportedComponents, index, components);
            }
            set.ints(kOfxImageClipPropOptional, &[c_int::from(optional)]);
            set.ints(kOfxImageEffectPropTemporalClipAccess, &[1]);
        }
        if transition {
            self.number(kOfxImageEffectTransitionParamName, (0.0, 1.0), 0.0)?;
        } else {
            self.number(c"first", (-LATEST, LATEST), 1.0)?;
            self.number(c"last", (-LATEST, LATEST), 5.0)?;
        }
        match self.flaw {
            Some(Flaw::Integer2D) => {
                let set = self.define(kOfxParamTypeInteger2D, c"pair")?;
                set.text(kOfxParamPropHint, 0, c"Two numbers.");
                set.ints(kOfxParamPropMin, &[0, 0]);
                set.ints(kOfxParamPropMax, &[9, 9]);
                set.ints(kOfxParamPropDisplayMin, &[0, 0]);
                set.ints(kOfxParamPropDisplayMax, &[9, 9]);
            }
            Some(Flaw::DefaultOutside) => self.number(c"odd", (0.0, 1.0), 5.0)?,
            Some(Flaw::NeedsChoice) => {
                let set = self.define(kOfxParamTypeChoice, c"blend")?;
                set.text(kOfxParamPropHint, 0, c"How the keys are blended.");
                set.text(kOfxParamPropChoiceOption, 0, c"Linear");
            }
            Some(Flaw::PythonWord) => self.number(c"lambda", (0.0, 1.0), 0.5)?,
            _ => {}
        }
        Ok(kOfxStatOK)
    }

    fn define(&self, kind: &CStr, name: &CStr) -> Result<Properties, Failure> {
        self.suites.define(self.handle, kind, name)
    }

    fn number(&self, name: &CStr, range: (f64, f64), default: f64) -> Result<(), Failure> {
        let set = self.define(kOfxParamTypeDouble, name)?;
        if !self.has(Flaw::NoHint) {
            set.text(kOfxParamPropHint, 0, c"When, or how far, the dissolve is.");
        }
        if !self.has(Flaw::NoRange) {
            set.doubles(kOfxParamPropMin, &[range.0]);
            set.doubles(kOfxParamPropMax, &[range.1]);
        }
        if !self.has(Flaw::NoRange) && !self.has(Flaw::NoDisplayRange) {
            set.doubles(kOfxParamPropDisplayMin, &[range.0]);
            set.doubles(kOfxParamPropDisplayMax, &[range.1]);
        }
        set.doubles(kOfxParamPropDefault, &[default]);
        Ok(())
    }

    /// Value of a number at a time; `None` if the context has no such parameter.
    pub(crate) fn value(&self, name: &CStr, time: f64) -> Option<f64> {
        let mut params = ptr::null_mut();
        // SAFETY: `params` is a place for the result.
        check(unsafe { self.suites.effect.getParamSet?(self.handle, &raw mut params) }).ok()?;
        let mut param = ptr::null_mut();
        let get = self.suites.param.paramGetHandle?;
        // SAFETY: the name is NUL-terminated, `param` is a place for the result.
        check(unsafe { get(params, name.as_ptr(), &raw mut param, ptr::null_mut()) }).ok()?;
        let mut value = 0.0_f64;
        // SAFETY: a Double is read into one double.
        check(unsafe { self.suites.param.paramGetValueAtTime?(param, time, &raw mut value) })
            .ok()?;
        Some(value)
    }

    /// Whether the host returns a value for the choice `blend`.
    pub(crate) fn has_choice(&self) -> bool {
        let mut params = ptr::null_mut();
        let (Some(get_set), Some(get), Some(value_of)) = (
            self.suites.effect.getParamSet,
            self.suites.param.paramGetHandle,
            self.suites.param.paramGetValue,
        ) else {
            return false;
        };
        let mut param = ptr::null_mut();
        let mut value: c_int = 0;
        // SAFETY: `params`, `param` and `value` are places for the results, the name is NUL-terminated, a Choice is
        // read into one int.
        unsafe {
            get_set(self.handle, &raw mut params);
            get(params, c"blend".as_ptr(), &raw mut param, ptr::null_mut()) == kOfxStatOK
                && value_of(param, &raw mut value) == kOfxStatOK
        }
    }

    /// Sets a number, if the context has it.
    pub(crate) fn set_value(&self, name: &CStr, value: f64) {
        let mut params = ptr::null_mut();
        let (Some(get_set), Some(get), Some(set)) = (
            self.suites.effect.getParamSet,
            self.suites.param.paramGetHandle,
            self.suites.param.paramSetValue,
        ) else {
            return;
        };
        let mut param = ptr::null_mut();
        // SAFETY: `params` and `param` are places for the results, the name is NUL-terminated, a Double is set from
        // one double.
        unsafe {
            get_set(self.handle, &raw mut params);
            if get(params, name.as_ptr(), &raw mut param, ptr::null_mut()) == kOfxStatOK {
                set(param, value);
            }
        }
    }

    /// Where the two keys come from at a time, and the position of the dissolve.
    pub(crate) fn span(&self, time: f64) -> Result<Span, Failure> {
        let set = self.suites.effect_set(self.handle)?;
        let context = set.string(kOfxImageEffectPropContext).ok_or(kOfxStatFailed)?;
        if context.as_bytes() == kOfxImageEffectContextTransition.to_bytes() {
            return Ok(Span {
                from: (kOfxImageEffectTransitionSourceFromClipName, time),
                to: (kOfxImageEffectTransitionSourceToClipName, time),
                position: self
                    .value(kOfxImageEffectTransitionParamName, time)
                    .ok_or(kOfxStatFailed)?,
            });
        }
        let first = self.value(c"first", time).ok_or(kOfxStatFailed)?;
        let last = self.value(c"last", time).ok_or(kOfxStatFailed)?;
        let position =
            if last > first { ((time - first) / (last - first)).clamp(0.0, 1.0) } else { 0.0 };
        let source = kOfxImageEffectSimpleSourceClipName;
        if context.as_bytes() == kOfxImageEffectContextGeneral.to_bytes() {
            return Ok(Span { from: (source, time), to: (c"KeyB", time), position });
        }
        let temporal = self.suites.host().int(kOfxImageEffectPropTemporalClipAccess, 0) == Some(1);
        if temporal {
            Ok(Span { from: (source, first), to: (source, last), position })
        } else {
            // Without other times there is nothing to dissolve to.
            Ok(Span { from: (source, time), to: (source, time), position: 0.0 })
        }
    }

    fn frames_needed(&self, arguments: Properties, results: Properties) -> Reply {
        let time = arguments.double(kOfxPropTime, 0).ok_or(kOfxStatFailed)?;
        let span = self.span(time)?;
        let name = |clip: &CStr| {
            let text = format!("OfxImageClipPropFrameRange_{}", clip.to_string_lossy());
            std::ffi::CString::new(text).map_err(|_| kOfxStatFailed)
        };
        if span.from.0 == span.to.0 {
            let (a, b) = (span.from.1, span.to.1);
            results.doubles(&name(span.from.0)?, &[a, a, b, b]);
        } else {
            for (clip, time) in [span.from, span.to] {
                results.doubles(&name(clip)?, &[time, time]);
            }
        }
        Ok(kOfxStatOK)
    }

    fn identity(&self, arguments: Properties, results: Properties) -> Reply {
        let time = arguments.double(kOfxPropTime, 0).ok_or(kOfxStatFailed)?;
        if self.has(Flaw::WrongType) {
            arguments.int(kOfxPropTime, 0);
        }
        let span = self.span(time)?;
        let (clip, time) = match span.position {
            _ if self.has(Flaw::FalseIdentity) => span.from,
            p if p <= 0.0 => span.from,
            p if p >= 1.0 => span.to,
            _ => return Ok(kOfxStatReplyDefault),
        };
        results.text(kOfxPropName, 0, clip);
        results.doubles(kOfxPropTime, &[time]);
        Ok(kOfxStatOK)
    }
}

/// Two keys and a position between them.
pub(crate) struct Span {
    pub(crate) from: (&'static CStr, f64),
    pub(crate) to: (&'static CStr, f64),
    /// Within 0..=1.
    pub(crate) position: f64,
}
