//! Effects: descriptors, on which a plug-in describes itself, and instances, which render.

use std::{
    collections::HashMap,
    ffi::c_int,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};

use crate::{
    host::Host,
    host::buffer::Buffer,
    host::clip::Clip,
    host::image_memory::ImageMemory,
    host::journal::Message,
    host::param::ParamSet,
    host::pixels::Depth,
    host::props::{Builder, PropertySet},
    host::registry::Handle,
    host::sys::*,
};

/// The role of an effect handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The argument of the Describe action.
    Descriptor,
    /// The argument of the DescribeInContext action.
    ContextDescriptor(String),
    /// It can render.
    Instance(String),
}

/// Size and time of the project that an instance lives in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Project {
    /// Pixels per row, and rows.
    pub size: (usize, usize),
    /// First and last frame.
    pub range: (f64, f64),
    /// Frames per second.
    pub rate: f64,
}

/// A descriptor or an instance.
pub struct Effect {
    handle: Handle,
    /// Its host.
    pub host: Arc<Host>,
    /// Its role.
    pub role: Role,
    /// Its properties.
    pub props: Arc<PropertySet>,
    /// Its parameters.
    pub params: Arc<ParamSet>,
    clips: RwLock<Vec<Arc<Clip>>>,
    project: Option<Project>,
    scale: RwLock<f64>,
    targets: Mutex<Vec<Arc<Buffer>>>,
    memory: Mutex<HashMap<usize, Arc<ImageMemory>>>,
    abort_after: AtomicI64,
    polls: AtomicU64,
    persistent: Mutex<Option<Message>>,
    progress: Mutex<Option<f64>>,
    /// Current time in the timeline suite.
    pub(crate) now: RwLock<f64>,
}

impl Effect {
    fn new(
        host: &Arc<Host>,
        role: Role,
        props: Arc<PropertySet>,
        params: Arc<ParamSet>,
        clips: Vec<Arc<Clip>>,
        project: Option<Project>,
    ) -> Arc<Self> {
        let effect = Arc::new(Self {
            handle: Handle::reserve(),
            host: Arc::clone(host),
            role,
            props,
            params,
            clips: RwLock::new(clips),
            now: RwLock::new(project.map_or(0.0, |project| project.range.0)),
            project,
            scale: RwLock::new(1.0),
            targets: Mutex::new(Vec::new()),
            memory: Mutex::new(HashMap::new()),
            abort_after: AtomicI64::new(-1),
            polls: AtomicU64::new(0),
            persistent: Mutex::new(None),
            progress: Mutex::new(None),
        });
        for clip in effect.clips.read().iter() {
            clip.adopt(effect.handle.id());
        }
        effect.handle.publish(&effect);
        effect
    }

    /// The descriptor for Describe.
    pub(crate) fn descriptor(host: &Arc<Host>, id: &str, path: &str) -> Arc<Self> {
        let params = ParamSet::describing(host.journal(), host.profile().missing_on_params);
        let props = describe(host, id, path).build();
        Self::new(host, Role::Descriptor, props, params, Vec::new(), None)
    }

    /// The descriptor for DescribeInContext: a copy of the descriptor's properties, without clips
    /// and parameters.
    pub(crate) fn in_context(&self, context: &str) -> Arc<Self> {
        let params =
            ParamSet::describing(self.host.journal(), self.host.profile().missing_on_params);
        let props = self.props.copy(format!("the {} descriptor", short(context)));
        let props = props
            .text(kOfxImageEffectPropContext, context)
            .lock(&[kOfxImageEffectPropContext])
            .build();
        Self::new(
            &self.host,
            Role::ContextDescriptor(context.to_owned()),
            props,
            params,
            Vec::new(),
            None,
        )
    }

    /// An instance of a context's descriptor, with every parameter at its default and no clip
    /// connected.
    pub(crate) fn instantiate(&self, project: Project) -> Arc<Self> {
        let context = match &self.role {
            Role::ContextDescriptor(context) | Role::Instance(context) => context.clone(),
            Role::Descriptor => String::new(),
        };
        let clips = self.clips().into_iter().map(|clip| {
            Clip::new(&self.host, &clip.name, instance_clip(&self.host, &clip, project))
        });
        let props = instance(&self.host, self, &context, project);
        Self::new(
            &self.host,
            Role::Instance(context),
            props,
            self.params.instantiate(project.size),
            clips.collect(),
            Some(project),
        )
    }

