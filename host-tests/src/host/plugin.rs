//! A plug-in loaded by a host: its entry point, its descriptors, and its life from Load to Unload.

use std::{
    collections::BTreeMap,
    ffi::{CStr, c_void},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::{Result, bail};
use parking_lot::{Mutex, RwLock};

use crate::{
    host::Host,
    host::binary::{Binary, Entry},
    host::buffer::Buffer,
    host::call::{self, Scope, Stage},
    host::effect::{Effect, short},
    host::images,
    host::journal::Rule,
    host::props::PropertySet,
    host::status::Status,
    host::suites,
    host::sys::*,
};

/// Host and plug-in have nothing in common that the effect could work with, which is not a fault of
/// either.
#[derive(Debug)]
pub struct Incompatible(pub String);

impl std::fmt::Display for Incompatible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Incompatible {}

/// One call of a plug-in's entry point.
pub(crate) struct Action<'a> {
    pub(crate) name: &'a CStr,
    pub(crate) effect: Option<&'a Arc<Effect>>,
    pub(crate) arguments: Option<&'a PropertySet>,
    pub(crate) results: Option<&'a PropertySet>,
    pub(crate) time: Option<f64>,
    pub(crate) target: Option<&'a Arc<Buffer>>,
}

impl<'a> Action<'a> {
    /// An action without arguments.
    pub(crate) fn new(name: &'a CStr) -> Self {
        Self { name, effect: None, arguments: None, results: None, time: None, target: None }
    }

    /// Passes the handle of this effect.
    pub(crate) fn on(self, effect: &'a Arc<Effect>) -> Self {
        Self { effect: Some(effect), ..self }
    }
}

/// How many users in this process have loaded each plug-in of a file. They share one state of the
/// plug-in, which Unload ends: plug-ins made with the OpenFX Support library crash in any call
/// after it except Load.
static LOADS: Mutex<BTreeMap<(PathBuf, String), usize>> = Mutex::new(BTreeMap::new());

/// A plug-in used by a host.
pub struct Plugin {
    binary: Arc<Binary>,
    /// Kept here, because an entry may be gone after Unload.
    id: String,
    version: (u32, u32),
    entry: RwLock<Entry>,
    host: Arc<Host>,
    descriptor: RwLock<Option<Arc<Effect>>>,
    contexts: RwLock<BTreeMap<String, Arc<Effect>>>,
    /// Descriptors of earlier Describe calls: the plug-in may still know their handles.
    former: RwLock<Vec<Arc<Effect>>>,
    loaded: AtomicBool,
}

impl Plugin {
    /// Introduces the host to the plug-in without calling an action.
    ///
    /// # Errors
    /// When the binary has no such plug-in, or several and none was named; when the plug-in is not
    /// an image effect or refuses the host.
    pub fn new(binary: &Arc<Binary>, id: Option<&str>, host: &Arc<Host>) -> Result<Arc<Self>> {
        let entry = binary.entry(id)?;
        if entry.api().as_bytes() != kOfxImageEffectPluginApi.to_bytes() {
            bail!("{} is of the API \"{}\", not an image effect", entry.id(), entry.api());
        }
        let plugin = Arc::new(Self {
            binary: Arc::clone(binary),
            id: entry.id(),
            version: entry.version(),
            entry: RwLock::new(entry),
            host: Arc::clone(host),
            descriptor: RwLock::new(None),
            contexts: RwLock::new(BTreeMap::new()),
            former: RwLock::new(Vec::new()),
            loaded: AtomicBool::new(false),
        });
        let welcome = call::inside(plugin.scope(c"OfxSetHost"), || binary.offer_host(host.raw()));
        if !welcome {
            bail!("{} refuses this host (OfxSetHost)", binary.path().display());
        }
        plugin.set_host()?;
        Ok(plugin)
    }

    /// Opens the file or bundle at `path` and introduces `host`.
    ///
    /// # Errors
    /// As [`Plugin::new`]; when the file cannot be opened.
    pub fn open(path: &Path, id: Option<&str>, host: &Arc<Host>) -> Result<Arc<Self>> {
        Self::new(&Binary::open(&crate::host::binary::find_one(path)?)?, id, host)
    }

