//! The single entry point: every call from the host arrives here, is checked, guarded against
//! panics, and answered.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxImageEffectActions.html>

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use inbetween_core::error::panic_text;
use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::colour::*;
use openfx::sys::image_effect_v1::image_effect::*;

use super::Context;
use super::geometry::{Rect, Region};
use super::host::{Host, call, remember};
use super::props::Props;
use super::status::{Error, Reply, Result};

/// The descriptor or instance that an action is about, with the host that requests it.
pub(crate) struct EffectRef<'a> {
    host: &'a Host,
    handle: OfxImageEffectHandle,
}

impl<'a> EffectRef<'a> {
    /// The host that requests the action.
    pub(crate) fn host(&self) -> &'a Host {
        self.host
    }

    pub(super) fn raw(&self) -> OfxImageEffectHandle {
        self.handle
    }

    /// Identifies an instance for as long as it lives.
    pub(crate) fn address(&self) -> usize {
        self.handle as usize
    }

    /// The effect's own properties.
    pub(crate) fn props(&self) -> Result<Props<'a>> {
        let mut props = std::ptr::null_mut();
        let status = call!(self.host.effect, getPropertySet(self.handle, &mut props))?;
        super::status::check(status, || "getPropertySet".into())?;
        Ok(self.host.wrap(props))
    }

    /// The context of an instance.
    pub(crate) fn context(&self) -> Result<Context> {
        let name = self.props()?.string(kOfxImageEffectPropContext);
        name.as_deref().and_then(Context::from_name).ok_or_else(|| Error::BadArgument {
            what: "context",
            found: name.unwrap_or_else(|| "missing".into()),
        })
    }

    /// The project's frames per second as reported by the host; some hosts report 0 or NaN.
    pub(crate) fn project_rate(&self) -> Option<f64> {
        self.props().ok()?.double(kOfxImageEffectPropFrameRate)
    }

    /// Whether the host reports clips' colourspaces in a way that the effect has declared to
    /// support.
    pub(crate) fn manages_colours(&self) -> bool {
        let style = self
            .props()
            .ok()
            .and_then(|props| props.string(kOfxImageEffectPropColourManagementStyle));
        style.is_some_and(|style| {
            !style.is_empty()
                && Some(style.as_str()) != kOfxImageEffectColourManagementNone.to_str().ok()
        })
    }

    /// The area of the project in canonical coordinates, if the host reports it.
    pub(crate) fn project_region(&self) -> Option<Region> {
        let props = self.props().ok()?;
        let [x, y] = props.doubles(kOfxImageEffectPropProjectOffset).unwrap_or([0.0; 2]);
        let [width, height] = props.doubles(kOfxImageEffectPropProjectSize)?;
        let region = Region { x1: x, y1: y, x2: x + width, y2: y + height };
        region.is_usable().then_some(region)
    }

    /// Whether the host wants the render to end.
    pub(crate) fn is_aborted(&self) -> bool {
        matches!(call!(self.host.effect, abort(self.handle)), Ok(answer) if answer != 0)
    }
}

