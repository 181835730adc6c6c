//! The basis of all checks: a host with a profile, the plug-in, and synthetic drawings for its
//! clips.

use std::{collections::BTreeMap, ffi::c_int, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tempfile::TempDir;

use crate::{
    checks::outcome::{Checked, Outcome, Stop},
    host::Host,
    host::binary::{self, Binary},
    host::clip::Format,
    host::effect::{Project, short},
    host::instance::{FrameRequest, Instance, Rendered, Setup},
    host::param::{Param, ParamType, Value, default_of},
    host::pixels::{Components, Depth, Premult},
    host::plugin::Plugin,
    host::profile::Profile,
    host::props::c_text,
    host::status::Status,
    host::sys::*,
    pictures::footage::{Footage, Moving},
    pictures::picture::{Picture, Reading},
};

/// What to check, and with which host.
#[derive(Clone)]
pub struct Fixture {
    /// File or bundle.
    pub path: PathBuf,
    /// Identifier, if the file has several plug-ins.
    pub id: Option<String>,
    /// Host to imitate.
    pub profile: &'static Profile,
    /// The only context to check, by its short name in lower case.
    pub context: Option<String>,
    /// Parameters to set in every instance: ID=VALUE.
    pub settings: Vec<(String, String)>,
    /// Seed of the random cases.
    pub seed: u64,
    /// The plug-in's needs, as found out for each context.
    needs: Arc<Mutex<BTreeMap<String, Needs>>>,
    /// Folder of the key files, once there are any.
    files: Arc<Mutex<Option<TempDir>>>,
}

/// What a plug-in needs to render besides its mandatory clips: optional ones, or pictures from
/// files.
#[derive(Clone, Default)]
pub struct Needs {
    /// Optional clips.
    pub clips: Vec<String>,
    /// Values of parameters.
    values: Vec<(String, Value)>,
}

/// Frames of the synthetic clips.
pub const RANGE: (f64, f64) = (1.0, 9.0);
/// Size of the synthetic drawings.
pub const SIZE: (usize, usize) = (64, 48);

/// How to make a check's instance.
#[derive(Clone)]
pub struct Recipe {
    /// Size of the drawings.
    pub size: (usize, usize),
    /// Format to request.
    pub format: Format,
    /// Clips that get no pictures.
    pub without: Vec<String>,
    /// Optional clips get pictures if the plug-in does not render without them.
    pub needed_too: bool,
    /// The optional clips get pictures too.
    pub optional_too: bool,
    /// Changes the drawings' pixels.
    pub paint: fn([f32; 4]) -> [f32; 4],
    /// The drawings do not change over time.
    pub still: bool,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            size: SIZE,
            format: Format {
                depth: Depth::Float,
                components: Components::Rgba,
                premult: Premult::Un,
            },
            without: Vec::new(),
            needed_too: true,
            optional_too: false,
            paint: |pixel| pixel,
            still: false,
        }
    }
}

impl Fixture {
    /// A fixture for a plug-in with a host.
    pub fn new(path: PathBuf, id: Option<String>, profile: &'static Profile, seed: u64) -> Self {
        let (needs, files) = (Arc::default(), Arc::default());
        Self { path, id, profile, context: None, settings: Vec::new(), seed, needs, files }
    }

    /// The plug-in with a fresh host. Only `setHost` has been called.
    ///
    /// # Errors
    /// When the file cannot be opened or does not contain such a plug-in.
    pub fn plugin(&self) -> Checked<Arc<Plugin>> {
        let binary = Binary::open(&binary::find_one(&self.path)?)?;
        Ok(Plugin::new(&binary, self.id.as_deref(), &Host::new(self.profile))?)
    }

    /// The plug-in, loaded and described.
    ///
    /// # Errors
    /// As [`Fixture::plugin`]; when Load or Describe fails.
    pub fn started(&self) -> Checked<Arc<Plugin>> {
        let plugin = self.plugin()?;
        plugin.start()?;
        Ok(plugin)
    }