    fn scope(&self, action: &CStr) -> Scope {
        static ACTIONS: AtomicU64 = AtomicU64::new(1);
        let id = ACTIONS.fetch_add(1, Ordering::Relaxed);
        let (journal, stage) = (Arc::clone(self.host.journal()), Stage::of(action));
        Scope { journal, id, stage, time: None, target: None }
    }

    /// Calls `setHost`: before anything else, and again if another host was introduced in the
    /// meantime.
    ///
    /// # Errors
    /// When the plug-in has no `setHost`.
    pub fn set_host(&self) -> Result<()> {
        let Some(set_host) = self.entry().raw().setHost else {
            bail!("{} has no setHost function", self.id());
        };
        // SAFETY: the standard's function, with a structure that lives as long as the host.
        call::inside(self.scope(c"setHost"), || unsafe { set_host(self.host.raw()) });
        Ok(())
    }

    fn entry(&self) -> Entry {
        *self.entry.read()
    }

    /// Identifier.
    pub fn id(&self) -> String {
        self.id.clone()
    }

    /// Major and minor version.
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// Whether its file contains another version of it.
    pub(crate) fn has_other_version(&self) -> bool {
        self.binary.versions(&self.id()).into_iter().any(|version| version != self.version())
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        self.binary.path()
    }

    /// The host that uses it.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Calls the entry point, and then checks what the action left behind.
    pub(crate) fn call(&self, action: &Action<'_>) -> Status {
        let Some(main) = self.entry().raw().mainEntry else {
            return Status(kOfxStatFailed);
        };
        let mut scope = self.scope(action.name);
        scope.time = action.time;
        scope.target = action.target.cloned();
        let id = scope.id;
        let handle = action
            .effect
            .map_or(std::ptr::null(), |effect| effect.raw().cast_const().cast::<c_void>());
        let set = |set: Option<&PropertySet>| set.map_or(std::ptr::null_mut(), PropertySet::raw);
        log::trace!("{} …", action.name.to_string_lossy());
        let status = call::inside(scope, || {
            // SAFETY: the standard's entry point; the handles stay valid for the call.
            Status(unsafe {
                main(action.name.as_ptr(), handle, set(action.arguments), set(action.results))
            })
        });
        log::debug!("{} answered {status}", action.name.to_string_lossy());
        if let Some(effect) = action.effect {
            images::collect(effect, Some(id), &action.name.to_string_lossy());
        }
        status
    }

    /// The Load action.
    pub fn load(&self) -> Status {
        let status = self.call(&Action::new(kOfxActionLoad));
        let before = self.loaded.swap(status.is_fine(), Ordering::SeqCst);
        match (before, status.is_fine()) {
            (false, true) => *LOADS.lock().entry(self.loads_key()).or_default() += 1,
            (true, false) => {
                self.one_less();
            }
            _ => {}
        }
        status
    }

    fn loads_key(&self) -> (PathBuf, String) {
        (self.binary.path().to_owned(), self.id())
    }

    /// Counts one user less, and returns whether it was the last.
    fn one_less(&self) -> bool {
        let mut loads = LOADS.lock();
        let Some(count) = loads.get_mut(&self.loads_key()) else { return true };
        *count = count.saturating_sub(1);
        *count == 0
    }

    /// The Describe action on a new descriptor.
    pub fn describe(&self) -> Status {
        let descriptor =
            Effect::descriptor(&self.host, &self.id(), &self.binary.path().to_string_lossy());
        let status = self.call(&Action::new(kOfxActionDescribe).on(&descriptor));
        let old = self.descriptor.write().replace(descriptor);
        self.former.write().extend(old);
        status
    }

    /// The descriptor that Describe filled, if it was called.
    pub fn descriptor(&self) -> Option<Arc<Effect>> {
        self.descriptor.read().clone()
    }

    /// Contexts that both the plug-in and the host know, in the host's order.
    pub fn contexts(&self) -> Vec<String> {
        let Some(descriptor) = self.descriptor() else { return Vec::new() };
        let offered = descriptor.props.texts(kOfxImageEffectPropSupportedContexts);
        let known = self.host.profile().contexts.iter().map(|context| ascii(context).to_owned());
        known.filter(|context| offered.contains(context)).collect()
    }