/// An action that the host requests, with its arguments.
pub(crate) enum Action<'a> {
    /// Describe the plug-in.
    Describe,
    /// Describe its clips and parameters in a context.
    DescribeInContext(Context),
    /// An instance was created.
    CreateInstance,
    /// An instance is being destroyed.
    DestroyInstance,
    /// A parameter, a clip or the time changed.
    InstanceChanged(Changed),
    /// Memory is short.
    PurgeCaches,
    /// How are clips to be delivered?
    GetClipPreferences(Props<'a>),
    /// In which colourspace is the output?
    GetOutputColourspace(Props<'a>),
    /// Where will there be pixels at this time?
    GetRegionOfDefinition(f64, Props<'a>),
    /// Which parts of the clips are needed at this time?
    GetRegionsOfInterest(f64, Props<'a>),
    /// Which frames of the clips are needed at this time?
    GetFramesNeeded(f64, Props<'a>),
    /// When is there something to see?
    GetTimeDomain(Props<'a>),
    /// Is the output at this time just a frame of a clip?
    IsIdentity(f64, Props<'a>),
    /// Draw.
    Render(RenderArgs),
    /// Renders follow, or have ended.
    SequenceRender,
}

/// What changed in an instance.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    /// The id of the parameter or clip; empty if the host does not say.
    pub(crate) name: String,
    /// The effect itself made the change by setting a parameter.
    pub(crate) by_plugin: bool,
    /// The time that the artist is looking at, in frames.
    pub(crate) time: f64,
}

/// The arguments of a render.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RenderArgs {
    /// The time, in frames.
    pub(crate) time: f64,
    /// The pixels to fill.
    pub(crate) window: Rect,
    /// An artist is waiting at the screen.
    pub(crate) interactive: bool,
    /// The host wants a quick picture, for example while a slider is moved.
    pub(crate) draft: bool,
    /// Pixels per unit of canonical height, and of width if pixels are square: below 1 in proxies.
    pub(crate) scale: [f64; 2],
}

/// Remembers the host. The host calls this before any action, and again whenever it likes.
pub(crate) fn set_host(host: *mut OfxHost) {
    let remembered = catch_unwind(|| remember(host));
    if let Err(cause) = remembered {
        log::error!("setHost panicked: {}", panic_text(cause.as_ref()));
    }
}

/// Performs one action. The pointers are those that the host passed to the plug-in's main entry.
/// `perform` carries out actions on a descriptor or instance; `unload` ends whatever is still
/// running.
pub(crate) fn main_entry(
    action: *const c_char,
    handle: *const c_void,
    in_args: OfxPropertySetHandle,
    out_args: OfxPropertySetHandle,
    perform: fn(&EffectRef<'_>, Action<'_>) -> Result<Reply>,
    unload: fn(),
) -> OfxStatus {
    if action.is_null() {
        return kOfxStatErrBadHandle;
    }
    // SAFETY: not null, and the host passes a NUL-terminated action name (ofxCore.h).
    let action = unsafe { CStr::from_ptr(action) };
    guard(action, || match action {
        name if name == kOfxActionLoad => Host::load().map(|_| Reply::Ok),
        name if name == kOfxActionUnload => {
            unload();
            Ok(Reply::Ok)
        }
        name => {
            let host = Host::current()?;
            let Some(action) = parse(name, &host, in_args, out_args)? else {
                return Ok(Reply::Default);
            };
            if handle.is_null() {
                return Err(Error::BadArgument { what: "effect handle", found: "null".into() });
            }
            let effect = EffectRef { host: &host, handle: handle.cast_mut().cast() };
            perform(&effect, action)
        }
    })
}

/// Finds the action of that name and checks its arguments. `None` for actions that are not handled.
fn parse<'a>(
    name: &CStr,
    host: &'a Arc<Host>,
    in_args: OfxPropertySetHandle,
    out_args: OfxPropertySetHandle,
) -> Result<Option<Action<'a>>> {
    let (given, out) = (host.wrap(in_args), host.wrap(out_args));
    let time =
        || given.double(kOfxPropTime).filter(|time| time.is_finite()).ok_or_else(missing_time);
    let action = match name {
        n if n == kOfxActionDescribe => Action::Describe,
        n if n == kOfxImageEffectActionDescribeInContext => {
            let name = given.string(kOfxImageEffectPropContext).unwrap_or_default();
            match Context::from_name(&name) {
                Some(context) => Action::DescribeInContext(context),
                None => return Err(Error::BadArgument { what: "context", found: name }),
            }
        }
        n if n == kOfxActionCreateInstance => Action::CreateInstance,
        n if n == kOfxActionDestroyInstance => Action::DestroyInstance,
        n if n == kOfxActionInstanceChanged => Action::InstanceChanged(Changed {
            name: given.string(kOfxPropName).unwrap_or_default(),
            by_plugin: given.string(kOfxPropChangeReason).as_deref()
                == kOfxChangePluginEdited.to_str().ok(),
            time: time().unwrap_or(0.0),
        }),
        n if n == kOfxActionPurgeCaches => Action::PurgeCaches,
        n if n == kOfxImageEffectActionGetClipPreferences => Action::GetClipPreferences(out),
        n if n == kOfxImageEffectActionGetOutputColourspace => Action::GetOutputColourspace(out),
        n if n == kOfxImageEffectActionGetRegionOfDefinition => {
            Action::GetRegionOfDefinition(time()?, out)
        }
        n if n == kOfxImageEffectActionGetRegionsOfInterest => {
            Action::GetRegionsOfInterest(time()?, out)
        }
        n if n == kOfxImageEffectActionGetFramesNeeded => Action::GetFramesNeeded(time()?, out),
        n if n == kOfxImageEffectActionGetTimeDomain => Action::GetTimeDomain(out),
        n if n == kOfxImageEffectActionIsIdentity => Action::IsIdentity(time()?, out),
        n if n == kOfxImageEffectActionRender => {
            let window = given.ints(kOfxImageEffectPropRenderWindow).map(Rect::from_edges);
            Action::Render(RenderArgs {
                time: time()?,
                window: window.ok_or_else(|| Error::BadArgument {
                    what: "render window",
                    found: "missing".into(),
                })?,
                interactive: given.int(kOfxImageEffectPropInteractiveRenderStatus) == Some(1),
                draft: given.int(kOfxImageEffectPropRenderQualityDraft) == Some(1),
                scale: given
                    .doubles(kOfxImageEffectPropRenderScale)
                    .filter(|scale: &[f64; 2]| scale.iter().all(|s| s.is_finite() && *s > 0.0))
                    .unwrap_or([1.0; 2]),
            })
        }
        n if n == kOfxImageEffectActionBeginSequenceRender
            || n == kOfxImageEffectActionEndSequenceRender =>
        {
            Action::SequenceRender
        }
        _ => return Ok(None),
    };
    Ok(Some(action))
}

fn missing_time() -> Error {
    Error::BadArgument { what: "time", found: "missing or not a number".into() }
}

/// Runs `body` so that neither an error nor a panic escapes.
fn guard(action: &CStr, body: impl FnOnce() -> Result<Reply>) -> OfxStatus {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(reply)) => reply.status(),
        Ok(Err(error)) => {
            // The only place where a failed action is logged.
            match error.user_message() {
                Some(text) => log::error!("{action:?}: {text}"),
                None => log::debug!("{action:?}: {error}"),
            }
            error.status()
        }
        Err(cause) => {
            log::error!("{action:?} panicked: {}", panic_text(cause.as_ref()));
            kOfxStatFailed
        }
    }
}