    /// Contexts to check.
    ///
    /// # Errors
    /// [`Stop::Skip`] when plug-in and host have no context in common.
    pub fn contexts(&self, plugin: &Plugin) -> Checked<Vec<String>> {
        let mut contexts = plugin.contexts();
        if let Some(wanted) = &self.context {
            contexts.retain(|context| short(context).eq_ignore_ascii_case(wanted));
        }
        if contexts.is_empty() {
            let text = format!("plug-in and {} have no context in common", self.profile.label);
            return Err(Stop::Skip(text));
        }
        Ok(contexts)
    }

    /// Runs a check in each context and combines the outcomes. The first failure counts; a check
    /// that is skipped in every context is skipped.
    ///
    /// # Errors
    /// The first failure of `body`; [`Stop::Skip`] when it skipped every context.
    pub fn in_contexts(&self, body: impl Fn(&Arc<Plugin>, &str) -> Checked<String>) -> Checked {
        let contexts = self.contexts(&*self.started()?)?;
        let mut done = Vec::new();
        let mut skipped = Vec::new();
        for context in contexts {
            let plugin = self.started()?;
            match body(&plugin, &context) {
                Ok(note) if note.is_empty() => done.push(short(&context).to_owned()),
                Ok(note) => done.push(format!("{}: {note}", short(&context))),
                Err(Stop::Skip(why)) => skipped.push(format!("{}: {why}", short(&context))),
                Err(Stop::Fail(why)) => {
                    return Err(Stop::Fail(format!("{}: {why}", short(&context))));
                }
            }
        }
        match (done.is_empty(), skipped.is_empty()) {
            (true, _) => Err(Stop::Skip(skipped.join("; "))),
            (false, true) => Ok(Outcome::Success(done.join("; "))),
            (false, false) => Ok(Outcome::Success(format!(
                "{}; not checked in {}",
                done.join("; "),
                skipped.join("; ")
            ))),
        }
    }

    /// What the plug-in needs to render; without it, the plug-in refuses with a message. Optional
    /// clips are tried first, in the order of their definition (an in-betweener whose second key
    /// may come from a file wants one). In hosts that deliver too few pictures, files of this
    /// fixture are then entered in the parameters for files.
    ///
    /// # Errors
    /// When the plug-in cannot be started, or a key file cannot be written.
    pub fn needs(&self, context: &str) -> Checked<Needs> {
        if let Some(known) = self.needs.lock().get(context) {
            return Ok(known.clone());
        }
        // Tried with another host, so that nothing of this gets into the check's journal.
        let plugin = self.started()?;
        let descriptor = plugin.context(context)?;
        let clips = descriptor.clips();
        let optional = clips.iter().filter(|clip| !clip.is_output() && clip.is_optional());
        let optional: Vec<String> = optional.map(|clip| clip.name.clone()).collect();
        let with_clips = (0..=optional.len())
            .map(|count| Needs { clips: optional[..count].to_vec(), values: Vec::new() });
        let mut found = self.first_that_renders(&plugin, context, with_clips)?;
        if found.is_none() {
            let with_files = self.with_files(&descriptor.params.all())?;
            found = self.first_that_renders(&plugin, context, with_files)?;
        }
        let found = found.unwrap_or_default();
        let found = self.made_busy(&plugin, context, found)?;
        self.needs.lock().insert(context.to_owned(), found.clone());
        Ok(found)
    }