    /// The DescribeInContext action on a new descriptor.
    pub fn describe_in_context(&self, context: &str) -> (Status, Option<Arc<Effect>>) {
        let Some(descriptor) = self.descriptor() else {
            return (Status(kOfxStatErrBadHandle), None);
        };
        let effect = descriptor.in_context(context);
        let arguments = PropertySet::of("the arguments of DescribeInContext", self.host.journal())
            .read_only()
            .text(kOfxImageEffectPropContext, context)
            .build();
        let action = Action {
            arguments: Some(&arguments),
            ..Action::new(kOfxImageEffectActionDescribeInContext)
        };
        let status = self.call(&action.on(&effect));
        let old = self.contexts.write().insert(context.to_owned(), Arc::clone(&effect));
        self.former.write().extend(old);
        (status, Some(effect))
    }

    /// The descriptor of a context, described on first use.
    ///
    /// # Errors
    /// When plug-in or host does not support the context, or DescribeInContext returns an error.
    pub fn context(&self, context: &str) -> Result<Arc<Effect>> {
        let known = self.contexts.read().get(context).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        if !self.contexts().iter().any(|offered| offered == context) {
            let offered: Vec<String> =
                self.contexts().iter().map(|c| short(c).to_owned()).collect();
            bail!(
                "{} under {} has no context {}; it has: {}",
                self.id(),
                self.host.profile().label,
                short(context),
                offered.join(", ")
            );
        }
        match self.describe_in_context(context) {
            (status, Some(effect)) if status.is_fine() => Ok(effect),
            (status, _) => {
                bail!("{} cannot describe itself in {}: {status}", self.id(), short(context))
            }
        }
    }

    /// Load and Describe; any status that is not fine is an error. After an Unload the plug-in may
    /// have forgotten the host, so it is introduced again.
    ///
    /// # Errors
    /// When Load or Describe returns an error; [`Incompatible`] when the plug-in needs a feature
    /// that the host lacks, or draws on a graphics card only.
    pub fn start(&self) -> Result<()> {
        if LOADS.lock().get(&self.loads_key()).is_none_or(|count| *count == 0) {
            self.binary.ask_again()?;
            *self.entry.write() = self.binary.entry(Some(&self.id))?;
        }
        self.set_host()?;
        for (name, status) in [("Load", self.load()), ("Describe", self.describe())] {
            if status.0 == kOfxStatErrMissingHostFeature {
                return Err(self.misses_something());
            }
            if !status.is_fine() {
                bail!("{} answered {status} to {name}{}", self.id(), self.said());
            }
        }
        let says = |name, wanted: &str| {
            self.descriptor().is_some_and(|descriptor| descriptor.props.was_told(name, wanted))
        };
        if says(kOfxImageEffectPropOpenGLRenderSupported, "needed")
            || says(kOfxImageEffectPropCPURenderSupported, "false")
        {
            Err(Incompatible(format!("{} draws on a graphics card only", self.id())))?;
        }
        Ok(())
    }

    /// The error for a plug-in that reported a missing feature of this host.
    pub(crate) fn misses_something(&self) -> anyhow::Error {
        let (host, said) = (self.host.profile().label, self.said());
        Incompatible(format!("{} misses a feature in {host}{said}", self.id())).into()
    }

    /// What MLT does before each instance: introduces itself, loads, and describes again.
    ///
    /// # Errors
    /// As [`Plugin::start`].
    pub fn start_again(&self) -> Result<()> {
        let contexts: Vec<String> = self.contexts.read().keys().cloned().collect();
        self.start()?;
        for context in contexts {
            self.describe_in_context(&context);
        }
        Ok(())
    }

    /// Recently posted messages, as the end of a sentence.
    pub fn said(&self) -> String {
        let messages = self.host.journal().take_messages();
        messages.last().map(|message| format!(": {}", message.text)).unwrap_or_default()
    }

    /// The Unload action, followed by a check of which host memory the plug-in keeps. If others in
    /// this process have loaded the same plug-in, it stays loaded, because Unload would free what
    /// they use.
    pub fn unload(&self) -> Option<Status> {
        if !self.loaded.swap(false, Ordering::SeqCst) {
            return None;
        }
        if !self.one_less() {
            return Some(Status::OK);
        }
        let status = self.call(&Action::new(kOfxActionUnload));
        let blocks = suites::blocks_left(self.host.journal());
        if blocks > 0 {
            let what = format!(
                "{blocks} block(s) of the memory suite were not freed before Unload returned"
            );
            self.host.journal().violate(Rule::Memory, what);
        }
        Some(status)
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.unload();
    }
}
