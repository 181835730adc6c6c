//! The host: its identity and the suites it offers.

use std::ffi::{CStr, c_int};
use std::ptr::NonNull;
use std::sync::Arc;

use openfx::sys::generic::core::*;
use openfx::sys::generic::property::*;
use openfx::sys::image_effect_v1::image_effect::*;
use openfx::sys::image_effect_v1::message::*;
use openfx::sys::image_effect_v1::param::*;
use openfx::sys::image_effect_v1::progress::*;
use parking_lot::RwLock;

pub(super) use super::call::call;
use super::props::Props;
use super::status::{Error, Result};
use crate::hosts::Quirks;

// The suites are read as tables of function pointers. If a declaration had an entry too many or too
// few, every later call would reach the wrong function. The counts are those in the headers of
// OpenFX 1.5.1.
const _: () = {
    const POINTER: usize = size_of::<usize>();
    assert!(size_of::<OfxHost>() == 2 * POINTER);
    assert!(size_of::<OfxPropertySuiteV1>() == 18 * POINTER);
    assert!(size_of::<OfxImageEffectSuiteV1>() == 13 * POINTER);
    assert!(size_of::<OfxParameterSuiteV1>() == 18 * POINTER);
    assert!(size_of::<OfxMessageSuiteV1>() == POINTER);
    assert!(size_of::<OfxMessageSuiteV2>() == 3 * POINTER);
    assert!(size_of::<OfxProgressSuiteV1>() == 3 * POINTER);
    assert!(size_of::<OfxRectI>() == 16 && size_of::<OfxRectD>() == 32);
};

/// A host and its suites, as found during Load.
pub(crate) struct Host {
    pub(super) property: OfxPropertySuiteV1,
    pub(super) effect: OfxImageEffectSuiteV1,
    pub(super) param: OfxParameterSuiteV1,
    pub(super) message1: Option<OfxMessageSuiteV1>,
    pub(super) message2: Option<OfxMessageSuiteV2>,
    pub(super) progress: Option<OfxProgressSuiteV1>,
    quirks: Quirks,
    temporal_access: bool,
    background: bool,
    sets_frame_rate: bool,
}

/// The host pointer given to setHost. It stays valid until the plug-in is unloaded (ofxCore.h).
struct HostPointer(NonNull<OfxHost>);

// SAFETY: OpenFX allows the struct to be read from any thread that performs an action.
unsafe impl Send for HostPointer {}
// SAFETY: it is only ever read.
unsafe impl Sync for HostPointer {}

static GIVEN: RwLock<Option<HostPointer>> = RwLock::new(None);
static HOST: RwLock<Option<Arc<Host>>> = RwLock::new(None);

/// Remembers the host that will perform the actions to come.
pub(super) fn remember(host: *mut OfxHost) {
    *GIVEN.write() = NonNull::new(host).map(HostPointer);
}

impl Host {
    /// Fetches the suites again, as Load requires. Repeated and concurrent loads do no harm.
    pub(super) fn load() -> Result<Arc<Self>> {
        let host = {
            let given = GIVEN.read();
            let given = given.as_ref().ok_or(Error::HostLacks("a call of setHost before Load"))?;
            // SAFETY: setHost received the pointer from the host, which keeps it valid until
            // Unload; the struct is copied here.
            unsafe { *given.0.as_ptr() }
        };
        let host = Arc::new(Self::fetch(host)?);
        *HOST.write() = Some(Arc::clone(&host));
        Ok(host)
    }

    /// The host of the latest Load.
    pub(super) fn current() -> Result<Arc<Self>> {
        HOST.read().clone().ok_or(Error::HostLacks("a Load action before any other"))
    }

    fn fetch(host: OfxHost) -> Result<Self> {
        let property = suite::<OfxPropertySuiteV1>(&host, kOfxPropertySuite, 1)
            .ok_or(Error::HostLacks("the property suite"))?;
        let effect = suite::<OfxImageEffectSuiteV1>(&host, kOfxImageEffectSuite, 1)
            .ok_or(Error::HostLacks("the image effect suite"))?;
        let param = suite::<OfxParameterSuiteV1>(&host, kOfxParameterSuite, 1)
            .ok_or(Error::HostLacks("the parameter suite"))?;
        let props = Props::new(host.host, &property);
        let name = props.string(kOfxPropName).unwrap_or_default();
        let temporal_access = props.int(kOfxImageEffectPropTemporalClipAccess).unwrap_or(0) != 0;
        let background = props.int(kOfxImageEffectHostPropIsBackground).unwrap_or(0) != 0;
        let sets_frame_rate = props.int(kOfxImageEffectPropSetableFrameRate) == Some(1);
        let quirks = Quirks::named(&name);
        let message2 = if quirks.wild_message_suite {
            None
        } else {
            suite::<OfxMessageSuiteV2>(&host, kOfxMessageSuite, 2)
        };
        Ok(Self {
            property,
            effect,
            param,
            message1: suite::<OfxMessageSuiteV1>(&host, kOfxMessageSuite, 1),
            message2,
            progress: suite::<OfxProgressSuiteV1>(&host, kOfxProgressSuite, 1),
            quirks,
            temporal_access,
            background,
            sets_frame_rate,
        })
    }

    /// What this host does differently from what it reports.
    pub(crate) fn quirks(&self) -> Quirks {
        self.quirks
    }

    /// Whether clips can be asked for pictures at times other than the one being rendered.
    pub(crate) fn temporal_access(&self) -> bool {
        self.temporal_access
    }

    /// Whether nobody is looking, as in a batch render or a render process.
    pub(crate) fn is_background(&self) -> bool {
        self.background
    }

    /// Whether messages stay beside the node, where they interrupt nobody.
    pub(crate) fn keeps_messages(&self) -> bool {
        self.message2.is_some()
    }

    /// Whether an effect may give its output a different frame rate from that of its clips.
    pub(crate) fn sets_frame_rate(&self) -> bool {
        self.sets_frame_rate
    }

    pub(super) fn wrap(&self, handle: OfxPropertySetHandle) -> Props<'_> {
        Props::new(handle, &self.property)
    }
}

/// A copy of one suite's table, if the host has it.
fn suite<T: Copy>(host: &OfxHost, name: &CStr, version: c_int) -> Option<T> {
    let fetch = host.fetchSuite?;
    // SAFETY: `fetch` and `host.host` belong together in the struct that the host passed; the name
    // is NUL-terminated and outlives the call.
    // is NUL-terminated and outlives the call.
    let table = unsafe { fetch(host.host, name.as_ptr(), version) };
    // SAFETY: for this name and version the OpenFX headers promise a table of type `T` (each call
    // above pairs them) that stays valid while the plug-in is loaded. It is unaligned only if the
    // host breaks C's own rules. It is copied here.
    (!table.is_null()).then(|| unsafe { table.cast::<T>().read() })
}
