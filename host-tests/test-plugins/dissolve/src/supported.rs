//! Plug-ins in the style of the OpenFX C++ Support library, with which most plug-ins of this world
//! are made.
//!
//! They have the habits of that library that a host must tolerate: Unload destroys everything,
//! including the plug-in's own structure; unhandled actions return ReplyDefault; an image must have
//! all properties of the standard, or the result is ErrMissingHostFeature; a clip must have a
//! region of definition; pictures are drawn in threads of the host; NaN passes through; a filter
//! without its clip draws black.

use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::ofx::*;
use crate::render::{read, write};

type Reply = Result<OfxStatus, Failure>;

/// The kind of plug-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1 minus the colour, pixel by pixel, without parameters.
    Invert,
    /// A box of one colour between two corners, given as fractions of the project.
    Box,
}

/// What Load creates and Unload destroys.
struct Life {
    handed_out: AtomicBool,
    suites: Mutex<Option<Suites>>,
}

static LIVES: [Life; 2] =
    [const { Life { handed_out: AtomicBool::new(false), suites: Mutex::new(None) } }; 2];

fn life(kind: Kind) -> &'static Life {
    &LIVES[kind as usize]
}

/// The host has asked for the plug-in's structure.
pub fn hand_out(kind: Kind) {
    life(kind).handed_out.store(true, Ordering::SeqCst);
}

/// The entry point.
///
/// # Safety
/// Arguments are as OpenFX states them for `mainEntry`.
pub unsafe fn main_entry(
    kind: Kind,
    action: *const c_char,
    handle: *const c_void,
    arguments: OfxPropertySetHandle,
    results: OfxPropertySetHandle,
) -> OfxStatus {
    let act = |action: &CStr| {
        let life = life(kind);
        if !life.handed_out.load(Ordering::SeqCst) {
            // Here the library would run freed code.
            return Err(kOfxStatErrFatal);
        }
        let mut loaded = life.suites.lock().map_err(|_| kOfxStatErrFatal)?;
        if action == kOfxActionLoad {
            *loaded = Some(Suites::fetch()?);
            return Ok(kOfxStatOK);
        }
        let Some(suites) = *loaded else { return Err(kOfxStatErrFatal) };
        if action == kOfxActionUnload {
            *loaded = None;
            life.handed_out.store(false, Ordering::SeqCst);
            return Ok(kOfxStatOK);
        }
        drop(loaded);
        let effect = Effect { kind, suites, handle: handle.cast_mut().cast() };
        effect.act(action, suites.set(arguments), suites.set(results))
    };
    // SAFETY: the action is one as the standard states it.
    unsafe { answer(action, act) }
}

#[derive(Clone, Copy)]
struct Effect {
    kind: Kind,
    suites: Suites,
    handle: OfxImageEffectHandle,
}

impl Effect {
    fn act(&self, action: &CStr, arguments: Properties, results: Properties) -> Reply {
        match action {
            a if a == kOfxActionDescribe => self.describe(),
            a if a == kOfxImageEffectActionDescribeInContext => self.describe_in_context(arguments),
            a if a == kOfxImageEffectActionGetRegionOfDefinition && self.kind == Kind::Box => {
                let time = arguments.double(kOfxPropTime, 0).ok_or(kOfxStatFailed)?;
                results.doubles(kOfxImageEffectPropRegionOfDefinition, &self.region(time)?);
                Ok(kOfxStatOK)
            }
            a if a == kOfxImageEffectActionRender => self.render(arguments),
            // Including CreateInstance and DestroyInstance, for which there is nothing to do.
            _ => Ok(kOfxStatReplyDefault),
        }
    }

    fn describe(&self) -> Reply {
        let set = self.suites.effect_set(self.handle)?;
        let label = if self.kind == Kind::Box { c"Box" } else { c"Invert" };
        set.text(kOfxPropLabel, 0, label);
        set.text(kOfxImageEffectPluginPropGrouping, 0, c"Test");
        let contexts: &[&CStr] = match self.kind {
            Kind::Invert => &[kOfxImageEffectContextFilter],
            Kind::Box => &[kOfxImageEffectContextGenerator, kOfxImageEffectContextFilter],
        };
        for (index, context) in (0..).zip(contexts) {
            set.text(kOfxImageEffectPropSupportedContexts, index, context);
        }
        for (index, depth) in (0..).zip([kOfxBitDepthByte, kOfxBitDepthShort, kOfxBitDepthFloat]) {
            set.text(kOfxImageEffectPropSupportedPixelDepths, index, depth);
        }
        Ok(kOfxStatOK)
    }

