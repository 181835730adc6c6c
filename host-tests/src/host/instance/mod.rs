//! An instance of an effect: created, queried, rendered, destroyed.

mod format;
mod planning;

use std::{
    collections::BTreeMap,
    ffi::{CStr, c_int},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use format::{choose, connect, own};

use crate::{
    host::buffer::{Buffer, Layout},
    host::clip::{Format, length},
    host::effect::{Effect, Project, short},
    host::images,
    host::journal::{Message, Rule},
    host::param::Value,
    host::plugin::{Action, Incompatible, Plugin},
    host::props::PropertySet,
    host::status::Status,
    host::sys::*,
    pictures::footage::Footage,
    pictures::picture::Picture,
};

/// How to make an instance.
#[derive(Clone)]
pub struct Setup {
    /// Context, `OfxImageEffectContext…`.
    pub context: String,
    /// Project it lives in.
    pub project: Project,
    /// Format to request; the plug-in may not support it.
    pub format: Format,
    /// Pictures by the clip's name.
    pub footage: BTreeMap<String, Arc<dyn Footage>>,
    /// Values by parameter id, with `None` as the time for a value without keys.
    pub values: Vec<(String, Option<f64>, Value)>,
}

/// Answers to GetClipPreferences that concern the output.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Preferences {
    /// Frames per second of the output.
    pub rate: f64,
    /// The output changes over time even if nothing else does.
    pub frame_varying: bool,
    /// The output can be rendered between frames.
    pub continuous: bool,
}

/// One render.
#[derive(Clone, Copy, Debug)]
pub struct FrameRequest {
    /// Time in frames.
    pub time: f64,
    /// Scale of the images.
    pub scale: f64,
    /// Pixels to render, at this scale; `None` for the whole region of definition.
    pub window: Option<OfxRectI>,
    /// An artist is waiting at the screen.
    pub interactive: bool,
}

impl FrameRequest {
    /// The whole frame at full size.
    pub fn at(time: f64) -> Self {
        Self { time, scale: 1.0, window: None, interactive: false }
    }
}

/// The result of a render.
pub struct Rendered {
    /// Status of the action.
    pub status: Status,
    /// The output, with whatever the plug-in wrote.
    pub buffer: Arc<Buffer>,
    /// The requested window.
    pub window: OfxRectI,
    /// Messages that the plug-in posted during the render.
    pub messages: Vec<Message>,
}

impl Rendered {
    /// The rendered pixels.
    pub fn picture(&self) -> Picture {
        self.buffer.picture(self.window)
    }

    /// The rendered samples, lowest row first.
    pub fn bytes(&self) -> Vec<u8> {
        self.buffer.window_bytes(self.window)
    }

    /// The last message, errors first. Blank messages are ignored.
    pub fn said(&self) -> Option<&str> {
        let said = || self.messages.iter().rev().filter(|message| !message.text.trim().is_empty());
        let error = said().find(|message| message.is_error());
        error.or(said().next()).map(|message| message.text.as_str())
    }
}

/// An instance.
pub struct Instance {
    plugin: Arc<Plugin>,
    effect: Arc<Effect>,
    preferences: Preferences,
    /// The colourspaces that the plug-in prefers for each clip, by name.
    colourspaces: BTreeMap<String, Vec<String>>,
    /// Answers to CreateInstance, GetClipPreferences.
    pub created: Status,
    destroyed: AtomicBool,
}

