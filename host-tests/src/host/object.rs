//! The host object that a plug-in receives: its properties, its suites, and its behaviour.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    sync::Arc,
};

use parking_lot::RwLock;

use crate::{
    host::behaviour::Behaviour,
    host::call,
    host::journal::Journal,
    host::pixels::{Components, Depth},
    host::profile::Profile,
    host::props::PropertySet,
    host::suites,
    host::sys::*,
};

/// A host that imitates a profile.
pub struct Host {
    profile: &'static Profile,
    props: Arc<PropertySet>,
    journal: Arc<Journal>,
    behaviour: RwLock<Behaviour>,
    /// Boxed, so that its address never changes: plug-ins keep it.
    raw: Box<OfxHost>,
}

// SAFETY: `raw` contains a handle and a function pointer, both constant and usable from any thread.
unsafe impl Send for Host {}
// SAFETY: as above; all mutable state is behind a lock.
unsafe impl Sync for Host {}

/// Hosts are never freed, because a plug-in may keep the address from `setHost` for as long as it
/// likes.
static HOSTS: RwLock<Vec<Arc<Host>>> = RwLock::new(Vec::new());

impl Host {
    /// A host that imitates `profile`.
    pub fn new(profile: &'static Profile) -> Arc<Self> {
        let journal = Journal::new();
        let props = describe(profile, &journal);
        let raw = Box::new(OfxHost { host: props.raw(), fetchSuite: Some(fetch_suite) });
        let host = Arc::new(Self {
            profile,
            props,
            journal,
            behaviour: RwLock::new(profile.behaviour),
            raw,
        });
        HOSTS.write().push(Arc::clone(&host));
        host
    }

    /// The imitated profile.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Record of what happens.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// The host's property set.
    pub fn props(&self) -> &Arc<PropertySet> {
        &self.props
    }

    /// Its current behaviour.
    pub fn behaviour(&self) -> Behaviour {
        *self.behaviour.read()
    }

    /// Changes its behaviour.
    pub fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.write());
    }

    /// Whether the host supports that depth.
    pub fn gives_depth(&self, depth: Depth) -> bool {
        self.profile.depths.contains(&depth)
    }

    /// Whether the host supports those components.
    pub fn gives_components(&self, components: Components) -> bool {
        self.profile.components.contains(&components)
    }

    /// Address for `setHost`.
    pub(crate) fn raw(&self) -> *mut OfxHost {
        std::ptr::from_ref(&*self.raw).cast_mut()
    }

    fn suite(&self, name: &CStr, version: c_int) -> *const c_void {
        let has = self.profile.suites.contains(&(name, version));
        if !has {
            log::debug!("{} has no {} {version}", self.profile.id, name.to_string_lossy());
            return std::ptr::null();
        }
        suites::find(name, version, self.behaviour().null_message_two)
    }
}

unsafe extern "C" fn fetch_suite(
    host: OfxPropertySetHandle,
    name: *const c_char,
    version: c_int,
) -> *const c_void {
    let mut suite = std::ptr::null();
    call::suite("fetchSuite", || {
        let found = HOSTS.read().iter().find(|known| known.props.raw() == host).cloned();
        let Some(found) = found else {
            return call::bad_handle("fetchSuite", host);
        };
        if name.is_null() {
            return call::null("fetchSuite", "name");
        }
        // SAFETY: the API passes a NUL-terminated name, which has just been checked not to be null.
        suite = found.suite(unsafe { CStr::from_ptr(name) }, version);
        kOfxStatOK
    });
    suite
}

fn describe(profile: &'static Profile, journal: &Arc<Journal>) -> Arc<PropertySet> {
    let yes = c_int::from;
    let names = |names: Vec<&'static CStr>| names.into_iter().map(ascii).collect::<Vec<_>>();
    let components = names(profile.components.iter().map(|c| c.name()).collect());
    let depths = names(profile.depths.iter().map(|d| d.name()).collect());
    let contexts = if profile.tells_contexts { profile.contexts } else { &[] };
    let contexts = names(contexts.to_vec());
    let mut set = PropertySet::of("the host", journal)
        .read_only()
        .missing(profile.missing_on_host)
        .text(kOfxPropType, ascii(kOfxTypeImageEffectHost))
        .text(kOfxPropName, profile.name)
        .text(kOfxPropLabel, profile.label)
        .ints(kOfxPropVersion, &profile.version)
        .text(kOfxPropVersionLabel, &profile.version.map(|part| part.to_string()).join("."))
        .ints(kOfxImageEffectPropSupportsOverlays, &[0])
        .ints(kOfxImageEffectPropSupportsMultiResolution, &[yes(profile.multi_resolution)])
        .ints(kOfxImageEffectPropSupportsTiles, &[yes(profile.tiles)])
        .ints(kOfxImageEffectPropTemporalClipAccess, &[yes(profile.temporal)])
        .list(kOfxImageEffectPropSupportedComponents, &components)
        .list(kOfxImageEffectPropSupportedContexts, &contexts)
        .list(kOfxImageEffectPropSupportedPixelDepths, &depths)
        .ints(kOfxImageEffectPropSupportsMultipleClipDepths, &[yes(profile.multi_depths)])
        .ints(kOfxImageEffectPropSupportsMultipleClipPARs, &[0])
        .ints(kOfxImageEffectHostPropIsBackground, &[1])
        .ints(kOfxImageEffectPropSetableFielding, &[0])
        .ints(kOfxImageEffectPropSetableFrameRate, &[yes(profile.setable_rate)])
        .ints(kOfxImageEffectInstancePropSequentialRender, &[2])
        .ints(kOfxParamHostPropSupportsCustomInteract, &[0])
        .ints(kOfxParamHostPropSupportsStringAnimation, &[0])
        .ints(kOfxParamHostPropSupportsChoiceAnimation, &[1])
        .ints(kOfxParamHostPropSupportsBooleanAnimation, &[1])
        .ints(kOfxParamHostPropSupportsCustomAnimation, &[0])
        .ints(kOfxParamHostPropMaxParameters, &[-1])
        .ints(kOfxParamHostPropMaxPages, &[0])
        .ints(kOfxParamHostPropPageRowColumnCount, &[0, 0])
        .pointer(kOfxPropHostOSHandle, 0)
        .text(kOfxImageEffectPropOpenGLRenderSupported, "false")
        .ints(kOfxImageEffectPropRenderQualityDraft, &[1])
        .text(kOfxImageEffectHostPropNativeOrigin, ascii(kOfxHostNativeOriginBottomLeft));
    if profile.str_choice {
        set = set
            .ints(kOfxParamHostPropSupportsStrChoice, &[1])
            .ints(kOfxParamHostPropSupportsStrChoiceAnimation, &[0]);
    }
    if let Some(api) = profile.api {
        set = set.ints(kOfxPropAPIVersion, &api);
    }
    set.build()
}