    fn first_that_renders(
        &self,
        plugin: &Arc<Plugin>,
        context: &str,
        all: impl IntoIterator<Item = Needs>,
    ) -> Checked<Option<Needs>> {
        for needs in all {
            let setup = self.setup_with(plugin, context, &Recipe::default(), &needs)?;
            let instance = Instance::new(plugin, &setup)?;
            let busy = self.busy_time(&instance).unwrap_or(3.0);
            // Several times, because the first may be a held key.
            let mut refused = None;
            for time in [busy, 4.0, 6.0, RANGE.1] {
                let rendered = instance.render(FrameRequest::at(time))?;
                if rendered.status != Status::OK {
                    refused = Some(rendered);
                    break;
                }
            }
            match refused {
                None => return Ok(Some(needs)),
                // A failure without a message does not mean that anything is missing.
                Some(refused) if refused.said().is_none() => return Ok(Some(Needs::default())),
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// The same needs, with one parameter changed if every frame would be a frame of an input. For
    /// example, a gain of 1 draws nothing.
    fn made_busy(&self, plugin: &Arc<Plugin>, context: &str, needs: Needs) -> Checked<Needs> {
        let is_busy = |needs: &Needs| -> Checked<bool> {
            let setup = self.setup_with(plugin, context, &Recipe::default(), needs)?;
            Ok(self.busy_time(&Instance::new(plugin, &setup)?).is_ok())
        };
        if is_busy(&needs)? {
            return Ok(needs);
        }
        for param in plugin.context(context)?.params.all() {
            for value in moved(&param) {
                let mut other = needs.clone();
                other.values.push((param.name.clone(), value));
                if is_busy(&other)? {
                    return Ok(other);
                }
            }
        }
        Ok(needs)
    }

    /// Enters key files in the first parameters for files, one more each time, combined with each
    /// option of each choice, since one of these may say that keys come from files.
    fn with_files(&self, params: &[Arc<Param>]) -> Checked<Vec<Needs>> {
        let is_file = |param: &&Arc<Param>| {
            param.kind == ParamType::String
                && param
                    .props
                    .text(kOfxParamPropStringMode)
                    .is_some_and(|mode| mode.as_bytes() == kOfxParamStringIsFilePath.to_bytes())
        };
        let mut values = Vec::new();
        for (at, param) in params.iter().filter(is_file).enumerate() {
            let time = if at % 2 == 0 { RANGE.0 } else { RANGE.1 };
            values.push((param.name.clone(), Value::Text(c_text(&self.key_file(time)?))));
        }
        let choices = params.iter().filter(|param| param.kind == ParamType::Choice);
        let options: Vec<(String, Value)> = choices
            .flat_map(|param| {
                let count = c_int::try_from(param.options().len()).unwrap_or(0);
                (0..count).map(|option| (param.name.clone(), Value::Ints(vec![option])))
            })
            .collect();
        let mut all = Vec::new();
        for count in 1..=values.len() {
            for choice in std::iter::once(None).chain(options.iter().map(Some)) {
                let values = values[..count].iter().chain(choice).cloned().collect();
                all.push(Needs { clips: Vec::new(), values });
            }
        }
        Ok(all)
    }

    /// A picture file of the drawing at a time.
    fn key_file(&self, time: f64) -> Checked<String> {
        let failed = |error: &dyn std::fmt::Display| Stop::Fail(format!("no key file: {error}"));
        let mut files = self.files.lock();
        let folder = match &mut *files {
            Some(folder) => folder,
            none => none.insert(TempDir::new().map_err(|error| failed(&error))?),
        };
        let path = folder.path().join(format!("key{time}.png"));
        if !path.exists() {
            let reading = Reading { premultiplied: false, linear: false };
            let picture = drawing(0, &Recipe::default()).picture(time)?;
            let picture = picture.ok_or_else(|| failed(&"the drawing is empty"))?;
            picture.save(&path, reading, true)?;
        }
        Ok(path.to_string_lossy().into_owned())
    }

    /// A setup with synthetic drawings in the clips.
    ///
    /// # Errors
    /// As [`Fixture::needs`], and when a setting's text is not a valid value of its parameter.
    pub fn setup(&self, plugin: &Plugin, context: &str, recipe: &Recipe) -> Checked<Setup> {
        let needs = if recipe.needed_too { self.needs(context)? } else { Needs::default() };
        // Finding out the needs may have introduced another host.
        plugin.set_host()?;
        self.setup_with(plugin, context, recipe, &needs)
    }

    fn setup_with(
        &self,
        plugin: &Plugin,
        context: &str,
        recipe: &Recipe,
        needs: &Needs,
    ) -> Checked<Setup> {
        let descriptor = plugin.context(context)?;
        let mut footage: BTreeMap<String, Arc<dyn Footage>> = BTreeMap::new();
        let inputs = descriptor.clips().into_iter().filter(|clip| !clip.is_output());
        for (index, clip) in inputs.enumerate() {
            let fed =
                !clip.is_optional() || recipe.optional_too || needs.clips.contains(&clip.name);
            if fed && !recipe.without.contains(&clip.name) {
                footage.insert(clip.name.clone(), drawing(index, recipe));
            }
        }
        let mut values = Vec::new();
        for (id, value) in &needs.values {
            values.push((id.clone(), None, value.clone()));
        }
        for (id, text) in &self.settings {
            // Contexts differ in their parameters. A setting is ignored in contexts that do not
            // have it.
            if let Some(param) = descriptor.params.find(id) {
                values.push((id.clone(), None, param.parse(text).map_err(Stop::Fail)?));
            }
        }
        // Parameters that the host controls: a transition, and a clip at half its speed.
        for (name, ends) in [
            (kOfxImageEffectTransitionParamName, (0.0, 1.0)),
            (kOfxImageEffectRetimerParamName, (RANGE.0, (RANGE.0 + RANGE.1) / 2.0)),
        ] {
            let name = name.to_string_lossy().into_owned();
            if descriptor.params.find(&name).is_some_and(|param| param.kind == ParamType::Double) {
                for (time, value) in [(RANGE.0, ends.0), (RANGE.1, ends.1)] {
                    values.push((name.clone(), Some(time), Value::Doubles(vec![value])));
                }
            }
        }
        Ok(Setup {
            context: context.to_owned(),
            project: Project { size: recipe.size, range: RANGE, rate: 24.0 },
            format: recipe.format,
            footage,
            values,
        })
    }

    /// An instance with synthetic drawings in its clips.
    ///
    /// # Errors
    /// As [`Fixture::setup`]; when the instance cannot be made.
    pub fn instance(
        &self,
        plugin: &Arc<Plugin>,
        context: &str,
        recipe: &Recipe,
    ) -> Checked<Instance> {
        Ok(Instance::new(plugin, &self.setup(plugin, context, recipe)?)?)
    }

    /// A time of the project for which the plug-in does not answer that the frame is another one.
    ///
    /// # Errors
    /// [`Stop::Skip`] when every frame is one of an input; when IsIdentity fails.
    pub fn busy_time(&self, instance: &Instance) -> Checked<f64> {
        if !self.profile.behaviour.asks_planning {
            return Ok(3.0);
        }
        for time in [3.0, 5.0, 4.0, 2.0, 7.0, 6.0, 8.0, 1.0, 9.0] {
            if instance.identity(FrameRequest::at(time))?.is_none() {
                return Ok(time);
            }
        }
        Err(Stop::Skip("every frame is said to be one of an input".into()))
    }

    /// Renders, and stops if that is not possible. If the plug-in gives a reason it is a skip,
    /// because the check `renders` judges that.
    ///
    /// # Errors
    /// [`Stop::Skip`] when the plug-in says why it does not render, [`Stop::Fail`] when it says
    /// nothing.
    pub fn render(&self, instance: &Instance, request: FrameRequest) -> Checked<Rendered> {
        let rendered = instance.render(request)?;
        if rendered.status == Status::OK {
            return Ok(rendered);
        }
        let text = match rendered.said() {
            Some(text) => {
                format!("render at time {} answered {}: {text}", request.time, rendered.status)
            }
            None => format!(
                "render at time {} answered {} without a message",
                request.time, rendered.status
            ),
        };
        Err(if rendered.said().is_some() { Stop::Skip(text) } else { Stop::Fail(text) })
    }

    /// Makes sure that the plug-in renders at all before a variation of the render is judged.
    ///
    /// # Errors
    /// As [`Fixture::instance`], [`Fixture::busy_time`] and [`Fixture::render`].
    pub fn baseline(&self, plugin: &Arc<Plugin>, context: &str) -> Checked<(f64, Vec<u8>)> {
        let instance = self.instance(plugin, context, &Recipe::default())?;
        let time = self.busy_time(&instance)?;
        let bytes = self.render(&instance, FrameRequest::at(time))?.bytes();
        Ok((time, bytes))
    }
}

/// A variation must render. A message is no excuse if the plain case rendered.
///
/// # Errors
/// [`Stop::Fail`] when the render does not return OK.
pub fn must_render(instance: &Instance, request: FrameRequest, what: &str) -> Checked<Rendered> {
    let rendered = instance.render(request)?;
    if rendered.status != Status::OK {
        let said = rendered.said().map(|text| format!(": {text}")).unwrap_or_default();
        return Err(Stop::Fail(format!("{what}: render answered {}{said}", rendered.status)));
    }
    Ok(rendered)
}

/// Values other than the default, within the range.
fn moved(param: &Param) -> Vec<Value> {
    let values = match default_of(param.kind, &param.props) {
        Value::Doubles(v) => [1.0, -0.5, 0.25]
            .map(|step| Value::Doubles(v.iter().map(|v| v + step).collect()))
            .to_vec(),
        Value::Ints(v) if param.kind == ParamType::Boolean => {
            vec![Value::Ints(v.iter().map(|v| 1 - v).collect())]
        }
        Value::Ints(v) if param.kind == ParamType::Choice => {
            let options = c_int::try_from(param.options().len()).unwrap_or(0);
            (0..options)
                .filter(|option| !v.contains(option))
                .map(|v| Value::Ints(vec![v]))
                .collect()
        }
        Value::Ints(v) => vec![Value::Ints(v.iter().map(|v| v.saturating_add(1)).collect())],
        _ => Vec::new(),
    };
    values.into_iter().filter(|value| param.check_range(value).is_ok()).collect()
}

/// A moving drawing with outlines, different for each clip.
fn drawing(index: usize, recipe: &Recipe) -> Arc<dyn Footage> {
    let (width, height) = recipe.size;
    let paint = recipe.paint;
    let still = recipe.still;
    let premult = recipe.format.premult;
    let draw = move |time: f64| {
        let time = if still { RANGE.0 } else { time };
        let (w, h) = (width as f32, height as f32);
        let step = (time as f32 - 1.0) / 8.0;
        let centre = (w * (0.3 + 0.1 * index as f32 + 0.3 * step), h * (0.6 - 0.15 * index as f32));
        let radius = 0.25 * w.min(h);
        let mut picture = Picture::from_fn(width, height, |x, y| {
            let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
            let distance = ((x - centre.0).powi(2) + (y - centre.1).powi(2)).sqrt() - radius;
            let rgb = match distance {
                d if d.abs() < 1.2 => [0.05, 0.05, 0.08],
                d if d < 0.0 => [0.9, 0.55 + 0.1 * index as f32, 0.3],
                _ => [0.6 + 0.2 * x / w, 0.7, 0.5 + 0.3 * y / h],
            };
            // A corner is transparent, so that alpha is not the same everywhere.
            let alpha = if x + y < 0.2 * (w + h) { 0.5 } else { 1.0 };
            [rgb[0], rgb[1], rgb[2], alpha]
        });
        if premult == Premult::Pre {
            picture.map(|[r, g, b, a]| [r * a, g * a, b * a, a]);
        }
        picture.map(paint);
        picture
    };
    Arc::new(Moving::new(recipe.size, RANGE, draw))
}