impl Instance {
    /// Creates the effect, connects its clips, sets its parameters, and calls CreateInstance and
    /// GetClipPreferences.
    ///
    /// # Errors
    /// When plug-in and host have no format in common for a clip, when the plug-in lacks a clip or
    /// a parameter of the setup, or when one of the actions returns an error.
    pub fn new(plugin: &Arc<Plugin>, setup: &Setup) -> Result<Self> {
        let host = plugin.host();
        if host.behaviour().describes_per_instance {
            plugin.start_again()?;
        }
        let descriptor = plugin.context(&setup.context)?;
        let effect = descriptor.instantiate(setup.project);
        for clip in effect.clips() {
            let given = setup.footage.get(&clip.name).cloned();
            let source = clip.name.as_bytes() == kOfxImageEffectSimpleSourceClipName.to_bytes();
            let given = given.filter(|_| source || !host.behaviour().only_source);
            match choose(&clip, setup.format, plugin, &effect) {
                Ok(format) => {
                    connect(&clip, given, setup.format, &effect);
                    clip.agree(format);
                }
                // A clip that the effect can do without stays unconnected.
                Err(error) if clip.is_optional() && error.is::<Incompatible>() => {
                    connect(&clip, None, setup.format, &effect);
                    clip.agree(own(&clip, setup.format));
                }
                Err(error) => return Err(error),
            }
        }
        for name in setup.footage.keys() {
            if effect.clip(name).is_none() {
                let clips: Vec<String> =
                    effect.clips().iter().map(|clip| clip.name.clone()).collect();
                bail!(
                    "{} has no clip {name} in {}; it has: {}",
                    plugin.id(),
                    short(&setup.context),
                    clips.join(", ")
                );
            }
        }
        for (id, time, value) in &setup.values {
            let Some(param) = effect.params.find(id) else {
                bail!("{} has no parameter {id} in {}", plugin.id(), short(&setup.context));
            };
            match time {
                Some(time) => param.set_key(*time, value.clone()),
                None => param.set(value.clone()),
            }
        }
        let created = plugin.call(&Action::new(kOfxActionCreateInstance).on(&effect));
        let mut instance = Self {
            plugin: Arc::clone(plugin),
            effect,
            preferences: Preferences::default(),
            colourspaces: BTreeMap::new(),
            created,
            destroyed: AtomicBool::new(!created.is_fine()),
        };
        if !created.is_fine() {
            bail!("{} answered {created} to CreateInstance{}", plugin.id(), plugin.said());
        }
        instance.negotiate()?;
        Ok(instance)
    }

    /// Its effect.
    pub fn effect(&self) -> &Arc<Effect> {
        &self.effect
    }

    /// The plug-in.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// The answers to GetClipPreferences.
    pub fn preferences(&self) -> Preferences {
        self.preferences
    }

    fn arguments(&self, action: &str) -> crate::host::props::Builder {
        PropertySet::of(format!("the arguments of {action}"), self.effect.host.journal())
            .read_only()
    }

    fn results(&self, action: &str) -> crate::host::props::Builder {
        PropertySet::of(format!("the results of {action}"), self.effect.host.journal())
    }

    fn sequence(
        &self,
        action: &CStr,
        range: (f64, f64),
        step: f64,
        scale: f64,
        interactive: bool,
    ) -> Status {
        let arguments = self
            .arguments(&action.to_string_lossy())
            .doubles(kOfxImageEffectPropFrameRange, &[range.0, range.1])
            .doubles(kOfxImageEffectPropFrameStep, &[step])
            .ints(kOfxPropIsInteractive, &[c_int::from(interactive)])
            .doubles(kOfxImageEffectPropRenderScale, &[scale, scale])
            .ints(kOfxImageEffectPropSequentialRenderStatus, &[0])
            .ints(kOfxImageEffectPropInteractiveRenderStatus, &[c_int::from(interactive)])
            .ints(kOfxImageEffectPropCudaEnabled, &[0])
            .ints(kOfxImageEffectPropOpenCLEnabled, &[0])
            .ints(kOfxImageEffectPropOpenGLEnabled, &[0])
            .ints(kOfxImageEffectPropMetalEnabled, &[0])
            .build();
        let action = Action { arguments: Some(&arguments), ..Action::new(action) };
        self.effect.set_scale(scale);
        self.plugin.call(&action.on(&self.effect))
    }

    /// BeginSequenceRender.
    pub fn begin(&self, range: (f64, f64), step: f64, scale: f64) -> Status {
        self.sequence(kOfxImageEffectActionBeginSequenceRender, range, step, scale, false)
    }

    /// EndSequenceRender.
    pub fn end(&self, range: (f64, f64), step: f64, scale: f64) -> Status {
        self.sequence(kOfxImageEffectActionEndSequenceRender, range, step, scale, false)
    }