    /// Its handle as a number.
    pub(crate) fn id(&self) -> usize {
        self.handle.id()
    }

    pub(crate) fn raw(&self) -> OfxImageEffectHandle {
        self.handle.raw()
    }

    /// Its clips in the order of their definition.
    pub fn clips(&self) -> Vec<Arc<Clip>> {
        self.clips.read().clone()
    }

    /// The clip of that name.
    pub fn clip(&self, name: &str) -> Option<Arc<Clip>> {
        self.clips.read().iter().find(|clip| clip.name == name).cloned()
    }

    /// Adds a clip for the plug-in; `None` if the name is taken.
    pub(crate) fn define_clip(self: &Arc<Self>, name: &str) -> Option<Arc<Clip>> {
        let mut clips = self.clips.write();
        if clips.iter().any(|clip| clip.name == name) {
            return None;
        }
        let clip = Clip::new(&self.host, name, describe_clip(&self.host, name));
        clip.adopt(self.handle.id());
        clips.push(Arc::clone(&clip));
        Some(clip)
    }

    /// Sample types that the plug-in says it supports.
    pub fn depths(&self) -> Vec<Depth> {
        let names = self.props.texts(kOfxImageEffectPropSupportedPixelDepths);
        names.iter().filter_map(|name| Depth::from_name(name)).collect()
    }

    /// Pixels per row, and rows, of the project.
    pub fn project_size(&self) -> (usize, usize) {
        self.project.map_or((0, 0), |project| project.size)
    }

    /// The project.
    pub fn project(&self) -> Option<Project> {
        self.project
    }

    /// Current render scale of images.
    pub fn scale(&self) -> f64 {
        *self.scale.read()
    }

    /// Changes the render scale of images.
    pub fn set_scale(&self, scale: f64) {
        *self.scale.write() = scale;
    }

    pub(crate) fn add_target(&self, buffer: &Arc<Buffer>) {
        self.targets.lock().push(Arc::clone(buffer));
    }

    pub(crate) fn remove_target(&self, buffer: &Arc<Buffer>) {
        self.targets.lock().retain(|target| !Arc::ptr_eq(target, buffer));
    }

    /// The image being rendered, if there is only one.
    pub(crate) fn only_target(&self) -> Option<Arc<Buffer>> {
        match self.targets.lock().as_slice() {
            [target] => Some(Arc::clone(target)),
            _ => None,
        }
    }

    pub(crate) fn keep_memory(&self, memory: Arc<ImageMemory>) {
        self.memory.lock().insert(memory.id(), memory);
    }

    pub(crate) fn free_memory(&self, id: usize) -> bool {
        self.memory.lock().remove(&id).is_some()
    }

    /// Number of blocks of image memory that have not been returned.
    pub(crate) fn memory_left(&self) -> usize {
        self.memory.lock().len()
    }

    /// `abort` returns yes from the poll after `polls` on; `None` for never.
    pub fn abort_after(&self, polls: Option<u32>) {
        self.abort_after.store(polls.map_or(-1, i64::from), Ordering::SeqCst);
        self.polls.store(0, Ordering::SeqCst);
    }

    /// How many times the plug-in asked whether to stop.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::SeqCst)
    }

    pub(crate) fn poll_abort(&self) -> c_int {
        let polls = self.polls.fetch_add(1, Ordering::SeqCst);
        let limit = self.abort_after.load(Ordering::SeqCst);
        c_int::from(u64::try_from(limit).is_ok_and(|limit| polls >= limit))
    }

    pub(crate) fn set_persistent(&self, message: Option<Message>) {
        *self.persistent.lock() = message;
    }

    /// The message shown on the effect.
    pub fn persistent(&self) -> Option<Message> {
        self.persistent.lock().clone()
    }

    pub(crate) fn set_progress(&self, progress: Option<f64>) {
        *self.progress.lock() = progress;
    }

    /// Progress of the render, 0..=1, while the plug-in shows it.
    pub fn progress(&self) -> Option<f64> {
        *self.progress.lock()
    }
}