    fn describe_in_context(&self, arguments: Properties) -> Reply {
        let context = arguments.string(kOfxImageEffectPropContext).ok_or(kOfxStatFailed)?;
        let generator = context.as_bytes() == kOfxImageEffectContextGenerator.to_bytes();
        let define = self.suites.effect.clipDefine.ok_or(kOfxStatErrMissingHostFeature)?;
        // A generator has a Source as well, which need not be connected.
        for name in [kOfxImageEffectSimpleSourceClipName, kOfxImageEffectOutputClipName] {
            let mut raw = ptr::null_mut();
            // SAFETY: the name is NUL-terminated, `raw` is a place for the result.
            check(unsafe { define(self.handle, name.as_ptr(), &raw mut raw) })?;
            let set = self.suites.set(raw);
            for (index, components) in (0..).zip([kOfxImageComponentRGBA, kOfxImageComponentAlpha])
            {
                set.text(kOfxImageEffectPropSupportedComponents, index, components);
            }
            let optional = generator && name == kOfxImageEffectSimpleSourceClipName;
            set.ints(kOfxImageClipPropOptional, &[c_int::from(optional)]);
        }
        if self.kind == Kind::Box {
            for (name, at) in [(c"lower", 0.25), (c"upper", 0.75)] {
                let set = self.suites.define(self.handle, kOfxParamTypeDouble2D, name)?;
                set.text(kOfxParamPropHint, 0, c"A corner of the box.");
                set.text(kOfxParamPropDoubleType, 0, kOfxParamDoubleTypeXYAbsolute);
                set.text(kOfxParamPropDefaultCoordinateSystem, 0, kOfxParamCoordinatesNormalised);
                set.doubles(kOfxParamPropDefault, &[at, at]);
                for (low, high) in [
                    (kOfxParamPropMin, kOfxParamPropMax),
                    (kOfxParamPropDisplayMin, kOfxParamPropDisplayMax),
                ] {
                    set.doubles(low, &[-10000.0, -10000.0]);
                    set.doubles(high, &[10000.0, 10000.0]);
                }
            }
        }
        Ok(kOfxStatOK)
    }

    fn is_generator(&self) -> Result<bool, Failure> {
        let context = self.suites.effect_set(self.handle)?.string(kOfxImageEffectPropContext);
        Ok(context.is_some_and(|context| {
            context.as_bytes() == kOfxImageEffectContextGenerator.to_bytes()
        }))
    }