    /// The Render action. The output image covers the region of definition, or only the window in
    /// hosts without tiles. Anything written outside the window is a broken rule.
    ///
    /// # Errors
    /// When there is nothing to render, no output clip or too little memory, or when a picture
    /// cannot be read. The plug-in's own status is not an error here.
    pub fn render(&self, request: FrameRequest) -> Result<Rendered> {
        Ok(self.render_timed(request)?.1)
    }

    /// The same, with the time taken by the action alone.
    ///
    /// # Errors
    /// As [`Instance::render`].
    pub fn render_timed(&self, request: FrameRequest) -> Result<(Duration, Rendered)> {
        let full = self.bounds(request.time, request.scale)?;
        let window = request.window.unwrap_or(full);
        if window.x1 >= window.x2 || window.y1 >= window.y2 {
            bail!(
                "there is nothing to render at time {}: the region of definition is empty",
                request.time
            );
        }
        let behaviour = self.effect.host.behaviour();
        let output = self.effect.clips().into_iter().find(|clip| clip.is_output());
        let Some(format) = output.and_then(|clip| clip.format()) else {
            bail!("{} has no clip Output", self.plugin.id());
        };
        let (depth, components) = (format.depth, format.components);
        let layout = Layout {
            bounds: full,
            depth,
            components,
            rows: behaviour.rows,
            padding: behaviour.padding,
        };
        let Some(mut buffer) = Buffer::new(layout) else {
            bail!(
                "there is not enough memory for an output of {}x{}",
                layout.width(),
                layout.height()
            );
        };
        if behaviour.prefills_output
            && request.window.is_none()
            && let Some(clip) = self.effect.clip("Source")
            && let Some(footage) = clip.footage()
            && let Some(picture) = footage.picture(request.time)?
        {
            buffer.fill(&picture, (full.x1, full.y1));
        }
        let buffer = Arc::new(buffer);
        if behaviour.crops_inputs {
            let region = behaviour.region(window, request.scale);
            for (name, wanted) in self.regions_of_interest(request.time, request.scale, region)? {
                if let Some(clip) = self.effect.clip(&name) {
                    clip.crop(Some(wanted));
                }
            }
        }
        let arguments = self
            .arguments("Render")
            .doubles(kOfxPropTime, &[request.time])
            .text(kOfxImageEffectPropFieldToRender, ascii(kOfxImageFieldNone))
            .ints(kOfxImageEffectPropRenderWindow, &[window.x1, window.y1, window.x2, window.y2])
            .doubles(kOfxImageEffectPropRenderScale, &[request.scale, request.scale])
            .ints(kOfxImageEffectPropSequentialRenderStatus, &[0])
            .ints(kOfxImageEffectPropInteractiveRenderStatus, &[c_int::from(request.interactive)])
            .ints(kOfxImageEffectPropRenderQualityDraft, &[0])
            .ints(kOfxImageEffectPropCudaEnabled, &[0])
            .ints(kOfxImageEffectPropOpenCLEnabled, &[0])
            .ints(kOfxImageEffectPropOpenGLEnabled, &[0])
            .ints(kOfxImageEffectPropMetalEnabled, &[0]);
        let arguments = match behaviour.unlicensed {
            Some(wanted) => {
                arguments.text(kOfxImageEffectPropBehaviourWhenUnlicensed, ascii(wanted))
            }
            None => arguments,
        };
        let arguments = arguments.build();
        *self.effect.now.write() = request.time;
        self.effect.set_scale(request.scale);
        self.effect.add_target(&buffer);
        let action = Action {
            arguments: Some(&arguments),
            time: Some(request.time),
            target: Some(&buffer),
            ..Action::new(kOfxImageEffectActionRender)
        };
        let started = Instant::now();
        let status = self.plugin.call(&action.on(&self.effect));
        let took = started.elapsed();
        self.effect.remove_target(&buffer);
        self.effect.clips().iter().for_each(|clip| clip.crop(None));
        let journal = self.effect.host.journal();
        if let Some(damage) = buffer.damage(window) {
            let (x1, y1, x2, y2) = (window.x1, window.y1, window.x2, window.y2);
            let what =
                format!("the window {x1},{y1}..{x2},{y2} was to be rendered; {damage} was changed");
            journal.violate(Rule::OutsideWindow, what);
        }
        let mut messages = journal.take_messages();
        if let Some(persistent) = self.effect.persistent()
            && !messages.contains(&persistent)
        {
            messages.push(persistent);
        }
        Ok((took, Rendered { status, buffer, window, messages }))
    }