/// `General` for `OfxImageEffectContextGeneral`.
pub fn short(context: &str) -> &str {
    context.trim_start_matches("OfxImageEffectContext")
}

fn describe(host: &Host, id: &str, path: &str) -> Builder {
    let set = PropertySet::of("the descriptor", host.journal())
        .missing(host.profile().missing_on_effects)
        .text(kOfxPropType, ascii(kOfxTypeImageEffect))
        .text(kOfxPropLabel, id)
        .text(kOfxPropShortLabel, id)
        .text(kOfxPropLongLabel, id)
        .open_list(kOfxPropVersion)
        .text(kOfxPropVersionLabel, "")
        .text(kOfxPropPluginDescription, "")
        .list(kOfxPropIcon, &["", ""])
        .list::<&str>(kOfxImageEffectPropSupportedContexts, &[])
        .list::<&str>(kOfxImageEffectPropSupportedPixelDepths, &[])
        .text(kOfxImageEffectPluginPropGrouping, "")
        .ints(kOfxImageEffectPluginPropSingleInstance, &[0])
        .text(kOfxImageEffectPluginRenderThreadSafety, ascii(kOfxImageEffectRenderInstanceSafe))
        .ints(kOfxImageEffectPluginPropHostFrameThreading, &[1])
        .pointer(kOfxImageEffectPluginPropOverlayInteractV1, 0)
        .pointer(kOfxImageEffectPluginPropOverlayInteractV2, 0)
        .ints(kOfxImageEffectPropSupportsMultiResolution, &[1])
        .ints(kOfxImageEffectPropSupportsTiles, &[1])
        .ints(kOfxImageEffectPropTemporalClipAccess, &[0])
        .ints(kOfxImageEffectPluginPropFieldRenderTwiceAlways, &[1])
        .ints(kOfxImageEffectPropSupportsMultipleClipDepths, &[0])
        .ints(kOfxImageEffectPropSupportsMultipleClipPARs, &[0])
        .list::<&str>(kOfxImageEffectPropClipPreferencesSlaveParam, &[])
        .ints(kOfxImageEffectInstancePropSequentialRender, &[0])
        .text(kOfxPluginPropFilePath, path)
        .text(kOfxImageEffectPropOpenGLRenderSupported, "false")
        .text(kOfxImageEffectPropCPURenderSupported, "true")
        .text(kOfxImageEffectPropThumbnailRender, "true")
        .text(kOfxImageEffectPropNoSpatialAwareness, "false")
        .ints(kOfxImageEffectPluginPropObsolete, &[0])
        .lock(&[kOfxPropType, kOfxPluginPropFilePath]);
    match host.behaviour().colourspace {
        Some(_) => set
            .text(
                kOfxImageEffectPropColourManagementStyle,
                ascii(kOfxImageEffectColourManagementNone),
            )
            .list::<&str>(kOfxImageEffectPropColourManagementAvailableConfigs, &[]),
        None => set,
    }
}