    /// The box in the coordinates of the project.
    fn corners(&self, time: f64) -> Result<[f64; 4], Failure> {
        let corner =
            |name| self.suites.point(self.handle, name, time).ok_or(kOfxStatErrUnsupported);
        let (a, b) = (corner(c"lower")?, corner(c"upper")?);
        Ok([a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1)])
    }

    /// For a filter, the box and the clip; a generator can draw anywhere.
    fn region(&self, time: f64) -> Result<[f64; 4], Failure> {
        if self.is_generator()? {
            let (least, most) = (f64::from(kOfxFlagInfiniteMin), f64::from(kOfxFlagInfiniteMax));
            return Ok([least, least, most, most]);
        }
        let [x1, y1, x2, y2] = self.corners(time)?;
        let mut clip = ptr::null_mut();
        let mut of_clip = OfxRectD { x1: 0.0, y1: 0.0, x2: 0.0, y2: 0.0 };
        let (Some(get), Some(region)) =
            (self.suites.effect.clipGetHandle, self.suites.effect.clipGetRegionOfDefinition)
        else {
            return Err(kOfxStatErrMissingHostFeature);
        };
        let name = kOfxImageEffectSimpleSourceClipName;
        // SAFETY: the name is NUL-terminated, `clip` and `of_clip` are places for the results.
        check(unsafe { get(self.handle, name.as_ptr(), &raw mut clip, ptr::null_mut()) })?;
        // SAFETY: as above; the clip was just given.
        check(unsafe { region(clip, time, &raw mut of_clip) }).map_err(|_| kOfxStatFailed)?;
        Ok([x1.min(of_clip.x1), y1.min(of_clip.y1), x2.max(of_clip.x2), y2.max(of_clip.y2)])
    }

    fn image(&self, clip: &CStr, time: f64) -> Result<Option<Image>, Failure> {
        let Some(image) = Image::fetch(self.suites, self.handle, clip, time, false) else {
            return Ok(None);
        };
        let props = image.props;
        let texts = [
            kOfxImageEffectPropPreMultiplication,
            kOfxImagePropField,
            kOfxImagePropUniqueIdentifier,
        ];
        let numbers = [kOfxImagePropPixelAspectRatio, kOfxImageEffectPropRenderScale];
        let whole = texts.iter().all(|name| props.string(name).is_some())
            && numbers.iter().all(|name| props.double(name, 0).is_some())
            && props.rectangle(kOfxImagePropRegionOfDefinition).is_some();
        if whole { Ok(Some(image)) } else { Err(kOfxStatErrMissingHostFeature) }
    }

    fn render(&self, arguments: Properties) -> Reply {
        let time = arguments.double(kOfxPropTime, 0).ok_or(kOfxStatFailed)?;
        let scale = arguments.double(kOfxImageEffectPropRenderScale, 0).ok_or(kOfxStatFailed)?;
        let window = arguments.rectangle(kOfxImageEffectPropRenderWindow).ok_or(kOfxStatFailed)?;
        let output = self.image(kOfxImageEffectOutputClipName, time)?.ok_or(kOfxStatFailed)?;
        let source = self.image(kOfxImageEffectSimpleSourceClipName, time)?;
        if source
            .as_ref()
            .is_some_and(|source| source.depth != output.depth || source.samples != output.samples)
        {
            return Err(kOfxStatErrImageFormat);
        }
        let b = output.bounds;
        if window.x1 < b.x1 || window.y1 < b.y1 || window.x2 > b.x2 || window.y2 > b.y2 {
            // Here the library stops the process.
            return Err(kOfxStatErrBadIndex);
        }
        let corners = match self.kind {
            Kind::Box => Some(self.corners(time)?.map(|edge| (edge * scale).round())),
            Kind::Invert => None,
        };
        let work =
            Work { effect: *self, source: source.as_ref(), output: &output, window, corners };
        self.suites.in_threads(&work, Work::rows)
    }
}

/// A render, shared by several threads.
struct Work<'a> {
    effect: Effect,
    source: Option<&'a Image>,
    output: &'a Image,
    window: OfxRectI,
    corners: Option<[f64; 4]>,
}

impl Work<'_> {
    /// One thread's share of the rows.
    fn rows(&self, thread: c_uint, threads: c_uint) {
        let window = self.window;
        let share = |at: c_uint| {
            window.y1
                + ((window.y2 - window.y1) as i64 * i64::from(at) / i64::from(threads)) as c_int
        };
        for y in share(thread)..share(thread + 1) {
            if let Some(abort) = self.effect.suites.effect.abort {
                // SAFETY: the handle of the render in progress.
                let wanted = unsafe { abort(self.effect.handle) };
                if wanted != 0 {
                    return;
                }
            }
            for x in window.x1..window.x2 {
                let Some(pixel) = self.output.pixel(x, y) else { continue };
                for at in 0..self.output.samples {
                    let before = self.source.map_or(0.0, |source| read(source, x, y, at));
                    let value = self.value(x, y, at, before);
                    // SAFETY: a sample of a pixel inside of the image, in rows of this thread's own.
                    unsafe {
                        write(pixel.add(at * self.output.sample_bytes()), &self.output.depth, value)
                    };
                }
            }
        }
    }

    fn value(&self, x: c_int, y: c_int, at: usize, before: f32) -> f32 {
        let is_alpha = at == 3 || self.output.samples == 1;
        match self.corners {
            None if is_alpha || self.source.is_none() => before,
            None => 1.0 - before,
            Some([x1, y1, x2, y2]) => {
                let (x, y) = (f64::from(x), f64::from(y));
                if x < x1 || x >= x2 || y < y1 || y >= y2 {
                    before
                } else if is_alpha {
                    1.0
                } else {
                    [0.9, 0.5, 0.2][at]
                }
            }
        }
    }
}