    /// The picture of an input converted to the clip's format, as hosts show it if the plug-in
    /// answers with an identity.
    ///
    /// # Errors
    /// When there is no such clip, when it has no picture at that time, or when there is too little
    /// memory.
    pub fn identity_picture(&self, clip: &str, time: f64, scale: f64) -> Result<Picture> {
        let Some(found) = self.effect.clip(clip) else { bail!("there is no clip {clip}") };
        let picture = match found.footage() {
            Some(footage) => footage.picture(time)?,
            None => None,
        };
        let Some(picture) = picture else { bail!("clip {clip} has no picture at time {time}") };
        let scaled = (scale != 1.0).then(|| Arc::new(picture.scaled(scale)));
        let picture = scaled.unwrap_or(picture);
        let Some(format) = found.format() else { bail!("clip {clip} has no format") };
        let bounds =
            OfxRectI { x1: 0, y1: 0, x2: length(picture.width), y2: length(picture.height) };
        let (depth, components) = (format.depth, format.components);
        let rows = crate::host::pixels::Rows::Upward;
        let Some(mut buffer) = Buffer::new(Layout { bounds, depth, components, rows, padding: 0 })
        else {
            bail!("there is not enough memory for the picture of clip {clip}");
        };
        buffer.fill(&picture, (0, 0));
        Ok(buffer.picture(bounds))
    }

    /// Changes a parameter as a user would, including the InstanceChanged actions.
    ///
    /// # Errors
    /// When there is no such parameter.
    pub fn edit(&self, id: &str, value: Value, time: f64) -> Result<Status> {
        self.change(id, value, time, kOfxChangeUserEdited)
    }

    fn change(&self, id: &str, value: Value, time: f64, reason: &'static CStr) -> Result<Status> {
        let Some(param) = self.effect.params.find(id) else { bail!("there is no parameter {id}") };
        let reason = ascii(reason);
        let begin =
            self.arguments("BeginInstanceChanged").text(kOfxPropChangeReason, reason).build();
        let action =
            Action { arguments: Some(&begin), ..Action::new(kOfxActionBeginInstanceChanged) };
        self.plugin.call(&action.on(&self.effect));
        param.set(value);
        let changed = self
            .arguments("InstanceChanged")
            .text(kOfxPropType, ascii(kOfxTypeParameter))
            .text(kOfxPropName, id)
            .text(kOfxPropChangeReason, reason)
            .doubles(kOfxPropTime, &[time])
            .doubles(kOfxImageEffectPropRenderScale, &[1.0, 1.0])
            .build();
        let action = Action { arguments: Some(&changed), ..Action::new(kOfxActionInstanceChanged) };
        let status = self.plugin.call(&action.on(&self.effect));
        let action =
            Action { arguments: Some(&begin), ..Action::new(kOfxActionEndInstanceChanged) };
        self.plugin.call(&action.on(&self.effect));
        Ok(status)
    }

    /// Sets a parameter as a host does while loading a project: the plug-in is told that it made
    /// the change itself.
    ///
    /// # Errors
    /// When there is no such parameter.
    pub fn load_value(&self, id: &str, value: Value, time: f64) -> Result<Status> {
        self.change(id, value, time, kOfxChangePluginEdited)
    }

    /// Any action on the instance, without arguments.
    pub fn action(&self, name: &CStr) -> Status {
        self.plugin.call(&Action::new(name).on(&self.effect))
    }

    /// DestroyInstance; called once, by `drop` at the latest.
    pub fn destroy(&self) -> Option<Status> {
        if self.destroyed.swap(true, Ordering::SeqCst) {
            return None;
        }
        let status = self.action(kOfxActionDestroyInstance);
        images::collect(&self.effect, None, "DestroyInstance");
        let blocks = self.effect.memory_left();
        if blocks > 0 {
            let what = format!(
                "{blocks} block(s) of image memory were not freed before DestroyInstance returned"
            );
            self.effect.host.journal().violate(Rule::Memory, what);
        }
        Some(status)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.destroy();
    }
}