fn instance(host: &Host, descriptor: &Effect, context: &str, project: Project) -> Arc<PropertySet> {
    let pixel_aspect = host.behaviour().pixel_aspect;
    let (width, height) = (project.size.0 as f64 * pixel_aspect, project.size.1 as f64);
    let sequential = descriptor.props.int(kOfxImageEffectInstancePropSequentialRender).unwrap_or(0);
    let tiles = descriptor.props.int(kOfxImageEffectPropSupportsTiles).unwrap_or(1);
    let mut set = PropertySet::of("the instance", host.journal());
    if host.behaviour().colourspace.is_some() {
        // The richest style that both sides know, and the config in which names are looked up.
        let style =
            descriptor.props.text(kOfxImageEffectPropColourManagementStyle).unwrap_or_default();
        let config = descriptor.props.text(kOfxImageEffectPropColourManagementAvailableConfigs);
        set = set
            .text(kOfxImageEffectPropColourManagementStyle, &style)
            .text(kOfxImageEffectPropColourManagementConfig, &config.unwrap_or_default());
    }
    set.missing(host.profile().missing_on_effects)
        .text(kOfxPropType, ascii(kOfxTypeImageEffectInstance))
        .text(kOfxImageEffectPropContext, context)
        .pointer(kOfxPropInstanceData, 0)
        .text(kOfxPropLabel, &descriptor.props.text(kOfxPropLabel).unwrap_or_default())
        .doubles(kOfxImageEffectPropProjectSize, &[width, height])
        .doubles(kOfxImageEffectPropProjectOffset, &[0.0, 0.0])
        .doubles(kOfxImageEffectPropProjectExtent, &[width, height])
        .doubles(kOfxImageEffectPropProjectPixelAspectRatio, &[pixel_aspect])
        .doubles(
            kOfxImageEffectInstancePropEffectDuration,
            &[project.range.1 - project.range.0 + 1.0],
        )
        .ints(kOfxImageEffectInstancePropSequentialRender, &[sequential])
        .ints(kOfxImageEffectPropSupportsTiles, &[tiles])
        .doubles(kOfxImageEffectPropFrameRate, &[project.rate])
        .ints(kOfxPropIsInteractive, &[0])
        .pointer(kOfxImageEffectPropPluginHandle, descriptor.raw() as usize)
        .lock(&[
            kOfxPropType,
            kOfxImageEffectPropContext,
            kOfxImageEffectPropProjectSize,
            kOfxImageEffectPropProjectOffset,
            kOfxImageEffectPropProjectExtent,
            kOfxImageEffectPropProjectPixelAspectRatio,
            kOfxImageEffectInstancePropEffectDuration,
            kOfxImageEffectPropFrameRate,
            kOfxPropIsInteractive,
            kOfxImageEffectPropPluginHandle,
        ])
        .build()
}

fn describe_clip(host: &Host, name: &str) -> Arc<PropertySet> {
    PropertySet::of(format!("clip {name}"), host.journal())
        .missing(host.profile().missing_on_clips)
        .text(kOfxPropType, ascii(kOfxTypeClip))
        .text(kOfxPropName, name)
        .text(kOfxPropLabel, name)
        .text(kOfxPropShortLabel, name)
        .text(kOfxPropLongLabel, name)
        .list::<&str>(kOfxImageEffectPropSupportedComponents, &[])
        .ints(kOfxImageEffectPropTemporalClipAccess, &[0])
        .ints(kOfxImageClipPropOptional, &[0])
        .text(kOfxImageClipPropFieldExtraction, ascii(kOfxImageFieldDoubled))
        .ints(kOfxImageClipPropIsMask, &[0])
        .ints(kOfxImageEffectPropSupportsTiles, &[1])
        .lock(&[kOfxPropType, kOfxPropName])
        .build()
}

fn instance_clip(host: &Host, clip: &Clip, project: Project) -> Arc<PropertySet> {
    let none = ascii(kOfxBitDepthNone);
    let mut set = clip.props.copy(format!("clip {}", clip.name));
    if let Some(colourspace) = host.behaviour().colourspace {
        set = set.text(kOfxImageClipPropColourspace, colourspace);
    }
    set.missing(host.profile().missing_on_clips)
        .text(kOfxImageEffectPropPixelDepth, none)
        .text(kOfxImageEffectPropComponents, ascii(kOfxImageComponentNone))
        .text(kOfxImageClipPropUnmappedPixelDepth, none)
        .text(kOfxImageClipPropUnmappedComponents, ascii(kOfxImageComponentNone))
        .text(kOfxImageEffectPropPreMultiplication, ascii(kOfxImageOpaque))
        .doubles(kOfxImagePropPixelAspectRatio, &[host.behaviour().pixel_aspect])
        .doubles(kOfxImageEffectPropFrameRate, &[project.rate])
        .doubles(kOfxImageEffectPropFrameRange, &[project.range.0, project.range.1])
        .text(kOfxImageClipPropFieldOrder, ascii(kOfxImageFieldNone))
        .ints(kOfxImageClipPropConnected, &[c_int::from(host.behaviour().always_connected)])
        .doubles(kOfxImageEffectPropUnmappedFrameRange, &[project.range.0, project.range.1])
        .doubles(kOfxImageEffectPropUnmappedFrameRate, &[project.rate])
        .ints(kOfxImageClipPropContinuousSamples, &[0])
        .read_only()
        .build()
}
